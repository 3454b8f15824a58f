# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run of a rotation ended, and what name servers and mail servers showed meanwhile."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

import name_server_logs
import yaml
from lab_driver import CHECKOUT, Lab
from lab_driver import run as run_command

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import record as rotation_record
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import Policy


class Run(t.NamedTuple):
    """How a run ended, and all it printed with the lines joined again."""

    status: int
    output: str

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", self.output)

    def counts(self, host: str = "mx1") -> dict[str, int]:
        found = re.search(rf"^{host}\s+: (ok=.*)$", self.output, re.MULTILINE)
        assert found, self.output[-3000:]
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", found[1])}

    @property
    def phases(self) -> list[str]:
        return re.findall(r"Phase: (\w+)", self.output)

    def last(self, host: str) -> str:
        """The last phase that a host was said to be in."""
        found = re.findall(rf"ok: \[{host}\] =>\W+msg\W+Phase: (\w+)", self.output)
        assert found, self.output[-3000:]
        return found[-1]


def run_playbook(lab: Lab, words: t.Sequence[str], check: bool = True) -> Run:
    """Run a playbook; what it printed is kept in the lab's logs, too, for whoever wants to know why a test failed."""
    begin = time.ctime()
    done = subprocess.run(
        words, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=CHECKOUT, timeout=900, check=False
    )
    run = Run(done.returncode, done.stdout + done.stderr)
    with (lab.directory / "log" / "plays.log").open("a") as log:
        log.write(f"{begin} to {time.ctime()}: {shlex.join(words)}\n{run.output}\n")
    assert not check or run.status == 0, run.output[-6000:]
    return run


def on(lab: Lab, host: str, script: str, check: bool = True, stdin: str = "") -> str:
    """Run a script on a host as root; what it printed."""
    known = yaml.safe_load((lab.directory / "inventory.yml").read_text())["all"]["children"]["lab"]
    words = [
        lab.directory / "bin" / "ssh", *shlex.split(known["vars"]["ansible_ssh_args"]),
        "-i", lab.directory / "keys" / "ssh", f"root@{known['hosts'][host]['ansible_host']}", script,
    ]  # fmt: skip
    return run_command(*words, check=check, stdin=stdin).stdout


def update(lab: Lab, zone: str, *lines: str) -> None:
    """Change a zone as somebody else would."""
    text = "".join(f"{line}\n" for line in ("server 198.51.100.2", f"zone {zone}", *lines, "send"))
    lab.inside("sh", "-c", f"printf '%s' '{text}' | nsupdate -k {lab.directory}/keys/lab.tsig")


class Recorder:
    """Writes down from outside what was published and served, by a program of its own (see recorder.py).

    ``owners`` have their zones as values, ``endpoints`` are addresses with ports, ``name`` is the server name to send.
    """

    def __init__(self, lab: Lab, name: str, owners: dict[str, str], endpoints: t.Iterable[tuple[str, int]]) -> None:
        self.lab = lab
        self.what = {"name": name, "owners": list(owners.items()), "endpoints": list(endpoints)}
        self.events: list[dict[str, t.Any]] = []

    def __enter__(self) -> t.Self:
        script = Path(__file__).with_name("recorder.py")
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / ".cache" / "collections")}
        # Not a pipe, which nobody reads before the end: a full one would stop the recorder.
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8")  # pylint: disable=consider-using-with
        self._process = subprocess.Popen(
            [str(self.lab.directory / "bin" / "python"), str(script), json.dumps(self.what)],
            stdin=subprocess.PIPE, stdout=self._output, text=True, env=environment,
        )  # fmt: skip
        # By then it has seen what there is; what comes later is a change.
        time.sleep(4)
        self.begun = time.time()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
        with self._output as output:
            output.seek(0)
            lines = output.read().splitlines()
        assert self._process.returncode == 0
        self.events = [json.loads(line) for line in lines]
        self.ended = time.time()

    def is_sound(self, chains: int = 2, strict: bool = True) -> None:
        """Assert that no RRset a cache may have held missed a chain that was served, at any moment.

        Once as seen from outside, several times a second, and once with what the name servers wrote into their logs.
        """
        for events in (self.events, self.logged()):
            record = rotation_record.timeline(events, Policy(application_cache=1), self.ended)
            assert len(record.chains) >= chains, events
            assert rotation_record.gaps(record, strict) == ()

    def logged(self) -> list[dict[str, t.Any]]:
        """The events with those of the name servers' logs in the place of what was seen of them."""
        lines = f"journalctl --no-pager -o short-unix --since @{self.begun:.0f} -u"
        bind, knot = on(self.lab, "ns1", f"{lines} named"), on(self.lab, "ns2", f"{lines} knot")
        found = [event for event in self.events if event["event"] != "rrset"]
        for owner, zone in self.what["owners"]:
            begin, ttl = self._there(owner)
            changes = name_server_logs.changes(bind, knot, owner, zone, begin)
            # Whatever was seen is in the logs, or they were not understood.
            told = {*begin.values(), *(records for _at, _server, records in changes)}
            assert {frozenset(records) for records in self.published(owner)} <= told, (changes, self.events)
            found += name_server_logs.events(changes, owner, ttl, begin, self.begun)
        return found

    def _there(self, owner: str) -> tuple[dict[str, frozenset[str]], int]:
        """What each name server had when the record began, and the TTL."""
        there: dict[str, frozenset[str]] = {}
        ttl = 0
        for event in self.events:
            if event["event"] == "rrset" and event["owner"] == owner and event["at"] < self.begun:
                there.update(dict.fromkeys(event["servers"], frozenset(event["records"])))
                ttl = event["ttl"] or ttl
        assert set(there) == {name_server_logs.PRIMARY, name_server_logs.SECONDARY}, self.events
        return there, ttl

    def published(self, owner: str) -> list[set[str]]:
        """Every RRset that some name server had at ``owner``, in order."""
        return [set(event["records"]) for event in self.events if event["event"] == "rrset" and event["owner"] == owner]

    def deployments(self) -> list[tuple[float, str]]:
        """When which endpoint began to serve another chain than at the beginning."""
        last: dict[str, str] = {}
        found = []
        for event in self.events:
            for endpoint in event.get("endpoints", ()):
                identity = event["chain"]["identity"]
                if endpoint in last and last[endpoint] != identity:
                    found.append((event["at"], endpoint))
                last[endpoint] = identity
        return found
