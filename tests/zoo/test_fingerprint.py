# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zoo is the same every time: one hash over all its records, pinned here."""

from __future__ import annotations

import hashlib

import world as zoo_world

FINGERPRINT = "242d00f92abfd8b9dd241429b2afe6c1f18b0b2096f572d51fb66f20a3ac136f"


def test_every_record_is_as_ever():
    world, _cases, _root = zoo_world.build()
    digest = hashlib.sha256()
    for record in world.records():
        digest.update(record)
    assert digest.hexdigest() == FINGERPRINT, "if the zoo was changed on purpose, pin the new hash"
