# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names a table file, a parameter or a URL has in it, what counts as lost, and who may listen where.

Real Postfixes are asked in the lab (tests/integration/names).
"""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.lookup_tables import (
    Table,
    constants,
    host_of,
    right_sides,
    servers,
    tables,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.name_check import bogus, lost, remedy, worse
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.next_hops import Inventory, Target, _reverse_zones
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.port53 import Listener, choose, listeners
from ansible_collections.mailsec.dane.plugins.modules import next_hops_info


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hash:/etc/postfix/transport", ["hash:/etc/postfix/transport"]),
        ("proxy:mysql:/a.cf, regexp:/b", ["mysql:/a.cf", "regexp:/b"]),
        ("unionmap:{hash:/a, proxy:ldap:/b}", ["hash:/a", "ldap:/b"]),
        ("pipemap:{inline:{ {a=b} }, pcre:/c}", ["inline:{ {a=b} }", "pcre:/c"]),
        ("check_client_access hash:/a, reject, { inet:1.2.3.4:5 }", ["hash:/a"]),
        ("check_sender_access !cidr:/a", ["cidr:/a"]),
        ("socketmap:inet:host:1:x tcp:host:2", ["socketmap:inet:host:1:x", "tcp:host:2"]),
        ("smtp:[a.example] yes 25 unix:passwd.byname", []),
    ],
)
def test_tables_in_a_parameter(text: str, found: list[str]) -> None:
    assert [str(table) for table in tables(text)] == found


@pytest.mark.parametrize(
    ("kind", "text", "pairs"),
    [
        ("texthash", "# x\na.example  smtp:[b]\n\tmore\nc\n", [("a.example", "smtp:[b] more"), ("c", "")]),
        ("regexp", "/^a/i smtp:[b]\nif /x/\n!/c\\/d/ smtp:[e]\nendif\n", [("", "smtp:[b]"), ("", "smtp:[e]")]),
        ("pcre", "m!^a! smtp:[b]\n|c d|  FILTER smtp:[f]\n", [("", "FILTER smtp:[f]")]),
        ("cidr", "192.0.2.0/24  FILTER smtp:[f]\n", [("", "FILTER smtp:[f]")]),
    ],
)
def test_right_sides_of_table_files(kind: str, text: str, pairs: list[tuple[str, str]]) -> None:
    assert right_sides(Table(kind, "/file"), text) == pairs


def test_tables_that_stand_in_the_parameter() -> None:
    assert right_sides(Table("pcre", "{ {/a b/ smtp:[c]} }"), "") == [("", "smtp:[c]")]
    assert constants(Table("static", "{smtp:[a] x}")) == ["smtp:[a] x"]
    assert constants(Table("randmap", "{smtp:[a], smtp:[b]}")) == ["smtp:[a]", "smtp:[b]"]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("[Mail.Example]:587", "mail.example"), ("mail.example:25", "mail.example"), ("mail.example", "mail.example"),
        ("inet:mail.example:24", "mail.example"), ("8891@mail.example", "mail.example"), ("[192.0.2.1]:25", ""),
        ("[2001:db8::1]", ""), ("[IPv6:2001:db8::1]", ""), ("unix:/run/x", ""), ("/run/x", ""), ("", ""),
        ("ldap://u:secret@dc1.example:389/x", "dc1.example"), ("ldapi://%2frun%2fldapi", ""), ("ldap://[::1", ""),
    ],
)  # fmt: skip
def test_hosts(text: str, host: str) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize(
    ("table", "text", "hosts"),
    [
        ("ldap:/f", "server_host = ldap://a.example:389 b.example,\n c.example\nbind_pw = secret", "a b c"),
        ("mysql:/f", "hosts = inet:a.example:33 unix:/run/x localhost 192.0.2.1", "a"),
        ("pgsql:/f", "hosts = postgresql://u:secret@a.example/db?x=1", "a"),
        ("mongodb:/f", "uri = mongodb+srv://u:secret@a.example:1,b.example/db", "a b"),
        ("memcache:/f", "memcache = inet:a.example:1", "a"),
        ("tcp:a.example:1", "", "a"),
        ("socketmap:inet:a.example:1:name", "", "a"),
        ("socketmap:unix:/run/x:name", "", ""),
        ("ldap:old", "", "d"),
        ("sqlite:/f", "dbpath = /x", ""),
    ],
)
def test_servers_of_tables(table: str, text: str, hosts: str) -> None:
    kind, _colon, name = table.partition(":")
    found = servers(Table(kind, name), text, {"old_server_host": "d.example"})
    assert found == [f"{host}.example" for host in hosts.split()]


def test_reverse_zones_of_private_networks() -> None:
    networks = "127.0.0.0/8 [::1]/128 10.0.0.0/8 192.168.4.0/23, 8.8.8.0/24 [fd00:1::]/32 hash:/x"
    zones = ["10.in-addr.arpa", "168.192.in-addr.arpa", "1.0.0.0.0.0.d.f.ip6.arpa"]
    assert _reverse_zones(networks) == zones


def test_what_is_configured_stays_so_when_the_log_names_it() -> None:
    found = Inventory()
    learned = Target("a.example", "host", "smtp/unix", learned=True)
    configured = Target("a.example", "host", "smtp/unix")
    for one, source in ((learned, "log"), (configured, "relayhost"), (learned, "queue"), (configured, "relayhost")):
        found.add(one, source)
    assert list(found.targets) == [configured] and found.targets[configured] == ["relayhost", "log", "queue"]


def target(state: str, *values: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": "a.corp.lan", "kind": "host", "service": "smtp/unix", "how": ["dns"], "root": "", "learned": False,
            "sources": ["relayhost"], "state": state, "values": list(values), "reason": "DNS says NXDOMAIN",
            "refused": [],
            "zone": "corp.lan", **more}  # fmt: skip


FOUND = target("found", "192.0.2.1")
LEARNED = target("found", "8.8.8.8", learned=True)
UNKNOWN = target("unknown", reason="DNS says SERVFAIL")
BOGUS = target("unknown", reason="DNS says SERVFAIL", refused=["8.8.8.8"])


@pytest.mark.parametrize(
    ("before", "after", "is_lost"),
    [
        (FOUND, FOUND, False),
        (FOUND, target("absent"), True),
        (FOUND, UNKNOWN, True),
        (FOUND, target("found", "192.0.2.2"), True),
        # Split DNS: one view has an address less.
        (target("found", "10.0.0.1", "8.8.8.8"), target("found", "8.8.8.8"), True),
        # A public name with many addresses shows some of them at a time.
        (target("found", "8.8.8.8", "8.8.4.4"), target("found", "8.8.4.4", "9.9.9.9"), False),
        (target("found", "8.8.8.8"), target("found", "9.9.9.9"), True),
        (LEARNED, target("found", "9.9.9.9", learned=True), False),
        (LEARNED, target("found", "10.0.0.1", learned=True), True),
        (LEARNED, target("absent", learned=True), True),
        # Only validation keeps the answer: the fault of the domain, where no setting names it.
        (LEARNED, BOGUS, False),
        (target("found", "8.8.8.8"), BOGUS, True),
        (LEARNED, {**BOGUS, "refused": []}, True),
        (LEARNED, {**BOGUS, "refused": ["9.9.9.9"]}, True),
        (target("found", "10.0.0.1", learned=True), {**BOGUS, "refused": ["10.0.0.1"]}, True),
        (target("absent"), target("absent"), False),
        (target("absent"), FOUND, False),
        # Mail waited, now it bounces.
        (UNKNOWN, target("absent"), True),
        (UNKNOWN, UNKNOWN, False),
        (UNKNOWN, FOUND, False),
        (target("found", "ns.corp.lan", kind="zone"), target("found", "ns.example", kind="zone"), True),
        (target("found", "127.0.0.2", kind="list"), target("found", "127.0.0.3", kind="list"), False),
    ],
)
def test_what_counts_as_lost(before: dict[str, t.Any], after: dict[str, t.Any], is_lost: bool) -> None:
    assert bool(lost(before, after)) == is_lost


def look(**targets: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"targets": targets, "unlisted": [], "broken": []}


def test_a_loss_is_said_once_with_what_helps() -> None:
    again = {**FOUND, "service": "relay/unix", "sources": ["transport_maps"]}
    gone = target("absent")
    losses = worse(look(one=FOUND, two=again), look(one=gone, two=gone))
    assert [loss.sentence for loss in losses] == [
        "host a.corp.lan (relayhost, transport_maps) is found as 192.0.2.1. Afterwards DNS says NXDOMAIN."
        " Mail to it would bounce."
    ]
    assert remedy(losses, ["127.0.0.1", "192.0.2.53"], now=["127.0.0.1"]) == (
        "To keep them, ask the former name servers:"
        " resolver_forward_zones: [{name: corp.lan, addresses: [192.0.2.53]}]."
        " To go on without them: resolver_accepted_losses: [a.corp.lan]."
    )
    assert not worse(look(one=FOUND), look(one=gone), ["a.corp.lan"])


def test_a_zone_is_asked_for_where_it_was() -> None:
    losses = worse(look(one=FOUND), look(one=target("absent")))
    others = {"lan": ["192.0.2.5"], "corp.lan": ["192.0.2.6"], "orp.lan": ["192.0.2.7"]}
    assert "[{name: corp.lan, addresses: [192.0.2.6]}]" in remedy(losses, ["192.0.2.4"], others)
    assert "[{name: corp.lan, addresses: [192.0.2.4]}]" in remedy(losses, ["192.0.2.4"])


@pytest.mark.parametrize(
    ("former", "now", "addresses", "further"),
    [
        # dnsmasq stays on 127.0.0.1, and the new resolver is beside it.
        (["127.0.0.1"], ["127.0.0.2"], "127.0.0.1",
         " The resolver of this host on 127.0.0.1 has to keep running."),
        (["127.0.0.1"], ["127.0.0.2@5354"], "127.0.0.1",
         " The resolver of this host on 127.0.0.1 has to keep running."),
        (["127.0.0.1", "192.0.2.53"], ["127.0.0.2"], "127.0.0.1, 192.0.2.53",
         " The resolver of this host on 127.0.0.1 has to keep running."),
        # Asking there would be asking itself: also on ::1, where the same program can listen.
        (["127.0.0.1"], ["127.0.0.1"], "ADDRESS",
         " ADDRESS is a server that the former resolver on 127.0.0.1 asks for the zone, or that resolver itself,"
         " when it listens on another address or port, for instance 127.0.0.1@5353."),
        (["127.0.0.1", "::1"], ["127.0.0.1@5354"], "ADDRESS",
         " ADDRESS is a server that the former resolver on 127.0.0.1 asks for the zone, or that resolver itself,"
         " when it listens on another address or port, for instance 127.0.0.1@5353."),
        ([], ["127.0.0.1"], "ADDRESS", " ADDRESS is a name server of the zone."),
        # It begins like ::1 and is another machine.
        (["::12"], ["::1"], "::12", ""),
    ],
)  # fmt: skip
def test_a_former_resolver_on_loopback_is_asked_where_it_can_stay(
    former: list[str], now: list[str], addresses: str, further: str
) -> None:
    losses = worse(look(one=FOUND), look(one=target("absent")))
    text = remedy(losses, former, now=now)
    assert f"resolver_forward_zones: [{{name: corp.lan, addresses: [{addresses}]}}].{further} To go on" in text


def test_a_domain_with_wrong_signatures_is_named() -> None:
    before, after = look(one=LEARNED, two=FOUND), look(one=BOGUS, two=FOUND)
    assert not worse(before, after)
    (sentence,) = bogus(before, after)
    assert "a.corp.lan (queue, log or aliases)" in sentence and "resolver_insecure_zones: [a.corp.lan]" in sentence
    assert not bogus(before, after, ["a.corp.lan"]) and not bogus(before, before)


def test_a_name_that_the_settings_lose_is_not_blamed_on_the_resolver() -> None:
    losses = worse(look(one={**FOUND, "how": ["dns", "native"]}), look(one=target("absent")))
    assert "dns, native" in remedy(losses, ["192.0.2.53"]) and "forward" not in remedy(losses, ["192.0.2.53"])


def test_a_table_that_answered_before() -> None:
    now = {**look(), "broken": ["virtual_alias_maps (ldap:/x): no answer"]}
    assert worse(look(), now)[0].sentence == "virtual_alias_maps (ldap:/x): no answer. It answered before."
    assert not worse(now, now)


TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 x 100 0 0 10 0
   1: 0100007F:0035 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 12 1 x 100 0 0 10 0
   2: 00000000:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 x 100 0 0 10 0
"""
UDP6 = """  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0 0 0 14 2 x 0
   1: 00000000000000000000000001000000:0035 00000000000000000000000001000000:1234 01 0:0 00:0 0 0 0 15 2 x 0
"""


def test_who_listens_on_port_53() -> None:
    found = listeners({"tcp": TCP, "udp6": UDP6}, {"11": "named"})
    assert found == (Listener("127.0.0.1", "named"), Listener("::1", "a program"))


@pytest.mark.parametrize(
    ("found", "ours", "wanted", "proven", "plan", "words"),
    [
        ([], False, False, False, "own", "nothing listens"),
        ([("127.0.0.53", "systemd-resolve")], False, False, False, "own", "nothing listens"),
        ([("127.0.0.1", "unbound")], True, True, True, "own", "unbound"),
        ([("127.0.0.1", "unbound")], False, False, True, "use", "validates"),
        ([("127.0.0.1", "unbound")], False, True, True, "own", ""),
        ([("127.0.0.1", "named")], False, False, True, "use", "named"),
        ([("127.0.0.1", "named")], False, True, True, "blocked", "set them up there"),
        ([("127.0.0.1", "named")], False, False, False, "blocked", "resolver_address: 127.0.0.2"),
        ([("0.0.0.0", "dnsmasq")], False, False, False, "blocked", "bind-interfaces"),
    ],
)
def test_nobody_loses_its_port(
    found: list[tuple[str, str]], ours: bool, wanted: bool, proven: bool, plan: str, words: str
) -> None:
    listed = [Listener(address, program) for address, program in found]
    choice = choose(listed, "127.0.0.1", ours, wanted, proven, "")
    assert choice.plan == plan and words in choice.reason


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("192.0.2.5", "192.0.2.5"), ("192.0.2.5:5353", "192.0.2.5@5353"), ("192.0.2.5:53", "192.0.2.5"),
        ("fd00::5", "fd00::5"), ("[fd00::5]:5353", "fd00::5@5353"), ("fe80::5%eth0#dns.example", "fe80::5"),
    ],
)  # fmt: skip
def test_a_server_of_a_link_is_told_in_the_form_that_unbound_reads(told: str, asked: str) -> None:
    assert next_hops_info._without_link(told) == asked
