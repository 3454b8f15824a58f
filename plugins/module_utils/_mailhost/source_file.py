# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file of another program, opened through symbolic links that nobody but root and ourselves can redirect.

Standard library only. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import stat
import typing as t

if t.TYPE_CHECKING:
    import collections.abc as c

_MAX_LINKS: t.Final = 20
_DIRECTORY: t.Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FilesError(ValueError):
    """Something is not as it must be; the message names the file or option, the rule, and what to do."""


@dataclasses.dataclass(frozen=True)
class Source:
    """An open file: ``asked`` is the path that was given, ``path`` where the links lead."""

    asked: str
    path: str
    handle: int
    stat: os.stat_result

    @property
    def described(self) -> str:
        """The file in words."""
        return self.path if self.asked == self.path else f"{self.asked} leads to {self.path}, which"


def open_source(path: str, owners: c.Collection[int]) -> Source | None:
    """Open ``path`` for reading; None when there is no such file.

    ``owners`` are the users whose links and directories are trusted. Where the path has no link, who owns its
    directories is not looked at. Raises FilesError.
    """
    with contextlib.ExitStack() as opened:
        return _Walk(os.path.abspath(path), owners, opened).run()


class _Walk:
    """One walk from the root to the file, holding each directory open, so that nothing is swapped meanwhile."""

    def __init__(self, path: str, owners: c.Collection[int], opened: contextlib.ExitStack) -> None:
        self._asked = path
        self._owners = owners
        self._opened = opened
        self._links: list[str] = []
        #: Directories that were passed, each with what was taken from it.
        self._passed: list[tuple[str, os.stat_result, os.stat_result]] = []
        self._root()

    def _root(self) -> None:
        self._way: list[tuple[str, int]] = [("/", self._open_directory("/", None))]

    def _open_directory(self, name: str, above: int | None) -> int:
        handle = os.open(name, _DIRECTORY, dir_fd=above)
        self._opened.callback(os.close, handle)
        return handle

    def run(self) -> Source | None:
        left = self._asked.split("/")
        while left:
            name = left.pop(0)
            if name in ("", "."):
                continue
            if name == "..":
                self._way = self._way[:-1] or self._way
                continue
            place, handle = self._way[-1]
            path = os.path.join(place, name)
            try:
                found = os.stat(name, dir_fd=handle, follow_symlinks=False)
                self._passed.append((place, os.fstat(handle), found))
                if stat.S_ISLNK(found.st_mode):
                    left = self._target(path, name, handle).split("/") + left
                elif any(part not in ("", ".") for part in left):
                    self._way.append((path, self._open_directory(name, handle)))
                else:
                    return self._open_file(path, name, handle)
            except FileNotFoundError:
                if not self._links:
                    return None
                raise FilesError(
                    f"{self._asked} leads to {path}, which does not exist: the symbolic link {self._links[-1]} points "
                    f"to nothing. Run: ls -l {shlex.quote(self._links[-1])}; then let the program that made it make it "
                    "again (certbot: certbot renew)"
                ) from None
            except OSError as error:
                raise FilesError(f"{self._asked} cannot be read: {path}: {error.strerror}") from error
        raise FilesError(f"{self._asked} is not an ordinary file")

    def _target(self, path: str, name: str, handle: int) -> str:
        self._links.append(path)
        if len(self._links) > _MAX_LINKS:
            raise FilesError(f"{self._asked} leads over more than {_MAX_LINKS} symbolic links, perhaps in a circle")
        target = os.readlink(name, dir_fd=handle)
        if target.startswith("/"):
            self._root()
        return target

    def _open_file(self, path: str, name: str, handle: int) -> Source:
        if self._links:
            for directory, its, taken in self._passed:
                self._check(directory, its, taken)
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
        source = Source(self._asked, path, opened, os.fstat(opened))
        if not stat.S_ISREG(source.stat.st_mode):
            os.close(opened)
            raise FilesError(f"{source.described} is not an ordinary file")
        return source

    def _check(self, directory: str, its: os.stat_result, taken: os.stat_result) -> None:
        if its.st_uid not in self._owners:
            self._refuse(directory, f"belongs to user number {its.st_uid}", f"chown root {shlex.quote(directory)}")
        if its.st_mode & 0o022 == 0:
            return
        # In a directory like /tmp nobody can rename or remove what belongs to others.
        if not its.st_mode & stat.S_ISVTX or taken.st_uid not in self._owners:
            mode = stat.S_IMODE(its.st_mode)
            self._refuse(directory, f"has mode {mode:04o}", f"chmod go-w {shlex.quote(directory)}")

    def _refuse(self, directory: str, why: str, command: str) -> t.NoReturn:
        raise FilesError(
            f"{self._asked} leads over the symbolic link {self._links[0]}, and others could redirect it: directory "
            f"{directory} {why}; it must belong to root, and nobody else may write it. Run: {command}; or give the "
            "file itself instead of a link"
        )
