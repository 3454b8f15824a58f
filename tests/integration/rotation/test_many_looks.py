# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""B02: a rotation may take as many looks as it needs; Ansible ends tasks that include themselves at a depth of 250."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from lab_driver import run

PLAY = """
- name: Looks alone
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Begin
      ansible.builtin.set_fact:
        taken: 0

    - name: Take looks while there is something left to do
      ansible.builtin.include_role:
        name: mailsec.dane.rotation
        tasks_from: looks/more
      vars:
        __rotation_look_file: {directory}/look.yml
        __rotation_goes_on: "{{{{ taken | int < {looks} }}}}"

    - name: Tell how many
      ansible.builtin.debug:
        msg: "looks: {{{{ taken }}}}"
"""
LOOK = """
- name: Look
  ansible.builtin.set_fact:
    taken: "{{ taken | int + 1 }}"
"""


@pytest.mark.parametrize("looks", [0, 3, 11, 1100])
def test_b02_looks_end_when_nothing_is_left_to_do_and_not_before(looks: int, tmp_path: Path) -> None:
    (tmp_path / "look.yml").write_text(LOOK)
    (tmp_path / "play.yml").write_text(PLAY.format(directory=tmp_path, looks=looks))
    done = run(Path(sys.executable).with_name("ansible-playbook"), tmp_path / "play.yml")
    assert f"looks: {looks}'" in done.stdout, done.stdout[-3000:]
    skipped = re.search(r"skipped=(\d+)", done.stdout)
    assert skipped and int(skipped[1]) <= 60, "what is left over is few tasks, however many there could have been"
