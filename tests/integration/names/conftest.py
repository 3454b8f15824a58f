# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all tests here: a mail host that is made by hand, and an internal name server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_driver import machine  # noqa: F401  # pylint: disable=unused-import
from names_site import CORP, DIRECTORY, HOSTS, LIST, NAMED, PREFIX, REVERSE, SPLIT, TARGET, ZONES, NamesLab


@pytest.fixture(scope="session")
def lab() -> Iterator[NamesLab]:
    """The lab; its mail host is made by shell, as an administrator would."""
    made = NamesLab(
        DIRECTORY,
        {
            "lab_hosts": HOSTS,
            "lab_zones": ZONES,
            "lab_ipv4_prefix": PREFIX,
            "lab_repository_packages": ["bind9", "dnsmasq", "unbound", "dns-root-data", "systemd-resolved", "postfix"],
        },
    )
    made.playbook(lab_state="absent")
    made.playbook()
    zones = {"corp.lan": CORP, "split.nl": SPLIT, "list": LIST, "reverse": REVERSE}
    for name, text in (("named.conf", NAMED), *((f"db.{name}", text) for name, text in zones.items())):
        made.put("inside", f"/etc/bind/{name}", text)
    made.host("inside", "named-checkconf -z && systemctl restart named && systemctl is-active named")
    made.host(
        "d12",
        "postconf -e myhostname=d12.example.nl mydestination=localhost inet_interfaces=loopback-only"
        " smtp_tls_security_level=may maximal_backoff_time=5s minimal_backoff_time=5s"
        " && cp /etc/postfix/main.cf /etc/postfix/master.cf /etc/hosts /root/"
        " && systemctl enable -q --now postfix rsyslog",
    )
    made.host("d12", f"echo '{TARGET} onlyhosts.corp.test' >> /root/hosts")
    made.former()
    made.settings()
    yield made
    made.playbook(lab_state="absent")
