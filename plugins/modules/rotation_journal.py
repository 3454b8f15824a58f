#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_journal
short_description: Keep the journal of a rotation on a managed host, under a lease
version_added: 0.1.0
description:
  - The journal says what was published and served, and when. It is replaced atomically, carries a checksum, and is tied
    to one TLSA base domain and one host.
  - Whoever writes holds a lease. It expires by itself, so that a run that died does not block the next one for ever.
  - A lost, damaged or foreign journal is not a failure. RV(problem) says so, and the planner then waits as if
    everything had just been changed. Only a journal of a newer version of this collection is one.
  - Needs nothing but Python's standard library.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
attributes:
  check_mode:
    support: full
    details:
      - Reads the journal and says who holds the lease, takes no lease and writes nothing.
  diff_mode:
    support: none
    details:
      - The journal is a record for the planner. What it says for people is in RV(events).
  idempotent:
    support: partial
    details:
      - Taking and giving back the lease are not changes. Writing is one when O(events) has a step, and when there
        was not a journal.
options:
  state:
    description:
      - V(acquired) takes the lease, or lets the one of O(token) begin anew when it is still held, and reads the
        journal. When somebody else holds it, RV(lock) says who, and O(required) decides whether the task fails.
      - V(written) replaces the content, and lets the lease begin anew unless O(release=true).
      - V(held) fails unless the lease of O(token) is still held, and lets it begin anew. It is the last look before an
        effect on another host than the journal's.
      - V(released) gives the lease back.
      - V(read) reads the journal only.
    type: str
    choices: [acquired, held, written, released, read]
    default: read
  path:
    description: The journal, by its absolute path. Its directory is made with mode 0700 when it is not there.
    type: path
    required: true
  subject:
    description: The TLSA base domain it is about.
    type: str
    required: true
  holder:
    description: Who takes the lease, in words for others who find it taken.
    type: str
    default: ''
  seconds:
    description:
      - How long the lease lasts, more than 0. It must be longer than the longest single step, and is renewed before
        each.
    type: float
    default: 120
  token:
    description: What RV(token) of V(acquired) was; proves the lease.
    type: str
  required:
    description: With O(state=acquired), fail when somebody else holds the lease.
    type: bool
    default: false
  content:
    description: What to remember.
    type: dict
  events:
    description: What to add to the record for people. The oldest are dropped beyond 500.
    type: list
    elements: dict
    default: []
  release:
    description: With O(state=written), give the lease back afterwards.
    type: bool
    default: false
seealso:
  - module: mailsec.dane.rotation_info
  - module: mailsec.dane.rotation_plan
"""

EXAMPLES = r"""
---
- name: Take the lease and read the journal
  mailsec.dane.rotation_journal:
    state: acquired
    path: /var/lib/mailsec-dane/mx.example.nl.journal
    subject: mx.example.nl
    holder: nightly rotation
  register: journal

- name: Wait for another run that works on this host
  mailsec.dane.rotation_journal:
    state: acquired
    path: /var/lib/mailsec-dane/changes
    subject: changes of this host
    holder: nightly run
    required: true
  register: lease
  until: lease.problem != 'held'
  retries: 30
  delay: 5

- name: Remember what is about to be done
  mailsec.dane.rotation_journal:
    state: written
    path: /var/lib/mailsec-dane/mx.example.nl.journal
    subject: mx.example.nl
    token: "{{ journal.token }}"
    content: "{{ plan.journal }}"
    events: "{{ plan.events }}"
"""

RETURN = r"""
token:
  description: Proves the lease. Empty when it was not taken.
  returned: when O(state) is V(acquired), V(held) or V(written)
  type: str
  sample: "6f1c0a52"
lock:
  description: Who else holds the lease; empty when nobody does.
  returned: success
  type: str
  sample: ''
content:
  description: What is remembered; empty when there is nothing to trust.
  returned: success
  type: dict
  sample: {journal: {}, goal: null}
events:
  description: The record for people, oldest first.
  returned: when O(state) is not V(written)
  type: list
  elements: dict
  sample: [{at: 1795939200.0, event: step, action: publish}]
problem:
  description:
    - Why nothing is remembered, one of V(missing), V(damaged) and V(foreign); empty when something is.
    - When the task fails, why. V(held) when somebody else holds the lease that is O(required), V(lost) when another run
      may have it by now. A later run may succeed then.
  returned: always
  type: str
  sample: ''
detail:
  description: The problem in a sentence.
  returned: success
  type: str
  sample: ''
sequence:
  description: Version of the journal, 0 when there is none to trust.
  returned: success
  type: int
  sample: 12
"""

import math
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._clock import read_clocks
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal, journal_file
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.journal import Document, JournalError


def check(params: dict[str, t.Any]) -> None:
    """Raise ValueError for a relative path, and for a lease that would end at once or never."""
    if not os.path.isabs(params["path"]):
        raise ValueError(f"path is {params['path']!r}: give the absolute path of the journal")
    if not 0 < params["seconds"] < math.inf:
        raise ValueError(f"seconds is {params['seconds']:g}: a lease lasts more than 0 seconds, and ends")


def _known(path: str, subject: str) -> tuple[Document, str, str]:
    """Return the journal, or an empty one with the problem and a sentence."""
    host = journal_file.machine_identity()
    try:
        return journal_file.read(path, subject, host), "", ""
    except JournalError as error:
        if error.problem not in journal.LOST:
            raise
        return Document(subject, host, 0, {}), error.problem, str(error)


def _shown(document: Document, problem: str = "", detail: str = "") -> dict[str, t.Any]:
    return {
        "content": document.content,
        "sequence": document.sequence,
        "problem": problem,
        "detail": detail,
        "lock": "",
    }


def _again(params: dict[str, t.Any]) -> str:
    """Renew the lease of the token; '' when there is none to renew."""
    try:
        return journal_file.renew(params["path"], params["token"] or "", params["seconds"], read_clocks()).token
    except JournalError as error:
        if error.problem == "lost":
            return ""
        raise


def _take(params: dict[str, t.Any]) -> str:
    return journal_file.acquire(params["path"], params["holder"], params["seconds"], read_clocks()).token


def _acquire(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    path, token, lock = params["path"], "", ""
    if check_mode:
        lock = journal_file.holder(path, read_clocks())
    else:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        try:
            token = _again(params) or _take(params)
        except journal_file.LeaseHeld as held:
            if params["required"]:
                raise JournalError("held", str(held)) from held
            lock = held.holder
    document, problem, detail = _known(path, params["subject"])
    return {**_shown(document, problem, detail), "events": list(document.events), "token": token, "lock": lock}


def _write(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    path, token = params["path"], params["token"]
    before, _problem, _detail = _known(path, params["subject"])
    # What was only seen is not a change of this run.
    changed = before.sequence == 0 or any(event.get("event") == "step" for event in params["events"])
    events = (*before.events, *params["events"])[-journal.MAX_EVENTS :]
    # What is not to be trusted may still have a sequence that the new one must follow.
    after = Document(
        before.subject, before.host, (journal_file.sequence(path) or 0) + 1, params["content"] or {}, events
    )
    journal.encode(after)
    if not check_mode:
        journal_file.write(path, after, token, read_clocks())
        if params["release"]:
            journal_file.release(path, token)
        else:
            journal_file.renew(path, token, params["seconds"], read_clocks())
    return {**_shown(after), "token": "" if params["release"] else token, "changed": changed}


def work(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Do what ``params`` say; raises JournalError."""
    path, state = params["path"], params["state"]
    if state == "acquired":
        return _acquire(params, check_mode)
    if state == "written":
        return _write(params, check_mode)
    more: dict[str, t.Any] = {}
    if state == "released" and not check_mode:
        journal_file.release(path, params["token"])
    if state == "held" and not check_mode:
        more["token"] = journal_file.renew(path, params["token"], params["seconds"], read_clocks()).token
    document, problem, detail = _known(path, params["subject"])
    lock = journal_file.holder(path, read_clocks())
    return {**_shown(document, problem, detail), "events": list(document.events), "lock": lock, **more}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["acquired", "held", "written", "released", "read"], "default": "read"},
            "path": {"type": "path", "required": True},
            "subject": {"type": "str", "required": True},
            "holder": {"type": "str", "default": ""},
            "seconds": {"type": "float", "default": 120},
            "token": {"type": "str", "no_log": False},
            "required": {"type": "bool", "default": False},
            "content": {"type": "dict"},
            "events": {"type": "list", "elements": "dict", "default": []},
            "release": {"type": "bool", "default": False},
        },
        required_if=[
            ("state", "written", ["token", "content"]),
            ("state", "released", ["token"]),
            ("state", "held", ["token"]),
        ],
        supports_check_mode=True,
    )
    try:
        check(module.params)
        result = work(module.params, module.check_mode)
    except ValueError as error:
        module.fail_json(msg=str(error), problem="")
    except JournalError as error:
        module.fail_json(msg=str(error), problem=error.problem)
    except OSError as error:
        module.fail_json(msg=f"{module.params['path']}: {error.strerror}", problem="unwritable")
    module.exit_json(**{"changed": False, **result})


if __name__ == "__main__":
    main()
