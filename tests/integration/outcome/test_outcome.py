# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every playbook ends: the last line, the exit status, and the hosts that the recap shows as failed (F10, R14).

No mail server is needed: a play before it sets what the hosts would have set.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
GROUPS = {"mail_inbound": ["mx1", "mx2", "mx3"], "mail_outbound": ["mx1", "out1"]}
BEFORE = """---
- name: Work on the hosts
  hosts: mail_inbound:mail_outbound
  gather_facts: false
  tasks:
    - name: Set what the rotation sets
      ansible.builtin.set_fact:
        rotation_outcome: "{{ (told[inventory_hostname] | default({})).rotation_outcome | default(fine) }}"
      vars:
        fine: {state: ok, sentence: "Nothing to do."}

    - name: Set what the audit sets
      ansible.builtin.set_fact:
        mailsec_dane_audit: "{{ told[inventory_hostname].mailsec_dane_audit }}"
      when: (told[inventory_hostname] | default({})).mailsec_dane_audit is defined

    - name: Set what role postfix registers
      ansible.builtin.set_fact:
        postfix_report: "{{ told[inventory_hostname].postfix_report }}"
      when: (told[inventory_hostname] | default({})).postfix_report is defined

- name: End
  import_playbook: mailsec.dane.parts.outcome
  vars:
    outcome_hosts: HOSTS
"""


class Run(t.NamedTuple):
    status: int
    output: str

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """What the recap has for each host that is not only ok."""
        found = {}
        for host, text in re.findall(r"^(\S+)\s+: (ok=.*)$", self.output, re.MULTILINE):
            counts = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", text)}
            if bad := {key: counts[key] for key in ("failed", "unreachable") if counts[key]}:
                found[host] = bad
        return found


@pytest.fixture
def run(tmp_path: Path) -> t.Callable[..., Run]:
    inventory = {"all": {
        "vars": {"ansible_connection": "local"},
        "children": {group: {"hosts": dict.fromkeys(hosts)} for group, hosts in GROUPS.items()},
    }}  # fmt: skip
    (tmp_path / "inventory.json").write_text(json.dumps(inventory))

    def play(*arguments: str, hosts: str = "mail_inbound:mail_outbound", **told: t.Any) -> Run:
        (tmp_path / "play.yml").write_text(BEFORE.replace("HOSTS", hosts))
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "inventory.json")]
        argv += [str(tmp_path / "play.yml"), "-e", json.dumps({"told": told}), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=CHECKOUT, timeout=120, check=False)
        return Run(done.returncode, done.stdout + done.stderr)

    return play


def outcome(state: str, sentence: str = "the reason") -> dict[str, t.Any]:
    return {"rotation_outcome": {"state": state, "sentence": sentence}}


def test_nothing_to_say_is_one_line_and_exit_status_0(run: t.Callable[..., Run]) -> None:
    found = run(mx2=outcome("waiting", "until noon"))
    assert found.status == 0 and found.counts == {}, found.output
    assert "waiting (3 ok, 1 waiting) mx2: until noon" in found.output


def test_each_host_where_a_person_must_act_is_shown_as_failed(run: t.Callable[..., Run]) -> None:
    found = run(mx2=outcome("choose", "set it"), out1=outcome("failed", "it broke"), mx3=outcome("blocked", "ns1"))
    assert found.status == 2, found.output
    assert found.counts == {"mx2": {"failed": 1}, "out1": {"failed": 1}}, found.output
    last = [line for line in found.output.splitlines() if line.strip()]
    recap = next(number for number, line in enumerate(last) if line.startswith("PLAY RECAP"))
    assert last[recap - 1].strip() == "failed (1 ok, 1 blocked, 1 choose, 1 failed) out1: it broke", found.output


def test_a_host_that_is_blocked_is_the_one_that_counts_as_unreachable(run: t.Callable[..., Run]) -> None:
    found = run(mx3=outcome("blocked", "ns2 is down"))
    assert found.status == 4 and found.counts == {"mx3": {"unreachable": 1}}, found.output
    assert "blocked (3 ok, 1 blocked) mx3: ns2 is down" in found.output


def test_what_is_wrong_with_no_host_is_shown_at_the_first_one(run: t.Callable[..., Run]) -> None:
    audit = {"mailsec_dane_audit": {"state": "failed", "sentence": "two domains are unprotected"}}
    found = run(mx1=audit, out1=outcome("blocked", "ns2 is down"))
    assert found.status == 2 and list(found.counts.values()) == [{"failed": 1}], found.output
    assert "failed (3 ok, 1 blocked, 1 failed) audit: two domains are unprotected" in found.output


def test_a_run_for_some_hosts_ends_on_one_of_them(run: t.Callable[..., Run]) -> None:
    found = run("--limit", "mx1,mx2", mx2=outcome("failed", "it broke"), mx3=outcome("failed", "not asked"))
    assert found.status == 2 and found.counts == {"mx2": {"failed": 1}}, found.output
    assert "failed (1 ok, 1 failed) mx2: it broke" in found.output


def test_settings_of_postfix_that_are_undone_again_and_again_are_named(run: t.Callable[..., Run]) -> None:
    undone = "This collection set a in main.cf to 1, and another program or person has changed it to 2 since."
    found = run(mx1={"postfix_report": {"changed_since": [undone]}}, mx2={"postfix_report": {"kept": []}})
    assert found.status == 0 and f"ok (4 ok) mx1: {undone}" in found.output, found.output


def test_only_the_hosts_of_the_playbook_count(run: t.Callable[..., Run]) -> None:
    found = run(hosts="mail_outbound", mx2=outcome("failed", "not asked"))
    assert found.status == 0 and "ok (2 ok)" in found.output, found.output
    found = run(hosts="mail_outbound", out1=outcome("choose", "set it"), mx2=outcome("failed", "not asked"))
    assert found.status == 2 and found.counts == {"out1": {"failed": 1}}, found.output
    assert "choose (1 ok, 1 choose) out1: set it" in found.output
