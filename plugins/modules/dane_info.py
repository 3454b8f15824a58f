#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dane_info
short_description: Audit mail domains and mail servers as DANE senders see them
version_added: 0.1.0
description:
  - For each mail domain, follows its MX records to every MX host, to every address of each host and to the TLSA
    records, connects to each address, and says what a sending mail server with DANE would do (RFC 7672), why, and what
    to do about it.
  - A mail domain is protected only when its MX records are DNSSEC-secure and every MX host is protected, those that
    somebody else runs included.
  - Where senders differ (Postfix, Exim, a strict reading of the RFCs) the worst case is the verdict, and the result
    says which ones differ.
  - What could not be found out is V(unknown), never fine and never absent. A bad verdict is a result; the module fails
    for wrong options only.
  - Needs a resolver that validates DNSSEC, on loopback of the machine where the module runs, or O(validation=own).
    Whether it does is tested in every run. It cannot be told from here whether a resolver merely passes on what another
    one says.
  - Nothing is sent to the mail servers but EHLO, STARTTLS and QUIT.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
  - mailsec.dane.ehlo_name
requirements:
  - cryptography >= 42
  - dnspython >= 2.6
  - netaddr >= 1.0
  - Python >= 3.11
options:
  domains:
    description:
      - Mail domains, the part after the C(@).
      - Internationalised names may be given as U-labels (C(bücher.example)) or A-labels (C(xn--bcher-kva.example)).
        U-labels are converted by IDNA 2008 where the Python package C(idna) is installed, else by IDNA 2003, which
        differs in a few characters only; names with those are invalid then.
      - An entry that is not a name stands in RV(invalid), and all others are audited.
    type: list
    elements: str
    default: []
  hosts:
    description:
      - MX hosts to look at by themselves, names or IP addresses, in addition to those of O(domains). For names holds
        what is said there.
    type: list
    elements: str
    default: []
  managed:
    description:
      - Names of the MX hosts that the organisation manages. The others are marked as not managed, and audited
        all the same. Without this option nothing is said about it.
    type: list
    elements: str
  port:
    description:
      - Port of all mail servers.
    type: int
    default: 25
  resolvers:
    description:
      - Validating resolvers to ask. The default is what C(/etc/resolv.conf) lists.
      - A resolver whose address is not on loopback is left aside unless O(resolvers[].trusted=true). When none
        is left the verdicts are V(unknown).
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
        description: Vouch for the path to this resolver. Whoever can change packets on it can forge every verdict.
        type: bool
        default: false
  validation:
    description:
      - V(trusted) believes the AD bit of the resolver.
      - V(own) believes no resolver and validates for itself, from the trust anchors down. Any resolver that passes
        on DNSSEC data will do, over any path.
      - V(both) goes both ways. Where they contradict each other the worse one counts, and the finding
        C(validation-differs) says so; nothing is secure that is not secure both ways. When one of them could not find
        out, it is unknown.
    type: str
    choices: [trusted, own, both]
    default: trusted
  iterative:
    description:
      - Whether own validation asks no resolver, but starts at the root servers and follows the delegations to the
        authoritative servers. For O(validation=own) and O(validation=both).
      - Resolvers are still asked where O(validation=both) or O(authorities) needs them.
      - Name servers at addresses that the Internet does not route are asked with O(special_use=true) only.
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
      - Trust anchors for own validation, as lines of DS or DNSKEY records. The default are those of the root of the
        Internet.
    type: list
    elements: str
  trust_anchor_file:
    description:
      - Path of a file with trust anchors for own validation, as O(trust_anchors) or in the XML of RFC 9718.
    type: path
  authorities:
    description:
      - Whether to ask every address of every authoritative name server for the MX and TLSA records, over UDP and
        TCP. The name servers are those in the NS sets of the zone and of its parent zone.
      - This finds servers that are out of step, that filter questions for TLSA or whose signatures are about to expire.
        Where a server has other TLSA records than the resolver says, or signs that there are none, the host is judged
        by those as well, and the worst counts, with the reason V(ns-divergence). So it is with other MX records; MX
        hosts that the resolver does not know of are not probed, and make the verdict V(unknown) at best.
      - Addresses that the Internet does not route are asked with O(special_use=true) only.
    type: bool
    default: false
  mta_sts:
    description:
      - Whether to fetch the MTA-STS policies of the domains, and to say where their own MX hosts and certificates do
        not satisfy them (RFC 8461). Senders with DANE do not go by it, those without may refuse what DANE has no
        objection to. The verdicts do not change.
      - Whether a certificate leads to a CA that is trusted is judged by O(ca_file). Where those CAs cannot be read
        nothing is said about it.
    type: bool
    default: false
  ca_file:
    description:
      - File with the certificates of the CAs to trust with O(mta_sts), PEM, for the web servers of the policies and for
        the MX hosts. The default are those that OpenSSL trusts on the machine that audits.
    type: path
  tlsrpt:
    description:
      - Whether to look where the domains want to be told of failures (RFC 8460), and to say which ones want that
        nowhere.
    type: bool
    default: false
  dane_required:
    description:
      - Those of O(domains) to which senders are known that insist on DANE, for instance because partners agreed on it.
      - Where such senders would not deliver, because there is no usable TLSA record or no DNSSEC, the finding
        C(dane-required-absent) says so. Other senders deliver there, without protection.
    type: list
    elements: str
    default: []
  dns_timeout:
    description:
      - Seconds to wait for an answer of the resolver. It is asked twice.
    type: float
    default: 5
  timeout:
    description:
      - Seconds for all connections to one address in one round. Within them each step may take as long as senders wait,
        which is minutes (RFC 5321 section 4.5.3.2). What was not waited for is V(probe-timeout), and unknown; a server
        that takes its time is reported as C(endpoint-slow).
      - An address that keeps us waiting delays no other one.
    type: float
    default: 60
  repeats:
    description:
      - How many times to connect to each address in each way, for balancers with several servers behind one address.
    type: int
    default: 1
  pause:
    description:
      - Seconds between one round of connections to an address and the next, with O(repeats).
    type: float
    default: 1
  concurrency:
    description:
      - Number of addresses that are probed at the same time.
    type: int
    default: 32
  special_use:
    description:
      - Whether to connect to addresses that the Internet does not route (RFC 6890), as in a laboratory or inside
        an organisation. Otherwise such addresses are reported and left alone, because anybody can publish an MX record
        that leads to them.
    type: bool
    default: false
  ip_version:
    description:
      - Versions of IP to probe. Leave out 6 where the machine that audits has no IPv6; nothing is said about those
        addresses then. With both, an address without a route from here makes the verdict V(unknown).
    type: list
    elements: int
    choices: [4, 6]
    default: [4, 6]
  sni:
    description:
      - Whether to send a server name. Senders with DANE always do; V(without) shows what others get.
      - With both values each address is probed in both ways, and both chains have to match. A server that refuses the
        handshake without a server name gets a warning only.
    type: list
    elements: str
    choices: [with, without]
    default: [with, without]
  key_type:
    description:
      - V(any) takes the key that the server prefers. V(rsa) and V(ecdsa) insist on a key of that type; a server that
        has none is in order. The chain of each key has to match.
      - A type that the server showed with V(any) is not asked for again, nor one that it lacks when it presents the
        same chain without a server name. So a server with one key gets three connections, one with an RSA and an ECDSA
        key four. An address without TLS, or of a host without DNSSEC-secure TLSA records, gets one, in the first of the
        ways that O(sni) and O(key_type) name.
      - Insisting works up to TLS 1.2. Where a server speaks TLS 1.3 only, the program C(openssl) asks.
    type: list
    elements: str
    choices: [any, rsa, ecdsa]
    default: [any, rsa, ecdsa]
seealso:
  - module: mailsec.dane.starttls_info
  - module: mailsec.dane.tlsa_info
  - name: RFC 7672
    description: SMTP Security via Opportunistic DNS-Based Authentication of Named Entities (DANE) TLS.
    link: https://www.rfc-editor.org/rfc/rfc7672
"""

EXAMPLES = r"""
---
- name: Audit two mail domains
  mailsec.dane.dane_info:
    domains: [example.nl, example.org]
    managed: "{{ groups['mail_inbound'] }}"
  delegate_to: localhost
  register: audit

- name: Show the report
  ansible.builtin.debug:
    msg: "{{ audit.report }}"

- name: Stop unless everything is protected
  ansible.builtin.assert:
    that: audit.status == 0
    fail_msg: "{{ audit.report }}"

- name: Ask all authoritative name servers, trust no resolver, and connect ten times to each address
  mailsec.dane.dane_info:
    domains: [example.nl]
    authorities: true
    validation: own
    repeats: 10

- name: Look at what senders without DANE go by, and who is told of failures, too
  mailsec.dane.dane_info:
    domains: [example.nl, example.org]
    mta_sts: true
    tlsrpt: true
    dane_required: [example.org]

- name: Believe and ask no resolver at all
  mailsec.dane.dane_info:
    domains: [example.nl]
    validation: own
    iterative: true

- name: Look at one host from inside, with one connection per address
  mailsec.dane.dane_info:
    hosts: [mx.example.nl]
    sni: [with]
    key_type: [any]
    resolvers:
      - address: 127.0.0.1
    special_use: true
  delegate_to: vantage.example.org
"""

RETURN = r"""
status:
  description:
    - V(0) everything is fine, V(1) something is not protected, V(2) mail is being refused or lost somewhere, V(3)
      something could not be found out, or an entry was invalid and not audited. When several apply, 2 goes before 3,
      and 3 before 1.
  returned: success
  type: int
  sample: 1
summary:
  description: How many domains, and hosts of O(hosts), have which status.
  returned: success
  type: dict
  contains:
    fine:
      description: Protected, or a domain that takes no mail.
      type: int
    unprotected:
      description: Verdict V(partial), V(unprotected), V(opportunistic) or V(encrypt-only).
      type: int
    refused:
      description: Verdict V(failing), V(degraded), V(refused), V(lookup-error) or V(unreachable).
      type: int
    unknown:
      description: Verdict V(unknown).
      type: int
    total:
      description: All of them.
      type: int
    invalid:
      description: Entries in RV(invalid), which are not in the total.
      type: int
  sample: {fine: 1, unprotected: 1, refused: 0, unknown: 0, total: 2, invalid: 0}
invalid:
  description: Entries that are not names, and so were not audited.
  returned: success
  type: list
  elements: dict
  contains:
    option:
      description: Option that has the entry.
      type: str
      sample: domains
    given:
      description: The entry.
      type: str
      sample: exam ple.nl
    error:
      description: What is wrong with it, and what to do.
      type: str
      sample: "'exam ple.nl' has a blank: give each name as an entry of its own"
report:
  description: The verdicts and what to do as lines of text, the worst first.
  returned: success
  type: list
  elements: str
  sample:
    - "MAIL DOMAIN, MX HOST  VERDICT        REASON       TLSA"
    - "example.nl            UNPROTECTED    tlsa-absent"
    - "  mx.example.nl       opportunistic  tlsa-absent  none"
    - ""
    - "UNPROTECTED: an attacker on the path can read or divert mail: DANE does not apply."
    - ""
    - "ERROR tlsa-absent (RFC 7672 section 2.2)"
    - "  seen: _25._tcp.mx.example.nl: there is no TLSA record"
    - "  do:   Publish 3 1 1 and 2 1 1 records at the TLSA owner name of this host."
    - ""
    - "1 audited: 1 unprotected."
notes:
  description: What limits this audit as a whole, such as a resolver that was left aside.
  returned: success
  type: list
  elements: str
  sample: [resolver 192.0.2.53 is left aside]
domains:
  description: One entry per mail domain, in the order of O(domains).
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: Mail domain, lower case.
      type: str
      sample: example.nl
    given:
      description: The entry of O(domains), which differs from the name for instance when it has U-labels.
      type: str
      sample: example.nl
    verdict:
      description:
        - V(protected) when the MX records are secure and every MX host is V(authenticated) at every endpoint.
        - V(partial) when no host is refused, but some of them can be attacked.
        - V(unprotected) when no host offers DANE or the MX records are not secure.
        - V(degraded) when some endpoint is refused, in error or unreachable and another one still takes mail.
        - V(failing) when none takes mail, or the MX records cannot be looked up.
        - V(no-mail) when the domain takes no mail.
        - V(unknown) when it could not be found out from here.
      type: str
      sample: unprotected
    status:
      description: The verdict as a number, see RV(status).
      type: int
      sample: 1
    reason:
      description: Code of the reason, V(dane-ok) for a protected domain.
      type: str
      sample: tlsa-absent
    meaning:
      description: The verdict in a sentence.
      type: str
      sample: Senders with DANE deliver, and verify the server.
    weakest_host:
      description: The MX host that decides the verdict, null when none does.
      type: str
      sample: mx.example.nl
    authorities:
      description:
        - What the authoritative name servers say about the MX records, null without O(authorities). The fields are
          those of RV(hosts[].authorities).
      type: dict
      sample: {zone: example.nl, servers: []}
    mta_sts:
      description: The MTA-STS policy of the domain, null without O(mta_sts) and for domains without MX hosts.
      type: dict
      contains:
        id:
          description: Identifier in the TXT record, null when no policy is announced.
          type: str
          sample: 20260831085700Z
        mode:
          description: V(enforce), V(testing) or V(none), null without a policy that can be read.
          type: str
          sample: enforce
        mx:
          description: Patterns for the names of MX hosts.
          type: list
          elements: str
          sample: ['*.example.nl']
        max_age:
          description: How long senders keep the policy, in seconds.
          type: int
          sample: 604800
        fault:
          description: Why the policy could not be had, else empty.
          type: str
          sample: ''
    tls_reports:
      description:
        - Where the domain wants TLS reports sent, empty for nowhere. Null without O(tlsrpt), for domains without MX
          hosts and when it could not be found out.
      type: list
      elements: str
      sample: ['mailto:tls-reports@example.org']
    mx_secure:
      description: Whether the MX records, or their absence, are DNSSEC-secure.
      type: bool
      sample: true
    implicit_mx:
      description: Whether there is no MX record, so that the domain is its own host.
      type: bool
      sample: false
    hosts:
      description:
        - One entry per MX host, in order of preference, as in RV(hosts), with the C(preference) of the MX record.
      type: list
      elements: dict
      sample: [{host: mx.example.nl, preference: 10, verdict: protected}]
    findings:
      description: What is wrong with the domain and all of its hosts, worst first, as in RV(hosts[].findings).
      type: list
      elements: dict
      sample: [{code: next-missing, severity: warning, subject: mx.example.nl}]
hosts:
  description: One entry per host of O(hosts), in that order.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: Name or address of the host, lower case.
      type: str
      sample: mx.example.nl
    given:
      description: The entry of O(hosts), null for the MX hosts of O(domains).
      type: str
      sample: mx.example.nl
    verdict:
      description:
        - V(authenticated) when every strict sender delivers with DANE.
        - V(encrypt-only) when senders insist on TLS but authenticate nobody.
        - V(opportunistic) when DANE does not apply and cleartext is possible.
        - V(refused) when DANE senders do not deliver here.
        - V(lookup-error) when senders skip the host because its DNS fails.
        - V(unreachable) when there is no address or no mail server at it.
        - V(unknown) when it could not be found out from here.
        - It is that of the worst endpoint and the strictest sender.
      type: str
      sample: refused
    status:
      description: The verdict as a number, see RV(status).
      type: int
      sample: 2
    reason:
      description: Code of the reason, V(dane-ok) for an authenticated host.
      type: str
      sample: tlsa-no-match
    meaning:
      description: The verdict in a sentence.
      type: str
      sample: Senders with DANE deliver, and verify the server.
    tlsrpt:
      description: Result type that TLS reports of senders should carry (RFC 8460 section 4.3), null when there is none.
      type: str
      sample: tlsa-invalid
    managed:
      description: Whether the host is among O(managed), null when that option was not given.
      type: bool
      sample: true
    base_domain:
      description: TLSA base domain in force, null when DANE does not apply.
      type: str
      sample: mx.example.nl
    owner:
      description: Owner name of the TLSA records in force.
      type: str
      sample: _25._tcp.mx.example.nl
    records:
      description: The TLSA records in force, in presentation format.
      type: list
      elements: str
      sample: [3 1 1 8755cdaa8fe24ef16cc0f2c918063185e433faaf1415664911d9e30a924138c4]
    ttl:
      description: Their TTL in seconds as published.
      type: int
      sample: 3600
    addresses:
      description: IPv4 and IPv6 addresses of the host.
      type: list
      elements: str
      sample: [192.0.2.25, '2001:db8::25']
    consistent:
      description: Whether all endpoints have the same verdict.
      type: bool
      sample: true
    strict:
      description:
        - Whether every usage, selector and matching type in the records matches every endpoint (RFC 7671 section 8),
          null when nothing could be compared.
      type: bool
      sample: true
    profiles:
      description: Verdict and reason per kind of sender, V(rfc), V(postfix) and V(exim).
      type: dict
      sample:
        rfc: {verdict: authenticated, reason: dane-ok}
        postfix: {verdict: authenticated, reason: dane-ok}
        exim: {verdict: authenticated, reason: dane-ok}
    endpoints:
      description: One entry per address, server name and type of key.
      type: list
      elements: dict
      contains:
        address:
          description: IP address.
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
        verdict:
          description: As that of the host.
          type: str
          sample: protected
        reason:
          description: As that of the host.
          type: str
          sample: dane-ok
        profiles:
          description: As those of the host.
          type: dict
          sample: {rfc: authenticated, postfix: authenticated, exim: authenticated}
        matched:
          description: The TLSA records that match the chain presented.
          type: list
          elements: str
          sample: [3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
        strict:
          description: As that of the host.
          type: bool
          sample: true
        outcome:
          description: V(tls), or the code that says how far the dialogue came.
          type: str
          sample: starttls-missing
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
          description: Its other lines, before TLS, keywords in upper case.
          type: list
          elements: str
          sample: [PIPELINING, STARTTLS]
        oddities:
          description: Codes of what was odd on the way; each is a finding, too.
          type: list
          elements: str
          sample: []
        tls_version:
          description: Version of TLS.
          type: str
          sample: TLSv1.3
        cipher:
          description: Cipher suite as OpenSSL calls it.
          type: str
          sample: TLS_AES_256_GCM_SHA384
        certificate:
          description: The server's own certificate, null when there is none that can be read.
          type: dict
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
              description: DNS names of subjectAltName.
              type: list
              elements: str
              sample: [mx.example.nl]
            not_after:
              description: Last moment of the validity, ISO 8601, UTC.
              type: str
              sample: "2027-02-20T08:00:00Z"
            fingerprint_sha256:
              description: SHA-256 of the certificate.
              type: str
              sample: "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2"
            spki_sha256:
              description: SHA-256 of the public key, the data of a C(3 1 1) record.
              type: str
              sample: "a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00"
            error:
              description: What cannot be read; the other fields are missing then.
              type: str
              sample: ''
              returned: when the certificate does not parse
        chain_length:
          description: Number of certificates presented.
          type: int
          sample: 2
    not_probed:
      description: Addresses that were left alone.
      type: list
      elements: dict
      contains:
        address:
          description: IP address.
          type: str
          sample: "10.0.0.25"
        reason:
          description: Code of the finding that says why.
          type: str
          sample: address-special-use
    authorities:
      description:
        - What the authoritative name servers say about the TLSA records, null without O(authorities) and for hosts
          that cannot have any.
      type: dict
      contains:
        owner:
          description: Owner name that was asked for, the end of aliases.
          type: str
          sample: _25._tcp.mx.example.nl
        type:
          description: V(TLSA), for a domain V(MX).
          type: str
          sample: TLSA
        zone:
          description: Zone that holds the name, empty for the root, null when that could not be learnt.
          type: str
          sample: example.nl
        fault:
          description: Why the zone or both of its NS sets could not be learnt, else empty.
          type: str
          sample: ''
        name_servers:
          description: Names in the NS set of the zone.
          type: list
          elements: str
          sample: [ns1.example.nl, ns2.example.nl]
        parent_name_servers:
          description: Names in the NS set that the parent zone has, empty when that could not be learnt.
          type: list
          elements: str
          sample: [ns1.example.nl, ns2.example.nl]
        notes:
          description: Sentences about the name servers, for instance where the two sets differ.
          type: list
          elements: str
          sample: []
        unseen:
          description: Name servers, or addresses of them, that were not asked.
          type: list
          elements: dict
          contains:
            server:
              description: Name or address.
              type: str
              sample: ns2.example.nl
            why:
              description: The reason in a sentence.
              type: str
              sample: no address is known
        servers:
          description: One entry per address.
          type: list
          elements: dict
          contains:
            name:
              description: Name of the name server.
              type: str
              sample: ns1.example.nl
            address:
              description: IP address.
              type: str
              sample: 192.0.2.53
            port:
              description: Port.
              type: int
              sample: 53
            udp:
              description:
                - V(served) with records, V(absent) for an authoritative no, V(alias) when there is a CNAME.
                - V(lame) when the server does not serve the zone.
                - V(refused), V(servfail), V(timeout), V(unreachable) and V(malformed) are not answers, and mean neither
                  presence nor absence.
              type: str
              sample: served
            tcp:
              description: The same over TCP.
              type: str
              sample: served
            detail:
              description: What went wrong in a sentence, else empty.
              type: str
              sample: ''
            records:
              description: The records, in presentation format.
              type: list
              elements: str
              sample: [3 1 1 a1b2c3d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff00]
            ttl:
              description: Their TTL in seconds, null without records.
              type: int
              sample: 3600
            serial:
              description: Serial of the SOA record of the zone, null when that could not be had.
              type: int
              sample: 2026112501
            signed_until:
              description: Last moment of the latest signature over the records or over their denial, ISO 8601, UTC,
                null when there is none.
              type: str
              sample: '2026-12-05T00:00:00Z'
    findings:
      description: What is wrong, worst first.
      type: list
      elements: dict
      contains:
        code:
          description: Stable code of the finding.
          type: str
          sample: tlsa-no-match
        severity:
          description: One of V(critical), V(error), V(warning) and V(info).
          type: str
          sample: error
        subject:
          description: What it is about.
          type: str
          sample: _25._tcp.mx.example.nl
        evidence:
          description: What was observed.
          type: str
          sample: "3 1 1 0bc1... matches no key that is served"
        expected:
          description: What would have been right, empty when obvious.
          type: str
          sample: a record for the key in use
        remedy:
          description: What to do.
          type: str
          sample: Publish the TLSA record for the key in use.
        rule:
          description: Where the rule stands.
          type: str
          sample: RFC 7671 section 8.1
        internet_nl:
          description: Subtests of internet.nl that would see it, too.
          type: list
          elements: str
          sample: [mail_starttls_dane_valid]
        tlsrpt:
          description:
            - Result type that TLS reports have when mail is refused for this reason (RFC 8460 section 4.3), null when
              there is none.
          type: str
          sample: tlsa-invalid
"""

import asyncio
import ipaddress
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address
from ansible_collections.mailsec.dane.plugins.module_utils._audit import contained, report
from ansible_collections.mailsec.dane.plugins.module_utils._audit.audit import Audit, Settings, why_not
from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts_look import StsLook
from ansible_collections.mailsec.dane.plugins.module_utils._dane.mail_names import ascii_name
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolv_conf import system_servers
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_both import BothWays
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_trusted import Limits as DnsLimits
from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_trusted import TrustedResolver
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dns.zone_view import ZoneLook
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import anchors as dnssec_anchors
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import limits as dnssec_limits
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import network
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.iterative import straight
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.resolver_own import OwnResolver
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import Validator
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Limits
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ehlo
from ansible_collections.mailsec.dane.plugins.module_utils._special_use import is_special_use

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Resolver
    from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.iterative import Iterative
    from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import Ask


def _check(params: dict[str, t.Any]) -> None:
    if not params["domains"] and not params["hosts"]:
        raise ValueError("domains and hosts are both empty: give at least one of them something to audit")
    for option in ("ip_version", "sni", "key_type"):
        if not params[option]:
            raise ValueError(f"{option} is empty: leave it out or give at least one value")
    for option, limit in (("timeout", 3600), ("dns_timeout", 60)):
        if not 0 < params[option] <= limit:
            raise ValueError(f"{option} is {params[option]:g}: it is more than 0 and up to {limit} seconds")
    if not 0 < params["repeats"] <= 50:
        raise ValueError(f"repeats is {params['repeats']}: it is 1 to 50")
    if not 0 <= params["pause"] <= 600:
        raise ValueError(f"pause is {params['pause']:g}: it is 0 to 600 seconds")
    if params["ca_file"] is not None and not params["mta_sts"]:
        raise ValueError("ca_file is for MTA-STS: set mta_sts to true")
    if params["validation"] == "trusted":
        for option in ("trust_anchors", "trust_anchor_file", "root_servers", "iterative"):
            if params[option] not in (None, False):
                raise ValueError(f"{option} is for own validation: set validation to own or both")
    if not 0 < params["concurrency"] <= 256:
        raise ValueError(f"concurrency is {params['concurrency']}: it is 1 to 256")
    if not 0 < params["port"] < 65536:
        raise ValueError(f"port is {params['port']}: it is 1 to 65535")


def _host(text: str) -> str:
    return str(ipaddress.ip_address(text)) if is_address(text) else ascii_name(text)


class _Names:
    """Names that the options have: what is looked up → what was given. ``invalid`` collects what is not a name."""

    def __init__(self, params: dict[str, t.Any]) -> None:
        self.invalid: list[dict[str, str]] = []
        self.domains = self._read("domains", params["domains"], ascii_name)
        self.hosts = self._read("hosts", params["hosts"], _host)
        managed = params["managed"]
        self.managed = None if managed is None else self._read("managed", managed, _host)
        self.required = self._read("dane_required", params["dane_required"], self._among_domains)

    def _read(self, option: str, given: c.Iterable[str], read: c.Callable[[str], str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for text in given:
            try:
                found.setdefault(read(text), text)
            except ValueError as error:
                self.invalid.append({"option": option, "given": text, "error": str(error)})
        return found

    def _among_domains(self, text: str) -> str:
        name = ascii_name(text)
        if name not in self.domains:
            raise ValueError(f"{text[:80]!r} is not among domains: add it there, or remove it here")
        return name


def _check_servers(option: str, given: list[dict[str, t.Any]]) -> None:
    for one in given:
        if not is_address(one["address"].partition("%")[0]):
            raise ValueError(f"{option} has {one['address'][:80]!r}, which is not an IP address")
        if not 0 < one["port"] < 65536:
            raise ValueError(f"{option} has the port {one['port']}: it is 1 to 65535")


def _servers(params: dict[str, t.Any]) -> tuple[Server, ...]:
    given = params["resolvers"]
    if given is None:
        goes_without = _is_iterative(params) and params["validation"] == "own" and not params["authorities"]
        return () if goes_without else system_servers()
    _check_servers("resolvers", given)
    if not given:
        raise ValueError("resolvers is empty: leave it out to use those of /etc/resolv.conf, or give at least one")
    return tuple(Server(one["address"], one["port"], trusted=one["trusted"]) for one in given)


def _settings(params: dict[str, t.Any], names: _Names) -> Settings:
    return Settings(
        port=params["port"],
        ehlo_name=ehlo.option(params["ehlo_name"]),
        concurrency=params["concurrency"],
        limits=Limits(total=params["timeout"]),
        special_use=params["special_use"],
        ip_versions=tuple(params["ip_version"]),
        managed=None if names.managed is None else frozenset(names.managed),
        sni=tuple(dict.fromkeys(value == "with" for value in params["sni"])),
        key_types=tuple(dict.fromkeys(None if value == "any" else value for value in params["key_type"])),
        repeats=params["repeats"],
        pause=params["pause"],
        tlsrpt=params["tlsrpt"],
        dane_required=frozenset(names.required),
    )


def _sts_look(params: dict[str, t.Any], settings: Settings, resolver: Resolver) -> StsLook | None:
    if not params["mta_sts"]:
        return None
    try:
        return StsLook(resolver, params["ca_file"], params["timeout"], lambda address: why_not(address, settings))
    except OSError as error:
        raise ValueError(f"ca_file {params['ca_file']} cannot be used: {error.strerror or error}") from error


def _is_iterative(params: dict[str, t.Any]) -> bool:
    return params["iterative"] or params["root_servers"] is not None


def _may_ask(params: dict[str, t.Any]) -> c.Callable[[str], bool]:
    special_use = params["special_use"]
    return lambda address: special_use or not is_special_use(address)


def _iterative(params: dict[str, t.Any]) -> Iterative:
    roots = params["root_servers"]
    if roots is not None:
        _check_servers("root_servers", roots)
        if not roots:
            raise ValueError("root_servers is empty: leave it out to start at those of the Internet")
        roots = [Server(one["address"], one["port"]) for one in roots]
    # Of several servers the next one is to have its turn within the time for one look-up.
    patience = network.Patience(udp=min(1.5, params["dns_timeout"]), tcp=params["dns_timeout"], tries=1)
    return straight(roots, patience, _may_ask(params))


def _own(params: dict[str, t.Any], servers: tuple[Server, ...]) -> OwnResolver:
    anchors = dnssec_anchors.from_options(params["trust_anchors"], params["trust_anchor_file"])
    limits = dnssec_limits.Limits(seconds=6 * params["dns_timeout"])
    if _is_iterative(params):
        ask: Ask = _iterative(params)
        count = limits.attempts
    else:
        patience = network.Patience(udp=params["dns_timeout"], tcp=params["dns_timeout"])
        ask = network.Recursive(servers, patience)
        count = len(servers)
    return OwnResolver(Validator(ask, lambda: int(time.time()), anchors, limits, strict=True, servers=count))


def _zone_look(params: dict[str, t.Any], servers: tuple[Server, ...]) -> ZoneLook | None:
    """Only servers that are believed are asked at all, unless none has to be."""
    if not params["authorities"]:
        return None
    resolvers = [one for one in servers if one.believed or params["validation"] != "trusted"]
    return ZoneLook(resolvers, params["dns_timeout"], _may_ask(params), params["concurrency"])


async def _audit(params: dict[str, t.Any], names: _Names) -> dict[str, t.Any]:
    # Made here, because they belong to one event loop.
    settings, servers = _settings(params, names), _servers(params)
    left_aside: tuple[Server, ...] = ()
    if params["validation"] == "own":
        resolver: Resolver = _own(params, servers)
    else:
        trusted = TrustedResolver(servers, DnsLimits(attempt=params["dns_timeout"]))
        left_aside = trusted.left_aside
        resolver = BothWays(_own(params, servers), trusted) if params["validation"] == "both" else trusted
    audit = Audit(resolver, settings, _zone_look(params, servers), _sts_look(params, settings, resolver))
    by_domain = {one.domain: contained.domain_result(one, audit.now) async for one in audit.domains(names.domains)}
    by_host = {one.host: contained.host_result(one, audit.now) async for one in audit.hosts(names.hosts)}
    judged_domains = [{**by_domain[name], "given": given} for name, given in names.domains.items()]
    judged_hosts = [{**by_host[name], "given": given} for name, given in names.hosts.items()]
    everything = [*judged_domains, *judged_hosts]
    notes = [
        f"The name server {server} was left aside: it is not on loopback, so that its AD bit can be forged on the way."
        for server in left_aside
    ]
    notes += report.notes([host for domain in judged_domains for host in domain["hosts"]] + judged_hosts)
    return {
        "status": report.worst_status([*everything, *({"status": 3} for _entry in names.invalid)]),
        "summary": {**report.summary(everything), "invalid": len(names.invalid)},
        "report": [
            *report.text(judged_domains, judged_hosts),
            *report.invalid_lines(names.invalid),
            *(f"Note: {note}" for note in notes),
        ],
        "notes": notes,
        "invalid": names.invalid,
        "domains": judged_domains,
        "hosts": judged_hosts,
    }


def gather(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result for the module parameters; ValueError with a message for people."""
    _check(params)
    return asyncio.run(_audit(params, _Names(params)))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "domains": {"type": "list", "elements": "str", "default": []},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "managed": {"type": "list", "elements": "str"},
            "port": {"type": "int", "default": 25},
            "resolvers": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "address": {"type": "str", "required": True},
                    "port": {"type": "int", "default": 53},
                    "trusted": {"type": "bool", "default": False},
                },
            },
            "validation": {"type": "str", "choices": ["trusted", "own", "both"], "default": "trusted"},
            "iterative": {"type": "bool", "default": False},
            "root_servers": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "address": {"type": "str", "required": True},
                    "port": {"type": "int", "default": 53},
                },
            },
            "trust_anchors": {"type": "list", "elements": "str"},
            "trust_anchor_file": {"type": "path"},
            "authorities": {"type": "bool", "default": False},
            "mta_sts": {"type": "bool", "default": False},
            "ca_file": {"type": "path"},
            "tlsrpt": {"type": "bool", "default": False},
            "dane_required": {"type": "list", "elements": "str", "default": []},
            "dns_timeout": {"type": "float", "default": 5},
            "ehlo_name": {"type": "str"},
            "timeout": {"type": "float", "default": 60},
            "repeats": {"type": "int", "default": 1},
            "pause": {"type": "float", "default": 1},
            "concurrency": {"type": "int", "default": 32},
            "special_use": {"type": "bool", "default": False},
            "ip_version": {"type": "list", "elements": "int", "choices": [4, 6], "default": [4, 6]},
            "sni": {"type": "list", "elements": "str", "choices": ["with", "without"], "default": ["with", "without"]},
            "key_type": {
                "type": "list",
                "elements": "str",
                "choices": ["any", "rsa", "ecdsa"],
                "default": ["any", "rsa", "ecdsa"],
                "no_log": False,
            },
        },
        mutually_exclusive=[("trust_anchors", "trust_anchor_file")],
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
