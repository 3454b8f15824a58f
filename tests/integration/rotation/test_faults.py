# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations that are disturbed by everything around them, under mail."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from faults import FAULTS, Fault
from lab_driver import Lab, wait_for
from rotation_site import (
    JOURNALS,
    KEEP,
    OWNER,
    Recorder,
    finish,
    forget_next,
    install_rogue,
    is_steady,
    key,
    on,
    play,
    records,
    rotate,
    serial,
    served,
    update,
)
from senders import Traffic

SECONDARY = "198.51.100.3"


def moves_nothing(lab: Lab, fault: Fault, **variables: object) -> None:
    """Assert that a run under a fault names it and changes neither records nor what is served."""
    state = records(lab), serial(lab), served(lab)
    with fault.there(lab):
        more = {**fault.variables(lab), **variables}
        run = play(lab, "mailsec.dane.rotate", *fault.arguments(lab), check=False, **more)
    # Nobody is at work any more; leases of runs that died end by themselves, but later.
    on(lab, "mx1", f"rm -f {JOURNALS}/*.lease")
    assert run.status == fault.status, (fault, run.output[-4000:])
    assert fault.says in run.text, (fault, run.output[-4000:])
    assert fault.secret not in run.output
    assert (records(lab), serial(lab), served(lab)) == state, (fault, run.output[-4000:])


@pytest.mark.long
def test_b02_what_is_in_the_way_when_a_rotation_is_begun_is_named_and_nothing_moves(steady: Lab) -> None:
    before = served(steady)
    coming = forget_next(steady)
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        for fault in FAULTS:
            if fault.at_begin:
                moves_nothing(steady, fault)
        rotate(steady)
    assert served(steady) == coming != before
    is_steady(steady)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_b02_what_is_in_the_way_while_caches_learn_is_named_and_nothing_moves(steady: Lab) -> None:
    before = served(steady)
    coming = forget_next(steady)
    # Longer than the runs take that see a wrong clock, which come first.
    slow = {"rotation_application_cache": 100}
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        assert play(steady, "mailsec.dane.rotate", **slow).phases[-1] == "spreading"
        assert coming in records(steady)
        for fault in FAULTS:
            if fault.while_spreading:
                moves_nothing(steady, fault, **slow)
        finish(steady)
    assert served(steady) == coming != before
    is_steady(steady)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_a_record_that_somebody_removes_meanwhile_delays_and_breaks_nothing(steady: Lab) -> None:
    before = served(steady)
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        coming = forget_next(steady)
        run = play(steady, "mailsec.dane.rotate")
        assert run.phases[-1] == "spreading" and coming in records(steady)
        forget_next(steady)
        finish(steady)
    assert served(steady) == coming != before
    is_steady(steady)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_a_record_of_somebody_else_is_left_alone_until_released(steady: Lab) -> None:
    foreign = f"3 1 1 {random.randbytes(32).hex()}"
    update(steady, f"update add {OWNER} 5 TLSA {foreign}")
    run = finish(steady)
    assert foreign in records(steady) and "was not published here and is left alone" in run.text
    finish(steady, rotation_release=[foreign])
    is_steady(steady)


@pytest.mark.long
def test_f14_nothing_moves_while_a_secondary_is_stuck(steady: Lab) -> None:
    """It answers all the time, with signatures that are good, and never hears of the change."""
    before = served(steady)
    forget_next(steady)
    wait_for(lambda: records(steady) == records(steady, SECONDARY), 20)
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        on(steady, "ns2", "knotc zone-freeze example.nl")
        try:
            coming = key(steady, "next")
            assert rotate(steady, rotation_wait=False, check=False).status == 4
            time.sleep(15)
            run = rotate(steady, rotation_wait=False, check=False)
            assert run.status == 4, run.output[-4000:]
            assert coming in records(steady) and coming not in records(steady, SECONDARY)
            assert run.phases[-1] == "spreading" and SECONDARY in run.text and served(steady) == before
        finally:
            on(steady, "ns2", "knotc zone-thaw example.nl; knotc zone-refresh example.nl")
        finish(steady)
    assert served(steady) == coming
    is_steady(steady)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_b02_a_mail_host_that_is_cut_off_meanwhile_gets_its_mail_later(steady: Lab) -> None:
    """That it defers mail is the outage; what the rotation must not do is to lose any, or to add to it."""
    before = served(steady)
    forget_next(steady)
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        assert play(steady, "mailsec.dane.rotate").phases[-1] == "spreading"
        steady.inside("ip", "link", "set", "v-mx1", "down")
        try:
            run = rotate(steady, check=False)
            assert run.status != 0 and "UNREACHABLE" in run.output
        finally:
            steady.inside("ip", "link", "set", "v-mx1", "up")
        finish(steady)
    assert served(steady) != before
    is_steady(steady)
    recorder.is_sound()
    counts = traffic.lost_nothing()
    assert all(found.unverified == 0 for found in counts.values()), counts


@pytest.mark.long
def test_b03_of_two_controllers_one_waits(steady: Lab) -> None:
    before = served(steady)
    # Older than the age at which either would begin; the outcome of the first is younger.
    time.sleep(25)
    with Recorder(steady) as recorder, ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda age: rotate(steady, rotation_minimum_age=age), (25, 25))
    assert "holds the lease" in first.text + second.text
    assert served(steady) != before
    is_steady(steady)
    recorder.is_sound()


@pytest.mark.long
def test_b03_a_lost_journal_costs_only_time(steady: Lab) -> None:
    before = served(steady)
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        forget_next(steady)
        assert play(steady, "mailsec.dane.rotate").phases[-1] == "spreading"
        on(steady, "mx1", f"rm {JOURNALS}/*.journal")
        run = rotate(steady)
    assert "nobody remembers" in run.text
    assert served(steady) != before
    is_steady(steady)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f16_a_key_that_nobody_planned_is_never_deployed(steady: Lab) -> None:
    before = served(steady)
    forget_next(steady)
    assert play(steady, "mailsec.dane.rotate").phases[-1] == "spreading"
    directory = "/etc/mailsec-dane/next"
    on(steady, "mx1", f"cp -a {directory} /root/planned && rm {directory}/key.pem {directory}/chain.pem")
    run = rotate(steady, check=False)
    assert run.status != 0 and "A key that nobody planned is not deployed" in run.text
    assert served(steady) == before
    on(steady, "mx1", f"rm -r {directory} && mv /root/planned {directory}")
    finish(steady)
    assert served(steady) != before
    is_steady(steady)


@pytest.mark.long
def test_f14_an_address_that_does_not_follow_brings_the_former_certificate_back(steady: Lab) -> None:
    before = served(steady)
    with Traffic(steady) as traffic:
        # Whoever copied the certificate elsewhere: Postfix does not read what the rotation writes.
        live, files = "/etc/mailsec-dane/live/keychain.pem", "/etc/postfix/main.cf /etc/postfix/master.cf"
        copy = f"cp -a {live} /root/copy.pem && cp -a {files} /root/"
        on(steady, "mx1", f"{copy} && sed -i 's|{live}|/root/copy.pem|' {files} && postfix reload")
        run = rotate(steady, check=False, rotation_follow_timeout=9)
        assert run.status != 0 and "The former certificate was put back" in run.text
        assert served(steady) == before == key(steady, "live")
        on(steady, "mx1", "cp -a /root/main.cf /root/master.cf /etc/postfix/ && postfix reload")
        finish(steady)
    assert served(steady) != before
    is_steady(steady)
    traffic.is_unharmed()


@pytest.mark.long
def test_f16_a_key_that_another_program_installed_is_replaced_and_named(steady: Lab) -> None:
    before, names = served(steady), records(steady)
    install_rogue(steady)
    wait_for(lambda: served(steady) not in names, 20)
    run = play(steady, KEEP, check=False, rotation_wait=True)
    assert "serves an unplanned key that no published record matches" in run.text
    assert run.status == 2 and "repaired, but find out which program did it" in run.text
    assert served(steady) == before and records(steady) == names
    run = play(steady, KEEP)
    assert run.phases == ["steady"]
    is_steady(steady)
