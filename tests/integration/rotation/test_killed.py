# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations that are killed wherever that can be, under mail."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import time

import pytest
from lab_driver import CHECKOUT, Lab
from rotation_site import (
    Recorder,
    children,
    command,
    finish,
    forget_next,
    generation,
    is_steady,
    play,
    rotate,
    served,
    wait_for_a_ready_key,
)
from senders import Traffic

#: What is begun, and after which effects it is killed; runs that would begin nothing finish it.
CHANGES = {
    "new key": ("mailsec.dane.rotate", ["publish", "deploy", "generate", "publish", "retire"]),
    "another CA": ("mailsec.dane.rotate_ca", ["publish", "deploy", "generate", "publish", "retire"]),
    "theft": ("mailsec.dane.compromise", ["deploy", "retire", "generate", "publish"]),
}


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
def test_b02_killed_after_every_effect_it_converges(steady: Lab, change: str) -> None:
    before, ended = served(steady), []
    playbook, expected = CHANGES[change]
    stop = {"rotation_wait": True, "rotation_stop_after": 1, "rotation_effect": 30}
    if change == "theft":
        wait_for_a_ready_key(steady)
    else:
        forget_next(steady)
    if change == "another CA":
        generation(steady, raised_by=1)
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        run = play(steady, playbook, "--limit", "mx1,vantage,localhost", check=False, **stop)
        while run.status != 0 and len(ended) < 12:
            found = re.search(r"Stopped after 1 effects, the last one being (\w+)", run.text)
            assert found, run.output[-4000:]
            ended.append(found[1])
            run = finish(steady, check=False, rotation_stop_after=1, rotation_effect=30)
    assert run.status == 0, run.output[-4000:]
    assert served(steady) != before
    assert ended == expected, ended
    recorder.is_sound()
    traffic.is_unharmed()
    if change != "theft":
        is_steady(steady)


@pytest.mark.long
def test_b02_killed_at_random_moments_it_converges(steady: Lab) -> None:
    before, dice, orphans = served(steady), random.Random(7), []
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        for _turn in range(5):
            # Once its rotation is at its end, no other one is begun.
            age = 0 if served(steady) == before else 86400
            variables = {"rotation_wait": True, "rotation_effect": 30, "rotation_minimum_age": age}
            words = command(steady, "mailsec.dane.rotate", **variables)
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=CHECKOUT)
            time.sleep(dice.uniform(6, 30))
            workers = children(process.pid)
            process.kill()
            process.wait()
            orphans += workers
        # Where every run died before it had begun one, this one does.
        rotate(steady, rotation_effect=30, rotation_minimum_age=0 if served(steady) == before else 86400)
    for pid in orphans:
        # A worker may have ended its task; what it waits for now never comes.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert served(steady) != before
    is_steady(steady)
    recorder.is_sound()
    traffic.is_unharmed()
