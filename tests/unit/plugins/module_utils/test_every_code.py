# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every code of the catalogue is raised by a test, or stands here with the reason why not yet (F11)."""

from __future__ import annotations

import asyncio
import hashlib
import pathlib
import re

import pytest
from oracle import pki
from oracle.pki import Spec, make
from support import credentials
from support.memory_dns import MemoryDns
from support.smtp_responder import Behaviour, Responder

from ansible_collections.mailsec.dane.plugins.module_utils._audit import report, zone_findings
from ansible_collections.mailsec.dane.plugins.module_utils._audit.audit import Audit, Settings
from ansible_collections.mailsec.dane.plugins.module_utils._audit.discovery import find_mx, locate
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import DomainObservation, HostObservation
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import judge_domain
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict_findings import domain_findings
from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, TlsaRrset, compute, lint
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe

HOST = "mx.example.nl"
OWNER = f"_25._tcp.{HOST}"
CHAIN = credentials.ecdsa(HOST).chain
LEAF, ISSUER, ROOT = (load_der(der) for der in CHAIN)
EE, TA = compute(LEAF, 3, 1, 1), compute(ISSUER, 2, 1, 1)
WRONG = b"\xab" * 32
HERE = pathlib.Path(__file__).resolve()

#: Mistakes that have a name, but are not a finding: code -> the reason, or what says so instead.
NO_FINDING = {
    "contact-unreachable": "a refused RCPT may be about who asks, an accepted one tells nothing about readers, and "
    "nothing but EHLO, STARTTLS and QUIT is sent to the servers of others",
    "expected-from-live": "nothing here makes records of what a server presents; tlsa_info and role tlsa read files",
    "sender-cleartext-fallback": "only mail to a server made for it shows that, as in tests/integration/audit_senders; "
    "what settings say is outbound-dane-off",
    "sender-ignores-tlsa": "as sender-cleartext-fallback",
    "single-resolver-view": "how one looks is not a property of what is seen; dane_info has option authorities for it",
    "starttls-injection-not-detected": "nothing is wrong then; starttls_info returns it as injection of the endpoint",
    "tlsrpt-starttls-not-supported": "reports of other senders are not read",
}
#: Codes that no lab and no zoo provokes, but tests with what the real thing would have shown: code -> why not.
NOT_FOR_REAL = {
    "address-no-route": "it depends on the machine which addresses it has no route to",
    "chain-incomplete": "no TLS library sends a message that ends in the middle of a certificate",
    "chain-unreadable": "no TLS library serves a certificate that it cannot read",
    "starttls-intermittent": "it takes several machines behind one address, which one server plays here",
    "ta-root-fragile": "it takes a chain of a public CA, and the key to it",
    "tlsa-duplicate": "no name server serves a record twice",
}


def sources(folder: str) -> dict[str, str]:
    root = HERE.parents[4] / folder
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in root.rglob("*.py")}


def test_every_code_is_raised_by_the_collection_and_by_a_test() -> None:
    literal = re.compile(r'"([a-z0-9]+(?:-[a-z0-9]+)+)"')
    tables = ("/_catalogue.py", "_audit/compliance.py", "_dnssec/reasons.py")
    raised = {
        code for path, text in sources("plugins").items() if not path.endswith(tables) for code in literal.findall(text)
    }
    tests = {path: text for path, text in sources("tests").items() if "output/" not in path}
    tests[str(HERE.relative_to(HERE.parents[3]))] = HERE.read_text(encoding="utf-8").split("def sources", 1)[1]
    tested = {code for text in tests.values() for code in literal.findall(text)}
    assert {code for code in CATALOGUE if code not in raised or code not in tested} == set()


def test_every_code_is_provoked_for_real_unless_that_cannot_be() -> None:
    texts = (text for folder in ("tests/integration", "tests/zoo") for text in sources(folder).values())
    strings = (string for text in texts for string in re.findall(r'"([^"\n]*)"', text))
    real = {code for string in strings for code in re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+", string)}
    assert set(CATALOGUE) - real == set(NOT_FOR_REAL)


def test_what_is_no_finding_is_not_in_the_catalogue() -> None:
    assert not set(NO_FINDING) & set(CATALOGUE)


def record(usage: int = 3, selector: int = 1, kind: int = 1, data: bytes = WRONG) -> TlsaRecord:
    return TlsaRecord(usage, selector, kind, data)


# What is wrong with an RRset whoever is looked at.
RRSETS = {
    "tlsa-pkix-usage": (record(1), record()),
    "tlsa-all-unusable": (record(1),),
    "tlsa-bad-field": (record(data=b"short"),),
    "tlsa-empty-digest": (record(data=hashlib.sha256(b"").digest()),),
    "tlsa-cert-selector": (record(selector=0),),
    "ta-cert-selector": (record(2, 0),),
    "tlsa-full-data": (record(kind=0, data=LEAF.spki),),
    "tlsa-duplicate": (record(), record()),
    "tlsa-digest-set-inconsistent": (record(), record(data=bytes(31) + b"1"), record(kind=2, data=WRONG * 2)),
    "tlsa-too-many-records": tuple(record(data=bytes([number]) * 32) for number in range(1, 11)),
    "tlsa-rrset-too-large": tuple(record(kind=2, data=bytes([number]) * 64) for number in range(1, 25)),
}


@pytest.mark.parametrize("code", RRSETS)
def test_an_rrset_provokes(code: str) -> None:
    assert code in {entry.code for entry in lint(TlsaRrset(OWNER, RRSETS[code], 3600))}
    assert lint(TlsaRrset(OWNER, (EE, TA), 3600)) == ()


def audited(records: tuple[TlsaRecord, ...], *chain: bytes) -> set[str]:
    """The codes for a domain in order but for these records and this chain."""

    async def run() -> set[str]:
        dns = MemoryDns().add("example.nl", "MX", f"10 {HOST}.").add(HOST, "A", "192.0.2.1")
        dns.add(OWNER, "TLSA", *(one.to_text() for one in records))
        probe = Probe(Endpoint("192.0.2.1"), HOST, "tls", tls_version="TLSv1.3", chain=chain or CHAIN)
        host = HostObservation(await locate(dns, HOST), (probe,))
        observed = DomainObservation(await find_mx(dns, "example.nl"), (host,))
        return {entry.code for entry in domain_findings(judge_domain(observed, pki.NOW), pki.NOW)}

    return asyncio.run(run())


def leaf(common: str, *names: str) -> bytes:
    return make(Spec(common, "Issuer", "leaf", "issuer", ca=None, san=names, eku=(pki.SERVER_AUTH,)))


# What is wrong with records beside the chain that the server presents.
CHAINS = {
    "tlsa-no-match": ((record(),), CHAIN),
    "tlsa-wrong-object": ((record(data=hashlib.sha256(CHAIN[0]).digest()),), CHAIN),
    "tlsa-near-typo": ((record(data=EE.data[:-1] + bytes([EE.data[-1] ^ 1])),), CHAIN),
    "tlsa-ambiguous-usage": ((record(2, data=EE.data),), CHAIN),
    "ta-not-in-chain": ((compute(ROOT, 2, 1, 1),), CHAIN[:2]),
    "ta-cn-only": ((EE, TA), (leaf(HOST), *CHAIN[1:])),
    "ta-partial-wildcard": ((EE, TA), (leaf("x", "m*.example.nl"), *CHAIN[1:])),
    "ta-san-host-missing": ((EE, TA), (leaf("x", "example.nl"), *CHAIN[1:])),
}


@pytest.mark.parametrize("code", CHAINS)
def test_a_chain_provokes(code: str) -> None:
    records, chain = CHAINS[code]
    assert code in audited(records, *chain)
    assert audited((EE, TA)) == set()


@pytest.mark.parametrize("common", ["x", "other.example.nl"])
def test_names_that_nobody_accepts_are_no_case_for_some_senders(common: str) -> None:
    found = audited((EE, TA), leaf(common, "other.example.nl"), *CHAIN[1:])
    assert not found & {"ta-cn-only", "ta-partial-wildcard", "ta-san-host-missing"}


def repeated(*behaviours: Behaviour, repeats: int = 4) -> dict[str, str]:
    """Codes and severities for a host behind whose address servers of different behaviour take turns."""

    class InTurn(Responder):
        @property
        def behaviour(self) -> Behaviour:
            return behaviours[(len(self.sessions) - 1) % len(behaviours)]

        @behaviour.setter
        def behaviour(self, _behaviour: Behaviour) -> None: ...

    async def run() -> dict[str, str]:
        async with InTurn(credentials.server_context(credentials.ecdsa(HOST))) as server:
            dns = MemoryDns().add(HOST, "A", "127.0.0.1")
            dns.add(f"_{server.port}._tcp.{HOST}", "TLSA", EE.to_text(), TA.to_text())
            wanted = Settings(port=server.port, special_use=True, now=pki.NOW, repeats=repeats, pause=0)
            [verdict] = [verdict async for verdict in Audit(dns, wanted).hosts([HOST])]
            assert len(server.sessions) == repeats
            return {one["code"]: one["severity"] for one in report.host_result(verdict, pki.NOW)["findings"]}

    return asyncio.run(run())


def test_c15_one_server_of_several_without_starttls() -> None:
    found = repeated(Behaviour(), Behaviour(ehlo=b"250 mx.example.nl\r\n"))
    assert found == {"starttls-intermittent": "critical", "starttls-missing": "critical"}


def test_c15_servers_that_are_alike() -> None:
    assert repeated(Behaviour()) == {}


def test_c15_all_servers_without_starttls_are_not_intermittent() -> None:
    assert repeated(Behaviour(ehlo=b"250 mx.example.nl\r\n")) == {"starttls-missing": "critical"}


def siblings(dns: MemoryDns) -> set[str]:
    async def run() -> set[str]:
        dns.add(HOST, "A", "192.0.2.1").add(OWNER, "TLSA", EE.to_text(), TA.to_text())
        wanted = Settings(ip_versions=(6,), now=pki.NOW)
        [verdict] = [verdict async for verdict in Audit(dns, wanted).hosts([HOST])]
        return {one["code"] for one in report.host_result(verdict, pki.NOW)["findings"]}

    return asyncio.run(run())


class Wild(MemoryDns):
    """Has what ``_25._tcp`` has for all ports, or cannot deny anything there."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self._broken = broken

    async def resolve(self, name, rdtype):  # type: ignore[no-untyped-def]  # as in the base class
        if rdtype == "TLSA" and name != OWNER and name.endswith(f"._tcp.{HOST}"):
            if self._broken:
                self.fail(name, rdtype, "dnssec-bogus")
                return await super().resolve(name, rdtype)
            return await super().resolve(OWNER, rdtype)
        return await super().resolve(name, rdtype)


def test_c23_a_wildcard_below_tcp() -> None:
    assert siblings(Wild(broken=False)) == {"tlsa-wildcard", "address-not-asked"}
    assert siblings(MemoryDns()) == {"address-not-asked"}


def test_c20_a_port_whose_absence_cannot_be_proven() -> None:
    assert siblings(Wild(broken=True)) == {"dns-denial-broken", "address-not-asked"}


def test_every_code_of_the_name_servers_is_in_the_catalogue() -> None:
    assert set(zone_findings._CODES.values()) <= set(CATALOGUE)
