# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does a host's own resolver validate, and does the answer "authentic" reach the programs of the host?

Two paths are asked: the resolver directly, by a query of our own, and the way every program takes that calls
``res_query``: resolv.conf, the C library, the resolver. Only what both say is a proof, and only together with a
bogus name that is refused. Standard library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import secrets
import socket
import struct
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, finding, known
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.stub_resolver import RCODES, wire_name

_RD, _AD, _CD, _TC, _QR = 0x0100, 0x0020, 0x0010, 0x0200, 0x8000
_SOA: t.Final = 6


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came back: ``status`` is the name of the response code, or ``timeout``, ``unreachable`` or ``malformed``.

    ``authentic`` is the AD bit, ``answers`` the number of records in the answer section.
    """

    status: str
    authentic: bool = False
    answers: int = 0
    detail: str = ""

    def __str__(self) -> str:
        seen = f"{self.status}, AD={int(self.authentic)}, {self.answers} records"
        return seen if self.status.isupper() else f"{self.status} {self.detail}".strip()


def check_zone(zone: str) -> None:
    """ValueError when ``zone`` is not a domain name."""
    wire_name(zone)


def _query(zone: str, checking_disabled: bool) -> bytes:
    flags = _RD | _AD | (_CD if checking_disabled else 0)
    head = struct.pack("!6H", secrets.randbelow(1 << 16), flags, 1, 0, 0, 1)
    # An OPT record with a size that needs no fragments (RFC 6891), without DO: the AD bit is asked for by AD alone.
    return head + wire_name(zone) + struct.pack("!2H", _SOA, 1) + b"\0" + struct.pack("!2HIH", 41, 1232, 0, 0)


def _parse(query: bytes, data: bytes) -> Reply:
    if len(data) < 12:
        return Reply("malformed", detail=f"{len(data)} bytes")
    flags, questions, answers = struct.unpack("!3H", data[2:8])
    end = 12 + query[12:].index(b"\0") + 5
    if questions and data[12:end].lower() != query[12:end].lower():
        return Reply("malformed", detail="another question")
    return Reply(RCODES.get(flags & 15, f"RCODE{flags & 15}"), bool(flags & _AD), answers)


def ask(address: str, zone: str, checking_disabled: bool = False, timeout: float = 5.0, port: int = 53) -> Reply:
    """Ask the resolver at ``address`` for the SOA record of ``zone``: once by UDP, by TCP when that is truncated."""
    query = _query(zone, checking_disabled)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            udp.settimeout(timeout)
            udp.connect((address, port))
            udp.send(query)
            data = udp.recv(4096)
            # A late answer to an earlier query of this process cannot be here: each one has a port of its own.
            if data[:2] != query[:2] or not len(data) > 3 or not data[2] << 8 & _QR:
                return Reply("malformed", detail="not an answer to this query")
        if data[2] << 8 & _TC:
            with socket.create_connection((address, port), timeout) as tcp:
                tcp.sendall(struct.pack("!H", len(query)) + query)
                stream = tcp.makefile("rb")
                data = stream.read(struct.unpack("!H", stream.read(2))[0])
    except TimeoutError:
        return Reply("timeout", detail=f"after {timeout:g} s")
    except (OSError, struct.error) as error:
        return Reply("unreachable", detail=str(error))
    return _parse(query, data)


def ask_libc(zone: str) -> Reply:
    """Ask through resolv.conf and the C library, as programs of this host do.

    Its errors do not tell time-outs from SERVFAIL: the status is ``failed`` then.
    """
    wire_name(zone)
    library = _library()
    library.__res_init()
    answer = ctypes.create_string_buffer(65535)
    length = library.res_query(zone.encode("idna"), 1, _SOA, answer, len(answer))
    if length < 12:
        return Reply("failed", detail="(res_query found nothing)")
    return _parse(_query(zone, False), answer.raw[: min(length, len(answer))])


def _library() -> ctypes.CDLL:
    for name in ("libresolv.so.2", "libc.so.6"):
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(name)
            library.res_query.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
            if library.__res_init:
                return library
    raise OSError("the C library of this host has no res_query")


@dataclasses.dataclass(frozen=True)
class Names:
    """Names of zones to ask for: a signed one, and where known a bogus and an unsigned one ('' for none)."""

    secure: str
    bogus: str = ""
    unsigned: str = ""


@dataclasses.dataclass(frozen=True)
class Proof:
    """Findings, and in ``unproven`` sentences about what could not be found out. ``checks`` is what was seen."""

    findings: tuple[Finding, ...]
    unproven: tuple[str, ...]
    checks: tuple[tuple[str, str, str], ...]

    @property
    def transient(self) -> bool:
        """Whether waiting can help: the resolver does not answer (yet), or cannot reach anybody (yet)."""
        return any(item.code in ("dns-timeout", "dns-unreachable", "dns-servfail") for item in self.findings)


_FAILURES: t.Final = {"timeout": "dns-timeout", "unreachable": "dns-unreachable", "SERVFAIL": "dns-servfail"}
_FAILURES_OTHER: t.Final = {"REFUSED": "dns-refused", "malformed": "dns-malformed"}


def judge_resolver(names: Names, secure: Reply, bogus: tuple[Reply, Reply] | None, unsigned: Reply | None) -> Proof:
    """Say what the answers of a resolver prove; ValueError when the secure name is not a zone.

    ``bogus`` are the answers with validation asked for and with checking disabled.
    """
    if secure.status == "NXDOMAIN" or (secure.status == "NOERROR" and not secure.answers):
        raise ValueError(f"{names.secure!r} cannot prove anything, because it is not a zone: SOA gave {secure}")
    subject = "resolver"
    findings: list[Finding] = []
    unproven: list[str] = []
    checks = [("signed zone", names.secure, str(secure))]
    failure = {**_FAILURES, **_FAILURES_OTHER}.get(secure.status)
    if failure:
        findings.append(finding(known(failure), subject, f"{names.secure} SOA: {secure}", "NOERROR, AD=1"))
    elif not secure.authentic:
        findings.append(finding("resolver-not-validating", subject, f"{names.secure} SOA: {secure}", "NOERROR, AD=1"))
    if bogus:
        refused, unchecked = bogus
        checks += [("bogus zone", names.bogus, str(refused)), ("bogus zone, unchecked", names.bogus, str(unchecked))]
        if refused.status == "NOERROR" and refused.answers:
            findings.append(finding("resolver-accepts-bogus", subject, f"{names.bogus} SOA: {refused}", "SERVFAIL"))
        elif refused.status != "SERVFAIL" or unchecked.status != "NOERROR":
            unproven.append(f"whether bogus data is refused: {names.bogus} gave {refused}, unchecked {unchecked}")
    if unsigned:
        checks.append(("unsigned zone", names.unsigned, str(unsigned)))
        if unsigned.authentic and unsigned.answers:
            findings.append(finding("resolver-ad-forged", subject, f"{names.unsigned} SOA: {unsigned}", "AD=0"))
        elif unsigned.status != "NOERROR":
            unproven.append(f"whether unsigned data is told apart: {names.unsigned} gave {unsigned}")
    return Proof(tuple(findings), tuple(unproven), tuple(checks))


def prove_resolver(address: str, names: Names, timeout: float = 5.0, port: int = 53) -> Proof:
    """Ask the resolver at ``address`` directly and judge the answers."""
    secure = ask(address, names.secure, timeout=timeout, port=port)
    bogus = unsigned = None
    # A resolver that does not answer at all need not be asked four times.
    if secure.status not in ("timeout", "unreachable"):
        if names.bogus:
            replies = [ask(address, names.bogus, unchecked, timeout, port) for unchecked in (False, True)]
            bogus = (replies[0], replies[1])
        unsigned = ask(address, names.unsigned, timeout=timeout, port=port) if names.unsigned else None
    return judge_resolver(names, secure, bogus, unsigned)


def judge_path(names: Names, secure: Reply, bogus: Reply | None) -> Proof:
    """Say what the answers prove that came through the C library from a resolver that is proven itself."""
    checks = [("signed zone, C library", names.secure, str(secure))]
    findings: list[Finding] = []
    if secure.status != "NOERROR":
        findings.append(finding("dns-unreachable", "resolv.conf", f"{names.secure} SOA: {secure}", "NOERROR, AD=1"))
    elif not secure.authentic:
        evidence = f"{names.secure} SOA through the C library: {secure}"
        findings.append(finding("resolv-conf-trust-ad-missing", "resolv.conf", evidence, "NOERROR, AD=1"))
    if bogus:
        checks.append(("bogus zone, C library", names.bogus, str(bogus)))
        if bogus.status == "NOERROR" and bogus.answers:
            evidence = f"{names.bogus} SOA through the C library: {bogus}"
            findings.append(finding("resolver-accepts-bogus", "resolv.conf", evidence, "no answer"))
    return Proof(tuple(findings), (), tuple(checks))


def prove_path(names: Names, bogus_is_refused: bool) -> Proof:
    """Ask through the C library and judge. ``bogus_is_refused``: the resolver itself was seen to refuse that zone."""
    bogus = ask_libc(names.bogus) if names.bogus and bogus_is_refused else None
    return judge_path(names, ask_libc(names.secure), bogus)


HEADER: t.Final = "# This host asks its own validating resolver only (mailsec.dane.resolv_conf)\n"


def render(current: str, resolvers: t.Sequence[str], options: t.Sequence[str]) -> str:
    """Return the resolv.conf wanted in place of ``current``, whose search list is kept."""
    kept = [line.strip() for line in current.splitlines() if line.split()[:1] in (["search"], ["domain"])]
    servers = [f"nameserver {address}" for address in resolvers]
    return HEADER + "".join(f"{line}\n" for line in (*kept, *servers, f"options {' '.join(options)}"))


def foreign(text: str, resolvers: t.Collection[str]) -> tuple[Finding, ...]:
    """Return a finding for each name server in a resolv.conf that does not belong there."""
    listed = [fields[1] for fields in map(str.split, text.splitlines()) if fields[:1] == ["nameserver"] and fields[1:]]
    expected = "nameserver " + ", ".join(resolvers)
    return tuple(
        finding("resolv-conf-foreign-nameserver", "resolv.conf", f"nameserver {address}", expected)
        for address in dict.fromkeys(listed)
        if address not in resolvers
    )


@dataclasses.dataclass(frozen=True)
class Writer:
    """A program that writes resolv.conf by itself, and the file that tells it not to.

    It is there when ``sign`` exists. ``reload`` is a unit that must read the file again.
    """

    name: str
    sign: str
    path: str
    content: str
    mode: int = 0o644
    reload: str = ""


_BY: t.Final = "# resolv.conf of this host belongs to mailsec.dane.resolv_conf\n"

WRITERS: t.Final = (
    Writer(
        "dhclient", "/etc/dhcp/dhclient-enter-hooks.d", "/etc/dhcp/dhclient-enter-hooks.d/zz-mailsec-dane",
        f"{_BY}make_resolv_conf() {{ :; }}\n",
    ),
    Writer(
        "dhcpcd", "/etc/dhcpcd.conf", "/etc/dhcpcd.enter-hook",
        f'{_BY}skip_hooks="$skip_hooks resolv.conf"\n',
    ),
    Writer(
        "NetworkManager", "/etc/NetworkManager/conf.d", "/etc/NetworkManager/conf.d/zz-mailsec-dane.conf",
        f"{_BY}[main]\ndns=none\nrc-manager=unmanaged\n", reload="NetworkManager.service",
    ),
)  # fmt: skip


def guards(writers: t.Iterable[Writer] = WRITERS) -> tuple[list[Writer], list[str]]:
    """Return the writers that must still be told, and warnings about those whose file is somebody else's."""
    needed: list[Writer] = []
    warnings: list[str] = []
    for writer in writers:
        if not os.path.exists(writer.sign):
            continue
        now = read(writer.path)
        if now is None or (now != writer.content and now.startswith(_BY)):
            needed.append(writer)
        elif now != writer.content:
            warnings.append(f"{writer.path} is not ours: see to it that {writer.name} leaves resolv.conf alone")
    return needed, warnings


def read(path: str) -> str | None:
    """Return the text of a file, None when it does not exist."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return None
