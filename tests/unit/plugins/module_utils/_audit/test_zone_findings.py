# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what name servers serve to findings (F11); real name servers: tests/integration/audit."""

from __future__ import annotations

import asyncio
import datetime
import typing as t

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._audit.zone_findings import zone_findings
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Delegation, Signature, Status
from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import Said, ServerView, ZoneLook, ZoneView
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, Severity

NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
RECORDS = ("3 1 1 " + "ab" * 32,)


def said(status: Status = Status.SERVED, begin: float = -24, end: float = 240, **more: t.Any) -> Said:
    if status is not Status.SERVED:
        return Said(status, "so it was", **more)
    signature = Signature(NOW + begin * HOUR, NOW + end * HOUR, 1)
    return Said(status, "", **{"records": RECORDS, "ttl": 3600, "signatures": (signature,), **more})


def view(number: int = 1, udp: Said | None = None, tcp: Said | None = None, **more: t.Any) -> ServerView:
    udp = udp or said()
    return ServerView(Server(f"192.0.2.{number}"), udp, tcp or udp, **{"serial": 5, "refresh": 7200, **more})


def found(*views: ServerView, **more: t.Any) -> dict[str, Finding]:
    look = ZoneView("_25._tcp.mx.example.nl", "TLSA", "example.nl", views, **more)
    return {entry.code: entry for entry in zone_findings(look, NOW)}


def test_servers_that_agree_and_sign_are_in_order() -> None:
    assert found(view(1), view(2)) == {}
    assert found(view(1, said(Status.ABSENT)), view(2, said(Status.ABSENT))) == {}


# The TTL is an hour, the refresh two: signatures need four hours.
@pytest.mark.parametrize(
    ("begin", "end", "code"),
    [
        (-24, 4.1, None),
        (-24, 3.9, "rrsig-expiring"),
        (-24, 0.1, "rrsig-expiring"),
        (-24, -0.1, "rrsig-expired"),
        (0.1, 240, "rrsig-not-yet-valid"),
        (0, 240, None),
    ],
)
def test_c21_life_of_signatures(begin: float, end: float, code: str | None) -> None:
    assert list(found(view(1, said(begin=begin, end=end)), view(2))) == ([code] if code else [])


def test_c21_the_latest_signature_that_has_begun_counts() -> None:
    old, new = said(end=-1).signatures, said().signatures
    assert found(view(1, said(signatures=old + new))) == {}
    early = said(begin=2).signatures
    assert list(found(view(1, said(signatures=old + early)))) == ["rrsig-expired"]


def test_c21_denials_are_signed_too() -> None:
    assert "rrsig-expired" in found(view(1, said(Status.ABSENT, signatures=said(end=-1).signatures)))


def test_c18_what_differs_is_shown_with_its_servers() -> None:
    entry = found(view(1), view(2, said(records=("3 1 1 " + "cd" * 32,))))["ns-divergence"]
    assert entry.severity is Severity.CRITICAL
    assert "192.0.2.1" in entry.evidence and "192.0.2.2" in entry.evidence and "cdcd" in entry.evidence


@pytest.mark.parametrize(
    ("other", "severity"),
    [
        (view(2, said(Status.ABSENT)), Severity.CRITICAL),
        (view(2, said(signatures=())), Severity.CRITICAL),
        (view(2, said(), said(Status.ABSENT)), Severity.CRITICAL),
        (view(2, said(ttl=60)), Severity.WARNING),
        (view(2, serial=6), Severity.WARNING),
    ],
)
def test_c18_ways_to_differ(other: ServerView, severity: Severity) -> None:
    assert {code: entry.severity for code, entry in found(view(1), other).items()} == {"ns-divergence": severity}


@pytest.mark.parametrize("status", [Status.REFUSED, Status.SERVFAIL, Status.TIMEOUT, Status.UNREACHABLE])
def test_no_answer_is_no_absence_and_no_divergence(status: Status) -> None:
    entries = found(view(1), view(2, said(status), serial=None))
    assert {code: entry.severity for code, entry in entries.items()} == {f"dns-{status.value}": Severity.ERROR}
    entries = found(view(1, said(status), serial=None), view(2, said(status), serial=None))
    assert {code: entry.severity for code, entry in entries.items()} == {f"dns-{status.value}": Severity.CRITICAL}


def test_c19_a_server_that_answers_all_but_tlsa_filters() -> None:
    assert list(found(view(1), view(2, said(Status.TIMEOUT), said()))) == ["ns-tlsa-filtered"]


def test_the_sets_of_zone_and_parent_are_compared_when_both_are_known() -> None:
    child, parent = ("ns1.example.nl", "ns2.example.nl"), ("ns2.example.nl", "ns1.example.nl")
    assert found(view(), delegation=Delegation((), child=child, parent=parent)) == {}
    assert found(view(), delegation=Delegation((), child=child)) == {}
    differing = found(view(), delegation=Delegation((), child=child, parent=parent[:1]))
    assert list(differing) == ["ns-set-differs"]


def test_what_was_not_asked_is_said() -> None:
    entries = found(view(), unseen=(("ns2.example.nl", "no address is known"),))
    assert entries["ns-unseen"].subject == "ns2.example.nl"
    assert list(found(fault="no resolver answers")) == ["ns-unseen"]


def test_b06_without_a_resolver_nothing_is_known_and_nothing_raised() -> None:
    look = asyncio.run(ZoneLook((), 1, lambda _address: True).look("mx.example.nl", "MX"))
    assert (look.zone, look.views) == (None, ())
    assert look.fault


@pytest.mark.parametrize(("iterations", "codes"), [(None, []), (0, []), (50, []), (51, ["nsec3-iterations-high"])])
def test_c20_nsec3_iterations(iterations: int | None, codes: list[str]) -> None:
    assert list(found(view(1), view(2, nsec3_iterations=iterations))) == codes
