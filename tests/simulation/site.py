# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail site in seconds: zones with a history, servers that follow it, resolvers, endpoints with worker processes.

Nothing here is taken from the planner but the shapes of its data, so that one does not hide a fault of the other. All
chance comes from a script, a list of whole numbers; where it ends, nothing goes wrong any more.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    AuthorityView,
    Chain,
    EndpointView,
)

Records = frozenset[TlsaRecord]
#: What stands at a name: records and TTL.
Value = tuple[Records, int]

TTL: t.Final = 60
#: Nobody raises a TTL, and no parent zone has one, above this.
LONGEST_TTL: t.Final = 600
DELEGATION_TTL: t.Final = 600
#: For how long programs keep an answer beyond its TTL, and processes of a mail server a former chain.
APPLICATION_CACHE: t.Final = 10
WORKER: t.Final = 20


@functools.cache
def record(label: str, usage: int = 3, selector: int = 1, matching_type: int = 1) -> TlsaRecord:
    """Return a record of what is called ``label``."""
    digest = hashlib.sha256 if matching_type == 1 else hashlib.sha512
    return TlsaRecord(usage, selector, matching_type, digest(f"{selector} {label}".encode()).digest())


@functools.cache
def chain(key: str, ca: str = "CA1", edition: int = 1, ends: float | None = None) -> Chain:
    """Return a chain with the leaf ``key`` issued by ``ca``; ``edition`` counts renewals with the same key."""
    fits = {record(key, 3, selector, kind) for selector in (0, 1) for kind in (1, 2)}
    fits |= {record(ca, 2, selector, kind) for selector in (0, 1) for kind in (1, 2)}
    return Chain(f"{key}/{ca}/{edition}", record(key), (record(ca, 2),), frozenset(fits), ends)


@functools.cache
def unmatched(records: Records, served: Chain) -> frozenset[tuple[int, int, int]]:
    """Return every usage, selector and matching type of which no record fits the chain (RFC 7671 section 8)."""
    matched = {(one.usage, one.selector, one.matching_type) for one in records & served.satisfies}
    return frozenset({(one.usage, one.selector, one.matching_type) for one in records} - matched)


@functools.cache
def refuses(records: Records, served: Chain) -> bool:
    """Say whether a sender that holds ``records`` refuses the chain: only the strongest digest of each usage and

    selector counts (RFC 7671 section 9).
    """
    every = {(one.usage, one.selector, one.matching_type) for one in records}
    counting = {key for key in every if key[2] == max(other[2] for other in every if other[:2] == key[:2])}
    return bool(records) and counting <= unmatched(records, served)


class Script:
    """Decisions, one after the other; after the last of them everything is calm."""

    def __init__(self, numbers: t.Sequence[int]) -> None:
        self._numbers, self._place = numbers, 0

    @property
    def is_over(self) -> bool:
        return self._place >= len(self._numbers)

    def choose(self, options: t.Sequence[t.Any]) -> t.Any:
        """Return one of ``options``; the first one is the calm one."""
        if self.is_over:
            return options[0]
        self._place += 1
        return options[self._numbers[self._place - 1] % len(options)]

    def sometimes(self, one_in: int) -> bool:
        return bool(self.choose((False,) * (one_in - 1) + (True,)))


@dataclasses.dataclass
class Server:
    """An authoritative address: how far it followed, and when it follows again (None: it is stuck)."""

    name: str
    position: int = 0
    due: float | None = 0
    reachable: bool = True
    left_at: float | None = None

    def is_asked(self, now: float) -> bool:
        """Whether resolvers may ask it: those with an old delegation go on for a while."""
        return self.left_at is None or now < self.left_at + DELEGATION_TTL


class Zone:
    """One owner name: every value that its primary ever had, the servers, and what caches may hold until when.

    ``signer``: ``counts`` has serials one after the other; those of ``times`` are times; ``week`` signs the whole week
    with one inception, as PowerDNS does.
    """

    def __init__(self, owner: str, value: Value, servers: int, signer: str = "counts") -> None:
        self.owner, self.signer = owner, signer
        self.history: list[Value] = [value]
        self.serials = [1]
        self.servers = [Server(f"ns{number}") for number in range(servers)]
        self.copies: dict[Value, float] = {}
        #: Records that neither the planner nor its operator brought here.
        self.foreign: set[TlsaRecord] = set()

    @property
    def primary(self) -> Value:
        return self.history[-1]

    def settle_copies(self, now: float) -> None:
        """Let resolvers fetch whatever is served at this moment."""
        for one in self.servers:
            if one.is_asked(now):
                value = self.history[one.position]
                self.copies[value] = max(self.copies.get(value, 0), now + value[1] + APPLICATION_CACHE)

    def write(self, value: Value, now: float, delay: t.Callable[[], float | None]) -> None:
        self.settle_copies(now)
        self.history.append(value)
        self.serials.append(max(self.serials[-1] + 1, int(now) if self.signer == "times" else 0))
        self.servers[0].position = len(self.history) - 1
        for one in self.servers[1:]:
            if one.due is not None and one.position == len(self.history) - 2:
                wait = delay()
                one.due = None if wait is None else now + wait
        self.settle_copies(now)

    def follow(self, one: Server, now: float, step: int) -> None:
        """Let a server replay ``step`` changes, in their order."""
        for _change in range(step):
            if one.position < len(self.history) - 1:
                self.settle_copies(now)
                one.position += 1
        self.settle_copies(now)

    def held(self, now: float) -> set[Value]:
        """Return all that a resolver has, or may still get because a server passes through it."""
        self.settle_copies(now)
        self.copies = {value: until for value, until in self.copies.items() if until > now}
        found = set(self.copies)
        for one in self.servers:
            if one.is_asked(now):
                found.update(self.history[one.position :])
        return found

    def views(self) -> list[AuthorityView]:
        return [self.view(number) for number, one in enumerate(self.servers) if one.left_at is None]

    def view(self, number: int) -> AuthorityView:
        one = self.servers[number]
        records, ttl = self.history[one.position]
        return AuthorityView(
            self.owner,
            one.name,
            records if one.reachable else frozenset(),
            ttl if one.reachable else 0,
            "" if one.reachable else "no answer",
            number == 0,
            self.serials[one.position],
            self._signature(one.position),
            zone_signature="" if self.signer == "week" else str(one.position),
        )

    def _signature(self, position: int) -> str:
        """The RRset is signed anew whenever it changes."""
        while position and self.history[position] == self.history[position - 1]:
            position -= 1
        return "" if self.signer == "week" else str(position)


@dataclasses.dataclass
class Endpoint:
    """What one address presents, and what processes that have not ended yet do."""

    name: str
    chains: frozenset[Chain]
    workers: list[tuple[Chain, float]] = dataclasses.field(default_factory=list)
    reachable: bool = True

    def deploy(self, chains: frozenset[Chain], now: float) -> None:
        self.workers = [(one, until) for one, until in self.workers if until > now]
        self.workers += [(one, now + WORKER) for one in self.chains - chains]
        self.chains = chains

    def served(self, now: float) -> set[Chain]:
        return {*self.chains, *(one for one, until in self.workers if until > now)}

    def view(self) -> EndpointView:
        if not self.reachable:
            return EndpointView(self.name, frozenset(), 1, "connection refused")
        return EndpointView(self.name, self.chains, 1)
