# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the logs of both enforcing senders, and the receiver, say of the mail they sent during a rotation."""

from __future__ import annotations

import os
import time

from enforcing_senders import FLUSH, SEND, SENDERS, Counts, counted_by_exim, counted_by_postfix
from lab_driver import Lab
from rotation_site import OWNER, on

#: Lines of the table at the end: what the test was, and what was counted for each sender.
EVIDENCE: list[tuple[str, float, dict[str, Counts]]] = []


class Traffic:
    """A message every second from each sender, for as long as the block lasts."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.mark = f"m{time.time_ns()}"

    def __enter__(self) -> Traffic:
        run = "systemd-run -q --unit"
        late = f"{run} late-{self.mark} sh /usr/local/bin/late-cache"
        on(self.lab, "exim", f"unbound-control -q flush_infra all; {late} {OWNER}")
        for sender in SENDERS:
            message = f"printf 'Subject: {self.mark}-{sender}\\n\\nx\\n'"
            send = f"{message} | {SEND[sender]} -f {self.mark}@outside.nl root@example.nl"
            on(self.lab, sender, f'{run} {self.mark} sh -c "while :; do {send}; sleep 1; done"')
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._begun
        for sender in SENDERS:
            on(self.lab, sender, f"systemctl stop {self.mark}")
        for sender in SENDERS:
            on(self.lab, sender, FLUSH[sender], check=False)
        on(self.lab, "exim", f"systemctl stop late-{self.mark}")

    def _arrived(self, sender: str) -> int:
        return int(on(self.lab, "mx1", f"grep -c 'Subject: {self.mark}-{sender}$' /var/mail/root || true"))

    def counts(self) -> dict[str, Counts]:
        """What was counted for each sender; waits a little for the receiver to file what it was given."""
        logs = {"sender": "/var/log/mail.log", "exim": "/var/log/exim4/mainlog"}
        read = {"sender": counted_by_postfix, "exim": counted_by_exim}
        found = {}
        for sender in SENDERS:
            text = on(self.lab, sender, f"cat {logs[sender]}")
            sent = read[sender](text, self.mark, 0).sent
            end = time.monotonic() + 10
            while (arrived := self._arrived(sender)) < sent and time.monotonic() < end:
                time.sleep(0.2)
            found[sender] = read[sender](text, self.mark, arrived)
        test = os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[-1].split(" ")[0]
        EVIDENCE.append((test, self.seconds, found))
        return found

    def lost_nothing(self) -> dict[str, Counts]:
        """Assert that all messages arrived once, however late."""
        counts = self.counts()
        for sender, found in counts.items():
            assert found.queued > 3, (sender, counts)
            assert found.queued == found.sent == found.arrived, (sender, counts)
        return counts

    def is_unharmed(self) -> None:
        """Assert that none was even deferred, and that each was delivered to a receiver that DANE confirmed."""
        for sender, found in self.lost_nothing().items():
            assert found.deferred == found.unverified == 0, (sender, found)


def table() -> list[str]:
    """Lines of text: for each test seconds, and for each sender messages, deferred, unverified."""
    columns = "".join(f"  {name + ': sent deferred unverified':>33}" for name in ("Postfix", "Exim"))
    lines = [f"{'test':<88} {'s':>5}{columns}"]
    total = dict.fromkeys(SENDERS, Counts(0, 0, 0, 0, 0))
    for test, seconds, found in EVIDENCE:
        lines.append(_row(test, seconds, found))
        total = {sender: total[sender] + found[sender] for sender in SENDERS}
    return [*lines, _row("all", sum(seconds for _test, seconds, _found in EVIDENCE), total)]


def _row(test: str, seconds: float, found: dict[str, Counts]) -> str:
    counts = (found[sender] for sender in SENDERS)
    columns = "".join(f"  {one.sent:>13} {one.deferred:>8} {one.unverified:>10}" for one in counts)
    return f"{test:<88} {seconds:>5.0f}{columns}"
