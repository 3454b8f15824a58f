# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The name servers that this machine uses, read from resolv.conf(5). Private to the collection."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server

MAX_BYTES: t.Final = 65536


def system_servers(path: str = "/etc/resolv.conf") -> tuple[Server, ...]:
    """Return the servers that ``path`` lists, in order; the local machine when it lists none, as libc does.

    Raises ValueError when an entry is not an address, OSError when the file is there but cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_BYTES).splitlines()
    except FileNotFoundError:
        lines = []
    found: dict[Server, None] = {}
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                ipaddress.ip_address(words[1].partition("%")[0])
            except ValueError:
                raise ValueError(f"{path} has the nameserver {words[1][:80]!r}, which is not an IP address") from None
            found[Server(words[1])] = None
    return tuple(found) or (Server("127.0.0.1"),)
