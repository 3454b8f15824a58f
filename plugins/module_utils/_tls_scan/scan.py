# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one endpoint offers in TLS over SMTP: asked with one ClientHello per connection, few connections at a time.

A value counts as not offered only when the server refuses it in so many words, or closes the connection twice and
accepts in between what it had accepted before. Anything else is a gap with its reason. Private to the collection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._probe import BRISK_LIMITS, Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ehlo, openssl_client
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.dialogue import probe
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.key_exchange import GROUPS
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.offer import PROTOCOLS, Offer
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.reply import Closed, Reply, ReplyError, ReplyReader
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.tcp import Flooded, TcpChannel
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.guideline_data import SIGNATURE_SCHEMES
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.hello import (
    DEFLATE,
    NULL,
    Accepted,
    Question,
    Refused,
    Unreadable,
    client_hello,
    read_answer,
)
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.suites import SUITES

_T = t.TypeVar("_T")

_GROUP_CODES: t.Final[t.Mapping[str, int]] = {name: code for code, name in GROUPS.items()} | {
    "brainpoolP256r1": 26, "brainpoolP384r1": 27, "brainpoolP512r1": 28,
}  # fmt: skip
_BRAINPOOL_13: t.Final[t.Mapping[str, int]] = {"brainpoolP256r1": 31, "brainpoolP384r1": 32, "brainpoolP512r1": 33}
_FFDHE: t.Final = tuple(name for name in _GROUP_CODES if name.startswith("ffdhe"))
_CURVES: t.Final = tuple(name for name, code in _GROUP_CODES.items() if code < 256)
#: Tables that the clear part of a handshake tells about, besides protocols and certificates.
_FROM_HELLOS: t.Final = (
    "cipher_suites", "cipher_order", "key_exchange_groups", "ffdhe_groups", "handshake_signature_hash",
    "compression", "insecure_renegotiation", "extended_master_secret",
)  # fmt: skip
_TABLES: t.Final = (
    "protocols", *_FROM_HELLOS, "client_initiated_renegotiation", "zero_rtt", "certificate_key",
    "certificate_signature_hash",
)  # fmt: skip
#: Signature schemes of TLS 1.3 by type of key, as OpenSSL writes them.
_KEY_TYPES_13: t.Final = (
    "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512",
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512",
    "ed25519:ed448",
)
#: An alert that may just as well come from a server in trouble (RFC 8446 section 6.2).
_INTERNAL_ERROR: t.Final = 80
_ANSWER_BYTES: t.Final = 262144
_RETRY_AFTER: t.Final = 1.0


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Bounds of the scan of one endpoint: seconds and connections in all, and connections at a time.

    ``each`` bounds every single connection.
    """

    seconds: float = 180.0
    connections: int = 400
    at_a_time: int = 2
    each: Limits = BRISK_LIMITS


@dataclasses.dataclass(frozen=True)
class Scan:
    """What one endpoint offers, the chains it presented (raw DER, leaf first), and the probe it began with.

    ``offer.certificates`` is left empty: what stands in the chains is read elsewhere.
    """

    probe: Probe
    offer: Offer
    chains: tuple[tuple[bytes, ...], ...]
    connections: int
    seconds: float


class _Failed(Exception):
    """A question remained without an answer; the message says why."""


class _SilentClose(_Failed):
    """The server ended the handshake without saying that it is the offer that it refuses."""


async def scan(
    endpoint: Endpoint,
    server_name: str | None,
    ehlo_name: str,
    offer_first: t.Callable[[int], t.Any],
    bounds: Bounds,
) -> Scan:
    """Find out what ``endpoint`` offers.

    ``offer_first`` is a sort key for suites: which a client would name first. Give the worst first, so that a
    server that follows the client is seen to choose them. Never raises for what the server does; ValueError as
    ``dialogue.probe`` does.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    seen = await probe(endpoint, server_name, ehlo_name, bounds.each)
    if seen.outcome not in ("tls", "tls-handshake-failed", "starttls-handshake-reset"):
        gaps = dict.fromkeys(_TABLES, f"{seen.outcome}: {seen.detail}")
        return Scan(seen, Offer(gaps=gaps), (), 1, round(clock() - started, 3))
    asking = _Asking(endpoint, server_name, ehlo_name, offer_first, bounds, started + bounds.seconds)
    await asking.everything()
    chains = dict.fromkeys([*([seen.chain] if seen.chain else []), *asking.chains])
    gaps = dict(asking.gaps)
    if not chains:
        gaps |= dict.fromkeys(("certificate_key", "certificate_signature_hash"), "no certificate was presented")
    elif not seen.chain_complete and "TLSv1.3" in asking.found["protocols"]:
        gaps |= dict.fromkeys(("certificate_key", "certificate_signature_hash"), "only the first certificate was seen")
    offer = Offer(**asking.found, gaps=gaps)
    return Scan(seen, offer, tuple(chains), asking.connections + 1, round(clock() - started, 3))


class _Asking:
    """The questions to one endpoint, and what is known so far."""

    def __init__(
        self,
        endpoint: Endpoint,
        server_name: str | None,
        ehlo_name: str,
        offer_first: t.Callable[[int], t.Any],
        bounds: Bounds,
        deadline: float,
    ) -> None:
        self._endpoint = endpoint
        self._server_name = server_name
        self._ehlo_name = ehlo.towards(ehlo_name, endpoint.address)
        self._bounds = bounds
        self._deadline = deadline
        self._room = asyncio.Semaphore(bounds.at_a_time)
        self._control: Question | None = None
        every = sorted(SUITES, key=lambda code: (offer_first(code), "CHACHA" in SUITES[code], code))
        self._suites_13 = tuple(code for code in every if _is_13(code))
        self._suites_12 = tuple(code for code in every if not _is_13(code))
        self.connections = 0
        self.found: dict[str, t.Any] = {"protocols": ()}
        self.gaps: dict[str, str] = {}
        self.chains: dict[tuple[bytes, ...], None] = {}

    async def everything(self) -> None:
        """Ask all there is to ask; fills ``found``, ``gaps`` and ``chains``."""
        first = await self._protocols()
        newest = next((name for name in PROTOCOLS[1:-1] if name in first), None)
        parts: list[t.Awaitable[None]] = [self._suites(first, newest), self._groups(first, newest)]
        if "TLSv1.2" in first:
            parts.append(self._schemes())
        if newest is not None:
            parts += [self._options(newest, first[newest]), self._renegotiations()]
        if "TLSv1.3" in first:
            parts.append(self._early_data())
            # Otherwise the keys of all types show themselves in the clear when suites are enumerated.
            parts += [self._key_type(schemes) for schemes in (_KEY_TYPES_13 if "TLSv1.2" not in first else ())]
        await asyncio.gather(*parts)

    def _gap(self, error: Exception, *tables: str) -> None:
        for table in tables:
            self.gaps.setdefault(table, printable(str(error), 300))

    # --- one question

    def _question(self, protocol: str, **offered: t.Any) -> Question:
        modern = protocol == "TLSv1.3"
        names = _GROUP_CODES if modern else _CURVES
        everything = Question(
            protocol,
            self._suites_13 if modern else self._suites_12,
            tuple(_group_code(name, protocol) for name in names),
            tuple(SIGNATURE_SCHEMES),
            self._server_name,
        )
        return dataclasses.replace(everything, **offered)

    async def _ask(self, question: Question) -> Accepted | None:
        """Return what the server chose, None when it refuses ``question``. Raises _Failed."""
        async with self._room:
            try:
                return await self._answer(question)
            except _SilentClose as close:
                if self._control is None:
                    raise
                if await self._answer(self._control) is None:
                    raise _Failed(f"{close}, and refuses what it had accepted before") from close
            try:
                # A connection that was merely lost is not lost again.
                return await self._answer(question)
            except _SilentClose:
                return None

    async def _answer(self, question: Question) -> Accepted | None:
        try:
            return await self._converse(question)
        except _SilentClose:
            raise
        except _Failed:
            # Once more, later: servers limit how often one client may come.
            await asyncio.sleep(_RETRY_AFTER)
            return await self._converse(question)

    async def _converse(self, question: Question) -> Accepted | None:
        if self.connections >= self._bounds.connections:
            raise _Failed(f"the limit of {self._bounds.connections} connections was reached")
        self.connections += 1
        now = asyncio.get_running_loop().time()
        until = min(now + self._bounds.each.total, self._deadline)
        what = "the time for the scan was over" if until == self._deadline else "the server did not answer in time"
        if now >= self._deadline:
            raise _Failed("the time for the scan was over")
        try:
            async with asyncio.timeout_at(until):
                tcp = await TcpChannel.connect(self._endpoint.address, self._endpoint.port, _ANSWER_BYTES)
                try:
                    await self._starttls(tcp)
                    await tcp.send(client_hello(question))
                    answer = await _read(tcp)
                finally:
                    tcp.close()
        except TimeoutError as error:
            raise _Failed(what) from error
        except (Closed, ReplyError, Flooded, Unreadable) as error:
            raise _Failed(str(error)) from error
        except OSError as error:
            raise _Failed(f"the connection failed: {error.strerror or 'unknown reason'}") from error
        if answer is None or answer.protocol != question.protocol:
            return None
        if answer.chain:
            self.chains[answer.chain] = None
        return answer

    async def _starttls(self, tcp: TcpChannel) -> None:
        replies = ReplyReader(tcp.receive, self._bounds.each.line_bytes, self._bounds.each.reply_lines)
        _expect(220, await replies.read(), "the greeting")
        await tcp.send(f"EHLO {self._ehlo_name}\r\n".encode("ascii"))
        _expect(250, await replies.read(), "the reply to EHLO")
        await tcp.send(b"STARTTLS\r\n")
        _expect(220, await replies.read(), "the reply to STARTTLS")

    # --- what is asked

    async def _protocols(self) -> dict[str, Accepted]:
        """Which protocols are accepted; the newest is asked first and becomes the control question."""
        accepted: dict[str, Accepted] = {}
        unanswered: dict[str, _Failed] = {}
        for protocol in PROTOCOLS:
            question = self._question(protocol)
            try:
                answer = await self._ask(question)
            except _Failed as error:
                unanswered[protocol] = error
                continue
            if answer is not None:
                accepted[protocol] = answer
                self._control = self._control or question
        for protocol, why in list(unanswered.items()):
            if self._control is None or not isinstance(why, _SilentClose):
                continue
            # It closed before anything was known to be accepted; now there is something to compare with.
            try:
                if await self._ask(self._question(protocol)) is None:
                    del unanswered[protocol]
            except _Failed as error:
                unanswered[protocol] = error
        self.found["protocols"] = tuple(name for name in PROTOCOLS if name in accepted)
        for protocol, why in unanswered.items():
            gap = _Failed(f"{protocol}: {why}")
            self._gap(gap, "protocols", "cipher_suites", "certificate_key", "certificate_signature_hash")
            if protocol == "TLSv1.3":
                self._gap(gap, "key_exchange_groups", "ffdhe_groups", "zero_rtt")
            elif not {*PROTOCOLS[1 : PROTOCOLS.index(protocol)]} & {*accepted}:
                self._gap(gap, *_FROM_HELLOS)
        return accepted

    async def _suites(self, first: t.Mapping[str, Accepted], newest: str | None) -> None:
        found: dict[str, tuple[int, ...]] = {}
        self.found["suites"] = found
        known: set[int] = set()
        for protocol in PROTOCOLS[:-1]:
            if protocol not in first:
                continue
            chosen: list[int] = []
            try:
                question = self._question(protocol)
                # What an older protocol shares with a newer one is not asked again.
                left = tuple(code for code in question.suites if code not in known)
                answer = first[protocol] if len(left) == len(question.suites) else None
                while left:
                    answer = answer or await self._ask(dataclasses.replace(question, suites=left))
                    if answer is None:
                        break
                    if answer.suite not in left:
                        raise _Failed(f"{protocol}: the server chose a suite that was not offered")
                    chosen.append(answer.suite)
                    left = tuple(code for code in left if code != answer.suite)
                    answer = None
            except _Failed as error:
                self._gap(error, "cipher_suites")
            found[protocol] = tuple(chosen)
            known.update(chosen)
        if newest is not None and len(found.get(newest, ())) > 1:
            await self._preference(newest, found[newest])

    async def _preference(self, protocol: str, chosen: tuple[int, ...]) -> None:
        """Offer the suites the other way round: a server with an order of its own chooses the same again."""
        backwards = tuple(reversed(chosen))
        # Some servers move ChaCha20 up when the client names it first; that is not following the client.
        plain = next((code for code in backwards if "CHACHA" not in SUITES[code]), backwards[0])
        if plain == chosen[0]:
            self.found["server_preference"] = True
            return
        order = (plain, *(code for code in backwards if code != plain))
        try:
            answer = await self._ask(self._question(protocol, suites=order))
        except _Failed as error:
            self._gap(error, "cipher_order")
            return
        if answer is not None:
            self.found["server_preference"] = answer.suite == chosen[0]

    async def _groups(self, first: t.Mapping[str, Accepted], newest: str | None) -> None:
        found: dict[str, tuple[str, ...]] = {}
        self.found["groups"] = found
        if "TLSv1.3" in first:
            found["TLSv1.3"] = await self._each_group(
                "TLSv1.3", tuple(_GROUP_CODES), self._suites_13, "key_exchange_groups", "ffdhe_groups"
            )
        if newest is not None and newest != "SSLv3":
            curves = await self._each_group(newest, _CURVES, _named(self._suites_12, "ECDH"), "key_exchange_groups")
            found[newest] = (*curves, *await self._finite_fields(newest))

    async def _each_group(
        self, protocol: str, names: tuple[str, ...], suites: tuple[int, ...], *tables: str
    ) -> tuple[str, ...]:
        """Leave out one after the other whatever the server chooses, until it refuses.

        Before TLS 1.3 a server may be unable to do without the curve of its own key (RFC 8422 section 5.1.1), so
        that what was found comes back, last, before the refusal is believed.
        """
        found: list[str] = []
        left = names
        behind: tuple[str, ...] = ()
        try:
            while left:
                codes = tuple(_group_code(name, protocol) for name in (*left, *behind))
                answer = await self._ask(self._question(protocol, suites=suites, groups=codes))
                if answer is None and found and not behind and protocol != "TLSv1.3":
                    behind = tuple(found)
                    continue
                if answer is None or not answer.group or answer.group in behind:
                    break
                if answer.group in found:
                    raise _Failed(f"{protocol}: the server chose a group that was not offered")
                found.append(answer.group)
                left = tuple(name for name in left if name != answer.group)
        except _Failed as error:
            self._gap(error, *tables)
        return tuple(found)

    async def _finite_fields(self, protocol: str) -> tuple[str, ...]:
        """Ephemeral Diffie-Hellman before TLS 1.3: the server's own parameters, and those a client can ask for."""
        found: list[str] = []
        suites = _named(self._suites_12, "_DHE_", "_DH_anon_")
        left = _FFDHE
        codes: tuple[int, ...] | None = None
        try:
            while True:
                answer = await self._ask(self._question(protocol, suites=suites, groups=codes))
                name = answer.group if answer else ""
                if name in ("", *found):
                    break
                found.append(name)
                # RFC 7919: a client can name the groups it takes.
                left = tuple(one for one in left if one != name)
                codes = tuple(_GROUP_CODES[one] for one in left)
                if not codes:
                    break
        except _Failed as error:
            self._gap(error, "ffdhe_groups")
        return tuple(found)

    async def _schemes(self) -> None:
        """Signature schemes of TLS 1.2, per type of key, among suites whose key exchange is signed."""
        found: list[int] = []
        self.found["signature_schemes"] = ()
        for keys in (("RSA",), ("ECDSA", "EdDSA"), ("DSS",)):
            suites = _named(self._suites_12, f"DHE_{keys[0]}_WITH")
            left = tuple(code for code, (_name, key, _hash) in SIGNATURE_SCHEMES.items() if key in keys)
            try:
                while left:
                    answer = await self._ask(self._question("TLSv1.2", suites=suites, schemes=left))
                    if answer is None or answer.scheme is None or answer.scheme in found:
                        break
                    found.append(answer.scheme)
                    if answer.scheme not in left:
                        # The server does not care what the client asks for, and has no more than this one.
                        break
                    left = tuple(code for code in left if code != answer.scheme)
            except _Failed as error:
                self._gap(error, "handshake_signature_hash")
        self.found["signature_schemes"] = tuple(found)

    async def _options(self, protocol: str, first: Accepted) -> None:
        self.found["secure_renegotiation"] = first.secure_renegotiation
        if protocol == "TLSv1.2":
            self.found["extended_master_secret"] = first.extended_master_secret
        try:
            answer = await self._ask(self._question(protocol, compression=(DEFLATE, NULL)))
        except _Failed as error:
            self._gap(error, "compression")
            return
        if answer is None:
            self._gap(_Failed("the server refuses clients that offer compression"), "compression")
        else:
            self.found["compression"] = answer.compression != NULL

    async def _renegotiations(self) -> None:
        await self._inside(openssl_client.renegotiations, "renegotiations", "client_initiated_renegotiation")

    async def _early_data(self) -> None:
        await self._inside(openssl_client.early_data, "early_data", "zero_rtt")

    async def _inside(self, ask: t.Callable[..., t.Awaitable[int]], field: str, table: str) -> None:
        try:
            self.found[field] = await self._session(ask)
        except openssl_client.Unclear as error:
            self._gap(error, table)

    async def _key_type(self, schemes: str) -> None:
        try:
            chain = await self._session(openssl_client.chain_for, schemes)
        except openssl_client.Unclear as error:
            self._gap(error, "certificate_key", "certificate_signature_hash")
        else:
            self.chains |= {chain: None} if chain else {}

    async def _session(self, ask: t.Callable[..., t.Awaitable[_T]], *more: t.Any) -> _T:
        async with self._room:
            seconds = min(self._bounds.each.total, self._deadline - asyncio.get_running_loop().time())
            if seconds <= 0:
                raise openssl_client.Unclear("the time for the scan was over")
            if self.connections >= self._bounds.connections:
                raise openssl_client.Unclear(f"the limit of {self._bounds.connections} connections was reached")
            self.connections += 1
            return await ask(self._endpoint, self._server_name, self._ehlo_name, seconds, *more)


def _expect(code: int, reply: Reply, what: str) -> None:
    if reply.code != code:
        raise _Failed(f"{what} is: {reply}")


async def _read(tcp: TcpChannel) -> Accepted | None:
    heard = b""
    while True:
        try:
            data = await tcp.receive()
        except ConnectionError as error:
            raise _SilentClose("the server cut the connection at the ClientHello") from error
        heard += data
        answer = read_answer(heard)
        if isinstance(answer, Accepted):
            return answer
        if isinstance(answer, Refused):
            if answer.alert == _INTERNAL_ERROR:
                raise _SilentClose("the server reports an internal error")
            return None
        if not data:
            raise _SilentClose("the server closed the connection at the ClientHello")


def _is_13(code: int) -> bool:
    """The suites of TLS 1.3 name neither key exchange nor authentication (RFC 8446 appendix B.4)."""
    return "_WITH_" not in SUITES[code]


def _named(codes: tuple[int, ...], *parts: str) -> tuple[int, ...]:
    return tuple(code for code in codes if any(part in SUITES[code] for part in parts))


def _group_code(name: str, protocol: str) -> int:
    return _BRAINPOOL_13.get(name, _GROUP_CODES[name]) if protocol == "TLSv1.3" else _GROUP_CODES[name]
