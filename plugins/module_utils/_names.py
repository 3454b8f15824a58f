# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Distinguished names compared the way senders compare them, and host names against certificate names.

Pure. Private to the collection.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _der

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

RelativeName = frozenset[tuple[bytes, bytes]]


@functools.lru_cache(maxsize=512)
def canonical(name: bytes) -> tuple[RelativeName, ...]:
    """Return the DER ``name`` in a form in which equal names are equal (RFC 5280 section 7.1).

    Case of ASCII letters, string type and runs of blanks do not matter. Raises DerError.
    """
    sequence = _der.read_whole(name, _der.SEQUENCE)
    return tuple(_relative(name, rdn) for rdn in _der.children(name, sequence))


def _relative(data: bytes, rdn: _der.Element) -> RelativeName:
    _der.expect(rdn, _der.SET, "a relative distinguished name")
    pairs: list[tuple[bytes, bytes]] = []
    for pair in _der.children(data, rdn):
        parts = _der.children(data, _der.expect(pair, _der.SEQUENCE, "an attribute"))
        if len(parts) != 2:
            raise _der.DerError(f"offset {pair.start}: an attribute has a type and a value")
        kind = _der.expect(parts[0], _der.OBJECT_IDENTIFIER, "an attribute type")
        pairs.append((data[kind.body : kind.end], _value(data, parts[1])))
    return frozenset(pairs)


def _value(data: bytes, value: _der.Element) -> bytes:
    raw = data[value.body : value.end]
    encoding = _STRING_ENCODINGS.get(value.tag)
    if encoding is None:
        return data[value.start : value.end]
    try:
        text = raw.decode(encoding).encode("utf-8")
    except UnicodeError as error:
        raise _der.DerError(f"offset {value.start}: a name that is no {encoding}") from error
    # bytes.split and bytes.lower know ASCII only, as the comparison rule wants it.
    return b"=" + b" ".join(text.split()).lower()


def name_matches(presented: str, reference: str) -> bool:
    """Say whether the certificate name ``presented`` covers the host name ``reference`` (RFC 7672 section 3.2.3).

    A wildcard is the whole first label and stands for exactly one label (SR-N5); one directly above
    a top-level domain covers nothing, as in all common TLS libraries.
    """
    presented, reference = presented.lower().rstrip("."), reference.lower().rstrip(".")
    if not presented or "\0" in presented:
        return False
    if "*" not in presented:
        return presented == reference
    first, _dot, parent = presented.partition(".")
    label, _dot, rest = reference.partition(".")
    return first == "*" and parent == rest and bool(_WILDCARD_PARENT.fullmatch(parent) and _LABEL.fullmatch(label))


def is_partial_wildcard(presented: str) -> bool:
    """Say whether ``presented`` has a wildcard that only some senders honour, such as ``m*.example.nl``."""
    return "*" in presented and not (presented.startswith("*.") and "*" not in presented[1:])
