# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people are told where a wildcard has TLSA records for the name of a mail server (RFC 4592).

Pure. Private to the collection.
"""

from __future__ import annotations


def hides(owner: str, wildcard: str) -> str:
    """Return what an RRset at ``owner`` changes."""
    parent = wildcard.removeprefix("*.")
    below = owner.removesuffix(f".{parent}").rsplit(".", 1)
    # A name that exists only because of the RRset below it ends the wildcard, too (RFC 4592 section 3.3.1).
    also = f", and records of all types at {below[1]}.{parent} and at all names below that" if len(below) > 1 else ""
    return (
        f"the records that senders got for {owner} come from the wildcard {wildcard}; an RRset at {owner} itself hides "
        f"them there{also}. Other names still get them"
    )


def reappears(owner: str, wildcard: str) -> str:
    """Return why ``owner`` is not left without records of its own, and what to do first."""
    return (
        f"without records of its own {owner} gets the TLSA records of the wildcard {wildcard}, so DANE is not "
        "withdrawn, and senders refuse mail where those records do not match what is served. Publish explicit records "
        f"at the other names that need them, remove the TLSA records (or the alias) at {wildcard}, then run this again"
    )


def takes_addresses(owner: str, wildcard: str, proven: bool) -> str:
    """Return why nothing is published at ``owner`` before its host has addresses of its own."""
    host = owner
    while host.startswith("_"):
        host = host.partition(".")[2]
    seems = "come from" if proven else "seem to come from"
    rest = "" if proven else f". Where {host} has them itself already, confirm it with force: true"
    return (
        f"the addresses of {host} {seems} the wildcard {wildcard}, which ends at {host} with the first record below it "
        f"(RFC 4592 section 3.3.1): the mail server would have no address. Give {host} A and AAAA records of its own "
        f"first, then run this again{rest}"
    )
