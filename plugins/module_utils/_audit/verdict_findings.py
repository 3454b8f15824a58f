# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdict → findings: every cause that can be seen, with its evidence and remedy. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import fnmatch
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _findings
from ansible_collections.mailsec.dane.plugins.module_utils._audit.ca_findings import (
    Served,
    ca_findings,
    stands_for_siblings,
)
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import MAX_ADDRESSES, MAX_HOSTS, Policy
from ansible_collections.mailsec.dane.plugins.module_utils._audit.policy_findings import (
    required_findings,
    sts_findings,
    tlsrpt_findings,
)
from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import HostState
from ansible_collections.mailsec.dane.plugins.module_utils._audit.zone_findings import zone_findings
from ansible_collections.mailsec.dane.plugins.module_utils._dane.matching import diagnose
from ansible_collections.mailsec.dane.plugins.module_utils._dane.public_cas import PUBLIC_CAS
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_TA, TlsaRrset, lint, owner_name
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, Severity, finding, known
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import CertificateError
from ansible_collections.mailsec.dane.plugins.module_utils._pki.names import is_partial_wildcard, name_matches
from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import (
    OWN_VIEW,
    PARTLY_SEEN,
    mismatch_code,
    probe_findings,
    refuses_variant,
)
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

if t.TYPE_CHECKING:
    import datetime

    from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import HostDns
    from ansible_collections.mailsec.dane.plugins.module_utils._audit.verdict import (
        DomainVerdict,
        EndpointVerdict,
        HostVerdict,
    )
    from ansible_collections.mailsec.dane.plugins.module_utils._dane.matching import RecordMatch
    from ansible_collections.mailsec.dane.plugins.module_utils._dane.public_cas import CaTable
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer
    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Probe

_EXPIRY_WARNING_DAYS: t.Final = 21


def host_findings(host: HostVerdict, now: datetime.datetime, table: CaTable = PUBLIC_CAS) -> tuple[Finding, ...]:
    """Return what there is to say about one MX host, worst first; ``table`` is what is known of public CAs."""
    observation = host.observation
    found = _dns_findings(observation.dns)
    found += _difference_findings((*observation.dns.address_answers, *(a for _c, a in observation.dns.tlsa_answers)))
    found += _rrset_findings(host)
    of_cas = _ca_findings(host, now, table)
    explained = {entry.subject for entry in of_cas if entry.code == "ta-issuer-not-listed"}
    found += of_cas
    found += _sibling_findings(host)
    if observation.zone:
        dns = observation.dns
        here = dns.canonical_name == dns.host and dns.reason in ("address-insecure", "tlsa-insecure")
        found += zone_findings(observation.zone, now, here)
    found += [
        finding(known(code), f"{host.host} [{address}]", "not probed") for address, code in host.observation.not_probed
    ]
    obliged = host.usable and host.observation.dns.policy is Policy.DANE
    found += _variant_findings(host)
    for endpoint in host.endpoints:
        found += probe_findings(endpoint.probe, obliged)
        mismatch = _mismatch_findings(endpoint, host.endpoints)
        # There is another way out than to send the CA that the records name.
        found += [entry for entry in mismatch if entry.code != "ta-not-in-chain" or entry.subject not in explained]
        found += _record_findings(host, endpoint, table)
        found += _certificate_findings(host, endpoint, now)
    found += _divergence_findings(host)
    return _findings.sort(found)


def domain_findings(domain: DomainVerdict, now: datetime.datetime, table: CaTable = PUBLIC_CAS) -> tuple[Finding, ...]:
    """Return what there is to say about a mail domain and all of its hosts, worst first; for ``table`` see above."""
    mx, name = domain.mx, domain.domain
    found: list[Finding] = []
    if mx.reason and not mx.null:
        found.append(
            finding(known(mx.reason), name, mx.answer.detail or "the DNS says that this domain does not exist")
        )
    elif not mx.null and not mx.is_secure:
        found.append(_insecure_mx(domain))
    if mx.null_beside:
        found.append(finding("mx-null-beside-others", name, f"a null MX beside {mx.hosts[0].name}"))
    if mx.left_out:
        found.append(finding("mx-too-many", name, f"{mx.left_out} MX hosts were left out", f"at most {MAX_HOSTS}"))
    found += _difference_findings((mx.answer,))
    found += _coverage_findings(domain)
    if domain.zone:
        insecure = mx.answer.security is Security.INSECURE and not mx.answer.aliases
        found += zone_findings(domain.zone, now, insecure)
    found += _beside_findings(domain, now)
    for host in domain.hosts:
        found += host_findings(host, now, table)
    return _findings.sort(found)


def _beside_findings(domain: DomainVerdict, now: datetime.datetime) -> list[Finding]:
    beside = domain.beside
    found = [*sts_findings(domain, beside.sts, now)] if beside.sts else []
    found += tlsrpt_findings(domain.domain, beside.tlsrpt) if beside.tlsrpt else ()
    found += required_findings(domain) if beside.dane_required else ()
    return found


def _insecure_mx(domain: DomainVerdict) -> Finding:
    aliases = domain.mx.answer.aliases
    broken = next((alias for alias in aliases if alias.security is not Security.SECURE), None)
    if broken is not None:
        return finding("alias-insecure", domain.domain, f"{broken.owner} is an alias of {broken.target} without DNSSEC")
    what = "the absence of MX records" if domain.mx.implicit else "the MX RRset"
    return finding("mx-insecure", domain.domain, f"{what} is not DNSSEC-secure")


def _coverage_findings(domain: DomainVerdict) -> list[Finding]:
    covered = [host for host in domain.hosts if host.records]
    found = [
        finding("tlsa-missing-for-mx", host.host, f"{covered[0].host}, also of {domain.domain}, has TLSA records")
        for host in domain.hosts
        if covered and host.reason == "tlsa-absent"
    ]
    if domain.stray is not None:
        bare = next(host.host for host in domain.hosts if host.reason == "tlsa-absent")
        right = owner_name(bare, domain.hosts[0].observation.dns.port)
        found.append(finding("tlsa-wrong-owner", domain.stray.name, f"records stand here, {bare} has none", right))
    keys: dict[bytes, set[str]] = {}
    for host in domain.hosts:
        for endpoint in host.endpoints:
            if endpoint.chain:
                keys.setdefault(endpoint.chain[0].spki, set()).add(host.host)
    for hosts in keys.values():
        if len(hosts) > 1:
            found.append(finding("key-shared-across-mx", domain.domain, f"one key on {', '.join(sorted(hosts))}"))
    return found


def _dns_findings(dns: HostDns) -> list[Finding]:
    """The reason why DANE does not apply or the host cannot be found, and what is odd about its names."""
    found: list[Finding] = []
    if dns.policy is not Policy.DANE:
        found.append(finding(known(dns.reason), *_dns_evidence(dns)))
    if dns.addresses:
        # The other family is enough for now.
        found += [
            finding(known(answer.reason), dns.host, f"{answer.rdtype}: {answer.detail}", severity=Severity.ERROR)
            for answer in dns.address_answers
            if answer.is_error
        ]
    if dns.parent is not None:
        found += _denial_findings(dns.parent)
    if dns.canonical_name != dns.host:
        found.append(finding("mx-is-alias", dns.host, f"an alias of {dns.canonical_name}"))
    if dns.left_out:
        evidence = f"{dns.left_out} addresses were left out"
        found.append(finding("address-too-many", dns.host, evidence, f"at most {MAX_ADDRESSES}"))
    return found


def _denial_findings(parent: Answer) -> list[Finding]:
    """The name above the records exists because they do; name servers that deny it stop some resolvers."""
    if parent.outcome is Outcome.NXDOMAIN:
        return [finding("dns-ent-nxdomain", parent.name, "said not to exist, although there are records below it")]
    if parent.is_error and not parent.is_own_view:
        return [finding("dns-denial-broken", parent.name, f"A: {parent.detail or parent.reason}")]
    return []


def _difference_findings(answers: t.Iterable[Answer]) -> list[Finding]:
    return [
        finding(known(code), f"{answer.rdtype} {answer.name}", evidence)
        for answer in answers
        for code, evidence in (("validation-differs", answer.difference), ("validators-disagree", answer.disputed))
        if evidence
    ]


def _sibling_findings(host: HostVerdict) -> list[Finding]:
    """Judge an unused port: it must have no records, and its name servers must prove that."""
    sibling, tlsa = host.observation.sibling, host.observation.dns.tlsa
    if sibling is None or tlsa is None:
        return []
    # The label is another one in each run.
    everyone = f"*.{sibling.name.partition('.')[2]}"
    if sibling.rdata or sibling.aliases:
        return [finding("tlsa-wildcard", everyone, "there are records for whatever port is asked for")]
    if sibling.is_error and not sibling.is_own_view:
        detail = sibling.detail.replace(sibling.name, everyone)
        return [finding("dns-denial-broken", everyone, f"TLSA: {detail or sibling.reason}", severity=Severity.ERROR)]
    return []


def _dns_evidence(dns: HostDns) -> tuple[str, str]:
    """Subject and evidence of the reason."""
    asked = [answer for _candidate, answer in dns.tlsa_answers]
    failed = [answer for answer in (*asked, *dns.address_answers) if answer.is_error and answer.detail]
    if failed:
        return failed[0].name, f"{failed[0].rdtype}: {failed[0].detail}"
    broken = next(
        (a for answer in dns.address_answers for a in answer.aliases if a.security is not Security.SECURE), None
    )
    evidence = {
        "tlsa-absent": "there is no TLSA record",
        "tlsa-insecure": "there are TLSA records, but not DNSSEC-secure",
        "address-insecure": f"the addresses of {dns.canonical_name} are not DNSSEC-secure",
        "no-address": "there is neither an A nor an AAAA record",
        "address-literal": "the mail exchanger is an IP address",
        "mx-bad-name": "the target of the MX record is not a host name",
    }.get(dns.reason, "")
    if dns.reason == "alias-insecure" and broken is not None:
        evidence = f"{broken.owner} is an alias of {broken.target} without DNSSEC"
    subject = dns.host
    if asked and dns.reason.startswith("tlsa-"):
        subject = asked[0].name
    elif dns.reason == "tlsa-absent":
        subject = owner_name(dns.host, dns.port)
    return printable(subject), printable(evidence)


def _rrset_findings(host: HostVerdict) -> list[Finding]:
    tlsa = host.observation.dns.tlsa
    if tlsa is None:
        return []
    found = [finding("tlsa-bad-field", tlsa.name, text) for text in host.bad_records]
    found += lint(TlsaRrset(tlsa.name, host.records, tlsa.ttl))
    if len(host.records) == 1 and host.usable:
        found.append(finding("next-missing", tlsa.name, "one record only: the next change of key has no way out"))
    return found


def _ca_findings(host: HostVerdict, now: datetime.datetime, table: CaTable) -> list[Finding]:
    tlsa = host.observation.dns.tlsa
    if tlsa is None:
        return []
    served = [
        Served(str(endpoint.probe.endpoint), endpoint.chain, endpoint.state is HostState.AUTHENTICATED)
        for endpoint in host.endpoints
        if endpoint.chain and endpoint.probe.chain_complete
    ]
    return ca_findings(tlsa.name, host.records, served, now, table)


def _mismatch_findings(endpoint: EndpointVerdict, endpoints: t.Collection[EndpointVerdict]) -> list[Finding]:
    """Why senders refuse an endpoint that does speak TLS, or why that cannot be told."""
    probe = endpoint.probe
    if probe.outcome != TLS or endpoint.state not in (HostState.REFUSED, HostState.UNKNOWN):
        return []
    if endpoint.reason in ("chain-unreadable", "chain-incomplete"):
        return [finding(known(endpoint.reason), str(probe.endpoint), f"{len(probe.chain)} certificates in the message")]
    if endpoint.state is HostState.UNKNOWN:
        return []
    fitting = [one.probe for one in endpoints if one.state is HostState.AUTHENTICATED]
    code = mismatch_code(probe, endpoint.reason, (one.probe for one in endpoints), fitting)
    if not code:
        return []
    asked = [] if probe.server_name is not None else ["without server name"]
    asked += [f"key type {probe.key_type}"] if probe.key_type else []
    shown = f" ({', '.join(asked)})" if asked else ""
    severity = Severity.CRITICAL if code == "tlsa-too-many-records" else None
    missed = [_missed(entry) for entry in (endpoint.refusal.records if endpoint.refusal else ()) if not entry.matched]
    evidence = f"the chain presented{shown} does not fit: {'; '.join(missed)}"
    return [finding(known(code), str(probe.endpoint), evidence, severity=severity)]


def _missed(entry: RecordMatch) -> str:
    return f"{_short(entry.record.to_text())} ({printable(entry.detail, 200) or entry.reason})"


def _record_findings(host: HostVerdict, endpoint: EndpointVerdict, table: CaTable) -> list[Finding]:
    """Say for each record that did not match what it may be instead, and whether RFC 7671 section 8 holds."""
    if endpoint.result is None or endpoint.state is HostState.UNREACHABLE:
        return []
    found: list[Finding] = []
    for entry in endpoint.result.records:
        explained = diagnose(entry.record, endpoint.chain) if entry.usable and not entry.matched else None
        if explained is not None and not (
            explained.code == "ta-not-in-chain" and stands_for_siblings(entry.record, endpoint.chain, table)
        ):
            refused = endpoint.state is HostState.REFUSED
            found.append(explained if refused else dataclasses.replace(explained, severity=Severity.WARNING))
    if endpoint.result.authenticated and not endpoint.result.strict:
        owner = host.observation.dns.tlsa.name if host.observation.dns.tlsa else host.host
        unmatched = {e.record.parameters for e in endpoint.result.records if e.usable} - {
            e.record.parameters for e in endpoint.result.records if e.matched
        }
        shown = ", ".join(" ".join(map(str, parameters)) for parameters in sorted(unmatched))
        found.append(finding("strict-violation", owner, f"no {shown} record matches {endpoint.probe.endpoint}"))
    return found


def _certificate_findings(host: HostVerdict, endpoint: EndpointVerdict, now: datetime.datetime) -> list[Finding]:
    if not endpoint.chain:
        return []
    name = host.names[0]
    ta_in_force = any(r.usage == DANE_TA and r.unusable_reason() is None for r in host.records)
    leaf, subject = endpoint.chain[0], str(endpoint.probe.endpoint)
    found: list[Finding] = []
    try:
        left = leaf.not_after - now
        if left.total_seconds() < 0:
            found.append(finding("certificate-expired", subject, f"since {leaf.not_after:%Y-%m-%d %H:%M} UTC"))
        elif left.days < _EXPIRY_WARNING_DAYS:
            found.append(finding("certificate-expiring", subject, f"on {leaf.not_after:%Y-%m-%d %H:%M} UTC"))
        if not any(name_matches(presented, name) for presented in leaf.dns_names):
            shown = ", ".join(printable(presented, 100) for presented in leaf.dns_names[:5]) or "no DNS name"
            found.append(finding("certificate-name-mismatch", subject, f"subjectAltName has {shown}", name))
            found += _name_findings(endpoint, host) if ta_in_force else ()
    except CertificateError as error:
        found.append(finding("chain-unreadable", subject, printable(str(error))))
    return found


def _name_findings(endpoint: EndpointVerdict, host: HostVerdict) -> list[Finding]:
    """Names that some senders accept for DANE-TA, and others do not (RFC 7672 sections 3.2.2 and 3.2.3)."""
    leaf, name, subject = endpoint.chain[0], host.names[0], str(endpoint.probe.endpoint)
    label, _dot, parent = name.partition(".")
    partial = [
        presented
        for presented in map(str.lower, leaf.dns_names)
        if is_partial_wildcard(presented) and fnmatch.fnmatchcase(name, presented) and presented.endswith(f".{parent}")
    ]
    if partial:
        return [finding("ta-partial-wildcard", subject, f"{printable(partial[0], 100)} stands for {label}", name)]
    if not leaf.dns_names and any(name_matches(common, name) for common in leaf.common_names):
        return [finding("ta-cn-only", subject, f"only the common name is {name}", f"subjectAltName with {name}")]
    others = [other for other in host.names[1:] if any(name_matches(one, other) for one in leaf.dns_names)]
    if others:
        return [finding("ta-san-host-missing", subject, f"subjectAltName has {others[0]}, the mail domain, only", name)]
    return []


def _divergence_findings(host: HostVerdict) -> list[Finding]:
    """Endpoints or senders that do not come to the same end."""
    found: list[Finding] = []
    as_senders_ask = [e for e in host.endpoints if e.probe.server_name is not None and e.probe.key_type is None]
    found += _intermittent_findings(host)
    unsteady = {entry.subject for entry in found}
    states = {e.state for e in as_senders_ask if e.probe.outcome == TLS or str(e.probe.endpoint) not in unsteady}
    if HostState.REFUSED in states and states & {HostState.AUTHENTICATED, HostState.ENCRYPT_ONLY}:
        shown = ", ".join(f"{endpoint.probe.endpoint} {endpoint.state.value}" for endpoint in as_senders_ask)
        found.append(finding("endpoint-divergence", host.host, shown))
    if len({state for state, _reason in host.profiles.values()}) > 1:
        shown = ", ".join(f"{name}: {state.value} ({why})" for name, (state, why) in host.profiles.items())
        found.append(finding("senders-differ", host.host, shown))
    return found


def _intermittent_findings(host: HostVerdict) -> list[Finding]:
    """Endpoints that came as far as TLS only some of the times they were asked in one and the same way."""
    asked: dict[tuple[object, ...], list[Probe]] = {}
    for endpoint in host.endpoints:
        probe = endpoint.probe
        asked.setdefault((str(probe.endpoint), probe.server_name, probe.key_type), []).append(probe)
    found: dict[str, Finding] = {}
    for probes in asked.values():
        failed = [probe for probe in probes if probe.outcome != TLS and probe.outcome not in OWN_VIEW]
        if failed and len(failed) < len(probes):
            subject = str(probes[0].endpoint)
            why = ", ".join(sorted({probe.outcome for probe in failed}))
            severity = Severity.CRITICAL if host.usable else None
            evidence = f"no TLS in {len(failed)} of {len(probes)} connections ({why})"
            found[subject] = finding("starttls-intermittent", subject, evidence, severity=severity)
    return list(found.values())


def _variant_findings(host: HostVerdict) -> list[Finding]:
    """What the server refuses to clients that send no server name, and what it did not show at all."""
    probes = host.observation.probes
    reached = {probe.endpoint for probe in probes if probe.outcome == TLS}
    found: dict[str, Finding] = {}
    for probe in probes:
        if host.observation.dns.policy is not Policy.DANE:
            continue
        subject = str(probe.endpoint)
        if probe.outcome in OWN_VIEW and probe.endpoint in reached:
            asked = f"key type {probe.key_type or 'any'}" + ("" if probe.server_name else ", without server name")
            found.setdefault(subject, finding(PARTLY_SEEN, subject, f"{asked}: {probe.detail}"))
        elif probe.server_name is None and probe.key_type is None and refuses_variant(probe, reached):
            evidence = f"without server name there is no TLS: {probe.detail}"
            found[subject] = finding("sni-divergence", subject, evidence, severity=Severity.WARNING)
    return list(found.values())


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:76]}..."
