# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""V01: what one server sends, however odd, costs no other server its verdict, in whole runs of the core."""

from __future__ import annotations

import asyncio
import random
import typing as t

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracle import pki
from oracle import raw_pki as raw
from oracle.sender_cases import HOST, ROOT, ca, digest, leaf
from support.memory_dns import MemoryDns

from ansible_collections.mailsec.dane.plugins.module_utils._audit import contained, starttls_report
from ansible_collections.mailsec.dane.plugins.module_utils._audit.audit import Audit, Settings
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe, Seen
from ansible_collections.mailsec.dane.plugins.module_utils._publish import check
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import offer, ways
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan import report
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan import scan as tls_scan_scan

GOOD, CA = leaf(), ca()
#: A chain with everything in it that is read, so that a changed byte hits something.
FULL = leaf(
    raw.alternative(HOST, raw.address(192, 0, 2, 1), raw.tlv(0x81, b"a@example.nl"), raw.tlv(0xA4, raw.name("x"))),
    raw.usage(0, 2), raw.basic(False), raw.purposes("1.3.6.1.5.5.7.3.1"), raw.features(5),
    raw.authority_identifier("p256/ca"), raw.extension("2.5.29.31", raw.sequence(raw.sequence())),
    subject=raw.name(raw.attribute("NL", 0x13, "2.5.4.6"), HOST),
)  # fmt: skip
FULL_CA = ca(
    raw.subject_identifier("p256/ca"), raw.constraints([raw.dns("example.nl")], [raw.tlv(0x86, b"x.nl")]), above="Root"
)
TEXTS = (digest(FULL, 3), digest(FULL_CA, 2), f"2 0 0 {FULL_CA.der.hex()}", f"3 1 0 {raw.spki('p256/leaf').hex()}")
RECORDS = tuple(map(TlsaRecord.from_text, TEXTS))
ODD = {
    "a TLS feature that nobody knows": ("protected", (leaf(raw.alternative(HOST), raw.features(99)).der,)),
    "a version that there is none of": ("protected", (leaf(version=98).der,)),
    "a thousand names in the subject": ("protected", (leaf(subject=raw.name(*["x"] * 1000)).der,)),
    "a month that there is none of": (
        "failing", (leaf(validity=raw.sequence(raw.tlv(0x17, b"201301000000Z"), raw.tlv(0x17, b"391301000000Z"))).der,)
    ),
    "an object identifier of a million bits": (
        "failing", (leaf(raw.extension("1.2.3", b"").replace(b"\x2a\x03", b"\xff" * 125000 + b"\x03")).der,)
    ),
    "not a certificate": ("unknown", (b"\x30\x00",)),
    "nothing": ("unknown", (b"",)),
}  # fmt: skip


async def _run(chains: dict[str, tuple[bytes, ...]]) -> dict[str, dict[str, t.Any]]:
    dns = MemoryDns()
    for name in chains:
        dns.add(f"{name}.nl", "MX", f"10 mx.{name}.nl.").add(f"mx.{name}.nl", "A", f"192.0.2.{len(dns.asked) + 1}")
        dns.add(f"_25._tcp.mx.{name}.nl", "TLSA", digest(GOOD, 3))
    by_host = {f"mx.{name}.nl": chain for name, chain in chains.items()}

    async def answer(endpoint: Endpoint, name: str | None, *_rest: object) -> Probe:
        return Probe(endpoint, name, "tls", tls_version="TLSv1.3", chain=by_host[name or HOST])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "probe", answer)
        audit = Audit(dns, Settings(special_use=True, now=pki.NOW))
        verdicts = [one async for one in audit.domains(f"{name}.nl" for name in chains)]
    return {one.domain: contained.domain_result(one, pki.NOW) for one in verdicts}


@pytest.mark.parametrize("kind", ODD)
def test_v01_the_other_domains_keep_their_verdicts(kind: str) -> None:
    verdict, chain = ODD[kind]
    found = asyncio.run(_run({"one": (GOOD.der, CA.der), "odd": chain, "two": (GOOD.der, CA.der)}))
    shown = {name: found[f"{name}.nl"]["verdict"] for name in ("one", "odd", "two")}
    assert shown == {"one": "protected", "odd": verdict, "two": "protected"}
    assert "audit-error" not in {one["code"] for one in found["odd.nl"]["findings"]}


def _examined(chain: tuple[bytes, ...]) -> None:
    """Everything that looks at the chain of a server; what raises here would end the run of a module."""
    probe = Probe(Endpoint("192.0.2.25"), HOST, "tls", tls_version="TLSv1.2", chain=chain)
    result = starttls_report.report([Seen(HOST, probe)], 25, RECORDS, HOST, pki.NOW, {})
    scan = tls_scan_scan.Scan(probe, offer.Offer(), (chain,), 1, 1.0)
    result["findings"] += report.report([report.Scanned(HOST, scan)], 25, ["2.1"])["findings"]
    check.cover_all([probe], RECORDS, HOST, pki.NOW)
    check.helpful(probe, RECORDS, HOST, pki.NOW)
    found = asyncio.run(_run({"odd": chain}))["odd.nl"]
    codes = {one["code"] for one in (*result["findings"], *found["findings"])}
    assert "audit-error" not in codes, (result["findings"], found["findings"])


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32))
@example(331)
def test_v01_mutated_certificates_raise_nothing(seed: int) -> None:
    """Bytes changed, put in, taken out or doubled, in each certificate of a chain."""
    rng = random.Random(seed)
    chain = [FULL.der, FULL_CA.der, ROOT.der]
    for _round in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(3)
        der = bytearray(chain[place])
        at = rng.randrange(len(der))
        kind = rng.randrange(4)
        if kind == 0:
            der[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            der[at] = rng.randrange(256)
        elif kind == 2:
            der[at : at + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
        else:
            other = rng.randrange(len(der))
            der[at : at + 8] = der[other : other + 8]
        chain[place] = bytes(der)
    _examined(tuple(chain))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(oid for oid in (
    "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.35", "2.5.29.37",
    "1.3.6.1.5.5.7.1.24", "1.3.6.1.5.5.7.1.14", "2.16.840.1.113730.1.1", "2.5.29.32",
))), st.booleans(), st.binary(max_size=40), st.integers(0, 1))  # fmt: skip
def test_v01_extensions_of_any_content_raise_nothing(oid: str, critical: bool, value: bytes, place: int) -> None:
    strange = raw.extension(oid, value, critical)
    found = [leaf(raw.alternative(HOST), strange), ca(above="Root")] if place == 0 else [leaf(), ca(strange)]
    _examined((*(one.der for one in found), ROOT.der))
