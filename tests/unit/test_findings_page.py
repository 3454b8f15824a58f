# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that documents the findings says what the catalogue says."""

from __future__ import annotations

import re

from support.script import load

from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Severity

PAGES = load("findings_page")


def test_page_is_up_to_date() -> None:
    assert PAGES.PAGE.read_text() == PAGES.page(), "run: make findings"


def test_every_severity_is_explained_worst_first() -> None:
    assert list(PAGES.SEVERITIES) == [severity.value for severity in Severity]


def test_every_code_is_kebab_case_listed_once_and_has_rule_and_remedy() -> None:
    listed = re.findall(r"^\| `([^`]*)` \|", PAGES.page(), re.MULTILINE)
    assert sorted(listed) == sorted(CATALOGUE)
    for code, (severity, rule, remedy) in CATALOGUE.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code), code
        assert severity in PAGES.SEVERITIES, code
        assert rule.strip() and remedy.endswith("."), code
        assert "|" not in rule + remedy and "\n" not in rule + remedy, code
