#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tlsa_rrset
short_description: Publish the TLSA RRset of a mail server by a dynamic DNS update, safely
version_added: 0.1.0
description:
  - Makes the TLSA RRset at a name what it is to be, in one update message (RFC 2136) that the name server carries out
    wholly or not at all. The condition of the update is that the RRset is still the one that was seen or expected, so
    that two who change it at the same time cannot undo each other's work.
  - Looks at the mail server first, and refuses an RRset that would make senders refuse to deliver to it.
  - Afterwards waits until every authoritative name server, at each of its addresses, serves the RRset. This is done
    when nothing had to be changed, too.
  - O(server) is asked for the zone and for the RRset with the TSIG key of the update, because it may have a view of its
    own for that key (C(match-clients) of BIND), or answer nobody else. The addresses of the mail server and the name
    servers are those that the public gets, and the authoritative name servers are asked without a key, as caches ask
    them, except an O(server) that the NS sets do not name or that refuses to answer without the key.
  - What is seen here comes straight from the authoritative servers and is not validated. M(mailsec.dane.dane_info)
    says whether senders will believe it.
  - Where the records come from a wildcard (RFC 4592), the RRset wanted is added at O(owner), which hides the wildcard
    there. The condition of the update is then that O(owner) has no RRset and the wildcard still has the records seen.
    With O(state=absent) the module fails where a wildcard would answer instead, and names it. It also fails where the
    addresses of the mail server come from a wildcard, which a record below the name would end.
  - Works with every server that takes dynamic updates, such as BIND, Knot DNS, PowerDNS and Windows DNS. GSS-TSIG is
    not supported.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.ehlo_name
attributes:
  check_mode:
    support: full
    details:
      - Sends queries only. An RRset that would be refused is refused in check mode, too.
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - cryptography >= 42
  - dnspython >= 2.6
  - Python >= 3.11
options:
  base_domain:
    description:
      - TLSA base domain, the name of the mail server as the MX record has it. Internationalised names are given as
        A-labels.
      - Can be left out when O(owner) has the form C(_25._tcp.mx.example.nl).
    type: str
  port:
    description:
      - Port of the service. SMTP with STARTTLS is spoken there to look at the certificates.
      - The default is the one in O(owner), or else 25. Give both where the service of O(owner) has no STARTTLS, and the
        same certificates as another one.
    type: int
  protocol:
    description:
      - Transport protocol of the service.
    type: str
    choices: [tcp, udp, sctp]
    default: tcp
  owner:
    description:
      - Name of the RRset. The default is made of O(base_domain), O(port) and O(protocol).
      - Give both this and O(base_domain) where the TLSA name is an alias, and the records stand at its end.
    type: str
  zone:
    description:
      - Zone that holds O(owner). The default is what O(server) says.
    type: str
  records:
    description:
      - The records wanted, in presentation format, for instance V(3 1 1 8755cd...). Order, case and repetitions do not
        matter.
      - Required with O(state=present).
    type: list
    elements: str
  ttl:
    description:
      - TTL of the RRset in seconds.
    type: int
    default: 3600
  state:
    description:
      - V(present) publishes O(records), V(absent) removes the whole RRset.
      - Removing it takes the protection away, and caches may hold it for its TTL after that. Keep serving what it
        matches meanwhile.
    type: str
    choices: [present, absent]
    default: present
  exclusive:
    description:
      - V(true) replaces all that stands at O(owner) by O(records).
      - V(false) is for whoever does not own all records there, because for instance a rotation may be under way.
        An RRset that holds O(records) and more is left as it is, its TTL included. Any other is replaced, unless
        that would remove a record that matches what the mail server serves, or might do so.
    type: bool
    default: true
  expected:
    description:
      - Records that must stand at O(owner) before the change, none for V([]).
      - The default is what O(server) serves when the module starts. When the wanted RRset is there already, nothing is
        expected.
    type: list
    elements: str
  expected_ttl:
    description:
      - TTL that the RRset must have before the change. Whoever waits for caches relies on it. The default is any.
      - This is looked at just before the update. The update itself cannot be made to depend on it, because the
        conditions of RFC 2136 know no TTL, so that a change of the TTL alone in the moment between goes unnoticed here.
        Let nobody else write the name where that matters.
      - Without meaning where no record stands.
    type: int
  server:
    description:
      - Name server that takes updates for the zone, its primary, as IP address or host name.
    type: str
    required: true
  server_port:
    description:
      - Port of O(server).
    type: int
    default: 53
  key_name:
    description:
      - Name of the TSIG key. Without a key the update is not signed.
      - With O(key_file), which of the keys in the file to take; not needed when there is only one.
    type: str
  key_secret:
    description:
      - Secret of the TSIG key in base64.
    type: str
  key_algorithm:
    description:
      - Algorithm of the TSIG key. A O(key_file) has its own.
    type: str
    choices: [hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512]
    default: hmac-sha256
  key_file:
    description:
      - File with the TSIG key as C(tsig-keygen) writes it and C(nsupdate -k) takes it, on the host where this module
        runs.
    type: path
  endpoints:
    description:
      - Where to see the certificates of the mail server, as IP addresses, with C(:port) where it is not O(port), an
        IPv6 address then in brackets.
      - The default is all addresses of O(base_domain), as O(server) has them, or else the resolver of this machine.
      - An RRset is refused when any endpoint that can be seen serves mail without TLS or with certificates that do not
        match, and when none can be seen at all. Endpoints that cannot be reached, beside others that can, give a
        warning.
      - Each is asked with the server name O(base_domain) and without, and for an RSA and an ECDSA key beside the one
        that it chooses itself. Every chain that it presents has to match.
    type: list
    elements: str
  force:
    description:
      - Publish without looking at the mail server, also when mail would be refused.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until every authoritative name server serves the RRset.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait for that. When they are over the module fails and says what each server that lags behind serves.
        The update, if one was made, stays.
    type: int
    default: 300
  name_servers:
    description:
      - The authoritative name servers to wait for, as IP addresses or host names, with C(:port) where it is not 53.
      - The default is every address of every name server in the NS sets of the zone and of its parent zone, and
        O(server).
    type: list
    elements: str
  not_after:
    description:
      - Unix time after which no update is sent any more, by the clock of the machine where the module runs. For whoever
        decided at a time that this is safe until then.
    type: float
  timeout:
    description:
      - Seconds for one question to one server, its repetitions included, and for each of three attempts to update.
    type: float
    default: 5
seealso:
  - module: mailsec.dane.tlsa_info
  - module: mailsec.dane.dane_info
  - module: community.general.nsupdate
  - name: RFC 2136
    description: Dynamic Updates in the Domain Name System.
    link: https://www.rfc-editor.org/rfc/rfc2136
  - name: RFC 7671
    description: The DNS-Based Authentication of Named Entities (DANE) Protocol, Updates and Operational Guidance.
    link: https://www.rfc-editor.org/rfc/rfc7671
"""

EXAMPLES = r"""
---
- name: Publish the records of the server's key and of the CA
  mailsec.dane.tlsa_rrset:
    base_domain: mx.example.nl
    records:
      - "{{ chain_pem | mailsec.dane.tlsa_from_certificate }}"
      - "{{ chain_pem | mailsec.dane.tlsa_from_certificate(usage=2) }}"
    ttl: 1800
    server: ns1.example.nl
    key_name: tlsa.example.nl
    key_secret: "{{ vault_tsig_secret }}"
  delegate_to: localhost

- name: Change the RRset only if it is what the last run has left
  mailsec.dane.tlsa_rrset:
    base_domain: mx.example.nl
    records: ["{{ current }}", "{{ next }}"]
    expected: ["{{ current }}", "{{ issuer }}"]
    server: 192.0.2.53
    key_file: /etc/mailsec-dane/tsig.key
  delegate_to: vantage.example.org

- name: Withdraw DANE
  mailsec.dane.tlsa_rrset:
    base_domain: mx.example.nl
    state: absent
    server: 192.0.2.53
    key_file: /etc/mailsec-dane/tsig.key
  delegate_to: localhost
"""

RETURN = r"""
owner:
  description: Name of the RRset, lower case, without final dot.
  returned: success or failure after the options were read
  type: str
  sample: _25._tcp.mx.example.nl
zone:
  description: Zone that holds it, empty when it is not known.
  returned: success or failure after the options were read
  type: str
  sample: example.nl
before:
  description: The RRset that O(server) served when the module started, null when that is not known.
  returned: success or failure after the options were read
  type: dict
  contains:
    records:
      description: Records in presentation format, sorted; none when there was no RRset.
      type: list
      elements: str
      sample: [3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
    ttl:
      description: TTL in seconds, null when there was no RRset.
      type: int
      sample: 3600
after:
  description: The RRset at the end, or what it would be in check mode, null when that is not known.
  returned: success or failure after the options were read
  type: dict
  contains:
    records:
      description: Records in presentation format, sorted; none when there is no RRset.
      type: list
      elements: str
      sample: [3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
    ttl:
      description: TTL in seconds, null when there is no RRset.
      type: int
      sample: 3600
serial:
  description: Serial number of the zone at O(server) at the end, null when it is not known.
  returned: success or failure after the options were read
  type: int
  sample: 2026112901
confirmed_update:
  description:
    - What O(server) served just before and just after the update, in the form of C(observation.updates) of
      M(mailsec.dane.rotation_plan), for O(mailsec.dane.rotation_info#module:confirmed_update). It shows that nobody
      else changed the RRset in between, however the serial number moved.
    - Null when no update was made, when it was not confirmed, or when more than two seconds lay between the two.
  returned: success or failure after the options were read
  type: dict
  sample:
    before:
      owner: _25._tcp.mx.example.nl
      address: 192.0.2.53
      records: ["3 1 1 8755cdaa8fe24ef16cc0f2c918063185e433faaf1415664911d9e30a924138c4"]
      ttl: 3600
      serial: 1795996800
      signature: 12345/2026-11-28T23:00:00+00:00
      zone_signature: 12345/2026-11-29T08:00:00+00:00
    after:
      owner: _25._tcp.mx.example.nl
      address: 192.0.2.53
      records:
        - 3 1 1 8755cdaa8fe24ef16cc0f2c918063185e433faaf1415664911d9e30a924138c4
        - 3 1 1 c7ce91bb94c5e2a6d1c5a7fbd8cbd3b1b8dc1d4cd9b0a7a1a4a6a3d0b5f0a9e1
      ttl: 3600
      serial: 1796032800
      signature: 12345/2026-11-29T09:00:00+00:00
      zone_signature: 12345/2026-11-29T09:00:00+00:00
served:
  description: What each authoritative address served when it was last asked, O(server) first.
  returned: success or failure after the options were read
  type: list
  elements: dict
  contains:
    name:
      description: Name of the name server, empty when only its address is known.
      type: str
      sample: ns2.example.nl
    address:
      description: IP address.
      type: str
      sample: 192.0.2.54
    port:
      description: Port.
      type: int
      sample: 53
    status:
      description:
        - V(served) is the RRset, V(absent) an authoritative no, V(alias) a CNAME record, V(lame) a server that does not
          serve the zone.
        - V(refused), V(servfail), V(timeout), V(unreachable) and V(malformed) are not an answer and say nothing about
          the RRset.
      type: str
      sample: served
    detail:
      description: The status in a sentence, empty for V(served) and V(absent).
      type: str
      sample: ''
    serial:
      description: Serial number of the zone there, null when it is not known.
      type: int
      sample: 2026112901
    records:
      description: Records in presentation format, sorted.
      type: list
      elements: str
      sample: [3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
    wildcard:
      description:
        - The wildcard that the server made the RRset from, empty when it stands at O(owner) itself. A server that does
          not sign its answers does not show where it comes from; then it is empty, too.
      type: str
      sample: "*.example.nl"
    ttl:
      description: TTL in seconds.
      type: int
      sample: 3600
    signed_until:
      description: End of the validity of the signature over the RRset, ISO 8601, UTC, null when there is none.
      type: str
      sample: "2026-12-11T00:00:00Z"
endpoints:
  description:
    - How the wanted RRset fits what the endpoints serve, with one entry per address and chain that it presents.
    - Empty when they were not looked at, because nothing had to be changed, the RRset was removed, or with O(force).
  returned: success or failure after the options were read
  type: list
  elements: dict
  contains:
    address:
      description: IP address.
      type: str
      sample: "192.0.2.25"
    port:
      description: Port.
      type: int
      sample: 25
    server_name:
      description: Name that was sent as SNI when the chain was first presented, null when none was.
      type: str
      sample: mx.example.nl
    key_type:
      description: Type of key that was insisted on then.
      type: str
      sample: any
    fit:
      description: V(matches) when all senders deliver, V(mismatch) when some refuse, V(unknown) when it was not seen.
      type: str
      sample: matches
    reason:
      description: V(dane-ok), or the code of the finding that says why not.
      type: str
      sample: dane-ok
    detail:
      description: The same in a sentence.
      type: str
      sample: ''
"""

import asyncio
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mailsec.dane.plugins.module_utils._dane import tlsa
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, TlsaRrset
from ansible_collections.mailsec.dane.plugins.module_utils._dns import authority, resolv_conf, tsig_key
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint
from ansible_collections.mailsec.dane.plugins.module_utils._publish import publish
from ansible_collections.mailsec.dane.plugins.module_utils._publish.publish import Course, Means, PublicationError, Wish
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import observe, serial
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import OwnUpdate
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ehlo

_OWNER = re.compile(r"_(\d{1,5})\._(?:tcp|udp|sctp)\.(.+)")
_LARGEST_TTL = 2**31 - 1


def _wish(params: dict[str, t.Any]) -> Wish:
    owner = tlsa.host_name(params["owner"]) if params["owner"] else None
    form = _OWNER.fullmatch(owner) if owner else None
    port = params["port"]
    if port is None:
        port = int(form[1]) if form else 25
    base_domain = params["base_domain"] or (form[2] if form else None)
    if base_domain is None:
        raise ValueError(f"owner {owner!r} has not the form _25._tcp.HOST: give base_domain, the host it is for")
    usual = tlsa.owner_name(base_domain, port, params["protocol"])
    if params["state"] == "present" and not params["records"]:
        raise ValueError("records is empty: give at least one, or state=absent to remove the RRset")
    if not 0 < params["ttl"] <= _LARGEST_TTL:
        raise ValueError(f"ttl is {params['ttl']}: it is 1 to {_LARGEST_TTL} seconds (RFC 2181 section 8)")
    endpoints = params["endpoints"]
    return Wish(
        owner or usual,
        tlsa.host_name(base_domain),
        port,
        _records(params["records"]) if params["state"] == "present" else (),
        params["ttl"],
        None if params["expected"] is None else _records(params["expected"]),
        params["exclusive"],
        params["force"],
        None if endpoints is None else tuple(Endpoint.from_text(text, "endpoints", port) for text in endpoints),
        params["expected_ttl"],
    )


def _records(texts: t.Sequence[str]) -> tuple[TlsaRecord, ...]:
    return tuple(dict.fromkeys(TlsaRecord.from_text(text) for text in texts))


def _means(params: dict[str, t.Any]) -> Means:
    if not 0 < params["timeout"] <= 600:
        raise ValueError(f"timeout is {params['timeout']:g}: it is more than 0 and up to 600 seconds")
    if params["wait_timeout"] < 0:
        raise ValueError(f"wait_timeout is {params['wait_timeout']}: it is 0 or more seconds")
    servers = params["name_servers"]
    if servers is not None and not servers:
        raise ValueError("name_servers is empty: leave it out, or give at least one")
    return Means(
        authority.named(params["server"], "server", params["server_port"])[0],
        tsig_key.given(params),
        params["timeout"],
        params["wait_timeout"] if params["wait"] else None,
        ehlo.option(params["ehlo_name"]),
        None if params["zone"] is None else _zone(params["zone"]),
        None if servers is None else tuple(each for text in servers for each in authority.named(text, "name_servers")),
        resolv_conf.system_servers(),
        not_after=params["not_after"],
    )


def _zone(text: str) -> str:
    return "" if text == "." else tlsa.host_name(text)


def _shown(rrset: TlsaRrset | None) -> dict[str, t.Any] | None:
    return None if rrset is None else {"records": [entry.to_text() for entry in rrset.records], "ttl": rrset.ttl}


def _result(wish: Wish, course: Course) -> dict[str, t.Any]:
    result: dict[str, t.Any] = {
        "changed": course.changed,
        "owner": wish.owner,
        "zone": course.zone,
        "before": _shown(course.before),
        "after": _shown(course.after),
        "serial": course.views[0].serial if course.views else None,
        "confirmed_update": _confirmed_update(course),
        "served": [view.as_dict() for view in course.views],
        "endpoints": [entry.as_dict() for entry in course.coverage],
    }
    if course.before is not None and course.after is not None:
        sides = {"before": course.before, "after": course.after}
        result["diff"] = {side: "".join(f"{line}\n" for line in rrset.zone_lines()) for side, rrset in sides.items()}
        result["diff"] |= {f"{side}_header": wish.owner for side in sides}
    return result


def _confirmed_update(course: Course) -> dict[str, t.Any] | None:
    if course.around is None:
        return None
    before, after = (observe.authority_view(view, str(view.server)) for view in course.around)
    return serial.update_data(OwnUpdate(before, after))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "base_domain": {"type": "str"},
            "port": {"type": "int"},
            "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"], "default": "tcp"},
            "owner": {"type": "str"},
            "zone": {"type": "str"},
            "records": {"type": "list", "elements": "str"},
            "ttl": {"type": "int", "default": 3600},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "exclusive": {"type": "bool", "default": True},
            "expected": {"type": "list", "elements": "str"},
            "expected_ttl": {"type": "int"},
            "server": {"type": "str", "required": True},
            "server_port": {"type": "int", "default": 53},
            "key_name": {"type": "str"},
            "key_secret": {"type": "str", "no_log": True},
            "key_algorithm": {
                "type": "str",
                "choices": ["hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"],
                "default": "hmac-sha256",
                "no_log": False,
            },
            "key_file": {"type": "path", "no_log": False},
            "endpoints": {"type": "list", "elements": "str"},
            "force": {"type": "bool", "default": False},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 300},
            "name_servers": {"type": "list", "elements": "str"},
            "not_after": {"type": "float"},
            "timeout": {"type": "float", "default": 5},
            "ehlo_name": {"type": "str"},
        },
        required_one_of=[("base_domain", "owner")],
        required_if=[("state", "present", ("records",))],
        required_by={"key_secret": ("key_name",)},
        mutually_exclusive=[("key_secret", "key_file")],
        supports_check_mode=True,
    )
    for gap in missing("cryptography", "dnspython"):
        module.fail_json(msg=f"{missing_required_lib(gap.library)} ({gap.why})", exception=gap.trace or None)
    try:
        wish, means = _wish(module.params), _means(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    course, failure = Course(), None
    try:
        asyncio.run(publish.publish(wish, means, course, module.check_mode))
    except (PublicationError, authority.AuthorityError) as error:
        failure = str(error)
    for warning in course.warnings:
        module.warn(warning)
    if failure is not None:
        module.fail_json(msg=failure, **_result(wish, course))
    module.exit_json(**_result(wish, course))


if __name__ == "__main__":
    main()
