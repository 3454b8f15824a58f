# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labs of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_driver import Lab, machine  # noqa: F401  # pylint: disable=unused-import


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The default lab in a directory of its own; the last test takes it down."""
    made = Lab(Path("/var/lib/mailsec-dane-lab-test"), {})
    made.playbook(lab_state="absent")
    made.playbook()
    yield made
    made.playbook(lab_state="absent")


@pytest.fixture
def small() -> Iterator[Lab]:
    """Three hosts and one zone on other addresses: a lab that shares nothing with the default one but the role."""
    hosts = [
        {"name": "dns", "address": 2, "fqdn": "dns.test-lab.net", "role": "primary", "release": "bookworm"},
        {"name": "res", "address": 3, "fqdn": "res.test-lab.net", "role": "resolver", "release": "bookworm"},
        {"name": "mx", "address": 4, "fqdn": "mx.test-lab.net", "release": "trixie", "groups": ["mail"]},
    ]
    zones = [{"name": "test-lab.net", "ttl": 7, "records": ["@ MX 10 mx"]}]
    parameters = {"lab_hosts": hosts, "lab_zones": zones, "lab_ipv4_prefix": "203.0.113"}
    made = Lab(Path("/var/lib/mailsec-dane-lab-small"), parameters)
    made.playbook(lab_state="absent")
    yield made
    made.playbook(lab_state="absent")
