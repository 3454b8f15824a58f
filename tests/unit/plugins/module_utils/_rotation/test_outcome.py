# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a schedule is told: ok, waiting, blocked, or a person must act (case R14)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._rotation.guards import Obstacle
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.outcome import STATES, conclude, outcome
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Exposure
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import (
    Choose,
    Done,
    Generate,
    Option,
    Step,
    Wait,
)

OK = {"state": "ok", "sentence": "Nothing to do."}


def told(state: str, sentence: str = "the reason") -> dict[str, str]:
    return {"state": state, "sentence": sentence}


@pytest.mark.parametrize(
    ("step", "state", "words"),
    [
        (Done("all is as wanted"), "ok", "Nothing to do"),
        (Generate("none is held"), "pending", "Nothing to do"),
        (Wait(0, 0, (Obstacle("t", "x", "caches may hold it", 9),), "caches may hold it"), "waiting",
         "until 1970-01-01T00:00:00Z: caches may hold it"),
        (Wait(None, 0, (Obstacle("t", "x", "time", 9), Obstacle("s", "ns2", "ns2 is down")), "time"), "blocked",
         "ns2 is down"),
        (Choose((Option(Exposure.SERVE, "x"), Option(Exposure.DEFER, "y")), (), "it was stolen"), "choose",
         "set rotation_exposure to one of serve, defer"),
    ],
)  # fmt: skip
def test_each_step_is_told_in_a_state(step: Step, state: str, words: str) -> None:
    found = outcome(step, "Nothing to do.")
    assert found["state"] == state and words in found["sentence"]


def test_the_worst_host_decides_and_is_named_with_its_reason() -> None:
    outcomes = {"mx1": OK, "mx2": told("waiting", "until noon"), "mx3": told("blocked", "ns2 is down"), "mx4": OK}
    found = conclude(outcomes)
    assert found["state"] == "blocked"
    assert found["line"] == "blocked (2 ok, 1 waiting, 1 blocked) mx3: ns2 is down"
    assert found["lines"] == ["mx2: waiting: until noon"]


def test_nothing_worse_than_ok_is_one_short_line() -> None:
    assert conclude({"mx1": OK}) == {"state": "ok", "line": "ok (1 ok)", "lines": []}
    assert conclude({})["line"] == "ok (no hosts)"


@pytest.mark.parametrize(
    ("until", "words"),
    [(1_764_000_000.0, "until 2025-11-24T16:00:00Z"), (float("inf"), "while it is published")],
)
def test_r17_the_last_line_says_until_when_a_stolen_key_may_be_accepted(until: float, words: str) -> None:
    stolen = outcome(Done("all is as wanted", until), "Nothing to do.")
    assert stolen["state"] == "ok"
    said = f"the stolen key may still be accepted {words}"
    assert conclude({"mx1": OK, "mx2": stolen})["line"] == f"ok (2 ok) mx2: {said}"
    assert conclude({"mx2": stolen, "mx3": told("waiting", "until noon")}) == {
        "state": "waiting", "line": "waiting (1 ok, 1 waiting) mx3: until noon", "lines": [f"mx2: ok: {said}"]
    }  # fmt: skip


@pytest.mark.parametrize("position", range(1, len(STATES)))
def test_states_are_ordered_from_best_to_worst(position: int) -> None:
    better, worse = STATES[position - 1 : position + 1]
    assert conclude({"a": told(better), "b": told(worse)})["state"] == worse


@pytest.mark.parametrize(
    ("outcomes", "notes", "words"),
    [
        ({"mx1": told("fine")}, {}, "outcomes: the state of mx1 is 'fine', and not one of ok, left"),
        ({"mx1": 1}, {}, "outcomes: that of mx1 is not a dictionary with state and sentence"),
        ({"mx1": {"sentence": "y"}}, {}, "outcomes: that of mx1 is not a dictionary with state and sentence"),
        ({"mx1": {"state": "waiting"}}, {}, "outcomes: that of mx1 is not a dictionary with state and sentence"),
        ({"mx1": OK}, {"mx1": "text"}, "notes: that of mx1 is not a list of sentences"),
    ],
)
def test_what_is_not_an_outcome_is_an_error_and_not_ok(
    outcomes: dict[str, t.Any], notes: dict[str, t.Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        conclude(outcomes, notes)


def test_what_only_a_person_can_settle_is_a_choice() -> None:
    decided = Obstacle("all may go", "o", "have it removed with rotation_release", decides=True)
    passing = Obstacle("every address answers", "ns2", "ns2 does not answer")
    found = outcome(Wait(None, 0, (decided,), "why"), "")
    assert found == {"state": "choose", "sentence": "have it removed with rotation_release"}
    assert outcome(Wait(None, 0, (decided, passing), "why"), "")["state"] == "blocked"


UNDONE = "This collection set a in main.cf to 1, and another program or person has changed it to 2 since."


def test_what_others_undo_is_said_whatever_came_of_the_host() -> None:
    notes = {"mx1": [UNDONE], "mx2": [UNDONE], "mx9": [UNDONE]}
    assert conclude({"mx1": OK}, notes)["line"] == f"ok (1 ok) mx1: {UNDONE}"
    found = conclude({"mx1": OK, "mx2": told("waiting", "until noon")}, notes)
    assert found["line"] == f"waiting (1 ok, 1 waiting) mx2: until noon. {UNDONE}"
    assert found["lines"] == [f"mx1: ok: {UNDONE}"]


def test_what_the_reason_says_already_is_not_said_again() -> None:
    failed = told("failed", f"smtp_tls_security_level = may\n{UNDONE}")
    assert conclude({"mx1": failed}, {"mx1": [UNDONE]})["line"].count(UNDONE) == 1


def test_many_undone_settings_are_a_short_line() -> None:
    line = conclude({"mx1": OK}, {"mx1": ["One.", "Two.", "Three.", "Four.", "Five."]})["line"]
    assert line == "ok (1 ok) mx1: One. Two. Three. And 2 more."
