# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role tlsa as a play runs it: one RRset, whole, through a provider (F07, F16)."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import typing as t
from collections.abc import Iterator

import pytest
from name_servers import (
    BIND,
    EE,
    FOREIGN,
    HOST,
    RESOLVER,
    ROOT,
    SECRET,
    TA,
    Names,
    record,
)
from support.credentials import ecdsa
from support.smtp_responder import Responder

BOTH = sorted([EE, TA])
OWNER = f"_25._tcp.{HOST}"


class Run(t.NamedTuple):
    """One run of a play: what it printed, and its recap for the host."""

    status: int
    output: str

    def count(self, what: str) -> int:
        found = re.search(rf"^mail .*\b{what}=(\d+)", self.output, re.MULTILINE)
        assert found, self.output
        return int(found[1])


Play = t.Callable[..., Run]


@pytest.fixture
def play(names: Names, mail: Responder, tmp_path: pathlib.Path) -> Iterator[Play]:
    """Apply the role to a host on this machine."""
    names.meddle()
    (tmp_path / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
    (tmp_path / "inventory.yml").write_text(
        f"all: {{hosts: {{mail: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}}}}}\n"
    )
    (tmp_path / "play.yml").write_text("- hosts: mail\n  gather_facts: false\n  roles: [{role: mailsec.dane.tlsa}]\n")
    (tmp_path / "own-resolver").write_text('mount --bind "$0" /etc/resolv.conf && exec "$@"\n')

    def run(*arguments: str, **variables: t.Any) -> Run:
        given = {
            "tlsa_base_domain": HOST,
            "tlsa_rrset_owner": OWNER,
            "tlsa_rrset_records": BOTH,
            "tlsa_server": BIND,
            "tlsa_key_name": "tlsa",
            "tlsa_key_secret": SECRET,
            "tlsa_ttl": 60,
            **variables,
        }
        (tmp_path / "variables.json").write_text(json.dumps(given))
        script = (tmp_path / "own-resolver").read_text()
        command = ["unshare", "--mount", "sh", "-c", script, str(tmp_path / "resolv.conf")]
        command += [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), str(tmp_path / "play.yml")]
        command += ["-i", str(tmp_path / "inventory.yml"), "-e", f"@{tmp_path / 'variables.json'}", *arguments]
        environment = os.environ | {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        environment.pop("ANSIBLE_CONFIG", None)
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        return Run(done.returncode, done.stdout + done.stderr)

    yield run


def succeed(run: Run) -> Run:
    assert run.status == 0, run.output
    return run


def test_an_rrset_comes_changes_and_goes(play: Play, names: Names) -> None:
    foreseen = succeed(play("--check", "--diff"))
    assert foreseen.count("changed") == 1 and f"+{OWNER}. 60 IN TLSA {EE}" in foreseen.output
    assert names.served() == ([], None)
    assert succeed(play("--diff")).count("changed") == 1
    assert names.served() == (BOTH, 60)
    again = succeed(play())
    assert (again.count("changed"), again.count("ok")) == (0, 3)
    assert succeed(play(tlsa_rrset_records=[EE], tlsa_expected=BOTH)).count("changed") == 1
    assert names.served()[0] == [EE]
    assert succeed(play(tlsa_rrset_records=[])).count("changed") == 1
    assert names.served() == ([], None)


def test_what_somebody_changed_meanwhile_is_not_overwritten(play: Play, names: Names) -> None:
    names.meddle(EE, FOREIGN)
    refused = play(tlsa_expected=[EE])
    assert refused.status != 0 and names.served()[0] == sorted([EE, FOREIGN])
    assert succeed(play(tlsa_expected=[EE, FOREIGN])).count("changed") == 1
    assert names.served()[0] == BOTH


def test_records_that_do_not_match_what_is_served_are_not_published(play: Play, names: Names) -> None:
    other = record(ecdsa("other.example.nl", "next"), 3, 0)
    refused = play(tlsa_rrset_records=[other])
    assert refused.status != 0 and "mail would be refused" in " ".join(refused.output.split())
    assert names.served() == ([], None)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"tlsa_server": ""}, "Set tlsa_server"),
        ({"tlsa_rrset_records": ["3 1 1 nonsense"]}, "3 1 1 nonsense"),
        ({"tlsa_base_domain": "mx_1.voorbeeld.übel"}, "xn--"),
        ({"tlsa_key_secret": "no base64!"}, "the secret is not base64"),
        ({"tlsa_key_secret": "", "tlsa_key_file": "/nonexistent"}, "key_file /nonexistent cannot be read"),
    ],
)
def test_bad_input_is_named(play: Play, names: Names, variables: dict[str, t.Any], why: str) -> None:
    refused = play(**variables)
    assert refused.status != 0 and why in refused.output, refused.output
    assert names.served() == ([], None)


def test_the_secret_is_nowhere_to_be_seen(play: Play, names: Names, tmp_path: pathlib.Path) -> None:
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = line.read_bytes().decode(errors="replace")
                except OSError:
                    continue  # ended while we looked
                if SECRET in text:
                    seen.append(text)
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        subprocess.run(["sh", "-c", "sleep 1", SECRET], check=True)
        assert seen, "the watch must be able to see one"
        seen.clear()
        done = succeed(play("-vvvv", "--diff"))
        wrong = play("-vvvv", tlsa_key_name="unknown", tlsa_rrset_records=[])
        (tmp_path / "tsig.key").write_text(f'key "tlsa" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n')
        by_file = succeed(
            play("-vvvv", tlsa_key_file=str(tmp_path / "tsig.key"), tlsa_key_secret="", tlsa_rrset_records=[])
        )
    finally:
        over.set()
        watcher.join()
    assert done.count("changed") == by_file.count("changed") == 1
    assert wrong.status != 0 and "BADKEY" in wrong.output
    assert SECRET not in done.output + wrong.output + by_file.output
    assert not seen
