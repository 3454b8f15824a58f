#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dnssec_info
short_description: Look up DNS records and validate them, with the reason for every verdict
version_added: 0.1.0
description:
  - Looks up DNS records, or the proof that there are none, and validates them with DNSSEC from trust anchors down,
    without believing any resolver.
  - Says for each look-up whether it is secure, insecure, bogus or could not be judged, and why, down to the zone, the
    record, the key and the dates, and shows the whole chain of trust.
  - Can show beside it what a trusted validating resolver says, and where the two differ.
  - A bad verdict is a result. The module fails for wrong options only.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
requirements:
  - cryptography >= 42
  - dnspython >= 2.6
  - netaddr >= 1.0
  - Python >= 3.11
options:
  names:
    description:
      - Names to look up. Internationalised names are given as A-labels (C(xn--...)).
    type: list
    elements: str
    required: true
  types:
    description:
      - Record types to look up at each of the names, as mnemonics or C(TYPEnnn).
      - Types that are not records of a zone, such as C(ANY), and C(RRSIG) cannot be validated and are refused.
    type: list
    elements: str
    default: [A]
  validation:
    description:
      - V(own) validates here. Any resolver that passes DNSSEC records on will do, on any path.
      - V(trusted) believes the AD bit of a resolver, as a mail server does. It cannot say why something is bogus.
      - V(both) does both. The verdict is that of the own validation; differences are returned.
    type: str
    choices: [own, trusted, both]
    default: own
  resolvers:
    description:
      - Recursive resolvers to ask. The default is what C(/etc/resolv.conf) lists.
      - With O(validation=trusted) and O(validation=both), a resolver whose address is not on loopback is left aside as
        the trusted one unless O(resolvers[].trusted=true).
    type: list
    elements: dict
    suboptions:
      address:
        description: IP address.
        type: str
        required: true
      port:
        description: Port.
        type: int
        default: 53
      trusted:
        description: Vouch for the path to this resolver. Whoever can change packets on it can forge its verdicts.
        type: bool
        default: false
  iterative:
    description:
      - Ask no resolver, but start at the root servers and follow the delegations to the authoritative servers.
      - Servers at addresses that the Internet does not route (RFC 6890) are left alone without O(root_servers).
    type: bool
    default: false
  root_servers:
    description:
      - Start at these root servers, in place of those of the Internet. O(iterative=true) goes without saying then.
    type: list
    elements: dict
    suboptions:
      address:
        description: IP address.
        type: str
        required: true
      port:
        description: Port, which is used for the servers of all other zones, too.
        type: int
        default: 53
  trust_anchors:
    description:
      - Trust anchors, one DS or DNSKEY record in presentation format each, of the root or of any zone.
      - The default are the two keys of the root zone that IANA publishes.
    type: list
    elements: str
  trust_anchor_file:
    description:
      - File with trust anchors instead, as lines of DS or DNSKEY records or in the XML form of RFC 9718.
    type: path
  at:
    description:
      - Moment for which the signatures are judged, as ISO 8601 or as seconds since 1970. The default is now.
      - To see, for instance, whether what is published now will still hold in two days. For O(validation=own) only.
    type: str
  strict:
    description:
      - Look for a zone cut between the signer of the records and their name every time, which costs up to one question
        per label. Without it, records of a child zone that the parent zone signed go unnoticed now and then.
    type: bool
    default: true
  timeout:
    description:
      - Seconds for one look-up in all.
    type: float
    default: 15
  concurrency:
    description:
      - Number of look-ups under way at the same time.
    type: int
    default: 20
seealso:
  - module: mailsec.dane.dane_info
  - name: RFC 4035
    description: Protocol Modifications for the DNS Security Extensions.
    link: https://www.rfc-editor.org/rfc/rfc4035
  - name: RFC 8914
    description: Extended DNS Errors.
    link: https://www.rfc-editor.org/rfc/rfc8914
"""

EXAMPLES = r"""
---
- name: Validate the TLSA records of a mail server
  mailsec.dane.dnssec_info:
    names: [_25._tcp.mx.example.nl]
    types: [TLSA]
  register: records
  failed_when: records.lookups[0].security != 'secure'

- name: Compare what is true with what the resolver of this machine believes
  mailsec.dane.dnssec_info:
    names: [example.nl, mx.example.nl]
    types: [MX, A, AAAA]
    validation: both
    resolvers:
      - address: 127.0.0.1

- name: See whether all signatures will hold for two more days
  mailsec.dane.dnssec_info:
    names: [example.nl]
    types: [MX]
    at: "{{ ('%s' | ansible.builtin.strftime) | int + 172800 }}"

- name: Ask the authoritative servers of a private root
  mailsec.dane.dnssec_info:
    names: [mx.example.lab]
    root_servers:
      - address: 192.0.2.53
    trust_anchors:
      - . DS 12345 13 2 49FD46E6C4B45C55D4AC69CBD3CD34AC1AFE51DE7C2A2E4C4F2D3C9A3B0A7F1B
"""

RETURN = r"""
lookups:
  description: One entry per name and type, in the order of O(names) and then O(types).
  returned: success
  type: list
  elements: dict
  contains:
    report:
      description: The verdict, the reason, the remedy and the chain of trust in lines for people.
      returned: with O(validation=own) and O(validation=both)
      type: list
      elements: str
      sample: [_25._tcp.mx.example.nl TLSA is secure]
    name:
      description: Name that was looked up, lower case, without final dot.
      type: str
      sample: _25._tcp.mx.example.nl
    type:
      description: Type that was looked up.
      type: str
      sample: TLSA
    outcome:
      description: V(data), V(nodata) (the name exists without the type), V(nxdomain), or V(error), which is neither.
      type: str
      sample: data
    security:
      description:
        - V(secure), V(insecure) (proven to be outside of what is signed), V(bogus) (it should be secure and is not) or
          V(indeterminate) (no answer that could be judged).
        - Of an alias chain, the status of its worst link.
      type: str
      sample: bogus
    reason:
      description: Stable code of the reason, empty when all is secure.
      type: str
      sample: rrsig-expired
    detail:
      description: The reason in a sentence.
      type: str
      sample: ''
    rule:
      description: Where the rule stands.
      type: str
      sample: RFC 4035 section 5.3.1
    remedy:
      description: What to do.
      type: str
      sample: ''
    ede:
      description: The extended DNS error (RFC 8914) that fits best, null when none does.
      type: int
      sample: 7
    rdata:
      description: The records in presentation format, sorted. Empty when bogus.
      type: list
      elements: str
      sample: [3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
    ttl:
      description: How long the answer may be used, in seconds.
      type: int
      sample: 3600
    published_ttl:
      description: TTL as the zone has it, in seconds.
      type: int
      sample: 3600
    canonical_name:
      description: Name at the end of the alias chain.
      type: str
      sample: _25._tcp.mx.example.nl
    aliases:
      description: The aliases that were followed, in order.
      type: list
      elements: dict
      contains:
        owner:
          description: Name of the alias.
          type: str
          sample: _25._tcp.mail.example.nl
        target:
          description: Where it leads.
          type: str
          sample: _25._tcp.mx.example.nl
        rdtype:
          description: V(CNAME) or V(DNAME).
          type: str
          sample: CNAME
        security:
          description: Status of this alias alone.
          type: str
          sample: secure
        reason:
          description: Reason code of this alias alone.
          type: str
          sample: ''
    link:
      description: The link of the chain of trust that failed, null when none did.
      type: dict
      contains: &link
        zone:
          description: Zone that vouches, or should.
          type: str
          sample: example.nl
        owner:
          description: Owner of the records.
          type: str
          sample: _25._tcp.mx.example.nl
        rdtype:
          description: Type of the records.
          type: str
          sample: TLSA
        security:
          description: Status of this link.
          type: str
          sample: secure
        reason:
          description: Reason code, empty when the link is secure.
          type: str
          sample: ''
        detail:
          description: The reason in a sentence.
          type: str
          sample: ''
        key_tag:
          description: Key tag of the signature that decided.
          type: int
          sample: 2371
        algorithm:
          description: Number of its algorithm.
          type: int
          sample: 13
        inception:
          description: First moment of the signature, ISO 8601, UTC.
          type: str
          sample: "2026-11-20T00:00:00Z"
        expiration:
          description: Last moment of the signature, ISO 8601, UTC.
          type: str
          sample: '2027-01-20T06:15:00Z'
        server:
          description: Who sent the records.
          type: str
          sample: "192.0.2.53"
    chain:
      description: The whole chain of trust, from the trust anchor down.
      type: list
      elements: dict
      contains: *link
    notes:
      description:
        - Codes of what was odd without changing the status, such as V(nsec3-iterations-high).
        - V(validators-disagree) where a part of the validators is known to take the answer for something else.
      type: list
      elements: str
      sample: []
    upstream_errors:
      description: Extended DNS errors that the servers sent. They are shown, not believed.
      type: list
      elements: dict
      contains:
        code:
          description: Number of the error.
          type: int
          sample: 7
        text:
          description: What the server says about it.
          type: str
          sample: Signature Expired
    expires:
      description: When the first signature on the chain ends, ISO 8601, UTC.
      type: str
      sample: "2026-12-11T00:00:00Z"
    server:
      description: Who sent the last answer.
      type: str
      sample: "192.0.2.53"
    tried:
      description: Servers whose answers were refused before this one, with the reason.
      type: list
      elements: str
      sample: ['192.0.2.54: no response']
    work:
      description: What the look-up has cost.
      type: dict
      contains:
        queries:
          description: Questions asked.
          type: int
          sample: 9
        signature_checks:
          description: Signatures checked.
          type: int
          sample: 7
        hashes:
          description: Names hashed for NSEC3.
          type: int
          sample: 0
        bytes:
          description: Bytes of answers read.
          type: int
          sample: 4821
    trusted:
      description: What the trusted resolver says, with the fields of a look-up of O(validation=trusted).
      returned: with O(validation=both)
      type: dict
      sample: {outcome: data, security: secure, rdata: [192.0.2.25]}
    difference:
      description:
        - Where own validation and the trusted resolver contradict each other, empty when they do not. A way that ended
          without an answer contradicts nothing.
      returned: with O(validation=both)
      type: str
      sample: ''
summary:
  description: Number of look-ups for each status.
  returned: success
  type: dict
  sample: {secure: 3, insecure: 0, bogus: 1, indeterminate: 0}
differences:
  description: Names and types for which own validation and the trusted resolver differ.
  returned: with O(validation=both)
  type: list
  elements: str
  sample: [_25._tcp.mx.expired.example TLSA]
at:
  description: Moment for which the signatures were judged, ISO 8601, UTC.
  returned: with O(validation=own) and O(validation=both)
  type: str
  sample: "2026-11-29T08:00:00Z"
"""

import asyncio
import datetime
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Security
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolv_conf import system_servers
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_trusted import TrustedResolver
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import anchors as dnssec_anchors
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.iterative import straight
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Limits
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.lookups import Lookups
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.network import Recursive
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import Validator, question
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.wire import time_text
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing
from ansible_collections.mailsec.dane.plugins.module_utils._special_use import is_special_use


def _questions(params: dict[str, t.Any]) -> list[tuple[str, str]]:
    for option in ("names", "types"):
        if not params[option]:
            raise ValueError(f"{option} is empty: give at least one value")
    pairs = [(name, rdtype) for name in params["names"] for rdtype in params["types"]]
    for name, rdtype in pairs:
        question(name, rdtype)
    return pairs


def _check(params: dict[str, t.Any]) -> None:
    if not 0 < params["timeout"] <= 600:
        raise ValueError(f"timeout is {params['timeout']:g}: it is more than 0 and up to 600 seconds")
    if not 0 < params["concurrency"] <= 256:
        raise ValueError(f"concurrency is {params['concurrency']}: it is 1 to 256")
    if params["iterative"] and params["resolvers"] is not None:
        raise ValueError("resolvers are not asked with iterative: leave one of them out")
    if params["validation"] != "own":
        for option in ("at", "root_servers", "iterative"):
            if params[option] not in (None, False):
                raise ValueError(f"{option} is for validation=own only: a resolver has its own clock and its own way")


def _moment(text: str | None) -> int:
    if text is None:
        return int(time.time())
    try:
        if text.strip().isdigit():
            seconds = int(text)
        else:
            moment = datetime.datetime.fromisoformat(text.strip())
            seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp())
    except ValueError as error:
        raise ValueError(f"at is {text!r}: it is a moment in ISO 8601, or seconds since 1970") from error
    if not 0 <= seconds < 2**32:
        raise ValueError(f"at is {text!r}: signatures know the years 1970 to 2106 only (RFC 4034 section 3.1.5)")
    return seconds


def _servers(given: list[dict[str, t.Any]] | None, option: str) -> tuple[Server, ...]:
    if given is None:
        return system_servers()
    if not given:
        raise ValueError(f"{option} is empty: leave it out or give at least one")
    try:
        return tuple(Server(one["address"], one["port"], trusted=one.get("trusted", False)) for one in given)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error


def _validator(params: dict[str, t.Any], now: int) -> Validator:
    anchors = dnssec_anchors.from_options(params["trust_anchors"], params["trust_anchor_file"])
    limits = Limits(seconds=params["timeout"])
    if params["root_servers"] is not None:
        hints = _servers(params["root_servers"], "root_servers")
        ask = straight(hints, None, lambda _address: True)
        return Validator(ask, lambda: now, anchors, limits, strict=params["strict"], servers=limits.attempts)
    if params["iterative"]:
        ask = straight(None, None, lambda address: not is_special_use(address))
        return Validator(ask, lambda: now, anchors, limits, strict=params["strict"], servers=limits.attempts)
    servers = _servers(params["resolvers"], "resolvers")
    return Validator(Recursive(servers), lambda: now, anchors, limits, strict=params["strict"], servers=len(servers))


async def _look_up(
    params: dict[str, t.Any], questions: list[tuple[str, str]], validator: Validator | None
) -> list[dict[str, t.Any]]:
    # Made here, because it belongs to one event loop.
    trusted = TrustedResolver(_servers(params["resolvers"], "resolvers")) if params["validation"] != "own" else None
    return await Lookups(validator, trusted, params["concurrency"]).all(questions)


def gather(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result for the module parameters; ValueError with a message for people."""
    questions = _questions(params)
    _check(params)
    now = _moment(params["at"])
    validator = _validator(params, now) if params["validation"] != "trusted" else None
    lookups = asyncio.run(_look_up(params, questions, validator))
    statuses = [lookup["security"] for lookup in lookups]
    result: dict[str, t.Any] = {
        "lookups": lookups,
        "summary": {status.value: statuses.count(status.value) for status in Security},
    }
    if validator is not None:
        result["at"] = time_text(now)
    if params["validation"] == "both":
        result["differences"] = [f"{one['name']} {one['type']}" for one in lookups if one["difference"]]
    return result


def main() -> None:
    server = {
        "address": {"type": "str", "required": True},
        "port": {"type": "int", "default": 53},
    }
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "types": {"type": "list", "elements": "str", "default": ["A"]},
            "validation": {"type": "str", "choices": ["own", "trusted", "both"], "default": "own"},
            "resolvers": {
                "type": "list",
                "elements": "dict",
                "options": {**server, "trusted": {"type": "bool", "default": False}},
            },
            "iterative": {"type": "bool", "default": False},
            "root_servers": {"type": "list", "elements": "dict", "options": server},
            "trust_anchors": {"type": "list", "elements": "str"},
            "trust_anchor_file": {"type": "path"},
            "at": {"type": "str"},
            "strict": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 15},
            "concurrency": {"type": "int", "default": 20},
        },
        mutually_exclusive=[("resolvers", "root_servers"), ("trust_anchors", "trust_anchor_file")],
        supports_check_mode=True,
    )
    for gap in missing("cryptography", "dnspython", "netaddr"):
        module.fail_json(msg=f"{missing_required_lib(gap.library)} ({gap.why})", exception=gap.trace or None)
    try:
        result = gather(module.params)
    except (ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
