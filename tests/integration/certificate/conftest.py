# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that get certificates: a directory of this machine, and two bare hosts of a lab, Debian 12 and 13."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from certificate_site import RealHosts, Site
from lab_driver import Lab, machine  # noqa: F401  # pylint: disable=unused-import


@pytest.fixture
def here(tmp_path: Path) -> Site:
    """A "host" that is a directory of this machine."""
    host = {
        "ansible_connection": "local",
        "certificate_directory": str(tmp_path / "one"),
        "certificate_host_name": "one.example.nl",
    }
    return Site(tmp_path, {"one": host})


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHosts]:
    parameters = {
        "lab_ipv4_prefix": "192.0.2",
        "lab_ipv6_prefix": "2001:db8:52",
        "lab_hosts": [
            {"name": "dns", "address": 2, "fqdn": "dns.cert-lab.net", "role": "primary"},
            {"name": "res", "address": 3, "fqdn": "res.cert-lab.net", "role": "resolver"},
            {"name": "old", "address": 11, "fqdn": "old.cert-lab.net"},
            {"name": "new", "address": 12, "fqdn": "new.cert-lab.net", "release": "trixie"},
        ],
        "lab_zones": [{"name": "cert-lab.net"}],
    }
    lab = Lab(Path("/var/lib/mailsec-lab-cert"), parameters)
    lab.playbook(lab_state="absent")
    lab.playbook()
    yield RealHosts(lab, tmp_path_factory.mktemp("real"))
    lab.playbook(lab_state="absent")
