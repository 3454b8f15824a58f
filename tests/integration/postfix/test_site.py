# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""F05, F18, F19, F20, F22: from a bare host to STARTTLS as the guidelines ask and to verified delivery. Tests build on
each other, in the order of this file."""

from __future__ import annotations

import re
import time
import typing as t

import pytest

# Whole files that were not seen to pass on this state: they belong to the rehearsal until they were.
pytestmark = pytest.mark.long

HOSTS = {"d12": "192.0.2.12", "d13": "192.0.2.13"}
SITE: dict[str, t.Any] = {"postfix_domains": ["example.nl"]}

# NCSC-NL 2025-05, appendix B: good and sufficient.
TLS12 = {
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-CCM",
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM", "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256",
}  # fmt: skip
TLS13 = {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_AES_128_CCM_SHA256"}


def test_check_mode_on_bare_hosts_predicts_and_changes_nothing(lab: t.Any) -> None:
    run = lab.both("--check", "--diff", **SITE).succeeded()
    assert run.changed == {"d12": 4, "d13": 4}  # both packages, resolv.conf, main.cf
    assert "+nameserver 127.0.0.1" in run.output
    assert "+smtp_tls_security_level = dane" in run.output
    assert "keychain.pem does not exist; outside check mode this is an error" in run.output
    for host in HOSTS:
        assert "192.0.2.3" in lab.tell(host, "cat /etc/resolv.conf")
        assert lab.tell(host, "ls /etc/postfix /etc/unbound 2>/dev/null || true") == ""


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("rm -rf {live}", "keychain.pem does not exist"),
        ("openssl genrsa 2048 2>/dev/null | cat - {live}/cert.pem > {live}/keychain.pem",
         "is not the key of the first certificate"),
    ],
)  # fmt: skip
def test_f05_an_unusable_keychain_is_refused_before_anything_is_changed(lab: t.Any, spoil: str, message: str) -> None:
    lab.make_keychain()
    lab.host("mail", "umask 077; " + spoil.format(live="/etc/mailsec-dane/live"))
    text = lab.role("postfix").refused()
    assert message in text and "BEGIN" not in text
    assert lab.tell("d12", "dpkg -l postfix 2>/dev/null | grep -c ^ii || true") == "0"


def test_another_mail_server_is_not_removed(lab: t.Any) -> None:
    lab.make_keychain()
    lab.host("d13", "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install exim4-daemon-heavy >/dev/null 2>&1")
    assert "remove is disabled" in lab.role("postfix", hosts="d13").refused()
    assert lab.tell("d13", "dpkg -l exim4-daemon-heavy | grep -c ^ii") == "1"
    lab.host("d13", "DEBIAN_FRONTEND=noninteractive apt-get -qq -y purge 'exim4*' >/dev/null 2>&1")


def test_f20_f22_from_bare_hosts_where_a_policy_forbids_starts(lab: t.Any) -> None:
    lab.make_keychain()
    lab.host("mail", "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d")
    lab.both(**SITE).succeeded()
    for host in HOSTS:
        assert lab.tell(host, "cat /usr/sbin/policy-rc.d") == "#!/bin/sh\nexit 101"
        text = lab.tell(host, "cat /etc/resolv.conf")
        assert re.findall("nameserver.*", text) == ["nameserver 127.0.0.1"] and "trust-ad" in text
        assert lab.tell(host, "cmp /etc/resolv.conf /var/spool/postfix/etc/resolv.conf; echo $?") == "0"
        assert lab.settings(host)["mydestination"] == "$myhostname, localhost.$mydomain, localhost, example.nl"


def test_a_second_run_changes_nothing_with_few_tasks(lab: t.Any) -> None:
    for arguments in ((), ("--check", "--diff")):
        run = lab.both(*arguments, **SITE).succeeded()
        assert run.changed == {"d12": 0, "d13": 0}, run.output
        assert max(run.ok.values()) <= 1 + 5 + 6  # facts, resolver, postfix
        assert "+++" not in run.output


def test_f18_the_installed_software_says_whether_it_supports_dane(lab: t.Any) -> None:
    show = {"name": "Show", "ansible.builtin.debug": {"var": "found.software"}}
    run = lab.play([{"name": "Ask", "mailsec.dane.postfix_info": {}, "register": "found"}, show]).succeeded()
    assert re.search(r"outbound_dane: true\s+reason: Postfix 3\.7\.\d+ with OpenSSL 3\.0", run.output)
    assert re.search(r"outbound_dane: true\s+reason: Postfix 3\.10\.\d+ with OpenSSL 3\.5", run.output)


OFFER = """
one() { openssl s_client -connect %s:25 -starttls smtp -name probe.example "$@" </dev/null 2>&1; }
spoken() { one "$@" | sed -n 's/.*Cipher is //p' | grep -v NONE | head -1; }
echo "tls10 $(spoken -tls1 -cipher ALL:@SECLEVEL=0)"
echo "tls11 $(spoken -tls1_1 -cipher ALL:@SECLEVEL=0)"
echo "tls12 $(spoken -tls1_2)"
echo "tls13 $(spoken -tls1_3)"
for suite in $(openssl ciphers 'ALL:COMPLEMENTOFALL:@SECLEVEL=0' | tr : ' '); do
  case $suite in
    TLS_*) echo "suite13 $(spoken -tls1_3 -ciphersuites $suite)" ;;
    *) echo "suite12 $(spoken -tls1_2 -cipher $suite:@SECLEVEL=0)" ;;
  esac
done
for hash in SHA1 SHA224 SHA256 SHA384; do
  echo "$hash $(spoken -tls1_2 -sigalgs ECDSA+$hash:RSA+$hash -cipher ALL:@SECLEVEL=0)"
done
for group in ffdhe2048 ffdhe3072 X25519 P-256 P-384 P-521 X448; do echo "$group $(spoken -tls1_3 -groups $group)"; done
one -tls1_2 | grep 'Extended master secret'
"""


@pytest.mark.parametrize("host", HOSTS)
def test_f05_the_server_offers_what_the_guidelines_call_sufficient_and_no_more(lab: t.Any, host: str) -> None:
    lines = [line.split() for line in lab.inside("bash", "-c", OFFER % HOSTS[host]).splitlines()]
    offered = {words[0]: words[1:] for words in lines if not words[0].startswith("suite")}
    assert offered["tls10"] == offered["tls11"] == []
    assert offered["tls12"] and offered["tls13"]
    for nothing in ("SHA1", "SHA224", "ffdhe2048"):
        assert offered[nothing] == [], nothing
    assert offered["SHA256"] and offered["SHA384"] and offered["X25519"] and offered["P-256"]
    accepted = {words[1] for words in lines if words[0].startswith("suite") and words[1:]}
    assert accepted <= TLS12 | TLS13
    assert accepted & TLS12 and accepted & TLS13
    assert "Extended master secret: yes" in " ".join(map(" ".join, lines))
    assert host != "d13" or offered["ffdhe3072"] == []


def delivered(lab: t.Any, host: str) -> str:
    """The sender's log after one message to each of the three domains, as soon as every outcome is known."""
    lab.host(host, "rm -f /var/log/test.log; postconf -e maillog_file=/var/log/test.log && postfix reload; sleep 2")
    lab.host(host, "for d in outside wrongtlsa unsigned; do echo x | sendmail -f root@example.nl b@$d.nl; done")
    end = time.monotonic() + 60
    while True:
        log: str = lab.tell(host, "cat /var/log/test.log")
        if len(set(re.findall(r"to=<b@(\w+)\.nl>.*status=", log))) == 3:
            return log
        assert time.monotonic() < end, log
        time.sleep(0.5)


@pytest.mark.parametrize("host", HOSTS)
def test_f19_right_record_verified_wrong_record_deferred_unsigned_opportunistic(lab: t.Any, host: str) -> None:
    log = delivered(lab, host)
    assert "Verified TLS connection established to sender.outside.nl" in log
    assert re.search(r"to=<b@outside\.nl>.*status=sent", log)
    assert re.search(r"to=<b@wrongtlsa\.nl>.*dsn=4\.7\.5, status=deferred \(Server certificate not verified\)", log)
    assert re.search(r"to=<b@unsigned\.nl>.*status=sent", log)
    assert re.search(r"(Untrusted|Anonymous|Trusted) TLS connection established to mail\.unsigned\.nl", log)
    lab.host(host, "postsuper -d ALL; postconf -X maillog_file; postfix reload")


def test_f22_dane_can_be_postponed_and_taken_up_again(lab: t.Any) -> None:
    lab.role("postfix", hosts="d12", postfix_outbound_dane=False, **SITE).succeeded()
    settings = lab.settings("d12")
    assert settings["smtp_tls_security_level"] == "may" and settings["smtpd_tls_security_level"] == "may"
    assert "smtp_tls_dane_insecure_mx_policy" not in settings
    assert lab.role("postfix", hosts="d12", **SITE).succeeded().changed == {"d12": 2}  # main.cf and the reload
    assert lab.settings("d12")["smtp_tls_security_level"] == "dane"


def test_f05_the_role_ends_with_a_proof(lab: t.Any) -> None:
    """STARTTLS switched off by a parameter of one's own is not passed over in silence."""
    text = lab.role("postfix", hosts="d12", postfix_parameters={"smtpd_tls_security_level": "none"}, **SITE).refused()
    assert "no STARTTLS session with 127.0.0.1 port 25" in text
    lab.role("postfix", hosts="d12", **SITE).succeeded()


def test_f05_a_replaced_keychain_is_served_and_one_that_is_not_is_noticed(lab: t.Any) -> None:
    lab.make_keychain()
    probe = {"probe_address": "127.0.0.1", "keychain_file": "/etc/mailsec-dane/live/keychain.pem"}
    lab.host("mail", "postfix reload; sleep 1")
    lab.module("postfix_info", **probe).succeeded()
    lab.host("mail", "cp /etc/mailsec-dane/live/keychain.pem /root/old.pem && chmod 600 /root/old.pem")
    lab.make_keychain()
    lab.host("mail", "postfix reload; sleep 1")
    text = lab.module("postfix_info", **{**probe, "keychain_file": "/root/old.pem"}).refused()
    assert "which is not that of /root/old.pem" in text


def test_a_changed_resolv_conf_reaches_the_chroot(lab: t.Any) -> None:
    """The copy of Debian 12 is made at start only, and believed by Postfix whatever it says."""
    for role in ("postfix", "resolver"):
        lab.host("mail", "echo nameserver 192.0.2.3 > /var/spool/postfix/etc/resolv.conf")
        lab.role(role, **(SITE if role == "postfix" else {})).succeeded()
        assert (
            lab.host("mail", "cmp /etc/resolv.conf /var/spool/postfix/etc/resolv.conf && echo same").count("same") == 2
        )
