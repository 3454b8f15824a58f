# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which key shall be served (F13, F16): a rotation is begun once, and ends whoever runs next."""

from __future__ import annotations

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import goal as core
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.goal import Goal, GoalError, Held
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError, Node

A, B, C = (f"3 1 1 {letter * 64}" for letter in "abc")
BEFORE, AFTER = Held(A, A, B), Held(B, B, C)
OPEN = Goal(A, B, 100)
DONE = Goal(A, B, 100, finished=200)


def test_f13_a_rotation_begins_when_asked_for_and_only_then() -> None:
    assert core.choose(None, BEFORE, core.KEEP, 0, 100) == core.Choice(core.STAGED, None)
    for request in (core.NEW_KEY, core.COMPROMISE):
        begun = core.choose(None, BEFORE, request, 0, 100)
        assert (begun.slot, begun.goal, begun.begins) == (core.NEXT, Goal(A, B, 100, request), True)


@pytest.mark.parametrize("request_", sorted({*core.REQUESTS} - {core.COMPROMISE}))
def test_f13_every_run_goes_on_with_what_was_begun(request_: str) -> None:
    assert core.choose(OPEN, BEFORE, request_, 0, 150) == core.Choice(core.NEXT, OPEN)
    assert core.choose(OPEN, AFTER, request_, 0, 150) == core.Choice(core.STAGED, OPEN)


@pytest.mark.parametrize("held", [Held(A, A, C), Held(A, A, ""), Held(C, A, A)])
def test_f16_a_key_that_nobody_planned_is_refused(held: Held) -> None:
    with pytest.raises(GoalError, match="nobody planned"):
        core.choose(OPEN, held, core.NEW_KEY, 0, 150)


def test_f13_a_young_key_stays() -> None:
    choice = core.choose(DONE, AFTER, core.NEW_KEY, 60, 250)
    assert (choice.slot, choice.goal) == (core.STAGED, DONE) and "50 s ago" in choice.note
    assert core.choose(DONE, AFTER, core.NEW_KEY, 60, 260).goal == Goal(B, C, 260)


THEFT = Goal(A, B, 100, core.COMPROMISE)


def test_f15_a_theft_takes_the_place_of_a_rotation_that_did_not_know() -> None:
    assert core.choose(OPEN, BEFORE, core.COMPROMISE, 0, 150).goal == Goal(A, B, 150, core.COMPROMISE)
    assert core.choose(OPEN, AFTER, core.COMPROMISE, 0, 150).goal == Goal(B, C, 150, core.COMPROMISE)
    assert core.choose(DONE, AFTER, core.COMPROMISE, 86400, 250).goal == Goal(B, C, 250, core.COMPROMISE)


def test_f15_a_theft_that_is_dealt_with_is_dealt_with_once() -> None:
    for held, slot in ((BEFORE, core.NEXT), (AFTER, core.STAGED)):
        assert core.choose(THEFT, held, core.COMPROMISE, 0, 150) == core.Choice(slot, THEFT)
    assert core.choose(THEFT, BEFORE, core.COMPROMISE, 0, 150, discard=True).begins
    assert core.choose(THEFT, AFTER, core.COMPROMISE, 0, 150, discard=True) == core.Choice(core.STAGED, THEFT)
    done = Goal(A, B, 100, core.COMPROMISE, 200)
    assert core.choose(done, AFTER, core.COMPROMISE, 86400, 250).goal == done


@pytest.mark.parametrize("following", ["", A])
def test_without_a_next_key_one_is_made_first(following: str) -> None:
    choice = core.choose(None, Held(A, A, following), core.NEW_KEY, 0, 100)
    assert choice.missing and not choice.begins and choice.goal is None


def test_a_rotation_ends_only_on_its_key() -> None:
    assert core.finish(OPEN, A, 300) == OPEN
    assert core.finish(OPEN, B, 300) == Goal(A, B, 100, finished=300)
    assert core.finish(DONE, B, 300) == DONE
    assert core.finish(None, B, 300) is None


def test_goals_survive_storage_and_damage_is_named() -> None:
    for goal in (OPEN, DONE, None):
        assert core.read_goal(Node(core.goal_data(goal), "goal")) == goal
    with pytest.raises(DataError, match="unknown field"):
        core.read_goal(Node({"from": A}, "goal"))
    with pytest.raises(DataError, match=r"goal\.to_key"):
        core.read_goal(Node({"from_key": A, "to_key": "x", "begun": 1}, "goal"))


@pytest.mark.parametrize(
    ("goal", "live", "action", "withdrawing", "phase"),
    [
        (None, A, "done", False, "steady"),
        (DONE, B, "deploy", False, "adjusting"),
        (OPEN, A, "wait", False, "spreading"),
        (OPEN, A, "deploy", False, "deploying"),
        (OPEN, B, "wait", False, "soaking"),
        (OPEN, B, "done", False, "steady"),
        (OPEN, "3 1 1 " + "cc" * 32, "deploy", False, "adjusting"),
        (None, A, "wait", True, "withdrawing"),
        (None, A, "hand_over", True, "withdrawn"),
    ],
)
def test_phases(goal: Goal | None, live: str, action: str, withdrawing: bool, phase: str) -> None:
    assert core.phase(goal, live, action, withdrawing) == phase
