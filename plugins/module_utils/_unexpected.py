# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An exception that nobody expected, in words that are safe to show. Pure. Private to the collection."""

from __future__ import annotations

import os
import traceback
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

#: Reason and finding where an exception kept a host or domain from being examined.
AUDIT_ERROR: t.Final = "audit-error"


def words(error: Exception) -> str:
    """Say which exception it is, and where it came from; its text may quote hostile data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}" if frames else ""
    text = printable(str(error), 200)
    return f"{type(error).__name__}{place}" + (f": {text}" if text else "")
