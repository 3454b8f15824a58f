# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes of many endpoints at once, found through the system resolver. Private to the collection.

Nothing here is fit to decide about DANE: the system resolver says nothing about DNSSEC.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import itertools
import socket
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits, NotProbed, Seen
from ansible_collections.mailsec.dane.plugins.module_utils._room import Room
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import dialogue
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.ways import ask_all_ways
from ansible_collections.mailsec.dane.plugins.module_utils._unexpected import AUDIT_ERROR, words

if t.TYPE_CHECKING:
    import collections.abc as c

_MAX_ADDRESSES: t.Final = 64
#: Stands for the addresses that are looked up later.
_ANY: t.Final = "::"


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is wanted of one MX host: which addresses (none: those the system resolver gives), and how to ask.

    Each address is probed once per server name (None: without SNI) and type of key (None: the server's choice), as far
    as that can show another chain.
    """

    host: str
    addresses: tuple[str, ...]
    server_names: tuple[str | None, ...]
    key_types: tuple[str | None, ...] = (None,)


async def survey(
    wishes: t.Sequence[Wish], port: int, ehlo_name: str, limits: Limits, concurrency: int
) -> list[Seen | NotProbed]:
    """Probe all that is wished for, at most ``concurrency`` endpoints at once; the order is that of the wishes.

    Raises ValueError for a wish that cannot be fulfilled; what a server makes us stumble over is its own entry.
    """
    for wish in wishes:
        for address, name, key in itertools.product(wish.addresses or (_ANY,), wish.server_names, wish.key_types):
            dialogue.check(Endpoint(address, port), name, ehlo_name, key)
    room = Room(concurrency)
    found = await asyncio.gather(*(_one(wish, port, ehlo_name, limits, room) for wish in wishes))
    return [entry for entries in found for entry in entries]


async def _one(wish: Wish, port: int, ehlo_name: str, limits: Limits, room: Room) -> list[Seen | NotProbed]:
    async with room.place():
        addresses = wish.addresses or await addresses_of(wish.host)
    if isinstance(addresses, NotProbed):
        return [addresses]
    left_out: list[Seen | NotProbed] = []
    if len(addresses) > _MAX_ADDRESSES:
        detail = f"{len(addresses)} addresses, of which the first {_MAX_ADDRESSES} were probed"
        left_out.append(NotProbed(wish.host, "address-too-many", detail))

    async def meet(address: str) -> list[Seen | NotProbed]:
        async with room.place():
            endpoint = Endpoint(address, port)
            try:
                probes = await ask_all_ways(endpoint, wish.server_names, wish.key_types, ehlo_name, limits)
            except Exception as error:  # noqa: BLE001 - costs no other server its place in the result
                return [NotProbed(wish.host, AUDIT_ERROR, f"{endpoint}: {words(error)}")]
            return [Seen(wish.host, probe) for probe in probes]

    found = await asyncio.gather(*(meet(address) for address in addresses[:_MAX_ADDRESSES]))
    return [entry for entries in found for entry in entries] + left_out


async def addresses_of(host: str) -> tuple[str, ...] | NotProbed:
    """Return the addresses that the system resolver gives for ``host``, IPv4 first, or why there is none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        absent = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        outcome = "no-address" if absent else "dns-servfail"
        return NotProbed(host, outcome, f"the system resolver says: {error.strerror}")
    return tuple(sorted({str(entry[4][0]) for entry in found}, key=_order))


def _order(address: str) -> tuple[int, c.Hashable]:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return parsed.version, parsed.packed
