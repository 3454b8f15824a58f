# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role tlsa as a play runs it: from the chain on the mail server to the records on every name server (F07, F16)."""

from __future__ import annotations

import json
import os
import pathlib
import re
import ssl
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
    MAIL,
    NEXT_EE,
    NOW,
    RESOLVER,
    ROOT,
    SECONDARY,
    SECRET,
    TA,
    Names,
    record,
)
from support.credentials import ecdsa
from support.smtp_responder import Responder

BOTH = sorted([EE, TA])
PEM = "".join(ssl.DER_cert_to_PEM_cert(der) for der in NOW.chain)


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
    """Apply the role to a host on this machine whose live chain is that of the mail server."""
    names.meddle()
    (tmp_path / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
    (tmp_path / "chain.pem").write_text(PEM)
    (tmp_path / "inventory.yml").write_text(
        f"all: {{hosts: {{mail: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}}}}}\n"
    )
    (tmp_path / "play.yml").write_text(
        "- hosts: mail\n  gather_facts: false\n  roles: [{role: mailsec.dane.tlsa}]\n"
    )
    (tmp_path / "own-resolver").write_text('mount --bind "$0" /etc/resolv.conf && exec "$@"\n')

    def run(*arguments: str, **variables: t.Any) -> Run:
        given = {
            "tlsa_base_domain": HOST, "tlsa_chain_file": str(tmp_path / "chain.pem"), "tlsa_server": BIND,
            "tlsa_key_name": "tlsa", "tlsa_key_secret": SECRET, "tlsa_ttl": 60, "tlsa_wait_timeout": 30, **variables,
        }
        (tmp_path / "variables.json").write_text(json.dumps(given))
        script = (tmp_path / "own-resolver").read_text()
        command = ["unshare", "--mount", "sh", "-c", script, str(tmp_path / "resolv.conf")]
        command += [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), str(tmp_path / "play.yml")]
        command += ["-i", str(tmp_path / "inventory.yml"), "-e", f"@{tmp_path / 'variables.json'}", *arguments]
        environment = os.environ | {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"), "ANSIBLE_NOCOLOR": "1",
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


def test_from_nothing_to_published_everywhere_and_nothing_more_to_do(play: Play, names: Names) -> None:
    foreseen = succeed(play("--check", "--diff"))
    assert foreseen.count("changed") == 1 and f"+_25._tcp.{HOST}. 60 IN TLSA {EE}" in foreseen.output
    assert names.served() == ([], None)
    first = succeed(play("--diff"))
    assert first.count("changed") == 1
    assert names.served() == names.served(server=SECONDARY) == (BOTH, 60)
    again = succeed(play())
    assert (again.count("changed"), again.count("ok")) == (0, 4)
    assert succeed(play(tlsa_state="absent", tlsa_chain_file="/nonexistent")).count("changed") == 1
    assert names.served() == ([], None)


def test_the_scheme_and_the_ca_can_be_chosen(play: Play, names: Names) -> None:
    options = {"tlsa_name_servers": [BIND], "tlsa_ports": [25, 2525], "tlsa_endpoints": [f"{MAIL}:25"]}
    succeed(play(**options, tlsa_scheme=["issuer"], tlsa_issuer_index=2))
    root = [record(NOW, 2, 2)]
    assert names.served()[0] == names.served(f"_2525._tcp.{HOST}")[0] == root
    succeed(play(**options, tlsa_scheme=["current"], tlsa_exclusive=True))
    assert names.served()[0] == [EE]
    names.meddle(owner=f"_2525._tcp.{HOST}")


def test_records_of_others(play: Play, names: Names) -> None:
    here = {"tlsa_name_servers": [BIND]}
    names.meddle(EE, TA, NEXT_EE)
    assert succeed(play(**here)).count("changed") == 0
    names.meddle(FOREIGN, TA)
    assert succeed(play(**here)).count("changed") == 1
    assert names.served()[0] == BOTH
    refused = play(**here, tlsa_scheme=["current"])
    assert refused.status == 0 and names.served()[0] == BOTH, "the RRset has it, and more"
    other = record(NOW, 2, 2)
    names.meddle(EE, other)
    refused = play(**here)
    assert refused.status != 0 and other in refused.output and "matches what is served now" in " ".join(
        refused.output.split()
    )
    assert names.served()[0] == sorted([EE, other])
    assert succeed(play(**here, tlsa_exclusive=True)).count("changed") == 1
    assert names.served()[0] == BOTH


def test_a_chain_that_is_not_served_is_not_published(
    play: Play, names: Names, mail: Responder, tmp_path: pathlib.Path
) -> None:
    other = ecdsa("other.example.nl", "next")
    (tmp_path / "chain.pem").write_text(ssl.DER_cert_to_PEM_cert(other.chain[0]))
    refused = play(tlsa_scheme=["current"])
    assert refused.status != 0 and "mail would be refused" in " ".join(refused.output.split())
    assert names.served() == ([], None)


def test_a_host_without_certificate(play: Play, names: Names) -> None:
    foreseen = succeed(play("--check", tlsa_chain_file="/nonexistent/chain.pem"))
    assert foreseen.count("changed") == 1 and "is not there yet" in foreseen.output
    failed = play(tlsa_chain_file="/nonexistent/chain.pem")
    assert failed.status != 0 and "/nonexistent/chain.pem" in failed.output
    assert names.served() == ([], None)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"tlsa_server": ""}, "Set tlsa_server"),
        ({"tlsa_scheme": ["next"]}, "tlsa_scheme"),
        ({"tlsa_base_domain": "mx_1.voorbeeld.übel"}, "xn--"),
        ({"tlsa_key_secret": "no base64!"}, "the secret is no base64"),
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
        wrong = play("-vvvv", tlsa_key_name="unknown", tlsa_state="absent")
        (tmp_path / "tsig.key").write_text(f'key "tlsa" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n')
        by_file = succeed(
            play("-vvvv", tlsa_key_file=str(tmp_path / "tsig.key"), tlsa_key_secret="", tlsa_state="absent")
        )
    finally:
        over.set()
        watcher.join()
    assert done.count("changed") == by_file.count("changed") == 1
    assert wrong.status != 0 and "BADKEY" in wrong.output
    assert SECRET not in done.output + wrong.output + by_file.output
    assert not seen
