# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host or mail domain makes this code stumble over, kept from the verdicts on all others.

An exception becomes ``unknown`` for the host or domain that caused it, with the finding ``audit-error``.
Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._audit import report
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import (
    DomainObservation,
    HostDns,
    HostObservation,
    MxSet,
    Policy,
    mx_set,
)
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import (
    DomainVerdict,
    HostVerdict,
    judge_domain,
    judge_host,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer, Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._unexpected import AUDIT_ERROR, words

if t.TYPE_CHECKING:
    import datetime


def host_error(host: str, port: int, error: Exception) -> HostObservation:
    """Return the observation of a host that could not be examined because of ``error``."""
    return HostObservation(HostDns(host, port, (), (_answer(host, "A", error),), Policy.UNKNOWN, AUDIT_ERROR))


def domain_error(domain: str, error: Exception) -> DomainObservation:
    """Return the observation of a mail domain that could not be examined because of ``error``."""
    return DomainObservation(mx_set(domain, _answer(domain, "MX", error)))


def _answer(name: str, rdtype: str, error: Exception) -> Answer:
    return Answer(name, rdtype, Outcome.ERROR, Security.INDETERMINATE, reason=AUDIT_ERROR, detail=words(error))


def host_verdict(observation: HostObservation, now: datetime.datetime, mx: MxSet | None = None) -> HostVerdict:
    """Judge a host as ``judge_host`` does; never raises for what was observed."""
    try:
        return judge_host(observation, now, mx)
    except Exception as error:  # noqa: BLE001 - see the first line of this file
        return judge_host(host_error(observation.host, observation.dns.port, error), now, mx)


def domain_verdict(observation: DomainObservation, now: datetime.datetime) -> DomainVerdict:
    """Judge a mail domain as ``judge_domain`` does; never raises for what was observed."""
    try:
        return judge_domain(observation, now)
    except Exception as error:  # noqa: BLE001 - see the first line of this file
        hosts = tuple(host_verdict(host, now, observation.mx).observation for host in observation.hosts)
        if hosts == observation.hosts:
            return judge_domain(domain_error(observation.domain, error), now)
        return domain_verdict(dataclasses.replace(observation, hosts=hosts), now)


def host_result(verdict: HostVerdict, now: datetime.datetime) -> dict[str, t.Any]:
    """Return the verdict as plain data as ``report.host_result`` does; never raises for what was observed."""
    try:
        return report.host_result(verdict, now)
    except Exception as error:  # noqa: BLE001 - see the first line of this file
        return report.host_result(judge_host(host_error(verdict.host, verdict.observation.dns.port, error), now), now)


def domain_result(verdict: DomainVerdict, now: datetime.datetime) -> dict[str, t.Any]:
    """Return the verdict as plain data as ``report.domain_result`` does; never raises for what was observed."""
    try:
        return report.domain_result(verdict, now)
    except Exception as error:  # noqa: BLE001 - see the first line of this file
        hosts = tuple(_shown(host, now) for host in verdict.hosts)
        if hosts == tuple(host.observation for host in verdict.hosts):
            return report.domain_result(judge_domain(domain_error(verdict.domain, error), now), now)
        seen = DomainObservation(verdict.mx, hosts, verdict.stray, verdict.zone, verdict.beside)
        return domain_result(domain_verdict(seen, now), now)


def _shown(host: HostVerdict, now: datetime.datetime) -> HostObservation:
    try:
        report.host_result(host, now)
    except Exception as error:  # noqa: BLE001 - see the first line of this file
        return host_error(host.host, host.observation.dns.port, error)
    return host.observation
