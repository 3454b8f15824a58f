# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Aliases on the way from a TLSA owner name to the RRset, and which of them caches may still follow.

While a cache may hold an alias, it may fetch what stands at its target anew; so a target is looked at, and kept in
order, until no cache can hold an alias to it. Its RRset may be cached for its own TTL after that: together the sum
that docs/rotation-safety.md asks for. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment, proven_elapsed, remembered
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import serial
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError, Node
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import AuthorityView

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Policy


@dataclasses.dataclass(frozen=True)
class AliasView:
    """What an authoritative address has at ``name``: an alias to ``target`` with ``ttl``, or a sentence ``failure``."""

    name: str
    address: str
    target: str = ""
    ttl: int = 0
    failure: str = ""


@dataclasses.dataclass(frozen=True)
class Alias:
    """An alias that caches may follow. ``served_by`` and ``age`` as in ``state.CachedRrset``."""

    name: str
    target: str
    ttl: int
    served_by: frozenset[str] = frozenset()
    age: float = 0


@dataclasses.dataclass(frozen=True)
class Paths:
    """Every alias that caches may follow; ``clock`` of the last look, None before the first."""

    clock: Moment | None = None
    aliases: tuple[Alias, ...] = ()

    @property
    def ends(self) -> tuple[str, ...]:
        """The names at which aliases end."""
        names = {one.name for one in self.aliases}
        return tuple(dict.fromkeys(one.target for one in self.aliases if one.target not in names))


def learn(paths: Paths, views: c.Iterable[AliasView], policy: Policy, now: Moment) -> Paths:
    """Return the paths after a look; ``now`` was read after it. Ages are at most what is proven to have passed."""
    passed = proven_elapsed(paths.clock, now)
    entries = {(one.name, one.target, one.ttl): one for one in paths.aliases}
    seen: dict[tuple[str, str, int], set[str]] = {key: set() for key in entries}
    for view in views:
        if view.failure:
            # It may have what any address had when it was last heard of.
            for key in (key for key in seen if key[0] == view.name and entries[key].served_by):
                seen[key].add(view.address)
        elif view.target:
            key = (view.name, view.target, view.ttl)
            entries.setdefault(key, Alias(*key, frozenset({view.address})))
            seen.setdefault(key, set()).add(view.address)
    found = []
    for key, entry in entries.items():
        # Whoever served it until this look may have handed it out until this very moment.
        age = 0 if seen[key] or entry.served_by else entry.age + passed
        if seen[key] or age < entry.ttl + policy.application_cache + policy.clock_margin + policy.serve_stale:
            found.append(dataclasses.replace(entry, served_by=frozenset(seen[key]), age=age))
    return Paths(remembered(paths.clock, now), tuple(found))


def failures(paths: Paths, views: c.Iterable[AliasView], owners: c.Sequence[str]) -> tuple[AuthorityView, ...]:
    """Return what stands in the way of senders on their way to ``owners``, as the planner reads it.

    Raises DataError when an alias leads to a name that is not among ``owners``: it may be somebody else's.
    """
    strange = [one for one in paths.aliases if one.served_by and one.target in paths.ends and one.target not in owners]
    if strange:
        raise DataError(
            f"{strange[0].name} is an alias for {strange[0].target}, which is not among rotation_owners "
            f"({', '.join(owners)}). List it there if its records are to be kept here, or point the alias back"
        )
    return tuple(
        AuthorityView(owners[0], f"{view.address} for {view.name}", failure=view.failure, public=False)
        for view in views
        if view.failure
    )


def read(node: Node) -> Paths:
    """Read what :func:`data` wrote. Raises DataError."""
    if not node.given:
        return Paths()
    node.only("clock", "aliases")
    clock = node.field("clock")
    return Paths(
        serial.read_moment(clock) if clock.given else None,
        tuple(
            Alias(
                item.field("name").owner(), item.field("target").owner(), item.field("ttl").whole(),
                frozenset(one.name() for one in item.field("served_by").items()), item.field("age").number(0),
            )
            for item in node.field("aliases").items()
        ),
    )  # fmt: skip


def data(paths: Paths) -> dict[str, t.Any]:
    """Return the paths as JSON-able data."""
    aliases = [{**dataclasses.asdict(one), "served_by": sorted(one.served_by)} for one in paths.aliases]
    return {"clock": dataclasses.asdict(paths.clock) if paths.clock else None, "aliases": aliases}
