# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one bad name server among good ones can do to a verdict: nothing (B04; RFC 1034 section 5.3.3, RFC 2308)."""

from __future__ import annotations

import asyncio

import lame
import pytest
import signer
from lame import FIRST, HALF, LAME, PARENT_1, PARENT_2, ROOT, SECOND, SIGNED, STRIPPING, UNSIGNED

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import anchors, iterative
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.iterative import Iterative
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Limits
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.network import Patience, Recursive
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import Validator

PATIENCE = Patience(udp=0.5, tcp=0.5, tries=1)
QUESTIONS = ("mx A", "@ MX", "_25._tcp.mx TLSA", "_25._tcp.www TLSA", "nx A", "alias A")
EVERY = {**LAME, **STRIPPING}


@pytest.fixture(scope="module")
def running(alone):
    with lame.net() as net:
        yield net


@pytest.fixture
def net(running):
    running.all_good()
    return running


def look_up(ask, anchor, *questions, strict=True):
    async def run():
        limits = Limits(seconds=60)
        validator = Validator(
            ask, lambda: signer.NOW, anchors.parse(anchor), limits, strict=strict, servers=limits.attempts
        )
        return [await validator.lookup(*question) for question in questions]

    return asyncio.run(run())


def straight(net, *questions):
    return look_up(Iterative([Server(ROOT, net.port)], PATIENCE, port=net.port), net.anchor, *questions)


def essence(result):
    return (result.outcome, result.security, result.rdata, result.reason)


def questions_of(zone):
    pairs = [question.split() for question in QUESTIONS]
    return [(zone if owner == "@" else f"{owner}.{zone}", rdtype) for owner, rdtype in pairs]


def truth(net, zone):
    return [essence(result) for result in straight(net, *questions_of(zone))]


def test_the_small_internet_is_as_it_should_be(net):
    assert [one[:2] for one in truth(net, SIGNED)] == [
        (Outcome.DATA, Security.SECURE), (Outcome.DATA, Security.SECURE), (Outcome.DATA, Security.SECURE),
        (Outcome.NXDOMAIN, Security.SECURE), (Outcome.NXDOMAIN, Security.SECURE), (Outcome.DATA, Security.SECURE),
    ]  # fmt: skip
    assert {one[1] for one in truth(net, UNSIGNED)} == {Security.INSECURE}


# D01: every name server is used, with and without glue.


@pytest.mark.parametrize("zone", [UNSIGNED, SIGNED, HALF])
@pytest.mark.parametrize("silent", [FIRST, SECOND])
def test_d01_a_server_name_without_glue_is_looked_up(net, zone, silent):
    expected = truth(net, zone)
    net.servers[silent].kind = LAME["silent"]
    assert truth(net, zone) == expected


def test_d01_addresses_are_looked_up_only_when_they_are_needed(net):
    straight(net, (f"mx.{HALF}", "A"))
    assert not [owner for owner, *_rest in net.servers[ROOT].asked if owner == signer.name("ns2.gamma")]


# D02, D03, D08: every kind, at the servers of the zone and at those of its parent zone.


@pytest.mark.parametrize("place", [FIRST, SECOND, PARENT_1, PARENT_2])
@pytest.mark.parametrize("zone", [UNSIGNED, SIGNED])
@pytest.mark.parametrize("kind", EVERY)
def test_d02_d03_d08_one_bad_server_among_good_ones(net, kind, zone, place):
    if zone == UNSIGNED and kind in STRIPPING and place in (FIRST, SECOND):
        pytest.skip("what is not signed cannot be stripped of signatures")
    expected = truth(net, zone)
    net.servers[place].kind = EVERY[kind]
    assert truth(net, zone) == expected


@pytest.mark.parametrize("zone", [UNSIGNED, SIGNED])
@pytest.mark.parametrize("kind", LAME)
def test_d02_nothing_but_bad_servers_is_never_an_absence(net, kind, zone):
    for place in (FIRST, SECOND):
        net.servers[place].kind = LAME[kind]
    for result in straight(net, (f"mx.{zone}", "A"), (zone, "MX")):
        if kind in ("empty-aa", "nxdomain-aa") and zone == UNSIGNED:
            # Authority without SOA record is a form that resolvers take (RFC 2308 section 2.2, type 3).
            assert result.outcome in (Outcome.NODATA, Outcome.NXDOMAIN)
        else:
            assert result.outcome is Outcome.ERROR, essence(result)
            assert result.security is not Security.SECURE
        if zone == SIGNED and kind.startswith("silent"):
            assert result.reason == "dns-timeout"


@pytest.mark.parametrize("kind", EVERY)
def test_d03_one_bad_resolver_before_a_good_one(net, kind, tmp_path):
    world = lame.World()
    for one in lame.build()[:3]:
        world.zones.update(one.zones)
    bad, good = (lame.Server(world, address) for address in ("127.53.56.21", "127.53.56.22"))
    bad.kind = EVERY[kind]
    with bad, good:
        servers = [Server(bad.address, bad.port), Server(good.address, good.port)]
        for zone in (SIGNED, UNSIGNED):
            questions = questions_of(zone)
            expected = look_up(Recursive(servers[1:], PATIENCE), net.anchor, *questions)
            found = look_up(Recursive(servers, PATIENCE), net.anchor, *questions)
            assert [essence(one) for one in found] == [essence(one) for one in expected]


def test_a_referral_that_only_one_server_of_the_parent_zone_gives_wrongly(net):
    """A stale secondary of the parent zone names a server that is gone."""
    expected = truth(net, UNSIGNED)

    def stale(asked):
        message = asked.message
        if not message.answer and any(record.rdtype == lame.NS for record in message.authority):
            authority = [
                lame.Record(record.owner, record.rdtype, signer.name("gone.beta").to_wire())
                if record.rdtype == lame.NS
                else record
                for record in message.authority
            ]
            return asked.send(lame.Message(0, False, ([], authority, [])))
        return asked.good

    for place in (PARENT_1, PARENT_2):
        net.all_good()
        net.servers[place].kind = stale
        assert truth(net, UNSIGNED) == expected


# Bounds: what a hostile delegation can cost.


def hostile(net, names):
    """Have the parent zone delegate ``trap.alpha`` to ``names``, without glue."""

    def kind(asked):
        if not asked.owner.is_subdomain(signer.name("trap.alpha")):
            return asked.good
        authority = [lame.Record(signer.name("trap.alpha"), lame.NS, signer.name(one).to_wire()) for one in names]
        return asked.send(lame.Message(0, False, ([], authority, [])))

    for place in (PARENT_1, PARENT_2):
        net.servers[place].kind = kind


def asked_in_all(net):
    return sum(len(server.asked) for server in net.servers.values())


@pytest.mark.parametrize(
    "names",
    [
        [f"ns{number}.no{number}.beta" for number in range(200)],
        [f"ns{number}.victim.alpha" for number in range(200)],
        [f"ns.sub{number}.trap.alpha" for number in range(200)],
        ["ns.trap.alpha"],
    ],
    ids=["elsewhere", "one-victim", "below-itself", "itself"],
)
def test_a_hostile_delegation_costs_no_more_than_the_limit(net, names):
    hostile(net, names)
    (result,) = straight(net, ("mx.trap.alpha", "A"))
    assert (result.outcome, result.security) == (Outcome.ERROR, Security.INDETERMINATE)
    # Of each of the few questions of the look-up; most of the messages are for the one about the trap.
    assert asked_in_all(net) <= 2 * iterative._MAX_MESSAGES


def test_servers_that_name_each_other_are_given_up(net):
    def kind(asked):
        for zone, other in (("one.alpha", "ns.two.alpha"), ("two.alpha", "ns.one.alpha")):
            if asked.owner.is_subdomain(signer.name(zone)):
                records = [lame.Record(signer.name(zone), lame.NS, signer.name(other).to_wire())]
                return asked.send(lame.Message(0, False, ([], records, [])))
        return asked.good

    for place in (PARENT_1, PARENT_2):
        net.servers[place].kind = kind
    (result,) = straight(net, ("mx.one.alpha", "A"))
    assert result.outcome is Outcome.ERROR
    assert asked_in_all(net) <= iterative._MAX_MESSAGES


def test_a_server_that_stays_silent_costs_its_time_once(net):
    net.servers[FIRST].kind = LAME["silent"]
    questions = [(f"mx{number}.{UNSIGNED}", "A") for number in range(20)]
    results = straight(net, *questions)
    assert {result.outcome for result in results} == {Outcome.NXDOMAIN}
    assert len([1 for owner, *_rest in net.servers[FIRST].asked if owner.labels[0].startswith(b"mx")]) == 1
