# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TCP sockets of this host on which mail servers listen, from what the kernel shows in /proc.

Standard library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import typing as t

if t.TYPE_CHECKING:
    import collections.abc as c

#: Names of processes of mail servers, as the kernel has them (15 characters).
_PROGRAMS: t.Final = frozenset(
    {
        "master", "smtpd", "postscreen", "dovecot", "imap-login", "pop3-login", "submission-logi", "managesieve-log",
        "lmtp", "exim4", "exim", "sendmail", "sendmail-mta", "cyrmaster", "cyrus-master", "imapd", "pop3d",
        "couriertcpd", "stalwart", "stalwart-mail", "maddy", "mox", "haraka", "qpsmtpd", "opensmtpd", "kumod", "pmtad",
        "nginx", "haproxy", "perdition", "zmconfigd", "smtp-sink",
    }
)  # fmt: skip
#: Ports of mail protocols; whoever listens there counts, also when the process cannot be seen.
_PORTS: t.Final = frozenset({24, 25, 110, 143, 465, 587, 588, 993, 995, 2525, 4190})
#: Programs with other business too, of which only the mail ports count.
_GENERAL: t.Final = frozenset({"nginx", "haproxy"})
_LISTEN: t.Final = "0A"
_LOCAL: t.Final = re.compile(r"\|--\s+(\S+)\n\s+/32 host LOCAL")
_MAX_ADDRESSES: t.Final = 8


@dataclasses.dataclass(frozen=True, order=True)
class Listener:
    """One listening socket: ``address`` as bound (0.0.0.0 and :: are all), ``process`` '' when it cannot be seen."""

    address: str
    port: int
    process: str


def listeners(ports: c.Collection[int] = (), processes: str = "/proc") -> list[Listener]:
    """Return the sockets of mail servers, or whatever listens on ``ports``."""
    owners = _owners(processes)
    found = set()
    for name in ("tcp", "tcp6"):
        for address, port, inode in _sockets(os.path.join(processes, "self", "net", name)):
            process = owners.get(inode, "")
            if port in ports if ports else _is_mail(process, port):
                found.add(Listener(address, port, process))
    return sorted(found, key=lambda one: (one.port, one.address))


def _is_mail(process: str, port: int) -> bool:
    return port in _PORTS or (process in _PROGRAMS and process not in _GENERAL)


def _sockets(path: str) -> t.Iterator[tuple[str, int, str]]:
    try:
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()[1:]
    except FileNotFoundError:  # a kernel without IPv6
        return
    for line in lines:
        fields = line.split()
        if fields[3] == _LISTEN:
            address, _colon, port = fields[1].partition(":")
            yield _address(address), int(port, 16), fields[9]


def _address(text: str) -> str:
    # Words of 32 bits in the order of the machine.
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _owners(processes: str) -> dict[str, str]:
    """Return the name of the process for each inode of a socket; the parent's when several share it."""
    found: dict[str, str] = {}
    for entry in sorted((entry for entry in os.listdir(processes) if entry.isdigit()), key=int):
        directory = os.path.join(processes, entry)
        try:
            with open(os.path.join(directory, "comm"), encoding="utf-8", errors="replace") as file:
                name = file.read().strip()
            for number in os.listdir(os.path.join(directory, "fd")):
                target = os.readlink(os.path.join(directory, "fd", number))
                if target.startswith("socket:["):
                    found.setdefault(target[8:-1], name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or is hidden from us: then the socket has no process
    return found


def reachable(listener: Listener, processes: str = "/proc") -> list[str]:
    """Return the addresses of this host at which a client meets the socket."""
    address = ipaddress.ip_address(listener.address)
    if not address.is_unspecified:
        return [listener.address]
    local = own_addresses(processes)
    # A socket for :: usually takes IPv4 too; where it does not, the attempt is refused and says so.
    return [one for one in local if (":" in one) == (address.version == 6) or address.version == 6][:_MAX_ADDRESSES]


def own_addresses(processes: str = "/proc") -> list[str]:
    """Return the addresses of this host, loopback first, without link-local ones."""
    found = []
    with open(os.path.join(processes, "self", "net", "fib_trie"), encoding="ascii") as file:
        found += _LOCAL.findall(file.read())
    try:
        with open(os.path.join(processes, "self", "net", "if_inet6"), encoding="ascii") as file:
            found += [str(ipaddress.ip_address(bytes.fromhex(line.split()[0]))) for line in file]
    except FileNotFoundError:  # a kernel without IPv6
        pass
    addresses = [ipaddress.ip_address(text) for text in dict.fromkeys(found)]
    usable = [address for address in addresses if not address.is_link_local]
    return [str(address) for address in sorted(usable, key=lambda one: (not one.is_loopback, one.version, int(one)))]
