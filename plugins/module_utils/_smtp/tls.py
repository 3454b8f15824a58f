# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS as a witness: shake hands with any server, old ones included, and keep what it presented.

Nothing is verified here; what the chain is worth is judged elsewhere. Private to the collection.
"""

from __future__ import annotations

import _ssl
import contextlib
import functools
import ssl
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._smtp.tcp import Channel

#: What ``key_type`` may be -> OpenSSL cipher string that leaves the server only keys of that type.
KEY_TYPES: t.Final[t.Mapping[str, str]] = {"rsa": "aRSA", "ecdsa": "aECDSA"}
#: What a client takes that insists on no type of key: first what all senders know, then everything else there is.
_ANY_KEY: t.Final = (
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:DHE+AESGCM:DHE+CHACHA20:DHE+AESCCM:RSA+AESGCM:RSA+AESCCM:-AESCCM8"
    ":ECDHE+AES+SHA1:DHE+AES+SHA1:RSA+AES+SHA1:ALL"
)
#: Level 0, so that servers whose keys and digests are too weak are seen and reported instead of failed.
_RESTRICTIONS: t.Final = "!aNULL:!eNULL:@SECLEVEL=0"
#: SSL_OP_LEGACY_SERVER_CONNECT: servers without RFC 5746. Python names it from 3.12 on.
_LEGACY_SERVER_CONNECT: t.Final = 0x4
_HEARD_BYTES: t.Final = 65536


class HandshakeClosed(Exception):
    """The server ended the stream before the handshake was done."""


@functools.cache
def witness_context(key_type: str | None = None) -> ssl.SSLContext:
    """Return a context that accepts any certificate and every protocol version this OpenSSL still speaks.

    ``key_type`` (a key of :data:`KEY_TYPES`) makes the server present a key of that type. It ends at
    TLS 1.2, because the signature algorithms of TLS 1.3 cannot be chosen through Python.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if key_type is not None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{_ANY_KEY if key_type is None else KEY_TYPES[key_type]}:{_RESTRICTIONS}")
    context.options |= ssl.Options(_LEGACY_SERVER_CONNECT) | ssl.OP_NO_RENEGOTIATION
    return context


def presented_chain(connection: ssl.SSLObject) -> tuple[tuple[bytes, ...], bool]:
    """Return the chain as the server sent it (raw DER, leaf first) and whether it is the whole of it.

    Python makes the function public from 3.13 on; 3.10 to 3.12 have it one level deeper. Where an
    interpreter has neither, the leaf alone is returned and the second value is False.
    """
    inner = getattr(connection, "_sslobj", None)
    getter = getattr(connection, "get_unverified_chain", None) or getattr(inner, "get_unverified_chain", None)
    chain = tuple(
        entry if isinstance(entry, bytes) else bytes(entry.public_bytes(_ssl.ENCODING_DER))
        for entry in (getter() if getter else None) or ()
    )
    if chain:
        return chain, True
    leaf = connection.getpeercert(binary_form=True)
    return ((leaf,) if leaf else ()), False


class TlsChannel:
    """TLS over another channel, which it leaves open. ``server_name`` is sent as SNI (RFC 6066) unless None."""

    def __init__(self, lower: Channel, context: ssl.SSLContext, server_name: str | None) -> None:
        self._lower = lower
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.connection = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        #: The first bytes the server sent in the handshake.
        self.heard = b""

    async def handshake(self) -> None:
        """Shake hands. Raises ssl.SSLError, HandshakeClosed, and what the lower channel raises."""
        while True:
            try:
                self.connection.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._lower.receive()
                if not data:
                    raise HandshakeClosed("the server closed the connection") from None
                self.heard += data[: _HEARD_BYTES - len(self.heard)]
                self._incoming.write(data)
            except ssl.SSLError:
                # The alert that tells the server why; when it cannot be sent the first error says more.
                with contextlib.suppress(OSError):
                    await self._flush()
                raise
            else:
                await self._flush()
                return

    async def receive(self) -> bytes:
        """Return the next decrypted bytes, ``b""`` at the end of the stream. Raises ssl.SSLError and OSError."""
        while True:
            try:
                return self.connection.read(16384)
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._lower.receive()
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def send(self, data: bytes) -> None:
        """Encrypt and write all of ``data``. Raises ssl.SSLError and OSError."""
        self.connection.write(data)
        await self._flush()

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            await self._lower.send(data)
