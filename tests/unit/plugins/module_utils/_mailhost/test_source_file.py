# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys and chains as other programs keep them: links of certbot and dehydrated, group ssl-cert; what is not safe."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import openssl as mailhost_openssl
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.certificate_files import Files, FilesError

NOT_ROOT = os.geteuid() != 0


@pytest.fixture
def certbot(tmp_path: pathlib.Path) -> pathlib.Path:
    """A lineage as certbot keeps it after one renewal (permissions and relative links as certbot 2.1 makes them)."""
    base = tmp_path / "letsencrypt"
    for name in ("archive/mx", "live/mx"):
        (base / name).mkdir(parents=True)
    for name in ("archive", "live"):
        (base / name).chmod(0o700)
    for number in (1, 2):
        for what, mode in (("privkey", 0o600), ("fullchain", 0o644)):
            file = base / "archive" / "mx" / f"{what}{number}.pem"
            file.write_text(f"{what} {number}")
            file.chmod(mode)
    for what in ("privkey", "fullchain"):
        (base / "live" / "mx" / f"{what}.pem").symlink_to(f"../../archive/mx/{what}2.pem")
    return base


def read(path: pathlib.Path | str, private: bool = True) -> str | None:
    openssl = mailhost_openssl.Openssl(lambda _argv, _data: (1, "", ""), "openssl")
    return Files("/nowhere", openssl).read_source(str(path), private)


def refused(path: pathlib.Path, private: bool = True) -> str:
    with pytest.raises(FilesError) as told:
        read(path, private)
    return str(told.value)


def test_r06_the_layout_of_certbot(certbot: pathlib.Path) -> None:
    assert read(certbot / "live/mx/privkey.pem") == "privkey 2"
    assert read(certbot / "live/mx/fullchain.pem", private=False) == "fullchain 2"


def test_r06_links_to_links_and_linked_directories(certbot: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Panels and administrators lay links to those of certbot, or move its directory."""
    (tmp_path / "ssl").mkdir()
    (tmp_path / "ssl/mail.key").symlink_to(certbot / "live/mx/privkey.pem")
    assert read(tmp_path / "ssl/mail.key") == "privkey 2"
    moved = tmp_path / "elsewhere"
    certbot.rename(moved)
    certbot.symlink_to("elsewhere")
    assert read(certbot / "live/mx/../mx/./privkey.pem") == "privkey 2"


def test_r06_a_key_of_group_ssl_cert(tmp_path: pathlib.Path) -> None:
    """Debian: /etc/ssl/private, 0710 root:ssl-cert, with keys of mode 0640."""
    private = tmp_path / "private"
    private.mkdir()
    private.chmod(0o710)
    key = private / "ssl-cert-snakeoil.key"
    key.write_text("key")
    key.chmod(0o640)
    assert read(key) == "key"
    for mode, wanted in ((0o644, "0640"), (0o660, "0640"), (0o602, "0600")):
        key.chmod(mode)
        said = refused(key)
        assert f"{key} has mode {mode:04o}" in said and f"Run: chmod {wanted} {key}" in said
    key.chmod(0o664)
    assert "only its owner may write it. Run: chmod 0644" in refused(key, private=False)


def test_a_file_that_is_not_there(certbot: pathlib.Path) -> None:
    assert read("/nowhere/key.pem") is None
    (certbot / "archive/mx/privkey2.pem").unlink()
    said = refused(certbot / "live/mx/privkey.pem")
    assert "points to nothing" in said and f"ls -l {certbot}/live/mx/privkey.pem" in said


def test_what_is_not_an_ordinary_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    assert "in a circle" in refused(tmp_path / "circle")
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "link").symlink_to("pipe")
    assert "is not an ordinary file" in refused(tmp_path / "link")
    assert "is not an ordinary file" in refused(tmp_path)
    (tmp_path / "big").write_bytes(b"x" * 300_000)
    (tmp_path / "big").chmod(0o600)
    assert "more than 262144 bytes" in refused(tmp_path / "big")
    (tmp_path / "under").symlink_to("big/key.pem")
    assert "cannot be read" in refused(tmp_path / "under")


@pytest.mark.parametrize("place", ["live/mx", "live", "archive/mx", "."])
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_link_that_others_could_redirect(certbot: pathlib.Path, place: str, mode: int) -> None:
    (certbot / place).chmod(mode)
    said = refused(certbot / "live/mx/privkey.pem")
    directory = os.path.normpath(certbot / place)
    assert f"directory {directory} has mode {mode:04o}" in said and f"chmod go-w {directory}" in said
    # In a directory like /tmp others cannot replace what is ours.
    (certbot / place).chmod(0o1777)
    assert read(certbot / "live/mx/privkey.pem") == "privkey 2"


@pytest.mark.skipif(NOT_ROOT, reason="not run: giving files away needs root")
def test_owners(certbot: pathlib.Path) -> None:
    link = certbot / "live/mx/privkey.pem"
    os.chown(certbot / "archive/mx/privkey2.pem", 1234, 0)
    said = refused(link)
    assert f"{link} leads to {certbot}/archive/mx/privkey2.pem, which belongs to user number 1234" in said
    assert f"Run: chown root {certbot}/archive/mx/privkey2.pem" in said
    os.chown(certbot / "archive/mx/privkey2.pem", 0, 4321)
    os.chown(certbot / "live", 1234, 0)
    assert "live belongs to user number 1234" in refused(link)
    os.chown(certbot / "live", 0, 0)
    # A link of somebody else in a directory like /tmp.
    (certbot / "live/mx").chmod(0o1777)
    os.lchown(link, 1234, 0)
    assert "has mode 1777" in refused(link)


@pytest.mark.skipif(shutil.which("certbot") is None, reason="not run: certbot is not installed")
def test_r06_a_lineage_that_certbot_itself_makes(tmp_path: pathlib.Path) -> None:
    made = subprocess.run(
        ["/usr/bin/python3", "-c", _MAKE, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert not made.returncode, made.stderr
    assert read(tmp_path / "live/mx.example.nl/privkey.pem") == "key 2\n"
    assert read(tmp_path / "live/mx.example.nl/fullchain.pem", private=False) == "certificate 2\nchain 2\n"


#: By the package of the system, because the Python of the tests need not have it.
_MAKE = """
import sys
from certbot import configuration
from certbot._internal import cli, storage
from certbot._internal.plugins import disco
words = ["certonly", "--standalone", "-d", "mx.example.nl"]
for name in ("config", "work", "logs"):
    words += [f"--{name}-dir", sys.argv[1]]
plugins = disco.PluginsRegistry.find_all()
parsed = cli.prepare_and_parse_args(plugins, words)
config = parsed if isinstance(parsed, configuration.NamespaceConfig) else configuration.NamespaceConfig(parsed)
made = storage.RenewableCert.new_lineage("mx.example.nl", b"certificate 1\\n", b"key 1\\n", b"chain 1\\n", config)
made.save_successor(1, b"certificate 2\\n", b"key 2\\n", b"chain 2\\n", config)
made.update_all_links_to(2)
"""
