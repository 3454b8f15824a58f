# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No server that lives already is worse off after a run. Tests of one host build on each other, in this order."""

from __future__ import annotations

import re
import time

import judge
import pytest
from living_site import World
from shapes import ADOPTED, LEFT_ALONE, SAYS, SHAPES


def of(*short: str) -> pytest.MarkDecorator:
    """Every shape; those that are not named are left out when all tests are run, because they take minutes each."""
    shapes = [pytest.param(name, marks=() if name in short else pytest.mark.long) for name in SHAPES]
    return pytest.mark.parametrize("world", shapes, indirect=True, scope="session")


@of()
def test_the_judge_sees_no_harm_where_nothing_is_done(world: World) -> None:
    """The host works as it was made, and the mail of every kind flows: otherwise no other test proves anything."""
    before = judge.picture(world)
    assert any(before.served.values())
    with judge.Watch(world) as watch:
        time.sleep(10)
    watch.report.is_unharmed()
    assert judge.worse(before, judge.picture(world)) == {}


@of()
def test_r01_check_mode_changes_nothing_and_says_what_it_will_be(world: World) -> None:
    before = judge.picture(world)
    with judge.Watch(world) as watch:
        run = world.play("site", "--check", "--diff")
    watch.report.is_unharmed()
    after = judge.picture(world)
    assert judge.worse(before, after) == {}
    assert judge.differences(before.files, after.files) == []
    assert re.search(world.shape.says or SAYS[world.shape.outcome], run.text, re.IGNORECASE), run.output[-6000:]


@of("ispmail")
def test_r01_r02_r10_site_harms_no_mail_and_changes_no_port_and_a_second_run_changes_nothing(world: World) -> None:
    before = world.remembered = judge.picture(world)
    with judge.Watch(world) as watch:
        first = world.play("site")
    watch.report.is_unharmed()
    after = judge.picture(world)
    assert judge.worse(before, after) == {}
    if world.shape.outcome == LEFT_ALONE:
        assert judge.differences(before.files, after.files) == []
    if world.shape.outcome == ADOPTED and world.shape.receives:
        judge.is_published(world, after)
    assert "TASK [mailsec.dane.audit" in first.output
    assert first.status == world.shape.done, first.output[-6000:]
    second = world.play("site")
    assert second.counts(world.shape.host)["changed"] == 0, second.output[-6000:]
    assert second.status == world.shape.done, second.output[-6000:]
    assert judge.worse(before, judge.picture(world)) == {}


@of("ispmail")
def test_r12_what_leaves_without_dane_is_not_called_done(world: World) -> None:
    """Every way by which mail leaves the host is tried with a server whose record is wrong."""
    if ways := judge.unverified(world):
        run = world.play("site")
        assert re.search(world.shape.unverified, run.text, re.IGNORECASE), (ways, run.output[-6000:])


@of()
def test_absent_gives_the_original_back(world: World) -> None:
    assert world.remembered, "site has not been run"
    with judge.Watch(world) as watch:
        run = world.role({"postfix": {"postfix_state": "absent"}, "resolver": {"resolver_state": "absent"}})
    # What another program owns was never changed, and is not touched now.
    assert run.status == (2 if world.shape.outcome == LEFT_ALONE else 0), run.output[-6000:]
    watch.report.is_unharmed()
    after = judge.picture(world)
    assert judge.worse(world.remembered, after) == {}
    assert judge.differences(world.remembered.files, after.files) == []
