# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers on port 53 of this host, and what follows for a resolver that shall listen there.

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

_EVERYWHERE: t.Final = ("*", "0.0.0.0", "::")  # noqa: S104 - compared, not listened on


@dataclasses.dataclass(frozen=True)
class Listener:
    """A socket on port 53."""

    address: str
    program: str

    def covers(self, address: str) -> bool:
        """Whether nobody else can listen at ``address`` beside this socket."""
        return self.address == address or self.address in _EVERYWHERE


def listeners(text: str) -> tuple[Listener, ...]:
    """Read the output of ``ss -Hlntup 'sport = :53'``, each address and program once."""
    found: dict[Listener, None] = {}
    for line in text.splitlines():
        fields = line.split()
        local = next((field for field in fields[2:] if re.search(r":(?:53|domain)\Z", field)), "")
        if not local:
            continue
        program = re.search(r'\(\("([^"]+)"', line)
        address = local.rpartition(":")[0].partition("%")[0].strip("[]")
        found[Listener(address, program.group(1) if program else "a program")] = None
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class Choice:
    """``plan``: ``own`` (unbound is set up), ``use`` (what listens already is used as it is) or ``blocked``.

    ``reason`` says why, with the remedy where it is blocked.
    """

    plan: str
    reason: str


def choose(
    found: t.Iterable[Listener], address: str, ours: bool, wanted: bool, proven: bool, evidence: str
) -> Choice:
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
