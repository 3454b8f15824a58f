#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tls_info
short_description: Find out what mail servers offer in TLS and grade it by the NCSC-NL guidelines
version_added: 0.1.0
description:
  - Asks each address of the given mail servers over SMTP and STARTTLS which protocols, cipher suites, key exchange
    groups and signature schemes it accepts, and looks at compression, renegotiation, the extended master secret, early
    data and the certificates it serves.
  - Grades every value by the TLS guidelines of NCSC-NL, with the levels V(good), V(sufficient), V(phase-out) and
    V(insufficient), in edition 2.1, edition 2025-05, or both.
  - What could not be found out has the level V(unknown), never V(good), and comes with the reason.
  - One question takes one connection, and a server that accepts much is asked much, about 20 connections for a
    strict server and 150 for one that takes everything. Its log shows as many connections that end after STARTTLS.
    Scan only servers you are responsible for, or whose operators agree.
  - No mail is sent. A server that cannot be reached or misbehaves is a result. The module fails for wrong options only.
  - Host names are looked up through the system resolver, without DNSSEC.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
requirements:
  - cryptography >= 42
  - tlslite-ng >= 0.8
  - Python >= 3.11
  - The program C(openssl), for renegotiation and early data. Without it these two are unknown.
options:
  host:
    description:
      - Mail servers, as host names or IP addresses.
    type: list
    elements: str
    required: true
  address:
    description:
      - Scan these IP addresses instead of those that the system resolver gives. O(host) must be a single name then.
    type: list
    elements: str
  port:
    description:
      - Port of all servers.
    type: int
    default: 25
  server_name:
    description:
      - Name to send as SNI instead of O(host). No name is sent to a server given as an IP address without it.
    type: str
  ehlo_name:
    description:
      - Name to introduce oneself with. The default is the fully-qualified host name of the machine that scans, or the
        literal of its address, such as V([192.0.2.1]), when it has none.
    type: str
  edition:
    description:
      - Editions of the guidelines to grade by.
    type: list
    elements: str
    choices: ['2.1', '2025-05']
    default: ['2025-05']
  timeout:
    description:
      - Seconds for the scan of one address as a whole. What was not found out by then is unknown.
    type: float
    default: 180
  max_connections:
    description:
      - Connections made to one address as a whole. What was not found out by then is unknown.
    type: int
    default: 400
  connections_at_a_time:
    description:
      - Connections open to one address at the same time.
    type: int
    default: 2
  concurrency:
    description:
      - Number of addresses that are scanned at the same time.
    type: int
    default: 4
seealso:
  - module: mailsec.dane.starttls_info
  - module: mailsec.dane.dane_info
  - name: NCSC-NL TLS guidelines
    description: The edition in force.
    link: https://www.ncsc.nl/en/transport-layer-security/ICT-beveiligingsrichtlijnen-voor-TLS
"""

EXAMPLES = r"""
---
- name: Grade a mail server by the edition in force
  mailsec.dane.tls_info:
    host: mx.example.nl
  delegate_to: localhost
  register: offered

- name: Stop unless everything is good or sufficient
  ansible.builtin.assert:
    that: offered.endpoints | map(attribute='levels') | flatten
      | rejectattr('level', 'in', ['good', 'sufficient']) | length == 0
    fail_msg: "{{ offered.findings | map(attribute='evidence') | join('; ') }}"

- name: Compare both editions at two addresses
  mailsec.dane.tls_info:
    host: mx.example.nl
    address: [192.0.2.25, '2001:db8::25']
    edition: ['2.1', '2025-05']
  delegate_to: vantage.example.org
"""

RETURN = r"""
endpoints:
  description:
    - One entry per address, in the order of the options, IPv4 first.
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
    outcome:
      description:
        - V(tls) when an ordinary TLS session came about, else the code of the finding that says what went wrong.
      type: str
      sample: tls
    detail:
      description: The outcome in a sentence, empty for V(tls).
      type: str
      sample: ''
    protocols:
      description: Protocols accepted, newest first.
      type: list
      elements: str
      sample: [TLSv1.3, TLSv1.2]
    cipher_suites:
      description:
        - Cipher suites accepted per protocol, in the order in which the server chose them when everything was offered,
          worst level first. Old protocols have only those that newer ones do not have.
      type: dict
      sample: {TLSv1.2: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]}
    key_exchange_groups:
      description:
        - Groups accepted in TLS 1.3 and in the newest protocol before it. V(dh-2048) is a finite field without a name.
      type: dict
      sample: {TLSv1.3: [x25519, secp256r1]}
    signature_schemes:
      description: Schemes with which the server signs its key exchange in TLS 1.2.
      type: list
      elements: str
      sample: [ecdsa_secp256r1_sha256]
    server_preference:
      description: Whether the server enforces its own order of suites before TLS 1.3. Null when that was not seen.
      type: bool
      sample: true
    compression:
      description: Whether TLS compression is accepted. Null when not applicable or unknown, as for those below.
      type: bool
      sample: false
    secure_renegotiation:
      description: Whether renegotiation is bound to the session (RFC 5746).
      type: bool
      sample: true
    client_renegotiations:
      description: How many renegotiations the client is granted in one session; 11 stands for any number.
      type: int
      sample: 0
    extended_master_secret:
      description: Whether TLS 1.2 uses the extended master secret (RFC 7627).
      type: bool
      sample: true
    early_data:
      description: Bytes of early data (0-RTT) that tickets allow. None was sent.
      type: int
      sample: 0
    certificates:
      description: All certificates served, in whichever chain.
      type: list
      elements: dict
      contains:
        subject:
          description: Subject in the form of RFC 4514.
          type: str
          sample: CN=mx.example.nl
        key:
          description: One of V(RSA), V(EC), V(DSA), V(Ed25519), V(Ed448) and V(other).
          type: str
          sample: EC
        bits:
          description: Size of the key in bits.
          type: int
          sample: 256
        curve:
          description: Curve of an EC key.
          type: str
          sample: secp256r1
        signature_hash:
          description: Hash of its signature, V(intrinsic) for EdDSA.
          type: str
          sample: sha256
        self_signed:
          description: Whether it is an anchor, whose own signature is not graded.
          type: bool
          sample: false
    unknown:
      description: Name of a table of the guidelines to why it could not be found out, or not wholly.
      type: dict
      sample: {}
    levels:
      description: The levels, one entry per edition.
      type: list
      elements: dict
      contains:
        edition:
          description: Edition of the guidelines.
          type: str
          sample: 2025-05
        level:
          description:
            - The worst level of all tables, where V(unknown) comes between V(phase-out) and V(insufficient).
          type: str
          sample: sufficient
        tables:
          description: The levels per table.
          type: list
          elements: dict
          contains:
            name:
              description: Name of the table.
              type: str
              sample: cipher_suites
            ref:
              description: Where it stands in the edition.
              type: str
              sample: table 2
            level:
              description: The worst level of its items, null when there is nothing to grade.
              type: str
              sample: good
            internet_nl:
              description: Subtest of internet.nl that looks at the same.
              type: str
              sample: mail_starttls_tls_ciphers
            unknown:
              description: Why not all of it could be found out, empty when it could.
              type: str
              sample: ''
            seen:
              description: The values seen.
              type: list
              elements: dict
              contains:
                name:
                  description: The value.
                  type: str
                  sample: TLSv1.3
                level:
                  description: Its level, null when the edition gives none.
                  type: str
                  sample: good
                where:
                  description: Protocols or certificate it was seen in, or what is meant.
                  type: str
                  sample: ''
                confirmed:
                  description:
                    - V(false) for a hint that the text of the edition does not confirm. Alone it counts as
                      V(phase-out) at worst.
                  type: bool
                  sample: true
                source:
                  description: Short name of the source of the level, explained in C(docs/tls-guidelines.md).
                  type: str
                  sample: ncsc
    connections:
      description: Connections made.
      type: int
      sample: 38
    seconds:
      description: How long the scan took.
      type: float
      sample: 4.7
findings:
  description: What is wrong, worst first.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: Stable code of the finding.
      type: str
      sample: cipher-insufficient
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
      sample: TLSv1.0 is accepted
    expected:
      description: Edition and place of the rule, or what would have been right.
      type: str
      sample: NCSC 2025-05, table 2
    remedy:
      description: What to do.
      type: str
      sample: Switch TLS 1.0 off.
    rule:
      description: Where the rule stands.
      type: str
      sample: RFC 8996 section 4
"""

import asyncio
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import host_name
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, NotProbed
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ehlo
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.survey import addresses_of
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.guideline import EDITIONS, NEWEST, suite_level
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.report import Scanned, report
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.scan import Bounds, scan

_MAX_ADDRESSES: t.Final = 64
_EHLO_NAME: t.Final = re.compile(r"[A-Za-z0-9\[][!-~]{0,254}")


def _check(params: dict[str, t.Any]) -> None:
    """Raise ValueError with a message for people unless the options can be used."""
    for option in ("host", "edition"):
        if not params[option]:
            raise ValueError(f"{option} is empty: give at least one")
    if params["address"] is not None:
        if len(params["host"]) != 1 or is_address(params["host"][0]):
            raise ValueError("address can be given for a single host name only")
        wrong = [address for address in params["address"] if not is_address(address)]
        if wrong or not params["address"]:
            raise ValueError(f"address has {wrong[0]!r}, which is not an IP address" if wrong else "address is empty")
    for option, least, most in (
        ("port", 1, 65535), ("max_connections", 1, 5000), ("connections_at_a_time", 1, 8), ("concurrency", 1, 64),
    ):  # fmt: skip
        if not least <= params[option] <= most:
            raise ValueError(f"{option} is {params[option]}: it is {least} to {most}")
    if not 0 < params["timeout"] <= 3600:
        raise ValueError(f"timeout is {params['timeout']:g}: it is more than 0 and up to 3600 seconds")
    # The name becomes an argument of a program, which must not take it for an option.
    if params["ehlo_name"] is not None and not _EHLO_NAME.fullmatch(params["ehlo_name"]):
        raise ValueError("ehlo_name is not a name for EHLO: a host name, or an address in brackets")


def _worst_first(code: int) -> int:
    return -suite_level(code, NEWEST).rank


async def _scan_all(params: dict[str, t.Any]) -> list[Scanned | NotProbed]:
    room = asyncio.Semaphore(params["concurrency"])
    bounds = Bounds(params["timeout"], params["max_connections"], params["connections_at_a_time"])
    ehlo_name = ehlo.option(params["ehlo_name"])
    asked = host_name(params["server_name"]) if params["server_name"] else None

    async def one(host: str) -> list[Scanned | NotProbed]:
        literal = is_address(host)
        name = host if literal else host_name(host)
        given = (host,) if literal else tuple(dict.fromkeys(params["address"] or ()))
        async with room:
            addresses = given or await addresses_of(name)
        if isinstance(addresses, NotProbed):
            return [addresses]
        server_name = asked or (None if literal else name)

        async def meet(address: str) -> Scanned:
            async with room:
                endpoint = Endpoint(address, params["port"])
                return Scanned(name, await scan(endpoint, server_name, ehlo_name, _worst_first, bounds))

        found: list[Scanned | NotProbed] = [*await asyncio.gather(*map(meet, addresses[:_MAX_ADDRESSES]))]
        if len(addresses) > _MAX_ADDRESSES:
            detail = f"{len(addresses)} addresses, of which the first {_MAX_ADDRESSES} were scanned"
            found.append(NotProbed(name, "address-too-many", detail))
        return found

    seen = await asyncio.gather(*map(one, dict.fromkeys(params["host"])))
    return [entry for entries in seen for entry in entries]


def gather(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result for the module parameters; ValueError with a message for people."""
    _check(params)
    return report(asyncio.run(_scan_all(params)), params["port"], tuple(dict.fromkeys(params["edition"])))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "list", "elements": "str", "required": True},
            "address": {"type": "list", "elements": "str"},
            "port": {"type": "int", "default": 25},
            "server_name": {"type": "str"},
            "ehlo_name": {"type": "str"},
            "edition": {"type": "list", "elements": "str", "choices": list(EDITIONS), "default": [NEWEST]},
            "timeout": {"type": "float", "default": 180},
            "max_connections": {"type": "int", "default": 400},
            "connections_at_a_time": {"type": "int", "default": 2},
            "concurrency": {"type": "int", "default": 4},
        },
        supports_check_mode=True,
    )
    for gap in missing("cryptography", "tlslite-ng"):
        module.fail_json(msg=f"{missing_required_lib(gap.library)} ({gap.why})", exception=gap.trace or None)
    try:
        result = gather(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
