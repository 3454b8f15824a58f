# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Publish one TLSA RRset: look, judge, change it if it is still what was seen, and see it everywhere.

Private to the collection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import time
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dane import tlsa
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, TlsaRrset
from ansible_collections.mailsec.dane.plugins.module_utils._dns import authority, wildcard_look
from ansible_collections.mailsec.dane.plugins.module_utils._dns import wildcard as dns_wildcard
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Delegation, Status, View
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, Severity
from ansible_collections.mailsec.dane.plugins.module_utils._probe import DEFAULT_LIMITS, Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._publish import check as publish_check
from ansible_collections.mailsec.dane.plugins.module_utils._publish import update
from ansible_collections.mailsec.dane.plugins.module_utils._publish.check import Coverage, Fit
from ansible_collections.mailsec.dane.plugins.module_utils._publish.update import Refusal, UpdateError
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ways as smtp_ways

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dns.tsig_key import TsigKey

#: Findings about a wanted RRset that no one can mean; all others are passed on as warnings.
_NONSENSE: t.Final = frozenset({"tlsa-all-unusable", "tlsa-bad-field", "tlsa-empty-digest"})
_MAX_ENDPOINTS: t.Final = 64
_FIRST_PAUSE: t.Final = 0.25
#: Seconds between the looks before and after an update in which somebody else's change and its undoing have no room,
#: and for how long to look for an update that a signer behind the primary has still to sign.
_MOMENT: t.Final = 2.0
_SIGNING: t.Final = 10.0
_LONGEST_PAUSE: t.Final = 5.0


class PublicationError(Exception):
    """The RRset was not published, or not everywhere; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is to stand at ``owner`` (lower case, without final dot) for the TLSA base domain ``base_domain``.

    ``records`` with ``ttl`` (seconds) is the RRset wanted, none to withdraw it. ``expected``: what must be there
    before, None for whatever the primary serves; ``expected_ttl``: and with which TTL, None for any. ``exclusive``:
    nothing else may stand there; otherwise an RRset that has all of ``records`` is left alone, and no record is
    removed that an endpoint serves the key of. ``force``: the endpoints are not looked at. ``endpoints``: None for the
    addresses of the base domain.
    """

    owner: str
    base_domain: str
    port: int
    records: tuple[TlsaRecord, ...]
    ttl: int
    expected: tuple[TlsaRecord, ...] | None = None
    exclusive: bool = True
    force: bool = False
    endpoints: tuple[Endpoint, ...] | None = None
    expected_ttl: int | None = None

    @property
    def rrset(self) -> TlsaRrset:
        """The RRset wanted."""
        return TlsaRrset(self.owner, tuple(set(self.records)), self.ttl if self.records else None)


@dataclasses.dataclass
class Course:
    """How far a publication has come; filled in on the way, so that a failure can show it too.

    ``changed``: an update was made (or would be, in check mode). ``views``: what each authoritative address served
    when it was last asked, the primary first. ``around``: the last look at the primary before the update and the first
    one that shows it; None when the update was not confirmed, or others had more than a moment between the two.
    """

    zone: str = ""
    before: TlsaRrset | None = None
    after: TlsaRrset | None = None
    changed: bool = False
    coverage: tuple[Coverage, ...] = ()
    views: tuple[View, ...] = ()
    warnings: tuple[str, ...] = ()
    around: tuple[View, View] | None = None

    def warn(self, text: str) -> None:
        """Remember a sentence for people."""
        self.warnings = (*self.warnings, text)


@dataclasses.dataclass(frozen=True)
class Means:
    """By which servers and with which patience: ``timeout`` is for one question, ``wait`` for all servers (seconds).

    ``primary`` takes updates, signed with ``key``, and may show the key a view of its own. ``authorities`` None: those
    that the NS sets name. ``wait`` None: do not wait. ``not_after``: Unix time after which no update is sent.
    """

    primary: Server
    key: TsigKey | None
    timeout: float
    wait: float | None
    ehlo_name: str
    zone: str | None = None
    authorities: tuple[Server, ...] | None = None
    resolvers: tuple[Server, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    not_after: float | None = None

    @property
    def signed(self) -> Server:
        """The primary as it answers to the key of the updates: an update meets the same view of the zone."""
        return dataclasses.replace(self.primary, key=self.key)


def check(rrset: TlsaRrset) -> tuple[str, ...]:
    """Return warnings about a wanted RRset. Raises PublicationError when nobody can mean it."""
    findings = tlsa.lint(rrset)
    nonsense = [
        found
        for found in findings
        if found.code in _NONSENSE or (found.code == "tlsa-too-many-records" and found.severity is Severity.ERROR)
    ]
    if nonsense:
        raise PublicationError(f"This RRset is not published: {'; '.join(map(_sentence, nonsense))}")
    return tuple(_sentence(found) for found in findings if found.severity is not Severity.INFO)


def _sentence(found: Finding) -> str:
    return f"{found.code}: {found.evidence}. {found.remedy}"


def target(wish: Wish, current: TlsaRrset) -> TlsaRrset:
    """Return what is to stand there, knowing what does."""
    more = set(current.records) > set(wish.records) and bool(wish.records)
    return current if more and not wish.exclusive else wish.rrset


def same(one: TlsaRrset, other: TlsaRrset) -> bool:
    """Say whether two RRsets have the same records and the same TTL."""
    return set(one.records) == set(other.records) and (one.ttl == other.ttl or not one.records)


async def publish(wish: Wish, means: Means, course: Course, check_mode: bool = False) -> None:
    """Bring about ``wish`` and record in ``course`` what happened.

    In check mode all is done but the update and the wait. Raises PublicationError; before the update
    nothing has been changed by then, and ``course.changed`` says whether it was made.
    """
    for warning in check(wish.rrset):
        course.warn(warning)
    try:
        course.zone = means.zone or await authority.find_zone(means.signed, wish.owner, means.timeout)
        seen = await _current(wish.owner, course.zone, means)
        current = course.before = course.after = seen.rrset
        servers = await _authorities(course, means)
    except authority.AuthorityError as error:
        raise PublicationError(f"Nothing was changed: {error}") from error
    wanted = target(wish, current)
    if not same(current, wanted):
        _expect(wish, current)
        await _heed_wildcards(wish, seen, wanted, servers, course, means)
        await _judge(wish, current, course, means)
        if seen.wildcard:
            course.warn(dns_wildcard.hides(wish.owner, seen.wildcard))
        course.after = wanted
        course.changed = True
        if not check_mode:
            course.changed = False
            await _change(wish, seen, wanted, course, means)
    await _confirm(wanted, servers, course, means, None if check_mode else means.wait)


async def _current(owner: str, zone: str, means: Means) -> View:
    (view,) = await authority.observe(owner, zone, (means.signed,), means.timeout)
    if view.status is Status.ALIAS:
        raise PublicationError(
            f"Name server {means.primary} {view.detail}: publish the records at the end of the alias of {owner}"
        )
    if not view.is_known:
        raise PublicationError(
            f"Nothing was changed: what stands at {owner} is unknown, because name server {means.primary} {view.detail}"
        )
    return view


async def _heed_wildcards(
    wish: Wish, seen: View, wanted: TlsaRrset, servers: c.Sequence[Server], course: Course, means: Means
) -> None:
    """Raise PublicationError when a wildcard would answer for what is removed, or would no longer for the mail server.

    The same when that cannot be known.
    """
    owner, refused = wish.owner, ""
    try:
        if not wanted.records:
            wildcard = seen.wildcard or await wildcard_look.find_wildcard(
                means.signed, owner, course.zone, means.timeout
            )
            refused = dns_wildcard.reappears(owner, wildcard) if wildcard else ""
        elif seen.wildcard or not seen.records:
            wildcard, is_proven = await wildcard_look.addresses_from_wildcard(
                (means.signed, *servers), owner, course.zone, means.timeout
            )
            if wildcard and (is_proven or not wish.force):
                refused = dns_wildcard.takes_addresses(owner, wildcard, is_proven)
    except authority.AuthorityError as error:
        refused = str(error)
    if refused:
        raise PublicationError(f"Nothing was changed: {refused}")


def _expect(wish: Wish, current: TlsaRrset) -> None:
    if wish.expected is not None and set(wish.expected) != set(current.records):
        raise PublicationError(
            f"Nothing was changed: at {wish.owner} {_shown(wish.expected)} was expected, "
            f"but there is {_shown(current.records)}"
        )
    # The condition of an update knows no TTL (RFC 2136 section 2.4.2), so all that can be done is to look just before.
    if wish.expected_ttl is not None and current.records and current.ttl != wish.expected_ttl:
        raise PublicationError(
            f"Nothing was changed: the RRset at {wish.owner} was expected with TTL {wish.expected_ttl}, but it has "
            f"{current.ttl}: somebody changed it meanwhile, and caches may keep it for that long"
        )


def _shown(records: c.Collection[TlsaRecord]) -> str:
    return ", ".join(record.to_text() for record in sorted(records)) or "no TLSA record"


async def _judge(wish: Wish, current: TlsaRrset, course: Course, means: Means) -> None:
    """Raise PublicationError when mail would be refused, or when that cannot be known."""
    if wish.force or not wish.records:
        return
    probes = await _probes(wish, course, means)
    now = datetime.datetime.now(datetime.UTC)
    course.coverage = publish_check.cover_all(probes, wish.records, wish.base_domain, now)
    refused = [entry for entry in course.coverage if entry.fit is Fit.MISMATCH]
    unseen = [entry for entry in course.coverage if entry.fit is Fit.UNKNOWN]
    if refused:
        raise PublicationError(
            f"This RRset is not published, because mail would be refused: {_list(refused)}. "
            f"{_help(refused)}, or set force"
        )
    if len(unseen) == len(course.coverage):
        raise PublicationError(
            f"This RRset is not published, because no endpoint of {wish.base_domain} could be seen: {_list(unseen)}. "
            "Run this where they can be reached, name others with endpoints, or set force"
        )
    dropped = set(current.records) - set(wish.records)
    if dropped and not wish.exclusive:
        _keep(wish, dropped, probes, unseen, now)
    for entry in unseen:
        course.warn(f"whether endpoint {entry} matches is unknown, since it could not be seen: {entry.detail}")


def _keep(
    wish: Wish, dropped: set[TlsaRecord], probes: c.Sequence[Probe], unseen: list[Coverage], now: datetime.datetime
) -> None:
    wanted = [record for probe in probes for record in publish_check.helpful(probe, dropped, wish.base_domain, now)]
    if wanted:
        raise PublicationError(
            f"Nothing was changed: {_shown(set(wanted))} would be removed from {wish.owner}, but matches what is "
            "served now. Add it to the records, or set exclusive to remove it on purpose"
        )
    if unseen:
        raise PublicationError(
            f"Nothing was changed: {_shown(dropped)} would be removed from {wish.owner}, and it is unknown whether it "
            f"matches what is served: {_list(unseen)}"
        )


def _list(entries: c.Iterable[Coverage]) -> str:
    return "; ".join(f"{entry}: {entry.detail or entry.reason}" for entry in entries) or "it has no address"


def _help(refused: c.Collection[Coverage]) -> str:
    if any(entry.reason == "algorithm-uncovered" for entry in refused):
        return "Add the records of the keys of every type to records, serve certificates of one type only"
    return "Serve a certificate that matches first"


async def _probes(wish: Wish, course: Course, means: Means) -> list[Probe]:
    endpoints = wish.endpoints
    if endpoints is None:
        literals, why = await authority.addresses(wish.base_domain, means.signed, means.resolvers, means.timeout)
        if why:
            course.warn(f"perhaps not all addresses of {wish.base_domain} are known: {why}")
        endpoints = tuple(Endpoint(literal, wish.port) for literal in literals)
    if len(endpoints) > _MAX_ENDPOINTS:
        raise PublicationError(f"{wish.base_domain} has {len(endpoints)} endpoints; more than {_MAX_ENDPOINTS}")
    ways = (wish.base_domain, None), smtp_ways.ALL_KEY_TYPES
    found = await asyncio.gather(
        *(smtp_ways.ask_all_ways(endpoint, *ways, means.ehlo_name, means.limits) for endpoint in endpoints)
    )
    return [probe for probes in found for probe in probes]


async def _change(wish: Wish, seen: View, wanted: TlsaRrset, course: Course, means: Means) -> None:
    current = seen.rrset
    begin = asyncio.get_running_loop().time()
    before = await _look_at_primary(wish, course, means)
    if before.serves(wanted) and not before.wildcard:
        # Somebody else has just made the same change.
        return
    if before.is_known and not same(before.rrset, current):
        course.after = before.rrset
        raise PublicationError(
            f"Nothing was changed: somebody else changed {wish.owner} meanwhile. It had {_with_ttl(current)}; now "
            f"it has {_with_ttl(before.rrset)}"
        )
    if means.not_after is not None and time.time() > means.not_after:
        late = time.time() - means.not_after
        raise PublicationError(f"Nothing was changed: the decision to do so expired {late:.0f} s ago; decide again")
    try:
        await update.replace_rrset(
            means.primary, course.zone, current, wanted, means.key, means.timeout, wildcard=seen.wildcard
        )
    except UpdateError as error:
        # An answer may have got lost on its way, so look before saying that nothing was done.
        view = await _look_at_primary(wish, course, means)
        lost = error.refusal in (Refusal.CHANGED_MEANWHILE, Refusal.UNANSWERED, Refusal.UNSIGNED_REPLY)
        if lost and view.serves(wanted):
            course.changed = True
            if error.refusal is Refusal.UNSIGNED_REPLY:
                course.warn(f"{error}; the RRset is there")
            return
        wildcard = "" if seen.wildcard else await _unseen_wildcard(error, current, view, course, means)
        if wildcard:
            course.warn(dns_wildcard.hides(wish.owner, wildcard))
            await _change(wish, dataclasses.replace(seen, wildcard=wildcard), wanted, course, means)
            return
        course.after = view.rrset if view.is_known else None
        raise PublicationError(_undone(error, wish, current, view)) from error
    course.changed = True
    course.around = await _around(before, begin, wanted, wish, course, means)


async def _around(
    before: View, begin: float, wanted: TlsaRrset, wish: Wish, course: Course, means: Means
) -> tuple[View, View] | None:
    """Return the last look before the change can be seen, which is ``before`` or a later one, and the first one after.

    ``begin``: when ``before`` was asked for.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + _SIGNING
    while before.is_known:
        asked = clock()
        view = await _look_at_primary(wish, course, means)
        if view.serves(wanted):
            return (before, view) if clock() - begin <= _MOMENT else None
        if clock() > end or view != before:
            return None
        begin = asked
        await asyncio.sleep(_FIRST_PAUSE)
    return None


async def _look_at_primary(wish: Wish, course: Course, means: Means) -> View:
    (view,) = await authority.observe(wish.owner, course.zone, (means.signed,), means.timeout)
    return view


def _with_ttl(rrset: TlsaRrset) -> str:
    return _shown(rrset.records) + (f" with TTL {rrset.ttl}" if rrset.records else "")


async def _unseen_wildcard(error: UpdateError, current: TlsaRrset, view: View, course: Course, means: Means) -> str:
    """Return the wildcard that the records may come from, where no signature of the primary tells."""
    same_there = view.is_known and set(view.records) == set(current.records)
    if error.refusal is not Refusal.CHANGED_MEANWHILE or not current.records or not same_there:
        return ""
    try:
        return await wildcard_look.find_wildcard(means.signed, view.owner, course.zone, means.timeout)
    except authority.AuthorityError:
        # The message of the refused update names the possibility.
        return ""


def _undone(error: UpdateError, wish: Wish, current: TlsaRrset, view: View) -> str:
    there = _shown(view.records) if view.is_known else f"unknown ({view.detail})"
    if error.refusal is Refusal.CHANGED_MEANWHILE and view.is_known and set(view.records) == set(current.records):
        return (
            f"Nothing was changed: {error}; yet {there} is served there. Either others change {wish.owner} at this "
            "moment and the server has not signed it yet: then run this again. Or the records come from a wildcard: "
            "then publish each at the name itself first, in nsupdate with "
            f"'update add {wish.owner}. {current.ttl} TLSA' and the record"
        )
    if error.refusal is Refusal.CHANGED_MEANWHILE:
        return (
            f"Nothing was changed: somebody else changed {wish.owner} meanwhile. It had {_shown(current.records)}; "
            f"now it has {there} ({error})"
        )
    if error.refusal in (Refusal.UNANSWERED, Refusal.UNSIGNED_REPLY):
        return f"It is unknown whether the update was made: {error}. Served there now: {there}"
    return f"Nothing was changed: {error}"


async def _authorities(course: Course, means: Means) -> tuple[Server, ...]:
    """Return every address to look at, the primary first; known before anything is changed.

    They are asked without signature, as caches ask them; a primary that caches do not know is asked with it.
    """
    if means.authorities is None:
        delegation = await authority.find_name_servers(course.zone, means.signed, means.resolvers, means.timeout)
    else:
        delegation = Delegation(means.authorities)
    for note in filter(None, (delegation.unknown_parent, *delegation.notes)):
        course.warn(note)
    unresolved = "; ".join(f"{name} ({why})" for name, why in delegation.unresolved)
    if unresolved and means.wait is not None:
        raise PublicationError(
            f"Nothing was changed: these name servers of {course.zone} have addresses that could not be learnt: "
            f"{unresolved}. Give the addresses to ask as name_servers, or do not wait"
        )
    if unresolved:
        course.warn(f"name servers whose addresses could not be learnt were not asked: {unresolved}")
    others = tuple(
        server
        for server in delegation.servers
        if (server.address, server.port) != (means.primary.address, means.primary.port)
    )
    primary = next((server for server in delegation.servers if server not in others), means.signed)
    return (primary, *others)


async def _confirm(
    wanted: TlsaRrset, servers: c.Sequence[Server], course: Course, means: Means, patience: float | None
) -> None:
    """Look at all ``servers``; with ``patience`` (seconds) until each serves ``wanted``."""
    clock = asyncio.get_running_loop().time
    end, pause = clock() + (patience or 0), _FIRST_PAUSE
    while True:
        course.views = await _look(wanted.owner, course.zone, servers, means)
        behind = [view for view in course.views if not view.serves(wanted)]
        if patience is None or not behind:
            return
        if clock() + pause > end:
            raise PublicationError(_behind(wanted, course, behind, patience) + await _hidden(wanted, course, means))
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _behind(wanted: TlsaRrset, course: Course, behind: c.Sequence[View], patience: float) -> str:
    serials = [view.serial for view in course.views if view.serves(wanted) and view.serial is not None]
    told = [_lagging(view, serials[0] if serials else None) for view in behind]
    done = "The update was made, but" if course.changed else "Nothing was to be changed, but"
    return (
        f"{done} after {patience:g} seconds not every authoritative name server serves {wanted.owner} as wanted. "
        f"{'; '.join(told)}. Mend the zone transfer or the server, and run this again; "
        "name_servers says which servers to ask"
    )


async def _look(owner: str, zone: str, servers: c.Sequence[Server], means: Means) -> tuple[View, ...]:
    views = await authority.observe(owner, zone, servers, means.timeout)
    if means.key is None or views[0].status is not Status.REFUSED:
        return views
    # A primary that answers nobody but us is not one that caches ask.
    return (*await authority.observe(owner, zone, (means.signed,), means.timeout), *views[1:])


async def _hidden(wanted: TlsaRrset, course: Course, means: Means) -> str:
    """Say so when the primary shows the RRset to the key of the updates only."""
    first = course.views[0]
    if means.key is None or first.server.key or first.serves(wanted):
        return ""
    (view,) = await authority.observe(wanted.owner, course.zone, (means.signed,), means.timeout)
    if not view.serves(wanted):
        return ""
    return (
        f". {means.primary} does serve it to questions that are signed with the TSIG key {means.key}: it has several "
        "views, and the update went to one that the public does not see, so that senders do not find the records. Use "
        "a key for the view of the public (BIND: match-clients of the views), or give the servers to ask as "
        "name_servers"
    )


def _lagging(view: View, newest: int | None) -> str:
    if not view.is_known:
        return f"{view.server} {view.detail}"
    what = f"serves {_shown(view.records)}" + (f" with TTL {view.ttl}" if view.records else "")
    serial = "" if view.serial is None else f" at serial {view.serial}"
    return f"{view.server} {what}{serial}" + (f", others have {newest}" if newest not in (None, view.serial) else "")
