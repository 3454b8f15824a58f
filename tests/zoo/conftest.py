# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the zoo import the checkout as ``ansible_collections.mailsec.dane``, and its own files by their names."""

from __future__ import annotations

import importlib.util
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("unit_conftest", HERE.parents[0] / "unit" / "conftest.py")
assert SPEC and SPEC.loader
SPEC.loader.exec_module(importlib.util.module_from_spec(SPEC))
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def zoo():
    """The world, its cases and the key of its root."""
    import world

    return world.build()
