# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a mail domain announces, or is held to, beside its TLSA records: findings, never a verdict.

MTA-STS, TLSRPT, and senders that insist on DANE. Pure. Private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._audit import txt
from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts import certificate_fault
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import Policy
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import NO_MAIL_SERVER
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, Severity, finding, known
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import CertificateError
from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

if t.TYPE_CHECKING:
    import collections.abc as c
    import datetime

    from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts import Policy as StsPolicy
    from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts import StsView
    from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import DomainVerdict, EndpointVerdict
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer

#: Most senders that send reports at all send them to a few addresses only.
_MAX_REPORT_URIS: t.Final = 10
_REPORT_URI: t.Final = re.compile(r"(mailto:[^@\s]+@[^@\s]+|https://\S+)", re.IGNORECASE)


def sts_findings(domain: DomainVerdict, view: StsView, now: datetime.datetime) -> c.Iterator[Finding]:
    """Yield where the domain does not satisfy its own MTA-STS policy, or why that cannot be told."""
    subject = f"_mta-sts.{domain.domain}"
    if view.fault is not None:
        # Other codes are those of look-ups that keep mail away elsewhere, but not here.
        severity = None if view.fault[0].startswith(("sts-", "address-")) else Severity.WARNING
        yield finding(known(view.fault[0]), subject, printable(view.fault[1], 500), severity=severity)
    if view.policy is None or view.policy.mode == "none":
        return
    # Who tests asks senders to deliver all the same.
    severity = None if view.policy.mode == "enforce" else Severity.WARNING
    for host in domain.hosts:
        if not view.policy.covers(host.host):
            shown = printable(", ".join(view.policy.mx), 200)
            evidence = f"the policy (mode {view.policy.mode}) does not have this MX host of {domain.domain}"
            yield finding("sts-dane-conflict", host.host, evidence, shown, severity)
            continue
        for endpoint in host.endpoints:
            why = _sts_fault(endpoint, host.host, view, now)
            if why:
                evidence = f"the policy of {domain.domain} (mode {view.policy.mode}) is not satisfied: {why}"
                yield finding("sts-dane-conflict", str(endpoint.probe.endpoint), evidence, severity=severity)


def _sts_fault(endpoint: EndpointVerdict, host: str, view: StsView, now: datetime.datetime) -> str:
    probe = endpoint.probe
    if probe.server_name is None or probe.key_type is not None or probe.outcome in NO_MAIL_SERVER:
        return ""
    if probe.outcome != TLS:
        return f"there is no TLS ({probe.outcome})"
    if not endpoint.chain:
        return ""
    try:
        return certificate_fault(endpoint.chain, host, view.roots if probe.chain_complete else (), now)
    except CertificateError as error:
        return printable(str(error), 200)


def sts_result(view: StsView | None) -> dict[str, t.Any] | None:
    """Return what was seen of the policy as results carry it, None where it was not asked for."""
    if view is None:
        return None
    policy: StsPolicy | None = view.policy
    return {
        "id": view.id,
        "mode": policy.mode if policy else None,
        "mx": [printable(pattern) for pattern in policy.mx] if policy else [],
        "max_age": policy.max_age if policy else None,
        "fault": printable(view.fault[1], 500) if view.fault else "",
    }


def report_uris(answer: Answer) -> tuple[str, ...]:
    """Return where the domain wants TLS reports sent (RFC 8460 section 3). Raises TxtError when that is nowhere."""
    fields = txt.fields(answer.rdata, "TLSRPTv1")
    if fields is None:
        raise txt.TxtError("there is no record with v=TLSRPTv1")
    uris = [uri.strip() for uri in fields.get("rua", "").split(",")]
    good = [uri for uri in uris if _REPORT_URI.fullmatch(uri)]
    if not good:
        raise txt.TxtError("the record has no rua with a mailto: or https: address")
    return tuple(good[:_MAX_REPORT_URIS])


def tlsrpt_findings(domain: str, answer: Answer) -> list[Finding]:
    """Return the finding that the domain gets no reports of failures, or that this could not be found out."""
    if answer.is_error:
        return [finding(known(answer.reason), answer.name, f"TXT: {answer.detail}", severity=Severity.WARNING)]
    try:
        report_uris(answer)
    except txt.TxtError as error:
        expected = f"_smtp._tls.{domain} TXT v=TLSRPTv1; rua=mailto:... at another domain"
        return [finding("tlsrpt-missing", domain, str(error), expected)]
    return []


def tlsrpt_result(answer: Answer | None) -> list[str] | None:
    """Return where reports go, [] for nowhere, None where it was not asked for or could not be found out."""
    if answer is None or answer.is_error:
        return None
    try:
        return [printable(uri) for uri in report_uris(answer)]
    except txt.TxtError:
        return []


def required_findings(domain: DomainVerdict) -> c.Iterator[Finding]:
    """Yield what makes senders that insist on DANE hold the mail, or return it."""
    held = "senders that insist on DANE do not deliver"
    if domain.mx.reason or domain.mx.null:
        return
    if not domain.mx.is_secure:
        yield finding("dane-required-absent", domain.domain, f"the way to the MX hosts is not DNSSEC-secure: {held}")
        return
    for host in domain.hosts:
        policy = host.observation.dns.policy
        if policy is Policy.OPPORTUNISTIC or (policy is Policy.DANE and not host.usable):
            evidence = f"no usable TLSA record ({host.reason}): {held} mail for {domain.domain} here"
            yield finding("dane-required-absent", host.host, evidence)
