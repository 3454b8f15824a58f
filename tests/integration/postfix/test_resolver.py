# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""F20: the resolver is proven before the host uses it, and the host is never left without name resolution."""

from __future__ import annotations

import json
import re
import typing as t

import pytest

ORIGINAL = "nameserver 192.0.2.3\noptions edns0 trust-ad\n"
LINK = "ln -sf /run/elsewhere.conf /etc/resolv.conf"


def findings(run: t.Any) -> dict[str, str]:
    """Codes of findings, with their evidence, from the failed tasks of a run."""
    return dict(re.findall(r"code: ([a-z-]+)\s+evidence: '?(.*)", run.output))


def put_former(lab: t.Any) -> None:
    """Both hosts as they were at first: the lab's resolver in resolv.conf, which is a link to a file on one of them."""
    lab.host("mail", f"printf '{ORIGINAL}' > /run/elsewhere.conf; {LINK}")
    lab.host("d12", f"rm /etc/resolv.conf; printf '{ORIGINAL}' > /etc/resolv.conf")


@pytest.fixture
def former(lab: t.Any) -> None:
    put_former(lab)


@pytest.fixture
def proven(lab: t.Any) -> None:
    """A resolver that validates, and resolv.conf as it was before it was used."""
    lab.role("resolver").succeeded()
    put_former(lab)


def untouched(lab: t.Any) -> bool:
    for host in ("d12", "d13"):
        assert lab.tell(host, "cat /etc/resolv.conf") == ORIGINAL.strip()
        assert lab.tell(host, "getent hosts sender.outside.nl").split()[0] == "192.0.2.20"
    return lab.tell("d13", "readlink /etc/resolv.conf") == "/run/elsewhere.conf"


@pytest.mark.parametrize(
    ("settings", "codes", "evidence"),
    [
        ({"module-config": '"iterator"'}, "resolver-not-validating resolver-accepts-bogus",
         "lab-dns.nl SOA: NOERROR, AD=0, 1 records"),
        ({"val-permissive-mode": "yes"}, "resolver-accepts-bogus", "bogus.nl SOA: NOERROR, AD=0, 1 records"),
        ({"val-override-date": '"20200101000000"'}, "dns-servfail", "lab-dns.nl SOA: SERVFAIL"),
        ({"access-control": "127.0.0.1/32 refuse"}, "dns-refused", "lab-dns.nl SOA: REFUSED"),
    ],
)  # fmt: skip
def test_f20_a_resolver_that_does_not_validate_is_not_used(
    lab: t.Any, former: None, settings: dict[str, str], codes: str, evidence: str
) -> None:
    run = lab.role("resolver", resolver_settings=settings, resolver_timeout=2)
    text = run.refused()
    assert findings(run).keys() == set(codes.split()) and evidence in text
    assert "/etc/resolv.conf was left as it is" in text
    assert untouched(lab)


def test_f20_no_resolver_at_all(lab: t.Any, former: None) -> None:
    lab.host("mail", "systemctl stop unbound")
    run = lab.module("resolv_conf", timeout=1)
    assert "dns-unreachable" in run.refused() and untouched(lab)
    lab.host("mail", "systemctl start unbound")


def test_f20_a_resolver_that_hangs_is_told_from_one_that_is_down(lab: t.Any, former: None) -> None:
    lab.host("mail", "systemctl kill -s STOP unbound")
    try:
        run = lab.module("resolv_conf", timeout=1)
    finally:
        lab.host("mail", "systemctl kill -s CONT unbound")
    assert "dns-timeout" in run.refused() and untouched(lab)


def test_f20_a_path_that_hides_the_ad_bit_is_taken_back(lab: t.Any, proven: None) -> None:
    """The resolver validates, but programs would not see it: file and link come back."""
    run = lab.module("resolv_conf", secure_name="lab-dns.nl", bogus_name="bogus.nl", options=["edns0"])
    assert "was put back as it was" in run.refused()
    assert findings(run).keys() == {"resolv-conf-trust-ad-missing"}
    assert untouched(lab)


def test_f20_check_mode_tells_and_does_not_fail(lab: t.Any, proven: None) -> None:
    show = {
        "name": "Show",
        "ansible.builtin.debug": {"msg": "{{ seen.findings | map(attribute='code') | list | to_json }}"},
    }
    look = {"name": "Look", "mailsec.dane.resolv_conf": {"secure_name": "lab-dns.nl"}, "register": "seen"}
    run = lab.play([look, show], "--check", "--diff").succeeded()
    assert run.output.count(json.dumps(["resolv-conf-foreign-nameserver"])) == 2
    assert run.changed == {"d12": 1, "d13": 1} and run.output.count("+nameserver 127.0.0.1") == 2
    assert untouched(lab)


def test_f20_proven_and_used_and_other_writers_kept_off(lab: t.Any, proven: None) -> None:
    lab.host("mail", "sed -i '1i search office.example.nl' $(readlink -f /etc/resolv.conf)")
    lab.host("d12", "mkdir -p /etc/dhcp/dhclient-enter-hooks.d")
    lab.host(
        "d13", "mkdir -p /etc/NetworkManager/conf.d; touch /etc/dhcpcd.conf; echo 'echo mine' > /etc/dhcpcd.enter-hook"
    )
    run = lab.role("resolver").succeeded()
    assert "/etc/dhcpcd.enter-hook is not ours" in " ".join(run.output.split())
    for host in ("d12", "d13"):
        lines = lab.tell(host, "cat /etc/resolv.conf").splitlines()[1:]
        assert lines == ["search office.example.nl", "nameserver 127.0.0.1", "options edns0 trust-ad"]
    assert lab.tell("d13", "test -L /etc/resolv.conf || echo file") == "file"
    hook = "/etc/dhcp/dhclient-enter-hooks.d/zz-mailsec-dane"
    assert lab.tell("d12", f"make_resolv_conf() {{ echo written; }}; . {hook}; make_resolv_conf") == ""
    assert "dns=none" in lab.tell("d13", "cat /etc/NetworkManager/conf.d/zz-mailsec-dane.conf")
    assert lab.tell("d13", "cat /etc/dhcpcd.enter-hook") == "echo mine"
    again = lab.role("resolver").succeeded()
    assert again.changed == {"d12": 0, "d13": 0} and max(again.ok.values()) <= 1 + 4


def test_f20_a_host_is_found_out_after_somebody_added_a_name_server(lab: t.Any) -> None:
    lab.host("mail", "echo nameserver 192.0.2.3 >> /etc/resolv.conf")
    run = lab.role("resolver", "--check", "--diff").succeeded()
    assert "-nameserver 192.0.2.3" in run.output and "resolv-conf-foreign-nameserver" in run.output
    assert lab.role("resolver").succeeded().changed == {"d12": 1, "d13": 1}
    assert lab.tell("d12", "grep -c nameserver /etc/resolv.conf") == "1"


def test_f20_a_bogus_zone_that_cannot_be_reached_is_a_warning(lab: t.Any) -> None:
    run = lab.role("resolver", resolver_bogus_name="no-such-zone.nl").succeeded()
    assert "not proven: whether bogus data is refused: no-such-zone.nl gave NXDOMAIN" in " ".join(run.output.split())


def test_f20_a_reboot_keeps_it(lab: t.Any) -> None:
    lab.play([{"name": "Reboot", "ansible.builtin.reboot": {}}]).succeeded()
    lab.role("resolver").succeeded()
    assert lab.role("resolver").succeeded().changed == {"d12": 0, "d13": 0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolvers": ["192.0.2.3"]}, "resolvers has '192.0.2.3': only a loopback address"),
        ({"resolvers": []}, "resolvers is empty"),
        ({"resolvers": ["localhost"]}, "resolvers has 'localhost': only a loopback address"),
        ({"port": 54}, "port is 54: resolv.conf cannot name a port. Set only_prove: true"),
        ({"bogus_name": "a..b"}, "bogus_name: 'a..b' is not a domain name"),
        ({"options": ["trust-ad edns0"]}, "options has 'trust-ad edns0': an option is a single word"),
    ],
)  # fmt: skip
def test_bad_options_are_named(lab: t.Any, options: dict[str, t.Any], message: str) -> None:
    assert message in lab.module("resolv_conf", **options).refused()
