# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys for the TLS servers, and the scan as the module does it."""

from __future__ import annotations

import asyncio
import sys
import typing as t
from pathlib import Path

import pytest

for path in (str(Path(__file__).parent), str(Path(__file__).parents[3] / ".cache" / "collections")):
    if path not in sys.path:
        sys.path.insert(0, path)

import tls_servers as servers  # noqa: E402

from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits  # noqa: E402
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.guideline import EDITIONS, NEWEST, suite_level  # noqa: E402
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.report import Scanned, report  # noqa: E402
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.scan import Bounds, scan  # noqa: E402

NAME = "mx.example.nl"


class Identities:
    """Keys and chains, made when first asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[str, t.Any] = {}

    def __call__(self, name: str) -> t.Any:
        known = {
            "ecdsa": ("EC", "ec_paramgen_curve:P-256", "sha256"),
            "ecdsa384": ("EC", "ec_paramgen_curve:P-384", "sha384"),
            "ed25519": ("ED25519", "", "sha256"),
            "rsa1024": ("RSA", "rsa_keygen_bits:1024", "sha256"),
            "rsa2048": ("RSA", "rsa_keygen_bits:2048", "sha256"),
            "rsa3072": ("RSA", "rsa_keygen_bits:3072", "sha256"),
            "sha224": ("EC", "ec_paramgen_curve:P-256", "sha224"),
            "sha1": ("EC", "ec_paramgen_curve:P-256", "sha1"),
        }
        if name not in self._made:
            self._made[name] = servers.identity(self._directory, name, *known[name])
        return self._made[name]


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities"))


class Result:
    """What the module returns for one endpoint, easier to ask."""

    def __init__(self, both: dict[str, t.Any], alone: dict[str, dict[str, t.Any]]) -> None:
        (self.endpoint,) = both["endpoints"]
        self._alone = alone
        self.findings = self.findings_of(NEWEST)
        self.codes = {entry["code"] for entry in self.findings}

    def findings_of(self, edition: str) -> list[dict[str, t.Any]]:
        """Without what tells that openssl s_server speaks no SMTP inside TLS; what is tested here is TLS."""
        return [one for one in self._alone[edition]["findings"] if one["code"] != "ehlo-after-tls-rejected"]

    def codes_of(self, edition: str) -> set[str]:
        return {entry["code"] for entry in self.findings_of(edition)}

    def level(self, edition: str = NEWEST) -> str:
        return next(one["level"] for one in self.endpoint["levels"] if one["edition"] == edition)

    def table(self, name: str, edition: str = NEWEST) -> dict[str, t.Any]:
        tables = next(one["tables"] for one in self.endpoint["levels"] if one["edition"] == edition)
        return next(table for table in tables if table["name"] == name)

    def item(self, table: str, name: str, edition: str = NEWEST) -> str:
        levels = {item["name"]: item["level"] for item in self.table(table, edition)["seen"]}
        assert name in levels, (self.endpoint["outcome"], self.endpoint["detail"], self.endpoint["unknown"], levels)
        return levels[name]

    def levels(self, edition: str = NEWEST) -> dict[str, str]:
        tables = next(one["tables"] for one in self.endpoint["levels"] if one["edition"] == edition)
        return {table["name"]: table["level"] for table in tables}


@pytest.fixture(scope="session")
def examine() -> t.Callable[..., Result]:
    def ask(port: int, seconds: float = 200, connections: int = 400, reply: float = 10) -> Result:
        bounds = Bounds(seconds, connections, 2, Limits(reply=reply))
        seen = asyncio.run(
            scan(Endpoint("127.0.0.1", port), NAME, "probe.example.org", lambda c: -suite_level(c, NEWEST).rank, bounds)
        )
        # Shown when the test fails: why something could not be found out.
        print(seen.probe.outcome, seen.probe.detail, seen.offer.gaps, f"{seen.connections} connections")
        scanned = [Scanned(NAME, seen)]
        return Result(report(scanned, port, EDITIONS), {one: report(scanned, port, [one]) for one in EDITIONS})

    return ask
