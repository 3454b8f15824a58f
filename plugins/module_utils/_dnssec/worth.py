# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a response of one server is worth as an answer to a question, before anything in it is validated.

A server that does not serve the zone (RFC 1912 section 2.8: a lame one) often answers as if a name did not exist.
Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import AskFailed, Wire

if t.TYPE_CHECKING:
    import dns.name

_ANSWERS: t.Final = (wire.NOERROR, wire.NXDOMAIN, wire.YXDOMAIN)
#: Failures, the most telling first: a server that says no tells more than one that says nothing.
_TELLING: t.Final = ("dns-refused", "dns-servfail", "dns-lame", "dns-malformed", "dns-timeout", "dns-unreachable")
_MAX_NAMED: t.Final = 4


class Worth(enum.IntEnum):
    """How much a response counts. All but ``SOUND`` count only when no other server does better."""

    #: Not an answer to the question.
    USELESS = 0
    #: Counts as far as its signatures prove it: the server does not speak for the zone.
    PROOF_ONLY = 1
    #: Has the authority and not the form, or the data and not the authority.
    DOUBTFUL = 2
    SOUND = 3


@dataclasses.dataclass(frozen=True)
class Reading:
    """``below`` is the zone to which a referral leads; ``code`` and ``detail`` say what is wrong, '' where SOUND is."""

    worth: Worth
    code: str = ""
    detail: str = ""
    below: dns.name.Name | None = None


def _lame(detail: str, worth: Worth = Worth.USELESS) -> Reading:
    return Reading(worth, "dns-lame", detail)


def read(reply: wire.Reply, name: dns.name.Name, rdtype: int, zone: dns.name.Name | None) -> Reading:
    """Judge the response to one question; ``zone`` is what its server is said to serve, None for a resolver."""
    if reply.question != (name, rdtype) and (reply.question is not None or reply.rcode in _ANSWERS):
        return Reading(Worth.USELESS, "dns-malformed", "answers another question")
    if reply.rcode not in _ANSWERS:
        code = {wire.SERVFAIL: "dns-servfail", wire.REFUSED: "dns-refused"}.get(reply.rcode, "dns-malformed")
        return Reading(Worth.USELESS, code, f"answers with RCODE {reply.rcode}")
    if reply.truncated:
        return Reading(Worth.USELESS, "dns-malformed", "cuts its answer off")
    vouches = reply.authoritative or (zone is None and reply.recursive)
    if _has_answer(reply, name, rdtype):
        return Reading(Worth.SOUND) if vouches else _lame("does not serve the zone", Worth.DOUBTFUL)
    if reply.answer or reply.rcode == wire.YXDOMAIN:
        return Reading(Worth.USELESS, "dns-malformed", "answers with records of other names")
    return _negative(reply, name, rdtype, zone, vouches)


def _has_answer(reply: wire.Reply, name: dns.name.Name, rdtype: int) -> bool:
    """Say whether the answer section has the RRset, or an alias that stands in its place."""
    if reply.find(name, rdtype) is not None or reply.find(name, wire.CNAME) is not None:
        return True
    return any(
        rrset.rdtype == wire.DNAME and rrset.owner != name and name.is_subdomain(rrset.owner) for rrset in reply.answer
    )


def _negative(
    reply: wire.Reply, name: dns.name.Name, rdtype: int, zone: dns.name.Name | None, vouches: bool
) -> Reading:
    """Judge a response without an answer: an absence (RFC 2308 section 2) or a referral (RFC 1034 section 4.3.1)."""
    # A DS RRset stands in the zone above the cut (RFC 4035 section 3.1.4.1).
    target = name.parent() if rdtype == wire.DS and len(name) > 1 else name
    proof = any(rrset.rdtype in (wire.NSEC, wire.NSEC3) for rrset in reply.authority)
    only = Worth.PROOF_ONLY if proof else Worth.USELESS
    zones = [rrset.owner for rrset in reply.authority if rrset.rdtype == wire.SOA]
    if zones:
        if not any(target.is_subdomain(one) and (zone is None or one.is_subdomain(zone)) for one in zones):
            return _lame(f"answers from the zone {zones[0]}, which does not hold {name}")
        return Reading(Worth.SOUND) if vouches else _lame("denies without authority", Worth.PROOF_ONLY)
    cuts = [rrset.owner for rrset in reply.authority if rrset.rdtype == wire.NS]
    if cuts:
        below = [cut for cut in cuts if zone is not None and cut != zone and cut.is_subdomain(zone)]
        leading = [cut for cut in below if target.is_subdomain(cut)]
        if leading and reply.rcode == wire.NOERROR:
            if reply.authoritative:
                detail = f"refers to {leading[0]} and says that it serves it"
                return Reading(Worth.DOUBTFUL, "dns-lame", detail, leading[0])
            return Reading(Worth.SOUND, below=leading[0])
        return _lame(f"refers to {cuts[0]}, where one comes from" if not below else f"refers to {cuts[0]}", only)
    if vouches:
        return _lame("denies without the SOA record of the zone", Worth.DOUBTFUL)
    return _lame("has neither data nor the SOA record of a denial", only)


class Offers:
    """The responses to one question, and the best of them."""

    def __init__(self, name: dns.name.Name, rdtype: int, zone: dns.name.Name | None) -> None:
        self._name = name
        self._rdtype = rdtype
        self._zone = zone
        self._best: tuple[Worth, Wire] | None = None
        self._failures: list[AskFailed] = []

    def add(self, data: bytes, server: str) -> tuple[Reading, wire.Reply | None]:
        """Take a response in and return what it is worth; a malformed one is worth nothing."""
        try:
            reply = wire.parse(data, want_additional=True)
        except wire.Malformed as error:
            reading = Reading(Worth.USELESS, "dns-malformed", f"sends what is not a DNS message ({error})")
            self.failed(AskFailed(reading.code, f"{server} {reading.detail}", server))
            return reading, None
        reading = read(reply, self._name, self._rdtype, self._zone)
        if reading.code:
            self.failed(AskFailed(reading.code, f"{server} {reading.detail}", server, reply.errors))
        if reading.below is None and reading.worth > (self._best[0] if self._best else Worth.USELESS):
            self._best = (reading.worth, Wire(data, server, reply, reading.worth is Worth.PROOF_ONLY))
        return reading, reply

    def failed(self, failure: AskFailed) -> None:
        """Note that a server gave nothing."""
        self._failures.append(failure)

    def best(self) -> Wire:
        """Return the best response, or raise AskFailed with what all servers did."""
        if self._best is not None:
            return self._best[1]
        if not self._failures:
            raise AskFailed("dns-unreachable", "there is no server with an address that can be asked")
        told = min(self._failures, key=lambda failure: _TELLING.index(failure.code))
        details = list(dict.fromkeys([str(told), *map(str, self._failures)]))
        more = f"; and {len(details) - _MAX_NAMED} more" if len(details) > _MAX_NAMED else ""
        raise AskFailed(told.code, "; ".join(details[:_MAX_NAMED]) + more, told.server, told.errors)
