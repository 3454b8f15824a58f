# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The look before a step of a rotation sees every chain of a server that has several, whatever TLS it speaks."""

from __future__ import annotations

import asyncio
import pathlib
import shutil
import ssl
import typing as t

import pytest
from support import credentials
from support.smtp_responder import Responder

from ansible_collections.mailsec.dane.plugins.module_utils._probe import Endpoint, Limits, Probe
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import look as rotation_look

HOST = "mx.example.nl"
EC, RSA, OTHER = credentials.ecdsa(HOST), credentials.rsa_self_signed(HOST), credentials.rsa_self_signed("other.nl")


class Means(t.NamedTuple):
    """What of the means of a look counts here."""

    repeats: int = 2
    ehlo_name: str = "probe.example.org"
    limits: Limits = Limits()


def context(directory: pathlib.Path, newest_only: bool, *served: credentials.Credentials) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if newest_only:
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    for number, one in enumerate(served):
        path = directory / f"{number}.pem"
        path.write_bytes(one.pem)
        made.load_cert_chain(path)
    return made


def seen(default: ssl.SSLContext, for_the_name: ssl.SSLContext) -> tuple[Probe, ...]:
    async def look() -> tuple[Probe, ...]:
        async with Responder(default) as server:
            server.contexts_by_name[HOST] = for_the_name
            endpoint = Endpoint("127.0.0.1", server.port)
            return await rotation_look._rounds(endpoint, HOST, t.cast("t.Any", Means()))

    return asyncio.run(look())


@pytest.mark.skipif(not shutil.which("openssl"), reason="not run: the program openssl is not installed")
@pytest.mark.parametrize("newest_only", [False, True])
def test_both_keys_with_and_without_server_name(tmp_path: pathlib.Path, newest_only: bool) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    named, default = context(tmp_path / "a", newest_only, EC, RSA), context(tmp_path / "b", newest_only, EC, OTHER)
    probes = seen(default, named)
    assert {probe.outcome for probe in probes} == {"tls"}
    leaves = {(probe.server_name, probe.chain[0]) for probe in probes}
    assert leaves == {(name, one.chain[0]) for name, one in ((HOST, EC), (HOST, RSA), (None, EC), (None, OTHER))}


def test_a_type_of_key_that_it_lacks_is_no_failure(tmp_path: pathlib.Path) -> None:
    one = context(tmp_path, False, EC)
    probes = seen(one, one)
    assert [(probe.server_name, probe.key_type, probe.outcome) for probe in probes] == [
        (name, None, "tls") for name in (HOST, None, HOST, None)
    ]
