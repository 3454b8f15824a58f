# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host whose rotation is decided from real certificates, and whose steps are carried out at once."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from oracle import pki

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS, Endpoint, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import decide as rotation_decide
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.look import Doubt, Look
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import AuthorityView, Policy, Scheme

NAME, OWNER = "mx.example.nl", "_25._tcp.mx.example.nl"
ROOT = pki.Spec("root", "root", "root", "root")
ENDPOINT = Endpoint("192.0.2.25")
POLICY = Policy(application_cache=3, clock_margin=2, worker=5, soak=6, repeats=1, effect=10, unknown_ttl=8)
BEGIN = pki.NOW.timestamp()


def _spec(key: str) -> pki.Spec:
    """``leaf`` is the key, ``leaf/2`` the same in another certificate."""
    name, _slash, number = key.partition("/")
    return pki.Spec(NAME, "root", name, "root", ca=False, san=(NAME,), serial=int(number or 1))


def _der(key: str) -> tuple[bytes, ...]:
    return (pki.make(_spec(key)), pki.make(ROOT))


def pem(key: str) -> str:
    found = [x509.load_der_x509_certificate(der) for der in _der(key)]
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in found)


def _digest(der: bytes) -> str:
    spki = (
        x509.load_der_x509_certificate(der)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return hashlib.sha256(spki).hexdigest()


def record(key: str) -> str:
    return f"3 1 1 {_digest(pki.make(_spec(key)))}"


CA = f"2 1 1 {_digest(pki.make(ROOT))}"
WANTED = rotation_decide.Wanted(
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
    ttl: int = 5
    secondary: list[str] | None = None
    doubts: tuple[Doubt, ...] = ()
    #: Why its name server gives no answer.
    failure: str = ""

    def look(self) -> Look:
        there = {"ns1": self.published, "ns2": self.published if self.secondary is None else self.secondary}
        views = tuple(
            AuthorityView(
                OWNER,
                address,
                frozenset(() if self.failure else map(TlsaRecord.from_text, texts)),
                self.ttl,
                primary=address == "ns1",
                serial=1,
                failure=self.failure,
                unvalidated=self.doubts[0].sentence if self.doubts else "",
            )
            for address, texts in there.items()
        )
        seen = (
            Probe(ENDPOINT, NAME, TLS, chain=_der(self.served))
            if self.served
            else (Probe(ENDPOINT, NAME, "starttls-not-offered", detail="STARTTLS is not offered"))
        )
        probes = {ENDPOINT: (seen,)}
        return Look(views, probes, doubts=self.doubts)

    def decide(self, wanted: rotation_decide.Wanted = WANTED, lock: str = "") -> dict[str, t.Any]:
        pems = {slot: pem(key) for slot, key in self.slots.items() if key}
        return rotation_decide.decide(wanted, self.content, pems, self.look(), lock, Moment(self.now, self.now, "boot"))

    def step(self, wanted: rotation_decide.Wanted = WANTED) -> dict[str, t.Any]:
        result = self.decide(wanted)
        self.content, step = result["content"], result["step"]
        self.now += 1
        if step["action"] in ("publish", "retire"):
            assert set(step["expected"]) == set(self.published)
            self.published, self.ttl = step["records"], step["ttl"]
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

    def settle(self, wanted: rotation_decide.Wanted = WANTED) -> None:
        """Run until all is as wanted."""
        if self.run(wanted)[-1] != "done":
            raise AssertionError("a choice is needed")

    def run(self, wanted: rotation_decide.Wanted) -> list[str]:
        actions: list[str] = []
        for _turn in range(40):
            actions.append(self.step(wanted)["step"]["action"])
            if actions[-1] in ("done", "choose"):
                return actions
        raise AssertionError(f"no end: {actions}")


def steady(wanted: rotation_decide.Wanted = WANTED) -> World:
    """A host in its steady state."""
    slots = {"live": "leaf", "staged": "leaf", "next": "leaf-0", "previous": ""}
    made = World(slots, "leaf", [record("leaf"), record("leaf-0"), CA][: 3 if Scheme.ISSUER in wanted.scheme else 2])
    made.settle(wanted)
    # Until nothing is left of what nobody remembers.
    for _turn in range(2):
        made.now += 100
        made.settle(wanted)
    return made


def ask(**more: t.Any) -> rotation_decide.Wanted:
    """What is wanted, but for what is said otherwise."""
    return dataclasses.replace(WANTED, **more)
