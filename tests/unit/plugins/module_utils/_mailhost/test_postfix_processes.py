# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes belong to a running Postfix, from what the kernel shows."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import running_directories, workers


def process(root: Path, number: int, name: str, parent: int, start: int, environment: str = "") -> None:
    made = root / str(number)
    made.mkdir()
    (made / "comm").write_text(f"{name}\n")
    (made / "environ").write_bytes(environment.encode())
    (made / "root").symlink_to("/")
    (made / "stat").write_text(f"{number} ({name}) S {parent} {' '.join('0' for _field in range(17))} {start} 0\n")


def test_what_a_master_process_has_started(tmp_path: Path) -> None:
    process(tmp_path, 10, "master", 1, 500, f"A=b\0MAIL_CONFIG={tmp_path}\0")
    process(tmp_path, 11, "smtp) (d", 10, 600)
    process(tmp_path, 12, "smtp", 10, 601)
    # Another program of that name, as Cyrus has one.
    process(tmp_path, 20, "master", 1, 400)
    process(tmp_path, 21, "imapd", 20, 401)
    ticks = os.sysconf("SC_CLK_TCK")
    process(tmp_path, 13, "smtp", 10, 60 * ticks)
    (tmp_path / "stat").write_text("cpu 1 2\nbtime 1000\nprocesses 7\n")
    assert workers(1060, str(tmp_path)) == ["11@600", "12@601"]
    assert workers(1061, str(tmp_path)) == ["11@600", "12@601", f"13@{60 * ticks}"]
    assert running_directories(str(tmp_path)) == [str(tmp_path)]
