# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Matching against what OpenSSL (Postfix) and libdane (Exim) themselves decide, on random chains and RRsets."""

from __future__ import annotations

import os
import random

import pytest
from cryptography import x509
from oracle.pki import NOW
from oracle.scenarios import Scenario, generate
from oracle.test_openssl_oracle import libdane, libgnutls, libssl

from ansible_collections.mailsec.dane.plugins.module_utils._dane.matching import MatchResult, Profile, match
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der

COUNT = int(os.environ.get("MAILSEC_DANE_CHAINS", "1500"))
SEED = int(os.environ.get("MAILSEC_DANE_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)

#: Verification error of OpenSSL -> the reasons that say the same.
REASONS = {
    0: {"dane-ok"},
    9: {"ta-chain-expired"},
    10: {"ta-chain-expired"},
    62: {"ta-name-mismatch"},
    65: {"tlsa-no-match", "ta-not-in-chain", "ta-chain-invalid"},
}


def _scenarios(capsys: pytest.CaptureFixture[str]) -> list[tuple[int, Scenario]]:
    with capsys.disabled():
        print(f"\n{COUNT} random chains, MAILSEC_DANE_SEED={SEED}")
    return [(number, generate(random.Random(SEED * 1_000_003 + number))) for number in range(COUNT)]


def _match(scenario: Scenario, profile: Profile) -> MatchResult:
    return match(scenario.records, [load_der(der) for der in scenario.chain], scenario.names, NOW, profile)


@pytest.mark.slow
def test_postfix_profile_agrees_with_openssl(capsys: pytest.CaptureFixture[str]) -> None:
    """F08, B05, RFC 7671 sections 5 to 9: same usable records, same decision, same kind of reason."""
    oracle, decided = libssl(), {True: 0, False: 0}
    for number, scenario in _scenarios(capsys):
        given = [(record.parameters, record.data) for record in scenario.records]
        taken, error = oracle.verify(given, list(scenario.chain), list(scenario.names), NOW)
        where = f"seed {SEED}, chain {number}, OpenSSL says {error}:\n{scenario.story}"
        assert taken == sum(record.unusable_reason() is None for record in scenario.records), where
        result = _match(scenario, Profile.POSTFIX)
        if not taken:
            assert result.reason == "tlsa-all-unusable", where
            continue
        decided[result.authenticated] += 1
        assert result.reason in REASONS.get(error, {"ta-chain-invalid"}), f"we say {result.reason}, {where}"
    assert min(decided.values()) > COUNT // 10, f"the chains are too one-sided to prove anything: {decided}"


def exim_uses(record: TlsaRecord) -> bool:
    """As dane_tlsa_load of Exim 4.96 decides: data of matching type 0 is taken as it is."""
    sizes = {0: len(record.data), 1: 32, 2: 64}
    known = record.usage in (2, 3) and record.selector in (0, 1) and record.matching_type in sizes
    return known and 0 < len(record.data) == sizes[record.matching_type]


def may_sign(der: bytes) -> bool:
    try:
        usage = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature


@pytest.mark.slow
def test_exim_profile_agrees_with_libdane(capsys: pytest.CaptureFixture[str]) -> None:
    """B05, SR section 8: usable records only, DANE-EE first, then DANE-TA with the name check."""
    oracle, names, decided = libdane(), libgnutls(), {True: 0, False: 0}
    for number, scenario in _scenarios(capsys):
        usable = [record for record in scenario.records if exim_uses(record)]
        chain, leaf = list(scenario.chain), load_der(scenario.chain[0])
        ee_records = [record.to_wire() for record in usable if record.usage == 3]
        ta_records = [record.to_wire() for record in usable if record.usage == 2]
        expected = bool(ee_records) and oracle.verify(ee_records, chain, NOW)
        if not expected and ta_records and names.has_name(leaf.der, scenario.names[0]):
            expected = oracle.verify(ta_records, chain, NOW)
        # GnuTLS itself ends the handshake then, before libdane is asked.
        expected = expected and may_sign(leaf.der)
        result = _match(scenario, Profile.EXIM)
        if usable:
            decided[result.authenticated] += 1
        where = f"seed {SEED}, chain {number}, libdane says {expected}, we say {result.reason}:\n{scenario.story}"
        assert result.authenticated is expected, where
    assert min(decided.values()) > COUNT // 10, f"the chains are too one-sided to prove anything: {decided}"


@pytest.mark.slow
def test_rfc_profile_is_stricter_than_openssl_but_for_ambiguous_issuers(capsys: pytest.CaptureFixture[str]) -> None:
    """B05: the RFC profile is never laxer than OpenSSL, save that it tries all issuers of the same name."""
    accepted = 0
    for number, scenario in _scenarios(capsys):
        if not _match(scenario, Profile.RFC).authenticated:
            continue
        accepted += 1
        if _match(scenario, Profile.POSTFIX).authenticated:
            continue
        subjects = [load_der(der).subject for der in dict.fromkeys(scenario.chain[1:])]
        unsent = [record for record in scenario.records if record.parameters == (2, 0, 0)]
        assert len(set(subjects)) < len(subjects) or unsent, f"seed {SEED}, chain {number}:\n{scenario.story}"
    assert accepted > COUNT // 10
