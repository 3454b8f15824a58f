# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches the name servers and mail servers of one name from outside, and prints what changed as JSON lines.

The lines are events as ``record`` reads them. It runs in the lab's network until its input ends, and shares no
state with the rotation: what it saw is the evidence against which a rotation is judged. The argument is JSON: ``name``,
``owners`` with their zones, ``endpoints``.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import sys
import time
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns import authority
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate
from ansible_collections.mailsec.dane.plugins.module_utils._probe import TLS, Endpoint
from ansible_collections.mailsec.dane.plugins.module_utils._rotation import chain as rotation_chain
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import dialogue

WHAT = json.loads(sys.argv[1])
SERVERS = (Server("198.51.100.2"), Server("198.51.100.3"))
ENDPOINTS = tuple(Endpoint(address, port) for address, port in WHAT["endpoints"])
RECORDS: set[t.Any] = set()


def say(**event: t.Any) -> None:
    print(json.dumps({"at": time.time(), **event}), flush=True)


async def watch_owner(owner: str, zone: str) -> None:
    before: dict[t.Any, list[str]] = {}
    last: dict[str, t.Any] = {}
    while True:
        for view in await authority.observe(owner, zone, SERVERS, 1):
            # A server that gives no answer at this moment still has what it had.
            if view.is_known:
                last[view.server.address] = (tuple(record.to_text() for record in view.records), view.ttl or 0)
                RECORDS.update(view.records)
        now: dict[t.Any, list[str]] = {}
        for address, value in last.items():
            now.setdefault(value, []).append(address)
        for value in {*before, *now}:
            if before.get(value) != now.get(value):
                say(event="rrset", owner=owner, records=list(value[0]), ttl=value[1], servers=now.get(value, []))
        before = now
        await asyncio.sleep(0.3)


async def watch_mail() -> None:
    served: dict[str, str] = {}
    facts: dict[str, t.Any] = {}
    while True:
        date = datetime.datetime.now(datetime.UTC)
        for endpoint in ENDPOINTS:
            probe = await dialogue.probe(endpoint, WHAT["name"], "recorder.outside.nl")
            if probe.outcome != TLS:
                continue
            chain = rotation_chain.describe(
                tuple(certificate.load_der(one) for one in probe.chain), (WHAT["name"],), date, sorted(RECORDS)
            )
            facts[chain.identity] = {
                "identity": chain.identity, "key": chain.key.to_text(),
                "satisfies": sorted(record.to_text() for record in chain.satisfies),
            }  # fmt: skip
            before = served.get(str(endpoint))
            if before != chain.identity:
                served[str(endpoint)] = chain.identity
                for one in filter(None, (before, chain.identity)):
                    where = [address for address, identity in served.items() if identity == one]
                    say(event="chain", chain=facts[one], endpoints=where)
        await asyncio.sleep(0.3)


async def main() -> None:
    owners = [watch_owner(owner, zone) for owner, zone in WHAT["owners"]]
    watching = asyncio.gather(watch_mail(), *owners)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


asyncio.run(main())
