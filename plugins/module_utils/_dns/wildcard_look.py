# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wildcards (RFC 4592) above a TLSA owner name: those that would answer for it, and those that it would end.

Private to the collection.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns import authority
from ansible_collections.mailsec.dane.plugins.module_utils._dns.authority import AuthorityError
from ansible_collections.mailsec.dane.plugins.module_utils._dns.message import (
    name_text,
    of_type,
    signatures,
    wildcard_of,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dns.query import Unanswered, ask

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name

if t.TYPE_CHECKING:
    import collections.abc as c

    import dns.message
    import dns.rrset

    from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server

_ADDRESSES: t.Final = ("A", "AAAA")


async def find_wildcard(server: Server, owner: str, zone: str, timeout: float) -> str:
    """Return the wildcard whose TLSA records or alias ``server`` may answer with once ``owner`` has no records; or ''.

    An RRset at ``owner`` hides it meanwhile (RFC 4592 section 2.2.1), so each wildcard above is asked for by its own
    name, up to the first name that has addresses of its own. Raises AuthorityError when the server does not answer.
    """
    for above in _names_above(_name(owner), _name(zone)):
        wild = name_text(_wild(above))
        (view,) = await authority.observe(wild, zone, [server], timeout)
        if view.records or view.alias:
            return view.wildcard or wild
        if not view.is_known:
            raise AuthorityError(f"name server {server} does not tell whether there is {wild}: it {view.detail}")
        for rdtype in _ADDRESSES:
            reply = await _answered(server, above, rdtype, timeout)
            if any(not wildcard_of(one, reply.answer) for one in of_type(reply.answer, rdtype, name_text(above))):
                return ""
    return ""


async def addresses_from_wildcard(
    servers: c.Sequence[Server], owner: str, zone: str, timeout: float
) -> tuple[str, bool]:
    """Return the wildcard that gives the host of a TLSA ``owner`` its addresses, or '', and whether that is proven.

    A first record below the host ends the wildcard there, for all types (RFC 4592 section 3.3.1). ``servers`` has the
    primary first. Where it does not sign, all that it shows is that both have the same addresses; another server of the
    zone may prove which it is. Raises AuthorityError when the primary does not answer.
    """
    host = _name(owner)
    while host.labels[0].startswith(b"_"):
        host = host.parent()
    if host not in _names_above(_name(owner), _name(zone)) or host == _name(zone):
        return "", True
    primary, *others = servers
    found, is_proven = await _source(primary, host, zone, timeout)
    for server in others if found and not is_proven else ():
        try:
            told = await _source(server, host, zone, timeout)
        except AuthorityError:
            # Another one may tell; otherwise it stays unproven.
            continue
        if told[1]:
            return told
    return found, is_proven


async def _source(server: Server, host: dns.name.Name, zone: str, timeout: float) -> tuple[str, bool]:
    """Return the wildcard that ``server`` makes the addresses of ``host`` from, or '', and whether it proves that."""
    is_proven = True
    for rdtype in _ADDRESSES:
        reply = await _answered(server, host, rdtype, timeout)
        at = name_text(host)
        for rrset in (*of_type(reply.answer, rdtype, at), *of_type(reply.answer, "CNAME", at)):
            if signatures(reply.answer, rrset):
                wildcard = wildcard_of(rrset, reply.answer)
            else:
                wildcard, is_proven = await _alike(server, rrset, rdtype, zone, timeout), False
            if wildcard:
                return wildcard, is_proven
    return "", is_proven


async def _alike(server: Server, rrset: dns.rrset.RRset, rdtype: str, zone: str, timeout: float) -> str:
    """Return the next wildcard above ``rrset``, if it has the same data, else ''."""
    for above in _names_above(rrset.name, _name(zone)):
        reply = await _answered(server, _wild(above), rdtype, timeout)
        for one in reply.answer:
            if one.name == _wild(above) and one.rdtype == rrset.rdtype:
                return name_text(one.name) if set(one) == set(rrset) else ""
    return ""


async def _answered(server: Server, name: dns.name.Name, rdtype: str, timeout: float) -> dns.message.QueryMessage:
    reply = await ask(server, name.to_text(), rdtype, timeout)
    if isinstance(reply, Unanswered):
        known = f"{rdtype} records of {name_text(name)}"
        raise AuthorityError(f"name server {server} does not tell the {known}: it {reply.detail}")
    return reply


def _name(text: str) -> dns.name.Name:
    return dns.name.from_text(f"{text}.")


def _wild(above: dns.name.Name) -> dns.name.Name:
    return dns.name.Name([b"*", *above.labels])


def _names_above(name: dns.name.Name, top: dns.name.Name) -> list[dns.name.Name]:
    """Return the names above ``name``, the nearest first, down to ``top``, which is that of a zone."""
    found = []
    while name != top and name.is_subdomain(top):
        name = name.parent()
        found.append(name)
    return found
