# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal on another host than the mail server: whoever lost its lease deploys nothing (B02, B03)."""

from __future__ import annotations

import pytest
from lab_driver import Lab
from shape_site import JOURNALS, Recorder, Shape, Traffic, example

OWNER = "_25._tcp.mx1.example.nl"
JOURNAL = f"{JOURNALS}/mx1--mx1.example.nl.journal"
#: Takes the lease away in the moment between what is written ahead and the deployment.
THIEF = """
import json, os, time

def is_begun():
    with open("{journal}") as file:
        chains = json.load(file)["content"]["journal"]["chains"]
    return any(one["intended"] and one["chain"]["key"] == "{key}" for one in chains)

while not is_begun():
    time.sleep(0.1)
time.sleep(0.5)
os.remove("{journal}.lease")
"""


@pytest.fixture(scope="module")
def shape(lab: Lab) -> Shape:
    made = Shape(lab, example("The journal on another host"))
    made.settle()
    return made


@pytest.mark.long
def test_b02_a_rotation_with_its_journal_elsewhere(shape: Shape) -> None:
    before = shape.key("mx1")
    with Recorder(shape, "mx1.example.nl", [OWNER], [("mx1", 25)]) as watched, Traffic(shape, "solo.nl") as traffic:
        shape.rotate()
    assert shape.served("mx1") == shape.key("mx1") != before
    assert shape.journals("mx1") == [] and shape.journals("mx2") == ["mx1--mx1.example.nl.journal"]
    watched.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_b03_a_lease_that_is_lost_before_the_deployment_stops_it(shape: Shape) -> None:
    before = shape.key("mx1")
    thief = THIEF.format(journal=JOURNAL, key=shape.key("mx1", "next"))
    shape.on("mx2", f"cat >/root/thief.py <<'END'\n{thief}END\nsystemd-run --quiet --collect python3 /root/thief.py")
    run = shape.rotate(check=False)
    # Nothing was done without it: a later run goes on.
    assert run.status == 4 and "the lease of" in run.text and "is lost" in run.text
    assert shape.served("mx1") == shape.key("mx1") == before
    assert shape.journals("mx1") == []
    shape.finish()
    assert shape.served("mx1") == shape.key("mx1") != before
