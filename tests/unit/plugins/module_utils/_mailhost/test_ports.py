# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ports of this host serve: sockets from /proc, dialogues of mail protocols, RSA and ECDSA apart."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import listening as mailhost_listening
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import openssl, ports
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.listening import Listener, listeners, reachable

DIALOGUES = {
    "smtp": [b"220-a\r\n220 b ESMTP\r\n", b"EHLO", b"250-b\r\n250 STARTTLS\r\n", b"STARTTLS", b"220 go\r\n"],
    "imap": [b"* OK hello\r\n", b"a1 CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK\r\n", b"a2 STARTTLS",
             b"a2 OK\r\n"],
    "pop": [b"+OK hello\r\n", b"CAPA", b"+OK\r\nUSER\r\nSTLS\r\n.\r\n", b"STLS", b"+OK\r\n"],
    "sieve": [b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK "hello"\r\n', b"STARTTLS", b"OK\r\n"],
}  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """A PEM file and the digest of the public key, for each type."""
    directory, found = tmp_path_factory.mktemp("keys"), {}
    for name, kind in (("rsa", ["rsa:2048"]), ("ecdsa", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])):
        files = [str(directory / f"{name}.{part}") for part in ("key", "crt")]
        command = ["openssl", "req", "-x509", "-nodes", "-subj", f"/CN={name}", "-newkey", *kind]
        subprocess.run([*command, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True, timeout=60)
        both = directory / f"{name}.pem"
        both.write_text(Path(files[0]).read_text() + Path(files[1]).read_text())
        found[name] = (str(both), hashlib.sha256(openssl.spki_of(Path(files[1]).read_text())).hexdigest())
    return found


@contextlib.contextmanager
def server(dialogue: list[bytes], pems: list[str]) -> Iterator[int]:
    """The port of a server that speaks ``dialogue`` (its words and the client's in turn), then TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for pem in pems:
        context.load_cert_chain(pem)

    def line(client: socket.socket) -> bytes:
        # What comes behind it may belong to TLS.
        heard = b""
        while not heard.endswith(b"\n") and len(heard) < 300 and (more := client.recv(1)):
            heard += more
        return heard

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(2)
            for mine in dialogue:
                if mine[-1:] == b"\n":
                    client.sendall(mine)
                elif not line(client).startswith(mine):
                    return
            if pems:
                with context.wrap_socket(client, server_side=True) as secured:
                    secured.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("protocol", DIALOGUES)
def test_starttls_with_one_key(protocol: str, keys: dict[str, tuple[str, str]]) -> None:
    with server(DIALOGUES[protocol], [keys["rsa"][0]]) as port:
        (found,) = ports.look(["mx.example.nl"], [port], 20)
    assert (found.address, found.port, found.tls, found.problem) == ("127.0.0.1", port, "starttls", "")
    seen = {(one.server_name, one.key_type): (one.spki_sha256, one.problem) for one in found.served}
    for name in ("", "mx.example.nl"):
        assert seen[name, "any"] == seen[name, "rsa"] == (keys["rsa"][1], "") and seen[name, "ecdsa"] == ("", "")


def test_both_keys_are_told_apart(keys: dict[str, tuple[str, str]]) -> None:
    with server(DIALOGUES["smtp"], [keys["rsa"][0], keys["ecdsa"][0]]) as port:
        (found,) = ports.look([], [port], 20)
    seen = {one.key_type: one.spki_sha256 for one in found.served}
    assert seen["rsa"] == keys["rsa"][1] and seen["ecdsa"] == keys["ecdsa"][1]
    assert all(len(one.chain_sha256) == 1 for one in found.served)


def test_implicit_tls_where_the_server_waits(keys: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_BANNER", 0.5)
    with server([], [keys["rsa"][0]]) as port:
        (found,) = ports.look([], [port], 20)
    assert found.tls == "implicit" and found.served[0].spki_sha256 == keys["rsa"][1]


@pytest.mark.slow
@pytest.mark.parametrize("words", [DIALOGUES["smtp"], []], ids=["starttls", "implicit"])
def test_a_server_behind_a_proxy(
    words: list[bytes], keys: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with server([b"PROXY TCP4 127.0.0.1 127.0.0.1 ", *words], [keys["rsa"][0]]) as port:
        if not words:
            monkeypatch.setattr(ports, "_IMPLICIT_PORTS", (port,))
        (found,) = ports.look([], [port], 20)
    assert found.tls == ("starttls" if words else "implicit")
    assert found.served[0].spki_sha256 == keys["rsa"][1] and not found.problem


@pytest.mark.parametrize(
    ("dialogue", "tls", "problem"),
    [
        ([b"220 b\r\n", b"EHLO", b"250 b\r\n"], "none", ""),
        ([b"220 b\r\n", b"EHLO", b"250 STARTTLS\r\n", b"STARTTLS", b"454 no\r\n"], "unknown", "answered with 454 no"),
        ([b"220 b\r\n", b"EHLO", b"500 what\r\n"], "unknown", "EHLO was answered with 500 what"),
        ([b"hello\r\n"], "unknown", "not a mail protocol"),
        ([b"220 " + b"x" * 5000 + b"\r\n"], "unknown", "a line of more than 4096 bytes"),
    ],
)
def test_other_answers(dialogue: list[bytes], tls: str, problem: str) -> None:
    with server(dialogue, []) as port:
        (found,) = ports.look([], [port], 20)
    assert found.tls == tls and problem in found.problem


def test_time_is_bounded() -> None:
    start = time.monotonic()
    with server([b"220-never ending\r\n", b"nothing"], []) as port:
        (found,) = ports.look([], [port], 1)
    assert found.tls == "unknown" and found.problem and time.monotonic() - start < 8


def test_names_are_checked() -> None:
    assert ports.check_names(["MX.example.nl.", "mx.example.nl"]) == ("mx.example.nl",)
    with pytest.raises(ValueError, match="A-labels"):
        ports.check_names(["mx.exämple.nl"])


def test_a_socket_and_its_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert listeners([port]) == [Listener("127.0.0.1", port, Path("/proc/self/comm").read_text().strip())]
        assert port not in {one.port for one in listeners()}
    assert listeners([port]) == []


def fake(directory: Path, tcp: str, processes: dict[int, tuple[str, int]]) -> str:
    """A /proc with sockets and processes (name, inode)."""
    net = directory / "self" / "net"
    net.mkdir(parents=True)
    (net / "tcp").write_text("  sl\n" + tcp)
    (net / "fib_trie").write_text("  |-- 192.0.2.1\n     /32 host LOCAL\n  |-- 127.0.0.1\n     /32 host LOCAL\n")
    (net / "if_inet6").write_text(
        "00000000000000000000000000000001 01 80 10 80 lo\nfe80" + "0" * 27 + "1 02 40 20 80 e\n"
    )
    for number, (name, inode) in processes.items():
        (directory / str(number) / "fd").mkdir(parents=True)
        (directory / str(number) / "comm").write_text(f"{name}\n")
        os.symlink(f"socket:[{inode}]", directory / str(number) / "fd" / "3")
    return str(directory)


def test_which_sockets_are_those_of_mail_servers(tmp_path: Path) -> None:
    line = "0: {}:{:04X} 00000000:0000 {} 00000000:00000000 00:00000000 00000000 0 0 {} 1\n".format
    rows = [("00000000", 2525, "0A", 1), ("0100007F", 10025, "0A", 2), ("0100007F", 80, "0A", 3),
            ("0100007F", 443, "0A", 4), ("0100007F", 25, "01", 5), ("087100CB", 465, "0A", 9)]  # fmt: skip
    processes = {7: ("docker-proxy", 1), 8: ("master", 2), 9: ("apache2", 3), 10: ("nginx", 4), 11: ("master", 5)}
    found = listeners((), fake(tmp_path, "".join(line(*row) for row in rows), processes))
    assert found == [
        Listener("203.0.113.8", 465, ""), Listener("0.0.0.0", 2525, "docker-proxy"),
        Listener("127.0.0.1", 10025, "master"),
    ]  # fmt: skip
    assert reachable(found[1], str(tmp_path)) == ["127.0.0.1", "192.0.2.1"]
    assert reachable(Listener("::", 25, ""), str(tmp_path)) == ["127.0.0.1", "::1", "192.0.2.1"]
    assert reachable(found[0], str(tmp_path)) == ["203.0.113.8"]


def test_ipv6_addresses_of_proc() -> None:
    assert mailhost_listening._address("00000000000000000000000001000000") == "::1"
    assert mailhost_listening._address("B80D0120000000000000000001000000") == "2001:db8::1"
    assert mailhost_listening._address("0000000000000000FFFF00000100007F") == "127.0.0.1"
