# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two mail hosts in whatever shape a test wants, their name servers, and a sender who enforces DANE."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from lab_driver import CHECKOUT, Lab, machine  # noqa: F401  # pylint: disable=unused-import

#: A lab named by the environment is used as it is, and stays.
KEPT = os.environ.get("MAILSEC_DANE_LAB")
DIRECTORY = Path(KEPT or "/var/lib/mailsec-dane-lab-shapes")
HOSTS = {"ns1", "ns2", "resolver", "mx1", "mx2", "sender"}
DOMAINS = ["example.nl", "pair.nl", "solo.nl", "alias.nl"]


def parameters() -> dict[str, object]:
    defaults = yaml.safe_load((CHECKOUT / "roles/lab/defaults/main.yml").read_text())
    hosts = [host for host in defaults["lab_hosts"] if host["name"] in HOSTS]
    for host in hosts:
        if host["name"].startswith("mx"):
            host |= {"groups": [], "ipv6": False, "variables": {"postfix_domains": DOMAINS}}
    zones = [zone for zone in defaults["lab_zones"] if zone["name"] in {"lab-dns.nl", "outside.nl"}]
    zones += [
        {
            "name": "example.nl",
            "records": [
                "@ MX 10 mx", "mx A 198.51.100.11", "mx A 198.51.100.12",
                "mail A 198.51.100.11", "_25._tcp.mail CNAME mx._tlsa.tlsa.nl.",
            ],
        },
        {"name": "pair.nl", "records": ["@ MX 10 mx1.example.nl.", "@ MX 20 mx2.example.nl."]},
        {"name": "solo.nl", "records": ["@ MX 10 mx1.example.nl."]},
        {"name": "alias.nl", "records": ["@ MX 10 mail.example.nl."]},
        {"name": "tlsa.nl"},
    ]  # fmt: skip
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
        "rotation_patience": 4,
        "rotation_minimum_age": 0,
    }
    variables = {**defaults["lab_variables"], **waits, "audit_domains": [], "audit_managed": []}
    return {"lab_hosts": hosts, "lab_zones": zones, "lab_variables": variables}


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    made = Lab(DIRECTORY, parameters())
    if not KEPT:
        made.playbook(lab_state="absent")
    made.playbook()
    yield made
    if not KEPT:
        made.playbook(lab_state="absent")
