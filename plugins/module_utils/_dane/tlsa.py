# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLSA records and RRsets: text and wire form, computed from certificates and keys, usable or not, lint.

RFC 6698 section 2, RFC 7671 and RFC 7218 (names). Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _findings
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, Severity, finding
from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate

USAGES: t.Final = ("PKIX-TA", "PKIX-EE", "DANE-TA", "DANE-EE")
SELECTORS: t.Final = ("Cert", "SPKI")
MATCHING_TYPES: t.Final = ("Full", "SHA2-256", "SHA2-512")

DANE_TA: t.Final = 2
DANE_EE: t.Final = 3
CERT: t.Final = 0
SPKI: t.Final = 1
FULL: t.Final = 0

#: Matching type -> length of its digest in bytes.
DIGEST_BYTES: t.Final[t.Mapping[int, int]] = {1: 32, 2: 64}

_MAX_DATA_BYTES: t.Final = 65535 - 3
_MANY_RECORDS: t.Final = 8
_TOO_MANY_RECORDS: t.Final = 12
_LONGEST_TTL: t.Final = 3600
#: What fits into one UDP answer nearly everywhere, and room for header, question, OPT and one signature.
_SAFE_ANSWER_BYTES: t.Final = 1232
_ANSWER_OVERHEAD_BYTES: t.Final = 12 + 40 + 11 + 320
_LABEL: t.Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


#: Digest of nothing -> its name: what a broken pipeline publishes.
EMPTY_DIGESTS: t.Final[t.Mapping[bytes, str]] = {
    bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"): "SHA2-256",
    bytes.fromhex(
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
    ): "SHA2-512",
    bytes.fromhex("da39a3ee5e6b4b0d3255bfef95601890afd80709"): "SHA-1",
    bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e"): "MD5",
}

#: The names RFC 7218 gives to 255.
_PRIVATE_USE: t.Final = {"certificate usage": "privcert", "selector": "privsel", "matching type": "privmatch"}


class TlsaError(ValueError):
    """The input is not a TLSA record, or none can be made of it; the message names the input and the rule."""


def parse_usage(value: int | str) -> int:
    """Return the certificate usage for a number 0-255 or a name of RFC 7218 such as ``DANE-EE``."""
    return _parse_field("certificate usage", value, USAGES)


def parse_selector(value: int | str) -> int:
    """Return the selector for a number 0-255 or ``Cert`` or ``SPKI``."""
    return _parse_field("selector", value, SELECTORS)


def parse_matching_type(value: int | str) -> int:
    """Return the matching type for a number 0-255 or ``Full``, ``SHA2-256`` or ``SHA2-512``."""
    return _parse_field("matching type", value, MATCHING_TYPES)


def _parse_field(what: str, value: int | str, names: tuple[str, ...]) -> int:
    text = str(value).strip()
    lowered = [name.lower() for name in names]
    if text.lower() in lowered:
        return lowered.index(text.lower())
    if text.lower() == _PRIVATE_USE[what]:
        return 255
    if not (text.isascii() and text.isdigit() and int(text[:4]) <= 255):
        known = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
        raise TlsaError(f"unknown {what} {text[:40]!r}: it is a number from 0 to 255; defined are {known}")
    return int(text)


@dataclasses.dataclass(frozen=True, order=True)
class TlsaRecord:
    """One TLSA record (RFC 6698 section 2.1): three numbers of 0-255 and the certificate association data."""

    usage: int
    selector: int
    matching_type: int
    data: bytes

    def __post_init__(self) -> None:
        for what, value in (
            ("certificate usage", self.usage),
            ("selector", self.selector),
            ("matching type", self.matching_type),
        ):
            if not 0 <= value <= 255:
                raise TlsaError(f"{what} {value} does not fit into one byte (RFC 6698 section 2.1)")
        if len(self.data) > _MAX_DATA_BYTES:
            raise TlsaError(f"{len(self.data)} bytes of data do not fit into a DNS record")

    def __repr__(self) -> str:
        text = self.to_text()
        return f"TlsaRecord({text if len(text) <= 80 else text[:77] + '...'})"

    @classmethod
    def from_text(cls, text: str) -> TlsaRecord:
        """Read presentation format (RFC 6698 section 2.2): blanks inside the hex, any case, names of RFC 7218.

        What senders would find unusable still parses; see :meth:`unusable_reason`. Raises TlsaError.
        """
        fields = text.split(None, 3)
        if len(fields) < 4:
            raise TlsaError(f"{text[:60]!r} is not a TLSA record: it needs usage, selector, matching type and hex data")
        digits = "".join(fields[3].split())
        if len(digits) % 2 or not re.fullmatch(r"[0-9A-Fa-f]+", digits):
            why = "an odd number of digits" if re.fullmatch(r"[0-9A-Fa-f]+", digits) else "other characters than hex"
            raise TlsaError(f"the data of TLSA record {text[:60]!r} has {why} (RFC 6698 section 2.2)")
        return cls(
            parse_usage(fields[0]), parse_selector(fields[1]), parse_matching_type(fields[2]), bytes.fromhex(digits)
        )

    def to_text(self) -> str:
        """Presentation format: numbers, lower-case hex without blanks."""
        return f"{self.usage} {self.selector} {self.matching_type} {self.data.hex()}"

    @classmethod
    def from_wire(cls, rdata: bytes) -> TlsaRecord:
        """Read RDATA in wire format (RFC 6698 section 2.1). Raises TlsaError when it has under three bytes."""
        if len(rdata) < 3:
            raise TlsaError(f"TLSA RDATA of {len(rdata)} bytes is cut off: it begins with three one-byte fields")
        return cls(rdata[0], rdata[1], rdata[2], bytes(rdata[3:]))

    def to_wire(self) -> bytes:
        """RDATA in wire format."""
        return bytes((self.usage, self.selector, self.matching_type)) + self.data

    @property
    def parameters(self) -> tuple[int, int, int]:
        """Usage, selector and matching type: the combination of RFC 7671 section 8."""
        return self.usage, self.selector, self.matching_type

    def as_dict(self) -> dict[str, int | str]:
        """The record as results carry it: the four fields, ``data`` in hex, and ``text``."""
        return {
            "usage": self.usage,
            "selector": self.selector,
            "matching_type": self.matching_type,
            "data": self.data.hex(),
            "text": self.to_text(),
        }

    def unusable_reason(self) -> str | None:
        """Say why mail senders leave this record aside, or None when it is usable (RFC 6698 section 4.1)."""
        return _unusable_reason(self)


@functools.lru_cache(maxsize=256)
def _unusable_reason(record: TlsaRecord) -> str | None:
    if record.usage > DANE_EE:
        return f"certificate usage {record.usage} is not defined"
    if record.usage < DANE_TA:
        return f"usage {record.usage} ({USAGES[record.usage]}) does not apply to mail (RFC 7672 section 3.1.3)"
    if record.selector > SPKI:
        return f"selector {record.selector} is not defined"
    if record.matching_type > 2:
        return f"matching type {record.matching_type} is not defined"
    if not record.data:
        return "the record has no data"
    if record.matching_type != FULL:
        wanted = DIGEST_BYTES[record.matching_type]
        if len(record.data) == wanted:
            return None
        name = MATCHING_TYPES[record.matching_type]
        return f"{len(record.data)} bytes of data, but {name} digests have {wanted}"
    try:
        if record.selector == CERT:
            certificate.load_der(record.data).public_key  # noqa: B018 - reading it is the check: senders decode the key too
        else:
            certificate.check_public_key(record.data)
    except certificate.CertificateError as error:
        return f"the data is not the whole object that the record claims: {error}"
    return None


def compute(source: certificate.Certificate, usage: int, selector: int, matching_type: int) -> TlsaRecord:
    """Return the record of ``source`` under these parameters, from its raw bytes.

    Raises TlsaError for parameters without a definition (RFC 6698 section 2.1), CertificateError.
    """
    if selector not in (CERT, SPKI):
        raise TlsaError(f"selector {selector} is not defined: 0 is the whole certificate, 1 its public key")
    return _record(source.der if selector == CERT else source.spki, usage, selector, matching_type)


def compute_from_spki(spki: bytes, usage: int, matching_type: int) -> TlsaRecord:
    """Return the record with selector 1 of the raw SubjectPublicKeyInfo ``spki``; for keys without certificate yet."""
    try:
        certificate.check_spki(spki)
    except ValueError as error:
        raise TlsaError(f"this is not a DER SubjectPublicKeyInfo: {error}") from error
    return _record(spki, usage, SPKI, matching_type)


def _record(content: bytes, usage: int, selector: int, matching_type: int) -> TlsaRecord:
    if not 0 <= usage < len(USAGES):
        raise TlsaError(f"certificate usage {usage} is not defined: it is 0 to 3, for mail 2 or 3")
    return TlsaRecord(usage, selector, matching_type, digest(content, matching_type))


def digest(content: bytes, matching_type: int) -> bytes:
    """Return the data that ``content`` has under ``matching_type`` (RFC 6698 section 2.1.3). Raises TlsaError."""
    if matching_type == FULL:
        return content
    if matching_type not in DIGEST_BYTES:
        raise TlsaError(f"matching type {matching_type} is not defined: 0 is the content, 1 SHA2-256, 2 SHA2-512")
    return (hashlib.sha256 if matching_type == 1 else hashlib.sha512)(content).digest()


def host_name(text: str) -> str:
    """Return ``text`` as lower-case A-labels without the final dot.

    Raises TlsaError for what is not a host name; for an internationalised name the message has the A-label
    form to write instead, because guessing between the IDNA versions would publish at the wrong name.
    """
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            advice = f"; its IDNA 2003 form is {name.encode('idna').decode('ascii')!r}"
        except UnicodeError:
            advice = ""
        raise TlsaError(f"{text[:80]!r} is an internationalised name: give it as A-labels (xn--...){advice}")
    if not name:
        raise TlsaError("the host name is empty")
    if re.fullmatch(r"[0-9.]+", name) or ":" in name or name.startswith("["):
        raise TlsaError(f"{text[:80]!r} is an address; TLSA records stand below host names (RFC 7672 section 2.2)")
    bad = [label for label in name.split(".") if not _LABEL.fullmatch(label)]
    if bad or len(name) > 253:
        why = f"label {bad[0][:70]!r} is not 1 to 63 letters, digits or hyphens" if bad else "over 253 characters"
        raise TlsaError(f"{text[:80]!r} is not a host name: {why} (RFC 1123 section 2.1)")
    return name


def owner_name(base_domain: str, port: int = 25, protocol: str = "tcp") -> str:
    """Return the owner name of the TLSA RRset, ``_25._tcp.mx.example.nl`` (RFC 6698 section 3).

    Raises TlsaError for what is not a host name, port or protocol, and for names too long with the prefix.
    """
    if not 0 < port < 65536:
        raise TlsaError(f"{port} is not a port number: it is 1 to 65535")
    if protocol not in ("tcp", "udp", "sctp"):
        raise TlsaError(f"{protocol!r} is not a transport protocol of RFC 6698 section 3: tcp, udp or sctp")
    name = host_name(base_domain)
    if name.startswith("_"):
        raise TlsaError(f"{base_domain[:80]!r} begins with an underscore: give the host name, not the TLSA owner name")
    owner = f"_{port}._{protocol}.{name}"
    if len(owner) > 253:
        raise TlsaError(f"{owner!r} has over 253 characters (RFC 1035 section 2.3.4)")
    return owner


@dataclasses.dataclass(frozen=True)
class TlsaRrset:
    """The records at ``owner`` (lower case, without final dot), sorted, with their TTL in seconds when known."""

    owner: str
    records: tuple[TlsaRecord, ...]
    ttl: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "records", tuple(sorted(self.records)))

    def zone_lines(self) -> tuple[str, ...]:
        """The RRset as lines of a zone file (RFC 1035 section 5.1)."""
        ttl = "" if self.ttl is None else f"{self.ttl} "
        return tuple(f"{self.owner}. {ttl}IN TLSA {record.to_text()}" for record in self.records)


def lint(rrset: TlsaRrset) -> tuple[Finding, ...]:
    """Return what is wrong with the RRset as such, without looking at any server (``mistakes.md``).

    Fields, empty digests, uneven numbers, duplicates, TTL.
    """
    found = [entry for record in dict.fromkeys(rrset.records) for entry in _lint_record(rrset.owner, record)]
    if rrset.records and all(record.unusable_reason() for record in rrset.records):
        shown = "; ".join(record.to_text() for record in rrset.records)
        found.append(finding("tlsa-all-unusable", rrset.owner, shown))
    for record in dict.fromkeys(rrset.records):
        if rrset.records.count(record) > 1:
            found.append(finding("tlsa-duplicate", rrset.owner, f"{_short(record)} is there more than once"))
    found += _lint_digests(rrset)
    count = len(rrset.records)
    if count > _MANY_RECORDS:
        severity = Severity.ERROR if count > _TOO_MANY_RECORDS else None
        found.append(finding("tlsa-too-many-records", rrset.owner, f"{count} records", "at most 8", severity))
    size = _ANSWER_OVERHEAD_BYTES + sum(12 + len(record.to_wire()) for record in rrset.records)
    if size > _SAFE_ANSWER_BYTES:
        evidence = f"a signed answer of about {size} bytes"
        found.append(finding("tlsa-rrset-too-large", rrset.owner, evidence, f"at most {_SAFE_ANSWER_BYTES} bytes"))
    if rrset.ttl is not None and rrset.ttl > _LONGEST_TTL:
        found.append(finding("ttl-too-long", rrset.owner, f"TTL {rrset.ttl} s", "1800 to 3600 s"))
    return _findings.sort(found)


def _lint_record(owner: str, record: TlsaRecord) -> list[Finding]:
    shown, reason = _short(record), record.unusable_reason()
    found: list[Finding] = []
    if record.usage < DANE_TA:
        found.append(finding("tlsa-pkix-usage", owner, shown, "usage 3 or 2"))
    elif reason:
        found.append(finding("tlsa-bad-field", owner, f"{shown}: {reason}"))
    empty = EMPTY_DIGESTS.get(record.data)
    if empty:
        found.append(finding("tlsa-empty-digest", owner, f"{shown}: the data is the {empty} of empty input"))
    elif len(record.data) >= 16 and not any(record.data):
        found.append(finding("tlsa-empty-digest", owner, f"{shown}: the data is all zero, which is not a digest"))
    if record.usage == DANE_EE and record.selector == CERT:
        found.append(finding("tlsa-cert-selector", owner, shown, "3 1 1"))
    if record.usage == DANE_TA and record.selector == CERT:
        found.append(finding("ta-cert-selector", owner, shown, "2 1 1"))
    if record.matching_type == FULL:
        found.append(finding("tlsa-full-data", owner, shown, "matching type 1"))
    return found


def _lint_digests(rrset: TlsaRrset) -> list[Finding]:
    """Uneven numbers under two digests: some key lacks one of them (RFC 7671 section 8.3)."""
    found: list[Finding] = []
    usable = [record for record in dict.fromkeys(rrset.records) if record.unusable_reason() is None]
    for usage, selector in sorted({(record.usage, record.selector) for record in usable}):
        counts = [sum(record.parameters == (usage, selector, digest) for record in usable) for digest in (1, 2)]
        if 0 not in counts and counts[0] != counts[1]:
            evidence = f"{usage} {selector}: {counts[0]} with SHA2-256, {counts[1]} with SHA2-512"
            found.append(
                finding("tlsa-digest-set-inconsistent", rrset.owner, evidence, "as many of each", Severity.WARNING)
            )
    return found


def _short(record: TlsaRecord) -> str:
    text = record.to_text()
    return text if len(text) <= 80 else f"{text[:76]}..."
