# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/findings.md from the catalogue of findings. ``make findings`` calls it."""

from __future__ import annotations

import ast
import pathlib
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "findings.md"

HEAD = """\
<!-- Copyright (c) 2026, mailsec.dane contributors -->
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Made from plugins/module_utils/_catalogue.py by `make findings`; edit that file instead. -->
# Findings

What the audit and the modules report. A code never changes its meaning and is never used for something else, so that it
can be filtered and counted. With each finding come its subject, what was seen, what would have been right, and the
remedy below. The severity is the usual one; it can be higher where it was seen that mail is refused now.
"""

SEVERITIES = {
    "critical": "Mail from senders that enforce DANE is refused now, or surely at the next event that can be foreseen.",
    "error": "Protection is lost, or only some senders or endpoints fail.",
    "warning": "Will break at an event that can be foreseen, or is against the advice of RFC 7671 section 8.",
    "info": "Good to know; hygiene.",
}


def catalogue() -> t.Mapping[str, tuple[str, str, str]]:
    for node in ast.parse((ROOT / "plugins" / "module_utils" / "_catalogue.py").read_text()).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="CATALOGUE"), value=ast.Dict() as value):
                return ast.literal_eval(value)
    raise LookupError("_catalogue.py has no CATALOGUE")


def page() -> str:
    found = catalogue()
    parts = [HEAD]
    for severity, meaning in SEVERITIES.items():
        rows = [
            f"| `{code}` | {remedy} | {rule} |"
            for code, (listed, rule, remedy) in sorted(found.items())
            if listed == severity
        ]
        parts.append(f"## {severity.capitalize()}\n\n{meaning}\n\n| code | what to do | rule |\n|---|---|---|\n")
        parts[-1] += "\n".join(rows) + "\n"
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
