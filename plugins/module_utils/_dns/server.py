# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that are asked: address, port, and what is known of them. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.tsig_key import TsigKey


@dataclasses.dataclass(frozen=True)
class Server:
    """A DNS server at one IP address: a literal, perhaps with a scope. Raises ValueError for another address or port.

    ``name`` is '' when only the address is known. ``trusted``: the AD bit of this resolver is believed although the
    path to it is not loopback (RFC 4035 section 4.9.3). With ``key`` all questions to it are signed; it may then give
    other answers than it gives to the public.
    """

    address: str
    port: int = 53
    name: str = dataclasses.field(default="", kw_only=True)
    trusted: bool = dataclasses.field(default=False, kw_only=True)
    key: TsigKey | None = dataclasses.field(default=None, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.address)
        except ValueError as error:
            raise ValueError(f"{self.address[:80]!r} is not an IP address of a name server") from error
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is not a port: it is 1 to 65535")

    @property
    def believed(self) -> bool:
        """Whether the AD bit of this server may count at all."""
        return self.trusted or ipaddress.ip_address(self.address.partition("%")[0]).is_loopback

    @property
    def public(self) -> Server:
        """The same server, asked as everybody asks it."""
        return dataclasses.replace(self, key=None)

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address and self.port != 53 else self.address
        where = host if self.port == 53 else f"{host}:{self.port}"
        return f"{self.name} ({where})" if self.name else where
