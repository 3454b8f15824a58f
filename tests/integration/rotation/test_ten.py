# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many rotations in a row leave nothing behind; and the senders would notice one that went wrong."""

from __future__ import annotations

import json

import pytest
from lab_driver import Lab
from rotation_site import (
    JOURNALS,
    OWNER,
    Recorder,
    finish,
    forget_next,
    is_steady,
    on,
    records,
    rotate,
    served,
    update,
)
from senders import Traffic

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal as rotation_journal

ROTATIONS = 10


def everything(lab: Lab) -> set[str]:
    """Every file on the mail host that is not the operating system's own, and on the side of the CA."""
    there = on(lab, "mx1", "find /etc /root /tmp /var/tmp /var/lib /run/lock -xdev -type f")
    own = {line for line in there.split() if not line.startswith(("/var/lib/systemd/", "/root/.ansible/"))}
    return own | {str(file) for file in (lab.directory / "ca").rglob("*")}


@pytest.mark.long
def test_f14_ten_rotations_in_a_row_leave_nothing_behind(steady: Lab) -> None:
    keys, before = [served(steady)], everything(steady)
    with Recorder(steady) as recorder, Traffic(steady) as traffic:
        for _turn in range(ROTATIONS):
            rotate(steady)
            keys.append(served(steady))
            assert len(records(steady)) == 3
    assert len(set(keys)) == ROTATIONS + 1
    is_steady(steady)
    assert everything(steady) == before
    assert not set(keys[:-1]) & set(records(steady))
    journal = json.loads(on(steady, "mx1", f"cat {JOURNALS}/*.journal"))
    # Events are bounded by number; of the rest most are RRsets whose signatures are still valid.
    assert len(journal["events"]) <= rotation_journal.MAX_EVENTS and len(json.dumps(journal["content"])) < 100_000
    recorder.is_sound()
    traffic.is_unharmed()


@pytest.mark.long
def test_b01_the_senders_notice_a_key_that_is_deployed_too_early(steady: Lab) -> None:
    """The proof can fail: published and deployed in one breath, as hooks after a renewal do it."""
    before, names = served(steady), records(steady)
    coming = forget_next(steady)
    names.remove(coming)
    # The CA is the same, so that its record would let the new chain through.
    (ca,) = (one for one in names if one.startswith("2 "))
    update(steady, f"update delete {OWNER} TLSA {ca}")
    with Traffic(steady) as traffic:
        on(steady, "mx1", "sleep 8")
        update(steady, f"update add {OWNER} 5 TLSA {coming}", f"update delete {OWNER} TLSA {before}")
        deploy = "cp -a live /root/live && cat next/key.pem next/chain.pem >live/keychain.pem && postfix reload"
        on(steady, "mx1", f"cd /etc/mailsec-dane && {deploy}; sleep 9")
        assert served(steady) == coming
        update(steady, *(f"update add {OWNER} 5 TLSA {one}" for one in names))
        undo = "cp /root/live/keychain.pem /etc/mailsec-dane/live/ && postfix reload"
        on(steady, "mx1", f"sleep 9; {undo} && rm -r /root/live")
    counts = traffic.lost_nothing()
    # Which of them it hits depends on what its resolver held at that moment.
    assert any(found.deferred > 0 and found.unverified > 0 for found in counts.values()), counts
    assert served(steady) == before
    finish(steady)
    is_steady(steady)
