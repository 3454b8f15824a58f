# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a module returns is what its documentation says it returns, down to the last key."""

from __future__ import annotations

import typing as t


def undocumented(value: t.Any, described: dict[str, t.Any], where: str = "") -> set[str]:
    """Paths of keys in ``value`` that ``described``, the keys below RETURN or ``contains``, does not have.

    What is documented as a dictionary without ``contains`` has keys of its own and is not looked into.
    """
    found: set[str] = set()
    if isinstance(value, list):
        return found.union(*(undocumented(one, described, f"{where}[]") for one in value))
    if not isinstance(value, dict):
        return found
    for key, inner in value.items():
        path = f"{where}.{key}".lstrip(".")
        if key not in described:
            found.add(path)
        elif below := described[key].get("contains"):
            found |= undocumented(inner, below, path)
    return found
