# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail domain → MX hosts → addresses → TLSA records, the way RFC 7672 section 2 has senders go.

All I/O is that of the resolver. Private to the collection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import (
    MAX_ADDRESSES,
    HostDns,
    MxSet,
    Policy,
    mx_set,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaError, host_name, owner_name
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer, Outcome, Security

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Resolver


async def find_mx(resolver: Resolver, domain: str) -> MxSet:
    """Find the MX hosts of ``domain`` (A-labels); raises ValueError when it is not a domain name."""
    name = host_name(domain)
    return mx_set(name, await resolver.resolve(name, "MX"))


async def locate(resolver: Resolver, host: str, port: int = 25) -> HostDns:
    """Find the addresses of MX host ``host`` and the TLSA records that hold for it at ``port``.

    ``host`` may be anything that an MX record can name. Never raises for what it is or what the DNS says.
    """
    if is_address(host):
        return HostDns(host, port, (host,), (), Policy.OPPORTUNISTIC, "address-literal")
    try:
        name = host_name(host)
    except TlsaError:
        return HostDns(host, port, (), (), Policy.UNREACHABLE, "mx-bad-name")
    answers = tuple(await asyncio.gather(resolver.resolve(name, "A"), resolver.resolve(name, "AAAA")))
    found = [address for answer in answers for address in answer.rdata]
    here = HostDns(
        name,
        port,
        tuple(found[:MAX_ADDRESSES]),
        answers,
        Policy.OPPORTUNISTIC,
        "",
        left_out=max(len(found) - MAX_ADDRESSES, 0),
    )
    if not found:
        return _without_address(here)
    candidates, reason = _candidates(here)
    return await _ask_tlsa(resolver, here, candidates, reason)


def _without_address(here: HostDns) -> HostDns:
    """No address is an answer only when both families give it."""
    failed = [answer for answer in here.address_answers if answer.is_error]
    if not failed:
        return dataclasses.replace(here, policy=Policy.UNREACHABLE, reason="no-address")
    return _failed(here, min(failed, key=lambda answer: not answer.is_own_view))


def _failed(here: HostDns, answer: Answer) -> HostDns:
    policy = Policy.UNKNOWN if answer.is_own_view else Policy.LOOKUP_ERROR
    return dataclasses.replace(here, policy=policy, reason=answer.reason)


def _candidates(here: HostDns) -> tuple[list[str], str]:
    """Return the TLSA base domains to try, in order, and the reason that holds when they yield nothing.

    RFC 7672 section 2.2.2. One validated family is enough; names in the middle of a chain never count.
    """
    with_data = [answer for answer in here.address_answers if answer.rdata]
    best = next((answer for answer in with_data if answer.is_secure), with_data[0])
    if not best.aliases:
        return ([here.host], "") if best.is_secure else ([], "address-insecure")
    if best.aliases[0].security is not Security.SECURE:
        return [], "alias-insecure"
    if best.is_secure:
        return list(dict.fromkeys((best.canonical_name, here.host))), ""
    hops_secure = all(alias.security is Security.SECURE for alias in best.aliases)
    return [here.host], "address-insecure" if hops_secure else "alias-insecure"


async def _ask_tlsa(resolver: Resolver, here: HostDns, candidates: t.Sequence[str], reason: str) -> HostDns:
    asked: list[tuple[str, Answer]] = []
    for candidate in candidates:
        try:
            owner = owner_name(candidate, here.port)
        except TlsaError:
            continue  # too long, or of a form that cannot have TLSA records below it
        answer = await resolver.resolve(owner, "TLSA")
        asked.append((candidate, answer))
        here = dataclasses.replace(here, tlsa_answers=tuple(asked))
        if answer.is_error:
            return _tlsa_failed(here, answer)
        if answer.rdata and answer.is_secure:
            parent = await resolver.resolve(owner.partition(".")[2], "A")
            return dataclasses.replace(
                here, policy=Policy.DANE, reason="", base_domain=candidate, tlsa=answer, parent=parent
            )
    insecure = any(answer.rdata for _candidate, answer in asked)
    return dataclasses.replace(here, reason="tlsa-insecure" if insecure else reason or "tlsa-absent")


def _tlsa_failed(here: HostDns, answer: Answer) -> HostDns:
    """The host cannot be used, and no other candidate is tried (RFC 7672 section 2.1.2)."""
    here = _failed(here, answer)
    if answer.unproven in (Outcome.NODATA, Outcome.NXDOMAIN):
        # The addresses of the same host did validate: what is broken is the proof that something is not there.
        return dataclasses.replace(here, reason="dns-denial-broken")
    return here
