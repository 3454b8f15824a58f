# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail servers from small Debian systems of their own: installing them would remove this machine's mail server."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

_BUILD = Path(__file__).parents[1] / "run" / "mail_root.sh"
# The process stays the same one from unshare to the command, so that its number and its group are those of the caller's
# child. Processes, devices, network, names and temporary files are this machine's.
_ENTER = """
root=$0 temporary=$1
shift
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
for place in /proc /dev /etc/hosts /etc/resolv.conf "$temporary"; do
  mount --rbind "$place" "$root$place"
done
exec chroot "$root" "$@"
"""


@functools.cache
def root(package: str = "postfix") -> Path:
    """The directory of the system with ``package``; it is built when it is missing, which takes half a minute."""
    if os.geteuid() != 0:
        pytest.skip("not run: a mail server needs root")
    words = [str(_BUILD), package]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"there is no {package} for these tests:\n{done.stderr}")
    found = Path(done.stdout.splitlines()[-1])
    (found / tempfile.gettempdir().removeprefix("/")).mkdir(parents=True, exist_ok=True)
    return found


def command(*words: str) -> list[str]:
    """What runs a command in that system. It sees the temporary files of this one, under the same names."""
    namespace = ["unshare", "--mount", "--propagation", "private", "--"]
    return [*namespace, "bash", "-ec", _ENTER, str(root()), tempfile.gettempdir(), *words]
