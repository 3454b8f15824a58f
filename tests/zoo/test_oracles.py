# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other validators say of the zoo. Known divergences are listed; any other one fails (DV section 7).

The verdicts in the zoo come from the RFCs: here the oracles are checked against them, and with that the zoo itself.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import typing as t

import harness
import oracles
import pytest
import signer
import world as zoo_world
from responder import Responder

from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import anchors
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.iterative import Iterative
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Limits
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.network import Patience, Recursive
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import Validator

WORLD, CASES, ROOT = zoo_world.build()
ASKED = pytest.mark.parametrize("case", [case for case in CASES if case.oracles], ids=str)
ASKED_BOGUS = pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.oracles and any(e.startswith("bogus") for e in case.expected.values())],
    ids=str,
)


class Divergence(t.NamedTuple):
    """What a program says of a zone instead of the RFCs, and why it does."""

    said: set[str]
    why: str


OLDER = "older than RFC 9905, which takes SHA-1 out of use"
FIXED = "a fault of this version, fixed in 2026"
CUT = "does not look for the zone cut between signer and owner"
NOT_CHECKED = "does not check this"
EVERY_ALGORITHM = "asks for keys of every algorithm of the DS set, which binds signers only (RFC 6840 section 5.11)"
ALL_OF_IT = "demands a valid signature over the SOA record beside a proof, too"
BESIDE = "calls the RRset secure, and names the fault beside it"

#: Program and version -> zone -> what it says instead of the RFCs at some question at least. Versions that are not
#: listed get no allowance: measure them, see which differences are faults of the program, and list them here.
DIVERGENCES: dict[tuple[str, str], dict[str, Divergence]] = {
    ("unbound", "1.17"): {
        "rsasha1.zoo": Divergence({"secure"}, OLDER),
        "rsasha1-nsec3.zoo": Divergence({"secure"}, OLDER),
        "revoked.zoo": Divergence({"secure"}, "ignores the REVOKE bit; fixed in 1.25.0"),
        "zsk-revoked.zoo": Divergence({"secure"}, "ignores the REVOKE bit; fixed in 1.25.0"),
        "above-cut.zoo": Divergence({"secure"}, CUT),
        "nsec-leaves.zoo": Divergence({"secure"}, FIXED),
        "nsec-wild.zoo": Divergence({"secure"}, FIXED),
        "dname-forged.zoo": Divergence({"secure"}, FIXED),
        "soa-garbled.zoo": Divergence({"bogus"}, ALL_OF_IT),
        "soa-unsigned.zoo": Divergence({"bogus"}, ALL_OF_IT),
        "soa-garbled3.zoo": Divergence({"bogus"}, ALL_OF_IT),
    },
    ("delv", "9.18"): {
        "expired-and-good.zoo": Divergence({"bogus"}, "gives up at the first bad signature"),
        "key-trap.zoo": Divergence({"bogus"}, "gives up at the first of several keys with one tag"),
        "opt-out.zoo": Divergence({"secure"}, "takes a denial under opt-out for a full one"),
        "rsasha1.zoo": Divergence({"secure"}, OLDER),
        "rsasha1-nsec3.zoo": Divergence({"secure"}, OLDER),
        "ksk-no-zone-bit.zoo": Divergence({"secure"}, NOT_CHECKED),
        "nsec3-flags.zoo": Divergence({"secure"}, NOT_CHECKED),
        "above-cut.zoo": Divergence({"secure"}, CUT),
        "nsec-wild.zoo": Divergence({"secure"}, FIXED),
        "sub.d.zoo": Divergence({"insecure"}, FIXED),
        "dname-forged.zoo": Divergence({"secure"}, NOT_CHECKED),
        "wild-dname.zoo": Divergence(
            {"secure"}, "follows the DNAME of a wildcard (RFC 4592 section 4.4 leaves it open)"
        ),
    },
    ("dnsviz", "0.9"): {
        "ok-ds-unknown-alg.zoo": Divergence({"flawed"}, EVERY_ALGORITHM),
        "ok-ds-8-without-key.zoo": Divergence({"flawed"}, EVERY_ALGORITHM),
        "opt-out.zoo": Divergence({"secure"}, "sees no opt-out behind the answer from a wildcard"),
        "it151.zoo": Divergence({"secure"}, "has no limit for iterations"),
        "it500.zoo": Divergence({"secure"}, "has no limit for iterations"),
        "rsasha1.zoo": Divergence({"secure"}, OLDER),
        "rsasha1-nsec3.zoo": Divergence({"secure"}, OLDER),
        "dsa.zoo": Divergence({"crash"}, "takes any DSA key to be well-formed"),
        "ksk-no-zone-bit.zoo": Divergence({"secure"}, NOT_CHECKED),
        "no-zone-bit.zoo": Divergence({"secure"}, NOT_CHECKED),
        "nsec3-flags.zoo": Divergence({"secure"}, NOT_CHECKED),
        "labels-high.zoo": Divergence({"secure"}, NOT_CHECKED),
        "labels-low.zoo": Divergence({"flawed"}, BESIDE),
        "wildcard-unproven.zoo": Divergence({"flawed"}, BESIDE),
        "loop.zoo": Divergence({"flawed"}, BESIDE),
        "key-trap.zoo": Divergence({"crash"}, "cannot put keys with one tag in order"),
        "nsec-leaves.zoo": Divergence({"secure"}, NOT_CHECKED),
        "nsec-wild.zoo": Divergence({"crash"}, "looks for the parent of a wildcard without end"),
        "dname-forged.zoo": Divergence({"crash"}, "has no colour for an alias that the DNAME does not make"),
        "wildcard-foreign.zoo": Divergence({"secure"}, NOT_CHECKED),
        "wild-dname.zoo": Divergence({"crash"}, "cannot take a DNAME of a wildcard"),
        "soa-garbled.zoo": Divergence({"bogus", "flawed"}, ALL_OF_IT),
        "soa-unsigned.zoo": Divergence({"bogus", "flawed"}, ALL_OF_IT),
        "soa-garbled3.zoo": Divergence({"bogus", "flawed"}, ALL_OF_IT),
    },
}

#: The same for extended errors (RFC 8914) of bogus answers: zone -> what it says instead of the code that we give.
ERRORS: dict[tuple[str, str], dict[str, tuple[set[int], str]]] = {
    ("unbound", "1.17"): {
        "backwards.zoo": ({8}, "looks at the inception alone"),
        "dnskey-garbled.zoo": ({9}, "says that no key fits the DS, whatever is wrong with the key set"),
        "signer-sibling.zoo": ({10}, "leaves out signatures by other zones, and then finds none"),
        "signed-by-zsk.zoo": ({10}, "leaves out signatures by keys without DS, and then finds none"),
        "nsec3-hash.zoo": ({6}, "has one code for denials that it does not accept"),
        "nsec3-flags.zoo": ({6}, "has one code for denials that it does not accept"),
        "wildcard-unproven.zoo": ({6}, "has one code for denials that it does not accept"),
        "apex-hash.zoo": ({10}, "does not tell an answer without proof from one without signatures"),
        "sub.d.zoo": ({12}, "leaves out the record from the wrong side, and then finds none"),
        "hidden.optout": ({9}, "names the key that it did not come to look up"),
        "wildcard-foreign.zoo": ({9}, "looks for the key of the other zone"),
        "forged.zoo": ({10}, "does not tell an answer without proof from one without signatures"),
    },
    ("delv", "9.18"): {
        "backwards.zoo": ({6}, "does not tell this from a bad signature"),
    },
}


@pytest.fixture(scope="module")
def served(alone):
    with Responder(WORLD, port=53) as responder:
        yield responder


@pytest.fixture(scope="module")
def unbound(served, tmp_path_factory):
    with oracles.Unbound(tmp_path_factory.mktemp("unbound"), harness.anchor(ROOT)) as running:
        yield running


def under_way(request, test, look, workers):
    """Yield what ``look`` makes of each case that ``test`` is to judge, as futures: these programs are slow."""
    wanted = [item.callspec.params["case"] for item in request.session.items if item.name.startswith(f"{test}[")]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        yield {str(case): pool.submit(look, case) for case in wanted}


@pytest.fixture(scope="module")
def said_by_delv(request, unbound, tmp_path_factory):
    def look(case):
        directory = tmp_path_factory.mktemp("delv")
        questions = {question: harness.full_name(question, case.zone) for question in case.expected}
        return {
            question: oracles.delv(directory, harness.anchor(ROOT), unbound.port, *full)
            for question, full in questions.items()
        }

    # It waits most of the time, for 12 seconds where a question of its own leads to another one.
    yield from under_way(request, "test_delv", look, 8)


@pytest.fixture(scope="module")
def seen_by_dnsviz(request, served, tmp_path_factory):
    def look(case):
        questions = {question: harness.full_name(question, case.zone) for question in case.expected}
        verdicts = oracles.dnsviz(tmp_path_factory.mktemp("dnsviz"), ROOT.record.to_text(), list(questions.values()))
        return {question: verdicts[full] for question, full in questions.items()}

    yield from under_way(request, "test_dnsviz", look, os.cpu_count())


def judge(program, version, case, verdicts):
    """Compare what a program says per question with what the RFCs say.

    A known divergence is not a fault, but one that is gone is: else the list would in time allow what nobody has seen.
    """
    known = DIVERGENCES.get((program, version), {}).get(case.zone)
    wrong, diverges = {}, False
    for question, expected in case.expected.items():
        wanted = expected.partition(":")[0].replace("indeterminate", "bogus")
        seen = verdicts[question]
        if seen == wanted:
            continue
        if known and seen in known.said:
            diverges = True
        else:
            wrong[question] = f"{seen} instead of {expected}"
    assert not wrong, f"{program} {version} differs on {case}: {wrong}"
    assert diverges or not known, f"{program} {version} says of {case} what the RFCs say: take it out of the list"


def judge_errors(program, version, case, errors):
    """Compare extended errors, per question, with ours. What a program does not name is not compared."""
    known = ERRORS.get((program, version), {}).get(case.zone)
    wrong, diverges = {}, False
    for question, seen in errors.items():
        (own,) = harness.look_up(
            harness.validator(WORLD, ROOT, strict=case.strict), harness.full_name(question, case.zone)
        )
        assert own.ede in case.ede, f"{question} of {case}: {own.reason} has the extended error {own.ede}"
        if not seen or own.ede in seen:
            continue
        if known and seen == known[0]:
            diverges = True
        else:
            wrong[question] = f"{sorted(seen)}, and we {own.ede} ({own.reason})"
    assert not wrong, f"{program} {version} has other extended errors on {case}: {wrong}"
    assert diverges or not known, f"{program} {version} has our extended errors on {case}: take it out of the list"


def failing(case):
    return [question for question, expected in case.expected.items() if expected.startswith("bogus")]


@pytest.mark.parametrize("listed", [DIVERGENCES, ERRORS], ids=["verdicts", "errors"])
def test_every_listed_zone_is_asked_about(listed):
    asked = {case.zone for case in CASES if case.oracles}
    assert {program: set(zones) - asked for program, zones in listed.items() if set(zones) - asked} == {}


@ASKED
def test_unbound(unbound, case):
    verdicts = {question: unbound.verdict(*harness.full_name(question, case.zone)) for question in case.expected}
    version = oracles.version("unbound", "unbound", "-V")
    judge("unbound", version, case, {question: said.verdict for question, said in verdicts.items()})


@ASKED_BOGUS
def test_extended_errors_of_unbound(unbound, case):
    errors = {}
    for question in failing(case):
        # With a cold cache: of a zone that it knows to be bogus, it says so and not why.
        unbound.forget()
        said = unbound.verdict(*harness.full_name(question, case.zone))
        assert said.errors or said.verdict != "bogus", f"{question} of {case} is bogus without any extended error"
        errors[question] = said.errors
    judge_errors("unbound", oracles.version("unbound", "unbound", "-V"), case, errors)


@ASKED
def test_delv(said_by_delv, case):
    said = said_by_delv[str(case)].result(900)
    verdicts = {question: one.verdict for question, one in said.items()}
    for question, expected in case.expected.items():
        if verdicts[question] == "negative":
            # It has accepted the denial, and does not say whether it is secure.
            verdicts[question] = "secure" if expected == "secure" else "insecure"
    version = oracles.version("delv", "bind9-dnsutils", "-v")
    judge("delv", version, case, verdicts)
    judge_errors("delv", version, case, {question: said[question].errors for question in failing(case)})


@ASKED
def test_dnsviz(seen_by_dnsviz, case):
    judge("dnsviz", oracles.dnsviz_version(), case, seen_by_dnsviz[str(case)].result(600))


def look_up(ask, questions):
    async def run():
        validator = Validator(ask, lambda: signer.NOW, anchors.parse(harness.anchor(ROOT)), Limits(seconds=60))
        return [await validator.lookup(*question) for question in questions]

    return asyncio.run(run())


def wrong(ask):
    cases = [
        (c, harness.full_name(q, c.zone), e) for c in CASES if c.oracles and not c.strict for q, e in c.expected.items()
    ]
    results = look_up(ask, [question for _case, question, _expected in cases])
    return {
        f"{case} {question}": f"{result.security.value}:{result.reason} instead of {expected}: {result.detail}"
        for (case, question, expected), result in zip(cases, results, strict=True)
        if result.security.value != expected.partition(":")[0]
    }


def test_own_validation_straight_at_the_servers(served):
    patience = Patience(udp=5, tcp=10)
    assert not wrong(Iterative([Server(signer.SERVER)], patience))


#: A resolver orders the keys as it likes, and makes the CNAME beside a DNAME itself.
RESOLVER_CHANGES = ("key-trap.zoo", "dname-forged.zoo")


def test_own_validation_through_a_resolver(unbound):
    found = wrong(Recursive([Server(oracles.RESOLVER, unbound.port)], Patience(udp=5, tcp=10)))
    assert not {what: why for what, why in found.items() if not any(zone in what for zone in RESOLVER_CHANGES)}
