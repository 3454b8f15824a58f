# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network function that follows delegations from the root by itself (RFC 1034 section 5.3.3).

What name servers say on the way is not trusted: a false referral leads to answers that do not validate.
Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import wire as dnssec_wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.network import (
    Memory,
    Patience,
    query,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import AskFailed, Wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.root_servers import ROOT_SERVERS
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.worth import Offers, Worth

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name
    import dns.rdata
    from dns.rdtypes.ANY.NS import NS as NsRdata

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.worth import Reading

#: Look-ups of server names within each other (CVE-2020-8616: delegations that cost their reader more than their maker).
_MAX_DEPTH: t.Final = 4
#: The root has 13; more names or addresses of one zone are not used.
_MAX_NAMES: t.Final = 13
_MAX_ADDRESSES: t.Final = 26
#: Bounds of one question: messages sent, and bytes received.
_MAX_MESSAGES: t.Final = 64
_MAX_BYTES: t.Final = 512 * 1024
_MAX_ZONES: t.Final = 50_000
#: How many more servers of a zone are asked when its delegation leads nowhere: one of them may know a newer one.
_MAX_SECOND_OPINIONS: t.Final = 2
#: The part of the patience for a first try: behind a server that stays silent another one may answer at once.
_FIRST_TRY: t.Final = 0.4


class _Spent(AskFailed):
    """The question has cost as much as one question may."""


@dataclasses.dataclass(frozen=True)
class _Delegation:
    """The servers of a zone: names, the addresses that came with them, and names whose addresses did not come.

    An address of a name outside of the delegating zone is hearsay, so that name is in ``unknown`` all the same.
    """

    names: frozenset[dns.name.Name]
    servers: tuple[Server, ...]
    unknown: tuple[dns.name.Name, ...] = ()


@dataclasses.dataclass
class _Errand:
    """What one question has cost so far, which servers it avoids, and which delegations led it nowhere."""

    avoid: frozenset[str]
    messages: int = 0
    bytes: int = 0
    dead: list[tuple[dns.name.Name, frozenset[dns.name.Name]]] = dataclasses.field(default_factory=list)

    def spend(self, name: dns.name.Name) -> None:
        """Count a message about to be sent."""
        if self.messages >= _MAX_MESSAGES or self.bytes > _MAX_BYTES:
            raise _Spent("dns-servfail", f"more than {_MAX_MESSAGES} messages or {_MAX_BYTES} bytes for {name}")
        self.messages += 1


class Iterative:
    """Asks the authoritative servers of each zone, starting at ``hints``; ``port`` is that of all the others.

    Every server is asked, by every name and address that it has, until one gives an answer with which nothing is
    wrong (see ``worth``). ``may_ask`` says which addresses that delegations name may be asked; anybody can publish a
    delegation to any address. The hints are always asked. Delegations are kept for the life of the object.
    """

    def __init__(
        self,
        hints: t.Sequence[Server],
        patience: Patience | None = None,
        concurrency: int = 64,
        port: int = 53,
        may_ask: c.Callable[[str], bool] = lambda _address: True,
    ) -> None:
        if not hints:
            raise ValueError("no root server given")
        self._patience = patience or Patience(udp=1.5, tries=1)
        self._room = asyncio.Semaphore(concurrency)
        self._port = port
        self._may_ask = may_ask
        self._zones = {dns.name.root: _Delegation(frozenset(), tuple(hints))}
        self._addresses: dict[tuple[dns.name.Name, int], tuple[Server, ...]] = {}
        self._memory = Memory()

    async def __call__(self, name: dns.name.Name, rdtype: int, avoid: frozenset[str]) -> Wire:
        """Ask; see ``questions.Ask``."""
        return await self._resolve(name, rdtype, _Errand(avoid), ())

    async def _resolve(
        self, name: dns.name.Name, rdtype: int, errand: _Errand, path: tuple[dns.name.Name, ...]
    ) -> Wire:
        """Ask the servers of the closest zone that is known; where they fail, the zone above may know others."""
        # A DS RRset stands in the zone above the cut (RFC 4035 section 3.1.4.1).
        zone = name.parent() if rdtype == dnssec_wire.DS and name != dns.name.root else name
        first: AskFailed | None = None
        while True:
            while zone not in self._zones:
                zone = zone.parent()
            delegation = self._zones[zone]
            try:
                return await self._descend(zone, delegation, name, rdtype, errand, path)
            except _Spent:
                raise
            except AskFailed as error:
                first = first or error
                if zone == dns.name.root:
                    raise first from error
            self._forget(zone, delegation, errand)
            zone = zone.parent()

    async def _descend(
        self,
        zone: dns.name.Name,
        delegation: _Delegation,
        name: dns.name.Name,
        rdtype: int,
        errand: _Errand,
        path: tuple[dns.name.Name, ...],
    ) -> Wire:
        """Ask the servers of ``zone`` until one answers, or leads to one that does."""
        offers = Offers(name, rdtype, zone)
        doubtful: list[tuple[Reading, dnssec_wire.Reply]] = []
        repeated = 0
        async for server, patience in self._servers(delegation, errand, path):
            errand.spend(name)
            try:
                async with self._room:
                    data = await self._memory.exchange(server, query(name, rdtype, recursive=False), patience)
            except AskFailed as error:
                offers.failed(error)
                continue
            errand.bytes += len(data)
            reading, reply = offers.add(data, str(server))
            if reading.below is not None and reply is not None:
                if (reading.below, self._delegation(zone, reading.below, reply).names) in errand.dead:
                    repeated += 1
                    if repeated >= _MAX_SECOND_OPINIONS:
                        break
                elif reading.worth is Worth.SOUND:
                    wire = await self._follow(zone, reading.below, reply, name, rdtype, errand, path, offers)
                    if wire is not None:
                        return wire
                else:
                    doubtful.append((reading, reply))
            elif reading.worth is Worth.SOUND:
                return offers.best()
        for reading, reply in doubtful:
            if reading.below is not None:
                wire = await self._follow(zone, reading.below, reply, name, rdtype, errand, path, offers)
                if wire is not None:
                    return wire
        return offers.best()

    async def _follow(
        self,
        zone: dns.name.Name,
        below: dns.name.Name,
        reply: dnssec_wire.Reply,
        name: dns.name.Name,
        rdtype: int,
        errand: _Errand,
        path: tuple[dns.name.Name, ...],
        offers: Offers,
    ) -> Wire | None:
        """Ask the servers to which a referral leads; None when they give nothing, which ``offers`` then knows."""
        delegation = self._delegation(zone, below, reply)
        if len(self._zones) >= _MAX_ZONES:
            self._zones = {dns.name.root: self._zones[dns.name.root]}
        self._zones[below] = delegation
        try:
            return await self._descend(below, delegation, name, rdtype, errand, path)
        except _Spent:
            raise
        except AskFailed as error:
            offers.failed(error)
            self._forget(below, delegation, errand)
            return None

    def _forget(self, zone: dns.name.Name, delegation: _Delegation, errand: _Errand) -> None:
        """Do not follow a delegation again on this errand, and have the next one learn it anew."""
        errand.dead.append((zone, delegation.names))
        if self._zones.get(zone) is delegation:
            del self._zones[zone]

    def _delegation(self, zone: dns.name.Name, below: dns.name.Name, reply: dnssec_wire.Reply) -> _Delegation:
        names = _targets(reply, below)[:_MAX_NAMES]
        glue = {name: _glue(name, reply.additional) for name in names}
        addresses = dict.fromkeys(address for name in names for address in glue[name])
        unknown = tuple(name for name in names if not glue[name]) + tuple(
            name for name in names if glue[name] and not name.is_subdomain(zone)
        )
        return _Delegation(frozenset(names), self._usable(addresses), unknown)

    def _usable(self, addresses: t.Iterable[str]) -> tuple[Server, ...]:
        # IPv4 first: not every machine has a way to IPv6 addresses.
        ordered = sorted(filter(self._may_ask, addresses), key=lambda address: ":" in address)
        return tuple(Server(address, self._port) for address in ordered[:_MAX_ADDRESSES])

    async def _servers(
        self, delegation: _Delegation, errand: _Errand, path: tuple[dns.name.Name, ...]
    ) -> c.AsyncIterator[tuple[Server, Patience]]:
        """Yield the servers to ask, and how long to wait for each: those that may do well first.

        Servers that were silent when they were asked last, and those to avoid, come behind all others.
        """
        udp, tcp = self._patience.udp * _FIRST_TRY, self._patience.tcp * _FIRST_TRY
        quick = Patience(udp, tcp, 1)
        done: set[Server] = set()
        late: list[Server] = []
        avoided: list[Server] = []
        async for server in self._addressed(delegation, errand, path):
            if server in done:
                continue
            done.add(server)
            if str(server) in errand.avoid:
                avoided.append(server)
                continue
            if not self._memory.is_silent(server):
                yield server, quick
            if self._memory.is_silent(server):
                late.append(server)
        for server in (*late, *avoided):
            yield server, self._patience

    async def _addressed(
        self, delegation: _Delegation, errand: _Errand, path: tuple[dns.name.Name, ...]
    ) -> c.AsyncIterator[Server]:
        for server in delegation.servers:
            yield server
        for rdtype in (dnssec_wire.A, dnssec_wire.AAAA):
            for name in delegation.unknown:
                for server in await self._look_up(name, rdtype, errand, path):
                    yield server

    async def _look_up(
        self, name: dns.name.Name, rdtype: int, errand: _Errand, path: tuple[dns.name.Name, ...]
    ) -> tuple[Server, ...]:
        """Return the addresses of a name server; none when they cannot be found."""
        known = self._addresses.get((name, rdtype))
        if known is not None:
            return known
        if name in path or len(path) >= _MAX_DEPTH:
            return ()
        inner = _Errand(frozenset(), errand.messages, errand.bytes)
        try:
            wire = await self._resolve(name, rdtype, inner, (*path, name))
            found = self._usable(dict.fromkeys(_glue(name, wire.reply.answer if wire.reply else ())))
        except _Spent:
            raise
        except AskFailed:
            # The next server name or address family may do.
            found = ()
        finally:
            errand.messages, errand.bytes = inner.messages, inner.bytes
        if found or not path:
            if len(self._addresses) >= _MAX_ZONES:
                self._addresses.clear()
            self._addresses[name, rdtype] = found
        return found


def straight(
    root_servers: t.Sequence[Server] | None, patience: Patience | None, may_ask: c.Callable[[str], bool]
) -> Iterative:
    """Start at ``root_servers``, whose port is that of all servers, or at those of the Internet when it is None.

    Raises ValueError when there is none.
    """
    if root_servers is None:
        root_servers = [Server(address) for address in ROOT_SERVERS]
    return Iterative(root_servers, patience, port=root_servers[0].port if root_servers else 53, may_ask=may_ask)


def _targets(reply: dnssec_wire.Reply, below: dns.name.Name) -> list[dns.name.Name]:
    return [
        rdata.target.canonicalize()
        for rrset in reply.authority
        if rrset.rdtype == dnssec_wire.NS and rrset.owner == below
        for rdata in rrset.rdatas
        if isinstance(rdata, NsRdata)
    ]


def _glue(name: dns.name.Name, rrsets: t.Iterable[dnssec_wire.RRset]) -> list[str]:
    return [
        str(rdata)
        for rrset in rrsets
        if rrset.owner == name and rrset.rdtype in (dnssec_wire.A, dnssec_wire.AAAA)
        for rdata in rrset.rdatas
        if not isinstance(rdata, dns.rdata.GenericRdata)
    ]
