# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several hosts behind one TLSA base domain share a journal: what each of them serves, wants and has begun.

The content of such a journal has the fields of ``decide`` for the host ``node``, the chains that this host ``may
serve`` and the records it ``wants``, and in ``others`` the same of the other hosts, by name. Pure. Private to the
collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import serial
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import Node
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import REMEMBERED, EndpointView

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord

#: What is of the name, not of a host.
SHARED: t.Final = ("journal", "revoked", "missed")

Content = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Members:
    """``own``: the content as ``decide`` wants it. ``others``: the fields of the other hosts that were heard of.

    ``past``: what ``node`` wanted. ``unaccounted`` names the hosts of which nobody knows what they serve: no run ever
    reached them.
    """

    node: str
    own: Content
    others: t.Mapping[str, Content]
    past: tuple[str, ...] = ()
    unaccounted: tuple[str, ...] = ()

    def views(self, repeats: int) -> tuple[EndpointView, ...]:
        """Return what the others served when a run last reached them: a host that no address shows counts, too."""
        return tuple(
            EndpointView(REMEMBERED + name, frozenset(map(serial.read_chain, chains.items())), repeats)
            for name, fields in self.others.items()
            if (chains := _field(fields, name, "chains")).given
        )

    def wants(self) -> frozenset[TlsaRecord]:
        """Return the records that the others need."""
        return frozenset(
            record for name, fields in self.others.items() for record in _field(fields, name, "wants").records()
        )

    def content(self, own: Content, chains: c.Iterable[Content], wants: c.Iterable[str] | None) -> Content:
        """Return what is to be remembered; ``wants`` None: what was remembered before."""
        return {
            **own,
            "node": self.node,
            "chains": list(chains),
            "wants": list(self.past if wants is None else wants),
            "others": dict(self.others),
        }


def _field(fields: Content, name: str, field: str) -> Node:
    return Node(fields, f"content.others.{name}").field(field)


def enter(content: Content, node: str, names: c.Iterable[str]) -> Members:
    """Return the journal's content as host ``node`` has to see it; ``names`` are all hosts of the name.

    Others are forgotten. Raises DataError.
    """
    stored = Node(content, "content")
    written = stored.field("node").text(node)
    shared: Content = {field: stored.value[field] for field in SHARED if field in content}
    fields = {field: value for field, value in content.items() if field not in (*SHARED, "node", "others")}
    known: dict[str, Content] = {written: fields}
    past = content.get("others") or {}
    for name in past:
        known.setdefault(name, Node(past, "content.others").field(name).value)
    own: Content = {**shared, **known.pop(node, {})}
    own.pop("chains", None)
    wanted = Node(own.pop("wants", None), "content.wants")
    expected = [name for name in dict.fromkeys(names) if name != node]
    others = {name: known[name] for name in expected if _field(known.get(name, {}), name, "chains").given}
    silent = tuple(name for name in expected if name not in others)
    return Members(node, own, others, tuple(item.text() for item in wanted.items()), silent)
