# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Own validation and the AD bit of a trusted resolver side by side. Neither is taken for right: the worse one counts.

Private to the collection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer, Security

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Resolver

#: From best to worst, as far as the verdict that follows goes: what is unknown must not turn into a statement.
_ORDER: t.Final = (Security.SECURE, Security.INSECURE, Security.BOGUS, Security.INDETERMINATE)


class BothWays:
    """A ``Resolver`` that asks both ways and returns the worse answer, with the ``difference`` if there is one."""

    def __init__(self, own: Resolver, trusted: Resolver) -> None:
        self._own = own
        self._trusted = trusted

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """Ask both ways; raises ValueError for what is not a name."""
        own, trusted = await asyncio.gather(self._own.resolve(name, rdtype), self._trusted.resolve(name, rdtype))
        worse = own if _rank(own) > _rank(trusted) else trusted
        return dataclasses.replace(worse, difference=difference(own, trusted), disputed=own.disputed)


def _rank(answer: Answer) -> tuple[bool, int]:
    return answer.is_error, _ORDER.index(answer.security)


def difference(own: Answer, trusted: Answer) -> str:
    """Say in a sentence where the two answers contradict each other, '' where they do not.

    A way that ended without answer contradicts nothing, unless it ended because validation failed.
    """
    if Security.INDETERMINATE in (own.security, trusted.security):
        return ""
    parts: list[str] = []
    if own.security is not trusted.security:
        parts.append(f"own validation finds it {_said(own)}, the resolver {_said(trusted)}")
    if not own.is_error and not trusted.is_error:
        if own.outcome is not trusted.outcome:
            parts.append(f"own validation gives {own.outcome.value}, the resolver {trusted.outcome.value}")
        elif set(own.rdata) != set(trusted.rdata):
            parts.append("the records differ")
    return "; ".join(parts)


def _said(answer: Answer) -> str:
    return f"{answer.security.value} ({answer.detail})" if answer.detail else answer.security.value
