# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and zones that come out the same every time: derived from labels, signed with fixed dates.

Independent of the code under test. Zones are changed as parsed records, before or after signing, never as text.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import typing as t

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.NSEC
import dns.rdtypes.ANY.NSEC3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils
from rsa_primes import PRIMES

NOW = 1_800_000_000  # 2027-01-15
INCEPTION = 1_577_836_800  # 2020-01-01
EXPIRATION = 2_114_380_800  # 2037-01-01
PAST = (1_420_070_400, 1_422_748_800)  # January 2015
FUTURE = (2_145_916_800, 2_147_000_000)  # from 2038-01-01
TTL = 300
#: Where all name servers of the zoo are: an address of loopback that nothing else uses.
SERVER = "127.53.53.1"

A, NS, CNAME, SOA, MX, TXT, AAAA, DNAME = 1, 2, 5, 6, 15, 16, 28, 39
DS, RRSIG, NSEC, DNSKEY, NSEC3, TLSA = 43, 46, 47, 48, 50, 52

Name = dns.name.Name


def name(text: str) -> Name:
    return dns.name.from_text(text)


def rdata(rdtype: int, text: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdtype), text)


def wire(record: dns.rdata.Rdata) -> bytes:
    return record.to_digestable()


def _bytes(label: str, size: int) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size)


class Key:
    """A key pair derived from ``label``. ``flags`` and ``protocol`` go into the record as they are."""

    def __init__(self, label: str, algorithm: int = 13, flags: int = 256, protocol: int = 3) -> None:
        self.label, self.algorithm, self.flags, self.protocol = label, algorithm, flags, protocol
        self._private = self._make()

    def _make(self) -> t.Any:
        if self.algorithm in (5, 7, 8, 10):
            p, q = PRIMES[self.flags & 1]
            d = pow(65537, -1, (p - 1) * (q - 1))
            numbers = rsa.RSAPrivateNumbers(
                p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q),
                rsa.RSAPublicNumbers(65537, p * q),
            )  # fmt: skip
            return numbers.private_key()
        if self.algorithm == 14:
            return ec.derive_private_key(int.from_bytes(_bytes(self.label, 47), "big"), ec.SECP384R1())
        if self.algorithm == 15:
            return ed25519.Ed25519PrivateKey.from_private_bytes(_bytes(self.label, 32))
        if self.algorithm == 16:
            return ed448.Ed448PrivateKey.from_private_bytes(_bytes(self.label, 57))
        # Also the stand-in for algorithms nobody knows.
        return ec.derive_private_key(int.from_bytes(_bytes(self.label, 31), "big"), ec.SECP256R1())

    @property
    def public(self) -> bytes:
        public = self._private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            return b"\x03\x01\x00\x01" + public.public_numbers().n.to_bytes(256, "big")
        if isinstance(public, ec.EllipticCurvePublicKey):
            size = public.key_size // 8
            numbers = public.public_numbers()
            return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")
        return t.cast(bytes, public.public_bytes_raw())

    @property
    def record(self) -> dns.rdata.Rdata:
        body = struct.pack("!HBB", self.flags, self.protocol, self.algorithm) + self.public
        return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.DNSKEY, body, 0, len(body))

    @property
    def tag(self) -> int:
        total = 0
        for position, byte in enumerate(wire(self.record)):
            total += byte if position & 1 else byte << 8
        return (total + (total >> 16)) & 0xFFFF

    def sign(self, data: bytes) -> bytes:
        if isinstance(self._private, rsa.RSAPrivateKey):
            digest = {5: hashes.SHA1, 7: hashes.SHA1, 8: hashes.SHA256, 10: hashes.SHA512}[self.algorithm]
            return self._private.sign(data, padding.PKCS1v15(), digest())
        if isinstance(self._private, ec.EllipticCurvePrivateKey):
            digest_384 = self.algorithm == 14
            algorithm = ec.ECDSA(hashes.SHA384() if digest_384 else hashes.SHA256(), deterministic_signing=True)
            r, s = utils.decode_dss_signature(self._private.sign(data, algorithm))
            size = 48 if digest_384 else 32
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return t.cast(bytes, self._private.sign(data))

    def ds(self, owner: Name, digest_type: int = 2, tag: int | None = None, algorithm: int | None = None) -> str:
        data = owner.to_digestable() + wire(self.record)
        algorithms = {1: "sha1", 2: "sha256", 4: "sha384"}
        digest = hashlib.new(algorithms.get(digest_type, "sha256"), data).hexdigest()
        return f"{self.tag if tag is None else tag} {algorithm or self.algorithm} {digest_type} {digest}"


def labels(owner: Name) -> int:
    return len(owner) - 1 - (1 if owner.labels[0] == b"*" else 0)


@dataclasses.dataclass
class Signature:
    """An RRSIG record with every field free to be wrong."""

    covered: int
    algorithm: int
    labels: int
    ttl: int
    expiration: int
    inception: int
    tag: int
    signer: Name
    value: bytes = b""

    def head(self) -> bytes:
        return (
            struct.pack(
                "!HBBIIIH",
                self.covered,
                self.algorithm,
                self.labels,
                self.ttl,
                self.expiration,
                self.inception,
                self.tag,
            )
            + self.signer.to_digestable()
        )

    def to_bytes(self) -> bytes:
        return self.head() + self.value

    def made(self, key: Key, owner: Name, rdatas: t.Sequence[bytes]) -> Signature:
        """Return the signature with the value that ``key`` gives it."""
        if self.labels < labels(owner):
            owner = dns.name.Name((b"*", *owner.labels[-(self.labels + 1) :]))
        prefix = owner.to_digestable() + struct.pack("!HHI", self.covered, 1, self.ttl)
        body = b"".join(prefix + struct.pack("!H", len(data)) + data for data in sorted(set(rdatas)))
        return dataclasses.replace(self, value=key.sign(self.head() + body))


def signature(
    owner: Name,
    rdtype: int,
    rdatas: t.Sequence[bytes],
    key: Key,
    signer: Name,
    window: tuple[int, int] = (INCEPTION, EXPIRATION),
    **fields: t.Any,
) -> Signature:
    made = Signature(rdtype, key.algorithm, labels(owner), TTL, window[1], window[0], key.tag, signer)
    return dataclasses.replace(made, **fields).made(key, owner, rdatas)


@dataclasses.dataclass
class Nsec3Settings:
    iterations: int = 0
    salt: bytes = b""
    opt_out: bool = False
    algorithm: int = 1
    flags: int | None = None


class Zone:
    """A zone: records by owner and type as wire data, and signatures beside them."""

    def __init__(
        self,
        origin: Name,
        ksk: Key | None = None,
        zsk: Key | None = None,
        nsec3: Nsec3Settings | None = None,
        window: tuple[int, int] = (INCEPTION, EXPIRATION),
    ) -> None:
        self.origin, self.ksk, self.zsk, self.nsec3, self.window = origin, ksk, zsk, nsec3, window
        self.nodes: dict[Name, dict[int, list[bytes]]] = {}
        self.signatures: dict[tuple[Name, int], list[Signature]] = {}
        self.keys: list[Key] = [key for key in dict.fromkeys((ksk, zsk)) if key]

    def add(self, owner: Name, rdtype: int, *texts: str) -> None:
        rdatas = self.nodes.setdefault(owner, {}).setdefault(rdtype, [])
        rdatas.extend(wire(rdata(rdtype, text)) for text in texts)

    def is_cut(self, owner: Name) -> bool:
        return owner != self.origin and NS in self.nodes.get(owner, {})

    def below_cut(self, owner: Name) -> bool:
        """Say whether ``owner`` is below a delegation or DNAME."""
        parent = owner
        while parent != self.origin:
            parent = parent.parent()
            if self.is_cut(parent) or DNAME in self.nodes.get(parent, {}):
                return True
        return False

    def owners(self) -> list[Name]:
        return sorted(owner for owner in self.nodes if not self.below_cut(owner))

    def exists(self, owner: Name) -> bool:
        """Say whether the name exists, be it as an empty non-terminal."""
        return any(known.is_subdomain(owner) for known in self.owners())

    def sign(self) -> None:
        if not self.keys:
            return
        if self.keys:
            self.nodes[self.origin][DNSKEY] = [wire(key.record) for key in self.keys]
        if self.nsec3:
            self.make_nsec3(self.nsec3)
        else:
            self.make_nsec()
        for owner in self.owners():
            for rdtype in self.nodes[owner]:
                self.sign_rrset(owner, rdtype)

    def sign_rrset(self, owner: Name, rdtype: int, key: Key | None = None, **fields: t.Any) -> None:
        """Sign one RRset if the zone has authority over it; replaces the signatures there are."""
        if self.is_cut(owner) and rdtype not in (DS, NSEC):
            return
        key = key or (self.ksk if rdtype == DNSKEY else self.zsk)
        assert key
        fields.setdefault("window", self.window)
        signer = fields.pop("signer", self.origin)
        self.signatures[owner, rdtype] = [signature(owner, rdtype, self.nodes[owner][rdtype], key, signer, **fields)]

    def types(self, owner: Name) -> set[int]:
        found = set(self.nodes.get(owner, {})) - {NSEC}
        if self.is_cut(owner):
            found &= {NS, DS}
        return found

    def make_nsec(self) -> None:
        owners = self.owners()
        for owner, following in zip(owners, owners[1:] + owners[:1], strict=True):
            self.nodes[owner][NSEC] = [nsec(following, self.types(owner) | {NSEC, RRSIG})]

    def make_nsec3(self, settings: Nsec3Settings) -> None:
        entries: dict[Name, set[int]] = {}
        for owner in self.owners():
            types = self.types(owner)
            if settings.opt_out and self.is_cut(owner) and DS not in types:
                continue
            entries[owner] = types if types == {NS} else types | {RRSIG}
            parent = owner
            while parent != self.origin:
                parent = parent.parent()
                entries.setdefault(parent, self.types(parent) | ({RRSIG} if self.types(parent) else set()))
        hashed = sorted((nsec3_hash(owner, settings), types) for owner, types in entries.items())
        for position, (digest, types) in enumerate(hashed):
            following = hashed[(position + 1) % len(hashed)][0]
            self.nodes.setdefault(self.hash_owner(digest), {})[NSEC3] = [nsec3(settings, following, types)]

    def hash_owner(self, digest: bytes) -> Name:
        return Name((base32hex(digest), *self.origin.labels))


def base32hex(data: bytes) -> bytes:
    value = int.from_bytes(data, "big")
    return bytes(b"0123456789abcdefghijklmnopqrstuv"[value >> shift & 31] for shift in range(len(data) * 8 - 5, -1, -5))


def bitmap(types: t.Iterable[int]) -> bytes:
    windows: dict[int, bytearray] = {}
    for rdtype in sorted(types):
        block = windows.setdefault(rdtype >> 8, bytearray(32))
        block[(rdtype & 255) // 8] |= 0x80 >> rdtype % 8
    return b"".join(
        bytes([window, len(block.rstrip(b"\0"))]) + block.rstrip(b"\0") for window, block in sorted(windows.items())
    )


def nsec(following: Name, types: t.Iterable[int]) -> bytes:
    # RFC 6840 section 5.1: the next name keeps its case; all of ours are lower case.
    return following.to_digestable() + bitmap(types)


def nsec3(settings: Nsec3Settings, following: bytes, types: t.Iterable[int]) -> bytes:
    flags = int(settings.opt_out) if settings.flags is None else settings.flags
    head = struct.pack("!BBHB", settings.algorithm, flags, settings.iterations, len(settings.salt))
    return head + settings.salt + bytes([len(following)]) + following + bitmap(types)


def nsec3_hash(owner: Name, settings: Nsec3Settings) -> bytes:
    digest = owner.to_digestable()
    for _round in range(settings.iterations + 1):
        digest = hashlib.sha1(digest + settings.salt).digest()
    return digest
