# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several hosts behind one name and one journal (F13, F14): nobody removes what another one needs."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import members as rotation_members
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError

KEY = "3 1 1 " + "ab" * 32
CA = "2 1 1 " + "cd" * 32
CHAIN = {"identity": "aa", "key": KEY, "issuers": [CA], "satisfies": [KEY, CA], "not_after": None}
OWN: dict[str, t.Any] = {"journal": {"clock": None}, "goal": {"to_key": KEY}, "revoked": ["pem"], "discarded": ""}


def _written(node: str, content: dict[str, t.Any], wants: list[str] | None = None) -> dict[str, t.Any]:
    members = rotation_members.enter(content, node, ["mx1", "mx2"])
    return members.content({**members.own, **OWN}, [CHAIN], wants if wants is not None else [KEY])


def test_each_host_sees_its_own_rotation_and_the_journal_of_all() -> None:
    content = _written("mx1", {})
    other = rotation_members.enter(content, "mx2", ["mx1", "mx2"])
    assert other.own == {"journal": OWN["journal"], "revoked": ["pem"]}
    assert [record.to_text() for record in other.wants()] == [KEY] and other.unaccounted == ()
    (view,) = other.views(5)
    assert (view.endpoint, view.repeats, view.failure) == ("host mx1", 5, "")
    assert [chain.key.to_text() for chain in view.chains] == [KEY]
    again = rotation_members.enter(_written("mx2", content, [CA]), "mx1", ["mx1", "mx2"])
    assert again.own == OWN and again.past == (KEY,)
    assert [record.to_text() for record in again.wants()] == [CA]


def test_a_host_that_was_never_reached_is_named() -> None:
    members = rotation_members.enter(_written("mx1", {}), "mx1", ["mx1", "mx2", "mx3"])
    assert members.unaccounted == ("mx2", "mx3") and members.views(1) == ()


def test_a_host_that_is_gone_is_forgotten() -> None:
    content = _written("mx2", _written("mx1", {}))
    members = rotation_members.enter(content, "mx2", ["mx2"])
    assert members.others == {} and members.wants() == frozenset() and members.unaccounted == ()


def test_what_a_host_wanted_is_kept_where_nothing_is_planned() -> None:
    members = rotation_members.enter(_written("mx1", {}), "mx1", ["mx1"])
    assert members.content(OWN, [CHAIN], None)["wants"] == [KEY]


def test_the_content_of_a_single_host_is_as_before() -> None:
    members = rotation_members.enter(OWN, "mx1", ["mx1"])
    assert members.own == OWN and dataclasses.asdict(members)["others"] == {}


@pytest.mark.parametrize("content", [{"others": {"mx2": []}}, {"others": ["mx2"]}, {"node": 5}])
def test_what_is_no_content_is_refused(content: dict[str, t.Any]) -> None:
    with pytest.raises(DataError, match="content"):
        rotation_members.enter(content, "mx1", ["mx1", "mx2"]).views(1)
