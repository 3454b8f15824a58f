# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands before a real name server and does one thing to what passes, as devices and old software do."""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

#: What is done to the answer to a query; None is silence.
Twist = Callable[[dns.message.Message, dns.message.Message], dns.message.Message | None]


def without_tlsa(query: dns.message.Message, answer: dns.message.Message) -> dns.message.Message | None:
    return None if query.question[0].rdtype == dns.rdatatype.TLSA else answer


def without_empty_non_terminals(query: dns.message.Message, answer: dns.message.Message) -> dns.message.Message:
    if query.question[0].name.labels[0] == b"_tcp":
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer


def without_authority(_query: dns.message.Message, answer: dns.message.Message) -> dns.message.Message:
    answer.flags &= ~dns.flags.AA
    return answer


def as_if_validated(_query: dns.message.Message, answer: dns.message.Message) -> dns.message.Message:
    answer.flags |= dns.flags.AD
    return answer


def unchanged(_query: dns.message.Message, answer: dns.message.Message) -> dns.message.Message:
    return answer


def silent(_query: dns.message.Message, _answer: dns.message.Message) -> None:
    return None


@contextlib.contextmanager
def proxy(address: str, port: int, behind: str, twist: Twist, tcp: bool = True) -> Iterator[None]:
    """Answer at ``address`` as the server ``behind`` at the same port does, after ``twist``."""

    def passed(wire: bytes) -> bytes | None:
        query = dns.message.from_wire(wire)
        answer = twist(query, dns.query.udp(query, behind, timeout=5, port=port))
        return None if answer is None else answer.to_wire(max_size=65535)

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            answer = passed(self.request[0])
            if answer is not None:
                self.request[1].sendto(answer, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (length,) = struct.unpack("!H", self.rfile.read(2))
            answer = passed(self.rfile.read(length))
            if answer is not None:
                self.wfile.write(struct.pack("!H", len(answer)) + answer)

    servers: list[socketserver.BaseServer] = [socketserver.ThreadingUDPServer((address, port), Udp)]
    if tcp:
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        servers.append(socketserver.ThreadingTCPServer((address, port), Tcp))
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
