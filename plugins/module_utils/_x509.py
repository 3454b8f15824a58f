# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates as the raw bytes a server sends: names, dates, extensions, and the key exactly as encoded.

The structure is sliced out of the DER by offsets, because a library that parses and re-encodes may
change the bytes a TLSA digest is taken of. Everything else is read through ``cryptography``, and only
when asked for. Pure. Private to the collection.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import hashlib
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _der, _names

try:
    from cryptography import exceptions, x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

if t.TYPE_CHECKING:
    import collections.abc as c
    import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

T = t.TypeVar("T")
E = t.TypeVar("E", bound="x509.ExtensionType")

_MAX_INPUT_BYTES: t.Final = 16 * 1024 * 1024
_MAX_CERTIFICATES: t.Final = 2000
_PEM: t.Final = re.compile(rb"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]{0,40})-----")

#: Signature algorithm OID -> (name of RFC 8017/5758/8410, family of the key that makes such signatures).
_SIGNATURES: t.Final[t.Mapping[str, tuple[str, str]]] = {
    "1.2.840.113549.1.1.4": ("md5WithRSAEncryption", "rsa"),
    "1.2.840.113549.1.1.5": ("sha1WithRSAEncryption", "rsa"),
    "1.2.840.113549.1.1.10": ("id-RSASSA-PSS", "rsa"),
    "1.2.840.113549.1.1.11": ("sha256WithRSAEncryption", "rsa"),
    "1.2.840.113549.1.1.12": ("sha384WithRSAEncryption", "rsa"),
    "1.2.840.113549.1.1.13": ("sha512WithRSAEncryption", "rsa"),
    "1.2.840.113549.1.1.14": ("sha224WithRSAEncryption", "rsa"),
    "1.2.840.10040.4.3": ("dsa-with-sha1", "dsa"),
    "2.16.840.1.101.3.4.3.2": ("dsa-with-sha256", "dsa"),
    "1.2.840.10045.4.1": ("ecdsa-with-SHA1", "ec"),
    "1.2.840.10045.4.3.1": ("ecdsa-with-SHA224", "ec"),
    "1.2.840.10045.4.3.2": ("ecdsa-with-SHA256", "ec"),
    "1.2.840.10045.4.3.3": ("ecdsa-with-SHA384", "ec"),
    "1.2.840.10045.4.3.4": ("ecdsa-with-SHA512", "ec"),
    "1.3.101.112": ("Ed25519", "ed25519"),
    "1.3.101.113": ("Ed448", "ed448"),
}


class CertificateError(ValueError):
    """The input is no certificate, or a field of it cannot be read; the message names which and why."""


def refusals() -> tuple[type[Exception], ...]:
    """What ``cryptography`` raises for content it refuses; a function because the library may be absent."""
    return (
        ValueError, TypeError, AttributeError, exceptions.UnsupportedAlgorithm, x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType, x509.InvalidVersion,
    )


@dataclasses.dataclass(frozen=True)
class _Outline:
    """The slices of a certificate that are needed as raw bytes (RFC 5280 section 4.1)."""

    tbs: bytes
    issuer: bytes
    subject: bytes
    spki: bytes


def _outline(der: bytes) -> _Outline:
    outer = _der.read_whole(der, _der.SEQUENCE)
    parts = _der.children(der, outer)
    if len(parts) != 3:
        raise _der.DerError(f"offset 0: a certificate has 3 parts, this has {len(parts)}")
    tbs = _der.expect(parts[0], _der.SEQUENCE, "the to-be-signed certificate")
    _der.expect(parts[1], _der.SEQUENCE, "the signature algorithm")
    _der.expect(parts[2], _der.BIT_STRING, "the signature")
    fields = _der.children(der, tbs)
    first = 1 if fields and fields[0].tag == 0xA0 else 0
    if len(fields) < first + 6:
        raise _der.DerError(f"offset {tbs.start}: the certificate lacks fields")
    _der.expect(fields[first], _der.INTEGER, "the serial number")
    for offset, what in ((1, "signature algorithm"), (2, "issuer"), (3, "validity"), (4, "subject"), (5, "public key")):
        _der.expect(fields[first + offset], _der.SEQUENCE, f"the {what}")

    def cut(element: _der.Element) -> bytes:
        return der[element.start : element.end]

    spki = cut(fields[first + 5])
    check_spki(spki)
    return _Outline(cut(tbs), cut(fields[first + 2]), cut(fields[first + 4]), spki)


def check_spki(spki: bytes) -> None:
    """Raise DerError unless ``spki`` is exactly one SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7)."""
    parts = _der.children(spki, _der.read_whole(spki, _der.SEQUENCE))
    if len(parts) != 2:
        raise _der.DerError("offset 0: a SubjectPublicKeyInfo has an algorithm and a key")
    algorithm = _der.children(spki, _der.expect(parts[0], _der.SEQUENCE, "the algorithm"))
    if not 1 <= len(algorithm) <= 2:
        raise _der.DerError("offset 0: an AlgorithmIdentifier has an identifier and at most one parameter")
    _der.expect(algorithm[0], _der.OBJECT_IDENTIFIER, "the algorithm identifier")
    key = _der.expect(parts[1], _der.BIT_STRING, "the key")
    if key.body == key.end or spki[key.body] != 0:
        raise _der.DerError("offset 0: the key is no whole number of bytes")


def check_public_key(spki: bytes) -> None:
    """Raise CertificateError unless ``spki`` is exactly one key of a type that can be decoded here."""
    if not HAS_CRYPTOGRAPHY:
        raise CertificateError("the Python library cryptography is not installed")
    try:
        check_spki(spki)
        serialization.load_der_public_key(spki)
    except refusals() as error:
        raise CertificateError(f"this is no public key: {error}") from error


@dataclasses.dataclass(frozen=True)
class Certificate:
    """One X.509 certificate; equal when its bytes are equal.

    Every property may raise CertificateError when that part of the certificate cannot be read.
    """

    der: bytes

    def __repr__(self) -> str:
        return f"Certificate({hashlib.sha256(self.der).hexdigest()[:16]})"

    @functools.cached_property
    def _outline(self) -> _Outline:
        try:
            return _outline(self.der)
        except _der.DerError as error:
            raise CertificateError(f"this is no DER certificate: {error}") from error

    @functools.cached_property
    def _parsed(self) -> x509.Certificate:
        if not HAS_CRYPTOGRAPHY:
            raise CertificateError("the Python library cryptography is not installed")
        try:
            return x509.load_der_x509_certificate(self.der)
        except refusals() as error:
            raise CertificateError(f"the certificate does not parse: {error}") from error

    def _field(self, what: str, getter: c.Callable[[x509.Certificate], T]) -> T:
        parsed = self._parsed
        try:
            return getter(parsed)
        except refusals() as error:
            raise CertificateError(f"{what} of the certificate cannot be read: {error}") from error

    @property
    def tbs(self) -> bytes:
        """Raw DER of the part the issuer signed."""
        return self._outline.tbs

    @property
    def spki(self) -> bytes:
        """Raw DER of the SubjectPublicKeyInfo, never re-encoded (RFC 6698 section 2.1.2)."""
        return self._outline.spki

    @property
    def subject(self) -> bytes:
        """Raw DER of the subject name."""
        return self._outline.subject

    @property
    def issuer(self) -> bytes:
        """Raw DER of the issuer name."""
        return self._outline.issuer

    @functools.cached_property
    def subject_name(self) -> x509.Name:
        """The subject as an object of ``cryptography``."""
        return self._field("the subject", lambda cert: cert.subject)

    @functools.cached_property
    def subject_text(self) -> str:
        """The subject as RFC 4514 writes it."""
        return self._field("the subject", lambda cert: cert.subject.rfc4514_string())

    @functools.cached_property
    def issuer_text(self) -> str:
        """The issuer as RFC 4514 writes it."""
        return self._field("the issuer", lambda cert: cert.issuer.rfc4514_string())

    @functools.cached_property
    def serial(self) -> int:
        """The serial number."""
        return self._field("the serial number", lambda cert: cert.serial_number)

    @functools.cached_property
    def not_before(self) -> datetime.datetime:
        """First moment of the validity, aware, UTC."""
        return self._field("the validity", lambda cert: cert.not_valid_before_utc)

    @functools.cached_property
    def not_after(self) -> datetime.datetime:
        """Last moment of the validity, aware, UTC."""
        return self._field("the validity", lambda cert: cert.not_valid_after_utc)

    @functools.cached_property
    def critical_extensions(self) -> frozenset[str]:
        """Dotted identifiers of the extensions marked critical (RFC 5280 section 4.2)."""
        return self._field(
            "an extension", lambda cert: frozenset(ext.oid.dotted_string for ext in cert.extensions if ext.critical)
        )

    @property
    def is_version_1(self) -> bool:
        """The certificate has no extensions because its version knows none (RFC 5280 section 4.1.2.1)."""
        return self._field("the version", lambda cert: cert.version is x509.Version.v1)

    @functools.cached_property
    def dns_names(self) -> tuple[str, ...]:
        """The dNSName entries of subjectAltName, in order, lower case."""
        san = self.subject_alternative_name
        return tuple(name.lower() for name in san.get_values_for_type(x509.DNSName)) if san else ()

    @functools.cached_property
    def common_names(self) -> tuple[str, ...]:
        """The common names of the subject, in order, lower case."""
        return self._field(
            "the subject",
            lambda cert: tuple(
                str(name.value).lower() for name in cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            ),
        )

    @functools.cached_property
    def subject_alternative_name(self) -> x509.SubjectAlternativeName | None:
        """The extension of RFC 5280 section 4.2.1.6, or None."""
        return self._field("subjectAltName", lambda cert: _extension(cert, x509.SubjectAlternativeName))

    @functools.cached_property
    def basic_constraints(self) -> x509.BasicConstraints | None:
        """The extension of RFC 5280 section 4.2.1.9, or None."""
        return self._field("basicConstraints", lambda cert: _extension(cert, x509.BasicConstraints))

    @functools.cached_property
    def key_usage(self) -> x509.KeyUsage | None:
        """The extension of RFC 5280 section 4.2.1.3, or None."""
        return self._field("keyUsage", lambda cert: _extension(cert, x509.KeyUsage))

    @functools.cached_property
    def name_constraints(self) -> x509.NameConstraints | None:
        """The extension of RFC 5280 section 4.2.1.10, or None."""
        return self._field("nameConstraints", lambda cert: _extension(cert, x509.NameConstraints))

    @functools.cached_property
    def subject_key_identifier(self) -> bytes | None:
        """The identifier of RFC 5280 section 4.2.1.2, or None."""
        found = self._field("subjectKeyIdentifier", lambda cert: _extension(cert, x509.SubjectKeyIdentifier))
        return found.digest if found else None

    @functools.cached_property
    def authority_key_identifier(self) -> x509.AuthorityKeyIdentifier | None:
        """The extension of RFC 5280 section 4.2.1.1, or None."""
        return self._field("authorityKeyIdentifier", lambda cert: _extension(cert, x509.AuthorityKeyIdentifier))

    @property
    def may_sign_certificates(self) -> bool:
        """keyUsage is absent or has keyCertSign."""
        return self.key_usage is None or self.key_usage.key_cert_sign

    @property
    def is_ca(self) -> bool:
        """basicConstraints says CA:TRUE."""
        return self.basic_constraints is not None and self.basic_constraints.ca

    @property
    def path_length(self) -> int | None:
        """pathLenConstraint, or None when unlimited."""
        return self.basic_constraints.path_length if self.basic_constraints else None

    @functools.cached_property
    def eku_allows_server_auth(self) -> bool:
        """extKeyUsage is absent or lists serverAuth.

        anyExtendedKeyUsage does not suffice: RFC 5280 section 4.2.1.12 lets applications insist on the
        particular purpose, and OpenSSL does.
        """
        eku = self._field("extKeyUsage", lambda cert: _extension(cert, x509.ExtendedKeyUsage))
        return eku is None or ExtendedKeyUsageOID.SERVER_AUTH in eku

    @property
    def key_usage_allows_tls(self) -> bool:
        """keyUsage is absent or has one of the uses a TLS server makes of its key (RFC 8446 section 4.4.2.2)."""
        usage = self.key_usage
        return usage is None or usage.digital_signature or usage.key_encipherment or usage.key_agreement

    @functools.cached_property
    def is_self_issued(self) -> bool:
        """Subject and issuer are the same name (RFC 5280 section 3.2)."""
        return self.named_by(self)

    @functools.cached_property
    def fingerprint_sha256(self) -> str:
        """SHA-256 of the whole certificate, lower-case hex."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def spki_sha256(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, lower-case hex: the data of a ``x 1 1`` record."""
        return hashlib.sha256(self.spki).hexdigest()

    @functools.cached_property
    def public_key(self) -> CertificatePublicKeyTypes:
        """The public key as an object of ``cryptography``."""
        return self._field("the public key", lambda cert: cert.public_key())

    @functools.cached_property
    def reencoded_spki(self) -> bytes:
        """The key as a library writes it, b'' when none can: what careless tools digest instead of :attr:`spki`."""
        try:
            return self.public_key.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        except CertificateError:
            return b""

    @functools.cached_property
    def key_type(self) -> str:
        """"rsa", "ec", "dsa", "ed25519", "ed448", or "other"."""
        return key_family(self.public_key)

    @functools.cached_property
    def key_bits(self) -> int:
        """Size of the key in bits."""
        return int(getattr(self.public_key, "key_size", {"ed25519": 256, "ed448": 456}.get(self.key_type, 0)))

    @functools.cached_property
    def signature_algorithm(self) -> str:
        """Name of the signature algorithm, or its dotted identifier when the name is not known here."""
        dotted = self._field("the signature algorithm", lambda cert: cert.signature_algorithm_oid.dotted_string)
        return _SIGNATURES.get(dotted, (dotted, ""))[0]

    @functools.cached_property
    def signature_hash(self) -> str:
        """Hash of the signature as ``cryptography`` names it (``sha256``), '' for EdDSA, whose hash is part of it."""
        found = self._field("the signature hash", lambda cert: cert.signature_hash_algorithm)
        return found.name if found else ""

    @functools.cached_property
    def signature_family(self) -> str:
        """The type of key that made the signature (see :attr:`key_type`), '' when not known here."""
        dotted = self._field("the signature algorithm", lambda cert: cert.signature_algorithm_oid.dotted_string)
        return _SIGNATURES.get(dotted, ("", ""))[1]

    def named_by(self, other: Certificate) -> bool:
        """Say whether the issuer of this is the subject of ``other``, compared as RFC 5280 section 7.1 says."""
        if self.issuer == other.subject:
            return True
        try:
            return _names.canonical(self.issuer) == _names.canonical(other.subject)
        except _der.DerError:
            return False

    def signed_by(self, other: Certificate) -> bool:
        """Say whether the signature of this verifies with the key of ``other``; False when that cannot be tried."""
        try:
            key = other.public_key
            self._field("the signature", lambda cert: _verify(cert, self.tbs, key))
        except CertificateError:
            return False
        return True

    def signed_by_key(self, spki: bytes) -> bool:
        """Say whether the signature of this verifies with the bare key ``spki`` (RFC 7671 section 5.2.3)."""
        try:
            self._field("the signature", lambda cert: _verify(cert, self.tbs, serialization.load_der_public_key(spki)))
        except CertificateError:
            return False
        return True

    def issued_by(self, other: Certificate) -> bool:
        """Say whether ``other`` issued this: the names chain and the signature verifies. Never raises."""
        try:
            return self.named_by(other) and self.signed_by(other)
        except CertificateError:
            return False


def _extension(cert: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return cert.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _verify(cert: x509.Certificate, tbs: bytes, key: object) -> None:
    """Verify the signature over ``tbs``; raises ValueError when it does not hold."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            scheme, digest = cert.signature_algorithm_parameters, cert.signature_hash_algorithm
            if not isinstance(scheme, (padding.PKCS1v15, padding.PSS)) or digest is None:
                raise ValueError("no signature an RSA key can have made")
            key.verify(cert.signature, tbs, scheme, digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            parameters = cert.signature_algorithm_parameters
            if not isinstance(parameters, ec.ECDSA):
                raise ValueError("no signature an EC key can have made")
            key.verify(cert.signature, tbs, parameters)
        elif isinstance(key, dsa.DSAPublicKey):
            digest = cert.signature_hash_algorithm
            if digest is None:
                raise ValueError("no signature a DSA key can have made")
            key.verify(cert.signature, tbs, digest)
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(cert.signature, tbs)
        else:
            raise ValueError("signatures of this type of key are not known here")
    except exceptions.InvalidSignature as error:
        raise ValueError("the signature does not verify") from error


def key_family(key: object) -> str:
    """Return the type of a key of ``cryptography``: "rsa", "ec", "dsa", "ed25519", "ed448", or "other"."""
    families = (
        ("rsa", (rsa.RSAPublicKey, rsa.RSAPrivateKey)),
        ("ec", (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)),
        ("dsa", (dsa.DSAPublicKey, dsa.DSAPrivateKey)),
        ("ed25519", (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey)),
        ("ed448", (ed448.Ed448PublicKey, ed448.Ed448PrivateKey)),
    )
    return next((name for name, kinds in families if isinstance(key, kinds)), "other")


def load_der(data: bytes) -> Certificate:
    """Return the one certificate ``data`` is, in DER; CertificateError when it is none or bytes follow it."""
    certificate = Certificate(bytes(data))
    certificate.spki  # noqa: B018 - reading it checks the structure, so that later uses cannot fail on it
    return certificate


def pem_blocks(data: bytes) -> c.Iterator[tuple[str, bytes]]:
    """Yield label and body of each PEM block (RFC 7468); CertificateError for a block that does not end."""
    opened: tuple[str, int] | None = None
    number = 0
    for marker in _PEM.finditer(data):
        label = marker[2].decode("ascii")
        if marker[1] == b"BEGIN":
            if opened is not None:
                raise CertificateError(f"PEM block {number} ({opened[0]}) is cut off: it has no END line")
            number += 1
            opened = (label, marker.end())
        elif opened is None or opened[0] != label:
            raise CertificateError(f"PEM block {number or 1}: END {label} without its BEGIN line")
        else:
            yield label, data[opened[1] : marker.start()]
            opened = None
    if opened is not None:
        raise CertificateError(f"PEM block {number} ({opened[0]}) is cut off: it has no END line")


def decode_block(body: bytes, number: int, label: str) -> bytes:
    """Return the DER inside the body of the PEM block ``number``; CertificateError when it is not base64."""
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise CertificateError(f"PEM block {number} ({label}) is not base64: {error}") from error


def _as_bytes(data: str | bytes) -> bytes:
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else bytes(data)
    if len(raw) > _MAX_INPUT_BYTES:
        raise CertificateError(f"the input has {len(raw)} bytes, more than the {_MAX_INPUT_BYTES} read here")
    return raw


def load_pem(text: str | bytes) -> tuple[Certificate, ...]:
    """Return the certificates of ``text`` in order; private keys beside them are passed over, unread.

    Raises CertificateError naming the block and the rule when there is no certificate or one does not parse.
    """
    found: list[Certificate] = []
    others: list[str] = []
    for number, (label, body) in enumerate(pem_blocks(_as_bytes(text)), start=1):
        if label not in ("CERTIFICATE", "X509 CERTIFICATE"):
            others.append(label)
            continue
        if len(found) >= _MAX_CERTIFICATES:
            raise CertificateError(f"the input has more than {_MAX_CERTIFICATES} certificates")
        try:
            found.append(load_der(decode_block(body, number, label)))
        except CertificateError as error:
            if str(error).startswith("PEM block"):
                raise
            raise CertificateError(f"PEM block {number} ({label}): {error}") from error
    if found:
        return tuple(found)
    if others:
        raise CertificateError(f"the PEM text has no CERTIFICATE block, only: {', '.join(sorted(set(others)))}")
    raise CertificateError("the text has no PEM block; a certificate begins with -----BEGIN CERTIFICATE-----")


def load(data: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of ``data``, PEM or DER, whichever it is; CertificateError as above."""
    raw = _as_bytes(data)
    if not raw.strip():
        raise CertificateError("the input is empty")
    if b"-----BEGIN " in raw:
        return load_pem(raw)
    if raw[0] != _der.SEQUENCE:
        raise CertificateError("the input is neither PEM (no -----BEGIN line) nor DER (does not begin with 30 hex)")
    return (load_der(raw),)


def load_spki(data: str | bytes) -> bytes:
    """Return the raw SubjectPublicKeyInfo of ``data``: a PEM ``PUBLIC KEY`` block, or the DER itself.

    Raises CertificateError for anything else.
    """
    raw = _as_bytes(data)
    if b"-----BEGIN " in raw:
        blocks = list(pem_blocks(raw))
        keys = [(number, body) for number, (label, body) in enumerate(blocks, start=1) if label == "PUBLIC KEY"]
        if len(keys) != 1:
            labels = ", ".join(sorted({label for label, _body in blocks}))
            raise CertificateError(f"one PUBLIC KEY block is needed, the PEM text has {len(keys)} (blocks: {labels})")
        raw = decode_block(keys[0][1], keys[0][0], "PUBLIC KEY")
    try:
        check_spki(raw)
    except _der.DerError as error:
        raise CertificateError(f"this is no DER SubjectPublicKeyInfo: {error}") from error
    return raw
