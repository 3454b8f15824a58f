# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs inside the network namespaces of these tests: a mail server, a transparent proxy, a probe."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "tls"), str(TESTS.parents[1] / ".cache" / "collections")]

import tls_servers as servers  # noqa: E402 - found through the path above

from ansible_collections.mailsec.dane.plugins.modules import starttls_info  # noqa: E402


def listens(address: str) -> bool:
    """A connection from the router would reach the server behind it instead."""
    local = f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:0019"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1] == local and row[3] == "0A" for row in rows)


def serve(address: str, keys: str, settings: str) -> None:
    """Postfix, until interrupted; ``keys`` is a directory, its key is made when first asked for."""
    chain = Path(keys) / "ecdsa-chain.pem"
    who = servers.Identity(Path(keys) / "ecdsa-key.pem", chain)
    if not chain.exists():
        who = servers.identity(Path(keys), "ecdsa", "EC", "ec_paramgen_curve:P-256", "sha256")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # No nameserver can be reached from here, and smtpd would wait for one before it greets.
    # All, because Postfix takes no address that is on no interface, as that of a middlebox.
    main = {"inet_interfaces": "all", "smtpd_peername_lookup": "no", **json.loads(settings)}
    with servers.postfix([who], main, address, 25):
        while not listens(address):
            time.sleep(0.05)
        print("ready", flush=True)
        signal.pause()


def removed(line: bytes) -> bytes:
    return b"" if line.upper().startswith(b"250-STARTTLS") else line


def masked(line: bytes) -> bytes:
    return b"250-XXXXXXXA\r\n" if line.upper().startswith(b"250-STARTTLS") else line


async def proxy(address: str, how: str) -> None:
    """Answer for ``address`` and pass on to it, line by line, as inspecting firewalls do."""
    change = {"remove": removed, "mask": masked, "pass": bytes}[how]

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, onward = await asyncio.open_connection(address, 25)

        async def commands() -> None:
            while data := await reader.read(65536):
                onward.write(data)
            onward.close()

        async def replies() -> None:
            if how == "pass":
                while data := await behind.read(65536):
                    writer.write(data)
            while line := await behind.readline():
                writer.write(change(line))
            writer.close()

        await asyncio.gather(commands(), replies(), return_exceptions=True)

    server = await asyncio.start_server(accept, address, 25)
    print("ready", flush=True)
    await server.serve_forever()


def probe(address: str, injection: str) -> None:
    options = {
        "host": ["mx.example.nl"], "address": [address], "port": 25, "server_name": None, "sni": ["with"],
        "key_type": ["any"], "ehlo_name": "probe.example", "timeout": 20, "concurrency": 1, "tlsa": None,
        "injection": injection == "injection",
    }  # fmt: skip
    print(json.dumps(starttls_info.gather(options)))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    elif sys.argv[1] == "proxy":
        asyncio.run(proxy(sys.argv[2], sys.argv[3]))
    else:
        probe(*sys.argv[2:])
