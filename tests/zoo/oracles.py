# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's validators, as separate programs in front of the zoo: unbound, delv and dnsviz."""

from __future__ import annotations

import pathlib
import re
import shutil
import socket
import struct
import subprocess
import time
import typing as t

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


class Said(t.NamedTuple):
    """The verdict of a program, and the extended errors (RFC 8914) that it names or that its words amount to."""

    verdict: str
    errors: set[int]


class Unbound:
    """unbound in front of a responder at port 53 of the server address; a context manager."""

    def __init__(self, directory: pathlib.Path, anchor: str, root: str = signer.SERVER) -> None:
        self.port = free_port(RESOLVER)
        (directory / "anchor").write_text(anchor + "\n")
        (directory / "hints").write_text(f". 3600 IN NS ns.\nns. 3600 IN A {root}\n")
        self._conf = directory / "unbound.conf"
        self._log = directory / "unbound.log"
        self._control = directory / "control"
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
  control-enable: yes
  control-interface: {self._control}
  control-use-cert: no
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

    def forget(self) -> None:
        """Empty the caches, keys and failures included."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self._control))
            sock.sendall(b"UBCT1 flush_zone .\n")
            said = b"".join(iter(lambda: sock.recv(4096), b""))
        assert said.startswith(b"ok"), said

    def verdict(self, owner: str, rdtype: str) -> Said:
        """Return the status that the answer tells, and the extended errors in it."""
        response = self.ask(owner, rdtype, 60)
        options = [option.to_wire() for option in response.options if option.otype == _EDE]
        errors = {int(struct.unpack("!H", data[:2])[0]) for data in options}
        if response.rcode() == 2:
            return Said("bogus", errors)
        return Said("secure" if response.flags & dns.flags.AD else "insecure", errors)


#: What delv calls a cause, as extended errors. Its other words (broken trust chain, insecurity proof failed) name none.
_DELV_CAUSES = {
    "RRSIG has expired": 7,
    "RRSIG validity period has not begun": 8,
    "RRSIG failed to verify": 6,
    "no valid NSEC": 12,
}


def delv(directory: pathlib.Path, anchor: str, port: int, owner: str, rdtype: str) -> Said:
    """Return what delv reports, asking a resolver without having it validate."""
    keys = directory / "delv.anchor"
    tag, algorithm, digest_type, digest = anchor.split()[3:]
    keys.write_text(f'trust-anchors {{ . static-ds {tag} {algorithm} {digest_type} "{digest}"; }};\n')
    made = subprocess.run(
        [program("delv", "bind9-dnsutils"), f"@{RESOLVER}", "-p", str(port), "-a", str(keys), "+root=.", "+cd",
         owner, rdtype],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    said = made.stdout + made.stderr
    return Said(_delv_verdict(said), {code for words, code in _DELV_CAUSES.items() if words in said})


def _delv_verdict(said: str) -> str:
    # Each part of an alias chain is reported by itself; the worst counts.
    if "resolution failed" in said and "resolution failed: ncache" not in said:
        return "bogus"
    if "unsigned answer" in said or "negative response, unsigned" in said:
        return "insecure"
    if "fully validated" in said:
        return "secure"
    # delv 9.18 reports a denial that it has accepted as a failure.
    return "negative" if "resolution failed: ncache" in said else "bogus"


_DNSVIZ_STATUS = {".": "secure", "-": "insecure", "!": "bogus"}
_DNSVIZ_ORDER = ("secure", "insecure", "flawed", "bogus", "silent")
_DNSVIZ_LINE = re.compile(r"  \[(.)(.?)\] *(\S+): (?:CNAME )?(\S+)")


def dnsviz_version() -> str:
    """Return the first two numbers of the version of dnsviz, which it does not tell itself."""
    interpreter = pathlib.Path(program("dnsviz", "dnsviz")).read_text().split("\n", 1)[0].removeprefix("#!").split()
    asked = [*interpreter, "-c", "import importlib.metadata as m; print(m.version('dnsviz'))"]
    return ".".join(subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20).stdout.split(".")[:2])


def dnsviz(directory: pathlib.Path, key: str, questions: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return what dnsviz says of questions, following delegations from the root by itself.

    ``flawed`` is what it marks as secure with an error beside it, ``silent`` what it says nothing about. All is
    ``crash`` when it ended with a traceback. ``key`` is the DNSKEY record of the root.
    """
    keys, seen = directory / "keys", directory / "seen.json"
    keys.write_text(f". IN DNSKEY {key}\n")
    # What it has seen as the parent of another name, it does not ask for further types.
    names = sorted({owner for owner, _rdtype in questions}, key=lambda name: (name.count("."), name))
    types = ",".join(sorted({rdtype for _owner, rdtype in questions}))
    program_ = program("dnsviz", "dnsviz")
    probe = [program_, "probe", "-d", "0", "-A", "-4", "-a", ".", "-x", f".:a.={signer.SERVER}", "-R", types]
    said = ""
    # Its "grok", which would say the same as JSON, does not take trust anchors with the pygraphviz of Debian 12.
    for command in ([*probe, "-o", str(seen), *names], [program_, "print", "-P", "-r", str(seen), "-t", str(keys)]):
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if "Traceback" in made.stderr:
            return dict.fromkeys(questions, "crash")
        assert not made.returncode, made
        said = made.stdout
    lines = _dnsviz_lines(said)
    return {question: _dnsviz_worst(lines, *question) for question in questions}


def _dnsviz_lines(said: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Return status and first word of the data of each RRset, by owner and type."""
    lines: dict[tuple[str, str], tuple[str, str]] = {}
    owner = ""
    for line in said.splitlines():
        if not line.startswith(" "):
            owner = line.split()[0]
        elif found := _DNSVIZ_LINE.match(line):
            status, error, rdtype, data = found.groups()
            verdict = _DNSVIZ_STATUS[status]
            lines[owner, rdtype] = ("flawed" if verdict == "secure" and error == "!" else verdict, data)
    return lines


def _dnsviz_worst(lines: dict[tuple[str, str], tuple[str, str]], owner: str, rdtype: str) -> str:
    """Return the worst status on the way along aliases."""
    worst = "silent" if (owner, rdtype) not in lines else "secure"
    for _hop in range(12):
        status, data = lines.get((owner, rdtype), ("secure", ""))
        worst = max(worst, status, key=_DNSVIZ_ORDER.index)
        owner = data.rstrip(".")
    return worst
