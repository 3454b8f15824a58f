# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the name servers of a zone, going by what each of them serves. Pure. Private to the collection."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _findings
from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import Code
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Status
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, Severity, finding

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import Said, ServerView, ZoneView

_CODES: t.Final[t.Mapping[Status, Code]] = {
    Status.LAME: "ns-lame",
    Status.REFUSED: "dns-refused",
    Status.SERVFAIL: "dns-servfail",
    Status.TIMEOUT: "dns-timeout",
    Status.UNREACHABLE: "dns-unreachable",
    Status.MALFORMED: "dns-malformed",
}
#: Some validators take a zone with more of them for unsigned, and they may take fewer for that (RFC 9276 section 3.2).
_MOST_ITERATIONS: t.Final = 50
#: Records of long RRsets are not repeated in full.
_SHOWN: t.Final = 200


def zone_findings(look: ZoneView, now: datetime.datetime, insecure: bool = False) -> tuple[Finding, ...]:
    """Return the findings about the servers of one zone at ``now`` (aware), worst first.

    ``insecure``: what is served there was found to be so, without any doubt and without aliases.
    """
    subject = f"{look.rdtype} {look.owner}"
    found = [finding("ns-unseen", subject, look.fault)] if look.fault else []
    found += [finding("ns-unseen", name, why) for name, why in look.unseen]
    child, parent = set(look.delegation.child), set(look.delegation.parent)
    if child and parent and child != parent:
        shown = f"{', '.join(sorted(parent))} in the parent zone"
        found.append(finding("ns-set-differs", look.zone or ".", shown, f"{', '.join(sorted(child))}, as in the zone"))
    silent = not any(view.udp.is_answer or view.tcp.is_answer for view in look.views)
    for view in look.views:
        found += _server_findings(look, view, silent)
        found += _signature_findings(look, view, now)
    found += _iteration_findings(look)
    found += _divergence(look, subject)
    found += _why_insecure(look) if insecure else []
    return _findings.sort(found)


def _server_findings(look: ZoneView, view: ServerView, silent: bool) -> list[Finding]:
    name = str(view.server)
    found: list[Finding] = []
    asked = f"{look.rdtype} of {look.owner}"
    if not view.udp.is_answer:
        if look.rdtype == "TLSA" and view.serial is not None and view.udp.status is not Status.LAME:
            evidence = f"{view.udp.detail} to the question for TLSA, but answers that for SOA"
            found.append(finding("ns-tlsa-filtered", name, evidence))
        else:
            # Senders have resolvers that try another server as long as there is one.
            severity = None if silent else Severity.ERROR
            code = _CODES[view.udp.status]
            found.append(finding(code, name, f"{view.udp.detail} ({asked})", severity=severity))
    elif not view.tcp.is_answer:
        found.append(finding("ns-no-tcp", name, f"over TCP it {view.tcp.detail} ({asked})"))
    if view.denies_parent and _answer(view).status is Status.SERVED:
        above = look.owner.partition(".")[2]
        found.append(finding("dns-ent-nxdomain", above, f"{name} denies the name, but serves {look.owner} below it"))
    return found


def _answer(view: ServerView) -> Said:
    return view.udp if view.udp.is_answer else view.tcp


def _signature_findings(look: ZoneView, view: ServerView, now: datetime.datetime) -> list[Finding]:
    said = _answer(view)
    if not said.signatures:
        return []
    subject = f"{look.rdtype} {look.owner} at {view.server}"
    begun = [signature for signature in said.signatures if signature.inception <= now]
    if not begun:
        first = min(signature.inception for signature in said.signatures)
        return [finding("rrsig-not-yet-valid", subject, f"valid from {first:%Y-%m-%d %H:%M} UTC on")]
    end = max(signature.expiration for signature in begun)
    if end < now:
        return [finding("rrsig-expired", subject, f"expired on {end:%Y-%m-%d %H:%M} UTC")]
    # RFC 7671 section 11 has no number; that of the remedy.
    needed = datetime.timedelta(seconds=2 * (said.ttl or 0) + (view.refresh or 0))
    if end - now < needed:
        left = int((end - now).total_seconds())
        expected = f"more than {int(needed.total_seconds())} seconds left"
        return [finding("rrsig-expiring", subject, f"{left} seconds left, until {end:%Y-%m-%d %H:%M} UTC", expected)]
    return []


def _iteration_findings(look: ZoneView) -> list[Finding]:
    many = max((view.nsec3_iterations or 0 for view in look.views), default=0)
    if many <= _MOST_ITERATIONS:
        return []
    evidence = f"{many} extra NSEC3 iterations: there are validators that take the zone for unsigned"
    return [finding("nsec3-iterations-high", look.zone or ".", evidence, "0")]


def _why_insecure(look: ZoneView) -> list[Finding]:
    answers = [said for view in look.views if (said := _answer(view)).status in (Status.SERVED, Status.ABSENT)]
    if not answers or look.zone is None:
        return []
    if any(said.signatures for said in answers):
        evidence = "the zone is signed, but no DS record in its parent zone, or further up, vouches for its keys"
        return [finding("zone-no-ds", look.zone or ".", evidence)]
    return [finding("zone-unsigned", look.zone or ".", "no name server has a signature to show")]


def _divergence(look: ZoneView, subject: str) -> list[Finding]:
    """Different answers now, or different versions of the zone that happen to agree about this RRset."""
    groups: dict[str, list[str]] = {}
    contents: set[tuple[object, ...]] = set()
    for view in look.views:
        alike = _shown(view.udp) == _shown(view.tcp)
        for said, how in ((view.udp, ""), *(() if alike else ((view.tcp, " over TCP"),))):
            if said.is_answer:
                groups.setdefault(_shown(said), []).append(f"{view.server}{how}")
                contents.add((said.status, said.detail, said.records, bool(said.signatures)))
    if len(groups) > 1:
        evidence = "; ".join(f"{', '.join(servers)}: {shown}" for shown, servers in sorted(groups.items()))
        # A TTL of its own harms nobody, but shows that the servers do not have the same zone.
        return [finding("ns-divergence", subject, evidence, severity=None if len(contents) > 1 else Severity.WARNING)]
    serials: dict[int, list[str]] = {}
    for view in look.views:
        if view.serial is not None:
            serials.setdefault(view.serial, []).append(str(view.server))
    if len(serials) > 1:
        shown = "; ".join(f"{', '.join(servers)}: serial {serial}" for serial, servers in sorted(serials.items()))
        return [finding("ns-divergence", look.zone or ".", shown, severity=Severity.WARNING)]
    return []


def _shown(said: Said) -> str:
    if said.status is not Status.SERVED:
        return said.detail or "no such record"
    text = " | ".join(said.records)
    signed = "signed" if said.signatures else "not signed"
    return f"{text if len(text) <= _SHOWN else text[: _SHOWN - 3] + '...'} (TTL {said.ttl}, {signed})"
