# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as people write them."""

from __future__ import annotations

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address, split_port


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"])
def test_literal_addresses(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize("text", ["", "mx.example.nl", "192.0.2", "192.0.2.1:25", "[2001:db8::1]", "192.0.2.256"])
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 53),
        ("192.0.2.1:5353", "192.0.2.1", 5353),
        ("2001:db8::1", "2001:db8::1", 53),
        ("[2001:db8::1]:54", "2001:db8::1", 54),
        ("ns1.example.nl:54", "ns1.example.nl", 54),
    ],
)
def test_a_server_with_or_without_port(text: str, host: str, port: int) -> None:
    assert split_port(text, 53) == (host, port)


def test_a_port_that_is_none() -> None:
    with pytest.raises(ValueError, match="port 70000"):
        split_port("192.0.2.1:70000", 53)
