# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""F20: what the answers of a resolver prove, and answers that no honest resolver gives.

Real resolvers, right and wrong ones, are asked in the lab (tests/integration/postfix); here are lies and nonsense.
"""

from __future__ import annotations

import contextlib
import struct
import threading
import typing as t
from collections.abc import Iterator

import pytest
from support import loopback

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.resolver_path import (
    Names,
    Reply,
    Writer,
    ask,
    check_zone,
    foreign,
    guards,
    judge_path,
    judge_resolver,
    render,
)

NAMES = Names("signed.nl", "bogus.nl", "unsigned.nl")
SECURE = Reply("NOERROR", True, 1)
PLAIN = Reply("NOERROR", False, 1)
SERVFAIL = Reply("SERVFAIL")
TIMEOUT = Reply("timeout", detail="after 5 s")


@pytest.mark.parametrize(
    ("secure", "bogus", "unsigned", "codes", "unproven"),
    [
        (SECURE, (SERVFAIL, PLAIN), PLAIN, [], 0),
        (PLAIN, (SERVFAIL, PLAIN), PLAIN, ["resolver-not-validating"], 0),
        (SECURE, (PLAIN, PLAIN), PLAIN, ["resolver-accepts-bogus"], 0),
        (SECURE, (SECURE, SECURE), SECURE, ["resolver-accepts-bogus", "resolver-ad-forged"], 0),
        (SECURE, (SERVFAIL, PLAIN), SECURE, ["resolver-ad-forged"], 0),
        (PLAIN, (PLAIN, PLAIN), PLAIN, ["resolver-not-validating", "resolver-accepts-bogus"], 0),
        (SERVFAIL, (SERVFAIL, SERVFAIL), SERVFAIL, ["dns-servfail"], 2),
        (TIMEOUT, None, None, ["dns-timeout"], 0),
        (Reply("unreachable", detail="refused"), None, None, ["dns-unreachable"], 0),
        (Reply("REFUSED"), None, None, ["dns-refused"], 0),
        (Reply("malformed"), None, None, ["dns-malformed"], 0),
        # Not refused and not answered is neither a proof nor a fault.
        (SECURE, (SERVFAIL, SERVFAIL), PLAIN, [], 1),
        (SECURE, (SERVFAIL, TIMEOUT), PLAIN, [], 1),
        (SECURE, (TIMEOUT, TIMEOUT), PLAIN, [], 1),
        (SECURE, (Reply("NXDOMAIN", True), Reply("NXDOMAIN", True)), PLAIN, [], 1),
        (SECURE, (Reply("NOERROR", True, 0), Reply("NOERROR", False, 0)), PLAIN, [], 1),
        (SECURE, (SERVFAIL, PLAIN), TIMEOUT, [], 1),
        (SECURE, None, None, [], 0),
    ],
)  # fmt: skip
def test_f20_judgement_of_a_resolver(
    secure: Reply, bogus: tuple[Reply, Reply] | None, unsigned: Reply | None, codes: list[str], unproven: int
) -> None:
    proof = judge_resolver(NAMES, secure, bogus, unsigned)
    assert [item.code for item in proof.findings] == codes
    assert len(proof.unproven) == unproven


@pytest.mark.parametrize("secure", [Reply("NXDOMAIN", True), Reply("NXDOMAIN"), Reply("NOERROR", True, 0)])
def test_f20_a_name_that_is_no_zone_is_bad_input(secure: Reply) -> None:
    with pytest.raises(ValueError, match=r"'signed\.nl' cannot prove anything, because it is not a zone"):
        judge_resolver(NAMES, secure, None, None)


@pytest.mark.parametrize(
    ("secure", "bogus", "codes"),
    [
        (SECURE, Reply("failed"), []),
        (SECURE, None, []),
        (PLAIN, Reply("failed"), ["resolv-conf-trust-ad-missing"]),
        (Reply("failed"), None, ["dns-unreachable"]),
        (SECURE, PLAIN, ["resolver-accepts-bogus"]),
    ],
)
def test_f20_judgement_of_the_path(secure: Reply, bogus: Reply | None, codes: list[str]) -> None:
    assert [item.code for item in judge_path(NAMES, secure, bogus).findings] == codes


Answer = t.Callable[[bytes], t.Optional[bytes]]  # noqa: UP045 - pylint reads it at run time


@contextlib.contextmanager
def server(udp_answer: Answer, tcp_answer: Answer | None = None) -> Iterator[int]:
    """A name server on loopback that answers as the functions say (None: not at all); gives its port."""
    with contextlib.ExitStack() as stack:
        udp, tcp = map(stack.enter_context, loopback.pair())
        port = udp.getsockname()[1]

        def serve_udp() -> None:
            query, peer = udp.recvfrom(4096)
            if (data := udp_answer(query)) is not None:
                udp.sendto(data, peer)

        def serve_tcp() -> None:
            connection = tcp.accept()[0]
            with connection:
                stream = connection.makefile("rb")
                query = stream.read(struct.unpack("!H", stream.read(2))[0])
                assert tcp_answer
                connection.sendall(tcp_answer(query) or b"")

        threads = [threading.Thread(target=serve_udp)]
        threads += [threading.Thread(target=serve_tcp)] if tcp_answer else []
        for thread in threads:
            thread.start()
        yield port
        for thread in threads:
            thread.join()


def reply(query: bytes, flags: int, answers: int = 1) -> bytes:
    question = query[12 : 12 + query[12:].index(b"\0") + 5]
    return query[:2] + struct.pack("!5H", flags, 1, answers, 0, 0) + question


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (0x81A0, Reply("NOERROR", True, 1)),
        (0x8180, Reply("NOERROR", False, 1)),
        (0x8182, Reply("SERVFAIL", False, 1)),
        (0x8185, Reply("REFUSED", False, 1)),
        (0x818F, Reply("RCODE15", False, 1)),
    ],
)
def test_answers_are_read(flags: int, expected: Reply) -> None:
    with server(lambda query: reply(query, flags)) as port:
        assert ask("127.0.0.1", "signed.nl", port=port) == expected


@pytest.mark.parametrize(
    "answer",
    [
        lambda query: b"",
        lambda query: query[:2],
        lambda query: b"\xff" * 500,
        lambda query: query,
        lambda query: bytes([query[0] ^ 1]) + reply(query, 0x81A0)[1:],
        lambda query: reply(query, 0x81A0).replace(b"signed", b"forged"),
        lambda query: query[:2] + b"\x81\xa0" + b"\0" * 3,
    ],
)
def test_nonsense_is_no_answer(answer: Answer) -> None:
    with server(answer) as port:
        assert ask("127.0.0.1", "signed.nl", port=port).status == "malformed"


def test_silence_is_a_time_out_and_a_closed_port_is_none() -> None:
    with server(lambda query: None) as port:
        assert ask("127.0.0.1", "signed.nl", timeout=0.2, port=port).status == "timeout"
    assert ask("127.0.0.1", "signed.nl", port=port).status == "unreachable"


def test_a_truncated_answer_is_fetched_by_tcp() -> None:
    def whole(query: bytes) -> bytes:
        data = reply(query, 0x81A0, 2)
        return struct.pack("!H", len(data)) + data

    with server(lambda query: reply(query, 0x8380, 0), whole) as port:
        assert ask("127.0.0.1", "signed.nl", port=port) == Reply("NOERROR", True, 2)
    with server(lambda query: reply(query, 0x8380, 0), lambda query: b"") as port:
        assert ask("127.0.0.1", "signed.nl", port=port).status == "unreachable"


@pytest.mark.parametrize("zone", ["a..b", "x" * 64 + ".nl", ".".join(["abcdefgh"] * 32)])
def test_names_that_are_none(zone: str) -> None:
    with pytest.raises(ValueError):
        check_zone(zone)


def test_f20_resolv_conf_keeps_the_search_list_and_nothing_else() -> None:
    current = "# by dhcp\ndomain old.nl\nsearch a.nl b.nl\nnameserver 192.0.2.1\noptions ndots:2\nsortlist 10.0.0.0\n"
    text = render(current, ["127.0.0.1", "::1"], ["edns0", "trust-ad"])
    assert text.splitlines()[1:] == [
        "domain old.nl", "search a.nl b.nl", "nameserver 127.0.0.1", "nameserver ::1", "options edns0 trust-ad",
    ]  # fmt: skip
    assert render(text, ["127.0.0.1", "::1"], ["edns0", "trust-ad"]) == text


def test_f20_foreign_name_servers() -> None:
    text = "nameserver 127.0.0.1\nnameserver 192.0.2.1 # x\n#nameserver 192.0.2.2\nnameserver\nnameserver 192.0.2.1\n"
    assert [item.evidence for item in foreign(text, ["127.0.0.1"])] == ["nameserver 192.0.2.1"]


def test_writers_are_told_once_and_files_of_others_are_kept(tmp_path: t.Any) -> None:
    def writer(name: str) -> Writer:
        return Writer(name, str(tmp_path / name), str(tmp_path / name / "guard"), f"{header}off\n")

    header = "# resolv.conf of this host belongs to mailsec.dane.resolv_conf\n"
    for name, content in {"new": None, "done": f"{header}off\n", "older": f"{header}x\n", "other": "mine\n"}.items():
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / "guard").write_text(content)
    needed, warnings = guards([writer(name) for name in ("new", "done", "older", "other", "absent")])
    assert [item.name for item in needed] == ["new", "older"]
    assert len(warnings) == 1 and "other" in warnings[0]
