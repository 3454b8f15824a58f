# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts worlds (``world.py``), each in namespaces of its own, and plays cases in them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import postfix_root
from oracle.sender_cases import Play

_WORLD = Path(__file__).with_name("world.py")
# Everything in it ends with its first process. Its resolver is the scripted one, which the C library shall believe.
_ENTER = """
ip link set lo up
ip address add 198.51.100.25/32 dev lo
printf 'nameserver 127.0.0.1\\noptions edns0 trust-ad\\n' >"$0/resolv.conf"
for root in "$1" "$2"; do
  mount --bind "$root" "$root"
  mount -o remount,bind,ro "$root"
  mount --rbind /dev "$root/dev"
  mount --rbind /tmp "$root/tmp"
  mount --bind "$0/resolv.conf" "$root/etc/resolv.conf"
done
shift 2
exec "$@"
"""


class World:
    """A running world."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def play(self, case: Play) -> dict[str, t.Any]:
        """Return what became of the case."""
        assert self._process.stdin is not None
        self._process.stdin.write(case.to_json() + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, t.Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the world ended with {self._process.wait(60)}"
        found: dict[str, t.Any] = json.loads(line)
        assert "failed" not in found, found
        return found


@contextlib.contextmanager
def world(directory: Path) -> Iterator[World]:
    """Run a world; ``directory`` is for what it needs to start."""
    roots = [str(postfix_root.root(package)) for package in ("postfix", "exim4-daemon-light")]
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"]
    inside = ["bash", "-ec", _ENTER, str(directory), *roots, sys.executable, str(_WORLD), *roots]
    process = subprocess.Popen([*namespaces, *inside], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        made = World(process)
        assert made._answer() == {"ready": True}
        yield made
    finally:
        # At the end of its input it leaves by itself, and the kernel ends what is left in its namespaces.
        with process:
            pass
