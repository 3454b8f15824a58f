# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a rotation: what was published, cached at most, and served, when.

Events come from the journal (:func:`events_between`), or from logs of servers in the same form. From them follow
spans, and from the spans every moment at which some RRset that a cache may have held did not match some chain
that may have been served. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import guards, serial
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import Node
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import REMEMBERED, Chain, Policy
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import Step, Wait

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Journal

Event = dict[str, t.Any]

_STEP_FIELDS: t.Final = ("action", "summary", "owner", "records", "ttl", "endpoints", "key_records")


def events_between(before: Journal, after: Journal, step: Step, wall: float) -> list[Event]:
    """Return what ``after`` knows more than ``before``, and ``step`` unless it waits, as events of Unix time ``wall``.

    ``rrset``: ``servers`` had ``records`` with ``ttl`` at ``owner`` (empty: none any more). ``chain``: ``endpoints``
    served ``chain`` (empty: none any more). ``step``: ``action`` was decided. Whatever was gone when looked for may
    have been there until then; what a step begins may be there from then on.
    """
    events: list[Event] = []
    old = {(entry.owner, entry.records, entry.ttl): entry.served_by for entry in before.rrsets}
    new = {(entry.owner, entry.records, entry.ttl): entry.served_by for entry in after.rrsets}
    for owner, records, ttl in [*new, *(key for key in old if key not in new)]:
        key = (owner, records, ttl)
        servers = new.get(key, frozenset())
        if records is not None and servers != old.get(key, frozenset()):
            shown = sorted(record.to_text() for record in records)
            events.append(
                {"at": wall, "event": "rrset", "owner": owner, "records": shown, "ttl": ttl, "servers": sorted(servers)}
            )
    seen_before = {entry.chain: _looked_at(entry.seen_at) for entry in before.chains}
    seen_after = {entry.chain: _looked_at(entry.seen_at) for entry in after.chains}
    for chain in [*seen_after, *(one for one in seen_before if one not in seen_after)]:
        endpoints = seen_after.get(chain, frozenset())
        if chain is not None and endpoints != seen_before.get(chain, frozenset()):
            fact: dict[str, t.Any] = {
                "identity": chain.identity,
                "key": chain.key.to_text(),
                "satisfies": sorted(record.to_text() for record in chain.satisfies),
            }
            events.append({"at": wall, "event": "chain", "chain": fact, "endpoints": sorted(endpoints)})
    if not isinstance(step, Wait):
        data = serial.step_data(step)
        if data["action"] != "done" or not _is_quiet(before, after):
            kept: Event = {name: data[name] for name in _STEP_FIELDS if name in data}
            events.append({"at": wall, "event": "step", **kept})
    return events


def _looked_at(endpoints: frozenset[str]) -> frozenset[str]:
    """Without those that only stand for what is remembered: which these are depends on who looks."""
    return frozenset(one for one in endpoints if not one.startswith(REMEMBERED))


def _is_quiet(before: Journal, after: Journal) -> bool:
    """A run that found nothing to do leaves no trace, or daily runs would fill the journal."""
    old = {(entry.owner, entry.records, entry.ttl, entry.served_by) for entry in before.rrsets}
    return old >= {(entry.owner, entry.records, entry.ttl, entry.served_by) for entry in after.rrsets}


@dataclasses.dataclass(frozen=True)
class Span:
    """Something that was there from ``begin`` to ``end`` (Unix time, ``inf``: still is).

    ``until``: until when it may have had an effect, caches included; the same as ``end`` for chains. ``where``: owner
    name, or endpoint.
    """

    where: str
    records: frozenset[TlsaRecord]
    begin: float
    end: float
    until: float
    label: str = ""
    ttl: int = 0


@dataclasses.dataclass(frozen=True)
class Timeline:
    """``rrsets`` with what caches kept, ``chains`` by endpoint with the records they satisfy, ``steps`` taken."""

    begin: float
    end: float
    rrsets: tuple[Span, ...]
    chains: tuple[Span, ...]
    steps: tuple[tuple[float, str, str], ...]


@dataclasses.dataclass(frozen=True)
class Gap:
    """From ``begin`` to ``end`` a cached ``rrset`` did not match a served ``chain``."""

    begin: float
    end: float
    rrset: Span
    chain: Span


def timeline(events: c.Iterable[Event], policy: Policy | None = None, now: float | None = None) -> Timeline:
    """Turn events into spans. Raises DataError for an event of the wrong shape.

    ``policy`` says how long caches keep what is gone. ``now``: end of the record, the last event by default.
    """
    policy = policy or Policy()
    nodes = [Node(event, f"events[{place}]") for place, event in enumerate(events)]
    nodes.sort(key=lambda node: node.field("at").number())
    rrsets: dict[tuple[t.Any, ...], list[float]] = {}
    served: dict[tuple[str, str], float] = {}
    facts: dict[str, tuple[frozenset[TlsaRecord], str]] = {}
    done: list[Span] = []
    chains: list[Span] = []
    steps: list[tuple[float, str, str]] = []
    begun: dict[tuple[t.Any, ...], float] = {}
    for node in nodes:
        at, kind = node.field("at").number(), node.field("event").text()
        if kind == "rrset":
            key = (node.field("owner").owner(), node.field("records").seen_records(), node.field("ttl").whole())
            if node.field("servers").items():
                rrsets.setdefault(key, [begun.pop(key, at)])
            elif key in rrsets:
                done.append(_rrset(key, rrsets.pop(key)[0], at, policy))
        elif kind == "chain":
            _serve(node, at, served, facts, chains, begun)
        elif kind == "step":
            steps.append((at, node.field("action").text(), node.field("summary").text("")))
            _begin(node, at, begun)
    first = nodes[0].field("at").number() if nodes else 0
    last = now if now is not None else (nodes[-1].field("at").number() if nodes else 0)
    done += [_rrset(key, since[0], math.inf, policy) for key, since in rrsets.items()]
    chains += [_chain(where, facts[one], since, math.inf) for (where, one), since in served.items()]
    return Timeline(first, last, tuple(sorted(done, key=_order)), tuple(sorted(chains, key=_order)), tuple(steps))


def since(record: Timeline, begin: float) -> Timeline:
    """Return the record from ``begin`` on (Unix time): what lasted until then, caches included, is in it."""
    if begin <= record.begin:
        return record
    return Timeline(
        begin,
        max(record.end, begin),
        tuple(span for span in record.rrsets if span.until > begin),
        tuple(span for span in record.chains if span.until > begin),
        tuple(step for step in record.steps if step[0] >= begin),
    )


def _order(span: Span) -> tuple[t.Any, ...]:
    return span.where, span.begin, sorted(span.records)


def _begin(node: Node, at: float, begun: dict[tuple[t.Any, ...], float]) -> None:
    """A decision may have its effect from that moment on, long before anybody sees it."""
    if node.field("owner").given:
        key = (node.field("owner").owner(), node.field("records").seen_records(), node.field("ttl").whole())
        begun.setdefault(key, at)
    for key_text in node.field("key_records").items():
        for endpoint in node.field("endpoints").items():
            begun.setdefault((endpoint.name(), key_text.record()), at)


def _serve(
    node: Node,
    at: float,
    served: dict[tuple[str, str], float],
    facts: dict[str, tuple[frozenset[TlsaRecord], str]],
    chains: list[Span],
    begun: dict[tuple[t.Any, ...], float],
) -> None:
    chain = node.field("chain")
    identity, key = chain.field("identity").name(), chain.field("key").record()
    facts[identity] = (chain.field("satisfies").records() | {key}, key.to_text())
    endpoints = {item.name() for item in node.field("endpoints").items()}
    for endpoint in endpoints:
        served.setdefault((endpoint, identity), begun.pop((endpoint, key), at))
    for where, one in [pair for pair in served if pair[1] == identity and pair[0] not in endpoints]:
        chains.append(_chain(where, facts[one], served.pop((where, one)), at))


def _rrset(key: tuple[t.Any, ...], begin: float, end: float, policy: Policy) -> Span:
    owner, records, ttl = key
    until = end + ttl + policy.application_cache
    return Span(owner, records, begin, end, until, guards.describe(records), ttl)


def _chain(where: str, fact: tuple[frozenset[TlsaRecord], str], begin: float, end: float) -> Span:
    return Span(where, fact[0], begin, end, end, fact[1])


def gaps(record: Timeline, strict: bool = True) -> tuple[Gap, ...]:
    """Return every time at which a possibly cached RRset did not match a possibly served chain: the proof is none."""
    found = []
    for rrset in record.rrsets:
        for chain in record.chains:
            begin, end = max(rrset.begin, chain.begin), min(rrset.until, chain.until)
            if begin < end and not guards.matches(rrset.records, _as_chain(chain), strict):
                found.append(Gap(begin, end, rrset, chain))
    return tuple(found)


def _as_chain(span: Span) -> Chain:
    return Chain(span.label, min(span.records), (), span.records)


def timeline_data(record: Timeline, strict: bool = True) -> dict[str, t.Any]:
    """Return the record as JSON-able data; times are Unix time, None for what still lasts."""

    def spans(entries: c.Iterable[Span]) -> list[dict[str, t.Any]]:
        return [
            {
                "where": span.where,
                "records": sorted(one.to_text() for one in span.records),
                "begin": span.begin,
                "end": _finite(span.end),
                "until": _finite(span.until),
                "label": span.label,
            }
            for span in entries
        ]

    return {
        "begin": record.begin,
        "end": record.end,
        "rrsets": spans(record.rrsets),
        "chains": spans(record.chains),
        "steps": [{"at": at, "action": action, "summary": summary} for at, action, summary in record.steps],
        "gaps": [
            {
                "begin": gap.begin,
                "end": _finite(gap.end),
                "owner": gap.rrset.where,
                "rrset": gap.rrset.label,
                "endpoint": gap.chain.where,
                "chain": gap.chain.label,
            }
            for gap in gaps(record, strict)
        ],
    }


def _finite(moment: float) -> float | None:
    return moment if math.isfinite(moment) else None
