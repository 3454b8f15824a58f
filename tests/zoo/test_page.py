# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/dnssec.md shows of the zoo is what the module prints."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
import world as zoo_world
from responder import Responder
from support.examples import examples

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_b04_the_documented_example(alone):
    if os.geteuid() != 0:
        pytest.skip("not run: port 53 needs root")
    (example,) = [one for one in examples(ROOT / "docs" / "dnssec.md") if one.command[0] == "ansible"]
    program = str(pathlib.Path(sys.executable).with_name("ansible"))
    with Responder(zoo_world.build()[0], port=53):
        done = subprocess.run(
            [program, *example.command[1:]], capture_output=True, text=True, cwd=ROOT, check=False, timeout=120,
            env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
    assert example.not_in(done.stdout) == [], done.stdout + done.stderr
