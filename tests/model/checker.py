# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Breadth-first search through a world, so that the first counterexample found is a shortest one."""

from __future__ import annotations

import array
import dataclasses
import struct
import typing as t

from .world import State, World

_Label = tuple[t.Any, ...]


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
    traces: dict[str, list[tuple[_Label, State]]]
    stuck: int | None
    goals: int
    complete: bool


class _States:
    """States by number, each held as a few bytes: its parts repeat, and are held once."""

    _SHAPE: t.Final = struct.Struct("<IIIHHHHBB")

    def __init__(self) -> None:
        self._parts: list[list[t.Any]] = [[] for _part in range(7)]
        self._numbers: list[dict[t.Any, int]] = [{} for _part in range(7)]
        self._packed: list[bytes] = []
        self._index: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def number(self, state: State) -> int:
        """Return the number of ``state``, that of :func:`len` when it is new."""
        ns, lags, cache, srv, ctls, limbo, trouble, budget, *rare = state
        packed = self._SHAPE.pack(
            self._part(0, ctls), self._part(1, cache), self._part(2, ns), self._part(3, lags), self._part(4, srv),
            self._part(5, limbo), self._part(6, tuple(rare)), trouble, budget,
        )  # fmt: skip
        found = self._index.setdefault(packed, len(self._packed))
        if found == len(self._packed):
            self._packed.append(packed)
        return found

    def _part(self, place: int, thing: t.Any) -> int:
        numbers = self._numbers[place]
        found = numbers.get(thing)
        if found is None:
            found = numbers[thing] = len(numbers)
            self._parts[place].append(thing)
        return found

    def __getitem__(self, number: int) -> State:
        *places, trouble, budget = self._SHAPE.unpack(self._packed[number])
        ctls, cache, ns, lags, srv, limbo, rare = (part[place] for part, place in zip(self._parts, places, strict=True))
        return State(ns, lags, cache, srv, ctls, limbo, trouble, budget, *rare)


def explore(world: World, stop_at: t.Collection[str] = (), liveness: bool = False, limit: int = 20_000_000) -> Result:
    """Visit every reachable state.

    ``stop_at``: properties at whose first violation the search ends. ``liveness``: also check P4, AG EF goal, over
    transitions that are not faults. P5 (fail-static) needs no check of its own: in every state the controllers may
    rest for ever while ticks and transfers go on, so what P1 says of all states, it says of those.
    """
    states = _States()
    states.number(world.initial())
    parents = array.array("I", [0])
    sources, ends, goals = array.array("I"), array.array("I"), array.array("I")
    violations: dict[str, int] = {}
    first: dict[str, int] = {}
    edges = place = 0
    while place < len(states) and len(states) < limit:
        state = states[place]
        broken = world.violated(state)
        if broken:
            violations[broken] = violations.get(broken, 0) + 1
            first.setdefault(broken, place)
            if broken in stop_at:
                break
        if liveness and world.is_goal(state):
            goals.append(place)
        for _label, after, faulty in world.successors(state):
            edges += 1
            known = len(states)
            number = states.number(after)
            if number == known:
                parents.append(place)
            if liveness and not faulty:
                sources.append(place)
                ends.append(number)
        place += 1
    complete = place == len(states)
    traces = {broken: _trace(world, number, states, parents) for broken, number in first.items()}
    stuck = None
    if liveness and complete:
        reach = _reaching(len(states), sources, ends, goals)
        stuck = len(states) - sum(reach)
        if stuck:
            traces["P4"] = _trace(world, reach.index(0), states, parents)
    return Result(len(states), edges, violations, traces, stuck, len(goals) if complete else 0, complete)


def _reaching(count: int, sources: t.Sequence[int], ends: t.Sequence[int], goals: t.Iterable[int]) -> bytearray:
    """Mark every state from which a goal can be reached: the edges backwards, sorted by where they end."""
    offsets = array.array("I", bytes(4 * (count + 1)))
    for end in ends:
        offsets[end + 1] += 1
    for number in range(count):
        offsets[number + 1] += offsets[number]
    fill = array.array("I", offsets)
    before = array.array("I", bytes(4 * len(ends)))
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


def _trace(world: World, number: int, states: _States, parents: t.Sequence[int]) -> list[tuple[_Label, State]]:
    """Return the way to a state; what happened on it is found again by going it once more."""
    found = []
    while number:
        before, after = states[parents[number]], states[number]
        label = next(label for label, one, _faulty in world.successors(before) if one == after)
        found.append((label, after))
        number = parents[number]
    return [(("start",), states[0]), *found[::-1]]
