# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs a suite of tests needs, and which packages have them, from tests/run/packages.txt."""

from __future__ import annotations

import glob
import os
import shutil
import typing as t
from pathlib import Path

LIST = Path(__file__).parents[2] / "run" / "packages.txt"


def needed(suite: str) -> dict[str, str]:
    """Programs that a suite calls, or files that it uses, each with its Debian package."""
    lines = (line.split("|") for line in LIST.read_text(encoding="utf-8").splitlines() if line[:1] not in ("#", ""))
    return {
        program: package.strip()
        for package, programs, suites in lines
        if suite in suites.split()
        for program in programs.split()
    }


def is_here(program: str) -> bool:
    """Whether this machine has it; users other than root often lack /usr/sbin on their path."""
    if program.startswith("/"):
        return bool(glob.glob(program))
    return bool(shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"))


def complaint(suites: t.Iterable[str]) -> str:
    """One sentence about what these suites need and this machine lacks; empty when it has everything."""
    found = {program: package for suite in suites for program, package in needed(suite).items() if not is_here(program)}
    if not found:
        return ""
    programs, packages = ", ".join(sorted(found)), " ".join(sorted(set(found.values())))
    return f"This machine lacks programs that these tests call: {programs}. As root: apt-get install {packages}"
