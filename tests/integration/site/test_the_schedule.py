# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a schedule sees: exit status and last line (cases R14 and R16). Begins where test_site.py ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from lab_driver import CHECKOUT, Lab

DEAD = """---
all:
  children:
    lab:
      hosts:
        dead:
          ansible_host: 198.51.100.250
          ansible_ssh_extra_args: -o ConnectTimeout=5
    mail_inbound:
      hosts:
        dead:
"""


def play(lab: Lab, name: str, *arguments: str) -> tuple[int, str]:
    """Exit status and output, without line folding."""
    ansible = str(Path(sys.executable).with_name("ansible-playbook"))
    argv = [ansible, "-i", str(lab.directory / "inventory.yml"), f"mailsec.dane.{name}", *arguments]
    done = subprocess.run(
        argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=CHECKOUT, timeout=900, check=False
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.long
def test_r16_a_host_that_cannot_be_reached_stops_neither_the_others_nor_the_audit(lab: Lab, tmp_path: Path) -> None:
    extra = tmp_path / "dead.yml"
    extra.write_text(DEAD)
    status, output = play(lab, "site", "-i", str(extra), "--limit", "dead,mx1")
    assert status == 2 and "dead cannot be reached" in output, output[-3000:]
    assert "mailsec.dane.audit : Show the report" in output and "mailsec.dane.rotation : Say what came of it" in output


@pytest.mark.long
def test_r14_a_name_server_that_is_down_is_told_as_blocked(lab: Lab) -> None:
    lab.host("ns2", "systemctl stop knot")
    try:
        status, output = play(lab, "finish", "--limit", "mx1")
    finally:
        lab.host("ns2", "systemctl start knot")
    assert status == 4 and "blocked (1 blocked) mx1:" in output and "198.51.100.3" in output, output[-3000:]


def test_a_decision_that_does_not_exist_is_refused_before_anything_is_done(lab: Lab) -> None:
    status, output = play(lab, "site", "--limit", "mx1", "-e", "certificate_adoption=mvoe", "-e", "audit_fail_on=never")
    assert status == 2 and "certificate_adoption is mvoe, which is not one of auto, adopt, move, leave" in output
    assert "changed=0" in output


@pytest.mark.long
def test_a_host_that_another_run_changes_is_told_as_blocked(lab: Lab) -> None:
    lease = "path=/var/lib/mailsec-dane/changes subject='changes of this host'"
    words = ["-i", str(lab.directory / "inventory.yml"), "mx1", "-m", "mailsec.dane.rotation_journal", "-a"]
    ansible = str(Path(sys.executable).with_name("ansible"))
    holding = [ansible, *words, f"{lease} state=acquired holder=somebody seconds=900"]
    subprocess.run(holding, capture_output=True, stdin=subprocess.DEVNULL, cwd=CHECKOUT, check=True)
    lab.host("mx1", "postconf smtp_tls_security_level=may")
    try:
        status, output = play(lab, "outbound", "--limit", "mx1")
    finally:
        lab.host("mx1", "rm /var/lib/mailsec-dane/changes.lease")
    assert status == 4 and "somebody holds the lease of /var/lib/mailsec-dane/changes" in output, output[-3000:]
    assert lab.host("mx1", "postconf -h smtp_tls_security_level").strip() == "may"
    status, output = play(lab, "outbound", "--limit", "mx1")
    assert status == 0, output[-3000:]
