# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Levels of the NCSC-NL TLS guidelines: the table as published, and how single values make a judgement (F16, B06)."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given
from support.script import load

from ansible_collections.mailsec.dane.plugins.module_utils._audit.compliance import INTERNET_NL
from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.offer import PROTOCOLS, Offer, ServedCertificate
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan import guideline_data as data
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.guideline import (
    EDITIONS,
    NEWEST,
    SUBTESTS,
    Level,
    findings,
    judge,
    suite_level,
)
from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.suites import SUITES

ROOT = Path(__file__).resolve().parents[5]
CODES = {name: code for code, name in SUITES.items()}
LEAF = ServedCertificate("CN=mx", "EC", 256, "secp256r1", "SHA-256")
GOOD = Offer(
    protocols=("TLSv1.3", "TLSv1.2"),
    suites={
        "TLSv1.3": (CODES["TLS_AES_256_GCM_SHA384"],),
        "TLSv1.2": (CODES["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"],),
    },
    groups={"TLSv1.3": ("x25519",), "TLSv1.2": ("x25519",)},
    signature_schemes=(0x0403,),
    server_preference=True,
    compression=False,
    secure_renegotiation=True,
    renegotiations=0,
    early_data=0,
    extended_master_secret=True,
    certificates=(LEAF,),
)


def table(offer: Offer, name: str, edition: str = NEWEST):
    return next(one for one in judge(offer, edition).tables if one.name == name)


def codes(offer: Offer, edition: str = NEWEST) -> set[str]:
    return {found.code for found in findings(judge(offer, edition), "192.0.2.25:25")}


def test_the_data_is_what_the_table_says():
    generated = load("guideline_data").text()
    assert (ROOT / "plugins" / "module_utils" / "_tls_scan" / "guideline_data.py").read_text(
        encoding="utf-8"
    ) == generated


def test_the_counts_of_suites_are_those_of_the_appendices():
    source = yaml.safe_load((ROOT / "docs" / "data" / "tls-guidelines.yml").read_text(encoding="utf-8"))
    for edition in EDITIONS:
        listed = [entry["level"] for entry in source["editions"][edition]["cipher_suites"]["items"]]
        counts = source["editions"][edition]["cipher_suites"]["counts"]
        assert {level: listed.count(level) for level in counts} == counts
        assert len(listed) == sum(counts.values())


def test_suites_of_the_guidelines_have_the_same_names_in_the_registry():
    source = yaml.safe_load((ROOT / "docs" / "data" / "tls-guidelines.yml").read_text(encoding="utf-8"))
    for edition in EDITIONS:
        for entry in source["editions"][edition]["cipher_suites"]["items"]:
            high, low = (int(part, 16) for part in entry["code"].split(","))
            assert SUITES[high << 8 | low] == entry["name"]


def test_the_registry_agrees_with_openssl():
    shown = subprocess.run(
        ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    rows = [line.split() for line in shown.splitlines()]
    assert len(rows) > 100
    for row in rows:
        high, low = (int(part, 16) for part in row[0].split(","))
        assert SUITES[high << 8 | low] == row[2]


def test_editions_are_in_the_order_of_their_release():
    assert EDITIONS == ("2.1", "2025-05")
    with pytest.raises(ValueError, match=r"'2\.0' is not an edition of the guidelines: 2\.1 or 2025-05"):
        judge(GOOD, "2.0")


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_good_offer_has_no_findings(edition):
    assert judge(GOOD, edition).level is Level.SUFFICIENT
    assert codes(GOOD, edition) == set()


def test_nothing_known_is_unknown_in_every_table():
    nothing = Offer(gaps=dict.fromkeys(SUBTESTS, "no answer"))
    for edition in EDITIONS:
        judged = judge(nothing, edition)
        assert judged.level is Level.UNKNOWN
        assert {one.level for one in judged.tables} == {Level.UNKNOWN}
    assert codes(nothing) == {"tls-scan-incomplete"}


@pytest.mark.parametrize("name", SUBTESTS)
def test_any_gap_makes_the_whole_unknown(name):
    assert judge(dataclasses.replace(GOOD, gaps={name: "no answer"})).level is Level.UNKNOWN


@pytest.mark.parametrize(
    "field", ["server_preference", "compression", "secure_renegotiation", "renegotiations", "early_data",
              "extended_master_secret"],
)  # fmt: skip
def test_a_value_that_is_missing_without_a_reason_is_unknown_too(field):
    mixed = {"TLSv1.2": (CODES["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"], CODES["TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"])}
    offer = dataclasses.replace(GOOD, suites=mixed, **{field: None})
    assert judge(offer).level is Level.UNKNOWN


def test_insufficient_stays_insufficient_beside_a_gap():
    offer = dataclasses.replace(GOOD, protocols=(*GOOD.protocols, "TLSv1.0"), gaps={"protocols": "no answer"})
    assert table(offer, "protocols").level is Level.INSUFFICIENT
    assert judge(offer).level is Level.INSUFFICIENT
    assert codes(offer) == {"tls-version-insufficient", "tls-scan-incomplete"}


def test_a_hint_alone_fails_nobody():
    offer = dataclasses.replace(GOOD, groups={"TLSv1.3": ("x25519", "secp521r1")})
    judged = table(offer, "key_exchange_groups", "2.1")
    assert [item.level for item in judged.items] == [Level.GOOD, Level.INSUFFICIENT]
    assert judged.level is Level.PHASE_OUT
    assert codes(offer, "2.1") == {"kex-group-phase-out"}
    assert table(offer, "key_exchange_groups").level is Level.SUFFICIENT


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", Level.PHASE_OUT, Level.INSUFFICIENT),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", Level.PHASE_OUT, Level.INSUFFICIENT),
        ("TLS_RSA_WITH_RC4_128_SHA", Level.INSUFFICIENT, Level.INSUFFICIENT),
        ("TLS_AES_128_CCM_8_SHA256", Level.INSUFFICIENT, Level.INSUFFICIENT),
        ("TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384", Level.INSUFFICIENT, Level.PHASE_OUT),
        ("TLS_SHA256_SHA256", Level.INSUFFICIENT, Level.INSUFFICIENT),
    ],
)
def test_levels_of_suites(name, old, new):
    assert (suite_level(CODES[name], "2.1"), suite_level(CODES[name], "2025-05")) == (old, new)


@pytest.mark.parametrize(
    ("served", "old", "new"),
    [
        (ServedCertificate("CN=a", "RSA", 3072, "", "SHA-256"), Level.GOOD, Level.SUFFICIENT),
        (ServedCertificate("CN=a", "RSA", 3071, "", "SHA-256"), Level.SUFFICIENT, Level.PHASE_OUT),
        (ServedCertificate("CN=a", "RSA", 2048, "", "SHA-256"), Level.SUFFICIENT, Level.PHASE_OUT),
        (ServedCertificate("CN=a", "RSA", 2047, "", "SHA-256"), Level.INSUFFICIENT, Level.INSUFFICIENT),
        (ServedCertificate("CN=a", "EC", 224, "secp224r1", "SHA-256"), Level.PHASE_OUT, Level.PHASE_OUT),
        (ServedCertificate("CN=a", "EC", 256, "secp256k1", "SHA-256"), Level.INSUFFICIENT, Level.INSUFFICIENT),
        (ServedCertificate("CN=a", "Ed25519", 256, "", "intrinsic"), None, Level.SUFFICIENT),
        (ServedCertificate("CN=a", "DSA", 3072, "", "SHA-256"), Level.INSUFFICIENT, Level.INSUFFICIENT),
    ],
)
def test_levels_of_keys(served, old, new):
    offer = dataclasses.replace(GOOD, certificates=(served,))
    assert (table(offer, "certificate_key", "2.1").level, table(offer, "certificate_key").level) == (old, new)


def test_nobody_relies_on_the_signature_of_an_anchor():
    root = ServedCertificate("CN=root", "RSA", 4096, "", "SHA-1", self_signed=True)
    assert codes(dataclasses.replace(GOOD, certificates=(LEAF, root))) == set()
    weak = dataclasses.replace(root, bits=1024)
    assert codes(dataclasses.replace(GOOD, certificates=(LEAF, weak))) == {"certificate-key-insufficient"}


def test_sha1_in_the_handshake_is_for_the_newer_edition_to_refuse():
    offer = dataclasses.replace(GOOD, signature_schemes=(0x0403, 0x0203, 0x0303))
    assert table(offer, "handshake_signature_hash").level is Level.INSUFFICIENT
    assert table(offer, "handshake_signature_hash", "2.1").level is Level.GOOD
    assert codes(offer) == {"kex-hash-insufficient", "kex-hash-phase-out"}
    only = dataclasses.replace(GOOD, signature_schemes=(0x0203,))
    assert table(only, "handshake_signature_hash", "2.1").level is Level.PHASE_OUT


@pytest.mark.parametrize(
    ("granted", "old", "new", "code"),
    [
        (0, Level.GOOD, Level.GOOD, None),
        (1, Level.SUFFICIENT, Level.SUFFICIENT, "client-renegotiation-allowed"),
        (10, Level.SUFFICIENT, Level.SUFFICIENT, "client-renegotiation-allowed"),
        (11, Level.SUFFICIENT, Level.PHASE_OUT, "client-renegotiation-unlimited"),
    ],
)
def test_renegotiation_by_the_client(granted, old, new, code):
    offer = dataclasses.replace(GOOD, renegotiations=granted)
    name = "client_initiated_renegotiation"
    assert (table(offer, name, "2.1").level, table(offer, name).level) == (old, new)
    assert codes(offer) == ({code} if code else set())


@pytest.mark.parametrize(
    ("offered", "code"),
    [
        ({"protocols": ("TLSv1.2", "TLSv1.1")}, "tls-version-insufficient"),
        ({"compression": True}, "tls-compression-enabled"),
        ({"secure_renegotiation": False}, "secure-renegotiation-missing"),
        ({"extended_master_secret": False}, "extended-master-secret-missing"),
        ({"early_data": 1}, "zero-rtt-enabled"),
        ({"groups": {"TLSv1.2": ("dh-1024",)}}, "kex-group-insufficient"),
        ({"groups": {"TLSv1.2": ("ffdhe3072",)}}, "kex-group-phase-out"),
        ({"groups": {"TLSv1.2": ("ffdhe3072",), "TLSv1.3": ("ffdhe3072",)}}, "kex-group-phase-out"),
        ({"groups": {"TLSv1.3": ("ffdhe2048",)}}, "tls13-ffdhe-group-insufficient"),
        ({"groups": {"TLSv1.3": ("0xfe00",)}}, "kex-group-insufficient"),
    ],
)
def test_one_value_one_finding(offered, code):
    assert codes(dataclasses.replace(GOOD, **offered)) == {code}


def test_nothing_newer_than_tls_11_is_said_in_so_many_words():
    assert "tls-version-too-old" in codes(dataclasses.replace(GOOD, protocols=("TLSv1.1", "TLSv1.0")))


@pytest.mark.parametrize(
    ("chosen", "preference", "edition", "verdict"),
    [
        (("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"), True, "2025-05", "in-order"),
        (("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), True, "2025-05", "violated"),
        (("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_DHE_RSA_WITH_AES_128_CCM"), False, "2025-05", "violated"),
        # Insufficient suites are not a part of the test.
        (("TLS_RSA_WITH_RC4_128_SHA", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), False, "2025-05", "not-applicable"),
        # Good and sufficient are one group in the newer edition, and two in the older.
        (("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), True, "2.1", "violated"),
        (("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"), False, "2.1", "not-applicable"),
    ],
)
def test_the_order_of_suites(chosen, preference, edition, verdict):
    suites = {"TLSv1.2": tuple(CODES[name] for name in chosen)}
    offer = dataclasses.replace(GOOD, suites=suites, server_preference=preference)
    assert [item.name for item in table(offer, "cipher_order", edition).items] == [verdict]


def test_tls_13_alone_has_nothing_to_renegotiate():
    alone = dataclasses.replace(
        GOOD, protocols=("TLSv1.3",), suites={"TLSv1.3": GOOD.suites["TLSv1.3"]}, groups={"TLSv1.3": ("x25519",)},
        signature_schemes=(), server_preference=None, compression=None, secure_renegotiation=None, renegotiations=None,
        extended_master_secret=None,
    )  # fmt: skip
    assert judge(alone).level is Level.SUFFICIENT
    assert codes(alone) == set()


def test_every_code_is_known_here_and_its_subtest_to_the_compliance_report():
    for subtest, insufficient, phase_out in SUBTESTS.values():
        for code in filter(None, (insufficient, phase_out)):
            assert code in CATALOGUE
            # internet.nl does not look for early data at mail servers.
            assert INTERNET_NL.get(code, (subtest,)) == (subtest,)


def test_the_evidence_is_short_however_much_there_is():
    offer = dataclasses.replace(GOOD, suites={"TLSv1.2": tuple(SUITES)})
    found = next(one for one in findings(judge(offer), "x") if one.code == "cipher-insufficient")
    assert len(found.evidence) < 1000
    assert found.evidence.endswith("more")


offers = st.builds(
    Offer,
    protocols=st.lists(st.sampled_from(PROTOCOLS), unique=True).map(tuple),
    suites=st.dictionaries(
        st.sampled_from(PROTOCOLS), st.lists(st.sampled_from(sorted(SUITES)), max_size=5).map(tuple)
    ),
    groups=st.dictionaries(
        st.sampled_from(("TLSv1.3", "TLSv1.2")),
        st.lists(st.sampled_from(("x25519", "secp192r1", "ffdhe2048", "dh-1024", "0x9999", "")), max_size=4).map(tuple),
    ),
    signature_schemes=st.lists(st.integers(0, 0xFFFF), max_size=4).map(tuple),
    server_preference=st.none() | st.booleans(),
    compression=st.none() | st.booleans(),
    secure_renegotiation=st.none() | st.booleans(),
    renegotiations=st.none() | st.integers(0, 11),
    early_data=st.none() | st.integers(0, 99),
    extended_master_secret=st.none() | st.booleans(),
    certificates=st.lists(
        st.builds(
            ServedCertificate,
            st.text(max_size=5),
            st.sampled_from(("RSA", "EC", "DSA", "Ed25519", "Ed448", "other")),
            st.integers(0, 9999),
            st.sampled_from(("", "secp256r1", "what")),
            st.sampled_from(("SHA-256", "MD5", "intrinsic", "", "SHA3-256")),
            st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    gaps=st.dictionaries(st.sampled_from(sorted(SUBTESTS)), st.just("why")),
)


@given(offers, st.sampled_from(EDITIONS))
def test_whatever_was_found_out_can_be_judged(offer, edition):
    judged = judge(offer, edition)
    assert [one.name for one in judged.tables] == list(SUBTESTS)
    for one in judged.tables:
        weights = {item.weight for item in one.items}
        assert not one.gap or one.level in (Level.UNKNOWN, Level.INSUFFICIENT)
        assert one.level is not Level.INSUFFICIENT or Level.INSUFFICIENT in weights
    if any(one.level is Level.INSUFFICIENT for one in judged.tables):
        assert any(found.severity.value == "error" for found in findings(judged, "x"))


def test_levels_of_the_data_are_levels():
    known = {level.value for level in Level} - {"unknown"} | {None}
    for edition in EDITIONS:
        items = [item for one in data.EDITIONS[edition].values() for item in one["items"].values()]
        items += [*data.SUITES[edition].values(), data.OTHER_SUITES[edition]]
        assert {level for level, _source, _confirmed in items} <= known
        assert {source for _level, source, _confirmed in items} <= {*data.SOURCES}


def test_a_protocol_and_a_hash_to_be_phased_out_are_named_as_such():
    assert codes(dataclasses.replace(GOOD, protocols=("TLSv1.3", "TLSv1.2", "TLSv1.1")), "2.1") == {
        "tls-version-phase-out"
    }
    signed = dataclasses.replace(LEAF, signature_hash="SHA-224")
    assert codes(dataclasses.replace(GOOD, certificates=(signed,))) == {"certificate-signature-phase-out"}
