# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ``Resolver`` that answers from memory, aliases and security included, for tests of the rules above the DNS."""

from __future__ import annotations

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Alias, Answer, Outcome, Security

SECURE, INSECURE = Security.SECURE, Security.INSECURE


class MemoryDns:
    """What the DNS holds; ``asked`` records each question as ``name type``.

    A name that was not mentioned, nor any below it, is a secure NXDOMAIN; a mentioned name without the type is NODATA
    with the security of the name's other data. ``deny`` makes an empty non-terminal NXDOMAIN, as broken servers do.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._data: dict[tuple[str, str], tuple[tuple[str, ...], Security]] = {}
        self._aliases: dict[str, tuple[str, Security]] = {}
        self._errors: dict[tuple[str, str], tuple[str, Outcome | None]] = {}
        self._denied: set[str] = set()
        self._names: dict[str, Security] = {}

    def add(self, name: str, rdtype: str, *rdata: str, security: Security = SECURE) -> MemoryDns:
        """Put an RRset (or, without rdata, NODATA) there."""
        self._names.setdefault(name, security)
        if rdata:
            self._data[name, rdtype] = (tuple(sorted(rdata)), security)
        return self

    def alias(self, name: str, target: str, security: Security = SECURE) -> MemoryDns:
        self._names.setdefault(name, security)
        self._aliases[name] = (target, security)
        return self

    def fail(self, name: str, rdtype: str, reason: str, unproven: Outcome | None = None) -> MemoryDns:
        self._errors[name, rdtype] = (reason, unproven)
        return self

    def deny(self, name: str) -> MemoryDns:
        self._denied.add(name)
        return self

    async def resolve(self, name: str, rdtype: str) -> Answer:
        self.asked.append(f"{name} {rdtype}")
        aliases: list[Alias] = []
        security, current = SECURE, name
        while current in self._aliases and (current, rdtype) not in self._errors:
            target, hop = self._aliases[current]
            security = hop if security is SECURE else security
            aliases.append(Alias(current, target, security))
            current = target
        reason, unproven = self._errors.get((current, rdtype), ("", None))
        if reason:
            how = Security.BOGUS if reason == "dnssec-bogus" else Security.INDETERMINATE
            return Answer(
                name,
                rdtype,
                Outcome.ERROR,
                how,
                aliases=tuple(aliases),
                canonical_name=current,
                reason=reason,
                detail=f"{rdtype} of {current}: {reason}",
                unproven=unproven,
            )
        rdata, own = self._data.get((current, rdtype), ((), self._names.get(current, SECURE)))
        exists = current in self._names or any(name.endswith(f".{current}") for name in self._names)
        outcome = (
            Outcome.DATA if rdata else Outcome.NODATA if exists and current not in self._denied else Outcome.NXDOMAIN
        )
        return Answer(
            name,
            rdtype,
            outcome,
            own if security is SECURE else security,
            rdata,
            3600 if rdata else None,
            tuple(aliases),
            current,
        )
