# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tlsa_info says about records as such; the records themselves: tests/unit/oracle."""

from __future__ import annotations

from ansible_collections.mailsec.dane.plugins.module_utils._dane.public_cas import PUBLIC_CAS, Role
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord, TlsaRrset
from ansible_collections.mailsec.dane.plugins.modules import tlsa_info


def codes(*roles: Role) -> set[str]:
    cas = [ca for ca in PUBLIC_CAS.cas if ca.role in roles and ca.key_type == "ec"]
    records = tuple(TlsaRecord(2, 1, 1, bytes.fromhex(ca.spki_sha256)) for ca in cas)
    # The table ages, the test does not.
    return {entry.code for entry in tlsa_info._findings(TlsaRrset("x", records, 3600))} - {"ca-table-old"}


def test_c6_new_records_of_public_cas_are_compared_with_what_is_known_of_them() -> None:
    assert codes(Role.ACTIVE) == {"ta-set-incomplete"}
    assert codes(Role.ACTIVE, Role.BACKUP) == set()
    assert codes(Role.RETIRED) == {"ta-issuer-retired"}
