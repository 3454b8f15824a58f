# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journal and observation to journal: what may be cached and served, never less than the truth.

Ages are under-estimated, sets over-estimated: an error here costs time, not mail. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._clock import possibly_elapsed, proven_elapsed, remembered
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import guards, unseen
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    NO_TLS,
    CachedRrset,
    Journal,
    Mark,
    ServedChain,
    VisibleRecord,
    desired_records,
    revoked_records,
)

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
        AuthorityView,
        Chain,
        Observation,
        Policy,
        Target,
    )

#: More different RRsets than any rotation makes.
_MANY_RRSETS: t.Final = 200
#: A serial that is further behind than this belongs to a signer that counts by itself: a secondary stops to answer
#: when it could not follow for some weeks, which are fewer seconds, and fewer days in a serial that is a date.
_FAR: t.Final = 10_000_000


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
        marks=tuple(
            mark if mark.age is None else dataclasses.replace(mark, age=mark.age + seconds) for mark in journal.marks
        ),
        effect_age=journal.effect_age + seconds,
    )


def learn(journal: Journal, observation: Observation, target: Target, now: Moment) -> Journal:
    """Return the journal after ``observation``; ``now`` was read after the last look of it."""
    policy = target.policy
    gap = possibly_elapsed(journal.clock, now)
    clock = remembered(journal.clock, now)
    journal = unseen.with_own_updates(elapse(journal, proven_elapsed(journal.clock, now)), observation)
    settled = journal.effect_age >= policy.effect
    marks = _marks(journal, observation, policy)
    rrsets = _rrsets(journal, observation, marks, policy, gap, settled)
    chains = _chains(journal, observation, target, settled)
    outage = _outage(journal, observation, rrsets, policy)
    kept = _bounded([entry for entry in rrsets if _worth_keeping(entry, policy, now.wall)])
    visible = _visible(journal, observation)
    return Journal(
        clock=clock,
        rrsets=kept,
        chains=tuple(entry for entry in chains if guards.may_be_served(entry, guards.removal_hold(policy, False))),
        visible=visible,
        owned=_owned(journal.owned, kept, visible, observation, target, now.wall),
        marks=marks,
        effect_age=journal.effect_age,
        outage=outage,
        handed_over=journal.handed_over and not target.scheme,
    )


def _worth_keeping(entry: CachedRrset, policy: Policy, wall: float) -> bool:
    # An outage that is still to come makes resolvers hand out what expired before it.
    if guards.may_be_cached(entry, policy, True):
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
    journal: Journal,
    observation: Observation,
    marks: tuple[Mark, ...],
    policy: Policy,
    gap: float,
    settled: bool,
) -> list[CachedRrset]:
    first = journal.clock is None
    entries = {(entry.owner, entry.records, entry.ttl, entry.reason): entry for entry in journal.rrsets}
    still: dict[tuple[t.Any, ...], set[str]] = {key: set() for key in entries}
    hidden: set[str] = set()
    past = {(mark.owner, mark.address): mark for mark in journal.marks}
    if first:
        for owner in {view.owner for view in observation.authorities if view.records}:
            # What can be seen outweighs the statement that there never was a record.
            _unknown(entries, still, owner, policy.unknown_ttl, "lost")
    for view in observation.authorities:
        if view.failure:
            continue
        key: tuple[t.Any, ...] = (view.owner, view.records, view.cached_ttl, "")
        mark = past.get((view.owner, view.address))
        if key not in entries:
            # Absence has the TTL that the zone gives it, which may be another than that of the update.
            is_meant = not view.records and any(one[:2] == key[:2] for one in entries)
            if not first and not is_meant and not (mark is not None and unseen.is_next(mark.serial, view.serial)):
                hidden.add(view.owner)
            entries[key] = CachedRrset(view.owner, view.records, view.cached_ttl, frozenset({view.address}))
            still[key] = set()
        still[key].add(view.address)
        if view.signed_until is not None:
            until = max(view.signed_until, entries[key].signed_until or 0)
            entries[key] = dataclasses.replace(entries[key], signed_until=until)
        if not first and _may_hide_an_edit(view, mark, observation, policy, gap):
            hidden.add(view.owner)
    for owner, address, is_new in _silent(observation, marks):
        # It may have followed the others since it was last heard of, to anything that any of them served.
        any_served = any(key[0] == owner and entry.is_served for key, entry in entries.items())
        if is_new or not any_served:
            still[_unknown(entries, still, owner, policy.unknown_ttl, "lost")].add(address)
        for key, entry in entries.items():
            if key[0] == owner and entry.is_served:
                still[key].add(address)
    for owner in hidden:
        # Somebody may have changed the TTL as well as the records.
        ttls = [entry.ttl for entry in entries.values() if entry.owner == owner]
        unknown = _unknown(entries, still, owner, max(policy.unknown_ttl, *ttls), "hidden")
        entries[unknown] = dataclasses.replace(entries[unknown], age=0, left=None)
    leads = {owner: _lead(observation, owner) for owner in {key[0] for key in entries}}
    return [
        _aged(_followed(entry, leads[entry.owner], marks), entry, frozenset(still[key]), settled)
        for key, entry in entries.items()
    ]


def _silent(observation: Observation, marks: tuple[Mark, ...]) -> list[tuple[str, str, bool]]:
    """Return owner and address of all that resolvers may ask and that did not answer, and whether it never did."""
    answered = {(mark.owner, mark.address) for mark in marks if mark.value}
    found = [(view.owner, view.address, view.public) for view in observation.authorities if view.failure]
    found += [(mark.owner, mark.address, True) for mark in marks if mark.age is not None]
    return [(owner, address, new and (owner, address) not in answered) for owner, address, new in found]


def _primaries(observation: Observation, owner: str) -> list[AuthorityView]:
    views = [view for view in observation.authorities if view.owner == owner]
    return [view for view in views if view.primary] or views


def _lead(observation: Observation, owner: str) -> AuthorityView | None:
    """Return the view that all others follow, None when it gave no answer."""
    views = _primaries(observation, owner)
    if not views or any(view.failure for view in views):
        return None
    lead = views[0]
    for view in views[1:]:
        if lead.serial is not None and view.serial is not None and unseen.ahead(lead.serial, view.serial) > 0:
            lead = view
    return lead


def _followed(entry: CachedRrset, lead: AuthorityView | None, marks: tuple[Mark, ...]) -> CachedRrset:
    """Note which addresses may still pass through ``entry``: those that are not seen to be past it."""
    if lead is None:
        return entry
    if (entry.records, entry.ttl) == (lead.records, lead.cached_ttl):
        return entry if entry.left is None and not entry.passing else _with_passing(entry, None, frozenset())
    leaves = entry.left is None or entry.intended
    left = lead.serial if leaves else entry.left
    was_served = entry.is_served or (entry.records is None and entry.age == 0)
    passing = frozenset(
        mark.address
        for mark in marks
        if mark.owner == entry.owner
        and _is_behind(mark, lead, left, (leaves and was_served) or mark.address in entry.passing)
    )
    return _with_passing(entry, left, passing)


def _with_passing(entry: CachedRrset, left: int | None, passing: frozenset[str]) -> CachedRrset:
    return dataclasses.replace(entry, left=left, passing=passing)


def _is_behind(mark: Mark, lead: AuthorityView, left: int | None, may_be: bool) -> bool:
    """Say whether an address is not yet past the serial ``left``; where serials do not tell, if it ``may_be``."""
    if mark.serial is not None and lead.serial is not None and left is not None:
        behind = unseen.ahead(mark.serial, lead.serial)
        if 0 < behind <= _FAR:
            return unseen.ahead(mark.serial, left) > 0
    return may_be and mark.value != unseen.mark_of(lead).value


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
            longer = (owner, None, ttl, reason)
            entries[longer], still[longer] = dataclasses.replace(entries.pop(key), ttl=ttl, age=0), still.pop(key)
            return longer
    key = (owner, None, ttl, reason)
    entries[key] = CachedRrset(owner, None, ttl, reason=reason)
    still[key] = set()
    return key


def _aged(entry: CachedRrset, before: CachedRrset, served_by: frozenset[str], settled: bool) -> CachedRrset:
    intended = entry.intended and not settled
    is_served = bool(served_by or entry.passing) or intended
    # Whoever served it until this look may have handed it out until this very moment.
    age = 0 if is_served or before.is_served else entry.age
    if (entry.served_by, entry.intended, entry.age) == (served_by, intended, age):
        return entry
    return dataclasses.replace(entry, served_by=served_by, intended=intended, age=age)


def _may_hide_an_edit(
    view: AuthorityView, mark: Mark | None, observation: Observation, policy: Policy, gap: float
) -> bool:
    """Say whether ``view`` is of an address that may have had something else since it was last looked at.

    Secondaries show nothing that the primary did not have.
    """
    if mark is None or not mark.value:
        # Whoever is asked for the first time may have had something older until just now.
        return view.public and bool(view.records) and gap > view.ttl / 2
    if policy.exclusive_owner or view not in _primaries(observation, view.owner):
        return False
    return unseen.may_hide_an_edit(mark, view, gap)


def _marks(journal: Journal, observation: Observation, policy: Policy) -> tuple[Mark, ...]:
    found = {(mark.owner, mark.address): mark for mark in journal.marks}
    seen = {(view.owner, view.address) for view in observation.authorities}
    failing = {view.owner for view in observation.authorities if view.failure}
    for key, mark in list(found.items()):
        if key in seen:
            continue
        # While look-ups fail, an address that is missing has not left.
        age = 0 if mark.age is None or mark.owner in failing else mark.age
        if mark.public and age < policy.unknown_ttl + policy.clock_margin:
            found[key] = dataclasses.replace(mark, age=age)
        else:
            del found[key]
    for view in observation.authorities:
        key = (view.owner, view.address)
        if not view.failure:
            found[key] = unseen.mark_of(view)
        elif key in found:
            found[key] = dataclasses.replace(found[key], age=None)
        elif view.public:
            found[key] = Mark(view.owner, view.address, None, None)
    return tuple(sorted(found.values(), key=lambda mark: (mark.owner, mark.address)))


def _visible(journal: Journal, observation: Observation) -> tuple[VisibleRecord, ...]:
    ages = {(entry.owner, entry.record): entry.age for entry in journal.visible}
    seen: set[tuple[str, TlsaRecord]] = set()
    for view in observation.authorities:
        if not view.failure:
            seen.update((view.owner, record) for record in view.records)
    return tuple(VisibleRecord(owner, record, ages.get((owner, record), 0)) for owner, record in sorted(seen))


def _chains(journal: Journal, observation: Observation, target: Target, settled: bool) -> list[ServedChain]:
    entries = {entry.chain: entry for entry in journal.chains}
    seen: dict[Chain | None, set[str]] = {chain: set() for chain in entries}
    views = {view.endpoint: view for view in observation.endpoints}
    unsure = {name for name in target.endpoints if name not in views}
    for view in observation.endpoints:
        for shown in view.chains:
            entries.setdefault(shown, ServedChain(shown, frozenset({view.endpoint})))
            seen.setdefault(shown, set()).add(view.endpoint)
        if view.failure or view.repeats < target.policy.repeats:
            unsure.add(view.endpoint)
    if views and not unsure and all(view.chains == frozenset({NO_TLS}) for view in views.values()):
        # Where nothing has ever spoken TLS, no process presents a chain that nobody remembers.
        entries.pop(None, None)
    found: list[ServedChain] = []
    for chain, entry in entries.items():
        seen_at = frozenset(seen[chain] | (entry.seen_at & unsure))
        if chain == NO_TLS and not seen_at:
            # The first deployment restarts the mail server, so that no process without TLS is left.
            continue
        intended = frozenset() if settled else entry.intended
        is_served = bool(seen_at or intended)
        age = 0 if is_served or entry.is_served or (chain is None and unsure) else entry.age
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
    """Records that may be removed here: published here, wanted here, or 3 1 1 of keys that are used here.

    What else fits a chain of ours, a CA's record for instance, may be somebody else's.
    """
    claims = set(owned | desired_records(target, wall) | revoked_records(target, wall))
    claims.update(target.next_keys, target.release)
    claims.update(chain.key for chain in (*target.chains, *target.fallback, *target.known))
    for view in observation.endpoints:
        if view.endpoint in target.endpoints:
            claims.update(chain.key for chain in view.chains)
    present = {entry.record for entry in visible}
    for entry in rrsets:
        present.update(entry.records or ())
    return frozenset(claims & present)
