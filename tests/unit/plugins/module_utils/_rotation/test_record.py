# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a rotation (B02): gaps are found where they are, and the drawing is a drawing."""

from __future__ import annotations

import json
import math
import typing as t
import xml.etree.ElementTree as ET

import pytest
from support.mail_site import OWNER, chain, record

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import record as rotation_record
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import record_svg
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Journal, Policy, ServedChain
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import Wait

POLICY = Policy(application_cache=10)


def _rrset(at: float, *labels: str, servers: tuple[str, ...] = ("ns1",), ttl: int = 60) -> dict[str, t.Any]:
    records = [record(label).to_text() for label in labels]
    return {"at": at, "event": "rrset", "owner": OWNER, "records": records, "ttl": ttl, "servers": list(servers)}


def _chain(at: float, label: str, *endpoints: str) -> dict[str, t.Any]:
    one = chain(label)
    fact = {"identity": one.identity, "key": one.key.to_text(), "satisfies": [r.to_text() for r in one.satisfies]}
    return {"at": at, "event": "chain", "chain": fact, "endpoints": list(endpoints)}


GOOD: t.Final = [
    _rrset(0, "K1"),
    _chain(0, "K1", "mx"),
    _rrset(100, "K1", "K2"),
    _rrset(110, "K1", servers=()),
    _chain(180, "K2", "mx"),
    _chain(180, "K1"),
    _rrset(300, "K2"),
    _rrset(310, "K1", "K2", servers=()),
]


def test_sets_that_overlap_have_no_gap() -> None:
    found = rotation_record.timeline(GOOD, POLICY)
    assert not rotation_record.gaps(found)
    assert [(span.begin, span.end, span.until) for span in found.rrsets] == [
        (0, 110, 180), (100, 310, 380), (300, math.inf, math.inf),
    ]  # fmt: skip
    assert [(span.begin, span.end) for span in found.chains] == [(0, 180), (180, math.inf)]


def test_hosts_that_share_a_journal_do_not_tell_each_other_the_same_again_and_again() -> None:
    def journal(remembered: str) -> Journal:
        return Journal(None, chains=(ServedChain(chain("K1"), frozenset({"192.0.2.1:25", f"host {remembered}"})),))

    wait = Wait(9, 9, (), "")
    assert not rotation_record.events_between(journal("mx1"), journal("mx2"), wait, 5)
    (event,) = rotation_record.events_between(Journal(None), journal("mx2"), wait, 5)
    assert event["endpoints"] == ["192.0.2.1:25"]


def test_one_second_too_early_is_a_gap_of_one_second() -> None:
    hasty = [{**event, "at": 179} if event["event"] == "chain" and event["at"] == 180 else event for event in GOOD]
    (gap,) = rotation_record.gaps(rotation_record.timeline(hasty, POLICY))
    assert (gap.begin, gap.end) == (179, 180)
    assert gap.rrset.records == {record("K1")}


def test_the_order_of_events_does_not_matter() -> None:
    mixed = sorted(GOOD, key=lambda event: (event["at"], -len(str(event))))
    assert rotation_record.timeline(mixed, POLICY) == rotation_record.timeline(GOOD, POLICY)


def test_the_effect_may_come_with_the_decision() -> None:
    decided = {"at": 150, "event": "step", "action": "deploy", "summary": "", "endpoints": ["mx"],
               "key_records": [record("K2").to_text()]}  # fmt: skip
    (gap,) = rotation_record.gaps(rotation_record.timeline([*GOOD, decided], POLICY))
    assert (gap.begin, gap.end) == (150, 180)


def test_the_data_is_json() -> None:
    data = rotation_record.timeline_data(rotation_record.timeline(GOOD, POLICY))
    assert json.loads(json.dumps(data, allow_nan=False))["gaps"] == []
    assert data["rrsets"][-1]["end"] is None


@pytest.mark.parametrize(
    "wrong", [{"at": "x"}, {"at": 1, "event": "rrset"}, {"at": 1, "event": "chain", "chain": {}}, 7]
)
def test_events_of_the_wrong_shape_are_named(wrong: t.Any) -> None:
    with pytest.raises(DataError, match=r"events\[0\]"):
        rotation_record.timeline([wrong])


def _colours(svg: str) -> set[str | None]:
    return {part.get("fill") for part in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect")}


def test_the_drawing_shows_a_gap_in_red_and_only_then() -> None:
    good = record_svg.draw(rotation_record.timeline(GOOD, POLICY), "A rotation")
    assert "#c00000" not in _colours(good) and "matched every chain served" in good
    hasty = [{**event, "at": 150} if event["event"] == "chain" and event["at"] == 180 else event for event in GOOD]
    bad = record_svg.draw(rotation_record.timeline(hasty, POLICY), "A rotation")
    assert "#c00000" in _colours(bad) and "NOT SAFE" in bad


def test_hostile_text_stays_text() -> None:
    steps = [{"at": 5, "event": "step", "action": "<script>", "summary": "</svg><script>alert(1)</script>\x00\u202e"}]
    svg = record_svg.draw(rotation_record.timeline([*GOOD, *steps], POLICY), "<b>&\"'")
    assert "<script" not in svg
    ET.fromstring(svg)


def test_the_last_part_of_a_record_keeps_what_still_had_an_effect() -> None:
    whole = rotation_record.timeline(GOOD, POLICY)
    late = rotation_record.since(whole, 179)
    assert (late.begin, late.end) == (179, whole.end)
    assert late.rrsets == whole.rrsets and late.chains == whole.chains
    assert [span.begin for span in rotation_record.since(whole, 180).rrsets] == [100, 300]
    assert rotation_record.since(whole, -1) is whole
    ET.fromstring(record_svg.draw(rotation_record.since(whole, 1e6), ""))


def test_the_drawing_is_as_strict_as_the_policy() -> None:
    # The record of a CA that nobody serves: any match is enough only for senders that take any.
    beside = [_rrset(0, "K1"), _chain(0, "K1", "mx"), _rrset(50, "K1")]
    beside[0]["records"].append(record("another CA", 2).to_text())
    found = rotation_record.timeline(beside, POLICY)
    assert "NOT SAFE" in record_svg.draw(found, "")
    assert "NOT SAFE" not in record_svg.draw(found, "", strict=False)


@pytest.mark.parametrize("events", [[], GOOD[:1], [_rrset(0), _rrset(1e9, "K1")]])
def test_any_record_can_be_drawn(events: list[t.Any]) -> None:
    ET.fromstring(record_svg.draw(rotation_record.timeline(events, POLICY), ""))
