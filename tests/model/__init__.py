# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exhaustive search through everything that can happen during a rotation; see docs/rotation-safety.md."""

from __future__ import annotations

import pathlib
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_COLLECTIONS = _ROOT / ".cache" / "collections"
if _ROOT.parent.name == "mailsec" and _ROOT.parents[1].name == "ansible_collections":
    _COLLECTIONS = _ROOT.parents[2]
if str(_COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(_COLLECTIONS))
