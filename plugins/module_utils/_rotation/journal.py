# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of a journal: versioned, with a checksum, and tied to one TLSA base domain and one host.

The content is opaque here. Standard library only, pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

FORMAT: t.Final = "mailsec.dane journal"
VERSION: t.Final = 1
MAX_BYTES: t.Final = 4 * 1024 * 1024
#: Events beyond this many are dropped, oldest first: they are for people, not for the planner.
MAX_EVENTS: t.Final = 500

#: Problems that make a journal worthless but cost only time: the planner then takes everything for just changed.
LOST: t.Final = frozenset({"missing", "damaged", "foreign"})


class JournalError(Exception):
    """A journal that cannot be used.

    ``problem`` is ``missing``, ``damaged`` (truncated, not JSON, wrong checksum), ``foreign`` (of another base domain
    or host), ``newer`` (a later version of this collection wrote it; nothing may be done) or ``unwritable``.
    """

    def __init__(self, problem: str, message: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclasses.dataclass(frozen=True)
class Document:
    """One journal. ``sequence`` counts its versions, for compare-and-swap. ``events`` are oldest first."""

    subject: str
    host: str
    sequence: int
    content: dict[str, t.Any]
    events: tuple[dict[str, t.Any], ...] = ()


def encode(document: Document) -> str:
    """Return the text of ``document``, one line of JSON. Raises JournalError when it would be too large."""
    body = {
        "format": FORMAT,
        "version": VERSION,
        "subject": document.subject,
        "host": document.host,
        "sequence": document.sequence,
        "content": document.content,
        "events": list(document.events[-MAX_EVENTS:]),
    }
    rest = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)[1:]
    text = f"{_start(rest)}{rest}\n"
    if len(text.encode()) > MAX_BYTES:
        raise JournalError("unwritable", f"the journal of {document.subject} would have over {MAX_BYTES} bytes")
    return text


def decode(text: str, subject: str, host: str) -> Document:
    """Read the journal of ``subject`` on ``host``. Raises JournalError, whose message names what is wrong."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalError("damaged", f"the journal is not JSON, it may be truncated: {error}") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise JournalError("damaged", f"the file is not a journal: it does not say format {FORMAT!r}")
    version = body.get("version")
    if isinstance(version, int) and version > VERSION:
        raise JournalError("newer", f"version {version} of the journal is newer than {VERSION}; update the collection")
    rest = text[_START_LENGTH:].rstrip("\n")
    if text[:_START_LENGTH] != _start(rest):
        raise JournalError("damaged", "the checksum of the journal does not fit: it was changed or cut off")
    for what, wanted in (("subject", subject), ("host", host)):
        if body.get(what) != wanted:
            raise JournalError("foreign", f"the journal is for {what} {body.get(what)!r}, here is {wanted!r}")
    return Document(subject, host, body["sequence"], body["content"], tuple(body["events"]))


def _start(rest: str) -> str:
    """The first field, which is the checksum of all that follows it."""
    return f'{{"sha256":"{hashlib.sha256(rest.encode()).hexdigest()}",'


_START_LENGTH: t.Final = len(_start(""))
