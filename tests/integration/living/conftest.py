# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs of hand-made mail hosts, with their name servers, two senders who enforce DANE, and what is inside.

A lab holds the hosts that one test needs, because Linux grants a user a limited number of inotify instances.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import enforcing_senders
import judge
import living_site
import pytest
import yaml
from lab_driver import CHECKOUT, Lab, machine  # noqa: F401  # pylint: disable=unused-import
from shapes import SHAPES, Shape

#: A lab named by the environment is used as it is, and stays.
KEPT = os.environ.get("MAILSEC_DANE_LAB")
DIRECTORY = Path(KEPT or "/var/lib/mailsec-dane-lab-living")
HOSTS = {"ns1", "ns2", "sender"}
#: Its resolver serves the mail hosts, too, but for those with name servers inside.
EXIM = {
    "name": "exim", "address": 21, "ipv6": True, "fqdn": "exim.outside.nl", "release": "bookworm", "role": "resolver",
    "groups": ["outside"], "packages": ["bind9-dnsutils", "exim4-daemon-heavy", "unbound"],
}  # fmt: skip
INSIDE = {
    "name": "inside", "address": 30, "fqdn": "mx2.provider.nl", "release": "bookworm", "role": "sender", "groups": [],
    "domains": [], "certificate_names": ["mx2.provider.nl"],
}  # fmt: skip
PACKAGES = ("bind9-dnsutils", "openssl", "postfix", "rsyslog")


def parameters(shape: Shape) -> dict[str, object]:
    defaults = yaml.safe_load((CHECKOUT / "roles/lab/defaults/main.yml").read_text())
    hosts = [host for host in defaults["lab_hosts"] if host["name"] in HOSTS]
    mail = {
        "name": shape.host, "address": shape.address, "fqdn": f"mx.{shape.name}.example.nl", "release": "bookworm",
        "packages": [*PACKAGES, *shape.packages], "groups": list(shape.groups),
        "variables": dict(shape.variables),
    }  # fmt: skip
    zones = [
        zone for zone in defaults["lab_zones"]
        if zone["name"] in {"lab-dns.nl", "outside.nl", "wrongtlsa.nl", "unsigned.nl", "bogus.nl"}
    ]  # fmt: skip
    zones += [
        {"name": "example.nl", "records": [f"{shape.name} MX 10 mx.{shape.name}", *shape.records]},
        {"name": "provider.nl", "records": [
            "@ MX 10 mx2", "_25._tcp.mx2 TLSA 3 1 1 {spki_sha256:inside}", f"smtp A 198.51.100.{INSIDE['address']}"]},
    ]  # fmt: skip
    # Every wait is short, and none is nothing.
    waits = {
        "rotation_application_cache": 3,
        "rotation_clock_margin": 2,
        "rotation_worker": 5,
        "rotation_soak": 6,
        "rotation_effect": 60,
        "rotation_repeats": 2,
        "rotation_poll": 3,
    }
    variables = {
        **defaults["lab_variables"], **waits, "tlsa_ttl": 60, "audit_managed": list(shape.mx_names),
        "audit_domains": list(shape.receives),
    }  # fmt: skip
    return {
        "lab_hosts": [*hosts, EXIM, INSIDE, mail], "lab_zones": zones, "lab_variables": variables,
        "lab_repository_packages": [*defaults["lab_repository_packages"], *shape.installs],
    }  # fmt: skip


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> Iterator[living_site.World]:
    """The lab around one host, by the name of its shape; the host is made as its administrator would.

    A second word stands for a host of the same shape that other tests have not touched.
    """
    shape = SHAPES[request.param.split()[0]]
    lab = Lab(DIRECTORY, parameters(shape))
    if not KEPT:
        lab.playbook(lab_state="absent")
    lab.playbook()
    made = living_site.World(lab, shape)
    if not (KEPT and made.exists()):
        enforcing_senders.prepare(lab)
        made.build()
    yield made
    if not KEPT:
        lab.playbook(lab_state="absent")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much mail was watched: a run without complaint about no mail would prove nothing."""
    if judge.EVIDENCE:
        terminalreporter.section("sessions and messages that were watched, and what the judge saw")
        for line in judge.EVIDENCE:
            terminalreporter.write_line(line)
