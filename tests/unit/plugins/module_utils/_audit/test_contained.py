# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An exception that one name causes, wherever it strikes, is the verdict on that name and on no other."""

from __future__ import annotations

import asyncio
import typing as t

import pytest
from oracle import pki
from support.memory_dns import MemoryDns

from ansible_collections.mailsec.dane.plugins.module_utils._audit import audit as audit_audit
from ansible_collections.mailsec.dane.plugins.module_utils._audit import contained, report, verdict, verdict_findings
from ansible_collections.mailsec.dane.plugins.module_utils._audit.audit import Audit, Settings
from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import ways

BAD = "mx.bad.nl"


class Odd(Exception):
    """What nobody expected."""


def striking(function: t.Callable[..., t.Any], concerns: t.Callable[..., bool]) -> t.Callable[..., t.Any]:
    def strike(*args: t.Any, **more: t.Any) -> t.Any:
        if concerns(*args):
            raise Odd("hostile\x1b[2J data")
        return function(*args, **more)

    return strike


async def refuse(endpoint: Endpoint, name: str | None, *_rest: object) -> Probe:
    return Probe(endpoint, name, "connect-failed", "connection refused")


def audit(monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """Results for two sound domains, one with a host that is odd beside a sound one, and for the hosts themselves."""
    monkeypatch.setattr(ways, "probe", refuse)
    dns = MemoryDns()
    for name in ("one", "bad", "two"):
        dns.add(f"{name}.nl", "MX", f"10 mx.{name}.nl.", "20 mx.one.nl.").add(f"mx.{name}.nl", "A", "127.0.0.1")

    async def run() -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        running = Audit(dns, Settings(special_use=True, now=pki.NOW))
        domains = [one async for one in running.domains(["one.nl", "bad.nl", "two.nl"])]
        hosts = [one async for one in running.hosts(["mx.one.nl", BAD])]
        return (
            {one.domain: contained.domain_result(one, pki.NOW) for one in domains},
            {one.host: contained.host_result(one, pki.NOW) for one in hosts},
        )

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("module", "name", "concerns"),
    [
        (audit_audit, "locate", lambda _resolver, host, _port: host == BAD),
        (verdict, "_judge_host", lambda seen, *_rest: seen.host == BAD and seen.dns.reason != "audit-error"),
        (
            verdict_findings, "_rrset_findings",
            lambda host: host.host == BAD and host.observation.dns.reason != "audit-error",
        ),
        (report, "_leaf", lambda *_args: False),
    ],
)  # fmt: skip
def test_an_exception_of_one_host(
    monkeypatch: pytest.MonkeyPatch, module: t.Any, name: str, concerns: t.Callable[..., bool]
) -> None:
    sound = audit(monkeypatch)
    monkeypatch.setattr(module, name, striking(getattr(module, name), concerns))
    domains, hosts = audit(monkeypatch)
    if name == "_leaf":
        assert (domains, hosts) == sound
        return
    assert {name: domains[name] for name in ("one.nl", "two.nl")} == {
        name: sound[0][name] for name in ("one.nl", "two.nl")
    }
    assert hosts["mx.one.nl"] == sound[1]["mx.one.nl"]
    assert (hosts[BAD]["verdict"], hosts[BAD]["status"], hosts[BAD]["reason"]) == ("unknown", 3, "audit-error")
    (found,) = [one for one in hosts[BAD]["findings"] if one["code"] == "audit-error"]
    assert "Odd in test_contained.py" in found["evidence"] and "\x1b" not in found["evidence"]
    states = {one["host"]: one["verdict"] for one in domains["bad.nl"]["hosts"]}
    assert states == {BAD: "unknown", "mx.one.nl": "unreachable"}


@pytest.mark.parametrize(
    ("module", "name", "concerns"),
    [
        (audit_audit, "find_mx", lambda _resolver, domain: domain == "bad.nl"),
        (verdict, "_domain_state", lambda mx, _hosts: mx.domain == "bad.nl"),
        (
            verdict_findings, "_coverage_findings",
            lambda domain: domain.domain == "bad.nl" and domain.reason != "audit-error",
        ),
    ],
)  # fmt: skip
def test_an_exception_of_one_domain(
    monkeypatch: pytest.MonkeyPatch, module: t.Any, name: str, concerns: t.Callable[..., bool]
) -> None:
    sound = audit(monkeypatch)
    monkeypatch.setattr(module, name, striking(getattr(module, name), concerns))
    domains, hosts = audit(monkeypatch)
    assert hosts == sound[1]
    assert {name: domains[name] for name in ("one.nl", "two.nl")} == {
        name: sound[0][name] for name in ("one.nl", "two.nl")
    }
    bad = domains["bad.nl"]
    assert (bad["verdict"], bad["status"], bad["reason"]) == ("unknown", 3, "audit-error")
    assert "Odd" in next(one["evidence"] for one in bad["findings"] if one["code"] == "audit-error")
