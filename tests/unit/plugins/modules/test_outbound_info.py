# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the proof of outgoing mail knows of settings that were undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound_plan import Plan
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.way_back import Settings, Texts, save
from ansible_collections.mailsec.dane.plugins.modules import outbound_info


def test_a_setting_that_something_undid_after_it_was_set_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.cf").write_text("smtp_tls_security_level = may\nrelayhost = theirs\n")
    (tmp_path / "master.cf").write_text("smtp unix - - y - - smtp\n")
    monkeypatch.setattr(outbound_info, "path_of", lambda label: str(tmp_path / f"{label}.settings.json"))
    wanted = Plan({"smtp_tls_security_level": "dane", "smtp_dns_support_level": "dnssec"})
    assert outbound_info._changed_since(str(tmp_path), wanted, "postfix") == []
    settings = Settings()
    before = Texts("smtp_tls_security_level = none\n", "smtp unix - - y - - smtp\n")
    settings.add(before, Texts("smtp_tls_security_level = dane\nrelayhost = ours\n", before.master))
    save(str(tmp_path / "postfix.settings.json"), settings)
    assert outbound_info._changed_since(str(tmp_path), wanted, "postfix") == [
        "This collection set smtp_tls_security_level in main.cf to dane, and another program or person has changed it"
        " to may since."
    ]
    assert outbound_info._changed_since(str(tmp_path), wanted, None) == []
    assert outbound_info._changed_since(str(tmp_path), Plan({}), "postfix") == []
