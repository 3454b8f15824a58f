# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading certificates and keys: PEM, DER, fields, issuers, and hostile input."""

from __future__ import annotations

import base64
import dataclasses
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import pki
from oracle.pki import Spec, make

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa_source import key_belongs_to, source_position
from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, CertificateError

HOST = "mx.example.nl"
ROOT = make(Spec("Root", "Root", "root", "root"))
INTER = make(Spec("Inter", "Root", "inter", "root", path_length=0))
LEAF = make(
    Spec(HOST, "Inter", "leaf", "inter", ca=None, san=("MX.example.nl", "*.example.org"), eku=(pki.SERVER_AUTH,))
)


def pem(der: bytes, label: str = "CERTIFICATE") -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def private(name: str, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return pki.key(name).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def test_fields() -> None:
    leaf, inter = pki_certificate.load_der(LEAF), pki_certificate.load_der(INTER)
    assert leaf.subject_text == f"CN={HOST}" and leaf.issuer_text == "CN=Inter"
    assert leaf.dns_names == ("mx.example.nl", "*.example.org")
    assert leaf.common_names == (HOST,)
    assert (leaf.is_ca, leaf.path_length) == (False, None)
    assert (inter.is_ca, inter.path_length) == (True, 0)
    assert (leaf.key_type, leaf.key_bits, leaf.signature_algorithm) == ("ec", 256, "ecdsa-with-SHA256")
    assert leaf.not_before == pki.NOW - 10 * pki.DAY and leaf.not_after == pki.NOW + 100 * pki.DAY
    assert leaf.not_after.tzinfo is not None
    assert leaf.eku_allows_server_auth and inter.eku_allows_server_auth
    assert not Certificate(make(Spec("x", "x", "a", "a", eku=(pki.CLIENT_AUTH,)))).eku_allows_server_auth
    assert Certificate(ROOT).is_self_issued and not inter.is_self_issued
    assert "mx" not in repr(leaf)


def test_spki_is_the_bytes_of_the_key() -> None:
    key = pki.key("leaf").public_key()
    expected = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert Certificate(LEAF).spki == expected and expected in LEAF


def test_issued_by() -> None:
    leaf, inter, root = Certificate(LEAF), Certificate(INTER), Certificate(ROOT)
    assert leaf.issued_by(inter) and inter.issued_by(root) and root.issued_by(root)
    assert not leaf.issued_by(root) and not inter.issued_by(leaf)
    impostor = Certificate(make(Spec("Inter", "Root", "stranger", "root")))
    assert leaf.named_by(impostor) and not leaf.issued_by(impostor)


def test_issuer_names_compare_as_rfc_5280_says() -> None:
    """RFC 5280 section 7.1: case and string type of names do not matter; a re-encoded CA name still chains."""

    def named(common: str, string_type: object) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common, _type=string_type)])

    ca_name = named("My  CA", x509.name._ASN1Type.PrintableString)
    issuer_name = named("my ca ", x509.name._ASN1Type.UTF8String)
    start = pki.NOW - pki.DAY

    def build(subject: x509.Name, issuer: x509.Name, key: str) -> Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).serial_number(3)
        builder = builder.not_valid_before(start).not_valid_after(start + 9 * pki.DAY)
        certificate = builder.public_key(pki.key(key).public_key()).sign(pki.key("ca"), hashes.SHA256())
        return Certificate(certificate.public_bytes(serialization.Encoding.DER))

    assert build(pki.name(HOST), issuer_name, "leaf").issued_by(build(ca_name, ca_name, "ca"))
    assert not build(pki.name(HOST), pki.name("other"), "leaf").issued_by(build(ca_name, ca_name, "ca"))


def test_pem_keeps_order_and_passes_over_keys() -> None:
    text = "a comment\n" + private("leaf").decode() + pem(LEAF) + pem(INTER).replace("\n", "\r\n") + pem(ROOT)
    assert [c.der for c in pki_certificate.load_pem(text)] == [LEAF, INTER, ROOT]
    assert [c.der for c in pki_certificate.load(text.encode())] == [LEAF, INTER, ROOT]
    assert [c.der for c in pki_certificate.load(LEAF)] == [LEAF]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no PEM block"),
        ("hello", "no PEM block"),
        (private("leaf").decode(), "no CERTIFICATE block, only: PRIVATE KEY"),
        (pem(LEAF, "CERTIFICATE REQUEST"), "only: CERTIFICATE REQUEST"),
        (pem(LEAF, "TRUSTED CERTIFICATE"), "only: TRUSTED CERTIFICATE"),
        (pem(LEAF) + pem(LEAF)[:-30], "block 2 .CERTIFICATE. is cut off"),
        (pem(LEAF)[:100] + "\n" + pem(LEAF), "block 1 .CERTIFICATE. is cut off"),
        (pem(LEAF).replace("MII", "M!I", 1), "block 1 .CERTIFICATE. is not base64"),
        (pem(LEAF) + pem(LEAF[:-1]), "block 2 .CERTIFICATE.: this is not a DER certificate"),
        (pem(LEAF + b"\0"), "block 1 .CERTIFICATE.: .*1 bytes follow"),
        (pem(LEAF).split("\n", 1)[1], "END CERTIFICATE without its BEGIN"),
    ],
)
def test_wrong_pem_names_block_and_rule(text: str, message: str) -> None:
    """Bad input: each wrong file gets its own sentence, none quotes the content of a key."""
    with pytest.raises(CertificateError, match=message) as caught:
        pki_certificate.load_pem(text)
    assert private("leaf").decode().split("\n")[1] not in str(caught.value)


def test_wrong_files() -> None:
    with pytest.raises(CertificateError, match="empty"):
        pki_certificate.load(b" \n")
    with pytest.raises(CertificateError, match="neither PEM"):
        pki_certificate.load(b"\x7fELF")
    with pytest.raises(CertificateError, match="more than"):
        pki_certificate.load(b"x" * (16 * 1024 * 1024 + 1))
    with pytest.raises(CertificateError, match="lacks fields"):
        pki_certificate.load(bytes.fromhex("3007 3000 3000 030100"))
    with pytest.raises(CertificateError, match="3 parts"):
        pki_certificate.load(bytes.fromhex("3004 3000 3000"))


def test_public_keys() -> None:
    spki = Certificate(LEAF).spki
    assert pki_certificate.load_spki(pem(spki, "PUBLIC KEY")) == spki == pki_certificate.load_spki(spki)
    for wrong in (pem(LEAF), pem(spki, "PUBLIC KEY") * 2, "nothing", LEAF, spki + b"\0", private("leaf")):
        with pytest.raises(CertificateError):
            pki_certificate.load_spki(wrong)


def test_where_records_are_taken_from() -> None:
    """F07: 3 1 1 of the server key, 2 1 1 of the CA that issued it, wherever it stands in the file."""
    leaf, inter, root = (Certificate(der) for der in (LEAF, INTER, ROOT))
    assert source_position((leaf, inter, root), 3) == 0
    assert source_position((leaf, inter, root), 2) == 1
    assert source_position((leaf, root, inter), 2) == 2
    assert source_position((root,), 2) == 0
    assert source_position((leaf, inter, root), 2, 2) == 2
    with pytest.raises(CertificateError, match="append the CA certificate"):
        source_position((leaf, root), 2)
    with pytest.raises(CertificateError, match="position 3: the input has 2"):
        source_position((leaf, root), 2, 3)


def test_private_keys() -> None:
    """Certificate without key match, encrypted key, no key; no error has a part of the key."""
    leaf = Certificate(LEAF)
    assert key_belongs_to(leaf, private("leaf"))
    assert key_belongs_to(leaf, private("stranger") + private("leaf") + pem(LEAF).encode())
    assert not key_belongs_to(leaf, private("stranger"))
    assert key_belongs_to(leaf, private("leaf", b"secret"), b"secret")
    assert key_belongs_to(leaf, private("leaf"), b"not needed")
    other = rsa.generate_private_key(65537, 1024).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert not key_belongs_to(leaf, other)
    broken = private("leaf").replace(b"\nMI", b"\nMM", 1)
    locked = private("leaf", b"secret")
    for data, passphrase in ((locked, None), (locked, b"wrong"), (broken, None)):
        with pytest.raises(CertificateError, match="cannot be read") as caught:
            key_belongs_to(leaf, data, passphrase)
        assert data.split(b"\n")[1].decode() not in str(caught.value) and caught.value.__cause__ is None
    with pytest.raises(CertificateError, match="no PRIVATE KEY"):
        key_belongs_to(leaf, pem(LEAF).encode())


def _exercise(certificate: Certificate) -> None:
    for name, value in vars(Certificate).items():
        if isinstance(value, property) or hasattr(value, "attrname"):
            try:
                getattr(certificate, name)
            except CertificateError:
                continue
    certificate.issued_by(certificate)
    certificate.issued_by(Certificate(INTER))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(LEAF) - 1), st.binary(min_size=0, max_size=4), st.integers(0, 4))
def test_damaged_certificates_raise_only_certificate_error(offset: int, patch: bytes, removed: int) -> None:
    """Hostile data: bytes changed, put in or taken out anywhere."""
    _exercise(Certificate(LEAF[:offset] + patch + LEAF[offset + removed :]))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: LEAF[:200] + tail))
def test_random_bytes_raise_only_certificate_error(data: bytes) -> None:
    _exercise(Certificate(data))
    for load in (
        pki_certificate.load,
        pki_certificate.load_der,
        pki_certificate.load_pem,
        pki_certificate.load_spki,
        pki_certificate.check_public_key,
    ):
        cut_off = b"-----BEGIN CERTIFICATE-----\n" + data
        for content in (data, cut_off, pem(data).encode(), pem(data, "PUBLIC KEY").encode()):
            try:
                load(content)
            except CertificateError:
                continue


def test_unknown_key_types_do_not_hinder_the_spki() -> None:
    """A key nobody here can decode still has its bytes, and a clear error where it must be decoded."""
    oid = bytes.fromhex("06072a8648ce3d0201")
    strange = Certificate(LEAF.replace(oid, bytes.fromhex("06072a8648ce3d0277"), 1))
    assert len(strange.spki) == len(Certificate(LEAF).spki)
    with pytest.raises(CertificateError, match="public key"):
        strange.public_key  # noqa: B018 - reading it is the test
    assert strange.reencoded_spki == b""
    assert not strange.issued_by(strange)


def test_equal_by_bytes() -> None:
    assert Certificate(LEAF) == Certificate(bytes(LEAF)) and len({Certificate(LEAF), Certificate(LEAF)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        Certificate(LEAF).der = b""  # type: ignore[misc] # that it fails is the test
    assert Certificate(LEAF).not_before.tzinfo is datetime.UTC
