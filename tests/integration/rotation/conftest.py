# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One mail host, its primary and secondary name server, and two senders who enforce DANE."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import enforcing_senders
import pytest
import senders
import yaml
from lab_driver import CHECKOUT, Lab, machine  # noqa: F401  # pylint: disable=unused-import
from rotation_site import is_steady, make_steady, play

#: A lab named by the environment is used as it is, and stays.
KEPT = os.environ.get("MAILSEC_DANE_LAB")
DIRECTORY = Path(KEPT or "/var/lib/mailsec-dane-lab-rotation")
HOSTS = {"ns1", "ns2", "mx1", "sender"}
#: Its resolver serves the mail host, too, which asks for nothing that matters here.
EXIM = {
    "name": "exim", "address": 21, "ipv6": True, "fqdn": "exim.outside.nl", "release": "bookworm", "role": "resolver",
    "groups": ["outside"], "packages": ["bind9-dnsutils", "exim4-daemon-heavy", "unbound"],
}  # fmt: skip


def parameters() -> dict[str, object]:
    defaults = yaml.safe_load((CHECKOUT / "roles/lab/defaults/main.yml").read_text())
    hosts = [host for host in defaults["lab_hosts"] if host["name"] in HOSTS]
    for host in hosts:
        if host["name"] == "mx1":
            host["groups"] = ["mail_inbound"]
            host["variables"] = {"postfix_domains": ["example.nl"]}
    zones = [zone for zone in defaults["lab_zones"] if zone["name"] in {"lab-dns.nl", "example.nl", "outside.nl"}]
    for zone in zones:
        if zone["name"] == "example.nl":
            zone["records"] = ["@ MX 10 mx1"]
    # Every wait is short, and none is nothing.
    waits = {
        "rotation_application_cache": 3,
        "rotation_clock_margin": 2,
        "rotation_unknown_ttl": 8,
        "rotation_worker": 5,
        "rotation_soak": 6,
        "rotation_effect": 60,
        "rotation_repeats": 2,
        "rotation_poll": 3,
        # Long enough for the secondary, and shorter than every wait that the tests want to see.
        "rotation_patience": 4,
        "rotation_minimum_age": 0,
    }
    names = {**defaults["lab_variables"], **waits, "audit_domains": ["example.nl"], "audit_managed": ["mx1.example.nl"]}
    return {
        "lab_hosts": [*hosts, EXIM], "lab_zones": zones, "lab_variables": names,
        # The secondary follows late, which is when caches may still take the old RRset.
        "lab_notify_delay": 2,
    }  # fmt: skip


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    made = Lab(DIRECTORY, parameters())
    if not KEPT:
        made.playbook(lab_state="absent")
    made.playbook()
    enforcing_senders.prepare(made)
    yield made
    if not KEPT:
        made.playbook(lab_state="absent")


@pytest.fixture(scope="session")
def mail(lab: Lab) -> Lab:
    """The lab with the mail host set up, as inbound leaves it."""
    play(lab, "mailsec.dane.inbound")
    return lab


@pytest.fixture
def steady(mail: Lab) -> Lab:
    """The mail host as the end of a rotation leaves it, whatever was done to it before."""
    make_steady(mail)
    is_steady(mail)
    return mail


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much mail flowed: the numbers that docs/rotation-guide.md shows are these."""
    if senders.EVIDENCE:
        terminalreporter.section("mail that flowed meanwhile")
        for line in senders.table():
            terminalreporter.write_line(line)
