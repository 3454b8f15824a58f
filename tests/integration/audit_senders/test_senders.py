# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts of the audit beside what Postfix and Exim make of the same domains (B05), in a lab of four hosts.

posttls-finger is Postfix's own client without the mail; its exit status says nothing, so its words are read. Exim
sends a message to each domain, and its log is read.
"""

from __future__ import annotations

import dataclasses
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
#: Where Exim does another thing than Postfix: no digest agility, and no TLSA records below the name of an alias.
OF_EXIM = {**EXPECTED, "agile.nl": "authenticated", "alias-itself.nl": "opportunistic"}
#: What Exim's log can show of a verdict: it does not tell TLS that is insisted on from TLS that happens to be there.
IN_LOG = {
    "authenticated": "CV=dane", "refused": "deferred", "lookup-error": "deferred", "encrypt-only": "CV=no",
    "opportunistic": "CV=no",
}  # fmt: skip
#: As Debian 12 has Exim send, but for what concerns users of the machine.
EXIM = r"""
primary_hostname = exim.outside.nl
spool_directory = /tmp/exim/spool
log_file_path = /tmp/exim/%slog
dns_dnssec_ok = 1
log_selector = +tls_cipher +tls_certificate_verified +dnssec
never_users =
begin routers
dnslookup:
  driver = dnslookup
  transport = remote_smtp
  dnssec_request_domains = *
begin transports
remote_smtp:
  driver = smtp
  hosts_try_dane = *
  dnssec_request_domains = *
begin retry
* * F,2h,15m
"""
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
        "domains": ["outside.nl", *EXPECTED], "certificate_names": ["sender.outside.nl"],
    },
    {
        "name": "exim", "address": 21, "fqdn": "exim.outside.nl", "release": "bookworm",
        "packages": ["exim4-daemon-heavy"],
    },
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Said:
    """For each domain: what the audit says of each kind of sender, and what those say themselves."""

    audit: dict[str, dict[str, str]]
    postfix: dict[str, str]
    exim: dict[str, str]
    injection: str


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, machine: None) -> Iterator[Said]:  # noqa: F811
    lab = Lab(Path("/var/lib/mailsec-dane-lab-audit"), {"lab_hosts": HOSTS, "lab_zones": ZONES})
    lab.playbook(lab_state="absent")
    lab.playbook()
    audit = audited(lab, tmp_path_factory.mktemp("audit") / "audit.json")
    yield Said(audit, said_by_postfix(lab), said_by_exim(lab), injection(lab))
    lab.playbook(lab_state="absent")


def audited(lab: Lab, kept: Path) -> dict[str, dict[str, str]]:
    variables = {
        "audit_domains": list(EXPECTED), "audit_special_use": True, "audit_fail_on": "never",
        "audit_json_file": str(kept), "audit_vantage": "vantage", "audit_authorities": True,
        "audit_validation": "both", "audit_trust_anchor_file": str(lab.directory / "trust-anchor.ds"),
    }  # fmt: skip
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    run(playbook, "-i", lab.directory / "inventory.yml", "mailsec.dane.audit", "-e", json.dumps(variables))
    found: dict[str, dict[str, str]] = {}
    for domain in json.loads(kept.read_text())["domains"]:
        no_mx = "lookup-error" if domain["reason"] == "dnssec-bogus" else domain["reason"]
        profiles = domain["hosts"][0]["profiles"] if domain["hosts"] else {}
        found[domain["domain"]] = {
            sender: profiles[sender]["verdict"] if profiles else no_mx for sender in ("postfix", "exim")
        }
        # Own validation and Unbound agree about every name.
        assert "validation-differs" not in {entry["code"] for entry in domain["findings"]}, domain["findings"]
        # The name servers are reached, on port 53 and from where the audit runs.
        asked = domain["authorities"]["servers"]
        assert [(one["udp"], one["tcp"]) for one in asked] == [("served", "served")], domain["authorities"]
    return found


def injection(lab: Lab) -> str:
    """What Postfix makes of commands behind STARTTLS, as a user would ask for it."""
    arguments = json.dumps({"host": ["198.51.100.20"], "injection": True})
    ansible = str(Path(sys.executable).with_name("ansible"))
    module = ("vantage", "-m", "mailsec.dane.starttls_info", "-a", arguments)
    done = run(ansible, "-i", lab.directory / "inventory.yml", *module)
    found = re.search(r"injection.*(not-detected|vulnerable|inconclusive)", done.stdout)
    return found[1] if found else done.stdout


def said_by_exim(lab: Lab) -> dict[str, str]:
    lab.host("exim", f"mkdir -p /tmp/exim/spool && cat >/tmp/exim/conf <<'END'\n{EXIM}\nEND\n")
    send = "exim4 -C /tmp/exim/conf -odf -i -f test@outside.nl postmaster@$domain </tmp/exim/message"
    lab.host(
        "exim",
        "chown -R Debian-exim: /tmp/exim && chmod 644 /tmp/exim/conf && chown root: /tmp/exim/conf"
        " && printf 'Subject: test\\n\\ntest\\n' >/tmp/exim/message"
        f" && for domain in {' '.join(EXPECTED)}; do timeout 60 {send}; done",
    )
    log = lab.host("exim", "cat /tmp/exim/mainlog")
    return {domain: in_log(log, domain) for domain in EXPECTED}


def in_log(log: str, domain: str) -> str:
    lines = [line for line in log.splitlines() if re.search(rf"(=>|==|\*\*) postmaster@{re.escape(domain)} ", line)]
    end = lines[-1] if lines else log
    delivered = re.search(r"=> .* (CV=\w+) ", end)
    if delivered:
        return delivered[1]
    return "deferred" if " == postmaster@" in end else end


def said_by_postfix(lab: Lab) -> dict[str, str]:
    finger = "posttls-finger -t20 -T20 -c -l dane -L verbose,summary $domain 2>&1"
    said = lab.host("sender", f'for domain in {" ".join(EXPECTED)}; do echo "== $domain"; {finger}; done')
    pieces = said.split("== ")[1:]
    return {piece.split()[0]: understood(piece) for piece in pieces}


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
def test_b05_the_audit_says_what_postfix_does(said: Said, domain: str) -> None:
    assert (said.audit[domain]["postfix"], said.postfix[domain]) == (EXPECTED[domain], EXPECTED[domain])


@pytest.mark.parametrize("domain", EXPECTED)
def test_b05_the_audit_says_what_exim_does(said: Said, domain: str) -> None:
    assert (said.audit[domain]["exim"], said.exim[domain]) == (OF_EXIM[domain], IN_LOG[OF_EXIM[domain]])


def test_b05_postfix_executes_nothing_that_came_in_the_clear(said: Said) -> None:
    assert said.injection == "not-detected"
