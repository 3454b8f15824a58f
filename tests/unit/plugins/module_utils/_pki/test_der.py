# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DER reader takes DER only, and nothing makes it raise anything but DerError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._pki import der, names


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("", "ends inside"),
        ("30", "ends inside"),
        ("3080 0000", "definite length"),
        ("3085 0000000001 00", "definite length"),
        ("3081 05 0000000000", "shortest form"),
        ("3082 0005 0000000000", "shortest form"),
        ("3003 0201", "longer than"),
        ("3082 01", "inside a length"),
        ("1f81 00", "more than one byte"),
        ("3000 00", "1 bytes follow"),
        ("3100", "0x31 where 0x30"),
    ],
)
def test_what_der_forbids_is_refused(data: str, rule: str) -> None:
    """X.690 section 10.1: definite, minimal lengths; one object, nothing behind it."""
    with pytest.raises(der.DerError, match=rule):
        der.read_whole(bytes.fromhex(data), der.SEQUENCE)


def test_elements_fill_their_parent() -> None:
    data = bytes.fromhex("3006 0201 05 0201 07")
    outer = der.read_whole(data, der.SEQUENCE)
    assert [data[e.body : e.end] for e in der.children(data, outer)] == [b"\5", b"\7"]
    with pytest.raises(der.DerError):
        der.children(bytes.fromhex("3004 0201 05 02"), der.Element(0x30, 0, 2, 6))


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_der_error(data: bytes) -> None:
    for call in (
        lambda: der.read_whole(data, der.SEQUENCE),
        lambda: der.children(data, der.Element(0x30, 0, 0, len(data))),
        lambda: names.canonical(data),
        lambda: names.canonical(b"\x30\x81" + bytes([len(data) & 0xFF]) + data),
    ):
        try:
            call()
        except der.DerError:
            continue


@pytest.mark.parametrize(
    ("presented", "reference", "covers"),
    [
        ("mx.example.nl", "mx.example.nl", True),
        ("MX.example.NL", "mx.Example.nl", True),
        ("mx.example.nl.", "mx.example.nl", False),
        ("*.example.nl.", "mx.example.nl", False),
        ("mx.example.nl", "mx.example.nl.", True),
        ("*.example.nl", "mx.example.nl", True),
        ("*.example.nl", "xn--bcher-kva.example.nl", True),
        ("*.example.nl", "example.nl", False),
        ("*.example.nl", "a.mx.example.nl", False),
        ("*.example.nl", ".example.nl", False),
        ("m*.example.nl", "mx.example.nl", False),
        ("*x.example.nl", "mx.example.nl", False),
        ("*.*.nl", "mx.example.nl", False),
        ("mx.*.nl", "mx.example.nl", False),
        ("*.nl", "example.nl", False),
        ("*", "nl", False),
        ("", "", False),
        ("mx.example.nl\0.evil.nl", "mx.example.nl", False),
    ],
)
def test_names_and_wildcards(presented: str, reference: str, covers: bool) -> None:
    """RFC 7672 section 3.2.3."""
    assert names.name_matches(presented, reference) is covers


def test_partial_wildcards_are_known() -> None:
    assert names.is_partial_wildcard("m*.example.nl")
    assert not names.is_partial_wildcard("*.example.nl")
    assert not names.is_partial_wildcard("mx.example.nl")
