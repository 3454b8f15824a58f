# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DANE-TA records beside what is known of public CAs: whether they outlive the next renewal.

Pure; the table of CAs is an argument. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dane.matching import has_data
from ansible_collections.mailsec.dane.plugins.module_utils._dane.public_cas import PUBLIC_CAS, Role
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_TA, SPKI, TlsaRecord, compute
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, Severity, finding
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, CertificateError
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certification_path import MAX_CERTIFICATES
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

if t.TYPE_CHECKING:
    import collections.abc as c
    import datetime

    from ansible_collections.mailsec.dane.plugins.module_utils._dane.public_cas import CaTable, PublicCa

#: Issuing CAs are changed several times a year.
_OLDEST_DAYS: t.Final = 90


@dataclasses.dataclass(frozen=True)
class Served:
    """A chain (leaf first) that ``endpoint`` presents, and whether strict senders accept it, by whatever record."""

    endpoint: str
    chain: tuple[Certificate, ...]
    authenticated: bool


def ca_findings(
    owner: str,
    records: c.Iterable[TlsaRecord],
    served: c.Sequence[Served],
    now: datetime.datetime,
    table: CaTable = PUBLIC_CAS,
) -> list[Finding]:
    """Return what the table says about the DANE-TA records at ``owner`` and the chains that are served at ``now``."""
    anchors = [record for record in records if record.usage == DANE_TA and record.unusable_reason() is None]
    named = {ca: record for record in anchors if (ca := _named(record, served, table)) is not None}
    if not named:
        return []
    found = [entry for one in served for entry in _not_listed(one, anchors, named)]
    issuing = {ca for one in served if (ca := _issuing(one.chain, table)) is not None}
    found += _incomplete(owner, named, issuing, table)
    for ca, record in named.items():
        if ca.role is Role.RETIRED:
            # The chain in use is the last one of its kind.
            severity = Severity.WARNING if ca in issuing else None
            evidence = f"{record.to_text()} names {_title(ca)}, which had ended issuing by {table.date:%Y-%m-%d}"
            found.append(finding("ta-issuer-retired", owner, evidence, severity=severity))
        elif ca.role is Role.ROOT:
            found += _fragile(owner, record, ca, served)
    age = (now.date() - table.date).days
    if age > _OLDEST_DAYS:
        evidence = f"what is known of public CAs is of {table.date:%Y-%m-%d}, {age} days ago"
        found.append(finding("ca-table-old", "table of public CAs", evidence, f"at most {_OLDEST_DAYS} days"))
    return found


def stands_for_siblings(record: TlsaRecord, chain: c.Sequence[Certificate], table: CaTable = PUBLIC_CAS) -> bool:
    """Say whether ``record`` names a CA that issues, beside one that issued ``chain`` and is in the message.

    Such a record need not match this chain, and nothing is missing in the message.
    """
    ca = _named(record, (), table)
    return ca is not None and ca.role is not Role.ROOT and _issuer(chain) is not None


def _named(record: TlsaRecord, served: c.Sequence[Served], table: CaTable) -> PublicCa | None:
    """The CA whose key the record has, by its digest, or by a certificate in a message that has the data."""
    if record.selector == SPKI and record.matching_type in (0, 1):
        data = record.data if record.matching_type else hashlib.sha256(record.data).digest()
        return table.find(data.hex())
    for one in served:
        for certificate in one.chain[1:MAX_CERTIFICATES]:
            if has_data(certificate, record):
                return table.find(certificate.spki_sha256)
    return None


def _issuer(chain: c.Sequence[Certificate]) -> Certificate | None:
    """The certificate in the message that signed the leaf."""
    return next((one for one in chain[1:MAX_CERTIFICATES] if chain[0].issued_by(one)), None)


def _issuing(chain: c.Sequence[Certificate], table: CaTable) -> PublicCa | None:
    issuer = _issuer(chain)
    return table.find(issuer.spki_sha256) if issuer else None


def _not_listed(
    one: Served, anchors: c.Sequence[TlsaRecord], named: c.Mapping[PublicCa, TlsaRecord]
) -> c.Iterator[Finding]:
    issuer = _issuer(one.chain)
    listed = [ca for ca in named if ca.role is not Role.ROOT]
    above = one.chain[1:MAX_CERTIFICATES]
    if issuer is None or not listed or any(has_data(other, record) for record in anchors for other in above):
        return
    shown = ", ".join(sorted(ca.name for ca in listed))
    evidence = f"the chain was issued by {_name(issuer, 'subject_text')}, the records name {shown}"
    severity = Severity.ERROR if one.authenticated else None
    expected = compute(issuer, DANE_TA, SPKI, 1).to_text()
    yield finding("ta-issuer-not-listed", one.endpoint, evidence, expected, severity)


def _incomplete(
    owner: str, named: c.Mapping[PublicCa, TlsaRecord], issuing: c.Collection[PublicCa], table: CaTable
) -> c.Iterator[Finding]:
    """The CA picks the issuer of the next certificate, backups included, and announces nothing."""
    current = [ca for ca in named if ca.role in (Role.ACTIVE, Role.BACKUP) or ca in issuing]
    for siblings in dict.fromkeys(table.siblings(ca) for ca in current):
        absent = [ca for ca in siblings if ca not in named]
        if absent:
            kind = absent[0].organisation, absent[0].key_type
            listed = ", ".join(sorted(ca.name for ca in current if (ca.organisation, ca.key_type) == kind))
            shown = ", ".join(ca.name if ca.role is Role.ACTIVE else f"{ca.name} ({ca.role.value})" for ca in absent)
            evidence = f"{listed} of {kind[0]} without {shown}"
            expected = "; ".join(f"2 1 1 {ca.spki_sha256}" for ca in absent)
            yield finding("ta-set-incomplete", owner, evidence, expected)


def _fragile(owner: str, record: TlsaRecord, root: PublicCa, served: c.Sequence[Served]) -> c.Iterator[Finding]:
    for one in served:
        here = [other for other in one.chain[1:MAX_CERTIFICATES] if other.spki_sha256 == root.spki_sha256]
        if here and not any(other.is_self_issued for other in here) and has_data(here[0], record):
            by = _name(here[0], "issuer_text")
            evidence = f"{root.name} is in the message of {one.endpoint} only as signed by {by}"
            yield finding("ta-root-fragile", owner, evidence)


def _title(ca: PublicCa) -> str:
    return f"{ca.name} of {ca.organisation}"


def _name(certificate: Certificate, which: str) -> str:
    try:
        return printable(getattr(certificate, which), 200)
    except CertificateError:
        return "a CA with an unreadable name"
