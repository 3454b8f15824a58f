# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other people call our findings: subtests of internet.nl and result types of TLS reports.

Data only. Sources: Internet.nl release 1.11.2 (API names of the mail test), RFC 8460 section 4.3. Findings without
a counterpart are not listed. Private to the collection.
"""

from __future__ import annotations

import typing as t

#: Finding code -> subtests that would see it. One code may concern the mail domain or the MX host.
INTERNET_NL: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "address-insecure": ("mail_dnssec_mx_exist", "mail_starttls_dane_exist"),
    "certificate-expired": ("mail_starttls_cert_chain",),
    "certificate-key-insufficient": ("mail_starttls_cert_pubkey",),
    "certificate-key-phase-out": ("mail_starttls_cert_pubkey",),
    "certificate-name-mismatch": ("mail_starttls_cert_domain",),
    "certificate-signature-insufficient": ("mail_starttls_cert_sig",),
    "certificate-signature-phase-out": ("mail_starttls_cert_sig",),
    "cipher-insufficient": ("mail_starttls_tls_ciphers",),
    "cipher-order-violation": ("mail_starttls_tls_cipherorder",),
    "cipher-phase-out": ("mail_starttls_tls_ciphers",),
    "client-renegotiation-allowed": ("mail_starttls_tls_clientreneg",),
    "client-renegotiation-unlimited": ("mail_starttls_tls_clientreneg",),
    "connect-failed": ("mail_starttls_tls_available",),
    "dns-denial-broken": ("mail_starttls_dane_exist",),
    "dnssec-bogus": ("mail_dnssec_mailto_valid", "mail_dnssec_mx_valid"),
    "ehlo-rejected": ("mail_starttls_tls_available",),
    "extended-master-secret-missing": ("mail_starttls_tls_extendedmastersecret",),
    "kex-group-insufficient": ("mail_starttls_tls_keyexchange",),
    "kex-group-phase-out": ("mail_starttls_tls_keyexchange",),
    "kex-hash-insufficient": ("mail_starttls_tls_keyexchangehash",),
    "kex-hash-phase-out": ("mail_starttls_tls_keyexchangehash",),
    "mx-insecure": ("mail_dnssec_mailto_exist",),
    "next-missing": ("mail_starttls_dane_rollover",),
    "secure-renegotiation-missing": ("mail_starttls_tls_secreneg",),
    "starttls-handshake-reset": ("mail_starttls_tls_available",),
    "starttls-keyword-masked": ("mail_starttls_tls_available",),
    "starttls-missing": ("mail_starttls_tls_available",),
    "starttls-refused": ("mail_starttls_tls_available",),
    "starttls-stripped-on-path": ("mail_starttls_tls_available",),
    "ta-chain-expired": ("mail_starttls_dane_valid",),
    "ta-chain-invalid": ("mail_starttls_dane_valid",),
    "ta-issuer-not-listed": ("mail_starttls_dane_valid",),
    "ta-name-mismatch": ("mail_starttls_cert_domain",),
    "ta-not-in-chain": ("mail_starttls_dane_valid",),
    "tls-compression-enabled": ("mail_starttls_tls_compress",),
    "tls-handshake-failed": ("mail_starttls_tls_available",),
    "tls-version-insufficient": ("mail_starttls_tls_version",),
    "tls-version-phase-out": ("mail_starttls_tls_version",),
    "tls-version-too-old": ("mail_starttls_tls_version",),
    "tlsa-absent": ("mail_starttls_dane_exist",),
    "tlsa-all-unusable": ("mail_starttls_dane_exist", "mail_starttls_dane_valid"),
    "tlsa-insecure": ("mail_starttls_dane_exist",),
    "tlsa-missing-for-mx": ("mail_starttls_dane_exist",),
    "tlsa-no-match": ("mail_starttls_dane_valid",),
    "zone-no-ds": ("mail_dnssec_mailto_exist", "mail_dnssec_mx_exist"),
    "zone-unsigned": ("mail_dnssec_mailto_exist", "mail_dnssec_mx_exist"),
}

#: Reason of a verdict -> result type that senders' TLS reports should carry for it.
TLSRPT: t.Final[t.Mapping[str, str]] = {
    "dns-denial-broken": "dnssec-invalid",
    "dns-malformed": "dnssec-invalid",
    "dns-refused": "dnssec-invalid",
    "dns-servfail": "dnssec-invalid",
    "dns-timeout": "dnssec-invalid",
    "dnssec-bogus": "dnssec-invalid",
    "ehlo-rejected": "starttls-not-supported",
    "ns-divergence": "tlsa-invalid",
    "starttls-handshake-reset": "validation-failure",
    "starttls-missing": "starttls-not-supported",
    "starttls-refused": "starttls-not-supported",
    "ta-chain-expired": "certificate-expired",
    "ta-chain-invalid": "certificate-not-trusted",
    "ta-name-mismatch": "certificate-host-mismatch",
    "ta-not-in-chain": "tlsa-invalid",
    "sts-policy-fetch-error": "sts-policy-fetch-error",
    "sts-policy-invalid": "sts-policy-invalid",
    "sts-webpki-invalid": "sts-webpki-invalid",
    "tls-handshake-failed": "validation-failure",
    "tlsa-all-unusable": "tlsa-invalid",
    "tlsa-no-match": "tlsa-invalid",
}
