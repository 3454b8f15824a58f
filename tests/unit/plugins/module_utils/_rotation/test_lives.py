# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slice of the random simulation (B01, B02); ``make simulation`` runs ten thousand lives of every profile."""

from __future__ import annotations

import pathlib
import sys
import typing as t
from unittest import mock

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4]))

from simulation.life import PROFILES, Broken, Profile, shortest
from simulation.site import chain, record, refuses, unmatched

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import planner, unseen

#: Enough to find a fault that is not rare; the seed is fixed, so that a commit passes or does not.
SEED, RUNS = 20261128, 60


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
def test_b01_no_random_life_breaks_mail_or_comes_to_no_end(profile: Profile) -> None:
    shortest(profile, RUNS, SEED)


def _named(name: str) -> Profile:
    return next(one for one in PROFILES if one.name == name)


#: The planner with one guard taken away: profile, object, attribute, replacement.
WEAK: t.Final = [
    ("strangers", planner._Planner, "_final_records", lambda self, _base: self._desired),
    ("theft", planner._Planner, "_choose_protection", lambda self, _obstacles: self._done()),
    ("signers", unseen, "_is_not_signed_anew", lambda mark, view: mark.signature == view.signature),
    ("signers", unseen, "_is_unchanged", lambda _mark, _view: True),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "thing", "attribute", "weaker"), WEAK, ids=[one[2].strip("_") for one in WEAK])
def test_b01_a_guard_that_is_missing_is_found(name: str, thing: t.Any, attribute: str, weaker: t.Any) -> None:
    with mock.patch.object(thing, attribute, weaker), pytest.raises(Broken):
        shortest(_named(name), 1000, SEED)


def test_the_judge_of_the_simulation_tells_good_from_bad() -> None:
    served = chain("A1r", "CA1")
    both = frozenset({record("A1r"), record("A2r")})
    assert not refuses(both, served) and not unmatched(both, served)
    assert refuses(both | {record("S3", 3, 1, 2)}, served), "senders prefer the stronger digest"
    assert not refuses(frozenset({record("A2r"), record("CA1", 2)}), served)
    assert unmatched(frozenset({record("A2r"), record("CA1", 2)}), served) == {(3, 1, 1)}
    assert not refuses(frozenset(), served)
