# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters that make, read and compare TLSA records, so that playbooks need no shell for it."""

from __future__ import annotations

import collections.abc
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.mailsec.dane.plugins.module_utils._dane import tlsa
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa_source import source_position
from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing


def _number(value: t.Any, what: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(f"{what} must be a whole number, not {value!r}") from error


def _text(value: t.Any, what: str) -> str:
    if not isinstance(value, str):
        raise AnsibleFilterError(f"{what} must be text, not {type(value).__name__}")
    return value


def _require_cryptography() -> None:
    for gap in missing("cryptography"):
        raise AnsibleFilterError(f"the Python library {gap.library} is needed on the controller: {gap.why}")


def tlsa_from_certificate(
    certificate: t.Any, usage: t.Any = 3, selector: t.Any = 1, matching_type: t.Any = 1, index: t.Any = None
) -> str:
    """Return the record text of a PEM certificate or chain."""
    _require_cryptography()
    try:
        chain = pki_certificate.load_pem(_text(certificate, "the certificate"))
        number = tlsa.parse_usage(usage)
        position = source_position(chain, number, None if index is None else _number(index, "index"))
        record = tlsa.compute(
            chain[position], number, tlsa.parse_selector(selector), tlsa.parse_matching_type(matching_type)
        )
    except ValueError as error:
        raise AnsibleFilterError(f"mailsec.dane.tlsa_from_certificate: {error}") from error
    return record.to_text()


def tlsa_from_public_key(public_key: t.Any, usage: t.Any = 3, matching_type: t.Any = 1) -> str:
    """Return the record text, with selector 1, of a PEM public key."""
    try:
        spki = pki_certificate.load_spki(_text(public_key, "the public key"))
        record = tlsa.compute_from_spki(spki, tlsa.parse_usage(usage), tlsa.parse_matching_type(matching_type))
    except ValueError as error:
        raise AnsibleFilterError(f"mailsec.dane.tlsa_from_public_key: {error}") from error
    return record.to_text()


def _record(value: t.Any) -> tlsa.TlsaRecord:
    if isinstance(value, collections.abc.Mapping):
        if "text" in value and "data" not in value:
            return _record(value["text"])
        lacking = [name for name in ("usage", "selector", "matching_type", "data") if name not in value]
        if lacking:
            raise tlsa.TlsaError(f"the record lacks {', '.join(lacking)}")
        value = " ".join(str(value[name]) for name in ("usage", "selector", "matching_type", "data"))
    return tlsa.TlsaRecord.from_text(_text(value, "a record"))


def tlsa_records(records: t.Any) -> list[dict[str, int | str]]:
    """Return records, given as texts or dictionaries, sorted, without repetitions and in one spelling."""
    if isinstance(records, (str, collections.abc.Mapping)):
        records = [records]
    if not isinstance(records, collections.abc.Iterable):
        raise AnsibleFilterError(f"mailsec.dane.tlsa_records takes a list of records, not {type(records).__name__}")
    try:
        return [record.as_dict() for record in sorted({_record(value) for value in records})]
    except ValueError as error:
        raise AnsibleFilterError(f"mailsec.dane.tlsa_records: {error}") from error


def tlsa_owner(host: t.Any, port: t.Any = 25, protocol: t.Any = "tcp") -> str:
    """Return the owner name of the TLSA RRset of a host."""
    try:
        return tlsa.owner_name(_text(host, "the host name"), _number(port, "port"), _text(protocol, "protocol"))
    except ValueError as error:
        raise AnsibleFilterError(f"mailsec.dane.tlsa_owner: {error}") from error


class FilterModule:
    """Filters of the collection for TLSA values."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "tlsa_from_certificate": tlsa_from_certificate,
            "tlsa_from_public_key": tlsa_from_public_key,
            "tlsa_owner": tlsa_owner,
            "tlsa_records": tlsa_records,
        }
