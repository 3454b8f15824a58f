# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tlsa_rrset against BIND and Knot, a secondary that lags, and a mail server (F07, B08)."""

from __future__ import annotations

from conftest import EE, HOST, OWNER, TA, Call, Names, Responder


def test_create_then_nothing_to_change(call: Call, names: Names, mail: Responder) -> None:
    first = call([EE, TA])
    assert not first.get("failed"), first["msg"]
    assert first["changed"] is True
    assert (first["owner"], first["zone"]) == (OWNER, "example.nl")
    assert first["before"] == {"records": [], "ttl": None}
    assert first["after"] == {"records": sorted([EE, TA]), "ttl": 60}
    assert names.served() == (sorted([EE, TA]), 60)
    assert [(one["address"], one["fit"]) for one in first["endpoints"]] == [("127.0.0.25", "matches")]
    assert mail.sessions[0].server_name == HOST
