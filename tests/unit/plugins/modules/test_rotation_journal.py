# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal as a role keeps it (B02, B03): leases, loss, check mode."""

from __future__ import annotations

import json
import pathlib
import time
import typing as t

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.mailsec.dane.plugins.modules import rotation_journal

Call = t.Callable[..., dict[str, t.Any]]
EVENT: t.Final = {"at": 1.0, "event": "step", "action": "publish"}


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "made" / "mx.journal"


@pytest.fixture
def call(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(state: str, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        options = {"path": str(path), "subject": "mx.example.nl", **options, "state": state}
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit) as left:
            rotation_journal.main()
        result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
        result.pop("invocation", None)
        assert bool(result.get("failed")) == bool(left.value.code)
        return result

    return run


def test_b02_what_was_written_is_read_and_the_lease_given_back(call: Call, path: pathlib.Path) -> None:
    first = call("acquired", holder="one")
    assert (first["problem"], first["content"], first["lock"], first["changed"]) == ("missing", {}, "", False)
    written = call("written", token=first["token"], content={"a": 1}, events=[EVENT])
    assert written["changed"] and written["sequence"] == 1
    second = call("written", token=first["token"], content={"a": 2}, release=True)
    assert not second["changed"] and second["sequence"] == 2
    read = call("read")
    assert (read["content"], read["events"], read["problem"]) == ({"a": 2}, [EVENT], "")
    assert [entry.name for entry in path.parent.iterdir()] == ["mx.journal"]
    assert path.parent.stat().st_mode & 0o777 == 0o700 and path.stat().st_mode & 0o777 == 0o600


def test_b02_what_was_only_seen_is_not_a_change(call: Call) -> None:
    token = call("acquired", holder="one")["token"]
    assert call("written", token=token, content={})["changed"], "there was no journal"
    seen = {"at": 1.0, "event": "chain", "chain": {}, "endpoints": []}
    assert not call("written", token=token, content={}, events=[seen])["changed"]
    assert call("written", token=token, content={}, events=[seen, {**seen, "event": "step"}])["changed"]


def test_b03_a_lease_is_seen_to_be_held_before_an_effect_elsewhere(call: Call, path: pathlib.Path) -> None:
    first = call("acquired", holder="one", seconds=0.001)
    assert call("held", token=first["token"], seconds=60)["token"] == first["token"]
    assert call("acquired", holder="two")["lock"] == "one"
    call("released", token=first["token"])
    refused = call("held", token=first["token"])
    assert refused["failed"] and "lease" in refused["msg"]
    assert [entry.name for entry in path.parent.iterdir()] == []


def test_b03_the_second_is_told_who_is_at_work(call: Call) -> None:
    first = call("acquired", holder="one")
    second = call("acquired", holder="two")
    assert (second["token"], second["lock"]) == ("", "one")
    refused = call("written", token="guess", content={})
    assert refused["failed"] and "lease" in refused["msg"]
    assert call("acquired", holder="one", token=first["token"])["token"] == first["token"]
    call("released", token=first["token"])
    assert call("acquired", holder="two")["token"]


def test_b03_a_lease_that_is_required_is_a_failure_that_may_pass(call: Call) -> None:
    first = call("acquired", holder="one", required=True)
    refused = call("acquired", holder="two", required=True)
    assert refused["failed"] and refused["problem"] == "held" and "one holds the lease of" in refused["msg"]
    call("released", token=first["token"])
    assert call("acquired", holder="two", required=True)["token"]


def test_b03_a_lease_that_expired_is_taken_over_and_lost_to_its_owner(call: Call) -> None:
    first = call("acquired", holder="one", seconds=0.001)
    time.sleep(0.01)
    second = call("acquired", holder="two")
    assert second["token"] not in ("", first["token"])
    assert call("written", token=first["token"], content={})["failed"]
    again = call("acquired", holder="one", token=first["token"])
    assert (again["token"], again["lock"]) == ("", "two")


@pytest.mark.parametrize("damage", ["", "{", "no journal"])
def test_b02_a_damaged_journal_is_no_failure_and_can_be_replaced(call: Call, path: pathlib.Path, damage: str) -> None:
    token = call("acquired")["token"]
    call("written", token=token, content={"a": 1})
    path.write_text(damage)
    read = call("acquired", token=token)
    assert (read["problem"], read["content"]) == ("damaged", {}) and read["detail"]
    assert call("written", token=token, content={"a": 2})["sequence"] == 1
    assert call("read")["content"] == {"a": 2}


def test_b02_a_journal_of_another_name_is_foreign_and_can_be_replaced(call: Call) -> None:
    token = call("acquired", subject="mx2.example.nl")["token"]
    call("written", token=token, content={"a": 1}, subject="mx2.example.nl")
    assert call("read")["problem"] == "foreign"
    assert call("written", token=token, content={"a": 2})["sequence"] == 2


def test_check_mode_takes_and_writes_nothing(call: Call, path: pathlib.Path) -> None:
    assert call("acquired", check=True)["token"] == ""
    assert not path.parent.exists()
    token = call("acquired", holder="one")["token"]
    assert call("acquired", check=True)["lock"] == "one"
    assert call("written", check=True, token="", content={"a": 1}, events=[EVENT])["changed"]
    call("released", check=True, token=token)
    assert call("read")["problem"] == "missing" and call("read")["lock"] == "one"


def test_a_place_that_cannot_be_written_is_named(call: Call, path: pathlib.Path) -> None:
    path.parent.write_text("a file in the way")
    assert str(path.parent) in call("acquired")["msg"]


def test_everything_returned_is_documented(call: Call) -> None:
    documented = set(yaml.safe_load(rotation_journal.RETURN)) | {"changed"}
    taken = call("acquired")
    written = call("written", token=taken["token"], content={})
    assert {*taken, *written, *call("read")} == documented


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "mx.journal"}, "path is 'mx.journal': give the absolute path"),
        ({"seconds": 0}, "seconds is 0: a lease lasts more than 0 seconds"),
        ({"seconds": -5}, "seconds is -5"),
        ({"seconds": "nan"}, "seconds is nan"),
        ({"seconds": "inf"}, "seconds is inf: a lease lasts more than 0 seconds, and ends"),
    ],
)
def test_a_path_or_duration_that_keeps_nobody_away_is_refused(
    call: Call, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, t.Any], words: str
) -> None:
    monkeypatch.chdir(path.parent.parent)
    refused = call("acquired", holder="one", **options)
    assert refused["failed"] and words in refused["msg"]
    assert list(path.parent.parent.iterdir()) == []
