# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three network namespaces: Postfix, a router, the place outside.

The router takes connections to the mail server's address for its own when they come from outside, by a rule of its
routing table.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.mailsec.dane.plugins.module_utils._audit.vantage import compare, endpoints_of

PROGRAM = str(Path(__file__).with_name("in_namespace.py"))
MAIL, ROUTER_MAIL, ROUTER_OUT, OUT = "192.0.2.25", "192.0.2.1", "203.0.113.1", "203.0.113.7"
TAG = f"vantage{os.getpid()}"
SERVER, ROUTER, OUTSIDE = (f"{TAG}-{place}" for place in ("server", "router", "outside"))
#: The nearest to the mail server first.
VANTAGES = {"inside": SERVER, "between": ROUTER, "outside": OUTSIDE}


def ip(*words: str, inside: str = "") -> None:
    command = ["ip", *(("-n", inside) if inside else ()), *words]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)


@contextlib.contextmanager
def namespaces() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for place in (SERVER, ROUTER, OUTSIDE):
            ip("netns", "add", place)
            stack.callback(ip, "netns", "del", place)
            ip("link", "set", "lo", "up", inside=place)
        for place, end, address, router_end, router_address in (
            (SERVER, "eth0", MAIL, "mail", ROUTER_MAIL),
            (OUTSIDE, "eth0", OUT, "out", ROUTER_OUT),
        ):
            ip("link", "add", end, "netns", place, "type", "veth", "peer", "name", router_end, "netns", ROUTER)
            ip("addr", "add", f"{address}/24", "dev", end, inside=place)
            ip("addr", "add", f"{router_address}/24", "dev", router_end, inside=ROUTER)
            ip("link", "set", end, "up", inside=place)
            ip("link", "set", router_end, "up", inside=ROUTER)
            ip("route", "add", "default", "via", router_address, inside=place)
        # What the router itself sends to the mail server leaves; what arrives for it from outside stays here.
        ip("rule", "add", "pref", "5", "iif", "lo", "to", MAIL, "lookup", "200", inside=ROUTER)
        ip("route", "add", f"{MAIL}/32", "dev", "mail", "table", "200", inside=ROUTER)
        ip("rule", "add", "pref", "100", "lookup", "local", inside=ROUTER)
        ip("rule", "del", "pref", "0", inside=ROUTER)
        ip("route", "add", "local", f"{MAIL}/32", "dev", "lo", inside=ROUTER)
        command = ["ip", "netns", "exec", ROUTER, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]
        subprocess.run(command, check=True, timeout=30)
        yield


@contextlib.contextmanager
def running(place: str, *words: str) -> Iterator[None]:
    command = ["ip", "netns", "exec", place, sys.executable, PROGRAM, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.terminate()
            process.wait(30)


def postfix(place: str, keys: Path, **settings: str) -> contextlib.AbstractContextManager[None]:
    """Postfix that answers for the mail server's address at ``place``; ``keys`` is the directory of its key."""
    return running(place, "serve", MAIL, str(keys), json.dumps(settings))


def forwarded() -> contextlib.AbstractContextManager[None]:
    """The router lets through what comes from outside."""
    return ruled("lookup", "200")


@contextlib.contextmanager
def ruled(*action: str) -> Iterator[None]:
    """The router does ``action`` of ``ip rule`` with packets from outside to port 25, and with no other."""
    rule = ("pref", "3", "iif", "out", "to", MAIL, "ipproto", "tcp", "dport", "25", *action)
    ip("rule", "add", *rule, inside=ROUTER)
    try:
        yield
    finally:
        ip("rule", "del", *rule, inside=ROUTER)


def probed(place: str, injection: bool = False) -> dict[str, t.Any]:
    """What the module returns; looking for ``injection`` means to listen for a while whether anything comes."""
    asked = "injection" if injection else "none"
    command = ["ip", "netns", "exec", place, sys.executable, PROGRAM, "probe", MAIL, asked]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


class Seen:
    """What the places found out each alone, and what the comparison says."""

    def __init__(self, *vantages: str, injection: bool = False) -> None:
        self.results = {name: probed(VANTAGES[name], injection) for name in vantages}
        self.compared = compare({name: endpoints_of(result) for name, result in self.results.items()})

    @property
    def alone(self) -> dict[str, list[str]]:
        return {name: sorted(one["code"] for one in result["findings"]) for name, result in self.results.items()}

    @property
    def codes(self) -> list[str]:
        return [entry.code for entry in self.compared]

    @property
    def evidence(self) -> str:
        return " ".join(entry.evidence for entry in self.compared)
