# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether names resolve, and what two looks at the same names say: what would be lost, and what keeps it.

Standard library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import ipaddress
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.next_hops import Target
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.stub_resolver import Found, Names

#: Look-ups at the same time.
_WORKERS: t.Final = 24
Look = t.Mapping[str, t.Any]


def resolve(target: Target, names: Names) -> Found:
    """Look a target up as the programs that need it do."""
    if target.kind == "zone":
        # Two views of a zone differ in the name of its primary; a record or a serial number can change at any time.
        answer = names.dns(target.name, "SOA")
        if answer.status not in ("NOERROR", "NXDOMAIN"):
            return Found("unknown", reason=f"DNS says {answer.status}")
        if answer.status == "NOERROR" and answer.primary:
            return Found("found", frozenset({answer.primary}))
        return Found("absent", reason=f"DNS says {answer.status}")
    if target.kind == "list":
        # Every block list has this entry (RFC 5782 section 5).
        return names.addresses(f"2.0.0.127.{target.name}")
    if target.kind == "service":
        answer = names.dns(target.name, "SRV", target.dnssec)
        if answer.status not in ("NOERROR", "NXDOMAIN"):
            return Found("unknown", reason=f"DNS says {answer.status}")
        values = frozenset(answer.of("SRV"))
        return Found("found", values) if values else Found("absent", reason="no SRV record")

    def host(name: str) -> Found:
        found = Found("absent", reason="no way to look it up")
        if "dns" in target.how:
            found = names.addresses(name, target.dnssec)
            # A temporary failure ends the look-up: Postfix does not go on to /etc/hosts then (measured).
            if found.state != "absent":
                return found
        return names.native(name) if "native" in target.how else found

    return names.domain(target.name, target.dnssec, host) if target.kind == "domain" else host(target.name)


def look(targets: t.Mapping[Target, t.Sequence[str]], below: t.Callable[[str], Names]) -> dict[str, dict[str, t.Any]]:
    """Return what became of each target, by its key. ``below`` gives the way to resolve names in a root directory."""
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:

        def every(some: t.Iterable[Target]) -> dict[Target, Found]:
            listed = list(some)
            return dict(zip(listed, pool.map(lambda one: resolve(one, below(one.root)), listed), strict=True))

        found = every(targets)
        # A resolver that was just started takes its time for the first names of a zone.
        found |= every(target for target, one in found.items() if "timeout" in one.reason)
        # What is refused by validation is asked for once more without: that tells broken signatures from no answer.
        refused = [target for target, one in found.items() if "SERVFAIL" in one.reason]
        roots = {target.root: below(target.root).unchecked() for target in refused}
        without = dict(zip(refused, pool.map(lambda one: resolve(one, roots[one.root]).values, refused), strict=True))
    return {
        target.key: _told(target, found[target], without.get(target, frozenset()), sources)
        for target, sources in targets.items()
    }


def _told(target: Target, found: Found, refused: frozenset[str], sources: t.Sequence[str]) -> dict[str, t.Any]:
    return {
        "name": target.name,
        "kind": target.kind,
        "service": target.service,
        "how": list(target.how),
        "root": target.root,
        "learned": target.learned,
        "sources": list(sources)[:5],
        "state": found.state,
        "values": sorted(found.values),
        "reason": found.reason,
        "refused": sorted(refused),
        "zone": "",
    }


def _global(values: t.Iterable[str]) -> bool:
    return all(ipaddress.ip_address(value).is_global for value in values)


def lost(before: Look, after: Look) -> str:
    """Say what the second look at a target lacks, '' when nothing."""
    was, now = frozenset(before["values"]), frozenset(after["values"])
    if after["state"] == "found":
        if before["state"] != "found" or was == now:
            return ""
        if before["kind"] in ("zone", "service", "list"):
            return "" if before["kind"] != "zone" else f"it is another zone, with primary {_joined(now)}"
        # A public name can have other addresses at any time. An internal one has those of this network, or it is lost.
        if _global(was | now) and (before["learned"] or was & now):
            return ""
        return f"it has other addresses: {_joined(now)}"
    if before["state"] == "absent":
        return ""
    if _refused(before, after):
        return ""
    # Where nothing could be said before, mail waits; said to be absent, it bounces.
    if before["state"] == "unknown" and (before["learned"] or after["state"] == "unknown"):
        return ""
    return str(after["reason"]) or "nothing was found"


def bogus(before: Look, after: Look, accepted: t.Collection[str] = ()) -> list[str]:
    """Return the names of queue, log and aliases whose public answer is refused by validation, in sentences.

    The answer itself is the former one, so the fault is that of the domain. Everything else counts as lost.
    """
    pairs = [(was, after["targets"].get(key)) for key, was in before["targets"].items() if was["name"] not in accepted]
    names = {was["name"] for was, now in pairs if now is not None and _refused(was, now)}
    return [
        f"{name} (queue, log or aliases) has wrong DNSSEC signatures: validation refuses its answer. Mail to it waits"
        f" in the queue until its owner repairs the domain. To deliver it anyway: resolver_insecure_zones: [{name}]"
        for name in sorted(names)
    ]


def _refused(before: Look, after: Look) -> bool:
    """Whether validation alone keeps a public answer of a name that no setting has."""
    values = before["values"]
    return bool(before["learned"] and values and after["refused"] == values and _global(values))


def _joined(values: t.Iterable[str]) -> str:
    return ", ".join(sorted(values))


_WHAT: t.Final = {"domain": "mail domain", "host": "host", "service": "service", "list": "block list", "zone": "zone"}


def _effect(before: Look, after: Look) -> str:
    """What a loss means for mail."""
    if before["kind"] == "list":
        return "Mail from listed clients would be accepted"
    if before["kind"] == "zone":
        return "Names in it would be lost"
    if before["service"] == "system":
        return "Programs of Postfix that need it would fail"
    if after["state"] == "found":
        return "Mail to it would go to another host"
    return "Mail to it would wait in the queue" if after["state"] == "unknown" else "Mail to it would bounce"


@dataclasses.dataclass(frozen=True)
class Loss:
    """What is worse afterwards. ``name`` and ``zone`` are '' for tables; ``native``: the settings of Postfix lose it.

    ``bogus``: the answer is refused by validation, or cannot be had.
    """

    sentence: str
    name: str = ""
    zone: str = ""
    native: bool = False
    bogus: bool = False


def worse(before: Look, after: Look, accepted: t.Collection[str] = ()) -> list[Loss]:
    """Return what two looks say to be worse afterwards, each name once for each way in which it is lost."""
    sources: dict[tuple[str, ...], dict[str, None]] = {}
    losses: dict[tuple[str, ...], Loss] = {}
    for key, was in before["targets"].items():
        now = after["targets"].get(key)
        if now is None or was["name"] in accepted:
            continue
        if not (reason := lost(was, now)):
            continue
        what = (f"{_WHAT[was['kind']]} {was['name']}", _joined(was["values"]) or "no answer", reason, _effect(was, now))
        sources.setdefault(what, {}).update(dict.fromkeys(was["sources"]))
        # What /etc/hosts has is kept by other settings of Postfix, not by a resolver.
        native = "native" in was["how"] and "native" not in now["how"]
        losses[what] = Loss("", was["name"], was["zone"], native, "SERVFAIL" in now["reason"])
    found = [
        dataclasses.replace(loss, sentence=f"{what[0]} ({', '.join(list(sources[what])[:3])}) is found as {what[1]}."
                            f" Afterwards {what[2]}. {what[3]}.")
        for what, loss in losses.items()
    ]  # fmt: skip
    for part in ("unlisted", "broken"):
        if len(after[part]) > len(before[part]):
            found += [Loss(f"{one}. It answered before.") for one in after[part] if one not in before[part]]
    return found


def _is_loopback(server: str) -> bool:
    return _host(server).startswith("127.") or _host(server) == "::1"


def _host(server: str) -> str:
    """Return the address of a name server that may have a port."""
    return server.partition("@")[0]


def _servers(zone: str, resolvers: t.Sequence[str], others: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    above = [domain for domain in others if f".{zone}".endswith(f".{domain}")]
    return list(dict.fromkeys(others[max(above, key=len)] if above else resolvers))


def _askable(servers: t.Sequence[str], now: t.Sequence[str]) -> list[str]:
    """Return those that the resolver asked ``now`` can ask, and that are not itself.

    Where it has the address of a former one, all loopback addresses may be its own: a program listens on several.
    """
    taken = {_host(server) for server in now}
    replaced = any(_is_loopback(server) and _host(server) in taken for server in servers)
    return [server for server in servers if not (replaced and _is_loopback(server))]


def _forwards(zones: t.Iterable[str], former: t.Mapping[str, t.Sequence[str]], now: t.Sequence[str]) -> str:
    asked = {zone: _askable(former[zone], now) for zone in sorted(zones)}
    items = ", ".join(
        f"{{name: {zone}, addresses: [{', '.join(servers) or 'ADDRESS'}]}}" for zone, servers in asked.items()
    )
    text = f"To keep them, ask the former name servers: resolver_forward_zones: [{items}]."
    if here := list(dict.fromkeys(one for servers in asked.values() for one in servers if _is_loopback(one))):
        text += f" The resolver of this host on {', '.join(here)} has to keep running."
    without = [zone for zone, servers in asked.items() if not servers]
    if replaced := [former[zone][0] for zone in without if former[zone]]:
        text += (
            f" ADDRESS is a server that the former resolver on {replaced[0]} asks for the zone, or that resolver"
            f" itself, when it listens on another address or port, for instance {replaced[0]}@5353."
        )
    elif without:
        text += " ADDRESS is a name server of the zone."
    return text


def remedy(
    losses: t.Sequence[Loss],
    resolvers: t.Sequence[str],
    others: t.Mapping[str, t.Sequence[str]] | None = None,
    now: t.Sequence[str] = (),
) -> str:
    """Return the settings that keep what would be lost, complete; '' when none is known.

    ``others`` are domains that are asked for elsewhere than at ``resolvers``. ``now`` are the name servers with
    which the names are lost, as ADDRESS or ADDRESS@PORT.
    """
    parts: list[str] = []
    zones = {loss.zone for loss in losses if not loss.native and loss.zone not in ("", ".")}
    zones = {zone for zone in zones if not any(zone.endswith(f".{above}") for above in zones)}
    if zones:
        parts.append(_forwards(zones, {zone: _servers(zone, resolvers, others or {}) for zone in zones}, now))
    broken = sorted({loss.zone or loss.name for loss in losses if loss.bogus})
    if broken:
        parts.append(f"Where a zone has wrong signatures or none: resolver_insecure_zones: [{', '.join(broken)}].")
    if any(loss.native for loss in losses):
        parts.append('To keep names that only /etc/hosts has: postfix_parameters: {smtp_host_lookup: "dns, native"}.')
    names = [loss.name for loss in losses if loss.name]
    if names:
        parts.append(f"To go on without them: resolver_accepted_losses: [{', '.join(dict.fromkeys(names))}].")
    return " ".join(parts)
