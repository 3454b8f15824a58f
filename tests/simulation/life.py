# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One random life of a mail site: operators, controllers that die, strangers, and what must hold all the same.

Safety is judged at every effect of ours: for each endpoint, no RRset that a resolver has or may get refuses what it
serves unless it did so before. So trouble that others make is not ours, and what we make of it is.
"""

from __future__ import annotations

import dataclasses
import typing as t

import hypothesis
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import planner
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    Chain,
    Exposure,
    Journal,
    Observation,
    OwnUpdate,
    Policy,
    Scheme,
    Target,
    lost_journal,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import (
    Choose,
    Deploy,
    Done,
    Generate,
    Publish,
    Step,
    Wait,
)

from .site import LONGEST_TTL, TTL, WORKER, Endpoint, Records, Script, Server, Zone, chain, record, refuses, unmatched

POLICY: t.Final = Policy(
    application_cache=10,
    clock_margin=5,
    serve_stale=100,
    unknown_ttl=LONGEST_TTL,
    maximum_ttl=LONGEST_TTL,
    worker=WORKER,
    soak=50,
    effect=30,
    repeats=1,
    poll=7,
)
BEGIN: t.Final = 1_800_000_000.0
ALL: t.Final = frozenset(Scheme)
KEYS: t.Final = frozenset({Scheme.CURRENT, Scheme.NEXT})
FACTSHEET: t.Final = frozenset({Scheme.CURRENT, Scheme.ISSUER})
ISSUER: t.Final = frozenset({Scheme.ISSUER})
ONE: t.Final = frozenset({Scheme.CURRENT})
#: More runs than any change takes once nothing goes wrong any more, and more updates.
MANY_RUNS: t.Final = 250
MANY_UPDATES: t.Final = 25


class Broken(AssertionError):
    """A property does not hold; the message says which, the lines before it what happened."""


@dataclasses.dataclass(frozen=True)
class Profile:
    """What may happen: ``troubles`` are names of methods of :class:`Life`, ``wishes`` of what operators want."""

    name: str
    troubles: tuple[str, ...]
    wishes: tuple[str, ...] = ("rotate", "rotate", "renew", "back", "ca", "scheme", "ttl")
    schemes: tuple[frozenset[Scheme], ...] = (ALL, KEYS, FACTSHEET, ISSUER, ONE)
    strict: bool = True
    servers: int = 3
    owners: int = 1
    hosts: int = 1
    kinds: int = 1
    signers: tuple[str, ...] = ("counts",)


@dataclasses.dataclass
class Host:
    """One host: its endpoints, and per type of key the key in use, the next one, and what lies in other places."""

    name: str
    endpoints: list[Endpoint]
    keys: list[str]
    following: list[str]
    ca: str = "CA1"
    edition: int = 1
    former: tuple[Chain, ...] = ()
    revoked: tuple[Chain, ...] = ()
    made: int = 0
    updates: tuple[OwnUpdate, ...] = ()

    def chains(self) -> tuple[Chain, ...]:
        return tuple(chain(key, self.ca, self.edition) for key in self.keys)


class Life:
    """Run with :meth:`live`; raises Broken."""

    def __init__(self, profile: Profile, numbers: t.Sequence[int]) -> None:
        self.profile, self.script = profile, Script(numbers)
        self.now = 0.0
        self.skew = 0.0
        self.boot = 1
        self.lines: list[str] = []
        self.scheme: frozenset[Scheme] = self.script.choose(profile.schemes)
        self.ttl = TTL
        self.exposure: Exposure | None = None
        self.release: Records = frozenset()
        self.policy = dataclasses.replace(POLICY, strict=profile.strict)
        self.hosts = [self._host(number) for number in range(profile.hosts)]
        first = frozenset().union(*(self._wanted(host) for host in self.hosts))
        signer = profile.signers[0] if len(profile.signers) == 1 else self.script.choose(profile.signers)
        self.zones = [
            Zone(f"_{port}._tcp.mx.example", (first, TTL), profile.servers, signer)
            for port in (25, 465)[: profile.owners]
        ]
        owners = [zone.owner for zone in self.zones]
        self.journal: Journal = lost_journal(owners, self.policy)
        self.past: list[Journal] = []
        self.late: list[tuple[float, Host, Step, bool]] = []
        self.updates = 0
        self.can_fail = True
        self.has_forgotten = False

    def _host(self, number: int) -> Host:
        letter = "ABC"[number]
        names = [f"mx{number}{place}" for place in range(2 if self.profile.hosts == 1 else 1)]
        keys = [f"{letter}1{kind}" for kind in "re"[: self.profile.kinds]]
        following = [f"{letter}2{kind}" for kind in "re"[: self.profile.kinds]]
        host = Host(f"host {letter}", [], keys, following, made=2)
        host.endpoints = [Endpoint(name, frozenset(host.chains())) for name in names]
        return host

    def _wanted(self, host: Host) -> Records:
        found = set()
        if Scheme.CURRENT in self.scheme:
            found.update(record(key) for key in host.keys)
        if Scheme.NEXT in self.scheme:
            found.update(record(key) for key in host.following if key)
        if Scheme.ISSUER in self.scheme:
            found.add(record(host.ca, 2))
        return frozenset(found)

    # The course of a life.

    def live(self) -> None:
        for host in self.hosts:
            self.settle(host)
        self.pass_time(3000)
        while not self.script.is_over:
            self.event()
        self.calm()
        for _round in range(1 + 2 * (len(self.hosts) - 1)):
            for host in self.hosts:
                self.settle(host)
        self.pass_time(3000)
        for host in self.hosts:
            self.settle(host)
        self.judge_end()

    def event(self) -> None:
        kind = self.script.choose(("run", "run", "run", "wish", *self.profile.troubles))
        host = self.script.choose(self.hosts)
        if kind == "run":
            step = self.run(host)
            dt = self.script.choose((2, 2, 0.5, 15, 70, 300))
            if isinstance(step, Wait) and self.script.choose((True, True, False)):
                dt = max(step.look_again - BEGIN - self.skew - self.now, 1)
            self.pass_time(dt)
        elif kind == "wish":
            wish = self.script.choose(self.profile.wishes)
            self.note(f"operator: {wish} {host.name}")
            getattr(self, f"wish_{wish}")(host)
        else:
            self.note(f"trouble: {kind}")
            getattr(self, f"trouble_{kind}")(host)

    def calm(self) -> None:
        """Let nothing go wrong any more: what is stuck moves on, who is away comes back."""
        self.note("calm")
        self.can_fail = False
        for zone in self.zones:
            for one in zone.servers:
                one.reachable = True
                if one.left_at is not None:
                    one.left_at, one.position = None, len(zone.history) - 1
                one.due = self.now + 5
        for host in self.hosts:
            for endpoint in host.endpoints:
                endpoint.reachable = True

    def settle(self, host: Host) -> None:
        """Run until nothing is left to do."""
        before, runs = self.updates, 0
        step: Step | None = None
        while not isinstance(step, Done):
            step = self.run(host)
            runs += 1
            if isinstance(step, Choose):
                self.exposure = self.script.choose([one.exposure for one in step.options])
                self.note(f"operator: chooses {self.exposure.value}")
            elif isinstance(step, Wait):
                named = " ".join(one.sentence for one in step.obstacles)
                if step.until is None and "rotation_release" in named:
                    stands = frozenset().union(*(zone.primary[0] for zone in self.zones))
                    self.release |= {one for one in stands if one.to_text() in named}
                    self.note("operator: releases what is named")
                self.pass_time(max(step.look_again - BEGIN - self.skew - self.now, 1))
                lasting = [one.subject for one in step.obstacles if one.seconds is None]
                mine = {one.name for one in host.endpoints}
                if lasting and not any(mine & set(one.split(", ")) for one in lasting) and self._others(lasting):
                    self.note(f"{host.name}: goes on to the other host")
                    return
            else:
                self.pass_time(2)
            if runs > MANY_RUNS or self.updates - before > MANY_UPDATES:
                self.fail(f"no end after {runs} runs and {self.updates - before} updates: {step}")

    def _others(self, subjects: list[str]) -> bool:
        """Whether all that is in the way are endpoints, which are of another host then."""
        return all(one.startswith("mx") for subject in subjects for one in subject.split(", "))

    def judge_end(self) -> None:
        """Judge what is left when all is done."""
        for host in self.hosts:
            for endpoint in host.endpoints:
                if endpoint.chains != frozenset(host.chains()):
                    self.fail(f"{endpoint.name} does not serve what is wanted")
        for zone in self.zones:
            records = zone.primary[0]
            if {zone.history[one.position] for one in zone.servers} != {zone.primary}:
                self.fail("the servers differ")
            for host in self.hosts:
                for one in host.chains():
                    if refuses(records, one):
                        self.fail(f"{_records(records)} refuses {one.identity} for good")
                for stolen in host.revoked:
                    counts = self.now < (stolen.not_after or 0) - BEGIN and self.exposure is not Exposure.SERVE
                    if counts and records and not refuses(records, stolen) and not records & zone.foreign:
                        self.fail(f"{_records(records)} lets the stolen {stolen.identity} through")
            # Where others keep up a combination, records of ours that fit stay there.
            shared = {one.parameters for one in records & zone.foreign}
            ours = frozenset(one for one in records - zone.foreign if one.parameters not in shared)
            wanted = frozenset().union(*(self._wanted(host) for host in self.hosts))
            if self.has_forgotten:
                # Nobody knows any more who published the record of a former CA, or of a next key that was given up.
                ours &= wanted
            wanted = frozenset(one for one in wanted if one.parameters not in shared)
            if not any(host.revoked for host in self.hosts) and ours != wanted:
                self.fail(f"published is {_records(ours)}, wanted {_records(wanted)}")

    def fail(self, message: str) -> t.NoReturn:
        raise Broken("\n".join([*self.lines[-40:], f"{self.now:.0f}: BROKEN: {message}"]))

    def note(self, text: str) -> None:
        if not self.lines or self.lines[-1].partition(": ")[2][:60] != text[:60]:
            self.lines.append(f"{self.now:.0f}: {text}")

    # Time.

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            dues = [one.due for zone in self.zones for one in zone.servers[1:] if self._follows(zone, one)]
            dues += [due for due, *_rest in self.late]
            self.now = max(self.now, min([end, *(due for due in dues if due is not None)]))
            for zone in self.zones:
                for one in zone.servers[1:]:
                    if self._follows(zone, one) and one.due is not None and one.due <= self.now:
                        zone.follow(one, self.now, self.script.choose((99, 1, 2)))
                        one.due = self.now + self.script.choose((1, 5, 40))
            for due, host, step, delays in [one for one in self.late if one[0] <= self.now]:
                self.late.remove((due, host, step, delays))
                self.effect(host, step, delays)
            if self.now >= end:
                return

    @staticmethod
    def _follows(zone: Zone, one: Server) -> bool:
        return one.due is not None and one.position < len(zone.history) - 1

    def _delay(self) -> float | None:
        return self.script.choose((1.0, 1.0, 20.0, 90.0, 400.0, None)) if self.can_fail else 1.0

    # The controller.

    def target(self, host: Host) -> Target:
        others = [one for one in self.hosts if one is not host]
        following = [record(key) for key in host.following if key]
        return Target(
            owners=tuple(zone.owner for zone in self.zones),
            endpoints=tuple(one.name for one in host.endpoints),
            chains=host.chains(),
            next_keys=tuple(following),
            scheme=self.scheme,
            ttl=self.ttl,
            revoked=host.revoked,
            exposure=self.exposure,
            fallback=host.former,
            release=self.release,
            kept=frozenset().union(*(self._wanted(one) for one in others)) if others else frozenset(),
            policy=self.policy,
        )

    def look(self, host: Host) -> Observation:
        views = [view for zone in self.zones for view in zone.views()]
        endpoints = tuple(one.view() for each in self.hosts for one in each.endpoints)
        # A run knows of its own updates only.
        updates, host.updates = host.updates, ()
        return Observation(tuple(views), endpoints, updates=updates)

    def run(self, host: Host) -> Step | None:
        """Look, plan, remember, act; it may die in between."""
        wanted = self.target(host)
        moment = Moment(BEGIN + self.now + self.skew, self.now, str(self.boot))
        plan = planner.plan(self.journal, self.look(host), wanted, moment)
        step = plan.step
        dies = self.can_fail and "dies" in self.profile.troubles and self.script.sometimes(8)
        if dies and self.script.choose((False, True)):
            self.note(f"{host.name}: dies before it remembers to {type(step).__name__}")
            return None
        self.past = [*self.past[-6:], self.journal]
        self.journal = plan.journal
        self.note(f"{host.name}: {_text(step)}")
        # Where the operator chose that mail of some senders waits, they may refuse what is served.
        stolen = {one.key for one in host.revoked}
        delays = self.exposure is Exposure.DEFER and any(
            one.key in stolen for endpoint in host.endpoints for one in endpoint.served(self.now)
        )
        if dies:
            late = self.script.choose((None, 1.0, 12.0, 29.0))
            self.note(f"{host.name}: dies; the effect comes {'never' if late is None else f'{late} s late'}")
            if late is not None:
                self.late.append((self.now + late, host, step, delays))
            return None
        if "between" in self.profile.troubles and isinstance(step, Publish) and self.can_fail:
            if self.script.sometimes(2):
                self.note("trouble: unseen, between the decision and the update")
                self.trouble_unseen(host)
            confirmed = not self.script.sometimes(5)
        else:
            confirmed = True
        self.effect(host, step, delays, confirmed)
        if dies or (self.can_fail and "dies" in self.profile.troubles and self.script.sometimes(9)):
            self.late.append((self.now + self.script.choose((3.0, 25.0)), host, step, delays))
        return step

    def effect(self, host: Host, step: Step, delays: bool, confirmed: bool = False) -> None:
        """Carry out ``step``; ``confirmed``: whoever sends an update sees the primary just before and just after."""
        if isinstance(step, Publish):
            zone = next(one for one in self.zones if one.owner == step.owner)
            if zone.primary != (step.expected, step.expected_ttl) or not zone.servers[0].reachable:
                return
            self.judge_update(zone, step)
            before = zone.view(0)
            self.judged(step, delays, lambda: zone.write((step.records, step.ttl), self.now, self._delay))
            self.updates += 1
            if confirmed:
                host.updates = (*host.updates, OwnUpdate(before, zone.view(0)))
        elif isinstance(step, Deploy):
            names = list(step.endpoints)
            if self.can_fail and "dies" in self.profile.troubles and self.script.sometimes(6):
                names = names[:1]
            for endpoint in host.endpoints:
                if endpoint.name in names:
                    chains = frozenset(step.chains)
                    self.judged(step, delays, lambda: endpoint.deploy(chains, self.now))  # noqa: B023
        elif isinstance(step, Generate) and not all(host.following):
            host.made += 1
            host.following = [f"{host.name[-1]}{host.made}{kind}" for kind in "re"[: self.profile.kinds]]

    def judge_update(self, zone: Zone, step: Publish) -> None:
        gone = step.removed & zone.foreign - self.release
        if gone:
            self.fail(f"{_records(gone)} of somebody else is removed")
        if step.expected and not step.records and self.exposure is not Exposure.DOWNGRADE:
            self.fail("protection is given up, and nobody asked for that")
        if step.records == step.expected and step.ttl == step.expected_ttl:
            self.fail("an update that changes nothing")

    def judged(self, step: Publish | Deploy, delays: bool, change: t.Callable[[], None]) -> None:
        """Carry out ``change`` and compare what senders meet before and after it."""
        refused, failing = self._refused(), self._failing() if self.profile.strict else set()
        change()
        if delays:
            return
        # A repair is for mail that fails already: an endpoint that some copy refuses, or what an update replaces.
        if isinstance(step, Deploy):
            failed = {name for _owner, _records, name in refused} if step.repairs else set()
        else:
            failed = {name for owner, records, name in refused if (owner, records) == (step.owner, step.expected)}
        for owner, records, name in sorted(self._refused() - refused, key=str):
            if name not in failed:
                self.fail(f"{_text(step)}: copies of {_records(records)} at {owner} refuse what {name} serves")
        for owner, combination, name in sorted(self._failing() - failing) if self.profile.strict else ():
            if name not in failed:
                self.fail(f"{_text(step)}: no {combination} at {owner} fits what {name} serves (RFC 7671 section 8)")

    def _refused(self) -> set[tuple[str, Records, str]]:
        return {
            (zone.owner, records, endpoint.name)
            for zone in self.zones
            for records, _ttl in zone.held(self.now)
            for host in self.hosts
            for endpoint in host.endpoints
            if any(refuses(records, one) for one in endpoint.served(self.now))
        }

    def _failing(self) -> set[tuple[str, tuple[int, int, int], str]]:
        return {
            (zone.owner, combination, endpoint.name)
            for zone in self.zones
            for records, _ttl in zone.held(self.now)
            for host in self.hosts
            for endpoint in host.endpoints
            for one in endpoint.served(self.now)
            for combination in unmatched(records, one)
        }

    # What operators want.

    def wish_rotate(self, host: Host) -> None:
        if all(host.following):
            host.former = (*host.chains(), *host.former[:8])
            host.keys, host.following = host.following, [""] * len(host.following)
        else:
            host.made += 1
            host.former = (*host.chains(), *host.former[:8])
            host.keys = [f"{host.name[-1]}{host.made}{kind}" for kind in "re"[: self.profile.kinds]]

    def wish_renew(self, host: Host) -> None:
        host.former = (*host.chains(), *host.former[:8])
        host.edition += 1

    def wish_back(self, host: Host) -> None:
        """The former key again; the key in use is the next one then."""
        stolen = {one.key for one in host.revoked}
        former = [f"{name.split('/')[0]}" for name in (one.identity for one in host.former)]
        keys = former[: len(host.keys)]
        if len(keys) < len(host.keys) or keys == host.keys or any(record(key) in stolen for key in keys):
            return
        old = host.chains()
        host.keys, host.following = keys, host.keys
        host.former = (*old, *host.former[:8])

    def wish_ca(self, host: Host) -> None:
        host.former = (*host.chains(), *host.former[:8])
        host.ca = {"CA1": "CA2", "CA2": "CA3", "CA3": "CA1"}[host.ca]

    def wish_scheme(self, _host: Host) -> None:
        self.scheme = self.script.choose(self.profile.schemes)

    def wish_ttl(self, _host: Host) -> None:
        self.ttl = self.script.choose((60, 30, 120))

    def wish_theft(self, host: Host) -> None:
        """The key in use was stolen, perhaps together with the next one."""
        ends = BEGIN + self.now + self.script.choose((100_000, 500, 5000))
        served = {one for endpoint in host.endpoints for one in endpoint.chains if one.identity[0] != "R"}
        stolen = tuple(dataclasses.replace(one, not_after=ends) for one in sorted({*served, *host.chains()}, key=str))
        self.exposure = None
        if self.script.choose((False, True)):
            stolen += tuple(chain(key, host.ca, 1, ends) for key in host.following if key)
            host.made += 1
            host.following = [f"{host.name[-1]}{host.made}{kind}" for kind in "re"[: self.profile.kinds]]
        if not all(host.following):
            host.made += 1
            host.following = [f"{host.name[-1]}{host.made}{kind}" for kind in "re"[: self.profile.kinds]]
        host.keys, host.following = host.following, [""] * len(host.following)
        dead = {one.key for one in (*stolen, *host.revoked)}
        host.former = tuple(one for one in (*host.former,) if one.key not in dead)
        host.revoked = (*host.revoked, *stolen)
        self.exposure = self.script.choose((None, *Exposure))

    # What goes wrong.

    def trouble_dies(self, _host: Host) -> None:
        """Nothing by itself: with this in the profile a run may die, and its effect may come late or twice."""

    def trouble_reboot(self, _host: Host) -> None:
        self.boot += 1

    def trouble_clock(self, _host: Host) -> None:
        self.skew = self.script.choose((0, 4, -300))

    def _server(self) -> tuple[Zone, Server]:
        zone = self.script.choose(self.zones)
        return zone, self.script.choose(zone.servers[1:])

    def trouble_stuck(self, _host: Host) -> None:
        _zone, one = self._server()
        one.due = None if one.due is not None else self.now + 3

    def trouble_silent(self, _host: Host) -> None:
        _zone, one = self._server()
        one.reachable = not one.reachable

    def trouble_dark(self, _host: Host) -> None:
        """No server answers, or all do again."""
        zone = self.script.choose(self.zones)
        state = not zone.servers[0].reachable
        for one in zone.servers:
            one.reachable = state

    def trouble_cut(self, host: Host) -> None:
        one = self.script.choose(host.endpoints)
        one.reachable = not one.reachable

    def trouble_lost(self, _host: Host) -> None:
        self.has_forgotten = True
        self.journal = lost_journal([zone.owner for zone in self.zones], self.policy)

    def trouble_old(self, _host: Host) -> None:
        self.has_forgotten = True
        if self.past:
            self.journal = self.script.choose(self.past)

    def trouble_add(self, _host: Host) -> None:
        """A stranger adds a record of whatever kind that refuses nothing by itself."""
        zone = self.script.choose(self.zones)
        host = self.script.choose(self.hosts)
        one = self.script.choose((
            record("S1"), record("S2"), record(host.ca, 2), record(host.ca, 2, 0), record("S1", 3, 0), record("S2", 2),
            record(host.keys[0], 3, 1, 2), record("S3", 3, 1, 2), record(host.keys[0], 3, 0), record("CA2", 2),
        ))  # fmt: skip
        records, ttl = zone.primary
        if one not in records and zone.servers[0].reachable and len(records) < 12:
            if one not in self._ours():
                zone.foreign.add(one)
            zone.write((records | {one}, ttl), self.now, self._delay)

    def _ours(self) -> set[t.Any]:
        """Records that the site has published, or will: nobody can tell whose they are."""
        found = set()
        for host in self.hosts:
            found.update(record(key) for key in (*host.keys, *host.following) if key)
            found.update(one.key for one in host.former)
            if Scheme.ISSUER in self.scheme:
                found.add(record(host.ca, 2))
        return found

    def trouble_take(self, _host: Host) -> None:
        """A stranger removes a record."""
        zone = self.script.choose(self.zones)
        records, ttl = zone.primary
        if len(records) > 1 and zone.servers[0].reachable:
            zone.write((records - {self.script.choose(sorted(records))}, ttl), self.now, self._delay)

    def trouble_ttl(self, _host: Host) -> None:
        zone = self.script.choose(self.zones)
        if zone.servers[0].reachable:
            zone.write((zone.primary[0], self.script.choose((TTL, 300, LONGEST_TTL, 20))), self.now, self._delay)

    def trouble_unseen(self, _host: Host) -> None:
        """A stranger changes something and takes it back before anybody looks."""
        zone = self.script.choose(self.zones)
        records, ttl = zone.primary
        if not zone.servers[0].reachable or not records:
            return
        less = records - {self.script.choose(sorted(records))}
        other = self.script.choose(((records, LONGEST_TTL), (less or records, ttl), (less or records, LONGEST_TTL)))
        zone.write(other, self.now, self._delay)
        self.pass_time(self.script.choose((1, 5)))
        zone.write((records, ttl), self.now, self._delay)

    def trouble_between(self, _host: Host) -> None:
        """Nothing by itself: with this in the profile a stranger may come between a decision and its update."""

    def trouble_revert(self, _host: Host) -> None:
        """A stranger writes an earlier RRset over ours."""
        zone = self.script.choose(self.zones)
        older = [value for value in dict.fromkeys(zone.history) if value[0] and value != zone.primary]
        if older and zone.servers[0].reachable:
            zone.write(self.script.choose(older[::-1]), self.now, self._delay)

    def trouble_rogue(self, host: Host) -> None:
        """Another program installs a key of its own."""
        one = self.script.choose(host.endpoints)
        one.deploy(frozenset({chain("R1", self.script.choose(("CA9", host.ca)))}), self.now)

    def trouble_image(self, host: Host) -> None:
        """An endpoint comes back from an image, with a former chain."""
        stolen = {one.key for one in host.revoked}
        former = [one for one in host.former if one.key not in stolen]
        if former:
            self.script.choose(host.endpoints).deploy(frozenset({self.script.choose(former)}), self.now)

    def trouble_leave(self, _host: Host) -> None:
        """A name server leaves the NS set while resolvers keep the old delegation, or comes back in step."""
        zone, one = self._server()
        zone.settle_copies(self.now)
        if one.left_at is None:
            one.left_at = self.now
            # Nobody transfers the zone to it any more.
            one.due = None
        else:
            one.left_at, one.due = None, self.now + 1
            one.position = len(zone.history) - 1

    def trouble_lags(self, _host: Host) -> None:
        """A name server follows minutes late, one change after the other."""
        _zone, one = self._server()
        one.due = self.now + self.script.choose((150, 300))

    def trouble_join(self, _host: Host) -> None:
        """A name server comes that may be behind."""
        zone = self.script.choose(self.zones)
        if len(zone.servers) < 5:
            last = len(zone.history) - 1
            new = Server(f"ns{len(zone.servers)}", max(last - self.script.choose((0, 1, 2)), 0), self.now + 1)
            zone.servers.append(new)


def _records(records: Records) -> str:
    names = {}
    for label in [f"{letter}{number}{kind}" for letter in "ABC" for number in range(1, 30) for kind in "re"] + [
        "CA1",
        "CA2",
        "CA3",
        "S1",
        "S2",
        "S3",
        "R1",
    ]:
        for usage in (2, 3):
            for selector in (0, 1):
                for kind in (1, 2):
                    names[record(label, usage, selector, kind)] = f"{usage}{selector}{kind} {label}"
    return "{" + ", ".join(sorted(names.get(one, one.to_text()[:14]) for one in records)) + "}"


def _text(step: Step) -> str:
    if isinstance(step, Publish):
        return f"publish {_records(step.records)}/{step.ttl} over {_records(step.expected)}/{step.expected_ttl}"
    if isinstance(step, Deploy):
        repairs = " (repair)" if step.repairs else ""
        return f"deploy {', '.join(one.identity for one in step.chains)} on {', '.join(step.endpoints)}{repairs}"
    if isinstance(step, Wait):
        return f"wait: {step.why[:150]}"
    return type(step).__name__


PROFILES: t.Final = (
    Profile("restarts", ("dies", "dies", "reboot", "clock", "stuck", "silent", "dark", "cut")),
    Profile("journals", ("lost", "old", "dies", "stuck")),
    Profile("strangers", ("add", "add", "take", "ttl", "unseen", "revert", "rogue", "image", "stuck")),
    Profile(
        "theft",
        ("dies", "lost", "stuck", "cut"),
        wishes=("theft", "theft", "rotate", "renew", "ca", "scheme"),
    ),
    Profile(
        "compatibility",
        ("dies", "lost", "stuck"),
        strict=False,
        owners=2,
        servers=2,
        wishes=("rotate", "rotate", "ca", "ca", "renew", "theft", "scheme", "back"),
        schemes=(FACTSHEET, FACTSHEET, FACTSHEET, ALL, ISSUER, ONE),
    ),
    Profile(
        "name servers",
        ("leave", "lags", "lags", "join", "stuck", "silent"),
        wishes=("rotate", "rotate", "back", "back", "ca"),
        schemes=(KEYS, ALL, ONE),
    ),
    Profile("hosts and owners", ("dies", "lost", "stuck", "cut"), hosts=2, owners=2, servers=2),
    Profile(
        "signers",
        ("unseen", "between", "ttl"),
        signers=("times", "week", "counts"),
        wishes=("rotate", "rotate", "rotate", "back", "scheme"),
        schemes=(ONE, KEYS, ALL),
    ),
    Profile(
        "two chains",
        ("dies", "lost", "stuck", "add"),
        kinds=2,
        wishes=("rotate", "rotate", "renew", "ca", "back"),
    ),
)


def shortest(profile: Profile, runs: int, number: int) -> None:
    """Live ``runs`` random lives of ``profile``; raises Broken for the simplest of those that break a property."""

    @hypothesis.seed(number)
    @hypothesis.settings(
        max_examples=runs, deadline=None, database=None, print_blob=False, report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck), phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
    )  # fmt: skip
    @hypothesis.given(st.lists(st.integers(0, 999), min_size=12, max_size=48))
    def live(numbers: list[int]) -> None:
        Life(profile, numbers).live()

    live()
