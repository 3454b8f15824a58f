# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers on port 53 of this host, and what follows for a resolver that shall listen there.

Standard library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import sys
import typing as t

_EVERYWHERE: t.Final = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on


@dataclasses.dataclass(frozen=True)
class Listener:
    """A socket on port 53."""

    address: str
    program: str

    def covers(self, address: str) -> bool:
        """Whether nobody else can listen at ``address`` beside this socket."""
        return self.address == address or self.address in _EVERYWHERE


def listeners(sockets: t.Mapping[str, str], programs: t.Mapping[str, str]) -> tuple[Listener, ...]:
    """Return who listens on port 53, each address and program once.

    ``sockets`` are the texts of /proc/net/udp and its like by their names, ``programs`` the program of each inode.
    """
    found: dict[Listener, None] = {}
    for name, text in sockets.items():
        for fields in map(str.split, text.splitlines()[1:]):
            address, _colon, port = fields[1].partition(":")
            # 0A is LISTEN; a UDP socket that is connected asks, it does not answer.
            if int(port, 16) != 53 or (fields[3] != "0A" if name.startswith("tcp") else int(fields[2][-4:], 16)):
                continue
            found[Listener(_address(address), programs.get(fields[9], "a program"))] = None
    return tuple(found)


def _address(text: str) -> str:
    """Address from /proc/net, where each group of four bytes stands in the order of the processor."""
    groups = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(group.to_bytes(4, sys.byteorder) for group in groups)))


def found_here() -> tuple[Listener, ...]:
    """Return who listens on port 53 of this host."""
    sockets = {name: _text(f"/proc/net/{name}") for name in ("udp", "udp6", "tcp", "tcp6")}
    programs: dict[str, str] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = [os.readlink(f"/proc/{entry}/fd/{number}") for number in os.listdir(f"/proc/{entry}/fd")]
            inodes = [link[8:-1] for link in links if link.startswith("socket:[")]
            if inodes:
                programs |= dict.fromkeys(inodes, _text(f"/proc/{entry}/comm").strip())
        except OSError:
            continue  # ended meanwhile, or of another user
    return listeners(sockets, programs)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


@dataclasses.dataclass(frozen=True)
class Choice:
    """``plan``: ``own`` (unbound is set up), ``use`` (what listens already is used as it is) or ``blocked``.

    ``reason`` says why, with the remedy where it is blocked.
    """

    plan: str
    reason: str


def choose(found: t.Iterable[Listener], address: str, ours: bool, wanted: bool, proven: bool, evidence: str) -> Choice:
    """Say what to do about a resolver at ``address``.

    ``ours``: unbound has the configuration of role resolver; ``wanted``: it shall have settings that only unbound of
    this role can have; ``proven``: what listens there validates; ``evidence``: what it answered.
    """
    there = [one for one in found if one.covers(address)]
    programs = sorted({one.program for one in there})
    names = ", ".join(programs)
    if not there:
        return Choice("own", f"nothing listens on {address} port 53")
    if programs == ["unbound"] and (ours or wanted or not proven):
        return Choice("own", f"unbound listens on {address} port 53")
    if proven and not wanted:
        return Choice("use", f"{names} listens on {address} port 53 and validates")
    if proven:
        why = "The zones, forwarders and settings of this role are for unbound: set them up there, or"
    else:
        why = f"DANE cannot be trusted with it ({evidence}). Switch on DNSSEC validation there, or"
    everywhere = [one.program for one in there if one.address in _EVERYWHERE]
    if everywhere:
        how = f"let {everywhere[0]} listen on the addresses that need it only (dnsmasq: bind-interfaces) and then set"
    else:
        how = "let unbound listen beside it with"
    return Choice(
        "blocked",
        f"{names} listens on {address} port 53, and other programs of this host may need it, so it stays. {why} {how}"
        " resolver_address: 127.0.0.2 (any free address of 127.0.0.0/8)",
    )
