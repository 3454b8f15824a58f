# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what decides how mail leaves this host: all instances of Postfix, their settings, and the tables they name.

Only reads. Standard library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound import (
    CLIENT_SETTINGS,
    TRANSPORT_TABLES,
    Instance,
    Service,
    Table,
    table_names,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import Service as ListedService
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import entries, services, squeeze, version
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import Postfix, PostfixError, Run

_INDEXED: t.Final = ("hash", "btree", "lmdb", "dbm", "sdbm", "cdb")
_MAXIMUM_BYTES: t.Final = 16 * 1024 * 1024
_SECONDS: t.Final = "30"
_RULES: t.Final = re.compile(r"check_\w+_access\s+(\{[^}]*\}|\S+?)(?=[\s,}]|$)")
_CHECKS: t.Final = (
    "header_checks",
    "body_checks",
    "mime_header_checks",
    "nested_header_checks",
    "milter_header_checks",
)


class Look:
    """Looks at the Postfix whose programs are in ``programs``; ``main`` is its main configuration directory."""

    def __init__(self, run: Run, programs: str, main: str) -> None:
        self._run = run
        self._programs = programs
        self.main = main

    def _ask(self, directory: str, program: str, *arguments: str) -> str:
        command = ["timeout", _SECONDS, os.path.join(self._programs, program), "-c", directory, *arguments]
        status, out, errors = self._run(command)
        if status != 0:
            reason = squeeze((errors or out).strip() or f"{program} ended with status {status}")[:300]
            raise PostfixError(f"{directory}: {reason}")
        return out

    def _running(self, directory: str) -> bool:
        return self._run([os.path.join(self._programs, "postfix"), "-c", directory, "status"])[0] == 0

    def instances(self) -> list[Instance]:
        """Return the settings of all instances, the main one first. PostfixError when one cannot be read."""
        found = Postfix(self._run, self._programs, self.main).instances()
        # One that is registered and has no main.cf any more sends no mail.
        return [self.instance(path) for path in found if os.path.exists(os.path.join(path, "main.cf"))]

    def instance(self, directory: str) -> Instance:
        """Return the settings of one instance. PostfixError when it cannot be read."""
        parameters = _pairs(self._ask(directory, "postconf", "-x"))
        explicit = frozenset(_pairs(self._ask(directory, "postconf", "-n")))
        options: dict[str, dict[str, str]] = {}
        for name, value in _pairs(self._ask(directory, "postconf", "-Px")).items():
            service, kind, parameter = name.rsplit("/", 2)
            options.setdefault(f"{service}/{kind}", {})[parameter] = value
        listed = tuple(services(self._ask(directory, "postconf", "-M")).values())
        clients = tuple(
            Service(entry.name, os.path.basename(entry.columns[-1]), options.get(f"{entry.name}/unix", {}))
            for entry in listed
            if entry.type == "unix" and os.path.basename(entry.columns[-1]) in ("smtp", "lmtp")
        )
        main = directory == os.path.realpath(self.main)
        return Instance(
            directory,
            main,
            main or self._active(directory, parameters),
            parameters,
            explicit,
            clients,
            options,
            {name: self._table(directory, name) for name in _named(parameters, options)},
            _other_resolver(parameters) if _chrooted(listed, parameters) else "",
        )

    def _active(self, directory: str, parameters: t.Mapping[str, str]) -> bool:
        """Registered by postmulti and switched off is not used; known to main.cf alone is started by other means."""
        registered = self._ask(self.main, "postconf", "-xh", "multi_instance_directories").replace(",", " ").split()
        if directory not in map(os.path.realpath, registered) or parameters.get("multi_instance_enable") == "yes":
            return True
        return self._running(directory)

    def _table(self, directory: str, name: str) -> Table:
        bare = re.sub(r"^(?:proxy:|debug:)+", "", name)
        kind, _colon, path = bare.partition(":")
        try:
            if kind in (*_INDEXED, "inline"):
                return Table(name, tuple(_listed(self._ask(directory, "postmap", "-s", bare))))
            if kind == "static":
                return Table(name, (("every next hop", squeeze(path.removeprefix("{").removesuffix("}"))),))
            if kind in ("texthash", "cidr"):
                return Table(name, tuple(_lines(path)))
            if kind in ("regexp", "pcre"):
                return Table(name, tuple(_patterns(path)))
        except (OSError, PostfixError) as error:
            return Table(name, None, squeeze(str(error))[:300])
        return Table(name, None, f"tables of type {kind} can only be asked for single keys")


def _chrooted(listed: t.Iterable[ListedService], parameters: t.Mapping[str, str]) -> bool:
    """Whether an SMTP client is chrooted; the default of that column is y below compatibility level 1."""
    default = "y" if version(parameters.get("compatibility_level") or "0") < (1,) else "n"
    columns = (entry.columns[2] for entry in listed if entry.type == "unix" and entry.columns[-1] == "smtp")
    return any((default if column == "-" else column) == "y" for column in columns)


def _resolvers(path: str) -> list[str] | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = (line.split() for line in file.read(1 << 16).splitlines())
            return [words[1] for words in lines if words[:1] == ["nameserver"] and words[1:]]
    except FileNotFoundError:
        return None


def _other_resolver(parameters: t.Mapping[str, str]) -> str:
    copy = os.path.join(parameters["queue_directory"], "etc/resolv.conf")
    here, own = _resolvers("/etc/resolv.conf"), _resolvers(copy)
    return copy if here is not None and own is not None and own != here else ""


def _pairs(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): squeeze(value) for name, equals, value in pairs if equals}


def _named(parameters: t.Mapping[str, str], options: t.Mapping[str, t.Mapping[str, str]]) -> list[str]:
    """The tables that name transports or levels, as main.cf and services of master.cf list them."""
    wanted = {*TRANSPORT_TABLES, *_CHECKS, "sender_dependent_relayhost_maps"}
    wanted |= {f"{client}_{name}" for client in ("smtp", "lmtp") for name in CLIENT_SETTINGS if "_maps" in name}
    wanted |= {f"{client}_tls_per_site" for client in ("smtp", "lmtp")}
    found: list[str] = []
    for settings in (parameters, *options.values()):
        found += [table for name in settings if name in wanted for table in table_names(settings[name])]
        rules = (rule for name in settings if name.endswith("_restrictions") for rule in _RULES.findall(settings[name]))
        found += [table for rule in rules for table in table_names(rule.strip("{} "))[:1]]
    return list(dict.fromkeys(found))


def _listed(text: str) -> t.Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, _space, value = line.strip().partition("\t") if "\t" in line else line.strip().partition(" ")
        if key:
            yield key, squeeze(value)


def _text(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read(_MAXIMUM_BYTES + 1)
    if len(text) > _MAXIMUM_BYTES:
        raise OSError(f"{path} is larger than {_MAXIMUM_BYTES} bytes")
    return [entry.text for entry in entries(text.splitlines(keepends=True))]


def _lines(path: str) -> t.Iterator[tuple[str, str]]:
    for line in _text(path):
        key, _space, value = line.partition(" ") if " " in line else line.partition("\t")
        yield key, squeeze(value)


def _patterns(path: str) -> t.Iterator[tuple[str, str]]:
    for line in _text(path):
        if re.match(r"(?:if|endif)\b", line, re.IGNORECASE):
            continue
        mark = line.lstrip("!")[:1]
        end = line.rfind(mark, line.index(mark) + 1) if mark else -1
        found = re.match(r"(\S*)\s+(.*)", line[end:]) if end > 0 else None
        if found:
            yield f"pattern {line[:end]}{found.group(1)}", squeeze(found.group(2))
