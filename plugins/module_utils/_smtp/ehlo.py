# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The name to introduce oneself with: a fully-qualified one, or else an address literal (RFC 5321 section 4.1.1.1).

Private to the collection.
"""

from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

#: In place of a name: the literal of the address from which the server is reached.
LITERAL: t.Final = ""

_EHLO_NAME: t.Final = re.compile(r"[!-~]{1,255}")
_QUALIFIED: t.Final = re.compile(
    r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE
)
#: Words of replies that find fault with the name and not with the client (Postfix, Exim, Sendmail, Exchange).
_ABOUT_THE_NAME: t.Final = re.compile(
    r"\b(?:helo|ehlo)\b|host ?name|fully.qualified|fqdn|domain (?:name|address)|invalid (?:name|domain)|syntax",
    re.IGNORECASE,
)
#: A syntax error in a parameter, and a parameter that is not implemented (RFC 5321 section 4.2.2).
_PARAMETER_CODES: t.Final = (501, 504)
#: A command that is not known, not implemented, or out of order: replies quote it, name and all.
COMMAND_CODES: t.Final = (500, 502, 503)


def own_name() -> str:
    """Return the fully-qualified name of this machine, LITERAL when it has none that other machines could know."""
    for name in (socket.gethostname(), socket.getfqdn()):
        if _QUALIFIED.fullmatch(name) and not name.lower().startswith("localhost."):
            return name
    return LITERAL


def option(given: str | None) -> str:
    """Return the name for an option ``ehlo_name``, the own one when it is None. Raises ValueError for what is none."""
    if given == LITERAL:
        raise ValueError("ehlo_name is empty: leave it out, or give a host name or an address literal")
    return own_name() if given is None else check(given)


def check(name: str) -> str:
    """Return ``name``. Raises ValueError when no server would take it."""
    if name != LITERAL and not _EHLO_NAME.fullmatch(name):
        raise ValueError(f"'{printable(name, 80)}' is not a name for EHLO: use printable ASCII without blanks")
    return name


def literal(own_address: str) -> str:
    """Return an IP address as an address literal (RFC 5321 section 4.1.3)."""
    address = own_address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def towards(name: str, address: str) -> str:
    """Return ``name``, or the literal of the address from which this machine reaches ``address``; nothing is sent."""
    if name != LITERAL:
        return name
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
            return literal(str(sock.getsockname()[0]))
    except OSError:
        # Without a route there is no connection on which to use a name.
        return literal("::1" if ":" in address else "127.0.0.1")


def finds_fault(code: int, text: str) -> bool:
    """Say whether a reply that refuses EHLO is about the name that was given."""
    return code not in COMMAND_CODES and (code in _PARAMETER_CODES or _ABOUT_THE_NAME.search(text) is not None)
