# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can only be learnt inside a TLS session, through the program ``openssl s_client``.

That is renegotiation, early data, and the chains of TLS 1.3 per type of key.

Python offers none of it. The program gets a fixed list of arguments and an empty configuration, and is ended with its
time. Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import ssl
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ehlo
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.offer import MANY_RENEGOTIATIONS
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint

_OUTPUT_BYTES: t.Final = 262144
#: Every cipher suite of the library, and servers of every age.
_LENIENT: t.Final = ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-legacy_server_connect")
_FINISHED: t.Final = re.compile(rb"SSL_connect:\S+ read finished")
#: A summary is printed after a failed handshake too, with (NONE) as cipher.
_SESSION: t.Final = re.compile(rb"Cipher is [A-Z]")
_EARLY_DATA: t.Final = re.compile(rb"Max Early Data: ([0-9]{1,10})")
_PEM: t.Final = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_REASON: t.Final = re.compile(rb"error:[0-9A-F]{8}:[^:\n]*:[^:\n]*:([^:\n]{1,120})")
#: What is said when client and server have nothing in common: by the server in an alert, or by our own library.
_NOTHING_SHARED: t.Final = re.compile(
    rb"alert (handshake failure|insufficient security|illegal parameter)|wrong signature type|wrong curve"
)
#: Seconds for the server to answer one renegotiation, or to say goodbye.
_PATIENCE: t.Final = 3.0


class Unclear(Exception):
    """It could not be found out; the message says why."""


def program() -> str | None:
    """Return the path of ``openssl``, None when there is none."""
    return shutil.which("openssl")


async def renegotiations(endpoint: Endpoint, server_name: str | None, ehlo_name: str, seconds: float) -> int:
    """Return how many renegotiations the server grants to a client, up to ``MANY_RENEGOTIATIONS``.

    Before TLS 1.3, which has none. Raises Unclear.
    """
    async with _session(endpoint, server_name, ehlo_name, (*_LENIENT, "-no_tls1_3", "-state"), seconds) as session:
        await session.until(_handshakes(1), "the handshake")
        for granted in range(MANY_RENEGOTIATIONS):
            await session.say(b"R\n")
            try:
                async with asyncio.timeout(_PATIENCE):
                    await session.until(_handshakes(granted + 2), "renegotiation")
            except TimeoutError:
                # A server may also ignore the request (RFC 5246 section 7.4.1.1).
                return granted
            except Unclear:
                # The server said no, or cut the connection rather than go on.
                return granted
        return MANY_RENEGOTIATIONS


async def early_data(endpoint: Endpoint, server_name: str | None, ehlo_name: str, seconds: float) -> int:
    """Return how many bytes of early data the tickets of the server allow (RFC 8446 section 4.2.10); none is sent.

    Raises Unclear.
    """
    arguments = (*_LENIENT, "-tls1_3", "-nocommands", "-crlf")
    async with _session(endpoint, server_name, ehlo_name, arguments, seconds) as session:
        await session.until(lambda heard: bool(_SESSION.search(heard)), "the handshake")
        # Tickets come before anything the server says inside TLS, so its goodbye proves that there are no more.
        await session.say(b"QUIT\n")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await session.rest()
        session.end()
        await session.rest()
        return max((int(found) for found in _EARLY_DATA.findall(session.heard)), default=0)


def _handshakes(number: int) -> t.Callable[[bytes], bool]:
    return lambda heard: len(_FINISHED.findall(heard)) >= number


async def chain_for(
    endpoint: Endpoint, server_name: str | None, ehlo_name: str, seconds: float, schemes: str
) -> tuple[bytes, ...]:
    """Return the chain that the server presents in TLS 1.3 (raw DER) to a client that takes only ``schemes``.

    ``schemes`` is a list of OpenSSL names; empty when the server has no key for any of them. Raises Unclear.
    """
    arguments = (*_LENIENT, "-tls1_3", "-showcerts", "-sigalgs", schemes)
    async with _session(endpoint, server_name, ehlo_name, arguments, seconds) as session:
        try:
            await session.until(lambda heard: bool(_SESSION.search(heard)), "the handshake")
        except Unclear:
            if b"alert handshake failure" in session.heard:
                return ()
            raise
        # The certificate of the server is shown once more after the chain.
        chain, _rest, _again = session.heard.partition(b"\nServer certificate\n")
        return tuple(ssl.PEM_cert_to_DER_cert(pem.decode("ascii")) for pem in _PEM.findall(chain))


async def shakes_hands(
    endpoint: Endpoint, server_name: str | None, ehlo_name: str, seconds: float, offer: tuple[str, ...]
) -> bool:
    """Say whether the server shakes hands with a client that offers what the options ``offer`` say. Raises Unclear."""
    async with _session(endpoint, server_name, ehlo_name, ("-legacy_server_connect", *offer), seconds) as session:
        try:
            await session.until(lambda heard: bool(_SESSION.search(heard)), "the handshake")
        except Unclear:
            if _NOTHING_SHARED.search(session.heard):
                return False
            raise
        return True


class _Session:
    """One run of the program; ``heard`` is all it has written, on either stream."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.heard = b""

    async def say(self, line: bytes) -> None:
        writer = self._process.stdin
        # When the program is gone its output says why.
        with contextlib.suppress(OSError):
            if writer is not None:
                writer.write(line)
                await writer.drain()

    def end(self) -> None:
        """Close the input, at which the program writes out what it has and leaves."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def rest(self) -> None:
        """Read until the program has left."""
        with contextlib.suppress(Unclear):
            await self.until(lambda _heard: False, "the goodbye")

    async def until(self, done: t.Callable[[bytes], bool], what: str) -> None:
        """Read until ``done``. Raises Unclear when the program ends first or writes too much."""
        reader = self._process.stdout
        while not done(self.heard):
            data = await reader.read(65536) if reader is not None else b""
            if not data:
                reason = _REASON.search(self.heard)
                words = printable(reason[1], 120) if reason else "the connection ended"
                raise Unclear(f"openssl s_client, {what}: {words}")
            self.heard += data
            if len(self.heard) > _OUTPUT_BYTES:
                raise Unclear(f"openssl s_client, {what}: more than {_OUTPUT_BYTES} bytes of output")


@contextlib.asynccontextmanager
async def _session(
    endpoint: Endpoint, server_name: str | None, ehlo_name: str, arguments: tuple[str, ...], seconds: float
) -> c.AsyncIterator[_Session]:
    path = program()
    if path is None:
        raise Unclear("the program openssl is not installed where this runs")
    ehlo_name = ehlo.towards(ehlo_name, endpoint.address)
    sni = ("-noservername",) if server_name is None else ("-servername", server_name)
    command = (path, "s_client", "-connect", str(endpoint), "-starttls", "smtp", "-name", ehlo_name, *sni, *arguments)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.defpath, "LC_ALL": "C", "OPENSSL_CONF": os.devnull},
    )
    try:
        async with asyncio.timeout(seconds):
            yield _Session(process)
    except TimeoutError as error:
        raise Unclear(f"openssl s_client: not done after {seconds:g} seconds") from error
    finally:
        # Not process.kill(), which may take the exit status away from the event loop that waits for it.
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)
        await process.wait()
