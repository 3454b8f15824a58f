# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What OpenSSL 3 refuses in certificates at security level 1, that of Postfix once it has to authenticate a server.

The level wants 80 bits of security of keys and digests, see SSL_CTX_set_security_level(3). Pure. Private to the
collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import der, names
from ansible_collections.mailsec.dane.plugins.module_utils._pki import extensions as pki_extensions
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, CertificateError

#: Type of key -> bits from which on OpenSSL 3 counts 80 bits of security (measured).
_LEAST_BITS: t.Final = {"rsa": 920, "dsa": 920, "ec": 160}
_WEAK_HASHES: t.Final = frozenset({"md5", "sha1"})
#: Extensions that OpenSSL decodes of every certificate that may be on a path; one that fails spoils the certificate.
_DECODED: t.Final[t.Mapping[str, t.Callable[[bytes], object]]] = {
    pki_extensions.BASIC_CONSTRAINTS: pki_extensions.basic_constraints,
    pki_extensions.KEY_USAGE: pki_extensions.key_usage,
    pki_extensions.EXTENDED_KEY_USAGE: pki_extensions.identifiers,
    pki_extensions.NETSCAPE_TYPE: der.named_bits,
    pki_extensions.SUBJECT_KEY_IDENTIFIER: pki_extensions.octets,
    pki_extensions.AUTHORITY_KEY_IDENTIFIER: pki_extensions.authority_key_identifier,
    pki_extensions.SUBJECT_ALTERNATIVE_NAME: pki_extensions.general_names,
    pki_extensions.NAME_CONSTRAINTS: pki_extensions.name_constraints,
    pki_extensions.CRL_DISTRIBUTION_POINTS: lambda data: der.children(data, der.read_first(data, der.SEQUENCE)),
    pki_extensions.PROXY_CERTIFICATE: lambda data: der.children(data, der.read_first(data, der.SEQUENCE)),
}
#: The extensions whose meaning OpenSSL honours; any other one marked critical ends the path (RFC 5280 section 4.2).
HANDLED: t.Final = frozenset(
    {
        *(set(_DECODED) - {pki_extensions.SUBJECT_KEY_IDENTIFIER, pki_extensions.AUTHORITY_KEY_IDENTIFIER}),
        "2.5.29.32",  # certificatePolicies: any policy will do
        "2.5.29.33",  # policyMappings
        "2.5.29.36",  # policyConstraints
        "2.5.29.54",  # inhibitAnyPolicy
        "1.3.6.1.5.5.7.48.1.5",  # OCSP no check
        "1.3.6.1.5.5.7.1.7",  # IP address blocks (RFC 3779)
        "1.3.6.1.5.5.7.1.8",  # autonomous systems (RFC 3779)
    }
)
#: Types of the values in a name that OpenSSL reads: BIT STRING, SEQUENCE, and the strings (X.520).
_IN_NAMES: t.Final = frozenset({0x03, 0x30, 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1C, 0x1E})
#: Those that it decodes to compare names: UTF8String, UniversalString, BMPString.
_DECODED_IN_NAMES: t.Final = frozenset({0x0C, 0x1C, 0x1E})


def parse_fault(certificate: Certificate) -> str | None:
    """Say why OpenSSL does not read the certificate at all, None when it does."""
    try:
        certificate.version, certificate.extensions, certificate.algorithms_alike  # noqa: B018 - reading is the check
        certificate.key_type  # noqa: B018 - an algorithm that is not an OBJECT IDENTIFIER spoils all
        if not certificate.has_times or not certificate.serial:
            return "its validity or its serial number is not one"
    except CertificateError as error:
        return str(error)
    for name in (certificate.issuer, certificate.subject):
        try:
            attributes = [one for relative in names.relative_names(name) for one in relative]
        except der.DerError as error:
            return f"a name in it does not parse: {error}"
        for one in attributes:
            odd_bits = one.tag == der.BIT_STRING and (not one.value or one.value[0] > 7)
            if one.tag not in _IN_NAMES or odd_bits or (one.tag in _DECODED_IN_NAMES and one.text is None):
                return f"a name in it has a value of a form that it does not know (tag {one.tag:#04x})"
    return None


def key_fault(certificate: Certificate) -> str | None:
    """Say which key is too weak, or cannot be used at all; None when it will do."""
    try:
        kind, bits = certificate.key_type, certificate.key_bits
    except CertificateError:
        return "a form that cannot be read"
    if bits < _LEAST_BITS.get(kind, 0):
        return f"{bits} bits ({kind.upper()})"
    return None


def signature_fault(certificate: Certificate) -> str | None:
    """Say which digest the signature rests on that is too weak; None when it will do. Raises CertificateError."""
    found = certificate.signature_hash
    return found.upper() if found in _WEAK_HASHES else None


def is_spoilt(certificate: Certificate) -> bool:
    """Say whether OpenSSL puts the certificate on no path, because an extension that it needs does not decode."""
    try:
        extensions = certificate.extensions
        for oid, decode in _DECODED.items():
            found = [one for one in extensions if one.oid == oid]
            if len(found) > 1:
                return True
            decoded = decode(found[0].value) if found else None
            if oid == pki_extensions.KEY_USAGE and decoded == frozenset():
                return True
        length = certificate.path_length
    except (CertificateError, der.DerError):
        return True
    return length is not None and length < 0
