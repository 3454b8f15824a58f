# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name constraints that a CA certificate puts on the certificates below it (RFC 5280 section 4.2.1.10).

Pure. Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _names
from ansible_collections.mailsec.dane.plugins.module_utils._x509 import Certificate, CertificateError

try:
    from cryptography import x509
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True


def violation(certificate: Certificate, issuer: Certificate, is_leaf: bool) -> str | None:
    """Say in a sentence which name of ``certificate`` the constraints of ``issuer`` forbid, or None.

    Constraints on forms that cannot be compared here forbid every name of that form. Raises CertificateError.
    """
    constraints = issuer.name_constraints
    if constraints is None:
        return None
    permitted, excluded = constraints.permitted_subtrees or [], constraints.excluded_subtrees or []
    try:
        for name in _all_names(certificate, is_leaf):
            same_form = [base for base in permitted if type(base) is type(name)]
            if same_form and not any(_within(name, base, False) for base in same_form):
                return f"{name!r} is outside what {issuer.subject_text} may certify"
            if any(_within(name, base, True) for base in excluded if type(base) is type(name)):
                return f"{name!r} is excluded by {issuer.subject_text}"
    except ValueError as error:
        raise CertificateError(f"a name cannot be compared with the constraints on it: {error}") from error
    return None


def _all_names(certificate: Certificate, is_leaf: bool) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = list(certificate.subject_alternative_name or [])
    if is_leaf and not certificate.dns_names:
        found += [x509.DNSName(name) for name in certificate.common_names if name.isascii() and "." in name]
    subject = certificate.subject_name
    if subject.rdns:
        found.append(x509.DirectoryName(subject))
    return found


def _within(name: x509.GeneralName, base: x509.GeneralName, undecidable: bool) -> bool:
    if isinstance(name, x509.DNSName) and isinstance(base, x509.DNSName):
        value, parent = name.value.lower(), base.value.lower()
        if not parent or value == parent:
            return True
        return value.endswith(parent if parent.startswith(".") else f".{parent}")
    if isinstance(name, x509.DirectoryName) and isinstance(base, x509.DirectoryName):
        prefix = _names.canonical(base.value.public_bytes())
        return _names.canonical(name.value.public_bytes())[: len(prefix)] == prefix
    if isinstance(name, x509.IPAddress) and isinstance(base, x509.IPAddress):
        return _address_within(name.value, base.value)
    return undecidable


def _address_within(address: t.Any, network: t.Any) -> bool:
    return bool(address.version == network.version and address in network)
