# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The libraries the core needs, named in one place.

The core guards its third-party imports so that a missing library becomes a sentence an administrator
can act on. Private to the collection.
"""

from __future__ import annotations

import importlib
import traceback
import typing as t

#: Library name on the package index -> (import name, lowest version the core is written for).
MINIMUM: t.Final[t.Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "cryptography": ("cryptography", (42, 0)),
    "dnspython": ("dns", (2, 6)),
    "netaddr": ("netaddr", (1, 0)),
    "tlslite-ng": ("tlslite", (0, 8)),
}


class Missing(t.NamedTuple):
    """One library that is absent or too old: its name, why, and the import traceback ('' when only too old)."""

    library: str
    why: str
    trace: str


def _version(module: t.Any, import_name: str) -> tuple[int, ...]:
    text = str(importlib.import_module("dns.version").version if import_name == "dns" else module.__version__)
    numbers: list[int] = []
    for part in text.split("."):
        digits = "".join(ch for ch in part if ch.isdigit())
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def missing(*libraries: str) -> list[Missing]:
    """Return which of ``libraries`` (names of :data:`MINIMUM`) this interpreter lacks or has too old."""
    found: list[Missing] = []
    for library in libraries:
        import_name, minimum = MINIMUM[library]
        try:
            module = importlib.import_module(import_name)
        except ImportError:
            found.append(Missing(library, "it is not installed", traceback.format_exc()))
            continue
        version = _version(module, import_name)
        if version < minimum:
            wanted = ".".join(map(str, minimum))
            found.append(Missing(library, f"version {'.'.join(map(str, version))} is older than {wanted}", ""))
    return found
