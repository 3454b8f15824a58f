# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own validation and a trusted resolver side by side: 600 names in 200 signed zones, caches cold each time.

Needs root, unbound and knotd; uses addresses of loopback only. Run: .venv/bin/python tests/benchmark/dnssec.py [ROUNDS]
Prints look-ups per second of both ways, their ratio, and the memory of each. Says by its exit status whether own
validation reaches half the speed of the other, with less than 120 MiB.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "zoo"), str(ROOT / ".cache" / "collections")]

SERVER, RESOLVER = "127.53.53.11", "127.53.53.12"
ZONES, CONCURRENCY = 200, 20
NAMES = [
    question
    for number in range(ZONES)
    for question in (
        (f"d{number}.test-tld", "MX"),
        (f"mx.d{number}.test-tld", "A"),
        (f"_25._tcp.mx.d{number}.test-tld", "TLSA"),
    )
]


def knot(directory: pathlib.Path) -> subprocess.Popen[bytes]:
    """Start an authoritative server that signs 202 zones, with DS records from child to parent."""
    origins = [".", "test-tld.", *(f"d{number}.test-tld." for number in range(ZONES))]
    soa = "@ 300 IN SOA ns.test-tld. hostmaster.test-tld. 1 3600 600 86400 300\n@ 300 IN NS ns.test-tld.\n"
    texts = dict.fromkeys(origins, soa)
    texts["test-tld."] += f"ns 300 IN A {SERVER}\n"
    texts["."] += f"test-tld. 300 IN NS ns.test-tld.\nns.test-tld. 300 IN A {SERVER}\n"
    for number in range(ZONES):
        origin = f"d{number}.test-tld."
        texts["test-tld."] += f"{origin} 300 IN NS ns.test-tld.\n"
        texts[origin] += f"@ 300 IN MX 10 mx\nmx 300 IN A 192.0.2.1\n_25._tcp.mx 300 IN TLSA 3 1 1 {'ab' * 32}\n"
    for origin, text in texts.items():
        (directory / f"zone-{origin}").write_text(text)
    conf = directory / "knot.conf"
    zones = "".join(f"  - domain: {origin}\n    file: zone-{origin}\n" for origin in origins)
    conf.write_text(
        f"""server:
  rundir: {directory}
  listen: {SERVER}@53
  udp-workers: 1
  tcp-workers: 1
  background-workers: 2
database:
  storage: {directory}
  journal-db-max-size: 64M
log:
  - target: {directory}/knot.log
    any: warning
policy:
  - id: sign
    algorithm: ecdsap256sha256
    single-type-signing: on
    cds-cdnskey-publish: none
template:
  - id: default
    storage: {directory}
    dnssec-signing: on
    dnssec-policy: sign
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
control:
  listen: {directory}/knot.sock
zone:
{zones}"""
    )
    server = subprocess.Popen(["knotd", "-c", str(conf)])
    wait(lambda: all(query(origin, "DNSKEY") for origin in origins))
    with (directory / "zone-test-tld.").open("a") as file:
        file.writelines(f"{origin} 300 IN DS {ds(origin)}\n" for origin in origins[2:])
    reload(directory, "test-tld.")
    with (directory / "zone-.").open("a") as file:
        file.write(f"test-tld. 300 IN DS {ds('test-tld.')}\n")
    reload(directory, ".")
    wait(lambda: all(query(origin, "DS") for origin in origins[1:]))
    (directory / "anchor").write_text(f". IN DS {ds('.')}\n")
    return server


def reload(directory: pathlib.Path, zone: str) -> None:
    subprocess.run(
        ["knotc", "-s", f"{directory}/knot.sock", "-b", "zone-reload", zone], check=True, capture_output=True
    )


def query(owner: str, rdtype: str) -> object:
    import dns.message
    import dns.query

    response = dns.query.udp_with_fallback(
        dns.message.make_query(owner, rdtype, want_dnssec=True), SERVER, timeout=2, ignore_unexpected=True
    )[0]
    return next((rrset for rrset in response.answer if rrset.rdtype.name == rdtype), None)


def ds(owner: str) -> str:
    import dns.dnssec

    return dns.dnssec.make_ds(owner, next(iter(query(owner, "DNSKEY"))), "SHA256").to_text()  # type: ignore[call-overload]


def wait(ready: object) -> None:
    for _try in range(150):
        try:
            if ready():  # type: ignore[operator]
                return
        except OSError:
            pass
        except Exception as error:  # a server that is still starting may answer anything
            if _try == 149:
                raise error
        time.sleep(0.2)
    raise SystemExit("the servers of the benchmark did not get ready")


def unbound(directory: pathlib.Path) -> subprocess.Popen[bytes]:
    """Start a validating resolver with an empty cache."""
    (directory / "hints").write_text(f". 3600 IN NS ns.test-tld.\nns.test-tld. 3600 IN A {SERVER}\n")
    conf = directory / "unbound.conf"
    conf.write_text(
        f"""server:
  interface: {RESOLVER}
  port: 53
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "{directory}/unbound.log"
  do-daemonize: no
  num-threads: 1
  module-config: "validator iterator"
  root-hints: "hints"
  trust-anchor-file: "anchor"
  trust-anchor-signaling: no
  do-not-query-localhost: no
  do-ip6: no
  access-control: 127.0.0.0/8 allow
"""
    )
    server = subprocess.Popen(["unbound", "-d", "-c", str(conf)])
    wait(lambda: socket.create_connection((RESOLVER, 53), 1).close() is None)
    return server


async def _all(resolve: object) -> int:
    room = asyncio.Semaphore(CONCURRENCY)

    async def one(owner: str, rdtype: str) -> bool:
        async with room:
            return bool((await resolve(owner, rdtype)).is_secure)  # type: ignore[operator]

    return sum(await asyncio.gather(*(one(*question) for question in NAMES)))


def child(mode: str, directory: str) -> None:
    """Do all look-ups in one way, in a process of its own so that its memory is its own."""
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.resolver_trusted import TrustedResolver
    from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
    from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import anchors as dnssec_anchors
    from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.network import Recursive
    from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.resolver_own import OwnResolver
    from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import Validator

    async def run() -> int:
        if mode == "trusted":
            return await _all(TrustedResolver([Server(RESOLVER)]).resolve)
        anchors = dnssec_anchors.parse(pathlib.Path(directory, "anchor").read_text())
        validator = Validator(Recursive([Server(RESOLVER)]), lambda: int(time.time()), anchors)
        return await _all(OwnResolver(validator).resolve)

    started = time.monotonic()
    secure = asyncio.run(run())
    elapsed = time.monotonic() - started
    if secure != len(NAMES):
        raise SystemExit(f"{mode}: only {secure} of {len(NAMES)} are secure")
    print(len(NAMES) / elapsed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    best = {"trusted": 0.0, "own": 0.0}
    memory = dict.fromkeys(best, 0.0)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        authority = knot(directory)
        try:
            for _round in range(rounds):
                for mode in best:
                    resolver = unbound(directory)
                    try:
                        made = subprocess.run(
                            [sys.executable, __file__, "--child", mode, name],
                            check=True,
                            capture_output=True,
                            text=True,
                        )
                    finally:
                        resolver.terminate()
                        resolver.wait(10)
                    speed, size = map(float, made.stdout.split())
                    print(f"{mode:8} {speed:8.0f} look-ups/s {size:6.0f} MiB", flush=True)
                    best[mode], memory[mode] = max(best[mode], speed), max(memory[mode], size)
        finally:
            authority.terminate()
            authority.wait(20)
    ratio = best["own"] / best["trusted"]
    print(f"ratio of the best rounds, own to trusted: {ratio:.2f} (wanted: 0.50 or more)")
    print(f"memory of own validation: {memory['own']:.0f} MiB (wanted: less than 120)")
    return 0 if ratio >= 0.5 and memory["own"] < 120 else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3])
    else:
        os.environ["PATH"] += ":/usr/sbin"
        raise SystemExit(main())
