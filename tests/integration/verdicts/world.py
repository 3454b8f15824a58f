# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One mail domain on a machine of its own: a scripted DNS, a mail server, two real senders, and our own audit.

Runs in a network namespace (``worlds.py`` starts it). Each line of its input is a case in JSON, each line of its output
what became of it. Everybody asks the same DNS on 127.0.0.1, which sets AD, and meets the same server on port 25.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import importlib
import json
import re
import shutil
import ssl
import sys
import tempfile
import typing as t
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "unit"), str(Path(__file__).parents[3] / ".cache" / "collections")]

import dns.message  # noqa: E402
import dns.rdatatype  # noqa: E402
from support import openssl_settings  # noqa: E402
from support.dns_responder import DnsResponder, reply  # noqa: E402
from support.memory_dns import MemoryDns  # noqa: E402
from support.smtp_responder import Behaviour, Responder  # noqa: E402

from ansible_collections.mailsec.dane.plugins.module_utils._audit import contained  # noqa: E402
from ansible_collections.mailsec.dane.plugins.module_utils._audit.audit import Audit, Settings  # noqa: E402
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.ways import ALL_KEY_TYPES  # noqa: E402

# With it dnspython carries TLSA records whose digest has the wrong length, as real name servers do.
importlib.import_module("ansible_collections.mailsec.dane.plugins.module_utils._dns.transport")

ADDRESS = "198.51.100.25"
DOMAIN, HOST = "example.nl", "mx.example.nl"
SECONDS = 60
#: As Debian 12 has Exim send, but for what concerns users of the machine. The server has an address of this machine.
EXIM = r"""
primary_hostname = exim.outside.nl
spool_directory = {directory}/spool
log_file_path = {directory}/%slog
dns_dnssec_ok = 1
log_selector = +tls_cipher +tls_certificate_verified +dnssec
never_users =
keep_environment =
begin routers
dnslookup:
  driver = dnslookup
  transport = remote_smtp
  dnssec_request_domains = *
  self = send
begin transports
remote_smtp:
  driver = smtp
  hosts_try_dane = *
  dnssec_request_domains = *
  allow_localhost
begin retry
* * F,2h,15m
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is served and published: ``chains`` as PEM of key and certificates, ``records`` as TLSA text."""

    chains: list[str]
    records: list[str]
    versions: list[str]
    ciphers: str
    client_certificate: bool
    behaviour: dict[str, str]
    settings: dict[str, str]


def context(case: Case, directory: Path) -> ssl.SSLContext:
    """Raises ssl.SSLError for a chain that OpenSSL does not serve."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = (ssl.TLSVersion[name] for name in case.versions)
    made.set_ciphers(f"{case.ciphers}:@SECLEVEL=0")
    for number, pem in enumerate(case.chains):
        path = directory / f"chain-{number}.pem"
        path.write_text(pem)
        made.load_cert_chain(path)
    for setting, value in case.settings.items():
        openssl_settings.apply(made, setting, value)
    if case.client_certificate:
        made.verify_mode = ssl.CERT_REQUIRED
    return made


class World:
    """The state that the servers show: that of the case in hand."""

    def __init__(self, directory: Path, roots: dict[str, str]) -> None:
        self._directory = directory
        self._roots = roots
        self._records: list[str] = []
        self._server: Responder | None = None

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        asked = query.question[0]
        name, kind = asked.name.to_text().lower(), dns.rdatatype.to_text(asked.rdtype)
        found = {
            (f"{DOMAIN}.", "MX"): [f"10 {HOST}."],
            (f"{HOST}.", "A"): [ADDRESS],
            (f"_25._tcp.{HOST}.", "TLSA"): self._records,
        }.get((name, kind), [])
        # For one RRset dnspython wants one set of records, in which each stands once.
        lines = [f"{name} 300 IN {kind} {rdata}" for rdata in dict.fromkeys(found)]
        return _merged(query, lines)

    async def play(self, case: Case) -> dict[str, t.Any]:
        try:
            tls = context(case, self._directory)
        except (ssl.SSLError, OSError) as error:
            return {"unserved": str(error)}
        self._records = case.records
        told = {name: value if name.endswith("_at") else value.encode() for name, value in case.behaviour.items()}
        behaviour = Behaviour(**told)  # type: ignore[arg-type]  # the names say which is which
        async with Responder(tls, behaviour, ADDRESS, 25):
            postfix, exim = await asyncio.gather(self._postfix(), self._exim())
            if len(case.records) > 1 and exim["state"] == "authenticated":
                # Libdane may give up at a record, and name servers give them in any order.
                self._records = case.records[::-1]
                exim = await self._exim()
            return {"postfix": postfix, "exim": exim, "product": await self._product(case)}

    async def _run(self, root: str, *words: str, stdin: bytes = b"") -> str:
        process = await asyncio.create_subprocess_exec(
            "chroot", self._roots[root], *words,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(SECONDS):
                said, _nothing = await process.communicate(stdin)
        except TimeoutError:
            process.kill()
            raise
        return said.decode(errors="replace")

    async def _postfix(self) -> dict[str, str]:
        said = await self._finger("dane")
        if "DNSSEC-signed TLSA record" not in said:
            # Without usable records smtp(8) goes on at level encrypt (smtp_tls_policy.c), posttls-finger at secure.
            said = await self._finger("encrypt")
        return {"state": said_by_postfix(said), "log": said}

    async def _finger(self, level: str) -> str:
        arguments = ("-t20", "-T20", "-c", "-l", level, "-L", "verbose,summary")
        return await self._run("postfix", "/usr/sbin/posttls-finger", *arguments, DOMAIN)

    async def _exim(self) -> dict[str, str]:
        shutil.rmtree(self._directory / "spool", ignore_errors=True)
        log = self._directory / "mainlog"
        log.unlink(missing_ok=True)
        command = ("/usr/sbin/exim4", "-C", str(self._directory / "exim.conf"), "-odf", "-i", "-f", "a@outside.nl")
        said = await self._run("exim4-daemon-light", *command, f"b@{DOMAIN}", stdin=b"Subject: test\n\ntest\n")
        text = log.read_text() if log.exists() else said
        return {"state": said_by_exim(text), "log": text}

    async def _product(self, case: Case) -> dict[str, t.Any]:
        resolver = MemoryDns().add(DOMAIN, "MX", f"10 {HOST}.").add(HOST, "A", ADDRESS)
        if case.records:
            resolver.add(f"_25._tcp.{HOST}", "TLSA", *case.records)
        settings = Settings(special_use=True, sni=(True, False), key_types=ALL_KEY_TYPES)
        audit = Audit(resolver, settings)
        [verdict] = [one async for one in audit.domains([DOMAIN])]
        shown = contained.domain_result(verdict, datetime.datetime.now(datetime.UTC))
        [host] = shown["hosts"]
        return {
            "domain": shown["verdict"],
            "profiles": {sender: one["verdict"] for sender, one in host["profiles"].items()},
            "reasons": {sender: one["reason"] for sender, one in host["profiles"].items()},
            "findings": sorted({one["code"] for one in shown["findings"]}),
            "evidence": [f"{one['code']}: {one['evidence']}" for one in shown["findings"]],
        }


def _merged(query: dns.message.Message, lines: list[str]) -> dns.message.Message:
    made = reply(query, *lines)
    merged: dict[tuple[t.Any, ...], t.Any] = {}
    for rrset in made.answer:
        merged.setdefault((rrset.name, rrset.rdtype, rrset.covers), rrset).update(rrset)
    made.answer = list(merged.values())
    return made


def said_by_postfix(said: str) -> str:
    """What Postfix would do at security level dane."""
    session = re.search(r"(Verified|Trusted|Untrusted|Anonymous) TLS connection established", said)
    if session is None:
        return "refused"
    # What comes inside TLS belongs to it.
    tail = said[session.end() :]
    lost = re.search(r"lost connection while (?!sending QUIT)|EHLO rejected: 4|^posttls-finger: < [45]", tail, re.M)
    if lost and "< 250" not in tail:
        return "refused"
    if session[1] == "Verified":
        return "authenticated"
    # Where all records are unusable, or there are none, nothing is asked of the certificate.
    asked = "DNSSEC-signed TLSA record" in said and "all TLSA records unusable" not in said
    return "refused" if asked else "encrypt-only"


def said_by_exim(log: str) -> str:
    """What Exim did with the message."""
    delivered = re.search(r" => b@\S+ .* CV=(\w+) ", log)
    if delivered:
        return "authenticated" if delivered[1] == "dane" else "encrypt-only"
    return "refused" if re.search(r" (==|\*\*) b@", log) else "unclear"


async def main() -> None:
    # Old versions of TLS are served on purpose.
    warnings.simplefilter("ignore", DeprecationWarning)
    roots = dict(zip(("postfix", "exim4-daemon-light"), sys.argv[1:3], strict=True))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o777)
        (directory / "exim.conf").write_text(EXIM.format(directory=directory))
        world = World(directory, roots)
        loop = asyncio.get_running_loop()
        responder = DnsResponder(world.answer, port=53)
        async with responder:
            print(json.dumps({"ready": True}), flush=True)
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                try:
                    done = await world.play(Case(**json.loads(line)))
                except Exception as error:  # noqa: BLE001 - the test that asked shows it
                    done = {"failed": repr(error)}
                print(json.dumps(done), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
