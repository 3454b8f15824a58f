# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another CA, another scheme, a stolen key, and the end of DANE, under mail."""

from __future__ import annotations

import pytest
from lab_driver import Lab
from rotation_site import (
    JOURNAL,
    KEEP,
    Recorder,
    after_a_theft,
    generation,
    is_steady,
    issuer,
    key,
    leftovers,
    play,
    records,
    served,
    wait_for_a_ready_key,
)
from senders import Traffic

SITE_TASKS = 25


@pytest.mark.long
def test_f15_another_ca_comes_in_with_four_records(steady: Lab) -> None:
    before, old = served(steady), issuer(steady)
    generation(steady, raised_by=1)
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        play(steady, "mailsec.dane.rotate_ca", rotation_wait=True)
    seen = [set(event["records"]) for event in recorder.events if event["event"] == "rrset"]
    assert issuer(steady) != old
    assert any({old, issuer(steady), before, served(steady)} <= value for value in seen)
    assert served(steady) != before
    is_steady(steady)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_every_other_scheme_is_reached_and_left_again(steady: Lab) -> None:
    current, following, ca = key(steady, "live"), key(steady, "next"), issuer(steady)
    everything = ["current", "next", "issuer"]
    meant = {"current": current, "next": following, "issuer": ca}
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        for scheme in (["current", "next"], everything, ["issuer"], ["current", "issuer"], everything):
            play(steady, KEEP, rotation_wait=True, rotation_scheme=scheme)
            assert records(steady) == sorted(meant[one] for one in scheme), scheme
    assert served(steady) == current
    is_steady(steady)
    served_sets = [event["records"] for event in recorder.events if event["event"] == "rrset" and event["servers"]]
    assert all(served_sets)
    recorder.is_sound(chains=1)
    traffic.is_unharmed()


@pytest.mark.long
def test_f15_a_stolen_key_goes_at_once_when_the_next_one_is_ready(steady: Lab) -> None:
    stolen, coming, ca = served(steady), key(steady, "next"), issuer(steady)
    assert play(steady, "mailsec.dane.compromise", check=False).status != 0
    wait_for_a_ready_key(steady)
    assert served(steady) == stolen
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        run = play(steady, "mailsec.dane.compromise", "--limit", "mx1", rotation_wait=True)
        after = records(steady)
    assert served(steady) == coming
    assert stolen not in after and ca not in after and coming in after
    assert "A stolen key may still be accepted until" in run.text
    recorder.is_sound()
    traffic.is_unharmed()
    with Traffic(steady) as traffic:
        after_a_theft(steady)
    is_steady(steady)
    traffic.is_unharmed()


@pytest.mark.long
def test_f15_r14_without_a_ready_key_the_operator_chooses(steady: Lab) -> None:
    stolen, known = served(steady), key(steady, "next")
    variables = {"rotation_stolen": ["current", "next"], "rotation_wait": True}
    run = play(steady, "mailsec.dane.compromise", "--limit", "mx1", check=False, **variables)
    assert run.status == 2 and "choose (1 choose) mx1:" in run.text, run.output[-3000:]
    assert all(f"Choose rotation_exposure {one}" in run.text for one in ("serve", "defer", "downgrade"))
    assert served(steady) == stolen
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        play(steady, "mailsec.dane.compromise", "--limit", "mx1", rotation_exposure="serve", **variables)
    after = records(steady)
    assert served(steady) == key(steady, "live")
    assert served(steady) not in (stolen, known)
    assert stolen not in after and known not in after and served(steady) in after
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f15_withdrawal_says_when_tls_is_free_and_site_brings_dane_back(steady: Lab) -> None:
    with Traffic(steady) as traffic:
        run = play(steady, "mailsec.dane.withdraw")
        assert run.phases[-1] == "withdrawing" and "until then TLS must stay as it is" in run.text
        run = play(steady, "mailsec.dane.withdraw", rotation_wait=True)
        assert "TLS may be changed" in run.text
        assert records(steady) == []
        assert play(steady, "mailsec.dane.withdraw").phases == ["withdrawn"]
    counts = traffic.lost_nothing()
    assert all(found.deferred == 0 for found in counts.values()), counts
    assert leftovers(steady) == [JOURNAL]
    play(steady, "mailsec.dane.site")
    is_steady(steady)
    tasks = play(steady, "mailsec.dane.site").counts()
    assert tasks["changed"] == 0 and tasks["ok"] <= SITE_TASKS, tasks
