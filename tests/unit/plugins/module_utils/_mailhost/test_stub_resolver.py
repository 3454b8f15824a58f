# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers are read as dnspython writes them; nonsense ends in a status, never in an endless loop."""

from __future__ import annotations

import struct

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.stub_resolver import (
    Answer,
    Found,
    Names,
    ask,
    parse,
    query,
    read_hosts,
    read_order,
    read_resolv_conf,
    wire_name,
)


def answer(asked: bytes, *records: str, rcode: int = 0, authority: str = "") -> bytes:
    """An answer to a query as a real name server sends it, with compressed names."""
    made = dns.message.make_response(dns.message.from_wire(asked), recursion_available=True)
    made.set_rcode(rcode)
    for record in records:
        name, kind, data = record.split(" ", 2)
        made.answer.append(dns.rrset.from_text(name, 60, "IN", kind, data))
    if authority:
        made.authority.append(dns.rrset.from_text(authority, 60, "IN", "SOA", f"ns.{authority} root. 1 2 3 4 5"))
    return made.to_wire()


def test_records_of_every_type_are_read() -> None:
    asked = query("mail.corp.example", "MX", dnssec=True)
    records = [
        "mail.corp.example. MX 10 Exch.corp.example.",
        "mail.corp.example. A 192.0.2.5",
        "mail.corp.example. AAAA 2001:db8::5",
        "mail.corp.example. TXT text",
        "mail.corp.example. SRV 1 2 25 exch.corp.example.",
        "mail.corp.example. SOA ns.corp.example. root.corp.example. 1 2 3 4 5",
    ]
    read = parse(asked, answer(asked, *records))
    assert read.status == "NOERROR" and read.zone == "mail.corp.example"
    assert read.of("MX") == ("10 exch.corp.example",)
    assert read.of("A") + read.of("AAAA") == ("192.0.2.5", "2001:db8::5")
    assert read.of("SRV") == ("exch.corp.example",) and read.of("SOA") == ("ns.corp.example",)


def test_the_zone_of_an_absent_name_stands_in_the_authority_section() -> None:
    asked = query("no.corp.example", "A", dnssec=False)
    read = parse(asked, answer(asked, rcode=3, authority="corp.example."))
    assert (read.status, read.records, read.zone) == ("NXDOMAIN", (), "corp.example")
    assert read.primary == "ns.corp.example"


def test_a_query_asks_for_signatures_as_postfix_does() -> None:
    plain, signed = (dns.message.from_wire(query("a.example", "A", dnssec)) for dnssec in (False, True))
    assert not plain.flags & dns.flags.AD and plain.edns == -1
    assert signed.flags & dns.flags.AD and signed.ednsflags & dns.flags.DO


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["x" * 60] * 5)])
def test_what_is_not_a_name_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="is not a domain name"):
        wire_name(name)


def test_a_loop_of_pointers_ends() -> None:
    asked = query("a.example", "A", dnssec=False)
    head = asked[:2] + struct.pack("!5H", 0x8180, 0, 1, 0, 0)
    assert parse(asked, head + b"\xc0\x0c" + bytes(10)).status == "malformed"


@given(st.binary(max_size=200))
def test_nonsense_is_malformed_or_an_answer_and_never_an_exception(data: bytes) -> None:
    asked = query("a.example", "A", dnssec=False)
    assert isinstance(parse(asked, asked[:2] + b"\x81\x80" + data), Answer)


def test_nobody_listens() -> None:
    assert ask("127.0.0.1@1", "a.example", "A", timeout=1).status == "unreachable"


class Told(Names):
    """Names that are answered from a table: (name, type) to a status or to records."""

    def __init__(self, table: dict[tuple[str, str], str], **more: object) -> None:
        super().__init__(["192.0.2.1"], {"inhosts": frozenset({"192.0.2.9"})}, **more)  # type: ignore[arg-type]
        self.table = table

    def dns(self, name: str, kind: str, dnssec: bool = False) -> Answer:
        told = self.table.get((name, kind), "NXDOMAIN")
        if told.isupper() and not any(char.isdigit() for char in told):
            return Answer(told)
        return Answer("NOERROR", tuple((kind, data) for data in told.split(", ")))


def test_the_search_list_is_for_the_c_library_only() -> None:
    names = Told({("exch.corp.example", "A"): "192.0.2.5"}, search=["corp.example"])
    assert names.native("exch").values == {"192.0.2.5"}
    assert names.addresses("exch") == Found("absent", reason="DNS says NXDOMAIN")
    assert names.native("exch.").state == "absent"
    assert names.native("INHOSTS").values == {"192.0.2.9"}


def test_a_temporary_failure_is_unknown_and_an_address_beside_it_counts() -> None:
    assert Told({("a", "A"): "SERVFAIL"}).addresses("a") == Found("unknown", reason="DNS says SERVFAIL")
    assert Told({("a", "A"): "192.0.2.5", ("a", "AAAA"): "SERVFAIL"}).addresses("a").state == "found"
    assert Told({("a", "A"): "SERVFAIL"}).native("a").state == "unknown"


def test_where_mail_for_a_domain_goes() -> None:
    table = {("d", "MX"): "10 a, 20 b", ("a", "A"): "192.0.2.5", ("b", "A"): "SERVFAIL", ("n", "MX"): "0 ",
             ("t", "MX"): "SERVFAIL", ("p", "A"): "192.0.2.6", ("l", "MX"): "10 b"}  # fmt: skip
    names = Told(table)
    seen = {name: names.domain(name, False, names.addresses) for name in "dntpl"}
    assert seen["d"].values == {"192.0.2.5"} and seen["p"].values == {"192.0.2.6"}
    assert seen["n"].state == "absent" and seen["t"].state == "unknown" and seen["l"].state == "unknown"


def test_configuration_files() -> None:
    hosts = read_hosts("192.0.2.1 a A.example # b\n::1 a\nnonsense x\n# 192.0.2.2 c\n")
    assert hosts == {"a": {"192.0.2.1", "::1"}, "a.example": {"192.0.2.1"}}
    assert read_order("passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] dns # x\n") == (
        "files", "mdns4_minimal", "dns"
    )  # fmt: skip
    assert read_order("") == ("files", "dns")
    text = "domain x\nsearch a.example b\noptions ndots:2 edns0\nnameserver 192.0.2.1\nnameserver ::1\n"
    read = read_resolv_conf(text)
    assert (read.servers, read.search, read.ndots) == (("192.0.2.1", "::1"), ("a.example", "b"), 2)
    assert read_resolv_conf("").servers == ("127.0.0.1",)


def test_a_query_without_validation() -> None:
    asked = dns.message.from_wire(query("a.example", "A", dnssec=True, checked=False))
    assert asked.flags & dns.flags.CD and asked.flags & dns.flags.RD


@pytest.mark.parametrize("rcode", [0, 3, 2, 1])
@pytest.mark.parametrize("question", ["", "other.example"])
def test_d08_an_answer_without_the_question_is_none(question: str, rcode: int) -> None:
    asked = query("mx.example", "A", dnssec=False)
    made = dns.message.from_wire(answer(asked, "mx.example. A 192.0.2.66", rcode=rcode))
    made.question = [dns.rrset.from_text(f"{question}.", 0, "IN", "A")] if question else []
    expected = {1: "FORMERR", 2: "SERVFAIL"}.get(rcode, "malformed") if not question else "malformed"
    assert parse(asked, made.to_wire()).status == expected
