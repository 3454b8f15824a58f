#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postconf
short_description: Set parameters and services of Postfix, several at once
version_added: 0.1.0
description:
  - Sets and removes parameters of C(main.cf) and services of C(master.cf), and leaves everything else in these files as
    it is, comments included.
  - The new configuration is first written to a temporary directory and shown to Postfix itself. Unknown names,
    parameters that the installed version does not have, malformed services and values that Postfix programs refuse are
    errors, and nothing is changed then. The files are replaced in one step each.
  - Postfix is not reloaded; RV(restart_needed) says whether a reload would do.
  - Runs on the mail server and needs nothing but Python's standard library there.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
attributes:
  check_mode:
    support: full
    details:
      - On a host without Postfix, check mode says that everything would be set, as it has nothing to ask.
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - Python >= 3.11
options:
  parameters:
    description:
      - Parameters of C(main.cf) by name.
      - Truth values become V(yes) and V(no), lists are joined by commas, white space is reduced to single spaces.
      - A null value removes the parameter, so that Postfix's own default applies.
      - Secrets do not belong in C(main.cf). Give paths of files instead of passwords.
    type: dict
    default: {}
  parameters_by_version:
    description:
      - Further parameters, for installed versions that are new enough. Later entries win over earlier ones and over
        O(parameters).
    type: list
    elements: dict
    default: []
    suboptions:
      minimum_postfix:
        description: First version of Postfix that gets O(parameters_by_version[].parameters).
        type: str
        default: ""
      minimum_openssl:
        description: First version of OpenSSL that gets them, as Postfix uses it at run time.
        type: str
        default: ""
      parameters:
        description: As O(parameters).
        type: dict
        required: true
  services:
    description:
      - Services of C(master.cf). What is not given stays as it is, or is V(-) for a new service.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: First field, for instance V(submission), V(smtp) or V(127.0.0.1:10025).
        type: str
        required: true
      type:
        description: Second field.
        type: str
        required: true
        choices: [inet, unix, unix-dgram, fifo, pass]
      state:
        description: Whether the service shall be there.
        type: str
        choices: [present, absent]
        default: present
      private:
        description: Third field. A new service of type C(inet) gets V(n), as it cannot be private.
        type: str
      unprivileged:
        description: Fourth field.
        type: str
      chroot:
        description: Fifth field.
        type: str
      wakeup:
        description: Sixth field.
        type: str
      process_limit:
        description: Seventh field.
        type: str
      command:
        description: Eighth field, the program. Needed for a new service.
        type: str
      parameters:
        description: Settings of C(-o). A null value removes one, others stay.
        type: dict
        default: {}
      arguments:
        description: Arguments behind the settings, for instance C(flags=) and C(argv=) of pipe(8).
        type: str
  inbound:
    description:
      - Settings of C(-o) for the services through which mail comes in. C(main.cf) and all other services keep theirs.
      - For C(postscreen) they go to the processes that serve its clients, C(tlsproxy) and the C(smtpd) of type C(pass),
        under the names that these have for them.
      - A service with an address of its own and a certificate of its own, in its C(-o) settings, stays as it is, unless
        that certificate is the one of the other services or the one to be set. A security level C(encrypt) stays.
      - O(services) are set first, and win.
    type: dict
    suboptions:
      services:
        description:
          - Services by name and type, for instance V(smtp/inet).
          - Empty means all of C(smtpd) and C(postscreen) on port 25.
        type: list
        elements: str
        default: []
      parameters:
        description: Parameters as C(smtpd) has them. A null value removes one.
        type: dict
        required: true
      parameters_by_version:
        description: As O(parameters_by_version).
        type: list
        elements: dict
        default: []
        suboptions:
          minimum_postfix:
            description: First version of Postfix that gets O(inbound.parameters_by_version[].parameters).
            type: str
            default: ""
          minimum_openssl:
            description: First version of OpenSSL that gets them, as Postfix uses it at run time.
            type: str
            default: ""
          parameters:
            description: As O(inbound.parameters).
            type: dict
            required: true
  record:
    description:
      - Label under which is kept what this task sets, so that O(state=returned) can take it out again, and that
        RV(changed_since) can tell what others changed. The record is in C(/var/lib/mailsec-dane/originals).
      - The files as they were before belong to the same label of module M(mailsec.dane.original_files), with their
        recording in an earlier task.
    type: str
  state:
    description:
      - V(present) sets what is given.
      - V(returned) takes out what all tasks with O(record) have set. When nobody else changed the files since, they
        return to the byte. Otherwise each setting that still has the value that was set returns to its original value;
        RV(kept) says what stays.
    type: str
    choices: [present, returned]
    default: present
  allow_unused:
    description:
      - Names in O(parameters) that may be set although nothing uses them yet.
    type: list
    elements: str
    default: []
  config_directory:
    description:
      - Directory of C(main.cf) and C(master.cf). The default is that of the default instance.
    type: path
seealso:
  - module: mailsec.dane.postfix_info
  - name: postconf(5)
    description: Postfix configuration parameters.
    link: https://www.postfix.org/postconf.5.html
"""

EXAMPLES = r"""
---
- name: Offer STARTTLS
  mailsec.dane.postconf:
    parameters:
      smtpd_tls_security_level: may
      smtpd_tls_chain_files: /etc/mailsec-dane/live/keychain.pem
      smtpd_tls_protocols: ">=TLSv1.2"
      smtpd_tls_cert_file: null
      smtpd_tls_key_file: null
    parameters_by_version:
      - minimum_postfix: "3.8"
        parameters:
          tls_ffdhe_auto_groups: ""
  register: settings
  notify: Reload Postfix

- name: Offer STARTTLS to other mail servers; clients on the submission ports keep their certificate
  mailsec.dane.postconf:
    inbound:
      parameters:
        smtpd_tls_security_level: may
        smtpd_tls_chain_files: /etc/mailsec-dane/live/keychain.pem
        smtpd_tls_protocols: ">=TLSv1.2"

- name: A submission service
  mailsec.dane.postconf:
    services:
      - name: submission
        type: inet
        command: smtpd
        parameters:
          syslog_name: postfix/submission
          smtpd_tls_security_level: encrypt

- name: Look for differences in a second instance
  mailsec.dane.postconf:
    config_directory: /etc/postfix-out
    parameters:
      smtp_tls_security_level: dane
      smtp_dns_support_level: dnssec
  check_mode: true
  diff: true
"""

RETURN = r"""
parameters:
  description: The parameters that changed, with their value before and after; null is not set.
  returned: success
  type: dict
  sample:
    smtpd_tls_security_level: {before: null, after: may}
services:
  description: The services that changed, with their entry before and after; null is not there.
  returned: success
  type: dict
  sample:
    submission/inet: {before: null, after: "submission inet n - - - - smtpd"}
inbound:
  description: The services that O(inbound) is about.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name and type in C(master.cf).
      type: str
      sample: 203.0.113.8:smtp/inet
    address:
      description: Where it listens; empty means the addresses of C(inet_interfaces).
      type: str
      sample: 203.0.113.8
    port:
      description: Where it listens.
      type: int
      sample: 25
    set:
      description: Whether it has the settings.
      type: bool
      sample: false
    reason:
      description: Why it stays as it is.
      type: str
      sample: has an address and a certificate of its own (/etc/ssl/b.pem)
kept:
  description: What O(state=returned) leaves, because it was changed since it was set.
  returned: when O(state=returned)
  type: list
  elements: str
  sample: ["smtp_tls_security_level in main.cf stays encrypt: it was changed since"]
certificates:
  description:
    - The services on port 25 whose certificates O(state=returned) changes, with the SHA-256 of each leaf certificate.
      A service without TLS has none.
  returned: when O(state=returned)
  type: list
  elements: dict
  contains:
    name:
      description: Name and type in C(master.cf).
      type: str
      sample: smtp/inet
    before:
      description: What it serves now.
      type: list
      elements: str
      sample: [f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2]
    after:
      description: What it serves afterwards.
      type: list
      elements: str
      sample: [a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
changed_since:
  description:
    - In sentences, what this task has to set again. A task with the same O(record) had set it, and another program or
      person has changed it since.
  returned: when O(state=present)
  type: list
  elements: str
  sample:
    - >-
      This collection set smtp_tls_security_level in main.cf to dane, and another program or person has changed it to
      may since.
restart_needed:
  description: Whether a reload is not enough for what changed.
  returned: success
  type: bool
  sample: false
config_directory:
  description: The directory that was looked at; null in check mode on a host without Postfix.
  returned: success
  type: str
  sample: /etc/postfix
queue_directory:
  description: Postfix's queue directory, which is also the root directory of chrooted services.
  returned: when Postfix is installed
  type: str
  sample: /var/spool/postfix
software:
  description: What is installed; null in check mode on a host without Postfix.
  returned: success
  type: dict
  contains:
    version:
      description: Version of Postfix.
      type: str
      sample: 3.10.13
    tls_library:
      description: TLS library that is used at run time.
      type: str
      sample: OpenSSL 3.5.9 29 Sep 2026
    outbound_dane:
      description: Whether the installed software supports DANE for outgoing mail; null when that cannot be told.
      type: bool
      sample: true
    reason:
      description: Why.
      type: str
      sample: ''
warnings_of_postfix:
  description: What Postfix says about entries that this task does not set.
  returned: when Postfix is installed
  type: list
  elements: str
  sample: []
"""

import dataclasses
import os
import shutil
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.inbound import (
    CHAIN_FILES,
    PORT,
    Choice,
    choices,
    fingerprints,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.inbound import wishes as inbound_wishes
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.originals import Originals
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.owner import mount_points
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import (
    COLUMNS,
    NEED_RESTART,
    SERVICE_TYPES,
    ServiceWish,
    parameters,
    services,
    set_parameters,
    set_services,
    value_text,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import (
    Postfix,
    PostfixError,
    Software,
    unknown_parameter,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.services import Configuration, inbound_services
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.way_back import (
    Settings,
    Texts,
    load,
    path_of,
    save,
    taken_out,
    texts_in,
)

_VALIDATION_FILES: t.Final = ("dynamicmaps.cf", "dynamicmaps.cf.d")


def _texts(wanted: dict[str, t.Any]) -> dict[str, str | None]:
    return {str(name): value_text(str(name), value) for name, value in wanted.items()}


def _wishes(params: dict[str, t.Any]) -> list[ServiceWish]:
    return [
        ServiceWish(
            entry["name"],
            entry["type"],
            {column: entry[column] for column in COLUMNS if entry[column] is not None},
            _texts(entry["parameters"]),
            entry["arguments"],
            entry["state"] == "present",
        )
        for entry in params["services"]
    ]


def _by_version(params: dict[str, t.Any], software: Software | None) -> dict[str, str | None]:
    wanted = _texts(params["parameters"])
    for entry in params["parameters_by_version"]:
        further = _texts(entry["parameters"])
        if software and software.at_least(entry["minimum_postfix"], entry["minimum_openssl"]):
            wanted.update(further)
    return wanted


def _wanted(params: dict[str, t.Any], software: Software | None) -> dict[str, str | None]:
    wanted = _by_version(params, software)
    for name, value in wanted.items():
        dane = name.endswith("_tls_security_level") and str(value).startswith("dane")
        if dane and software and software.outbound_dane is not True:
            raise PostfixError(f"{name} cannot be {value}: {software.reason}")
    return wanted


def _inbound(
    params: dict[str, t.Any],
    postfix: Postfix,
    software: Software,
    main: dict[str, str | None],
    master: str,
    wishes: list[ServiceWish],
) -> tuple[list[Choice], list[ServiceWish]]:
    """Return which services mail comes in through, and what becomes of them behind ``main`` and ``wishes``."""
    if params["inbound"] is None:
        return [], []
    wanted = _by_version(params["inbound"], software)
    now = postfix.configuration()
    set_here = {name: value for name, value in main.items() if value is not None}
    then = Configuration({**now.raw, **set_here}, {**now.expanded, **set_here}, services(set_services(master, wishes)))
    chosen = choices(then, params["inbound"]["services"], wanted.get(CHAIN_FILES) or "")
    ours = {(wish.name, wish.type): wish.options for wish in wishes}
    found = [
        dataclasses.replace(
            wish,
            options={
                name: value for name, value in wish.options.items() if name not in ours.get((wish.name, wish.type), {})
            },
        )
        for wish in inbound_wishes(then, chosen, wanted, now.raw)
    ]
    return chosen, found


def _written(module: AnsibleModule, files: Texts, source: str) -> str:
    directory = tempfile.mkdtemp(prefix="postconf-", dir=module.tmpdir)
    for name, text in files.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
    for name in _VALIDATION_FILES:
        path = os.path.join(source, name)
        if os.path.isdir(path):
            shutil.copytree(path, os.path.join(directory, name))
        elif os.path.exists(path):
            shutil.copy(path, directory)
    return directory


def _accepted(module: AnsibleModule, postfix: Postfix, files: Texts) -> str:
    """What Postfix has against the files, '' for nothing."""
    directory = _written(module, files, postfix.directory)
    try:
        postfix.at(directory).check_values()
    except PostfixError as error:
        return str(error).replace(directory, postfix.directory)
    finally:
        shutil.rmtree(directory)
    return ""


def _validate(
    module: AnsibleModule,
    postfix: Postfix,
    software: Software,
    old: Texts,
    new: Texts,
    wanted: dict[str, str | None],
    wishes: list[ServiceWish],
) -> list[str]:
    """Have Postfix read the new files; return its warnings that are not about our entries."""
    directory = _written(module, new, postfix.directory)
    proposed = postfix.at(directory)
    try:
        proposed.check_services()
        got, warnings = proposed.explicit()
        unused = [line.partition("unused parameter: ")[2].partition("=")[0].strip() for line in warnings]
        for name, value in wanted.items():
            if value is not None and name in unused and name not in module.params["allow_unused"]:
                raise PostfixError(unknown_parameter(name, software, postfix.known()))
            # An unused parameter has no place in what Postfix shows.
            if name not in unused and got.get(name) != value:
                raise PostfixError(f"parameter {name} would not have the wanted value in {postfix.directory}/main.cf")
        for wish in wishes:
            for name, value in wish.options.items() if wish.present else ():
                if name in unused:
                    raise PostfixError(unknown_parameter(name, software, postfix.known()))
                if value is not None and proposed.service_option(wish.name, wish.type, name) != value:
                    raise PostfixError(f"service {wish.name}/{wish.type} would not have the wanted value of {name}")
    except PostfixError as error:
        raise PostfixError(str(error).replace(directory, postfix.directory)) from error
    finally:
        shutil.rmtree(directory)
    complaint = _accepted(module, postfix, new)
    # A configuration that was refused before this task is not this task's fault.
    if complaint and not _accepted(module, postfix, old):
        culprits = [
            name
            for name, value in wanted.items()
            if parameters(old.main).get(name) != value
            and _accepted(module, postfix, dataclasses.replace(old, main=set_parameters(old.main, {name: value})))
        ]
        raise PostfixError(f"{complaint} (set by this task: {', '.join(culprits) or 'several together'})")
    ours = {*wanted, *(name for wish in wishes for name in wish.options)}
    texts = (line.replace(directory, postfix.directory) for line in warnings)
    return [line for line, name in zip(texts, unused, strict=True) if name not in ours]


def _replace(module: AnsibleModule, directory: str, old: Texts, new: Texts) -> None:
    if texts_in(directory) != old:
        raise PostfixError(f"somebody else changed the files in {directory} at this moment; run this task again")
    before = dict(old.items())
    mounts = mount_points()
    for name, text in new.items():
        path = os.path.realpath(os.path.join(directory, name))
        if text != before[name] and path in mounts:
            raise PostfixError(
                f"{path} is a mount point of its own, as in containers, and cannot be replaced in one step. Nothing was"
                " changed. Change the file where it is mounted from, or the override files of the container"
            )
    done: list[str] = []
    try:
        for name, text in new.items():
            if text != before[name]:
                _put(module, os.path.realpath(os.path.join(directory, name)), text)
                done.append(name)
    except BaseException:
        # atomic_move ends the module by itself when it cannot go on.
        for name in done:
            _put(module, os.path.realpath(os.path.join(directory, name)), before[name])
        raise


def _put(module: AnsibleModule, path: str, text: str) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".ansible-", dir=os.path.dirname(path))
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
    # Keeps owner, mode and security context of the file that is replaced.
    module.atomic_move(temporary, path)


def _changes(old: Texts, new: Texts) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    before, after = parameters(old.main), parameters(new.main)
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    changed = {name: {"before": before.get(name), "after": after.get(name)} for name in names}
    was, becomes = services(old.master), services(new.master)
    keys = sorted(key for key in {*was, *becomes} if was.get(key) != becomes.get(key))
    lines = [{key: " ".join(table[key].text().split()) for key in table} for table in (was, becomes)]
    entries = {"/".join(key): {"before": lines[0].get(key), "after": lines[1].get(key)} for key in keys}
    return changed, entries


def _diff(directory: str, changes: dict[str, t.Any], entries: dict[str, t.Any]) -> list[dict[str, str]]:
    found = []
    for name, table in (("main.cf", changes), ("master.cf", entries)):
        path = os.path.join(directory, name)
        part = {"before_header": path, "after_header": path}
        for side in ("before", "after"):
            lines = [(key, change[side]) for key, change in table.items() if change[side] is not None]
            texts = (f"{key} = {value}".rstrip() if name == "main.cf" else value for key, value in lines)
            part[side] = "".join(f"{text}\n" for text in texts)
        found += [part] if table else []
    return found


def _bare(module: AnsibleModule, wishes: list[ServiceWish]) -> None:
    """Check mode before Postfix is there: what does not depend on its version would be set."""
    wanted = _wanted(module.params, None)
    changes = {name: {"before": None, "after": value} for name, value in wanted.items() if value is not None}
    entries = {}
    for wish in wishes:
        new = wish.applied(None) if wish.columns.get("command") else None
        if new:
            entries[f"{wish.name}/{wish.type}"] = {"before": None, "after": " ".join(new.text().split())}
    directory = module.params["config_directory"] or "/etc/postfix"
    module.exit_json(
        changed=bool(wanted or wishes or module.params["inbound"]),
        msg="Postfix is not installed; this is what would be set without regard to its version",
        parameters=changes,
        services=entries,
        inbound=[],
        changed_since=[],
        restart_needed=False,
        config_directory=None,
        software=None,
        diff=_diff(directory, changes, entries),
    )


def _certificates(configuration: Configuration) -> dict[str, list[str]]:
    """Return what the services on port 25 serve."""
    return {
        service.name: [] if service.security_level == "none" else sorted(fingerprints(service.certificates))
        for service in inbound_services(configuration)
        if service.port == PORT
    }


def _return(module: AnsibleModule, postfix: Postfix, old: Texts, settings: Settings) -> tuple[Texts, dict[str, t.Any]]:
    """Return the files without what was set, and what the result says of that."""
    originals = Originals(module.params["record"], change=False)
    paths = [os.path.realpath(os.path.join(postfix.directory, name)) for name in ("main.cf", "master.cf")]
    missing = [path for path in paths if originals.states.get(path) is None]
    if missing:
        raise PostfixError(f"{originals.directory} has no original of {missing[0]}, so nothing can be returned to it")
    texts = [originals.states[path].content.decode("utf-8", "surrogateescape") for path in paths]
    new, kept = taken_out(settings, Texts(*texts), old)
    directory = _written(module, new, postfix.directory)
    try:
        proposed = postfix.at(directory)
        proposed.check_services()
        then = _certificates(proposed.configuration())
    finally:
        shutil.rmtree(directory)
    now = _certificates(postfix.configuration())
    changed = [
        {"name": name, "before": now.get(name, []), "after": then.get(name, [])}
        for name in sorted({*now, *then})
        if now.get(name, []) != then.get(name, [])
    ]
    return new, {"kept": kept, "certificates": changed}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do the work and return the result. ValueError, OSError and PostfixError with a message for people."""
    wishes = _wishes(module.params)
    wanted = _wanted(module.params, None)
    program = module.get_bin_path("postconf", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if program is None:
        if module.check_mode:
            _bare(module, wishes)
        raise PostfixError("Postfix is not installed on this host: there is no program postconf")
    directory = module.params["config_directory"]
    if not directory:
        directory = module.run_command([program, "-dh", "config_directory"], check_rc=True)[1].strip()
    postfix = Postfix(module.run_command, os.path.dirname(program), directory)
    old = texts_in(directory)
    software = postfix.software()
    wanted = _wanted(module.params, software)
    record = path_of(module.params["record"]) if module.params["record"] else ""
    settings = load(record) if record else Settings()
    chosen: list[Choice] = []
    told: dict[str, t.Any] = {}
    if module.params["state"] == "returned":
        new, told = old, {"kept": [], "certificates": []}
        if settings.states:
            new, told = _return(module, postfix, old, settings)
    else:
        chosen, more = _inbound(module.params, postfix, software, wanted, old.master, wishes)
        wishes += more
        new = Texts(set_parameters(old.main, wanted), set_services(old.master, wishes))
        told = {"changed_since": settings.changed_since(old, new)}
    warnings: list[str] = []
    if new != old:
        warnings = _validate(module, postfix, software, old, new, wanted, wishes)
        if record and not module.check_mode and module.params["state"] == "present":
            # First the record: what a killed run has not set any more is not found, and not taken out.
            settings.add(old, new)
            save(record, settings)
        if not module.check_mode:
            _replace(module, directory, old, new)
    changes, entries = _changes(old, new)
    return {
        "changed": new != old,
        "parameters": changes,
        "services": entries,
        "inbound": [choice.as_dict() for choice in chosen],
        "restart_needed": not NEED_RESTART.isdisjoint(changes),
        "config_directory": directory,
        "queue_directory": postfix.value("queue_directory"),
        "software": dataclasses.asdict(software),
        "warnings_of_postfix": warnings,
        "diff": _diff(directory, changes, entries),
        **told,
    }


def main() -> None:
    column = {"type": "str"}
    by_version = {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "minimum_postfix": {"type": "str", "default": ""},
            "minimum_openssl": {"type": "str", "default": ""},
            "parameters": {"type": "dict", "required": True},
        },
    }
    module = AnsibleModule(
        argument_spec={
            "parameters": {"type": "dict", "default": {}},
            "parameters_by_version": by_version,
            "inbound": {
                "type": "dict",
                "options": {
                    "services": {"type": "list", "elements": "str", "default": []},
                    "parameters": {"type": "dict", "required": True},
                    "parameters_by_version": by_version,
                },
            },
            "services": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "type": {"type": "str", "required": True, "choices": list(SERVICE_TYPES)},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    **dict.fromkeys(COLUMNS, column),
                    "parameters": {"type": "dict", "default": {}},
                    "arguments": {"type": "str"},
                },
            },
            "record": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "returned"], "default": "present"},
            "allow_unused": {"type": "list", "elements": "str", "default": []},
            "config_directory": {"type": "path"},
        },
        required_if=[("state", "returned", ["record"])],
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (PostfixError, ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
