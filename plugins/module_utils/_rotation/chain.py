# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates to what the planner knows of a chain: which records authenticate it, for senders of every kind.

Pure. Private to the collection.
"""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dane import matching, tlsa
from ansible_collections.mailsec.dane.plugins.module_utils._dane.matching import Profile
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_EE, DANE_TA, SPKI, TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Chain

if t.TYPE_CHECKING:
    import collections.abc as c
    import datetime

    from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate


def identity(chain: c.Sequence[Certificate]) -> str:
    """Return the SHA-256 (hex) that names exactly these certificates in this order."""
    digest = hashlib.sha256()
    for certificate in chain:
        digest.update(len(certificate.der).to_bytes(4, "big") + certificate.der)
    return digest.hexdigest()


def describe(
    chain: c.Sequence[Certificate],
    names: c.Sequence[str],
    now: datetime.datetime,
    published: c.Iterable[TlsaRecord] = (),
    issuer_depths: c.Sequence[int] = (1,),
) -> Chain:
    """Return the facts of ``chain`` (leaf first, as served).

    ``names`` begins with the TLSA base domain. ``published`` records are judged besides the usual ones. The
    scheme's ``2 1 1`` records name the certificates at ``issuer_depths``, where one alone authenticates the chain.
    Raises ValueError for an empty chain, CertificateError for what is not a certificate.
    """
    if not chain:
        raise ValueError("the chain is empty: it needs at least the certificate of the server")
    key = tlsa.compute(chain[0], DANE_EE, SPKI, 1)
    likely = {
        tlsa.compute(certificate, DANE_TA if depth else DANE_EE, selector, matching_type)
        for depth, certificate in enumerate(chain)
        for selector in (0, 1)
        for matching_type in (1, 2)
    }
    accepted = frozenset(record for record in {*likely, *published} if _accepted(record, chain, names, now))
    anchors = [tlsa.compute(chain[depth], DANE_TA, SPKI, 1) for depth in issuer_depths if 0 < depth < len(chain)]
    issuers = tuple(record for record in dict.fromkeys(anchors) if record in accepted)
    return Chain(identity(chain), key, issuers, accepted, chain[0].not_after.timestamp())


def _accepted(
    record: TlsaRecord, chain: c.Sequence[Certificate], names: c.Sequence[str], now: datetime.datetime
) -> bool:
    return all(matching.match([record], chain, names, now, profile).authenticated for profile in Profile)
