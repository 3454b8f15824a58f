# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""B11: the plan of a lab, made from parameters alone."""

from __future__ import annotations

import copy
import importlib.util
import sys
import typing as t
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "roles/lab/files/lab/plan.py"
SPEC = importlib.util.spec_from_file_location("lab_plan", SOURCE)
assert SPEC and SPEC.loader
plan: t.Any = importlib.util.module_from_spec(SPEC)
sys.modules["lab_plan"] = plan
SPEC.loader.exec_module(plan)

PARAMETERS: dict[str, t.Any] = {
    "directory": "/lab",
    "cache_directory": "/cache",
    "mirror": "http://a.example",
    "security_mirror": "http://b.example",
    "ipv4_prefix": "192.0.2",
    "ipv6_prefix": "2001:db8:1",
    "storage_size": "1g",
    "ttl": 5,
    "notify_delay": 1,
    "repository_packages": ["postfix"],
    "repository_packages_by_release": {"trixie": ["opensmtpd"]},
    "hosts": [
        {"name": "ns1", "address": 2, "fqdn": "ns1.dns.nl", "role": "primary"},
        {"name": "ns2", "address": 3, "fqdn": "ns2.dns.nl", "role": "secondary"},
        {"name": "res", "address": 4, "fqdn": "res.dns.nl", "role": "resolver"},
        {"name": "mx", "address": 5, "fqdn": "mx.sub.a.nl", "ipv6": True, "groups": ["mail"]},
    ],
    "zones": [
        {"name": "dns.nl"},
        {"name": "a.nl", "records": ["@ MX 10 mx.sub"]},
        {"name": "broken.nl", "signed": False, "parent_ds": True},
        {"name": "island.nl", "parent_ds": False},
    ],
}


def changed(what: str, index: int, **more: t.Any) -> dict[str, t.Any]:
    parameters = copy.deepcopy(PARAMETERS)
    parameters[what][index].update(more)
    return parameters


def test_b11_root_and_tld_are_added_and_children_come_first() -> None:
    names = [zone.name for zone in plan.read_lab(PARAMETERS).zones]
    assert names == ["a.nl", "broken.nl", "dns.nl", "island.nl", "nl", "."]


def test_b11_ds_follows_the_signature_unless_told_otherwise() -> None:
    found = {zone.name: (zone.signed, zone.parent_ds) for zone in plan.read_lab(PARAMETERS).zones}
    assert found["a.nl"] == (True, True)
    assert found["broken.nl"] == (False, True)
    assert found["island.nl"] == (True, False)


def test_b11_delegation_and_glue_are_in_every_zone_above() -> None:
    lab = plan.read_lab(PARAMETERS)
    texts = {zone.name: plan.zone_text(lab, zone) for zone in lab.zones}
    for name in (".", "nl", "dns.nl"):
        assert "ns1.dns.nl. A 192.0.2.2" in texts[name]
    assert "a.nl. NS ns2.dns.nl." in texts["nl"] and "a.nl. NS" not in texts["."]
    assert "mx.sub.a.nl. A 192.0.2.5" in texts["a.nl"] and "mx.sub.a.nl. AAAA 2001:db8:1::5" in texts["a.nl"]
    assert "mx.sub.a.nl" not in texts["nl"]


def test_b11_the_controller_is_not_in_group_lab() -> None:
    children = plan.inventory(plan.read_lab(PARAMETERS))["all"]["children"]
    assert "vantage" not in children["lab"]["hosts"]
    assert list(children["mail"]["hosts"]) == ["mx"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (changed("hosts", 1, address=2), "share the same address: 2"),
        (changed("hosts", 1, name="ns1"), "share the same name: ns1"),
        (changed("hosts", 1, fqdn="ns1.dns.nl"), "share the same fqdn"),
        (changed("hosts", 0, role="bare"), "exactly one host needs the role primary"),
        (changed("hosts", 2, role="bare"), "at least one host needs the role resolver"),
        (changed("hosts", 3, role="router"), "unknown role 'router'"),
        (changed("hosts", 3, address=1), "must be 2 to 254"),
        (changed("hosts", 3, name="Not a name"), "at most 10 characters"),
        (changed("hosts", 3, name="vantage"), "is taken"),
        (changed("hosts", 3, packages=["x; reboot"]), "not Debian package names"),
        (changed("hosts", 3, fqdn="a b.nl"), "not a host name"),
        (changed("zones", 1, name="dns.nl."), "listed twice"),
        (changed("zones", 1, name="a..nl"), "not a domain name"),
        (changed("zones", 1, ttl=0), "at least 1 second"),
        (changed("zones", 1, records=["a A 1\nb A 2"]), "without line breaks"),
    ],
)
def test_b11_contradictions_are_named(parameters: dict[str, t.Any], words: str) -> None:
    with pytest.raises(plan.PlanError, match=words):
        plan.read_lab(parameters)


def test_b11_the_same_parameters_give_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        plan.write_plan(plan.read_lab(PARAMETERS), tmp_path / name)
    one, two = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    )
    assert one == two and len(one) > 20


def test_b11_variables_reach_the_inventory_of_all_hosts_and_of_one() -> None:
    parameters = changed("hosts", 3, variables={"postfix_domains": ["a.nl"]})
    parameters["variables"] = {"tlsa_server": "192.0.2.2", "audit_domains": ["a.nl"]}
    inventory = plan.inventory(plan.read_lab(parameters))["all"]
    assert inventory["vars"] == parameters["variables"]
    assert inventory["children"]["lab"]["hosts"]["mx"]["postfix_domains"] == ["a.nl"]
    assert "postfix_domains" not in inventory["children"]["lab"]["hosts"]["ns1"]
