# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The validator put before a world in process: no socket, no system clock."""

from __future__ import annotations

import asyncio
import collections.abc as c
import typing as t

import dns.name
import signer
from responder import World

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import anchors
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Limits
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.questions import Wire
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.result import Result
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import Validator

Change = c.Callable[[dns.name.Name, int, bytes], bytes]


def anchor(root: signer.Key) -> str:
    return f". IN DS {root.ds(dns.name.root)}"


def ask_of(world: World, change: Change | None = None) -> t.Any:
    async def ask(owner: dns.name.Name, rdtype: int, avoid: frozenset[str]) -> Wire:
        wire = world.respond(owner, rdtype).to_wire((owner, rdtype))
        return Wire(change(owner, rdtype, wire) if change else wire, "zoo")

    return ask


def validator(world: World, root: signer.Key, change: Change | None = None, **more: t.Any) -> Validator:
    now = more.pop("now", signer.NOW)
    more.setdefault("limits", Limits(seconds=120))
    return Validator(ask_of(world, change), lambda: now, anchors.parse(anchor(root)), **more)


def full_name(question: str, zone: str) -> tuple[str, str]:
    owner, rdtype = question.split()
    return f"{owner}.{zone}", rdtype


def look_up(validator_: Validator, *questions: tuple[str, str]) -> list[Result]:
    async def run() -> list[Result]:
        return [await validator_.lookup(*question) for question in questions]

    return asyncio.run(run())
