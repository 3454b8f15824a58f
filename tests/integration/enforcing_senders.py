# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two senders who enforce DANE: how they are set up, send and empty their queues, and what their logs say.

``sender`` is Postfix with OpenSSL, behind a resolver that is left alone. ``exim`` is Exim with GnuTLS, behind one that
asks the secondary, which follows late, for as long as that answers. Its copy of the TLSA RRset is only moments old
whenever that RRset changes, so that the old one is then cached for as long as it can be.
"""

from __future__ import annotations

import collections
import re
import typing as t

from lab_driver import Lab
from rotation_evidence import on

SENDERS = ("sender", "exim")

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
LATE_CACHE = """
while :; do
  there=$(dig +short +time=1 +tries=1 @198.51.100.3 "$1" TLSA | sort)
  held=$(dig +short +time=1 +tries=1 @127.0.0.1 "$1" TLSA | sort)
  # Once they differ, the old copy is left to live for as long as its TTL lets it.
  if [ "$there" = "$held" ]; then
    unbound-control -q flush_type "$1" TLSA
    dig +short +time=1 +tries=1 @127.0.0.1 "$1" TLSA >/dev/null
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
        lab,
        "exim",
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
