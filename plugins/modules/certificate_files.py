#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_files
short_description: Make, prove and switch the key and certificates of a mail server
version_added: 0.1.0
description:
  - Keeps the private key and the certificate chain of a mail server in one directory, on the mail server itself. The
    key never leaves it.
  - C(staged/key.pem) and C(staged/chain.pem) are what is to be deployed; C(next/) is the same for the next key.
  - C(live/keychain.pem) has key and chain in one file for the mail server to read, and changes by one rename.
    C(live/chain.pem) is its public part. The former pair is kept in C(previous/).
  - Nothing becomes live before it is proven. The key belongs to the certificate, every certificate was issued by the
    next one, all are in date, the certificate is good for every name, and nobody else may write to the files.
  - A run that was cut off is completed by the next one.
  - The key of the live certificate is never changed without O(new_key=true), because TLSA records may depend on it.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
attributes:
  check_mode:
    support: full
    details:
      - A certificate for a key that would only be made cannot be requested, so what follows from it is told in words.
  diff_mode:
    support: full
    details:
      - Shows public keys as digests, names and dates; never a key.
  idempotent:
    support: full
requirements:
  - openssl >= 3.0, the command
options:
  state:
    description:
      - V(prepared) makes the key when there is none, and returns a request when a new certificate is needed.
      - V(staged) puts a certificate into the slot.
      - V(deployed) does so when a certificate is given, then makes the content of the slot live.
      - V(returned) makes the key and chain live again that were live before the last deployment of the slot V(next).
      - V(adopted) takes over key and chain that the mail server presents already. It changes nothing when something is
        live.
    type: str
    choices: [prepared, staged, deployed, returned, adopted]
    required: true
  directory:
    description: The directory of the mail server's key and certificates.
    type: path
    default: /etc/mailsec-dane
  slot:
    description: V(staged) is for the key in use, V(next) for the next key.
    type: str
    choices: [staged, next]
    default: staged
  names:
    description: Names of the mail server, its host name first, as A-labels.
    type: list
    elements: str
    required: true
  key_type:
    description:
      - Type of a key that has to be made. A key that exists is kept; a warning says so when it is of another type.
    type: str
    choices: [ecdsa-p256, ecdsa-p384, rsa-3072, rsa-4096]
    default: ecdsa-p256
  issuers:
    description:
      - The CA certificates that follow the server's own, as PEM text, up to and including the one that a C(2 1 1)
        record names.
      - Needed for O(state=prepared) and with O(certificate).
    type: str
  renew_days:
    description:
      - With O(state=prepared), a new certificate is needed when one of the chain has fewer days left.
      - With O(state=deployed), a warning is given then.
    type: int
    default: 30
  certificate:
    description: The certificate to stage, as PEM text. It must belong to the key in the slot.
    type: str
  key_file:
    description:
      - File on the mail server with a private key to stage, for certificates that are made elsewhere. It must belong to
        root or the user that runs the module. Its group may read it, nobody else may.
      - Symbolic links are followed, for instance C(/etc/letsencrypt/live/mx.example.nl/privkey.pem) of certbot, unless
        somebody else could redirect one. So each directory on the way to the file must belong to root or that user, and
        be writable by nobody else.
    type: path
  chain_file:
    description:
      - File on the mail server with the certificate chain to stage, the server's own first. For links holds what
        O(key_file) says.
    type: path
  renew_adopted:
    description:
      - With O(state=prepared) and O(state=staged), when the key in use was adopted, stage the certificate that is now
        in the files it came from, and nothing else. No certificate is requested then.
      - A warning is given, and nothing is staged, when these files have another key or are gone. The key in use stays.
    type: bool
    default: false
  new_key:
    description: Allow O(state=deployed) to change the key of the live certificate.
    type: bool
    default: false
  new_issuer:
    description:
      - Allow O(state=deployed) to change the CA that issued the live certificate. With V(false) a CA may be renewed,
        but not have another key, because TLSA records may depend on it.
    type: bool
    default: true
  public_key:
    description:
      - With O(state=deployed), SHA-256 of the public key that must be in the slot, in hex. Any other is not deployed.
      - With O(state=adopted), that of the key that the mail server presents.
    type: str
  journal:
    description:
      - With O(state=deployed) and O(state=returned), the journal whose lease must be held at that moment.
    type: path
  token:
    description: What proves the lease, from M(mailsec.dane.rotation_journal).
    type: str
seealso:
  - module: mailsec.dane.tlsa_info
  - module: community.crypto.x509_certificate_pipe
"""

EXAMPLES = r"""
---
- name: Make the key on the mail server and ask for a certificate when one is needed
  mailsec.dane.certificate_files:
    state: prepared
    names: [mx.example.nl]
    issuers: "{{ lookup('ansible.builtin.file', 'authority/chain.pem') }}"
  register: prepared

- name: Sign the request elsewhere
  community.crypto.x509_certificate_pipe:
    csr_content: "{{ prepared.csr }}"
    provider: ownca
    ownca_path: authority/issuing.pem
    ownca_privatekey_path: authority/issuing.key
  delegate_to: localhost
  register: signed
  when: prepared.csr | length > 0

- name: Prove key and chain, and switch to them
  mailsec.dane.certificate_files:
    state: deployed
    names: [mx.example.nl]
    certificate: "{{ signed.certificate | default(omit) }}"
    issuers: "{{ lookup('ansible.builtin.file', 'authority/chain.pem') }}"
"""

RETURN = r"""
actions:
  description: What was changed, or would be in check mode, in words.
  returned: success
  type: list
  elements: str
  sample: [write /etc/mailsec-dane/live/keychain.pem]
reasons:
  description: Why a new certificate is needed; empty when none is.
  returned: with O(state=prepared)
  type: list
  elements: str
  sample: [CN=mx.example.nl has 12 days left]
csr:
  description:
    - The certificate request as PEM text.
    - Empty when none is needed, and in check mode when the key would only be made or O(issuers) is empty.
  returned: with O(state=prepared)
  type: str
  sample: "-----BEGIN CERTIFICATE REQUEST-----\nMIIB...\n-----END CERTIFICATE REQUEST-----\n"
deployed:
  description: Whether the mail server has, or would have, another key or chain to read than before.
  returned: with O(state=deployed) and O(state=returned)
  type: bool
  sample: true
problem:
  description: V(lost) when the task failed because another run may have the lease by now.
  returned: failure, with O(journal)
  type: str
  sample: ''
adopted:
  description: Where the key in use came from when it was in use before this collection; null otherwise.
  returned: success
  type: dict
  contains:
    public_key:
      description: SHA-256 of the public key, in hex.
      type: str
      sample: "a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00"
    key_file:
      description: The file the key was read from.
      type: str
      sample: /etc/letsencrypt/live/mx.example.nl/privkey.pem
    chain_file:
      description: The file the certificates were read from.
      type: str
      sample: /etc/letsencrypt/live/mx.example.nl/fullchain.pem
live:
  description: What is live; before the change in check mode. Null when nothing is.
  returned: success
  type: dict
  contains:
    spki_sha256:
      description: SHA-256 of the public key, the data of a C(3 1 1) record.
      type: str
      sample: "a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00"
    names:
      description: DNS names of the certificate.
      type: list
      elements: str
      sample: [mx.example.nl]
    subjects:
      description: Subjects of the chain.
      type: list
      elements: str
      sample: [CN=mx.example.nl]
    sha256:
      description: SHA-256 of the chain as PEM text.
      type: str
      sample: "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2"
    not_after:
      description: First moment at which one of the chain expires, ISO 8601, UTC.
      type: str
      sample: '2027-02-22T12:00:00Z'
    days_left:
      description: Whole days until then.
      type: int
      sample: 83
"""

import dataclasses
import hashlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._clock import read_clocks
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import certificate_files as core
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import openssl as mailhost_openssl
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.source_file import FilesError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal_file
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.journal import JournalError


def _given(files: core.Files, params: dict[str, t.Any]) -> tuple[tuple[str, ...], t.Any]:
    """Return the chain to stage and, when it comes with its key, that key; else None."""
    if params["certificate"]:
        return core.read_chain(params["certificate"], "option certificate") + _issuers(params), None
    texts: list[str] = []
    for option, private in (("key_file", True), ("chain_file", False)):
        text = files.read_source(params[option], private)
        if text is None:
            raise FilesError(f"{option} {params[option]} does not exist")
        texts.append(text)
    key, chain = texts
    return core.read_chain(chain, params["chain_file"]), core.read_key(key, params["key_file"])


def _issuers(params: dict[str, t.Any]) -> tuple[str, ...]:
    if not (params["issuers"] or "").strip():
        raise FilesError(
            "option issuers is empty: the certificate authority has no chain yet. "
            "Apply the role certificate_authority first"
        )
    return core.read_chain(params["issuers"], "option issuers")


def _renew_adopted(files: core.Files, names: tuple[str, ...], slot: str) -> list[str]:
    """Stage what the files of an adopted key have now; returns warnings."""
    source = t.cast("core.Adopted", files.adopted())
    kept = f"the mail server keeps the key and certificate it has ({files.directory}/live)"
    try:
        chain, key = _given(files, {"certificate": None, "key_file": source.key_file, "chain_file": source.chain_file})
    except FilesError as error:
        return [f"the files of the adopted key cannot be read: {error}; {kept}"]
    if hashlib.sha256(files.public_key(key, source.key_file)).hexdigest() != source.public_key:
        return [
            f"{source.key_file} has another key by now than the one that was adopted; {kept}. To use another key, run "
            "the playbook mailsec.dane.rotate"
        ]
    files.stage(slot, chain, names, key)
    return []


def work(files: core.Files, params: dict[str, t.Any]) -> tuple[dict[str, t.Any], list[str]]:
    """Do what ``params`` say; returns results and warnings. ValueError with a message for people."""
    names = core.check_names(params["names"])
    slot, warnings = params["slot"], []
    result: dict[str, t.Any] = {}
    if params["renew_adopted"] and files.adopted() is not None:
        if params["state"] == "prepared":
            result.update(reasons=[], csr="")
        return result, _renew_adopted(files, names, slot)
    if params["state"] == "prepared":
        # In check mode the authority may be as yet announced only; then there is nobody to send a request to.
        signer = files.change or bool((params["issuers"] or "").strip())
        wish = core.Wish(names, _issuers(params) if signer else (), params["renew_days"], params["key_type"])
        result["reasons"], request = files.prepare(slot, wish)
        result["csr"] = request if signer else ""
        key = files.key(slot)
        if key is not None:
            kind = mailhost_openssl.key_type_of(files.public_key(key, slot))
            if kind != params["key_type"]:
                warnings.append(f"the key in {files.directory}/{slot} stays {kind}; only a rotation makes another one")
        return result, warnings
    if params["state"] == "adopted":
        chain, key = _given(files, params)
        source = core.Adopted(params["public_key"].lower(), params["key_file"], params["chain_file"])
        result["deployed"] = files.adopt(core.Pair(key, chain), source)
        return result, warnings
    if params["certificate"] or params["key_file"]:
        chain, key = _given(files, params)
        files.stage(slot, chain, names, key)
    if params["journal"] and files.change:
        journal_file.require(params["journal"], params["token"], read_clocks())
    if params["state"] == "returned":
        result["deployed"] = files.go_back(names)
        return result, warnings
    if params["state"] == "deployed":
        if not files.change and (files.key(slot) is None or files.chain(slot) is None):
            files.actions.append(f"deploy what would be in {files.directory}/{slot}")
            return {"deployed": True}, warnings
        result["deployed"] = files.deploy(
            slot, names, params["new_key"], params["new_issuer"], params["public_key"] or None
        )
        shown = files.describe(files.live())
        if shown and shown["days_left"] < params["renew_days"]:
            warnings.append(f"a certificate of {files.directory}/live expires in {shown['days_left']} days")
    return result, warnings


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["prepared", "staged", "deployed", "returned", "adopted"],
                "required": True,
            },
            "directory": {"type": "path", "default": "/etc/mailsec-dane"},
            "slot": {"type": "str", "choices": list(core.SLOTS), "default": core.STAGED},
            "names": {"type": "list", "elements": "str", "required": True},
            "key_type": {"type": "str", "choices": sorted(mailhost_openssl.KEY_TYPES), "default": "ecdsa-p256"},
            "issuers": {"type": "str"},
            "renew_days": {"type": "int", "default": 30},
            "certificate": {"type": "str"},
            "key_file": {"type": "path", "no_log": False},
            "chain_file": {"type": "path"},
            "renew_adopted": {"type": "bool", "default": False},
            "new_key": {"type": "bool", "default": False, "no_log": False},
            "new_issuer": {"type": "bool", "default": True},
            "public_key": {"type": "str", "no_log": False},
            "journal": {"type": "path"},
            "token": {"type": "str", "no_log": False},
        },
        mutually_exclusive=[("certificate", "key_file"), ("certificate", "chain_file")],
        required_together=[("key_file", "chain_file")],
        required_by={"certificate": "issuers", "journal": "token"},
        required_if=[
            ("state", "prepared", ["issuers"]),
            ("state", "staged", ["certificate", "key_file", "renew_adopted"], True),
            ("state", "adopted", ["key_file", "chain_file", "public_key"]),
        ],
        supports_check_mode=True,
    )
    for option in ("certificate", "issuers"):
        if "PRIVATE KEY-----" in (module.params[option] or ""):
            module.no_log_values.add(module.params[option])
            module.fail_json(msg=f"option {option} holds a private key; it is for certificates only")
    os.umask(0o077)

    def run(argv: list[str], data: str) -> tuple[int, str, str]:
        return t.cast(
            "tuple[int, str, str]", module.run_command(argv, data=data, binary_data=True, handle_exceptions=True)
        )

    openssl = mailhost_openssl.Openssl(run, module.get_bin_path("openssl", required=True))
    files = core.Files(module.params["directory"], openssl, change=not module.check_mode)
    try:
        with files.locked():
            before = files.describe(files.live())
            result, warnings = work(files, module.params)
            after = files.describe(files.live())
            source = files.adopted()
    except JournalError as error:
        module.fail_json(msg=str(error), actions=files.actions, problem=error.problem)
    except ValueError as error:
        module.fail_json(msg=str(error), actions=files.actions)
    for warning in warnings:
        module.warn(warning)
    result["adopted"] = dataclasses.asdict(source) if source else None
    result.update(changed=bool(files.actions), actions=files.actions, live=before if module.check_mode else after)
    if module._diff:
        done = "".join(f"{action}\n" for action in files.actions)
        result["diff"] = [{"before": before or {}, "after": after or {}}, {"prepared": done}]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
