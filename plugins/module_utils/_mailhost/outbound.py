# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How mail leaves a Postfix, going by the effective settings of every transport: which services, at which TLS level.

Pure: ``outbound_look`` reads the settings. Standard library only, because it runs on mail servers. The rules are those
of Postfix itself (smtp(8), postconf(5), TLS_README). Private to the collection.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import squeeze

#: Levels that authenticate every receiver; none of them is lower than DANE.
AUTHENTICATING: t.Final = ("fingerprint", "verify", "secure")
DANE: t.Final = ("dane", "dane-only")
_LOOPBACK_NAMES: t.Final = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")

#: Parameters that name a transport for mail, with the class of mail that takes it.
TRANSPORT_PARAMETERS: t.Final = (
    "default_transport",
    "relay_transport",
    "local_transport",
    "virtual_transport",
    "mailbox_transport",
    "fallback_transport",
    "best_mx_transport",
    "content_filter",
)
#: Tables whose results name a transport.
TRANSPORT_TABLES: t.Final = (
    "transport_maps",
    "sender_dependent_default_transport_maps",
    "mailbox_transport_maps",
    "fallback_transport_maps",
)
#: Settings of the client that decide about DANE; with smtp_ or lmtp_ in front of them.
CLIENT_SETTINGS: t.Final = (
    "tls_security_level",
    "use_tls",
    "enforce_tls",
    "tls_enforce_peername",
    "tls_policy_maps",
    "tls_per_site",
    "tls_wrappermode",
    "tls_dane_insecure_mx_policy",
    "dns_support_level",
    "host_lookup",
    "dns_resolver_options",
    "fallback_relay",
)


@dataclasses.dataclass(frozen=True)
class Table:
    """A look-up table: its keys and values, or None where it cannot be listed, with the reason."""

    name: str
    entries: tuple[tuple[str, str], ...] | None
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Service:
    """A service of master.cf that runs ``program``, smtp or lmtp; ``options`` are its own settings (-o), resolved."""

    name: str
    program: str
    options: t.Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Instance:
    """The effective settings of one Postfix.

    ``parameters`` are all of main.cf with defaults, resolved; ``explicit`` the names that main.cf sets;
    ``options`` all settings of -o in master.cf, by service. ``tables`` has every table that the settings name.
    ``active`` is False for an instance that is switched off and does not run. ``other_resolver`` is the copy of
    resolv.conf of its chrooted services where that names other resolvers than the host's.
    """

    directory: str
    main: bool
    active: bool
    parameters: t.Mapping[str, str]
    explicit: frozenset[str]
    services: tuple[Service, ...]
    options: t.Mapping[str, t.Mapping[str, str]]
    tables: t.Mapping[str, Table]
    other_resolver: str = ""

    def value(self, name: str) -> str:
        return self.parameters.get(name, "")

    def setting(self, service: Service, name: str) -> str:
        """A parameter as the service has it."""
        return service.options.get(name, self.value(name))

    def client(self, service: Service, name: str) -> str:
        """One of ``CLIENT_SETTINGS`` as the service has it."""
        return self.setting(service, f"{service.program}_{name}")

    def name(self, text: str) -> str:
        """How an exception names something of this instance."""
        return text if self.main else f"{self.directory}/{text}"


@dataclasses.dataclass(frozen=True)
class Use:
    """Mail that takes a service: what sends it there, and to which next hop ('': the mail exchangers of its domain)."""

    source: str
    next_hop: str


@dataclasses.dataclass(frozen=True)
class Way:
    """What is known of one service: its level, whether DANE is in effect, and the mail that takes it.

    ``state`` is ``dane``, ``authenticated`` (by another level), ``off``, ``relay`` (only mail to a relay), ``local``
    (only programs of this host, sockets and addresses without a name) or ``unused``.
    """

    service: Service
    level: str
    state: str
    problems: tuple[tuple[str, str, str], ...]
    uses: tuple[Use, ...]


def table_names(value: str) -> list[str]:
    """Return the tables that a parameter lists, such as ``hash:/etc/postfix/transport``."""
    found, depth, word = [], 0, ""
    for char in value + " ":
        depth += (char == "{") - (char == "}" and depth > 0)
        if not depth and (char.isspace() or char == ","):
            found.append(word)
            word = ""
        else:
            word += char
    return [name for name in found if re.match(r"[a-z]+:", name)]


def level(settings: t.Callable[[str], str]) -> str:
    """Return the TLS level that applies to receivers without an entry of their own in a table."""
    explicit = settings("tls_security_level").lower()
    if explicit:
        return explicit
    if settings("enforce_tls") == "yes":
        return "encrypt" if settings("tls_enforce_peername") == "no" else "verify"
    return "may" if settings("use_tls") == "yes" else "none"


def dns_support(support: str, disabled: str) -> str:
    """Return the level of DNS support; the older disable_dns_lookups counts where the newer parameter is empty."""
    return support.lower() or ("disabled" if disabled == "yes" else "enabled")


def words(value: str) -> set[str]:
    return set(value.lower().replace(",", " ").split())


def _obstacles(instance: Instance, service: Service) -> list[tuple[str, str, str]]:
    """What keeps DANE from being used at level dane: parameter, its value, a value that does not."""
    prefix = service.program
    found = []
    support = instance.client(service, "dns_support_level")
    if dns_support(support, instance.setting(service, "disable_dns_lookups")) != "dnssec":
        found.append((f"{prefix}_dns_support_level", support, "dnssec"))
    look_up = instance.client(service, "host_lookup")
    if "dns" not in words(look_up):
        found.append((f"{prefix}_host_lookup", look_up, with_dns(look_up)))
    if prefix == "smtp" and instance.setting(service, "ignore_mx_lookup_error") == "yes":
        found.append(("ignore_mx_lookup_error", "yes", "no"))
    options = instance.client(service, "dns_resolver_options")
    if words(options) & {"res_defnames", "res_dnsrch"}:
        found.append((f"{prefix}_dns_resolver_options", options, ""))
    name = f"{prefix}_tls_dane_insecure_mx_policy"
    policy = instance.setting(service, name)
    # Its default depends on the level in the older versions and is right where the level is dane.
    if policy != "dane" and (name in instance.explicit or name in service.options):
        found.append((name, policy, "dane"))
    return found


def with_dns(look_up: str) -> str:
    return "dns, native" if "native" in words(look_up) else "dns"


def _problems(instance: Instance, service: Service) -> tuple[str, list[tuple[str, str, str]]]:
    """The level of a service, and what keeps DANE from being used with it."""
    here = level(lambda name: instance.client(service, name))
    if here in AUTHENTICATING:
        return here, []
    obstacles = _obstacles(instance, service)
    if here not in DANE:
        name = f"{service.program}_tls_security_level"
        obstacles.insert(0, (name, instance.setting(service, name), "dane"))
    return here, obstacles


def _host(next_hop: str) -> str:
    host = next_hop.strip()
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower() if host.count(":") == 1 else host.lower()


def on_this_host(next_hop: str) -> bool:
    """Whether a next hop is a program of this host: a socket, or an address of the loopback interface."""
    if next_hop.startswith(("unix:", "/")):
        return True
    host = _host(next_hop.removeprefix("inet:"))
    address = _address(host)
    return host in _LOOPBACK_NAMES if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.removeprefix("ipv6:"))
    except ValueError:
        return None


def is_local(next_hop: str) -> bool:
    """Whether DANE has no meaning for a next hop: it is on this host, or an address without a name."""
    return on_this_host(next_hop) or _address(_host(next_hop)) is not None


def split(value: str) -> tuple[str, str]:
    name, _colon, next_hop = squeeze(value).partition(":")
    return name, next_hop.strip()


def _tables_of(instance: Instance, *parameters: str) -> list[tuple[str, Table]]:
    """The tables that parameters of main.cf, or the same ones in master.cf, list."""
    values = [(name, instance.value(name)) for name in parameters]
    values += [(name, options[name]) for options in instance.options.values() for name in parameters if name in options]
    found = ((name, instance.tables.get(table)) for name, value in values for table in table_names(value))
    return list(dict.fromkeys((name, table) for name, table in found if table))


def relays(instance: Instance) -> list[Use]:
    """The relays that take mail in place of the mail exchangers of its domain."""
    found = [("relayhost", instance.value("relayhost"))]
    tables = _tables_of(instance, "sender_dependent_relayhost_maps")
    found += [(f"{name} {table.name}", value) for name, table in tables for _key, value in table.entries or ()]
    routes = [("default_transport", instance.value("default_transport"))]
    for name, table in _tables_of(instance, "transport_maps", "sender_dependent_default_transport_maps"):
        general = [value for key, value in table.entries or () if key == "*" or name.startswith("sender")]
        routes += [(f"{name} {table.name}", value) for value in general]
    clients = {"", *(service.name for service in instance.services if service.program == "smtp")}
    found += [(name, split(value)[1]) for name, value in routes if split(value)[0] in clients]
    return list(dict.fromkeys(Use(name, hop) for name, hop in found if hop and hop.upper() != "DUNNO"))


def _relay_domains(instance: Instance) -> bool:
    own = words(instance.value("mydestination"))
    return bool(words(instance.value("relay_domains")) - own)


def uses(instance: Instance) -> dict[str, list[Use]]:
    """Return, by the name of the service, the mail that takes it. Relays are among the next hops."""
    found: dict[str, list[Use]] = {}

    def add(source: str, value: str, general: bool = False) -> None:
        name, next_hop = split(value)
        name = name or split(instance.value("default_transport"))[0]
        hops = [Use(source, next_hop)]
        if general and not next_hop:
            hops = relays(instance) + ([] if instance.value("relayhost") else hops)
        found.setdefault(name, []).extend(hop for hop in hops if hop not in found[name])

    for parameter in TRANSPORT_PARAMETERS:
        value = instance.value(parameter)
        if value and (parameter != "relay_transport" or _relay_domains(instance)):
            add(parameter, value, parameter in ("default_transport", "relay_transport"))
        for service, options in instance.options.items():
            if options.get(parameter):
                add(f"{parameter} of service {service}", options[parameter])
    for parameter, table in _tables_of(instance, *TRANSPORT_TABLES):
        for key, value in table.entries or ():
            if value.upper() != "DUNNO":
                add(f"{parameter} {table.name} for {key}", value, parameter.startswith("sender_dependent"))
    for table in instance.tables.values():
        for key, value in table.entries or ():
            action, _space, argument = value.partition(" ")
            if action.upper() == "FILTER" and argument:
                add(f"action FILTER of {table.name} for {key}", argument)
    return found


def unlisted(instance: Instance, *parameters: str) -> list[tuple[str, Table]]:
    """Return the tables of these parameters that cannot be listed."""
    return [entry for entry in _tables_of(instance, *parameters) if entry[1].entries is None]


def ways(instance: Instance) -> list[Way]:
    """Return what is known of every service that delivers over the network."""
    taken = uses(instance)
    to_relays = {use.next_hop for use in relays(instance)}
    # Any service may be meant there.
    closed = unlisted(instance, *TRANSPORT_TABLES)
    hidden = [Use(f"{name} {table.name}, which cannot be listed", "") for name, table in closed]
    found = []
    for service in instance.services:
        mail = tuple(taken.get(service.name, ()) or hidden)
        here, problems = _problems(instance, service)
        # LMTP delivers into mailboxes (RFC 2033): no mail leaves by it.
        away = [use for use in mail if service.program != "lmtp" and not is_local(use.next_hop)]
        if not mail:
            state = "unused"
        elif not away:
            state = "local"
        elif all(use.next_hop in to_relays for use in away):
            state = "relay"
        elif problems:
            state = "off"
        else:
            state = "authenticated" if here in AUTHENTICATING else "dane"
        found.append(Way(service, here, state, tuple(problems), mail))
    return found


def in_effect(way: Way) -> str:
    """Return the level that a service has in effect: dane with an obstacle is no more than may."""
    return "may" if way.level == "dane" and way.problems else way.level


def policies(instance: Instance, way: Way) -> list[tuple[str, str, str]]:
    """Return the next hops with a level of their own for a service: table, next hop, level."""
    maps = instance.client(way.service, "tls_policy_maps")
    sites = "" if maps else instance.client(way.service, "tls_per_site")
    names = {"none": "none", "must": "verify", "must_nopeermatch": "encrypt"}
    found, seen = [], set()
    for table in (instance.tables[name] for name in table_names(maps or sites)):
        for key, value in table.entries or ():
            word = (value.replace(",", " ").split() or [""])[0].lower()
            # tls_per_site: MAY does not lower a stronger level.
            own = word if maps else names.get(word, "")
            if own and key not in seen:
                seen.add(key)
                found.append((table.name, key, own))
    return found


def route(instance: Instance) -> str:
    """Return how mail for other domains leaves: ``mx``, ``relay``, ``local`` (programs of this host) or ``other``."""
    name, next_hop = split(instance.value("default_transport"))
    if name not in {service.name for service in instance.services}:
        return "other"
    hop = next_hop or instance.value("relayhost")
    if not hop:
        return "mx"
    return "local" if on_this_host(hop) else "relay"
