# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Readings of the clocks, and how much time surely or possibly passed between two of them.

Standard library only: also used on mail hosts. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import time
import typing as t
import uuid

#: Clocks that tell the same but for these seconds are taken to be right.
_AGREEMENT: t.Final = 5


@dataclasses.dataclass(frozen=True)
class Moment:
    """One reading of two clocks: ``wall`` is Unix time, ``monotonic`` counts only within one ``boot``. Seconds.

    ``behind``: how far the wall clock lies behind an earlier reading. When it catches up, no time has passed.
    """

    wall: float
    monotonic: float
    boot: str
    behind: float = 0


def moment_text(moment: float | None) -> str | None:
    """Return a moment in Unix time for people, in UTC and never too early; None for never and for no time."""
    if moment is None or not math.isfinite(moment):
        return None
    try:
        when = datetime.datetime.fromtimestamp(math.ceil(moment), datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def read_clocks() -> Moment:
    """Return the present moment on this machine."""
    return Moment(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), _boot())


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            return handle.read(64).strip()
    except OSError:
        # A name never seen again: then only the wall clock counts, which is safe with its margin.
        return uuid.uuid4().hex


def proven_elapsed(before: Moment | None, now: Moment) -> float:
    """Return the seconds that surely passed: the smaller of both clocks within one boot, else the wall clock."""
    return _progress(before, now)[0]


def remembered(before: Moment | None, now: Moment) -> Moment:
    """Return ``now`` as it is to be compared with the reading after it, ``before`` being the one before it."""
    return dataclasses.replace(now, behind=_progress(before, now)[1])


def _progress(before: Moment | None, now: Moment) -> tuple[float, float]:
    """Return what surely passed, and how far the wall clock lies behind an earlier reading now."""
    if before is None:
        return 0, 0
    wall = now.wall - before.wall
    if wall < 0:
        return 0, before.behind - wall
    steady = now.monotonic - before.monotonic if before.boot == now.boot else None
    if steady is not None and abs(wall - steady) <= _AGREEMENT:
        return max(min(wall, steady), 0), before.behind
    caught_up = min(before.behind, wall)
    proven = wall - caught_up if steady is None else min(wall - caught_up, steady)
    return max(proven, 0), before.behind - caught_up


def possibly_elapsed(before: Moment | None, now: Moment) -> float:
    """Return the seconds that may have passed: the larger of both clocks; unbounded when time ran backwards."""
    if before is None:
        return float("inf")
    wall = now.wall - before.wall
    if before.boot == now.boot:
        wall = max(wall, now.monotonic - before.monotonic)
    return wall if wall >= 0 else float("inf")
