# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of the core: arrows one way only, what is pure loads no network, and the drawing is current."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.script import load

PAGES = load("rooms_page")

#: What decides without looking. Libraries that load the network by themselves are not among their imports either.
PURE = (
    "_findings", "_catalogue", "_probe", "_audit.verdict", "_audit.verdict_findings", "_audit.ca_findings",
    "_audit.zone_findings", "_audit.policy_findings", "_audit.report", "_dane.matching", "_dns.view", "_publish.check",
    "_rotation.planner", "_rotation.guards", "_rotation.learn", "_rotation.findings", "_rotation.decide",
    "_smtp.findings", "_tls_scan.report",
)  # fmt: skip
NETWORK = ("socket", "ssl", "asyncio")
#: What a mail server need not have.
BEYOND = ("dns", "cryptography", "netaddr", "tlslite", "ansible")


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    return done.stdout


def test_every_room_has_its_place() -> None:
    assert {PAGES.room(name) for name in PAGES.files()} == {*PAGES.ROOMS, ""}


def test_arrows_point_one_way_only() -> None:
    place = {one: number for number, one in enumerate(("", *PAGES.ROOMS))}
    upwards = [
        f"{name} uses {other}"
        for name, path in PAGES.files().items()
        for other in sorted(PAGES.imports(path))
        if place[PAGES.room(other)] > place[PAGES.room(name)]
    ]
    assert upwards == []


@pytest.mark.slow
def test_mail_hosts_and_controllers_have_rooms_of_their_own() -> None:
    """What runs on a mail server uses certificates and findings, and nothing that looks at the network."""
    used = {other for room, other in PAGES.arrows() if room == "_mailhost"}
    assert used <= {"_pki", "_dns"}
    assert not [room for room, other in PAGES.arrows() if other == "_mailhost"]


@pytest.mark.parametrize("name", PURE)
def test_what_decides_loads_no_network(name: str) -> None:
    known = run(f"import sys, {PAGES.PACKAGE}.{name}; print(*sys.modules)").split()
    assert [one for one in NETWORK if one in known] == []


@pytest.mark.parametrize("name", [name for name in PAGES.files() if name.startswith("_mailhost.")])
def test_what_runs_on_mail_servers_needs_the_standard_library_only(name: str) -> None:
    run(f"import sys; sys.modules.update(dict.fromkeys({BEYOND})); import {PAGES.PACKAGE}.{name}")


def test_the_drawing_is_current() -> None:
    assert PAGES.PAGE.read_text() == PAGES.page(), "run: make rooms"
