# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One key on several ports: the deployment waits for all owner names, each RRset is cleaned up by itself (F14)."""

from __future__ import annotations

import time

import pytest
from lab_driver import Lab
from shape_site import Recorder, Shape, Traffic, example

OWNERS = [f"_{port}._tcp.mx1.example.nl" for port in (25, 587, 465)]


@pytest.fixture(scope="module")
def shape(lab: Lab) -> Shape:
    made = Shape(lab, example("Several ports with one key"))
    made.settle()
    return made


@pytest.mark.long
def test_f14_a_record_missing_at_one_name_delays_the_deployment_at_all(shape: Shape) -> None:
    before, coming = shape.key("mx1"), shape.key("mx1", "next")
    for owner in OWNERS:
        shape.publishes(owner, {before, coming, shape.issuer()})
    shape.update("example.nl", f"update delete {OWNERS[1]} TLSA {coming}")
    ports = [("mx1", 25), ("mx1", 587)]
    with Recorder(shape, "mx1.example.nl", OWNERS, ports) as watched, Traffic(shape, "solo.nl") as traffic:
        run = shape.play("mailsec.dane.rotate")
        assert run.phases[-1] == "spreading" and OWNERS[1] in run.text
        assert shape.served("mx1") == shape.served("mx1", port=587) == before
        run = shape.finish()
    assert shape.served("mx1") == shape.served("mx1", port=587) == coming
    for owner in OWNERS:
        shape.publishes(owner, {coming, shape.key("mx1", "next"), shape.issuer()})
    watched.is_sound(chains=4)
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_a_stranger_at_one_name_does_not_keep_the_others_from_being_cleaned_up(shape: Shape) -> None:
    before, foreign = shape.key("mx1"), "3 1 1 " + "0f" * 32
    shape.update("example.nl", f"update add {OWNERS[2]} 5 TLSA {foreign}")
    time.sleep(6)
    shape.rotate()
    wanted = {shape.key("mx1"), shape.key("mx1", "next"), shape.issuer()}
    assert shape.key("mx1") != before
    for owner in OWNERS[:2]:
        shape.publishes(owner, wanted)
    shape.publishes(OWNERS[2], {*wanted, foreign})
