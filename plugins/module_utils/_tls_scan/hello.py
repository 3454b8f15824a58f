# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The opening of a TLS handshake as messages: a ClientHello that offers just what is asked about, and the answer to it.

No key is ever agreed and no secret made: what a server chooses stands in the clear part of its first flight. In TLS 1.3
the ClientHello carries no key share, so that the server names its group in a HelloRetryRequest (RFC 8446
section 4.1.4). The messages are made and read by tlslite-ng. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._smtp.key_exchange import key_exchange_group

#: Protocol -> version on the wire.
VERSIONS: t.Final[t.Mapping[str, tuple[int, int]]] = {
    "TLSv1.3": (3, 4), "TLSv1.2": (3, 3), "TLSv1.1": (3, 2), "TLSv1.0": (3, 1), "SSLv3": (3, 0), "SSLv2": (0, 2),
}  # fmt: skip
NULL: t.Final = 0
DEFLATE: t.Final = 1

_ALERT: t.Final = 21
_HANDSHAKE: t.Final = 22
_CHANGE_CIPHER_SPEC: t.Final = 20
_SERVER_HELLO: t.Final = 2
_CERTIFICATE: t.Final = 11
_SERVER_KEY_EXCHANGE: t.Final = 12
_SERVER_HELLO_DONE: t.Final = 14
_EXTENDED_MASTER_SECRET: t.Final = 23
_SUPPORTED_VERSIONS: t.Final = 43
_RENEGOTIATION_INFO: t.Final = 0xFF01
_SCSV: t.Final = 0x00FF
_PSK_DHE_KE: t.Final = 1
#: Suites that stand for all with the same form of ServerKeyExchange: ECDHE_RSA and DHE_RSA with AES-128-CBC-SHA.
_LIKE_ECDHE: t.Final = 0xC013
_LIKE_DHE: t.Final = 0x0033
#: Bulk ciphers of SSL 2.0 (draft-hickman-netscape-ssl-00 section C.4).
_SSL2_CIPHERS: t.Final = (0x010080, 0x020080, 0x030080, 0x040080, 0x050080, 0x060040, 0x0700C0)
#: TLS 1.3 has code points of its own for the Brainpool curves (RFC 8734).
_BRAINPOOL_13: t.Final[t.Mapping[str, str]] = {
    "0x001f": "brainpoolP256r1", "0x0020": "brainpoolP384r1", "0x0021": "brainpoolP512r1",
}  # fmt: skip


class Unreadable(Exception):
    """What the server sent is not an answer to a ClientHello; the message says why."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What a ClientHello offers: one protocol, and within it these code points. ``groups`` None: no extension.

    ``server_name`` is sent as SNI (RFC 6066) unless None.
    """

    protocol: str
    suites: tuple[int, ...]
    groups: tuple[int, ...] | None
    schemes: tuple[int, ...]
    server_name: str | None = None
    compression: tuple[int, ...] = (NULL,)


@dataclasses.dataclass(frozen=True)
class Accepted:
    """What the server chose. ``group`` as in ``key_exchange``, finite fields of RFC 7919 by name in TLS 1.2 too.

    ``scheme`` is the signature scheme of TLS 1.2. In TLS 1.3 only ``protocol``, ``suite`` and ``group`` are clear.
    """

    protocol: str
    suite: int
    group: str = ""
    scheme: int | None = None
    compression: int = NULL
    secure_renegotiation: bool = False
    extended_master_secret: bool = False
    chain: tuple[bytes, ...] = ()


@dataclasses.dataclass(frozen=True)
class Refused:
    """The server sent a fatal alert: its number (RFC 8446 section 6)."""

    alert: int


def _lib(name: str) -> t.Any:
    # tlslite-ng has no types, and may be absent until it is asked for.
    return importlib.import_module(f"tlslite.{name}")


def client_hello(question: Question) -> bytes:
    """Return the record with the ClientHello that asks ``question``."""
    messages = _lib("messages")
    version = VERSIONS[question.protocol]
    if question.protocol == "SSLv2":
        hello = messages.ClientHello(ssl2=True)
        hello.create(version, bytearray(os.urandom(16)), bytearray(), list(_SSL2_CIPHERS))
        body = bytes(hello.write())
        return (0x8000 | len(body)).to_bytes(2, "big") + body
    modern = question.protocol == "TLSv1.3"
    suites = [*question.suites, *([] if modern else [_SCSV])]
    hello = messages.ClientHello().create(
        min(version, (3, 3)), bytearray(os.urandom(32)), bytearray(os.urandom(32) if modern else b""), suites
    )
    hello.compression_methods = list(question.compression)
    hello.extensions = None if question.protocol == "SSLv3" else _client_extensions(question)
    body = bytes(hello.write())
    # Old servers want to see an old version in the first record (RFC 8446 section 5.1).
    return bytes([_HANDSHAKE, 3, min(version[1], 1)]) + len(body).to_bytes(2, "big") + body


def _client_extensions(question: Question) -> list[t.Any]:
    extensions = _lib("extensions")
    version = VERSIONS[question.protocol]
    found: list[t.Any] = []
    if question.server_name is not None:
        found.append(extensions.SNIExtension().create(bytearray(question.server_name, "ascii")))
    if question.groups is not None:
        found.append(extensions.SupportedGroupsExtension().create(list(question.groups)))
        found.append(extensions.ECPointFormatsExtension().create([0]))
    if version >= (3, 3):
        pairs = [(code >> 8, code & 0xFF) for code in question.schemes]
        found.append(extensions.SignatureAlgorithmsExtension().create(pairs))
    if version >= (3, 4):
        found.append(extensions.SupportedVersionsExtension().create([version]))
        found.append(extensions.ClientKeyShareExtension().create([]))
        found.append(extensions.PskKeyExchangeModesExtension().create([_PSK_DHE_KE]))
    else:
        found.append(extensions.TLSExtension(extType=_EXTENDED_MASTER_SECRET).create(bytearray()))
    return found


def read_answer(heard: bytes) -> Accepted | Refused | None:
    """Return the answer in ``heard``, all that the server sent since the ClientHello; None when more is to come.

    Raises Unreadable for anything that is not an answer.
    """
    if not heard:
        return None
    if heard[0] & 0x80:
        return _read_ssl2(heard)
    content, alert = _records(heard)
    flight = _flight(content)
    hello = flight.get(_SERVER_HELLO)
    if hello is not None and (_SERVER_HELLO_DONE in flight or _is_tls13(hello)):
        return _accepted(hello, flight, heard)
    return Refused(alert) if alert is not None else None


def _records(heard: bytes) -> tuple[bytes, int | None]:
    """Join the content of the handshake records, up to an alert; also return the number of the fatal alert."""
    content, at = b"", 0
    while len(heard) - at >= 5:
        kind, major = heard[at], heard[at + 1]
        length = int.from_bytes(heard[at + 3 : at + 5], "big")
        if kind not in (_ALERT, _HANDSHAKE, _CHANGE_CIPHER_SPEC) or major != 3 or length > 18432:
            raise Unreadable("the server does not answer with TLS records")
        body = heard[at + 5 : at + 5 + length]
        if kind == _ALERT and len(body) >= 2 and body[0] == 2:
            return content, body[1]
        content += body if kind == _HANDSHAKE else b""
        at += 5 + length
    if at == 0 and heard[0] not in (_ALERT, _HANDSHAKE):
        raise Unreadable("the server does not answer with TLS records")
    return content, None


def _flight(content: bytes) -> dict[int, bytes]:
    """Whole handshake messages by type, the first of each, without the octet that tells the type."""
    found: dict[int, bytes] = {}
    at = 0
    while len(content) - at >= 4:
        end = at + 4 + int.from_bytes(content[at + 1 : at + 4], "big")
        if end > len(content):
            break
        found.setdefault(content[at], content[at + 1 : end])
        at = end
    return found


def _is_tls13(hello: bytes) -> bool:
    return _parse(_lib("messages").ServerHello(), hello).getExtension(_SUPPORTED_VERSIONS) is not None


def _parse(message: t.Any, body: bytes) -> t.Any:
    """Let the library read one message; it signals malformed input by exceptions of several families."""
    try:
        return message.parse(_lib("utils.codec").Parser(bytearray(body)))
    except (SyntaxError, ValueError, TypeError, AttributeError, AssertionError, LookupError) as error:
        raise Unreadable(f"the answer is malformed ({type(error).__name__})") from error
    except _lib("errors").BaseTLSException as error:
        raise Unreadable(f"the answer is malformed ({type(error).__name__})") from error


def _accepted(body: bytes, flight: t.Mapping[int, bytes], heard: bytes) -> Accepted:
    hello = _parse(_lib("messages").ServerHello(), body)
    selected = hello.getExtension(_SUPPORTED_VERSIONS)
    version = tuple(selected.version) if selected is not None else tuple(hello.server_version)
    protocol = next((name for name, wire in VERSIONS.items() if wire == version), "")
    if not protocol:
        raise Unreadable(f"the server chose the version {version[0]}.{version[1]}, which nobody offered")
    group = key_exchange_group(heard)
    scheme = None
    if _SERVER_KEY_EXCHANGE in flight:
        group, scheme = _key_exchange(flight[_SERVER_KEY_EXCHANGE], group, version)
    return Accepted(
        protocol,
        int(hello.cipher_suite),
        _BRAINPOOL_13.get(group, group),
        scheme,
        int(hello.compression_method),
        hello.getExtension(_RENEGOTIATION_INFO) is not None,
        hello.getExtension(_EXTENDED_MASTER_SECRET) is not None,
        _chain(flight[_CERTIFICATE]) if _CERTIFICATE in flight else (),
    )


def _key_exchange(body: bytes, group: str, version: tuple[int, ...]) -> tuple[str, int | None]:
    """The group, by name if the prime has one, and the signature scheme (None where there is none or it is unknown)."""
    finite = group.startswith("dh-")
    try:
        exchange = _parse(_lib("messages").ServerKeyExchange(_LIKE_DHE if finite else _LIKE_ECDHE, version), body)
    except Unreadable:
        # Anonymous, PSK and SRP exchanges are not signed or have another form; the suite alone says enough of them.
        return group, None
    fields = _lib("mathtls").FFDHE_PARAMETERS.items() if finite else ()
    named = any(name.startswith("RFC7919") and field[1] == exchange.dh_p for name, field in fields)
    scheme = exchange.hashAlg << 8 | exchange.signAlg if version == (3, 3) else None
    return (f"ffdhe{exchange.dh_p.bit_length()}" if named else group), scheme


def _chain(body: bytes) -> tuple[bytes, ...]:
    """The certificates as sent (RFC 5246 section 7.4.2); cut here, so that they stay the bytes the server sent."""
    found, at = [], 6
    while len(body) - at >= 3:
        end = at + 3 + int.from_bytes(body[at : at + 3], "big")
        if end > len(body):
            raise Unreadable("the list of certificates is cut off")
        found.append(body[at + 3 : end])
        at = end
    return tuple(found)


def _read_ssl2(heard: bytes) -> Accepted | None:
    """An answer of SSL 2.0: SERVER-HELLO, or an ERROR, which is left to the close that follows it."""
    if len(heard) < 3:
        return None
    if heard[2] == 4:
        return Accepted("SSLv2", 0)
    if heard[2] == 0:
        return None
    raise Unreadable("the server does not answer with TLS records")
