# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations on real servers while mail flows, killed and disturbed wherever that can be. Tests build on each other."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lab_driver import CHECKOUT, Lab, wait_for
from rotation_site import (
    JOURNALS,
    Recorder,
    Traffic,
    children,
    command,
    finish,
    forget_next,
    is_steady,
    issuer,
    key,
    leftovers,
    play,
    records,
    rotate,
    serial,
    served,
    update,
)

STEADY_TASKS = 12
SITE_TASKS = 25
OWNER = "_25._tcp.mx1.example.nl"
KEEP = str(CHECKOUT / "tests/integration/rotation/keep.yml")


@pytest.fixture(scope="session")
def mail(lab: Lab) -> Lab:
    """The lab with the mail host set up, as inbound leaves it."""
    play(lab, "mailsec.dane.inbound")
    return lab


def test_f13_check_mode_says_what_would_happen_and_does_nothing(mail: Lab) -> None:
    before = records(mail), serial(mail), served(mail)
    run = rotate(mail, "--check")
    assert "Generate the next key" in run.text
    assert (records(mail), serial(mail), served(mail)) == before
    mail.host("mx1", f"test ! -e {JOURNALS}")


def test_b01_f13_a_rotation_loses_and_defers_nothing(mail: Lab) -> None:
    before = served(mail)
    with Recorder(mail) as recorder, Traffic(mail) as traffic:
        run = rotate(mail)
    assert run.phases[-1] == "steady" and {"spreading", "deploying", "soaking"} <= set(run.phases)
    assert served(mail) != before
    is_steady(mail)
    recorder.is_sound()
    traffic.is_unharmed()


def test_f20_a_run_that_finds_nothing_to_do_is_short_and_changes_nothing(mail: Lab) -> None:
    before = records(mail), serial(mail), served(mail)
    run = finish(mail)
    counts = run.counts()
    assert counts["changed"] == 0 and counts["ok"] <= STEADY_TASKS, run.output
    assert (records(mail), serial(mail), served(mail)) == before
    assert "rotation that was finished" in run.text


def test_f16_a_renewal_that_keeps_the_key_changes_nothing_in_the_dns(mail: Lab) -> None:
    before, names = served(mail), (records(mail), serial(mail))
    digest = mail.host("mx1", "sha256sum < /etc/mailsec-dane/live/chain.pem")
    with Traffic(mail) as traffic:
        run = play(mail, KEEP, certificate_days=120, certificate_renew_days=100)
        time.sleep(8)
    assert run.phases == ["adjusting", "steady"]
    assert mail.host("mx1", "sha256sum < /etc/mailsec-dane/live/chain.pem") != digest
    assert served(mail) == before and (records(mail), serial(mail)) == names
    traffic.is_unharmed()


@pytest.mark.long
def test_b02_killed_after_every_effect_it_converges(mail: Lab) -> None:
    before, ended = served(mail), []
    forget_next(mail)
    with Recorder(mail) as recorder, Traffic(mail) as traffic:
        run = rotate(mail, check=False, rotation_stop_after=1, rotation_effect=30)
        while run.status != 0 and len(ended) < 12:
            found = re.search(r"Stopped after 1 effects, the last one being (\w+)", run.text)
            assert found, run.output[-4000:]
            ended.append(found[1])
            # What was begun is finished by runs that would begin nothing themselves.
            run = finish(mail, check=False, rotation_stop_after=1, rotation_effect=30)
    assert run.status == 0, run.output[-4000:]
    assert ended == ["publish", "deploy", "publish", "retire"], ended
    assert served(mail) != before
    is_steady(mail)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_b02_killed_at_random_moments_it_converges(mail: Lab) -> None:
    before, dice, orphans = served(mail), random.Random(7), []
    with Recorder(mail) as recorder, Traffic(mail) as traffic:
        for turn in range(5):
            age = 0 if turn == 0 else 86400
            variables = {"rotation_wait": True, "rotation_effect": 30, "rotation_minimum_age": age}
            words = command(mail, "mailsec.dane.rotate", **variables)
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=CHECKOUT)
            time.sleep(dice.uniform(6, 30))
            workers = children(process.pid)
            process.kill()
            process.wait()
            orphans += workers
        finish(mail, rotation_effect=30)
    for pid in orphans:
        # A worker may have ended its task; what it waits for now never comes.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert served(mail) != before
    is_steady(mail)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_a_record_that_somebody_removes_meanwhile_delays_and_breaks_nothing(mail: Lab) -> None:
    before = served(mail)
    with Recorder(mail) as recorder, Traffic(mail) as traffic:
        coming = forget_next(mail)
        run = play(mail, "mailsec.dane.rotate")
        assert run.phases[-1] == "spreading" and coming in records(mail)
        forget_next(mail)
        finish(mail)
    assert served(mail) == coming != before
    is_steady(mail)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_a_record_of_somebody_else_is_left_alone_until_released(mail: Lab) -> None:
    foreign = f"3 1 1 {random.randbytes(32).hex()}"
    update(mail, f"update add {OWNER} 5 TLSA {foreign}")
    run = finish(mail)
    assert foreign in records(mail) and "was not published here and is left alone" in run.text
    finish(mail, rotation_release=[foreign])
    is_steady(mail)


@pytest.mark.long
def test_f14_nothing_moves_while_a_name_server_is_down(mail: Lab) -> None:
    before = served(mail)
    mail.host("ns2", "systemctl stop knot")
    run = rotate(mail, rotation_wait=False)
    assert run.phases[-1] == "spreading" and "198.51.100.3" in run.text
    time.sleep(12)
    run = rotate(mail, rotation_wait=False)
    assert "198.51.100.3" in run.text and served(mail) == before
    mail.host("ns2", "systemctl start knot")
    with Recorder(mail) as recorder, Traffic(mail) as traffic:
        finish(mail)
    assert served(mail) != before
    is_steady(mail)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_b03_of_two_controllers_one_waits(mail: Lab) -> None:
    before = served(mail)
    # Older than the age at which either would begin; the outcome of the first is younger.
    time.sleep(25)
    with Recorder(mail) as recorder, ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda age: rotate(mail, rotation_minimum_age=age), (25, 25))
    assert "holds the lease" in first.text + second.text
    assert served(mail) != before
    is_steady(mail)
    recorder.is_sound()


@pytest.mark.long
def test_b03_a_lost_journal_costs_only_time(mail: Lab) -> None:
    before = served(mail)
    with Recorder(mail) as recorder, Traffic(mail) as traffic:
        forget_next(mail)
        assert play(mail, "mailsec.dane.rotate").phases[-1] == "spreading"
        mail.host("mx1", f"rm {JOURNALS}/*.journal")
        run = rotate(mail)
    assert "nobody remembers" in run.text
    assert served(mail) != before
    is_steady(mail)
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f16_a_key_that_nobody_planned_is_never_deployed(mail: Lab) -> None:
    before = served(mail)
    forget_next(mail)
    assert play(mail, "mailsec.dane.rotate").phases[-1] == "spreading"
    directory = "/etc/mailsec-dane/next"
    mail.host("mx1", f"cp -a {directory} /root/planned && rm {directory}/key.pem {directory}/chain.pem")
    run = rotate(mail, check=False)
    assert run.status != 0 and "A key that nobody planned is not deployed" in run.text
    assert served(mail) == before
    mail.host("mx1", f"rm -r {directory} && mv /root/planned {directory}")
    finish(mail)
    assert served(mail) != before
    is_steady(mail)


@pytest.mark.long
def test_f14_an_address_that_does_not_follow_brings_the_former_certificate_back(mail: Lab) -> None:
    before = served(mail)
    with Traffic(mail) as traffic:
        # Whoever copied the certificate elsewhere: Postfix does not read what the rotation writes.
        mail.host("mx1", "cp -a /etc/mailsec-dane/live/keychain.pem /root/copy.pem && postconf "
                  "smtpd_tls_chain_files=/root/copy.pem && postfix reload")
        run = rotate(mail, check=False, rotation_follow_timeout=9)
        assert run.status != 0 and "The former certificate was put back" in run.text
        assert served(mail) == before == key(mail, "live")
        mail.host("mx1", "postconf smtpd_tls_chain_files=/etc/mailsec-dane/live/keychain.pem && postfix reload")
        finish(mail)
    assert served(mail) != before
    is_steady(mail)
    traffic.is_unharmed()


@pytest.mark.long
def test_f16_a_key_that_another_program_installed_is_replaced_and_named(mail: Lab) -> None:
    before, names = served(mail), records(mail)
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=rogue"
    install = "cat rogue.key rogue.pem > live/keychain.pem && cp rogue.pem live/chain.pem && rm rogue.*"
    mail.host("mx1", f"cd /etc/mailsec-dane && {make} -keyout rogue.key -out rogue.pem && {install} && postfix reload")
    wait_for(lambda: served(mail) not in names, 20)
    run = play(mail, KEEP, check=False, rotation_wait=True)
    assert "serves an unplanned key that no published record matches" in run.text
    assert run.status != 0 and "is not the key in use" in run.text
    assert served(mail) == before and records(mail) == names
    run = play(mail, KEEP)
    assert run.phases == ["steady"]
    is_steady(mail)


@pytest.mark.long
def test_f15_another_ca_comes_in_with_four_records(mail: Lab) -> None:
    before, old = served(mail), issuer(mail)
    refused = play(mail, "mailsec.dane.inbound", check=False, certificate_authority_generation=2)
    assert refused.status != 0 and "rotate_ca" in refused.text and served(mail) == before
    seen = []
    with Recorder(mail) as recorder, Traffic(mail) as traffic:
        play(mail, "mailsec.dane.rotate_ca", rotation_wait=True, certificate_authority_generation=2)
    new = issuer(mail, 2)
    seen = [set(event["records"]) for event in recorder.events if event["event"] == "rrset"]
    assert any({old, new, before, served(mail)} <= value for value in seen)
    assert served(mail) != before
    assert records(mail) == sorted([key(mail, "live"), key(mail, "next"), new])
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f15_a_stolen_key_goes_at_once_when_the_next_one_is_ready(mail: Lab) -> None:
    stolen, coming, ca = served(mail), key(mail, "next"), issuer(mail, 2)
    variables = {"certificate_authority_generation": 2}
    assert play(mail, "mailsec.dane.compromise", check=False, **variables).status != 0
    # An update may come a second time for a while; only then is the next key ready everywhere.
    look = ("mailsec.dane.compromise", "--limit", "mx1", "--check")
    wait_for(lambda: "Phase: deploying" in play(mail, *look, **variables).text, 120)
    assert served(mail) == stolen
    with Traffic(mail) as traffic:
        run = play(mail, "mailsec.dane.compromise", "--limit", "mx1", rotation_wait=True, **variables)
        after = records(mail)
    assert served(mail) == coming
    assert stolen not in after and ca not in after and coming in after
    assert "A stolen key may still be accepted until" in run.text
    traffic.is_unharmed()


@pytest.mark.long
def test_f15_without_a_ready_key_the_operator_chooses(mail: Lab) -> None:
    stolen, known = served(mail), key(mail, "next")
    variables = {"certificate_authority_generation": 2, "rotation_stolen": ["current", "next"]}
    run = play(mail, "mailsec.dane.compromise", "--limit", "mx1", rotation_wait=True, **variables)
    assert all(f"Choose rotation_exposure {one}" in run.text for one in ("serve", "defer", "downgrade"))
    assert served(mail) == stolen
    variables |= {"rotation_wait": True, "rotation_exposure": "serve"}
    with Traffic(mail) as traffic:
        play(mail, "mailsec.dane.compromise", "--limit", "mx1", **variables)
    after = records(mail)
    assert served(mail) == key(mail, "live")
    assert served(mail) not in (stolen, known)
    assert stolen not in after and known not in after and served(mail) in after
    traffic.is_unharmed()


@pytest.mark.long
def test_f15_withdrawal_says_when_tls_is_free(mail: Lab) -> None:
    with Traffic(mail) as traffic:
        run = play(mail, "mailsec.dane.withdraw")
        assert run.phases[-1] == "withdrawing" and "until then TLS must stay as it is" in run.text
        run = play(mail, "mailsec.dane.withdraw", rotation_wait=True)
    assert "TLS is free" in run.text
    assert records(mail) == []
    counts = traffic.counts()
    assert counts["not sent"] == 0 and counts["sent"] == counts["arrived"], counts
    assert leftovers(mail) == ["mx1--mx1.example.nl.journal"]
    assert play(mail, "mailsec.dane.withdraw").phases == ["withdrawn"]


@pytest.mark.long
def test_f20_site_brings_dane_back_with_the_next_key(mail: Lab) -> None:
    variables = {"site_rotation": True, "certificate_authority_generation": 2}
    play(mail, "mailsec.dane.site", **variables)
    # The CA that signed stolen certificates is not believed before those have expired.
    assert records(mail) == sorted([key(mail, "live"), key(mail, "next")])
    counts = play(mail, "mailsec.dane.site", **variables).counts()
    assert counts["changed"] == 0 and counts["ok"] <= SITE_TASKS, counts
