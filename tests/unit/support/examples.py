# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Console examples of the documentation, and whether their output is what is really printed."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What is different in every lab, or on every day.
_VARYING = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
    (re.compile(r"\b\d{1,2} [A-Z][a-z]{2} \d{4}\b"), "<date>"),
    (re.compile(r"\b\d+\.\d+\.\d+\b(?!\.)"), "<version>"),
    (re.compile(r"\bserial: \d+"), "serial: <number>"),
    (re.compile(r"\b[\d.]+ s (ago|passed since)"), r"<number> s \1"),
    (re.compile(r"\bpublished for [\d.]+ s"), "published for <number> s"),
    (re.compile(r"\b[0-9a-f]{8}…"), "<digest>"),
)


@dataclasses.dataclass(frozen=True)
class Example:
    """``command`` as words; ``pieces`` of the output, between the marks for what was left out, without what varies."""

    command: tuple[str, ...]
    pieces: tuple[str, ...]

    def not_in(self, printed: str) -> list[str]:
        """The pieces that were not printed, in this order."""
        rest, missing = _normal(printed), []
        for piece in self.pieces:
            _before, found, after = rest.partition(piece)
            if found:
                rest = after
            else:
                missing.append(piece)
        return missing


def examples(page: Path) -> list[Example]:
    """The commands of a page with the output below each."""
    found = []
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = block.splitlines()
        while lines:
            command = lines.pop(0).removeprefix("$ ")
            while (words := _words(command)) is None:
                command += "\n" + lines.pop(0)
            end = next((number for number, line in enumerate(lines) if line.startswith("$ ")), len(lines))
            output, lines = _normal("\n".join(lines[:end])), lines[end:]
            found.append(Example(words, tuple(filter(None, (piece.strip() for piece in output.split("…"))))))
    return found


def _words(command: str) -> tuple[str, ...] | None:
    """None while a quote is open."""
    try:
        return tuple(shlex.split(command, comments=True))
    except ValueError:
        return None


def _normal(text: str) -> str:
    """With lines joined as they may be broken, and without what varies."""
    text = " ".join(text.split())
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text
