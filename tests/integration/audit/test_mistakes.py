# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes people make with records and certificates (F11), each made for real: in a signed zone that Knot serves and
Unbound validates, and by Postfix on an address of its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import postfix_root
import pytest
import yaml
from dns_world import HERE, World, Zone, free_port
from oracle import pki
from oracle.pki import Spec, make
from support.credentials import Credentials, _key_pem, rsa_self_signed

from ansible_collections.mailsec.dane.plugins.module_utils._dane.public_cas import PUBLIC_CAS, Role
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.modules import dane_info, starttls_info

sys.path.insert(0, str(Path(__file__).parents[1] / "tls"))
import tls_servers as servers

ROOT = make(Spec("Root", "Root", "root", "root", cert_sign=True))
ISSUER = make(Spec("Issuer", "Root", "issuer", "root", path_length=0, cert_sign=True))
#: Domains whose MX host has a certificate with its name, by the CA that the record names: MX hosts are mx.NAME.nl.
NAMED = (
    "sound", "nullbeside", "many", "half", "bare", "shared", "cert", "ta-cert", "full", "sets", "crowd", "huge",
    "short", "empty", "pkix", "unusable", "typo", "object", "usage", "wild", "long", "single", "loose", "agile",
    "divergent", "deaf", "swarm", "byname", "rsa", "ecdsa", "retired", "incomplete",
)  # fmt: skip


def issued(key: str, *names: str, common: str = "x", by: str = "Issuer", days: int = 100) -> bytes:
    """A certificate by a CA whose key is called as its name in lower case, without blanks."""
    signer = by.lower().replace(" ", "")
    return make(Spec(common, by, key, signer, ca=None, san=names, eku=(pki.SERVER_AUTH,), days=days))


def chain(key: str, *ders: bytes) -> Credentials:
    return Credentials(ders, _key_pem(pki.key(key)))


def record(der: bytes, usage: int, selector: int = 1, kind: int = 1) -> str:
    return compute(load_der(der), usage, selector, kind).to_text()


def public(role: Role) -> str:
    """The record of a public CA."""
    return next(f"2 1 1 {ca.spki_sha256}" for ca in PUBLIC_CAS.cas if ca.role is role)


LEAF = issued("leaf", *(f"mx.{name}.nl" for name in NAMED))
EE, TA, FROM_ROOT = record(LEAF, 3), record(ISSUER, 2), record(ROOT, 2)
WRONG = "3 1 1 " + "ab" * 32
OLD_ISSUER = make(Spec("Old", "Root", "old", "root", path_length=0, days=-1, cert_sign=True))
NO_CA = make(Spec("No CA", "Root", "noca", "root", ca=False))
#: What each Postfix serves.
SERVERS = {
    "sound": chain("leaf", LEAF, ISSUER, ROOT),
    "rootless": chain("leaf", issued("leaf", "mx.rootless.nl"), ISSUER),
    "common": chain("leaf", issued("leaf", common="mx.common.nl"), ISSUER),
    "partial": chain("leaf", issued("leaf", "m*.partial.nl"), ISSUER),
    "domain": chain("leaf", issued("leaf", "domain.nl"), ISSUER),
    "stranger": chain("leaf", issued("leaf", "mx.other.nl"), ISSUER),
    "expired": chain("leaf", issued("leaf", "mx.expired.nl", days=-1), ISSUER),
    "expiring": chain("leaf", issued("leaf", "mx.expiring.nl", days=3), ISSUER),
    "oldissuer": chain("leaf", issued("leaf", "mx.oldissuer.nl", by="Old"), OLD_ISSUER),
    "noca": chain("leaf", issued("leaf", "mx.noca.nl", by="No CA"), NO_CA),
    "other": chain("other", issued("other", "mx2.half.nl", "mx.divergent.nl", "mx.byname.nl"), ISSUER),
}
OTHER = record(SERVERS["other"].chain[0], 3)
#: The same with a second key, which clients without ECDSA get, and which no record names.
RSA = rsa_self_signed("mx.rsa.nl")
TWO_KEYS = SERVERS["sound"].pem + RSA.pem
ADDRESS = {name: f"127.0.2.{number}" for number, name in enumerate((*SERVERS, "two keys"), 1)}
#: Nobody listens there.
DEAD = "127.0.2.200"


def zones(port: int) -> Iterator[Zone]:
    def zone(name: str, *records: str, server: str = "", more: str = "", mx: str = "mx", ttl: int = 1800) -> Zone:
        address = ADDRESS.get(server or name, ADDRESS["sound"])
        text = f"@ 300 IN MX 10 {mx}\nmx 300 IN A {address}\n{more}"
        return Zone(f"{name}.nl.", text + "".join(f"_{port}._tcp.mx {ttl} IN TLSA {one}\n" for one in records))

    yield zone("sound", EE, TA)
    # What stands in the MX record.
    yield zone("literal", mx="192.0.2.1.")
    yield zone("badname", mx="m\\032x")
    yield zone("nullbeside", EE, TA, more="@ 300 IN MX 0 .\n")
    yield zone("many", EE, TA, more="".join(f"@ 300 IN MX 20 mx{number}\n" for number in range(60)))
    yield Zone("aliased.nl.", "@ 300 IN MX 10 mx\nmx 300 IN CNAME mx.sound.nl.\n")
    yield zone("half", EE, TA, more=f"@ 300 IN MX 20 mx2\nmx2 300 IN A {ADDRESS['other']}\n")
    yield zone("bare", more=f"_{port}._tcp 300 IN TLSA {EE}\n")
    yield zone("shared", EE, TA, more="@ 300 IN MX 20 mx.sound.nl.\n")
    # What the records say.
    yield zone("cert", record(LEAF, 3, 0), EE, TA)
    yield zone("ta-cert", EE, record(ISSUER, 2, 0), TA)
    yield zone("full", record(LEAF, 3, 1, 0), EE, TA)
    yield zone("sets", EE, WRONG, record(LEAF, 3, 1, 2), TA)
    yield zone("crowd", EE, TA, *(f"3 1 1 {number:02x}{'cd' * 31}" for number in range(12)))
    yield zone("huge", EE, TA, *(f"3 1 2 {number:02x}{'cd' * 63}" for number in range(24)))
    yield zone("short", EE, TA, "3 1 1 abcd")
    yield zone("empty", EE, TA, f"3 1 1 {hashlib.sha256(b'').hexdigest()}")
    yield zone("pkix", EE, TA, f"1 1 1 {'ab' * 32}")
    yield zone("unusable", f"1 1 1 {'ab' * 32}")
    yield zone("typo", EE[:-1] + ("1" if EE[-1] == "0" else "0"), WRONG)
    yield zone("object", f"3 1 1 {hashlib.sha256(LEAF).hexdigest()}", WRONG)
    yield zone("usage", "2" + EE[1:], WRONG)
    yield zone("wild", more=f"*._tcp.mx 1800 IN TLSA {EE}\n*._tcp.mx 1800 IN TLSA {TA}\n")
    yield zone("long", EE, TA, ttl=90000)
    yield zone("single", EE)
    yield zone("loose", EE, TA, f"2 0 1 {'ab' * 32}")
    yield zone("agile", EE, f"3 1 2 {'ab' * 64}")
    yield zone("retired", EE, public(Role.RETIRED))
    yield zone("incomplete", EE, public(Role.ACTIVE))
    # What the certificates say, beside the record of their CA.
    yield zone("rootless", EE, FROM_ROOT)
    for name in ("common", "partial", "domain", "expired", "expiring"):
        yield zone(name, EE, TA)
    yield zone("stranger", WRONG, TA)
    yield zone("oldissuer", WRONG, record(OLD_ISSUER, 2))
    yield zone("noca", WRONG, record(NO_CA, 2))
    # Several addresses.
    yield zone("divergent", EE, WRONG, more=f"mx 300 IN A {ADDRESS['other']}\n")
    yield zone("byname", OTHER, WRONG)
    yield zone("rsa", EE, WRONG, server="two keys")
    yield zone("ecdsa", record(RSA.chain[0], 3), WRONG, server="two keys")
    yield zone("swarm", EE, TA, more="".join(f"mx 300 IN A 127.0.5.{number}\n" for number in range(40)))
    yield zone("deaf", EE, TA, more=f"mx 300 IN A {DEAD}\n")


NO_MATCH = {"tlsa-no-match": "critical"}
NOT_STRICT = {"strict-violation": "warning"}
OTHER_NAME = {"certificate-name-mismatch": "info"}
#: Code and severity, and nothing else but what follows of itself.
EXPECTED: dict[str, dict[str, str]] = {
    "sound": {},
    "literal": {"address-literal": "info", "connect-failed": "error"},
    "badname": {"mx-bad-name": "error"},
    "nullbeside": {"mx-null-beside-others": "warning"},
    "many": {"mx-too-many": "warning", "no-address": "critical"},
    "aliased": {"mx-is-alias": "warning"},
    "half": {"tlsa-missing-for-mx": "error", "tlsa-absent": "error"},
    "bare": {"tlsa-wrong-owner": "error", "tlsa-absent": "error"},
    "shared": {"key-shared-across-mx": "warning"},
    "cert": {"tlsa-cert-selector": "warning"},
    "ta-cert": {"ta-cert-selector": "warning"},
    "full": {"tlsa-full-data": "warning"},
    "sets": {"tlsa-digest-set-inconsistent": "warning"},
    "crowd": {"tlsa-too-many-records": "error"},
    "huge": {
        "tlsa-rrset-too-large": "warning", "tlsa-too-many-records": "error", "tlsa-digest-set-inconsistent": "warning",
        **NOT_STRICT,
    },
    "short": {"tlsa-bad-field": "critical"},
    "empty": {"tlsa-empty-digest": "warning"},
    "pkix": {"tlsa-pkix-usage": "warning"},
    "unusable": {"tlsa-all-unusable": "error", "tlsa-pkix-usage": "warning"},
    "typo": {"tlsa-near-typo": "critical", **NO_MATCH},
    "object": {"tlsa-wrong-object": "critical", **NO_MATCH},
    "usage": {"tlsa-ambiguous-usage": "error", **NO_MATCH},
    "wild": {"tlsa-wildcard": "warning"},
    "long": {"ttl-too-long": "warning"},
    "single": {"next-missing": "warning"},
    "loose": {"ta-cert-selector": "warning", **NOT_STRICT},
    "agile": {"senders-differ": "error", **NO_MATCH},
    "retired": {"ta-issuer-retired": "info", "ta-issuer-not-listed": "error", **NOT_STRICT},
    "incomplete": {"ta-set-incomplete": "warning", "ta-issuer-not-listed": "error", **NOT_STRICT},
    "rootless": {"ta-not-in-chain": "warning", **NOT_STRICT},
    "common": {"ta-cn-only": "error", **OTHER_NAME},
    "partial": {"ta-partial-wildcard": "error", **NOT_STRICT, **OTHER_NAME},
    "domain": {"ta-san-host-missing": "error", **OTHER_NAME},
    "expired": {"certificate-expired": "warning", **NOT_STRICT},
    "expiring": {"certificate-expiring": "warning"},
    "stranger": {"ta-name-mismatch": "critical", **OTHER_NAME},
    "oldissuer": {"ta-chain-expired": "critical", "senders-differ": "error"},
    "noca": {"ta-chain-invalid": "critical"},
    "divergent": {"endpoint-divergence": "critical", **NO_MATCH},
    "byname": {"sni-divergence": "critical"},
    "rsa": {"algorithm-uncovered": "critical"},
    "ecdsa": {"algorithm-uncovered": "critical", **OTHER_NAME},
    "deaf": {"connect-failed": "error"},
    "swarm": {"connect-failed": "error", "address-too-many": "warning"},
}  # fmt: skip
#: The table of public CAs gets old by itself.
BY_THE_CLOCK = "ca-table-old"


def server_names(directory: Path, pems: dict[str, bytes]) -> str:
    """A table of Postfix with what is served to clients that ask for a name."""
    table = directory / "names"
    for name, pem in pems.items():
        (directory / name).write_bytes(pem)
    table.write_text("".join(f"{name} {directory / name}\n" for name in pems))
    subprocess.run(postfix_root.command("postmap", "-F", f"hash:{table}"), check=True, timeout=30)
    return f"hash:{table}"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """Codes and severities for each domain."""
    port = free_port()
    directory = tmp_path_factory.mktemp("mistakes")
    listed = list(zones(port))
    documented = yaml.safe_load(dane_info.DOCUMENTATION)["options"]
    beside = {ADDRESS[name]: one.pem for name, one in SERVERS.items() if name != "sound"}
    beside[ADDRESS["two keys"]] = TWO_KEYS
    by_name = server_names(directory, {"mx.byname.nl": SERVERS["other"].pem})
    who = servers.identity(directory, "first", "EC", "ec_paramgen_curve:P-256")
    who.key.write_bytes(SERVERS["sound"].key_pem)
    who.chain.write_bytes(SERVERS["sound"].pem.removeprefix(SERVERS["sound"].key_pem))
    settings = {"tls_server_sni_maps": by_name}
    postfix = servers.postfix([who], settings, ADDRESS["sound"], port, beside)
    with postfix, World(tmp_path_factory.mktemp("dns"), listed) as world:
        given = {
            **{name: described.get("default") for name, described in documented.items()},
            "port": port, "special_use": True, "ehlo_name": "probe.example",
            "resolvers": [{"address": HERE, "port": world.resolver, "trusted": False}],
        }  # fmt: skip
        result = dane_info.gather({**given, "domains": [one.name.rstrip(".") for one in listed]})
        yield {
            one["domain"].removesuffix(".nl"): {entry["code"]: entry["severity"] for entry in one["findings"]}
            for one in result["domains"]
        }


@pytest.mark.parametrize("name", EXPECTED, ids=lambda name: f"r08-{name}" if name in ("rsa", "ecdsa") else name)
def test_f11_each_mistake_is_named_and_nothing_else(found: dict[str, dict[str, str]], name: str) -> None:
    codes = found[name]
    codes.pop(BY_THE_CLOCK, None)
    assert codes == EXPECTED[name]


def test_f11_every_domain_is_judged(found: dict[str, dict[str, str]]) -> None:
    assert set(found) == set(EXPECTED)


@pytest.mark.parametrize(("limit", "codes"), [(2, ["endpoint-partly-seen"]), (4, [])])
def test_a_server_that_limits_connections(tmp_path: Path, limit: int, codes: list[str]) -> None:
    """One connection is to wait for the server; one with a single key is asked three times more."""
    who = servers.identity(tmp_path, "first", "EC", "ec_paramgen_curve:P-256")
    settings = {"smtpd_client_connection_rate_limit": str(limit), "smtpd_client_event_limit_exceptions": ""}
    documented = yaml.safe_load(starttls_info.DOCUMENTATION)["options"]
    given = {name: described.get("default") for name, described in documented.items()}
    with servers.postfix([who], settings) as port:
        there = {"host": ["localhost"], "address": [servers.HOST], "port": port, "ehlo_name": None}
        result = starttls_info.gather({**given, **there})
    assert sorted({entry["code"] for entry in result["findings"]}) == codes
