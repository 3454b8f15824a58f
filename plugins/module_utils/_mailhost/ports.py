# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the mail ports of this host serve: certificates per address, port, name asked for and type of key.

A client on the host itself looks. Types of key are told apart in TLS 1.2, so a server with TLS 1.3 only shows one. A
server that closes the connection without a word may expect a proxy, so it is asked once more as a proxy does.
Standard library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import re
import socket
import ssl
import time
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import openssl
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.listening import Listener, listeners, reachable

if t.TYPE_CHECKING:
    import collections.abc as c

STARTTLS: t.Final = "starttls"
IMPLICIT: t.Final = "implicit"
NONE: t.Final = "none"
UNKNOWN: t.Final = "unknown"
ANY: t.Final = "any"
#: Type of key -> cipher suites of TLS 1.2 that need it, all of them, so that servers of every age answer.
_KINDS: t.Final[t.Mapping[str, str]] = {"rsa": "aRSA:@SECLEVEL=0", "ecdsa": "aECDSA:@SECLEVEL=0"}
_IMPLICIT_PORTS: t.Final = (465, 993, 995)
#: Seconds for one answer. postscreen(8) lets new clients wait six seconds.
_PATIENCE: t.Final = 10.0
#: Seconds in which a server that speaks first has said something.
_BANNER: t.Final = 8.0
_MAX_LINE: t.Final = 4096
_MAX_LINES: t.Final = 200
_WORKERS: t.Final = 8
#: What a proxy says first (PROXY protocol, version 1), with a client of this host.
PROXY: t.Final = b"PROXY TCP4 127.0.0.1 127.0.0.1 1025 25\r\n"
_CLOSED: t.Final = "the server closed the connection"
_NAME: t.Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\Z")
#: What a server says of a client that takes no certificate which it has.
_NO_SUCH_KEY: t.Final = ("SSLV3_ALERT_HANDSHAKE_FAILURE", "HANDSHAKE_FAILURE", "NO_SHARED_CIPHER")


class _Unclear(Exception):
    """It could not be found out; the message says why."""


class _NoKey(Exception):
    """The server has no key of the type."""


@dataclasses.dataclass(frozen=True)
class Served:
    """What one client sees. ``spki_sha256`` is '' when there is no such certificate, or when ``problem`` says why."""

    server_name: str
    key_type: str
    spki_sha256: str = ""
    chain_sha256: tuple[str, ...] = ()
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Port:
    """One address and port. ``tls`` is one of starttls, implicit, none, unknown; ``problem`` says why unknown."""

    address: str
    port: int
    process: str
    tls: str
    served: tuple[Served, ...] = ()
    problem: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """Return it as results carry it."""
        found = dataclasses.asdict(self)
        return {**found, "served": [{**one, "chain_sha256": list(one["chain_sha256"])} for one in found["served"]]}


def check_names(names: c.Iterable[str]) -> tuple[str, ...]:
    """Return ``names`` each once; ValueError for what cannot be asked for."""
    found = tuple(dict.fromkeys(name.rstrip(".").lower() for name in names))
    for name in found:
        if not _NAME.match(name):
            raise ValueError(f"names has {name[:80]!r}: give host names, internationalised ones as A-labels (xn--...)")
    return found


def look(names: c.Sequence[str], ports: c.Collection[int], seconds: float) -> list[Port]:
    """Return what every mail port serves, without a name and for each of ``names``. Never raises for a server."""
    end = time.monotonic() + seconds
    # A host may have a socket for all addresses of each version, and one of them may take both.
    wanted: dict[tuple[str, int], Listener] = {}
    for one in listeners(ports):
        for address in reachable(one):
            wanted.setdefault((address, one.port), one)
    # One client at a time per port: services with few processes would let the others wait.
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        jobs = [pool.submit(_port, one, address, names, end) for (address, _port_number), one in wanted.items()]
        found = [job.result() for job in jobs]
    return sorted(found, key=lambda one: (one.port, one.address))


def _port(listener: Listener, address: str, names: c.Sequence[str], end: float) -> Port:
    last = Port(address, listener.port, listener.process, UNKNOWN, (), "no time was left")
    for attempt, hello in enumerate((b"", PROXY, b"")):
        if hello and last.problem != _CLOSED:
            continue
        if attempt:
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))
        if time.monotonic() >= end:
            break
        last = _once(listener, address, names, hello, end)
        if last.tls != UNKNOWN and not any(one.problem for one in last.served):
            break
    return last


def _once(listener: Listener, address: str, names: c.Sequence[str], hello: bytes, end: float) -> Port:
    made = Port(address, listener.port, listener.process, UNKNOWN)
    try:
        tls = _kind(made, hello, end)
    except _Unclear as error:
        return dataclasses.replace(made, problem=str(error))
    if tls == NONE:
        return dataclasses.replace(made, tls=NONE)
    served: list[Served] = []
    for name in ("", *names):
        first = _served(made, tls, name, ANY, hello, end)
        served.append(first)
        if tls == IMPLICIT and not name and first.problem:
            # It said nothing, and TLS does not come about: another protocol, or a proxy's.
            return dataclasses.replace(made, problem=first.problem)
        served += [_served(made, tls, name, kind, hello, end) for kind in _KINDS]
    return dataclasses.replace(made, tls=tls, served=tuple(served))


def _served(made: Port, tls: str, name: str, kind: str, hello: bytes, end: float) -> Served:
    try:
        with _secured(made, tls, name, kind, hello, end) as secured:
            chain = chain_of(secured)
    except _NoKey:
        return Served(name, kind)
    except _Unclear as error:
        return Served(name, kind, problem=str(error))
    if not chain:
        return Served(name, kind, problem="the server presents no certificate")
    spki = openssl.spki_of(ssl.DER_cert_to_PEM_cert(chain[0]))
    digests = tuple(hashlib.sha256(certificate).hexdigest() for certificate in chain)
    return Served(name, kind, hashlib.sha256(spki).hexdigest(), digests)


def chain_of(secured: ssl.SSLSocket) -> tuple[bytes, ...]:
    """Return the certificates as the server sent them, leaf first, raw DER."""
    public = getattr(secured, "get_unverified_chain", None)
    if public:  # Python 3.13
        return tuple(public() or ())
    inner = t.cast("t.Any", secured)._sslobj
    return tuple(ssl.PEM_cert_to_DER_cert(entry.public_bytes()) for entry in inner.get_unverified_chain() or ())


def _context(kind: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Who answers on this host is not in doubt; which certificate it serves is what is asked.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers(_KINDS.get(kind, "ALL:@SECLEVEL=0"))
    if kind in _KINDS:
        # In TLS 1.3 the cipher suite says nothing about the key.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _secured(made: Port, tls: str, name: str, kind: str, hello: bytes, end: float) -> ssl.SSLSocket:
    plain = _connected(made, hello, end)
    try:
        if tls == STARTTLS and _dialogue(plain, end) != STARTTLS:
            raise _Unclear("STARTTLS is no longer offered")
        plain.settimeout(_left(end))
        return _context(kind).wrap_socket(plain, server_hostname=name or None)
    except (ssl.SSLEOFError, ConnectionResetError) as error:
        plain.close()
        raise _Unclear(_CLOSED if tls == IMPLICIT else f"TLS handshake: {_CLOSED}") from error
    except ssl.SSLError as error:
        plain.close()
        if kind in _KINDS and error.reason in _NO_SUCH_KEY:
            raise _NoKey from error
        raise _Unclear(f"TLS handshake: {error.reason or error}") from error
    except OSError as error:
        plain.close()
        raise _Unclear(f"TLS handshake: {error}") from error
    except BaseException:
        plain.close()
        raise


def _left(end: float, most: float = _PATIENCE) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise _Unclear("no time was left")
    return min(left, most)


def _connected(made: Port, hello: bytes, end: float) -> socket.socket:
    try:
        plain = socket.create_connection((made.address, made.port), timeout=_left(end))
        plain.sendall(hello)
        return plain
    except OSError as error:
        raise _Unclear(f"connection: {error}") from error


def _kind(made: Port, hello: bytes, end: float) -> str:
    """Say whether the port begins with TLS, offers STARTTLS, or neither."""
    if made.port in _IMPLICIT_PORTS:
        return IMPLICIT
    with _connected(made, hello, end) as plain:
        return _dialogue(plain, end)


def _dialogue(plain: socket.socket, end: float) -> str:
    """Ask a server that speaks first to start TLS. Afterwards, with STARTTLS, the handshake can begin."""
    plain.settimeout(_left(end, _BANNER))
    lines = _Lines(plain)
    try:
        banner = lines.one()
    except TimeoutError:
        return IMPLICIT
    plain.settimeout(_left(end))
    try:
        if banner.startswith(b"220"):
            return _smtp(lines, banner)
        if banner.startswith(b"* OK"):
            return _tagged(lines, b"a1 CAPABILITY\r\n", b"a1 ", rb"\bSTARTTLS\b", b"a2 STARTTLS\r\n", b"a2 OK")
        if banner.startswith(b"+OK"):
            return _tagged(lines, b"CAPA\r\n", b".", rb"^STLS\b", b"STLS\r\n", b"+OK")
        if banner.startswith(b'"IMPLEMENTATION"'):
            # The greeting of ManageSieve (RFC 5804) lists what the server can do.
            greeting = lines.until(b"OK")
            return _started(lines, b'"STARTTLS"' in greeting, b"STARTTLS\r\n", b"OK")
    except TimeoutError as error:
        raise _Unclear("the server stopped answering") from error
    raise _Unclear(f"not a mail protocol: {banner[:40]!r}")


def _smtp(lines: _Lines, banner: bytes) -> str:
    while banner[3:4] == b"-":
        banner = lines.one()
    lines.say(b"EHLO localhost\r\n")
    answer = lines.one()
    words = [answer[4:].strip().upper()]
    while answer[3:4] == b"-":
        answer = lines.one()
        words.append(answer[4:].strip().upper())
    if not answer.startswith(b"250"):
        raise _Unclear(f"EHLO was answered with {answer[:60].decode('ascii', 'replace').strip()}")
    return _started(lines, b"STARTTLS" in words, b"STARTTLS\r\n", b"220")


def _tagged(lines: _Lines, ask: bytes, last: bytes, offered: bytes, start: bytes, good: bytes) -> str:
    lines.say(ask)
    return _started(lines, bool(re.search(offered, lines.until(last), re.M | re.I)), start, good)


def _started(lines: _Lines, offered: bool, start: bytes, good: bytes) -> str:
    if not offered:
        return NONE
    lines.say(start)
    answer = lines.one()
    if not answer.startswith(good):
        raise _Unclear(f"STARTTLS is offered and answered with {answer[:80].decode('ascii', 'replace').strip()}")
    return STARTTLS


class _Lines:
    """A conversation in lines, bounded in length; TimeoutError when an answer does not come, else _Unclear."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._heard = 0

    def say(self, line: bytes) -> None:
        try:
            self._plain.sendall(line)
        except TimeoutError:
            raise
        except OSError as error:
            raise _Unclear(f"connection: {error}") from error

    def one(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            try:
                # Byte by byte: what comes behind the last line belongs to TLS.
                data = self._plain.recv(1)
            except TimeoutError:
                raise
            except OSError as error:
                raise _Unclear(f"connection: {error}") from error
            if not data:
                raise _Unclear(_CLOSED)
            line += data
            if len(line) > _MAX_LINE:
                raise _Unclear(f"a line of more than {_MAX_LINE} bytes")
        self._heard += 1
        if self._heard > _MAX_LINES:
            raise _Unclear(f"an answer of more than {_MAX_LINES} lines")
        return line

    def until(self, last: bytes) -> bytes:
        found = b""
        while True:
            line = self.one()
            found += line
            if line.startswith(last):
                return found
