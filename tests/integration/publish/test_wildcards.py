# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that real name servers make from a wildcard (RFC 4592), and aliases where records should stand."""

from __future__ import annotations

import asyncio
import typing as t
from collections.abc import Iterator

import dns.query
import dns.tsigkeyring
import dns.update
import pytest
from name_servers import BIND, EE, KNOT, MAIL, SECRET, TA, Call, Names, wait_for
from support.memory_dns import MemoryDns

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, TlsaRrset
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Security
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.tsig_key import TsigKey
from ansible_collections.mailsec.dane.plugins.module_utils._publish import update as publish_update
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import look as rotation_look
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import outcome as rotation_outcome
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import planner, state

OTHERS = "3 1 1 " + "cd" * 32
KEYRING = dns.tsigkeyring.from_text({"tlsa.": ("hmac-sha256", SECRET)})
#: Server and zone: both sign the first two, nobody signs the last one.
SIGNED = [(BIND, "example.nl"), (KNOT, "knot.nl")]
ALL = [*SIGNED, (BIND, "open.nl")]


def failure(result: dict[str, t.Any]) -> str:
    assert result.get("failed") is True, result
    return str(result["msg"])


@pytest.fixture
def wild(names: Names) -> Iterator[t.Callable[[str, str], dict[str, t.Any]]]:
    """Options for wild.ZONE at a server, below which a wildcard has OTHERS; what is published there is removed."""
    used: list[tuple[str, str]] = []

    def options(server: str, zone: str) -> dict[str, t.Any]:
        used.append((server, zone))
        key = {"key_name": None, "key_secret": None} if zone == "open.nl" else {}
        return {
            "base_domain": f"wild.{zone}", "server": server, "name_servers": [server], "endpoints": [MAIL],
            "force": True, "ttl": 60, **key,
        }  # fmt: skip

    yield options
    for server, zone in used:
        update = dns.update.UpdateMessage(zone, keyring=None if zone == "open.nl" else KEYRING)
        update.delete(f"_25._tcp.wild.{zone}.", "TLSA")
        assert dns.query.tcp(update, server, 5).rcode() == 0
        wait_for(lambda: names.served(f"_25._tcp.wild.{zone}", server)[0] == [OTHERS])  # noqa: B023


Wild = t.Callable[[str, str], dict[str, t.Any]]


@pytest.mark.parametrize(("server", "zone"), ALL)
def test_explicit_records_hide_the_wildcard(call: Call, names: Names, wild: Wild, server: str, zone: str) -> None:
    where = wild(server, zone)
    first = call([EE, OTHERS], expected=[OTHERS], expected_ttl=60, **where)
    assert (first.get("msg"), first["changed"]) == (None, True)
    assert first["before"]["records"] == [OTHERS] and first["served"][0]["wildcard"] == ""
    assert names.served(f"_25._tcp.wild.{zone}", server) == (sorted([EE, OTHERS]), 60)
    assert names.served(f"_465._tcp.wild.{zone}", server) == ([OTHERS], 60)
    assert f"*._tcp.wild.{zone}" in str(first["warnings"])
    assert call([EE, OTHERS], **where)["changed"] is False
    assert call([EE, TA], expected=[EE, OTHERS], **where)["changed"] is True


@pytest.mark.parametrize(("server", "zone"), SIGNED)
def test_what_the_wildcard_has_already_is_left_alone(
    call: Call, names: Names, wild: Wild, server: str, zone: str
) -> None:
    result = call([OTHERS], _ansible_check_mode=True, **wild(server, zone))
    assert result["changed"] is False and result["served"][0]["wildcard"] == f"*._tcp.wild.{zone}"


@pytest.mark.parametrize(("server", "zone"), ALL)
def test_a_wildcard_keeps_the_rrset_from_being_withdrawn(
    call: Call, names: Names, wild: Wild, server: str, zone: str
) -> None:
    where = wild(server, zone)
    for mode in (True, False):
        said = failure(call(state="absent", _ansible_check_mode=mode, **where))
        assert said.startswith("Nothing was changed") and f"*._tcp.wild.{zone}" in said and "refuse mail" in said
    call([EE], **where)
    said = failure(call(state="absent", **where))
    assert said.startswith("Nothing was changed") and f"*._tcp.wild.{zone}" in said
    assert names.served(f"_25._tcp.wild.{zone}", server)[0] == [EE]


@pytest.mark.parametrize(("server", "zone"), SIGNED)
def test_a_wildcard_that_was_changed_meanwhile_ends_the_update(
    names: Names, wild: Wild, server: str, zone: str
) -> None:
    wild(server, zone)
    owner = f"_25._tcp.wild.{zone}"
    wanted = TlsaRrset(owner, (TlsaRecord.from_text(EE),), 60)
    key = TsigKey.from_text("tlsa", SECRET, "hmac-sha256")
    update = publish_update.replace_rrset(Server(server), zone, wanted, wanted, key, 10, wildcard=f"*._tcp.wild.{zone}")
    with pytest.raises(publish_update.UpdateError) as caught:
        asyncio.run(update)
    assert caught.value.refusal is publish_update.Refusal.CHANGED_MEANWHILE
    assert names.served(owner, server)[0] == [OTHERS]


def look(owner: str, server: str = BIND) -> tuple[state.AuthorityView, ...]:
    """What the rotation sees of ``owner``; that it validates is taken for granted."""
    dns_path = MemoryDns().add(owner, "TLSA", OTHERS, security=Security.SECURE)
    means = rotation_look.Means(Server(server), (), authorities=(Server(server),))
    return asyncio.run(rotation_look._owner(owner, means, dns_path, ()))[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(("server", "zone"), SIGNED)
def test_the_look_of_a_rotation_knows_the_wildcard(
    call: Call, names: Names, wild: Wild, server: str, zone: str
) -> None:
    owner, wildcard = f"_25._tcp.wild.{zone}", f"*._tcp.wild.{zone}"
    (seen,) = look(owner, server)
    assert (seen.wildcard, seen.records) == (wildcard, {TlsaRecord.from_text(OTHERS)})
    assert seen.proof_ttl >= 60
    call([EE], **wild(server, zone))
    (seen,) = look(owner, server)
    assert (seen.wildcard, seen.records, seen.proof_ttl) == (wildcard, {TlsaRecord.from_text(EE)}, 0)
    assert look(f"_25._tcp.mx.{zone}", server)[0].wildcard == ""


@pytest.mark.parametrize(("server", "zone"), ALL)
def test_the_addresses_of_the_mail_server_are_not_taken_away(
    call: Call, names: Names, wild: Wild, server: str, zone: str
) -> None:
    """A first record below a name ends the wildcard there, that of its addresses included (RFC 4592 section 3.3.1)."""
    where = {**wild(server, zone), "base_domain": f"mx.pool.{zone}"}
    # Nobody signs the last zone, so that the person who is asked to confirm may know better.
    without_force = {**where, "force": False, "endpoints": []} if zone == "open.nl" else where
    for mode in (True, False):
        said = failure(call([EE], _ansible_check_mode=mode, **without_force))
        assert said.startswith("Nothing was changed") and f"*.pool.{zone}" in said and "A and AAAA records" in said
    assert names.served(f"_25._tcp.mx.pool.{zone}", server) == ([], None)
    own = {**where, "base_domain": f"own.pool.{zone}"}
    assert call([EE], **own)["changed"] is True
    assert call(state="absent", **own)["changed"] is True


def test_an_alias_at_the_owner_waits_for_a_person(call: Call, names: Names) -> None:
    owner = "_25._tcp.alias.example.nl"
    seen = look(owner)
    target = state.Target((owner,), (), (), scheme=frozenset())
    observation = state.Observation(seen, ())
    found = planner.plan(state.first_journal(), observation, target, Moment(0, 0, "boot"))
    outcome = rotation_outcome.outcome(found.step, "")
    assert outcome["state"] == "choose" and "rotation_owners has to be mx._tlsa.example.nl" in outcome["sentence"]
    alone = look("_25._tcp.mx.example.nl", "127.0.0.6")
    found = planner.plan(state.first_journal(), state.Observation(alone, ()), target, Moment(0, 0, "boot"))
    assert rotation_outcome.outcome(found.step, "")["state"] == "blocked"
