# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proofs of absence by NSEC3 records (RFC 5155 section 8, RFC 9276).

The records given here have been verified already. Pure. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Work
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.proof import Kind, Proof, unproven
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import CNAME, DNAME, DS, NS, SOA, type_text

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name

_HASH_BYTES: t.Final = 20
_BASE32HEX: t.Final = b"0123456789abcdefghijklmnopqrstuv"


@dataclasses.dataclass(frozen=True, eq=False)
class Nsec3:
    """A verified NSEC3 record with hash algorithm 1: its hash, the next one, and the types at its name."""

    zone: dns.name.Name
    hashed: bytes
    next: bytes
    opt_out: bool
    iterations: int
    salt: bytes
    types: frozenset[int]

    def covers(self, hashed: bytes) -> bool:
        """Say whether ``hashed`` falls into the gap behind this record."""
        if self.hashed < self.next:
            return self.hashed < hashed < self.next
        # The last record points back to the first; a lone one points to itself.
        return hashed > self.hashed or hashed < self.next

    @property
    def is_cut(self) -> bool:
        """Whether names below this one are not in the zone (RFC 5155 section 8.3)."""
        return DNAME in self.types or (NS in self.types and SOA not in self.types)


def decode_hash(label: bytes) -> bytes | None:
    """Return the hash that the first label of an NSEC3 owner spells in Base32hex, or None."""
    value = 0
    for digit in label.lower():
        number = _BASE32HEX.find(digit)
        if number < 0:
            return None
        value = value << 5 | number
    return value.to_bytes(_HASH_BYTES, "big") if len(label) * 5 == _HASH_BYTES * 8 else None


class _WorkLimit(Exception):
    pass


class _Prover:
    """The records of one parameter set, and the hashes of the names of one proof."""

    def __init__(self, records: t.Sequence[Nsec3], work: Work) -> None:
        self._records = records
        self._work = work
        self._hashes: dict[dns.name.Name, bytes] = {}

    def _hash(self, name: dns.name.Name) -> bytes:
        if name not in self._hashes:
            if len(self._hashes) == self._work.limits.hashes_per_proof:
                raise _WorkLimit
            self._work.hashes += 1
            first = self._records[0]
            digest = name.to_digestable()
            for _round in range(first.iterations + 1):
                digest = hashlib.sha1(digest + first.salt, usedforsecurity=False).digest()
            self._hashes[name] = digest
        return self._hashes[name]

    def match(self, name: dns.name.Name) -> Nsec3 | None:
        hashed = self._hash(name)
        return next((record for record in self._records if record.hashed == hashed), None)

    def cover(self, name: dns.name.Name) -> Nsec3 | None:
        hashed = self._hash(name)
        return next((record for record in self._records if record.covers(hashed)), None)

    def encloser(self, name: dns.name.Name) -> tuple[dns.name.Name, Nsec3] | Proof:
        """Return the closest encloser of ``name`` and the record that covers the next closer name."""
        zone = self._records[0].zone
        closer, candidate = name, name
        while candidate != zone:
            closer, candidate = candidate, candidate.parent()
            record = self.match(candidate)
            if record is None:
                continue
            if record.is_cut:
                return unproven("denial-wrong-side", f"{candidate} is a delegation or DNAME; {name} lies below it")
            cover = self.cover(closer)
            if cover is None:
                return unproven("denial-not-covering", f"no NSEC3 record covers {closer}")
            return candidate, cover
        return unproven("denial-not-covering", f"no NSEC3 record matches a name above {name}")


def _prove(records: t.Sequence[Nsec3], work: Work, proof: t.Callable[[_Prover], Proof]) -> Proof:
    """Try the proof with each parameter set; the records of one proof have to share theirs (RFC 5155 section 8.2)."""
    groups: dict[tuple[int, bytes], list[Nsec3]] = {}
    for record in records:
        groups.setdefault((record.iterations, record.salt), []).append(record)
    outcome = unproven("denial-missing", "no NSEC3 record")
    for (iterations, _salt), group in sorted(groups.items(), key=lambda item: item[0][0])[:2]:
        if iterations > work.limits.nsec3_iterations:
            detail = f"{iterations} NSEC3 iterations, more than {work.limits.nsec3_iterations}"
            return Proof(Kind.OPTED_OUT, "nsec3-iterations-high", detail)
        try:
            outcome = proof(_Prover(group, work))
        except _WorkLimit:
            detail = f"more than {work.limits.hashes_per_proof} names to hash for one NSEC3 proof"
            return unproven("work-limit-exceeded", detail)
        if outcome.proven:
            return outcome
    return outcome


def _at(record: Nsec3, name: dns.name.Name, rdtype: int) -> Proof:
    """Judge a record that stands at the very name."""
    if rdtype == DS:
        if SOA in record.types and name != dns.name.root:
            return unproven("denial-wrong-side", f"the NSEC3 record of {name} is the child's, not the parent's")
    elif NS in record.types and SOA not in record.types:
        return unproven("denial-wrong-side", f"the NSEC3 record of {name} is the parent's, not the child's")
    if record.types & {rdtype, CNAME}:
        existing = type_text(rdtype if rdtype in record.types else CNAME)
        return unproven("denial-type-exists", f"the NSEC3 record of {name} says that {existing} exists")
    return Proof(Kind.NODATA, "", f"{name} exists without {type_text(rdtype)}")


def _opt_out(kind: Kind, cover: Nsec3, detail: str) -> Proof:
    return Proof(kind, "denial-optout" if cover.opt_out else "", detail)


def deny(name: dns.name.Name, rdtype: int, records: t.Sequence[Nsec3], nxdomain: bool, work: Work) -> Proof:
    """Say what ``records`` prove about the absence of ``rdtype`` at ``name``.

    ``nxdomain`` is what the RCODE claims; it matters only where an opt-out span leaves the question open.
    """

    def proof(prover: _Prover) -> Proof:
        at = prover.match(name)
        if at is not None:
            return _at(at, name, rdtype)
        found = prover.encloser(name)
        if isinstance(found, Proof):
            return found
        encloser, cover = found
        wildcard = dns.name.Name((b"*", *encloser.labels))
        at = prover.match(wildcard)
        if at is not None:
            judged = _at(at, wildcard, rdtype)
            return _opt_out(Kind.NODATA, cover, judged.detail) if judged.proven else judged
        if prover.cover(wildcard) is not None:
            return _opt_out(Kind.NXDOMAIN, cover, f"neither {name} nor {wildcard} exists")
        if cover.opt_out and not nxdomain:
            return _opt_out(Kind.NODATA, cover, f"an opt-out span hides whether {name} exists")
        return unproven("denial-not-covering", f"no NSEC3 record covers {wildcard}")

    return _prove(records, work, proof)


def ds_absence(name: dns.name.Name, records: t.Sequence[Nsec3], work: Work) -> Proof:
    """Say what ``records`` prove about a delegation at ``name`` (RFC 5155 sections 8.6 and 8.9)."""

    def proof(prover: _Prover) -> Proof:
        at = prover.match(name)
        if at is not None:
            judged = _at(at, name, DS)
            if not judged.proven or NS not in at.types:
                return judged
            return Proof(Kind.UNSIGNED_DELEGATION, "delegation-unsigned", f"{name} is delegated without DS")
        found = prover.encloser(name)
        if isinstance(found, Proof):
            return found
        if found[1].opt_out:
            return Proof(Kind.OPTED_OUT, "delegation-optout", f"an opt-out span hides a delegation of {name}, if any")
        return Proof(Kind.NXDOMAIN, "", f"{name} does not exist")

    return _prove(records, work, proof)


def no_closer(name: dns.name.Name, encloser: dns.name.Name, records: t.Sequence[Nsec3], work: Work) -> Proof:
    """Prove that nothing closer to ``name`` than the wildcard below ``encloser`` exists (RFC 5155 section 8.8)."""
    closer = name.split(len(encloser) + 1)[1]

    def proof(prover: _Prover) -> Proof:
        cover = prover.cover(closer)
        if cover is None:
            return unproven("denial-not-covering", f"no NSEC3 record covers {closer}")
        return _opt_out(Kind.NXDOMAIN, cover, f"{closer} does not exist")

    return _prove(records, work, proof)
