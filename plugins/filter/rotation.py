# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that makes the record of a rotation from the events of its journal."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.mailsec.dane.plugins.module_utils import _rollover_data, _timeline, _timeline_svg
from ansible_collections.mailsec.dane.plugins.module_utils._rollover_data import Node


def rotation_record(events: t.Any, title: str = "Rotation", since: float = 0, policy: t.Any = None) -> dict[str, t.Any]:
    """Return the record as ``timeline``, and as a drawing, ``svg``. The same events give the same record."""
    try:
        if not isinstance(events, (list, tuple)):
            raise ValueError(f"a list of events is needed, not {type(events).__name__}")
        wanted = _rollover_data.read_policy(Node(policy or None, "policy"))
        record = _timeline.since(_timeline.timeline(events, wanted), float(since))
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(f"mailsec.dane.rotation_record: {error}") from error
    return {
        "timeline": _timeline.timeline_data(record, wanted.strict),
        "svg": _timeline_svg.draw(record, title, strict=wanted.strict),
    }


class FilterModule:
    """Filters of the collection for rotations."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rotation_record": rotation_record}
