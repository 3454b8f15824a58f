# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""F22, F23: inbound and outbound alone, in both orders, on a Postfix that somebody else configured before. Tests build
on each other, in the order of this file."""

from __future__ import annotations

import typing as t

import pytest

# Whole files that were not seen to pass on this state: they belong to the rehearsal until they were.
pytestmark = pytest.mark.long

HOSTS = ("d12", "d13")
INBOUND, OUTBOUND = {"postfix_outbound": False}, {"postfix_inbound": False}

MINE = """\
# Configured by hand, and commented
compatibility_level = 3.6
myhostname = {name}
mydestination = $myhostname, localhost
inet_interfaces = all
smtpd_client_restrictions = permit_mynetworks,
    # the neighbours
    reject_unknown_client_hostname

my_own = $myhostname
smtpd_helo_restrictions = check_helo_access static:{{$my_own}}
old_unused = 1
smtp_tls_security_level = may
smtpd_tls_security_level = none
recipient_delimiter = -
"""


def option(lab: t.Any, host: str, name: str) -> str:
    """The -o setting of the service on port 25."""
    text: str = lab.tell(host, f"postconf -Ph smtp/inet/{name} 2>/dev/null")
    return text


def test_f23_by_hand_first(lab: t.Any) -> None:
    lab.make_keychain()
    lab.host("mail", "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install postfix >/dev/null 2>&1")
    for host in ("d12", "d13"):
        text = MINE.format(name=f"{host}.example.nl")
        copy = {"content": text, "dest": "/etc/postfix/main.cf", "mode": "0640", "owner": "root", "group": "adm"}
        lab.play([{"name": "By hand", "ansible.builtin.copy": copy}], hosts=host).succeeded()
    lab.host("mail", "postfix reload")


def test_f22_f23_one_half_leaves_the_other_alone(lab: t.Any) -> None:
    tasks = []
    for host, half in (("d12", INBOUND), ("d13", OUTBOUND)):
        role = {"ansible.builtin.include_role": {"name": "mailsec.dane.postfix"}}
        tasks.append({"name": host, "when": f"inventory_hostname == '{host}'", "vars": half, **role})
    lab.play(tasks, "--diff").succeeded()
    inbound, outbound = lab.settings("d12"), lab.settings("d13")
    # What comes in on port 25 is set there; main.cf, which other services have too, stays.
    assert option(lab, "d12", "smtpd_tls_security_level") == "may" and option(lab, "d13", "smtpd_tls_chain_files") == ""
    assert inbound["smtpd_tls_security_level"] == "none" and inbound["smtp_tls_security_level"] == "may"
    assert "smtp_dns_support_level" not in inbound
    assert outbound["smtpd_tls_security_level"] == "none" and outbound["smtp_tls_security_level"] == "dane"
    assert lab.tell("d13", "test -e /etc/postfix/mailsec-dane-openssl.cnf || echo none") == "none"


def test_f23_the_other_half_undoes_nothing(lab: t.Any) -> None:
    tasks = []
    for host, half in (("d12", OUTBOUND), ("d13", INBOUND)):
        role = {"ansible.builtin.include_role": {"name": "mailsec.dane.postfix"}}
        tasks.append({"name": host, "when": f"inventory_hostname == '{host}'", "vars": half, **role})
    lab.play(tasks).succeeded()
    # What both halves together ask for is there, whichever came first.
    assert lab.role("postfix").succeeded().changed == {"d12": 0, "d13": 0}
    older, newer = lab.settings("d12"), lab.settings("d13")
    # The default of Debian 12's Postfix is "dane" only while the level of main.cf is, so that a policy map would turn
    # it off: it is set there. Debian 13 has it mended.
    only_older = {"smtp_tls_dane_insecure_mx_policy"}
    assert older.keys() - newer.keys() == only_older and newer.keys() <= older.keys()
    assert [lab.tell(host, f"postconf -h {name} 2>/dev/null") for host in HOSTS for name in only_older] == [
        "dane",
        "dane",
    ]
    assert {name for name in newer if older[name] != newer[name]} == {"myhostname"}
    assert "X25519MLKEM768" in option(lab, "d13", "tls_eecdh_auto_curves")
    assert "X25519MLKEM768" not in option(lab, "d12", "tls_eecdh_auto_curves")


def test_what_was_set_by_hand_is_kept_to_the_byte(lab: t.Any) -> None:
    for host in ("d12", "d13"):
        text = lab.tell(host, "cat /etc/postfix/main.cf") + "\n"
        assert lab.tell(host, "stat -c '%U %G %a' /etc/postfix/main.cf") == "root adm 640"
        ours = text.replace("smtp_tls_security_level = dane", "smtp_tls_security_level = may")
        assert ours.startswith(MINE.format(name=f"{host}.example.nl"))


def test_parameters_and_services_of_ones_own_win(lab: t.Any) -> None:
    own = {
        "postfix_parameters": {"tls_eecdh_auto_curves": "X25519 prime256v1", "smtpd_tls_loglevel": None, "biff": False},
        "postfix_services": [{"name": "10025", "type": "inet", "command": "smtpd", "parameters": {"syslog_name": "x"}}],
    }
    assert lab.role("postfix", **own).succeeded().changed == {"d12": 2, "d13": 2}
    assert lab.role("postfix", **own).succeeded().changed == {"d12": 0, "d13": 0}
    for host in ("d12", "d13"):
        settings = lab.settings(host)
        assert settings["tls_eecdh_auto_curves"] == "X25519 prime256v1" and settings["biff"] == "no"
        assert "smtpd_tls_loglevel" not in settings and option(lab, host, "smtpd_tls_loglevel") == ""
        assert option(lab, host, "tls_eecdh_auto_curves") == ""
        assert lab.tell(host, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/10025; head -c 3 <&3'") == "220"


def test_a_parameter_that_needs_a_restart_gets_one(lab: t.Any) -> None:
    pids = "cat /var/spool/postfix/pid/master.pid"
    before = {host: lab.tell(host, pids) for host in ("d12", "d13")}
    lab.role("postfix", hosts="d12", postfix_parameters={"inet_protocols": "ipv4"}).succeeded()
    lab.role("postfix", hosts="d13", postfix_parameters={"biff": True}).succeeded()
    assert lab.tell("d12", pids) != before["d12"]
    assert lab.tell("d13", pids) == before["d13"]
