# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services of a Postfix through which mail comes in: where each listens and with what certificates, effectively.

A service has its own -o settings, one parameter at a time, and main.cf for the rest. A session of postscreen(8) is
served by tlsproxy(8) until the client is admitted, then by the smtpd(8) service of type pass. Pure. Private to the
collection.
"""

from __future__ import annotations

import dataclasses
import re
import socket
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import Service, squeeze

if t.TYPE_CHECKING:
    import collections.abc as c

_REFERENCE: t.Final = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))")
_NAME: t.Final = re.compile(r"(?:\[([^\]]*)\]:|([^:]*):)?([^:]+)\Z")
#: For systems without these in /etc/services.
_PORTS: t.Final = {"smtp": 25, "smtps": 465, "submissions": 465, "urd": 465, "submission": 587}
#: Older server certificate parameters; a key parameter that is empty takes the file of its certificate parameter.
_PAIRS: t.Final = (("cert_file", "key_file"), ("eccert_file", "eckey_file"), ("dcert_file", "dkey_file"))
#: Settings with which a service says what it serves.
CERTIFICATE_PARAMETERS: t.Final = ("chain_files", *(name for pair in _PAIRS for name in pair))
_DEPTH: t.Final = 20


@dataclasses.dataclass(frozen=True)
class Configuration:
    """What one Postfix is configured with.

    ``raw`` has every parameter with its default, as written; ``expanded`` with all references resolved; ``services`` is
    master.cf.
    """

    raw: t.Mapping[str, str]
    expanded: t.Mapping[str, str]
    services: t.Mapping[tuple[str, str], Service]

    def value(self, service: Service | None, name: str) -> str:
        """Return a parameter as ``service`` has it; '' for one that this Postfix does not have."""
        own = dict(service.options) if service else {}
        if name not in own and not self._touched(name, own):
            return self.expanded.get(name, "")
        return self._resolved(own.get(name, self.raw.get(name, "")), own, 0)

    def _touched(self, name: str, own: c.Mapping[str, str], depth: int = 0) -> bool:
        """Whether a reference in the parameter leads to one that the service sets itself."""
        if depth > _DEPTH or not own:
            return False
        names = [next(filter(None, match.groups())) for match in _REFERENCE.finditer(self.raw.get(name, ""))]
        return any(other in own or self._touched(other, own, depth + 1) for other in names)

    def _resolved(self, text: str, own: c.Mapping[str, str], depth: int) -> str:
        def one(match: re.Match[str]) -> str:
            name = next(filter(None, match.groups()))
            return self._resolved(own.get(name, self.raw.get(name, "")), own, depth + 1)

        return text if depth > _DEPTH else squeeze(_REFERENCE.sub(one, text))

    def named(self, name: str, kind: str) -> Service | None:
        """Return a service of master.cf."""
        return self.services.get((name, kind))


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Files with a key and its chain; the same file twice when one has both."""

    key_file: str
    chain_file: str


@dataclasses.dataclass(frozen=True)
class Inbound:
    """An inet service of smtpd(8) or postscreen(8).

    ``address`` is '' when it listens on the addresses of ``inet_interfaces``. ``port`` is 0 when its name is unknown.
    ``certificates`` are those of all processes that serve its clients.
    """

    service: Service
    address: str
    port: int
    certificates: tuple[Certificate, ...]
    sni_maps: str
    security_level: str
    wrappermode: bool

    @property
    def name(self) -> str:
        """The name as master.cf has it, with the type."""
        return f"{self.service.name}/{self.service.type}"

    @property
    def command(self) -> str:
        """The program."""
        return self.service.columns[5]

    def as_dict(self) -> dict[str, t.Any]:
        """Return it as results carry it."""
        return {
            "name": self.name,
            "command": self.command,
            "address": self.address,
            "port": self.port,
            "certificates": [dataclasses.asdict(entry) for entry in self.certificates],
            "sni_maps": self.sni_maps,
            "security_level": self.security_level,
            "wrappermode": self.wrappermode,
        }


def endpoint(name: str) -> tuple[str, int]:
    """Return address ('' for none) and port (0 for unknown) of the name of an inet service (master(5))."""
    match = _NAME.match(name)
    if not match:
        return "", 0
    bracketed, host, port = match.groups()
    if port.isdigit():
        number = int(port)
    else:
        try:
            number = socket.getservbyname(port, "tcp")
        except OSError:
            number = _PORTS.get(port, 0)
    return (bracketed or host or ""), number


def level(configuration: Configuration, service: Service | None, prefix: str = "smtpd") -> str:
    """Return the security level of a server, also when it is set with parameters of Postfix 2.2."""
    explicit = configuration.value(service, f"{prefix}_tls_security_level")
    if explicit:
        return explicit
    if configuration.value(service, f"{prefix}_enforce_tls") == "yes":
        return "encrypt"
    return "may" if configuration.value(service, f"{prefix}_use_tls") == "yes" else "none"


def certificates(configuration: Configuration, service: Service | None, prefix: str) -> tuple[Certificate, ...]:
    """Return what a process with parameters of ``prefix`` serves without SNI, by Postfix's own precedence."""
    chains = configuration.value(service, f"{prefix}_chain_files").replace(",", " ").split()
    if chains:
        return tuple(Certificate(path, path) for path in chains)
    found = []
    for certificate_name, key_name in _PAIRS:
        chain = configuration.value(service, f"{prefix}_{certificate_name}")
        if chain and chain != "none":
            found.append(Certificate(configuration.value(service, f"{prefix}_{key_name}") or chain, chain))
    return tuple(found)


def servers(configuration: Configuration, service: Service) -> list[tuple[Service, str]]:
    """Return the services whose processes serve the clients of an inet service, each with its parameters' prefix."""
    if service.columns[5] != "postscreen":
        return [(service, "smtpd_tls")]
    found = []
    for parameter, kind, prefix in (
        ("tlsproxy_service_name", "unix", "tlsproxy_tls"),
        ("smtpd_service_name", "pass", "smtpd_tls"),
    ):
        other = configuration.named(configuration.value(service, parameter), kind)
        if other:
            found.append((other, prefix))
    return found


def inbound_services(configuration: Configuration) -> list[Inbound]:
    """Return the inet services of smtpd(8) and postscreen(8), in the order of master.cf."""
    found = []
    for service in configuration.services.values():
        if service.type != "inet" or service.columns[5] not in ("smtpd", "postscreen"):
            continue
        address, port = endpoint(service.name)
        behind = servers(configuration, service)
        chains = (entry for other, prefix in behind for entry in certificates(configuration, other, prefix))
        prefix = "postscreen" if service.columns[5] == "postscreen" else "smtpd"
        last = behind[-1][0] if behind else service
        found.append(
            Inbound(
                service,
                address,
                port,
                tuple(dict.fromkeys(chains)),
                configuration.value(last, "tls_server_sni_maps"),
                level(configuration, service, prefix),
                configuration.value(service, "smtpd_tls_wrappermode") == "yes",
            )
        )
    return found
