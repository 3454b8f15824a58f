# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random servers and records: our audit says of Postfix and Exim what those do.

MAILSEC_DANE_SENDERS is how many are tried, MAILSEC_DANE_SEED what they are made of; both are printed.
"""

from __future__ import annotations

import collections
import os
import random
import typing as t
from pathlib import Path

import pytest
from oracle.sender_cases import GOOD, Play
from oracle.wild import generate
from worlds import world

COUNT = int(os.environ.get("MAILSEC_DANE_SENDERS", "300"))
SEED = int(os.environ.get("MAILSEC_DANE_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)


def disagreements(found: dict[str, t.Any]) -> list[str]:
    ours, real = found["product"], {sender: found[sender]["state"] for sender in ("postfix", "exim")}
    wrong = [
        f"{sender} does {state}, we say {ours['profiles'][sender]} ({ours['reasons'][sender]})"
        for sender, state in real.items()
        if ours["profiles"][sender] != state
    ]
    if ours["domain"] == "protected" and set(real.values()) != {GOOD}:
        wrong.append("protected, and somebody does not authenticate it")
    if ours["domain"] == "failing" and "refused" not in real.values():
        wrong.append(f"failing, and both deliver ({ours['profiles']}, {ours['reasons']})")
    return wrong


def story(number: int, play: Play, found: dict[str, t.Any], wrong: list[str]) -> str:
    chain = "\n".join(f"  {one}" for one in play.chains[0])
    logs = f"{found['postfix']['log']}\n{found['exim']['log']}"
    return (
        f"MAILSEC_DANE_SEED={SEED}, server {number}: {'; '.join(wrong)}\n{chain}\n  {play.records}\n"
        f"  {play.versions} {play.ciphers}\n{logs}\n{found['product']}"
    )


def test_the_audit_agrees_with_real_senders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{COUNT} random servers, MAILSEC_DANE_SEED={SEED}")
    stories: list[str] = []
    seen: collections.Counter[str] = collections.Counter()
    with world(tmp_path) as met:
        number = 0
        while seen["served"] < COUNT:
            play = generate(random.Random(SEED * 1_000_003 + number))
            found = met.play(play)
            if "unserved" in found:
                seen["unserved"] += 1
            else:
                seen["served"] += 1
                seen[f"{found['postfix']['state']}, {found['exim']['state']}"] += 1
                if wrong := disagreements(found):
                    stories.append(story(number, play, found, wrong))
            number += 1
    with capsys.disabled():
        print(dict(seen))
    assert not stories, f"{len(stories)} of {COUNT}\n" + "\n\n".join(stories[:5])
    # Neither are all of them refused, nor all of them accepted.
    assert min(seen["authenticated, authenticated"], seen["refused, refused"]) > COUNT // 20, dict(seen)
