# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One endpoint, asked in every way in which it may present another chain: per server name and per type of key.

A server with an RSA and an ECDSA certificate shows each sender one of them. Private to the collection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import CertificateError, load_der
from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS, Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import openssl_client, senders
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.dialogue import probe
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import (
    HANDSHAKE,
    NO_CONVERSATION,
    PARTLY_SEEN,
)

#: The types of key that senders ask for; None is the server's choice.
ALL_KEY_TYPES: t.Final = (None, "rsa", "ecdsa")

#: Types of key as certificates have them -> as probes insist on them.
_INSISTED: t.Final[t.Mapping[str, str]] = {"rsa": "rsa", "ec": "ecdsa"}
#: What the alert is called that a server sends which speaks TLS 1.3 only.
_TOO_OLD: t.Final = "protocol version"
_UNFINISHED: t.Final = "not done after"
#: What a connection gets when the others have used up the time for all: enough for a server that is not slow any more.
_LAST_SECONDS: t.Final = 1.0
_SCHEMES: t.Final[t.Mapping[str, str]] = {
    "rsa": "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512",
    "ecdsa": "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512",
}


async def ask_all_ways(
    endpoint: Endpoint,
    server_names: t.Iterable[str | None],
    key_types: t.Sequence[str | None],
    ehlo_name: str,
    limits: Limits,
) -> list[Probe]:
    """Probe ``endpoint`` once per server name (None: without SNI) and type of key (None: the server's choice).

    The first way should be the one in which senders ask. One probe comes after the other, because a server may count
    connections, and what is known already is not asked: a type of key that the server chose by itself, a type that it
    lacks, when it shows the same chain without a server name, and anything at all when there is no TLS.
    A probe that ends before the handshake, after another one came as far as TLS, has the outcome ``PARTLY_SEEN``; where
    the server refuses it, or the total of ``limits`` is over, which is for all of them together, no more is asked.
    Raises ValueError as ``dialogue.probe`` does.
    """
    found: list[Probe] = []
    left = limits.total
    for name in server_names:
        for key_type in key_types:
            if key_type is not None and _is_known(found, name, key_type):
                continue
            rest = dataclasses.replace(limits, total=left)
            seen = await probe(endpoint, name, ehlo_name, rest, key_type)
            if key_type is not None and seen.outcome in HANDSHAKE and _TOO_OLD in seen.detail:
                seen = await _newest(seen, key_type, ehlo_name, rest)
            if not found and seen.outcome == TLS and senders.may_lack_something(seen):
                seen = await _as_senders(seen, ehlo_name, rest)
            left = max(left - seen.seconds, _LAST_SECONDS)
            closed = seen.outcome in NO_CONVERSATION - {PARTLY_SEEN}
            if any(one.outcome == TLS for one in found) and not _is_answer(seen):
                seen = dataclasses.replace(seen, outcome=PARTLY_SEEN, detail=f"{seen.outcome}: {seen.detail}")
            found.append(seen)
            if closed or (len(found) == 1 and seen.outcome not in (TLS, *HANDSHAKE)):
                return found
    return found


def _is_answer(seen: Probe) -> bool:
    return seen.outcome == TLS or (seen.outcome in HANDSHAKE and _UNFINISHED not in seen.detail)


def _is_known(found: t.Sequence[Probe], name: str | None, key_type: str) -> bool:
    chosen = next((one for one in found if one.server_name == name and one.key_type is None), None)
    if chosen is None or chosen.outcome != TLS:
        return False
    if _leaf_type(chosen) == key_type:
        return True
    same_chain = any(one.server_name != name and one.key_type is None and one.chain == chosen.chain for one in found)
    return same_chain and any(
        one.server_name != name and one.key_type == key_type and one.outcome in HANDSHAKE for one in found
    )


def _leaf_type(seen: Probe) -> str | None:
    try:
        return _INSISTED.get(load_der(seen.chain[0]).key_type) if seen.chain else None
    except CertificateError:
        return None


async def _as_senders(seen: Probe, ehlo_name: str, limits: Limits) -> Probe:
    """Shake hands with what each sender offers, because the session that we have may need more than that.

    Within the total of ``limits``, of which ``seen`` has used a part; the seconds of the result count all of it.
    """
    clock = asyncio.get_running_loop().time
    begun = clock() - seen.seconds
    stops, oddities = dict(seen.stops), dict(zip(seen.oddities, seen.evidence, strict=True))
    shared = f"{seen.tls_version}, {seen.signature_hash or seen.group or 'no signature'}"
    for sender, code, offer in senders.OFFERS:
        if sender in stops:
            continue
        left = max(limits.total - (clock() - begun), _LAST_SECONDS)
        try:
            able = await openssl_client.shakes_hands(seen.endpoint, seen.server_name, ehlo_name, left, offer)
        except openssl_client.Unclear as error:
            stops[sender] = PARTLY_SEEN
            oddities.setdefault(PARTLY_SEEN, f"whether {sender.capitalize()} can shake hands is not known: {error}")
            continue
        if not able:
            stops[sender] = code
            oddities.setdefault(code, f"no handshake with what {sender.capitalize()} offers; ours has {shared}")
    return dataclasses.replace(
        seen,
        stops=tuple(stops.items()),
        oddities=tuple(oddities),
        evidence=tuple(oddities.values()),
        seconds=round(clock() - begun, 3),
    )


async def _newest(seen: Probe, key_type: str, ehlo_name: str, limits: Limits) -> Probe:
    """Ask a server that speaks TLS 1.3 only: Python cannot choose the type of key there, the program openssl can."""
    schemes = _SCHEMES[key_type]
    try:
        chain = await openssl_client.chain_for(seen.endpoint, seen.server_name, ehlo_name, limits.total, schemes)
    except openssl_client.Unclear as error:
        return dataclasses.replace(seen, outcome=PARTLY_SEEN, detail=f"in TLS 1.3: {error}")
    if not chain:
        return dataclasses.replace(seen, detail="in TLS 1.3 the server has no key of this type")
    return dataclasses.replace(seen, outcome=TLS, detail="", tls_version="TLSv1.3", chain=chain)
