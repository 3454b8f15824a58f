# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix that is slow, counts connections, or refuses this machine or its name: nothing that other senders meet."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import postfix_root
import pytest
import yaml
from dns_world import HERE, World, Zone

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_pem
from ansible_collections.mailsec.dane.plugins.modules import dane_info

sys.path.insert(0, str(Path(__file__).parents[1] / "tls"))
import tls_servers as servers

AT_ONCE = {"smtpd_delay_reject": "no"}
#: Domain -> settings of its mail server.
SERVERS = {
    "slow": {**AT_ONCE, "smtpd_client_restrictions": "sleep 11, permit"},
    # One connection is to wait for the server.
    "counting": {"smtpd_client_connection_rate_limit": "3", "smtpd_client_event_limit_exceptions": ""},
    "closed": {**AT_ONCE, "smtpd_client_restrictions": "reject"},
    "particular": {**AT_ONCE, "smtpd_helo_restrictions": "reject_non_fqdn_helo_hostname"},
    "nameless": {**AT_ONCE, "smtpd_helo_restrictions": "reject"},
}
ADDRESS = {name: f"127.0.5.{number}" for number, name in enumerate(SERVERS, 1)}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory, number = tmp_path_factory.mktemp("servers"), servers.free_port()
    global WHO
    WHO = servers.identity(directory, "first", "EC", "ec_paramgen_curve:P-256")
    with contextlib.ExitStack() as stack:
        for name, settings in SERVERS.items():
            stack.enter_context(servers.postfix([WHO], settings, ADDRESS[name], number))
        yield number


@pytest.fixture(scope="module")
def found(port: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    leaf = load_pem(WHO.chain.read_bytes())[0]
    record = compute(leaf, 3, 1, 1).to_text()
    records = "".join(f"_{port}._tcp.{host} 1800 IN TLSA {record}\n" for host in ("mx", "mx2"))
    zones = [
        Zone(f"{name}.nl.", f"@ 300 IN MX 10 mx\n@ 300 IN MX 20 mx2\nmx 300 IN A {at}\nmx2 300 IN A {at}\n{records}")
        for name, at in ADDRESS.items()
    ]
    documented = yaml.safe_load(dane_info.DOCUMENTATION)["options"]
    with World(tmp_path_factory.mktemp("dns"), zones) as world:
        given = {
            **{name: described.get("default") for name, described in documented.items()},
            "port": port, "special_use": True, "ehlo_name": "vm",
            "resolvers": [{"address": HERE, "port": world.resolver, "trusted": False}],
        }  # fmt: skip
        result = dane_info.gather({**given, "domains": [f"{name}.nl" for name in SERVERS]})
    return {one["domain"].removesuffix(".nl"): one for one in result["domains"]}


def codes(domain: dict[str, object]) -> set[str]:
    # Nothing is said here about the one key of these servers and its certificate.
    beside = {"next-missing", "key-shared-across-mx", "certificate-expiring", "certificate-name-mismatch"}
    return {entry["code"] for entry in domain["findings"]} - beside  # type: ignore[attr-defined]


def test_p01_the_slow_server_delivers_and_is_called_slow(found: dict[str, dict[str, object]], port: int) -> None:
    assert (found["slow"]["verdict"], codes(found["slow"])) == ("protected", {"endpoint-slow"})
    finger = postfix_root.command("posttls-finger", "-c", "-l", "encrypt", f"[{ADDRESS['slow']}]:{port}")
    done = subprocess.run(finger, capture_output=True, text=True, timeout=120, check=False)
    assert "TLS connection established" in done.stdout + done.stderr


def test_p02_the_verdict_rests_on_what_the_server_showed(found: dict[str, dict[str, object]]) -> None:
    domain = found["counting"]
    assert domain["verdict"] in ("protected", "unknown")
    assert codes(domain) and codes(domain) <= {"vantage-refused", "endpoint-partly-seen"}
    assert {host["verdict"] for host in domain["hosts"]} <= {"authenticated", "unknown"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "code"), [("closed", "vantage-refused"), ("nameless", "ehlo-name-refused")])
def test_p03_p04_who_is_refused_knows_nothing(found: dict[str, dict[str, object]], name: str, code: str) -> None:
    assert (found[name]["verdict"], found[name]["reason"], codes(found[name])) == ("unknown", code, {code})


def test_p04_where_the_name_is_refused_the_address_literal_does(found: dict[str, dict[str, object]]) -> None:
    assert (found["particular"]["verdict"], codes(found["particular"])) == ("protected", {"ehlo-name-refused"})
