# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One GET over HTTPS from one address, within bounds of bytes and time. No redirects. Private to the collection."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import ssl
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

_MAX_HEADER_BYTES: t.Final = 16384


class HttpsError(Exception):
    """No such response; ``untrusted`` when the certificate is the reason. The message is a sentence without subject."""

    def __init__(self, message: str, untrusted: bool = False) -> None:
        super().__init__(message)
        self.untrusted = untrusted


class Response(t.NamedTuple):
    """Status, media type (lower case, without parameters) and content."""

    status: int
    media_type: str
    content: bytes


class _Bytes:
    """What ``http.client`` takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


async def get(
    address: str, port: int, name: str, path: str, context: ssl.SSLContext, max_bytes: int, seconds: float
) -> Response:
    """Fetch ``https://<name><path>`` from ``address``, with at most ``max_bytes`` of content. Raises HttpsError."""
    try:
        async with asyncio.timeout(seconds):
            data = await _exchange(address, port, name, path, context, max_bytes)
    except TimeoutError as error:
        raise HttpsError(f"did not finish within {seconds:g} seconds") from error
    except ssl.SSLCertVerificationError as error:
        raise HttpsError(f"has a certificate that does not do: {printable(error.verify_message)}", True) from error
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or str(error)
        raise HttpsError(f"does not talk HTTPS: {printable(why)}") from error
    return _parse(data, max_bytes)


async def _exchange(address: str, port: int, name: str, path: str, context: ssl.SSLContext, max_bytes: int) -> bytes:
    reader, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    try:
        # HTTP/1.0: whatever comes ends with the connection, and is in one piece.
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {name}\r\nUser-Agent: mailsec.dane\r\n\r\n".encode("ascii"))
        await writer.drain()
        data = b""
        while len(data) <= _MAX_HEADER_BYTES + max_bytes:
            more = await reader.read(65536)
            if not more:
                break
            data += more
        return data
    finally:
        writer.close()
        # The peer may have gone already, and what matters has been read.
        with contextlib.suppress(OSError):
            await asyncio.wait_for(writer.wait_closed(), 1)


def _parse(data: bytes, max_bytes: int) -> Response:
    if data.partition(b"\r\n\r\n")[0].count(b"\n") > 200 or len(data.partition(b"\r\n\r\n")[2]) > max_bytes:
        raise HttpsError(f"sends more than {max_bytes} bytes, or too many header lines")
    response = http.client.HTTPResponse(t.cast("t.Any", _Bytes(data)))
    try:
        response.begin()
        content = response.read()
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise HttpsError(f"does not answer in HTTP: {printable(str(error) or type(error).__name__)}") from error
    return Response(response.status, response.headers.get_content_type(), content)
