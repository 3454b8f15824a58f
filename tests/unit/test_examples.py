# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of console examples finds what differs, and only that."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.examples import examples

PAGE = """Text.

```console
$ ansible localhost -m some.module -a '{"a": 1,
    "b": 2}'
localhost | SUCCESS =>
    key: 3 1 1 {first}
    …
    until: '2026-11-25T09:29:49Z'
$ other command
```

```console
no dollar
```
"""
FIRST, SECOND = "ab" * 32, "cd" * 32


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE.replace("{first}", FIRST))
    return path


def test_commands_and_what_is_shown_below_them(page: Path) -> None:
    first, second, third = examples(page)
    assert first.command[-1] == '{"a": 1,\n    "b": 2}' and len(first.pieces) == 2
    assert (second.command, third.command) == (("other", "command"), ("no", "dollar"))
    assert second.pieces == third.pieces == ()


@pytest.mark.parametrize(
    ("printed", "missing"),
    [
        (f"localhost | SUCCESS =>\n  key: 3 1 1\n    {SECOND}\n  more: 1\n  until: '2031-01-01T00:00:00Z'\n", 0),
        (f"localhost | SUCCESS =>\n  key: 2 1 1 {SECOND}\n  until: '2031-01-01T00:00:00Z'\n", 1),
        # In another order.
        (f"until: '2031-01-01T00:00:00Z'\nlocalhost | SUCCESS =>\n  key: 3 1 1 {SECOND}\n", 1),
        ("localhost | FAILED", 2),
    ],
)
def test_what_is_not_printed_is_found(page: Path, printed: str, missing: int) -> None:
    assert len(examples(page)[0].not_in(printed)) == missing
