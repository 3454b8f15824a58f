# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a schedule needs to know of one host: is all well, until when to wait, what is in the way, must a person act.

Pure. Private to the collection.
"""

from __future__ import annotations

import collections
import math
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._clock import moment_text
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import Choose, Done, HandOver, Wait

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import Step

#: From the best to the worst. ``ok``: nothing left to do. ``waiting``: a later run goes on, after a known time.
#: ``pending``: the next step was not taken, as in check mode. ``left``: not managed here, as the administrator wants.
#: ``blocked``: something that may pass by itself is in the way. ``choose``: a person must act. ``failed``: an error.
STATES: t.Final = ("ok", "left", "waiting", "pending", "blocked", "choose", "failed")

#: So many notes of one host are said in full.
_NOTES: t.Final = 3


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


def conclude(
    outcomes: t.Mapping[str, t.Mapping[str, str]], notes: t.Mapping[str, t.Sequence[str]] | None = None
) -> dict[str, t.Any]:
    """Return the worst ``state`` of all hosts, the ``line`` that says it, and ``lines`` for others with more to say.

    ``outcomes`` are by host, as from :func:`outcome`; ``notes`` are sentences by host that are said in any state.
    Raises ValueError, which names the host, for what is not an outcome or not a list of sentences.
    """
    _check(outcomes, notes or {})
    worst = max((one["state"] for one in outcomes.values()), key=STATES.index, default="ok")
    said = {host: _said(one, (notes or {}).get(host, ())) for host, one in outcomes.items()}
    named = [host for host, one in outcomes.items() if one["state"] == worst and said[host]]
    counts = collections.Counter(one["state"] for one in outcomes.values())
    shown = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    first = f"{named[0]}: {said[named[0]]}" if named else ""
    line = f"{worst} ({shown or 'no hosts'})" + (f" {first}" if first else "")
    ordered = sorted(outcomes, key=lambda host: -STATES.index(outcomes[host]["state"]))
    others = [host for host in ordered if host not in named[:1] and said[host]]
    lines = [f"{host}: {outcomes[host]['state']}: {said[host]}" for host in others]
    return {"state": worst, "line": line, "lines": lines}


def _check(outcomes: t.Mapping[str, t.Any], notes: t.Mapping[str, t.Any]) -> None:
    for host, one in outcomes.items():
        if not isinstance(one, dict) or not {"state", "sentence"} <= set(one):
            raise ValueError(f"outcomes: that of {host} is not a dictionary with state and sentence")
        if one["state"] not in STATES:
            raise ValueError(f"outcomes: the state of {host} is {one['state']!r}, and not one of {', '.join(STATES)}")
    for host, sentences in notes.items():
        if not isinstance(sentences, (list, tuple)):
            raise ValueError(f"notes: that of {host} is not a list of sentences")


def _said(one: t.Mapping[str, str], notes: t.Sequence[str]) -> str:
    sentence = one["sentence"] if one["state"] != "ok" else one.get("note", "")
    new = [note for note in notes if note not in sentence]
    more = [f"And {len(new) - _NOTES} more."] if len(new) > _NOTES else []
    parts = [sentence.rstrip(".") + "."] if sentence and new else [sentence] if sentence else []
    return " ".join([*parts, *new[:_NOTES], *more])
