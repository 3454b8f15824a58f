# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve the zoo on loopback until interrupted, to put questions to it by hand. Needs root for port 53."""

from __future__ import annotations

import sys
import threading

import dns.name
import world
from responder import Responder


def main() -> None:
    zoo, cases, root = world.build()
    with Responder(zoo, port=53) as responder:
        print(f"root server: {responder.address}\ntrust anchor: . DS {root.ds(dns.name.root)}")
        for case in cases:
            for question, expected in case.expected.items():
                owner, rdtype = question.split()
                print(f"Z{case.number:3} {owner}.{case.zone} {rdtype}: {expected}")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
