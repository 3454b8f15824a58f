# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.model``: the long search; with names of cases (``KB-03``), those, and their counterexamples."""

from __future__ import annotations

import resource
import sys
import time

from . import cases
from .checker import explore
from .timeline import readable
from .world import World


def main(codes: list[str]) -> int:
    """Run the named cases, or the large one; return the exit status: 0 when all came out as they should."""
    every = [*cases.known_bad(), *cases.controls(), *cases.unguarded(), cases.large()]
    chosen = [case for case in every if case.code in codes] if codes else [cases.large()]
    unknown = set(codes) - {case.code for case in every}
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted({case.code for case in every}))}")
        return 2
    status = 0
    for case in chosen:
        begin = time.process_time()
        with case.weakened():
            world = World(case.scope)
            result = explore(world, stop_at=(case.broken,) if case.broken else (), liveness=case.broken != "P1")
        seconds = time.process_time() - begin
        broken = {**result.violations, **({"P4": result.stuck} if result.stuck else {})}
        right = case.broken in broken if case.broken else not broken and result.complete
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
        print(case)
        counts = f"{result.states} states, {result.edges} transitions, {result.goals} goals"
        print(f"  {counts}, {seconds:.1f} s of processor time, {memory:.2f} GiB")
        print(f"  broken: {broken or 'nothing'}; {'as it should be' if right else 'WRONG'}")
        for name, trace in result.traces.items():
            print(readable(world, trace, name))
        status |= not right
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
