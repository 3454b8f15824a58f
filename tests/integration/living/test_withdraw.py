# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook withdraw ends with the original: a living host whose key was taken over, rotated, and given up again."""

from __future__ import annotations

import typing as t

import judge
import pytest
from living_site import World

#: A record that was published for seconds, and nothing that nobody remembers for longer; then a move takes minutes.
#: A step may take longer than in other tests here, so that no lease ends on a busy machine.
SHORT: dict[str, t.Any] = {
    "tlsa_ttl": 5, "rotation_unknown_ttl": 8, "rotation_minimum_age": 0, "rotation_effect": 120
}  # fmt: skip


def published(world: World) -> set[str]:
    """Every TLSA record of the host that a name server has."""
    name = f"_25._tcp.{world.shape.mx_names[0]}"
    answers = [world.lab.inside("dig", "+short", name, "TLSA", f"@{server}") for server in judge.NAME_SERVERS]
    return {line for answer in answers for line in answer.splitlines() if line}


def at_port(world: World, picture: judge.Picture, port: int) -> set[str]:
    """The chains that the host serves at a port under its own name."""
    wanted = [str(port), world.shape.mx_names[0]]
    words = {socket: chain for socket, chain in picture.served.items() if socket.split()[1:3] == wanted}
    return set(words.values()) - {"nothing"}


@pytest.mark.long
@pytest.mark.parametrize("world", ["ispmail withdrawn"], indirect=True, scope="session")
def test_withdraw_with_the_original_gives_a_living_host_back(world: World) -> None:
    host, name = world.shape.host, f"_25._tcp.{world.shape.mx_names[0]}."
    record = published(world).pop()
    world.update(f"update delete {name} TLSA", f"update add {name} 5 TLSA {record}")
    before = judge.picture(world)

    with judge.Watch(world) as watch:
        for playbook in ("site", "rotate"):
            run = world.play(playbook, rotation_wait=True, **SHORT)
            assert run.status == 0, run.output[-6000:]
    watch.report.is_unharmed()
    steady = judge.picture(world)
    # Port 25 has a key of the collection, no other port has, and outgoing mail is verified.
    assert at_port(world, steady, 25).isdisjoint(at_port(world, before, 25))
    assert all("25" in line.split(": ")[0].split() for line in judge.differences(before.served, steady.served))
    assert {"/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/resolv.conf"} <= {
        line.split(": ")[0] for line in judge.differences(before.files, steady.files)
    }
    judge.is_published(world, steady)
    assert judge.unverified(world) == []

    with judge.Watch(world) as watch:
        # The records are still in caches: nothing is given back yet.
        first = world.play("withdraw", withdraw_original=True, **{**SHORT, "rotation_patience": 0})
        assert first.status == 0 and "waiting (1 waiting)" in first.text, first.output[-6000:]
        assert judge.differences(steady.served, judge.picture(world).served) == []
        last = world.play("withdraw", withdraw_original=True, rotation_wait=True, **SHORT)
        assert last.status == 0 and "ok (1 ok)" in last.text, last.output[-6000:]
    # Mail that nobody can verify any more is delivered all the same, at once.
    assert set(watch.report.wrong) <= {"not verified"}, watch.report.text()
    assert all(number > 3 for number in watch.report.sent.values()), watch.report.sent
    after = judge.picture(world)
    assert judge.differences(before.files, after.files) == []
    assert judge.differences(before.served, after.served) == []
    assert judge.differences(before.sockets, after.sockets) == []
    assert judge.differences(before.resolved, after.resolved) == []
    assert published(world) == set()
    assert world.on(host, "systemctl is-active unbound; true").strip() == "inactive"

    again = world.play("withdraw", withdraw_original=True, **SHORT)
    assert again.status == 0 and again.counts(host)["changed"] == 0, again.output[-6000:]
    assert judge.differences(before.files, judge.picture(world).files) == []
