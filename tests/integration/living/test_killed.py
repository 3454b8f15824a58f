# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first run on a living host, ended at any moment, harms nothing, and the next run brings it to its end."""

from __future__ import annotations

import judge
import pytest
from living_site import World

#: Seconds by which each run lives longer than the one before it.
STEP = 8
#: The exit status of a run that finds the lease of one that was killed.
BLOCKED = 4
#: With a lease of the host that ends at once, every run gets further than the one before it.
BRIEF = {"__resolver_lease_seconds": 1, "__postfix_lease_seconds": 1}


@pytest.mark.long
@pytest.mark.parametrize("world", ["ispmail killed", "per-address killed"], indirect=True, scope="session")
def test_a_first_run_that_is_killed_harms_nothing_and_is_brought_to_its_end(world: World) -> None:
    before = judge.picture(world)
    with judge.Watch(world) as watch:
        for seconds in range(STEP, 400, STEP):
            status = world.killed("site", seconds, **BRIEF)
            assert judge.worse(before, judge.picture(world)) == {}, f"killed after {seconds} seconds"
            if status not in (None, BLOCKED):
                break
        last = world.play("site")
    assert last.status == world.shape.done, last.output[-6000:]
    watch.report.is_unharmed()
    assert judge.worse(before, judge.picture(world)) == {}
    assert world.play("site").counts(world.shape.host)["changed"] == 0
    run = world.role({"postfix": {"postfix_state": "absent"}, "resolver": {"resolver_state": "absent"}})
    assert run.status == 0, run.output[-6000:]
    after = judge.picture(world)
    assert judge.differences(before.files, after.files) == []
    assert judge.worse(before, after) == {}
