# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates each service of a Postfix is configured with; precedence as measured on 3.7.11."""

from __future__ import annotations

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import services
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.services import (
    Configuration,
    Inbound,
    endpoint,
    inbound_services,
)

DEFAULTS = {
    "smtpd_tls_chain_files": "", "smtpd_tls_cert_file": "", "smtpd_tls_key_file": "$smtpd_tls_cert_file",
    "smtpd_tls_eccert_file": "", "smtpd_tls_eckey_file": "$smtpd_tls_eccert_file", "smtpd_tls_dcert_file": "",
    "smtpd_tls_dkey_file": "$smtpd_tls_dcert_file", "smtpd_tls_security_level": "", "smtpd_use_tls": "no",
    "smtpd_enforce_tls": "no", "smtpd_tls_wrappermode": "no", "tls_server_sni_maps": "",
    "tlsproxy_tls_chain_files": "$smtpd_tls_chain_files", "tlsproxy_tls_cert_file": "$smtpd_tls_cert_file",
    "tlsproxy_tls_key_file": "$smtpd_tls_key_file", "tlsproxy_tls_eccert_file": "$smtpd_tls_eccert_file",
    "tlsproxy_tls_eckey_file": "$smtpd_tls_eckey_file", "postscreen_tls_security_level": "$smtpd_tls_security_level",
    "tlsproxy_service_name": "tlsproxy", "smtpd_service_name": "smtpd",
}  # fmt: skip


def read(master: str, **main: str) -> dict[str, Inbound]:
    """The services; references in main.cf are resolved as Postfix does."""
    raw = {**DEFAULTS, **main}
    expanded = dict(raw)
    for _depth in range(5):
        expanded = {
            name: raw.get(value[1:], "") if value.startswith("$") else value for name, value in expanded.items()
        }
        expanded = {n: expanded.get(v[1:], "") if v.startswith("$") else v for n, v in expanded.items()}
    return {found.name: found for found in inbound_services(Configuration(raw, expanded, services(master)))}


def files(found: Inbound) -> list[tuple[str, str]]:
    return [(entry.key_file, entry.chain_file) for entry in found.certificates]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("smtp", ("", 25)), ("25", ("", 25)), ("203.0.113.8:smtp", ("203.0.113.8", 25)), ("2525", ("", 2525)),
     ("[::1]:25", ("::1", 25)), ("[127.0.0.1]:submission", ("127.0.0.1", 587)), ("localhost:smtp", ("localhost", 25)),
     (":smtp", ("", 25)), ("submissions", ("", 465)), ("no-such-service", ("", 0))],
)  # fmt: skip
def test_where_a_service_listens(name: str, wanted: tuple[str, int]) -> None:
    assert endpoint(name) == wanted


def test_main_cf_chain_files_outrank_certificates_of_a_service() -> None:
    master = (
        "smtp inet n - y - - smtpd\n"
        "203.0.113.8:smtp inet n - y - - smtpd\n  -o smtpd_tls_cert_file=b.pem -o { smtpd_tls_key_file = b.key }\n"
        "203.0.113.9:smtp inet n - y - - smtpd\n  -o smtpd_tls_cert_file=c.pem -o smtpd_tls_chain_files=\n"
    )
    before = read(master, smtpd_tls_cert_file="a.pem")
    assert files(before["smtp/inet"]) == [("a.pem", "a.pem")]
    assert files(before["203.0.113.8:smtp/inet"]) == [("b.key", "b.pem")]
    after = read(master, smtpd_tls_cert_file="a.pem", smtpd_tls_chain_files="k.pem, l.pem")
    assert (
        files(after["smtp/inet"]) == files(after["203.0.113.8:smtp/inet"]) == [("k.pem", "k.pem"), ("l.pem", "l.pem")]
    )
    assert files(after["203.0.113.9:smtp/inet"]) == [("c.pem", "c.pem")]


def test_parameters_replace_each_other_one_by_one() -> None:
    master = "smtp inet n - y - - smtpd -o smtpd_tls_cert_file=b.pem\n"
    found = read(master, smtpd_tls_cert_file="a.pem", smtpd_tls_key_file="a.key", smtpd_tls_eccert_file="e.pem")
    assert files(found["smtp/inet"]) == [("a.key", "b.pem"), ("e.pem", "e.pem")]
    assert files(read(master)["smtp/inet"]) == [("b.pem", "b.pem")]
    assert files(read(master, smtpd_tls_cert_file="none")["smtp/inet"]) == [("b.pem", "b.pem")]
    assert files(read("smtp inet n - y - - smtpd\n", smtpd_tls_cert_file="none")["smtp/inet"]) == []


def test_postscreen_serves_what_tlsproxy_and_the_smtpd_behind_it_have() -> None:
    master = (
        "smtp inet n - y - 1 postscreen\n"
        "smtpd pass - - y - - smtpd -o smtpd_tls_cert_file=b.pem -o smtpd_tls_key_file=b.key\n"
        "tlsproxy unix - - y - 0 tlsproxy\n"
    )
    main = {"smtpd_tls_cert_file": "a.pem", "smtpd_tls_key_file": "a.key", "smtpd_tls_security_level": "may"}
    found = read(master, **main)["smtp/inet"]
    assert files(found) == [("a.key", "a.pem"), ("b.key", "b.pem")] and found.security_level == "may"
    master = master.replace("0 tlsproxy", "0 tlsproxy -o tlsproxy_tls_cert_file=c.pem -o smtpd_tls_key_file=c.key")
    assert files(read(master, **main)["smtp/inet"])[0] == ("c.key", "c.pem")


@pytest.mark.parametrize(
    ("main", "wanted"),
    [({}, "none"), ({"smtpd_use_tls": "yes"}, "may"), ({"smtpd_enforce_tls": "yes", "smtpd_use_tls": "yes"}, "encrypt"),
     ({"smtpd_tls_security_level": "may", "smtpd_enforce_tls": "yes"}, "may")],
)  # fmt: skip
def test_obsolete_levels_count_when_the_level_is_empty(main: dict[str, str], wanted: str) -> None:
    assert read("smtp inet n - y - - smtpd\n", **main)["smtp/inet"].security_level == wanted


def test_own_settings_of_other_services() -> None:
    master = (
        "submissions inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o tls_server_sni_maps=\n"
        "smtp unix - - y - - smtp\n10025 inet n - y - - smtpd -o smtpd_tls_security_level=none\n"
    )
    found = read(master, tls_server_sni_maps="hash:/etc/postfix/sni", smtpd_tls_security_level="may")
    assert list(found) == ["submissions/inet", "10025/inet"]
    assert found["submissions/inet"].wrappermode and found["submissions/inet"].sni_maps == ""
    assert found["10025/inet"].sni_maps == "hash:/etc/postfix/sni" and found["10025/inet"].security_level == "none"
    assert found["10025/inet"].as_dict() == {
        "name": "10025/inet", "command": "smtpd", "address": "", "port": 10025, "certificates": [],
        "sni_maps": "hash:/etc/postfix/sni", "security_level": "none", "wrappermode": False,
    }  # fmt: skip
