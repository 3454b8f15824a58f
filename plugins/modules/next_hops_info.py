#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: next_hops_info
short_description: Every name that a Postfix must be able to resolve, and whether it can
version_added: 0.1.0
description:
  - Reads from the configuration of every Postfix instance, its tables, its queue and its log which hosts and domains
    mail is sent to, and which milters, policy services, LDAP and SQL servers and DNS block lists are used. Looks each
    of them up as the program does that needs it, with C(/etc/hosts), C(nsswitch.conf), C(resolv.conf), the chroot
    directory and the settings of the service.
  - With O(resolvers) or O(choices) the same is done as it would be after a change, before anything is changed.
  - With O(before) it says what is worse than at an earlier look.
  - Tables of LDAP, SQL and other servers cannot be listed. They are asked for the domains that Postfix knows, and for
    those in its queue and log. A table that does not answer is named in RV(unlisted).
  - Runs on the mail server and needs nothing but Python's standard library there. It changes nothing.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
requirements:
  - Python >= 3.11
options:
  resolvers:
    description: Resolvers in place of those in C(resolv.conf), as ADDRESS or ADDRESS@PORT.
    type: list
    elements: str
    default: []
  choices:
    description:
      - Parameters of C(main.cf) as they could be, best first. With the first of them that loses no name, RV(chosen), it
        can be changed. When each one loses names, RV(worse) is about the last one.
    type: list
    elements: dict
    default: []
  names:
    description: Further hosts that must be found.
    type: list
    elements: str
    default: []
  before:
    description: The result of an earlier look. Without it, O(choices) are compared with what is now.
    type: dict
  accepted:
    description: Names that may be lost.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for one answer of a name server. Each query is sent twice.
    type: int
    default: 5
  time_limit:
    description: Seconds for all look-ups together. What was not asked until then is V(unknown).
    type: int
    default: 120
seealso:
  - module: mailsec.dane.resolv_conf
  - module: mailsec.dane.postconf
"""

EXAMPLES = r"""
---
- name: Which names does this mail server need?
  mailsec.dane.next_hops_info:
  register: names_now

- name: What would be lost with the resolver on loopback?
  mailsec.dane.next_hops_info:
    resolvers: [127.0.0.1]
    before: "{{ names_now }}"
  register: names_then

- name: With which settings does DANE lose no name?
  mailsec.dane.next_hops_info:
    choices:
      - {smtp_dns_support_level: dnssec, smtp_host_lookup: dns}
      - {smtp_dns_support_level: dnssec, smtp_host_lookup: "dns, native"}
  register: names_with_dane

- name: Tell
  ansible.builtin.debug:
    msg: "{{ names_then.worse + [names_then.remedy] }}"
"""

RETURN = r"""
installed:
  description: Whether Postfix is installed.
  returned: success
  type: bool
  sample: true
instances:
  description: Configuration directories of all instances.
  returned: success
  type: list
  elements: str
  sample: [/etc/postfix]
queue_directories:
  description: Queue directories of all instances; chrooted programs see them as their root.
  returned: success
  type: list
  elements: str
  sample: [/var/spool/postfix]
targets:
  description: The names, by a key that stays the same.
  returned: success
  type: dict
  sample:
    smtp/unix host exch.corp.example /var/spool/postfix:
      name: exch.corp.example
      kind: host
      service: smtp/unix
      how: [dns]
      root: /var/spool/postfix
      learned: false
      sources: ["transport_maps (hash:/etc/postfix/transport)"]
      state: found
      values: [192.0.2.5]
      reason: ""
      refused: []
      zone: corp.example
resolvers:
  description: Name servers that were asked, without local forwarders where these tell whom they ask.
  returned: success
  type: list
  elements: str
  sample: [192.0.2.53]
link_domains:
  description: Domains that systemd-resolved asks other name servers for, with these name servers.
  returned: success
  type: dict
  sample: {corp.example: [192.0.2.53]}
unlisted:
  description: Tables that could not be read, so that their next hops are not known.
  returned: success
  type: list
  elements: str
  sample: ['transport_maps (ldap:/etc/postfix/transport.cf)']
partly:
  description: Tables that can only be asked for single domains.
  returned: success
  type: list
  elements: str
  sample: ['relay_domains (pcre:/etc/postfix/relay)']
broken:
  description: Other tables that do not answer.
  returned: success
  type: list
  elements: str
  sample: ['virtual_alias_maps (ldap:/etc/postfix/alias.cf): no answer']
keep:
  description:
    - Options that services need when C(smtp_dns_support_level) is set in C(main.cf), as option C(services) of module
      M(mailsec.dane.postconf). They are taken as set when O(choices) are tried.
    - A level in C(main.cf) makes C(disable_dns_lookups) of these services ineffective.
  returned: success
  type: list
  elements: dict
  sample:
    - name: smtp-amavis
      type: unix
      parameters: {smtp_dns_support_level: disabled}
chosen:
  description: The first of O(choices) with which nothing is worse; null when there is none.
  returned: success
  type: dict
  sample: {smtp_dns_support_level: dnssec, smtp_host_lookup: dns}
settled:
  description: Whether every instance has the values of the last choice that was tried already.
  returned: success
  type: bool
  sample: false
worse:
  description: What is worse than at the look O(before), in sentences.
  returned: success
  type: list
  elements: str
  sample: ['mail.corp.example: was found before']
bogus:
  description:
    - Domains of queue, log and aliases, in sentences, that were found before and that validation refuses now, although
      the answer is the same. Each is a warning. They are not in RV(worse), because the fault is that of the domain.
  returned: success
  type: list
  elements: str
  sample: []
remedy:
  description:
    - The settings that keep what is lost; empty when nothing is.
    - A former resolver on loopback is among the addresses of C(resolver_forward_zones), unless the resolver that is
      asked now has the same address. Then the text says what to write instead.
  returned: success
  type: str
  sample: 'resolver_forward_zones: {corp.example: [192.0.2.53]}'
"""

import os
import re
import threading
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._address import split_port
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.name_check import bogus, look, remedy, worse
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.next_hops import (
    Instance,
    Inventory,
    Target,
    directories,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.ports import check_names
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import value_text
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.stub_resolver import (
    Names,
    names_below,
    read_resolv_conf,
    text_of,
)

#: systemd-resolved listens here, and writes whom it asks to this file.
_RESOLVED: t.Final = ("127.0.0.53", "127.0.0.54")
_UPSTREAM: t.Final = "/run/systemd/resolve/resolv.conf"


def _programs(module: AnsibleModule) -> tuple[str, str]:
    """Directory of Postfix's programs and its default configuration directory; both '' without Postfix."""
    program = module.get_bin_path("postconf", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if not program:
        return "", ""
    directory = module.run_command([program, "-dh", "config_directory"], check_rc=True)[1].strip()
    return os.path.dirname(program), directory


def _collect(module: AnsibleModule, changes: dict[str, str], found: Inventory) -> list[Instance]:
    programs, default = _programs(module)
    places = directories(module.run_command, programs, default) if programs else []
    instances = [Instance(module.run_command, programs, place, changes, found) for place in places]
    for instance in instances:
        instance.collect()
    for name in check_names(module.params["names"]):
        found.add(Target(name, "host", "system"), "option names")
    for domain in read_resolv_conf(text_of("", "/etc/resolv.conf")).search:
        if domain.strip("."):
            found.add(Target(domain.strip(".").lower(), "zone", "system", ("dns",)), "search list of resolv.conf")
    for domain in _link_domains(module):
        found.add(Target(domain, "zone", "system", ("dns",)), "link domains of systemd-resolved")
    return instances


def _link_domains(module: AnsibleModule) -> dict[str, list[str]]:
    """Domains for which systemd-resolved asks the name servers of one link, with these name servers."""
    program = module.get_bin_path("resolvectl")
    if not program:
        return {}
    told: dict[str, dict[str, list[str]]] = {}
    for word in ("domain", "dns"):
        status, out, _errors = module.run_command(["timeout", "10", program, word])
        if status != 0:
            return {}
        # Link 2 (eth0): ~corp.example
        told[word] = {name: text.split() for name, _colon, text in (line.partition(": ") for line in out.splitlines())}
    found: dict[str, list[str]] = {}
    for link, domains in told["domain"].items():
        servers = [_without_link(server) for server in told["dns"].get(link, [])]
        for domain in domains:
            if name := domain.lstrip("~").strip(".").lower():
                found.setdefault(name, []).extend(servers)
    return found


def _without_link(server: str) -> str:
    """Return ADDRESS:PORT%INTERFACE#NAME, as resolved.conf(5) has it, as ADDRESS@PORT, as unbound has it."""
    address, port = split_port(re.split("[%#]", server)[0], 53)
    return address if port == 53 else f"{address}@{port}"


def _below(module: AnsibleModule, resolvers: t.Sequence[str]) -> t.Callable[[str], Names]:
    """The way to resolve names in a root directory, made once for each."""
    end = time.monotonic() + module.params["time_limit"]

    def other(service: str, name: str) -> frozenset[str]:
        _status, out, _errors = module.run_command(["timeout", "10", "getent", "-s", service, "ahosts", name])
        return frozenset(line.split()[0] for line in out.splitlines() if line.split())

    lock = threading.Lock()
    made: dict[str, Names] = {}

    def below(root: str) -> Names:
        with lock:
            if root not in made:
                made[root] = names_below(root, resolvers, other, module.params["timeout"], end)
            return made[root]

    return below


def _upstream(names: Names) -> list[str]:
    if any(one in _RESOLVED for one in names.servers):
        text = text_of("", _UPSTREAM)
        return list(read_resolv_conf(text).servers) if text else []
    return list(names.servers)


def _look(module: AnsibleModule, parameters: dict[str, str], below: t.Callable[[str], Names]) -> dict[str, t.Any]:
    found = Inventory()
    instances = _collect(module, parameters, found)
    targets = look(found.targets, below)
    for one in targets.values():
        if one["state"] == "found" and not one["learned"]:
            one["zone"] = below("").zone(one["name"])
    return {
        "installed": bool(instances),
        "instances": [instance.directory for instance in instances],
        "queue_directories": list(dict.fromkeys(instance.queue for instance in instances)),
        "targets": targets,
        "resolvers": _upstream(below("")),
        "link_domains": _link_domains(module),
        "unlisted": list(dict.fromkeys(found.unlisted)),
        "partly": list(dict.fromkeys(found.partly)),
        "broken": list(dict.fromkeys(found.broken)),
        "keep": found.keep,
        "settled": all(instance.settled for instance in instances),
    }


def gather(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the result; ValueError with a message for people."""
    params = module.params
    choices = [{name: value_text(name, value) or "" for name, value in choice.items()} for choice in params["choices"]]
    below = _below(module, params["resolvers"])
    now = _look(module, {}, below)
    before = params["before"] or now
    losses = worse(before, now, params["accepted"])
    refused = bogus(before, now, params["accepted"])
    for sentence in refused:
        module.warn(sentence)
    chosen = None
    settled = True
    for number, choice in enumerate(choices):
        then = _look(module, choice, below)
        losses = worse(before, then, params["accepted"])
        settled = then["settled"]
        now["keep"] = then["keep"]
        if not losses:
            chosen = params["choices"][number]
            break
    return {
        **now,
        "settled": settled,
        "chosen": chosen,
        "worse": [loss.sentence for loss in losses],
        "bogus": refused,
        "remedy": remedy(losses, before["resolvers"], before["link_domains"], now["resolvers"]) if losses else "",
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "resolvers": {"type": "list", "elements": "str", "default": []},
            "choices": {"type": "list", "elements": "dict", "default": []},
            "names": {"type": "list", "elements": "str", "default": []},
            "before": {"type": "dict"},
            "accepted": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 5},
            "time_limit": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    try:
        result = gather(module)
    except (OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
