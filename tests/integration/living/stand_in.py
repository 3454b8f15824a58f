# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stand-in KIND ADDRESS PORT: programs that mail servers ask, as small as their protocols allow.

``milter`` accepts every message, ``table`` is a table for socketmap that finds nothing or, with names that begin with
``recipients``, everything.
"""

from __future__ import annotations

import socketserver
import struct
import sys


class Milter(socketserver.StreamRequestHandler):
    """Wants to see nothing, and accepts at the first step that is shown all the same."""

    def handle(self) -> None:
        while len(head := self.rfile.read(4)) == 4:
            packet = self.rfile.read(struct.unpack("!I", head)[0])
            if packet[:1] == b"O":
                # Version 6, no changes; every step is left out that can be.
                self.send(b"O" + struct.pack("!III", 6, 0, 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200))
            elif packet[:1] == b"Q":
                return
            elif packet[:1] not in (b"D", b"A", b"K"):
                self.send(b"c")

    def send(self, packet: bytes) -> None:
        self.wfile.write(struct.pack("!I", len(packet)) + packet)


class Table(socketserver.StreamRequestHandler):
    """Netstrings: NAME KEY is asked."""

    def handle(self) -> None:
        while True:
            digits = b""
            while (one := self.rfile.read(1)) not in (b":", b""):
                digits += one
            if not one:
                return
            question = self.rfile.read(int(digits))
            self.rfile.read(1)
            answer = b"OK yes" if question.startswith(b"recipients") else b"NOTFOUND "
            self.wfile.write(b"%d:%b," % (len(answer), answer))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server((sys.argv[2], int(sys.argv[3])), {"milter": Milter, "table": Table}[sys.argv[1]]).serve_forever()
