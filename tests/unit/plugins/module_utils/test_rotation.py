# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From chains, journal and observation to the next step of one host (F13, F15, F16, B02)."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from oracle import pki

from ansible_collections.mailsec.dane.plugins.module_utils import _rotation, _smtp
from ansible_collections.mailsec.dane.plugins.module_utils._moment import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._rollover_data import DataError
from ansible_collections.mailsec.dane.plugins.module_utils._rollover_state import (
    AuthorityView,
    Exposure,
    Policy,
    Scheme,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation_goal import GoalError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation_look import Look
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import Endpoint, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._tlsa import TlsaRecord

NAME, OWNER = "mx.example.nl", "_25._tcp.mx.example.nl"
ROOT = pki.Spec("root", "root", "root", "root")
ENDPOINT = Endpoint("192.0.2.25")
POLICY = Policy(application_cache=3, clock_margin=2, worker=5, soak=6, repeats=1, effect=10, unknown_ttl=8)
BEGIN = pki.NOW.timestamp()


def _spec(key: str) -> pki.Spec:
    return pki.Spec(NAME, "root", key, "root", ca=False, san=(NAME,))


def _der(key: str) -> tuple[bytes, ...]:
    return (pki.make(_spec(key)), pki.make(ROOT))


def _pem(key: str) -> str:
    found = [x509.load_der_x509_certificate(der) for der in _der(key)]
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in found)


def _digest(der: bytes) -> str:
    spki = x509.load_der_x509_certificate(der).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()


def _record(key: str) -> str:
    return f"3 1 1 {_digest(pki.make(_spec(key)))}"


CA = f"2 1 1 {_digest(pki.make(ROOT))}"
WANTED = _rotation.Wanted(
    NAME, (OWNER,), "keep", frozenset({Scheme.CURRENT, Scheme.NEXT, Scheme.ISSUER}), POLICY, ttl=5
)


@dataclasses.dataclass
class World:
    """One host whose steps are carried out at once, a clock, and what the journal file has."""

    slots: dict[str, str]
    served: str
    published: list[str]
    now: float = BEGIN
    content: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    made: int = 0

    def look(self) -> Look:
        records = frozenset(map(TlsaRecord.from_text, self.published))
        views = tuple(AuthorityView(OWNER, a, records, 5, primary=a == "ns1", serial=1) for a in ("ns1", "ns2"))
        return Look(views, {ENDPOINT: (Probe(ENDPOINT, NAME, _smtp.TLS, chain=_der(self.served)),)})

    def decide(self, wanted: _rotation.Wanted = WANTED, lock: str = "") -> dict[str, t.Any]:
        pems = {slot: _pem(key) for slot, key in self.slots.items() if key}
        return _rotation.decide(wanted, self.content, pems, self.look(), lock, Moment(self.now, self.now, "boot"))

    def step(self, wanted: _rotation.Wanted = WANTED) -> dict[str, t.Any]:
        result = self.decide(wanted)
        self.content, step = result["content"], result["step"]
        self.now += 1
        if step["action"] in ("publish", "retire"):
            assert set(step["expected"]) == set(self.published)
            self.published = step["records"]
        elif step["action"] == "deploy":
            self.served = self.slots[result["slot"]]
            if self.slots["live"] != self.served:
                self.slots["previous"] = self.slots["live"]
            self.slots["live"] = self.slots["staged"] = self.served
        elif step["action"] in ("generate", "discard"):
            self.made += 1
            self.slots["next"] = f"leaf-{self.made}"
        elif step["action"] == "wait" and step["until_epoch"]:
            self.now = step["until_epoch"]
        return result

    def run(self, wanted: _rotation.Wanted) -> list[str]:
        actions: list[str] = []
        for _turn in range(40):
            actions.append(self.step(wanted)["step"]["action"])
            if actions[-1] in ("done", "choose"):
                return actions
        raise AssertionError(f"no end: {actions}")


@pytest.fixture
def world() -> World:
    """A host in its steady state."""
    slots = {"live": "leaf", "staged": "leaf", "next": "leaf-0", "previous": ""}
    made = World(slots, "leaf", [_record("leaf"), _record("leaf-0"), CA])
    assert made.run(WANTED)[-1] == "done"
    made.now += 100
    made.run(WANTED)
    return made


def _ask(**more: t.Any) -> _rotation.Wanted:
    return dataclasses.replace(WANTED, **more)


def test_f13_a_rotation_to_an_aged_key(world: World) -> None:
    actions = [one for one in world.run(_ask(request="new_key")) if one != "wait"]
    assert actions == ["deploy", "generate", "publish", "retire", "done"]
    assert world.slots["live"] == "leaf-0" and world.published == sorted([CA, _record("leaf-0"), _record("leaf-1")])
    assert world.content["goal"]["finished"] is not None


def test_f13_what_one_run_begins_any_other_ends(world: World) -> None:
    world.step(_ask(request="new_key"))
    assert world.run(WANTED)[-1] == "done"
    assert world.slots["live"] == "leaf-0" and world.content["goal"]["finished"]
    assert world.run(WANTED) == ["done"]


def test_f13_no_next_key_yet(world: World) -> None:
    world.slots["next"] = ""
    result = world.decide(_ask(request="new_key"))
    assert result["step"]["action"] == "generate" and result["phase"] == "preparing"
    assert world.run(_ask(request="new_key"))[-1] == "done" and world.slots["live"] == "leaf-1"


def test_b03_a_held_lease_stops_every_step(world: World) -> None:
    for slot in ("", "leaf-0"):
        world.slots["next"] = slot
        step = world.decide(_ask(request="new_key"), lock="somebody")["step"]
        assert step["action"] == "wait" and "somebody holds the lease" in step["summary"]


def test_f16_another_next_key_than_planned_is_refused(world: World) -> None:
    # A stranger takes a record away, so that the rotation cannot deploy at once.
    world.published = [_record("leaf"), CA]
    assert world.step(_ask(request="new_key"))["step"]["action"] == "publish"
    world.slots["next"] = "leaf-9"
    with pytest.raises(GoalError, match="nobody planned"):
        world.decide()
    restarted = world.decide(_ask(request="new_key", restart=True))
    assert restarted["content"]["goal"]["to_key"] == _record("leaf-9")


def test_f16_a_key_of_another_program_is_not_published_but_replaced(world: World) -> None:
    world.served = world.slots["live"] = "leaf-8"
    before = list(world.published)
    result = world.step()
    assert result["step"]["action"] == "deploy" and world.served == "leaf" and world.published == before
    world.served = "leaf-8"
    assert world.decide()["step"]["action"] == "deploy"


def test_f15_an_aged_key_takes_over_and_the_ca_is_not_believed_any_more(world: World) -> None:
    actions = [one for one in world.run(_ask(request="compromise")) if one != "wait"]
    assert actions[0] == "deploy" and world.slots["live"] == "leaf-0"
    assert CA not in world.published and _record("leaf") not in world.published
    # Later runs remember that, and do not ask for a choice.
    world.now += 1000
    assert world.run(WANTED) == ["done"] and CA not in world.published
    assert world.run(_ask(request="new_key"))[-1] == "done"


def test_f15_both_keys_stolen_is_a_choice(world: World) -> None:
    theft = _ask(request="compromise", stolen=("current", "next"))
    assert world.run(theft)[-1] == "choose" and world.served == "leaf"
    assert world.slots["next"] == "leaf-1" and _record("leaf-0") not in world.decide(theft)["content"]["goal"]["to_key"]
    assert world.run(dataclasses.replace(theft, exposure=Exposure.SERVE))[-1] == "done"
    assert world.served == "leaf-1"
    assert {_record("leaf"), _record("leaf-0"), CA}.isdisjoint(world.published)


def test_f15_a_theft_while_a_rotation_is_under_way(world: World) -> None:
    world.published = [_record("leaf"), CA]
    assert world.step(_ask(request="new_key"))["step"]["action"] == "publish"
    assert world.run(_ask(request="compromise"))[-1] == "choose"
    assert world.run(_ask(request="compromise", exposure=Exposure.SERVE))[-1] == "done"
    assert world.served == "leaf-0" and {_record("leaf"), CA}.isdisjoint(world.published)


def test_f15_the_next_key_is_found_to_be_stolen_later(world: World) -> None:
    world.published = [_record("leaf"), CA]
    assert world.run(_ask(request="compromise"))[-1] == "choose"
    both = _ask(request="compromise", stolen=("current", "next"), exposure=Exposure.SERVE)
    assert world.run(both)[-1] == "done" and world.served == "leaf-1"
    assert {_record("leaf"), _record("leaf-0"), CA}.isdisjoint(world.published)


def test_f15_withdrawal(world: World) -> None:
    gone = _ask(request="withdraw")
    actions = world.run(gone)
    assert actions[0] == "retire" and actions[-2:] == ["hand_over", "done"] and world.published == []
    assert world.decide(gone)["phase"] == "withdrawn"


def test_only_own_addresses_are_managed(world: World) -> None:
    others = _ask(request="new_key", own_addresses=frozenset({"192.0.2.99"}))
    assert world.decide(others)["step"]["endpoints"] == [str(ENDPOINT)]
    look = world.look()
    both = Look(look.authorities, {**look.probes, Endpoint("192.0.2.99"): look.probes[ENDPOINT]})
    pems = {slot: _pem(key) for slot, key in world.slots.items() if key}
    found = _rotation.decide(others, world.content, pems, both, "", Moment(world.now, world.now, "boot"))
    assert found["lagging"] == ["192.0.2.99:25"]


def test_wrong_chains_and_content_are_named(world: World) -> None:
    world.content = {"jurnal": {}}
    with pytest.raises(DataError, match="unknown field 'jurnal'"):
        world.decide()
    world.content = {}
    moment = Moment(world.now, world.now, "boot")
    with pytest.raises(DataError, match="the chain in next"):
        _rotation.decide(WANTED, {}, {"live": _pem("leaf"), "next": "nonsense"}, world.look(), "", moment)
    with pytest.raises(DataError, match="nothing is live"):
        _rotation.decide(WANTED, {}, {"staged": _pem("leaf")}, world.look(), "", moment)
