# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A counterexample as a table that people read: what happened when, and what every party had then."""

from __future__ import annotations

import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import Deploy, Publish

from .world import FAULTS, Chain, Records, State, World, chains_of, record

_NAMES: t.Final = {
    record(label, usage, kind): f"{usage} 1 {kind} {label}"
    for label in (*(f"{letter}{number}" for letter in "KAB" for number in range(1, 10)), "CA1", "CA2", "CA3")
    for usage in (2, 3)
    for kind in (1, 2)
}
_MEANING: t.Final = {
    "P1": "a cache may hold {value}, which does not match {chain}, served now: mail is refused",
    "P2": "a cache may hold {value}, of which some combination does not match {chain}, served now (RFC 7671 section 8)",
    "P3": "DANE is off although it should be on",
    "P4": "from here on the rotation can never be finished",
}


def readable(world: World, trace: list[tuple[tuple[t.Any, ...], State]], broken: str) -> str:
    """Return the way to a broken property as a table, one line for each thing that happened."""
    rows = [("tick", "what happens", "name servers", "caches may also hold", "served")]
    clock = 0
    for label, state in trace:
        if label[0] == "tick":
            clock += 1
            continue
        rows.append((str(clock), _event(world, label), *_world(world, state)))
    last = trace[-1][1]
    if trace[-1][0][0] == "tick":
        rows.append((str(clock), "time passes", *_world(world, last)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:], _verdict(world, last, broken)])


def _world(world: World, state: State) -> tuple[str, str, str]:
    servers = " ".join(f"ns{place}={_value(world, value)}" for place, value in enumerate(state.ns))
    if len(set(state.ns)) == 1 and len(state.ns) > 1:
        servers = f"all={_value(world, state.ns[0])}"
    cache = ", ".join(f"{_value(world, value)} for {left}" for value, left in state.cache)
    served = " ".join(f"mx{place}={_chains(world.chains.things[one])}" for place, one in enumerate(state.srv))
    if state.workers:
        served += ", processes also " + " ".join(
            f"{_chains(world.chains.things[one])} for {left}" for one, left in state.workers
        )
    if state.left:
        servers += f", the one that left={_value(world, state.left[0])} for {state.left[1]}"
    return servers, cache or "-", served


def _chains(thing: Chain | frozenset[Chain]) -> str:
    return "+".join(sorted(one.identity for one in chains_of(thing)))


def _value(world: World, number: int) -> str:
    records, ttl = world.values.things[number]
    return f"{_records(records)}/{ttl}" if records else "nothing"


def _records(records: Records) -> str:
    return "{" + ", ".join(sorted(_NAMES.get(one, one.to_text()[:14]) for one in records)) + "}"


def _event(world: World, label: tuple[t.Any, ...]) -> str:
    kind = label[0]
    if kind == "start":
        return "steady"
    if kind == "sync":
        return f"ns{label[1]} follows the primary"
    if kind == "generate":
        return f"controller {label[1]} has the next key generated"
    if kind == "decide":
        if label[2] < 0:
            return f"controller {label[1]} looks, and waits"
        return f"controller {label[1]} decides to {_step(world, label[2])}"
    if kind in ("effect", "late effect"):
        step = world.steps.things[label[2]]
        if isinstance(step, Publish):
            late = "late: " if kind != "effect" else ""
            return f"{late}{_records(step.records)} is written to ns{world.primary(step.owner)}"
        return f"mx{label[3]} serves {_chains(frozenset(step.chains)) if isinstance(step, Deploy) else 'no TLS'}"
    if kind == "recovers":
        return "the name servers are back, and in step"
    return f"fault: {FAULTS[kind]}"


def _step(world: World, number: int) -> str:
    step = world.steps.things[number]
    if isinstance(step, Publish):
        return f"publish {_records(step.records)}"
    if isinstance(step, Deploy):
        return f"deploy {_chains(frozenset(step.chains))}"
    return "hand over"


def _verdict(world: World, state: State, broken: str) -> str:
    for value in sorted(world.held(state)):
        for served in sorted(world.served(state)):
            if not world.matches(value, served, broken == "P2"):
                shown, chain = _records(world.values.things[value][0]), _chains(world.chains.things[served])
                return f"{broken} is broken: " + _MEANING[broken].format(value=shown, chain=chain)
    return f"{broken} is broken: {_MEANING[broken]}"
