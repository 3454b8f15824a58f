# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DER reader takes DER only, and nothing makes it raise anything but DerError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils import _der, _names


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
    with pytest.raises(_der.DerError, match=rule):
        _der.read_whole(bytes.fromhex(data), _der.SEQUENCE)


def test_elements_fill_their_parent() -> None:
    data = bytes.fromhex("3006 0201 05 0201 07")
    outer = _der.read_whole(data, _der.SEQUENCE)
    assert [data[e.body : e.end] for e in _der.children(data, outer)] == [b"\5", b"\7"]
    with pytest.raises(_der.DerError):
        _der.children(bytes.fromhex("3004 0201 05 02"), _der.Element(0x30, 0, 2, 6))


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_der_error(data: bytes) -> None:
    for call in (
        lambda: _der.read_whole(data, _der.SEQUENCE),
        lambda: _der.children(data, _der.Element(0x30, 0, 0, len(data))),
        lambda: _names.canonical(data),
        lambda: _names.canonical(b"\x30\x81" + bytes([len(data) & 0xFF]) + data),
    ):
        try:
            call()
        except _der.DerError:
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
    """SR-N5, RFC 7672 section 3.2.3."""
    assert _names.name_matches(presented, reference) is covers


def test_partial_wildcards_are_known() -> None:
    assert _names.is_partial_wildcard("m*.example.nl")
    assert not _names.is_partial_wildcard("*.example.nl")
    assert not _names.is_partial_wildcard("mx.example.nl")
