#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: outbound_probe
short_description: Try a delivery that DANE must refuse
version_added: 0.1.0
description:
  - Has the Postfix of a host try mail to a domain whose TLSA record does not match its certificate, and tells whether
    Postfix refused the receiver. All settings that decide about real mail decide about this one as well.
  - The probe is C(sendmail -bv) with an empty sender. Postfix connects, starts TLS and goes on to C(RCPT TO) where it
    would deliver; it sends no message, tries once, writes no report, and nothing stays in the queue.
  - The result is read from the mail log, in the file that C(maillog_file) names, in the journal or in C(/var/log).
  - Runs on the mail server and needs nothing but Python's standard library there.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is tried in check mode; the outcome is V(unknown).
  diff_mode:
    support: N/A
    details:
      - Nothing is changed.
  idempotent:
    support: full
    details:
      - Nothing is changed.
requirements:
  - Python >= 3.11
options:
  destination:
    description:
      - Domain whose mail exchanger has a TLSA record that does not match its certificate, on purpose.
      - Use one of your own. Every run connects to it.
    type: str
    required: true
  config_directory:
    description: Configuration directory of the instance of Postfix. The default is its main one.
    type: path
  timeout:
    description: Seconds until the mail log must have the result.
    type: int
    default: 60
seealso:
  - module: mailsec.dane.outbound_info
"""

EXAMPLES = r"""
---
- name: Try mail that must be refused
  mailsec.dane.outbound_probe:
    destination: wrong-tlsa.example.nl
  register: probe

- name: Prove that it was
  ansible.builtin.assert:
    that: probe.outcome == 'refused'
    fail_msg: "{{ probe.message }}"
"""

RETURN = r"""
outcome:
  description:
    - V(refused) when Postfix did not accept the receiver's certificate, V(accepted) when it went on to C(RCPT TO),
      V(unknown) when neither can be told.
  returned: success
  type: str
  sample: refused
relay:
  description: The host and address that Postfix connected to.
  returned: success
  type: str
  sample: wrong.example.nl[203.0.113.7]:25
reason:
  description: What the mail log says.
  returned: success
  type: str
  sample: Server certificate not verified
message:
  description: What this means for mail and what to do; empty when the receiver was refused.
  returned: success
  type: str
  sample: ""
"""

import dataclasses
import os
import secrets
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound_probe import Outcome, Probe, check_domain
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import PostfixError


def _message(outcome: Outcome, domain: str, directory: str) -> str:
    if outcome.outcome == "refused":
        return ""
    if outcome.outcome == "accepted":
        return (
            f"The Postfix of {directory} took {outcome.relay}, the mail exchanger of {domain}, although its TLSA record"
            f" does not match its certificate ({outcome.reason}): outgoing mail is not validated with DANE. See which"
            " setting does this: ansible HOST -m mailsec.dane.outbound_info"
        )
    return (
        f"The Postfix of {directory} neither refused nor accepted the mail exchanger of {domain} ({outcome.reason}),"
        " so it is not proven that outgoing mail is validated with DANE. Look at the mail log, or try by hand:"
        f" posttls-finger -c -l dane {domain}"
    )


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the result; ValueError and PostfixError with a message for people."""
    domain = check_domain(module.params["destination"])
    program = module.get_bin_path("postconf", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if program is None:
        raise PostfixError("Postfix is not installed on this host: there is no program postconf")
    directory = module.params["config_directory"]
    if not directory:
        directory = module.run_command([program, "-dh", "config_directory"], check_rc=True)[1].strip()
    if module.check_mode:
        return {**dataclasses.asdict(Outcome("unknown", "", "nothing is tried in check mode")), "message": ""}
    token = f"mailsec-dane-probe-{secrets.token_hex(8)}"
    probe = Probe(module.run_command, os.path.dirname(program), directory, token)
    outcome = probe.send(domain, module.params["timeout"])
    return {**dataclasses.asdict(outcome), "message": _message(outcome, domain, directory)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "destination": {"type": "str", "required": True},
            "config_directory": {"type": "path"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (PostfixError, ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
