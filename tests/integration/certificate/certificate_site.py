# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An authority and hosts that get certificates, worked on with the playbooks that a user would run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

from lab_driver import CHECKOUT, Lab

AUTHORITY_PLAY = """
- name: Authority
  hosts: localhost
  gather_facts: false
  roles:
    - role: mailsec.dane.certificate_authority
"""
CERTIFICATE_PLAY = """
- name: Certificates
  hosts: servers
  gather_facts: false
  tasks:
    - name: Apply the role
      ansible.builtin.import_role:
        name: mailsec.dane.certificate
        tasks_from: stage

    - name: Deploy what keeps key and CA, which role rotation leaves to its planner
      mailsec.dane.certificate_files:
        state: deployed
        directory: "{{ certificate_directory | default('/etc/mailsec-dane') }}"
        names: "{{ [certificate_host_name] + certificate_names | default([]) }}"
        renew_days: "{{ certificate_renew_days | default(30) }}"
        new_issuer: "{{ certificate_source | default('own') == 'file' or new_issuer | default(false) }}"
"""
ENTRY_PLAY = """
- name: Certificates, one step
  hosts: servers
  gather_facts: false
  tasks:
    - name: Apply one step of the role
      ansible.builtin.include_role:
        name: mailsec.dane.certificate
        tasks_from: {entry}
"""


class Run:
    """What one playbook run said."""

    def __init__(self, text: str, code: int) -> None:
        self.text = text
        self.code = code

    def recap(self, host: str) -> dict[str, int]:
        found = re.search(rf"^{host}\s*: (.*)$", self.text, re.M)
        assert found, self.text
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", found[1])}

    def refused(self, *words: str) -> None:
        """The run failed, and its message has all ``words``."""
        flat = " ".join(self.text.split())
        assert self.code != 0, self.text
        for word in words:
            assert word in flat, self.text


class Site:
    """An authority and some hosts, with the playbooks that a user would run."""

    def __init__(self, directory: Path, hosts: dict[str, dict[str, t.Any]], **variables: t.Any) -> None:
        self.authority = directory / "ca"
        self._directory = directory
        inventory = {
            "all": {
                "vars": {"certificate_authority_directory": str(self.authority), **variables},
                "children": {"servers": {"hosts": hosts}},
            }
        }
        (directory / "inventory.json").write_text(json.dumps(inventory))

    def play(
        self, text: str, *options: str, check: bool = True, env: dict[str, str] | None = None, **more: t.Any
    ) -> Run:
        book = self._directory / "play.yml"
        book.write_text(f"---\n{text}")
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self._directory / "inventory.json"),
             str(book), "-e", json.dumps(more), *options],
            capture_output=True, text=True, timeout=900, cwd=CHECKOUT, env={**os.environ, **(env or {})},
            check=False,
        )  # fmt: skip
        result = Run(done.stdout + done.stderr, done.returncode)
        if check:
            assert done.returncode == 0, result.text
        return result

    def certify(self, *options: str, check: bool = True, **more: t.Any) -> Run:
        """The authority, then the certificates."""
        return self.play(AUTHORITY_PLAY + CERTIFICATE_PLAY, *options, check=check, **more)


class RealHosts:
    """Two hosts of a lab and the commands to ask them."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory
        inventory = json.loads(
            subprocess.run(
                [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(lab.directory / "inventory.yml"),
                 "--list"],
                capture_output=True, text=True, check=True, cwd=CHECKOUT,
            ).stdout
        )  # fmt: skip
        known = inventory["_meta"]["hostvars"]
        names = {"old": "old.cert-lab.net", "new": "new.cert-lab.net"}
        # How to reach the hosts comes from the lab; where the authority is comes from these tests.
        reach = {
            name: {key: value for key, value in known[name].items() if key.startswith("ansible_")} for name in names
        }
        hosts = {name: {**reach[name], "certificate_host_name": fqdn} for name, fqdn in names.items()}
        self.site = Site(directory, hosts)

    def ask(self, host: str, command: str, check: bool = True) -> str:
        text = self.lab.host(host, command, check=check)
        return text.split(">>\n", 1)[-1]
