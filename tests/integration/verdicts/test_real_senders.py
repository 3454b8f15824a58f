# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""V01 to V14, and their kinds: our audit beside posttls-finger at level dane, and a message that Exim sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from oracle.sender_cases import BAD, KNOWN
from worlds import World, world

#: Case -> what is found there, beside the verdict.
CODES = {
    "v02 EC keyEncipherment, TLS 1.3": "certificate-key-usage",
    "v03 leaf signed with SHA-1, 2 1 1": "ta-chain-invalid",
    "v04 RSA-768 leaf, 3 1 1": "certificate-key-weak",
    "v05 TLS 1.0 only, EC": "tls-version-too-old",
    "v08 CN right, SAN has an IP address": "ta-name-mismatch",
    "v09 one extension twice in the leaf, 3 1 1": "certificate-malformed",
    "v10 closed after the handshake": "tls-handshake-failed",
    "v05 SHA-1 signatures only, RSA": "tls-signature-weak",
    "v05 finite field groups only": "tls-offer-narrow",
    "v06 101 records, the right one last": "tlsa-too-many-records",
    "v10 STARTTLS in lower case": "smtp-reply-unread",
}


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.parametrize("name", KNOWN)
def test_postfix_and_exim_do_what_the_audit_says(met: World, name: str) -> None:
    case = KNOWN[name]
    found = met.play(case.play)
    shown = f"{found['postfix']['log']}\n{found['exim']['log']}\n{found['product']}"
    real = (found["postfix"]["state"], found["exim"]["state"])
    assert real == (case.postfix, case.exim), shown
    profiles = found["product"]["profiles"]
    assert (profiles["postfix"], profiles["exim"]) == real, shown
    assert found["product"]["domain"] != ("protected" if BAD in real else "failing"), shown


@pytest.mark.parametrize("name", CODES)
def test_what_is_wrong_is_found(met: World, name: str) -> None:
    assert CODES[name] in met.play(KNOWN[name].play)["product"]["findings"]
