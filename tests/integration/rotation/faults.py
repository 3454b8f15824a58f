# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults under which a rotation must stand still: how each is brought about and undone, and what a run says of it."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import yaml
from lab_driver import Lab
from rotation_site import JOURNALS, on

#: The lab shares the machine's clocks, so it is the clocks of those programs that are wrong which look and publish.
FAKE = "env LD_PRELOAD={library} DONT_FAKE_MONOTONIC=1 FAKETIME="
WRONG_SECRET = base64.b64encode(bytes(range(100, 132))).decode()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """``begin`` and ``end`` are scripts for ``host``. ``says``: what a run must name. ``status``: how it ends, 0 when
    it just waits, 4 when something is in the way that may pass, 2 when a person must act.

    ``clock``: what the Python of the host that looks is called by.
    """

    name: str
    says: str
    status: int = 0
    host: str = "mx1"
    begin: str = ":"
    end: str = ":"
    clock: str = ""
    at_begin: bool = True
    while_spreading: bool = True
    secret: str = WRONG_SECRET

    @contextlib.contextmanager
    def there(self, lab: Lab) -> Iterator[None]:
        on(lab, self.host, self.begin)
        try:
            yield
        finally:
            on(lab, self.host, self.end)

    def arguments(self, lab: Lab) -> list[str]:
        """An inventory beside the lab's, in which the host that looks has another Python."""
        if not self.clock:
            return []
        python, inventory = lab.directory / "bin" / "python-clock", lab.directory / "clock.yml"
        words = self.clock.replace("{library}", str(faketime()))
        # Inside the lab's network, because the lab knows its first process by the time at which it began.
        own = (lab.directory / "run" / "controller-python").read_text().strip()
        python.write_text(f'#!/bin/sh\nexec {lab.directory}/bin/lab-exec {words} {own} "$@"\n')
        python.chmod(0o755)
        vantage = {"hosts": {"vantage": {"ansible_python_interpreter": str(python)}}}
        inventory.write_text(yaml.safe_dump({"all": {"children": {"lab_controller": vantage}}}))
        return ["-i", str(inventory)]

    def variables(self, lab: Lab) -> dict[str, t.Any]:
        if "key" not in self.name:
            return {}
        right, wrong = lab.directory / "keys" / "lab.tsig", lab.directory / "keys" / "wrong.tsig"
        wrong.touch(0o600)
        wrong.write_text(re.sub(r'secret "[^"]*"', f'secret "{WRONG_SECRET}"', right.read_text()))
        return {"tlsa_key_file": str(wrong)}


def faketime() -> Path:
    """The library of Debian's package of that name."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def full_disk(pages: int) -> str:
    """A full file system in the place of the journal's, with the journal, and with pages of 4 KiB left."""
    return (
        f"cp -a {JOURNALS} /tmp/journals && mount -t tmpfs -o size=256k,mode=700 tmpfs {JOURNALS}"
        f" && cp -a /tmp/journals/. {JOURNALS}/ && rm -r /tmp/journals"
        f" && cd {JOURNALS} && head -c {pages * 4096} /dev/zero >room && (cat /dev/zero >full; rm room) 2>/dev/null"
    )


FAULTS = (
    Fault(
        name="a clock 200 s ahead", says="Next safe time", clock=f"{FAKE}+200s", at_begin=False,
    ),
    Fault(
        name="a clock 200 s behind", says="Next safe time", clock=f"{FAKE}-200s", at_begin=False,
    ),
    Fault(
        name="a monotonic clock an hour ahead", says="Next safe time", at_begin=False,
        clock="unshare --time --fork --kill-child --boottime=3600 --monotonic=3600",
    ),
    Fault(
        name="a clock an hour ahead", says="BADTIME", status=2, clock=f"{FAKE}+3600s", while_spreading=False,
    ),
    Fault(name="a wrong key for updates", says="BADSIG", status=2, while_spreading=False),
    Fault(
        name="no room for anything", says="No space left on device", status=2,
        begin=full_disk(0), end=f"umount {JOURNALS}",
    ),
    Fault(
        name="room for the lease only", says="No space left on device", status=2,
        begin=full_disk(2), end=f"umount {JOURNALS}",
    ),
    Fault(
        name="an address of the mail server is unreachable", says="it is not known what [2001:db8:51::11]:25 serves",
        status=4,
        begin="ip -6 addr del 2001:db8:51::11/64 dev eth0", end="ip -6 addr add 2001:db8:51::11/64 dev eth0 nodad",
    ),
    Fault(
        name="a name server is down", says="(198.51.100.3) gives no secure answer", host="ns2", status=4,
        begin="systemctl stop knot", end="systemctl start knot",
    ),
)  # fmt: skip
