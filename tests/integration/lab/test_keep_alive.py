# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R19: a task on a host that dies while a connection to it is open ends within two minutes; your settings stay."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab_driver import CHECKOUT, Lab, run, wait_for

PLAY = """
- hosts: mx3
  gather_facts: false
  tasks:
    - ansible.builtin.command: sleep 900
"""
KEEP_ALIVE = "-o ServerAliveInterval=15 -o ServerAliveCountMax=4"


def without_keep_alive(lab: Lab) -> dict[str, str]:
    """The lab's own settings but for keep-alives, as somebody has them who never heard of those."""
    program = Path(sys.executable).with_name("ansible-inventory")
    known = json.loads(run(program, "-i", lab.directory / "inventory.yml", "--list").stdout)
    words = str(known["_meta"]["hostvars"]["mx3"]["ansible_ssh_args"])
    kept = words.replace("-o ServerAliveInterval=5 -o ServerAliveCountMax=3", "")
    assert "ServerAlive" not in kept
    return {"ansible_ssh_args": kept}


def test_r19_a_host_that_dies_is_noticed(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    shutil.copytree(CHECKOUT / "playbooks" / "group_vars", tmp_path / "group_vars")
    (tmp_path / "more.json").write_text(json.dumps(without_keep_alive(lab)))
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(lab.directory / "inventory.yml"),
        "-e", f"@{tmp_path / 'more.json'}", str(tmp_path / "play.yml"),
    ]  # fmt: skip
    playing = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: "sleep 900" in lab.host("mx3", "pgrep -af '^sleep 900' || true"), 60)
        lab.inside("ip", "link", "set", "v-mx3", "down")
        start = time.monotonic()
        printed, _nothing = playing.communicate(timeout=150)
        assert time.monotonic() - start < 120
        assert playing.returncode == 4 and "UNREACHABLE" in printed, printed
    finally:
        playing.kill()
        lab.inside("ip", "link", "set", "v-mx3", "up")
    wait_for(lambda: "rc=0" in lab.host("mx3", "true", check=False), 60)


@pytest.mark.parametrize(
    ("inventory", "environment", "expected"),
    [
        ({}, {}, KEEP_ALIVE),
        ({}, {"ANSIBLE_SSH_EXTRA_ARGS": "-o ProxyJump=gate"}, f"-o ProxyJump=gate {KEEP_ALIVE}"),
        ({"ansible_ssh_common_args": "-o ServerAliveInterval=7"}, {}, f"-o ServerAliveInterval=7 {KEEP_ALIVE}"),
        ({"ansible_ssh_extra_args": "-o ServerAliveInterval=7"}, {}, "-o ServerAliveInterval=7"),
    ],
)
def test_r19_playbooks_of_the_collection_keep_connections_alive(
    tmp_path: Path, inventory: dict[str, str], environment: dict[str, str], expected: str
) -> None:
    """By the words that ssh gets, in its place."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/words\nexit 255\n')
    ssh.chmod(0o755)
    host = {"ansible_ssh_executable": str(ssh), **inventory}
    listed = {"all": {"children": {"mail_outbound": {"hosts": {"mx": host}}}}}
    (tmp_path / "inventory.json").write_text(json.dumps(listed))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.json", "mailsec.dane.outbound"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_SSH_ARGS": "-C", **environment},
    )  # fmt: skip
    assert (tmp_path / "words").exists(), done.stdout
    words = next(line for line in (tmp_path / "words").read_text().splitlines() if " mx " in line).split()
    assert " ".join(f"-o {word}" for word in words if word.startswith(("ServerAlive", "ProxyJump"))) == expected
