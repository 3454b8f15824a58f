# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What senders' TLS libraries refuse before any TLSA record counts: versions, cipher suites, keys and their use.

Pure. Private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import gnutls, security_level
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import (
    DIGITAL_SIGNATURE,
    KEY_AGREEMENT,
    KEY_ENCIPHERMENT,
    Certificate,
    CertificateError,
)
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certification_path import Fault

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Probe

KEY_USAGE: t.Final = "certificate-key-usage"
WEAK_KEY: t.Final = "certificate-key-weak"
MALFORMED: t.Final = "certificate-malformed"
OLD_TLS: t.Final = "tls-version-too-old"
NO_CIPHER: t.Final = "tls-handshake-failed"

_OLD_VERSIONS: t.Final = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})
#: How names of cipher suites of OpenSSL begin where the key signs, or does not take part; others encrypt to the key.
_SIGNING: t.Final = ("ECDHE-", "DHE-", "TLS_", "ADH-", "AECDH-")
#: Cipher suites of TLS 1.2 and before (OpenSSL names) that GnuTLS offers with its priority NORMAL (measured).
_OF_GNUTLS: t.Final = re.compile(
    r"((ECDHE-(RSA|ECDSA)|DHE-RSA)-)?AES(128|256)-(GCM-SHA256|GCM-SHA384|CCM|SHA)"
    r"|(ECDHE-(RSA|ECDSA)|DHE-RSA)-CHACHA20-POLY1305"
)


class Session(t.NamedTuple):
    """TLS as negotiated with the server: version (``TLSv1.3``) and cipher suite (OpenSSL name), '' when not known.

    ``stops``: senders that do not get as far, and the code that says why (see ``Probe``).
    """

    tls_version: str = ""
    cipher: str = ""
    stops: tuple[tuple[str, str], ...] = ()

    @property
    def encrypts_to_the_key(self) -> bool:
        """Whether the client encrypts the secret to the server's RSA key, which signs nothing (RFC 5246 7.4.7.1)."""
        return bool(self.cipher) and not self.cipher.startswith(_SIGNING)


def session_of(probe: Probe, probes: c.Iterable[Probe]) -> Session:
    """Return the session that a sender would have where ``probe`` was shown its chain; ``probes`` are all of the host.

    To insist on a type of key we may have to do without TLS 1.3, which senders do not do.
    """
    if probe.key_type is not None:
        for one in probes:
            if one.endpoint == probe.endpoint and one.key_type is None and one.tls_version != probe.tls_version:
                return Session(one.tls_version or probe.tls_version, stops=probe.stops)
    return Session(probe.tls_version, probe.cipher, probe.stops)


def openssl_fault(chain: c.Sequence[Certificate], session: Session) -> Fault | None:
    """Return why Postfix does not get as far as the TLSA records; it authenticates at OpenSSL's security level 1.

    That level has no signatures with SHA-1, and TLS before 1.2 has no others.
    """
    for certificate in chain:
        unreadable = security_level.parse_fault(certificate)
        if unreadable:
            return Fault(MALFORMED, f"OpenSSL does not read {certificate.subject_text}: {unreadable}")
    leaf = chain[0]
    if session.tls_version in _OLD_VERSIONS and not session.encrypts_to_the_key:
        return Fault(OLD_TLS, f"{session.tls_version} signs with SHA-1, which Postfix refuses once it authenticates")
    if session.tls_version == "TLSv1.2" and leaf.key_type == "ec" and not _may_sign(leaf):
        return Fault(KEY_USAGE, "keyUsage lacks digitalSignature, which OpenSSL wants of EC keys before TLS 1.3")
    weak = security_level.key_fault(leaf)
    return Fault(WEAK_KEY, f"the key of the server has {weak}") if weak else None


def _may_sign(leaf: Certificate) -> bool:
    try:
        return leaf.key_usage is None or DIGITAL_SIGNATURE in leaf.key_usage
    except CertificateError:
        return True


def gnutls_fault(chain: c.Sequence[Certificate], session: Session) -> Fault | None:
    """Return why Exim does not get as far as the TLSA records.

    Before TLS 1.3 GnuTLS reads every certificate of the message in the handshake, then only that of the server.
    """
    for certificate in chain[:1] if session.tls_version == "TLSv1.3" else chain:
        unreadable = gnutls.key_fault(certificate)
        if unreadable:
            return Fault(MALFORMED, f"GnuTLS does not read {certificate.subject_text}: {unreadable}")
    if gnutls.has_empty_subject_parts(chain[0]):
        return Fault(MALFORMED, "no part of the subject of the server has an attribute, which ends GnuTLS")
    if chain[0].pss_parameters:
        return Fault(MALFORMED, "the RSASSA-PSS key of the server has parameters, which GnuTLS does not cope with")
    if session.cipher and session.tls_version != "TLSv1.3" and not _OF_GNUTLS.fullmatch(session.cipher):
        return Fault(NO_CIPHER, f"GnuTLS does not offer {session.cipher}, the best that the server has")
    try:
        usage = chain[0].key_usage
    except CertificateError:
        # What GnuTLS cannot decode it takes for absent.
        return None
    if not usage:
        return None
    if session.encrypts_to_the_key:
        if not usage & {KEY_ENCIPHERMENT, KEY_AGREEMENT}:
            return Fault(KEY_USAGE, "keyUsage lacks keyEncipherment, and TLS encrypts to the key of the server")
    elif DIGITAL_SIGNATURE not in usage:
        return Fault(KEY_USAGE, "keyUsage lacks digitalSignature, and the key of the server signs in TLS")
    return None
