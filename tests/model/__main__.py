# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.model``: the long search; with names of cases (``KB-03``), those, and their counterexamples."""

from __future__ import annotations

import dataclasses
import multiprocessing
import resource
import sys
import time

from . import cases
from .checker import explore
from .timeline import readable
from .world import World


@dataclasses.dataclass(frozen=True)
class _Found:
    """What a process found in one case: numbers, whether it is as it should be, and the sentences for people."""

    states: int
    edges: int
    seconds: float
    memory: float
    is_right: bool
    lines: tuple[str, ...]


def _every() -> list[cases.Case]:
    return [*cases.known_bad(), *cases.controls(), *cases.unguarded(), *cases.large()]


def _search(number: int) -> _Found:
    """Search through the case with this number; cases have functions in them, which no process can be sent."""
    case = _every()[number]
    begin = time.process_time()
    with case.weakened():
        world = World(case.scope)
        result = explore(world, stop_at=(case.broken,) if case.broken else (), liveness=case.broken != "P1")
        told = [readable(world, trace, name) for name, trace in result.traces.items()]
    seconds = time.process_time() - begin
    broken = {**result.violations, **({"P4": result.stuck} if result.stuck else {})}
    is_right = case.broken in broken if case.broken else not broken and result.complete and result.goals > 0
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
    counts = f"{result.states} states, {result.edges} transitions, {result.goals} goals"
    lines = (
        str(case),
        f"  {counts}, {seconds:.1f} s of processor time, {memory:.2f} GiB",
        f"  broken: {broken or 'nothing'}; {'as it should be' if is_right else 'WRONG'}",
        *told,
    )
    return _Found(result.states, result.edges, seconds, memory, is_right, lines)


def main(codes: list[str]) -> int:
    """Search through the named cases, or the large ones; return the exit status: 0 when all are as they should be."""
    every = _every()
    codes = codes or [case.code for case in cases.large()]
    unknown = set(codes) - {case.code for case in every}
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted({case.code for case in every}))}")
        return 2
    chosen = [number for number, case in enumerate(every) if case.code in codes]
    begin, found = time.monotonic(), []
    # One process for each case: what one has needed is given back before the next one begins.
    with multiprocessing.Pool(maxtasksperchild=1) as pool:
        for one in pool.imap_unordered(_search, chosen, chunksize=1):
            found.append(one)
            print(*one.lines, sep="\n", flush=True)
        # As many as there are processes may be the largest at the same time.
        memory = sum(sorted(one.memory for one in found)[-(multiprocessing.cpu_count()) :])
    print(
        f"{sum(one.states for one in found)} states, {sum(one.edges for one in found)} transitions, "
        f"{sum(one.seconds for one in found):.0f} s of processor time in {time.monotonic() - begin:.0f} s, "
        f"at most {memory:.2f} GiB at a time"
    )
    return 0 if all(one.is_right for one in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
