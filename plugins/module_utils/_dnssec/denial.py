# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of an answer that may prove an absence, verified, and the question put to them.

Pure. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import nsec as dnssec_nsec
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import nsec3 as dnssec_nsec3
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import signature as dnssec_signature
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Limits, Policy, Work
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.proof import Proof, unproven
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import NSEC, NSEC3, SOA, Reply, RRset

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name
    from dns.rdtypes.ANY.NSEC import NSEC as NsecRdata
    from dns.rdtypes.ANY.NSEC3 import NSEC3 as Nsec3Rdata
    from dns.rdtypes.ANY.RRSIG import RRSIG

#: Failures of single records, the most telling first.
_TELLING: t.Final = (
    "nsec3-owner-mismatch",
    "denial-out-of-zone",
    "denial-wildcard-owner",
    "nsec3-hash-unknown",
    "nsec3-flags-unknown",
    "work-limit-exceeded",
    "denial-rrsig-bad",
    "rrsig-key-revoked",
    "rrsig-expired-before-valid",
    "rrsig-expired",
    "rrsig-not-yet-valid",
    "rrsig-labels-invalid",
    "rrsig-no-matching-key",
    "denial-rrsig-missing",
    "denial-wrong-side",
    "denial-missing",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """The denial records of one answer that ``zone`` vouches for, and why others of them do not count.

    ``signatures`` are those of the good records; ``failed`` is the most telling signature of a bad one.
    ``ttl`` is the lowest TTL of the good records, in seconds, or None. ``disputed``: beside them stands an SOA, NSEC or
    NSEC3 record that nobody vouches for. The proof holds without it, and some validators refuse the whole answer.
    """

    zone: dns.name.Name
    nsec: tuple[dnssec_nsec.Nsec, ...]
    nsec3: tuple[dnssec_nsec3.Nsec3, ...]
    flaw: Proof
    failed: RRSIG | None
    signatures: tuple[tuple[RRset, RRSIG], ...]
    ttl: int | None
    disputed: bool

    def deny(self, name: dns.name.Name, rdtype: int, nxdomain: bool, work: Work) -> Proof:
        """Say what is proven about the absence of ``rdtype`` at ``name``."""
        return self._ask(
            lambda: dnssec_nsec.deny(name, rdtype, self.nsec),
            lambda: dnssec_nsec3.deny(name, rdtype, self.nsec3, nxdomain, work),
        )

    def ds_absence(self, name: dns.name.Name, work: Work) -> Proof:
        """Say what is proven about a delegation at ``name``."""
        return self._ask(
            lambda: dnssec_nsec.ds_absence(name, self.nsec), lambda: dnssec_nsec3.ds_absence(name, self.nsec3, work)
        )

    def no_closer(self, name: dns.name.Name, encloser: dns.name.Name, work: Work) -> Proof:
        """Say whether it is proven that ``name`` may be expanded from the wildcard below ``encloser``."""
        return self._ask(
            lambda: dnssec_nsec.no_closer(name, encloser, self.nsec),
            lambda: dnssec_nsec3.no_closer(name, encloser, self.nsec3, work),
        )

    def _ask(self, by_nsec: t.Callable[[], Proof], by_nsec3: t.Callable[[], Proof]) -> Proof:
        outcome = self.flaw
        for records, proof in ((self.nsec, by_nsec), (self.nsec3, by_nsec3)):
            if records:
                found = proof()
                if found.proven:
                    return found
                outcome = found if self.flaw.code == "denial-missing" else outcome
        return outcome

    @property
    def iterations(self) -> int:
        """The highest number of NSEC3 iterations among the records."""
        return max((record.iterations for record in self.nsec3), default=0)


def gather(reply: Reply, keys: dnssec_signature.Keys, now: int, limits: Limits, policy: Policy, work: Work) -> Evidence:
    """Verify the SOA, NSEC and NSEC3 records of the authority section under ``keys``; raises BudgetExhausted."""
    nsec: list[dnssec_nsec.Nsec] = []
    nsec3: list[dnssec_nsec3.Nsec3] = []
    flaws: list[tuple[Proof, RRSIG | None]] = [(unproven("denial-missing", "the answer has no NSEC or NSEC3"), None)]
    good: list[tuple[RRset, RRSIG]] = []
    ttls: list[int] = []
    disputed = any(
        not dnssec_signature.verify(rrset, keys, now, limits, policy, work).ok
        for rrset in [rrset for rrset in reply.authority if rrset.rdtype == SOA][:1]
    )
    rrsets = [rrset for rrset in reply.authority if rrset.rdtype in (NSEC, NSEC3)]
    if len(rrsets) > limits.denial_records:
        detail = f"{len(rrsets)} NSEC and NSEC3 RRsets; {limits.denial_records} were looked at"
        flaws.append((unproven("work-limit-exceeded", detail), None))
    for rrset in rrsets[: limits.denial_records]:
        check = dnssec_signature.verify(rrset, keys, now, limits, policy, work)
        if not check.ok:
            disputed = True
            code = _denial_code(check.code)
            if rrset.rdtype == NSEC3 and any(signature.signer == rrset.owner for signature in rrset.signatures):
                # A zone named like a hash of its parent, whose apex poses as a record of the parent.
                code = "nsec3-owner-mismatch"
            flaws.append((unproven(code, check.detail), check.signature))
            continue
        record = _usable(rrset, check, keys.zone)
        if isinstance(record, Proof):
            flaws.append((record, check.signature))
            continue
        if isinstance(record, dnssec_nsec.Nsec):
            nsec.append(record)
        else:
            nsec3.append(record)
        ttls.append(check.ttl)
        if check.signature is not None:
            good.append((rrset, check.signature))
    flaw, failed = min(flaws, key=lambda item: _TELLING.index(item[0].code))
    return Evidence(keys.zone, tuple(nsec), tuple(nsec3), flaw, failed, tuple(good), min(ttls, default=None), disputed)


def _denial_code(code: str) -> str:
    if code == "rrsig-missing":
        return "denial-rrsig-missing"
    if code == "rrsig-signer-mismatch":
        return "denial-wrong-side"
    return "denial-rrsig-bad" if code == "rrsig-bad-signature" else code


def _usable(
    rrset: RRset, check: dnssec_signature.Check, zone: dns.name.Name
) -> dnssec_nsec.Nsec | dnssec_nsec3.Nsec3 | Proof:
    rdata = rrset.rdatas[0]
    if len(rrset.canonical) != 1:
        return unproven("denial-rrsig-bad", f"{rrset.owner} has {len(rrset.canonical)} {rrset.type_text} records")
    if check.encloser is not None:
        return unproven("denial-wildcard-owner", f"the {rrset.type_text} record of {rrset.owner} is a wildcard's")
    if isinstance(rdata, NsecRdata):
        return _usable_nsec(rrset.owner, rdata, zone)
    if isinstance(rdata, Nsec3Rdata):
        return _usable_nsec3(rrset.owner, rdata, zone)
    return unproven("denial-rrsig-bad", f"the {rrset.type_text} record of {rrset.owner} is malformed")


def _usable_nsec(owner: dns.name.Name, rdata: NsecRdata, zone: dns.name.Name) -> dnssec_nsec.Nsec | Proof:
    if not rdata.next.is_subdomain(zone):
        return unproven("denial-out-of-zone", f"the NSEC record of {owner} points to {rdata.next}, outside {zone}")
    return dnssec_nsec.Nsec(zone, owner, rdata.next, dnssec_nsec.type_set(rdata.windows))


def _usable_nsec3(owner: dns.name.Name, rdata: Nsec3Rdata, zone: dns.name.Name) -> dnssec_nsec3.Nsec3 | Proof:
    if owner == zone or owner.parent() != zone:
        return unproven("nsec3-owner-mismatch", f"the NSEC3 record of {owner} is not directly below {zone}")
    if rdata.algorithm != 1:
        return unproven("nsec3-hash-unknown", f"the NSEC3 record of {owner} has hash algorithm {rdata.algorithm}")
    if rdata.flags & ~1:
        return unproven("nsec3-flags-unknown", f"the NSEC3 record of {owner} has flags {rdata.flags}")
    hashed = dnssec_nsec3.decode_hash(owner.labels[0])
    if hashed is None or len(rdata.next) != len(hashed):
        return unproven("nsec3-owner-mismatch", f"{owner} is not an NSEC3 owner name")
    return dnssec_nsec3.Nsec3(
        zone=zone,
        hashed=hashed,
        next=bytes(rdata.next),
        opt_out=bool(rdata.flags & 1),
        iterations=int(rdata.iterations),
        salt=bytes(rdata.salt),
        types=dnssec_nsec.type_set(rdata.windows),
    )
