# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""May a TLSA RRset be published, seeing what the endpoints serve now? Pure. Private to the collection.

Senders of all kinds count: a record helps when every one of them would deliver (RS section 2, match_any).
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dane import matching
from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate
from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import mismatch_code, refuses_variant

if t.TYPE_CHECKING:
    import collections.abc as c
    import datetime

    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe

#: Outcomes of a probe that show that the endpoint serves mail without TLS: DANE senders would keep their mail.
_WITHOUT_TLS: t.Final = frozenset({"starttls-missing", "starttls-refused", "tls-handshake-failed"})


class Fit(enum.Enum):
    """How an endpoint and an RRset go together.

    ``MATCHES``: every sender delivers. ``MISMATCH``: some sender refuses. ``UNKNOWN``: the endpoint could not be seen,
    or not its certificates.
    """

    MATCHES = "matches"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Coverage:
    """One endpoint, asked in one way, and how it fits; ``reason`` is a finding code or ``dane-ok``.

    ``detail`` is a sentence. ``server_name`` None: asked without; ``key_type`` None: the server's choice.
    """

    endpoint: Endpoint
    fit: Fit
    reason: str
    detail: str = ""
    server_name: str | None = None
    key_type: str | None = None

    def __str__(self) -> str:
        asked = [f"key type {self.key_type}"] if self.key_type else []
        asked += [] if self.server_name else ["without server name"]
        return f"{self.endpoint}" + (f" ({', '.join(asked)})" if asked else "")

    def as_dict(self) -> dict[str, t.Any]:
        """The entry as results carry it."""
        return {
            "address": self.endpoint.address,
            "port": self.endpoint.port,
            "server_name": self.server_name,
            "key_type": self.key_type or "any",
            "fit": self.fit.value,
            "reason": self.reason,
            "detail": self.detail,
        }


def cover_all(
    probes: c.Iterable[Probe], records: c.Sequence[TlsaRecord], base_domain: str, now: datetime.datetime
) -> tuple[Coverage, ...]:
    """Say how the endpoints of ``probes``, each asked in several ways, fit the RRset ``records``.

    Each chain of an endpoint has one entry, for the first way in which it was shown. Types of key that a server lacks
    are left out.
    """
    told = tuple(probes)
    reached = {probe.endpoint for probe in told if probe.outcome == TLS}
    seen = [
        (probe, cover(probe, records, base_domain, now, told)) for probe in told if not refuses_variant(probe, reached)
    ]
    fitting = [probe for probe, entry in seen if entry.fit is Fit.MATCHES]
    found: dict[object, Coverage] = {}
    for probe, entry in seen:
        if entry.fit is Fit.MISMATCH and probe.outcome == TLS:
            code = mismatch_code(probe, entry.reason, told, fitting) or entry.reason
            entry = dataclasses.replace(entry, reason=code, detail=entry.detail.replace(entry.reason, code, 1))
        found.setdefault((probe.endpoint, probe.chain or probe), entry)
    return tuple(found.values())


def cover(
    probe: Probe,
    records: c.Sequence[TlsaRecord],
    base_domain: str,
    now: datetime.datetime,
    probes: c.Sequence[Probe] = (),
) -> Coverage:
    """Say how what ``probe`` saw fits the RRset ``records`` at the TLSA base domain ``base_domain``.

    ``probes`` are all of the host, where there are others.
    """
    fit, reason, detail = _fit(probe, records, base_domain, now, matching.session_of(probe, probes))
    return Coverage(probe.endpoint, fit, reason, detail, probe.server_name, probe.key_type)


def _fit(
    probe: Probe,
    records: c.Sequence[TlsaRecord],
    base_domain: str,
    now: datetime.datetime,
    session: matching.Session,
) -> tuple[Fit, str, str]:
    if probe.outcome in _WITHOUT_TLS:
        return Fit.MISMATCH, probe.outcome, probe.detail
    chain = _chain(probe)
    if not chain:
        return Fit.UNKNOWN, probe.outcome, probe.detail or "its certificates cannot be read"
    results = {
        profile: matching.match(records, chain, (base_domain,), now, profile, session) for profile in matching.Profile
    }
    refusing = matching.refusals(results)
    if not refusing:
        return Fit.MATCHES, "dane-ok", ""
    reason = next(iter(refusing.values())).reason
    if not probe.chain_complete and any(record.usage == 2 for record in records):
        return Fit.UNKNOWN, reason, "this Python shows the server's own certificate only"
    who = "senders refuse" if len(refusing) == len(results) else "some senders refuse"
    served = f"it serves the key 3 1 1 {chain[0].spki_sha256}"
    return Fit.MISMATCH, reason, f"{who}: {reason}; {served}"


def helpful(probe: Probe, records: c.Iterable[TlsaRecord], base_domain: str, now: datetime.datetime) -> set[TlsaRecord]:
    """Return those of ``records`` that, standing alone, would let some sender deliver to the endpoint."""
    chain = _chain(probe)
    return {
        record
        for record in records
        if chain
        and any(
            matching.match((record,), chain, (base_domain,), now, profile).authenticated for profile in matching.Profile
        )
    }


def _chain(probe: Probe) -> tuple[certificate.Certificate, ...]:
    if probe.outcome != TLS:
        return ()
    try:
        return tuple(certificate.load_der(der) for der in probe.chain)
    except certificate.CertificateError:
        return ()
