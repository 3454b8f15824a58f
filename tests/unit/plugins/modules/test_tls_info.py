# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of tls_info, and what it says of servers it cannot scan (B06, B07)."""

from __future__ import annotations

import socket
import typing as t

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils import _requirements
from ansible_collections.mailsec.dane.plugins.modules import tls_info

DEFAULTS: t.Final = {
    "host": ["mx.example.nl"],
    "address": None,
    "port": 25,
    "server_name": None,
    "ehlo_name": "probe.example.org",
    "edition": ["2025-05"],
    "timeout": 20,
    "max_connections": 100,
    "connections_at_a_time": 2,
    "concurrency": 4,
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"host": []}, "host is empty"),
        ({"edition": []}, "edition is empty"),
        ({"host": ["not a name"]}, "not a name"),
        ({"host": ["a.example", "b.example"], "address": ["192.0.2.1"]}, "address can be given for a single host"),
        ({"address": ["mx"]}, "address has 'mx', which is not an IP address"),
        ({"address": []}, "address is empty"),
        ({"port": 0}, "port is 0: it is 1 to 65535"),
        ({"timeout": 0}, "timeout is 0"),
        ({"max_connections": 0}, "max_connections is 0: it is 1 to 5000"),
        ({"connections_at_a_time": 9}, "connections_at_a_time is 9: it is 1 to 8"),
        ({"concurrency": 65}, "concurrency is 65: it is 1 to 64"),
        ({"ehlo_name": "-help"}, "ehlo_name is not a name for EHLO"),
        ({"ehlo_name": "a\r\nMAIL"}, "ehlo_name is not a name for EHLO"),
        ({"server_name": "-x y"}, "-x y"),
    ],
)
def test_options_that_cannot_be_used_are_named(wrong, message):
    with pytest.raises(ValueError) as error:
        tls_info.gather({**DEFAULTS, **wrong})
    assert message in str(error.value)


def test_a_server_that_is_not_there_is_a_result():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        found = tls_info.gather({**DEFAULTS, "host": ["127.0.0.1"], "port": sock.getsockname()[1]})
    (endpoint,) = found["endpoints"]
    assert endpoint["outcome"] == "connect-failed"
    assert [level["level"] for level in endpoint["levels"]] == ["unknown"]
    assert [entry["code"] for entry in found["findings"]] == ["connect-failed"]


def test_a_host_without_address_is_unknown_in_each_edition(monkeypatch):
    def nobody(*_arguments, **_more):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    found = tls_info.gather({**DEFAULTS, "edition": ["2.1", "2025-05"]})
    assert found["endpoints"][0]["levels"] == [
        {"edition": "2.1", "level": "unknown", "tables": []},
        {"edition": "2025-05", "level": "unknown", "tables": []},
    ]
    assert [entry["code"] for entry in found["findings"]] == ["no-address"]


def test_the_library_is_asked_for_by_the_name_it_installs_under(monkeypatch):
    monkeypatch.setitem(_requirements.MINIMUM, "tlslite-ng", ("no_such_library_anywhere", (0, 8)))
    (gap,) = _requirements.missing("tlslite-ng")
    assert (gap.library, gap.why) == ("tlslite-ng", "it is not installed")
