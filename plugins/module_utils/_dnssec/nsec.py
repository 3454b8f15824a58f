# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proofs of absence by NSEC records (RFC 4035 section 5.4, RFC 6840 section 4, RFC 9824).

The records given here have been verified already. Pure. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.proof import Kind, Proof, unproven
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import (
    CNAME,
    DNAME,
    DS,
    NS,
    NSEC,
    NXNAME,
    RRSIG_TYPE,
    SOA,
    type_text,
)

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name


@dataclasses.dataclass(frozen=True, eq=False)
class Nsec:
    """A verified NSEC record of ``zone``: its owner, the next name and the types that exist at the owner."""

    zone: dns.name.Name
    owner: dns.name.Name
    next: dns.name.Name
    types: frozenset[int]

    def covers(self, name: dns.name.Name) -> bool:
        """Say whether ``name`` falls into the gap behind the owner."""
        if not name.is_subdomain(self.zone) or not self.owner < name:
            return False
        # The last record of a zone points back to the apex.
        return bool(name < self.next) or self.next == self.zone

    def is_above_cut(self, name: dns.name.Name) -> bool:
        """Say whether ``name`` lies below a delegation or DNAME at the owner (RFC 6840 section 4.1)."""
        below = name != self.owner and name.is_subdomain(self.owner)
        return below and (DNAME in self.types or (NS in self.types and SOA not in self.types))

    def encloser(self, name: dns.name.Name) -> dns.name.Name:
        """Return the closest encloser of ``name`` that the record shows to exist."""
        return max(_common(name, self.owner), _common(name, self.next), key=len)


def type_set(windows: t.Iterable[tuple[int, bytes]]) -> frozenset[int]:
    """Return the types of a type bitmap (RFC 4034 section 4.1.2)."""
    return frozenset(
        window * 256 + octet * 8 + bit
        for window, bitmap in windows
        for octet, byte in enumerate(bitmap)
        for bit in range(8)
        if byte & (0x80 >> bit)
    )


def _common(one: dns.name.Name, other: dns.name.Name) -> dns.name.Name:
    _relation, _order, shared = one.fullcompare(other)
    return one.split(shared)[1]


def _cover(name: dns.name.Name, records: t.Sequence[Nsec]) -> tuple[Nsec | None, Proof]:
    """Return the record that covers ``name``, or why there is none."""
    for record in records:
        if record.covers(name):
            if record.is_above_cut(name):
                detail = (
                    f"the NSEC record of {record.owner} stands above a delegation or DNAME and says nothing of {name}"
                )
                return None, unproven("denial-wrong-side", detail)
            return record, Proof(Kind.NODATA)
    return None, unproven("denial-not-covering", f"no NSEC record covers {name}")


def _typed(record: Nsec, rdtype: int, what: str) -> Proof:
    """Judge a record that stands at the very name."""
    if record.types & {rdtype, CNAME}:
        existing = type_text(rdtype if rdtype in record.types else CNAME)
        return unproven("denial-type-exists", f"the NSEC record of {record.owner} says that {existing} exists")
    if record.types == {RRSIG_TYPE, NSEC, NXNAME}:
        return Proof(Kind.NXDOMAIN, "", f"{record.owner} does not exist (compact denial, RFC 9824)")
    return Proof(Kind.NODATA, "", what)


def _sides(record: Nsec, rdtype: int) -> Proof | None:
    """Refuse a record from the wrong side of a zone cut (RFC 6840 section 4.1, RFC 4035 section 5.2)."""
    if rdtype == DS:
        if SOA in record.types and record.owner != dns.name.root:
            return unproven("denial-wrong-side", f"the NSEC record of {record.owner} is the child's, not the parent's")
    elif NS in record.types and SOA not in record.types:
        return unproven("denial-wrong-side", f"the NSEC record of {record.owner} is the parent's, not the child's")
    return None


def deny(name: dns.name.Name, rdtype: int, records: t.Sequence[Nsec]) -> Proof:
    """Say what ``records`` prove about the absence of ``rdtype`` at ``name``."""
    for record in records:
        if record.owner == name:
            return _sides(record, rdtype) or _typed(record, rdtype, f"{name} exists without {type_text(rdtype)}")
    cover, why = _cover(name, records)
    if cover is None:
        return why
    if cover.next != name and cover.next.is_subdomain(name):
        return Proof(Kind.NODATA, "", f"{name} exists only because of names below it")
    return _deny_wildcard(name, rdtype, cover.encloser(name), records)


def _deny_wildcard(name: dns.name.Name, rdtype: int, encloser: dns.name.Name, records: t.Sequence[Nsec]) -> Proof:
    wildcard = dns.name.Name((b"*", *encloser.labels))
    for record in records:
        if record.owner == wildcard:
            found = _sides(record, rdtype) or _typed(record, rdtype, f"{wildcard} exists without {type_text(rdtype)}")
            return Proof(Kind.NODATA, "", found.detail) if found.proven else found
    cover, why = _cover(wildcard, records)
    if cover is None:
        return why
    if cover.next.is_subdomain(wildcard):
        return Proof(Kind.NODATA, "", f"{wildcard} exists only because of names below it")
    return Proof(Kind.NXDOMAIN, "", f"neither {name} nor {wildcard} exists")


def ds_absence(name: dns.name.Name, records: t.Sequence[Nsec]) -> Proof:
    """Say what ``records`` prove about a delegation at ``name`` (RFC 4035 section 5.2, RFC 6840 section 4.4)."""
    for record in records:
        if record.owner == name:
            refused = _sides(record, DS) or _typed(record, DS, f"{name} is not a delegation")
            if not refused.proven or NS not in record.types:
                return refused
            return Proof(Kind.UNSIGNED_DELEGATION, "delegation-unsigned", f"{name} is delegated without DS")
    cover, why = _cover(name, records)
    if cover is None:
        return why
    if cover.next.is_subdomain(name):
        return Proof(Kind.NODATA, "", f"{name} exists only because of names below it")
    return Proof(Kind.NXDOMAIN, "", f"{name} does not exist")


def no_closer(name: dns.name.Name, encloser: dns.name.Name, records: t.Sequence[Nsec]) -> Proof:
    """Prove that nothing closer to ``name`` than the wildcard below ``encloser`` exists (RFC 4035 section 5.3.4)."""
    cover, why = _cover(name, records)
    if cover is None:
        return why
    if cover.next.is_subdomain(name) or len(cover.encloser(name)) > len(encloser):
        return unproven("denial-not-covering", f"the NSEC record of {cover.owner} shows a name closer to {name}")
    return Proof(Kind.NXDOMAIN)
