#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_plan
short_description: Say the next safe step of a rotation of keys, certificates or CAs
version_added: 0.1.0
description:
  - Takes what is remembered, what was seen and what is wanted, and says what may be done now without breaking mail from
    senders that validate DANE, or until when to wait and why not sooner.
  - The same plan serves the first rollout, a renewal that keeps the key, a rotation of the key, a change of CA, of
    scheme or of TTL, the answer to a stolen key, and the withdrawal of DANE.
  - Nothing is looked up and nothing is changed, here or elsewhere. The journal that is returned has to be stored before
    the step is carried out. It is part of the plan, and the reason why this is not a C(_info) module. Each call is one
    decision about the future, not a description of the present.
  - After the step, look again and call the module again. A step that did not succeed, or of which nobody knows, needs
    no other treatment.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is ever changed; the plan is the same in check mode.
  diff_mode:
    support: N/A
    details:
      - Nothing is ever changed.
  idempotent:
    support: full
    details:
      - The same input, O(now) included, gives the same plan.
requirements:
  - cryptography >= 42, when chains are given as certificates
options:
  journal:
    description:
      - What RV(journal) of the call before was. Left out or empty where it was lost, damaged, or belongs to another
        host. Then everything is taken for just changed, which costs time and nothing else.
    type: dict
  first_rollout:
    description:
      - Without O(journal), V(true) states that no TLSA record ever stood at the owner names, so that no cache can hold
        one.
    type: bool
    default: false
  observation:
    description:
      - What was seen, immediately before the call.
    type: dict
    required: true
    suboptions:
      authorities:
        description:
          - One entry for each owner name and each address of each authoritative name server.
        type: list
        elements: dict
        required: true
        suboptions:
          owner:
            description: TLSA owner name.
            type: str
            required: true
          address:
            description: The address that was asked.
            type: str
            required: true
          records:
            description: The records it served, in presentation format; empty for proven absence.
            type: list
            elements: str
            default: []
          ttl:
            description: Their TTL in seconds. Behind aliases the sum of the TTLs of all hops.
            type: int
            default: 0
          failure:
            description: Why senders get no answer from there, as a sentence. Empty when they do.
            type: str
            default: ''
          primary:
            description: Whether updates go to this server.
            type: bool
            default: false
          serial:
            description: Serial of the zone.
            type: int
          signature:
            description: Anything that changes when the RRset is signed anew, such as inception and key tag.
            type: str
          signed_until:
            description: End of the validity of the signature, as Unix time.
            type: float
          unvalidated:
            description:
              - Why the answer did not validate, or why that could not be told, as a sentence. Nothing is changed then,
                but it is not an outage.
            type: str
            default: ''
          public:
            description:
              - Whether resolvers may ask this address. V(false) for what only a key opens, and for a look-up that
                failed. A public address that is not listed any more counts as having what it had, until no resolver
                can still ask it.
            type: bool
            default: true
          decides:
            description: Whether only a person can settle the failure, as with an alias at the owner name.
            type: bool
            default: false
          wildcard:
            description:
              - The wildcard whose records these are (RFC 4592), or would be once the owner name has none of its own.
                Empty when there is none. The records of the owner name are not removed then.
            type: str
            default: ''
          proof_ttl:
            description:
              - TTL of the proof that the owner name does not exist, where the records come from a wildcard. A resolver
                that has the proof may answer with them for as long (RFC 8198).
            type: int
            default: 0
          zone_signature:
            description:
              - The same as O(observation.authorities[].signature), of the SOA record of the zone. Without it, a
                signature that stays does not show that the RRset stayed.
            type: str
      endpoints:
        description:
          - One entry for each address and port of the mail server, those of other administrators behind the same name
            included.
        type: list
        elements: dict
        required: true
        suboptions:
          endpoint:
            description: Address and port.
            type: str
            required: true
          chains:
            description: Every chain it presented, see O(target.chains).
            type: list
            elements: dict
            default: []
          repeats:
            description: How many rounds over all server names and types of key were made.
            type: int
            default: 1
          failure:
            description: Why some round failed, as a sentence. Empty when none did.
            type: str
            default: ''
      lock:
        description: Who else holds the lease of the journal. Empty when nobody does.
        type: str
        default: ''
      unaccounted:
        description:
          - Hosts behind the same name of which nobody knows what they serve, such as a backup server that is switched
            off. While there is one, no record is removed.
        type: list
        elements: str
        default: []
      updates:
        description:
          - Updates that were made since the last observation, each as
            RV(mailsec.dane.tlsa_rrset#module:confirmed_update) has it. However they moved the serial,
            they are then told from changes of others.
        type: list
        elements: dict
        default: []
        suboptions:
          before:
            description:
              - What the primary served at the last look before the update, in the form of O(observation.authorities).
            type: dict
            required: true
          after:
            description: What it served at the first look that showed the update, a moment later.
            type: dict
            required: true
  target:
    description:
      - What is wanted.
    type: dict
    required: true
    suboptions:
      owners:
        description: The TLSA owner names that share the chains, one for each port.
        type: list
        elements: str
        required: true
      endpoints:
        description: The endpoints that are managed here, named as in O(observation.endpoints).
        type: list
        elements: str
        default: []
      chains:
        description:
          - The chains the endpoints shall serve, one for each type of key. Each is either C(certificates), a list of
            PEM texts or Base64 of DER, leaf first, or the facts C(identity), C(key) (the C(3 1 1) record), C(issuers)
            (C(2 1 1) records to publish), C(satisfies) (every record that authenticates it) and C(not_after) (Unix
            time).
        type: list
        elements: dict
        default: []
      next_keys:
        description: The C(3 1 1) records of the keys that are held for the rotation after this one.
        type: list
        elements: str
        default: []
      scheme:
        description: Which records are kept published. Empty to withdraw DANE.
        type: list
        elements: str
        choices: [current, next, issuer]
        required: true
      ttl:
        description: TTL wanted. The default leaves it as it is.
        type: int
      revoked:
        description: Chains whose key was stolen, as in O(target.chains).
        type: list
        elements: dict
        default: []
      exposure:
        description:
          - What to bear when a key was stolen and no aged next key is published. V(serve) keeps the stolen key until
            all caches know the new one. V(defer) changes at once, and mail of some senders is delayed. V(downgrade)
            removes the records until the new key is served.
        type: str
        choices: [serve, defer, downgrade]
      fallback:
        description: Chains that are still held, to return to, as in O(target.chains).
        type: list
        elements: dict
        default: []
      known:
        description:
          - Chains that were planned once, as in O(target.chains). When one of them is served without its record, the
            record is put back.
        type: list
        elements: dict
        default: []
      release:
        description: Records of others that may be removed.
        type: list
        elements: str
        default: []
      kept:
        description: Records that other hosts behind the same name need, which are published with those of this one.
        type: list
        elements: str
        default: []
      policy:
        description:
          - How careful to be. Seconds in C(application_cache), C(clock_margin), C(serve_stale), C(unknown_ttl),
            C(maximum_ttl), C(worker), C(soak), C(effect) and C(poll); numbers in C(maximum_records) and C(repeats);
            booleans in C(strict) and C(exclusive_owner).
        type: dict
  names:
    description:
      - The names that senders check in certificates, the TLSA base domain first. Needed when chains are given as
        certificates.
    type: list
    elements: str
    default: []
  issuer_depths:
    description:
      - Positions in the chain of the CA certificates that C(2 1 1) records are made of, counted from 0, the leaf.
    type: list
    elements: int
    default: [1]
  now:
    description:
      - Reading of the clocks of one machine, always the same one, after the observation, with C(wall) (Unix time),
        C(monotonic) (seconds) and C(boot) (changes at each boot). The default are the clocks of the machine where the
        module runs.
    type: dict
notes:
  - Store RV(journal) before the step, and carry out the step within the C(effect) seconds of the policy or not at all.
seealso:
  - module: mailsec.dane.tlsa_rrset
  - name: RFC 7671 section 8
    description: Publisher requirements of DANE, certificate and key rollover.
    link: https://www.rfc-editor.org/rfc/rfc7671#section-8
"""

EXAMPLES = r"""
---
- name: Ask for the next safe step
  mailsec.dane.rotation_plan:
    journal: "{{ remembered.content | default({}) }}"
    observation:
      authorities: "{{ seen_authorities }}"
      endpoints: "{{ seen_endpoints }}"
    target:
      owners: [_25._tcp.mx.example.nl]
      endpoints: ['192.0.2.25:25']
      chains:
        - certificates: "{{ staged_chain_pem }}"
      next_keys: ["3 1 1 8755cdaa8fe24ef16cc0f2c918063185e433faaf1415664911d9e30a924138c4"]
      scheme: [current, next, issuer]
      ttl: 3600
    names: [mx.example.nl]
  delegate_to: localhost
  register: plan

- name: Say what to do, and why not sooner
  ansible.builtin.debug:
    msg: "{{ [plan.step.summary] + plan.step.obstacles | default([]) | map(attribute='sentence') }}"
"""

RETURN = r"""
step:
  description: The next step.
  returned: success
  type: dict
  contains:
    action:
      description:
        - What to do, one of V(publish), V(retire), V(deploy), V(generate), V(hand_over), V(choose), V(wait) and
          V(done).
      type: str
      sample: wait
    summary:
      description: The step as a sentence.
      type: str
      sample: 'Publish 2 records at _25._tcp.mx.example.nl (1 added): the next key is made known.'
    why:
      description: The reason.
      type: str
      sample: the next key is made known
    owner:
      description: Owner name of the RRset to publish.
      returned: when RV(step.action) is V(publish) or V(retire)
      type: str
      sample: _25._tcp.mx.example.nl
    records:
      description: The whole RRset to publish.
      returned: when RV(step.action) is V(publish) or V(retire)
      type: list
      elements: str
      sample: [3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
    ttl:
      description: Its TTL.
      returned: when RV(step.action) is V(publish) or V(retire)
      type: int
      sample: 3600
    expected:
      description: The records that must still stand there.
      returned: when RV(step.action) is V(publish) or V(retire)
      type: list
      elements: str
      sample: [3 1 1 f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2]
    expected_ttl:
      description: Their TTL.
      returned: when RV(step.action) is V(publish) or V(retire)
      type: int
      sample: 3600
    added:
      description: Records that come.
      returned: when RV(step.action) is V(publish) or V(retire)
      type: list
      elements: str
      sample: [3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
    removed:
      description: Records that go.
      returned: when RV(step.action) is V(publish) or V(retire)
      type: list
      elements: str
      sample: []
    delays:
      description: Whether the operator chose that mail waits, so that the records need not match what is served.
      returned: when RV(step.action) is V(publish) or V(retire)
      type: bool
      sample: false
    chains:
      description: Identities of the chains to deploy.
      returned: when RV(step.action) is V(deploy)
      type: list
      elements: str
      sample: [f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2]
    key_records:
      description: The C(3 1 1) records of their keys.
      returned: when RV(step.action) is V(deploy)
      type: list
      elements: str
      sample: [3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
    endpoints:
      description: Where to deploy them.
      returned: when RV(step.action) is V(deploy)
      type: list
      elements: str
      sample: ['192.0.2.25:25']
    returnable:
      description: Whether going back to the former chains stays safe.
      returned: when RV(step.action) is V(deploy)
      type: bool
      sample: true
    options:
      description: What the operator can choose for O(target.exposure), each with its cost in C(sentence).
      returned: when RV(step.action) is V(choose)
      type: list
      elements: dict
      sample: [{choice: protection, sentence: Mail waits for up to an hour.}]
    until:
      description: From when on the next step is safe, in UTC. Not set while something else must happen first.
      returned: when RV(step.action) is V(wait)
      type: str
      sample: '2027-01-15T08:06:14Z'
    until_epoch:
      description: The same as Unix time.
      returned: when RV(step.action) is V(wait)
      type: float
      sample: 1795942800.0
    look_again:
      description: When to look and ask again, in UTC.
      returned: when RV(step.action) is V(wait)
      type: str
      sample: "2026-11-29T08:10:00Z"
    look_again_epoch:
      description: The same as Unix time.
      returned: when RV(step.action) is V(wait)
      type: float
      sample: 1795939800.0
    obstacles:
      description:
        - Why not sooner, with the C(inequality) that does not hold yet, its C(subject), a C(sentence) with the numbers
          filled in, and C(seconds) until it will hold by itself.
      returned: when RV(step.action) is V(wait) or V(choose)
      type: list
      elements: dict
      sample: [{subject: ns2.example.nl, sentence: it still serves the former records}]
    exposed_until:
      description: Until when a stolen key may still be accepted, in UTC. Not set when it is not.
      returned: when RV(step.action) is V(done)
      type: str
      sample: "2026-11-29T10:00:00Z"
journal:
  description: What to remember. Store it before carrying out the step.
  returned: success
  type: dict
  sample: {rrsets: [], chains: []}
events:
  description: What was seen and decided that was not known before, for the record of the rotation.
  returned: success
  type: list
  elements: dict
  sample: [{at: 1795939200.0, event: step, action: publish}]
notes:
  description: Sentences about what is not strict, left alone, or held back.
  returned: success
  type: list
  elements: str
  sample: []
"""

import base64
import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment, read_clocks
from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import chain as rotation_chain
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import planner, serial, state
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import record as rotation_record
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.serial import DataError, Node


class _Chains:
    """Reads chains given as certificates or as facts, each text once."""

    def __init__(self, params: dict[str, t.Any], now: Moment) -> None:
        self._names = params["names"]
        self._depths = params["issuer_depths"]
        self._now = datetime.datetime.fromtimestamp(now.wall, datetime.UTC)
        views = Node(params["observation"], "observation").field("authorities").items()
        self._published = sorted({record for view in views for record in view.field("records").seen_records()})
        self._known: dict[tuple[str, ...], state.Chain] = {}

    def __call__(self, node: Node) -> state.Chain:
        if not node.field("certificates").given:
            return serial.read_chain(node)
        node.only("certificates")
        if not self._names:
            raise DataError(f"{node.where} has certificates, but names is empty: give the TLSA base domain")
        texts = tuple(_text(item) for item in node.field("certificates").items())
        if texts not in self._known:
            try:
                chain = tuple(one for text in texts for one in _load(text))
                self._known[texts] = rotation_chain.describe(
                    chain, self._names, self._now, self._published, self._depths
                )
            except ValueError as error:
                raise DataError(f"{node.where}.certificates: {error}") from error
        return self._known[texts]


def _load(text: str) -> tuple[certificate.Certificate, ...]:
    if "-----BEGIN " in text:
        return certificate.load_pem(text)
    return certificate.load(base64.b64decode("".join(text.split()), validate=True))


def _text(node: Node) -> str:
    if not isinstance(node.value, str):
        raise DataError(f"{node.where} is not text: give PEM, or Base64 of DER")
    if "PRIVATE KEY-----" in node.value:
        raise DataError(f"{node.where} holds a private key; pass certificates only")
    return node.value


def decide(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result for the module parameters; ValueError with a message for people."""
    now = serial.read_moment(Node(params["now"], "now")) if params["now"] else read_clocks()
    chains = _Chains(params, now)
    target = serial.read_target(_given(params["target"]), chains)
    observation = serial.read_observation(_given(params["observation"]), chains)
    if params["journal"]:
        journal = serial.read_journal(params["journal"])
    elif params["first_rollout"]:
        journal = state.first_journal()
    else:
        journal = state.lost_journal(target.owners, target.policy)
    plan = planner.plan(journal, observation, target, now)
    events = rotation_record.events_between(journal, plan.journal, plan.step, now.wall)
    return {**serial.plan_data(plan), "events": events}


def _given(data: t.Any) -> t.Any:
    """Drop what Ansible fills in for options that were not given."""
    if isinstance(data, dict):
        return {name: _given(value) for name, value in data.items() if value is not None}
    return [_given(item) for item in data] if isinstance(data, list) else data


_AUTHORITY: t.Final = {
    "owner": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "records": {"type": "list", "elements": "str", "default": []},
    "ttl": {"type": "int", "default": 0},
    "failure": {"type": "str", "default": ""},
    "primary": {"type": "bool", "default": False},
    "serial": {"type": "int"},
    "signature": {"type": "str"},
    "signed_until": {"type": "float"},
    "unvalidated": {"type": "str", "default": ""},
    "public": {"type": "bool", "default": True},
    "decides": {"type": "bool", "default": False},
    "wildcard": {"type": "str", "default": ""},
    "proof_ttl": {"type": "int", "default": 0},
    "zone_signature": {"type": "str"},
}
_UPDATE: t.Final = {
    "before": {"type": "dict", "required": True},
    "after": {"type": "dict", "required": True},
}
_ENDPOINT: t.Final = {
    "endpoint": {"type": "str", "required": True},
    "chains": {"type": "list", "elements": "dict", "default": []},
    "repeats": {"type": "int", "default": 1},
    "failure": {"type": "str", "default": ""},
}
_TARGET: t.Final = {
    "owners": {"type": "list", "elements": "str", "required": True},
    "endpoints": {"type": "list", "elements": "str", "default": []},
    "chains": {"type": "list", "elements": "dict", "default": []},
    "next_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "scheme": {"type": "list", "elements": "str", "choices": ["current", "next", "issuer"], "required": True},
    "ttl": {"type": "int"},
    "revoked": {"type": "list", "elements": "dict", "default": []},
    "exposure": {"type": "str", "choices": ["serve", "defer", "downgrade"]},
    "fallback": {"type": "list", "elements": "dict", "default": []},
    "known": {"type": "list", "elements": "dict", "default": []},
    "release": {"type": "list", "elements": "str", "default": []},
    "kept": {"type": "list", "elements": "str", "default": []},
    "policy": {"type": "dict"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "journal": {"type": "dict"},
            "first_rollout": {"type": "bool", "default": False},
            "observation": {
                "type": "dict",
                "required": True,
                "options": {
                    "authorities": {"type": "list", "elements": "dict", "required": True, "options": _AUTHORITY},
                    "endpoints": {"type": "list", "elements": "dict", "required": True, "options": _ENDPOINT},
                    "lock": {"type": "str", "default": ""},
                    "unaccounted": {"type": "list", "elements": "str", "default": []},
                    "updates": {"type": "list", "elements": "dict", "default": [], "options": _UPDATE},
                },
            },
            "target": {"type": "dict", "required": True, "options": _TARGET},
            "names": {"type": "list", "elements": "str", "default": []},
            "issuer_depths": {"type": "list", "elements": "int", "default": [1]},
            "now": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    if not certificate.HAS_CRYPTOGRAPHY and "certificates" in str(module.params):
        for gap in missing("cryptography"):
            module.fail_json(msg=f"{missing_required_lib('cryptography')} ({gap.why})", exception=gap.trace or None)
    try:
        result = decide(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
