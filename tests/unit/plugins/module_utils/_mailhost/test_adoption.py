# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first run makes of what it finds on a mail server (case R01 and its kind)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.adoption import first_look

PAIR = {"key_file": "/etc/ssl/private/mx.key", "chain_file": "/etc/ssl/certs/mx.pem"}
SMTP = {
    "name": "smtp/inet", "command": "smtpd", "address": "", "port": 25, "certificates": [PAIR], "sni_maps": "",
    "security_level": "may", "wrappermode": False,
}  # fmt: skip
SUBMISSION = {**SMTP, "name": "submission/inet", "port": 587}


def presents(key: str, name: str = "", kind: str = "any") -> dict[str, t.Any]:
    return {"server_name": name, "key_type": kind, "spki_sha256": key, "chain_sha256": [key], "problem": ""}


def socket(*served: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    made = {"address": "192.0.2.1", "port": 25, "process": "master", "tls": "starttls", "problem": ""}
    return {**made, "served": list(served), **more}


A = socket(presents("a" * 64), presents("a" * 64, "mx.example.nl"))


def test_one_key_everywhere_is_adopted() -> None:
    submission = {**SUBMISSION, "sni_maps": "hash:/etc/postfix/sni"}
    found = first_look([SMTP, submission], [A, socket(presents("b" * 64), port=587)], None, [25])
    assert (found.situation, found.public_key) == ("adopt", "a" * 64)
    assert (found.key_file, found.chain_file) == (PAIR["key_file"], PAIR["chain_file"])


@pytest.mark.parametrize(
    ("adoption", "stays", "rotates"),
    [("auto", True, True), ("adopt", True, False), ("move", False, True)],
)
def test_what_follows_the_adoption_is_said_with_the_time(adoption: str, stays: bool, rotates: bool) -> None:
    found = first_look([SMTP], [A], None, [25], adoption)
    assert ("the key stays until you run the playbook mailsec.dane.rotate" in found.follows) == stays
    assert ("later runs rotate to a new key" in found.follows and "rotation_unknown_ttl" in found.follows) == rotates
    # Which of the two it is depends on the DNS, which was not asked.
    assert ("Where a TLSA record is published" in found.follows) == (adoption == "auto")


def test_what_follows_on_a_bare_host_and_where_everything_stays() -> None:
    assert "publishes its TLSA records" in first_look([], [], None, [25]).follows
    assert first_look([SMTP], [A, socket(presents("b" * 64))], None, [25]).follows == ""


@pytest.mark.parametrize(
    "sockets",
    [[], [socket(tls="none")], [socket(port=587)], [socket(presents("", "") | {"problem": "the handshake failed"})]],
)
def test_without_any_certificate_on_the_port_the_host_is_bare(sockets: list[dict[str, t.Any]]) -> None:
    for services in ([], [{**SMTP, "certificates": []}, SUBMISSION]):
        assert first_look(services, sockets, None, [25]).situation == "bare"


@pytest.mark.parametrize("sockets", [[], [socket(presents("b" * 64), port=587)]])
def test_r01_a_stopped_server_with_a_certificate_is_not_bare(sockets: list[dict[str, t.Any]]) -> None:
    found = first_look([SMTP, SUBMISSION], sockets, None, [25])
    assert found.situation == "unknown" and "systemctl start postfix" in found.sentence
    assert "/etc/ssl/certs/mx.pem" in found.sentence


@pytest.mark.parametrize(
    ("services", "sockets", "words"),
    [
        ([SMTP], [A, socket(presents("b" * 64, kind="rsa"), address="::1")], "2 different keys"),
        ([SMTP], [socket(presents("a" * 64), presents("b" * 64, "mx.example.org"))], "mx.example.org"),
        ([], [{**A, "process": "exim4"}], "exim4, not by Postfix"),
        ([SMTP, {**SMTP, "name": "b:smtp/inet", "certificates": [{**PAIR, "key_file": "/b"}]}], [A],
         "does not come from one pair of files"),
        ([{**SMTP, "certificates": []}], [A], "does not come from one pair of files: none"),
        ([{**SMTP, "sni_maps": "hash:/etc/postfix/sni"}], [A], "hash:/etc/postfix/sni (tls_server_sni_maps)"),
    ],
)  # fmt: skip
def test_what_is_not_one_key_from_one_pair_of_files_stays_as_it_is(
    services: list[dict[str, t.Any]], sockets: list[dict[str, t.Any]], words: str
) -> None:
    found = first_look(services, sockets, None, [25])
    assert found.situation == "leave" and words in found.sentence and not found.key_file


def test_an_owner_is_named_whatever_else_is_there() -> None:
    owner = {"program": "YunoHost", "evidence": "/etc/yunohost exists", "remedy": "Use its own command."}
    found = first_look([SMTP], [A], owner, [25])
    assert found.situation == "leave" and "YunoHost (/etc/yunohost exists)" in found.sentence


def test_a_socket_that_does_not_answer_is_neither_bare_nor_adopted() -> None:
    found = first_look([SMTP], [A, socket(tls="unknown", address="2001:db8::1", problem="timed out")], None, [25])
    assert found.situation == "unknown" and "[2001:db8::1]:25 presents (timed out)" in found.sentence
