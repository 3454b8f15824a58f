# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real name servers in a network of their own: BIND and Knot as primaries, a secondary, a parent zone, a resolver.

Needs root and the packages bind9, knot and unbound. Nothing leaves the machine, and nothing is left behind.
"""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import typing as t
from collections.abc import Iterator

import dns.message
import dns.query
import dns.rdatatype
import dns.tsigkeyring
import dns.update
import pytest
from ansible.module_utils.testing import patch_module_args
from support.credentials import Credentials, ecdsa, server_context
from support.smtp_responder import Responder, running

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._dns import resolv_conf
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.modules import tlsa_rrset

ROOT = pathlib.Path(__file__).resolve().parents[3]
_CLONE_NEWNET = 0x40000000
SECRET = "c2VjcmV0LW9mLXRoZS10bHNhLXRlc3RzLTAxMjM0NTY="
OTHER_SECRET = "b3RoZXItc2VjcmV0LW9mLXRoZS10bHNhLXRlc3RzLTE="
BIND, SECONDARY, KNOT, RESOLVER, MAIL = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.53", "127.0.0.25"
HOST = "mx.example.nl"
OWNER = f"_25._tcp.{HOST}"
KEY = {"key_name": "tlsa", "key_secret": SECRET}

Call = t.Callable[..., dict[str, t.Any]]


def record(credentials: Credentials, usage: int = 3, position: int = 0) -> str:
    return compute(load_der(credentials.chain[position]), usage, 1, 1).to_text()


NOW, NEXT = ecdsa(HOST), ecdsa(HOST, "next")
EE, TA, NEXT_EE = record(NOW), record(NOW, 2, 1), record(NEXT)
FOREIGN = "3 1 1 " + "ab" * 32


class Names:
    """The name servers: their addresses, their logs, and what they serve, by a client that shares no code with ours."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory

    def log(self, server: str = "bind") -> str:
        return (self.directory / f"{server}.log").read_text()

    def updates(self) -> int:
        """How many update messages BIND has got, carried out or not."""
        return len(re.findall(r"client @\S+ [^\n]*(?:updating zone|update) '", self.log()))

    def served(self, owner: str = OWNER, server: str = BIND, rdtype: str = "TLSA") -> tuple[list[str], int | None]:
        reply = dns.query.udp(dns.message.make_query(owner, rdtype), server, 5)
        found = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.from_text(rdtype)]
        return sorted(rdata.to_text() for rrset in found for rdata in rrset), found[0].ttl if found else None

    def meddle(self, *records: str, owner: str = OWNER, zone: str = "example.nl", server: str = BIND) -> None:
        """Change the RRset behind everybody's back, and see it served: inline signing takes a moment."""
        update = dns.update.UpdateMessage(zone, keyring=dns.tsigkeyring.from_text({"tlsa.": ("hmac-sha256", SECRET)}))
        update.delete(f"{owner}.", "TLSA")
        if records:
            update.add(f"{owner}.", 60, "TLSA", *records)
        assert dns.query.tcp(update, server, 5).rcode() == 0
        readable = sorted(text for text in records if not text.startswith("\\#"))
        wait_for(lambda: set(readable) <= set(found := self.served(owner, server)[0]) and len(found) == len(records))


_BIND_ZONE = """$TTL 60
@ SOA ns1 hostmaster 1 86400 86400 864000 60
@ NS ns1
{ns2}
ns1 A 127.0.0.2
ns2 A 127.0.0.3
mx A 127.0.0.25
mx2 A 127.0.0.26
nothing A 127.0.0.27
away A 127.0.0.28
*._tcp.wild TLSA 3 1 1 {foreign}
*.pool A 192.0.2.1
own.pool A 192.0.2.1
_25._tcp.alias CNAME mx._tlsa
sub NS ns.elsewhere.test.
"""

_KNOT_ZONE = """$TTL 60
@ SOA ns1 hostmaster 1 86400 86400 864000 60
@ NS ns1
ns1 A 127.0.0.4
mx A 127.0.0.25
*._tcp.wild TLSA 3 1 1 {foreign}
*.pool A 192.0.2.1
own.pool A 192.0.2.1
"""

_PARENT_ZONE = """$TTL 60
@ SOA ns1.knot.nl. hostmaster.knot.nl. 1 86400 86400 864000 60
@ NS ns1.knot.nl.
knot NS ns1.knot.nl.
ns1.knot A 127.0.0.4
example NS ns1.example
example NS ns2.example
ns1.example A 127.0.0.2
ns2.example A 127.0.0.3
apart NS ns1.example
apart NS ns1.dead
apart NS ns2.nowhere
dead NS ns.dead
ns.dead A 127.0.0.99
"""


def _named(name: str, address: str, zones: str, more: str = "") -> str:
    return f"""
key "tlsa" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
key "weak" {{ algorithm hmac-sha256; secret "{OTHER_SECRET}"; }};
dnssec-policy "test" {{ keys {{ csk lifetime unlimited algorithm ecdsap256sha256; }}; }};
controls {{ }};
options {{
  directory "."; pid-file "{name}.pid"; session-keyfile "{name}.session";
  listen-on port 53 {{ {address}; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; querylog no;
  notify-source {address}; transfer-source {address}; allow-transfer {{ any; }};
  {more}
}};
logging {{
  channel all {{ file "{name}.log"; severity debug 3; print-category yes; }};
  category default {{ all; }}; category update {{ all; }}; category update-security {{ all; }};
}};
{zones}
"""


_PRIMARY_ZONES = """
zone "example.nl" { type primary; file "example.nl.zone"; dnssec-policy test; inline-signing yes;
  allow-update { key tlsa; }; notify explicit; also-notify { 127.0.0.3; }; };
zone "apart.nl" { type primary; file "apart.nl.zone"; allow-update { key tlsa; }; notify no; };
zone "stuck.nl" { type primary; file "stuck.nl.zone"; allow-update { key tlsa; }; notify no; };
zone "open.nl" { type primary; file "open.nl.zone"; allow-update { 127.0.0.0/8; }; notify no; };
zone "closed.nl" { type primary; file "closed.nl.zone"; notify no; };
zone "broken.nl" { type primary; file "no-such-file.zone"; };
"""

_SECONDARY_ZONES = """
zone "example.nl" { type secondary; file "example.nl.secondary"; primaries { 127.0.0.2; }; };
zone "stuck.nl" { type secondary; file "stuck.nl.secondary"; primaries { 127.0.0.2; }; };
"""

_KNOT = f"""
server:
    rundir: "."
    listen: {KNOT}@53
    pidfile: knot.pid
    user: root:root
log:
  - target: knot.log
    any: debug
database:
    storage: knotdb
key:
  - id: tlsa
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: update
    key: tlsa
    action: update
policy:
  - id: test
    algorithm: ecdsap256sha256
    single-type-signing: on
    cds-cdnskey-publish: none
template:
  - id: default
    storage: "."
    zonefile-sync: -1
    journal-content: all
    zonefile-load: difference-no-serial
zone:
  - domain: knot.nl
    file: knot.nl.zone
    acl: update
    dnssec-signing: on
    dnssec-policy: test
  - domain: nl
    file: nl.zone
"""

_UNBOUND = f"""
server:
    interface: {RESOLVER}
    chroot: ""
    username: ""
    directory: "."
    pidfile: unbound.pid
    use-syslog: no
    logfile: unbound.log
    do-not-query-localhost: no
    module-config: "iterator"
    cache-max-negative-ttl: 0
    do-ip6: no
    local-zone: "test." static
stub-zone:
    name: nl
    stub-addr: {KNOT}
"""


def _write(directory: pathlib.Path) -> None:
    for name in ("example", "apart", "stuck", "open", "closed"):
        ns2 = "@ NS ns2" if name in ("example", "stuck") else ""
        (directory / f"{name}.nl.zone").write_text(_BIND_ZONE.format(ns2=ns2, foreign="cd" * 32))
    (directory / "knotdb").mkdir()
    (directory / "knot.nl.zone").write_text(_KNOT_ZONE.format(foreign="cd" * 32))
    (directory / "nl.zone").write_text(_PARENT_ZONE)
    (directory / "bind.conf").write_text(_named("bind", BIND, _PRIMARY_ZONES))
    (directory / "secondary.conf").write_text(_named("secondary", SECONDARY, _SECONDARY_ZONES))
    (directory / "knot.conf").write_text(_KNOT)
    (directory / "unbound.conf").write_text(_UNBOUND)


def wait_for(what: t.Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"did not happen within {seconds} s"
        time.sleep(0.05)


def _answers(server: str, name: str, rdtype: str) -> bool:
    try:
        return bool(dns.query.udp(dns.message.make_query(name, rdtype), server, 0.5).answer)
    except (OSError, dns.exception.DNSException):
        return False


@pytest.fixture(scope="session")
def network() -> Iterator[None]:
    """A network of our own for this thread, its children and the threads it starts."""
    if os.geteuid() != 0:
        pytest.skip("not run: name servers on port 53 need root")
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(_CLONE_NEWNET) != 0:
        pytest.skip(f"not run: this machine forbids namespaces ({os.strerror(ctypes.get_errno())})")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for last in (2, 3, 4, 5, 6, 7, 25, 26, 27, 53):
        subprocess.run(["ip", "addr", "add", f"127.0.0.{last}/32", "dev", "lo"], check=True)
    yield
    libc.setns(before, _CLONE_NEWNET)
    os.close(before)


@pytest.fixture(scope="session")
def names(network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    """All name servers, ready: zones signed and transferred."""
    directory = tmp_path_factory.mktemp("names")
    _write(directory)
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, *arguments: str) -> None:
        # A copy, because AppArmor lets the originals read only where Debian puts their files.
        copy = directory / program
        if not copy.exists():
            shutil.copy(str(shutil.which(program)), copy)
        with (directory / f"{program}-{len(started)}.out").open("wb") as out:
            started.append(subprocess.Popen([copy, *arguments], cwd=directory, stdout=out, stderr=out))

    try:
        start("knotd", "-c", "knot.conf")
        start("named", "-f", "-u", "root", "-c", str(directory / "bind.conf"))
        wait_for(lambda: _answers(BIND, "example.nl", "DNSKEY") and _answers(KNOT, "knot.nl", "DNSKEY"))
        start("named", "-f", "-u", "root", "-c", str(directory / "secondary.conf"))
        start("unbound", "-d", "-c", "unbound.conf")
        wait_for(lambda: _answers(SECONDARY, "stuck.nl", "SOA") and _answers(SECONDARY, "example.nl", "DNSKEY"))
        wait_for(lambda: _answers(RESOLVER, "nl", "SOA"))
        yield Names(directory)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


@pytest.fixture
def mail(network: None) -> Iterator[Responder]:
    """The mail server mx.example.nl, serving the key of EE and the chain of TA."""
    with running(server := Responder(server_context(NOW), address=MAIL, port=25)):
        yield server


@pytest.fixture
def call(names: Names, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Run the module in this process: BIND alone, our key and HOST unless told otherwise; without RRset at first."""
    monkeypatch.setattr(resolv_conf, "system_servers", lambda: (Server(RESOLVER),))
    names.meddle()
    capsys.readouterr()

    def run(records: list[str] | None = None, **options: t.Any) -> dict[str, t.Any]:
        defaults = {"base_domain": HOST, "server": BIND, "name_servers": [BIND], "ttl": 60, "timeout": 6, **KEY}
        given = {**defaults, **({} if records is None else {"records": records}), **options}
        given = {name: value for name, value in given.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit) as left:
            tlsa_rrset.main()
        out, err = capsys.readouterr()
        assert SECRET not in out + err and OTHER_SECRET not in out + err
        result: dict[str, t.Any] = json.loads(out)
        assert bool(result.get("failed")) == bool(left.value.code)
        return result

    yield run
