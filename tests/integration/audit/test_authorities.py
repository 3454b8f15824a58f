# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every authoritative address of a zone: one Knot in order, and a second name server with one fault."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import dns_proxy
import pytest
import yaml
from dns_world import HERE, SECOND, World, Zone
from support.credentials import ecdsa, server_context
from support.smtp_responder import Responder, running

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import ZoneLook
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.modules import dane_info

OTHER = "3 1 1 " + "ab" * 32
#: Second name servers that are proxies before the first one.
PROXIES = {
    "filter": ("127.0.0.13", dns_proxy.without_tlsa, True),
    "ent": ("127.0.0.14", dns_proxy.without_empty_non_terminals, True),
    "lame": ("127.0.0.15", dns_proxy.without_authority, True),
    "silent": ("127.0.0.16", dns_proxy.silent, True),
    "notcp": ("127.0.0.17", dns_proxy.unchanged, False),
}
DEAD = "127.0.0.18"
#: Mail domain -> findings about its name servers, with their severity.
EXPECTED = {
    "same.nl": set(),
    "stale.nl": {("ns-divergence", "critical"), ("ns-divergence", "warning")},
    "behind.nl": {("ns-divergence", "warning")},
    "lost.nl": {("ns-divergence", "critical")},
    "wrong.nl": {("ns-divergence", "critical")},
    "mxmore.nl": {("ns-divergence", "critical")},
    "old.nl": {("rrsig-expired", "critical")},
    "soon.nl": {("rrsig-expiring", "warning")},
    "unserved.nl": {("dns-refused", "error")},
    "filter.nl": {("ns-tlsa-filtered", "critical")},
    "ent.nl": {("dns-ent-nxdomain", "critical")},
    "lame.nl": {("ns-lame", "error")},
    "silent.nl": {("dns-timeout", "error")},
    "notcp.nl": {("ns-no-tcp", "error")},
    "dead.nl": {("dns-unreachable", "error")},
    "hashed.nl": set(),
    "often.nl": {("nsec3-iterations-high", "error")},
    "grown.nl": {("ns-set-differs", "warning"), ("ns-lame", "error")},
}
CHAIN = ecdsa("mx.same.nl", also=tuple(f"mx.{domain}" for domain in EXPECTED))
EE = compute(load_der(CHAIN.chain[0]), 3, 1, 1).to_text()
TA = compute(load_der(CHAIN.chain[1]), 2, 1, 1).to_text()


def zone(name: str, port: int, *records: str, also: str = "ns2.nic.nl.", **more: object) -> Zone:
    tlsa = "".join(f"_{port}._tcp.mx 300 IN TLSA {record}\n" for record in records)
    return Zone(f"{name}.nl.", f"@ 300 IN MX 10 mx\nmx 300 IN A {HERE}\n{tlsa}", also=also, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, int]]:
    """The DNS, and the port of the mail server."""
    mail = Responder(server_context(CHAIN), address=HERE)
    addresses = {"ns": HERE, "ns2": SECOND, "dead": DEAD, **{name: one[0] for name, one in PROXIES.items()}}
    with running(mail):
        port = mail.port
        top = Zone("nl.", "".join(f"{name}.nic 300 IN A {address}\n" for name, address in addresses.items()))
        names = ("same", "stale", "behind", "lost", "wrong", "old", "mxmore")
        both = {name: zone(name, port, EE, TA) for name in names}
        both["soon"] = zone("soon", port, EE, TA, days=0.03)
        both["grown"] = zone("grown", port, EE, TA, elsewhere=True)
        alone = [zone(name, port, EE, TA, also=f"{name}.nic.nl.") for name in ("dead", *PROXIES)]
        changes: dict[str, dict[str, object]] = {
            "stale": {"text": zone("stale", port, OTHER, TA).text, "serial": 7},
            "behind": {"serial": 7},
            "lost": {"text": zone("lost", port).text},
            "wrong": {"text": zone("wrong", port, OTHER).text},
            "old": {"days": -2},
            "mxmore": {"text": f"{both['mxmore'].text}@ 300 IN MX 20 elsewhere.example.\n"},
        }
        second = [dataclasses.replace(one, **changes.get(name, {})) for name, one in both.items()]  # type: ignore[arg-type]
        open_to_all = [
            zone("nods", port, EE, TA, also="", listed=False),
            zone("plain", port, EE, TA, also="", signed=False),
        ]
        open_to_all += [zone("hashed", port, EE, TA, also="", nsec3=0), zone("often", port, EE, TA, also="", nsec3=160)]
        first = [top, *open_to_all, *both.values(), *alone, zone("unserved", port, EE, TA)]
        with contextlib.ExitStack() as stack:
            directory: Path = tmp_path_factory.mktemp("dns")
            world = stack.enter_context(World(directory, first, second=second))
            for address, twist, tcp in PROXIES.values():
                stack.enter_context(dns_proxy.proxy(address, world.authority, HERE, twist, tcp))
            yield world, port


@pytest.fixture
def ask(place: tuple[World, int], monkeypatch: pytest.MonkeyPatch) -> functools.partial[dict[str, object]]:
    world, port = place
    monkeypatch.setattr(dane_info, "ZoneLook", functools.partial(ZoneLook, port=world.authority))
    options = {
        **{name: given.get("default") for name, given in yaml.safe_load(dane_info.DOCUMENTATION)["options"].items()},
        "port": port, "special_use": True, "authorities": True, "dns_timeout": 4.0, "ehlo_name": "probe.example",
        "resolvers": [{"address": HERE, "port": world.resolver, "trusted": False}],
    }  # fmt: skip

    def run(**more: object) -> dict[str, object]:
        return dane_info.gather({**options, **more})

    return functools.partial(run)


@pytest.fixture
def seen(ask: functools.partial[dict[str, object]]) -> dict[str, dict[str, object]]:
    found = ask(domains=list(EXPECTED))["domains"]
    return {one["domain"]: one for one in found}  # type: ignore[attr-defined]


def test_f11_each_fault_of_a_name_server_is_named_and_nothing_else(seen: dict[str, dict[str, object]]) -> None:
    codes = {
        domain: {(entry["code"], entry["severity"]) for entry in result["findings"]}  # type: ignore[attr-defined]
        for domain, result in seen.items()
    }
    assert codes == EXPECTED
    # Senders may ask the other name server, and then mail is lost or can be read.
    verdicts = {domain: (result["verdict"], result["reason"]) for domain, result in seen.items()}
    assert verdicts == {
        **dict.fromkeys(EXPECTED, ("protected", "dane-ok")),
        "lost.nl": ("unprotected", "ns-divergence"),
        "wrong.nl": ("degraded", "ns-divergence"),
        "mxmore.nl": ("unknown", "ns-divergence"),
    }


@pytest.mark.parametrize(("domain", "code"), [("nods.nl", "zone-no-ds"), ("plain.nl", "zone-unsigned")])
def test_c22_why_a_zone_is_insecure(ask: functools.partial[dict[str, object]], domain: str, code: str) -> None:
    found = ask(domains=[domain])["domains"][0]["findings"]  # type: ignore[index]
    expected = {"mx-insecure", "address-insecure", "certificate-name-mismatch", code}
    assert {entry["code"] for entry in found} == expected
    assert {entry["subject"] for entry in found if entry["code"] == code} == {domain}


def test_f11_what_each_address_said_is_returned(seen: dict[str, dict[str, object]]) -> None:
    stale = seen["stale.nl"]["hosts"][0]["authorities"]  # type: ignore[index]
    assert stale["zone"] == "stale.nl"
    assert sorted(stale["name_servers"]) == sorted(stale["parent_name_servers"]) == ["ns.nic.nl", "ns2.nic.nl"]
    shown = {one["address"]: one for one in stale["servers"]}
    assert (shown[HERE]["serial"], shown[SECOND]["serial"]) == (1, 7)
    assert shown[HERE]["records"] == sorted([EE, TA])
    assert shown[SECOND]["records"] == sorted([OTHER, TA])
    assert {one["udp"] for one in shown.values()} == {one["tcp"] for one in shown.values()} == {"served"}
    documented = yaml.safe_load(dane_info.RETURN)["hosts"]["contains"]["authorities"]["contains"]
    assert set(stale) == set(documented)
    assert set(shown[HERE]) == set(documented["servers"]["contains"])
    assert seen["stale.nl"]["authorities"]["type"] == "MX"  # type: ignore[index]


def test_without_special_use_no_name_server_on_loopback_is_asked(ask: functools.partial[dict[str, object]]) -> None:
    found = ask(domains=["same.nl"], special_use=False)["domains"][0]  # type: ignore[index]
    assert found["authorities"]["servers"] == []
    assert {one["server"] for one in found["authorities"]["unseen"]} and found["authorities"]["fault"]
    assert "ns-unseen" in {entry["code"] for entry in found["findings"]}


def test_the_results_are_the_same_the_next_time(ask: functools.partial[dict[str, object]]) -> None:
    wanted = ["stale.nl", "behind.nl", "lame.nl"]
    assert ask(domains=wanted) == ask(domains=wanted)
