# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust anchors: where validation starts (RFC 4033 section 2, RFC 9718). Private to the collection."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import keys as dnssec_keys
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.root_anchors import ROOT_ANCHORS

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    from dns.rdtypes.ANY.DNSKEY import DNSKEY
    from dns.rdtypes.ANY.DS import DS

_MAX_TEXT: t.Final = 1024 * 1024
_MAX_ANCHORS: t.Final = 256

# RFC 9718 section 2.1: flat, without attributes that matter here other than the zone. No XML parser, no entities.
_XML_ZONE: t.Final = re.compile(r"<Zone>\s*([^<\s]+)\s*</Zone>")
_XML_DIGEST: t.Final = re.compile(r"<KeyDigest\b[^>]*>(.*?)</KeyDigest>", re.DOTALL)
_XML_FIELD: t.Final = re.compile(r"<(KeyTag|Algorithm|DigestType|Digest)>\s*([0-9A-Fa-f\s]+?)\s*</\1>")


@dataclasses.dataclass(frozen=True)
class Anchors:
    """Trust anchors: DS and DNSKEY records per name."""

    records: t.Mapping[dns.name.Name, tuple[DS | DNSKEY, ...]]

    def closest(self, name: dns.name.Name) -> dns.name.Name | None:
        """Return the closest name at or above ``name`` that has an anchor, or None."""
        while name not in self.records:
            if name == dns.name.root:
                return None
            name = name.parent()
        return name

    def matching(self, zone: dns.name.Name, keys: t.Iterable[dnssec_keys.Key]) -> list[dnssec_keys.Key]:
        """Return those of ``keys`` that an anchor of ``zone`` names."""
        return [key for key in keys if self._names(zone, key)]

    def revoked(self, zone: dns.name.Name, keys: t.Iterable[dnssec_keys.Key]) -> list[dnssec_keys.Key]:
        """Return those of ``keys`` that an anchor named before the zone revoked them (RFC 5011 section 2.1)."""
        return [key for key in keys if key.is_revoked and self._names(zone, key.unrevoked())]

    def algorithms(self, zone: dns.name.Name) -> set[tuple[int, int]]:
        """Return algorithm and digest type of the anchors of ``zone``; a DNSKEY counts as digest type 2."""
        return {
            (int(record.algorithm), int(record.digest_type) if isinstance(record, DS) else 2)
            for record in self.records[zone]
        }

    def _names(self, zone: dns.name.Name, key: dnssec_keys.Key) -> bool:
        for record in self.records[zone]:
            if isinstance(record, DS):
                if int(record.key_tag) == key.tag and int(record.algorithm) == key.algorithm and key.matches(record):
                    return True
            elif record.to_digestable() == key.rdata.to_digestable():
                return True
        return False


def root_anchors() -> Anchors:
    """Return the anchors of the root zone that the collection carries."""
    return parse("\n".join(ROOT_ANCHORS))


def from_options(lines: t.Sequence[str] | None, path: str | None) -> Anchors:
    """Return the anchors given in line or in the file at ``path``, those of the root for neither.

    Raises ValueError for what cannot be read or used.
    """
    if lines is not None:
        return parse("\n".join(lines))
    if path is None:
        return root_anchors()
    try:
        with open(path, encoding="utf-8") as handle:
            text = handle.read(_MAX_TEXT + 1)
    except OSError as error:
        raise ValueError(f"the trust anchor file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"the trust anchor file {path} is not text") from error
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse(text: str) -> Anchors:
    """Return the anchors in ``text``: lines of DS or DNSKEY records, or the XML of RFC 9718.

    Raises ValueError that names the line and the rule.
    """
    if len(text) > _MAX_TEXT:
        raise ValueError(f"trust anchors: more than {_MAX_TEXT} characters")
    lines = _xml_lines(text) if "<TrustAnchor" in text else _plain_lines(text)
    records: dict[dns.name.Name, list[DS | DNSKEY]] = {}
    for line in filter(str.strip, lines):
        owner, record = _record(line)
        records.setdefault(owner, []).append(record)
    count = sum(map(len, records.values()))
    if not count:
        raise ValueError("trust anchors: no DS or DNSKEY record found")
    if count > _MAX_ANCHORS:
        raise ValueError(f"trust anchors: {count} records; at most {_MAX_ANCHORS} are taken")
    return Anchors({owner: tuple(found) for owner, found in records.items()})


def _plain_lines(text: str) -> list[str]:
    lines: list[str] = []
    open_line = ""
    for raw in text.splitlines():
        line = (open_line + " " + raw.split(";")[0].strip()).strip()
        if "(" in line and ")" not in line:
            open_line = line
            continue
        open_line = ""
        if line:
            lines.append(line.replace("(", " ").replace(")", " "))
    if open_line:
        raise ValueError(f"trust anchors: a parenthesis is not closed: {open_line[:60]!r}")
    return lines


def _xml_lines(text: str) -> list[str]:
    zone = _XML_ZONE.search(text)
    lines: list[str] = []
    for digest in _XML_DIGEST.finditer(text):
        fields = dict(_XML_FIELD.findall(digest.group(1)))
        if set(fields) != {"KeyTag", "Algorithm", "DigestType", "Digest"}:
            raise ValueError("trust anchors: a KeyDigest lacks KeyTag, Algorithm, DigestType or Digest (RFC 9718)")
        owner = zone.group(1) if zone else "."
        lines.append(f"{owner} DS {fields['KeyTag']} {fields['Algorithm']} {fields['DigestType']} {fields['Digest']}")
    return lines


def _record(line: str) -> tuple[dns.name.Name, DS | DNSKEY]:
    owner, *rest = line.split()
    while rest and (rest[0].isdigit() or rest[0].upper() == "IN"):
        rest.pop(0)
    kind = rest.pop(0).upper() if rest else ""
    if kind not in ("DS", "DNSKEY"):
        raise ValueError(f"trust anchors: {line[:60]!r} is neither a DS nor a DNSKEY record")
    try:
        rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), " ".join(rest))
        name = dns.name.from_text(owner)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"trust anchors: {line[:60]!r}: {error}") from error
    if not isinstance(rdata, DS | DNSKEY):
        raise ValueError(f"trust anchors: {line[:60]!r} is no {kind} record")
    return name, rdata
