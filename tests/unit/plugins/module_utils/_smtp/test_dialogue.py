# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The STARTTLS probe against real servers on loopback: what it learns, and how it survives (design invariants 2, 5)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.credentials import ecdsa, rsa_self_signed, server_context
from support.smtp_responder import Behaviour, Responder

from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import tls
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.dialogue import probe

HOST = "mx.example.nl"
EC = ecdsa(HOST)
RSA = rsa_self_signed(HOST)
BOTH = server_context(EC, RSA)
#: Far above what loopback needs, so that only the servers that never answer run into it.
PATIENT = Limits()
# Its total is beyond the safety net: each limit has to hold by itself.
HASTY = Limits(connect=0.3, greeting=0.3, reply=0.3, handshake=0.3, quit=0.1, total=60.0)
#: No test may take this long; a hang is then a failure and not a blocked run.
SAFETY_NET = 20.0

#: A safe prime of 1024 bits; generating one takes seconds.
DH_1024 = """\
-----BEGIN DH PARAMETERS-----
MIGHAoGBAL3IuKa8B7Rp9oKo2Z/KIXdtr3q9h9wpaBqNhYxmccQ6YHjayW0zqnWU
lpmt4QJ5aBZlgw6zEHd9MU5npzDXjXoq3Ar8E3F+6pioJCY7o+RXP71EI9BAbFxQ
dL7MXLe+iOiwVzfEGdWYg/3U0JFCNlNghS2ZlUYmbsAQXavdo3ZnAgEC
-----END DH PARAMETERS-----
"""


def meet(
    behaviour: Behaviour | None = None,
    context: ssl.SSLContext | None = BOTH,
    limits: Limits = PATIENT,
    server_name: str | None = HOST,
    key_type: str | None = None,
    address: str = "127.0.0.1",
) -> tuple[Probe, Responder]:
    async def run() -> tuple[Probe, Responder]:
        async with Responder(context, behaviour, address) as server:
            work = probe(Endpoint(address, server.port), server_name, "probe.example.nl", limits, key_type)
            return await asyncio.wait_for(work, SAFETY_NET), server

    return asyncio.run(run())


class TestSession:
    """What is learnt from a server that does right (F05, F06)."""

    def test_the_whole_chain_arrives_as_raw_der(self) -> None:
        seen, server = meet()
        assert (seen.outcome, seen.detail, seen.oddities) == ("tls", "", ())
        assert seen.chain == EC.chain
        assert seen.chain_complete
        assert (seen.tls_version, seen.cipher) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
        # The second is what OpenSSL 3.5 and later choose among themselves.
        assert seen.group in ("x25519", "X25519MLKEM768")
        assert (seen.banner, seen.ehlo_host) == ("mx.example.nl ESMTP", "mx.example.nl")
        assert seen.ehlo == ("PIPELINING", "SIZE 10240000", "STARTTLS", "8BITMIME")
        assert seen.ehlo_tls == ("PIPELINING", "SIZE 10240000", "8BITMIME")
        session = server.sessions[0]
        assert session.commands == ["EHLO probe.example.nl", "STARTTLS"]
        assert session.commands_tls == ["EHLO probe.example.nl", "QUIT"]

    @pytest.mark.parametrize("server_name", [HOST, None])
    def test_sni_is_sent_or_left_out(self, server_name: str | None) -> None:
        seen, server = meet(server_name=server_name)
        assert seen.server_name == server.sessions[0].server_name == server_name

    @pytest.mark.parametrize(("key_type", "chain"), [("ecdsa", EC.chain), ("rsa", RSA.chain)])
    def test_a_type_of_key_can_be_insisted_on(self, key_type: str, chain: tuple[bytes, ...]) -> None:
        seen, _server = meet(key_type=key_type)
        assert (seen.outcome, seen.tls_version, seen.chain, seen.key_type) == ("tls", "TLSv1.2", chain, key_type)

    def test_a_type_of_key_the_server_lacks_is_a_refused_handshake(self) -> None:
        seen, _server = meet(context=server_context(EC), key_type="rsa")
        assert seen.outcome == "tls-handshake-failed"
        assert "handshake failure" in seen.detail

    def test_a_server_at_an_ipv6_address(self) -> None:
        seen, _server = meet(address="::1")
        assert (seen.outcome, str(seen.endpoint)[:6]) == ("tls", "[::1]:")

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
    @pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1", "TLSv1.2"])
    def test_old_versions_are_seen_and_not_failed(self, version: str) -> None:
        context = server_context(rsa_self_signed(HOST, 1024), weak=True)
        context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
        seen, _server = meet(context=context)
        assert (seen.outcome, seen.tls_version) == ("tls", version)

    def test_an_interpreter_that_tells_only_the_leaf_says_so(self) -> None:
        class Old:
            def getpeercert(self, binary_form: bool) -> bytes:
                return b"leaf"

        assert tls.presented_chain(t.cast("ssl.SSLObject", Old())) == ((b"leaf",), False)

    @pytest.mark.parametrize(
        "entry", [b"der", type("Certificate", (), {"public_bytes": lambda _self, _form: b"der"})()]
    )
    def test_both_forms_python_has_had_for_a_chain_are_read(self, entry: object) -> None:
        class Public:
            def get_unverified_chain(self) -> list[object]:
                return [entry]

        assert tls.presented_chain(t.cast("ssl.SSLObject", Public())) == ((b"der",), True)


class TestGroup:
    """The group of the key exchange is read from the clear part of real handshakes."""

    def test_after_a_hello_retry_request(self) -> None:
        context = server_context(EC)
        context.set_ecdh_curve("secp384r1")
        seen, _server = meet(context=context)
        assert (seen.tls_version, seen.group) == ("TLSv1.3", "secp384r1")

    def test_of_ecdhe_in_tls_1_2(self) -> None:
        context = server_context(EC)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ecdh_curve("prime256v1")
        assert meet(context=context)[0].group == "secp256r1"

    def test_of_a_finite_field(self, tmp_path: t.Any) -> None:
        path = tmp_path / "dh.pem"
        path.write_text(DH_1024)
        context = server_context(RSA, weak=True)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
        context.load_dh_params(path)
        assert meet(context=context)[0].group == "dh-1024"

    def test_none_in_static_rsa(self) -> None:
        context = server_context(RSA, weak=True)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-SHA:@SECLEVEL=0")
        seen, _server = meet(context=context)
        assert (seen.cipher, seen.group) == ("AES128-SHA", "")


def _closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class TestNoConnection:
    def test_refused(self) -> None:
        seen = asyncio.run(probe(Endpoint("127.0.0.1", _closed_port()), None, "probe.example.nl"))
        assert (seen.outcome, seen.detail) == ("connect-failed", "connecting: connection refused")

    def test_unreachable(self) -> None:
        seen = asyncio.run(probe(Endpoint("255.255.255.255"), None, "probe.example.nl", HASTY))
        assert seen.outcome == "connect-failed"
        assert "refused" not in seen.detail

    def test_no_answer(self) -> None:
        with socket.socket() as full:
            # A listener whose queue is full drops further SYNs, as a firewall does.
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            waiting = [socket.socket() for _number in range(3)]
            try:
                for sock in waiting:
                    sock.setblocking(False)
                    sock.connect_ex(("127.0.0.1", port))
                seen = asyncio.run(probe(Endpoint("127.0.0.1", port), None, "probe.example.nl", HASTY))
            finally:
                for sock in waiting:
                    sock.close()
        assert (seen.outcome, seen.detail) == ("connect-failed", "connecting: not done after 0.3 seconds")


#: Name of the case -> behaviour, outcome, a part of the detail.
REFUSALS: dict[str, tuple[Behaviour, str, str]] = {
    "421 greeting": (Behaviour(greeting=b"421 too busy\r\n"), "vantage-refused", "421 too busy"),
    "450 greeting": (Behaviour(greeting=b"450 come back later\r\n"), "vantage-refused", "450 come back"),
    "554 greeting": (Behaviour(greeting=b"554 your address is blocked\r\n"), "vantage-refused", "554 your address"),
    "554 greeting in lines": (Behaviour(greeting=b"554-blocked\r\n554 see http://x\r\n"), "vantage-refused", "blocked"),
    "354 greeting": (Behaviour(greeting=b"354 hello\r\n"), "smtp-greeting-failed", "354 hello"),
    "HTTP": (Behaviour(greeting=b"HTTP/1.1 400 Bad Request\r\n"), "smtp-protocol-error", "HTTP/1.1 400"),
    "SSH": (Behaviour(greeting=b"SSH-2.0-OpenSSH_9.2\r\n"), "smtp-protocol-error", "SSH-2.0"),
    "implicit TLS": (Behaviour(greeting=b"\x15\x03\x01\x00\x02\x02\x46\n"), "smtp-protocol-error", "\\x15\\x03"),
    "EHLO 5xx": (
        Behaviour(ehlo=b"502 unknown\r\n"),
        "ehlo-rejected",
        "502 unknown; HELO was answered: 250 mx.example.nl",
    ),
    "EHLO and HELO 5xx": (Behaviour(ehlo=b"550 no\r\n", helo=b"550 never\r\n"), "vantage-refused", "550 never"),
    "EHLO 5xx, HELO garbage": (Behaviour(ehlo=b"550 no\r\n", helo=b"?\r\n"), "vantage-refused", "HELO failed"),
    "EHLO 550, HELO taken": (Behaviour(ehlo=b"550 no\r\n"), "ehlo-rejected", "HELO was answered: 250"),
    "EHLO unknown, HELO garbage": (Behaviour(ehlo=b"500 what?\r\n", helo=b"?\r\n"), "ehlo-rejected", "HELO failed"),
    "EHLO quoted": (Behaviour(ehlo=b"500 Command unrecognized: EHLO x\r\n"), "ehlo-rejected", "unrecognized"),
    "EHLO 421": (Behaviour(ehlo=b"421 shutting down\r\n"), "vantage-refused", "421 shutting down"),
    "EHLO 450": (Behaviour(ehlo=b"450 greylisted\r\n"), "vantage-refused", "450 greylisted"),
    "EHLO 354": (Behaviour(ehlo=b"354 go on\r\n"), "smtp-protocol-error", "354 go on"),
    "no STARTTLS": (Behaviour(ehlo=b"250-mx\r\n250 SIZE 10\r\n"), "starttls-missing", "offers SIZE"),
    "no keyword": (Behaviour(ehlo=b"250 mx\r\n"), "starttls-missing", "offers nothing"),
    "STARTTLS in a parameter": (Behaviour(ehlo=b"250-mx\r\n250 AUTH STARTTLS\r\n"), "starttls-missing", "offers AUTH"),
    "STARTTLS as the name": (Behaviour(ehlo=b"250 STARTTLS\r\n"), "starttls-missing", "offers nothing"),
    "STARTTLS 454": (Behaviour(starttls=b"454 no key\r\n"), "starttls-refused", "454 no key"),
    "STARTTLS 454 in other words": (
        Behaviour(starttls=b"454 cannot operate TLS\r\n"),
        "starttls-refused",
        "cannot operate",
    ),
    "STARTTLS 501": (Behaviour(starttls=b"501 no parameters\r\n"), "starttls-refused", "501 no"),
    "STARTTLS 354": (Behaviour(starttls=b"354 ok\r\n"), "starttls-refused", "354 ok"),
}

#: Stage a fault strikes at -> outcome when the server closes or resets, outcome when it falls silent.
FAULTS = {
    "greeting": ("smtp-greeting-failed", "smtp-greeting-failed"),
    "ehlo": ("smtp-protocol-error", "smtp-protocol-error"),
    "starttls": ("smtp-protocol-error", "smtp-protocol-error"),
    "handshake": ("starttls-handshake-reset", "starttls-handshake-reset"),
}

#: Stage -> outcome when the server sends one byte at a time for longer than the limit.
DRIPS = {
    "greeting": "smtp-greeting-failed",
    "ehlo": "smtp-protocol-error",
    "starttls": "smtp-protocol-error",
    "handshake": "tls-handshake-failed",
}


class TestRefusals:
    @pytest.mark.parametrize("case", REFUSALS)
    def test_outcome_and_words(self, case: str) -> None:
        behaviour, outcome, words = REFUSALS[case]
        seen, _server = meet(behaviour)
        assert (seen.outcome, seen.chain) == (outcome, ())
        assert words in seen.detail

    @pytest.mark.parametrize("behaviour", [Behaviour(ehlo=b"250 mx\r\n"), Behaviour(starttls=b"454 no key\r\n")])
    def test_the_server_is_left_with_quit(self, behaviour: Behaviour) -> None:
        _seen, server = meet(behaviour)
        assert server.sessions[0].commands[-1] == "QUIT"

    @pytest.mark.parametrize("stage", FAULTS)
    def test_closed(self, stage: str) -> None:
        seen, _server = meet(Behaviour(close_at=stage))
        assert seen.outcome == FAULTS[stage][0]
        assert "closed" in seen.detail

    @pytest.mark.parametrize("stage", FAULTS)
    def test_reset(self, stage: str) -> None:
        seen, _server = meet(Behaviour(reset_at=stage))
        assert seen.outcome == FAULTS[stage][0]
        assert "reset by the server" in seen.detail

    @pytest.mark.parametrize("stage", FAULTS)
    def test_silent(self, stage: str) -> None:
        seen, _server = meet(Behaviour(stall_at=stage), limits=HASTY)
        assert seen.outcome == FAULTS[stage][1]
        assert "not done after 0.3 seconds" in seen.detail

    @pytest.mark.parametrize("stage", DRIPS)
    def test_dripping_bytes_do_not_extend_a_limit(self, stage: str) -> None:
        seen, _server = meet(Behaviour(drip_at=stage, drip_seconds=0.1), limits=HASTY)
        assert seen.outcome == DRIPS[stage]

    @pytest.mark.parametrize("stage", FAULTS)
    def test_the_whole_is_bounded_too(self, stage: str) -> None:
        """A handshake that was not given its time must not be called a cut one."""
        seen, _server = meet(Behaviour(stall_at=stage), limits=dataclasses.replace(PATIENT, total=0.4))
        assert seen.outcome == "probe-timeout"
        assert "the 0.4 seconds for the whole probe were over" in seen.detail

    @pytest.mark.parametrize("stage", ["greeting", "ehlo", "starttls"])
    def test_a_reply_without_end(self, stage: str) -> None:
        seen, _server = meet(Behaviour(flood_at=stage))
        assert seen.outcome == "smtp-protocol-error"
        assert "more than 1024 lines" in seen.detail

    @pytest.mark.parametrize("stage", ["greeting", "ehlo", "starttls"])
    def test_a_line_without_end(self, stage: str) -> None:
        seen, _server = meet(Behaviour(flood_at=stage, flood=b"2" * 1000))
        assert seen.outcome == "smtp-protocol-error"
        assert "more than 16384 bytes" in seen.detail

    def test_more_bytes_than_were_agreed(self) -> None:
        greeting = b"".join(b"220-%s\r\n" % (b"x" * 500) for _number in range(50)) + b"220 at last\r\n"
        assert meet(Behaviour(greeting=greeting))[0].outcome == "tls"
        seen, _server = meet(Behaviour(greeting=greeting), limits=dataclasses.replace(PATIENT, received_bytes=20_000))
        assert (seen.outcome, "more than 20000 bytes" in seen.detail) == ("smtp-protocol-error", True)


class TestHandshake:
    def test_plaintext_instead_of_tls(self) -> None:
        seen, _server = meet(Behaviour(raw_handshake=b"454 4.7.0 TLS not available\r\n"))
        assert seen.outcome == "tls-handshake-failed"
        assert "answered in the clear: 454 4.7.0 TLS not available" in seen.detail

    @pytest.mark.parametrize("count", [1, 5, 100, 900])
    def test_closed_in_the_middle(self, count: int) -> None:
        seen, _server = meet(Behaviour(handshake_bytes=count))
        assert (seen.outcome, "closed" in seen.detail) == ("starttls-handshake-reset", True)

    def test_garbage_records(self) -> None:
        seen, _server = meet(Behaviour(raw_handshake=b"\x16\x03\x03\x00\x10" + b"Z" * 16))
        assert seen.outcome == "tls-handshake-failed"
        assert "clear" not in seen.detail

    def test_an_alert(self) -> None:
        seen, _server = meet(Behaviour(raw_handshake=b"\x15\x03\x03\x00\x02\x02\x28"))
        assert seen.outcome == "tls-handshake-failed"
        assert "handshake failure" in seen.detail

    def test_records_without_end(self) -> None:
        # Certificate messages may be long, but not this long.
        seen, _server = meet(Behaviour(raw_handshake=(b"\x16\x03\x03\x40\x00" + b"\x0b\xff\xff\xff" * 4096) * 200))
        assert seen.outcome == "tls-handshake-failed"

    def test_a_huge_chain(self) -> None:
        seen, _server = meet(context=server_context(ecdsa(HOST, extra=400)))
        assert seen.outcome == "tls-handshake-failed"
        assert "excessive message size" in seen.detail

    def test_a_long_chain_arrives_whole(self) -> None:
        credentials = ecdsa(HOST, extra=50)
        seen, _server = meet(context=server_context(credentials))
        assert seen.chain == credentials.chain

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_server_that_wants_client_certificates(self, version: ssl.TLSVersion) -> None:
        """In TLS 1.3 the refusal comes after the client is done; it is a failed handshake all the same."""
        context = server_context(EC)
        context.verify_mode = ssl.CERT_REQUIRED
        context.maximum_version = version
        seen, _server = meet(context=context)
        assert seen.outcome == "tls-handshake-failed"


def many(number: int) -> bytes:
    """An EHLO reply with as many lines of 64 bytes before STARTTLS."""
    return b"250-mx\r\n" + b"250-X%s\r\n" % (b"Y" * 59) * number + b"250 STARTTLS\r\n"


class TestSenders:
    """Replies that Postfix or Exim does not read as we do (each measured with real ones)."""

    @pytest.mark.parametrize(
        ("behaviour", "stopped"),
        [
            (Behaviour(ehlo=b"250-mx\r\n250 starttls\r\n"), {"exim"}),
            (Behaviour(ehlo=b"250-mx\r\n250-StartTLS\r\n250 HELP\r\n"), {"exim"}),
            (Behaviour(ehlo=b"250-mx\r\n250- STARTTLS\r\n250 HELP\r\n"), {"exim"}),
            (Behaviour(ehlo=b"250-mx\r\n251-STARTTLS\r\n250 HELP\r\n"), {"exim"}),
            (Behaviour(ehlo=b"251-mx\r\n251 STARTTLS\r\n"), {"exim"}),
            (Behaviour(ehlo=b"250-mx\r\n250-STARTTLS=x\r\n250 HELP\r\n"), {"exim"}),
            (Behaviour(ehlo=b"250-mx\r\n250-STARTTLS\t\r\n250 HELP\r\n"), {"postfix"}),
            (Behaviour(ehlo=b"250-mx\r\n250-STARTTLS REQUIRED\r\n250 HELP\r\n"), set()),
            (Behaviour(ehlo=b"250-mx\r\r\n250 STARTTLS\r\r\n", greeting=b"220 mx\r\r\n"), set()),
            (Behaviour(ehlo=many(20)), set()),
            (Behaviour(ehlo=many(50)), {"postfix"}),
            (Behaviour(greeting=b"250 mx\r\n"), set()),
            (Behaviour(starttls=b"250 go\r\n"), set()),
            (Behaviour(greeting=b"220 " + b"x" * 3000 + b"\r\n"), set()),
            (Behaviour(greeting=b"220-x\r\n" * 200 + b"220 mx\r\n"), set()),
            (Behaviour(greeting=b"220-%s\r\n" % (b"x" * 60) * 120 + b"220 mx\r\n"), {"exim"}),
            (Behaviour(starttls=b"220 " + b"x" * 5000 + b"\r\n"), {"exim"}),
        ],
    )
    def test_v10_who_is_stopped(self, behaviour: Behaviour, stopped: set[str]) -> None:
        seen, _server = meet(behaviour)
        assert (seen.outcome, {sender for sender, _code in seen.stops}) == ("tls", stopped)
        assert ("smtp-reply-unread" in seen.oddities) == bool(stopped)

    @pytest.mark.parametrize("reply", [many(70), b"250-STARTTLS\r\n250 HELP\r\n"])
    def test_v10_what_nobody_reads_is_missing(self, reply: bytes) -> None:
        seen, _server = meet(Behaviour(ehlo=reply))
        assert seen.outcome == "starttls-missing"

    @pytest.mark.parametrize(
        "reply",
        [
            b"454 4.7.0 Error: too many new TLS sessions from [192.0.2.1]\r\n",
            b"421 4.7.0 too many connections\r\n",
            b"450 rate limited\r\n",
        ],
    )
    def test_p02_a_server_that_counts_says_nothing_about_others(self, reply: bytes) -> None:
        seen, _server = meet(Behaviour(starttls=reply))
        assert seen.outcome == "vantage-refused"


class TestInsideTls:
    """The chain was seen, so the outcome stays; what is wrong afterwards is an oddity."""

    @pytest.mark.parametrize(
        ("behaviour", "words"),
        [(Behaviour(close_at="ehlo-tls"), "closed"), (Behaviour(reset_at="ehlo-tls"), "reset")],
    )
    def test_v10_a_connection_that_ends_with_the_handshake(self, behaviour: Behaviour, words: str) -> None:
        """So do servers that want a client certificate in TLS 1.3 and send no alert; no sender gets further."""
        seen, _server = meet(behaviour, limits=PATIENT)
        assert (seen.outcome, seen.oddities) == ("tls-handshake-failed", ())
        assert "right after the TLS handshake" in seen.detail and words in seen.detail

    @pytest.mark.parametrize(
        ("behaviour", "words"),
        [
            (Behaviour(ehlo_tls=b"503 bad sequence\r\n"), "503 bad sequence"),
            (Behaviour(ehlo_tls=b"rubbish\r\n"), "'rubbish'"),
            (Behaviour(stall_at="ehlo-tls"), "not done after 0.3 seconds"),
            (Behaviour(drip_at="ehlo-tls", drip_seconds=0.1), "not done after 0.3 seconds"),
            (Behaviour(flood_at="ehlo-tls"), "more than 1024 lines"),
        ],
    )
    def test_ehlo_fails(self, behaviour: Behaviour, words: str) -> None:
        limits = HASTY if behaviour.stall_at or behaviour.drip_at else PATIENT
        seen, _server = meet(behaviour, limits=limits)
        assert (seen.outcome, seen.oddities, seen.chain) == ("tls", ("ehlo-after-tls-rejected",), EC.chain)
        assert words in seen.evidence[0]

    @pytest.mark.parametrize(
        ("behaviour", "stops"),
        [
            (Behaviour(ehlo_tls=b"503 bad sequence\r\n"), {}),
            (Behaviour(ehlo_tls=b"554 no\r\n", helo=b"554 no\r\n"), {"postfix": "ehlo-after-tls-rejected"}),
            (Behaviour(ehlo_tls=b"421 later\r\n"), {"postfix": "ehlo-after-tls-rejected"}),
            (Behaviour(ehlo_tls=b"rubbish\r\n"), dict.fromkeys(("postfix", "exim"), "ehlo-after-tls-rejected")),
            (Behaviour(stall_at="ehlo-tls"), dict.fromkeys(("postfix", "exim"), "ehlo-after-tls-rejected")),
            (Behaviour(ehlo_tls=b"251 mx\r\n"), {}),
        ],
    )
    def test_v10_who_goes_on_when_ehlo_fails(self, behaviour: Behaviour, stops: dict[str, str]) -> None:
        seen, _server = meet(behaviour, limits=HASTY if behaviour.stall_at else PATIENT)
        assert (seen.outcome, dict(seen.stops)) == ("tls", stops)

    def test_v10_when_our_own_time_is_over_nothing_is_known(self) -> None:
        limits = dataclasses.replace(PATIENT, total=0.6)
        seen, _server = meet(Behaviour(stall_at="ehlo-tls"), limits=limits)
        assert (seen.outcome, set(dict(seen.stops).values())) == ("tls", {"probe-timeout"})

    def test_starttls_is_offered_again(self) -> None:
        seen, _server = meet(Behaviour(ehlo_tls=b"250-mx\r\n250 STARTTLS\r\n"))
        assert seen.oddities == ("starttls-offered-inside-tls",)

    @pytest.mark.parametrize("fault", ["close_at", "stall_at", "drip_at", "reset_at", "flood_at"])
    def test_the_leave_changes_nothing(self, fault: str) -> None:
        seen, _server = meet(dataclasses.replace(Behaviour(), **{fault: "quit"}), limits=HASTY)
        assert (seen.outcome, seen.oddities) == ("tls", ())


class TestOddities:
    """Signatures of inspecting devices and of injection (starttls-probing.md sections 2 and 5)."""

    def test_replies_injected_before_tls_are_flagged_and_not_believed(self) -> None:
        injected = b"250-evil\r\n250 STARTTLS\r\n"
        seen, _server = meet(Behaviour(after_ready=injected))
        assert (seen.outcome, seen.oddities) == ("tls", ("starttls-response-injection",))
        assert seen.stops == (("exim", "starttls-response-injection"),)
        assert seen.evidence == ("after the reply to STARTTLS: 250-evil\\r\\n250 STARTTLS\\r\\n",)
        assert seen.ehlo_tls == ("PIPELINING", "SIZE 10240000", "8BITMIME")

    def test_masked_keyword(self) -> None:
        seen, _server = meet(Behaviour(ehlo=b"250-mx\r\n250-SIZE 10\r\n250 XXXXXXXA\r\n"))
        assert (seen.outcome, seen.oddities) == ("starttls-missing", ("starttls-keyword-masked",))
        assert "XXXXXXXA" in seen.evidence[0]

    def test_own_keywords_are_not_masked_ones(self) -> None:
        assert meet(Behaviour(ehlo=b"250-mx\r\n250-STARTTLS\r\n250-XEXCH50\r\n250 X-LINK2STATE\r\n"))[0].oddities == ()

    def test_starttls_answered_by_the_device(self) -> None:
        seen, _server = meet(Behaviour(starttls=b"500 #5.5.1 command not recognized\r\n"))
        assert (seen.outcome, seen.oddities) == ("starttls-refused", ("starttls-keyword-masked",))

    @pytest.mark.parametrize("text", [b"*********2****0*0**", b"****************************", b"2****0 0****"])
    def test_masked_banner(self, text: bytes) -> None:
        assert meet(Behaviour(greeting=b"220 %s\r\n" % text))[0].oddities == ("banner-masked",)

    @pytest.mark.parametrize("text", [b"", b"2020", b"*** mx.example.nl ESMTP ***"])
    def test_banners_that_are_not_masked(self, text: bytes) -> None:
        assert meet(Behaviour(greeting=b"220 %s\r\n" % text))[0].oddities == ()

    def test_rewritten_command(self) -> None:
        seen, _server = meet(Behaviour(ehlo=b"502 unrecognized: XXXXXXXX\r\n"))
        assert (seen.outcome, seen.oddities) == ("ehlo-rejected", ("command-rewritten",))


class TestReplies:
    @pytest.mark.parametrize(
        "greeting",
        [
            b"220-first\r\n220-second\r\n220 last\r\n",
            b"220 bare line feed\n",
            b"220\r\n",
            b"220-\r\n220 \r\n",
            b"220 caf\xe9 \xff\xfe\x00\r\n",
        ],
    )
    def test_shapes_of_a_greeting(self, greeting: bytes) -> None:
        assert meet(Behaviour(greeting=greeting))[0].outcome == "tls"

    def test_a_greeting_that_takes_its_time(self) -> None:
        behaviour = Behaviour(greeting=b"220-a\r\n220 b\r\n", drip_at="greeting", drip_seconds=0.01)
        assert meet(behaviour)[0].banner == "a / b"

    def test_keywords_in_lower_case(self) -> None:
        seen, _server = meet(Behaviour(ehlo=b"250-mx\r\n250-size 10\r\n250 starttls\r\n", ehlo_tls=b"250 mx\r\n"))
        assert (seen.outcome, seen.ehlo) == ("tls", ("SIZE 10", "STARTTLS"))

    def test_text_of_the_server_is_bounded_printable_ascii(self) -> None:
        evil = b"\x1b]0;owned\x07 {{ lookup('pipe', 'id') }} {%% \x00\xff " + b"A" * 1500
        behaviour = Behaviour(
            greeting=b"220 %s\r\n" % evil,
            ehlo=b"250-%s\r\n250-%s\r\n250 STARTTLS\r\n" % (evil, evil),
            starttls=b"220 ok\r\n",
            after_ready=evil,
            ehlo_tls=b"550 %s\r\n" % evil,
        )
        seen, _server = meet(behaviour)
        texts = [seen.banner, seen.ehlo_host, seen.detail, *seen.ehlo, *seen.ehlo_tls, *seen.evidence]
        assert seen.outcome == "tls"
        assert len(seen.evidence) == 3
        for text in texts:
            assert len(text) <= 500
            assert all(" " <= char <= "~" for char in text)
            assert "{{" not in text
            assert "{%" not in text


class TestArguments:
    """What the caller gets wrong is his error and not the server's."""

    @pytest.mark.parametrize(
        ("endpoint", "server_name", "ehlo_name", "key_type", "words"),
        [
            (Endpoint("mx.example.nl"), None, "me", None, "does not appear to be an IPv4 or IPv6 address"),
            (Endpoint("127.0.0.1", 0), None, "me", None, "not a port number"),
            (Endpoint("127.0.0.1", 65536), None, "me", None, "not a port number"),
            (Endpoint("127.0.0.1"), "mx.example.nl.", "me", None, "not a name for SNI"),
            (Endpoint("127.0.0.1"), "", "me", None, "not a name for SNI"),
            (Endpoint("127.0.0.1"), "b\u00fccher.example", "me", None, "not a name for SNI"),
            (Endpoint("127.0.0.1"), "a" * 64, "me", None, "not a name for SNI"),
            (Endpoint("127.0.0.1"), None, "me\r\nMAIL FROM:<>", None, "not a name for EHLO"),
            (Endpoint("127.0.0.1"), None, "a b", None, "not a name for EHLO"),
            (Endpoint("127.0.0.1"), None, "me", "dsa", "not a key type"),
        ],
    )
    def test_refused_with_the_rule(
        self, endpoint: Endpoint, server_name: str | None, ehlo_name: str, key_type: str | None, words: str
    ) -> None:
        with pytest.raises(ValueError, match=words):
            asyncio.run(probe(endpoint, server_name, ehlo_name, HASTY, key_type))


STAGE_FIELDS = ("greeting", "ehlo", "helo", "starttls", "after_ready", "raw_handshake", "ehlo_tls", "quit")
#: Bytes that look like SMTP now and then, so that the dialogue gets further than the first line.
REPLIES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [b"\r\n", b"\n", b"220 ", b"220-", b"250-", b"250 STARTTLS", b"500 ", b"\x16\x03\x03\x00\x10", b"\0"]
        ),
    ),
    max_size=8,
).map(b"".join)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(stages=st.dictionaries(st.sampled_from(STAGE_FIELDS), REPLIES, min_size=1, max_size=3))
def test_whatever_a_server_sends_ends_in_an_outcome(stages: dict[str, bytes]) -> None:
    limits = Limits(connect=1.0, greeting=0.05, reply=0.05, handshake=0.1, quit=0.05, total=1.0)
    seen, _server = meet(Behaviour(**t.cast("dict[str, t.Any]", stages)), limits=limits)
    assert seen.outcome == "tls" or seen.detail
    assert bool(seen.chain) == (seen.outcome == "tls")


def test_many_servers_at_once_do_not_mix() -> None:
    async def run() -> list[Probe]:
        contexts = [server_context(ecdsa(f"mx{number}.example.nl", f"leaf{number}")) for number in range(8)]
        async with contextlib.AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(Responder(context)) for context in contexts]
            return await asyncio.gather(
                *(
                    probe(Endpoint("127.0.0.1", server.port), f"mx{number}.example.nl", "probe.example.nl")
                    for number, server in enumerate(servers)
                    for _again in range(4)
                )
            )

    seen = asyncio.run(run())
    assert [one.chain for one in seen] == [
        ecdsa(f"mx{number}.example.nl", f"leaf{number}").chain for number in range(8) for _again in range(4)
    ]
