# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates as GnuTLS 3.7 reads and compares them, the library of Exim on Debian.

Pure. Private to the collection.
"""

from __future__ import annotations

import functools
import itertools
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import der, extensions, name_constraints
from ansible_collections.mailsec.dane.plugins.module_utils._pki import names as pki_names
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, CertificateError

#: The extensions whose meaning GnuTLS honours; any other one marked critical ends the path (RFC 5280 section 4.2).
HANDLED: t.Final = frozenset(
    {
        "2.5.29.14",  # subjectKeyIdentifier
        "2.5.29.15",  # keyUsage
        "2.5.29.17",  # subjectAltName
        "2.5.29.18",  # issuerAltName
        "2.5.29.19",  # basicConstraints
        "2.5.29.30",  # nameConstraints
        "2.5.29.31",  # cRLDistributionPoints
        "2.5.29.32",  # certificatePolicies
        "2.5.29.35",  # authorityKeyIdentifier
        "2.5.29.37",  # extKeyUsage
        "2.5.29.54",  # inhibitAnyPolicy
        "1.3.6.1.5.5.7.1.1",  # authorityInfoAccess
        "1.3.6.1.5.5.7.1.14",  # proxy certificate
        "1.3.6.1.5.5.7.1.24",  # TLS Feature
    }
)
_KNOWN_FORMS: t.Final = frozenset(
    {
        extensions.OTHER_NAME, extensions.EMAIL, extensions.DNS_NAME, extensions.DIRECTORY_NAME, extensions.URI,
        extensions.IP_ADDRESS, extensions.REGISTERED_ID,
    }
)  # fmt: skip
_VALUE_OF_OTHER_NAME: t.Final = 0xA0
_ALTERNATIVE_NAMES: t.Final = (extensions.SUBJECT_ALTERNATIVE_NAME, extensions.ISSUER_ALTERNATIVE_NAME)
_CURVES: t.Final = frozenset({"secp192r1", "secp224r1", "secp256r1", "secp384r1", "secp521r1"})
#: Octets of a key identifier up to which GnuTLS compares it.
_MAX_KEY_IDENTIFIER: t.Final = 128
#: Path lengths from which on GnuTLS does not read basicConstraints.
_LONG: t.Final = 1 << 32
#: Names of these forms in subjectAltName end the use of the common name (RFC 6125 section 6.4.4).
_INSTEAD_OF_COMMON_NAME: t.Final = frozenset({extensions.DNS_NAME, extensions.URI, extensions.IP_ADDRESS})
#: A directory name without parts, at which GnuTLS stops reading subjectAltName.
_NO_NAME: t.Final = extensions.GeneralName(extensions.DIRECTORY_NAME, b"\x30\x00")
#: Forms of names on which it reads constraints, and those of them that it does not compare.
_CONSTRAINED: t.Final = frozenset(
    {extensions.DNS_NAME, extensions.EMAIL, extensions.DIRECTORY_NAME, extensions.URI, extensions.IP_ADDRESS}
)
_NOT_COMPARED: t.Final = frozenset({extensions.DIRECTORY_NAME, extensions.URI})
_WEAK_HASHES: t.Final = frozenset({"md5", "sha1"})
#: The strings that it decodes, and as what: UTF8String, PrintableString, TeletexString, BMPString.
_STRINGS: t.Final[t.Mapping[int, str]] = {0x0C: "utf-8", 0x13: "utf-8", 0x14: "ascii", 0x1E: "utf-16-be"}
#: The attribute types whose values it decodes; it compares all others as bytes (measured, each with real Exim).
_DECODED_TYPES: t.Final = frozenset(
    {
        *(f"2.5.4.{number}" for number in (3, 4, 7, 8, 9, 10, 11, 12, 13, 15, 17, 41, 42, 43, 44, 65)),
        "0.9.2342.19200300.100.1.1", "1.3.6.1.5.5.7.9.2",
        "1.3.6.1.4.1.311.60.2.1.1", "1.3.6.1.4.1.311.60.2.1.2",
    }
)  # fmt: skip
#: What CA certificates of the nineties have instead of serverAuth (Netscape, VeriSign).
_OLD_PURPOSES: t.Final = ("2.16.840.1.113730.4.1", "2.16.840.1.113733.1.8.1")
_ANY_PURPOSE, _SERVER_AUTH = "2.5.29.37.0", "1.3.6.1.5.5.7.3.1"


@functools.lru_cache(maxsize=512)
def import_fault(certificate: Certificate) -> str | None:
    """Say why GnuTLS does not read the certificate at all, None when it does; its key is another matter."""
    try:
        return _import_fault(certificate)
    except CertificateError as error:
        return str(error)


def _import_fault(certificate: Certificate) -> str | None:
    if _name(certificate.subject) is None or _name(certificate.issuer) is None:
        return "a name in it does not parse"
    if not certificate.serial:
        return "it has no serial number"
    if not certificate.algorithms_alike:
        return "the signature algorithm inside is not the one outside (RFC 5280 section 4.1.1.2)"
    found, version = [one.oid for one in certificate.extensions], certificate.version
    if found and version < 3:
        return f"extensions in a certificate of version {version} (RFC 5280 section 4.1.2.9)"
    twice = sorted(oid for oid in set(found) if found.count(oid) > 1)
    if twice:
        return f"the extension {twice[0]} stands there twice (RFC 5280 section 4.2)"
    for extension in certificate.extensions:
        if extension.oid in _ALTERNATIVE_NAMES and not extension.is_whole:
            return "bytes behind an alternative name"
    certificate.loose_validity  # noqa: B018 - reading it is the check
    for form, value in (*(certificate.subject_alternative_name or ()), *(certificate.issuer_alternative_name or ())):
        if form not in _KNOWN_FORMS:
            return "an alternative name of a form that it does not know"
        if not value:
            return "an empty alternative name"
        if form == extensions.DIRECTORY_NAME and _name(value) is None:
            return "an alternative name that is a directory name and does not parse"
        if form == extensions.OTHER_NAME and not _is_other_name(value):
            return "an alternative name that is an otherName and does not parse"
    return None


def _is_other_name(content: bytes) -> bool:
    """Say whether the content has an OBJECT IDENTIFIER, then one value in [0] (RFC 5280 section 4.2.1.6)."""
    try:
        kind = der.read(content)
        value = der.read(content, kind.end)
        inner = der.read(content, value.body, value.end)
    except der.DerError:
        return False
    # It is not particular about the OBJECT IDENTIFIER, but for one that is empty or begins with padding.
    named = kind.tag == der.OBJECT_IDENTIFIER and kind.end > kind.body and content[kind.body] != 0x80
    return named and value.tag == _VALUE_OF_OTHER_NAME and inner.end == value.end == len(content)


def key_fault(certificate: Certificate) -> str | None:
    """Say why GnuTLS does not read the certificate or its key, None when it does."""
    return import_fault(certificate) or (None if spki(certificate) else "its key has a form that it does not know")


def spki(certificate: Certificate) -> bytes:
    """Return the public key as GnuTLS writes it, and compares it with records; b'' when it does not read it.

    It knows few curves, and points in full only, not compressed.
    """
    written = certificate.reencoded_spki
    if written and certificate.pss_parameters is not None:
        return certificate.spki
    if written and certificate.key_type == "ec":
        curve = getattr(certificate.public_key, "curve", None)
        if len(written) != len(certificate.spki) or getattr(curve, "name", "") not in _CURVES:
            return b""
    return written


def has_empty_subject_parts(certificate: Certificate) -> bool:
    """Say whether the subject has parts, but none with an attribute: GnuTLS aborts when it writes that as text."""
    name = pki_names.relative_names(certificate.subject)
    return bool(name) and not any(name)


def subject_fault(certificate: Certificate) -> str | None:
    """Say why GnuTLS cannot write the subject as text, None when it can."""
    for part in pki_names.relative_names(certificate.subject):
        if any(one.kind in _DECODED_TYPES and not one.value for one in part):
            return "an attribute of its subject is empty"
    return None


def is_issuer(child: Certificate, issuer: Certificate) -> bool:
    """Say whether GnuTLS takes ``issuer`` for the issuer of ``child``, by name and key identifier."""
    if child.issuer != issuer.subject:
        wanted = _name(child.issuer)
        if wanted is None or wanted != _name(issuer.subject):
            return False
    authority, key = _key_of_issuer(child), _own_key(issuer)
    return not authority or not key or authority == key


def _key_of_issuer(certificate: Certificate) -> bytes:
    """The key identifier of authorityKeyIdentifier, b'' where GnuTLS gets none."""
    try:
        found = certificate.authority_key_identifier
    except CertificateError:
        return b""
    return _identifier(certificate, extensions.AUTHORITY_KEY_IDENTIFIER, found.key_identifier if found else None)


def _own_key(certificate: Certificate) -> bytes:
    """The content of subjectKeyIdentifier, b'' where GnuTLS gets none."""
    try:
        found = certificate.subject_key_identifier
    except CertificateError:
        return b""
    return _identifier(certificate, extensions.SUBJECT_KEY_IDENTIFIER, found)


def _identifier(certificate: Certificate, oid: str, found: bytes | None) -> bytes:
    whole = all(one.is_whole for one in certificate.extensions if one.oid == oid)
    return found if found and whole and len(found) <= _MAX_KEY_IDENTIFIER else b""


def _name(name: bytes) -> tuple[tuple[tuple[str, str | bytes], ...], ...] | None:
    """Return the DER ``name`` in a form in which equal names are equal, None for what is not a name."""
    try:
        found = pki_names.relative_names(name)
    except der.DerError:
        return None
    return tuple(tuple((one.kind, _text(one) or bytes([one.tag]) + one.value) for one in rdn) for rdn in found)


def _text(one: pki_names.Attribute) -> str | None:
    """The value as text where GnuTLS decodes it, and then compares names with regard to case."""
    if one.kind not in _DECODED_TYPES or one.tag not in _STRINGS:
        return None
    try:
        text = one.value.decode(_STRINGS[one.tag])
    except UnicodeError:
        return None
    return None if "\0" in text else text


def has_name(leaf: Certificate, name: str) -> bool:
    """Say whether GnuTLS finds the host name in the certificate. Raises CertificateError."""
    names = list(itertools.takewhile(lambda one: one != _NO_NAME, leaf.subject_alternative_name or ()))
    forms = {one.form for one in names}
    presented = tuple(one.value.decode("latin-1") for one in names if one.form == extensions.DNS_NAME)
    if not forms & _INSTEAD_OF_COMMON_NAME and _is_for_servers(leaf):
        # Of several, none is the one that is meant.
        found = _common_names(leaf)
        presented = (found[0].text or "",) if len(found) == 1 and found[0].tag in _STRINGS else ()
    return any(pki_names.gnutls_name_matches(one, name) for one in presented)


def _common_names(leaf: Certificate) -> tuple[pki_names.Attribute, ...]:
    try:
        return pki_names.common_names(leaf.subject)
    except der.DerError as error:
        raise CertificateError(f"the subject of the certificate cannot be read: {error}") from error


def _is_for_servers(leaf: Certificate) -> bool:
    purposes = leaf.extended_key_usage
    known = {_ANY_PURPOSE, _SERVER_AUTH, *(_OLD_PURPOSES if leaf.is_ca else ())}
    return not purposes or bool(purposes & known)


def link_fault(leaf: Certificate, issuer: Certificate) -> str | None:
    """Say why GnuTLS does not take ``leaf`` as issued by ``issuer``, leaving dates and name constraints aside.

    Raises CertificateError.
    """
    if not spki(issuer):
        return f"the key of {issuer.subject_text} has a form that GnuTLS does not know"
    if not leaf.signed_by(issuer):
        return f"the signature of {leaf.subject_text} does not verify"
    if leaf.signature_hash in _WEAK_HASHES and not is_issuer(leaf, leaf):
        return f"{leaf.subject_text} is signed with {leaf.signature_hash.upper()}"
    if issuer.version != 1 and not (_is_ca(issuer) and _may_sign(issuer)):
        return f"{issuer.subject_text} may not issue certificates (basicConstraints, keyUsage)"
    for certificate in (leaf, issuer):
        strange = certificate.critical_extensions - HANDLED
        if strange:
            return f"{certificate.subject_text} has the critical extension {min(strange)}, which GnuTLS does not know"
    if issuer.tls_features and not issuer.tls_features <= (leaf.tls_features or frozenset()):
        return f"the TLS features of {issuer.subject_text} are not all in {leaf.subject_text} (RFC 7633 section 4.2.2)"
    return None


def constraint_fault(leaf: Certificate, issuer: Certificate) -> str | None:
    """Say which name of ``leaf`` the constraints of ``issuer`` forbid for GnuTLS. Raises CertificateError.

    It cannot compare directory names and URIs: what is permitted of these it does not ask, what is excluded ends the
    path as soon as the certificate has one. A constraint that it does not read ends the path, too.
    """
    constraints = issuer.name_constraints
    if constraints is None:
        return None
    for base in (*constraints.permitted, *constraints.excluded):
        if not _is_read(base):
            return f"{issuer.subject_text} has a name constraint that GnuTLS does not read"
    there = name_constraints.all_names(leaf, True)
    for base in constraints.excluded:
        # Every certificate has a subject, if an empty one.
        concerned = base.form == extensions.DIRECTORY_NAME or any(one.form == base.form for one in there)
        if base.form in _NOT_COMPARED and base.value != _NO_NAME.value and concerned:
            return f"{issuer.subject_text} excludes names of a form that GnuTLS does not compare"
    compared = extensions.NameConstraints(*(
        tuple(
            base._replace(value=base.value.removesuffix(b".")) if base.form == extensions.DNS_NAME else base
            for base in bases
            if base.form not in _NOT_COMPARED
        )
        for bases in (constraints.permitted, constraints.excluded)
    ))  # fmt: skip
    return name_constraints.forbidden((one for one in there if one.form not in _NOT_COMPARED), compared, issuer)


def _is_read(base: extensions.Subtree) -> bool:
    """Say whether it reads the base of a name constraint."""
    if base.form == extensions.DNS_NAME:
        return b".." not in base.value and base.value != b"."
    if base.form == extensions.IP_ADDRESS:
        half = len(base.value) // 2
        mask = f"{int.from_bytes(base.value[half:], 'big'):0{8 * half}b}"
        return len(base.value) in (8, 32) and "01" not in mask
    return base.form in _CONSTRAINED


def _is_ca(issuer: Certificate) -> bool:
    found = [one for one in issuer.extensions if one.oid == extensions.BASIC_CONSTRAINTS]
    if not found:
        return is_issuer(issuer, issuer)
    try:
        return issuer.is_ca and found[0].is_whole and (issuer.path_length or 0) < _LONG
    except CertificateError:
        return False


def _may_sign(issuer: Certificate) -> bool:
    return issuer.key_usage is None or issuer.may_sign_certificates
