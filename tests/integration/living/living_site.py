# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a hand-made host comes about, and how playbooks are run against it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import rotation_evidence
from lab_driver import CHECKOUT, Lab, run
from rotation_evidence import Run
from shapes import Shape

HERE = Path(__file__).parent
ANSIBLE = str(Path(sys.executable).with_name("ansible-playbook"))
#: A root and an issuing CA, as openssl alone makes them: the CA that mail programs trust.
PUBLIC_CA = """
set -eu; umask 077; mkdir -p "$1"; cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=Public Root' \
  -keyout root.key -out root.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=Public Issuing' -keyout issuing.key \\
  -out request
printf '%s\\n' basicConstraints=critical,CA:TRUE subjectKeyIdentifier=hash keyUsage=critical,keyCertSign >extensions
openssl x509 -req -in request -CA root.pem -CAkey root.key -CAcreateserial -days 1800 -extfile extensions \\
  -out issuing.pem
rm root.key request extensions
"""


class World:
    """One hand-made host and all that is around it."""

    def __init__(self, lab: Lab, shape: Shape) -> None:
        self.lab, self.shape = lab, shape
        #: The picture from before the first run.
        self.remembered: t.Any = None
        self.public_ca = lab.directory / "public-ca"

    def exists(self) -> bool:
        return "made" in self.on(self.shape.host, "cat /root/made 2>/dev/null", check=False)

    def build(self) -> None:
        """Make the host, and publish what its administrator would have published."""
        run("bash", "-c", PUBLIC_CA, "-", self.public_ca)
        for host in (self.shape.host, "inside"):
            # A restart during the start of the system would be cancelled by it.
            self.on(host, "timeout 60 systemctl is-system-running --wait", check=False)
        for host in (self.shape.host, "inside"):
            self.put(host, "/usr/local/bin/stand-in", "#!/usr/bin/env python3\n" + (HERE / "stand_in.py").read_text())
        for host in (self.shape.host, "inside", "sender"):
            for name in ("root.pem", "issuing.pem", "issuing.key"):
                self.put(host, f"/root/public-ca/{name}", (self.public_ca / name).read_text())
        common = f"SHAPE={self.shape.name}\n" + (HERE / "shapes/common.sh").read_text()
        for host, name in (("inside", "inside"), (self.shape.host, self.shape.name.replace("-", "_"))):
            self.script(host, common + (HERE / f"shapes/{name}.sh").read_text())
        again = self.on(self.shape.host, "cat /root/inside-script 2>/dev/null", check=False)
        if again:
            self.script("inside", again)
        self.update(*self.on(self.shape.host, "cat /root/tlsa").splitlines())
        self.on(self.shape.host, "rm -rf /root/public-ca/issuing.key /root/tlsa; echo made >/root/made")

    def put(self, host: str, path: str, text: str) -> None:
        """Write a file; not by the command line, which other tests search for keys."""
        self.on(host, f"mkdir -p {Path(path).parent} && cat >{path}", stdin=text)

    def script(self, host: str, text: str) -> str:
        """Run a script of any length."""
        self.put(host, "/root/script", text)
        done = self.on(host, "bash /root/script 2>&1 || echo FAILED")
        assert not done.endswith("FAILED\n"), done
        return done

    def update(self, *lines: str) -> None:
        if lines:
            rotation_evidence.update(self.lab, "example.nl", *lines)

    def on(self, host: str, script: str, check: bool = True, stdin: str = "") -> str:
        return rotation_evidence.on(self.lab, host, script, check, stdin)

    def words(self, playbook: str, *arguments: str, **variables: t.Any) -> list[str]:
        inventory = str(self.lab.directory / "inventory.yml")
        return [ANSIBLE, "-i", inventory, f"mailsec.dane.{playbook}", "-e", json.dumps(variables), *arguments]

    def play(self, playbook: str, *arguments: str, **variables: t.Any) -> Run:
        return rotation_evidence.run_playbook(self.lab, self.words(playbook, *arguments, **variables), check=False)

    def role(self, roles: dict[str, dict[str, t.Any]]) -> Run:
        """Apply roles with variables, as a playbook of one's own would."""
        tasks = [
            {"name": name, "ansible.builtin.import_role": {"name": f"mailsec.dane.{name}"}, "vars": variables}
            for name, variables in roles.items()
        ]
        path = self.lab.directory / "own.yml"
        path.write_text(json.dumps([{"name": "Own", "hosts": self.shape.host, "tasks": tasks}]))
        words = [ANSIBLE, "-i", str(self.lab.directory / "inventory.yml"), str(path)]
        return rotation_evidence.run_playbook(self.lab, words, check=False)

    def killed(self, playbook: str, seconds: float, **variables: t.Any) -> int | None:
        """Run a playbook and end all of it after some time, as by a loss of power; None, or its exit status before.

        What runs on the host goes on to its end, as it would there. Here a namespace of processes has all of Ansible's,
        whose workers would go on, too.
        """
        with tempfile.TemporaryFile() as output, subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", *self.words(playbook, **variables)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=CHECKOUT,
        ) as process:  # fmt: skip
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return None
