# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on servers that Postfix and Exim judge differently, or that are easily misjudged.

The real senders meet the same servers in tests/integration/verdicts.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import typing as t

import pytest
from oracle import pki
from oracle.sender_cases import BAD, GOOD, HOST, KNOWN, Play, direct, leaf
from support.memory_dns import MemoryDns

from ansible_collections.mailsec.dane.plugins.module_utils._audit import starttls_report
from ansible_collections.mailsec.dane.plugins.module_utils._audit.contained import domain_result
from ansible_collections.mailsec.dane.plugins.module_utils._audit.discovery import find_mx, locate
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import DomainObservation, HostObservation
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import judge_domain
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaError, TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe, Seen
from ansible_collections.mailsec.dane.plugins.module_utils._publish import check

ENDPOINT = Endpoint("192.0.2.25")
_VERSIONS = {"TLSv1": "TLSv1", "TLSv1_1": "TLSv1.1", "TLSv1_2": "TLSv1.2"}
#: What the dialogue tells, and not the certificate, is in test_smtp.
CASES = {
    name: case
    for name, case in KNOWN.items()
    if not (case.play.client_certificate or case.play.behaviour or case.play.settings)
}

#: Case -> what is found there, beside the verdict.
CODES = {
    "v02 EC keyEncipherment, TLS 1.3": "certificate-key-usage",
    "v03 leaf signed with SHA-1, 2 1 1": "ta-chain-invalid",
    "v04 RSA-768 leaf, 3 1 1": "certificate-key-weak",
    "v05 TLS 1.0 only, EC": "tls-version-too-old",
    "v08 CN right, SAN has an IP address": "ta-name-mismatch",
    "v09 one extension twice in the leaf, 3 1 1": "certificate-malformed",
}


def seen(play: Play) -> Probe:
    version = _VERSIONS.get(play.versions[1], "TLSv1.3")
    usual = {"kRSA": "AES256-SHA", "ALL:!aNULL": "ECDHE-RSA-AES256-SHA"}
    cipher = usual.get(play.ciphers, play.ciphers)
    chain = tuple(one.der for one in play.chains[0])
    return Probe(ENDPOINT, HOST, "tls", tls_version=version, cipher=cipher, chain=chain)


async def _observed(play: Play) -> DomainObservation:
    dns = MemoryDns().add("example.nl", "MX", f"10 {HOST}.").add(HOST, "A", ENDPOINT.address)
    dns.add(f"_25._tcp.{HOST}", "TLSA", *play.records)
    return DomainObservation(
        await find_mx(dns, "example.nl"), (HostObservation(await locate(dns, HOST, 25), (seen(play),)),)
    )


def judged(play: Play) -> dict[str, t.Any]:
    return domain_result(judge_domain(asyncio.run(_observed(play)), pki.NOW), pki.NOW)


@pytest.mark.parametrize("name", CASES)
def test_each_sender_decides_as_the_real_one(name: str) -> None:
    """V01 to V14, and their kinds."""
    case = CASES[name]
    result = judged(case.play)
    [host] = result["hosts"]
    assert {sender: host["profiles"][sender]["verdict"] for sender in ("postfix", "exim")} == {
        "postfix": case.postfix, "exim": case.exim,
    }  # fmt: skip
    # Protected is what everybody delivers to, failing nothing that both of them do.
    if BAD in (case.postfix, case.exim):
        assert result["verdict"] != "protected"
        evidence = {one["code"]: one["evidence"] for one in result["findings"]}
        assert host["reason"] in evidence and not evidence[host["reason"]].endswith(": ")
    elif (case.postfix, case.exim) == (GOOD, GOOD):
        assert result["verdict"] == "protected"


def records(play: Play) -> tuple[TlsaRecord, ...]:
    found: list[TlsaRecord] = []
    for text in play.records:
        try:
            found.append(TlsaRecord.from_text(text))
        except TlsaError:
            continue
    return tuple(found)


@pytest.mark.parametrize("name", CASES)
def test_the_gate_before_publication_agrees(name: str) -> None:
    """A set of records is published only where every sender delivers then."""
    case = CASES[name]
    fit = check.cover(seen(case.play), records(case.play), HOST, pki.NOW).fit
    assert (fit is check.Fit.MATCHES) is ((case.postfix, case.exim) == (GOOD, GOOD))


@pytest.mark.parametrize("name", CASES)
def test_starttls_info_agrees(name: str) -> None:
    """What starttls_info says of a chain beside records."""
    case = CASES[name]
    entry = Seen(HOST, seen(case.play))
    result = starttls_report.report([entry], 25, records(case.play), HOST, pki.NOW, {})
    [endpoint] = result["endpoints"]
    assert endpoint["outcome"] == "tls"
    if BAD in (case.postfix, case.exim):
        assert endpoint["tlsa"]["authenticated"] is not True
    elif (case.postfix, case.exim) == (GOOD, GOOD):
        assert endpoint["tlsa"]["authenticated"] is True


STOPPED = direct(leaf())


@pytest.mark.parametrize("sender", ["postfix", "exim"])
@pytest.mark.parametrize(
    ("code", "expected"), [("smtp-reply-unread", "refused"), ("probe-timeout", "unknown")], ids=["refused", "unknown"]
)
def test_v10_a_sender_that_gets_no_further(
    sender: str, code: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit, the gate before publication and starttls_info take it from the probe."""
    probe = dataclasses.replace(seen(STOPPED), stops=((sender, code),))
    monkeypatch.setattr(sys.modules[__name__], "seen", lambda _play: probe)
    [host] = judged(STOPPED)["hosts"]
    assert host["profiles"][sender] == {"verdict": expected, "reason": code}
    [other] = {"postfix", "exim"} - {sender}
    assert host["profiles"][other]["verdict"] == GOOD
    assert check.cover(probe, records(STOPPED), HOST, pki.NOW).fit is not check.Fit.MATCHES
    result = starttls_report.report([Seen(HOST, probe)], 25, records(STOPPED), HOST, pki.NOW, {})
    assert result["endpoints"][0]["tlsa"]["authenticated"] is not True


@pytest.mark.parametrize("name", CODES)
def test_what_is_wrong_is_found_with_its_evidence(name: str) -> None:
    found = {one["code"]: one for one in judged(CASES[name].play)["findings"]}
    assert len(found[CODES[name]]["evidence"]) > 20 and found[CODES[name]]["remedy"]
