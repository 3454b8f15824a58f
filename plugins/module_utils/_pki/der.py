# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A strict and tiny reader of DER (X.690): just enough to slice certificates without re-encoding them.

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses

SEQUENCE = 0x30
SET = 0x31
BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06

#: Certificates with hundreds of elements in one SEQUENCE do not occur; more is hostile.
_MAX_CHILDREN = 10_000


class DerError(ValueError):
    """The bytes are not DER; the message names the offset and the rule."""


@dataclasses.dataclass(frozen=True)
class Element:
    """One tag-length-value: ``start`` of the tag, ``body`` of the content, ``end`` just behind it (offsets)."""

    tag: int
    start: int
    body: int
    end: int


def read(data: bytes, start: int = 0, end: int | None = None) -> Element:
    """Return the element that begins at ``start`` and lies wholly before ``end``.

    Raises DerError for what DER forbids (X.690 section 10.1): indefinite or non-minimal lengths, and for
    multi-byte tags, which no part of a certificate read here has.
    """
    limit = len(data) if end is None else end
    if start + 2 > limit:
        raise DerError(f"offset {start}: the data ends inside an element")
    tag = data[start]
    if tag & 0x1F == 0x1F:
        raise DerError(f"offset {start}: tags of more than one byte are not expected here")
    length, body = data[start + 1], start + 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4:
            raise DerError(f"offset {start}: DER needs a definite length of reasonable size (X.690 section 10.1)")
        if body + size > limit:
            raise DerError(f"offset {start}: the data ends inside a length")
        length = int.from_bytes(data[body : body + size], "big")
        if length < 0x80 or length >> (8 * (size - 1)) == 0:
            raise DerError(f"offset {start}: the length is not in its shortest form (X.690 section 10.1)")
        body += size
    if body + length > limit:
        raise DerError(f"offset {start}: the element is longer than what contains it")
    return Element(tag, start, body, body + length)


def read_whole(data: bytes, tag: int) -> Element:
    """Return the one element ``data`` consists of; DerError when it has another tag or bytes follow it."""
    element = read(data)
    if element.tag != tag:
        raise DerError(f"offset 0: tag {element.tag:#04x} where {tag:#04x} belongs")
    if element.end != len(data):
        raise DerError(f"offset {element.end}: {len(data) - element.end} bytes follow the end of the object")
    return element


def read_first(data: bytes, tag: int) -> Element:
    """Return the element that ``data`` begins with; DerError when it has another tag."""
    return expect(read(data), tag, "the object")


def children(data: bytes, parent: Element) -> list[Element]:
    """Return the elements inside the constructed element ``parent``, which they must fill exactly."""
    found: list[Element] = []
    position = parent.body
    while position < parent.end:
        if len(found) >= _MAX_CHILDREN:
            raise DerError(f"offset {parent.start}: more than {_MAX_CHILDREN} elements inside one")
        element = read(data, position, parent.end)
        found.append(element)
        position = element.end
    return found


def expect(element: Element, tag: int, what: str) -> Element:
    """Return ``element`` when it has ``tag``; else raise DerError naming ``what`` was looked for."""
    if element.tag != tag:
        raise DerError(f"offset {element.start}: tag {element.tag:#04x} where {what} ({tag:#04x}) belongs")
    return element


def boolean(data: bytes, element: Element) -> bool:
    """Return the value of a BOOLEAN; any byte but 0 is true, as senders take it (X.690 section 8.2.2).

    Raises DerError.
    """
    content = data[expect(element, BOOLEAN, "a BOOLEAN").body : element.end]
    if len(content) != 1:
        raise DerError(f"offset {element.start}: a BOOLEAN has one byte (X.690 section 8.2.1)")
    return content != b"\0"


def integer(data: bytes, element: Element) -> int:
    """Return the value of an INTEGER (X.690 section 8.3). Raises DerError."""
    content = data[expect(element, INTEGER, "an INTEGER").body : element.end]
    if not content:
        raise DerError(f"offset {element.start}: an INTEGER has at least one byte")
    return int.from_bytes(content, "big", signed=True)


def dotted(data: bytes, element: Element) -> str:
    """Return an OBJECT IDENTIFIER in dotted form (X.690 section 8.19). Raises DerError."""
    content = data[expect(element, OBJECT_IDENTIFIER, "an OBJECT IDENTIFIER").body : element.end]
    if not content or content[-1] & 0x80:
        raise DerError(f"offset {element.start}: the OBJECT IDENTIFIER is cut off")
    numbers: list[int] = []
    value = 0
    for octet in content:
        if octet == 0x80 and not value:
            raise DerError(f"offset {element.start}: the OBJECT IDENTIFIER is not in its shortest form")
        value = value << 7 | octet & 0x7F
        if value >> 256:
            raise DerError(f"offset {element.start}: the OBJECT IDENTIFIER has a number of more than 256 bits")
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def bit_string(data: bytes, element: Element) -> bytes:
    """Return the content of a BIT STRING that is a whole number of bytes (X.690 section 8.6). Raises DerError."""
    content = data[expect(element, BIT_STRING, "a BIT STRING").body : element.end]
    if not content or content[0] != 0:
        raise DerError(f"offset {element.start}: the BIT STRING is not a whole number of bytes")
    return content[1:]


def unused_bits(data: bytes, element: Element) -> int:
    """Return how many bits of a BIT STRING are said to be unused, -1 when nothing is said (X.690 section 8.6.2.2)."""
    return data[element.body] if element.body < element.end else -1


def named_bits(data: bytes) -> frozenset[int]:
    """Return the numbers of the bits that are set in the BIT STRING that ``data`` begins with. Raises DerError."""
    element = read_first(data, BIT_STRING)
    content = data[element.body : element.end]
    if not content or content[0] > 7 or (content[0] and len(content) == 1):
        raise DerError("offset 0: the BIT STRING has an impossible number of unused bits")
    size = 8 * (len(content) - 1) - content[0]
    return frozenset(number for number in range(size) if content[1 + number // 8] >> (7 - number % 8) & 1)
