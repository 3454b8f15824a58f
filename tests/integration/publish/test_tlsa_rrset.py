# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tlsa_rrset against BIND and Knot, name servers that lag or are broken, and mail servers (F07, B08)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
import typing as t
from collections.abc import Iterator

import dns.message
import pytest
from name_servers import (
    BIND,
    EE,
    FOREIGN,
    HOST,
    KNOT,
    MAIL,
    NEXT,
    NEXT_EE,
    NOW,
    OTHER_SECRET,
    OWNER,
    RESOLVER,
    SECONDARY,
    SECRET,
    TA,
    Call,
    Names,
    record,
    wait_for,
)
from support.credentials import rsa_self_signed, server_context
from support.smtp_responder import Behaviour, Responder, running

from ansible_collections.mailsec.dane.plugins.module_utils._publish import update

BOTH = sorted([EE, TA])
ALL = [BIND, SECONDARY]
UNSIGNED = {"key_name": None, "key_secret": None}


def failure(result: dict[str, object]) -> str:
    assert result.get("failed") is True, result
    return str(result["msg"])


# -- what is changed, and what is not ---------------------------------------------------------------------------------


def test_create_then_nothing_to_change(call: Call, names: Names, mail: Responder) -> None:
    first = call([EE, TA])
    assert (first["changed"], first["owner"], first["zone"]) == (True, OWNER, "example.nl")
    assert first["before"] == {"records": [], "ttl": None}
    assert first["after"] == {"records": BOTH, "ttl": 60}
    assert names.served() == (BOTH, 60)
    assert [(one["address"], one["port"], one["fit"]) for one in first["endpoints"]] == [(MAIL, 25, "matches")]
    assert mail.sessions[0].server_name == HOST
    (served,) = first["served"]
    assert (served["status"], served["records"], served["ttl"]) == ("served", BOTH, 60)
    assert served["serial"] == first["serial"] and served["signed_until"]

    sent = names.updates()
    again = call([TA.upper(), EE, EE.replace("3 1 1 ", "DANE-EE SPKI SHA2-256 ")])
    assert (again["changed"], again["endpoints"], names.updates()) == (False, [], sent)


def test_change_of_records_and_of_ttl(call: Call, names: Names, mail: Responder) -> None:
    call([EE])
    more = call([EE, NEXT_EE])
    assert (more["changed"], more["before"]["records"], names.served()[0]) == (True, [EE], sorted([EE, NEXT_EE]))
    drift = call([EE, NEXT_EE], ttl=30)
    assert (drift["changed"], drift["before"]["ttl"], drift["after"]["ttl"]) == (True, 60, 30)
    assert names.served()[1] == 30


def test_absent(call: Call, names: Names, mail: Responder) -> None:
    call([EE])
    gone = call(state="absent")
    assert (gone["changed"], gone["after"], names.served()) == (True, {"records": [], "ttl": None}, ([], None))
    assert gone["served"][0]["status"] == "absent"
    assert call(state="absent")["changed"] is False


def test_check_mode_tells_the_truth_and_sends_no_update(call: Call, names: Names, mail: Responder) -> None:
    before = names.updates()
    first = call([EE, TA], _ansible_check_mode=True, _ansible_diff=True)
    assert first["changed"] is True
    assert (names.updates(), names.served()) == (before, ([], None))
    assert first["diff"]["before"] == ""
    assert first["diff"]["after"] == "".join(f"{OWNER}. 60 IN TLSA {text}\n" for text in BOTH)
    done = call([EE, TA])
    assert {name: done[name] for name in ("changed", "before", "after", "diff")} == {
        name: first[name] for name in ("changed", "before", "after", "diff")
    }
    assert names.updates() > before, "the log would show an update"
    assert call([EE, TA], _ansible_check_mode=True)["changed"] is False
    withdrawn = call(state="absent", _ansible_check_mode=True)
    assert (withdrawn["changed"], withdrawn["diff"]["after"]) == (True, "")
    assert "would be refused" in failure(call([FOREIGN], _ansible_check_mode=True))


def test_knot_as_primary(call: Call, names: Names, mail: Responder) -> None:
    where = {"base_domain": "mx.knot.nl", "server": KNOT, "name_servers": [KNOT]}
    owner = "_25._tcp.mx.knot.nl"
    first = call([EE], **where)
    assert (first["changed"], first["zone"], names.served(owner, KNOT)) == (True, "knot.nl", ([EE], 60))
    assert call([EE], **where)["changed"] is False
    assert call([EE, NEXT_EE], **where, ttl=30)["changed"] is True
    assert names.served(owner, KNOT) == (sorted([EE, NEXT_EE]), 30)
    assert "BADSIG" in failure(call([EE], **where, key_secret=OTHER_SECRET))
    said = failure(call([EE], **where, key_name="unknown"))
    # Knot 3.4 answers NOTAUTH without saying that it is for the key.
    assert "BADKEY" in said or "does not accept the TSIG key unknown" in said
    assert "Nothing was changed" in failure(call([EE], **where, **UNSIGNED))
    assert call(state="absent", **where)["changed"] is True
    assert names.served(owner, KNOT) == ([], None)


# -- compare and swap -------------------------------------------------------------------------------------------------


class Meddler(Responder):
    """A mail server in whose time, while it is being looked at, somebody else changes the RRset."""

    def __init__(self, names: Names, *records: str, owner: str = OWNER, zone: str = "example.nl", server: str = BIND):
        super().__init__(server_context(NOW), address=MAIL, port=25)
        self._meddle = lambda: names.meddle(*records, owner=owner, zone=zone, server=server)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._meddle)
        await super()._accept(reader, writer)


@contextlib.contextmanager
def in_the_last_moment(names: Names, *records: str) -> Iterator[None]:
    """Somebody else changes the RRset after the last look, so that only the condition of the update notices."""
    send = update.replace_rrset

    async def late(*arguments: t.Any, **more: t.Any) -> None:
        await asyncio.get_running_loop().run_in_executor(None, names.meddle, *records)
        await send(*arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "replace_rrset", late)
        yield


def test_a_change_while_the_mail_server_is_looked_at_is_seen_and_nothing_is_sent(call: Call, names: Names) -> None:
    with running(Meddler(names, FOREIGN)):
        said = failure(call([EE, TA]))
    assert "somebody else changed" in said and FOREIGN in said
    assert names.served() == ([FOREIGN], 60)

    with running(Meddler(names)):
        result = call([EE, TA])
    assert "now it has no TLSA record" in failure(result)
    assert (result["changed"], result["after"], names.served()) == (False, {"records": [], "ttl": None}, ([], None))

    names.meddle(FOREIGN)
    with running(Meddler(names, FOREIGN, NEXT_EE)):
        assert NEXT_EE in failure(call([EE, TA]))
    assert names.served()[0] == sorted([FOREIGN, NEXT_EE])


def test_a_lost_race_changes_nothing_and_shows_what_is_there(call: Call, names: Names, mail: Responder) -> None:
    with in_the_last_moment(names, FOREIGN):
        said = failure(call([EE, TA]))
    assert "somebody else changed" in said and FOREIGN in said and "YXRRSET" in said
    assert names.served() == ([FOREIGN], 60)

    with in_the_last_moment(names):
        result = call([EE, TA])
    assert "NXRRSET" in failure(result) and "now it has no TLSA record" in failure(result)
    assert (result["changed"], result["after"], names.served()) == (False, {"records": [], "ttl": None}, ([], None))


def test_a_lost_race_on_knot(call: Call, names: Names) -> None:
    owner, where = "_25._tcp.mx.knot.nl", {"zone": "knot.nl", "server": KNOT}
    names.meddle(owner=owner, **where)
    with running(Meddler(names, FOREIGN, owner=owner, **where)):
        said = failure(call([EE], base_domain="mx.knot.nl", server=KNOT, name_servers=[KNOT]))
    assert "somebody else changed" in said and FOREIGN in said
    assert names.served(owner, KNOT)[0] == [FOREIGN]
    names.meddle(owner=owner, **where)


def test_who_loses_to_the_same_change_has_what_he_wanted(call: Call, names: Names, mail: Responder) -> None:
    with in_the_last_moment(names, EE, TA):
        assert call([EE, TA])["changed"] is True, "an answer may have got lost, so that this may be our own change"
    assert names.served() == (BOTH, 60)


def test_who_sees_the_same_change_in_time_changes_nothing(call: Call, names: Names) -> None:
    with running(Meddler(names, EE, TA)):
        result = call([EE, TA])
    assert (result.get("failed"), result["changed"], names.served()) == (None, False, (BOTH, 60))


def test_expected(call: Call, names: Names, mail: Responder) -> None:
    said = failure(call([EE], expected=[FOREIGN]))
    assert FOREIGN in said and "but there is no TLSA record" in said
    assert call([EE], expected=[])["changed"] is True
    assert failure(call([EE, TA], expected=[]))
    assert names.served()[0] == [EE]
    assert call([EE, TA], expected=[EE.upper()])["changed"] is True
    said = failure(call([EE], expected=[EE, TA], expected_ttl=61))
    assert "expected with TTL 61, but it has 60" in said and names.served()[0] == BOTH
    assert call([EE, TA], expected=[FOREIGN])["changed"] is False, "what is wanted is there: nothing is expected"


def _proxy(swallow: int) -> tuple[socket.socket, list[bytes]]:
    """Pass messages on to BIND, UDP and TCP, but keep its first ``swallow`` answers over TCP."""
    tcp, udp, seen = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), []
    udp.bind(tcp.getsockname())

    def forward_tcp() -> None:
        while True:
            try:
                client, _address = tcp.accept()
            except OSError:
                return
            with client, socket.create_connection((BIND, 53)) as server:
                data = client.recv(65535)
                seen.append(data)
                server.sendall(data)
                answer = server.recv(65535)
                if len(seen) > swallow:
                    client.sendall(answer)

    def forward_udp() -> None:
        while True:
            data, client = udp.recvfrom(65535)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                server.connect((BIND, 53))
                server.send(data)
                udp.sendto(server.recv(65535), client)

    for work in (forward_tcp, forward_udp):
        threading.Thread(target=work, daemon=True).start()
    return tcp, seen


def test_an_answer_that_gets_lost_is_no_second_change(call: Call, names: Names, mail: Responder) -> None:
    listener, seen = _proxy(swallow=1)
    with listener:
        result = call([EE, TA], server="127.0.0.1", server_port=listener.getsockname()[1])
    assert (result.get("msg"), result["changed"], len(seen)) == (None, True, 2)
    assert names.served() == (BOTH, 60)


def test_a_server_that_never_answers_the_update(call: Call, names: Names, mail: Responder) -> None:
    listener, seen = _proxy(swallow=9)
    with listener:
        result = call([EE, TA], server="127.0.0.1", server_port=listener.getsockname()[1])
    assert (result["changed"], len(seen)) == (True, 3), "it was made, as a look at the server shows"


# -- refusals of the name server --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"key_secret": OTHER_SECRET}, "BADSIG"),
        ({"key_name": "unknown"}, "BADKEY"),
        ({"key_algorithm": "hmac-sha512"}, "BADKEY"),
        ({"key_name": "weak", "key_secret": OTHER_SECRET}, "does not let weak"),
        (UNSIGNED, "does not let an unsigned update"),
        ({"base_domain": "mx.closed.nl"}, "REFUSED"),
        ({"server": SECONDARY}, "REFUSED"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_an_update_that_is_refused(
    call: Call, names: Names, mail: Responder, options: dict[str, str], why: str
) -> None:
    result = call([EE], **options, endpoints=[MAIL], force=True)
    said = failure(result)
    assert why in said and said.startswith("Nothing was changed"), said
    assert result["changed"] is False
    assert names.served() == ([], None)


def test_a_clock_that_is_wrong(call: Call, mail: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time
    monkeypatch.setattr(dns.message.time, "time", lambda: right() - 4000)
    said = failure(call([EE], force=True))
    assert "clock" in said and "BADTIME" in said


def test_updates_without_a_key_where_the_server_takes_them(call: Call, names: Names, mail: Responder) -> None:
    assert call([EE], base_domain="mx.open.nl", **UNSIGNED)["changed"] is True
    assert names.served("_25._tcp.mx.open.nl")[0] == [EE]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"base_domain": "mx.example.org"}, "REFUSED"),
        ({"base_domain": "mx.broken.nl"}, "SERVFAIL"),
        ({"base_domain": "mx.sub.example.nl"}, "delegates sub.example.nl to others"),
        ({"zone": "knot.nl"}, "does not serve zone knot.nl"),
        ({"zone": "example.org"}, "does not serve zone example.org"),
        ({"server": "127.0.0.99"}, "cannot be reached"),
        ({"base_domain": "mx.alias.example.nl", "owner": "_25._tcp.alias.example.nl"}, "at the end of the alias"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_a_zone_that_cannot_be_changed_here(
    call: Call, names: Names, mail: Responder, options: dict[str, str], why: str
) -> None:
    before = names.updates()
    result = call([EE], **options, endpoints=[MAIL])
    assert why in failure(result), failure(result)
    assert (result["changed"], names.updates()) == (False, before)


def test_a_server_that_says_nothing(call: Call, mail: Responder) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        said = failure(call([EE], server="127.0.0.1", server_port=silent.getsockname()[1], timeout=0.5))
    assert "no answer within 0.5 seconds" in said


def test_the_records_at_the_end_of_an_alias(call: Call, names: Names, mail: Responder) -> None:
    result = call([EE], owner="mx._tlsa.alias.example.nl.", base_domain=HOST)
    assert (result["changed"], names.served("mx._tlsa.alias.example.nl")[0]) == (True, [EE])
    call(state="absent", owner="mx._tlsa.alias.example.nl", base_domain=HOST)


# -- every authoritative address --------------------------------------------------------------------------------------


def test_it_waits_for_a_server_that_lags(call: Call, names: Names, mail: Responder) -> None:
    wait_for(lambda: names.served(server=SECONDARY)[0] == [])
    hasty = call([EE], name_servers=None, wait=False)
    assert [(one["name"], one["address"]) for one in hasty["served"]] == [
        ("ns1.example.nl", BIND),
        ("ns2.example.nl", SECONDARY),
    ]
    result = call([EE, TA], name_servers=None)
    assert [one["records"] for one in result["served"]] == [BOTH, BOTH]
    assert len({one["serial"] for one in result["served"]}) == 1
    assert names.served(server=SECONDARY) == (BOTH, 60)
    assert not result.get("warnings")


def test_a_server_that_never_follows_is_named(call: Call, names: Names, mail: Responder) -> None:
    stuck = {"base_domain": "mx.stuck.nl", "name_servers": ALL, "endpoints": [MAIL], "force": True, "wait_timeout": 1}
    result = call([EE], **stuck)
    said = failure(result)
    assert "The update was made" in said and "127.0.0.3 serves no TLSA record at serial 1" in said
    assert result["changed"] is True
    assert [one["status"] for one in result["served"]] == ["served", "absent"]
    again = call([EE], **stuck)
    assert again["changed"] is False and "Nothing was to be changed" in failure(again)
    assert call([EE], **{**stuck, "wait": False})["changed"] is False


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("127.0.0.99", "cannot be reached"),
        (KNOT, "its answer is not authoritative"),
        (RESOLVER, "answers REFUSED"),
        ("silent", "no answer within"),
    ],
)
def test_a_server_that_does_not_tell_is_not_taken_for_one_that_serves(
    call: Call, mail: Responder, server: str, why: str
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        asked = server.replace("silent", f"127.0.0.1:{silent.getsockname()[1]}")
        for state in ({"records": [EE]}, {"state": "absent"}):
            said = failure(call(**state, name_servers=[BIND, asked], wait_timeout=0, timeout=0.5))
            assert why in said


def test_the_servers_that_only_the_parent_names_count(call: Call, names: Names, mail: Responder) -> None:
    before = names.updates()
    asked = {"base_domain": "mx.apart.nl", "name_servers": None, "endpoints": [MAIL], "force": True}
    said = failure(call([EE], **asked))
    assert "ns1.dead.nl" in said and "could not be learnt" in said
    assert names.updates() == before
    result = call([EE], **asked, wait=False)
    assert result["changed"] is True
    told = str(result["warnings"])
    assert "differ in" in told and "ns2.nowhere.nl of apart.nl has no address" in told and "ns1.dead.nl" in told


# -- the mail server --------------------------------------------------------------------------------------------------


def test_what_matches_nothing_is_refused_unless_forced(call: Call, names: Names, mail: Responder) -> None:
    result = call([NEXT_EE, FOREIGN])
    said = failure(result)
    assert "mail would be refused" in said and f"{MAIL}:25" in said and EE in said
    assert (result["endpoints"][0]["fit"], result["endpoints"][0]["reason"]) == ("mismatch", "tlsa-no-match")
    assert names.served() == ([], None)
    assert call([NEXT_EE, FOREIGN], force=True)["changed"] is True
    assert call([EE, FOREIGN])["changed"] is True, "one of the records matches"


def test_r08_every_key_of_the_mail_server_has_to_match(call: Call, names: Names) -> None:
    second = rsa_self_signed(HOST)
    rsa = record(second)
    with running(server := Responder(server_context(NOW, second), address=MAIL, port=25)):
        for records, missing in (([EE, FOREIGN], rsa), ([rsa, FOREIGN], EE)):
            result = call(records)
            said = failure(result)
            assert "algorithm-uncovered" in said and missing in said and "keys of every type" in said
            assert [one["fit"] for one in result["endpoints"]].count("matches") == 1
        assert names.served() == ([], None)
        connections = len(server.sessions)
        assert call([EE, rsa])["changed"] is True
        assert len(server.sessions) - connections == 4
    default = Responder(server_context(NEXT), address=MAIL, port=25)
    default.contexts_by_name[HOST] = server_context(NOW)
    with running(default):
        assert "without server name" in failure(call([EE, FOREIGN]))
        assert call([EE, NEXT_EE])["changed"] is True


def test_a_mail_server_without_tls_is_refused(call: Call, names: Names) -> None:
    plain = Behaviour(ehlo=b"250-mx.example.nl\r\n250 8BITMIME\r\n")
    with running(Responder(server_context(NOW), plain, MAIL, 25)):
        assert "starttls-missing" in str(call([EE])["endpoints"])
        assert "mail would be refused" in failure(call([EE]))
    assert names.served() == ([], None)


@pytest.mark.parametrize("base_domain", [HOST, "nothing.example.nl", "no-address.example.nl"])
def test_a_mail_server_that_cannot_be_seen_is_refused(call: Call, names: Names, base_domain: str) -> None:
    said = failure(call([EE], base_domain=base_domain))
    assert "could be seen" in said
    assert names.served(f"_25._tcp.{base_domain}") == ([], None)


def test_every_endpoint_that_is_seen_counts(call: Call, names: Names, mail: Responder) -> None:
    both = [MAIL, "127.0.0.26"]
    result = call([EE], endpoints=both)
    assert result["changed"] is True
    assert [one["fit"] for one in result["endpoints"]] == ["matches", "unknown"]
    assert "127.0.0.26:25" in str(result["warnings"])
    with running(Responder(server_context(NEXT), address="127.0.0.26", port=25)):
        assert "127.0.0.26:25" in failure(call([EE, FOREIGN], endpoints=both))
        assert call([EE, NEXT_EE], endpoints=both)["changed"] is True


def test_a_record_that_only_some_senders_accept_does_not_do(call: Call, mail: Responder) -> None:
    stronger = EE.replace("3 1 1", "3 1 2") + "00" * 32
    assert "some senders refuse" in failure(call([EE, stronger]))


# -- an RRset with records of others ----------------------------------------------------------------------------------


def test_an_rrset_that_has_more_is_left_alone(call: Call, names: Names, mail: Responder) -> None:
    names.meddle(EE, TA, NEXT_EE)
    before = names.updates()
    result = call([EE, TA], exclusive=False, ttl=30)
    assert (result["changed"], names.updates()) == (False, before)
    assert result["after"] == {"records": sorted([EE, TA, NEXT_EE]), "ttl": 60}
    assert call([EE, TA], ttl=30)["changed"] is True
    assert names.served() == (BOTH, 30)
    assert call([EE, TA], exclusive=False, ttl=60)["changed"] is True, "the TTL of our own records"


def test_a_wrong_record_is_replaced(call: Call, names: Names, mail: Responder) -> None:
    names.meddle(FOREIGN, TA)
    assert call([EE, TA], exclusive=False)["changed"] is True
    assert names.served() == (BOTH, 60)


def test_a_broken_record_is_replaced(call: Call, names: Names, mail: Responder) -> None:
    names.meddle("\\# 8 0301010102030405", TA)
    result = call([EE, TA], exclusive=False)
    assert (result["changed"], result["before"]["records"]) == (True, [TA, "3 1 1 0102030405"])
    assert names.served() == (BOTH, 60)


def test_a_record_that_matches_is_not_removed_by_the_way(call: Call, names: Names, mail: Responder) -> None:
    names.meddle(EE, FOREIGN)
    said = failure(call([TA], exclusive=False))
    assert EE in said and FOREIGN not in said and "matches what is served" in said
    assert names.served()[0] == sorted([EE, FOREIGN])
    assert call([TA])["changed"] is True
    names.meddle(EE, FOREIGN)
    assert call([TA], exclusive=False, force=True)["changed"] is True


def test_a_record_that_may_match_is_not_removed_either(call: Call, names: Names, mail: Responder) -> None:
    names.meddle(FOREIGN)
    said = failure(call([EE], exclusive=False, endpoints=[MAIL, "127.0.0.26"]))
    assert "unknown whether it matches" in said and "127.0.0.26:25" in said
    assert names.served()[0] == [FOREIGN]
    assert SECRET not in said
