# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first run on a host: bare, or one that already lives (cases R01, R13, L10)."""

from __future__ import annotations

import pytest
from support.one_host import CA, ENDPOINT, WANTED, World, ask, record

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import decide
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.look import Doubt
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Scheme

BARE = ask(bare=True)


def bare(published: tuple[str, ...] = ()) -> World:
    """A host whose certificate was made, and whose mail server does not know it yet."""
    return World({"live": "", "staged": "leaf", "next": "", "previous": ""}, "", list(published))


def living(published: tuple[str, ...]) -> World:
    """A host that served ``leaf-7`` before the first run, which took it over."""
    return World({"live": "leaf-7", "staged": "leaf-7", "next": "leaf-0", "previous": ""}, "leaf-7", list(published))


def whys(world: World, wanted: decide.Wanted) -> list[str]:
    """Settle, and return the reasons of the changes of records."""
    found: list[str] = []
    for _turn in range(40):
        step = world.step(wanted)["step"]
        found += [step["why"]] if step["action"] in ("publish", "retire") else []
        if step["action"] == "done":
            return found
    raise AssertionError("no end")


def until_a_wait(world: World, wanted: decide.Wanted) -> list[str]:
    actions: list[str] = []
    while not actions or actions[-1] not in ("wait", "done", "choose"):
        actions.append(world.decide(wanted)["step"]["action"])
        if actions[-1] != "wait":
            world.step(wanted)
        assert len(actions) < 20, actions
    return actions


def test_a_bare_host_is_done_in_one_run_and_never_publishes_before_it_serves() -> None:
    world = bare()
    assert world.step(BARE)["step"]["action"] == "deploy" and world.published == []
    # From now on the host has a certificate in use, and is not bare any more.
    assert until_a_wait(world, WANTED) == ["generate", "publish", "done"]
    assert world.published == sorted([record("leaf"), record("leaf-1"), CA])


def test_a_bare_host_beside_records_of_others_waits_for_nobody_whose_mail_it_could_harm() -> None:
    world = bare((record("leaf-9"),))
    actions = until_a_wait(world, BARE)
    assert "deploy" in actions
    assert record("leaf") in world.published and record("leaf-9") in world.published


def test_a_bare_host_waits_neither_for_a_name_server_nor_for_another_host_of_its_name() -> None:
    """Two bare hosts behind one name would wait for each other for ever."""
    world = bare()
    world.doubts = (Doubt("_25._tcp.mx.example.nl", "tlsa-insecure", "it could not be told"),)
    assert world.decide(BARE)["step"]["action"] == "deploy"


def test_who_answers_with_tls_on_the_address_of_a_bare_host_counts() -> None:
    """Another machine behind the same address, or a mail server that the host's own look missed."""
    world = bare((record("leaf-9"),))
    world.served = "leaf-9"
    result = world.decide(BARE)
    assert result["step"]["action"] != "deploy"
    assert world.decide(ask(bare=True))["observation"]["endpoints"][0]["keys"] == [record("leaf-9")]


def test_a_host_that_lost_its_certificate_is_not_taken_for_a_bare_one() -> None:
    with pytest.raises(DataError, match="no certificate in use yet"):
        bare().decide(WANTED)
    with pytest.raises(DataError, match="no certificate in use yet"):
        bare().decide(ask(bare=True, request="new_key"))


@pytest.mark.parametrize("adoption", ["auto", "adopt"])
def test_r01_a_key_whose_record_is_published_is_adopted_and_stays(adoption: str) -> None:
    world = living((record("leaf-7"),))
    wanted = ask(adopted=record("leaf-7"), adoption=adoption)
    world.settle(wanted)
    assert world.served == "leaf-7" and record("leaf-7") in world.published
    assert CA not in world.published, "the record of a CA that is not ours"
    for _turn in range(3):
        world.now += 100_000
        world.settle(wanted)
        assert world.served == "leaf-7"
    # A rotation brings the key of our own, and with it the scheme as it is wanted.
    assert world.run(ask(adopted=record("leaf-7"), request="new_key"))[-1] == "done"
    assert world.served == "leaf-0" and CA in world.published and record("leaf-7") not in world.published


def test_r01_records_of_the_ca_that_stand_there_stay() -> None:
    world = living((record("leaf-7"), CA))
    world.settle(ask(adopted=record("leaf-7")))
    assert CA in world.published


@pytest.mark.parametrize(("adoption", "published"), [("auto", ()), ("move", ("leaf-7",))])
def test_r01_a_move_is_a_rotation_like_any_other(adoption: str, published: tuple[str, ...]) -> None:
    world = living(tuple(record(key) for key in published))
    wanted = ask(adopted=record("leaf-7"), adoption=adoption)
    # First all is made right with the key in use; only then the move begins.
    world.settle(wanted)
    assert world.served == "leaf-7" and record("leaf-7") in world.published and record("leaf-0") in world.published
    assert "deploy" in world.run(wanted)
    assert world.served == "leaf-0" and record("leaf-7") not in world.published
    assert world.content["adopted"] is None
    world.now += 100
    assert world.run(wanted) == ["done"]


def test_r01_a_look_without_answers_does_not_decide_that_nothing_was_published() -> None:
    world = living((record("leaf-7"),))
    wanted = ask(adopted=record("leaf-7"))
    world.failure = "has an alias there"
    world.step(wanted)
    assert world.content["adopted"] is None
    world.failure = ""
    world.settle(wanted)
    assert world.content["adopted"]["moves"] is False and world.served == "leaf-7"


def test_r01_a_move_waits_for_copies_that_nobody_remembers() -> None:
    world = living(())
    wanted = ask(adopted=record("leaf-7"), adoption="move")
    begun = world.now
    while world.served != "leaf-0":
        world.step(wanted)
    assert world.now - begun >= WANTED.policy.unknown_ttl


def test_r13_without_a_program_that_makes_a_next_key_a_rotation_ends() -> None:
    files = ask(request="new_key", generates=False, scheme=frozenset({Scheme.CURRENT, Scheme.NEXT}))
    slots = {"live": "leaf-7", "staged": "leaf-7", "next": "leaf-8", "previous": ""}
    world = World(slots, "leaf-7", [record("leaf-7")])
    assert world.run(files)[-1] == "done" and world.served == "leaf-8"
    world.slots["next"] = ""
    kept = ask(generates=False, scheme=frozenset({Scheme.CURRENT, Scheme.NEXT}))
    assert world.run(kept)[-1] == "done" and any("no next key" in one for one in world.decide(kept)["notes"])
    with pytest.raises(DataError, match="no other key to rotate to"):
        world.content["goal"] = None
        world.decide(files)


def test_l10_records_that_stand_there_outweigh_the_statement_that_there_never_were_any() -> None:
    world = living((record("leaf-9"),))
    wanted = ask(first_rollout=True, adopted=record("leaf-7"), adoption="move")
    lost = world.decide(wanted)["content"]["journal"]["rrsets"]
    assert any(one["records"] is None for one in lost)


def of_served(usage: int, selector: int, matching_type: int) -> str:
    """A record of what a host that serves ``leaf-7`` presents: of its own certificate, or of that of its CA."""
    own, issuer = living(()).look().probes[ENDPOINT][0].chain
    certificate = load_der(own if usage in (1, 3) else issuer)
    return compute(certificate, usage, selector, matching_type).to_text()


@pytest.mark.parametrize("parameters", [(3, 0, 1), (3, 1, 2), (3, 1, 0), (2, 0, 1), (2, 1, 2)])
def test_a_released_record_of_what_is_served_is_not_said_to_be_of_nothing(parameters: tuple[int, int, int]) -> None:
    released = of_served(*parameters)
    world = living((record("leaf-7"), released))
    wanted = ask(adopted=record("leaf-7"), release=frozenset({TlsaRecord.from_text(released)}))
    steps = whys(world, wanted)
    assert world.served == "leaf-7" and released not in world.published
    assert steps[-1].endswith("…} matches what is served, too, and is named in rotation_release")
    assert not any("no endpoint serves" in why for why in steps)


def test_a_record_that_the_scheme_has_no_more_is_not_said_to_be_of_nothing() -> None:
    world = living((record("leaf-7"), CA))
    wanted = ask(adopted=record("leaf-7"))
    world.settle(wanted)
    steps = whys(world, ask(adopted=record("leaf-7"), scheme=frozenset({Scheme.CURRENT, Scheme.NEXT})))
    assert CA not in world.published
    assert steps[-1].endswith("…} matches what is served, too, but is not among the wanted records (rotation_scheme)")


def test_a_record_that_senders_cannot_use_is_called_that_whatever_it_matches() -> None:
    unusable = of_served(1, 1, 1)
    world = living((record("leaf-7"), unusable))
    told = [one["evidence"] for one in world.decide(ask(adopted=record("leaf-7")))["findings"]]
    assert [text for text in told if unusable in text] == [
        f"{unusable} was not published here, and senders leave it aside: usage 1 (PKIX-EE) does not apply to mail "
        "(RFC 7672 section 3.1.3)"
    ]
    steps = whys(world, ask(adopted=record("leaf-7"), release=frozenset({TlsaRecord.from_text(unusable)})))
    assert unusable not in world.published and steps[-1].endswith("senders leave it aside")


def test_what_is_for_another_key_is_still_said_to_be_for_nothing_that_is_served() -> None:
    other = record("leaf-9")
    world = living((record("leaf-7"), other, of_served(3, 0, 1)))
    both = frozenset(map(TlsaRecord.from_text, (other, of_served(3, 0, 1))))
    steps = whys(world, ask(adopted=record("leaf-7"), release=both))
    assert "no endpoint serves what" in steps[-1] and "matches what is served, too" in steps[-1]
