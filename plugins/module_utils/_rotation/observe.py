# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What name servers and endpoints showed, put into the planner's words.

Pure. Private to the collection.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate
from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import chain
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import AuthorityView, EndpointView

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Signature, View
    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Probe
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Chain


def authority_view(view: View, primary: str, bogus: str = "", unvalidated: str = "") -> AuthorityView:
    """Return what one authoritative address said.

    ``primary``: the server that takes updates, as its ``str``. ``bogus``: why validating senders get no answer, ''
    when they do. ``unvalidated``: why the RRset did not validate otherwise (RFC 7672 section 2.2), or why our own
    validating path could not tell.
    """
    failure = "" if view.is_known else view.detail or view.status.value
    if view.alias is not None:
        failure += f"; if its records are to be kept there, rotation_owners has to be {view.alias[0]}"
    signed = [signature.expiration.timestamp() for signature in view.signatures]
    return AuthorityView(
        owner=view.owner,
        address=str(view.server),
        records=frozenset(view.records),
        ttl=view.ttl or 0,
        failure=failure or bogus,
        primary=str(view.server) == primary,
        serial=view.serial,
        signature=_made(view.signatures),
        signed_until=max(signed, default=None),
        unvalidated=unvalidated,
        decides=view.alias is not None,
        wildcard=view.wildcard,
        proof_ttl=view.proof_ttl,
        zone_signature=_made(view.zone_signatures),
    )


def _made(signatures: c.Iterable[Signature]) -> str | None:
    """Return by which keys and when the signatures were made, None when there are none."""
    return " ".join(sorted(f"{one.key_tag}/{one.inception.isoformat()}" for one in signatures)) or None


def endpoint_view(
    endpoint: str,
    probes: c.Sequence[Probe],
    names: c.Sequence[str],
    now: datetime.datetime,
    repeats: int,
    published: c.Iterable[TlsaRecord] = (),
    issuer_depths: c.Sequence[int] = (1,),
) -> EndpointView:
    """Return what one endpoint presented in ``repeats`` rounds; ``probes`` has all connections of all rounds.

    A single connection that failed leaves it open what the endpoint serves. For the others see
    ``chain.describe``.
    """
    failures = [probe.detail or probe.outcome for probe in probes if probe.outcome != TLS]
    chains: set[Chain] = set()
    for presented in dict.fromkeys(probe.chain for probe in probes if probe.outcome == TLS):
        try:
            certificates = tuple(certificate.load_der(one) for one in presented)
            chains.add(chain.describe(certificates, names, now, published, issuer_depths))
        except ValueError as error:
            failures.append(f"it presented what is not a chain: {error}")
    if not probes:
        failures.append("it was not probed")
    return EndpointView(endpoint, frozenset(chains), repeats, failures[0] if failures else "")
