# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A TCP connection that hands out bytes as they come, never more than was agreed.

Time is bounded by the caller. Private to the collection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import typing as t

_RECEIVE_BYTES: t.Final = 32768


class Flooded(Exception):
    """The peer sent more bytes than the connection may carry; the message says how many those are."""


class Channel(t.Protocol):
    """A stream of bytes in both directions."""

    async def receive(self) -> bytes:
        """Return the next bytes, ``b""`` at the end of the stream. Raises OSError and :class:`Flooded`."""

    async def send(self, data: bytes) -> None:
        """Write all of ``data``. Raises OSError."""


class TcpChannel:
    """A TCP connection to one address; ``max_bytes`` bounds what is ever read from it."""

    def __init__(self, sock: socket.socket, max_bytes: int) -> None:
        self._sock = sock
        self._max_bytes = max_bytes
        self._left = max_bytes

    @classmethod
    async def connect(cls, address: str, port: int, max_bytes: int) -> TcpChannel:
        """Connect to the IP literal ``address``. Raises OSError; ValueError when it is not a literal."""
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return cls(sock, max_bytes)

    async def receive(self) -> bytes:
        """Return the next bytes, ``b""`` at the end of the stream. Raises OSError and :class:`Flooded`."""
        data = await asyncio.get_running_loop().sock_recv(self._sock, _RECEIVE_BYTES)
        self._left -= len(data)
        if self._left < 0:
            raise Flooded(f"the server sent more than {self._max_bytes} bytes")
        return data

    async def send(self, data: bytes) -> None:
        """Write all of ``data``. Raises OSError."""
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    def close(self) -> None:
        """Close the connection, at once."""
        self._sock.close()
