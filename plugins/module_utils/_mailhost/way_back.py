# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection set in main.cf and master.cf, and how it is taken out again.

The files of before the first run return to the byte when nobody else changed them since. Otherwise each setting that
still has the value that was set returns to its original value, and everything else stays. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import originals
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import (
    Service,
    ServiceWish,
    parameters,
    services,
    set_parameters,
    set_services,
)

if t.TYPE_CHECKING:
    import collections.abc as c

_FORMAT: t.Final = 1
_SOMEBODY: t.Final = "another program or person"


@dataclasses.dataclass(frozen=True)
class Texts:
    """main.cf and master.cf."""

    main: str
    master: str

    def items(self) -> list[tuple[str, str]]:
        """Return the names of both with their text, in the order in which they are to be replaced."""
        return [("master.cf", self.master), ("main.cf", self.main)]

    def digest(self) -> str:
        """Return a digest of both."""
        both = f"{len(self.main)} {self.main}{self.master}"
        return hashlib.sha256(both.encode("utf-8", "surrogateescape")).hexdigest()


def texts_in(directory: str) -> Texts:
    """Return both files of a configuration directory. OSError when one cannot be read."""
    found = []
    for name in ("main.cf", "master.cf"):
        # Surrogates carry bytes that are not UTF-8 through unharmed.
        with open(os.path.join(directory, name), encoding="utf-8", errors="surrogateescape", newline="") as file:
            found.append(file.read())
    return Texts(*found)


@dataclasses.dataclass
class Settings:
    """What was set, all runs together.

    ``parameters`` and ``options`` (by service) have the last value, None for what was removed. ``whole`` are services
    that were added, removed or changed in other fields, as text. ``states`` are the digests of both files before and
    after the last change, ``first`` that before the first one; ``alone`` is false once somebody else changed them in
    between.
    """

    parameters: dict[str, str | None] = dataclasses.field(default_factory=dict)
    options: dict[str, dict[str, str | None]] = dataclasses.field(default_factory=dict)
    whole: dict[str, str | None] = dataclasses.field(default_factory=dict)
    first: str = ""
    states: tuple[str, ...] = ()
    alone: bool = True

    def add(self, old: Texts, new: Texts) -> None:
        """Take in a change from ``old`` to ``new``."""
        self.alone = self.alone and (not self.states or old.digest() in self.states)
        self.first = self.first or old.digest()
        self.states = (old.digest(), new.digest())
        was, becomes = parameters(old.main), parameters(new.main)
        self.parameters |= {name: becomes.get(name) for name in {*was, *becomes} if was.get(name) != becomes.get(name)}
        before, after = services(old.master), services(new.master)
        for key in {*before, *after}:
            one, other = before.get(key), after.get(key)
            if one == other:
                continue
            name = "/".join(key)
            bare = [dataclasses.replace(entry, options=()) for entry in (one, other) if entry]
            if name not in self.whole and one and other and bare[0] == bare[1]:
                had, has = dict(one.options), dict(other.options)
                changed = {option: has.get(option) for option in {*had, *has} if had.get(option) != has.get(option)}
                self.options.setdefault(name, {}).update(changed)
            else:
                self.whole[name] = other.text() if other else None

    def changed_since(self, now: Texts, new: Texts) -> list[str]:
        """Return in sentences what is to be set, from ``now`` to ``new``, was set here, and differs from that now."""
        is_now, becomes = parameters(now.main), parameters(new.main)
        found = [
            _changed(f"{name} {{}} main.cf", value, is_now.get(name))
            for name, value in sorted(self.parameters.items())
            if is_now.get(name) not in (value, becomes.get(name))
        ]
        there, then = services(now.master), services(new.master)
        for name, options in sorted(self.options.items()):
            key = _key(name)
            if key not in there or name in self.whole:
                continue
            has, will = dict(there[key].options), dict(then[key].options) if key in then else {}
            found += [
                _changed(f"-o {option} of {name} {{}} master.cf", value, has.get(option))
                for option, value in sorted(options.items())
                if has.get(option) not in (value, will.get(option))
            ]
        for name, text in sorted(self.whole.items()):
            one, other = there.get(_key(name)), then.get(_key(name))
            if one != other and text != (one.text() if one else None):
                did = "removed service {} from" if text is None else "set up service {} in"
                since = "removed it" if one is None else "set it up" if text is None else "changed it"
                found.append(f"This collection {did.format(name)} master.cf, and {_SOMEBODY} has {since} since.")
        return found


def _changed(place: str, value: str | None, now: str | None) -> str:
    did = f"removed {place.format('from')}" if value is None else f"set {place.format('in')} to {value}"
    since = "removed it" if now is None else f"set it to {now}" if value is None else f"changed it to {now}"
    return f"This collection {did}, and {_SOMEBODY} has {since} since."


def path_of(label: str, directory: str = originals.DIRECTORY) -> str:
    """Return the file that has the settings of one label."""
    return os.path.join(directory, f"{label}.settings.json")


def load(path: str) -> Settings:
    """Return the settings; empty when nothing was set. ValueError when the file cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        if data.pop("format") != _FORMAT:
            raise ValueError("it was written by another version of the collection")
        return Settings(**{**data, "states": tuple(data["states"])})
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read ({error}), so it is not known what was set") from error


def save(path: str, settings: Settings) -> None:
    """Write the settings in one step."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    text = json.dumps({"format": _FORMAT, **dataclasses.asdict(settings)}, indent=1, sort_keys=True)
    originals.replace(path, text.encode("utf-8", "surrogateescape"), 0o600, None)


def taken_out(settings: Settings, original: Texts, now: Texts) -> tuple[Texts, list[str]]:
    """Return both files without what was set, and in sentences what stays because it was changed since."""
    if settings.alone and settings.first == original.digest() and now.digest() in settings.states:
        return original, []
    kept: list[str] = []
    was, has = parameters(original.main), parameters(now.main)
    back = {}
    for name, value in sorted(settings.parameters.items()):
        if has.get(name) == value:
            back[name] = was.get(name)
        elif has.get(name) != was.get(name):
            kept.append(f"{name} in main.cf stays {has.get(name, 'unset')}: it was changed since")
    before, after = services(original.master), services(now.master)
    wishes = []
    for name, options in sorted(settings.options.items()):
        key = _key(name)
        if key not in after or name in settings.whole:
            continue
        had, there = dict(before[key].options) if key in before else {}, dict(after[key].options)
        wish: dict[str, str | None] = {}
        for option, value in sorted(options.items()):
            if there.get(option) == value:
                wish[option] = had.get(option)
            elif there.get(option) != had.get(option):
                kept.append(f"-o {option} of {name} stays {there.get(option, 'unset')}: it was changed since")
        wishes.append(ServiceWish(*key, {}, wish))
    for name, text in sorted(settings.whole.items()):
        key = _key(name)
        if text == (after[key].text() if key in after else None):
            wishes.append(_as(key, before.get(key), after.get(key)))
        else:
            kept.append(f"service {name} in master.cf stays: it was changed since")
    return Texts(set_parameters(now.main, back), set_services(now.master, wishes)), kept


def _key(name: str) -> tuple[str, str]:
    service, _slash, kind = name.rpartition("/")
    return service, kind


def _as(key: tuple[str, str], wanted: Service | None, now: Service | None) -> ServiceWish:
    """A wish with which a service becomes ``wanted``."""
    if wanted is None:
        return ServiceWish(*key, {}, {}, present=False)
    names = ("private", "unprivileged", "chroot", "wakeup", "process_limit", "command")
    options: c.Mapping[str, str | None] = {
        **{name: None for name, _value in (now.options if now else ())},
        **dict(wanted.options),
    }
    return ServiceWish(*key, dict(zip(names, wanted.columns, strict=True)), options, " ".join(wanted.rest))
