# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Breadth-first search through a world, so that the first counterexample found is a shortest one."""

from __future__ import annotations

import array
import dataclasses
import typing as t

from .world import State, World


@dataclasses.dataclass(frozen=True)
class Result:
    """What a search found.

    ``violations``: property -> number of states that break it. ``traces``: property -> shortest way there, as
    (label, state) from the beginning. ``stuck``: states from which the goal cannot be reached any more without
    another fault (P4), or None when that was not asked. ``complete``: everything reachable was seen.
    """

    states: int
    edges: int
    violations: dict[str, int]
    traces: dict[str, list[tuple[tuple[t.Any, ...], State]]]
    stuck: int | None
    goals: int
    complete: bool


def explore(
    world: World,
    stop_at: t.Collection[str] = (),
    liveness: bool = False,
    limit: int = 5_000_000,
) -> Result:
    """Visit every reachable state.

    ``stop_at``: properties at whose first violation the search ends. ``liveness``: also check P4, AG EF goal, over
    transitions that are no faults. P5 (fail-static) needs no check of its own: in every state the controllers may
    rest for ever while ticks and transfers go on, so what P1 says of all states, it says of those.
    """
    start = world.initial()
    index: dict[State, int] = {start: 0}
    states = [start]
    parents = array.array("l", [-1])
    labels: list[tuple[t.Any, ...]] = [("start",)]
    known_labels: dict[tuple[t.Any, ...], tuple[t.Any, ...]] = {}
    sources, goals_to = array.array("l"), array.array("l")
    violations: dict[str, int] = {}
    first: dict[str, int] = {}
    edges = 0
    place = 0
    while place < len(states) and len(states) < limit:
        state = states[place]
        broken = world.violated(state)
        if broken:
            violations[broken] = violations.get(broken, 0) + 1
            first.setdefault(broken, place)
            if broken in stop_at:
                break
        for label, after, faulty in world.successors(state):
            edges += 1
            number = index.get(after)
            if number is None:
                number = index[after] = len(states)
                states.append(after)
                parents.append(place)
                labels.append(known_labels.setdefault(label, label))
            if liveness and not faulty:
                sources.append(place)
                goals_to.append(number)
        place += 1
    complete = place == len(states)
    goals = [number for number, state in enumerate(states) if world.is_goal(state)] if liveness and complete else []
    stuck = len(states) - _can_reach(len(states), sources, goals_to, goals) if liveness and complete else None
    traces = {broken: _trace(number, states, parents, labels) for broken, number in first.items()}
    if stuck:
        reach = _reaching(len(states), sources, goals_to, goals)
        traces["P4"] = _trace(next(n for n in range(len(states)) if not reach[n]), states, parents, labels)
    return Result(len(states), edges, violations, traces, stuck, len(goals), complete)


def _can_reach(count: int, sources: t.Sequence[int], ends: t.Sequence[int], goals: t.Iterable[int]) -> int:
    return sum(_reaching(count, sources, ends, goals))


def _reaching(count: int, sources: t.Sequence[int], ends: t.Sequence[int], goals: t.Iterable[int]) -> bytearray:
    """Mark every state from which a goal can be reached: the edges backwards, sorted by where they end."""
    offsets = array.array("l", bytes(8 * (count + 1)))
    for end in ends:
        offsets[end + 1] += 1
    for number in range(count):
        offsets[number + 1] += offsets[number]
    fill = array.array("l", offsets)
    before = array.array("l", bytes(8 * len(ends)))
    for source, end in zip(sources, ends, strict=True):
        before[fill[end]] = source
        fill[end] += 1
    marked = bytearray(count)
    todo = list(goals)
    for number in todo:
        marked[number] = 1
    while todo:
        number = todo.pop()
        for source in before[offsets[number] : offsets[number + 1]]:
            if not marked[source]:
                marked[source] = 1
                todo.append(source)
    return marked


def _trace(
    number: int, states: list[State], parents: t.Sequence[int], labels: list[tuple[t.Any, ...]]
) -> list[tuple[tuple[t.Any, ...], State]]:
    found = []
    while number >= 0:
        found.append((labels[number], states[number]))
        number = parents[number]
    return found[::-1]
