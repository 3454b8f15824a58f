# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the sections of a DNS message. Pure. Private to the collection."""

from __future__ import annotations

import contextlib
import datetime
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.view import Signature
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.name
    import dns.rdataclass
    import dns.rdatatype

if t.TYPE_CHECKING:
    import collections.abc as c

    import dns.rrset

#: 255 bytes, each as \\DDD.
_LONGEST_NAME_TEXT: t.Final = 1020


def name_text(value: t.Any) -> str:
    """A name, or an rdata that is one, lower case without final dot; an address as it stands."""
    return printable(str(value).lower().removesuffix("."), _LONGEST_NAME_TEXT)


def of_type(section: c.Iterable[dns.rrset.RRset], rdtype: str, owner: str | None = None) -> list[t.Any]:
    """Return the RRsets of one type, of ``owner`` (as :func:`name_text` has it) where that is given."""
    wanted = dns.rdatatype.from_text(rdtype)
    return [
        rrset
        for rrset in section
        if rrset.rdtype == wanted
        and rrset.rdclass == dns.rdataclass.IN
        and (owner is None or name_text(rrset.name) == owner)
    ]


def signatures(section: c.Iterable[dns.rrset.RRset], over: dns.rrset.RRset) -> tuple[Signature, ...]:
    """Return the signatures over one RRset."""
    return tuple(
        Signature(_moment(rdata.inception), _moment(rdata.expiration), rdata.key_tag)
        for rdata in _covering(section, over)
    )


def wildcard_of(rrset: dns.rrset.RRset, section: c.Iterable[dns.rrset.RRset]) -> str:
    """Return the wildcard that ``rrset`` was made from: its signature covers fewer labels (RFC 4034 section 3.1.3).

    '' when it stands at its name itself, and when it has no signature.
    """
    labels = min((rdata.labels for rdata in _covering(section, rrset)), default=None)
    # The label that stands for the root, and that of the wildcard, do not count.
    own = len(rrset.name) - 1 - bool(rrset.name.is_wild())
    if labels is None or labels >= own:
        return ""
    return name_text(dns.name.Name([b"*", *rrset.name.labels[-1 - labels :]]))


def _covering(section: c.Iterable[dns.rrset.RRset], over: dns.rrset.RRset) -> list[t.Any]:
    found = [one for one in of_type(section, "RRSIG") if one.covers == over.rdtype and one.name == over.name]
    return [rdata for one in found for rdata in one]


def _moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
