# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the zoo as lists of records, so that any record can be dropped, bent, swapped or replayed."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import random
import typing as t

import signer
from harness import Change
from responder import Message, Record, World

Mutation = c.Callable[[Message], Message | None]


@dataclasses.dataclass(frozen=True)
class Step:
    """One change of the response to one question. ``what`` says which, for the report of a failure."""

    owner: signer.Name
    rdtype: int
    what: str
    mutate: Mutation


def copy(message: Message) -> Message:
    first, second, third = (list(section) for section in message.sections)
    return Message(message.rcode, message.authoritative, (first, second, third))


def questions_of(world: World, ask: c.Callable[[Change], t.Any]) -> list[tuple[signer.Name, int]]:
    """Return the questions that ``ask`` puts to the world."""
    asked: dict[tuple[signer.Name, int], None] = {}

    def note(owner: signer.Name, rdtype: int, wire: bytes) -> bytes:
        asked[owner, rdtype] = None
        return wire

    ask(note)
    return list(asked)


def single_mutations(world: World, owner: signer.Name, rdtype: int, bits: t.Sequence[int]) -> c.Iterator[Step]:
    """Yield every drop of a record or RRset, every flip of some bits of each record, every change of RCODE."""
    message = world.respond(owner, rdtype)
    for section in (0, 1):
        for position, record in enumerate(message.sections[section]):
            where = f"{section}/{position} {record.owner} {record.rdtype}"
            yield Step(owner, rdtype, f"drop {where}", _drop(section, position))
            for bit in bits:
                yield Step(owner, rdtype, f"flip {bit} of {where}", _flip(section, position, bit))
            yield Step(owner, rdtype, f"double {where}", _double(section, position))
            yield Step(owner, rdtype, f"move {where}", _move(section, position))
            yield Step(owner, rdtype, f"rename {where}", _rename(section, position))
        kinds = {(record.owner, record.rdtype) for record in message.sections[section]}
        for kind in sorted(kinds):
            yield Step(owner, rdtype, f"drop all {kind} of {section}", _drop_kind(section, kind))
    yield Step(owner, rdtype, "only answer", lambda m: Message(m.rcode, True, (m.answer, [], [])))
    yield Step(owner, rdtype, "only authority", lambda m: Message(m.rcode, True, ([], m.authority, [])))
    for rcode in (0, 3):
        yield Step(owner, rdtype, f"rcode {rcode}", lambda m, r=rcode: Message(r, True, m.sections))
        yield Step(owner, rdtype, f"nothing but rcode {rcode}", lambda _m, r=rcode: Message(r))


def _drop(section: int, position: int) -> Mutation:
    def mutate(message: Message) -> Message:
        del message.sections[section][position]
        return message

    return mutate


def _flip(section: int, position: int, bit: int) -> Mutation:
    def mutate(message: Message) -> Message | None:
        record = message.sections[section][position]
        if bit >= len(record.data) * 8:
            return None
        data = bytearray(record.data)
        data[bit // 8] ^= 0x80 >> bit % 8
        message.sections[section][position] = dataclasses.replace(record, data=bytes(data))
        return message

    return mutate


def _double(section: int, position: int) -> Mutation:
    def mutate(message: Message) -> Message:
        record = message.sections[section][position]
        data = record.data[:-1] + bytes([record.data[-1] ^ 1]) if record.data else b"\0"
        message.sections[section].append(dataclasses.replace(record, data=data))
        return message

    return mutate


def _move(section: int, position: int) -> Mutation:
    def mutate(message: Message) -> Message:
        message.sections[1 - section].append(message.sections[section].pop(position))
        return message

    return mutate


def _rename(section: int, position: int) -> Mutation:
    def mutate(message: Message) -> Message:
        record = message.sections[section][position]
        other = signer.Name((b"renamed", *record.owner.labels[1:])) if len(record.owner) > 1 else record.owner
        message.sections[section][position] = dataclasses.replace(record, owner=other)
        return message

    return mutate


def _drop_kind(section: int, kind: tuple[signer.Name, int]) -> Mutation:
    def mutate(message: Message) -> Message:
        message.sections[section][:] = [r for r in message.sections[section] if (r.owner, r.rdtype) != kind]
        return message

    return mutate


def replays(
    world: World, owner: signer.Name, rdtype: int, others: t.Sequence[tuple[signer.Name, int]]
) -> c.Iterator[Step]:
    """Yield responses to other questions in place of the right one, as they are and renamed to the right owner."""
    for other in others:
        if other == (owner, rdtype):
            continue
        foreign = world.respond(*other)

        def whole(_message: Message, foreign: Message = foreign) -> Message:
            return copy(foreign)

        def renamed(_message: Message, foreign: Message = foreign, old: signer.Name = other[0]) -> Message:
            made = copy(foreign)
            for section in made.sections:
                section[:] = [dataclasses.replace(r, owner=owner) if r.owner == old else r for r in section]
            return made

        def denied(message: Message, foreign: Message = foreign) -> Message:
            return Message(foreign.rcode, True, ([], message.authority + foreign.authority + foreign.answer, []))

        yield Step(owner, rdtype, f"replay {other}", whole)
        yield Step(owner, rdtype, f"replay renamed {other}", renamed)
        yield Step(owner, rdtype, f"replay as denial {other}", denied)


def applied(world: World, steps: t.Sequence[Step]) -> Change:
    """Return the change that applies ``steps`` to the messages of the world."""

    def change(owner: signer.Name, rdtype: int, wire: bytes) -> bytes:
        message: Message | None = None
        for step in steps:
            if (step.owner, step.rdtype) == (owner, rdtype):
                message = step.mutate(copy(message or world.respond(owner, rdtype))) or message
        return message.to_wire((owner, rdtype)) if message else wire

    return change


def shuffled(records: list[Record], seed: int) -> list[Record]:
    """Return the records in another order."""
    mixed = list(records)
    random.Random(seed).shuffle(mixed)
    return mixed
