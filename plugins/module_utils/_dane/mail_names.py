# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of mail domains and hosts as people write them → names as the DNS has them. Pure. Private to the collection."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaError, host_name
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

try:
    import idna
except ImportError:  # IDNA 2003 has to do, see ascii_name
    HAS_IDNA = False
else:
    HAS_IDNA = True

#: The full stop, and what IDNA takes for one (RFC 3490 section 3.1).
_DOTS: t.Final = re.compile("[.\u3002\uff0e\uff61]")
#: Characters that IDNA 2003 and IDNA 2008 turn into different names.
_DEVIATIONS: t.Final = re.compile("[\u00df\u1e9e\u03c2\u200c\u200d]")


def ascii_name(text: str) -> str:
    """Return a name as lower-case A-labels without final dot; U-labels are converted.

    By IDNA 2008 (RFC 5891, with the mapping of UTS 46, as browsers and registries have it) where the Python package
    idna is installed, else by the IDNA 2003 of Python's own codec, which gives the same result but for a few
    characters; names with those are refused then. Raises ValueError with a sentence about what is wrong.
    """
    name = text.strip()
    _refuse(name)
    labels = _DOTS.split(name)
    if not labels[-1]:
        labels.pop()
    try:
        return host_name(".".join(label if label.isascii() else _encode(label) for label in labels))
    except TlsaError as error:
        raise ValueError(str(error)) from error


def _refuse(name: str) -> None:
    shown = repr(printable(name, 80)) if name.isascii() else f"'{name[:80]}'"
    if not name or not _DOTS.sub("", name):
        raise ValueError("an empty name: give a name such as example.nl, or remove the entry")
    if "://" in name:
        raise ValueError(f"{shown} is a URL: give the name alone, such as example.nl")
    if "@" in name:
        raise ValueError(f"{shown} is a mail address: give what stands after the @")
    if is_address(name.strip("[]")):
        raise ValueError(f"{shown} is an IP address, not a name")
    if any(character.isspace() for character in name):
        raise ValueError(f"{shown} has a blank: give each name as an entry of its own")
    if any(not label for label in _DOTS.split(name)[:-1]):
        raise ValueError(f"{shown} has an empty label, two dots in a row or one at the beginning: correct the spelling")


def _encode(label: str) -> str:
    try:
        if HAS_IDNA:
            return idna.encode(label, uts46=True, std3_rules=True).decode("ascii")
        if _DEVIATIONS.search(label):
            raise ValueError(
                f"'{label[:63]}' has a character for which IDNA 2003 and 2008 differ, and the Python package idna is "
                "not installed: install it (pip install idna), or give the name as A-labels (xn--...)"
            )
        return label.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"'{label[:63]}' cannot be part of a name (IDNA): {printable(str(error), 200)}") from error
