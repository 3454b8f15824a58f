# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands behind STARTTLS, tried on servers that execute them and on servers that do not (CVE-2011-0411, B06)."""

from __future__ import annotations

import asyncio

import pytest
from support import credentials
from support.smtp_responder import Behaviour, Responder

from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import injection
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.injection import Injection, try_all, try_injection

HOST = "mx.example.nl"
LIMITS = Limits(connect=5, greeting=5, reply=5, handshake=2, total=10)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection, "_LISTEN_SECONDS", 0.5)


def tried(behaviour: Behaviour, context: bool = True) -> tuple[Injection, str, list[list[str]]]:
    async def run() -> tuple[Injection, str, list[list[str]]]:
        made = credentials.server_context(credentials.ecdsa(HOST)) if context else None
        async with Responder(made, behaviour) as server:
            found, told = await try_injection(Endpoint("127.0.0.1", server.port), HOST, "probe.example", LIMITS)
            return found, told, [session.commands + session.commands_tls for session in server.sessions]

    return asyncio.run(run())


def test_what_is_executed_inside_tls_is_found_and_nothing_harmful_was_tried() -> None:
    found, told, commands = tried(Behaviour(behind_starttls="inside"))
    assert found is Injection.VULNERABLE
    assert told == "NOOP behind STARTTLS: answered inside TLS, unasked: 250 2.0.0 Ok"
    assert {line.split()[0] for session in commands for line in session} <= {"EHLO", "STARTTLS", "NOOP", "QUIT"}


def test_what_is_executed_in_the_clear_is_found() -> None:
    found, told, _commands = tried(Behaviour(behind_starttls="clear"))
    assert found is Injection.VULNERABLE
    assert "in the clear: 250 2.0.0 Ok" in told


def test_replies_that_are_shifted_by_one_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # A server that executes what it has only when more comes: the answer to QUIT is that to NOOP.
    monkeypatch.setattr(injection, "_LISTEN_SECONDS", 0.0)
    found, told, _commands = tried(Behaviour(behind_starttls="inside"))
    assert found is Injection.VULNERABLE
    assert "250 2.0.0 Ok" in told


def test_a_server_that_drops_it_is_tried_twice_and_clean() -> None:
    found, told, commands = tried(Behaviour())
    assert (found, told) == (Injection.NOT_DETECTED, "")
    assert len(commands) == 3
    assert all(session[-1] == "QUIT" for session in commands)


def test_a_server_that_refuses_pipelined_input_is_clean() -> None:
    class Refuses(Responder):
        @property
        def behaviour(self) -> Behaviour:
            # The first client sends no payload.
            return Behaviour() if len(self.sessions) < 2 else Behaviour(starttls=b"554 5.5.0 Protocol error\r\n")

        @behaviour.setter
        def behaviour(self, _behaviour: Behaviour) -> None: ...

    async def run() -> Injection:
        async with Refuses(credentials.server_context(credentials.ecdsa(HOST))) as server:
            endpoint = Endpoint("127.0.0.1", server.port)
            return (await try_all({endpoint: None}, "probe.example", LIMITS, 1))[endpoint][0]

    assert asyncio.run(run()) is Injection.NOT_DETECTED


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(ehlo=b"250 mx.example.nl\r\n"),
        Behaviour(close_at="greeting"),
        Behaviour(reset_at="handshake"),
        Behaviour(after_ready=b"250 hello\r\n"),
        Behaviour(raw_handshake=b"no TLS here\r\n"),
    ],
)
def test_without_starttls_in_order_it_is_inconclusive(behaviour: Behaviour) -> None:
    found, told, commands = tried(behaviour)
    assert found is Injection.INCONCLUSIVE
    assert told.startswith("without any payload: ")
    assert len(commands) == 1
