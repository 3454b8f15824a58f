# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observations: all that was seen of one MX host, or of one mail domain, at one moment.

Pure data, gathered by ``_audit`` and judged by ``_verdict``. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._audit.discovery import HostDns, MxSet
    from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts import StsView
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import ZoneView
    from ansible_collections.mailsec.dane.plugins.module_utils._smtp.dialogue import Probe


@dataclasses.dataclass(frozen=True)
class HostObservation:
    """What the DNS says of one MX host, and what each of its endpoints served.

    ``probes`` has one entry per endpoint and server name asked for. ``not_probed`` holds the addresses
    that were left alone, with the finding code that says why. ``managed`` is None when it was not said
    which hosts the organisation manages (F01). ``zone`` is what the name servers say about the TLSA records, None when
    they were not asked. ``sibling`` is the answer for TLSA at a port that nobody has ever heard of, beside the
    records in force (MK-C23).
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
