# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does the chain a server presents satisfy a TLSA RRset, as RFC 7671 sections 5 to 9 say, and as senders do?

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dane import handshake, tlsa
from ansible_collections.mailsec.dane.plugins.module_utils._dane.handshake import Session, session_of
from ansible_collections.mailsec.dane.plugins.module_utils._dane.near_miss import diagnose
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import DANE_EE, DANE_TA, TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._pki import certification_path, gnutls
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate, CertificateError
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certification_path import Fault

if t.TYPE_CHECKING:
    import collections.abc as c
    import datetime

__all__ = (
    "MatchResult", "Profile", "RecordMatch", "Session", "agile", "diagnose", "handshake_fault", "has_data", "match",
    "refusals", "session_of", "unusable_reason",
)  # fmt: skip

_NOT_NEGOTIATED: t.Final = Session()
#: What stops Postfix only where it authenticates: before, OpenSSL's security level is 0.
_WHEN_AUTHENTICATING: t.Final = "tls-signature-weak"
#: TLSA records up to which Postfix and Exim take all. Postfix drops what is beyond, Exim then has none that matches.
_MOST_RECORDS: t.Final = 100
#: What made a chain fail, most telling first: what concerns all records, then the part that came closest to a match.
_TELLING: t.Final = (
    handshake.OLD_TLS, handshake.NO_CIPHER, handshake.MALFORMED, handshake.WEAK_KEY, handshake.KEY_USAGE,
    certification_path.NAME, certification_path.EXPIRED, certification_path.INVALID, "tlsa-no-match", "ta-not-in-chain",
)  # fmt: skip


class Profile(enum.Enum):
    """Whose decision is asked for.

    ``RFC``: a sender that is as strict as the RFCs allow about certificates; of several paths it finds the
    good one. It wants the trust anchor in the message (save for ``2 0 0``) and in date. ``POSTFIX``:
    OpenSSL 3 as Postfix drives it, at security level 1; it follows one path only. ``EXIM``: GnuTLS libdane 3.7 with
    Exim's name check, as on Debian: no digest agility, only the first reference name, and the anchor need not be
    on the path.
    """

    RFC = "rfc"
    POSTFIX = "postfix"
    EXIM = "exim"


@dataclasses.dataclass(frozen=True)
class RecordMatch:
    """What became of one record.

    ``usable``: senders look at it at all. ``considered``: digest agility left it in (RFC 7671 section 9).
    ``matched``: it would authenticate the chain if it stood alone, also when not ``considered``.
    ``depth``: position in the message of the certificate that has its data (0 is the leaf), None when
    none has. ``reason``: a code as in :class:`MatchResult`, or ``tlsa-pkix-usage`` or ``tlsa-bad-field`` for
    an unusable record. ``detail``: a sentence.
    """

    record: TlsaRecord
    usable: bool
    matched: bool
    considered: bool
    depth: int | None
    reason: str
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class MatchResult:
    """What the sender decides about a chain.

    ``reason`` is ``dane-ok``, ``tlsa-no-match``, ``ta-not-in-chain``, ``ta-name-mismatch``, ``ta-chain-expired``,
    ``ta-chain-invalid``, ``tlsa-all-unusable``, ``tlsa-too-many-records``, or one of ``handshake`` or of
    ``Session.stops``: then no record counts. ``strict``: each combination of usage, selector and matching type among
    the usable records has one that matches this chain (RFC 7671 section 8).
    """

    authenticated: bool
    reason: str
    records: tuple[RecordMatch, ...]
    strict: bool


def match(
    records: t.Sequence[TlsaRecord],
    chain: t.Sequence[Certificate],
    reference_names: t.Sequence[str],
    now: datetime.datetime,
    profile: Profile = Profile.RFC,
    session: Session = _NOT_NEGOTIATED,
) -> MatchResult:
    """Decide as a sender of ``profile`` does. Never raises for what records and chain hold.

    ``chain`` is what the server sent, in its order, leaf first (each from ``load_der``). ``reference_names``
    begins with the TLSA base domain; next-hop names follow where RFC 7672 section 3.2.2 accepts them.
    ``now`` is aware. ``session`` is TLS as negotiated; by default a version and a cipher suite of today.
    Work on hostile chains is bounded by the limits of ``certification_path``.
    """
    unique = tuple(dict.fromkeys(records))
    usable = tuple(record for record in unique if unusable_reason(record, profile) is None)
    considered = usable if profile is Profile.EXIM else agile(usable)
    judge = _JUDGES[profile](tuple(chain), tuple(reference_names), now)
    before = handshake_fault(profile, chain, session) if chain else None
    entries = tuple(_record_match(record, record in considered, judge, before) for record in unique)
    combinations = {record.parameters for record in usable}
    fulfilled = {entry.record.parameters for entry in entries if entry.matched}
    strict = bool(combinations) and combinations == fulfilled
    stop = dict(session.stops).get(profile.value)
    if stop is not None and (usable or stop != _WHEN_AUTHENTICATING):
        return MatchResult(False, stop, entries, strict)
    if not usable:
        # TLS without authentication: GnuTLS is as strict about the certificate as before, OpenSSL is not.
        refused = before is not None and profile is Profile.EXIM
        return MatchResult(False, before.code if before and refused else "tlsa-all-unusable", entries, False)
    if before is None and len(unique) > _MOST_RECORDS:
        # A name server gives records in any order, so that those that match may be the ones that are dropped.
        others = sum(not entry.matched for entry in entries)
        if profile is Profile.EXIM or (profile is Profile.POSTFIX and others >= _MOST_RECORDS):
            return MatchResult(False, "tlsa-too-many-records", entries, strict)
    reason = before.code if before else judge.overall(considered)
    return MatchResult(reason == "dane-ok", reason, entries, strict)


def refusals(results: t.Mapping[Profile, MatchResult]) -> dict[Profile, MatchResult]:
    """Return the results of those who do not authenticate the server; what only the RFC profile refuses nobody does."""
    found = {profile: result for profile, result in results.items() if not result.authenticated}
    return {} if set(found) == {Profile.RFC} else found


def unusable_reason(record: TlsaRecord, profile: Profile) -> str | None:
    """Say why a sender of ``profile`` leaves the record aside, None when it uses it.

    Exim takes data of matching type 0 as it is, so that a record that can never match keeps mail back.
    """
    kept = profile is Profile.EXIM and record.matching_type == tlsa.FULL and record.data
    if kept and record.usage in (DANE_TA, DANE_EE) and record.selector in (tlsa.CERT, tlsa.SPKI):
        return None
    return record.unusable_reason()


def handshake_fault(profile: Profile, chain: t.Sequence[Certificate], session: Session) -> Fault | None:
    """Say why a sender of ``profile`` that has to authenticate the server does not get as far as its records."""
    faults = {
        Profile.POSTFIX: (handshake.openssl_fault,),
        Profile.EXIM: (handshake.gnutls_fault,),
        Profile.RFC: (handshake.openssl_fault, handshake.gnutls_fault),
    }[profile]
    return next(filter(None, (fault(chain, session) for fault in faults)), None)


def agile(usable: t.Sequence[TlsaRecord]) -> tuple[TlsaRecord, ...]:
    """Keep the strongest digest of each usage and selector, and all full data (RFC 7671 section 9)."""
    best: dict[tuple[int, int], int] = {}
    for record in usable:
        group = (record.usage, record.selector)
        best[group] = max(best.get(group, 0), record.matching_type)
    return tuple(
        record for record in usable if record.matching_type in (tlsa.FULL, best[record.usage, record.selector])
    )


def _record_match(record: TlsaRecord, considered: bool, judge: _Judge, before: Fault | None) -> RecordMatch:
    why = unusable_reason(record, judge.profile)
    if why is not None:
        code = "tlsa-pkix-usage" if record.usage < DANE_TA else "tlsa-bad-field"
        return RecordMatch(record, False, False, False, None, code, why)
    fault = before or judge.fault(record)
    depth = judge.depth(record)
    if fault is None:
        detail = "" if considered else "left aside: a stronger digest is there too (RFC 7671 section 9)"
        return RecordMatch(record, True, True, considered, depth, "dane-ok", detail)
    return RecordMatch(record, True, False, considered, depth, fault.code, fault.detail)


def has_data(certificate: Certificate, record: TlsaRecord) -> bool:
    """Say whether the data of ``record`` is that of ``certificate``, whatever the usage."""
    return _data(certificate, record.selector, record.matching_type) == record.data


@functools.lru_cache(maxsize=1024)
def _data(certificate: Certificate, selector: int, matching_type: int) -> bytes:
    return tlsa.compute(certificate, DANE_EE, selector, matching_type).data


class _Judge:
    """How one kind of sender judges one chain; see :class:`Profile`."""

    profile: t.ClassVar[Profile]

    def __init__(self, chain: tuple[Certificate, ...], names: tuple[str, ...], now: datetime.datetime) -> None:
        self.chain, self.names, self.now = chain, names, now

    def depth(self, record: TlsaRecord) -> int | None:
        """Position of the certificate that has the data of ``record``, seen from its usage."""
        if record.usage == DANE_EE:
            return 0 if self.chain and has_data(self.chain[0], record) else None
        found = [depth for depth, certificate in enumerate(self.chain) if depth and has_data(certificate, record)]
        return found[0] if found else None

    def fault(self, record: TlsaRecord) -> Fault | None:
        """Why ``record`` alone would not authenticate the chain, or None when it would."""
        if record.usage == DANE_EE:
            if self.depth(record) == 0:
                return None
            return Fault("tlsa-no-match", "the certificate of the server has other data")
        if not self.chain:
            return Fault("ta-not-in-chain", "the server sent no certificate")
        try:
            return self.anchor_fault([record])
        except CertificateError as error:
            return Fault(certification_path.INVALID, str(error))

    def overall(self, considered: t.Sequence[TlsaRecord]) -> str:
        """The reason code for all records together."""
        faults = [self.fault(record) for record in considered]
        if None in faults:
            return "dane-ok"
        codes = {fault.code for fault in faults if fault}
        return next(code for code in _TELLING if code in codes)

    def anchor_fault(self, records: c.Sequence[TlsaRecord]) -> Fault | None:
        """Why no path leads to an anchor that one of the DANE-TA ``records`` names."""
        raise NotImplementedError


def _not_in_chain() -> Fault:
    return Fault("ta-not-in-chain", "no issuer in the message has the data of the record")


class _Strict(_Judge):
    """RFC 7671 and RFC 5280, with every choice they leave taken the strict way."""

    profile = Profile.RFC

    def __init__(self, chain: tuple[Certificate, ...], names: tuple[str, ...], now: datetime.datetime) -> None:
        super().__init__(chain, names, now)
        self._signatures = certification_path.Signatures()

    @functools.cached_property
    def _paths(self) -> tuple[certification_path.Path, ...]:
        return certification_path.signed_paths(self.chain[0], self.chain[1:], self._signatures)

    def anchor_fault(self, records: c.Sequence[TlsaRecord]) -> Fault | None:
        faults: list[Fault] = []
        for record in records:
            for path in self._paths_to(record):
                fault = self._path_fault(path)
                if fault is None:
                    return None
                faults.append(fault)
            if not faults and any(has_data(certificate, record) for certificate in self.chain[1:]):
                faults.append(
                    Fault(certification_path.INVALID, "the certificate that has this data did not issue the leaf")
                )
        if self._signatures.exhausted:
            faults.append(
                Fault(certification_path.INVALID, "the server sent more certificates than a sender would try")
            )
        return min(faults, key=lambda fault: _TELLING.index(fault.code), default=_not_in_chain())

    def _paths_to(self, record: TlsaRecord) -> list[certification_path.Path]:
        found = [path for path in self._paths if has_data(path[-1], record)]
        if record.matching_type == tlsa.FULL and record.selector == tlsa.CERT:
            anchor = Certificate(record.data)
            starts = ((self.chain[0],), *self._paths)
            found += [
                (*path, anchor)
                for path in starts
                if anchor not in path
                and not certification_path.looks_self_signed(path[-1])
                and certification_path.likely_issuer(path[-1], anchor)
                and self._signatures.verify(path[-1], anchor)
            ]
        return found

    def _path_fault(self, path: certification_path.Path) -> Fault | None:
        try:
            invalid = (
                certification_path.extension_fault(path, tolerant_anchor=True)
                or certification_path.level_fault(path)
                or certification_path.algorithm_fault(path)
                or certification_path.constraint_fault(path)
            )
            # No sender looks at the dates of an anchor further up that is not self-signed (RFC 5280 section 6.1.1 (d)).
            dated = path if len(path) == 2 or certification_path.looks_self_signed(path[-1]) else path[:-1]
            expired = next(
                filter(None, (certification_path.date_fault(certificate, self.now) for certificate in dated)), None
            )
            return invalid or certification_path.name_fault(path[0], self.names) or expired
        except CertificateError as error:
            return Fault(certification_path.INVALID, str(error))


class _OpenSsl(_Judge):
    """OpenSSL 3: one path by looks, then its checks; anchors that are not self-signed may have expired."""

    profile = Profile.POSTFIX

    def overall(self, considered: t.Sequence[TlsaRecord]) -> str:
        leaf_records = [record for record in considered if record.usage == DANE_EE]
        if any(self.fault(record) is None for record in leaf_records):
            return "dane-ok"
        anchors = [record for record in considered if record.usage == DANE_TA]
        if not anchors or not self.chain:
            return "tlsa-no-match" if leaf_records else "ta-not-in-chain"
        try:
            fault = self.anchor_fault(anchors)
        except CertificateError:
            return certification_path.INVALID
        if fault is None:
            return "dane-ok"
        return "tlsa-no-match" if fault.code == "ta-not-in-chain" and leaf_records else fault.code

    def anchor_fault(self, records: c.Sequence[TlsaRecord]) -> Fault | None:
        held = [Certificate(record.data) for record in records if record.parameters == (DANE_TA, tlsa.CERT, tlsa.FULL)]
        path, anchored = certification_path.openssl_path(
            self.chain[0],
            [*held, *self.chain[1:]],
            lambda certificate: any(has_data(certificate, record) for record in records),
            self.now,
        )
        bare = not anchored and any(
            path[-1].signed_by_key(record.data)
            for record in records
            if record.parameters == (DANE_TA, tlsa.SPKI, tlsa.FULL)
        )
        if not anchored and not bare:
            if any(has_data(certificate, record) for certificate in self.chain[1:] for record in records):
                return Fault(
                    certification_path.INVALID,
                    "the certificate with the data of the record is not on the path of issuers",
                )
            return _not_in_chain()
        return (
            certification_path.extension_fault(path, tolerant_anchor=True)
            or certification_path.level_fault(path)
            or certification_path.name_fault(path[0], self.names)
            or certification_path.algorithm_fault(path)
            or self._chaining_fault(path, bare)
            or certification_path.constraint_fault(path)
        )

    def _chaining_fault(self, path: certification_path.Path, bare: bool) -> Fault | None:
        for depth in reversed(range(len(path))):
            certificate = path[depth]
            top = depth == len(path) - 1
            if not top and not certificate.signed_by(path[depth + 1]):
                return Fault(certification_path.INVALID, f"the signature of {certificate.subject_text} does not verify")
            if not top or bare or certification_path.looks_self_signed(certificate):
                expired = certification_path.date_fault(certificate, self.now)
                if expired:
                    return expired
        return None


class _LibDane(_Judge):
    """GnuTLS libdane 3.7: the message has an issuer of the leaf, and some certificate that has the data.

    It goes through the message from its end, and gives up at the first certificate that it does not read.
    """

    profile = Profile.EXIM

    def fault(self, record: TlsaRecord) -> Fault | None:
        if not self.chain:
            return super().fault(record)
        unwritable = gnutls.subject_fault(self.chain[0])
        if unwritable:
            # Exim wants the subject for its log before it verifies anything.
            return Fault(handshake.MALFORMED, f"Exim takes the certificate of the server for absent: {unwritable}")
        if record.usage != DANE_EE:
            return super().fault(record)
        fits, fault = self._fits(self.chain[0], record)
        if fits:
            return None
        return fault or Fault("tlsa-no-match", "the certificate of the server has other data")

    def overall(self, considered: t.Sequence[TlsaRecord]) -> str:
        if any(record.usage == DANE_EE and self.fault(record) is None for record in considered):
            return "dane-ok"
        others = self.chain[1 : 1 + certification_path.MAX_CERTIFICATES]
        # A record that makes libdane give up spoils those that it would try later, and records have no order.
        faults = [self._data_fault(others, record) for record in considered if record.usage == DANE_TA]
        given_up = any(fault and fault.code == certification_path.INVALID for fault in faults)
        return certification_path.INVALID if given_up else super().overall(considered)

    def anchor_fault(self, records: c.Sequence[TlsaRecord]) -> Fault | None:
        others = self.chain[1 : 1 + certification_path.MAX_CERTIFICATES]
        faults = [self._data_fault(others, record) for record in records]
        if faults and all(faults):
            return faults[0]
        found = self._issuer_fault(others)
        if found is None and not gnutls.has_name(self.chain[0], self.names[0]):
            leaf = self.chain[0]
            return certification_path.wrong_name(leaf.dns_names or leaf.common_names, self.names[:1])
        return found

    def _data_fault(self, others: c.Sequence[Certificate], record: TlsaRecord) -> Fault | None:
        for certificate in reversed(others):
            fits, fault = self._fits(certificate, record)
            if fits:
                return None
            if fault:
                return fault
        return _not_in_chain()

    def _fits(self, certificate: Certificate, record: TlsaRecord) -> tuple[bool, Fault | None]:
        """Whether the certificate has the data of the record, and why libdane gives up over it."""
        if record.selector == tlsa.CERT:
            return has_data(certificate, record), None
        why = gnutls.key_fault(certificate)
        if why:
            return False, _unreadable(certificate, why)
        return tlsa.digest(gnutls.spki(certificate), record.matching_type) == record.data, None

    def _issuer_fault(self, others: c.Sequence[Certificate]) -> Fault | None:
        leaf = self.chain[0]
        # Of several that look like the issuer, only the last one in the message is tried (measured).
        for issuer in reversed(others):
            why = gnutls.import_fault(issuer)
            if why:
                return _unreadable(issuer, why)
            if gnutls.is_issuer(leaf, issuer):
                return self._date_fault(leaf) if issuer == leaf else self._link_fault(leaf, issuer)
        return Fault(certification_path.INVALID, "the message has no issuer of the leaf")

    def _link_fault(self, leaf: Certificate, issuer: Certificate) -> Fault | None:
        invalid = gnutls.link_fault(leaf, issuer)
        if invalid:
            return Fault(certification_path.INVALID, invalid)
        forbidden = gnutls.constraint_fault(leaf, issuer)
        if forbidden:
            return Fault(certification_path.INVALID, forbidden)
        return self._date_fault(leaf) or self._date_fault(issuer)

    def _date_fault(self, certificate: Certificate) -> Fault | None:
        return certification_path.validity_fault(certificate, certificate.loose_validity, self.now)


def _unreadable(certificate: Certificate, why: str) -> Fault:
    return Fault(certification_path.INVALID, f"GnuTLS does not read {certificate.subject_text}: {why}")


_JUDGES: t.Final[t.Mapping[Profile, type[_Judge]]] = {
    Profile.RFC: _Strict,
    Profile.POSTFIX: _OpenSsl,
    Profile.EXIM: _LibDane,
}
