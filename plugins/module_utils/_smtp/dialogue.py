# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One endpoint, as a sending mail server meets it: greeting, EHLO, STARTTLS, TLS handshake, EHLO, QUIT.

The server may be anything: whatever it does ends within the limits and in an outcome with a sentence.
Nothing is judged here. Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import ipaddress
import os
import re
import ssl
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._probe import DEFAULT_LIMITS, TLS, Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ehlo as smtp_ehlo
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import senders, tls
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.key_exchange import (
    key_exchange_group,
    server_signature,
)
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.reply import Closed, Reply, ReplyError, ReplyReader
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.tcp import Channel, Flooded, TcpChannel
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

if t.TYPE_CHECKING:
    import collections.abc as c


_SERVER_NAME: t.Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
#: Cisco ASA, ``inspect esmtp``: keywords, commands and the greeting are overwritten (starttls-probing.md section 2).
_MASKED_KEYWORD: t.Final = re.compile(r"X{4,}[A-Z]?")
_MASKED_BANNER: t.Final = re.compile(r"[*20 ]*\*{4,}[*20 ]*")
_REWRITTEN_COMMAND: t.Final = re.compile(r"(?<![A-Za-z])X{4,}(?![A-Za-z])")
#: Seconds for one step after which a server is slow: postscreen has clients wait for 6.
_SLOW: t.Final = 10.0
#: What a server answers STARTTLS that counts connections or handshakes of a client; Postfix says "too many".
_BUSY: t.Final = re.compile(r"(?i)^4\d\d .*\b(too many|too fast|rate)\b")
_BUSY_CODES: t.Final = frozenset({421, 450})
#: First bytes of the five TLS record types (RFC 8446 section 5.1; 24 is RFC 6520).
_TLS_RECORDS: t.Final = bytes(range(20, 25))


async def probe(
    endpoint: Endpoint,
    server_name: str | None,
    ehlo_name: str,
    limits: Limits = DEFAULT_LIMITS,
    key_type: str | None = None,
) -> Probe:
    """Hold the dialogue of starttls-probing.md section 1 with ``endpoint``.

    ``ehlo_name`` '' stands for the literal of the own address. ``key_type`` (``rsa`` or ``ecdsa``) insists on a key of
    that type, within TLS 1.2; a server that has none then ends in ``tls-handshake-failed``. Never raises for what the
    server does; ValueError as :func:`check` does.
    """
    check(endpoint, server_name, ehlo_name, key_type)
    return await Dialogue(endpoint, server_name, ehlo_name, limits, key_type).run()


def check(endpoint: Endpoint, server_name: str | None, ehlo_name: str, key_type: str | None) -> None:
    """Raise ValueError for an endpoint, name or key type that cannot be used."""
    ipaddress.ip_address(endpoint.address)
    if not 0 < endpoint.port < 65536:
        raise ValueError(f"{endpoint.port} is not a port number: it is 1 to 65535")
    if server_name is not None and not _SERVER_NAME.fullmatch(server_name):
        raise ValueError(
            f"'{printable(server_name, 80)}' is not a name for SNI: a host name as A-labels without final dot"
        )
    smtp_ehlo.check(ehlo_name)
    if key_type is not None and key_type not in tls.KEY_TYPES:
        raise ValueError(f"'{printable(key_type, 80)}' is not a key type: {' or '.join(tls.KEY_TYPES)}")


class Ended(Exception):
    """The dialogue is over without TLS; ``polite`` when the server still expects a command."""

    def __init__(self, outcome: str, detail: str, polite: bool = False) -> None:
        super().__init__(outcome, detail)
        self.outcome = outcome
        self.detail = detail
        self.polite = polite


class Dialogue:
    """The dialogue with one endpoint, and what was seen so far."""

    def __init__(
        self, endpoint: Endpoint, server_name: str | None, ehlo_name: str, limits: Limits, key_type: str | None
    ) -> None:
        self._ehlo_name = smtp_ehlo.towards(ehlo_name, endpoint.address)
        self._limits = limits
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._seen = Probe(endpoint, server_name, TLS, key_type=key_type)
        self._channel: Channel
        self._replies: ReplyReader

    async def run(self) -> Probe:
        tcp: TcpChannel | None = None
        try:
            tcp = await self._connect()
            self._use(tcp)
            await self._greeting()
            await self._introduce()
            await self._starttls()
            await self._handshake(tcp)
            if await self._ehlo_inside():
                await self._quit()
        except Ended as end:
            self._note(outcome=end.outcome, detail=printable(end.detail, 500))
            if end.polite:
                await self._quit()
        finally:
            if tcp is not None:
                tcp.close()
        return dataclasses.replace(self._seen, seconds=round(self._clock() - self._started, 3))

    def _note(self, **seen: t.Any) -> None:
        self._seen = dataclasses.replace(self._seen, **seen)

    def _odd(self, code: str, evidence: str) -> None:
        if code not in self._seen.oddities:
            self._note(oddities=(*self._seen.oddities, code), evidence=(*self._seen.evidence, printable(evidence, 500)))

    def _stop(self, senders: t.Iterable[str], code: str, evidence: str = "") -> None:
        """Note that ``senders`` get no further, and why; the first reason counts."""
        known = {sender for sender, _code in self._seen.stops}
        new = tuple((sender, code) for sender in senders if sender not in known)
        self._note(stops=(*self._seen.stops, *new))
        if new and evidence:
            self._odd(code, evidence)

    def _use(self, channel: Channel) -> None:
        self._channel = channel
        self._replies = ReplyReader(channel.receive, self._limits.line_bytes, self._limits.reply_lines)

    @contextlib.asynccontextmanager
    async def _within(self, seconds: float, outcome: str, doing: str) -> c.AsyncIterator[None]:
        """End the dialogue with ``outcome`` when ``seconds`` are over, with ``probe-timeout`` when the total is."""
        now, last = self._clock(), self._started + self._limits.total
        bound = asyncio.timeout_at(min(now + seconds, last))
        try:
            async with bound:
                yield
            if self._clock() - now > _SLOW:
                self._odd("endpoint-slow", f"{doing}: done after {self._clock() - now:.0f} seconds")
        except TimeoutError as error:
            if not bound.expired():
                raise Ended(outcome, f"{doing}: {_words(error)}") from error
            if now + seconds > last:
                total = f"{doing} when the {self._limits.total:g} seconds for the whole probe were over"
                raise Ended("probe-timeout", total) from error
            raise Ended(outcome, f"{doing}: not done after {seconds:g} seconds") from error

    async def _connect(self) -> TcpChannel:
        endpoint = self._seen.endpoint
        async with self._within(self._limits.connect, "connect-failed", "connecting"):
            try:
                return await TcpChannel.connect(endpoint.address, endpoint.port, self._limits.received_bytes)
            except TimeoutError:
                raise
            except OSError as error:
                raise Ended("connect-failed", f"connecting: {_words(error)}") from error

    async def _reply(self, doing: str, seconds: float, closed: str = "smtp-protocol-error") -> Reply:
        """Read one reply; ``closed`` is the outcome when the connection ends instead."""
        async with self._within(seconds, closed, f"waiting for {doing}"):
            try:
                return await self._replies.read()
            except Closed as error:
                raise Ended(closed, f"waiting for {doing}: {error}") from error
            except (ReplyError, Flooded) as error:
                raise Ended("smtp-protocol-error", f"waiting for {doing}: {error}") from error
            except TimeoutError:
                raise
            except OSError as error:
                raise Ended(closed, f"waiting for {doing}: {_words(error)}") from error

    async def _command(self, command: str, where: str = "") -> Reply:
        doing = f"the reply to {command.split()[0]}{where}"
        async with self._within(self._limits.reply, "smtp-protocol-error", f"sending {command.split()[0]}{where}"):
            try:
                await self._channel.send(f"{command}\r\n".encode("ascii"))
            except TimeoutError:
                raise
            except OSError as error:
                raise Ended("smtp-protocol-error", f"waiting for {doing}: {_words(error)}") from error
        reply = await self._reply(doing, self._limits.reply)
        self._stop(senders.cannot_read(reply), "smtp-reply-unread", f"{doing} has {reply.size} bytes")
        if reply.code >= 500 and _REWRITTEN_COMMAND.search(str(reply)):
            self._odd("command-rewritten", f"{command.split()[0]} was answered: {reply}")
        return reply

    async def _greeting(self) -> None:
        reply = await self._reply("the greeting", self._limits.greeting, "smtp-greeting-failed")
        text = printable(" / ".join(reply.lines))
        self._note(banner=text)
        if _MASKED_BANNER.fullmatch(text):
            self._odd("banner-masked", f"the greeting is {text}")
        if reply.code >= 400:
            # It says who may come in. Another client may be greeted (RFC 5321 section 3.1).
            raise Ended("vantage-refused", f"the greeting is: {reply}", polite=True)
        if not reply.succeeds:
            raise Ended("smtp-greeting-failed", f"the greeting is: {reply}", polite=True)
        self._stop(senders.cannot_read(reply), "smtp-reply-unread", f"the greeting has {reply.size} bytes")

    async def _introduce(self) -> None:
        reply = await self._command(f"EHLO {self._ehlo_name}")
        if reply.code >= 400:
            reply = await self._introduce_again(reply)
        if not reply.succeeds:
            raise Ended("smtp-protocol-error", f"EHLO was answered: {reply}", polite=True)
        lines = _keywords(reply)
        self._note(ehlo_host=reply.lines[0], ehlo=lines)
        seen = senders.see_starttls(reply)
        if seen:
            blind = [sender for sender in senders.BOTH if sender not in seen]
            names = " and ".join(sender.capitalize() for sender in blind)
            self._stop(blind, "smtp-reply-unread", f"{names} finds no STARTTLS in the EHLO reply of {reply.size} bytes")
            return
        # Beside a STARTTLS that is offered, a keyword like that is another one that was masked, or somebody's own.
        masked = [line for line in lines if _MASKED_KEYWORD.fullmatch(line)]
        if masked:
            self._odd("starttls-keyword-masked", f"the EHLO reply has the keyword {masked[0]}")
        offered = " ".join(line.partition(" ")[0] for line in lines) or "nothing"
        offered += ", but no sender finds STARTTLS in it" if "STARTTLS" in offered else ""
        raise Ended("starttls-missing", f"the EHLO reply offers {offered}", polite=True)

    async def _introduce_again(self, refused: Reply) -> Reply:
        """Find out what a refusal of EHLO is about: the command, our name, or us; return a reply that is none."""
        detail = f"EHLO {self._ehlo_name} was answered: {refused}"
        if refused.code == 421:
            raise Ended("vantage-refused", detail, polite=True)
        if not smtp_ehlo.finds_fault(refused.code, str(refused)):
            if refused.code < 500:
                raise Ended("vantage-refused", detail, polite=True)
            helo = await self._helo()
            said = "HELO failed" if helo is None else f"HELO was answered: {helo}"
            # A server that takes the older command does not know EHLO. Another one does not want us.
            unknown = refused.code in smtp_ehlo.COMMAND_CODES or (helo is not None and helo.code == 250)
            outcome = "ehlo-rejected" if unknown else "vantage-refused"
            raise Ended(outcome, f"{detail}; {said}", polite=True)
        literal = smtp_ehlo.towards(smtp_ehlo.LITERAL, self._seen.endpoint.address)
        if literal != self._ehlo_name:
            again = await self._command(f"EHLO {literal}")
            if again.code < 400:
                self._odd("ehlo-name-refused", detail)
                self._ehlo_name = literal
                return again
            detail = f"{detail}; EHLO {literal} was answered: {again}"
        helo = await self._helo()
        if helo is not None and helo.code == 250:
            raise Ended("ehlo-rejected", f"{detail}; HELO was answered: {helo}", polite=True)
        raise Ended("ehlo-name-refused", detail, polite=True)

    async def _helo(self) -> Reply | None:
        """Return how the server takes the older command, None when it does not reply."""
        try:
            return await self._command(f"HELO {self._ehlo_name}")
        except Ended as end:
            if end.outcome == "probe-timeout":
                raise
            return None

    async def _starttls(self) -> None:
        reply = await self._command("STARTTLS")
        if reply.code == 500 and "#5.5.1" in str(reply):
            self._odd("starttls-keyword-masked", f"STARTTLS is offered, but was answered: {reply}")
        if reply.code in _BUSY_CODES or _BUSY.search(str(reply)):
            # It counts connections or handshakes: ours are not those of another client.
            raise Ended("vantage-refused", f"STARTTLS was answered: {reply}", polite=True)
        if not reply.succeeds:
            raise Ended("starttls-refused", f"STARTTLS was answered: {reply}", polite=True)
        # Whatever came along in the clear must never be taken for something said inside TLS (CVE-2021-38371).
        injected = self._replies.discard()
        if injected:
            evidence = f"after the reply to STARTTLS: {printable(injected, 80)}"
            self._odd("starttls-response-injection", evidence)
            # Exim waits for nothing in the clear there: "synch error before connect".
            self._stop((senders.EXIM,), "starttls-response-injection")

    async def _handshake(self, tcp: TcpChannel) -> None:
        channel = tls.TlsChannel(tcp, tls.witness_context(self._seen.key_type), self._seen.server_name)
        doing = "in the TLS handshake"
        try:
            async with self._within(self._limits.handshake, "starttls-handshake-reset", doing):
                await self._shake_hands(channel)
        except Ended as end:
            if end.outcome == "starttls-handshake-reset" and channel.heard and not _aborted(end):
                raise Ended("tls-handshake-failed", end.detail) from end
            raise
        session = channel.connection
        chain, complete = tls.presented_chain(session)
        cipher = session.cipher()
        self._note(
            tls_version=session.version() or "",
            cipher=cipher[0] if cipher else "",
            group=key_exchange_group(channel.heard),
            signature_hash=server_signature(channel.heard) if session.version() == "TLSv1.2" else "",
            chain=chain,
            chain_complete=complete,
        )
        self._use(channel)

    async def _shake_hands(self, channel: tls.TlsChannel) -> None:
        try:
            await channel.handshake()
        except ssl.SSLError as error:
            said = ""
            if channel.heard and channel.heard[0] not in _TLS_RECORDS:
                said = f"; the server answered in the clear: {printable(channel.heard, 80)}"
            raise Ended("tls-handshake-failed", f"in the TLS handshake: {_words(error)}{said}") from error
        except Flooded as error:
            raise Ended("tls-handshake-failed", f"in the TLS handshake: {error}") from error
        except tls.HandshakeClosed as error:
            raise Ended("starttls-handshake-reset", f"in the TLS handshake: {error}") from error
        except TimeoutError:
            raise
        except OSError as error:
            raise Ended("starttls-handshake-reset", f"in the TLS handshake: {_words(error)}") from error

    async def _ehlo_inside(self) -> bool:
        """EHLO again (RFC 3207 section 4.2); False when the connection is of no more use."""
        try:
            reply = await self._command(f"EHLO {self._ehlo_name}", " inside TLS")
        except Ended as end:
            cause = end.__cause__
            if isinstance(cause, ssl.SSLError):
                # In TLS 1.3 a server can refuse the client only after the client's handshake is done.
                raise Ended("tls-handshake-failed", f"right after the TLS handshake: {_words(cause)}") from end
            if isinstance(cause, (Closed, OSError)) and not isinstance(cause, TimeoutError):
                # No sender gets further either, however the server says no.
                raise Ended("tls-handshake-failed", f"right after the TLS handshake: {end.detail}") from end
            # Senders wait longer than we do; for what is not a reply none of them has a use.
            code = "probe-timeout" if end.outcome == "probe-timeout" else "ehlo-after-tls-rejected"
            self._odd("ehlo-after-tls-rejected", end.detail)
            self._stop(senders.BOTH, code)
            return False
        if not reply.succeeds:
            await self._rejected_inside(reply)
            return True
        lines = _keywords(reply)
        self._note(ehlo_tls=lines)
        if _offers_starttls(lines):
            self._odd("starttls-offered-inside-tls", "the EHLO reply inside TLS offers STARTTLS")
        return True

    async def _rejected_inside(self, refused: Reply) -> None:
        """Find out who goes on all the same: Postfix with HELO, unless it is told to come back later; Exim anyway."""
        said = f"EHLO inside TLS was answered: {refused}"
        if refused.code >= 500:
            helo = await self._helo()
            if helo is not None and helo.succeeds:
                self._odd("ehlo-after-tls-rejected", said)
                return
            said += "; HELO failed" if helo is None else f"; HELO was answered: {helo}"
        self._odd("ehlo-after-tls-rejected", said)
        self._stop((senders.POSTFIX,), "ehlo-after-tls-rejected")

    async def _quit(self) -> None:
        # Everything is known by now: how the server takes its leave changes no result.
        with contextlib.suppress(TimeoutError, OSError, ReplyError, Closed, Flooded):
            last = min(self._clock() + self._limits.quit, self._started + self._limits.total)
            async with asyncio.timeout_at(last):
                await self._channel.send(b"QUIT\r\n")
                await self._replies.read()


def _aborted(end: Ended) -> bool:
    """Tell a connection that was cut in the handshake from one that only took too long."""
    return not isinstance(end.__cause__, TimeoutError)


def _keywords(reply: Reply) -> tuple[str, ...]:
    """The lines of an EHLO reply after the first, keywords in upper case (RFC 5321 section 4.1.1.1)."""
    split = (line.strip().partition(" ") for line in reply.lines[1:])
    return tuple(f"{keyword.upper()} {parameters}".strip() for keyword, _blank, parameters in split)


def _offers_starttls(lines: t.Iterable[str]) -> bool:
    return any(line.partition(" ")[0] == "STARTTLS" for line in lines)


_CONNECT_WORDS: t.Final[t.Mapping[int, str]] = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "no answer to any packet",
    errno.ECONNRESET: "connection reset by the server",
    errno.EPIPE: "connection closed by the server",
}


def _words(error: OSError) -> str:
    """What went wrong, in words that do not depend on the locale; OpenSSL's own for TLS."""
    if isinstance(error, ssl.SSLError):
        # Python sets the reason only on errors that come from OpenSSL itself.
        return (getattr(error, "reason", None) or "TLS error").replace("_", " ").lower()
    if error.errno is None:
        return "the operation failed"
    return _CONNECT_WORDS.get(error.errno) or os.strerror(error.errno)
