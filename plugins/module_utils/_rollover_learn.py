# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journal and observation to journal: what may be cached and served, never less than the truth.

Ages are under-estimated, sets over-estimated: an error here costs time, not mail. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _rollover_guards as guards
from ansible_collections.mailsec.dane.plugins.module_utils._moment import possibly_elapsed, proven_elapsed, remembered
from ansible_collections.mailsec.dane.plugins.module_utils._rollover_state import (
    CachedRrset,
    NO_TLS,
    Journal,
    Mark,
    ServedChain,
    VisibleRecord,
    desired_records,
    revoked_records,
)

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._moment import Moment
    from ansible_collections.mailsec.dane.plugins.module_utils._rollover_state import (
        AuthorityView,
        Chain,
        Observation,
        Policy,
        Target,
    )
    from ansible_collections.mailsec.dane.plugins.module_utils._tlsa import TlsaRecord

#: More different RRsets than any rotation makes.
_MANY_RRSETS: t.Final = 200


def elapse(journal: Journal, seconds: float) -> Journal:
    """Let ``seconds`` pass that are proven to have passed, seeing nothing."""
    if seconds <= 0:
        return journal
    return dataclasses.replace(
        journal,
        rrsets=tuple(
            entry if entry.is_served else dataclasses.replace(entry, age=entry.age + seconds)
            for entry in journal.rrsets
        ),
        chains=tuple(
            entry if entry.is_served else dataclasses.replace(entry, age=entry.age + seconds)
            for entry in journal.chains
        ),
        visible=tuple(dataclasses.replace(entry, age=entry.age + seconds) for entry in journal.visible),
        effect_age=journal.effect_age + seconds,
    )


def learn(journal: Journal, observation: Observation, target: Target, now: Moment) -> Journal:
    """Return the journal after ``observation``; ``now`` was read after the last look of it."""
    policy = target.policy
    gap = possibly_elapsed(journal.clock, now)
    first = journal.clock is None
    clock = remembered(journal.clock, now)
    journal = elapse(journal, proven_elapsed(journal.clock, now))
    settled = journal.effect_age >= policy.effect
    rrsets = _rrsets(journal, observation, policy, gap, first, settled)
    chains = _chains(journal, observation, policy, settled)
    outage = _outage(journal, observation, rrsets, policy)
    kept = _bounded([entry for entry in rrsets if _worth_keeping(entry, policy, outage, now.wall)])
    visible = _visible(journal, observation)
    return Journal(
        clock=clock,
        rrsets=kept,
        chains=tuple(entry for entry in chains if guards.may_be_served(entry, guards.removal_hold(policy, False))),
        visible=visible,
        owned=_owned(journal.owned, kept, visible, observation, target, now.wall),
        marks=_marks(journal, observation),
        effect_age=journal.effect_age,
        outage=outage,
        handed_over=journal.handed_over and not target.scheme,
    )


def _worth_keeping(entry: CachedRrset, policy: Policy, outage: bool, wall: float) -> bool:
    if guards.may_be_cached(entry, policy, outage):
        return True
    # A signed copy can be replayed until its signature ends, whatever its TTL (RFC 7671 section 11).
    return entry.signed_until is not None and wall <= entry.signed_until


def _bounded(entries: list[CachedRrset]) -> tuple[CachedRrset, ...]:
    """Melt the oldest of too many into one unknown RRset: somebody may change the zone without end."""
    if len(entries) <= _MANY_RRSETS:
        return tuple(entries)
    gone = sorted((entry for entry in entries if not entry.is_served), key=lambda entry: entry.age)
    melted: dict[str, CachedRrset] = {}
    for entry in gone[_MANY_RRSETS // 2 :]:
        past = melted.get(entry.owner, CachedRrset(entry.owner, None, 0, age=entry.age, reason="lost"))
        # The younger age and the longer TTL: never gone from caches sooner than any of those it stands for.
        melted[entry.owner] = dataclasses.replace(
            past,
            ttl=max(past.ttl, entry.ttl),
            age=min(past.age, entry.age),
            signed_until=max(past.signed_until or 0, entry.signed_until or 0) or None,
        )
    kept = [entry for entry in entries if entry.is_served] + gone[: _MANY_RRSETS // 2]
    return (*kept, *melted.values())


def _rrsets(
    journal: Journal, observation: Observation, policy: Policy, gap: float, first: bool, settled: bool
) -> list[CachedRrset]:
    entries = {(entry.owner, entry.records, entry.ttl, entry.reason): entry for entry in journal.rrsets}
    still: dict[tuple[t.Any, ...], set[str]] = {key: set() for key in entries}
    hidden: dict[str, int] = {}
    marks = {(mark.owner, mark.address): mark for mark in journal.marks}
    for view in observation.authorities:
        if view.failure:
            # It may have followed the others since it was last heard of, to anything that any of them served.
            had = [key for key in entries if key[0] == view.owner and entries[key].is_served]
            for key in had or [_unknown(entries, still, view.owner, policy.unknown_ttl, "lost")]:
                still[key].add(view.address)
            continue
        key = (view.owner, view.records, view.ttl, "")
        surprising = key not in entries and not first
        if key not in entries:
            entries[key] = CachedRrset(view.owner, view.records, view.ttl, frozenset({view.address}))
            still[key] = set()
        still[key].add(view.address)
        if view.signed_until is not None:
            until = max(view.signed_until, entries[key].signed_until or 0)
            entries[key] = dataclasses.replace(entries[key], signed_until=until)
        if surprising or (not first and _may_hide_an_edit(view, marks.get((view.owner, view.address)), policy, gap)):
            ttls = [entry.ttl for entry in entries.values() if entry.owner == view.owner]
            hidden[view.owner] = max(ttls)
    for owner, ttl in hidden.items():
        key = _unknown(entries, still, owner, ttl, "hidden")
        entries[key] = dataclasses.replace(entries[key], age=0)
    return [_aged(entry, frozenset(still[key]), settled) for key, entry in entries.items()]


def _unknown(
    entries: dict[tuple[t.Any, ...], CachedRrset],
    still: dict[tuple[t.Any, ...], set[str]],
    owner: str,
    ttl: int,
    reason: str,
) -> tuple[t.Any, ...]:
    for key, entry in list(entries.items()):
        if entry.owner == owner and entry.reason == reason:
            if entry.ttl >= ttl:
                return key
            del entries[key], still[key]
    key = (owner, None, ttl, reason)
    entries[key] = CachedRrset(owner, None, ttl, reason=reason)
    still[key] = set()
    return key


def _aged(entry: CachedRrset, served_by: frozenset[str], settled: bool) -> CachedRrset:
    intended = entry.intended and not settled
    is_served = bool(served_by) or intended
    # Whoever served it until this look may have handed it out until this very moment.
    age = 0 if is_served or entry.is_served else entry.age
    if (entry.served_by, entry.intended, entry.age) == (served_by, intended, age):
        return entry
    return dataclasses.replace(entry, served_by=served_by, intended=intended, age=age)


def _may_hide_an_edit(view: AuthorityView, mark: Mark | None, policy: Policy, gap: float) -> bool:
    """Whether a record could have been removed and put back since the last look (guard G3).

    Absence has no signature of its own to tell by, and a whole zone's serial may never rest.
    """
    if policy.exclusive_owner or not view.records or gap <= view.ttl / 2:
        return False
    if mark is None:
        return True
    same_zone = view.serial is not None and view.serial == mark.serial
    same_signature = view.signature is not None and view.signature == mark.signature
    return not same_zone and not same_signature


def _marks(journal: Journal, observation: Observation) -> tuple[Mark, ...]:
    old = {(mark.owner, mark.address): mark for mark in journal.marks}
    found = [
        old[view.owner, view.address]
        if view.failure and (view.owner, view.address) in old
        else Mark(view.owner, view.address, view.serial, view.signature)
        for view in observation.authorities
    ]
    return tuple(sorted(found, key=lambda mark: (mark.owner, mark.address)))


def _visible(journal: Journal, observation: Observation) -> tuple[VisibleRecord, ...]:
    ages = {(entry.owner, entry.record): entry.age for entry in journal.visible}
    seen: set[tuple[str, TlsaRecord]] = set()
    for view in observation.authorities:
        if not view.failure:
            seen.update((view.owner, record) for record in view.records)
    return tuple(VisibleRecord(owner, record, ages.get((owner, record), 0)) for owner, record in sorted(seen))


def _chains(journal: Journal, observation: Observation, policy: Policy, settled: bool) -> list[ServedChain]:
    entries = {entry.chain: entry for entry in journal.chains}
    seen: dict[Chain | None, set[str]] = {chain: set() for chain in entries}
    unsure: set[str] = set()
    for view in observation.endpoints:
        for shown in view.chains:
            entries.setdefault(shown, ServedChain(shown, frozenset({view.endpoint})))
            seen.setdefault(shown, set()).add(view.endpoint)
        if view.failure or view.repeats < policy.repeats:
            unsure.add(view.endpoint)
    found: list[ServedChain] = []
    for chain, entry in entries.items():
        seen_at = frozenset(seen[chain] | (entry.seen_at & unsure))
        if chain == NO_TLS and not seen_at:
            # The first deployment restarts the mail server, so that no process without TLS is left.
            continue
        intended = frozenset() if settled else entry.intended
        is_served = bool(seen_at or intended)
        age = 0 if is_served or entry.is_served else entry.age
        found.append(ServedChain(chain, seen_at, intended, age))
    return found


def _outage(journal: Journal, observation: Observation, rrsets: list[CachedRrset], policy: Policy) -> bool:
    failing: dict[str, list[bool]] = {}
    for view in observation.authorities:
        failing.setdefault(view.owner, []).append(bool(view.failure))
    if any(all(states) for states in failing.values()):
        return True
    steady = all(entry.is_served or not guards.may_be_cached(entry, policy, True) for entry in rrsets)
    return journal.outage and not steady


def _owned(
    owned: frozenset[TlsaRecord],
    rrsets: tuple[CachedRrset, ...],
    visible: tuple[VisibleRecord, ...],
    observation: Observation,
    target: Target,
    wall: float,
) -> frozenset[TlsaRecord]:
    """Records that may be removed here: published here, or of keys and CAs that are used here."""
    claims = set(owned | desired_records(target, wall) | revoked_records(target, wall))
    claims.update(target.next_keys, target.release)
    for chain in (*target.chains, *target.fallback):
        claims.update(chain.satisfies)
    for view in observation.endpoints:
        if view.endpoint in target.endpoints:
            claims.update(record for chain in view.chains for record in chain.satisfies)
    present = {entry.record for entry in visible}
    for entry in rrsets:
        present.update(entry.records or ())
    return frozenset(claims & present)
