# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name servers that do not serve what they are said to serve, or break what they send, beside good ones.

A kind takes the right answer of a server and returns what it sends instead, None for silence.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import struct
import typing as t

import dns.name
import signer as s
import world as zoo_world
from responder import Message, Record, Responder, World, _query
from signer import DS, NS, NSEC, RRSIG, SOA, A, Key, Name, Zone, name

ROOT, PARENT_1, PARENT_2, FIRST, SECOND = (f"127.53.56.{number}" for number in (1, 2, 3, 11, 12))
#: The zones of the tests: with and without signatures, each with both name servers outside of it and without glue.
SIGNED, UNSIGNED, HALF = "signed.alpha", "victim.alpha", "half.alpha"


@dataclasses.dataclass
class Asked:
    """One question to a server: the right answer, and how it came."""

    owner: Name
    rdtype: int
    query: bytes
    good: bytes
    message: Message
    udp: bool

    @property
    def ident(self) -> int:
        return int(struct.unpack_from("!H", self.query)[0])

    def send(self, message: Message, **more: t.Any) -> bytes:
        flags = struct.unpack_from("!H", self.query, 2)[0]
        return message.to_wire((self.owner, self.rdtype), self.ident, flags, **more)

    def zone(self, depth: int) -> Name:
        return self.owner.split(min(depth, len(self.owner)))[1]


Kind = c.Callable[[Asked], bytes | None]


def soa(owner: str) -> Record:
    data = name("ns.elsewhere").to_wire() + name("hostmaster").to_wire() + struct.pack("!5I", 1, 3600, 600, 86400, 300)
    return Record(name(owner), SOA, data)


def ns(owner: Name) -> Record:
    return Record(owner, NS, name("ns1.beta").to_wire())


def sends(rcode: int, authoritative: bool, authority: c.Callable[[Asked], list[Record]] = lambda _asked: []) -> Kind:
    return lambda asked: asked.send(Message(rcode, authoritative, ([], authority(asked), [])))


def _strip(message: Message, *types: int) -> Message:
    sections = tuple([record for record in section if record.rdtype not in types] for section in message.sections)
    return Message(message.rcode, message.authoritative, t.cast(t.Any, sections))


def another_question(asked: Asked) -> bytes:
    other = name("another.question")
    message = Message()
    message.answer.append(Record(other, A, bytes([192, 0, 2, 66])))
    return message.to_wire((other, A), asked.ident)


def forged(asked: Asked) -> Message:
    message = Message()
    message.answer.append(Record(asked.owner, A, bytes([192, 0, 2, 66])))
    return message


def no_question(asked: Asked) -> bytes:
    data = asked.send(forged(asked))
    end = 12 + len(asked.owner.to_wire()) + 4
    return data[:4] + b"\0\0" + data[6:12] + data[end:]


def truncated(over_tcp: Kind) -> Kind:
    """TC over UDP; ``over_tcp`` is what happens then."""
    return lambda asked: asked.send(asked.message, limit=20) if asked.udp else over_tcp(asked)


def other_ident(asked: Asked) -> bytes:
    return struct.pack("!H", asked.ident ^ 1) + asked.send(forged(asked))[2:]


def no_ds(asked: Asked) -> bytes:
    """Data without signatures, and nothing at all for DS, as forwarders without DNSSEC do."""
    if asked.rdtype == DS:
        return asked.send(Message(0, True))
    return asked.send(_strip(asked.message, RRSIG, NSEC, DS))


def below(asked: Asked) -> list[Record]:
    return [ns(asked.owner)]


def with_data(data: bytes) -> Kind:
    """A server that has this data in every record."""
    return lambda asked: asked.send(Message(0, True, ([Record(asked.owner, asked.rdtype, data)], [], [])))


#: Kinds that deny, refuse or stay silent, whatever is asked for.
LAME: dict[str, Kind] = {
    "silent": lambda _asked: None,
    "refused": sends(5, False),
    "servfail": sends(2, False),
    "formerr": sends(1, False),
    "notimp": sends(4, False),
    "notauth": sends(9, False),
    "upward-referral": sends(0, False, lambda _asked: [ns(dns.name.root)]),
    "upward-referral-aa": sends(0, True, lambda _asked: [ns(dns.name.root)]),
    "referral-to-parent": sends(0, False, lambda asked: [ns(asked.zone(2))]),
    "referral-to-itself": sends(0, False, lambda asked: [ns(asked.zone(3))]),
    "referral-to-itself-aa": sends(0, True, lambda asked: [ns(asked.zone(3))]),
    "referral-elsewhere": sends(0, False, lambda _asked: [ns(name("elsewhere"))]),
    "referral-below-aa": sends(0, True, below),
    "referral-below": sends(0, False, below),
    "empty": sends(0, False),
    "empty-aa": sends(0, True),
    "nxdomain": sends(3, False),
    "nxdomain-aa": sends(3, True),
    "nxdomain-referral": sends(3, False, lambda _asked: [ns(dns.name.root)]),
    "nxdomain-referral-aa": sends(3, True, lambda _asked: [ns(dns.name.root)]),
    "nodata-of-root": sends(0, True, lambda _asked: [soa(".")]),
    "nxdomain-of-root": sends(3, True, lambda _asked: [soa(".")]),
    "nodata-of-parent": sends(0, True, lambda _asked: [soa("alpha")]),
    "nxdomain-of-sibling": sends(3, True, lambda _asked: [soa("other.alpha")]),
    "nxdomain-of-stranger": sends(3, True, lambda _asked: [soa("elsewhere")]),
    "nodata-without-authority": sends(0, False, lambda asked: [Record(asked.zone(3), SOA, soa(".").data)]),
    "nxdomain-without-authority": sends(3, False, lambda asked: [Record(asked.zone(3), SOA, soa(".").data)]),
    "yxdomain": sends(6, True),
    "another-question": another_question,
    "no-question": no_question,
    "other-ident": other_ident,
    "cut-off": lambda asked: asked.good[:-7] if len(asked.good) > 60 else asked.good[:20],
    "garbage": lambda asked: asked.query[:2] + b"\x84\0" + b"\xff" * 40,
    "other-names": lambda asked: asked.send(Message(0, True, ([Record(name("elsewhere"), A, bytes(4))], [], []))),
    "data-too-short": with_data(b"\1"),
    # For a TLSA record that is data, and no more of a lie than any other.
    "data-too-long": lambda asked: with_data(b"\1" if asked.rdtype == s.TLSA else b"\0\x0a\1a\0" + bytes(20))(asked),
    "tcp-silent": truncated(lambda _asked: None),
    "tcp-refused": truncated(sends(5, False)),
    "tcp-truncated": truncated(lambda asked: asked.send(asked.message, limit=20)),
    "tcp-other-ident": truncated(other_ident),
    "tcp-another-question": truncated(another_question),
    "tcp-no-question": truncated(no_question),
    "tcp-cut-off": truncated(lambda asked: asked.good[:-7]),
    "tcp-empty": truncated(lambda _asked: b""),
    "tcp-nxdomain": truncated(sends(3, False)),
}
#: Kinds that answer, and spoil what makes an answer of a signed zone valid.
STRIPPING: dict[str, Kind] = {
    "no-signatures": lambda asked: asked.send(_strip(asked.message, RRSIG)),
    "no-denials": lambda asked: asked.send(_strip(asked.message, NSEC, RRSIG)),
    "no-authority": lambda asked: asked.send(Message(asked.message.rcode, True, (asked.message.answer, [], []))),
    "no-dnssec": no_ds,
    "servfail-for-ds": lambda asked: asked.send(Message(2)) if asked.rdtype == DS else asked.good,
    "nothing-for-ds": lambda asked: asked.send(Message(0, True)) if asked.rdtype == DS else asked.good,
    "servfail-for-dnskey": lambda asked: asked.send(Message(2)) if asked.rdtype == s.DNSKEY else asked.good,
    "nothing-for-dnskey": lambda asked: asked.send(Message(0, True)) if asked.rdtype == s.DNSKEY else asked.good,
}


class Server(Responder):
    """A server that does what ``kind`` makes of the right answers; it counts the questions."""

    def __init__(self, world: World, address: str, port: int = 0, kind: Kind | None = None) -> None:
        super().__init__(world, address, port)
        self.kind = kind
        self.asked: list[tuple[Name, int, bool]] = []

    def _respond(self, data: bytes, udp: bool) -> bytes | None:
        query = _query(data)
        good = super()._respond(data, udp)
        if query is None or good is None:
            return good
        _ident, _flags, owner, rdtype, _payload = query
        self.asked.append((owner, rdtype, udp))
        if self.kind is None:
            return good
        return self.kind(Asked(owner, rdtype, data, good, self._world.respond(owner, rdtype), udp))


def _zone(origin: str, signed: bool = True) -> Zone:
    keys = (Key(f"{origin} ksk", 13, 257), Key(f"{origin} zsk", 13, 256)) if signed else (None, None)
    zone = Zone(name(origin), *keys)
    zone.add(zone.origin, SOA, "ns.elsewhere. h.elsewhere. 1 3600 600 86400 300")
    return zone


def build() -> tuple[World, World, World, Key]:
    """Return the worlds of the root, of the parent zone and of the zones below it, and the key of the root."""
    root, alpha = _zone("."), _zone("alpha")
    others = [_zone("beta", False), _zone("gamma", False)]
    signed, unsigned, half = _zone(SIGNED), _zone(UNSIGNED, False), _zone(HALF, False)
    for zone in (signed, unsigned, half):
        zoo_world.fill(zone)
        del zone.nodes[zone.origin][SOA][1:]
        zone.nodes[zone.origin][NS] = [name("ns1.beta").to_wire(), name("ns2.gamma").to_wire()]
        zone.add(zone.origin, s.MX, f"20 mx2.{zone.origin}")
    for host, address, zone in (("ns1", FIRST, others[0]), ("ns2", SECOND, others[1])):
        zone.add(name(f"{host}.{zone.origin}"), A, address)
    half.nodes[half.origin][NS] = [name(f"ns1.{HALF}").to_wire(), name("ns2.gamma").to_wire()]
    half.add(name(f"ns1.{HALF}"), A, FIRST)
    for zone in (signed, unsigned):
        alpha.add(zone.origin, NS, "ns1.beta.", "ns2.gamma.")
    alpha.add(half.origin, NS, f"ns1.{HALF}.", "ns2.gamma.")
    alpha.add(name(f"ns1.{HALF}"), A, FIRST)
    assert signed.ksk
    alpha.add(signed.origin, DS, signed.ksk.ds(signed.origin))
    root.add(name("alpha"), NS, "ns1.alpha.", "ns2.alpha.")
    for number, address in ((1, PARENT_1), (2, PARENT_2)):
        root.add(name(f"ns{number}.alpha"), A, address)
        alpha.add(name(f"ns{number}.alpha"), A, address)
        alpha.add(alpha.origin, NS, f"ns{number}.alpha.")
    assert alpha.ksk and root.ksk
    root.add(name("alpha"), DS, alpha.ksk.ds(alpha.origin))
    for zone in others:
        root.add(zone.origin, NS, "ns.root.")
        zone.add(zone.origin, NS, "ns.root.")
    root.add(name("ns.root"), A, ROOT)
    root.add(root.origin, NS, "ns.root.")
    worlds = World(), World(), World()
    for world, zones in zip(worlds, ([root, *others], [alpha], [signed, unsigned, half]), strict=True):
        for zone in zones:
            zone.sign()
            world.zones[zone.origin] = zone
    return *worlds, root.ksk


@dataclasses.dataclass
class Net:
    """A small Internet in which single servers can be given a kind. ``port`` is that of all of them."""

    servers: dict[str, Server]
    port: int
    anchor: str

    def all_good(self) -> None:
        for server in self.servers.values():
            server.kind = None
            server.asked.clear()


@contextlib.contextmanager
def net(port: int = 0) -> c.Iterator[Net]:
    """Run the servers."""
    root, alpha, zones, key = build()
    places = {ROOT: root, PARENT_1: alpha, PARENT_2: alpha, FIRST: zones, SECOND: zones}
    with contextlib.ExitStack() as stack:
        servers: dict[str, Server] = {}
        for address, world in places.items():
            servers[address] = Server(world, address, port)
            port = servers[address].port
            stack.enter_context(servers[address])
        yield Net(servers, port, f". IN DS {key.ds(dns.name.root)}")
