# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what a host holds, remembers and was seen to serve, to the next step of its rotation.

The content of the journal file is ``journal`` (the planner's), ``goal`` (the rotation that was begun), ``revoked``
(stolen chains, as PEM), ``discarded`` (the stolen key whose next key went with it), ``key`` (that in use when last all
was as wanted), ``missed`` (records that somebody took away) and ``adopted`` (the key that was in use before the first
run, and whether a rotation to a key of its own follows). Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import chain as rotation_chain
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import findings as rotation_findings
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import goal as rotation_goal
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import (
    guards,
    learn,
    outcome,
    planner,
    serial,
    state,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import record as rotation_record
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.findings import Judgement, Known, Place
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.goal import Choice, Held
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError, Node
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    NO_TLS,
    EndpointView,
    Exposure,
    Observation,
    Policy,
    Scheme,
    Target,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import Deploy, Done, Plan, Wait

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
    from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.look import Look
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Chain, Journal

#: Slots of the mail host's directory; see ``certificate_files``.
SLOTS: t.Final = ("live", "staged", "next", "previous")
#: Those that a deployment takes.
DEPLOYABLE: t.Final = ("staged", "next")
STOLEN: t.Final = ("current", "next")
#: What follows the adoption of a key: it stays until somebody asks for a rotation, or a rotation to a key of our own
#: follows by itself. By default it follows where no TLSA record was published.
AUTO: t.Final = "auto"
ADOPT: t.Final = "adopt"
MOVE: t.Final = "move"
ADOPTIONS: t.Final = (AUTO, ADOPT, MOVE)
#: Takes the place of an endpoint while another program's key is in it.
LIVE_FILE: t.Final = "live/keychain.pem"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the administrator asks for.

    ``owners``: TLSA owner names that share the chains. ``request``: see ``goal``. ``stolen``: with the
    request ``compromise``, whose key, any of ``current`` and ``next``. ``own_addresses``: those of the managed host;
    when none of them is an endpoint (address translation), all endpoints are taken for its own. ``restart``: forget a
    rotation that was begun. ``others`` and ``unaccounted``: other hosts behind the base domain, what they served when
    a run last reached them, and those that none has reached. ``watch``: the slot whose chain the endpoints are to
    follow, instead of the one that shall be served in the end. ``bare``: the host has never served TLS, and says so
    itself. ``adopted``: the ``3 1 1`` record of the key that was in use before the first run, ``adoption`` what follows
    for it: see ``ADOPTIONS``. The others are as in ``state.Target``.
    """

    base_domain: str
    owners: tuple[str, ...]
    request: str
    scheme: frozenset[Scheme]
    policy: Policy
    ttl: int | None = None
    minimum_age: float = 0
    stolen: tuple[str, ...] = ("current",)
    exposure: Exposure | None = None
    release: frozenset[TlsaRecord] = frozenset()
    own_addresses: frozenset[str] = frozenset()
    issuer_depths: tuple[int, ...] = (1,)
    first_rollout: bool = False
    restart: bool = False
    watch: str = ""
    kept: frozenset[TlsaRecord] = frozenset()
    others: tuple[EndpointView, ...] = ()
    unaccounted: tuple[str, ...] = ()
    bare: bool = False
    generates: bool = True
    adopted: str = ""
    adoption: str = AUTO


def decide(
    wanted: Wanted, content: dict[str, t.Any], slots: t.Mapping[str, str], look: Look, lock: str, now: Moment
) -> dict[str, t.Any]:
    """Return the next step and all that belongs to it. ``slots``: chains as PEM, '' where there is none.

    Raises ValueError (DataError, TargetError, GoalError, CertificateError), whose message names what is wrong.
    """
    return _Decision(wanted, content, slots, look, lock, now).result()


class _Decision:
    def __init__(
        self,
        wanted: Wanted,
        content: dict[str, t.Any],
        slots: t.Mapping[str, str],
        look: Look,
        lock: str,
        now: Moment,
    ) -> None:
        self.wanted, self.look, self.lock, self.now = wanted, look, lock, now
        self.slots, self.stored = slots, Node(content, "content")
        self.stored.only("journal", "goal", "revoked", "discarded", "key", "missed", "adopted")
        self.date = datetime.datetime.fromtimestamp(now.wall, datetime.UTC)
        self.chains = {slot: chain for slot in SLOTS if (chain := self._chain(slots.get(slot) or "", slot))}
        if "live" not in self.chains:
            if not wanted.bare or wanted.request != rotation_goal.KEEP or "staged" not in self.chains:
                raise DataError(
                    "this host has no certificate in use yet, so there is nothing to rotate: run the playbook "
                    "mailsec.dane.inbound first, which sets up STARTTLS and publishes the records"
                )
            self.chains["live"] = NO_TLS
        self.adopted = self._adopted()

    def _chain(self, pem: str, what: str) -> Chain | None:
        if not pem:
            return None
        try:
            certificates = certificate.load_pem(pem)
            return rotation_chain.describe(
                certificates,
                (self.wanted.base_domain,),
                self.date,
                sorted(self.look.published),
                self.wanted.issuer_depths,
            )
        except ValueError as error:
            raise DataError(f"the chain in {what}: {error}") from error

    def _adopted(self) -> dict[str, t.Any] | None:
        """Return what is remembered of the key that was in use before the first run; None when it is gone."""
        key, stored = self.wanted.adopted, self.stored.field("adopted")
        if not key or self._key("live") != key:
            return None
        if stored.given and stored.field("key").text() == key:
            return {"key": key, "moves": stored.field("moves").flag()}
        moves: bool | None = self.wanted.adoption == MOVE
        if self.wanted.adoption == AUTO and not self.look.published:
            # Where an address did not answer, what stands there is unknown, and a later look decides.
            moves = None if any(view.failure for view in self.look.authorities) else True
        return {"key": key, "moves": moves}

    @property
    def _adopted_data(self) -> dict[str, t.Any] | None:
        return self.adopted if self.adopted and self.adopted["moves"] is not None else None

    def _request(self) -> str:
        """Return what is asked for; the rotation away from an adopted key begins once all is as wanted with it."""
        is_settled = self.stored.field("key").text("") == self.wanted.adopted
        if self.wanted.request == rotation_goal.KEEP and self.adopted and self.adopted["moves"] and is_settled:
            return rotation_goal.NEW_KEY
        return self.wanted.request

    def result(self) -> dict[str, t.Any]:
        wanted, live = self.wanted, self.chains["live"].key.to_text()
        held = Held(live, self._key("staged"), self._key("next"))
        goal = None if wanted.restart else rotation_goal.read_goal(self.stored.field("goal"))
        gone = self.stored.field("discarded").text("")
        discard = wanted.request == rotation_goal.COMPROMISE and "next" in wanted.stolen and gone != live
        try:
            choice = rotation_goal.choose(goal, held, self._request(), wanted.minimum_age, self.now.wall, discard)
        except rotation_goal.GoalError as error:
            error.findings = [one.as_dict() for one in self._aside_findings({})[0]]
            raise
        revoked = self._revoked(choice, discard)
        if choice.missing:
            if not wanted.generates:
                raise DataError(
                    "there is no other key to rotate to: the certificates come from files (certificate_source: file), "
                    "and these have the key in use. Have the program that makes them renew with a new key, then run "
                    "this again"
                )
            why = "there is none yet, and a rotation needs one"
            return self._aside("generate", f"Generate the next key: {why}.", why, goal, revoked)
        if choice.begins and self.chains["next"].key in {chain.key for chain in revoked.values()}:
            why = "it was stolen together with the key in use"
            past = goal if goal is not None and goal.finished is not None else None
            return self._aside("discard", f"Discard the next key: {why}.", why, past, revoked, live)
        target = self._target(choice, tuple(revoked.values()))
        observation, journal = self.observation, self._journal()
        plan = planner.plan(journal, self._with_file(target), target, self.now)
        reached, key = choice.goal, self.stored.field("key").text("")
        if isinstance(plan.step, Done):
            reached = rotation_goal.finish(choice.goal, live, self.now.wall)
            key = target.chains[0].key.to_text()
        findings, missed = self._findings(journal, plan.journal, target)
        return {
            **self._plan_result(plan, choice, reached, live, findings),
            "content": {
                "journal": serial.journal_data(plan.journal),
                "goal": rotation_goal.goal_data(reached),
                "revoked": list(revoked),
                "discarded": gone,
                "key": key,
                "missed": _missed_data(missed),
                "adopted": self._adopted_data,
            },
            "events": rotation_record.events_between(journal, plan.journal, plan.step, self.now.wall),
            **self._of_host(plan, target),
            **self._slot(plan, choice, target, live),
            "lagging": self._lagging(target),
            "observation": self._shown(observation),
            "decided": self.now.wall,
        }

    @functools.cached_property
    def observation(self) -> Observation:
        """What was seen, in the planner's words."""
        wanted = self.wanted
        views = self.look.endpoints((wanted.base_domain,), self.date, wanted.policy.repeats, wanted.issuer_depths)
        if self.chains["live"] == NO_TLS:
            # What the host says of itself counts for its own addresses, unless somebody answers there with TLS.
            own = self._endpoints()
            bare = frozenset({NO_TLS})
            views = tuple(
                dataclasses.replace(view, chains=bare, failure="", repeats=wanted.policy.repeats)
                if view.endpoint in own and not view.chains
                else view
                for view in views
            )
        return Observation(
            self.look.authorities, (*views, *wanted.others), self.lock, wanted.unaccounted, self.look.updates
        )

    def _with_file(self, target: Target) -> Observation:
        """Return what was seen, and the file that the next process of the mail server reads, where it counts."""
        if LIVE_FILE not in target.endpoints:
            return self.observation
        file = EndpointView(LIVE_FILE, frozenset({self.chains["live"]}), self.wanted.policy.repeats)
        return dataclasses.replace(self.observation, endpoints=(*self.observation.endpoints, file))

    def _journal(self) -> Journal:
        if self.stored.field("journal").given:
            return serial.read_journal(self.stored.field("journal").value)
        # Records that can be seen outweigh the statement that there never were any.
        if self.wanted.first_rollout and not self.look.published:
            return state.first_journal()
        return state.lost_journal(self.wanted.owners, self.wanted.policy)

    def _findings(self, before: Journal, after: Journal, target: Target) -> Judgement:
        missed = frozenset(
            (item.field("owner").owner(), item.field("record").seen_record())
            for item in self.stored.field("missed").items()
        )
        goal = rotation_goal.read_goal(self.stored.field("goal"))
        key = self.stored.field("key").text("")
        return rotation_findings.judge(
            Known(before, after, self.observation, target, self.chains, goal, key, self.now, missed, self.look.doubts)
        )

    def _aside_findings(self, revoked: t.Mapping[str, Chain]) -> Judgement:
        """Return what there is to say although nothing is planned."""
        wanted, before = self.wanted, self._journal()
        nothing = Target(
            wanted.owners,
            self._endpoints(),
            (),
            scheme=frozenset(),
            revoked=tuple(revoked.values()),
            release=wanted.release,
            policy=wanted.policy,
        )
        after = learn.learn(before, self.observation, nothing, self.now)
        return self._findings(before, after, nothing)

    def _key(self, slot: str) -> str:
        chain = self.chains.get(slot)
        return chain.key.to_text() if chain else ""

    def _aside(
        self,
        action: str,
        summary: str,
        why: str,
        goal: rotation_goal.Goal | None,
        revoked: t.Mapping[str, Chain],
        discarded: str | None = None,
    ) -> dict[str, t.Any]:
        """Return a step about files on the host, before there is anything to plan."""
        step: dict[str, t.Any] = {"action": action, "summary": summary, "why": why}
        findings, missed = self._aside_findings(revoked)
        content = {
            "journal": self.stored.field("journal").value,
            "goal": rotation_goal.goal_data(goal),
            "revoked": list(revoked),
            "discarded": self.stored.field("discarded").text("") if discarded is None else discarded,
            "key": self.stored.field("key").text(""),
            "missed": _missed_data(missed),
            "adopted": self._adopted_data,
        }
        phase = "preparing"
        if self.lock:
            step = {
                "action": "wait",
                "summary": f"Wait: {self.lock} holds the lease of this rotation.",
                "why": "lease",
                "until": None,
                "until_epoch": None,
                "look_again_epoch": self.now.wall + self.wanted.policy.poll,
                "obstacles": [],
            }
        return {
            "step": step,
            "phase": phase,
            "notes": [],
            "findings": [one.as_dict() for one in findings],
            "report": [f"Phase: {phase}", step["summary"], *map(_sentence, findings)],
            "outcome": {"state": "blocked" if self.lock else "pending", "sentence": step["summary"]},
            "content": content,
            "events": [],
            "chains": [serial.chain_data(self.chains["live"])],
            "wants": None,
            "waits_for": [],
            "slot": "next",
            "key": self.chains["live"].key.to_text(),
            "lagging": [],
            "observation": self._shown(self.observation),
            "decided": self.now.wall,
        }

    def _revoked(self, choice: Choice, discard: bool) -> dict[str, Chain]:
        """Return the stolen chains that still matter, by their PEM: those remembered, and those reported now."""
        found = {}
        for item in self.stored.field("revoked").items():
            chain = self._chain(item.text(), item.where)
            if chain and (chain.not_after is None or self.now.wall <= chain.not_after):
                found[item.text()] = chain
        if self.wanted.request == rotation_goal.COMPROMISE and (choice.begins or choice.missing):
            # These lie beside each other. Renewals go on with what is staged, which is the key that was published where
            # somebody replaced the live one; and the certificate of the former key may outlast that of the live one.
            for slot in ("live", "staged", "previous"):
                if slot in self.chains and (slot == "live" or self._key(slot) != self._key("next")):
                    found[self.slots[slot]] = self.chains[slot]
            # Only the next key of the moment of the report was stolen, not the one made to replace it.
            if discard and "next" in self.chains:
                found[self.slots["next"]] = self.chains["next"]
        return found

    def _target(self, choice: Choice, revoked: tuple[Chain, ...]) -> Target:
        wanted, live = self.wanted, self.chains["live"]
        stolen = {chain.key for chain in revoked}
        withdrawing = wanted.request == rotation_goal.WITHDRAW
        # What another program put into these places is nothing to deploy, and nothing to return to.
        planned = self._planned(choice)
        served = self.chains.get(choice.slot, live)
        is_staged = choice.slot == rotation_goal.STAGED
        if is_staged and live.key.to_text() == planned[0] and served.key != live.key:
            served = live
        following = self.chains.get("next")
        next_keys: tuple[TlsaRecord, ...] = ()
        if choice.slot != "next" and following and following.key not in {live.key, *stolen}:
            next_keys = (following.key,)
        rest = {slot: chain for slot in ("live", "previous", "staged") if (chain := self.chains.get(slot))}
        rest = {
            slot: chain for slot, chain in rest.items() if chain.key not in stolen and chain.key.to_text() in planned
        }
        endpoints = self._endpoints()
        if served.key != live.key and (is_staged or live.key.to_text() not in planned):
            # It may not be seen yet, but the next process of the mail server would present it.
            endpoints += (LIVE_FILE,)
        target = Target(
            owners=wanted.owners,
            endpoints=endpoints,
            chains=(served,),
            next_keys=next_keys,
            scheme=frozenset() if withdrawing else self._scheme(served),
            ttl=wanted.ttl,
            revoked=revoked,
            exposure=wanted.exposure,
            fallback=tuple(chain for slot, chain in rest.items() if self._can_deploy(slot)),
            known=tuple(rest.values()),
            release=wanted.release,
            kept=wanted.kept,
            bare=live == NO_TLS,
            generates=wanted.generates,
            policy=wanted.policy,
        )
        is_chosen = live.key not in stolen and bool(state.desired_records(target, self.now.wall))
        if revoked and wanted.exposure is None and is_chosen:
            # The stolen key is served no more: from here on there is nothing to choose, only to wait.
            target = dataclasses.replace(target, exposure=Exposure.SERVE)
        return target

    def _scheme(self, served: Chain) -> frozenset[Scheme]:
        """Return which records are wanted: of an adopted chain no record of its CA, unless it is published already.

        Public CAs change their issuing certificates without notice.
        """
        scheme = self.wanted.scheme
        is_adopted = self.adopted is not None and served.key.to_text() == self.adopted["key"]
        if is_adopted and Scheme.CURRENT in scheme and not self.look.published & set(served.issuers):
            return scheme - {Scheme.ISSUER}
        return scheme

    def _planned(self, choice: Choice) -> tuple[str, ...]:
        """Return the keys that a rotation, or what came before the first one, made live, the last one first."""
        goal, key = choice.goal, self.stored.field("key").text("")
        rotated = (goal.to_key, goal.from_key) if goal else ()
        if goal and goal.finished is None:
            return rotated
        if key:
            return tuple(dict.fromkeys((key, *rotated)))
        # Nobody remembers: whose record is published, that of what was staged here before that of what is read.
        held = [chain for slot in ("staged", "live") if (chain := self.chains.get(slot))]
        published = [chain for chain in held if chain.key in self.look.published]
        return ((published or held)[0].key.to_text(),)

    def _of_host(self, plan: Plan, target: Target) -> dict[str, t.Any]:
        """Return what others behind the same name have to know of this host, and whom of them it waits for."""
        chains = [self.chains["live"], *(plan.step.chains if isinstance(plan.step, Deploy) else ())]
        own = state.desired_records(dataclasses.replace(target, kept=frozenset()), self.now.wall)
        obstacles = plan.step.obstacles if isinstance(plan.step, Wait) else ()
        named = [one.subject.split(", ") for one in obstacles if one.inequality in guards.OF_OTHERS]
        return {
            "chains": [serial.chain_data(chain) for chain in dict.fromkeys(chains)],
            "wants": sorted(record.to_text() for record in own),
            "waits_for": sorted({name for names in named for name in names} - set(target.endpoints)),
        }

    def _lagging(self, target: Target) -> list[str]:
        watched = self.chains.get(self.wanted.watch)
        wanted = frozenset({watched} if watched else target.chains)
        return [
            view.endpoint
            for view in self.observation.endpoints
            if view.endpoint in target.endpoints and (view.failure or view.chains != wanted)
        ]

    def _can_deploy(self, slot: str) -> bool:
        """Whether what is in ``slot`` can be made live: by its key in a slot for that, or as what was live before."""
        returns = slot == "previous" and self._key("next") == self._key("live")
        return returns or self._key(slot) in {self._key(one) for one in DEPLOYABLE}

    def _slot(self, plan: Plan, choice: Choice, target: Target, live: str) -> dict[str, str]:
        """Return from which slot to deploy, and which key: that of the step, which may be one to return to."""
        wanted = plan.step.chains if isinstance(plan.step, Deploy) else target.chains
        if not wanted:
            return {"slot": choice.slot, "key": live}
        slots = (choice.slot, *DEPLOYABLE)
        exact = [slot for slot in slots if self.chains.get(slot) == wanted[0]]
        alike = [slot for slot in slots if self._key(slot) == wanted[0].key.to_text()]
        return {"slot": next(iter([*exact, *alike]), "previous"), "key": wanted[0].key.to_text()}

    def _endpoints(self) -> tuple[str, ...]:
        own = [str(one) for one in self.look.probes if one.address in self.wanted.own_addresses]
        if not own and (self.wanted.others or self.wanted.unaccounted):
            there = ", ".join(str(one) for one in self.look.probes)
            raise DataError(
                f"none of the addresses of {self.wanted.base_domain} ({there}) is known to belong to this host, which "
                "shares the name with others: set rotation_own_addresses"
            )
        return tuple(own or map(str, self.look.probes))

    def _plan_result(
        self, plan: Plan, choice: Choice, reached: rotation_goal.Goal | None, live: str, findings: tuple[Finding, ...]
    ) -> dict[str, t.Any]:
        step = serial.step_data(plan.step)
        withdrawing = self.wanted.request == rotation_goal.WITHDRAW
        phase = rotation_goal.phase(reached, live, step["action"], withdrawing)
        notes = [*filter(None, [choice.note]), *plan.notes, *self.look.notes]
        if self.adopted and self.adopted["moves"] and isinstance(plan.step, Done):
            notes.append("the key in use was adopted; the next run begins a rotation to the next key")
        report = _report(phase, step, notes, plan) + [_sentence(one) for one in findings]
        shown = [one.as_dict() for one in findings]
        result = outcome.outcome(plan.step, step["summary"])
        return {"step": step, "phase": phase, "notes": notes, "findings": shown, "report": report, "outcome": result}

    def _shown(self, observation: Observation) -> dict[str, t.Any]:
        return {
            "authorities": [
                {
                    "owner": view.owner,
                    "address": view.address,
                    "failure": view.failure,
                    "ttl": view.ttl,
                    "records": sorted(record.to_text() for record in view.records),
                    "primary": view.primary,
                    "serial": view.serial,
                    "signature": view.signature,
                    "signed_until": view.signed_until,
                    "unvalidated": view.unvalidated,
                    "wildcard": view.wildcard,
                    "zone_signature": view.zone_signature,
                }
                for view in observation.authorities
            ],
            "endpoints": [
                {
                    "endpoint": view.endpoint,
                    "repeats": view.repeats,
                    "failure": view.failure,
                    "keys": sorted(chain.key.to_text() for chain in view.chains),
                }
                for view in observation.endpoints
            ],
        }


def _missed_data(missed: c.Iterable[Place]) -> list[dict[str, str]]:
    return sorted(
        ({"owner": owner, "record": record.to_text()} for owner, record in missed),
        key=lambda one: (one["owner"], one["record"]),
    )


def _sentence(found: Finding) -> str:
    return f"Finding {found.code} ({found.severity.value}), {found.subject}: {found.evidence}. {found.remedy}"


def _why_not_sooner(obstacles: c.Sequence[dict[str, t.Any]]) -> list[str]:
    """One line for each obstacle; of those that only time removes, the last one of each inequality and their number."""
    groups: dict[tuple[str, str], list[dict[str, t.Any]]] = {}
    for one in obstacles:
        groups.setdefault((one["inequality"], "" if one["seconds"] is not None else one["sentence"]), []).append(one)
    lines = []
    for (inequality, _sentence), group in groups.items():
        last = max(group, key=lambda one: one["seconds"] or 0)
        more = f"; {len(group) - 1} more of this kind end earlier" if len(group) > 1 else ""
        lines.append(f"Not yet ({inequality}): {last['sentence']}{more}")
    return lines


def _report(phase: str, step: dict[str, t.Any], notes: c.Iterable[str], plan: Plan) -> list[str]:
    """Return what a person wants to know: phase, next safe time, and why not sooner."""
    lines = [f"Phase: {phase}", step["summary"]]
    if isinstance(plan.step, Wait):
        lines.append(f"Next safe time: {step['until'] or 'unknown, because something else must happen first'}")
    lines += _why_not_sooner(step.get("obstacles", []))
    lines += [f"Choose rotation_exposure {one['exposure']}: {one['sentence']}" for one in step.get("options", [])]
    if step.get("exposed_until"):
        lines.append(f"A stolen key may still be accepted until {step['exposed_until']}")
    return lines + [f"Note: {note}" for note in notes]
