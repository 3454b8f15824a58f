# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with sending hosts that are set up by hand, as an administrator would, and a receiver with a wrong TLSA record."""

from __future__ import annotations

import json
import re
import sys
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import lab_driver
import pytest
from lab_driver import machine  # noqa: F401  # pylint: disable=unused-import

DIRECTORY = Path("/var/lib/mailsec-dane-lab-outbound")
PREFIX = "192.0.2"
HOSTS = [
    {"name": "ns", "address": 2, "fqdn": "ns.lab-dns.nl", "role": "primary"},
    {"name": "res", "address": 3, "fqdn": "res.lab-dns.nl", "role": "resolver"},
    {"name": "sender", "address": 20, "fqdn": "sender.outside.nl", "role": "sender",
     "domains": ["outside.nl", "wrongtlsa.nl", "unsigned.nl"], "certificate_names": ["sender.outside.nl"]},
    {"name": "d12", "address": 12, "fqdn": "d12.example.nl", "groups": ["mail"]},
    {"name": "d13", "address": 13, "fqdn": "d13.example.nl", "groups": ["mail"], "release": "trixie"},
]  # fmt: skip
ZONES = [
    {"name": "lab-dns.nl"},
    {"name": "example.nl", "records": ["@ MX 10 d12", "@ MX 20 d13"]},
    {"name": "outside.nl", "records": ["@ MX 10 sender", "_25._tcp.sender TLSA 3 1 1 {spki_sha256:sender}"]},
    {"name": "wrongtlsa.nl",
     "records": ["@ MX 10 wrong", f"wrong A {PREFIX}.20", f"_25._tcp.wrong TLSA 3 1 1 {'0' * 64}"]},
    {"name": "unsigned.nl", "signed": False, "records": ["@ MX 10 mail", f"mail A {PREFIX}.20"]},
    {"name": "bogus.nl", "signed": False, "parent_ds": True, "records": ["@ MX 10 mail", f"mail A {PREFIX}.20"]},
]  # fmt: skip
RESOLVER = {
    "resolver_trust_anchor_file": "/etc/lab/trust-anchor.ds",
    "resolver_root_hints_file": "/etc/lab/root.hints",
    "resolver_secure_name": "lab-dns.nl",
    "resolver_bogus_name": "bogus.nl",
    "resolver_unsigned_name": "unsigned.nl",
}
