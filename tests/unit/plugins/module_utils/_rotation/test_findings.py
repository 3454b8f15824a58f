# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journal of a rotation lets us name, with the repair (F11, F14, F16, B01)."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from support.one_host import CA, OWNER, World, ask, record, steady

from ansible_collections.mailsec.dane.plugins.module_utils._rotation.goal import GoalError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.look import Doubt
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Exposure, Scheme

#: Without the record of the CA nothing but the key carries mail.
KEYS = ask(scheme=frozenset({Scheme.CURRENT, Scheme.NEXT}))
LEAF, NEXT, ROGUE, STRANGE = (record(one) for one in ("leaf", "leaf-0", "leaf-8", "leaf-9"))


@pytest.fixture
def world() -> World:
    return steady(KEYS)


def codes(result: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Code and severity of each finding; each has evidence and a remedy, and is told in the report."""
    for one in result["findings"]:
        assert one["evidence"] and one["remedy"] and one["subject"] == OWNER
        assert any(one["code"] in line and one["evidence"] in line for line in result["report"])
    return {one["code"]: one["severity"] for one in result["findings"]}


def harm(result: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The same without the age of the next key, which any change that nobody expected makes uncertain."""
    return {code: severity for code, severity in codes(result).items() if code != "next-unaged"}


def evidence(result: t.Mapping[str, t.Any]) -> str:
    return "\n".join(one["evidence"] for one in result["findings"])


def test_f11_a_steady_host_has_no_findings(world: World) -> None:
    assert codes(world.step(KEYS)) == {}


def test_f13_a_rotation_that_nobody_disturbs_only_says_that_the_next_key_is_young(world: World) -> None:
    seen: set[str] = set()
    for _turn in range(40):
        result = world.step(ask(request="new_key", scheme=KEYS.scheme))
        seen |= set(codes(result))
        if result["step"]["action"] == "done":
            break
    assert seen == {"next-unaged"}
    world.now += 100
    assert codes(world.step(KEYS)) == {}


def test_c3_a_record_in_use_that_somebody_removes_is_put_back(world: World) -> None:
    world.published = [NEXT]
    result = world.step(KEYS)
    assert harm(result) == {"tlsa-retired-too-early": "critical"}
    assert result["findings"][0]["expected"] == f"{LEAF} at {OWNER}; putting it back is always safe"
    assert result["step"]["action"] == "publish" and LEAF in world.published
    # Caches may still hold the RRset without it.
    result = world.step(KEYS)
    assert codes(result)["tlsa-retired-too-early"] == "critical" and "until 20" in evidence(result)
    world.now += 100
    assert "tlsa-retired-too-early" not in codes(world.step(KEYS))


def test_c3_it_is_named_again_while_updates_are_refused(world: World) -> None:
    world.published = [NEXT]
    for _turn in range(3):
        result = world.decide(KEYS)
        world.content = result["content"]
        world.now += 500
        assert harm(result) == {"tlsa-retired-too-early": "critical"}


def test_c3_beside_the_record_of_the_ca_mail_still_flows() -> None:
    world = steady()
    world.published = [NEXT, CA]
    result = world.step()
    assert harm(result) == {"tlsa-retired-too-early": "error"}
    assert result["step"]["action"] == "publish" and LEAF in result["step"]["added"]


def test_c3_it_is_named_each_time_even_where_the_same_rrset_was_on_the_way_back() -> None:
    world = steady()
    world.published = [NEXT]
    assert "tlsa-retired-too-early" in codes(world.step())
    world.settle()
    world.published.remove(CA)
    assert codes(world.step())["tlsa-retired-too-early"] == "error"


def test_c3_the_whole_rrset_is_gone(world: World) -> None:
    world.published = []
    result = world.step(KEYS)
    assert harm(result) == {"tlsa-retired-too-early": "error"}
    assert result["step"]["action"] == "publish" and set(world.published) == {LEAF, NEXT}


def test_c3_a_host_that_came_back_with_a_retired_key(world: World) -> None:
    world.run(ask(request="new_key", scheme=KEYS.scheme))
    world.now += 1000
    world.step(KEYS)
    world.served = "leaf"
    result = world.step(KEYS)
    assert harm(result) == {"tlsa-retired-too-early": "critical"}
    assert "a key that was retired" in evidence(result)
    assert result["step"]["action"] == "publish" and LEAF in result["step"]["added"]
    world.settle(KEYS)
    assert world.served == "leaf-0"


def test_c3_the_next_record_is_removed_between_the_last_look_and_the_deployment(world: World) -> None:
    wanted = ask(request="new_key", scheme=KEYS.scheme)
    result = world.step(wanted)
    assert result["step"]["action"] == "deploy" and world.served == "leaf-0"
    world.published = [LEAF]
    result = world.step(wanted)
    assert codes(result)["tlsa-retired-too-early"] == "critical"
    assert result["step"]["action"] == "publish" and NEXT in result["step"]["added"]
    # Caches may have the RRset without it, and all match what was live before.
    result = world.step(wanted)
    assert (result["step"]["action"], result["slot"]) == ("deploy", "previous") and world.served == "leaf"
    world.settle(KEYS)
    assert world.served == "leaf-0"


def test_c3_there_is_no_way_back_without_the_key_to_come_again(world: World) -> None:
    wanted = ask(request="new_key", scheme=KEYS.scheme)
    assert world.step(wanted)["step"]["action"] == "deploy"
    world.published, world.slots["next"] = [LEAF], "leaf-5"
    assert world.step(wanted)["step"]["action"] == "publish"
    assert world.step(wanted)["step"]["action"] != "deploy" and world.served == "leaf-0"


def test_c1_another_key_is_served_than_what_is_published(world: World) -> None:
    world.served = "leaf-8"
    result = world.step(KEYS)
    assert codes(result) == {"tlsa-stale-after-renewal": "critical"}
    assert ROGUE in evidence(result) and LEAF in evidence(result)
    assert result["step"]["action"] == "deploy" and world.served == "leaf"


def test_c1_without_anything_known_there_is_no_match_and_no_more(world: World) -> None:
    world.published, world.content, world.served = [STRANGE], {}, "leaf-8"
    assert codes(world.decide(KEYS))["tlsa-no-match"] == "critical"


def test_c2_a_key_that_somebody_deploys_before_its_record_has_aged(world: World) -> None:
    world.published = [LEAF]
    assert world.step(KEYS)["step"]["action"] == "publish"
    world.step(KEYS)
    world.served = "leaf-0"
    result = world.decide(KEYS)
    assert codes(result)["tlsa-published-too-late"] == "critical" and "until 20" in evidence(result)
    assert result["step"]["action"] == "deploy" and result["slot"] == "staged"


def test_c2_a_secondary_has_not_got_the_record_yet(world: World) -> None:
    world.published = [LEAF]
    world.step(KEYS)
    world.secondary, world.served = [LEAF], "leaf-0"
    result = world.decide(KEYS)
    assert codes(result)["tlsa-published-too-late"] == "critical" and "ns2" in evidence(result)


def test_c25_the_next_key_of_a_published_record_is_not_held(world: World) -> None:
    for slot, words in (("leaf-5", record("leaf-5")), ("", "is empty")):
        world.slots["next"] = slot
        result = world.decide(KEYS)
        assert codes(result)["next-unproven"] == "warning"
        assert NEXT in evidence(result) and words in evidence(result)
    assert result["step"]["action"] == "generate"
    # A rotation that needs a next key first says so, too.
    assert "next-unproven" in codes(world.decide(ask(request="new_key", scheme=KEYS.scheme)))


def test_c25_a_rotation_to_a_key_that_is_gone_stops_with_the_finding(world: World) -> None:
    world.published = [LEAF]
    assert world.step(ask(request="new_key", scheme=KEYS.scheme))["step"]["action"] == "publish"
    world.slots["next"] = "leaf-5"
    with pytest.raises(GoalError) as caught:
        world.decide(KEYS)
    assert [one["code"] for one in caught.value.findings] == ["next-unproven"]


def test_next_unaged_says_from_when_on_it_is_safe(world: World) -> None:
    world.published = [LEAF]
    world.step(KEYS)
    world.now += 20
    result = world.step(KEYS)
    assert codes(result) == {"next-unaged": "info"}
    world.now += 20
    waiting = world.decide(ask(request="new_key", scheme=KEYS.scheme))
    assert waiting["step"]["action"] == "deploy" and codes(waiting) == {}


def test_c26_the_ttl_is_changed_by_somebody(world: World) -> None:
    world.ttl = 7200
    result = world.decide(KEYS)
    assert harm(result) == {"ttl-changed-mid-roll": "warning"} and "it was 5" in evidence(result)
    assert result["step"]["action"] == "publish" and result["step"]["ttl"] == 5
    world.ttl, world.published = 5, [LEAF]
    wanted = ask(request="new_key", scheme=KEYS.scheme)
    assert world.step(wanted)["step"]["action"] == "publish"
    world.ttl = 7200
    assert codes(world.step(wanted))["ttl-changed-mid-roll"] == "error"


def test_c26_a_ttl_that_is_wanted_is_no_finding(world: World) -> None:
    wanted = dataclasses.replace(KEYS, ttl=9)
    assert world.step(wanted)["step"]["ttl"] == 9
    assert codes(world.step(wanted)) == {}


def test_c27_a_record_that_nobody_knows(world: World) -> None:
    world.published.append(STRANGE)
    assert harm(world.decide(KEYS)) == {"tlsa-leftover": "info"}
    world.published[-1] = "3 0 1" + STRANGE[5:]
    result = world.decide(KEYS)
    assert harm(result) == {"tlsa-leftover": "warning"} and "alone" in evidence(result)
    assert harm(world.decide(dataclasses.replace(KEYS, release=frozenset(world.look().published)))) == {}


@pytest.mark.parametrize(
    ("slot", "served", "severity"),
    [
        ("live", "leaf-8", "critical"),
        ("live", "leaf", "error"),
        ("staged", "leaf", "error"),
    ],
)
def test_c28_a_key_that_no_rotation_brought(world: World, slot: str, served: str, severity: str) -> None:
    world.slots[slot], world.served = "leaf-8", served
    result = world.decide(KEYS)
    assert codes(result)["key-reuse-lost"] == severity
    found = next(one for one in result["findings"] if one["code"] == "key-reuse-lost")
    assert f"the slot {slot} has the key {ROGUE}" in found["evidence"] and LEAF in found["expected"]


def test_c28_a_renewal_or_rotation_is_none(world: World) -> None:
    world.run(ask(request="new_key", scheme=KEYS.scheme))
    assert world.slots["live"] == "leaf-0" and "key-reuse-lost" not in codes(world.step(KEYS))


def test_f15_r17_a_stolen_key_is_named_until_nobody_accepts_it(world: World) -> None:
    theft = ask(request="compromise", stolen=("current", "next"), scheme=KEYS.scheme)
    result = world.step(theft)
    assert result["step"]["action"] == "discard" and codes(result)["key-compromised"] == "critical"
    assert world.run(theft)[-1] == "choose"
    result = world.decide(theft)
    assert codes(result)["key-compromised"] == "critical" and LEAF in evidence(result) and NEXT in evidence(result)
    assert {one["exposure"] for one in result["step"]["options"]} == {"serve", "defer", "downgrade"}
    world.run(dataclasses.replace(theft, exposure=Exposure.SERVE))
    world.now += 1000
    assert "key-compromised" not in codes(world.step(KEYS))


@pytest.mark.parametrize("code", ["dnssec-bogus", "tlsa-insecure", "resolver-not-validating"])
def test_the_chain_of_the_zone_is_broken(world: World, code: str) -> None:
    world.doubts = (Doubt(OWNER, code, "senders do not get a validated answer"),)
    result = world.decide(ask(request="new_key", scheme=KEYS.scheme))
    assert set(codes(result)) == {code} and result["step"]["action"] == "wait"


def test_what_is_remembered_survives_the_journal_file(world: World) -> None:
    world.published = [NEXT]
    content = world.decide(KEYS)["content"]
    assert content["key"] == LEAF and content["missed"] == [{"owner": OWNER, "record": LEAF}]
