# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look before a step of a rotation: every authoritative address, every endpoint, and a validating path.

Whatever could not be seen becomes a view that says so, never one that is missing. Private to the collection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns import authority, resolv_conf, wildcard_look
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Security
from ansible_collections.mailsec.dane.plugins.module_utils._dns.authority import AuthorityError
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_trusted import TrustedResolver
from ansible_collections.mailsec.dane.plugins.module_utils._probe import DEFAULT_LIMITS, TLS, Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import observe
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.aliases import AliasView
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import AuthorityView
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import dialogue
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import refuses_variant
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.ways import ALL_KEY_TYPES, ask_all_ways

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import EndpointView, OwnUpdate

_MAX_ENDPOINTS: t.Final = 64
_MAX_HOPS: t.Final = 8


class LookError(Exception):
    """It could not even be learnt whom to look at; the message says of which name and why."""


@dataclasses.dataclass(frozen=True)
class Means:
    """Whom to ask, and how patiently.

    ``primary`` takes the updates. ``authorities`` None: those the NS sets name. ``endpoints`` None: all addresses of
    the base domain, with each of ``ports``. ``resolvers`` have to prove that they validate. ``timeout``: seconds for
    one question. ``repeats``: rounds of connections to each endpoint. ``ehlo_name``: as whom.
    """

    primary: Server
    resolvers: tuple[Server, ...]
    authorities: tuple[Server, ...] | None = None
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[int, ...] = (25,)
    zone: str | None = None
    timeout: float = 5
    repeats: int = 5
    ehlo_name: str = "localhost"
    limits: Limits = DEFAULT_LIMITS


@dataclasses.dataclass(frozen=True)
class Doubt:
    """Why what stands at ``owner`` did not validate. ``code`` is that of a finding.

    ``denied``: validating senders get no answer (bogus); otherwise it is insecure, or our own path could not tell.
    """

    owner: str
    code: str
    sentence: str
    denied: bool = False


@dataclasses.dataclass(frozen=True)
class Look:
    """What was seen: views of the DNS, all connections by endpoint, sentences about what is odd, and doubts.

    ``updates``: those that we made since the last look.
    """

    authorities: tuple[AuthorityView, ...]
    probes: t.Mapping[Endpoint, tuple[Probe, ...]]
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    aliases: tuple[AliasView, ...] = ()
    updates: tuple[OwnUpdate, ...] = ()

    @property
    def published(self) -> frozenset[TlsaRecord]:
        """Every record that some address served."""
        return frozenset(record for view in self.authorities for record in view.records)

    def endpoints(
        self, names: c.Sequence[str], now: datetime.datetime, repeats: int, issuer_depths: c.Sequence[int]
    ) -> tuple[EndpointView, ...]:
        """Return what the endpoints served; see ``observe.endpoint_view``."""
        return tuple(
            observe.endpoint_view(str(endpoint), probes, names, now, repeats, sorted(self.published), issuer_depths)
            for endpoint, probes in self.probes.items()
        )


async def look(base_domain: str, owners: c.Sequence[str], means: Means, aliases: c.Sequence[str] = ()) -> Look:
    """Look at all there is to see of ``owners``, of ``aliases`` for them, and of the endpoints of ``base_domain``.

    Raises LookError when the endpoints are to be found and cannot be.
    """
    resolver = TrustedResolver(means.resolvers)
    systems = resolv_conf.system_servers()
    views, (probes, notes), paths = await asyncio.gather(
        _authorities(owners, means, resolver, systems),
        _endpoints(base_domain, means, systems),
        asyncio.gather(*(_path(name, owners, means, resolver, systems) for name in aliases)),
    )
    found = tuple(view for each in views for view in each[0])
    said = [*(note for each in views for note in each[1]), *(note for each in paths for note in each[1]), *notes]
    odd = tuple(dict.fromkeys(said))
    hops = tuple(dict.fromkeys(view for each in paths for view in each[0]))
    return Look(found, probes, odd, tuple(each[2] for each in views if each[2] is not None), aliases=hops)


async def _authorities(
    owners: c.Sequence[str], means: Means, resolver: TrustedResolver, systems: tuple[Server, ...]
) -> list[tuple[tuple[AuthorityView, ...], tuple[str, ...], Doubt | None]]:
    return await asyncio.gather(*(_owner(owner, means, resolver, systems) for owner in owners))


async def _owner(
    owner: str, means: Means, resolver: TrustedResolver, systems: tuple[Server, ...]
) -> tuple[tuple[AuthorityView, ...], tuple[str, ...], Doubt | None]:
    try:
        zone = means.zone if means.zone is not None else await authority.find_zone(means.primary, owner, means.timeout)
        servers, unresolved, unknown, notes = await _servers(zone, means, systems)
    except AuthorityError as error:
        return (AuthorityView(owner, str(means.primary), failure=str(error), primary=True),), (), None
    listed = next((one for one in servers if _place(one) == _place(means.primary)), None)
    primary = dataclasses.replace(listed or means.primary, key=means.primary.key)
    others = tuple(one for one in servers if one != primary)
    # With the key the primary may show a view of its own; senders get the one that it shows without.
    public = (listed,) if listed and primary.key else ()
    seen, doubt, wildcard = await asyncio.gather(
        authority.observe(owner, zone, (primary, *others, *public), means.timeout),
        _doubt(owner, resolver),
        _hidden_wildcard(primary, owner, zone, means.timeout),
    )
    bogus, unvalidated = "", ""
    if doubt is not None:
        bogus, unvalidated = (doubt.sentence, "") if doubt.denied else ("", doubt.sentence)
    views = tuple(observe.authority_view(view, str(primary), bogus, unvalidated) for view in seen)
    if public:
        views = _both_views(views)
    if not views[0].wildcard:
        views = (dataclasses.replace(views[0], wildcard=wildcard), *views[1:])
    hidden = tuple(
        AuthorityView(owner, name, failure=f"its addresses could not be learnt: {why}", public=False)
        for name, why in unresolved
    )
    if unknown:
        why = f"{unknown}; where that cannot be mended, list all authoritative addresses as tlsa_name_servers"
        hidden += (AuthorityView(owner, f"the parent of {zone}", failure=why, public=False),)
    return views + hidden, notes, doubt


async def _hidden_wildcard(primary: Server, owner: str, zone: str, timeout: float) -> str:
    try:
        return await wildcard_look.find_wildcard(primary, owner, zone, timeout)
    except AuthorityError:
        # Whoever removes the last record looks again, and leaves it where this is unknown.
        return ""


def _both_views(views: tuple[AuthorityView, ...]) -> tuple[AuthorityView, ...]:
    """Return ``views``, whose first is what the primary shows with the key and whose last is what it shows without.

    Where both are the same, one stands for both.
    """
    signed, *others, public = views
    if (signed.records, signed.ttl, bool(signed.failure)) == (public.records, public.ttl, bool(public.failure)):
        return (signed, *others)
    named = dataclasses.replace(signed, address=f"{signed.address} with the TSIG key", public=False)
    return (named, *others, dataclasses.replace(public, primary=False))


async def _servers(
    zone: str, means: Means, systems: tuple[Server, ...]
) -> tuple[tuple[Server, ...], tuple[tuple[str, str], ...], str, tuple[str, ...]]:
    """Return the servers, those whose addresses are unknown and why, why the parent's NS set is unknown, and notes."""
    if means.authorities is not None:
        return means.authorities, (), "", ()
    found = await authority.find_name_servers(zone, means.primary, systems, means.timeout)
    return found.servers, found.unresolved, found.unknown_parent, found.notes


async def _path(
    name: str, ends: c.Collection[str], means: Means, resolver: TrustedResolver, systems: tuple[Server, ...]
) -> tuple[list[AliasView], tuple[str, ...]]:
    """Follow the aliases from ``name`` to any of ``ends``, at every authoritative address of every hop."""
    views: list[AliasView] = []
    notes: list[str] = []
    doubt = await _doubt(name, resolver)
    if doubt is not None:
        views.append(AliasView(name, "a validating resolver", failure=doubt.sentence))
    hops, ahead = {name}, [name]
    while ahead:
        hop = ahead.pop()
        try:
            zone = await authority.find_zone(systems[0], hop, means.timeout, recursive=True)
            servers = await authority.name_servers(zone, systems, means.timeout)
        except AuthorityError as error:
            views.append(AliasView(hop, "all name servers", failure=str(error)))
            continue
        for seen in await authority.observe(hop, zone, servers, means.timeout):
            if seen.alias is not None:
                target, ttl = seen.alias
                views.append(AliasView(hop, str(seen.server), target, ttl))
                if target not in ends and target not in hops and len(hops) < _MAX_HOPS:
                    hops.add(target)
                    ahead.append(target)
            elif not seen.is_known:
                views.append(AliasView(hop, str(seen.server), failure=seen.detail))
            elif seen.records and hop == name:
                text = f"it has TLSA records, and no alias to {', '.join(ends)}"
                views.append(AliasView(hop, str(seen.server), failure=text))
            elif hop == name:
                notes.append(f"{seen.server} has neither records nor an alias at {hop}: senders find nothing there")
    return views, tuple(notes)


def _place(server: Server) -> tuple[str, int]:
    return server.address, server.port


async def _doubt(owner: str, resolver: TrustedResolver) -> Doubt | None:
    """Return why senders do not believe what stands at ``owner``, or its absence; None when they do.

    A validator of ours that cannot tell says nothing about what senders get: that is not an outage of the name servers.
    """
    answer = await resolver.resolve(owner, "TLSA")
    if answer.security is Security.SECURE:
        return None
    why = ": ".join(part for part in (answer.reason, answer.detail) if part)
    denied = answer.security is Security.BOGUS
    if denied or answer.security is Security.INSECURE:
        said = f"senders do not get a validated answer: it is {answer.security.value}"
    else:
        said = "whether senders get a validated answer could not be told from here"
    return Doubt(owner, answer.reason or "tlsa-insecure", said + (f" ({why})" if why else ""), denied)


async def _endpoints(
    base_domain: str, means: Means, systems: tuple[Server, ...]
) -> tuple[dict[Endpoint, tuple[Probe, ...]], tuple[str, ...]]:
    endpoints, notes = means.endpoints, ()
    if endpoints is None:
        literals, why = await authority.addresses(base_domain, means.primary.public, systems, means.timeout)
        if why:
            raise LookError(f"not all addresses of {base_domain} could be learnt: {why}")
        if not literals:
            raise LookError(f"{base_domain} has no address; give the endpoints, or the name that the MX record has")
        endpoints = tuple(Endpoint(literal, port) for literal in literals for port in means.ports)
    if len(endpoints) > _MAX_ENDPOINTS:
        raise LookError(f"{base_domain} has {len(endpoints)} endpoints; {_MAX_ENDPOINTS} are the most to look at")
    probes = await asyncio.gather(*(_rounds(endpoint, base_domain, means) for endpoint in endpoints))
    return dict(zip(endpoints, probes, strict=True)), notes


async def _rounds(endpoint: Endpoint, base_domain: str, means: Means) -> tuple[Probe, ...]:
    """Connect in every way that may show another chain, then again and again with and without server name."""
    names = (base_domain, None)
    seen = await ask_all_ways(endpoint, names, ALL_KEY_TYPES, means.ehlo_name, means.limits)
    reached = {probe.endpoint for probe in seen if probe.outcome == TLS}
    probes = [probe for probe in seen if probe.key_type is None or not refuses_variant(probe, reached)]
    for server_name in names * (means.repeats - 1):
        if any(probe.outcome != TLS for probe in probes):
            # What it serves is unknown by now; more attempts would only take more time.
            break
        probes.append(await dialogue.probe(endpoint, server_name, means.ehlo_name, means.limits))
    return tuple(probes)
