#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resolver_info
short_description: Who resolves names on a host, and whether a resolver can be set up beside it
version_added: 0.1.0
description:
  - Tells which programs listen on port 53, whether the one at O(address) validates, what C(/etc/resolv.conf) is, and
    whether unbound is installed, running and enabled.
  - Says what role C(mailsec.dane.resolver) should do, so that no program that others need loses its port.
  - Runs on the mail server and needs nothing but Python's standard library there. It changes nothing.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
requirements:
  - Python >= 3.11
options:
  address:
    description: Loopback address at which the resolver listens or shall listen.
    type: str
    default: 127.0.0.1
  configuration:
    description: Configuration file of unbound that shows that the role has set it up.
    type: path
    default: /etc/unbound/unbound.conf.d/mailsec-dane.conf
  settings_wanted:
    description: Whether zones, forwarders or settings are wanted that only an unbound of one's own can have.
    type: bool
    default: false
  secure_name:
    description: A signed zone.
    type: str
    default: "."
  bogus_name:
    description: A zone whose signatures are wrong on purpose. Empty leaves this proof out.
    type: str
    default: ""
  unsigned_name:
    description: A zone without signatures. Empty leaves this proof out.
    type: str
    default: ""
seealso:
  - module: mailsec.dane.resolv_conf
  - module: mailsec.dane.next_hops_info
"""

EXAMPLES = r"""
---
- name: Who resolves names here?
  mailsec.dane.resolver_info:
    bogus_name: dnssec-failed.org
  register: resolver

- name: Tell
  ansible.builtin.debug:
    msg: "{{ resolver.plan }}: {{ resolver.reason }}"
"""

RETURN = r"""
plan:
  description:
    - V(own) when unbound can be set up, V(use) when what listens at O(address) already validates, V(blocked) when
      another program that does not validate has that address.
  returned: success
  type: str
  sample: own
reason:
  description: Why, and what to do about it.
  returned: success
  type: str
  sample: nothing listens on 127.0.0.1 port 53
listeners:
  description: Programs that listen on port 53.
  returned: success
  type: list
  elements: dict
  sample: [{address: 127.0.0.1, program: named}]
used:
  description: Whether C(/etc/resolv.conf) was written by M(mailsec.dane.resolv_conf) and names O(address) only.
  returned: success
  type: bool
  sample: true
link:
  description: Where C(/etc/resolv.conf) leads to; empty when it is a file.
  returned: success
  type: str
  sample: ../run/systemd/resolve/stub-resolv.conf
unbound:
  description: The service unbound.
  returned: success
  type: dict
  contains:
    installed:
      description: Whether it is installed.
      type: bool
      sample: true
    active:
      description: Whether it runs.
      type: bool
      sample: true
    enabled:
      description: Whether it starts with the host.
      type: bool
      sample: true
    ours:
      description: Whether it has O(configuration).
      type: bool
      sample: true
copies:
  description: Copies of C(/etc/resolv.conf) for chrooted programs, one for each Postfix instance.
  returned: success
  type: list
  elements: str
  sample: [/var/spool/postfix/etc/resolv.conf]
cut_off:
  description: Whether a run of role C(mailsec.dane.resolver) did not come to its end and left its record.
  returned: success
  type: bool
  sample: false
before_first_run:
  description: RV(unbound) before the first run of role C(mailsec.dane.resolver), as recorded; empty without a record.
  returned: success
  type: dict
  sample: {installed: true, active: false, enabled: false, ours: false}
files:
  description: Files of unbound's configuration directory, with the SHA-1 sum of each.
  returned: success
  type: dict
  sample: {remote-control.conf: 5f2d8c7be1f1ac0b2b8c1ad5a2d7e8f1b0c9d3e4}
workers:
  description:
    - Running processes of Postfix that its master process started before C(/etc/resolv.conf) or one of RV(copies)
      changed for the last time, as PROCESS@START. Each keeps the resolver that it started with until it ends.
  returned: success
  type: list
  elements: str
  sample: ["1834@90211"]
outdated_copies:
  description: Those of RV(copies) that name the resolver of this collection although C(/etc/resolv.conf) does not.
  returned: success
  type: list
  elements: str
  sample: []
"""

import dataclasses
import hashlib
import ipaddress
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.next_hops import directories
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.originals import DIRECTORY, Originals
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.port53 import choose, found_here
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import workers
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.resolver_path import (
    HEADER,
    Names,
    Proof,
    check_zone,
    prove_resolver,
    read,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.stub_resolver import read_resolv_conf

PATH: t.Final = "/etc/resolv.conf"


def _unit(module: AnsibleModule, word: str) -> bool:
    systemctl = module.get_bin_path("systemctl")
    return bool(systemctl) and module.run_command([systemctl, word, "--quiet", "unbound.service"])[0] == 0


def _copies(module: AnsibleModule) -> list[str]:
    program = module.get_bin_path("postconf", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if not program:
        return []
    default = module.run_command([program, "-dh", "config_directory"], check_rc=True)[1].strip()
    places = directories(module.run_command, os.path.dirname(program), default)
    queues = [module.run_command([program, "-c", place, "-xh", "queue_directory"])[1].strip() for place in places]
    return [os.path.join(queue, "etc/resolv.conf") for queue in dict.fromkeys(queues) if os.path.isabs(queue)]


def _changed(paths: t.Iterable[str]) -> float:
    """When the name servers of the host changed for the last time at the latest (Unix time)."""
    # The time of the change of the file itself: what is put back gets its former time of modification.
    changes = [os.lstat(path).st_ctime for path in paths if os.path.lexists(path)]
    # Linux tells the start of a process to a second.
    return max(changes, default=0) + 2


def _files(directory: str) -> dict[str, str]:
    """SHA-1 sums of the files in a directory: they are compared, nothing is trusted because of them."""
    found: dict[str, str] = {}
    if os.path.isdir(directory):
        for entry in os.scandir(directory):
            if entry.is_file():
                with open(entry.path, "rb") as file:
                    found[entry.name] = hashlib.sha1(file.read(), usedforsecurity=False).hexdigest()
    return found


def gather(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the result; ValueError with a message for people."""
    params = module.params
    address = params["address"]
    if not is_address(address) or not ipaddress.ip_address(address).is_loopback:
        raise ValueError(f"address is {address[:80]!r}: only a loopback address can be trusted to say AD")
    for option in ("secure_name", "bogus_name", "unsigned_name"):
        try:
            check_zone(params[option])
        except (ValueError, UnicodeError) as error:
            raise ValueError(f"{option}: {error}") from error
    found = found_here()
    there = any(one.covers(address) for one in found)
    names = Names(params["secure_name"], params["bogus_name"], params["unsigned_name"])
    proof = prove_resolver(address, names) if there else Proof((), (), ())
    ours = os.path.exists(params["configuration"])
    evidence = "; ".join(item.evidence for item in proof.findings)
    choice = choose(found, address, ours, params["settings_wanted"], there and not proof.findings, evidence)
    text = read(PATH) or ""
    used = not os.path.islink(PATH) and text.startswith(HEADER) and read_resolv_conf(text).servers == (address,)
    copies = _copies(module)
    outdated = [path for path in copies if (read(path) or "").startswith(HEADER)]
    return {
        "plan": choice.plan,
        "reason": choice.reason,
        "listeners": [dataclasses.asdict(one) for one in found],
        "used": used,
        "link": os.readlink(PATH) if os.path.islink(PATH) else "",
        "unbound": {
            "installed": os.path.exists("/usr/sbin/unbound"),
            "active": _unit(module, "is-active"),
            "enabled": _unit(module, "is-enabled"),
            "ours": ours,
        },
        "copies": copies,
        "before_first_run": Originals("resolver", change=False).note,
        "cut_off": os.path.exists(os.path.join(DIRECTORY, "resolver-run")),
        "files": _files(os.path.dirname(params["configuration"])),
        "workers": workers(_changed([PATH, *copies])),
        "outdated_copies": [] if text.startswith(HEADER) else outdated,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "default": "127.0.0.1"},
            "configuration": {"type": "path", "default": "/etc/unbound/unbound.conf.d/mailsec-dane.conf"},
            "settings_wanted": {"type": "bool", "default": False},
            "secure_name": {"type": "str", "default": "."},
            "bogus_name": {"type": "str", "default": ""},
            "unsigned_name": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        result = gather(module)
    except (OSError, ValueError, UnicodeError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
