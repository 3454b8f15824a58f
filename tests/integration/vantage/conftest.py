# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network that all tests of vantages share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import postfix_root
import pytest

for path in (str(Path(__file__).parent), str(Path(__file__).parents[3] / ".cache" / "collections")):
    if path not in sys.path:
        sys.path.insert(0, path)

import vantage_site as site  # noqa: E402 - found through the path above


@pytest.fixture(scope="session")
def network() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("not run: network namespaces need root")
    # It could not be fetched from inside the namespaces.
    postfix_root.root()
    with site.namespaces():
        yield


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the mail server's own key."""
    return tmp_path_factory.mktemp("keys")
