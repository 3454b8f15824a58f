# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zone cuts between the trust anchors and a name: where zones begin and what vouches for them.

The walk is guided by signers: the signature over a DS set, or over the proof that there is none, names the zone
above; so one question per zone is enough, not one per label (RFC 4035 section 5.2). What is found is kept for the
life of the object. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Security
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import denial, result, zone_keys
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import signature as dnssec_signature
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.anchors import Anchors
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Limits, Policy
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.proof import Kind, Proof
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import (
    Context,
    Failed,
    Questions,
    Response,
    Shared,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.reasons import REASONS
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import (
    CNAME,
    DNAME,
    DNSKEY,
    DS,
    NSEC,
    NSEC3,
    SOA,
    RRset,
)

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name
    from dns.rdtypes.ANY.DS import DS as DsRdata
    from dns.rdtypes.ANY.RRSIG import RRSIG

if t.TYPE_CHECKING:
    import collections.abc as c

_MAX_CUTS: t.Final = 50_000


class Where(enum.Enum):
    """What a name is in the tree of zones."""

    SECURE = "secure zone"
    INSECURE = "in or below an insecure zone"
    NO_CUT = "inside a secure zone"
    MISSING = "does not exist"
    FAILED = "could not be established"


@dataclasses.dataclass(frozen=True, eq=False)
class Cut:
    """What is known of ``name`` as a zone cut.

    ``keys`` are there for a secure zone. ``code`` and ``detail`` say why it is insecure or failed; ``chain`` is the
    chain of trust down to here, its last link the one that decided. ``errors`` are extended errors of servers.
    """

    name: dns.name.Name
    where: Where
    keys: dnssec_signature.Keys | None = None
    code: str = ""
    detail: str = ""
    chain: tuple[result.Link, ...] = ()
    notes: tuple[str, ...] = ()
    errors: tuple[tuple[int, str], ...] = ()

    def rests_on(self, servers: frozenset[str]) -> bool:
        """Say whether an answer of one of ``servers`` is part of the chain."""
        return bool(servers) and any(link.server in servers for link in self.chain)


def between(top: dns.name.Name, name: dns.name.Name) -> c.Iterator[dns.name.Name]:
    """Yield the names strictly below ``top`` and strictly above ``name``, from the top down."""
    for depth in range(len(top) + 1, len(name)):
        yield name.split(depth)[1]


def signers(rrsets: t.Iterable[RRset], top: dns.name.Name, name: dns.name.Name, limit: int) -> list[dns.name.Name]:
    """Return who signed ``rrsets`` and may have authority over ``name`` below anchor ``top``, the closest first."""
    found = {signature.signer for rrset in rrsets for signature in rrset.signatures}
    fitting = [signer for signer in found if name.is_subdomain(signer) and signer.is_subdomain(top)]
    return sorted(fitting, key=len, reverse=True)[:limit]


def denial_rrsets(response: Response) -> list[RRset]:
    """Return the RRsets of the authority section that belong to a negative answer."""
    return [rrset for rrset in response.reply.authority if rrset.rdtype in (SOA, NSEC, NSEC3)]


class Cuts:
    """Finds zone cuts, with the clock and the network that are passed in."""

    def __init__(
        self,
        questions: Questions,
        anchors: Anchors,
        now: c.Callable[[], int],
        limits: Limits,
        policy: Policy,
    ) -> None:
        self.questions = questions
        self.anchors = anchors
        self.now = now
        self.limits = limits
        self.policy = policy
        self._shared: Shared[Cut] = Shared(_MAX_CUTS)
        self._found: dict[dns.name.Name, Cut] = {}

    def known(self, name: dns.name.Name, context: Context) -> Cut | None:
        """Return what is known of ``name`` without asking. What rests on a server to avoid is asked for again."""
        found = self._found.get(name)
        if found is not None and not found.rests_on(context.avoid):
            return found
        return self._shared.known((name, context.avoid))

    async def cut(self, name: dns.name.Name, context: Context) -> Cut:
        """Say what ``name`` is. Raises BudgetExhausted."""
        known = self.known(name, context)
        if known is not None:
            return known
        cut = await self._shared.get((name, context.avoid), lambda: self._find(name, context))
        if cut.where is not Where.FAILED:
            if len(self._found) >= _MAX_CUTS:
                self._found.clear()
            self._found[name] = cut
        return cut

    async def enclosing(self, name: dns.name.Name, context: Context) -> Cut:
        """Walk down label by label; return the deepest secure zone at or above ``name``, or what stops the walk."""
        top = self.anchors.closest(name)
        if top is None:
            return self._no_anchor(name)
        zone = await self.cut(top, context)
        for label in (*between(top, name), name):
            if zone.where is not Where.SECURE or label == top:
                break
            cut = await self.cut(label, context)
            if cut.where in (Where.INSECURE, Where.FAILED):
                return cut
            if cut.where is Where.MISSING:
                break
            if cut.where is Where.SECURE:
                zone = cut
        return zone

    def _no_anchor(self, name: dns.name.Name) -> Cut:
        detail = f"no trust anchor at or above {name}"
        link = result.link(name, name, "DS", "no-trust-anchor", detail, None, "")
        return Cut(name, Where.INSECURE, None, "no-trust-anchor", detail, (link,))

    async def _find(self, name: dns.name.Name, context: Context) -> Cut:
        top = self.anchors.closest(name)
        if top is None:
            return self._no_anchor(name)
        try:
            if top == name:
                return await self._anchored(name, context)
            response = await self.questions.fetch(name, DS, context)
        except Failed as error:
            return self._failed(name, error, name, DNSKEY if top == name else DS, ())
        return await self._delegated(name, top, response, context)

    # What follows makes Cuts.

    def _failed(
        self, name: dns.name.Name, error: Failed, zone: dns.name.Name, rdtype: int, chain: tuple[result.Link, ...]
    ) -> Cut:
        link = result.link(
            zone, name, "DNSKEY" if rdtype == DNSKEY else "DS", error.code, str(error), None, error.server
        )
        return Cut(name, Where.FAILED, None, error.code, str(error), (*chain, link), (), error.errors)

    def _made(
        self,
        name: dns.name.Name,
        where: Where,
        zone: Cut | None,
        rdtype: str,
        code: str,
        detail: str,
        signature: RRSIG | None,
        response: Response,
    ) -> Cut:
        owner = zone.name if zone else name
        link = result.link(owner, name, rdtype, code, detail, signature, response.server)
        chain = (*zone.chain, link) if zone else (link,)
        return Cut(name, where, None, code, detail, chain, zone.notes if zone else (), response.reply.errors)

    async def _anchored(self, name: dns.name.Name, context: Context) -> Cut:
        """Establish a zone that has a configured anchor."""
        missing = zone_keys.unsupported(self.anchors.algorithms(name), self.policy)
        if missing:
            code, detail = missing[0], f"{name} has trust anchors {missing[1]}"
            link = result.link(name, name, "DS", code, detail, None, "")
            return Cut(name, Where.INSECURE, None, code, detail, (link,))
        anchor = result.link(name, name, "DS", "", "configured trust anchor", None, "")
        response = await self.questions.fetch(name, DNSKEY, context)
        dnskeys = response.reply.find(name, DNSKEY)
        if dnskeys is None:
            return self._keyless(name, response, (anchor,))
        trusted = zone_keys.by_anchor(name, self.anchors, dnskeys, self.now(), self.limits, self.policy, context.work)
        if name == dns.name.root:
            trusted = _at_the_root(trusted, dnskeys)
        return self._keyed(name, trusted, response, (anchor,), ())

    def _keyless(self, name: dns.name.Name, response: Response, chain: tuple[result.Link, ...]) -> Cut:
        detail = f"{name} has no DNSKEY RRset"
        link = result.link(name, name, "DNSKEY", "dnskey-missing", detail, None, response.server)
        return Cut(name, Where.FAILED, None, "dnskey-missing", detail, (*chain, link), (), response.reply.errors)

    def _keyed(
        self,
        name: dns.name.Name,
        trusted: zone_keys.Trusted,
        response: Response,
        chain: tuple[result.Link, ...],
        notes: tuple[str, ...],
    ) -> Cut:
        link = result.link(name, name, "DNSKEY", trusted.code, trusted.detail, trusted.signature, response.server)
        where = Where.SECURE if trusted.keys else Where.FAILED
        return Cut(
            name,
            where,
            trusted.keys,
            trusted.code,
            trusted.detail,
            (*chain, link),
            (*notes, *trusted.notes),
            response.reply.errors,
        )

    async def _delegated(self, name: dns.name.Name, top: dns.name.Name, response: Response, context: Context) -> Cut:
        """Read the answer to a DS question."""
        reply = response.reply
        alias = reply.find(name, CNAME)
        dnames = [rrset for rrset in reply.answer if rrset.rdtype == DNAME and name.is_subdomain(rrset.owner)]
        ds = reply.find(name, DS)
        above = name.parent()
        positive = [ds] if ds else [rrset for rrset in dnames if rrset.owner != name][:1] or ([alias] if alias else [])
        failures: list[Cut] = []
        for signer in signers(positive or denial_rrsets(response), top, above, self.limits.signers):
            zone = await self.cut(signer, context)
            if zone.where in (Where.INSECURE, Where.FAILED):
                failures.append(zone)
            elif zone.keys is None:
                detail = f"{signer} signs for {name}, but is not a zone"
                failures.append(
                    self._made(name, Where.FAILED, None, "DS", "rrsig-signer-mismatch", detail, None, response)
                )
            elif ds:
                failures.append(await self._by_ds(name, zone, ds, response, context))
            elif positive:
                failures.append(await self._by_alias(name, zone, positive[0], response, context))
            else:
                failures.append(await self._by_denial(name, zone, response, context))
            if failures[-1].where is not Where.FAILED:
                return failures[-1]
        # Nothing that is signed answers: that is right below an insecure zone, and nowhere else.
        enclosing = await self.enclosing(above, context)
        if enclosing.where is not Where.SECURE:
            return enclosing
        if failures:
            return failures[0]
        if positive:
            detail = f"{name} {positive[0].type_text} has no signature of a zone above it"
            code = "rrsig-signer-mismatch" if positive[0].signatures else "rrsig-missing"
            return self._made(name, Where.FAILED, enclosing, positive[0].type_text, code, detail, None, response)
        detail = f"{enclosing.name} does not prove that {name} has no DS"
        return self._made(name, Where.FAILED, enclosing, "DS", "ds-absence-unproven", detail, None, response)

    async def _by_ds(self, name: dns.name.Name, zone: Cut, ds: RRset, response: Response, context: Context) -> Cut:
        if zone.keys is None:
            return zone
        check = dnssec_signature.verify(ds, zone.keys, self.now(), self.limits, self.policy, context.work)
        if not check.ok or check.encloser is not None:
            code = check.code or "wildcard-unproven"
            detail = check.detail or f"the DS of {name} is expanded from a wildcard"
            return self._made(name, Where.FAILED, zone, "DS", code, detail, check.signature, response)
        link = result.link(zone.name, name, "DS", "", "", check.signature, response.server)
        chain = (*zone.chain, link)
        pairs = [(int(rdata.algorithm), int(rdata.digest_type)) for rdata in ds.rdatas if isinstance(rdata, DsRdata)]
        if len(pairs) == len(ds.rdatas):
            # A malformed DS could be of any kind, so it does not make the zone insecure.
            missing = zone_keys.unsupported(pairs, self.policy)
            if missing:
                code, detail = missing[0], f"{name} is signed {missing[1]}"
                last = dataclasses.replace(link, security=REASONS[code].security, reason=code, detail=detail)
                return Cut(name, Where.INSECURE, None, code, detail, (*zone.chain, last), zone.notes)
        try:
            keys = await self.questions.fetch(name, DNSKEY, context)
        except Failed as error:
            return self._failed(name, error, name, DNSKEY, chain)
        dnskeys = keys.reply.find(name, DNSKEY)
        if dnskeys is None:
            return self._keyless(name, keys, chain)
        trusted = zone_keys.by_ds(name, ds, dnskeys, self.now(), self.limits, self.policy, context.work)
        return self._keyed(name, trusted, keys, chain, zone.notes)

    async def _by_alias(
        self, name: dns.name.Name, zone: Cut, alias: RRset, response: Response, context: Context
    ) -> Cut:
        """Read a CNAME or DNAME in the answer: where one is, no zone begins (RFC 1034 section 3.6.2, RFC 6672)."""
        if zone.keys is None:
            return zone
        check = dnssec_signature.verify(alias, zone.keys, self.now(), self.limits, self.policy, context.work)
        code, detail = check.code, check.detail
        if check.encloser is not None:
            evidence = denial.gather(response.reply, zone.keys, self.now(), self.limits, self.policy, context.work)
            proof = evidence.no_closer(alias.owner, check.encloser, context.work)
            if not proof.proven:
                code, detail = "ds-answer-alias", f"an alias from a wildcard hides the DS of {name}: {proof.detail}"
            elif proof.code:
                return await self._insecure(name, zone, proof, evidence, response, context)
        if code:
            return self._made(name, Where.FAILED, zone, alias.type_text, code, detail, check.signature, response)
        detail = f"{name} is an alias and so no delegation"
        return self._made(name, Where.NO_CUT, zone, alias.type_text, "", detail, check.signature, response)

    async def _by_denial(self, name: dns.name.Name, zone: Cut, response: Response, context: Context) -> Cut:
        if zone.keys is None:
            return zone
        evidence = denial.gather(response.reply, zone.keys, self.now(), self.limits, self.policy, context.work)
        proof = evidence.ds_absence(name, context.work)
        if proof.kind is Kind.UNPROVEN:
            code = "ds-absence-unproven" if proof.code in ("denial-missing", "denial-not-covering") else proof.code
            return self._made(name, Where.FAILED, zone, "DS", code, proof.detail, evidence.failed, response)
        if proof.kind in (Kind.UNSIGNED_DELEGATION, Kind.OPTED_OUT):
            return await self._insecure(name, zone, proof, evidence, response, context)
        where = Where.MISSING if proof.kind is Kind.NXDOMAIN else Where.NO_CUT
        signature = evidence.signatures[0][1] if evidence.signatures else None
        return self._made(name, where, zone, "DS", "", proof.detail, signature, response)

    async def _insecure(
        self,
        name: dns.name.Name,
        zone: Cut,
        proof: Proof,
        evidence: denial.Evidence,
        response: Response,
        context: Context,
    ) -> Cut:
        """Believe that ``name`` is insecure, unless a secure zone lies between it and the one that says so."""
        for label in between(zone.name, name):
            cut = await self.cut(label, context)
            if cut.where is Where.SECURE:
                detail = f"{zone.name} says that {name} has no DS, but {label} is a signed zone between them"
                return self._made(name, Where.FAILED, cut, "DS", "denial-wrong-side", detail, None, response)
            if cut.where in (Where.INSECURE, Where.FAILED):
                return cut
        signature = evidence.signatures[0][1] if evidence.signatures else None
        return self._made(name, Where.INSECURE, zone, "DS", proof.code, proof.detail, signature, response)


def _at_the_root(trusted: zone_keys.Trusted, dnskeys: RRset) -> zone_keys.Trusted:
    """Tell our own troubles from those of others: nobody has seen the root zone itself fail."""
    if not dnskeys.signatures:
        detail = "the DNSKEY RRset of the root comes without signatures"
        return dataclasses.replace(trusted, keys=None, code="resolver-strips-dnssec", detail=detail)
    if trusted.code in ("rrsig-expired", "rrsig-not-yet-valid"):
        return dataclasses.replace(trusted, code="clock-suspect", detail=f"{trusted.detail}; is the clock right?")
    return trusted


def security(cut: Cut) -> Security:
    """Return the status of a cut that is not a secure zone."""
    return REASONS[cut.code].security if cut.code else Security.SECURE
