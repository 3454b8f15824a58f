# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""starttls_info as a playbook calls it, against real servers on loopback (F05, F06)."""

from __future__ import annotations

import json
import socket
import ssl
import typing as t

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from oracle import raw_pki as raw
from oracle.sender_cases import digest, leaf
from support.credentials import Credentials, ecdsa, rsa_self_signed, server_context
from support.smtp_responder import Behaviour, Responder, running

from ansible_collections.mailsec.dane.plugins.module_utils._audit import starttls_report
from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.mailsec.dane.plugins.module_utils._dane.public_cas import PUBLIC_CAS, Role
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import injection, survey
from ansible_collections.mailsec.dane.plugins.modules import starttls_info

HOST = "mx.example.nl"
EC = ecdsa(HOST)
RSA = rsa_self_signed(HOST)
LOOPBACK = {"host": [HOST], "address": ["127.0.0.1"]}


def record(credentials: Credentials, usage: int = 3, position: int = 0) -> str:
    return compute(load_der(credentials.chain[position]), usage, 1, 1).to_text()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> t.Callable[..., dict[str, t.Any]]:
    def run(**options: t.Any) -> dict[str, t.Any]:
        # One probe per address unless told otherwise; None is for the default of the module.
        options = {"sni": ["with"], "key_type": ["any"], **options}
        options = {name: value for name, value in options.items() if value is not None}
        with patch_module_args(options), pytest.raises(SystemExit) as left:
            starttls_info.main()
        result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) == bool(left.value.code)
        return result

    return run


def codes(result: dict[str, t.Any]) -> list[str]:
    return [found["code"] for found in result["findings"]]


Call = t.Callable[..., dict[str, t.Any]]


def test_everything_documented_is_returned_and_nothing_else(call: Call) -> None:
    documented = yaml.safe_load(starttls_info.RETURN)
    with running(server := Responder(server_context(EC))):
        result = call(**LOOPBACK, port=server.port, tlsa=[record(RSA)], ehlo_name="probe.example.nl")
    (endpoint,) = result["endpoints"]
    described = documented["endpoints"]["contains"]
    assert set(endpoint) == set(described)
    assert {*endpoint["chain"][0], "error"} == set(described["chain"]["contains"])
    assert set(endpoint["tlsa"]) == set(described["tlsa"]["contains"])
    assert set(endpoint["tlsa"]["records"][0]) == set(described["tlsa"]["contains"]["records"]["contains"])
    assert set(result["findings"][0]) == set(documented["findings"]["contains"])
    assert set(result) - {"changed", "invocation"} == set(documented)
    assert result["changed"] is False
    assert server.sessions[0].commands[0] == "EHLO probe.example.nl"


def test_the_chain_comes_back_byte_for_byte(call: Call) -> None:
    with running(server := Responder(server_context(EC))):
        (endpoint,) = call(**LOOPBACK, port=server.port, _ansible_check_mode=True)["endpoints"]
    assert EC.pem.decode().endswith(endpoint["chain_pem"])
    assert endpoint["chain_pem"] == "".join(entry["pem"] for entry in endpoint["chain"])
    assert [entry["subject"] for entry in endpoint["chain"]] == [f"CN={HOST}", "CN=Issuer", "CN=Root"]
    assert endpoint["chain"][0]["dns_names"] == [HOST]
    assert f"3 1 1 {endpoint['chain'][0]['spki_sha256']}" == record(EC)


def test_c6_a_chain_of_another_ca_than_the_public_one_that_the_record_names(call: Call) -> None:
    known = next(ca for ca in PUBLIC_CAS.cas if ca.role is Role.ACTIVE)
    with running(server := Responder(server_context(EC))):
        result = call(**LOOPBACK, port=server.port, tlsa=[f"2 1 1 {known.spki_sha256}"])
    assert codes(result) == ["ta-issuer-not-listed"]


@pytest.mark.parametrize(
    ("tlsa", "authenticated", "reason"),
    [
        ([record(EC)], True, "dane-ok"),
        ([record(RSA), record(EC, 2, 1)], True, "dane-ok"),
        ([record(EC, 2, 1).upper()], True, "dane-ok"),
        ([record(RSA)], False, "tlsa-no-match"),
        ([record(RSA, 2)], False, "ta-not-in-chain"),
        ([record(EC, 1)], False, "tlsa-all-unusable"),
    ],
)
def test_records_are_compared(call: Call, tlsa: list[str], authenticated: bool, reason: str) -> None:
    with running(server := Responder(server_context(EC))):
        result = call(**LOOPBACK, port=server.port, tlsa=tlsa)
    compared = result["endpoints"][0]["tlsa"]
    assert (compared["authenticated"], compared["reason"]) == (authenticated, reason)
    assert (reason in codes(result)) is not authenticated


def test_the_name_that_is_asked_for_is_the_name_that_must_match(call: Call) -> None:
    with running(server := Responder(server_context(EC))):
        options = {"port": server.port, "tlsa": [record(EC, 2, 1)]}
        named = call(**LOOPBACK, **options, server_name="mx2.example.nl")["endpoints"][0]
        literal = call(host=["127.0.0.1"], **options, server_name=HOST)["endpoints"][0]
    assert named["tlsa"]["reason"] == "ta-name-mismatch"
    assert (literal["tlsa"]["reason"], literal["server_name"]) == ("dane-ok", HOST)
    assert [session.server_name for session in server.sessions] == ["mx2.example.nl", HOST]


def test_each_way_of_asking_is_a_probe(call: Call) -> None:
    with running(server := Responder(server_context(EC, RSA))):
        result = call(**LOOPBACK, port=server.port, sni=["with", "without"], key_type=["any", "rsa", "ecdsa"])
    seen = [(one["server_name"], one["key_type"], one["chain"][0]["key_type"]) for one in result["endpoints"]]
    # The type that the server chose by itself is not asked for again.
    wanted = [("any", "ec"), ("rsa", "rsa")]
    assert seen == [(HOST, *pair) for pair in wanted] + [(None, *pair) for pair in wanted]


def test_every_chain_is_seen_by_default(call: Call) -> None:
    with running(server := Responder(server_context(EC, RSA))):
        result = call(**LOOPBACK, port=server.port, sni=None, key_type=None, tlsa=[record(EC)])
    assert [one["tlsa"]["authenticated"] for one in result["endpoints"]] == [True, False, True, False]
    assert set(codes(result)) == {"algorithm-uncovered"}
    with running(server := Responder(server_context(RSA))):
        result = call(**LOOPBACK, port=server.port, sni=None, key_type=None, tlsa=[record(RSA)])
    assert [one["outcome"] for one in result["endpoints"]] == ["tls", "tls-handshake-failed", "tls"]
    assert codes(result) == []


def test_a_key_type_the_server_lacks_is_no_finding(call: Call) -> None:
    with running(server := Responder(server_context(EC))):
        both = call(**LOOPBACK, port=server.port, key_type=["any", "rsa"])
        alone = call(**LOOPBACK, port=server.port, key_type=["rsa"])
    assert [one["outcome"] for one in both["endpoints"]] == ["tls", "tls-handshake-failed"]
    assert codes(both) == []
    assert codes(alone) == ["tls-handshake-failed"]


def test_a_key_without_a_record_is_named(call: Call) -> None:
    with running(server := Responder(server_context(EC, RSA))):
        result = call(**LOOPBACK, port=server.port, key_type=["any", "rsa"], sni=["with", "without"], tlsa=[record(EC)])
    assert set(codes(result)) == {"algorithm-uncovered"}


def test_a_default_chain_without_a_record_is_named(call: Call) -> None:
    """With the name it matches, without it does not: senders without SNI are refused (RFC 7672 section 8.1)."""
    context, named = server_context(RSA), server_context(EC)
    responder = Responder(context)
    with running(responder):
        responder.contexts_by_name[HOST] = named
        result = call(**LOOPBACK, port=responder.port, sni=["with", "without"], tlsa=[record(EC)])
    assert [one["tlsa"]["authenticated"] for one in result["endpoints"]] == [True, False]
    assert codes(result) == ["sni-divergence"]


def test_starttls_is_missing_and_records_make_it_critical(call: Call) -> None:
    with running(server := Responder(None, Behaviour(ehlo=b"250-mx\r\n250 XXXXXXXA\r\n"))):
        without = call(**LOOPBACK, port=server.port)
        with_records = call(**LOOPBACK, port=server.port, tlsa=[record(EC)])
        pkix_only = call(**LOOPBACK, port=server.port, tlsa=[record(EC, 1)])
    assert (without["endpoints"][0]["outcome"], without["endpoints"][0]["chain"]) == ("starttls-missing", [])
    assert "tlsa" not in with_records["endpoints"][0]
    severities = [
        next(found["severity"] for found in result["findings"] if found["code"] == "starttls-missing")
        for result in (without, with_records, pkix_only)
    ]
    assert severities == ["error", "critical", "error"]
    assert "starttls-keyword-masked" in codes(without)
    assert all(found["remedy"] for found in without["findings"])


def test_v01_an_odd_certificate_is_described_and_costs_no_other_server_its_place(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A TLS feature that nobody knows is nobody's fault; what the module does stumble over is a finding."""
    made = leaf(raw.alternative(HOST), raw.features(99))
    odd = Credentials((made.der,), raw.key_pem(made.key))
    with running(server := Responder(server_context(odd)), other := Responder(server_context(EC))):
        result = call(**LOOPBACK, port=server.port, tlsa=[digest(made, 3)])
        assert result["endpoints"][0]["tlsa"]["authenticated"] is True
        assert result["endpoints"][0]["chain"][0]["dns_names"] == [HOST]
        monkeypatch.setattr(starttls_report, "_certificate", lambda der: {}[der] if der == made.der else {})
        result = call(host=["mx.odd.nl"], address=["127.0.0.1"], port=server.port)
        assert (codes(result), result["endpoints"][0]["outcome"]) == (["audit-error"], "audit-error")
        result = call(**LOOPBACK, port=other.port)
        assert (codes(result), result["endpoints"][0]["outcome"]) == ([], "tls")


def test_v01_a_server_that_the_dialogue_stumbles_over_is_a_finding(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever exception it is: a ValueError comes out of many a parser."""

    async def stumble(*_arguments: object) -> None:
        raise ValueError("what this server said")

    monkeypatch.setattr(survey, "ask_all_ways", stumble)
    result = call(**LOOPBACK, port=25)
    assert (codes(result), result["endpoints"][0]["outcome"]) == (["audit-error"], "audit-error")
    # A wish that cannot be fulfilled ends the task all the same.
    assert call(**LOOPBACK, port=0)["failed"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_old_tls_is_a_finding(call: Call) -> None:
    context = server_context(RSA, weak=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with running(server := Responder(context)):
        result = call(**LOOPBACK, port=server.port)
    assert (result["endpoints"][0]["tls_version"], codes(result)) == ("TLSv1.1", ["tls-version-too-old"])


@pytest.mark.parametrize(
    ("behaviour", "told", "code"),
    [
        (Behaviour(), "not-detected", None),
        (Behaviour(behind_starttls="inside"), "vulnerable", "starttls-command-injection"),
        (Behaviour(starttls=b"454 4.7.0 not now\r\n"), "inconclusive", "starttls-injection-inconclusive"),
    ],
)
def test_commands_behind_starttls_are_tried_when_that_is_wanted(
    call: Call, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, told: str, code: str | None
) -> None:
    monkeypatch.setattr(injection, "_LISTEN_SECONDS", 0.5)
    with running(server := Responder(server_context(EC), behaviour)):
        without = call(**LOOPBACK, port=server.port)
        tried = call(**LOOPBACK, port=server.port, injection=True, sni=["with", "without"])
    assert [endpoint["injection"] for endpoint in without["endpoints"]] == [None]
    assert {endpoint["injection"] for endpoint in tried["endpoints"]} == {told}
    found = [one for one in codes(tried) if "injection" in one]
    assert found == ([code] if code else [])


def test_several_servers_in_the_order_given(call: Call) -> None:
    servers = [Responder(server_context(EC), address=address) for address in ("127.0.0.3", "127.0.0.2")]
    with running(servers[0]):
        servers[1].port = servers[0].port
        with running(servers[1]):
            hosts = ["127.0.0.4", "127.0.0.3", "127.0.0.2", "127.0.0.3"]
            result = call(host=hosts, port=servers[0].port, timeout=5)
    seen = [(one["address"], one["outcome"]) for one in result["endpoints"]]
    assert seen == [("127.0.0.4", "connect-failed"), ("127.0.0.3", "tls"), ("127.0.0.2", "tls")]
    assert codes(result) == ["connect-failed"]


class TestSystemResolver:
    """Names are looked up through the system resolver; what it cannot tell is never 'absent' (invariant 2)."""

    def test_all_addresses_are_probed(self, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        found = ["::1", "127.0.0.2", "127.0.0.1", "127.0.0.1"]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: [(0, 0, 0, "", (one, 0)) for one in found])
        with running(server := Responder(server_context(EC))):
            result = call(host=[f"{HOST.upper()}."], port=server.port)
        seen = [(one["host"], one["address"], one["outcome"]) for one in result["endpoints"]]
        assert seen == [
            (HOST, "127.0.0.1", "tls"),
            (HOST, "127.0.0.2", "connect-failed"),
            (HOST, "::1", "connect-failed"),
        ]

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no-address"),
            (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "dns-servfail"),
            (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure"), "dns-servfail"),
        ],
    )
    def test_a_name_without_address_does_not_hide_the_others(
        self, call: Call, monkeypatch: pytest.MonkeyPatch, error: OSError, outcome: str
    ) -> None:
        def fail(*_args: object, **_kwargs: object) -> t.NoReturn:
            raise error

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with running(server := Responder(server_context(EC))):
            result = call(host=[HOST, "127.0.0.1"], port=server.port)
        lost, found = result["endpoints"]
        assert (lost["address"], lost["outcome"], found["outcome"]) == (None, outcome, "tls")
        assert str(error.strerror) in lost["detail"]
        assert codes(result) == [outcome]

    def test_a_flood_of_addresses_is_cut_and_said(self, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [f"127.0.1.{number}" for number in range(1, 71)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: [(0, 0, 0, "", (one, 0)) for one in found])
        result = call(host=[HOST], port=1)
        assert len(result["endpoints"]) == 64 + 1
        assert (result["endpoints"][-1]["outcome"], codes(result).count("connect-failed")) == ("address-too-many", 64)
        assert "70 addresses" in result["endpoints"][-1]["detail"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": []}, "host is empty"),
        ({"host": ["b\u00fccher.example"]}, "internationalised"),
        ({"host": ["mx example.nl"]}, "not a host name"),
        ({"host": ["$(id).example.nl"]}, "not a host name"),
        ({"host": [HOST], "address": ["mx2.example.nl"]}, "not an IP address"),
        ({"host": [HOST], "address": []}, "address is empty"),
        ({"host": [HOST, "mx2.example.nl"], "address": ["127.0.0.1"]}, "single host name"),
        ({"host": ["127.0.0.1"], "address": ["127.0.0.1"]}, "single host name"),
        ({"host": ["127.0.0.1"], "port": 70000}, "not a port number"),
        ({"host": ["127.0.0.1"], "server_name": "-"}, "not a host name"),
        ({"host": ["127.0.0.1"], "sni": []}, "sni is empty"),
        ({"host": ["127.0.0.1"], "key_type": []}, "key_type is empty"),
        ({"host": ["127.0.0.1"], "key_type": ["dsa"]}, "value of key_type must be one or more of"),
        ({"host": ["127.0.0.1"], "timeout": 0}, "timeout is 0"),
        ({"host": ["127.0.0.1"], "timeout": "nan"}, "timeout is nan"),
        ({"host": ["127.0.0.1"], "concurrency": 0}, "concurrency is 0"),
        ({"host": ["127.0.0.1"], "ehlo_name": "a b"}, "not a name for EHLO"),
        ({"host": ["127.0.0.1"], "ehlo_name": "a\r\nMAIL FROM:<>"}, "not a name for EHLO"),
        ({"host": ["127.0.0.1"], "tlsa": ["3 1 1 xyz"]}, "xyz"),
        ({"host": ["127.0.0.1"], "tlsa": ["3 1"]}, "3 1"),
    ],
)
def test_wrong_options_fail_with_the_input_and_the_rule(call: Call, options: dict[str, t.Any], words: str) -> None:
    result = call(**options)
    assert result["failed"] is True
    assert words in result["msg"]


def test_every_outcome_of_a_probe_is_in_the_catalogue() -> None:
    for code in (
        "connect-failed", "smtp-greeting-failed", "smtp-protocol-error", "ehlo-rejected", "starttls-missing",
        "starttls-refused", "starttls-handshake-reset", "tls-handshake-failed", "probe-timeout", "banner-masked",
        "starttls-keyword-masked", "command-rewritten", "starttls-offered-inside-tls", "ehlo-after-tls-rejected",
        "starttls-response-injection", "no-address", "dns-servfail", "address-too-many",
    ):  # fmt: skip
        assert CATALOGUE[code][2]
