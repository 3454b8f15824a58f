# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trusted resolver before servers that fail, lie or talk rubbish (tests/integration/audit has the real ones)."""

from __future__ import annotations

import asyncio
import pathlib
import random
import struct

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from support.dns_responder import DnsResponder, Handler, reply, validating

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import (
    ERROR_REASONS,
    OWN_VIEW_REASONS,
    Answer,
    Outcome,
    Security,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolv_conf import system_servers
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_trusted import Limits, TrustedResolver
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server

PATIENT = Limits(attempt=20)
#: For servers that never answer.
QUICK = Limits(attempt=1)
A = "mx.example.nl. 300 IN A 192.0.2.1"


def ask(
    *handlers: Handler,
    name: str = "mx.example.nl",
    rdtype: str = "A",
    limits: Limits = PATIENT,
    tcp: Handler | None = None,
) -> tuple[Answer, list[str]]:
    """Put one question to resolvers that behave as ``handlers``; returns the answer and what the first was asked."""

    async def run() -> tuple[Answer, list[str]]:
        responders = [DnsResponder(handler, tcp) for handler in handlers]
        for responder in responders:
            await responder.__aenter__()
        resolver = TrustedResolver([Server("127.0.0.1", responder.port) for responder in responders], limits)
        answer = await resolver.resolve(name, rdtype)
        for responder in responders:
            await responder.__aexit__()
        return answer, [question for question in responders[0].asked if "example" in question]

    return asyncio.run(run())


def outcome(answer: Answer) -> tuple[Outcome, Security, str]:
    return answer.outcome, answer.security, answer.reason


def unanswered(reason: str, security: Security = Security.INDETERMINATE) -> tuple[Outcome, Security, str]:
    return Outcome.ERROR, security, reason


class TestClassification:
    def test_refused_d2(self) -> None:
        answer, _asked = ask(validating(lambda query: reply(query, rcode=dns.rcode.REFUSED, authentic=False)))
        assert outcome(answer) == unanswered("dns-refused")

    def test_silence_d2(self) -> None:
        answer, asked = ask(validating(lambda query: None), limits=QUICK)
        assert outcome(answer) == unanswered("dns-timeout")
        assert asked == ["mx.example.nl. A"] * 2

    @pytest.mark.parametrize(
        "garbage",
        [
            b"",
            b"\0" * 12,
            b"\xff" * 40,
            b"\x84\0\0\1\0\1\0\0\0\0\0",
            b"\x81\xa0\0\1\0\1\0\0\0\0\xc0\x0c" + b"\xc0\x0c" * 9,
        ],
    )
    def test_garbage_d2(self, garbage: bytes) -> None:
        answer, _asked = ask(validating(lambda query: struct.pack("!H", query.id) + garbage))
        assert outcome(answer) == unanswered("dns-malformed")

    def test_answer_to_another_question(self) -> None:
        def other(query: dns.message.Message) -> bytes:
            made = reply(dns.message.make_query("evil.example.nl", "A"), "evil.example.nl. 300 IN A 192.0.2.66")
            made.id = query.id
            return made.to_wire()

        assert outcome(ask(validating(other))[0]) == unanswered("dns-malformed")

    def test_answer_with_another_identifier_is_not_even_looked_at(self) -> None:
        def other(query: dns.message.Message) -> dns.message.Message:
            made = reply(query, A)
            made.id ^= 1
            return made

        assert outcome(ask(validating(other), limits=QUICK)[0]) == unanswered("dns-timeout")

    def test_formerr(self) -> None:
        answer, _asked = ask(validating(lambda query: reply(query, rcode=dns.rcode.FORMERR, authentic=False)))
        assert outcome(answer) == unanswered("dns-malformed")

    def test_servfail_that_stays_one_without_validation_d2(self) -> None:
        answer, asked = ask(validating(lambda query: reply(query, rcode=dns.rcode.SERVFAIL, authentic=False)))
        assert outcome(answer) == unanswered("dns-servfail")
        assert asked == ["mx.example.nl. A", "mx.example.nl. A cd"]

    @pytest.mark.parametrize(
        ("lines", "rcode", "unproven"),
        [((A,), 0, Outcome.DATA), ((), dns.rcode.NXDOMAIN, Outcome.NXDOMAIN), ((), 0, Outcome.NODATA)],
    )
    def test_servfail_that_hides_an_answer_is_bogus_d2(
        self, lines: tuple[str, ...], rcode: int, unproven: Outcome
    ) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message:
            if query.flags & dns.flags.CD:
                return reply(query, *lines, rcode=rcode, authentic=False)
            return reply(query, rcode=dns.rcode.SERVFAIL, authentic=False)

        answer, _asked = ask(validating(handler))
        assert outcome(answer) == unanswered("dnssec-bogus", Security.BOGUS)
        assert answer.unproven is unproven

    def test_servfail_with_a_reason_is_bogus_and_the_reason_is_made_printable(self) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message:
            made = reply(query, rcode=dns.rcode.SERVFAIL, authentic=False)
            made.use_edns(0, options=[dns.edns.EDEOption(7, "old \x1b[0m {{ signature }}")])
            return made

        answer, _asked = ask(validating(handler))
        assert outcome(answer) == unanswered("dnssec-bogus", Security.BOGUS)
        assert "signature expired" in answer.detail
        assert "\x1b" not in answer.detail
        assert "{{" not in answer.detail

    def test_a_reason_that_is_not_about_dnssec_stays_servfail(self) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message:
            made = reply(query, rcode=dns.rcode.SERVFAIL, authentic=False)
            made.use_edns(0, options=[dns.edns.EDEOption(22, None)])
            return made

        assert outcome(ask(validating(handler))[0]) == unanswered("dns-servfail")

    def test_truncated_answer_is_asked_for_over_tcp(self) -> None:
        def short(query: dns.message.Message) -> dns.message.Message:
            made = reply(query)
            made.flags |= dns.flags.TC
            return made

        answer, asked = ask(validating(short), tcp=validating(lambda query: reply(query, A)))
        assert (answer.outcome, answer.rdata) == (Outcome.DATA, ("192.0.2.1",))
        assert asked == ["mx.example.nl. A"] * 2

    def test_d03_an_answer_that_is_truncated_over_tcp_too_is_none(self) -> None:
        def short(query: dns.message.Message) -> dns.message.Message:
            answer = reply(query)
            answer.flags |= dns.flags.TC
            return answer

        answer, _asked = ask(validating(short))
        assert outcome(answer) == unanswered("dns-malformed")

    def test_tcp_that_closes(self) -> None:
        def short(query: dns.message.Message) -> dns.message.Message:
            made = reply(query)
            made.flags |= dns.flags.TC
            return made

        assert outcome(ask(validating(short), tcp=validating(lambda query: None))[0]) == unanswered("dns-unreachable")

    @pytest.mark.slow
    def test_random_damage_never_raises(self) -> None:
        chance = random.Random(7)

        def damaged(query: dns.message.Message) -> bytes:
            wire = bytearray(reply(query, A, "x.example.nl. 300 IN TLSA 3 1 1 " + "ab" * 32).to_wire())
            for _change in range(chance.randrange(1, 6)):
                wire[chance.randrange(2, len(wire))] = chance.randrange(256)
            return bytes(wire[: chance.randrange(12, len(wire) + 1)])

        async def run() -> None:
            async with DnsResponder(validating(damaged)) as responder:
                resolver = TrustedResolver([Server("127.0.0.1", responder.port)], Limits(attempt=20, questions=16))
                names = [f"n{number}.example.nl" for number in range(400)]
                answers = await asyncio.gather(*(resolver.resolve(name, "A") for name in names))
            assert {answer.reason for answer in answers} <= ERROR_REASONS | {""}
            assert "dns-malformed" in {answer.reason for answer in answers}

        asyncio.run(run())


class TestTrust:
    @pytest.mark.parametrize(
        ("root", "words"),
        [
            (lambda query: reply(query, ". 300 IN SOA a. b. 1 2 3 4 5", authentic=False), "AD"),
            (lambda query: reply(query, ". 300 IN SOA a. b. 1 2 3 4 5", signed=False), "signature"),
            (lambda query: reply(query, rcode=dns.rcode.SERVFAIL, authentic=False), "SERVFAIL"),
        ],
    )
    def test_a_resolver_that_does_not_validate_is_detected_d4(self, root: Handler, words: str) -> None:
        def handler(query: dns.message.Message) -> object:
            return root(query) if query.question[0].name.to_text() == "." else reply(query, A)

        answer, asked = ask(handler)  # type: ignore[arg-type]
        assert outcome(answer) == unanswered("resolver-not-validating")
        assert words in answer.detail
        assert asked == []

    def test_forged_ad_on_data_that_nobody_signed_d4(self) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message:
            if query.question[0].name.to_text() == "localhost.":
                return reply(query, "localhost. 300 IN A 127.0.0.1")
            return reply(query, ". 300 IN SOA a. b. 1 2 3 4 5")

        answer, _asked = ask(handler)
        assert outcome(answer) == unanswered("resolver-not-validating")
        assert "localhost" in answer.detail

    def test_a_resolver_may_answer_for_localhost_as_long_as_it_does_not_call_that_authentic(self) -> None:
        def handler(query: dns.message.Message) -> object:
            if query.question[0].name.to_text() == "localhost.":
                return reply(query, "localhost. 300 IN A 127.0.0.1", authentic=False, signed=False)
            return validating(lambda asked: reply(asked, A))(query)

        assert ask(handler)[0].is_secure  # type: ignore[arg-type]

    def test_systemd_resolved_gives_itself_away(self) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message:
            if query.question[0].name.to_text() == "_localdnsstub.":
                return reply(query, "_localdnsstub. 300 IN A 127.0.0.53")
            if query.question[0].name.to_text() == "localhost.":
                return reply(query, rcode=dns.rcode.NXDOMAIN)
            return reply(query, ". 300 IN SOA a. b. 1 2 3 4 5")

        answer, _asked = ask(handler)
        assert outcome(answer) == unanswered("resolver-not-validating")
        assert "systemd-resolved" in answer.detail

    @pytest.mark.parametrize("lines", [(A,), ()])
    def test_an_authentic_answer_has_signatures_d4(self, lines: tuple[str, ...]) -> None:
        answer, _asked = ask(validating(lambda query: reply(query, *lines, signed=False)))
        assert outcome(answer) == unanswered("resolver-not-validating")

    def test_an_answer_without_ad_is_insecure_d1(self) -> None:
        answer, _asked = ask(validating(lambda query: reply(query, A, authentic=False)))
        assert outcome(answer) == (Outcome.DATA, Security.INSECURE, "")

    @pytest.mark.parametrize(
        ("ttl", "originals", "published"),
        [
            (300, (300,), 300),
            (7, (300,), 300),
            (604800, (300,), 300),
            (300, (300, 2**31 - 1), 300),
            (7, (2**31 - 1, 300), 300),
            (200, (100, 300), 300),
            (7, (), 7),
        ],
    )
    def test_d07_the_published_ttl_is_not_that_of_a_forged_signature(
        self, ttl: int, originals: tuple[int, ...], published: int
    ) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message:
            answer = reply(query, A.replace(" 300 ", f" {ttl} "), authentic=bool(originals), signed=False)
            made = [f"A 13 3 {one} 20370101000000 20200101000000 1 example.nl. AAAA" for one in originals]
            if made:
                answer.answer.append(dns.rrset.from_text("mx.example.nl.", ttl, "IN", "RRSIG", *made))
            return answer

        answer, _asked = ask(validating(handler))
        assert answer.ttl == published

    def test_servers_off_loopback_are_never_asked_d4(self) -> None:
        async def run() -> tuple[Answer, tuple[Server, ...]]:
            resolver = TrustedResolver([Server("192.0.2.53")])
            return await resolver.resolve("example.nl", "MX"), resolver.left_aside

        answer, left_aside = asyncio.run(run())
        assert outcome(answer) == unanswered("resolver-not-validating")
        assert left_aside == (Server("192.0.2.53"),)

    @pytest.mark.parametrize(
        ("address", "trusted", "believed"),
        [
            ("127.0.0.1", False, True),
            ("127.0.0.53", False, True),
            ("::1", False, True),
            ("192.0.2.1", False, False),
            ("192.0.2.1", True, True),
            ("fe80::1%eth0", False, False),
            ("::ffff:192.0.2.1", False, False),
        ],
    )
    def test_whose_ad_bit_is_believed(self, address: str, trusted: bool, believed: bool) -> None:
        assert Server(address, trusted=trusted).believed is believed

    @pytest.mark.parametrize("fault", ["silent", "refused"])
    def test_a_resolver_that_does_not_serve_us_says_nothing_about_the_domain(self, fault: str) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message | None:
            return None if fault == "silent" else reply(query, rcode=dns.rcode.REFUSED, authentic=False)

        answer, _asked = ask(handler, limits=QUICK)
        assert outcome(answer) == unanswered("dns-unreachable")
        assert answer.is_own_view

    def test_own_view_reasons_are_reasons(self) -> None:
        assert OWN_VIEW_REASONS < ERROR_REASONS


class TestSeveralServers:
    def test_the_next_one_is_asked_when_one_is_silent(self) -> None:
        def asleep(query: dns.message.Message) -> None:
            return None

        answer, _asked = ask(validating(asleep), validating(lambda query: reply(query, A)), limits=QUICK)
        assert answer.rdata == ("192.0.2.1",)

    def test_one_that_does_not_validate_is_passed_over(self) -> None:
        answer, asked = ask(lambda query: reply(query, A, authentic=False), validating(lambda query: reply(query, A)))
        assert answer.is_secure
        assert asked == []

    def test_the_most_telling_failure_is_reported(self) -> None:
        def servfail(query: dns.message.Message) -> dns.message.Message:
            return reply(query, rcode=dns.rcode.SERVFAIL, authentic=False)

        answer, _asked = ask(validating(lambda query: None), validating(servfail), limits=QUICK)
        assert answer.reason == "dns-servfail"


class TestAliases:
    def test_target_that_is_missing_from_the_answer_is_asked_for_d12(self) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message:
            if query.question[0].name.to_text() == "mx.example.nl.":
                return reply(query, "mx.example.nl. 300 IN CNAME mx.example.org.")
            return reply(query, "mx.example.org. 300 IN A 192.0.2.9")

        answer, asked = ask(validating(handler))
        assert (answer.rdata, answer.canonical_name, answer.is_secure) == (("192.0.2.9",), "mx.example.org", True)
        assert asked == ["mx.example.nl. A", "mx.example.org. A"]

    def test_an_error_at_the_target_fails_the_whole_lookup_d12(self) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message:
            if query.question[0].name.to_text() == "mx.example.nl.":
                return reply(query, "mx.example.nl. 300 IN CNAME mx.example.org.")
            return reply(query, rcode=dns.rcode.SERVFAIL, authentic=False)

        answer, _asked = ask(validating(handler))
        assert outcome(answer) == unanswered("dns-servfail")
        assert answer.canonical_name == "mx.example.org"

    def test_an_error_of_the_separate_alias_query_fails_the_whole_lookup_d10_d12(self) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message | None:
            if dns.rdatatype.to_text(query.question[0].rdtype) == "CNAME":
                return None
            lines = ("mx.example.nl. 300 IN CNAME mx.example.org.", "mx.example.org. 300 IN A 192.0.2.9")
            return reply(query, *lines, authentic=False)

        assert outcome(ask(validating(handler), limits=QUICK)[0]) == unanswered("dns-timeout")

    def test_a_chain_without_end_is_bounded_d12(self) -> None:
        def handler(query: dns.message.Message) -> dns.message.Message:
            asked = query.question[0].name.to_text()
            return reply(query, f"{asked} 300 IN CNAME x{asked}")

        answer, asked = ask(validating(handler))
        assert outcome(answer) == unanswered("dns-malformed")
        assert len(asked) <= Limits.aliases + 1

    @pytest.mark.parametrize(
        "lines",
        [
            ("mx.example.nl. 300 IN CNAME mx.example.nl.",),
            ("mx.example.nl. 300 IN CNAME b.example.nl.", "b.example.nl. 300 IN CNAME mx.example.nl."),
        ],
    )
    def test_loops_d12(self, lines: tuple[str, ...]) -> None:
        answer, _asked = ask(validating(lambda query: reply(query, *lines)))
        assert outcome(answer) == unanswered("dns-malformed")
        assert "loop" in answer.detail


class TestRun:
    def test_equal_questions_are_asked_once(self) -> None:
        async def run() -> list[str]:
            async with DnsResponder(validating(lambda query: reply(query, A))) as responder:
                resolver = TrustedResolver([Server("127.0.0.1", responder.port)])
                names = ("mx.example.nl", "MX.example.NL.", "mx.example.nl.")
                answers = await asyncio.gather(*(resolver.resolve(name, "a") for name in names))
                assert len(set(answers)) == 1
                await resolver.resolve("mx.example.nl", "A")
                return responder.asked

        assert asyncio.run(run()).count("mx.example.nl. A") == 1

    def test_the_proof_is_asked_for_once(self) -> None:
        async def run() -> list[str]:
            async with DnsResponder(validating(lambda query: reply(query, A))) as responder:
                resolver = TrustedResolver([Server("127.0.0.1", responder.port)])
                await asyncio.gather(*(resolver.resolve(f"{number}.nl", "A") for number in range(20)))
                return responder.asked

        assert asyncio.run(run()).count(". SOA") == 1

    def test_leaving_early_does_not_take_the_answer_from_others(self) -> None:
        async def run() -> Answer:
            async with DnsResponder(validating(lambda query: reply(query, A))) as responder:
                resolver = TrustedResolver([Server("127.0.0.1", responder.port)])
                first = asyncio.ensure_future(resolver.resolve("mx.example.nl", "A"))
                await asyncio.sleep(0)
                second = asyncio.ensure_future(resolver.resolve("mx.example.nl", "A"))
                await asyncio.sleep(0)
                first.cancel()
                return await second

        assert asyncio.run(run()).rdata == ("192.0.2.1",)

    def test_questions_under_way_are_bounded(self) -> None:
        async def run() -> None:
            async with DnsResponder(validating(lambda query: reply(query, A))) as responder:
                resolver = TrustedResolver([Server("127.0.0.1", responder.port)], Limits(questions=2))
                answers = await asyncio.gather(*(resolver.resolve(f"{number}.nl", "A") for number in range(200)))
            assert {answer.reason for answer in answers} == {""}

        asyncio.run(run())

    @pytest.mark.parametrize("name", ["a..nl", "x" * 64 + ".nl", "a." * 130 + "nl", "\\"])
    def test_what_is_no_name_is_named_in_the_error(self, name: str) -> None:
        with pytest.raises(ValueError, match="is not a domain name"):
            ask(validating(lambda query: reply(query, A)), name=name)

    def test_ttl_is_the_published_one(self) -> None:
        aged = "mx.example.nl. 17 IN A 192.0.2.1"
        assert ask(validating(lambda query: reply(query, aged)))[0].ttl == 300
        assert ask(validating(lambda query: reply(query, aged, authentic=False, signed=False)))[0].ttl == 17


class TestResolvConf:
    def servers(self, tmp_path: pathlib.Path, text: str) -> tuple[Server, ...]:
        path = tmp_path / "resolv.conf"
        path.write_text(text, encoding="utf-8")
        return system_servers(str(path))

    def test_servers_in_order_once_each(self, tmp_path: pathlib.Path) -> None:
        text = (
            "# nameserver 192.0.2.9\n; x\nsearch example.nl\nnameserver ::1\nnameserver\t127.0.0.1 \nnameserver ::1\n"
        )
        assert self.servers(tmp_path, text) == (Server("::1"), Server("127.0.0.1"))

    def test_scope_of_a_link_local_address(self, tmp_path: pathlib.Path) -> None:
        assert self.servers(tmp_path, "nameserver fe80::1%eth0\n") == (Server("fe80::1%eth0"),)

    def test_none_means_the_local_machine(self, tmp_path: pathlib.Path) -> None:
        assert self.servers(tmp_path, "search x\nnameserver\n") == (Server("127.0.0.1"),)
        assert system_servers(str(tmp_path / "absent")) == (Server("127.0.0.1"),)

    def test_what_is_no_address_is_named(self, tmp_path: pathlib.Path) -> None:
        with pytest.raises(ValueError, match=r"resolver\.example"):
            self.servers(tmp_path, "nameserver resolver.example\n")
