# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One question to one name server at one address, asked again when a datagram gets lost, within a bound.

What the server does instead of answering is a result, not an exception. Private to the collection.
"""

from __future__ import annotations

import contextlib
import enum
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns import transport
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.rcode

#: How the seconds for a question are shared among its attempts: a datagram may get lost.
_SHARES: t.Final = (0.2, 0.3, 0.5)
_UDP_PAYLOAD: t.Final = 1232


class Failure(enum.Enum):
    """What a server did instead of answering."""

    REFUSED = "refused"
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"


class Unanswered(t.NamedTuple):
    """No answer: neither data nor absence. ``detail`` is a sentence."""

    failure: Failure
    detail: str


async def ask(
    server: Server, name: str, rdtype: str, timeout: float, recursive: bool = False, over_tcp: bool = False
) -> dns.message.QueryMessage | Unanswered:
    """Ask ``server`` for ``rdtype`` at ``name`` (any case, with or without final dot), within ``timeout`` seconds.

    The question is signed with the key of ``server``, if it has one; an answer whose signature is wrong is none. Where
    the server refuses that it is asked without: Knot takes signed questions only if its ACL has action query.
    Signatures are asked for; a resolver is told not to validate, so that broken zones are found, too. UDP first,
    unless ``over_tcp``. A message that is returned has rcode NOERROR or NXDOMAIN. Raises ValueError
    for what is not a domain name.
    """
    answer = await _ask(server, name, rdtype, timeout, recursive, over_tcp)
    if server.key and isinstance(answer, Unanswered) and answer.failure is Failure.REFUSED:
        plain = await _ask(server.public, name, rdtype, timeout, recursive, over_tcp)
        return answer if isinstance(plain, Unanswered) else plain
    return answer


async def _ask(
    server: Server, name: str, rdtype: str, timeout: float, recursive: bool, over_tcp: bool
) -> dns.message.QueryMessage | Unanswered:
    try:
        qname = dns.name.from_text(name)
    except dns.exception.DNSException as error:
        raise ValueError(f"'{printable(name, 80)}' is not a domain name: {error}") from error
    query = dns.message.make_query(qname, rdtype, use_edns=0, want_dnssec=True, payload=_UDP_PAYLOAD)
    if recursive:
        query.flags |= dns.flags.CD
    else:
        query.flags &= ~dns.flags.RD
    if server.key:
        transport.sign(query, server.key)
    for share in _SHARES:
        try:
            return _judged(await transport.exchange(query, server, timeout * share, over_tcp))
        except transport.ExchangeError as error:
            if error.reason == "dns-unreachable":
                return Unanswered(Failure.UNREACHABLE, f"cannot be reached: {error.detail}")
            if error.reason == "dns-malformed":
                return Unanswered(Failure.MALFORMED, f"cannot be understood: {error.detail}")
            if error.reason == "dns-tsig":
                return Unanswered(Failure.REFUSED, error.detail)
    return Unanswered(Failure.TIMEOUT, f"gives no answer within {timeout:g} seconds")


def _judged(message: dns.message.Message) -> dns.message.QueryMessage | Unanswered:
    rcode = message.rcode()
    if not isinstance(message, dns.message.QueryMessage):
        return Unanswered(Failure.MALFORMED, "the answer is that to another kind of request")
    if rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return message
    said = f"answers {dns.rcode.to_text(rcode)}"
    if rcode in (dns.rcode.REFUSED, dns.rcode.NOTAUTH):
        return Unanswered(Failure.REFUSED, said)
    return Unanswered(Failure.SERVFAIL if rcode == dns.rcode.SERVFAIL else Failure.MALFORMED, said)
