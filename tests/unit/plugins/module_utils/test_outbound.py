# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of Postfix with which DANE is off; a real Postfix: tests/integration/postfix/test_site.py."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._outbound import outbound_findings, wrong_settings
from ansible_collections.mailsec.dane.plugins.module_utils._postfix import Postfix, Software

ON = {
    "smtp_tls_security_level": "dane",
    "smtp_dns_support_level": "dnssec",
    "smtp_host_lookup": "dns",
    "ignore_mx_lookup_error": "no",
}


@pytest.mark.parametrize(
    "more", [{}, {"smtp_tls_security_level": "dane-only"}, {"smtp_host_lookup": "dns, native"}]
)  # fmt: skip
def test_dane_is_on(more: dict[str, str]) -> None:
    assert wrong_settings({**ON, **more}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp_tls_security_level", "may"),
        ("smtp_tls_security_level", ""),
        ("smtp_tls_security_level", "encrypt"),
        ("smtp_dns_support_level", ""),
        ("smtp_dns_support_level", "enabled"),
        ("smtp_host_lookup", "native"),
        ("ignore_mx_lookup_error", "yes"),
    ],
)
def test_dane_is_off(name: str, value: str) -> None:
    assert wrong_settings({**ON, name: value}) == [name]


def test_a_postfix_that_cannot_is_not_asked_for_its_settings() -> None:
    def run(_args: list[str], data: str | None = None) -> tuple[int, str, str]:
        raise AssertionError("nothing has to be run")

    software = Software("3.7", "", False, "built without TLS")
    [entry] = outbound_findings(Postfix(t.cast("t.Any", run), "/usr/sbin", "/etc/postfix"), software)
    assert (entry.code, entry.severity.value, entry.evidence) == ("outbound-dane-off", "error", "built without TLS")
