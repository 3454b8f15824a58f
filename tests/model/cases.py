# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known-bad policies that the checker must catch, and controls that must pass.

A bad policy is either the planner itself with one guard taken away, or a few lines that do what the tools of
others do. All of them run in the same world as the real planner.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from unittest import mock

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import guards, learn
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import planner as rotation_planner
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    Exposure,
    Journal,
    Observation,
    Scheme,
    Target,
    first_journal,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import (
    Deploy,
    Done,
    HandOver,
    Plan,
    Publish,
    Step,
    Wait,
)

from . import world
from .world import EXACT, NO_TLS, OWNER, Controller, Records, Scope, State, World, chain, record

K1, K2, K3 = record("K1"), record("K2"), record("K3")
STRANGER = record("K9")
CA1, CA2, CA3 = record("CA1", 2), record("CA2", 2), record("CA3", 2)
A1, A3 = record("A1"), record("A3")
BOTH: t.Final = (chain("K1", "CA1"), chain("A1", "CA1"))
OTHER = "_465._tcp.mx.example"
ONE = frozenset({Scheme.CURRENT})
TWO = frozenset({Scheme.CURRENT, Scheme.NEXT})
ALL = frozenset(Scheme)
FACTSHEET = frozenset({Scheme.CURRENT, Scheme.ISSUER})
LOOSE = dataclasses.replace(EXACT, strict=False)


@dataclasses.dataclass(frozen=True)
class Case:
    """``broken``: the property that must be found broken, '' for a control. ``holds``: what must hold all the same.

    ``patches``: guards taken away, as (object, attribute, replacement).
    """

    code: str
    title: str
    scope: Scope
    broken: str = ""
    holds: tuple[str, ...] = ()
    patches: tuple[tuple[t.Any, str, t.Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.code}: {self.title}"

    @contextlib.contextmanager
    def weakened(self) -> t.Iterator[None]:
        """Take the guards away for as long as the context lasts."""
        with contextlib.ExitStack() as stack:
            for thing, name, replacement in self.patches:
                stack.enter_context(mock.patch.object(thing, name, replacement))
            yield


def target(key: str = "K2", *issuers: str, next_key: str = "", n: int = 1, **more: t.Any) -> Target:
    """Return the target of serving ``key``; the scheme is current and next unless said otherwise."""
    settings: dict[str, t.Any] = {
        "owners": (OWNER,),
        "endpoints": tuple(f"mx{place}" for place in range(n)),
        "chains": (chain(key, *issuers),),
        "next_keys": (record(next_key),) if next_key else (),
        "scheme": TWO,
        "fallback": (chain("K1", *issuers[:1]),),
        "policy": EXACT,
    }
    return Target(**{**settings, **more})


def rotation(name: str, *records: Records, n: int = 1, **more: t.Any) -> Scope:
    """Return the scope of a rotation from K1 to K2, after which K3 is generated."""
    own = {key: more.pop(key) for key in ("policy", "scheme", "ttl_wanted") if key in more}
    if "ttl_wanted" in own:
        own["ttl"] = own.pop("ttl_wanted")
    settings: dict[str, t.Any] = {
        "records": frozenset().union(*records) if records else frozenset({K1}),
        "chain": chain("K1"),
        "targets": more.pop("targets", None) or (target(n=n, **own), target(next_key="K3", n=n, **own)),
        "generated": {0: 1},
        "endpoints": n,
    }
    return Scope(name, **{**settings, **more})


# Others' policies, in a few lines each. They look at the primary and at the endpoints, as those tools do.


def script(decide: t.Callable[[Records, frozenset[str], int, Target], Step]) -> t.Any:
    """Make a planner of ``decide``, which sees records at the primary, names of served chains, the TTL, the target."""

    def planner(journal: Journal, observation: Observation, wanted: Target, now: Moment) -> Plan:
        learnt = learn.learn(journal, observation, wanted, now)
        base = next(view for view in observation.authorities if view.primary)
        served = frozenset(one.identity for view in observation.endpoints for one in view.chains)
        step = decide(base.records, served, base.ttl, wanted)
        return Plan(step, rotation_planner.remember(learnt, step))

    return planner


def _put(before: Records, ttl: int, *records: t.Any) -> Publish:
    return Publish(OWNER, frozenset(records), ttl, before, ttl, "")


def _serve(wanted: Target) -> Deploy:
    return Deploy(wanted.chains, wanted.endpoints, False, "")


def deploy_first(base: Records, served: frozenset[str], ttl: int, wanted: Target) -> Step:
    if wanted.chains[0].identity not in served or len(served) > 1:
        return _serve(wanted)
    return Done("") if base == {wanted.chains[0].key} else _put(base, ttl, wanted.chains[0].key)


def replace_first(base: Records, served: frozenset[str], ttl: int, wanted: Target) -> Step:
    if base != {wanted.chains[0].key}:
        return _put(base, ttl, wanted.chains[0].key)
    return Done("") if served == {wanted.chains[0].identity} else _serve(wanted)


def delete_all_first(base: Records, served: frozenset[str], ttl: int, wanted: Target) -> Step:
    if base == {K1}:
        return _put(base, ttl)
    if not base:
        return _put(base, ttl, K2)
    return _put(base, ttl, K1, K2) if base == {K2} else Done("")


def other_digest_for_next(base: Records, served: frozenset[str], ttl: int, wanted: Target) -> Step:
    return _put(base, ttl, K1, record("K2", 3, 2)) if base == {K1} else Done("")


def hand_over_at_once(base: Records, served: frozenset[str], ttl: int, wanted: Target) -> Step:
    return _put(base, ttl) if base else HandOver("")


# The planner, blinded.


def blind(keep: t.Callable[[str], bool]) -> t.Any:
    """Make a planner that sees only the authoritative addresses and endpoints whose names ``keep`` accepts."""

    def planner(journal: Journal, observation: Observation, wanted: Target, now: Moment) -> Plan:
        seen = dataclasses.replace(
            observation,
            authorities=tuple(view for view in observation.authorities if keep(view.address)),
            endpoints=tuple(view for view in observation.endpoints if keep(view.endpoint)),
        )
        known = tuple(name for name in wanted.endpoints if keep(name))
        return rotation_planner.plan(journal, seen, dataclasses.replace(wanted, endpoints=known), now)

    return planner


def trusting_its_memory(journal: Journal, observation: Observation, wanted: Target, now: Moment) -> Plan:
    """Take a name server that does not answer for one that has what it had."""
    had = {
        (entry.owner, address): entry
        for entry in journal.rrsets
        for address in sorted(entry.served_by)
        if entry.records is not None
    }
    views = []
    for view in observation.authorities:
        entry = had.get((view.owner, view.address))
        if view.failure and entry is not None:
            view = dataclasses.replace(view, records=entry.records or frozenset(), ttl=entry.ttl, failure="")
        views.append(view)
    return rotation_planner.plan(journal, dataclasses.replace(observation, authorities=tuple(views)), wanted, now)


def no_recheck(journal: Journal, observation: Observation, wanted: Target, now: Moment) -> Plan:
    """Once ready, always ready: a mark in the journal stands for the check (KB-06)."""
    plan = rotation_planner.plan(journal, observation, wanted, now)
    if journal.handed_over:
        step: Step = plan.step
        if any(view.chains != frozenset(wanted.chains) for view in observation.endpoints):
            step = _serve(wanted)
        return Plan(step, dataclasses.replace(plan.journal, handed_over=True))
    if isinstance(plan.step, Deploy):
        journal = learn.learn(journal, observation, wanted, now)
        return Plan(Wait(None, 0, (), ""), dataclasses.replace(journal, handed_over=True))
    return plan


def no_way_back(journal: Journal, observation: Observation, wanted: Target, now: Moment) -> Plan:
    """Return to the former chain whenever asked to (KB-13)."""
    plan = rotation_planner.plan(journal, observation, wanted, now)
    if wanted.chains[0].key == K1 and any(view.chains != frozenset(wanted.chains) for view in observation.endpoints):
        step = _serve(wanted)
        journal = learn.learn(journal, observation, wanted, now)
        return Plan(step, rotation_planner.remember(journal, step))
    return plan


def gives_up(journal: Journal, observation: Observation, wanted: Target, now: Moment) -> Plan:
    """A clean-up whose compare-and-swap failed is taken for done (KB-24)."""
    if journal.handed_over:
        return Plan(Wait(None, 0, (), ""), journal)
    plan = rotation_planner.plan(journal, observation, wanted, now)
    tried = any(entry.intended and entry.records and K1 not in entry.records for entry in journal.rrsets)
    base = next(view for view in observation.authorities if view.primary)
    if tried and K1 in base.records:
        return Plan(Wait(None, 0, (), ""), dataclasses.replace(plan.journal, handed_over=True))
    return plan


# Guards, taken away.

#: Two controllers of which each sees its own endpoint only.
EACH_ITS_OWN: t.Final = (
    Controller(0, blind(lambda name: name != "mx1")),
    Controller(1, blind(lambda name: name != "mx0")),
)
PRIMARY_ONLY: t.Final = blind(lambda name: name in ("ns0", "mx0", "mx1"))
NO_LEAD: t.Final = (guards, "_lead_obstacles", lambda _journal, _chains: [])
NO_DEPLOY_GUARD: t.Final = (guards, "deploy_obstacles", lambda *_args: [])


def _ttls(count: int) -> tuple[t.Any, str, t.Any]:
    return (guards, "cache_seconds", lambda entry, _policy, _outage: count * entry.ttl)


_REAL_DEPLOY_OBSTACLES = guards.deploy_obstacles
_REAL_FINAL = rotation_planner._Planner._final_records


def _final_without_others(self: t.Any, base: Records) -> Records:
    return _REAL_FINAL(self, base) & rotation_planner.state.desired_records(self.target, self.now.wall)


def _keep_issuer(self: t.Any, base: Records) -> Records:
    return base | {K2}


def _two_nodes(**more: t.Any) -> Scope:
    """Two nodes behind one name, each with its own key and its own controller."""
    a, b = chain("A1"), chain("B1")
    first = target("A2", endpoints=("mx0",), fallback=(a,), scheme=frozenset({Scheme.CURRENT}))
    second = target("B2", endpoints=("mx1",), fallback=(b,), scheme=frozenset({Scheme.CURRENT}))
    settings: dict[str, t.Any] = {
        "records": frozenset({a.key, b.key}),
        "chain": (a, b),
        "targets": (first, second),
        "endpoints": 2,
        "controllers": (Controller(0), Controller(1)),
        "ttl": 1,
        "secondaries": 0,
    }
    return Scope("two controllers", **{**settings, **more})


def _two_names(**more: t.Any) -> Scope:
    """One key under two owner names, each on name servers of its own."""
    names = {"owners": (OWNER, OTHER), "scheme": ONE}
    settings: dict[str, t.Any] = {
        "owners": (OWNER, OTHER),
        "delay": 2,
        "targets": (target(**names, next_keys=()),),
    }
    return rotation("two names", **{**settings, **more})


def _first_chain_only(journal: Journal, chains: t.Any, *rest: t.Any) -> t.Any:
    return _REAL_DEPLOY_OBSTACLES(journal, tuple(chains)[:1], *rest)


def _first_name_only(journal: Journal, *rest: t.Any) -> t.Any:
    entries = tuple(entry for entry in journal.rrsets if entry.owner == OWNER)
    return _REAL_DEPLOY_OBSTACLES(dataclasses.replace(journal, rrsets=entries), *rest)


def _factsheet_ca(**more: t.Any) -> Scope:
    """Records of the key in use and of the CA; the CA changes, and with it the key."""
    settings: dict[str, t.Any] = {
        "records": frozenset({K1, CA1}),
        "chain": chain("K1", "CA1"),
        "targets": (target("K2", "CA2", scheme=FACTSHEET, policy=LOOSE, fallback=(chain("K1", "CA1"),)),),
    }
    return Scope("CA change, two records", **{**settings, **more})


def _factsheet_renewal(**more: t.Any) -> Scope:
    settings: dict[str, t.Any] = {
        "records": frozenset({K1, CA1}),
        "chain": chain("K1", "CA1"),
        "targets": (target("K2", "CA1", scheme=FACTSHEET, policy=LOOSE),),
    }
    return Scope("renewal under the same CA, two records", **{**settings, **more})


def _withdrawn(_world: World, state: State) -> bool:
    return not state.cache and set(state.srv) == {_world.chains.number(NO_TLS)}


def _withdrawal(**more: t.Any) -> Scope:
    settings: dict[str, t.Any] = {
        "targets": (target(scheme=frozenset(), chains=(), next_keys=()),),
        "secure": False,
        "goal": _withdrawn,
    }
    return rotation("withdrawal", frozenset({K1, K2}), **{**settings, **more})


def _over_or_withdrawn(_world: World, state: State) -> bool:
    over = [_world.chains.number(one) for one in (NO_TLS, chain("K2"))]
    return not state.cache and len(set(state.ns)) == 1 and len(set(state.srv)) == 1 and state.srv[0] in over


STOLEN: t.Final = chain("K1", "CA1")


def _stolen_is_dead(world: World, state: State) -> bool:
    held = {*state.ns, *(value for value, _left in state.cache)}
    records = [world.values.things[value][0] for value in held]
    over = all(one and not one & STOLEN.satisfies for one in records)
    return over and all(world.chains.things[served] == chain("K2", "CA1") for served in state.srv)


def _compromise(exposure: Exposure | None, *records: t.Any, **more: t.Any) -> Scope:
    wanted = target("K2", "CA1", scheme=ALL, revoked=(STOLEN,), exposure=exposure, fallback=(STOLEN,))
    settings: dict[str, t.Any] = {
        "records": frozenset(records),
        "chain": STOLEN,
        "targets": (wanted, dataclasses.replace(wanted, next_keys=(K3,))),
        "generated": {0: 1},
        "delay": 3,
        "goal": _stolen_is_dead,
    }
    return Scope("compromise", **{**settings, **more})


def _replay(**more: t.Any) -> Scope:
    """A rotation that is turned round, with a secondary that passes through all that the primary had meanwhile."""
    settings: dict[str, t.Any] = {
        "targets": (target(), target(next_key="K3"), target("K1", next_key="K2")),
        "flips": {1: 2},
        "faults": ("flip",),
        "budget": 1,
        "in_order": True,
        "delay": 4,
    }
    return rotation("replication in order", **{**settings, **more})


def _two_chains(*next_keys: t.Any, **more: t.Any) -> Scope:
    """Two chains on each endpoint, one for each type of key; both change."""
    both = {"chains": (chain("K2", "CA1"), chain("A2", "CA1")), "scheme": TWO if next_keys else ONE}
    settings: dict[str, t.Any] = {
        "records": frozenset({K1, A1}),
        "chain": frozenset(BOTH),
        "targets": (target(**both, fallback=BOTH), target(**both, fallback=BOTH, next_keys=next_keys)),
        "generated": {0: 1},
    }
    return Scope("two chains", **{**settings, **more})


def known_bad() -> tuple[Case, ...]:
    """Return KB-01 to KB-25."""
    here = frozenset({K1})
    renewal, ca_change = _factsheet_renewal(), _factsheet_ca()
    only = {"controllers": (Controller(planner=PRIMARY_ONLY),)}

    def scripted(decide: t.Any) -> dict[str, t.Any]:
        return {"controllers": (Controller(planner=script(decide)),)}

    return (
        Case("KB-01", "deploy first, publish afterwards", rotation("", **scripted(deploy_first)), "P1"),
        Case("KB-02", "replace the record, then deploy", rotation("", **scripted(replace_first)), "P1"),
        Case("KB-03", "wait one TTL from the primary write", rotation("", **only), "P1", patches=(_ttls(1), NO_LEAD)),
        Case(
            "KB-04",
            "wait two TTLs from the primary write, slow secondary",
            rotation("", delay=3, **only),
            "P1",
            patches=(_ttls(2), NO_LEAD),
        ),
        Case(
            "KB-05",
            "gate on one of the name servers",
            rotation("", secondaries=2, controllers=(Controller(planner=blind(lambda name: name != "ns2")),)),
            "P1",
            patches=(NO_LEAD,),
        ),
        Case(
            "KB-06",
            "no check after the ready mark",
            rotation("", controllers=(Controller(planner=no_recheck),), faults=("remove",), budget=1),
            "P1",
        ),
        Case("KB-07", "no margin, clock one ahead", rotation("", delay=3, faults=("clock",), budget=1), "P1"),
        Case(
            "KB-08",
            "TTL lowered, wait the new one",
            rotation("", here, ttl=4, ttl_wanted=2),
            "P1",
            patches=((guards, "cache_seconds", lambda _entry, _policy, _outage: 2), NO_LEAD),
        ),
        Case("KB-09", "two controllers, blind writes", _two_nodes(cas=False), "P1", patches=(NO_LEAD,)),
        Case(
            "KB-10",
            "two controllers, compare-and-swap, clean-up removes records of others",
            _two_nodes(controllers=EACH_ITS_OWN),
            "P1",
            patches=((rotation_planner._Planner, "_final_records", _final_without_others), NO_LEAD),
        ),
        Case("KB-11", "delete all, add next, add current", rotation("", **scripted(delete_all_first)), "P3"),
        Case("KB-11", "the same, second step", rotation("", secure=False, **scripted(delete_all_first)), "P1"),
        Case(
            "KB-12",
            "clean-up after the first of two nodes switched",
            rotation("", n=2, controllers=(Controller(planner=blind(lambda name: name != "mx1")),)),
            "P1",
        ),
        Case(
            "KB-13",
            "back to the old chain after clean-up, at once",
            rotation(
                "",
                targets=(target(), target(next_key="K3"), target("K1", next_key="K2")),
                flips={1: 2},
                faults=("flip",),
                budget=1,
                controllers=(Controller(planner=no_way_back),),
            ),
            "P1",
        ),
        Case(
            "KB-14",
            "a node comes back with the retired key (to be detected)",
            rotation("", n=2, faults=("restore",), budget=1),
            "P1",
        ),
        Case(
            "KB-15",
            "record removed between decision and deployment (to be detected)",
            rotation("", faults=("remove-late",), budget=1),
            "P1",
        ),
        Case("KB-16", "factsheet: renewal under the same CA", renewal, "P2", holds=("P1",)),
        Case(
            "KB-17",
            "the same, but the CA used another intermediate",
            _factsheet_renewal(targets=(target("K2", "CA3", scheme=FACTSHEET, policy=LOOSE),)),
            "P1",
            patches=(NO_DEPLOY_GUARD,),
        ),
        Case(
            "KB-18",
            "factsheet: CA change, wait one TTL from the primary write",
            _factsheet_ca(**only),
            "P1",
            patches=(_ttls(1),),
        ),
        Case("KB-19", "factsheet: CA change, any wait", ca_change, "P2", holds=("P1",)),
        Case(
            "KB-20",
            "unattended renewal with a new key from the old CA, during the CA change",
            _factsheet_ca(faults=("rogue",), budget=1, rogues=(chain("K9", "CA1"),)),
            "P1",
        ),
        Case(
            "KB-21",
            "CA change with the next key published, but only the old CA",
            Scope(
                "",
                frozenset({K1, CA1}),
                chain("K1", "CA1"),
                (target("K2", "CA2", policy=LOOSE, scheme=frozenset({Scheme.CURRENT})),),
            ),
            "P2",
            holds=("P1",),
            patches=(
                (rotation_planner._Planner, "_interim_records", _keep_issuer),
                (rotation_planner._Planner, "_policy", lambda self: self.target.policy),
            ),
        ),
        Case(
            "KB-22",
            "another digest for the next key only",
            rotation("", **scripted(other_digest_for_next)),
            "P1",
        ),
        Case("KB-23", "TLS off right after the records", _withdrawal(**scripted(hand_over_at_once)), "P1"),
        Case("KB-23", "TLS off one TTL after the primary write", _withdrawal(**only), "P1", patches=(_ttls(1),)),
        Case(
            "KB-24",
            "a clean-up that failed is taken for done",
            rotation("", faults=("ttl",), budget=1, controllers=(Controller(planner=gives_up),), scheme=ONE),
            "P4",
        ),
        Case(
            "KB-25",
            "first run on a living host: deploy a key of one's own, publish afterwards",
            rotation("", fresh=True, policy=dataclasses.replace(EXACT, unknown_ttl=2), **scripted(deploy_first)),
            "P1",
        ),
    )


def controls() -> tuple[Case, ...]:
    """Return what must pass: first those the reference asks for, then every other use of the planner."""
    only = {"controllers": (Controller(planner=PRIMARY_ONLY),)}
    far = {"delay": 3, "secondaries": 2}
    margin = dataclasses.replace(EXACT, clock_margin=1)
    watchful = dataclasses.replace(EXACT, exclusive_owner=False)
    slow = dataclasses.replace(EXACT, effect=2)
    lossy = dataclasses.replace(EXACT, unknown_ttl=2)
    lasting = dataclasses.replace(EXACT, worker=2)
    four = frozenset({K1, CA1})
    k1 = chain("K1", "CA1")
    both = {"chains": (chain("K2", "CA1"), chain("A2", "CA1")), "scheme": ONE, "fallback": BOTH}
    stolen = {**both, "revoked": BOTH[:1], "exposure": Exposure.SERVE}
    theft: dict[str, t.Any] = {
        "targets": (target(**both), target(**stolen)),
        "generated": {},
        "flips": {0: 1},
        "faults": ("flip", "crash"),
        "budget": 2,
    }
    return (
        Case("C-01", "two TTLs from the primary write, D <= TTL", rotation("", **only), patches=(_ttls(2), NO_LEAD)),
        Case("C-02", "observed gate, D 1", rotation("")),
        Case("C-03", "observed gate, D 3", rotation("", **far)),
        Case("C-04", "two crashes", rotation("", n=2, **far, faults=("crash",), budget=2, scheme=ONE)),
        Case(
            "C-05",
            "stale or unreachable secondary",
            rotation("", **far, faults=("stale", "down"), budget=1, scheme=ONE),
        ),
        Case("C-06", "TTL changed by somebody", rotation("", delay=2, faults=("ttl",), budget=1, scheme=ONE)),
        Case("C-07", "margin covers the jump", rotation("", delay=3, policy=margin, faults=("clock",), budget=1)),
        Case(
            "C-08",
            "two controllers, owner-only deletion",
            _two_nodes(controllers=EACH_ITS_OWN),
            patches=(NO_LEAD,),
        ),
        Case(
            "C-09",
            "two controllers with blind writes, a lease",
            _two_nodes(cas=False, lease=True),
            patches=(NO_LEAD,),
        ),
        Case("C-10", "TTL lowered with the rotation", rotation("", ttl=4, ttl_wanted=2, delay=2)),
        Case("C-11", "factsheet: CA change, observed gate", _factsheet_ca(delay=3), holds=("P1",), broken="P2"),
        Case(
            "C-12",
            "CA change with four records",
            rotation(
                "",
                four,
                {K2},
                chain=k1,
                targets=(
                    target("K2", "CA2", scheme=ALL, fallback=(k1,)),
                    target("K2", "CA2", next_key="K3", scheme=ALL, fallback=(k1,)),
                ),
            ),
        ),
        Case(
            "C-13",
            "same CA, both keys published before",
            rotation(
                "",
                four,
                {K2},
                chain=k1,
                targets=(target("K2", "CA1", scheme=ALL), target("K2", "CA1", next_key="K3", scheme=ALL)),
            ),
        ),
        Case(
            "C-14",
            "back and forth at any time",
            rotation(
                "",
                targets=(target(), target(next_key="K3"), target("K1", next_key="K2")),
                flips={0: 2, 1: 2, 2: 0},
                faults=("flip",),
                budget=2,
            ),
        ),
        Case("C-15", "emergency with an aged next key", _compromise(None, K1, K2, CA1)),
        Case(
            "C-16",
            "record removed, decision and deployment in one",
            rotation("", faults=("remove", "remove-late"), budget=1, atomic=True),
        ),
        Case("C-17", "record removed before anything needs it", rotation("", delay=2, faults=("remove",), budget=1)),
        Case("C-18", "removed and put back, unseen", rotation("", policy=watchful, faults=("flap",), budget=2)),
        Case("C-19", "an earlier RRset written over ours", rotation("", faults=("revert",), budget=1, scheme=ONE)),
        Case(
            "C-20",
            "effect of a dead controller comes late",
            rotation("", n=2, policy=slow, faults=("orphan",), budget=1),
        ),
        Case("C-21", "journal lost", rotation("", policy=lossy, n=2, faults=("lose", "crash"), budget=2)),
        Case(
            "C-22",
            "first rollout",
            rotation("", secure=False, fresh=True, records=frozenset(), policy=lossy),
        ),
        Case(
            "C-40",
            "first run on a bare host",
            rotation(
                "",
                secure=False,
                fresh=True,
                records=frozenset(),
                n=2,
                chain=NO_TLS,
                targets=(
                    target("K1", n=2, bare=True, fallback=(), policy=lossy),
                    target("K1", next_key="K2", n=2, bare=True, fallback=(), policy=lossy),
                ),
            ),
        ),
        Case(
            "C-41",
            "first run on a living host, its key is adopted",
            rotation("", fresh=True, targets=(target("K1", next_key="K2", fallback=(), policy=lossy),)),
        ),
        Case(
            "C-42",
            "first run on a living host whose records went just before: its key is adopted, then moved",
            rotation(
                "",
                secure=False,
                fresh=True,
                records=frozenset(),
                cached=frozenset({K1}),
                delay=2,
                targets=(
                    target("K1", next_key="K2", fallback=(), policy=lossy),
                    target(policy=lossy),
                    target(next_key="K3", policy=lossy),
                ),
                generated={1: 2},
                flips={0: 1},
                faults=("flip", "crash"),
                budget=2,
            ),
        ),
        Case(
            "C-43",
            "first run on a living host whose records went just before: straight to another key",
            rotation("", secure=False, fresh=True, records=frozenset(), cached=frozenset({K1}), policy=lossy),
        ),
        Case(
            "C-23",
            "from the CA's record alone to current and next",
            Scope("", frozenset({CA1}), k1, (target("K1", "CA1", next_key="K2"),)),
        ),
        Case(
            "C-24",
            "from current and next to all three",
            Scope("", frozenset({K1, K2}), k1, (target("K1", "CA1", next_key="K2", scheme=ALL),)),
        ),
        Case(
            "C-25",
            "CA change where no CA is published any more",
            rotation("", four, chain=k1, targets=(target("K2", "CA2"), target("K2", "CA2", next_key="K3"))),
        ),
        Case("C-26", "withdrawal", _withdrawal(delay=3)),
        Case("C-27", "compromise, the stolen key is served until caches know", _compromise(Exposure.SERVE, K1, CA1)),
        Case("C-28", "compromise, no DANE meanwhile", _compromise(Exposure.DOWNGRADE, K1, CA1, secure=False)),
        Case(
            "C-29",
            "renewal that keeps the key",
            rotation("", {K1}, {K2}, targets=(target("K1", "CA1", next_key="K2"),)),
        ),
        Case(
            "C-31",
            "unreachable secondary that has followed a change of TTL unseen",
            rotation("", ttl=1, raised_ttl=2, delay=0, faults=("down", "ttl"), budget=2, scheme=ONE),
        ),
        Case(
            "C-32",
            "no name server can be reached for some time, resolvers hand out expired copies",
            rotation("", faults=("outage",), budget=1, scheme=ONE),
        ),
        Case("C-44", "secondaries replay every change, back and forth at any time", _replay()),
        Case("C-33", "one key under two names", _two_names()),
        Case(
            "C-34",
            "a secondary leaves the NS set, resolvers ask it for as long as they know of it",
            rotation("", **far, faults=("leave", "crash"), budget=2, ns_ttl=2, policy=lossy, scheme=ONE),
        ),
        Case(
            "C-35",
            "processes of the mail server live on with the former chain",
            rotation("", n=2, worker=2, policy=lasting, faults=("crash",), budget=1),
        ),
        Case(
            "C-36",
            "somebody adds a record, which stays",
            rotation(
                "", delay=2, strangers=frozenset({STRANGER}), faults=("add", "crash", "ttl"), budget=2, scheme=ONE
            ),
        ),
        Case("C-37", "two chains on each endpoint", _two_chains(delay=2, faults=("crash",), budget=1)),
        Case("C-38", "two chains on each endpoint, two next keys", _two_chains(K3, A3)),
        Case(
            "C-39",
            "one of two chains is stolen in the middle of a rotation",
            _two_chains(**theft),
        ),
        Case("C-30", "factsheet: renewal under the same CA", _factsheet_renewal(delay=3), holds=("P1",), broken="P2"),
    )


def unguarded() -> tuple[Case, ...]:
    """Return the planner with one guard taken away each: every guard is there for a reason."""
    watchful = dataclasses.replace(EXACT, exclusive_owner=False)
    slow = dataclasses.replace(EXACT, effect=2)
    patient = dataclasses.replace(EXACT, application_cache=1)
    four = frozenset({K1, CA1})
    k1 = chain("K1", "CA1")

    undone: dict[str, t.Any] = {
        "targets": (
            target(policy=slow, scheme=ONE),
            target("K1", policy=slow, scheme=ONE),
        ),
        "flips": {0: 1},
        "faults": ("orphan", "flip"),
        "budget": 2,
        "ttl": 1,
    }

    def unremembered(journal: Journal, _step: Step) -> Journal:
        return dataclasses.replace(journal, effect_age=0)

    def trusting(owners: t.Any, policy: t.Any) -> Journal:
        return first_journal()

    return (
        Case("X-01", "caches of applications not counted", rotation("", delay=3, extra_cache=1), "P1"),
        Case("X-02", "such caches counted", rotation("", delay=3, extra_cache=1, policy=patient)),
        Case(
            "X-25",
            "a host seen for the first time taken for one that never had records",
            rotation("", secure=False, fresh=True, records=frozenset(), cached=frozenset({K1})),
            "P1",
            patches=((world, "lost_journal", trusting), NO_LEAD),
        ),
        Case(
            "X-03",
            "edits that nobody saw taken for impossible",
            rotation("", faults=("flap",), budget=1, delay=3),
            "P1",
        ),
        Case("X-04", "such edits suspected", rotation("", faults=("flap",), budget=1, delay=3, policy=watchful)),
        Case(
            "X-05",
            "a lost journal taken for a new one",
            rotation("", delay=3, faults=("lose",), budget=1),
            "P1",
            patches=((world, "lost_journal", trusting), NO_LEAD),
        ),
        Case(
            "X-06",
            "intents not written down",
            rotation("", **undone),
            "P1",
            patches=((rotation_planner, "remember", unremembered),),
        ),
        Case(
            "X-07",
            "the same, written down",
            rotation("", **undone),
        ),
        Case(
            "X-08",
            "new combinations not held back",
            Scope("", frozenset({K1}), chain("K1"), (target("K2", "CA1", scheme=ALL, next_key="K3"),)),
            "P2",
            patches=(
                (guards, "change_obstacles", lambda *_args: []),
                (rotation_planner._Planner, "_all_served_match", lambda *_args: True),
            ),
        ),
        Case(
            "X-09",
            "the same, held back",
            Scope("", frozenset({K1}), chain("K1"), (target("K2", "CA1", scheme=ALL, next_key="K3"),)),
        ),
        Case(
            "X-10",
            "a combination that fits only the past not dropped: no end",
            rotation("", four, chain=k1, targets=(target("K2", "CA2"), target("K2", "CA2", next_key="K3"))),
            "P4",
            patches=(
                (rotation_planner._Planner, "_may_drop", lambda *_args: False),
                (rotation_planner._Planner, "_extension", lambda *_args: frozenset()),
            ),
        ),
        Case(
            "X-11",
            "the operator chooses that mail is delayed",
            _compromise(Exposure.DEFER, K1, CA1),
            "P1",
            holds=("P3", "P4"),
        ),
        Case(
            "X-12",
            "theft discovered in the middle of a rotation",
            rotation(
                "",
                four,
                chain=k1,
                flips={0: 2, 1: 3},
                faults=("flip",),
                budget=1,
                targets=(
                    target("K2", "CA1", scheme=ALL),
                    target("K2", "CA1", scheme=ALL, next_key="K3"),
                    *(
                        target(
                            "K2",
                            "CA1",
                            scheme=ALL,
                            next_key=key,
                            revoked=(k1,),
                            exposure=Exposure.SERVE,
                            fallback=(k1,),
                        )
                        for key in ("", "K3")
                    ),
                ),
                generated={0: 1, 2: 3},
            ),
        ),
        Case(
            "X-13",
            "withdrawal begun in the middle of a rotation",
            rotation(
                "",
                targets=(target(), target(next_key="K3"), target(scheme=frozenset(), chains=())),
                flips={0: 2, 1: 2},
                faults=("flip",),
                budget=1,
                secure=False,
                goal=_over_or_withdrawn,
            ),
        ),
        Case(
            "X-14",
            "name servers that do not answer are believed to have what they had",
            rotation(
                "",
                faults=("outage",),
                budget=1,
                scheme=ONE,
                controllers=(Controller(planner=trusting_its_memory),),
            ),
            "P1",
            patches=(NO_LEAD,),
        ),
        Case(
            "X-16",
            "what a lagging server may still pass through not counted",
            _replay(),
            "P1",
            patches=((learn, "_followed", lambda entry, _lead, _marks: entry),),
        ),
        Case(
            "X-17",
            "time for which resolvers ask a server that left the NS set not counted",
            rotation("", secondaries=2, faults=("leave",), budget=1, ns_ttl=4, scheme=ONE),
            "P1",
        ),
        Case("X-18", "processes that live on not counted", rotation("", worker=2), "P1"),
        Case(
            "X-19",
            "the first of two chains taken for both",
            _two_chains(records=frozenset({K1, A1, K2})),
            "P1",
            patches=((guards, "deploy_obstacles", _first_chain_only), NO_LEAD),
        ),
        Case(
            "X-15",
            "the first of two names taken for both",
            _two_names(),
            "P1",
            patches=((guards, "deploy_obstacles", _first_name_only), NO_LEAD),
        ),
    )


def large() -> tuple[Case, ...]:
    """Return the cases of the long run, the longest first: ten million states, of sites that differ."""
    faults = ("crash", "stale", "down", "ttl")
    wide: dict[str, t.Any] = {"n": 2, "secondaries": 2, "faults": faults, "budget": 2}
    slow = dataclasses.replace(EXACT, effect=2)
    k1 = chain("K1", "CA1")
    ca = {"scheme": ALL, "fallback": (k1,), "n": 2}
    lasting = dataclasses.replace(EXACT, worker=2, unknown_ttl=2)
    two = {"chains": (chain("K2", "CA1"), chain("A2", "CA1")), "fallback": BOTH, "policy": lasting}
    return (
        Case(
            "LARGE-1",
            "back and forth at any time, effects of dead controllers come late, two faults of six kinds",
            rotation(
                "",
                **{**wide, "faults": ("flip", "orphan", *faults)},
                delay=2,
                flips={0: 2, 1: 2, 2: 0},
                targets=(
                    target(n=2, policy=slow),
                    target(next_key="K3", n=2, policy=slow),
                    target("K1", next_key="K2", n=2, policy=slow),
                ),
            ),
        ),
        Case("LARGE-2", "secondaries up to 4 ticks late, two faults of four kinds", rotation("", **wide, delay=4)),
        Case(
            "LARGE-3",
            "CA change with four records, two faults of four kinds",
            rotation(
                "",
                {K1, CA1},
                {K2},
                **wide,
                chain=k1,
                delay=2,
                targets=(target("K2", "CA2", **ca), target("K2", "CA2", next_key="K3", **ca)),
            ),
        ),
        Case(
            "LARGE-4",
            "three secondaries, one fault of four kinds",
            rotation("", **{**wide, "secondaries": 3, "budget": 1}, delay=2),
        ),
        Case(
            "LARGE-5",
            "strangers remove records or write earlier ones back, one fault of six kinds",
            rotation("", **{**wide, "faults": ("revert", "remove", *faults), "budget": 1}, delay=2),
        ),
        Case(
            "LARGE-6",
            "two chains, processes that live on, a changing NS set, strangers add records, one fault of six kinds",
            _two_chains(
                delay=2,
                secondaries=2,
                worker=2,
                ns_ttl=2,
                strangers=frozenset({STRANGER}),
                faults=("add", "leave", "lose", "crash", "down", "ttl"),
                budget=1,
                targets=(target(**two), target(**two, next_keys=(K3, A3))),
            ),
        ),
    )
