# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a TLSA record does not match: what its data really is (``mistakes.md`` section 2, steps 2, 3 and 6).

Pure. Private to the collection.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dane import tlsa
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_EE, DANE_TA, TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, finding
from ansible_collections.mailsec.dane.plugins.module_utils._pki import der as pki_der
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, CertificateError

if t.TYPE_CHECKING:
    import collections.abc as c

_MAX_CERTIFICATES: t.Final = 16
_TYPO_DIGITS: t.Final = 4


def diagnose(record: TlsaRecord, chain: c.Sequence[Certificate], pem: str | None = None) -> Finding | None:
    """Say what the data of ``record`` is instead, for a record that does not match ``chain`` (leaf first).

    ``pem`` is the text of the certificate file, when known, for records made of the file itself. Returns
    ``tlsa-bad-field``, ``tlsa-empty-digest``, ``tlsa-wrong-object``, ``tlsa-ambiguous-usage``, ``tlsa-near-typo``,
    ``ta-not-in-chain``, or None when no cause can be seen or the data does fit its usage.
    """
    shown = record.to_text()
    subject = shown if len(shown) <= 80 else f"{shown[:76]}..."
    empty = tlsa.EMPTY_DIGESTS.get(record.data)
    if empty:
        return finding("tlsa-empty-digest", subject, f"the data is the {empty} of empty input", _right(record, chain))
    for depth, certificate in enumerate(chain[:_MAX_CERTIFICATES]):
        for what, selector, digest, data in _objects(certificate, pem if depth == 0 else None):
            if data == record.data:
                return _explain(record, chain, subject, depth, (what, selector, digest))
    why = record.unusable_reason()
    typo = _near(record, chain)
    if typo is not None:
        expected, distance = typo
        return finding("tlsa-near-typo", subject, f"{distance} hex digits are wrong", expected.to_text())
    if why is not None:
        return finding("tlsa-bad-field", subject, why)
    if record.usage == DANE_TA and chain and not chain[-1].is_self_issued:
        evidence = f"the message ends with {_subject(chain[-1])}; its issuer {_issuer(chain[-1])} is not sent"
        return finding("ta-not-in-chain", subject, evidence, _right(record, chain))
    return None


def _explain(
    record: TlsaRecord, chain: c.Sequence[Certificate], subject: str, depth: int, found: tuple[str, int | None, int]
) -> Finding | None:
    what, selector, digest = found
    same_parameters = (selector, digest) == (record.selector, record.matching_type)
    if same_parameters and record.usage == DANE_TA and depth == 0:
        evidence = f"the data is the {what} of the server's own certificate"
        return finding("tlsa-ambiguous-usage", subject, evidence, _right(record, chain))
    if same_parameters and (record.usage == DANE_EE) == (depth == 0):
        return None
    where = "the server's certificate" if depth == 0 else f"certificate {depth} of the chain ({_subject(chain[depth])})"
    evidence = f"the data is the {tlsa.MATCHING_TYPES[digest]} of the {what} of {where}"
    if selector is None:
        return finding("tlsa-wrong-object", subject, evidence, _right(record, chain))
    meant = TlsaRecord(DANE_EE if depth == 0 else DANE_TA, selector, digest, record.data).to_text()
    return finding("tlsa-wrong-object", subject, evidence, f"{meant}, or {_right(record, chain)}")


def _objects(certificate: Certificate, pem: str | None) -> c.Iterator[tuple[str, int | None, int, bytes]]:
    """Yield what people take digests of: name, its selector (None when none is right), matching type, data."""
    contents: list[tuple[str, int | None, bytes]] = [
        ("whole certificate", tlsa.CERT, certificate.der),
        ("public key (SPKI)", tlsa.SPKI, certificate.spki),
    ]
    for label, der in (("CERTIFICATE", certificate.der), ("PUBLIC KEY", certificate.spki)):
        text = _pem(label, der)
        contents += [(f"PEM text ({label})", None, text), (f"PEM text ({label})", None, text.rstrip())]
    bare = _bare_key(certificate.spki)
    if bare is not None:
        contents.append(("bare public key without its algorithm (PKCS #1 RSAPublicKey, or EC point)", None, bare))
    reencoded = certificate.reencoded_spki
    if reencoded and reencoded != certificate.spki:
        contents.append(("re-encoded public key", None, reencoded))
    if pem is not None:
        contents += [("certificate file", None, pem.encode()), ("certificate file", None, pem.strip().encode())]
    for what, selector, content in contents:
        yield what, selector, 0, content
        yield what, selector, 1, hashlib.sha256(content).digest()
        yield what, selector, 2, hashlib.sha512(content).digest()


def _bare_key(spki: bytes) -> bytes | None:
    """Return the content of the BIT STRING in a SubjectPublicKeyInfo (RFC 5280 section 4.1)."""
    try:
        _algorithm, key = pki_der.children(spki, pki_der.read_whole(spki, pki_der.SEQUENCE))
    except ValueError:
        return None
    # The first byte counts unused bits.
    return spki[key.body + 1 : key.end]


def _pem(label: str, der: bytes) -> bytes:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode("ascii"), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode("ascii")


def _near(record: TlsaRecord, chain: c.Sequence[Certificate]) -> tuple[TlsaRecord, int] | None:
    """Return the record that was probably meant and the number of wrong hex digits, for a slip of the pen."""
    if record.selector not in (0, 1) or record.matching_type not in tlsa.DIGEST_BYTES or record.usage > DANE_EE:
        return None
    candidates = chain[:1] if record.usage in (1, DANE_EE) else chain[1:_MAX_CERTIFICATES]
    for certificate in candidates:
        right = tlsa.compute(certificate, record.usage, record.selector, record.matching_type)
        distance = _distance(record.data.hex(), right.data.hex(), _TYPO_DIGITS)
        if distance is not None and distance > 0:
            return right, distance
    return None


def _distance(left: str, right: str, limit: int) -> int | None:
    """Return the edit distance of two strings, or None when it is over ``limit``."""
    if abs(len(left) - len(right)) > limit:
        return None
    row = list(range(len(right) + 1))
    for line, char in enumerate(left, start=1):
        previous, row[0] = row[0], line
        for column, other in enumerate(right, start=1):
            cost = min(row[column] + 1, row[column - 1] + 1, previous + (char != other))
            previous, row[column] = row[column], cost
        if min(row) > limit:
            return None
    return row[-1] if row[-1] <= limit else None


def _right(record: TlsaRecord, chain: c.Sequence[Certificate]) -> str:
    """The record of the recommended kind that matches: ``3 1 1`` of the leaf, or ``2 1 1`` of its issuer."""
    if not chain:
        return ""
    if record.usage == DANE_TA and len(chain) > 1:
        return tlsa.compute(chain[1], DANE_TA, tlsa.SPKI, 1).to_text()
    return tlsa.compute(chain[0], DANE_EE, tlsa.SPKI, 1).to_text()


def _subject(certificate: Certificate) -> str:
    try:
        return certificate.subject_text or "a certificate without subject"
    except CertificateError:
        return repr(certificate)


def _issuer(certificate: Certificate) -> str:
    try:
        return certificate.issuer_text or "without name"
    except CertificateError:
        return "with an unreadable name"
