# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook compromise says of the time in which a stolen key may still be used."""

from __future__ import annotations

import re

import pytest
from lab_driver import Lab
from rotation_site import OWNER, after_a_theft, finish, is_steady, issuer, on, play, served, wait_for_a_ready_key

#: Writes down every TLSA RRset that a name server has, with its signature.
WATCH = """
while :; do
  for server in 198.51.100.2 198.51.100.3; do
    dig +dnssec +noall +answer +nosplit @$server {owner} TLSA | tr '\\n' ';' >>/root/signed; echo >>/root/signed
  done
  sleep 0.3
done
"""


def signed_until(lab: Lab, *records: str) -> str:
    """The last moment to which a name server has signed an RRset with one of the records, as findings write it."""
    ends = [
        end
        for rrset in set(on(lab, "exim", "cat /root/signed").splitlines())
        if any(record.split()[3] in rrset.lower().replace(" ", "") for record in records)
        for end in re.findall(r"RRSIG\s+TLSA \d+ \d+ \d+ (\d{14}) ", rrset)
    ]
    assert ends
    return re.sub(r"(....)(..)(..)(..)(..)(..)", r"\1-\2-\3T\4:\5:\6Z", max(ends))


@pytest.mark.long
def test_r17_compromise_says_until_when_and_the_finding_is_as_bad_as_the_state(steady: Lab) -> None:
    wait_for_a_ready_key(steady)
    # What the CA signed is believed for the sake of its record, too. BIND varies the validity of signatures by hours.
    stolen, anchor = served(steady), issuer(steady)
    on(steady, "exim", f"rm -f /root/signed; cat >/root/watch <<'END'\n{WATCH.format(owner=OWNER)}END")
    on(steady, "exim", "systemd-run -q --unit watch-signatures sh /root/watch")
    try:
        run = play(steady, "mailsec.dane.compromise", "--limit", "mx1", rotation_wait=True)
    finally:
        on(steady, "exim", "systemctl stop watch-signatures")
    assert served(steady) != stolen
    said = re.findall(r"Finding key-compromised [^:]*: ([^:]*) stolen, and may be accepted until (\S+Z)", run.text)
    assert said, run.output[-6000:]
    records, until = said[-1]
    # Keys that earlier tests reported are named in the same sentence, and their signatures may end later.
    measured = signed_until(steady, stolen, anchor)
    assert stolen in records and (until == measured or (records.count("3 1 1") > 1 and until > measured)), said[-1]
    last = f"ok (1 ok) mx1: the stolen key may still be accepted until {until}"
    assert last in run.text, run.output[-3000:]
    # While its record is published, that is critical; from then on, nobody can do more than wait.
    found = re.findall(r"Finding key-compromised \((\w+)\)", run.text)
    assert (found[0], found[-1]) == ("critical", "error"), found
    # Later runs say the same, until the signature ends.
    later = finish(steady)
    assert last in later.text and set(re.findall(r"Finding key-compromised \((\w+)\)", later.text)) == {"error"}
    after_a_theft(steady)
    is_steady(steady)
