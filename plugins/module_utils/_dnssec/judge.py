# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One RRset of an answer, or its absence, judged down from the trust anchors (RFC 4035 section 5).

Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import cuts as dnssec_cuts
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import denial, result, wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import signature as dnssec_signature
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.cuts import Cut, Cuts, Where
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.proof import Kind, Proof
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import Context, Response
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.reasons import REASONS
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import RRset

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name
    from dns.rdtypes.ANY.RRSIG import RRSIG

#: More iterations than these make some validators give up on a zone (RFC 9276 section 3.2).
_ITERATIONS_DISPUTED: t.Final = 50

#: What is noted where only a part of the validators takes an answer for secure.
_DISPUTED: t.Final = ("denial-records-unverified", "validators-disagree")
#: Reasons for which a name is insecure although nothing proves that a zone begins there.
_NOT_A_CUT: t.Final = frozenset({"no-trust-anchor", "delegation-optout", "nsec3-iterations-high"})


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """Status of one RRset or absence. ``chain`` ends in the link that decided.

    ``ttl`` is how long it may be used, ``published_ttl`` what the zone says, None where no signature verified; both in
    seconds. ``expanded``: the RRset is that of a wildcard.
    """

    code: str
    detail: str
    outcome: Outcome
    chain: tuple[result.Link, ...]
    ttl: int | None = None
    published_ttl: int | None = None
    expanded: bool = False
    notes: tuple[str, ...] = ()
    errors: tuple[tuple[int, str], ...] = ()

    @property
    def security(self) -> Security:
        """The status."""
        return REASONS[self.code].security if self.code else Security.SECURE


class Judge:
    """Judges what stands in responses. ``strict``: look for zone cuts between signer and owner every time."""

    def __init__(self, cuts: Cuts, strict: bool) -> None:
        self._cuts = cuts
        self._strict = strict

    async def rrset(self, rrset: RRset, response: Response, context: Context) -> Judged:
        """Judge an RRset of the answer section. Raises BudgetExhausted."""
        authority = _authority_over(rrset.owner, rrset.rdtype)
        top = self._cuts.anchors.closest(authority)
        if top is None:
            return _as_cut(await self._cuts.enclosing(authority, context), Outcome.DATA, rrset.ttl)
        failures: list[Judged] = []
        for signer in dnssec_cuts.signers([rrset], top, authority, self._cuts.limits.signers):
            zone = await self._cuts.cut(signer, context)
            if zone.where is Where.INSECURE:
                return _as_cut(zone, Outcome.DATA, rrset.ttl)
            if zone.where is Where.FAILED:
                failures.append(_as_cut(zone, Outcome.DATA, None))
                continue
            judged = await self._by(zone, signer, rrset, response, context)
            if judged.security in (Security.SECURE, Security.INSECURE):
                return judged
            failures.append(judged)
        # Not secure; that is right below an insecure zone, and nowhere else.
        enclosing = await self._cuts.enclosing(authority, context)
        if enclosing.where is not Where.SECURE:
            return _deciding(enclosing, failures, Outcome.DATA, rrset.ttl)
        if not failures:
            code = "rrsig-signer-mismatch" if rrset.signatures else "rrsig-missing"
            detail = f"{rrset.owner} {rrset.type_text} has no signature of a zone at or above it"
            return self._link(enclosing, rrset, code, detail, None, response)
        closest = failures[0]
        if closest.code != "rrsig-signer-above-cut" and any(
            signature.signer != enclosing.name and enclosing.name.is_subdomain(signature.signer)
            for signature in rrset.signatures
        ):
            detail = f"{rrset.owner} {rrset.type_text} is signed above {enclosing.name}, the zone that holds it"
            if closest.code in ("rrsig-bad-signature", "rrsig-no-matching-key"):
                return self._link(enclosing, rrset, "rrsig-signer-above-cut", detail, None, response)
        return closest

    async def alias(self, rrset: RRset, response: Response, context: Context) -> Judged:
        """Judge a CNAME or DNAME that is to be followed. Raises BudgetExhausted."""
        judged = await self.rrset(rrset, response, context)
        if not judged.expanded or rrset.rdtype != wire.DNAME:
            return judged
        # What a DNAME of a wildcard redirects is not defined, so validators refuse it or differ (RFC 4592 section 4.4).
        last = judged.chain[-1]
        detail = f"the DNAME record of {rrset.owner} comes from a wildcard: Unbound refuses it, BIND follows it"
        code = "dname-from-wildcard"
        link = dataclasses.replace(
            last,
            owner=result.text(rrset.owner),
            rdtype="DNAME",
            security=REASONS[code].security,
            reason=code,
            detail=detail,
        )
        return dataclasses.replace(judged, code=code, detail=detail, chain=(*judged.chain, link))

    def _link(
        self, zone: Cut, rrset: RRset, code: str, detail: str, signature: RRSIG | None, response: Response
    ) -> Judged:
        link = result.link(zone.name, rrset.owner, rrset.type_text, code, detail, signature, response.server)
        errors = response.reply.errors
        return Judged(code, detail, Outcome.DATA, (*zone.chain, link), rrset.ttl, notes=zone.notes, errors=errors)

    async def _by(self, zone: Cut, signer: dns.name.Name, rrset: RRset, response: Response, context: Context) -> Judged:
        """Judge an RRset under the keys of ``zone``."""
        if zone.keys is None:
            detail = f"{rrset.owner} {rrset.type_text} is signed by {signer}, which is not a zone"
            return self._link(zone, rrset, "rrsig-signer-mismatch", detail, None, response)
        cuts = self._cuts
        check = dnssec_signature.verify(rrset, zone.keys, cuts.now(), cuts.limits, cuts.policy, context.work)
        if not check.ok:
            return self._link(zone, rrset, check.code, check.detail, check.signature, response)
        above = await self._cut_below(zone.name, _authority_over(rrset.owner, rrset.rdtype), context)
        if above is not None:
            if above.where is Where.INSECURE:
                return _as_cut(above, Outcome.DATA, rrset.ttl)
            detail = f"{rrset.owner} {rrset.type_text} is signed by {signer}, above the zone {above.name} that holds it"
            return self._link(above, rrset, "rrsig-signer-above-cut", detail, check.signature, response)
        judged = dataclasses.replace(
            self._link(zone, rrset, "", "", check.signature, response),
            ttl=check.ttl,
            published_ttl=int(check.signature.original_ttl) if check.signature else None,
        )
        if check.encloser is None:
            if rrset.rdtype in (wire.CNAME, wire.DNAME) or not dnssec_cuts.denial_rrsets(response):
                # Beside an alias may stand the denial of its target, which is not for this zone to sign.
                return judged
            return dataclasses.replace(judged, notes=(*judged.notes, *_notes(self._evidence(zone, response, context))))
        return self._expanded(zone, judged, rrset, check.encloser, response, context)

    async def _cut_below(self, signer: dns.name.Name, owner: dns.name.Name, context: Context) -> Cut | None:
        """Return a zone cut below the signer, at or above the owner: a known one, or when strict, any."""
        labels = (*dnssec_cuts.between(signer, owner), owner) if owner != signer else ()
        for label in labels:
            if self._strict:
                cut: Cut | None = await self._cuts.cut(label, context)
            else:
                cut = self._cuts.known(label, context)
            if cut is None or cut.where in (Where.NO_CUT, Where.MISSING):
                continue
            # Where it stays open whether there is a cut, the signature of the zone stands.
            if cut.where is Where.FAILED and not _has_ds(cut, label):
                continue
            if cut.code not in ("nsec3-iterations-high", "delegation-optout"):
                return cut
        return None

    def _expanded(
        self,
        zone: Cut,
        judged: Judged,
        rrset: RRset,
        encloser: dns.name.Name,
        response: Response,
        context: Context,
    ) -> Judged:
        """Demand the proof that a wildcard may be used (RFC 4035 section 5.3.4, RFC 5155 section 8.8)."""
        evidence = self._evidence(zone, response, context)
        proof = evidence.no_closer(rrset.owner, encloser, context.work)
        if proof.proven and not proof.code:
            notes = (*judged.notes, *_notes(evidence))
            ttl = min(judged.ttl or 0, evidence.ttl or 0)
            chain = judged.chain + self._denial_links(zone, evidence, response)
            return dataclasses.replace(judged, ttl=ttl, notes=notes, chain=chain, expanded=True)
        code, detail, signature = proof.code, proof.detail, evidence.failed
        if not proof.proven:
            others = [r for r in dnssec_cuts.denial_rrsets(response) if r.rdtype != wire.SOA and r.signatures]
            foreign = others and all(s.signer != zone.name for r in others for s in r.signatures)
            code = "wildcard-signer-mismatch" if foreign else "wildcard-unproven"
            detail = f"{rrset.owner} {rrset.type_text} comes from a wildcard: {proof.detail}"
        link = result.link(zone.name, rrset.owner, rrset.type_text, code, detail, signature, response.server)
        return dataclasses.replace(judged, code=code, detail=detail, chain=(*judged.chain[:-1], link))

    def _evidence(self, zone: Cut, response: Response, context: Context) -> denial.Evidence:
        cuts = self._cuts
        if zone.keys is None:
            raise ValueError(f"{zone.name} has no keys to verify a denial with")
        return denial.gather(response.reply, zone.keys, cuts.now(), cuts.limits, cuts.policy, context.work)

    def _denial_links(self, zone: Cut, evidence: denial.Evidence, response: Response) -> tuple[result.Link, ...]:
        return tuple(
            result.link(zone.name, rrset.owner, rrset.type_text, "", "", signature, response.server)
            for rrset, signature in evidence.signatures
        )

    async def absence(self, name: dns.name.Name, rdtype: int, response: Response, context: Context) -> Judged:
        """Judge a negative answer. Raises BudgetExhausted."""
        claimed = Outcome.NXDOMAIN if response.reply.rcode == wire.NXDOMAIN else Outcome.NODATA
        authority = _authority_over(name, rdtype)
        top = self._cuts.anchors.closest(authority)
        if top is None:
            return _unsigned(await self._cuts.enclosing(authority, context), name, rdtype, claimed, response)
        failures: list[Judged] = []
        rrsets = dnssec_cuts.denial_rrsets(response)
        for signer in dnssec_cuts.signers(rrsets, top, authority, self._cuts.limits.signers):
            zone = await self._cuts.cut(signer, context)
            if zone.where is Where.INSECURE:
                return _unsigned(zone, name, rdtype, claimed, response)
            if zone.where is Where.FAILED:
                failures.append(_as_cut(zone, claimed, None))
                continue
            judged = self._denied(zone, signer, name, rdtype, claimed, response, context)
            if judged.security in (Security.SECURE, Security.INSECURE):
                return judged
            failures.append(judged)
        enclosing = await self._cuts.enclosing(authority, context)
        if enclosing.where is Where.INSECURE:
            return _unsigned(enclosing, name, rdtype, claimed, response)
        if enclosing.where is not Where.SECURE:
            return _deciding(enclosing, failures, claimed, None)
        if failures:
            return failures[0]
        unsigned = [rrset for rrset in rrsets if rrset.rdtype != wire.SOA]
        code = "denial-rrsig-missing" if unsigned else "denial-missing"
        detail = f"{enclosing.name} does not prove that {name} {wire.type_text(rdtype)} does not exist"
        return self._unproven(enclosing, name, rdtype, Proof(Kind.UNPROVEN, code, detail), None, response)

    def _denied(
        self,
        zone: Cut,
        signer: dns.name.Name,
        name: dns.name.Name,
        rdtype: int,
        claimed: Outcome,
        response: Response,
        context: Context,
    ) -> Judged:
        if zone.keys is None:
            detail = f"the denial of {name} is signed by {signer}, which is not a zone"
            return self._unproven(zone, name, rdtype, Proof(Kind.UNPROVEN, "denial-wrong-side", detail), None, response)
        for label in (*dnssec_cuts.between(zone.name, name), *((name,) if rdtype != wire.DS else ())):
            known = self._cuts.known(label, context)
            if known is not None and known.where is Where.SECURE and label != zone.name:
                detail = f"the denial of {name} is signed by {signer}, above the zone {label}"
                proof = Proof(Kind.UNPROVEN, "denial-wrong-side", detail)
                return self._unproven(known, name, rdtype, proof, None, response)
        evidence = self._evidence(zone, response, context)
        proof = evidence.deny(name, rdtype, claimed is Outcome.NXDOMAIN, context.work)
        if not proof.proven:
            return self._unproven(zone, name, rdtype, proof, evidence.failed, response)
        outcome = {Kind.NXDOMAIN: Outcome.NXDOMAIN, Kind.NODATA: Outcome.NODATA}.get(proof.kind, claimed)
        notes = (*zone.notes, *_notes(evidence), *(("rcode-mismatch",) if outcome is not claimed else ()))
        if not any(rrset.rdtype == wire.SOA for rrset in response.reply.authority):
            notes = (*notes, *_DISPUTED)
        links = self._denial_links(zone, evidence, response)
        if proof.code:
            server = response.server
            rdtext = wire.type_text(rdtype)
            links += (result.link(zone.name, name, rdtext, proof.code, proof.detail, None, server),)
        chain = zone.chain + links
        errors = response.reply.errors
        return Judged(proof.code, proof.detail, outcome, chain, evidence.ttl, notes=notes, errors=errors)

    def _unproven(
        self, zone: Cut, name: dns.name.Name, rdtype: int, proof: Proof, signature: RRSIG | None, response: Response
    ) -> Judged:
        rdtext = wire.type_text(rdtype)
        link = result.link(zone.name, name, rdtext, proof.code, proof.detail, signature, response.server)
        chain = (*zone.chain, link)
        errors = response.reply.errors
        return Judged(proof.code, proof.detail, Outcome.ERROR, chain, notes=zone.notes, errors=errors)


def _authority_over(owner: dns.name.Name, rdtype: int) -> dns.name.Name:
    """Return the lowest name whose zone can hold the RRset: for a DS the one above (RFC 4035 section 2.4)."""
    return owner.parent() if rdtype == wire.DS and owner != dns.name.root else owner


def _as_cut(cut: Cut, outcome: Outcome, ttl: int | None) -> Judged:
    """Return the status that an insecure or failed zone gives to all below it."""
    return Judged(cut.code, cut.detail, outcome, cut.chain, ttl, notes=cut.notes, errors=cut.errors)


def _unsigned(cut: Cut, name: dns.name.Name, rdtype: int, claimed: Outcome, response: Response) -> Judged:
    """Return the status of an absence below an insecure zone, where nothing but the authority of a server proves it."""
    zones = [rrset.owner for rrset in response.reply.authority if rrset.rdtype == wire.SOA]
    foreign = cut.code not in _NOT_A_CUT and not any(zone.is_subdomain(cut.name) for zone in zones) and bool(zones)
    if not foreign and not response.proof_only:
        return _as_cut(cut, claimed, None)
    code = "dns-lame"
    detail = f"{response.server} denies {name} without authority over its zone, and nothing proves it"
    if foreign:
        detail = f"{response.server} denies {name} for the zone {zones[0]}, but {cut.name} is a zone of its own"
    link = result.link(cut.name, name, wire.type_text(rdtype), code, detail, None, response.server)
    return Judged(code, detail, Outcome.ERROR, (*cut.chain, link), notes=cut.notes, errors=response.reply.errors)


def _deciding(cut: Cut, failures: t.Sequence[Judged], outcome: Outcome, ttl: int | None) -> Judged:
    """Return what an insecure or failed zone says, unless it failed in the very zone where the answer did."""
    if cut.where is Where.FAILED and failures and failures[0].chain[-1].zone == cut.chain[-1].zone:
        return failures[0]
    return _as_cut(cut, outcome, ttl)


def _has_ds(cut: Cut, name: dns.name.Name) -> bool:
    owner = result.text(name)
    return any(link.owner == owner and link.rdtype == "DS" and not link.reason for link in cut.chain)


def _notes(evidence: denial.Evidence) -> tuple[str, ...]:
    found = _DISPUTED if evidence.disputed else ()
    if evidence.iterations > _ITERATIONS_DISPUTED:
        return (*found, "nsec3-iterations-high", "validators-disagree")
    return (*found, "nsec3-iterations-not-zero") if evidence.iterations else found
