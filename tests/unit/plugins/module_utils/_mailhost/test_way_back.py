# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was set is taken out again: to the byte when nobody else changed the files, else setting by setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import (
    ServiceWish,
    parameters,
    services,
    set_parameters,
    set_services,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.way_back import (
    Settings,
    Texts,
    load,
    save,
    taken_out,
)

ORIGINAL = Texts(
    "# mine\na = 1\n\nb =   2,\n# why\n   3\n",
    "smtp inet n - y - - smtpd\n  -o x=1\n# note\n  -o y=2\nold unix - - n - - pipe flags=F argv=/bin/x\n",
)


def changed(now: Texts, parameters_: dict[str, str | None], *wishes: ServiceWish) -> Texts:
    return Texts(set_parameters(now.main, parameters_), set_services(now.master, wishes))


def wish(name: str, kind: str = "inet", present: bool = True, **options: str | None) -> ServiceWish:
    return ServiceWish(name, kind, {} if name == "smtp" else {"command": "smtpd"}, options, None, present)


def ours() -> tuple[Settings, Texts]:
    """Two runs."""
    settings = Settings()
    first = changed(ORIGINAL, {"a": "ours", "c": "ours"}, wish("smtp", x="ours", z="ours"), wish("new", k="1"))
    settings.add(ORIGINAL, first)
    second = changed(first, {"b": None, "c": "later"}, wish("smtp", y=None), wish("old", "unix", present=False))
    settings.add(first, second)
    return settings, second


def test_to_the_byte_when_nobody_else_changed_anything() -> None:
    settings, now = ours()
    assert taken_out(settings, ORIGINAL, now) == (ORIGINAL, [])


def test_setting_by_setting_when_somebody_did() -> None:
    settings, now = ours()
    edited = changed(now, {"a": "theirs", "mine": "1"}, wish("smtp", z="theirs", more="1"))
    back, kept = taken_out(settings, ORIGINAL, edited)
    assert parameters(back.main) == {"a": "theirs", "b": "2, 3", "mine": "1"}
    found = services(back.master)
    assert dict(found["smtp", "inet"].options) == {"x": "1", "y": "2", "z": "theirs", "more": "1"}
    assert ("new", "inet") not in found and found["old", "unix"].rest == ("flags=F", "argv=/bin/x")
    assert kept == [
        "a in main.cf stays theirs: it was changed since",
        "-o z of smtp/inet stays theirs: it was changed since",
    ]


def test_a_service_of_ours_that_somebody_changed_stays() -> None:
    settings, now = ours()
    back, kept = taken_out(settings, ORIGINAL, changed(now, {}, wish("new", k="2")))
    assert ("new", "inet") in services(back.master) and kept == [
        "service new/inet in master.cf stays: it was changed since"
    ]


def test_a_change_between_two_runs_is_not_ours() -> None:
    settings = Settings()
    first = changed(ORIGINAL, {"c": "ours"})
    settings.add(ORIGINAL, first)
    edited = changed(first, {"a": "theirs"})
    settings.add(edited, changed(edited, {"d": "ours"}))
    back, kept = taken_out(settings, ORIGINAL, changed(edited, {"d": "ours"}))
    assert parameters(back.main) == {"a": "theirs", "b": "2, 3"} and kept == []


def test_a_change_between_recording_and_the_first_run_stays() -> None:
    settings = Settings()
    edited = changed(ORIGINAL, {"a": "theirs"})
    now = changed(edited, {"c": "ours"})
    settings.add(edited, now)
    assert taken_out(settings, ORIGINAL, now)[0] == edited


def test_a_run_that_was_taken_back_or_killed_before_writing() -> None:
    settings, now = ours()
    settings.add(now, changed(now, {"a": "third"}))
    assert taken_out(settings, ORIGINAL, now) == (ORIGINAL, [])


def test_settings_are_kept_in_a_file(tmp_path: Path) -> None:
    settings, _now = ours()
    path = str(tmp_path / "made" / "postfix.settings.json")
    assert load(path) == Settings()
    save(path, settings)
    assert load(path) == settings
    Path(path).write_text("{}")
    with pytest.raises(ValueError, match="it is not known what was set"):
        load(path)


def test_what_is_set_again_was_changed_by_somebody_else() -> None:
    settings, now = ours()
    assert settings.changed_since(now, changed(now, {"d": "1"}, wish("smtp", z="other"))) == []
    theirs = changed(now, {"a": "theirs", "b": "9", "c": None, "mine": "1"}, wish("smtp", y="2", z=None))
    # Only what is set again counts: a setting that nobody wants any more is nobody's business.
    assert settings.changed_since(theirs, changed(theirs, {"a": "ours"})) == [
        "This collection set a in main.cf to ours, and another program or person has changed it to theirs since."
    ]
    again = changed(theirs, {"a": "wish", "b": None, "c": "later"}, wish("smtp", y=None, z="ours"))
    assert settings.changed_since(theirs, again) == [
        "This collection set a in main.cf to ours, and another program or person has changed it to theirs since.",
        "This collection removed b from main.cf, and another program or person has set it to 9 since.",
        "This collection set c in main.cf to later, and another program or person has removed it since.",
        "This collection removed -o y of smtp/inet from master.cf,"
        " and another program or person has set it to 2 since.",
        "This collection set -o z of smtp/inet in master.cf to ours,"
        " and another program or person has removed it since.",
    ]


def test_a_service_that_is_set_up_again_was_changed_by_somebody_else() -> None:
    settings, now = ours()
    theirs = changed(now, {}, wish("new", present=False), wish("old", "unix"))
    again = changed(theirs, {}, wish("new", k="1"), wish("old", "unix", present=False))
    assert settings.changed_since(theirs, again) == [
        "This collection set up service new/inet in master.cf, and another program or person has removed it since.",
        "This collection removed service old/unix from master.cf, and another program or person has set it up since.",
    ]
    theirs = changed(now, {}, wish("new", k="2"))
    assert settings.changed_since(theirs, changed(theirs, {}, wish("new", k="1"))) == [
        "This collection set up service new/inet in master.cf, and another program or person has changed it since."
    ]


def test_a_service_of_ours_that_a_later_run_changed_is_still_ours() -> None:
    settings, now = ours()
    later = changed(now, {}, wish("new", k="2"))
    settings.add(now, later)
    edited = changed(later, {"mine": "1"})
    assert settings.changed_since(edited, changed(edited, {}, wish("new", k="3"))) == []
    back, kept = taken_out(settings, ORIGINAL, edited)
    assert ("new", "inet") not in services(back.master) and kept == []


def test_original_files_put_back_by_somebody_are_told_setting_by_setting() -> None:
    """A configuration program writes the very file of before the first run."""
    settings, now = ours()
    found = settings.changed_since(ORIGINAL, now)
    assert len(found) == 8 and not any("None" in one for one in found)
    assert Settings().changed_since(ORIGINAL, now) == []
