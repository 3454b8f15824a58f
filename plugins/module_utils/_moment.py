# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Readings of the clocks, and how much time surely or possibly passed between two of them.

Standard library only: also used on mail hosts. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import time
import uuid


@dataclasses.dataclass(frozen=True)
class Moment:
    """One reading of two clocks: ``wall`` is Unix time, ``monotonic`` counts only within one ``boot``. Seconds."""

    wall: float
    monotonic: float
    boot: str


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
    if before is None:
        return 0
    wall = now.wall - before.wall
    if before.boot == now.boot:
        wall = min(wall, now.monotonic - before.monotonic)
    return max(wall, 0)


def possibly_elapsed(before: Moment | None, now: Moment) -> float:
    """Return the seconds that may have passed: the larger of both clocks; unbounded when time ran backwards."""
    if before is None:
        return float("inf")
    wall = now.wall - before.wall
    if before.boot == now.boot:
        wall = max(wall, now.monotonic - before.monotonic)
    return wall if wall >= 0 else float("inf")
