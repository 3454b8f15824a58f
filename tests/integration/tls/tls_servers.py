# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS servers on loopback: OpenSSL, GnuTLS and Postfix as Debian ships them, behind SMTP where they lack it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import typing as t

import postfix_root

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on, below those that outgoing connections get."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.create_server((HOST, port)):
            return port


def wait_for(port: int, process: subprocess.Popen[bytes] | None = None, address: str = HOST) -> None:
    """Return once something listens on ``port``."""
    for _attempt in range(600):
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


class Front:
    """Speaks SMTP as far as STARTTLS, then passes bytes to and fro between the client and a TLS server.

    ``patch`` may change each chunk that the TLS server sends. ``close_after`` answers 421 from that connection on.
    ``lose_every`` closes every connection of that number after STARTTLS, as a balancer with a dead server behind it.
    """

    def __init__(
        self,
        backend: int,
        patch: t.Callable[[bytes], bytes] | None = None,
        close_after: int | None = None,
        lose_every: int | None = None,
    ) -> None:
        self._backend = backend
        self._patch = patch or (lambda data: data)
        self._close_after = close_after
        self._lose_every = lose_every
        self.connections = 0
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        # A thread about to accept would do so on whatever socket gets the number of a closed one: the next front's.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(30)
        assert not self._accepting.is_alive()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            number = self.connections
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            with client, contextlib.suppress(OSError):
                if self._close_after is not None and number > self._close_after:
                    client.sendall(b"421 4.7.0 too many connections\r\n")
                    return
                self._smtp(client, lost=bool(self._lose_every) and number % (self._lose_every or 1) == 0)
        finally:
            with self._lock:
                self.at_once -= 1

    def _smtp(self, client: socket.socket, lost: bool) -> None:
        client.settimeout(30)
        client.sendall(b"220 mx.example.nl ESMTP\r\n")
        pending = b""
        while True:
            while b"\n" not in pending:
                data = client.recv(4096)
                if not data:
                    return
                pending += data
            line, _newline, pending = pending.partition(b"\n")
            verb = line.strip().upper()
            if verb.startswith(b"EHLO"):
                client.sendall(b"250-mx.example.nl\r\n250-STARTTLS\r\n250 PIPELINING\r\n")
            elif verb == b"STARTTLS":
                client.sendall(b"220 go ahead\r\n")
                break
            else:
                client.sendall(b"221 bye\r\n")
                return
        if lost:
            return
        with socket.create_connection((HOST, self._backend), 10) as server:
            server.settimeout(30)
            back = threading.Thread(target=self._pass, args=(server, client, self._patch), daemon=True)
            back.start()
            self._pass(client, server, lambda data: data)
            back.join(30)

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket, patch: t.Callable[[bytes], bytes]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(patch(data))
        for sock, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
            with contextlib.suppress(OSError):
                sock.shutdown(how)


@dataclasses.dataclass(frozen=True)
class Identity:
    """Key file and chain file of a server."""

    key: pathlib.Path
    chain: pathlib.Path


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def identity(directory: pathlib.Path, name: str, algorithm: str, option: str, digest: str = "sha256") -> Identity:
    """A leaf from an issuing CA with a good key: ``algorithm`` and ``option`` are those of ``openssl genpkey``."""
    directory.mkdir(parents=True, exist_ok=True)
    ca_key, ca = directory / "ca-key.pem", directory / "ca.pem"
    if not ca.exists():
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(ca_key))
        openssl("req", "-x509", "-new", "-key", str(ca_key), "-subj", "/CN=Test CA", "-days", "30", "-out", str(ca))
    key, request, leaf = (directory / f"{name}-{part}.pem" for part in ("key", "request", "leaf"))
    openssl("genpkey", "-algorithm", algorithm, *(["-pkeyopt", option] if option else []), "-out", str(key))
    openssl("req", "-new", "-key", str(key), "-subj", f"/CN={name}.example.nl", "-out", str(request))
    openssl(
        "x509", "-req", "-in", str(request), "-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial",
        f"-{digest}", "-days", "20", "-out", str(leaf),
    )  # fmt: skip
    chain = directory / f"{name}-chain.pem"
    chain.write_bytes(leaf.read_bytes() + ca.read_bytes())
    return Identity(key, chain)


@contextlib.contextmanager
def _process(port: int, command: list[str], env: dict[str, str] | None = None) -> t.Iterator[None]:
    # The input stays open: both programs leave when it ends.
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env
    )
    try:
        wait_for(port, process)
        yield
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


@contextlib.contextmanager
def openssl_server(who: t.Sequence[Identity], *arguments: str, **front: t.Any) -> t.Iterator[Front]:
    """``openssl s_server`` with ``arguments``; a second identity is the other kind of key."""
    port = free_port()
    keys = ["-key", str(who[0].key), "-cert", str(who[0].chain), "-cert_chain", str(who[0].chain)]
    if len(who) > 1:
        keys += ["-dkey", str(who[1].key), "-dcert", str(who[1].chain), "-dcert_chain", str(who[1].chain)]
    # It answers with the line backwards: no SMTP, but an answer. It does not do so with early data.
    answering = "-quiet" if "-early_data" in arguments else "-rev"
    command = ["openssl", "s_server", "-accept", f"{HOST}:{port}", answering, *keys, *arguments]
    env = {"PATH": os.environ["PATH"], "OPENSSL_CONF": os.devnull}
    with _process(port, command, env), contextlib.closing(Front(port, **front)) as found:
        yield found


@contextlib.contextmanager
def gnutls_server(who: Identity, priority: str, *arguments: str, **front: t.Any) -> t.Iterator[Front]:
    """``gnutls-serv`` with a priority string."""
    port = free_port()
    command = [
        "gnutls-serv", "--echo", "--quiet", "--noticket", "-p", str(port), "--priority", priority,
        "--x509keyfile", str(who.key), "--x509certfile", str(who.chain), *arguments,
    ]  # fmt: skip
    with _process(port, command), contextlib.closing(Front(port, **front)) as found:
        yield found


def _private(path: pathlib.Path, data: bytes) -> pathlib.Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


@contextlib.contextmanager
def postfix(
    who: t.Sequence[Identity],
    settings: t.Mapping[str, str],
    address: str = HOST,
    port: int | None = None,
    beside: t.Mapping[str, bytes] | None = None,
) -> t.Iterator[int]:
    """Postfix with its own configuration, queue and port; ``settings`` go to main.cf.

    ``beside``: other addresses where it listens, and the key with the chain (PEM) that it serves there.
    """
    # smtpd runs as another user, to whom pytest closes its directories whenever another run of it begins.
    with tempfile.TemporaryDirectory(prefix="postfix-", ignore_cleanup_errors=True) as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        with _postfix(directory, who, settings, address, port or free_port(), beside or {}) as found:
            yield found


@contextlib.contextmanager
def _postfix(
    directory: pathlib.Path,
    who: t.Sequence[Identity],
    settings: t.Mapping[str, str],
    address: str,
    port: int,
    beside: t.Mapping[str, bytes],
) -> t.Iterator[int]:
    config, queue, data = (directory / name for name in ("config", "queue", "data"))
    for path in (config, queue, data):
        path.mkdir(parents=True)
    shutil.copy(postfix_root.root() / "etc/postfix/postfix-files", config)
    chain = _private(directory / "keychain.pem", b"".join(one.key.read_bytes() + one.chain.read_bytes() for one in who))
    services = "".join(
        f"{other}:{port} inet n - n - - smtpd\n  -o smtpd_tls_chain_files={_private(directory / f'{other}.pem', pem)}\n"
        for other, pem in beside.items()
    )
    subprocess.run(postfix_root.command("chown", "postfix", str(data)), check=True, timeout=60)
    main = {
        "compatibility_level": "3.6",
        "queue_directory": str(queue),
        "data_directory": str(data),
        "myhostname": "mx.example.nl",
        "inet_interfaces": HOST if address.startswith("127.") else f"{HOST}, {address}",
        "inet_protocols": "ipv4",
        "mydestination": "",
        "alias_maps": "",
        "maillog_file": "/dev/stdout",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": str(chain),
        **settings,
    }
    (config / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in main.items()))
    (config / "master.cf").write_text(
        f"{address}:{port} inet n - n - - smtpd\n{services}"
        "cleanup unix n - n - 0 cleanup\nrewrite unix - - n - - trivial-rewrite\nanvil unix - - n - 1 anvil\n"
        "tlsmgr unix - - n 1000? 1 tlsmgr\npostlog unix-dgram n - n - 1 postlogd\n"
        "qmgr unix n - n 300 1 qmgr\npickup unix n - n 60 1 pickup\nproxymap unix - - n - - proxymap\n"
    )
    # Its log, which is standard output, must not be the deleted file that pytest makes of it.
    check = postfix_root.command("postfix", "-c", str(config), "check")
    subprocess.run(check, check=True, timeout=60, stdout=subprocess.DEVNULL)
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            postfix_root.command("postfix", "-c", str(config), "start-fg"),
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        try:
            wait_for(port, process, address)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {log.read_text(errors='replace')[-2000:]}") from error
        yield port
    finally:
        # The master makes a group of its own, which outlives that of the program that started it, with its sockets.
        # Neither is there when Postfix did not come up.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.killpg(int((queue / "pid" / "master.pid").read_text()), signal.SIGTERM)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
