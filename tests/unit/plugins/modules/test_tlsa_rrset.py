# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tlsa_rrset before options that cannot be meant; what it does to the DNS is in tests/integration/publish."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.mailsec.dane.plugins.module_utils._dns import tsig_key
from ansible_collections.mailsec.dane.plugins.modules import tlsa_rrset

HOST = "mx.example.nl"
RECORD = "3 1 1 " + "ab" * 32
SECRET = "c2VjcmV0LXNlY3JldA=="

Call = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the module with a name server that nobody runs; all runs fail, and none shows the secret."""

    def run(**options: t.Any) -> dict[str, t.Any]:
        defaults = {
            "base_domain": HOST,
            "records": [RECORD],
            "server": "127.0.0.1",
            "server_port": 1,
            "key_name": "k",
            "key_secret": SECRET,
            "timeout": 20,
        }
        given = {name: value for name, value in {**defaults, **options}.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit) as left:
            tlsa_rrset.main()
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        result: dict[str, t.Any] = json.loads(out)
        assert result["failed"] is True and left.value.code
        return result

    return run


def test_everything_documented_is_returned_and_nothing_else(call: Call) -> None:
    result = call()
    assert "cannot be reached" in result["msg"]
    assert set(result) - {"changed", "failed", "msg", "invocation"} == set(yaml.safe_load(tlsa_rrset.RETURN))
    assert (result["changed"], result["owner"], result["before"], result["served"]) == (
        False,
        f"_25._tcp.{HOST}",
        None,
        [],
    )


def test_the_choices_are_those_of_the_core() -> None:
    documented = yaml.safe_load(tlsa_rrset.DOCUMENTATION)["options"]["key_algorithm"]["choices"]
    assert tuple(documented) == tsig_key.ALGORITHMS


@pytest.mark.parametrize(
    ("options", "owner"),
    [
        ({"base_domain": "MX.Example.NL."}, "_25._tcp.mx.example.nl"),
        ({"port": 465}, "_465._tcp.mx.example.nl"),
        ({"base_domain": None, "owner": "_587._tcp.mx.example.nl."}, "_587._tcp.mx.example.nl"),
        ({"owner": "mx._tlsa.example.nl"}, "mx._tlsa.example.nl"),
    ],
)
def test_the_owner(call: Call, options: dict[str, t.Any], owner: str) -> None:
    assert call(**options)["owner"] == owner


@pytest.mark.parametrize(("port", "looked_at"), [(None, 465), (25, 25)])
def test_the_port_to_look_at_can_be_another_than_that_of_the_name(port: int | None, looked_at: int) -> None:
    """SMTP with implicit TLS has no STARTTLS to look at; the same certificates are served on port 25."""
    given = {"owner": f"_465._tcp.{HOST}", "base_domain": HOST, "port": port, "records": [RECORD], "ttl": 3600}
    others = {"protocol": "tcp", "state": "present", "expected": None, "exclusive": True, "force": False}
    wish = tlsa_rrset._wish({**given, **others, "endpoints": ["192.0.2.1"], "expected_ttl": None})
    assert (wish.owner, wish.port) == (f"_465._tcp.{HOST}", looked_at)
    assert wish.endpoints is not None and [one.port for one in wish.endpoints] == [looked_at]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"base_domain": "mx.übel.nl"}, "xn--bel-goa.nl"),
        ({"base_domain": "192.0.2.1"}, "is an address"),
        ({"base_domain": "mx example.nl"}, "is not a host name"),
        ({"base_domain": "_25._tcp.mx.example.nl"}, "begins with an underscore"),
        ({"base_domain": None, "owner": "mx._tlsa.example.nl"}, "give base_domain"),
        ({"base_domain": None}, "one of the following is required: base_domain, owner"),
        ({"port": 70000}, "not a port number"),
        ({"zone": "exa mple"}, "is not a host name"),
        ({"records": []}, "records is empty"),
        ({"records": None}, "records"),
        ({"records": ["3 1 1"]}, "is not a TLSA record"),
        ({"records": ["3 1 1 abc"]}, "odd number of digits"),
        ({"records": ["DANE-XX 1 1 ab"]}, "unknown certificate usage"),
        ({"records": ["3 1 1 ab"]}, "tlsa-bad-field"),
        ({"records": ["3 1 1 " + "00" * 32]}, "tlsa-empty-digest"),
        ({"records": ["1 1 1 " + "ab" * 32]}, "tlsa-all-unusable"),
        ({"expected": ["x"]}, "is not a TLSA record"),
        ({"ttl": 0}, "ttl is 0"),
        ({"ttl": 2**31}, "ttl is 2147483648"),
        ({"timeout": 0}, "timeout is 0"),
        ({"wait_timeout": -1}, "wait_timeout is -1"),
        ({"name_servers": []}, "name_servers is empty"),
        ({"name_servers": ["192.0.2.1:99999"]}, "port 99999"),
        ({"server": "no such host"}, "server has 'no such host', whose address cannot be found"),
        ({"endpoints": ["mx.example.nl"]}, "endpoints has 'mx.example.nl', which is not an IP address"),
        ({"key_name": None}, "key_name"),
        ({"key_secret": None}, "neither key_secret nor key_file"),
        ({"key_secret": "no base64!"}, "TSIG key k: the secret is not base64"),
        ({"key_name": "a..b"}, "is not a name for a TSIG key"),
        ({"key_algorithm": "hmac-md5"}, "key_algorithm"),
        ({"key_file": "/nonexistent"}, "mutually exclusive"),
        ({"key_secret": None, "key_file": "/nonexistent"}, "key_file /nonexistent cannot be read: No such file"),
        ({"key_secret": None, "key_file": "/"}, "key_file / cannot be read: Is a directory"),
        ({"key_secret": None, "key_file": "/dev/null"}, "key_file /dev/null: the file has no key clause"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_options_are_named(call: Call, options: dict[str, t.Any], why: str) -> None:
    result = call(**options)
    assert why in result["msg"], result["msg"]
    assert not result.get("changed")


def test_a_key_file_that_is_no_text(call: Call, tmp_path: pathlib.Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    assert "is not text file" in call(key_secret=None, key_file=str(tmp_path / "key"))["msg"]


def test_a_key_file_with_another_name(call: Call, tmp_path: pathlib.Path) -> None:
    (tmp_path / "key").write_text(f'key "other" {{ algorithm hmac-sha256; secret "{SECRET}"; }};')
    assert "no key 'k', but other" in call(key_secret=None, key_file=str(tmp_path / "key"))["msg"]
    assert "cannot be reached" in call(key_secret=None, key_name=None, key_file=str(tmp_path / "key"))["msg"]
