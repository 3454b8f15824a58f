#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_info
short_description: Look at a mail server and its TLSA records, and say the next safe step of its rotation
version_added: 0.1.0
description:
  - Looks at every authoritative address, at what a validating resolver makes of it, and at every address of the mail
    server, again and again, with and without server name and for each type of key. Then plans as
    M(mailsec.dane.rotation_plan) does.
  - Knows which of the chains that the mail server holds shall be served. A rotation that was begun is remembered in
    RV(content) and brought to its end by whichever run comes next.
  - Changes nothing. RV(content) has to be stored with M(mailsec.dane.rotation_journal) before the step is carried out.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
  - mailsec.dane.ehlo_name
requirements:
  - cryptography >= 42
  - dnspython >= 2.6
  - Python >= 3.11
options:
  base_domain:
    description: TLSA base domain, the name of the mail server as the MX record has it.
    type: str
    required: true
  ports:
    description: Ports with STARTTLS.
    type: list
    elements: int
    default: [25]
  owners:
    description:
      - Owner names of the TLSA RRsets. The default is made of O(base_domain) and O(ports). Where these are aliases,
        give the names at their ends.
    type: list
    elements: str
  certificates:
    description:
      - The chains that the mail server holds, as PEM, leaf first. Left out or empty where there is none.
    type: dict
    required: true
    suboptions:
      live:
        description: The chain the mail server is configured to serve.
        type: str
      staged:
        description: The chain for the key in use, possibly renewed.
        type: str
      next:
        description: The chain for the next key.
        type: str
      previous:
        description: What was live before.
        type: str
  content:
    description: Content of the journal. Empty when there is none to trust.
    type: dict
  lock:
    description: Who else holds the lease of the journal. Empty when nobody does.
    type: str
    default: ''
  confirmed_update:
    description:
      - The update that was made since the last look, RV(mailsec.dane.tlsa_rrset#module:confirmed_update).
        Without it an update that moves the serial number by more than one cannot be told from somebody else's changes.
    type: dict
  request:
    description:
      - V(keep) keeps the key in use, and brings to its end what was begun.
      - V(new_key) begins a rotation to the next key.
      - V(compromise) does so because the key in use was stolen.
      - V(withdraw) removes the TLSA records and says when TLS may be changed or switched off.
    type: str
    choices: [keep, new_key, compromise, withdraw]
    default: keep
  stolen:
    description: With O(request=compromise), whether the next key was stolen, too.
    type: list
    elements: str
    choices: [current, next]
    default: [current]
  minimum_age:
    description: Seconds after the end of a rotation in which no other is begun.
    type: float
    default: 86400
  scheme:
    description: Which records are kept published.
    type: list
    elements: str
    choices: [current, next, issuer]
    default: [current, next, issuer]
  issuer_depths:
    description:
      - Positions in the chain of the CA certificates that C(2 1 1) records are made of, counted from 0, the leaf.
    type: list
    elements: int
    default: [1]
  ttl:
    description: TTL wanted. The default leaves it as it is.
    type: int
  exposure:
    description: See C(target.exposure) of M(mailsec.dane.rotation_plan).
    type: str
    choices: [serve, defer, downgrade]
  release:
    description: Records of others that may be removed, such as C(3 1 2 0a1b...) in full.
    type: list
    elements: str
    default: []
  policy:
    description: See C(target.policy) of M(mailsec.dane.rotation_plan).
    type: dict
  first_rollout:
    description:
      - Without O(content), V(true) states that no TLSA record ever stood there. Records that are there now outweigh it.
    type: bool
    default: false
  bare:
    description:
      - V(true) states that the mail server of this host has never offered TLS, as the host itself shows. Then what is
        staged is deployed at once, because no mail that flows now depends on a certificate.
      - An address at which somebody answers with TLS all the same counts with what it serves.
    type: bool
    default: false
  generates:
    description:
      - Whether a next key can be made when there is none. V(false) where another program makes keys and certificates.
    type: bool
    default: true
  adopted:
    description:
      - SHA-256 of the public key that this host served before the collection took it over, in hex; empty when there is
        none.
      - While this key is in use, a record of the CA that issued its certificate is published only if it stands there
        already.
    type: str
    default: ''
  adoption:
    description:
      - What follows once all is as wanted with the adopted key. V(adopt) keeps it until O(request) asks for a rotation.
        V(move) begins a rotation to the next key.
      - V(auto) is V(move) if no TLSA record was published at the first look, else V(adopt).
    type: str
    choices: [auto, adopt, move]
    default: auto
  restart:
    description: Forget a rotation that was begun, for instance because its key is lost.
    type: bool
    default: false
  watch:
    description: The slot whose chain RV(lagging) is about, instead of the one that shall be served in the end.
    type: str
    choices: [staged, next, previous]
  server:
    description: Name server that takes updates, as address or name.
    type: str
    required: true
  server_port:
    description: Its port.
    type: int
    default: 53
  key_name:
    description:
      - Name of the TSIG key with which O(server) is asked, as it may show a view of its own to that key. Its view for
        everybody is looked at, too.
      - With O(key_file), which of the keys in the file to take; not needed when there is only one.
    type: str
  key_secret:
    description: Secret of the TSIG key in base64.
    type: str
  key_algorithm:
    description: Algorithm of the TSIG key. A O(key_file) has its own.
    type: str
    choices: [hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512]
    default: hmac-sha256
  key_file:
    description: File with the TSIG key as C(tsig-keygen) writes it, on the host where this module runs.
    type: path
  zone:
    description: Zone that holds the records. The default is what O(server) says.
    type: str
  name_servers:
    description: The authoritative name servers. The default are those that the NS sets name, and O(server).
    type: list
    elements: str
  endpoints:
    description: Addresses of the mail server, with C(:port) where it is not 25. The default are those in the DNS.
    type: list
    elements: str
  own_addresses:
    description:
      - Addresses of the host that is managed, where others stand behind the same name. When none of them is an
        endpoint, all endpoints count as its own, unless O(members) has other hosts; then that is an error.
    type: list
    elements: str
    default: []
  node:
    description: Name of the host that is managed, where others behind O(base_domain) share its journal.
    type: str
    default: ''
  members:
    description:
      - Names of all hosts behind O(base_domain), as their O(node) has them. Records that one of them needs are kept,
        and none is removed before a run has reached all of them.
    type: list
    elements: str
    default: []
  resolvers:
    description: Validating resolvers, see M(mailsec.dane.dane_info). The default is what C(/etc/resolv.conf) lists.
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
        description: Vouch for the path to this resolver.
        type: bool
        default: false
  timeout:
    description: Seconds for one question to one server.
    type: float
    default: 5
seealso:
  - module: mailsec.dane.rotation_plan
  - module: mailsec.dane.rotation_journal
"""

EXAMPLES = r"""
---
- name: Look, and say the next safe step
  mailsec.dane.rotation_info:
    base_domain: mx.example.nl
    certificates:
      live: "{{ live_chain_pem }}"
      staged: "{{ staged_chain_pem }}"
      next: "{{ next_chain_pem }}"
    content: "{{ journal.content }}"
    lock: "{{ journal.lock }}"
    request: new_key
    server: ns1.example.nl
  delegate_to: localhost
  register: plan

- name: Say where the rotation stands
  ansible.builtin.debug:
    msg: "{{ plan.report }}"
"""

RETURN = r"""
step:
  description:
    - The next step, as M(mailsec.dane.rotation_plan) returns it. Its C(action) can also be V(discard), to remove a next
      key that was stolen.
  returned: success
  type: dict
  sample: {action: publish, summary: 'Publish 2 records at _25._tcp.mx.example.nl'}
base_domain:
  description: The TLSA base domain, lower case.
  returned: success
  type: str
  sample: mx.example.nl
phase:
  description:
    - V(steady), V(adjusting) (records or certificate, without change of key), V(preparing), V(spreading), V(deploying),
      V(soaking), V(withdrawing) or V(withdrawn).
  returned: success
  type: str
  sample: preparing
report:
  description: Phase, step, next safe time and why not sooner, in sentences.
  returned: success
  type: list
  elements: str
  sample: ['Phase: preparing.', 'Next: publish 2 records.']
findings:
  description:
    - What is wrong that only a memory can tell, worst first. Each has C(code), C(severity), C(subject), C(evidence),
      C(expected), C(remedy) and C(rule), see the page on findings. RV(step) is the repair where there is one to make.
  returned: success, and when a key that nobody planned stops the rotation
  type: list
  elements: dict
  sample: []
notes:
  description: Sentences about what is not strict, left alone, or held back.
  returned: success
  type: list
  elements: str
  sample: []
content:
  description: What to remember. Store it before carrying out the step.
  returned: success
  type: dict
  sample: {journal: {}, goal: null}
events:
  description: What was seen and decided that was not known before.
  returned: success
  type: list
  elements: dict
  sample: [{at: 1795939200.0, event: step, action: publish}]
slot:
  description: Which slot's chain shall be served, V(staged) or V(next); with C(deploy), which one to deploy now, also
    V(previous) to go back to what was live before.
  returned: success
  type: str
  sample: staged
key:
  description: The C(3 1 1) record of its key.
  returned: success
  type: str
  sample: "3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00"
lagging:
  description: Managed endpoints that serve anything else, or cannot be seen.
  returned: success
  type: list
  elements: str
  sample: []
waits_for:
  description: Hosts or endpoints of others behind the same name that must come first, however long this one waits.
  returned: success
  type: list
  elements: str
  sample: []
outcome:
  description: The same for a schedule.
  returned: success
  type: dict
  contains:
    state:
      description:
        - V(ok) means that nothing is left to do, V(waiting) that a later run goes on after a known time.
        - V(pending) means that RV(step) can be taken now.
        - V(blocked) means that something is in the way which may pass by itself, V(choose) that a person must act.
      type: str
      sample: waiting
    sentence:
      description: Until when, by what, or what to do.
      type: str
      sample: until 2026-11-29T09:00:00Z
    note:
      description: What has to be known although nothing is left to do, until when a stolen key may still be accepted.
      returned: when there is something
      type: str
      sample: the stolen key may still be accepted until 2026-12-12T09:30:00Z
observation:
  description: What was seen, C(authorities) and C(endpoints).
  returned: success
  type: dict
  sample: {authorities: [], endpoints: []}
decided:
  description: Unix time of the decision, by the clock of the machine that looked.
  returned: success
  type: float
  sample: 1795939200.0
"""

import asyncio
import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mailsec.dane.plugins.module_utils._clock import read_clocks
from ansible_collections.mailsec.dane.plugins.module_utils._dane import tlsa
from ansible_collections.mailsec.dane.plugins.module_utils._dns import authority, tsig_key
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolv_conf import system_servers
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import aliases as rotation_aliases
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import decide, goal, look, serial
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import members as rotation_members
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.members import Members
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import Node
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Exposure, Scheme
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ehlo


def _wanted(params: dict[str, t.Any], members: Members) -> decide.Wanted:
    base_domain = tlsa.host_name(params["base_domain"])
    if not params["ports"]:
        raise ValueError("ports is empty: give at least one")
    usual = [tlsa.owner_name(base_domain, port) for port in params["ports"]]
    owners = [tlsa.host_name(name) for name in params["owners"]] if params["owners"] else usual
    scheme = frozenset(Scheme(name) for name in params["scheme"])
    if not scheme:
        raise ValueError("scheme is empty: name at least one of current, next and issuer, or ask for withdraw")
    policy = serial.read_policy(Node(params["policy"], "policy"))
    return decide.Wanted(
        base_domain=base_domain,
        owners=tuple(dict.fromkeys(owners)),
        request=params["request"],
        scheme=scheme,
        policy=policy,
        ttl=params["ttl"],
        minimum_age=params["minimum_age"],
        stolen=tuple(params["stolen"]),
        exposure=Exposure(params["exposure"]) if params["exposure"] else None,
        release=Node(params["release"], "release").seen_records(),
        own_addresses=frozenset(params["own_addresses"]),
        issuer_depths=tuple(params["issuer_depths"]),
        first_rollout=params["first_rollout"],
        bare=params["bare"],
        generates=params["generates"],
        adopted=_adopted(params["adopted"]),
        adoption=params["adoption"],
        restart=params["restart"],
        watch=params["watch"] or "",
        kept=members.wants(),
        others=members.views(policy.repeats),
        unaccounted=members.unaccounted,
    )


def _adopted(digest: str) -> str:
    return Node(f"3 1 1 {digest}", "adopted").record().to_text() if digest else ""


def _means(params: dict[str, t.Any], repeats: int) -> look.Means:
    if not 0 < params["timeout"] <= 60:
        raise ValueError(f"timeout is {params['timeout']:g}: it is more than 0 and up to 60 seconds")
    servers, endpoints = params["name_servers"], params["endpoints"]
    resolvers = (
        system_servers()
        if params["resolvers"] is None
        else tuple(Server(one["address"], one["port"], trusted=one["trusted"]) for one in params["resolvers"])
    )
    return look.Means(
        primary=dataclasses.replace(
            authority.named(params["server"], "server", params["server_port"])[0], key=tsig_key.given(params)
        ),
        resolvers=resolvers,
        authorities=(
            tuple(one for text in servers for one in authority.named(text, "name_servers")) if servers else None
        ),
        endpoints=tuple(Endpoint.from_text(one, "endpoints") for one in endpoints) if endpoints else None,
        ports=tuple(params["ports"]),
        zone=tlsa.host_name(params["zone"]) if params["zone"] else None,
        timeout=params["timeout"],
        repeats=max(repeats, 1),
        ehlo_name=ehlo.option(params["ehlo_name"]),
    )


def gather(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Look and decide; ValueError and LookError with a message for people."""
    if "PRIVATE KEY-----" in str(params["certificates"]):
        raise ValueError("certificates holds a private key; pass certificates only")
    content = dict(params["content"] or {})
    paths = rotation_aliases.read(Node(content.pop("paths", None), "content.paths"))
    members = rotation_members.enter(content, params["node"], params["members"])
    wanted = _wanted(params, members)
    means = _means(params, wanted.policy.repeats)
    usual = [tlsa.owner_name(wanted.base_domain, port) for port in params["ports"]]
    aliases = [name for name in usual if name not in wanted.owners]
    # The end of an alias that a cache may still follow counts as if it were listed.
    owners = tuple(dict.fromkeys([*wanted.owners, *paths.ends]))
    seen = asyncio.run(look.look(wanted.base_domain, owners, means, aliases))
    slots = {slot: params["certificates"][slot] or "" for slot in decide.SLOTS}
    # Read after the look: whatever was seen to be gone was gone by now.
    now = read_clocks()
    paths = rotation_aliases.learn(paths, seen.aliases, wanted.policy, now)
    in_the_way = rotation_aliases.failures(paths, seen.aliases, wanted.owners)
    owners = tuple(owner for owner in owners if owner in (*wanted.owners, *paths.ends))
    views = tuple(view for view in (*seen.authorities, *in_the_way) if view.owner in owners)
    confirmed = [Node(params["confirmed_update"], "confirmed_update")] if params["confirmed_update"] else []
    updates = tuple(serial.read_update(node) for node in confirmed)
    seen = dataclasses.replace(seen, authorities=views, updates=updates)
    wanted = dataclasses.replace(wanted, owners=owners)
    result = decide.decide(wanted, members.own, slots, seen, params["lock"], now)
    chains, wants = result.pop("chains"), result.pop("wants")
    content = members.content(result["content"], chains, wants)
    return {**result, "content": {**content, "paths": rotation_aliases.data(paths)} if aliases else content}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "base_domain": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "default": [25]},
            "owners": {"type": "list", "elements": "str"},
            "certificates": {
                "type": "dict",
                "required": True,
                "options": {slot: {"type": "str"} for slot in decide.SLOTS},
            },
            "content": {"type": "dict"},
            "lock": {"type": "str", "default": ""},
            "confirmed_update": {"type": "dict"},
            "request": {"type": "str", "choices": list(goal.REQUESTS), "default": goal.KEEP},
            "stolen": {"type": "list", "elements": "str", "choices": list(decide.STOLEN), "default": ["current"]},
            "minimum_age": {"type": "float", "default": 86400},
            "scheme": {
                "type": "list",
                "elements": "str",
                "choices": ["current", "next", "issuer"],
                "default": ["current", "next", "issuer"],
            },
            "issuer_depths": {"type": "list", "elements": "int", "default": [1]},
            "ttl": {"type": "int"},
            "exposure": {"type": "str", "choices": ["serve", "defer", "downgrade"]},
            "release": {"type": "list", "elements": "str", "default": []},
            "policy": {"type": "dict"},
            "first_rollout": {"type": "bool", "default": False},
            "bare": {"type": "bool", "default": False},
            "generates": {"type": "bool", "default": True},
            "adopted": {"type": "str", "default": ""},
            "adoption": {"type": "str", "choices": list(decide.ADOPTIONS), "default": decide.AUTO},
            "restart": {"type": "bool", "default": False},
            "watch": {"type": "str", "choices": [*decide.DEPLOYABLE, "previous"]},
            "server": {"type": "str", "required": True},
            "server_port": {"type": "int", "default": 53},
            "key_name": {"type": "str"},
            "key_secret": {"type": "str", "no_log": True},
            "key_algorithm": {
                "type": "str",
                "choices": list(tsig_key.ALGORITHMS),
                "default": "hmac-sha256",
            },
            "key_file": {"type": "path", "no_log": False},
            "zone": {"type": "str"},
            "name_servers": {"type": "list", "elements": "str"},
            "endpoints": {"type": "list", "elements": "str"},
            "own_addresses": {"type": "list", "elements": "str", "default": []},
            "node": {"type": "str", "default": ""},
            "members": {"type": "list", "elements": "str", "default": []},
            "resolvers": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "address": {"type": "str", "required": True},
                    "port": {"type": "int", "default": 53},
                    "trusted": {"type": "bool", "default": False},
                },
            },
            "timeout": {"type": "float", "default": 5},
            "ehlo_name": {"type": "str"},
        },
        required_by={"key_secret": ("key_name",)},
        mutually_exclusive=[("key_secret", "key_file")],
        supports_check_mode=True,
    )
    for gap in missing("cryptography", "dnspython"):
        module.fail_json(msg=f"{missing_required_lib(gap.library)} ({gap.why})", exception=gap.trace or None)
    try:
        result = gather(module.params)
    except goal.GoalError as error:
        module.fail_json(msg=str(error), findings=list(error.findings))
    except (ValueError, look.LookError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, base_domain=tlsa.host_name(module.params["base_domain"]), **result)


if __name__ == "__main__":
    main()
