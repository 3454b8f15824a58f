# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates as the raw bytes a server sends: names, dates, extensions, and the key exactly as encoded.

Everything is sliced out of the DER by offsets and decoded part by part, when asked for: a library that parses and
re-encodes may change the bytes a TLSA digest is taken of, and refuses a certificate for parts that no sender reads.
``cryptography`` decodes keys and verifies signatures. Pure. Private to the collection.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import functools
import hashlib
import itertools
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import der as pki_der
from ansible_collections.mailsec.dane.plugins.module_utils._pki import extensions as pki_extensions
from ansible_collections.mailsec.dane.plugins.module_utils._pki import names as pki_names

try:
    from cryptography import exceptions
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

if t.TYPE_CHECKING:
    import collections.abc as c

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

T = t.TypeVar("T")

_MAX_INPUT_BYTES: t.Final = 16 * 1024 * 1024
_MAX_CERTIFICATES: t.Final = 2000
_PEM: t.Final = re.compile(rb"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]{0,40})-----")

_PSS: t.Final = "1.2.840.113549.1.1.10"
#: Signature algorithm -> its name (RFC 8017, 5758, 8410), family of the key that makes such signatures, and hash.
_SIGNATURES: t.Final[t.Mapping[str, tuple[str, str, str]]] = {
    "1.2.840.113549.1.1.4": ("md5WithRSAEncryption", "rsa", "md5"),
    "1.2.840.113549.1.1.5": ("sha1WithRSAEncryption", "rsa", "sha1"),
    _PSS: ("id-RSASSA-PSS", "rsa", ""),
    "1.2.840.113549.1.1.11": ("sha256WithRSAEncryption", "rsa", "sha256"),
    "1.2.840.113549.1.1.12": ("sha384WithRSAEncryption", "rsa", "sha384"),
    "1.2.840.113549.1.1.13": ("sha512WithRSAEncryption", "rsa", "sha512"),
    "1.2.840.113549.1.1.14": ("sha224WithRSAEncryption", "rsa", "sha224"),
    "2.16.840.1.101.3.4.3.13": ("id-rsassa-pkcs1-v1_5-with-sha3-224", "rsa", "sha3-224"),
    "2.16.840.1.101.3.4.3.14": ("id-rsassa-pkcs1-v1_5-with-sha3-256", "rsa", "sha3-256"),
    "2.16.840.1.101.3.4.3.15": ("id-rsassa-pkcs1-v1_5-with-sha3-384", "rsa", "sha3-384"),
    "2.16.840.1.101.3.4.3.16": ("id-rsassa-pkcs1-v1_5-with-sha3-512", "rsa", "sha3-512"),
    "1.2.840.10040.4.3": ("dsa-with-sha1", "dsa", "sha1"),
    "2.16.840.1.101.3.4.3.1": ("dsa-with-sha224", "dsa", "sha224"),
    "2.16.840.1.101.3.4.3.2": ("dsa-with-sha256", "dsa", "sha256"),
    "2.16.840.1.101.3.4.3.3": ("dsa-with-sha384", "dsa", "sha384"),
    "2.16.840.1.101.3.4.3.4": ("dsa-with-sha512", "dsa", "sha512"),
    "1.2.840.10045.4.1": ("ecdsa-with-SHA1", "ec", "sha1"),
    "1.2.840.10045.4.3.1": ("ecdsa-with-SHA224", "ec", "sha224"),
    "1.2.840.10045.4.3.2": ("ecdsa-with-SHA256", "ec", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa-with-SHA384", "ec", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa-with-SHA512", "ec", "sha512"),
    "2.16.840.1.101.3.4.3.9": ("id-ecdsa-with-sha3-224", "ec", "sha3-224"),
    "2.16.840.1.101.3.4.3.10": ("id-ecdsa-with-sha3-256", "ec", "sha3-256"),
    "2.16.840.1.101.3.4.3.11": ("id-ecdsa-with-sha3-384", "ec", "sha3-384"),
    "2.16.840.1.101.3.4.3.12": ("id-ecdsa-with-sha3-512", "ec", "sha3-512"),
    "1.3.101.112": ("Ed25519", "ed25519", ""),
    "1.3.101.113": ("Ed448", "ed448", ""),
}
#: Hash -> its identifier, as the parameters of RSASSA-PSS name it (RFC 4055 section 2.1).
_HASHES: t.Final[t.Mapping[str, str]] = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
#: Algorithm of a public key -> its family (RFC 3279 section 2.3, RFC 4055, RFC 8410).
_KEYS: t.Final[t.Mapping[str, str]] = {
    "1.2.840.113549.1.1.1": "rsa", _PSS: "rsa", "1.2.840.10045.2.1": "ec", "1.2.840.10040.4.1": "dsa",
    "1.3.101.112": "ed25519", "1.3.101.113": "ed448",
}  # fmt: skip
_SERVER_AUTH: t.Final = "1.3.6.1.5.5.7.3.1"
#: The Server Gated Crypto of the nineties (Microsoft, Netscape), which OpenSSL takes for the same.
_GATED_CRYPTO: t.Final = frozenset({"1.3.6.1.4.1.311.10.3.3", "2.16.840.1.113730.4.1"})
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_TWO_TIMES: t.Final = frozenset(itertools.product((_UTC_TIME, _GENERALIZED_TIME), repeat=2))
#: Month, day, hour and minute of a time.
_NULL: t.Final = b"\x05\x00"
#: Bits of keyUsage (RFC 5280 section 4.2.1.3).
DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, KEY_AGREEMENT, _KEY_CERT_SIGN = 0, 2, 4, 5


class CertificateError(ValueError):
    """The input is not a certificate, or a field of it cannot be read; the message names which and why."""


def refusals() -> tuple[type[Exception], ...]:
    """What ``cryptography`` raises for content it refuses; a function because the library may be absent."""
    return ValueError, TypeError, AttributeError, LookupError, ArithmeticError, exceptions.UnsupportedAlgorithm


@dataclasses.dataclass(frozen=True)
class _Outline:
    """The parts of a certificate as raw bytes (RFC 5280 section 4.1); b'' for what is not there.

    ``algorithm`` is the AlgorithmIdentifier that stands outside, ``inner_algorithm`` the one that is signed.
    """

    tbs: bytes
    version: bytes
    serial: bytes
    inner_algorithm: bytes
    issuer: bytes
    validity: bytes
    subject: bytes
    spki: bytes
    extensions: bytes
    algorithm: bytes
    signature: bytes


def _outline(der: bytes) -> _Outline:
    outer = pki_der.read_whole(der, pki_der.SEQUENCE)
    parts = pki_der.children(der, outer)
    if len(parts) != 3:
        raise pki_der.DerError(f"offset 0: a certificate has 3 parts, this has {len(parts)}")
    tbs = pki_der.expect(parts[0], pki_der.SEQUENCE, "the to-be-signed certificate")
    pki_der.expect(parts[1], pki_der.SEQUENCE, "the signature algorithm")
    signature = pki_der.expect(parts[2], pki_der.BIT_STRING, "the signature")
    if not 0 <= pki_der.unused_bits(der, signature) <= 7:
        raise pki_der.DerError(f"offset {signature.start}: the signature has an impossible number of unused bits")
    fields = pki_der.children(der, tbs)
    first = 1 if fields and fields[0].tag == 0xA0 else 0
    if len(fields) < first + 6:
        raise pki_der.DerError(f"offset {tbs.start}: the certificate lacks fields")
    pki_der.expect(fields[first], pki_der.INTEGER, "the serial number")
    for offset, what in ((1, "signature algorithm"), (2, "issuer"), (3, "validity"), (4, "subject"), (5, "public key")):
        pki_der.expect(fields[first + offset], pki_der.SEQUENCE, f"the {what}")

    def cut(element: pki_der.Element) -> bytes:
        return der[element.start : element.end]

    inner, issuer, validity, subject, spki = (cut(field) for field in fields[first + 1 : first + 6])
    check_spki(spki)
    # issuerUniqueID, subjectUniqueID, extensions
    rest = [field.tag for field in fields[first + 6 :]]
    odd = any(field.tag != 0xA3 and not 0 <= pki_der.unused_bits(der, field) <= 7 for field in fields[first + 6 :])
    if not set(rest) <= {0x81, 0x82, 0xA3} or rest != sorted(set(rest)) or odd:
        raise pki_der.DerError(
            f"offset {tbs.start}: the certificate has fields behind its key that do not belong there"
        )
    extensions = [der[field.body : field.end] for field in fields[first + 6 :] if field.tag == 0xA3]
    version = der[fields[0].body : fields[0].end] if first else b""
    return _Outline(
        cut(tbs), version, cut(fields[first]), inner, issuer, validity, subject, spki,
        extensions[0] if extensions else b"", cut(parts[1]), cut(parts[2]),
    )  # fmt: skip


def check_spki(spki: bytes) -> None:
    """Raise DerError unless ``spki`` is exactly one SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7)."""
    parts = pki_der.children(spki, pki_der.read_whole(spki, pki_der.SEQUENCE))
    if len(parts) != 2:
        raise pki_der.DerError("offset 0: a SubjectPublicKeyInfo has an algorithm and a key")
    algorithm = pki_der.children(spki, pki_der.expect(parts[0], pki_der.SEQUENCE, "the algorithm"))
    if not 1 <= len(algorithm) <= 2:
        raise pki_der.DerError("offset 0: an AlgorithmIdentifier has an identifier and at most one parameter")
    pki_der.expect(algorithm[0], pki_der.OBJECT_IDENTIFIER, "the algorithm identifier")
    key = pki_der.expect(parts[1], pki_der.BIT_STRING, "the key")
    if key.body == key.end or spki[key.body] != 0:
        raise pki_der.DerError("offset 0: the key is not a whole number of bytes")


def check_public_key(spki: bytes) -> None:
    """Raise CertificateError unless ``spki`` is exactly one key of a type that can be decoded here."""
    if not HAS_CRYPTOGRAPHY:
        raise CertificateError("the Python library cryptography is not installed")
    try:
        check_spki(spki)
        serialization.load_der_public_key(spki)
    except refusals() as error:
        raise CertificateError(f"this is not a public key: {error}") from error


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
        except pki_der.DerError as error:
            raise CertificateError(f"this is not a DER certificate: {error}") from error

    def _field(self, what: str, getter: c.Callable[[_Outline], T]) -> T:
        outline = self._outline
        try:
            return getter(outline)
        except pki_der.DerError as error:
            raise CertificateError(f"{what} of the certificate cannot be read: {error}") from error

    def _decoded(self, what: str, oid: str, decode: c.Callable[[bytes], T]) -> T | None:
        found = [one for one in self.extensions if one.oid == oid]
        if len(found) > 1:
            raise CertificateError(f"{what} stands in the certificate {len(found)} times (RFC 5280 section 4.2)")
        return self._field(what, lambda _outline: decode(found[0].value)) if found else None

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
    def subject_text(self) -> str:
        """The subject as RFC 4514 writes it."""
        return pki_names.to_text(self.subject)

    @functools.cached_property
    def issuer_text(self) -> str:
        """The issuer as RFC 4514 writes it."""
        return pki_names.to_text(self.issuer)

    @property
    def serial(self) -> bytes:
        """The content of the serial number."""
        return self._field("the serial number", lambda outline: outline.serial[pki_der.read(outline.serial).body :])

    @property
    def not_before(self) -> datetime.datetime:
        """First moment of the validity, aware, UTC."""
        return self._validity[0]

    @property
    def not_after(self) -> datetime.datetime:
        """Last moment of the validity, aware, UTC."""
        return self._validity[1]

    @functools.cached_property
    def _validity(self) -> tuple[datetime.datetime, datetime.datetime]:
        return self._field("the validity", lambda outline: _validity(outline.validity, loose=False))

    @functools.cached_property
    def loose_validity(self) -> tuple[datetime.datetime, datetime.datetime]:
        """First and last moment as GnuTLS reads them: without seconds, with a second 60, with 30 days in February."""
        return self._field("the validity", lambda outline: _validity(outline.validity, loose=True))

    @functools.cached_property
    def extensions(self) -> tuple[pki_extensions.Extension, ...]:
        """All extensions, in order; each value is still DER."""
        return self._field(
            "the list of extensions",
            lambda outline: pki_extensions.read_extensions(outline.extensions) if outline.extensions else (),
        )

    @functools.cached_property
    def critical_extensions(self) -> frozenset[str]:
        """Dotted identifiers of the extensions marked critical (RFC 5280 section 4.2)."""
        return frozenset(one.oid for one in self.extensions if one.critical)

    @functools.cached_property
    def version(self) -> int:
        """The version: 1, 2 or 3 (RFC 5280 section 4.1.2.1)."""
        return self._field(
            "the version",
            lambda outline: (
                1 + pki_der.integer(outline.version, pki_der.read_whole(outline.version, pki_der.INTEGER))
                if outline.version
                else 1
            ),
        )

    @property
    def has_times(self) -> bool:
        """The validity has two times, whether they can be read or not."""
        return self._field("the validity", lambda outline: _tags(outline.validity) in _TWO_TIMES)

    @property
    def is_version_1(self) -> bool:
        """The certificate has no extensions because its version knows none (RFC 5280 section 4.1.2.1)."""
        return self.version == 1

    @functools.cached_property
    def dns_names(self) -> tuple[str, ...]:
        """The dNSName entries of subjectAltName, in order, lower case."""
        names = self.subject_alternative_name or ()
        return tuple(one.value.decode("latin-1").lower() for one in names if one.form == pki_extensions.DNS_NAME)

    @functools.cached_property
    def common_names(self) -> tuple[str, ...]:
        """The common names of the subject that are text, in order, lower case."""
        names = self._field("the subject", lambda outline: pki_names.common_names(outline.subject))
        return tuple(text.lower() for name in names if (text := name.text) is not None)

    @functools.cached_property
    def subject_alternative_name(self) -> tuple[pki_extensions.GeneralName, ...] | None:
        """The names of the extension of RFC 5280 section 4.2.1.6, or None."""
        return self._decoded("subjectAltName", pki_extensions.SUBJECT_ALTERNATIVE_NAME, pki_extensions.general_names)

    @functools.cached_property
    def issuer_alternative_name(self) -> tuple[pki_extensions.GeneralName, ...] | None:
        """The names of the extension of RFC 5280 section 4.2.1.7, or None."""
        return self._decoded("issuerAltName", pki_extensions.ISSUER_ALTERNATIVE_NAME, pki_extensions.general_names)

    @functools.cached_property
    def basic_constraints(self) -> pki_extensions.BasicConstraints | None:
        """The extension of RFC 5280 section 4.2.1.9, or None."""
        return self._decoded("basicConstraints", pki_extensions.BASIC_CONSTRAINTS, pki_extensions.basic_constraints)

    @functools.cached_property
    def key_usage(self) -> frozenset[int] | None:
        """The numbers of the bits that are set in the extension of RFC 5280 section 4.2.1.3, or None."""
        return self._decoded("keyUsage", pki_extensions.KEY_USAGE, pki_extensions.key_usage)

    @functools.cached_property
    def extended_key_usage(self) -> frozenset[str] | None:
        """The purposes of the extension of RFC 5280 section 4.2.1.12, or None."""
        found = self._decoded("extKeyUsage", pki_extensions.EXTENDED_KEY_USAGE, pki_extensions.identifiers)
        return None if found is None else frozenset(found)

    @functools.cached_property
    def name_constraints(self) -> pki_extensions.NameConstraints | None:
        """The extension of RFC 5280 section 4.2.1.10, or None."""
        return self._decoded("nameConstraints", pki_extensions.NAME_CONSTRAINTS, pki_extensions.name_constraints)

    @functools.cached_property
    def tls_features(self) -> frozenset[int] | None:
        """The numbers of the extension of RFC 7633, or None."""
        return self._decoded("the TLS Feature extension", pki_extensions.TLS_FEATURE, pki_extensions.features)

    @functools.cached_property
    def netscape_type(self) -> frozenset[int] | None:
        """The numbers of the bits of Netscape's certificate type, or None."""
        return self._decoded("the Netscape type", pki_extensions.NETSCAPE_TYPE, pki_der.named_bits)

    @functools.cached_property
    def subject_key_identifier(self) -> bytes | None:
        """The identifier of RFC 5280 section 4.2.1.2, or None."""
        return self._decoded("subjectKeyIdentifier", pki_extensions.SUBJECT_KEY_IDENTIFIER, pki_extensions.octets)

    @functools.cached_property
    def authority_key_identifier(self) -> pki_extensions.AuthorityKeyIdentifier | None:
        """The extension of RFC 5280 section 4.2.1.1, or None."""
        oid, decode = pki_extensions.AUTHORITY_KEY_IDENTIFIER, pki_extensions.authority_key_identifier
        return self._decoded("authorityKeyIdentifier", oid, decode)

    @property
    def may_sign_certificates(self) -> bool:
        """keyUsage is absent or has keyCertSign."""
        return self.key_usage is None or _KEY_CERT_SIGN in self.key_usage

    @property
    def is_ca(self) -> bool:
        """basicConstraints says CA:TRUE."""
        return self.basic_constraints is not None and self.basic_constraints.ca

    @property
    def path_length(self) -> int | None:
        """pathLenConstraint, or None when unlimited."""
        return self.basic_constraints.path_length if self.basic_constraints else None

    @property
    def eku_allows_server_auth(self) -> bool:
        """extKeyUsage is absent or lists serverAuth.

        anyExtendedKeyUsage does not suffice: RFC 5280 section 4.2.1.12 lets applications insist on the
        particular purpose, and OpenSSL does.
        """
        purposes = self.extended_key_usage
        return purposes is None or bool(purposes & {_SERVER_AUTH, *_GATED_CRYPTO})

    @property
    def key_usage_allows_tls(self) -> bool:
        """keyUsage is absent or has one of the uses a TLS server makes of its key (RFC 8446 section 4.4.2.2)."""
        usage = self.key_usage
        return usage is None or bool(usage & {DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, KEY_AGREEMENT})

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
    def public_key(self) -> PublicKeyTypes:
        """The public key as an object of ``cryptography``."""
        return _load_key(self.spki)

    @functools.cached_property
    def reencoded_spki(self) -> bytes:
        """The key as a library writes it, b'' when none can: what careless tools digest instead of :attr:`spki`."""
        try:
            return self.public_key.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        except CertificateError:
            return b""
        except refusals():
            return b""

    @functools.cached_property
    def key_type(self) -> str:
        """ "rsa", "ec", "dsa", "ed25519", "ed448", or "other"."""
        return self._field("the public key", lambda outline: _KEYS.get(_algorithm(_first(outline.spki))[0], "other"))

    @functools.cached_property
    def key_bits(self) -> int:
        """Size of the key in bits."""
        return int(getattr(self.public_key, "key_size", {"ed25519": 256, "ed448": 456}.get(self.key_type, 0)))

    @functools.cached_property
    def has_explicit_curve(self) -> bool:
        """The key is on a curve that is not named but described by its numbers (RFC 5480 section 2.1.1 forbids it)."""
        return self.key_type == "ec" and self._field(
            "the public key", lambda outline: _algorithm(_first(outline.spki))[1][:1] == bytes((pki_der.SEQUENCE,))
        )

    @functools.cached_property
    def pss_parameters(self) -> bytes | None:
        """The DER of the parameters of a key that is for RSASSA-PSS only, b'' for none, None for another key."""
        kind, parameters = self._field("the public key", lambda outline: _algorithm(_first(outline.spki)))
        return parameters if kind == _PSS else None

    @functools.cached_property
    def signature_algorithm(self) -> str:
        """Name of the signature algorithm, or its dotted identifier when the name is not known here."""
        dotted = self._field("the signature algorithm", lambda outline: _algorithm(outline.algorithm)[0])
        return _SIGNATURES.get(dotted, (dotted, "", ""))[0]

    @functools.cached_property
    def signature_hash(self) -> str:
        """Hash of the signature (``sha256``), '' for EdDSA, whose hash is part of it, and for what is not known."""
        return self._field("the signature hash", lambda outline: _signature_hash(outline.algorithm))

    @functools.cached_property
    def signature_family(self) -> str:
        """The type of key that is said to have made the signature (see :attr:`key_type`), '' when not known here."""
        dotted = self._field("the signature algorithm", lambda outline: _algorithm(outline.inner_algorithm)[0])
        return _SIGNATURES.get(dotted, ("", "", ""))[1]

    @functools.cached_property
    def algorithms_equal(self) -> bool:
        """The algorithm that is signed and the one outside are the same, as RFC 5280 section 4.1.1.2 wants it."""
        return self._field("the signature algorithm", lambda outline: outline.inner_algorithm == outline.algorithm)

    @functools.cached_property
    def algorithms_alike(self) -> bool:
        """They are the same but for parameters that are NULL in one and absent in the other."""
        inner, outer = self._field(
            "the signature algorithm", lambda one: (_algorithm(one.inner_algorithm), _algorithm(one.algorithm))
        )
        return inner[0] == outer[0] and (inner[1] or _NULL) == (outer[1] or _NULL)

    def named_by(self, other: Certificate) -> bool:
        """Say whether the issuer of this is the subject of ``other``, compared as RFC 5280 section 7.1 says."""
        if self.issuer == other.subject:
            return True
        try:
            return pki_names.canonical(self.issuer) == pki_names.canonical(other.subject)
        except pki_der.DerError:
            return False

    def signed_by(self, other: Certificate) -> bool:
        """Say whether the signature of this verifies with the key of ``other``; False when that cannot be tried."""
        return self.signed_by_key(other.spki)

    def signed_by_key(self, spki: bytes) -> bool:
        """Say whether the signature of this verifies with the bare key ``spki`` (RFC 7671 section 5.2.3).

        False as well when that cannot be tried, or the algorithm outside is another one than the one that is signed.
        """
        try:
            if not self.algorithms_alike:
                return False
            self._field("the signature", lambda outline: _verify(outline, _load_key(spki)))
        except CertificateError:
            return False
        return True

    def issued_by(self, other: Certificate) -> bool:
        """Say whether ``other`` issued this: the names chain and the signature verifies. Never raises."""
        try:
            return self.named_by(other) and self.signed_by(other)
        except CertificateError:
            return False


def _load_key(spki: bytes) -> PublicKeyTypes:
    if not HAS_CRYPTOGRAPHY:
        raise CertificateError("the Python library cryptography is not installed")
    try:
        return serialization.load_der_public_key(spki)
    except Exception as error:
        # Whatever hostile bytes make the library raise.
        raise CertificateError(f"the public key of the certificate cannot be read: {error}") from error


def _first(data: bytes) -> bytes:
    """Return the first element of a SEQUENCE."""
    element = pki_der.children(data, pki_der.read_whole(data, pki_der.SEQUENCE))[0]
    return data[element.start : element.end]


def _tags(data: bytes) -> tuple[int, ...]:
    """Return the tags of the elements of a SEQUENCE."""
    return tuple(one.tag for one in pki_der.children(data, pki_der.read_whole(data, pki_der.SEQUENCE)))


def _algorithm(data: bytes) -> tuple[str, bytes]:
    """Return the identifier of an AlgorithmIdentifier, and the DER of its parameters, b'' when there are none."""
    parts = pki_der.children(data, pki_der.read_whole(data, pki_der.SEQUENCE))
    if not 1 <= len(parts) <= 2:
        raise pki_der.DerError("offset 0: an AlgorithmIdentifier has an identifier and at most one parameter")
    return pki_der.dotted(data, parts[0]), data[parts[1].start : parts[1].end] if len(parts) == 2 else b""


def _signature_hash(algorithm: bytes) -> str:
    dotted, parameters = _algorithm(algorithm)
    return _pss(parameters)[0] if dotted == _PSS else _SIGNATURES.get(dotted, ("", "", ""))[2]


def _pss(data: bytes) -> tuple[str, str, int]:
    """Return the hash, the hash of the mask, and the length of the salt (RFC 4055 section 3.1). Raises DerError."""
    found = {
        one.tag: data[one.body : one.end] for one in pki_der.children(data, pki_der.read_whole(data, pki_der.SEQUENCE))
    }
    digest = mask = "1.3.14.3.2.26"
    if 0xA0 in found:
        digest = _algorithm(found[0xA0])[0]
    if 0xA1 in found:
        mask = _algorithm(_algorithm(found[0xA1])[1])[0]
    salt = pki_der.integer(found[0xA2], pki_der.read_whole(found[0xA2], pki_der.INTEGER)) if 0xA2 in found else 20
    if not 0 <= salt <= 1024:
        raise pki_der.DerError(f"offset 0: a salt of {salt} bytes")
    return _HASHES.get(digest, ""), _HASHES.get(mask, ""), salt


def _validity(data: bytes, loose: bool) -> tuple[datetime.datetime, datetime.datetime]:
    parts = pki_der.children(data, pki_der.read_whole(data, pki_der.SEQUENCE))
    if len(parts) != 2:
        raise pki_der.DerError("offset 0: a validity has a begin and an end")
    begin, end = (_time(one.tag, data[one.body : one.end], loose) for one in parts)
    return begin, end


def _time(tag: int, content: bytes, loose: bool) -> datetime.datetime:
    """Read a time as RFC 5280 sections 4.1.2.5.1 and 4.1.2.5.2 have it. Every sender takes the year 0."""
    text = content.decode("latin-1")
    years = {_UTC_TIME: 2, _GENERALIZED_TIME: 4}.get(tag, 0)
    seconds = "([0-9]{2})?" if loose else "([0-9]{2})"
    found = re.fullmatch(rf"([0-9]{{{years}}})([0-9]{{2}})([0-9]{{2}})([0-9]{{2}})([0-9]{{2}}){seconds}Z", text)
    if not years or found is None:
        raise pki_der.DerError(f"offset 0: {text[:40]!r} is not a time in UTC with seconds")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    if years == 2:
        year += 1900 if year >= 50 else 2000
    try:
        if not loose:
            # The year 4 is as long as the year 0, and as far from today.
            return datetime.datetime(year or 4, month, day, hour, minute, second, tzinfo=datetime.UTC)
        if not (1 <= day <= 31 and hour <= 23 and minute <= 59 and second <= 60):
            raise ValueError("a part is out of its range")
        first = datetime.datetime(year or 4, month, 1, tzinfo=datetime.UTC)
        return first + datetime.timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
    except (ValueError, OverflowError) as error:
        raise pki_der.DerError(f"offset 0: {text!r} is not a time") from error


def _verify(outline: _Outline, key: object) -> None:
    """Verify the signature of a certificate; raises CertificateError when it does not hold, or cannot be tried."""
    dotted, parameters = _algorithm(outline.algorithm)
    _name, family, digest = _SIGNATURES.get(dotted, ("", "", ""))
    signature = pki_der.bit_string(outline.signature, pki_der.read(outline.signature))
    if family != key_family(key):
        raise CertificateError(f"a key of type {key_family(key)} does not make signatures of {dotted}")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            if dotted == _PSS:
                digest, mask, salt = _pss(parameters)
                key.verify(signature, outline.tbs, padding.PSS(padding.MGF1(_hash(mask)), salt), _hash(digest))
            else:
                key.verify(signature, outline.tbs, padding.PKCS1v15(), _hash(digest))
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, outline.tbs, ec.ECDSA(_hash(digest)))
        elif isinstance(key, dsa.DSAPublicKey):
            key.verify(signature, outline.tbs, _hash(digest))
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(signature, outline.tbs)
        else:
            raise CertificateError("signatures of this type of key are not known here")
    except exceptions.InvalidSignature as error:
        raise CertificateError("the signature does not verify") from error
    except refusals() as error:
        raise CertificateError(f"the signature cannot be verified: {error}") from error


def _hash(name: str) -> hashes.HashAlgorithm:
    known: dict[str, type[hashes.HashAlgorithm]] = {
        "md5": hashes.MD5, "sha1": hashes.SHA1, "sha224": hashes.SHA224, "sha256": hashes.SHA256,
        "sha384": hashes.SHA384, "sha512": hashes.SHA512, "sha3-224": hashes.SHA3_224, "sha3-256": hashes.SHA3_256,
        "sha3-384": hashes.SHA3_384, "sha3-512": hashes.SHA3_512,
    }  # fmt: skip
    return known[name]()


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
    if raw[0] != pki_der.SEQUENCE:
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
    except pki_der.DerError as error:
        raise CertificateError(f"this is not a DER SubjectPublicKeyInfo: {error}") from error
    return raw
