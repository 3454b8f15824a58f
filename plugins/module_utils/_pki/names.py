# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Distinguished names compared the way senders compare them, and host names against certificate names.

Pure. Private to the collection.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import der

#: The string types of X.520 DirectoryString and its kin -> their encoding (RFC 5280 section 4.1.2.4).
_STRING_ENCODINGS: t.Final[t.Mapping[int, str]] = {
    0x0C: "utf-8",
    0x13: "latin-1",
    0x14: "latin-1",
    0x16: "latin-1",
    0x1A: "latin-1",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}

_LABEL: t.Final = re.compile(r"[a-z0-9-]+")
_WILDCARD_PARENT: t.Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")

_COMMON_NAME: t.Final = "2.5.4.3"
#: Attribute types -> how RFC 4514 section 3 writes them.
_SHORT: t.Final[t.Mapping[str, str]] = {
    _COMMON_NAME: "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O",
    "2.5.4.11": "OU", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}  # fmt: skip
_SPECIAL: t.Final = re.compile(r'([\\"+,;<>\0]|^[ #]|(?<!^) $)')

RelativeName = frozenset[tuple[bytes, bytes]]


class Attribute(t.NamedTuple):
    """One attribute of a name: type in dotted form, tag and bytes of its value."""

    kind: str
    tag: int
    value: bytes

    @property
    def text(self) -> str | None:
        """The value as text, None when it is not text, or its bytes do not fit its type."""
        encoding = _STRING_ENCODINGS.get(self.tag)
        try:
            return self.value.decode(encoding) if encoding else None
        except UnicodeError:
            return None


def relative_names(name: bytes) -> tuple[tuple[Attribute, ...], ...]:
    """Return the relative distinguished names of the DER ``name``, in order. Raises DerError."""
    sequence = der.read_whole(name, der.SEQUENCE)
    return tuple(
        tuple(
            Attribute(der.dotted(name, kind), value.tag, name[value.body : value.end])
            for kind, value in _pairs(name, rdn)
        )
        for rdn in der.children(name, sequence)
    )


def common_names(name: bytes) -> tuple[Attribute, ...]:
    """Return the common names of the DER ``name``, in order. Raises DerError."""
    return tuple(one for rdn in relative_names(name) for one in rdn if one.kind == _COMMON_NAME)


def to_text(name: bytes) -> str:
    """Return the DER ``name`` as RFC 4514 writes it; what is not text, and what is not a name, as hex."""
    try:
        names = relative_names(name)
    except der.DerError:
        return f"#{name.hex()[:80]}"
    return ",".join("+".join(_attribute_text(one) for one in rdn) for rdn in reversed(names))


def _attribute_text(one: Attribute) -> str:
    text = one.text
    shown = f"#{one.tag:02x}{one.value.hex()[:80]}" if text is None else _SPECIAL.sub(_escaped, text)
    return f"{_SHORT.get(one.kind, one.kind)}={shown}"


def _escaped(found: re.Match[str]) -> str:
    return "\\00" if found[0] == "\0" else f"\\{found[0]}"


@functools.lru_cache(maxsize=512)
@functools.lru_cache(maxsize=512)
def canonical(name: bytes) -> tuple[RelativeName, ...]:
    """Return the DER ``name`` in a form in which equal names are equal (RFC 5280 section 7.1).

    Case of ASCII letters, string type and runs of blanks do not matter. Raises DerError.
    """
    sequence = der.read_whole(name, der.SEQUENCE)
    return tuple(_relative(name, rdn) for rdn in der.children(name, sequence))


def _relative(data: bytes, rdn: der.Element) -> RelativeName:
    return frozenset((data[kind.body : kind.end], _value(data, value)) for kind, value in _pairs(data, rdn))


def _pairs(data: bytes, rdn: der.Element) -> list[tuple[der.Element, der.Element]]:
    """The type and value of each attribute of a relative distinguished name."""
    der.expect(rdn, der.SET, "a relative distinguished name")
    pairs: list[tuple[der.Element, der.Element]] = []
    for pair in der.children(data, rdn):
        parts = der.children(data, der.expect(pair, der.SEQUENCE, "an attribute"))
        if len(parts) != 2:
            raise der.DerError(f"offset {pair.start}: an attribute has a type and a value")
        pairs.append((der.expect(parts[0], der.OBJECT_IDENTIFIER, "an attribute type"), parts[1]))
    return pairs


def _value(data: bytes, value: der.Element) -> bytes:
    raw = data[value.body : value.end]
    encoding = _STRING_ENCODINGS.get(value.tag)
    if encoding is None:
        return data[value.start : value.end]
    try:
        text = raw.decode(encoding).encode("utf-8")
    except UnicodeError as error:
        raise der.DerError(f"offset {value.start}: a name that is no {encoding}") from error
    # bytes.split and bytes.lower know ASCII only, as the comparison rule wants it.
    return b"=" + b" ".join(text.split()).lower()


def name_matches(presented: str, reference: str) -> bool:
    """Say whether the certificate name ``presented`` covers the host name ``reference`` (RFC 7672 section 3.2.3).

    A wildcard is the whole first label and stands for exactly one label (RFC 7672 section 3.2.3); one directly above
    a top-level domain covers nothing, as in all common TLS libraries. A final dot in the certificate belongs to the
    name, which then is another one.
    """
    presented, reference = presented.lower(), reference.lower().rstrip(".")
    if not presented or "\0" in presented:
        return False
    if "*" not in presented:
        return presented == reference
    first, _dot, parent = presented.partition(".")
    label, _dot, rest = reference.partition(".")
    return first == "*" and parent == rest and bool(_WILDCARD_PARENT.fullmatch(parent) and _LABEL.fullmatch(label))


def gnutls_name_matches(presented: str, reference: str) -> bool:
    """Say the same as GnuTLS does: there a wildcard also stands for a part of the first label."""
    presented, reference = presented.lower(), reference.lower().rstrip(".")
    if not presented.startswith("*"):
        return bool(presented) and presented == reference
    rest = presented[1:]
    if rest.count(".") < 2 or rest.endswith(".") or not rest.isprintable():
        return False
    label = reference.partition(".")[0]
    return reference.endswith(rest) and len(reference) - len(rest) <= len(label)


def is_partial_wildcard(presented: str) -> bool:
    """Say whether ``presented`` has a wildcard that only some senders honour, such as ``m*.example.nl``."""
    return "*" in presented and not (presented.startswith("*.") and "*" not in presented[1:])
