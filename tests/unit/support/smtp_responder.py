# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An SMTP server for tests that does right, or precisely one thing wrong.

``Behaviour`` says what it sends and when it goes wrong; ``Responder`` serves it on loopback within a
running event loop, ``running`` in a thread of its own for tests that are not asynchronous.
"""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import dataclasses
import socket
import ssl
import struct
import threading
import weakref

#: Where a fault can strike: before the bytes of that stage are sent.
STAGES = ("greeting", "ehlo", "starttls", "handshake", "ehlo-tls", "quit")


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """What the server sends, and where it goes wrong.

    ``greeting``, ``ehlo``, ``helo``, ``starttls``, ``ehlo_tls`` and ``quit`` are sent as they stand (``ehlo_tls`` None:
    the same as ``ehlo`` without STARTTLS). ``after_ready`` goes out in one segment with the reply to STARTTLS.
    At the named stage (see STAGES) the server: closes (``close_at``), sends a reset (``reset_at``), says nothing
    any more (``stall_at``), waits first (``delay_at``, ``delay_seconds``), sends one byte per ``drip_seconds``
    (``drip_at``), repeats a line for ever (``flood_at`` with ``flood``). What a client sends in the clear behind
    STARTTLS is ``dropped``, or executed ``inside`` TLS or in the ``clear`` (``behind_starttls``). ``raw_handshake`` is
    sent in answer to the ClientHello instead of TLS; ``handshake_bytes`` closes the connection after that many bytes of
    its own handshake.
    """

    greeting: bytes = b"220 mx.example.nl ESMTP\r\n"
    ehlo: bytes = b"250-mx.example.nl\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250 8BITMIME\r\n"
    helo: bytes = b"250 mx.example.nl\r\n"
    starttls: bytes = b"220 2.0.0 Ready to start TLS\r\n"
    after_ready: bytes = b""
    ehlo_tls: bytes | None = None
    quit: bytes = b"221 2.0.0 Bye\r\n"
    close_at: str = ""
    reset_at: str = ""
    stall_at: str = ""
    drip_at: str = ""
    drip_seconds: float = 0.05
    delay_at: str = ""
    delay_seconds: float = 0.0
    flood_at: str = ""
    flood: bytes = b"250-more\r\n"
    behind_starttls: str = "dropped"
    raw_handshake: bytes | None = None
    handshake_bytes: int | None = None


@dataclasses.dataclass
class Session:
    """What one client did: its commands before and inside TLS, and the SNI it sent."""

    commands: list[str] = dataclasses.field(default_factory=list)
    commands_tls: list[str] = dataclasses.field(default_factory=list)
    server_name: str | None = None


#: One context serves many clients at once, and its callback tells them apart by the TLS object only.
_CONNECTIONS: weakref.WeakKeyDictionary[ssl.SSLObject, _Connection] = weakref.WeakKeyDictionary()


def _on_server_name(tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
    connection = _CONNECTIONS[tls]
    connection.session.server_name = name
    tls.context = connection.contexts_by_name.get(name or "", context)


class _Over(Exception):
    """The server has done what it was to do."""


class Responder:
    """The server; ``async with`` serves, ``port`` is where.

    ``sessions`` has one entry per client, in order. ``contexts_by_name`` has the contexts for server names (SNI)
    that get another chain than the default one.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        behaviour: Behaviour | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.address = address
        self.port = port
        self.sessions: list[Session] = []
        self.contexts_by_name: dict[str, ssl.SSLContext] = {}
        self._context = context
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Responder:
        self._server = await asyncio.start_server(self._accept, self.address, self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        session = Session()
        self.sessions.append(session)
        # A client may leave at any time; a test server has nobody to tell.
        with contextlib.suppress(_Over, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            await _Connection(self, self._context, session, reader, writer).serve()
        writer.close()


class _Connection:
    def __init__(
        self,
        responder: Responder,
        context: ssl.SSLContext | None,
        session: Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.session = session
        self.contexts_by_name = responder.contexts_by_name
        self._behaviour = responder.behaviour
        self._context = context
        self._reader = reader
        self._writer = writer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._buffer = b""

    async def serve(self) -> None:
        behaviour = self._behaviour
        await self._say("greeting", behaviour.greeting)
        while True:
            command = await self._command()
            inside = self._tls is not None
            (self.session.commands_tls if inside else self.session.commands).append(command)
            verb = command.partition(" ")[0].upper()
            if verb == "EHLO" and inside:
                await self._say("ehlo-tls", self._ehlo_inside())
            elif verb == "EHLO":
                await self._say("ehlo", behaviour.ehlo)
            elif verb == "HELO":
                await self._say("helo", behaviour.helo)
            elif verb == "STARTTLS" and not inside:
                await self._say("starttls", behaviour.starttls + behaviour.after_ready)
                if self._buffer and behaviour.behind_starttls == "clear":
                    continue
                if behaviour.starttls.startswith(b"2"):
                    await self._shake_hands()
            elif verb in ("NOOP", "MAIL", "RCPT"):
                await self._send(b"250 2.0.0 Ok\r\n")
            elif verb == "DATA":
                await self._send(b"354 End with a dot\r\n")
                while await self._command() != ".":
                    pass
                await self._send(b"250 2.0.0 Ok\r\n")
            elif verb == "QUIT":
                await self._say("quit", behaviour.quit)
                return
            else:
                await self._send(b"502 5.5.2 Command not recognized\r\n")

    def _ehlo_inside(self) -> bytes:
        if self._behaviour.ehlo_tls is not None:
            return self._behaviour.ehlo_tls
        return self._behaviour.ehlo.replace(b"250-STARTTLS\r\n", b"")

    async def _say(self, stage: str, data: bytes) -> None:
        behaviour = self._behaviour
        await self._strike(stage)
        if behaviour.flood_at == stage:
            while True:
                await self._send(behaviour.flood * 200)
        if behaviour.drip_at == stage:
            for byte in data:
                await self._send(bytes([byte]))
                await asyncio.sleep(behaviour.drip_seconds)
            return
        await self._send(data)

    async def _strike(self, stage: str) -> None:
        behaviour = self._behaviour
        if behaviour.close_at == stage:
            raise _Over
        if behaviour.reset_at == stage:
            sock = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
            raise _Over
        if behaviour.delay_at == stage:
            await asyncio.sleep(behaviour.delay_seconds)
        if behaviour.stall_at == stage:
            await asyncio.sleep(3600)

    async def _shake_hands(self) -> None:
        # All that came before the ClientHello is dropped, as RFC 3207 section 4.2 asks.
        if self._behaviour.behind_starttls != "inside":
            self._buffer = b""
        hello = await self._reader.read(65536)
        await self._strike("handshake")
        if self._behaviour.raw_handshake is not None:
            await self._send(self._behaviour.raw_handshake)
            raise _Over
        if self._context is None:
            raise _Over
        tls = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        _CONNECTIONS[tls] = self
        self._context.sni_callback = _on_server_name
        self._incoming.write(hello)
        sent = 0
        while True:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError:
                self._writer.write(self._outgoing.read())
                await self._writer.drain()
                raise
            data = self._outgoing.read()
            if self._behaviour.handshake_bytes is not None:
                data = data[: self._behaviour.handshake_bytes - sent]
            await self._drip_or_write(data)
            sent += len(data)
            if self._behaviour.handshake_bytes is not None and sent >= self._behaviour.handshake_bytes:
                raise _Over
            if done:
                break
            self._incoming.write(await self._reader.read(65536) or self._gone())
        self._tls = tls
        # The client's first command may have come with the end of its handshake.
        self._buffer += self._decrypt(b"")

    async def _drip_or_write(self, data: bytes) -> None:
        step = 1 if self._behaviour.drip_at == "handshake" else max(len(data), 1)
        for at in range(0, len(data), step):
            self._writer.write(data[at : at + step])
            await self._writer.drain()
            if step < len(data):
                await asyncio.sleep(self._behaviour.drip_seconds)

    def _gone(self) -> bytes:
        raise _Over

    async def _command(self) -> str:
        while b"\n" not in self._buffer:
            data = await self._reader.read(65536)
            if not data:
                raise _Over
            self._buffer += self._decrypt(data)
        line, _newline, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")

    def _decrypt(self, data: bytes) -> bytes:
        if self._tls is None:
            return data
        self._incoming.write(data)
        plain = b""
        while True:
            try:
                got = self._tls.read(65536)
            except ssl.SSLWantReadError:
                return plain
            if not got:
                raise _Over
            plain += got

    async def _send(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        self._writer.write(data)
        await self._writer.drain()


@contextlib.contextmanager
def running(*responders: Responder) -> c.Iterator[None]:
    """Serve from a thread of its own, for tests that run something else meanwhile."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait(work: c.Coroutine[object, object, object]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(30)

    try:
        for responder in responders:
            wait(responder.__aenter__())
        yield
    finally:
        for responder in responders:
            wait(responder.__aexit__())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
