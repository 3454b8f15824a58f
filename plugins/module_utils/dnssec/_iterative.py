# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network function that follows delegations from the root by itself (RFC 1034 section 5.3.3).

What name servers say on the way is not trusted: a false referral leads to answers that do not validate.
Private to the collection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils.dnssec import _wire
from ansible_collections.mailsec.dane.plugins.module_utils.dnssec._network import (
    Patience,
    Server,
    exchange,
    query,
)
from ansible_collections.mailsec.dane.plugins.module_utils.dnssec._questions import AskFailed, Wire
from ansible_collections.mailsec.dane.plugins.module_utils.dnssec._root_servers import ROOT_SERVERS

try:
    import dns.name
    import dns.rdata
    from dns.rdtypes.ANY.NS import NS as NsRdata
except ImportError:
    HAS_DNSPYTHON = False
else:
    HAS_DNSPYTHON = True

if t.TYPE_CHECKING:
    import collections.abc as c

_MAX_REFERRALS: t.Final = 24
_MAX_DEPTH: t.Final = 4
_MAX_SERVERS: t.Final = 8
_MAX_QUESTIONS: t.Final = 64
_MAX_ZONES: t.Final = 50_000


@dataclasses.dataclass
class _Errand:
    """What one question has cost so far."""

    attempt: int
    questions: int = 0


class Iterative:
    """Asks the authoritative servers of each zone, starting at ``hints``; ``port`` is that of all the others.

    ``may_ask`` says which addresses that delegations name may be asked; anybody can publish a delegation to any
    address. The hints are always asked. Delegations are kept for the life of the object.
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
        self._zones: dict[dns.name.Name, tuple[Server, ...]] = {dns.name.root: tuple(hints)}

    async def __call__(self, name: dns.name.Name, rdtype: int, attempt: int) -> Wire:
        """Ask; see ``_questions.Ask``."""
        return await self._resolve(name, rdtype, _Errand(attempt), 0)

    async def _resolve(self, name: dns.name.Name, rdtype: int, errand: _Errand, depth: int) -> Wire:
        # A DS RRset stands in the zone above the cut (RFC 4035 section 3.1.4.1).
        target = name.parent() if rdtype == _wire.DS and name != dns.name.root else name
        zone = target
        while zone not in self._zones:
            zone = zone.parent()
        for _referral in range(_MAX_REFERRALS):
            wire = await self._ask(zone, name, rdtype, errand)
            below = await self._referral(wire, zone, target, errand, depth)
            if below is None:
                return wire
            zone = below
        raise AskFailed("dns-servfail", f"more than {_MAX_REFERRALS} referrals on the way to {name}")

    async def _ask(self, zone: dns.name.Name, name: dns.name.Name, rdtype: int, errand: _Errand) -> Wire:
        servers = self._zones[zone]
        start = errand.attempt % len(servers)
        failure: AskFailed | None = None
        refusal: Wire | None = None
        for server in servers[start:] + servers[:start]:
            errand.questions += 1
            if errand.questions > _MAX_QUESTIONS:
                raise AskFailed("dns-servfail", f"more than {_MAX_QUESTIONS} questions on the way to {name}")
            try:
                async with self._room:
                    data = await exchange(server, query(name, rdtype, recursive=False), self._patience)
            except AskFailed as error:
                failure = failure or error
                continue
            if data[3] & 0x0F in (0, 3, 6):
                return Wire(data, str(server))
            refusal = refusal or Wire(data, str(server))
        if refusal is not None:
            return refusal
        raise failure or AskFailed("dns-unreachable", f"no server of {zone} has an address")

    async def _referral(
        self, wire: Wire, zone: dns.name.Name, target: dns.name.Name, errand: _Errand, depth: int
    ) -> dns.name.Name | None:
        """Learn the delegation in a response; return the zone it leads to, or None when it is an answer."""
        try:
            reply = _wire.parse(wire.data, want_additional=True)
        except _wire.Malformed:
            # Whoever validates says so.
            return None
        if reply.answer or reply.authoritative or reply.rcode != _wire.NOERROR:
            return None
        for rrset in reply.authority:
            below = rrset.owner
            if rrset.rdtype != _wire.NS or below == zone or not below.is_subdomain(zone):
                continue
            if not target.is_subdomain(below):
                continue
            if below not in self._zones:
                servers = await self._addresses(rrset, reply, errand, depth)
                if not servers:
                    raise AskFailed("dns-unreachable", f"no server of {below} has an address that can be asked")
                if len(self._zones) >= _MAX_ZONES:
                    self._zones = {dns.name.root: self._zones[dns.name.root]}
                self._zones[below] = servers
            return below
        return None

    async def _addresses(
        self, delegation: _wire.RRset, reply: _wire.Reply, errand: _Errand, depth: int
    ) -> tuple[Server, ...]:
        names = [rdata.target for rdata in delegation.rdatas if isinstance(rdata, NsRdata)][:_MAX_SERVERS]
        found = [address for name in names for address in _glue(name, reply.additional)]
        if not found and depth < _MAX_DEPTH:
            for name in names:
                found += await self._look_up(name, errand, depth + 1)
                if found:
                    break
        # IPv4 first: not every machine has a way to IPv6 addresses.
        ordered = sorted(filter(self._may_ask, dict.fromkeys(found)), key=lambda address: ":" in address)
        return tuple(Server(address, self._port) for address in ordered[:_MAX_SERVERS])

    async def _look_up(self, name: dns.name.Name, errand: _Errand, depth: int) -> list[str]:
        found: list[str] = []
        for rdtype in (_wire.A, _wire.AAAA):
            try:
                wire = await self._resolve(name, rdtype, errand, depth)
                found += _glue(name, _wire.parse(wire.data).answer)
            except (AskFailed, _wire.Malformed):
                # The next server name or address family may do.
                continue
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


def _glue(name: dns.name.Name, rrsets: t.Iterable[_wire.RRset]) -> list[str]:
    return [
        str(rdata)
        for rrset in rrsets
        if rrset.owner == name and rrset.rdtype in (_wire.A, _wire.AAAA)
        for rdata in rrset.rdatas
        if not isinstance(rdata, dns.rdata.GenericRdata)
    ]
