# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches name servers and mail server from outside, several times a second, and prints what changed as JSON lines.

The lines are events as ``_timeline`` reads them. It runs in the lab's network until its input ends, and shares no
state with the rotation: what it saw is the evidence against which a rotation is judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import sys
import time
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _authority, _rollover_chain, _smtp, _x509
from ansible_collections.mailsec.dane.plugins.module_utils._dns_question import NameServer
from ansible_collections.mailsec.dane.plugins.module_utils._smtp import Endpoint

OWNER, ZONE, HOST = "_25._tcp.mx1.example.nl", "example.nl", "mx1.example.nl"
SERVERS = (NameServer("198.51.100.2"), NameServer("198.51.100.3"))
ENDPOINTS = (Endpoint("198.51.100.11"), Endpoint("2001:db8:51::11"))


def say(**event: t.Any) -> None:
    print(json.dumps({"at": time.time(), **event}), flush=True)


async def watch_names(records: set[t.Any]) -> None:
    before: dict[t.Any, list[str]] = {}
    last: dict[str, t.Any] = {}
    while True:
        for view in await _authority.observe(OWNER, ZONE, SERVERS, 1):
            # A server that gives no answer at this moment still has what it had.
            if view.is_known:
                last[view.server.address] = (tuple(record.to_text() for record in view.records), view.ttl or 0)
                records.update(view.records)
        now: dict[t.Any, list[str]] = {}
        for address, value in last.items():
            now.setdefault(value, []).append(address)
        for value in {*before, *now}:
            if before.get(value) != now.get(value):
                say(event="rrset", owner=OWNER, records=list(value[0]), ttl=value[1], servers=now.get(value, []))
        before = now
        await asyncio.sleep(0.4)


async def watch_mail(records: set[t.Any]) -> None:
    served: dict[str, t.Any] = {}
    facts: dict[str, t.Any] = {}
    while True:
        date = datetime.datetime.now(datetime.UTC)
        for endpoint in ENDPOINTS:
            probe = await _smtp.probe(endpoint, HOST, "recorder.outside.nl")
            if probe.outcome != _smtp.TLS:
                continue
            chain = _rollover_chain.describe(
                tuple(_x509.load_der(one) for one in probe.chain), (HOST,), date, sorted(records)
            )
            facts[chain.identity] = {
                "identity": chain.identity, "key": chain.key.to_text(),
                "satisfies": sorted(record.to_text() for record in chain.satisfies),
            }
            before = served.get(str(endpoint))
            if before != chain.identity:
                served[str(endpoint)] = chain.identity
                for one in filter(None, (before, chain.identity)):
                    where = [address for address, identity in served.items() if identity == one]
                    say(event="chain", chain=facts[one], endpoints=where)
        await asyncio.sleep(0.4)


async def main() -> None:
    records: set[t.Any] = set()
    watching = asyncio.gather(watch_names(records), watch_mail(records))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


asyncio.run(main())
