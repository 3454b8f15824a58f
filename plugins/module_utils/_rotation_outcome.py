# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a schedule needs to know of one host: is all well, until when to wait, what is in the way, must a person act.

Pure. Private to the collection.
"""

from __future__ import annotations

import collections
import math
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._moment import moment_text
from ansible_collections.mailsec.dane.plugins.module_utils._rollover_steps import Choose, Done, HandOver, Wait

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._rollover_steps import Step

#: From the best to the worst. ``ok``: nothing left to do. ``waiting``: a later run goes on, after a known time.
#: ``pending``: the next step was not taken, as in check mode. ``left``: not managed here, as the administrator wants.
#: ``blocked``: something that may pass by itself is in the way. ``choose``: a person must act. ``failed``: an error.
STATES: t.Final = ("ok", "left", "waiting", "pending", "blocked", "choose", "failed")


def outcome(step: Step, summary: str) -> dict[str, str]:
    """Return ``state`` and ``sentence`` after a look whose next step is ``step``, and ``note`` where it says more."""
    if isinstance(step, Done) and step.exposed_until is not None:
        known = math.isfinite(step.exposed_until)
        until = f"until {moment_text(step.exposed_until)}" if known else "while it is published"
        return {"state": "ok", "sentence": summary, "note": f"the stolen key may still be accepted {until}"}
    if isinstance(step, (Done, HandOver)):
        return {"state": "ok", "sentence": summary}
    if isinstance(step, Choose):
        options = ", ".join(one.exposure.value for one in step.options)
        return {"state": "choose", "sentence": f"{step.why}: set rotation_exposure to one of {options}"}
    if isinstance(step, Wait):
        if step.until is not None:
            return {"state": "waiting", "sentence": f"until {moment_text(step.until)}: {step.why}"}
        lasting = [one for one in step.obstacles if one.seconds is None]
        state = "choose" if lasting and all(one.decides for one in lasting) else "blocked"
        return {"state": state, "sentence": lasting[0].sentence if lasting else step.why}
    return {"state": "pending", "sentence": summary}


def conclude(outcomes: t.Mapping[str, t.Mapping[str, str]]) -> dict[str, t.Any]:
    """Return the worst ``state`` of all hosts, the ``line`` that says it, and ``lines`` for others with more to say.

    ``outcomes`` are by host, as from :func:`outcome`. Raises ValueError for a state that does not exist.
    """
    unknown = sorted({one["state"] for one in outcomes.values()} - set(STATES))
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is not one of {', '.join(STATES)}")
    worst = max((one["state"] for one in outcomes.values()), key=STATES.index, default="ok")
    named = [host for host, one in outcomes.items() if one["state"] == worst and _said(one)]
    counts = collections.Counter(one["state"] for one in outcomes.values())
    shown = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    first = f"{named[0]}: {_said(outcomes[named[0]])}" if named else ""
    line = f"{worst} ({shown or 'no hosts'})" + (f" {first}" if first else "")
    others = {host: one for host, one in outcomes.items() if host not in named[:1]}
    return {"state": worst, "line": line, "lines": _lines(others)}


def _said(one: t.Mapping[str, str]) -> str:
    return one["sentence"] if one["state"] != "ok" else one.get("note", "")


def _lines(outcomes: t.Mapping[str, t.Mapping[str, str]]) -> c.Sequence[str]:
    ordered = sorted(outcomes.items(), key=lambda item: -STATES.index(item[1]["state"]))
    return [f"{host}: {one['state']}: {_said(one)}" for host, one in ordered if _said(one)]
