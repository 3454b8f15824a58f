# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A name server for tests that answers as it is told, over UDP and TCP, within a running event loop.

For faults only: what real resolvers do is tested with real resolvers.
"""

from __future__ import annotations

import asyncio
import collections.abc as c

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from support import loopback

Answer = dns.message.Message | bytes | None
Handler = c.Callable[[dns.message.Message], Answer]

#: Stands in for a signature; whoever believes the AD bit does not look inside.
_RRSIG = "{type} 13 1 300 20300101000000 20200101000000 1 . AAAA"


def reply(
    query: dns.message.Message,
    *lines: str,
    authentic: bool = True,
    signed: bool = True,
    rcode: int = dns.rcode.NOERROR,
) -> dns.message.Message:
    """An answer with the records of ``lines`` (zone file form), each RRset signed, or with a SOA instead."""
    answer = dns.message.make_response(query, recursion_available=True)
    answer.set_rcode(rcode)
    if authentic:
        answer.flags |= dns.flags.AD
    section = answer.answer if lines else answer.authority
    for line in lines or ([". 300 IN SOA a. b. 1 2 3 4 5"] if rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) else []):
        name, ttl, _in, rdtype, rdata = line.split(None, 4)
        section.append(dns.rrset.from_text(name, int(ttl), "IN", rdtype, rdata))
        if signed:
            section.append(dns.rrset.from_text(name, int(ttl), "IN", "RRSIG", _RRSIG.format(type=rdtype)))
    return answer


def validating(handler: Handler) -> Handler:
    """``handler`` behind what a validating resolver says when it is put to the proof."""

    def answer(query: dns.message.Message) -> Answer:
        asked = query.question[0].name.to_text()
        if asked == ".":
            return reply(query, ". 300 IN SOA a. b. 1 2 3 4 5")
        if asked in ("localhost.", "_localdnsstub."):
            return reply(query, rcode=dns.rcode.NXDOMAIN)
        return handler(query)

    return answer


class DnsResponder:
    """The server; ``async with`` serves, ``port`` is where (0: any), ``asked`` has the questions in order."""

    def __init__(self, handler: Handler, tcp_handler: Handler | None = None, port: int = 0) -> None:
        self.port = port
        self.asked: list[str] = []
        self._handler = handler
        self._tcp_handler = tcp_handler or handler

    async def __aenter__(self) -> DnsResponder:
        udp, tcp = loopback.pair(self.port)
        self.port = tcp.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, sock=tcp)
        self._udp, _protocol = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Udp(self), sock=udp)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._udp.close()
        self._server.close()

    def answer(self, wire: bytes, tcp: bool = False) -> bytes | None:
        query = dns.message.from_wire(wire)
        asked = query.question[0]
        self.asked.append(
            f"{asked.name} {dns.rdatatype.to_text(asked.rdtype)}{' cd' * bool(query.flags & dns.flags.CD)}"
        )
        made = (self._tcp_handler if tcp else self._handler)(query)
        if not isinstance(made, dns.message.Message):
            return made
        # Not in another order each time: libdane stops at the first record that it cannot cope with.
        sent = made.to_wire(max_size=65535, want_shuffle=False)
        if tcp or len(sent) <= max(512, query.payload):
            return sent
        short = dns.message.make_response(query, recursion_available=True)
        short.flags |= dns.flags.TC
        return short.to_wire()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        made = self.answer(await reader.readexactly(length), tcp=True)
        if made is not None:
            writer.write(len(made).to_bytes(2, "big") + made)
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsResponder) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        made = self._server.answer(data)
        if made is not None:
            self._transport.sendto(made, addr)  # type: ignore[attr-defined]  # it is a datagram transport
