# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a DS set to the keys of a zone (RFC 4035 section 5.2, RFC 6840 section 5).

Pure. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import keys as dnssec_keys
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import signature as dnssec_signature
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.anchors import Anchors
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import BY_POLICY, Limits, Policy, Work
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import RRset

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name
    from dns.rdtypes.ANY.DNSKEY import DNSKEY
    from dns.rdtypes.ANY.DS import DS
    from dns.rdtypes.ANY.RRSIG import RRSIG

_SHA1: t.Final = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Trusted:
    """Outcome for one zone: its keys, or a reason code with a sentence and the signature that tells most."""

    keys: dnssec_signature.Keys | None
    code: str
    detail: str
    signature: RRSIG | None = None
    notes: tuple[str, ...] = ()


def unsupported(pairs: t.Iterable[tuple[int, int]], policy: Policy) -> tuple[str, str] | None:
    """Return code and sentence when no pair of algorithm and digest type is supported, else None."""
    found = set(pairs)
    if any(algorithm in policy.algorithms and digest in policy.digests for algorithm, digest in found):
        return None
    algorithms = {algorithm for algorithm, _digest in found}
    if algorithms & policy.algorithms:
        digests = ", ".join(str(digest) for digest in sorted({digest for _algorithm, digest in found}))
        return "ds-digest-unsupported", f"only with DS digest types {digests}"
    code = "algorithm-policy" if algorithms & BY_POLICY else "algorithm-unsupported"
    return code, f"only with algorithms {', '.join(map(str, sorted(algorithms)))}"


def keys_of(zone: dns.name.Name, dnskeys: RRset) -> list[dnssec_keys.Key]:
    """Return the keys of a DNSKEY RRset; malformed records are left out."""
    return [dnssec_keys.Key(zone, rdata) for rdata in dnskeys.rdatas if isinstance(rdata, DNSKEY)]


def by_anchor(
    zone: dns.name.Name, anchors: Anchors, dnskeys: RRset, now: int, limits: Limits, policy: Policy, work: Work
) -> Trusted:
    """Trust the keys of ``zone`` because of a configured anchor."""
    keys = keys_of(zone, dnskeys)
    revoked = tuple(f"anchor-revoked:{key.unrevoked().tag}" for key in anchors.revoked(zone, keys))
    matching = [key for key in anchors.matching(zone, keys) if key.may_sign]
    if not matching:
        tags = ", ".join(str(key.tag) for key in keys[:8])
        detail = f"none of the keys of {zone} ({tags}) is that of a trust anchor"
        return Trusted(None, "anchor-mismatch", detail, notes=revoked)
    return dataclasses.replace(_self_signed(zone, matching, keys, dnskeys, now, limits, policy, work), notes=revoked)


def by_ds(
    zone: dns.name.Name, ds: RRset, dnskeys: RRset, now: int, limits: Limits, policy: Policy, work: Work
) -> Trusted:
    """Trust the keys of ``zone`` because of its verified DS set, at least one of which is supported."""
    keys = keys_of(zone, dnskeys)
    wanted = [
        rdata
        for rdata in ds.rdatas
        if isinstance(rdata, DS)
        and int(rdata.algorithm) in policy.algorithms
        and int(rdata.digest_type) in policy.digests
    ]
    if any(int(rdata.digest_type) != _SHA1 for rdata in wanted):
        # RFC 4509 section 3: the weaker digest must not decide where a stronger one is there.
        wanted = [rdata for rdata in wanted if int(rdata.digest_type) != _SHA1]
    matching: list[dnssec_keys.Key] = []
    unfit: list[tuple[str, str]] = []
    differ = 0
    for rdata in wanted:
        alike = [key for key in keys if key.tag == int(rdata.key_tag) and key.algorithm == int(rdata.algorithm)]
        for key in alike[: limits.keys_per_tag]:
            if differ > limits.ds_mismatches:
                detail = f"more than {limits.ds_mismatches} DS records of {zone} do not fit its keys"
                return Trusted(None, "work-limit-exceeded", detail)
            if not key.matches(rdata):
                differ += 1
            elif key.may_sign:
                matching.append(key)
            else:
                unfit.append(_unfit(key))
    if matching:
        return _self_signed(zone, matching, keys, dnskeys, now, limits, policy, work)
    if unfit:
        return Trusted(None, *unfit[0])
    have = ", ".join(f"{key.tag}/{key.algorithm}" for key in keys[:8])
    want = ", ".join(f"{int(rdata.key_tag)}/{int(rdata.algorithm)}/{int(rdata.digest_type)}" for rdata in wanted[:8])
    detail = f"no key of {zone} (tag/algorithm {have}) fits its DS (tag/algorithm/digest {want})"
    return Trusted(None, "ds-no-matching-dnskey", detail)


def _unfit(key: dnssec_keys.Key) -> tuple[str, str]:
    if key.is_revoked:
        return "dnskey-revoked", f"the DS of {key.owner} names key {key.tag}, which is revoked"
    if not key.is_zone_key:
        return "dnskey-zone-bit-clear", f"the DS of {key.owner} names key {key.tag}, which is not a zone key"
    protocol = int(key.rdata.protocol)
    return "dnskey-bad-protocol", f"the DS of {key.owner} names key {key.tag} with protocol {protocol}"


def _self_signed(
    zone: dns.name.Name,
    matching: list[dnssec_keys.Key],
    keys: list[dnssec_keys.Key],
    dnskeys: RRset,
    now: int,
    limits: Limits,
    policy: Policy,
    work: Work,
) -> Trusted:
    """Trust all keys of the zone if one that is trusted already signs them."""
    few = dnssec_signature.Keys.of(zone, matching, limits.keys_per_tag)
    check = dnssec_signature.verify(dnskeys, few, now, limits, policy, work)
    if check.ok:
        usable = [key for key in keys if key.algorithm in policy.algorithms]
        return Trusted(dnssec_signature.Keys.of(zone, usable, limits.keys_per_tag), "", "", check.signature)
    if check.code == "rrsig-no-matching-key":
        detail = f"the DNSKEY RRset of {zone} is signed, but not by a key that is trusted already"
        return Trusted(None, "dnskey-not-signed-by-ds-key", detail, check.signature)
    return Trusted(None, check.code, check.detail, check.signature)
