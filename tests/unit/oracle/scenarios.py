# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random certificate chains and TLSA RRsets, sound ones and ones broken in every way that matters."""

from __future__ import annotations

import dataclasses
import hashlib
import random

from oracle import pki
from oracle.pki import Spec, make

from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate

HOST = "mx.example.nl"
_OTHERS = ("example.org", "*.example.nl", "m*.example.nl", "*.nl", "other.example.nl", "MX.Example.NL")


@dataclasses.dataclass(frozen=True)
class Scenario:
    chain: tuple[bytes, ...]
    records: tuple[TlsaRecord, ...]
    names: tuple[str, ...]
    story: str


def record(der: bytes, usage: int, selector: int, matching_type: int) -> TlsaRecord:
    """A record computed without the code under test doing the digest."""
    content = der if selector == 0 else Certificate(der).spki
    if matching_type:
        content = (hashlib.sha256 if matching_type == 1 else hashlib.sha512)(content).digest()
    return TlsaRecord(usage, selector, matching_type, content)


def _ca_flaws(rng: random.Random, spec: Spec) -> Spec:
    change = dataclasses.replace
    flaw = rng.randrange(24)
    if flaw == 0:
        return change(spec, days=-1)
    if flaw == 1:
        return change(spec, start=2, days=50)
    if flaw == 2:
        return change(spec, ca=False)
    if flaw == 3:
        return change(spec, ca=None, cert_sign=rng.choice((None, True)))
    if flaw == 4:
        return change(spec, cert_sign=False)
    if flaw == 5:
        return change(spec, path_length=rng.choice((0, 0, 1)))
    if flaw == 6:
        return change(spec, eku=rng.choice(((pki.CLIENT_AUTH,), (pki.SERVER_AUTH,), (pki.ANY_EKU,))))
    if flaw == 7:
        return change(spec, signer="stranger")
    if flaw == 8:
        return change(spec, permitted=(rng.choice(("example.nl", "example.org", ".example.nl", "mx.example.nl")),))
    if flaw == 9:
        return change(spec, excluded=(rng.choice(("example.nl", "example.org", "nl", "")),))
    if flaw == 10:
        return change(spec, strange_critical=True)
    if flaw == 11:
        return change(spec, identifiers=True, authority=rng.choice((None, "stranger")))
    if flaw in (12, 13):
        return change(spec, cert_sign=True, identifiers=True)
    return spec


def _leaf_flaws(rng: random.Random, spec: Spec) -> Spec:
    change = dataclasses.replace
    flaw = rng.randrange(18)
    if flaw == 0:
        return change(spec, days=-1)
    if flaw == 1:
        return change(spec, start=2, days=50)
    if flaw == 2:
        return change(spec, eku=rng.choice(((pki.CLIENT_AUTH,), (pki.SERVER_AUTH,), (pki.ANY_EKU,))))
    if flaw == 3:
        return change(spec, san=())
    if flaw == 4:
        return change(spec, subject="nobody", san=())
    if flaw in (5, 6):
        return change(spec, san=(rng.choice(_OTHERS),))
    if flaw == 7:
        return change(spec, signer="stranger")
    if flaw == 8:
        return change(spec, cert_sign=False, digital_signature=rng.random() < 0.5)
    if flaw == 9:
        return change(spec, identifiers=True, authority=rng.choice((None, "stranger")))
    if flaw == 10:
        return change(spec, ca=True)
    if flaw == 11:
        return change(spec, strange_critical=True)
    return spec


def _specs(rng: random.Random) -> list[Spec]:
    """Leaf, intermediates and root, top last, with flaws here and there."""
    depth = rng.choice((0, 1, 1, 2, 2, 3, 4))
    if depth == 0:
        return [_leaf_flaws(rng, Spec(HOST, HOST, "leaf", "leaf", ca=rng.choice((None, True)), san=(HOST,)))]
    names = [f"CA {number}" for number in range(depth)]
    clean = rng.random() < 0.35
    specs = [Spec(HOST, names[0], "leaf", names[0], ca=None, san=(HOST,))]
    for number, name in enumerate(names):
        above = names[number + 1] if number + 1 < depth else name
        specs.append(Spec(name, above, name, above))
    if rng.random() < 0.2:
        # The top of what is sent is not self-signed: a cross-sign, or an intermediate whose root is kept back.
        specs[-1] = dataclasses.replace(specs[-1], issuer="Old Root", signer="Old Root")
    if clean:
        return specs
    return [_leaf_flaws(rng, specs[0]), *(_ca_flaws(rng, spec) for spec in specs[1:])]


def _extras(rng: random.Random, specs: list[Spec]) -> list[Spec]:
    change = dataclasses.replace
    found: list[Spec] = []
    for _round in range(rng.choice((0, 0, 0, 1, 1, 2))):
        kind, base = rng.randrange(6), rng.choice(specs)
        if kind == 0:
            found.append(Spec("Stranger", "Stranger", "stranger", "stranger"))
        elif kind == 1:
            # Same name and key under another issuer: a cross-certificate.
            found.append(change(base, issuer="Old Root", signer="Old Root", serial=7))
        elif kind == 2:
            # Same name, other key: a re-keyed CA, or an impostor.
            found.append(change(base, key="stranger", serial=8))
        elif kind == 3:
            found.append(change(base, start=-10, days=rng.choice((-2, -1, 400)), serial=9))
        elif kind == 4:
            found.append(Spec("Old Root", "Old Root", "Old Root", "Old Root", days=rng.choice((-1, 100))))
        else:
            found.append(base)
    return found


def _records(rng: random.Random, certificates: list[bytes], unsent: list[bytes]) -> list[TlsaRecord]:
    found: list[TlsaRecord] = []
    for _round in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        usage, selector = rng.choice((2, 2, 2, 3)), rng.choice((0, 1, 1))
        matching_type = rng.choice((0, 1, 1, 1, 2))
        source = certificates[0] if usage == 3 and rng.random() < 0.6 else rng.choice(certificates + unsent)
        if usage == 2 and len(certificates) > 1 and rng.random() < 0.7:
            source = rng.choice(certificates[1:])
        entry = record(source, usage, selector, matching_type)
        damage = rng.randrange(12)
        if damage == 0:
            entry = dataclasses.replace(entry, data=entry.data[:-1])
        elif damage == 1:
            entry = dataclasses.replace(entry, data=entry.data + b"\0")
        elif damage == 2:
            entry = dataclasses.replace(entry, data=bytes([entry.data[0] ^ 1]) + entry.data[1:])
        elif damage == 3:
            field = rng.choice(("usage", "selector", "matching_type"))
            entry = dataclasses.replace(entry, **{field: rng.choice((4, 255))})
        found.append(entry)
    return found


def generate(rng: random.Random) -> Scenario:
    """One random scenario; everything comes from ``rng`` save the keys."""
    specs = _specs(rng)
    sent = [specs[0]] + [spec for spec in specs[1:] if rng.random() < 0.93]
    unsent = [spec for spec in specs if spec not in sent]
    sent += _extras(rng, specs)
    if rng.random() < 0.25:
        rest = sent[1:]
        rng.shuffle(rest)
        sent = [sent[0], *rest]
    chain = [make(spec) for spec in sent]
    records = _records(rng, chain, [make(spec) for spec in unsent])
    names = (HOST,) if rng.random() < 0.8 else (HOST, "example.org")
    story = "\n".join([*(f"  {spec}" for spec in sent), *(f"  {entry!r}" for entry in records), f"  names {names}"])
    return Scenario(tuple(chain), tuple(records), names, story)
