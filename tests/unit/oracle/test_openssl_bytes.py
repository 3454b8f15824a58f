# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLSA data against what the openssl command computes: odd keys, all parameters, a whole root store."""

from __future__ import annotations

import base64
import datetime
import hashlib
import importlib.util
import pathlib
import random
import re
import shutil
import subprocess
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, load
from ansible_collections.mailsec.dane.plugins.modules import tlsa_info

OPENSSL = shutil.which("openssl") or ""


def _root_stores() -> list[pathlib.Path]:
    """The public root stores of this machine: Debian's, Red Hat's, and the one of the Python package certifi."""
    usual = [pathlib.Path("/etc/ssl/certs/ca-certificates.crt"), pathlib.Path("/etc/pki/tls/certs/ca-bundle.crt")]
    if importlib.util.find_spec("certifi"):
        usual.append(pathlib.Path(importlib.import_module("certifi").where()))
    return [path for path in usual if path.exists()]


ROOT_STORES = _root_stores()

pytestmark = [
    pytest.mark.skipif(not OPENSSL, reason="the openssl command is not installed"),
    pytest.mark.filterwarnings("ignore:Parsed a serial number"),
]


def _openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run([OPENSSL, *arguments], input=data, capture_output=True, check=True, timeout=60).stdout


def _spki_by_openssl(der: bytes) -> bytes:
    """Cut the SubjectPublicKeyInfo out at the offset ``openssl asn1parse`` prints: no re-encoding on the way."""
    listing = _openssl("asn1parse", "-inform", "DER", data=der).decode()
    elements = re.findall(r"^\s*(\d+):d=2\s+hl=(\d+)\s+l=\s*(\d+)\s+(?:cons|prim):\s+(\S+)", listing, re.M)
    to_be_signed = [element for element in elements if int(element[0]) < _end_of_tbs(listing)]
    first = 1 if to_be_signed[0][3] == "cont" else 0
    offset, header, length, _name = to_be_signed[first + 5]
    return der[int(offset) : int(offset) + int(header) + int(length)]


def _end_of_tbs(listing: str) -> int:
    found = re.search(r"^\s*(\d+):d=1\s+hl=(\d+)\s+l=\s*(\d+)", listing, re.M)
    assert found
    return sum(int(part) for part in found.groups())


def _digest_by_openssl(content: bytes, matching_type: int) -> bytes:
    if matching_type == 0:
        return content
    return _openssl("dgst", "-sha256" if matching_type == 1 else "-sha512", "-binary", data=content)


def _signed(public_key: t.Any) -> bytes:
    """A certificate of ``public_key`` that an EC key signed, so that keys need not be able to sign."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mx.example.nl")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(public_key)
    builder = builder.serial_number(5).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=90))
    certificate = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.DER)


def _rsa(bits: int) -> bytes:
    """An RSA key of ``bits``; a random modulus does for a public key, and need not be searched for."""
    modulus = random.SystemRandom().getrandbits(bits) | 1 << (bits - 1) | 1
    return _signed(rsa.RSAPublicNumbers(65537, modulus).public_key())


def _by_command(directory: pathlib.Path, *generate: str, convert: tuple[str, ...] = ()) -> bytes:
    """A self-signed certificate made by the openssl command alone."""
    key = directory / "key.pem"
    _openssl(*generate, "-out", str(key))
    if convert:
        _openssl(*convert, "-in", str(key), "-out", str(key))
    return _openssl(
        "req",
        "-x509",
        "-key",
        str(key),
        "-subj",
        "/CN=mx.example.nl",
        "-days",
        "90",
        "-outform",
        "DER",
        "-addext",
        "subjectAltName=DNS:mx.example.nl",
    )


ODD = {
    "Ed25519": lambda tmp: _signed(ed25519.Ed25519PrivateKey.generate().public_key()),
    "Ed448": lambda tmp: _signed(ed448.Ed448PrivateKey.generate().public_key()),
    "P-256": lambda tmp: _signed(ec.generate_private_key(ec.SECP256R1()).public_key()),
    "P-521": lambda tmp: _signed(ec.generate_private_key(ec.SECP521R1()).public_key()),
    "brainpool": lambda tmp: _signed(ec.generate_private_key(ec.BrainpoolP384R1()).public_key()),
    "P-256 compressed": lambda tmp: _by_command(
        tmp, "ecparam", "-name", "prime256v1", "-genkey", "-noout", convert=("ec", "-conv_form", "compressed")
    ),
    "P-256 hybrid": lambda tmp: _by_command(
        tmp, "ecparam", "-name", "prime256v1", "-genkey", "-noout", convert=("ec", "-conv_form", "hybrid")
    ),
    "explicit curve": lambda tmp: _by_command(
        tmp, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit"
    ),
    "RSA-PSS": lambda tmp: _by_command(tmp, "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
    "RSA-PSS restricted": lambda tmp: _by_command(
        tmp,
        "genpkey",
        "-algorithm",
        "RSA-PSS",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-pkeyopt",
        "rsa_pss_keygen_md:sha256",
        "-pkeyopt",
        "rsa_pss_keygen_saltlen:32",
    ),
    **{f"RSA {bits}": lambda tmp, bits=bits: _rsa(bits) for bits in (1024, 2048, 3072, 4096, 8192)},
}


@pytest.mark.parametrize("kind", ODD)
def test_every_combination_of_odd_keys_equals_openssl(kind: str, tmp_path: pathlib.Path) -> None:
    """F08: every usage, selector and matching type, from the raw bytes as openssl sees them."""
    der = ODD[kind](tmp_path)
    certificate, spki = Certificate(der), _spki_by_openssl(der)
    for selector, content in ((0, der), (1, spki)):
        for matching_type in (0, 1, 2):
            expected = _digest_by_openssl(content, matching_type)
            for usage in range(4):
                assert compute(certificate, usage, selector, matching_type).data == expected


def test_the_usual_pipeline_gives_the_same(tmp_path: pathlib.Path) -> None:
    """F08: x509 -pubkey | pkey -pubin -outform DER | dgst, as the manuals have it, for an ordinary key."""
    der = _signed(ec.generate_private_key(ec.SECP256R1()).public_key())
    pem = _openssl("x509", "-inform", "DER", "-noout", "-pubkey", data=der)
    spki = _openssl("pkey", "-pubin", "-outform", "DER", data=pem)
    assert compute(Certificate(der), 3, 1, 1).data == _digest_by_openssl(spki, 1)


def test_compressed_points_stay_compressed(tmp_path: pathlib.Path) -> None:
    """SR section 10: a library that re-encodes the key makes 91 bytes of these 59."""
    certificate = Certificate(ODD["P-256 compressed"](tmp_path))
    assert (len(certificate.spki), len(certificate.reencoded_spki)) == (59, 91)


@pytest.mark.skipif(not ROOT_STORES, reason="not run: no public root store on this machine")
@pytest.mark.parametrize("store", ROOT_STORES, ids=str)
def test_every_certificate_of_a_root_store_equals_openssl(store: pathlib.Path) -> None:
    """F08: the public roots, among them version 1, negative serial numbers and old encodings; core and module alike."""
    roots = load(store.read_bytes())
    assert len(roots) > 50
    for certificate in roots:
        spki = _spki_by_openssl(certificate.der)
        assert compute(certificate, 2, 1, 0).data == spki, certificate.subject_text
        assert certificate.issued_by(certificate), certificate.subject_text
        digests = {1: "sha256", 2: "sha512"}
        expected = {
            f"{usage} {selector} {kind} {hashlib.new(digests[kind], content).hexdigest() if kind else content.hex()}"
            for usage in range(4)
            for selector, content in ((0, certificate.der), (1, spki))
            for kind in (0, 1, 2)
        }
        content = base64.b64encode(certificate.der).decode()
        options = dict.fromkeys(("path", "position", "host", "ttl", "private_key_path"))
        result = tlsa_info.compute({**options, "content": content, "all": True})
        assert {record["text"] for record in result["records"]} == expected, certificate.subject_text
