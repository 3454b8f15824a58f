# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes → what ``starttls_info`` returns: plain data, and findings with remedies. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import functools
import ssl
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _findings
from ansible_collections.mailsec.dane.plugins.module_utils._audit.ca_findings import Served, ca_findings
from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import Code
from ansible_collections.mailsec.dane.plugins.module_utils._dane.matching import (
    MatchResult,
    Profile,
    Session,
    diagnose,
    match,
    refusals,
    session_of,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_TA, TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, Severity, finding, known
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import (
    Certificate,
    CertificateError,
    load_der,
)
from ansible_collections.mailsec.dane.plugins.module_utils._probe import NotProbed
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import (
    mismatch_code,
    probe_findings,
    refuses_variant,
)
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.injection import Injection
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable
from ansible_collections.mailsec.dane.plugins.module_utils._unexpected import AUDIT_ERROR, words

if t.TYPE_CHECKING:
    import datetime

    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe, Seen

_INJECTIONS: t.Final[t.Mapping[Injection, Code]] = {
    Injection.VULNERABLE: "starttls-command-injection",
    Injection.INCONCLUSIVE: "starttls-injection-inconclusive",
}


def report(
    seen: t.Sequence[Seen | NotProbed],
    port: int,
    records: tuple[TlsaRecord, ...],
    reference_name: str | None,
    now: datetime.datetime,
    injections: t.Mapping[Endpoint, tuple[Injection, str]],
) -> dict[str, list[dict[str, t.Any]]]:
    """Return ``endpoints`` and ``findings`` as the module documents them.

    Chains are compared with ``records`` when there are any; ``reference_name`` (None: the host) is the name that
    DANE-TA wants in the certificate. ``now`` is aware. ``injections`` has the endpoints where that was tried.
    """
    endpoints: list[dict[str, t.Any]] = []
    findings: list[Finding] = []
    compared: list[_Compared] = []
    reporter = _Reporter(tuple(seen), port, records, reference_name, now, injections)
    for entry in seen:
        try:
            shown, found, comparison = reporter.entry(entry)
        except Exception as error:  # noqa: BLE001 - costs no other server its place in the result
            shown, found, comparison = reporter.entry(NotProbed(entry.host, AUDIT_ERROR, words(error)))
        endpoints.append(shown)
        findings += found
        compared += [comparison] if comparison else []
    fitting = [one.probe for one in compared if one.authenticated]
    for one in compared:
        findings += one.findings([other.probe for other in compared], fitting)
    return {"endpoints": endpoints, "findings": [found.as_dict() for found in _findings.sort(findings)]}


@dataclasses.dataclass(frozen=True)
class _Reporter:
    """What all entries of one result are told by; the fields are the arguments of :func:`report`."""

    seen: tuple[Seen | NotProbed, ...]
    port: int
    records: tuple[TlsaRecord, ...]
    reference_name: str | None
    now: datetime.datetime
    injections: t.Mapping[Endpoint, tuple[Injection, str]]

    @functools.cached_property
    def _probes(self) -> tuple[Probe, ...]:
        return tuple(entry.probe for entry in self.seen if not isinstance(entry, NotProbed))

    @functools.cached_property
    def _reached(self) -> frozenset[Endpoint]:
        return frozenset(probe.endpoint for probe in self._probes if probe.chain)

    @functools.cached_property
    def _usable(self) -> bool:
        return any(record.unusable_reason() is None for record in self.records)

    def entry(self, entry: Seen | NotProbed) -> tuple[dict[str, t.Any], list[Finding], _Compared | None]:
        """One endpoint as the result has it, what there is to say about it, and its chain beside the records."""
        if isinstance(entry, NotProbed):
            lost = {"host": entry.host, "address": None, "port": self.port}
            found = [finding(known(entry.outcome), entry.host, entry.detail)]
            return {**lost, "outcome": entry.outcome, "detail": entry.detail}, found, None
        found = []
        probe = entry.probe
        shown = _endpoint(entry.host, probe)
        tried = self.injections.get(probe.endpoint)
        shown["injection"] = tried[0].value if tried else None
        if tried and tried[0] in _INJECTIONS:
            found.append(finding(_INJECTIONS[tried[0]], str(probe.endpoint), tried[1]))
        if not refuses_variant(probe, self._reached):
            found += probe_findings(probe, self._usable)
        elif probe.key_type is None:
            evidence = f"without server name there is no TLS: {probe.detail}"
            found.append(finding("sni-divergence", str(probe.endpoint), evidence, severity=Severity.WARNING))
        comparison = None
        if self.records and probe.outcome == "tls":
            session = session_of(probe, self._probes)
            comparison = _Compared(probe, self.records, self.reference_name or entry.host, self.now, session)
            shown["tlsa"] = comparison.as_dict()
        return shown, found, comparison


def _endpoint(host: str, probe: Probe) -> dict[str, t.Any]:
    return {
        "host": host,
        "address": probe.endpoint.address,
        "port": probe.endpoint.port,
        "server_name": probe.server_name,
        "key_type": probe.key_type or "any",
        "outcome": probe.outcome,
        "detail": probe.detail,
        "banner": probe.banner,
        "ehlo_host": probe.ehlo_host,
        "ehlo": list(probe.ehlo),
        "ehlo_tls": list(probe.ehlo_tls),
        "tls_version": probe.tls_version,
        "cipher": probe.cipher,
        "key_exchange_group": probe.group,
        "oddities": list(probe.oddities),
        "seconds": probe.seconds,
        "chain": [_certificate(der) for der in probe.chain],
        "chain_pem": "".join(ssl.DER_cert_to_PEM_cert(der) for der in probe.chain),
        "chain_complete": probe.chain_complete if probe.chain else None,
    }


def _certificate(der: bytes) -> dict[str, t.Any]:
    pem = ssl.DER_cert_to_PEM_cert(der)
    try:
        certificate = load_der(der)
        return {
            "subject": printable(certificate.subject_text),
            "issuer": printable(certificate.issuer_text),
            "dns_names": [printable(name) for name in certificate.dns_names],
            "not_before": f"{certificate.not_before:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
            "is_ca": certificate.is_ca,
            "key_type": certificate.key_type,
            "key_bits": certificate.key_bits,
            "fingerprint_sha256": certificate.fingerprint_sha256,
            "spki_sha256": certificate.spki_sha256,
            "pem": pem,
        }
    except CertificateError as error:
        return {"error": printable(str(error)), "pem": pem}


class _Compared:
    """The chain of one probe beside the TLSA records, as the strictest sender sees them at ``now``."""

    def __init__(
        self, probe: Probe, records: tuple[TlsaRecord, ...], name: str, now: datetime.datetime, session: Session
    ) -> None:
        self.probe = probe
        self._chain: list[Certificate] = []
        self._result: MatchResult | None = None
        self._records, self._now = records, now
        self.authenticated: bool | None = None
        self.reason = "chain-unreadable"
        try:
            self._chain = [load_der(der) for der in probe.chain]
        except CertificateError:
            # What is wrong with which certificate stands in the description of the chain.
            return
        results = {one: match(records, self._chain, [name], now, one, session) for one in Profile}
        self._result = next(iter((refusals(results) or {Profile.RFC: results[Profile.POSTFIX]}).values()))
        incomplete = not probe.chain_complete and any(record.usage == DANE_TA for record in records)
        if incomplete and not self._result.authenticated:
            self.reason = "chain-incomplete"
        else:
            self.authenticated, self.reason = self._result.authenticated, self._result.reason

    def as_dict(self) -> dict[str, t.Any]:
        result = self._result
        return {
            "authenticated": self.authenticated,
            "reason": self.reason,
            "strict": result.strict if result and self.authenticated is not None else None,
            "records": [
                {
                    "text": entry.record.to_text(),
                    "usable": entry.usable,
                    "matched": entry.matched,
                    "reason": entry.reason,
                    "detail": printable(entry.detail, 500),
                }
                for entry in (result.records if result else ())
            ],
        }

    def findings(self, probes: t.Sequence[Probe], fitting: t.Sequence[Probe]) -> list[Finding]:
        """What follows from a mismatch, beside all ``probes`` and those whose chains satisfy the records."""
        if self._result is None or self.authenticated is not False:
            return []
        probe = self.probe
        code = mismatch_code(probe, self.reason, probes, fitting)
        if not code:
            return []
        asked = f"server name {probe.server_name or 'none'}, key type {probe.key_type or 'any'}"
        evidence = f"the chain presented ({asked}) does not satisfy the records: {self.reason}"
        missed = [entry.record for entry in self._result.records if entry.usable and not entry.matched]
        found = [finding(known(code), str(probe.endpoint), evidence)]
        found += [explained for record in missed if (explained := diagnose(record, self._chain))]
        served = Served(str(probe.endpoint), tuple(self._chain), authenticated=False)
        of_cas = ca_findings("the records", self._records, [served], self._now)
        not_listed = [entry for entry in of_cas if entry.code == "ta-issuer-not-listed"]
        # Where the issuer is another one, to send that of the records would not help.
        return [entry for entry in found if not not_listed or entry.code != "ta-not-in-chain"] + not_listed
