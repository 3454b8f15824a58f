# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the integration tests import what they share, what the unit tests share, and the collection itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
for path in (ROOT / ".cache" / "collections", ROOT / "tests" / "unit", Path(__file__).parent):
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))

# Servers are there, and not every shell of root has it on its path.
os.environ["PATH"] += ":/usr/sbin:/sbin"

# What they assert is shown with its values, as in a test.
pytest.register_assert_rewrite(
    "lab_driver", "rotation_evidence", "rotation_site", "shape_site", "senders", "judge", "living_site"
)

from support import programs  # noqa: E402 - found through the path above


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say at once, and not in every test, what this machine lacks."""
    if said := programs.complaint(sorted({item.path.parent.name for item in session.items})):
        raise pytest.UsageError(said)
