# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validated look-ups from trust anchors down, with the network and the clock passed in (RFC 4033 to 4035).

Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import result as dnssec_result
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.anchors import Anchors
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.cuts import Cuts
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.judge import Judge, Judged
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import BudgetExhausted, Limits, Policy, Work
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import (
    Ask,
    Context,
    Failed,
    Questions,
    Response,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.reasons import REASONS
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.result import Hop, Link, Result
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import CNAME, DNAME, RRset
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.exception
    import dns.name
    import dns.rdatatype

if t.TYPE_CHECKING:
    import collections.abc as c

#: Types that are not data of a zone, or that no signature covers (RFC 6895 section 3.1, RFC 4035 section 2.2).
_NOT_ASKED: t.Final = frozenset({0, wire.OPT, wire.RRSIG_TYPE, *range(249, 256)})

#: Reasons for which a result is indeterminate although there was an answer: one of another server may be better.
_ONE_SERVER: t.Final = frozenset({"resolver-strips-dnssec", "clock-suspect", "dns-malformed", "dns-lame"})


def question(name: str, rdtype: str) -> tuple[dns.name.Name, int]:
    """Return name and type of a question; ValueError that names the input and the rule."""
    try:
        number = int(dns.rdatatype.from_text(rdtype))
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{rdtype!r} is not a DNS record type: use a mnemonic or TYPEnnn (RFC 3597)") from error
    if number in _NOT_ASKED:
        raise ValueError(f"{rdtype} cannot be validated: it is not an RRset with signatures of its own (RFC 4035)")
    if not name.isascii():
        raise ValueError(f"{name!r} is not in A-label form: convert it to xn-- form first (RFC 5890)")
    try:
        owner = dns.name.from_text(name, dns.name.root)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{name!r} is not a domain name: {error} (RFC 1035 section 2.3.4)") from error
    return owner.canonicalize(), number


class Validator:
    """Looks up RRsets or the proof of their absence. Zone keys and cuts are kept for the life of the object."""

    def __init__(
        self,
        ask: Ask,
        now: c.Callable[[], int],
        anchors: Anchors,
        limits: Limits | None = None,
        policy: Policy | None = None,
        strict: bool = False,
        servers: int = 1,
    ) -> None:
        """Take the network function, the clock (seconds since 1970) and the trust anchors.

        ``strict`` looks for zone cuts between signer and owner, which costs up to one question per label.
        ``servers`` is how many different servers ``ask`` can put a question to, as far as that is known.
        """
        self._limits = limits or Limits()
        self._questions = Questions(ask)
        self._now = now
        self._cuts = Cuts(self._questions, anchors, now, self._limits, policy or Policy())
        self._judge = Judge(self._cuts, strict)
        self._attempts = max(1, min(servers, self._limits.attempts))

    async def lookup(self, name: str, rdtype: str) -> Result:
        """Look up one RRset; never raises for what the DNS says. ValueError for a name or type that cannot be asked."""
        owner, number = question(name, rdtype)
        work = Work(self._limits)
        tried: list[str] = []
        avoid: set[str] = set()
        run = _Lookup(self, owner, number, work, frozenset())
        result: Result | None = None
        try:
            async with asyncio.timeout(self._limits.seconds):
                result = await run.run()
                # One stale or lame server must not decide alone.
                while len(tried) + 1 < self._attempts and (blamed := run.blamed(result)) and blamed not in avoid:
                    tried.append(f"{blamed}: {result.reason}: {result.detail}")
                    avoid.add(blamed)
                    run = _Lookup(self, owner, number, work, frozenset(avoid))
                    result = await run.run()
        except BudgetExhausted as error:
            result = result or run.error("budget-exhausted", str(error))
        except TimeoutError:
            result = result or run.error("budget-exhausted", f"longer than {self._limits.seconds:g} seconds")
        return dataclasses.replace(result, tried=tuple(tried), work=work.as_dict())

    async def fetch(self, name: dns.name.Name, rdtype: int, context: Context) -> Response:
        """Ask the network."""
        return await self._questions.fetch(name, rdtype, context)

    @property
    def judge(self) -> Judge:
        """Who judges RRsets."""
        return self._judge

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._limits


class _Lookup:
    """One try: follows aliases and collects what is found on the way."""

    def __init__(
        self, validator: Validator, name: dns.name.Name, rdtype: int, work: Work, avoid: frozenset[str]
    ) -> None:
        self._validator = validator
        self._name = name
        self._rdtype = rdtype
        self._context = Context(work, avoid)
        self._current = name
        self._hops: list[Hop] = []
        self._judged: list[Judged] = []
        self._server = ""
        self._unanswered = False

    def blamed(self, result: Result) -> str:
        """Return the server whose answer does not hold, '' when no other server could do better."""
        if self._unanswered or result.link is None:
            return ""
        ours = result.security is Security.INDETERMINATE and result.reason in _ONE_SERVER
        return result.link.server if ours or result.security is Security.BOGUS else ""

    async def run(self) -> Result:
        seen = {self._current}
        while True:
            try:
                response = await self._validator.fetch(self._current, self._rdtype, self._context)
            except Failed as error:
                self._server, self._unanswered = error.server, True
                return self.error(error.code, str(error), error.errors)
            self._server = response.server
            rrset = response.reply.find(self._current, self._rdtype)
            if rrset is not None:
                return await self._data(rrset, response)
            # What a message says beside an alias about its target may come from another zone than that of the target,
            # so the target is asked for by itself (RFC 2181 section 5.4.1).
            target = await self._follow(response)
            if isinstance(target, Result):
                return target
            if target is None:
                return self._finish(
                    await self._validator.judge.absence(self._current, self._rdtype, response, self._context)
                )
            if target in seen:
                return self.error("alias-loop", f"{target} has been passed already")
            if len(self._hops) > self._validator.limits.aliases:
                return self.error("alias-too-long", f"more than {self._validator.limits.aliases} aliases")
            seen.add(target)
            self._current = target

    async def _data(self, rrset: RRset, response: Response) -> Result:
        return self._finish(await self._validator.judge.rrset(rrset, response, self._context), rrset)

    async def _follow(self, response: Response) -> dns.name.Name | Result | None:
        """Follow the alias of the current name in the response: its target, the end of it all, or None."""
        if self._rdtype == CNAME:
            return None
        reply = response.reply
        cname = reply.find(self._current, CNAME)
        for dname in reply.answer:
            if dname.rdtype == DNAME and dname.owner != self._current and self._current.is_subdomain(dname.owner):
                return await self._dname(dname, cname, response)
        if cname is None:
            return None
        target = _target(cname)
        if target is None:
            return self.error("dns-malformed", f"the CNAME record of {self._current} is malformed")
        return await self._hop(cname, target, response)

    async def _dname(self, dname: RRset, cname: RRset | None, response: Response) -> dns.name.Name | Result:
        target = _target(dname)
        if target is None:
            return self.error("dns-malformed", f"the DNAME record of {dname.owner} is malformed")
        try:
            synthesised = self._current.relativize(dname.owner).concatenate(target)
        except dns.name.NameTooLong:
            judged = await self._validator.judge.rrset(dname, response, self._context)
            self._judged.append(judged)
            detail = f"the DNAME of {dname.owner} makes a name of more than 255 bytes (YXDOMAIN)"
            return self.error("dns-malformed", detail)
        if cname is not None and _target(cname) != synthesised:
            detail = f"the CNAME of {self._current} is not what the DNAME of {dname.owner} makes of it"
            return self.error("dname-cname-mismatch", detail)
        return await self._hop(dname, synthesised, response)

    async def _hop(self, alias: RRset, target: dns.name.Name, response: Response) -> dns.name.Name | Result:
        judged = await self._validator.judge.alias(alias, response, self._context)
        if judged.security in (Security.BOGUS, Security.INDETERMINATE):
            return self._finish(judged)
        self._judged.append(judged)
        self._hops.append(
            Hop(
                dnssec_result.text(self._current),
                dnssec_result.text(target),
                alias.type_text,
                judged.security,
                judged.code,
            )
        )
        return target

    def _finish(self, last: Judged, rrset: RRset | None = None) -> Result:
        """Put the result together: the worst link decides, the links nearest to the anchor come first."""
        parts = [*self._judged, last]
        status = dnssec_result.worst(part.security for part in parts)
        deciding = next((part for part in parts if part.security is status), last)
        reason, detail = deciding.code, deciding.detail
        if status is Security.INSECURE and any(part.security is Security.SECURE for part in parts):
            detail = f"an alias on the way is insecure ({deciding.code}): {deciding.detail}"
            reason = "alias-insecure"
        failed = status in (Security.BOGUS, Security.INDETERMINATE)
        # A failed zone above gives its own outcome, which is none.
        outcome = Outcome.ERROR if failed else last.outcome
        chain = tuple(dict.fromkeys(link for part in parts for link in part.chain))
        ttls = [part.ttl for part in parts if part.ttl is not None]
        expirations = [link.expiration for link in chain if link.expiration is not None]
        return Result(
            name=dnssec_result.text(self._name),
            rdtype=wire.type_text(self._rdtype),
            outcome=outcome,
            security=status,
            reason=reason,
            detail=printable(detail, 500),
            rdata=wire.texts(rrset) if rrset and not failed else (),
            ttl=min(ttls) if ttls and not failed else None,
            published_ttl=(last.published_ttl or rrset.ttl) if rrset and not failed else None,
            canonical_name=dnssec_result.text(self._current),
            aliases=tuple(self._hops),
            link=_failing(deciding),
            chain=chain,
            notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
            upstream_errors=tuple(dict.fromkeys(error for part in parts for error in part.errors)),
            expires=min(expirations, default=None),
            server=self._server,
        )

    def error(self, code: str, detail: str, errors: tuple[tuple[int, str], ...] = ()) -> Result:
        """Return a result for a failure that is not a link of the chain of trust."""
        link = Link(
            zone="",
            owner=dnssec_result.text(self._current),
            rdtype=wire.type_text(self._rdtype),
            security=REASONS[code].security,
            reason=code,
            detail=printable(detail, 300),
            server=self._server,
        )
        return self._finish(Judged(code, detail, Outcome.ERROR, (link,), errors=errors))


def _failing(judged: Judged) -> Link | None:
    return next((link for link in judged.chain if link.security is judged.security and link.reason), None)


def _target(alias: RRset) -> dns.name.Name | None:
    """Return where a CNAME or DNAME points; None when it is not exactly one well-formed record."""
    target = getattr(alias.rdatas[0], "target", None)
    return target.canonicalize() if isinstance(target, dns.name.Name) and len(alias.canonical) == 1 else None
