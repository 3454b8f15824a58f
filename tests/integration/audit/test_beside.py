# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at beside MX and TLSA: MTA-STS policies of a web server, TLS reports, senders that insist on DANE."""

from __future__ import annotations

import functools
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from dns_world import HERE, World, Zone, free_port
from oracle import pki
from oracle.pki import Spec, make
from support.credentials import Credentials, _key_pem, server_context
from support.examples import examples
from support.smtp_responder import Behaviour, Responder, running

from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts_look import StsLook
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.modules import dane_info

TLS, OWN, PLAIN, WEB = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
#: Mail domain -> the policy; what the mail servers are see zones().
POLICIES = {
    "sound": "version: STSv1\nmode: enforce\nmx: mx.sound.nl\nmax_age: 86400\n",
    "moved": "version: STSv1\nmode: enforce\nmx: *.elsewhere.nl\nmax_age: 86400\n",
    "trial": "version: STSv1\nmode: testing\nmx: *.elsewhere.nl\nmax_age: 86400\n",
    "off": "version: STSv1\nmode: none\nmax_age: 86400\n",
    "own": "version: STSv1\nmode: enforce\nmx: mx.own.nl\nmax_age: 86400\n",
    "named": "version: STSv1\nmode: enforce\nmx: mx.named.nl\nmax_age: 86400\n",
    "plain": "version: STSv1\nmode: enforce\nmx: mx.plain.nl\nmax_age: 86400\n",
    "broken": "no policy",
}
#: Announced, but the web server has no policy for the one and no certificate for the other.
WITHOUT = ("gone", "untrusted")
CONFLICT = ("sts-dane-conflict", "error")
EXPECTED = {
    "sound": {},
    "moved": {CONFLICT: "does not have this MX host"},
    "trial": {("sts-dane-conflict", "warning"): "mode testing"},
    "off": {},
    "own": {CONFLICT: "no path leads from the certificate"},
    "named": {CONFLICT: "subjectAltName lacks mx.named.nl"},
    "plain": {CONFLICT: "there is no TLS (starttls-missing)"},
    "broken": {("sts-policy-invalid", "warning"): "no colon"},
    "gone": {("sts-policy-fetch-error", "warning"): "status 404"},
    "untrusted": {("sts-webpki-invalid", "warning"): "mta-sts.untrusted.nl"},
    "silent": {},
}


def issued(key: str, *names: str) -> Credentials:
    leaf = make(Spec(key, "Public", key, "public", ca=None, san=names, eku=(pki.SERVER_AUTH,), identifiers=True))
    return Credentials((leaf, PUBLIC), _key_pem(pki.key(key)))


PUBLIC = make(Spec("Public", "Public", "public", "public", identifiers=True, cert_sign=True))
MAIL = issued("mail", *(f"mx.{name}.nl" for name in EXPECTED if name not in ("own", "named")))
SELF = Credentials((make(Spec("x", "x", "x", "x", ca=None, san=("mx.own.nl",))),), _key_pem(pki.key("x")))
PAGES = issued("pages", *(f"mta-sts.{name}.nl" for name in (*POLICIES, "gone")))


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = (self.headers["Host"] or "").split(".")[1]
        known = self.path == "/.well-known/mta-sts.txt" and name in POLICIES
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(POLICIES[name].encode() if known else b"")

    def log_message(self, *_what: object) -> None:
        """Say nothing."""


def zones(port: int) -> Iterator[Zone]:
    ee, own = (compute(load_der(one.chain[0]), 3, 1, 1).to_text() for one in (MAIL, SELF))
    spare = "3 1 1 " + "ab" * 32
    for name in EXPECTED:
        address, record = {"own": (OWN, own), "plain": (PLAIN, ee)}.get(name, (TLS, ee))
        text = f"@ 300 IN MX 10 mx\nmx 300 IN A {address}\nmta-sts 300 IN A {WEB}\n"
        text += f"_{port}._tcp.mx 300 IN TLSA {record}\n_{port}._tcp.mx 300 IN TLSA {spare}\n"
        text += '_mta-sts 300 IN TXT "v=STSv1; " "id=1;"\n' if name in (*POLICIES, *WITHOUT) else ""
        text += '_smtp._tls 300 IN TXT "v=TLSRPTv1; rua=mailto:r@example.org"\n' if name != "silent" else ""
        yield Zone(f"{name}.nl.", text)
    yield Zone("bare.nl.", f"@ 300 IN MX 10 mx\nmx 300 IN A {TLS}\n")
    yield Zone("island.nl.", f"@ 300 IN MX 10 mx\nmx 300 IN A {TLS}\n_{port}._tcp.mx 300 IN TLSA {ee}\n", signed=False)
    yield Zone("unusable.nl.", f"@ 300 IN MX 10 mx\nmx 300 IN A {TLS}\n_{port}._tcp.mx 300 IN TLSA 1 1 1 {'ab' * 32}\n")
    yield Zone("null.nl.", "@ 300 IN MX 0 .\n")


@pytest.fixture(scope="module")
def gather(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., dict[str, dict[str, object]]]]:
    port, directory = free_port(), tmp_path_factory.mktemp("beside")
    ca_file: Path = directory / "ca.pem"
    ca_file.write_text(ssl.DER_cert_to_PEM_cert(PUBLIC))
    servers = (
        Responder(server_context(MAIL), address=TLS, port=port),
        Responder(server_context(SELF), address=OWN, port=port),
        Responder(None, Behaviour(ehlo=b"250-mx\r\n250 PIPELINING\r\n"), address=PLAIN, port=port),
    )
    web = http.server.ThreadingHTTPServer((WEB, 0), Pages)
    web.socket = server_context(PAGES).wrap_socket(web.socket, server_side=True)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    documented = yaml.safe_load(dane_info.DOCUMENTATION)["options"]
    with World(directory, list(zones(port))) as world, running(*servers), pytest.MonkeyPatch.context() as patch:
        thread.start()
        patch.setattr(dane_info, "StsLook", functools.partial(StsLook, port=web.server_port))
        given = {
            **{name: described.get("default") for name, described in documented.items()},
            "port": port, "special_use": True, "ca_file": str(ca_file), "ehlo_name": "probe.example",
            "resolvers": [{"address": HERE, "port": world.resolver, "trusted": False}],
        }  # fmt: skip

        def run(*domains: str, **more: object) -> dict[str, dict[str, object]]:
            found = dane_info.gather({**given, "domains": [f"{name}.nl" for name in domains], **more})
            return {one["domain"].removesuffix(".nl"): one for one in found["domains"]}

        yield run
        web.shutdown()
        web.server_close()
        thread.join(30)


def test_each_conflict_with_the_policy_is_named_and_nothing_else(
    gather: Callable[..., dict[str, dict[str, object]]],
) -> None:
    seen = gather(*EXPECTED, mta_sts=True)
    for name, expected in EXPECTED.items():
        found = [entry for entry in seen[name]["findings"] if entry["code"].startswith("sts-")]  # type: ignore[attr-defined]
        assert {(entry["code"], entry["severity"]) for entry in found} == set(expected), name
        assert all(expected[entry["code"], entry["severity"]] in entry["evidence"] for entry in found), name
        assert all(entry["tlsrpt"] == (None if "conflict" in entry["code"] else entry["code"]) for entry in found)
    assert seen["sound"]["mta_sts"] == {
        "id": "1", "mode": "enforce", "mx": ["mx.sound.nl"], "max_age": 86400, "fault": ""
    }  # fmt: skip
    documented = yaml.safe_load(dane_info.RETURN)["domains"]["contains"]["mta_sts"]["contains"]
    assert set(seen["sound"]["mta_sts"]) == set(documented)  # type: ignore[call-overload]
    assert seen["silent"]["mta_sts"]["id"] is None  # type: ignore[index]
    # Senders with DANE have no objection to any of that.
    verdicts = {name: one["verdict"] for name, one in seen.items()}
    assert verdicts == {**dict.fromkeys(EXPECTED, "protected"), "plain": "failing"}


def test_c32_domains_that_nobody_tells_of_failures(gather: Callable[..., dict[str, dict[str, object]]]) -> None:
    seen = gather("sound", "silent", "null", tlsrpt=True, ca_file=None)
    missing = {
        name for name, one in seen.items() for entry in one["findings"] if entry["code"] == "tlsrpt-missing"  # type: ignore[attr-defined]
    }  # fmt: skip
    assert missing == {"silent"}
    assert {name: one["tls_reports"] for name, one in seen.items()} == {
        "sound": ["mailto:r@example.org"], "silent": [], "null": None
    }  # fmt: skip


def test_p5_senders_that_insist_on_dane_hold_mail(gather: Callable[..., dict[str, dict[str, object]]]) -> None:
    wanted = ("sound", "bare", "island", "unusable", "null")
    everything = [f"{name}.nl" for name in wanted]
    seen = gather(*wanted, dane_required=everything, ca_file=None)
    held = {
        name: entry["subject"]
        for name, one in seen.items()
        for entry in one["findings"]  # type: ignore[attr-defined]
        if entry["code"] == "dane-required-absent"
    }
    assert held == {"bare": "mx.bare.nl", "island": "island.nl", "unusable": "mx.unusable.nl"}
    for one in gather(*wanted, ca_file=None).values():
        assert "dane-required-absent" not in {entry["code"] for entry in one["findings"]}  # type: ignore[attr-defined]
        assert one["mta_sts"] is None and one["tls_reports"] is None


def test_f10_the_documented_example(gather: Callable[..., dict[str, dict[str, object]]]) -> None:
    page = examples(Path(__file__).parents[3] / "docs" / "running-modules.md")
    (example,) = [one for one in page if any("moved.nl" in word for word in one.command)]
    given = json.loads(example.command[-1])
    found = gather(*(name.removesuffix(".nl") for name in given.pop("domains")), **given)
    printed = yaml.safe_dump({"changed": False, "domains": list(found.values())}, default_flow_style=False)
    assert example.not_in(f"localhost | SUCCESS =>\n{printed}") == [], printed
