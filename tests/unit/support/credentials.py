# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys and chains for TLS servers in tests, made with the certificate maker of the oracles."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import pathlib
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from oracle import pki
from oracle.pki import Spec, make


@dataclasses.dataclass(frozen=True)
class Credentials:
    """A chain in DER, leaf first, and the private key of the leaf in PEM."""

    chain: tuple[bytes, ...]
    key_pem: bytes

    @property
    def pem(self) -> bytes:
        """Key and chain as one file."""
        return self.key_pem + b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in self.chain)


def _key_pem(key: object) -> bytes:
    return key.private_bytes(  # type: ignore[attr-defined,no-any-return]  # both key classes have it
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def ecdsa(host: str, key: str = "leaf", extra: int = 0, also: tuple[str, ...] = ()) -> Credentials:
    """Leaf (for ``host`` and ``also``), issuer, root on P-256; ``extra`` unrelated certificates are appended."""
    leaf = make(Spec(host, "Issuer", key, "issuer", ca=None, san=(host, *also), eku=(pki.SERVER_AUTH,)))
    issuer = make(Spec("Issuer", "Root", "issuer", "root", path_length=0))
    root = make(Spec("Root", "Root", "root", "root"))
    more = tuple(
        make(Spec(f"Other {number}", "Root", "issuer", "root", serial=number)) for number in range(2, extra + 2)
    )
    return Credentials((leaf, issuer, root, *more), _key_pem(pki.key(key)))


@functools.cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """An RSA key; the same call gives the same key within one run."""
    return rsa.generate_private_key(65537, bits)


def rsa_self_signed(host: str, bits: int = 2048) -> Credentials:
    """A self-signed RSA certificate, as so many mail servers have."""
    key = rsa_key(bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(pki.NOW - pki.DAY)
        .not_valid_after(pki.NOW + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Credentials((certificate.public_bytes(serialization.Encoding.DER),), _key_pem(key))


def server_context(*credentials: Credentials, weak: bool = False) -> ssl.SSLContext:
    """A context that serves ``credentials``; ``weak`` lets it speak what OpenSSL thinks too weak."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    if weak:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with tempfile.TemporaryDirectory() as directory:
        for number, entry in enumerate(credentials):
            path = pathlib.Path(directory, f"{number}.pem")
            path.write_bytes(entry.pem)
            context.load_cert_chain(path)
    return context
