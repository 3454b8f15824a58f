#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: starttls_info
short_description: Meet mail servers as a sender does and tell what they present
version_added: 0.1.0
description:
  - Connects to each address of the given mail servers, says EHLO, STARTTLS, shakes hands, says EHLO again and QUIT.
  - Returns the whole chain of certificates as the server sent it, the TLS parameters, and what was odd on the way,
    such as signs of a firewall that removes STARTTLS.
  - The chain is not verified in any way, and old versions of TLS are accepted, so that they are seen. With O(tlsa) the
    chain is compared with TLSA records, without looking at the DNS.
  - A server that cannot be reached or misbehaves is a result. The module fails for wrong options only.
  - Host names are looked up through the system resolver, without DNSSEC. M(mailsec.dane.dane_info) decides as
    senders do.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
  - mailsec.dane.ehlo_name
requirements:
  - cryptography >= 42
  - Python >= 3.11
options:
  host:
    description:
      - Mail servers, as host names or IP addresses.
    type: list
    elements: str
    required: true
  address:
    description:
      - Probe these IP addresses instead of those that the system resolver gives. O(host) must be a single name then.
    type: list
    elements: str
  port:
    description:
      - Port of all servers.
    type: int
    default: 25
  server_name:
    description:
      - Name to send as SNI instead of O(host).
    type: str
  sni:
    description:
      - Whether to send a server name. With both values each address is probed in both ways.
      - No name is sent to a server given as an IP address, unless O(server_name) is given.
    type: list
    elements: str
    choices: [with, without]
    default: [with, without]
  key_type:
    description:
      - V(any) takes the key that the server prefers. V(rsa) and V(ecdsa) insist on a key of that type.
      - A type that the server showed with V(any) is not asked for again, nor one that it lacks when it presents the
        same chain without a server name. An address that does not come as far as TLS is asked once.
      - A server without a key of that type refuses the handshake. That is not a finding when another probe of the same
        address succeeds.
      - Insisting works up to TLS 1.2. Where a server speaks TLS 1.3 only, the program C(openssl) asks.
    type: list
    elements: str
    choices: [any, rsa, ecdsa]
    default: [any, rsa, ecdsa]
  timeout:
    description:
      - Seconds for all connections to one address. Within them each step may take as long as senders wait,
        which is minutes (RFC 5321 section 4.5.3.2). What was not waited for is V(probe-timeout), and unknown; a server
        that takes its time is reported as C(endpoint-slow).
      - An address that keeps us waiting delays no other one.
    type: float
    default: 60
  concurrency:
    description:
      - Number of addresses that are probed at the same time.
    type: int
    default: 32
  injection:
    description:
      - Whether to try if the server executes inside TLS what came in the clear behind STARTTLS (CVE-2011-0411). That
        takes three more connections to each address, and a few seconds. NOOP and EHLO are tried, which do no harm.
      - Do this to your own servers only.
    type: bool
    default: false
  tlsa:
    description:
      - TLSA records to compare the chains with, in presentation format, for instance V(3 1 1 8755cd...).
    type: list
    elements: str
seealso:
  - module: mailsec.dane.dane_info
  - module: mailsec.dane.tlsa_info
  - name: RFC 3207
    description: SMTP Service Extension for Secure SMTP over Transport Layer Security.
    link: https://www.rfc-editor.org/rfc/rfc3207
"""

EXAMPLES = r"""
---
- name: See all chains that a mail server presents
  mailsec.dane.starttls_info:
    host: mx.example.nl
  delegate_to: localhost
  register: seen

- name: Stop when something is wrong, for instance an address that does not come as far as TLS
  ansible.builtin.assert:
    that: seen.findings | selectattr('severity', 'in', ['critical', 'error']) | length == 0

- name: Compare the keys of both types with the records that are to be published
  mailsec.dane.starttls_info:
    host: mx.example.nl
    address: [192.0.2.25, '2001:db8::25']
    sni: [with]
    key_type: [rsa, ecdsa]
    tlsa: "{{ computed.records | map(attribute='text') }}"
  delegate_to: vantage.example.org
"""

RETURN = r"""
endpoints:
  description:
    - One entry per address, server name and type of key, in the order of the options, IPv4 first.
    - A host without an address has one entry that says why.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host as given.
      type: str
      sample: mx.example.nl
    address:
      description: IP address, null for a host without one.
      type: str
      sample: 192.0.2.25
    port:
      description: Port.
      type: int
      sample: 25
    server_name:
      description: Name that was sent as SNI, null when none was.
      type: str
      sample: mx.example.nl
    key_type:
      description: Type of key that was insisted on.
      type: str
      sample: any
    outcome:
      description:
        - V(tls) when a TLS session came about, else the code of the finding that says what went wrong.
      type: str
      sample: tls
    detail:
      description: The outcome in a sentence, empty for V(tls).
      type: str
      sample: ''
    banner:
      description: Text of the greeting.
      type: str
      sample: mx.example.nl ESMTP
    ehlo_host:
      description: First line of the reply to EHLO.
      type: str
      sample: mx.example.nl
    ehlo:
      description: Further lines of the reply to EHLO before TLS, keywords in upper case.
      type: list
      elements: str
      sample: [PIPELINING, STARTTLS]
    ehlo_tls:
      description: The same inside TLS.
      type: list
      elements: str
      sample: [PIPELINING, SIZE 10240000]
    tls_version:
      description: Version of TLS.
      type: str
      sample: TLSv1.3
    cipher:
      description: Cipher suite as OpenSSL calls it.
      type: str
      sample: TLS_AES_256_GCM_SHA384
    key_exchange_group:
      description: Group of the key exchange, or for instance V(dh-2048) for a finite field without a name. Empty when
        there is none.
      type: str
      sample: x25519
    oddities:
      description: Codes of the findings about what was odd on the way.
      type: list
      elements: str
      sample: []
    injection:
      description:
        - V(vulnerable) when the server executes inside TLS what came in the clear, V(not-detected), or V(inconclusive)
          when that could not be tried. Null without O(injection).
      type: str
      sample: not-detected
    seconds:
      description: How long the probe took.
      type: float
      sample: 0.21
    chain:
      description: The certificates as the server sent them, its own first.
      type: list
      elements: dict
      contains:
        subject:
          description: Subject in the form of RFC 4514.
          type: str
          sample: CN=mx.example.nl
        issuer:
          description: Issuer in the form of RFC 4514.
          type: str
          sample: CN=R11,O=Let's Encrypt,C=US
        dns_names:
          description: DNS names of subjectAltName, lower case.
          type: list
          elements: str
          sample: [mx.example.nl]
        not_before:
          description: First moment of the validity, ISO 8601, UTC.
          type: str
          sample: "2026-11-22T08:00:00Z"
        not_after:
          description: Last moment of the validity, ISO 8601, UTC.
          type: str
          sample: "2027-02-20T08:00:00Z"
        is_ca:
          description: Whether basicConstraints says CA.
          type: bool
          sample: false
        key_type:
          description: Type of the key.
          type: str
          sample: EC
        key_bits:
          description: Size of the key in bits.
          type: int
          sample: 256
        fingerprint_sha256:
          description: SHA-256 of the certificate, lower-case hex.
          type: str
          sample: "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2"
        spki_sha256:
          description: SHA-256 of the public key, the data of a C(3 1 1) record.
          type: str
          sample: "a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00"
        error:
          description: What cannot be read of this certificate; the fields above are missing then.
          type: str
          sample: ''
          returned: when the certificate does not parse
        pem:
          description: The certificate.
          type: str
          sample: "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n"
    chain_pem:
      description: The whole chain as the text of a PEM file.
      type: str
      sample: "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n"
    chain_complete:
      description: V(false) where this Python can tell the first certificate only, null without any.
      type: bool
      sample: true
    tlsa:
      description: How the chain compares with O(tlsa), as a strict sender would see it at this moment.
      returned: when O(tlsa) is given and O(ignore:outcome) is V(tls)
      type: dict
      contains:
        authenticated:
          description: Whether the chain satisfies the records for every kind of sender, null when that cannot be told.
          type: bool
          sample: true
        reason:
          description: V(dane-ok), or the code that says why not.
          type: str
          sample: dane-ok
        strict:
          description: Whether every usage, selector and matching type matches the chain (RFC 7671 section 8).
          type: bool
          sample: true
        records:
          description: What became of each record.
          type: list
          elements: dict
          contains:
            text:
              description: The record.
              type: str
              sample: "3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00"
            usable:
              description: Whether senders look at it at all.
              type: bool
              sample: true
            matched:
              description: Whether it would authenticate the chain if it stood alone.
              type: bool
              sample: true
            reason:
              description: Code that says why it matches or does not.
              type: str
              sample: dane-ok
            detail:
              description: The same in a sentence.
              type: str
              sample: ''
findings:
  description: What is wrong, worst first.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: Stable code of the finding.
      type: str
      sample: starttls-missing
    severity:
      description: One of V(critical), V(error), V(warning) and V(info).
      type: str
      sample: error
    subject:
      description: What it is about.
      type: str
      sample: mx.example.nl [192.0.2.25]:25
    evidence:
      description: What was observed.
      type: str
      sample: the reply to EHLO has no STARTTLS
    expected:
      description: What would have been right.
      type: str
      sample: STARTTLS
    remedy:
      description: What to do.
      type: str
      sample: Switch STARTTLS on.
    rule:
      description: Where the rule stands.
      type: str
      sample: RFC 3207 section 4
"""

import asyncio
import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address
from ansible_collections.mailsec.dane.plugins.module_utils._audit.starttls_report import report
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, host_name
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits, Seen
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ehlo
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.injection import Injection, try_all
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.survey import Wish, survey


def _wish(params: dict[str, t.Any], host: str) -> Wish:
    literal = is_address(host)
    name = host if literal else host_name(host)
    server_name = host_name(params["server_name"]) if params["server_name"] else None if literal else name
    # Both values come to the same where there is no name to send.
    server_names = dict.fromkeys(server_name if value == "with" else None for value in params["sni"])
    key_types = dict.fromkeys(None if value == "any" else value for value in params["key_type"])
    addresses = (host,) if literal else tuple(dict.fromkeys(params["address"] or ()))
    return Wish(name, addresses, tuple(server_names), tuple(key_types))


def _wishes(params: dict[str, t.Any]) -> list[Wish]:
    if not params["host"]:
        raise ValueError("host is empty: give at least one mail server")
    for option in ("sni", "key_type"):
        if not params[option]:
            raise ValueError(f"{option} is empty: leave it out or give at least one value")
    if params["address"] is not None:
        if len(params["host"]) != 1 or is_address(params["host"][0]):
            raise ValueError("address can be given for a single host name only")
        if not params["address"]:
            raise ValueError("address is empty: leave it out, or give at least one IP address")
        wrong = [address for address in params["address"] if not is_address(address)]
        if wrong:
            raise ValueError(f"address has {wrong[0]!r}, which is not an IP address")
    if not 0 < params["timeout"] <= 3600:
        raise ValueError(f"timeout is {params['timeout']:g}: it is more than 0 and up to 3600 seconds")
    if not 0 < params["concurrency"] <= 256:
        raise ValueError(f"concurrency is {params['concurrency']}: it is 1 to 256")
    return list(dict.fromkeys(_wish(params, host) for host in params["host"]))


def gather(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result for the module parameters; ValueError with a message for people."""
    wishes = _wishes(params)
    records = tuple(TlsaRecord.from_text(text) for text in params["tlsa"] or ())
    limits = Limits(total=params["timeout"])
    ehlo_name = ehlo.option(params["ehlo_name"])
    seen = asyncio.run(survey(wishes, params["port"], ehlo_name, limits, params["concurrency"]))
    injections: dict[Endpoint, tuple[Injection, str]] = {}
    if params["injection"]:
        probes = [entry.probe for entry in seen if isinstance(entry, Seen)]
        named = {probe.endpoint: probe.server_name for probe in reversed(probes)}
        injections = asyncio.run(try_all(named, ehlo_name, limits, params["concurrency"]))
    name = host_name(params["server_name"]) if params["server_name"] else None
    return {**report(seen, params["port"], records, name, datetime.datetime.now(datetime.UTC), injections)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "list", "elements": "str", "required": True},
            "address": {"type": "list", "elements": "str"},
            "port": {"type": "int", "default": 25},
            "server_name": {"type": "str"},
            "sni": {"type": "list", "elements": "str", "choices": ["with", "without"], "default": ["with", "without"]},
            "key_type": {
                "type": "list",
                "elements": "str",
                "choices": ["any", "rsa", "ecdsa"],
                "default": ["any", "rsa", "ecdsa"],
                "no_log": False,
            },
            "ehlo_name": {"type": "str"},
            "timeout": {"type": "float", "default": 60},
            "concurrency": {"type": "int", "default": 32},
            "injection": {"type": "bool", "default": False},
            "tlsa": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    for gap in missing("cryptography"):
        module.fail_json(msg=f"{missing_required_lib('cryptography')} ({gap.why})", exception=gap.trace or None)
    try:
        result = gather(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
