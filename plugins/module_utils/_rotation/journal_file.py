# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journals on disk: replaced atomically, under a lease that expires.

Beside ``journal`` stand at most ``journal.lease`` while a lease is held, and ``journal.new`` after a crash until
the next write. Standard library only: this runs on mail hosts. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import typing as t
import uuid

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment, possibly_elapsed, proven_elapsed
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.journal import Document, JournalError

if t.TYPE_CHECKING:
    import collections.abc as c

_MAX_LEASE_BYTES: t.Final = 4096


class LeaseHeld(Exception):
    """Somebody else holds the lease: ``holder`` in their own words, ``seconds`` until it surely expires."""

    def __init__(self, path: str, holder: str, seconds: float) -> None:
        self.holder, self.seconds = holder or "somebody without a name", seconds
        super().__init__(f"{self.holder} holds the lease of {path}, at most for {seconds:.0f} seconds more")


@dataclasses.dataclass(frozen=True)
class Lease:
    """The right to write: ``token`` proves it, for ``seconds`` from ``taken`` on."""

    token: str
    holder: str
    taken: Moment
    seconds: float

    def left(self, now: Moment) -> float:
        """Return for how long others must respect it: by the clock that went less far."""
        return self.seconds - proven_elapsed(self.taken, now)

    def surely_left(self, now: Moment) -> float:
        """Return for how long its owner may rely on it: by the clock that went further."""
        return self.seconds - possibly_elapsed(self.taken, now)


def machine_identity() -> str:
    """Return what tells this host from one that got a copy of its disk's files, '' when it has no such thing."""
    try:
        with open("/etc/machine-id", encoding="ascii") as handle:
            return handle.read(64).strip()
    except (OSError, UnicodeDecodeError):
        return ""


def read(path: str, subject: str, host: str) -> Document:
    """Return the journal at ``path``. Raises JournalError; reading needs no lease."""
    text = _read_text(path, journal.MAX_BYTES)
    if text is None:
        raise JournalError("missing", f"there is no journal at {path}")
    return journal.decode(text, subject, host)


def write(path: str, document: Document, token: str, now: Moment) -> None:
    """Replace the journal by ``document``, whose sequence must be one above what is there.

    After return it is on disk; after an exception the former one still is. Raises JournalError, also when the
    lease with ``token`` is not held any more, or somebody else wrote meanwhile.
    """
    text = journal.encode(document)
    with _locked(path):
        require(path, token, now)
        there = sequence(path)
        if there is not None and document.sequence != there + 1:
            raise JournalError("unwritable", f"the journal has sequence {there}, so {document.sequence} cannot follow")
        _replace(path, text)


def acquire(path: str, holder: str, seconds: float, now: Moment) -> Lease:
    """Take the lease of the journal at ``path``; an expired one is taken over. Raises LeaseHeld, JournalError.

    ``seconds`` must exceed the longest single effect; :func:`renew` before each.
    """
    with _locked(path):
        lease = _lease(path)
        if lease is not None and lease.left(now) > 0:
            raise LeaseHeld(path, lease.holder, lease.left(now))
        fresh = Lease(uuid.uuid4().hex, holder[:200], now, seconds)
        _replace(f"{path}.lease", _lease_text(fresh))
        return fresh


def renew(path: str, token: str, seconds: float, now: Moment) -> Lease:
    """Let the lease begin anew. Raises JournalError when it is not held any more."""
    with _locked(path):
        lease = _lease(path)
        if lease is None or lease.token != token:
            raise JournalError("lost", f"the lease of {path} is lost: somebody took it over after it had expired")
        fresh = dataclasses.replace(lease, taken=now, seconds=seconds)
        _replace(f"{path}.lease", _lease_text(fresh))
        return fresh


def require(path: str, token: str, now: Moment) -> None:
    """Raise JournalError unless the lease is surely held: the last look before an effect."""
    lease = _lease(path)
    if lease is None or lease.token != token or lease.surely_left(now) <= 0:
        raise JournalError("lost", f"the lease of {path} is lost: nothing may be changed any more")


def release(path: str, token: str) -> bool:
    """Give the lease back; False when it was not held any more."""
    with _locked(path):
        lease = _lease(path)
        if lease is None or lease.token != token:
            return False
        os.unlink(f"{path}.lease")
        _sync_directory(path)
        return True


def holder(path: str, now: Moment) -> str:
    """Return who holds the lease now, '' for nobody."""
    lease = _lease(path)
    return lease.holder if lease is not None and lease.left(now) > 0 else ""


@contextlib.contextmanager
def _locked(path: str) -> c.Iterator[None]:
    """Hold the lock of the directory, which leaves no file behind and ends with the process."""
    directory = os.path.dirname(path) or "."
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise JournalError("unwritable", f"the directory {directory} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read_text(path: str, limit: int) -> str | None:
    try:
        with open(path, "rb") as handle:
            data = handle.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError("unwritable", f"{path} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise JournalError("damaged", f"{path} is larger than {limit} bytes")
    return data.decode("utf-8", "replace")


def sequence(path: str) -> int | None:
    """Return the sequence of whatever stands there, None when it is worthless and may be replaced.

    It may be the journal of another host or base domain. Raises JournalError when a newer version wrote it.
    """
    try:
        text = _read_text(path, journal.MAX_BYTES)
        body = json.loads(text) if text is not None else None
    except (JournalError, ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get("subject"), str):
        return None
    try:
        return journal.decode(text or "", body["subject"], str(body.get("host"))).sequence
    except JournalError as error:
        if error.problem == "newer":
            raise
        return None


def _lease(path: str) -> Lease | None:
    text = _read_text(f"{path}.lease", _MAX_LEASE_BYTES)
    if text is None:
        return None
    try:
        body = json.loads(text)
        taken = Moment(float(body["wall"]), float(body["monotonic"]), str(body["boot"]))
        return Lease(str(body["token"]), str(body["holder"]), taken, float(body["seconds"]))
    except (ValueError, KeyError, TypeError) as error:
        # Written atomically, so this is not a crash of ours; taking it over unseen would be a guess.
        raise JournalError(
            "damaged", f"{path}.lease is not a lease; remove it when no run is active: {error!r}"
        ) from error


def _lease_text(lease: Lease) -> str:
    body = {
        "token": lease.token,
        "holder": lease.holder,
        "wall": lease.taken.wall,
        "monotonic": lease.taken.monotonic,
        "boot": lease.taken.boot,
        "seconds": lease.seconds,
    }
    return json.dumps(body, sort_keys=True) + "\n"


def _replace(path: str, text: str) -> None:
    """Write beside, flush, rename, flush the directory. A full disk leaves the former file as it was."""
    new = f"{path}.new"
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb", closefd=False) as stream:
                stream.write(text.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(new, path)
        _sync_directory(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise JournalError("unwritable", f"{path} cannot be written: {error.strerror}; nothing was changed") from error


def _sync_directory(path: str) -> None:
    handle = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
