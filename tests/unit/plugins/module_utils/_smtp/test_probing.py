# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe saw, and what it means: how long we waited and whether we were let in says nothing about others."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import typing as t

import pytest
from oracle import pki
from support import credentials
from support.memory_dns import MemoryDns
from support.smtp_responder import Behaviour, Responder

from ansible_collections.mailsec.dane.plugins.module_utils._audit import report
from ansible_collections.mailsec.dane.plugins.module_utils._audit.audit import Audit, Settings
from ansible_collections.mailsec.dane.plugins.module_utils._dane import near_miss
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, compute
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, load_der
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._room import Room
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import dialogue, ehlo
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.dialogue import probe

HOST = "mx.example.nl"
EC, RSA = credentials.ecdsa(HOST), credentials.rsa_self_signed(HOST)
RECORDS = tuple(compute(load_der(EC.chain[place]), usage, 1, 1).to_text() for place, usage in ((0, 3), (1, 2)))


def served(
    behaviour: Behaviour, *, ehlo_name: str = "probe.example.nl", limits: Limits | None = None, **settings: t.Any
) -> tuple[dict[str, t.Any], Responder]:
    """Audit a host whose records fit; return the result and the server."""

    async def run() -> tuple[dict[str, t.Any], Responder]:
        async with Responder(credentials.server_context(EC), behaviour) as server:
            dns = MemoryDns().add(HOST, "A", "127.0.0.1").add(f"_{server.port}._tcp.{HOST}", "TLSA", *RECORDS)
            wanted = Settings(
                port=server.port, special_use=True, now=pki.NOW, ehlo_name=ehlo_name, limits=limits or Limits(),
                **settings,
            )  # fmt: skip
            (verdict,) = [one async for one in Audit(dns, wanted).hosts([HOST])]
            return report.host_result(verdict, pki.NOW), server

    return asyncio.run(run())


def codes(result: dict[str, t.Any]) -> set[str]:
    return {entry["code"] for entry in result["findings"]}


# P01: senders wait for minutes.


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "starttls", "handshake", "ehlo-tls"])
def test_p01_a_slow_server_delivers_and_is_called_slow(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "_SLOW", 0.2)
    result, _server = served(Behaviour(delay_at=stage, delay_seconds=0.4))
    assert (result["verdict"], codes(result)) == ("authenticated", {"endpoint-slow"})


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "starttls", "handshake"])
def test_p01_what_we_did_not_wait_for_is_unknown(stage: str) -> None:
    result, _server = served(Behaviour(delay_at=stage, delay_seconds=60), limits=Limits(total=0.5))
    assert (result["verdict"], result["reason"], codes(result)) == ("unknown", "probe-timeout", {"probe-timeout"})


def test_p01_every_step_may_take_as_long_as_senders_wait() -> None:
    """RFC 5321 section 4.5.3.2.1 and 4.5.3.2.2: five minutes for the greeting and for replies."""
    limits = Limits()
    assert min(limits.greeting, limits.reply, limits.handshake) >= 300
    assert limits.total < limits.greeting


def test_p01_the_time_is_for_all_connections_to_an_address_together() -> None:
    behaviour = Behaviour(delay_at="greeting", delay_seconds=0.6)
    result, server = served(behaviour, limits=Limits(total=0.9), sni=(True, False), key_types=(None, "rsa", "ecdsa"))
    assert result["verdict"] == "authenticated"
    assert len(server.sessions) <= 3


def test_p01_who_keeps_us_waiting_delays_nobody_else() -> None:
    async def run() -> list[str]:
        room, done = Room(1, long=0.05), []

        async def work(name: str, seconds: float) -> None:
            async with room.place():
                await asyncio.sleep(seconds)
                done.append(name)

        slow = [asyncio.ensure_future(work(f"slow {number}", 30)) for number in range(3)]
        await asyncio.sleep(0)
        await asyncio.wait_for(work("quick", 0), 20)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return done

    assert asyncio.run(run()) == ["quick"]


def test_a_place_is_held_while_the_work_is_quick_and_given_back_once() -> None:
    async def run() -> int:
        room, now, most = Room(2), 0, 0

        async def work() -> None:
            nonlocal now, most
            async with room.place():
                now += 1
                most = max(most, now)
                await asyncio.sleep(0)
                now -= 1

        await asyncio.gather(*(work() for _number in range(20)))
        return most

    assert asyncio.run(run()) == 2


# P02, P03: who is not let in knows nothing.


@pytest.mark.parametrize(
    "greeting",
    [
        b"421 4.7.0 mx.example.nl Error: too many connections from 192.0.2.1\r\n",
        b"450 4.7.1 try again later\r\n",
        b"554 5.7.1 Service unavailable; your address is blocked using bl.example\r\n",
        b"554-mx.example.nl\r\n554 Your access to this mail system has been rejected\r\n",
        b"550 not you\r\n",
    ],
)
def test_p02_p03_a_greeting_that_refuses_us_is_unknown(greeting: bytes) -> None:
    ways = {"sni": (True, False), "key_types": (None, "rsa", "ecdsa"), "repeats": 3}
    result, server = served(Behaviour(greeting=greeting), **ways)
    assert (result["verdict"], result["reason"], codes(result)) == ("unknown", "vantage-refused", {"vantage-refused"})
    assert result["findings"][0]["severity"] != "critical"
    assert len(server.sessions) == 1, "who is refused does not come again"


def test_p02_rounds_that_were_refused_leave_the_verdict_to_the_others() -> None:
    class Tired(Responder):
        async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.sessions:
                self.behaviour = Behaviour(greeting=b"421 too many connections\r\n")
            await super()._accept(reader, writer)

    async def run() -> dict[str, t.Any]:
        async with Tired(credentials.server_context(EC)) as server:
            dns = MemoryDns().add(HOST, "A", "127.0.0.1").add(f"_{server.port}._tcp.{HOST}", "TLSA", *RECORDS)
            wanted = Settings(port=server.port, special_use=True, now=pki.NOW, repeats=3, pause=0)
            (verdict,) = [one async for one in Audit(dns, wanted).hosts([HOST])]
            return report.host_result(verdict, pki.NOW)

    result = asyncio.run(run())
    assert (result["verdict"], codes(result)) == ("authenticated", {"endpoint-partly-seen"})


def test_p02_hosts_that_share_an_address_do_not_come_all_at_once() -> None:
    class Counting(Responder):
        now = most = 0

        async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.now += 1
            self.most = max(self.most, self.now)
            await super()._accept(reader, writer)
            self.now -= 1

    async def run() -> int:
        behaviour = Behaviour(delay_at="greeting", delay_seconds=0.02)
        async with Counting(credentials.server_context(EC), behaviour) as server:
            dns = MemoryDns()
            for number in range(30):
                dns.add(f"mx{number}.nl", "A", "127.0.0.1")
            wanted = Settings(port=server.port, special_use=True, now=pki.NOW)
            assert len([one async for one in Audit(dns, wanted).hosts(f"mx{number}.nl" for number in range(30))]) == 30
            return server.most

    assert asyncio.run(run()) <= 8


# P04: the name we give.


def introduced(name: str, replies: t.Mapping[str, bytes], helo: bytes = b"504 no\r\n") -> tuple[Probe, list[str]]:
    """Have a server answer EHLO by the beginning of the name; return what was seen and the commands."""

    class Choosy(Responder):
        async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mx ESMTP\r\n")
            commands.append("")
            while line := (await reader.readline()).decode().strip():
                commands[-1:] = [line, ""]
                verb, _blank, argument = line.partition(" ")
                if verb == "EHLO":
                    found = [reply for start, reply in replies.items() if argument.startswith(start)]
                    writer.write(found[0] if found else b"250-mx\r\n250 STARTTLS\r\n")
                elif verb == "HELO":
                    writer.write(helo)
                elif verb == "STARTTLS":
                    writer.write(b"454 enough\r\n")
                else:
                    writer.write(b"221 bye\r\n")
                    break
                await writer.drain()
            writer.close()

    commands: list[str] = []

    async def run() -> Probe:
        async with Choosy() as server:
            return await probe(Endpoint("127.0.0.1", server.port), HOST, name)

    return asyncio.run(run()), [command for command in commands if command]


NEED_FQDN = b"504 5.5.2 <vm>: Helo command rejected: need fully-qualified hostname\r\n"


def test_p04_a_refused_name_is_replaced_by_the_address_literal() -> None:
    seen, commands = introduced("vm", {"vm": NEED_FQDN})
    assert commands[:2] == ["EHLO vm", "EHLO [127.0.0.1]"]
    assert seen.outcome == "starttls-refused", "the dialogue goes on"
    assert seen.oddities == ("ehlo-name-refused",)
    assert "need fully-qualified hostname" in seen.evidence[0]


@pytest.mark.parametrize(
    "reply",
    [
        NEED_FQDN,
        b"501 5.5.2 <vm>: Helo command rejected: Invalid name\r\n",
        b"450 4.7.1 <vm>: Helo command rejected: Host not found\r\n",
        b"550 5.7.1 Helo command rejected: Access denied\r\n",
        b"501 Syntactically invalid EHLO argument(s)\r\n",
        b"501 5.0.0 Invalid domain name\r\n",
    ],
)
def test_p04_when_the_literal_is_refused_too_our_name_is_to_blame(reply: bytes) -> None:
    seen, commands = introduced("vm", {"": reply}, helo=reply)
    assert (seen.outcome, commands[-1]) == ("ehlo-name-refused", "QUIT")
    assert "EHLO vm was answered" in seen.detail and "EHLO [127.0.0.1] was answered" in seen.detail


def test_p04_the_verdict_is_unknown_then() -> None:
    result, _server = served(Behaviour(ehlo=NEED_FQDN, helo=NEED_FQDN))
    assert (result["verdict"], result["reason"]) == ("unknown", "ehlo-name-refused")
    assert codes(result) == {"ehlo-name-refused"}


@pytest.mark.parametrize(
    ("host", "full", "expected"),
    [
        ("mx.example.org", "", "mx.example.org"),
        ("vm", "vm.example.org", "vm.example.org"),
        ("vm", "vm", ehlo.LITERAL),
        ("localhost", "localhost.localdomain", ehlo.LITERAL),
        ("vm", "1.0.0.127.in-addr.arpa", "1.0.0.127.in-addr.arpa"),
        ("my_vm.example.org", "vm..example", ehlo.LITERAL),
        ("vm", "192.0.2.1", ehlo.LITERAL),
    ],
)
def test_p04_the_name_is_fully_qualified_or_an_address_literal(
    host: str, full: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    monkeypatch.setattr(socket, "getfqdn", lambda: full)
    assert ehlo.own_name() == ehlo.option(None) == expected


def test_p04_literals_are_those_of_rfc_5321() -> None:
    assert ehlo.literal("192.0.2.1") == "[192.0.2.1]"
    assert ehlo.literal("2001:db8::1") == "[IPv6:2001:db8::1]"
    assert ehlo.literal("fe80::1%eth0") == "[IPv6:fe80::1]"
    assert ehlo.towards(ehlo.LITERAL, "127.0.0.5") == "[127.0.0.1]"
    assert ehlo.towards("mx.example.org", "127.0.0.5") == "mx.example.org"
    with pytest.raises(ValueError, match="empty"):
        ehlo.option("")


def test_p04_without_a_name_the_literal_is_given_at_once() -> None:
    seen, commands = introduced(ehlo.LITERAL, {})
    assert commands[0] == "EHLO [127.0.0.1]"
    assert seen.oddities == ()


# P05: a keyword that is not ours to know.


@pytest.mark.parametrize("keyword", ["XXXXXXXA", "XXXX", "XXXXXXXXXXX"])
def test_p05_beside_a_working_starttls_no_keyword_is_called_masked(keyword: str) -> None:
    result, _server = served(Behaviour(ehlo=f"250-mx\r\n250-STARTTLS\r\n250 {keyword}\r\n".encode()))
    assert (result["verdict"], codes(result)) == ("authenticated", set())


def test_p05_in_the_place_of_starttls_it_is() -> None:
    result, _server = served(Behaviour(ehlo=b"250-mx\r\n250 XXXXXXXA\r\n"))
    assert codes(result) == {"starttls-missing", "starttls-keyword-masked"}


# P06: a digest of the bare key.


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("keys", [RSA, EC], ids=["PKCS #1", "EC point"])
def test_p06_the_bare_public_key_is_named(keys: credentials.Credentials, selector: int, kind: int) -> None:
    chain: list[Certificate] = [load_der(der) for der in keys.chain]
    bare = bytes(_bits(chain[0].spki))
    data = {0: bare, 1: hashlib.sha256(bare).digest(), 2: hashlib.sha512(bare).digest()}[kind]
    found = near_miss.diagnose(TlsaRecord(3, selector, kind, data), chain)
    assert found is not None
    assert (found.code, "PKCS #1" in found.evidence) == ("tlsa-wrong-object", True)
    assert found.expected == compute(chain[0], 3, 1, 1).to_text()


def _bits(spki: bytes) -> bytes:
    """The key as the library, which is not ours, gives it."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = s.load_der_public_key(spki)
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(s.Encoding.DER, s.PublicFormat.PKCS1)
    return key.public_bytes(s.Encoding.X962, s.PublicFormat.UncompressedPoint)
