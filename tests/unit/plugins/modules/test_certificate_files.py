# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_files as a role calls it, with the real openssl command (F03, F04, F05)."""

from __future__ import annotations

import json
import os
import pathlib
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
    common = {"changed", "diff", "actions", "live"}
    prepared = call("prepared", issuers=AUTHORITY.issuers)
    assert set(prepared) == common | {"reasons", "csr"} and prepared["live"] is None
    deployed = call("deployed", certificate=AUTHORITY.certificate(prepared["csr"]), issuers=AUTHORITY.issuers)
    assert set(deployed) == common | {"deployed"}
    assert set(deployed["live"]) == set(documented["live"]["contains"])
    assert set(documented) == {"actions", "live", "reasons", "csr", "deployed"}


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
