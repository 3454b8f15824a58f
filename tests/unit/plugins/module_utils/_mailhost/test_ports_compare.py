# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as worse between two looks at the ports of a mail host."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.ports_compare import Expected, worse

OLD, NEW, OTHER = "a" * 64, "b" * 64, "c" * 64


def served(key: str, kind: str = "any", name: str = "", chain: int = 2, problem: str = "") -> dict[str, t.Any]:
    digests = [str(number) for number in range(chain if key else 0)]
    return {"server_name": name, "key_type": kind, "spki_sha256": key, "chain_sha256": digests, "problem": problem}


def look(*entries: dict[str, t.Any], port: int = 465, tls: str = "implicit", **more: t.Any) -> dict[str, t.Any]:
    one = {
        "address": "192.0.2.1",
        "port": port,
        "process": "master",
        "tls": tls,
        "served": list(entries),
        "problem": "",
    }
    return {"sockets": [{**one, **more}], "queue": []}


NOTHING: dict[str, t.Any] = {"sockets": [], "queue": []}
EXPECTED = [Expected(frozenset({25}), frozenset({NEW}))]


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (look(served(OLD)), look(served(NEW)),
         f"port 465 of 192.0.2.1 no longer serves the certificate that clients trusted before (public key {OLD[:16]}…):"
         f" it serves {NEW[:16]}…"),
        (look(served(OLD), served(OLD, "rsa"), port=25), look(served(OTHER), served("", "rsa"), port=25),
         "serves cccc"),
        (look(served(OLD), served(OLD, "rsa")), look(served(OLD), served("", "rsa")),
         "to clients that take RSA only: it has no key of this type any more"),
        (look(served(OLD), served(OLD, name="mx.b")), look(served(OLD), served(NEW, name="mx.b")),
         "to clients that ask for mx.b: it serves"),
        (look(served(OLD)), look(served(OLD, chain=1)), "serves 1 instead of 2 certificates"),
        (look(served(OLD)), look(served("", problem="time-out")), "(public key aaaaaaaaaaaaaaaa…): time-out"),
        (look(served(OLD)), look(tls="none"), "no longer offers STARTTLS"),
        (look(tls="none"), look(tls="unknown", problem="no banner"),
         "does not answer as a mail server any more: no banner"),
        (look(served(OLD)), NOTHING, "port 465 of 192.0.2.1 is closed: master listened there before"),
        (NOTHING, {**NOTHING, "queue": [{"reason": "client TLS configuration problem", "count": 3}]},
         "3 messages newly wait in the queue: client TLS configuration problem"),
    ],
)  # fmt: skip
def test_worse(before: dict[str, t.Any], after: dict[str, t.Any], sentence: str) -> None:
    (found,) = worse(before, after, EXPECTED)
    assert sentence in found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (look(served(OLD)), look(served(OLD))),
        (look(served(OLD), served(OLD, "rsa"), port=25), look(served(NEW), served("", "rsa"), port=25)),
        (look(served(OLD, chain=3), port=25), look(served(NEW, chain=1), port=25)),
        (look(tls="unknown", problem="no banner"), NOTHING),
        (look(tls="none"), look(served(NEW), tls="starttls")),
        (look(served("", problem="time-out")), look(served("", problem="time-out"))),
        (look(served(OLD), served(OLD, name="mx.b")), look(served(OLD))),
        ({**NOTHING, "queue": [{"reason": "table lookup", "count": 1}]},
         {**NOTHING, "queue": [{"reason": "table lookup", "count": 9}]}),
        (NOTHING, {**NOTHING, "queue": [{"reason": "connect to 192.0.2.9: Connection refused", "count": 9}]}),
    ],
)  # fmt: skip
def test_not_worse(before: dict[str, t.Any], after: dict[str, t.Any]) -> None:
    assert worse(before, after, EXPECTED) == []


def test_one_sentence_for_each_port_and_closed_on_purpose() -> None:
    before = look(served(OLD), served(OLD, "rsa"), served(OLD, name="x"))
    assert len(worse(before, look(served(NEW), served("", "rsa"), served(NEW, name="x")), ())) == 1
    assert worse(before, NOTHING, (), may_close=True) == []
