# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS messages taken apart so that nothing in them is lost or guessed (RFC 1035 section 4).

A record whose data does not parse stays in its RRset as opaque bytes: dropped, it would look absent, and the
signature over the RRset would fail. Pure. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import struct
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    import dns.wire
    from dns.rdtypes.ANY.RRSIG import RRSIG

A: t.Final = 1
NS: t.Final = 2
CNAME: t.Final = 5
SOA: t.Final = 6
MX: t.Final = 15
AAAA: t.Final = 28
DNAME: t.Final = 39
OPT: t.Final = 41
DS: t.Final = 43
RRSIG_TYPE: t.Final = 46
NSEC: t.Final = 47
DNSKEY: t.Final = 48
NSEC3: t.Final = 50
TLSA: t.Final = 52
NXNAME: t.Final = 128
#: Types whose data is a name or an address, without which an answer says nothing.
_PLAIN: t.Final = frozenset({A, NS, CNAME, MX, AAAA})
#: Bytes of a TLSA record before its data.
_TLSA_HEAD: t.Final = 3

NOERROR: t.Final = 0
SERVFAIL: t.Final = 2
NXDOMAIN: t.Final = 3
REFUSED: t.Final = 5
YXDOMAIN: t.Final = 6

_EDE_OPTION: t.Final = 15
#: The two highest bits of a compression pointer (RFC 1035 section 4.1.4).
_POINTER: t.Final = 0xC0
_HEADER: t.Final = struct.Struct("!HHHHHH")


class Malformed(Exception):
    """The bytes are not a DNS message; str() says where it fails."""


@dataclasses.dataclass(frozen=True, eq=False)
class RRset:
    """Records of one owner and type with the signatures over them. ``ttl`` is the lowest seen, in seconds."""

    owner: dns.name.Name
    rdtype: int
    ttl: int
    rdatas: tuple[dns.rdata.Rdata, ...]
    signatures: tuple[RRSIG, ...]

    @functools.cached_property
    def canonical(self) -> tuple[bytes, ...]:
        """The data of the records in canonical form and order, without repetitions (RFC 4034 section 6)."""
        return tuple(sorted({rdata.to_digestable() for rdata in self.rdatas}))

    @property
    def type_text(self) -> str:
        """The type as text."""
        return type_text(self.rdtype)


@dataclasses.dataclass(frozen=True, eq=False)
class Reply:
    """A message: RCODE with its extended bits, sections as RRsets, and what was wrong with it.

    ``question`` is the name and type asked for, or None. ``recursive``: the server offers recursion. ``errors`` are
    extended DNS errors (RFC 8914) as code and text. ``additional`` is filled on request only.
    """

    rcode: int
    authoritative: bool
    recursive: bool
    truncated: bool
    authenticated: bool
    question: tuple[dns.name.Name, int] | None
    answer: tuple[RRset, ...]
    authority: tuple[RRset, ...]
    additional: tuple[RRset, ...]
    errors: tuple[tuple[int, str], ...]

    def find(self, owner: dns.name.Name, rdtype: int) -> RRset | None:
        """Return the RRset of the answer section, or None."""
        for rrset in self.answer:
            if rrset.rdtype == rdtype and rrset.owner == owner:
                return rrset
        return None


def type_text(rdtype: int) -> str:
    """Return the mnemonic of a type."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))


def time_text(seconds: int | None) -> str | None:
    """Return a moment as ISO 8601 in UTC."""
    if seconds is None:
        return None
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def texts(rrset: RRset) -> tuple[str, ...]:
    """Return the data of the records in presentation format, sorted; TLSA data in one piece, whatever its length."""
    return tuple(sorted({_text(rrset.rdtype, rdata) for rdata in rrset.rdatas}))


def _text(rdtype: int, rdata: dns.rdata.Rdata) -> str:
    if rdtype != TLSA:
        return rdata.to_text()
    data = rdata.to_digestable()
    return f"{data[0]} {data[1]} {data[2]} {data[3:].hex()}" if len(data) >= 3 else rdata.to_text()


def parse(wire: bytes, want_additional: bool = False) -> Reply:
    """Take a response apart. Raises :class:`Malformed`."""
    try:
        return _parse(wire, want_additional)
    except (dns.exception.DNSException, struct.error, ValueError) as error:
        raise Malformed(f"{type(error).__name__}: {error}") from error


def _parse(wire: bytes, want_additional: bool) -> Reply:
    if len(wire) < _HEADER.size:
        raise Malformed("shorter than a header")
    _ident, flags, questions, *counts = _HEADER.unpack_from(wire)
    if not flags & 0x8000:
        raise Malformed("a query, not a response")
    if questions > 1:
        raise Malformed(f"{questions} questions")
    parser = dns.wire.Parser(wire, _HEADER.size)
    names = _Names(wire, parser)
    question = None
    if questions:
        name = names.read()
        rdtype, rdclass = parser.get_struct("!HH")
        if rdclass != dns.rdataclass.IN:
            raise Malformed(f"a question of class {rdclass}")
        question = (name, rdtype)
    rcode = flags & 0x0F
    sections: list[tuple[RRset, ...]] = []
    errors: list[tuple[int, str]] = []
    for number, count in enumerate(counts):
        collected = _Section()
        for _record in range(count):
            owner = names.read()
            rdtype, rdclass, ttl, size = parser.get_struct("!HHIH")
            if size > parser.remaining():
                raise Malformed("a record is longer than the message")
            if rdtype == OPT:
                rcode |= (ttl >> 24) << 4
                errors.extend(_extended_errors(parser.get_bytes(size)))
            elif rdclass != dns.rdataclass.IN or (number == 2 and not want_additional):
                parser.get_bytes(size)
            else:
                # RFC 2181 section 8: a TTL with the highest bit set counts as zero.
                rdata = _rdata(wire, parser, rdtype, size)
                if number == 0 and _is_unfit(rdtype, rdata, size):
                    raise Malformed(f"the data of the {type_text(rdtype)} record of {owner} does not fit its type")
                collected.add(owner, rdtype, ttl if ttl < 2**31 else 0, rdata)
        sections.append(collected.rrsets())
    return Reply(
        rcode=rcode,
        authoritative=bool(flags & 0x0400),
        recursive=bool(flags & 0x0080),
        truncated=bool(flags & 0x0200),
        authenticated=bool(flags & 0x0020),
        question=question,
        answer=sections[0],
        authority=sections[1],
        additional=sections[2],
        errors=tuple(errors),
    )


class _Names:
    """The owner names of one message. Most are a pointer to a name that was read before."""

    def __init__(self, wire: bytes, parser: dns.wire.Parser) -> None:
        self._wire = wire
        self._parser = parser
        self._known: dict[bytes, dns.name.Name] = {}

    def read(self) -> dns.name.Name:
        start = self._parser.current
        pointer = self._wire[start : start + 2]
        name = self._known.get(pointer)
        used = 2
        if name is None:
            name, used = dns.name.from_wire(self._wire, start)
            if used == 2 and pointer[0] >= _POINTER:
                self._known[pointer] = name
        self._parser.seek(start + used)
        return name


class _Section:
    def __init__(self) -> None:
        self._data: dict[tuple[dns.name.Name, int], tuple[list[dns.rdata.Rdata], list[int]]] = {}
        self._signatures: dict[tuple[dns.name.Name, int], tuple[list[RRSIG], list[int]]] = {}

    def add(self, owner: dns.name.Name, rdtype: int, ttl: int, rdata: dns.rdata.Rdata) -> None:
        if rdtype == RRSIG_TYPE and isinstance(rdata, RRSIG):
            signatures, ttls = self._signatures.setdefault((owner, int(rdata.type_covered)), ([], []))
            signatures.append(rdata)
        else:
            rdatas, ttls = self._data.setdefault((owner, rdtype), ([], []))
            rdatas.append(rdata)
        ttls.append(ttl)

    def rrsets(self) -> tuple[RRset, ...]:
        found: list[RRset] = []
        for key, (rdatas, ttls) in self._data.items():
            signatures, more = self._signatures.get(key, ([], []))
            found.append(RRset(*key, min(ttls + more), tuple(rdatas), tuple(signatures)))
        return tuple(found)


def _is_unfit(rdtype: int, rdata: dns.rdata.Rdata, size: int) -> bool:
    """Say whether an answer is of no use, so that another server must be asked, as resolvers do.

    A digest of a wrong length is a TLSA record all the same (RFC 6698 section 4.1).
    """
    if rdtype == TLSA:
        return size < _TLSA_HEAD
    return rdtype in _PLAIN and isinstance(rdata, dns.rdata.GenericRdata)


def _rdata(wire: bytes, parser: dns.wire.Parser, rdtype: int, size: int) -> dns.rdata.Rdata:
    start = parser.current
    kind = dns.rdatatype.RdataType.make(rdtype)
    try:
        with parser.restrict_to(size):
            return dns.rdata.from_wire_parser(dns.rdataclass.IN, kind, parser)
    except (dns.exception.DNSException, ValueError, struct.error):
        parser.seek(start + size)
        return dns.rdata.GenericRdata(dns.rdataclass.IN, kind, wire[start : start + size])


def _extended_errors(options: bytes) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    position = 0
    while position + 4 <= len(options):
        code, size = struct.unpack_from("!HH", options, position)
        body = options[position + 4 : position + 4 + size]
        position += 4 + size
        if code == _EDE_OPTION and len(body) >= 2:
            text = body[2:].split(b"\0")[0].decode("utf-8", "replace")
            found.append((struct.unpack_from("!H", body)[0], printable(text, 200)))
    return found
