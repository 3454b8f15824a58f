# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The factsheet's two procedures, with their guards: one record always matches, and the run says what is not kept."""

from __future__ import annotations

import pytest
from lab_driver import Lab
from shape_site import Recorder, Shape, Traffic, example

OWNER = "_25._tcp.mx1.example.nl"


@pytest.fixture(scope="module")
def shape(lab: Lab) -> Shape:
    made = Shape(lab, example("The factsheet's two records"))
    made.settle()
    return made


def recorder(shape: Shape) -> Recorder:
    return Recorder(shape, "mx1.example.nl", [OWNER], [("mx1", 25)])


@pytest.mark.long
def test_f15_a_new_key_of_the_same_ca_goes_live_before_its_record(shape: Shape) -> None:
    before, ca = shape.key("mx1"), shape.issuer()
    shape.publishes(OWNER, {before, ca})
    with recorder(shape) as watched, Traffic(shape, "solo.nl") as traffic:
        run = shape.rotate()
    assert "compatibility mode" in run.text and "RFC 7671 section 8 is not kept" in run.text
    after = shape.key("mx1")
    assert shape.served("mx1") == after != before
    shape.publishes(OWNER, {after, ca})
    deployed = watched.deployments()[0][0]
    named = [event["at"] for event in watched.events if event["event"] == "rrset" and after in event["records"]]
    assert deployed < min(named)
    assert all(ca in value for value in watched.published(OWNER))
    watched.is_sound(strict=False)
    traffic.is_unharmed()


@pytest.mark.long
def test_f15_the_record_of_the_ca_moves_only_while_the_key_carries(shape: Shape) -> None:
    old = shape.issuer()
    shape.rotate()
    before = shape.key("mx1")
    with recorder(shape) as watched, Traffic(shape, "solo.nl") as traffic:
        # Caches may still have the former 3 1 1, so that nothing but 2 1 1 carries.
        run = shape.play("mailsec.dane.rotate_ca", rotation_wait=True, certificate_authority_generation=2)
    new, after = shape.issuer(2), shape.key("mx1")
    assert "where only the record of the CA matches" in run.text or "caches may hold" in run.text
    assert shape.served("mx1") == after != before
    shape.publishes(OWNER, {after, new})
    published = watched.published(OWNER)
    assert published.index({before, new}) < len(published) - 1 - published[::-1].index({after, new})
    assert {after, old} not in published
    watched.is_sound(strict=False)
    traffic.is_unharmed()
