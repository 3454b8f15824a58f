# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dane_info and the playbook, over real DNS (Knot, Unbound) and mail servers on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dns_world import HERE, World, Zone, free_port
from support.credentials import ecdsa, server_context
from support.smtp_responder import Behaviour, Responder, running

from ansible_collections.mailsec.dane.plugins.module_utils._audit import audit
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import HostDns
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import compute
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Resolver
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der
from ansible_collections.mailsec.dane.plugins.modules import dane_info

ROOT = Path(__file__).resolve().parents[3]
SOUND, SECOND = ecdsa("mx.sound.nl"), ecdsa("mx2.sound.nl", key="second")
EE = compute(load_der(SOUND.chain[0]), 3, 1, 1).to_text()
TA = compute(load_der(SOUND.chain[1]), 2, 1, 1).to_text()
EE_SECOND = compute(load_der(SECOND.chain[0]), 3, 1, 1).to_text()
WRONG = "3 1 1 " + "ab" * 32
#: Addresses of loopback for the kinds of mail servers; all listen on the port under test.
TLS, PLAIN, DEAD, OTHER = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"


def zones(port: int) -> list[Zone]:
    def mx(name: str, address: str, *records: str, more: str = "", **kind: bool) -> Zone:
        tlsa = "".join(f"_{port}._tcp.mx 300 IN TLSA {record}\n" for record in records)
        return Zone(f"{name}.nl.", f"@ 300 IN MX 10 mx\nmx 300 IN A {address}\n{tlsa}{more}", **kind)

    second = f"@ 300 IN MX 20 mx2\nmx2 300 IN A {OTHER}\n"
    return [
        mx("sound", TLS, EE, TA),
        mx("half", TLS, EE, TA, more=second),
        mx("both", TLS, EE, TA, more=second + f"_{port}._tcp.mx2 300 IN TLSA {EE_SECOND}\n"),
        mx("one", TLS, EE, TA, more=f"@ 300 IN MX 20 mx2\nmx2 300 IN A {DEAD}\n_{port}._tcp.mx2 300 IN TLSA {EE}\n"),
        mx("wrongtlsa", TLS, WRONG),
        mx("notls", PLAIN, EE),
        mx("plain", PLAIN),
        mx("dead", DEAD, EE),
        mx("island", TLS, EE, TA, signed=False),
        mx("unusable", TLS, "1 1 1 " + "ab" * 32),
        Zone("hosted.nl.", "@ 300 IN MX 10 mx.sound.nl.\n"),
        Zone("null.nl.", "@ 300 IN MX 0 .\n"),
        Zone("implicit.nl.", f"@ 300 IN A {TLS}\n_{port}._tcp 300 IN TLSA {EE}\n"),
        mx("late", TLS, EE, days=-2),
    ]


EXPECTED = {
    "sound.nl": ("protected", "dane-ok"),
    "hosted.nl": ("protected", "dane-ok"),
    "implicit.nl": ("protected", "dane-ok"),
    "both.nl": ("protected", "dane-ok"),
    "null.nl": ("no-mail", "null-mx"),
    "half.nl": ("partial", "tlsa-absent"),
    "unusable.nl": ("partial", "tlsa-all-unusable"),
    "plain.nl": ("unprotected", "tlsa-absent"),
    "island.nl": ("unprotected", "mx-insecure"),
    "one.nl": ("degraded", "connect-failed"),
    "wrongtlsa.nl": ("failing", "tlsa-no-match"),
    "notls.nl": ("failing", "starttls-missing"),
    "dead.nl": ("failing", "connect-failed"),
    "late.nl": ("failing", "dnssec-bogus"),
    "absent.nl": ("failing", "mail-domain-absent"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, int]]:
    """The DNS, and the port of the mail servers."""
    port = free_port()
    without = Behaviour(ehlo=b"250-mx\r\n250 PIPELINING\r\n")
    servers = (
        Responder(server_context(SOUND), address=TLS, port=port),
        Responder(None, without, address=PLAIN, port=port),
        Responder(server_context(SECOND), address=OTHER, port=port),
    )
    with World(tmp_path_factory.mktemp("dns"), zones(port)) as world, running(*servers):
        yield world, port


def options(place: tuple[World, int], **more: object) -> dict[str, object]:
    world, port = place
    servers = [{"address": HERE, "port": world.resolver, "trusted": False}]
    documented = yaml.safe_load(dane_info.DOCUMENTATION)["options"]
    defaults = {name: described.get("default") for name, described in documented.items()}
    plain = {"ehlo_name": "probe.example", "timeout": 20.0, "dns_timeout": 10.0, "concurrency": 8}
    return {**defaults, **plain, "port": port, "resolvers": servers, "special_use": True, **more}


def test_f02_f09_b05_verdicts_on_real_answers(place: tuple[World, int]) -> None:
    result = dane_info.gather(options(place, domains=list(EXPECTED)))
    assert {one["domain"]: (one["verdict"], one["reason"]) for one in result["domains"]} == EXPECTED
    assert result["status"] == 2
    assert result["summary"] == {"fine": 5, "unprotected": 4, "refused": 6, "unknown": 0, "total": 15, "invalid": 0}


def test_everything_that_is_returned_is_documented(place: tuple[World, int]) -> None:
    documented = yaml.safe_load(dane_info.RETURN)
    result = dane_info.gather(options(place, domains=["wrongtlsa.nl"], hosts=["mx.sound.nl"]))
    assert set(result) == set(documented)
    domain, host = result["domains"][0], result["hosts"][0]
    assert set(domain) == set(documented["domains"]["contains"])
    described = documented["hosts"]["contains"]
    assert set(host) == set(described)
    assert set(domain["hosts"][0]) == {*described, "preference"}
    assert set(host["endpoints"][0]) == set(described["endpoints"]["contains"])
    assert {*host["endpoints"][0]["certificate"], "error"} == set(
        described["endpoints"]["contains"]["certificate"]["contains"]
    )
    assert set(domain["findings"][0]) == set(described["findings"]["contains"])


def test_b06_addresses_that_are_not_asked_are_named(place: tuple[World, int]) -> None:
    (host,) = dane_info.gather(options(place, hosts=["mx.sound.nl"], domains=[], ip_version=[6]))["hosts"]
    assert {entry["code"] for entry in host["findings"]} == {"address-not-asked"}
    assert host["verdict"] == "unknown"


def test_an_exception_costs_only_its_domain_the_verdict(
    place: tuple[World, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design: one host's data, however hostile, never costs another host its verdict."""
    really = audit.locate

    async def locate(resolver: Resolver, host: str, port: int) -> HostDns:
        if host == "mx.half.nl":
            raise LookupError("odd data")
        return await really(resolver, host, port)

    monkeypatch.setattr(audit, "locate", locate)
    result = dane_info.gather(options(place, domains=["sound.nl", "half.nl", "exam ple.nl", "wrongtlsa.nl"]))
    assert {one["domain"]: (one["verdict"], one["reason"]) for one in result["domains"]} == {
        **{name: EXPECTED[name] for name in ("sound.nl", "wrongtlsa.nl")},
        "half.nl": ("unknown", "audit-error"),
    }
    (found,) = [one for one in result["domains"][1]["findings"] if one["code"] == "audit-error"]
    assert "LookupError in test_dane_info.py" in found["evidence"]
    assert [one["given"] for one in result["invalid"]] == ["exam ple.nl"]
    assert (result["status"], result["summary"]["unknown"], result["summary"]["invalid"]) == (2, 1, 1)


def test_the_results_are_the_same_the_next_time(place: tuple[World, int]) -> None:
    wanted = options(place, domains=["sound.nl", "half.nl", "wrongtlsa.nl"], hosts=["mx.sound.nl"])
    assert dane_info.gather(wanted) == dane_info.gather(wanted)


def test_without_special_use_no_address_of_loopback_is_touched(place: tuple[World, int]) -> None:
    result = dane_info.gather(options(place, domains=["sound.nl"], special_use=False))
    assert (result["domains"][0]["verdict"], result["domains"][0]["reason"]) == ("unknown", "address-special-use")


def as_both(place: tuple[World, int], **more: object) -> dict[str, object]:
    anchor = (place[0].directory / "anchor").read_text().splitlines()
    return dane_info.gather(options(place, domains=list(EXPECTED), trust_anchors=anchor, **more))


@pytest.mark.parametrize("validation", ["own", "both"])
def test_b04_own_validation_comes_to_the_same_verdicts(place: tuple[World, int], validation: str) -> None:
    result = as_both(place, validation=validation)
    assert {one["domain"]: (one["verdict"], one["reason"]) for one in result["domains"]} == EXPECTED
    codes = {entry["code"] for one in result["domains"] for entry in one["findings"]}
    assert "validation-differs" not in codes


def test_b04_own_validation_straight_at_the_authoritative_servers(place: tuple[World, int]) -> None:
    roots = [{"address": HERE, "port": place[0].authority}]
    result = as_both(place, validation="own", root_servers=roots, resolvers=None)
    assert {one["domain"]: (one["verdict"], one["reason"]) for one in result["domains"]} == EXPECTED


def test_b04_a_contradiction_is_a_finding_and_the_worse_answer_counts(place: tuple[World, int]) -> None:
    anchors = [f". IN DS {Zone('.').ds}"]
    result = dane_info.gather(options(place, domains=["sound.nl"], validation="own", trust_anchors=anchors))
    assert (result["domains"][0]["verdict"], result["domains"][0]["reason"]) == ("failing", "dnssec-bogus")
    assert result["notes"] == []
    wanted = options(place, domains=["sound.nl", "plain.nl"], validation="both", trust_anchors=anchors)
    result = dane_info.gather(wanted)
    for one in result["domains"]:
        differing = [entry for entry in one["findings"] if entry["code"] == "validation-differs"]
        assert one["verdict"] == "failing"
        assert "own validation finds it bogus" in differing[0]["evidence"]
        assert "the resolver secure" in differing[0]["evidence"]


def play(place: tuple[World, int], *more: str, **variables: object) -> subprocess.CompletedProcess[str]:
    world, port = place
    given = {
        "audit_port": port,
        "audit_special_use": True,
        "audit_resolvers": [{"address": HERE, "port": world.resolver}],
        **variables,
    }
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "mailsec.dane.audit",
        "-e",
        json.dumps(given),
        *more,
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )


class TestPlaybook:
    def test_f10_a_green_audit_ends_with_0_and_the_json_file_is_written_once(
        self, place: tuple[World, int], tmp_path: Path
    ) -> None:
        path = tmp_path / "audit.json"
        beside = {"audit_mta_sts": True, "audit_tlsrpt": True, "audit_dane_required": ["sound.nl"]}
        wanted = {"audit_domains": ["sound.nl"], "audit_json_file": str(path), **beside}
        first, second = play(place, **wanted), play(place, **wanted)
        assert (first.returncode, second.returncode) == (0, 0), first.stdout + first.stderr
        assert "changed=1" in first.stdout
        assert "changed=0" in second.stdout
        assert "PROTECTED" in first.stdout
        assert path.stat().st_mode & 0o777 == 0o640
        kept = json.loads(path.read_text())
        assert list(kept) == ["domains", "hosts", "invalid", "notes", "status", "summary"]
        assert kept["domains"][0]["verdict"] == "protected"
        assert [entry["code"] for entry in kept["domains"][0]["findings"]] == ["tlsrpt-missing"]

    @pytest.mark.parametrize(
        ("domain", "fail_on", "returned"),
        [
            ("plain.nl", "never", 0),
            ("plain.nl", [], 0),
            ("plain.nl", ["unprotected"], 2),
            ("plain.nl", "refused,unknown", 0),
            ("wrongtlsa.nl", ["unprotected", "unknown"], 0),
            ("wrongtlsa.nl", "refused", 2),
            ("wrongtlsa.nl", None, 2),
        ],
    )
    def test_f10_exit_status_by_policy(
        self, place: tuple[World, int], domain: str, fail_on: object, returned: int
    ) -> None:
        policy = {} if fail_on is None else {"audit_fail_on": fail_on}
        done = play(place, audit_domains=[domain], **policy)
        assert done.returncode == returned, done.stdout + done.stderr
        assert "do:" in done.stdout

    @pytest.mark.parametrize(("fail_on", "returned"), [(None, 2), ("refused,unknown,unprotected", 0), ("invalid", 2)])
    def test_r15_a_bad_entry_is_an_error_of_its_own(
        self, place: tuple[World, int], fail_on: str | None, returned: int
    ) -> None:
        policy = {} if fail_on is None else {"audit_fail_on": fail_on}
        done = play(place, audit_domains=["exam ple.nl", "sound.nl"], **policy)
        assert done.returncode == returned, done.stdout + done.stderr
        assert "PROTECTED" in done.stdout and "'exam ple.nl' has a blank" in done.stdout
        assert ("asks for: invalid." in done.stdout + done.stderr) is bool(returned)

    def test_f10_unknown_is_not_green(self, place: tuple[World, int]) -> None:
        done = play(place, audit_domains=["sound.nl"], audit_resolvers=[{"address": "192.0.2.53"}])
        assert done.returncode == 2
        assert "UNKNOWN" in done.stdout

    def test_a_policy_that_does_not_exist_is_an_error(self, place: tuple[World, int]) -> None:
        done = play(place, audit_domains=["sound.nl"], audit_fail_on=["red"])
        assert done.returncode == 2
        assert "audit_fail_on" in done.stdout + done.stderr

    def test_check_mode_tells_and_writes_nothing(self, place: tuple[World, int], tmp_path: Path) -> None:
        path = tmp_path / "audit.json"
        done = play(place, "--check", audit_domains=["sound.nl"], audit_json_file=str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "PROTECTED" in done.stdout
        assert not path.exists()

    def test_domains_and_vantage_come_from_the_inventory(self, place: tuple[World, int], tmp_path: Path) -> None:
        local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        inventory = tmp_path / "inventory.yml"
        inventory.write_text(
            yaml.safe_dump(
                {
                    "all": {
                        "hosts": {
                            "mx.sound.nl": {"audit_domains": ["sound.nl"], "audit_vantage": "look-out"},
                            "mx2.sound.nl": {"audit_domains": ["both.nl", "sound.nl"]},
                            "look-out": local,
                        },
                        "children": {"mail_inbound": {"hosts": {"mx.sound.nl": {}}}},
                    }
                }
            )
        )
        path = tmp_path / "audit.json"
        done = play(place, "-i", str(inventory), audit_json_file=str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        kept = json.loads(path.read_text())
        assert sorted(one["domain"] for one in kept["domains"]) == ["both.nl", "sound.nl"]
        managed = {host["host"]: host["managed"] for domain in kept["domains"] for host in domain["hosts"]}
        assert managed == {"mx.sound.nl": True, "mx.both.nl": False, "mx2.both.nl": False}
        assert "look-out" in done.stdout.split("PLAY RECAP")[1]
