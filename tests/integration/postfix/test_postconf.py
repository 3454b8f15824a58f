# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module postconf on Debian 12 and 13: what Postfix would not accept is refused by name, and nothing is half done."""

from __future__ import annotations

import typing as t

import pytest

FILES = "sha256sum /etc/postfix/main.cf /etc/postfix/master.cf; ls -a /etc/postfix"


def state(lab: t.Any) -> list[str]:
    """What the files of both hosts are; the hosts answer in any order."""
    return sorted(lab.host("mail", FILES).splitlines())


def test_on_a_bare_host_only_check_mode_works(lab: t.Any) -> None:
    options: dict[str, t.Any] = {"parameters": {"biff": False}, "services": [{"name": "smtp", "type": "inet"}]}
    assert "Postfix is not installed on this host" in lab.module("postconf", **options).refused()
    run = lab.module("postconf", "--check", "--diff", **options).succeeded()
    assert run.changed == {"d12": 1, "d13": 1} and run.output.count("+biff = no") == 2


@pytest.fixture(scope="module")
def postfix(lab: t.Any) -> None:
    lab.host("mail", "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install postfix >/dev/null 2>&1")
    lab.host("mail", "systemctl start postfix && sleep 2 && postfix status")
    # An entry of somebody else that Postfix warns of is not this module's business.
    lab.host("mail", "echo 'left_over = 1' >> /etc/postfix/main.cf")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": {"smtpd_tls_securty_level": "may"}},
         "has no parameter smtpd_tls_securty_level, and nothing in its configuration uses it; "
         "did you mean smtpd_tls_security_level?"),
        ({"parameters": {"biff": False, "requiretls_enable": True}},
         "parameter requiretls_enable needs Postfix 3.11, installed is 3."),
        ({"parameters": {"soft_bounce": "maybe"}}, "bad boolean configuration: soft_bounce = maybe"),
        ({"parameters": {"biff": False, "smtpd_tls_security_level": "mya"}},
         "does not start with these settings; the mail log says why (set by this task: smtpd_tls_security_level)"),
        ({"services": [{"name": "x", "type": "unix", "command": "smtp", "process_limit": "many"}]},
         "process_limit is 'many', it is a number or -"),
        ({"services": [{"name": "smtp", "type": "inet", "parameters": {"no_such_thing": "x"}}]},
         "has no parameter no_such_thing"),
        ({"services": [{"name": "new", "type": "unix"}]}, "service new/unix does not exist yet"),
        ({"parameters": {"smtp_sasl_password_maps": "static:user:hunter2"}}, "keep passwords in a file"),
        ({"config_directory": "/etc/none"}, "No such file or directory: '/etc/none/main.cf'"),
    ],
)  # fmt: skip
def test_what_postfix_would_refuse_is_refused(
    lab: t.Any, postfix: None, options: dict[str, t.Any], message: str
) -> None:
    before = state(lab)
    assert message in lab.module("postconf", **options).refused()
    assert state(lab) == before


def test_several_at_once_and_a_second_run_changes_nothing(lab: t.Any, postfix: None) -> None:
    options: dict[str, t.Any] = {
        "parameters": {
            "message_size_limit": 20480000,
            "smtpd_recipient_restrictions": ["permit_mynetworks", "reject_unauth_destination"],
            "readme_directory": None,
            "not_yet_used": "x",
        },
        "parameters_by_version": [
            {"minimum_postfix": "3.8", "parameters": {"tls_ffdhe_auto_groups": ""}},
            {"minimum_postfix": "3.7", "minimum_openssl": "9.0", "parameters": {"no_such_thing": "x"}},
        ],
        "services": [
            {"name": "submission", "type": "inet", "command": "smtpd",
             "parameters": {"syslog_name": "postfix/sub", "smtpd_client_restrictions": "permit_mynetworks, reject"}},
            {"name": "uucp", "type": "unix", "state": "absent"},
        ],
        "allow_unused": ["not_yet_used"],
    }  # fmt: skip
    before = state(lab)
    predicted = lab.module("postconf", "--check", "--diff", **options).succeeded()
    assert state(lab) == before
    done = lab.module("postconf", "--diff", **options).succeeded()
    assert predicted.changed == done.changed == {"d12": 1, "d13": 1}
    # The differences that were predicted are those that were made.
    assert sorted(diff_lines(predicted.output)) == sorted(diff_lines(done.output)) != []
    again = lab.module("postconf", "--diff", **options).succeeded()
    assert again.changed == {"d12": 0, "d13": 0} and diff_lines(again.output) == []
    for host in ("d12", "d13"):
        assert lab.settings(host)["message_size_limit"] == "20480000"
        assert lab.settings(host).get("tls_ffdhe_auto_groups") == ("" if host == "d13" else None)
        assert (
            lab.tell(host, "postconf -Ph submission/inet/smtpd_client_restrictions 2>/dev/null")
            == "permit_mynetworks, reject"
        )
        assert "uucp" not in lab.tell(host, "postconf -M 2>/dev/null")
        assert lab.tell(host, "postfix reload 2>&1 | grep -c fatal || true") == "0"
        assert (
            lab.tell(host, "stat -c '%U %G %a' /etc/postfix/main.cf /etc/postfix/master.cf | sort -u")
            == "root root 644"
        )


def diff_lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")]


def test_a_link_stays_a_link(lab: t.Any, postfix: None) -> None:
    lab.host("mail", "mv /etc/postfix/main.cf /etc/postfix/real.cf; ln -s real.cf /etc/postfix/main.cf")
    lab.module("postconf", parameters={"message_size_limit": 30720000}).succeeded()
    assert lab.tell("d12", "readlink /etc/postfix/main.cf") == "real.cf"
    assert lab.settings("d12")["message_size_limit"] == "30720000"
    lab.host("mail", "mv /etc/postfix/real.cf /etc/postfix/main.cf")


def test_another_instance(lab: t.Any, postfix: None) -> None:
    lab.host("mail", "cp -r /etc/postfix /etc/postfix-out")
    before = state(lab)
    lab.module("postconf", config_directory="/etc/postfix-out", parameters={"myhostname": "out.example.nl"}).succeeded()
    assert lab.tell("d12", "postconf -c /etc/postfix-out -h myhostname 2>/dev/null") == "out.example.nl"
    assert state(lab) == before


def test_a_file_that_cannot_be_written_is_an_error_and_nothing_is_half_done(lab: t.Any, postfix: None) -> None:
    """main.cf comes second: when it fails, master.cf is put back."""
    lab.host(
        "mail",
        "mkdir -p /run/ro && cp /etc/postfix/main.cf /run/ro/ && mount --bind /run/ro/main.cf /etc/postfix/main.cf",
    )
    try:
        before = state(lab)
        options = {"parameters": {"biff": True}, "services": [{"name": "smtp", "type": "inet", "chroot": "n"}]}
        lab.module("postconf", **options).refused()
        assert state(lab) == before
    finally:
        lab.host("mail", "umount /etc/postfix/main.cf")
