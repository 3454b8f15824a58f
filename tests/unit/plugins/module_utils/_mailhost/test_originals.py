# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Original files: recorded once, put back to the byte, also after a run that was killed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import originals as mailhost_originals
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.originals import Originals, OriginalsError


class Home:
    """A directory of configuration and the place of the records."""

    def __init__(self, root: Path) -> None:
        self.records, self.etc = root / "records", root / "etc"
        self.etc.mkdir()

    def open(self, label: str = "postfix", change: bool = True) -> Originals:
        return Originals(label, change, str(self.records))

    def path(self, name: str) -> str:
        return str(self.etc / name)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_content_mode_links_and_absence_come_back(home: Home) -> None:
    main, link, later = (home.etc / name for name in ("main.cf", "link.cf", "later.cf"))
    main.write_bytes(b"a = \xff\n")
    main.chmod(0o640)
    link.symlink_to("main.cf")
    home.open().record(map(str, (main, link, later)))
    main.unlink()
    main.write_text("other")
    link.unlink()
    link.write_text("a file now")
    later.write_text("ours")
    originals = home.open()
    originals.give_back()
    assert main.read_bytes() == b"a = \xff\n" and stat.S_IMODE(main.stat().st_mode) == 0o640
    assert os.readlink(link) == "main.cf" and not later.exists()
    assert len(originals.actions) == 3
    again = home.open()
    again.give_back()
    assert again.actions == []
    assert sorted(entry.name for entry in home.etc.iterdir()) == ["link.cf", "main.cf"]


def test_the_first_original_stays_and_again_replaces_it(home: Home) -> None:
    main = home.etc / "main.cf"
    main.write_text("first")
    home.open().record([str(main)], note={"a": 1})
    main.write_text("second")
    kept = home.open()
    kept.record([str(main)], note={"a": 2})
    assert kept.actions == [] and kept.note == {"a": 1}
    home.open("run").record([str(main)])
    home.open().record([str(main)], again=True, note={"a": 2})
    main.write_text("third")
    home.open().give_back()
    assert main.read_text() == "second" and home.open().note == {"a": 2}
    # The content that is no longer named is gone.
    assert len(list((home.records / "postfix").iterdir())) == 2


def test_the_record_is_for_root_only(home: Home) -> None:
    (home.etc / "main.cf").write_text("smtp_sasl_password_maps = static:secret")
    home.open().record([home.path("main.cf")])
    assert stat.S_IMODE((home.records / "postfix").stat().st_mode) == 0o700
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in (home.records / "postfix").iterdir()} == {0o600}
    assert "secret" not in repr(home.open().states) + repr(home.open().actions)


def test_only_mode_or_owner_changed(home: Home) -> None:
    main = home.etc / "main.cf"
    main.write_text("a")
    main.chmod(0o644)
    home.open().record([str(main)])
    main.chmod(0o600)
    home.open().give_back()
    assert stat.S_IMODE(main.stat().st_mode) == 0o644


def test_the_labels_of_the_records_are_told(home: Home) -> None:
    assert mailhost_originals.labels(str(home.records)) == []
    for label in ("resolver", "postfix"):
        home.open(label).record([home.path("main.cf")])
    (home.records / "postfix.settings.json").write_text("{}")
    assert mailhost_originals.labels(str(home.records)) == ["postfix", "resolver"]
    home.open("postfix").forget()
    assert mailhost_originals.labels(str(home.records)) == ["resolver"]


def test_follow_records_where_a_link_leads(home: Home) -> None:
    (home.etc / "real.cf").write_text("a")
    (home.etc / "main.cf").symlink_to("real.cf")
    home.open().record([home.path("main.cf")], follow=True)
    (home.etc / "real.cf").write_text("b")
    home.open().give_back()
    assert (home.etc / "real.cf").read_text() == "a" and (home.etc / "main.cf").is_symlink()


def test_check_mode_writes_nothing_and_says_the_same(home: Home) -> None:
    (home.etc / "main.cf").write_text("a")
    predicted = home.open(change=False)
    predicted.record([home.path("main.cf")])
    assert not home.records.exists()
    done = home.open()
    done.record([home.path("main.cf")])
    assert predicted.actions == done.actions and predicted.states == done.states
    (home.etc / "main.cf").write_text("b")
    predicted = home.open(change=False)
    predicted.give_back()
    predicted.forget()
    assert len(predicted.actions) == 2
    assert (home.etc / "main.cf").read_text() == "b" and home.open().states


def test_forgotten_is_gone(home: Home) -> None:
    (home.etc / "main.cf").write_text("a")
    home.open().record([home.path("main.cf")])
    home.open().forget()
    assert list(home.records.iterdir()) == []
    nothing = home.open()
    nothing.forget()
    assert nothing.actions == []


def test_killed_before_the_index_counts_as_not_recorded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.etc / "main.cf").write_text("a")
    whole = mailhost_originals.replace

    def killed(path: str, *rest: object) -> None:
        if path.endswith("record.json"):
            raise KeyboardInterrupt
        whole(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(mailhost_originals, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        home.open().record([home.path("main.cf")])
    monkeypatch.undo()
    assert home.open().states == {}
    home.open().record([home.path("main.cf")])
    assert list(home.open().states) == [home.path("main.cf")]


def test_what_cannot_be_trusted_is_not_put_back(home: Home) -> None:
    (home.etc / "main.cf").write_text("a")
    home.open().record([home.path("main.cf")])
    copy = next(entry for entry in (home.records / "postfix").iterdir() if entry.name.endswith("-main.cf"))
    copy.write_text("changed")
    with pytest.raises(OriginalsError, match="was changed after it was recorded"):
        home.open()
    (home.records / "postfix" / "record.json").write_text("{")
    with pytest.raises(OriginalsError, match="cannot be read"):
        home.open()


@pytest.mark.parametrize("path", ["relative", "/etc/../etc/passwd", "/etc/"])
def test_odd_paths_are_refused(home: Home, path: str) -> None:
    with pytest.raises(OriginalsError, match="absolute paths"):
        home.open().record([path])


def test_a_directory_is_refused_and_a_label_is_a_name(home: Home) -> None:
    with pytest.raises(OriginalsError, match="is not a file"):
        home.open().record([str(home.etc)])
    with pytest.raises(OriginalsError, match="label"):
        home.open("../x")
