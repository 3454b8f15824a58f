# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an endpoint offers in TLS → its level in the guidelines of NCSC-NL, per item, per table and overall. Pure.

Both editions, 2.1 and 2025-05. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import Code
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, finding
from ansible_collections.mailsec.dane.plugins.module_utils._findings import sort as sort_findings
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.offer import MANY_RENEGOTIATIONS, Offer
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan import guideline_data as data
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.suites import SUITES

if t.TYPE_CHECKING:
    import collections.abc as c

EDITIONS: t.Final = tuple(data.RELEASED)
NEWEST: t.Final = EDITIONS[-1]
_SHOWN: t.Final = 8
_NOT_APPLICABLE: t.Final = "not-applicable"
_FINITE_FIELD: t.Final = ("ffdhe", "dh-")


class Level(enum.Enum):
    """A level of the guidelines, best first.

    ``UNKNOWN``, could not be found out, is worse than phase-out, because it may be insufficient.
    """

    GOOD = "good"
    SUFFICIENT = "sufficient"
    PHASE_OUT = "phase-out"
    UNKNOWN = "unknown"
    INSUFFICIENT = "insufficient"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return _RANKS.index(self)


_RANKS: t.Final = tuple(Level)


@dataclasses.dataclass(frozen=True)
class Graded:
    """One value: its level (None: the edition has none), who says so, and whether that is more than a hint.

    ``where`` tells what it belongs to: protocols, or certificates.
    """

    name: str
    level: Level | None
    source: str
    confirmed: bool
    where: str = ""

    @property
    def weight(self) -> Level | None:
        """The level as it counts: a hint alone fails nobody."""
        if self.level is Level.INSUFFICIENT and not self.confirmed:
            return Level.PHASE_OUT
        return self.level


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of an edition: ``ref`` is where it stands; ``gap`` tells why not all of it could be found out.

    ``level`` is that of the worst item, None when there is nothing to grade.
    """

    name: str
    ref: str
    items: tuple[Graded, ...]
    gap: str = ""

    @property
    def level(self) -> Level | None:
        """The worst of the items; unknown when there is a gap, unless what was seen is insufficient already."""
        levels = [item.weight for item in self.items if item.weight is not None]
        return _worst([*levels, *([Level.UNKNOWN] if self.gap else [])])

    def at(self, level: Level) -> tuple[Graded, ...]:
        """The items that count as ``level``."""
        return tuple(item for item in self.items if item.weight is level)


@dataclasses.dataclass(frozen=True)
class Judgement:
    """All tables of one edition for one endpoint."""

    edition: str
    tables: tuple[Table, ...]

    @property
    def level(self) -> Level:
        """The worst of the tables; unknown when there is none."""
        return _worst([table.level for table in self.tables if table.level]) or Level.UNKNOWN


def _worst(levels: c.Sequence[Level]) -> Level | None:
    return max(levels, key=lambda level: level.rank, default=None)


def judge(offer: Offer, edition: str = NEWEST) -> Judgement:
    """Return the levels of ``offer`` in ``edition`` (one of :data:`EDITIONS`). Raises ValueError for another."""
    if edition not in data.EDITIONS:
        raise ValueError(f"'{edition}' is not an edition of the guidelines: {' or '.join(EDITIONS)}")
    return Judgement(edition, tuple(make(offer, edition) for make in _TABLES))


def suite_level(code: int, edition: str) -> Level:
    """Level of the cipher suite with this code point, as it counts."""
    return _suite(code, edition).weight or Level.UNKNOWN


def _grade(item: data.Item, name: str, where: str = "") -> Graded:
    level, source, confirmed = item
    return Graded(name, Level(level) if level else None, source, confirmed, where)


def _listed(table: str, edition: str, name: str, where: str = "", as_name: str = "") -> Graded:
    """Grade ``name`` by ``table``; ``as_name`` is the entry to look under when that is another."""
    found = data.EDITIONS[edition][table]
    item = found["items"].get(as_name or name) or found["other"]
    if item is None:
        raise KeyError(f"table {table} of edition {edition} has no entry for {as_name or name}")
    return _grade(item, name, where)


def _table(name: str, edition: str, offer: Offer, items: c.Iterable[Graded], ref_of: str = "") -> Table:
    ref = data.SUITE_REFERENCES[edition].get(name) or data.EDITIONS[edition][ref_of or name]["ref"]
    return Table(name, ref, tuple(items), offer.gaps.get(name, ""))


def _protocols(offer: Offer, edition: str) -> Table:
    return _table("protocols", edition, offer, [_listed("protocols", edition, name) for name in offer.protocols])


def _suite(code: int, edition: str, where: str = "") -> Graded:
    item = data.SUITES[edition].get(code, data.OTHER_SUITES[edition])
    return _grade(item, SUITES.get(code, f"0x{code:04X}"), where)


def _cipher_suites(offer: Offer, edition: str) -> Table:
    items = [_suite(code, edition, protocol) for protocol, codes in offer.suites.items() for code in codes]
    return _table("cipher_suites", edition, offer, items)


def _cipher_order(offer: Offer, edition: str) -> Table:
    """Whether better levels are preferred to worse ones, among the suites before TLS 1.3 that are not insufficient."""
    name = "cipher_order"
    newest = offer.before_13[0] if offer.before_13 else None
    steps = {Level(level): step for step, levels in enumerate(data.SUITE_ORDER[edition]) for level in levels}
    chosen = offer.suites.get(newest, ()) if newest else ()
    ranked = [(steps[level], code) for code in chosen if (level := suite_level(code, edition)) in steps]
    gap = offer.gaps.get("cipher_suites", "") or offer.gaps.get(name, "")
    ref = data.SUITE_REFERENCES[edition][name]
    if len({step for step, _code in ranked}) < 2:
        graded = Graded(_NOT_APPLICABLE, Level.GOOD, "inl-1.11-text", True)
        return Table(name, ref, () if gap else (graded,), gap)
    for (before, worse), (after, better) in itertools.pairwise(ranked):
        if before > after:
            where = f"{SUITES.get(worse, hex(worse))} is preferred to {SUITES.get(better, hex(better))}"
            return Table(name, ref, (Graded("violated", Level.INSUFFICIENT, "inl-1.11-text", True, where),), gap)
    if offer.server_preference is False:
        where = "the server follows the order of the client"
        return Table(name, ref, (Graded("violated", Level.INSUFFICIENT, "inl-1.11-text", True, where),), gap)
    if offer.server_preference is None:
        return Table(name, ref, (), gap or "whether the server enforces its own order could not be found out")
    return Table(name, ref, (Graded("in-order", Level.GOOD, "inl-1.11-text", True),), gap)


def _group_items(offer: Offer, edition: str, table: str, wanted: t.Callable[[str], bool]) -> list[Graded]:
    where: dict[str, list[str]] = {}
    for protocol, names in offer.groups.items():
        for name in filter(wanted, names):
            where.setdefault(name, []).append(protocol)
    return [_listed(table, edition, name, ", ".join(protocols)) for name, protocols in where.items()]


def _key_exchange_groups(offer: Offer, edition: str) -> Table:
    name = "key_exchange_groups"
    items = _group_items(offer, edition, name, lambda group: not group.startswith(_FINITE_FIELD))
    return _table(name, edition, offer, items)


def _ffdhe_groups(offer: Offer, edition: str) -> Table:
    name = "ffdhe_groups"
    items = _group_items(offer, edition, name, lambda group: group.startswith(_FINITE_FIELD))
    return _table(name, edition, offer, items)


def _handshake_signature_hash(offer: Offer, edition: str) -> Table:
    name = "handshake_signature_hash"
    schemes = [data.SIGNATURE_SCHEMES.get(code, (f"0x{code:04X}", "", "")) for code in offer.signature_schemes]
    if "sha2-supported" not in data.EDITIONS[edition][name]["items"]:
        return _table(name, edition, offer, [_listed(name, edition, one[0], "TLSv1.2", one[2]) for one in schemes])
    if any(hashed in ("SHA-256", "SHA-384", "SHA-512") for _name, _key, hashed in schemes):
        # More could be accepted, but this edition asks for no more.
        return Table(name, data.EDITIONS[edition][name]["ref"], (_listed(name, edition, "sha2-supported"),))
    asked = [] if name in offer.gaps or not offer.before_13 else [_listed(name, edition, "sha2-not-supported")]
    return _table(name, edition, offer, asked)


def _certificate_key(offer: Offer, edition: str) -> Table:
    items = []
    for served in offer.certificates:
        size = f"{served.key}-{served.curve or served.bits}"
        if served.key == "RSA":
            range_ = ">=3072" if served.bits >= 3072 else "2048-3071" if served.bits >= 2048 else "<2048"
            items.append(_listed("certificate_key_rsa", edition, size, served.subject, range_))
        elif served.key == "EC":
            items.append(_listed("certificate_key_ec", edition, size, served.subject, served.curve))
        elif served.key in ("Ed25519", "Ed448"):
            items.append(_listed("certificate_key_eddsa", edition, served.key, served.subject))
        else:
            # Any other kind of key authenticates in a way that both editions call insufficient.
            items.append(Graded(size, Level.INSUFFICIENT, "inl-1.11-code", True, served.subject))
    return _table("certificate_key", edition, offer, items, "certificate_key_rsa")


def _certificate_signature_hash(offer: Offer, edition: str) -> Table:
    name = "certificate_signature_hash"
    items = []
    for served in offer.certificates:
        if served.self_signed:
            continue
        if served.signature_hash == "intrinsic" and "intrinsic" not in data.EDITIONS[edition][name]["items"]:
            items.append(Graded("intrinsic", None, "recalled", False, served.subject))
        else:
            items.append(_listed(name, edition, served.signature_hash, served.subject))
    return _table(name, edition, offer, items)


def _switch(
    name: str, entry: t.Callable[[Offer, str], str | None], applies: t.Callable[[Offer], object], applying: str
) -> t.Callable[[Offer, str], Table]:
    """A table with one value; ``applies`` says whether the offer has what it is about (else ``applying`` is absent)."""

    def make(offer: Offer, edition: str) -> Table:
        if not applies(offer) and "protocols" not in offer.gaps:
            graded = Graded(_NOT_APPLICABLE, Level.GOOD, "inl-1.11-text", True, f"no {applying}")
            return Table(name, data.EDITIONS[edition][name]["ref"], (graded,))
        found = entry(offer, edition)
        if found is None:
            gap = offer.gaps.get(name) or offer.gaps.get("protocols") or "could not be found out"
            return Table(name, data.EDITIONS[edition][name]["ref"], (), gap)
        return _table(name, edition, offer, [_listed(name, edition, found)])

    return make


def _either(value: bool | None, yes: str, no: str) -> str | None:
    return None if value is None else yes if value else no


def _renegotiation(offer: Offer, edition: str) -> str | None:
    granted = offer.renegotiations
    if edition == "2.1":
        return _either(None if granted is None else granted > 0, "on", "off")
    if granted is None:
        return None
    return "none" if granted == 0 else "limited" if granted < MANY_RENEGOTIATIONS else "unlimited"


_OLD: t.Final = "protocol before TLS 1.3"
_TABLES: t.Final[tuple[t.Callable[[Offer, str], Table], ...]] = (
    _protocols,
    _cipher_suites,
    _cipher_order,
    _key_exchange_groups,
    _ffdhe_groups,
    _handshake_signature_hash,
    _switch("compression", lambda offer, _: _either(offer.compression, "tls", "none"), lambda o: o.before_13, _OLD),
    _switch(
        "insecure_renegotiation",
        lambda offer, _: _either(offer.secure_renegotiation, "off", "on"),
        lambda offer: offer.before_13,
        _OLD,
    ),
    _switch("client_initiated_renegotiation", _renegotiation, lambda offer: offer.before_13, _OLD),
    _switch(
        "extended_master_secret",
        lambda offer, _: _either(offer.extended_master_secret, "supported", "not-supported"),
        lambda offer: "TLSv1.2" in offer.protocols,
        "TLS 1.2",
    ),
    _switch(
        "zero_rtt",
        lambda offer, _: _either(None if offer.early_data is None else offer.early_data > 0, "on", "off"),
        lambda offer: "TLSv1.3" in offer.protocols,
        "TLS 1.3",
    ),
    _certificate_key,
    _certificate_signature_hash,
)

#: Table -> (subtest of internet.nl, code when insufficient, code when phase-out); '' where there is none.
SUBTESTS: t.Final[t.Mapping[str, tuple[str, Code | t.Literal[""], Code | t.Literal[""]]]] = {
    "protocols": ("mail_starttls_tls_version", "tls-version-insufficient", "tls-version-phase-out"),
    "cipher_suites": ("mail_starttls_tls_ciphers", "cipher-insufficient", "cipher-phase-out"),
    "cipher_order": ("mail_starttls_tls_cipherorder", "cipher-order-violation", ""),
    "key_exchange_groups": ("mail_starttls_tls_keyexchange", "kex-group-insufficient", "kex-group-phase-out"),
    "ffdhe_groups": ("mail_starttls_tls_keyexchange", "kex-group-insufficient", "kex-group-phase-out"),
    "handshake_signature_hash": (
        "mail_starttls_tls_keyexchangehash", "kex-hash-insufficient", "kex-hash-phase-out",
    ),
    "compression": ("mail_starttls_tls_compress", "tls-compression-enabled", ""),
    "insecure_renegotiation": ("mail_starttls_tls_secreneg", "secure-renegotiation-missing", ""),
    "client_initiated_renegotiation": (
        "mail_starttls_tls_clientreneg", "client-renegotiation-unlimited", "client-renegotiation-unlimited",
    ),
    "extended_master_secret": ("mail_starttls_tls_extendedmastersecret", "extended-master-secret-missing", ""),
    "zero_rtt": ("mail_starttls_tls_0rtt", "zero-rtt-enabled", ""),
    "certificate_key": ("mail_starttls_cert_pubkey", "certificate-key-insufficient", "certificate-key-phase-out"),
    "certificate_signature_hash": (
        "mail_starttls_cert_sig", "certificate-signature-insufficient", "certificate-signature-phase-out",
    ),
}  # fmt: skip

#: What internet.nl does not see: finite fields inside TLS 1.3 have codes of their own.
_TLS13_FFDHE: t.Final[t.Mapping[Level, Code]] = {
    Level.INSUFFICIENT: "tls13-ffdhe-group-insufficient", Level.PHASE_OUT: "tls13-ffdhe-group-phase-out",
}  # fmt: skip


def findings(judgement: Judgement, subject: str) -> tuple[Finding, ...]:
    """Return what is wrong with ``subject`` (an endpoint) according to ``judgement``, worst first."""
    found: list[Finding] = []
    for table in judgement.tables:
        place = f"NCSC-NL TLS guidelines {judgement.edition}, {table.ref}"
        _subtest, insufficient, phase_out = SUBTESTS[table.name]
        for level, code in ((Level.INSUFFICIENT, insufficient), (Level.PHASE_OUT, phase_out)):
            items = table.at(level)
            hidden = [item for item in items if table.name == "ffdhe_groups" and item.where == "TLSv1.3"]
            seen = [item for item in items if item not in hidden]
            found += [_about(code, subject, level, seen, place)] if seen and code else []
            found += [_about(_TLS13_FFDHE[level], subject, level, hidden, place)] if hidden else []
        if table.name == "client_initiated_renegotiation" and any(i.name in ("limited", "on") for i in table.items):
            granted = [item for item in table.items if item.level]
            found.append(_about("client-renegotiation-allowed", subject, Level.SUFFICIENT, granted, place))
        if table.gap:
            text = f"{table.name.replace('_', ' ')} could not be found out completely: {table.gap}"
            found.append(finding("tls-scan-incomplete", subject, text, place))
    protocols = judgement.tables[0]
    names = [item.name for item in protocols.items]
    if names and not protocols.gap and not {"TLSv1.3", "TLSv1.2"} & {*names}:
        found.append(finding("tls-version-too-old", subject, f"nothing newer than {names[0]}", "TLSv1.2 or newer"))
    return sort_findings(found)


def _about(code: Code, subject: str, level: Level, items: c.Sequence[Graded], place: str) -> Finding:
    named = [f"{item.name} ({item.where})" if item.where else item.name for item in items]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    doubt = "; not all of this is confirmed by the text of the edition" if not all(i.confirmed for i in items) else ""
    return finding(code, subject, f"{level.value}: {', '.join(named[:_SHOWN])}{more}{doubt}", place)
