# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what servers showed to what the planner is told (B06): nothing unknown may pass for known."""

from __future__ import annotations

import asyncio
import datetime

import pytest
from oracle import pki
from support.mail_site import OWNER, record
from support.memory_dns import MemoryDns

from ansible_collections.mailsec.dane.plugins.module_utils._dns import authority
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Security
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Delegation, Signature, Status, View
from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS, Endpoint, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import look
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.observe import authority_view, endpoint_view

SERVER = Server("192.0.2.53", name="ns1.example.nl")
LEAF = pki.Spec("mx.example.nl", "root", "leaf", "root", ca=False, san=("mx.example.nl",))
ROOT = pki.Spec("root", "root", "root", "root")


def _probe(outcome: str = TLS, chain: tuple[bytes, ...] = (), detail: str = "") -> Probe:
    return Probe(Endpoint("192.0.2.25"), "mx.example.nl", outcome, detail, chain=chain)


def test_a_served_rrset_with_its_signature() -> None:
    ends = [pki.NOW + datetime.timedelta(days=days) for days in (5, 9)]
    signatures = tuple(Signature(pki.NOW, end, 7) for end in ends)
    found = authority_view(View(SERVER, OWNER, Status.SERVED, "", (record("K1"),), 3600, 12, signatures), str(SERVER))
    assert (found.records, found.ttl, found.serial, found.failure) == ({record("K1")}, 3600, 12, "")
    assert found.primary and found.signed_until == ends[1].timestamp()
    again = authority_view(
        View(SERVER, OWNER, Status.SERVED, "", (record("K1"),), 3600, 12, (Signature(ends[0], ends[1], 7),)), ""
    )
    assert again.signature != found.signature and not again.primary
    zone = View(SERVER, OWNER, Status.ABSENT, serial=3, zone_signatures=(Signature(ends[0], ends[1], 7),))
    assert authority_view(zone, "").zone_signature == again.signature and found.zone_signature is None


def test_absence_is_an_answer() -> None:
    found = authority_view(View(SERVER, OWNER, Status.ABSENT, serial=3), "")
    assert not found.failure and not found.records and found.signature is None


@pytest.mark.parametrize("status", [status for status in Status if status not in (Status.SERVED, Status.ABSENT)])
def test_no_answer_is_a_failure(status: Status) -> None:
    assert authority_view(View(SERVER, OWNER, status), "").failure == status.value


def test_an_answer_that_does_not_validate_is_a_failure() -> None:
    view = View(SERVER, OWNER, Status.SERVED, "", (record("K1"),), 3600)
    assert authority_view(view, "", "bogus: the signature expired").failure == "bogus: the signature expired"
    blind = authority_view(view, "", unvalidated="no resolver on loopback")
    assert blind.unvalidated == "no resolver on loopback" and not blind.failure


@pytest.mark.parametrize(
    ("reason", "code", "denied"),
    [
        ("dnssec-bogus", "dnssec-bogus", True),
        ("dns-timeout", "dns-timeout", False),
        ("resolver-not-validating", "resolver-not-validating", False),
        ("insecure", "tlsa-insecure", False),
        ("", None, False),
    ],
)
def test_only_what_is_bogus_denies_senders_an_answer(reason: str, code: str | None, denied: bool) -> None:
    security = Security.INSECURE if reason == "insecure" else Security.SECURE
    dns = MemoryDns().add(OWNER, "TLSA", record("K1").to_text(), security=security)
    if code == reason:
        dns.fail(OWNER, "TLSA", reason)
    found = asyncio.run(look._doubt(OWNER, dns))  # type: ignore[arg-type]  # resolves as the real one does
    assert (found and (found.code, found.denied)) == (code and (code, denied))


def test_all_chains_of_all_rounds_count() -> None:
    other = pki.Spec("mx.example.nl", "root", "other leaf", "root", ca=False, san=("mx.example.nl",))
    chains = [tuple(pki.make(one) for one in (leaf, ROOT)) for leaf in (LEAF, other)]
    probes = [_probe(chain=chains[0]), _probe(chain=chains[1]), _probe(chain=chains[0])]
    found = endpoint_view("192.0.2.25:25", probes, ["mx.example.nl"], pki.NOW, 3)
    assert len(found.chains) == 2 and found.repeats == 3 and not found.failure


@pytest.mark.parametrize(
    ("probes", "failure"),
    [
        ([], "it was not probed"),
        ([_probe("connect-failed", detail="connection refused")], "connection refused"),
        ([_probe(chain=())], "it presented what is not a chain"),
        ([_probe(chain=(b"rubbish",))], "it presented what is not a chain"),
    ],
)
def test_one_bad_connection_leaves_it_open(probes: list[Probe], failure: str) -> None:
    good = [_probe(chain=tuple(pki.make(one) for one in (LEAF, ROOT)))] if probes else []
    found = endpoint_view("192.0.2.25:25", [*good, *probes], ["mx.example.nl"], pki.NOW, 1)
    assert found.failure.startswith(failure) and len(found.chains) == len(good)


def test_l03_a_parent_that_cannot_be_asked_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of which only the parent knows may be missing from the look, and resolvers go on asking it."""

    async def zone(*_args: object) -> str:
        return "example.nl"

    async def found(*_args: object) -> Delegation:
        why = "the NS set that the parent zone has for example.nl could not be learnt: time-out"
        return Delegation((SERVER,), child=("ns1.example.nl",), unknown_parent=why)

    async def observe(*_args: object) -> tuple[View, ...]:
        return (View(SERVER, OWNER, Status.SERVED, "", (record("K1"),), 3600),)

    monkeypatch.setattr(authority, "find_zone", zone)
    monkeypatch.setattr(authority, "find_name_servers", found)
    monkeypatch.setattr(authority, "observe", observe)
    dns = MemoryDns().add(OWNER, "TLSA", record("K1").to_text(), security=Security.SECURE)
    means = look.Means(SERVER, ())
    views, _notes, _doubt = asyncio.run(look._owner(OWNER, means, dns, ()))  # type: ignore[arg-type]
    (failing,) = [view for view in views if view.failure]
    assert "time-out" in failing.failure and "tlsa_name_servers" in failing.failure and not failing.public


def test_an_alias_is_for_a_person_and_silence_is_not() -> None:
    alias = View(SERVER, OWNER, Status.ALIAS, "has an alias there, to other.nl", alias=("other.nl", 60))
    found = authority_view(alias, "")
    assert found.decides and "rotation_owners has to be other.nl" in found.failure
    assert not authority_view(View(SERVER, OWNER, Status.TIMEOUT), "").decides


def test_records_of_a_wildcard_count_for_as_long_as_the_proof_of_it() -> None:
    view = View(SERVER, OWNER, Status.SERVED, "", (record("K1"),), 60, wildcard="*.example.nl", proof_ttl=900)
    found = authority_view(view, "")
    assert (found.wildcard, found.ttl, found.cached_ttl) == ("*.example.nl", 60, 900)
