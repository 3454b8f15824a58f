# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with sending hosts that are set up by hand, and a receiver with a wrong TLSA record."""

from __future__ import annotations

import json
import re
import sys
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import lab_driver
import pytest
from lab_driver import machine  # noqa: F401  # pylint: disable=unused-import

DIRECTORY = Path("/var/lib/mailsec-dane-lab-outbound")
PREFIX = "192.0.2"
HOSTS = [
    {"name": "ns", "address": 2, "fqdn": "ns.lab-dns.nl", "role": "primary"},
    {"name": "res", "address": 3, "fqdn": "res.lab-dns.nl", "role": "resolver"},
    {"name": "sender", "address": 20, "fqdn": "sender.outside.nl", "role": "sender",
     "domains": ["outside.nl", "wrongtlsa.nl", "unsigned.nl"], "certificate_names": ["sender.outside.nl"]},
    {"name": "d12", "address": 12, "fqdn": "d12.example.nl", "groups": ["mail"]},
    {"name": "d13", "address": 13, "fqdn": "d13.example.nl", "groups": ["mail"], "release": "trixie"},
]  # fmt: skip
ZONES = [
    {"name": "lab-dns.nl"},
    {"name": "example.nl", "records": ["@ MX 10 d12", "@ MX 20 d13"]},
    {"name": "outside.nl", "records": ["@ MX 10 sender", "_25._tcp.sender TLSA 3 1 1 {spki_sha256:sender}"]},
    {"name": "wrongtlsa.nl",
     "records": ["@ MX 10 wrong", f"wrong A {PREFIX}.20", f"_25._tcp.wrong TLSA 3 1 1 {'0' * 64}"]},
    {"name": "unsigned.nl", "signed": False, "records": ["@ MX 10 mail", f"mail A {PREFIX}.20"]},
    {"name": "bogus.nl", "signed": False, "parent_ds": True, "records": ["@ MX 10 mail", f"mail A {PREFIX}.20"]},
]  # fmt: skip
RESOLVER = {
    "resolver_trust_anchor_file": "/etc/lab/trust-anchor.ds",
    "resolver_root_hints_file": "/etc/lab/root.hints",
    "resolver_secure_name": "lab-dns.nl",
    "resolver_bogus_name": "bogus.nl",
    "resolver_unsigned_name": "unsigned.nl",
}
ORIGINAL = "/root/original"
OUT = "/etc/postfix-out"


class Run:
    """One run of Ansible on one host: its output without line folding, whether it failed, what it changed."""

    def __init__(self, output: str) -> None:
        self.output = re.sub(r"\s+", " ", output)
        recap = re.search(r"ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=(\d+)", output)
        assert recap, output
        self.changed = int(recap.group(1))
        self.failed = recap.group(2) != "0"


class SendingLab(lab_driver.Lab):  # type: ignore[misc, name-defined]
    """The lab of these tests, and the words for what an administrator and a sender do."""

    def tell(self, host: str, command: str) -> str:
        """Output of a shell command on one host that must succeed."""
        return self.host(host, command).split(">>\n", 1)[1].strip()

    def play(self, host: str, tasks: list[dict[str, t.Any]], *arguments: str, facts: bool = False) -> Run:
        path = self.directory / "test.yml"
        path.write_text(json.dumps([{"name": "Test", "hosts": host, "gather_facts": facts, "tasks": tasks}]))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", self.directory / "inventory.yml"]
        done = lab_driver.run(*command, path, *arguments, check=False)
        return Run(done.stdout + done.stderr)

    def apply(self, host: str, *arguments: str, **variables: t.Any) -> Run:
        """Sets what may be set and proves it: what role postfix does for outgoing mail, without its look at ports."""
        tasks = [
            {"name": "Look", "mailsec.dane.outbound_info": {}, "register": "__postfix_outbound_before"},
            {"name": "Set", "mailsec.dane.postconf": {
                "parameters": "{{ __postfix_outbound_before.parameters }}",
                "services": "{{ __postfix_outbound_before.services }}"}, "register": "set"},
            {"name": "Reload", "ansible.builtin.command": "postfix reload", "when": "set is changed"},
            {"name": "Prove", "vars": variables, "ansible.builtin.include_role": {
                "name": "mailsec.dane.postfix", "tasks_from": "outbound_proof"}},
        ]  # fmt: skip
        return self.play(host, tasks, *arguments)

    def role(self, host: str, *arguments: str, **variables: t.Any) -> Run:
        """Role postfix, for outgoing mail alone."""
        role = {"name": "mailsec.dane.postfix"}
        task = {"name": "Postfix", "ansible.builtin.import_role": role, "vars": {"postfix_inbound": False, **variables}}
        return self.play(host, [task], *arguments, facts=True)

    def module(self, host: str, name: str, **options: t.Any) -> dict[str, t.Any]:
        """The result of a module, which may have failed."""
        copy = {"content": "{{ result | to_json }}", "dest": "/root/result.json", "mode": "0600"}
        tasks = [
            {"name": name, f"mailsec.dane.{name}": options, "register": "result", "ignore_errors": True},
            {"name": "Keep", "ansible.builtin.copy": copy},
        ]
        self.play(host, tasks)
        result: dict[str, t.Any] = json.loads(self.tell(host, "cat /root/result.json"))
        return result

    def codes(self, host: str) -> list[tuple[str, str]]:
        found = self.module(host, "outbound_info")["findings"]
        return [(entry["code"], entry["exception"]) for entry in found]

    def fresh(self, host: str) -> None:
        """One Postfix as its package leaves it, with level may as Debian has it, and an empty queue."""
        self.host(
            host,
            f"test ! -d {OUT} || postfix -c {OUT} stop;"
            f" rm -rf {OUT} /var/spool/postfix-out /var/lib/postfix-out"
            f" && rm -rf /etc/postfix && cp -a {ORIGINAL} /etc/postfix && cp /root/hosts.original /etc/hosts"
            " && cp /etc/hosts /var/spool/postfix/etc/hosts"
            " && { postfix status || postfix start; } && postfix reload && postsuper -d ALL; sleep 1",
        )

    def sent(self, host: str, domain: str, instance: str = "/etc/postfix") -> str:
        """The last word of the mail log on a real message to ``domain``; the message is taken out of the queue."""
        recipient = f"b{time.monotonic_ns()}@{domain}"
        self.host(host, f"echo x | sendmail -C {instance} -f root@{host}.example.nl {recipient}")
        end = time.monotonic() + 60
        while True:
            log = self.tell(host, f"journalctl -q --no-pager -o cat -n 400 | grep 'to=<{recipient}>' || true")
            found = re.findall(r"status=(\w+) \((.*)\)", log)
            if found:
                break
            assert time.monotonic() < end, log
            time.sleep(0.3)
        self.host(host, f"postsuper -c {instance} -d ALL")
        status, reason = found[-1]
        if status == "deferred":
            assert reason == "Server certificate not verified", log
        return str(status)

    def queue(self, host: str) -> str:
        return self.tell(host, "postqueue -j; find /var/spool/postfix/maildrop -type f")


@pytest.fixture(scope="session")
def lab() -> Iterator[SendingLab]:
    made = SendingLab(DIRECTORY, {"lab_hosts": HOSTS, "lab_zones": ZONES, "lab_ipv4_prefix": PREFIX})
    made.playbook(lab_state="absent")
    made.playbook()
    install = (
        "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install postfix >/dev/null 2>&1"
        " && postconf -e myhostname=$(hostname -f) smtp_tls_security_level=may smtp_tls_loglevel=1"
        " && cp /etc/resolv.conf /var/spool/postfix/etc/resolv.conf"
        f" && cp -a /etc/postfix {ORIGINAL} && cp /etc/hosts /root/hosts.original"
    )
    roles = [{"name": "Resolver", "ansible.builtin.import_role": {"name": "mailsec.dane.resolver"}, "vars": RESOLVER}]
    tasks = [*roles, {"name": "Install by hand", "ansible.builtin.shell": install}]
    installed = made.play("mail", tasks, facts=True)
    assert not installed.failed, installed.output
    yield made
    made.playbook(lab_state="absent")


@pytest.fixture(params=["d12", pytest.param("d13", marks=pytest.mark.long)])
def host(lab: SendingLab, request: pytest.FixtureRequest) -> str:
    """A host with a Postfix of its package."""
    lab.fresh(request.param)
    return str(request.param)


@pytest.fixture
def d12(lab: SendingLab) -> str:
    lab.fresh("d12")
    return "d12"
