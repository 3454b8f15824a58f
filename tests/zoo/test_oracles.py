# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other validators say of the zoo. Known divergences are listed; any other one fails (DV section 7).

The verdicts in the zoo come from the RFCs: here the oracles are checked against them, and with that the zoo itself.
"""

from __future__ import annotations

import asyncio

import harness
import oracles
import pytest
import signer
import world as zoo_world
from responder import Responder

from ansible_collections.mailsec.dane.plugins.module_utils.dnssec import _anchors
from ansible_collections.mailsec.dane.plugins.module_utils.dnssec._iterative import Iterative
from ansible_collections.mailsec.dane.plugins.module_utils.dnssec._limits import Limits
from ansible_collections.mailsec.dane.plugins.module_utils.dnssec._network import Patience, Recursive, Server
from ansible_collections.mailsec.dane.plugins.module_utils.dnssec._validator import Validator

WORLD, CASES, ROOT = zoo_world.build()
ASKED = pytest.mark.parametrize("case", [case for case in CASES if case.oracles], ids=str)

#: Program and version -> zone -> what it says instead of the RFCs. Versions that are not listed get no allowance:
#: measure them, see which differences are faults of the program, and list them here.
DIVERGENCES: dict[tuple[str, str], dict[str, set[str]]] = {
    ("unbound", "1.17"): {
        "rsasha1.zoo": {"secure"},  # older than RFC 9905
        "rsasha1-nsec3.zoo": {"secure"},
        "revoked.zoo": {"secure"},  # fixed in 1.25.0
        "zsk-revoked.zoo": {"secure"},
        "above-cut.zoo": {"secure"},
        "nsec-leaves.zoo": {"secure"},  # the others were fixed in 2026
        "nsec-wild.zoo": {"secure"},
        "dname-forged.zoo": {"secure"},
    },
    ("delv", "9.18"): {
        "expired-and-good.zoo": {"bogus"},  # gives up at the first bad signature
        "key-trap.zoo": {"bogus"},  # gives up at the first of several keys with one tag
        "opt-out.zoo": {"secure"},
        "rsasha1.zoo": {"secure"},  # older than RFC 9905
        "rsasha1-nsec3.zoo": {"secure"},
        "ksk-no-zone-bit.zoo": {"secure"},
        "nsec3-flags.zoo": {"secure"},
        "above-cut.zoo": {"secure"},
        "nsec-wild.zoo": {"secure"},
        "sub.d.zoo": {"insecure"},  # fixed in 2026
        "dname-forged.zoo": {"secure"},
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


def judge(program, version, case, verdicts):
    """Compare what a program says per question with what the RFCs say, known divergences aside."""
    allowed = DIVERGENCES.get((program, version), {}).get(case.zone, set())
    wrong = {}
    for question, expected in case.expected.items():
        wanted = expected.partition(":")[0].replace("indeterminate", "bogus")
        seen = verdicts[question]
        if seen != wanted and seen not in allowed:
            wrong[question] = f"{seen} instead of {expected}"
    assert not wrong, f"{program} {version} differs on {case}: {wrong}"


@ASKED
def test_unbound(unbound, case):
    verdicts = {question: unbound.verdict(*harness.full_name(question, case.zone))[0] for question in case.expected}
    judge("unbound", oracles.version("unbound", "unbound", "-V"), case, verdicts)


@ASKED
def test_delv(unbound, tmp_path, case):
    verdicts = {}
    for question, expected in case.expected.items():
        owner, rdtype = harness.full_name(question, case.zone)
        seen = oracles.delv(tmp_path, harness.anchor(ROOT), unbound.port, owner, rdtype)
        if seen == "negative":
            # It has accepted the denial, and does not say whether it is secure.
            seen = "secure" if expected == "secure" else "insecure"
        verdicts[question] = seen
    judge("delv", oracles.version("delv", "bind9-dnsutils", "-v"), case, verdicts)


def look_up(ask, questions):
    async def run():
        validator = Validator(ask, lambda: signer.NOW, _anchors.parse(harness.anchor(ROOT)), Limits(seconds=60))
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
