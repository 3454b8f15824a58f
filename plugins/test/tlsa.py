# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests on TLSA records for conditions and assertions."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.mailsec.dane.plugins.module_utils._dane import tlsa
from ansible_collections.mailsec.dane.plugins.module_utils._requirements import missing


def tlsa_usable(record: t.Any) -> bool:
    """Say whether mail senders take the record into account."""
    if not isinstance(record, str):
        raise AnsibleFilterError(f"mailsec.dane.tlsa_usable takes the text of a record, not {type(record).__name__}")
    for gap in missing("cryptography"):
        raise AnsibleFilterError(f"the Python library {gap.library} is needed on the controller: {gap.why}")
    try:
        return tlsa.TlsaRecord.from_text(record).unusable_reason() is None
    except tlsa.TlsaError as error:
        raise AnsibleFilterError(f"mailsec.dane.tlsa_usable: {error}") from error


class TestModule:
    """Tests of the collection for TLSA values."""

    def tests(self) -> dict[str, t.Callable[..., bool]]:
        return {"tlsa_usable": tlsa_usable}
