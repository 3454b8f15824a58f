# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own for the roles postfix and resolver: two bare hosts, Debian 12 and 13, and the outside sender."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

_driver = importlib.util.spec_from_file_location("lab_driver", Path(__file__).parents[1] / "lab_driver.py")
assert _driver and _driver.loader
lab_driver = importlib.util.module_from_spec(_driver)
_driver.loader.exec_module(lab_driver)
machine = lab_driver.machine

DIRECTORY = Path("/var/lib/mailsec-dane-lab-postfix")
PREFIX = "192.0.2"
HOSTS = [
    {"name": "ns", "address": 2, "fqdn": "ns.lab-dns.nl", "role": "primary"},
    {"name": "res", "address": 3, "fqdn": "res.lab-dns.nl", "role": "resolver"},
    {"name": "sender", "address": 20, "fqdn": "sender.outside.nl", "role": "sender",
     "domains": ["outside.nl", "wrongtlsa.nl", "unsigned.nl"], "certificate_names": ["sender.outside.nl"]},
    {"name": "d12", "address": 12, "fqdn": "d12.example.nl", "groups": ["mail"]},
    {"name": "d13", "address": 13, "fqdn": "d13.example.nl", "groups": ["mail"], "release": "trixie"},
]  # fmt: skip
ZEROES = "0" * 64
ZONES = [
    {"name": "lab-dns.nl"},
    {"name": "example.nl", "records": ["@ MX 10 d12", "@ MX 20 d13"]},
    {"name": "outside.nl", "records": ["@ MX 10 sender", "_25._tcp.sender TLSA 3 1 1 {spki_sha256:sender}"]},
    {"name": "wrongtlsa.nl",
     "records": ["@ MX 10 wrong", f"wrong A {PREFIX}.20", f"_25._tcp.wrong TLSA 3 1 1 {ZEROES}"]},
    {"name": "unsigned.nl", "signed": False, "records": ["@ MX 10 mail", f"mail A {PREFIX}.20"]},
    {"name": "bogus.nl", "signed": False, "parent_ds": True, "records": ["@ MX 10 mail", f"mail A {PREFIX}.20"]},
]  # fmt: skip
LIVE = "/etc/mailsec-dane/live"
KEYCHAIN = f"{LIVE}/keychain.pem"
RESOLVER = {
    "resolver_trust_anchor_file": "/etc/lab/trust-anchor.ds",
    "resolver_root_hints_file": "/etc/lab/root.hints",
    "resolver_secure_name": "lab-dns.nl",
    "resolver_bogus_name": "bogus.nl",
    "resolver_unsigned_name": "unsigned.nl",
}


class Run:
    """One run of Ansible: its output, and what the recap says of each host."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.output = done.stdout + done.stderr
        recap = re.findall(r"^(\w+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=0\s+failed=(\d+)", self.output, re.M)
        assert recap, self.output
        self.ok = {host: int(ok) for host, ok, *more in recap}
        self.changed = {host: int(changed) for host, dummy, changed, *more in recap}
        self.failed = {host: int(failed) for host, *more, failed in recap}

    def succeeded(self) -> Run:
        assert not any(self.failed.values()), self.output
        return self

    def refused(self) -> str:
        """The output of a run in which every host failed, without line folding."""
        assert self.failed and all(self.failed.values()), self.output
        return " ".join(self.output.split())


class MailLab(lab_driver.Lab):  # type: ignore[misc, name-defined]
    """The lab of these tests, and the words to set its mail hosts up."""

    def play(self, tasks: list[dict[str, t.Any]], *arguments: str, hosts: str = "mail") -> Run:
        play = {"name": "Test", "hosts": hosts, "tasks": tasks}
        path = self.directory / "test.yml"
        path.write_text(json.dumps([play]))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", self.directory / "inventory.yml"]
        return Run(lab_driver.run(*command, path, *arguments, check=False))

    def role(self, name: str, *arguments: str, hosts: str = "mail", **variables: t.Any) -> Run:
        task = {"name": name, "ansible.builtin.import_role": {"name": f"mailsec.dane.{name}"}, "vars": variables}
        return self.play([task], *arguments, hosts=hosts)

    def both(self, *arguments: str, hosts: str = "mail", **variables: t.Any) -> Run:
        """Role resolver, then role postfix, as a playbook for one's own servers has them."""
        roles = [("resolver", RESOLVER), ("postfix", variables)]
        tasks = [
            {"name": name, "ansible.builtin.import_role": {"name": f"mailsec.dane.{name}"}, "vars": values}
            for name, values in roles
        ]
        return self.play(tasks, *arguments, hosts=hosts)

    def module(self, name: str, *arguments: str, hosts: str = "mail", **options: t.Any) -> Run:
        return self.play(
            [{"name": name, f"mailsec.dane.{name}": options, "register": "result"}], *arguments, hosts=hosts
        )

    def tell(self, host: str, command: str) -> str:
        """Output of a shell command on one host that must succeed."""
        return self.host(host, command).split(">>\n", 1)[1].strip()

    def make_keychain(self) -> None:
        self.host(
            "mail",
            f"mkdir -p -m 700 {LIVE} && cd {LIVE} && umask 077"
            " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem"
            " -days 30 -subj /CN=$(hostname -f) -addext subjectAltName=DNS:$(hostname -f) 2>/dev/null"
            " && cat key.pem cert.pem > keychain.pem",
        )

    def settings(self, host: str) -> dict[str, str]:
        lines = (line.partition(" =") for line in self.tell(host, "postconf -n 2>/dev/null").splitlines())
        return {name: value.strip() for name, dummy, value in lines}


@pytest.fixture(scope="module")
def lab() -> Iterator[MailLab]:
    """The lab with bare mail hosts that have a keychain file; every file of tests gets a new one."""
    made = MailLab(DIRECTORY, {"lab_hosts": HOSTS, "lab_zones": ZONES, "lab_ipv4_prefix": PREFIX})
    made.playbook(lab_state="absent")
    made.playbook()
    yield made
    made.playbook(lab_state="absent")
