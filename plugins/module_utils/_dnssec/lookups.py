# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many look-ups at once, by own validation, by the AD bit of a trusted resolver, or by both side by side.

Private to the collection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer, Resolver
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_both import difference
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import Validator


def as_trusted(answer: Answer) -> dict[str, t.Any]:
    """Return what a trusted resolver says, as modules return it."""
    return {
        "outcome": answer.outcome.value,
        "security": answer.security.value,
        "reason": answer.reason,
        "detail": answer.detail,
        "rdata": list(answer.rdata),
        "ttl": answer.ttl,
        "canonical_name": answer.canonical_name,
        "aliases": [
            {"owner": alias.owner, "target": alias.target, "security": alias.security.value} for alias in answer.aliases
        ],
    }


@dataclasses.dataclass(frozen=True)
class Lookups:
    """The ways that were asked for, either of which may be None, and how many look-ups may be under way at once."""

    validator: Validator | None
    trusted: Resolver | None
    concurrency: int

    async def all(self, questions: t.Sequence[tuple[str, str]]) -> list[dict[str, t.Any]]:
        """Look up all names and types; the order is that of ``questions``."""
        room = asyncio.Semaphore(self.concurrency)

        async def one(name: str, rdtype: str) -> dict[str, t.Any]:
            async with room:
                return await self._one(name, rdtype)

        return list(await asyncio.gather(*(one(name, rdtype) for name, rdtype in questions)))

    async def _one(self, name: str, rdtype: str) -> dict[str, t.Any]:
        own = await self.validator.lookup(name, rdtype) if self.validator else None
        trusted = await self.trusted.resolve(name, rdtype) if self.trusted else None
        if own is None:
            said = as_trusted(trusted) if trusted else {}
            return {"name": name.lower().rstrip("."), "type": rdtype.upper(), **said}
        if trusted is None:
            return own.as_dict()
        return {**own.as_dict(), "trusted": as_trusted(trusted), "difference": difference(own.as_answer(), trusted)}
