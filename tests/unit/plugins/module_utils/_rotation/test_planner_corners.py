# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Corners in which the planner refused mail, came to no end, or changed its mind for ever (cases L01 to L15)."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from support.mail_site import chain, record

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import outcome, planner
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    AuthorityView,
    Chain,
    EndpointView,
    Exposure,
    Journal,
    Observation,
    OwnUpdate,
    Policy,
    Scheme,
    Target,
    first_journal,
    lost_journal,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import (
    Choose,
    Deploy,
    Done,
    Plan,
    Publish,
    Wait,
)

SMTP, SUBMISSION = "_25._tcp.mx.example.nl", "_465._tcp.mx.example.nl"
POLICY = Policy(repeats=1)
LOOSE = dataclasses.replace(POLICY, strict=False)
BEGIN = 1_800_000_000.0
TTL = 60
K0, K1, K2 = chain("K0"), chain("K1"), chain("K2")
CA = record("CA", 2)
ISSUER = frozenset({Scheme.ISSUER})
FACTSHEET = frozenset({Scheme.CURRENT, Scheme.ISSUER})

Records = frozenset[TlsaRecord]


def digest(label: str, usage: int = 3, selector: int = 1, matching_type: int = 2) -> TlsaRecord:
    """A record of another kind: by default 3 1 2."""
    return TlsaRecord(usage, selector, matching_type, record(label).data * matching_type)


@dataclasses.dataclass
class Server:
    """One authoritative address, with what it says of each owner."""

    address: str
    records: dict[str, Records]
    ttl: int = TTL
    serial: int | None = 1
    signature: str | None = "1"
    failure: str = ""
    decides: bool = False
    wildcard: str = ""
    proof_ttl: int = 0


class World:
    """A primary and a secondary that change at once unless a test says otherwise, one endpoint, a journal."""

    def __init__(self, *records: TlsaRecord, served: Chain = K0, owners: tuple[str, ...] = (SMTP,)) -> None:
        self.owners = owners
        stands = {owner: frozenset(records) for owner in owners}
        self.ns0, self.ns1 = Server("ns0", dict(stands)), Server("ns1", dict(stands))
        self.servers = [self.ns0, self.ns1]
        self.follows = True
        self.served: dict[str, frozenset[Chain]] = {"mx": frozenset({served})}
        self.failures: dict[str, str] = {}
        self.now = 0.0
        self.journal: Journal = first_journal()
        #: By how much each change raises the serial, whether the signatures tell of it, and what we know of updates.
        self.raises = 1
        self.signs = True
        self.updates: tuple[OwnUpdate, ...] | None = None

    def look(self) -> Observation:
        views = tuple(self.view(one, owner) for one in self.servers for owner in self.owners)
        endpoints = tuple(
            EndpointView(name, chains, 1, self.failures.get(name, "")) for name, chains in self.served.items()
        )
        return Observation(views, endpoints, updates=self.updates or ())

    def view(self, one: Server, owner: str = SMTP) -> AuthorityView:
        return AuthorityView(
            owner,
            one.address,
            frozenset() if one.failure else one.records[owner],
            one.ttl,
            one.failure,
            one is self.ns0,
            one.serial,
            one.signature,
            decides=one.decides,
            wildcard=one.wildcard,
            proof_ttl=one.proof_ttl,
            zone_signature=str(one.serial) if self.signs else one.signature,
        )

    def plan(self, target: Target, seconds: float = 1) -> Plan:
        self.now += seconds
        found = planner.plan(self.journal, self.look(), target, Moment(BEGIN + self.now, self.now, "boot"))
        self.journal = found.journal
        return found

    def steady(self, target: Target) -> World:
        """Let ten days pass in which nothing changes."""
        for seconds in (0, 400_000, 400_000):
            self.plan(target, seconds)
        return self

    def write(self, records: Records, owner: str = SMTP, ttl: int = TTL) -> None:
        """Change the RRset at the primary, by whoever it is."""
        self.ns0.records[owner], self.ns0.ttl = records, ttl
        self.ns0.serial = (self.ns0.serial or 0) + self.raises
        if self.signs:
            self.ns0.signature = f"{self.ns0.serial}"
        if self.follows:
            self.follow()

    def follow(self) -> None:
        self.ns1.records, self.ns1.ttl = dict(self.ns0.records), self.ns0.ttl
        self.ns1.serial, self.ns1.signature = self.ns0.serial, self.ns0.signature

    def act(self, found: Plan) -> None:
        if isinstance(found.step, Publish):
            assert (found.step.records, found.step.ttl) != (found.step.expected, found.step.expected_ttl)
            before = self.view(self.ns0, found.step.owner)
            self.write(found.step.records, found.step.owner, found.step.ttl)
            if self.updates is not None:
                self.updates = (OwnUpdate(before, self.view(self.ns0, found.step.owner)),)
        elif isinstance(found.step, Deploy):
            self.served.update(dict.fromkeys(found.step.endpoints, frozenset(found.step.chains)))

    def run(self, target: Target, limit: int = 60) -> Plan:
        """Do what the planner says until it is done, asks, or waits for something that does not come by itself."""
        for _turn in range(limit):
            found = self.plan(target)
            if isinstance(found.step, (Done, Choose)) or (isinstance(found.step, Wait) and found.step.until is None):
                return found
            if isinstance(found.step, Wait):
                self.now = max(self.now, found.step.until - BEGIN - 1)
            self.act(found)
        raise AssertionError(f"no end: {found.step}")


def target(served: Chain = K0, *next_keys: str, **more: t.Any) -> Target:
    given: dict[str, t.Any] = {
        "owners": (SMTP,),
        "endpoints": ("mx",),
        "chains": (served,),
        "policy": POLICY,
        "fallback": (K0,),
        "next_keys": tuple(record(label) for label in next_keys),
        "generates": False,
    }
    return Target(**{**given, **more})


def why(found: Plan) -> str:
    assert isinstance(found.step, Wait), found.step
    return "; ".join(one.sentence for one in found.step.obstacles)


# L01: a stale digest that outweighs the right one.


@pytest.mark.parametrize("stale", [digest("OLD"), digest("OLD", 3, 1, 2), digest("OLD", 2, 1, 2)])
def test_l01_a_stale_record_that_refuses_mail_goes_at_once_when_released(stale: TlsaRecord) -> None:
    beside = (CA,) if stale.usage == 2 else (K0.key, K1.key)
    world = World(*beside, stale)
    scheme = ISSUER if stale.usage == 2 else frozenset({Scheme.CURRENT, Scheme.NEXT})
    wanted = target(K0, "K1", release=frozenset({stale}), scheme=scheme)
    step = world.plan(wanted).step
    assert isinstance(step, Publish) and step.removed == {stale} and not step.added
    assert isinstance(World(*beside, stale).run(wanted).step, Done)


def test_l01_without_release_it_is_named_as_what_refuses_mail() -> None:
    stale = digest("OLD")
    world = World(K0.key, K1.key, stale)
    found = world.plan(target(K0, "K1"))
    assert stale.to_text()[:14] in why(found) and "release" in why(found) and "refuse" in why(found)
    assert isinstance(world.steady(target(K0, "K1")).run(target(K0, "K1")).step, Wait)


# L02: a server that lags may still pass through what the primary left.


@pytest.mark.parametrize("serials", [True, False])
def test_l02_an_rrset_counts_until_the_lagging_server_has_shown_a_later_serial(serials: bool) -> None:
    k0, k1, k2 = K0.key, K1.key, K2.key
    world = World(k0, k1, k2).steady(target(K0, "K1"))
    world.follows = False
    world.served = {"mx": frozenset({K1})}
    world.plan(target(K1, "K2"))
    world.write(frozenset({k1, k2}))
    world.plan(target(K1, "K2"))
    back = target(K0, "K1", "K2", fallback=(K1,))
    world.write(frozenset({k0, k1, k2}), ttl=TTL)
    if not serials:
        world.ns0.serial = world.ns1.serial = None
    for seconds in (1, 1000, 100_000, 100_000):
        found = world.plan(back, seconds)
        if serials:
            assert not isinstance(found.step, Deploy)
    if serials:
        assert "ns1" in why(found) and "serial" in why(found)
    if not serials:
        world.ns0.serial = 12
    world.follow()
    found = world.run(back)
    assert isinstance(found.step, Done) and world.served == {"mx": frozenset({K0})}


def test_l02_what_nobody_remembers_may_be_passed_through_as_well() -> None:
    world = World(K0.key, K1.key)
    world.journal = lost_journal((SMTP,), POLICY)
    world.ns0.serial, world.ns1.serial = 12, 10
    for seconds in (0, 100_000, 100_000):
        found = world.plan(target(K1, "K2"), seconds)
        assert not isinstance(found.step, Deploy)


# L03: not looked at is not "seen without it".


@pytest.mark.parametrize("looks", [1, 2])
def test_l03_a_server_that_drops_out_of_the_look_counts_as_having_what_it_had(looks: int) -> None:
    world = World(K0.key).steady(target(K0))
    world.follows = False
    wanted = target(K1)
    world.act(world.plan(wanted))
    world.plan(wanted, 1000)
    assert "ns1" in why(world.plan(wanted, 1000))
    world.servers = [world.ns0]
    for _look in range(looks):
        found = world.plan(wanted, 40_000)
        assert not isinstance(found.step, Deploy)
    world.servers = [world.ns0, world.ns1]
    assert "ns1" in why(world.plan(wanted, 100))


def test_l03_it_counts_for_as_long_as_its_delegation_and_its_copies_may_live() -> None:
    world = World(K0.key).steady(target(K0))
    world.follows = False
    wanted = target(K1)
    world.act(world.plan(wanted))
    world.plan(wanted, 1000)
    world.servers = [world.ns0]
    found = world.plan(wanted, 1)
    begun = world.now
    while not isinstance(found.step, Deploy):
        found = world.plan(wanted, 50)
        assert world.now - begun < 90_000
    assert world.now - begun >= POLICY.unknown_ttl + TTL + 360


# L04: a TTL raised and put back between two looks.


@pytest.mark.parametrize("gap", [10, 1000])
def test_l04_a_zone_changed_unseen_may_have_had_the_longest_ttl(gap: float) -> None:
    world = World(K0.key).steady(target(K0))
    world.write(frozenset({K0.key}), ttl=86_400)
    world.write(frozenset({K0.key}))
    wanted = target(K1)
    found = world.plan(wanted, gap)
    changed = world.now
    world.act(found)
    while not isinstance(found.step, Deploy):
        found = world.plan(wanted, 300)
    assert world.now - changed >= POLICY.unknown_ttl


def test_l04_around_an_update_of_our_own_the_serial_tells() -> None:
    world = World(K0.key).steady(target(K0))
    wanted = target(K1)
    found = world.plan(wanted)
    world.write(frozenset({K0.key}), ttl=86_400)
    world.write(frozenset({K0.key}))
    world.act(found)
    assert not any(isinstance(world.plan(wanted, 15).step, Deploy) for _look in range(200))


def test_l04_an_update_of_our_own_is_no_edit_unseen() -> None:
    world = World(K0.key).steady(target(K0))
    wanted = target(K1)
    found = world.plan(wanted)
    world.act(found)
    begun = world.now
    while not isinstance(found.step, Deploy):
        found = world.plan(wanted, 15)
    assert world.now - begun < 600


def _weak_signs(signs: bool, confirmed: bool) -> World:
    world = World(K0.key).steady(target(K0))
    world.raises, world.signs, world.updates = 1000, signs, () if confirmed else None
    return world


def _seconds_to_deploy(world: World, wanted: Target) -> float:
    begun = world.now
    found = world.plan(wanted)
    while not isinstance(found.step, Deploy):
        world.act(found)
        found = world.plan(wanted, 100)
    return world.now - begun


@pytest.mark.parametrize("signs", [True, False])
def test_l04_a_confirmed_update_is_no_edit_unseen_however_the_serial_moves(signs: bool) -> None:
    assert _seconds_to_deploy(_weak_signs(signs, True), target(K1)) < 1000
    assert _seconds_to_deploy(_weak_signs(signs, False), target(K1)) > POLICY.unknown_ttl


@pytest.mark.parametrize("signs", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
def test_l04_a_confirmed_update_vouches_for_nothing_but_itself(signs: bool, when: str) -> None:
    world, wanted = _weak_signs(signs, True), target(K1)
    found = world.plan(wanted)
    if when == "before":
        world.write(frozenset({K0.key}), ttl=86_400)
        world.write(frozenset({K0.key}))
    world.act(found)
    if when == "after":
        world.write(world.ns0.records[SMTP], ttl=86_400)
        world.write(world.ns0.records[SMTP])
    assert _seconds_to_deploy(world, wanted) > POLICY.unknown_ttl


def test_l04_an_update_that_nobody_began_vouches_for_nothing() -> None:
    world, wanted = _weak_signs(True, True), target(K1)
    world.plan(wanted)
    before = world.view(world.ns0)
    world.write(frozenset({K0.key, K2.key}))
    world.updates = (OwnUpdate(before, world.view(world.ns0)),)
    assert _seconds_to_deploy(world, wanted) > POLICY.unknown_ttl


# L05 and L06: a theft in compatibility mode.


@pytest.mark.parametrize("exposure", list(Exposure))
@pytest.mark.parametrize("owners", [(SMTP,), (SMTP, SUBMISSION)])
@pytest.mark.parametrize("lost", [False, True])
def test_l05_l06_a_theft_in_compatibility_mode_ends(exposure: Exposure, owners: tuple[str, ...], lost: bool) -> None:
    for published in ((K0.key, CA), (K0.key,), (K0.key, record("OTHER CA", 2))):
        before = target(K0, scheme=FACTSHEET, policy=LOOSE, owners=owners)
        world = World(*published, owners=owners).steady(dataclasses.replace(before, owners=owners))
        if lost:
            world.journal = lost_journal(owners, LOOSE)
        wanted = dataclasses.replace(
            before,
            chains=(K1,),
            revoked=(dataclasses.replace(K0, not_after=BEGIN + 9e8),),
            exposure=exposure,
            release=frozenset({record("OTHER CA", 2)}),
        )
        assert isinstance(world.run(wanted).step, Done)
        assert world.served == {"mx": frozenset({K1})}
        assert all(records == {K1.key} for records in world.ns0.records.values())


# L07: given up once, put back once.


def test_l07_records_come_back_once_and_stay() -> None:
    stolen = dataclasses.replace(K0, not_after=BEGIN + 9e8)
    wanted = target(K1, revoked=(stolen,), exposure=Exposure.DOWNGRADE)
    world = World(K0.key).steady(target(K0))
    while world.served != {"mx": frozenset({K1})}:
        found = world.plan(wanted, 100)
        world.act(found)
    while not world.ns0.records[SMTP]:
        world.follows = False
        world.act(world.plan(wanted, 100))
    renewed = dataclasses.replace(wanted, chains=(Chain("K1 renewed", K1.key, K1.issuers),), fallback=(K1,))
    assert not world.ns1.records[SMTP]
    for _look in range(100):
        found = world.plan(renewed, 30)
        assert not isinstance(found.step, Publish), found.step
        world.act(found)
    world.follow()
    assert isinstance(world.run(renewed).step, Done) and world.ns0.records[SMTP] == {K1.key}


# L08: nobody knows what workers and late deployments serve.


@pytest.mark.parametrize("journal", [lost_journal((SMTP,), POLICY), first_journal()])
@pytest.mark.parametrize(
    ("published", "scheme"),
    [((), frozenset({Scheme.CURRENT})), ((CA,), frozenset({Scheme.CURRENT, Scheme.ISSUER})), ((K0.key,), FACTSHEET)],
)
def test_l08_what_changes_what_a_sender_takes_waits_for_chains_that_nobody_knows(
    journal: Journal, published: tuple[TlsaRecord, ...], scheme: frozenset[Scheme]
) -> None:
    world = World(*published)
    world.journal = journal
    wanted = target(K0, scheme=scheme)
    assert "nobody remembers which chains" in why(world.plan(wanted, 0))
    assert isinstance(world.plan(wanted, POLICY.worker - 1).step, Wait)
    found = world.run(wanted)
    assert isinstance(found.step, Done)


def test_l08_a_deployment_begun_before_the_journal_was_lost_may_still_come() -> None:
    world = World()
    world.journal = lost_journal((SMTP,), POLICY)
    for seconds in (0, POLICY.effect - 1, POLICY.worker - 1):
        assert not isinstance(world.plan(target(K0), seconds).step, Publish)


def test_l08_a_record_beside_others_of_its_combination_need_not_wait() -> None:
    world = World(K0.key)
    world.journal = lost_journal((SMTP,), POLICY)
    assert isinstance(world.plan(target(K0, "K1")).step, Publish)


# L09: with nothing but the CA's record, a theft leaves nothing to publish.


@pytest.mark.parametrize("exposure", [None, Exposure.DEFER])
def test_l09_protection_is_not_given_up_without_asking(exposure: Exposure | None) -> None:
    stolen = dataclasses.replace(K0, not_after=BEGIN + 5_000_000)
    wanted = target(K1, scheme=ISSUER, revoked=(stolen,), exposure=exposure)
    world = World(CA).steady(target(K0, scheme=ISSUER))
    found = world.run(wanted)
    assert isinstance(found.step, Choose) and world.ns0.records[SMTP] == {CA}
    assert world.served == {"mx": frozenset({K1})}
    keep = world.run(dataclasses.replace(wanted, exposure=Exposure.SERVE)).step
    assert isinstance(keep, Done) and keep.exposed_until is not None and world.ns0.records[SMTP] == {CA}
    gone = world.run(dataclasses.replace(wanted, exposure=Exposure.DOWNGRADE)).step
    assert isinstance(gone, Done) and not world.ns0.records[SMTP]
    world.now = 5_000_001
    assert isinstance(world.run(wanted).step, Done) and world.ns0.records[SMTP] == {CA}


# L10: what is seen outweighs what is said.


def test_l10_a_first_rollout_over_standing_records_is_none() -> None:
    world = World(K0.key)
    wanted = target(K1)
    found = world.plan(wanted)
    world.act(found)
    while not isinstance(found.step, Deploy):
        found = world.plan(wanted, 300)
    assert world.now >= POLICY.unknown_ttl


# L11: released combinations that block each other.


def test_l11_released_combinations_are_judged_together() -> None:
    one, other = digest("X", 3, 0, 1), digest("Y", 2, 0, 1)
    for lagging in (True, False):
        world = World(K0.key, K1.key, one, other).steady(target(K0, "K1"))
        wanted = target(K1 if lagging else K0, "K2" if lagging else "K1", release=frozenset({one, other}))
        assert isinstance(world.run(wanted).step, Done)
        assert not world.ns0.records[SMTP] & {one, other}
        assert world.served == {"mx": frozenset({K1 if lagging else K0})}


# L12: one matching record is an alarm.


def test_l12_the_record_of_the_served_key_is_put_back_before_anything_else() -> None:
    wanted = target(K0, "K1", scheme=frozenset(Scheme))
    world = World(K0.key, K1.key, CA).steady(wanted)
    world.write(frozenset({K1.key, CA}))
    world.ns1.failure = "no answer"
    step = world.plan(wanted).step
    assert isinstance(step, Publish) and step.added == {K0.key} and not step.removed


def test_l12_nor_does_a_change_of_scheme_and_ca_deadlock() -> None:
    wanted = target(K0, "K1", scheme=frozenset(Scheme))
    for stands in ((CA,), (K1.key, CA)):
        world = World(K0.key, K1.key, CA).steady(wanted)
        world.write(frozenset(stands))
        other = target(chain("K1", "CA 2"), "K2")
        assert isinstance(world.run(other).step, Done)
        assert world.ns0.records[SMTP] == {K1.key, K2.key}


def test_l12_from_the_ca_alone_to_other_keys_of_another_ca() -> None:
    """The new combination comes for the chain in use first (RFC 7671 section 8.1)."""
    world = World(CA).steady(target(K0, scheme=ISSUER))
    assert isinstance(world.run(target(chain("K1", "CA 2"), "K2")).step, Done)


# L13: records that happen to fit.


@pytest.mark.parametrize("other", [CA, digest("CA", 2, 0, 1), digest("K0", 3, 0, 1), digest("K0", 3, 1, 2)])
def test_l13_what_somebody_else_published_stays_although_it_fits(other: TlsaRecord) -> None:
    fits = dataclasses.replace(K0, issuers=(), satisfies=frozenset({other, CA}))
    world = World(K0.key, K1.key, other, served=fits).steady(target(fits, "K1", fallback=()))
    assert isinstance(world.run(target(fits, "K1", fallback=())).step, Done)
    assert other in world.ns0.records[SMTP]
    later = dataclasses.replace(K1, issuers=(), satisfies=frozenset({other, CA}) if other.usage == 2 else frozenset())
    last = world.run(target(later, "K2", fallback=(fits,)))
    assert other in world.ns0.records[SMTP], "never removed without release"
    if other.usage == 3:
        assert "release" in why(last)
    assert isinstance(world.run(target(later, "K2", fallback=(fits,), release=frozenset({other}))).step, Done)
    assert other not in world.ns0.records[SMTP]


# L14: a stolen certificate is not put back.


@pytest.mark.parametrize("lost", [False, True])
def test_l14_there_is_no_way_back_to_a_stolen_key(lost: bool) -> None:
    world = World(K0.key, K1.key).steady(target(K0, "K1"))
    wanted = target(K1, revoked=(K0,), exposure=Exposure.SERVE)
    if lost:
        world.journal = lost_journal((SMTP,), POLICY)
    found = world.plan(wanted)
    while not isinstance(found.step, Deploy):
        found = world.plan(wanted, 3000)
    assert not found.step.returnable


# L15: an expired copy that an outage digs out again.


def test_l15_a_stale_copy_counts_until_its_signature_and_serve_stale_are_over() -> None:
    world = World(K0.key).steady(target(K0))
    wanted = target(K1, policy=dataclasses.replace(POLICY, exclusive_owner=True))
    world.act(world.plan(wanted))
    for _look in range(10):
        world.plan(target(K0, "K1", policy=wanted.policy), 1000)
    for one in world.servers:
        one.failure = "no answer"
    world.plan(wanted)
    for one in world.servers:
        one.failure = ""
    assert "serve-stale" in why(world.plan(wanted))
    world.now += POLICY.serve_stale
    assert isinstance(world.plan(wanted).step, Deploy)


# Aliases and wildcards at the owner name.


def state(found: Plan) -> str:
    return outcome.outcome(found.step, "")["state"]


def test_an_alias_at_the_owner_is_for_a_person() -> None:
    world = World(K0.key)
    for one in world.servers:
        one.failure, one.decides = "has an alias there", True
    assert state(world.plan(target(K0))) == "choose"


def test_an_alias_that_only_a_lagging_server_has_passes_by_itself() -> None:
    world = World(K0.key)
    world.ns1.failure, world.ns1.decides = "has an alias there", True
    assert state(world.plan(target(K0, "K1"))) == "blocked"


def test_a_server_that_cannot_be_reached_is_not_for_a_person() -> None:
    world = World(K0.key)
    for one in world.servers:
        one.failure = "cannot be reached"
    assert state(world.plan(target(K0))) == "blocked"


STRANGER = record("stranger")


def wild(*records: TlsaRecord, proof_ttl: int = 0) -> World:
    """A world whose records come from a wildcard, until explicit ones are published."""
    world = World(*records)
    for one in world.servers:
        one.wildcard, one.proof_ttl = "*.example.nl", proof_ttl
    return world


def test_the_records_of_a_wildcard_are_kept_as_those_of_others() -> None:
    step = wild(K0.key, STRANGER).plan(target(K0, "K1")).step
    assert isinstance(step, Publish)
    assert step.expected == {K0.key, STRANGER} and step.records == {K0.key, STRANGER, K1.key}


def test_copies_of_a_wildcard_live_as_long_as_the_proof_that_leads_to_it() -> None:
    world = wild(K0.key, proof_ttl=900)
    found = world.plan(target(K0, "K1"))
    world.act(found)
    for one in world.servers:
        one.proof_ttl = 0
    found = world.plan(target(K1, "K2"))
    copy = next(entry for entry in found.journal.rrsets if entry.records == {K0.key})
    assert copy.ttl == 900 and not copy.is_served


@pytest.mark.parametrize("hidden", [False, True])
def test_dane_is_not_withdrawn_where_a_wildcard_answers_instead(hidden: bool) -> None:
    world = wild(K0.key).steady(target(K0))
    if hidden:
        world.write(frozenset({K0.key, K1.key}))
    found = world.plan(target(K0, scheme=frozenset(), release=frozenset({K0.key, K1.key})))
    assert state(found) == "choose" and "*.example.nl" in why(found) and "refuse mail" in why(found)


def test_dane_is_withdrawn_once_the_wildcard_is_gone() -> None:
    world = wild(K0.key).steady(target(K0))
    withdrawing = target(K0, scheme=frozenset())
    assert state(world.plan(withdrawing)) == "choose"
    for one in world.servers:
        one.wildcard = ""
    world.write(frozenset())
    assert isinstance(world.run(withdrawing).step, Done)


def test_a_theft_takes_no_record_away_where_a_wildcard_answers_instead() -> None:
    world = wild(K0.key).steady(target(K0))
    stolen = target(K1, revoked=(K0,), exposure=Exposure.DOWNGRADE, fallback=())
    found = world.plan(stolen)
    assert state(found) == "choose" and "*.example.nl" in why(found)


def test_a_record_that_is_put_back_brings_those_of_all_that_is_served() -> None:
    """Found by random lives: one endpoint of two comes back from an image, with a former chain of another CA.

    Its 3 1 1 record alone would be one that the other endpoint does not match (RFC 7671 section 8).
    """
    former = chain("K9", "CA9")
    wanted = target(endpoints=("mx", "mx2"), scheme=ISSUER, known=(former,))
    world = World(CA)
    world.served["mx2"] = world.served["mx"]
    world.steady(wanted)
    world.served["mx2"] = frozenset({former})
    found = world.plan(wanted)
    assert isinstance(found.step, Publish) and found.step.added == {former.key, K0.key}
    assert "putting a record back is always safe" in found.step.why
    world.act(found)
    assert isinstance(world.run(wanted).step, Done)
