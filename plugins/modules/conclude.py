# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: conclude
short_description: End a playbook with what came of it on all hosts
version_added: 0.1.0
description:
  - Says in one line what came of a playbook, and gives the run the exit status that belongs to it.
  - The task succeeds for C(ok), C(left), C(waiting) and C(pending), so that C(ansible-playbook) ends with 0.
  - For C(blocked) the host counts as unreachable, so that C(ansible-playbook) ends with 4. The next run may succeed.
  - For C(choose) and C(failed) the task fails, so that C(ansible-playbook) ends with 2. A person must act.
  - Runs on the controller.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
attributes:
  check_mode:
    support: full
    details:
      - It changes nothing.
  diff_mode:
    support: none
    details:
      - It changes nothing.
  idempotent:
    support: full
options:
  outcomes:
    description:
      - By host, a dictionary with C(state) and C(sentence), as in RV(mailsec.dane.rotation_info#module:outcome), and
        C(note) for what has to be said of a host that is C(ok). Besides these
        C(state) may be C(left) for a host that is not managed on purpose, and C(failed).
    type: dict
    required: true
  notes:
    description:
      - By host, a list of sentences that are said in any state, such as RV(mailsec.dane.postconf#module:changed_since).
      - Three of a host are said in full.
    type: dict
    default: {}
seealso:
  - module: mailsec.dane.rotation_info
"""

EXAMPLES = r"""
---
- name: Say what came of it
  mailsec.dane.conclude:
    outcomes:
      mx1.example.nl: {state: ok, sentence: "Nothing to do: published, served and wanted are the same."}
      mx2.example.nl: {state: waiting, sentence: "until 2026-12-05T00:00:00Z: caches may hold the former RRset"}
"""

RETURN = r"""
msg:
  description: The worst state, how many hosts are in which, and the sentence of the first host in the worst state.
  returned: success
  type: str
  sample: "waiting (1 ok, 1 waiting) mx2.example.nl: until 2026-12-05T00:00:00Z: caches may hold the former RRset"
state:
  description: The worst state.
  returned: success
  type: str
  sample: waiting
lines:
  description: One line for each other host that is not C(ok) or has a note, the worst first.
  returned: success
  type: list
  elements: str
  sample: ["mx3.example.nl: waiting: until 2026-12-04T12:00:00Z: caches may hold the former RRset"]
"""
