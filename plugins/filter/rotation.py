# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters for rotations: the record of one, and what the first run on a mail server has to do."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import adoption as mailhost_adoption
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import record as _record
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import record_svg, serial
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import Node


def rotation_record(events: t.Any, title: str = "Rotation", since: float = 0, policy: t.Any = None) -> dict[str, t.Any]:
    """Return the record as ``timeline``, and as a drawing, ``svg``. The same events give the same record."""
    try:
        if not isinstance(events, (list, tuple)):
            raise ValueError(f"a list of events is needed, not {type(events).__name__}")
        wanted = serial.read_policy(Node(policy or None, "policy"))
        record = _record.since(_record.timeline(events, wanted), float(since))
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(f"mailsec.dane.rotation_record: {error}") from error
    return {
        "timeline": _record.timeline_data(record, wanted.strict),
        "svg": record_svg.draw(record, title, strict=wanted.strict),
    }


def first_look(
    services: t.Any, sockets: t.Any, owner: t.Any = None, ports: t.Any = (25,), adoption: str = "auto"
) -> dict[str, str]:
    """Return what the first run has to do with a mail server, see the documentation of the filter."""
    for name, given in (("services", services), ("sockets", sockets)):
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise AnsibleFilterError(f"mailsec.dane.first_look: {name} is not a list of dictionaries")
    try:
        found = mailhost_adoption.first_look(services, sockets, owner, [int(port) for port in ports], adoption)
        return dataclasses.asdict(found)
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"mailsec.dane.first_look: {error!r}") from error


class FilterModule:
    """Filters of the collection for rotations."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"first_look": first_look, "rotation_record": rotation_record}
