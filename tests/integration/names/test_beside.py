# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R-C, R-E: another program resolves names on loopback already. It keeps its port; what validates is used as it is."""

from __future__ import annotations

import typing as t

import pytest
from names_site import INSIDE, PREFIX

pytestmark = pytest.mark.long

ZONES = [{"name": "corp.lan", "addresses": [INSIDE]}]
NAMED = """options {{ directory "/var/cache/bind"; recursion yes; listen-on {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }}; dnssec-validation {validation}; forwarders {{ {forwarder}; }}; forward only;
  empty-zones-enable no; }};
zone "office.lan" {{ type primary; file "/etc/bind/db.office"; }};
{anchors}"""
OFFICE = f"$TTL 60\n@ SOA ns.office.lan. root 1 60 60 600 60\n@ NS ns.office.lan.\nns A {INSIDE}\nprinter A {PREFIX}.7"


def named(lab: t.Any, *, validates: bool) -> None:
    lab.former()
    lab.settings()
    lab.host("d12", "apt-get install -y -q bind9; systemctl stop named")
    anchors = ""
    if validates:
        words = lab.tell("d12", "cat /etc/lab/trust-anchor.ds").split()
        tag, algorithm, kind, *digest = words[words.index("DS") + 1 :]
        anchors = f'trust-anchors {{ . static-ds {tag} {algorithm} {kind} "{"".join(digest)}"; }};'
    text = NAMED.format(validation="yes" if validates else "no", forwarder=f"{PREFIX}.3", anchors=anchors)
    lab.put("d12", "/etc/bind/named.conf", text)
    lab.put("d12", "/etc/bind/db.office", OFFICE)
    lab.host("d12", "named-checkconf -z && systemctl enable -q named && systemctl start named")
    lab.host("d12", "echo nameserver 127.0.0.1 | tee /etc/resolv.conf > /var/spool/postfix/etc/resolv.conf")


@pytest.fixture(autouse=True)
def gone(lab: t.Any) -> t.Iterator[None]:
    yield
    lab.host("d12", "systemctl disable -q --now named dnsmasq systemd-resolved 2>/dev/null; true")


def test_a_bind_that_validates_is_used_and_nothing_is_installed(lab: t.Any) -> None:
    named(lab, validates=True)
    lab.host("d12", "apt-get purge -y -q unbound; rm -rf /etc/unbound")
    lab.host("d12", "postconf -e 'transport_maps=inline:{ {corp.example=smtp:[printer.office.lan]} }'; postfix reload")
    lab.role("resolver", resolver_trust_anchor_file="", resolver_root_hints_file="").succeeded()
    assert lab.tell("d12", "test -e /usr/sbin/unbound || dig +short printer.office.lan") == f"{PREFIX}.7"
    assert "trust-ad" in lab.tell("d12", "cat /etc/resolv.conf")
    again = lab.role("resolver", resolver_trust_anchor_file="", resolver_root_hints_file="").succeeded()
    assert again.changed == {"d12": 0}
    lab.role("resolver", resolver_state="absent").succeeded()
    assert lab.tell("d12", "cat /etc/resolv.conf; systemctl is-active named") == "nameserver 127.0.0.1\nactive"


def test_a_bind_that_does_not_validate_stays_and_the_way_on_is_named(lab: t.Any) -> None:
    named(lab, validates=False)
    text = lab.role("resolver").refused()
    assert "named listens on 127.0.0.1 port 53" in text and "resolver_address: 127.0.0.2" in text
    assert lab.tell("d12", "cat /etc/resolv.conf; systemctl is-active named") == "nameserver 127.0.0.1\nactive"
    lab.host("d12", "postconf -e 'transport_maps=inline:{ {corp.example=smtp:[printer.office.lan]} }'; postfix reload")
    # Its own zones are known to it alone: they are asked for there, beside it.
    assert "host printer.office.lan" in lab.role("resolver", resolver_address="127.0.0.2").refused()
    office = [{"name": "office.lan", "addresses": ["127.0.0.1"]}]
    lab.role("resolver", resolver_address="127.0.0.2", resolver_forward_zones=office).succeeded()
    assert lab.tell("d12", "grep nameserver /etc/resolv.conf; dig +short printer.office.lan") == (
        f"nameserver 127.0.0.2\n{PREFIX}.7"
    )
    assert lab.tell("d12", "dig +short @127.0.0.1 printer.office.lan") == f"{PREFIX}.7"
    again = lab.role("resolver", resolver_address="127.0.0.2", resolver_forward_zones=office).succeeded()
    assert again.changed == {"d12": 0}


def test_a_dnsmasq_on_every_address_is_not_pushed_aside(lab: t.Any) -> None:
    lab.former()
    lab.settings()
    lab.host(
        "d12",
        "systemctl mask -q dnsmasq; apt-get install -y -q dnsmasq; systemctl unmask -q dnsmasq;"
        f" printf 'no-resolv\\nserver={INSIDE}\\n' > /etc/dnsmasq.conf; systemctl restart dnsmasq",
    )
    text = lab.role("resolver", resolver_address="127.0.0.2").refused()
    assert "dnsmasq listens on" in text and "bind-interfaces" in text
    assert lab.tell("d12", "systemctl is-active dnsmasq; grep -c nameserver /etc/resolv.conf") == "active\n1"


def test_the_link_domains_of_systemd_resolved_are_not_lost(lab: t.Any) -> None:
    """R-E: resolv.conf leads to systemd-resolved, which asks the inside servers for the domains of a link only."""
    lab.former()
    lab.settings()
    lab.host("d12", "apt-get install -y -q systemd-resolved && mkdir -p /etc/systemd/resolved.conf.d")
    lab.put(
        "d12", "/etc/systemd/resolved.conf.d/lab.conf",
        f"[Resolve]\nDNS={PREFIX}.3\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\nFallbackDNS=",
    )  # fmt: skip
    lab.host("d12", "systemctl unmask -q systemd-resolved; systemctl enable -q --now systemd-resolved")
    link = lab.tell("d12", "ip -o -4 addr show | awk '$2 != \"lo\" {print $2; exit}'").partition("@")[0]
    lab.host("d12", f"resolvectl dns {link} {INSIDE}; resolvectl domain {link} '~corp.lan'")
    lab.host("d12", "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")
    text = lab.role("resolver").refused()
    assert "zone corp.lan (link domains of systemd-resolved)" in text
    assert "{name: corp.lan, addresses: [" in text and INSIDE in text.partition("addresses: [")[2][:60]
    assert lab.tell("d12", "readlink /etc/resolv.conf") == "../run/systemd/resolve/stub-resolv.conf"
    lab.role("resolver", resolver_forward_zones=ZONES).succeeded()
    assert lab.tell("d12", "dig +short exch.corp.lan") == f"{PREFIX}.20"
    lab.role("resolver", resolver_state="absent").succeeded()
    assert lab.tell("d12", "readlink /etc/resolv.conf") == "../run/systemd/resolve/stub-resolv.conf"
    lab.host("d12", "systemctl disable -q --now systemd-resolved; rm /etc/resolv.conf")
