# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observations: all that was seen of one MX host, or of one mail domain, at one moment.

Pure data, gathered by ``audit`` and judged by ``verdict``. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer, Outcome

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts import StsView
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import ZoneView
    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Probe

#: How many MX hosts of a domain, and addresses of a host, are looked at: more than real ones have, and few enough that
#: a hostile one cannot hold up an audit for long.
MAX_HOSTS: t.Final = 20
MAX_ADDRESSES: t.Final = 16


class Policy(enum.Enum):
    """What the DNS of one MX host obliges a sender to, before any connection."""

    DANE = "dane"
    OPPORTUNISTIC = "opportunistic"
    LOOKUP_ERROR = "lookup-error"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class MxHost:
    """One entry of the MX RRset: name (lower case, without final dot) and preference."""

    name: str
    preference: int


@dataclasses.dataclass(frozen=True)
class MxSet:
    """Where mail to ``domain`` goes, in order of preference.

    ``answer`` is that of the MX look-up. ``implicit``: there is no MX RRset and the domain is its own host (RFC 5321
    section 5.1). ``null``: the domain says that it takes no mail (RFC 7505). ``null_beside``: it says so beside others.
    ``reason`` is '' when there are hosts, else ``null-mx``, ``mail-domain-absent`` or the reason of a lookup error.
    ``left_out`` counts the hosts beyond MAX_HOSTS.
    """

    domain: str
    answer: Answer
    hosts: tuple[MxHost, ...] = ()
    implicit: bool = False
    null: bool = False
    null_beside: bool = False
    reason: str = ""
    left_out: int = 0

    @property
    def is_secure(self) -> bool:
        """Whether the MX RRset, or its absence, is secure, aliases included (RFC 7672 section 2.2.1)."""
        return self.answer.is_secure

    @property
    def next_hops(self) -> tuple[str, ...]:
        """The names that DANE-TA accepts beside that of the host (RFC 7672 section 3.2.2): domain, end of aliases."""
        if not self.is_secure:
            return ()
        return tuple(dict.fromkeys((self.domain, self.answer.canonical_name or self.domain)))


@dataclasses.dataclass(frozen=True)
class HostDns:
    """What the DNS says of one MX host.

    ``addresses`` are literals, IPv4 first; ``left_out`` counts those beyond MAX_ADDRESSES. ``address_answers`` are
    those for A and AAAA. ``policy`` and ``reason`` (a code) say what follows for a sender. ``base_domain`` and
    ``tlsa`` are the TLSA base domain and the RRset in force, None unless ``policy`` is DANE. ``tlsa_answers`` has
    every TLSA answer by candidate, in the order of asking. ``parent`` is the answer for A at the name above the records
    in force (``_tcp.mx.example.nl``), which has to exist (RFC 8020).
    """

    host: str
    port: int
    addresses: tuple[str, ...]
    address_answers: tuple[Answer, ...]
    policy: Policy
    reason: str
    base_domain: str | None = None
    tlsa: Answer | None = None
    tlsa_answers: tuple[tuple[str, Answer], ...] = ()
    parent: Answer | None = None
    left_out: int = 0

    @property
    def canonical_name(self) -> str:
        """End of the alias chain of the host; the host itself when it is not an alias."""
        return next((a.canonical_name for a in self.address_answers if a.aliases and a.canonical_name), self.host)

    @property
    def failed_at_tlsa(self) -> bool:
        """Whether the lookup error came when asking for TLSA, which senders without DANE never do."""
        return any(answer.is_error for _candidate, answer in self.tlsa_answers)


def mx_set(name: str, answer: Answer) -> MxSet:
    """Return where ``answer`` to the question for MX sends mail for the domain ``name``."""
    if answer.is_error:
        return MxSet(name, answer, reason=answer.reason)
    if answer.outcome is Outcome.NXDOMAIN:
        return MxSet(name, answer, reason="mail-domain-absent")
    if answer.outcome is Outcome.NODATA:
        return MxSet(name, answer, (MxHost(name, 0),), implicit=True)
    entries = sorted(_entry(rdata) for rdata in answer.rdata)
    named = {target: preference for preference, target in reversed(entries) if target}
    hosts = [MxHost(target, preference) for preference, target in sorted((p, n) for n, p in named.items())]
    if not hosts:
        return MxSet(name, answer, null=True, reason="null-mx")
    return MxSet(
        name,
        answer,
        tuple(hosts[:MAX_HOSTS]),
        null_beside=len(named) < len({target for _preference, target in entries}),
        left_out=max(len(hosts) - MAX_HOSTS, 0),
    )


def _entry(rdata: str) -> tuple[int, str]:
    preference, _blank, target = rdata.partition(" ")
    return int(preference), target.removesuffix(".").lower()


@dataclasses.dataclass(frozen=True)
class HostObservation:
    """What the DNS says of one MX host, and what each of its endpoints served.

    ``probes`` has one entry per endpoint and server name asked for. ``not_probed`` holds the addresses
    that were left alone, with the finding code that says why. ``managed`` is None when it was not said
    which hosts the organisation manages (F01). ``zone`` is what the name servers say about the TLSA records, None when
    they were not asked. ``sibling`` is the answer for TLSA at a port that nobody has ever heard of, beside the
    records in force.
    """

    dns: HostDns
    probes: tuple[Probe, ...] = ()
    not_probed: tuple[tuple[str, str], ...] = ()
    managed: bool | None = None
    zone: ZoneView | None = None
    sibling: Answer | None = None

    @property
    def host(self) -> str:
        """Name of the MX host."""
        return self.dns.host


@dataclasses.dataclass(frozen=True)
class Beside:
    """What a mail domain announces, or is held to, beside its MX and TLSA records.

    ``sts`` is what was seen of its MTA-STS policy, ``tlsrpt`` the answer about TLS reports, None when not asked for.
    ``dane_required``: some senders insist on DANE for this domain.
    """

    sts: StsView | None = None
    tlsrpt: Answer | None = None
    dane_required: bool = False


@dataclasses.dataclass(frozen=True)
class DomainObservation:
    """The MX RRset of a mail domain and one observation per MX host, in order of preference.

    ``stray`` is the answer with TLSA records below the mail domain itself, where nobody looks for them; it is asked
    for only when a host has none. ``zone`` is what the name servers say about the MX RRset, None when they were not
    asked.
    """

    mx: MxSet
    hosts: tuple[HostObservation, ...] = ()
    stray: Answer | None = None
    zone: ZoneView | None = None
    beside: Beside = dataclasses.field(default_factory=Beside)

    @property
    def domain(self) -> str:
        """Name of the mail domain."""
        return self.mx.domain
