# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile and broken answers: bounded work, no crash, no false verdict (DV sections 4.3, 4.4 and 5, N12)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses

import dns.name
import harness
import pytest
import responder
import signer
import world as zoo_world
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import wire as dnssec_wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Limits, Policy
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import AskFailed, Wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.resolver_own import OwnResolver

WORLD, CASES, ROOT = zoo_world.build()
OK = WORLD.zones[dns.name.from_text("ok-nsec.zoo")]
LIMITS = Limits(seconds=120)


def look_up(owner, rdtype, change=None, **more):
    (result,) = harness.look_up(harness.validator(WORLD, ROOT, change, **more), (owner, rdtype))
    return result


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_case_costs_more_than_the_budget(case):
    for question in case.expected:
        result = look_up(*harness.full_name(question, case.zone), strict=case.strict)
        assert result.work["queries"] <= LIMITS.queries
        assert result.work["signature_checks"] <= LIMITS.signature_checks
        assert result.work["bytes"] <= LIMITS.bytes


def test_colliding_keys_and_signatures_cost_no_more_than_the_limit():
    plain = look_up("mx.ok-ed25519.zoo", "A")
    trapped = look_up("mx.key-trap.zoo", "A")
    assert trapped.security is Security.BOGUS
    # Three RRsets at most are tried in vain, the last with all its signatures.
    assert trapped.work["signature_checks"] <= plain.work["signature_checks"] + 3 * LIMITS.signatures_per_rrset


def test_deep_names_are_not_hashed_without_end():
    deep = ".".join(["a"] * 100)
    result = look_up(f"{deep}.it150-deep.zoo", "A")
    assert (result.security, result.reason) == (Security.BOGUS, "work-limit-exceeded")
    assert result.work["hashes"] <= LIMITS.hashes_per_proof * result.work["queries"]


def test_many_denial_records_are_looked_at_up_to_the_limit():
    junk = [
        responder.Record(dns.name.from_text(f"j{number}", OK.origin), signer.NSEC, data)
        for number, data in enumerate([OK.nodes[OK.origin][signer.NSEC][0]] * 500)
    ]

    def change(owner, rdtype, wire):
        if owner != dns.name.from_text("nx.ok-nsec.zoo"):
            return wire
        message = WORLD.respond(owner, rdtype)
        return responder.Message(3, True, (message.answer, junk + message.authority, [])).to_wire((owner, rdtype))

    result = look_up("nx.ok-nsec.zoo", "A", change)
    assert result.security is Security.BOGUS
    assert result.work["signature_checks"] < 20


def test_signatures_of_many_zones_are_not_all_followed():
    (good,) = OK.signatures[dns.name.from_text("mx.ok-nsec.zoo"), signer.A]
    owner = dns.name.from_text("mx." + ".".join(["a"] * 50) + ".ok-nsec.zoo")

    def change(asked, rdtype, wire):
        if asked != owner or rdtype != signer.A:
            return wire
        message = responder.Message()
        message.answer.append(responder.Record(owner, signer.A, bytes(4)))
        for depth in range(2, len(owner)):
            made = dataclasses.replace(good, signer=owner.split(depth)[1], labels=len(owner) - 1)
            message.answer.append(responder.signed(owner, made))
        return message.to_wire((owner, rdtype))

    result = look_up(owner.to_text(), "A", change)
    assert result.security in (Security.BOGUS, Security.INDETERMINATE)
    assert result.work["queries"] <= LIMITS.queries


def test_the_byte_budget_ends_a_look_up():
    result = look_up("mx.ok-nsec.zoo", "A", limits=Limits(bytes=500))
    assert (result.security, result.reason) == (Security.INDETERMINATE, "budget-exhausted")


def test_the_query_budget_ends_a_look_up():
    result = look_up("mx.ok-nsec.zoo", "A", limits=Limits(queries=2))
    assert (result.security, result.reason) == (Security.INDETERMINATE, "budget-exhausted")


def test_a_network_that_stays_silent_ends_in_time():
    async def ask(owner, rdtype, avoid):
        await asyncio.Event().wait()

    validator = harness.Validator(ask, lambda: signer.NOW, harness.anchors.root_anchors(), Limits(seconds=0.1))
    (result,) = harness.look_up(validator, ("example.nl", "A"))
    assert (result.outcome, result.security) == (Outcome.ERROR, Security.INDETERMINATE)


@pytest.mark.parametrize("code", ["dns-timeout", "dns-unreachable", "dns-servfail", "dns-malformed"])
def test_failures_of_the_network_are_told_apart(code):
    async def ask(owner, rdtype, avoid):
        if rdtype == signer.DNSKEY and owner == dns.name.from_text("ok-nsec.zoo"):
            raise AskFailed(code, "provoked")
        return await harness.ask_of(WORLD)(owner, rdtype, avoid)

    validator = harness.Validator(ask, lambda: signer.NOW, harness.anchors.parse(harness.anchor(ROOT)), LIMITS)
    (result,) = harness.look_up(validator, ("mx.ok-nsec.zoo", "A"))
    assert (result.security, result.reason, result.link.owner) == (Security.INDETERMINATE, code, "ok-nsec.zoo")


# 56 and the clock: trouble of ours is not called trouble of theirs.


def test_a_resolver_that_strips_signatures_is_named():
    stripped = WORLD.changed(zoo_world.strip_signatures)
    (result,) = harness.look_up(harness.validator(stripped, ROOT), ("mx.ok-nsec.zoo", "A"))
    assert (result.security, result.reason) == (Security.INDETERMINATE, "resolver-strips-dnssec")
    assert result.as_answer().reason == "resolver-not-validating"


@pytest.mark.parametrize("now", [0, signer.INCEPTION - 1, signer.EXPIRATION + 1, 2**32 - 1])
def test_a_wrong_clock_is_suspected(now):
    result = look_up("mx.ok-nsec.zoo", "A", now=now)
    assert (result.security, result.reason) == (Security.INDETERMINATE, "clock-suspect")


@pytest.mark.parametrize("now", [signer.INCEPTION, signer.EXPIRATION])
def test_both_ends_of_the_window_are_inside(now):
    assert look_up("mx.ok-nsec.zoo", "A", now=now).security is Security.SECURE


def test_sha1_counts_where_the_policy_says_so():
    policy = Policy(algorithms=Policy().algorithms | {5, 7})
    assert look_up("mx.rsasha1.zoo", "A", policy=policy).security is Security.SECURE
    assert look_up("nx.rsasha1-nsec3.zoo", "A", policy=policy).security is Security.SECURE


def test_another_server_is_asked_before_an_answer_counts_as_bogus():
    stale = WORLD.changed(
        lambda owner, rdtype, message: (
            zoo_world.strip_signatures(owner, rdtype, message)
            if owner == dns.name.from_text("ok-nsec.zoo")
            else message
        )
    )

    async def ask(owner, rdtype, avoid):
        chosen = WORLD if avoid else stale
        return Wire(chosen.respond(owner, rdtype).to_wire((owner, rdtype)), f"server {len(avoid)}")

    anchors = harness.anchors.parse(harness.anchor(ROOT))
    validator = harness.Validator(ask, lambda: signer.NOW, anchors, LIMITS, servers=2)
    (result,) = harness.look_up(validator, ("mx.ok-nsec.zoo", "A"))
    assert result.security is Security.SECURE
    assert len(result.tried) == 1
    assert result.tried[0].startswith("server 0: rrsig-missing")


def test_names_below_no_anchor_are_insecure():
    anchors = harness.anchors.parse(f"ok-nsec.zoo. DS {OK.ksk.ds(OK.origin)}")
    validator = harness.Validator(harness.ask_of(WORLD), lambda: signer.NOW, anchors, LIMITS)
    outside, inside = harness.look_up(validator, ("mx.ok-csk.zoo", "A"), ("mx.ok-nsec.zoo", "A"))
    assert (outside.security, outside.reason) == (Security.INSECURE, "no-trust-anchor")
    assert inside.security is Security.SECURE


def test_a_false_anchor_is_named():
    anchors = harness.anchors.parse(f". DS {signer.Key('false', 13, 257).ds(dns.name.root)}")
    validator = harness.Validator(harness.ask_of(WORLD), lambda: signer.NOW, anchors, LIMITS)
    (result,) = harness.look_up(validator, ("mx.ok-nsec.zoo", "A"))
    assert (result.security, result.reason) == (Security.BOGUS, "anchor-mismatch")


def test_zone_keys_are_asked_for_once_and_questions_in_flight_are_shared():
    asked = []

    async def ask(owner, rdtype, avoid):
        asked.append((owner, rdtype))
        await asyncio.sleep(0)
        return await harness.ask_of(WORLD)(owner, rdtype, avoid)

    validator = harness.Validator(ask, lambda: signer.NOW, harness.anchors.parse(harness.anchor(ROOT)), LIMITS)
    resolver = OwnResolver(validator)

    async def run():
        names = ["mx.ok-nsec.zoo", "www.ok-nsec.zoo", "mx.ok-csk.zoo", "mx.ok-nsec.zoo."] * 3
        return await asyncio.gather(*(resolver.resolve(name, "A") for name in names))

    answers = asyncio.run(run())
    assert all(answer.is_secure for answer in answers)
    assert len(asked) == len(set(asked))


# Fuzzing.

PLAIN = ("_25._tcp.mx.ok-nsec3.zoo", "TLSA")
TRUTH = look_up(*PLAIN)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.binary(max_size=600))
@example(b"")
@example(b"\0\0\x80\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1")
def test_any_bytes_parse_or_are_malformed(data):
    with contextlib.suppress(dnssec_wire.Malformed):
        dnssec_wire.parse(data, want_additional=True)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.binary(max_size=400), st.integers(1, 30), st.integers(0, 30), st.integers(0, 30))
def test_any_records_behind_a_good_header_parse_or_are_malformed(data, answers, authority, additional):
    head = b"\0\0\x84\0\0\1" + answers.to_bytes(2, "big") + authority.to_bytes(2, "big") + additional.to_bytes(2, "big")
    question = dns.name.from_text("mx.zoo").to_wire() + b"\0\1\0\1"
    with contextlib.suppress(dnssec_wire.Malformed):
        dnssec_wire.parse(head + question + data, want_additional=True)


@st.composite
def bent(draw):
    """Bytes of real messages of one look-up, with some of them changed, cut off or put in."""
    number = draw(st.integers(0, 8))
    edits = draw(
        st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255), st.integers(0, 3)), min_size=1, max_size=6)
    )
    return number, edits


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(bent())
def test_bent_messages_are_never_secure_and_different(drawn):
    number, edits = drawn
    count = 0

    def change(owner, rdtype, wire):
        nonlocal count
        count += 1
        if count != number + 1:
            return wire
        data = bytearray(wire)
        for position, value, how in edits:
            position %= len(data) or 1
            if how == 0 and data:
                data[position] = value
            elif how == 1 and data:
                data[position] ^= 1 << value % 8
            elif how == 2:
                data[position:position] = bytes([value]) * (value % 7)
            else:
                del data[position : position + value]
        return bytes(data)

    result = look_up(*PLAIN, change)
    if result.security is Security.SECURE:
        assert (result.outcome, result.rdata) == (TRUTH.outcome, TRUTH.rdata)
    assert result.security is not Security.INSECURE
    assert result.work["signature_checks"] <= LIMITS.signature_checks
