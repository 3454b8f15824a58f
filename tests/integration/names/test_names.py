# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R09 and its kind: mail to internal targets arrives after a run as before, or the run fails and changes nothing.

Oracle is the mail itself: what Postfix does with a message to each target.
"""

from __future__ import annotations

import re
import typing as t

import pytest
from names_site import INSIDE, TARGET

ZONES = [{"name": "corp.lan", "addresses": [INSIDE]}]
#: A client that names its recipient after a long time.
CLIENT = """
import smtplib, time
server = smtplib.SMTP("127.0.0.1", 25)
server.ehlo()
server.mail("")
time.sleep(25)
print(*server.rcpt("a@exch.corp.lan"))
server.quit()
"""
WAITS = """
import os
while not os.path.exists("/root/go"):
    time.sleep(0.2)
"""
FORMER = f"search corp.lan\nnameserver {INSIDE}"


@pytest.fixture(autouse=True)
def host(lab: t.Any) -> None:
    """The host as its administrator made it, before each test."""
    lab.former()
    lab.settings()


def table(lab: t.Any, name: str, text: str, *, postmap: bool = True) -> None:
    lab.put("d12", f"/etc/postfix/maps/{name}", text)
    if postmap:
        lab.host("d12", f"postmap /etc/postfix/maps/{name}")


def set_up(lab: t.Any, **parameters: str) -> None:
    """Set parameters of main.cf, and let Postfix read everything."""
    words = " ".join(f"'{name}={value}'" for name, value in parameters.items())
    lab.host("d12", f"postconf -e {words} && systemctl restart postfix")


def state(lab: t.Any) -> str:
    """All that a failed run must leave as it was."""
    return str(
        lab.tell(
            "d12",
            "sha256sum /etc/resolv.conf /var/spool/postfix/etc/resolv.conf /etc/postfix/*.cf; ls -l /etc/resolv.conf;"
            " cd /etc/unbound/unbound.conf.d 2>/dev/null && sha256sum *; systemctl is-active unbound;"
            " systemctl is-enabled unbound 2>/dev/null; ss -Hlntu 'sport = :53' | awk '{print $5}' | sort",
        )
    )


def r09(lab: t.Any) -> list[str]:
    """The host of case R09 and more; returns the domains that it delivers to inside targets."""
    lines = ["hosts.example smtp:[onlyhosts.corp.test]", "corp.example smtp:[exch.corp.lan]:25",
             "plain.example smtp:sub.corp.lan"]  # fmt: skip
    table(lab, "transport", "\n".join(lines))
    table(lab, "patterns", r"/@pattern\.example$/ smtp:[exch.corp.lan]", postmap=False)
    set_up(
        lab,
        smtp_host_lookup="native, dns",
        transport_maps="hash:/etc/postfix/maps/transport regexp:/etc/postfix/maps/patterns"
        " inline:{ {inline.example=smtp:[exch.corp.lan]} }",
    )
    return ["hosts.example", "corp.example", "plain.example", "pattern.example", "inline.example"]


def test_r09_the_run_fails_before_anything_is_lost_and_names_what_helps(lab: t.Any) -> None:
    domains = r09(lab)
    assert set(lab.sent(*domains).values()) == {"sent"}
    lab.host("d12", "apt-get install -y -q unbound dns-root-data && systemctl disable --now unbound")
    before = state(lab)
    text = lab.outbound().refused()
    assert "host exch.corp.lan (transport_maps (hash:/etc/postfix/maps/transport)" in text
    assert "mail domain sub.corp.lan" in text and "Mail to it would bounce" in text
    assert f"resolver_forward_zones: [{{name: corp.lan, addresses: [{INSIDE}]}}]" in text
    assert "onlyhosts.corp.test" not in text.partition("resolver_accepted_losses")[0].partition("fatal")[2]
    assert state(lab) == before
    assert set(lab.sent(*domains).values()) == {"sent"}


@pytest.mark.long
def test_r09_with_the_setting_that_the_message_names_mail_arrives_and_dane_is_on(lab: t.Any) -> None:
    domains = r09(lab)
    lab.outbound(resolver_forward_zones=ZONES).succeeded()
    assert lab.tell("d12", "cat /var/spool/postfix/etc/resolv.conf").splitlines()[1:] == [
        "search corp.lan", "nameserver 127.0.0.1", "options edns0 trust-ad"
    ]  # fmt: skip
    assert set(lab.sent(*domains).values()) == {"sent"}
    settings = lab.tell("d12", "postconf -h smtp_host_lookup smtp_tls_security_level").split("\n")
    assert settings == ["dns, native", "dane"]
    assert lab.sent("outside.nl") == {"outside.nl": "sent"}
    assert "Verified TLS connection established to sender.outside.nl" in lab.tell("d12", "tail -20 /var/log/mail.log")
    again = lab.outbound(resolver_forward_zones=ZONES).succeeded()
    assert again.changed == {"d12": 0}
    # A zone that is taken out of the setting again is missed before the resolver in use has lost it.
    ask = "dig +short +time=2 +tries=1 @127.0.0.1 exch.corp.lan || echo none"
    lab.host("d12", f"systemd-run -q --unit=asking sh -c 'while :; do {ask}; sleep 0.1; done > /root/asked'")
    assert "exch.corp.lan" in lab.outbound().refused()
    assert set(lab.tell("d12", "systemctl stop asking; cat /root/asked").split()) == {TARGET}
    assert set(lab.sent(*domains).values()) == {"sent"}


@pytest.mark.long
def test_the_way_back_is_exact_link_and_all(lab: t.Any) -> None:
    lab.host("d12", f"mkdir -p /run/site; printf '{FORMER}\\n' > /run/site/resolv.conf;"
             " ln -sf ../run/site/resolv.conf /etc/resolv.conf; mkdir -p /etc/dhcp/dhclient-enter-hooks.d")  # fmt: skip
    r09(lab)
    lab.role("resolver", resolver_forward_zones=ZONES).succeeded()
    assert lab.tell("d12", "test -L /etc/resolv.conf || dig +short outside.nl MX") == "10 sender.outside.nl."
    lab.role("resolver", resolver_state="absent").succeeded()
    assert lab.tell("d12", "readlink /etc/resolv.conf; cat /etc/resolv.conf") == f"../run/site/resolv.conf\n{FORMER}"
    assert lab.tell("d12", "cat /var/spool/postfix/etc/resolv.conf") == FORMER
    assert lab.tell("d12", "systemctl is-active unbound; systemctl is-enabled unbound; true") == "inactive\ndisabled"
    assert lab.tell("d12", "ls /etc/unbound/unbound.conf.d").split() == [
        "remote-control.conf", "root-auto-trust-anchor-file.conf"
    ]  # fmt: skip
    assert lab.tell("d12", "dpkg -V unbound | grep ' c '; find /etc/dhcp -type f") == ""
    assert lab.tell("d12", "ls /var/lib/mailsec-dane/originals") == ""
    assert lab.role("resolver", resolver_state="absent").succeeded().changed == {"d12": 0}
    assert lab.sent("corp.example") == {"corp.example": "sent"}


@pytest.mark.long
def test_an_unbound_of_the_administrator_keeps_running_after_the_way_back(lab: t.Any) -> None:
    lab.host("d12", "apt-get install -y -q unbound dns-root-data")
    own = f'server:\n  module-config: iterator\nforward-zone:\n  name: "."\n  forward-addr: {INSIDE}'
    lab.put("d12", "/etc/unbound/unbound.conf.d/own.conf", own)
    lab.host("d12", "systemctl enable -q unbound; systemctl restart unbound")
    lab.host("d12", "echo nameserver 127.0.0.1 > /etc/resolv.conf")
    try:
        before = state(lab)
        # It does not validate, and cannot be made to by settings beside its own.
        assert "resolver-not-validating" in lab.role("resolver").refused()
        assert state(lab) == before
        lab.host("d12", "sed -i /module-config/d /etc/unbound/unbound.conf.d/own.conf")
        lab.role("resolver", resolver_accepted_losses=["d12.example.nl"]).succeeded()
        lab.role("resolver", resolver_state="absent").succeeded()
        assert lab.tell("d12", "systemctl is-active unbound; cat /etc/resolv.conf") == "active\nnameserver 127.0.0.1"
    finally:
        lab.host("d12", "rm /etc/unbound/unbound.conf.d/own.conf; systemctl disable -q --now unbound")


@pytest.mark.long
def test_split_dns_other_addresses_and_bogus_answers_count_as_lost(lab: t.Any) -> None:
    """R-E: signed in public, unsigned inside, with other addresses."""
    set_up(lab, relay_domains="split.nl", transport_maps="inline:{ {deep.split.nl=smtp:[imap.split.nl]} }")
    assert lab.sent("split.nl", "deep.split.nl") == {"split.nl": "sent", "deep.split.nl": "sent"}
    text = lab.role("resolver", resolver_accepted_losses=["corp.lan"]).refused()
    assert "has other addresses: 192.0.2.99. Mail to it would go to another host" in text
    assert "host imap.split.nl" in text and "mail domain split.nl" in text
    # Validated, the unsigned inside view is bogus: mail would wait for days.
    signed = [{"name": "split.nl", "addresses": [INSIDE], "signed": True}]
    text = lab.role("resolver", resolver_forward_zones=[*ZONES, *signed]).refused()
    assert "SERVFAIL" in text and "Mail to it would wait in the queue" in text
    inside = [{"name": "split.nl", "addresses": [INSIDE]}]
    lab.outbound(resolver_forward_zones=[*ZONES, *inside]).succeeded()
    assert lab.sent("split.nl", "deep.split.nl") == {"split.nl": "sent", "deep.split.nl": "sent"}


@pytest.mark.long
def test_a_block_list_that_only_the_inside_knows(lab: t.Any) -> None:
    """R-G: a new resolver does not know the list; spam would flow and nothing fail."""
    set_up(lab, postscreen_dnsbl_sites="list.corp.lan*3")
    text = lab.role("resolver", resolver_accepted_losses=["corp.lan"]).refused()
    assert "block list list.corp.lan (postscreen_dnsbl_sites)" in text
    assert "Mail from listed clients would be accepted" in text
    lab.role("resolver", resolver_stub_zones=[{"name": "list.corp.lan", "addresses": [INSIDE]}, *ZONES]).succeeded()
    assert lab.tell("d12", "dig +short 20.2.0.192.list.corp.lan") == "127.0.0.2"


@pytest.mark.long
def test_the_reverse_zone_of_an_inside_network(lab: t.Any) -> None:
    """Inside clients would be unknown, and refused: a resolver has empty zones of its own for private networks."""
    set_up(lab, smtpd_client_restrictions="reject_unknown_reverse_client_hostname", mynetworks="127.0.0.0/8 10.0.0.0/8")
    text = lab.role("resolver", resolver_forward_zones=ZONES).refused()
    assert "zone 10.in-addr.arpa (smtpd_client_restrictions with mynetworks)" in text
    reverse = [{"name": "10.in-addr.arpa", "addresses": [INSIDE]}]
    lab.role("resolver", resolver_forward_zones=[*ZONES, *reverse]).succeeded()
    assert lab.tell("d12", "dig +short -x 10.0.0.1") == "exch.corp.lan."


@pytest.mark.long
def test_milter_policy_service_and_ldap_servers(lab: t.Any) -> None:
    table(lab, "ldap.cf", "server_host = ldap://dc1.corp.lan:389\nbind_pw = geheim\nsearch_base = dc=x", postmap=False)
    set_up(
        lab, smtpd_milters="{ inet:milter.corp.lan:8891, default_action=accept }",
        relay_recipient_maps="ldap:/etc/postfix/maps/ldap.cf",
        smtpd_recipient_restrictions="check_policy_service inet:exch.corp.lan:10023, reject",
    )  # fmt: skip
    text = lab.role("resolver", resolver_accepted_losses=["corp.lan"]).refused()
    for name in ("milter.corp.lan (smtpd_milters)", "dc1.corp.lan (relay_recipient_maps", "exch.corp.lan (smtpd_rec"):
        assert f"host {name}" in text
    assert "geheim" not in text


@pytest.mark.long
def test_a_table_of_next_hops_that_cannot_be_read_blocks_the_change(lab: t.Any) -> None:
    table(lab, "ldap.cf", "server_host = ldap://dc1.corp.lan:389\nbind_pw = geheim\nsearch_base = dc=x", postmap=False)
    set_up(lab, transport_maps="ldap:/etc/postfix/maps/ldap.cf")
    before = state(lab)
    text = lab.role("resolver", resolver_forward_zones=ZONES).refused()
    assert "transport_maps (ldap:/etc/postfix/maps/ldap.cf) cannot be read" in text and "geheim" not in text
    assert "resolver_allow_unlisted: true" in text and state(lab) == before
    assert "postfix_allow_unlisted: true" in lab.role("postfix", postfix_inbound=False).refused()
    assert state(lab) == before
    lab.role("resolver", resolver_forward_zones=ZONES, resolver_allow_unlisted=True).succeeded()


@pytest.mark.long
def test_a_filter_without_dns_keeps_its_name_when_dane_is_switched_on(lab: t.Any) -> None:
    """R-D: smtp_dns_support_level in main.cf cancels disable_dns_lookups of a service."""
    set_up(lab, transport_maps="inline:{ {filter.example=inside:[onlyhosts.corp.test]} }")
    lab.host("d12", "postconf -M 'inside/unix=inside unix - - n - 2 smtp -o disable_dns_lookups=yes'; postfix reload")
    assert lab.sent("filter.example") == {"filter.example": "sent"}
    lab.outbound(resolver_forward_zones=ZONES).succeeded()
    assert lab.sent("filter.example") == {"filter.example": "sent"}
    assert lab.tell("d12", "postconf -h smtp_host_lookup smtp_dns_support_level").split() == ["dns", "dnssec"]
    assert lab.outbound(resolver_forward_zones=ZONES).succeeded().changed == {"d12": 0}


@pytest.mark.long
def test_settings_that_no_choice_can_keep_are_not_made(lab: t.Any) -> None:
    """A name that /etc/hosts sends elsewhere than DNS: with DNS first, mail would go to the wrong host."""
    lab.host("d12", f"echo '{TARGET} imap.split.nl' | tee -a /etc/hosts >> /var/spool/postfix/etc/hosts")
    set_up(lab, smtp_host_lookup="native", transport_maps="inline:{ {deep.split.nl=smtp:[imap.split.nl]} }")
    lab.role("resolver", resolver_forward_zones=ZONES).succeeded()
    assert lab.sent("deep.split.nl") == {"deep.split.nl": "sent"}
    before = state(lab)
    text = lab.role("postfix", postfix_inbound=False).refused()
    assert "host imap.split.nl (transport_maps" in text and "it has other addresses: 192.0.2.99" in text
    assert "smtp_dns_support_level=disabled" in text and state(lab) == before
    assert lab.sent("deep.split.nl") == {"deep.split.nl": "sent"}


@pytest.mark.long
def test_the_name_of_an_lmtp_server_is_looked_up_by_the_settings_of_lmtp(lab: t.Any) -> None:
    set_up(lab, smtp_host_lookup="native", mailbox_transport="lmtp:inet:onlyhosts.corp.test:24")
    seen = lab.look()["targets"]["lmtp/unix host onlyhosts.corp.test /var/spool/postfix"]
    assert (seen["how"], seen["state"]) == (["dns"], "absent")
    set_up(lab, lmtp_host_lookup="native")
    seen = lab.look()["targets"]["lmtp/unix host onlyhosts.corp.test /var/spool/postfix"]
    assert (seen["how"], seen["values"]) == (["native"], [TARGET])


@pytest.mark.long
def test_a_second_instance_that_only_its_master_process_tells_of(lab: t.Any) -> None:
    lab.host(
        "d12",
        "rm -rf /etc/postfix-out /var/spool/postfix-out; cp -r /etc/postfix /etc/postfix-out;"
        " mkdir -p /var/spool/postfix-out /var/lib/postfix-out; chown postfix /var/lib/postfix-out;"
        " postconf -c /etc/postfix-out -e queue_directory=/var/spool/postfix-out data_directory=/var/lib/postfix-out"
        " 'relayhost=[exch.corp.lan]' master_service_disable=inet inet_interfaces=127.0.0.1;"
        " postconf -e alternate_config_directories=/etc/postfix-out; postfix -c /etc/postfix-out start",
    )
    try:
        seen = lab.look()
        assert seen["instances"] == ["/etc/postfix", "/etc/postfix-out"]
        assert seen["targets"]["smtp/unix host exch.corp.lan /var/spool/postfix-out"]
        assert "host exch.corp.lan (relayhost)" in lab.role("resolver", resolver_accepted_losses=["corp.lan"]).refused()
    finally:
        lab.host("d12", "postfix -c /etc/postfix-out stop; rm -rf /etc/postfix-out /var/spool/postfix-out")


@pytest.mark.long
def test_a_name_server_that_does_not_answer_is_not_taken_for_an_absent_name(lab: t.Any) -> None:
    r09(lab)
    now = lab.look(resolvers=[f"{INSIDE}@5353", "192.0.2.77"], timeout=1)
    one = now["targets"]["smtp/unix host exch.corp.lan /var/spool/postfix"]
    assert one["state"] == "unknown"
    assert now["targets"]["smtp/unix host onlyhosts.corp.test /var/spool/postfix"]["state"] == "unknown"


@pytest.mark.long
def test_a_run_that_was_killed_is_compared_with_what_was_before_it(lab: t.Any) -> None:
    domains = r09(lab)
    lab.role("resolver", resolver_forward_zones=ZONES).succeeded()
    record = "/var/lib/mailsec-dane/originals"
    lab.role("resolver", resolver_state="absent").succeeded()
    before = lab.tell("d12", "cat /etc/resolv.conf")
    # As after a kill between the new resolv.conf and the last look: the record is there, the names are gone.
    look = {"name": "Look", "mailsec.dane.next_hops_info": {}, "register": "seen"}
    info = {"name": "Info", "mailsec.dane.resolver_info": {}, "register": "now"}
    note = "{{ {'names': seen, 'unbound': now.unbound} }}"
    paths = ["/etc/resolv.conf", "/etc/unbound/unbound.conf.d/mailsec-dane.conf",
             "/etc/unbound/unbound.conf.d/root-auto-trust-anchor-file.conf"]  # fmt: skip
    keep = {"name": "Keep", "mailsec.dane.original_files": {
        "state": "recorded", "label": "resolver-run", "paths": paths, "note": note}}  # fmt: skip
    lab.play([look, info, keep]).succeeded()
    lab.host("d12", "printf 'nameserver 192.0.2.3\\n' | tee /etc/resolv.conf > /var/spool/postfix/etc/resolv.conf")
    assert "exch.corp.lan" in lab.role("resolver").refused()
    assert lab.tell("d12", "cat /etc/resolv.conf") == before
    assert lab.tell("d12", f"ls {record}") == ""
    lab.host("d12", "cp /etc/resolv.conf /var/spool/postfix/etc/")
    assert set(lab.sent(*domains).values()) == {"sent"}


@pytest.mark.long
def test_the_resolver_stays_until_the_last_program_that_asks_it_has_ended(lab: t.Any) -> None:
    """A program of Postfix keeps the resolver that it started with, until its session ends."""
    r09(lab)
    lab.role("resolver", resolver_forward_zones=ZONES).succeeded()
    # A client that says its recipient late: smtpd(8) asks the resolver of its start then.
    set_up(lab, inet_interfaces="127.0.0.1", smtpd_recipient_restrictions="reject_unknown_recipient_domain, permit")
    lab.put("d12", "/root/client.py", CLIENT)
    lab.host("d12", "systemd-run -q --unit=client sh -c 'python3 /root/client.py > /root/said'; sleep 3")
    lab.role("resolver", resolver_state="absent").succeeded()
    assert lab.tell("d12", "cat /root/said").startswith("250")
    assert lab.tell("d12", "systemctl is-active unbound; true") == "inactive"


@pytest.mark.long
def test_the_resolver_stays_while_a_program_that_does_not_end_asks_it(lab: t.Any) -> None:
    """Stopped under its feet, Postfix would answer 450 for a name that it finds, or send the mail back."""
    r09(lab)
    lab.role("resolver", resolver_forward_zones=ZONES).succeeded()
    set_up(lab, inet_interfaces="127.0.0.1", smtpd_recipient_restrictions="reject_unknown_recipient_domain, permit")
    lab.put("d12", "/root/client.py", CLIENT.replace("time.sleep(25)", WAITS))
    lab.host("d12", "rm -f /root/go /root/said")
    lab.host("d12", "systemd-run -q --unit=client sh -c 'python3 /root/client.py > /root/said'; sleep 3")
    run = lab.role("resolver", resolver_state="absent", resolver_leave_time_limit=6).succeeded()
    (process,) = re.findall(r"ps -o pid,etime,args -p (\d+)", run.text)
    assert "smtpd" in lab.tell("d12", f"ps -o args= -p {process}")
    assert "It keeps running" in run.text and "systemctl disable --now unbound" in run.text
    assert lab.tell("d12", "cat /etc/resolv.conf /var/spool/postfix/etc/resolv.conf") == f"{FORMER}\n{FORMER}"
    assert lab.tell("d12", "systemctl is-active unbound") == "active"
    # It is not taken for the resolver of somebody else afterwards, and a session that began since is not waited for.
    lab.host("d12", "systemd-run -q --unit=late bash -c 'exec 3<>/dev/tcp/127.0.0.1/25; sleep 600'; sleep 1")
    again = lab.role("resolver", resolver_state="absent", resolver_leave_time_limit=6).succeeded()
    assert re.findall(r"ps -o pid,etime,args -p ([\d,]+)", again.text) == [process]
    lab.host("d12", "touch /root/go; for i in $(seq 50); do [ -s /root/said ] && break; sleep 0.2; done")
    assert lab.tell("d12", "cat /root/said").startswith("250")
    last = lab.role("resolver", resolver_state="absent").succeeded()
    assert "It keeps running" not in last.text
    assert lab.tell("d12", "systemctl stop late; systemctl is-active unbound; true") == "inactive"
    assert lab.tell("d12", "ls /var/lib/mailsec-dane/originals") == ""


@pytest.mark.long
def test_a_domain_with_wrong_signatures_that_only_the_queue_has_does_not_block(lab: t.Any) -> None:
    # No host answers there, so the message stays in the queue; of the log only what was sent counts.
    lab.host("d12", "sendmail -f root@d12.example.nl somebody@public.bogus.nl </dev/null; sleep 3")
    run = lab.role("resolver", resolver_forward_zones=ZONES).succeeded()
    assert "public.bogus.nl (queue, log or aliases) has wrong DNSSEC signatures" in run.text
    assert "resolver_insecure_zones: [public.bogus.nl]" in run.text
    lab.former()
    # Where a setting names it, somebody has to choose.
    set_up(lab, relay_domains="public.bogus.nl")
    text = lab.role("resolver", resolver_forward_zones=ZONES).refused()
    assert "mail domain public.bogus.nl (relay_domains)" in text and "Mail to it would wait in the queue" in text
    lab.role("resolver", resolver_forward_zones=ZONES, resolver_insecure_zones=["public.bogus.nl"]).succeeded()
