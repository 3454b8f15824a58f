# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of the project, loaded so that tests can call what is in them."""

from __future__ import annotations

import importlib.util
import pathlib
import types

SCRIPTS = pathlib.Path(__file__).parents[2] / "run"


def load(name: str) -> types.ModuleType:
    """Run tests/run/NAME.py as a module. ``runpy`` does not find files below the import hooks of ansible-test."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
