# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Updates before servers that forge, garble and cut off their answers; honest ones are in the integration tests."""

from __future__ import annotations

import asyncio
import struct
import typing as t

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, TlsaRrset
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.tsig_key import TsigKey
from ansible_collections.mailsec.dane.plugins.module_utils._publish.update import Refusal, UpdateError, replace_rrset

OWNER, ZONE = "_25._tcp.mx.example.nl", "example.nl"
OLD, NEW = TlsaRecord(3, 1, 1, bytes(32)), TlsaRecord(3, 1, 1, b"x" * 32)
KEY = TsigKey("tlsa", b"the secret of this test")
NONE = TlsaRrset(OWNER, ())
WANTED = TlsaRrset(OWNER, (NEW,), 60)


def keyring(secret: bytes = KEY.secret, name: str = KEY.name) -> dns.tsig.Key:
    return dns.tsig.Key(dns.name.from_text(f"{name}."), secret, dns.name.from_text("hmac-sha256."))


Answer = t.Callable[[bytes], bytes]


def send(
    answer: Answer,
    expected: TlsaRrset = NONE,
    wanted: TlsaRrset = WANTED,
    key: TsigKey | None = KEY,
    wildcard: str = "",
) -> tuple[UpdateError | None, list[bytes]]:
    """Send an update to a server that answers thus; return the error and what the server got."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        seen.append(await reader.readexactly(length))
        writer.write(answer(seen[-1]))
        writer.close()

    async def run() -> UpdateError | None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            where = Server(*server.sockets[0].getsockname()[:2])
            try:
                await replace_rrset(where, ZONE, expected, wanted, key, 20, attempts=2, wildcard=wildcard)
            except UpdateError as error:
                assert KEY.secret.decode() not in str(error)
                return error
        return None

    return asyncio.run(run()), seen


def framed(wire: bytes) -> bytes:
    return struct.pack("!H", len(wire)) + wire


def signed(secret: bytes = KEY.secret, rcode: str = "NOERROR", name: str = KEY.name) -> Answer:
    def answer(data: bytes) -> bytes:
        query = dns.message.from_wire(data, keyring=keyring())
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.from_text(rcode))
        reply.use_tsig(keyring(secret, name))
        reply.request_mac = query.mac
        return framed(reply.to_wire())

    return answer


def unsigned(rcode: str = "NOERROR") -> Answer:
    def answer(data: bytes) -> bytes:
        reply = dns.message.Message(struct.unpack("!H", data[:2])[0])
        reply.flags = 0xA800
        reply.set_rcode(dns.rcode.from_text(rcode))
        return framed(reply.to_wire())

    return answer


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (signed(), None),
        (signed(b"another secret"), Refusal.UNSIGNED_REPLY),
        (signed(name="other"), Refusal.UNSIGNED_REPLY),
        (unsigned(), Refusal.UNSIGNED_REPLY),
        (unsigned("REFUSED"), Refusal.REFUSED),
        (signed(rcode="NXRRSET"), Refusal.CHANGED_MEANWHILE),
        (signed(rcode="YXRRSET"), Refusal.CHANGED_MEANWHILE),
        (signed(rcode="NOTAUTH"), Refusal.NOT_AUTHORITATIVE),
        (signed(rcode="NOTZONE"), Refusal.NOT_IN_ZONE),
        (signed(rcode="NOTIMP"), Refusal.NOT_SUPPORTED),
        (signed(rcode="SERVFAIL"), Refusal.SERVER_FAILURE),
        (signed(rcode="FORMERR"), Refusal.MALFORMED),
        (lambda _data: framed(b"rubbish that is not a DNS message"), Refusal.MALFORMED),
        (lambda data: signed()(data)[:20], Refusal.UNANSWERED),
        (lambda _data: b"", Refusal.UNANSWERED),
    ],
)
def test_every_answer_but_a_signed_yes_is_an_error(answer: Answer, refusal: Refusal | None) -> None:
    error, seen = send(answer)
    assert (error.refusal if error else None) is refusal
    assert len(seen) == (2 if refusal is Refusal.UNANSWERED else 1)


def test_the_answer_to_another_update_is_none() -> None:
    error, _seen = send(lambda data: unsigned()(b"\0\0" + data[2:]), key=None)
    assert error is not None and error.refusal is Refusal.MALFORMED


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_end_in_an_error(noise: bytes) -> None:
    error, _seen = send(lambda data: framed(data[:2] + noise))
    assert error is not None


@pytest.mark.parametrize(
    ("expected", "wanted"),
    [
        (NONE, WANTED),
        (TlsaRrset(OWNER, (OLD, NEW), 60), WANTED),
        (TlsaRrset(OWNER, (OLD,), 60), NONE),
        (TlsaRrset(OWNER, (TlsaRecord(3, 1, 1, b""),), 60), WANTED),
    ],
)
def test_one_message_with_the_condition_and_the_whole_change(expected: TlsaRrset, wanted: TlsaRrset) -> None:
    error, (data,) = send(signed(), expected, wanted)
    assert error is None
    update = dns.message.from_wire(data, keyring=keyring())
    assert isinstance(update, dns.update.UpdateMessage)
    assert [rrset.name.to_text() for rrset in update.zone] == [f"{ZONE}."]
    conditions = {rdata.to_digestable() for rrset in update.prerequisite for rdata in rrset}
    assert conditions == {record.to_wire() for record in expected.records}
    assert {rrset.ttl for rrset in update.prerequisite} == {0}
    if not expected.records:
        assert [rrset.deleting for rrset in update.prerequisite] == [dns.rdataclass.NONE]
    assert update.update[0].deleting == dns.rdataclass.ANY and update.update[0].rdtype == dns.rdatatype.TLSA
    added = {(rdata.to_digestable(), rrset.ttl) for rrset in update.update[1:] for rdata in rrset}
    assert added == {(record.to_wire(), wanted.ttl) for record in wanted.records}


def test_a_server_that_cannot_be_reached() -> None:
    with pytest.raises(UpdateError, match="cannot be reached") as raised:
        asyncio.run(replace_rrset(Server("127.0.0.1", 1), ZONE, NONE, WANTED, KEY, 20))
    assert raised.value.refusal is Refusal.UNREACHABLE


def test_an_rrset_needs_a_ttl() -> None:
    with pytest.raises(ValueError, match="no TTL"):
        send(signed(), wanted=TlsaRrset(OWNER, (NEW,)))


def test_records_of_a_wildcard_are_a_condition_at_the_wildcard_and_their_absence_at_the_owner() -> None:
    there = TlsaRrset(WANTED.owner, WANTED.records, 60)
    error, seen = send(signed(), expected=there, wildcard=f"*.{ZONE}")
    assert error is None
    sent = dns.message.from_wire(seen[0], keyring=keyring())
    assert isinstance(sent, dns.update.UpdateMessage)
    absent = [rrset.name.to_text() for rrset in sent.prerequisite if rrset.deleting == dns.rdataclass.NONE]
    present = {rrset.name.to_text() for rrset in sent.prerequisite if rrset.deleting is None}
    assert (absent, present) == ([f"{WANTED.owner}."], {f"*.{ZONE}."})
