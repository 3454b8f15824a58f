# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace a TLSA RRset by a dynamic update (RFC 2136) that fails when the RRset is not what was expected.

The whole change is one message, and the server makes it all or not at all. Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import struct
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns import transport
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.rcode
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    import dns.tsig
    import dns.update

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, TlsaRrset
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.tsig_key import TsigKey


class Refusal(enum.Enum):
    """Why an update was not made, or why it is not known whether it was (``UNANSWERED``, ``UNSIGNED_REPLY``)."""

    CHANGED_MEANWHILE = "changed-meanwhile"
    BAD_KEY = "bad-key"
    BAD_SIGNATURE = "bad-signature"
    BAD_TIME = "bad-time"
    NOT_AUTHORITATIVE = "not-authoritative"
    REFUSED = "refused"
    NOT_IN_ZONE = "not-in-zone"
    NOT_SUPPORTED = "not-supported"
    SERVER_FAILURE = "server-failure"
    UNREACHABLE = "unreachable"
    UNANSWERED = "unanswered"
    UNSIGNED_REPLY = "unsigned-reply"
    MALFORMED = "malformed"


class UpdateError(Exception):
    """The update did not succeed; the message is a sentence without any secret."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


async def replace_rrset(
    server: Server,
    zone: str,
    expected: TlsaRrset,
    wanted: TlsaRrset,
    key: TsigKey | None,
    timeout: float,
    attempts: int = 3,
    wildcard: str = "",
) -> None:
    """Make ``wanted`` the TLSA RRset at its owner, on condition that the records there are those of ``expected``.

    An RRset without records stands for none at all. With ``wildcard`` the condition is that the records of ``expected``
    stand at that name, and none at the owner: a condition looks at the names as they are in the zone, without wildcards
    (RFC 2136 section 2.4). Without ``key`` the update is not signed. Each of ``attempts`` has
    ``timeout`` seconds; repeating is harmless, because the condition no longer holds once the change is made: then
    CHANGED_MEANWHILE is reported, and only a look at the server tells by whom. Raises UpdateError, and
    ValueError when ``wanted`` has records but no TTL.
    """
    if wanted.records and wanted.ttl is None:
        raise ValueError(f"the RRset wanted at {wanted.owner} has no TTL")
    for left in reversed(range(attempts)):
        # A new message each time: its signature carries the time.
        message = _message(zone, expected, wanted, key, wildcard)
        try:
            async with asyncio.timeout(timeout):
                wire = await _transact(message.to_wire(), server)
        except TimeoutError:
            if not left:
                said = f"{server} gave no answer to the update within {timeout:g} seconds, {attempts} times"
                raise UpdateError(Refusal.UNANSWERED, said) from None
        except EOFError:
            if not left:
                said = f"{server} closed the connection without an answer to the update, {attempts} times"
                raise UpdateError(Refusal.UNANSWERED, said) from None
        except OSError as error:
            said = f"{server} cannot be reached for the update (over TCP): {error.strerror or error}"
            raise UpdateError(Refusal.UNREACHABLE, said) from error
        else:
            _check(wire, message, server, zone, wanted.owner, key)
            return


def _tsig_refusal(error: Exception) -> Refusal:
    if isinstance(error, dns.tsig.PeerBadKey):
        return Refusal.BAD_KEY
    return Refusal.BAD_SIGNATURE if isinstance(error, dns.tsig.PeerBadSignature) else Refusal.BAD_TIME


def _message(
    zone: str, expected: TlsaRrset, wanted: TlsaRrset, key: TsigKey | None, wildcard: str
) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(dns.name.from_text(f"{zone}."))
    owner = dns.name.from_text(f"{wanted.owner}.")
    if wildcard or not expected.records:
        message.absent(owner, "TLSA")
    if expected.records:
        source = dns.name.from_text(f"{wildcard}.") if wildcard else owner
        message.present(source, *(_rdata(record) for record in expected.records))
    message.delete(owner, "TLSA")
    if wanted.records:
        message.add(owner, wanted.ttl, *(_rdata(record) for record in wanted.records))
    if key:
        transport.sign(message, key)
    return message


def _rdata(record: TlsaRecord) -> dns.rdata.Rdata:
    # Bytes as they stand: the library's own class refuses broken records, which must be replaced all the same.
    return dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.TLSA, record.to_wire())


async def _transact(wire: bytes, server: Server) -> bytes:
    """Send one message over TCP, whose handshake shows that nobody answers in the server's place, and read one."""
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        writer.write(struct.pack("!H", len(wire)) + wire)
        await writer.drain()
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _check(
    wire: bytes, sent: dns.update.UpdateMessage, server: Server, zone: str, owner: str, key: TsigKey | None
) -> None:
    """Raise UpdateError unless ``wire`` is a genuine answer to ``sent`` and says that the update was made."""
    try:
        reply = _parse(wire, sent, server, key)
    except (
        dns.tsig.PeerError,
        dns.tsig.BadTime,
        dns.tsig.BadSignature,
        dns.tsig.BadKey,
        dns.tsig.BadAlgorithm,
    ) as error:
        fault = transport.tsig_fault(error, str(key))
        if fault:
            raise UpdateError(_tsig_refusal(error), f"{server} {fault}") from None
        said = f"the answer of {server} to the update does not verify with the TSIG key {key}: {error}"
        raise UpdateError(Refusal.UNSIGNED_REPLY, said) from None
    except (dns.exception.DNSException, ValueError, LookupError) as error:
        said = f"the answer of {server} to the update cannot be read: {printable(str(error), 120)}"
        raise UpdateError(Refusal.MALFORMED, said) from error
    if not sent.is_response(reply):
        raise UpdateError(Refusal.MALFORMED, f"the answer of {server} is not one to the update that was sent")
    rcode = reply.rcode()
    if rcode != dns.rcode.NOERROR:
        refusal, meaning = _meaning(rcode, zone, owner, key)
        raise UpdateError(refusal, f"{server} answers {dns.rcode.to_text(rcode)} to the update of {owner}: {meaning}")
    if key and not reply.had_tsig:
        said = f"{server} says that the update was made, but does not sign that with the TSIG key {key}"
        raise UpdateError(Refusal.UNSIGNED_REPLY, said)


def _parse(wire: bytes, sent: dns.update.UpdateMessage, server: Server, key: TsigKey | None) -> dns.message.Message:
    if key is None or not _is_signed(wire):
        # An unsigned answer proves nothing, but its error code still tells people what to look for.
        return dns.message.from_wire(wire)
    return dns.message.from_wire(wire, keyring=sent.keyring, request_mac=sent.mac)


def _is_signed(wire: bytes) -> bool:
    try:
        dns.message.from_wire(wire)
    except dns.message.UnknownTSIGKey:
        return True
    return False


def _meaning(rcode: int, zone: str, owner: str, key: TsigKey | None) -> tuple[Refusal, str]:
    name = zone or "."
    known: dict[int, tuple[Refusal, str]] = {
        dns.rcode.NXRRSET: (Refusal.CHANGED_MEANWHILE, "the RRset there is not the expected one"),
        dns.rcode.YXRRSET: (Refusal.CHANGED_MEANWHILE, "there is an RRset, and none was expected"),
        dns.rcode.NXDOMAIN: (Refusal.CHANGED_MEANWHILE, "the name does not exist any more"),
        dns.rcode.YXDOMAIN: (Refusal.CHANGED_MEANWHILE, "the name exists, and was expected not to"),
        dns.rcode.REFUSED: (
            Refusal.REFUSED,
            f"its policy does not let {_key(key)} change TLSA records at this name, or zone {name} is frozen, or it is "
            f"not the primary of the zone. {_ask_the_server(name)}",
        ),
        dns.rcode.NOTAUTH: (
            Refusal.NOT_AUTHORITATIVE,
            f"it is not the primary of zone {name}"
            + (f", or does not accept the TSIG key {key}" if key else "")
            + f". {_ask_the_server(name)}",
        ),
        dns.rcode.NOTZONE: (Refusal.NOT_IN_ZONE, f"the name does not lie in zone {name}"),
        dns.rcode.NOTIMP: (
            Refusal.NOT_SUPPORTED,
            "it does not take dynamic updates (RFC 2136). Give as server the one that does, or switch them on there "
            "(PowerDNS: dnsupdate=yes in pdns.conf)",
        ),
        dns.rcode.SERVFAIL: (
            Refusal.SERVER_FAILURE,
            f"it failed to make the change: zone {name} is not loaded or frozen, or the server cannot write its zone "
            f"file or journal; its log says which. {_ask_the_server(name)}",
        ),
    }
    return known.get(rcode, (Refusal.MALFORMED, "it does not understand the update"))


def _ask_the_server(zone: str) -> str:
    """Return the commands that tell which of several causes it is, and those that help."""
    return (
        f"On the name server, BIND: 'rndc zonestatus {zone}' shows type and frozen; 'rndc thaw {zone}' ends the "
        f"freeze; update-policy or allow-update of the zone names the key. Knot: 'knotc zone-status {zone}' shows role "
        f"and freeze; 'knotc zone-thaw {zone}' ends the freeze; an acl of the zone has the key and action update. "
        f"PowerDNS: 'pdnsutil show-zone {zone}' shows the kind and TSIG-ALLOW-DNSUPDATE; pdns.conf has dnsupdate=yes"
    )


def _key(key: TsigKey | None) -> str:
    return str(key) if key else "an unsigned update"
