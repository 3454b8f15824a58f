# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be set so that mail leaves with DANE, without lowering a level; and what is lower than before.

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound import (
    AUTHENTICATING,
    DANE,
    Instance,
    dns_support,
    level,
    with_dns,
    words,
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What may be set in main.cf, and for services in master.cf, without lowering anything; what is kept, and why."""

    parameters: t.Mapping[str, str | None]
    services: tuple[tuple[str, t.Mapping[str, str]], ...] = ()
    kept: tuple[tuple[str, str, str], ...] = ()


#: A Postfix that nobody has set up.
BARE: t.Final = Plan(
    {
        "smtp_tls_security_level": "dane",
        # Global, because MX records are looked up before any policy applies.
        "smtp_dns_support_level": "dnssec",
        "smtp_host_lookup": "dns",
        "smtp_tls_dane_insecure_mx_policy": "dane",
        # yes would go on to the address of the domain when the MX look-up fails, which an attacker can bring about.
        "ignore_mx_lookup_error": "no",
        "smtp_tls_loglevel": "1",
    }
)
BARE_WITHOUT_DANE: t.Final = Plan(
    {"smtp_tls_security_level": "may", "smtp_dns_support_level": "enabled", "smtp_tls_loglevel": "1"}
)


def plan(instance: Instance, dane: bool) -> Plan:
    """Return what may be set so that mail is sent with DANE, or without ``dane`` with STARTTLS alone.

    A level that is not lower than the new one stays, and so does every other way of finding addresses.
    """
    now = level(lambda name: instance.value(f"smtp_{name}"))
    shown = instance.value("smtp_tls_security_level") or f"(empty, in effect {now})"
    if now in (*AUTHENTICATING, "encrypt"):
        why = "dane would send without a valid certificate to receivers that have no TLSA records"
        if now == "encrypt":
            why = "dane would send without TLS to receivers that offer none and have no TLSA records"
        return Plan({}, (), (("smtp_tls_security_level", shown, why),))
    if instance.value("smtp_tls_wrappermode") == "yes":
        why = "smtp_tls_wrappermode = yes needs a level that always uses TLS"
        return Plan({}, (), (("smtp_tls_security_level", shown, why),))
    loglevel = {"smtp_tls_loglevel": "1"} if instance.value("smtp_tls_loglevel") in ("", "0") else {}
    if not dane:
        return _without_dane(instance, now, loglevel)
    support = instance.value("smtp_dns_support_level")
    if dns_support(support, instance.value("disable_dns_lookups")) == "disabled":
        name = "smtp_dns_support_level" if support else "disable_dns_lookups"
        why = "this host delivers without looking for MX records; with DNS its mail would take another way"
        return Plan({}, (), ((name, instance.value(name), why),))
    wanted: dict[str, str | None] = {"smtp_tls_security_level": "dane"} if now not in DANE else {}
    kept = (
        [("smtp_tls_security_level", now, "mail to receivers without TLSA records waits")] if now == "dane-only" else []
    )
    if support.lower() != "dnssec":
        wanted["smtp_dns_support_level"] = "dnssec"
    if "dns" not in words(instance.value("smtp_host_lookup")):
        wanted["smtp_host_lookup"] = with_dns(instance.value("smtp_host_lookup"))
    if instance.value("ignore_mx_lookup_error") == "yes":
        wanted["ignore_mx_lookup_error"] = "no"
    name = "smtp_tls_dane_insecure_mx_policy"
    if name in instance.parameters and instance.value(name) != "dane":
        wanted[name] = "dane"
    if "native" in words(instance.value("smtp_host_lookup")):
        kept.append(("smtp_host_lookup", "native", "names that only this host's files know stay deliverable"))
    return Plan({**wanted, **loglevel}, _undisturbed(instance, now, wanted), tuple(kept))


def _without_dane(instance: Instance, now: str, loglevel: t.Mapping[str, str]) -> Plan:
    if now == "dane-only":
        return Plan({}, (), (("smtp_tls_security_level", now, "may would send without TLS and without validation"),))
    wanted: dict[str, str | None] = {"smtp_tls_security_level": "may"} if now != "may" else {}
    if instance.value("smtp_dns_support_level") == "dnssec":
        wanted["smtp_dns_support_level"] = "enabled"
    if "smtp_tls_dane_insecure_mx_policy" in instance.explicit:
        wanted["smtp_tls_dane_insecure_mx_policy"] = None
    return Plan({**wanted, **loglevel})


def _undisturbed(
    instance: Instance, now: str, wanted: t.Mapping[str, str | None]
) -> tuple[tuple[str, t.Mapping[str, str]], ...]:
    """Settings with which services that go without DNS stay as they are, whatever ``wanted`` changes in main.cf.

    The newer parameter for DNS there makes the older one ineffective. Level dane would act as ``now``, the level so
    far, but Postfix would write a warning for every message.
    """
    found = []
    for service in instance.services:
        own: dict[str, str] = {}
        set_here = service.options.get("smtp_dns_support_level")
        older = service.options.get("disable_dns_lookups") == "yes" and not set_here
        if older and "smtp_dns_support_level" in wanted:
            own["smtp_dns_support_level"] = "disabled"
        look_up = service.options.get("smtp_host_lookup")
        without = older or set_here == "disabled" or (look_up is not None and "dns" not in words(look_up))
        if without and "smtp_tls_security_level" in wanted and "smtp_tls_security_level" not in service.options:
            own["smtp_tls_security_level"] = now
        if own and service.program == "smtp":
            found.append((service.name, own))
    return tuple(found)


#: Level -> what is asked of receivers without and with TLSA records: 1 nothing, 2 TLS, 3 a certificate that is right.
_ASKED: t.Final[t.Mapping[str, tuple[int, int]]] = {
    "none": (0, 0),
    "may": (1, 1),
    "encrypt": (2, 2),
    "dane": (1, 3),
    "dane-only": (3, 3),
    **dict.fromkeys(AUTHENTICATING, (3, 3)),
}


def lowered(before: str, after: str) -> bool:
    """Whether a level asks less of some receivers than the one before."""
    old, new = _ASKED.get(before, (0, 0)), _ASKED.get(after, (0, 0))
    return any(now < then for then, now in zip(old, new, strict=True))


def worse(before: t.Mapping[str, t.Any], now: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Return what asks less of receivers than before, in sentences; both as module outbound_info returns instances."""

    def levels(instances: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, str]:
        found = {}
        for one in instances:
            place = f"of Postfix in {one['directory']}"
            found.update({f"service {entry['name']}/unix {place}": entry["in_effect"] for entry in one["services"]})
            own = {f"TLS policy for {entry['next_hop']} {place}": entry["level"] for entry in one["policies"]}
            found.update(own)
        return found

    old, new = levels(before.get("instances", ())), levels(now)
    return [
        f"{name} had TLS level {old[name]} in effect and has {new[name]} now: it asks less of receivers than before"
        for name in old
        if name in new and lowered(old[name], new[name])
    ]
