# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT records that begin with a version, as MTA-STS and TLSRPT have them (RFC 8461, RFC 8460). Pure.

Private to the collection.
"""

from __future__ import annotations

import re
import typing as t

_STRING: t.Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE: t.Final = re.compile(r"\\([0-9]{3}|.)")


class TxtError(ValueError):
    """There is not exactly one such record, or it does not follow its grammar; the message says what is wrong."""


def text(rdata: str) -> str:
    """Return the content of a TXT record in presentation format: its strings, one after the other."""
    return "".join(_ESCAPE.sub(_byte, string) for string in _STRING.findall(rdata))


def _byte(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code)) if len(code) == 3 and int(code) < 256 else code


def fields(records: t.Iterable[str], version: str) -> dict[str, str] | None:
    """Return the fields of the one record that begins with ``v=<version>``, names in lower case; None without any.

    Raises TxtError for several of them, because senders then act as if there were none, and for bad fields.
    """
    found = [content for content in map(text, records) if re.match(rf"v={version}\s*(;|$)", content)]
    if not found:
        return None
    if len(found) > 1:
        raise TxtError(f"there are {len(found)} records with v={version}, and senders look at none of them")
    result: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in found[0].split(";"))):
        name, equals, value = part.partition("=")
        if not equals:
            raise TxtError("a field has no value")
        result.setdefault(name.strip().lower(), value.strip())
    return result
