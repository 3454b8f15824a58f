# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TSIG keys (RFC 8945): from their parts, or from a key file as BIND's tools write it. Private to the collection."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

ALGORITHMS: t.Final = ("hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")

_COMMENT_OR_STRING: t.Final = re.compile(r'"[^"\n]*"|//[^\n]*|#[^\n]*|/\*.*?\*/', re.DOTALL)
_KEY: t.Final = re.compile(r'\bkey\s+(?:"([^"]+)"|([^\s"{};]+))\s*\{([^{}]*)\}\s*;')
_CLAUSE: t.Final = re.compile(r'\b(algorithm|secret)\s+(?:"([^"]*)"|([^\s";]+))\s*;')
_MAX_BYTES: t.Final = 65536
_NAME: t.Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


class TsigKeyError(ValueError):
    """This is not a TSIG key; the message never holds the secret."""


@dataclasses.dataclass(frozen=True)
class TsigKey:
    """A shared secret; ``name`` is lower case without final dot, ``algorithm`` one of :data:`ALGORITHMS`."""

    name: str
    secret: bytes = dataclasses.field(repr=False)
    algorithm: str = "hmac-sha256"

    def __str__(self) -> str:
        return f"{self.name} ({self.algorithm})"

    @classmethod
    def from_text(cls, name: str, secret: str, algorithm: str = "hmac-sha256") -> TsigKey:
        """Make a key of its name, its secret in base64 and its algorithm. Raises TsigKeyError."""
        wanted = name.strip().lower().removesuffix(".")
        if not _NAME.fullmatch(wanted):
            raise TsigKeyError(f"'{printable(name, 80)}' is not a name for a TSIG key: it is a domain name")
        lowered = algorithm.strip().lower().removesuffix(".")
        if lowered not in ALGORITHMS:
            known = ", ".join(ALGORITHMS)
            raise TsigKeyError(f"TSIG key {wanted}: algorithm '{printable(lowered, 40)}' is none of {known}")
        try:
            decoded = base64.b64decode("".join(secret.split()), validate=True)
        except (binascii.Error, ValueError):
            # Not chained: the text of the cause may quote what it was given.
            raise TsigKeyError(f"TSIG key {wanted}: the secret is not base64 (RFC 4648 section 4)") from None
        if not decoded:
            raise TsigKeyError(f"TSIG key {wanted}: the secret is empty")
        return cls(wanted, decoded, lowered)


def parse_key_file(text: str, name: str | None = None) -> TsigKey:
    """Read the ``key "name" { algorithm ...; secret "..."; };`` clause that ``tsig-keygen`` writes.

    With several clauses ``name`` says which one. Raises TsigKeyError.
    """
    plain = _COMMENT_OR_STRING.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    keys = {(quoted or bare).lower().removesuffix("."): body for quoted, bare, body in _KEY.findall(plain)}
    if not keys:
        raise TsigKeyError('the file has no key clause: it is to hold key "name" { algorithm ...; secret "..."; };')
    if name is None and len(keys) > 1:
        raise TsigKeyError(f"the file has several keys ({', '.join(keys)}): say which one by its name")
    wanted = next(iter(keys)) if name is None else name.strip().lower().removesuffix(".")
    if wanted not in keys:
        raise TsigKeyError(f"the file has no key '{printable(wanted, 80)}', but {', '.join(keys)}")
    clauses = {what: quoted or bare for what, quoted, bare in _CLAUSE.findall(keys[wanted])}
    lacking = [what for what in ("algorithm", "secret") if what not in clauses]
    if lacking:
        raise TsigKeyError(f"key {wanted} in the file has no {' and no '.join(lacking)}")
    return TsigKey.from_text(wanted, clauses["secret"], clauses["algorithm"])


def given(options: t.Mapping[str, t.Any]) -> TsigKey | None:
    """Return the key that a module's options ``key_name``, ``key_secret``, ``key_algorithm`` and ``key_file`` name.

    None where they name none. Raises ValueError, which names the option and never holds the secret.
    """
    path, name = options["key_file"], options["key_name"]
    if path is None:
        if name is None:
            return None
        if options["key_secret"] is None:
            raise ValueError("key_name is given, but neither key_secret nor key_file")
        return TsigKey.from_text(name, options["key_secret"], options["key_algorithm"])
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_BYTES)
    except OSError as error:
        raise ValueError(f"key_file {path} cannot be read: {error.strerror}") from error
    except UnicodeError:
        raise ValueError(f"key_file {path} is not text file") from None
    try:
        return parse_key_file(text, name)
    except TsigKeyError as error:
        raise ValueError(f"key_file {path}: {error}") from error
