# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts of the audit beside what Postfix makes of the same domains (B05), in a lab of three hosts.

posttls-finger is Postfix's own client without the mail; its exit status says nothing, so its words are read.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_driver import Lab, machine, run  # noqa: F401  # pylint: disable=unused-import

KEY = "{spki_sha256:sender}"
WRONG = "ab" * 32
HOST = "mx A 198.51.100.20"


def zone(name: str, *records: str, **more: object) -> dict[str, object]:
    return {"name": f"{name}.nl", "records": ["@ MX 10 mx", *records], **more}


def tlsa(record: str, host: str = "mx") -> str:
    return f"_25._tcp.{host} TLSA {record}"


#: Domain -> the verdict that is expected of Postfix for its only MX host.
EXPECTED = {
    "right.nl": "authenticated",
    "extra.nl": "authenticated",
    "wrong.nl": "refused",
    "agile.nl": "refused",
    "other-digest.nl": "authenticated",
    "pkix.nl": "encrypt-only",
    "broken.nl": "encrypt-only",
    "none.nl": "opportunistic",
    "unsigned.nl": "opportunistic",
    "alias-target.nl": "authenticated",
    "alias-itself.nl": "authenticated",
    "alias-insecure.nl": "opportunistic",
    "tlsa-alias.nl": "authenticated",
    "bogus.nl": "lookup-error",
}
ZONES = [
    {"name": "lab-dns.nl"},
    {"name": "outside.nl"},
    zone("right", HOST, tlsa(f"3 1 1 {KEY}")),
    zone("extra", HOST, tlsa(f"3 1 1 {KEY}"), tlsa(f"3 1 1 {WRONG}"), tlsa(f"1 1 1 {WRONG}")),
    zone("wrong", HOST, tlsa(f"3 1 1 {WRONG}")),
    zone("agile", HOST, tlsa(f"3 1 1 {KEY}"), tlsa(f"3 1 2 {WRONG * 2}")),
    zone("other-digest", HOST, tlsa(f"3 1 1 {KEY}"), tlsa(f"3 0 2 {WRONG * 2}")),
    zone("pkix", HOST, tlsa(f"1 1 1 {KEY}")),
    zone("broken", HOST, tlsa("3 1 1 abcd")),
    zone("none", HOST),
    zone("unsigned", HOST, tlsa(f"3 1 1 {WRONG}"), signed=False),
    zone("alias-target", "mx CNAME mx.right.nl."),
    zone("alias-itself", "mx CNAME mx.none.nl.", tlsa(f"3 1 1 {KEY}")),
    zone("alias-insecure", "mx CNAME mx.unsigned.nl."),
    zone("tlsa-alias", HOST, "_25._tcp.mx CNAME _25._tcp.mx.right.nl."),
    zone("bogus", HOST, signed=False, parent_ds=True),
]
HOSTS = [
    {"name": "dns", "address": 2, "fqdn": "dns.lab-dns.nl", "role": "primary", "release": "bookworm"},
    {"name": "resolver", "address": 53, "fqdn": "res.lab-dns.nl", "role": "resolver", "release": "bookworm"},
    {
        "name": "sender", "address": 20, "fqdn": "sender.outside.nl", "role": "sender", "release": "bookworm",
        "domains": ["outside.nl"], "certificate_names": ["sender.outside.nl"],
    },
]  # fmt: skip


#: For each domain what the audit says of Postfix, and what Postfix says.
Verdicts = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory, machine: None) -> Iterator[Verdicts]:  # noqa: F811
    lab = Lab(Path("/var/lib/mailsec-dane-lab-audit"), {"lab_hosts": HOSTS, "lab_zones": ZONES})
    lab.playbook(lab_state="absent")
    lab.playbook()
    audit, postfix = audited(lab, tmp_path_factory.mktemp("audit") / "audit.json"), said_by_postfix(lab)
    yield {domain: (audit[domain], understood(postfix[domain])) for domain in EXPECTED}
    lab.playbook(lab_state="absent")


def audited(lab: Lab, kept: Path) -> dict[str, str]:
    variables = {
        "audit_domains": list(EXPECTED), "audit_special_use": True, "audit_fail_on": "never",
        "audit_json_file": str(kept), "audit_vantage": "vantage",
    }  # fmt: skip
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    run(playbook, "-i", lab.directory / "inventory.yml", "mailsec.dane.audit", "-e", json.dumps(variables))
    found: dict[str, str] = {}
    for domain in json.loads(kept.read_text())["domains"]:
        no_mx = "lookup-error" if domain["reason"] == "dnssec-bogus" else domain["reason"]
        found[domain["domain"]] = domain["hosts"][0]["profiles"]["postfix"]["verdict"] if domain["hosts"] else no_mx
    return found


def said_by_postfix(lab: Lab) -> dict[str, str]:
    finger = "posttls-finger -t20 -T20 -c -l dane -L verbose,summary $domain 2>&1"
    said = lab.host("sender", f"for domain in {' '.join(EXPECTED)}; do echo \"== $domain\"; {finger}; done")
    pieces = said.split("== ")[1:]
    return {piece.split()[0]: piece for piece in pieces}


def understood(said: str) -> str:
    session = re.search(r"(Verified|Trusted|Untrusted|Anonymous) TLS connection established", said)
    if session is None:
        return "lookup-error" if "lookup failed" in said else said
    if session[1] == "Verified":
        return "authenticated"
    if "num=65:no matching DANE TLSA records" in said:
        return "refused"
    return "encrypt-only" if "TLSA" in said else "opportunistic"


@pytest.mark.parametrize("domain", EXPECTED)
def test_b05_the_audit_says_what_postfix_does(verdicts: Verdicts, domain: str) -> None:
    assert verdicts[domain] == (EXPECTED[domain], EXPECTED[domain])
