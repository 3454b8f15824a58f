# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets plain pytest import the checkout as ``ansible_collections.mailsec.dane``."""

from __future__ import annotations

import pathlib
import sys

import hypothesis
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _collections_root() -> pathlib.Path:
    if ROOT.parent.name == "mailsec" and ROOT.parents[1].name == "ansible_collections":
        return ROOT.parents[2]
    link = ROOT / ".cache" / "collections" / "ansible_collections" / "mailsec" / "dane"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(ROOT)
    return link.parents[2]


for path in (str(ROOT / "tests" / "unit"), str(_collections_root())):
    if path not in sys.path:
        sys.path.insert(0, path)


# A slow machine is not a defect.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: left out of make unit; make test runs it")


@pytest.fixture(autouse=True)
def _own_warnings() -> None:
    """Modules run in this process, where Ansible would give the warnings of one to all that follow."""
    warnings = sys.modules.get("ansible.module_utils.common.warnings")
    if warnings is not None:
        warnings._global_warnings.clear()
        warnings._global_deprecations.clear()
    # The test of a filter makes this process a controller, where warnings go to the screen instead of the result.
    internal = sys.modules.get("ansible.module_utils._internal")
    if internal is not None:
        internal.is_controller = False
