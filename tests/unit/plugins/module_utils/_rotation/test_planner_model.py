# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model checker at every commit (B01): bad policies are caught, the planner passes; small scopes only."""

from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4]))

from model import cases, checker, world
from model.checker import Result, explore
from model.timeline import readable


def _search(case: cases.Case, stop_at: tuple[str, ...] = ()) -> Result:
    with case.weakened():
        return explore(world.World(case.scope), stop_at=stop_at, liveness=case.broken != "P1")


def _broken(result: Result) -> set[str]:
    return {*result.violations, *(["P4"] if result.stuck else [])}


@pytest.mark.parametrize("case", [*cases.known_bad(), *cases.unguarded()], ids=str)
def test_a_missing_guard_is_found_and_only_that(case: cases.Case) -> None:
    result = _search(case, stop_at=(case.broken,))
    assert result.complete or case.broken in result.violations
    assert case.broken in _broken(result) if case.broken else not _broken(result)
    assert not _broken(result) & set(case.holds)


@pytest.mark.slow
@pytest.mark.parametrize("case", cases.controls(), ids=str)
def test_a_safe_rotation_never_breaks_and_can_always_finish(case: cases.Case) -> None:
    result = _search(case)
    assert result.complete and result.goals > 0
    assert _broken(result) == ({case.broken} if case.broken else set())


def test_what_is_held_as_bytes_is_the_same_state() -> None:
    case = next(case for case in cases.controls() if case.code == "C-44")
    model, states = world.World(case.scope), checker._States()
    todo, seen = [model.initial()], set()
    while todo and len(seen) < 500:
        state = todo.pop()
        number = states.number(state)
        assert states[number] == state and (number == len(states) - 1) == (state not in seen)
        seen.add(state)
        todo += [after for _label, after, _faulty in model.successors(state) if after not in seen]
    assert len(states) == len(seen)


def test_every_known_bad_policy_of_the_reference_is_there() -> None:
    assert {case.code for case in cases.known_bad()} == {f"KB-{number:02}" for number in range(1, 26)}


def test_the_judge_of_the_model_tells_good_from_bad() -> None:
    k1, k2 = cases.K1, cases.K2
    served = world.chain("K1", "CA1")
    assert world.true_match(frozenset({k1, k2}), served, True)
    assert not world.true_match(frozenset({k2}), served, False)
    assert world.true_match(frozenset({k2, cases.CA1}), served, False)
    assert not world.true_match(frozenset({k2, cases.CA1}), served, True)
    assert not world.true_match(frozenset({k1, world.record("K2", 3, 2)}), served, False)


def test_a_counterexample_is_shortest_and_readable() -> None:
    case = next(case for case in cases.known_bad() if case.code == "KB-03")
    with case.weakened():
        model = world.World(case.scope)
        result = explore(model, stop_at=("P1",))
    text = readable(model, result.traces["P1"], "P1")
    assert "mx0 serves K2" in text
    assert text.splitlines()[-1].startswith("P1 is broken: a cache may hold {3 1 1 K1}")
