# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services get the inbound settings, and what becomes of postscreen's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.inbound import InboundError, choices, wishes
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import services
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.services import Configuration

KNOWN = {
    "smtpd_tls_chain_files": "", "smtpd_tls_cert_file": "", "smtpd_tls_key_file": "", "smtpd_tls_security_level": "may",
    "smtpd_tls_wrappermode": "no", "tlsproxy_tls_chain_files": "", "tlsproxy_tls_security_level": "may",
    "postscreen_tls_security_level": "may", "tlsproxy_service_name": "tlsproxy", "smtpd_service_name": "smtpd",
    "tls_ssl_options": "",
}  # fmt: skip
WANTED = {
    "smtpd_tls_chain_files": "/k.pem",
    "smtpd_tls_security_level": "may",
    "tls_ssl_options": "X",
    "smtpd_new": "1",
}


def configuration(master: str, **main: str) -> Configuration:
    values = {**KNOWN, **main}
    return Configuration(values, values, services(master))


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Certificate files of two keys."""
    directory = tmp_path_factory.mktemp("pems")
    found = {}
    for name in ("a", "b"):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj"]
        files = ["-keyout", str(directory / "key"), "-out", str(directory / f"{name}.pem")]
        subprocess.run([*command, f"/CN={name}", *files], check=True, capture_output=True, timeout=60)
        found[name] = str(directory / f"{name}.pem")
    return found


def chosen(found: Configuration, names: tuple[str, ...] = (), chain: str = "/k.pem") -> dict[str, str]:
    return {choice.service.name: choice.reason for choice in choices(found, names, chain)}


def test_only_services_on_port_25(pems: dict[str, str]) -> None:
    master = "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n[::1]:25 inet n - y - - smtpd\n"
    assert chosen(configuration(master, smtpd_tls_cert_file=pems["a"])) == {"smtp/inet": "", "[::1]:25/inet": ""}


def test_r02_a_certificate_of_its_own_stays_unless_it_is_the_same(pems: dict[str, str], tmp_path: Path) -> None:
    same = tmp_path / "copy.pem"
    same.write_text(Path(pems["a"]).read_text())
    master = (
        f"smtp inet n - y - - smtpd\n192.0.2.1:smtp inet n - y - - smtpd -o smtpd_tls_cert_file={pems['b']}\n"
        f"192.0.2.2:25 inet n - y - - smtpd -o smtpd_tls_eccert_file={same} -o smtpd_tls_cert_file=\n"
        "192.0.2.3:25 inet n - y - - smtpd -o smtpd_tls_cert_file=/none.pem\n"
    )
    found = chosen(configuration(master, smtpd_tls_cert_file=pems["a"]))
    assert found["smtp/inet"] == found["192.0.2.2:25/inet"] == ""
    assert "certificate of its own" in found["192.0.2.1:smtp/inet"] and "/none.pem" in found["192.0.2.3:25/inet"]


def test_it_is_the_same_as_the_one_to_be_set(pems: dict[str, str], tmp_path: Path) -> None:
    keychain = tmp_path / "keychain.pem"
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519"], capture_output=True, check=True, timeout=60)
    keychain.write_bytes(key.stdout + Path(pems["b"]).read_bytes())
    master = f"smtp inet n - y - - smtpd\n192.0.2.1:smtp inet n - y - - smtpd -o smtpd_tls_cert_file={pems['b']}\n"
    found = configuration(master, smtpd_tls_cert_file=pems["a"])
    assert chosen(found, chain=str(keychain)) == {"smtp/inet": "", "192.0.2.1:smtp/inet": ""}


def test_others_that_stay_on_purpose(pems: dict[str, str]) -> None:
    master = (
        "smtp inet n - y - - smtpd\n127.0.0.1:25 inet n - y - - smtpd -o smtpd_tls_security_level=none\n"
        "192.0.2.1:25 inet n - y - - smtpd -o smtpd_tls_wrappermode=yes\n"
        "192.0.2.2:25 inet n - y - - smtpd -o smtpd_tls_security_level=none\n"
    )
    found = chosen(configuration(master))
    assert "on purpose" in found["127.0.0.1:25/inet"] and "begins with TLS" in found["192.0.2.1:25/inet"]
    assert found["smtp/inet"] == found["192.0.2.2:25/inet"] == ""


@pytest.mark.parametrize(
    ("master", "names", "message"),
    [
        ("submission inet n - y - - smtpd\n", (), "no service of master.cf listens on port 25"),
        (
            "smtp inet n - y - - smtpd\n",
            ("smtp/unix",),
            "no service smtp/unix of smtpd or postscreen; it has smtp/inet",
        ),
        ("127.0.0.1:25 inet n - y - - smtpd -o smtpd_tls_security_level=none\n", (), "every service on port 25 stays"),
    ],
)
def test_nobody_can_take_the_settings(master: str, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(InboundError, match=message):
        choices(configuration(master), names, "/k.pem")


def test_services_can_be_named() -> None:
    master = "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n"
    assert chosen(configuration(master), ("submission/inet",)) == {"submission/inet": ""}


def test_settings_of_smtpd_and_a_stricter_level() -> None:
    found = configuration("smtp inet n - y - - smtpd\n25 inet n - y - - smtpd -o smtpd_tls_security_level=encrypt\n")
    made = {wish.name: wish.options for wish in wishes(found, choices(found, (), "/k.pem"), WANTED, KNOWN)}
    # A name that Postfix does not know is left to its validation.
    assert made["smtp"] == WANTED
    assert made["25"] == {name: value for name, value in WANTED.items() if name != "smtpd_tls_security_level"}
    strict = configuration("smtp inet n - y - - smtpd\n", smtpd_tls_security_level="encrypt")
    (wish,) = wishes(strict, choices(strict, (), "/k.pem"), WANTED, KNOWN)
    assert "smtpd_tls_security_level" not in wish.options


def test_postscreen_hands_its_clients_on() -> None:
    master = "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\ntlsproxy unix - - y - 0 tlsproxy\n"
    found = configuration(master)
    made = {wish.name: wish.options for wish in wishes(found, choices(found, (), "/k.pem"), WANTED, KNOWN)}
    assert made == {
        "smtp": {"postscreen_tls_security_level": "may"},
        "tlsproxy": {
            "tlsproxy_tls_chain_files": "/k.pem",
            "tlsproxy_tls_security_level": "may",
            "tls_ssl_options": "X",
        },
        "smtpd": WANTED,
    }
    without = configuration(master.partition("tlsproxy")[0])
    made = {wish.name: wish.options for wish in wishes(without, choices(without, (), "/k.pem"), WANTED, KNOWN)}
    assert made == {"smtpd": WANTED}
