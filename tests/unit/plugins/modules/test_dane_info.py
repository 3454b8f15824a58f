# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dane_info as a playbook calls it: options, errors, and what comes back when there is no resolver to ask."""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.mailsec.dane.plugins.module_utils._dane import mail_names
from ansible_collections.mailsec.dane.plugins.modules import dane_info

Call = t.Callable[..., dict[str, t.Any]]
#: A resolver that is not on loopback is never asked, so that nothing leaves this machine.
FOREIGN = [{"address": "192.0.2.53"}]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(**options: t.Any) -> dict[str, t.Any]:
        with patch_module_args(options), pytest.raises(SystemExit) as left:
            dane_info.main()
        result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) == bool(left.value.code)
        return result

    return run


@pytest.mark.parametrize("check_mode", [True, False])
def test_without_a_resolver_to_believe_everything_is_unknown(call: Call, check_mode: bool) -> None:
    result = call(
        domains=["Example.NL.", "example.org", "example.nl"],
        hosts=["mx.example.nl"],
        resolvers=FOREIGN,
        _ansible_check_mode=check_mode,
    )
    assert result["changed"] is False
    assert result["status"] == 3
    assert result["summary"] == {"fine": 0, "unprotected": 0, "refused": 0, "unknown": 3, "total": 3, "invalid": 0}
    assert [domain["domain"] for domain in result["domains"]] == ["example.nl", "example.org"]
    assert {one["reason"] for one in (*result["domains"], *result["hosts"])} == {"resolver-not-validating"}
    assert "192.0.2.53" in result["notes"][0]
    assert result["report"][-1] == f"Note: {result['notes'][0]}"
    assert set(result) - {"changed", "invocation"} == set(yaml.safe_load(dane_info.RETURN))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "domains and hosts are both empty"),
        ({"domains": ["a.nl"], "iterative": True}, "iterative is for own validation"),
        ({"domains": ["a.nl"], "root_servers": FOREIGN}, "root_servers is for own validation"),
        ({"domains": ["a.nl"], "validation": "own", "root_servers": []}, "root_servers is empty"),
        ({"domains": ["a.nl"], "validation": "own", "root_servers": [{"address": "a.nl"}]}, "root_servers has 'a.nl'"),
        ({"domains": ["example.nl"], "port": 0}, "port is 0"),
        ({"domains": ["example.nl"], "port": 65536}, "port is 65536"),
        ({"domains": ["example.nl"], "timeout": 0}, "timeout is 0"),
        ({"domains": ["example.nl"], "dns_timeout": 61}, "dns_timeout is 61"),
        ({"domains": ["example.nl"], "concurrency": 257}, "concurrency is 257"),
        ({"domains": ["example.nl"], "repeats": 0}, "repeats is 0"),
        ({"domains": ["example.nl"], "pause": -1}, "pause is -1"),
        ({"domains": ["example.nl"], "trust_anchors": [". IN DS 1 8 2 00"]}, "set validation to own or both"),
        ({"domains": ["example.nl"], "validation": "own", "trust_anchors": ["nothing"]}, "nothing"),
        ({"domains": ["example.nl"], "validation": "own", "trust_anchor_file": "/nowhere"}, "/nowhere"),
        ({"domains": ["example.nl"], "sni": []}, "sni is empty"),
        ({"domains": ["example.nl"], "key_type": []}, "key_type is empty"),
        ({"domains": ["example.nl"], "ip_version": []}, "ip_version is empty"),
        ({"domains": ["example.nl"], "ip_version": [5]}, "ip_version"),
        ({"domains": ["example.nl"], "resolvers": []}, "resolvers is empty"),
        ({"domains": ["example.nl"], "resolvers": [{"address": "resolver.nl"}]}, "resolver.nl"),
        ({"domains": ["example.nl"], "resolvers": [{"address": "127.0.0.1", "port": 0}]}, "port 0"),
        ({"domains": ["example.nl"], "ca_file": "/nowhere"}, "set mta_sts to true"),
        ({"domains": ["example.nl"], "ca_file": "/nowhere", "mta_sts": True, "resolvers": FOREIGN}, "/nowhere"),
        ({"domains": ["example.nl"], "ca_file": "/dev/null", "mta_sts": True, "resolvers": FOREIGN}, "/dev/null"),
        ({"hosts": ["192.0.2.1"], "ehlo_name": "a b", "special_use": True, "resolvers": FOREIGN}, "a b"),
    ],
)
def test_bad_input_is_named(call: Call, options: dict[str, t.Any], words: str) -> None:
    result = call(**options)
    assert result["failed"]
    assert words in result["msg"]
    assert "Traceback" not in json.dumps(result)


@pytest.mark.parametrize(
    ("option", "entry", "why"),
    [
        ("domains", "exam ple.nl", "has a blank"),
        ("domains", "http://example.nl/", "is a URL"),
        ("domains", "user@example.nl", "is a mail address"),
        ("domains", "192.0.2.1", "is an IP address"),
        ("domains", "[2001:db8::1]", "is an IP address"),
        ("domains", "", "an empty name"),
        ("domains", ".", "an empty name"),
        ("domains", "a..example.nl", "has an empty label"),
        ("domains", ".example.nl", "has an empty label"),
        ("domains", "example.nl,example.org", "is not a host name"),
        ("domains", "{{ x }}", "has a blank"),
        ("domains", "b\u00fc\u200bcher\u2603.nl", "cannot be part of a name"),
        ("domains", f"{'a' * 64}.nl", "is not 1 to 63"),
        ("hosts", "mx..example.nl", "has an empty label"),
        ("hosts", "192.0.2.256", "is an address"),
        ("managed", "mx example.nl", "has a blank"),
        ("dane_required", "example.org", "is not among domains"),
    ],
)
def test_r15_a_bad_entry_costs_no_other_its_verdict(call: Call, option: str, entry: str, why: str) -> None:
    given: dict[str, t.Any] = {"domains": ["example.nl"], "hosts": ["mx.example.nl"], "resolvers": FOREIGN}
    result = call(**{**given, option: [entry, *given.get(option, [])]})
    assert [one["domain"] for one in result["domains"]] == ["example.nl"]
    assert [one["host"] for one in result["hosts"]] == ["mx.example.nl"]
    (bad,) = result["invalid"]
    assert (bad["option"], bad["given"]) == (option, entry)
    assert why in bad["error"]
    assert (result["status"], result["summary"]["invalid"], result["summary"]["total"]) == (3, 1, 2)
    assert "ERROR: these entries were not audited:" in result["report"]


def test_r15_only_bad_entries(call: Call) -> None:
    result = call(domains=["exam ple.nl"], resolvers=FOREIGN)
    assert (result["status"], result["domains"], result["summary"]["total"]) == (3, [], 0)


@pytest.mark.parametrize("installed", [True, False])
def test_r15_u_labels_are_converted(call: Call, monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    monkeypatch.setattr(mail_names, "HAS_IDNA", installed)
    names = ["B\u00dcCHER.nl", "xn--bcher-kva.nl", "\u65e5\u672c\u8a9e\u3002jp", "fa\u00df.de"]
    result = call(domains=names, hosts=["mx.b\u00fccher.nl."], resolvers=FOREIGN)
    converted = {one["domain"]: one["given"] for one in result["domains"]}
    assert converted.pop("xn--bcher-kva.nl") == "B\u00dcCHER.nl"
    assert converted.pop("xn--wgv71a119e.jp") == "\u65e5\u672c\u8a9e\u3002jp"
    # IDNA 2003 would make another domain of it, fass.de.
    assert converted == ({"xn--fa-hia.de": "fa\u00df.de"} if installed else {})
    told = "'fa\u00df' has a character for which IDNA 2003 and 2008 differ"
    assert [one["error"].partition(", and")[0] for one in result["invalid"]] == ([] if installed else [told])
    assert [(one["host"], one["given"]) for one in result["hosts"]] == [("mx.xn--bcher-kva.nl", "mx.b\u00fccher.nl.")]
    assert any("xn--bcher-kva.nl (B\u00dcCHER.nl)" in line for line in result["report"])


def test_documentation_and_options_agree() -> None:
    documented = yaml.safe_load(dane_info.DOCUMENTATION)["options"]
    assert documented["ip_version"]["default"] == [4, 6]
    for text in (dane_info.EXAMPLES, dane_info.RETURN):
        assert yaml.safe_load(text)
