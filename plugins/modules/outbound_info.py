#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: outbound_info
short_description: Whether mail that leaves a host is validated with DANE
version_added: 0.1.0
description:
  - Looks at the effective settings of every SMTP client service of every Postfix instance of a host, and at the mail
    that takes it. Settings of single services in C(master.cf), tables of TLS policies, relays and obsolete parameters
    count.
  - Tells what may be set in C(main.cf) so that mail is validated with DANE, without lowering a level that is set now.
  - Mail to programs of the same host and to addresses without a name is not counted; LMTP delivers into mailboxes and
    is not counted either.
  - Tables are listed where Postfix can list them. Others (LDAP, SQL, C(socketmap)) are named as not known.
  - Runs on the mail server and needs nothing but Python's standard library there.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
requirements:
  - Python >= 3.11
options:
  dane:
    description: Whether RV(parameters) are those for DANE, or for STARTTLS without validation.
    type: bool
    default: true
  exceptions:
    description:
      - What is accepted without DANE, by the name in RV(findings[].exception), which is a service of C(master.cf), a
        next hop, a relay or a table.
    type: list
    elements: str
    default: []
  planned:
    description: Parameters of C(main.cf) of the main instance that count as if they were set. For check mode.
    type: dict
    default: {}
  before:
    description: An earlier result of this module, for RV(worse).
    type: dict
  record:
    description: Label under which module M(mailsec.dane.postconf) keeps what it sets, for RV(changed_since).
    type: str
seealso:
  - module: mailsec.dane.outbound_probe
  - module: mailsec.dane.postconf
"""

EXAMPLES = r"""
---
- name: Look how mail leaves this host
  mailsec.dane.outbound_info:
    exceptions: [smtp-amavis]
  register: outbound

- name: Set what lowers nothing
  mailsec.dane.postconf:
    parameters: "{{ outbound.parameters }}"
    services: "{{ outbound.services }}"

- name: Tell what is not validated
  ansible.builtin.debug:
    var: outbound.open
"""

RETURN = r"""
installed:
  description: Whether Postfix is installed.
  returned: success
  type: bool
  sample: true
instances:
  description: All instances of Postfix, however they are registered, the main one first.
  returned: success
  type: list
  elements: dict
  contains:
    directory:
      description: Configuration directory.
      type: str
      sample: /etc/postfix
    main:
      description: Whether it is the main instance.
      type: bool
      sample: true
    active:
      description: Whether it is used; false when it is switched off and does not run.
      type: bool
      sample: true
    route:
      description:
        - How mail for other domains leaves it. V(mx) to their mail exchangers, V(relay) to a relay, V(local) to a
          program of this host, V(other) by something else than an SMTP client.
      type: str
      sample: mx
    services:
      description: Its services that run the SMTP or LMTP client.
      type: list
      elements: dict
      contains:
        name:
          description: Name in C(master.cf).
          type: str
          sample: smtp
        program:
          description: V(smtp) or V(lmtp).
          type: str
          sample: smtp
        level:
          description: TLS level for receivers without an entry in a table of policies.
          type: str
          sample: dane
        in_effect:
          description: The level in effect. V(dane) without validated DNS, for instance, is V(may).
          type: str
          sample: dane
        state:
          description:
            - V(dane) when receivers are validated with DANE, V(authenticated) when by another level, V(off) when they
              are not, V(relay) when it takes mail to a relay only, V(local) when to programs of this host or addresses
              without a name only, V(unused) when nothing sends mail to it.
          type: str
          sample: dane
        mail:
          description: What sends mail to it, and to which next hop; an empty one is the mail exchangers of the domain.
          type: list
          elements: dict
          sample: [{source: default_transport, next_hop: ""}]
    policies:
      description: Next hops with a TLS level of their own.
      type: list
      elements: dict
      sample: [{table: "hash:/etc/postfix/tls", next_hop: example.nl, level: may, lower: true}]
findings:
  description:
    - V(outbound-dane-off) for a service, V(outbound-policy-lower) for a next hop in a table, V(outbound-relay) where
      DANE ends at a relay, V(outbound-unknown) where a table or program does not tell.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: Stable code of the finding.
      type: str
      sample: outbound-dane-off
    severity:
      description: One of V(critical), V(error), V(warning) and V(info).
      type: str
      sample: error
    subject:
      description: What it is about.
      type: str
      sample: service smtp/unix of Postfix in /etc/postfix
    evidence:
      description: What was observed.
      type: str
      sample: smtp_tls_security_level = may (-o of service smtp/unix in master.cf)
    expected:
      description: What would have been right.
      type: str
      sample: smtp_tls_security_level = dane
    remedy:
      description: The complete command.
      type: str
      sample: postconf -e smtp_tls_security_level=dane
    rule:
      description: Where the rule stands.
      type: str
      sample: RFC 7671 section 8.1
    exception:
      description: The entry of O(exceptions) that accepts it.
      type: str
      sample: smtp
    accepted:
      description: Whether O(exceptions) has it.
      type: bool
      sample: false
open:
  description: The findings that are not accepted, each in one sentence.
  returned: success
  type: list
  elements: str
  sample: ['relayhost is sent to without DANE']
accepted:
  description: The findings that are accepted, each in one sentence.
  returned: success
  type: list
  elements: str
  sample: []
parameters:
  description:
    - Parameters of C(main.cf) of the main instance to set; null removes one. Empty when nothing may or need be set.
  returned: success
  type: dict
  sample: {smtp_tls_security_level: dane, smtp_dns_support_level: dnssec}
services:
  description: Services of C(master.cf) to set with RV(parameters), as option C(services) of M(mailsec.dane.postconf).
  returned: success
  type: list
  elements: dict
  sample: [{name: smtp-amavis, type: unix, parameters: {smtp_dns_support_level: disabled}}]
kept:
  description: What is not changed, and why.
  returned: success
  type: list
  elements: dict
  sample:
    - parameter: smtp_tls_security_level
      value: secure
      message: "smtp_tls_security_level = secure is kept: dane would send without …"
changed_since:
  description:
    - In sentences, what of RV(parameters) and RV(services) had been set already, with the same O(record), and was
      changed by another program or person since.
  returned: success
  type: list
  elements: str
  sample: []
worse:
  description: What asks less of receivers than in O(before), each in one sentence.
  returned: success
  type: list
  elements: str
  sample: []
"""

import dataclasses
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound import (
    Instance,
    in_effect,
    policies,
    route,
    ways,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound_findings import judge, without_support
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound_look import Look
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound_plan import (
    BARE,
    BARE_WITHOUT_DANE,
    Plan,
    plan,
    worse,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import (
    ServiceWish,
    set_parameters,
    set_services,
    value_text,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import Postfix, PostfixError
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.way_back import Texts, load, path_of, texts_in


def _shown(instance: Instance) -> dict[str, t.Any]:
    found = ways(instance)
    own = dict.fromkeys(entry for way in found if way.service.program == "smtp" for entry in policies(instance, way))
    return {
        "directory": instance.directory,
        "main": instance.main,
        "active": instance.active,
        "route": route(instance),
        "services": [
            {
                "name": way.service.name,
                "program": way.service.program,
                "level": way.level,
                "in_effect": in_effect(way),
                "state": way.state,
                "mail": [dataclasses.asdict(use) for use in way.uses],
            }
            for way in found
        ],
        "policies": [
            {
                "table": table,
                "next_hop": key,
                "level": level,
                "lower": level in ("none", "may"),
            }
            for table, key, level in own
        ],
    }


def _plan_result(wanted: Plan) -> dict[str, t.Any]:
    return {
        "parameters": dict(wanted.parameters),
        "services": [{"name": name, "type": "unix", "parameters": dict(own)} for name, own in wanted.services],
        "kept": [
            {"parameter": name, "value": value, "message": f"{name} = {value} is kept: {why}"}
            for name, value, why in wanted.kept
        ],
    }


def _changed_since(directory: str, wanted: Plan, record: str | None) -> list[str]:
    if not record:
        return []
    now = texts_in(directory)
    wishes = [ServiceWish(name, "unix", {}, dict(own)) for name, own in wanted.services]
    then = Texts(set_parameters(now.main, wanted.parameters), set_services(now.master, wishes))
    return load(path_of(record)).changed_since(now, then)


def gather(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the result; PostfixError and ValueError with a message for people."""
    names = ("instances", "findings", "open", "accepted", "changed_since", "worse")
    nothing: dict[str, t.Any] = dict.fromkeys(names, ())
    dane = module.params["dane"]
    program = module.get_bin_path("postconf", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if program is None:
        return {"installed": False, **nothing, **_plan_result(BARE if dane else BARE_WITHOUT_DANE)}
    directory = module.run_command([program, "-dh", "config_directory"], check_rc=True)[1].strip()
    instances = Look(module.run_command, os.path.dirname(program), directory).instances()
    wanted = plan(instances[0], dane)
    planned = {name: value_text(name, value) for name, value in module.params["planned"].items()}
    instances[0] = dataclasses.replace(
        instances[0],
        parameters={**instances[0].parameters, **{name: value or "" for name, value in planned.items()}},
        explicit=instances[0].explicit | {name for name, value in planned.items() if value is not None},
    )
    software = Postfix(module.run_command, os.path.dirname(program), directory).software()
    found = without_support(software, module.params["exceptions"])
    found += [entry for instance in instances for entry in judge(instance, module.params["exceptions"])]
    shown = [_shown(instance) for instance in instances]
    return {
        "installed": True,
        "instances": shown,
        "findings": [
            {**entry.finding.as_dict(), "exception": entry.exception, "accepted": entry.accepted} for entry in found
        ],
        "open": [entry.sentence() for entry in found if not entry.accepted],
        "accepted": [entry.sentence() for entry in found if entry.accepted],
        **_plan_result(wanted),
        "changed_since": _changed_since(directory, wanted, module.params["record"]),
        "worse": worse(module.params["before"] or {}, shown),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dane": {"type": "bool", "default": True},
            "exceptions": {"type": "list", "elements": "str", "default": []},
            "planned": {"type": "dict", "default": {}},
            "before": {"type": "dict"},
            "record": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = gather(module)
    except (PostfixError, ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
