# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single decisions of the planner in seconds (F13 to F16, B01 to B03): what the model's ticks leave out."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import pki
from support.mail_site import chain, record

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import chain as rotation_chain
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import planner, serial
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    AuthorityView,
    Chain,
    EndpointView,
    Exposure,
    Journal,
    Observation,
    Policy,
    Scheme,
    Target,
    TargetError,
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
    Wait,
)

SMTP, SUBMISSION = "_25._tcp.mx.example.nl", "_465._tcp.mx.example.nl"
K1, K2, K3 = chain("K1"), chain("K2"), chain("K3")
POLICY = Policy(repeats=1)
W = 3600 + 300 + 60
BEGIN = 1_800_000_000.0


def _target(served: Chain = K1, *next_keys: str, **more: t.Any) -> Target:
    settings: dict[str, t.Any] = {
        "owners": (SMTP,),
        "endpoints": ("mx",),
        "chains": (served,),
        "policy": POLICY,
        "next_keys": tuple(record(label) for label in next_keys),
    }
    return Target(**{**settings, **more})


def _seen(
    *records: TlsaRecord, served: t.Any = K1, owners: tuple[str, ...] = (SMTP,), ttl: int = 3600, **more: t.Any
) -> Observation:
    chains = frozenset(served) if isinstance(served, (set, frozenset)) else frozenset({served})
    return Observation(
        tuple(
            AuthorityView(owner, address, frozenset(records), ttl, "", address == "ns1", serial=1, **more)
            for owner in owners
            for address in ("ns1", "ns2")
        ),
        (EndpointView("mx", chains),),
    )


def _at(seconds: float, boot: str = "a") -> Moment:
    return Moment(BEGIN + seconds, seconds, boot)


def _steady(target: Target, seen: Observation) -> Journal:
    """A journal of ten days in which nothing changed."""
    journal = planner.plan(first_journal(), seen, target, _at(-864_000)).journal
    return planner.plan(journal, seen, target, _at(0)).journal


def _plan(journal: Journal, seen: Observation, target: Target, seconds: float = 1) -> Plan:
    return planner.plan(journal, seen, target, _at(seconds))


def _reasons(plan: Plan) -> str:
    assert isinstance(plan.step, Wait)
    return "; ".join(obstacle.sentence for obstacle in plan.step.obstacles)


BOTH = (K1.key, K2.key)


def test_a_renewal_that_keeps_the_key_touches_no_dns() -> None:
    renewed = Chain("renewed", K1.key)
    target = _target(renewed, "K2")
    step = _plan(_steady(_target(K1, "K2"), _seen(*BOTH)), _seen(*BOTH), target).step
    assert isinstance(step, Deploy) and step.chains == (renewed,) and step.returnable


def test_an_aged_next_key_is_deployed_at_once() -> None:
    journal = _steady(_target(K1, "K2"), _seen(*BOTH))
    assert isinstance(_plan(journal, _seen(*BOTH), _target(K2)).step, Deploy)


def test_the_wait_says_until_when_and_which_inequality() -> None:
    journal = _steady(_target(K1), _seen(K1.key))
    target = _target(K2, "K3")
    plan = _plan(journal, _seen(K1.key), target, 1)
    assert isinstance(plan.step, Publish) and plan.step.records == {K1.key, K2.key, K3.key}
    assert plan.step.expected == {K1.key}
    wide = _seen(K1.key, K2.key, K3.key)
    plan = _plan(plan.journal, wide, target, 100)
    assert isinstance(plan.step, Wait) and plan.step.until == BEGIN + 100 + 7200
    assert "TTL 3600 + application caches 300 + clock margin 60 = 3960 s" in _reasons(plan)
    assert "two TTLs" in _reasons(plan)
    for seconds in range(1000, 7200, 1000):
        plan = _plan(plan.journal, wide, target, seconds)
        assert isinstance(plan.step, Wait)
    assert isinstance(_plan(plan.journal, wide, target, 7299).step, Wait)
    assert isinstance(_plan(plan.journal, wide, target, 7300).step, Deploy)


def test_a_lagging_secondary_is_named() -> None:
    target = _target(K2, "K3")
    journal = _plan(_steady(_target(K1), _seen(K1.key)), _seen(K1.key), target).journal
    seen = _seen(K1.key, K2.key, K3.key)
    late = dataclasses.replace(seen.authorities[1], records=frozenset({K1.key}))
    plan = _plan(journal, dataclasses.replace(seen, authorities=(seen.authorities[0], late)), target, 90_000)
    assert isinstance(plan.step, Wait) and plan.step.until is None
    assert "ns2 still serves {3 1 1" in _reasons(plan)


@pytest.mark.parametrize("failure", ["no answer", "bogus: the signature expired", "insecure: the zone is not signed"])
def test_no_phase_advances_while_an_address_gives_no_secure_answer(failure: str) -> None:
    seen = _seen(*BOTH)
    journal = _steady(_target(K1, "K2"), seen)
    bad = dataclasses.replace(seen.authorities[1], failure=failure, records=frozenset())
    plan = _plan(journal, dataclasses.replace(seen, authorities=(seen.authorities[0], bad)), _target(K2))
    assert failure in _reasons(plan)


def test_no_phase_advances_while_an_endpoint_is_unreachable() -> None:
    journal = _steady(_target(K1, "K2"), _seen(*BOTH))
    target = _target(K2, endpoints=("mx", "mx-b"))
    plan = _plan(journal, _seen(*BOTH), target)
    assert "not known what mx-b serves: it was not probed" in _reasons(plan)


def test_short_signatures_block() -> None:
    journal = _steady(_target(K1, "K2"), _seen(*BOTH))
    plan = _plan(journal, _seen(*BOTH, signed_until=BEGIN + 7000), _target(K2))
    assert "is signed for 6999 s more, needed are 7200 s" in _reasons(plan)
    assert isinstance(_plan(journal, _seen(*BOTH, signed_until=BEGIN + 7300), _target(K2)).step, Deploy)


def test_somebody_elses_lease_blocks_everything() -> None:
    journal = _steady(_target(K1, "K2"), _seen(*BOTH))
    plan = _plan(journal, dataclasses.replace(_seen(*BOTH), lock="pipeline 7"), _target(K2))
    assert "pipeline 7 holds the lease" in _reasons(plan)


def test_an_outage_makes_old_answers_live_longer() -> None:
    target = _target(K2, "K3")
    journal = _plan(_steady(_target(K1), _seen(K1.key)), _seen(K1.key), target).journal
    wide = _seen(K1.key, K2.key, K3.key)
    dark = dataclasses.replace(
        wide, authorities=tuple(dataclasses.replace(view, failure="no answer") for view in wide.authorities)
    )
    journal = _plan(journal, wide, target, 100).journal
    journal = _plan(journal, dark, target, 200).journal
    plan = _plan(journal, wide, target, 8000)
    assert isinstance(plan.step, Wait) and "serve-stale 86400" in _reasons(plan)
    assert plan.step.until == BEGIN + 100 + W + 86400


def test_a_validator_that_could_not_tell_is_no_outage() -> None:
    target = _target(K2, "K3")
    wide = _seen(K1.key, K2.key, K3.key)
    journal = _plan(_steady(_target(K1), _seen(K1.key)), _seen(K1.key), target).journal
    blind = dataclasses.replace(
        wide, authorities=tuple(dataclasses.replace(view, unvalidated="time-out") for view in wide.authorities)
    )
    journal = _plan(journal, wide, target, 100).journal
    plan = _plan(journal, blind, target, 8000)
    assert "ns1 gives no secure answer" in _reasons(plan) and not plan.journal.outage
    assert isinstance(_plan(plan.journal, wide, target, 8001).step, Deploy)


def test_a_lost_journal_costs_time_only() -> None:
    seen, target = _seen(*BOTH), _target(K2)
    plan = _plan(lost_journal((SMTP,), POLICY), seen, target, 0)
    assert isinstance(plan.step, Wait) and plan.step.until == BEGIN + 86400 + 360
    assert "nobody remembers" in _reasons(plan)
    for seconds in range(1700, 86400 + 360, 1700):
        plan = _plan(plan.journal, seen, target, seconds)
        assert isinstance(plan.step, Wait)
    assert isinstance(_plan(plan.journal, seen, target, 86400 + 360).step, Deploy)


def test_a_first_rollout_publishes_what_is_served() -> None:
    plan = _plan(first_journal(), _seen(), _target(K1, "K2", ttl=1800))
    assert "nobody remembers which chains were served before" in _reasons(plan), "workers may have another one"
    step = _plan(plan.journal, _seen(), _target(K1, "K2", ttl=1800), 1 + POLICY.worker).step
    assert isinstance(step, Publish) and step.records == set(BOTH) and step.ttl == 1800


def test_a_first_rollout_deploys_before_it_publishes() -> None:
    plan = _plan(first_journal(), _seen(served=K3), _target(K1, "K2"))
    assert isinstance(plan.step, Deploy)
    seen = _seen(served=K1)
    plan = _plan(plan.journal, seen, _target(K1, "K2"), 10)
    assert isinstance(plan.step, Wait)
    plan = _plan(plan.journal, seen, _target(K1, "K2"), 10 + POLICY.worker)
    assert isinstance(plan.step, Publish)


def test_a_clock_that_jumps_ahead_does_not_shorten_the_wait() -> None:
    target = _target(K2, "K3")
    journal = _plan(_steady(_target(K1), _seen(K1.key)), _seen(K1.key), target).journal
    wide = _seen(K1.key, K2.key, K3.key)
    journal = _plan(journal, wide, target, 100).journal
    jumped = planner.plan(journal, wide, target, Moment(BEGIN + 900_000, 200, "a"))
    assert isinstance(jumped.step, Wait)
    back = planner.plan(journal, wide, target, Moment(BEGIN - 900_000, 200, "a"))
    assert isinstance(back.step, Wait)


def test_clocks_that_are_wrong_one_after_the_other_do_not_shorten_the_wait() -> None:
    target, wide = _target(K2, "K3"), _seen(K1.key, K2.key, K3.key)
    journal = _plan(_steady(_target(K1), _seen(K1.key)), _seen(K1.key), target).journal
    for seconds, wall, monotonic in ((100, 0, 0), (110, -9000, 0), (120, 0, 90_000), (130, 0, 0)):
        now = Moment(BEGIN + seconds + wall, seconds + monotonic, "a")
        plan = planner.plan(journal, wide, target, now)
        assert isinstance(plan.step, Wait)
        journal = serial.read_journal(serial.journal_data(plan.journal))


def test_an_edit_that_may_have_hidden_restarts_the_clock() -> None:
    journal = _steady(_target(K1, "K2"), _seen(*BOTH, signature="1"))
    seen = _seen(*BOTH, signature="2")
    changed = dataclasses.replace(
        seen, authorities=tuple(dataclasses.replace(view, serial=2) for view in seen.authorities)
    )
    plan = _plan(journal, changed, _target(K2), 86_400)
    assert "changed unseen between two looks" in _reasons(plan)
    resigned = _plan(journal, seen, _target(K2), 86_400)
    assert isinstance(resigned.step, Deploy), "the zone did not change"
    other = dataclasses.replace(
        seen,
        authorities=tuple(
            dataclasses.replace(view, serial=9, signature="1", zone_signature="2") for view in seen.authorities
        ),
    )
    assert isinstance(_plan(journal, other, _target(K2), 86_400).step, Deploy), "another name of the zone changed"
    weekly = tuple(dataclasses.replace(view, zone_signature=None) for view in other.authorities)
    plan = _plan(journal, dataclasses.replace(other, authorities=weekly), _target(K2), 86_400)
    assert "changed unseen between two looks" in _reasons(plan), "a signature that changes proves nothing unchanged"
    alone = dataclasses.replace(POLICY, exclusive_owner=True)
    assert isinstance(_plan(journal, changed, _target(K2, policy=alone), 86_400).step, Deploy)
    stolen = _target(K2, revoked=(K1,))
    assert isinstance(_plan(journal, changed, stolen, 86_400).step, Deploy), "a stolen key weighs more"


def test_an_rrset_nobody_wrote_here_restarts_the_clock() -> None:
    """An old journal restored with the disk image: it must not vouch for what happened after it was written."""
    journal = _steady(_target(K1), _seen(K1.key))
    seen = _seen(K2.key, K3.key, served=K2)
    plan = _plan(journal, seen, _target(K3), 86_400)
    assert isinstance(plan.step, Wait) and plan.step.until == BEGIN + 86_400 + POLICY.unknown_ttl + 360
    assert "changed unseen" in _reasons(plan)


def test_records_of_others_stay_until_released() -> None:
    other = record("somebody's")
    journal = _steady(_target(K1, "K2"), _seen(*BOTH, other))
    plan = _plan(journal, _seen(*BOTH, other), _target(K1, "K2"))
    assert isinstance(plan.step, Done) and "left alone" in plan.notes[0]
    plan = _plan(journal, _seen(*BOTH, other), _target(K1, "K2", release=frozenset({other})))
    assert isinstance(plan.step, Publish) and plan.step.removed == {other}


def test_a_deleted_record_in_use_is_put_back_whatever_else_is_wrong() -> None:
    seen = _seen(*BOTH)
    journal = _steady(_target(K1, "K2"), seen)
    dark = dataclasses.replace(seen.authorities[1], failure="no answer")
    bad = dataclasses.replace(
        seen, authorities=(dataclasses.replace(seen.authorities[0], records=frozenset({K2.key})), dark)
    )
    step = _plan(journal, bad, _target(K1, "K2")).step
    assert isinstance(step, Publish) and step.added == {K1.key}


def test_an_unplanned_key_on_an_endpoint_is_rolled_back_and_never_published() -> None:
    journal = _steady(_target(K1, "K2"), _seen(*BOTH))
    step = _plan(journal, _seen(*BOTH, served=chain("rogue", "other CA")), _target(K1, "K2")).step
    assert isinstance(step, Deploy) and step.chains == (K1,) and not step.returnable


def test_mail_that_fails_already_waits_for_no_lead_and_for_no_unknown_copy() -> None:
    """An hour after the first rollout, or with the journal lost as well, another program installs a key of its own."""
    rogue, target = chain("rogue", "other CA"), _target(K1, "K2")
    journal = _plan(first_journal(), _seen(), target, 0).journal
    journal = _plan(journal, _seen(*BOTH), target, 10).journal
    for known, seconds in ((journal, 1800), (lost_journal((SMTP,), POLICY), 0)):
        step = _plan(known, _seen(*BOTH, served=rogue), target, seconds).step
        assert isinstance(step, Deploy) and step.chains == (K1,) and not step.returnable


def test_a_key_that_a_name_server_has_not_heard_of_goes_back_at_once() -> None:
    journal = _steady(_target(K1), _seen(K1.key))
    late = _seen(*BOTH, served=K2)
    late = dataclasses.replace(
        late, authorities=(late.authorities[0], dataclasses.replace(late.authorities[1], records=frozenset({K1.key})))
    )
    for left_over in (None, Exposure.DEFER):
        step = _plan(journal, late, _target(K2, fallback=(K1,), exposure=left_over)).step
        assert isinstance(step, Deploy) and step.chains == (K1,)


def test_an_unplanned_key_goes_back_while_name_servers_are_away() -> None:
    journal = _steady(_target(K1, "K2"), _seen(*BOTH))
    dark = tuple(dataclasses.replace(view, failure="no answer") for view in _seen(*BOTH).authorities)
    away = dataclasses.replace(_seen(served=chain("rogue", "other CA")), authorities=dark)
    step = _plan(journal, away, _target(K1, "K2")).step
    assert isinstance(step, Deploy) and step.chains == (K1,)
    quiet = dataclasses.replace(away, endpoints=_seen(served=K1).endpoints)
    assert isinstance(_plan(journal, quiet, _target(K1, "K2")).step, Wait)


def test_no_key_comes_back_that_a_known_copy_refuses() -> None:
    journal = _steady(_target(K2), _seen(K2.key, served=K2))
    seen = _seen(K1.key, served=chain("rogue", "other CA"))
    assert isinstance(_plan(journal, seen, _target(K1), 2000).step, Wait), "copies of {K2} refuse K1"
    step = _plan(journal, seen, _target(K1, fallback=(K2,)), 2000).step
    assert isinstance(step, Wait), "what is published now refuses K2"


def test_two_owner_names_wait_for_each_other() -> None:
    owners = (SMTP, SUBMISSION)
    target = _target(K2, "K3", owners=owners)
    journal = _steady(_target(K1, owners=owners), _seen(K1.key, owners=owners))
    plan = _plan(journal, _seen(K1.key, owners=owners), target)
    assert isinstance(plan.step, Publish) and plan.step.owner == SMTP
    half = _seen(K1.key, K2.key, K3.key)
    rest = _seen(K1.key, owners=(SUBMISSION,))
    both = dataclasses.replace(half, authorities=half.authorities + rest.authorities)
    plan = _plan(plan.journal, both, target, 10)
    assert isinstance(plan.step, Publish) and plan.step.owner == SUBMISSION
    done = _seen(K1.key, K2.key, K3.key, owners=owners)
    plan = _plan(plan.journal, both, target, 7210)
    plan = _plan(plan.journal, done, target, 7220)
    assert isinstance(plan.step, Wait) and SUBMISSION in _reasons(plan)


def test_two_types_of_key_are_both_covered() -> None:
    rsa, ecdsa = chain("rsa 2"), chain("ecdsa 2")
    old = {chain("rsa 1"), chain("ecdsa 1")}
    seen = _seen(*(one.key for one in old), served=old)
    target = _target(chains=(rsa, ecdsa))
    step = _plan(_steady(_target(chains=tuple(old)), seen), seen, target).step
    assert isinstance(step, Publish) and step.records == {one.key for one in old} | {rsa.key, ecdsa.key}


def test_too_many_records_leave_the_ca_out() -> None:
    anchors = tuple(record(f"CA {number}", 2) for number in range(10))
    old = Chain("old", record("old"), anchors)
    new = Chain("new", record("new"), tuple(record(f"NEW {number}", 2) for number in range(10)))
    scheme = frozenset({Scheme.CURRENT, Scheme.ISSUER})
    seen = _seen(old.key, *anchors, served=old)
    plan = _plan(_steady(_target(old, scheme=scheme), seen), seen, _target(new, scheme=scheme))
    assert isinstance(plan.step, Publish) and plan.step.records == {old.key, new.key}
    assert any("too many" in note for note in plan.notes)


def test_the_next_key_is_generated_before_the_soak() -> None:
    journal = _steady(_target(K1, "K2"), _seen(*BOTH))
    journal = _plan(journal, _seen(*BOTH), _target(K2)).journal
    plan = _plan(journal, _seen(*BOTH, served=K2), _target(K2), 10)
    assert isinstance(plan.step, Generate)


def test_the_old_record_goes_only_after_the_soak() -> None:
    journal = _steady(_target(K1, "K2"), _seen(*BOTH))
    journal = _plan(journal, _seen(*BOTH), _target(K2)).journal
    wide = _seen(K1.key, K2.key, K3.key, served=K2)
    plan = _plan(journal, wide, _target(K2, "K3"), 10)
    assert isinstance(plan.step, Wait) and "counts as served for 86400 s" in _reasons(plan)
    plan = _plan(plan.journal, wide, _target(K2, "K3"), 10 + 86_400)
    assert isinstance(plan.step, Publish) and plan.step.removed == {K1.key}


def test_an_endpoint_that_was_tried_too_seldom_may_still_have_the_old_chain() -> None:
    careful = dataclasses.replace(POLICY, repeats=5, soak=0, worker=0)
    journal = _steady(_target(K1, "K2", policy=careful), _seen(*BOTH))
    journal = _plan(journal, _seen(*BOTH), _target(K2, policy=careful)).journal
    wide = _seen(K1.key, K2.key, K3.key, served=K2)
    plan = _plan(journal, wide, _target(K2, "K3", policy=careful), 1000)
    assert "which mx serves" in _reasons(plan)
    often = dataclasses.replace(wide, endpoints=(EndpointView("mx", frozenset({K2}), 5),))
    assert isinstance(_plan(plan.journal, often, _target(K2, "K3", policy=careful), 2000).step, Publish)


def test_a_compromise_drops_the_ca_and_says_how_long_copies_can_be_replayed() -> None:
    scheme = frozenset(Scheme)
    anchor = record("CA", 2)
    until = BEGIN + 500_000
    seen = _seen(*BOTH, anchor, signed_until=until)
    journal = _steady(_target(K1, "K2", scheme=scheme), seen)
    target = _target(K2, scheme=scheme, revoked=(dataclasses.replace(K1, not_after=BEGIN + 900_000),))
    plan = _plan(journal, seen, target)
    assert isinstance(plan.step, Deploy)
    seen = _seen(*BOTH, anchor, served=K2, signed_until=until)
    plan = _plan(plan.journal, seen, target, 10)
    assert isinstance(plan.step, Wait), "workers of the mail server may still serve the old chain"
    plan = _plan(plan.journal, seen, target, 200)
    assert isinstance(plan.step, Publish) and plan.step.records == {K2.key}
    clean = _seen(K2.key, served=K2, signed_until=BEGIN + 999_999)
    plan = _plan(plan.journal, clean, target, 210)
    assert isinstance(plan.step, Generate)
    target = dataclasses.replace(target, next_keys=(K3.key,))
    plan = _plan(plan.journal, clean, target, 220)
    assert isinstance(plan.step, Publish)
    plan = _plan(plan.journal, _seen(K2.key, K3.key, served=K2, signed_until=until * 2), target, 230)
    assert isinstance(plan.step, Done) and plan.step.exposed_until == until
    back = _plan(plan.journal, _seen(K2.key, K3.key, served=K2), target, 900_001)
    assert isinstance(back.step, Publish) and back.step.added == {anchor}, "dates end what the CA's record allowed"


def test_a_compromise_without_an_aged_next_key_is_the_operators_choice() -> None:
    seen, wide = _seen(K1.key), _seen(*BOTH)
    journal = _steady(_target(K1), seen)
    stolen = _target(K2, revoked=(K1,))
    plan = _plan(journal, seen, stolen)
    assert isinstance(plan.step, Publish) and plan.step.records == set(BOTH)
    plan = _plan(plan.journal, wide, stolen, 10)
    assert isinstance(plan.step, Choose)
    assert [option.exposure for option in plan.step.options] == list(Exposure)
    assert "7200 s longer" in plan.step.options[0].sentence
    serve = _plan(plan.journal, wide, dataclasses.replace(stolen, exposure=Exposure.SERVE), 20)
    assert isinstance(serve.step, Wait)
    defer = _plan(plan.journal, wide, dataclasses.replace(stolen, exposure=Exposure.DEFER), 20)
    assert isinstance(defer.step, Publish) and defer.step.records == {K2.key}
    without = _plan(plan.journal, wide, dataclasses.replace(stolen, exposure=Exposure.DOWNGRADE), 20)
    assert isinstance(without.step, Publish) and not without.step.records


def test_withdrawal_binds_tls_until_no_copy_is_left() -> None:
    target = _target(scheme=frozenset(), chains=())
    journal = _steady(_target(K1, "K2"), _seen(*BOTH))
    plan = _plan(journal, _seen(*BOTH), target)
    assert isinstance(plan.step, Publish) and not plan.step.records
    plan = _plan(plan.journal, _seen(ttl=300), target, 10)
    assert isinstance(plan.step, Wait) and plan.step.until == BEGIN + 10 + W
    assert "TLS must stay as it is" in _reasons(plan)
    plan = _plan(plan.journal, _seen(ttl=300), target, 10 + W)
    assert isinstance(plan.step, HandOver)
    plan = _plan(plan.journal, _seen(ttl=300), target, 20 + W)
    assert isinstance(plan.step, Done)


def test_a_withdrawal_ends_in_a_zone_that_never_rests() -> None:
    target = _target(scheme=frozenset(), chains=())
    journal = _plan(_steady(_target(K1), _seen(K1.key)), _seen(K1.key), target).journal
    empty = _seen(ttl=0)
    for day in range(4):
        busy = tuple(dataclasses.replace(view, serial=100 + day) for view in empty.authorities)
        plan = _plan(journal, dataclasses.replace(empty, authorities=busy), target, 86_400 * (day + 1))
        journal = plan.journal
    assert isinstance(plan.step, Done)


def test_the_next_look_is_never_now() -> None:
    journal = _steady(_target(K1), _seen(K1.key, ttl=0))
    plan = _plan(journal, dataclasses.replace(_seen(K1.key, ttl=0), lock="x"), _target(K1))
    assert isinstance(plan.step, Wait) and plan.step.look_again == BEGIN + 2


def test_a_change_of_ttl_waits_for_the_old_one() -> None:
    journal = _steady(_target(K1, "K2", ttl=3600), _seen(*BOTH))
    plan = _plan(journal, _seen(*BOTH), _target(K1, "K2", ttl=1800))
    assert isinstance(plan.step, Publish) and plan.step.ttl == 1800 and plan.step.records == plan.step.expected
    plan = _plan(plan.journal, _seen(*BOTH, ttl=1800), _target(K1, "K2", ttl=1800), 10)
    assert isinstance(plan.step, Done)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"owners": ()}, "owners is empty"),
        ({"chains": ()}, "chains is empty"),
        ({"scheme": frozenset({Scheme.NEXT})}, "next without current"),
        ({"chains": (Chain("x", K1.key),), "scheme": frozenset({Scheme.ISSUER})}, "no issuer"),
        ({"ttl": 0}, "ttl 0 is not 1 to"),
        ({"revoked": (K1,)}, "a stolen key has no future"),
        ({"endpoints": ("mx", "mx")}, "names something twice"),
    ],
)
def test_a_target_that_contradicts_itself_is_refused(more: dict[str, t.Any], message: str) -> None:
    with pytest.raises(TargetError, match=message):
        _target(**{"served": K1, **more})


def test_journals_survive_json() -> None:
    seen = _seen(*BOTH, signature="1", signed_until=BEGIN + 900_000)
    for journal in (
        _steady(_target(K1, "K2"), seen),
        lost_journal((SMTP,), POLICY),
        first_journal(),
        _plan(_steady(_target(K1), _seen(K1.key)), _seen(K1.key), _target(K2, "K3")).journal,
    ):
        text = json.dumps(serial.journal_data(journal), allow_nan=False)
        assert serial.read_journal(json.loads(text)) == journal


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"owners": 1, "scheme": []}, "target.owners is '1'"),
        ({"owners": ["x"], "scheme": ["both"]}, "target.scheme"),
        ({"owners": ["x"]}, "target.scheme is not given"),
        ({"owners": ["x"], "scheme": [], "shceme": []}, "unknown field 'shceme'"),
        ({"owners": ["x"], "scheme": [], "next_keys": ["3 1 1 zz"]}, r"target.next_keys\[0\]"),
        ({"owners": ["x"], "scheme": [], "policy": {"soak": "long"}}, "target.policy.soak is 'long'"),
        ({"owners": ["x"], "scheme": [], "policy": {"soak": float("nan")}}, "target.policy.soak is 'nan'"),
        ({"owners": ["x"], "scheme": [], "policy": {"strict": 1}}, "target.policy.strict is '1'"),
    ],
)
def test_wrong_data_is_named(data: t.Any, where: str) -> None:
    with pytest.raises(DataError, match=where):
        serial.read_target(data)


_LABELS = st.sampled_from(["K1", "K2", "K3", "K4"])
_RECORDS = st.frozensets(
    st.builds(lambda label, usage, kind: TlsaRecord(usage, 1, kind, record(label).data * kind),
              _LABELS, st.integers(0, 4), st.integers(0, 2)), max_size=6,
)  # fmt: skip
_VIEWS = st.builds(
    AuthorityView,
    st.just(SMTP),
    st.sampled_from(["ns1", "ns2", "ns3"]),
    _RECORDS,
    st.integers(0, 2**31 - 1),
    st.sampled_from(["", "", "", "no answer"]),
    st.booleans(),
    st.none() | st.integers(0, 3),
    st.none() | st.text(max_size=1),
    st.none() | st.floats(BEGIN - 9e5, BEGIN + 9e5),
)
_CHAINS = st.builds(chain, _LABELS)
_ENDPOINTS = st.builds(
    EndpointView,
    st.sampled_from(["mx", "other"]),
    st.frozensets(_CHAINS, max_size=2),
    st.integers(0, 6),
    st.sampled_from(["", "", "refused"]),
)
_OBSERVATIONS = st.builds(
    Observation,
    st.lists(_VIEWS, max_size=4).map(tuple),
    st.lists(_ENDPOINTS, max_size=3).map(tuple),
)
_MOMENTS = st.builds(Moment, st.floats(BEGIN - 1e6, BEGIN + 1e6), st.floats(0, 1e6), st.sampled_from("ab"))


def _any_target(
    wanted: str, next_key: str, scheme: frozenset[Scheme], stolen: str, exposure: t.Any, strict: bool
) -> Target:
    try:
        return _target(
            chain(wanted),
            next_key,
            scheme=scheme,
            revoked=(chain(stolen),) if stolen else (),
            exposure=exposure,
            policy=dataclasses.replace(POLICY, strict=strict),
        )
    except TargetError:
        return _target(chain(wanted))


_TARGETS = st.builds(
    _any_target,
    _LABELS,
    _LABELS,
    st.frozensets(st.sampled_from(Scheme)),
    st.just("") | _LABELS,
    st.none() | st.sampled_from(Exposure),
    st.booleans(),
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_OBSERVATIONS, _TARGETS, _MOMENTS), min_size=1, max_size=5))
def test_the_planner_is_total_and_its_journal_serialisable(runs: list[tuple[Observation, Target, Moment]]) -> None:
    journal = first_journal()
    for seen, target, now in runs:
        plan = planner.plan(journal, seen, target, now)
        text = json.dumps(serial.plan_data(plan), allow_nan=False)
        journal = serial.read_journal(json.loads(text)["journal"])
        assert journal == plan.journal
        assert serial.summary(plan.step)


def test_facts_of_a_chain_come_from_its_certificates() -> None:
    root = pki.Spec("root", "root", "root", "root")
    leaf = pki.Spec("mx.example.nl", "root", "leaf", "root", ca=False, san=("mx.example.nl",))
    certificates = tuple(load_der(pki.make(one)) for one in (leaf, root))
    now = pki.NOW
    facts = rotation_chain.describe(certificates, ["mx.example.nl"], now)
    assert facts.key.data.hex() == certificates[0].spki_sha256
    assert [one.data.hex() for one in facts.issuers] == [certificates[1].spki_sha256]
    assert {one.parameters for one in facts.satisfies} >= {(3, 1, 1), (3, 0, 1), (3, 1, 2), (2, 1, 1), (2, 0, 1)}
    wrong_name = rotation_chain.describe(certificates, ["mx.example.org"], now)
    assert not wrong_name.issuers and wrong_name.key == facts.key
    late = rotation_chain.describe(certificates, ["mx.example.nl"], now + datetime.timedelta(days=36_500))
    assert not late.issuers and late.identity == facts.identity
