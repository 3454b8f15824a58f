# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that people run, from bare hosts on, as a cautious administrator would. Tests build on each other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from lab_driver import CHECKOUT, Lab

#: The first host counts the audit and the certificate authority, too.
STEADY_TASKS = 25


def play(lab: Lab, name: str, *arguments: str, check: bool = True) -> str:
    ansible = str(Path(sys.executable).with_name("ansible-playbook"))
    argv = [ansible, "-i", str(lab.directory / "inventory.yml"), f"mailsec.dane.{name}", *arguments]
    done = subprocess.run(
        argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=CHECKOUT, timeout=900, check=False
    )
    output = done.stdout + done.stderr
    assert not check or done.returncode == 0, output[-6000:]
    return output


def recap(output: str) -> dict[str, dict[str, int]]:
    found = {}
    for host, counts in re.findall(r"^(\S+)\s+: (ok=.*)$", output, re.MULTILINE):
        found[host] = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)}
    assert found, output[-3000:]
    return found


def owner(lab: Lab, host: str) -> str:
    return lab.inside("dig", "+short", f"_25._tcp.{host}.example.nl", "TLSA", "@198.51.100.2").strip()


def secrets(lab: Lab) -> list[str]:
    tsig = re.search(r'secret "([^"]+)"', (lab.directory / "keys/lab.tsig").read_text())
    assert tsig
    return ["PRIVATE KEY-----\n", "PRIVATE KEY-----\\n", tsig.group(1)]


class ProcessList:
    """Everything that the machine's process list showed while it was watched."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> ProcessList:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.is_set():
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(entry.read_bytes())
                except (FileNotFoundError, ProcessLookupError):
                    continue  # ended while we looked
            time.sleep(0.05)


def test_check_mode_on_bare_hosts_says_what_would_happen_and_does_nothing(lab: Lab) -> None:
    output = play(lab, "site", "--check", "--diff", "-e", "audit_fail_on=never")
    counts = recap(output)
    assert counts["mx1"]["changed"] > 0
    assert counts["mx1"]["failed"] == 0 and counts["mx3"]["failed"] == 0
    for host in ("mx1", "mx3"):
        lab.host(host, "test ! -e /etc/mailsec-dane && test ! -e /etc/postfix/main.cf && ! command -v unbound")
        assert owner(lab, host) == ""
    assert not (lab.directory / "ca").exists()


def test_f23_f22_outbound_alone_leaves_inbound_as_it_is(lab: Lab) -> None:
    play(lab, "outbound")
    for host in ("mx1", "mx3"):
        assert "dane" in lab.host(host, "postconf -h smtp_tls_security_level")
        assert "smtpd_tls_chain_files = \n" in lab.host(host, "postconf smtpd_tls_chain_files").replace("=\n", "= \n")
        lab.host(host, "test ! -e /etc/mailsec-dane/live")
        assert owner(lab, host) == ""


def test_f23_inbound_after_outbound_shows_no_secret_anywhere(lab: Lab) -> None:
    with ProcessList() as processes:
        output = play(lab, "inbound", "-vvv", "--diff")
    counts = recap(output)
    assert counts["mx1"]["changed"] > 0
    for secret in secrets(lab):
        assert secret not in output
        assert not [line for line in processes.seen if secret.encode() in line]
    for host in ("mx1", "mx3"):
        assert "dane" in lab.host(host, "postconf -h smtp_tls_security_level")
        # The Postfix of Debian 12 presents a placeholder by then: that key is in use, so it is adopted, and one of its
        # own is next. A CA of ours has nothing to say about it.
        is_adopted = "yes" in lab.host(host, "test ! -e /etc/mailsec-dane/adopted.json || echo yes")
        records = owner(lab, host).splitlines()
        wanted = ["3 1 1", "3 1 1"] if is_adopted else ["2 1 1", "3 1 1", "3 1 1"]
        assert sorted(record[:5] for record in records) == wanted
        assert is_adopted or host != "mx1"


def test_r01_the_run_after_an_adoption_begins_the_move_to_a_key_of_its_own(lab: Lab) -> None:
    output = play(lab, "site")
    assert "Phase: spreading" in output and "caches may hold anything" in " ".join(output.split())
    assert "waiting (" in output


def test_f05_f20_site_finds_nothing_left_to_do_in_few_tasks(lab: Lab) -> None:
    output = play(lab, "site")
    counts = recap(output)
    assert {host: count["changed"] for host, count in counts.items() if count["changed"]} == {}
    assert counts["mx1"]["ok"] <= STEADY_TASKS, output


def test_check_mode_of_a_configured_site_says_no_change(lab: Lab) -> None:
    counts = recap(play(lab, "site", "--check", "--diff"))
    assert {host: count["changed"] for host, count in counts.items() if count["changed"]} == {}


def test_f09_f10_audit_says_protected_and_writes_it_down(lab: Lab, tmp_path: Path) -> None:
    result = tmp_path / "audit.json"
    output = play(lab, "audit", "-e", f"audit_json_file={result}", "-e", "audit_fail_on=unprotected")
    domains = {entry["domain"]: entry["verdict"] for entry in json.loads(result.read_text())["domains"]}
    assert domains == dict.fromkeys(("example.nl", "example.org", "trixie.nl"), "protected"), output


def test_f03_the_ca_key_never_reaches_a_mail_host(lab: Lab) -> None:
    for host in ("mx1", "mx3"):
        found = lab.host(host, "grep -rl 'PRIVATE KEY' /etc /root /tmp /var/lib /var/tmp 2>/dev/null | sort")
        listed = [line for line in found.splitlines() if line.startswith("/")]
        assert [path for path in listed if "mailsec-dane" not in path and "ssh" not in path and "ssl" not in path] == []
        assert any("mailsec-dane/live/" in path for path in listed)
