# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix hosts that an administrator set up by hand: the role makes nothing worse and finds its way back.

What is served is asked with ``openssl s_client``, never with a module of the collection. Every test begins with the
host as it was set up.
"""

from __future__ import annotations

import typing as t

import pytest

NAME = "d12"
SETUP = r"""
set -e
DEBIAN_FRONTEND=noninteractive apt-get -qq -y install postfix >/dev/null 2>&1
mkdir -p /root/k && cd /root/k
make() {
  openssl req -x509 -newkey "$2" ${3:+-pkeyopt $3} -nodes -keyout $1.key -out $1.pem -days 30 -subj /CN=$1 \
    -addext subjectAltName=DNS:$1 2>/dev/null
}
make general rsa:2048; make own ec ec_paramgen_curve:P-256; make public rsa:2048
cat own.key own.pem > both.pem
ip address add 203.0.113.8/32 dev lo
postconf -e smtpd_tls_cert_file=/root/k/general.pem smtpd_tls_key_file=/root/k/general.key \
  smtpd_tls_security_level=may "inet_interfaces=127.0.0.1, 192.0.2.12" inet_protocols=ipv4
cat >> /etc/postfix/master.cf <<'END'
203.0.113.8:smtp inet n - y - - smtpd
  -o smtpd_tls_cert_file=/root/k/own.pem
# the key of the second name
  -o smtpd_tls_key_file=/root/k/own.key
submission inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
smtps inet n - y - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_tls_cert_file=/root/k/public.pem
  -o smtpd_tls_key_file=/root/k/public.key
10025 inet n - y - - smtpd
  -o smtpd_tls_security_level=none
END
cp -a /etc/postfix /root/postfix.orig
"""
RESET = r"""
rm -rf /var/lib/mailsec-dane /etc/postfix && cp -a /root/postfix.orig /etc/postfix && systemctl restart postfix
"""
SHOW = r"""
one() { timeout 20 openssl s_client "$@" </dev/null 2>/dev/null | sed -n 's/^subject=CN = //p'; }
for place in 127.0.0.1:25 192.0.2.12:25 203.0.113.8:25 127.0.0.1:587; do
  echo $place $(one -connect $place -starttls smtp "$@")
done
echo 127.0.0.1:465 $(one -connect 127.0.0.1:465 "$@")
echo 127.0.0.1:10025 $(one -connect 127.0.0.1:10025 -starttls smtp "$@")
"""
PROXIED = r"""
import smtplib
import ssl


class Proxy(smtplib.SMTP):
    def _get_socket(self, *arguments):
        found = super()._get_socket(*arguments)
        found.sendall(b"PROXY TCP4 192.0.2.20 192.0.2.12 4711 25\r\n")
        return found


client = Proxy("192.0.2.12", 25)
client.starttls(context=ssl._create_unverified_context())
print(ssl.DER_cert_to_PEM_cert(client.sock.getpeercert(True)))
"""
BEFORE = {
    "127.0.0.1:25": "general",
    "192.0.2.12:25": "general",
    "203.0.113.8:25": "own",
    "127.0.0.1:587": "general",
    "127.0.0.1:465": "public",
    "127.0.0.1:10025": "",
}
OURS = "d12.example.nl"
LIVE = "/etc/mailsec-dane/live"
KEYCHAIN = f"{LIVE}/keychain.pem"
AFTER = {**BEFORE, "127.0.0.1:25": OURS, "192.0.2.12:25": OURS}
FILES = "cd /etc/postfix && sha256sum main.cf master.cf && ls"
CONFIRMED = {"postfix_state": "absent", "postfix_absent_certificate": True}


@pytest.fixture(scope="module")
def living(lab: t.Any) -> t.Any:
    """The lab with one host as an administrator set it up."""
    lab.make_keychain()
    path = lab.directory / "setup.sh"
    for name, text in (("setup", SETUP), ("reset", RESET), ("show", SHOW), ("proxied", PROXIED)):
        path.write_text(text)
        task = {"name": name, "ansible.builtin.copy": {"src": str(path), "dest": f"/root/{name}.sh", "mode": "0700"}}
        lab.play([task], hosts=NAME).succeeded()
    lab.host(NAME, "bash /root/setup.sh")
    # No TLSA record is published for this host, so that most tests may let the role change the certificate on port 25.
    (lab.directory / "group_vars").mkdir(exist_ok=True)
    (lab.directory / "group_vars" / "all.yml").write_text("---\npostfix_new_certificate: true\n")
    return lab


@pytest.fixture(autouse=True)
def reset(living: t.Any) -> None:
    living.host(NAME, "bash /root/reset.sh")


def served(lab: t.Any, sni: str = "-noservername") -> dict[str, str]:
    """The subject at each place, '' without TLS."""
    pairs = (line.partition(" ") for line in lab.tell(NAME, f"bash /root/show.sh {sni}").splitlines())
    return {place: subject for place, _space, subject in pairs}


def files(lab: t.Any) -> str:
    text: str = lab.tell(NAME, FILES)
    return text


def test_r02_r10_every_other_port_keeps_its_certificate(living: t.Any) -> None:
    assert served(living) == BEFORE
    before = files(living)
    predicted = living.role("postfix", "--check", "--diff", hosts=NAME).succeeded()
    assert predicted.changed[NAME] > 0 and "smtpd_tls_chain_files" in predicted.output
    assert files(living) == before and served(living) == BEFORE
    living.role("postfix", hosts=NAME).succeeded()
    assert served(living) == AFTER
    assert living.settings(NAME)["smtpd_tls_cert_file"] == "/root/k/general.pem"
    for arguments in ((), ("--check", "--diff")):
        assert living.role("postfix", *arguments, hosts=NAME).succeeded().changed == {NAME: 0}


def test_r01_another_certificate_on_port_25_is_refused_unless_it_is_confirmed(living: t.Any) -> None:
    """A keychain that lies there says nothing about the records that are published."""
    before = files(living)
    refused = living.role("postfix", hosts=NAME, postfix_new_certificate=False).refused()
    assert "Nothing was changed. Port 25 presents the public key" in refused and "mailsec.dane.finish" in refused
    assert files(living) == before and served(living) == BEFORE
    assert living.tell(NAME, "ls /var/lib/mailsec-dane 2>/dev/null || true") == ""


def test_r05_a_key_behind_the_parameters_of_its_curve_is_accepted_and_served(living: t.Any) -> None:
    """As "openssl ecparam -genkey" writes it."""
    living.host(NAME, f"cp -a {LIVE} /root/live")
    make = "openssl ecparam -name prime256v1 >parameters && cat parameters key.pem cert.pem >keychain.pem"
    try:
        living.host(NAME, f"umask 077 && cd {LIVE} && {make}")
        assert living.tell(NAME, f"head -n 1 {KEYCHAIN}") == "-----BEGIN EC PARAMETERS-----"
        living.role("postfix", hosts=NAME).succeeded()
        assert served(living) == AFTER
        assert living.role("postfix", hosts=NAME).succeeded().changed == {NAME: 0}
    finally:
        living.host(NAME, f"rm -rf {LIVE}; mv /root/live {LIVE}")


#: Asks for the banner ten times a second; what goes wrong is in /root/closed.
WATCH = """
rm -f /root/closed /root/stop
(while [ ! -e /root/stop ]; do
  timeout 9 bash -c 'exec 3<>/dev/tcp/192.0.2.12/25; read -r line <&3; [[ $line = 220* ]]' || date >> /root/closed
  sleep 0.1
done) >/dev/null 2>&1 &
"""
PID = "cat /var/spool/postfix/pid/master.pid"


def test_the_key_that_is_presented_already_needs_no_confirmation_and_closes_no_port(living: t.Any) -> None:
    """After adoption: the same key, once in main.cf as the administrator has it, then on port 25."""
    living.host(NAME, f"umask 077; cp -a {LIVE} /root/live && cat /root/k/general.key /root/k/general.pem > {KEYCHAIN}")
    try:
        pid = living.tell(NAME, PID)
        living.host(NAME, WATCH)
        living.role("postfix", hosts=NAME, postfix_new_certificate=False).succeeded()
        again = living.role("postfix", hosts=NAME, postfix_new_certificate=False).succeeded()
        assert served(living) == BEFORE and again.changed == {NAME: 0}
        # A changed resolv.conf is read anew without a restart.
        living.host(NAME, "printf 'nameserver 192.0.2.3\\noptions attempts:1\\n' > /var/spool/postfix/etc/resolv.conf")
        living.role("postfix", hosts=NAME, postfix_new_certificate=False).succeeded()
        living.host(NAME, "cmp /etc/resolv.conf /var/spool/postfix/etc/resolv.conf")
        assert living.tell(NAME, PID) == pid
    finally:
        living.host(NAME, f"touch /root/stop; rm -rf {LIVE}; mv /root/live {LIVE}; sleep 1")
    assert living.tell(NAME, "cat /root/closed 2>/dev/null || true") == ""


BEHIND_PROXY = r"""
cd /etc/postfix && sed -i 's/^smtp  *inet/#&/' master.cf && cat >> master.cf <<'END'
192.0.2.12:smtp inet n - y - - smtpd
  -o smtpd_upstream_proxy_protocol=haproxy
127.0.0.1:smtp inet n - y - - smtpd
END
systemctl restart postfix
"""


def behind_proxy(lab: t.Any) -> str:
    """The subject on the port that expects a proxy."""
    ask = "timeout 20 python3 /root/proxied.sh | openssl x509 -noout -subject | sed 's/^subject=CN = //'"
    text: str = lab.tell(NAME, ask)
    return text


def test_a_service_behind_a_proxy_is_looked_at_as_the_proxy_does(living: t.Any) -> None:
    living.host(NAME, BEHIND_PROXY)
    before = files(living)
    assert behind_proxy(living) == "general"
    refused = living.role("postfix", hosts=NAME, postfix_new_certificate=False).refused()
    assert "Port 25 presents the public key" in refused and files(living) == before
    living.role("postfix", hosts=NAME).succeeded()
    assert behind_proxy(living) == OURS
    assert living.role("postfix", hosts=NAME).succeeded().changed == {NAME: 0}


def test_a_port_25_that_says_nothing_may_present_any_key(living: t.Any) -> None:
    living.host(NAME, "postconf -P smtp/inet/smtpd_sasl_type=none smtp/inet/smtpd_sasl_auth_enable=yes; postfix reload")
    before = files(living)
    refused = living.role("postfix", hosts=NAME, postfix_new_certificate=False).refused()
    assert "Nothing was changed. It could not be found out which key port 25 of" in refused
    assert files(living) == before


def test_without_a_service_on_port_25_only_outgoing_mail_is_set_up(living: t.Any) -> None:
    living.host(NAME, "sed -i 's/^smtp  *inet/#&/;/^203/,/own.key/d' /etc/postfix/master.cf; systemctl restart postfix")
    before = files(living)
    refused = living.role("postfix", hosts=NAME).refused()
    assert "no service of master.cf listens on port 25" in refused and "postfix_inbound: false" in refused
    assert files(living) == before
    living.role("postfix", hosts=NAME, postfix_inbound=False).succeeded()
    assert living.settings(NAME)["smtp_tls_security_level"] == "dane"
    assert served(living)["127.0.0.1:465"] == "public" and served(living)["127.0.0.1:25"] == ""


def test_absent_gives_the_original_back_to_the_byte(living: t.Any) -> None:
    before = files(living)
    living.role("postfix", hosts=NAME).succeeded()
    living.role("postfix", hosts=NAME, postfix_parameters={"biff": False}).succeeded()
    changed = files(living)
    refused = living.role("postfix", hosts=NAME, postfix_state="absent").refused()
    assert "Port 25 would no longer serve the certificate that it serves now (smtp/inet)" in refused
    assert files(living) == changed and served(living) == AFTER
    living.role("postfix", "--check", hosts=NAME, **CONFIRMED).succeeded()
    assert files(living) == changed
    living.role("postfix", hosts=NAME, **CONFIRMED).succeeded()
    assert files(living) == before and served(living) == BEFORE
    assert living.role("postfix", hosts=NAME, postfix_state="absent").succeeded().changed == {NAME: 0}


def test_absent_keeps_what_the_administrator_changed_since(living: t.Any) -> None:
    before = living.settings(NAME)
    living.role("postfix", hosts=NAME).succeeded()
    living.host(NAME, "postconf -e smtp_tls_loglevel=2 mynetworks=127.0.0.0/8")
    living.host(NAME, "echo '# a remark' >> /etc/postfix/main.cf")
    living.host(NAME, "postconf -P smtp/inet/smtpd_tls_loglevel=2; postfix reload")
    output = " ".join(living.role("postfix", hosts=NAME, **CONFIRMED).succeeded().output.split())
    assert "smtp_tls_loglevel in main.cf stays 2: it was changed since" in output
    assert "-o smtpd_tls_loglevel of smtp/inet stays 2: it was changed since" in output
    assert living.settings(NAME) == before | {"smtp_tls_loglevel": "2", "mynetworks": "127.0.0.0/8"}
    assert living.tell(NAME, "tail -n 1 /etc/postfix/main.cf") == "# a remark"
    assert living.tell(NAME, "postconf -P 'smtp/inet/*'") == "smtp/inet/smtpd_tls_loglevel = 2"
    assert served(living) == BEFORE


POSTSCREEN = r"""
cd /etc/postfix
sed -i '/^smtp  *inet/d' master.cf
cat >> master.cf <<'END'
smtp inet n - y - 1 postscreen
smtpd pass - - y - - smtpd
  -o smtpd_tls_cert_file=/root/k/own.pem
  -o smtpd_tls_key_file=/root/k/own.key
tlsproxy unix - - y - 0 tlsproxy
dnsblog unix - - y - 0 dnsblog
END
postconf -e postscreen_access_list= postscreen_greet_wait=2s postscreen_non_smtp_command_enable=yes
systemctl restart postfix
"""


def test_postscreen_serves_one_certificate_to_new_and_to_admitted_clients(living: t.Any) -> None:
    living.host(NAME, POSTSCREEN)
    assert served(living)["192.0.2.12:25"] == "general"  # by tlsproxy, to a client that is not admitted yet
    living.role("postfix", hosts=NAME).succeeded()
    assert served(living) == AFTER
    living.host(NAME, "postconf -e postscreen_access_list=permit_mynetworks && systemctl restart postfix")
    assert served(living) == AFTER  # by the smtpd behind it
    assert living.role("postfix", hosts=NAME).succeeded().changed == {NAME: 0}


def test_a_level_that_requires_tls_and_certificates_by_name_stay(living: t.Any) -> None:
    living.host(
        NAME,
        "cd /etc/postfix && echo 'own.example.nl /root/k/both.pem' > sni && postmap -F hash:/etc/postfix/sni"
        " && postconf -e tls_server_sni_maps=hash:/etc/postfix/sni"
        " && postconf -P smtp/inet/smtpd_tls_security_level=encrypt && systemctl restart postfix",
    )
    living.role("postfix", hosts=NAME).succeeded()
    assert served(living) == AFTER
    asked = served(living, "-servername own.example.nl")
    assert {subject for place, subject in asked.items() if not place.endswith("10025")} == {"own"}
    assert living.tell(NAME, "postconf -Ph smtp/inet/smtpd_tls_security_level") == "encrypt"
    assert living.role("postfix", hosts=NAME).succeeded().changed == {NAME: 0}


def test_submission_gets_it_when_asked(living: t.Any) -> None:
    living.role("postfix", hosts=NAME, postfix_inbound_services=["smtp/inet", "submission/inet"]).succeeded()
    assert served(living) == {**AFTER, "127.0.0.1:587": OURS}
    assert living.tell(NAME, "postconf -Ph submission/inet/smtpd_tls_security_level") == "encrypt"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"postfix_parameters": {"smtpd_tls_security_level": "none"}}, "no STARTTLS session with 127.0.0.1 port 25"),
        ({"postfix_parameters": {"smtpd_tls_chain_files": "/etc/mailsec-dane/live/keychain.pem"}},
         "no longer serves the certificate that clients trusted before"),
        ({"postfix_services": [{"name": "192.0.2.99:26", "type": "inet", "command": "smtpd"}],
          "postfix_parameters": {"inet_interfaces": "all"}}, "because:"),
    ],
    ids=["starttls-gone", "submission-certificate", "does-not-start"],
)  # fmt: skip
def test_what_got_worse_is_taken_back_and_named(living: t.Any, variables: dict[str, t.Any], message: str) -> None:
    before = files(living)
    text = living.role("postfix", hosts=NAME, **variables).refused()
    assert message in text and "Postfix is configured as before this run" in text, text
    assert files(living) == before and served(living) == BEFORE
    # Without the cause, the next run goes through.
    living.role("postfix", hosts=NAME).succeeded()
    assert served(living) == AFTER


def test_a_run_that_was_cut_off_is_completed_by_the_next(living: t.Any) -> None:
    """Killed behind the change of the files, before Postfix read them; and then something is worse after all."""
    paths = ["/etc/postfix/main.cf", "/etc/postfix/master.cf"]
    inbound = {"parameters": {"smtpd_tls_chain_files": "/etc/mailsec-dane/live/keychain.pem"}}
    cut_off = [
        {"name": "Look", "mailsec.dane.mail_host_info": {}, "register": "seen"},
        {"name": "Record", "mailsec.dane.original_files": {
            "state": "recorded", "label": "postfix-run", "paths": paths,
            "note": {"sockets": "{{ seen.sockets }}", "queue": "{{ seen.queue }}"}}},
        {"name": "Configure", "mailsec.dane.postconf": {"inbound": inbound, "record": "postfix"}},
    ]  # fmt: skip
    before = files(living)
    living.play(cut_off, hosts=NAME).succeeded()
    living.role("postfix", hosts=NAME).succeeded()
    assert served(living) == AFTER
    assert living.tell(NAME, "ls /var/lib/mailsec-dane/originals") == "postfix\npostfix.settings.json"
    assert living.role("postfix", hosts=NAME).succeeded().changed == {NAME: 0}
    reset_host = "bash /root/reset.sh"
    living.host(NAME, reset_host)
    living.play(cut_off, hosts=NAME).succeeded()
    living.role("postfix", hosts=NAME, postfix_parameters={"smtpd_tls_security_level": "none"}).refused()
    assert files(living) == before and served(living) == BEFORE


@pytest.mark.parametrize(
    ("make", "message", "undo"),
    [
        ("cp /etc/postfix/main.cf /root/m && mount --bind /root/m /etc/postfix/main.cf",
         "/etc/postfix/main.cf is a mount point of its own", "umount /etc/postfix/main.cf"),
        ("sed -i '1i # This file is managed by Puppet. DO NOT EDIT.' /etc/postfix/master.cf",
         "/etc/postfix/master.cf says: This file is managed by Puppet", "true"),
        ("mkdir /etc/yunohost", "YunoHost: /etc/yunohost exists", "rmdir /etc/yunohost"),
    ],
    ids=["r07-bind-mount", "generated", "panel"],
)  # fmt: skip
def test_a_configuration_of_another_program_is_left_alone(living: t.Any, make: str, message: str, undo: str) -> None:
    living.host(NAME, make)
    before = files(living)
    text = living.role("postfix", hosts=NAME).refused()
    assert files(living) == before
    living.host(NAME, undo)
    assert message in text and "Nothing was changed" in text, text
    assert served(living) == BEFORE


@pytest.mark.long
def test_a_second_instance_keeps_what_it_has(living: t.Any) -> None:
    living.host(
        NAME,
        "rm -rf /etc/postfix-out /var/spool/postfix-out; cp -a /etc/postfix /etc/postfix-out"
        " && sed -i '/^203/,/own.key/d;/^submission/,$d' /etc/postfix-out/master.cf && mkdir /var/spool/postfix-out"
        " && postconf -c /etc/postfix-out -e queue_directory=/var/spool/postfix-out data_directory=/var/lib/postfix-out"
        " inet_interfaces=127.0.0.9 smtpd_tls_chain_files=/root/k/both.pem"
        " && postconf -e alternate_config_directories=/etc/postfix-out && systemctl restart postfix"
        " && install -d -o postfix /var/lib/postfix-out && postfix -c /etc/postfix-out start"
        " || { journalctl --no-pager --lines 30; tail -n 9 /var/log/mail.log; exit 1; }",
    )
    try:
        ask = "openssl s_client -connect 127.0.0.9:25 -starttls smtp </dev/null 2>/dev/null | sed -n 's/^subject=//p'"
        assert living.tell(NAME, ask) == "CN = own"
        show = {"name": "Show", "ansible.builtin.debug": {"var": "found.instances"}}
        run = living.play([{"name": "Ask", "mailsec.dane.postfix_info": {}, "register": "found"}, show], hosts=NAME)
        assert "/etc/postfix-out" in run.output
        living.role("postfix", hosts=NAME, postfix_outbound_prove=False).succeeded()
        assert living.tell(NAME, ask) == "CN = own" and served(living) == AFTER
    finally:
        living.host(NAME, "postfix -c /etc/postfix-out stop; rm -rf /etc/postfix-out")


@pytest.mark.long
def test_outgoing_mail_keeps_names_of_the_host_and_stricter_levels(living: t.Any) -> None:
    living.host(
        NAME,
        "postconf -e 'smtp_host_lookup = native, dns' smtp_tls_security_level=encrypt"
        " && printf 'filter unix - - n - 2 smtp\\n  -o disable_dns_lookups=yes\\n' >> /etc/postfix/master.cf"
        " && systemctl restart postfix",
    )
    living.role("postfix", hosts=NAME, postfix_outbound_prove=False).succeeded()
    settings = living.settings(NAME)
    # Level encrypt knows no DANE, so there is no reason to change how names are found.
    assert settings["smtp_host_lookup"] == "native, dns" and settings["smtp_tls_security_level"] == "encrypt"
    assert living.tell(NAME, "postconf -Ph filter/unix/smtp_dns_support_level") == "disabled"
    assert living.role("postfix", hosts=NAME, postfix_outbound_prove=False).succeeded().changed == {NAME: 0}
