# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates for tests, made to order: any name, issuer, key, dates and extensions, valid or not."""

from __future__ import annotations

import dataclasses
import datetime
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Tests that run whole modules judge by the clock of the machine.
NOW = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
DAY = datetime.timedelta(days=1)


@functools.cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """The key called ``name``; the same call gives the same key within one run."""
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a certificate shall say; ``ca`` None leaves basicConstraints out."""

    subject: str
    issuer: str
    key: str
    signer: str
    ca: bool | None = True
    path_length: int | None = None
    start: int = -10
    days: int = 100
    san: tuple[str, ...] = ()
    eku: tuple[x509.ObjectIdentifier, ...] | None = None
    cert_sign: bool | None = None
    digital_signature: bool = True
    identifiers: bool = False
    authority: str | None = None
    permitted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    strange_critical: bool = False
    serial: int = 1


@functools.lru_cache(maxsize=4096)
def make(spec: Spec) -> bytes:
    """The certificate of ``spec`` in DER; ``start`` and ``days`` are days relative to NOW."""
    begin = NOW + spec.start * DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(spec.subject))
        .issuer_name(name(spec.issuer))
        .public_key(key(spec.key).public_key())
        .serial_number(spec.serial)
        .not_valid_before(begin)
        .not_valid_after(NOW + spec.days * DAY)
    )
    if spec.ca is not None:
        length = spec.path_length if spec.ca else None
        builder = builder.add_extension(x509.BasicConstraints(spec.ca, length), critical=True)
    if spec.san:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in spec.san]), False)
    if spec.eku is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(spec.eku), critical=False)
    if spec.cert_sign is not None:
        usage = x509.KeyUsage(spec.digital_signature, False, False, False, False, spec.cert_sign, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    if spec.identifiers:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key(spec.key).public_key()), False)
    if spec.authority is not None or spec.identifiers:
        by = key(spec.authority or spec.signer).public_key()
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by), False)
    if spec.permitted or spec.excluded:
        constraints = x509.NameConstraints(
            [x509.DNSName(n) for n in spec.permitted] or None, [x509.DNSName(n) for n in spec.excluded] or None
        )
        builder = builder.add_extension(constraints, critical=True)
    if spec.strange_critical:
        strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
        builder = builder.add_extension(strange, critical=True)
    certificate = builder.sign(key(spec.signer), hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.DER)


SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
ANY_EKU = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
