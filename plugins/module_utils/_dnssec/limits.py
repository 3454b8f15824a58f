# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bounds on the work that somebody else's DNS can cause, and the counters that keep them.

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of one look-up, unless said otherwise. Sizes in bytes, times in seconds.

    ``signatures_per_rrset``: signature checks tried for one RRset (RFC 6840 section 5.4; CVE-2023-50387).
    ``keys_per_tag``: keys tried for one key tag and algorithm. ``ds_mismatches``: digests of one zone's keys
    that may differ from its DS records. ``hashes_per_proof``: names hashed for one NSEC3 proof
    (CVE-2023-50868). ``nsec3_iterations``: more make a proof insecure (RFC 9276 section 3.2).
    ``denial_records``: NSEC and NSEC3 RRsets looked at in one answer. ``signers``: zones tried for one RRset.
    ``attempts``: tries, each with the servers asked last whose answers did not validate before.
    """

    signatures_per_rrset: int = 8
    keys_per_tag: int = 2
    ds_mismatches: int = 4
    hashes_per_proof: int = 16
    nsec3_iterations: int = 150
    denial_records: int = 8
    signers: int = 3
    aliases: int = 12
    attempts: int = 8
    queries: int = 64
    signature_checks: int = 128
    bytes: int = 1024 * 1024
    seconds: float = 15.0


@dataclasses.dataclass(frozen=True)
class Policy:
    """Which algorithms and DS digests count as supported; a zone with others only is insecure.

    RFC 9905 section 2 has operators treat RSASHA1 (5, 7) as unsupported, so they are left out.
    """

    algorithms: frozenset[int] = frozenset({8, 10, 13, 14, 15, 16})
    digests: frozenset[int] = frozenset({1, 2, 4})


#: Algorithms that the code can verify but that :class:`Policy` leaves out by default.
BY_POLICY: t.Final = frozenset({5, 7})


class BudgetExhausted(Exception):
    """The look-up has cost as much as one look-up may; str() says what of."""


@dataclasses.dataclass
class Work:
    """What a look-up has cost so far. The ``spend_`` methods raise :class:`BudgetExhausted`."""

    limits: Limits
    queries: int = 0
    signature_checks: int = 0
    hashes: int = 0
    bytes: int = 0

    def spend_query(self) -> None:
        """Count a query about to be sent."""
        if self.queries >= self.limits.queries:
            raise BudgetExhausted(f"more than {self.limits.queries} queries")
        self.queries += 1

    def spend_bytes(self, count: int) -> None:
        """Count an answer of ``count`` bytes."""
        self.bytes += count
        if self.bytes > self.limits.bytes:
            raise BudgetExhausted(f"more than {self.limits.bytes} bytes of answers")

    def spend_signature_check(self) -> None:
        """Count a public-key operation about to be done."""
        if self.signature_checks >= self.limits.signature_checks:
            raise BudgetExhausted(f"more than {self.limits.signature_checks} signature checks")
        self.signature_checks += 1

    def as_dict(self) -> dict[str, int]:
        """Return the counters as results carry them."""
        return {
            "queries": self.queries,
            "signature_checks": self.signature_checks,
            "hashes": self.hashes,
            "bytes": self.bytes,
        }
