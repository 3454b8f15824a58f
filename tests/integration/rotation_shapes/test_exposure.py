# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both keys stolen, and the operator's choice: mail that comes late, or a time without DANE. No mail is lost (F15)."""

from __future__ import annotations

import pytest
from lab_driver import Lab
from shape_site import Recorder, Shape, Traffic, example

OWNER = "_25._tcp.mx1.example.nl"
THEFT = ("mailsec.dane.compromise", "--limit", "mx1")


@pytest.fixture
def shape(lab: Lab) -> Shape:
    made = Shape(lab, example("Two MX hosts of one domain"))
    made.settle("--limit", "mx1,vantage,localhost")
    return made


def recorder(shape: Shape) -> Recorder:
    return Recorder(shape, "mx1.example.nl", [OWNER], [("mx1", 25)])


def is_clean(shape: Shape, stolen: set[str]) -> None:
    """Assert that nothing makes a sender accept the stolen keys, neither by themselves nor by their CA."""
    published = shape.records(OWNER)
    assert shape.key("mx1") in published and published.isdisjoint({*stolen, shape.issuer()})
    assert shape.served("mx1") == shape.key("mx1")
    assert shape.served("mx1") not in stolen


@pytest.mark.long
def test_f15_defer_takes_the_stolen_key_away_at_once_and_mail_comes_late(shape: Shape) -> None:
    stolen = {shape.key("mx1"), shape.key("mx1", "next")}
    with recorder(shape) as watched, Traffic(shape, "solo.nl") as traffic:
        shape.play(*THEFT, rotation_wait=True, rotation_stolen=["current", "next"], rotation_exposure="defer")
    is_clean(shape, stolen)
    # Neither was there ever no record, nor was a stolen key served while caches learnt the new one.
    published = watched.published(OWNER)
    assert set() not in published
    gone = next(e["at"] for e in watched.events if e["event"] == "rrset" and not stolen & set(e["records"]))
    assert abs(watched.deployments()[0][0] - gone) < 60
    traffic.is_complete()


@pytest.mark.long
def test_f15_downgrade_removes_the_records_meanwhile_and_delays_nothing(shape: Shape) -> None:
    stolen = {shape.key("mx1"), shape.key("mx1", "next")}
    with recorder(shape) as watched, Traffic(shape, "solo.nl") as traffic:
        shape.play(*THEFT, rotation_wait=True, rotation_stolen=["current", "next"], rotation_exposure="downgrade")
    is_clean(shape, stolen)
    assert set() in watched.published(OWNER)
    gone = set()
    for event in (one for one in watched.events if one["event"] == "rrset" and stolen & set(one["records"])):
        records = frozenset(event["records"])
        assert records not in gone, watched.events
        gone |= set() if event["servers"] else {records}
    assert gone
    watched.is_sound()
    counts = traffic.is_complete()
    assert counts["not sent"] == 0, counts
