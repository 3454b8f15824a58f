# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLSA name that is an alias into a zone of its own, and the alias pointed elsewhere (F14)."""

from __future__ import annotations

import json

import pytest
from lab_driver import Lab, wait_for
from shape_site import JOURNALS, Recorder, Shape, Traffic, example

NAME, ALIAS = "mail.example.nl", "_25._tcp.mail.example.nl"
OLD, NEW = "mx._tlsa.tlsa.nl", "other._tlsa.tlsa.nl"


@pytest.fixture(scope="module")
def shape(lab: Lab) -> Shape:
    made = Shape(lab, example("TLSA names behind aliases"))
    point(made, OLD)
    made.settle()
    return made


def point(shape: Shape, target: str) -> None:
    shape.update("example.nl", f"update delete {ALIAS} CNAME", f"update add {ALIAS} 5 CNAME {target}.")


def ends(shape: Shape) -> set[str]:
    """Where the journal says that caches may be led."""
    journal = json.loads(shape.on("mx1", f"cat {JOURNALS}/*.journal"))
    return {one["target"] for one in journal["content"]["paths"]["aliases"] if one["name"] == ALIAS}


def recorder(shape: Shape, *owners: str) -> Recorder:
    return Recorder(shape, NAME, owners, [("mx1", 25)])


@pytest.mark.long
def test_f14_records_change_at_the_end_of_the_alias(shape: Shape) -> None:
    before, coming = shape.key("mx1"), shape.key("mx1", "next")
    shape.update("tlsa.nl", f"update delete {OLD} TLSA {coming}")
    with recorder(shape, OLD) as watched, Traffic(shape, "alias.nl") as traffic:
        run = shape.rotate()
    assert "spreading" in run.phases and shape.served("mx1", NAME) == coming != before
    shape.publishes(OLD, {coming, shape.key("mx1", "next"), shape.issuer()})
    assert ends(shape) == {OLD}
    watched.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_an_alias_to_a_name_that_is_not_listed_ends_the_run(shape: Shape) -> None:
    before = shape.served("mx1", NAME), shape.records(OLD)
    point(shape, NEW)
    run = shape.rotate(check=False)
    assert run.status != 0 and f"{NEW}, which is not among rotation_owners" in run.text
    assert (shape.served("mx1", NAME), shape.records(OLD)) == before and shape.records(NEW) == set()
    point(shape, OLD)
    shape.finish()


@pytest.mark.long
def test_f14_the_old_target_counts_until_no_cache_can_follow_the_alias(shape: Shape) -> None:
    shape.finish(rotation_owners=[OLD, NEW])
    coming = shape.key("mx1", "next")
    assert shape.records(OLD) == shape.records(NEW)
    with recorder(shape, OLD, NEW) as watched, Traffic(shape, "alias.nl") as traffic:
        point(shape, NEW)
        rest = shape.records(OLD) - {coming}
        shape.update("tlsa.nl", f"update delete {OLD} TLSA", *(f"update add {OLD} 5 TLSA {one}" for one in rest))
        run = shape.play("mailsec.dane.rotate", rotation_owners=[NEW], rotation_effect=30)
        assert OLD in run.text and coming in shape.records(OLD) and shape.served("mx1", NAME) != coming
        shape.finish(rotation_owners=[NEW], rotation_effect=30)
    assert shape.served("mx1", NAME) == coming
    shape.publishes(NEW, {coming, shape.key("mx1", "next"), shape.issuer()})
    watched.is_sound()
    traffic.is_unharmed()

    def is_gone() -> bool:
        # Resolvers may hand out expired copies of the alias for as long as that: in the lab for seconds.
        shape.finish(rotation_owners=[NEW], rotation_effect=30, rotation_serve_stale=3)
        return ends(shape) == {NEW}

    wait_for(is_gone, 60)
