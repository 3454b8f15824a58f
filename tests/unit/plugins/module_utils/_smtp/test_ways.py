# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every chain that a server presents is seen, with no more connections than that takes, and no server is wronged."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl

import pytest
from oracle import pki
from support import credentials, openssl_settings
from support.memory_dns import MemoryDns
from support.smtp_responder import Behaviour, Responder

from ansible_collections.mailsec.dane.plugins.module_utils._audit import report
from ansible_collections.mailsec.dane.plugins.module_utils._audit.audit import Audit, Settings
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._publish import check
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import findings, openssl_client
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.ways import ALL_KEY_TYPES, ask_all_ways

HOST = "mx.example.nl"
EC, RSA = credentials.ecdsa(HOST), credentials.rsa_self_signed(HOST)
OTHER = credentials.ecdsa(HOST, key="other")
LIMITS = Limits(total=5, greeting=2, reply=2, handshake=2)


def record(keys: credentials.Credentials) -> TlsaRecord:
    return compute(load_der(keys.chain[0]), 3, 1, 1)


class Busy(Responder):
    """Takes ``patience`` connections and turns the others away before the greeting, as rate limits do."""

    def __init__(self, patience: int, *keys: credentials.Credentials) -> None:
        super().__init__(credentials.server_context(*keys))
        self._patience = patience

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self.sessions) >= self._patience:
            self.behaviour = Behaviour(greeting=b"421 4.7.0 too many connections\r\n")
        await super()._accept(reader, writer)


def asked(server: Responder, key_types: tuple[str | None, ...] = ALL_KEY_TYPES) -> list[Probe]:
    async def run() -> list[Probe]:
        async with server:
            return await ask_all_ways(
                Endpoint("127.0.0.1", server.port), (HOST, None), key_types, "probe.example.nl", LIMITS
            )

    return asyncio.run(run())


def audited(server: Responder, *records: TlsaRecord) -> dict[str, object]:
    async def run() -> dict[str, object]:
        async with server:
            dns = MemoryDns().add(HOST, "A", "127.0.0.1")
            dns.add(f"_{server.port}._tcp.{HOST}", "TLSA", *(one.to_text() for one in records))
            settings = Settings(
                port=server.port,
                special_use=True,
                now=pki.NOW,
                limits=LIMITS,
                sni=(True, False),
                key_types=ALL_KEY_TYPES,
            )
            (verdict,) = [one async for one in Audit(dns, settings).hosts([HOST])]
            return report.host_result(verdict, pki.NOW)

    return asyncio.run(run())


def codes(result: dict[str, object]) -> set[str]:
    return {entry["code"] for entry in result["findings"]}  # type: ignore[attr-defined]


def ways(probes: list[Probe]) -> list[tuple[str | None, str | None, str]]:
    return [(one.server_name, one.key_type, one.outcome) for one in probes]


def test_a_server_with_one_key_is_asked_three_times() -> None:
    for keys, lacking in ((EC, "rsa"), (RSA, "ecdsa")):
        probes = asked(Responder(credentials.server_context(keys)))
        assert ways(probes) == [(HOST, None, "tls"), (HOST, lacking, "tls-handshake-failed"), (None, None, "tls")]


def test_a_server_with_two_keys_is_asked_four_times() -> None:
    probes = asked(Responder(credentials.server_context(EC, RSA)))
    assert ways(probes) == [(name, key, "tls") for name in (HOST, None) for key in (None, "rsa")]
    assert {one.chain[0] for one in probes} == {EC.chain[0], RSA.chain[0]}


def test_a_default_chain_of_its_own_is_asked_for_every_key() -> None:
    server = Responder(credentials.server_context(OTHER, RSA))
    server.contexts_by_name[HOST] = credentials.server_context(EC)
    probes = asked(server)
    assert (None, "rsa", "tls") in ways(probes)
    assert len(probes) == 4


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(ehlo=b"250-mx.example.nl\r\n250 8BITMIME\r\n"),
        Behaviour(greeting=b"554 no\r\n"),
        Behaviour(starttls=b"454 4.7.0 not now\r\n"),
        Behaviour(close_at="ehlo"),
    ],
)
def test_a_server_without_tls_is_asked_once(behaviour: Behaviour) -> None:
    server = Responder(credentials.server_context(EC), behaviour)
    assert len(asked(server)) == len(server.sessions) == 1


@pytest.mark.parametrize("keys", [(EC,), (EC, RSA), (RSA,)])
def test_a_server_that_speaks_tls_1_3_only(keys: tuple[credentials.Credentials, ...]) -> None:
    context = credentials.server_context(*keys)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    probes = asked(Responder(context))
    assert {one.chain[0] for one in probes if one.outcome == "tls"} == {one.chain[0] for one in keys}
    assert {one.outcome for one in probes} == {"tls"} | ({"tls-handshake-failed"} if len(keys) == 1 else set())


def test_without_openssl_the_keys_of_tls_1_3_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl_client, "program", lambda: None)
    context = credentials.server_context(EC)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    assert ways(asked(Responder(context)))[1] == (HOST, "rsa", "endpoint-partly-seen")


@pytest.mark.parametrize(("covered", "other"), [(EC, RSA), (RSA, EC)])
def test_r08_a_key_without_a_record(covered: credentials.Credentials, other: credentials.Credentials) -> None:
    result = audited(Responder(credentials.server_context(EC, RSA)), record(covered))
    assert (result["verdict"], result["reason"]) == ("refused", "algorithm-uncovered")
    assert "algorithm-uncovered" in codes(result) and "tlsa-no-match" not in codes(result)
    result = audited(Responder(credentials.server_context(EC, RSA)), record(covered), record(other))
    assert (result["verdict"], codes(result)) == ("authenticated", set())


def test_r08_a_default_chain_without_a_record() -> None:
    server = Responder(credentials.server_context(OTHER))
    server.contexts_by_name[HOST] = credentials.server_context(EC)
    result = audited(server, record(EC))
    assert (result["verdict"], result["reason"]) == ("refused", "sni-divergence")
    assert "sni-divergence" in codes(result)


def test_one_key_raises_no_alarm() -> None:
    for keys in (EC, RSA):
        result = audited(Responder(credentials.server_context(keys)), record(keys), record(OTHER))
        assert (result["verdict"], codes(result)) == ("authenticated", set())


@pytest.mark.parametrize("patience", [1, 2, 4])
def test_p02_the_verdict_rests_on_what_a_busy_server_did_show(patience: int) -> None:
    """That it did not show more to us says nothing about others; that there may be more to see is a finding."""
    server = Busy(patience, EC)
    result = audited(server, record(EC), record(OTHER))
    assert result["verdict"] == "authenticated"
    assert ("endpoint-partly-seen" in codes(result)) is (patience < 3)
    # Who is refused does not ask on.
    assert len(server.sessions) == min(patience + 1, 3)
    assert "starttls-intermittent" not in codes(result)


def seen(chain: tuple[bytes, ...] = EC.chain, outcome: str = "tls", **more: object) -> Probe:
    probe = Probe(Endpoint("192.0.2.1"), HOST, outcome, chain=chain if outcome == "tls" else ())
    return dataclasses.replace(probe, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", ["tls-handshake-failed", "starttls-handshake-reset"])
def test_a_server_that_wants_a_server_name_is_warned_of(outcome: str) -> None:
    without = seen(server_name=None, outcome=outcome)
    assert findings.refuses_variant(without, {without.endpoint})
    assert not findings.refuses_variant(without, set())
    assert not findings.refuses_variant(seen(outcome=outcome), {without.endpoint})


def test_the_gate_before_publication() -> None:
    def fits(*probes: Probe, records: tuple[TlsaRecord, ...] = (record(EC),)) -> list[tuple[str, str]]:
        return [(one.fit.value, one.reason) for one in check.cover_all(probes, records, HOST, pki.NOW)]

    rsa = seen(RSA.chain, key_type="rsa")
    lacks = seen(key_type="rsa", outcome="tls-handshake-failed")
    assert fits(seen(), rsa) == [("matches", "dane-ok"), ("mismatch", "algorithm-uncovered")]
    assert fits(seen(), rsa, records=(record(EC), record(RSA))) == [("matches", "dane-ok")] * 2
    assert fits(seen(), lacks, seen(server_name=None)) == [("matches", "dane-ok")]
    assert fits(seen(), seen(OTHER.chain, server_name=None)) == [("matches", "dane-ok"), ("mismatch", "sni-divergence")]
    assert fits(seen(OTHER.chain), seen(OTHER.chain, server_name=None)) == [("mismatch", "tlsa-no-match")]
    unseen = seen(key_type="rsa", outcome="endpoint-partly-seen")
    assert fits(seen(), unseen) == [("matches", "dane-ok"), ("unknown", "endpoint-partly-seen")]


SHA1, SHA224, FINITE = {"signatures": "RSA+SHA1"}, {"signatures": "RSA+SHA224"}, {"groups": "ffdhe2048"}


@pytest.mark.parametrize(
    ("newest", "settings", "stops"),
    [
        (ssl.TLSVersion.TLSv1_2, SHA1, {"postfix": "tls-signature-weak"}),
        (ssl.TLSVersion.TLSv1_2, SHA224, {"exim": "tls-offer-narrow"}),
        (ssl.TLSVersion.TLSv1_2, {"signatures": "RSA+SHA1:RSA+SHA256"}, {}),
        (ssl.TLSVersion.TLSv1_3, FINITE, {"postfix": "tls-offer-narrow"}),
        (ssl.TLSVersion.TLSv1_3, {"groups": "ffdhe2048:X25519"}, {}),
    ],
)
def test_v05_senders_that_offer_less_than_the_server_needs(
    newest: ssl.TLSVersion, settings: dict[str, str], stops: dict[str, str]
) -> None:
    context = credentials.server_context(RSA, weak=True)
    context.maximum_version = newest
    for setting, value in settings.items():
        openssl_settings.apply(context, setting, value)
    first = asked(Responder(context), (None,))[0]
    assert (first.outcome, dict(first.stops), set(first.oddities)) == ("tls", stops, set(stops.values()))


def test_v05_without_the_program_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    context = credentials.server_context(RSA, weak=True)
    openssl_settings.apply(context, "groups", FINITE["groups"])
    first = asked(Responder(context), (None,))[0]
    assert set(dict(first.stops).values()) == {"endpoint-partly-seen"} == set(first.oddities)
    assert "the program openssl is not installed" in first.evidence[0]
