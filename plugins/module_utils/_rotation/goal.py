# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the held chains shall be served: the key in use, or the next one because a rotation was begun.

A rotation is begun once and remembered, so that every later run, whoever started it, brings it to its end and none
begins it twice. Keys are ``3 1 1`` records as text. Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import Node

KEEP: t.Final = "keep"
NEW_KEY: t.Final = "new_key"
COMPROMISE: t.Final = "compromise"
WITHDRAW: t.Final = "withdraw"
REQUESTS: t.Final = (KEEP, NEW_KEY, COMPROMISE, WITHDRAW)

STAGED: t.Final = "staged"
NEXT: t.Final = "next"


class GoalError(ValueError):
    """What is held and what was begun contradict each other; the message says what to do.

    ``findings`` as results carry them: what was seen in spite of that.
    """

    findings: t.Sequence[t.Mapping[str, str]] = ()


@dataclasses.dataclass(frozen=True)
class Goal:
    """A rotation ``from_key`` ``to_key``, ``begun`` and ``finished`` in Unix time; ``request`` is why."""

    from_key: str
    to_key: str
    begun: float
    request: str = NEW_KEY
    finished: float | None = None


@dataclasses.dataclass(frozen=True)
class Held:
    """The keys of what is live, and of what is in the slots; '' where there is none."""

    live: str
    staged: str = ""
    next: str = ""


@dataclasses.dataclass(frozen=True)
class Choice:
    """``slot`` that shall be served, and the rotation under way or last finished. ``note`` is for people.

    ``missing``: a rotation is to begin, but there is no next key yet. ``begins``: it begins with this choice.
    """

    slot: str
    goal: Goal | None
    note: str = ""
    missing: bool = False
    begins: bool = False


def choose(
    goal: Goal | None, held: Held, request: str, minimum_age: float, now: float, discard: bool = False
) -> Choice:
    """Return what shall be served. Raises GoalError.

    ``minimum_age``: seconds after a rotation was finished in which no other is begun. ``discard``: the next key was
    stolen, too, and is still there. A theft takes the place of a rotation that was begun without knowing of it.
    """
    news = request == COMPROMISE and (
        goal is None or goal.request != COMPROMISE or (discard and held.live == goal.from_key)
    )
    if goal is not None and goal.finished is None and not news:
        return _continue(goal, held)
    if request not in (NEW_KEY, COMPROMISE):
        return Choice(STAGED, goal)
    if goal is not None and goal.finished is not None and not news and now - goal.finished < minimum_age:
        age = f"{now - goal.finished:.0f} s"
        note = f"the key in use is the outcome of a rotation that was finished {age} ago; none is begun within"
        note += f" {minimum_age:.0f} s of that (rotation_minimum_age)"
        if request == COMPROMISE:
            note += "; if this key was stolen, too, set it to 0 for this run"
        return Choice(STAGED, goal, note)
    if not held.next or held.next == held.live:
        return Choice(STAGED, goal, missing=True)
    return Choice(NEXT, Goal(held.live, held.next, now, request), begins=True)


def _continue(goal: Goal, held: Held) -> Choice:
    # What was deployed is what renewals go on with, whatever another program made of the live one since.
    if goal.to_key in (held.live, held.staged):
        return Choice(STAGED, goal)
    if held.next != goal.to_key:
        there = f"has {held.next}" if held.next else "is empty"
        raise GoalError(
            f"a rotation to {goal.to_key} is under way, but the slot next {there}. A key that nobody planned is not "
            "deployed. Find out who changed it; bring the key back, or give up that rotation with rotation_restart"
        )
    return Choice(NEXT, goal)


def finish(goal: Goal | None, live: str, now: float) -> Goal | None:
    """Return the goal after the planner had nothing left to do."""
    if goal is None or goal.finished is not None or live != goal.to_key:
        return goal
    return dataclasses.replace(goal, finished=now)


def read_goal(node: Node) -> Goal | None:
    """Read what :func:`goal_data` wrote. Raises DataError."""
    if not node.given:
        return None
    node.only(*(field.name for field in dataclasses.fields(Goal)))
    return Goal(
        node.field("from_key").record().to_text(),
        node.field("to_key").record().to_text(),
        node.field("begun").number(),
        node.field("request").text(NEW_KEY),
        node.field("finished").optional_number(),
    )


def goal_data(goal: Goal | None) -> dict[str, t.Any] | None:
    """Return the goal as JSON-able data."""
    return None if goal is None else dataclasses.asdict(goal)


def phase(goal: Goal | None, live: str, action: str, withdrawing: bool) -> str:
    """Return where a rotation stands, in a word: what people look at first."""
    if withdrawing:
        return {"done": "withdrawn", "hand_over": "withdrawn"}.get(action, "withdrawing")
    if goal is None or goal.finished is not None:
        return "steady" if action == "done" else "adjusting"
    if live not in (goal.from_key, goal.to_key):
        return "adjusting"
    if live == goal.from_key:
        return "deploying" if action == "deploy" else "spreading"
    return "steady" if action == "done" else "soaking"
