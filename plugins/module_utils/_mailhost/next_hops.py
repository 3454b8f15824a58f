# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every name that a Postfix must be able to resolve, read from its configuration, its tables, its queue and its log.

Only reads: postconf, postmap and postqueue, each with a time limit. Standard library only, because it runs on mail
servers. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import json
import os
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.lookup_tables import (
    ASKED,
    LISTED,
    Table,
    constants,
    file_of,
    host_of,
    is_address,
    right_sides,
    servers,
    tables,
    words,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import Service, services, squeeze
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import Run

#: Seconds for one command. An unreachable LDAP server costs this much.
_LIMIT: t.Final = "20"
_MAX_TEXT: t.Final = 8_000_000
_MAX_KEYS: t.Final = 500
_MAX_LEARNED: t.Final = 100

#: Parameters whose value is TRANSPORT:NEXTHOP.
TRANSPORTS: t.Final = (
    "default_transport", "relay_transport", "local_transport", "virtual_transport", "mailbox_transport",
    "fallback_transport", "best_mx_transport", "content_filter", "address_verify_default_transport",
    "address_verify_relay_transport", "address_verify_local_transport", "address_verify_virtual_transport",
)  # fmt: skip
#: Tables with such values as results.
TRANSPORT_MAPS: t.Final = (
    "transport_maps", "address_verify_transport_maps", "sender_dependent_default_transport_maps",
    "address_verify_sender_dependent_default_transport_maps", "mailbox_transport_maps", "fallback_transport_maps",
)  # fmt: skip
#: Parameters with destinations for the default transport, and tables with such results.
NEXT_HOPS: t.Final = ("relayhost", "address_verify_relayhost", "default_filter_nexthop")
NEXT_HOP_MAPS: t.Final = ("sender_dependent_relayhost_maps", "address_verify_sender_dependent_relayhost_maps")
#: Domain lists, and the transport that takes their mail.
_CLASSES: t.Final = {
    "mydestination": "local_transport",
    "virtual_mailbox_domains": "virtual_transport",
    "relay_domains": "relay_transport",
}
#: Tables whose results are addresses that mail goes on to.
_FORWARDS: t.Final = ("virtual_alias_maps", "alias_maps")
_LISTS: t.Final = re.compile(
    r"(?:reject_rbl_client|reject_rhsbl_\w+|permit_dnswl_client|permit_rhswl_client)[\s,]+([^\s,=}]+)"
)
_REVERSE: t.Final = re.compile(r"reject_unknown_(?:client|client_hostname|reverse_client_hostname)(?![\w])")
_INET: t.Final = re.compile(r"(?<![\w.-])(?:inet:)(\[[^\]]+\]:\w+|[^\s,{}\[\]]+:\w+|\w+@[^\s,{}]+)")
#: Parameters that only repeat what others name.
_REPEATED: t.Final = ("proxy_read_maps", "proxy_write_maps")
_START: t.Final = ("inet_interfaces", "proxy_interfaces")


@dataclasses.dataclass(frozen=True)
class Target:
    """One name. ``kind``: ``domain`` (its MX hosts), ``host``, ``service`` (SRV), ``list`` (DNS block list), ``zone``.

    ``service`` is the Postfix service that looks it up, ``system`` for the C library. ``how`` are ``dns`` and
    ``native``, in the order of Postfix. ``root`` is the chroot directory, '' without one. ``learned`` names come from
    the queue, the log or aliases: what is configured is compared more strictly.
    """

    name: str
    kind: str
    service: str
    how: tuple[str, ...] = ("native",)
    dnssec: bool = False
    root: str = ""
    learned: bool = False

    @property
    def key(self) -> str:
        """What stays the same when settings or resolvers change."""
        return f"{self.service} {self.kind} {self.name} {self.root}".strip()


@dataclasses.dataclass
class Inventory:
    """What was found: targets with the places that name them, and what could not be read, in sentences.

    ``unlisted`` are tables whose next hops are not known, ``partly`` tables of which not every next hop may be.
    ``broken`` are other tables that do not answer. ``keep`` are options that services need when
    smtp_dns_support_level is set in main.cf.
    """

    targets: dict[Target, list[str]] = dataclasses.field(default_factory=dict)
    unlisted: list[str] = dataclasses.field(default_factory=list)
    partly: list[str] = dataclasses.field(default_factory=list)
    broken: list[str] = dataclasses.field(default_factory=list)
    keep: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)

    def add(self, target: Target, source: str) -> None:
        """Note a target, and once who names it. What is configured stays so when queue or log name it, too."""
        configured = dataclasses.replace(target, learned=False)
        learned = self.targets.pop(dataclasses.replace(target, learned=True), [])
        if configured in self.targets or not target.learned:
            target = configured
        listed = self.targets.setdefault(target, [])
        listed += [one for one in (source, *learned) if one not in listed]


def _masked(text: str) -> str:
    """A message of Postfix without passwords in URLs, on one line."""
    return squeeze(re.sub(r"//[^@/\s]*@", "//", text))[:300]


class Instance:
    """One Postfix instance. ``changes`` are values of main.cf as they will be."""

    def __init__(self, run: Run, programs: str, directory: str, changes: t.Mapping[str, str], found: Inventory) -> None:
        self._run = run
        self._programs = programs
        self.directory = directory
        self._found = found
        self._contents: dict[Table, list[tuple[str, str]]] = {}
        lines = [line.partition("=") for line in self._ask("postconf", "-x").splitlines()]
        self._now = {name.strip(): squeeze(value) for name, _equals, value in lines}
        self._main = {**self._now, **changes}
        self.settled = self._main == self._now
        self.services = services(self._ask("postconf", "-Mx"))
        self.queue = self._main["queue_directory"]
        # Every value that some program of Postfix uses, with the place where it stands.
        self._values = [(name, value, name) for name, value in self._main.items() if not self._repeated(name)]
        for one in self.services.values():
            self._values += [(name, value, f"{name} of {one.name}/{one.type}") for name, value in one.options]

    def _ask(self, program: str, *arguments: str, data: str | None = None) -> str:
        command = ["timeout", _LIMIT, os.path.join(self._programs, program), "-c", self.directory, *arguments]
        status, out, errors = self._run(command, data=data)
        if status != 0:
            raise ValueError(_masked(_reason(errors) or f"{program} ended with status {status}"))
        return out

    def _repeated(self, name: str) -> bool:
        """Whether a parameter only says again what another one says."""
        other = name.removeprefix("address_verify_")
        return name in _REPEATED or (other != name and self._main[name] == self._main.get(other))

    def _value(self, one: Service, name: str, main: t.Mapping[str, str]) -> str:
        return dict(one.options).get(name, main.get(name, ""))

    def chroot(self, one: Service) -> str:
        """Root directory of a service, '' for that of the host."""
        level = re.match(r"\d+", self._main.get("compatibility_level", "0"))
        default = "n" if level and int(level.group()) >= 1 else "y"
        column = one.columns[2]
        return self.queue if (default if column == "-" else column) == "y" else ""

    def _how(self, one: Service) -> tuple[tuple[str, ...], bool, bool]:
        """How a delivery service looks up hosts, whether it asks for DNSSEC, and whether for MX records (smtp(8))."""
        kind = one.columns[5]
        level = self._value(one, f"{kind}_dns_support_level", self._main)
        before = self._value(one, f"{kind}_dns_support_level", self._now)
        if before in ("", "disabled") and dict(one.options).get("disable_dns_lookups") == "yes":
            # A level in main.cf makes this switch ineffective: the service needs the new one of its own.
            if level:
                option = {"name": one.name, "type": one.type, "parameters": {f"{kind}_dns_support_level": "disabled"}}
                self._found.keep += [] if option in self._found.keep else [option]
            level = "disabled"
        if not level:
            level = "disabled" if self._value(one, "disable_dns_lookups", self._main) == "yes" else "enabled"
        if level == "disabled":
            return ("native",), False, False
        listed = words(self._value(one, f"{kind}_host_lookup", self._main))
        # MX records are asked for in DNS even where hosts are looked up natively only.
        return tuple(way for way in ("dns", "native") if way in listed), level == "dnssec", kind == "smtp"

    def _deliveries(self, transport: str) -> list[Service]:
        one = self.services.get((transport, "unix"))
        return [one] if one and one.columns[5] in ("smtp", "lmtp") else []

    def destination(self, transport: str, text: str, source: str, learned: bool = False) -> None:
        """Note what delivery through ``transport`` to ``text`` looks up."""
        for one in self._deliveries(transport):
            how, dnssec, mail_exchangers = self._how(one)
            place = f"{one.name}/{one.type}"
            root = self.chroot(one)
            for word in words(text):
                word = word.removeprefix("inet:")
                if word.startswith("unix:") or word.startswith("/"):
                    continue
                name = host_of(word)
                if not name or "$" in name:
                    continue
                domain = mail_exchangers and not word.startswith("[")
                self._found.add(Target(name, "domain" if domain else "host", place, how, dnssec, root, learned), source)
                port = word.rpartition(":")[2] if ":" in word else "smtp"
                if domain and port in words(self._value(one, "use_srv_lookup", self._main)):
                    self._found.add(Target(f"_{port}._tcp.{name}", "service", place, how, dnssec, root), source)

    def transport(self, text: str, source: str, key: str = "") -> None:
        """Note what TRANSPORT:NEXTHOP looks up; without a next hop that is the domain of ``key``."""
        transport, _colon, hop = text.partition(":")
        domain = key.rpartition("@")[2].lstrip(".")
        chosen = [transport] if transport else sorted({self._main[name].partition(":")[0] for name in _CHOSEN})
        for name in chosen:
            self.destination(name, hop.strip() or (domain if "." in domain else ""), source)

    def next_hop(self, text: str, source: str) -> None:
        """Note what a destination of the default transports looks up."""
        for name in sorted({self._main[one].partition(":")[0] for one in _CHOSEN}):
            self.destination(name, text, source)

    def system(self, host: str, source: str, *commands: str) -> None:
        """Note a host that programs of Postfix look up through the C library."""
        if not host or host == "localhost" or "$" in host:
            return
        users = [one for one in self.services.values() if one.columns[5] in commands]
        for root in sorted({self.chroot(one) for one in users} or {""}):
            self._found.add(Target(host, "host", "system", root=root), source)

    def contents(self, table: Table) -> list[tuple[str, str]]:
        """Return keys and results of a table that can be listed or read. OSError and ValueError."""
        if table not in self._contents:
            self._contents[table] = self._read(table)
        return self._contents[table]

    def _read(self, table: Table) -> list[tuple[str, str]]:
        if table.type in LISTED:
            lines = self._ask("postmap", "-s", str(table)).splitlines()
            return [(key, value) for key, _tab, value in (line.partition("\t") for line in lines)]
        if table.type in ASKED:
            return []
        if text := constants(table):
            return [("", value) for value in text]
        return right_sides(table, _text(table.name) if not table.name.startswith("{") else "")

    def ask(self, table: Table, keys: t.Iterable[str]) -> list[tuple[str, str]]:
        """Return what a table says to keys; ValueError when it cannot be reached."""
        wanted = [key for key in dict.fromkeys(keys) if key.isprintable()][:_MAX_KEYS]
        command = ["timeout", _LIMIT, os.path.join(self._programs, "postmap"), "-c", self.directory]
        status, out, errors = self._run([*command, "-q", "-", str(table)], data="".join(f"{key}\n" for key in wanted))
        reason = _reason(errors)
        if reason or status not in (0, 1):
            raise ValueError(_masked(reason or f"no answer within {_LIMIT} s"))
        return [(key, value) for key, _tab, value in (line.partition("\t") for line in out.splitlines())]

    def _keys(self, table: Table, domains: t.Iterable[str], addresses: t.Iterable[str]) -> list[str]:
        keys = list(addresses)
        for domain in domains:
            keys += [domain, f"@{domain}", f".{domain.partition('.')[2]}"]
        return [*keys, "*"]

    def results(self, name: str, value: str, place: str, known: Known) -> t.Iterator[tuple[str, str, str]]:
        """Yield source, key and result of all tables in the value of a parameter that names next hops."""
        for table in tables(value):
            source = f"{place} ({table.shown})"
            try:
                pairs = self.contents(table)
                if table.type in ASKED or any("$" in result for _key, result in pairs):
                    pairs = pairs + self.ask(table, self._keys(table, known.domains, known.addresses))
                    self._found.partly.append(f"{source} cannot be listed: it was asked for the known domains only")
            except (OSError, ValueError) as error:
                self._found.unlisted.append(f"{source} cannot be read, so its next hops are not known: {error}")
                continue
            for key, result in pairs:
                yield source, key, result

    def domains_of(self, name: str) -> list[str]:
        """Return the domains in a domain list that can be read; what cannot be is left to queue and log."""
        found: list[str] = []
        for word in words(self._main.get(name, "")):
            if word.startswith("/"):
                listed = words(_text(word))
            elif tables(word):
                listed = []
                for table in tables(word):
                    try:
                        listed += [key for key, _value in self.contents(table)]
                    except (OSError, ValueError) as error:
                        self._found.broken.append(f"{name} ({table.shown}): {error}")
            else:
                listed = [word]
            found += [one.lower().lstrip(".") for one in listed if "." in one and not one.startswith("!")]
        return [one for one in dict.fromkeys(found) if not is_address(one) and "$" not in one]

    def _forwarded(self, known: Known) -> list[str]:
        """Domains that aliases send mail on to."""
        found: list[str] = []
        for name in _FORWARDS:
            for table in tables(self._main.get(name, "")):
                try:
                    pairs = self.contents(table)
                except (OSError, ValueError) as error:
                    self._found.broken.append(f"{name} ({table.shown}): {error}")
                    continue
                for _key, value in pairs[:_MAX_KEYS]:
                    found += re.findall(r"@([\w-]+(?:\.[\w-]+)+)", value)
        return [one.lower() for one in dict.fromkeys(found) if one.lower() not in known.local]

    def collect(self) -> None:
        """Note everything that this instance looks up."""
        known = Known(self)
        for name, value, place in self._values:
            if name in TRANSPORTS:
                self.transport(value, place)
            elif name in NEXT_HOPS:
                self.next_hop(value, place)
            elif name in ("smtp_fallback_relay", "lmtp_fallback_relay", "fallback_relay"):
                for one in self.services.values():
                    if one.columns[5] == name.partition("_")[0] or name == "fallback_relay":
                        self.destination(one.name, value, place)
            elif name in TRANSPORT_MAPS:
                for source, key, result in self.results(name, value, place, known):
                    self.transport(result, source, key)
            elif name in NEXT_HOP_MAPS:
                for source, _key, result in self.results(name, value, place, known):
                    self.next_hop(result, source)
            else:
                self._other(name, value, place)
            self._tables(name, value, place)
        self._classes(known)
        for name in _START:
            for word in words(self._main.get(name, "")):
                if word not in ("all", "loopback-only") and not is_address(word):
                    self.system(word, name)
        for one in self.services.values():
            if one.type == "inet" and ":" in one.name:
                self.system(host_of(one.name), f"service {one.name} in master.cf")
        self.system(self._main.get("myhostname", ""), "myhostname")

    def _classes(self, known: Known) -> None:
        for name, transport in _CLASSES.items():
            channel, _colon, hop = self._main.get(transport, "").partition(":")
            if hop or not self._deliveries(channel):
                continue
            asked = [table.shown for table in tables(self._main.get(name, "")) if table.type in ASKED]
            if asked:
                reason = "cannot be listed: of these domains, those in queue and log are known"
                self._found.partly.append(f"{name} ({', '.join(asked)}) {reason}")
            for domain in self.domains_of(name):
                self.destination(channel, domain, name)
        channel = self._main["default_transport"].partition(":")[0]
        for domain in self._forwarded(known)[:_MAX_LEARNED]:
            self.destination(channel, domain, "aliases", learned=True)
        for domain in known.seen[:_MAX_LEARNED]:
            if domain not in known.local:
                self.destination(channel, domain, "queue and log", learned=True)
        for host in known.relays[:_MAX_LEARNED]:
            self.destination(channel, f"[{host}]", "log", learned=True)

    def _other(self, name: str, value: str, place: str) -> None:
        classes = words(self._main.get("smtpd_restriction_classes", ""))
        if name.endswith(("_restrictions", "_checks")) or name in classes:
            self._actions(value, place)
        for host in _INET.findall(value):
            self.system(host_of(host), place, "smtpd", "cleanup")
        if name == "smtpd_proxy_filter":
            self.system(host_of(value), place, "smtpd")
        if name == "smtpd_milter_maps":
            for table in tables(value):
                try:
                    pairs = self.contents(table)
                except (OSError, ValueError) as error:
                    reason = f"cannot be read, so its milters are not known: {error}"
                    self._found.unlisted.append(f"{place} ({table.shown}) {reason}")
                    continue
                for _key, result in pairs:
                    for host in _INET.findall(result):
                        self.system(host_of(host), f"{place} ({table.shown})", "smtpd")
        if _REVERSE.search(value):
            for zone in _reverse_zones(self._main.get("mynetworks", "")):
                self._found.add(Target(zone, "zone", "system", ("dns",)), f"{place} with mynetworks")
        lists = _LISTS.findall(value)
        if name in ("postscreen_dnsbl_sites", "postscreen_whitelist_sites"):
            lists += [re.split(r"[=*]", word)[0] for word in words(value)]
        for zone in lists:
            root = next((self.chroot(one) for one in self.services.values() if one.columns[5] == "smtpd"), "")
            how = ("dns",)
            if "." in zone and not is_address(zone):
                self._found.add(Target(zone.rstrip(".").lower(), "list", "system", how, root=root), place)

    def _actions(self, value: str, place: str) -> None:
        """Note where FILTER and REDIRECT in the tables of restrictions and checks send mail."""
        for table in tables(value):
            if table.type in ASKED:
                continue
            try:
                pairs = self.contents(table)
            except (OSError, ValueError) as error:
                self._found.broken.append(f"{place} ({table.shown}): {error}")
                continue
            for _key, result in pairs:
                action, _space, rest = result.strip().partition(" ")
                if action.upper() == "FILTER":
                    self.transport(rest.strip(), f"{place} ({table.shown})")
                elif action.upper() == "REDIRECT" and "@" in rest:
                    self.next_hop(rest.rpartition("@")[2].strip(), f"{place} ({table.shown})")

    def _tables(self, name: str, value: str, place: str) -> None:
        """Note the servers of tables, and tables that do not answer."""
        for table in tables(value):
            if table.type not in ASKED:
                continue
            users = ("proxymap",) if table.proxied else ("smtpd", "cleanup", "smtp", "trivial-rewrite")
            try:
                path = file_of(table)
                for host in servers(table, _text(path) if path else "", self._main):
                    self.system(host, f"{place} ({table.shown})", *users)
                if name not in (*TRANSPORT_MAPS, *NEXT_HOP_MAPS):
                    self.ask(table, ["postmaster@invalid"])
            except (OSError, ValueError) as error:
                self._found.broken.append(f"{place} ({table.shown}): {error}")

    def queued(self) -> list[tuple[str, str]]:
        """Return senders and recipients of what is in the queue."""
        found: list[tuple[str, str]] = []
        try:
            lines = self._ask("postqueue", "-j").splitlines()
        except ValueError as error:
            # Postfix may be stopped, or just starting.
            self._found.partly.append(f"queue of {self.directory} cannot be read: {error}")
            return []
        for line in lines[:5000]:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            found += [(message.get("sender", ""), one.get("address", "")) for one in message.get("recipients", [])]
        return found


def _reverse_zones(networks: str) -> list[str]:
    """Names of the reverse zones of private networks, whose clients would be unknown without them."""
    found: list[str] = []
    for word in words(networks):
        try:
            network = ipaddress.ip_network(word.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            continue
        if network.is_private and not network.is_loopback and not network.is_link_local:
            step, total = (8, 4) if network.version == 4 else (4, 32)
            labels = network.network_address.reverse_pointer.split(".")
            found.append(".".join(labels[total - network.prefixlen // step :]))
    return found


#: Transports that take a destination of relayhost and the like.
_CHOSEN: t.Final = ("default_transport", "relay_transport")


class Known:
    """Domains and addresses that tables are asked for, and what queue and log tell of where mail goes."""

    def __init__(self, instance: Instance) -> None:
        self.local = set(instance.domains_of("mydestination")) | set(instance.domains_of("virtual_mailbox_domains"))
        self.local |= set(instance.domains_of("virtual_alias_domains"))
        sent, self.relays = _log()
        queue = instance.queued()
        pairs = [address for pair in queue for address in pair if "@" in address]
        self.addresses = list(dict.fromkeys(pairs))[:_MAX_KEYS]
        queued = [recipient.rpartition("@")[2].lower() for _sender, recipient in queue if "@" in recipient]
        self.seen = [one for one in dict.fromkeys([*queued, *sent]) if "." in one and not is_address(one.strip("[]"))]
        self.domains = list(dict.fromkeys([*self.local, *instance.domains_of("relay_domains"), *self.seen]))


@functools.lru_cache(maxsize=1)
def _log(
    paths: tuple[str, ...] = ("/var/log/mail.log", "/var/log/maillog", "/var/log/mail.log.1"),
) -> tuple[list[str], list[str]]:
    """Return the domains that mail was sent to, and the hosts that took it, last ones first."""
    domains: dict[str, None] = {}
    hosts: dict[str, None] = {}
    for path in paths:
        try:
            with open(path, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _MAX_TEXT))
                lines = file.read(_MAX_TEXT).decode("utf-8", "replace").splitlines()
        except OSError:
            # Other hosts log elsewhere; the log is one source beside the configuration.
            continue
        for line in reversed(lines):
            found = re.search(r" to=<[^>]*@([^>]+)>.* relay=([\w.-]+)\[[\d.]+[\w.:]*\]:\d+,.* status=sent", line)
            if found:
                domains.setdefault(found.group(1).lower())
                hosts.setdefault(found.group(2).lower())
    return list(domains), list(hosts)


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_TEXT)


def _reason(errors: str) -> str:
    """What Postfix complains of, without its warnings about parameters that nobody uses."""
    lines = [line for line in errors.splitlines() if re.search(r"(?:fatal|error|warning|panic): ", line)]
    lines = [line for line in lines if not re.search(r"unused parameter|support for parameter|overriding", line)]
    return re.sub(r"^.*?(?:fatal|error|warning|panic): ", "", lines[-1]) if lines else ""


def directories(run: Run, programs: str, default: str) -> list[str]:
    """Return the configuration directories of all instances, registered or running."""
    found = {default: None}
    command = [os.path.join(programs, "postconf"), "-c", default, "-xh"]
    for name in ("multi_instance_directories", "alternate_config_directories"):
        status, out, _errors = run([*command, name])
        found |= dict.fromkeys(words(out)) if status == 0 else {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if _text(f"/proc/{entry}/comm").strip() != "master":
                continue
            variables = _text(f"/proc/{entry}/environ").split("\0")
        except OSError:
            continue  # ended meanwhile, or somebody else's
        found |= {one.partition("=")[2]: None for one in variables if one.startswith("MAIL_CONFIG=/")}
    return [one for one in dict.fromkeys(os.path.realpath(each) for each in found) if os.path.isfile(f"{one}/main.cf")]
