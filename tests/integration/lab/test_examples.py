# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation, carried out in the lab that they come from (F10)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_driver import CHECKOUT, Lab, run, wait_for
from support.examples import Example, examples

PAGES = ("running-modules.md", "tls-guidelines.md")
#: Domains that another test has, which checks that example: tests/integration/audit/test_beside.py.
ELSEWHERE = "moved.nl"
DOCUMENTED_LAB = "/var/lib/mailsec-dane-lab/"
DOCUMENTED_KEY = "eda1b3ec34ae22ccef5fe014fec4fddcbf49795095b4fec345bf9e662775382c"
OWNER = "_25._tcp.sender.outside.nl"
#: Sorts before the digest of the lab's own key, whichever that is.
NEWEST = "00" * 28 + "00000001"


def documented() -> dict[str, Example]:
    found = {}
    for page in PAGES:
        for number, example in enumerate(examples(CHECKOUT / "docs" / page), 1):
            if not any(ELSEWHERE in word for word in example.command):
                what = next(word for word in example.command if word.startswith("mailsec.dane."))
                found[f"{page} {number} {what.removeprefix('mailsec.dane.')}"] = example
    return found


EXAMPLES = documented()


@contextlib.contextmanager
def late_secondary(lab: Lab, example: Example) -> Iterator[None]:
    """A secondary without the newest zone, for the example that shows how that is found."""
    if not any("authorities" in word for word in example.command):
        yield
        return
    lab.host("ns2", "knotc zone-freeze outside.nl")
    try:
        update(lab, f"update add {OWNER} 5 TLSA 3 1 1 {NEWEST}")
        yield
    finally:
        update(lab, f"update delete {OWNER} TLSA 3 1 1 {NEWEST}")
        lab.host("ns2", "knotc zone-thaw outside.nl; knotc zone-refresh outside.nl")
        wait_for(lambda: NEWEST not in digests(lab, "198.51.100.3"), 30)


def update(lab: Lab, line: str) -> None:
    text = f"server 198.51.100.2\nzone outside.nl\n{line}\nsend\n"
    run(lab.directory / "bin" / "lab-exec", "nsupdate", "-k", lab.directory / "keys" / "lab.tsig", stdin=text)


def digests(lab: Lab, server: str) -> list[str]:
    lines = lab.inside("dig", "+short", OWNER, "TLSA", f"@{server}").splitlines()
    return ["".join(line.split()[3:]).lower() for line in lines]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the chain and the key that an example speaks of."""
    directory = tmp_path_factory.mktemp("files")
    script = """
        new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1" -subj "/CN=$2" "${@:3}"; }
        new ca.key CA -x509 -out ca.pem
        new key.pem mx.example.nl -addext subjectAltName=DNS:mx.example.nl \\
          | openssl x509 -req -copy_extensions copy -CA ca.pem -CAkey ca.key -days 60 -out leaf.pem
        cat leaf.pem ca.pem >chain.pem
    """
    subprocess.run(["bash", "-ec", script], cwd=directory, check=True, capture_output=True)
    return directory


def as_documented(lab: Lab, directory: Path, example: Example) -> str:
    """What the example prints here, with the names that the page has for the places."""
    program = str(Path(sys.executable).with_name(example.command[0]))
    arguments = [word.replace(DOCUMENTED_LAB, f"{lab.directory}/") for word in example.command[1:]]
    arguments = [word.replace(DOCUMENTED_KEY, digests(lab, "198.51.100.2")[0]) for word in arguments]
    inventory = str(lab.directory / "inventory.yml")
    if "-i" in arguments:
        arguments[arguments.index("-i") + 1] = inventory
    else:
        arguments[:0] = ["-i", inventory]
    arguments = ["vantage" if word == "localhost" else word for word in arguments]
    settings = {
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CONFIG": f"{CHECKOUT}/ansible.cfg",
    }
    done = subprocess.run(
        [program, *arguments], cwd=directory, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, **settings},
    )  # fmt: skip
    return (done.stdout + done.stderr).replace("vantage |", "localhost |")


@pytest.mark.parametrize("name", EXAMPLES)
def test_f10_an_example_prints_what_the_page_shows(lab: Lab, files: Path, name: str) -> None:
    example = EXAMPLES[name]
    with late_secondary(lab, example):
        printed = as_documented(lab, files, example)
    assert example.pieces and example.not_in(printed) == [], printed
