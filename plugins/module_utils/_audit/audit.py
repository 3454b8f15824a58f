# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit: many mail domains and hosts at once, observe + judge, within bounds.

A host that serves many domains is looked up and probed once per run. Results are handed out as they
become ready. Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import secrets
import socket
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._audit.contained import (
    domain_error,
    domain_verdict,
    host_error,
    host_verdict,
)
from ansible_collections.mailsec.dane.plugins.module_utils._audit.discovery import find_mx, locate
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import (
    Beside,
    DomainObservation,
    HostObservation,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaError, host_name, owner_name
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._room import Room
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.ehlo import LITERAL
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import NO_CONVERSATION
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.ways import ask_all_ways
from ansible_collections.mailsec.dane.plugins.module_utils._special_use import is_special_use

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts_look import StsLook
    from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import HostDns, MxSet
    from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import DomainVerdict, HostVerdict
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer, Resolver
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import ZoneLook, ZoneView

_LONGEST_NAME: t.Final = 253
_AT_ONE_ADDRESS: t.Final = 4


@dataclasses.dataclass(frozen=True)
class Settings:
    """How an audit is run.

    ``concurrency`` bounds the addresses that are probed at once, not counting those that keep us waiting.
    ``special_use`` allows probing of addresses that the Internet does not route (RFC 6890), as in a laboratory.
    ``ip_versions`` are those that are probed.
    ``managed`` names the MX hosts the organisation manages (None: not said, F01). Each address is probed once per
    entry of ``sni`` (True: with the TLSA base domain as server name) and ``key_types`` (None: the server's choice), as
    far as that can show another chain; where no TLSA records are in force, in the first of these ways only.
    That is done ``repeats`` times, ``pause`` seconds apart. ``tlsrpt``: look who is told of failures. ``dane_required``
    names the domains to which senders are known that insist on DANE. ``now`` is the moment of the verdict, aware; None
    is the present.
    """

    port: int = 25
    ehlo_name: str = LITERAL
    concurrency: int = 32
    limits: Limits = dataclasses.field(default_factory=Limits)
    special_use: bool = False
    ip_versions: tuple[int, ...] = (4, 6)
    managed: frozenset[str] | None = None
    sni: tuple[bool, ...] = (True,)
    key_types: tuple[str | None, ...] = (None,)
    repeats: int = 1
    pause: float = 1.0
    tlsrpt: bool = False
    dane_required: frozenset[str] = frozenset()
    now: datetime.datetime | None = None


class Audit:
    """One audit run over one resolver, within one event loop.

    With ``look`` the name servers are asked, too, with ``sts`` for the MTA-STS policies.
    """

    def __init__(
        self, resolver: Resolver, settings: Settings, look: ZoneLook | None = None, sts: StsLook | None = None
    ) -> None:
        self._resolver = resolver
        self._look = look
        self._sts = sts
        self._settings = settings
        self._probing = Room(settings.concurrency)
        self._addresses: dict[str, asyncio.Semaphore] = {}
        self._hosts: dict[str, asyncio.Task[HostObservation]] = {}

    @property
    def now(self) -> datetime.datetime:
        """The moment of the verdicts."""
        return self._settings.now or datetime.datetime.now(datetime.UTC)

    async def domains(self, names: t.Iterable[str]) -> c.AsyncGenerator[DomainVerdict]:
        """Judge mail domains, A-labels; yields in order of completion. ValueError for what is not a domain name."""
        async with contextlib.aclosing(_at_once(self._domain, names, self._width)) as verdicts:
            async for verdict in verdicts:
                yield verdict

    async def hosts(self, names: t.Iterable[str]) -> c.AsyncGenerator[HostVerdict]:
        """Judge MX hosts, names or address literals, by themselves; yields in order of completion."""
        async with contextlib.aclosing(_at_once(self._observe, names, self._width)) as observations:
            async for observation in observations:
                yield host_verdict(observation, self.now)

    @property
    def _width(self) -> int:
        # While some domains wait for a place to probe, others are looked up in the DNS.
        return self._settings.concurrency * 4

    async def _domain(self, name: str) -> DomainVerdict:
        name = host_name(name)
        try:
            observation = await self._observe_domain(name)
        except Exception as error:  # noqa: BLE001 - becomes the verdict on this domain, and costs no other its own
            observation = domain_error(name, error)
        return domain_verdict(observation, self.now)

    async def _observe_domain(self, name: str) -> DomainObservation:
        mx = await find_mx(self._resolver, name)
        hosts = await asyncio.gather(*(self._observe(host.name) for host in mx.hosts))
        zone = await self._look.look(mx.answer.canonical_name or mx.domain, "MX") if self._look else None
        stray, beside = await self._stray(mx, hosts), await self._beside(mx)
        return DomainObservation(mx, tuple(hosts), stray, zone, beside)

    async def _beside(self, mx: MxSet) -> Beside:
        required = mx.domain in self._settings.dane_required
        name = f"_smtp._tls.{mx.domain}"
        # Below the longest names there is no room for records like these.
        if not mx.hosts or len(name) > _LONGEST_NAME:
            return Beside(dane_required=required)
        return Beside(
            await self._sts.look(mx.domain) if self._sts else None,
            await self._resolver.resolve(name, "TXT") if self._settings.tlsrpt else None,
            required,
        )

    async def _stray(self, mx: MxSet, hosts: t.Sequence[HostObservation]) -> Answer | None:
        """Look for the commonest slip, records below the mail domain instead of the MX host."""
        bare = [host.host for host in hosts if host.dns.reason == "tlsa-absent"]
        if not bare or mx.domain in bare:
            return None
        answer = await self._resolver.resolve(f"_{self._settings.port}._tcp.{mx.domain}", "TLSA")
        return answer if answer.rdata else None

    async def _observe(self, host: str) -> HostObservation:
        if host not in self._hosts:
            self._hosts[host] = asyncio.ensure_future(self._observe_host(host))
        # Other domains may wait for the same host: leaving early must not end it.
        return await asyncio.shield(self._hosts[host])

    async def _observe_host(self, host: str) -> HostObservation:
        try:
            return await self._look_at_host(host)
        except Exception as error:  # noqa: BLE001 - becomes the verdict on this host, and costs no other its own
            return host_error(host, self._settings.port, error)

    async def _look_at_host(self, host: str) -> HostObservation:
        settings = self._settings
        dns = await locate(self._resolver, host, settings.port)
        left_out = {address: code for address in dns.addresses if (code := why_not(address, settings))}
        found = await asyncio.gather(
            *(
                self._meet(Endpoint(address, settings.port), dns.base_domain or dns.host, dns.tlsa is not None)
                for address in dns.addresses
                if address not in left_out
            )
        )
        managed = None if settings.managed is None else dns.host in settings.managed
        return HostObservation(
            dns,
            tuple(one for probes in found for one in probes),
            tuple(left_out.items()),
            managed,
            await self._tlsa_zone(dns),
            await self._sibling(dns),
        )

    async def _tlsa_zone(self, dns: HostDns) -> ZoneView | None:
        """Ask the name servers for the TLSA records in force, or those that were asked for last, or might be there."""
        if self._look is None:
            return None
        if dns.tlsa_answers:
            answer = dns.tlsa or dns.tlsa_answers[-1][1]
            return await self._look.look(answer.canonical_name or answer.name, "TLSA")
        try:
            return await self._look.look(owner_name(dns.host, dns.port), "TLSA")
        except TlsaError:
            return None  # an address literal, or a name that has no room for TLSA records below it

    async def _sibling(self, dns: HostDns) -> Answer | None:
        if dns.base_domain is None:
            return None
        # Port labels are numbers: a label like this one exists only where there is a wildcard.
        name = f"_{secrets.token_hex(8)}._tcp.{dns.base_domain}"
        return await self._resolver.resolve(name, "TLSA") if len(name) <= _LONGEST_NAME else None

    async def _meet(self, endpoint: Endpoint, server_name: str, every_chain: bool) -> list[Probe]:
        """Probe one address; in all ways if ``every_chain``, because each chain has to match the TLSA records."""
        settings = self._settings
        literal = server_name == endpoint.address
        names = list(dict.fromkeys(server_name if sni and not literal else None for sni in settings.sni))
        key_types = settings.key_types
        if not every_chain:
            names, key_types = names[:1], key_types[:1]
        found: list[Probe] = []
        # Many hosts may share an address, and servers count the connections of a client.
        here = self._addresses.setdefault(endpoint.address, asyncio.Semaphore(_AT_ONE_ADDRESS))
        async with here, self._probing.place():
            for round_number in range(settings.repeats):
                if round_number:
                    await asyncio.sleep(settings.pause)
                found += await ask_all_ways(endpoint, names, key_types, settings.ehlo_name, settings.limits)
                if found[-1].outcome in NO_CONVERSATION:
                    return found
        return found


def why_not(address: str, settings: Settings) -> str:
    """Return the code of the reason to leave ``address`` alone, '' when there is none."""
    if (6 if ":" in address else 4) not in settings.ip_versions:
        return "address-not-asked"
    if is_special_use(address) and not settings.special_use:
        return "address-special-use"
    return "" if _has_route(address) else "address-no-route"


def _has_route(address: str) -> bool:
    """Whether this machine has a way to send to ``address`` at all; nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe_socket:
            probe_socket.connect((address, 9))
    except OSError:
        return False
    return True


_Given = t.TypeVar("_Given")
_Made = t.TypeVar("_Made")


async def _at_once(
    work: t.Callable[[_Given], c.Coroutine[t.Any, t.Any, _Made]], given: t.Iterable[_Given], width: int
) -> c.AsyncGenerator[_Made]:
    """Do ``work`` on all of ``given``, ``width`` at once; nothing is left running when the consumer stops early."""
    waiting = iter(given)
    running: set[asyncio.Task[_Made]] = set()
    try:
        while True:
            for item in waiting:
                running.add(asyncio.ensure_future(work(item)))
                if len(running) >= width:
                    break
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
