# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rotation planner knows and is told: policy, target, observation, journal.

Pure data. Durations are seconds. Owner names are lower case without final dot, endpoints and addresses
text as ``probe.Endpoint`` prints them. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_TA, TlsaRecord

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment


class TargetError(ValueError):
    """What is wanted contradicts itself; the message names the input and the rule."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """How careful the planner is.

    ``strict``: RFC 7671 section 8 holds at every moment, cached copies included; False is the compatibility mode, in
    which any matching record is enough. ``application_cache``: how long programs keep an answer beyond its TTL.
    ``clock_margin``: error that the clocks may have. ``serve_stale``: how long resolvers hand out expired answers
    (RFC 8767), counted only once an outage of all authoritative addresses was seen. ``unknown_ttl``: longest TTL
    assumed of RRsets that nobody remembers. ``maximum_ttl`` and ``maximum_records`` bound what is published.
    ``worker``: how long a process of the mail server lives on with the former chain. ``soak``: how long a chain
    that was seen nowhere still counts as served before its record is removed. ``effect``: by when a step has either
    happened or never will, counted from the decision: whoever acts must not send a change later than that.
    ``repeats``: connections to an endpoint before its chains count as known. ``poll``: when to look again if nothing
    better is known. ``exclusive_owner``: nobody else can write these owner names, so that no edit can hide between
    two looks.
    """

    strict: bool = True
    application_cache: float = 300
    clock_margin: float = 60
    serve_stale: float = 86400
    unknown_ttl: int = 86400
    maximum_ttl: int = 86400
    maximum_records: int = 12
    worker: float = 120
    soak: float = 86400
    effect: float = 120
    repeats: int = 5
    poll: float = 60
    exclusive_owner: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, bool) and value < 0:
                raise TargetError(f"policy {field.name} is {value}: no duration or count is negative")
        if not 1 <= self.maximum_records <= 12:
            raise TargetError(
                f"policy maximum_records is {self.maximum_records}: it is 1 to 12; some senders fail above 12 records"
            )


@dataclasses.dataclass(frozen=True)
class Chain:
    """What the planner needs to know of one certificate chain.

    ``identity`` names exactly these certificates (SHA-256, hex). ``key`` is the ``3 1 1`` record of the leaf,
    ``issuers`` the ``2 1 1`` records that the scheme publishes for it. ``satisfies`` has every usable record that
    authenticates this chain for senders of every kind. ``not_after``: Unix time when the leaf expires, None when
    unknown.
    """

    identity: str
    key: TlsaRecord
    issuers: tuple[TlsaRecord, ...] = ()
    satisfies: frozenset[TlsaRecord] = frozenset()
    not_after: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "satisfies", self.satisfies | {self.key, *self.issuers})

    def __hash__(self) -> int:
        return hash(self.identity)


#: Stands for what an endpoint without TLS presents: no record ever matches it.
NO_TLS: t.Final = Chain("no TLS", TlsaRecord(3, 1, 1, bytes(32)))


class Scheme(enum.Enum):
    """Which records are kept published."""

    CURRENT = "current"
    NEXT = "next"
    ISSUER = "issuer"


class Exposure(enum.Enum):
    """What the operator accepts when a key was stolen and no aged next key exists.

    ``SERVE``: the stolen key is served until the caches know the new one. ``DEFER``: the new key at once; senders
    with old copies delay their mail. ``DOWNGRADE``: no DANE until the new key is served.
    """

    SERVE = "serve"
    DEFER = "defer"
    DOWNGRADE = "downgrade"


@dataclasses.dataclass(frozen=True)
class Target:
    """What is wanted of one TLSA base domain.

    ``owners``: the TLSA owner names that share the chains (one per port). ``endpoints``: those managed here.
    ``chains``: what they shall serve, one chain per type of key. ``next_keys``: ``3 1 1`` records of the keys proven
    to be held for the following rotation. ``scheme``: empty to withdraw DANE. ``ttl``: None leaves it as it is.
    ``revoked``: chains whose key was stolen; no record that they satisfy stays published. ``fallback``: other
    chains still held, to return to. ``known``: chains that were planned once, whose records may be put back.
    ``release``: records of others that may be removed. ``kept``: records that other hosts behind the same name need.
    ``bare``: the host never served TLS on these endpoints. ``generates``: a next key can be made when there is none.
    """

    owners: tuple[str, ...]
    endpoints: tuple[str, ...]
    chains: tuple[Chain, ...]
    next_keys: tuple[TlsaRecord, ...] = ()
    scheme: frozenset[Scheme] = frozenset({Scheme.CURRENT, Scheme.NEXT})
    ttl: int | None = None
    revoked: tuple[Chain, ...] = ()
    exposure: Exposure | None = None
    fallback: tuple[Chain, ...] = ()
    known: tuple[Chain, ...] = ()
    release: frozenset[TlsaRecord] = frozenset()
    kept: frozenset[TlsaRecord] = frozenset()
    bare: bool = False
    generates: bool = True
    policy: Policy = Policy()

    def __post_init__(self) -> None:
        if not self.owners:
            raise TargetError("owners is empty: name at least one TLSA owner name, such as _25._tcp.mx.example.nl")
        for what in ("owners", "endpoints"):
            names = getattr(self, what)
            if len(set(names)) != len(names):
                raise TargetError(f"{what} names something twice: {', '.join(names)}")
        if not self.scheme:
            return
        if not self.chains:
            raise TargetError("chains is empty: name the chain that the endpoints shall serve, or withdraw DANE")
        if Scheme.NEXT in self.scheme and Scheme.CURRENT not in self.scheme:
            raise TargetError("scheme has next without current: future records never stand alone (RFC 7671 section 8)")
        if Scheme.ISSUER in self.scheme and any(not chain.issuers for chain in self.chains):
            raise TargetError("scheme has issuer, but a chain has no issuer that its handshake carries")
        if self.ttl is not None and not 0 < self.ttl <= self.policy.maximum_ttl:
            raise TargetError(f"ttl {self.ttl} is not 1 to {self.policy.maximum_ttl} seconds, the policy's maximum_ttl")
        stolen = {chain.key for chain in self.revoked}
        if any(chain.key in stolen for chain in self.chains) or stolen & set(self.next_keys):
            raise TargetError("a revoked key is among the chains or next keys wanted: a stolen key has no future")


@dataclasses.dataclass(frozen=True)
class AuthorityView:
    """What one authoritative address says about one owner name.

    ``failure`` is '' for an answer, else a sentence why senders get none from there (unreachable, lame, bogus).
    ``unvalidated`` is '' when it validated, else a sentence why that is not so or could not be told: nothing may move
    then, yet the address did answer, so that no resolver has a reason to hand out expired copies.
    ``records`` is empty for proven absence; ``ttl`` then the negative TTL. Behind aliases ``ttl`` is the sum over
    all hops. ``serial`` of the zone, ``signature`` (anything that changes when the RRset is signed anew, such as its
    inception), and ``signed_until`` (Unix time) are None when unknown. ``primary``: updates go there. ``public``:
    resolvers may ask it; False for a view that only a key opens, and for a look-up that failed. ``decides``: only a
    person can settle the failure. ``wildcard``: whose records these are (RFC 4592), or would be once ``owner`` has none
    of its own; '' when there is none. ``proof_ttl``: TTL of the proof that leads from ``owner`` to the wildcard.
    ``zone_signature``: the same as ``signature``, of the zone's SOA record.
    """

    owner: str
    address: str
    records: frozenset[TlsaRecord] = frozenset()
    ttl: int = 0
    failure: str = ""
    primary: bool = False
    serial: int | None = None
    signature: str | None = None
    signed_until: float | None = None
    unvalidated: str = ""
    public: bool = True
    decides: bool = False
    wildcard: str = ""
    proof_ttl: int = 0
    zone_signature: str | None = None

    @property
    def cached_ttl(self) -> int:
        """How long a cache may answer with the RRset: with the proof, a resolver asks nobody (RFC 8198 section 5.3)."""
        return max(self.ttl, self.proof_ttl)


@dataclasses.dataclass(frozen=True)
class OwnUpdate:
    """An update of ours that the primary says it made: the last look before it and the first one that shows it.

    Only records and TTL, serial and signatures count. No more than a moment may lie between the two looks.
    """

    before: AuthorityView
    after: AuthorityView


REMEMBERED: t.Final = "host "
#: Stands for endpoints that nobody remembers.
SOMEWHERE: t.Final = "some endpoint"


@dataclasses.dataclass(frozen=True)
class EndpointView:
    """Every chain that one endpoint presented in ``repeats`` rounds over all server names and types of key.

    ``failure`` is '' when the rounds were complete, else a sentence. An ``endpoint`` that begins with ``REMEMBERED``
    stands for a host of the same name, with what it served when a run last reached it.
    """

    endpoint: str
    chains: frozenset[Chain] = frozenset()
    repeats: int = 1
    failure: str = ""


@dataclasses.dataclass(frozen=True)
class Observation:
    """All that was seen at one moment. ``lock`` names another holder of the lease, '' when it is ours.

    ``unaccounted``: hosts behind the same name whose chains are unknown. ``updates``: those
    that we made since the last look.
    """

    authorities: tuple[AuthorityView, ...]
    endpoints: tuple[EndpointView, ...]
    lock: str = ""
    unaccounted: tuple[str, ...] = ()
    updates: tuple[OwnUpdate, ...] = ()


@dataclasses.dataclass(frozen=True)
class CachedRrset:
    """An RRset that caches may hold. ``records`` is None where nobody knows which one it was.

    ``served_by``: authoritative addresses that had it at the last look; ``intended``: an update to it was begun and
    may still come, even a second time: a lost answer does not mean a lost update.
    ``left``: the first serial at which the primary was seen without it, None while it has it and when unknown;
    ``passing``: addresses that have not shown such a serial, and may pass through the RRset on their way to it.
    ``age``: seconds proven to have passed since it was seen to be gone everywhere, 0 before. ``signed_until``: end
    of the last signature seen. ``reason`` tells where an unknown one comes from: ``lost`` or ``hidden``.
    """

    owner: str
    records: frozenset[TlsaRecord] | None
    ttl: int
    served_by: frozenset[str] = frozenset()
    intended: bool = False
    age: float = 0
    signed_until: float | None = None
    reason: str = ""
    left: int | None = None
    passing: frozenset[str] = frozenset()

    @property
    def is_served(self) -> bool:
        """Whether some authoritative address may hand it out now, or later without anybody's doing."""
        return self.intended or bool(self.served_by or self.passing)


@dataclasses.dataclass(frozen=True)
class ServedChain:
    """A chain that endpoints may serve. ``chain`` is None where nobody knows which.

    ``seen_at``: endpoints that had it at the last look; ``intended``: endpoints where its deployment was begun.
    ``age``: seconds proven to have passed since it was seen nowhere, 0 before.
    """

    chain: Chain | None
    seen_at: frozenset[str] = frozenset()
    intended: frozenset[str] = frozenset()
    age: float = 0

    @property
    def is_served(self) -> bool:
        """Whether some endpoint may present it now."""
        return bool(self.seen_at or self.intended)


@dataclasses.dataclass(frozen=True)
class VisibleRecord:
    """A record that some authoritative address has, and for how long that was so without a gap."""

    owner: str
    record: TlsaRecord
    age: float = 0


@dataclasses.dataclass(frozen=True)
class Mark:
    """What an address said at the last look: when serial and signatures changed, an edit could hide in between.

    ``value``: a digest of RRset and TTL, '' when it never answered. ``age``: None while it is looked at, else the
    seconds since it dropped out of the look: resolvers may go on asking it for as long as they keep the delegation.
    """

    owner: str
    address: str
    serial: int | None
    signature: str | None
    value: str = ""
    public: bool = True
    age: float | None = None
    zone_signature: str | None = None


@dataclasses.dataclass(frozen=True)
class Journal:
    """What is known of the past: exactly as much as the guards need.

    ``owned``: records that may be removed here. ``effect_age``: seconds since the last effect was begun. ``outage``:
    all authoritative addresses of an owner failed at once since the last steady state. ``handed_over``: DANE is
    withdrawn and TLS may be changed or switched off.
    """

    clock: Moment | None
    rrsets: tuple[CachedRrset, ...] = ()
    chains: tuple[ServedChain, ...] = ()
    visible: tuple[VisibleRecord, ...] = ()
    owned: frozenset[TlsaRecord] = frozenset()
    marks: tuple[Mark, ...] = ()
    effect_age: float = 0
    outage: bool = False
    handed_over: bool = False


def lost_journal(owners: c.Iterable[str], policy: Policy) -> Journal:
    """Return the journal of someone who remembers nothing: anything may be cached, served, or about to be deployed."""
    return Journal(
        clock=None,
        rrsets=tuple(CachedRrset(owner, None, policy.unknown_ttl, reason="lost") for owner in owners),
        chains=(ServedChain(None, intended=frozenset({SOMEWHERE})),),
    )


def first_journal() -> Journal:
    """Return the journal for names where the operator states that no TLSA record ever stood.

    What stands there all the same outweighs that. What processes of the mail server present is unknown in any case.
    """
    return Journal(clock=None, chains=(ServedChain(None),))


def desired_records(target: Target, wall: float) -> frozenset[TlsaRecord]:
    """Return the RRset of the steady state; without what a stolen chain satisfies until its leaf has expired."""
    wanted: set[TlsaRecord] = set(target.kept)
    if Scheme.CURRENT in target.scheme:
        wanted.update(chain.key for chain in target.chains)
    if Scheme.NEXT in target.scheme:
        wanted.update(target.next_keys)
    if Scheme.ISSUER in target.scheme:
        wanted.update(record for chain in target.chains for record in chain.issuers)
    return frozenset(wanted) - revoked_records(target, wall)


def revoked_records(target: Target, wall: float) -> frozenset[TlsaRecord]:
    """Return the records under which a stolen chain would still be accepted.

    The key of the leaf is meant for ever; issuers only until the stolen certificate expires, as dates count for
    DANE-TA.
    """
    return frozenset(
        record
        for chain in target.revoked
        for record in chain.satisfies
        if record.usage != DANE_TA or chain.not_after is None or wall <= chain.not_after
    )
