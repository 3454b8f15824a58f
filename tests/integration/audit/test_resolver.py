# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers by way of a real validating resolver (Unbound) over real authoritative data (Knot)."""

from __future__ import annotations

import asyncio

import dns_proxy
import pytest
from dns_world import HERE, World, free_port

from ansible_collections.mailsec.dane.plugins.module_utils._audit.discovery import locate
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import HostDns, Policy
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer, Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_trusted import Limits, TrustedResolver
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.resolver_path import Names, prove_resolver

SECURE, INSECURE = Security.SECURE, Security.INSECURE
FORGER = "127.0.0.40"


def resolver(world: World, **limits: float) -> TrustedResolver:
    return TrustedResolver([Server(HERE, world.resolver)], Limits(**limits))


def ask(world: World, name: str, rdtype: str, **limits: float) -> Answer:
    async def run() -> Answer:
        return await resolver(world, **limits).resolve(name, rdtype)

    return asyncio.run(run())


def find(world: World, host: str) -> HostDns:
    async def run() -> HostDns:
        return await locate(resolver(world), host)

    return asyncio.run(run())


def test_secure_data(world: World) -> None:
    answer = ask(world, "MX.good.nl.", "a")
    assert answer == Answer("mx.good.nl", "A", Outcome.DATA, SECURE, ("192.0.2.25",), 300, canonical_name="mx.good.nl")


def test_tlsa_in_presentation_format_with_the_published_ttl(world: World) -> None:
    first, second = (ask(world, "_25._tcp.mx.good.nl", "TLSA") for _time in range(2))
    assert first.rdata == (f"3 1 1 {'ab' * 32}",)
    assert (first.ttl, second.ttl) == (600, 600)


@pytest.mark.parametrize("zone", ["plain.nl", "nods.nl"])
def test_insecure_data_d1(world: World, zone: str) -> None:
    answer = ask(world, f"mx.{zone}", "A")
    assert (answer.outcome, answer.security) == (Outcome.DATA, INSECURE)


@pytest.mark.parametrize(
    ("name", "rdtype", "outcome", "security"),
    [
        ("none.good.nl", "A", Outcome.NXDOMAIN, SECURE),
        ("_tcp.mx.good.nl", "TLSA", Outcome.NODATA, SECURE),
        ("mx.good.nl", "TXT", Outcome.NODATA, SECURE),
        ("none.plain.nl", "A", Outcome.NXDOMAIN, INSECURE),
        ("mx.plain.nl", "TXT", Outcome.NODATA, INSECURE),
        ("none", "A", Outcome.NXDOMAIN, SECURE),
    ],
)
def test_absence_is_an_answer_d3(world: World, name: str, rdtype: str, outcome: Outcome, security: Security) -> None:
    answer = ask(world, name, rdtype)
    assert (answer.outcome, answer.security, answer.rdata, answer.ttl) == (outcome, security, (), None)


def test_bogus_is_told_from_servfail_d2(world: World) -> None:
    answer = ask(world, "mx.bogus.nl", "A")
    assert (answer.outcome, answer.security, answer.reason) == (Outcome.ERROR, Security.BOGUS, "dnssec-bogus")
    assert answer.unproven is Outcome.DATA
    assert "SERVFAIL" in answer.detail


def test_expired_signatures_are_bogus_and_the_reason_is_passed_on(world: World) -> None:
    answer = ask(world, "mx.expired.nl", "A")
    assert answer.reason == "dnssec-bogus"
    assert "expired" in answer.detail


@pytest.mark.parametrize("rdtype", ["A", "TLSA"])
def test_absence_that_nothing_proves(world: World, rdtype: str) -> None:
    answer = ask(world, "none.denial.nl", rdtype)
    assert (answer.reason, answer.unproven) == ("dnssec-bogus", Outcome.NXDOMAIN)


def test_servfail_of_a_zone_that_nobody_serves(world: World) -> None:
    answer = ask(world, "mx.closed.nl", "A")
    assert (answer.outcome, answer.security) == (Outcome.ERROR, Security.INDETERMINATE)
    assert answer.reason in ("dns-servfail", "dns-timeout")


def test_silence_is_a_timeout(world: World) -> None:
    answer = ask(world, "mx.silent.nl", "A", attempt=1)
    assert (answer.outcome, answer.security, answer.reason) == (Outcome.ERROR, Security.INDETERMINATE, "dns-timeout")


def test_secure_alias(world: World) -> None:
    answer = ask(world, "alias.good.nl", "A")
    assert (answer.security, answer.canonical_name, answer.rdata) == (SECURE, "mx.good.nl", ("192.0.2.25",))
    assert [(a.owner, a.target, a.security) for a in answer.aliases] == [("alias.good.nl", "mx.good.nl", SECURE)]


def test_secure_alias_to_an_insecure_address_d10(world: World) -> None:
    answer = ask(world, "out.good.nl", "A")
    assert (answer.security, answer.canonical_name) == (INSECURE, "mx.plain.nl")
    assert [alias.security for alias in answer.aliases] == [SECURE]


def test_one_insecure_hop_makes_all_after_it_insecure_d9(world: World) -> None:
    answer = ask(world, "back.good.nl", "A")
    assert (answer.security, answer.canonical_name, answer.rdata) == (INSECURE, "mx.good.nl", ("192.0.2.25",))
    assert [(alias.owner, alias.security) for alias in answer.aliases] == [
        ("back.good.nl", SECURE),
        ("door.plain.nl", INSECURE),
    ]


def test_dname_needs_no_code_of_its_own_d11(world: World) -> None:
    answer = ask(world, "mx.far.good.nl", "A")
    assert (answer.security, answer.canonical_name, answer.rdata) == (SECURE, "mx.good.nl", ("192.0.2.25",))


def test_alias_whose_target_is_absent_d12(world: World) -> None:
    answer = ask(world, "alias.good.nl", "TXT")
    assert (answer.outcome, answer.security, answer.canonical_name) == (Outcome.NODATA, SECURE, "mx.good.nl")


@pytest.mark.parametrize("name", ["a.loop.nl", "c0.loop.nl"])
def test_loops_and_long_chains_end_in_an_error_d12(world: World, name: str) -> None:
    answer = ask(world, name, "A")
    assert answer.is_error
    assert answer.reason in ("dns-malformed", "dns-servfail")


def test_large_answers_come_over_tcp(world: World) -> None:
    answer = ask(world, "_25._tcp.many.good.nl", "TLSA")
    assert (len(answer.rdata), answer.security) == (30, SECURE)


def test_the_root(world: World) -> None:
    answer = ask(world, "", "NS")
    assert (answer.name, answer.security, answer.rdata) == ("", SECURE, ("ns.nic.nl.",))


def test_nobody_listens(world: World) -> None:
    async def run() -> Answer:
        return await TrustedResolver([Server(HERE, free_port())]).resolve("mx.good.nl", "A")

    answer = asyncio.run(run())
    assert (answer.reason, answer.is_own_view) == ("dns-unreachable", True)


def test_an_authoritative_server_is_no_validating_resolver(world: World) -> None:
    async def run() -> Answer:
        return await TrustedResolver([Server(HERE, world.authority)]).resolve("mx.good.nl", "A")

    answer = asyncio.run(run())
    assert (answer.outcome, answer.reason) == (Outcome.ERROR, "resolver-not-validating")


@pytest.mark.parametrize(
    ("host", "policy", "reason"),
    [
        ("mx.good.nl", Policy.DANE, ""),
        ("alias.good.nl", Policy.DANE, ""),
        ("mx.plain.nl", Policy.OPPORTUNISTIC, "address-insecure"),
        ("mx.nods.nl", Policy.OPPORTUNISTIC, "address-insecure"),
        ("out.good.nl", Policy.OPPORTUNISTIC, "address-insecure"),
        ("back.good.nl", Policy.OPPORTUNISTIC, "alias-insecure"),
        ("door.plain.nl", Policy.OPPORTUNISTIC, "alias-insecure"),
        ("none.good.nl", Policy.UNREACHABLE, "no-address"),
        ("mx.bogus.nl", Policy.LOOKUP_ERROR, "dnssec-bogus"),
        ("mx.expired.nl", Policy.LOOKUP_ERROR, "dnssec-bogus"),
        ("mx.denial.nl", Policy.LOOKUP_ERROR, "dns-denial-broken"),
    ],
)
def test_what_follows_for_a_sender(world: World, host: str, policy: Policy, reason: str) -> None:
    found = find(world, host)
    assert (found.policy, found.reason) == (policy, reason)


@pytest.mark.parametrize(
    ("twist", "codes"),
    [(dns_proxy.unchanged, set()), (dns_proxy.as_if_validated, {"resolver-ad-forged"})],
)
def test_f20_a_resolver_that_vouches_for_unsigned_zones(world: World, twist: dns_proxy.Twist, codes: set[str]) -> None:
    names = Names("good.nl", "expired.nl", "plain.nl")
    with dns_proxy.proxy(FORGER, world.resolver, HERE, twist):
        proof = prove_resolver(FORGER, names, port=world.resolver)
    assert {entry.code for entry in proof.findings} == codes
    assert proof.unproven == ()
