# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail site in seconds instead of ticks: name servers that follow, resolvers that cache, endpoints, a journal file.

The controller is the loop that a playbook is: lease, journal, look, plan, journal, act. It can be killed after any
effect. The site watches the invariant at every second that something happens.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal_file, planner
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.journal import LOST, Document, JournalError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.journal_file import LeaseHeld
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.record import events_between
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import journal_data, read_journal
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    AuthorityView,
    Chain,
    EndpointView,
    Observation,
    Policy,
    Scheme,
    Target,
    lost_journal,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import (
    Deploy,
    Done,
    Generate,
    Publish,
    Step,
    Wait,
)

OWNER: t.Final = "_25._tcp.mx.example.nl"
LEASE: t.Final = 90
POLICY: t.Final = Policy(
    application_cache=10,
    clock_margin=5,
    serve_stale=300,
    unknown_ttl=300,
    worker=20,
    soak=120,
    effect=30,
    repeats=1,
    poll=7,
)


#: The same for a name that nobody else writes: then there is no need to look again before the time has come.
OURS_ALONE: t.Final = dataclasses.replace(POLICY, exclusive_owner=True)


class Killed(Exception):
    """The controller was killed."""


def record(label: str, usage: int = 3) -> TlsaRecord:
    """Return the record of the key called ``label``."""
    return TlsaRecord(usage, 1, 1, hashlib.sha256(label.encode()).digest())


def chain(label: str, ca: str = "CA") -> Chain:
    """Return a chain of the key ``label`` under ``ca``."""
    return Chain(f"{label}/{ca}", record(label), (record(ca, 2),))


@dataclasses.dataclass
class Resolver:
    """One caching resolver: the RRset it holds, and until when."""

    server: int
    records: frozenset[TlsaRecord] | None = None
    until: float = -1
    asks_at: float = 0


class Site:
    """Two secondaries, two endpoints, resolvers that ask at bad moments, and a directory for the journal."""

    def __init__(self, directory: str, seed: int = 0, ttl: int = 60, policy: Policy = POLICY) -> None:
        self.policy = policy
        self.random = random.Random(seed)
        self.now = 1_800_000_000.0
        self.boot = "boot 0"
        self.path = os.path.join(directory, "journal")
        self.number = 1
        self.keys = {"current": "K1", "next": "", "staged": ""}
        self.value = (frozenset({record("K1"), record("CA", 2)}), ttl)
        self.servers = [self.value] * 3
        self.due: dict[int, float] = {}
        self.serial = 1
        self.served = [chain("K1"), chain("K1")]
        self.resolvers = [Resolver(server) for server in (0, 1, 2) for _copy in range(3)]
        self.wanted_ca = "CA"
        self.effects = 0
        self.die_after: int | None = None
        self.steps: list[Step] = []
        self.broken: list[str] = []

    # The world.

    def pass_time(self, seconds: float) -> None:
        """Let time pass, event by event: secondaries follow, resolvers ask again at once or some time after expiry."""
        end = self.now + seconds
        while self.now < end:
            asks = [one.asks_at for one in self.resolvers if one.asks_at > self.now]
            self.now = min([end, *self.due.values(), *asks])
            for resolver in self.resolvers:
                # Asking just before the server follows, too: that copy of the old RRset lives longest.
                if resolver.asks_at <= self.now:
                    self._ask(resolver)
            for server in [one for one, due in self.due.items() if due <= self.now]:
                self.servers[server] = self.servers[0]
                del self.due[server]
        self.check()

    def _ask(self, resolver: Resolver) -> None:
        records, ttl = self.servers[resolver.server]
        resolver.records, resolver.until = records, self.now + ttl
        resolver.asks_at = resolver.until + self.random.choice((0, 0, 5, 40))

    def check(self) -> None:
        """Note every cached or published RRset that some served chain does not match, also in the strict sense."""
        held = {frozenset(one.records) for one in self.resolvers if one.records is not None and one.until > self.now}
        held |= {records for records, _ttl in self.servers}
        for records in held:
            for served in set(self.served):
                fitting = {item.parameters for item in records & served.satisfies}
                if records and fitting != {item.parameters for item in records}:
                    self.broken.append(f"{self.now}: {sorted(records)} does not match {served.identity}")

    def moment(self) -> Moment:
        return Moment(self.now, self.now - 1_000_000_000, self.boot)

    # What a playbook does.

    def target(self) -> Target:
        wanted = self.keys["staged"] or self.keys["current"]
        ready = (record(self.keys["next"]),) if self.keys["next"] and self.keys["next"] != wanted else ()
        return Target(
            owners=(OWNER,),
            endpoints=("mx0", "mx1"),
            chains=(chain(wanted, self.wanted_ca),),
            next_keys=ready,
            scheme=frozenset(Scheme),
            fallback=(chain(self.keys["current"]),),
            policy=self.policy,
        )

    def observe(self) -> Observation:
        authorities = tuple(
            AuthorityView(
                OWNER, f"ns{place}", records, ttl, "", place == 0, self.serial, f"{self.serial}", self.now + 3000
            )
            for place, (records, ttl) in enumerate(self.servers)
        )
        endpoints = tuple(EndpointView(f"mx{place}", frozenset({one})) for place, one in enumerate(self.served))
        return Observation(authorities, endpoints)

    def effect(self) -> None:
        """Count one effect that was had; the controller may die right after it."""
        self.effects += 1
        self.check()
        if self.die_after is not None and self.effects >= self.die_after:
            self.die_after = None
            raise Killed

    def run(self, holder: str = "controller") -> Step | None:
        """One run: do the one thing that is safe now, and say what it was; None while the lease is another's."""
        try:
            lease = journal_file.acquire(self.path, holder, LEASE, self.moment())
        except LeaseHeld:
            return None
        self.effect()
        target = self.target()
        events: tuple[dict[str, t.Any], ...] = ()
        try:
            document = journal_file.read(self.path, "mx.example.nl", "host")
            journal, sequence, events = read_journal(document.content), document.sequence, document.events
        except JournalError as error:
            assert error.problem in LOST
            journal, sequence = lost_journal(target.owners, self.policy), -1
        plan = planner.plan(journal, self.observe(), target, self.moment())
        events += tuple(events_between(journal, plan.journal, plan.step, self.now))
        document = Document("mx.example.nl", "host", sequence + 1, journal_data(plan.journal), events)
        journal_file.write(self.path, document, lease.token, self.moment())
        self.effect()
        self.steps.append(plan.step)
        self._act(plan.step)
        journal_file.release(self.path, lease.token)
        self.effect()
        return plan.step

    def _act(self, step: Step) -> None:
        if isinstance(step, Publish):
            if self.servers[0] == (step.expected, step.expected_ttl):
                self.servers[0] = (step.records, step.ttl)
                self.serial += 1
                for server in (1, 2):
                    self.due.setdefault(server, self.now + self.random.randrange(1, 100))
            self.effect()
        elif isinstance(step, Deploy):
            for name in step.endpoints:
                self.served[int(name[2:])] = step.chains[0]
                self.effect()
        elif isinstance(step, Generate):
            self.number += 1
            self.keys["next"] = f"K{self.number}"
            self.effect()

    def begin_rotation(self) -> None:
        """Want the next key, which is what the operator does."""
        self.keys["staged"], self.keys["next"] = self.keys["next"], ""

    def stay(self, step: Step | None) -> None:
        """Let time pass until the next run: as long as it was told to wait, or the moment that a step takes."""
        self.pass_time(max(step.look_again - self.now, 1) if isinstance(step, Wait) else 2)

    def settle(self, limit: int = 2000) -> int:
        """Run again and again until nothing is left to do; return how many runs that took."""
        for count in range(limit):
            try:
                step = self.run()
            except Killed:
                self.pass_time(self.random.choice((0, 3, 50)))
                continue
            if isinstance(step, Done):
                if self.keys["staged"]:
                    self.keys["current"], self.keys["staged"] = self.keys["staged"], ""
                    continue
                return count
            self.stay(step)
        raise AssertionError(f"not settled after {limit} runs: {self.steps[-1]}")
