# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One RRset at every authoritative address of its zone, over UDP and TCP, with what goes wrong on the way.

Resolvers are asked where the name servers are, never what is true. Nothing is judged here. Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.authority import (
    AuthorityError,
    addresses,
    find_name_servers,
    find_zone,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dns.message import name_text, of_type, signatures
from ansible_collections.mailsec.dane.plugins.module_utils._dns.query import Unanswered, ask
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Delegation, Signature, Status
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.flags
    import dns.name
    import dns.rcode
    import dns.rdatatype

if t.TYPE_CHECKING:
    import collections.abc as c

    import dns.message
    import dns.rrset

_PORT: t.Final = 53
_MAX_SERVERS: t.Final = 32
#: Some say where the zone is, and are not to hold up the rest for long.
_SERVERS_TO_TRY: t.Final = 4
_LONGEST_RDATA: t.Final = 1000


@dataclasses.dataclass(frozen=True)
class Said:
    """What one address answered to the question, over one transport.

    ``records`` is sorted presentation format, ``ttl`` in seconds; both are empty unless ``SERVED``. ``signatures``
    are those over the RRset, or over the SOA record of its denial. ``detail`` is a sentence for whatever is neither
    ``SERVED`` nor ``ABSENT``.
    """

    status: Status
    detail: str = ""
    records: tuple[str, ...] = ()
    ttl: int | None = None
    signatures: tuple[Signature, ...] = ()

    def is_signed(self, now: datetime.datetime) -> bool:
        """Whether some signature is within its time at ``now`` (aware); whether it is a good one is not known here."""
        return any(signature.inception <= now <= signature.expiration for signature in self.signatures)

    @property
    def is_answer(self) -> bool:
        """Whether it tells what the zone holds: an RRset, an alias, or an authoritative no."""
        return self.status in (Status.SERVED, Status.ABSENT, Status.ALIAS)


@dataclasses.dataclass(frozen=True)
class ServerView:
    """One authoritative address.

    ``serial`` and ``refresh`` (seconds) are those of the zone's SOA record, None when it could not be had, although it
    was asked for in the same moment. ``denies_parent``: the name above the RRset is said not to exist.
    ``nsec3_iterations`` is how often names are hashed again where the zone has NSEC3 (RFC 5155 section 4), else None.
    """

    server: Server
    udp: Said
    tcp: Said
    serial: int | None = None
    refresh: int | None = None
    denies_parent: bool = False
    nsec3_iterations: int | None = None


@dataclasses.dataclass(frozen=True)
class ZoneView:
    """The RRset of ``rdtype`` at ``owner`` as seen at all authoritative addresses of the zone that holds it.

    ``fault`` is a sentence when the zone or its servers could not be learnt; there may be views all the same.
    ``unseen`` has the name servers (or addresses) that were not asked, each with a sentence.
    """

    owner: str
    rdtype: str
    zone: str | None
    views: tuple[ServerView, ...] = ()
    delegation: Delegation = dataclasses.field(default_factory=lambda: Delegation(()))
    unseen: tuple[tuple[str, str], ...] = ()
    fault: str = ""


class ZoneLook:
    """Looks at zones; one per run, within one event loop. Each zone and each RRset is looked at once per run.

    ``may_ask`` says which addresses may be asked at all, ``timeout`` is in seconds for one question.
    """

    def __init__(
        self,
        resolvers: c.Sequence[Server],
        timeout: float,
        may_ask: c.Callable[[str], bool],
        concurrency: int = 32,
        port: int = _PORT,
    ) -> None:
        self._resolvers = tuple(resolvers)
        self._timeout = timeout
        self._may_ask = may_ask
        self._room = asyncio.Semaphore(concurrency)
        self._port = port
        self._zones: dict[str, asyncio.Task[tuple[Delegation, str]]] = {}
        self._seen: dict[tuple[str, str], asyncio.Task[ZoneView]] = {}

    async def look(self, owner: str, rdtype: str) -> ZoneView:
        """Look at ``rdtype`` at ``owner``, which is not an alias. Never raises for what the DNS does."""
        key = (owner, rdtype)
        if key not in self._seen:
            self._seen[key] = asyncio.ensure_future(self._look(owner, rdtype))
        return await asyncio.shield(self._seen[key])

    async def _look(self, owner: str, rdtype: str) -> ZoneView:
        if not self._resolvers:
            return ZoneView(owner, rdtype, None, fault="there is no resolver that could say where the zone is")
        zone, fault = await self._zoneof_type(owner)
        if zone is None:
            return ZoneView(owner, rdtype, None, fault=fault)
        if zone not in self._zones:
            self._zones[zone] = asyncio.ensure_future(self._delegation(zone))
        delegation, fault = await asyncio.shield(self._zones[zone])
        unseen = sorted(delegation.unresolved)
        servers: list[Server] = []
        # Name servers turn the order of their answers, and a result that is the same shall look the same.
        for server in sorted(delegation.servers, key=str):
            if self._may_ask(server.address):
                servers.append(server)
            else:
                unseen.append((str(server), "the Internet does not route this address (RFC 6890)"))
        views = await asyncio.gather(*(self._view(server, zone, owner, rdtype) for server in servers))
        return ZoneView(owner, rdtype, zone, tuple(views), delegation, tuple(unseen), fault)

    async def _zoneof_type(self, owner: str) -> tuple[str | None, str]:
        fault = ""
        for resolver in self._resolvers:
            try:
                async with self._room:
                    return await find_zone(resolver, owner, self._timeout, recursive=True), ""
            except AuthorityError as error:
                fault = str(error)
        return None, fault

    async def _delegation(self, zone: str) -> tuple[Delegation, str]:
        """Both NS sets, through the first server that knows its own; what a resolver knows where none does."""
        names, fault = await self._names(zone)
        found: list[Server] = []
        unresolved: list[tuple[str, str]] = []
        for name, (literals, why) in zip(
            names,
            await asyncio.gather(*(addresses(name, None, self._resolvers, self._timeout) for name in names)),
            strict=True,
        ):
            found += [Server(literal, self._port, name=name) for literal in literals]
            if why:
                unresolved.append((name, why))
        for server in [server for server in found if self._may_ask(server.address)][:_SERVERS_TO_TRY]:
            try:
                return await find_name_servers(
                    zone, server, self._resolvers, self._timeout, self._port, self._may_ask
                ), ""
            except AuthorityError as error:
                fault = str(error)
        return Delegation(tuple(found), tuple(unresolved)), fault or f"zone {zone or '.'} has no name server"

    async def _names(self, zone: str) -> tuple[list[str], str]:
        fault = ""
        for resolver in self._resolvers:
            reply = await ask(resolver, f"{zone}.", "NS", self._timeout, recursive=True)
            if not isinstance(reply, Unanswered):
                names = [name_text(rdata.target) for rrset in of_type(reply.answer, "NS") for rdata in rrset]
                return names[:_MAX_SERVERS], ""
            fault = f"the name servers of zone {zone or '.'} could not be learnt: {resolver} {reply.detail}"
        return [], fault

    async def _view(self, server: Server, zone: str, owner: str, rdtype: str) -> ServerView:
        async with self._room:
            wanted = f"{owner}."
            udp, tcp, soa, nsec3, parent = await asyncio.gather(
                ask(server, wanted, rdtype, self._timeout),
                ask(server, wanted, rdtype, self._timeout, over_tcp=True),
                ask(server, f"{zone}.", "SOA", self._timeout),
                ask(server, f"{zone}.", "NSEC3PARAM", self._timeout),
                ask(server, wanted.partition(".")[2] or ".", "A", self._timeout),
            )
        own = _at_apex(soa, "SOA", zone)
        hashing = [rdata.iterations for rrset in _at_apex(nsec3, "NSEC3PARAM", zone) for rdata in rrset]
        return ServerView(
            server,
            _read(udp, zone, owner, rdtype),
            _read(tcp, zone, owner, rdtype),
            own[0][0].serial if own else None,
            own[0][0].refresh if own else None,
            not isinstance(parent, Unanswered) and parent.rcode() == dns.rcode.NXDOMAIN,
            max(hashing, default=None),
        )


def _at_apex(reply: dns.message.QueryMessage | Unanswered, rdtype: str, zone: str) -> list[t.Any]:
    return (
        [] if isinstance(reply, Unanswered) or not reply.flags & dns.flags.AA else of_type(reply.answer, rdtype, zone)
    )


def _read(reply: dns.message.QueryMessage | Unanswered, zone: str, owner: str, rdtype: str) -> Said:
    if isinstance(reply, Unanswered):
        return Said(Status(reply.failure.value), reply.detail)
    if not reply.flags & dns.flags.AA:
        return Said(Status.LAME, f"does not serve zone {zone or '.'}: its answer is not authoritative")
    here = of_type(reply.answer, rdtype, owner)
    if here:
        records = tuple(sorted(_shown(rdata) for rdata in here[0]))
        return Said(Status.SERVED, "", records, here[0].ttl, signatures(reply.answer, here[0]))
    aliases = of_type(reply.answer, "CNAME", owner)
    if aliases:
        return Said(Status.ALIAS, f"has an alias there, to {name_text(aliases[0][0].target)}")
    denials = of_type(reply.authority, "SOA", zone)
    if denials:
        return Said(Status.ABSENT, signatures=signatures(reply.authority, denials[0]))
    return Said(Status.LAME, f"does not serve zone {zone or '.'}: it answers with neither data nor its SOA record")


def _shown(rdata: t.Any) -> str:
    if rdata.rdtype == dns.rdatatype.TLSA:
        # The library breaks long data into pieces.
        return f"{rdata.usage} {rdata.selector} {rdata.mtype} {rdata.cert.hex()}"
    return printable(rdata.to_text(), _LONGEST_RDATA)
