# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IP addresses as text: what is one, with a port or without.

Pure. Private to the collection.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

_WITH_PORT: t.Final = re.compile(r"\[([0-9A-Fa-f:.%a-z]+)\]:(\d{1,5})|([^:\[\]]+):(\d{1,5})")


def is_address(text: str) -> bool:
    """Tell whether ``text`` is a literal IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def split_port(text: str, port: int) -> tuple[str, int]:
    """Read ``host``, ``host:port`` or ``[IPv6]:port``; ``port`` is that of a text without one. Raises ValueError."""
    found = _WITH_PORT.fullmatch(text)
    host, number = (found[1] or found[3], int(found[2] or found[4])) if found else (text, port)
    if not 0 < number < 65536:
        raise ValueError(f"'{printable(text, 80)}' has the port {number}: it is 1 to 65535")
    return host, number
