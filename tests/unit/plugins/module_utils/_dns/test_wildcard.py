# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an RRset below a wildcard hides (RFC 4592 section 3.3.1): its own name, and names that exist because of it."""

from __future__ import annotations

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._dns.wildcard import hides

OWNER = "_25._tcp.mx1.example.nl"


@pytest.mark.parametrize(
    ("wildcard", "words"),
    [
        ("*._tcp.mx1.example.nl", "hides them there. Other names"),
        ("*.mx1.example.nl", "there, and records of all types at _tcp.mx1.example.nl and at all names below that."),
        ("*.example.nl", "there, and records of all types at mx1.example.nl and at all names below that. Other names"),
    ],
)
def test_all_names_that_lose_the_wildcard_are_said(wildcard: str, words: str) -> None:
    assert words in hides(OWNER, wildcard)
