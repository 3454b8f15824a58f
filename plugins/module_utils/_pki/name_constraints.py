# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name constraints that a CA certificate puts on the certificates below it (RFC 5280 section 4.2.1.10).

Pure. Private to the collection.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import der, names
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, CertificateError
from ansible_collections.mailsec.dane.plugins.module_utils._pki.extensions import (
    DIRECTORY_NAME,
    DNS_NAME,
    EMAIL,
    IP_ADDRESS,
    OTHER_NAME,
    URI,
    GeneralName,
    NameConstraints,
    Subtree,
)
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

_EMAIL_ADDRESS: t.Final = "1.2.840.113549.1.9.1"
_SMTP_UTF8: t.Final = "1.3.6.1.5.5.7.8.9"
_HOST: t.Final = re.compile(r"[^:/?#]+://(?:[^@/?#]*@)?([^:/?#]+)")


def violation(certificate: Certificate, issuer: Certificate, is_leaf: bool) -> str | None:
    """Say in a sentence which name of ``certificate`` the constraints of ``issuer`` forbid, or None.

    Constraints on forms that cannot be compared here forbid every name of that form. Raises CertificateError.
    """
    constraints = issuer.name_constraints
    if constraints is None:
        return None
    there = all_names(certificate, is_leaf)
    # RFC 9598 section 6: constraints on mail addresses hold for internationalized ones, too.
    there += [GeneralName(EMAIL, value) for name in there if (value := _internationalized(name))]
    for name in there:
        if any(base.bounded for base in (*constraints.permitted, *constraints.excluded) if base.form == name.form):
            return f"{issuer.subject_text} limits the depth of names, which OpenSSL does not support"
    return forbidden(there, constraints, issuer)


def forbidden(there: t.Iterable[GeneralName], constraints: NameConstraints, issuer: Certificate) -> str | None:
    """Say which of the names ``there`` the ``constraints`` of ``issuer`` forbid, or None. Raises CertificateError."""
    try:
        for name in there:
            same_form = [base for base in constraints.permitted if base.form == name.form]
            if same_form and not any(_within(name, base, False) for base in same_form):
                return f"{_shown(name)} is outside what {issuer.subject_text} may certify"
            if any(_within(name, base, True) for base in constraints.excluded if base.form == name.form):
                return f"{_shown(name)} is excluded by {issuer.subject_text}"
    except ValueError as error:
        raise CertificateError(f"a name cannot be compared with the constraints on it: {error}") from error
    return None


def _shown(name: GeneralName) -> str:
    if name.form == DIRECTORY_NAME:
        return names.to_text(name.value)
    if name.form == IP_ADDRESS and len(name.value) in (4, 16):
        return str(ipaddress.ip_address(name.value))
    return printable(name.value, 200)


def all_names(certificate: Certificate, is_leaf: bool) -> list[GeneralName]:
    """Return every name that constraints may concern. Raises CertificateError."""
    found = list(certificate.subject_alternative_name or ())
    if is_leaf and not certificate.dns_names:
        found += [
            GeneralName(DNS_NAME, name.encode()) for name in certificate.common_names if name.isascii() and "." in name
        ]
    try:
        subject = names.relative_names(certificate.subject)
    except der.DerError as error:
        raise CertificateError(f"the subject of the certificate cannot be read: {error}") from error
    if subject:
        found.append(GeneralName(DIRECTORY_NAME, certificate.subject))
    found += [GeneralName(EMAIL, one.value) for rdn in subject for one in rdn if one.kind == _EMAIL_ADDRESS]
    return found


def _internationalized(name: GeneralName) -> bytes:
    """The mailbox of an otherName SmtpUTF8Mailbox (RFC 9598 section 3), b'' for any other name."""
    if name.form != OTHER_NAME:
        return b""
    try:
        kind = der.read(name.value)
        outer = der.read(name.value, kind.end)
        inner = der.read(name.value, outer.body, outer.end)
        return name.value[inner.body : inner.end] if der.dotted(name.value, kind) == _SMTP_UTF8 else b""
    except der.DerError:
        return b""


def _within(name: GeneralName, base: Subtree, undecidable: bool) -> bool:
    if name.form == DIRECTORY_NAME:
        prefix = names.canonical(base.value)
        return names.canonical(name.value)[: len(prefix)] == prefix
    if name.form == IP_ADDRESS:
        return _address_within(name.value, base.value)
    value, limit = name.value.decode("latin-1").lower(), base.value.decode("latin-1").lower()
    if name.form == DNS_NAME:
        return not limit or _host_within(value, limit) or value.endswith(f".{limit}")
    if name.form == EMAIL:
        return value == limit if "@" in limit[1:] else _host_within(value.rpartition("@")[2], limit.removeprefix("@"))
    if name.form == URI:
        host = _HOST.match(value)
        return undecidable if host is None else _host_within(host[1], limit)
    return undecidable


def _host_within(host: str, limit: str) -> bool:
    return host.endswith(limit) if limit.startswith(".") else host == limit


def _address_within(address: bytes, network: bytes) -> bool:
    """An address, and a network as its address and its mask (RFC 5280 section 4.2.1.10)."""
    if len(network) != 2 * len(address):
        return False
    value, mask = network[: len(address)], network[len(address) :]
    return all(one & bits == other & bits for one, other, bits in zip(address, value, mask, strict=True))
