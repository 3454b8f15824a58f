# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Levels of real servers: each setting that the guidelines grade is provoked, in both editions (F16, B06)."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest
import tls_servers as servers

SCHEMES = (
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
    "RSA+SHA256:RSA+SHA384:RSA+SHA512:ed25519:ed448"
)
MODERN = ("-no_tls1", "-no_tls1_1", "-sigalgs", SCHEMES, "-groups", "X25519:P-256:P-384:X448:P-521")
SUITES = ("-cipher", "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:!AESCCM8")
OLD_RENEGOTIATION = "NORMAL:-VERS-TLS1.3:%DISABLE_SAFE_RENEGOTIATION"
POSTFIX_PROFILE = {
    "smtpd_tls_protocols": ">=TLSv1.2",
    "smtpd_tls_mandatory_protocols": ">=TLSv1.2",
    "smtpd_tls_ciphers": "high",
    "smtpd_tls_mandatory_ciphers": "high",
    "tls_high_cipherlist": "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:!AESCCM8:!aNULL:!PSK:!SRP",
    "tls_preempt_cipherlist": "yes",
    "tls_ffdhe_auto_groups": "",
    "tls_ssl_options": "NO_COMPRESSION, NO_RENEGOTIATION",
    "tls_config_name": "mailsec",
}
OPENSSL_FILE = f"""mailsec = top
[top]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
SignatureAlgorithms = {SCHEMES}
"""
WEAK = ("-cipher", "ECDHE+AESGCM:@SECLEVEL=0", "-no_tls1", "-no_tls1_1", "-sigalgs", SCHEMES, "-groups", "X25519:P-256")


def test_a_strict_server_is_sufficient_and_without_findings(identities, examine):
    with servers.openssl_server([identities("ecdsa"), identities("rsa3072")], *SUITES, *MODERN) as front:
        found = examine(front.port)
    assert found.findings == []
    assert (found.level("2.1"), found.level("2025-05")) == ("phase-out", "sufficient")
    # The curve secp521r1 is a hint at insufficient under edition 2.1, which counts as phase-out.
    assert {name for name, level in found.levels("2.1").items() if level == "phase-out"} == {"key_exchange_groups"}
    assert found.endpoint["protocols"] == ["TLSv1.3", "TLSv1.2"]
    # In which order is up to the version of OpenSSL.
    groups = {"x25519", "secp256r1", "secp384r1", "x448", "secp521r1"}
    for protocol in ("TLSv1.3", "TLSv1.2"):
        seen = found.endpoint["key_exchange_groups"][protocol]
        assert (set(seen), len(seen)) == (groups, len(groups))
    assert len(found.endpoint["cipher_suites"]["TLSv1.2"]) == 8
    assert {served["key"] for served in found.endpoint["certificates"]} == {"EC", "RSA"}
    assert not any("sha1" in name or "sha224" in name for name in found.endpoint["signature_schemes"])
    assert found.endpoint["unknown"] == {}


def test_everything_that_openssl_can_be_talked_into(identities, examine):
    who = [identities("ecdsa"), identities("rsa2048")]
    loose = ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-client_renegotiation")
    with servers.openssl_server(who, *loose) as front:
        found = examine(front.port)
    assert found.endpoint["protocols"] == ["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0"]
    assert found.item("protocols", "TLSv1.0") == "insufficient"
    assert found.item("protocols", "TLSv1.0", "2.1") == "phase-out"
    for suite, old, new in (
        ("TLS_RSA_WITH_AES_128_GCM_SHA256", "phase-out", "insufficient"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "sufficient", "insufficient"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "sufficient", "phase-out"),
        ("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "sufficient", "phase-out"),
        ("TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384", "phase-out", "phase-out"),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "good", "sufficient"),
        ("TLS_AES_256_GCM_SHA384", "good", "good"),
        ("TLS_DH_anon_WITH_AES_128_GCM_SHA256", "insufficient", "insufficient"),
        ("TLS_ECDHE_RSA_WITH_NULL_SHA", "insufficient", "insufficient"),
        ("TLS_RSA_WITH_AES_128_CCM_8", "insufficient", "insufficient"),
    ):
        assert (found.item("cipher_suites", suite, "2.1"), found.item("cipher_suites", suite)) == (old, new)
    weak = {"rsa_pkcs1_sha1", "ecdsa_sha1", "rsa_pkcs1_sha224", "ecdsa_sha224"}
    assert weak <= {*found.endpoint["signature_schemes"]}
    assert found.levels()["handshake_signature_hash"] == "insufficient"
    assert found.levels("2.1")["handshake_signature_hash"] == "good"
    # The group that OpenSSL takes by itself for DHE is none of RFC 7919.
    assert found.item("ffdhe_groups", "dh-2048") == "insufficient"
    assert found.item("ffdhe_groups", "ffdhe3072") == "phase-out"
    assert found.endpoint["client_renegotiations"] == 11
    assert found.levels()["client_initiated_renegotiation"] == "phase-out"
    assert found.levels("2.1")["client_initiated_renegotiation"] == "sufficient"
    assert found.item("certificate_key", "RSA-2048") == "phase-out"
    assert found.item("certificate_key", "RSA-2048", "2.1") == "sufficient"
    assert found.endpoint["server_preference"] is False
    assert found.levels()["cipher_order"] == "insufficient"
    assert {
        "tls-version-insufficient", "cipher-insufficient", "cipher-phase-out", "cipher-order-violation",
        "kex-group-insufficient", "tls13-ffdhe-group-insufficient", "tls13-ffdhe-group-phase-out",
        "kex-hash-insufficient", "kex-hash-phase-out", "client-renegotiation-unlimited", "certificate-key-phase-out",
    } <= found.codes  # fmt: skip
    assert "tls-scan-incomplete" not in found.codes
    assert found.level() == "insufficient"


def test_a_finite_field_inside_tls_13_alone(identities, examine):
    strict = (*SUITES, "-tls1_3", "-groups", "X25519:ffdhe2048")
    with servers.openssl_server([identities("ecdsa")], *strict) as front:
        found = examine(front.port)
    assert found.item("ffdhe_groups", "ffdhe2048") == "insufficient"
    assert found.item("ffdhe_groups", "ffdhe2048", "2.1") == "phase-out"
    assert found.codes == {"tls13-ffdhe-group-insufficient"}


def test_tls_13_alone_leaves_out_what_it_cannot_have_and_shows_all_keys(identities, examine):
    who = [identities("ecdsa"), identities("rsa2048")]
    with servers.openssl_server(who, "-tls1_3", "-groups", "X25519") as front:
        found = examine(front.port)
    for table in ("compression", "insecure_renegotiation", "client_initiated_renegotiation", "extended_master_secret"):
        assert [item["name"] for item in found.table(table)["seen"]] == ["not-applicable"]
    assert {served["key"] for served in found.endpoint["certificates"]} == {"EC", "RSA"}
    assert found.codes == {"certificate-key-phase-out"}
    assert found.level("2.1") == "sufficient"


def test_early_data(identities, examine):
    early = ("-early_data", "-max_early_data", "4096")
    with servers.openssl_server([identities("ecdsa")], *SUITES, *MODERN, *early) as front:
        found = examine(front.port, reply=5)
    assert found.endpoint["early_data"] == 4096
    assert found.codes == {"zero-rtt-enabled"}
    assert found.levels()["zero_rtt"] == "insufficient"


def test_a_short_key(identities, examine):
    with servers.openssl_server([identities("rsa1024")], *WEAK) as front:
        found = examine(front.port)
    assert found.item("certificate_key", "RSA-1024") == "insufficient"
    assert found.item("certificate_key", "RSA-1024", "2.1") == "insufficient"
    assert found.codes == {"certificate-key-insufficient"}


def test_a_certificate_signed_with_sha1(identities, examine):
    with servers.openssl_server([identities("sha1")], *WEAK) as front:
        found = examine(front.port)
    assert found.item("certificate_signature_hash", "SHA-1") == "insufficient"
    assert found.codes == {"certificate-signature-insufficient"}


def test_a_certificate_signed_with_sha224(identities, examine):
    with servers.openssl_server([identities("sha224")], *SUITES, *MODERN) as front:
        found = examine(front.port)
    assert found.item("certificate_signature_hash", "SHA-224") == "phase-out"
    # A hint at insufficient in the older edition, which counts as phase-out.
    assert found.item("certificate_signature_hash", "SHA-224", "2.1") == "insufficient"
    assert found.codes == {"certificate-signature-phase-out"}
    assert found.codes_of("2.1") == {"certificate-signature-phase-out", "kex-group-phase-out"}
    (signed,) = [one for one in found.findings_of("2.1") if one["code"] == "certificate-signature-phase-out"]
    assert "not all of this is confirmed" in signed["evidence"]


def test_tls_11_beside_what_is_sufficient(identities, examine):
    suites = ("-serverpref", "-cipher", "ECDHE+AESGCM:ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0")
    old = ("-no_tls1", "-sigalgs", SCHEMES, "-groups", "X25519:P-256")
    with servers.openssl_server([identities("ecdsa")], *suites, *old) as front:
        found = examine(front.port)
    assert found.endpoint["protocols"] == ["TLSv1.3", "TLSv1.2", "TLSv1.1"]
    assert found.codes_of("2.1") == {"tls-version-phase-out"}
    assert found.codes == {"tls-version-insufficient", "cipher-insufficient"}


def test_a_short_curve(identities, examine):
    groups = ("-no_tls1", "-no_tls1_1", "-sigalgs", SCHEMES, "-groups", "X25519:P-224")
    with servers.openssl_server([identities("ecdsa")], *SUITES, *groups) as front:
        found = examine(front.port)
    # TLS 1.3 has no such curve.
    groups_of = {protocol: {*names} for protocol, names in found.endpoint["key_exchange_groups"].items()}
    assert groups_of == {"TLSv1.3": {"x25519"}, "TLSv1.2": {"x25519", "secp224r1"}}
    for edition in ("2.1", "2025-05"):
        assert found.item("key_exchange_groups", "secp224r1", edition) == "phase-out"
        assert found.codes_of(edition) == {"kex-group-phase-out"}


@pytest.mark.parametrize(
    ("group", "old", "new"),
    [
        ("ffdhe2048", {"kex-group-phase-out"}, {"kex-group-insufficient", "cipher-phase-out"}),
        ("ffdhe3072", set(), {"kex-group-phase-out", "cipher-phase-out"}),
    ],
)
def test_a_finite_field_before_tls_13(identities, examine, tmp_path: Path, group, old, new):
    parameters = tmp_path / "dh.pem"
    servers.openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", f"group:{group}", "-out", str(parameters))
    strict = ("-cipher", "ECDHE+AESGCM:DHE-RSA-AES256-GCM-SHA384", "-serverpref", "-sigalgs", SCHEMES)
    only = ("-no_tls1", "-no_tls1_1", "-groups", "X25519:P-256", "-dhparam", str(parameters))
    with servers.openssl_server([identities("rsa3072")], *strict, *only) as front:
        found = examine(front.port)
    assert [item["name"] for item in found.table("ffdhe_groups")["seen"]] == [group]
    assert (found.codes_of("2.1"), found.codes) == (old, new)


def test_renegotiation_for_clients(identities, examine):
    groups = ("-no_tls1", "-no_tls1_1", "-sigalgs", SCHEMES, "-groups", "X25519:P-256", "-client_renegotiation")
    with servers.openssl_server([identities("ecdsa")], *SUITES, *groups) as front:
        found = examine(front.port)
    # The older edition knows no number of them.
    assert found.item("client_initiated_renegotiation", "on", "2.1") == "sufficient"
    assert found.codes_of("2.1") == {"client-renegotiation-allowed"}
    assert found.item("client_initiated_renegotiation", "unlimited") == "phase-out"
    assert found.codes == {"client-renegotiation-unlimited"}


def test_eddsa(identities, examine):
    with servers.openssl_server([identities("ed25519")], *SUITES, *MODERN) as front:
        found = examine(front.port)
    assert found.endpoint["signature_schemes"] == ["ed25519"]
    assert found.item("certificate_key", "Ed25519") == "sufficient"
    assert found.findings == []


def test_the_order_of_suites(identities, examine):
    mixed = ("-no_tls1", "-no_tls1_1", "-sigalgs", SCHEMES, "-groups", "X25519:P-256", "-serverpref", "-cipher")
    phase_out, good = "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"
    with servers.openssl_server([identities("ecdsa")], *mixed, f"{good}:{phase_out}") as front:
        right = examine(front.port)
    with servers.openssl_server([identities("ecdsa")], *mixed, f"{phase_out}:{good}") as front:
        wrong = examine(front.port)
    assert right.endpoint["server_preference"] is wrong.endpoint["server_preference"] is True
    assert right.levels()["cipher_order"] == "good"
    assert right.codes == {"cipher-phase-out"}
    assert wrong.levels()["cipher_order"] == wrong.levels("2.1")["cipher_order"] == "insufficient"
    assert wrong.codes == {"cipher-phase-out", "cipher-order-violation"}


def test_gnutls_without_the_extensions_that_repair_old_tls(identities, examine):
    priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_EXTENSIONS:%DISABLE_SAFE_RENEGOTIATION:%NO_SESSION_HASH"
    with servers.gnutls_server(identities("rsa3072"), priority) as front:
        found = examine(front.port)
    assert found.endpoint["secure_renegotiation"] is False
    assert found.endpoint["extended_master_secret"] is False
    assert found.levels()["extended_master_secret"] == "insufficient"
    assert found.levels("2.1")["extended_master_secret"] is None
    assert {"secure-renegotiation-missing", "extended-master-secret-missing"} <= found.codes


def test_gnutls_with_ciphers_of_old(identities, examine):
    priority = "NORMAL:-VERS-ALL:+VERS-TLS1.0:+3DES-CBC:+ARCFOUR-128:+MD5"
    with servers.gnutls_server(identities("rsa2048"), priority) as front:
        found = examine(front.port)
    assert found.endpoint["protocols"] == ["TLSv1.0"]
    assert found.item("cipher_suites", "TLS_RSA_WITH_RC4_128_SHA") == "insufficient"
    assert found.item("cipher_suites", "TLS_RSA_WITH_3DES_EDE_CBC_SHA") == "insufficient"
    assert found.item("cipher_suites", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "2.1") == "phase-out"
    assert {"tls-version-too-old", "tls-version-insufficient", "cipher-insufficient"} <= found.codes


def test_compression(identities, examine):
    """No packaged TLS library can compress any more, so that one octet of the answer is changed on its way."""

    def compress(data: bytes) -> bytes:
        if data[:1] == b"\x16" and data[5:6] == b"\x02":
            at = 5 + 4 + 34 + 1 + data[5 + 4 + 34] + 2
            return data[:at] + b"\x01" + data[at + 1 :]
        return data

    with servers.openssl_server([identities("ecdsa")], *SUITES, *MODERN, "-no_tls1_3", patch=compress) as front:
        found = examine(front.port)
    assert found.endpoint["compression"] is True
    assert "tls-compression-enabled" in found.codes


def test_what_was_not_answered_is_unknown_and_not_good(identities, examine):
    with servers.openssl_server([identities("ecdsa")], *SUITES, *MODERN, close_after=7) as front:
        found = examine(front.port)
    assert found.level() == found.level("2.1") == "unknown"
    assert "tls-scan-incomplete" in found.codes
    assert "421" in found.endpoint["unknown"]["cipher_suites"]
    assert found.levels()["cipher_suites"] == found.levels()["zero_rtt"] == "unknown"


def test_a_connection_that_was_lost_is_not_a_refusal(identities, examine):
    strict = (*SUITES, "-tls1_3", "-groups", "X25519:ffdhe2048")
    for every in (4, 5, 7):
        with servers.openssl_server([identities("ecdsa")], *strict, lose_every=every) as front:
            found = examine(front.port)
        assert found.item("ffdhe_groups", "ffdhe2048") == "insufficient"
        assert [item["name"] for item in found.table("key_exchange_groups")["seen"]] == ["x25519"]


def test_the_limits_leave_gaps(identities, examine):
    with servers.openssl_server([identities("ecdsa")], *SUITES, *MODERN) as front:
        few = examine(front.port, connections=10)
        short = examine(front.port, seconds=0.001)
    assert few.level() == short.level() == "unknown"
    assert few.endpoint["connections"] <= 11
    assert "limit of 10 connections" in few.endpoint["unknown"]["cipher_suites"]
    assert "time for the scan" in short.endpoint["unknown"]["protocols"]


def test_nobody_there(examine):
    found = examine(servers.free_port())
    assert found.codes == {"connect-failed"}
    assert found.level() == "unknown"
    assert set(found.levels().values()) == {"unknown"}


def test_postfix_as_debian_ships_it(identities, examine):
    with servers.postfix([identities("ecdsa"), identities("rsa3072")], {}) as port:
        found = examine(port)
    assert found.endpoint["protocols"] == ["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0"]
    assert found.level() == "insufficient"
    expected = {"tls-version-insufficient", "cipher-insufficient", "kex-hash-insufficient", "kex-hash-phase-out"}
    assert expected <= found.codes
    assert "tls-scan-incomplete" not in found.codes


def test_postfix_with_the_profile_of_the_collection(identities, examine):
    # smtpd reads it as another user.
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as file:
        file.write(OPENSSL_FILE)
        file.flush()
        Path(file.name).chmod(0o644)
        settings = {**POSTFIX_PROFILE, "tls_config_file": file.name}
        with servers.postfix([identities("ecdsa"), identities("rsa3072")], settings) as port:
            found = examine(port)
    assert found.findings == []
    assert {*found.levels().values()} <= {"good", "sufficient", None}
    assert (found.level("2025-05"), found.endpoint["early_data"], found.endpoint["client_renegotiations"]) == (
        "sufficient", 0, 0,
    )  # fmt: skip
    # Under edition 2.1 the curve secp521r1 is a hint at insufficient, which counts as phase-out.
    assert found.levels("2.1")["key_exchange_groups"] == "phase-out"


def test_a_front_that_was_closed_takes_no_connection_of_the_next_one():
    for _turn in range(20):
        first = servers.Front(1)
        first.close()
        assert "_accept" not in " ".join(thread.name for thread in threading.enumerate())
