# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place on loopback for a name server of a test."""

from __future__ import annotations

import contextlib
import socket


def pair(port: int = 0) -> tuple[socket.socket, socket.socket]:
    """Return sockets for UDP and TCP at one port (0: any); one free for UDP may be taken for TCP."""
    for _attempt in range(50):
        with contextlib.ExitStack() as stack:
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            tcp = stack.enter_context(socket.socket())
            udp.bind(("127.0.0.1", port))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            tcp.listen()
            stack.pop_all()
            return udp, tcp
    raise AssertionError("no port is free for both UDP and TCP")
