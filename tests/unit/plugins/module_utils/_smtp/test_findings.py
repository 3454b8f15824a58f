# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a chain that does not fit is called, beside the other chains of the same host."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import mismatch_code

NAME = "mx.example.nl"
GOOD, BAD = (b"good",), (b"bad",)


def probe(
    chain: tuple[bytes, ...], key_type: str | None = None, name: str | None = NAME, address: str = "192.0.2.1"
) -> Probe:
    return Probe(Endpoint(address), name, "tls", key_type=key_type, chain=chain)


def codes(*probes: Probe) -> list[str]:
    """The code for each chain that does not fit, '' where nothing more is to be said."""
    fitting = [one for one in probes if one.chain == GOOD]
    return [mismatch_code(one, "tlsa-no-match", probes, fitting) for one in probes if one.chain != GOOD]


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        ([probe(BAD)], ["tlsa-no-match"]),
        ([probe(GOOD), probe(BAD, "rsa")], ["algorithm-uncovered"]),
        ([probe(BAD), probe(GOOD, "rsa"), probe(BAD, "ecdsa")], ["tlsa-no-match", "algorithm-uncovered"]),
        ([probe(GOOD), probe(BAD, name=None)], ["sni-divergence"]),
        # One chain that does not fit, asked for in several ways, is one fault.
        ([probe(BAD), probe(BAD, "ecdsa"), probe(BAD, name=None)], ["tlsa-no-match", "", ""]),
        ([probe(BAD, "ecdsa"), probe(BAD, "ecdsa", None)], ["tlsa-no-match", ""]),
        ([probe(BAD), probe((b"worse",), "rsa")], ["tlsa-no-match", "tlsa-no-match"]),
        # Another address is another server.
        ([probe(GOOD, address="192.0.2.2"), probe(BAD, "rsa")], ["tlsa-no-match"]),
        ([probe(BAD), probe(BAD, "rsa", address="192.0.2.2")], ["tlsa-no-match", "tlsa-no-match"]),
    ],
)
def test_the_code_of_a_mismatch(probes: list[Probe], expected: list[str]) -> None:
    assert codes(*probes) == expected
    for order in itertools.permutations(probes):
        assert sorted(codes(*order)) == sorted(expected)
