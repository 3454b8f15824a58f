# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What got worse between two looks at the mail ports of a host, in sentences.

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

if t.TYPE_CHECKING:
    import collections.abc as c

#: Reasons for deferral that come from this host, not from the other side.
_OURS: t.Final = re.compile(
    r"client TLS configuration problem|Host or domain name not found|Name service error|mail transport unavailable"
    r"|table lookup|lookup error|unable to look up|unknown mail transport|local configuration|server configuration",
    re.I,
)


@dataclasses.dataclass(frozen=True)
class Expected:
    """Public keys that may newly be served on some ports."""

    ports: frozenset[int]
    spki_sha256: frozenset[str]


def worse(
    before: c.Mapping[str, t.Any], after: c.Mapping[str, t.Any], expected: c.Sequence[Expected], may_close: bool = False
) -> list[str]:
    """Return a sentence for every port that ``before`` served better than ``after``; both are results of the module.

    What was unknown before does not count, what is unknown now does. With ``may_close`` a closed port does not count.
    """
    found: list[str] = []
    now = {(one["address"], one["port"]): one for one in after["sockets"]}
    for old in before["sockets"]:
        new = now.get((old["address"], old["port"]))
        if old["tls"] != "unknown" and (new is not None or not may_close):
            # One reason is enough to look at a port, the most general one comes first.
            found += _port(old, new, expected)[:1]
    was = {entry["reason"] for entry in before.get("queue", ())}
    for entry in after.get("queue", ()):
        if entry["reason"] not in was and _OURS.search(entry["reason"]):
            found.append(f"{entry['count']} messages newly wait in the queue: {entry['reason']}")
    return found


def _port(old: c.Mapping[str, t.Any], new: c.Mapping[str, t.Any] | None, expected: c.Sequence[Expected]) -> list[str]:
    place = f"port {old['port']} of {old['address']}"
    if new is None:
        return [f"{place} is closed: {old['process'] or 'a mail server'} listened there before"]
    if new["tls"] == "unknown":
        return [f"{place} does not answer as a mail server any more: {new['problem']}"]
    if old["tls"] != "none" and new["tls"] == "none":
        return [f"{place} no longer offers STARTTLS"]
    keys = frozenset[str]().union(*(entry.spki_sha256 for entry in expected if old["port"] in entry.ports))
    now = {(one["server_name"], one["key_type"]): one for one in new["served"]}
    found = []
    for one in old["served"]:
        seen = now.get((one["server_name"], one["key_type"]))
        # A name that was not asked for this time says nothing.
        if one["spki_sha256"] and seen is not None:
            found += _served(place, one, seen, keys)
    return found


def _served(place: str, old: c.Mapping[str, t.Any], new: c.Mapping[str, t.Any], keys: frozenset[str]) -> list[str]:
    clients = [f"ask for {old['server_name']}"] if old["server_name"] else []
    clients += [f"take {old['key_type'].upper()} only"] if old["key_type"] != "any" else []
    asked = f" to clients that {' and '.join(clients)}" if clients else ""
    was = f"the certificate that clients trusted before (public key {old['spki_sha256'][:16]}…){asked}"
    if new["problem"]:
        return [f"{place} no longer serves {was}: {new['problem']}"]
    if not new["spki_sha256"]:
        # With a new key of another type, clients that take only the old type have none to see; that was decided.
        return [] if keys else [f"{place} no longer serves {was}: it has no key of this type any more"]
    if new["spki_sha256"] in keys:
        return []
    if new["spki_sha256"] != old["spki_sha256"]:
        return [f"{place} no longer serves {was}: it serves {new['spki_sha256'][:16]}…"]
    if len(new["chain_sha256"]) < len(old["chain_sha256"]):
        return [
            f"{place} serves {len(new['chain_sha256'])} instead of {len(old['chain_sha256'])} certificates{asked}:"
            " clients may not find the way to the authority that they trust"
        ]
    return []
