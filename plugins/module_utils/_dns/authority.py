# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the authoritative name servers say: which zone holds a name, who serves it, and what each address serves now.

No cache, no recursion, no validation: this is how one knows what caches will learn, not whether senders
will believe it. Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address, split_port
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._dns.message import (
    name_text,
    of_type,
    signatures,
    wildcard_of,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dns.query import Unanswered, ask
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Delegation, Status, View

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.flags
    import dns.name

if t.TYPE_CHECKING:
    import collections.abc as c

    import dns.message
    import dns.rrset

_MAX_NAME_SERVERS: t.Final = 32
_MAX_ADDRESSES: t.Final = 64
_CONCURRENCY: t.Final = 32
_PARENT_SERVERS_TO_TRY: t.Final = 3


class AuthorityError(Exception):
    """It could not be learnt which zone holds a name or who serves it; the message says of which server and why."""


async def find_zone(server: Server, name: str, timeout: float, recursive: bool = False) -> str:
    """Return the zone that holds ``name``, as ``server`` says: an authoritative server, or a resolver if ``recursive``.

    The result is lower case without final dot, '' for the root. Raises AuthorityError when the server does not
    serve such a zone or does not answer.
    """
    wanted = dns.name.from_text(name)
    at = wanted
    while True:
        reply = await ask(server, at.to_text(), "SOA", timeout, recursive)
        if isinstance(reply, Unanswered):
            raise AuthorityError(f"name server {server} does not tell which zone holds {name}: it {reply.detail}")
        authoritative = recursive or bool(reply.flags & dns.flags.AA)
        owners = [rrset.name for rrset in of_type(reply.answer + reply.authority, "SOA")]
        zones = [owner for owner in owners if wanted.is_subdomain(owner)]
        # The SOA record beside an alias is that of the zone of its target.
        if authoritative and zones and not of_type(reply.answer, "CNAME"):
            return name_text(max(zones, key=len))
        if not authoritative:
            cuts = [name_text(rrset.name) for rrset in of_type(reply.authority, "NS")]
            why = f"it delegates {cuts[0] or '.'} to others" if cuts else "its answer is not authoritative"
            raise AuthorityError(f"name server {server} does not serve the zone that holds {name}: {why}")
        if at == dns.name.root:
            raise AuthorityError(f"name server {server} answers for {name}, but names no zone")
        at = at.parent()


async def find_name_servers(
    zone: str,
    primary: Server,
    resolvers: c.Sequence[Server],
    timeout: float,
    port: int = 53,
    may_ask: c.Callable[[str], bool] = lambda _address: True,
) -> Delegation:
    """Return every authoritative address of ``zone``: the NS set that ``primary`` has, and that of the parent zone.

    ``primary`` need not be in either (a hidden primary). Addresses come from ``primary`` where it is authoritative
    for them, else from ``resolvers``. ``port`` is that of all servers found; of the parent zone only
    addresses are asked of which ``may_ask`` is true. Raises AuthorityError when ``primary`` gives no NS set.
    """
    # Whom to wait for is what the public is told; a primary that only answers to its key is asked with it.
    reply = await ask(primary.public, f"{zone}.", "NS", timeout)
    if primary.key and (isinstance(reply, Unanswered) or not of_type(reply.answer, "NS")):
        reply = await ask(primary, f"{zone}.", "NS", timeout)
    if isinstance(reply, Unanswered):
        raise AuthorityError(f"name server {primary} does not tell who serves zone {zone or '.'}: it {reply.detail}")
    child = _names(of_type(reply.answer, "NS"))
    if not child or not reply.flags & dns.flags.AA:
        raise AuthorityError(f"name server {primary} does not serve zone {zone or '.'}: it has no NS set for it")
    parent, unknown = await _parent_set(zone, primary, resolvers, timeout, port, may_ask)
    names = list(dict.fromkeys([*child, *parent]))
    notes: list[str] = []
    if parent and set(parent) != set(child):
        differing = ", ".join(sorted(set(parent) ^ set(child)))
        notes.append(f"the NS sets of {zone} and of its parent zone differ in {differing}; all of them were asked")
    if len(names) > _MAX_NAME_SERVERS:
        raise AuthorityError(f"zone {zone} has {len(names)} name servers; {_MAX_NAME_SERVERS} are the most to follow")
    found = await asyncio.gather(*(addresses(name, primary, resolvers, timeout) for name in names))
    servers: list[Server] = []
    unresolved: list[tuple[str, str]] = []
    for name, (literals, why) in zip(names, found, strict=True):
        servers += [Server(literal, port, name=name) for literal in literals]
        if why:
            unresolved.append((name, why))
        elif not literals:
            notes.append(f"name server {name} of {zone} has no address")
    if len(servers) > _MAX_ADDRESSES:
        raise AuthorityError(f"zone {zone} has {len(servers)} authoritative addresses; more than {_MAX_ADDRESSES}")
    return Delegation(tuple(servers), tuple(unresolved), tuple(notes), tuple(child), tuple(parent), unknown)


async def _parent_set(
    zone: str,
    primary: Server,
    resolvers: c.Sequence[Server],
    timeout: float,
    port: int,
    may_ask: c.Callable[[str], bool],
) -> tuple[list[str], str]:
    """Return the NS names that the parent zone has for ``zone``, or a sentence that says why they are unknown."""
    if not zone:
        return [], ""
    unknown = f"the NS set that the parent zone has for {zone} could not be learnt"
    if not resolvers:
        return [], f"{unknown}: this machine has no resolver"
    why = "no name server of it answered"
    try:
        parent = await find_zone(resolvers[0], dns.name.from_text(zone).parent().to_text(), timeout, recursive=True)
    except AuthorityError as error:
        return [], f"{unknown}: {error}"
    hosts, fault = await _look_up(f"{parent}.", "NS", None, resolvers, timeout)
    if fault:
        return [], f"{unknown}: {fault}"
    for host in hosts[:_PARENT_SERVERS_TO_TRY]:
        literals, _fault = await addresses(host, primary, resolvers, timeout)
        for literal in [literal for literal in literals if may_ask(literal)][:1]:
            reply = await ask(Server(literal, port, name=host), f"{zone}.", "NS", timeout)
            if isinstance(reply, Unanswered):
                why = f"{host} {reply.detail}"
                continue
            names = _names(of_type(reply.answer + reply.authority, "NS", zone))
            if names:
                return names, ""
            why = f"{host} has none"
    return [], f"{unknown}: {why}"


async def name_servers(zone: str, resolvers: c.Sequence[Server], timeout: float) -> tuple[Server, ...]:
    """Return the authoritative addresses of ``zone`` as ``resolvers`` know them. Raises AuthorityError."""
    names, why = await _look_up(f"{zone}.", "NS", None, resolvers, timeout)
    found = await asyncio.gather(*(addresses(name, None, resolvers, timeout) for name in names[:_MAX_NAME_SERVERS]))
    why = why or next((fault for _literals, fault in found if fault), "")
    if why or not names:
        raise AuthorityError(f"the name servers of {zone} could not be learnt: {why or 'there are none'}")
    return tuple(
        Server(literal, 53, name=name)
        for name, (literals, _why) in zip(names, found, strict=False)
        for literal in literals
    )


async def addresses(
    name: str, primary: Server | None, resolvers: c.Sequence[Server], timeout: float
) -> tuple[tuple[str, ...], str]:
    """Return the IP addresses of ``name``, IPv4 first, and a sentence when they are, or may be, not all there are."""
    found = await asyncio.gather(
        *(_look_up(f"{name}.", rdtype, primary, resolvers, timeout) for rdtype in ("A", "AAAA"))
    )
    faults = [why for _literals, why in found if why]
    return tuple(literal for literals, _why in found for literal in literals), "; ".join(faults)


async def _look_up(
    name: str, rdtype: str, primary: Server | None, resolvers: c.Sequence[Server], timeout: float
) -> tuple[list[str], str]:
    why = "this machine has no resolver to ask"
    attempts = [(primary.public, False)] if primary else []
    attempts += [(resolver, True) for resolver in resolvers]
    # Last, because those who sign may get addresses that the public does not.
    attempts += [(primary, False)] if primary and primary.key else []
    for server, recursive in attempts:
        reply = await ask(server, name, rdtype, timeout, recursive)
        if isinstance(reply, Unanswered):
            why = f"{rdtype} records of {name.rstrip('.')}: {server} {reply.detail}"
        elif recursive or (reply.flags & dns.flags.AA and not of_type(reply.answer, "CNAME")):
            return [name_text(rdata) for rrset in of_type(reply.answer, rdtype) for rdata in rrset], ""
    return [], why


def named(text: str, option: str, port: int = 53) -> tuple[Server, ...]:
    """Return the name servers that an option names, as an address or a host name, with a port or without.

    Asks the system for the addresses of a name. Raises ValueError, which names the ``option``.
    """
    host, number = split_port(text, port)
    if is_address(host):
        return (Server(host, number),)
    try:
        found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{option} has {text[:80]!r}, whose address cannot be found: {error}") from error
    return tuple(Server(address, number, name=host) for address in dict.fromkeys(str(entry[4][0]) for entry in found))


async def observe(owner: str, zone: str, servers: c.Iterable[Server], timeout: float) -> tuple[View, ...]:
    """Ask every server at once what it serves as TLSA RRset at ``owner``; the order is that of ``servers``.

    Never raises for what the servers do.
    """
    room = asyncio.Semaphore(_CONCURRENCY)

    async def look(server: Server) -> View:
        async with room:
            return await _view(server, owner, zone, timeout)

    return tuple(await asyncio.gather(*(look(server) for server in servers)))


async def _view(server: Server, owner: str, zone: str, timeout: float) -> View:
    reply, soa = await asyncio.gather(
        ask(server, f"{owner}.", "TLSA", timeout), ask(server, f"{zone}.", "SOA", timeout)
    )
    view = _read(server, owner, zone, reply)
    if isinstance(soa, Unanswered) or not soa.flags & dns.flags.AA:
        return view
    found = of_type(soa.answer, "SOA", zone)
    if not found:
        return view
    return dataclasses.replace(view, serial=found[0][0].serial, zone_signatures=signatures(soa.answer, found[0]))


def _read(server: Server, owner: str, zone: str, reply: dns.message.QueryMessage | Unanswered) -> View:
    if isinstance(reply, Unanswered):
        return View(server, owner, Status(reply.failure.value), reply.detail)
    if not reply.flags & dns.flags.AA:
        return View(server, owner, Status.LAME, f"does not serve zone {zone or '.'}: its answer is not authoritative")
    aliases = of_type(reply.answer, "CNAME", owner)
    if aliases:
        target = name_text(aliases[0][0])
        return View(server, owner, Status.ALIAS, f"has an alias there, to {target}", alias=(target, aliases[0].ttl))
    here = of_type(reply.answer, "TLSA", owner)
    if here:
        records = {TlsaRecord(rdata.usage, rdata.selector, rdata.mtype, bytes(rdata.cert)) for rdata in here[0]}
        wildcard = wildcard_of(here[0], reply.answer)
        proofs = [rrset.ttl for rdtype in ("NSEC", "NSEC3") for rrset in of_type(reply.authority, rdtype)]
        return View(
            server,
            owner,
            Status.SERVED,
            records=tuple(sorted(records)),
            ttl=here[0].ttl,
            signatures=signatures(reply.answer, here[0]),
            wildcard=wildcard,
            proof_ttl=max(proofs, default=0) if wildcard else 0,
        )
    denials = [name_text(rrset.name) for rrset in of_type(reply.authority, "SOA")]
    if zone in denials:
        return View(server, owner, Status.ABSENT)
    if denials:
        elsewhere = f"does not serve zone {zone or '.'}: it answers from {denials[0] or '.'}"
        return View(server, owner, Status.LAME, elsewhere)
    return View(server, owner, Status.MALFORMED, "answers neither with data nor with the SOA record of a denial")


def _names(rrsets: c.Iterable[t.Any]) -> list[str]:
    return [name_text(rdata.target) for rrset in rrsets for rdata in rrset]
