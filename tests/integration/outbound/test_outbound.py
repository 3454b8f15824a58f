# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Outgoing mail of hosts set up by hand: what is said, beside what becomes of real mail to a wrong TLSA record."""

from __future__ import annotations

import re
import typing as t

import pytest

WRONG = "wrongtlsa.nl"
OUT = "/etc/postfix-out"


def remedies(output: str) -> list[str]:
    """The commands that a run says would help, with single spaces."""
    # The result is printed once more as YAML, which doubles quotes.
    return list(dict.fromkeys(re.findall(r"Run: (.*?reload)\. ", output.replace("''", "'"))))


def test_a_plain_host_gets_dane_and_a_second_run_changes_nothing(lab: t.Any, host: str) -> None:
    assert lab.sent(host, WRONG) == "sent"
    predicted = lab.role(host, "--check")
    assert not predicted.failed and predicted.changed and "Would stay" not in predicted.output
    run = lab.role(host, postfix_outbound_probe=WRONG)
    assert not run.failed and run.changed
    assert lab.sent(host, WRONG) == "deferred" and lab.sent(host, "outside.nl") == "sent"
    again = lab.role(host, postfix_outbound_probe=WRONG)
    assert not again.failed and again.changed == 0


def test_r12_a_service_with_a_level_of_its_own_is_named_with_the_command_that_helps(lab: t.Any, host: str) -> None:
    """Parameters of main.cf say dane, and all mail goes without it."""
    lab.host(host, "postconf -P smtp/unix/smtp_tls_security_level=may && postfix reload")
    assert lab.codes(host) == [("outbound-dane-off", "smtp")]
    run = lab.role(host)
    assert run.failed
    assert "service smtp/unix of Postfix in /etc/postfix: smtp_tls_security_level = may (-o of service" in run.output
    assert lab.sent(host, WRONG) == "sent"
    [command] = remedies(run.output)
    lab.host(host, command)
    assert not lab.role(host).failed
    assert lab.sent(host, WRONG) == "deferred"


def test_an_exception_that_is_accepted_is_named_and_no_failure(lab: t.Any, d12: str) -> None:
    lab.host(d12, "postconf -P smtp/unix/smtp_tls_security_level=may && postfix reload")
    run = lab.apply(d12, postfix_outbound_exceptions=["smtp"])
    assert not run.failed and "Accepted: outbound-dane-off: service smtp/unix of Postfix" in run.output


@pytest.mark.long
@pytest.mark.parametrize(
    "table",
    [
        "hash:/etc/postfix/policy",
        pytest.param("regexp:/etc/postfix/policy.re", marks=pytest.mark.long),
        pytest.param("texthash:/etc/postfix/policy", marks=pytest.mark.long),
        "inline:{ wrongtlsa.nl=may }",
    ],
)
def test_r12_a_table_of_policies_lowers_single_next_hops(lab: t.Any, d12: str, table: str) -> None:
    lab.host(
        d12,
        "printf 'wrongtlsa.nl may\\noutside.nl secure\\n.inside.nl encrypt\\n[127.0.0.1]:10025 none\\n'"
        " > /etc/postfix/policy && postmap /etc/postfix/policy"
        " && printf '/^wrongtlsa\\\\.nl$/ may\\n' > /etc/postfix/policy.re"
        f" && postconf -e 'smtp_tls_policy_maps = {table}' && postfix reload",
    )
    run = lab.apply(d12)
    assert run.failed and re.search(r"TLS policy for (pattern )?\S*wrongtlsa\S* of Postfix in /etc/postfix", run.output)
    assert f"{table} has level may for" in run.output and "postfix reload" in run.output
    assert len(lab.codes(d12)) == 1 and lab.codes(d12)[0][0] == "outbound-policy-lower"
    assert lab.sent(d12, WRONG) == "sent"


@pytest.mark.long
def test_the_obsolete_table_and_the_obsolete_switches(lab: t.Any, d12: str) -> None:
    lab.host(
        d12,
        "postconf -X smtp_tls_security_level; postconf -e smtp_use_tls=yes smtp_tls_per_site=hash:/etc/postfix/sites"
        f" && echo '{WRONG} NONE' > /etc/postfix/sites && postmap /etc/postfix/sites && postfix reload",
    )
    assert lab.apply(d12).failed
    assert lab.codes(d12) == [("outbound-policy-lower", WRONG)]
    assert lab.sent(d12, WRONG) == "sent"
    lab.host(d12, "postconf -X smtp_tls_per_site && postfix reload")
    assert not lab.apply(d12).failed
    assert lab.sent(d12, WRONG) == "deferred"


SECOND = f"""
cp -a /etc/postfix {OUT} && mkdir -p /var/lib/postfix-out && chown postfix /var/lib/postfix-out
postconf -c {OUT} -e queue_directory=/var/spool/postfix-out data_directory=/var/lib/postfix-out \
    inet_interfaces= master_service_disable=inet multi_instance_name=postfix-out syslog_name=postfix-out \
    smtp_bind_address=192.0.2.12 compatibility_level=3.6
mkdir -p /var/spool/postfix-out && {{how}}
postfix -c {OUT} check; mkdir -p /var/spool/postfix-out/etc
cp /etc/resolv.conf /etc/hosts /etc/services /var/spool/postfix-out/etc/
postfix -c {OUT} start; sleep 1; postfix -c {OUT} status
"""
REGISTERED = {
    "postmulti": "postmulti -e init; postmulti -I postfix-out -e import config_directory=/etc/postfix-out;"
    " postmulti -i postfix-out -e enable",
    "alternate": f"postconf -e alternate_config_directories={OUT}",
}


@pytest.mark.long
@pytest.mark.parametrize("how", ["alternate", pytest.param("postmulti", marks=pytest.mark.long)])
def test_r12_every_instance_counts_however_it_is_registered(lab: t.Any, d12: str, how: str) -> None:
    lab.host(d12, SECOND.replace("{how}", REGISTERED[how]))
    run = lab.apply(d12)
    assert run.failed and f"service smtp/unix of Postfix in {OUT}: smtp_tls_security_level = may" in run.output
    assert lab.sent(d12, WRONG) == "deferred"
    assert lab.sent(d12, WRONG, OUT) == "sent"
    assert not lab.apply(d12, postfix_outbound_exceptions=[f"{OUT}/smtp"]).failed
    [command] = remedies(run.output)
    lab.host(d12, command)
    run = lab.apply(d12, postfix_outbound_probe=WRONG)
    assert not run.failed and run.output.count("(item=/etc/postfix") == 2
    assert lab.sent(d12, WRONG, OUT) == "deferred"


@pytest.mark.long
def test_a_chroot_with_other_resolvers_is_said_to_be_unknown(lab: t.Any, d12: str) -> None:
    lab.host(d12, SECOND.replace("{how}", REGISTERED["alternate"]))
    copy = "/var/spool/postfix-out/etc/resolv.conf"
    lab.host(
        d12,
        f"postconf -c {OUT} -e smtp_tls_security_level=dane smtp_dns_support_level=dnssec"
        f" && echo nameserver 192.0.2.3 > {copy} && postfix -c {OUT} reload",
    )
    run = lab.apply(d12)
    assert run.failed and lab.codes(d12) == [("outbound-unknown", copy)]
    lab.host(d12, remedies(run.output)[0])
    assert not lab.apply(d12).failed


@pytest.mark.long
def test_an_instance_that_is_switched_off_does_not_count(lab: t.Any, d12: str) -> None:
    lab.host(d12, SECOND.replace("{how}", REGISTERED["postmulti"]))
    lab.host(d12, "postmulti -i postfix-out -p stop; postmulti -i postfix-out -e disable")
    assert not lab.apply(d12).failed


RELAY = "[sender.outside.nl]:25"
FILES = "cd /etc/postfix && sha256sum main.cf master.cf && ls"


@pytest.mark.long
def test_r12_the_way_to_a_relay_keeps_its_level_and_certificate(lab: t.Any, d12: str) -> None:
    """R-F: a smart-host client at level secure, with a certificate by which the relay knows it."""
    lab.host(
        d12,
        "cd /etc/postfix && openssl req -x509 -newkey rsa:2048 -nodes -keyout client.key -out client.pem -subj /CN=c"
        f" && postconf -e 'relayhost = {RELAY}' smtp_tls_security_level=secure smtp_tls_CAfile=/etc/postfix/client.pem"
        " smtp_tls_cert_file=/etc/postfix/client.pem smtp_tls_key_file=/etc/postfix/client.key smtp_use_tls=yes"
        " && postfix reload",
    )
    before = lab.tell(d12, FILES)
    run = lab.role(d12)
    assert run.failed and run.changed == 0
    assert (
        f"mail for other domains goes to the relay {RELAY}, at TLS level secure. DANE ends at the relay" in run.output
    )
    assert "smtp_tls_security_level = secure is kept" in run.output
    accepted = lab.role(d12, postfix_outbound_exceptions=[RELAY], postfix_outbound_probe=WRONG)
    assert not accepted.failed and "Accepted: outbound-relay: relayhost of Postfix" in accepted.output
    assert lab.tell(d12, FILES) == before
    assert lab.codes(d12) == [("outbound-relay", RELAY)]
    # The relay's certificate is not one that this host trusts, so it is still refused.
    assert lab.sent(d12, "outside.nl") == "deferred"


@pytest.mark.long
def test_names_that_only_the_hosts_file_knows_stay_deliverable(lab: t.Any, d12: str) -> None:
    lab.host(
        d12,
        "echo 192.0.2.20 inside.corp >> /etc/hosts && cp /etc/hosts /var/spool/postfix/etc/hosts"
        " && postconf -e smtp_host_lookup=native 'transport_maps = inline:{ outside.nl=smtp:[inside.corp] }'"
        " && postfix reload",
    )
    assert lab.sent(d12, "outside.nl") == "sent"
    run = lab.apply(d12, postfix_outbound_probe=WRONG)
    assert not run.failed
    assert lab.sent(d12, "outside.nl") == "sent" and lab.sent(d12, WRONG) == "deferred"


@pytest.mark.long
@pytest.mark.parametrize(
    "setting", ["smtp_host_lookup=native", pytest.param("smtp_dns_support_level=enabled", marks=pytest.mark.long)]
)
def test_dane_that_is_none_is_found_in_a_service(lab: t.Any, d12: str, setting: str) -> None:
    lab.host(d12, f"postconf -P smtp/unix/{setting} && postfix reload")
    run = lab.apply(d12, postfix_outbound_probe=WRONG)
    assert run.failed and "outgoing mail is not validated with DANE" in run.output
    lab.host(d12, remedies(run.output)[0])
    assert not lab.apply(d12, postfix_outbound_probe=WRONG).failed


@pytest.mark.long
def test_level_encrypt_is_kept_and_named(lab: t.Any, d12: str) -> None:
    lab.host(d12, "postconf -e smtp_tls_security_level=encrypt && postfix reload")
    run = lab.apply(d12)
    assert run.failed and run.changed == 0 and "smtp_tls_security_level = encrypt is kept" in run.output
    assert lab.tell(d12, "postconf -h smtp_tls_security_level") == "encrypt"
    assert lab.sent(d12, WRONG) == "sent"
    assert not lab.apply(d12, postfix_outbound_exceptions=["smtp"]).failed


@pytest.mark.long
def test_a_filter_on_this_host_and_a_service_without_mail_do_not_count(lab: t.Any, d12: str) -> None:
    """The filter goes without DNS by the older parameter, and its name is in the hosts file only."""
    lab.host(
        d12,
        "postconf -M 'filter/unix=filter unix - - y - - smtp -o disable_dns_lookups=yes'"
        " && postconf -P filter/unix/smtp_tls_security_level=none"
        " && postconf -M 'spare/unix=spare unix - - y - 2 smtp -o smtp_tls_security_level=none'"
        " && postconf -e content_filter=filter:localhost:10024 && postfix reload",
    )
    assert not lab.apply(d12, postfix_outbound_probe=WRONG).failed
    found = lab.module(d12, "outbound_info")
    states = {entry["name"]: entry["state"] for entry in found["instances"][0]["services"]}
    assert (states["filter"], states["spare"], states["smtp"]) == ("local", "unused", "dane")
    assert "smtp_dns_support_level=disabled" in lab.tell(d12, "postconf -M filter/unix")
    lab.host(d12, "postconf -e 'content_filter = filter:[filter.example.nl]:10024' && postfix reload")
    assert lab.codes(d12) == [("outbound-dane-off", "filter")]


@pytest.mark.long
def test_a_table_that_cannot_be_listed_is_said_to_be_unknown(lab: t.Any, d12: str) -> None:
    table = "socketmap:inet:127.0.0.1:8461:policy"
    lab.host(d12, f"postconf -e smtp_tls_policy_maps={table} && postfix reload")
    assert lab.apply(d12).failed
    assert lab.codes(d12) == [("outbound-unknown", table)]


@pytest.mark.long
def test_the_probe_tells_what_postfix_does_and_leaves_nothing(lab: t.Any, host: str) -> None:
    accepted = lab.module(host, "outbound_probe", destination=WRONG)
    assert accepted["outcome"] == "accepted" and "not validated with DANE" in accepted["message"]
    assert not lab.apply(host).failed
    assert lab.module(host, "outbound_probe", destination=WRONG)["outcome"] == "refused"
    assert lab.module(host, "outbound_probe", destination="unsigned.nl")["outcome"] == "accepted"
    assert lab.module(host, "outbound_probe", destination="bogus.nl")["outcome"] == "unknown"
    assert lab.module(host, "outbound_probe", destination="-x")["msg"].startswith(
        "destination '-x' is not a domain name"
    )
    assert lab.queue(host) == ""
    lab.host(host, "postconf -MX pickup/unix && postfix reload && pkill -x pickup; sleep 1")
    stuck = lab.module(host, "outbound_probe", destination=WRONG, timeout=3)
    assert stuck["outcome"] == "unknown" and "has no result" in stuck["reason"]
    assert lab.queue(host) == ""
    lab.host(host, "postfix stop")
    assert "does not run" in lab.module(host, "outbound_probe", destination=WRONG)["msg"]


@pytest.mark.long
def test_what_got_lower_is_named(lab: t.Any, d12: str) -> None:
    assert not lab.apply(d12).failed
    before = lab.module(d12, "outbound_info")
    lab.host(d12, "postconf -e smtp_dns_support_level=enabled && postfix reload")
    worse = lab.module(d12, "outbound_info", before=before)["worse"]
    assert any(line.startswith("service smtp/unix of Postfix in /etc/postfix had TLS level dane") for line in worse)
