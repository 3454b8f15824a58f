# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""F05: what a mail server cannot work with is named; keys and certificates are OpenSSL's own."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
from pathlib import Path

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.keychain_file import (
    first_fingerprint,
    leaf_fingerprints,
    problem,
)


def openssl(*words: str) -> str:
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True, timeout=60).stdout


def certificate(directory: Path, name: str, *key: str) -> tuple[str, str]:
    """Key and self-signed certificate as PEM."""
    out = [str(directory / f"{name}.{part}") for part in ("key", "crt")]
    openssl("req", "-x509", "-newkey", *key, "-nodes", "-keyout", out[0], "-out", out[1], "-subj", f"/CN={name}")
    return Path(out[0]).read_text(), Path(out[1]).read_text()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    directory = tmp_path_factory.mktemp("pairs")
    ec = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    return {
        "ec": certificate(directory, "ec", *ec),
        "other": certificate(directory, "other", *ec),
        "rsa": certificate(directory, "rsa", "rsa:2048"),
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("not run: a keychain belongs to root")
    path = tmp_path / "keychain.pem"
    path.touch(mode=0o600)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_f05_a_usable_keychain(pairs: dict[str, tuple[str, str]], file: Path, mode: int) -> None:
    file.write_text("".join([*pairs["ec"], *pairs["rsa"]]))
    file.chmod(mode)
    assert problem(str(file)) == ""
    leaves = [hashlib.sha256(ssl.PEM_cert_to_DER_cert(pairs[name][1])).hexdigest() for name in ("ec", "rsa")]
    assert list(leaf_fingerprints(str(file))) == leaves


def test_r05_parameters_of_a_curve_before_the_key(pairs: dict[str, tuple[str, str]], file: Path) -> None:
    parameters = openssl("ecparam", "-name", "prime256v1")
    assert parameters.startswith("-----BEGIN EC PARAMETERS")
    file.write_text(parameters + "".join(pairs["ec"]))
    assert problem(str(file)) == ""
    leaf = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pairs["ec"][1])).hexdigest()
    assert leaf_fingerprints(str(file)) == (leaf,) and first_fingerprint(str(file)) == leaf
    file.write_text(parameters + pairs["ec"][1] + pairs["ec"][0])
    assert "starts with a certificate" in problem(str(file))


def test_f05_the_certificate_behind_a_key_is_the_leaf_and_no_other(
    pairs: dict[str, tuple[str, str]], file: Path
) -> None:
    file.write_text(pairs["ec"][0] + pairs["ec"][1] + pairs["other"][1])
    assert len(leaf_fingerprints(str(file))) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{ec.1}{ec.0}", "starts with a certificate: the private key comes first"),
        ("{ec.0}", "has no certificate"),
        ("{other.0}{ec.1}", "the private key is not the key of the first certificate"),
        ("{rsa.0}{ec.1}", "the private key is not the key of the first certificate"),
        ("{ec.0}{other.1}{ec.1}", "the private key is not the key of the first certificate"),
        ("", "has nothing in PEM form"),
        ("hello", "has nothing in PEM form"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n{ec.1}", "OpenSSL cannot load"),
    ],
)  # fmt: skip
def test_f05_an_unusable_keychain(pairs: dict[str, tuple[str, str]], file: Path, content: str, message: str) -> None:
    for name, pair in pairs.items():
        for number, text in enumerate(pair):
            content = content.replace(f"{{{name}.{number}}}", text)
    file.write_text(content)
    assert message in problem(str(file))


def test_f05_an_encrypted_key_is_named_and_asks_for_nothing(pairs: dict[str, tuple[str, str]], file: Path) -> None:
    file.with_name("plain").write_text(pairs["ec"][0])
    encrypted = openssl("ec", "-aes128", "-passout", "pass:x", "-in", str(file.with_name("plain")))
    file.write_text(encrypted + pairs["ec"][1])
    assert "encrypted" in problem(str(file))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_f05_a_key_that_others_can_read_or_write(pairs: dict[str, tuple[str, str]], file: Path, mode: int) -> None:
    file.write_text("".join(pairs["ec"]))
    file.chmod(mode)
    assert f"mode {mode:04o}: it must be 0600 or 0640" in problem(str(file))


def test_f05_a_key_file_of_another_user(pairs: dict[str, tuple[str, str]], file: Path) -> None:
    file.write_text("".join(pairs["ec"]))
    os.chown(file, 1, 0)
    assert "belongs to user 1: it must belong to root" in problem(str(file))


def test_f05_no_file_and_no_plain_file(tmp_path: Path) -> None:
    assert problem(str(tmp_path / "none")).endswith("does not exist")
    assert "cannot be read: Is a directory" in problem(str(tmp_path))


def test_nothing_of_a_key_is_told(pairs: dict[str, tuple[str, str]], file: Path) -> None:
    file.write_text(pairs["other"][0] + pairs["ec"][1])
    secret = pairs["other"][0].splitlines()[1]
    assert secret not in problem(str(file))
