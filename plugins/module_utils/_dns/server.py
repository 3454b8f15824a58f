# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that are asked: address, port, and what is known of them. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

if t.TYPE_CHECKING:
    pass
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.tsig_key import TsigKey


@dataclasses.dataclass(frozen=True)
class NameServer:
    """A name server at one IP address (a literal); ``name`` is '' when only the address is known.

    With ``key`` all questions to it are signed. It may then give other answers than it gives to the public.
    """

    address: str
    port: int = 53
    name: str = ""
    key: TsigKey | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def public(self) -> NameServer:
        """The same server, asked as everybody asks it."""
        return dataclasses.replace(self, key=None)

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address and self.port != 53 else self.address
        where = host if self.port == 53 else f"{host}:{self.port}"
        return f"{self.name} ({where})" if self.name else where


@dataclasses.dataclass(frozen=True)
class Server:
    """Address (a literal, perhaps with a scope) and port of a name server.

    ``trusted``: its AD bit is believed although the path to it is not loopback (RFC 4035 section 4.9.3).
    """

    address: str
    port: int = 53
    trusted: bool = False

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def believed(self) -> bool:
        """Whether the AD bit of this server may count at all."""
        return self.trusted or ipaddress.ip_address(self.address.partition("%")[0]).is_loopback
