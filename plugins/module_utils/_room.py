# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places for work that mostly waits for others: who waits long gives up the place, so that nobody else is delayed.

Private to the collection.
"""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

if t.TYPE_CHECKING:
    import collections.abc as c

#: Seconds after which somebody else gets the place.
_LONG: t.Final = 8.0
#: How many more may be under way than there are places: each holds an open connection.
_TIMES: t.Final = 8


class Room:
    """At most ``places`` pieces of work begin within any few seconds, and 8 times as many are under way."""

    def __init__(self, places: int, long: float = _LONG) -> None:
        self._places = asyncio.Semaphore(places)
        self._all = asyncio.Semaphore(places * _TIMES)
        self._long = long

    @contextlib.asynccontextmanager
    async def place(self) -> c.AsyncIterator[None]:
        """Hold a place, and give it up when the work takes long."""
        async with self._all:
            await self._places.acquire()
            held = [self._places]

            def give_up() -> None:
                if held:
                    held.pop().release()

            timer = asyncio.get_running_loop().call_later(self._long, give_up)
            try:
                yield
            finally:
                timer.cancel()
                give_up()
