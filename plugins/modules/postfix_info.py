#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
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
  - Tells through which services mail comes in and which certificates they are configured with, which instances there
    are, and whether another program owns the configuration.
  - With O(keychain_file), fails when a mail server could not work with that file.
  - With O(probe_address) or O(probe_services), fails when no STARTTLS session comes about there, or when another
    certificate than that of O(keychain_file) is served. This is a look from inside; M(mailsec.dane.starttls_info) looks
    from outside.
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
  probe_services:
    description:
      - Services of C(smtpd) and C(postscreen), with the type, for instance V(smtp/inet).
      - Every address at which they listen is probed; services behind a proxy as the proxy does (PROXY protocol).
    type: list
    elements: str
    default: []
  probe_port:
    description: Port to probe at O(probe_address).
    type: int
    default: 25
  probe_timeout:
    description: Seconds until Postfix must answer; it may just have been started.
    type: int
    default: 30
  files:
    description: Files whose content is to be compared, or whose existence matters, for RV(files).
    type: list
    elements: path
    default: []
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
  sample: true
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
      sample: ''
running:
  description: Whether the default instance runs.
  returned: success
  type: bool
  sample: true
enabled:
  description: Whether systemd starts Postfix when the host starts; null when systemd does not tell.
  returned: success
  type: bool
  sample: true
services:
  description: The services of C(smtpd) and C(postscreen) that listen on the network, as they are configured now.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name and type in C(master.cf).
      type: str
      sample: smtp/inet
    command:
      description: The program.
      type: str
      sample: smtpd
    address:
      description: Where it listens; empty means the addresses of C(inet_interfaces).
      type: str
      sample: ""
    port:
      description: Where it listens; 0 when the system does not know its name.
      type: int
      sample: 25
    certificates:
      description:
        - What is served without SNI, by Postfix's precedence. The same file twice when one has key and chain.
        - For C(postscreen) those of C(tlsproxy) and of the C(smtpd) behind it.
      type: list
      elements: dict
      sample: [{key_file: /etc/ssl/private/mx.key, chain_file: /etc/ssl/certs/mx.pem}]
    sni_maps:
      description: Tables of certificates by the name that a client asks for; they win over RV(services[].certificates).
      type: str
      sample: ""
    security_level:
      description: V(none), V(may) or V(encrypt).
      type: str
      sample: may
    wrappermode:
      description: Whether a session begins with TLS.
      type: bool
      sample: false
instances:
  description: Configuration directories of all instances, the default one first, also when only a process knows them.
  returned: success
  type: list
  elements: str
  sample: [/etc/postfix]
owner:
  description:
    - Another program that owns the configuration; null when there is none.
    - It would undo what is changed by hand. Only an audit makes sense on such a host.
  returned: success
  type: dict
  contains:
    program:
      description: The program.
      type: str
      sample: YunoHost
    evidence:
      description: What was seen of it.
      type: str
      sample: /etc/yunohost exists
    remedy:
      description: Where its administrator changes settings.
      type: str
      sample: the panel's page for mail settings
outbound:
  description: How mail goes out now; null without Postfix.
  returned: success
  type: dict
  contains:
    security_level:
      description: C(smtp_tls_security_level) of C(main.cf).
      type: str
      sample: may
    host_lookup:
      description: C(smtp_host_lookup) of C(main.cf).
      type: str
      sample: dns
    without_dns:
      description:
        - Services that deliver without DNS by C(disable_dns_lookups), with the parameter that keeps it so.
        - Once C(main.cf) sets C(smtp_dns_support_level), the older parameter has no effect, and mail to names that only
          the host knows bounces.
        - As option C(services) of module M(mailsec.dane.postconf) takes them.
      type: list
      elements: dict
      sample: [{name: smtp-amavis, type: unix, parameters: {smtp_dns_support_level: disabled}}]
originals:
  description: The labels under which M(mailsec.dane.original_files) has a record on this host.
  returned: success
  type: list
  elements: str
  sample: [postfix]
files:
  description:
    - SHA-256 of each of O(files); null for a file that does not exist, empty for one that only its owner may read,
      because it may have a secret in it.
  returned: success
  type: dict
  sample: {/etc/postfix/dynamicmaps.cf: null}
stale_copies:
  description: Files below the queue directory, for services that are chrooted, that differ from those of the system.
  returned: success
  type: list
  elements: str
  sample: [/var/spool/postfix/etc/resolv.conf]
keychain_file:
  description: O(keychain_file) as given, else null.
  returned: success
  type: str
  sample: /etc/mailsec-dane/live/keychain.pem
keychain_spki_sha256:
  description: SHA-256 of the public keys of O(keychain_file), lower-case hex.
  returned: success
  type: list
  elements: str
  sample: [a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
probes:
  description: The sessions that came about.
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
      sample: 25
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
      sample: "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2"
"""

import dataclasses
import hashlib
import os
import smtplib
import socket
import ssl
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.keychain_file import (
    leaf_fingerprints,
    problem,
    public_key_fingerprints,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.listening import listeners, reachable
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.originals import labels
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.owner import owner_of
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.ports import PROXY
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import Postfix, PostfixError
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.services import Configuration, inbound_services

_DIRECTORY: t.Final = "/etc/postfix"
#: Seconds for which another certificate than the wanted one may still be served.
_OLD_PROCESSES: t.Final = 3.0


@dataclasses.dataclass(frozen=True)
class _Target:
    """Where a client meets Postfix; ``proxied`` when Postfix expects a proxy there."""

    address: str
    port: int
    proxied: bool = False


class _Proxy(smtplib.SMTP):
    """A client that says first for whom it speaks."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        found.sendall(PROXY)
        return found


def _session(target: _Target, timeout: float) -> dict[str, str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Who answers on this host is not in doubt; which certificate it serves is compared below.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = _Proxy if target.proxied else smtplib.SMTP
    with client(target.address, target.port, timeout=timeout) as server:
        server.starttls(context=context)
        secured = t.cast("ssl.SSLSocket", server.sock)
        served = secured.getpeercert(binary_form=True) or b""
        return {
            "tls_version": secured.version() or "",
            "cipher": (secured.cipher() or ("",))[0],
            "fingerprint_sha256": hashlib.sha256(served).hexdigest(),
        }


def _probe(target: _Target, timeout: float) -> dict[str, str]:
    """Return what is served, as soon as it is; ValueError with the last reason when the time is over."""
    start = time.monotonic()
    while True:
        patience = timeout
        try:
            return _session(target, max(1.0, start + timeout - time.monotonic()))
        except (OSError, smtplib.SMTPException) as error:
            reason = " ".join(str(error).split())[:300]
            if isinstance(error, smtplib.SMTPNotSupportedError):
                # It answers, so it has started.
                patience = min(timeout, _OLD_PROCESSES)
        if time.monotonic() > start + patience:
            raise ValueError(
                f"no STARTTLS session with {target.address} port {target.port} within {timeout:g} s: {reason}"
            )
        time.sleep(0.2)


def _copies(queue_directory: str) -> list[str]:
    """Return the copies for chrooted services that are not what the system has."""
    found = []
    for name in ("resolv.conf",):
        copy = os.path.join(queue_directory, "etc", name)
        try:
            with open(copy, "rb") as file, open(os.path.join("/etc", name), "rb") as original:
                found += [copy] if file.read() != original.read() else []
        except FileNotFoundError:
            continue
    return found


def _enabled(module: AnsibleModule) -> bool | None:
    program = module.get_bin_path("systemctl")
    if not program:
        return None
    answer = module.run_command([program, "is-enabled", "postfix"])[1].strip()
    return {"enabled": True, "disabled": False}.get(answer)


def _targets(configuration: Configuration, names: list[str]) -> list[_Target]:
    """Return where the services listen: their own address, or every other socket on their port."""
    services = {service.name: service for service in inbound_services(configuration)}
    unknown = sorted(set(names) - set(services))
    if unknown:
        raise ValueError(f"probe_services: master.cf has no service {', '.join(unknown)} of smtpd or postscreen")
    found = []
    for service in (services[name] for name in names):
        proxied = bool(configuration.value(service.service, f"{service.command}_upstream_proxy_protocol"))
        if service.address:
            found.append(_Target(service.address, service.port, proxied))
            continue
        others = {other.address for other in services.values() if other.port == service.port}
        here = [one for one in listeners([service.port]) if one.address not in others]
        # All addresses of one socket are served alike, and loopback is always there.
        found += [_Target(reachable(one)[0], one.port, proxied) for one in here]
        if not here:
            # The probe says that nothing answers.
            found.append(_Target("127.0.0.1", service.port, proxied))
    return list(dict.fromkeys(found))


def _proven(target: _Target, timeout: float, keychain: str) -> dict[str, t.Any]:
    """Return what is served; ValueError when that is not the certificate of the keychain file ('' for any)."""
    end = time.monotonic() + _OLD_PROCESSES
    while True:
        served = {"address": target.address, "port": target.port, **_probe(target, timeout)}
        if not keychain or served["fingerprint_sha256"] in leaf_fingerprints(keychain):
            return served
        # After a reload, a process of before may take one more session.
        if time.monotonic() < end:
            time.sleep(0.2)
            continue
        raise ValueError(
            f"{target.address} port {target.port} serves the certificate with SHA-256"
            f" {served['fingerprint_sha256']}, which is not that of {keychain}"
        )


def _digest(module: AnsibleModule, path: str) -> str | None:
    try:
        is_private = not os.stat(path).st_mode & 0o077
    except FileNotFoundError:
        return None
    return "" if is_private else str(module.sha256(path))


def gather(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the result; ValueError and PostfixError with a message for people."""
    keychain = module.params["keychain_file"]
    wrong = problem(keychain) if keychain else ""
    if wrong and module.check_mode and not os.path.exists(keychain):
        module.warn(f"{wrong}; outside check mode this is an error")
    elif wrong:
        raise ValueError(f"keychain_file: {wrong}")
    result: dict[str, t.Any] = {"installed": False, "software": None, "keychain_file": keychain}
    result |= {"services": [], "instances": [], "stale_copies": [], "keychain_spki_sha256": [], "probes": []}
    result |= {"running": False, "enabled": None, "originals": labels()}
    result["files"] = {path: _digest(module, path) for path in module.params["files"]}
    if keychain and not wrong:
        result["keychain_spki_sha256"] = list(public_key_fingerprints(keychain))
    address = module.params["probe_address"]
    targets = [_Target(address, module.params["probe_port"])] if address else []
    directory = _DIRECTORY
    program = module.get_bin_path("postconf", opt_dirs=["/usr/sbin", "/usr/local/sbin"])
    if program:
        directory = module.run_command([program, "-dh", "config_directory"], check_rc=True)[1].strip()
        postfix = Postfix(module.run_command, os.path.dirname(program), directory)
        software = postfix.software()
        result |= {"installed": True, "software": dataclasses.asdict(software)}
        result["running"] = postfix.running()
        result["enabled"] = _enabled(module)
        result["instances"] = postfix.instances()
        configuration = postfix.configuration()
        result["services"] = [service.as_dict() for service in inbound_services(configuration)]
        result["stale_copies"] = _copies(configuration.expanded["queue_directory"])
        targets += _targets(configuration, module.params["probe_services"])
    owner = owner_of(directory)
    result["owner"] = dataclasses.asdict(owner) if owner else None
    for target in targets:
        proven = _proven(target, module.params["probe_timeout"], "" if wrong else keychain or "")
        result["probes"].append(proven)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "keychain_file": {"type": "path"},
            "probe_address": {"type": "str"},
            "probe_services": {"type": "list", "elements": "str", "default": []},
            "probe_port": {"type": "int", "default": 25},
            "probe_timeout": {"type": "int", "default": 30},
            "files": {"type": "list", "elements": "path", "default": []},
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
