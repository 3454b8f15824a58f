# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The default lab with two mail hosts, Debian 12 and 13, that begin bare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from lab_driver import CHECKOUT, Lab, machine  # noqa: F401  # pylint: disable=unused-import

DIRECTORY = Path("/var/lib/mailsec-dane-lab-site")
LEFT_OUT = {"mx2", "out1"}


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    defaults = yaml.safe_load((CHECKOUT / "roles/lab/defaults/main.yml").read_text())
    hosts = [host for host in defaults["lab_hosts"] if host["name"] not in LEFT_OUT]
    for host in hosts:
        if host["name"] == "mx3":
            host["groups"] = ["mail_inbound", "mail_outbound"]
    zones = defaults["lab_zones"]
    for zone in zones:
        if zone["name"] == "example.nl":
            zone["records"] = ["@ MX 10 mx1"]
    # A first record waits for both, and the run stays for rotation_patience at most.
    variables = {**defaults["lab_variables"], "rotation_effect": 120, "rotation_worker": 5}
    made = Lab(DIRECTORY, {"lab_hosts": hosts, "lab_zones": zones, "lab_variables": variables})
    made.playbook(lab_state="absent")
    made.playbook()
    yield made
    made.playbook(lab_state="absent")
