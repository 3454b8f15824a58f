# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of shapes ask the lab, and the evidence they judge a rotation by."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
import typing as t
from pathlib import Path

import rotation_evidence
from lab_driver import CHECKOUT, Lab, wait_for
from rotation_evidence import Run

JOURNALS = "/var/lib/mailsec-dane"
ANSIBLE = str(Path(sys.executable).with_name("ansible-playbook"))
ADDRESSES = {"mx1": "198.51.100.11", "mx2": "198.51.100.12"}
NAME_SERVERS = ("198.51.100.2", "198.51.100.3")
#: Every name at which some shape publishes, with its zone.
OWNERS = {
    "_25._tcp.mx.example.nl": "example.nl",
    "_25._tcp.mx1.example.nl": "example.nl",
    "_587._tcp.mx1.example.nl": "example.nl",
    "_465._tcp.mx1.example.nl": "example.nl",
    "_25._tcp.mx2.example.nl": "example.nl",
    "mx._tlsa.tlsa.nl": "tlsa.nl",
    "other._tlsa.tlsa.nl": "tlsa.nl",
}


def example(heading: str) -> str:
    """The inventory that docs/rotation-guide.md shows under a heading: what is documented is what is tried."""
    text = (CHECKOUT / "docs" / "rotation-guide.md").read_text()
    found = re.search(rf"^### {re.escape(heading)}\n.*?^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


class Shape:
    """The lab in one shape: an inventory beside that of the lab."""

    def __init__(self, lab: Lab, inventory: str) -> None:
        self.lab = lab
        self.inventory = lab.directory / "shape.yml"
        self.inventory.write_text(inventory)
        self.forget()

    def forget(self) -> None:
        """Begin anew: no record, key, journal or copy in a cache of what was before."""
        for owner, zone in OWNERS.items():
            self.update(zone, f"update delete {owner} TLSA")
        for host in ADDRESSES:
            # A process of Postfix that began without a key would stay without one. While its configuration names a key,
            # a stopped Postfix is not a bare one.
            certificates = "smtpd_tls_chain_files smtpd_tls_cert_file smtpd_tls_key_file"
            bare = f"cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf; postconf -X {certificates}"
            self.on(host, f"systemctl stop postfix; {bare}; rm -rf /etc/mailsec-dane {JOURNALS}", check=False)
        for host in ("resolver", "sender"):
            self.on(host, "unbound-control -q flush_zone nl; true")

    def play(self, playbook: str, *arguments: str, check: bool = True, **variables: t.Any) -> Run:
        words = [ANSIBLE, "-i", str(self.lab.directory / "inventory.yml"), "-i", str(self.inventory), playbook]
        return rotation_evidence.run_playbook(self.lab, [*words, "-e", json.dumps(variables), *arguments], check)

    def rotate(self, *arguments: str, check: bool = True, **variables: t.Any) -> Run:
        """Rotate to the end."""
        return self.play("mailsec.dane.rotate", *arguments, check=check, **{"rotation_wait": True, **variables})

    def finish(self, *arguments: str, check: bool = True, **variables: t.Any) -> Run:
        """Bring to its end what was begun, and begin nothing."""
        return self.play("mailsec.dane.finish", *arguments, check=check, **{"rotation_wait": True, **variables})

    def settle(self, *arguments: str, **variables: t.Any) -> None:
        """Set the hosts up, and wait until caches know the next keys."""
        for _turn in range(2):
            self.play("mailsec.dane.inbound", *arguments, rotation_first_rollout=True, **variables)
        self.finish(*arguments, **variables)

    def on(self, host: str, script: str, check: bool = True) -> str:
        """Run a script on a host as root; what it printed."""
        return rotation_evidence.on(self.lab, host, script, check)

    def update(self, zone: str, *lines: str) -> None:
        """Change a zone as somebody else would."""
        rotation_evidence.update(self.lab, zone, *lines)

    def records(self, owner: str, server: str = NAME_SERVERS[0]) -> set[str]:
        lines = self.lab.inside("dig", "+short", owner, "TLSA", f"@{server}").splitlines()
        fields = [line.split() for line in lines if line[:1].isdigit()]
        return {f"{' '.join(one[:3])} {''.join(one[3:]).lower()}" for one in fields}

    def key(self, host: str, slot: str = "live") -> str:
        """The 3 1 1 record of a chain on a mail host."""
        chain = f"/etc/mailsec-dane/{slot}/chain.pem"
        return f"3 1 1 {_digest(self.on(host, f'openssl x509 -in {chain} -pubkey -noout | {_DIGEST}'))}"

    def served(self, host: str, name: str = "mx.example.nl", port: int = 25) -> str:
        """The 3 1 1 record of what a mail host serves, as openssl sees it."""
        connect = f"openssl s_client -connect {ADDRESSES[host]}:{port} -starttls smtp -servername {name}"
        script = f"{connect} </dev/null 2>/dev/null | openssl x509 -pubkey -noout | {_DIGEST}"
        return f"3 1 1 {_digest(self.lab.inside('sh', '-c', script))}"

    def issuer(self, generation: int = 1) -> str:
        """The 2 1 1 record of a CA."""
        path = self.lab.directory / f"ca/issuing{'' if generation == 1 else f'-{generation}'}.pem"
        return f"2 1 1 {_digest(self.lab.inside('sh', '-c', f'openssl x509 -in {path} -pubkey -noout | {_DIGEST}'))}"

    def journals(self, host: str) -> list[str]:
        """What stands where journals are kept, but for the original configuration: nothing, when nobody is at work."""
        found = self.on(host, f"ls -A {JOURNALS} 2>/dev/null", check=False).split()
        return [name for name in found if name != "originals"]

    def publishes(self, owner: str, wanted: set[str]) -> None:
        """Assert what both name servers have."""
        assert self.records(owner) == wanted
        wait_for(lambda: self.records(owner, NAME_SERVERS[1]) == wanted, 10)


_DIGEST = "openssl pkey -pubin -outform DER | sha256sum"


def _digest(output: str) -> str:
    found = re.search(r"\b[0-9a-f]{64}\b", output)
    assert found, output
    return found[0]


class Traffic:
    """A message every second from outside, by a server that enforces DANE; read from its log and at the receivers."""

    def __init__(self, shape: Shape, domain: str) -> None:
        self.shape, self.domain = shape, domain
        self.mark = f"m{time.time_ns()}"

    def __enter__(self) -> Traffic:
        script = (
            f"n=0; while :; do n=$((n+1)); printf 'Subject: {self.mark}\\n\\n%s\\n' $n"
            f" | sendmail -f {self.mark}@outside.nl root@{self.domain}; sleep 1; done"
        )
        words = shlex.quote(script.replace("$", "$$"))
        self.shape.on("sender", f"systemd-run --quiet --unit={self.mark} sh -c {words}")
        return self

    def __exit__(self, *_: object) -> None:
        empty = "for i in $(seq 80); do mailq | grep -q empty && exit; postqueue -f; sleep 1; done; exit 1"
        self.shape.on("sender", f"systemctl stop {self.mark}; {empty}")

    def counts(self) -> dict[str, int]:
        """Messages sent, ends of deliveries, connections that were and were not verified, and messages that arrived."""
        log = self.shape.on("sender", "cat /var/log/mail.log")
        numbers = set(re.findall(rf"(\w+): from=<{self.mark}@outside\.nl>", log))
        named = ((re.search(r"\]: (\w+): ", line), line) for line in log.splitlines())
        lines = [line for found, line in named if found and found[1] in numbers]
        status = [found[1] for line in lines if (found := re.search(r" status=(\w+)", line))]
        trust = re.findall(r"(\w+) TLS connection established to [\w.]+\.nl", log[log.index(f"{self.mark}@") :])
        inboxes = [
            self.shape.on(host, f"grep -c 'Subject: {self.mark}' /var/mail/root", check=False).split()
            for host in ADDRESSES
        ]
        return {
            "queued": len(numbers),
            "sent": status.count("sent"),
            "not sent": len(status) - status.count("sent"),
            "verified": trust.count("Verified"),
            "not verified": len(trust) - trust.count("Verified"),
            "arrived": sum(int(inbox[-1]) for inbox in inboxes if inbox),
        }

    def is_unharmed(self) -> None:
        counts = self.is_complete()
        assert counts["not sent"] == counts["not verified"] == 0, counts
        assert counts["verified"] > 0, counts

    def is_complete(self) -> dict[str, int]:
        """Assert that nothing was lost, whatever came late."""
        counts = self.counts()
        assert counts["queued"] > 5, counts
        assert counts["sent"] == counts["arrived"] == counts["queued"], counts
        return counts


class Recorder(rotation_evidence.Recorder):
    """Writes down what was published at some names, and served by some hosts."""

    def __init__(
        self, shape: Shape, name: str, owners: t.Iterable[str], endpoints: t.Iterable[tuple[str, int]]
    ) -> None:
        zones = {owner: OWNERS[owner] for owner in owners}
        super().__init__(shape.lab, name, zones, [(ADDRESSES[host], port) for host, port in endpoints])
