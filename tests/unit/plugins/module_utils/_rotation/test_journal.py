# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal on disk (B02): every way to lose it is recognised, and no crash leaves half of one."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._clock import (
    Moment,
    possibly_elapsed,
    proven_elapsed,
    remembered,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal, journal_file
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.journal import Document, JournalError
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.journal_file import LeaseHeld

SUBJECT, HOST = "mx.example.nl", "0123456789abcdef"
NOW = Moment(1_000_000.0, 500.0, "boot")


def _document(sequence: int = 0, **content: t.Any) -> Document:
    return Document(SUBJECT, HOST, sequence, content or {"age": 1.5})


def _later(seconds: float, boot: str = "boot") -> Moment:
    return Moment(NOW.wall + seconds, NOW.monotonic + seconds, boot)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    return str(tmp_path / "journal")


@pytest.fixture
def token(path: str) -> str:
    return journal_file.acquire(path, "test", 60, NOW).token


def _problem(call: t.Callable[[], t.Any]) -> str:
    with pytest.raises(JournalError) as caught:
        call()
    return caught.value.problem


def test_what_was_written_is_read_again() -> None:
    document = Document(SUBJECT, HOST, 7, {"é": [1, None, {"x": 0.25}]}, ({"at": 1.0, "event": "start"},))
    assert journal.decode(journal.encode(document), SUBJECT, HOST) == document


def test_every_truncation_is_damaged() -> None:
    text = journal.encode(_document())
    for length in range(len(text) - 1):
        assert _problem(lambda cut=text[:length]: journal.decode(cut, SUBJECT, HOST)) == "damaged"


def test_every_changed_byte_is_noticed() -> None:
    text = journal.encode(_document(5, rrsets=[], owned=["3 1 1 ab"]))
    for place in range(len(text) - 1):
        changed = text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]
        with pytest.raises(JournalError):
            journal.decode(changed, SUBJECT, HOST)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "1e999", "[" * 100_000, '{"format": "other"}'])
def test_other_content_is_damaged(text: str) -> None:
    assert _problem(lambda: journal.decode(text, SUBJECT, HOST)) == "damaged"


def test_a_copy_from_elsewhere_is_foreign() -> None:
    text = journal.encode(_document())
    assert _problem(lambda: journal.decode(text, "mx2.example.nl", HOST)) == "foreign"
    assert _problem(lambda: journal.decode(text, SUBJECT, "fedcba9876543210")) == "foreign"


def test_a_newer_version_is_not_taken_for_lost() -> None:
    body = json.loads(journal.encode(_document()))
    body["version"] = 2
    problem = _problem(lambda: journal.decode(json.dumps(body), SUBJECT, HOST))
    assert problem == "newer" and problem not in journal.LOST


def test_a_missing_file_is_missing(path: str) -> None:
    assert _problem(lambda: journal_file.read(path, SUBJECT, HOST)) == "missing"


def test_old_events_make_room() -> None:
    events = tuple({"at": float(number)} for number in range(journal.MAX_EVENTS + 10))
    kept = journal.decode(journal.encode(Document(SUBJECT, HOST, 0, {}, events)), SUBJECT, HOST).events
    assert kept == events[10:]


def test_a_sequence_of_writes_leaves_one_file(path: str, token: str) -> None:
    for sequence in range(3):
        journal_file.write(path, _document(sequence), token, NOW)
    assert journal_file.read(path, SUBJECT, HOST).sequence == 2
    assert journal_file.release(path, token)
    assert os.listdir(os.path.dirname(path)) == ["journal"]
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_nobody_writes_over_what_they_have_not_read(path: str, token: str) -> None:
    journal_file.write(path, _document(0), token, NOW)
    journal_file.write(path, _document(1), token, NOW)
    assert _problem(lambda: journal_file.write(path, _document(1, other=1), token, NOW)) == "unwritable"
    assert journal_file.read(path, SUBJECT, HOST) == _document(1)


def test_a_worthless_journal_may_be_replaced(path: str, token: str) -> None:
    pathlib.Path(path).write_text("{", encoding="ascii")
    journal_file.write(path, _document(0), token, NOW)
    assert journal_file.read(path, SUBJECT, HOST) == _document(0)


def test_a_newer_journal_may_not_be_replaced(path: str, token: str) -> None:
    body = json.loads(journal.encode(_document()))
    pathlib.Path(path).write_text(json.dumps({**body, "version": 2}), encoding="ascii")
    assert _problem(lambda: journal_file.write(path, _document(0), token, NOW)) == "newer"


def test_writing_needs_the_lease(path: str) -> None:
    assert _problem(lambda: journal_file.write(path, _document(), "guess", NOW)) == "lost"
    lease = journal_file.acquire(path, "one", 60, NOW)
    assert _problem(lambda: journal_file.write(path, _document(), lease.token, _later(61))) == "lost"
    assert not os.path.exists(path)


def test_one_holder_at_a_time_until_expiry(path: str) -> None:
    first = journal_file.acquire(path, "first", 60, NOW)
    with pytest.raises(LeaseHeld, match="first holds the lease"):
        journal_file.acquire(path, "second", 60, _later(59))
    assert journal_file.holder(path, _later(59)) == "first"
    second = journal_file.acquire(path, "second", 60, _later(60))
    assert _problem(lambda: journal_file.write(path, _document(), first.token, _later(61))) == "lost"
    assert _problem(lambda: journal_file.renew(path, first.token, 60, _later(61))) == "lost"
    assert not journal_file.release(path, first.token)
    journal_file.write(path, _document(), second.token, _later(61))


def test_renewing_prolongs(path: str) -> None:
    lease = journal_file.acquire(path, "one", 60, NOW)
    journal_file.renew(path, lease.token, 60, _later(50))
    assert journal_file.holder(path, _later(100)) == "one"
    assert journal_file.holder(path, _later(111)) == ""


def test_a_clock_that_jumps_neither_ends_a_lease_nor_prolongs_ours(path: str) -> None:
    lease = journal_file.acquire(path, "one", 60, NOW)
    jumped = Moment(NOW.wall + 86400, NOW.monotonic + 1, "boot")
    assert lease.left(jumped) == 59
    assert lease.surely_left(jumped) < 0


def test_an_unreadable_lease_is_no_invitation(path: str) -> None:
    pathlib.Path(f"{path}.lease").write_text("{}", encoding="ascii")
    assert _problem(lambda: journal_file.acquire(path, "one", 60, NOW)) == "damaged"


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
def test_a_full_disk_leaves_the_former_journal(
    path: str, token: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal_file.write(path, _document(0), token, NOW)

    def full(*_args: t.Any, **_kwargs: t.Any) -> t.NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    real_open, real_os_open = open, os.open

    def open_full(file: t.Any, mode: str = "r", **more: t.Any) -> t.Any:
        return full() if mode == "wb" else real_open(file, mode, **more)

    def os_open_full(name: str, *more: t.Any) -> int:
        return full() if name.endswith(".new") else real_os_open(name, *more)

    if call == "write":
        monkeypatch.setattr("builtins.open", open_full)
    else:
        monkeypatch.setattr(os, call, os_open_full if call == "open" else full)
    with pytest.raises(JournalError, match="No space left on device"):
        journal_file.write(path, _document(1), token, NOW)
    monkeypatch.undo()
    assert journal_file.read(path, SUBJECT, HOST) == _document(0)
    assert sorted(os.listdir(os.path.dirname(path))) == ["journal", "journal.lease"]


def test_a_really_full_disk(path: str, token: str) -> None:
    """A limit on the size of files fails the write as a full disk does, in the kernel."""
    import resource
    import signal

    journal_file.write(path, _document(0), token, NOW)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))
    try:
        assert _problem(lambda: journal_file.write(path, _document(1, long="x" * 5000), token, NOW)) == "unwritable"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert journal_file.read(path, SUBJECT, HOST) == _document(0)


def test_a_symbolic_link_in_the_way_is_not_followed(path: str, token: str, tmp_path: pathlib.Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="ascii")
    os.symlink(victim, f"{path}.new")
    assert _problem(lambda: journal_file.write(path, _document(0), token, NOW)) == "unwritable"
    assert victim.read_text(encoding="ascii") == "precious"


@pytest.mark.parametrize("call", ["os.open", "os.fsync", "os.replace", "os.close"])
def test_killed_anywhere_it_is_the_old_or_the_new_one(path: str, token: str, call: str) -> None:
    """A process that dies at the n-th system call of a write, for every n, leaves a whole journal."""
    journal_file.write(path, _document(0), token, NOW)
    seen = set()
    for number in range(1, 8):
        before = journal_file.read(path, SUBJECT, HOST).sequence
        subprocess.run(
            [sys.executable, "-c", _KILLED, path, token, call, str(number), str(before + 1)],
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=60,
        )
        after = journal_file.read(path, SUBJECT, HOST).sequence
        assert after in (before, before + 1)
        seen.add(after - before)
    assert seen == {0, 1}
    last = journal_file.read(path, SUBJECT, HOST).sequence
    journal_file.write(path, _document(last + 1), token, NOW)
    journal_file.release(path, token)
    assert os.listdir(os.path.dirname(path)) == ["journal"]


_KILLED = """
import os, signal, sys
from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal_file
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.journal import Document
path, token, call, number, sequence = sys.argv[1:]
name, left = call.removeprefix("os."), [int(number)]
real = getattr(os, name)
def dying(*args, **kwargs):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
setattr(os, name, dying)
document = Document("mx.example.nl", "0123456789abcdef", int(sequence), {"age": 1.5})
journal_file.write(path, document, token, Moment(1_000_000.0, 500.0, "boot"))
"""


def test_two_processes_never_hold_the_lease_at_once(path: str) -> None:
    code = (
        "import sys\n"
        "from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal_file\n"
        "from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment\n"
        "try:\n"
        "    journal_file.acquire(sys.argv[1], sys.argv[2], 60, Moment(1.0, 1.0, 'boot'))\n"
        "except journal_file.LeaseHeld:\n"
        "    sys.exit(3)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen([sys.executable, "-c", code, path, str(n)], env=environment) for n in range(4)]
    assert sorted(process.wait(timeout=60) for process in running) == [0, 3, 3, 3]


def test_the_smaller_clock_wins() -> None:
    assert proven_elapsed(NOW, Moment(NOW.wall + 100, NOW.monotonic + 10, "boot")) == 10
    assert proven_elapsed(NOW, Moment(NOW.wall + 10, NOW.monotonic + 100, "boot")) == 10
    assert proven_elapsed(NOW, Moment(NOW.wall + 100, 3.0, "other boot")) == 100
    assert proven_elapsed(NOW, Moment(NOW.wall - 100, NOW.monotonic + 10, "boot")) == 0
    assert proven_elapsed(None, NOW) == 0
    assert possibly_elapsed(NOW, Moment(NOW.wall + 100, NOW.monotonic + 10, "boot")) == 100
    assert possibly_elapsed(NOW, Moment(NOW.wall - 100, 3.0, "other boot")) == float("inf")
    assert possibly_elapsed(None, NOW) == float("inf")


def _proven(readings: list[Moment]) -> float:
    total, last = 0.0, None
    for reading in readings:
        total += proven_elapsed(last, reading)
        last = remembered(last, reading)
    return total


def test_a_clock_that_catches_up_proves_nothing() -> None:
    readings = [Moment(1000, 50, "boot"), Moment(1207, 57, "boot"), Moment(814, 64, "boot"), Moment(1021, 3671, "boot")]
    assert _proven(readings) == 7 <= 21
    # Two controllers, one of them 90 seconds behind, take turns; which of them is right nobody knows.
    turns = [Moment(1000 + 30 * turn - 90 * (turn % 2), turn, f"boot {turn % 2}") for turn in range(101)]
    assert _proven(turns) == 3000


def test_a_clock_that_was_ahead_once_costs_one_interval() -> None:
    readings = [Moment(wall, 100 * turn, "boot") for turn, wall in enumerate((1000, 9_001_000, 1200, 1300, 1400))]
    assert _proven(readings) == 300


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(-200, 200)), min_size=1, max_size=30))
def test_errors_of_the_wall_clock_do_not_add_up(looks: list[tuple[int, int]]) -> None:
    true = [sum(gap for gap, _error in looks[: number + 1]) for number in range(len(looks))]
    walls = [at + error for at, (_gap, error) in zip(true, looks, strict=True)]
    readings = [Moment(wall, 0, f"boot {number}") for number, wall in enumerate(walls)]
    assert _proven(readings) <= true[-1] - true[0] + 400


def test_only_the_standard_library_is_imported_on_a_mail_host() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from ansible_collections.mailsec.dane.plugins.module_utils._rotation import journal_file\n"
        "print('\\n'.join(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"ansible_collections"} <= sys.stdlib_module_names
