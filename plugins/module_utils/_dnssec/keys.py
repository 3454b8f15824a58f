# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zone keys: tag, flags, DS digests, and the public-key operation itself (RFC 4034, 5702, 6605, 8080).

Pure. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import typing as t

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name
    from cryptography import exceptions
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils
    from dns.rdtypes.ANY.DNSKEY import DNSKEY
    from dns.rdtypes.ANY.DS import DS

if t.TYPE_CHECKING:
    import collections.abc as c

_ZONE: t.Final = 0x0100
_REVOKE: t.Final = 0x0080
_PROTOCOL: t.Final = 3
_MAX_RSA_BITS: t.Final = 4096
_MAX_RSA_EXPONENT_BITS: t.Final = 64
_DIGESTS: t.Final[t.Mapping[int, str]] = {1: "sha1", 2: "sha256", 4: "sha384"}


class Unusable(Exception):
    """The key cannot be used; str() says why."""


class Unsupported(Exception):
    """The library of this machine cannot compute the algorithm."""


@dataclasses.dataclass(frozen=True, eq=False)
class Key:
    """One DNSKEY of ``owner``. ``tag`` is its key tag (RFC 4034 appendix B)."""

    owner: dns.name.Name
    rdata: DNSKEY

    @functools.cached_property
    def tag(self) -> int:
        """The key tag, of the record as it stands, flags included."""
        return key_tag(self.rdata.to_digestable())

    @property
    def algorithm(self) -> int:
        """Number of the algorithm."""
        return int(self.rdata.algorithm)

    @property
    def is_zone_key(self) -> bool:
        """Whether the zone key flag is set (RFC 4034 section 2.1.1)."""
        return bool(self.rdata.flags & _ZONE)

    @property
    def is_revoked(self) -> bool:
        """Whether the REVOKE flag is set (RFC 5011 section 2.1)."""
        return bool(self.rdata.flags & _REVOKE)

    @property
    def has_good_protocol(self) -> bool:
        """Whether the protocol field is 3 (RFC 4034 section 2.1.2)."""
        return int(self.rdata.protocol) == _PROTOCOL

    @property
    def may_sign(self) -> bool:
        """Whether signatures of this key count for data of its zone."""
        return self.is_zone_key and not self.is_revoked and self.has_good_protocol

    def digest(self, digest_type: int) -> bytes:
        """Return the DS digest of the key (RFC 4034 section 5.1.4). Raises KeyError for an unknown type."""
        data = self.owner.to_digestable() + self.rdata.to_digestable()
        return hashlib.new(_DIGESTS[digest_type], data, usedforsecurity=False).digest()

    def matches(self, ds: DS) -> bool:
        """Say whether ``ds`` names this key."""
        known = int(ds.digest_type) in _DIGESTS
        return known and bytes(ds.digest) == self.digest(int(ds.digest_type))

    def unrevoked(self) -> Key:
        """Return the key as it was before it was revoked."""
        rdata = self.rdata.replace(flags=int(self.rdata.flags) & ~_REVOKE)
        return Key(self.owner, rdata) if isinstance(rdata, DNSKEY) else self

    @functools.cached_property
    def _verify(self) -> c.Callable[[bytes, bytes], None] | Unusable | Unsupported:
        try:
            return _verifier(self.algorithm, bytes(self.rdata.key))
        except (Unusable, Unsupported) as error:
            return error
        except exceptions.UnsupportedAlgorithm as error:
            return Unsupported(str(error))
        except (ValueError, TypeError, OverflowError) as error:
            return Unusable(str(error))

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Say whether ``signature`` is this key's over ``data``. Raises :class:`Unusable`, :class:`Unsupported`."""
        verify = self._verify
        if isinstance(verify, Exception):
            raise verify
        try:
            verify(signature, data)
        except (exceptions.InvalidSignature, ValueError):
            return False
        except exceptions.UnsupportedAlgorithm as error:
            raise Unsupported(str(error)) from error
        return True


def key_tag(wire: bytes) -> int:
    """Return the key tag of DNSKEY data in wire form (RFC 4034 appendix B; algorithm 1 is not supported)."""
    total = sum(wire[0::2]) * 256 + sum(wire[1::2])
    return (total + (total >> 16)) & 0xFFFF


def _verifier(algorithm: int, key: bytes) -> c.Callable[[bytes, bytes], None]:
    if algorithm in (5, 7):
        return _rsa(key, hashes.SHA1())  # noqa: S303  # nosec: the policy decides whether it counts
    if algorithm == 8:
        return _rsa(key, hashes.SHA256())
    if algorithm == 10:
        return _rsa(key, hashes.SHA512())
    if algorithm == 13:
        return _ecdsa(key, ec.SECP256R1(), hashes.SHA256(), 32)
    if algorithm == 14:
        return _ecdsa(key, ec.SECP384R1(), hashes.SHA384(), 48)
    if algorithm == 15:
        return ed25519.Ed25519PublicKey.from_public_bytes(key).verify
    if algorithm == 16:
        return ed448.Ed448PublicKey.from_public_bytes(key).verify
    raise Unsupported(f"algorithm {algorithm}")


def _rsa(key: bytes, digest: hashes.HashAlgorithm) -> c.Callable[[bytes, bytes], None]:
    # RFC 3110 section 2: one octet of exponent length, or a zero octet and two more.
    if not key:
        raise Unusable("no key material")
    size, start = (key[0], 1) if key[0] else (int.from_bytes(key[1:3], "big"), 3)
    exponent, modulus = key[start : start + size], key[start + size :]
    if not exponent or len(exponent) != size or not modulus:
        raise Unusable("truncated RSA key")
    e, n = int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")
    if n.bit_length() > _MAX_RSA_BITS or e.bit_length() > _MAX_RSA_EXPONENT_BITS:
        raise Unsupported(f"RSA key of {n.bit_length()} bits with an exponent of {e.bit_length()}")
    public = rsa.RSAPublicNumbers(e, n).public_key()

    def verify(signature: bytes, data: bytes) -> None:
        public.verify(signature, data, padding.PKCS1v15(), digest)

    return verify


def _ecdsa(
    key: bytes, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm, size: int
) -> c.Callable[[bytes, bytes], None]:
    # RFC 6605 section 4: x and y, r and s, each of the fixed size.
    if len(key) != 2 * size:
        raise Unusable(f"an ECDSA key of {len(key)} bytes instead of {2 * size}")
    x, y = int.from_bytes(key[:size], "big"), int.from_bytes(key[size:], "big")
    public = ec.EllipticCurvePublicNumbers(x, y, curve).public_key()

    def verify(signature: bytes, data: bytes) -> None:
        if len(signature) != 2 * size:
            raise exceptions.InvalidSignature
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        public.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(digest))

    return verify
