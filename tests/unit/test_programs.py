# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of programs that tests call names suites that exist, and a missing one is named with its package."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import programs

TESTS = Path(__file__).resolve().parents[1]
STAGES = {"lint", "package", "sanity", "units", "unit", "zoo"}


def test_every_suite_of_the_list_exists() -> None:
    lines = [line.split("|") for line in programs.LIST.read_text().splitlines() if line[:1] not in ("#", "")]
    suites = {suite for _package, _programs, found in lines for suite in found.split()}
    assert suites - STAGES == {suite for suite in suites - STAGES if (TESTS / "integration" / suite).is_dir()}
    assert {"audit", "tls", "vantage"} <= suites


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listed = tmp_path / "packages.txt"
    listed.write_text("# comment\nno-such-package | sh no-such-program /no/such/*.so | tls\nother | nothing | audit\n")
    monkeypatch.setattr(programs, "LIST", listed)
    said = programs.complaint(["tls", "vantage"])
    assert said.endswith("call: /no/such/*.so, no-such-program. As root: apt-get install no-such-package")
    assert programs.complaint(["vantage"]) == ""
