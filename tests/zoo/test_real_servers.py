# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones signed and served by BIND, Knot and PowerDNS, below a root and a parent zone that Knot serves, validated from
the root down by following delegations, by the module as a user calls it (B04)."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import dns.dnssec
import dns.message
import dns.query
import harness
import oracles
import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import anchors as dnssec_anchors
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.iterative import straight
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.root_servers import ROOT_SERVERS
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import Validator

ROOT, LAB, ZONES, NAMED, PDNS = (f"127.53.54.{number}" for number in range(1, 6))
COLLECTIONS = pathlib.Path(__file__).resolve().parents[2] / ".cache" / "collections"
SOA = "$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 86400 300\n@ IN NS ns\nns IN A {address}\n"
MAIL = (
    "@ IN MX 10 mx\nmx IN A 127.53.54.9\n_25._tcp.mx IN TLSA 3 1 1 " + "ab" * 32 + "\n*.wild IN A 192.0.2.2\n"
    "alias IN CNAME mx\nout IN CNAME mx.plain.lab.\nbelow.ent IN A 192.0.2.3\nd IN DNAME @\n"
)


def run(*command: str, cwd: pathlib.Path) -> str:
    program = oracles.program(command[0], "bind9-utils")
    return subprocess.run([program, *command[1:]], cwd=cwd, check=True, capture_output=True, text=True).stdout


def bind_signed(directory: pathlib.Path, zone: str, text: str, *options: str) -> str:
    """Sign ``zone`` with BIND and return its DS set."""
    (directory / f"{zone}.zone").write_text(text)
    for flags in (["-f", "KSK"], []):
        run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", *flags, zone, cwd=directory)
    run("dnssec-signzone", "-q", "-S", *options, "-o", zone, "-f", f"{zone}.signed", f"{zone}.zone", cwd=directory)
    return (directory / f"dsset-{zone}.").read_text()


def knot(directory: pathlib.Path, address: str, zone: str, file: str, signing: bool) -> str:
    home = directory / address
    home.mkdir(exist_ok=True)
    return f"""
  - domain: {zone}
    file: {directory / file}
    storage: {home}
    dnssec-signing: {"on" if signing else "off"}
    zonefile-sync: -1
    zonefile-load: {"difference-no-serial" if signing else "whole"}
    journal-content: {"all" if signing else "none"}
"""


def start(directory: pathlib.Path, address: str, zones: str) -> subprocess.Popen[bytes]:
    conf = directory / f"{address}.conf"
    conf.write_text(
        f"""server:
  rundir: {directory / address}
  listen: {address}@53
  udp-workers: 1
  tcp-workers: 1
database:
  storage: {directory / address}
  journal-db-max-size: 16M
policy:
  - id: default
    algorithm: ecdsap256sha256
    cds-cdnskey-publish: none
zone:{zones}
"""
    )
    return subprocess.Popen([oracles.program("knotd", "knot"), "-c", str(conf)], stdout=subprocess.DEVNULL)


def named(directory: pathlib.Path, zones: tuple[str, ...]) -> subprocess.Popen[bytes]:
    conf = directory / "named.conf"
    conf.write_text(
        f"""options {{
  directory "{directory}"; pid-file none; session-keyfile none;
  listen-on {{ {NAMED}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify no;
}};
controls {{ }};
{"".join(f'zone "{zone}" {{ type primary; file "{zone}.signed"; }};' for zone in zones)}
"""
    )
    log = (directory / "named.log").open("wb")
    return subprocess.Popen([oracles.program("named", "bind9"), "-g", "-c", str(conf)], stderr=log)


def pdns(directory: pathlib.Path, zones: dict[str, tuple[str, ...]]) -> tuple[subprocess.Popen[bytes], str]:
    """Start PowerDNS, which signs at the moment of the answer, and return it with the DS sets of its zones.

    ``zones`` has the parameters of NSEC3 for ``pdnsutil set-nsec3``; without any there is NSEC.
    """
    home = directory / "pdns"
    home.mkdir()
    for zone in zones:
        (home / f"{zone}.zone").write_text(SOA.format(address=PDNS) + MAIL)
    (home / "zones.conf").write_text(
        "".join(f'zone "{zone}" {{ type native; file "{home}/{zone}.zone"; }};\n' for zone in zones)
    )
    (home / "pdns.conf").write_text(
        f"launch=bind\nbind-config={home}/zones.conf\nbind-dnssec-db={home}/keys.db\nlocal-address={PDNS}\n"
        f"socket-dir={home}\nguardian=no\ndaemon=no\nversion-string=anonymous\ndname-processing=yes\n"
    )

    def util(*arguments: str) -> str:
        command = [oracles.program("pdnsutil", "pdns-server"), f"--config-dir={home}", *arguments]
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert not made.returncode, made
        return made.stdout

    util("create-bind-db", f"{home}/keys.db")
    ds = ""
    for zone, nsec3 in zones.items():
        util("secure-zone", zone)
        if nsec3:
            util("set-nsec3", zone, *nsec3)
        ds += "".join(line + "\n" for line in util("export-zone-ds", zone).splitlines() if " SHA256 " in line)
    log = (home / "log").open("wb")
    program = oracles.program("pdns_server", "pdns-server pdns-backend-bind")
    return subprocess.Popen([program, f"--config-dir={home}"], stdout=log, stderr=log), ds


def dnskey(address: str, zone: str) -> str:
    """Return the DS set of a zone that its server signs by itself."""
    for _try in range(100):
        try:
            query = dns.message.make_query(zone, "DNSKEY")
            answer = dns.query.udp(query, address, timeout=1).answer
        except (OSError, dns.exception.Timeout):
            answer = []
        keys = [key for rrset in answer for key in rrset if key.flags == 257]
        if keys:
            return "".join(f"{zone} IN DS {dns.dnssec.make_ds(zone, key, 'SHA256')}\n" for key in keys)
        time.sleep(0.1)
    raise AssertionError(f"{address} does not sign {zone}")


@pytest.fixture(scope="module")
def address_of_named(alone):
    """Named listens on addresses only that an interface has; the others do on any of 127/8."""
    ip = oracles.program("ip", "iproute2")
    subprocess.run([ip, "address", "replace", f"{NAMED}/32", "dev", "lo"], check=True)
    yield
    subprocess.run([ip, "address", "delete", f"{NAMED}/32", "dev", "lo"], check=True)


@pytest.fixture(scope="module")
def anchor(address_of_named, tmp_path_factory):
    directory = tmp_path_factory.mktemp("servers")
    servers = []
    try:
        ds = bind_signed(directory, "bind.lab", SOA.format(address=NAMED) + MAIL)
        ds += bind_signed(directory, "bind3.lab", SOA.format(address=NAMED) + MAIL, "-3", "abcd", "-H", "0", "-A")
        servers.append(named(directory, ("bind.lab", "bind3.lab")))
        by_pdns = {"pdns.lab": (), "narrow.lab": ("1 0 0 -", "narrow"), "pdns3.lab": ("1 1 0 abcd",)}
        server, more = pdns(directory, by_pdns)
        servers.append(server)
        ds += more
        for zone in ("knot.lab", "plain.lab"):
            (directory / f"{zone}.zone").write_text(SOA.format(address=ZONES) + MAIL)
        served = [("knot.lab", "knot.lab.zone", True), ("plain.lab", "plain.lab.zone", False)]
        servers.append(start(directory, ZONES, "".join(knot(directory, ZONES, *zone) for zone in served)))
        ds += dnskey(ZONES, "knot.lab.")
        for address, zone in ((NAMED, "bind3.lab."), (PDNS, "pdns3.lab.")):
            dnskey(address, zone)
        text = SOA.format(address=LAB) + ds
        for zone in ("bind", "bind3"):
            text += f"{zone} IN NS ns.{zone}\nns.{zone} IN A {NAMED}\n"
        for zone in ("knot", "plain"):
            text += f"{zone} IN NS ns.{zone}\nns.{zone} IN A {ZONES}\n"
        for zone in by_pdns:
            text += f"{zone}. IN NS ns.{zone}.\nns.{zone}. IN A {PDNS}\n"
        ds = bind_signed(directory, "lab", text, "-3", "-", "-H", "0", "-A")
        servers.append(start(directory, LAB, knot(directory, LAB, "lab", "lab.signed", False)))
        (directory / "root.zone").write_text(
            f"$TTL 300\n. IN SOA a. h. 1 3600 600 86400 300\n. IN NS a.\na. IN A {ROOT}\n"
            f"lab. IN NS ns.lab.\nns.lab. IN A {LAB}\n{ds}"
        )
        servers.append(start(directory, ROOT, knot(directory, ROOT, ".", "root.zone", True)))
        anchors = dnskey(ROOT, ".")
        time.sleep(0.5)
        yield anchors
    finally:
        for server in servers:
            server.terminate()
            server.wait(20)


def module(name: str = "dnssec_info", **arguments: object) -> dict[str, object]:
    """Run the module in a process of its own, as Ansible does."""
    made = subprocess.run(
        [sys.executable, "-m", f"ansible_collections.mailsec.dane.plugins.modules.{name}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.search(r"^\{.*\}$", made.stdout, re.MULTILINE)
    assert found, made
    return json.loads(found[0])


EXPECTED = {
    "mx A": "secure",
    "_25._tcp.mx TLSA": "secure",
    "_25._tcp.nx TLSA": "secure",
    "mx TXT": "secure",
    "ent A": "secure",
    "x.wild A": "secure",
    "alias A": "secure",
    "mx.d A": "secure",
    "out A": "insecure:alias-insecure",
}
OPTED_OUT = {"_25._tcp.nx TLSA": "insecure:denial-optout", "x.wild A": "insecure:denial-optout"}
SIGNED = {
    "bind.lab": {},
    "bind3.lab": OPTED_OUT,
    "knot.lab": {},
    "pdns.lab": {},
    "narrow.lab": {},
    "pdns3.lab": OPTED_OUT,
}


@pytest.mark.parametrize(("zone", "changes"), SIGNED.items())
def test_signed_zones(anchor, zone, changes):
    expected = {**EXPECTED, **changes}
    for question, verdict in expected.items():
        owner, rdtype = harness.full_name(question, zone)
        result = module(
            names=[owner], types=[rdtype], root_servers=[{"address": ROOT}], trust_anchors=anchor.splitlines()
        )
        (found,) = result["lookups"]
        assert f"{found['security']}:{found['reason']}".rstrip(":") == verdict, (question, found)
        assert found["chain"][0]["detail"] == "configured trust anchor"


def test_a_mail_server_is_found_from_the_root_down(anchor):
    hosts = [f"mx.{zone}" for zone in SIGNED]
    result = module(
        "dane_info",
        hosts=hosts,
        validation="own",
        root_servers=[{"address": ROOT}],
        trust_anchors=anchor.splitlines(),
        special_use=True,
        timeout=5,
    )
    assert [(one["host"], one["reason"], one["records"]) for one in result["hosts"]] == [
        (host, "connect-failed", ["3 1 1 " + "ab" * 32]) for host in hosts
    ]


def test_servers_that_may_not_be_asked_are_not(anchor):
    async def look_up():
        ask = straight([Server(ROOT)], None, lambda address: address != NAMED)
        return await Validator(ask, lambda: int(time.time()), dnssec_anchors.parse(anchor)).lookup("mx.bind.lab", "A")

    result = asyncio.run(look_up())
    assert (result.security.value, result.reason) == ("indeterminate", "dns-unreachable")
    assert "can be asked" in result.detail


def test_without_root_servers_one_starts_at_those_of_the_internet():
    assert len(ROOT_SERVERS) == len({ipaddress.ip_address(address) for address in ROOT_SERVERS}) == 26
    assert all(ipaddress.ip_address(address).is_global for address in ROOT_SERVERS)


def test_an_unsigned_zone_is_opted_out(anchor):
    result = module(
        names=["mx.plain.lab", "nx.plain.lab"], root_servers=[{"address": ROOT}], trust_anchors=anchor.splitlines()
    )
    assert [(one["security"], one["reason"], one["outcome"]) for one in result["lookups"]] == [
        ("insecure", "delegation-optout", "data"),
        ("insecure", "delegation-optout", "nxdomain"),
    ]
    assert result["summary"]["insecure"] == 2


def test_validation_at_another_moment(anchor):
    later = int(time.time()) + 20 * 365 * 86400
    result = module(
        names=["mx.bind.lab"], root_servers=[{"address": ROOT}], trust_anchors=anchor.splitlines(), at=str(later)
    )
    assert result["lookups"][0]["reason"] == "clock-suspect"


def test_a_refused_question_is_told_apart(anchor):
    # The server of the zones asked as if it were a resolver.
    result = module(names=["mx.elsewhere"], resolvers=[{"address": ZONES}], trust_anchors=anchor.splitlines())
    assert result["lookups"][0]["security"] == "indeterminate"
    assert result["lookups"][0]["reason"] in ("dns-refused",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"names": []}, "names is empty"),
        ({"names": ["a..b"]}, "not a domain name"),
        ({"names": ["a"], "types": ["ANY"]}, "cannot be validated"),
        ({"names": ["a"], "types": ["NONSENSE"]}, "not a DNS record type"),
        ({"names": ["a"], "trust_anchors": [". A 192.0.2.1"]}, "neither a DS nor a DNSKEY"),
        ({"names": ["a"], "at": "yesterday"}, "ISO 8601"),
        ({"names": ["a"], "validation": "both", "at": "0"}, "own clock"),
        ({"names": ["a"], "resolvers": [{"address": "ns.example"}]}, "not an IP address"),
        ({"names": ["a"], "resolvers": [{"address": ROOT}], "iterative": True}, "leave one of them out"),
        ({"names": ["a"], "validation": "trusted", "iterative": True}, "own way"),
        ({"names": ["a"], "resolvers": []}, "resolvers is empty"),
        ({"names": ["a"], "trust_anchor_file": "/nonexistent"}, "cannot be read"),
        ({"names": ["ä.nl"]}, "A-label"),
    ],
)
def test_wrong_options_are_named(arguments, words):
    result = module(**arguments)
    assert result["failed"]
    assert words in result["msg"]


def test_both_ways_side_by_side(anchor, tmp_path):
    with oracles.Unbound(tmp_path, anchor, ROOT) as unbound:
        result = module(
            names=["mx.knot.lab", "mx.plain.lab", "nx.knot.lab"],
            validation="both",
            resolvers=[{"address": oracles.RESOLVER, "port": unbound.port}],
            trust_anchors=anchor.splitlines(),
        )
    assert result["differences"] == []
    assert [one["trusted"]["security"] for one in result["lookups"]] == ["secure", "insecure", "secure"]
