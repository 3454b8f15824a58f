#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_host_info
short_description: What every mail port of a host serves, and what got worse since an earlier look
version_added: 0.1.0
description:
  - Finds the TCP sockets of all mail servers of the host (Postfix, Dovecot, Exim and others) and looks at each of their
    addresses as a client does. With STARTTLS or TLS from the start, without a name and with each of O(names), and for
    clients with keys of type RSA and ECDSA apart.
  - Says why mail waits in the queue of Postfix.
  - With O(before), says in sentences what got worse. What could not be found out before does not count; what cannot be
    found out now does.
  - This is a look from inside; M(mailsec.dane.starttls_info) looks from outside. Ports that expect the PROXY protocol
    do not answer it. Clients that C(postscreen) does not know yet may meet another certificate.
  - Runs on the mail server and needs nothing but Python's standard library there.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
requirements:
  - Python >= 3.11
options:
  names:
    description: Names to ask for (SNI), besides none.
    type: list
    elements: str
    default: []
  ports:
    description: Ports to look at. Empty means all ports of mail servers.
    type: list
    elements: int
    default: []
  before:
    description: An earlier result of this module, at least with C(sockets).
    type: dict
  expected:
    description: Keys that may be served now though they were not in O(before).
    type: list
    elements: dict
    default: []
    suboptions:
      ports:
        description: Where they may be served.
        type: list
        elements: int
        required: true
      spki_sha256:
        description: SHA-256 of the public keys, lower-case hex.
        type: list
        elements: str
        required: true
  may_close:
    description: Whether a port that was open in O(before) may be closed now.
    type: bool
    default: false
  timeout:
    description: Seconds after which everything not yet seen is unknown.
    type: int
    default: 60
seealso:
  - module: mailsec.dane.original_files
  - module: mailsec.dane.postfix_info
  - module: mailsec.dane.starttls_info
"""

EXAMPLES = r"""
---
- name: Look at every mail port before a change
  mailsec.dane.mail_host_info:
    names: [mx.example.nl]
  register: picture

- name: Look again
  mailsec.dane.mail_host_info:
    names: [mx.example.nl]
    before: "{{ picture }}"
    expected:
      - ports: [25]
        spki_sha256: [9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08]
  register: look
  failed_when: look.worse | length > 0
"""

RETURN = r"""
sockets:
  description: Every address and port on which a mail server listens. Sockets for all addresses appear once per address.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: Address.
      type: str
      sample: 192.0.2.1
    port:
      description: Port.
      type: int
      sample: 465
    process:
      description: The process that listens; empty when it cannot be seen.
      type: str
      sample: master
    tls:
      description: V(starttls), V(implicit), V(none) or V(unknown).
      type: str
      sample: implicit
    problem:
      description: Why it is unknown.
      type: str
      sample: ""
    served:
      description: What is served, for each name and type of key.
      type: list
      elements: dict
      contains:
        server_name:
          description: The name that was asked for; empty for none.
          type: str
          sample: mx.example.nl
        key_type:
          description: V(any) for a client that takes all, else V(rsa) or V(ecdsa).
          type: str
          sample: any
        spki_sha256:
          description: SHA-256 of the public key; empty when no such certificate is served.
          type: str
          sample: "a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00"
        chain_sha256:
          description: SHA-256 of each certificate, leaf first.
          type: list
          elements: str
          sample: [f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2]
        problem:
          description: Why it could not be found out.
          type: str
          sample: ''
queue:
  description: Reasons for which mail waits in the queue of Postfix, most frequent first; at most 50.
  returned: success
  type: list
  elements: dict
  contains:
    reason:
      description: What Postfix says.
      type: str
      sample: "connect to mx.example.org[192.0.2.9]:25: Connection timed out"
    count:
      description: Number of recipients.
      type: int
      sample: 3
worse:
  description: What got worse since O(before), in sentences.
  returned: when O(before) is given
  type: list
  elements: str
  sample: []
"""

import collections
import json
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.ports import check_names, look
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.ports_compare import Expected, worse

#: Seconds between looks that find something worse.
_PAUSES: t.Final = (2, 4)
_MAX_REASONS: t.Final = 50
_MAX_MESSAGES: t.Final = 20000


def _queue(module: AnsibleModule) -> list[dict[str, t.Any]]:
    program = module.get_bin_path("postqueue", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if not program:
        return []
    status, out, _errors = module.run_command(["timeout", "20", program, "-j"])
    if status != 0:
        # Without a running Postfix there is nothing to ask; the closed ports say so.
        return []
    counts: collections.Counter[str] = collections.Counter()
    for line in out.splitlines()[:_MAX_MESSAGES]:
        for recipient in json.loads(line).get("recipients", []):
            reason = recipient.get("delay_reason")
            counts.update([str(reason)[:300]] if reason else [])
    return [{"reason": reason, "count": count} for reason, count in counts.most_common(_MAX_REASONS)]


def gather(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the result; ValueError with a message for people."""
    params = module.params
    before = params["before"]
    if before is not None and not isinstance(before.get("sockets"), list):
        raise ValueError("before has no list sockets: give a registered result of this module")
    expected = [Expected(frozenset(entry["ports"]), frozenset(entry["spki_sha256"])) for entry in params["expected"]]
    for port in {*params["ports"], *(port for entry in expected for port in entry.ports)}:
        if not 0 < port < 65536:
            raise ValueError(f"{port} is not a port number: it is 1 to 65535")
    names = check_names(params["names"])
    end = time.monotonic() + params["timeout"]
    for pause in (*_PAUSES, None):
        found = look(names, params["ports"], end - time.monotonic())
        result: dict[str, t.Any] = {"sockets": [one.as_dict() for one in found], "queue": _queue(module)}
        if before is None:
            break
        result["worse"] = worse(before, result, expected, params["may_close"])
        # Another server may just have been restarted, so what got worse is seen more than once.
        if not result["worse"] or pause is None or time.monotonic() + pause >= end:
            break
        time.sleep(pause)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "ports": {"type": "list", "elements": "int", "default": []},
            "before": {"type": "dict"},
            "expected": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "ports": {"type": "list", "elements": "int", "required": True},
                    "spki_sha256": {"type": "list", "elements": "str", "required": True},
                },
            },
            "may_close": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        result = gather(module)
    except (ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
