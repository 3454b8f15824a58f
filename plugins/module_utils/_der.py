# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A strict and tiny reader of DER (X.690): just enough to slice certificates without re-encoding them.

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses

SEQUENCE = 0x30
SET = 0x31
INTEGER = 0x02
BIT_STRING = 0x03
OBJECT_IDENTIFIER = 0x06

#: Certificates with hundreds of elements in one SEQUENCE do not occur; more is hostile.
_MAX_CHILDREN = 10_000


class DerError(ValueError):
    """The bytes are no DER; the message names the offset and the rule."""


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
