# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small DNS of our own on loopback ports: a signed root and zones below it, sound and broken on purpose.

Knot serves them, Unbound validates and resolves them. The zones are signed here, so that a fault is exactly the
one that is wanted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import dns.dnssec
import dns.message
import dns.name
import dns.query
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec

HERE = "127.0.0.1"
SECOND = "127.0.0.12"
_HEAD = "@ 300 IN SOA ns.nic.nl. hostmaster.nic.nl. {serial} 3600 600 86400 300\n@ 300 IN NS ns.nic.nl.\n"


def free_port() -> int:
    """A port of loopback that is free for UDP and TCP at this moment."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((HERE, 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind((HERE, port))
            except OSError:
                continue
            return port


@dataclasses.dataclass
class Zone:
    """A zone as text of a zone file without SOA and NS of its apex.

    ``signed``: it has keys; ``listed``: its DS stands in the parent. ``days`` is the end of its signatures from
    now. ``also`` names a second name server, in both NS sets. ``elsewhere``: only the zone itself has the first among
    its name servers, which does not serve it. ``nsec3`` is the number of extra iterations for NSEC3 in place of NSEC.
    ``spoil`` is called with the signed zone.
    """

    name: str
    text: str = ""
    signed: bool = True
    listed: bool = True
    days: float = 14
    serial: int = 1
    also: str = ""
    elsewhere: bool = False
    nsec3: int | None = None
    spoil: Callable[[dns.zone.Zone], None] | None = None
    key: ec.EllipticCurvePrivateKey = dataclasses.field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def origin(self) -> dns.name.Name:
        return dns.name.from_text(self.name)

    @property
    def dnskey(self) -> dns.dnssec.DNSKEY:
        return dns.dnssec.make_dnskey(self.key.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257)

    @property
    def ds(self) -> str:
        return dns.dnssec.make_ds(self.origin, self.dnskey, "SHA256").to_text()

    def render(self, children: list[Zone]) -> str:
        """The zone file, signed, with the delegations to ``children``."""
        text = _HEAD.format(serial=self.serial) + self.text + "\n"
        text += f"@ 300 IN NS {self.also}\n" if self.also else ""
        for child in children:
            text += "" if child.elsewhere else f"{child.name} 300 IN NS ns.nic.nl.\n"
            text += f"{child.name} 300 IN NS {child.also}\n" if child.also else ""
            if child.signed and child.listed:
                text += f"{child.name} 300 IN DS {child.ds}\n"
        zone = dns.zone.from_text(text, origin=self.origin, relativize=False)
        if self.signed:
            now = datetime.datetime.now(datetime.UTC)
            dns.dnssec.sign_zone(
                zone,
                keys=[(self.key, self.dnskey)],
                add_dnskey=True,
                dnskey_ttl=300,
                inception=now - datetime.timedelta(days=30),
                expiration=now + datetime.timedelta(days=self.days),
            )
        if self.nsec3 is not None:
            self._with_nsec3(zone, self.nsec3)
        if self.spoil is not None:
            self.spoil(zone)
        return str(zone.to_text(relativize=False))

    def _with_nsec3(self, zone: dns.zone.Zone, iterations: int) -> None:
        """Prove absence by NSEC3 in place of NSEC, for zones without delegations."""
        without_nsec(zone)
        zone.find_rdataset(self.origin, "NSEC3PARAM", create=True).add(
            dns.rdata.from_text("IN", "NSEC3PARAM", f"1 0 {iterations} -"), 0
        )
        self._sign(zone, self.origin, "NSEC3PARAM")
        names = {name for node in zone.nodes for name in self._up(node)}
        hashed = sorted((dns.dnssec.nsec3_hash(name, None, iterations, 1), name) for name in names)
        for (label, name), (following, _name) in zip(hashed, hashed[1:] + hashed[:1], strict=True):
            types = {dns.rdatatype.to_text(rdataset.rdtype) for rdataset in zone.get_node(name) or ()}
            text = f"1 0 {iterations} - {following} {' '.join(sorted(types))}"
            owner = dns.name.Name([label.encode(), *self.origin.labels])
            zone.find_rdataset(owner, "NSEC3", create=True).add(dns.rdata.from_text("IN", "NSEC3", text), 300)
            self._sign(zone, owner, "NSEC3")

    def _up(self, name: dns.name.Name) -> Iterator[dns.name.Name]:
        while name != self.origin:
            yield name
            name = name.parent()
        yield name

    def _sign(self, zone: dns.zone.Zone, owner: dns.name.Name, rdtype: str) -> None:
        now = datetime.datetime.now(datetime.UTC)
        rrset = zone.get_rrset(owner, rdtype)
        assert rrset is not None
        signature = dns.dnssec.sign(
            rrset,
            self.key,
            self.origin,
            self.dnskey,
            inception=now - datetime.timedelta(days=30),
            expiration=now + datetime.timedelta(days=self.days),
        )
        zone.find_rdataset(owner, "RRSIG", rdtype, create=True).add(signature, rrset.ttl)


def without_nsec(zone: dns.zone.Zone) -> None:
    """Take the proofs of absence away."""
    for node in zone.nodes.values():
        node.delete_rdataset(dns.rdataclass.IN, dns.rdatatype.NSEC)
        node.delete_rdataset(dns.rdataclass.IN, dns.rdatatype.RRSIG, dns.rdatatype.NSEC)


def with_other_address(zone: dns.zone.Zone) -> None:
    """Change the addresses after signing."""
    for rdtype, other in (("A", "192.0.2.66"), ("AAAA", "2001:db8::66")):
        for _name, rdataset in zone.iterate_rdatasets(rdtype):
            ttl = rdataset.ttl
            rdataset.clear()
            rdataset.add(dns.rdata.from_text("IN", rdtype, other), ttl)


class World:
    """The name server and the resolver; ``with`` runs them. ``resolver`` is the port of the resolver.

    ``answering`` maps zones to ports of other servers that answer for them instead of Knot. ``second`` has the zones of
    a second Knot, at ``SECOND`` and the same port, that the resolver never asks.
    """

    def __init__(
        self,
        directory: Path,
        zones: list[Zone],
        answering: Mapping[str, int] | None = None,
        second: Sequence[Zone] = (),
    ) -> None:
        self.directory = directory
        self.authority = free_port()
        self.resolver = free_port()
        self._answering = dict(answering or {})
        self._second = list(second)
        self._zones = {zone.name: zone for zone in [Zone("."), Zone("nl.", f"ns.nic 300 IN A {HERE}"), *zones]}
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> World:
        try:
            self._start_knot("first", HERE, [zone for zone in self._zones.values() if not zone.elsewhere])
            self._await(self.authority, ".", "SOA", dns.message.Message.rcode)
            if self._second:
                self._start_knot("second", SECOND, self._second)
                self._await(self.authority, self._second[0].name, "SOA", dns.message.Message.rcode, SECOND)
            self._start_unbound()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        for process in reversed(self._running):
            process.terminate()
            process.wait(30)
        self._running.clear()

    def _children(self, name: str) -> list[Zone]:
        parent = dns.name.from_text(name)
        names = {zone.name: zone.origin for zone in self._zones.values() if zone.name != "."}
        below = [n for n, origin in names.items() if origin.is_subdomain(parent) and origin != parent]
        return [self._zones[n] for n in below if not any(names[n].is_subdomain(names[m]) and m != n for m in below)]

    def _start_knot(self, name: str, address: str, zones: list[Zone]) -> None:
        home = self.directory / name
        home.mkdir()
        entries = []
        for zone in zones:
            path = home / f"zone.{zone.name}txt"
            path.write_text(zone.render(self._children(zone.name)), encoding="ascii")
            entries.append(f"  - domain: {zone.name}\n    file: {path}\n    semantic-checks: off\n")
        config = home / "knot.conf"
        config.write_text(
            f"server:\n  listen: {address}@{self.authority}\n  rundir: {home}\n"
            f"database:\n  storage: {home}\n"
            f"log:\n  - target: {home}/knot.log\n    any: info\n"
            f"zone:\n{''.join(entries)}",
            encoding="ascii",
        )
        self._start("knotd", "-c", str(config))

    def _start_unbound(self) -> None:
        stubs = "".join(
            f'stub-zone:\n  name: "{zone}"\n  stub-addr: {address}@{self._answering.get(zone, self.authority)}\n'
            for zone in {*self._zones, *self._answering}
            for address in [SECOND if zone in self._zones and self._zones[zone].elsewhere else HERE]
        )
        anchor = self.directory / "anchor"
        anchor.write_text(f". IN DS {self._zones['.'].ds}\n", encoding="ascii")
        config = self.directory / "unbound.conf"
        config.write_text(
            f"server:\n  interface: {HERE}@{self.resolver}\n  do-not-query-localhost: no\n  use-syslog: no\n"
            f'  logfile: {self.directory}/unbound.log\n  directory: {self.directory}\n  pidfile: ""\n  chroot: ""\n'
            f'  username: ""\n  module-config: "validator iterator"\n  trust-anchor-file: {anchor}\n  ede: yes\n'
            "  trust-anchor-signaling: no\n  cache-max-negative-ttl: 0\n  aggressive-nsec: no\n  val-log-level: 2\n"
            f"remote-control:\n  control-enable: no\n{stubs}",
            encoding="ascii",
        )
        self._start("unbound", "-d", "-c", str(config))
        self._await(self.resolver, "nl.", "SOA", dns.message.Message.rcode)

    def _start(self, *command: str) -> None:
        log = (self.directory / f"{command[0]}.out").open("wb")
        self._running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def _await(
        self, port: int, name: str, rdtype: str, good: Callable[[dns.message.Message], int], address: str = HERE
    ) -> None:
        query = dns.message.make_query(name, rdtype, want_dnssec=True)
        for _attempt in range(100):
            if self._running[-1].poll() is not None:
                break
            try:
                if good(dns.query.udp(query, address, timeout=1, port=port)) == 0:
                    return
            except (OSError, dns.exception.Timeout):
                pass
            time.sleep(0.1)
        logs = "\n".join(f"{path}: {path.read_text()[-2000:]}" for path in self.directory.glob("*.out"))
        logs += "\n".join(path.read_text()[-2000:] for path in self.directory.glob("**/*.log"))
        raise RuntimeError(f"the server on port {port} does not come up:\n{logs}")


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port where questions arrive and nothing ever leaves."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind((HERE, 0))
        yield int(udp.getsockname()[1])


def zones() -> Iterator[Zone]:
    """Zones with every property that matters to a sender."""
    host = "mx 300 IN A 192.0.2.25\nmx 300 IN AAAA 2001:db8::25\n@ 300 IN MX 10 mx\n"
    tlsa = f"_25._tcp.mx 600 IN TLSA 3 1 1 {'ab' * 32}\n"
    many = "".join(f"_25._tcp.many 300 IN TLSA 3 1 2 {number:02x}{'cd' * 63}\n" for number in range(30))
    yield Zone(
        "good.nl.",
        host + tlsa + many + "many 300 IN A 192.0.2.30\nalias 300 IN CNAME mx\n"
        "out 300 IN CNAME mx.plain.nl.\nback 300 IN CNAME door.plain.nl.\nfar 300 IN DNAME good.nl.\n",
    )
    yield Zone("plain.nl.", host + tlsa + "door 300 IN CNAME mx.good.nl.\n", signed=False)
    yield Zone("nods.nl.", host + tlsa, listed=False)
    yield Zone("bogus.nl.", host + tlsa, spoil=with_other_address)
    yield Zone("expired.nl.", host + tlsa, days=-2)
    yield Zone("denial.nl.", host, spoil=without_nsec)
    yield Zone(
        "loop.nl.",
        "a 300 IN CNAME b\nb 300 IN CNAME a\n"
        + "".join(f"c{number} 300 IN CNAME c{number + 1}\n" for number in range(12))
        + "c12 300 IN A 192.0.2.1\n",
    )
