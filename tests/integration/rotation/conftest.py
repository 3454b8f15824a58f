# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One mail host, its primary and secondary name server, and a sender who enforces DANE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from lab_driver import CHECKOUT, Lab, machine  # noqa: F401  # pylint: disable=unused-import

DIRECTORY = Path("/var/lib/mailsec-dane-lab-rotation")
HOSTS = {"ns1", "ns2", "resolver", "mx1", "sender"}


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
        "rotation_minimum_age": 0,
    }
    names = {**defaults["lab_variables"], **waits, "audit_domains": ["example.nl"], "audit_managed": ["mx1.example.nl"]}
    return {"lab_hosts": hosts, "lab_zones": zones, "lab_variables": names}


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    made = Lab(DIRECTORY, parameters())
    made.playbook(lab_state="absent")
    made.playbook()
    yield made
    made.playbook(lab_state="absent")
