# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One RRset against its signatures and the keys of one zone (RFC 4035 section 5.3).

Pure. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import struct
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import keys as dnssec_keys
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Limits, Policy, Work
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import RRset, time_text

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name
    from dns.rdtypes.ANY.RRSIG import RRSIG

_HALF: t.Final = 1 << 31
_MASK: t.Final = (1 << 32) - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Keys:
    """The keys of one zone: those whose signatures count, and those that only explain a failure."""

    zone: dns.name.Name
    signing: t.Mapping[tuple[int, int], tuple[dnssec_keys.Key, ...]]
    refused: t.Mapping[tuple[int, int], tuple[dnssec_keys.Key, ...]]

    @classmethod
    def of(cls, zone: dns.name.Name, keys: t.Iterable[dnssec_keys.Key], per_tag: int) -> Keys:
        """Sort the keys by tag and algorithm; at most ``per_tag`` of each are kept."""
        signing: dict[tuple[int, int], tuple[dnssec_keys.Key, ...]] = {}
        refused: dict[tuple[int, int], tuple[dnssec_keys.Key, ...]] = {}
        for key in keys:
            group = signing if key.may_sign else refused
            known = group.get((key.tag, key.algorithm), ())
            if len(known) < per_tag:
                group[key.tag, key.algorithm] = (*known, key)
        return cls(zone, signing, refused)


@dataclasses.dataclass(frozen=True, eq=False)
class Check:
    """What became of an RRset under the keys of one zone.

    ``code`` is '' when a signature verified, else a reason code. ``signature`` is the one that verified, or the
    one that tells most about the failure. ``encloser`` is the closest encloser that a wildcard expansion claims
    (RFC 4035 section 5.3.4): the RRset then counts only together with the denial of a closer name. ``ttl`` is
    the TTL that may be used, in seconds (section 5.3.3).
    """

    code: str
    detail: str
    signature: RRSIG | None = None
    encloser: dns.name.Name | None = None
    ttl: int = 0

    @property
    def ok(self) -> bool:
        """Whether a signature verified."""
        return not self.code


#: How much a failed signature says about the cause, the most first.
_TELLING: t.Final = (
    "work-limit-exceeded",
    "rrsig-bad-signature",
    "rrsig-key-revoked",
    "rrsig-expired-before-valid",
    "rrsig-expired",
    "rrsig-not-yet-valid",
    "rrsig-labels-invalid",
    "rrsig-no-matching-key",
    "rrsig-signer-mismatch",
)


def serial_after(one: int, other: int) -> bool:
    """Say whether time ``one`` is later than ``other`` in the serial arithmetic of RFC 1982."""
    return one & _MASK != other & _MASK and (one - other) & _MASK < _HALF


def remaining(expiration: int, now: int) -> int:
    """Return the seconds from ``now`` to ``expiration``, negative when past (RFC 4034 section 3.1.5)."""
    distance = (expiration - now) & _MASK
    return distance if distance < _HALF else distance - (1 << 32)


def label_count(name: dns.name.Name) -> int:
    """Return the labels of ``name`` without the root and a leading asterisk (RFC 4034 section 3.1.3)."""
    return len(name) - 1 - (1 if name.is_wild() else 0)


def verify(rrset: RRset, keys: Keys, now: int, limits: Limits, policy: Policy, work: Work) -> Check:
    """Look for one good signature over ``rrset`` made by ``keys``; raises BudgetExhausted.

    Signatures that could be good are tried first, so that rubbish cannot use up the limit before them.
    """
    if not rrset.signatures:
        return Check("rrsig-missing", f"{rrset.owner} {rrset.type_text} has no signature")
    failures: list[Check] = []
    candidates: list[tuple[RRSIG, dnssec_keys.Key]] = []
    for signature in rrset.signatures:
        failure = _flaw(rrset, signature, keys, now, policy)
        if failure:
            failures.append(failure)
            continue
        for key in keys.signing[int(signature.key_tag), int(signature.algorithm)]:
            candidates.append((signature, key))
    for tried, (signature, key) in enumerate(candidates):
        if tried == limits.signatures_per_rrset:
            detail = f"{len(candidates)} signatures and keys to try for {rrset.owner} {rrset.type_text}"
            failures.append(Check("work-limit-exceeded", detail, signature))
            break
        work.spend_signature_check()
        try:
            good = key.verifies(bytes(signature.signature), signed_data(rrset, signature))
        except dnssec_keys.Unsupported:
            failures.append(Check("rrsig-no-matching-key", f"key {key.tag} cannot be used on this machine", signature))
            continue
        except dnssec_keys.Unusable as error:
            failures.append(Check("rrsig-bad-signature", f"key {key.tag} of {keys.zone}: {error}", signature))
            continue
        if good:
            return _good(rrset, signature, now)
        detail = f"the signature of key {key.tag} over {rrset.owner} {rrset.type_text} is wrong"
        failures.append(Check("rrsig-bad-signature", detail, signature))
    return min(failures, key=lambda failed: _TELLING.index(failed.code))


def _good(rrset: RRset, signature: RRSIG, now: int) -> Check:
    ttl = min(rrset.ttl, int(signature.original_ttl), max(0, remaining(int(signature.expiration), now)))
    encloser = None
    if signature.labels < label_count(rrset.owner):
        encloser = rrset.owner.split(signature.labels + 1)[1]
    return Check("", "", signature, encloser, ttl)


def _flaw(rrset: RRset, signature: RRSIG, keys: Keys, now: int, policy: Policy) -> Check | None:
    """Return why the signature cannot be good, found without any public-key operation."""
    what = f"{rrset.owner} {rrset.type_text}"
    tag, algorithm = int(signature.key_tag), int(signature.algorithm)
    if signature.signer != keys.zone or not rrset.owner.is_subdomain(keys.zone):
        return Check("rrsig-signer-mismatch", f"{what} is signed by {signature.signer}, not {keys.zone}", signature)
    if not label_count(keys.zone) <= signature.labels <= label_count(rrset.owner):
        detail = f"the signature over {what} by {keys.zone} counts {signature.labels} labels"
        return Check("rrsig-labels-invalid", detail, signature)
    if (tag, algorithm) not in keys.signing or algorithm not in policy.algorithms:
        refused = keys.refused.get((tag, algorithm), ())
        if any(key.is_revoked for key in refused):
            return Check("rrsig-key-revoked", f"{what} is signed by key {tag}, which is revoked", signature)
        detail = f"{what} is signed by key {tag}, algorithm {algorithm}, which {keys.zone} does not publish for use"
        return Check("rrsig-no-matching-key", detail, signature)
    inception, expiration = int(signature.inception), int(signature.expiration)
    if serial_after(inception, expiration):
        detail = f"the signature over {what} expires before it becomes valid"
        return Check("rrsig-expired-before-valid", detail, signature)
    if serial_after(now, expiration):
        detail = f"the signature over {what} expired on {time_text(expiration)}"
        return Check("rrsig-expired", detail, signature)
    if serial_after(inception, now):
        detail = f"the signature over {what} becomes valid on {time_text(inception)}"
        return Check("rrsig-not-yet-valid", detail, signature)
    return None


def signed_data(rrset: RRset, signature: RRSIG) -> bytes:
    """Return what the signature is made of (RFC 4034 section 3.1.8.1). The labels field must be possible."""
    owner = rrset.owner
    if signature.labels < label_count(owner):
        owner = dns.name.Name((b"*", *owner.labels[-(signature.labels + 1) :]))
    prefix = owner.to_digestable() + struct.pack(
        "!HHI", rrset.rdtype, int(rrset.rdatas[0].rdclass), int(signature.original_ttl)
    )
    fields = struct.pack(
        "!HBBIIIH",
        int(signature.type_covered),
        int(signature.algorithm),
        int(signature.labels),
        int(signature.original_ttl),
        int(signature.expiration),
        int(signature.inception),
        int(signature.key_tag),
    )
    records = b"".join(prefix + struct.pack("!H", len(data)) + data for data in rrset.canonical)
    return fields + signature.signer.to_digestable() + records
