# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a validated look-up returns: the answer, its status, and every link of the chain of trust.

Pure data. Names are lower-case A-labels without the final dot ('' is the root), times are seconds since 1970,
types and codes are text. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Alias, Answer, Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.reasons import REASONS
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import time_text
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name
    from dns.rdtypes.ANY.RRSIG import RRSIG

#: Reasons that the rest of the collection knows; the others are told by their roll-up.
_BOGUS: t.Final = "dnssec-bogus"
#: Notes of answers that a part of the validators takes for something else, and what those do.
_DISPUTES: t.Final[t.Mapping[str, str]] = {
    "denial-records-unverified": (
        "beside the proof stands an SOA, NSEC or NSEC3 record without a valid signature, or the SOA record is missing: "
        "Unbound answers SERVFAIL to that, or BIND does not vouch for it"
    ),
    "nsec3-iterations-high": (
        "the zone has more than 50 NSEC3 iterations: some validators take its denials for insecure or refuse them"
    ),
}


@dataclasses.dataclass(frozen=True)
class Link:
    """One RRset of the chain of trust, or the absence of one.

    ``zone`` vouches for ``owner`` and ``rdtype``. ``reason`` is a code of ``reasons`` or ''. Key tag, algorithm
    and window are those of the signature that decided, None where there is none. ``server`` is who answered.
    """

    zone: str
    owner: str
    rdtype: str
    security: Security
    reason: str = ""
    detail: str = ""
    key_tag: int | None = None
    algorithm: int | None = None
    inception: int | None = None
    expiration: int | None = None
    server: str = ""

    def text(self) -> str:
        """Return the link in a line for people."""
        line = f"{self.zone or '.'} > {self.owner or '.'} {self.rdtype}: {self.reason or self.security.value}"
        if self.key_tag is not None:
            line += f", key {self.key_tag} (algorithm {self.algorithm}), until {time_text(self.expiration)}"
        return line if self.server or not self.detail else f"{line}, {self.detail}"

    def as_dict(self) -> dict[str, t.Any]:
        """Return the link as results carry it."""
        return {
            **dataclasses.asdict(self),
            "security": self.security.value,
            "inception": time_text(self.inception),
            "expiration": time_text(self.expiration),
        }


@dataclasses.dataclass(frozen=True)
class Hop:
    """One alias that was followed: its owner and target, how (CNAME or DNAME), and its own status."""

    owner: str
    target: str
    rdtype: str
    security: Security
    reason: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the hop as results carry it."""
        return {**dataclasses.asdict(self), "security": self.security.value}


@dataclasses.dataclass(frozen=True)
class Result:
    """Outcome of one look-up.

    ``outcome`` and ``security`` as in ``answer``; the security is that of the worst link of the alias chain
    (RFC 4035 section 3.2.3). ``reason`` is '' when all is secure, else a code of ``reasons``; ``detail`` a sentence;
    ``link`` the link that failed first. ``ttl`` is how long the answer may be used (RFC 4035 section 5.3.3),
    ``published_ttl`` what the zone says, before caches counted it down; both in seconds. ``chain`` is the whole chain
    of trust, from the anchor down. ``notes`` are codes of what was odd without changing the status.
    ``upstream_errors`` are extended errors that servers sent. ``expires`` is when the first signature on the chain
    ends. ``tried`` has one line for every server whose answer was refused before this one.
    """

    name: str
    rdtype: str
    outcome: Outcome
    security: Security
    reason: str = ""
    detail: str = ""
    rdata: tuple[str, ...] = ()
    ttl: int | None = None
    published_ttl: int | None = None
    canonical_name: str = ""
    aliases: tuple[Hop, ...] = ()
    link: Link | None = None
    chain: tuple[Link, ...] = ()
    notes: tuple[str, ...] = ()
    upstream_errors: tuple[tuple[int, str], ...] = ()
    expires: int | None = None
    server: str = ""
    tried: tuple[str, ...] = ()
    work: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    def report(self) -> list[str]:
        """Return lines for people: the verdict, the reason, what to do, and each link of the chain of trust."""
        lines = [f"{self.name or '.'} {self.rdtype}: {self.security.value}, {self.outcome.value}"]
        if self.reason:
            lines[0] += f" ({self.reason})"
            lines += [f"  {self.detail}", f"  {self.remedy} ({self.rule})"]
        lines += [f"  {record}" for record in self.rdata]
        lines += [f"  {hop.owner} {hop.rdtype} {hop.target}: {hop.security.value}" for hop in self.aliases]
        return lines + [f"  {one.text()}" for one in self.chain]

    @property
    def ede(self) -> int | None:
        """The extended DNS error that fits best (RFC 8914), or None."""
        codes = REASONS[self.reason].ede if self.reason else ()
        return codes[0] if codes else None

    @property
    def rule(self) -> str:
        """Where the rule stands that decided, or ''."""
        return REASONS[self.reason].rule if self.reason else ""

    @property
    def remedy(self) -> str:
        """What to do, or ''."""
        return REASONS[self.reason].remedy if self.reason else ""

    def as_dict(self) -> dict[str, t.Any]:
        """Return the result as modules return it."""
        return {
            "report": self.report(),
            "name": self.name,
            "type": self.rdtype,
            "outcome": self.outcome.value,
            "security": self.security.value,
            "reason": self.reason,
            "detail": self.detail,
            "rule": self.rule,
            "remedy": self.remedy,
            "ede": self.ede,
            "rdata": list(self.rdata),
            "ttl": self.ttl,
            "published_ttl": self.published_ttl,
            "canonical_name": self.canonical_name,
            "aliases": [hop.as_dict() for hop in self.aliases],
            "link": self.link.as_dict() if self.link else None,
            "chain": [link.as_dict() for link in self.chain],
            "notes": list(self.notes),
            "upstream_errors": [{"code": code, "text": text} for code, text in self.upstream_errors],
            "expires": time_text(self.expires),
            "server": self.server,
            "tried": list(self.tried),
            "work": dict(self.work),
        }

    def as_answer(self) -> Answer:
        """Return the result as the rest of the collection reads answers."""
        reason = ""
        if self.outcome is Outcome.ERROR:
            reason = _BOGUS if self.security is Security.BOGUS else REASONS[self.reason].roll_up
        return Answer(
            name=self.name,
            rdtype=self.rdtype,
            outcome=self.outcome,
            security=self.security,
            rdata=self.rdata,
            ttl=self.published_ttl,
            aliases=tuple(Alias(hop.owner, hop.target, hop.security) for hop in self.aliases),
            canonical_name=self.canonical_name,
            reason=reason,
            detail=f"{self.reason}: {self.detail}" if self.reason else self.detail,
            disputed="; ".join(text for note, text in _DISPUTES.items() if self._is_disputed and note in self.notes),
        )

    @property
    def _is_disputed(self) -> bool:
        return self.security is Security.SECURE and "validators-disagree" in self.notes


#: From best to worst, as the status of an alias chain is made.
_ORDER: t.Final = (Security.SECURE, Security.INSECURE, Security.INDETERMINATE, Security.BOGUS)


def worst(statuses: t.Iterable[Security]) -> Security:
    """Return the worst of ``statuses``; SECURE for none."""
    return max(statuses, key=_ORDER.index, default=Security.SECURE)


@functools.lru_cache(maxsize=4096)
def text(name: dns.name.Name) -> str:
    """Return a name as results carry it."""
    return name.canonicalize().to_text(omit_final_dot=True) if name != dns.name.root else ""


def link(
    zone: dns.name.Name,
    owner: dns.name.Name,
    rdtype: str,
    reason: str,
    detail: str,
    signature: RRSIG | None,
    server: str,
) -> Link:
    """Make a link; its status is that of ``reason``, SECURE when that is ''."""
    return Link(
        zone=text(zone),
        owner=text(owner),
        rdtype=rdtype,
        security=REASONS[reason].security if reason else Security.SECURE,
        reason=reason,
        detail=printable(detail, 300),
        key_tag=int(signature.key_tag) if signature else None,
        algorithm=int(signature.algorithm) if signature else None,
        inception=int(signature.inception) if signature else None,
        expiration=int(signature.expiration) if signature else None,
        server=server,
    )
