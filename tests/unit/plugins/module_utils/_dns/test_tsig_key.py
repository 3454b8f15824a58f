# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TSIG keys: what the tools of BIND write is read, and no error shows a secret (F07)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._dns.tsig_key import TsigKey, TsigKeyError, parse_key_file

SECRET = "c2VjcmV0LXNlY3JldA=="
CLAUSE = f'key "tlsa.example.nl" {{\n\talgorithm hmac-sha512;\n\tsecret "{SECRET}";\n}};\n'
KEY = TsigKey("tlsa.example.nl", b"secret-secret", "hmac-sha512")


@pytest.mark.parametrize(
    "text",
    [
        CLAUSE,
        CLAUSE.replace('"', ""),
        CLAUSE.replace("\n", " "),
        CLAUSE.replace("tlsa.example.nl", "TLSA.example.NL."),
        CLAUSE.replace("hmac-sha512", "HMAC-SHA512."),
        f"# key one\n// secret none;\n/* {{ }}; \n */ {CLAUSE}",
        CLAUSE.replace("algorithm", "/* which? */ algorithm").replace(";\n", "; // so\n"),
        f'options {{ directory "/tmp"; }};\n{CLAUSE}',
    ],
)
def test_key_files(text: str) -> None:
    assert parse_key_file(text) == KEY


def test_a_secret_with_comment_signs_is_whole() -> None:
    secret = base64.b64encode(b"\xff\xff\xff\xef\xbe").decode()
    assert "//" in secret
    assert parse_key_file(f'key k {{ algorithm hmac-sha256; secret "{secret}"; }};').secret == b"\xff\xff\xff\xef\xbe"


def test_one_of_several_keys() -> None:
    both = CLAUSE + CLAUSE.replace("tlsa.", "other.")
    assert parse_key_file(both, "TLSA.example.nl.") == KEY
    with pytest.raises(TsigKeyError, match=r"several keys \(tlsa.example.nl, other.example.nl\)"):
        parse_key_file(both)
    with pytest.raises(TsigKeyError, match="no key 'third'"):
        parse_key_file(both, "third")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no key clause"),
        ("Private-key-format: v1.3\nAlgorithm: 163\nKey: abc\n", "no key clause"),
        (CLAUSE.replace("hmac-sha512", "hmac-md5"), "'hmac-md5' is none of"),
        (CLAUSE.replace("\talgorithm hmac-sha512;\n", ""), "has no algorithm"),
        (CLAUSE.replace("secret", "sekret", 1), "has no secret"),
        (CLAUSE.replace(SECRET, SECRET[:-1] + "!"), "is not base64"),
        (CLAUSE.replace(SECRET, ""), "the secret is empty"),
        (CLAUSE.replace("tlsa.example.nl", "tlsa..nl"), "not a name for a TSIG key"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(text: str, why: str) -> None:
    with pytest.raises(TsigKeyError, match=why) as raised:
        parse_key_file(text)
    assert SECRET[:8] not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_key_shows_no_secret() -> None:
    assert "secret-secret" not in repr(KEY)


@given(st.text(max_size=200))
def test_any_text_is_a_key_or_an_error(text: str) -> None:
    try:
        parse_key_file(text)
    except TsigKeyError:
        return
