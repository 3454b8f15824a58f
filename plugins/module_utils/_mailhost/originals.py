# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files as they were before the collection first changed them: recorded once, put back on request.

    DIRECTORY/LABEL/record.json     what was recorded of each path, and a note of the caller
    DIRECTORY/LABEL/DIGEST-NAME     the content of one file

``record.json`` is the truth and changes by one rename, after the contents it names are on disk. So a run that is killed
leaves the earlier record or the new one. Standard library only, because it runs on mail servers. Private to the
collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import stat
import tempfile
import typing as t

DIRECTORY: t.Final = "/var/lib/mailsec-dane/originals"

_LABEL: t.Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")
_INDEX: t.Final = "record.json"
_MAX_BYTES: t.Final = 8 << 20
_FORMAT: t.Final = 1


class OriginalsError(ValueError):
    """Something cannot be recorded or put back; the message names the path, the reason and what to do."""


@dataclasses.dataclass(frozen=True)
class State:
    """What is at a path: ``kind`` is file, link or absent. ``target`` belongs to a link, ``content`` to a file."""

    kind: str
    content: bytes = dataclasses.field(default=b"", repr=False)
    target: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0

    def words(self) -> str:
        """Say what it is, without its content."""
        if self.kind == "link":
            return f"a symbolic link to {self.target}"
        if self.kind == "absent":
            return "nothing"
        return f"a file of {len(self.content)} bytes, mode {self.mode:04o}, owner {self.uid}:{self.gid}"


def state_of(path: str) -> State:
    """Return what is at ``path``; OriginalsError for anything but a file, a link or nothing."""
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return State("link", target=os.readlink(path), uid=found.st_uid, gid=found.st_gid)
        if not stat.S_ISREG(found.st_mode):
            raise OriginalsError(f"{path} is not a file: only files and symbolic links can be recorded and put back")
        with open(path, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return State("absent")
    except OSError as error:
        raise OriginalsError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise OriginalsError(f"{path} has more than {_MAX_BYTES} bytes: it is not a configuration file")
    return State("file", content, "", stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)


def labels(directory: str = DIRECTORY) -> list[str]:
    """Return the labels of the records in ``directory``."""
    try:
        found = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(name for name in found if os.path.exists(os.path.join(directory, name, _INDEX)))


class Originals:
    """The record under one label. With ``change`` false nothing is written; ``actions`` says what would be.

    OriginalsError when the record cannot be read.
    """

    def __init__(self, label: str, change: bool = True, directory: str = DIRECTORY) -> None:
        if not _LABEL.match(label):
            raise OriginalsError(f"label is {label!r}: use lower-case letters, digits, '_', '.' and '-'")
        self.directory = os.path.join(directory, label)
        self.change = change
        self.actions: list[str] = []
        self.states: dict[str, State] = {}
        self.note: dict[str, t.Any] = {}
        self._load()

    def _load(self) -> None:
        index = os.path.join(self.directory, _INDEX)
        try:
            with open(index, encoding="utf-8") as file:
                data = json.load(file)
            if data["format"] != _FORMAT:
                raise OriginalsError(f"{index} was written by another version of the collection: use that version")
            self.note = dict(data["note"])
            for path, entry in data["paths"].items():
                fields = {name: entry[name] for name in ("kind", "target", "mode", "uid", "gid")}
                self.states[path] = State(content=self._content(path, entry), **fields)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, OriginalsError):
                raise
            raise OriginalsError(
                f"{index} cannot be read ({error}), so it is not known what the files were before. Compare the files in"
                f" {self.directory} with the configuration yourself, then remove the directory"
            ) from error

    def _content(self, path: str, entry: t.Mapping[str, t.Any]) -> bytes:
        if entry["kind"] != "file":
            return b""
        copy = os.path.join(self.directory, _name(path, entry["sha256"]))
        try:
            with open(copy, "rb") as file:
                content = file.read()
        except OSError as error:
            raise OriginalsError(f"{copy}, the original of {path}, cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise OriginalsError(f"{copy}, the original of {path}, was changed after it was recorded: it is not used")
        return content

    def record(
        self,
        paths: t.Iterable[str],
        again: bool = False,
        follow: bool = False,
        note: t.Mapping[str, t.Any] | None = None,
    ) -> None:
        """Record what is at ``paths``, without what is recorded already, or with ``again`` anew.

        With ``follow`` a link is recorded and also the file that it leads to. ``note`` is kept beside a record; it is
        replaced only with ``again`` or when there was no record.
        """
        wanted: list[str] = []
        for path in paths:
            if not os.path.isabs(path) or os.path.normpath(path) != path:
                raise OriginalsError(f"paths has {path!r}: give absolute paths without '..'")
            wanted.append(path)
            if follow and os.path.islink(path):
                wanted.append(os.path.realpath(path))
        fresh = not self.states
        new = dict(self.states)
        for path in dict.fromkeys(wanted):
            if path in self.states and not again:
                continue
            found = state_of(path)
            if self.states.get(path) != found:
                self.actions.append(f"record {path}: {found.words()}")
                new[path] = found
        kept = self.note if note is None or not (fresh or again) else dict(note)
        if new == self.states and kept == self.note:
            return
        self.states, self.note = new, kept
        if self.change:
            self._save()

    def _save(self) -> None:
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        os.chmod(self.directory, 0o700)
        index: dict[str, t.Any] = {"format": _FORMAT, "note": self.note, "paths": {}}
        for path, state in self.states.items():
            entry = {name: getattr(state, name) for name in ("kind", "target", "mode", "uid", "gid")}
            if state.kind == "file":
                entry["sha256"] = hashlib.sha256(state.content).hexdigest()
                copy = os.path.join(self.directory, _name(path, entry["sha256"]))
                if not os.path.exists(copy):
                    replace(copy, state.content, 0o600, None)
            index["paths"][path] = entry
        text = json.dumps(index, indent=1, sort_keys=True).encode()
        replace(os.path.join(self.directory, _INDEX), text, 0o600, None)
        named = {_name(path, entry["sha256"]) for path, entry in index["paths"].items() if "sha256" in entry}
        for name in set(os.listdir(self.directory)) - named - {_INDEX}:
            os.unlink(os.path.join(self.directory, name))

    def give_back(self) -> None:
        """Make every recorded path what it was. OriginalsError names the first one where that is not possible."""
        for path, state in self.states.items():
            now = state_of(path)
            if now == state:
                continue
            self.actions.append(f"remove {path}" if state.kind == "absent" else f"put {path} back: {state.words()}")
            if self.change:
                try:
                    _put(path, state, now)
                except OSError as error:
                    raise OriginalsError(f"{path} cannot be put back: {error.strerror}") from error

    def forget(self) -> None:
        """Drop the record."""
        if not self.states and not os.path.isdir(self.directory):
            return
        self.actions.append(f"remove the record {self.directory}")
        self.states, self.note = {}, {}
        if not self.change:
            return
        # First the index: what is left without it counts as not recorded.
        for name in sorted(os.listdir(self.directory), key=lambda name: name != _INDEX):
            os.unlink(os.path.join(self.directory, name))
        os.rmdir(self.directory)


def _name(path: str, digest: str) -> str:
    return f"{digest[:16]}-{os.path.basename(path)}"


def _put(path: str, state: State, now: State) -> None:
    if state.kind == "absent":
        os.unlink(path)
        _sync(os.path.dirname(path))
    elif state.kind == "link":
        temporary = os.path.join(os.path.dirname(path), f".mailsec-dane-{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(state.target, temporary)
        os.lchown(temporary, state.uid, state.gid)
        os.rename(temporary, path)
        _sync(os.path.dirname(path))
    elif (now.kind, now.content) == ("file", state.content):
        os.chown(path, state.uid, state.gid)
        os.chmod(path, state.mode)
    else:
        replace(path, state.content, state.mode, (state.uid, state.gid))


def replace(path: str, content: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    """Replace a file by one rename, so that readers see the old or the new one, also after a power cut."""
    handle, temporary = tempfile.mkstemp(prefix=".mailsec-dane-", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            if owner:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        # A file that is a mount point cannot be replaced, only written.
        if error.errno != errno.EBUSY:
            raise
        with open(path, "wb") as file:
            file.write(content)
    _sync(os.path.dirname(path))


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
