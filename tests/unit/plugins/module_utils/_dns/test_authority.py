# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What authoritative servers say, and what else they may do: servers on loopback that send any bytes (B06)."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import socket
import struct
import typing as t

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import loopback

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, TlsaRrset
from ansible_collections.mailsec.dane.plugins.module_utils._dns.authority import (
    AuthorityError,
    find_name_servers,
    find_zone,
    observe,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Delegation, Status, View
from ansible_collections.mailsec.dane.plugins.module_utils._dns.wildcard_look import (
    addresses_from_wildcard,
    find_wildcard,
)

OWNER, ZONE = "_25._tcp.mx.example.nl", "example.nl"
RECORD = TlsaRecord(3, 1, 1, bytes(32))
TLSA = f"{OWNER}. 60 IN TLSA {RECORD.to_text()}"
SOA = f"{ZONE}. 60 IN SOA ns1.{ZONE}. hostmaster.{ZONE}. 7 1 1 1 1"

Answer = t.Callable[[dns.message.Message, str], t.Optional[bytes]]  # noqa: UP045 - pylint reads it at run time


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        wire = self._answer(dns.message.from_wire(data), "udp")
        if wire is not None:
            self._transport.sendto(wire, addr)


@contextlib.asynccontextmanager
async def name_server(answer: Answer) -> c.AsyncIterator[Server]:
    """Answer with what ``answer`` returns for a query and ``udp`` or ``tcp``, or not at all for None."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        wire = answer(dns.message.from_wire(await reader.readexactly(length)), "tcp")
        if wire is not None:
            writer.write(struct.pack("!H", len(wire)) + wire)
        writer.close()

    udp, tcp = loopback.pair()
    port = tcp.getsockname()[1]
    server = await asyncio.start_server(serve, sock=tcp)
    transport, _protocol = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Udp(answer), sock=udp)
    try:
        yield Server("127.0.0.1", port)
    finally:
        transport.close()
        server.close()


def message(
    query: dns.message.Message,
    answer: t.Sequence[str] = (),
    authority: t.Sequence[str] = (),
    rcode: str = "NOERROR",
    authoritative: bool = True,
) -> dns.message.Message:
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.from_text(rcode))
    if authoritative:
        reply.flags |= dns.flags.AA
    for section, lines in ((reply.answer, answer), (reply.authority, authority)):
        for line in lines:
            name, ttl, rdclass, rdtype, rdata = line.split(None, 4)
            section.append(dns.rrset.from_text(name, int(ttl), rdclass, rdtype, rdata))
    return reply


def always(**said: t.Any) -> Answer:
    """The same for every TLSA question; the SOA record for the others."""

    def answer(query: dns.message.Message, _transport: str) -> bytes:
        about_soa = "SOA" in query.question[0].to_text()
        return message(query, [SOA]).to_wire() if about_soa else message(query, **said).to_wire()

    return answer


def look(answer: Answer, timeout: float = 10) -> View:
    async def run() -> View:
        async with name_server(answer) as server:
            (view,) = await observe(OWNER, ZONE, [server], timeout)
            return view

    return asyncio.run(run())


def test_the_signatures_of_the_zone_are_those_over_its_soa_record() -> None:
    def signed(inception: str, rdtype: str, owner: str) -> str:
        return f"{owner}. 60 IN RRSIG {rdtype} 13 3 60 20300101000000 {inception} 7 {ZONE}. AAAA"

    def answer(query: dns.message.Message, _transport: str) -> bytes:
        if "SOA" in query.question[0].to_text():
            return message(query, [SOA, signed("20260102000000", "SOA", ZONE)]).to_wire()
        return message(query, [TLSA, signed("20260101000000", "TLSA", OWNER)]).to_wire()

    view = look(answer)
    assert [one.inception.day for one in view.signatures] == [1]
    assert [one.inception.day for one in view.zone_signatures] == [2]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"answer": [TLSA]}, Status.SERVED),
        ({"answer": [TLSA.upper()]}, Status.SERVED),
        ({"authority": [SOA]}, Status.ABSENT),
        ({"authority": [SOA], "rcode": "NXDOMAIN"}, Status.ABSENT),
        ({}, Status.MALFORMED),
        ({"rcode": "NXDOMAIN"}, Status.MALFORMED),
        ({"answer": [TLSA], "authoritative": False}, Status.LAME),
        ({"authority": [f"{ZONE}. 60 IN NS ns1.{ZONE}."], "authoritative": False}, Status.LAME),
        ({"authority": [SOA.replace("example.nl. 60", "nl. 60")]}, Status.LAME),
        ({"answer": [f"{OWNER}. 60 IN CNAME mx._tlsa.{ZONE}."]}, Status.ALIAS),
        ({"answer": [f"other.{ZONE}. 60 IN TLSA {RECORD.to_text()}"], "authority": [SOA]}, Status.ABSENT),
        ({"rcode": "REFUSED"}, Status.REFUSED),
        ({"rcode": "NOTAUTH"}, Status.REFUSED),
        ({"rcode": "SERVFAIL"}, Status.SERVFAIL),
        ({"rcode": "FORMERR"}, Status.MALFORMED),
    ],
    ids=str,
)
def test_each_answer_has_its_status(said: dict[str, t.Any], status: Status) -> None:
    view = look(always(**said))
    assert view.status is status
    assert view.serial == 7
    assert bool(view.records) is (status is Status.SERVED) and bool(view.detail) is not view.is_known


@pytest.mark.parametrize("data", [b"", b"short", bytes(33)])
def test_a_record_that_is_broken_is_served_all_the_same(data: bytes) -> None:
    wire = TlsaRecord(3, 1, 1, data).to_wire()
    view = look(always(answer=[TLSA, f"{OWNER}. 60 IN TLSA \\# {len(wire)} {wire.hex()}"]))
    assert set(view.records) == {RECORD, TlsaRecord(3, 1, 1, data)}


def test_ports_that_other_programs_have_make_no_test_fail() -> None:
    with contextlib.ExitStack() as others:
        for _number in range(500):
            others.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("127.0.0.1", 0))
        assert {look(always(answer=[TLSA])).status for _number in range(100)} == {Status.SERVED}


def test_silence_is_no_absence() -> None:
    view = look(lambda _query, _transport: None, timeout=0.3)
    assert (view.status, view.is_known, view.serial) == (Status.TIMEOUT, False, None)


def test_a_datagram_that_gets_lost_is_asked_for_again() -> None:
    seen: list[str] = []

    def answer(query: dns.message.Message, transport: str) -> bytes | None:
        seen.append(transport)
        return always(answer=[TLSA])(query, transport) if len(seen) > 2 else None

    assert look(answer).status is Status.SERVED


def test_what_does_not_fit_is_asked_for_over_tcp() -> None:
    many = [f"{OWNER}. 60 IN TLSA 3 1 1 {number:064x}" for number in range(60)]

    def answer(query: dns.message.Message, transport: str) -> bytes:
        full = message(query, [SOA] if "SOA" in query.question[0].to_text() else many)
        if transport == "udp" and len(full.to_wire(max_size=65535)) > 1232:
            full = message(query)
            full.flags |= dns.flags.TC
        return full.to_wire(max_size=65535)

    assert len(look(answer).records) == 60


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=0, max_size=80))
def test_any_bytes_are_no_answer(noise: bytes) -> None:
    view = look(lambda query, _transport: struct.pack("!H", query.id) + noise)
    assert not view.is_known


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(2, 250), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_garbled_answer_ends_in_a_status(changes: list[tuple[int, int]]) -> None:
    signature = f"{OWNER}. 60 IN RRSIG TLSA 13 5 60 20261208213255 20261124213255 1 {ZONE}. {'q' * 86}=="

    def answer(query: dns.message.Message, _transport: str) -> bytes:
        wire = bytearray(message(query, [TLSA, signature], [SOA]).to_wire())
        for position, byte in changes:
            wire[position % len(wire) or 2] = byte
        return bytes(wire)

    assert isinstance(look(answer).status, Status)


def test_names_of_servers_that_are_no_host_names() -> None:
    long = ".".join(["\\001" * 60] * 4)

    async def run() -> Delegation:
        names = [f"{ZONE}. 60 IN NS {long}.", f"{ZONE}. 60 IN NS {{{{x}}}}.{ZONE}."]

        def answer(query: dns.message.Message, _transport: str) -> bytes:
            return message(query, names if query.question[0].rdtype == 2 else [], [SOA]).to_wire()

        async with name_server(answer) as server:
            return await find_name_servers(ZONE, server, [], 20)

    delegation = asyncio.run(run())
    assert delegation.servers == ()
    assert len([note for note in delegation.notes if "has no address" in note]) == 2
    assert "{{" not in str(delegation)


def test_what_is_served_is_compared_with_its_ttl() -> None:
    view = look(always(answer=[TLSA]))
    assert view.serves(TlsaRrset(OWNER, (RECORD,), 60))
    assert not view.serves(TlsaRrset(OWNER, (RECORD,), 61))
    assert not view.serves(TlsaRrset(OWNER, (RECORD, TlsaRecord(3, 1, 1, b"x" * 32)), 60))
    assert not view.serves(TlsaRrset(OWNER, ()))
    assert look(always(authority=[SOA])).serves(TlsaRrset(OWNER, ()))
    assert not look(always(rcode="SERVFAIL")).serves(TlsaRrset(OWNER, ()))


def zone_of(answer: Answer, recursive: bool = False) -> str:
    async def run() -> str:
        async with name_server(answer) as server:
            return await find_zone(server, OWNER, 20, recursive)

    return asyncio.run(run())


def test_the_zone_of_a_name() -> None:
    assert zone_of(lambda query, _t: message(query, authority=[SOA], rcode="NXDOMAIN").to_wire()) == ZONE
    root = SOA.replace("example.nl. 60", ". 60")
    assert zone_of(lambda query, _t: message(query, authority=[root]).to_wire()) == ""
    assert zone_of(lambda query, _t: message(query, authority=[SOA], authoritative=False).to_wire(), True) == ZONE


def test_the_soa_record_beside_an_alias_is_not_that_of_the_name() -> None:
    def answer(query: dns.message.Message, _transport: str) -> bytes:
        if query.question[0].name.to_text() == f"{OWNER}.":
            alias = f"{OWNER}. 60 IN CNAME tlsa.nl."
            return message(query, [alias], [SOA.replace("example.nl. 60", "nl. 60")]).to_wire()
        return message(query, authority=[SOA]).to_wire()

    assert zone_of(answer) == ZONE


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"rcode": "REFUSED"}, "answers REFUSED"),
        ({"authoritative": False}, "not authoritative"),
        ({"authority": [f"{ZONE}. 60 IN NS ns9.nl."], "authoritative": False}, "delegates example.nl to others"),
        ({"authority": [SOA.replace("example.nl. 60", "other.nl. 60")]}, "names no zone"),
    ],
)
def test_a_server_that_has_not_the_zone(said: dict[str, t.Any], why: str) -> None:
    with pytest.raises(AuthorityError, match=why):
        zone_of(lambda query, _transport: message(query, **said).to_wire())


def test_a_flood_of_name_servers_is_refused() -> None:
    names = [f"{ZONE}. 60 IN NS ns{number}.{ZONE}." for number in range(40)]

    async def run() -> None:
        async with name_server(lambda query, _transport: message(query, names).to_wire()) as server:
            await find_name_servers(ZONE, server, [], 20)

    with pytest.raises(AuthorityError, match="40 name servers"):
        asyncio.run(run())


_LABELS = {"owner": 5, "*.mx.example.nl": 3, "*.example.nl": 2, "*": 0}


@pytest.mark.parametrize(("name", "labels"), _LABELS.items())
def test_the_signature_tells_the_wildcard(name: str, labels: int) -> None:
    """RFC 4034 section 3.1.3: the field labels counts neither the root nor the wildcard."""
    signature = f"TLSA 13 {labels} 60 20300101000000 20200101000000 7 {ZONE}. AAAA"
    rrsig = f"{OWNER}. 60 IN RRSIG {signature}"
    proof = f"mx.{ZONE}. 900 IN NSEC zz.{ZONE}. A RRSIG NSEC"
    view = look(always(answer=[TLSA, rrsig], authority=[proof]))
    assert view.records == (RECORD,) and view.signatures
    assert (view.wildcard, view.proof_ttl) == (("", 0) if name == "owner" else (name, 900))
    assert view.as_dict()["wildcard"] == view.wildcard


def test_without_a_signature_no_wildcard_can_be_seen() -> None:
    assert look(always(answer=[TLSA])).wildcard == ""


def wildcard_of(answers: dict[str, str], rcode: str = "NOERROR") -> str:
    """What is found behind OWNER when the server has ``answers`` by question, and denies all others."""

    def answer(query: dns.message.Message, _transport: str) -> bytes:
        asked = query.question[0]
        text = f"{asked.name.to_text().removesuffix('.')} {dns.rdatatype.to_text(asked.rdtype)}"
        if text == f"{ZONE} SOA":
            return message(query, [SOA]).to_wire()
        if text in answers:
            name, _rdtype = text.split()
            return message(query, [f"{name}. 60 IN {line}" for line in answers[text].split("; ")]).to_wire()
        return message(query, authority=[SOA], rcode=rcode).to_wire()

    async def run() -> str:
        async with name_server(answer) as server:
            return await find_wildcard(server, OWNER, ZONE, 10)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({}, ""),
        ({"*._tcp.mx.example.nl TLSA": f"TLSA {RECORD.to_text()}"}, "*._tcp.mx.example.nl"),
        ({"*._tcp.mx.example.nl TLSA": "CNAME tlsa.nl."}, "*._tcp.mx.example.nl"),
        ({"*.mx.example.nl TLSA": f"TLSA {RECORD.to_text()}", "mx.example.nl A": "A 192.0.2.1"}, "*.mx.example.nl"),
        # A name that exists keeps wildcards above it away (RFC 4592 section 2.2.1).
        ({"*.example.nl TLSA": f"TLSA {RECORD.to_text()}", "mx.example.nl A": "A 192.0.2.1"}, ""),
        ({"*.example.nl TLSA": f"TLSA {RECORD.to_text()}", "mx.example.nl AAAA": "AAAA 2001:db8::1"}, ""),
        ({"*.example.nl TLSA": f"TLSA {RECORD.to_text()}"}, "*.example.nl"),
        # The addresses come from the wildcard as well, so that the name does not exist.
        (
            {
                "*.example.nl TLSA": f"TLSA {RECORD.to_text()}",
                "mx.example.nl A": f"A 192.0.2.1; RRSIG A 13 2 60 20300101000000 20200101000000 7 {ZONE}. AAAA",
            },
            "*.example.nl",
        ),
        ({"*.nl TLSA": f"TLSA {RECORD.to_text()}"}, ""),
    ],
    ids=str,
)
def test_the_wildcard_that_an_rrset_hides(answers: dict[str, str], found: str) -> None:
    assert wildcard_of(answers) == found


def test_whether_there_is_a_wildcard_is_not_guessed() -> None:
    with pytest.raises(AuthorityError, match=r"whether there is \*\._tcp\.mx\.example\.nl: it answers SERVFAIL"):
        wildcard_of({}, "SERVFAIL")


def serving(answers: dict[str, str]) -> t.Callable[[dns.message.Message, str], bytes]:
    """Answer from ``answers`` by question, refuse everything where there are none, and deny all others."""

    def answer(query: dns.message.Message, _transport: str) -> bytes:
        asked = query.question[0]
        name = asked.name.to_text().removesuffix(".")
        lines = answers.get(f"{name} {dns.rdatatype.to_text(asked.rdtype)}")
        if not answers:
            return message(query, rcode="REFUSED").to_wire()
        if lines is None:
            return message(query, authority=[SOA]).to_wire()
        return message(query, [f"{name}. 60 IN {line}" for line in lines.split("; ")]).to_wire()

    return answer


_ADDRESS = "A 192.0.2.1"
_SAME = {"mx.example.nl A": _ADDRESS, "*.example.nl A": _ADDRESS}
_SIGNED = "RRSIG A 13 {} 60 20300101000000 20200101000000 7 example.nl. AAAA"
_FROM_WILDCARD = {"mx.example.nl A": f"{_ADDRESS}; {_SIGNED.format(2)}"}
_OWN = {"mx.example.nl A": f"{_ADDRESS}; {_SIGNED.format(3)}"}


@pytest.mark.parametrize(
    ("servers", "found"),
    [
        ([_FROM_WILDCARD], ("*.example.nl", True)),
        ([_OWN], ("", True)),
        ([{"mx.example.nl A": _ADDRESS, "*.example.nl A": "A 192.0.2.2"}], ("", False)),
        # A primary that does not sign cannot tell, and many a domain has the same address for all names.
        ([_SAME], ("*.example.nl", False)),
        ([_SAME, _FROM_WILDCARD], ("*.example.nl", True)),
        ([_SAME, _OWN], ("", True)),
        ([_SAME, {}, _OWN], ("", True)),
        ([_SAME, {}, _SAME], ("*.example.nl", False)),
    ],
    ids=str,
)
def test_the_wildcard_that_addresses_come_from(servers: list[dict[str, str]], found: tuple[str, bool]) -> None:
    async def run() -> tuple[str, bool]:
        async with contextlib.AsyncExitStack() as stack:
            asked = [await stack.enter_async_context(name_server(serving(one))) for one in servers]
            return await addresses_from_wildcard(asked, OWNER, ZONE, 10)

    assert asyncio.run(run()) == found


def test_whether_a_wildcard_gives_the_addresses_is_not_guessed() -> None:
    async def run() -> None:
        async with name_server(serving({})) as server:
            await addresses_from_wildcard([server], OWNER, ZONE, 10)

    with pytest.raises(AuthorityError, match=r"does not tell the A records of mx\.example\.nl"):
        asyncio.run(run())
