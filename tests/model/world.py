# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world around the planner: name servers, caches, endpoints, controllers and faults, in ticks.

A state is a tuple of small integers and tuples, see :class:`State`. Caches are over-approximated: a value
that some name server hands out may be fetched at any moment, so only values no longer handed out are counted,
each with the longest time a copy can still live.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import guards, learn
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import planner as rotation_planner
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import state as rotation_state
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    AuthorityView,
    Chain,
    EndpointView,
    Journal,
    Observation,
    Policy,
    Target,
    first_journal,
    lost_journal,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import (
    Choose,
    Deploy,
    Done,
    Generate,
    HandOver,
    Plan,
    Publish,
    Step,
    Wait,
)

Planner = t.Callable[[Journal, Observation, Target, Moment], Plan]
Records = frozenset[TlsaRecord]

OWNER: t.Final = "_25._tcp.mx.example"
_NOW: t.Final = Moment(0, 0, "model")
#: No time is proven to have passed, any may have: ages advance with the ticks, and every look is far from the last.
_LATER: t.Final = Moment(0, 1_000_000, "model")
_LONG: t.Final = 1_000_000
_OUTAGE: t.Final = 3
_LEFT: t.Final = 4
#: The serial that the primary had at a controller's last look, and how many changes are told apart.
_SERIAL: t.Final = 1000
_MANY_CHANGES: t.Final = 6

#: A policy without reserves, in ticks: the guards have to be exact.
EXACT: t.Final = Policy(
    application_cache=0,
    clock_margin=0,
    serve_stale=0,
    unknown_ttl=0,
    worker=0,
    soak=0,
    effect=0,
    repeats=1,
    poll=1,
    exclusive_owner=True,
)


def record(label: str, usage: int = 3, matching_type: int = 1) -> TlsaRecord:
    """Return the record of the key called ``label``."""
    digest = hashlib.sha256 if matching_type == 1 else hashlib.sha512
    return TlsaRecord(usage, 1, matching_type, digest(label.encode()).digest())


def chain(key: str, *issuers: str, also: t.Iterable[TlsaRecord] = ()) -> Chain:
    """Return a chain with leaf ``key``, under the CAs ``issuers``."""
    anchors = tuple(record(issuer, 2) for issuer in issuers)
    return Chain("/".join((key, *issuers)), record(key), anchors, frozenset({record(key, 3, 2), *also}))


def presented(chains: t.Iterable[Chain]) -> Chain | frozenset[Chain]:
    """Return what an endpoint with ``chains`` serves, one for each type of key: one chain, or a set of them."""
    several = frozenset(chains)
    return next(iter(several)) if len(several) == 1 else several


def chains_of(thing: Chain | frozenset[Chain]) -> frozenset[Chain]:
    """Return the chains in what :func:`presented` returned."""
    return frozenset({thing}) if isinstance(thing, Chain) else thing


#: TLS switched off, as an administrator may do once the planner hands over; or not set up yet.
NO_TLS: t.Final = rotation_state.NO_TLS


@dataclasses.dataclass(frozen=True)
class Controller:
    """Who acts. ``target`` is an index into the targets of the scope."""

    target: int = 0
    planner: Planner = rotation_planner.plan


@dataclasses.dataclass(frozen=True)
class Scope:
    """One configuration to search through.

    ``records``, ``ttl`` and ``chain`` (one, a set of one for each type of key, or a tuple with one of these for each
    endpoint) are published and served at the start, in every cache and known to the journal, unless ``fresh``.
    ``generated`` and ``flips`` lead from a target to the one after generating a key, and to the one an operator may
    change to. ``faults`` are names of :data:`FAULTS`, ``budget`` how many may happen. ``cas``: publication is
    compare-and-swap. ``lease``: one controller at a time. ``atomic``: an effect follows its decision at once.
    ``secure``: check that DANE is never off (P3). ``owners``: names that share the chains, each with a primary and
    ``secondaries`` of its own. ``cached``: what stood there until just before the start, so that caches may hold it for
    another TTL. ``worker``: how long processes of the mail server present the former chain after a deployment, unseen.
    ``ns_ttl``: how long resolvers ask a name server that left the NS set. ``strangers``: records that somebody may add.
    """

    name: str
    records: Records
    chain: Chain | frozenset[Chain] | tuple[Chain | frozenset[Chain], ...]
    targets: tuple[Target, ...]
    ttl: int = 2
    delay: int = 1
    secondaries: int = 1
    endpoints: int = 1
    controllers: tuple[Controller, ...] = (Controller(),)
    generated: t.Mapping[int, int] = dataclasses.field(default_factory=dict)
    flips: t.Mapping[int, int] = dataclasses.field(default_factory=dict)
    faults: tuple[str, ...] = ()
    budget: int = 0
    raised_ttl: int = 3
    jump: int = 1
    cas: bool = True
    lease: bool = False
    atomic: bool = False
    secure: bool = True
    fresh: bool = False
    extra_cache: int = 0
    goal: t.Callable[[World, State], bool] | None = None
    rogues: tuple[Chain, ...] = ()
    owners: tuple[str, ...] = (OWNER,)
    cached: Records | None = None
    in_order: bool = False
    worker: int = 0
    ns_ttl: int = 0
    strangers: Records = frozenset()

    @property
    def chains(self) -> tuple[Chain | frozenset[Chain], ...]:
        """The chain of each endpoint at the start."""
        return self.chain if isinstance(self.chain, tuple) else (self.chain,) * self.endpoints


FAULTS: t.Final[t.Mapping[str, str]] = {
    "crash": "the controller dies before its effect",
    "orphan": "the controller dies, and its effect may still happen",
    "lose": "the journal is lost",
    "stale": "the last secondary stops to follow",
    "down": "the last secondary is unreachable and does not follow",
    "outage": "no name server can be reached, and resolvers hand out expired copies",
    "ttl": "somebody changes the TTL",
    "clock": "the clock jumps ahead, across a reboot",
    "remove": "somebody removes a record that no endpoint needs yet",
    "remove-late": "the same, between the decision to deploy and the deployment",
    "flap": "somebody removes a record and puts it back, unseen",
    "revert": "somebody writes an earlier RRset over ours",
    "restore": "an endpoint comes back with the first chain",
    "rogue": "an endpoint gets a chain that nobody planned",
    "flip": "the operator wants something else",
    "add": "somebody adds a record",
    "leave": "the last secondary leaves the NS set and stops to follow, and resolvers still ask it for a time",
}


class Ctl(t.NamedTuple):
    """One controller: its journal, what it wants, the effect it is about to have, and whether the zone changed."""

    journal: int
    target: int
    pending: int
    left: tuple[int, ...]
    dirty: int


class State(t.NamedTuple):
    """``ns``: value of each authoritative address, for each owner the primary first. ``lags``: ticks each is behind it.

    ``cache``: value and remaining life of what is no longer handed out; 0 while only an outage keeps it. ``srv``:
    chain of each endpoint. ``limbo``: effect of a dead controller, endpoints left, and for how long it may come.
    ``trouble``: 0, 1 the last secondary is stale, 2 it is down, 3 all name servers are, 4 it left the NS set, and its
    place in ``ns`` repeats the primary. ``queues``: with replication in order, the changes that each secondary has
    still to replay. ``workers``: chain and remaining life of what only processes of before a deployment present.
    ``left``: value of the server that left, and for how long resolvers still ask it.
    """

    ns: tuple[int, ...]
    lags: tuple[int, ...]
    cache: tuple[tuple[int, int], ...]
    srv: tuple[int, ...]
    ctls: tuple[Ctl, ...]
    limbo: tuple[int, tuple[int, ...], int] | None
    trouble: int
    budget: int
    queues: tuple[tuple[int, ...], ...] = ()
    workers: tuple[tuple[int, int], ...] = ()
    left: tuple[int, int] | None = None


Edge = tuple[tuple[t.Any, ...], State, bool]


class _Table:
    """Things to numbers and back."""

    def __init__(self) -> None:
        self.things: list[t.Any] = []
        self._numbers: dict[t.Any, int] = {}

    def number(self, thing: t.Any) -> int:
        found = self._numbers.get(thing)
        if found is None:
            found = self._numbers[thing] = len(self.things)
            self.things.append(thing)
        return found


class World:
    """Transitions of one scope, with everything that repeats remembered."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.values, self.chains, self.journals, self.steps = _Table(), _Table(), _Table(), _Table()
        self._ran: dict[t.Any, tuple[int, int]] = {}
        self._elapsed: dict[tuple[int, int, int], int] = {}
        self._any: dict[tuple[int, int], bool] = {}
        self._strict: dict[tuple[int, int], bool] = {}
        self._faults = frozenset(scope.faults)
        self._exclusive = all(target.policy.exclusive_owner for target in scope.targets)
        self._wants_secure = scope.secure and bool(scope.records)
        self._size = scope.secondaries + 1
        self._primaries = tuple(range(0, self._size * len(scope.owners), self._size))
        #: Of each secondary: its place, and that of its primary.
        self._places = tuple((one + place, one) for one in self._primaries for place in range(1, self._size))

    def primary(self, owner: str) -> int:
        """Return the place of the name server that takes updates for ``owner``."""
        return self._primaries[self.scope.owners.index(owner)]

    # The beginning.

    def initial(self) -> State:
        """Everything as the scope says, for ever so long."""
        scope = self.scope
        value = self.values.number((scope.records, scope.ttl))
        srv = tuple(self.chains.number(one) for one in scope.chains)
        ns = (value,) * self._size * len(scope.owners)
        ctls = []
        for controller in scope.controllers:
            target = scope.targets[controller.target]
            seen = self.observe(ns, srv, 0, _SERIAL if scope.in_order else 0)
            journal = learn.learn(first_journal(), seen, target, _NOW)
            journal = dataclasses.replace(learn.elapse(journal, _LONG), clock=_NOW)
            if len(scope.controllers) == 1:
                journal = dataclasses.replace(journal, owned=scope.records)
            if scope.fresh:
                journal = dataclasses.replace(lost_journal(target.owners, target.policy), clock=None)
            ctls.append(Ctl(self._journal(journal, controller.target), controller.target, -1, (), 0))
        past = () if scope.cached is None else ((self.values.number((scope.cached, scope.ttl)), scope.ttl),)
        queues = ((),) * len(self._places) if scope.in_order else ()
        return State(ns, (0,) * len(self._places), past, srv, tuple(ctls), None, 0, scope.budget, queues)

    # What is checked.

    def violated(self, state: State) -> str:
        """Return the first property among P1 (any), P3 (secure), P2 (strict) that ``state`` breaks, or ''."""
        held = self.held(state)
        srv = self.served(state)
        for value in held:
            for served in srv:
                if not self.matches(value, served, False):
                    return "P1"
        if self._wants_secure and not all(self.values.things[value][0] for value in set(state.ns)):
            return "P3"
        for value in held:
            for served in srv:
                if not self.matches(value, served, True):
                    return "P2"
        return ""

    def held(self, state: State) -> set[int]:
        """Return the values that some cache may hold now."""
        left = () if state.left is None else state.left[:1]
        return {*state.ns, *(value for value, _left in state.cache), *left}

    def served(self, state: State) -> set[int]:
        """Return what some endpoint may present now."""
        return {*state.srv, *(one for one, _left in state.workers)}

    def matches(self, value: int, served: int, strict: bool) -> bool:
        """Say whether senders who hold ``value`` accept the chain ``served``, both as numbers."""
        memory = self._strict if strict else self._any
        known = memory.get((value, served))
        if known is None:
            records, one = self.values.things[value][0], self.chains.things[served]
            known = all(not records if each is NO_TLS else true_match(records, each, strict) for each in chains_of(one))
            memory[value, served] = known
        return known

    def is_goal(self, state: State) -> bool:
        """Say whether the rotation is over: as wanted everywhere, and no cache remembers anything else."""
        if self.scope.goal is not None:
            return self.scope.goal(self, state)
        if state.cache or state.limbo or state.trouble or any(state.queues) or state.workers or state.left:
            return False
        if any(state.ns[place] != state.ns[primary] for place, primary in self._places):
            return False
        for number, ctl in enumerate(state.ctls):
            if ctl.pending >= 0:
                return False
            _journal, step = self._run(number, ctl, state)
            if not isinstance(self.steps.things[step], Done):
                return False
        return True

    # What can happen.

    def successors(self, state: State) -> t.Iterator[Edge]:
        """Yield label, next state, and whether a fault was needed."""
        _ns, lags, _cache, _srv, ctls, limbo, trouble, budget, *_rest = state
        last = len(lags) - 1
        behind = [
            one
            for one in range(len(self._places))
            if self._is_behind(state, one) and not (trouble and (trouble == _OUTAGE or one == last))
        ]
        due = any(lags[one] >= self.scope.delay for one in behind)
        if not due:
            yield ("tick",), self._tick(state), False
        for one in behind:
            yield ("sync", self._places[one][0]), self._sync(state, one), False
        for number, ctl in enumerate(ctls):
            if ctl.pending >= 0:
                yield ("effect", number, ctl.pending, *ctl.left[:1]), self._effect(state, number), False
            elif not (self.scope.lease and any(other.pending >= 0 for other in ctls)):
                after = self._decide(state, number)
                if after is not state:
                    made = "generate" if after.ctls[number].target != ctl.target else "decide"
                    yield (made, number, after.ctls[number].pending), after, False
        if limbo is not None:
            yield ("late effect", 0, limbo[0], *limbo[1][:1]), self._late(state), False
        if trouble:
            # What was kept beyond its life is asked for anew, and gone.
            alive = tuple(entry for entry in state.cache if entry[1] > 0)
            yield ("recovers",), self._back(state._replace(trouble=0, cache=alive)), False
        if budget and self._faults:
            yield from ((label, after._replace(budget=budget - 1), True) for label, after in self._harm(state))

    def _tick(self, state: State) -> State:
        limit = self.scope.delay
        lags = tuple([min(lag + 1, limit) if self._is_behind(state, one) else 0 for one, lag in enumerate(state.lags)])
        if state.trouble == _OUTAGE:
            cache = tuple((value, max(left - 1, 0)) for value, left in state.cache)
        else:
            cache = tuple((value, left - 1) for value, left in state.cache if left > 1)
        later = self._later
        ctls = tuple([Ctl(later(one, target, 1), target, *rest) for one, target, *rest in state.ctls])
        limbo = state.limbo
        if limbo is not None:
            limbo = (limbo[0], limbo[1], limbo[2] - 1) if limbo[2] > 1 else None
        workers = tuple((one, life - 1) for one, life in state.workers if life > 1)
        after = State(state.ns, lags, cache, state.srv, ctls, limbo, *state[6:9], workers, state.left)
        return self._forgotten(after)

    def _forgotten(self, state: State) -> State:
        """Let a tick pass for the server that left: what it handed out last still lives in caches."""
        if state.left is None:
            return state
        value, life = state.left
        if life > 1:
            return state._replace(left=(value, life - 1))
        return self._back(state)

    def _back(self, state: State) -> State:
        """End the time of the server that left: nobody asks for its value now, and caches may have it for a TTL."""
        if state.left is None:
            return state
        return self._served(state._replace(left=None), state.ns, state.lags, state.left[0])

    def _later(self, journal: int, target: int, ticks: int) -> int:
        key = (journal, target, ticks)
        known = self._elapsed.get(key)
        if known is None:
            known = self._journal(learn.elapse(self.journals.things[journal], ticks), target)
            self._elapsed[key] = known
        return known

    def _sync(self, state: State, one: int) -> State:
        ns = list(state.ns)
        place, primary = self._places[one]
        lags = list(state.lags)
        lags[one] = 0
        if not state.queues:
            old, ns[place] = ns[place], ns[primary]
            return self._served(state, tuple(ns), tuple(lags), old)
        queues = list(state.queues)
        old, (ns[place], *rest) = ns[place], queues[one]
        queues[one] = tuple(rest)
        return self._served(state._replace(queues=tuple(queues)), tuple(ns), tuple(lags), old)

    def _is_behind(self, state: State, one: int) -> bool:
        if state.queues:
            return bool(state.queues[one])
        place, primary = self._places[one]
        return state.ns[place] != state.ns[primary]

    def _served(self, state: State, ns: tuple[int, ...], lags: tuple[int, ...], *gone: int) -> State:
        cache = dict(state.cache)
        for value in gone:
            cache[value] = self.values.things[value][1] + self.scope.extra_cache
        left = tuple(sorted((value, life) for value, life in cache.items() if value not in ns and life > 0))
        ctls = self._changed(state.ctls) if ns != state.ns and not state.queues else state.ctls
        return State(ns, lags, left, state.srv, ctls, *state[5:])

    def _changed(self, ctls: tuple[Ctl, ...]) -> tuple[Ctl, ...]:
        """Let the controllers that watch for it see a new serial and signature."""
        if self._exclusive:
            return ctls
        return tuple(ctl._replace(dirty=1) for ctl in ctls)

    def _write(self, state: State, value: int, primary: int = 0) -> State:
        """The primary has ``value`` now; secondaries that happen to agree are no longer behind."""
        if value == state.ns[primary]:
            return state
        ns = (*state.ns[:primary], value, *state.ns[primary + 1 :])
        if state.trouble == _LEFT:
            ns = (*ns[:-1], value)
        if state.queues:
            queues = tuple(
                (*queue, value) if above == primary else queue
                for queue, (_place, above) in zip(state.queues, self._places, strict=True)
            )
            ctls = tuple(ctl._replace(dirty=min(ctl.dirty + 1, _MANY_CHANGES)) for ctl in state.ctls)
            return self._served(state._replace(queues=queues, ctls=ctls), ns, state.lags, state.ns[primary])
        lags = tuple(
            0 if above == primary and ns[place] == value else lag
            for lag, (place, above) in zip(state.lags, self._places, strict=True)
        )
        return self._served(state, ns, lags, state.ns[primary])

    # Controllers.

    def observe(
        self, ns: tuple[int, ...], srv: tuple[int, ...], trouble: int, serial: int, behind: tuple[int, ...] = ()
    ) -> Observation:
        """What a controller sees; a changed ``serial`` brings a new signature. ``behind``: changes, by secondary."""
        late = {place: count for (place, _primary), count in zip(self._places, behind, strict=False)}
        authorities = []
        for place, value in enumerate(ns):
            if trouble == _LEFT and place == len(ns) - 1:
                continue
            records, ttl = self.values.things[value]
            silent = trouble == _OUTAGE or (trouble == 2 and place == len(ns) - 1)
            seen = AuthorityView(
                self.scope.owners[place // self._size],
                f"ns{place}",
                frozenset() if silent else records,
                0 if silent else ttl,
                "no answer" if silent else "",
                place in self._primaries,
                serial - late.get(place, 0),
                str(serial),
            )
            authorities.append(seen)
        endpoints = tuple(
            EndpointView(f"mx{place}", chains_of(self.chains.things[served])) for place, served in enumerate(srv)
        )
        return Observation(tuple(authorities), endpoints)

    def _run(self, number: int, ctl: Ctl, state: State) -> tuple[int, int]:
        behind = tuple(map(len, state.queues))
        key = (number, ctl.journal, ctl.target, ctl.dirty, state.ns, state.srv, state.trouble, behind)
        known = self._ran.get(key)
        if known is None:
            journal: Journal = self.journals.things[ctl.journal]
            serial = next((mark.serial or 0 for mark in journal.marks), 0) ^ ctl.dirty
            if behind:
                serial = _SERIAL + ctl.dirty
            seen = self.observe(state.ns, state.srv, state.trouble, serial, behind)
            plan = self.scope.controllers[number].planner(journal, seen, self.scope.targets[ctl.target], _LATER)
            after = _shifted(plan.journal, ctl.dirty) if behind else plan.journal
            known = self._journal(after, ctl.target), self.steps.number(_bare(plan.step))
            self._ran[key] = known
        return known

    def _decide(self, state: State, number: int) -> State:
        ctl = state.ctls[number]
        journal, chosen = self._run(number, ctl, state)
        step: Step = self.steps.things[chosen]
        after = ctl._replace(journal=journal, dirty=0)
        if isinstance(step, Generate):
            after = after._replace(target=self.scope.generated[ctl.target])
        elif isinstance(step, Publish):
            after = after._replace(pending=chosen)
        elif isinstance(step, Deploy):
            after = after._replace(pending=chosen, left=tuple(int(name[2:]) for name in step.endpoints))
        elif isinstance(step, HandOver):
            after = after._replace(pending=chosen, left=tuple(range(len(state.srv))))
        if after == ctl:
            return state
        state = self._with(state, number, after)
        if self.scope.atomic:
            while state.ctls[number].pending >= 0:
                state = self._effect(state, number)
        return state

    def _with(self, state: State, number: int, ctl: Ctl) -> State:
        ctls = (*state.ctls[:number], ctl, *state.ctls[number + 1 :])
        return State(state.ns, state.lags, state.cache, state.srv, ctls, *state[5:])

    def _effect(self, state: State, number: int) -> State:
        ctl = state.ctls[number]
        left = ctl.left[1:]
        state = self._with(state, number, Ctl(ctl.journal, ctl.target, ctl.pending if left else -1, left, ctl.dirty))
        return self._apply(state, ctl.pending, ctl.left)

    def _apply(self, state: State, chosen: int, left: tuple[int, ...]) -> State:
        step: Step = self.steps.things[chosen]
        if isinstance(step, Publish):
            primary = self.primary(step.owner)
            expected = (step.expected, step.expected_ttl)
            changed = self.scope.cas and self.values.things[state.ns[primary]] != expected
            if changed or state.trouble == _OUTAGE:
                return state
            return self._write(state, self.values.number((step.records, step.ttl)), primary)
        srv = list(state.srv)
        former = srv[left[0]]
        srv[left[0]] = self.chains.number(presented(step.chains) if isinstance(step, Deploy) else NO_TLS)
        workers = dict(state.workers)
        if self.scope.worker and former != srv[left[0]]:
            workers[former] = self.scope.worker
        return state._replace(srv=tuple(srv), workers=tuple(sorted(workers.items())))

    def _late(self, state: State) -> State:
        if state.limbo is None:
            return state
        chosen, left, life = state.limbo
        after = state._replace(limbo=(chosen, left[1:], life) if len(left) > 1 else None)
        return self._apply(after, chosen, left)

    # Faults.

    def _harm(self, state: State) -> t.Iterator[tuple[tuple[t.Any, ...], State]]:
        faults = self._faults
        for number, ctl in enumerate(state.ctls):
            if ctl.pending >= 0 and "crash" in faults:
                yield ("crash", number), self._with(state, number, ctl._replace(pending=-1, left=()))
            life = int(self.scope.targets[ctl.target].policy.effect - self.journals.things[ctl.journal].effect_age)
            if ctl.pending >= 0 and "orphan" in faults and state.limbo is None and life > 0:
                orphan = (ctl.pending, ctl.left, life)
                dead = self._with(state, number, ctl._replace(pending=-1, left=()))
                yield ("orphan", number), dead._replace(limbo=orphan)
            if ctl.pending >= 0:
                continue
            if "lose" in faults:
                target = self.scope.targets[ctl.target]
                lost = self._journal(lost_journal(target.owners, target.policy), ctl.target)
                yield ("lose", number), self._with(state, number, ctl._replace(journal=lost))
            if "clock" in faults:
                early = self._later(ctl.journal, ctl.target, self.scope.jump)
                yield ("clock", number), self._with(state, number, ctl._replace(journal=early))
            if "flip" in faults and ctl.target in self.scope.flips:
                yield ("flip", number), self._with(state, number, ctl._replace(target=self.scope.flips[ctl.target]))
        if not state.trouble and state.lags:
            if "stale" in faults:
                yield ("stale",), state._replace(trouble=1)
            if "down" in faults:
                yield ("down",), state._replace(trouble=2)
            if "leave" in faults and state.left is None:
                ns = (*state.ns[:-1], state.ns[0])
                left = state._replace(
                    ns=ns, lags=(*state.lags[:-1], 0), trouble=_LEFT, left=(state.ns[-1], self.scope.ns_ttl)
                )
                yield ("leave",), left
        if not state.trouble and "outage" in faults:
            yield ("outage",), state._replace(trouble=_OUTAGE)
        yield from self._edits(state)
        for place, served in enumerate(state.srv):
            for name, harmful in (("restore", self.scope.chains[:1]), ("rogue", self.scope.rogues)):
                if name in faults:
                    for one in harmful:
                        other = self.chains.number(one)
                        if other != served:
                            srv = (*state.srv[:place], other, *state.srv[place + 1 :])
                            yield (name, place), state._replace(srv=srv)

    def _edits(self, state: State) -> t.Iterator[tuple[tuple[t.Any, ...], State]]:
        records, ttl = self.values.things[state.ns[0]]
        if "ttl" in self._faults:
            for other in {self.scope.ttl, self.scope.raised_ttl} - {ttl}:
                yield ("ttl", other), self._write(state, self.values.number((records, other)))
        if "add" in self._faults:
            for one in sorted(self.scope.strangers - records):
                yield ("add", one.to_text()[:12]), self._write(state, self.values.number((records | {one}, ttl)))
        if "revert" in self._faults:
            for number, (older, life) in enumerate(self.values.things):
                if number != state.ns[0] and older and self._harmless(state, number):
                    yield ("revert", number), self._write(state, self.values.number((older, life)))
        for one in sorted(records):
            value = self.values.number((records - {one}, ttl))
            idle = all(ctl.pending < 0 for ctl in state.ctls) and state.limbo is None
            if len(records) == 1 or not self._harmless(state, value):
                continue
            if ("remove" in self._faults and idle) or ("remove-late" in self._faults and not idle):
                yield ("remove", one.to_text()[:12]), self._write(state, value)
            if "flap" in self._faults and idle and value not in state.ns:
                cache = {**dict(state.cache), value: ttl + self.scope.extra_cache}
                after = state._replace(cache=tuple(sorted(cache.items())), ctls=self._changed(state.ctls))
                yield ("flap", one.to_text()[:12]), after

    def _harmless(self, state: State, value: int) -> bool:
        """Nothing that is served, or about to be served, needs what ``value`` lacks."""
        coming = self.served(state)
        begun = [] if "remove-late" in self._faults else [ctl.pending for ctl in state.ctls if ctl.pending >= 0]
        begun += [state.limbo[0]] if state.limbo is not None else []
        for step in (self.steps.things[number] for number in begun):
            if isinstance(step, Deploy):
                coming.add(self.chains.number(presented(step.chains)))
        return all(self.matches(value, served, True) for served in coming)

    # Journals as states: what has expired, and what only people read, must not tell them apart.

    def _journal(self, journal: Journal, target: int) -> int:
        policy = self.scope.targets[target].policy
        rrsets = [entry for entry in journal.rrsets if guards.may_be_cached(entry, policy, True)]
        cap = 2 * max((entry.ttl for entry in journal.rrsets), default=0)
        hold = guards.removal_hold(policy, False)
        canonical = dataclasses.replace(
            journal,
            clock=journal.clock and _NOW,
            rrsets=tuple(sorted(rrsets, key=_rrset_key)),
            chains=tuple(
                sorted(
                    (entry for entry in journal.chains if guards.may_be_served(entry, hold)),
                    key=lambda entry: entry.chain.identity if entry.chain else "",
                )
            ),
            visible=tuple(
                sorted(
                    (dataclasses.replace(entry, age=cap) if entry.age > cap else entry for entry in journal.visible),
                    key=lambda entry: (entry.owner, entry.record),
                )
            ),
            effect_age=min(journal.effect_age, policy.effect),
            marks=tuple(
                mark
                if mark.age is None
                else dataclasses.replace(mark, age=min(mark.age, policy.unknown_ttl + policy.clock_margin))
                for mark in journal.marks
            ),
        )
        return self.journals.number(canonical)


def _shifted(journal: Journal, changes: int) -> Journal:
    """Count serials from that of the primary at the last look: only differences matter, and old ones are all alike."""

    def shifted(serial: int | None) -> int | None:
        return None if serial is None else max(serial - changes, _SERIAL - _MANY_CHANGES)

    return dataclasses.replace(
        journal,
        rrsets=tuple(dataclasses.replace(entry, left=shifted(entry.left)) for entry in journal.rrsets),
        marks=tuple(dataclasses.replace(mark, serial=shifted(mark.serial), signature=None) for mark in journal.marks),
    )


def _rrset_key(entry: t.Any) -> tuple[t.Any, ...]:
    return (entry.owner, entry.reason, sorted(entry.records or ()), entry.ttl)


def _bare(step: Step) -> Step:
    """Sentences and times are for people, and would tell apart what is the same."""
    if isinstance(step, (Publish, Deploy, Generate, HandOver)):
        return dataclasses.replace(step, why="")
    if isinstance(step, Done):
        return Done("")
    if isinstance(step, Wait):
        return Wait(None, 0, (), "")
    return Choose((), (), "")


#: The judge of the model is written apart from the planner's own matching, so that one does not hide the other's fault.
def true_match(records: Records, one: Chain, strict: bool) -> bool:
    """Say whether every kind of sender who holds ``records`` accepts the chain (RFC 7671 sections 8 and 9)."""
    if not records:
        return True
    fitting = records & one.satisfies
    if strict:
        return {item.parameters for item in records} == {item.parameters for item in fitting}
    best = {(item.usage, item.selector): 0 for item in records}
    for item in records:
        best[item.usage, item.selector] = max(best[item.usage, item.selector], item.matching_type)
    return any(item.matching_type == best[item.usage, item.selector] for item in fitting)
