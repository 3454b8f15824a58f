# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail host as people have them: made by hand, with internal names that only its own name server or /etc/hosts knows.

Oracle is mail: a message to each target before and after, and what Postfix's log says about it; and dig.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import lab_driver

DIRECTORY = Path("/var/lib/mailsec-dane-lab-names")
PREFIX = "192.0.2"
INSIDE = f"{PREFIX}.4"
TARGET = f"{PREFIX}.20"
HOSTS = [
    {"name": "ns", "address": 2, "fqdn": "ns.lab-dns.nl", "role": "primary"},
    {"name": "res", "address": 3, "fqdn": "res.lab-dns.nl", "role": "resolver"},
    {"name": "inside", "address": 4, "fqdn": "inside.lab-dns.nl", "packages": ["bind9"]},
    {"name": "sender", "address": 20, "fqdn": "sender.outside.nl", "role": "sender",
     "domains": ["outside.nl", "hosts.example", "corp.example", "plain.example", "pattern.example", "filter.example",
                 "inline.example", "split.nl", "deep.split.nl"],
     "certificate_names": ["sender.outside.nl"]},
    {"name": "d12", "address": 12, "fqdn": "d12.example.nl", "groups": ["mail"],
     "packages": ["postfix", "postfix-pcre", "postfix-ldap", "bind9-dnsutils", "swaks", "rsyslog"]},
]  # fmt: skip
ZONES = [
    {"name": "lab-dns.nl"},
    {"name": "example.nl", "records": ["@ MX 10 d12"]},
    {"name": "outside.nl", "records": ["@ MX 10 sender", "_25._tcp.sender TLSA 3 1 1 {spki_sha256:sender}"]},
    # Signed outside; inside the company the same names have other addresses, without signatures.
    {"name": "split.nl", "records": ["@ MX 10 mail", f"mail A {PREFIX}.99", f"imap A {PREFIX}.99"]},
    {"name": "unsigned.nl", "signed": False, "records": ["@ MX 10 mail", f"mail A {PREFIX}.20"]},
    {"name": "bogus.nl", "signed": False, "parent_ds": True, "records": [
        "@ MX 10 mail", f"mail A {PREFIX}.20", "public MX 10 host.public", "host.public A 9.9.9.9"]},
]  # fmt: skip
RESOLVER = {
    "resolver_trust_anchor_file": "/etc/lab/trust-anchor.ds",
    "resolver_root_hints_file": "/etc/lab/root.hints",
    "resolver_secure_name": "lab-dns.nl",
    "resolver_bogus_name": "bogus.nl",
    "resolver_unsigned_name": "unsigned.nl",
}
#: Everything of the internal name server; recursion goes to the lab's resolver. That one validates, so what it would
#: refuse is asked for at its own server.
NAMED = f"""
options {{ directory "/var/cache/bind"; recursion yes; allow-query {{ any; }}; allow-recursion {{ any; }};
  dnssec-validation no; forwarders {{ {PREFIX}.3; }}; forward only; listen-on-v6 {{ none; }};
  empty-zones-enable no; }};
zone "bogus.nl" {{ type static-stub; server-addresses {{ {PREFIX}.2; }}; }};
zone "corp.lan" {{ type primary; file "/etc/bind/db.corp.lan"; }};
zone "split.nl" {{ type primary; file "/etc/bind/db.split.nl"; }};
zone "10.in-addr.arpa" {{ type primary; file "/etc/bind/db.reverse"; }};
zone "list.corp.lan" {{ type primary; file "/etc/bind/db.list"; }};
"""
#: This file as package unbound has it.
ANCHOR = """server:
    # The following line will configure unbound to perform cryptographic
    # DNSSEC validation using the root trust anchor.
    auto-trust-anchor-file: "/var/lib/unbound/root.key"
"""
HEAD = "$TTL 60\n@ SOA ns.corp.lan. root.corp.lan. 1 60 60 600 60\n@ NS ns.corp.lan.\n"
CORP = f"{HEAD}ns A {INSIDE}\nexch A {TARGET}\nmilter A {TARGET}\ndc1 A {TARGET}\n@ MX 10 exch\nsub MX 10 exch\n"
SPLIT = f"{HEAD}@ MX 10 mail\nmail A {TARGET}\nimap A {TARGET}\ndeep MX 10 imap\n"
REVERSE = f"{HEAD}1.0.0 PTR exch.corp.lan.\n"
LIST = f"{HEAD}2.0.0.127 A 127.0.0.2\n20.2.0.192 A 127.0.0.2\n"


class Run:
    """One run of Ansible: its output, and what the recap says of each host."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.output = done.stdout + done.stderr
        self.text = " ".join(self.output.split())
        recap = re.findall(r"^(\w+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=0\s+failed=(\d+)", self.output, re.M)
        assert recap, self.output
        self.changed = {host: int(changed) for host, dummy, changed, *more in recap}
        self.failed = {host: int(failed) for host, *more, failed in recap}

    def succeeded(self) -> Run:
        assert not any(self.failed.values()), self.output
        return self

    def refused(self) -> str:
        """The output of a run in which every host failed, without line folding."""
        assert self.failed and all(self.failed.values()), self.output
        return self.text


class NamesLab(lab_driver.Lab):  # type: ignore[misc]
    """The lab of these tests, and the words to set its mail host up and to send mail from it."""

    def play(self, tasks: list[dict[str, t.Any]], *arguments: str) -> Run:
        path = self.directory / "test.yml"
        path.write_text(json.dumps([{"name": "Test", "hosts": "mail", "tasks": tasks}]))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", self.directory / "inventory.yml"]
        return Run(lab_driver.run(*command, path, *arguments, check=False))

    def role(self, name: str, *arguments: str, **variables: t.Any) -> Run:
        values = {**(RESOLVER if name == "resolver" else {}), **variables}
        task = {"name": name, "ansible.builtin.import_role": {"name": f"mailsec.dane.{name}"}, "vars": values}
        return self.play([task], *arguments)

    def outbound(self, *arguments: str, **variables: t.Any) -> Run:
        """Both roles, as playbook outbound has them."""
        values = {**RESOLVER, **variables, "postfix_inbound": False}
        roles = ("resolver", "postfix")
        tasks = [
            {"name": name, "ansible.builtin.import_role": {"name": f"mailsec.dane.{name}"}, "vars": values}
            for name in roles
        ]
        return self.play(tasks, *arguments)

    def look(self, **options: t.Any) -> dict[str, t.Any]:
        """Result of module next_hops_info on the mail host."""
        write = {"content": "{{ seen | to_json }}", "dest": f"{self.directory}/seen.json"}
        tasks = [
            {"name": "Look", "mailsec.dane.next_hops_info": options, "register": "seen"},
            {"name": "Keep", "ansible.builtin.copy": write, "delegate_to": "localhost"},
        ]
        self.play(tasks).succeeded()
        found: dict[str, t.Any] = json.loads((self.directory / "seen.json").read_text())
        return found

    def tell(self, host: str, command: str) -> str:
        """Output of a shell command on one host that must succeed."""
        return str(self.host(host, command)).split(">>\n", 1)[1].strip()

    def put(self, host: str, path: str, content: str) -> None:
        self.host(host, f"cat > {path} <<'EOF'\n{content.strip()}\nEOF")

    def sent(self, *recipients: str) -> dict[str, str]:
        """What becomes of a message to each: ``sent``, ``bounced`` or ``deferred``, as Postfix's log says."""
        ends: dict[str, str] = {}
        for recipient in recipients:
            name = f"u{time.time_ns()}"
            address = recipient if "@" in recipient else f"{name}@{recipient}"
            self.host("d12", f"sendmail -f root@d12.example.nl {address} </dev/null", check=False)
            wanted = rf"to=<{re.escape(address)}>.* status=(\w+)"
            end = time.monotonic() + 60
            while not (found := re.findall(wanted, self.tell("d12", "tail -300 /var/log/mail.log"))):
                assert time.monotonic() < end, f"no delivery attempt to {address}"
                time.sleep(0.5)
            ends[recipient] = found[-1]
        self.host("d12", "postsuper -d ALL", check=False)
        return ends

    def settings(self, *settings: str, services: str = "") -> None:
        """Bring the mail host back to how its administrator made it, with these settings of main.cf besides."""
        quoted = " ".join(f"'{setting}'" for setting in settings)
        self.host(
            "d12",
            "rm -rf /etc/postfix/maps; mkdir /etc/postfix/maps; cp /root/main.cf /root/master.cf /etc/postfix/;"
            f" {f'postconf -e {quoted};' if quoted else ''} {services} systemctl restart postfix",
        )

    def former(self) -> None:
        """The host before this collection came: internal name server, no resolver of its own."""
        self.host(
            "d12",
            "systemctl disable -q --now unbound dnsmasq named 2>/dev/null; rm -rf /var/lib/mailsec-dane;"
            " cd /etc/unbound/unbound.conf.d 2>/dev/null && rm -f mailsec-dane.conf own.conf; rm -f /etc/resolv.conf",
        )
        anchor = "/etc/unbound/unbound.conf.d/root-auto-trust-anchor-file.conf"
        self.host("d12", f"cat > /tmp/anchor <<'EOF'\n{ANCHOR}EOF\ntest ! -e {anchor} || cp /tmp/anchor {anchor}")
        self.host("d12", f"printf 'search corp.lan\\nnameserver {INSIDE}\\n' > /etc/resolv.conf")
        self.host("d12", "cp /root/hosts /etc/hosts; cp /etc/resolv.conf /etc/hosts /var/spool/postfix/etc/")
        # What the log has counts as a next hop.
        self.host("d12", ": > /var/log/mail.log")
