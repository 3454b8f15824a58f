# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DANE-TA records of a CA that behaves like the public ones, with certificates and a table that knows it."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import re

import pytest
from cryptography.hazmat.primitives import serialization
from oracle import pki
from oracle.pki import Spec, make
from support.memory_dns import MemoryDns

from ansible_collections.mailsec.dane.plugins.module_utils._audit.discovery import locate
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import HostObservation
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import judge_host
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict_findings import host_findings
from ansible_collections.mailsec.dane.plugins.module_utils._dane.public_cas import PUBLIC_CAS, CaTable, PublicCa, Role
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe

HOST = "mx.example.nl"
OWNER = f"_25._tcp.{HOST}"


def digest(name: str) -> str:
    spki = (
        pki.key(name)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return hashlib.sha256(spki).hexdigest()


def ca(name: str, role: Role) -> PublicCa:
    return PublicCa("Our CA", name, role, "ec", digest(name))


TABLE = CaTable(
    pki.NOW.date() - datetime.timedelta(days=90),
    (
        ca("One", Role.ACTIVE),
        ca("Two", Role.ACTIVE),
        ca("Spare", Role.BACKUP),
        ca("Old", Role.RETIRED),
        ca("New Root", Role.ROOT),
        PublicCa("Our CA", "For RSA", Role.ACTIVE, "rsa", "ab" * 32),
    ),
)


def chain(issuer: str, root_as: str = "Old Root", sent: int = 4) -> tuple[bytes, ...]:
    """Leaf, issuer, the new root as signed by ``root_as``, and that one."""
    leaf = make(Spec(HOST, issuer, "leaf", issuer, ca=None, san=(HOST,), eku=(pki.SERVER_AUTH,)))
    above = make(Spec(issuer, "New Root", issuer, "New Root"))
    root = make(Spec("New Root", root_as, "New Root", root_as))
    return (leaf, above, root, make(Spec("Old Root", "Old Root", "Old Root", "Old Root")))[:sent]


def ta(name: str) -> TlsaRecord:
    return TlsaRecord(2, 1, 1, bytes.fromhex(digest(name)))


EE = compute(load_der(chain("One")[0]), 3, 1, 1)
SET = (ta("One"), ta("Two"), ta("Spare"))


def found(
    *records: TlsaRecord, served: tuple[bytes, ...] = chain("One"), table: CaTable = TABLE
) -> dict[str, tuple[str, str, str]]:
    """Code -> severity, evidence and what was expected."""

    async def run() -> dict[str, tuple[str, str, str]]:
        dns = MemoryDns().add(HOST, "A", "192.0.2.1").add(OWNER, "TLSA", *(one.to_text() for one in records))
        probe = Probe(Endpoint("192.0.2.1"), HOST, "tls", tls_version="TLSv1.3", chain=served)
        verdict = judge_host(HostObservation(await locate(dns, HOST), (probe,)), pki.NOW)
        seen = host_findings(verdict, pki.NOW, table)
        return {entry.code: (entry.severity.value, entry.evidence, entry.expected) for entry in seen}

    return asyncio.run(run())


def test_c6_all_siblings_are_in_order_whichever_of_them_issued() -> None:
    for issuer in ("One", "Two", "Spare"):
        assert found(*SET, served=chain(issuer)) == {}
        assert found(EE, *SET, served=chain(issuer)) == {}


def test_c6_the_live_issuer_is_not_listed() -> None:
    seen = found(ta("One"), ta("Spare"), served=chain("Two"))
    assert set(seen) == {"ta-issuer-not-listed", "ta-set-incomplete"}
    assert seen["ta-issuer-not-listed"] == (
        "critical",
        "the chain was issued by CN=Two, the records name One, Spare",
        ta("Two").to_text(),
    )


def test_c6_the_live_issuer_is_not_listed_but_the_key_of_the_server_is() -> None:
    seen = found(EE, ta("One"), served=chain("Two"))
    assert set(seen) == {"ta-issuer-not-listed", "ta-set-incomplete", "strict-violation"}
    assert seen["ta-issuer-not-listed"][0] == "error"


def test_c6_an_issuer_that_the_table_does_not_know_yet() -> None:
    seen = found(*SET, served=chain("Newer"))
    assert set(seen) == {"ta-issuer-not-listed"}
    assert "CN=Newer" in seen["ta-issuer-not-listed"][1]


def test_c7_an_issuer_that_is_not_sent_is_not_one_that_is_not_listed() -> None:
    assert set(found(*SET, served=chain("One", sent=1))) == {"ta-not-in-chain"}


def test_c6_backups_and_the_other_active_ones_are_missing() -> None:
    seen = found(EE, ta("One"))
    assert set(seen) == {"ta-set-incomplete"}
    expected = f"{ta('Two').to_text()}; {ta('Spare').to_text()}"
    assert seen["ta-set-incomplete"] == ("warning", "One of Our CA without Two, Spare (backup)", expected)


def test_c6_a_retired_ca_beside_the_present_ones() -> None:
    seen = found(*SET, ta("Old"))
    assert set(seen) == {"ta-issuer-retired"}
    assert seen["ta-issuer-retired"][0] == "info"
    assert "Old of Our CA" in seen["ta-issuer-retired"][1]


def test_c6_the_last_chain_of_a_retired_ca() -> None:
    seen = found(ta("Old"), served=chain("Old"))
    assert set(seen) == {"ta-issuer-retired", "ta-set-incomplete", "next-missing"}
    assert seen["ta-issuer-retired"][0] == "warning"


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching_type", [1, 2])
def test_a_root_that_is_there_as_a_cross_sign_only(selector: int, matching_type: int) -> None:
    root = compute(load_der(chain("One")[2]), 2, selector, matching_type)
    seen = found(EE, root)
    # With one digest the table knows the key; with the others the certificate in the message tells.
    assert set(seen) - {"ta-cert-selector"} == {"ta-root-fragile"}
    assert seen["ta-root-fragile"][1] == "New Root is in the message of 192.0.2.1:25 only as signed by CN=Old Root"


def test_a_root_that_is_sent_as_such_is_not_fragile() -> None:
    served = (*chain("One")[:2], make(Spec("New Root", "New Root", "New Root", "New Root")))
    assert found(EE, ta("New Root"), served=served) == {}


def test_a_ca_that_the_table_does_not_know_is_none_of_its_business() -> None:
    assert found(EE, ta("Private"), served=chain("Private"), table=TABLE) == {}
    older = CaTable(TABLE.date - datetime.timedelta(days=400), TABLE.cas)
    assert found(EE, ta("Private"), served=chain("Private"), table=older) == {}


def test_a_table_that_has_aged_says_so() -> None:
    older = CaTable(TABLE.date - datetime.timedelta(days=1), TABLE.cas)
    seen = found(*SET, table=older)
    assert set(seen) == {"ca-table-old"}
    assert seen["ca-table-old"][0] == "info" and "91 days ago" in seen["ca-table-old"][1]


def test_the_table_that_is_shipped() -> None:
    digests = [one.spki_sha256 for one in PUBLIC_CAS.cas]
    assert len(set(digests)) == len(digests) and all(re.fullmatch(r"[0-9a-f]{64}", one) for one in digests)
    assert {one.key_type for one in PUBLIC_CAS.cas} == {"ec", "rsa"}
    assert PUBLIC_CAS.date <= pki.NOW.date()
    for one in PUBLIC_CAS.cas:
        if one.role is not Role.ROOT:
            roles = [sibling.role for sibling in PUBLIC_CAS.siblings(one)]
            assert roles == [Role.ACTIVE, Role.ACTIVE, Role.BACKUP]
