# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with an endpoint, going by one probe of it. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _findings
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, Severity, finding, known

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe

_OLD_VERSIONS: t.Final = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})
#: Outcome of a probe that got no answer to its question, although the server had answered another one before.
PARTLY_SEEN: t.Final = "endpoint-partly-seen"
#: Outcomes that say how far we ourselves waited or were let in, and nothing about other clients.
OWN_VIEW: t.Final = frozenset({"probe-timeout", "vantage-refused", "ehlo-name-refused", PARTLY_SEEN})
#: Outcomes that say nothing about STARTTLS, because no conversation took place.
NO_CONVERSATION: t.Final = OWN_VIEW | {"connect-failed"}
#: Outcomes that may depend on the server name and on the type of key; after any other no further question helps.
HANDSHAKE: t.Final = frozenset({"tls-handshake-failed", "starttls-handshake-reset"})


def probe_findings(probe: Probe, tlsa_usable: bool = False) -> tuple[Finding, ...]:
    """Return the findings of ``probe``, worst first.

    ``tlsa_usable``: the host has a secure, usable TLSA record, so that senders refuse to deliver without TLS
    and a server that does not come as far as that is critical.
    """
    subject = str(probe.endpoint)
    found = [finding(known(code), subject, text) for code, text in zip(probe.oddities, probe.evidence, strict=True)]
    if probe.outcome != "tls":
        refused = tlsa_usable and probe.outcome not in NO_CONVERSATION
        found.append(
            finding(known(probe.outcome), subject, probe.detail, severity=Severity.CRITICAL if refused else None)
        )
    elif probe.tls_version in _OLD_VERSIONS:
        found.append(finding("tls-version-too-old", subject, f"negotiated {probe.tls_version}", "TLSv1.2 or newer"))
    return _findings.sort(found)


def mismatch_code(probe: Probe, reason: str, probes: c.Iterable[Probe], fitting: c.Collection[Probe]) -> str:
    """Return the code for a chain that does not satisfy the records, or '' where another probe says it already.

    ``probes`` are all of the host, ``fitting`` those whose chain does; ``reason`` is the code of the mismatch itself.
    """
    fits = [one for one in fitting if one.endpoint == probe.endpoint]
    if probe.server_name is None and any(one.key_type == probe.key_type and one.server_name for one in fits):
        return "sni-divergence"
    if probe.key_type is not None and fits:
        return "algorithm-uncovered"
    probes = tuple(probes)
    if any(one.key_type and one.server_name == probe.server_name for one in fits) and not any(
        one.key_type and one.endpoint == probe.endpoint and one.chain == probe.chain for one in probes
    ):
        return "algorithm-uncovered"
    plainer = (
        one
        for one in probes
        if one.endpoint == probe.endpoint and one.chain == probe.chain and _insists(one) < _insists(probe)
    )
    return "" if any(plainer) else reason


def refuses_variant(seen: Probe, reached: t.Collection[Endpoint]) -> bool:
    """Say whether the server refused only the type of key insisted on, or a handshake without server name.

    ``reached`` are the endpoints that came as far as TLS in another way. Such a refusal is not a fault: senders with
    DANE send a server name, and take every type of key.
    """
    special = seen.key_type is not None or seen.server_name is None
    return special and seen.outcome in HANDSHAKE and seen.endpoint in reached


def _insists(probe: Probe) -> int:
    """How much a probe asks for what senders do not ask for."""
    return (probe.key_type is not None) + (probe.server_name is None)
