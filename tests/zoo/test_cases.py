# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that seem to hold, or do so for some only: aliases, wildcards, TTLs, disputed proofs (B04)."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import struct

import dns.name
import harness
import pytest
import records
import signer
import world as zoo_world
from responder import Record

from ansible_collections.mailsec.dane.plugins.module_utils._audit.audit import Audit, Settings
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict_findings import host_findings
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.resolver_own import OwnResolver

WORLD, _CASES, ROOT = zoo_world.build()
FAR = 2**31 - 1


def look_up(owner, rdtype="A", change=None, **more):
    (result,) = harness.look_up(harness.validator(WORLD, ROOT, change, **more), (owner, rdtype))
    return result


def changing(owner, rdtype, edit):
    """Return the change that ``edit`` makes of a copy of the message about one name and type."""

    def change(asked, asked_type, wire):
        if (asked, asked_type) != (dns.name.from_text(owner), rdtype):
            return wire
        message = records.copy(WORLD.respond(asked, asked_type))
        edit(message)
        return message.to_wire((asked, asked_type))

    return change


# D04: what stands beside an alias about its target is not an answer about the target (RFC 2181 section 5.4.1).


def test_d04_the_target_of_an_alias_is_asked_for_by_itself():
    result = look_up("out.cross.zoo")
    assert (result.security, result.rdata) == (Security.SECURE, ("192.0.2.1", "192.0.2.2"))


@pytest.mark.parametrize("owner", ["alias.ok-nsec.zoo", "mx.dname.ok-nsec.zoo"])
@pytest.mark.parametrize("forged", ["data", "nothing"])
def test_d04_nor_is_it_in_the_same_zone(owner, forged):
    def edit(message):
        target = dns.name.from_text("mx.ok-nsec.zoo")
        message.answer[:] = [record for record in message.answer if record.owner != target]
        if forged == "data":
            message.answer.append(Record(target, signer.A, bytes([192, 0, 2, 66])))

    result = look_up(owner, change=changing(owner, signer.A, edit))
    assert (result.security, result.rdata) == (Security.SECURE, ("192.0.2.1", "192.0.2.2"))


def test_d04_nor_is_the_denial_of_another_name():
    """An alias in an unsigned zone with NXDOMAIN beside it says nothing about a target that exists."""

    def edit(message):
        message.rcode = 3
        message.answer[:] = message.answer[:1]

    result = look_up("alias.unsigned.zoo", change=changing("alias.unsigned.zoo", signer.A, edit))
    assert (result.outcome, result.rdata) == (Outcome.DATA, ("192.0.2.1", "192.0.2.2"))


# D05: what a DNAME of a wildcard redirects is not defined (RFC 4592 section 4.4).


def test_d05_a_dname_that_is_expanded_from_a_wildcard_is_refused():
    result = look_up("mx.x.w.wild-dname.zoo")
    assert (result.security, result.reason, result.rdata) == (Security.BOGUS, "dname-from-wildcard", ())
    assert "BIND" in result.detail


def test_d05_the_record_itself_may_be_asked_for():
    assert look_up("*.w.wild-dname.zoo", "DNAME").security is Security.SECURE


# D06: where validators are known to differ, the answer says so.


@pytest.mark.parametrize("zone", ["soa-garbled.zoo", "soa-unsigned.zoo", "soa-garbled3.zoo"])
@pytest.mark.parametrize("question", ["mx TXT", "nx A", "_25._tcp.www TLSA", "ent A", "x.wild TXT"])
def test_d06_a_denial_beside_a_bad_soa_record_is_disputed(zone, question):
    result = look_up(*harness.full_name(question, zone))
    assert result.security is Security.SECURE
    assert "validators-disagree" in result.notes
    assert "SOA" in result.as_answer().disputed


@pytest.mark.parametrize("zone", ["ok-nsec.zoo", "ok-nsec3.zoo", "ok-rsa256.zoo", "compact.zoo"])
@pytest.mark.parametrize("question", ["mx A", "mx TXT", "nx A", "alias A", "mx.dname A"])
def test_d06_a_good_answer_is_not_disputed(zone, question):
    result = look_up(*harness.full_name(question, zone))
    assert result.security is Security.SECURE
    assert "validators-disagree" not in result.notes
    assert result.as_answer().disputed == ""


def test_d06_an_alias_to_a_disputed_denial_is_disputed():
    owner = "out.cross.zoo"

    def edit(message):
        target = dns.name.from_text("nx.soa-garbled.zoo")
        signed = WORLD.zones[dns.name.from_text("cross.zoo")]
        data = [target.to_digestable()]
        name = dns.name.from_text(owner)
        made = signer.signature(name, signer.CNAME, data, signed.zsk, signed.origin)
        message.answer[:] = [Record(name, signer.CNAME, data[0]), Record(name, signer.RRSIG, made.to_bytes())]

    result = look_up(owner, change=changing(owner, signer.A, edit))
    assert (result.outcome, result.security) == (Outcome.NXDOMAIN, Security.SECURE)
    assert "validators-disagree" in result.notes


# D07: the TTL is that of the signature that verified (RFC 4035 section 5.3.3).


def slower(ttl):
    def edit(message):
        for section in message.sections:
            section[:] = [dataclasses.replace(record, ttl=ttl) for record in section]

    return edit


def with_forged_signature(first):
    """Add a second signature whose original TTL nobody has signed."""

    def edit(message):
        (good,) = [record for record in message.answer if record.rdtype == signer.RRSIG]
        forged = dataclasses.replace(good, data=good.data[:4] + struct.pack("!I", FAR) + good.data[8:], ttl=FAR)
        message.answer[:] = [record for record in message.answer if record is not good]
        message.answer.extend([forged, good] if first else [good, forged])

    return edit


@pytest.mark.parametrize(
    "edit", [slower(604800), slower(FAR), with_forged_signature(True), with_forged_signature(False)]
)
def test_d07_the_published_ttl_is_that_of_the_signature_that_verified(edit):
    for owner, rdtype in (("mx.ok-nsec.zoo", "A"), ("_25._tcp.mx.ok-nsec.zoo", "TLSA")):
        result = look_up(owner, rdtype, changing(owner, signer.A if rdtype == "A" else signer.TLSA, edit))
        assert result.security is Security.SECURE
        assert (result.published_ttl, result.as_answer().ttl) == (signer.TTL, signer.TTL)
        assert result.ttl <= signer.TTL


def test_d07_a_ttl_that_a_cache_counted_down_is_told_in_full():
    result = look_up("mx.ok-nsec.zoo", change=changing("mx.ok-nsec.zoo", signer.A, slower(7)))
    assert (result.published_ttl, result.ttl) == (signer.TTL, 7)


def test_d07_without_a_signature_that_verified_the_ttl_is_as_received():
    result = look_up("mx.signed-without-ds.zoo", change=changing("mx.signed-without-ds.zoo", signer.A, slower(7)))
    assert (result.security, result.published_ttl) == (Security.INSECURE, 7)


def test_d06_the_audit_says_that_validators_disagree():
    """The host has no AAAA record, and the denial of it is disputed."""
    now = datetime.datetime.fromtimestamp(signer.NOW, datetime.UTC)
    resolver = OwnResolver(harness.validator(WORLD, ROOT))

    async def run():
        audit = Audit(resolver, Settings(now=now))
        return [verdict async for verdict in audit.hosts(["mx.soa-garbled.zoo", "mx.ok-nsec.zoo"])]

    disputed = {
        verdict.host: [entry.subject for entry in host_findings(verdict, now) if entry.code == "validators-disagree"]
        for verdict in asyncio.run(run())
    }
    assert disputed == {"mx.soa-garbled.zoo": ["AAAA mx.soa-garbled.zoo"], "mx.ok-nsec.zoo": []}
