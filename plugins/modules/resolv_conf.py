#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resolv_conf
short_description: Let a host use its own validating resolver only, and prove that it validates
version_added: 0.1.0
description:
  - Asks the resolver on loopback for a signed zone, a bogus zone and an unsigned zone. Only when its answers are those
    of a validating resolver, C(/etc/resolv.conf) is replaced.
  - Then asks again through resolv.conf and the C library, as the programs of the host do. When that does not say the
    same, the former C(/etc/resolv.conf) is put back. So the host is never left without name resolution.
  - Tells DHCP clients and NetworkManager to leave the file alone, and keeps copies in chroot directories equal.
  - Runs on the mail server and needs nothing but Python's standard library there. It never starts or configures the
    resolver; role C(mailsec.dane.resolver) does.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
attributes:
  check_mode:
    support: full
    details:
      - The resolver is asked in check mode, too, but what is found is returned and warned of and does not let the task
        fail, because the task that installs the resolver may have been predicted only.
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - Python >= 3.11
  - GNU C library 2.31 or later
options:
  resolvers:
    description: Loopback addresses of the resolver, all of which must be proven.
    type: list
    elements: str
    default: [127.0.0.1]
  options:
    description: Options of resolv.conf. C(trust-ad) lets programs see whether an answer is authentic.
    type: list
    elements: str
    default: [edns0, trust-ad]
  secure_name:
    description: A signed zone.
    type: str
    default: "."
  bogus_name:
    description:
      - A zone whose signatures are wrong on purpose. Empty leaves this proof out.
      - When the zone cannot be reached, that is a warning.
    type: str
    default: ""
  unsigned_name:
    description: A zone without signatures. Empty leaves this proof out.
    type: str
    default: ""
  timeout:
    description: Seconds in which the resolver must come to validate; it may just have been started.
    type: int
    default: 30
  only_prove:
    description: Prove that the resolver validates, waiting for it as long as O(timeout), and change nothing.
    type: bool
    default: false
  port:
    description: Port of the resolver. Another one than 53 can be proven, and not be used, so it needs O(only_prove).
    type: int
    default: 53
  copies:
    description:
      - Copies of resolv.conf that chrooted programs read. Each is kept equal where its directory exists.
    type: list
    elements: path
    default: [/var/spool/postfix/etc/resolv.conf]
seealso:
  - module: mailsec.dane.postfix_info
  - name: resolv.conf(5)
    description: The file and its options.
    link: https://man7.org/linux/man-pages/man5/resolv.conf.5.html
"""

EXAMPLES = r"""
---
- name: Use the resolver of this host, once it is proven
  mailsec.dane.resolv_conf:
    bogus_name: dnssec-failed.org

- name: Look only
  mailsec.dane.resolv_conf:
    bogus_name: dnssec-failed.org
  check_mode: true
  register: path

- name: Tell what is wrong
  ansible.builtin.debug:
    var: path.findings
"""

RETURN = r"""
findings:
  description: What is wrong. Outside check mode the task fails when there is something.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description: Stable code of the finding.
      type: str
      sample: resolver-not-validating
    severity:
      description: One of V(critical), V(error), V(warning) and V(info).
      type: str
      sample: error
    subject:
      description: What it is about.
      type: str
      sample: /etc/resolv.conf
    evidence:
      description: What was observed.
      type: str
      sample: nameserver 192.0.2.53
    expected:
      description: What would have been right.
      type: str
      sample: nameserver 127.0.0.1
    remedy:
      description: What to do.
      type: str
      sample: Let role resolver write it.
    rule:
      description: Where the rule stands.
      type: str
      sample: RFC 7672 section 2.1.1
checks:
  description: What was asked and what came back.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: Kind of zone, and the path when it is not the direct one.
      type: str
      sample: signed zone
    name:
      description: The zone.
      type: str
      sample: .
    seen:
      description: The answer.
      type: str
      sample: NOERROR, AD=1, 1 records
unproven:
  description: What could not be found out, in sentences.
  returned: always
  type: list
  elements: str
  sample: ['the bogus zone cannot be reached']
copies_changed:
  description: The copies that were replaced; programs that read them must be restarted.
  returned: success
  type: list
  elements: str
  sample: [/var/spool/postfix/etc/resolv.conf]
writers:
  description: Programs that were told to leave resolv.conf alone.
  returned: success
  type: list
  elements: str
  sample: [dhclient]
"""

import contextlib
import errno
import ipaddress
import os
import tempfile
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, sort
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.resolver_path import (
    Names,
    Proof,
    check_zone,
    foreign,
    guards,
    prove_path,
    prove_resolver,
    read,
    render,
)

PATH: t.Final = "/etc/resolv.conf"
_UNPROVEN: t.Final = f"The resolver of this host is not proven, and {PATH} was left as it is."


def _check(params: dict[str, t.Any]) -> None:
    if not params["resolvers"]:
        raise ValueError("resolvers is empty: name the loopback address of the resolver")
    for address in params["resolvers"]:
        # The AD bit is worth as much as the network it comes over (RFC 4035 section 4.9.3).
        if not is_address(address) or not ipaddress.ip_address(address).is_loopback:
            raise ValueError(f"resolvers has {address[:80]!r}: only a loopback address can be trusted to say AD")
    for option in ("secure_name", "bogus_name", "unsigned_name"):
        try:
            check_zone(params[option])
        except (ValueError, UnicodeError) as error:
            raise ValueError(f"{option}: {error}") from error
    if params["port"] != 53 and not params["only_prove"]:
        raise ValueError(f"port is {params['port']}: resolv.conf cannot name a port. Set only_prove: true, or port: 53")
    for option in params["options"]:
        if not option or not option.isprintable() or " " in option:
            raise ValueError(f"options has {option!r}: an option is a single word")


def _proven(module: AnsibleModule, names: Names) -> Proof:
    """The proof of all name servers, repeated while waiting can help."""
    params = module.params
    end = time.monotonic() + (0 if module.check_mode else params["timeout"])
    while True:
        proofs = [prove_resolver(address, names, port=params["port"]) for address in params["resolvers"]]
        proof = Proof(
            tuple(item for one in proofs for item in one.findings),
            tuple(item for one in proofs for item in one.unproven),
            tuple(item for one in proofs for item in one.checks),
        )
        if not proof.transient or time.monotonic() >= end:
            return proof
        time.sleep(1)


def _write(path: str, text: str, mode: int = 0o644) -> None:
    """Replace a file, or a link by a file, in one step."""
    handle, temporary = tempfile.mkstemp(prefix=".mailsec-dane-", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.chmod(temporary, mode)
        os.rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        # A file that a container has mounted cannot be replaced, only written.
        if error.errno != errno.EBUSY:
            raise
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)


def _restore(link: str | None, text: str | None) -> None:
    if link is not None:
        temporary = f"{PATH}.mailsec-dane"
        os.symlink(link, temporary)
        os.rename(temporary, PATH)
    elif text is not None:
        _write(PATH, text)
    else:
        os.unlink(PATH)


def _fail(module: AnsibleModule, proof: Proof, what: str) -> None:
    reasons = "; ".join(f"{item.code}: {item.evidence}" for item in proof.findings)
    remedies = " ".join(dict.fromkeys(item.remedy for item in proof.findings))
    module.fail_json(msg=f"{what} {reasons}. {remedies}", **_told(proof, proof.findings))


def _told(proof: Proof, findings: t.Iterable[Finding]) -> dict[str, t.Any]:
    return {
        "findings": [item.as_dict() for item in sort(findings)],
        "unproven": list(proof.unproven),
        "checks": [{"check": check, "name": name, "seen": seen} for check, name, seen in proof.checks],
    }


def _activate(module: AnsibleModule, names: Names, wanted: str, replace: bool, proof: Proof) -> Proof:
    """Put resolv.conf in place and prove the path; put the old one back when it is not proven."""
    link = os.readlink(PATH) if os.path.islink(PATH) else None
    before = read(PATH)
    if replace:
        _write(PATH, wanted)
    refused = bool(names.bogus) and not any(names.bogus in sentence for sentence in proof.unproven)
    try:
        path = prove_path(names, refused)
    except BaseException:
        if replace:
            _restore(link, before)
        raise
    if path.findings and replace:
        _restore(link, before)
        _fail(module, path, f"{PATH} was put back as it was, because programs do not get through it what they need.")
    if path.findings:
        _fail(module, path, f"{PATH} is right, but programs do not get through it what they need.")
    return Proof((), proof.unproven, proof.checks + path.checks)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do the work and return the result; ValueError and OSError with a message for people."""
    params = module.params
    _check(params)
    names = Names(params["secure_name"], params["bogus_name"], params["unsigned_name"])
    if params["only_prove"]:
        proof = _proven(module, names)
        if proof.findings and not module.check_mode:
            _fail(module, proof, _UNPROVEN)
        return {"changed": False, "copies_changed": [], "writers": [], **_told(proof, proof.findings)}
    current = read(PATH) or ""
    wanted = render(current, params["resolvers"], params["options"])
    replace = current != wanted or os.path.islink(PATH)
    writers, warnings = guards()
    copies = {path: read(path) or "" for path in params["copies"] if os.path.isdir(os.path.dirname(path))}
    copies = {path: text for path, text in copies.items() if text != wanted}
    proof = _proven(module, names)
    if not module.check_mode:
        if proof.findings:
            _fail(module, proof, _UNPROVEN)
        proof = _activate(module, names, wanted, replace, proof)
        for writer in writers:
            _write(writer.path, writer.content, writer.mode)
            if writer.reload:
                module.run_command(["systemctl", "try-reload-or-restart", writer.reload])
        for path in copies:
            _write(path, wanted)
    findings = (*proof.findings, *(foreign(current, params["resolvers"]) if module.check_mode else ()))
    for sentence in (*warnings, *(f"not proven: {sentence}" for sentence in proof.unproven)):
        module.warn(sentence)
    if module.check_mode:
        for item in findings:
            module.warn(f"{item.code}: {item.evidence}. {item.remedy}")
    changed = [(PATH, current, wanted)] if replace else []
    changed += [(path, text, wanted) for path, text in copies.items()]
    changed += [(writer.path, "", writer.content) for writer in writers]
    return {
        "changed": bool(replace or writers or copies),
        "copies_changed": list(copies),
        "writers": [writer.name for writer in writers],
        "diff": [
            {"before_header": path, "after_header": path, "before": old, "after": new} for path, old, new in changed
        ],
        **_told(proof, findings),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "resolvers": {"type": "list", "elements": "str", "default": ["127.0.0.1"]},
            "options": {"type": "list", "elements": "str", "default": ["edns0", "trust-ad"]},
            "secure_name": {"type": "str", "default": "."},
            "bogus_name": {"type": "str", "default": ""},
            "unsigned_name": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 30},
            "only_prove": {"type": "bool", "default": False},
            "port": {"type": "int", "default": 53},
            "copies": {"type": "list", "elements": "path", "default": ["/var/spool/postfix/etc/resolv.conf"]},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
