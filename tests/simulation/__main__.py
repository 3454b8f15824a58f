# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.simulation [RUNS [PROFILE…]]``: random lives of every profile; one that breaks is shrunk."""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import time

from .life import PROFILES, Broken, shortest


def _profile(job: tuple[str, int, int]) -> tuple[str, int, float, str]:
    name, runs, number = job
    begin = time.process_time()
    profile = next(one for one in PROFILES if one.name == name)
    try:
        shortest(profile, runs, number)
    except Broken as error:
        return name, runs, time.process_time() - begin, str(error)
    return name, runs, time.process_time() - begin, ""


def main(words: list[str]) -> int:
    """Run the profiles named, or all; return the exit status: 0 when nothing broke."""
    runs = int(words[0]) if words else 10_000
    names = words[1:] or [one.name for one in PROFILES]
    number = random.randrange(2**32)
    print(f"{runs} runs of each profile, seed {number}", flush=True)
    status = 0
    # Hypothesis keeps all that it has tried, so that many short jobs need less memory than a few long ones.
    size = 500
    jobs = [(name, min(size, runs - start), number + start) for name in names for start in range(0, runs, size)]
    spent: dict[str, tuple[int, float]] = {}
    with multiprocessing.Pool(maxtasksperchild=1) as pool:
        for name, done, seconds, broken in pool.imap_unordered(_profile, jobs):
            past = spent.get(name, (0, 0.0))
            spent[name] = (past[0] + done, past[1] + seconds)
            if broken:
                status = 1
                print(f"{name}:\n{broken}", flush=True)
            elif spent[name][0] == runs:
                print(f"{name}: {runs} runs, {spent[name][1]:.0f} s of processor time", flush=True)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 / 1024
    print(f"at most {memory:.2f} GiB for each process; {'something broke' if status else 'nothing broke'}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
