# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_files as a role calls it, with the real openssl command (F03, F04, F05)."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import subprocess
import typing as t

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from support.authority import Authority

from ansible_collections.mailsec.dane.plugins.modules import certificate_files

HOST = "mx.example.nl"
AUTHORITY = Authority()


@pytest.fixture
def call(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> t.Iterator[t.Callable[..., dict[str, t.Any]]]:
    def run(state: str, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        options = {"directory": str(tmp_path / "dane"), "names": [HOST], **options, "state": state}
        options.update(_ansible_check_mode=check, _ansible_diff=True)
        with patch_module_args(options), pytest.raises(SystemExit) as left:
            certificate_files.main()
        output = capsys.readouterr().out
        assert "BEGIN PRIVATE KEY" not in output
        result: dict[str, t.Any] = json.loads(output)
        result.pop("invocation", None)  # from ansible-core 2.21 on it is not there
        assert bool(result.get("failed")) == bool(left.value.code)
        return result

    umask = os.umask(0o022)
    os.umask(umask)
    yield run
    os.umask(umask)


def roll_out(call: t.Callable[..., dict[str, t.Any]], check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    prepared = call("prepared", check, issuers=AUTHORITY.issuers, **options)
    if prepared["csr"]:
        options = {**options, "certificate": AUTHORITY.certificate(prepared["csr"]), "issuers": AUTHORITY.issuers}
    return call("deployed", check, **options)


def test_everything_documented_is_returned_and_nothing_else(call: t.Callable[..., dict[str, t.Any]]) -> None:
    documented = yaml.safe_load(certificate_files.RETURN)
    common = {"changed", "diff", "actions", "live", "adopted"}
    prepared = call("prepared", issuers=AUTHORITY.issuers)
    assert set(prepared) == common | {"reasons", "csr"} and prepared["live"] is None
    deployed = call("deployed", certificate=AUTHORITY.certificate(prepared["csr"]), issuers=AUTHORITY.issuers)
    assert set(deployed) == common | {"deployed"}
    assert set(deployed["live"]) == set(documented["live"]["contains"])
    assert set(documented) == common - {"changed", "diff"} | {"reasons", "csr", "deployed", "problem"}


@pytest.mark.slow
def test_changed_and_diff_tell_the_truth(call: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path) -> None:
    first = roll_out(call)
    assert first["changed"] and first["deployed"]
    assert first["diff"][0]["before"] == {} and first["diff"][0]["after"]["names"] == [HOST]
    second = roll_out(call)
    assert not second["changed"] and second["actions"] == []
    assert second["diff"][0]["before"] == second["diff"][0]["after"]
    planned = roll_out(call, check=True, names=[HOST, "mail.example.nl"])
    assert planned["changed"] and planned["live"]["names"] == [HOST]
    assert planned["diff"][0]["after"]["names"] == [HOST, "mail.example.nl"]
    assert roll_out(call)["changed"] is False


def test_check_mode_on_a_bare_host(call: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path) -> None:
    """Nothing there yet, not even the authority: what would be made is told."""
    for issuers in ("", AUTHORITY.issuers):
        prepared = call("prepared", check=True, issuers=issuers)
        assert prepared["changed"] and prepared["csr"] == "" and prepared["reasons"] == ["there is no key yet"]
        deployed = call("deployed", check=True)
        assert deployed["changed"] and deployed["deployed"]
    assert list(tmp_path.iterdir()) == []
    failed = call("prepared", issuers="")
    assert "Apply the role certificate_authority first" in failed["msg"]


@pytest.mark.parametrize("option", ["certificate", "issuers"])
def test_private_keys_in_options_are_refused(
    option: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ansible shows the values of options."""
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHl5eXl5eXl5eXl5eXl5\n-----END PRIVATE KEY-----\n"
    options = {"state": "staged", "names": [HOST], "certificate": "x", "issuers": "x", option: key}
    with patch_module_args({**options, "directory": str(tmp_path)}), pytest.raises(SystemExit):
        certificate_files.main()
    output = capsys.readouterr().out
    assert f"option {option} holds a private key" in output and "MC4CAQ" not in output


def test_a_key_of_another_type_stays(call: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path) -> None:
    roll_out(call)
    prepared = call("prepared", issuers=AUTHORITY.issuers, key_type="ecdsa-p384")
    assert not prepared["changed"]
    assert f"{tmp_path}/dane/staged stays ecdsa-p256; only a rotation makes another one" in str(prepared["warnings"])


@pytest.mark.slow
def test_files_from_elsewhere(call: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path) -> None:
    """F03: another CA's certificate, warned about when it runs out, because nobody here renews it."""
    roll_out(call)
    given = {"key_file": str(tmp_path / "dane/staged/key.pem"), "chain_file": str(tmp_path / "dane/live/chain.pem")}
    elsewhere = str(tmp_path / "elsewhere")
    deployed = call("deployed", directory=elsewhere, renew_days=91, **given)
    assert deployed["changed"]
    assert f"a certificate of {elsewhere}/live expires in 90 days" in str(deployed["warnings"])
    assert not call("deployed", directory=elsewhere, **given)["changed"]
    missing = call("deployed", directory=elsewhere, **{**given, "key_file": "/nowhere/key.pem"})
    assert missing["msg"] == "key_file /nowhere/key.pem does not exist"
    swapped = call("deployed", directory=elsewhere, key_file=given["key_file"], chain_file=given["key_file"])
    assert swapped["msg"].endswith("key.pem has no CERTIFICATE block, only: PRIVATE KEY")


class Former:
    """The files of a certificate that a mail server had before, under a name that is not the host's."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.key, self.chain = directory / "privkey.pem", directory / "fullchain.pem"
        self.renew(new_key=True)

    def renew(self, new_key: bool = False) -> None:
        keep = [] if new_key else ["-key", str(self.key)]
        make = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(self.key)]
        command = ["openssl", "req", "-x509", *(keep or make), "-days", "9", "-subj", "/CN=old.example"]
        subprocess.run([*command, "-out", str(self.chain)], check=True, capture_output=True)
        self.key.chmod(0o600)

    @property
    def digest(self) -> str:
        """SHA-256 of the public key, by openssl alone."""
        der = subprocess.run(
            ["openssl", "pkey", "-in", str(self.key), "-pubout", "-outform", "DER"], check=True, capture_output=True
        ).stdout
        return hashlib.sha256(der).hexdigest()

    @property
    def options(self) -> dict[str, t.Any]:
        return {"key_file": str(self.key), "chain_file": str(self.chain), "public_key": self.digest}


def test_r01_what_a_mail_server_presents_is_taken_over_as_it_is(
    call: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path
) -> None:
    former = Former(tmp_path)
    predicted = call("adopted", check=True, **former.options)
    assert predicted["changed"] and not (tmp_path / "dane").exists()
    taken = call("adopted", **former.options)
    assert taken["deployed"] and taken["adopted"] == former.options
    assert taken["live"]["spki_sha256"] == former.digest
    keychain = (tmp_path / "dane/live/keychain.pem").read_text()
    assert former.chain.read_text().strip() in keychain and keychain.startswith("-----BEGIN PRIVATE KEY")
    assert not call("adopted", **former.options)["changed"]

    # A renewal with the same key is taken over, too, although neither name nor CA are those of a certificate made here.
    former.renew()
    staged = call("prepared", renew_adopted=True, issuers=AUTHORITY.issuers)
    assert staged["csr"] == "" and staged["changed"]
    assert call("deployed", new_key=True, public_key=former.digest)["deployed"]
    assert not call("staged", renew_adopted=True)["changed"]

    # Another key is not: the mail server keeps what it has.
    was = former.digest
    former.renew(new_key=True)
    warned = call("staged", renew_adopted=True)
    assert not warned["changed"] and "has another key by now" in str(warned["warnings"])
    former.key.unlink()
    assert "cannot be read" in str(call("staged", renew_adopted=True)["warnings"])
    assert call("staged", renew_adopted=True)["live"]["spki_sha256"] == was


def test_r01_a_file_that_the_mail_server_does_not_present_is_not_taken_over(
    call: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path
) -> None:
    former = Former(tmp_path)
    options = former.options
    former.renew(new_key=True)
    refused = call("adopted", **options)
    assert refused["failed"] and "the mail server presents" in refused["msg"]
    assert not (tmp_path / "dane/live/keychain.pem").exists()
    other = tmp_path / "other"
    other.mkdir()
    refused = call("adopted", **{**Former(other).options, "key_file": str(former.key)})
    assert refused["failed"] and "nothing was taken over" in refused["msg"]
    requested = call("prepared", renew_adopted=True, issuers=AUTHORITY.issuers)
    assert requested["adopted"] is None and requested["csr"], "nothing was adopted"


@pytest.mark.slow
def test_r01_after_a_rotation_the_key_is_one_like_any_other(
    call: t.Callable[..., dict[str, t.Any]], tmp_path: pathlib.Path
) -> None:
    call("adopted", **Former(tmp_path).options)
    request = call("prepared", slot="next", issuers=AUTHORITY.issuers)["csr"]
    signed = {"certificate": AUTHORITY.certificate(request), "issuers": AUTHORITY.issuers}
    assert call("deployed", slot="next", new_key=True, **signed)["adopted"] is None
    returned = call("returned")
    assert returned["deployed"] and returned["adopted"], "there is a way back to it"
    for _rotation in range(2):
        request = call("prepared", slot="next", issuers=AUTHORITY.issuers)["csr"]
        signed = {"certificate": AUTHORITY.certificate(request), "issuers": AUTHORITY.issuers} if request else {}
        call("deployed", slot="next", new_key=True, **signed)
    assert not (tmp_path / "dane/adopted.json").exists()
