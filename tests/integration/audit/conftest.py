# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS of these tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
for path in (str(Path(__file__).parent), str(ROOT / "tests" / "unit"), str(ROOT / ".cache" / "collections")):
    if path not in sys.path:
        sys.path.insert(0, path)

import dns_world  # noqa: E402 - found through the path above


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dns_world.World]:
    """Zones sound and broken, and two that nobody answers for: one server is silent, one port is closed."""
    with dns_world.silent_server() as silent:
        answering = {"silent.nl.": silent, "closed.nl.": dns_world.free_port()}
        with dns_world.World(tmp_path_factory.mktemp("dns"), list(dns_world.zones()), answering) as running:
            yield running
