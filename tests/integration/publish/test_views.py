# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tlsa_rrset against name servers that answer differently to those who hold the key, and against frozen zones."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import subprocess
import typing as t
from collections.abc import Iterator

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import pytest
from name_servers import EE, FOREIGN, MAIL, NEXT_EE, OTHER_SECRET, SECRET, TA, Call, wait_for
from support.smtp_responder import Responder

BIND, KNOT, PDNS = "127.0.0.5", "127.0.0.6", "127.0.0.7"
ZONE = """$TTL 60
@ SOA ns1 hostmaster 1 86400 86400 864000 60
@ NS ns1
ns1 A {address}
mx A 127.0.0.25
"""
_VIEW = 'zone "{zone}" {{ type primary; file "{zone}.{view}"; {more} }};\n'
_UPDATES = "allow-update { key tlsa; };"


def _named() -> str:
    everywhere = ("views.nl", "public.nl", "key-only.nl")
    internal = "".join(_VIEW.format(zone=zone, view="int", more=_UPDATES) for zone in ("views.nl", "frozen.nl"))
    shared = "".join(f'zone "{zone}" {{ in-view "ext"; }};\n' for zone in ("public.nl", "key-only.nl"))
    external = "".join(_VIEW.format(zone=zone, view="ext", more=_UPDATES) for zone in everywhere[:2])
    external += _VIEW.format(zone="key-only.nl", view="ext", more=_UPDATES + " allow-query { key tlsa; };")
    external += _VIEW.format(zone="frozen.nl", view="ext", more="")
    return f"""
key "tlsa" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
controls {{ inet {BIND} port 953 allow {{ any; }} keys {{ "tlsa"; }}; }};
options {{
  directory "."; pid-file "views.pid"; session-keyfile "views.session"; lock-file none;
  listen-on port 53 {{ {BIND}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify no;
}};
view "ext" {{ match-clients {{ !key tlsa; any; }}; {external} }};
view "int" {{ match-clients {{ key tlsa; }}; {internal} {shared} }};
"""


def _knot() -> str:
    zones = "".join(
        f"  - domain: {zone}\n    file: {zone}.knot\n    acl: [{acl}]\n"
        for zone, acl in (("knot-update.nl", "update"), ("knot-both.nl", "update, query"), ("knot-frozen.nl", "update"))
    )
    return f"""
server:
    rundir: "."
    listen: {KNOT}@53
    pidfile: knot-views.pid
    user: root:root
log:
  - target: knot-views.log
    any: info
control:
    listen: knot-views.sock
database:
    storage: knotviews
key:
  - id: tlsa
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: update
    key: tlsa
    action: update
  - id: query
    key: tlsa
    action: query
template:
  - id: default
    storage: "."
    zonefile-sync: -1
    journal-content: all
    zonefile-load: difference-no-serial
zone:
{zones}"""


@dataclasses.dataclass
class Views:
    """Where the servers keep their files, and how to command them."""

    directory: pathlib.Path

    def rndc(self, *words: str) -> str:
        command = ["rndc", "-c", "rndc.conf", *words]
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout

    def knotc(self, *words: str) -> None:
        command = ["knotc", "-s", "knot-views.sock", *words]
        subprocess.run(command, cwd=self.directory, capture_output=True, timeout=30, check=True)

    @staticmethod
    def served(name: str, server: str, signed: bool = False) -> list[str]:
        """TLSA records, or the code of a refusal, by a client that shares no code with ours."""
        question = dns.message.make_query(f"_25._tcp.{name}", "TLSA")
        if signed:
            question.use_tsig(dns.tsigkeyring.from_text({"tlsa.": ("hmac-sha256", SECRET)}))
        reply = dns.query.udp(question, server, 5)
        if reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return [dns.rcode.to_text(reply.rcode())]
        return sorted(rdata.to_text() for rrset in reply.answer for rdata in rrset)


def _answers(server: str, zone: str) -> bool:
    try:
        return dns.query.udp(dns.message.make_query(zone, "SOA"), server, 0.5).rcode() != dns.rcode.SERVFAIL
    except (OSError, dns.exception.DNSException):
        return False


@pytest.fixture(scope="module")
def views(network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Views]:
    """BIND with two views and Knot."""
    directory = tmp_path_factory.mktemp("views")
    for zone in ("views.nl", "public.nl", "key-only.nl", "frozen.nl"):
        for view in ("int", "ext"):
            (directory / f"{zone}.{view}").write_text(ZONE.format(address=BIND))
    for zone in ("knot-update.nl", "knot-both.nl", "knot-frozen.nl"):
        (directory / f"{zone}.knot").write_text(ZONE.format(address=KNOT))
    (directory / "knotviews").mkdir()
    (directory / "named.conf").write_text(_named())
    (directory / "knot.conf").write_text(_knot())
    (directory / "rndc.conf").write_text(
        f'key "tlsa" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'
        f'options {{ default-key "tlsa"; default-server {BIND}; default-port 953; }};\n'
    )
    started = []
    try:
        for program, *arguments in (
            ("named", "-f", "-u", "root", "-c", str(directory / "named.conf")),
            ("knotd", "-c", "knot.conf"),
        ):
            copy = shutil.copy(str(shutil.which(program)), directory / program)
            with (directory / f"{program}.out").open("wb") as out:
                started.append(subprocess.Popen([copy, *arguments], cwd=directory, stdout=out, stderr=out))
        wait_for(lambda: _answers(BIND, "public.nl") and _answers(KNOT, "knot-both.nl"))
        yield Views(directory)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def at(server: str, zone: str, **more: t.Any) -> dict[str, t.Any]:
    """Options for the base domain mx.ZONE; all look at one mail server."""
    return {
        "base_domain": f"mx.{zone}", "server": server, "name_servers": [server], "endpoints": [MAIL], "wait_timeout": 1,
        **more,
    }  # fmt: skip


def failure(result: dict[str, t.Any]) -> str:
    assert result.get("failed") is True, result
    return str(result["msg"])


def test_r03_the_view_of_the_key_is_read_and_written(call: Call, views: Views, mail: Responder) -> None:
    where = at(BIND, "views.nl", wait=False)
    assert call([EE, TA], _ansible_check_mode=True, **where)["before"]["records"] == []
    assert call([EE, TA], **where)["changed"] is True
    assert views.served("mx.views.nl", BIND, signed=True) == sorted([EE, TA])
    assert views.served("mx.views.nl", BIND) == []
    again = call([EE, TA], **where)
    assert (again["changed"], again["before"]["records"]) == (False, sorted([EE, TA]))
    other = call([EE], expected=[EE, TA], **where)
    assert (other["changed"], other["before"]["records"]) == (True, sorted([EE, TA]))
    assert FOREIGN in failure(call([EE, TA], expected=[FOREIGN], **where))
    assert call(state="absent", **where)["changed"] is True


def test_r03_what_the_public_does_not_see_is_not_called_published(call: Call, views: Views, mail: Responder) -> None:
    said = failure(call([EE], **at(BIND, "views.nl")))
    assert "The update was made, but" in said
    assert "several views" in said and "match-clients" in said
    assert "Nothing was to be changed, but" in failure(call([EE], **at(BIND, "views.nl")))
    # Where the NS sets do not name the server, it is not one that caches ask.
    assert call([EE], **at(BIND, "views.nl", name_servers=[KNOT], wait=False))["changed"] is False
    call(state="absent", **at(BIND, "views.nl", wait=False))


@pytest.mark.parametrize(
    ("server", "zone"),
    [(BIND, "public.nl"), (BIND, "key-only.nl"), (KNOT, "knot-update.nl"), (KNOT, "knot-both.nl")],
)
def test_a_view_for_all_or_answers_for_the_key_alone(
    call: Call, views: Views, mail: Responder, server: str, zone: str
) -> None:
    """Knot refuses signed questions unless an ACL allows them; an allow-query may allow nothing else."""
    where = at(server, zone)
    for records, changed in (([EE, TA], True), ([TA, EE], False), ([EE, NEXT_EE], True), ([EE, NEXT_EE], False)):
        assert call(records, **where)["changed"] is changed
    assert views.served(f"mx.{zone}", server) == (["REFUSED"] if zone == "key-only.nl" else sorted([EE, NEXT_EE]))
    assert "BADSIG" in failure(call([EE], **where, key_secret=OTHER_SECRET))
    assert call(state="absent", **where)["changed"] is True
    assert call(state="absent", **where)["changed"] is False


def test_r04_a_frozen_zone_of_bind(call: Call, views: Views, mail: Responder) -> None:
    where = at(BIND, "frozen.nl", wait=False)
    views.rndc("freeze", "frozen.nl", "IN", "int")
    try:
        result = call([EE], **where)
    finally:
        views.rndc("thaw", "frozen.nl", "IN", "int")
    said = failure(result)
    assert said.startswith("Nothing was changed") and "REFUSED" in said
    for words in ("policy", "is frozen", "'rndc zonestatus frozen.nl'", "'rndc thaw frozen.nl'"):
        assert words in said, words
    assert call([EE], **where)["changed"] is True
    # Another cause with the same answer.
    said = failure(call([EE], **at(BIND, "frozen.nl", wait=False, key_name=None, key_secret=None)))
    assert "does not let an unsigned update" in said and "allow-update" in said


def test_r04_a_frozen_zone_of_knot(call: Call, views: Views, mail: Responder) -> None:
    where = at(KNOT, "knot-frozen.nl")
    views.knotc("zone-freeze", "knot-frozen.nl")
    try:
        said = failure(call([EE], **where))
    finally:
        views.knotc("zone-thaw", "knot-frozen.nl")
    assert said.startswith("Nothing was changed")
    assert "frozen" in said and "'knotc zone-thaw knot-frozen.nl'" in said, said
    wait_for(lambda: call([EE], **where)["changed"] is True or views.served("mx.knot-frozen.nl", KNOT) == [EE])


# -- PowerDNS ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def powerdns(network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """PowerDNS, which signs what it answers to signed questions, and takes updates where a zone says so."""
    schema = pathlib.Path("/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql")
    if shutil.which("pdns_server") is None or not schema.exists():
        pytest.skip("not run: this machine has no pdns-server with pdns-backend-sqlite3")
    import sqlite3

    directory = tmp_path_factory.mktemp("pdns")
    with sqlite3.connect(directory / "pdns.sqlite3") as database:
        database.executescript(schema.read_text())
    (directory / "pdns.conf").write_text(
        f"launch=gsqlite3\ngsqlite3-database={directory}/pdns.sqlite3\nlocal-address={PDNS}\nsocket-dir={directory}\n"
        "guardian=no\ndaemon=no\ndnsupdate=yes\nallow-dnsupdate-from=127.0.0.0/8\n"
    )

    def util(*arguments: str) -> None:
        command = ["pdnsutil", f"--config-dir={directory}", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    util("import-tsig-key", "tlsa", "hmac-sha256", SECRET)
    for zone in ("pdns.nl", "pdns-closed.nl"):
        (directory / "zone").write_text(f"$ORIGIN {zone}.\n" + ZONE.format(address=PDNS))
        util("load-zone", zone, f"{directory}/zone")
    util("set-meta", "pdns.nl", "TSIG-ALLOW-DNSUPDATE", "tlsa")
    util("set-meta", "pdns-closed.nl", "TSIG-ALLOW-DNSUPDATE", "other")
    with (directory / "out").open("wb") as out:
        server = subprocess.Popen(["pdns_server", f"--config-dir={directory}"], stdout=out, stderr=out)
    try:
        wait_for(lambda: _answers(PDNS, "pdns.nl"))
        yield
    finally:
        server.terminate()
        server.wait(30)


def test_powerdns(call: Call, powerdns: None, mail: Responder) -> None:
    where = at(PDNS, "pdns.nl", wait_timeout=30)
    for records, changed in (([EE, TA], True), ([TA, EE], False), ([EE, NEXT_EE], True), ([EE, NEXT_EE], False)):
        assert call(records, **where)["changed"] is changed
    assert call([EE], **where, key_secret=OTHER_SECRET)["failed"] is True
    assert call(state="absent", **where)["changed"] is True
    said = failure(call([EE], **at(PDNS, "pdns-closed.nl")))
    assert said.startswith("Nothing was changed") and "REFUSED" in said and "TSIG-ALLOW-DNSUPDATE" in said
