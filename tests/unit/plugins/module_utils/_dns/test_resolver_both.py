# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two ways to an answer: the worse one counts, and what is unknown contradicts nothing (B04, B06)."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer, Outcome, Security
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_both import BothWays, difference


class Always:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def resolve(self, _name: str, _rdtype: str) -> Answer:
        return self._answer


def answer(security: Security, outcome: Outcome = Outcome.DATA, *rdata: str, reason: str = "") -> Answer:
    return Answer("mx.example.nl", "A", outcome, security, rdata, reason=reason, detail=reason)


SECURE = answer(Security.SECURE, Outcome.DATA, "192.0.2.1")
INSECURE = answer(Security.INSECURE, Outcome.DATA, "192.0.2.1")
BOGUS = answer(Security.BOGUS, Outcome.ERROR, reason="dnssec-bogus")
SILENT = answer(Security.INDETERMINATE, Outcome.ERROR, reason="dns-timeout")
NO_VIEW = answer(Security.INDETERMINATE, Outcome.ERROR, reason="resolver-not-validating")
FROM_BEST = (SECURE, INSECURE, BOGUS, SILENT)


def both(own: Answer, trusted: Answer) -> Answer:
    return asyncio.run(BothWays(Always(own), Always(trusted)).resolve("mx.example.nl", "A"))


@pytest.mark.parametrize(("better", "worse"), list(itertools.combinations(FROM_BEST, 2)))
def test_the_worse_answer_counts_whoever_gives_it(better: Answer, worse: Answer) -> None:
    for found in (both(better, worse), both(worse, better)):
        assert (found.security, found.reason) == (worse.security, worse.reason)
        assert bool(found.difference) == (worse is not SILENT)


@pytest.mark.parametrize("one", FROM_BEST)
def test_agreement_is_no_difference(one: Answer) -> None:
    assert both(one, one) == one


@pytest.mark.parametrize("other", [SECURE, INSECURE, BOGUS])
def test_unknown_stays_unknown_and_contradicts_nothing(other: Answer) -> None:
    assert both(other, NO_VIEW) == both(NO_VIEW, other) == NO_VIEW


def test_data_and_absence_are_compared_as_well() -> None:
    assert "records differ" in difference(SECURE, answer(Security.SECURE, Outcome.DATA, "192.0.2.2"))
    assert "nodata" in difference(SECURE, answer(Security.SECURE, Outcome.NODATA))
