# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own for the roles postfix and resolver: two bare hosts, Debian 12 and 13, and the outside sender."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

_driver = importlib.util.spec_from_file_location("lab_driver", Path(__file__).parents[1] / "lab_driver.py")
assert _driver and _driver.loader
lab_driver = importlib.util.module_from_spec(_driver)
_driver.loader.exec_module(lab_driver)
machine = lab_driver.machine

DIRECTORY = Path("/var/lib/mailsec-dane-lab-postfix")
PREFIX = "192.0.2"
HOSTS = [
    {"name": "ns", "address": 2, "fqdn": "ns.lab-dns.nl", "role": "primary"},
    {"name": "res", "address": 3, "fqdn": "res.lab-dns.nl", "role": "resolver"},
    {"name": "sender", "address": 20, "fqdn": "sender.outside.nl", "role": "sender",
     "domains": ["outside.nl", "wrongtlsa.nl", "unsigned.nl"], "certificate_names": ["sender.outside.nl"]},
    {"name": "d12", "address": 12, "fqdn": "d12.example.nl", "groups": ["mail"]},
    {"name": "d13", "address": 13, "fqdn": "d13.example.nl", "groups": ["mail"], "release": "trixie"},
]  # fmt: skip
ZEROES = "0" * 64
ZONES = [
    {"name": "lab-dns.nl"},
    {"name": "example.nl", "records": ["@ MX 10 d12", "@ MX 20 d13"]},
    {"name": "outside.nl", "records": ["@ MX 10 sender", "_25._tcp.sender TLSA 3 1 1 {spki_sha256:sender}"]},
    {"name": "wrongtlsa.nl", "records": ["@ MX 10 wrong", f"wrong A {PREFIX}.20", f"_25._tcp.wrong TLSA 3 1 1 {ZEROES}"]},
    {"name": "unsigned.nl", "signed": False, "records": ["@ MX 10 mail", f"mail A {PREFIX}.20"]},
    {"name": "bogus.nl", "signed": False, "parent_ds": True, "records": ["@ MX 10 mail", f"mail A {PREFIX}.20"]},
]  # fmt: skip
