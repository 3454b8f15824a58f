# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix lookup tables as text: what a parameter names, what a table file holds, which hosts a table depends on.

Pure. Files of LDAP and SQL tables hold passwords: nothing but host names is taken from them.
Private to the collection.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t
import urllib.parse

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import entries, parameters

#: postmap -s lists these (measured with Postfix 3.7).
LISTED: t.Final = ("hash", "btree", "lmdb", "dbm", "sdbm", "inline")
#: The file is read: "texthash" is a list, of the others every right side can be a result.
READ: t.Final = ("texthash", "cdb", "regexp", "pcre", "cidr")
#: Can only be asked, key by key; a server answers, except for sqlite and nis.
ASKED: t.Final = ("ldap", "mysql", "pgsql", "mongodb", "sqlite", "memcache", "tcp", "socketmap", "nis", "nisplus")
_COMBINED: t.Final = ("unionmap", "pipemap")
_VALUES: t.Final = ("static", "randmap")
_KNOWN: t.Final = (*LISTED, *READ, *ASKED, *_COMBINED, *_VALUES)
#: Parameters of table files that name servers.
_SERVERS: t.Final = {
    "ldap": "server_host",
    "mysql": "hosts",
    "pgsql": "hosts",
    "mongodb": "uri",
    "memcache": "memcache",
}


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as a parameter names it; ``proxied`` through proxymap(8)."""

    type: str
    name: str
    proxied: bool = False

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"

    @property
    def shown(self) -> str:
        """The table in a message: what stands in the parameter itself is left out."""
        return f"{self.type}:{{…}}" if self.name.startswith("{") or self.type == "static" else str(self)


def words(text: str) -> list[str]:
    """Split a list of Postfix at commas and white space, except inside braces."""
    found, depth, current = [], 0, ""
    for char in text:
        if (char.isspace() or char == ",") and not depth:
            found += [current] if current else []
            current = ""
            continue
        depth += (char == "{") - (char == "}" and depth > 0)
        current += char
    return [*found, current] if current else found


def _inner(text: str) -> str:
    text = text.strip()
    return text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text


def tables(text: str) -> list[Table]:
    """Return the tables that the value of a parameter names, those inside combined ones instead of these."""
    found: list[Table] = []
    for word in words(text):
        if word.startswith("{"):
            found += tables(_inner(word))
            continue
        proxied = word.startswith("proxy:")
        kind, colon, name = word.removeprefix("proxy:").lstrip("!").partition(":")
        if not colon or kind not in _KNOWN or not name:
            continue
        if kind in _COMBINED:
            inside = tables(_inner(name))
            # What the others in a pipe give is only the key of the next one.
            found += [dataclasses.replace(one, proxied=proxied or one.proxied) for one in inside]
        else:
            found.append(Table(kind, name, proxied))
    return found


def constants(table: Table) -> list[str]:
    """Return the results of a table that has no keys."""
    if table.type == "static":
        return [_inner(table.name)]
    return words(_inner(table.name)) if table.type == "randmap" else []


def right_sides(table: Table, text: str) -> list[tuple[str, str]]:
    """Return keys and results of a table file, or of a table written in braces; the key of a pattern is ''."""
    if table.name.startswith("{"):
        lines = [_inner(word) for word in words(_inner(table.name))]
    else:
        lines = [entry.text for entry in entries(text.splitlines(keepends=True))]
    found: list[tuple[str, str]] = []
    for line in lines:
        if table.type in ("regexp", "pcre"):
            if re.match(r"(?i)(?:if|endif)\b", line):
                continue
            # A pattern ends at its own delimiter, flags follow; the delimiter itself can be quoted.
            matched = re.match(r"!?\s*([^\w\s])(?:\\.|(?!\1).)*\1\S*\s+(.*)", line)
            if matched:
                found.append(("", matched.group(2).strip()))
        else:
            key, value = [*line.split(None, 1), ""][:2]
            found.append(("" if table.type == "cidr" else key, value.strip()))
    return found


def host_of(text: str) -> str:
    """Return the host in HOST, HOST:PORT, [HOST]:PORT, PORT@HOST or a URL; '' for sockets and IP addresses."""
    text = text.strip()
    if text.startswith("ldapi:"):
        return ""
    if "://" in text:
        try:
            text = urllib.parse.urlsplit(text).hostname or ""
        except ValueError:
            return ""
    if not text or text.startswith(("/", "unix:")):
        return ""
    text = text.removeprefix("inet:").rpartition("@")[2]
    matched = re.match(r"\[([^\]]*)\](?::\w+)?\Z", text)
    name = matched.group(1) if matched else text if text.count(":") > 1 else text.partition(":")[0]
    return "" if is_address(name) else name.rstrip(".").lower()


def is_address(text: str) -> bool:
    """Whether this is an IP address, as Postfix writes them."""
    try:
        ipaddress.ip_address(text.lower().removeprefix("ipv6:").strip("[]"))
    except ValueError:
        return False
    return True


def servers(table: Table, text: str, main: t.Mapping[str, str]) -> list[str]:
    """Return the hosts that a table depends on. ``text`` is its file, ``main`` what main.cf sets."""
    if table.type == "tcp":
        return [host for host in [host_of(table.name)] if host]
    if table.type == "socketmap":
        kind, _colon, rest = table.name.partition(":")
        return [host for host in [host_of(rest.rpartition(":")[0])] if host] if kind == "inet" else []
    if table.type not in _SERVERS:
        return []
    wanted = _SERVERS[table.type]
    in_file = table.name.startswith("/")
    value = parameters(text).get(wanted, "") if in_file else main.get(f"{table.name}_{wanted}", "")
    if table.type == "mongodb":
        hosts = [host_of(part) for part in re.sub(r"^mongodb(\+srv)?://([^@/]*@)?|[/?].*$", "", value).split(",")]
    else:
        hosts = [host_of(part) for part in words(value)]
    # Client libraries take this for a socket, or for the host itself.
    return [host for host in hosts if host and host != "localhost"]


def file_of(table: Table) -> str:
    """Path of the file that describes or holds the table, '' when there is none."""
    return table.name if table.name.startswith("/") and table.type in (*READ, *_SERVERS, "sqlite") else ""
