# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions put to the network that was passed in: shared while in flight, counted, and taken apart.

Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import wire as dnssec_wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import BudgetExhausted, Work
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import Reply

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name

if t.TYPE_CHECKING:
    import collections.abc as c

T = t.TypeVar("T")


class Wire(t.NamedTuple):
    """A response as it came over the network, and who sent it.

    ``reply`` is the same taken apart, where that has been done. ``proof_only``: an absence in it counts only as far as
    signatures prove it, because the server does not speak for the zone.
    """

    data: bytes
    server: str
    reply: Reply | None = None
    proof_only: bool = False


class AskFailed(Exception):
    """No usable response: a reason code, a sentence, the server that tells most, and the extended errors it sent."""

    def __init__(self, code: str, detail: str, server: str = "", errors: tuple[tuple[int, str], ...] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.server = server
        self.errors = errors


class Ask(t.Protocol):
    """The network function.

    Sends the question with DO and CD set and returns the response, complete and with its own question section.
    ``avoid`` has servers, as ``Wire.server`` names them, whose answers did not validate: they are asked after all
    others. Raises :class:`AskFailed` when no server gave a usable response.
    """

    async def __call__(self, name: dns.name.Name, rdtype: int, avoid: frozenset[str]) -> Wire: ...


@dataclasses.dataclass(frozen=True)
class Context:
    """One try of one look-up: its work so far and the servers to ask last."""

    work: Work
    avoid: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, eq=False)
class Response:
    """A message, the server it came from, its size in bytes, and whether only its signatures count."""

    reply: Reply
    server: str
    size: int
    proof_only: bool = False


class Failed(Exception):
    """No usable response: a reason code, a sentence, the server, and the extended errors it sent."""

    def __init__(self, code: str, detail: str, server: str = "", errors: tuple[tuple[int, str], ...] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.server = server
        self.errors = errors


class Shared(t.Generic[T]):
    """Results by key. Whoever asks first causes the work, the others wait for it.

    Work that ran out of somebody else's budget is done again by the next one who needs it.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._done: dict[t.Hashable, T] = {}
        self._running: dict[t.Hashable, asyncio.Task[T]] = {}

    def known(self, key: t.Hashable) -> T | None:
        """Return the result if it is there already."""
        return self._done.get(key)

    async def get(self, key: t.Hashable, make: c.Callable[[], c.Coroutine[t.Any, t.Any, T]]) -> T:
        """Return the result for ``key``, made by ``make()`` if need be. Raises what ``make`` raises."""
        while True:
            if key in self._done:
                return self._done[key]
            task = self._running.get(key)
            mine = task is None
            if task is None:
                task = asyncio.get_running_loop().create_task(make())
                self._running[key] = task
                task.add_done_callback(lambda done: self._finish(key, done))
            try:
                # Shielded: the end of the one who asked first must not end it for the others.
                return await asyncio.shield(task)
            except BudgetExhausted:
                if mine:
                    raise

    def _finish(self, key: t.Hashable, task: asyncio.Task[T]) -> None:
        del self._running[key]
        if task.cancelled() or task.exception() is not None or not self._keep:
            return
        if len(self._done) >= self._keep:
            self._done.pop(next(iter(self._done)))
        self._done[key] = task.result()


class Questions:
    """Asks the network, each question once at a time."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._shared: Shared[Response] = Shared(keep=0)

    async def fetch(self, name: dns.name.Name, rdtype: int, context: Context) -> Response:
        """Return the response with RCODE NOERROR, NXDOMAIN or YXDOMAIN. Raises Failed, BudgetExhausted."""
        context.work.spend_query()
        response = await self._shared.get(
            (name, rdtype, context.avoid), lambda: self._once(name, rdtype, context.avoid)
        )
        context.work.spend_bytes(response.size)
        return response

    async def _once(self, name: dns.name.Name, rdtype: int, avoid: frozenset[str]) -> Response:
        what = f"{name} {dnssec_wire.type_text(rdtype)}"
        try:
            wire = await self._ask(name, rdtype, avoid)
        except AskFailed as error:
            raise Failed(error.code, f"{what}: {error}", error.server, error.errors) from error
        try:
            reply = wire.reply or dnssec_wire.parse(wire.data)
        except dnssec_wire.Malformed as error:
            raise Failed("dns-malformed", f"the answer to {what} is malformed: {error}", wire.server) from error
        if reply.question is not None and reply.question != (name, rdtype):
            raise Failed("dns-malformed", f"the answer to {what} is one to another question", wire.server)
        if reply.truncated:
            raise Failed("dns-malformed", f"the answer to {what} is truncated", wire.server)
        if reply.rcode == dnssec_wire.REFUSED:
            raise Failed("dns-refused", f"{wire.server} refuses to answer {what}", wire.server, reply.errors)
        if reply.rcode not in (dnssec_wire.NOERROR, dnssec_wire.NXDOMAIN, dnssec_wire.YXDOMAIN):
            code = "dns-servfail" if reply.rcode == dnssec_wire.SERVFAIL else "dns-malformed"
            detail = f"{wire.server} answers {what} with RCODE {reply.rcode}"
            raise Failed(code, detail, wire.server, reply.errors)
        return Response(reply, wire.server, len(wire.data), wire.proof_only)
