# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a rotation from the events of its journal, as a report shows it (F13)."""

from __future__ import annotations

import json
import typing as t
import xml.etree.ElementTree as ET

import pytest
from ansible.errors import AnsibleFilterError
from support.mail_site import OWNER, record

from ansible_collections.mailsec.dane.plugins.filter.rotation import rotation_record


def rrset(at: float, *labels: str, servers: tuple[str, ...] = ("ns1",)) -> dict[str, t.Any]:
    texts = [record(label).to_text() for label in labels]
    return {"at": at, "event": "rrset", "owner": OWNER, "records": texts, "ttl": 60, "servers": list(servers)}


def chain(at: float, label: str, *endpoints: str) -> dict[str, t.Any]:
    text = record(label).to_text()
    return {
        "at": at, "event": "chain", "endpoints": list(endpoints),
        "chain": {"identity": label, "key": text, "satisfies": [text]},
    }  # fmt: skip


EVENTS = [
    rrset(0, "K1"), chain(0, "K1", "mx"), rrset(100, "K1", "K2"), rrset(110, "K1", servers=()),
    chain(180, "K2", "mx"), chain(180, "K1"),
]  # fmt: skip


def test_the_record_is_data_and_a_drawing_and_always_the_same() -> None:
    made = rotation_record(EVENTS, "Rotation of mx.example.nl", policy={"application_cache": 10})
    assert made == rotation_record(EVENTS, "Rotation of mx.example.nl", policy={"application_cache": 10})
    assert made["timeline"]["gaps"] == [] and len(made["timeline"]["rrsets"]) == 2
    json.dumps(made["timeline"], allow_nan=False)
    ET.fromstring(made["svg"])
    assert "Rotation of mx.example.nl" in made["svg"]


def test_longer_caches_show_the_gap() -> None:
    (gap,) = rotation_record(EVENTS, policy={"application_cache": 20})["timeline"]["gaps"]
    assert (gap["begin"], gap["end"]) == (180, 190)


def test_what_is_over_can_be_left_out() -> None:
    assert len(rotation_record(EVENTS, since=185, policy={"application_cache": 10})["timeline"]["rrsets"]) == 1


@pytest.mark.parametrize(
    ("events", "more", "named"),
    [
        ("x", {}, "a list of events"),
        ([7], {}, "events\\[0\\]"),
        ([], {"policy": {"soaak": 1}}, "soaak"),
        ([], {"since": "x"}, "could not convert"),
    ],
)
def test_bad_input_is_named(events: t.Any, more: dict[str, t.Any], named: str) -> None:
    with pytest.raises(AnsibleFilterError, match=named):
        rotation_record(events, **more)
