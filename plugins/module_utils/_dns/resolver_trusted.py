# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers from a validating resolver whose AD bit is believed (RFC 4035 section 4.9.3, RFC 7672 section 2.1).

Before a server is believed it has to show, once per run, that it validates: the SOA of the root comes back
authentic and signed, and what cannot be authentic does not. A resolver that merely passes on the AD bit of
another one cannot be told from here; that is why only loopback counts unless somebody vouches for the path.
Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Alias, Answer, Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.transport import (
    ExchangeError,
    exchange,
    question,
    text_name,
)
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.edns
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.rcode
    import dns.rdataclass
    import dns.rdatatype
    import dns.rrset

#: Extended DNS errors that say that validation failed (RFC 8914 sections 4.6 to 4.13).
_BOGUS_ERRORS: t.Final = frozenset(range(5, 13))
#: Failures, most telling first, for a question that several servers could not answer.
_TELLING: t.Final = ("dnssec-bogus", "dns-servfail", "dns-refused", "dns-malformed", "dns-timeout", "dns-unreachable")


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of one look-up.

    ``attempt``: seconds for one question to one server. ``attempts``: how often a server that stays silent is
    asked. ``aliases``: length of a CNAME chain. ``questions``: questions under way at once, all look-ups together.
    """

    attempt: float = 4.0
    attempts: int = 2
    aliases: int = 8
    questions: int = 128


class _Failed(Exception):
    """A question without an answer; see ``Answer.reason``, ``detail`` and ``unproven``."""

    def __init__(self, reason: str, detail: str, unproven: Outcome | None = None) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.unproven = unproven


class TrustedResolver:
    """A ``Resolver`` over validating servers; one per run, within one event loop.

    Each name and type is looked up once per run, also when it is wanted several times at once. Servers that
    are neither on loopback nor vouched for are never asked: ``left_aside`` lists them.
    """

    def __init__(self, servers: t.Sequence[Server], limits: Limits | None = None) -> None:
        self.left_aside = tuple(server for server in servers if not server.believed)
        self._servers = tuple(server for server in servers if server.believed)
        self._limits = limits or Limits()
        self._room = asyncio.Semaphore(self._limits.questions)
        self._known: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._proving: asyncio.Task[tuple[Server, ...] | _Failed] | None = None

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """Look up ``rdtype`` (a mnemonic) at ``name`` and follow CNAMEs; raises ValueError for what is not a name."""
        try:
            parsed = dns.name.from_text(name or ".").canonicalize()
        except (dns.exception.DNSException, UnicodeError) as error:
            raise ValueError(f"{name[:80]!r} is not a domain name: {error}") from error
        key = (text_name(parsed), rdtype.upper())
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self._resolve(parsed, rdtype.upper()))
        # Somebody else may wait for the same answer: leaving early must not end the look-up.
        return await asyncio.shield(self._known[key])

    async def _resolve(self, name: dns.name.Name, rdtype: str) -> Answer:
        aliases: list[Alias] = []
        current = name
        try:
            while True:
                response = await self._ask(current, rdtype)
                authentic = self._authentic(response)
                hops, rrset = _walk(response, current, rdtype)
                if len(aliases) + len(hops) > self._limits.aliases:
                    too_long = f"the alias chain has over {self._limits.aliases} hops, or is a loop"
                    raise _Failed("dns-malformed", too_long)
                aliases += await self._with_security(hops, authentic, aliases)
                current = dns.name.from_text(aliases[-1].target or ".") if aliases else name
                if rrset is not None or not hops or _ends_here(response):
                    break
        except _Failed as failure:
            bogus = failure.reason == "dnssec-bogus"
            return Answer(
                text_name(name),
                rdtype,
                Outcome.ERROR,
                Security.BOGUS if bogus else Security.INDETERMINATE,
                aliases=tuple(aliases),
                canonical_name=text_name(current),
                reason=failure.reason,
                detail=printable(failure.detail, 500),
                unproven=failure.unproven,
            )
        secure = authentic and all(alias.security is Security.SECURE for alias in aliases)
        found = Answer(
            text_name(name),
            rdtype,
            _outcome(response, rrset),
            Security.SECURE if secure else Security.INSECURE,
            aliases=tuple(aliases),
            canonical_name=text_name(current),
        )
        if rrset is None:
            return found
        return dataclasses.replace(found, rdata=_texts(rrset), ttl=_published_ttl(response, rrset))

    async def _with_security(
        self, hops: t.Sequence[tuple[dns.name.Name, dns.name.Name]], authentic: bool, before: t.Sequence[Alias]
    ) -> list[Alias]:
        """Say for each hop whether it is secure.

        The AD bit covers a whole message, so behind a message without it each hop is asked for by itself;
        after the first one that is insecure nothing is secure any more.
        """
        found: list[Alias] = []
        secure = not before or before[-1].security is Security.SECURE
        for owner, target in hops:
            if secure and not authentic:
                secure = self._authentic(await self._ask(owner, "CNAME"))
            security = Security.SECURE if secure else Security.INSECURE
            found.append(Alias(text_name(owner), text_name(target), security))
        return found

    @staticmethod
    def _authentic(response: dns.message.Message) -> bool:
        if not response.flags & dns.flags.AD:
            return False
        if not _has_signature(response):
            asked = text_name(response.question[0].name) or "the root"
            raise _not_validating(f"the resolver marks an answer about {asked} as authentic that has no signature")
        return True

    async def _ask(self, name: dns.name.Name, rdtype: str) -> dns.message.Message:
        """Put one question to the servers in turn; returns NOERROR and NXDOMAIN, raises _Failed for all else."""
        servers = await self._proven()
        failures: list[_Failed] = []
        for _attempt in range(self._limits.attempts):
            again: list[Server] = []
            for server in servers:
                try:
                    response = await self._exchange(question(name, rdtype), server)
                except ExchangeError as error:
                    failures.append(_Failed(error.reason, error.detail))
                    if error.reason != "dns-unreachable":
                        again.append(server)
                    continue
                if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    return response
                failures.append(await self._failure(response, server, name, rdtype))
            servers = tuple(again)
        raise min(failures, key=lambda failure: _TELLING.index(failure.reason))

    async def _exchange(self, query: dns.message.Message, server: Server) -> dns.message.Message:
        async with self._room:
            return await exchange(query, server, self._limits.attempt)

    async def _failure(
        self, response: dns.message.Message, server: Server, name: dns.name.Name, rdtype: str
    ) -> _Failed:
        """Classify an answer that is an error code; what SERVFAIL hides is seen by asking without validation."""
        rcode = response.rcode()
        said = _extended_errors(response)
        detail = f"{server} answers {dns.rcode.to_text(rcode)}" + (f" ({said})" if said else "")
        if rcode == dns.rcode.REFUSED:
            return _Failed("dns-refused", detail)
        if rcode == dns.rcode.FORMERR:
            return _Failed("dns-malformed", detail)
        if rcode != dns.rcode.SERVFAIL:
            return _Failed("dns-servfail", detail)
        unproven = await self._unproven(server, name, rdtype)
        if unproven is not None:
            detail += f"; without validation there is an answer ({unproven.value})"
            return _Failed("dnssec-bogus", detail, unproven)
        codes = {int(option.code) for option in response.options if isinstance(option, dns.edns.EDEOption)}
        return _Failed("dnssec-bogus" if codes & _BOGUS_ERRORS else "dns-servfail", detail)

    async def _unproven(self, server: Server, name: dns.name.Name, rdtype: str) -> Outcome | None:
        try:
            response = await self._exchange(question(name, rdtype, checking_disabled=True), server)
        except ExchangeError:
            return None  # the question without CD has a failure of its own, which is reported
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return None
        try:
            hops, rrset = _walk(response, name, rdtype)
        except _Failed:
            return None
        return Outcome.DATA if hops else _outcome(response, rrset)

    async def _proven(self) -> tuple[Server, ...]:
        if self._proving is None:
            self._proving = asyncio.ensure_future(self._prove_all())
        proven = await asyncio.shield(self._proving)
        if isinstance(proven, _Failed):
            raise _Failed(proven.reason, proven.detail)
        return proven

    async def _prove_all(self) -> tuple[Server, ...] | _Failed:
        if not self._servers:
            named = ", ".join(str(server) for server in self.left_aside) or "none"
            return _not_validating(
                f"no name server on loopback (configured: {named}); the AD bit of others can be forged on the way"
            )
        failures = await asyncio.gather(*(self._prove(server) for server in self._servers))
        proven = tuple(server for server, failure in zip(self._servers, failures, strict=True) if failure is None)
        return proven or next(failure for failure in failures if failure is not None)

    async def _prove(self, server: Server) -> _Failed | None:
        """Return None when ``server`` validates, else what speaks against it."""
        try:
            root = await self._proof(server, ".", "SOA")
        except ExchangeError as error:
            silent = error.reason == "dns-timeout"
            return _Failed("dns-unreachable" if silent else error.reason, f"asked for the root: {error.detail}")
        if root.rcode() == dns.rcode.REFUSED:
            return _Failed("dns-unreachable", f"{server} refuses to answer this machine")
        if root.rcode() != dns.rcode.NOERROR:
            said = _extended_errors(root)
            answered = dns.rcode.to_text(root.rcode()) + (f" ({said})" if said else "")
            return _not_validating(f"{server} answers {answered} to a question for the root")
        if not root.flags & dns.flags.AD:
            return _not_validating(f"{server} does not mark the SOA of the root as authentic (AD)")
        if not _has_signature(root):
            return _not_validating(f"{server} marks the SOA of the root as authentic without signature")
        return await self._disprove(server)

    async def _disprove(self, server: Server) -> _Failed | None:
        """Look for answers that give a server away that does not validate."""
        try:
            local, stub = await asyncio.gather(
                self._proof(server, "localhost.", "A"), self._proof(server, "_localdnsstub.", "A")
            )
        except ExchangeError as error:
            return _Failed("dns-unreachable", error.detail)
        # The root has no such names, so data for them comes from the server itself and nothing can prove it.
        if local.answer and local.flags & dns.flags.AD:
            return _not_validating(f"{server} marks data as authentic that nobody has signed (localhost)")
        if stub.answer:
            return _not_validating(f"{server} is systemd-resolved, which passes on the AD bit of others")
        return None

    async def _proof(self, server: Server, name: str, rdtype: str) -> dns.message.Message:
        for attempt in range(self._limits.attempts):
            try:
                return await self._exchange(question(dns.name.from_text(name), rdtype), server)
            except ExchangeError as error:
                if attempt + 1 == self._limits.attempts or error.reason != "dns-timeout":
                    raise
        raise ExchangeError("dns-timeout", f"{server} was not asked")  # attempts is 0


def _not_validating(detail: str) -> _Failed:
    return _Failed("resolver-not-validating", detail)


def _has_signature(response: dns.message.Message) -> bool:
    return any(rrset.rdtype == dns.rdatatype.RRSIG for rrset in (*response.answer, *response.authority))


def _walk(
    response: dns.message.Message, name: dns.name.Name, rdtype: str
) -> tuple[list[tuple[dns.name.Name, dns.name.Name]], dns.rrset.RRset | None]:
    """Follow the CNAMEs within one message from ``name``; returns the hops and the RRset at their end, if any."""
    wanted = dns.rdatatype.from_text(rdtype)
    found = {(rrset.name, rrset.rdtype): rrset for rrset in response.answer if rrset.rdclass == dns.rdataclass.IN}
    hops: list[tuple[dns.name.Name, dns.name.Name]] = []
    visited = {name}
    while (name, wanted) not in found:
        alias = found.get((name, dns.rdatatype.CNAME))
        if alias is None:
            return hops, None
        target = alias[0].target.canonicalize()
        hops.append((name, target))
        if target in visited:
            raise _Failed("dns-malformed", f"the alias chain of {text_name(name)} is a loop")
        visited.add(target)
        name = target
    return hops, found[name, wanted]


def _ends_here(response: dns.message.Message) -> bool:
    """Whether a message without the wanted RRset speaks about the end of the alias chain, or just stopped."""
    if response.rcode() == dns.rcode.NXDOMAIN:
        return True
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.authority)


def _outcome(response: dns.message.Message, rrset: dns.rrset.RRset | None) -> Outcome:
    if rrset is not None:
        return Outcome.DATA
    return Outcome.NXDOMAIN if response.rcode() == dns.rcode.NXDOMAIN else Outcome.NODATA


def _texts(rrset: dns.rrset.RRset) -> tuple[str, ...]:
    if rrset.rdtype == dns.rdatatype.TLSA:
        return tuple(sorted(f"{r.usage} {r.selector} {r.mtype} {r.cert.hex()}" for r in rrset))
    return tuple(sorted(rdata.to_text() for rdata in rrset))


def _published_ttl(response: dns.message.Message, rrset: dns.rrset.RRset) -> int:
    """The TTL before caches counted it down, where a signature tells (RFC 4034 section 3.1.4).

    Which of several signatures verified only the resolver knows. It lets no TTL exceed the original one (RFC 4035
    section 5.3.3), so the lowest original TTL that is not below the one at hand is taken.
    """
    originals = [
        int(signature.original_ttl)
        for signatures in response.answer
        if signatures.rdtype == dns.rdatatype.RRSIG and signatures.name == rrset.name
        for signature in signatures
        if signature.type_covered == rrset.rdtype
    ]
    if not originals:
        return int(rrset.ttl)
    return min((original for original in originals if original >= rrset.ttl), default=max(originals))


def _extended_errors(response: dns.message.Message) -> str:
    said: list[str] = []
    for option in response.options:
        if isinstance(option, dns.edns.EDEOption):
            kind = dns.edns.EDECode.to_text(option.code).replace("_", " ").lower()
            said.append(f"{kind}: {option.text}" if option.text else kind)
    return "; ".join(said[:3])
