# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is not validated with DANE on its way out of a Postfix, as findings with the command that helps.

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, finding, sort
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound import (
    DANE,
    Instance,
    Table,
    Way,
    is_local,
    on_this_host,
    policies,
    relays,
    split,
    table_names,
    unlisted,
    ways,
)

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import Software

_LOWER: t.Final = ("none", "may")


@dataclasses.dataclass(frozen=True)
class Open:
    """A finding, the name by which an administrator accepts it, and whether that was done."""

    finding: Finding
    exception: str
    accepted: bool

    def sentence(self) -> str:
        """What was seen, what it means for mail, and what to do."""
        return f"{self.finding.code}: {self.finding.subject}: {self.finding.evidence}. {self.finding.remedy}"


def _command(instance: Instance, program: str, *words: str) -> str:
    place = [] if instance.main else ["-c", instance.directory]
    quoted = [f"'{word}'" if re.search(r"[^\w./:=@,-]", word) else word for word in words]
    return " ".join([program, *place, *quoted])


def _reload(instance: Instance) -> str:
    return _command(instance, "postfix", "reload")


def _remedy(instance: Instance, way: Way) -> str:
    commands = []
    for name, _value, right in way.problems:
        if name not in way.service.options:
            commands.append(_command(instance, "postconf", "-e", f"{name} = {right}"))
        elif _main_is_right(instance, name, right):
            commands.append(_command(instance, "postconf", "-PX", f"{way.service.name}/unix/{name}"))
        else:
            # postconf takes no white space here.
            setting = f"{way.service.name}/unix/{name}={right}".replace(" ", "")
            commands.append(_command(instance, "postconf", "-P", setting))
    return " && ".join([*commands, _reload(instance)])


def _main_is_right(instance: Instance, name: str, right: str) -> bool:
    value = instance.value(name)
    return value in DANE if name.endswith("_tls_security_level") else value == right


def _accept(name: str) -> str:
    return f"Or accept it: postfix_outbound_exceptions: ['{name}']"


def _service_finding(instance: Instance, way: Way) -> Finding:
    name = way.service.name
    evidence = "; ".join(
        f"{parameter} = {value or '(empty)'}"
        + (f" (-o of service {name}/unix in master.cf)" if parameter in way.service.options else "")
        for parameter, value, _right in way.problems
    )
    away = [use for use in way.uses if not is_local(use.next_hop)]
    taken = ", ".join(f"{use.source}{f' to {use.next_hop}' if use.next_hop else ''}" for use in away[:3])
    taken += ", …" if away[3:] else ""
    caution = ""
    if way.level == "encrypt":
        caution = (
            " Level dane, unlike encrypt, sends without TLS to receivers that offer none and have no TLSA records."
        )
    found = finding(
        "outbound-dane-off",
        f"service {name}/unix of Postfix in {instance.directory}",
        f"{evidence}. Mail that takes it ({taken}) also goes to receivers whose certificate does not match their TLSA"
        " records",
        "; ".join(f"{parameter} = {right or '(empty)'}" for parameter, _value, right in way.problems),
    )
    command = _remedy(instance, way)
    return dataclasses.replace(found, remedy=f"Run: {command}.{caution} {_accept(instance.name(name))}")


def _relay_findings(instance: Instance, found: t.Iterable[Way]) -> list[tuple[Finding, str]]:
    levels = {use.next_hop: way.level for way in found for use in way.uses}
    result = []
    for use in relays(instance):
        if on_this_host(use.next_hop):
            continue
        entry = finding(
            "outbound-relay",
            f"{use.source} of Postfix in {instance.directory}",
            f"mail for other domains goes to the relay {use.next_hop}, at TLS level"
            f" {levels.get(use.next_hop, 'unknown')}. DANE ends at the relay: it alone can validate receivers",
        )
        result.append((entry, use.next_hop))
    for way in found:
        relay = instance.client(way.service, "fallback_relay")
        hops = [hop for hop in relay.replace(",", " ").split() if not on_this_host(hop)]
        if way.state in ("dane", "authenticated", "off") and hops:
            entry = finding(
                "outbound-relay",
                f"smtp_fallback_relay of service {way.service.name}/unix of Postfix in {instance.directory}",
                f"mail that no mail exchanger takes, also where DANE refuses them, goes to {', '.join(hops)}",
            )
            result.append((entry, hops[0]))
    return [
        (dataclasses.replace(entry, remedy=f"{entry.remedy} {_accept(instance.name(name))}"), instance.name(name))
        for entry, name in result
    ]


def _policy_findings(instance: Instance, found: t.Iterable[Way]) -> list[tuple[Finding, str]]:
    to_relays = {use.next_hop for use in relays(instance)}
    lower: dict[tuple[str, str, str], list[str]] = {}
    closed: dict[str, Table] = {}
    for way in found:
        if way.state not in ("dane", "authenticated", "off", "relay") or way.service.program == "lmtp":
            continue
        for table, key, own in policies(instance, way):
            if own in _LOWER and key not in to_relays and not is_local(key):
                lower.setdefault((table, key, own), []).append(way.service.name)
        settings = ("tls_policy_maps", "tls_per_site")
        for name in table_names(" ".join(instance.client(way.service, setting) for setting in settings)):
            if instance.tables[name].entries is None:
                closed[name] = instance.tables[name]
    result = []
    for (table, key, own), services in lower.items():
        entry = finding(
            "outbound-policy-lower",
            f"TLS policy for {key} of Postfix in {instance.directory}",
            f"{table} has level {own} for {key}, used by service {', '.join(services)}: mail for it goes out without"
            " validation, also where it has TLSA records",
            f"{key} dane, or no entry",
        )
        remedy = f"Take the entry out of {table} or give it level dane; then run: {_rebuild(instance, table)}"
        name = instance.name(key)
        result.append((dataclasses.replace(entry, remedy=f"{remedy}. {_accept(name)}"), name))
    for closed_table in closed.values():
        result.append(_closed(instance, "the TLS level of single next hops", closed_table))
    for _parameter, hidden in unlisted(instance, "sender_dependent_relayhost_maps"):
        result.append(_closed(instance, "which relay takes mail", hidden))
    return result


def _rebuild(instance: Instance, table: str) -> str:
    kind = table.removeprefix("proxy:").partition(":")[0]
    indexed = kind in ("hash", "btree", "lmdb", "cdb", "dbm", "sdbm")
    build = [_command(instance, "postmap", table.removeprefix("proxy:"))] if indexed else []
    return " && ".join([*build, _reload(instance)])


def _closed(instance: Instance, decides: str, table: Table) -> tuple[Finding, str]:
    name = instance.name(table.name)
    entry = finding(
        "outbound-unknown",
        f"table {table.name} of Postfix in {instance.directory}",
        f"it decides {decides} and cannot be listed ({table.problem}), so what it says is not known",
    )
    command = _command(instance, "postmap", "-q", "NEXT-HOP", table.name)
    return dataclasses.replace(entry, remedy=f"Ask it for the next hops that matter: {command}. {_accept(name)}"), name


def judge(instance: Instance, exceptions: t.Collection[str] = ()) -> list[Open]:
    """Return what is not validated with DANE on its way out of one Postfix, worst first."""
    if not instance.active:
        return []
    found = ways(instance)
    named = [(_service_finding(instance, way), instance.name(way.service.name)) for way in found if way.state == "off"]
    named += [*_relay_findings(instance, found), *_policy_findings(instance, found)]
    named += [*_other_programs(instance), *_other_resolver(instance, found)]
    names = dict(named)
    return [Open(entry, names[entry], names[entry] in exceptions) for entry in sort(names)]


def without_support(software: Software, exceptions: t.Collection[str]) -> list[Open]:
    """Return the finding that the installed software has no DANE."""
    if software.outbound_dane is not False:
        return []
    entry = finding("outbound-dane-off", "Postfix", software.reason)
    return [
        Open(
            dataclasses.replace(entry, remedy=f"{entry.remedy} {_accept('Postfix')}"),
            "Postfix",
            "Postfix" in exceptions,
        )
    ]


def _other_resolver(instance: Instance, found: t.Iterable[Way]) -> list[tuple[Finding, str]]:
    copy = instance.other_resolver
    if not copy or all(way.level not in DANE for way in found if way.state in ("dane", "off")):
        return []
    entry = finding(
        "outbound-unknown",
        f"{copy} of Postfix in {instance.directory}",
        "chrooted services ask other resolvers than those in /etc/resolv.conf, and level dane has an effect only where"
        " the resolver validates",
        "the name servers of /etc/resolv.conf",
    )
    command = f"cp /etc/resolv.conf {copy} && {_command(instance, 'postfix', 'reload')}"
    return [(dataclasses.replace(entry, remedy=f"Run: {command}. {_accept(copy)}"), copy)]


def _other_programs(instance: Instance) -> list[tuple[Finding, str]]:
    """Mail for outside that no SMTP client of Postfix delivers."""
    name, next_hop = split(instance.value("default_transport"))
    if name in {service.name for service in instance.services} or name in ("error", "discard", "retry"):
        return []
    entry = finding(
        "outbound-unknown",
        f"default_transport of Postfix in {instance.directory}",
        f"mail for other domains takes {name}:{next_hop}, which is not an SMTP client of Postfix, so whether it"
        " validates receivers is not known",
    )
    return [
        (dataclasses.replace(entry, remedy=f"Ask that program's documentation. {_accept(instance.name(name))}"), name)
    ]
