# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the conversation with a mail server (F06, F11), over real DNS.

No package has servers that do these things, but devices on the way to servers do: one of our own stands in for them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from dns_world import HERE, World, Zone, free_port
from support.credentials import ecdsa, server_context
from support.smtp_responder import Behaviour, Responder, running

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.modules import dane_info, starttls_info

MASKED = b"250-mx\r\n250-SIZE 10\r\n250 XXXXXXXA\r\n"
#: Domain -> what its server does, and the codes with severities that this has beside usable records.
CASES: dict[str, tuple[Behaviour, dict[str, str]]] = {
    "sound": (Behaviour(), {}),
    "busy": (Behaviour(greeting=b"421 too busy\r\n"), {"vantage-refused": "error"}),
    "odd": (Behaviour(greeting=b"354 hello\r\n"), {"smtp-greeting-failed": "critical"}),
    "web": (Behaviour(greeting=b"HTTP/1.1 400 Bad Request\r\n"), {"smtp-protocol-error": "critical"}),
    "refused": (Behaviour(ehlo=b"550 no\r\n", helo=b"550 never\r\n"), {"vantage-refused": "error"}),
    "ancient": (Behaviour(ehlo=b"500 what?\r\n"), {"ehlo-rejected": "critical"}),
    "plain": (Behaviour(ehlo=b"250 mx\r\n"), {"starttls-missing": "critical"}),
    "masked": (Behaviour(ehlo=MASKED), {"starttls-missing": "critical", "starttls-keyword-masked": "critical"}),
    "banner": (Behaviour(greeting=b"220 *****************\r\n"), {"banner-masked": "warning"}),
    "inspected": (
        Behaviour(starttls=b"500 #5.5.1 command not recognized\r\n"),
        {"starttls-refused": "critical", "starttls-keyword-masked": "critical"},
    ),
    "rewritten": (
        Behaviour(ehlo=b"502 unrecognized: XXXXXXXX\r\n"),
        {"ehlo-rejected": "critical", "command-rewritten": "error"},
    ),
    "nokey": (Behaviour(starttls=b"454 no key\r\n"), {"starttls-refused": "critical"}),
    "reset": (Behaviour(reset_at="handshake"), {"starttls-handshake-reset": "critical"}),
    "alert": (Behaviour(raw_handshake=b"\x15\x03\x03\x00\x02\x02\x28"), {"tls-handshake-failed": "critical"}),
    "injects": (
        Behaviour(after_ready=b"250 injected\r\n"),
        {"starttls-response-injection": "error", "senders-differ": "error"}),
    "twice": (Behaviour(ehlo_tls=b"250-mx\r\n250 STARTTLS\r\n"), {"starttls-offered-inside-tls": "info"}),
    "silent": (Behaviour(stall_at="greeting"), {"probe-timeout": "error"}),
}  # fmt: skip
ADDRESS = {name: f"127.0.3.{number}" for number, name in enumerate(CASES, 1)}
CHAIN = ecdsa("mx.sound.nl", also=tuple(f"mx.{name}.nl" for name in CASES))
RECORDS = [compute(load_der(CHAIN.chain[place]), usage, 1, 1).to_text() for place, usage in ((0, 3), (1, 2))]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, object]]]:
    port = free_port()
    context = server_context(CHAIN)
    mail = [Responder(context, behaviour, ADDRESS[name], port) for name, (behaviour, _codes) in CASES.items()]
    zones = [
        Zone(
            f"{name}.nl.",
            f"@ 300 IN MX 10 mx\nmx 300 IN A {address}\n"
            + "".join(f"_{port}._tcp.mx 1800 IN TLSA {record}\n" for record in RECORDS),
        )
        for name, address in ADDRESS.items()
    ]
    documented = yaml.safe_load(dane_info.DOCUMENTATION)["options"]
    with World(tmp_path_factory.mktemp("dns"), zones) as world, running(*mail):
        given = {
            **{name: described.get("default") for name, described in documented.items()},
            "port": port, "special_use": True, "ehlo_name": "probe.example", "timeout": 6.0,
            "resolvers": [{"address": HERE, "port": world.resolver, "trusted": False}],
        }  # fmt: skip
        result = dane_info.gather({**given, "domains": [f"{name}.nl" for name in CASES]})
    yield {one["domain"].removesuffix(".nl"): one for one in result["domains"]}


@pytest.mark.parametrize("name", CASES)
def test_f11_each_fault_of_the_conversation_is_named_and_nothing_else(
    found: dict[str, dict[str, object]], name: str
) -> None:
    codes = {entry["code"]: entry["severity"] for entry in found[name]["findings"]}  # type: ignore[attr-defined]
    assert codes == CASES[name][1]


@pytest.mark.parametrize(
    ("behind", "code"),
    [("inside", "starttls-command-injection"), ("clear", "starttls-command-injection"), ("dropped", "")],
)
def test_f11_commands_behind_starttls(behind: str, code: str) -> None:
    documented = yaml.safe_load(starttls_info.DOCUMENTATION)["options"]
    given = {name: described.get("default") for name, described in documented.items()}
    with running(mail := Responder(server_context(CHAIN), Behaviour(behind_starttls=behind))):
        wanted = {"host": ["mx.sound.nl"], "address": [HERE], "port": mail.port, "ehlo_name": "probe.example"}
        result = starttls_info.gather({**given, **wanted, "injection": True})
    assert {entry["code"] for entry in result["findings"]} == {code} - {""}


@pytest.mark.parametrize(("name", "verdict"), [("sound", "protected"), ("silent", "unknown"), ("plain", "failing")])
def test_f02_what_the_domain_comes_to(found: dict[str, dict[str, object]], name: str, verdict: str) -> None:
    assert found[name]["verdict"] == verdict
