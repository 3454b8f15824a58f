# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate extensions that senders read (RFC 5280 section 4.2), each decoded by itself from its DER.

One that does not decode makes no other unreadable; bytes behind the value are passed over, as OpenSSL does. Pure.
Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import der

SUBJECT_KEY_IDENTIFIER: t.Final = "2.5.29.14"
KEY_USAGE: t.Final = "2.5.29.15"
SUBJECT_ALTERNATIVE_NAME: t.Final = "2.5.29.17"
ISSUER_ALTERNATIVE_NAME: t.Final = "2.5.29.18"
BASIC_CONSTRAINTS: t.Final = "2.5.29.19"
NAME_CONSTRAINTS: t.Final = "2.5.29.30"
CRL_DISTRIBUTION_POINTS: t.Final = "2.5.29.31"
AUTHORITY_KEY_IDENTIFIER: t.Final = "2.5.29.35"
EXTENDED_KEY_USAGE: t.Final = "2.5.29.37"
TLS_FEATURE: t.Final = "1.3.6.1.5.5.7.1.24"
PROXY_CERTIFICATE: t.Final = "1.3.6.1.5.5.7.1.14"
NETSCAPE_TYPE: t.Final = "2.16.840.1.113730.1.1"

#: Tags of the forms of general names (RFC 5280 section 4.2.1.6).
OTHER_NAME, EMAIL, DNS_NAME, DIRECTORY_NAME, URI, IP_ADDRESS, REGISTERED_ID = 0xA0, 0x81, 0x82, 0xA4, 0x86, 0x87, 0x88
_X400_ADDRESS, _EDI_PARTY_NAME = 0xA3, 0xA5
_FORMS: t.Final = frozenset(
    {OTHER_NAME, EMAIL, DNS_NAME, _X400_ADDRESS, DIRECTORY_NAME, _EDI_PARTY_NAME, URI, IP_ADDRESS, REGISTERED_ID}
)


class GeneralName(t.NamedTuple):
    """A general name: its tag, and the bytes of its value; the DER of the Name for a directory name."""

    form: int
    value: bytes


@dataclasses.dataclass(frozen=True)
class Extension:
    """One extension: identifier in dotted form, whether it is critical, and its value in DER."""

    oid: str
    critical: bool
    value: bytes

    @property
    def is_whole(self) -> bool:
        """Whether the value is one element of DER, with nothing behind it."""
        try:
            return der.read(self.value).end == len(self.value)
        except der.DerError:
            return False


@dataclasses.dataclass(frozen=True)
class BasicConstraints:
    """RFC 5280 section 4.2.1.9; ``path_length`` is None when there is no limit."""

    ca: bool
    path_length: int | None


@dataclasses.dataclass(frozen=True)
class AuthorityKeyIdentifier:
    """RFC 5280 section 4.2.1.1; ``issuer`` is the DER of the first directory name. None is what is not there."""

    key_identifier: bytes | None
    issuer: bytes | None
    serial: bytes | None


class Subtree(t.NamedTuple):
    """The base of a GeneralSubtree; ``bounded``: it has a minimum other than 0, or a maximum."""

    form: int
    value: bytes
    bounded: bool = False


@dataclasses.dataclass(frozen=True)
class NameConstraints:
    """RFC 5280 section 4.2.1.10."""

    permitted: tuple[Subtree, ...]
    excluded: tuple[Subtree, ...]


def read_extensions(data: bytes) -> tuple[Extension, ...]:
    """Return the extensions of the DER SEQUENCE ``data``. Raises DerError."""
    return tuple(_extension(data, one) for one in der.children(data, der.read_whole(data, der.SEQUENCE)))


def _extension(data: bytes, element: der.Element) -> Extension:
    parts = der.children(data, der.expect(element, der.SEQUENCE, "an extension"))
    if not 2 <= len(parts) <= 3:
        raise der.DerError(f"offset {element.start}: an extension has two or three parts")
    critical = len(parts) == 3 and der.boolean(data, parts[1])
    value = der.expect(parts[-1], der.OCTET_STRING, "the value of an extension")
    return Extension(der.dotted(data, parts[0]), critical, data[value.body : value.end])


def basic_constraints(data: bytes) -> BasicConstraints:
    """Decode; a default written out is tolerated, as all senders do. Raises DerError."""
    parts = der.children(data, der.read_first(data, der.SEQUENCE))
    ca = bool(parts) and parts[0].tag == der.BOOLEAN and der.boolean(data, parts[0])
    rest = parts[1:] if parts and parts[0].tag == der.BOOLEAN else parts
    if len(rest) > 1:
        raise der.DerError("offset 0: basicConstraints has at most two parts")
    length = der.integer(data, rest[0]) if rest else None
    return BasicConstraints(ca, length)


def key_usage(data: bytes) -> frozenset[int]:
    """Return the numbers of the bits that are set (RFC 5280 section 4.2.1.3). Raises DerError."""
    return der.named_bits(data)


def identifiers(data: bytes) -> tuple[str, ...]:
    """Return the object identifiers of a SEQUENCE, as extKeyUsage is one. Raises DerError."""
    return tuple(der.dotted(data, one) for one in der.children(data, der.read_first(data, der.SEQUENCE)))


def features(data: bytes) -> frozenset[int]:
    """Return the numbers of a TLS Feature extension (RFC 7633 section 4). Raises DerError."""
    return frozenset(der.integer(data, one) for one in der.children(data, der.read_first(data, der.SEQUENCE)))


def octets(data: bytes) -> bytes:
    """Return the content of an OCTET STRING, as subjectKeyIdentifier is one. Raises DerError."""
    element = der.read_first(data, der.OCTET_STRING)
    return data[element.body : element.end]


def general_names(data: bytes) -> tuple[GeneralName, ...]:
    """Return the names of a SEQUENCE of them, as subjectAltName is one. Raises DerError."""
    return tuple(_general_name(data, one) for one in der.children(data, der.read_first(data, der.SEQUENCE)))


def _general_name(data: bytes, element: der.Element) -> GeneralName:
    if element.tag not in _FORMS:
        raise der.DerError(f"offset {element.start}: tag {element.tag:#04x} is not a form of a general name")
    return GeneralName(element.tag, data[element.body : element.end])


def authority_key_identifier(data: bytes) -> AuthorityKeyIdentifier:
    """Decode. Raises DerError."""
    parts = {one.tag: one for one in der.children(data, der.read_first(data, der.SEQUENCE))}
    if not set(parts) <= {0x80, 0xA1, 0x82}:
        raise der.DerError("offset 0: authorityKeyIdentifier has an unknown part")

    def content(tag: int) -> bytes | None:
        return data[parts[tag].body : parts[tag].end] if tag in parts else None

    names = [_general_name(data, one) for one in der.children(data, parts[0xA1])] if 0xA1 in parts else []
    issuer = next((name.value for name in names if name.form == DIRECTORY_NAME), None)
    return AuthorityKeyIdentifier(content(0x80), issuer, content(0x82))


def name_constraints(data: bytes) -> NameConstraints:
    """Decode. Raises DerError."""
    found: dict[int, tuple[Subtree, ...]] = {}
    for part in der.children(data, der.read_first(data, der.SEQUENCE)):
        if part.tag not in (0xA0, 0xA1):
            raise der.DerError(f"offset {part.start}: nameConstraints has an unknown part")
        found[part.tag] = tuple(_subtree(data, one) for one in der.children(data, part))
    return NameConstraints(found.get(0xA0, ()), found.get(0xA1, ()))


def _subtree(data: bytes, element: der.Element) -> Subtree:
    parts = der.children(data, der.expect(element, der.SEQUENCE, "a subtree"))
    if not parts:
        raise der.DerError(f"offset {element.start}: a subtree has a base")
    base = _general_name(data, parts[0])
    # RFC 5280 section 4.2.1.10: minimum is 0, which some write out, and maximum is absent.
    bounded = any(part.tag != 0x80 or data[part.body : part.end].strip(b"\0") for part in parts[1:])
    return Subtree(base.form, base.value, bounded)
