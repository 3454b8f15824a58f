# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rotation planner answers: an action, a choice for the operator, a wait, or done.

Pure data. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.guards import Obstacle
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Chain, Exposure, Journal


@dataclasses.dataclass(frozen=True)
class Publish:
    """Make ``records`` the whole RRset at ``owner`` with ``ttl``, if it still is ``expected`` with ``expected_ttl``.

    Compare-and-swap. An adapter that cannot replace RRsets adds ``added`` first and then removes ``removed``.
    ``delays``: the operator chose that mail waits, so that ``records`` need not match what is served.
    """

    owner: str
    records: frozenset[TlsaRecord]
    ttl: int
    expected: frozenset[TlsaRecord]
    expected_ttl: int
    why: str
    delays: bool = False

    @property
    def added(self) -> frozenset[TlsaRecord]:
        """Records that come."""
        return self.records - self.expected

    @property
    def removed(self) -> frozenset[TlsaRecord]:
        """Records that go."""
        return self.expected - self.records


@dataclasses.dataclass(frozen=True)
class Deploy:
    """Make ``endpoints`` serve exactly ``chains``. ``returnable``: going back to the former ones stays safe.

    ``repairs``: what they serve now was not planned, and mail may fail.
    """

    chains: tuple[Chain, ...]
    endpoints: tuple[str, ...]
    returnable: bool
    why: str
    repairs: bool = False


@dataclasses.dataclass(frozen=True)
class Generate:
    """Generate the key of the following rotation and keep it away from the endpoints."""

    why: str


@dataclasses.dataclass(frozen=True)
class HandOver:
    """Nothing that a cache may hold binds the chains any more: TLS may be changed or switched off."""

    why: str


@dataclasses.dataclass(frozen=True)
class Option:
    """One way out of a compromise, and what it costs."""

    exposure: Exposure
    sentence: str


@dataclasses.dataclass(frozen=True)
class Choose:
    """The operator must choose how to bear a compromise: no next key is ready."""

    options: tuple[Option, ...]
    obstacles: tuple[Obstacle, ...]
    why: str


@dataclasses.dataclass(frozen=True)
class Wait:
    """Nothing may be done now. ``until``: Unix time from which on it may be, None when something must change first.

    ``look_again``: Unix time of the next useful look. ``obstacles`` say why not sooner.
    """

    until: float | None
    look_again: float
    obstacles: tuple[Obstacle, ...]
    why: str


@dataclasses.dataclass(frozen=True)
class Done:
    """All is as wanted. ``exposed_until``: Unix time until which a stolen key is still accepted, None for never."""

    why: str
    exposed_until: float | None = None


Step = Publish | Deploy | Generate | HandOver | Choose | Wait | Done  # pylint: disable=unsupported-binary-operation


@dataclasses.dataclass(frozen=True)
class Plan:
    """The next step, and the journal to store before it is carried out (intent before effect).

    ``notes``: sentences about what is not strict, left alone or held back.
    """

    step: Step
    journal: Journal
    notes: tuple[str, ...] = ()
