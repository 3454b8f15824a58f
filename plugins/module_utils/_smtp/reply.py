# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SMTP replies (RFC 5321 section 4.2), read from a server that may send anything. Private to the collection."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

if t.TYPE_CHECKING:
    import collections.abc as c

_LINE: t.Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


class ReplyError(Exception):
    """What the server sent is not an SMTP reply; the message says why, in printable text."""


class Closed(Exception):
    """The server ended the stream where a reply was due; the message tells what had come before."""


@dataclasses.dataclass(frozen=True)
class Reply:
    """One reply: the code of its last line, and the text of each line in printable ASCII, without codes.

    ``raw`` has the lines as they came, with their codes and without their ends.
    """

    code: int
    lines: tuple[str, ...]
    raw: tuple[bytes, ...] = dataclasses.field(default=(), compare=False)

    @property
    def size(self) -> int:
        """Bytes of all lines, each with one for its end."""
        return sum(len(line) + 1 for line in self.raw)

    @property
    def succeeds(self) -> bool:
        """Whether the code is a positive completion, 2yz (RFC 5321 section 4.2.1); senders look at no more of it."""
        return self.code // 100 == 2

    def __str__(self) -> str:
        return printable(f"{self.code} {' / '.join(self.lines)}".rstrip())


class ReplyReader:
    """Reads replies from ``receive``, which returns bytes as they come and ``b""`` at the end.

    ``line_bytes`` bounds one line with its end, ``lines`` one reply. A bare LF ends a line as well: senders
    take it, and nothing is at stake in a reply.
    """

    def __init__(self, receive: c.Callable[[], c.Awaitable[bytes]], line_bytes: int, lines: int) -> None:
        self._receive = receive
        self._line_bytes = line_bytes
        self._lines = lines
        self._pending = b""

    async def read(self) -> Reply:
        """Return the next reply. Raises ReplyError, Closed, and what ``receive`` raises."""
        texts: list[str] = []
        raw: list[bytes] = []
        while len(texts) < self._lines:
            line = await self._line(bool(texts))
            parts = _LINE.fullmatch(line)
            if parts is None:
                raise ReplyError(f"this is not an SMTP reply: '{printable(line, 80)}'")
            texts.append(printable(parts[3] or b""))
            raw.append(line)
            if parts[2] != b"-":
                return Reply(int(parts[1]), tuple(texts), tuple(raw))
        raise ReplyError(f"the reply has more than {self._lines} lines")

    def discard(self) -> bytes:
        """Return and forget what was received beyond the last reply."""
        pending, self._pending = self._pending, b""
        return pending

    async def _line(self, inside: bool) -> bytes:
        while b"\n" not in self._pending[: self._line_bytes]:
            if len(self._pending) >= self._line_bytes:
                raise ReplyError(f"a line of the reply has more than {self._line_bytes} bytes")
            data = await self._receive()
            if not data:
                before = " in the middle of a reply" if inside or self._pending else ""
                raise Closed(f"the server closed the connection{before}")
            self._pending += data
        line, _newline, self._pending = self._pending.partition(b"\n")
        return line.rstrip(b"\r")
