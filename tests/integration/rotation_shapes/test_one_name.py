# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two machines with two addresses behind one MX name and one TLSA base domain (F13, F14, F15)."""

from __future__ import annotations

import pytest
from lab_driver import Lab
from shape_site import Recorder, Shape, Traffic, example

OWNER = "_25._tcp.mx.example.nl"
HOSTS = ("mx1", "mx2")
STEADY_TASKS = 12


@pytest.fixture(scope="module")
def shape(lab: Lab) -> Shape:
    made = Shape(lab, example("Several hosts behind one name"))
    made.settle()
    return made


def recorder(shape: Shape) -> Recorder:
    return Recorder(shape, "mx.example.nl", [OWNER], [(host, 25) for host in HOSTS])


def is_steady(shape: Shape, generation: int = 1) -> None:
    """Assert that each host serves its own key, and that the union of what they need is published."""
    keys = [shape.key(host, slot) for host in HOSTS for slot in ("live", "next")]
    assert len(set(keys)) == 4
    assert [shape.served(host) for host in HOSTS] == [shape.key(host) for host in HOSTS]
    shape.publishes(OWNER, {*keys, shape.issuer(generation)})
    assert shape.journals("mx1") == ["mx1--mx.example.nl.journal"] and shape.journals("mx2") == []


def test_f13_each_host_gets_a_new_key_and_the_union_stays_published(shape: Shape) -> None:
    is_steady(shape)
    before = [shape.served(host) for host in HOSTS]
    with recorder(shape) as watched, Traffic(shape, "example.nl") as traffic:
        run = shape.rotate()
    assert all(shape.served(host) != key for host, key in zip(HOSTS, before, strict=True))
    is_steady(shape)
    assert [run.last(host) for host in HOSTS] == ["steady", "steady"]
    watched.is_sound()
    traffic.is_unharmed()
    # What the other host did last is news to the first one, once.
    shape.finish()
    run = shape.rotate(rotation_minimum_age=86400)
    for host in HOSTS:
        counts = run.counts(host)
        assert counts["changed"] == 0 and counts["ok"] <= STEADY_TASKS, run.output


@pytest.mark.long
def test_f15_the_old_ca_goes_when_the_last_host_has_left_it(shape: Shape) -> None:
    old = shape.issuer()
    with recorder(shape) as watched, Traffic(shape, "example.nl") as traffic:
        shape.play("mailsec.dane.rotate_ca", rotation_wait=True, certificate_authority_generation=2)
    is_steady(shape, 2)
    seen = watched.published(OWNER)
    both = [value for value in seen if {old, shape.issuer(2), shape.key("mx1")} <= value]
    assert both and shape.key("mx1") in seen[-1]
    without = [value for value in seen if old not in value]
    assert without and all({shape.issuer(2), *map(shape.key, HOSTS)} <= value for value in without)
    watched.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_a_host_that_cannot_be_reached_keeps_what_it_may_still_serve(shape: Shape) -> None:
    old = shape.issuer(2)
    third = {"certificate_authority_generation": 3, "rotation_wait": True}
    # Alone, the first host changes its own key, and does not stay for the other one.
    run = shape.play("mailsec.dane.rotate_ca", "--limit", "mx1,vantage,localhost", **third)
    assert run.last("mx1") == "steady"
    assert old in shape.records(OWNER) and shape.served("mx2") in shape.records(OWNER)
    shape.lab.inside("ip", "link", "set", "v-mx2", "down")
    run = shape.play("mailsec.dane.finish", "--limit", "mx1", **{**third, "rotation_wait": False})
    shape.lab.inside("ip", "link", "set", "v-mx2", "up")
    assert "it is not known what 198.51.100.12:25 serves" in run.text
    assert old in shape.records(OWNER) and shape.served("mx2") in shape.records(OWNER)
    with recorder(shape) as watched, Traffic(shape, "example.nl") as traffic:
        shape.play("mailsec.dane.rotate_ca", **third)
    is_steady(shape, 3)
    watched.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_a_host_that_no_run_ever_reached_blocks_every_removal(shape: Shape) -> None:
    before = shape.key("mx1")
    third = {"certificate_authority_generation": 3, "rotation_members": ["mx1", "mx2", "mx3"]}
    run = shape.rotate("--limit", "mx1", **third)
    assert "mx3 belongs to the same name, and no run has reached it yet" in run.text
    assert shape.served("mx1") != before and before in shape.records(OWNER)
    shape.finish(certificate_authority_generation=3)
    is_steady(shape, 3)
