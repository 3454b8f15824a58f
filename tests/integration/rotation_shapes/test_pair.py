# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two MX hosts of one mail domain: never are both in a risky phase at once (F14)."""

from __future__ import annotations

import pytest
from lab_driver import Lab
from shape_site import Recorder, Shape, Traffic, example

HOSTS = ("mx1", "mx2")


@pytest.fixture(scope="module")
def shape(lab: Lab) -> Shape:
    made = Shape(lab, example("Two MX hosts of one domain"))
    made.settle()
    return made


def recorder(shape: Shape, host: str) -> Recorder:
    return Recorder(shape, f"{host}.example.nl", [f"_25._tcp.{host}.example.nl"], [(host, 25)])


@pytest.mark.long
def test_f14_the_second_host_is_touched_when_the_first_one_is_done(shape: Shape) -> None:
    before = [shape.key(host) for host in HOSTS]
    with recorder(shape, "mx1") as first, recorder(shape, "mx2") as second, Traffic(shape, "pair.nl") as traffic:
        shape.rotate()
    assert all(shape.served(host) == shape.key(host) != key for host, key in zip(HOSTS, before, strict=True))
    # What is there when the recorders begin is not a change.
    changes = [[event["at"] for event in watched.events if event["at"] > watched.begun] for watched in (first, second)]
    assert changes[0] and changes[1] and max(changes[0]) < min(changes[1])
    for host, watched in zip(HOSTS, (first, second), strict=True):
        wanted = {shape.key(host), shape.key(host, "next"), shape.issuer()}
        shape.publishes(f"_25._tcp.{host}.example.nl", wanted)
        watched.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_f14_a_host_that_fails_ends_the_run_before_the_next_one_is_touched(shape: Shape) -> None:
    before = [shape.key(host) for host in HOSTS]
    live = "/etc/mailsec-dane/live/keychain.pem"
    files = "/etc/postfix/main.cf /etc/postfix/master.cf"
    copy = f"cp -a {live} /root/copy.pem && cp -a {files} /root/"
    shape.on("mx1", f"{copy} && sed -i 's|{live}|/root/copy.pem|' {files} && postfix reload")
    with recorder(shape, "mx2") as second, Traffic(shape, "pair.nl") as traffic:
        run = shape.rotate(check=False, rotation_follow_timeout=6)
    shape.on("mx1", "cp -a /root/main.cf /root/master.cf /etc/postfix/ && postfix reload")
    assert run.status != 0 and "The former certificate was put back" in run.text
    assert [shape.served(host) for host in HOSTS] == before
    assert [event for event in second.events if event["at"] > second.begun] == []
    traffic.is_unharmed()
    shape.finish()
    assert shape.served("mx1") != before[0]
