# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of rotations ask the lab, and the evidence they judge a rotation by."""

from __future__ import annotations

import json
import re
import sys
import time
import typing as t
from pathlib import Path

import rotation_evidence
import yaml
from lab_driver import CHECKOUT, Lab, wait_for
from rotation_evidence import Run, on

ADDRESSES = ("198.51.100.11", "2001:db8:51::11")
OWNER = "_25._tcp.mx1.example.nl"
JOURNALS = "/var/lib/mailsec-dane"
JOURNAL = "mx1--mx1.example.nl.journal"
KEEP = str(CHECKOUT / "tests/integration/rotation/keep.yml")
ANSIBLE = str(Path(sys.executable).with_name("ansible-playbook"))


def command(lab: Lab, playbook: str, *arguments: str, **variables: t.Any) -> list[str]:
    inventory = str(lab.directory / "inventory.yml")
    return [ANSIBLE, "-i", inventory, playbook, "-e", json.dumps(variables), *arguments]


def play(
    lab: Lab,
    playbook: str,
    *arguments: str,
    check: bool = True,
    **variables: t.Any,
) -> Run:
    return rotation_evidence.run_playbook(lab, command(lab, playbook, *arguments, **variables), check)


def rotate(lab: Lab, *arguments: str, check: bool = True, **variables: t.Any) -> Run:
    """Rotate to the end."""
    return play(lab, "mailsec.dane.rotate", *arguments, check=check, **{"rotation_wait": True, **variables})


def finish(lab: Lab, **variables: t.Any) -> Run:
    """Bring to its end what was begun, and begin nothing."""
    return rotate(lab, **{"rotation_minimum_age": 86400, **variables})


def generation(lab: Lab, raised_by: int = 0) -> int:
    """The generation of the CA as the inventory has it; raised as an administrator would, who edits it there."""
    file = lab.directory / "group_vars" / "all.yml"
    there = yaml.safe_load(file.read_text())["certificate_authority_generation"] if file.exists() else 1
    if raised_by:
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"---\ncertificate_authority_generation: {there + raised_by}\n")
    return there + raised_by


def records(lab: Lab, server: str = "198.51.100.2") -> list[str]:
    lines = lab.inside("dig", "+short", OWNER, "TLSA", f"@{server}").splitlines()
    fields = [line.split() for line in lines if line and not line.startswith(";")]
    return sorted(f"{' '.join(one[:3])} {''.join(one[3:]).lower()}" for one in fields)


def serial(lab: Lab) -> str:
    return lab.inside("dig", "+short", "example.nl", "SOA", "@198.51.100.2").split()[2]


def key(lab: Lab, slot: str) -> str:
    """The 3 1 1 record of a chain on the mail host."""
    commands = f"openssl x509 -in /etc/mailsec-dane/{slot}/chain.pem -pubkey -noout | openssl pkey -pubin -outform DER"
    found = re.search(r"\b[0-9a-f]{64}\b", on(lab, "mx1", f"{commands} | sha256sum"))
    assert found
    return f"3 1 1 {found[0]}"


def served(lab: Lab, address: str = "198.51.100.11") -> str:
    """The 3 1 1 record of what the mail host serves, as openssl sees it."""
    script = (
        f"openssl s_client -connect '{address}:25' -starttls smtp -servername mx1.example.nl </dev/null 2>/dev/null"
        " | openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum"
    )
    return f"3 1 1 {lab.inside('sh', '-c', script).split()[0]}"


def issuer(lab: Lab) -> str:
    """The 2 1 1 record of the CA in use."""
    number = generation(lab)
    suffix = "" if number == 1 else f"-{number}"
    path = lab.directory / f"ca/issuing{suffix}.pem"
    script = f"openssl x509 -in {path} -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum"
    return f"2 1 1 {lab.inside('sh', '-c', script).split()[0]}"


def update(lab: Lab, *lines: str) -> None:
    """Change the zone as somebody else would."""
    rotation_evidence.update(lab, "example.nl", *lines)


def children(pid: int) -> list[int]:
    """Process numbers of the children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rsplit(")", 1)[1].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        if int(parent) == pid:
            found.append(int(stat.parent.name))
    return found


def forget_next(lab: Lab) -> str:
    """Take the record of the next key away, so that the next rotation has to publish it and to wait; returns it."""
    coming = key(lab, "next")
    # As a whole, because of a single record that is deleted BIND's log does not say which.
    rest = (f"update add {OWNER} 5 TLSA {one}" for one in records(lab) if one != coming)
    update(lab, f"update delete {OWNER} TLSA", *rest)
    assert coming not in records(lab)
    return coming


def install_rogue(lab: Lab, reload: bool = True) -> None:
    """Put a key of its own in the place of the live one, as another program would."""
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=rogue"
    install = "cat rogue.key rogue.pem > live/keychain.pem && cp rogue.pem live/chain.pem && rm rogue.*"
    on(lab, "mx1", f"cd /etc/mailsec-dane && {make} -keyout rogue.key -out rogue.pem && {install}")
    if reload:
        on(lab, "mx1", "postfix reload")


def files(lab: Lab) -> list[str]:
    """Every file that rotations keep on the mail host, journals and keys."""
    return on(lab, "mx1", f"find {JOURNALS} /etc/mailsec-dane -type f 2>/dev/null | sort", check=False).split()


def leftovers(lab: Lab) -> list[str]:
    """The journal, and what stands beside it: nothing but the original configuration, when nobody is at work."""
    found = on(lab, "mx1", f"ls -A {JOURNALS} 2>/dev/null", check=False).split()
    return [name for name in found if name != "originals"]


def is_steady(lab: Lab) -> None:
    """Assert the state after a rotation, by other means than those of the collection."""
    current, following = key(lab, "live"), key(lab, "next")
    assert current != following
    assert served(lab) == served(lab, "[2001:db8:51::11]") == current
    wanted = sorted([current, following, issuer(lab)])
    assert records(lab) == wanted
    wait_for(lambda: records(lab, "198.51.100.3") == wanted, 10)
    assert leftovers(lab) == [JOURNAL]


def make_steady(lab: Lab) -> None:
    """Bring about what is_steady asserts, when it is not so yet."""
    for repair in (finish, after_a_theft):
        try:
            is_steady(lab)
            return
        except AssertionError:
            repair(lab)


def wait_for_a_ready_key(lab: Lab) -> None:
    """An update may come a second time for a while; only then is the next key ready everywhere."""
    end = time.monotonic() + 150
    while True:
        # Only a run that is not a rehearsal itself remembers what it saw.
        finish(lab)
        # Until it is ready, somebody has to choose, which is an exit status of its own.
        run = play(lab, "mailsec.dane.compromise", "--limit", "mx1", "--check", check=False)
        if "Phase: deploying" in run.text:
            return
        assert time.monotonic() < end, run.output[-4000:]


def after_a_theft(lab: Lab) -> Run:
    """The CA that signed the stolen certificate is believed again only as another one."""
    generation(lab, raised_by=1)
    return play(lab, "mailsec.dane.rotate_ca", rotation_wait=True)


class Recorder(rotation_evidence.Recorder):
    """Writes down what was published and served under the name of the mail host."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "mx1.example.nl", {OWNER: "example.nl"}, [(address, 25) for address in ADDRESSES])
