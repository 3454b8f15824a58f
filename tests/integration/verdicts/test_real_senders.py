# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""V01 to V14, and their kinds: our audit beside posttls-finger at level dane, and a message that Exim sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from oracle.sender_cases import BAD, KNOWN
from worlds import World, world


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
