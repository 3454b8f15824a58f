# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From observations to verdicts and findings; ids are those of the rules about senders (SR-*) and of duties (F, B)."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import hashlib

import pytest
from oracle import pki
from oracle.pki import Spec, make
from support import credentials
from support.memory_dns import INSECURE, SECURE, MemoryDns

from ansible_collections.mailsec.dane.plugins.module_utils._audit.compliance import INTERNET_NL, TLSRPT
from ansible_collections.mailsec.dane.plugins.module_utils._audit.discovery import find_mx, locate
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import (
    DomainObservation,
    HostObservation,
    MxSet,
)
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import (
    DomainState,
    DomainVerdict,
    HostState,
    HostVerdict,
    judge_domain,
    judge_host,
)
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict_findings import domain_findings, host_findings
from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Outcome
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Signature, Status
from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import Said, ServerView, ZoneView
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Severity
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe

HOST = "mx.example.nl"
OWNER = f"_25._tcp.{HOST}"
OTHER = "ab" * 32
CHAIN = credentials.ecdsa(HOST).chain
LEAF, ISSUER, ROOT = (load_der(der) for der in CHAIN)
EE = compute(LEAF, 3, 1, 1).to_text()
TA = compute(ISSUER, 2, 1, 1).to_text()
WRONG_EE, WRONG_TA = f"3 1 1 {OTHER}", f"2 1 1 {OTHER}"


def zone(*records: str, **more: str) -> MemoryDns:
    dns = MemoryDns().add("example.nl", "MX", f"10 {HOST}.").add(HOST, "A", "192.0.2.1")
    return dns.add(OWNER, "TLSA", *records) if records else dns


def seen(address: str = "192.0.2.1", outcome: str = "tls", **more: object) -> Probe:
    told: dict[str, object] = (
        {"tls_version": "TLSv1.3", "chain": CHAIN} if outcome == "tls" else {"detail": "so it was"}
    )
    return Probe(Endpoint(address), **{"server_name": HOST, "outcome": outcome, **told, **more})  # type: ignore[arg-type]


def observe(dns: MemoryDns, *probes: Probe, host: str = HOST, **more: object) -> HostObservation:
    found = asyncio.run(locate(dns, host))
    return HostObservation(found, probes, **more)  # type: ignore[arg-type]


def judged(dns: MemoryDns, *probes: Probe, **more: object) -> HostVerdict:
    return judge_host(observe(dns, *(probes or (seen(),)), **more), pki.NOW)


def codes(host: HostVerdict) -> dict[str, Severity]:
    return {entry.code: entry.severity for entry in host_findings(host, pki.NOW)}


def domain(dns: MemoryDns, hosts: dict[str, list[Probe]], name: str = "example.nl") -> DomainVerdict:
    mx: MxSet = asyncio.run(find_mx(dns, name))
    observations = tuple(observe(dns, *hosts[entry.name], host=entry.name) for entry in mx.hosts)
    return judge_domain(DomainObservation(mx, observations), pki.NOW)


def domain_codes(verdict: DomainVerdict) -> list[str]:
    return [entry.code for entry in domain_findings(verdict, pki.NOW)]


def decision(verdict: HostVerdict) -> tuple[HostState, str]:
    return verdict.state, verdict.reason


class TestWithUsableRecords:
    @pytest.mark.parametrize("records", [(EE,), (TA,), (EE, TA), (EE, WRONG_EE), (WRONG_EE, TA), (EE, WRONG_TA)])
    def test_any_match_is_enough_p1_t9(self, records: tuple[str, ...]) -> None:
        verdict = judged(zone(*records))
        assert decision(verdict) == (HostState.AUTHENTICATED, "dane-ok")
        assert verdict.delivers
        assert verdict.state.status == 0

    def test_f16_one_record_only_is_an_alarm(self) -> None:
        assert codes(judged(zone(EE))) == {"next-missing": Severity.WARNING}
        assert codes(judged(zone(EE, TA))) == {}

    @pytest.mark.parametrize(
        ("records", "strict"), [((EE, TA), True), ((EE, WRONG_TA), False), ((WRONG_EE, TA), False)]
    )
    def test_f16_a_combination_without_match_is_an_alarm_b1(self, records: tuple[str, ...], strict: bool) -> None:
        verdict = judged(zone(*records))
        assert verdict.strict is strict
        assert ("strict-violation" in codes(verdict)) is not strict

    @pytest.mark.parametrize(
        ("records", "chain", "reason"),
        [
            ((WRONG_EE,), CHAIN, "tlsa-no-match"),
            ((WRONG_EE, WRONG_TA), CHAIN, "tlsa-no-match"),
            ((compute(ROOT, 2, 1, 1).to_text(),), CHAIN[:2], "ta-not-in-chain"),
        ],
    )
    def test_no_match_is_refused_p1(self, records: tuple[str, ...], chain: tuple[bytes, ...], reason: str) -> None:
        verdict = judged(zone(*records), seen(chain=chain))
        assert decision(verdict) == (HostState.REFUSED, reason)
        assert not verdict.delivers
        assert codes(verdict)[reason] is Severity.CRITICAL

    @pytest.mark.parametrize(
        ("spec", "reason"),
        [
            ({"san": ("other.example.nl",)}, "ta-name-mismatch"),
            ({"days": -1}, "ta-chain-expired"),
            ({"eku": (pki.ExtendedKeyUsageOID.CLIENT_AUTH,)}, "ta-chain-invalid"),
        ],
    )
    def test_dane_ta_checks_names_dates_and_purpose_c3_c7(self, spec: dict[str, object], reason: str) -> None:
        leaf = make(Spec(HOST, "Issuer", "leaf", "issuer", ca=None, **{"san": (HOST,), **spec}))  # type: ignore[arg-type]
        verdict = judged(zone(TA), seen(chain=(leaf, *CHAIN[1:])))
        assert decision(verdict) == (HostState.REFUSED, reason)
        assert reason in codes(verdict)

    def test_dane_ee_checks_neither_names_nor_dates_e2_e3(self) -> None:
        leaf = make(Spec("x", "Issuer", "leaf", "issuer", ca=None, san=("x.nl",), days=-1))
        verdict = judged(zone(EE), seen(chain=(leaf,)))
        assert decision(verdict) == (HostState.AUTHENTICATED, "dane-ok")
        assert {"certificate-expired", "certificate-name-mismatch"} <= set(codes(verdict))

    def test_expiry_is_announced(self) -> None:
        leaf = make(Spec(HOST, "Issuer", "leaf", "issuer", ca=None, san=(HOST,), days=5))
        assert "certificate-expiring" in codes(judged(zone(EE, TA), seen(chain=(leaf, *CHAIN[1:]))))

    @pytest.mark.parametrize(
        "outcome",
        ["starttls-missing", "starttls-refused", "starttls-handshake-reset", "tls-handshake-failed", "ehlo-rejected"],
    )
    def test_a_server_without_tls_is_refused_p1_p8(self, outcome: str) -> None:
        verdict = judged(zone(EE), seen(outcome=outcome))
        assert decision(verdict) == (HostState.REFUSED, outcome)
        assert codes(verdict)[outcome] is Severity.CRITICAL

    @pytest.mark.parametrize("outcome", ["connect-failed", "smtp-greeting-failed", "smtp-protocol-error"])
    def test_no_mail_server_is_no_dane_verdict(self, outcome: str) -> None:
        verdict = judged(zone(EE), seen(outcome=outcome))
        assert decision(verdict) == (HostState.UNREACHABLE, outcome)
        assert codes(verdict)[outcome] is not Severity.INFO
        assert verdict.state.status == 2

    @pytest.mark.parametrize("outcome", ["probe-timeout", "vantage-refused", "ehlo-name-refused"])
    def test_p01_p03_p04_what_concerns_us_alone_is_unknown(self, outcome: str) -> None:
        for dns in (zone(EE), zone()):
            verdict = judged(dns, seen(outcome=outcome))
            assert decision(verdict) == (HostState.UNKNOWN, outcome)
            assert codes(verdict)[outcome] in (Severity.ERROR, Severity.WARNING)
            assert verdict.state.status == 3

    @pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES256-SHA", "DHE-RSA-AES256-SHA", "AES256-SHA"])
    def test_v05_postfix_authenticates_no_server_that_signs_with_sha1(self, cipher: str) -> None:
        """RSA key exchange signs nothing, so that it does without SHA-1."""
        verdict = judged(zone(EE, TA), seen(tls_version="TLSv1.1", cipher=cipher))
        fine = cipher == "AES256-SHA"
        assert verdict.state is (HostState.AUTHENTICATED if fine else HostState.REFUSED)
        assert verdict.profiles["exim"] == (HostState.AUTHENTICATED, "dane-ok")
        assert "tls-version-too-old" in codes(verdict)

    def test_what_cannot_be_read_is_not_judged(self) -> None:
        verdict = judged(zone(EE), seen(chain=(b"garbage",)))
        assert decision(verdict) == (HostState.UNKNOWN, "chain-unreadable")
        assert "chain-unreadable" in codes(verdict)

    def test_half_a_chain_is_not_judged_by_dane_ta(self) -> None:
        verdict = judged(zone(TA), seen(chain=CHAIN[:1], chain_complete=False))
        assert decision(verdict) == (HostState.UNKNOWN, "chain-incomplete")
        assert "chain-incomplete" in codes(verdict)
        assert decision(judged(zone(EE, TA), seen(chain=CHAIN[:1], chain_complete=False)))[0] is HostState.AUTHENTICATED


class TestWithUnusableRecords:
    UNUSABLE = ("1 1 1 " + OTHER, "3 1 1 abcd", "4 1 1 " + OTHER, "3 2 1 " + OTHER, "255 255 255 00")

    @pytest.mark.parametrize("record", UNUSABLE)
    def test_tls_without_authentication_p2_t5_t6_t8(self, record: str) -> None:
        verdict = judged(zone(record))
        assert decision(verdict) == (HostState.ENCRYPT_ONLY, "tlsa-all-unusable")
        assert codes(verdict)["tlsa-all-unusable"] is Severity.ERROR

    @pytest.mark.parametrize("record", ["3 1 0 00", "3 0 0 aabb", "2 0 0 aabb", "2 1 0 00"])
    def test_v06_exim_does_not_look_into_full_data(self, record: str) -> None:
        verdict = judged(zone(record))
        assert verdict.profiles["postfix"] == (HostState.ENCRYPT_ONLY, "tlsa-all-unusable")
        assert verdict.profiles["exim"][0] is verdict.state is HostState.REFUSED
        assert codes(verdict)["senders-differ"] is Severity.ERROR

    def test_a_record_without_data_is_unusable_and_no_exception(self) -> None:
        verdict = judged(zone("3 1 1 "))
        assert decision(verdict) == (HostState.ENCRYPT_ONLY, "tlsa-all-unusable")
        assert "tlsa-bad-field" in codes(verdict)

    def test_tls_is_still_required_p2(self) -> None:
        assert decision(judged(zone(self.UNUSABLE[0]), seen(outcome="starttls-missing"))) == (
            HostState.REFUSED,
            "starttls-missing",
        )

    def test_an_unusable_record_never_spoils_a_usable_one_t7(self) -> None:
        assert judged(zone(EE, *self.UNUSABLE)).state is HostState.AUTHENTICATED


class TestWithoutRecords:
    @pytest.mark.parametrize("outcome", ["tls", "starttls-missing", "starttls-refused", "tls-handshake-failed"])
    def test_cleartext_is_possible_p3(self, outcome: str) -> None:
        verdict = judged(zone(), seen(outcome=outcome))
        assert decision(verdict) == (HostState.OPPORTUNISTIC, "tlsa-absent")
        assert codes(verdict)["tlsa-absent"] is Severity.ERROR
        assert verdict.strict is None

    def test_insecure_records_p3(self) -> None:
        dns = zone().add(OWNER, "TLSA", WRONG_EE, security=INSECURE)
        assert decision(judged(dns)) == (HostState.OPPORTUNISTIC, "tlsa-insecure")
        assert "tlsa-insecure" in codes(judged(dns))

    def test_insecure_address_a3(self) -> None:
        dns = MemoryDns().add(HOST, "A", "192.0.2.1", security=INSECURE)
        assert decision(judged(dns)) == (HostState.OPPORTUNISTIC, "address-insecure")
        assert "address-insecure" in codes(judged(dns))

    def test_insecure_alias_a8(self) -> None:
        dns = MemoryDns().alias(HOST, "mx.example.org", INSECURE).add("mx.example.org", "A", "192.0.2.1")
        assert decision(judged(dns)) == (HostState.OPPORTUNISTIC, "alias-insecure")
        assert {"alias-insecure", "mx-is-alias"} <= set(codes(judged(dns)))

    def test_address_literal_p6(self) -> None:
        verdict = judge_host(observe(MemoryDns(), seen(server_name=None), host="192.0.2.1"), pki.NOW)
        assert decision(verdict) == (HostState.OPPORTUNISTIC, "address-literal")
        assert "address-literal" in codes(verdict)

    def test_nobody_answers(self) -> None:
        assert decision(judged(zone(), seen(outcome="connect-failed"))) == (HostState.UNREACHABLE, "connect-failed")

    def test_no_address_a2(self) -> None:
        verdict = judge_host(observe(MemoryDns()), pki.NOW)
        assert decision(verdict) == (HostState.UNREACHABLE, "no-address")
        assert "no-address" in codes(verdict)

    def test_name_that_is_none(self) -> None:
        verdict = judge_host(observe(MemoryDns(), host="{{ x }} \x1b[0m.nl"), pki.NOW)
        assert decision(verdict) == (HostState.UNREACHABLE, "mx-bad-name")
        finding = host_findings(verdict, pki.NOW)[0]
        assert finding.code == "mx-bad-name"
        assert "\x1b" not in finding.subject
        assert "{{" not in finding.subject


class TestLookupErrors:
    @pytest.mark.parametrize("reason", ["dnssec-bogus", "dns-servfail", "dns-refused", "dns-timeout", "dns-malformed"])
    @pytest.mark.parametrize("where", ["address", "tlsa"])
    def test_senders_skip_the_host_p4_d6_d7(self, reason: str, where: str) -> None:
        dns = zone(EE)
        if where == "tlsa":
            dns.fail(OWNER, "TLSA", reason)
        else:
            dns.fail(HOST, "A", reason).fail(HOST, "AAAA", reason)
        verdict = judged(dns) if where == "tlsa" else judge_host(observe(dns), pki.NOW)
        assert decision(verdict) == (HostState.LOOKUP_ERROR, reason)
        assert codes(verdict)[reason] is Severity.CRITICAL
        assert not verdict.delivers

    def test_broken_denial_of_existence(self) -> None:
        verdict = judged(zone().fail(OWNER, "TLSA", "dnssec-bogus", Outcome.NXDOMAIN))
        assert decision(verdict) == (HostState.LOOKUP_ERROR, "dns-denial-broken")
        assert "dns-denial-broken" in codes(verdict)

    def test_the_name_above_the_records_is_denied(self) -> None:
        verdict = judged(zone(EE, TA).deny(f"_tcp.{HOST}"))
        assert verdict.state is HostState.AUTHENTICATED
        assert codes(verdict) == {"dns-ent-nxdomain": Severity.CRITICAL}

    def test_the_name_above_the_records_cannot_be_proven_empty(self) -> None:
        verdict = judged(zone(EE, TA).fail(f"_tcp.{HOST}", "A", "dnssec-bogus"))
        assert codes(verdict) == {"dns-denial-broken": Severity.CRITICAL}
        assert codes(judged(zone(EE, TA).fail(f"_tcp.{HOST}", "A", "dns-unreachable"))) == {}

    @pytest.mark.parametrize("reason", ["resolver-not-validating", "dns-unreachable"])
    def test_our_own_view_is_unknown_never_fine_and_never_a_lookup_error(self, reason: str) -> None:
        verdict = judged(zone(EE).fail(OWNER, "TLSA", reason))
        assert decision(verdict) == (HostState.UNKNOWN, reason)
        assert verdict.state.status == 3

    def test_one_broken_family_is_a_finding_a4(self) -> None:
        verdict = judged(zone(EE, TA).fail(HOST, "AAAA", "dns-servfail"))
        assert verdict.state is HostState.AUTHENTICATED
        assert codes(verdict) == {"dns-servfail": Severity.ERROR}


class TestEndpoints:
    def test_b06_the_worst_endpoint_counts(self) -> None:
        other = credentials.ecdsa(HOST, key="other").chain
        dns = zone(EE, WRONG_EE).add(HOST, "AAAA", "2001:db8::1")
        verdict = judged(dns, seen(), seen("2001:db8::1", chain=other))
        assert decision(verdict) == (HostState.REFUSED, "tlsa-no-match")
        assert not verdict.consistent
        assert verdict.delivers
        assert codes(verdict)["endpoint-divergence"] is Severity.CRITICAL

    def test_a_dead_address_beside_a_live_one(self) -> None:
        verdict = judged(zone(EE, TA), seen(), seen("192.0.2.2", outcome="connect-failed"))
        assert decision(verdict) == (HostState.UNREACHABLE, "connect-failed")
        assert verdict.delivers
        assert "endpoint-divergence" not in codes(verdict)

    def test_b06_default_chain_differs_from_that_for_the_name(self) -> None:
        other = credentials.ecdsa(HOST, key="other").chain
        verdict = judged(zone(EE, WRONG_EE), seen(), seen(server_name=None, chain=other))
        assert verdict.state is HostState.REFUSED
        assert "sni-divergence" in codes(verdict)

    def test_b06_a_key_algorithm_that_no_record_covers(self) -> None:
        rsa = credentials.rsa_self_signed(HOST).chain
        verdict = judged(zone(EE, WRONG_EE), seen(), seen(key_type="rsa", chain=rsa))
        assert verdict.state is HostState.REFUSED
        assert "algorithm-uncovered" in codes(verdict)

    def test_lacking_a_type_of_key_is_no_fault(self) -> None:
        verdict = judged(zone(EE, TA), seen(), seen(key_type="rsa", outcome="tls-handshake-failed"))
        assert verdict.state is HostState.AUTHENTICATED
        assert codes(verdict) == {}

    @pytest.mark.parametrize(
        ("left_out", "probes", "state"),
        [
            ("address-no-route", 1, HostState.UNKNOWN),
            ("address-no-route", 0, HostState.UNKNOWN),
            ("address-special-use", 1, HostState.AUTHENTICATED),
            ("address-special-use", 0, HostState.UNKNOWN),
            ("address-not-asked", 1, HostState.AUTHENTICATED),
            ("address-not-asked", 0, HostState.UNKNOWN),
        ],
    )
    def test_what_was_not_seen_is_not_called_fine(self, left_out: str, probes: int, state: HostState) -> None:
        observation = observe(zone(EE, TA), *[seen()] * probes, not_probed=(("2001:db8::1", left_out),))
        verdict = judge_host(observation, pki.NOW)
        assert verdict.state is state
        assert left_out in codes(verdict)

    def test_without_probe_the_dns_alone_says_opportunistic(self) -> None:
        observation = observe(zone(), not_probed=(("192.0.2.1", "address-special-use"),))
        assert decision(judge_host(observation, pki.NOW)) == (HostState.OPPORTUNISTIC, "tlsa-absent")

    def test_too_many_addresses_are_not_called_fine(self) -> None:
        dns = MemoryDns().add(HOST, "A", *(f"192.0.2.{number}" for number in range(40))).add(OWNER, "TLSA", EE, TA)
        verdict = judged(dns)
        assert decision(verdict) == (HostState.UNKNOWN, "address-too-many")
        assert "address-too-many" in codes(verdict)


class TestSenders:
    def test_b05_digest_agility_tells_them_apart_g5(self) -> None:
        wrong512 = f"3 1 2 {hashlib.sha512(b'other').hexdigest()}"
        verdict = judged(zone(EE, wrong512))
        states = {name: state for name, (state, _reason) in verdict.profiles.items()}
        assert states == {
            "rfc": HostState.REFUSED,
            "postfix": HostState.REFUSED,
            "exim": HostState.AUTHENTICATED,
        }
        assert verdict.state is HostState.REFUSED
        assert "senders-differ" in codes(verdict)

    def test_b05_exim_asks_below_the_final_name_only(self) -> None:
        dns = (
            MemoryDns().alias(HOST, "mx.example.org").add("mx.example.org", "A", "192.0.2.1").add(OWNER, "TLSA", EE, TA)
        )
        verdict = judged(dns)
        assert verdict.profiles["postfix"] == (HostState.AUTHENTICATED, "dane-ok")
        assert verdict.profiles["exim"] == (HostState.OPPORTUNISTIC, "mx-is-alias")
        assert decision(verdict) == (HostState.OPPORTUNISTIC, "mx-is-alias")
        assert {"mx-is-alias", "senders-differ"} <= set(codes(verdict))

    @pytest.mark.parametrize(
        ("records", "state"), [((EE, TA), HostState.OPPORTUNISTIC), ((WRONG_EE,), HostState.REFUSED)]
    )
    def test_b05_insecure_mx_m3_p5(self, records: tuple[str, ...], state: HostState) -> None:
        dns = MemoryDns().add("example.nl", "MX", f"10 {HOST}.", security=INSECURE).add(HOST, "A", "192.0.2.1")
        verdict = domain(dns.add(OWNER, "TLSA", *records), {HOST: [seen()]})
        host = verdict.hosts[0]
        assert host.state is state
        assert host.profiles["exim"] == (HostState.OPPORTUNISTIC, "mx-insecure")
        assert "mx-insecure" in domain_codes(verdict)

    def test_b05_a_lookup_error_that_exim_never_meets(self) -> None:
        dns = MemoryDns().add("example.nl", "MX", f"10 {HOST}.", security=INSECURE).add(HOST, "A", "192.0.2.1")
        verdict = domain(dns.fail(OWNER, "TLSA", "dns-timeout"), {HOST: [seen()]})
        assert verdict.hosts[0].profiles["exim"] == (HostState.OPPORTUNISTIC, "mx-insecure")
        assert verdict.hosts[0].profiles["postfix"] == (HostState.LOOKUP_ERROR, "dns-timeout")

    def test_next_hop_names_count_for_dane_ta_n1(self) -> None:
        leaf = make(Spec("x", "Issuer", "leaf", "issuer", ca=None, san=("example.nl",)))
        verdict = domain(zone(TA), {HOST: [seen(chain=(leaf, *CHAIN[1:]))]})
        assert verdict.hosts[0].profiles["postfix"][0] is HostState.AUTHENTICATED
        assert verdict.hosts[0].profiles["exim"] == (HostState.REFUSED, "ta-name-mismatch")

    def test_next_hop_names_do_not_count_below_an_insecure_mx_n2(self) -> None:
        leaf = make(Spec("x", "Issuer", "leaf", "issuer", ca=None, san=("example.nl",)))
        dns = MemoryDns().add("example.nl", "MX", f"10 {HOST}.", security=INSECURE).add(HOST, "A", "192.0.2.1")
        verdict = domain(dns.add(OWNER, "TLSA", TA), {HOST: [seen(chain=(leaf, *CHAIN[1:]))]})
        assert verdict.hosts[0].profiles["postfix"] == (HostState.REFUSED, "ta-name-mismatch")

    def test_without_mx_the_original_name_counts_for_an_alias_n3(self) -> None:
        leaf = make(Spec("x", "Issuer", "leaf", "issuer", ca=None, san=("example.nl",)))
        dns = MemoryDns().alias("example.nl", "web.example.org").add("web.example.org", "A", "192.0.2.1")
        dns.add("_25._tcp.web.example.org", "TLSA", TA)
        verdict = domain(dns, {"example.nl": [seen(chain=(leaf, *CHAIN[1:]))]})
        assert verdict.mx.implicit
        assert verdict.hosts[0].profiles["postfix"][0] is HostState.AUTHENTICATED


class TestDomains:
    def two(self, second: str | None = None, security: object = SECURE) -> MemoryDns:
        dns = MemoryDns().add("example.nl", "MX", "10 a.example.nl.", "20 b.example.nl.", security=security)  # type: ignore[arg-type]
        dns.add("a.example.nl", "A", "192.0.2.1").add("_25._tcp.a.example.nl", "TLSA", EE, TA)
        dns.add("b.example.nl", "A", "192.0.2.2")
        return dns.add("_25._tcp.b.example.nl", "TLSA", second) if second else dns

    @staticmethod
    def served(second: str = "tls") -> dict[str, list[Probe]]:
        named = credentials.ecdsa("a.example.nl").chain
        other = credentials.ecdsa("b.example.nl", key="other").chain
        more = {"chain": other} if second == "tls" else {}
        return {
            "a.example.nl": [seen(chain=named, server_name="a.example.nl")],
            "b.example.nl": [seen("192.0.2.2", outcome=second, server_name="b.example.nl", **more)],
        }

    OTHER_EE = compute(load_der(credentials.ecdsa("b.example.nl", key="other").chain[0]), 3, 1, 1).to_text()

    def test_f02_protected_when_every_host_is_m4(self) -> None:
        verdict = domain(self.two(self.OTHER_EE), self.served())
        assert (verdict.state, verdict.reason, verdict.weakest) == (DomainState.PROTECTED, "dane-ok", None)
        assert verdict.state.status == 0

    def test_f02_partial_names_the_weakest_host_m4(self) -> None:
        verdict = domain(self.two(), self.served())
        assert (verdict.state, verdict.reason, verdict.weakest) == (
            DomainState.PARTIAL,
            "tlsa-absent",
            "b.example.nl",
        )
        assert verdict.state.status == 1
        assert {"tlsa-missing-for-mx", "tlsa-absent"} <= set(domain_codes(verdict))

    @pytest.mark.parametrize("second", ["tls", "connect-failed", "starttls-missing"])
    def test_degraded_when_another_host_takes_mail(self, second: str) -> None:
        verdict = domain(self.two(WRONG_EE), self.served(second))
        assert (verdict.state, verdict.weakest) == (DomainState.DEGRADED, "b.example.nl")
        assert verdict.state.status == 2

    def test_failing_when_none_does_d8(self) -> None:
        dns = self.two(WRONG_EE).fail("_25._tcp.a.example.nl", "TLSA", "dns-servfail")
        verdict = domain(dns, self.served())
        assert (verdict.state, verdict.weakest) == (DomainState.FAILING, "b.example.nl")

    def test_a_host_with_one_good_address_still_takes_mail(self) -> None:
        verdict = domain(zone(EE, TA), {HOST: [seen(), seen("192.0.2.2", outcome="connect-failed")]})
        assert verdict.state is DomainState.DEGRADED

    def test_insecure_mx_protects_nobody_m3_f09(self) -> None:
        verdict = domain(self.two(self.OTHER_EE, INSECURE), self.served())
        assert (verdict.state, verdict.reason) == (DomainState.UNPROTECTED, "mx-insecure")

    def test_insecure_alias_of_the_domain_m2(self) -> None:
        dns = zone(EE, TA).alias("example.org", "example.nl", INSECURE)
        verdict = domain(dns, {HOST: [seen()]}, "example.org")
        assert (verdict.state, verdict.reason) == (DomainState.UNPROTECTED, "mx-insecure")
        assert "alias-insecure" in domain_codes(verdict)

    def test_f07_host_in_another_zone_than_the_domain(self) -> None:
        dns = zone(EE, TA).add("example.org", "MX", f"10 {HOST}.")
        assert domain(dns, {HOST: [seen()]}, "example.org").state is DomainState.PROTECTED

    def test_unknown_is_neither_fine_nor_bad(self) -> None:
        verdict = domain(self.two(EE).fail("_25._tcp.b.example.nl", "TLSA", "dns-unreachable"), self.served())
        assert (verdict.state, verdict.reason, verdict.weakest) == (
            DomainState.UNKNOWN,
            "dns-unreachable",
            "b.example.nl",
        )
        assert verdict.state.status == 3

    @pytest.mark.parametrize("reason", ["dnssec-bogus", "dns-servfail", "dns-refused", "dns-timeout", "dns-malformed"])
    def test_mx_lookup_error_d5(self, reason: str) -> None:
        verdict = domain(MemoryDns().fail("example.nl", "MX", reason), {})
        assert (verdict.state, verdict.reason, verdict.hosts) == (DomainState.FAILING, reason, ())
        assert domain_codes(verdict) == [reason]

    @pytest.mark.parametrize("reason", ["resolver-not-validating", "dns-unreachable"])
    def test_own_view(self, reason: str) -> None:
        verdict = domain(MemoryDns().fail("example.nl", "MX", reason), {})
        assert (verdict.state, verdict.reason) == (DomainState.UNKNOWN, reason)
        assert domain_codes(verdict) == [reason]

    def test_null_mx_m6(self) -> None:
        verdict = domain(MemoryDns().add("example.nl", "MX", "0 ."), {})
        assert (verdict.state, verdict.reason, domain_codes(verdict)) == (DomainState.NO_MAIL, "null-mx", [])
        assert verdict.state.status == 0

    def test_null_mx_beside_others(self) -> None:
        dns = zone(EE, TA).add("example.org", "MX", "0 .", f"10 {HOST}.")
        verdict = domain(dns, {HOST: [seen()]}, "example.org")
        assert verdict.state is DomainState.PROTECTED
        assert "mx-null-beside-others" in domain_codes(verdict)

    def test_absent_domain_m6(self) -> None:
        verdict = domain(MemoryDns(), {})
        assert (verdict.state, verdict.reason) == (DomainState.FAILING, "mail-domain-absent")
        assert domain_codes(verdict) == ["mail-domain-absent"]

    def test_hosts_that_were_left_out_are_not_called_protected(self) -> None:
        dns = zone(EE, TA).add("example.org", "MX", *(f"{number} mx{number}.example.nl." for number in range(33)))
        for number in range(33):
            dns.add(f"mx{number}.example.nl", "A", "192.0.2.1").add(f"_25._tcp.mx{number}.example.nl", "TLSA", EE)
        verdict = domain(dns, {f"mx{number}.example.nl": [seen()] for number in range(33)}, "example.org")
        assert (verdict.state, verdict.reason) == (DomainState.UNKNOWN, "mx-too-many")
        assert {"mx-too-many", "key-shared-across-mx"} <= set(domain_codes(verdict))

    def test_f01_hosts_that_are_not_managed_count_all_the_same(self) -> None:
        mx = asyncio.run(find_mx(zone(WRONG_EE), "example.nl"))
        observation = dataclasses.replace(observe(zone(WRONG_EE), seen()), managed=False)
        assert judge_domain(DomainObservation(mx, (observation,)), pki.NOW).state is DomainState.FAILING


class TestData:
    def test_every_reason_with_a_tls_report_type_is_a_finding(self) -> None:
        assert set(TLSRPT) <= set(CATALOGUE)

    def test_every_code_with_a_subtest_is_a_finding(self) -> None:
        assert set(INTERNET_NL) <= set(CATALOGUE)

    def test_ranks_are_the_order_of_the_states(self) -> None:
        assert [state.rank for state in HostState] == list(range(len(HostState)))
        assert [state.rank for state in DomainState] == list(range(len(DomainState)))

    def test_the_moment_of_the_verdict_is_given(self) -> None:
        later = pki.NOW + datetime.timedelta(days=200)
        assert decision(judge_host(observe(zone(TA), seen()), later)) == (HostState.REFUSED, "ta-chain-expired")


def served(*records: str, status: Status = Status.SERVED, signed: bool = True) -> Said:
    signature = Signature(pki.NOW - pki.DAY, pki.NOW + pki.DAY, 1)
    return Said(status, "", records, 300 if records else None, (signature,) if signed else ())


class TestOtherMxRecordsElsewhere:
    """Senders may be sent where another name server says."""

    @staticmethod
    def judged(*said: Said, dns: MemoryDns | None = None, both: tuple[Probe, ...] = (seen(), seen())) -> DomainVerdict:
        dns = dns or zone(EE, TA)
        hosts = {HOST: [both[0]], "mx2.example.nl": [both[1]], "example.nl": [both[0]]}
        mx = asyncio.run(find_mx(dns, "example.nl"))
        observations = tuple(observe(dns, *hosts[entry.name], host=entry.name) for entry in mx.hosts)
        views = tuple(ServerView(Server(f"192.0.2.{n}"), one, one) for n, one in enumerate(said, 1))
        look = ZoneView("example.nl", "MX", "example.nl", views)
        return judge_domain(DomainObservation(mx, observations, zone=look), pki.NOW)

    @pytest.mark.parametrize(
        ("said", "state"),
        [
            (served(f"10 {HOST}."), DomainState.PROTECTED),
            (served(f"20 {HOST}."), DomainState.PROTECTED),
            (served(f"10 {HOST}.", "20 mx2.example.nl."), DomainState.UNKNOWN),
            (served("10 mx2.example.nl."), DomainState.UNKNOWN),
            (served(status=Status.ABSENT), DomainState.UNKNOWN),
            (served(status=Status.ALIAS, signed=False), DomainState.UNKNOWN),
            (served("0 ."), DomainState.DEGRADED),
            # Nobody who validates takes these for an answer.
            (served("10 mx2.example.nl.", signed=False), DomainState.PROTECTED),
            (served(status=Status.SERVFAIL), DomainState.PROTECTED),
        ],
    )
    def test_the_weakest_view_counts(self, said: Said, state: DomainState) -> None:
        verdict = self.judged(served(f"10 {HOST}."), said)
        assert verdict.state is state
        assert verdict.reason == ("dane-ok" if state is DomainState.PROTECTED else "ns-divergence")

    def test_hosts_that_were_examined_are_not_unknown_there(self) -> None:
        dns = zone(EE, TA).add("example.nl", "MX", f"10 {HOST}.", "20 mx2.example.nl.")
        dns.add("mx2.example.nl", "A", "192.0.2.2").add("_25._tcp.mx2.example.nl", "TLSA", WRONG_EE)
        assert self.judged(dns=dns).state is DomainState.DEGRADED
        verdict = self.judged(served("20 mx2.example.nl."), dns=dns)
        # The resolver's view is as bad already: some senders get through.
        assert (verdict.state, verdict.weakest) == (DomainState.DEGRADED, "mx2.example.nl")

    def test_a_part_of_the_hosts_may_be_worse_than_all_of_them(self) -> None:
        dns = zone(EE, TA).add("example.nl", "MX", f"10 {HOST}.", "20 mx2.example.nl.")
        dns.add("mx2.example.nl", "A", "192.0.2.2")
        assert self.judged(dns=dns).state is DomainState.PARTIAL
        verdict = self.judged(served("20 mx2.example.nl."), dns=dns)
        assert (verdict.state, verdict.reason) == (DomainState.UNPROTECTED, "ns-divergence")

    def test_one_that_takes_no_mail_here_and_does_there(self) -> None:
        verdict = self.judged(served(f"10 {HOST}."), dns=MemoryDns().add("example.nl", "MX", "0 ."))
        assert (verdict.state, verdict.reason) == (DomainState.UNKNOWN, "ns-divergence")

    def test_a_domain_that_is_insecure_stays_what_it_is(self) -> None:
        dns = zone(EE, TA).add("example.nl", "MX", f"10 {HOST}.", security=INSECURE)
        assert self.judged(served("10 mx2.example.nl."), dns=dns).state is DomainState.UNPROTECTED
