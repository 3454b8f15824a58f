# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends a playbook with what came of it, and with the exit status that belongs to it."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import outcome


class ActionModule(ActionBase):
    """See the documentation of module conclude."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        specification = {"outcomes": {"type": "dict", "required": True}, "notes": {"type": "dict", "default": {}}}
        _validated, options = self.validate_argument_spec(specification)
        try:
            told = outcome.conclude(options["outcomes"], options["notes"])
        except ValueError as error:
            raise AnsibleActionFail(str(error)) from None
        text = "\n".join([*told["lines"], told["line"]])
        if told["state"] not in ("blocked", "choose", "failed"):
            # Also seen where the tasks that are "ok" are not shown.
            self._display.display(text)
        if told["state"] == "blocked":
            # The only way to Ansible's exit status 4, which stands for what may be gone at the next run.
            raise AnsibleConnectionFailure(text)
        if told["state"] in ("choose", "failed"):
            raise AnsibleActionFail(text)
        return {"changed": False, "msg": told["line"], "state": told["state"], "lines": list(told["lines"])}
