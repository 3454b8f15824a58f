# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Could somebody have changed an RRset, and changed it back, between two looks at the primary?

What stood there meanwhile may be in caches, with a TTL that nobody knows. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Mark

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
        AuthorityView,
        Journal,
        Observation,
        OwnUpdate,
    )

#: Half the serials there are (RFC 1982).
_HALF: t.Final = 2**31


def ahead(old: int, new: int) -> int:
    """Return by how much serial ``new`` is ahead of ``old``, negative when it is behind (RFC 1982)."""
    return (new - old + _HALF) % (2 * _HALF) - _HALF


def is_next(old: int | None, new: int | None) -> bool:
    """Say whether the zone changed once, so that nothing can have stood there in between."""
    return old is not None and new is not None and ahead(old, new) == 1


def mark_of(view: AuthorityView) -> Mark:
    """Return what is to be remembered of a look at one address."""
    text = " ".join([str(view.ttl), *sorted(record.to_text() for record in view.records)])
    value = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Mark(
        view.owner, view.address, view.serial, view.signature, value, view.public, zone_signature=view.zone_signature
    )


def may_hide_an_edit(mark: Mark, view: AuthorityView, gap: float) -> bool:
    """Say whether something could have stood at the primary since the look of ``mark`` and be gone again.

    ``gap``: seconds between the two looks. Absence has no signature of its own to tell by, and a whole zone's serial
    may never rest.
    """
    is_same = mark.value == mark_of(view).value
    if is_same and not view.records:
        return False
    if view.serial is not None and view.serial == mark.serial:
        return False
    if is_same and _is_not_signed_anew(mark, view):
        return False
    if view.serial is None or mark.serial is None:
        return gap > view.ttl / 2
    # The zone changed once: to what is seen now, or it was signed anew, or both came with one serial.
    return not is_next(mark.serial, view.serial) or (is_same and gap > view.ttl / 2)


def _is_not_signed_anew(mark: Mark, view: AuthorityView) -> bool:
    """Say whether the signature proves that nobody replaced the RRset.

    PowerDNS signs everything of one week with one and the same inception, and an RRset that was replaced and put back
    has it again. So the signature over the SOA record, which changes with each serial, has to have another one.
    """
    return (
        view.signature is not None
        and view.signature == mark.signature
        and view.zone_signature is not None
        and view.zone_signature != mark.zone_signature
    )


def with_own_updates(journal: Journal, observation: Observation) -> Journal:
    """Return the journal with the looks just before and just after updates of our own.

    Between the two stood nothing but what the update replaced, so that the serial may move there as it likes. What the
    look before it could not vouch for stays suspected.
    """
    for update in observation.updates:
        journal = _with_update(journal, update, observation)
    return journal


def _with_update(journal: Journal, update: OwnUpdate, observation: Observation) -> Journal:
    before, after = update.before, update.after
    primaries = [view.address for view in observation.authorities if view.owner == before.owner and view.primary]
    mark = next((one for one in journal.marks if [one.address] == primaries and one.owner == before.owner), None)
    was_begun = any(
        # Absence has the TTL that the zone gives it.
        entry.intended
        and entry.owner == after.owner
        and entry.records == after.records
        and (entry.ttl == after.ttl or not after.records)
        for entry in journal.rrsets
    )
    if mark is None or not was_begun or before.failure or after.failure or not _is_unchanged(mark, before):
        return journal
    seen = dataclasses.replace(mark_of(after), address=mark.address, public=mark.public)
    return dataclasses.replace(journal, marks=tuple(seen if one is mark else one for one in journal.marks))


def _is_unchanged(mark: Mark, view: AuthorityView) -> bool:
    """Say whether it is certain that the RRset stood as it is since the look of ``mark``."""
    return mark.value == mark_of(view).value and not may_hide_an_edit(mark, view, float("inf"))
