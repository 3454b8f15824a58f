# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of all zones of the zoo: as messages in process, and over UDP and TCP on loopback."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import socket
import socketserver
import struct
import threading

import dns.name
from signer import (
    CNAME,
    DNAME,
    DS,
    NS,
    NSEC,
    NSEC3,
    RRSIG,
    SERVER,
    SOA,
    TTL,
    A,
    Name,
    Signature,
    Zone,
    nsec3_hash,
)

NXDOMAIN, REFUSED, YXDOMAIN = 3, 5, 6


@dataclasses.dataclass(frozen=True)
class Record:
    """One record in wire form."""

    owner: Name
    rdtype: int
    data: bytes
    ttl: int = TTL

    def to_wire(self) -> bytes:
        head = struct.pack("!HHIH", self.rdtype, 1, self.ttl, len(self.data))
        return self.owner.to_wire() + head + self.data


@dataclasses.dataclass
class Message:
    """A response: RCODE, AA and three sections."""

    rcode: int = 0
    authoritative: bool = True
    sections: tuple[list[Record], list[Record], list[Record]] = dataclasses.field(default_factory=lambda: ([], [], []))

    @property
    def answer(self) -> list[Record]:
        return self.sections[0]

    @property
    def authority(self) -> list[Record]:
        return self.sections[1]

    def to_wire(self, question: tuple[Name, int], ident: int = 0, query_flags: int = 0, limit: int = 65535) -> bytes:
        flags = 0x8000 | (0x0400 if self.authoritative else 0) | query_flags & 0x0110 | self.rcode & 15
        asked = question[0].to_wire() + struct.pack("!HH", question[1], 1)
        edns = struct.pack("!BHHIH", 0, 41, 1232, (self.rcode >> 4) << 24 | 0x8000, 0)
        body = b"".join(record.to_wire() for section in self.sections for record in section)
        if 12 + len(asked) + len(body) + len(edns) > limit:
            return struct.pack("!HHHHHH", ident, flags | 0x0200, 1, 0, 0, 1) + asked + edns
        counts = (len(self.sections[0]), len(self.sections[1]), len(self.sections[2]) + 1)
        return struct.pack("!HHHHHH", ident, flags, 1, *counts) + asked + body + edns


Hook = c.Callable[[Name, int, Message], Message]


class World:
    """All zones behind one server. ``hooks`` change what is sent, by the origin of the zone asked."""

    def __init__(self) -> None:
        self.zones: dict[Name, Zone] = {}
        self.hooks: dict[Name, list[Hook]] = {}
        self._global: tuple[Hook, ...] = ()
        self._sent: dict[tuple[Name, int], Message] = {}

    def changed(self, *hooks: Hook) -> World:
        """Return the same zones with ``hooks`` that change every response."""
        other = World()
        other.zones, other.hooks, other._global = self.zones, self.hooks, hooks
        return other

    def zone_of(self, owner: Name, rdtype: int) -> Zone | None:
        if rdtype == DS and owner != dns.name.root:
            owner = owner.parent()
        while owner not in self.zones:
            if owner == dns.name.root:
                return None
            owner = owner.parent()
        return self.zones[owner]

    def respond(self, owner: Name, rdtype: int) -> Message:
        """Answer as the authoritative servers of the zone do. What is returned belongs to the world: copy to change."""
        if (owner, rdtype) not in self._sent:
            self._sent[owner, rdtype] = self._make(owner, rdtype)
        return self._sent[owner, rdtype]

    def _make(self, owner: Name, rdtype: int) -> Message:
        zone = self.zone_of(owner, rdtype)
        message = Message()
        if zone is None:
            message.rcode = REFUSED
        else:
            _answer(zone, owner, rdtype, message)
            _glue(zone, message)
            for hook in self.hooks.get(zone.origin, []):
                message = hook(owner, rdtype, message)
        for hook in self._global:
            message = hook(owner, rdtype, message)
        return message

    def records(self) -> c.Iterator[bytes]:
        """Yield every record of the zoo, for a fingerprint of it all."""
        for origin in sorted(self.zones):
            zone = self.zones[origin]
            for owner in sorted(zone.nodes):
                for rdtype, rdatas in sorted(zone.nodes[owner].items()):
                    yield from (Record(owner, rdtype, data).to_wire() for data in sorted(rdatas))
                    for made in zone.signatures.get((owner, rdtype), []):
                        yield Record(owner, RRSIG, made.to_bytes()).to_wire()


def rrset(zone: Zone, owner: Name, rdtype: int, shown: Name | None = None) -> list[Record]:
    """Return an RRset with its signatures, shown under another name if need be."""
    shown = shown or owner
    found = [Record(shown, rdtype, data) for data in zone.nodes.get(owner, {}).get(rdtype, [])]
    return found + [signed(shown, made) for made in zone.signatures.get((owner, rdtype), [])]


def signed(owner: Name, made: Signature) -> Record:
    return Record(owner, RRSIG, made.to_bytes())


def _answer(zone: Zone, owner: Name, rdtype: int, message: Message) -> None:
    for _hop in range(16):
        target = _one(zone, owner, rdtype, message)
        if target is None or not target.is_subdomain(zone.origin):
            return
        owner = target


def _one(zone: Zone, owner: Name, rdtype: int, message: Message) -> Name | None:
    """Answer for one name; return the target of an alias."""
    for above in _ancestors(zone, owner):
        if above != owner and DNAME in zone.nodes.get(above, {}):
            return _dname(zone, above, owner, message)
        if zone.is_cut(above) and not (above == owner and rdtype == DS):
            _referral(zone, above, message)
            return None
    node = zone.nodes.get(owner)
    if node and (rdtype in node or CNAME in node):
        found = rdtype if rdtype in node else CNAME
        message.answer.extend(rrset(zone, owner, found))
        return _target(node[CNAME][0]) if found == CNAME and rdtype != CNAME else None
    if zone.exists(owner):
        _negative(zone, owner, owner, message)
        return None
    encloser = owner.parent()
    while not zone.exists(encloser):
        encloser = encloser.parent()
    wildcard = Name((b"*", *encloser.labels))
    node = zone.nodes.get(wildcard)
    if node is None:
        message.rcode = NXDOMAIN
        _negative(zone, owner, None, message, encloser)
        return None
    if rdtype in node or CNAME in node:
        found = rdtype if rdtype in node else CNAME
        message.answer.extend(rrset(zone, wildcard, found, owner))
        closer = owner.split(len(encloser) + 1)[1]
        _add(message.authority, cover(zone, closer if zone.nsec3 else owner))
        return _target(node[CNAME][0]) if found == CNAME and rdtype != CNAME else None
    _negative(zone, owner, None, message, encloser)
    return None


def _ancestors(zone: Zone, owner: Name) -> c.Iterator[Name]:
    for depth in range(len(zone.origin), len(owner) + 1):
        yield owner.split(depth)[1]


def _target(data: bytes) -> Name:
    return dns.name.from_wire(data, 0)[0]


def _dname(zone: Zone, above: Name, owner: Name, message: Message) -> Name | None:
    message.answer.extend(rrset(zone, above, DNAME))
    try:
        target = owner.relativize(above).concatenate(_target(zone.nodes[above][DNAME][0]))
    except dns.name.NameTooLong:
        message.rcode = YXDOMAIN
        return None
    message.answer.append(Record(owner, CNAME, target.to_digestable()))
    return target


def _referral(zone: Zone, cut: Name, message: Message) -> None:
    message.authoritative = False
    message.authority.extend(rrset(zone, cut, NS))
    if DS in zone.nodes[cut]:
        message.authority.extend(rrset(zone, cut, DS))
    else:
        _add(message.authority, absence(zone, cut))


def _glue(zone: Zone, message: Message) -> None:
    for record in [*message.answer, *message.authority]:
        if record.rdtype == NS:
            target = _target(record.data)
            _add(message.sections[2], [Record(target, A, data) for data in zone.nodes.get(target, {}).get(A, [])])


def _negative(zone: Zone, owner: Name, match: Name | None, message: Message, encloser: Name | None = None) -> None:
    message.authority.extend(rrset(zone, zone.origin, SOA))
    if match is not None:
        _add(message.authority, absence(zone, match))
        return
    assert encloser is not None
    wildcard = Name((b"*", *encloser.labels))
    if zone.nsec3:
        _add(message.authority, matching3(zone, encloser))
        _add(message.authority, cover(zone, owner.split(len(encloser) + 1)[1]))
    else:
        _add(message.authority, cover(zone, owner))
    _add(message.authority, absence(zone, wildcard) if zone.exists(wildcard) else cover(zone, wildcard))


def _add(section: list[Record], records: list[Record]) -> None:
    section.extend(record for record in records if record not in section)


def absence(zone: Zone, owner: Name) -> list[Record]:
    """Return the denial records that show which types an existing name has."""
    if not zone.nsec3:
        return rrset(zone, owner, NSEC) if NSEC in zone.nodes.get(owner, {}) else cover(zone, owner)
    found = matching3(zone, owner)
    if found:
        return found
    encloser = owner.parent()
    while not matching3(zone, encloser):
        if encloser == zone.origin:
            return []
        encloser = encloser.parent()
    return matching3(zone, encloser) + cover(zone, owner.split(len(encloser) + 1)[1])


def matching3(zone: Zone, owner: Name) -> list[Record]:
    assert zone.nsec3
    hashed = zone.hash_owner(nsec3_hash(owner, zone.nsec3))
    return rrset(zone, hashed, NSEC3)


def cover(zone: Zone, owner: Name) -> list[Record]:
    """Return the denial record whose gap ``owner`` falls into, by where the records stand."""
    if zone.nsec3:
        wanted = zone.hash_owner(nsec3_hash(owner, zone.nsec3))
        holders = sorted(known for known, node in zone.nodes.items() if NSEC3 in node)
        rdtype = NSEC3
    else:
        wanted, rdtype = owner, NSEC
        holders = sorted(known for known, node in zone.nodes.items() if NSEC in node)
    if not holders:
        return []
    before = [holder for holder in holders if holder < wanted]
    return rrset(zone, before[-1] if before else holders[-1], rdtype)


def _query(data: bytes) -> tuple[int, int, Name, int, int] | None:
    """Take a query apart: identifier, flags, name, type, UDP payload; None for what is not a query."""
    if len(data) < 17:
        return None
    ident, flags = struct.unpack_from("!HH", data)
    try:
        owner, used = dns.name.from_wire(data, 12)
    except Exception:  # noqa: BLE001  # whatever it is, it is not ours to answer
        return None
    (rdtype,) = struct.unpack_from("!H", data, 12 + used)
    rest = data[12 + used + 4 :]
    payload = struct.unpack_from("!H", rest, 3)[0] if len(rest) >= 11 and rest[1:3] == b"\0\x29" else 512
    return ident, flags, owner.canonicalize(), rdtype, max(512, payload)


class Responder:
    """Serves a world on UDP and TCP of one address, as a context manager; ``port`` is chosen when 0."""

    def __init__(self, world: World, address: str = SERVER, port: int = 0) -> None:
        self._world = world
        outer = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                answer = outer._respond(data, True)
                if answer:
                    sock.sendto(answer, self.client_address)

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(5)
                try:
                    while size := self._exactly(2):
                        answer = outer._respond(self._exactly(struct.unpack("!H", size)[0]), False)
                        if not answer:
                            return
                        self.request.sendall(struct.pack("!H", len(answer)) + answer)
                except OSError:
                    return

            def _exactly(self, size: int) -> bytes:
                data = b""
                while len(data) < size:
                    more = self.request.recv(size - len(data))
                    if not more:
                        return b""
                    data += more
                return data

        class UdpServer(socketserver.ThreadingUDPServer):
            allow_reuse_address = True
            daemon_threads = True

        class TcpServer(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 128

        self._udp = UdpServer((address, port), Udp)
        self._udp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.address, self.port = address, self._udp.server_address[1]
        self._tcp = TcpServer((address, self.port), Tcp)

    def _respond(self, data: bytes, udp: bool) -> bytes | None:
        query = _query(data)
        if query is None:
            return None
        ident, flags, owner, rdtype, payload = query
        message = self._world.respond(owner, rdtype)
        return message.to_wire((owner, rdtype), ident, flags, payload if udp else 65535)

    def __enter__(self) -> Responder:
        for server in (self._udp, self._tcp):
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_args: object) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()
