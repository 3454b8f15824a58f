# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths from a server certificate to a trust anchor that a DANE-TA record names (RFC 7671 section 5.2, RFC 5280).

Two ways to look for one: all paths that the signatures allow, as RFC 5280 leaves room for, and the one
that OpenSSL follows. Both look at nothing but what the server sent and the records hold, and their work
is bounded. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import der, name_constraints, security_level
from ansible_collections.mailsec.dane.plugins.module_utils._pki import names as pki_names
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, CertificateError

if t.TYPE_CHECKING:
    import collections.abc as c

INVALID: t.Final = "ta-chain-invalid"
EXPIRED: t.Final = "ta-chain-expired"
NAME: t.Final = "ta-name-mismatch"

#: Certificates in one path: as far as Postfix goes with smtp_tls_scert_verifydepth = 9 (measured).
MAX_PATH: t.Final = 12
#: Certificates of a message that are looked at, paths tried and signatures verified per chain.
MAX_CERTIFICATES: t.Final = 64
_MAX_PATHS: t.Final = 128
_MAX_SIGNATURES: t.Final = 128

_LONG: t.Final = 1 << 63
#: Bits of Netscape's certificate type: TLS server, CA for TLS.
_NETSCAPE_SERVER, _NETSCAPE_CA = 1, 5

Path = tuple[Certificate, ...]


@dataclasses.dataclass(frozen=True)
class Fault:
    """Why a path or name does not hold: a reason code and a sentence."""

    code: str
    detail: str


class Signatures:
    """Remembers which certificate signed which, and stops verifying when the bound is reached."""

    def __init__(self) -> None:
        self._known: dict[tuple[Certificate, Certificate], bool] = {}
        self.exhausted = False

    def verify(self, child: Certificate, parent: Certificate) -> bool:
        """Say whether the signature of ``child`` verifies with the key of ``parent``."""
        known = self._known.get((child, parent))
        if known is None:
            if len(self._known) >= _MAX_SIGNATURES:
                self.exhausted = True
                return False
            known = self._known[child, parent] = child.signed_by(parent)
        return known


def signed_paths(leaf: Certificate, others: c.Sequence[Certificate], signatures: Signatures) -> tuple[Path, ...]:
    """Return every path of two or more certificates that begins with ``leaf``, shortest first (bounded).

    Each certificate in it fits as issuer of the one before, by name and key identifier, and signed it. A path ends at a
    self-signed certificate, so a self-signed leaf has none.
    """
    pool = tuple(dict.fromkeys(other for other in others if other != leaf))[:MAX_CERTIFICATES]
    found: list[Path] = [(leaf,)]
    for path in found:
        if len(path) >= MAX_PATH or looks_self_signed(path[-1]):
            continue
        for other in pool:
            if other not in path and likely_issuer(path[-1], other) and signatures.verify(path[-1], other):
                if len(found) > _MAX_PATHS:
                    signatures.exhausted = True
                    return tuple(found[1:])
                found.append((*path, other))  # pylint: disable=modified-iterating-list
    return tuple(found[1:])


def looks_self_signed(certificate: Certificate) -> bool:
    """Say whether name, key identifier and algorithm are those of a self-signed certificate; no signature is tried."""
    return likely_issuer(certificate, certificate)


def likely_issuer(child: Certificate, issuer: Certificate) -> bool:
    """Say whether name, key identifier and algorithm of ``issuer`` fit ``child``; no signature is tried."""
    if not child.named_by(issuer) or security_level.is_spoilt(child) or security_level.is_spoilt(issuer):
        return False
    try:
        authority = child.authority_key_identifier
        if authority is not None:
            key = issuer.subject_key_identifier
            if authority.key_identifier is not None and key is not None and authority.key_identifier != key:
                return False
            if authority.serial not in (None, issuer.serial):
                return False
            if authority.issuer and pki_names.canonical(authority.issuer) != pki_names.canonical(issuer.issuer):
                return False
        return child.signature_family == issuer.key_type
    except (CertificateError, der.DerError):
        return False


def openssl_path(
    leaf: Certificate,
    others: c.Sequence[Certificate],
    is_anchor: c.Callable[[Certificate], bool],
    now: datetime.datetime,
) -> tuple[Path, bool]:
    """Return the path that OpenSSL follows, and whether its end is an anchor.

    At each step the first certificate is taken that looks like the issuer and is in date, else the one
    that expired last; signatures are not looked at, nothing is tried twice.
    """
    pool = list(dict.fromkeys(other for other in others if other != leaf))[:MAX_CERTIFICATES]
    path = [leaf]
    while len(path) < MAX_PATH and not looks_self_signed(path[-1]):
        likely = [other for other in pool if likely_issuer(path[-1], other)]
        if not likely:
            break
        current = [other for other in likely if _is_current(other, now)]
        issuer = current[0] if current else max(likely, key=_end)
        pool.remove(issuer)
        path.append(issuer)
        if is_anchor(issuer):
            return tuple(path), True
    return tuple(path), False


def date_fault(certificate: Certificate, now: datetime.datetime) -> Fault | None:
    """Return the fault of a certificate that is not valid at ``now``. Raises CertificateError."""
    return validity_fault(certificate, (certificate.not_before, certificate.not_after), now)


def _is_current(certificate: Certificate, now: datetime.datetime) -> bool:
    try:
        return date_fault(certificate, now) is None
    except CertificateError:
        return False


def _end(certificate: Certificate) -> datetime.datetime:
    """The last moment of the validity; one that cannot be read is over before any other."""
    try:
        return certificate.not_after
    except CertificateError:
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)


def validity_fault(
    certificate: Certificate, validity: tuple[datetime.datetime, datetime.datetime], now: datetime.datetime
) -> Fault | None:
    """Return the same for a ``validity`` that was read in another way."""
    begin, end = validity
    if now > end:
        return Fault(EXPIRED, f"{certificate.subject_text} expired at {end:%Y-%m-%d %H:%M} UTC")
    if now < begin:
        return Fault(EXPIRED, f"{certificate.subject_text} is valid from {begin:%Y-%m-%d %H:%M} UTC")
    return None


def _is_issuing(certificate: Certificate, tolerant: bool) -> bool:
    """basicConstraints CA:TRUE and keyCertSign; ``tolerant`` as OpenSSL is with anchors.

    These may be of version 1, or have keyUsage or Netscape's type alone.
    """
    if not certificate.may_sign_certificates:
        return False
    if certificate.basic_constraints is not None or not tolerant:
        return certificate.is_ca
    if certificate.key_usage is not None or (certificate.is_version_1 and looks_self_signed(certificate)):
        return True
    return _NETSCAPE_CA in (certificate.netscape_type or ())


def level_fault(path: Path) -> Fault | None:
    """Return which key or signature on ``path`` is too weak for OpenSSL's security level 1, that of Postfix.

    The signature of the anchor proves nothing, so it may be of any kind. Raises CertificateError.
    """
    for depth, certificate in enumerate(path):
        weak = security_level.key_fault(certificate) if depth else None
        if weak:
            return Fault(INVALID, f"the key of {certificate.subject_text} has {weak}")
        weak = security_level.signature_fault(certificate) if depth < len(path) - 1 else None
        if weak:
            return Fault(INVALID, f"{certificate.subject_text} is signed with {weak}")
    return None


def algorithm_fault(path: Path) -> Fault | None:
    """Return which certificate below the anchor names two signature algorithms (RFC 5280 section 4.1.1.2)."""
    for certificate in path[:-1]:
        if not certificate.algorithms_equal:
            return Fault(INVALID, f"{certificate.subject_text} names another signature algorithm inside than outside")
    return None


def extension_fault(path: Path, tolerant_anchor: bool = False) -> Fault | None:
    """Return what the extensions forbid on ``path`` (leaf first, anchor last): CA flag, path length, purpose.

    The anchor is held to the same rules: a sender that finds it in the message sees no difference.
    """
    below = 0
    for depth, certificate in enumerate(path):
        subject = certificate.subject_text
        strange = certificate.critical_extensions - security_level.HANDLED
        if strange:
            return Fault(INVALID, f"{subject} has the unknown critical extension {min(strange)}")
        if depth and not _is_issuing(certificate, tolerant_anchor and depth == len(path) - 1):
            return Fault(INVALID, f"{subject} may not issue certificates (basicConstraints, keyUsage)")
        if not certificate.eku_allows_server_auth:
            return Fault(INVALID, f"extKeyUsage of {subject} lacks serverAuth")
        if not depth and not _netscape_allows_tls(certificate):
            return Fault(INVALID, f"the Netscape type of {subject} is not that of a TLS server")
        if len(path) > 1 and certificate.has_explicit_curve:
            return Fault(INVALID, f"the key of {subject} is on a curve without a name")
        if not depth and not certificate.key_usage_allows_tls:
            return Fault(INVALID, f"keyUsage of {subject} allows nothing that a TLS server does")
        limit = certificate.path_length
        # OpenSSL takes a number that does not fit into a long for no limit.
        if depth > 1 and limit is not None and limit < _LONG and below > limit:
            return Fault(INVALID, f"{subject} allows {limit} issuers below it, here are {below}")
        if depth and not certificate.is_self_issued:
            below += 1
    return None


def _netscape_allows_tls(leaf: Certificate) -> bool:
    kinds = leaf.netscape_type
    return kinds is None or _NETSCAPE_SERVER in kinds


def constraint_fault(path: Path) -> Fault | None:
    """Return which name constraint of an issuer on ``path`` is violated below it (RFC 5280 section 6.1.3)."""
    for depth, certificate in enumerate(path):
        if depth and certificate.is_self_issued:
            continue
        for issuer in path[depth + 1 :]:
            violated = name_constraints.violation(certificate, issuer, depth == 0)
            if violated:
                return Fault(INVALID, violated)
    return None


def name_fault(leaf: Certificate, names: c.Sequence[str]) -> Fault | None:
    """Return the fault of a leaf that has none of ``names`` (RFC 7672 section 3.2.3).

    The common name counts only when subjectAltName has no DNS name.
    """
    presented = leaf.dns_names or leaf.common_names
    if any(pki_names.name_matches(own, name) for own in presented for name in names):
        return None
    return wrong_name(presented, names)


def wrong_name(presented: c.Sequence[str], names: c.Sequence[str]) -> Fault:
    """Return the fault of a leaf with the names ``presented``, of which none is among ``names``."""
    shown = ", ".join(presented[:5]) or "no DNS name"
    return Fault(NAME, f"the certificate has {shown}; wanted is {' or '.join(names) or 'a name'}")
