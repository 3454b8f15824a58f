# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The group of the TLS key exchange, read from the clear part of what a server sends. Pure.

Python has no function for it up to 3.14. Private to the collection.
"""

from __future__ import annotations

import typing as t

#: Code points of the IANA registry "TLS Supported Groups" -> name.
GROUPS: t.Final[t.Mapping[int, str]] = {
    19: "secp192r1", 21: "secp224r1", 22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1",
    26: "brainpoolP256r1", 27: "brainpoolP384r1", 28: "brainpoolP512r1", 29: "x25519", 30: "x448",
    256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192",
    512: "MLKEM512", 513: "MLKEM768", 514: "MLKEM1024",
    4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768", 4589: "SecP384r1MLKEM1024",
}  # fmt: skip

#: Code points of the IANA registry "TLS HashAlgorithm".
_HASHES: t.Final[t.Mapping[int, str]] = {1: "md5", 2: "sha1", 3: "sha224", 4: "sha256", 5: "sha384", 6: "sha512"}
_HANDSHAKE_RECORD: t.Final = 22
_SERVER_HELLO: t.Final = 2
_SERVER_KEY_EXCHANGE: t.Final = 12
_KEY_SHARE: t.Final = 51
_SUPPORTED_VERSIONS: t.Final = 43
_TLS_1_3: t.Final = b"\x03\x04"
_NAMED_CURVE: t.Final = 3


def key_exchange_group(heard: bytes) -> str:
    """Return the name of the group, ``dh-2048`` for finite fields without a name, '' when it cannot be told.

    ``heard`` is what the server sent from the start of the handshake (RFC 8446 sections 4.1.3 and 4.2.8,
    RFC 8422 section 5.4, RFC 5246 section 7.4.3); it may be cut off anywhere. Groups without a name here
    are given as ``0x1234``. Static RSA key exchange has none. Never raises.
    """
    group = ""
    for kind, body in _messages(_records(heard)):
        if kind == _SERVER_HELLO:
            extensions = _extensions(body)
            if extensions.get(_SUPPORTED_VERSIONS) == _TLS_1_3:
                # A HelloRetryRequest looks the same; the ServerHello after it names the group in the end.
                group = _name(extensions.get(_KEY_SHARE, b"")[:2])
        elif kind == _SERVER_KEY_EXCHANGE:
            return _name(body[1:3]) if body[:1] == bytes([_NAMED_CURVE]) else _finite_field(body)
    return group


def server_signature(heard: bytes) -> str:
    """Return the hash with which the server signed its key exchange in TLS 1.2, '' when it cannot be told.

    RFC 5246 section 7.4.1.4.1. The other versions have no name for it, or do not show it.
    """
    for kind, body in _messages(_records(heard)):
        if kind == _SERVER_KEY_EXCHANGE:
            at = 4 + body[3] if body[:1] == bytes([_NAMED_CURVE]) and len(body) > 3 else 0
            if not at:
                for _part in ("prime", "generator", "public value"):
                    at += 2 + int.from_bytes(body[at : at + 2], "big")
            return _HASHES.get(body[at], "") if at < len(body) else ""
    return ""


def _records(heard: bytes) -> bytes:
    """Join the content of the leading handshake records."""
    content, at = b"", 0
    while len(heard) - at > 5 and heard[at] == _HANDSHAKE_RECORD:
        end = at + 5 + int.from_bytes(heard[at + 3 : at + 5], "big")
        content += heard[at + 5 : end]
        at = end
        # Servers send a ChangeCipherSpec between HelloRetryRequest and ServerHello (RFC 8446 appendix D.4).
        if heard[at : at + 6] == b"\x14\x03\x03\x00\x01\x01":
            at += 6
    return content


def _messages(content: bytes) -> t.Iterator[tuple[int, bytes]]:
    at = 0
    while len(content) - at > 4:
        end = at + 4 + int.from_bytes(content[at + 1 : at + 4], "big")
        yield content[at], content[at + 4 : end]
        at = end


def _extensions(hello: bytes) -> dict[int, bytes]:
    """Extensions of a ServerHello: version, random, session id, suite and compression stand before them."""
    at = 34 + 1 + (hello[34] if len(hello) > 34 else 0) + 3 + 2
    found: dict[int, bytes] = {}
    while len(hello) - at >= 4:
        end = at + 4 + int.from_bytes(hello[at + 2 : at + 4], "big")
        found[int.from_bytes(hello[at : at + 2], "big")] = hello[at + 4 : end]
        at = end
    return found


def _name(code: bytes) -> str:
    number = int.from_bytes(code, "big")
    return GROUPS.get(number, f"0x{number:04x}") if len(code) == 2 else ""


def _finite_field(body: bytes) -> str:
    """Size of the prime of ephemeral Diffie-Hellman; anonymous and odd exchanges are never offered."""
    length = int.from_bytes(body[:2], "big")
    prime = body[2 : 2 + length]
    return f"dh-{int.from_bytes(prime, 'big').bit_length()}" if prime and len(prime) == length else ""
