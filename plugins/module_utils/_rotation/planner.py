# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The next safe step of a rotation, first rollout, renewal, change of CA, scheme or TTL, compromise, or withdrawal.

One mechanism: publish what the wanted chains need beside what the served ones need, deploy when no cache
can hold an RRset that does not match, then remove what nothing needs. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment, moment_text
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_EE, DANE_TA, TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._dns import wildcard
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import guards, learn, state
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.guards import Obstacle, describe
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    NO_TLS,
    CachedRrset,
    Chain,
    Exposure,
    Journal,
    Observation,
    Policy,
    Scheme,
    ServedChain,
    Target,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import (
    Choose,
    Deploy,
    Done,
    Generate,
    HandOver,
    Option,
    Plan,
    Publish,
    Step,
    Wait,
)

if t.TYPE_CHECKING:
    import collections.abc as c

Records = frozenset[TlsaRecord]

#: What the compatibility mode is for: the record of the key in use and that of its CA.
_FACTSHEET: t.Final = frozenset({Scheme.CURRENT, Scheme.ISSUER})


def plan(journal: Journal, observation: Observation, target: Target, now: Moment) -> Plan:
    """Return what to do next and the journal to store before doing it. Total: never raises.

    ``journal`` is what the last call returned; ``lost_journal`` where there is none to trust. ``now`` was read after
    the observation. Each call takes the last step's outcome from ``observation`` alone.
    """
    learnt = learn.learn(journal, observation, target, now)
    planner = _Planner(learnt, observation, target, now)
    step = planner.step()
    return Plan(step, remember(learnt, step), tuple(dict.fromkeys(planner.notes)))


def remember(journal: Journal, step: Step) -> Journal:
    """Return the journal with the intent of ``step``: from here on its effect may exist."""
    if isinstance(step, Publish):
        return dataclasses.replace(
            journal,
            rrsets=_with_intended_rrset(journal.rrsets, step),
            owned=journal.owned | step.added,
            effect_age=0,
        )
    if isinstance(step, Deploy):
        return dataclasses.replace(journal, chains=_with_intended_chains(journal.chains, step), effect_age=0)
    if isinstance(step, HandOver):
        return dataclasses.replace(journal, handed_over=True)
    return journal


def _with_intended_rrset(entries: tuple[CachedRrset, ...], step: Publish) -> tuple[CachedRrset, ...]:
    for position, entry in enumerate(entries):
        if (entry.owner, entry.records, entry.ttl) == (step.owner, step.records, step.ttl):
            begun = dataclasses.replace(entry, intended=True, age=0)
            return (*entries[:position], begun, *entries[position + 1 :])
    return (*entries, CachedRrset(step.owner, step.records, step.ttl, intended=True))


def _with_intended_chains(entries: tuple[ServedChain, ...], step: Deploy) -> tuple[ServedChain, ...]:
    by_chain = {entry.chain: entry for entry in entries}
    for chain in step.chains:
        entry = by_chain.get(chain, ServedChain(chain))
        by_chain[chain] = dataclasses.replace(entry, intended=entry.intended | frozenset(step.endpoints), age=0)
    return tuple(by_chain.values())


@dataclasses.dataclass(frozen=True)
class _Base:
    """What stands at the primary for one owner name."""

    records: Records
    ttl: int


def _base(observation: Observation, owner: str) -> _Base | None:
    views = [view for view in observation.authorities if view.owner == owner]
    primaries = [view for view in views if view.primary] or views
    values = {(view.records, view.ttl) for view in primaries if not view.failure}
    if len(values) != 1 or any(view.failure for view in primaries):
        return None
    return _Base(*values.pop())


class _Planner:
    """One decision. Each ``_…_step`` returns a step when its stage is not over, else None."""

    def __init__(self, journal: Journal, observation: Observation, target: Target, now: Moment) -> None:
        self.journal, self.observation, self.target, self.now = journal, observation, target, now
        owners = {*target.owners, *(view.owner for view in observation.authorities)}
        self._bases = {owner: base for owner in owners if (base := _base(observation, owner))}
        self.emergency = any(self._counts(chain) for chain in target.revoked) or self._is_down()
        self.notes: list[str] = []
        self.policy = self._policy()

    def _policy(self) -> Policy:
        """Return how careful to be: the compatibility mode is for the factsheet's two procedures, and for no others."""
        policy, target = self.target.policy, self.target
        if policy.strict:
            return policy
        anchors = {record for record in self._desired if record.usage == DANE_TA}
        fits = target.scheme == _FACTSHEET and all(anchors & chain.satisfies for chain in target.chains)
        if fits and not self.emergency:
            self.notes.append("compatibility mode: any matching record is enough; RFC 7671 section 8 is not kept")
            return policy
        if target.scheme:
            self.notes.append(
                "compatibility mode is for a new key of the same CA and for another CA, with a record of the key and "
                "one of the CA; this is something else, so RFC 7671 section 8 is kept"
            )
        return dataclasses.replace(policy, strict=True)

    def _counts(self, stolen: Chain) -> bool:
        """Say whether some endpoint may serve a stolen key, or records that nobody else needs let it through.

        Later its chain is kept in mind until it expires, but whatever is rotated then is not an emergency.
        """
        served = (entry for entry in self.journal.chains if entry.chain is not None and entry.chain.key == stolen.key)
        published = {record for view in self.observation.authorities for record in view.records - self.target.kept}
        return any(guards.may_be_served(entry, self.target.policy.worker) for entry in served) or bool(
            published & stolen.satisfies
        )

    @functools.cached_property
    def _desired(self) -> Records:
        return state.desired_records(self.target, self.now.wall)

    def _is_down(self) -> bool:
        """Say whether protection was given up for a stolen key, and is still to be put back."""
        removed = any(not view.records and not view.failure for view in self.observation.authorities)
        return bool(self.target.revoked and self.target.scheme) and removed

    def step(self) -> Step:
        """Return the first step that some stage needs."""
        if self.observation.lock:
            text = f"{self.observation.lock} holds the lease of this rotation"
            return self._wait([Obstacle("one controller at a time", self.observation.lock, text)])
        unread = [owner for owner in self.target.owners if owner not in self._bases]
        if unread:
            blocked = self._failures or [self._unknown_primary(owner) for owner in unread]
            return self._return_step() or self._wait(blocked)
        if not self.target.scheme:
            return self._repair_step() or self._withdraw_step()
        stages: tuple[c.Callable[[], Step | None], ...] = (
            self._repair_step,
            self._short_cut_step,
            self._bare_step,
            self._generate_step,
            self._interim_step,
            self._deploy_step,
            self._retire_step,
            self._late_generate_step,
            self._spread_step,
        )
        for stage in stages:
            step = stage()
            if step is not None:
                return step
        return self._done()

    # What was seen.

    @functools.cached_property
    def _cached(self) -> tuple[CachedRrset, ...]:
        """Every RRset that some cache may hold."""
        outage = self.journal.outage
        return tuple(entry for entry in self.journal.rrsets if guards.may_be_cached(entry, self.policy, outage))

    @functools.cached_property
    def _own(self) -> list[ServedChain]:
        """Every chain that managed endpoints serve, or are about to."""
        managed = frozenset(self.target.endpoints)
        return [entry for entry in self.journal.chains if (entry.seen_at | entry.intended) & managed]

    @functools.cached_property
    def _is_acute(self) -> bool:
        """A stolen key is still served here: from here on it is the operator who chooses what to bear."""
        stolen = {chain.key for chain in self.target.revoked}
        return any(entry.chain is not None and entry.chain.key in stolen for entry in self._own)

    @functools.cached_property
    def _delays(self) -> bool:
        """The operator chose that mail waits for a new key, so that not every copy needs to match."""
        return self._is_acute and self.target.exposure is Exposure.DEFER

    @functools.cached_property
    def _failures(self) -> list[Obstacle]:
        """Guard G0: whatever could not be seen, or will not stay valid for long enough."""
        found = []
        # Where the primary has something else, whoever lags behind follows by itself.
        decided = {view.owner for view in self.observation.authorities if view.primary and view.decides}
        for view in self.observation.authorities:
            problem = view.failure or view.unvalidated
            if problem:
                text = f"{view.address} gives no secure answer for {view.owner}: {problem}"
                rule = "every authoritative address answers, and validates"
                found.append(Obstacle(rule, view.address, text, decides=view.decides and view.owner in decided))
            elif view.signed_until is not None:
                need = guards.signature_need(view.ttl, self.policy)
                left = view.signed_until - self.now.wall
                if left < need:
                    text = f"{view.owner} at {view.address} is signed for {left:.0f} s more, needed are {need:.0f} s"
                    found.append(Obstacle("signature validity > max(2 TTL, W)", view.address, text))
        views = {view.endpoint: view for view in self.observation.endpoints}
        for endpoint in sorted({*self.target.endpoints, *views}):
            seen = views.get(endpoint)
            if seen is None or seen.failure or not seen.chains:
                why = "it was not probed" if seen is None else seen.failure or "it presented no chain"
                text = f"it is not known what {endpoint} serves: {why}"
                found.append(Obstacle("every endpoint is reachable", endpoint, text))
        return found

    def _unknown_primary(self, owner: str) -> Obstacle:
        text = f"the authoritative addresses disagree about {owner}, and none is known as the primary"
        return Obstacle("the RRset at the primary is known", owner, text)

    @functools.cached_property
    def _unaccounted(self) -> list[Obstacle]:
        """Guard G5: a host that nobody has heard of may serve anything."""
        return [
            Obstacle(
                guards.ACCOUNTED,
                name,
                f"{name} belongs to the same name, and no run has reached it yet: what it serves is unknown",
            )
            for name in self.observation.unaccounted
        ]

    @functools.cached_property
    def _lagging(self) -> tuple[str, ...]:
        """Managed endpoints that serve anything but the wanted chains."""
        wanted = frozenset(self.target.chains)
        views = {view.endpoint: view for view in self.observation.endpoints}
        return tuple(
            endpoint for endpoint in self.target.endpoints if endpoint not in views or views[endpoint].chains != wanted
        )

    @functools.cached_property
    def _revoked(self) -> Records:
        return state.revoked_records(self.target, self.now.wall)

    @functools.cached_property
    def _is_bare(self) -> bool:
        """Nothing managed here serves TLS yet, so that no mail flows that depends on a certificate."""
        bare = {view.endpoint for view in self.observation.endpoints if view.chains == frozenset({NO_TLS})}
        return self.target.bare and bare.issuperset(self.target.endpoints)

    @functools.cached_property
    def _deploy_obstacles(self) -> list[Obstacle]:
        if self._is_bare:
            return []
        return guards.deploy_obstacles(self.journal, self.target.chains, self.policy, self.emergency)

    # Stages.

    def _repair_step(self) -> Step | None:
        """Mail fails now: a served chain and a published RRset do not match. Undo it, whatever else is unknown."""
        named: list[Obstacle] = []
        for owner in self.target.owners:
            records = self._bases[owner].records
            for view in self.observation.endpoints:
                for chain in sorted(view.chains - {NO_TLS}, key=lambda chain: chain.identity):
                    if not guards.matches(records, chain, False):
                        step = self._repair(owner, records, view.endpoint, chain)
                        if step is not None:
                            return step
                        named += self._named(owner, view.endpoint, self._outranking(records, chain))
        return self._return_step() or (self._wait(named) if named else self._put_back_step())

    def _return_step(self) -> Step | None:
        """Copies of an RRset do not match what is served, deployed too early perhaps. Back to what they all match."""
        if self.emergency and self.target.exposure is Exposure.DEFER:
            return None
        cached = [entry for entry in self._cached if entry.records]
        own = [view for view in self.observation.endpoints if view.endpoint in self.target.endpoints]
        for view in own if cached else ():
            for chain in sorted(view.chains - {NO_TLS}, key=lambda chain: chain.identity):
                if all(guards.matches_cached(entry, chain, False) for entry in cached):
                    continue
                step = self._go_back(view.endpoint, f"{view.endpoint} serves a key that not every cache knows yet")
                if step is not None:
                    return step
        return None

    def _put_back_step(self) -> Step | None:
        """Mail flows, but a record that what is served had is gone: put it back before it is the last one (F16)."""
        if self._delays or (self._is_acute and self.target.exposure is Exposure.DOWNGRADE):
            return None
        for owner in self.target.owners:
            base = self._bases[owner]
            wanted = base.records | (self._needed & self._published_before(owner))
            if wanted == base.records or not guards.combinations(base.records):
                continue
            if len(wanted) > self.policy.maximum_records:
                continue
            if not guards.change_obstacles(self.journal, base.records, wanted, self.policy, self.policy.worker):
                why = "a record of what is served is gone; others still match, but each of them is needed"
                return self._publish(owner, wanted, why)
        return None

    def _published_before(self, owner: str) -> Records:
        stood = [entry.records for entry in self.journal.rrsets if entry.owner == owner and entry.records]
        return frozenset().union(*stood)

    def _fails(self, endpoint: str) -> bool:
        """Say whether some copy that is known refuses what ``endpoint`` serves, or whether that is unknown."""
        shown = next((view.chains for view in self.observation.endpoints if view.endpoint == endpoint), frozenset())
        known = [entry.records for entry in self._cached if entry.records is not None]
        return not shown or not all(guards.matches(records, one, False) for records in known for one in shown)

    @functools.cached_property
    def _needed(self) -> Records:
        """Records of what managed endpoints serve, as the scheme has them: of keys that are known here, and of CAs."""
        served = [entry.chain for entry in self._own if entry.chain is not None and entry.seen_at]
        needed = {chain.key for chain in served if self._is_known(chain)} if self._has_keys else set()
        anchors = {record for record in self._desired if record.usage == DANE_TA}
        needed |= {record for record in anchors if all(record in chain.satisfies for chain in served)}
        # Until every copy knows the new key, senders have to accept the stolen one, where the operator chose that.
        serves = self._is_acute and self.target.exposure is Exposure.SERVE
        return frozenset(needed) - (frozenset() if serves else self._revoked)

    @property
    def _has_keys(self) -> bool:
        return Scheme.CURRENT in self.target.scheme

    def _is_known(self, chain: Chain) -> bool:
        held = (*self.target.chains, *self.target.fallback, *self.target.known)
        keys = self.journal.owned | {one.key for one in self.target.revoked}
        return chain != NO_TLS and (chain in held or chain.key in keys)

    def _repair(self, owner: str, records: Records, endpoint: str, chain: Chain) -> Step | None:
        removable = self.journal.owned | self.target.release
        stale = self._outranking(records, chain)
        if stale and stale <= removable and guards.matches(records - stale, chain, False):
            why = f"senders prefer {describe(stale)}, which {endpoint} does not match, and refuse it"
            return self._publish(owner, records - stale, why)
        if self._is_known(chain) and chain.key not in self._revoked | records:
            why = f"{endpoint} serves a key whose record is not published; putting a record back is always safe"
            return self._publish(owner, records | {chain.key} | self._keys_beside(), why)
        if endpoint not in self.target.endpoints:
            return None
        if self._is_known(chain):
            # Its record was taken away because the operator chose so.
            return self._go_back(endpoint, f"{endpoint} still serves the stolen key, whose record is gone", False)
        return self._go_back(endpoint, f"{endpoint} serves an unplanned key that no published record matches")

    def _keys_beside(self) -> Records:
        """Return the records of the keys that other endpoints serve, which have to match each combination, too."""
        served = (
            {chain for view in self.observation.endpoints for chain in view.chains} if self.policy.strict else set()
        )
        return frozenset(chain.key for chain in served if self._is_known(chain)) - self._revoked

    @staticmethod
    def _outranking(records: Records, chain: Chain) -> Records:
        """Return the records for whose sake senders overlook one that matches: digest agility, RFC 7671 section 9."""
        groups = guards.combinations(records)
        matched = [key for key, group in groups.items() if group & chain.satisfies]
        return frozenset(
            record
            for key, group in groups.items()
            if key not in matched and any(key[:2] == one[:2] and 0 < one[2] < key[2] for one in matched)
            for record in group
        )

    def _named(self, owner: str, endpoint: str, stale: Records) -> list[Obstacle]:
        """Name the records of others for whose sake senders refuse mail."""
        return [
            Obstacle(
                "senders accept what is served",
                owner,
                f"{owner} has {record.to_text()}, which was not published here and does not match every chain that "
                f"{endpoint} serves; senders that support its stronger digest look at no other, so they refuse mail. "
                f"Find out who published it, or have it removed at once with rotation_release: ['{record.to_text()}']",
                decides=True,
            )
            for record in sorted(stale)
        ]

    def _go_back(self, endpoint: str, why: str, repairs: bool = True) -> Step | None:
        """Deploy what every known copy matches, on all managed endpoints that serve anything else."""
        unstolen = [(one,) for one in self.target.fallback if one.key not in self._revoked]
        # Copies that nobody knows are old ones, and the keys of old are likelier there than a next key.
        is_forgotten = any(entry.records is None for entry in self._cached)
        ordered = (*unstolen, self.target.chains) if is_forgotten else (self.target.chains, *unstolen)
        candidates = [chains for chains in ordered if chains]
        # What every combination matches, if there is anything; mail flows with any match, too.
        for strict, chains in itertools.product((True, False) if self.policy.strict else (False,), candidates):
            if guards.may_return(self._cached, chains, strict):
                others = [one for one in self.target.endpoints if self._fails(one)]
                return Deploy(chains, tuple(dict.fromkeys((endpoint, *others))), False, why, repairs=repairs)
        return None

    def _short_cut_step(self) -> Step | None:
        """Compatibility mode, same CA: the record of the CA alone already carries the new chain everywhere."""
        if self.policy.strict or not self._lagging or self._deploy_obstacles or self._failures:
            return None
        return self._deploy("every RRset that a cache may hold has some record that matches")

    def _bare_step(self) -> Step | None:
        """Whatever else is unknown: no mail to endpoints without TLS depends on a chain, so that any may come."""
        return self._deploy("nothing here serves TLS yet, so no mail depends on a chain") if self._is_bare else None

    def _generate_step(self) -> Step | None:
        if self.emergency or self._lagging:
            return None
        return self._late_generate_step()

    def _late_generate_step(self) -> Step | None:
        if Scheme.NEXT not in self.target.scheme or self.target.next_keys:
            return None
        if not self.target.generates:
            self.notes.append("there is no next key to publish: the program that makes keys has not made one")
            return None
        return Generate("no next key is held; with one published and aged, an emergency needs no wait")

    def _interim_step(self) -> Step | None:
        """Publish what the wanted chains need beside what stands there."""
        wishes = [(owner, self._interim_records(self._bases[owner].records)) for owner in self.target.owners]
        # What is only added comes first: what else is to change may have to wait for it, at all names.
        for owner, wanted in sorted(wishes, key=lambda wish: not self._bases[wish[0]].records <= wish[1]):
            base = self._bases[owner]
            ttl = base.ttl if self.target.ttl is None or not wanted else self.target.ttl
            if wanted == base.records and (ttl == base.ttl or not wanted):
                continue
            if len(wanted) > self.policy.maximum_records:
                text = f"{owner} would have {len(wanted)} records, more than {self.policy.maximum_records}"
                return self._wait([Obstacle("records <= 12", owner, text)])
            obstacles = self._change_obstacles(base.records, wanted, self.policy.worker)
            if not self.policy.strict and not base.records <= wanted:
                obstacles += self._swap_obstacles()
            if obstacles or self._failures:
                return self._wait([*self._failures, *obstacles, *(self._strangers() if obstacles else ())])
            why = "the wanted chains and the next key need these records before they are served"
            return self._publish(owner, wanted, why, ttl)
        return None

    def _interim_records(self, base: Records) -> Records:
        desired = self._desired
        if self._lagging and self._is_acute:
            # What was given up for the stolen key comes back when that key is gone.
            is_down = not guards.combinations(base)
            if self.target.exposure is Exposure.DOWNGRADE and (self._deploy_obstacles or is_down):
                return base - self.journal.owned
            if self.target.exposure is Exposure.DEFER and self._deploy_obstacles and guards.combinations(desired):
                return desired | self._needed | (base - self.journal.owned)
        if not self.policy.strict and self._lagging:
            return self._swapped(base, desired)
        # A new combination comes for what is served first (RFC 7671 section 8.1).
        wanted = base | desired | (self._needed if self._has_keys else frozenset())
        groups = guards.combinations(wanted)
        old = guards.combinations(base)
        for key in sorted(groups, reverse=True):
            if key not in old and not self._all_served_match(groups[key], base):
                wanted -= groups[key]
                self.notes.append(f"{describe(groups[key])} comes later: it does not match every chain served now")
        if self._lagging:
            wanted -= self._droppable(wanted)
            wanted |= self._extension(wanted)
        if len(wanted) > self.policy.maximum_records:
            anchors = frozenset(record for record in wanted if record.usage == DANE_TA)
            if anchors <= self.journal.owned | desired and self._all_served_match(wanted - anchors, base):
                wanted -= anchors
                count = len(wanted | anchors)
                self.notes.append(f"{describe(anchors)} is left out for now: {count} records are too many")
        return wanted

    def _droppable(self, wanted: Records) -> Records:
        """Return whole combinations that no wanted chain fits: they go before the deployment.

        Two of them may each be in the way of the other, so they are judged together first.
        """
        removable = self.journal.owned | self.target.release
        groups = [
            group
            for group in guards.combinations(wanted).values()
            if group <= removable and not all(group & chain.satisfies for chain in self.target.chains)
        ]
        for candidate in (frozenset().union(*groups), *groups):
            if candidate and self._may_drop(candidate, wanted):
                return candidate
        return frozenset()

    def _extension(self, wanted: Records) -> Records:
        """Return what combinations of ours still need for the wanted chains, although the scheme has them no more."""
        return (
            frozenset(
                record
                for key, group in guards.combinations(wanted).items()
                for chain in self.target.chains
                for record in (chain.key, *chain.issuers)
                if record.parameters == key and not group & chain.satisfies and group & self.journal.owned
            )
            - self._revoked
        )

    def _may_drop(self, candidate: Records, wanted: Records) -> bool:
        """Say whether what is left still lets through all that is served."""
        rest = wanted - candidate
        served = [one for one in self.journal.chains if guards.may_be_served(one, self.policy.worker)]
        matched = all(
            one.chain is None or guards.matches(rest, one.chain, False) or not guards.matches(wanted, one.chain, False)
            for one in served
        )
        return bool(guards.combinations(rest)) and matched

    def _swapped(self, base: Records, desired: Records) -> Records:
        """The factsheet's two records: the key that is served, and the next CA."""
        anchors = frozenset(record for record in desired if record.usage == DANE_TA)
        past = frozenset(record for record in base & self.journal.owned if record.usage == DANE_TA)
        if not past <= anchors and self._swap_obstacles() and not self._needed <= base:
            return base | self._needed
        return (base - past) | self._needed | anchors

    def _swap_obstacles(self) -> list[Obstacle]:
        """Until every cached RRset has the key that is served, the record of the CA must not move (section 9)."""
        found = []
        served = [entry.chain for entry in self.journal.chains if entry.chain and entry.is_served]
        for entry in self._cached:
            if entry.records is None:
                continue
            leaf = frozenset(record for record in entry.records if record.usage == DANE_EE)
            if entry.records and not all(leaf & chain.satisfies for chain in served):
                left = guards.cache_seconds(entry, self.policy, self.journal.outage) - entry.age
                text = f"caches may hold {describe(entry.records)}, where only the record of the CA matches"
                seconds = None if entry.is_served else left
                found.append(Obstacle("every cached 3 1 1 matches", entry.owner, text, seconds))
        return found

    def _all_served_match(self, group: Records, base: Records) -> bool:
        """Say whether ``group`` fits all that is served, but for what senders refuse already."""
        served = [one for one in self.journal.chains if guards.may_be_served(one, self.policy.worker)]
        return all(
            one.chain is None
            or guards.matches(group, one.chain, self.policy.strict)
            or not guards.matches(base, one.chain, False)
            for one in served
        )

    def _deploy_step(self) -> Step | None:
        if not self._lagging:
            return None
        obstacles = self._deploy_obstacles
        if self._is_acute and obstacles and not self._failures:
            if not guards.combinations(self._desired) and self.target.exposure not in (None, Exposure.DOWNGRADE):
                return self._choose_protection(obstacles)
            if self.target.exposure is None:
                return self._choose(obstacles)
            if self.target.exposure is Exposure.DEFER:
                return self._deploy("the operator accepts that mail is delayed until caches have the new RRset", False)
        if obstacles or self._failures:
            return self._wait([*self._failures, *obstacles, *(self._strangers() if obstacles else ())])
        return self._deploy("every RRset that a cache may hold matches the chain")

    def _strangers(self) -> list[Obstacle]:
        """Name the records of others that no key can be deployed beside."""
        return [
            Obstacle(
                "every combination that is published matches the chain to deploy",
                owner,
                f"{owner} has {record.to_text()}, which was not published here and does not match the chain to deploy; "
                "nor does another record with its usage, selector and matching type. Find out who needs it, or have it "
                f"removed with rotation_release: ['{record.to_text()}']",
                decides=True,
            )
            for owner, base in self._bases.items()
            for group in guards.combinations(base.records).values()
            if not all(group & chain.satisfies for chain in self.target.chains)
            for record in sorted(group - self.journal.owned)
        ]

    def _choose(self, obstacles: list[Obstacle]) -> Step:
        times = [one.seconds for one in obstacles if one.seconds is not None]
        known = len(times) == len(obstacles)
        wait = f"{max(times):.0f} s" if known else "an unknown time (" + obstacles[0].sentence + ")"
        copies = [guards.cache_seconds(entry, self.policy, self.journal.outage) for entry in self._cached]
        longest = max(copies, default=0)
        return Choose(
            (
                Option(Exposure.SERVE, f"the stolen key is served and accepted for {wait} longer; no mail is delayed"),
                Option(
                    Exposure.DEFER,
                    f"the new key is served at once; senders with old copies delay mail for up to {longest:.0f} s "
                    "after the last authoritative address has followed",
                ),
                Option(
                    Exposure.DOWNGRADE,
                    f"no TLSA record until the new key is served, after up to {longest:.0f} s; "
                    "meanwhile mail is not protected",
                ),
            ),
            tuple(obstacles),
            "the key was stolen and no next key is ready everywhere; the operator chooses what to bear",
        )

    def _retire_step(self) -> Step | None:
        """Remove what neither the wanted state nor anybody else needs."""
        for owner in self.target.owners:
            base = self._bases[owner]
            final = self._final_records(base.records)
            if guards.combinations(base.records) and not guards.combinations(final):
                if self.target.exposure not in (Exposure.SERVE, Exposure.DOWNGRADE):
                    return self._choose_protection([])
                if self.target.exposure is Exposure.SERVE:
                    final |= base.records & frozenset(record for one in self.target.chains for record in one.satisfies)
                    self.notes.append("records that let the stolen certificate through stay, as the operator chose")
            ttl = base.ttl if self.target.ttl is None or not final else self.target.ttl
            if final == base.records:
                continue
            hold = guards.removal_hold(self.policy, self.emergency)
            obstacles = self._change_obstacles(base.records, final, hold) + self._unaccounted
            if self._failures or obstacles:
                # Records of others may outrank what is left when the last record goes that lets mail through.
                stale = [self._outranking(final, chain) - self.journal.owned for chain in self.target.chains]
                named = self._named(owner, "the mail server", frozenset().union(*stale)) if obstacles else []
                return self._wait([*self._failures, *obstacles, *named])
            return self._publish(owner, final, self._why_removed(base.records - final), ttl)
        return None

    def _why_removed(self, gone: Records) -> str:
        """Say why nobody needs these records: what is served may match them all the same."""
        unusable = frozenset(record for record in gone if record.unusable_reason() is not None)
        served = (entry.chain.satisfies for entry in self.journal.chains if entry.chain and entry.is_served)
        matching = gone.intersection(frozenset().union(*served)) - unusable
        stolen, released = matching & self._revoked, matching & self.target.release - self._revoked
        unserved = gone - matching - unusable
        if unserved == gone:
            return "no endpoint serves what these records are for"
        fits = "matches what is served, too,"
        parts = (
            (unserved, "no endpoint serves what {} is for"),
            (unusable, "{} is of no use: senders leave it aside"),
            (stolen, f"{{}} {fits} and would let the stolen certificate through"),
            (released, f"{{}} {fits} and is named in rotation_release"),
            (matching - stolen - released, f"{{}} {fits} but is not among the wanted records (rotation_scheme)"),
        )
        return "; ".join(text.format(describe(records)) for records, text in parts if records)

    def _choose_protection(self, obstacles: list[Obstacle]) -> Step:
        """Every record that the scheme has would let a stolen certificate through: the operator chooses (RFC 7671)."""
        ends = [chain.not_after for chain in self.target.revoked]
        last = None if None in ends else moment_text(max((one for one in ends if one is not None), default=None))
        until = f"until {last}, when the stolen certificate expires" if last else "for as long as it is remembered"
        keep = Option(Exposure.SERVE, f"the record of the CA stays; the stolen certificate is accepted {until}")
        return Choose(
            (
                *(() if obstacles else (keep,)),
                Option(Exposure.DOWNGRADE, f"no TLSA record {until}; meanwhile mail is not protected"),
            ),
            tuple(obstacles),
            "the key was stolen, and every record that the scheme has would let its certificate through; with current "
            "in rotation_scheme there is one that does not, otherwise the operator chooses what to bear",
        )

    def _final_records(self, base: Records) -> Records:
        desired = self._desired
        foreign = base - self.journal.owned - desired
        if foreign:
            shown = describe(foreign)
            self.notes.append(f"{shown} was not published here and is left alone; release it to have it removed")
        # A combination that others keep up needs a record of ours for as long.
        kept = {
            record
            for group in guards.combinations(desired | foreign).values()
            for chain in self.target.chains
            if not group & chain.satisfies
            for record in base & chain.satisfies - self._revoked
            if record.parameters == next(iter(group)).parameters
        }
        return desired | foreign | kept

    def _spread_step(self) -> Step | None:
        found = []
        for view in self.observation.authorities:
            base = self._bases.get(view.owner)
            if view.failure or base is None or (view.records, view.ttl) == (base.records, base.ttl):
                continue
            text = f"{view.address} still has {describe(view.records)} for {view.owner}, not {describe(base.records)}"
            found.append(Obstacle("every authoritative address has the RRset", view.address, text))
        found += self._failures
        return self._wait(found) if found else None

    def _withdraw_step(self) -> Step:
        """Remove the records, wait until no copy is left, only then let TLS go."""
        for owner in self.target.owners:
            base = self._bases[owner]
            if base.records and self._wildcard_of(owner):
                return self._stays(owner)
            rest = base.records - self.journal.owned
            if rest:
                shown = sorted(record.to_text() for record in rest)
                text = f"{owner} has records of others. Have them removed with rotation_release: {shown}"
                return self._wait([Obstacle("all records may be removed", owner, text, decides=True)])
            if base.records:
                if self._failures:
                    return self._wait(self._failures)
                return self._publish(owner, frozenset(), "DANE is withdrawn")
        spread = self._spread_step()
        if spread is not None:
            return spread
        copies = []
        for entry in self._cached:
            if entry.records != frozenset():
                left = guards.cache_seconds(entry, self.policy, self.journal.outage) - entry.age
                text = f"caches may hold {describe(entry.records)} for {left:.0f} s; until then TLS must stay as it is"
                copies.append(Obstacle("t >= T_omni + W", entry.owner, text, left))
        if copies:
            return self._wait(copies)
        if self.journal.handed_over:
            return Done("DANE is withdrawn; nothing binds TLS any more")
        return HandOver("no cache can hold a TLSA record any more")

    # Making steps.

    def _change_obstacles(self, before: Records, after: Records, hold: float) -> list[Obstacle]:
        if self._delays:
            return []
        return guards.change_obstacles(self.journal, before, after, self.policy, hold)

    def _wildcard_of(self, owner: str) -> str:
        """Return the wildcard that answers for ``owner`` where it has no records of its own; or ''."""
        # A primary that another server signs for cannot show it.
        views = self.observation.authorities
        return next((view.wildcard for view in views if view.owner == owner and view.wildcard), "")

    def _stays(self, owner: str) -> Wait:
        """Removing the last record would bring records into sight that nobody here may judge or change."""
        sentence = wildcard.reappears(owner, self._wildcard_of(owner))
        return self._wait([Obstacle("no wildcard answers instead", owner, sentence, decides=True)])

    def _publish(self, owner: str, records: Records, why: str, ttl: int | None = None) -> Step:
        if not records and self._wildcard_of(owner):
            return self._stays(owner)
        base = self._bases[owner]
        if ttl is None or (not base.records and self.target.ttl is not None):
            ttl = self.target.ttl or base.ttl
        return Publish(owner, records, ttl, base.records, base.ttl, why, self._delays)

    def _deploy(self, why: str, returnable: bool = True) -> Deploy:
        return Deploy(self.target.chains, self._lagging, returnable and not self._may_be_stolen, why)

    @property
    def _may_be_stolen(self) -> bool:
        """Say whether what a deployment replaces may be a stolen chain, to which there is no way back."""
        stolen = {chain.key for chain in self.target.revoked}
        served = [one for one in self.journal.chains if guards.may_be_served(one, self.policy.worker)]
        seen = {view.endpoint for view in self.observation.endpoints if view.chains and not view.failure}
        unsure = not seen.issuperset(self.target.endpoints)
        return bool(stolen) and (unsure or any(one.chain is None or one.chain.key in stolen for one in served))

    def _wait(self, obstacles: c.Sequence[Obstacle]) -> Wait:
        times = [one.seconds for one in obstacles]
        until = None if None in times else self.now.wall + max((one for one in times if one is not None), default=0)
        looks = [self.now.wall + self.policy.poll if until is None else until]
        if not self.policy.exclusive_owner:
            # Looks closer together than half a TTL leave no room for an edit and its undoing.
            looks += [self.now.wall + view.ttl / 2 for view in self.observation.authorities if view.records]
        return Wait(until, max(min(looks), self.now.wall + 1), tuple(obstacles), obstacles[0].sentence)

    def _done(self) -> Done:
        exposed = exposed_until(self.journal, self.target, self.now)
        text = "published, served and wanted are the same"
        if exposed is not None:
            until = moment_text(exposed)
            text += "; the stolen key may still be accepted " + (f"until {until}" if until else "while it is published")
        return Done(text, exposed)


def exposed_until(journal: Journal, target: Target, now: Moment) -> float | None:
    """Return until when (Unix time) a sender can be made to accept a stolen key, as far as known.

    That is the longer of what caches keep and of what signed copies allow, RFC 7671 section 11. None: not any more.
    ``inf`` while it is published.
    """
    times: list[float] = []
    stolen = state.revoked_records(target, now.wall)
    for entry in journal.rrsets:
        if entry.records is not None and not entry.records & stolen:
            continue
        if entry.served_by:
            return float("inf")
        left = guards.cache_seconds(entry, target.policy, journal.outage) - entry.age
        if entry.intended:
            # An update that was begun may still come, but only for so long.
            left += max(target.policy.effect - journal.effect_age, 0)
        times.append(max(now.wall + left, entry.signed_until or 0))
    late = [moment for moment in times if moment > now.wall]
    return max(late) if stolen and late else None
