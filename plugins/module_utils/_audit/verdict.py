# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observation → verdict: what real senders decide about a host and a mail domain.

Pure: knows no socket and no resolver. The rules are those of RFC 7672 sections 2 and 3; where senders
differ the verdict is computed per sender profile and the worst one counts. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import Beside, Policy, mx_set
from ansible_collections.mailsec.dane.plugins.module_utils._dane.matching import (
    MatchResult,
    Profile,
    Session,
    match,
    refusals,
    session_of,
    unusable_reason,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_TA, TlsaError, TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Outcome
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Status
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import (
    Certificate,
    CertificateError,
    load_der,
)
from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import (
    OWN_VIEW,
    PARTLY_SEEN,
    mismatch_code,
    refuses_variant,
)

if t.TYPE_CHECKING:
    import datetime

    from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import (
        DomainObservation,
        HostDns,
        HostObservation,
        MxSet,
    )
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import ZoneView
    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe


class HostState(enum.Enum):
    """What a DANE sender does with one MX host or one of its endpoints."""

    REFUSED = "refused"
    LOOKUP_ERROR = "lookup-error"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    OPPORTUNISTIC = "opportunistic"
    ENCRYPT_ONLY = "encrypt-only"
    AUTHENTICATED = "authenticated"

    @property
    def rank(self) -> int:
        """0 for the worst; the worst endpoint makes the host's verdict."""
        return _RANKS[self]

    @property
    def delivers(self) -> bool:
        """Whether a DANE sender hands mail over here, protected or not."""
        return self in (HostState.OPPORTUNISTIC, HostState.ENCRYPT_ONLY, HostState.AUTHENTICATED)

    @property
    def status(self) -> int:
        """0 fine, 1 not protected, 2 refused or unreachable, 3 could not find out."""
        if self is HostState.AUTHENTICATED:
            return 0
        if self is HostState.UNKNOWN:
            return 3
        return 1 if self.delivers else 2


class DomainState(enum.Enum):
    """What becomes of mail to a domain, see the documentation of ``dane_info``; the worst first."""

    FAILING = "failing"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    UNPROTECTED = "unprotected"
    PARTIAL = "partial"
    NO_MAIL = "no-mail"
    PROTECTED = "protected"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(DomainState).index(self)

    @property
    def status(self) -> int:
        """0 fine, 1 not protected, 2 mail is being refused or lost, 3 could not find out."""
        return _STATUS[self]


_RANKS: t.Final = {state: rank for rank, state in enumerate(HostState)}
_STATUS: t.Final = {
    DomainState.FAILING: 2,
    DomainState.DEGRADED: 2,
    DomainState.UNKNOWN: 3,
    DomainState.UNPROTECTED: 1,
    DomainState.PARTIAL: 1,
    DomainState.NO_MAIL: 0,
    DomainState.PROTECTED: 0,
}
#: What the DNS has already decided, whatever the endpoints do.
_DECIDED: t.Final[t.Mapping[Policy, HostState]] = {
    Policy.LOOKUP_ERROR: HostState.LOOKUP_ERROR,
    Policy.UNREACHABLE: HostState.UNREACHABLE,
    Policy.UNKNOWN: HostState.UNKNOWN,
}
#: Reasons that only the comparison with other chains of the same endpoint shows.
_OTHER_CHAIN: t.Final = frozenset({"algorithm-uncovered", "sni-divergence"})
#: Outcomes of a probe after which no sender, with DANE or without, has a mail server to talk to.
NO_MAIL_SERVER: t.Final = frozenset({"connect-failed", "smtp-greeting-failed", "smtp-protocol-error"})

Decision = tuple[HostState, str]


@dataclasses.dataclass(frozen=True)
class EndpointVerdict:
    """Verdict on one endpoint as asked with one server name (None: without SNI) and type of key (None: any).

    ``matched`` has the records that match the chain, ``strict`` says whether every usage, selector and matching
    type does (RFC 7671 section 8); None where nothing could be matched. ``result`` is the match of a strict
    sender, ``refusal`` that of the first sender that does not match, ``chain`` what could be read of the certificates.
    """

    probe: Probe
    state: HostState
    reason: str
    profiles: t.Mapping[str, Decision]
    chain: tuple[Certificate, ...] = ()
    result: MatchResult | None = None
    refusal: MatchResult | None = None

    @property
    def matched(self) -> tuple[str, ...]:
        """The records that match, in presentation format."""
        return tuple(entry.record.to_text() for entry in self.result.records if entry.matched) if self.result else ()

    @property
    def strict(self) -> bool | None:
        """See the class."""
        return self.result.strict if self.result else None


@dataclasses.dataclass(frozen=True)
class HostVerdict:
    """Verdict on one MX host: its worst endpoint.

    ``profiles`` maps a sender profile (``rfc``, ``postfix``, ``exim``) to state and reason. ``records`` is the RRset
    in force, ``bad_records`` what of it does not parse. ``names`` are those that DANE-TA accepts.
    """

    observation: HostObservation
    state: HostState
    reason: str
    profiles: t.Mapping[str, Decision]
    endpoints: tuple[EndpointVerdict, ...]
    records: tuple[TlsaRecord, ...]
    bad_records: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def host(self) -> str:
        """Name of the MX host."""
        return self.observation.host

    @property
    def usable(self) -> bool:
        """Whether a record is in force that senders use, so that they insist on TLS and on a match."""
        return any(record.unusable_reason() is None for record in self.records)

    @property
    def delivers(self) -> bool:
        """Whether some endpoint takes mail from DANE senders."""
        return self.state.delivers or any(endpoint.state.delivers for endpoint in self.endpoints)

    @property
    def consistent(self) -> bool:
        """Whether all endpoints are alike."""
        return len({endpoint.state for endpoint in self.endpoints}) <= 1

    @property
    def strict(self) -> bool | None:
        """Whether RFC 7671 section 8 holds at every endpoint; None where nothing could be matched."""
        stricts = [endpoint.strict for endpoint in self.endpoints if endpoint.strict is not None]
        return all(stricts) if stricts else None


@dataclasses.dataclass(frozen=True)
class DomainVerdict:
    """Verdict on a mail domain; ``weakest`` is the host that decides it (F02).

    ``stray``, ``zone`` and ``beside`` are as seen.
    """

    mx: MxSet
    state: DomainState
    reason: str
    weakest: str | None
    hosts: tuple[HostVerdict, ...] = ()
    stray: Answer | None = None
    zone: ZoneView | None = None
    beside: Beside = dataclasses.field(default_factory=Beside)

    @property
    def domain(self) -> str:
        """Name of the mail domain."""
        return self.mx.domain


def judge_host(observation: HostObservation, now: datetime.datetime, mx: MxSet | None = None) -> HostVerdict:
    """Judge one MX host as senders would at ``now`` (aware).

    ``mx`` is the MX RRset that led here; None when the host is looked at by itself. Senders whose resolver asks
    another name server may get other records: the worst case counts, with the reason ``ns-divergence``.
    """
    verdict = _judge_host(observation, now, mx)
    profiles = dict(verdict.profiles)
    for dns in _elsewhere(observation, now):
        other = _judge_host(dataclasses.replace(observation, dns=dns), now, mx)
        for profile, (state, _reason) in other.profiles.items():
            if state.rank < profiles[profile][0].rank:
                profiles[profile] = state, "ns-divergence"
    state, reason = _worst(profiles.values())
    return dataclasses.replace(verdict, state=state, reason=reason, profiles=profiles)


def _elsewhere(observation: HostObservation, now: datetime.datetime) -> list[HostDns]:
    """What the DNS says for those whose resolver asks a name server with other TLSA records than those in force.

    Only what is signed: a validating resolver takes nothing else from a signed zone, and asks the next server.
    """
    dns, look = observation.dns, observation.zone
    if look is None or dns.tlsa is None:
        return []
    said = {(one.status, one.records) for view in look.views for one in (view.udp, view.tcp) if one.is_signed(now)}
    found: list[HostDns] = []
    for status, records in sorted(said, key=lambda one: (one[0].value, one[1])):
        if status is Status.SERVED and set(records) != set(dns.tlsa.rdata):
            found.append(dataclasses.replace(dns, tlsa=dataclasses.replace(dns.tlsa, rdata=records)))
        elif status is Status.ABSENT:
            found.append(dataclasses.replace(dns, policy=Policy.OPPORTUNISTIC, reason="tlsa-absent", tlsa=None))
    return found


def _judge_host(observation: HostObservation, now: datetime.datetime, mx: MxSet | None) -> HostVerdict:
    dns = observation.dns
    records, bad = _read(dns.tlsa)
    names = tuple(dict.fromkeys([dns.base_domain or dns.host, *(mx.next_hops if mx else ())]))
    duties = {profile: _duty(dns, profile, mx) for profile in Profile}
    reached = {probe.endpoint for probe in observation.probes if probe.outcome == TLS}
    endpoints = _named(
        [
            _judge_endpoint(probe, records, names, duties, now, session_of(probe, observation.probes))
            for probe in observation.probes
            if not refuses_variant(probe, reached) and not _is_unneeded(probe, reached)
        ]
    )
    profiles = {profile.value: _roll_up(observation, endpoints, profile, duties[profile]) for profile in Profile}
    state, reason = _worst(profiles.values())
    return HostVerdict(observation, state, reason, profiles, endpoints, records, bad, names)


def _is_unneeded(probe: Probe, reached: t.Collection[Endpoint]) -> bool:
    """Whether nothing was seen where another probe of the same endpoint was: the verdict rests on that."""
    return probe.outcome == PARTLY_SEEN or (probe.outcome in OWN_VIEW and probe.endpoint in reached)


def _named(endpoints: list[EndpointVerdict]) -> tuple[EndpointVerdict, ...]:
    """Give refusals their reason, where it is that another chain of the same endpoint satisfies the records."""
    probes = [endpoint.probe for endpoint in endpoints]
    fitting = [endpoint.probe for endpoint in endpoints if endpoint.state is HostState.AUTHENTICATED]
    named: list[EndpointVerdict] = []
    for endpoint in endpoints:
        code = mismatch_code(endpoint.probe, endpoint.reason, probes, fitting)
        if endpoint.state is HostState.REFUSED and endpoint.probe.outcome == TLS and code in _OTHER_CHAIN:
            profiles = {
                profile: (state, code if state is HostState.REFUSED else reason)
                for profile, (state, reason) in endpoint.profiles.items()
            }
            endpoint = dataclasses.replace(endpoint, reason=code, profiles=profiles)
        named.append(endpoint)
    return tuple(named)


def _read(answer: Answer | None) -> tuple[tuple[TlsaRecord, ...], tuple[str, ...]]:
    """Return the records of the RRset, and in words what does not parse: never usable, never a reason to stop."""
    records: list[TlsaRecord] = []
    bad: list[str] = []
    for text in answer.rdata if answer else ():
        try:
            records.append(TlsaRecord.from_text(text))
        except TlsaError as error:
            bad.append(str(error))
    return tuple(sorted(records)), tuple(bad)


def _duty(dns: HostDns, profile: Profile, mx: MxSet | None) -> tuple[Policy, str]:
    """What the DNS obliges a sender of ``profile`` to, and why.

    Exim asks for TLSA only below the final name of the host and only when the MX RRset is secure; a lookup
    error there is one that it never meets.
    """
    if profile is Profile.EXIM and dns.tlsa_answers and (dns.policy is Policy.DANE or dns.failed_at_tlsa):
        if mx is not None and not mx.is_secure:
            return Policy.OPPORTUNISTIC, "mx-insecure"
        if dns.tlsa_answers[-1][0] != dns.canonical_name:
            return Policy.OPPORTUNISTIC, "mx-is-alias"
    return dns.policy, dns.reason


def _judge_endpoint(
    probe: Probe,
    records: tuple[TlsaRecord, ...],
    names: tuple[str, ...],
    duties: t.Mapping[Profile, tuple[Policy, str]],
    now: datetime.datetime,
    session: Session,
) -> EndpointVerdict:
    try:
        chain = tuple(load_der(der) for der in probe.chain)
    except CertificateError:
        chain = ()
    results: dict[Profile, MatchResult] = {}
    if chain and records:
        results = {profile: match(records, chain, names, now, profile, session) for profile in Profile}
    profiles = {
        profile.value: _decide(probe, records, duties[profile], results.get(profile), profile) for profile in Profile
    }
    if results and not refusals(results):
        profiles[Profile.RFC.value] = profiles[Profile.POSTFIX.value]
    state, reason = _worst(profiles.values())
    shown = results.get(Profile.RFC)
    if shown and shown.reason == "tlsa-all-unusable":
        shown = None
    refusal = next((one for one in results.values() if one.reason not in ("dane-ok", "tlsa-all-unusable")), None)
    return EndpointVerdict(probe, state, reason, profiles, chain, shown, refusal)


def _decide(
    probe: Probe,
    records: tuple[TlsaRecord, ...],
    duty: tuple[Policy, str],
    result: MatchResult | None,
    profile: Profile,
) -> Decision:
    policy, reason = duty
    if policy in _DECIDED:
        return _DECIDED[policy], reason
    if probe.outcome in NO_MAIL_SERVER:
        return HostState.UNREACHABLE, probe.outcome
    if probe.outcome in OWN_VIEW:
        return HostState.UNKNOWN, probe.outcome
    if policy is Policy.OPPORTUNISTIC:
        return HostState.OPPORTUNISTIC, reason
    if probe.outcome != TLS:
        return HostState.REFUSED, probe.outcome
    if result is not None and result.reason in OWN_VIEW:
        return HostState.UNKNOWN, result.reason
    if all(unusable_reason(record, profile) for record in records):
        if result is not None and result.reason != "tlsa-all-unusable":
            return HostState.REFUSED, result.reason
        return HostState.ENCRYPT_ONLY, "tlsa-all-unusable"
    if result is None:
        return HostState.UNKNOWN, "chain-unreadable"
    if result.authenticated:
        return HostState.AUTHENTICATED, "dane-ok"
    if not probe.chain_complete and any(record.usage == DANE_TA for record in records):
        return HostState.UNKNOWN, "chain-incomplete"
    return HostState.REFUSED, result.reason


def _roll_up(
    observation: HostObservation, endpoints: t.Sequence[EndpointVerdict], profile: Profile, duty: tuple[Policy, str]
) -> Decision:
    """The worst endpoint, what was not seen included."""
    policy, reason = duty
    if policy in _DECIDED:
        return _DECIDED[policy], reason
    decisions = [endpoint.profiles[profile.value] for endpoint in endpoints]
    if policy is Policy.OPPORTUNISTIC:
        return _worst(decisions) if decisions else (HostState.OPPORTUNISTIC, reason)
    # An address that could not be seen leaves it open whether the host is as good as the others.
    unseen = [code for _address, code in observation.not_probed if code == "address-no-route" or not endpoints]
    unseen += ["address-too-many"] if observation.dns.left_out else []
    return _worst([*decisions, *((HostState.UNKNOWN, code) for code in unseen)])


def _worst(decisions: t.Iterable[Decision]) -> Decision:
    return min(decisions, key=lambda decision: decision[0].rank)


def judge_domain(observation: DomainObservation, now: datetime.datetime) -> DomainVerdict:
    """Judge a mail domain: protected only when its MX RRset is secure and every MX host is (F02).

    Senders whose resolver asks another name server may be sent to other hosts: the worst case counts, with the reason
    ``ns-divergence``. Hosts that stand only there were not examined, so that the best is ``unknown``.
    """
    verdict = dataclasses.replace(_judge_domain(observation, now), beside=observation.beside)
    for mx in _mx_elsewhere(observation, now):
        state, weakest = _state_elsewhere(mx, verdict.hosts)
        if state in (DomainState.FAILING, DomainState.NO_MAIL) and verdict.state is not DomainState.FAILING:
            state = DomainState.DEGRADED  # the others still get it through
        if state.rank < verdict.state.rank:
            verdict = dataclasses.replace(verdict, state=state, reason="ns-divergence", weakest=weakest)
    return verdict


def _mx_elsewhere(observation: DomainObservation, now: datetime.datetime) -> list[MxSet | None]:
    """Where name servers that do not have the MX RRset in force send mail; None for an alias, which is not followed.

    Only what is signed, as for TLSA records. Where nothing is, the domain is unprotected anyway.
    """
    mx, look = observation.mx, observation.zone
    if look is None or mx.answer.is_error or not mx.is_secure:
        return []
    found: dict[frozenset[str] | None, MxSet | None] = {}
    for said in (one for view in look.views for one in (view.udp, view.tcp)):
        if said.status is Status.ALIAS:
            found[None] = None
        elif said.status in (Status.SERVED, Status.ABSENT) and said.is_signed(now):
            outcome = Outcome.DATA if said.records else Outcome.NODATA
            other = mx_set(mx.domain, dataclasses.replace(mx.answer, outcome=outcome, rdata=said.records))
            found[frozenset(host.name for host in other.hosts)] = other
    found.pop(frozenset(host.name for host in mx.hosts), None)
    return list(found.values())


def _state_elsewhere(mx: MxSet | None, hosts: t.Sequence[HostVerdict]) -> tuple[DomainState, str | None]:
    if mx is None:
        return DomainState.UNKNOWN, None
    if mx.null:
        return DomainState.NO_MAIL, None
    seen = [host for host in hosts if host.host in {one.name for one in mx.hosts}]
    unseen = len(seen) < len(mx.hosts)
    if not seen:
        return DomainState.UNKNOWN, mx.hosts[0].name
    state, _reason, weakest = _domain_state(mx, seen)
    if unseen and state is DomainState.FAILING:
        return DomainState.DEGRADED, weakest
    if unseen and state.rank > DomainState.UNKNOWN.rank:
        return DomainState.UNKNOWN, next(one.name for one in mx.hosts if one.name not in {host.host for host in seen})
    return state, weakest


def _judge_domain(observation: DomainObservation, now: datetime.datetime) -> DomainVerdict:
    mx = observation.mx
    if mx.null:
        return DomainVerdict(mx, DomainState.NO_MAIL, mx.reason, None, zone=observation.zone)
    if mx.reason:
        state = DomainState.UNKNOWN if mx.answer.is_own_view else DomainState.FAILING
        return DomainVerdict(mx, state, mx.reason, None, zone=observation.zone)
    hosts = tuple(judge_host(host, now, mx) for host in observation.hosts)
    state, reason, weakest = _domain_state(mx, hosts)
    return DomainVerdict(mx, state, reason, weakest, hosts, observation.stray, observation.zone)


def _domain_state(mx: MxSet, hosts: t.Sequence[HostVerdict]) -> tuple[DomainState, str, str | None]:
    weakest = min(hosts, key=lambda host: host.state.rank)
    if weakest.state.status == 2:
        taken = any(host.delivers for host in hosts)
        # Hosts that could not be looked at may still take mail.
        open_question = any(host.state is HostState.UNKNOWN for host in hosts)
        state = DomainState.DEGRADED if taken or open_question else DomainState.FAILING
        return state, weakest.reason, weakest.host
    if weakest.state is HostState.UNKNOWN:
        return DomainState.UNKNOWN, weakest.reason, weakest.host
    if not mx.is_secure:
        return DomainState.UNPROTECTED, "mx-insecure", weakest.host
    if weakest.state is HostState.AUTHENTICATED:
        # F02 speaks of every host, and some were not looked at.
        return (DomainState.UNKNOWN, "mx-too-many", None) if mx.left_out else (DomainState.PROTECTED, "dane-ok", None)
    if any(host.state in (HostState.AUTHENTICATED, HostState.ENCRYPT_ONLY) for host in hosts):
        return DomainState.PARTIAL, weakest.reason, weakest.host
    return DomainState.UNPROTECTED, weakest.reason, weakest.host
