#!/usr/bin/python
# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postfix_info
short_description: What the Postfix of a host can do, and whether it does
version_added: 0.1.0
description:
  - Tells the installed version, its TLS library and whether it supports DANE for outgoing mail, as Postfix itself says.
    M(mailsec.dane.outbound_info) tells whether its configuration has that switched on.
  - With O(keychain_file), fails when a mail server could not work with that file.
  - With O(probe_address), fails when no STARTTLS session comes about there, or when the certificate that is served is
    not that of O(keychain_file). This is a look from inside; M(mailsec.dane.starttls_info) looks from outside.
  - Runs on the mail server and needs nothing but Python's standard library there.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
requirements:
  - Python >= 3.11
options:
  keychain_file:
    description:
      - File with a private key, its certificate and the certificates above it, in this order.
      - In check mode a file that does not exist is a warning, because the task that makes it may have been predicted.
    type: path
  probe_address:
    description: IP address of this host at which Postfix listens.
    type: str
  probe_port:
    description: Port to probe.
    type: int
    default: 25
  probe_timeout:
    description: Seconds until Postfix must answer; it may just have been started.
    type: int
    default: 30
seealso:
  - module: mailsec.dane.postconf
  - module: mailsec.dane.outbound_info
  - module: mailsec.dane.starttls_info
"""

EXAMPLES = r"""
---
- name: Which of our servers support DANE for outgoing mail?
  mailsec.dane.postfix_info:
  register: postfix

- name: Tell
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }}: {{ postfix.software.outbound_dane | default('no Postfix') }}"

- name: Prove that the new certificate is in use
  mailsec.dane.postfix_info:
    keychain_file: /etc/mailsec-dane/live/keychain.pem
    probe_address: 127.0.0.1
"""

RETURN = r"""
installed:
  description: Whether Postfix is installed.
  returned: success
  type: bool
software:
  description: What is installed; null without Postfix.
  returned: success
  type: dict
  contains:
    version:
      description: Version of Postfix.
      type: str
      sample: 3.7.11
    tls_library:
      description: TLS library that is used at run time.
      type: str
      sample: OpenSSL 3.0.22 25 Aug 2026
    outbound_dane:
      description: Whether the installed software supports DANE for outgoing mail; null when that cannot be told.
      type: bool
      sample: true
    reason:
      description: Why.
      type: str
keychain_file:
  description: O(keychain_file) as given, else null.
  returned: success
  type: str
  sample: /etc/mailsec-dane/live/keychain.pem
probe:
  description: The session with O(probe_address).
  returned: when O(probe_address) is given
  type: dict
  contains:
    tls_version:
      description: Version of TLS.
      type: str
      sample: TLSv1.3
    cipher:
      description: Cipher suite.
      type: str
      sample: TLS_AES_256_GCM_SHA384
    fingerprint_sha256:
      description: SHA-256 of the certificate that is served, lower-case hex.
      type: str
"""

import dataclasses
import hashlib
import os
import smtplib
import ssl
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._keychain import leaf_fingerprints, problem
from ansible_collections.mailsec.dane.plugins.module_utils._postfix import Postfix, PostfixError


def _session(address: str, port: int, timeout: float) -> dict[str, str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Who answers on this host is not in doubt; which certificate it serves is compared below.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with smtplib.SMTP(address, port, timeout=timeout) as server:
        server.starttls(context=context)
        secured = t.cast("ssl.SSLSocket", server.sock)
        served = secured.getpeercert(binary_form=True) or b""
        return {
            "tls_version": secured.version() or "",
            "cipher": (secured.cipher() or ("",))[0],
            "fingerprint_sha256": hashlib.sha256(served).hexdigest(),
        }


def _probe(address: str, port: int, timeout: float) -> dict[str, str]:
    """Return what is served, as soon as it is; ValueError with the last reason when the time is over."""
    end = time.monotonic() + timeout
    while True:
        try:
            return _session(address, port, max(1.0, end - time.monotonic()))
        except (OSError, smtplib.SMTPException) as error:
            reason = " ".join(str(error).split())[:300]
        if time.monotonic() > end:
            raise ValueError(f"no STARTTLS session with {address} port {port} within {timeout:g} s: {reason}")
        time.sleep(0.2)


def gather(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the result; ValueError and PostfixError with a message for people."""
    keychain = module.params["keychain_file"]
    wrong = problem(keychain) if keychain else ""
    if wrong and module.check_mode and not os.path.exists(keychain):
        module.warn(f"{wrong}; outside check mode this is an error")
    elif wrong:
        raise ValueError(f"keychain_file: {wrong}")
    result: dict[str, t.Any] = {"installed": False, "software": None, "keychain_file": keychain}
    program = module.get_bin_path("postconf", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if program:
        directory = module.run_command([program, "-dh", "config_directory"], check_rc=True)[1].strip()
        postfix = Postfix(module.run_command, os.path.dirname(program), directory)
        software = postfix.software()
        result |= {"installed": True, "software": dataclasses.asdict(software)}
    if module.params["probe_address"]:
        served = _probe(module.params["probe_address"], module.params["probe_port"], module.params["probe_timeout"])
        if keychain and not wrong and served["fingerprint_sha256"] not in leaf_fingerprints(keychain):
            raise ValueError(
                f"{module.params['probe_address']} port {module.params['probe_port']} serves the certificate with"
                f" SHA-256 {served['fingerprint_sha256']}, which is not that of {keychain}"
            )
        result["probe"] = served
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "keychain_file": {"type": "path"},
            "probe_address": {"type": "str"},
            "probe_port": {"type": "int", "default": 25},
            "probe_timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    try:
        result = gather(module)
    except (PostfixError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
