# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a server executes inside TLS what came in the clear behind STARTTLS (CVE-2011-0411, starttls-probing.md 5).

The commands that are tried are NOOP and EHLO: whoever is vulnerable is not harmed. Private to the collection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import dialogue
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import NO_CONVERSATION
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits

#: What is tried, after a run without payload that has to be clean; at most twice per address.
_PAYLOADS: t.Final = ("NOOP", "EHLO probe.invalid")
_LISTEN_SECONDS: t.Final = 3.0
_HANDSHAKE_SECONDS: t.Final = 10.0
_IN_THE_CLEAR: t.Final = re.compile(r"the server answered in the clear: [2-5][0-9]{2}")


class Injection(enum.Enum):
    """``INCONCLUSIVE``: no STARTTLS, or the server does not even get through the dialogue without payload."""

    VULNERABLE = "vulnerable"
    NOT_DETECTED = "not-detected"
    INCONCLUSIVE = "inconclusive"


async def try_injection(
    endpoint: Endpoint, server_name: str | None, ehlo_name: str, limits: Limits
) -> tuple[Injection, str]:
    """Try the payloads on one endpoint and return the result and a sentence. Never raises for what the server does."""
    control = _Attempt(endpoint, server_name, ehlo_name, limits, "")
    ended = await control.run()
    if ended.outcome != TLS or control.told:
        why = control.told or ended.detail
        return Injection.INCONCLUSIVE, f"without any payload: {why}"
    # A server that takes the payload for a part of the handshake waits for the rest of it.
    limits = dataclasses.replace(limits, handshake=min(limits.handshake, _HANDSHAKE_SECONDS + ended.seconds))
    for payload in _PAYLOADS:
        attempt = _Attempt(endpoint, server_name, ehlo_name, limits, payload)
        ended = await attempt.run()
        if attempt.told:
            return Injection.VULNERABLE, f"{payload} behind STARTTLS: {attempt.told}"
        if _IN_THE_CLEAR.search(ended.detail):
            return Injection.VULNERABLE, f"{payload} behind STARTTLS: {ended.detail}"
        if ended.outcome in NO_CONVERSATION:
            return Injection.INCONCLUSIVE, f"{payload} behind STARTTLS: {ended.detail}"
    return Injection.NOT_DETECTED, ""


async def try_all(
    named: t.Mapping[Endpoint, str | None], ehlo_name: str, limits: Limits, concurrency: int
) -> dict[Endpoint, tuple[Injection, str]]:
    """Try it on all endpoints, each with its server name (None: without), ``concurrency`` at once."""
    room = asyncio.Semaphore(concurrency)

    async def one(endpoint: Endpoint, name: str | None) -> tuple[Injection, str]:
        async with room:
            return await try_injection(endpoint, name, ehlo_name, limits)

    found = await asyncio.gather(*(one(endpoint, name) for endpoint, name in named.items()))
    return dict(zip(named, found, strict=True))


class _Attempt(dialogue.Dialogue):
    """One dialogue; ``told`` is a sentence when a reply came that nobody had asked for."""

    def __init__(
        self, endpoint: Endpoint, server_name: str | None, ehlo_name: str, limits: Limits, payload: str
    ) -> None:
        super().__init__(endpoint, server_name, ehlo_name, limits, None)
        self._payload = payload
        self.told = ""

    async def _starttls(self) -> None:
        behind = f"{self._payload}\r\n" if self._payload else ""
        # One segment: a server that reads line by line off the socket itself is not concerned.
        reply = await self._command(f"STARTTLS\r\n{behind}".removesuffix("\r\n"))
        if reply.code != 220:
            raise dialogue.Ended("starttls-refused", f"STARTTLS was answered: {reply}")
        pending = self._replies.discard()
        if pending:
            self.told = f"answered in the clear: {printable(pending, 80)}"
            raise dialogue.Ended("tls-handshake-failed", self.told)

    async def _ehlo_inside(self) -> bool:
        """Say nothing and listen, then see whether the answer to QUIT is that to QUIT."""
        try:
            reply = await self._reply("what nobody asked for", _LISTEN_SECONDS)
            self.told = f"answered inside TLS, unasked: {reply}"
        except dialogue.Ended as end:
            if not isinstance(end.__cause__, TimeoutError):
                raise
            reply = await self._command("QUIT")
            if reply.code != 221:
                self.told = f"QUIT inside TLS was answered: {reply}"
        return False
