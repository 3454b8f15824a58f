# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of these tests."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
for place in (ROOT / ".cache" / "collections", ROOT / "tests" / "unit", Path(__file__).parent):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from name_servers import call, mail, names, network  # noqa: E402  # pylint: disable=unused-import

__all__ = ("call", "mail", "names", "network")
