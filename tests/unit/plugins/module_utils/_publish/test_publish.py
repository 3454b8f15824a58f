# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of publication that need no server: what is refused as nonsense, what is wanted, what an endpoint shows."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import typing as t

import pytest
from support.credentials import ecdsa

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import (
    EMPTY_DIGESTS,
    TlsaRecord,
    TlsaRrset,
    compute,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dns import authority
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Status, View
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._publish import publish, update
from ansible_collections.mailsec.dane.plugins.module_utils._publish.check import Fit, cover, helpful
from ansible_collections.mailsec.dane.plugins.module_utils._publish.publish import (
    Course,
    Means,
    PublicationError,
    Wish,
    _change,
    _expect,
    check,
    same,
    target,
)

OWNER, HOST = "_25._tcp.mx.example.nl", "mx.example.nl"
A, B, C = (TlsaRecord(3, 1, 1, letter * 32) for letter in (b"a", b"b", b"c"))
NOW = datetime.datetime.now(datetime.UTC)
SERVED = ecdsa(HOST)
EE = compute(load_der(SERVED.chain[0]), 3, 1, 1)
TA = compute(load_der(SERVED.chain[1]), 2, 1, 1)
SEEN = Probe(Endpoint("192.0.2.1"), HOST, "tls", chain=SERVED.chain)


def rrset(*records: TlsaRecord, ttl: int | None = 3600) -> TlsaRrset:
    return TlsaRrset(OWNER, records, ttl)


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ((TlsaRecord(3, 1, 1, next(iter(EMPTY_DIGESTS))), A), "tlsa-empty-digest"),
        ((TlsaRecord(3, 1, 1, b"short"), A), "tlsa-bad-field"),
        ((TlsaRecord(3, 7, 1, bytes(32)), A), "tlsa-bad-field"),
        ((TlsaRecord(1, 1, 1, b"x" * 32),), "tlsa-all-unusable"),
        (tuple(TlsaRecord(3, 1, 1, bytes([number]) * 32) for number in range(1, 15)), "tlsa-too-many-records"),
    ],
)
def test_nonsense_is_refused(records: tuple[TlsaRecord, ...], code: str) -> None:
    with pytest.raises(PublicationError, match=code):
        check(rrset(*records))


def test_what_is_merely_unwise_gives_a_warning() -> None:
    assert check(rrset(A, B)) == ()
    assert check(rrset()) == ()
    warnings = check(rrset(A, TlsaRecord(3, 0, 1, b"x" * 32), ttl=90000))
    assert [warning.partition(":")[0] for warning in warnings] == ["tlsa-cert-selector", "ttl-too-long"]


@pytest.mark.parametrize(
    ("records", "current", "exclusive", "result"),
    [
        ((A,), (), True, (A,)),
        ((A,), (), False, (A,)),
        ((A,), (A, B), True, (A,)),
        ((A,), (A, B), False, (A, B)),
        ((A, B), (A, B), False, (A, B)),
        ((A, B), (A, C), False, (A, B)),
        ((), (A,), False, ()),
    ],
)
def test_what_is_to_stand_there(
    records: tuple[TlsaRecord, ...], current: tuple[TlsaRecord, ...], exclusive: bool, result: tuple[TlsaRecord, ...]
) -> None:
    wish = Wish(OWNER, HOST, 25, records, 3600, exclusive=exclusive)
    assert set(target(wish, rrset(*current, ttl=60)).records) == set(result)


def test_the_ttl_is_ours_only_when_the_records_are() -> None:
    wish = Wish(OWNER, HOST, 25, (A,), 3600, exclusive=False)
    assert target(wish, rrset(A, B, ttl=60)).ttl == 60
    assert target(wish, rrset(A, ttl=60)).ttl == 3600
    assert not same(rrset(A, ttl=60), rrset(A))
    assert same(rrset(ttl=None), rrset(ttl=60))


def test_a_changed_ttl_is_somebody_elses_change() -> None:
    wish = Wish(OWNER, HOST, 25, (A, B), 3600, expected=(A,), expected_ttl=3600)
    _expect(wish, rrset(A))
    with pytest.raises(PublicationError, match="expected with TTL 3600, but it has 86400"):
        _expect(wish, rrset(A, ttl=86400))
    _expect(dataclasses.replace(wish, expected=()), rrset(ttl=None))
    _expect(dataclasses.replace(wish, expected_ttl=None), rrset(A, ttl=86400))


@pytest.mark.parametrize(
    ("outcome", "fit"),
    [
        ("starttls-missing", Fit.MISMATCH),
        ("starttls-refused", Fit.MISMATCH),
        ("tls-handshake-failed", Fit.MISMATCH),
        ("connect-failed", Fit.UNKNOWN),
        ("smtp-greeting-failed", Fit.UNKNOWN),
        ("smtp-protocol-error", Fit.UNKNOWN),
        ("ehlo-rejected", Fit.UNKNOWN),
        ("starttls-handshake-reset", Fit.UNKNOWN),
        ("probe-timeout", Fit.UNKNOWN),
    ],
)
def test_an_endpoint_without_tls(outcome: str, fit: Fit) -> None:
    probe = Probe(Endpoint("192.0.2.1"), HOST, outcome, detail="so it was")
    seen = cover(probe, (EE,), HOST, NOW)
    assert (seen.fit, seen.reason, seen.detail) == (fit, outcome, "so it was")
    assert helpful(probe, (EE,), HOST, NOW) == set()


def test_an_endpoint_with_tls() -> None:
    assert cover(SEEN, (EE, A), HOST, NOW).fit is Fit.MATCHES
    assert cover(SEEN, (TA,), HOST, NOW).fit is Fit.MATCHES
    assert cover(SEEN, (A,), HOST, NOW).fit is Fit.MISMATCH
    assert cover(SEEN, (TA,), "mx2.example.nl", NOW).reason == "ta-name-mismatch"
    assert helpful(SEEN, (EE, TA, A), HOST, NOW) == {EE, TA}


def test_certificates_that_cannot_be_seen_are_unknown() -> None:
    leaf_only = Probe(SEEN.endpoint, HOST, "tls", chain=SERVED.chain[:1], chain_complete=False)
    assert cover(leaf_only, (EE, TA), HOST, NOW).fit is Fit.MATCHES
    assert cover(leaf_only, (TA,), HOST, NOW).fit is Fit.UNKNOWN
    assert cover(leaf_only, (A,), HOST, NOW).fit is Fit.MISMATCH
    for chain in ((), (b"rubbish",)):
        assert cover(Probe(SEEN.endpoint, HOST, "tls", chain=chain), (EE,), HOST, NOW).fit is Fit.UNKNOWN


# An update between two looks at the primary, by which the planner tells it from somebody else's changes.

PRIMARY = Server("192.0.2.53", 53)
MEANS = Means(PRIMARY, None, 5, None, "localhost")


def _view(*records: TlsaRecord, serial: int, ttl: int = 3600) -> View:
    return View(PRIMARY, OWNER, Status.SERVED, "", records, ttl, serial)


def _changed(monkeypatch: pytest.MonkeyPatch, *views: View, seconds: float = 0) -> Course:
    """Change A to A and B at a primary that shows ``views``, one after the other, and takes ``seconds`` to update."""
    shown = iter(views)

    async def observe(*_args: t.Any) -> tuple[View, ...]:
        return (next(shown),)

    async def replace_rrset(*_args: t.Any, **_more: t.Any) -> None:
        await asyncio.sleep(seconds)

    monkeypatch.setattr(authority, "observe", observe)
    monkeypatch.setattr(update, "replace_rrset", replace_rrset)
    monkeypatch.setattr(publish, "_MOMENT", 0.2)
    monkeypatch.setattr(publish, "_SIGNING", 0.5)
    monkeypatch.setattr(publish, "_FIRST_PAUSE", 0.01)
    course = Course(zone="example.nl")
    asyncio.run(_change(Wish(OWNER, HOST, 25, (A, B), 3600), _view(A, serial=7), rrset(A, B), course, MEANS))
    assert course.changed
    return course


def test_an_update_has_a_look_just_before_and_just_after(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = _view(A, serial=7), _view(A, B, serial=1000)
    assert _changed(monkeypatch, before, after).around == (before, after)
    assert _changed(monkeypatch, before, before, before, after).around == (before, after), "signed a little later"


@pytest.mark.parametrize(
    "between",
    [
        (_view(A, serial=8), _view(A, B, serial=9)),
        (_view(B, serial=8),),
        (View(PRIMARY, OWNER, Status.TIMEOUT, "gives no answer"),),
        (_view(A, serial=7),) * 200,
    ],
    ids=["another change", "another RRset", "no answer", "never shown"],
)
def test_what_is_not_seen_just_around_an_update_is_not_vouched_for(
    monkeypatch: pytest.MonkeyPatch, between: tuple[View, ...]
) -> None:
    assert _changed(monkeypatch, _view(A, serial=7), *between).around is None


def test_an_update_that_took_long_is_not_vouched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _changed(monkeypatch, _view(A, serial=7), _view(A, B, serial=8), seconds=0.3).around is None


@pytest.mark.parametrize("view", [_view(B, serial=8), _view(A, serial=8, ttl=86400)])
def test_what_was_changed_while_the_endpoints_were_looked_at_stops_the_update(
    monkeypatch: pytest.MonkeyPatch, view: View
) -> None:
    with pytest.raises(PublicationError, match="somebody else changed"):
        _changed(monkeypatch, view)
