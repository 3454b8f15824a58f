# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One DNS question to one server: UDP, and TCP where the answer does not fit (RFC 7766).

Nothing is judged here but the form of the answer. Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.rdataclass
    import dns.rdatatype
    import dns.rdtypes.ANY.TLSA
    import dns.tsig

    # Senders ignore a TLSA record whose digest has the wrong length (RFC 6698 section 4.1). dnspython refuses the whole
    # message instead, so that the audit could not show such a record.
    dns.rdtypes.ANY.TLSA.TLSA._cert_length_by_mtype = {}

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.tsig_key import TsigKey

#: Largest UDP answer asked for: what gets through unfragmented nearly everywhere (DNS flag day 2020).
_UDP_BYTES: t.Final = 1232


class ExchangeError(Exception):
    """No answer, or none that parses.

    ``reason`` is ``dns-timeout``, ``dns-unreachable``, ``dns-malformed``, or ``dns-tsig`` when server and client do not
    agree about the signature; then ``detail`` goes on after the name of the server.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def question(name: dns.name.Name, rdtype: str, checking_disabled: bool = False) -> dns.message.Message:
    """Return a recursive query with EDNS, DO and AD set, and CD where validation is not wanted."""
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=_UDP_BYTES, want_dnssec=True)
    query.flags |= dns.flags.AD | dns.flags.RD
    if checking_disabled:
        query.flags |= dns.flags.CD
    return query


def sign(message: dns.message.Message, key: TsigKey) -> None:
    """Have ``message`` signed with ``key`` (RFC 8945) each time that it is sent."""
    message.use_tsig(
        dns.tsig.Key(dns.name.from_text(f"{key.name}."), key.secret, dns.name.from_text(f"{key.algorithm}."))
    )


def tsig_fault(error: Exception, key: str) -> str | None:
    """Say what a server reported about the signature of a request, to go on after its name; None for other errors."""
    if isinstance(error, dns.tsig.PeerBadKey):
        return (
            f"does not know the TSIG key {key} with this algorithm (BADKEY): set the key up there, or give its name "
            "and algorithm as the server has them"
        )
    if isinstance(error, dns.tsig.PeerBadSignature):
        return f"has another secret for the TSIG key {key} (BADSIG): give the secret that stands there"
    if isinstance(error, dns.tsig.PeerBadTime | dns.tsig.BadTime):
        return "has a clock that differs too much from the one of this machine for TSIG (BADTIME): synchronise them"
    return None


async def exchange(
    query: dns.message.Message, server: Server, seconds: float, over_tcp: bool = False
) -> dns.message.Message:
    """Send ``query`` to ``server`` and return what it answers, within ``seconds`` in all.

    UDP, and TCP where the answer is truncated, unless ``over_tcp``. Raises ExchangeError.
    """
    wire = query.to_wire()
    try:
        async with asyncio.timeout(seconds):
            if not over_tcp:
                answer = _parse(query, await _udp(wire, server), server)
                if not answer.flags & dns.flags.TC:
                    return answer
            answer = _parse(query, await _tcp(wire, server), server)
            if answer.flags & dns.flags.TC:
                raise ExchangeError("dns-malformed", f"{server} cuts its answer off over TCP, too")
            return answer
    except TimeoutError as error:
        raise ExchangeError("dns-timeout", f"{server} did not answer within {seconds:g} seconds") from error
    except (OSError, asyncio.IncompleteReadError) as error:
        errno = getattr(error, "errno", None)
        words = os.strerror(errno) if errno else "it closed the connection"
        raise ExchangeError("dns-unreachable", f"{server}: {words}") from error


def _parse(query: dns.message.Message, wire: bytes, server: Server) -> dns.message.Message:
    try:
        answer = dns.message.from_wire(wire, keyring=query.keyring, request_mac=query.mac)
    except dns.message.Truncated as error:
        answer = error.message()  # type: ignore[no-untyped-call]
    except (
        dns.tsig.PeerError,
        dns.tsig.BadTime,
        dns.tsig.BadSignature,
        dns.tsig.BadKey,
        dns.tsig.BadAlgorithm,
    ) as error:
        raise ExchangeError("dns-tsig", _tsig_words(query, error)) from None
    except (dns.exception.DNSException, ValueError) as error:
        kind = type(error).__name__
        raise ExchangeError("dns-malformed", f"the answer of {server} does not parse ({kind})") from error
    if not query.is_response(answer):
        raise ExchangeError("dns-malformed", f"the answer of {server} is one to another question")
    return answer


def _tsig_words(query: dns.message.Message, error: Exception) -> str:
    names = (query.keyname, query.keyalgorithm)
    key = "{} ({})".format(*(text_name(name) if name else "" for name in names))
    return tsig_fault(error, key) or f"gives an answer that does not verify with the TSIG key {key}: {error}"


class _Datagrams(asyncio.DatagramProtocol):
    """Waits for the first datagram that carries ``identifier``; anything else is none of our business."""

    def __init__(self, identifier: bytes) -> None:
        self._identifier = identifier
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._identifier and not self.reply.done():
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def _udp(wire: bytes, server: Server) -> bytes:
    # A connected socket of its own: the kernel picks a fresh port, drops strangers and reports refusals.
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(wire[:2]), remote_addr=(server.address, server.port)
    )
    try:
        transport.sendto(wire)
        return await protocol.reply
    finally:
        transport.close()


async def _tcp(wire: bytes, server: Server) -> bytes:
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        writer.write(len(wire).to_bytes(2, "big") + wire)
        await writer.drain()
        length = int.from_bytes(await reader.readexactly(2), "big")
        return await reader.readexactly(length)
    finally:
        writer.close()


def text_name(name: dns.name.Name) -> str:
    """Return ``name`` in lower case without the final dot; '' is the root."""
    return name.canonicalize().to_text(omit_final_dot=True).removesuffix(".") if name.labels != (b"",) else ""
