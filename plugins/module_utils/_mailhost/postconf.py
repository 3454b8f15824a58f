# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""main.cf and master.cf as text: set and remove single entries, leave every other byte alone.

Pure. The rules of the files stand in postconf(5) and master(5): a line that starts with white space continues the
entry above it, comments and empty lines do not end an entry, and of entries with the same name the last one counts.
Private to the collection.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

_NAME: t.Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_SERVICE_NAME: t.Final = re.compile(r"[^\s#{}][^\s{}]*\Z")

#: The second field of master.cf.
SERVICE_TYPES: t.Final = ("inet", "unix", "unix-dgram", "fifo", "pass")

#: The columns of master.cf behind name and type, as the option of the module calls them.
COLUMNS: t.Final = ("private", "unprivileged", "chroot", "wakeup", "process_limit", "command")

# master(8) ends, and all of Postfix with it, at a value that it does not know; postconf(1) does not look at them.
_COLUMN_FORMS: t.Final[t.Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("private", "unprivileged", "chroot"), (r"[-yn]", "y, n or -")),
    "wakeup": (r"-|\d{1,9}\??", "a number of seconds, maybe with ? behind it, or -"),
    "process_limit": (r"-|\d{1,9}", "a number or -"),
    "command": (r"[^\s{}#]+", "a single word"),
}

#: First release with a parameter, for the message when an older one is met. Not complete, and need not be.
SINCE: t.Final[t.Mapping[str, str]] = {
    "requiretls_enable": "3.11",
    "smtp_dns_support_level": "2.11",
    "smtp_requiretls_policy": "3.11",
    "smtp_tls_dane_insecure_mx_policy": "3.1",
    "smtp_tls_enable_rpk": "3.9",
    "smtp_tls_enforce_sts_mx_patterns": "3.10.5",
    "smtp_tls_servername": "3.4",
    "smtp_tlsrpt_enable": "3.10",
    "smtp_tlsrpt_skip_reused_handshakes": "3.10",
    "smtp_tlsrpt_socket_name": "3.10",
    "smtpd_tls_chain_files": "3.4",
    "smtpd_tls_enable_rpk": "3.9",
    "tls_config_file": "3.9 (and 3.8.1, 3.7.6, 3.6.10, 3.5.20)",
    "tls_config_name": "3.9 (and 3.8.1, 3.7.6, 3.6.10, 3.5.20)",
    "tls_eecdh_auto_curves": "3.2",
    "tls_ffdhe_auto_groups": "3.8",
    "tls_server_sni_maps": "3.4",
}

#: master(8) keeps these until it is stopped; every other parameter is read again at a reload.
NEED_RESTART: t.Final = frozenset(
    {"inet_interfaces", "inet_protocols", "queue_directory", "data_directory", "mail_owner", "setgid_group"}
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One entry of a file: lines ``start`` up to, not including, ``end``, and its text as a single line.

    ``comments`` are the numbers of the comment and empty lines in between.
    """

    start: int
    end: int
    text: str
    comments: tuple[int, ...]


def entries(lines: t.Sequence[str]) -> list[Entry]:
    """Return the entries of a file that is given as lines with their line ends."""
    found: list[Entry] = []
    pending: list[int] = []
    for number, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            pending.append(number)
        elif line[0].isspace() and found:
            last = found[-1]
            between = (*last.comments, *(at for at in pending if at > last.start))
            found[-1] = Entry(last.start, number + 1, f"{last.text} {line.strip()}", between)
            pending = []
        else:
            found.append(Entry(number, number + 1, line.strip(), ()))
            pending = []
    return found


def squeeze(value: str) -> str:
    """Return a value as Postfix understands it, whatever white space it was written with."""
    return " ".join(value.split())


def value_text(name: str, value: object) -> str | None:
    """Return the value of a parameter as main.cf has it; None for one to be removed.

    Truth values become ``yes`` and ``no``, lists are joined by commas. ValueError for what main.cf cannot hold.
    """
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is not a parameter name: use letters, digits, '_', '-' and '.'")
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(value_text(name, part) or "" for part in value)
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"parameter {name}: a value is text, a number, a truth value or a list of these")
    text = squeeze(str(value))
    if not text.isprintable():
        raise ValueError(f"parameter {name}: the value has control characters")
    if "password" in name and re.search(r"(?:^|[\s,{])(?:static|inline):", text):
        raise ValueError(f"parameter {name}: keep passwords in a file and give its path, for instance hash:/etc/...")
    return text


def parameters(text: str) -> dict[str, str]:
    """Return what main.cf sets, values squeezed."""
    found = (entry.text.partition("=") for entry in entries(text.splitlines(keepends=True)))
    return {name.strip(): squeeze(value) for name, equals, value in found if equals}


def set_parameters(text: str, wanted: t.Mapping[str, str | None]) -> str:
    """Return main.cf with the parameters set, or removed where the value is None.

    An entry that already says what is wanted keeps its bytes, a changed one its place; new ones are put at the end.
    """
    lines = text.splitlines(keepends=True)
    now = parameters(text)
    differ = {name: value for name, value in wanted.items() if now.get(name) != value}
    places: dict[str, list[Entry]] = {}
    for entry in entries(lines):
        places.setdefault(entry.text.partition("=")[0].strip(), []).append(entry)
    edits: list[tuple[Entry, str]] = []
    added: list[str] = []
    for name, value in differ.items():
        new = "" if value is None else f"{name} = {value}".rstrip() + "\n"
        there = places.get(name, [])
        edits += [(entry, "") for entry in there[:-1]]
        if there:
            edits.append((there[-1], new))
        elif new:
            added.append(new)
    return _edited(lines, edits, added)


def _edited(lines: list[str], edits: list[tuple[Entry, str]], added: list[str]) -> str:
    for entry, new in sorted(edits, key=lambda edit: edit[0].start, reverse=True):
        kept: list[str] = []
        if entry.comments:
            # A comment between two lines is about one of them, so the lines stay with it, as comments.
            kept = [_comment(lines[at], at in entry.comments) for at in range(entry.start, entry.end)]
        lines[entry.start : entry.end] = [*kept, new] if new else kept
    if added and lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join([*lines, *added])


def _comment(line: str, already: bool) -> str:
    return line if already else "# " + line.removesuffix("\n") + "\n"


@dataclasses.dataclass(frozen=True)
class Service:
    """One service of master.cf.

    ``columns`` are the fields of ``COLUMNS``; ``options`` the settings of ``-o``; ``before`` other arguments in front
    of them, ``rest`` everything from the first argument on that is not an option.
    """

    name: str
    type: str
    columns: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the entry as master.cf has it."""
        head = f"{self.name:<9} {self.type:<5} " + " ".join(f"{column:<7}" for column in self.columns)
        rest = f"    {' '.join(self.rest)}\n" if self.rest else ""
        return " ".join([head.rstrip(), *self.before]) + "\n" + _option_lines(self.options) + rest


def _option_lines(options: t.Iterable[tuple[str, str]]) -> str:
    return "".join(
        f"    -o {{ {name} = {value} }}\n" if re.search(r"\s", value) else f"    -o {name}={value}\n"
        for name, value in options
    )


def _tokens(text: str) -> list[str]:
    """Split at white space, except inside braces. Unbalanced braces go to the end of the text."""
    found, depth, start = [], 0, None
    for at, char in enumerate(text):
        if char.isspace() and not depth:
            if start is not None:
                found.append(text[start:at])
            start = None
            continue
        start = at if start is None else start
        depth += (char == "{") - (char == "}" and depth > 0)
    return found if start is None else [*found, text[start:]]


def _service(text: str) -> Service | None:
    fields = _tokens(text)
    if len(fields) < 8:
        return None
    before: list[str] = []
    options: list[tuple[str, str]] = []
    arguments = fields[8:]
    while arguments and arguments[0].startswith("-"):
        word = arguments.pop(0)
        if not word.startswith("-o"):
            before.append(word)
            continue
        setting = word[2:] or (arguments.pop(0) if arguments else "")
        if setting.startswith("{"):
            setting = setting.removeprefix("{").removesuffix("}")
        name, _equals, value = setting.partition("=")
        options.append((name.strip(), squeeze(value)))
    return Service(fields[0], fields[1], tuple(fields[2:8]), tuple(options), tuple(before), tuple(arguments))


def services(text: str) -> dict[tuple[str, str], Service]:
    """Return the services of master.cf by name and type."""
    found = (_service(entry.text) for entry in entries(text.splitlines(keepends=True)))
    return {(service.name, service.type): service for service in found if service}


@dataclasses.dataclass(frozen=True)
class ServiceWish:
    """What shall become of one service.

    ``columns`` gives new values by name, ``options`` new settings of ``-o`` (None removes one), ``arguments`` the
    arguments behind the options (None keeps them), ``present`` False removes the service.
    """

    name: str
    type: str
    columns: t.Mapping[str, str]
    options: t.Mapping[str, str | None]
    arguments: str | None = None
    present: bool = True

    def __post_init__(self) -> None:
        if not _SERVICE_NAME.match(self.name):
            raise ValueError(f"{self.name!r} is not a service name of master.cf")
        if self.type not in SERVICE_TYPES:
            raise ValueError(f"service {self.name}: type is {self.type!r}, it is one of {', '.join(SERVICE_TYPES)}")
        for column, value in self.columns.items():
            form, words = _COLUMN_FORMS[column]
            if not re.fullmatch(form, value):
                raise ValueError(f"service {self.name}/{self.type}: {column} is {value!r}, it is {words}")
        if self.type == "inet" and self.columns.get("private", "n") != "n":
            raise ValueError(f"service {self.name}/inet: private is {self.columns['private']!r}, it is n for inet")
        if self.arguments is not None and not squeeze(self.arguments).isprintable():
            raise ValueError(f"service {self.name}/{self.type}: arguments have control characters")

    def applied(self, now: Service | None) -> Service | None:
        """Return the service as it shall be; ValueError when a new one has no command."""
        if not self.present:
            return None
        if now is None and not self.columns.get("command"):
            raise ValueError(f"service {self.name}/{self.type} does not exist yet, so its command must be given")
        columns = now.columns if now else ("n" if self.type == "inet" else "-", *("-",) * (len(COLUMNS) - 1))
        options = dict(now.options) if now else {}
        for name, value in self.options.items():
            if value is None:
                options.pop(name, None)
            else:
                options[name] = value
        rest = (now.rest if now else ()) if self.arguments is None else tuple(_tokens(squeeze(self.arguments)))
        return Service(
            self.name,
            self.type,
            tuple(self.columns.get(name, old) for name, old in zip(COLUMNS, columns, strict=True)),
            tuple(options.items()),
            now.before if now else (),
            rest,
        )


def set_services(text: str, wishes: t.Iterable[ServiceWish]) -> str:
    """Return master.cf with the services as wished. ValueError as ``ServiceWish.applied``."""
    for wish in wishes:
        now = services(text).get((wish.name, wish.type))
        new = wish.applied(now)
        if new == now:
            continue
        lines = text.splitlines(keepends=True)
        there = [entry for entry in entries(lines) if entry.text.split()[:2] == [wish.name, wish.type]]
        edits = [(entry, "") for entry in there[:-1]]
        more = _only_more_options(now, new)
        if there and more:
            # Every line that is there keeps its bytes, and comments between them their meaning.
            last = there[-1].end - 1
            lines[last] = lines[last].removesuffix("\n") + "\n" + _option_lines(more)
        elif there:
            edits.append((there[-1], new.text() if new else ""))
        text = _edited(lines, edits, [new.text()] if new and not there else [])
    return text


def _only_more_options(now: Service | None, new: Service | None) -> tuple[tuple[str, str], ...]:
    """Return the options of ``new`` behind those of ``now``, when nothing else differs."""
    if not now or not new or new.rest or new.options[: len(now.options)] != now.options:
        return ()
    more = new.options[len(now.options) :]
    return more if dataclasses.replace(new, options=now.options) == now else ()


def version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version such as ``3.10.13`` or ``3.11-20260821``; ValueError when there are none."""
    found = re.match(r"\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?", text)
    if not found:
        raise ValueError(f"{text!r} is not a version: it starts with a number, for instance 3.8")
    return tuple(int(number) for number in found.groups(default="0"))
