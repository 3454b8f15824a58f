# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings labs up and takes them down by the playbook a user would run, and looks for what they leave behind."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
PLAYBOOK = "mailsec.dane.lab"


def run(*argv: str | Path, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in argv]
    done = subprocess.run(words, capture_output=True, text=True, input=stdin, cwd=CHECKOUT, timeout=900, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


class Lab:
    """One lab of these tests: its directory, its parameters, and the words to ask it something."""

    def __init__(self, directory: Path, parameters: dict[str, t.Any]) -> None:
        self.directory = directory
        self.parameters = {**parameters, "lab_directory": str(directory)}

    def command(self, **more: t.Any) -> list[str]:
        ansible = str(Path(sys.executable).with_name("ansible-playbook"))
        return [ansible, "-i", "localhost,", PLAYBOOK, "-e", json.dumps({**self.parameters, **more})]

    def playbook(self, check: bool = True, arguments: tuple[str, ...] = (), **more: t.Any) -> str:
        done = run(*self.command(**more), *arguments, check=check)
        return done.stdout + done.stderr

    def changed(self, output: str) -> int:
        found = re.search(r"localhost\s*: ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=0", output)
        assert found, output
        return int(found.group(1))

    def inside(self, *argv: str, check: bool = True) -> str:
        return run(self.directory / "bin" / "lab-exec", *argv, check=check).stdout

    def host(self, pattern: str, command: str, check: bool = True) -> str:
        """Run a shell command on a host or a group, and return what ad-hoc Ansible prints.

        For hosts of the lab ssh does it, because to start Ansible takes seconds of processor time.
        """
        inventory = self.directory / "inventory.yml"
        groups = yaml.safe_load(inventory.read_text())["all"]["children"]
        known = groups["lab"]["hosts"]
        names = [pattern] if pattern in known else list(groups.get(pattern, {}).get("hosts", {}))
        if not names or not set(names) <= set(known):
            ansible = str(Path(sys.executable).with_name("ansible"))
            done = run(ansible, "-i", inventory, pattern, "-m", "ansible.builtin.shell", "-a", command, check=check)
            return done.stdout + done.stderr
        ssh = [
            self.directory / "bin" / "ssh", *shlex.split(groups["lab"]["vars"]["ansible_ssh_args"]),
            "-i", self.directory / "keys" / "ssh",
        ]  # fmt: skip
        script = f"sh -c {shlex.quote(command)}"
        with concurrent.futures.ThreadPoolExecutor() as pool:
            ran = list(
                pool.map(lambda name: run(*ssh, f"root@{known[name]['ansible_host']}", script, check=check), names)
            )
        return "".join(
            f"{name} | {'FAILED' if done.returncode else 'CHANGED'} | rc={done.returncode} >>\n"
            f"{done.stdout}{done.stderr}\n"
            for name, done in zip(names, ran, strict=True)
        )

    def outer(self) -> int:
        return int((self.directory / "run" / "outer").read_text().split()[0])

    def footprint(self) -> tuple[set[int], set[str]]:
        """Process numbers below the lab's outer process, and the network namespaces they are in."""
        parents: dict[int, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended while we looked
        members = {self.outer()}
        while more := {pid for pid, parent in parents.items() if parent in members and pid not in members}:
            members |= more
        spaces = {network_of(pid) for pid in members} - {network_of(os.getpid()), ""}
        return members, spaces

    def leftovers(self, footprint: tuple[set[int], set[str]] | None) -> list[str]:
        """Everything of the lab that still exists, in words; empty when it is gone."""
        found = []
        if self.directory.exists():
            found.append(f"directory {self.directory}")
        for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
            try:
                if f" {self.directory}/" in mounts.read_text():
                    found.append(f"mount seen by process {mounts.parent.name}")
            except (FileNotFoundError, ProcessLookupError, OSError):
                continue  # ended while we looked
        digest = run("sha256sum", stdin=str(self.directory)).stdout[:8]
        groups = Path("/sys/fs/cgroup").glob(f"**/mailsec-lab-{digest}-*")
        found += [f"control group {group}" for group in groups]
        for pid in (int(entry.name) for entry in Path("/proc").glob("[0-9]*")):
            if footprint and network_of(pid) in footprint[1]:
                found.append(f"process {pid} in a network namespace of the lab")
            if str(self.directory) in command_line(pid):
                found.append(f"process {pid}: {command_line(pid)}")
        return found


def network_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except PermissionError:
        # What this machine hides even from root (its own first process, in some sandboxes) was not started by us.
        return ""


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for(what: t.Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"did not happen within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """A machine that forbids namespaces cannot run these tests; that is reported, never passed."""
    if os.geteuid() != 0:
        pytest.skip("not run: the lab needs root")
    if run("unshare", "--mount", "--net", "--pid", "--fork", "true", check=False).returncode != 0:
        pytest.skip("not run: this machine forbids namespaces")
