# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts as plain results for machines, and as text for a person: verdict, reason, remedy.

Pure. Private to the collection.
"""

from __future__ import annotations

import collections
import textwrap
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._audit.compliance import INTERNET_NL, TLSRPT
from ansible_collections.mailsec.dane.plugins.module_utils._audit.policy_findings import sts_result, tlsrpt_result
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import DomainState, HostState
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict_findings import domain_findings, host_findings
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Severity
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import CertificateError
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

if t.TYPE_CHECKING:
    import datetime

    from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import (
        DomainVerdict,
        EndpointVerdict,
        HostVerdict,
    )
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import ServerView, ZoneView
    from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding

#: What a verdict means for mail, in one sentence each.
DOMAIN_SENTENCE: t.Final[t.Mapping[DomainState, str]] = {
    DomainState.PROTECTED: "every DANE sender delivers over an authenticated connection, to every MX host",
    DomainState.PARTIAL: "some MX hosts are protected, others can be attacked: the whole domain is as weak as those",
    DomainState.UNPROTECTED: "an attacker on the path can read or divert mail: DANE does not apply",
    DomainState.DEGRADED: "DANE senders avoid some MX hosts or addresses; others still take mail",
    DomainState.FAILING: "no mail gets through from DANE senders: it waits in their queues and comes back",
    DomainState.NO_MAIL: "the domain says that it takes no mail (null MX)",
    DomainState.UNKNOWN: "could not find out from here: this says nothing about the domain",
}
HOST_SENTENCE: t.Final[t.Mapping[HostState, str]] = {
    HostState.AUTHENTICATED: "every strict sender delivers with DANE",
    HostState.ENCRYPT_ONLY: "senders insist on TLS but authenticate nobody",
    HostState.OPPORTUNISTIC: "DANE does not apply, cleartext is possible",
    HostState.REFUSED: "DANE senders do not deliver to this host",
    HostState.LOOKUP_ERROR: "senders skip this host because its DNS fails",
    HostState.UNREACHABLE: "the host does not take mail",
    HostState.UNKNOWN: "could not find out from here",
}
#: Words for the statuses 0 to 3, as ``summary`` counts them.
STATUS_WORDS: t.Final = ("fine", "unprotected", "refused", "unknown")
#: One finding may hold for thousands of domains, and a terminal has few lines.
_SUBJECTS: t.Final = 10
_ROWS: t.Final = 400
_WIDTH: t.Final = 110


def _endpoint(endpoint: EndpointVerdict) -> dict[str, t.Any]:
    probe = endpoint.probe
    return {
        "address": probe.endpoint.address,
        "port": probe.endpoint.port,
        "server_name": probe.server_name,
        "key_type": probe.key_type or "any",
        "verdict": endpoint.state.value,
        "reason": endpoint.reason,
        "profiles": _profiles(endpoint.profiles),
        "matched": list(endpoint.matched),
        "strict": endpoint.strict,
        "outcome": probe.outcome,
        "detail": probe.detail,
        "banner": probe.banner,
        "ehlo_host": probe.ehlo_host,
        "ehlo": list(probe.ehlo),
        "oddities": list(probe.oddities),
        "tls_version": probe.tls_version,
        "cipher": probe.cipher,
        "certificate": _leaf(endpoint),
        "chain_length": len(probe.chain),
    }


def _leaf(endpoint: EndpointVerdict) -> dict[str, t.Any] | None:
    if not endpoint.chain:
        return None
    leaf = endpoint.chain[0]
    try:
        return {
            "subject": printable(leaf.subject_text),
            "issuer": printable(leaf.issuer_text),
            "dns_names": [printable(name) for name in leaf.dns_names],
            "not_after": f"{leaf.not_after:%Y-%m-%dT%H:%M:%SZ}",
            "fingerprint_sha256": leaf.fingerprint_sha256,
            "spki_sha256": leaf.spki_sha256,
        }
    except CertificateError as error:
        return {"error": printable(str(error))}


def _profiles(profiles: t.Mapping[str, tuple[HostState, str]]) -> dict[str, dict[str, str]]:
    return {name: {"verdict": state.value, "reason": reason} for name, (state, reason) in profiles.items()}


def _finding(entry: Finding) -> dict[str, t.Any]:
    return {
        **entry.as_dict(),
        "internet_nl": list(INTERNET_NL.get(entry.code, ())),
        "tlsrpt": TLSRPT.get(entry.code),
    }


def _zone(look: ZoneView | None) -> dict[str, t.Any] | None:
    if look is None:
        return None
    return {
        "owner": look.owner,
        "type": look.rdtype,
        "zone": look.zone,
        "fault": look.fault,
        "name_servers": sorted(look.delegation.child),
        "parent_name_servers": sorted(look.delegation.parent),
        "notes": sorted(look.delegation.notes),
        "unseen": [{"server": name, "why": why} for name, why in look.unseen],
        "servers": [_server(view) for view in look.views],
    }


def _server(view: ServerView) -> dict[str, t.Any]:
    said = view.udp if view.udp.is_answer else view.tcp
    ends = [signature.expiration for signature in said.signatures]
    return {
        "name": view.server.name,
        "address": view.server.address,
        "port": view.server.port,
        "udp": view.udp.status.value,
        "tcp": view.tcp.status.value,
        "detail": view.udp.detail or view.tcp.detail,
        "records": list(said.records),
        "ttl": said.ttl,
        "serial": view.serial,
        "signed_until": f"{max(ends):%Y-%m-%dT%H:%M:%SZ}" if ends else None,
    }


def host_result(host: HostVerdict, now: datetime.datetime) -> dict[str, t.Any]:
    """Return a host verdict as plain data (the RETURN of ``dane_info`` documents it)."""
    dns = host.observation.dns
    return {
        "host": printable(host.host),
        "given": None,
        "verdict": host.state.value,
        "status": host.state.status,
        "reason": host.reason,
        "meaning": HOST_SENTENCE[host.state],
        "tlsrpt": TLSRPT.get(host.reason),
        "managed": host.observation.managed,
        "base_domain": dns.base_domain,
        "owner": dns.tlsa.name if dns.tlsa else None,
        "records": [record.to_text() for record in host.records],
        "ttl": dns.tlsa.ttl if dns.tlsa else None,
        "addresses": list(dns.addresses),
        "consistent": host.consistent,
        "strict": host.strict,
        "profiles": _profiles(host.profiles),
        "endpoints": [_endpoint(endpoint) for endpoint in host.endpoints],
        "not_probed": [{"address": address, "reason": code} for address, code in host.observation.not_probed],
        "authorities": _zone(host.observation.zone),
        "findings": [_finding(entry) for entry in host_findings(host, now)],
    }


def domain_result(domain: DomainVerdict, now: datetime.datetime) -> dict[str, t.Any]:
    """Return a domain verdict as plain data (the RETURN of ``dane_info`` documents it)."""
    return {
        "domain": domain.domain,
        "verdict": domain.state.value,
        "status": domain.state.status,
        "reason": domain.reason,
        "meaning": DOMAIN_SENTENCE[domain.state],
        "weakest_host": printable(domain.weakest) if domain.weakest else None,
        "mx_secure": domain.mx.is_secure,
        "implicit_mx": domain.mx.implicit,
        "authorities": _zone(domain.zone),
        "mta_sts": sts_result(domain.beside.sts),
        "tls_reports": tlsrpt_result(domain.beside.tlsrpt),
        "hosts": [
            {**host_result(host, now), "preference": entry.preference}
            for host, entry in zip(domain.hosts, domain.mx.hosts, strict=False)
        ],
        "findings": [_finding(entry) for entry in domain_findings(domain, now)],
    }


Result = t.Mapping[str, t.Any]


def summary(results: t.Sequence[Result]) -> dict[str, int]:
    """Count results of domains and hosts by status, and all of them as ``total``."""
    counted = collections.Counter(result["status"] for result in results)
    return {**{word: counted[status] for status, word in enumerate(STATUS_WORDS)}, "total": len(results)}


def worst_status(results: t.Sequence[Result]) -> int:
    """Mail that is refused (2) is worse than what could not be found out (3), which is worse than 1 and 0."""
    found = {result["status"] for result in results}
    return next((status for status in (2, 3, 1) if status in found), 0)


def invalid_lines(invalid: t.Sequence[Result]) -> list[str]:
    """Return lines about entries of the options that are not names, and so were not audited."""
    if not invalid:
        return []
    lines = ["", "ERROR: these entries were not audited:"]
    for entry in invalid[:_ROWS]:
        lines += _wrapped(f"  {entry['option']}: ", entry["error"])
    return lines


def notes(hosts: t.Sequence[Result]) -> list[str]:
    """Say what the results of all MX hosts together tell about the place from where they were seen."""
    outcomes = [endpoint["outcome"] for host in hosts for endpoint in host["endpoints"]]
    if outcomes and set(outcomes) == {"connect-failed"}:
        return ["No mail server at all could be reached: the network of this machine may block the way to their port."]
    return []


def text(domains: t.Sequence[Result], hosts: t.Sequence[Result]) -> list[str]:
    """Return the report on results as lines for a terminal: the verdicts as a table, worst first, then what to do."""
    rows: list[tuple[str, str, str, str]] = []
    domains = sorted(domains, key=lambda one: (DomainState(one["verdict"]).rank, one["domain"]))
    hosts = sorted(hosts, key=lambda one: (HostState(one["verdict"]).rank, one["host"]))
    for domain in domains:
        weakest = f"weakest: {domain['weakest_host']}" if domain["weakest_host"] and len(domain["hosts"]) > 1 else ""
        rows.append((_written(domain, "domain"), domain["verdict"].upper(), domain["reason"], weakest))
        rows += [_row(host, "  ") for host in domain["hosts"]]
    rows += [_row(host, "") for host in hosts]
    findings = [entry for one in (*domains, *hosts) for entry in one["findings"]]
    meanings = [f"{one['verdict'].upper()}: {one['meaning']}." for one in domains]
    meanings += [f"{one['verdict']}: {one['meaning']}." for one in hosts]
    return [
        *_table(("MAIL DOMAIN, MX HOST", "VERDICT", "REASON", "TLSA"), rows),
        "",
        *dict.fromkeys(meanings),
        *_remedies(findings),
        "",
        _last_line(summary([*domains, *hosts])),
    ]


def _table(heading: tuple[str, str, str, str], rows: t.Sequence[tuple[str, str, str, str]]) -> list[str]:
    shown = [heading, *rows[:_ROWS]]
    widths = [max(len(row[column]) for row in shown) for column in range(3)]
    lines = ["  ".join([*(row[column].ljust(widths[column]) for column in range(3)), row[3]]).rstrip() for row in shown]
    if len(rows) > _ROWS:
        lines.append(f"... and {len(rows) - _ROWS} more lines, none of them worse")
    return lines


def _row(host: Result, indent: str) -> tuple[str, str, str, str]:
    kinds = ", ".join(" ".join(record.split()[:3]) for record in host["records"]) or "none"
    foreign = " (not managed)" if host["managed"] is False else ""
    return f"{indent}{_written(host, 'host')}{foreign}", host["verdict"], host["reason"], kinds


def _written(result: Result, field: str) -> str:
    """The name, and in brackets what the user wrote, where that is an internationalised name."""
    name, given = result[field], result.get("given") or ""
    return name if given.isascii() else f"{name} ({given})"


def _remedies(findings: t.Sequence[Result]) -> list[str]:
    """Each code once, worst first: what was seen where, and what to do."""
    grouped: dict[tuple[int, str], dict[str, Result]] = {}
    for entry in findings:
        expected = f"; expected: {entry['expected']}" if entry["expected"] else ""
        seen = f"{entry['subject']}: {entry['evidence']}{expected}"
        grouped.setdefault((Severity(entry["severity"]).rank, entry["code"]), {})[seen] = entry
    lines: list[str] = []
    for (_rank, code), entries in sorted(grouped.items()):
        any_entry = next(iter(entries.values()))
        lines += ["", f"{any_entry['severity'].upper()} {code} ({any_entry['rule']})"]
        for seen in list(entries)[:_SUBJECTS]:
            lines += _wrapped("  seen: ", seen)
        if len(entries) > _SUBJECTS:
            lines.append(f"  seen: {len(entries) - _SUBJECTS} more times")
        lines += _wrapped("  do:   ", any_entry["remedy"])
    return lines


def _wrapped(label: str, words: str) -> list[str]:
    indent = " " * len(label)
    return textwrap.wrap(
        words, _WIDTH, initial_indent=label, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _last_line(counted: t.Mapping[str, int]) -> str:
    said = [f"{counted[word]} {word}" for word in ("refused", "unknown", "unprotected", "fine") if counted[word]]
    return f"{counted['total']} audited: {', '.join(said)}." if said else "Nothing was audited."
