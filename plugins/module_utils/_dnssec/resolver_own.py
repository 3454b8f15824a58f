# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The own-validation way to an answer, as the rest of the collection sees it. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import Shared
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import Validator

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer

_MAX_ANSWERS: t.Final = 100_000


class OwnResolver:
    """A ``Resolver`` (see ``answer``) that believes no resolver and validates for itself; one per run and event loop.

    Each name and type is looked up once per run, also when it is wanted several times at once.
    """

    def __init__(self, validator: Validator) -> None:
        self._validator = validator
        self._known: Shared[Answer] = Shared(_MAX_ANSWERS)

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """Look up and validate; raises ValueError for a name or type that cannot be asked."""
        key = (name.lower().rstrip("."), rdtype.upper())
        return await self._known.get(key, lambda: self._look_up(*key))

    async def _look_up(self, name: str, rdtype: str) -> Answer:
        return (await self._validator.lookup(name, rdtype)).as_answer()
