# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificate of a chain a TLSA record is made of, and whether a private key belongs to it.

Pure. Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, CertificateError

try:
    from cryptography.hazmat.primitives import serialization
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

if t.TYPE_CHECKING:
    import collections.abc as c

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def source_position(chain: c.Sequence[Certificate], usage: int, position: int | None = None) -> int:
    """Return the position in ``chain`` of the certificate that a record with ``usage`` is made of.

    ``position`` is returned when given. Else it is the first certificate for usages 1 and 3; for usages 0
    and 2 the first one when it is a CA certificate, otherwise the one whose key signed the first one.
    Raises CertificateError when there is none.
    """
    if position is not None:
        if not 0 <= position < len(chain):
            raise CertificateError(f"there is no certificate at position {position}: the input has {len(chain)}")
        return position
    if usage in (1, 3) or chain[0].is_ca:
        return 0
    for number, candidate in enumerate(chain[1:], start=1):
        if chain[0].issued_by(candidate):
            return number
    raise CertificateError(
        f"a record with usage {usage} names a CA, but the input has no certificate that issued "
        f"{chain[0].subject_text or 'the first one'} (issuer: {chain[0].issuer_text}); append the CA certificate"
    )


def key_belongs_to(certificate: Certificate, key: bytes, passphrase: bytes | None = None) -> bool:
    """Say whether a private key in ``key`` (PEM or DER, other PEM blocks are passed over) is that of ``certificate``.

    Raises CertificateError when there is no private key or it cannot be read; never with content of it.
    """
    wanted = certificate.public_key
    return any(wanted == loaded.public_key() for loaded in _load_keys(key, passphrase))


def _load_keys(data: bytes, passphrase: bytes | None) -> list[PrivateKeyTypes]:
    if not HAS_CRYPTOGRAPHY:
        raise CertificateError("the Python library cryptography is not installed")
    if b"-----BEGIN " not in data:
        return [_load_key(data, passphrase, False)]
    blocks = [
        b"-----BEGIN %b-----%b-----END %b-----\n" % (label.encode(), body, label.encode())
        for label, body in pki_certificate.pem_blocks(data)
        if label.endswith("PRIVATE KEY")
    ]
    if not blocks:
        raise CertificateError("the key file has no PRIVATE KEY block")
    return [_load_key(block, passphrase, True) for block in blocks]


def _load_key(data: bytes, passphrase: bytes | None, pem: bool) -> PrivateKeyTypes:
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    for password in (passphrase, None) if passphrase else (None,):
        try:
            return load(data, password)
        except TypeError:
            # The library's way to say that a passphrase is missing, or superfluous.
            continue
        except pki_certificate.refusals():
            break
    hint = "" if passphrase else "; it may be encrypted, then a passphrase is needed"
    # "from None": an exception of the parser must not carry parts of the key into a traceback.
    raise CertificateError(f"the private key cannot be read{hint}") from None
