# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oracles themselves: known-good chains are accepted, each known-bad one is refused for its own reason."""

from __future__ import annotations

import dataclasses

import pytest
from oracle.libdane import LibDane
from oracle.libgnutls import LibGnuTls
from oracle.libssl import LibSsl
from oracle.pki import CLIENT_AUTH, NOW, Spec, make
from oracle.scenarios import HOST, record

ROOT = Spec("Root", "Root", "root", "root")
INTER = Spec("Inter", "Root", "inter", "root")
LEAF = Spec(HOST, "Inter", "leaf", "inter", ca=None, san=(HOST,))


def libssl() -> LibSsl:
    try:
        return LibSsl()
    except OSError as error:
        pytest.skip(f"no OpenSSL 3 shared library: {error}")


def libdane() -> LibDane:
    try:
        return LibDane()
    except OSError as error:
        pytest.skip(f"no libgnutls-dane shared library: {error}")


def libgnutls() -> LibGnuTls:
    try:
        return LibGnuTls()
    except OSError as error:
        pytest.skip(f"no libgnutls shared library: {error}")


def _chain(leaf: Spec = LEAF, inter: Spec = INTER, root: Spec = ROOT) -> list[bytes]:
    return [make(leaf), make(inter), make(root)]


change = dataclasses.replace

# What is sent, the certificate the record is of, its parameters, the error of OpenSSL (0: accepted).
CASES = {
    "3 1 1 matches": (_chain(), 0, (3, 1, 1), 0),
    "2 1 1 of the intermediate": (_chain(), 1, (2, 1, 1), 0),
    "2 0 1 of the root": (_chain(), 2, (2, 0, 1), 0),
    "3 1 1 of the wrong certificate": (_chain(), 1, (3, 1, 1), 65),
    "2 1 1 of the leaf": (_chain(), 0, (2, 1, 1), 65),
    "wrong name": (_chain(leaf=change(LEAF, san=("other.example.nl",))), 1, (2, 1, 1), 62),
    "expired leaf": (_chain(leaf=change(LEAF, days=-1)), 1, (2, 1, 1), 10),
    "leaf of tomorrow": (_chain(leaf=change(LEAF, start=1)), 1, (2, 1, 1), 9),
    "no CA": (_chain(inter=change(INTER, ca=False)), 1, (2, 1, 1), 79),
    "client certificate": (_chain(leaf=change(LEAF, eku=(CLIENT_AUTH,))), 1, (2, 1, 1), 26),
    "path too long": (_chain(root=change(ROOT, path_length=0)), 2, (2, 1, 1), 25),
    "forged leaf": (_chain(leaf=change(LEAF, signer="stranger")), 1, (2, 1, 1), 7),
    "forbidden name": (_chain(inter=change(INTER, excluded=("example.nl",))), 1, (2, 1, 1), 48),
    "unknown critical extension": (_chain(leaf=change(LEAF, strange_critical=True)), 1, (2, 1, 1), 34),
}


@pytest.mark.parametrize("case", CASES)
def test_openssl_oracle_knows_good_from_bad(case: str) -> None:
    """The OpenSSL oracle gives the expected error for chains whose fault is known."""
    chain, source, fields, error = CASES[case]
    entry = record(chain[source], *fields)
    assert libssl().verify([(fields, entry.data)], chain, [HOST], NOW) == (1, error)


@pytest.mark.parametrize("case", CASES)
def test_libdane_oracle_knows_good_from_bad(case: str) -> None:
    """The libdane oracle too; it looks neither at names nor at extKeyUsage nor beyond the issuer of the leaf."""
    chain, source, fields, error = CASES[case]
    accepted = libdane().verify([record(chain[source], *fields).to_wire()], chain, NOW)
    assert accepted is (error in (0, 62, 26, 25))


def test_oracles_leave_malformed_records_aside() -> None:
    """A digest of the wrong length is not taken."""
    good = record(make(LEAF), 3, 1, 1).data
    assert libssl().usable((3, 1, 1), good)
    assert not libssl().usable((3, 1, 1), good[:-1])
    assert not libssl().usable((4, 1, 1), good)
