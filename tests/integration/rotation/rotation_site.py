# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of rotations ask the lab, and the evidence they judge a rotation by."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from lab_driver import CHECKOUT, Lab

JOURNALS = "/var/lib/mailsec-dane"
ANSIBLE = str(Path(sys.executable).with_name("ansible-playbook"))


class Run(t.NamedTuple):
    """How a run ended, and all it printed with the lines joined again."""

    status: int
    output: str

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", self.output)

    def counts(self, host: str = "mx1") -> dict[str, int]:
        found = re.search(rf"^{host}\s+: (ok=.*)$", self.output, re.MULTILINE)
        assert found, self.output[-3000:]
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", found[1])}

    @property
    def phases(self) -> list[str]:
        return re.findall(r"Phase: (\w+)", self.output)


def command(lab: Lab, playbook: str, *arguments: str, **variables: t.Any) -> list[str]:
    inventory = str(lab.directory / "inventory.yml")
    return [ANSIBLE, "-i", inventory, playbook, "-e", json.dumps(variables), *arguments]


def play(lab: Lab, playbook: str, *arguments: str, check: bool = True, **variables: t.Any) -> Run:
    done = subprocess.run(
        command(lab, playbook, *arguments, **variables),
        capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=CHECKOUT, timeout=900, check=False,
    )
    run = Run(done.returncode, done.stdout + done.stderr)
    assert not check or run.status == 0, run.output[-6000:]
    return run


def rotate(lab: Lab, *arguments: str, check: bool = True, **variables: t.Any) -> Run:
    """Rotate to the end."""
    return play(lab, "mailsec.dane.rotate", *arguments, check=check, **{"rotation_wait": True, **variables})


def finish(lab: Lab, **variables: t.Any) -> Run:
    """Bring to its end what was begun, and begin nothing."""
    return rotate(lab, **{"rotation_minimum_age": 86400, **variables})


def records(lab: Lab, server: str = "198.51.100.2") -> list[str]:
    lines = lab.inside("dig", "+short", "_25._tcp.mx1.example.nl", "TLSA", f"@{server}").splitlines()
    fields = [line.split() for line in lines if line and not line.startswith(";")]
    return sorted(f"{' '.join(one[:3])} {''.join(one[3:]).lower()}" for one in fields)


def serial(lab: Lab) -> str:
    return lab.inside("dig", "+short", "example.nl", "SOA", "@198.51.100.2").split()[2]


def key(lab: Lab, slot: str) -> str:
    """The 3 1 1 record of a chain on the mail host."""
    commands = f"openssl x509 -in /etc/mailsec-dane/{slot}/chain.pem -pubkey -noout | openssl pkey -pubin -outform DER"
    found = re.search(r"\b[0-9a-f]{64}\b", lab.host("mx1", f"{commands} | sha256sum"))
    assert found
    return f"3 1 1 {found[0]}"


def served(lab: Lab, address: str = "198.51.100.11") -> str:
    """The 3 1 1 record of what the mail host serves, as openssl sees it."""
    script = (
        f"openssl s_client -connect '{address}:25' -starttls smtp -servername mx1.example.nl </dev/null 2>/dev/null"
        " | openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum"
    )
    return f"3 1 1 {lab.inside('sh', '-c', script).split()[0]}"


def issuer(lab: Lab, generation: int = 1) -> str:
    suffix = "" if generation == 1 else f"-{generation}"
    path = lab.directory / f"ca/issuing{suffix}.pem"
    script = f"openssl x509 -in {path} -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum"
    return f"2 1 1 {lab.inside('sh', '-c', script).split()[0]}"


def update(lab: Lab, *lines: str) -> None:
    """Change the zone as somebody else would."""
    text = "".join(f"{line}\n" for line in ("server 198.51.100.2", "zone example.nl", *lines, "send"))
    script = f"printf '%s' '{text}' | nsupdate -k {lab.directory}/keys/lab.tsig"
    lab.inside("sh", "-c", script)


def children(pid: int) -> list[int]:
    """Process numbers of the children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rsplit(")", 1)[1].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        if int(parent) == pid:
            found.append(int(stat.parent.name))
    return found


def forget_next(lab: Lab) -> str:
    """Take the record of the next key away, so that the next rotation has to publish it and to wait; returns it."""
    coming = key(lab, "next")
    update(lab, f"update delete _25._tcp.mx1.example.nl TLSA {coming}")
    assert coming not in records(lab)
    return coming


def leftovers(lab: Lab) -> list[str]:
    return lab.host("mx1", f"ls -A {JOURNALS}").split(">>", 1)[1].split()


def is_steady(lab: Lab) -> None:
    """Assert the state after a rotation, by other means than those of the collection."""
    current, following = key(lab, "live"), key(lab, "next")
    assert current != following
    assert served(lab) == served(lab, "[2001:db8:51::11]") == current
    wanted = sorted([current, following, issuer(lab)])
    assert records(lab) == records(lab, "198.51.100.3") == wanted
    assert leftovers(lab) == ["mx1--mx1.example.nl.journal"]


class Traffic:
    """A message every second from outside, by a server that enforces DANE; read from its log and at the receiver."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.mark = f"m{time.time_ns()}"

    def __enter__(self) -> Traffic:
        script = (
            f"n=0; while :; do n=$((n+1)); printf 'Subject: {self.mark}\\n\\n%s\\n' $n"
            f" | sendmail -f {self.mark}@outside.nl root@example.nl; sleep 1; done"
        )
        self.lab.host("sender", f'systemd-run --quiet --unit={self.mark} sh -c "{script}"'.replace("$", r"\$"))
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.host("sender", f"systemctl stop {self.mark}; sleep 2; postqueue -f; sleep 3")

    def counts(self) -> dict[str, int]:
        """Messages sent and deferred, connections that were and were not verified, and messages that arrived."""
        log = self.lab.host("sender", "cat /var/log/mail.log")
        numbers = set(re.findall(rf"(\w+): from=<{self.mark}@outside\.nl>", log))
        named = ((re.search(r"\]: (\w+): ", line), line) for line in log.splitlines())
        lines = [line for found, line in named if found and found[1] in numbers]
        status = [found[1] for line in lines if (found := re.search(r" status=(\w+)", line))]
        begin = log.index(f"{self.mark}@outside.nl")
        trust = re.findall(r"(\w+) TLS connection established to mx1\.example\.nl", log[begin:])
        inbox = self.lab.host("mx1", f"grep -c 'Subject: {self.mark}' /var/mail/root", check=False).split()[-1]
        return {
            "queued": len(numbers),
            "sent": status.count("sent"),
            "not sent": len(status) - status.count("sent"),
            "verified": trust.count("Verified"),
            "not verified": len(trust) - trust.count("Verified"),
            "arrived": int(inbox),
        }

    def is_unharmed(self) -> None:
        counts = self.counts()
        assert counts["queued"] > 10, counts
        assert counts["not sent"] == counts["not verified"] == 0, counts
        assert counts["sent"] == counts["arrived"] == counts["queued"], counts
        assert counts["verified"] > 0, counts


class Recorder:
    """What name servers and mail server showed, written down from outside; see recorder.py."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.events: list[dict[str, t.Any]] = []

    def __enter__(self) -> Recorder:
        script = Path(__file__).with_name("recorder.py")
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / ".cache" / "collections")}
        self._process = subprocess.Popen(
            [str(self.lab.directory / "bin" / "python"), str(script)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        return self

    def __exit__(self, *_: object) -> None:
        output, _errors = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        self.events = [json.loads(line) for line in output.splitlines()]

    def is_sound(self) -> None:
        """Assert that no RRset a cache may have held missed a chain that was served, at any moment."""
        from ansible_collections.mailsec.dane.plugins.module_utils import _timeline
        from ansible_collections.mailsec.dane.plugins.module_utils._rollover_state import Policy

        record = _timeline.timeline(self.events, Policy(application_cache=1), time.time())
        assert len(record.chains) > 1, self.events
        assert _timeline.gaps(record) == ()
