# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transparent proxy on the way removes STARTTLS, and the comparison of two vantages names it (F11).

Three network namespaces: Postfix, a router, the place outside. The router takes connections to the mail
server's address for its own when they come from outside, by a rule of its routing table.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [path for path in (str(ROOT / ".cache" / "collections"),) if path not in sys.path]

from ansible_collections.mailsec.dane.plugins.module_utils._vantage import compare, endpoints_of  # noqa: E402

PROGRAM = str(Path(__file__).with_name("in_namespace.py"))
MAIL, ROUTER_MAIL, ROUTER_OUT, OUT = "192.0.2.25", "192.0.2.1", "203.0.113.1", "203.0.113.7"
TAG = f"vantage{os.getpid()}"
SERVER, ROUTER, OUTSIDE = (f"{TAG}-{place}" for place in ("server", "router", "outside"))


def ip(*words: str, inside: str = "") -> None:
    command = ["ip", *(("-n", inside) if inside else ()), *words]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("not run: network namespaces need root")
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


def probed(place: str) -> dict[str, object]:
    command = ["ip", "netns", "exec", place, sys.executable, PROGRAM, "probe", MAIL]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def mail_server(network: None) -> Iterator[None]:
    with running(SERVER, "serve", MAIL):
        yield


def seen(how: str) -> tuple[list[str], list[str], str]:
    """The codes from outside alone, those of the comparison with the mail server's own view, and the evidence."""
    with running(ROUTER, "proxy", MAIL, how):
        inside, outside = probed(SERVER), probed(OUTSIDE)
    found = compare({"inside": endpoints_of(inside), "outside": endpoints_of(outside)})
    assert [entry["code"] for entry in inside["findings"]] == []  # type: ignore[attr-defined]
    alone = [entry["code"] for entry in outside["findings"]]  # type: ignore[attr-defined]
    return alone, [entry.code for entry in found], " ".join(entry.evidence for entry in found)


def test_starttls_that_is_removed_on_the_path_is_named(mail_server: None) -> None:
    alone, compared, evidence = seen("remove")
    assert sorted(alone) == ["starttls-injection-inconclusive", "starttls-missing"]
    assert compared == ["starttls-stripped-on-path"]
    assert evidence == "STARTTLS is offered at inside and missing at outside"


def test_starttls_that_is_masked_on_the_path_is_named(mail_server: None) -> None:
    alone, compared, evidence = seen("mask")
    assert sorted(alone) == ["starttls-injection-inconclusive", "starttls-keyword-masked", "starttls-missing"]
    assert compared == ["starttls-stripped-on-path", "ehlo-keywords-differ"]
    assert "its keyword is masked" in evidence


def test_a_proxy_that_changes_nothing_is_no_finding(mail_server: None) -> None:
    assert seen("pass") == ([], [], "")
