# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No change of any record or signature makes a false answer secure (DV section 5, issue: zero false "secure").

The measure: a mutated look-up may end secure only with the very answer of the unmutated one.
"""

from __future__ import annotations

import harness
import pytest
import records
import world as zoo_world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Security
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.reasons import REASONS

WORLD, CASES, ROOT = zoo_world.build()
TELLING = ("mx A", "_25._tcp.www TLSA", "nx A", "ent A", "x.wild A", "x.wild TXT", "mx.dname A", "_25._tcp.alias TLSA")
ZONES = {
    "ok-nsec.zoo": TELLING,
    "ok-nsec3.zoo": TELLING,
    "opt-out.zoo": TELLING[2:6],
    "unsigned.zoo": TELLING[:1],
    "unsigned.optout": TELLING[:1],
}
QUESTIONS = [harness.full_name(question, zone) for zone, questions in ZONES.items() for question in questions]
#: Bits of record data worth flipping one by one: types, algorithms, labels, times, tags, names, digests.
BITS = (0, 7, 15, 16, 23, 24, 31, 47, 63, 79, 95, 111, 127, 143, 151, 160, 200, 300, 400)


def look_up(question, change=None, **more):
    (result,) = harness.look_up(harness.validator(WORLD, ROOT, change, **more), question)
    return result


def essence(result):
    return (result.outcome, result.rdata, result.canonical_name)


def asked_for(question):
    return records.questions_of(WORLD, lambda note: look_up(question, note))


def check(question, truth, result, what):
    """Say whether the outcome is acceptable: never secure and different; never insecure where the truth is secure."""
    if result.security is Security.SECURE:
        assert truth.security is Security.SECURE and essence(result) == essence(truth), f"{question}: {what}"
    if result.security is Security.INSECURE:
        assert truth.security is Security.INSECURE, f"{question}: {what}: {result.reason}: {result.detail}"
    assert not result.reason or result.reason in REASONS


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_every_single_mutation(question):
    truth = look_up(question)
    steps = [
        step
        for owner, rdtype in asked_for(question)
        if len(owner) > 2 or rdtype == zoo_world.DS
        for step in records.single_mutations(WORLD, owner, rdtype, BITS)
    ]
    assert len(steps) > 50
    for step in steps:
        check(question, truth, look_up(question, records.applied(WORLD, [step])), step.what)


ALL_ASKED = sorted({asked for question in QUESTIONS for asked in asked_for(question)})


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_every_replay_of_another_answer(question):
    truth = look_up(question)
    for owner, rdtype in asked_for(question):
        if owner == harness.dns.name.root:
            continue
        for step in records.replays(WORLD, owner, rdtype, ALL_ASKED):
            check(question, truth, look_up(question, records.applied(WORLD, [step])), step.what)


@st.composite
def several_mutations(draw):
    question = draw(st.sampled_from(QUESTIONS))
    steps = []
    for _count in range(draw(st.integers(2, 4))):
        owner, rdtype = draw(st.sampled_from(asked_for(question)))
        bits = draw(st.lists(st.integers(0, 1200), min_size=1, max_size=4))
        candidates = list(records.single_mutations(WORLD, owner, rdtype, bits))
        candidates += records.replays(WORLD, owner, rdtype, draw(st.lists(st.sampled_from(ALL_ASKED), max_size=3)))
        steps.append(draw(st.sampled_from(candidates)))
    return question, steps


def _safe(step):
    """Make a step that finds its record gone already do nothing."""

    def mutate(message):
        try:
            return step.mutate(message)
        except IndexError:
            return None

    return records.dataclasses.replace(step, mutate=mutate)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(several_mutations())
def test_several_mutations_at_once(drawn):
    question, steps = drawn
    truth = look_up(question)
    result = look_up(question, records.applied(WORLD, [_safe(step) for step in steps]))
    check(question, truth, result, "; ".join(step.what for step in steps))


SECURE = [
    harness.full_name(question, case.zone)
    for case in CASES
    for question, expected in case.expected.items()
    # The traps hold because of what comes first.
    if expected == "secure" and not case.strict and case.number != "45"
]


def test_order_of_records_does_not_matter():
    def change(owner, rdtype, wire):
        message = records.copy(WORLD.respond(owner, rdtype))
        for section in message.sections:
            section[:] = records.shuffled(section, 7)
        return message.to_wire((owner, rdtype))

    for question in SECURE[::5]:
        assert look_up(question, change).security is Security.SECURE, question


def test_case_of_names_does_not_matter():
    def change(owner, rdtype, wire):
        message = records.copy(WORLD.respond(owner, rdtype))
        for section in message.sections:
            section[:] = [
                records.dataclasses.replace(r, owner=harness.dns.name.Name([label.upper() for label in r.owner.labels]))
                for r in section
            ]
        return message.to_wire((owner, rdtype))

    for question in SECURE[::5]:
        assert look_up(question, change).security is Security.SECURE, question
