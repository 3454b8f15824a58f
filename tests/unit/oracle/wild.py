# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random servers for real senders: chains with every flaw and oddity that we know of, records, and versions of TLS."""

from __future__ import annotations

import dataclasses
import hashlib
import random
import typing as t

from oracle import raw_pki as raw
from oracle.raw_pki import Raw
from oracle.sender_cases import HOST, TLS10, TLS11, TLS12, TLS13, Play, behind, since

T = t.TypeVar("T")
change = dataclasses.replace
_PURPOSES: t.Final = {
    "server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2", "any": "2.5.29.37.0",
    "gated": "2.16.840.1.113730.4.1",
}  # fmt: skip
_READ: t.Final = (
    "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.35", "2.5.29.37", "2.5.29.32",
    "2.5.29.36", "2.5.29.33", "2.5.29.54", "2.5.29.18", "2.5.29.9", "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24",
    "1.3.6.1.4.1.99999.7",
)  # fmt: skip
_JUNK: t.Final = (b"", b"\x05\x00", b"\x30\x00", b"\x30\x03\x01", b"\x03\x02\x05\xa0", b"\x04\x02ab", b"garbage")
_DNS: t.Final = (
    HOST, "MX.Example.NL", f"{HOST}.", "*.example.nl", "m*.example.nl", "*x.example.nl", "*.nl", "other.example.nl",
    "example.nl", "", f"{HOST}\0.evil.nl", "*", f" {HOST}", "mx.example.nl\u00e9",
)  # fmt: skip
_KEYS: t.Final = (
    "p256", "p256", "p256", "p256", "rsa2048", "rsa2048", "rsa2048", "p384", "ed25519", "rsa1024", "rsa928", "rsa768",
    "p521", "ed448", "bp256", "rsa904",
)  # fmt: skip
_CA_KEYS: t.Final = (
    "p256", "p256", "p256", "rsa2048", "rsa2048", "rsa1024", "rsa768", "p521", "ed25519", "bp256", "k256",
)  # fmt: skip
_CIPHERS: t.Final = {
    "rsa": ("kRSA", "kRSA", "AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "CAMELLIA256-SHA", "ECDHE+CHACHA20"),
    "ec": ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-CCM8", "ECDHE-ECDSA-AES256-SHA", "ECDHE+AESGCM"),
}
#: Begins of a validity that a date library does not take, or hardly.
_BEGINS: t.Final = (
    "230230000000Z", "161231235960Z", "161231235961Z", "230132000000Z", "00000101000000Z", "00010101000000Z",
    "2001010000Z", "20200101000000Z", "230100000000Z",
)  # fmt: skip
#: Replies that somebody reads in another way than the others.
_SAID: t.Final = (
    {"ehlo": "250-mx\r\n250 starttls\r\n"}, {"ehlo": "250-mx\r\n250- STARTTLS\r\n250 HELP\r\n"},
    {"ehlo": behind(50)}, {"ehlo": behind(20)}, {"greeting": "250 mx\r\n"},
    {"greeting": "220-x\r\n" * 200 + "220 mx\r\n"}, {"greeting": "220 mx\r\r\n"}, {"starttls": "250 go\r\n"},
    {"after_ready": "250 injected\r\n"}, {"ehlo_tls": "502 no\r\n"}, {"starttls": "454 no\r\n"},
)  # fmt: skip


def _name(rng: random.Random) -> bytes:
    return raw.dns(rng.choice(_DNS).encode("latin-1"))


def _general(rng: random.Random) -> bytes:
    return rng.choice((
        raw.address(198, 51, 100, 25), raw.tlv(0x81, b"a@example.nl"), raw.tlv(0x86, b"https://mx.example.nl/x"),
        raw.tlv(0xA4, raw.name("x")), raw.tlv(0x88, b"\x2a\x03"),
        raw.tlv(0xA0, raw.oid("1.3.6.1.4.1.99999.8"), raw.tlv(0xA0, raw.tlv(12, b"x"))),
    ))  # fmt: skip


def _subject(rng: random.Random) -> bytes | str:
    odd = rng.choice((
        raw.attribute("A*B & Co", 0x13, "2.5.4.10"), raw.attribute(b"Caf\xe9", 0x14, "2.5.4.10"),
        raw.attribute("NLD", 0x13, "2.5.4.6"), raw.attribute("a@example.nl", 0x16, "1.2.840.113549.1.9.1"),
        raw.attribute("12", 0x12, "2.5.4.5"), raw.attribute("x".encode("utf-16-be"), 0x1E, "2.5.4.11"),
        raw.attribute(b"\x00\x01", 0x03, "2.5.4.45"), raw.attribute("", 0x0C, "2.5.4.10"), b"",
        raw.attribute("", 0x13, "2.5.4.6"), raw.attribute("a\0b", 0x0C, "2.5.4.10"),
    ))  # fmt: skip
    return rng.choice((
        HOST, HOST, raw.name(), raw.name(HOST, "other"), raw.name(odd, HOST), raw.name(raw.attribute(HOST, 0x13)), "x",
        f"{HOST}.", raw.name(raw.attribute(HOST, 0x14)), raw.name(odd), raw.name(raw.attribute(HOST, 0x16)),
    ))  # fmt: skip


def _names(rng: random.Random) -> tuple[bytes, ...]:
    kind = rng.randrange(12)
    if kind == 0:
        return ()
    if kind == 1:
        return (raw.alternative(*(_general(rng) for _one in range(rng.randrange(3)))),)
    if kind in (2, 3, 4):
        return (raw.alternative(*(_name(rng) for _one in range(rng.choice((1, 1, 2)))), critical=kind == 2),)
    if kind == 5:
        return (raw.alternative(_general(rng), HOST),)
    return (raw.alternative(HOST),)


def _usage(rng: random.Random) -> tuple[bytes, ...]:
    if rng.random() < 0.6:
        return ()
    bits = rng.choice(((0,), (0, 2), (2,), (4,), (5, 6), (0, 5, 6), (1,), (), (8,)))
    return (raw.usage(*bits, critical=rng.random() < 0.7),)


def _purposes(rng: random.Random) -> tuple[bytes, ...]:
    if rng.random() < 0.7:
        return ()
    kinds = rng.sample(sorted(_PURPOSES), rng.choice((1, 1, 2)))
    return (raw.purposes(*(_PURPOSES[kind] for kind in kinds), critical=rng.random() < 0.3),)


def _odd(rng: random.Random) -> tuple[bytes, ...]:
    """Now and then an extension of any content, or one that stands there twice."""
    kind = rng.randrange(16)
    if kind == 0:
        return (raw.extension(rng.choice(_READ), rng.choice(_JUNK), rng.random() < 0.3),)
    if kind == 1:
        return (raw.extension("1.3.6.1.4.1.99999.9", raw.NULL),) * 2
    if kind == 2:
        return (raw.features(*rng.choice(((5,), (99,), (5, 17), ()))),)
    if kind == 3:
        return (raw.extension("2.5.29.14", raw.tlv(4, b"abc") + rng.choice((b"", raw.NULL)), rng.random() < 0.5),)
    if kind == 4:
        return (raw.extension("2.16.840.1.113730.1.1", rng.choice((raw.bits(1), raw.bits(0), raw.bits(5, 6, 7)))),)
    return ()


def _leaf(rng: random.Random, issuer: str, signer: str | None = None) -> Raw:
    key = f"{rng.choice(_KEYS)}/leaf"
    written = (raw.basic(False), raw.basic(None), raw.basic(False, 0), raw.basic(True))
    basic = (rng.choice(written),) if rng.random() < 0.5 else ()
    made = Raw(
        subject=HOST, issuer=issuer, key=key, signer=signer or key,
        extensions=(*_names(rng), *_usage(rng), *_purposes(rng), *basic, *_odd(rng)),
    )  # fmt: skip
    return _flawed(rng, made) if rng.random() < 0.4 else made


def _ca(rng: random.Random, name: str, issuer: str, key: str, signer: str) -> Raw:
    length = rng.choice((None, None, None, 0, 1))
    odd = ((), (raw.basic(False),), (raw.basic(True, critical=False),))
    basic = rng.choice(odd) if rng.random() < 0.25 else (raw.basic(True, length),)
    usage = rng.choice(((raw.usage(5, 6),), (raw.usage(5, 6),), (), (), (raw.usage(6),), (raw.usage(0),)))
    made = Raw(name, issuer, key, signer, (*basic, *usage, *_purposes(rng), *_limits(rng), *_odd(rng)))
    return _flawed(rng, made) if rng.random() < 0.3 else made


def _limits(rng: random.Random) -> tuple[bytes, ...]:
    kind = rng.randrange(20)
    bases = ("example.nl", "EXAMPLE.NL", ".example.nl", "example.org", "nl", "", "mx.example.nl", ".nl")
    if kind == 0:
        return (raw.constraints([raw.dns(rng.choice(bases))]),)
    if kind == 1:
        return (raw.constraints((), [raw.dns(rng.choice(bases))]),)
    if kind == 2:
        other = rng.choice((raw.tlv(0x81, b"example.org"), raw.tlv(0x87, bytes(8)), raw.tlv(0x86, b".example.org")))
        return (raw.constraints(*rng.choice((([other], ()), ((), [other])))),)
    if kind == 3:
        policy = raw.oid("1.3.6.1.4.1.99999.2")
        return (rng.choice((
            raw.extension("2.5.29.36", raw.sequence(raw.tlv(0x80, b"\0")), rng.random() < 0.6),
            raw.extension("2.5.29.33", raw.sequence(raw.sequence(policy, policy)), rng.random() < 0.6),
            raw.extension("2.5.29.32", raw.sequence(raw.sequence(policy)), rng.random() < 0.6),
            raw.extension("2.5.29.54", raw.integer(0), rng.random() < 0.6),
        )),)  # fmt: skip
    if kind == 4:
        base = rng.choice((
            raw.tlv(0xA4, raw.name("x")), raw.tlv(0xA4, raw.name()), raw.tlv(0x86, b"x.nl"), raw.tlv(0x88, b"\x2a\x03"),
            raw.tlv(0xA0, raw.oid("1.2.3"), raw.tlv(0xA0, raw.NULL)), raw.tlv(0x87, b"\x0a\0\0\0\xff\0\xff\0"),
        ))  # fmt: skip
        permitted = [raw.dns("example.nl")] if rng.random() < 0.5 else []
        both = rng.choice((([*permitted, base], ()), (permitted, [base])))
        return (raw.constraints(*both, critical=rng.random() < 0.7),)
    if kind == 5:
        bound = rng.choice((raw.tlv(0x80, b"\0"), raw.tlv(0x80, b"\1"), raw.tlv(0x81, b"\5")))
        subtree = raw.tlv(rng.choice((0xA0, 0xA1)), raw.sequence(raw.dns(rng.choice(bases)), bound))
        return (raw.extension("2.5.29.30", raw.sequence(subtree), True),)
    return ()


def _flawed(rng: random.Random, made: Raw) -> Raw:
    kind = rng.randrange(15)
    if kind == 13:
        return change(made, validity=since(rng.choice(_BEGINS)))
    if kind == 14 and isinstance(made.issuer, str):
        encoding, tag = rng.choice((("utf-8", 0x16), ("latin-1", 0x14), ("utf-16-be", 0x1E), ("utf-32-be", 0x1C)))
        return change(made, issuer=raw.name(raw.attribute(made.issuer.encode(encoding), tag)))
    if kind == 0:
        return change(made, days=-1)
    if kind == 1:
        return change(made, start=2)
    if kind in (2, 3):
        return change(made, digest="sha1" if not made.signer.startswith("ed") else made.digest)
    if kind == 4:
        pss = ("pss-sha256", "pss-sha512", "pss-sha1") if made.signer.startswith("rsa2048") else ()
        return change(made, digest=rng.choice(("sha224", "sha384", "sha512", *pss)))
    if kind == 5:
        return change(made, signer="p256/stranger")
    if kind == 6:
        return change(made, inner=raw.algorithm(made.signer, "sha512"))
    if kind == 7:
        return change(made, version=rng.choice((None, 0, 1)), extensions=rng.choice((made.extensions, ())))
    if kind == 8 and made.key.startswith("rsa"):
        return change(made, spki=raw.without_null(made.key))
    if kind == 8 and made.key.startswith("p256"):
        return change(made, spki=raw.compressed(made.key))
    if kind == 9:
        return change(made, extensions=(*made.extensions, raw.subject_identifier(rng.choice((made.key, "p256/other")))))
    if kind == 10:
        wanted = raw.authority_identifier(rng.choice((made.signer, "p256/other")))
        return change(made, extensions=(*made.extensions, wanted))
    if kind == 11 and made.subject == HOST:
        return change(made, subject=_subject(rng))
    if kind == 12 and isinstance(made.issuer, str):
        other = rng.choice((raw.name(raw.attribute(made.issuer, 0x13)), made.issuer.upper(), f" {made.issuer}  "))
        return change(made, issuer=other)
    return made


def _message(rng: random.Random) -> list[Raw]:
    depth = rng.choice((0, 1, 1, 1, 2, 2, 3))
    names = [f"CA {number}" for number in range(depth)]
    keys = [f"{rng.choice(_CA_KEYS)}/ca{number}" for number in range(depth)]
    if depth == 0:
        return [_leaf(rng, HOST)]
    found = [_leaf(rng, names[0], keys[0])]
    for number in range(depth):
        above = number + 1 if number + 1 < depth else number
        found.append(_ca(rng, names[number], names[above], keys[number], keys[above]))
    if rng.random() < 0.2:
        found[-1] = change(found[-1], issuer="Old Root", signer="p256/old", digest="sha256")
    return found


def _sent(rng: random.Random, made: list[Raw]) -> list[Raw]:
    sent = [made[0], *(one for one in made[1:] if rng.random() < 0.95)]
    for _round in range(rng.choice((0, 0, 0, 0, 1, 2))):
        kind, base = rng.randrange(5), rng.choice(made)
        if kind == 0:
            sent.append(_ca(rng, "Stranger", "Stranger", "p256/stranger", "p256/stranger"))
        elif kind == 1:
            sent.append(change(base, issuer="Old Root", signer="p256/old", inner=None, digest="sha256", serial=7))
        elif kind == 2:
            sent.append(change(base, key="p256/stranger", spki=None, serial=8))
        elif kind == 3:
            sent.append(change(base, days=rng.choice((-2, 400)), serial=9))
        else:
            sent.append(base)
    if rng.random() < 0.2:
        rest = sent[1:]
        rng.shuffle(rest)
        sent = [sent[0], *rest]
    return sent


def _record(rng: random.Random, made: list[Raw]) -> str:
    usage, selector = rng.choice((2, 2, 3)), rng.choice((0, 1, 1))
    kind = rng.choice((0, 1, 1, 1, 1, 2))
    source = made[0]
    if usage == 2 and len(made) > 1 and rng.random() < 0.9:
        source = rng.choice(made[1:])
    content = source.der if selector == 0 else source.spki or raw.spki(source.key)
    data = {0: content, 1: hashlib.sha256(content).digest(), 2: hashlib.sha512(content).digest()}[kind]
    damage = rng.randrange(14)
    if damage == 0:
        data = data[:-1]
    elif damage == 1:
        data += b"\0"
    elif damage == 2:
        data = bytes((data[0] ^ 1,)) + data[1:]
    elif damage == 3:
        usage = rng.choice((0, 1, 4, 255))
    elif damage == 4:
        kind = rng.choice((0, 3, 255))
    return f"{usage} {selector} {kind} {data.hex()}"


def generate(rng: random.Random) -> Play:
    """One random server with its records; everything comes from ``rng`` save the keys."""
    made = _message(rng)
    sent = _sent(rng, made)
    records = tuple(_record(rng, made) for _one in range(rng.choice((1, 1, 1, 2, 2, 3))))
    versions: tuple[str, str] = ("MINIMUM_SUPPORTED", "MAXIMUM_SUPPORTED")
    ciphers = "ALL:!aNULL"
    if rng.random() < 0.25:
        versions = rng.choice((TLS10, TLS11, TLS12, TLS12, TLS13))
        kind = "rsa" if made[0].key.startswith("rsa") else "ec"
        if versions in (TLS10, TLS11) and kind == "rsa" and rng.random() < 0.4:
            ciphers = "kRSA"
        if versions == TLS12 and made[0].key.startswith(("rsa", "p256")) and rng.random() < 0.6:
            ciphers = rng.choice(_CIPHERS[kind])
    found = Play((tuple(sent),), records, versions=versions, ciphers=ciphers)
    if rng.random() < 0.08:
        return change(found, behaviour=rng.choice(_SAID))
    if versions in (TLS12, TLS13) and ciphers == "ALL:!aNULL" and rng.random() < 0.3:
        groups = {"groups": rng.choice(("ffdhe2048", "ffdhe2048:X25519", "P-256", "P-521:ffdhe8192"))}
        kind = "RSA" if made[0].key.startswith("rsa") else "ECDSA"
        hashes = rng.choice((("SHA1",), ("SHA224",), ("SHA1", "SHA256"), ("SHA512",)))
        signatures = {"signatures": ":".join(f"{kind}+{one}" for one in hashes)}
        signs = versions == TLS12 and made[0].key.startswith(("rsa", "p"))
        return change(found, settings=rng.choice((groups, signatures)) if signs else groups)
    return found
