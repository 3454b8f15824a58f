# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of the DNS with their security status (RFC 4033 section 5, RFC 7672 section 2.1.1).

Pure data: nothing here asks the network. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t


class Security(enum.Enum):
    """Security status of an answer, RFC 4033 section 5."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"


class Outcome(enum.Enum):
    """What came back. ``ERROR``: neither data nor proven absence (RFC 7672 section 2.1.1)."""

    DATA = "data"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    ERROR = "error"


#: Reasons an ``ERROR`` carries. Kebab-case and stable; each is a finding code.
ERROR_REASONS: t.Final = frozenset(
    {
        "audit-error",
        "dns-timeout",
        "dns-servfail",
        "dns-refused",
        "dns-malformed",
        "dns-unreachable",
        "dnssec-bogus",
        "resolver-not-validating",
    }
)


#: The reasons among them that say where we stand, and nothing about the name that was asked for.
OWN_VIEW_REASONS: t.Final = frozenset({"audit-error", "dns-unreachable", "resolver-not-validating"})


@dataclasses.dataclass(frozen=True)
class Alias:
    """One CNAME hop: owner, target (both lower case, without final dot) and whether the hop is secure."""

    owner: str
    target: str
    security: Security


@dataclasses.dataclass(frozen=True)
class Answer:
    """An RRset, or its absence, or the reason why neither could be learnt.

    Names are lower-case A-labels without the final dot ('' is the root). ``rdata`` holds presentation
    format, sorted. ``ttl`` is in seconds, as published where a signature tells, else as received; None where
    nothing was found. ``aliases`` is the CNAME chain that was followed, in order; ``canonical_name`` its end.
    ``reason`` is '' or one of :data:`ERROR_REASONS`; ``detail`` a sentence for people. ``unproven`` is, for
    ``dnssec-bogus``, what the name servers say and cannot prove, where that could be seen. ``difference`` is a
    sentence where two ways to the answer were gone and do not agree. ``disputed`` is a sentence where it is known that
    a part of the validators takes the answer for something else.
    """

    name: str
    rdtype: str
    outcome: Outcome
    security: Security
    rdata: tuple[str, ...] = ()
    ttl: int | None = None
    aliases: tuple[Alias, ...] = ()
    canonical_name: str = ""
    reason: str = ""
    detail: str = ""
    unproven: Outcome | None = None
    difference: str = ""
    disputed: str = ""

    @property
    def is_error(self) -> bool:
        """A lookup error: bogus, indeterminate, SERVFAIL, REFUSED, time-out, malformed (RFC 7672 section 2.1.1)."""
        return self.outcome is Outcome.ERROR

    @property
    def is_own_view(self) -> bool:
        """An error that says nothing about the name: our resolver cannot be reached, or does not validate."""
        return self.reason in OWN_VIEW_REASONS

    @property
    def is_absent(self) -> bool:
        """NXDOMAIN or NODATA, secure or not: an answer, not an error (RFC 7672 section 2.1.1)."""
        return self.outcome in (Outcome.NODATA, Outcome.NXDOMAIN)

    @property
    def is_secure(self) -> bool:
        """Data or absence that validated from a trust anchor, every alias hop included."""
        return self.security is Security.SECURE


class Resolver(t.Protocol):
    """Anything that turns a name and a type into an :class:`Answer`; it never raises for what the DNS says."""

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """Follow CNAMEs (bounded) from ``name`` and return what stands at their end."""
