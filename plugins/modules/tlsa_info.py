#!/usr/bin/python
# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tlsa_info
short_description: Compute TLSA records of certificates
version_added: 0.1.0
description:
  - Computes TLSA records (RFC 6698) of the certificates in a file or text, for every certificate usage, selector and
    matching type.
  - The digests are taken of the bytes as they stand in the certificate; nothing is encoded anew.
  - Says what is wrong with the resulting RRset as such, and can check that a private key belongs to the certificate.
    Records of public CAs are compared with a dated table of those, as it came with the collection.
author:
  - mailsec.dane contributors (!UNKNOWN)
extends_documentation_fragment:
  - mailsec.dane.attributes
  - mailsec.dane.attributes.info_module
requirements:
  - cryptography >= 42
options:
  path:
    description:
      - File with one or more certificates, PEM or DER, the certificate of the server first.
      - Private keys in the same file are passed over.
      - Exactly one of O(path) and O(content) is needed.
    type: path
  content:
    description:
      - The certificates themselves, as PEM text or as Base64 of one DER certificate.
      - Refused when a private key is in it, because Ansible shows the values of options.
    type: str
  usage:
    description:
      - Certificate usages, as numbers or as names of RFC 7218.
      - Usages V(3) and V(1) make records of the first certificate. Usages V(2) and V(0) make records of the certificate
        that issued it, or of the first one when that is a CA certificate. O(position) overrides both.
    type: list
    elements: str
    default: ['3']
  selector:
    description:
      - Selectors, V(0) or V(Cert) for the whole certificate, V(1) or V(SPKI) for its public key.
    type: list
    elements: str
    default: ['1']
  matching_type:
    description:
      - Matching types, V(0) or V(Full), V(1) or V(SHA2-256), V(2) or V(SHA2-512).
    type: list
    elements: str
    default: ['1']
  all:
    description:
      - Compute the records of all usages, selectors and matching types. O(usage), O(selector) and O(matching_type) are
        not looked at then, and usages 0 and 2 are left out when the input has no issuer.
    type: bool
    default: false
  position:
    description:
      - Make all records of the certificate at this position in the input, counted from 0.
    type: int
  host:
    description:
      - Host name of the mail server, as A-labels. Needed for the owner name and the zone file lines.
    type: str
  port:
    description:
      - Port of the owner name.
    type: int
    default: 25
  protocol:
    description:
      - Transport protocol of the owner name.
    type: str
    choices: [tcp, udp, sctp]
    default: tcp
  ttl:
    description:
      - TTL in seconds for the zone file lines, also examined by the findings.
    type: int
  private_key_path:
    description:
      - File with the private key, PEM or DER. The module fails unless it belongs to the first certificate, or to the
        one at O(position).
      - Nothing of the key is returned.
    type: path
  private_key_passphrase:
    description:
      - Passphrase of the private key.
    type: str
seealso:
  - name: RFC 6698
    description: The DNS-Based Authentication of Named Entities (DANE) Transport Layer Security (TLS) Protocol, TLSA.
    link: https://www.rfc-editor.org/rfc/rfc6698
  - name: RFC 7671
    description: Updates to and operational guidance for the DANE protocol.
    link: https://www.rfc-editor.org/rfc/rfc7671
"""

EXAMPLES = r"""
---
- name: Compute the 3 1 1 record of a mail server and the 2 1 1 record of its issuing CA
  mailsec.dane.tlsa_info:
    path: /etc/ssl/mail/chain.pem
    usage: [3, 2]
    host: mx.example.nl
    ttl: 3600
    private_key_path: /etc/ssl/mail/key.pem
  register: tlsa

- name: Show the lines for the zone file
  ansible.builtin.debug:
    var: tlsa.zone_lines

- name: Compute every possible record of a certificate held in a variable
  mailsec.dane.tlsa_info:
    content: "{{ certificate_pem }}"
    all: true
  delegate_to: localhost
"""

RETURN = r"""
records:
  description: The records, sorted, without repetitions.
  returned: success
  type: list
  elements: dict
  contains:
    usage:
      description: Certificate usage.
      type: int
      sample: 3
    selector:
      description: Selector.
      type: int
      sample: 1
    matching_type:
      description: Matching type.
      type: int
      sample: 1
    data:
      description: Certificate association data, lower-case hex.
      type: str
      sample: 8755cdaa8fe24ef16cc0f2c918063185e433faaf1415664911d9e30a924138c4
    text:
      description: The whole record in presentation format.
      type: str
      sample: 3 1 1 8755cdaa8fe24ef16cc0f2c918063185e433faaf1415664911d9e30a924138c4
    position:
      description: Position in the input of the certificate the record is made of.
      type: int
      sample: 0
owner:
  description: Owner name of the RRset, without final dot.
  returned: when O(host) is given
  type: str
  sample: _25._tcp.mx.example.nl
zone_lines:
  description: The RRset as lines of a zone file.
  returned: when O(host) is given
  type: list
  elements: str
  sample:
    - _25._tcp.mx.example.nl. 3600 IN TLSA 3 1 1 8755cdaa8fe24ef16cc0f2c918063185e433faaf1415664911d9e30a924138c4
certificates:
  description: The certificates of the input, in order.
  returned: success
  type: list
  elements: dict
  contains:
    position:
      description: Position in the input, counted from 0.
      type: int
      sample: 0
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
      sample: '2027-02-22T12:00:00Z'
    is_ca:
      description: Whether basicConstraints says CA.
      type: bool
      sample: false
    key_type:
      description: Type of the key.
      type: str
      sample: ec
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
private_key_matches:
  description: Always V(true); the module fails when the key does not belong to the certificate.
  returned: when O(private_key_path) is given
  type: bool
  sample: true
findings:
  description: What is wrong with the RRset as such, worst first.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: Stable code of the finding.
      type: str
      sample: tlsa-cert-selector
    severity:
      description: One of V(critical), V(error), V(warning) and V(info).
      type: str
      sample: error
    subject:
      description: What it is about.
      type: str
      sample: certificate 0
    evidence:
      description: What was observed.
      type: str
      sample: it expired on 2026-11-01T00:00:00Z
    expected:
      description: What would have been right.
      type: str
      sample: a certificate in date
    remedy:
      description: What to do.
      type: str
      sample: Renew the certificate.
    rule:
      description: Where the rule stands.
      type: str
      sample: RFC 5280 section 4.1.2.5
"""

import base64
import binascii
import datetime
import itertools
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.mailsec.dane.plugins.module_utils._audit.ca_findings import ca_findings
from ansible_collections.mailsec.dane.plugins.module_utils._dane import tlsa
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa_source import key_belongs_to, source_position
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, sort
from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing

_MAX_FILE_BYTES = 16 * 1024 * 1024


def _read(path: str, what: str) -> bytes:
    try:
        with open(path, "rb") as handle:
            data = handle.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the {what} {path} cannot be read: {error.strerror}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise ValueError(f"the {what} {path} is larger than {_MAX_FILE_BYTES} bytes")
    return data


def _load(params: dict[str, t.Any]) -> tuple[pki_certificate.Certificate, ...]:
    if params["path"]:
        try:
            return pki_certificate.load(_read(params["path"], "certificate file"))
        except pki_certificate.CertificateError as error:
            raise ValueError(f"{params['path']}: {error}") from error
    content = params["content"]
    if "-----BEGIN " in content:
        return pki_certificate.load_pem(content)
    try:
        return pki_certificate.load(base64.b64decode("".join(content.split()), validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"content is neither PEM text nor Base64 of a DER certificate: {error}") from error


def _combinations(
    params: dict[str, t.Any], chain: tuple[pki_certificate.Certificate, ...]
) -> list[tuple[int, int, int, int]]:
    """Return usage, selector, matching type and position of the source for each record asked for."""
    if params["all"]:
        usages = []
        for usage in range(4):
            try:
                source_position(chain, usage, params["position"])
            except pki_certificate.CertificateError:
                if usage in (1, 3):
                    raise
                # No issuer in the input: documented to leave the CA usages out.
                continue
            usages.append(usage)
        fields = itertools.product(usages, (0, 1), (0, 1, 2))
    else:
        fields = itertools.product(
            [tlsa.parse_usage(value) for value in params["usage"]],
            [tlsa.parse_selector(value) for value in params["selector"]],
            [tlsa.parse_matching_type(value) for value in params["matching_type"]],
        )
    return [(*field, source_position(chain, field[0], params["position"])) for field in fields]


def _describe(position: int, certificate: pki_certificate.Certificate) -> dict[str, t.Any]:
    return {
        "position": position,
        "subject": certificate.subject_text,
        "issuer": certificate.issuer_text,
        "dns_names": list(certificate.dns_names),
        "not_before": f"{certificate.not_before:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
        "is_ca": certificate.is_ca,
        "key_type": certificate.key_type,
        "key_bits": certificate.key_bits,
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "spki_sha256": certificate.spki_sha256,
    }


def _findings(rrset: tlsa.TlsaRrset) -> tuple[Finding, ...]:
    now = datetime.datetime.now(datetime.UTC)
    return sort([*tlsa.lint(rrset), *ca_findings(rrset.owner, rrset.records, (), now)])


def compute(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the result for the module parameters; ValueError with a message for people."""
    chain = _load(params)
    owner = tlsa.owner_name(params["host"], params["port"], params["protocol"]) if params["host"] else ""
    if params["ttl"] is not None and not 0 <= params["ttl"] < 2**31:
        raise ValueError(f"{params['ttl']} is not a TTL: it is 0 to 2147483647 seconds (RFC 2181 section 8)")
    sources: dict[tlsa.TlsaRecord, int] = {}
    for usage, selector, matching_type, position in _combinations(params, chain):
        sources[tlsa.compute(chain[position], usage, selector, matching_type)] = position
    rrset = tlsa.TlsaRrset(owner or "TLSA RRset", tuple(sources), params["ttl"])
    result: dict[str, t.Any] = {
        "certificates": [_describe(position, certificate) for position, certificate in enumerate(chain)],
        "records": [{**record.as_dict(), "position": sources[record]} for record in rrset.records],
        "findings": [found.as_dict() for found in _findings(rrset)],
    }
    if owner:
        result.update(owner=owner, zone_lines=list(rrset.zone_lines()))
    if params["private_key_path"]:
        key = _read(params["private_key_path"], "private key file")
        passphrase = params["private_key_passphrase"]
        certificate = chain[source_position(chain, 3, params["position"])]
        if not key_belongs_to(certificate, key, passphrase.encode() if passphrase else None):
            raise ValueError(
                f"the private key in {params['private_key_path']} does not belong to the certificate "
                f"{certificate.subject_text} (SHA-256 of its public key: {certificate.spki_sha256})"
            )
        result["private_key_matches"] = True
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path"},
            "content": {"type": "str"},
            "usage": {"type": "list", "elements": "str", "default": ["3"]},
            "selector": {"type": "list", "elements": "str", "default": ["1"]},
            "matching_type": {"type": "list", "elements": "str", "default": ["1"]},
            "all": {"type": "bool", "default": False},
            "position": {"type": "int"},
            "host": {"type": "str"},
            "port": {"type": "int", "default": 25},
            "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"], "default": "tcp"},
            "ttl": {"type": "int"},
            "private_key_path": {"type": "path", "no_log": False},
            "private_key_passphrase": {"type": "str", "no_log": True},
        },
        mutually_exclusive=[("path", "content")],
        required_one_of=[("path", "content")],
        supports_check_mode=True,
    )
    for gap in missing("cryptography"):
        module.fail_json(msg=f"{missing_required_lib('cryptography')} ({gap.why})", exception=gap.trace or None)
    content = module.params["content"] or ""
    if "PRIVATE KEY-----" in content:
        module.no_log_values.add(content)
        module.fail_json(msg="content holds a private key; pass certificates only, or use path")
    try:
        result = compute(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
