# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zoo is the same every time: one hash over all its records, pinned here."""

from __future__ import annotations

import hashlib

import world as zoo_world

FINGERPRINT = "daee6f1ba5445afd87e611a980035417ae690a7f3895a8eb799b78fd5ea87189"


def test_every_record_is_as_ever():
    world, _cases, _root = zoo_world.build()
    digest = hashlib.sha256()
    for record in world.records():
        digest.update(record)
    assert digest.hexdigest() == FINGERPRINT, "if the zoo was changed on purpose, pin the new hash"
