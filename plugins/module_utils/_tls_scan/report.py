# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scans → what ``tls_info`` returns: plain data with levels, and findings. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _findings
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, finding, known
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import CertificateError, load_der
from ansible_collections.mailsec.dane.plugins.module_utils._probe import NotProbed
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import probe_findings
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.offer import Offer, ServedCertificate
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan import guideline
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.guideline import Judgement, Level, judge
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.guideline_data import SIGNATURE_SCHEMES
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.suites import SUITES
from ansible_collections.mailsec.dane.plugins.module_utils._unexpected import AUDIT_ERROR, words

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.scan import Scan

_KEYS: t.Final[t.Mapping[str, str]] = {
    "rsa": "RSA", "ec": "EC", "dsa": "DSA", "ed25519": "Ed25519", "ed448": "Ed448",
}  # fmt: skip
_CERTIFICATE_TABLES: t.Final = ("certificate_key", "certificate_signature_hash")


@dataclasses.dataclass(frozen=True)
class Scanned:
    """One scan of one address of ``host``."""

    host: str
    scan: Scan


def report(seen: t.Sequence[Scanned | NotProbed], port: int, editions: t.Sequence[str]) -> dict[str, t.Any]:
    """Return ``endpoints`` and ``findings`` as the module documents them, judged by each of ``editions``."""
    endpoints: list[dict[str, t.Any]] = []
    findings: list[Finding] = []
    for entry in seen:
        try:
            shown, found = _entry(entry, port, editions)
        except Exception as error:  # noqa: BLE001 - costs no other server its place in the result
            shown, found = _entry(NotProbed(entry.host, AUDIT_ERROR, words(error)), port, editions)
        endpoints.append(shown)
        findings += found
    return {"endpoints": endpoints, "findings": [found.as_dict() for found in _findings.sort(findings)]}


def _entry(
    entry: Scanned | NotProbed, port: int, editions: t.Sequence[str]
) -> tuple[dict[str, t.Any], t.Sequence[Finding]]:
    if isinstance(entry, NotProbed):
        lost = {"host": entry.host, "address": None, "port": port}
        unknown = [{"edition": edition, "level": Level.UNKNOWN.value, "tables": []} for edition in editions]
        shown = {**lost, "outcome": entry.outcome, "detail": entry.detail, "levels": unknown}
        return shown, [finding(known(entry.outcome), entry.host, entry.detail)]
    offer = with_certificates(entry.scan)
    judged = [judge(offer, edition) for edition in editions]
    return _endpoint(entry, offer, judged), _about(entry.scan, offer, judged)


def _about(scan: Scan, offer: Offer, judged: t.Sequence[Judgement]) -> list[Finding]:
    probed = probe_findings(scan.probe)
    if not offer.protocols and scan.probe.outcome != "tls":
        # That nothing is known about any table follows from what went wrong before.
        return list(probed)
    if offer.protocols:
        # The handshake of this machine may fail where a server speaks to others.
        probed = tuple(found for found in probed if found.code != "tls-version-too-old")
    subject = str(scan.probe.endpoint)
    return [*probed, *(found for one in judged for found in guideline.findings(one, subject))]


def with_certificates(scan: Scan) -> Offer:
    """Return what the scan found out, certificates included; one that cannot be read is a gap."""
    served: list[ServedCertificate] = []
    gaps = dict(scan.offer.gaps)
    for der in dict.fromkeys(der for chain in scan.chains for der in chain):
        try:
            served.append(_served(der))
        except CertificateError as error:
            gaps |= dict.fromkeys(_CERTIFICATE_TABLES, printable(str(error), 200))
    return dataclasses.replace(scan.offer, certificates=tuple(served), gaps=gaps)


def _served(der: bytes) -> ServedCertificate:
    certificate = load_der(der)
    key = _KEYS.get(certificate.key_type, "other")
    curve = certificate.public_key.curve.name if key == "EC" else ""  # type: ignore[union-attr]
    hashed = certificate.signature_hash
    signed = f"SHA-{hashed[3:]}" if hashed.startswith("sha") and "3-" not in hashed else hashed.upper()
    return ServedCertificate(
        printable(certificate.subject_text, 120),
        key,
        certificate.key_bits,
        curve,
        signed or "intrinsic",
        certificate.is_self_issued and certificate.is_ca,
    )


def _endpoint(entry: Scanned, offer: Offer, judged: t.Sequence[Judgement]) -> dict[str, t.Any]:
    probe = entry.scan.probe
    return {
        "host": entry.host,
        "address": probe.endpoint.address,
        "port": probe.endpoint.port,
        "server_name": probe.server_name,
        "outcome": probe.outcome,
        "detail": probe.detail,
        "protocols": list(offer.protocols),
        "cipher_suites": {name: [SUITES[code] for code in codes] for name, codes in offer.suites.items()},
        "key_exchange_groups": {name: list(groups) for name, groups in offer.groups.items()},
        "signature_schemes": [SIGNATURE_SCHEMES.get(code, (f"0x{code:04x}",))[0] for code in offer.signature_schemes],
        "server_preference": offer.server_preference,
        "compression": offer.compression,
        "secure_renegotiation": offer.secure_renegotiation,
        "client_renegotiations": offer.renegotiations,
        "extended_master_secret": offer.extended_master_secret,
        "early_data": offer.early_data,
        "certificates": [dataclasses.asdict(served) for served in offer.certificates],
        "unknown": dict(offer.gaps),
        "levels": [_judgement(one) for one in judged],
        "connections": entry.scan.connections,
        "seconds": entry.scan.seconds,
    }


def _judgement(judgement: Judgement) -> dict[str, t.Any]:
    return {
        "edition": judgement.edition,
        "level": judgement.level.value,
        "tables": [
            {
                "name": table.name,
                "ref": table.ref,
                "level": table.level.value if table.level else None,
                "internet_nl": guideline.SUBTESTS[table.name][0],
                "unknown": table.gap,
                "seen": [
                    {
                        "name": item.name,
                        "level": item.level.value if item.level else None,
                        "where": item.where,
                        "confirmed": item.confirmed,
                        "source": item.source,
                    }
                    for item in table.items
                ],
            }
            for table in judgement.tables
        ],
    }
