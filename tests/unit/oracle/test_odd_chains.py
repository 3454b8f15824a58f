# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains with every oddity beside libssl at security level 1, and beside GnuTLS's own reading of certificates."""

from __future__ import annotations

import collections
import os
import random

import pytest
from oracle import raw_pki as raw
from oracle.pki import NOW
from oracle.raw_pki import Raw
from oracle.sender_cases import HOST, Play, digest, leaf
from oracle.test_openssl_oracle import libgnutls, libssl
from oracle.wild import generate

from ansible_collections.mailsec.dane.plugins.module_utils._dane.matching import Profile, match
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._pki import gnutls as pki_gnutls
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import CertificateError, load_der
from ansible_collections.mailsec.dane.plugins.module_utils._pki.security_level import is_spoilt

COUNT = int(os.environ.get("MAILSEC_DANE_CHAINS", "1500"))
SEED = int(os.environ.get("MAILSEC_DANE_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)


def _plays(capsys: pytest.CaptureFixture[str]) -> list[Play]:
    with capsys.disabled():
        print(f"\n{COUNT} odd chains, MAILSEC_DANE_SEED={SEED}")
    return [generate(random.Random(SEED * 1_000_003 + number)) for number in range(COUNT)]


@pytest.mark.slow
def test_the_postfix_profile_agrees_with_openssl(capsys: pytest.CaptureFixture[str]) -> None:
    """V03, V04, V07, V11 to V14: what OpenSSL verifies, and what not, whatever it cannot read."""
    oracle, decided = libssl(), collections.Counter[bool]()
    for number, play in enumerate(_plays(capsys)):
        records = [TlsaRecord.from_text(text) for text in play.records]
        chain = [one.der for one in play.chains[0]]
        if is_spoilt(load_der(chain[0])):
            # No server with OpenSSL serves it, and with a bare key as anchor (2 1 0) nobody looks at it.
            continue
        given = [(record.parameters, record.data) for record in records]
        taken, error = oracle.verify(given, chain, [HOST, "example.nl"], NOW)
        result = match(records, [load_der(der) for der in chain], (HOST, "example.nl"), NOW, Profile.POSTFIX)
        where = f"seed {SEED}, chain {number}, OpenSSL says {error}, we say {result.reason}:\n{play}"
        assert result.authenticated is (taken > 0 and error == 0), where
        decided[result.authenticated] += 1
    assert min(decided[True], decided[False]) > COUNT // 10, decided


@pytest.mark.slow
def test_gnutls_reads_what_we_say_that_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """V09, V11: a certificate that GnuTLS does not read at all."""
    oracle, read = libgnutls(), collections.Counter[bool]()
    found = {one.der: one for play in _plays(capsys) for one in play.chains[0]}
    for der, made in found.items():
        fault = pki_gnutls.import_fault(load_der(der))
        assert (oracle.has_name(der, HOST) is None) is (fault is not None), f"seed {SEED}, we say {fault}:\n{made}"
        read[fault is None] += 1
    assert min(read[True], read[False]) > COUNT // 20, read


def test_mutated_certificates_are_authenticated_by_nobody_who_cannot_read_them() -> None:
    """V01: bytes changed anywhere but in the key; 3 1 1 still matches, if the library gets that far."""
    openssl, gnutls, rng = libssl(), libgnutls(), random.Random(SEED)
    made = leaf(
        raw.alternative(HOST, raw.address(192, 0, 2, 1)), raw.basic(False), raw.purposes("1.3.6.1.5.5.7.3.1"),
        subject=raw.name(raw.attribute("NL", 0x13, "2.5.4.6"), HOST),
    )  # fmt: skip
    key, entry = raw.spki(made.key), TlsaRecord.from_text(digest(made, 3))
    begin = made.der.find(key)
    places = [*range(begin), *range(begin + len(key), len(made.der))]
    decided = collections.Counter[tuple[bool, bool]]()
    for _round in range(COUNT):
        der = bytearray(made.der)
        for at in rng.choices(places, k=rng.choice((1, 1, 2))):
            der[at] = rng.choice((der[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
        try:
            accepted = openssl.verify([(entry.parameters, entry.data)], [bytes(der)], [HOST], NOW) == (1, 0)
        except ValueError:
            accepted = False
        read = gnutls.has_name(bytes(der), HOST) is not None
        decided[accepted, read] += 1
        try:
            chain = [load_der(bytes(der))]
        except CertificateError:
            continue
        postfix, exim = (
            match([entry], chain, (HOST,), NOW, profile).authenticated for profile in (Profile.POSTFIX, Profile.EXIM)
        )
        assert accepted or not postfix, f"seed {SEED}, OpenSSL does not accept {der.hex()}"
        assert read or not exim, f"seed {SEED}, GnuTLS does not read {der.hex()}"
    assert decided[True, True] > COUNT // 20 and decided[False, False] > COUNT // 20, decided


OID = bytes.fromhex("06032a0304")
OTHER_NAMES = {
    "whole": OID + raw.tlv(0xA0, b"\x0c\x01x"),
    "a number": OID + raw.tlv(0xA0, b"\x02\x01\x01"),
    "an identifier that is cut off": bytes.fromhex("06032a0384") + raw.tlv(0xA0, b"\x0c\x01x"),
    "an identifier that is empty": bytes.fromhex("0600") + raw.tlv(0xA0, b"\x0c\x01x"),
    "an identifier with padding": bytes.fromhex("060680808080812a") + raw.tlv(0xA0, b"\x0c\x01x"),
    "an identifier alone": OID,
    "no value": OID + raw.tlv(0xA0),
    "two values": OID + raw.tlv(0xA0, b"\x0c\x01x\x0c\x01y"),
    "a value that is cut off": OID + raw.tlv(0xA0, b"\x0c\x05x"),
    "bytes behind": OID + raw.tlv(0xA0, b"\x0c\x01x") + b"\x05\x00",
    "another tag": OID + raw.tlv(0x80, b"\x0c\x01x"),
    "a sequence": raw.tlv(0x30, OID + raw.tlv(0xA0, b"\x0c\x01x")),
    "nothing": b"",
    "text": HOST.encode(),
}


@pytest.mark.parametrize("kind", OTHER_NAMES)
def test_v01_an_other_name_that_does_not_parse_spoils_a_certificate_for_gnutls(kind: str) -> None:
    made = leaf(raw.alternative(HOST, raw.tlv(0xA0, OTHER_NAMES[kind])))
    fault = pki_gnutls.import_fault(load_der(made.der))
    assert (libgnutls().has_name(made.der, HOST) is None) == (fault is not None)


@pytest.mark.parametrize("kind", range(2))
def test_gnutls_finds_the_names_that_we_say_that_it_finds(kind: int) -> None:
    """V07, V08: names and forms of names in every order, beside common names of every type."""
    oracle, rng = libgnutls(), random.Random(kind)
    forms = (
        raw.dns(HOST), raw.dns("*.example.nl"), raw.dns("*x.example.nl"), raw.dns("other.nl"), raw.dns(f"{HOST}."),
        raw.address(1, 2, 3, 4), raw.tlv(0x81, b"a@b.nl"), raw.tlv(0x86, b"a:b"), raw.tlv(0xA4, raw.name("x")),
        raw.tlv(0xA4, raw.name()), raw.tlv(0x88, b"\x2a\x03"), raw.dns("MX.EXAMPLE.NL"), raw.dns(b"\xe9.example.nl"),
    )  # fmt: skip
    for _round in range(400):
        names = [rng.choice(forms) for _one in range(rng.randrange(4))]
        commons = [raw.attribute(HOST, rng.choice((0x0C, 0x13, 0x14, 0x16))) for _one in range(rng.randrange(3))]
        purposes = rng.choice(((), (), (raw.purposes(rng.choice(("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"))),)))
        made = Raw(
            raw.name(*commons), "CA", "p256/leaf", "p256/ca", (*([raw.alternative(*names)] if names else []), *purposes)
        )
        try:
            ours = pki_gnutls.has_name(load_der(made.der), HOST)
        except CertificateError:
            ours = False
        assert ours is oracle.has_name(made.der, HOST), made
