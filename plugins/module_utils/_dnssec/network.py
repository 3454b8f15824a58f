# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS over UDP and TCP, the rim of the validator: one question to one server (RFC 1035 section 4.2, RFC 7766).

Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
import socket
import struct
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import AskFailed, Wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.worth import Offers, Worth

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name

#: RFC 9715 section 3: small enough not to be fragmented.
_UDP_PAYLOAD: t.Final = 1232
_MAX_STRAY: t.Final = 64
_RD: t.Final = 0x0100
_AD: t.Final = 0x0020
_CD: t.Final = 0x0010
_TC: t.Final = 0x0200
#: RCODEs of answers: NOERROR, NXDOMAIN, YXDOMAIN.
_ANSWERS: t.Final = (0, 3, 6)


@dataclasses.dataclass(frozen=True)
class Patience:
    """Seconds to wait for one response over UDP and TCP, and how many times to ask a server over UDP."""

    udp: float = 2.0
    tcp: float = 5.0
    tries: int = 2


def query(name: dns.name.Name, rdtype: int, recursive: bool, checking_disabled: bool = True) -> bytes:
    """Return a query with EDNS and the DO bit, with a fresh identifier (RFC 4035 section 3.2.1)."""
    flags = (_RD if recursive else 0) | (_CD if checking_disabled else _AD)
    header = struct.pack("!HHHHHH", secrets.randbits(16), flags, 1, 0, 0, 1)
    edns = struct.pack("!BHHIH", 0, 41, _UDP_PAYLOAD, 0x8000, 0)
    return header + name.to_digestable() + struct.pack("!HH", rdtype, 1) + edns


async def exchange(server: Server, message: bytes, patience: Patience) -> bytes:
    """Send ``message`` over UDP, and over TCP if the response is truncated; raises AskFailed."""
    for left in range(patience.tries - 1, -1, -1):
        try:
            async with asyncio.timeout(patience.udp):
                response = await _udp(server, message)
            break
        except TimeoutError as error:
            if not left:
                raise AskFailed("dns-timeout", f"no response from {server}") from error
        except OSError as error:
            raise AskFailed("dns-unreachable", f"{server}: {error.strerror or error}") from error
    if not struct.unpack_from("!H", response, 2)[0] & _TC:
        return response
    try:
        async with asyncio.timeout(patience.tcp):
            return await _tcp(server, message)
    except TimeoutError as error:
        raise AskFailed("dns-timeout", f"no response from {server} over TCP") from error
    except asyncio.IncompleteReadError as error:
        raise AskFailed("dns-malformed", f"{server} ends its response over TCP early") from error
    except OSError as error:
        raise AskFailed("dns-unreachable", f"{server} over TCP: {error.strerror or error}") from error


def _belongs(message: bytes, response: bytes) -> bool:
    """Say whether ``response`` has the identifier and the question of ``message``."""
    end = message.index(b"\0", 12) + 5
    if len(response) < 12 or response[:2] != message[:2] or not response[2] & 0x80:
        return False
    if response[4:6] == b"\0\0":
        # Some servers leave out the question when they report an error. Anything else could answer any question.
        return response[3] & 0x0F not in _ANSWERS
    return response[12:end].lower() == message[12:end].lower()


async def _udp(server: Server, message: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        # A connected socket hears of refused ports, and of nobody but the server.
        sock.connect((server.address, server.port))
        sock.send(message)
        for _stray in range(_MAX_STRAY):
            response = await loop.sock_recv(sock, 65535)
            if _belongs(message, response):
                return response
    raise TimeoutError


async def _tcp(server: Server, message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        writer.write(struct.pack("!H", len(message)) + message)
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        response = await reader.readexactly(size)
    finally:
        writer.close()
    if not _belongs(message, response):
        raise AskFailed("dns-malformed", f"{server} answers another question over TCP")
    return response


class Memory:
    """Which servers have stayed silent. They are asked after all others, so that they cost their time once."""

    def __init__(self) -> None:
        self._silent: set[Server] = set()

    async def exchange(self, server: Server, message: bytes, patience: Patience) -> bytes:
        """Do what ``exchange`` does, and remember how it went."""
        try:
            response = await exchange(server, message, patience)
        except AskFailed as error:
            if error.code in ("dns-timeout", "dns-unreachable"):
                self._silent.add(server)
            raise
        self._silent.discard(server)
        return response

    def is_silent(self, server: Server) -> bool:
        """Say whether ``server`` did not answer when it was asked last."""
        return server in self._silent


class Recursive:
    """A network function that asks recursive resolvers with CD and DO set.

    The next one is asked until one gives an answer with which nothing is wrong (see ``worth``). At most
    ``concurrency`` questions are under way at once.
    """

    def __init__(self, servers: t.Sequence[Server], patience: Patience | None = None, concurrency: int = 64) -> None:
        if not servers:
            raise ValueError("no name server given")
        self.servers = tuple(servers)
        self._patience = patience or Patience()
        self._room = asyncio.Semaphore(concurrency)
        self._memory = Memory()

    async def __call__(self, name: dns.name.Name, rdtype: int, avoid: frozenset[str]) -> Wire:
        """Ask; see ``questions.Ask``."""
        offers = Offers(name, rdtype, None)
        for server in sorted(self.servers, key=lambda one: (str(one) in avoid, self._memory.is_silent(one))):
            try:
                async with self._room:
                    data = await self._memory.exchange(server, query(name, rdtype, recursive=True), self._patience)
            except AskFailed as error:
                offers.failed(error)
                continue
            reading, _reply = offers.add(data, str(server))
            if reading.worth is Worth.SOUND:
                break
        return offers.best()
