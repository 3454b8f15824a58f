# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two first runs at the same time, from two controllers, with different settings: none undoes what the other did."""

from __future__ import annotations

import concurrent.futures
import time

import judge
import pytest
from living_site import World
from rotation_evidence import Run

ADDRESSES = ("127.0.0.1", "127.0.0.2")
#: The exit status of a run that leaves the host to the other one.
BLOCKED = 4


@pytest.mark.long
@pytest.mark.parametrize("world", ["per-address twice"], indirect=True, scope="session")
@pytest.mark.parametrize("ahead", [0, 6, 14])
def test_two_runs_at_once_leave_a_host_that_works(world: World, ahead: int) -> None:
    before = judge.picture(world)

    def site(number: int) -> Run:
        time.sleep(number * ahead)
        return world.play("site", resolver_address=ADDRESSES[number])

    with judge.Watch(world) as watch:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = list(pool.map(site, (0, 1)))
        for run in runs:
            assert run.status in (world.shape.done, BLOCKED), run.output[-6000:]
        assert judge.worse(before, judge.picture(world)) == {}
        last = world.play("site", resolver_address=ADDRESSES[1])
        assert last.status == world.shape.done, last.output[-6000:]
    watch.report.is_unharmed()
    assert judge.worse(before, judge.picture(world)) == {}
    assert world.play("site", resolver_address=ADDRESSES[1]).counts(world.shape.host)["changed"] == 0
    back = world.role({"postfix": {"postfix_state": "absent"}, "resolver": {"resolver_state": "absent"}})
    assert back.status == 0, back.output[-6000:]
    assert judge.differences(before.files, judge.picture(world).files) == []
