# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From chains, journal and observation to the next step of one host (F13, F15, F16, B02)."""

from __future__ import annotations

import dataclasses

import pytest
from support.one_host import CA, ENDPOINT, WANTED, World, ask, pem, record, steady

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import decide
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.goal import GoalError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.look import Look
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Exposure, Scheme


@pytest.fixture
def world() -> World:
    """A host in its steady state."""
    return steady()


def test_f13_a_rotation_to_an_aged_key(world: World) -> None:
    actions = [one for one in world.run(ask(request="new_key")) if one != "wait"]
    assert actions == ["deploy", "generate", "publish", "retire", "done"]
    assert world.slots["live"] == "leaf-0" and world.published == sorted([CA, record("leaf-0"), record("leaf-1")])
    assert world.content["goal"]["finished"] is not None


def test_f13_what_one_run_begins_any_other_ends(world: World) -> None:
    world.step(ask(request="new_key"))
    assert world.run(WANTED)[-1] == "done"
    assert world.slots["live"] == "leaf-0" and world.content["goal"]["finished"]
    assert world.run(WANTED) == ["done"]


def test_f13_no_next_key_yet(world: World) -> None:
    world.slots["next"] = ""
    result = world.decide(ask(request="new_key"))
    assert result["step"]["action"] == "generate" and result["phase"] == "preparing"
    assert world.run(ask(request="new_key"))[-1] == "done" and world.slots["live"] == "leaf-1"


def test_b03_a_renewed_certificate_is_deployed_and_touches_no_dns(world: World) -> None:
    before = list(world.published)
    for rotated in (False, True):
        if rotated:
            world.run(ask(request="new_key"))
            before = list(world.published)
        world.slots["staged"] = f"{world.slots['live']}/2"
        assert world.run(WANTED)[0] == "deploy"
        assert world.served.endswith("/2") and world.published == before


def test_b03_a_held_lease_stops_every_step(world: World) -> None:
    for slot in ("", "leaf-0"):
        world.slots["next"] = slot
        step = world.decide(ask(request="new_key"), lock="somebody")["step"]
        assert step["action"] == "wait" and "somebody holds the lease" in step["summary"]


def test_f16_another_next_key_than_planned_is_refused(world: World) -> None:
    # A stranger takes a record away, so that the rotation cannot deploy at once.
    world.published = [record("leaf"), CA]
    assert world.step(ask(request="new_key"))["step"]["action"] == "publish"
    world.slots["next"] = "leaf-9"
    with pytest.raises(GoalError, match="nobody planned"):
        world.decide()
    restarted = world.decide(ask(request="new_key", restart=True))
    assert restarted["content"]["goal"]["to_key"] == record("leaf-9")


def test_f16_a_key_of_another_program_is_not_published_but_replaced(world: World) -> None:
    world.served = world.slots["live"] = "leaf-8"
    before = list(world.published)
    result = world.step()
    assert result["step"]["action"] == "deploy" and world.served == "leaf" and world.published == before
    world.served = "leaf-8"
    assert world.decide()["step"]["action"] == "deploy"


@pytest.mark.parametrize("is_lost", [False, True])
def test_f16_a_key_of_another_program_is_replaced_although_nothing_was_rotated_yet(is_lost: bool) -> None:
    keys = ask(scheme=frozenset({Scheme.CURRENT, Scheme.NEXT}))
    world = steady(keys)
    assert world.content["goal"] is None
    world.served = world.slots["live"] = "leaf-8"
    world.content = {} if is_lost else world.content
    before = list(world.published)
    result = world.step(keys)
    assert result["step"]["action"] == "deploy" and world.served == "leaf" and world.published == before


@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize("is_rotated", [False, True])
def test_f16_a_key_that_somebody_put_where_renewals_go_is_neither_published_nor_deployed(
    is_lost: bool, is_rotated: bool
) -> None:
    world = steady()
    if is_rotated:
        world.run(ask(request="new_key"))
    world.slots["staged"] = "leaf-8"
    world.content = {} if is_lost else world.content
    served, before = world.served, list(world.published)
    world.settle()
    assert world.served == served and world.published == before


def test_f16_what_was_in_order_last_counts_more_than_the_rotation_before_it(world: World) -> None:
    """A host set up anew has keys that no rotation brought."""
    world.run(ask(request="new_key"))
    world.served = world.slots["live"] = world.slots["staged"] = "leaf-7"
    world.settle()
    assert record("leaf-7") in world.published and world.content["key"] == record("leaf-7")
    world.slots["staged"] = "leaf-8"
    world.settle()
    assert world.served == "leaf-7" and record("leaf-8") not in world.published


def test_f16_the_key_in_use_is_put_back_while_the_next_one_is_young(world: World) -> None:
    keys = ask(request="new_key", scheme=frozenset({Scheme.CURRENT, Scheme.NEXT}))
    world.published = [record("leaf")]
    assert world.step(keys)["step"]["action"] == "publish"
    world.served = "leaf-8"
    result = world.step(keys)
    assert result["step"]["action"] == "deploy" and world.served == "leaf"
    assert (result["slot"], result["key"]) == ("staged", record("leaf"))


def test_f16_the_key_in_use_is_put_back_from_where_renewals_go_when_the_live_one_was_replaced(world: World) -> None:
    keys = ask(request="new_key", scheme=frozenset({Scheme.CURRENT, Scheme.NEXT}))
    world.published = [record("leaf")]
    assert world.step(keys)["step"]["action"] == "publish"
    world.served = world.slots["live"] = "leaf-8"
    result = world.step(keys)
    assert result["step"]["action"] == "deploy" and result["slot"] == "staged" and world.served == "leaf"


@pytest.mark.parametrize("scheme", [frozenset({Scheme.CURRENT, Scheme.NEXT}), frozenset(Scheme)])
def test_f16_a_key_of_another_program_is_replaced_before_the_mail_server_reads_it(scheme: frozenset[Scheme]) -> None:
    keys = ask(scheme=scheme)
    world = steady(keys)
    before = list(world.published)
    world.slots["live"] = "leaf-8"
    result = world.step(keys)
    assert result["step"]["action"] == "deploy" and world.slots["live"] == "leaf" and world.published == before
    assert "live/keychain.pem" in result["step"]["summary"]
    assert [one["endpoint"] for one in result["observation"]["endpoints"]] == [str(ENDPOINT)]
    world.settle(keys)
    assert world.published == before and world.content["key"] == record("leaf")


@pytest.mark.parametrize("served", ["leaf-0", "leaf-8"])
def test_f16_a_key_of_another_program_is_replaced_during_the_soak(world: World, served: str) -> None:
    keys = ask(request="new_key", scheme=frozenset({Scheme.CURRENT, Scheme.NEXT}))
    assert [world.step(keys)["step"]["action"] for _turn in range(3)] == ["deploy", "generate", "publish"]
    before = list(world.published)
    world.slots["live"], world.served = "leaf-8", served
    result = world.step(keys)
    assert result["step"]["action"] == "deploy"
    assert world.served == world.slots["live"] == "leaf-0" and world.published == before
    world.settle(keys)
    assert world.content["goal"]["finished"] and world.content["key"] == record("leaf-0")


@pytest.mark.parametrize("served", ["leaf", "leaf-0"])
def test_f16_a_file_restored_with_a_retired_key_is_replaced(world: World, served: str) -> None:
    world.run(ask(request="new_key"))
    world.now += 100
    world.settle()
    before = list(world.published)
    world.slots["live"], world.served = "leaf", served
    assert "deploy" in world.run(WANTED)
    assert world.served == world.slots["live"] == "leaf-0" and world.published == before


def test_f15_an_aged_key_takes_over_and_the_ca_is_not_believed_any_more(world: World) -> None:
    actions = [one for one in world.run(ask(request="compromise")) if one != "wait"]
    assert actions[0] == "deploy" and world.slots["live"] == "leaf-0"
    assert CA not in world.published and record("leaf") not in world.published
    # Later runs remember that, and do not ask for a choice.
    world.now += 1000
    assert world.run(WANTED) == ["done"] and CA not in world.published
    assert world.run(ask(request="new_key"))[-1] == "done"


def test_f15_what_renewals_go_on_with_is_stolen_too(world: World) -> None:
    """Who was on the host put a key of its own there, and read that of the mail server."""
    world.served = world.slots["live"] = "leaf-8"
    world.run(ask(request="compromise"))
    assert world.served == "leaf-0" and set(world.content["revoked"]) == {pem("leaf"), pem("leaf-8")}


def test_f15_what_was_live_before_lies_beside_it_and_its_certificate_may_last_longer(world: World) -> None:
    world.run(ask(request="new_key"))
    assert world.slots["previous"] == "leaf"
    world.now += 100
    world.settle()
    world.run(ask(request="compromise"))
    assert world.served == "leaf-1" and set(world.content["revoked"]) == {pem("leaf"), pem("leaf-0")}


def test_f13_a_run_cut_off_in_a_deployment_does_not_go_back(world: World) -> None:
    assert world.step(ask(request="new_key"))["step"]["action"] == "deploy"
    world.slots["staged"] = "leaf"
    assert "deploy" not in world.run(WANTED) and world.served == "leaf-0"


def test_f15_both_keys_stolen_is_a_choice(world: World) -> None:
    theft = ask(request="compromise", stolen=("current", "next"))
    assert world.run(theft)[-1] == "choose" and world.served == "leaf"
    assert world.slots["next"] == "leaf-1" and record("leaf-0") not in world.decide(theft)["content"]["goal"]["to_key"]
    assert world.run(dataclasses.replace(theft, exposure=Exposure.SERVE))[-1] == "done"
    assert world.served == "leaf-1"
    assert {record("leaf"), record("leaf-0"), CA}.isdisjoint(world.published)


def test_f15_a_theft_while_a_rotation_is_under_way(world: World) -> None:
    world.published = [record("leaf"), CA]
    assert world.step(ask(request="new_key"))["step"]["action"] == "publish"
    assert world.run(ask(request="compromise"))[-1] == "choose"
    assert world.run(ask(request="compromise", exposure=Exposure.SERVE))[-1] == "done"
    assert world.served == "leaf-0" and {record("leaf"), CA}.isdisjoint(world.published)


def test_f15_the_next_key_is_found_to_be_stolen_later(world: World) -> None:
    world.published = [record("leaf"), CA]
    assert world.run(ask(request="compromise"))[-1] == "choose"
    both = ask(request="compromise", stolen=("current", "next"), exposure=Exposure.SERVE)
    assert world.run(both)[-1] == "done" and world.served == "leaf-1"
    assert {record("leaf"), record("leaf-0"), CA}.isdisjoint(world.published)


def test_f15_withdrawal(world: World) -> None:
    gone = ask(request="withdraw")
    actions = world.run(gone)
    assert actions[0] == "retire" and actions[-2:] == ["hand_over", "done"] and world.published == []
    assert world.decide(gone)["phase"] == "withdrawn"


def test_only_own_addresses_are_managed(world: World) -> None:
    others = ask(request="new_key", own_addresses=frozenset({"192.0.2.99"}))
    assert world.decide(others)["step"]["endpoints"] == [str(ENDPOINT)]
    look = world.look()
    both = Look(look.authorities, {**look.probes, Endpoint("192.0.2.99"): look.probes[ENDPOINT]})
    pems = {slot: pem(key) for slot, key in world.slots.items() if key}
    found = decide.decide(others, world.content, pems, both, "", Moment(world.now, world.now, "boot"))
    assert found["lagging"] == ["192.0.2.99:25"]


def test_a_host_that_shares_its_name_has_to_know_its_addresses(world: World) -> None:
    world.now += 1
    with pytest.raises(DataError, match="rotation_own_addresses"):
        world.decide(ask(unaccounted=("mx2",), own_addresses=frozenset({"192.0.2.99"})))


def test_wrong_chains_and_content_are_named(world: World) -> None:
    world.content = {"jurnal": {}}
    with pytest.raises(DataError, match="unknown field 'jurnal'"):
        world.decide()
    world.content = {}
    moment = Moment(world.now, world.now, "boot")
    with pytest.raises(DataError, match="the chain in next"):
        decide.decide(WANTED, {}, {"live": pem("leaf"), "next": "nonsense"}, world.look(), "", moment)
    with pytest.raises(DataError, match="no certificate in use yet"):
        decide.decide(WANTED, {}, {"staged": pem("leaf")}, world.look(), "", moment)


def test_b02_of_reasons_that_time_removes_the_report_has_the_last_one_of_each_kind(world: World) -> None:
    # Updates after each other, because a stranger edits the RRset: any of them may still come.
    for stranger in ([], [record("leaf-8")], [record("leaf-9")]):
        world.published = [record("leaf"), CA, *stranger]
        assert world.step(ask(request="new_key"))["step"]["action"] == "publish"
    result = world.decide(ask(request="new_key"))
    kinds = [one["inequality"] for one in result["step"]["obstacles"]]
    shown = [line for line in result["report"] if line.startswith("Not yet")]
    assert len(kinds) > len(shown) == len(set(kinds))
    assert any(line.endswith("more of this kind end earlier") for line in shown)


def test_f15_an_emergency_ends_with_the_last_trace_of_the_stolen_key(world: World) -> None:
    policy = dataclasses.replace(WANTED.policy, soak=1000)
    assert world.run(ask(request="compromise", policy=policy))[-1] == "done"
    world.now += 100
    # Another rotation, to a key that caches do not know, by somebody whose inventory still has the choice of then.
    world.published.remove(record(world.slots["next"]))
    later = ask(request="new_key", exposure=Exposure.DEFER, policy=policy)
    actions, times = [], []
    while not actions or actions[-1] != "done":
        actions.append(world.step(later)["step"]["action"])
        times.append(world.now)
    deployed, retired = actions.index("deploy"), actions.index("retire")
    assert actions.index("publish") < actions.index("wait") < deployed
    assert times[retired] - times[deployed] > policy.soak


def test_f15_protection_that_was_given_up_comes_back_before_anything_else(world: World) -> None:
    theft = ask(request="compromise", stolen=("current", "next"), exposure=Exposure.DOWNGRADE)
    actions = [one for one in world.run(theft) if one != "wait"]
    assert actions[:5] == ["discard", "retire", "deploy", "publish", "generate"]


def test_f15_only_a_theft_lets_records_differ_from_what_is_served(world: World) -> None:
    theft = ask(request="compromise", stolen=("current", "next"), exposure=Exposure.DEFER)
    steps = [world.step(theft)["step"] for _turn in range(3)]
    assert [step["action"] for step in steps] == ["discard", "publish", "deploy"]
    assert steps[1]["delays"] is True
    # Nobody else did this: the last line of the run must not send people to look for a program.
    assert steps[2]["repairs"] is False and "still serves the stolen key" in steps[2]["summary"]
    world.run(theft)
    world.now += 100
    world.published.remove(record(world.slots["next"]))
    step = world.step(ask(request="new_key", exposure=Exposure.DEFER))["step"]
    assert (step["action"], step["delays"]) == ("publish", False)
