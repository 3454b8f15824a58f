# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only someone with a memory can name: records that are gone, late or left over, keys that nobody planned.

The planner answers the same facts with its next step, so that each of these findings comes with its repair.
Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _findings
from ansible_collections.mailsec.dane.plugins.module_utils._clock import moment_text
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_EE, TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Severity
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import guards, planner, state
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.guards import describe
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Exposure, Scheme, Target

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import Code
    from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
    from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.goal import Goal
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.look import Doubt
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
        AuthorityView,
        CachedRrset,
        Chain,
        Journal,
        Observation,
    )

#: A record at an owner name.
Place = tuple[str, TlsaRecord]
#: Findings, and the records that are missed from now on.
Judgement = tuple[tuple["Finding", ...], frozenset[Place]]


@dataclasses.dataclass(frozen=True)
class Known:
    """All that findings follow from.

    ``before`` and ``after``: the journal before and after the look. ``held``: the chains on the host by slot.
    ``current``: the ``3 1 1`` record (text) of the key that was in use when last all was as wanted, '' when unknown.
    ``missed``: records that were missed at an earlier look. ``target`` as the planner has it; its ``revoked`` are the
    stolen chains. ``doubts``: why answers did not validate.
    """

    before: Journal
    after: Journal
    observation: Observation
    target: Target
    held: t.Mapping[str, Chain]
    goal: Goal | None
    current: str
    now: Moment
    missed: frozenset[Place] = frozenset()
    doubts: tuple[Doubt, ...] = ()


def judge(known: Known) -> Judgement:
    """Return the findings, worst first, and the records that are missed from now on."""
    one = _Judge(known)
    one.judge()
    return _findings.sort(one.found), frozenset(one.missed)


class _Judge:
    def __init__(self, known: Known) -> None:
        self.known, self.target, self.policy = known, known.target, known.target.policy
        self.found: list[Finding] = []
        self.missed: set[Place] = set()
        goal = known.goal
        self.under_way = goal is not None and goal.finished is None
        keys = [known.current]
        if goal is not None:
            # The key that a rotation begun is to bring is nothing that was ever served.
            keys += [goal.from_key] if goal.finished is None else [goal.from_key, goal.to_key]
        former = known.held.get("previous")
        self.served_before = frozenset(TlsaRecord.from_text(text) for text in keys if text)
        self.served_before |= {former.key} if former else set()
        self.stolen = frozenset(record for chain in self.target.revoked for record in chain.satisfies)

    def judge(self) -> None:
        """Look from every side."""
        for doubt in self.known.doubts:
            self._say(_findings.known(doubt.code), doubt.owner, doubt.sentence)
        self._signatures()
        self._theft()
        self._keys_on_disk()
        for owner in self.target.owners:
            for view in self.known.observation.endpoints:
                for chain in sorted(view.chains, key=lambda chain: chain.identity):
                    self._served(owner, view.endpoint, chain)
            self._ttl(owner)
            self._strangers(owner)
        self._next_key()

    def _say(
        self, code: Code, subject: str, evidence: str, expected: str = "", severity: Severity | None = None
    ) -> None:
        self.found.append(_findings.finding(code, subject, evidence, expected, severity))

    # What was seen.

    def _views(self, owner: str) -> list[AuthorityView]:
        return [view for view in self.known.observation.authorities if view.owner == owner and not view.failure]

    def _published(self, owner: str) -> frozenset[TlsaRecord]:
        return frozenset(record for view in self._views(owner) for record in view.records)

    @functools.cached_property
    def _in_use(self) -> frozenset[TlsaRecord]:
        """Every record that authenticates what is held here, served anywhere, or was served not long ago."""
        chains: list[Chain] = [*self.known.held.values()]
        chains += [chain for view in self.known.observation.endpoints for chain in view.chains]
        chains += [entry.chain for entry in (*self.known.before.chains, *self.known.after.chains) if entry.chain]
        return frozenset(record for chain in chains for record in chain.satisfies)

    def _had(self, view: AuthorityView, record: TlsaRecord) -> bool:
        return any(
            entry.owner == view.owner and view.address in entry.served_by and record in (entry.records or ())
            for entry in self.known.before.rrsets
        )

    def _is_meant(self, view: AuthorityView, wanted: frozenset[TlsaRecord]) -> bool:
        """Whether the RRset there was published here although it lacks what is wanted in the end."""
        crowded = len(view.records | wanted) > self.policy.maximum_records
        return (crowded or self.target.exposure is Exposure.DOWNGRADE) and any(
            entry.intended and (entry.owner, entry.records, entry.ttl) == (view.owner, view.records, view.ttl)
            for entry in self.known.before.rrsets
        )

    # One chain at one endpoint, beside what stands at one owner name.

    def _served(self, owner: str, endpoint: str, chain: Chain) -> None:
        views = self._views(owner)
        lacking = [view for view in views if not guards.matches(view.records, chain, False)]
        if lacking and chain.key in self.stolen:
            return  # its record is gone on purpose, and key-compromised tells the rest
        wanted = state.desired_records(self.target, self.known.now.wall)
        active = {chain.key, *(wanted & chain.satisfies)}
        gone = self._gone(views, lacking, active, wanted)
        if gone:
            self._retired_too_early(owner, endpoint, gone, lacking)
        elif lacking and chain.key in self.served_before and chain.key not in self._published(owner):
            self._retired_too_early(owner, endpoint, {chain.key: lacking}, lacking)
        elif lacking:
            self._not_published(owner, endpoint, chain, lacking)
        else:
            self._too_young(owner, endpoint, chain)

    def _gone(
        self,
        views: c.Iterable[AuthorityView],
        lacking: c.Collection[AuthorityView],
        active: c.Iterable[TlsaRecord],
        wanted: frozenset[TlsaRecord],
    ) -> dict[TlsaRecord, list[AuthorityView]]:
        """Return which of the ``active`` records somebody took away, and where."""
        found: dict[TlsaRecord, list[AuthorityView]] = {}
        for record in active:
            for view in views:
                if record in view.records or not (self._had(view, record) or (view.owner, record) in self.known.missed):
                    continue
                # What the planner takes away on purpose is not a loss, unless mail suffers.
                if view in lacking or (record in wanted and not self._is_meant(view, wanted)):
                    found.setdefault(record, []).append(view)
        return found

    def _retired_too_early(
        self,
        owner: str,
        endpoint: str,
        gone: t.Mapping[TlsaRecord, list[AuthorityView]],
        lacking: c.Collection[AuthorityView],
    ) -> None:
        for record, views in gone.items():
            self.missed.add((owner, record))
            where = ", ".join(sorted(view.address for view in views))
            former = record in self.served_before and record.to_text() != self.known.current and not self.under_way
            retired = ", a key that was retired: a host that came back from an image, perhaps" if former else ""
            harm = "senders refuse it" if lacking else "other records still let mail through, or none protects it"
            evidence = f"{endpoint} serves what {record.to_text()} is for{retired}; it is gone from {where}, so {harm}"
            expected = f"{record.to_text()} at {owner}; putting it back is always safe"
            self._say("tlsa-retired-too-early", owner, evidence, expected, None if lacking else Severity.ERROR)

    def _not_published(self, owner: str, endpoint: str, chain: Chain, lacking: list[AuthorityView]) -> None:
        where = ", ".join(sorted(view.address for view in lacking))
        served = f"{endpoint} serves the key {chain.key.to_text()}"
        expected = f"{chain.key.to_text()} at {owner}, or what it had served before at {endpoint}"
        published = self._published(owner)
        if len(lacking) < len(self._views(owner)):
            evidence = f"{served}, whose record has not reached {where} yet"
            self._say("tlsa-published-too-late", owner, evidence, expected)
            return
        held = frozenset(record for one in self.known.held.values() for record in one.satisfies)
        journalled = self.known.before.owned | held | self.served_before
        journalled |= {entry.record for entry in self.known.before.visible if entry.owner == owner}
        known = sorted(record.to_text() for record in published & journalled)
        if known:
            evidence = f"{served}, but published is {', '.join(known)}, a key used here before"
            self._say("tlsa-stale-after-renewal", owner, evidence, expected)
        else:
            self._say("tlsa-no-match", owner, f"{served}, but published is {describe(published)}", expected)

    def _too_young(self, owner: str, endpoint: str, chain: Chain) -> None:
        """Published everywhere, but caches may hold what stood there before."""
        late = [entry for entry in self.known.after.rrsets if self._may_fail(owner, entry, chain)]
        if not late:
            return
        left = max(self._life(entry) for entry in late)
        until = moment_text(self.known.now.wall + left)
        shown = ", ".join(sorted({describe(entry.records) for entry in late}))
        again = [record for record in chain.satisfies if (owner, record) in self.known.missed]
        said = f"{endpoint} serves the key {chain.key.to_text()}, but caches may hold {shown} until {until}"
        if again:
            self.missed.update((owner, record) for record in again)
            evidence = f"{said}: a record was gone for some time, and is back"
            self._say("tlsa-retired-too-early", owner, evidence, "Nothing more to do but to wait")
        else:
            expected = "" if self.target.revoked else f"the former key at {endpoint} until then"
            self._say("tlsa-published-too-late", owner, said, expected)

    def _may_fail(self, owner: str, entry: CachedRrset, chain: Chain) -> bool:
        if entry.owner != owner or not entry.records or entry.is_served:
            return False
        cached = guards.may_be_cached(entry, self.policy, self.known.after.outage)
        return cached and not guards.matches(entry.records, chain, False)

    def _life(self, entry: CachedRrset) -> float:
        return guards.cache_seconds(entry, self.policy, self.known.after.outage) - entry.age

    # The RRset by itself.

    def _ttl(self, owner: str) -> None:
        there = [entry for entry in self.known.before.rrsets if entry.owner == owner and entry.is_served]
        before = {entry.ttl for entry in there if entry.records}
        now: dict[int, list[str]] = {}
        for view in self._views(owner):
            if view.records and before and view.cached_ttl not in before:
                now.setdefault(view.ttl, []).append(view.address)
        for ttl, addresses in now.items():
            was = ", ".join(map(str, sorted(before)))
            evidence = f"the TTL at {', '.join(addresses)} is {ttl}; it was {was}, and was not changed here"
            expected = f"copies may live for {max(ttl, *before)} s, which is what is waited for"
            severity = None if self.under_way else Severity.WARNING
            self._say("ttl-changed-mid-roll", owner, evidence, expected, severity)

    def _strangers(self, owner: str) -> None:
        """Name records without a use: those of other programs, and those of next keys whose files are missing."""
        goal = self.known.goal
        coming = {TlsaRecord.from_text(goal.to_key)} if goal is not None and goal.finished is None else set()
        ours = self.known.before.owned | self.known.after.owned | coming
        used = self._in_use | self.stolen | self.served_before | self.target.release | self.target.kept
        spare = self._published(owner) - used
        others = any(view.endpoint not in self.target.endpoints for view in self.known.observation.endpoints)
        for record in sorted(spare):
            if record not in ours:
                alone = any(
                    record in group and group <= spare
                    for view in self._views(owner)
                    for group in guards.combinations(view.records).values()
                )
                text = f"{record.to_text()} matches no key that is held here or served, nor was it published here"
                if unusable := record.unusable_reason():
                    text = f"{record.to_text()} was not published here, and senders leave it aside: {unusable}"
                if others:
                    text += "; it may be for the next key of another host behind this name"
                if alone:
                    text += "; it is alone with its usage, selector and matching type"
                self._say("tlsa-leftover", owner, text, "", Severity.WARNING if alone else None)
            elif record.parameters == (DANE_EE, 1, 1):
                there = self.known.held.get("next")
                held = f"the slot next has {there.key.to_text()}" if there else "the slot next is empty"
                evidence = f"{record.to_text()} is published for the next key, but {held}"
                self._say("next-unproven", owner, evidence)

    def _next_key(self) -> None:
        coming, live = self.known.held.get("next"), self.known.held.get("live")
        if coming is None or (live is not None and coming.key == live.key) or coming.key in self.stolen:
            return
        if Scheme.NEXT not in self.target.scheme and not self.under_way:
            return
        owners = [entry.owner for entry in self.known.after.visible if entry.record == coming.key]
        obstacles = guards.deploy_obstacles(self.known.after, [coming], self.policy)
        if not owners or not obstacles:
            return
        blocked = [one for one in obstacles if one.seconds is None]
        left = max((one.seconds or 0 for one in obstacles), default=0)
        until = moment_text(self.known.now.wall + left)
        when = f"not before this ends: {blocked[0].sentence}" if blocked else f"not before {until}"
        evidence = f"{coming.key.to_text()} is published, but caches may lack it; its key can be served safely {when}"
        self._say("next-unaged", owners[0], evidence)

    # Keys and signatures.

    def _keys_on_disk(self) -> None:
        goal = self.known.goal
        planned = {self.known.current} - {""}
        if goal is not None:
            planned |= {goal.to_key} if goal.finished is not None else {goal.from_key, goal.to_key}
        if not planned:
            return
        own = [view for view in self.known.observation.endpoints if view.endpoint in self.target.endpoints]
        served = {chain.key for view in own for chain in view.chains}
        for slot in ("live", "staged"):
            chain = self.known.held.get(slot)
            if chain is None or chain.key.to_text() in planned:
                continue
            deployed = chain.key in served
            evidence = f"the slot {slot} has the key {chain.key.to_text()}, which no rotation brought there"
            evidence += ", and it is served" if deployed else ""
            severity = Severity.CRITICAL if deployed else Severity.ERROR
            subject = self.target.owners[0]
            self._say("key-reuse-lost", subject, evidence, f"the key {' or '.join(sorted(planned))}", severity)

    def _theft(self) -> None:
        revoked = self.target.revoked
        if not revoked:
            return
        until = planner.exposed_until(self.known.after, self.target, self.known.now)
        if until is None:
            return
        published = until == float("inf")
        when = "as long as it is published" if published else f"until {moment_text(until)}"
        keys = sorted({chain.key.to_text() for chain in revoked})
        verb = "were" if len(keys) > 1 else "was"
        evidence = f"{' and '.join(keys)} {verb} reported stolen, and may be accepted {when}"
        severity = None if published else Severity.ERROR
        self._say("key-compromised", self.target.owners[0], evidence, "", severity)

    def _signatures(self) -> None:
        for view in self.known.observation.authorities:
            if view.failure or view.signed_until is None:
                continue
            left = view.signed_until - self.known.now.wall
            need = guards.signature_need(view.ttl, self.policy)
            if left < need:
                evidence = f"{view.owner} at {view.address} is signed for {left:.0f} s more, needed are {need:.0f} s"
                self._say("rrsig-expiring" if left > 0 else "rrsig-expired", view.owner, evidence)
