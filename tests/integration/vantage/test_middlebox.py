# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers in place of the mail server, lets nobody through, or treats clients differently (F11)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import vantage_site as site

pytestmark = pytest.mark.usefixtures("network")
ENDPOINT = f"{site.MAIL}:25"
#: Clients get no service, which smtpd says in place of its greeting only when it does not wait for a recipient.
REFUSES = {"smtpd_client_restrictions": f"check_client_access inline:{{{site.OUT}=reject}}", "smtpd_delay_reject": "no"}


def hides_starttls(client: str) -> dict[str, str]:
    return {"smtpd_discard_ehlo_keyword_address_maps": f"inline:{{{client}=starttls}}"}


def test_a_way_without_middlebox_is_silent_from_everywhere(keys: Path) -> None:
    with site.postfix(site.SERVER, keys), site.forwarded():
        found = site.Seen("inside", "between", "outside")
    assert found.alone == {"inside": [], "between": [], "outside": []}
    assert found.codes == []


def test_tls_that_ends_at_a_middlebox_shows_another_key(keys: Path, tmp_path: Path) -> None:
    with site.postfix(site.SERVER, keys), site.postfix(site.ROUTER, tmp_path):
        found = site.Seen("inside", "between", "outside")
    # The middlebox does its work well: no place alone can tell.
    assert found.alone == {"inside": [], "between": [], "outside": []}
    assert found.codes == ["certificate-differs-by-vantage"]
    assert found.compared[0].subject == ENDPOINT
    inside, between, outside = (
        found.results[name]["endpoints"][0]["chain"][0]["spki_sha256"][:16] for name in site.VANTAGES
    )
    assert inside == between != outside
    assert found.evidence == (
        f"digests of the keys begin with inside: {inside}; between: {between}; outside: {outside}"
    )


def test_another_server_with_the_same_key_is_no_finding(keys: Path) -> None:
    with site.postfix(site.SERVER, keys), site.postfix(site.ROUTER, keys, myhostname="mx-2.example.nl"):
        found = site.Seen("inside", "outside")
    assert found.alone == {"inside": [], "outside": []}
    assert found.codes == []


def test_another_server_under_another_name_is_not_compared(keys: Path, tmp_path: Path) -> None:
    # Of a stranger neither its keywords nor its key say anything about the server.
    other = {"myhostname": "filter.example.org", "smtpd_discard_ehlo_keywords": "chunking"}
    with site.postfix(site.SERVER, keys), site.postfix(site.ROUTER, tmp_path, **other):
        found = site.Seen("inside", "outside")
    assert found.alone == {"inside": [], "outside": []}
    assert [(entry.code, entry.subject) for entry in found.compared] == [("vantage-identity-mismatch", ENDPOINT)]
    assert found.evidence == "inside: mx.example.nl; outside: filter.example.org"


@pytest.mark.parametrize("how", ["refused", "prohibit", "blackhole"])
def test_port_25_that_a_router_lets_nobody_reach(keys: Path, how: str) -> None:
    # Where no rule takes them, packets from outside end at a router on which nobody listens.
    with site.postfix(site.SERVER, keys), contextlib.nullcontext() if how == "refused" else site.ruled(how):
        found = site.Seen("inside", "between", "outside")
    # Senders wait longer than we do for a packet that nobody answers.
    code = "probe-timeout" if how == "blackhole" else "connect-failed"
    assert found.alone == {"inside": [], "between": [], "outside": [code]}
    assert [(entry.code, entry.subject) for entry in found.compared] == [("port-25-blocked-at-vantage", "outside")]


def test_with_the_only_other_place_blocked_nothing_can_be_compared(keys: Path) -> None:
    with site.postfix(site.SERVER, keys):
        found = site.Seen("inside", "outside")
    assert {(entry.code, entry.subject) for entry in found.compared} == {
        ("port-25-blocked-at-vantage", "outside"), ("vantage-missing", ENDPOINT),
    }  # fmt: skip
    assert len(found.compared) == 2


def test_a_server_that_is_down_is_blocked_nowhere() -> None:
    found = site.Seen("inside", "between", "outside")
    assert found.alone == {name: ["connect-failed"] for name in site.VANTAGES}
    assert found.codes == ["vantage-missing"]
    assert found.evidence == "a dialogue took place from nowhere"


def test_a_place_that_is_refused_by_the_greeting_is_none(keys: Path) -> None:
    with site.postfix(site.SERVER, keys, **REFUSES), site.forwarded():
        two, three = site.Seen("inside", "outside"), site.Seen("inside", "between", "outside")
    assert two.alone == {"inside": [], "outside": ["vantage-refused"]}
    assert [(entry.code, entry.subject) for entry in two.compared] == [("vantage-missing", ENDPOINT)]
    assert two.evidence == "a dialogue took place from inside only"
    assert three.codes == []


def test_a_server_that_offers_starttls_to_strangers_only(keys: Path) -> None:
    with site.postfix(site.SERVER, keys, **hides_starttls(site.MAIL)), site.forwarded():
        found = site.Seen("inside", "between", "outside")
    assert found.alone["between"] == found.alone["outside"] == []
    assert found.alone["inside"] == ["starttls-missing"]
    assert [(entry.code, entry.subject) for entry in found.compared] == [("starttls-not-for-all-clients", ENDPOINT)]
    assert found.evidence == "offered to between, outside, not to inside"


def test_starttls_for_nobody_is_the_same_for_all_clients(keys: Path) -> None:
    with site.postfix(site.SERVER, keys, smtpd_tls_security_level="none"), site.forwarded():
        found = site.Seen("inside", "outside")
    alone = ["starttls-missing"]
    assert found.alone == {"inside": alone, "outside": alone}
    assert found.codes == []
