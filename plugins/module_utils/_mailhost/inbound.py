# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS settings of the services through which mail comes in, as -o settings of master.cf.

Settings in main.cf would also reach submission and every other service, whose clients trust another certificate. So
the services on port 25 get the settings themselves. A service on an address of its own with a certificate of its own
keeps both. Standard library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.keychain_file import (
    first_fingerprint,
    leaf_fingerprints,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import Service, ServiceWish
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.services import (
    CERTIFICATE_PARAMETERS,
    Certificate,
    Configuration,
    Inbound,
    certificates,
    inbound_services,
    servers,
)

if t.TYPE_CHECKING:
    import collections.abc as c

PORT: t.Final = 25
CHAIN_FILES: t.Final = "smtpd_tls_chain_files"
_LEVEL: t.Final = "smtpd_tls_security_level"


class InboundError(ValueError):
    """No service can take the settings; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """One service and whether it gets the settings; ``reason`` says why not."""

    service: Inbound
    reason: str

    def as_dict(self) -> dict[str, t.Any]:
        """Return it as results carry it."""
        found = self.service
        return {
            "name": found.name, "address": found.address, "port": found.port,
            "set": not self.reason, "reason": self.reason,
        }  # fmt: skip


def fingerprints(entries: c.Iterable[Certificate]) -> frozenset[str]:
    """Return the SHA-256 of the leaf certificates; '' stands for a file that cannot be read or has none."""
    found: set[str] = set()
    for entry in entries:
        try:
            both = entry.key_file == entry.chain_file and leaf_fingerprints(entry.chain_file)
            found.update(both or (first_fingerprint(entry.chain_file),))
        except (OSError, ValueError):
            found.add("")
    return frozenset(found)


def choices(configuration: Configuration, names: c.Sequence[str], chain_files: str) -> list[Choice]:
    """Say which services get the settings: ``names`` (as smtp/inet), or those on port 25 without one of their own.

    ``chain_files`` is the value that they are to have. Raises InboundError when there is none.
    """
    services = inbound_services(configuration)
    if names:
        by_name = {service.name: service for service in services}
        unknown = sorted(set(names) - set(by_name))
        if unknown:
            raise InboundError(
                f"master.cf has no service {', '.join(unknown)} of smtpd or postscreen; it has"
                f" {', '.join(by_name) or 'none'}. Give names as in master.cf with the type, for instance smtp/inet"
            )
        return [Choice(by_name[name], "") for name in names]
    here = [service for service in services if service.port == PORT]
    if not here:
        raise InboundError(
            f"no service of master.cf listens on port {PORT}, so no mail from other servers comes in by this Postfix."
            " Enable the service smtp in master.cf, or set postfix_inbound: false"
        )
    general = next((service.certificates for service in here if not _own(service)), ())
    same = (
        fingerprints(general or certificates(configuration, None, "smtpd_tls")),
        fingerprints(Certificate(path, path) for path in chain_files.replace(",", " ").split()),
    )
    found = [Choice(service, _kept(service, same)) for service in here]
    if all(choice.reason for choice in found):
        kept = "; ".join(f"{choice.service.name} {choice.reason}" for choice in found)
        raise InboundError(
            f"every service on port {PORT} stays as it is, so no sender would meet the certificate: {kept}. Name the"
            f" services that get it, for instance postfix_inbound_services: [{found[0].service.name}]"
        )
    return found


def _own(service: Inbound) -> bool:
    """Whether a service that has an address of its own says which certificate it serves."""
    options = dict(service.service.options)
    return bool(service.address) and any(options.get(f"smtpd_tls_{name}") for name in CERTIFICATE_PARAMETERS)


def _kept(service: Inbound, same: c.Collection[frozenset[str]]) -> str:
    """Why a service stays as it is; '' when it does not."""
    if service.wrappermode:
        return "begins with TLS, which senders do not on this port"
    if dict(service.service.options).get(_LEVEL) == "none" and _loopback(service.address):
        return "has no TLS on purpose and listens on this host only"
    served = fingerprints(service.certificates)
    if _own(service) and ("" in served or served not in same):
        files = ", ".join(entry.chain_file for entry in service.certificates)
        return f"has an address and a certificate of its own ({files})"
    return ""


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def wishes(
    configuration: Configuration,
    chosen: c.Iterable[Choice],
    wanted: c.Mapping[str, str | None],
    known: c.Container[str],
) -> list[ServiceWish]:
    """Return what becomes of master.cf. ``wanted`` has parameters as smtpd(8) has them, ``known`` all that exist.

    For postscreen(8) they go to the processes that serve its clients, under the names that these have.
    """
    found: dict[tuple[str, str], dict[str, str | None]] = {}
    for choice in chosen:
        if choice.reason:
            continue
        service = choice.service
        behind = servers(configuration, service.service)
        # Without tlsproxy, postscreen has nobody to hand a STARTTLS session to.
        if service.command == "postscreen" and any(prefix == "tlsproxy_tls" for _server, prefix in behind):
            options = _for(wanted, "postscreen_tls", known, (_LEVEL,))
            _add(found, service.service, _strict(options, service.service, service.security_level))
        for server, prefix in behind:
            options = _for(wanted, prefix, known, wanted)
            _add(found, server, _strict(options, server, service.security_level))
    return [ServiceWish(name, kind, {}, options) for (name, kind), options in found.items()]


def _add(found: dict[tuple[str, str], dict[str, str | None]], service: Service, options: dict[str, str | None]) -> None:
    found.setdefault((service.name, service.type), {}).update(options)


def _for(
    wanted: c.Mapping[str, str | None], prefix: str, known: c.Container[str], names: c.Collection[str]
) -> dict[str, str | None]:
    """The parameters ``names`` of ``wanted`` as a program with parameters of ``prefix`` calls them."""
    found = {}
    for name, value in wanted.items():
        if name not in names:
            continue
        if prefix == "smtpd_tls" or name.startswith("tls_"):
            found[name] = value
        elif name.startswith("smtpd_tls_") and (other := name.replace("smtpd_tls", prefix, 1)) in known:
            found[other] = value
    return found


def _strict(options: dict[str, str | None], service: Service, now: str) -> dict[str, str | None]:
    """Leave a level that requires TLS as it is."""
    own = dict(service.options)
    strict = {name for name in options if name.endswith("_tls_security_level") and own.get(name, now) == "encrypt"}
    return {name: value for name, value in options.items() if name not in strict}
