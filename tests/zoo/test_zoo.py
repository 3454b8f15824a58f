# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of the zoo comes out as the RFCs say (B04)."""

from __future__ import annotations

import harness
import pytest
import world as zoo_world

WORLD, CASES, ROOT = zoo_world.build()


def verdict(result) -> str:
    return f"{result.security.value}:{result.reason}" if result.reason else result.security.value


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdict_and_reason(case):
    wrong = {}
    for question, expected in case.expected.items():
        # Cold, so that each question stands for itself.
        validator = harness.validator(WORLD, ROOT, strict=case.strict)
        (result,) = harness.look_up(validator, harness.full_name(question, case.zone))
        status, _colon, codes = expected.partition(":")
        if (
            result.security.value != status
            or (codes and result.reason not in codes.split("|"))
            or (not codes and result.reason)
        ):
            wrong[question] = f"{verdict(result)} instead of {expected}: {result.detail}"
    assert not wrong
