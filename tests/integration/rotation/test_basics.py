# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotation and renewal while mail flows: the short proof, which is run with all tests."""

from __future__ import annotations

import json
import time
from pathlib import Path
from xml.etree import ElementTree

from lab_driver import CHECKOUT, Lab
from rotation_site import (
    JOURNALS,
    KEEP,
    Recorder,
    finish,
    forget_next,
    is_steady,
    on,
    play,
    records,
    rotate,
    serial,
    served,
)
from senders import Traffic
from support.examples import examples

STEADY_TASKS = 12


def test_f13_check_mode_says_what_would_happen_and_does_nothing(mail: Lab) -> None:
    def state() -> tuple[object, ...]:
        return records(mail), serial(mail), served(mail), on(mail, "mx1", f"ls -l {JOURNALS} 2>&1", check=False)

    before, following = state(), on(mail, "mx1", "ls /etc/mailsec-dane/next 2>/dev/null", check=False)
    run = rotate(mail, "--check")
    assert run.phases and ("Generate the next key" in run.text) != bool(following), run.output
    assert state() == before


def test_b01_f13_a_rotation_loses_and_defers_nothing(mail: Lab) -> None:
    before = served(mail)
    with Recorder(mail) as recorder, Traffic(mail) as traffic:
        run = rotate(mail)
    assert run.phases[-1] == "steady" and {"deploying", "soaking"} <= set(run.phases)
    assert served(mail) != before
    is_steady(mail)
    recorder.is_sound()
    traffic.is_unharmed()


def test_b02_while_caches_learn_check_mode_says_until_when(steady: Lab) -> None:
    page = examples(CHECKOUT / "docs" / "rotation-guide.md")
    (example,) = [one for one in page if {"mailsec.dane.rotate", "--check"} <= {*one.command}]
    forget_next(steady)
    # Longer than it takes to look again.
    slow = {"rotation_effect": 30, "rotation_application_cache": 60}
    assert play(steady, "mailsec.dane.rotate", **slow).phases[-1] == "spreading"
    run = play(steady, "mailsec.dane.rotate", "--check", **slow)
    assert example.not_in(run.output) == [], run.output
    finish(steady, rotation_effect=30)


def test_f20_a_run_that_finds_nothing_to_do_is_short_and_changes_nothing(steady: Lab) -> None:
    before = records(steady), serial(steady), served(steady)
    run = finish(steady)
    counts = run.counts()
    assert counts["changed"] == 0 and counts["ok"] <= STEADY_TASKS, run.output
    assert (records(steady), serial(steady), served(steady)) == before
    assert "rotation that was finished" in run.text


def test_b02_the_record_of_a_rotation_shows_that_all_sets_overlapped(steady: Lab, tmp_path: Path) -> None:
    where = {"rotation_report_directory": str(tmp_path / "reports")}
    assert play(steady, "mailsec.dane.rotation_report", **where).counts()["changed"] > 0
    record = json.loads((tmp_path / "reports" / "mx1--mx1.example.nl.json").read_text())
    keys = {text for one in record["chains"] for text in one["records"] if text.startswith("3 1 1 ")}
    assert served(steady) in keys and len(keys) > 1
    assert record["gaps"] == []
    drawing = ElementTree.parse(tmp_path / "reports" / "mx1--mx1.example.nl.svg").getroot()
    assert drawing.tag.endswith("svg") and len(list(drawing.iter())) > 20
    assert play(steady, "mailsec.dane.rotation_report", **where).counts()["changed"] == 0


def test_f16_a_renewal_that_keeps_the_key_changes_nothing_in_the_dns(steady: Lab) -> None:
    before, names = served(steady), (records(steady), serial(steady))
    digest = on(steady, "mx1", "sha256sum < /etc/mailsec-dane/live/chain.pem")
    with Traffic(steady) as traffic:
        run = play(steady, KEEP, certificate_days=120, certificate_renew_days=100)
        time.sleep(8)
    assert run.phases == ["adjusting", "steady"]
    assert on(steady, "mx1", "sha256sum < /etc/mailsec-dane/live/chain.pem") != digest
    assert served(steady) == before and (records(steady), serial(steady)) == names
    traffic.is_unharmed()
