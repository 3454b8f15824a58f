# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An installed Postfix, asked through its own programs: what it is, what it knows, what it thinks of a configuration.

Standard library only, because it runs on mail servers. Programs are run by a function that is passed in, with the
signature of ``AnsibleModule.run_command``. Nothing here changes the configuration that is in use.
Private to the collection.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import SINCE, services, squeeze, version
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.services import Configuration

# Exit status of timeout(1).
_TIMED_OUT: t.Final = 124


class Run(t.Protocol):
    """Runs a command, ``data`` on its standard input; returns exit status, output, errors."""

    def __call__(self, args: list[str], data: str | None = None) -> tuple[int, str, str]: ...


class PostfixError(Exception):
    """Postfix refuses, with its reason in the message."""


@dataclasses.dataclass(frozen=True)
class Software:
    """The installed software. ``outbound_dane`` is None when that cannot be told; ``reason`` says why it is so."""

    version: str
    tls_library: str
    outbound_dane: bool | None
    reason: str

    def at_least(self, postfix: str, openssl: str) -> bool:
        """Whether both are at least the given versions; '' asks for nothing."""
        if postfix and version(self.version) < version(postfix):
            return False
        if not openssl:
            return True
        found = re.match(r"OpenSSL (\d\S*)", self.tls_library)
        return bool(found and version(found.group(1)) >= version(openssl))


class Postfix:
    """Postfix with the configuration in ``directory``. ``programs`` is where postconf and postmap are."""

    def __init__(self, run: Run, programs: str, directory: str) -> None:
        self._run = run
        self._programs = programs
        self.directory = directory

    def at(self, directory: str) -> Postfix:
        """The same software with another configuration."""
        return Postfix(self._run, self._programs, directory)

    def _ask(self, program: str, *arguments: str) -> tuple[str, str]:
        status, out, errors = self._run([os.path.join(self._programs, program), "-c", self.directory, *arguments])
        if status != 0:
            raise PostfixError(_sentence(errors or out or f"{program} ended with status {status}"))
        return out, errors

    def value(self, name: str) -> str:
        """Return a parameter with all references in it resolved."""
        return squeeze(self._ask("postconf", "-hx", name)[0])

    def software(self) -> Software:
        """Return what is installed."""
        release = self.value("mail_version")
        try:
            library = squeeze(self._ask("postconf", "-T", "run-version")[0])
        except PostfixError:
            return Software(release, "", None, "this Postfix cannot say whether it was built with TLS (postconf -T)")
        if not library:
            return Software(release, "", False, "built without TLS")
        if "tls_dane_digests" not in self.known():
            return Software(release, library, False, f"Postfix {release} has no DANE: it needs 2.11")
        return Software(release, library, True, f"Postfix {release} with {library}")

    def known(self) -> frozenset[str]:
        """Return the names of all built-in parameters."""
        return frozenset(line.partition("=")[0].strip() for line in self._ask("postconf", "-d")[0].splitlines())

    def explicit(self) -> tuple[dict[str, str], list[str]]:
        """Return what main.cf sets, values squeezed, and Postfix's warnings about main.cf and master.cf."""
        out, errors = self._ask("postconf", "-n")
        pairs = (line.partition("=") for line in out.splitlines())
        warnings = [line.partition("warning: ")[2] for line in errors.splitlines() if "warning: " in line]
        return {name.strip(): squeeze(value) for name, _equals, value in pairs}, list(dict.fromkeys(warnings))

    def configuration(self) -> Configuration:
        """Return what main.cf and master.cf say, defaults included."""
        raw, expanded = (self._table(*arguments) for arguments in ((), ("-x",)))
        with open(os.path.join(self.directory, "master.cf"), encoding="utf-8", errors="surrogateescape") as file:
            return Configuration(raw, expanded, services(file.read()))

    def _table(self, *arguments: str) -> dict[str, str]:
        pairs = (line.partition("=") for line in self._ask("postconf", *arguments)[0].splitlines())
        return {name.strip(): squeeze(value) for name, _equals, value in pairs}

    def instances(self, processes: str = "/proc") -> list[str]:
        """Return the configuration directories of all instances: the default one, registered ones, running ones."""
        registered = f"{self.value('multi_instance_directories')} {self.value('alternate_config_directories')}"
        found = [self.directory, *registered.replace(",", " ").split(), *running_directories(processes)]
        return list(dict.fromkeys(os.path.realpath(path) for path in found))

    def check_services(self) -> None:
        """Have Postfix read master.cf."""
        self._ask("postconf", "-M")

    def service_option(self, name: str, kind: str, parameter: str) -> str:
        """Return the setting of -o of one service."""
        return squeeze(self._ask("postconf", "-Ph", f"{name}/{kind}/{parameter}")[0])

    def service_value(self, name: str, kind: str, parameter: str) -> str:
        """Return a parameter as one service has it, by its own -o or else by main.cf, with all references resolved."""
        return squeeze(self._ask("postconf", "-Phx", f"{name}/{kind}/{parameter}")[0]) or self.value(parameter)

    def running(self) -> bool:
        """Whether this Postfix runs; the queue directory tells, so a copy of its configuration will do."""
        return self._run([os.path.join(self._programs, "postfix"), "-c", self.directory, "status"])[0] == 0

    def check_values(self) -> None:
        """Have a Postfix program read the values that all of them read, and smtpd(8) those of its own."""
        self._ask("postmap", "-q", "x", "static:x")
        if not self.running():
            # smtpd(8) would wait for minutes for the other services of Postfix.
            return
        # A session on standard input, ended at once: smtpd(8) reads all its settings and opens no socket.
        session = ["timeout", "20", self.value("sendmail_path"), "-C", self.directory, "-bs"]
        if self._run(session, data="QUIT")[0] not in (0, _TIMED_OUT):
            raise PostfixError("smtpd(8) does not start with these settings; the mail log says why")


def running_directories(processes: str = "/proc") -> list[str]:
    """Return the configuration directories of the running master(8) processes of this file system."""
    return [path for _number, path in _masters(processes) if os.path.isdir(path)]


def workers(before: float, processes: str = "/proc") -> list[str]:
    """Return what the running master(8) processes started ``before`` (Unix time), as PROCESS@START.

    The same text is the same process.
    """
    masters = {number for number, _path in _masters(processes)}
    with open(os.path.join(processes, "stat"), encoding="ascii") as file:
        (booted,) = (int(line.split()[1]) for line in file if line.startswith("btime "))
    found = []
    for entry in sorted(entry for entry in os.listdir(processes) if entry.isdigit()):
        try:
            with open(os.path.join(processes, entry, "stat"), encoding="utf-8", errors="replace") as file:
                # The name of the program, in brackets, may have spaces and brackets itself (proc(5)).
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[1] in masters and booted + int(fields[19]) / os.sysconf("SC_CLK_TCK") < before:
            found.append(f"{entry}@{fields[19]}")
    return found


def _masters(processes: str) -> list[tuple[str, str]]:
    """Process number and configuration directory of each running master(8) of this file system."""
    found: list[tuple[str, str]] = []
    for entry in sorted(entry for entry in os.listdir(processes) if entry.isdigit()):
        process = os.path.join(processes, entry)
        try:
            with open(os.path.join(process, "comm"), encoding="ascii", errors="replace") as file:
                if file.read().strip() != "master":
                    continue
            # A container's Postfix is seen from its host, too; its paths mean something else here.
            if not os.path.samefile(os.path.join(process, "root"), "/"):
                continue
            with open(os.path.join(process, "environ"), "rb") as file_of_bytes:
                settings = file_of_bytes.read(1 << 20).split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            # It has ended, or belongs to a user whom only root may ask; without root nobody configures Postfix.
            continue
        found += [(entry, os.fsdecode(line[12:])) for line in settings if line.startswith(b"MAIL_CONFIG=")]
    return found


def _sentence(text: str) -> str:
    lines = [line for line in text.splitlines() if "fatal" in line or "error" in line] or text.splitlines()
    return squeeze(lines[0] if lines else text)[:500]


def unknown_parameter(name: str, software: Software, known: t.Collection[str]) -> str:
    """Say in a sentence why ``name`` cannot be set."""
    if name in SINCE:
        return f"parameter {name} needs Postfix {SINCE[name]}, installed is {software.version}"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"Postfix {software.version} has no parameter {name}, and nothing in its configuration uses it{hint}"
