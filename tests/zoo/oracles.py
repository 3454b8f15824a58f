# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's validators, as separate programs in front of the zoo: unbound and delv."""

from __future__ import annotations

import pathlib
import re
import shutil
import socket
import struct
import subprocess
import time

import dns.flags
import dns.message
import dns.query
import signer

_EDE = 15
RESOLVER = "127.53.53.2"


class Missing(Exception):
    """A program that these tests need is not installed."""


def program(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if not found:
        raise Missing(f"{name} is not installed: apt-get install {package}")
    return found


def version(name: str, package: str, *arguments: str) -> str:
    """Return the first two numbers of the version, such as 1.17."""
    made = subprocess.run([program(name, package), *arguments], capture_output=True, text=True, check=False, timeout=20)
    found = re.search(r"(\d+\.\d+)(\.\d+)?", made.stdout + made.stderr)
    assert found, made
    return found[1]


def free_port(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Unbound:
    """unbound in front of a responder at port 53 of the server address; a context manager."""

    def __init__(self, directory: pathlib.Path, anchor: str, root: str = signer.SERVER) -> None:
        self.port = free_port(RESOLVER)
        (directory / "anchor").write_text(anchor + "\n")
        (directory / "hints").write_text(f". 3600 IN NS ns.\nns. 3600 IN A {root}\n")
        self._conf = directory / "unbound.conf"
        self._log = directory / "unbound.log"
        self._conf.write_text(
            f"""server:
  interface: {RESOLVER}
  port: {self.port}
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "{self._log}"
  do-daemonize: no
  num-threads: 1
  module-config: "validator iterator"
  root-hints: "hints"
  trust-anchor-file: "anchor"
  trust-anchor-signaling: no
  do-not-query-localhost: no
  do-ip6: no
  ede: yes
  val-log-level: 2
  qname-minimisation: no
  aggressive-nsec: no
  access-control: 127.0.0.0/8 allow
remote-control:
  control-enable: no
"""
        )

    def __enter__(self) -> Unbound:
        self._process = subprocess.Popen(
            [program("unbound", "unbound"), "-d", "-c", str(self._conf)], stderr=subprocess.DEVNULL
        )
        for _try in range(100):
            try:
                self.ask(".", "SOA")
                return self
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        raise AssertionError(f"unbound does not answer: {self._log.read_text()}")

    def __exit__(self, *_args: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def ask(self, owner: str, rdtype: str, seconds: float = 0.5) -> dns.message.Message:
        query = dns.message.make_query(owner, rdtype, want_dnssec=True)
        query.flags |= dns.flags.AD
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(seconds)
            sock.connect((RESOLVER, self.port))
            sock.send(query.to_wire())
            return dns.message.from_wire(sock.recv(65535), continue_on_error=True)

    def verdict(self, owner: str, rdtype: str) -> tuple[str, set[int]]:
        """Return the status that the answer tells, and the extended errors in it."""
        response = self.ask(owner, rdtype, 60)
        options = [option.to_wire() for option in response.options if option.otype == _EDE]
        errors = {int(struct.unpack("!H", data[:2])[0]) for data in options}
        if response.rcode() == 2:
            return "bogus", errors
        return ("secure" if response.flags & dns.flags.AD else "insecure"), errors


def delv(directory: pathlib.Path, anchor: str, port: int, owner: str, rdtype: str) -> str:
    """Return the status that delv reports, asking a resolver without having it validate."""
    keys = directory / "delv.anchor"
    tag, algorithm, digest_type, digest = anchor.split()[3:]
    keys.write_text(f'trust-anchors {{ . static-ds {tag} {algorithm} {digest_type} "{digest}"; }};\n')
    made = subprocess.run(
        [program("delv", "bind9-dnsutils"), f"@{RESOLVER}", "-p", str(port), "-a", str(keys), "+root=.", "+cd",
         owner, rdtype],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    said = made.stdout + made.stderr
    # Each part of an alias chain is reported by itself; the worst counts.
    if "resolution failed" in said and "resolution failed: ncache" not in said:
        return "bogus"
    if "unsigned answer" in said or "negative response, unsigned" in said:
        return "insecure"
    if "fully validated" in said:
        return "secure"
    # delv 9.18 reports a denial that it has accepted as a failure.
    return "negative" if "resolution failed: ncache" in said else "bogus"
