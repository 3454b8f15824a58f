# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the rooms of the core in docs/architecture.md from their imports. ``make rooms`` calls it."""

from __future__ import annotations

import ast
import functools
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORE = ROOT / "plugins" / "module_utils"
PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = "ansible_collections.mailsec.dane.plugins.module_utils"
BEGIN, END = "```mermaid\n", "```\n"

#: From the ground up: a room uses what stands before it. Files without a room come first.
ROOMS = (
    "_pki", "_dane", "_dns", "_dnssec", "_smtp", "_tls_scan", "_audit", "_publish", "_rotation", "_mailhost"
)  # fmt: skip


@functools.cache
def files() -> dict[str, pathlib.Path]:
    """Every file of the core by its name below the core, as ``_dns.view``."""
    return {".".join(path.relative_to(CORE).with_suffix("").parts): path for path in sorted(CORE.rglob("*.py"))}


def room(name: str) -> str:
    """The room of a file, '' for one that stands by itself."""
    return name.partition(".")[0] if "." in name else ""


@functools.cache
def imports(path: pathlib.Path) -> set[str]:
    """The files of the core that a file imports, for types alone included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE):
            where = node.module.removeprefix(PACKAGE).lstrip(".")
            found |= {where} if where in files() else {f"{where}.{one.name}".lstrip(".") for one in node.names}
    return found


@functools.cache
def arrows() -> dict[tuple[str, str], int]:
    """How many files of the first room import from the second one."""
    found: dict[tuple[str, str], int] = {}
    for name, path in files().items():
        for other in {room(one) for one in imports(path)} - {room(name), ""}:
            found[room(name), other] = found.get((room(name), other), 0) + 1
    return found


def drawing() -> str:
    """The drawing: each room with the number of its files, and an arrow to every room that it uses."""
    sizes = [sum(room(name) == one for name in files()) for one in ROOMS]
    boxes = [f'  {one}["{one} ({size})"]' for one, size in zip(ROOMS, sizes, strict=True)]
    lines = [f"  {one} --> {other}" for one, other in sorted(arrows())]
    return "\n".join([f"{BEGIN}flowchart TB", *boxes, *lines, ""])


def page() -> str:
    """The page with the drawing as it has to be."""
    before, _begin, rest = PAGE.read_text().partition(BEGIN)
    return before + drawing() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page())
