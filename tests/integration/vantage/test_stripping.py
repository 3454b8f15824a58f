# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transparent proxy on the way removes STARTTLS, and the comparison of two vantages names it (F11)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import vantage_site as site


@pytest.fixture(scope="module")
def mail_server(network: None, keys: Path) -> Iterator[None]:
    with site.postfix(site.SERVER, keys):
        yield


def seen(how: str) -> tuple[list[str], list[str], str]:
    """The codes from outside alone, those of the comparison with the mail server's own view, and the evidence."""
    with site.running(site.ROUTER, "proxy", site.MAIL, how):
        found = site.Seen("inside", "outside", injection=True)
    assert found.alone["inside"] == []
    return found.alone["outside"], found.codes, found.evidence


def test_starttls_that_is_removed_on_the_path_is_named(mail_server: None) -> None:
    alone, compared, evidence = seen("remove")
    assert alone == ["starttls-injection-inconclusive", "starttls-missing"]
    assert compared == ["starttls-stripped-on-path"]
    assert evidence == "STARTTLS is offered at inside and missing at outside"


def test_starttls_that_is_masked_on_the_path_is_named(mail_server: None) -> None:
    alone, compared, evidence = seen("mask")
    assert alone == ["starttls-injection-inconclusive", "starttls-keyword-masked", "starttls-missing"]
    assert compared == ["starttls-stripped-on-path", "ehlo-keywords-differ"]
    assert "its keyword is masked" in evidence


def test_a_proxy_that_changes_nothing_is_no_finding(mail_server: None) -> None:
    assert seen("pass") == ([], [], "")
