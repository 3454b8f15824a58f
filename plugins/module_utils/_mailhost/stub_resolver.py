# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names as the programs of a host resolve them: /etc/hosts, nsswitch.conf and the name servers of resolv.conf.

The same is done with other name servers, to tell beforehand what a change of resolv.conf brings, and below another
root directory, for programs in a chroot. Standard library only, because it runs on mail servers.
Private to the collection.
"""

from __future__ import annotations

import copy
import dataclasses
import ipaddress
import os
import secrets
import socket
import struct
import time
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolv_conf import MAX_BYTES

TYPES: t.Final[t.Mapping[str, int]] = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "AAAA": 28, "SRV": 33}
_NAMES: t.Final = {number: name for name, number in TYPES.items()}
RCODES: t.Final[t.Mapping[int, str]] = dict(
    enumerate(("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"))
)
#: Compression pointers that one name may take; a loop takes more.
_MAX_POINTERS: t.Final = 32


@dataclasses.dataclass(frozen=True)
class Answer:
    """``status`` is a response code, or ``timeout``, ``unreachable``, ``malformed``.

    ``records`` are type and data of the answer section; ``zone`` is the owner of an SOA record in it or in the
    authority section, ``primary`` the name server that this record names; both '' when there is none.
    """

    status: str
    records: tuple[tuple[str, str], ...] = ()
    zone: str = ""
    primary: str = ""

    def of(self, kind: str) -> tuple[str, ...]:
        """Data of the records of one type."""
        return tuple(data for name, data in self.records if name == kind)


def wire_name(name: str) -> bytes:
    """Wire form of a domain name; ValueError when it is none."""
    labels = [_label(label) for label in name.rstrip(".").split(".")] if name.strip(".") else []
    if any(not 0 < len(label) < 64 for label in labels) or sum(len(label) + 1 for label in labels) > 254:
        raise ValueError(f"{name!r} is not a domain name")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _label(label: str) -> bytes:
    return label.encode("ascii") if label.isascii() else label.encode("idna")


def query(name: str, kind: str, dnssec: bool, checked: bool = True) -> bytes:
    """Return a query with recursion desired; with ``dnssec`` it asks for signatures as Postfix does then.

    Without ``checked`` the name server is asked not to validate (RFC 4035 section 3.2.2).
    """
    flags = (0x0120 if dnssec else 0x0100) | (0 if checked else 0x0010)
    head = struct.pack("!6H", secrets.randbelow(1 << 16), flags, 1, 0, 0, int(dnssec))
    edns = b"\0" + struct.pack("!2HIH", 41, 1232, 0x8000, 0) if dnssec else b""
    return head + wire_name(name) + struct.pack("!2H", TYPES[kind], 1) + edns


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    """Name at an offset, and the offset behind it; ValueError for nonsense."""
    labels: list[str] = []
    behind = -1
    for _pointer in range(_MAX_POINTERS):
        while not data[at] & 0xC0:
            length, at = data[at], at + 1
            if not length:
                return ".".join(labels).lower(), at if behind < 0 else behind
            labels.append(data[at : at + length].decode("ascii", "replace"))
            at += length
        if behind < 0:
            behind = at + 2
        at = (data[at] & 0x3F) << 8 | data[at + 1]
    raise ValueError("too many compression pointers")


def _question_end(message: bytes) -> int:
    return _read_name(message, 12)[1] + 4


def _data(kind: str, data: bytes, at: int, length: int) -> str:
    if kind in ("A", "AAAA"):
        return str(ipaddress.ip_address(data[at : at + length]))
    if kind == "MX":
        return f"{struct.unpack('!H', data[at : at + 2])[0]} {_read_name(data, at + 2)[0]}"
    if kind == "SRV":
        return _read_name(data, at + 6)[0]
    # Of an SOA record the first name: the primary tells two versions of a zone apart, the serial changes every day.
    return _read_name(data, at)[0]


def parse(asked: bytes, data: bytes) -> Answer:
    """Read an answer to a query."""
    try:
        if data[:2] != asked[:2] or not data[2] & 0x80:
            return Answer("malformed")
        flags, questions, answers, authorities = struct.unpack("!4H", data[2:10])
        at = 12
        for _question in range(questions):
            at = _read_name(data, at)[1] + 4
        # Only a server that reports an error may leave out the question: anything else could answer any of them.
        if (questions or flags & 15 in (0, 3)) and data[12:at].lower() != asked[12 : _question_end(asked)].lower():
            return Answer("malformed")
        records: list[tuple[str, str]] = []
        zone = primary = ""
        for number in range(answers + authorities):
            owner, at = _read_name(data, at)
            code, _class, _ttl, length = struct.unpack("!2HIH", data[at : at + 10])
            kind = _NAMES.get(code, "")
            if kind and number < answers:
                records.append((kind, _data(kind, data, at + 10, length)))
            if kind == "SOA":
                zone, primary = owner, _data(kind, data, at + 10, length)
            at += 10 + length
    except (ValueError, IndexError, struct.error):
        return Answer("malformed")
    return Answer(RCODES.get(flags & 15, f"RCODE{flags & 15}"), tuple(records), zone, primary)


def ask(server: str, name: str, kind: str, dnssec: bool = False, timeout: float = 5.0, checked: bool = True) -> Answer:
    """Ask one name server, written ADDRESS or ADDRESS@PORT: by UDP, by TCP when the answer is truncated."""
    address, _at, port = server.partition("@")
    place = (address, int(port or 53))
    asked = query(name, kind, dnssec, checked)
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(timeout)
            udp.connect(place)
            udp.send(asked)
            data = udp.recv(65535)
        if len(data) > 3 and data[2] & 0x02:
            with socket.create_connection(place, timeout) as tcp:
                tcp.sendall(struct.pack("!H", len(asked)) + asked)
                with tcp.makefile("rb") as stream:
                    data = stream.read(struct.unpack("!H", stream.read(2))[0])
    except TimeoutError:
        return Answer("timeout")
    except (OSError, struct.error):
        return Answer("unreachable")
    return parse(asked, data)


#: Answers with which the C library goes on to the next name server.
_NEXT_SERVER: t.Final = ("timeout", "unreachable", "malformed", "SERVFAIL", "REFUSED", "NOTIMP", "FORMERR")


@dataclasses.dataclass(frozen=True)
class Found:
    """What a look-up came to: ``found``, ``absent`` (said so by somebody who knows) or ``unknown``, with the reason."""

    state: str
    values: frozenset[str] = frozenset()
    reason: str = ""


class Names:
    """One way to resolve names, with a memory for its answers.

    ``servers`` are name servers as ``ask`` takes them, ``hosts`` maps lower-case names to addresses, ``order`` are the
    services of nsswitch.conf, ``other`` asks a service that is neither ``files`` nor ``dns``. After ``end``, in the
    time of ``time.monotonic``, nothing is asked any more.
    """

    def __init__(
        self,
        servers: t.Sequence[str],
        hosts: t.Mapping[str, frozenset[str]],
        order: t.Sequence[str] = ("files", "dns"),
        search: t.Sequence[str] = (),
        ndots: int = 1,
        other: t.Callable[[str, str], frozenset[str]] = lambda service, name: frozenset(),
        timeout: float = 5.0,
        end: float = float("inf"),
    ) -> None:
        self.servers = tuple(servers)
        self.search = tuple(search)
        self._hosts = hosts
        self._order = tuple(order)
        self._ndots = ndots
        self._other = other
        self._timeout = timeout
        self._end = end
        self._checked = True
        self._known: dict[tuple[str, str, bool], Answer] = {}

    def unchecked(self) -> Names:
        """Return the same way with name servers that are asked not to validate."""
        same = copy.copy(self)
        same._checked, same._known = False, {}
        return same

    def dns(self, name: str, kind: str, dnssec: bool = False) -> Answer:
        """Ask the name servers in turn, as the C library does. What one of them said is asked once only."""
        key = (name, kind, dnssec)
        answer = self._known.get(key) or self._asked(name, kind, dnssec)
        if answer.status not in ("timeout", "unreachable"):
            self._known[key] = answer
        return answer

    def _asked(self, name: str, kind: str, dnssec: bool) -> Answer:
        answer = Answer("unreachable")
        for _attempt in range(2):
            for server in self.servers[:3]:
                if time.monotonic() > self._end:
                    return Answer("timeout")
                answer = ask(server, name, kind, dnssec, self._timeout, self._checked)
                if answer.status not in _NEXT_SERVER:
                    return answer
            if answer.status not in ("timeout", "unreachable"):
                break
            time.sleep(0.2)
        return answer

    def addresses(self, name: str, dnssec: bool = False) -> Found:
        """Addresses of a host in DNS alone, as Postfix asks for them."""
        answers = [self.dns(name, kind, dnssec) for kind in ("A", "AAAA")]
        values = frozenset(answers[0].of("A") + answers[1].of("AAAA"))
        if values:
            return Found("found", values)
        for answer in answers:
            if answer.status not in ("NOERROR", "NXDOMAIN"):
                return Found("unknown", reason=f"DNS says {answer.status}")
        return Found("absent", reason=f"DNS says {answers[0].status.replace('NOERROR', 'that it has no address')}")

    def native(self, name: str) -> Found:
        """Addresses of a host as getaddrinfo(3) finds them."""
        reason = ""
        for service in self._order:
            if service == "files":
                values = self._hosts.get(name.rstrip(".").lower(), frozenset())
            elif service == "dns":
                found = self._searched(name)
                values = found.values
                if found.state == "unknown":
                    reason = found.reason
            else:
                values = self._other(service, name)
            if values:
                return Found("found", values)
        return Found("unknown", reason=reason) if reason else Found("absent", reason="no address in hosts or DNS")

    def _searched(self, name: str) -> Found:
        if name.endswith("."):
            return self.addresses(name)
        qualified = [f"{name}.{domain}" for domain in self.search]
        tried = [name, *qualified] if name.count(".") >= self._ndots else [*qualified, name]
        worst = Found("absent")
        for candidate in tried:
            found = self.addresses(candidate)
            if found.state == "found":
                return found
            if found.state == "unknown":
                worst = found
        return worst

    def domain(self, name: str, dnssec: bool, host: t.Callable[[str], Found]) -> Found:
        """Where Postfix delivers mail for a domain; ``host`` looks one host up. Values are ``HOST ADDRESS``."""
        answer = self.dns(name, "MX", dnssec)
        if answer.status not in ("NOERROR", "NXDOMAIN"):
            return Found("unknown", reason=f"DNS says {answer.status} for its MX records")
        hosts = sorted({data.partition(" ")[2] for data in answer.of("MX")})
        if hosts == [""]:
            return Found("absent", reason="the domain says that it takes no mail (RFC 7505)")
        if not hosts:
            return host(name)
        found = {mx: host(mx) for mx in hosts}
        values = frozenset(address for one in found.values() for address in one.values)
        if values:
            return Found("found", values)
        unknown = [one for one in found.values() if one.state == "unknown"]
        return (unknown or list(found.values()))[0]

    def zone(self, name: str) -> str:
        """Name of the zone that a name lies in, as the name servers say; '' when they do not."""
        answer = self.dns(name, "SOA")
        return answer.zone if answer.status == "NOERROR" else ""


def read_hosts(text: str) -> dict[str, frozenset[str]]:
    """Return names and addresses of a hosts(5) file."""
    found: dict[str, frozenset[str]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            value = str(ipaddress.ip_address(address))
        except ValueError:
            continue
        for name in names:
            found[name.lower()] = found.get(name.lower(), frozenset()) | {value}
    return found


def read_order(text: str) -> tuple[str, ...]:
    """Return the services of the line ``hosts`` of nsswitch.conf(5)."""
    for line in text.splitlines():
        words = line.partition("#")[0].replace("[", " [").split()
        if words[:1] == ["hosts:"]:
            return tuple(word for word in words[1:] if not word.startswith("[") and not word.endswith("]"))
    return ("files", "dns")


@dataclasses.dataclass(frozen=True)
class ResolvConf:
    """What resolv.conf(5) says."""

    servers: tuple[str, ...]
    search: tuple[str, ...]
    ndots: int = 1


def read_resolv_conf(text: str) -> ResolvConf:
    """Return what a resolv.conf(5) says; the local machine where it lists no name server, as the C library does."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for words in map(str.split, text.splitlines()):
        if words[:1] == ["nameserver"] and words[1:]:
            servers.append(words[1])
        elif words[:1] in (["search"], ["domain"]):
            search = tuple(words[1:])
        elif words[:1] == ["options"]:
            ndots = next((int(word[6:]) for word in words if word[:6] == "ndots:" and word[6:].isdigit()), ndots)
    return ResolvConf(tuple(servers) or ("127.0.0.1",), search, ndots)


def text_of(root: str, path: str) -> str:
    """Return the text of a configuration file below ``root``, '' when there is none."""
    try:
        with open(os.path.join(root or "/", path.lstrip("/")), encoding="utf-8", errors="replace") as file:
            return file.read(MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return ""


def names_below(
    root: str,
    servers: t.Sequence[str],
    other: t.Callable[[str, str], frozenset[str]],
    timeout: float = 5.0,
    end: float = float("inf"),
) -> Names:
    """Return the way in which programs below ``root`` ('' is the host) resolve names.

    ``servers`` stand in for those of resolv.conf: what it will be like when the host uses them.
    """
    resolv = read_resolv_conf(text_of(root, "/etc/resolv.conf"))
    return Names(
        servers or resolv.servers,
        read_hosts(text_of(root, "/etc/hosts")),
        read_order(text_of(root, "/etc/nsswitch.conf")),
        resolv.search,
        resolv.ndots,
        other,
        timeout,
        end,
    )
