# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLSA names behind aliases (F14): a target counts until no cache can follow an alias to it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import aliases
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.aliases import AliasView, Paths
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError, Node
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Policy

NAME, OLD, NEW = "_25._tcp.mx.example.nl", "old._tlsa.example.nl", "new._tlsa.example.nl"
POLICY = Policy(application_cache=3, clock_margin=2, serve_stale=0)


def at(seconds: float) -> Moment:
    return Moment(1000 + seconds, seconds, "boot")


def views(*targets: str, ttl: int = 10) -> list[AliasView]:
    return [AliasView(NAME, f"ns{place}", target, ttl) for place, target in enumerate(targets)]


def after(*looks: tuple[float, list[AliasView]]) -> Paths:
    paths = Paths()
    for seconds, seen in looks:
        paths = aliases.learn(paths, seen, POLICY, at(seconds))
        paths = aliases.read(Node(json.loads(json.dumps(aliases.data(paths))), "paths"))
    return paths


def test_the_old_target_counts_until_no_cache_can_follow_the_old_alias() -> None:
    moved = [(0.0, views(OLD, OLD)), (1.0, views(NEW, OLD)), (5.0, views(NEW, NEW))]
    # It was last seen before the look at 5 s; TTL and reserves are 15 s.
    assert set(after(*moved, (19.9, views(NEW, NEW))).ends) == {OLD, NEW}
    assert after(*moved, (20.1, views(NEW, NEW))).ends == (NEW,)


def test_a_server_that_cannot_be_seen_may_still_have_the_old_alias() -> None:
    silent = [AliasView(NAME, "ns0", NEW, 10), AliasView(NAME, "ns1", failure="it does not answer")]
    paths = after((0.0, views(OLD, OLD)), (1.0, silent), (100.0, silent))
    assert set(paths.ends) == {OLD, NEW}
    (view,) = aliases.failures(paths, silent, (OLD, NEW))
    assert (view.owner, view.failure) == (OLD, "it does not answer") and NAME in view.address and not view.primary


def test_the_wait_follows_the_ttl_that_was_served() -> None:
    paths = after((0.0, views(OLD, ttl=100)), (1.0, views(NEW, ttl=1)), (100.0, views(NEW, ttl=1)))
    assert OLD in paths.ends


def test_an_alias_of_an_alias_ends_at_the_last() -> None:
    hops = [AliasView(NAME, "ns0", "mx.cname.nl", 5), AliasView("mx.cname.nl", "ns0", OLD, 5)]
    assert after((0.0, hops)).ends == (OLD,)


def test_an_alias_to_a_name_that_is_not_managed_is_refused() -> None:
    with pytest.raises(DataError, match=f"{NEW}, which is not among rotation_owners"):
        aliases.failures(after((0.0, views(NEW))), [], (OLD,))


def test_nothing_is_remembered_where_there_is_no_alias() -> None:
    assert after((0.0, [])).aliases == () and aliases.read(Node(None, "paths")) == Paths()
