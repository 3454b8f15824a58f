# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one address of a name server serves at one name, as data. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, TlsaRrset
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server

if t.TYPE_CHECKING:
    pass


class Status(enum.Enum):
    """What an address says about the TLSA RRset at a name.

    ``SERVED``: there it is. ``ABSENT``: an authoritative no. ``ALIAS``: the name is a CNAME. ``LAME``: the server
    does not serve the zone. The others are not an answer at all, and mean neither presence nor absence.
    """

    SERVED = "served"
    ABSENT = "absent"
    ALIAS = "alias"
    LAME = "lame"
    REFUSED = "refused"
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"


@dataclasses.dataclass(frozen=True)
class Signature:
    """The validity of one RRSIG record over the RRset, and the tag of its key."""

    inception: datetime.datetime
    expiration: datetime.datetime
    key_tag: int


@dataclasses.dataclass(frozen=True)
class View:
    """What one authoritative address served for a name when it was asked.

    ``records`` is sorted, ``ttl`` in seconds; both are empty unless ``SERVED``. ``serial`` is that of the
    zone's SOA record, asked for in the same moment, None when it could not be had. ``detail`` is a sentence for every
    status but ``SERVED`` and ``ABSENT``. ``alias``: target and TTL of an ``ALIAS``. ``wildcard``: the name from which
    the server made the RRset (RFC 4592), such as ``*.example.nl``; '' when the RRset stands at ``owner`` itself, and
    when it has no signature, because nothing else tells. ``proof_ttl``: the TTL of the proof that ``owner`` itself does
    not exist. ``zone_signatures``: those over the SOA record.
    """

    server: Server
    owner: str
    status: Status
    detail: str = ""
    records: tuple[TlsaRecord, ...] = ()
    ttl: int | None = None
    serial: int | None = None
    signatures: tuple[Signature, ...] = ()
    alias: tuple[str, int] | None = None
    wildcard: str = ""
    proof_ttl: int = 0
    zone_signatures: tuple[Signature, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the server gave an answer: the RRset, or its absence."""
        return self.status in (Status.SERVED, Status.ABSENT)

    @property
    def rrset(self) -> TlsaRrset:
        """The RRset, without records when it is not served."""
        return TlsaRrset(self.owner, self.records, self.ttl)

    def serves(self, rrset: TlsaRrset) -> bool:
        """Say whether exactly ``rrset`` is served: the same records with the same TTL, or none for none."""
        if not rrset.records:
            return self.status is Status.ABSENT
        return self.status is Status.SERVED and set(self.records) == set(rrset.records) and self.ttl == rrset.ttl

    def as_dict(self) -> dict[str, t.Any]:
        """The view as results carry it."""
        ends = [signature.expiration for signature in self.signatures]
        return {
            "name": self.server.name,
            "address": self.server.address,
            "port": self.server.port,
            "status": self.status.value,
            "detail": self.detail,
            "serial": self.serial,
            "ttl": self.ttl,
            "records": [record.to_text() for record in self.records],
            "wildcard": self.wildcard,
            "signed_until": max(ends).isoformat() if ends else None,
        }


@dataclasses.dataclass(frozen=True)
class Delegation:
    """The authoritative addresses of a zone, from the NS sets of the zone itself and of its parent.

    ``unresolved`` has the name servers whose addresses could not be learnt, each with a sentence: what they serve
    is unknown. ``notes`` are sentences about what is odd but hides no address that is known to exist. ``child`` and
    ``parent`` are the names in the two NS sets. ``unknown_parent`` says why the latter could not be learnt, '' when it
    could; resolvers ask whom the parent names, so that a server may be missing then.
    """

    servers: tuple[Server, ...]
    unresolved: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    child: tuple[str, ...] = ()
    parent: tuple[str, ...] = ()
    unknown_parent: str = ""
