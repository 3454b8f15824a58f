# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates for tests, put together byte by byte, because no library writes what is wrong or merely odd."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import subprocess
import typing as t

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from oracle.pki import DAY, NOW

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

CRITICAL: t.Final = bytes.fromhex("0101ff")
_HASHES: t.Final = {
    "sha1": hashes.SHA1(), "sha224": hashes.SHA224(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(), "md5": hashes.MD5(),
}  # fmt: skip
_RSA: t.Final = {"md5": 4, "sha1": 5, "sha256": 11, "sha384": 12, "sha512": 13, "sha224": 14}
_ECDSA: t.Final = {"sha1": "1", "sha224": "3.1", "sha256": "3.2", "sha384": "3.3", "sha512": "3.4"}
#: Digests of RSASSA-PSS signatures -> identifier of the hash, and length of the salt.
_PSS: t.Final = {
    "pss-sha1": ("1.3.14.3.2.26", 20), "pss-sha256": ("2.16.840.1.101.3.4.2.1", 32),
    "pss-sha512": ("2.16.840.1.101.3.4.2.3", 64),
}  # fmt: skip
_CURVES: t.Final = {
    "p192": ec.SECP192R1, "p224": ec.SECP224R1, "p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1,
    "k256": ec.SECP256K1, "bp256": ec.BrainpoolP256R1,
}  # fmt: skip
NULL: t.Final = b"\x05\x00"


def tlv(tag: int, *contents: bytes) -> bytes:
    """One element in DER."""
    body = b"".join(contents)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def sequence(*contents: bytes) -> bytes:
    return tlv(0x30, *contents)


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    body = b""
    for number in (first * 40 + second, *rest):
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(0x80 | number & 0x7F)
        body += bytes(reversed(digits))
    return tlv(6, body)


def bits(*numbers: int) -> bytes:
    """A BIT STRING of named bits."""
    if not numbers:
        return tlv(3, b"\0")
    size = max(numbers) + 1
    value = sum(1 << (size - 1 - number) for number in numbers) << (-size % 8)
    return tlv(3, bytes((-size % 8,)), value.to_bytes((size + 7) // 8, "big"))


@functools.cache
def _pss_pem(name: str) -> bytes:
    """An RSA key for RSASSA-PSS only, ``psslimited``: with one hash and one length of salt."""
    limits = ("-pkeyopt", "rsa_pss_keygen_md:sha256", "-pkeyopt", "rsa_pss_keygen_saltlen:32")
    command = ("openssl", "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048")
    words = (*command, *(limits if name.startswith("psslimited") else ()))
    return subprocess.run(words, capture_output=True, check=True, timeout=60).stdout


@functools.cache
def key(name: str) -> Key:
    """The key called ``name``, such as ``rsa2048/x``, ``p256/x``, ``bp256/x`` or ``ed25519/x``, made once."""
    kind = name.partition("/")[0]
    if kind.startswith("pss"):
        return t.cast("rsa.RSAPrivateKey", serialization.load_pem_private_key(_pss_pem(name), None))
    if kind.startswith("rsa"):
        # The library makes no key below 1024 bits, but reads one.
        command = ("openssl", "genrsa", kind[3:])
        made = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        return t.cast("rsa.RSAPrivateKey", serialization.load_pem_private_key(made, None))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(_CURVES[kind]())


def key_pem(name: str) -> bytes:
    if name.startswith("pss"):
        return _pss_pem(name)
    return key(name).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@functools.cache
def spki(name: str) -> bytes:
    if name.startswith("pss"):
        command = ("openssl", "pkey", "-pubout", "-outform", "DER")
        return subprocess.run(command, input=_pss_pem(name), capture_output=True, check=True, timeout=60).stdout
    return (
        key(name).public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def compressed(name: str) -> bytes:
    """The EC key with a compressed point (RFC 5480 section 2.2)."""
    point = key(name).public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    return sequence(sequence(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), tlv(3, b"\0", point))


def without_null(name: str) -> bytes:
    """The RSA key without the parameter NULL, which RFC 3279 section 2.3.1 wants there."""
    whole = key(name).public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return sequence(sequence(oid("1.2.840.113549.1.1.1")), tlv(3, b"\0", whole))


def algorithm(signer: str, digest: str = "sha256", parameters: bytes | None = None) -> bytes:
    """The AlgorithmIdentifier of a signature of ``signer``; ``parameters`` instead of the usual ones."""
    made = key(signer)
    if digest in _PSS:
        dotted, salt = _PSS[digest]
        hashed = sequence(oid(dotted), NULL)
        mask = sequence(oid("1.2.840.113549.1.1.8"), hashed)
        wanted = sequence(tlv(0xA0, hashed), tlv(0xA1, mask), tlv(0xA2, integer(salt)))
        return sequence(oid("1.2.840.113549.1.1.10"), wanted)
    if isinstance(made, rsa.RSAPrivateKey):
        dotted, usual = f"1.2.840.113549.1.1.{_RSA[digest]}", NULL
    elif isinstance(made, ec.EllipticCurvePrivateKey):
        dotted, usual = f"1.2.840.10045.4.{_ECDSA[digest]}", b""
    else:
        dotted, usual = "1.3.101.112" if isinstance(made, ed25519.Ed25519PrivateKey) else "1.3.101.113", b""
    return sequence(oid(dotted), usual if parameters is None else parameters)


def sign(signer: str, digest: str, data: bytes) -> bytes:
    made = key(signer)
    if isinstance(made, rsa.RSAPrivateKey) and digest in _PSS:
        wanted = _HASHES[digest.removeprefix("pss-")]
        return made.sign(data, padding.PSS(padding.MGF1(wanted), _PSS[digest][1]), wanted)
    if isinstance(made, rsa.RSAPrivateKey):
        return made.sign(data, padding.PKCS1v15(), _HASHES[digest])
    if isinstance(made, ec.EllipticCurvePrivateKey):
        return made.sign(data, ec.ECDSA(_HASHES[digest]))
    return made.sign(data)


def attribute(value: str | bytes, tag: int = 0x0C, kind: str = "2.5.4.3") -> bytes:
    """One relative distinguished name, a common name unless ``kind`` says otherwise."""
    raw = value.encode() if isinstance(value, str) else value
    return tlv(0x31, sequence(oid(kind), tlv(tag, raw)))


def name(*parts: bytes | str) -> bytes:
    return sequence(*(attribute(part) if isinstance(part, str) else part for part in parts))


def extension(dotted: str, value: bytes, critical: bool = False) -> bytes:
    return sequence(oid(dotted), CRITICAL if critical else b"", tlv(4, value))


def basic(ca: bool | None = True, length: int | None = None, critical: bool = True) -> bytes:
    """basicConstraints; ``ca`` False is written out, as DER forbids, None is left to its default."""
    flag = b"" if ca is None else tlv(1, b"\xff" if ca else b"\0")
    return extension("2.5.29.19", sequence(flag, b"" if length is None else integer(length)), critical)


def usage(*numbers: int, critical: bool = True) -> bytes:
    """keyUsage: 0 digitalSignature, 2 keyEncipherment, 4 keyAgreement, 5 keyCertSign, 6 cRLSign."""
    return extension("2.5.29.15", bits(*numbers), critical)


def purposes(*dotted: str, critical: bool = False) -> bytes:
    return extension("2.5.29.37", sequence(*map(oid, dotted)), critical)


def dns(text: str | bytes) -> bytes:
    return tlv(0x82, text.encode() if isinstance(text, str) else text)


def address(*octets: int) -> bytes:
    return tlv(0x87, bytes(octets))


def alternative(*names: bytes | str, critical: bool = False) -> bytes:
    """subjectAltName of general names; a string is a DNS name."""
    return extension("2.5.29.17", sequence(*(dns(one) if isinstance(one, str) else one for one in names)), critical)


def constraints(permitted: t.Sequence[bytes] = (), excluded: t.Sequence[bytes] = (), critical: bool = True) -> bytes:
    """nameConstraints of general names."""
    parts = [tlv(tag, *map(sequence, names)) for tag, names in ((0xA0, permitted), (0xA1, excluded)) if names]
    return extension("2.5.29.30", sequence(*parts), critical)


def features(*numbers: int) -> bytes:
    """The TLS Feature extension (RFC 7633)."""
    return extension("1.3.6.1.5.5.7.1.24", sequence(*map(integer, numbers)))


def subject_identifier(key_name: str) -> bytes:
    return extension("2.5.29.14", tlv(4, hashlib.sha1(spki(key_name)).digest()))


def authority_identifier(key_name: str) -> bytes:
    digest = hashlib.sha1(spki(key_name)).digest()
    return extension("2.5.29.35", sequence(tlv(0x80, digest)))


def _time(moment: datetime.datetime) -> bytes:
    return tlv(0x17, f"{moment:%y%m%d%H%M%SZ}".encode())


@dataclasses.dataclass(frozen=True)
class Raw:
    """What a certificate shall say. Names are DER or a common name; ``start`` and ``days`` are days from NOW.

    ``inner`` is the AlgorithmIdentifier inside, None for the right one; ``version`` None leaves it out (version 1).
    ``spki`` is the key as written, when it is not that of ``key``, ``validity`` both times, when not those.
    """

    subject: bytes | str
    issuer: bytes | str
    key: str
    signer: str
    extensions: tuple[bytes, ...] = ()
    digest: str = "sha256"
    inner: bytes | None = None
    outer: bytes | None = None
    serial: int = 1
    start: int = -10
    days: int = 100
    version: int | None = 2
    spki: bytes | None = None
    validity: bytes | None = None

    @functools.cached_property
    def der(self) -> bytes:
        """The certificate."""
        names = [name(one) if isinstance(one, str) else one for one in (self.issuer, self.subject)]
        outer = self.outer or algorithm(self.signer, self.digest)
        tbs = sequence(
            b"" if self.version is None else tlv(0xA0, integer(self.version)),
            integer(self.serial),
            self.inner or outer,
            names[0],
            self.validity or sequence(_time(NOW + self.start * DAY), _time(NOW + self.days * DAY)),
            names[1],
            self.spki or spki(self.key),
            tlv(0xA3, sequence(*self.extensions)) if self.extensions else b"",
        )
        return sequence(tbs, outer, tlv(3, b"\0", sign(self.signer, self.digest, tbs)))
