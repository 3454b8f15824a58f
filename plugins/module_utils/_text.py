# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that a stranger sent, made fit for results, logs and terminals. Pure. Private to the collection."""

from __future__ import annotations

import re
import typing as t

_UNPRINTABLE: t.Final = re.compile(r"[^ -~]")
#: Openings of Jinja2 expressions, statements and comments: a result may end up in a template.
_TEMPLATE: t.Final = re.compile(r"\{(?=[{%#])")


def printable(text: bytes | str, limit: int = 256) -> str:
    """Return at most ``limit`` characters of printable ASCII; other bytes or characters become ``\\x1b`` and the like.

    Text that was cut ends in ``...``. Never raises.
    """
    decoded = text[: limit + 1].decode("latin-1") if isinstance(text, bytes) else text[: limit + 1]
    escaped = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], decoded)
    harmless = _TEMPLATE.sub("{ ", escaped)
    return harmless if len(harmless) <= limit else f"{harmless[: max(limit - 3, 0)]}..."[:limit]
