# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hand-made hosts as data: what is asked of each of them, and what the collection should make of it.

How a host is made is in shapes/NAME.sh; the letters are the recipes that it follows.
"""

from __future__ import annotations

import dataclasses
import typing as t

#: The three things that the first look can make of a host. They are words of the collection's output, see ``SAYS``.
ADOPTED, LEFT_ALONE, SEVERAL = "adopted", "left alone", "several chains"
#: What a run says of each, also with --check; regular expressions, letter case does not matter.
SAYS = {
    ADOPTED: r"\badopt: ",
    LEFT_ALONE: r"\bleave: .*belongs to",
    SEVERAL: r"\bleave: .*(different keys|does not come from one pair of files)",
}
#: Exit statuses: 0 is ok or waiting, 2 that a person must act, which a host that is left as it is asks for.
DONE = {ADOPTED: 0, LEFT_ALONE: 2, SEVERAL: 2}
#: The same where some mail leaves without DANE, or through a relay, which postfix_outbound_exceptions does not have.
OPEN = 2


@dataclasses.dataclass(frozen=True)
class Shape:
    """One hand-made host. Its domain is NAME.example.nl, its MX host mx.NAME.example.nl; shapes/NAME.sh makes it.

    ``packages`` are there, ``installs`` can be installed by the script; ``records`` of the zone; further mail
    ``domains``, MX ``names`` and names ``asked`` for only; ``clients``: ports at which mail programs expect the public
    CA; ``targets``: recipients whom the host itself must reach, by each of its commands ``sendmail``; ``resolves``:
    names that it must be able to resolve; ``arrives``: prints the mail that came for the domains, on host
    ``arrives_at``; ``sends_on``: whether host inside sends mail to the domain, too, as its backup MX; ``says``: what
    the run must say, where that is not ``SAYS[outcome]``; ``unverified``: the same where mail leaves without DANE;
    ``status``: how site ends, where that is not ``DONE[outcome]``.
    """

    name: str
    address: int
    outcome: str
    packages: tuple[str, ...] = ()
    installs: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    clients: tuple[int, ...] = ()
    targets: tuple[str, ...] = ("root@outside.nl",)
    sendmail: tuple[str, ...] = ("sendmail",)
    resolves: tuple[str, ...] = ()
    arrives_at: str = ""
    arrives: str = "cat /var/mail/* 2>/dev/null"
    sends_on: bool = False
    groups: tuple[str, ...] = ("mail_inbound", "mail_outbound")
    variables: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    says: str = ""
    unverified: str = r"outbound-(dane-off|policy-lower|relay|unknown)"
    status: int | None = None

    @property
    def done(self) -> int:
        """The exit status of a run that did what it should."""
        return DONE[self.outcome] if self.status is None else self.status

    @property
    def host(self) -> str:
        """The name in the inventory, of which the lab takes ten characters at most."""
        return self.name[:10].rstrip("-")

    @property
    def mx_names(self) -> tuple[str, ...]:
        return (f"mx.{self.name}.example.nl", *self.names)

    @property
    def receives(self) -> tuple[str, ...]:
        return (f"{self.name}.example.nl", *self.domains) if "mail_inbound" in self.groups else ()


def inside(zone: str) -> dict[str, t.Any]:
    """Variables of a host whose zone only the inside's name server knows."""
    return {"resolver_forward_zones": [{"name": zone, "addresses": ["198.51.100.30"]}]}


SHAPES = {
    shape.name: shape
    for shape in (
        # R-A
        Shape(
            "ispmail", 31, ADOPTED, packages=("dovecot-imapd", "dovecot-lmtpd"), clients=(587, 465, 143, 993),
            arrives="cat /var/vmail/*/*/new/* 2>/dev/null",
        ),
        # R-D
        Shape(
            "gateway", 32, ADOPTED, clients=(587, 465),
            targets=("root@outside.nl", "a@gateway.example.nl", "b@lists.corp.lan", "c@amavis.corp.lan", "d@corp.lan"),
            resolves=("exch.corp.lan", "dc1.corp.lan", "amavis.corp.lan"), arrives_at="inside",
            variables=inside("corp.lan"), status=OPEN,
        ),
        # R-H
        Shape(
            "sni", 33, SEVERAL, clients=(587, 465),
            records=("mx-shop.sni A 198.51.100.33", "mx-club.sni A 198.51.100.139", "shop.sni MX 10 mx-shop.sni",
                     "club.sni MX 10 mx-club.sni"),
            domains=("shop.sni.example.nl", "club.sni.example.nl"),
            names=("mx-shop.sni.example.nl", "mx-club.sni.example.nl"), asked=("x.wild.example",),
        ),
        Shape(
            "per-address", 34, SEVERAL, clients=(587, 465),
            records=("mx-b.per-address A 198.51.100.141", "b.per-address MX 10 mx-b.per-address"),
            domains=("b.per-address.example.nl",), names=("mx-b.per-address.example.nl",),
        ),
        # R-B
        Shape(
            "containers", 35, LEFT_ALONE, says="mount point", clients=(587, 465), resolves=("rspamd", "postfix-tlspol"),
            targets=("root@outside.nl", "root@provider.nl"),
        ),
        # R-C
        Shape(
            "own-nsd", 36, LEFT_ALONE, says="mail-in-a-box", packages=("ldnsutils", "bind9"), installs=("nsd",),
            clients=(587, 465), targets=("root@outside.nl", "root@provider.nl"), resolves=("sender.outside.nl",),
        ),
        # R-E
        Shape(
            "split-dns", 37, ADOPTED, clients=(587, 465), records=("store.split-dns A 198.51.100.99",),
            targets=("root@outside.nl", "a@store.split-dns.example.nl"), resolves=("store.split-dns.example.nl",),
            variables=inside("store.split-dns.example.nl"),
        ),
        # R-F
        Shape(
            "smart-host", 38, ADOPTED, groups=("mail_outbound",), targets=("root@outside.nl", "root@provider.nl"),
            resolves=("smtp.provider.nl",), says="outbound-relay", status=OPEN,
        ),
        # R-G
        Shape(
            "postscreen", 39, SEVERAL, clients=(587, 465), resolves=("2.0.0.127.bl.corp.lan",),
            variables=inside("bl.corp.lan"),
        ),
        # R-I
        Shape(
            "backup-mx", 40, ADOPTED, records=("backup-mx MX 20 mx2.provider.nl.",), clients=(587, 465), sends_on=True,
            status=OPEN,
        ),
        # R-J
        Shape(
            "two-instances", 41, ADOPTED, clients=(587, 465), targets=("root@outside.nl", "root@provider.nl"),
            sendmail=("sendmail", "sendmail -C /etc/postfix-out", "sendmail -C /etc/postfix-lone"),
            domains=("lists.two-instances.example.nl",),
            records=("lists.two-instances MX 10 mx.two-instances",), status=OPEN,
        ),
    )
}  # fmt: skip
