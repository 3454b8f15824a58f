# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of finding codes: severity, where the rule stands, and the remedy in one sentence.

Data only, in alphabetical order. Codes are never reused and never change their meaning.
Private to the collection.
"""

from __future__ import annotations

import typing as t

#: Every code, so that a wrong one is found before it is used.
Code = t.Literal[
    "address-insecure", "address-literal", "address-no-route", "address-not-asked", "address-special-use",
    "address-too-many", "algorithm-uncovered", "alias-insecure", "audit-error", "banner-masked", "ca-table-old",
    "certificate-differs-by-vantage", "certificate-expired", "certificate-expiring", "certificate-key-insufficient",
    "certificate-key-phase-out", "certificate-key-usage", "certificate-key-weak", "certificate-malformed",
    "certificate-name-mismatch", "certificate-signature-insufficient", "certificate-signature-phase-out",
    "chain-incomplete", "chain-unreadable", "cipher-insufficient", "cipher-order-violation", "cipher-phase-out",
    "client-renegotiation-allowed", "client-renegotiation-unlimited", "command-rewritten", "connect-failed",
    "dane-required-absent", "dns-denial-broken", "dns-ent-nxdomain", "dns-malformed", "dns-refused", "dns-servfail",
    "dns-timeout", "dns-unreachable", "dnssec-bogus", "ehlo-after-tls-rejected", "ehlo-keywords-differ",
    "ehlo-name-refused", "ehlo-rejected", "endpoint-divergence", "endpoint-partly-seen", "endpoint-slow",
    "extended-master-secret-missing", "kex-group-insufficient", "kex-group-phase-out", "kex-hash-insufficient",
    "kex-hash-phase-out", "key-compromised", "key-reuse-lost", "key-shared-across-mx", "mail-domain-absent",
    "mx-bad-name", "mx-insecure", "mx-is-alias", "mx-null-beside-others", "mx-too-many", "next-missing",
    "next-unaged", "next-unproven", "no-address", "ns-divergence", "ns-lame", "ns-no-tcp", "ns-set-differs",
    "ns-tlsa-filtered", "ns-unseen", "nsec3-iterations-high", "outbound-dane-off", "outbound-policy-lower",
    "outbound-relay", "outbound-unknown", "port-25-blocked-at-vantage", "probe-timeout",
    "resolv-conf-foreign-nameserver", "resolv-conf-trust-ad-missing", "resolver-accepts-bogus",
    "resolver-ad-forged", "resolver-not-validating", "rrsig-expired", "rrsig-expiring", "rrsig-not-yet-valid",
    "secure-renegotiation-missing", "senders-differ", "smtp-greeting-failed", "smtp-protocol-error",
    "smtp-reply-unread", "sni-divergence", "starttls-command-injection", "starttls-handshake-reset",
    "starttls-injection-inconclusive", "starttls-intermittent", "starttls-keyword-masked", "starttls-missing",
    "starttls-not-for-all-clients", "starttls-offered-inside-tls", "starttls-refused",
    "starttls-response-injection", "starttls-stripped-on-path", "strict-violation", "sts-dane-conflict",
    "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid", "ta-cert-selector", "ta-chain-expired",
    "ta-chain-invalid", "ta-cn-only", "ta-issuer-not-listed", "ta-issuer-retired", "ta-name-mismatch",
    "ta-not-in-chain", "ta-partial-wildcard", "ta-root-fragile", "ta-san-host-missing", "ta-set-incomplete",
    "tls-compression-enabled", "tls-handshake-failed", "tls-offer-narrow", "tls-scan-incomplete",
    "tls-signature-weak", "tls-version-insufficient", "tls-version-phase-out", "tls-version-too-old",
    "tls13-ffdhe-group-insufficient", "tls13-ffdhe-group-phase-out", "tlsa-absent", "tlsa-all-unusable",
    "tlsa-ambiguous-usage", "tlsa-bad-field", "tlsa-cert-selector", "tlsa-digest-set-inconsistent",
    "tlsa-duplicate", "tlsa-empty-digest", "tlsa-full-data", "tlsa-insecure", "tlsa-leftover",
    "tlsa-missing-for-mx", "tlsa-near-typo", "tlsa-no-match", "tlsa-pkix-usage", "tlsa-published-too-late",
    "tlsa-retired-too-early", "tlsa-rrset-too-large", "tlsa-stale-after-renewal", "tlsa-too-many-records",
    "tlsa-wildcard", "tlsa-wrong-object", "tlsa-wrong-owner", "tlsrpt-missing", "ttl-changed-mid-roll",
    "ttl-too-long", "validation-differs", "validators-disagree", "vantage-identity-mismatch", "vantage-missing",
    "vantage-refused", "zero-rtt-enabled", "zone-no-ds", "zone-unsigned",
]  # fmt: skip

#: Code -> (severity, rule, remedy).
CATALOGUE: t.Final[t.Mapping[Code, tuple[str, str, str]]] = {
    "address-insecure": (
        "error",
        "RFC 7672 section 2.2.2",
        "Sign the zone of the MX host: senders do not ask for TLSA records below an unsigned address.",
    ),
    "address-literal": (
        "info",
        "RFC 7672 section 2.2",
        "Use a host name as mail exchanger; DANE does not apply to address literals.",
    ),
    "address-no-route": (
        "warning",
        "RFC 7672 section 2.2.1",
        "Audit from a machine that has a route to this address: what it serves was not seen.",
    ),
    "address-not-asked": (
        "info",
        "RFC 7672 section 2.2.1",
        "Nothing to do: this version of IP was left out on purpose, so nothing is said about these addresses.",
    ),
    "address-special-use": (
        "info",
        "RFC 6890",
        "The address is not reachable from the Internet: probe it from inside on purpose, or correct the record.",
    ),
    "address-too-many": (
        "warning",
        "RFC 5321 section 5.1",
        "Publish fewer addresses for the host; only the first ones were examined.",
    ),
    "algorithm-uncovered": (
        "critical",
        "RFC 7671 section 8.1",
        "Publish records for the key of each algorithm, or serve a single one.",
    ),
    "alias-insecure": (
        "error",
        "RFC 7672 section 2.1.3",
        "Keep every alias hop in a signed zone, or name the final host directly.",
    ),
    "audit-error": (
        "error",
        "mailsec.dane",
        "The audit has a fault, so that it could not examine this name; the verdicts on the others are not affected. "
        "Report the evidence at https://github.com/mailsec/ansible-dane/issues.",
    ),
    "banner-masked": (
        "warning",
        "Cisco ASA inspect esmtp",
        "Switch off SMTP inspection on the firewall in front of this server.",
    ),
    "ca-table-old": (
        "info",
        "RFC 7671 section 5.2",
        "Update the collection: which CAs issue changes several times a year; check them at the CA itself until then.",
    ),
    "certificate-differs-by-vantage": (
        "error",
        "RFC 7672 section 2.2",
        "Find out what answers in place of the server: each chain has to match the TLSA records.",
    ),
    "certificate-expired": (
        "warning",
        "RFC 5280 section 4.1.2.5",
        "Renew the certificate: 3 1 1 records survive it, but senders without DANE and DANE-TA records do not.",
    ),
    "certificate-expiring": (
        "warning",
        "RFC 5280 section 4.1.2.5",
        "Renew the certificate with the same key; no DNS change is needed for 3 1 1 records.",
    ),
    "certificate-key-insufficient": (
        "error",
        "NCSC-NL TLS guidelines",
        "Renew the certificates named with ECDSA P-256 or RSA of 3072 bits; with DANE this is a rotation.",
    ),
    "certificate-key-phase-out": (
        "warning",
        "NCSC-NL TLS guidelines",
        "Let the next key be ECDSA P-256 or RSA of 3072 bits or more.",
    ),
    "certificate-key-usage": (
        "error",
        "RFC 8446 section 4.4.2.2",
        "Issue the certificate with keyUsage digitalSignature, or without that extension: senders with GnuTLS, such as "
        "Exim, refuse it also where a 3 1 1 record matches.",
    ),
    "certificate-key-weak": (
        "error",
        "RFC 7671 section 5.1",
        "Change to a key of ECDSA P-256 or RSA 3072 bits; with DANE this is a rotation. Senders with OpenSSL, such as "
        "Postfix, refuse the present one also where a 3 1 1 record matches.",
    ),
    "certificate-malformed": (
        "error",
        "RFC 5280 section 4.1",
        "Have the certificate issued anew by other software: some senders do not read it, and refuse it also where a "
        "3 1 1 record matches.",
    ),
    "certificate-name-mismatch": (
        "info",
        "RFC 7672 section 3.2.2",
        "Issue a certificate whose subjectAltName has the MX host name; only 3 x x records do without it.",
    ),
    "certificate-signature-insufficient": (
        "error",
        "NCSC-NL TLS guidelines",
        "Have the certificates named signed with SHA-256 or longer.",
    ),
    "certificate-signature-phase-out": (
        "warning",
        "NCSC-NL TLS guidelines",
        "Have the certificates named signed with SHA-256 or longer at their next renewal.",
    ),
    "chain-incomplete": (
        "error",
        "RFC 7672 section 3.1.2",
        "Audit with a Python that can read the whole chain; DANE-TA records could not be judged with this one.",
    ),
    "chain-unreadable": (
        "error",
        "RFC 5280 section 4.1",
        "Replace the certificate: it does not parse, and senders need not accept what they cannot read.",
    ),
    "cipher-insufficient": (
        "error",
        "NCSC-NL TLS guidelines",
        "Remove the cipher suites named from the configuration of the mail server.",
    ),
    "cipher-order-violation": (
        "error",
        "NCSC-NL TLS guidelines",
        "Let the server enforce its own order, better suites first, or offer only good and sufficient ones.",
    ),
    "cipher-phase-out": (
        "warning",
        "NCSC-NL TLS guidelines",
        "Plan to remove the cipher suites named; ECDHE with AEAD is enough.",
    ),
    "client-renegotiation-allowed": (
        "info",
        "NCSC-NL TLS guidelines",
        "Refuse renegotiations that the client starts.",
    ),
    "client-renegotiation-unlimited": (
        "warning",
        "NCSC-NL TLS guidelines",
        "Refuse renegotiations that the client starts: they cost the server more than the client.",
    ),
    "command-rewritten": (
        "error",
        "Cisco ASA inspect esmtp",
        "Switch off SMTP inspection on the firewall in front of this server; it overwrites the commands of clients.",
    ),
    "connect-failed": (
        "error",
        "RFC 5321 section 3.1",
        "Check that the mail server runs, listens on this address and that no firewall is in between.",
    ),
    "dane-required-absent": (
        "info",
        "RFC 7672 section 6",
        "Publish usable TLSA records, all in signed zones: senders that insist on DANE hold the mail, or return it.",
    ),
    "dns-denial-broken": (
        "critical",
        "RFC 7672 section 2.1.1",
        "Upgrade or re-sign the zone so that the absence of names can be proven.",
    ),
    "dns-ent-nxdomain": (
        "critical",
        "RFC 8020",
        "Make _tcp below the MX host exist as an empty non-terminal; upgrade the name server.",
    ),
    "dns-malformed": (
        "critical",
        "RFC 7672 section 2.1.1",
        "The name server sends answers that do not parse; upgrade it or take the filter out of the path.",
    ),
    "dns-refused": (
        "critical",
        "RFC 7672 section 2.1.1",
        "Make the name servers answer for this zone, or correct the delegation.",
    ),
    "dns-servfail": (
        "critical",
        "RFC 7672 section 2.1.1",
        "Repair the name servers of this zone: while lookups fail, senders keep the mail in their queues.",
    ),
    "dns-timeout": (
        "critical",
        "RFC 7672 section 2.1.1",
        "Make the name servers of this zone reachable over UDP and TCP, also for TLSA queries.",
    ),
    "dns-unreachable": (
        "critical",
        "RFC 7672 section 2.1.1",
        "Make the resolver or name server reachable; nothing can be said until then.",
    ),
    "dnssec-bogus": (
        "critical",
        "RFC 4035 section 5.5",
        "Repair the DNSSEC chain of this zone (DS, DNSKEY, RRSIG): validating senders get no answer at all.",
    ),
    "ehlo-after-tls-rejected": (
        "error",
        "RFC 3207 section 4.2",
        "Accept EHLO again after the TLS handshake.",
    ),
    "ehlo-keywords-differ": (
        "warning",
        "RFC 3207",
        "Find the inspecting device between the two vantage points.",
    ),
    "ehlo-rejected": (
        "error",
        "RFC 5321 section 4.1.1.1",
        "Accept EHLO; STARTTLS cannot be offered without it. Old proxies and inspection cause this.",
    ),
    "endpoint-divergence": (
        "critical",
        "RFC 7671 section 8",
        "Bring the odd node to the published key or take it out of service.",
    ),
    "ehlo-name-refused": (
        "warning",
        "RFC 5321 section 4.1.1.1",
        "The server refuses the name of this machine, which says nothing about other senders. Set ehlo_name to a "
        "fully-qualified name that resolves to the address of this machine.",
    ),
    "endpoint-slow": (
        "warning",
        "RFC 5321 section 4.5.3.2",
        "Find out what delays the server (look-ups of clients, load, tarpits): senders wait, but not all for long.",
    ),
    "endpoint-partly-seen": (
        "warning",
        "RFC 7671 section 8.1",
        "The server answered some connections only, so that further keys of it stay unseen. Exempt the address of the "
        "machine that audits from limits on connections, and audit again.",
    ),
    "extended-master-secret-missing": (
        "error",
        "RFC 7627",
        "Upgrade the TLS library of the mail server, or switch the extended master secret on.",
    ),
    "kex-group-insufficient": (
        "error",
        "NCSC-NL TLS guidelines",
        "Remove the groups named, and finite-field Diffie-Hellman altogether.",
    ),
    "kex-group-phase-out": (
        "warning",
        "NCSC-NL TLS guidelines",
        "Plan to remove the groups named; x25519 and secp256r1 are enough.",
    ),
    "kex-hash-insufficient": (
        "error",
        "RFC 9155",
        "Restrict the signature algorithms of TLS 1.2 to SHA-256 and longer.",
    ),
    "kex-hash-phase-out": (
        "warning",
        "NCSC-NL TLS guidelines",
        "Restrict the signature algorithms of TLS 1.2 to SHA-256 and longer.",
    ),
    "key-compromised": (
        "critical",
        "RFC 7671 section 11",
        "Run the playbook compromise to its end; keep the signatures of these names valid for days only.",
    ),
    "key-reuse-lost": (
        "error",
        "RFC 7671 section 8.1",
        "Stop what renews with a new key, put the planned key back, and let a change of key be a rotation.",
    ),
    "key-shared-across-mx": (
        "warning",
        "RFC 7672 section 2.2.3",
        "Give each MX host its own key so that one mistake stops one host only.",
    ),
    "mail-domain-absent": (
        "critical",
        "RFC 5321 section 5.1",
        "Correct the name, or register and delegate the domain: mail to it bounces.",
    ),
    "mx-bad-name": (
        "error",
        "RFC 5321 section 5.1",
        "Correct the MX record: its target is not a host name, and senders pass it over.",
    ),
    "mx-insecure": (
        "error",
        "RFC 7672 section 2.2.1",
        "Sign the zone of the mail domain and hand its DS to the parent.",
    ),
    "mx-is-alias": (
        "warning",
        "RFC 2181 section 10.3",
        "Name the final host in the MX record; senders disagree on aliased MX targets.",
    ),
    "mx-null-beside-others": (
        "warning",
        "RFC 7505 section 3",
        "Remove the null MX: it may only stand alone, and senders disagree about what it means beside others.",
    ),
    "mx-too-many": (
        "warning",
        "RFC 5321 section 5.1",
        "Publish fewer MX hosts; only the first ones were examined.",
    ),
    "next-missing": (
        "warning",
        "RFC 7671 section 8.1",
        "Generate the next key, keep it safe and publish its 3 1 1 beside the current one.",
    ),
    "next-unaged": (
        "info",
        "RFC 7671 section 8.1",
        "Wait until no cache can hold the old RRset before deploying the next key.",
    ),
    "next-unproven": (
        "warning",
        "RFC 7671 section 8.1",
        "Prove that the next key is held, or remove its record.",
    ),
    "no-address": (
        "critical",
        "RFC 5321 section 5.1",
        "Publish an A or AAAA record for the MX host, or remove it from the MX RRset.",
    ),
    "ns-divergence": (
        "critical",
        "RFC 7671 section 8",
        "Repair zone transfer and NOTIFY; do not advance a rotation until all addresses agree.",
    ),
    "ns-lame": (
        "error",
        "RFC 1912 section 2.8",
        "Serve the zone on this name server, or take it out of the NS sets of the zone and of its parent.",
    ),
    "ns-no-tcp": (
        "error",
        "RFC 7766 section 5",
        "Answer DNS over TCP at this name server; long answers do not get through without it.",
    ),
    "ns-set-differs": (
        "warning",
        "RFC 1034 section 4.2.2",
        "Make the NS set of the zone and the one in its parent zone the same.",
    ),
    "ns-tlsa-filtered": (
        "critical",
        "RFC 7672 section 2.1.1",
        "Stop filtering TLSA queries at this name server, or move the zone.",
    ),
    "ns-unseen": (
        "warning",
        "RFC 7671 section 8",
        "Look from a place where the name server can be reached: what it serves is unknown.",
    ),
    "nsec3-iterations-high": (
        "error",
        "RFC 9276 section 3.1",
        "Sign the zone with 0 extra NSEC3 iterations and an empty salt.",
    ),
    "outbound-dane-off": (
        "error",
        "RFC 7672 section 2",
        "Set the parameters named, as role postfix does: this server sends in the clear to whoever asks it to.",
    ),
    "outbound-policy-lower": (
        "error",
        "RFC 7672 section 2",
        "Give the next hop level dane in the table of TLS policies, or no entry: the entry wins over main.cf.",
    ),
    "outbound-relay": (
        "warning",
        "RFC 7672 section 2",
        "Have the relay validate with DANE what it sends on, and secure the way to it with a level of its own.",
    ),
    "outbound-unknown": (
        "warning",
        "RFC 7672 section 2",
        "Find out from the program or table named whether receivers are validated: Postfix cannot list it.",
    ),
    "port-25-blocked-at-vantage": (
        "info",
        "RFC 5321 section 4.5.4.2",
        "Look from a place whose network lets connections to port 25 out.",
    ),
    "probe-timeout": (
        "error",
        "RFC 5321 section 4.5.3.2",
        "The server did not finish the dialogue within the time that was given for it. Senders wait for minutes: raise "
        "timeout and look again, and check the load of the server and tarpits in front of it.",
    ),
    "resolv-conf-foreign-nameserver": (
        "error",
        "RFC 4035 section 4.9.3",
        "Leave only the validating resolver on loopback in resolv.conf.",
    ),
    "resolv-conf-trust-ad-missing": (
        "error",
        "resolv.conf(5), option trust-ad",
        "Add the options edns0 and trust-ad to resolv.conf; without them the C library hides what is authentic.",
    ),
    "resolver-accepts-bogus": (
        "critical",
        "RFC 4035 section 5.5",
        "Switch on DNSSEC validation for all clients of this resolver.",
    ),
    "resolver-ad-forged": (
        "critical",
        "RFC 4035 section 3.2.3",
        "The resolver marks unsigned data as authentic; replace it.",
    ),
    "resolver-not-validating": (
        "error",
        "RFC 7672 section 2.1.1",
        "Use a validating resolver on loopback; without one nothing can be said about DANE.",
    ),
    "rrsig-expired": (
        "critical",
        "RFC 4035 section 5.3.1",
        "Restart re-signing and check the clock of the signer.",
    ),
    "rrsig-expiring": (
        "warning",
        "RFC 7671 section 11",
        "Keep the remaining life of signatures above twice the TTL plus the refresh of the secondaries.",
    ),
    "rrsig-not-yet-valid": (
        "critical",
        "RFC 4035 section 5.3.1",
        "Correct the clock of the signer and sign the zone again.",
    ),
    "secure-renegotiation-missing": (
        "error",
        "RFC 5746",
        "Upgrade the TLS library of the mail server, or switch secure renegotiation on.",
    ),
    "senders-differ": (
        "error",
        "RFC 7671",
        "Repair the finding that goes with this one: mail gets through from some senders only.",
    ),
    "vantage-refused": (
        "error",
        "RFC 5321 section 3.1",
        "The server does not talk to this machine, which says nothing about other senders. Look again later or from an "
        "address that may send mail, or exempt the address of this machine from block lists and limits on connections.",
    ),
    "smtp-greeting-failed": (
        "error",
        "RFC 5321 section 3.1",
        "The server does not greet with 220; look into its log for the reason.",
    ),
    "smtp-protocol-error": (
        "error",
        "RFC 5321 section 4.2",
        "What answers on this port does not speak SMTP; check the port and what listens there.",
    ),
    "smtp-reply-unread": (
        "error",
        "RFC 5321 section 4.2",
        "Answer in few and short lines, with EHLO keywords in upper case on lines of their own: some senders read no "
        "other reply.",
    ),
    "sni-divergence": (
        "critical",
        "RFC 7672 section 8.1",
        "Make both the chain for the server name and the default chain match the RRset.",
    ),
    "starttls-command-injection": (
        "critical",
        "CVE-2011-0411",
        "Upgrade the mail server: plaintext before the handshake is executed inside TLS.",
    ),
    "starttls-handshake-reset": (
        "error",
        "RFC 3207 section 4.1",
        "The connection is cut at the TLS handshake; check the certificate files and devices on the path.",
    ),
    "starttls-injection-inconclusive": (
        "info",
        "CVE-2011-0411",
        "Repair what keeps the server from STARTTLS first, then try again.",
    ),
    "starttls-intermittent": (
        "error",
        "RFC 3207",
        "Several back ends answer for this address; bring them to the same state.",
    ),
    "starttls-keyword-masked": (
        "critical",
        "Cisco ASA inspect esmtp",
        "Switch off SMTP inspection on the firewall in front of this server; it removes STARTTLS.",
    ),
    "starttls-missing": (
        "error",
        "RFC 3207 section 4",
        "Offer STARTTLS to every client on port 25, or withdraw the TLSA records first.",
    ),
    "starttls-not-for-all-clients": (
        "critical",
        "RFC 7672 section 2.2",
        "Offer STARTTLS unconditionally on port 25.",
    ),
    "starttls-offered-inside-tls": (
        "info",
        "RFC 3207 section 4.2",
        "Do not offer STARTTLS again once TLS is active.",
    ),
    "starttls-refused": (
        "error",
        "RFC 3207 section 4",
        "Look into the server's log: it offers STARTTLS but refuses it (often an unreadable key or chain file).",
    ),
    "starttls-response-injection": (
        "error",
        "CVE-2021-38371",
        "The server sends plaintext after its 220 reply to STARTTLS; upgrade it or find the device on the path.",
    ),
    "starttls-stripped-on-path": (
        "critical",
        "RFC 3207 section 6",
        "Find the device on the path that removes STARTTLS; rule out settings of the server for single clients first.",
    ),
    "strict-violation": (
        "warning",
        "RFC 7671 section 8",
        "Make every usage, selector and matching type in the RRset match the current chain.",
    ),
    "sts-dane-conflict": (
        "error",
        "RFC 8461 section 4",
        "Make the certificate and the MX hosts satisfy the MTA-STS policy too: senders without DANE go by it.",
    ),
    "sts-policy-fetch-error": (
        "warning",
        "RFC 8461 section 3.3",
        "Serve the policy over HTTPS with status 200, or take the TXT record that announces it away.",
    ),
    "sts-policy-invalid": (
        "warning",
        "RFC 8461 section 3",
        "Correct the TXT record or the policy: senders that cannot read it act as if there were none.",
    ),
    "sts-webpki-invalid": (
        "warning",
        "RFC 8461 section 3.3",
        "Give the web server of the policy a certificate for its name that a public CA has issued.",
    ),
    "ta-cert-selector": (
        "warning",
        "RFC 7671 section 5.2.1",
        "Publish 2 1 1; it survives re-issued and cross-signed CA certificates.",
    ),
    "ta-chain-expired": (
        "critical",
        "RFC 7671 section 5.2",
        "Send a chain that is entirely in date.",
    ),
    "ta-chain-invalid": (
        "critical",
        "RFC 7671 section 5.2",
        "Use a chain whose CA certificates may sign (CA:TRUE, path length), whose leaf is for servers, and whose "
        "signatures use SHA-256 or longer.",
    ),
    "ta-cn-only": (
        "error",
        "RFC 7672 section 3.2.3",
        "Put the MX host name into subjectAltName; several senders never read the common name.",
    ),
    "ta-issuer-not-listed": (
        "critical",
        "RFC 7671 section 5.2",
        "Publish the 2 1 1 of the issuer in use, or drop the DANE-TA records.",
    ),
    "ta-issuer-retired": (
        "info",
        "RFC 7671 section 5.2",
        "Let the chains in use and about to be used decide: once none needs the record, remove it.",
    ),
    "ta-name-mismatch": (
        "critical",
        "RFC 7672 section 3.2.2",
        "Issue a certificate whose subjectAltName has the MX host name.",
    ),
    "ta-not-in-chain": (
        "critical",
        "RFC 7672 section 3.1.2",
        "Append the CA certificate named by the record to the chain file, or name one that is sent.",
    ),
    "ta-partial-wildcard": (
        "error",
        "RFC 7672 section 3.2.3",
        "Use a whole-label wildcard or the plain host name; some senders refuse partial wildcards.",
    ),
    "ta-root-fragile": (
        "warning",
        "RFC 7671 section 5.2",
        "Name an intermediate that is always sent: this root is in the chain only as a cross-sign.",
    ),
    "ta-san-host-missing": (
        "error",
        "RFC 7672 section 3.2.2",
        "Add the MX host name to subjectAltName: some senders accept no other name.",
    ),
    "ta-set-incomplete": (
        "warning",
        "RFC 7671 section 5.2",
        "List every active and backup issuer for the key type, or use current and next 3 1 1 records.",
    ),
    "tls-compression-enabled": (
        "error",
        "NCSC-NL TLS guidelines",
        "Switch off compression in TLS.",
    ),
    "tls-handshake-failed": (
        "critical",
        "RFC 7672 section 2.2",
        "Enable TLS 1.2 and 1.3 with common cipher suites and check certificate and key.",
    ),
    "tls-offer-narrow": (
        "error",
        "RFC 8446 section 9.1",
        "Let the server use the groups X25519 and P-256 and sign with SHA-256: some senders offer nothing that it has.",
    ),
    "tls-scan-incomplete": (
        "warning",
        "NCSC-NL TLS guidelines",
        "Repeat the scan with more time or connections; until then nothing is known about the part named.",
    ),
    "tls-signature-weak": (
        "error",
        "RFC 9155 section 2",
        "Let the server sign with SHA-256 in TLS 1.2: Postfix does not take SHA-1 once it authenticates.",
    ),
    "tls-version-insufficient": (
        "error",
        "NCSC-NL TLS guidelines",
        "Switch off the protocol versions named; TLS 1.2 and 1.3 serve every sender that matters.",
    ),
    "tls-version-phase-out": (
        "warning",
        "NCSC-NL TLS guidelines",
        "Plan to switch off the protocol versions named.",
    ),
    "tls-version-too-old": (
        "error",
        "NCSC TLS guidelines 2025-05",
        "Enable TLS 1.2 and 1.3: senders that check TLSA records with OpenSSL, such as Postfix, do not speak less.",
    ),
    "tls13-ffdhe-group-insufficient": (
        "error",
        "NCSC-NL TLS guidelines",
        "Remove the finite-field groups named from TLS 1.3 as well.",
    ),
    "tls13-ffdhe-group-phase-out": (
        "warning",
        "NCSC-NL TLS guidelines",
        "Plan to remove the finite-field groups named from TLS 1.3 as well.",
    ),
    "tlsa-absent": (
        "error",
        "RFC 7672 section 2.2",
        "Publish 3 1 1 and 2 1 1 records at the TLSA owner name of this host.",
    ),
    "tlsa-all-unusable": (
        "error",
        "RFC 7671 section 10.3",
        "Publish at least one usable record, 3 1 1 for the key in use.",
    ),
    "tlsa-ambiguous-usage": (
        "error",
        "RFC 7671 section 5.2",
        "Name a CA in 2 x x records, never the server's own certificate.",
    ),
    "tlsa-bad-field": (
        "critical",
        "RFC 6698 section 2.1",
        "Correct usage, selector, matching type or the length of the data.",
    ),
    "tlsa-cert-selector": (
        "warning",
        "RFC 7671 section 5.1",
        "Publish 3 1 1; a digest of the whole certificate changes at every renewal.",
    ),
    "tlsa-digest-set-inconsistent": (
        "critical",
        "RFC 7671 section 9",
        "Publish the same keys under every digest, or remove the extra digest completely.",
    ),
    "tlsa-duplicate": (
        "warning",
        "RFC 2181 section 5",
        "Remove the repeated record.",
    ),
    "tlsa-empty-digest": (
        "critical",
        "RFC 6698 section 2.1.4",
        "Recompute the record: its data is the digest of nothing.",
    ),
    "tlsa-full-data": (
        "warning",
        "RFC 7671 section 10.1.2",
        "Publish digests (matching type 1) instead of whole certificates or keys.",
    ),
    "tlsa-insecure": (
        "error",
        "RFC 7672 section 2.2",
        "Sign the zone that holds the TLSA records and hand its DS to the parent.",
    ),
    "tlsa-leftover": (
        "info",
        "RFC 7671 section 8.1",
        "Confirm that no endpoint uses the key, then remove the record.",
    ),
    "tlsa-missing-for-mx": (
        "error",
        "RFC 7672 section 2.2.1",
        "Publish TLSA records for every MX host of the domain: an attacker steers mail to the unprotected one.",
    ),
    "tlsa-near-typo": (
        "critical",
        "RFC 6698 section 2.1.4",
        "Correct the data: it differs from the right digest in a few digits only.",
    ),
    "tlsa-no-match": (
        "critical",
        "RFC 7671 section 5",
        "Publish the record of the key in use beside the others now, or put the published key back.",
    ),
    "tlsa-pkix-usage": (
        "warning",
        "RFC 7672 section 3.1.3",
        "Replace usage 0 or 1 by 3 (or 2); mail senders ignore PKIX usages.",
    ),
    "tlsa-published-too-late": (
        "critical",
        "RFC 7671 section 8.1",
        "Serve the former key until no cache holds the old RRset; next time publish first and let a rotation deploy.",
    ),
    "tlsa-retired-too-early": (
        "critical",
        "RFC 7671 section 8.1",
        "Put the record back at once, which is always safe; retire it when all endpoints serve the new key.",
    ),
    "tlsa-rrset-too-large": (
        "warning",
        "RFC 7671 section 10.1",
        "Keep the RRset small enough for one UDP answer.",
    ),
    "tlsa-stale-after-renewal": (
        "critical",
        "RFC 7671 section 8.1",
        "Put the previous key back or add the new key's record now, then let rotation be a step of its own.",
    ),
    "tlsa-too-many-records": (
        "warning",
        "RFC 7671 section 10.1",
        "Keep at most eight records; some senders fail above twelve.",
    ),
    "tlsa-wildcard": (
        "warning",
        "RFC 7672 section 2.2.3",
        "Publish explicit _25._tcp names; wildcards hide errors.",
    ),
    "tlsa-wrong-object": (
        "critical",
        "RFC 6698 section 2.1",
        "Recompute the record from the raw DER subjectPublicKeyInfo of the intended key.",
    ),
    "tlsa-wrong-owner": (
        "error",
        "RFC 7672 section 2.2.3",
        "Publish at _25._tcp below the MX host, not below the mail domain.",
    ),
    "ttl-changed-mid-roll": (
        "error",
        "RFC 7671 section 8.1",
        "Find out who changes the TTL, and wait the longest one that was published before the next step.",
    ),
    "tlsrpt-missing": (
        "info",
        "RFC 8460 section 3",
        "Publish a TLSRPT record with an address outside the domain, and read what arrives there.",
    ),
    "ttl-too-long": (
        "warning",
        "RFC 7671 section 11",
        "Use a TTL between 1800 and 3600 seconds, and wait the old TTL after lowering it.",
    ),
    "validation-differs": (
        "error",
        "RFC 4035 section 4.9.3",
        "Find out which of the two is wrong, the resolver or its path, or own validation; the verdict is the worse.",
    ),
    "validators-disagree": (
        "error",
        "RFC 4035 section 5.4",
        "Sign the zone anew with 0 NSEC3 iterations, and see that its name servers send every record with its "
        "signature: until then some resolvers refuse these answers, and senders behind those hold mail back.",
    ),
    "vantage-identity-mismatch": (
        "info",
        "RFC 5321 section 4.2",
        "Balancers and proxies answer under other names; compare places that meet the same server.",
    ),
    "vantage-missing": (
        "info",
        "RFC 3207 section 6",
        "Probe from at least two places with different ways to the server; one alone shows no stripping.",
    ),
    "zero-rtt-enabled": (
        "error",
        "NCSC-NL TLS guidelines",
        "Switch off early data (0-RTT).",
    ),
    "zone-no-ds": (
        "error",
        "RFC 4035 section 5.2",
        "Hand the DS record to the parent zone at the registrar.",
    ),
    "zone-unsigned": (
        "error",
        "RFC 4033 section 5",
        "Sign the zone: TLSA records in an unsigned zone count for nothing.",
    ),
}
