# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two senders who enforce DANE, and what their logs and the receiver say of the mail they sent meanwhile.

``sender`` is Postfix with OpenSSL, behind a resolver that is left alone. ``exim`` is Exim with GnuTLS, behind one that
asks the secondary, which follows late, for as long as that answers. Its copy of the TLSA RRset is only moments old
whenever that RRset changes, so that the old one is then cached for as long as it can be.
"""

from __future__ import annotations

import collections
import os
import re
import time
import typing as t

from lab_driver import Lab
from rotation_site import OWNER, on

SENDERS = ("sender", "exim")
#: Lines of the table at the end: what the test was, and what was counted for each sender.
EVIDENCE: list[tuple[str, float, dict[str, Counts]]] = []

#: As Debian 12 has Exim send, but for what concerns users of the machine.
EXIM = r"""
primary_hostname = exim.outside.nl
dns_dnssec_ok = 1
log_selector = +tls_cipher +tls_certificate_verified +dnssec
queue_only_load = 0
begin routers
dnslookup:
  driver = dnslookup
  transport = remote_smtp
  dnssec_request_domains = *
begin transports
remote_smtp:
  driver = smtp
  hosts_try_dane = *
  dnssec_request_domains = *
begin retry
* * F,2h,2s
"""
LATE_CACHE = f"""
while :; do
  there=$(dig +short +time=1 +tries=1 @198.51.100.3 {OWNER} TLSA | sort)
  held=$(dig +short +time=1 +tries=1 @127.0.0.1 {OWNER} TLSA | sort)
  # Once they differ, the old copy is left to live for as long as its TTL lets it.
  if [ "$there" = "$held" ]; then
    unbound-control -q flush_type {OWNER} TLSA
    dig +short +time=1 +tries=1 @127.0.0.1 {OWNER} TLSA >/dev/null
  fi
  sleep 0.5
done
"""
SEND = {"sender": "sendmail", "exim": "exim4 -odb -i"}
#: Deliver what was deferred, and wait until nothing is left.
FLUSH = {
    "sender": "postqueue -f; for i in $(seq 60); do mailq | grep -q empty && exit; sleep 0.5; done; exit 1",
    "exim": "for i in $(seq 30); do exim4 -qff; [ $(exim4 -bpc) = 0 ] && exit; sleep 1; done; exit 1",
}


class Counts(t.NamedTuple):
    """Of messages with one mark: queued, deliveries by their end, sessions that DANE did not confirm, and arrivals."""

    queued: int
    sent: int
    deferred: int
    unverified: int
    arrived: int

    def __add__(self, other: object) -> Counts:  # type: ignore[override]
        assert isinstance(other, Counts)
        return Counts(*(one + two for one, two in zip(self, other, strict=True)))


def prepare(lab: Lab) -> None:
    """Configure what the lab's parameters cannot say."""
    stub = 'stub-zone:\n    name: "example.nl"\n    stub-addr: 198.51.100.3\n    stub-first: yes\n'
    files = {"/etc/exim4/exim4.conf": EXIM, "/usr/local/bin/late-cache": LATE_CACHE}
    for path, text in files.items():
        on(lab, "exim", f"cat >{path} <<'END'\n{text}END")
    on(
        lab, "exim",
        f"grep -q stub-zone /etc/unbound/unbound.conf || printf '{stub}' >>/etc/unbound/unbound.conf;"
        " systemctl stop exim4; exim4 -bV >/dev/null && systemctl restart unbound",
    )


def counted_by_postfix(log: str, mark: str, arrived: int) -> Counts:
    """One process delivers one message, so that its number joins what is said of TLS and of the message."""
    queued = set(re.findall(rf"(\w+): from=<{mark}@", log))
    trust: dict[str, list[str]] = {}
    ends: collections.Counter[str] = collections.Counter()
    unverified = 0
    for line in log.splitlines():
        if said := re.search(r"postfix/smtp\[(\d+)\]: (\w+) TLS connection established to mx", line):
            trust.setdefault(said[1], []).append(said[2])
        if end := re.search(r"postfix/smtp\[(\d+)\]: (\w+): .* status=(\w+)", line):
            sessions = trust.pop(end[1], [])
            if end[2] in queued:
                ends[end[3]] += 1
                unverified += len(sessions) - sessions.count("Verified") + (end[3] == "sent" and not sessions)
    return Counts(len(queued), ends["sent"], ends.total() - ends["sent"], unverified, arrived)


def counted_by_exim(log: str, mark: str, arrived: int) -> Counts:
    queued = set(re.findall(rf"(\S+) <= {mark}@", log))
    ends: collections.Counter[str] = collections.Counter()
    unverified = 0
    for line in log.splitlines():
        end = re.search(r"^\S+ \S+ (\S+) (=>|->|==|\*\*|DANE attempt failed)", line)
        if end and end[1] in queued:
            ends[end[2]] += 1
            unverified += end[2] in ("=>", "->") and " CV=dane " not in line
    failed = ends["DANE attempt failed"]
    return Counts(len(queued), ends["=>"] + ends["->"], ends["=="] + ends["**"], unverified + failed, arrived)


class Traffic:
    """A message every second from each sender, for as long as the block lasts."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.mark = f"m{time.time_ns()}"

    def __enter__(self) -> Traffic:
        run = "systemd-run -q --unit"
        on(self.lab, "exim", f"unbound-control -q flush_infra all; {run} late-{self.mark} sh /usr/local/bin/late-cache")
        for sender in SENDERS:
            message = f"printf 'Subject: {self.mark}-{sender}\\n\\nx\\n'"
            send = f"{message} | {SEND[sender]} -f {self.mark}@outside.nl root@example.nl"
            on(self.lab, sender, f'{run} {self.mark} sh -c "while :; do {send}; sleep 1; done"')
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._begun
        for sender in SENDERS:
            on(self.lab, sender, f"systemctl stop {self.mark}")
        for sender in SENDERS:
            on(self.lab, sender, FLUSH[sender], check=False)
        on(self.lab, "exim", f"systemctl stop late-{self.mark}")

    def _arrived(self, sender: str) -> int:
        return int(on(self.lab, "mx1", f"grep -c 'Subject: {self.mark}-{sender}$' /var/mail/root || true"))

    def counts(self) -> dict[str, Counts]:
        """What was counted for each sender; waits a little for the receiver to file what it was given."""
        logs = {"sender": "/var/log/mail.log", "exim": "/var/log/exim4/mainlog"}
        read = {"sender": counted_by_postfix, "exim": counted_by_exim}
        found = {}
        for sender in SENDERS:
            text = on(self.lab, sender, f"cat {logs[sender]}")
            sent = read[sender](text, self.mark, 0).sent
            end = time.monotonic() + 10
            while (arrived := self._arrived(sender)) < sent and time.monotonic() < end:
                time.sleep(0.2)
            found[sender] = read[sender](text, self.mark, arrived)
        test = os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[-1].split(" ")[0]
        EVIDENCE.append((test, self.seconds, found))
        return found

    def lost_nothing(self) -> dict[str, Counts]:
        """Assert that all messages arrived once, however late."""
        counts = self.counts()
        for sender, found in counts.items():
            assert found.queued > 3, (sender, counts)
            assert found.queued == found.sent == found.arrived, (sender, counts)
        return counts

    def is_unharmed(self) -> None:
        """Assert that none was even deferred, and that each was delivered to a receiver that DANE confirmed."""
        for sender, found in self.lost_nothing().items():
            assert found.deferred == found.unverified == 0, (sender, found)


def table() -> list[str]:
    """Lines of text: for each test seconds, and for each sender messages, deferred, unverified."""
    columns = "".join(f"  {name + ': sent deferred unverified':>33}" for name in ("Postfix", "Exim"))
    lines = [f"{'test':<88} {'s':>5}{columns}"]
    total = dict.fromkeys(SENDERS, Counts(0, 0, 0, 0, 0))
    for test, seconds, found in EVIDENCE:
        lines.append(_row(test, seconds, found))
        total = {sender: total[sender] + found[sender] for sender in SENDERS}
    return [*lines, _row("all", sum(seconds for _test, seconds, _found in EVIDENCE), total)]


def _row(test: str, seconds: float, found: dict[str, Counts]) -> str:
    counts = (found[sender] for sender in SENDERS)
    columns = "".join(f"  {one.sent:>13} {one.deferred:>8} {one.unverified:>10}" for one in counts)
    return f"{test:<88} {seconds:>5.0f}{columns}"
