# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lines of the mail log say about a probe; real probes: tests/integration/outbound."""

from __future__ import annotations

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound_probe import check_domain, read

RELAY = "relay=mx.example.nl[192.0.2.1]:25, delay=0.1, delays=0/0/0.1/0"


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (f"{RELAY}, dsn=4.7.5, status=undeliverable (Server certificate not verified)", "refused"),
        (f"{RELAY}, dsn=4.7.5, status=deferred (Server certificate not verified)", "refused"),
        (f"{RELAY}, dsn=2.1.5, status=deliverable (250 2.1.5 Ok)", "accepted"),
        (f"{RELAY}, dsn=5.1.1, status=undeliverable (host mx said: 550 no (in reply to RCPT TO command))", "accepted"),
        (f"{RELAY}, dsn=4.7.5, status=undeliverable (TLSA lookup error for mx.example.nl:25)", "unknown"),
        (f"{RELAY}, dsn=4.0.0, status=undeliverable (host mx refused to talk to me: 421 no)", "unknown"),
        ("relay=none, delay=1, delays=0/0/1/0, dsn=4.4.1, status=undeliverable (connect to mx: timed out)", "unknown"),
        ("relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=deliverable (delivers to mailbox)", "unknown"),
        ("something else", "unknown"),
    ],
)
def test_what_a_line_of_the_log_says(end: str, outcome: str) -> None:
    assert read(f"5633C7D0: to=<probe@example.nl>, {end}").outcome == outcome


@pytest.mark.parametrize("domain", ["", "-x", "a", "a b.nl", "x@example.nl", "a..nl", "example.nl\n"])
def test_what_is_not_a_domain_is_refused(domain: str) -> None:
    with pytest.raises(ValueError, match="is not a domain name"):
        check_domain(domain)
    assert check_domain("wrong-tlsa.example.nl") == "wrong-tlsa.example.nl"
