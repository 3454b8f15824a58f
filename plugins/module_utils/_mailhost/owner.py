# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether another program owns the configuration of Postfix, so that it would undo what is changed by hand.

Such a program is a panel, a container image, a configuration management or a daemon that rewrites main.cf. Standard
library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

_FILES: t.Final = ("main.cf", "master.cf")
_HEADER_LINES: t.Final = 40
_LIMIT: t.Final = 1 << 20


@dataclasses.dataclass(frozen=True)
class Owner:
    """A program that owns the configuration, what was seen of it, and where its administrator changes settings."""

    program: str
    evidence: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class _Product:
    """A product that keeps rewriting. ``paths`` all exist where it is installed, or ``directory`` has its files."""

    program: str
    paths: tuple[str, ...]
    remedy: str
    directory: str = ""


_PRODUCTS: t.Final = (
    _Product("mailcow", ("/opt/postfix/conf/main.cf",), "data/conf/postfix/extra.cf of mailcow", "/opt/postfix/conf"),
    _Product("mail-in-a-box", ("/etc/mailinabox.conf",), "mail-in-a-box itself, which also publishes TLSA records"),
    _Product(
        "docker-mailserver",
        ("/usr/local/bin/start-mailserver.sh",),
        "the files postfix-main.cf, postfix-master.cf and user-patches.sh of docker-mailserver",
    ),
    _Product("Mailu", ("/conf/main.cf", "/overrides"), "overrides/postfix/postfix.cf of Mailu"),
    _Product("YunoHost", ("/etc/yunohost",), "a hook in /etc/yunohost/hooks.d/conf_regen"),
    _Product("Virtualmin", ("/etc/webmin/virtual-server",), "Virtualmin (Manage Virtual Server, SSL Certificate)"),
    _Product("ISPConfig", ("/usr/local/ispconfig/server",), "/usr/local/ispconfig/server/conf-custom of ISPConfig"),
    _Product(
        "Proxmox Mail Gateway", ("/etc/pmg", "/usr/bin/pmgconfig"), "the template overrides in /etc/pmg/templates"
    ),
    _Product("Zimbra", ("/opt/zimbra/conf/localconfig.xml",), "zmprov and zmlocalconfig of Zimbra", "/opt/zimbra"),
    _Product("NixOS", ("/etc/NIXOS",), "services.postfix in the configuration of NixOS"),
    _Product("cPanel", ("/usr/local/cpanel/version",), "cPanel (WHM)"),
    _Product("Plesk", ("/usr/local/psa/version",), "Plesk (Tools and Settings, Mail Server Settings)"),
)

#: Where packages of the system are stored and nothing may be changed; links lead there from /etc.
_STORES: t.Final = {"/nix/store/": "NixOS or Nix", "/gnu/store/": "GNU Guix"}

_MADE: t.Final = r"(?:auto(?:matically)?[- ]?)?(?:generated|managed|maintained|controlled|overwritten|rewritten)"
#: What a comment in the head of a file says when a program makes the file. Whole sentences: an administrator's own
#: remark about one parameter, and what distributions ship, must not match.
_HEADERS: t.Final = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"\b(?:this|the) (?:file|configuration)\b.{0,40}"
        rf"\b(?:is|was|has been|will be|gets|may be|might be) {_MADE}\b",
        rf"^\W*(?:file )?{_MADE} (?:by|from|with|using)\b",
        r"^\W*(?:ansible|puppet|chef|salt|saltstack|cfengine|rudder|terraform)[- ]managed\b",
        r"\bauto(?:matically)?[- ]generated\b",
        r"\b(?:do not|don't|never) (?:edit|modify|change)"
        r"(?: this file\b| (?:it )?(?:by hand|manually|directly)\b|\W*$)",
        r"\b(?:any|your|all|local|manual) (?:manual |local )?(?:changes|edits|modifications)\b.{0,60}"
        r"\b(?:lost|overwritten|discarded|reverted)\b",
    )
)
#: main.cf.default of Postfix says so about itself; copies of it are in use.
_NOT_A_HEADER: t.Final = re.compile(r"edit the main\.cf file instead", re.I)


def owner_of(directory: str, root: str = "/") -> Owner | None:
    """Return the program that owns main.cf and master.cf in ``directory``; None when the administrator does.

    ``root`` is where the file system begins.
    """
    paths = [os.path.join(directory, name) for name in _FILES]
    return _product(directory, root) or _stored(paths) or _mounted(directory, paths) or _headed(paths)


def _product(directory: str, root: str) -> Owner | None:
    for product in _PRODUCTS:
        inside = product.directory and (directory == product.directory or directory.startswith(product.directory + "/"))
        if inside:
            return Owner(product.program, f"the configuration is in {directory}", product.remedy)
        if all(os.path.exists(os.path.join(root, path.lstrip("/"))) for path in product.paths):
            return Owner(product.program, f"{' and '.join(product.paths)} exists", product.remedy)
    return None


def _stored(paths: t.Iterable[str]) -> Owner | None:
    for path in paths:
        target = os.path.realpath(path)
        for store, program in _STORES.items():
            if target.startswith(store):
                return Owner(program, f"{path} is a symbolic link to {target}", "the configuration of that system")
    return None


def _mounted(directory: str, paths: t.Iterable[str]) -> Owner | None:
    remedy = "the program that mounts it, for instance the container's compose file and its override files"
    mounts = mount_points()
    for path in paths:
        kind = mounts.get(os.path.realpath(path))
        if kind is not None:
            return Owner("the container or service manager of this host", f"{path} is a mount point of its own", remedy)
    if mounts.get(os.path.realpath(directory)) == "overlay":
        return Owner("the system image of this host", f"{directory} is a mount point of type overlay", remedy)
    if os.path.isdir(directory) and os.statvfs(directory).f_flag & os.ST_RDONLY:
        return Owner("the system image of this host", f"{directory} is on a read-only file system", remedy)
    return None


def mount_points() -> dict[str, str]:
    """Return the mount points that this process sees, and the type of the file system of each."""
    found = {}
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            # proc(5): the fifth field is the mount point; the type follows a single hyphen.
            fields, _hyphen, rest = line.partition(" - ")
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields.split()[4])
            found[point] = rest.split()[0]
    return found


def _headed(paths: t.Iterable[str]) -> Owner | None:
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read(_LIMIT)
        except FileNotFoundError:
            continue
        line = header(text)
        if line:
            return Owner(
                "a program that generates this file",
                f"{path} says: {line}",
                "that program; when nothing writes the file any more, remove this line from it",
            )
    return None


def header(text: str) -> str:
    """Return the comment in the head of a file which says that a program makes the file; '' when there is none."""
    for line in text.splitlines()[:_HEADER_LINES]:
        if not line.strip():
            continue
        if not line.startswith("#"):
            break
        words = " ".join(line.strip("#;/*-= \t").split())
        if not _NOT_A_HEADER.search(words) and any(pattern.search(words) for pattern in _HEADERS):
            return "".join(char for char in words if char.isprintable())[:200]
    return ""
