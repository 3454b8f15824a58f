# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations from end to end in seconds, with a journal file (B02, F13, F14): nothing stays behind, no kill matters."""

from __future__ import annotations

import copy
import os
import pathlib
import shutil

import pytest
from support.mail_site import OURS_ALONE, OWNER, POLICY, Site, chain, record

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal, journal_file
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import record as rotation_record
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import Done, Publish


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes die here, machines do not: flushing thousands of journals to the disk would only take time."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


def _first_key(site: Site) -> None:
    """From the two records of the factsheet to all three, from a journal that was lost."""
    site.settle()
    assert site.keys == {"current": "K1", "next": "K2", "staged": ""}


def _steady(site: Site) -> frozenset[object]:
    return frozenset({record(site.keys["current"]), record(site.keys["next"]), record(site.wanted_ca, 2)})


@pytest.mark.slow
def test_a_hundred_rotations_leave_nothing_behind(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_EVENTS", 40)
    site = Site(str(tmp_path), seed=1, policy=OURS_ALONE)
    _first_key(site)
    sizes = []
    for number in range(100):
        site.begin_rotation()
        site.settle()
        site.pass_time(600)
        assert site.run() is not None
        assert isinstance(site.steps[-1], Done)
        assert site.servers == [(_steady(site), 60)] * 3
        assert site.keys == {"current": f"K{number + 2}", "next": f"K{number + 3}", "staged": ""}
        document = journal_file.read(site.path, "mx.example.nl", "host")
        sizes.append(len(str(document.content)))
        assert len(document.content["rrsets"]) <= 12
        assert len(document.content["chains"]) <= 2
        # No record, key, lease or file but those in use.
        assert {entry["record"] for entry in document.content["visible"]} == {one.to_text() for one in _steady(site)}
        assert {one.key for one in site.served} == {record(f"K{number + 2}")}
        assert os.listdir(tmp_path) == ["journal"]
        assert not journal_file.holder(site.path, site.moment())
    assert max(sizes[50:]) <= max(sizes[:50]) * 1.1
    # What was retired is remembered until the signatures over it have ended, and then no more.
    site.pass_time(4000)
    site.run()
    content = journal_file.read(site.path, "mx.example.nl", "host").content
    assert set(content["owned"]) == {one.to_text() for one in _steady(site)}
    assert len(content["rrsets"]) == len(content["chains"]) == 1
    assert not site.broken


@pytest.mark.slow
def test_killed_after_every_single_effect(tmp_path: pathlib.Path) -> None:
    """Exhaustively by index: every effect of a whole rotation is once the last one before SIGKILL."""
    ready = tmp_path / "ready"
    ready.mkdir()
    prepared = Site(str(ready), seed=2, policy=OURS_ALONE)
    _first_key(prepared)
    prepared.begin_rotation()
    quiet = _copy(prepared, tmp_path / "quiet")
    quiet.settle()
    total = quiet.effects - prepared.effects
    assert total > 20
    for number in range(1, total + 1):
        site = _copy(prepared, tmp_path / str(number))
        site.die_after = site.effects + number
        site.settle()
        assert site.die_after is None, "the controller was killed"
        assert site.servers == [(_steady(site), 60)] * 3
        assert {one.key for one in site.served} == {record(site.keys["current"])}
        site.pass_time(200)
        site.run()
        assert os.listdir(tmp_path / str(number)) == ["journal"]
        assert not site.broken, number


def _copy(site: Site, directory: pathlib.Path) -> Site:
    shutil.copytree(os.path.dirname(site.path), directory)
    other = copy.deepcopy(site)
    other.path = str(directory / "journal")
    return other


@pytest.mark.parametrize("seed", range(6))
def test_killed_again_and_again_with_all_sorts_of_trouble(tmp_path: pathlib.Path, seed: int) -> None:
    site = Site(str(tmp_path), seed=100 + seed)
    _first_key(site)
    for _rotation in range(2):
        site.begin_rotation()
        for _trouble in range(8):
            site.die_after = site.effects + site.random.randrange(1, 12)
            kind = site.random.choice(("kill", "lose", "cut", "stranger", "ttl", "reboot"))
            if kind == "lose" and os.path.exists(site.path):
                os.unlink(site.path)
            elif kind == "cut" and os.path.exists(site.path):
                os.truncate(site.path, 100)
            elif kind == "stranger":
                records, ttl = site.servers[0]
                site.servers[0] = (records | {record("stranger")}, ttl)
                site.serial += 1
                site.due = {1: site.now + 9, 2: site.now + 33}
            elif kind == "ttl":
                site.servers[0] = (site.servers[0][0], site.random.choice((30, 60, 90)))
                site.serial += 1
                site.due = {1: site.now + 9, 2: site.now + 33}
            elif kind == "reboot":
                site.boot = f"boot {site.effects}"
            for _run in range(site.random.randrange(1, 9)):
                try:
                    site.run()
                except Exception as error:  # noqa: BLE001 - a killed controller, and nothing else
                    assert type(error).__name__ == "Killed"
                site.pass_time(site.random.choice((1, 20, 70)))
        site.die_after = None
        site.settle()
        assert not site.broken
    assert _steady(site) <= site.servers[0][0] <= _steady(site) | {record("stranger")}


@pytest.mark.parametrize("is_lost", [False, True])
def test_an_unplanned_key_is_gone_after_one_run_whenever_it_comes(tmp_path: pathlib.Path, is_lost: bool) -> None:
    """Once before each run of a whole rotation, with the journal or without it."""
    ready = tmp_path / "ready"
    ready.mkdir()
    prepared = Site(str(ready), seed=6, policy=OURS_ALONE)
    _first_key(prepared)
    prepared.begin_rotation()
    runs = 0
    while True:
        site = _copy(prepared, tmp_path / str(runs))
        if _goes_on(site, runs):
            break
        site.served[1] = chain("rogue", "other CA")
        if is_lost and os.path.exists(site.path):
            os.unlink(site.path)
        site.run()
        assert chain("rogue", "other CA") not in site.served, runs
        site.broken.clear()
        site.settle()
        assert site.servers == [(_steady(site), 60)] * 3
        assert not site.broken, runs
        runs += 1
    assert runs > 8


def _goes_on(site: Site, runs: int) -> bool:
    """Let a rotation go on for some runs; whether it is over before."""
    for _run in range(runs):
        step = site.run()
        if isinstance(step, Done):
            return True
        site.stay(step)
    return False


def test_a_change_of_ca_goes_through_four_records(tmp_path: pathlib.Path) -> None:
    site = Site(str(tmp_path), seed=3)
    _first_key(site)
    site.begin_rotation()
    site.wanted_ca = "CA 2"
    site.settle()
    widest = max((step for step in site.steps if isinstance(step, Publish)), key=lambda step: len(step.records))
    both = {record("CA", 2), record("CA 2", 2)}
    assert both <= widest.records
    assert site.servers == [(_steady(site), 60)] * 3
    assert not site.broken


def test_the_record_proves_that_the_sets_always_overlap(tmp_path: pathlib.Path) -> None:
    site = Site(str(tmp_path), seed=4)
    _first_key(site)
    site.begin_rotation()
    site.settle()
    events = journal_file.read(site.path, "mx.example.nl", "host").events
    found = rotation_record.timeline(events, POLICY, site.now)
    assert not rotation_record.gaps(found)
    assert {span.where for span in found.rrsets} == {OWNER}
    served = {span.label for span in found.chains}
    assert served == {record("K1").to_text(), record("K2").to_text()}


def test_a_record_of_a_careless_change_shows_its_gap(tmp_path: pathlib.Path) -> None:
    site = Site(str(tmp_path), seed=5)
    _first_key(site)
    site.keys["current"] = "K9"
    site.served = [site.target().chains[0]] * 2
    site.run()
    site.check()
    assert site.broken
    events = journal_file.read(site.path, "mx.example.nl", "host").events
    assert rotation_record.gaps(rotation_record.timeline(events, POLICY, site.now))
