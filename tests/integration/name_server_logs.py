# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was published when, to the moment, as the logs of the name servers have it: BIND's updates, Knot's transfers.

Of an update that deletes a single record BIND does not say which one, so that those are not understood.
"""

from __future__ import annotations

import itertools
import re
import typing as t

PRIMARY, SECONDARY = "198.51.100.2", "198.51.100.3"
_UPDATE = re.compile(
    r"^(?P<at>\d+\.\d+) .* client (?P<client>\S+ \S+)/key \S+ updating zone '(?P<zone>[^']+)/IN': "
    r"(?P<verb>adding an RR|deleting rrset) at '(?P<owner>[^']+)' TLSA ?(?P<data>.*)$"
)
_TRANSFER = re.compile(
    r"^(?P<at>\d+\.\d+) .*\[(?P<zone>\S+)\.\] (?:[AI]XFR, incoming.* started|refresh.* zone updated)"
)

Records = frozenset[str]
#: When, which server, and what it had at the owner name from then on.
Change = tuple[float, str, Records]


def changes(bind: str, knot: str, owner: str, zone: str, begin: dict[str, Records]) -> list[Change]:
    """Return how the TLSA RRset at ``owner`` changed; ``begin`` is what each server had before the first line."""
    primary = list(_updates(bind, owner, zone, begin[PRIMARY]))
    found = [(at, PRIMARY, records) for at, records in primary]
    last, asked = begin[SECONDARY], 0.0
    for line in knot.splitlines():
        entry = _TRANSFER.match(line)
        if not entry or entry["zone"] != zone:
            continue
        if line.endswith("started"):
            asked = float(entry["at"])
            continue
        # It got what the primary had when it asked.
        now = next((records for at, records in reversed(primary) if at <= asked), begin[PRIMARY])
        if now != last:
            found.append((float(entry["at"]), SECONDARY, now))
            last = now
    return sorted(found, key=lambda one: one[0])


def _updates(log: str, owner: str, zone: str, records: Records) -> t.Iterator[tuple[float, Records]]:
    lines = (entry for entry in map(_UPDATE.match, log.splitlines()) if entry and entry["zone"] == zone)
    # One message is carried out as a whole, and every message comes from a port of its own.
    for _client, message in itertools.groupby(lines, key=lambda entry: entry["client"]):
        before, at = records, 0.0
        for entry in message:
            at = float(entry["at"])
            if entry["owner"] != owner:
                continue
            records = frozenset() if entry["verb"] == "deleting rrset" else records | {_record(entry["data"])}
        if records != before:
            yield at, records


def _record(data: str) -> str:
    fields = data.lower().split()
    return f"{' '.join(fields[:3])} {''.join(fields[3:])}"


def events(
    found: t.Iterable[Change], owner: str, ttl: int, begin: dict[str, Records], at: float
) -> list[dict[str, t.Any]]:
    """Return the changes as ``record`` reads them, with what there was at the moment ``at`` before them."""

    def said(when: float, records: Records) -> dict[str, t.Any]:
        servers = [server for server, there in now.items() if there == records]
        kept = {"owner": owner, "records": sorted(records), "ttl": ttl, "servers": servers}
        return {"at": when, "event": "rrset", **kept}

    now = dict(begin)
    told = [said(at, records) for records in dict.fromkeys(begin.values())]
    for when, server, records in found:
        before, now[server] = now[server], records
        told += [said(when, one) for one in dict.fromkeys((before, records))]
    return told
