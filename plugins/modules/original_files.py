#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: original_files
short_description: Record configuration files before they are first changed, and put them back
version_added: 0.1.0
description:
  - Records the content, mode and owner of files in C(/var/lib/mailsec-dane/originals/LABEL).
    A symbolic link is recorded as a link; a file that does not exist is recorded as absent.
  - Puts them back as they were. Each file is replaced in one step.
  - The directory is readable by root only, because configuration files may have passwords in them. Results never have
    the content of a file.
  - Runs on the mail server and needs nothing but Python's standard library there.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - Python >= 3.11
options:
  state:
    description:
      - V(recorded) records O(paths). What is recorded already stays as it was recorded first.
      - V(returned) makes every recorded path what it was. What was absent is removed.
      - V(read) only says what is recorded.
      - V(forgotten) removes the record and leaves the files as they are.
    type: str
    choices: [recorded, returned, read, forgotten]
    required: true
  label:
    description: Name of the record. Files that belong together have one label.
    type: str
    required: true
  paths:
    description: Absolute paths, for O(state=recorded).
    type: list
    elements: path
    default: []
  again:
    description: Record O(paths) anew when they are recorded already, and replace O(note).
    type: bool
    default: false
  follow:
    description: When a path is a symbolic link, record also the file that it leads to.
    type: bool
    default: false
  note:
    description:
      - Data that is kept with the record, for instance what was served before. RV(note) has it again.
      - Secrets do not belong here.
    type: dict
  forget:
    description: Remove the record after the files were returned.
    type: bool
    default: false
seealso:
  - module: mailsec.dane.mail_host_info
"""

EXAMPLES = r"""
---
- name: Record how Postfix was configured
  mailsec.dane.original_files:
    state: recorded
    label: postfix
    paths:
      - /etc/postfix/main.cf
      - /etc/postfix/master.cf

- name: Put everything back
  mailsec.dane.original_files:
    state: returned
    label: postfix
    forget: true
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: ["put /etc/postfix/main.cf back: a file of 812 bytes, mode 0644, owner 0:0"]
recorded:
  description: The paths that are recorded under O(label) after this task, in check mode as if it had run.
  returned: success
  type: list
  elements: str
  sample: [/etc/postfix/main.cf, /etc/postfix/master.cf]
note:
  description: O(note) as it was recorded; empty when there is none.
  returned: success
  type: dict
  sample: {}
directory:
  description: Where the record is.
  returned: success
  type: str
  sample: /var/lib/mailsec-dane/originals/postfix
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.originals import Originals


def run(params: dict[str, t.Any], change: bool) -> dict[str, t.Any]:
    """Do what ``params`` say and return the result; ValueError and OSError with a message for people."""
    originals = Originals(params["label"], change)
    if params["state"] == "recorded":
        if not params["paths"]:
            raise ValueError("paths is empty: name the files to record")
        originals.record(params["paths"], params["again"], params["follow"], params["note"])
    elif params["state"] == "returned":
        originals.give_back()
    if params["state"] == "forgotten" or (params["state"] == "returned" and params["forget"]):
        originals.forget()
    return {
        "changed": bool(originals.actions),
        "actions": originals.actions,
        "recorded": sorted(originals.states),
        "note": originals.note,
        "directory": originals.directory,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["recorded", "returned", "read", "forgotten"], "required": True},
            "label": {"type": "str", "required": True},
            "paths": {"type": "list", "elements": "path", "default": []},
            "again": {"type": "bool", "default": False},
            "follow": {"type": "bool", "default": False},
            "note": {"type": "dict"},
            "forget": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    os.umask(0o077)
    try:
        result = run(module.params, not module.check_mode)
    except (ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
