# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inequalities of a safe rotation (docs/rotation-safety.md).

Everything follows from one invariant: every RRset that a cache may hold matches every chain that may be
served. A chain may be deployed when all those RRsets match it; an RRset may be published when it matches
all those chains. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
        CachedRrset,
        Chain,
        Journal,
        Policy,
        ServedChain,
    )

Combination = tuple[int, int, int]

LEFT: t.Final = "all endpoints have left the chain"
ACCOUNTED: t.Final = "all hosts of the name are accounted for"
#: What only another host of the name can bring about; ``subject`` then names hosts or endpoints.
OF_OTHERS: t.Final = frozenset({LEFT, ACCOUNTED})


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """Why a step is not safe yet.

    ``inequality``: the rule, in symbols. ``subject``: what blocks (address, endpoint, RRset). ``sentence``: the rule
    with its numbers. ``seconds``: when it will have passed by itself, None when something must happen first.
    ``decides``: only a person can settle it, and the sentence names what to do.
    """

    inequality: str
    subject: str
    sentence: str
    seconds: float | None = None
    decides: bool = False


def cache_seconds(entry: CachedRrset, policy: Policy, outage: bool) -> float:
    """Return how long copies outlive the moment the RRset was gone everywhere: W of docs/rotation-safety.md."""
    stale = policy.serve_stale if outage else 0
    return entry.ttl + policy.application_cache + policy.clock_margin + stale


def may_be_cached(entry: CachedRrset, policy: Policy, outage: bool) -> bool:
    """Say whether some cache may hold the RRset."""
    return entry.is_served or entry.age < cache_seconds(entry, policy, outage)


def removal_hold(policy: Policy, emergency: bool) -> float:
    """Return how long an unseen chain still counts as served when a record is to be removed (G4, G5)."""
    return policy.worker if emergency else max(policy.soak, policy.worker)


def may_be_served(entry: ServedChain, hold: float) -> bool:
    """Say whether some endpoint may present the chain; ``hold`` is the time an unseen one still counts."""
    return entry.is_served or entry.age < hold


@functools.lru_cache(maxsize=1024)
def combinations(records: frozenset[TlsaRecord]) -> t.Mapping[Combination, frozenset[TlsaRecord]]:
    """Group records by usage, selector and matching type; what senders find unusable is left out."""
    groups: dict[Combination, set[TlsaRecord]] = {}
    for record in records:
        if record.unusable_reason() is None:
            groups.setdefault(record.parameters, set()).add(record)
    return {key: frozenset(group) for key, group in groups.items()}


def matches(records: frozenset[TlsaRecord], chain: Chain, strict: bool) -> bool:
    """Say whether a sender who holds ``records`` accepts ``chain``; strict: by each combination of them.

    Senders with and without digest agility must accept (RFC 7671 section 9). No usable record: nothing to fail.
    """
    groups = combinations(records)
    if not groups:
        return True
    fulfilled = {key for key, group in groups.items() if group & chain.satisfies}
    if strict:
        return len(fulfilled) == len(groups)
    strongest = _strongest(records)
    return any(key[2] in (0, strongest[key[:2]]) for key in fulfilled)


def matches_cached(entry: CachedRrset, chain: Chain, strict: bool) -> bool:
    """Say whether a sender with this copy accepts ``chain``; of an unknown RRset that cannot be said."""
    return entry.records is not None and matches(entry.records, chain, strict)


def deploy_obstacles(
    journal: Journal, chains: c.Iterable[Chain], policy: Policy, emergency: bool = False
) -> list[Obstacle]:
    """Return why serving ``chains`` would not be safe: copies in caches, and the age of the records.

    In an ``emergency`` the mere possibility of an edit nobody saw does not count: the stolen key weighs more.
    """
    found: list[Obstacle] = []
    wanted = tuple(chains)
    for entry in journal.rrsets:
        if not may_be_cached(entry, policy, journal.outage):
            continue
        if entry.reason == "hidden" and emergency:
            continue
        if all(matches_cached(entry, chain, policy.strict) for chain in wanted):
            continue
        found.append(_cache_obstacle(entry, journal, policy))
    if policy.strict:
        found += _lead_obstacles(journal, wanted)
    return found


def may_return(cached: c.Iterable[CachedRrset], chains: c.Collection[Chain], strict: bool) -> bool:
    """Say whether ``chains`` are good for mail that fails already: every copy that is known accepts them.

    A copy that nobody knows speaks for what fails as little as for these, and the lead can wait.
    """
    known = [entry.records for entry in cached if entry.records is not None]
    return all(matches(records, chain, strict) for records in known for chain in chains)


def _cache_obstacle(entry: CachedRrset, journal: Journal, policy: Policy) -> Obstacle:
    outage = journal.outage
    shown = describe(entry.records)
    need = cache_seconds(entry, policy, outage)
    if entry.served_by:
        return _served_obstacle(entry, journal, policy, need)
    if entry.passing:
        addresses = ", ".join(sorted(entry.passing))
        serial = "a later serial" if entry.left is None else f"serial {entry.left} or a later one"
        sentence = (
            f"{addresses} has not shown {serial} yet, and may still pass through {shown} for {entry.owner}, which does "
            "not match the chain to deploy"
        )
        return Obstacle("every authoritative address is past the RRset", addresses, sentence)
    if entry.intended:
        left = max(policy.effect - journal.effect_age, 0)
        since = _number(journal.effect_age)
        sentence = f"an update of {entry.owner} to {shown} was begun {since} s ago and may still come"
        return Obstacle("no update is under way", entry.owner, sentence, left + need)
    terms = f"TTL {entry.ttl} + application caches {_number(policy.application_cache)}"
    terms += f" + clock margin {_number(policy.clock_margin)}"
    terms += f" + serve-stale {_number(policy.serve_stale)}" if outage else ""
    why = {
        "lost": "nobody remembers what was published before; caches may hold anything",
        "hidden": "the zone was changed unseen between two looks; caches may hold what stood there meanwhile (if "
        "nobody else can write this name, because it is in a zone of its own or an update policy says so, set "
        "rotation_exclusive_owner: true)",
    }.get(entry.reason, f"caches may hold {shown}, which does not match the chain to deploy")
    sentence = f"{entry.owner}: {why}: {_number(entry.age)} s passed since, needed are {terms} = {_number(need)} s"
    return Obstacle("t >= T_omni + W", entry.owner, sentence, need - entry.age)


def _served_obstacle(entry: CachedRrset, journal: Journal, policy: Policy, need: float) -> Obstacle:
    addresses = ", ".join(sorted(entry.served_by))
    shown = describe(entry.records)
    ages = {mark.address: mark.age for mark in journal.marks if mark.owner == entry.owner and mark.age is not None}
    inequality = "every authoritative address serves a matching RRset"
    if entry.served_by <= ages.keys():
        limit = policy.unknown_ttl + policy.clock_margin
        sentence = (
            f"{addresses} is not looked at any more, but resolvers may ask it for {shown} of {entry.owner} while they "
            f"keep the old delegation: for up to {_number(limit)} s"
        )
        left = max(limit - ages[address] for address in entry.served_by)
        return Obstacle(inequality, addresses, sentence, max(left, 0) + need)
    sentence = f"{addresses} still serves {shown} for {entry.owner}, which does not match the chain to deploy"
    return Obstacle(inequality, addresses, sentence)


def _lead_obstacles(journal: Journal, chains: tuple[Chain, ...]) -> list[Obstacle]:
    """RFC 7671 section 8.1: published two TTLs ahead, counted from when the record was first seen."""
    found: list[Obstacle] = []
    for entry in journal.rrsets:
        if not entry.served_by or not entry.records:
            continue
        ages = {item.record: item.age for item in journal.visible if item.owner == entry.owner}
        need = 2 * entry.ttl
        for group in combinations(entry.records).values():
            for chain in chains:
                lead = max((ages.get(record, 0) for record in group & chain.satisfies), default=None)
                if lead is not None and lead < need:
                    shown = describe(group & chain.satisfies)
                    sentence = (
                        f"{entry.owner}: {shown} is published for {_number(lead)} s, and RFC 7671 section 8.1 asks for "
                        f"two TTLs = {_number(need)} s before its key is used"
                    )
                    found.append(Obstacle("t >= T_pub + 2 TTL", entry.owner, sentence, need - lead))
    return found


def change_obstacles(
    journal: Journal,
    before: frozenset[TlsaRecord],
    after: frozenset[TlsaRecord],
    policy: Policy,
    hold: float,
) -> list[Obstacle]:
    """Return why replacing ``before`` by ``after`` would not be safe: what is served, and what caches hold.

    The new RRset must match every chain that may be served. A combination that stays as it was, or only grows,
    harms no chain that it did not harm before.
    """
    found: list[Obstacle] = []
    harmful = _harmful_combinations(before, after)
    if not combinations(after) or (not harmful and before <= after):
        return found
    for entry in journal.chains:
        if not may_be_served(entry, hold):
            continue
        if entry.chain is None:
            if before <= after and not _takes_less(before, after, harmful, policy.strict):
                continue
            sentence = "nobody remembers which chains were served before"
        elif _change_matches(before, after, harmful, entry.chain, policy.strict):
            continue
        else:
            sentence = f"{describe(after)} does not match the chain {entry.chain.identity[:16]}"
        found.append(_chain_obstacle(entry, hold, sentence, max(policy.effect - journal.effect_age, 0)))
    return found


def _takes_less(
    before: frozenset[TlsaRecord], after: frozenset[TlsaRecord], harmful: set[Combination], strict: bool
) -> bool:
    """Say whether senders may refuse with ``after`` a chain that nobody knows, and that ``before`` let through."""
    if strict or not combinations(before):
        return bool(harmful)
    return any(_strongest(after)[key] != strongest for key, strongest in _strongest(before).items())


def _strongest(records: frozenset[TlsaRecord]) -> dict[tuple[int, int], int]:
    """Return the strongest matching type of each usage and selector: with digest agility only that one counts."""
    found: dict[tuple[int, int], int] = {}
    for usage, selector, matching_type in combinations(records):
        found[usage, selector] = max(found.get((usage, selector), 0), matching_type)
    return found


def _harmful_combinations(before: frozenset[TlsaRecord], after: frozenset[TlsaRecord]) -> set[Combination]:
    old, new = combinations(before), combinations(after)
    return {key for key, group in new.items() if key not in old or not old[key] <= group}


def _change_matches(
    before: frozenset[TlsaRecord], after: frozenset[TlsaRecord], harmful: set[Combination], chain: Chain, strict: bool
) -> bool:
    if not strict:
        return matches(after, chain, False) or (not matches(before, chain, False) and before <= after)
    groups, past = combinations(after), combinations(before)
    if not matches(before, chain, False):
        # Mail to it fails already.
        return True
    return matches(after, chain, False) and all(
        # One that did not match before is not worse for what it loses.
        groups[key] & chain.satisfies or (key in past and not past[key] & chain.satisfies)
        for key in harmful
    )


def _chain_obstacle(entry: ServedChain, hold: float, sentence: str, effect: float) -> Obstacle:
    if entry.seen_at:
        where = ", ".join(sorted(entry.seen_at))
        return Obstacle(LEFT, where, f"{sentence}, which {where} serves")
    if entry.intended:
        where = ", ".join(sorted(entry.intended))
        sentence += f", whose deployment on {where} was begun and may still come"
        return Obstacle("no deployment is under way", where, sentence, effect + hold)
    sentence += f": it was last seen {_number(entry.age)} s ago, and counts as served for {_number(hold)} s"
    return Obstacle("t >= T_deployed + soak", "endpoints", sentence, hold - entry.age)


def signature_need(ttl: int, policy: Policy) -> float:
    """Return how long signatures must still be valid before anything is changed."""
    return max(2 * ttl, ttl + policy.application_cache + policy.clock_margin)


def describe(records: frozenset[TlsaRecord] | None) -> str:
    """Return an RRset for people: parameters and the first digits."""
    if records is None:
        return "an unknown RRset"
    if not records:
        return "no TLSA record"
    shown = sorted(record.to_text() for record in records)
    return "{" + ", ".join(text if len(text) <= 14 else text[:14] + "…" for text in shown) + "}"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.1f}"
