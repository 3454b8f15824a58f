# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the zoo import the checkout as ``ansible_collections.mailsec.dane``, and its own files by their names."""

from __future__ import annotations

import fcntl
import importlib.util
import pathlib
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("unit_conftest", HERE.parents[0] / "unit" / "conftest.py")
assert SPEC and SPEC.loader
SPEC.loader.exec_module(importlib.util.module_from_spec(SPEC))
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def alone():
    """Have the addresses of the zoo to oneself: other runs on this machine wait."""
    with (pathlib.Path(tempfile.gettempdir()) / "mailsec-dane-zoo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say at once, and not in every test, what this machine lacks."""
    from support import programs  # found through the path that the unit tests' conftest adds

    if said := programs.complaint(["zoo"] if session.items else []):
        raise pytest.UsageError(said)
