# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key and certificates as files, with the real openssl command: proven, switched, interrupted everywhere (F04, F05)."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import types
import typing as t

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from support.authority import Authority

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import certificate_files as core
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import openssl
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.certificate_files import Files, FilesError, Wish

HOST = "mx.example.nl"
OPENSSL = shutil.which("openssl") or "openssl is not installed"
AUTHORITY = Authority()
OTHER = Authority()
CALLS: list[list[str]] = []


def run(argv: list[str], data: str) -> tuple[int, str, str]:
    CALLS.append(argv)
    done = subprocess.run(argv, input=data, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


COMMAND = openssl.Openssl(run, OPENSSL)


def files(path: pathlib.Path, change: bool = True) -> Files:
    return Files(str(path / "dane"), COMMAND, change)


def wish(names: tuple[str, ...] = (HOST,), authority: Authority = AUTHORITY, **more: t.Any) -> Wish:
    return Wish(names, core.read_chain(authority.issuers, "issuers"), **more)


def obtain(
    made: Files, asked: Wish, slot: str = core.STAGED, authority: Authority = AUTHORITY, days: int = 90
) -> list[str]:
    """What the role does up to staging: prepare, sign, stage. Gives the reasons for a new certificate."""
    reasons, request = made.prepare(slot, asked)
    if request:
        signed = authority.certificate(request, days) + authority.issuers
        made.stage(slot, core.read_chain(signed, "signed"), asked.names)
    return reasons


def roll_out(path: pathlib.Path, asked: Wish | None = None, **more: t.Any) -> list[str]:
    """The whole role; gives what it changed."""
    made, asked = files(path), asked or wish()
    with made.locked():
        obtain(made, asked, **more)
        made.deploy(core.STAGED, asked.names)
    return made.actions


def rotate(path: pathlib.Path) -> None:
    made = files(path)
    with made.locked():
        obtain(made, wish(), core.NEXT)
        made.deploy(core.NEXT, (HOST,), new_key=True)


def tree(path: pathlib.Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def live_key(path: pathlib.Path) -> str:
    """The digest a 3 1 1 record of the live certificate has, by the openssl command and the certificate alone."""
    certificate = path / "dane/live/chain.pem"
    command = f"{OPENSSL} x509 -in {certificate} -noout -pubkey | {OPENSSL} pkey -pubin -outform DER"
    der = subprocess.run(["/bin/bash", "-c", command], capture_output=True, check=True).stdout
    return hashlib.sha256(der).hexdigest()


@pytest.fixture
def place(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory with a certificate that is live."""
    roll_out(tmp_path)
    return tmp_path


def test_first_deployment(tmp_path: pathlib.Path) -> None:
    """F04, F05: the owner's key, the host name in SAN, the chain up to the root, in the order Postfix asks for."""
    actions = roll_out(tmp_path)
    assert f"write {tmp_path}/dane/live/keychain.pem" in actions
    base = tmp_path / "dane"
    modes = {str(p.relative_to(base)): stat.S_IMODE(p.stat().st_mode) for p in base.rglob("*")}
    assert modes == {
        "live": 0o755, "live/keychain.pem": 0o600, "live/chain.pem": 0o644,
        "staged": 0o700, "staged/key.pem": 0o600, "staged/chain.pem": 0o644,
        "next": 0o700, "previous": 0o700,
    }  # fmt: skip
    text = (base / "live/keychain.pem").read_text()
    assert [line for line in text.splitlines() if line.startswith("-----BEGIN")] == [
        "-----BEGIN PRIVATE KEY-----", *["-----BEGIN CERTIFICATE-----"] * 3,
    ]  # fmt: skip
    assert text == (base / "staged/key.pem").read_text() + (base / "live/chain.pem").read_text()
    leaf = x509.load_pem_x509_certificate((base / "live/chain.pem").read_bytes())
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == [HOST]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        x509.ExtendedKeyUsageOID.SERVER_AUTH
    ]


def test_a_second_run_changes_nothing(place: pathlib.Path) -> None:
    before = {name: os.stat(place / name).st_mtime_ns for name in tree(place)}
    assert roll_out(place) == []
    assert {name: os.stat(place / name).st_mtime_ns for name in tree(place)} == before


@pytest.mark.parametrize("why", ["days", "names", "issuers", "damaged"])
def test_a_renewal_keeps_the_key(place: pathlib.Path, why: str) -> None:
    """F13 without its cause: same key, so 3 1 1 stays true; the former pair is kept."""
    before, key = tree(place), live_key(place)
    asked, authority = wish(), AUTHORITY
    if why == "days":
        asked = wish(renew_days=91)
    elif why == "names":
        asked = wish((HOST, "mail.example.nl"))
    elif why == "issuers":
        authority = OTHER
        asked = wish(authority=OTHER)
    else:
        (place / "dane/staged/chain.pem").write_text("-----BEGIN CERTIFICATE-----\nMII")
    roll_out(place, asked, authority=authority, days=120)
    after = tree(place)
    assert live_key(place) == key
    assert after["dane/live/keychain.pem"] != before["dane/live/keychain.pem"]
    assert after["dane/previous/keychain.pem"] == before["dane/live/keychain.pem"]
    assert after["dane/previous/chain.pem"] == before["dane/live/chain.pem"]
    assert roll_out(place, asked, authority=authority, days=120) == []


def test_reasons_are_told(place: pathlib.Path) -> None:
    made = files(place)
    soon = Authority(days=20)
    assert made.prepare(core.STAGED, wish(renew_days=91))[0] == ["CN=mx.example.nl has 90 days left"]
    assert made.prepare(core.STAGED, wish(("a.nl",)))[0] == ["its names are mx.example.nl"]
    assert made.prepare(core.STAGED, wish(authority=soon))[0] == ["the certificates of the authority changed"]
    roll_out(place, wish(authority=soon), authority=soon)
    assert files(place).prepare(core.STAGED, wish(authority=soon, renew_days=30))[0][0] == "CN=Issuing has 20 days left"


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


EFFECTS = ("rename", "unlink", "link", "mkdir", "chmod", "open", "fsync")


def killed_at(monkeypatch: pytest.MonkeyPatch, number: int, before: bool) -> t.Callable[[], bool]:
    """Let the process die right before or right after its ``number``-th effect on files; says whether it did."""
    count = 0
    died = False

    def guarded(name: str, original: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            nonlocal count, died
            effect = name != "open" or args[1] & os.O_CREAT
            count += bool(effect)
            if effect and count == number and before:
                died = True
                raise Killed
            result = original(*args, **kwargs)
            if effect and count == number and not before:
                died = True
                raise Killed
            return result

        return call

    replaced = {name: guarded(name, getattr(os, name)) for name in EFFECTS}
    monkeypatch.setattr(core, "os", types.SimpleNamespace(**{**vars(os), **replaced}))
    return lambda: died


def serves(path: pathlib.Path) -> bool:
    """Say whether what the mail server would read now is a whole, proven pair."""
    made = files(path)
    pair = made.live()
    if pair is None:
        return False
    made.prove(pair, (HOST,), "live")
    return True


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("story", ["first", "renewal", "rotation"])
def test_killed_anywhere_the_next_run_completes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, story: str, before: bool
) -> None:
    """Right before and right after every effect of every story: what is live is whole, and the next run converges."""
    number, start = 0, tmp_path / "start"
    start.mkdir()
    if story != "first":
        roll_out(start, days=60)
        key = live_key_of(start)
    while True:
        number += 1
        path = tmp_path / str(number)
        shutil.copytree(start, path)
        with monkeypatch.context() as patched:
            died = killed_at(patched, number, before)
            with contextlib.suppress(Killed):
                rotate(path) if story == "rotation" else roll_out(path, wish(renew_days=80))
        if not died():
            break
        assert serves(path) or story == "first"
        went_live = story == "rotation" and serves(path) and live_key_of(path) != key
        if story == "rotation" and not went_live:
            rotate(path)
        roll_out(path, wish(renew_days=0 if story == "rotation" else 80))
        assert serves(path)
        assert (story == "rotation") == (story != "first" and live_key_of(path) != key)
        left = tree(path)
        assert not [name for name in left if name.endswith(".new")]
        chain = left["dane/live/chain.pem"]
        assert left["dane/live/keychain.pem"] == left["dane/staged/key.pem"] + left["dane/staged/chain.pem"]
        assert left["dane/live/keychain.pem"].endswith(chain)
        assert roll_out(path, wish(renew_days=0 if story == "rotation" else 80)) == []
    assert number > 5


def live_key_of(path: pathlib.Path) -> str:
    made = files(path)
    pair = made.live()
    assert pair
    return hashlib.sha256(made.public_key(pair.key, "live")).hexdigest()


def test_a_lost_public_part_is_derived_again(place: pathlib.Path) -> None:
    before = tree(place)
    for name in ("live/chain.pem", "staged/chain.pem", "staged/key.pem"):
        os.unlink(place / "dane" / name)
    made = files(place)
    with made.locked():
        assert made.prepare(core.STAGED, wish()) == ([], "")
        assert made.deploy(core.STAGED, (HOST,)) is False
    assert tree(place) == before


def test_rotation_takes_the_next_key_and_keeps_the_old_pair(place: pathlib.Path) -> None:
    old = live_key(place)
    made = files(place)
    with made.locked():
        obtain(made, wish(), core.NEXT)
        assert live_key(place) == old
        with pytest.raises(FilesError, match="is not the key in use"):
            made.deploy(core.NEXT, (HOST,))
        assert live_key(place) == old
        assert made.deploy(core.NEXT, (HOST,), new_key=True) is True
        new = live_key(place)
        assert new != old
        assert made.deploy(core.NEXT, (HOST,), new_key=True) is False
    assert roll_out(place) == []
    obtained = files(place)
    obtain(obtained, wish(), core.NEXT)
    following = hashlib.sha256(obtained.public_key(t.cast("str", obtained.key(core.NEXT)), "next")).hexdigest()
    assert following not in (old, new) and live_key(place) == new


def test_an_unplanned_key_is_never_deployed(place: pathlib.Path) -> None:
    before = tree(place)
    run([OPENSSL, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-out", str(place / "dane/staged/key.pem")], "")  # fmt: skip
    for attempt in (
        lambda made: made.prepare(core.STAGED, wish()),
        lambda made: made.deploy(core.STAGED, (HOST,), new_key=True),
    ):
        with pytest.raises(FilesError, match=r"have different keys.*mailsec.dane.finish"):
            attempt(files(place))
    after = tree(place)
    assert {name: after[name] for name in after if "/live/" in name} == {
        name: before[name] for name in before if "/live/" in name
    }


def go_back(path: pathlib.Path) -> None:
    made = files(path)
    with made.locked():
        made.go_back((HOST,))


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_b02_the_way_back_ends_on_one_side_wherever_it_is_killed(
    place: pathlib.Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """Going back leaves the former pair live and the other one the next; killed anywhere, the next run settles it."""
    old = live_key(place)
    rotate(place)
    new, number = live_key(place), 0
    while True:
        number += 1
        path = place / str(number)
        shutil.copytree(place / "dane", path / "dane")
        with monkeypatch.context() as patched:
            died = killed_at(patched, number, before)
            with contextlib.suppress(Killed):
                go_back(path)
        assert serves(path)
        # Settled by whatever comes next, here the role that keeps the key.
        assert roll_out(path) is not None
        assert live_key(path) in (old, new) and roll_out(path) == []
        if not died():
            break
    assert live_key(path) == old and number > 4
    rotate(path)
    assert live_key(path) == new


def test_there_is_no_way_back_to_what_was_not_just_replaced(place: pathlib.Path) -> None:
    with pytest.raises(FilesError, match="nothing to go back to"):
        go_back(place)
    rotate(place)
    made = files(place)
    with made.locked():
        obtain(made, wish(), core.NEXT)
    with pytest.raises(FilesError, match="was not deployed from there"):
        go_back(place)


def test_f16_only_the_planned_key_is_deployed(place: pathlib.Path) -> None:
    old, made = live_key(place), files(place)
    with made.locked():
        obtain(made, wish(), core.NEXT)
        with pytest.raises(FilesError, match="is not the one that was planned"):
            made.deploy(core.NEXT, (HOST,), new_key=True, planned=old)
        assert live_key(place) == old
        planned = hashlib.sha256(made.public_key(t.cast("str", made.key(core.NEXT)), "next")).hexdigest()
        assert made.deploy(core.NEXT, (HOST,), new_key=True, planned=planned) is True
    assert live_key(place) == planned


def test_f16_the_planned_key_takes_the_place_of_an_intruder(place: pathlib.Path) -> None:
    planned, live = live_key(place), place / "dane/live"
    rogue = place / "rogue"
    roll_out(rogue)
    shutil.copy(rogue / "dane/live/keychain.pem", live)
    made = files(place)
    with made.locked():
        with pytest.raises(FilesError, match="have different keys"):
            made.deploy(core.STAGED, (HOST,), new_key=True)
        assert made.deploy(core.STAGED, (HOST,), new_key=True, planned=planned) is True
    assert live_key(place) == planned and roll_out(place) == []


def test_f16_another_ca_is_deployed_only_when_that_is_allowed(place: pathlib.Path) -> None:
    before, made = tree(place), files(place)
    with made.locked():
        obtain(made, wish(authority=OTHER), authority=OTHER)
        with pytest.raises(FilesError, match=r"issued by another CA .*rotate_ca"):
            made.deploy(core.STAGED, (HOST,), new_issuer=False)
        assert tree(place)["dane/live/keychain.pem"] == before["dane/live/keychain.pem"]
        assert made.deploy(core.STAGED, (HOST,), new_issuer=True) is True


def test_a_certificate_of_another_key_is_refused(place: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Bad input: certificate without key match."""
    stranger = tmp_path_factory.mktemp("stranger")
    roll_out(stranger)
    before = tree(place)
    chain = core.read_chain((stranger / "dane/live/chain.pem").read_text(), "x")
    with pytest.raises(FilesError, match="does not belong to the first certificate"):
        files(place).stage(core.STAGED, chain, (HOST,))
    assert tree(place) == before


def test_chains_that_do_not_serve_are_refused(place: pathlib.Path) -> None:
    """Bad input: expired, other names, wrong order, missing or foreign issuer, a CA that may not."""
    before = tree(place)
    made = files(place)
    _reasons, request = made.prepare(core.STAGED, wish(renew_days=100))
    leaf, expired = AUTHORITY.certificate(request), AUTHORITY.certificate(request, days=-2)
    issuing, root = AUTHORITY.issuing, AUTHORITY.root
    for text, rule in (
        (expired + issuing + root, "certificate has expired"),
        (leaf + root + issuing, "certificate 1 .* was not issued by certificate 2"),
        (leaf + root, "certificate 1 .* was not issued by certificate 2"),
        (leaf + OTHER.issuing + OTHER.root, "certificate 1 "),
        (leaf + issuing + OTHER.root, "certificate 2 .* was not issued by certificate 3"),
    ):
        with pytest.raises(FilesError, match=rule):
            made.stage(core.STAGED, core.read_chain(text, "x"), (HOST,))
    with pytest.raises(FilesError, match=r"for a mail server mail\.example\.nl: hostname mismatch"):
        made.stage(core.STAGED, core.read_chain(leaf + issuing + root, "x"), (HOST, "mail.example.nl"))
    assert tree(place) == before


@pytest.mark.parametrize("what", ["another host's", "expired", "a CA lost"])
def test_what_is_staged_is_proven_again_when_deployed(
    place: pathlib.Path, tmp_path_factory: pytest.TempPathFactory, what: str
) -> None:
    """Between staging and deployment somebody put another chain there, or time went by."""
    _reasons, request = files(place).prepare(core.STAGED, wish(renew_days=100))
    stranger = tmp_path_factory.mktemp("stranger")
    roll_out(stranger)
    chains = {
        "another host's": (stranger / "dane/live/chain.pem").read_text(),
        "expired": AUTHORITY.certificate(request, days=-2) + AUTHORITY.issuers,
        "a CA lost": AUTHORITY.certificate(request) + AUTHORITY.root,
    }
    (place / "dane/staged/chain.pem").write_text(chains[what])
    before = tree(place)
    with pytest.raises(FilesError, match=r"does not belong|has expired|was not issued by"):
        files(place).deploy(core.STAGED, (HOST,))
    assert tree(place) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x has no CERTIFICATE block"),
        ("hello", "x has no CERTIFICATE block"),
        ("-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----\n", "only: PUBLIC KEY"),
        (AUTHORITY.root[:-20], "x: PEM block 1 .* cut off"),
        (AUTHORITY.root.replace("MII", "M!I", 1), "x: PEM block 1 .* not base64"),
        ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "x: certificate 1: .*not a DER certificate"),
        (AUTHORITY.root * 11, "x has 11 certificates"),
    ],
)
def test_wrong_pem_names_file_and_rule(text: str, message: str) -> None:
    with pytest.raises(FilesError, match=message):
        core.read_chain(text, "x")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.text(max_size=60).map(lambda tail: AUTHORITY.root[:200] + tail))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (core.read_chain, core.read_key):
        try:
            read(text, "x")
        except FilesError:
            continue


def test_keys_that_servers_cannot_use_are_refused(place: pathlib.Path) -> None:
    path = place / "dane/staged/key.pem"
    key = path.read_text()
    secret = key.splitlines()[1]
    traditional = subprocess.run(
        [OPENSSL, "rsa", "-aes256", "-passout", "pass:x", "-traditional"],
        input=subprocess.run([OPENSSL, "genrsa", "2048"], capture_output=True, check=True).stdout,
        capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    encrypted = subprocess.run(
        [OPENSSL, "pkcs8", "-topk8", "-passout", "pass:x"], input=key.encode(), capture_output=True, check=True
    ).stdout.decode()
    for text, message in (
        ("", "key.pem has 0 private keys"),
        (key + key, "key.pem has 2 private keys"),
        (encrypted, "key.pem: the private key is encrypted"),
        (traditional, "key.pem: the private key is encrypted"),
        (key.replace(secret, "MAAA"), "key.pem: the private key cannot be read"),
        (key[:60], "key.pem: PEM block 1 .* cut off"),
    ):
        path.write_text(text)
        with pytest.raises(FilesError, match=message) as caught:
            files(place).prepare(core.STAGED, wish())
        assert secret not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="not run: giving files away needs root")
@pytest.mark.parametrize("name", ["staged/key.pem", "staged/chain.pem", "live/keychain.pem", "staged", "."])
def test_files_of_another_user_are_refused(place: pathlib.Path, name: str) -> None:
    """Bad input: key file of another user."""
    os.chown(place / "dane" / name, 12345, -1)
    made = files(place)
    with pytest.raises(FilesError, match="belongs to user number 12345"), made.locked():
        made.deploy(core.STAGED, (HOST,))


@pytest.mark.parametrize(
    ("name", "mode"),
    [("staged/key.pem", 0o640), ("live/keychain.pem", 0o604), ("staged/chain.pem", 0o666), ("live", 0o777)],
)
def test_files_open_to_others_are_refused(place: pathlib.Path, name: str, mode: int) -> None:
    os.chmod(place / "dane" / name, mode)
    made = files(place)
    with pytest.raises(FilesError, match=f"has mode {mode:04o}.*chmod 0[67][045][045]"), made.locked():
        made.deploy(core.STAGED, (HOST,))


def test_only_ordinary_files_are_read(place: pathlib.Path) -> None:
    """A link could point at anything, a pipe would never end, a big file fills memory."""
    path = place / "dane/staged/key.pem"
    path.rename(place / "elsewhere.pem")
    path.symlink_to(place / "elsewhere.pem")
    with pytest.raises(FilesError, match="cannot be read"):
        files(place).prepare(core.STAGED, wish())
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(FilesError, match="not an ordinary file"):
        files(place).prepare(core.STAGED, wish())
    path.unlink()
    path.write_bytes(b"x" * 300_000)
    path.chmod(0o600)
    with pytest.raises(FilesError, match="more than"):
        files(place).prepare(core.STAGED, wish())


def test_a_key_that_is_there_is_never_replaced(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = files(tmp_path)
    with made.locked():
        original = made._openssl.new_key

        def meanwhile(key_type: str, path: str) -> None:
            original(key_type, path)
            (tmp_path / "dane/staged/key.pem").write_text("somebody else's")

        monkeypatch.setattr(made._openssl, "new_key", meanwhile)
        with pytest.raises(FileExistsError):
            made.prepare(core.STAGED, wish())
    assert (tmp_path / "dane/staged/key.pem").read_text() == "somebody else's"


def test_two_runs_at_once_are_kept_apart(place: pathlib.Path) -> None:
    handle = os.open(place / "dane", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(FilesError, match="another run is at work"), files(place).locked():
            pass
    finally:
        os.close(handle)
    with files(place).locked():
        pass


def test_without_change_nothing_is_written_and_the_truth_is_told(tmp_path: pathlib.Path) -> None:
    planned = files(tmp_path, change=False)
    with planned.locked():
        assert planned.prepare(core.STAGED, wish()) == (["there is no key yet"], "")
    assert f"make an ecdsa-p256 key in {tmp_path}/dane/staged/key.pem" in planned.actions
    assert tree(tmp_path) == {} and not list(tmp_path.iterdir())

    roll_out(tmp_path)
    before = tree(tmp_path)
    planned, asked = files(tmp_path, change=False), wish(renew_days=91)
    with planned.locked():
        obtain(planned, asked, days=120)
        assert planned.deploy(core.STAGED, (HOST,)) is True
    assert tree(tmp_path) == before
    assert planned.actions == roll_out(tmp_path, asked, days=120)


def test_without_change_an_interrupted_run_is_seen_to_its_end(place: pathlib.Path) -> None:
    before = tree(place)
    for name in ("staged/chain.pem", "staged/key.pem"):
        os.unlink(place / "dane" / name)
    planned = files(place, change=False)
    with planned.locked():
        assert planned.prepare(core.STAGED, wish()) == ([], "")
        assert planned.prepare(core.STAGED, wish(renew_days=91))[1].startswith("-----BEGIN CERTIFICATE REQUEST-----")
        assert planned.deploy(core.STAGED, (HOST,)) is False
    assert [action.rsplit("/", 1)[1] for action in planned.actions] == ["chain.pem", "key.pem"]
    roll_out(place)
    assert tree(place) == before


def test_files_from_elsewhere(tmp_path: pathlib.Path) -> None:
    """F03: a certificate of another CA; its key is taken once, and kept from then on."""
    other = tmp_path / "other"
    other.mkdir()
    roll_out(other, wish(authority=OTHER), authority=OTHER)
    made = files(tmp_path)
    source = files(other)
    pair = source.live()
    assert pair
    with made.locked():
        made.stage(core.STAGED, pair.chain, (HOST,), pair.key)
        assert made.deploy(core.STAGED, (HOST,)) is True
        made.actions.clear()
        made.stage(core.STAGED, pair.chain, (HOST,), pair.key)
        assert made.deploy(core.STAGED, (HOST,)) is False and made.actions == []
        third = tmp_path / "third"
        third.mkdir()
        roll_out(third)
        foreign = files(third).live()
        assert foreign
        with pytest.raises(FilesError, match="a renewal keeps the key"):
            made.stage(core.STAGED, foreign.chain, (HOST,), foreign.key)
    assert live_key(tmp_path) == live_key(other)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "0 names"),
        (["mx"], "fully qualified"),
        (["mx.example.nl", "-a.nl"], "'-a.nl'"),
        (["192.0.2.1"], "fully qualified"),
        (["*.example.nl"], "fully qualified"),
        (["a.nl\nsubjectAltName=DNS:b.nl"], "fully qualified"),
        (["a.nl,DNS:b.nl"], "fully qualified"),
        (["bücher.example.nl"], "A-labels"),
        (["a" * 64 + ".nl"], "fully qualified"),
        ([f"h{n}.nl" for n in range(101)], "101 names"),
    ],
)
def test_names_that_are_no_host_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(FilesError, match=message):
        core.check_names(names)


def test_names_are_taken_in_order_and_once() -> None:
    assert core.check_names(["MX.example.nl.", "a.nl", "mx.example.nl"]) == ("mx.example.nl", "a.nl")


def test_a_name_too_long_for_a_common_name(tmp_path: pathlib.Path) -> None:
    """RFC 5280: over 64 characters there is no subject, and a critical subjectAltName."""
    name = ".".join(["a" * 30] * 3) + ".nl"
    roll_out(tmp_path, wish((name,)))
    leaf = x509.load_pem_x509_certificate((tmp_path / "dane/live/chain.pem").read_bytes())
    assert leaf.subject == x509.Name([])
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(openssl.KEY_TYPES))
def test_every_key_type(tmp_path: pathlib.Path, kind: str) -> None:
    roll_out(tmp_path, wish(key_type=kind))
    made = files(tmp_path)
    pair = made.live()
    assert pair and openssl.key_type_of(made.public_key(pair.key, "live")) == kind


def test_no_key_among_arguments_nor_in_descriptions(place: pathlib.Path) -> None:
    CALLS.clear()
    rotate(place)
    secrets = [line for name, data in tree(place).items() if "key" in name for line in data.decode().split("\n")[1:3]]
    made = files(place)
    told = f"{CALLS} {made.live()!r} {made.describe(made.live())} {made.actions}"
    assert len(CALLS) > 5 and secrets
    assert "PRIVATE" not in told and not any(secret in told for secret in secrets)
