# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers and records on which senders differ, or which are easily misjudged, with what Postfix and Exim do."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import ssl
import typing as t

from oracle import raw_pki as raw
from oracle.raw_pki import Raw

HOST = "mx.example.nl"
GOOD, BAD, ENCRYPTED = "authenticated", "refused", "encrypt-only"
CA_USAGE = raw.usage(5, 6)
SERVER_AUTH, CLIENT_AUTH, ANY_PURPOSE = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
POLICY = raw.oid("1.3.6.1.4.1.99999.2")
TLS12 = ("TLSv1_2", "TLSv1_2")
TLS13 = ("TLSv1_3", "TLSv1_3")
TLS11 = ("TLSv1_1", "TLSv1_1")
TLS10 = ("TLSv1", "TLSv1")


Chain = tuple[Raw, ...]


@dataclasses.dataclass(frozen=True)
class Play:
    """What is served and published: chains, leaf first, with TLSA records as text.

    ``versions`` are the lowest and the highest version of TLS, as Python calls them, ``ciphers`` is OpenSSL's list.
    ``behaviour`` is that of ``Responder``. ``settings`` may have ``groups`` and ``signatures``, lists of OpenSSL.
    """

    chains: tuple[Chain, ...]
    records: tuple[str, ...]
    versions: tuple[str, str] = ("MINIMUM_SUPPORTED", "MAXIMUM_SUPPORTED")
    ciphers: str = "ALL:!aNULL"
    client_certificate: bool = False
    behaviour: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    settings: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_json(self) -> str:
        """The line that the world of the integration tests reads."""
        return json.dumps({
            "chains": [pem(chain) for chain in self.chains], "records": self.records, "versions": self.versions,
            "ciphers": self.ciphers, "client_certificate": self.client_certificate, "behaviour": dict(self.behaviour),
            "settings": dict(self.settings),
        })  # fmt: skip


def digest(certificate: Raw, usage: int) -> str:
    return f"{usage} 1 1 {hashlib.sha256(certificate.spki or raw.spki(certificate.key)).hexdigest()}"


def pem(chain: Chain) -> str:
    return raw.key_pem(chain[0].key).decode() + "".join(ssl.DER_cert_to_PEM_cert(one.der) for one in chain)


def leaf(*extensions: bytes, key: str = "p256/leaf", **more: t.Any) -> Raw:
    made = extensions or (raw.alternative(HOST),)
    return Raw(**{"subject": HOST, "issuer": "CA", "key": key, "signer": "p256/ca", "extensions": made, **more})


def ca(*extensions: bytes, name: str = "CA", above: str | None = None, key: str = "p256/ca", **more: t.Any) -> Raw:
    found = {"signer": "p256/root" if above else key, "extensions": (raw.basic(), CA_USAGE, *extensions), **more}
    return Raw(subject=name, issuer=above or name, key=key, **found)


ROOT = ca(name="Root", key="p256/root")


@dataclasses.dataclass(frozen=True)
class Known:
    """A case, and what Postfix and Exim make of it."""

    play: Play
    postfix: str
    exim: str


def anchored(*chain: Raw, of: int = 1, **more: t.Any) -> Play:
    """``2 1 1`` of the certificate at position ``of``."""
    return Play((chain,), (digest(chain[of], 2),), **more)


def direct(*chain: Raw, **more: t.Any) -> Play:
    """``3 1 1`` of the leaf."""
    return Play((chain,), (digest(chain[0], 3),), **more)


RSA_LEAF = leaf(key="rsa2048/leaf")
SAN = raw.alternative(HOST)
TWICE = (SAN, raw.extension("1.3.6.1.4.1.99999.3", raw.NULL), raw.extension("1.3.6.1.4.1.99999.3", raw.NULL))
ODD_ROOT = dataclasses.replace(ROOT, extensions=(raw.basic(), *TWICE[1:]))
INNER = raw.algorithm("p256/ca", "sha384")


def said(**replies: str) -> Play:
    """A good certificate and record, and other replies than usual."""
    return direct(leaf(), behaviour=replies)


def crowded(number: int) -> Play:
    """As many records of other keys, then the right one."""
    found = tuple(f"3 1 1 {one:064x}" for one in range(1, number + 1))
    return Play(((leaf(),),), (*found, digest(leaf(), 3)))


DIRECTORY = raw.tlv(0xA4, raw.name("x"))
OTHER = raw.tlv(0xA0, raw.oid("1.2.3"), raw.tlv(0xA0, raw.NULL))
URI_TOO = raw.alternative(HOST, raw.tlv(0x86, b"https://a.example.com/"))
UTF8_MAILBOX = raw.tlv(0xA0, raw.oid("1.3.6.1.5.5.7.8.9"), raw.tlv(0xA0, raw.tlv(12, "\u00e4@example.org".encode())))


def bounded(kind: int, bound: int, number: int) -> bytes:
    """Name constraints on example.nl with a minimum or maximum."""
    subtree = raw.sequence(raw.dns("example.nl"), raw.tlv(bound, bytes([number])))
    return raw.extension("2.5.29.30", raw.sequence(raw.tlv(kind, subtree)), True)


def since(begin: str) -> bytes:
    """A validity from ``begin`` (UTCTime or GeneralizedTime) on."""
    tag = 0x17 if len(begin) == 13 else 0x18
    return raw.sequence(raw.tlv(tag, begin.encode()), raw.tlv(0x18, b"20991231235959Z"))


def behind(number: int) -> str:
    """An EHLO reply with as many lines of 64 bytes before STARTTLS."""
    return "250-mx\r\n" + ("250-X" + "Y" * 59 + "\r\n") * number + "250 STARTTLS\r\n"


def issued(name_there: bytes, name_here: bytes) -> Play:
    """A CA under one form of its name, and a leaf that names it in another one."""
    return anchored(leaf(issuer=name_there), ca(name=name_here))


def text(value: str | bytes, tag: int, kind: str = "2.5.4.3") -> bytes:
    return raw.name(raw.attribute(value, tag, kind))


def identified(there: bytes, here: bytes) -> Play:
    """A leaf with authorityKeyIdentifier, a CA with subjectKeyIdentifier; both in DER."""
    known = raw.extension("2.5.29.35", there)
    return anchored(leaf(SAN, known), ca(raw.extension("2.5.29.14", here)))


def key_there(identifier: bytes, *more: bytes) -> bytes:
    return raw.sequence(raw.tlv(0x80, identifier)) + b"".join(more)


OWN = leaf(issuer=HOST, signer="p256/leaf")
RARELY_SIGNED = ca(above="Root", signer="k256/root")
LONG = (
    leaf(issuer="C1", signer="p256/c1"),
    *(ca(name=f"C{n}", above=f"C{n + 1}", key=f"p256/c{n}", signer=f"p256/c{n + 1}") for n in range(1, 12)),
)


def ber(extension: bytes) -> bytes:
    """The extension with TRUE as BER allows it."""
    return extension.replace(b"\x01\x01\xff", b"\x01\x01\x01")


KNOWN: dict[str, Known] = {
    # One part that nobody reads.
    "v01 TLS feature 99, 3 1 1": Known(direct(leaf(SAN, raw.features(99))), GOOD, GOOD),
    "v01 TLS feature 99, 2 1 1": Known(anchored(leaf(SAN, raw.features(99)), ca()), GOOD, GOOD),
    "v01 a hundred extensions, 3 1 1": Known(
        direct(leaf(SAN, *(raw.extension(f"1.2.{n}", b"") for n in range(100)))), GOOD, GOOD),
    "v01 a hundred names in the subject, 2 1 1": Known(
        anchored(leaf(subject=raw.name(*["x"] * 100)), ca()), GOOD, GOOD),
    "v01 version 99, 3 1 1": Known(direct(leaf(version=98)), GOOD, GOOD),
    "v01 a month 13, 3 1 1": Known(direct(leaf(validity=raw.sequence(
        raw.tlv(0x17, b"201301000000Z"), raw.tlv(0x17, b"391301000000Z")))), GOOD, BAD),
    "v01 times without seconds, 3 1 1": Known(direct(leaf(validity=raw.sequence(
        raw.tlv(0x17, b"2001010000Z"), raw.tlv(0x17, b"3901010000Z")))), GOOD, GOOD),
    "v01 times without seconds, 2 1 1": Known(anchored(leaf(validity=raw.sequence(
        raw.tlv(0x17, b"2001010000Z"), raw.tlv(0x17, b"3901010000Z"))), ca()), BAD, GOOD),
    "v01 times with an offset, 2 1 1": Known(anchored(leaf(validity=raw.sequence(
        raw.tlv(0x17, b"200101000000+0100"), raw.tlv(0x17, b"390101000000+0100"))), ca()), BAD, BAD),
    "v01 generalized times, 2 1 1": Known(anchored(leaf(validity=raw.sequence(
        raw.tlv(0x18, b"20200101000000Z"), raw.tlv(0x18, b"20390101000000Z"))), ca()), GOOD, GOOD),
    "v01 fractions of seconds, 2 1 1": Known(anchored(leaf(validity=raw.sequence(
        raw.tlv(0x18, b"20200101000000.5Z"), raw.tlv(0x18, b"20390101000000.5Z"))), ca()), BAD, BAD),
    "v01 the end of times, 2 1 1": Known(anchored(leaf(validity=raw.sequence(
        raw.tlv(0x17, b"200101000000Z"), raw.tlv(0x18, b"99991231235959Z"))), ca()), GOOD, GOOD),
    "v01 version 1 with extensions, 3 1 1": Known(direct(leaf(version=None)), GOOD, BAD),
    "v01 version 1 without extensions, 3 1 1": Known(direct(leaf(version=None, extensions=())), GOOD, GOOD),
    "v01 version 1 as CA": Known(anchored(leaf(), ca(version=None, extensions=())), GOOD, GOOD),
    "v01 compressed point, 3 1 1": Known(direct(leaf(spki=raw.compressed("p256/leaf"))), GOOD, BAD),
    "v01 RSA key without NULL, 3 1 1": Known(
        direct(leaf(key="rsa2048/leaf", spki=raw.without_null("rsa2048/leaf"))), GOOD, BAD),
    "v01 RSA key of the CA without NULL, 2 1 1": Known(
        anchored(leaf(signer="rsa2048/ca"), ca(key="rsa2048/ca", spki=raw.without_null("rsa2048/ca"))), GOOD, BAD),
    # keyUsage
    "v02 EC keyEncipherment, TLS 1.3": Known(direct(leaf(SAN, raw.usage(2)), versions=TLS13), GOOD, BAD),
    "v02 RSA keyEncipherment, TLS 1.3": Known(
        direct(leaf(SAN, raw.usage(2), key="rsa2048/leaf"), versions=TLS13), GOOD, BAD),
    "v02 RSA keyEncipherment, TLS 1.2": Known(
        direct(leaf(SAN, raw.usage(2), key="rsa2048/leaf"), versions=TLS12), GOOD, BAD),
    "v02 EC keyEncipherment, TLS 1.2": Known(direct(leaf(SAN, raw.usage(2)), versions=TLS12), BAD, BAD),
    "v02 EC keyAgreement, TLS 1.2": Known(direct(leaf(SAN, raw.usage(4)), versions=TLS12), BAD, BAD),
    "v02 self-signed keyCertSign": Known(direct(ca(SAN, name=HOST, key="p256/leaf")), GOOD, BAD),
    "v02 RSA keyEncipherment not critical": Known(
        direct(leaf(SAN, raw.usage(2, critical=False), key="rsa2048/leaf")), GOOD, BAD),
    "v02 digitalSignature": Known(direct(leaf(SAN, raw.usage(0))), GOOD, GOOD),
    "v02 static RSA, digitalSignature only": Known(
        direct(leaf(SAN, raw.usage(0), key="rsa2048/leaf"), versions=TLS12, ciphers="kRSA"), GOOD, BAD),
    "v02 static RSA, keyEncipherment": Known(
        direct(leaf(SAN, raw.usage(2), key="rsa2048/leaf"), versions=TLS12, ciphers="kRSA"), GOOD, GOOD),
    # Digests of signatures
    "v03 leaf signed with SHA-1, 2 1 1": Known(
        anchored(leaf(key="rsa2048/leaf", signer="rsa2048/ca", digest="sha1"), ca(key="rsa2048/ca")), BAD, BAD),
    "v03 leaf signed with ECDSA and SHA-1, 2 1 1": Known(anchored(leaf(digest="sha1"), ca()), BAD, BAD),
    "v03 leaf signed with SHA-1, 3 1 1": Known(direct(leaf(digest="sha1"), ca()), GOOD, GOOD),
    "v03 leaf signed with SHA-224, 2 1 1": Known(anchored(leaf(digest="sha224"), ca()), GOOD, GOOD),
    "v04 intermediate signed with SHA-1, 2 1 1 of the root": Known(
        anchored(leaf(), ca(above="Root", digest="sha1"), ROOT, of=2), BAD, GOOD),
    "v04 intermediate signed with SHA-1, 2 1 1 of it": Known(
        anchored(leaf(), ca(above="Root", digest="sha1"), ROOT), GOOD, GOOD),
    "v04 root signed with SHA-1": Known(anchored(leaf(), ca(digest="sha1")), GOOD, GOOD),
    "v04 RSA-768 leaf, 3 1 1": Known(direct(leaf(key="rsa768/leaf")), BAD, GOOD),
    "v04 RSA-1024 leaf, 3 1 1": Known(direct(leaf(key="rsa1024/leaf")), GOOD, GOOD),
    "v04 RSA-1024 CA, 2 1 1": Known(anchored(leaf(signer="rsa1024/ca"), ca(key="rsa1024/ca")), GOOD, GOOD),
    "v04 RSA-768 CA, 2 1 1": Known(anchored(leaf(signer="rsa768/ca"), ca(key="rsa768/ca")), BAD, GOOD),
    "v04 RSA-912 leaf, 3 1 1": Known(direct(leaf(key="rsa912/leaf")), BAD, GOOD),
    "v04 RSA-928 leaf, 3 1 1": Known(direct(leaf(key="rsa928/leaf")), GOOD, GOOD),
    # Versions of TLS
    "v05 TLS 1.0 only, RSA": Known(direct(RSA_LEAF, versions=TLS10), BAD, GOOD),
    "v05 TLS 1.0 only, EC": Known(direct(leaf(), versions=TLS10), BAD, GOOD),
    "v05 TLS 1.1 only, RSA": Known(direct(RSA_LEAF, versions=TLS11), BAD, GOOD),
    "v05 TLS 1.0 only, static RSA": Known(direct(RSA_LEAF, versions=TLS10, ciphers="kRSA"), GOOD, GOOD),
    "v05 TLS 1.1 only, static RSA": Known(direct(RSA_LEAF, versions=TLS11, ciphers="kRSA"), GOOD, GOOD),
    # Records without digest
    "v06 3 0 0 aabb": Known(Play(((leaf(),),), ("3 0 0 aabb",)), ENCRYPTED, BAD),
    "v06 2 1 0 aabb": Known(Play(((leaf(), ca()),), ("2 1 0 aabb",)), ENCRYPTED, BAD),
    "v06 3 1 0 of a certificate": Known(
        Play(((leaf(), ca()),), (f"3 1 0 {leaf().der.hex()}",)), ENCRYPTED, BAD),
    "v06 3 0 0 with a byte behind": Known(
        Play(((leaf(), ca()),), (f"3 0 0 {leaf().der.hex()}00",)), ENCRYPTED, BAD),
    # TLS without authentication
    "v02 keyEncipherment, all records unusable": Known(
        Play(((leaf(SAN, raw.usage(2), key="rsa2048/leaf"),),), ("3 1 1 abcd",), versions=TLS13), ENCRYPTED, BAD),
    "v05 TLS 1.0 only, all records unusable": Known(
        Play(((RSA_LEAF,),), ("3 1 1 abcd",), versions=TLS10), ENCRYPTED, ENCRYPTED),
    "v04 RSA-768 leaf, all records unusable": Known(
        Play(((leaf(key="rsa768/leaf"),),), ("3 1 1 abcd",)), ENCRYPTED, ENCRYPTED),
    "v09 one extension twice, all records unusable": Known(
        Play(((leaf(*TWICE),),), ("3 1 1 abcd",)), ENCRYPTED, BAD),
    "v06 2 0 0 that does not parse beside a good 3 1 1": Known(
        Play(((leaf(), ca()),), ("2 0 0 aabb", digest(leaf(), 3))), GOOD, GOOD),
    "v06 3 0 0 that does not parse beside a good 2 1 1": Known(
        Play(((leaf(), ca()),), ("3 0 0 aabb", digest(ca(), 2))), GOOD, GOOD),
    "v06 3 0 0 that does not parse beside a wrong 3 1 1": Known(
        Play(((leaf(), ca()),), ("3 0 0 aabb", "3 1 1 " + "ab" * 32)), BAD, BAD),
    # Names
    "v07 SAN with a final dot": Known(anchored(leaf(raw.alternative(f"{HOST}.")), ca()), BAD, BAD),
    "v07 wildcard with a final dot": Known(anchored(leaf(raw.alternative("*.example.nl.")), ca()), BAD, BAD),
    "v07 CN with a final dot": Known(
        anchored(leaf(raw.usage(0), subject=f"{HOST}."), ca()), BAD, BAD),
    "v08 CN right, SAN has an IP address": Known(
        anchored(leaf(raw.alternative(raw.address(198, 51, 100, 25))), ca()), GOOD, BAD),
    "v08 CN right, SAN has an e-mail address": Known(
        anchored(leaf(raw.alternative(raw.tlv(0x81, b"a@example.nl"))), ca()), GOOD, GOOD),
    "v08 CN right, SAN has a URI": Known(
        anchored(leaf(raw.alternative(raw.tlv(0x86, b"https://example.nl"))), ca()), GOOD, BAD),
    "v08 CN right, no SAN": Known(anchored(leaf(raw.usage(0)), ca()), GOOD, GOOD),
    "v08 CN as IA5String, no SAN": Known(
        anchored(leaf(raw.usage(0), subject=raw.name(raw.attribute(HOST, 0x16))), ca()), GOOD, BAD),
    "v08 CN, empty extKeyUsage": Known(
        anchored(leaf(raw.extension("2.5.29.37", raw.sequence())), ca()), BAD, GOOD),
    "v09 a root that is not read spoils the record of another, 2 1 1": Known(
        Play(((leaf(), ca(above="Root"), ODD_ROOT),), (digest(ROOT, 2)[:-2] + "00", digest(ca(), 2))), GOOD, BAD),
    "v08 two CNs, no SAN": Known(
        anchored(leaf(raw.usage(0), subject=raw.name("other", HOST)), ca()), GOOD, BAD),
    # What GnuTLS does not know
    "v09 critical policyConstraints": Known(
        anchored(leaf(), ca(raw.extension("2.5.29.36", raw.sequence(raw.tlv(0x80, b"\0")), True))), GOOD, BAD),
    "v09 critical policyMappings": Known(
        anchored(leaf(), ca(raw.extension("2.5.29.33", raw.sequence(raw.sequence(POLICY, POLICY)), True))), GOOD, BAD),
    "v09 one extension twice in the leaf, 3 1 1": Known(direct(leaf(*TWICE)), GOOD, BAD),
    "v09 one extension twice in the leaf, 2 1 1": Known(anchored(leaf(*TWICE), ca()), GOOD, BAD),
    "v09 one extension twice in the CA, 2 1 1": Known(anchored(leaf(), ca(*TWICE[1:])), GOOD, BAD),
    "v09 one extension twice in the root, 2 1 1": Known(
        anchored(leaf(), ca(above="Root"), dataclasses.replace(ROOT, extensions=(raw.basic(), *TWICE[1:]))), GOOD, BAD),
    "v09 TLS feature of the CA that the leaf lacks": Known(anchored(leaf(), ca(raw.features(5))), GOOD, BAD),
    "v09 TLS feature of both": Known(anchored(leaf(SAN, raw.features(5)), ca(raw.features(5))), GOOD, GOOD),
    "v09 constraint in upper case": Known(
        anchored(leaf(), ca(raw.constraints([raw.dns("EXAMPLE.NL")]))), GOOD, GOOD),
    "v09 one extension twice in the root, 3 1 1, TLS 1.3": Known(
        direct(leaf(), ca(above="Root"), ODD_ROOT), GOOD, GOOD),
    "v09 one extension twice in the root, 3 1 1, TLS 1.2": Known(
        direct(leaf(), ca(above="Root"), ODD_ROOT, versions=TLS12), GOOD, BAD),
    "v09 compressed point of the CA, 3 1 1, TLS 1.3": Known(
        direct(leaf(), ca(spki=raw.compressed("p256/ca"))), GOOD, GOOD),
    "v09 compressed point of the CA, 3 1 1, TLS 1.2": Known(
        direct(leaf(), ca(spki=raw.compressed("p256/ca")), versions=TLS12), GOOD, BAD),
    "v09 inner algorithm of a stranger differs, 3 1 1, TLS 1.2": Known(
        direct(leaf(), ca(), ca(name="x", key="p256/x", inner=raw.algorithm("p256/x", "sha512")), versions=TLS12),
        GOOD, BAD),
    "v14 issuerAltName that does not parse": Known(
        direct(leaf(SAN, raw.extension("2.5.29.18", b"")), ca()), GOOD, BAD),
    "v05 TLS 1.0 only, usage that there is none of": Known(
        Play(((RSA_LEAF,),), ("4 1 1 " + "ab" * 32,), versions=TLS10), ENCRYPTED, ENCRYPTED),
    # Client certificates
    "v10 client certificate, TLS 1.3": Known(direct(leaf(), versions=TLS13, client_certificate=True), BAD, BAD),
    "v10 client certificate, TLS 1.2": Known(direct(leaf(), versions=TLS12, client_certificate=True), BAD, BAD),
    "v10 closed after the handshake, TLS 1.2": Known(
        direct(leaf(), versions=TLS12, behaviour={"close_at": "ehlo-tls"}), BAD, BAD),
    "v10 closed after the handshake": Known(direct(leaf(), behaviour={"close_at": "ehlo-tls"}), BAD, BAD),
    "v10 reset after the handshake": Known(direct(leaf(), behaviour={"reset_at": "ehlo-tls"}), BAD, BAD),
    "v10 502 inside TLS, HELO works": Known(direct(leaf(), behaviour={"ehlo_tls": "502 5.5.2 no\r\n"}), GOOD, GOOD),
    # Two algorithms
    # Replies that one of them does not read
    "v10 STARTTLS in lower case": Known(said(ehlo="250-mx\r\n250 starttls\r\n"), GOOD, BAD),
    "v10 a blank before STARTTLS": Known(said(ehlo="250-mx\r\n250- STARTTLS\r\n250 HELP\r\n"), GOOD, BAD),
    "v10 STARTTLS with another code": Known(said(ehlo="250-mx\r\n251-STARTTLS\r\n250 HELP\r\n"), GOOD, BAD),
    "v10 EHLO answered with 251": Known(said(ehlo="251-mx\r\n251 STARTTLS\r\n"), GOOD, BAD),
    "v10 STARTTLS behind 3 kB": Known(said(ehlo=behind(50)), BAD, GOOD),
    "v10 STARTTLS behind 4.5 kB": Known(said(ehlo=behind(70)), BAD, BAD),
    "v10 greeting of 8 kB": Known(said(greeting=("220-" + "x" * 60 + "\r\n") * 120 + "220 mx\r\n"), GOOD, BAD),
    "v10 greeting of 200 lines": Known(said(greeting="220-x\r\n" * 200 + "220 mx\r\n"), GOOD, GOOD),
    "v10 greeting of 3 kB in one line": Known(said(greeting="220 " + "x" * 3000 + "\r\n"), GOOD, GOOD),
    "v10 greeting with 250": Known(said(greeting="250 mx\r\n"), GOOD, GOOD),
    "v10 STARTTLS answered with 250": Known(said(starttls="250 go\r\n"), GOOD, GOOD),
    "v10 CR CR LF": Known(said(greeting="220 mx\r\r\n", ehlo="250-mx\r\r\n250 STARTTLS\r\r\n"), GOOD, GOOD),
    "v10 bytes behind the reply to STARTTLS": Known(said(after_ready="250 injected\r\n"), GOOD, BAD),
    # What the server offers in TLS
    "v05 SHA-1 signatures only, RSA": Known(
        direct(RSA_LEAF, versions=TLS12, settings={"signatures": "RSA+SHA1"}), BAD, GOOD),
    "v05 SHA-1 signatures only, ECDSA": Known(
        direct(leaf(), versions=TLS12, settings={"signatures": "ECDSA+SHA1"}), BAD, GOOD),
    "v05 SHA-1 signatures only, key exchange with RSA": Known(
        direct(RSA_LEAF, versions=TLS12, ciphers="AES256-GCM-SHA384", settings={"signatures": "RSA+SHA1"}), BAD, GOOD),
    "v05 SHA-1 signatures only, all records unusable": Known(
        dataclasses.replace(
            direct(RSA_LEAF, versions=TLS12, settings={"signatures": "RSA+SHA1"}), records=("2 2 1 00",)),
        ENCRYPTED, ENCRYPTED),
    "v05 finite field groups only, all records unusable": Known(
        dataclasses.replace(
            direct(RSA_LEAF, versions=TLS13, settings={"groups": "ffdhe2048"}), records=("2 2 1 00",)),
        BAD, ENCRYPTED),
    "v05 SHA-224 signatures only": Known(
        direct(RSA_LEAF, versions=TLS12, settings={"signatures": "RSA+SHA224"}), GOOD, BAD),
    "v05 SHA-1 and SHA-256 signatures": Known(
        direct(RSA_LEAF, versions=TLS12, settings={"signatures": "RSA+SHA1:RSA+SHA256"}), GOOD, GOOD),
    "v05 finite field groups only": Known(direct(RSA_LEAF, settings={"groups": "ffdhe2048"}), BAD, GOOD),
    "v05 finite field groups only, TLS 1.3": Known(
        direct(RSA_LEAF, versions=TLS13, settings={"groups": "ffdhe8192"}), BAD, GOOD),
    "v05 finite field groups first": Known(
        direct(RSA_LEAF, versions=TLS13, settings={"groups": "ffdhe2048:X25519"}), GOOD, GOOD),
    # Postfix takes 100 records in the order of the answer, which the scripted DNS keeps; another one may have another
    "v06 100 records": Known(crowded(99), GOOD, GOOD),
    "v06 101 records, the right one last": Known(crowded(100), BAD, BAD),
    "v11 inner algorithm differs, 2 1 1": Known(anchored(leaf(inner=INNER), ca()), BAD, BAD),
    "v11 inner algorithm differs, 3 1 1": Known(direct(leaf(inner=INNER), ca()), GOOD, BAD),
    "v11 inner algorithm differs in the CA": Known(
        anchored(leaf(), ca(above="Root", inner=raw.algorithm("p256/root", "sha512")), ROOT, of=2), BAD, BAD),
    "v11 parameters of the inner algorithm differ": Known(
        anchored(leaf(signer="rsa2048/ca", inner=raw.algorithm("rsa2048/ca", parameters=b"")), ca(key="rsa2048/ca")),
        BAD, GOOD),
    # Parts that no sender reads
    "v09 constraint on a directory name, permitted": Known(
        anchored(leaf(), ca(raw.constraints([DIRECTORY]))), BAD, GOOD),
    "v09 constraint on a directory name, excluded": Known(
        anchored(leaf(), ca(raw.constraints((), [DIRECTORY]))), GOOD, BAD),
    "v09 constraint on a registeredID": Known(
        anchored(leaf(), ca(raw.constraints([raw.dns("example.nl"), raw.tlv(0x88, b"\x2a\x03")]))), GOOD, BAD),
    "v09 constraint on an otherName, not critical": Known(
        anchored(leaf(), ca(raw.constraints((), [OTHER], critical=False))), GOOD, BAD),
    "v09 permitted URI": Known(anchored(leaf(URI_TOO), ca(raw.constraints([raw.tlv(0x86, b"x.nl")]))), BAD, GOOD),
    "v09 excluded URI": Known(anchored(leaf(URI_TOO), ca(raw.constraints((), [raw.tlv(0x86, b"x.nl")]))), GOOD, BAD),
    "v09 constraint with a minimum": Known(anchored(leaf(), ca(bounded(0xA0, 0x80, 1))), BAD, GOOD),
    "v09 constraint with a minimum of 0": Known(anchored(leaf(), ca(bounded(0xA0, 0x80, 0))), GOOD, GOOD),
    "v09 constraint with a maximum": Known(anchored(leaf(), ca(bounded(0xA0, 0x81, 5))), BAD, GOOD),
    "v09 constraint on a domain with an empty label": Known(
        anchored(leaf(), ca(raw.constraints((), [raw.dns("..nl")]))), GOOD, BAD),
    "v09 constraint on a domain with a final dot": Known(
        anchored(leaf(), ca(raw.constraints([raw.dns("example.nl.")]))), BAD, GOOD),
    "v09 constraint on an address with a mask of holes": Known(
        anchored(leaf(), ca(raw.constraints((), [raw.tlv(0x87, b"\x0a\0\0\0\xff\0\xff\0")]))), GOOD, BAD),
    "v09 constraint on mail addresses, and an internationalized one": Known(
        anchored(leaf(raw.alternative(HOST, UTF8_MAILBOX)), ca(raw.constraints((), [raw.tlv(0x81, b"example.org")]))),
        BAD, GOOD),
    # Times: GnuTLS is not strict about days and seconds
    "v01 leaf from the 30th of February, 2 1 1": Known(
        anchored(leaf(validity=since("230230000000Z")), ca()), BAD, GOOD),
    "v01 leaf from the 30th of February, 3 1 1": Known(direct(leaf(validity=since("230230000000Z"))), GOOD, GOOD),
    "v01 leaf from a second 60, 3 1 1": Known(direct(leaf(validity=since("161231235960Z"))), GOOD, GOOD),
    "v01 leaf from a second 61, 3 1 1": Known(direct(leaf(validity=since("161231235961Z"))), GOOD, BAD),
    "v01 leaf from a day 32, 3 1 1": Known(direct(leaf(validity=since("230132000000Z"))), GOOD, BAD),
    "v01 leaf from the year 0, 2 1 1": Known(anchored(leaf(validity=since("00000101000000Z")), ca()), GOOD, GOOD),
    "v01 CA from the year 0": Known(anchored(leaf(), ca(validity=since("00000101000000Z"))), GOOD, GOOD),
    "v01 intermediate from the 30th of February, 2 1 1 of it": Known(
        anchored(leaf(), ca(above="Root", validity=since("230230000000Z")), ROOT), GOOD, GOOD),
    "v01 stranger from the 30th of February": Known(
        anchored(leaf(), ca(), ca(name="S", validity=since("230230000000Z"))), GOOD, GOOD),
    "v12 asterisk in a PrintableString": Known(
        anchored(leaf(subject=raw.name(raw.attribute("a*b", 0x13, "2.5.4.10"), HOST)), ca()), GOOD, GOOD),
    "v12 ampersand in a PrintableString": Known(
        anchored(leaf(subject=raw.name(raw.attribute("A & B", 0x13, "2.5.4.10"), HOST)), ca()), GOOD, GOOD),
    "v12 ampersand in the name of the CA": Known(
        anchored(leaf(issuer=raw.name(raw.attribute("A & B", 0x13))), ca(name=raw.name(raw.attribute("A & B", 0x13)))),
        GOOD, GOOD),
    "v12 Latin-1 in a T61String": Known(
        anchored(leaf(subject=raw.name(raw.attribute(b"Caf\xe9", 0x14, "2.5.4.10"), HOST)), ca()), GOOD, GOOD),
    "v12 country of three letters": Known(
        anchored(leaf(subject=raw.name(raw.attribute("NLD", 0x13, "2.5.4.6"), HOST)), ca()), GOOD, GOOD),
    # GnuTLS compares names as text, but only what it decodes
    "v12 name of the CA in UTF8String and PrintableString": Known(issued(text("CA", 12), text("CA", 19)), GOOD, GOOD),
    "v12 name of the CA in UTF8String and IA5String": Known(issued(text("CA", 12), text("CA", 22)), GOOD, BAD),
    "v12 name of the CA in UTF8String and UniversalString": Known(
        issued(text("CA", 12), text("CA".encode("utf-32-be"), 28)), GOOD, BAD),
    "v12 name of the CA in UTF8String and BMPString": Known(
        issued(text("Cä", 12), text("Cä".encode("utf-16-be"), 30)), GOOD, GOOD),
    "v12 name of the CA with Latin-1 in T61String": Known(
        issued(text("Cä", 12), text(b"C\xe4", 20)), GOOD, BAD),
    "v12 name of the CA with UTF-8 in PrintableString": Known(
        issued(text("Cä", 12), text("Cä".encode(), 19)), BAD, GOOD),
    "v12 name of the CA with NUL": Known(issued(text("C\0A", 12), text("C\0A", 19)), GOOD, BAD),
    "v12 country of the CA in other strings": Known(
        issued(text("NL", 12, "2.5.4.6"), text("NL", 19, "2.5.4.6")), GOOD, BAD),
    "v12 organization of the CA in other strings": Known(
        issued(text("CA", 12, "2.5.4.10"), text("CA", 19, "2.5.4.10")), GOOD, GOOD),
    "v12 organizationIdentifier of the CA in other strings": Known(
        issued(text("CA", 12, "2.5.4.97"), text("CA", 19, "2.5.4.97")), GOOD, BAD),
    "v12 a self-signed leaf twice, issuer in another string": Known(
        Play(((dataclasses.replace(OWN, subject=text(HOST, 22)),) * 2,), ("2 1 0 " + raw.spki("p256/leaf").hex(),)),
        GOOD, BAD),
    "v12 empty organization": Known(direct(leaf(subject=raw.name(HOST, raw.attribute("", 12, "2.5.4.10")))), GOOD, BAD),
    "v12 empty country": Known(direct(leaf(subject=raw.name(HOST, raw.attribute("", 19, "2.5.4.6")))), GOOD, GOOD),
    "v12 empty name of the CA": Known(issued(text("", 12), text("", 12)), GOOD, GOOD),
    "v12 empty organization, all unusable": Known(
        dataclasses.replace(direct(leaf(subject=text("", 12, "2.5.4.10"))), records=("2 2 1 00",)),
        ENCRYPTED, ENCRYPTED),
    "v12 subject of one empty part": Known(direct(leaf(subject=raw.sequence(raw.tlv(0x31)))), GOOD, BAD),
    "v12 subject of one empty part, all unusable": Known(
        dataclasses.replace(direct(leaf(subject=raw.sequence(raw.tlv(0x31)))), records=("2 2 1 00",)), ENCRYPTED, BAD),
    "v09 key identifiers differ": Known(identified(key_there(b"xyz"), raw.tlv(4, b"abc")), BAD, BAD),
    "v09 bytes behind subjectKeyIdentifier": Known(
        identified(key_there(b"xyz"), raw.tlv(4, b"abc") + raw.NULL), BAD, GOOD),
    "v09 bytes behind authorityKeyIdentifier": Known(
        identified(key_there(b"xyz", raw.NULL), raw.tlv(4, b"abc")), BAD, GOOD),
    "v09 empty subjectKeyIdentifier": Known(identified(key_there(b"xyz"), raw.tlv(4)), BAD, GOOD),
    "v09 empty key identifier of the issuer": Known(identified(key_there(b""), raw.tlv(4, b"abc")), BAD, GOOD),
    "v09 key identifiers of 128 octets differ": Known(
        identified(key_there(b"x" * 128), raw.tlv(4, b"y" * 128)), BAD, BAD),
    "v09 key identifiers of 129 octets differ": Known(
        identified(key_there(b"x" * 129), raw.tlv(4, b"y" * 129)), BAD, GOOD),
    "v13 CA:FALSE written out": Known(anchored(leaf(SAN, raw.basic(False)), ca()), GOOD, GOOD),
    "v13 CA:FALSE with pathlen": Known(anchored(leaf(SAN, raw.basic(False, 0)), ca()), GOOD, GOOD),
    "v13 no flag, pathlen": Known(anchored(leaf(SAN, raw.basic(None, 0)), ca()), GOOD, GOOD),
    "v14 Latin-1 URI in authorityInfoAccess": Known(
        anchored(leaf(SAN, raw.extension("1.3.6.1.5.5.7.1.1", raw.sequence(raw.sequence(
            raw.oid("1.3.6.1.5.5.7.48.1"), raw.tlv(0x86, b"http://caf\xe9.nl"))))), ca()), GOOD, GOOD),
    "v14 certificatePolicies that do not parse": Known(
        anchored(leaf(SAN, raw.extension("2.5.29.32", b"\x30\x03\x01")), ca()), GOOD, GOOD),
    "v14 cRLDistributionPoints of the CA that do not parse": Known(
        anchored(leaf(), ca(raw.extension("2.5.29.31", b"garbage"))), BAD, GOOD),
    "v14 an unknown extension": Known(
        anchored(leaf(SAN, raw.extension("1.3.6.1.4.1.99999.4", b"\xff\xff")), ca()), GOOD, GOOD),
    "v14 TRUE in BER, 3 1 1": Known(direct(leaf(ber(raw.alternative(HOST, critical=True)))), GOOD, GOOD),
    "v14 TRUE in BER, 2 1 1": Known(
        anchored(leaf(), dataclasses.replace(ca(), extensions=(ber(raw.basic()), CA_USAGE))), GOOD, GOOD),
    "v14 bytes behind subjectAltName": Known(
        anchored(leaf(raw.extension("2.5.29.17", raw.sequence(raw.dns(HOST)) + raw.NULL)), ca()), GOOD, BAD),
    "v14 bytes behind basicConstraints": Known(
        anchored(leaf(), dataclasses.replace(ca(), extensions=(
            raw.extension("2.5.29.19", raw.sequence(raw.tlv(1, b"\xff")) + raw.NULL, True), CA_USAGE))), GOOD, BAD),
    "v09 path length below zero": Known(
        anchored(leaf(), dataclasses.replace(ca(), extensions=(raw.basic(True, -1), CA_USAGE))), BAD, GOOD),
    "v09 path length of 70 bits": Known(
        anchored(leaf(), dataclasses.replace(ca(), extensions=(raw.basic(True, 1 << 70), CA_USAGE))), GOOD, BAD),
    "v09 critical subjectKeyIdentifier": Known(
        anchored(leaf(), ca(raw.extension("2.5.29.14", raw.tlv(4, b"abc"), True))), BAD, GOOD),
    "v09 path of 12 certificates": Known(anchored(*LONG, of=11), GOOD, GOOD),
    "v08 empty subjectAltName": Known(anchored(leaf(raw.extension("2.5.29.17", raw.sequence())), ca()), GOOD, GOOD),
    "v07 the mail domain in subjectAltName": Known(anchored(leaf(raw.alternative("example.nl")), ca()), GOOD, BAD),
    "v07 wildcard for a part of a label": Known(anchored(leaf(raw.alternative("*x.example.nl")), ca()), BAD, GOOD),
    "v04 CA on brainpool": Known(anchored(leaf(signer="bp256/ca"), ca(key="bp256/ca")), GOOD, BAD),
    "v04 CA on secp256k1": Known(anchored(leaf(signer="k256/ca"), ca(key="k256/ca")), GOOD, BAD),
    "v04 root on secp256k1, 2 0 1 of the intermediate": Known(
        Play(((leaf(), RARELY_SIGNED, ca(name="Root", key="k256/root")),),
             ("2 0 1 " + hashlib.sha256(RARELY_SIGNED.der).hexdigest(),)), GOOD, GOOD),
    "v04 key for RSASSA-PSS only, 3 1 1": Known(direct(leaf(key="pss/leaf"), ca()), GOOD, GOOD),
    "v04 key for RSASSA-PSS only, 2 1 1": Known(anchored(leaf(key="pss/leaf"), ca()), GOOD, GOOD),
    "v04 key for RSASSA-PSS with one hash, 3 1 1": Known(direct(leaf(key="psslimited/leaf"), ca()), GOOD, BAD),
    "v09 a self-signed leaf twice, 2 1 0 of its key": Known(
        Play(((OWN, OWN),), ("2 1 0 " + raw.spki("p256/leaf").hex(),)), GOOD, GOOD),
    "v04 CA on P-521": Known(anchored(leaf(signer="p521/ca"), ca(key="p521/ca")), GOOD, GOOD),
    "v04 CA with Ed448": Known(anchored(leaf(signer="ed448/ca"), ca(key="ed448/ca")), GOOD, GOOD),
    "v03 leaf signed with RSASSA-PSS": Known(
        anchored(leaf(signer="rsa2048/ca", digest="pss-sha256"), ca(key="rsa2048/ca")), GOOD, GOOD),
    "v03 leaf signed with RSASSA-PSS and SHA-1": Known(
        anchored(leaf(signer="rsa2048/ca", digest="pss-sha1"), ca(key="rsa2048/ca")), BAD, BAD),
    "v05 nothing but CBC with SHA-2": Known(
        direct(leaf(), versions=TLS12, ciphers="ECDHE-ECDSA-AES256-SHA384"), GOOD, BAD),
    "v05 nothing but CBC with SHA-1": Known(
        direct(leaf(), versions=TLS12, ciphers="ECDHE-ECDSA-AES256-SHA"), GOOD, GOOD),
    "v05 nothing but CCM": Known(direct(leaf(), versions=TLS12, ciphers="ECDHE-ECDSA-AES256-CCM"), GOOD, GOOD),
    "v05 nothing but CCM-8": Known(direct(leaf(), versions=TLS12, ciphers="ECDHE-ECDSA-AES256-CCM8"), GOOD, BAD),
    "v05 nothing but Camellia": Known(direct(RSA_LEAF, versions=TLS12, ciphers="CAMELLIA256-SHA"), GOOD, BAD),
    "v05 nothing but ARIA": Known(direct(RSA_LEAF, versions=TLS12, ciphers="ARIA256-GCM-SHA384"), GOOD, BAD),
    "empty subject, 3 1 1": Known(direct(leaf(subject=raw.name())), GOOD, GOOD),
    "empty subject, 2 1 1": Known(anchored(leaf(subject=raw.name()), ca()), GOOD, GOOD),
    "critical SAN and empty subject, 3 1 1": Known(
        direct(leaf(raw.alternative(HOST, critical=True), subject=raw.name())), GOOD, GOOD),
}  # fmt: skip
