# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit over a DNS in memory and mail servers on loopback, and the report that comes of it."""

from __future__ import annotations

import asyncio
import collections.abc as c
import json

import pytest
from oracle import pki
from support import credentials
from support.memory_dns import MemoryDns
from support.smtp_responder import Behaviour, Responder

from ansible_collections.mailsec.dane.plugins.module_utils._audit import audit as audit_audit
from ansible_collections.mailsec.dane.plugins.module_utils._audit import report
from ansible_collections.mailsec.dane.plugins.module_utils._audit.audit import Audit, Settings
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import DomainVerdict, HostVerdict
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Limits
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ways
from ansible_collections.mailsec.dane.plugins.module_utils._special_use import is_special_use

HOST = "mx.example.nl"
GOOD = credentials.ecdsa(HOST)
EE, TA = (compute(load_der(GOOD.chain[at]), usage, 1, 1).to_text() for at, usage in ((0, 3), (1, 2)))
Run = c.Callable[[Audit], c.Awaitable[object]]


def dns_for(port: int, *records: str, address: str = "127.0.0.1") -> MemoryDns:
    dns = MemoryDns().add("example.nl", "MX", f"10 {HOST}.").add(HOST, "A", address)
    return dns.add(f"_{port}._tcp.{HOST}", "TLSA", *records) if records else dns


async def domains(audit: Audit, *names: str) -> list[DomainVerdict]:
    return [verdict async for verdict in audit.domains(names)]


async def hosts(audit: Audit, *names: str) -> list[HostVerdict]:
    return [verdict async for verdict in audit.hosts(names)]


def served(
    work: c.Callable[[Responder], c.Awaitable[object]],
    behaviour: Behaviour | None = None,
    *keys: credentials.Credentials,
) -> object:
    async def run() -> object:
        async with Responder(credentials.server_context(*(keys or (GOOD,))), behaviour) as server:
            return await work(server)

    return asyncio.run(run())


def settings(server: Responder, **more: object) -> Settings:
    given: dict[str, object] = {"port": server.port, "special_use": True, "now": pki.NOW, **more}
    return Settings(**given)  # type: ignore[arg-type]


class TestBeside:
    """TLS reports and domains with DANE required are looked at where there is somebody to tell and room for a name."""

    @staticmethod
    def asked(domain: str, *mx: str) -> tuple[list[str], bool]:
        async def run() -> tuple[list[str], bool]:
            dns = MemoryDns().add(domain, "MX", *mx)
            wanted = Settings(tlsrpt=True, dane_required=frozenset({domain}), now=pki.NOW)
            [verdict] = await domains(Audit(dns, wanted), domain)
            return [one for one in dns.asked if "_smtp._tls" in one], verdict.beside.dane_required

        return asyncio.run(run())

    def test_what_is_asked(self) -> None:
        assert self.asked("example.nl", f"10 {HOST}.") == (["_smtp._tls.example.nl TXT"], True)
        assert self.asked("example.nl", "0 .") == ([], True)

    def test_the_longest_names(self) -> None:
        longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 50])
        assert len(f"_smtp._tls.{longest}") == 253
        assert self.asked(longest, f"10 {HOST}.")[0]
        assert self.asked(f"{longest}d", f"10 {HOST}.") == ([], True)


class TestAudit:
    def test_b06_every_address_with_the_base_domain_as_server_name(self) -> None:
        async def work(server: Responder) -> None:
            [verdict] = await domains(Audit(dns_for(server.port, EE, TA), settings(server)), "example.nl")
            assert verdict.state.value == "protected"
            assert [session.server_name for session in server.sessions] == [HOST]

        served(work)

    def test_b06_with_and_without_server_name_and_by_type_of_key(self) -> None:
        async def work(server: Responder) -> None:
            wanted = settings(server, sni=(True, False), key_types=(None, "rsa", "ecdsa"))
            [verdict] = await hosts(Audit(dns_for(server.port, EE, TA), wanted), HOST)
            asked = [(e.probe.server_name, e.probe.key_type, e.state.value) for e in verdict.endpoints]
            assert asked == [
                (name, key_type, state)
                for name in (HOST, None)
                for key_type, state in ((None, "authenticated"), ("rsa", "refused"))
            ]
            assert verdict.reason == "algorithm-uncovered"
            assert "algorithm-uncovered" in {
                entry["code"] for entry in report.host_result(verdict, pki.NOW)["findings"]
            }

        served(work, None, GOOD, credentials.rsa_self_signed(HOST))

    @pytest.mark.parametrize("slipped", [True, False])
    def test_records_below_the_mail_domain_are_found(self, slipped: bool) -> None:
        async def work(server: Responder) -> None:
            dns = dns_for(server.port)
            if slipped:
                dns.add(f"_{server.port}._tcp.example.nl", "TLSA", EE)
            [verdict] = await domains(Audit(dns, settings(server)), "example.nl")
            found = {f["code"]: f for f in report.domain_result(verdict, pki.NOW)["findings"]}
            assert ("tlsa-wrong-owner" in found) is slipped
            if slipped:
                assert found["tlsa-wrong-owner"]["expected"] == f"_{server.port}._tcp.{HOST}"

        served(work)

    def test_a_host_of_many_domains_is_probed_once(self) -> None:
        async def work(server: Responder) -> None:
            dns = dns_for(server.port, EE, TA)
            names = [f"d{number}.nl" for number in range(50)]
            for name in names:
                dns.add(name, "MX", f"10 {HOST}.")
            verdicts = await domains(Audit(dns, settings(server)), *names)
            assert {verdict.state.value for verdict in verdicts} == {"protected"}
            assert sorted(verdict.domain for verdict in verdicts) == sorted(names)
            assert len(server.sessions) == 1

        served(work)

    def test_addresses_that_the_internet_does_not_route_are_left_alone(self) -> None:
        async def work(server: Responder) -> None:
            [verdict] = await domains(
                Audit(dns_for(server.port, EE, TA), settings(server, special_use=False)), "example.nl"
            )
            assert (verdict.state.value, verdict.reason) == ("unknown", "address-special-use")
            assert server.sessions == []

        served(work)

    def test_a_version_of_ip_can_be_left_out(self) -> None:
        async def work(server: Responder) -> None:
            [verdict] = await hosts(Audit(dns_for(server.port, EE, TA), settings(server, ip_versions=(6,))), HOST)
            assert verdict.observation.not_probed == (("127.0.0.1", "address-not-asked"),)
            assert server.sessions == []

        served(work)

    def test_an_address_without_route_from_here_is_an_open_question(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit_audit, "_has_route", lambda address: ":" not in address)

        async def work(server: Responder) -> None:
            dns = dns_for(server.port, EE, TA).add(HOST, "AAAA", "2001:db8::1")
            [verdict] = await domains(Audit(dns, settings(server)), "example.nl")
            assert (verdict.state.value, verdict.reason) == ("unknown", "address-no-route")

        served(work)

    def test_f01_managed_or_not(self) -> None:
        async def work(server: Responder) -> None:
            dns = dns_for(server.port, EE, TA)
            for managed, expected in ((None, None), (frozenset({HOST}), True), (frozenset({"x.nl"}), False)):
                [verdict] = await hosts(Audit(dns, settings(server, managed=managed)), HOST)
                assert verdict.observation.managed is expected

        served(work)

    def test_an_address_literal_is_probed_without_server_name_p6(self) -> None:
        async def work(server: Responder) -> None:
            [verdict] = await hosts(Audit(MemoryDns(), settings(server)), "127.0.0.1")
            assert (verdict.state.value, verdict.reason) == ("opportunistic", "address-literal")
            assert [session.server_name for session in server.sessions] == [None]

        served(work)

    def test_probes_at_once_are_bounded(self) -> None:
        current = most = 0

        async def fake(endpoint: object, name: object, *_rest: object) -> object:
            nonlocal current, most
            current += 1
            most = max(most, current)
            await asyncio.sleep(0.001)
            current -= 1
            return audit_audit.Probe(endpoint, name, "connect-failed")  # type: ignore[arg-type]

        dns = MemoryDns()
        for number in range(200):
            dns.add(f"d{number}.nl", "MX", f"10 mx{number}.nl.").add(f"mx{number}.nl", "A", "127.0.0.1", "127.0.0.2")
        audit = Audit(dns, Settings(concurrency=5, special_use=True))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ways, "probe", fake)
            verdicts = asyncio.run(domains(audit, *(f"d{number}.nl" for number in range(200))))
        assert len(verdicts) == 200
        assert most == 5

    def test_results_are_handed_out_as_they_become_ready_and_stopping_leaves_nothing_behind(self) -> None:
        started: list[str] = []

        class Slow(MemoryDns):
            async def resolve(self, name: str, rdtype: str) -> object:  # type: ignore[override]
                started.append(name)
                if name != "quick.nl":
                    await asyncio.sleep(3600)
                return await super().resolve(name, rdtype)

        async def run() -> None:
            audit = Audit(Slow(), Settings(concurrency=2))
            names = (name for name in ["slow.nl", "quick.nl", *(f"d{number}.nl" for number in range(1000))])
            verdicts = audit.domains(names)
            assert (await anext(verdicts)).domain == "quick.nl"
            await verdicts.aclose()
            assert len(started) <= 8
            assert len(asyncio.all_tasks()) == 1

        asyncio.run(run())

    def test_a_server_that_stalls_ends_within_its_limits(self) -> None:
        async def work(server: Responder) -> None:
            wanted = settings(server, limits=Limits(total=0.3))
            [verdict] = await hosts(Audit(dns_for(server.port, EE), wanted), HOST)
            assert (verdict.state.value, verdict.reason) == ("unknown", "probe-timeout")

        served(work, Behaviour(stall_at="greeting"))

    def test_bad_names_are_errors_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="internationalised"):
            asyncio.run(domains(Audit(MemoryDns(), Settings()), "exämple.nl"))


def results(
    *records: str, behaviour: Behaviour | None = None, **more: object
) -> tuple[dict[str, object], dict[str, object]]:
    """One domain and its host by itself as results."""

    async def work(server: Responder) -> object:
        audit = Audit(dns_for(server.port, *records), settings(server, **more))
        [domain], [host] = await domains(audit, "example.nl"), await hosts(audit, HOST)
        return report.domain_result(domain, pki.NOW), report.host_result(host, pki.NOW)

    return served(work, behaviour)  # type: ignore[return-value]


class TestReport:
    def test_verdict_first_then_reason_then_remedy(self) -> None:
        domain, _host = results("3 1 1 " + "ab" * 32, managed=frozenset())
        lines = report.text([domain], [])
        assert [line.split() for line in lines[:3]] == [
            ["MAIL", "DOMAIN,", "MX", "HOST", "VERDICT", "REASON", "TLSA"],
            ["example.nl", "FAILING", "tlsa-no-match"],
            [HOST, "(not", "managed)", "refused", "tlsa-no-match", "3", "1", "1"],
        ]
        text = "\n".join(lines)
        order = [text.index(word) for word in ("FAILING: no mail", "CRITICAL tlsa-no-match", "  seen:", "  do:")]
        assert order == sorted(order)
        assert lines[-1] == "1 audited: 1 refused."
        assert max(map(len, lines)) <= 130

    def test_nothing_to_do(self) -> None:
        domain, host = results(EE, TA)
        assert report.text([domain], [host])[-1] == "2 audited: 2 fine."
        assert not any("do:" in line for line in report.text([domain], [host]))

    def test_one_finding_in_many_domains_is_told_once(self) -> None:
        domain, _host = results()
        many = [{**domain, "domain": f"d{number}.nl"} for number in range(600)]
        for number, one in enumerate(many):
            one["findings"] = [{**entry, "subject": f"s{number}"} for entry in domain["findings"]]  # type: ignore[attr-defined]
        lines = report.text(many, [])
        assert sum("tlsa-absent (" in line for line in lines) == 1
        assert "  seen: 590 more times" in lines
        assert len(lines) < 500
        assert lines[-1] == "600 audited: 600 unprotected."

    def test_worst_first(self) -> None:
        domain, host = results(EE, TA)
        others = [
            {**domain, "domain": "a.nl", "verdict": "partial"},
            {**domain, "domain": "z.nl", "verdict": "failing"},
        ]
        rows = [line.split()[0] for line in report.text([domain, *others], [host]) if line and line[0] != " "]
        assert rows[1:4] == ["z.nl", "a.nl", "example.nl"]

    @pytest.mark.parametrize(("statuses", "worst"), [([], 0), ([0], 0), ([0, 1], 1), ([1, 3], 3), ([3, 2, 1, 0], 2)])
    def test_worst_status(self, statuses: list[int], worst: int) -> None:
        assert report.worst_status([{"status": status} for status in statuses]) == worst

    def test_summary(self) -> None:
        found = report.summary([{"status": status} for status in (0, 1, 1, 2, 3)])
        assert found == {"fine": 1, "unprotected": 2, "refused": 1, "unknown": 1, "total": 5}

    def test_results_are_plain_data_and_equal_when_nothing_changed(self) -> None:
        first, second = results(EE), results(EE)
        port = first[1]["endpoints"][0]["port"]  # type: ignore[index]
        other = second[1]["endpoints"][0]["port"]  # type: ignore[index]
        assert json.dumps(first).replace(str(port), "P") == json.dumps(second).replace(str(other), "P")

    def test_b10_names_of_others_for_our_findings(self) -> None:
        domain, host = results("3 1 1 " + "ab" * 32)
        assert host["tlsrpt"] == "tlsa-invalid"
        named = {entry["code"]: entry["internet_nl"] for entry in domain["findings"]}  # type: ignore[attr-defined]
        assert named["tlsa-no-match"] == ["mail_starttls_dane_valid"]

    def test_text_of_servers_is_made_harmless(self) -> None:
        nasty = Behaviour(greeting=b"220 \x1b[31m{{ lookup('pipe', 'id') }}\r\n", starttls=b"454 {% x %}\x07\r\n")
        domain, _host = results(EE, behaviour=nasty)
        told = json.dumps(domain) + "\n".join(report.text([domain], []))
        assert "starttls-refused" in told
        for harm in ("\\u001b", "\x1b", "{{", "{%", "\x07", "\\u0007"):
            assert harm not in told

    def test_a_place_from_where_nothing_can_be_reached_is_noted(self) -> None:
        _domain, host = results(EE)
        assert report.notes([host]) == []
        endpoint = {**host["endpoints"][0], "outcome": "connect-failed"}  # type: ignore[index]
        assert len(report.notes([{**host, "endpoints": [endpoint, endpoint]}])) == 1
        assert report.notes([]) == []


class TestAddress:
    @pytest.mark.parametrize(
        "address",
        [
            "10.0.0.1",
            "127.0.0.1",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "ff0e::1",
        ],
    )
    def test_special_use(self, address: str) -> None:
        assert is_special_use(address)

    @pytest.mark.parametrize("address", ["8.8.8.8", "193.0.0.1", "2001:67c::1", "::ffff:8.8.8.8"])
    def test_global(self, address: str) -> None:
        assert not is_special_use(address)

    @pytest.mark.parametrize("text", ["", "example.nl", "1.2.3", "1.2.3.4/24", "::g"])
    def test_no_address(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not an IP address"):
            is_special_use(text)
