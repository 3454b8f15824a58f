# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A root and an issuing CA in memory that sign certificate requests, valid now."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = datetime.timedelta(days=1)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """``renew`` gives the issuing CA a new certificate of the same key."""

    def __init__(self, days: int = 1000) -> None:
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._root_name, self._name = self._named("Root"), self._named("Issuing")
        self.root = self._sign(self._root_name, self._root_name, self._root_key.public_key(), self._root_key, days, 1)
        self.renew(days)

    def renew(self, days: int = 1000) -> None:
        self.issuing = self._sign(self._name, self._root_name, self._key.public_key(), self._root_key, days, 0)

    @staticmethod
    def _named(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])

    @staticmethod
    def _builder(
        subject: x509.Name, issuer: x509.Name, public: object, signer: ec.EllipticCurvePrivateKey, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        start = min(now, now + days * DAY) - DAY
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .serial_number(x509.random_serial_number())
        )
        builder = builder.public_key(public).not_valid_before(start).not_valid_after(now + days * DAY + DAY / 2)  # type: ignore[arg-type]
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)  # type: ignore[arg-type]
        return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)

    def _sign(
        self, subject: x509.Name, issuer: x509.Name, public: object, signer: ec.EllipticCurvePrivateKey,
        days: int, path_length: int,
    ) -> str:  # fmt: skip
        builder = self._builder(subject, issuer, public, signer, days)
        builder = builder.add_extension(x509.BasicConstraints(True, path_length), True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        return pem(builder.add_extension(usage, True).sign(signer, hashes.SHA256()))

    @property
    def issuers(self) -> str:
        """What follows a server's certificate: issuing CA, then root."""
        return self.issuing + self.root

    def certificate(self, request: str, days: int = 90) -> str:
        """Sign a PEM request, with the extensions it asks for."""
        asked = x509.load_pem_x509_csr(request.encode())
        if not asked.is_signature_valid:
            raise ValueError("the request is not signed by its own key")
        builder = self._builder(asked.subject, self._name, asked.public_key(), self._key, days)
        for extension in asked.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return pem(builder.sign(self._key, hashes.SHA256()))
