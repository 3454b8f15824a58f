# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a look-up did not come out secure: one code for one cause, with its RFC section and remedy.

Data only, in alphabetical order. ``ede`` lists the extended DNS errors (RFC 8914) that fit, the most fitting first;
resolvers rarely agree on one. Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Security


class Reason(t.NamedTuple):
    """Verdict, fitting EDE codes, RFC section, the code that DANE verdicts use for it, and the remedy."""

    security: Security
    ede: tuple[int, ...]
    rule: str
    roll_up: str
    remedy: str


_B: t.Final = Security.BOGUS
_I: t.Final = Security.INSECURE
_U: t.Final = Security.INDETERMINATE

REASONS: t.Final[t.Mapping[str, Reason]] = {
    "algorithm-policy": Reason(
        _I, (1,), "RFC 9905 section 2", "algorithm-policy",
        "Roll the zone over to algorithm 13 (ECDSA P-256): signatures with SHA-1 no longer count.",
    ),
    "algorithm-unsupported": Reason(
        _I, (1,), "RFC 4035 section 5.2", "algorithm-unsupported",
        "Sign the zone with an algorithm that validators support, such as 13 (ECDSA P-256).",
    ),
    "alias-insecure": Reason(
        _I, (), "RFC 7672 section 2.1.3", "alias-insecure",
        "Keep every alias in a signed zone, or name its target directly.",
    ),
    "alias-loop": Reason(
        _U, (), "RFC 1034 section 3.6.2", "dns-servfail", "Break the loop of aliases.",
    ),
    "alias-too-long": Reason(
        _U, (), "RFC 1034 section 3.6.2", "dns-servfail", "Shorten the chain of aliases.",
    ),
    "anchor-mismatch": Reason(
        _B, (9, 6), "RFC 4035 section 5.2", "dnssec-bogus",
        "Update the trust anchors; if they are right, the answers are forged.",
    ),
    "budget-exhausted": Reason(
        _U, (), "RFC 4035 section 5", "dns-servfail",
        "Simplify the zone: fewer aliases, keys, signatures; or raise the limits of the look-up.",
    ),
    "clock-suspect": Reason(
        _U, (7, 8), "RFC 4035 section 5.3.1", "resolver-not-validating",
        "Set the clock of this machine, or the validation time: even the root seems out of date.",
    ),
    "delegation-optout": Reason(
        _I, (), "RFC 5155 section 8.9", "zone-unsigned", "Sign the zone and hand its DS to the parent.",
    ),
    "delegation-unsigned": Reason(
        _I, (), "RFC 4035 section 5.2", "zone-unsigned", "Sign the zone and hand its DS to the parent.",
    ),
    "denial-missing": Reason(
        _B, (12, 10), "RFC 4035 section 5.4", "dns-denial-broken",
        "Have the name servers send NSEC or NSEC3 records with negative answers.",
    ),
    "denial-not-covering": Reason(
        _B, (6, 12), "RFC 4035 section 5.4", "dns-denial-broken",
        "Sign the zone anew; its NSEC or NSEC3 chain does not prove what the answer says.",
    ),
    "denial-optout": Reason(
        _I, (), "RFC 5155 section 9.2", "tlsa-absent", "Sign the zone without opt-out if denials should be secure.",
    ),
    "denial-out-of-zone": Reason(
        _B, (6, 12), "RFC 4035 section 5.4", "dns-denial-broken",
        "Sign the zone anew; an NSEC record leaves the zone.",
    ),
    "denial-rrsig-bad": Reason(
        _B, (6, 12), "RFC 4035 section 5.3.3", "dns-denial-broken", "Sign the zone anew.",
    ),
    "denial-rrsig-missing": Reason(
        _B, (12, 10), "RFC 4035 section 5.4", "dns-denial-broken",
        "Sign the zone anew; NSEC or NSEC3 records come without signatures.",
    ),
    "denial-type-exists": Reason(
        _B, (6, 12), "RFC 4035 section 5.4", "dns-denial-broken",
        "The zone says that the type exists, the answer that it does not: sign anew, or look for an attacker.",
    ),
    "denial-wildcard-owner": Reason(
        _B, (6, 12), "RFC 4035 section 5.4", "dns-denial-broken",
        "An NSEC record expanded from a wildcard proves nothing: sign the zone anew.",
    ),
    "denial-wrong-side": Reason(
        _B, (6, 12), "RFC 6840 section 4.1", "dns-denial-broken",
        "The denial comes from the wrong side of a zone cut: correct the delegation or the name server.",
    ),
    "dname-cname-mismatch": Reason(
        _B, (6,), "RFC 6672 section 5.3", "dnssec-bogus", "The alias was altered on the way, or the server is faulty.",
    ),
    "dname-from-wildcard": Reason(
        _B, (6,), "RFC 4592 section 4.4", "dnssec-bogus",
        "Replace the DNAME record of the wildcard: name each subtree that is redirected.",
    ),
    "dns-lame": Reason(
        _U, (22, 23), "RFC 1034 section 5.3.3", "dns-servfail",
        "Have every name server in the NS set serve the zone, or take it out of the NS sets of zone and parent.",
    ),
    "dns-malformed": Reason(
        _U, (22, 23), "RFC 1035 section 4", "dns-malformed", "Find the server or middlebox that garbles answers.",
    ),
    "dns-refused": Reason(
        _U, (22, 23), "RFC 1035 section 4.1.1", "dns-refused", "Have the server answer for this zone or this client.",
    ),
    "dns-servfail": Reason(
        _U, (22, 23), "RFC 1035 section 4.1.1", "dns-servfail", "See what the name servers of the zone do.",
    ),
    "dns-timeout": Reason(
        _U, (22, 23), "RFC 1035 section 4.2.1", "dns-timeout", "See whether the name servers can be reached.",
    ),
    "dns-unreachable": Reason(
        _U, (22, 23), "RFC 1035 section 4.2", "dns-unreachable", "See whether the name servers can be reached.",
    ),
    "dnskey-bad-protocol": Reason(
        _B, (9, 6), "RFC 4034 section 2.1.2", "dnssec-bogus", "Publish the key with protocol 3.",
    ),
    "dnskey-missing": Reason(
        _B, (9,), "RFC 4035 section 5.2", "dnssec-bogus",
        "Publish the DNSKEY RRset, or have the parent remove the DS.",
    ),
    "dnskey-not-signed-by-ds-key": Reason(
        _B, (9, 10), "RFC 4035 section 5.2", "dnssec-bogus",
        "Sign the DNSKEY RRset with the key that the DS names, or correct the DS.",
    ),
    "dnskey-revoked": Reason(
        _B, (9, 6), "RFC 5011 section 2.1", "dnssec-bogus", "Replace the DS: it names a revoked key.",
    ),
    "dnskey-zone-bit-clear": Reason(
        _B, (11, 9), "RFC 4034 section 2.1.1", "dnssec-bogus", "Publish the key with the zone key flag (256 or 257).",
    ),
    "ds-absence-unproven": Reason(
        _B, (12, 10, 6), "RFC 4035 section 5.2", "dnssec-bogus",
        "The parent has to prove that there is no DS: sign it anew.",
    ),
    "ds-answer-alias": Reason(
        _B, (12, 10, 6), "RFC 4035 section 5.2", "dnssec-bogus",
        "A wildcard alias cannot stand for a missing DS: correct the parent zone.",
    ),
    "ds-digest-unsupported": Reason(
        _I, (2,), "RFC 6840 section 5.2", "ds-digest-unsupported", "Publish a DS with digest type 2 (SHA-256).",
    ),
    "ds-no-matching-dnskey": Reason(
        _B, (9, 6), "RFC 4035 section 5.2", "dnssec-bogus",
        "Hand the parent the DS of a key that is in the DNSKEY RRset.",
    ),
    "no-trust-anchor": Reason(
        _I, (), "RFC 4035 section 4.3", "no-trust-anchor", "Configure a trust anchor for the root or the zone.",
    ),
    "nsec3-flags-unknown": Reason(
        _B, (12, 6), "RFC 5155 section 8.2", "dns-denial-broken", "Sign the zone anew with NSEC3 flags 0 or 1.",
    ),
    "nsec3-hash-unknown": Reason(
        _B, (12, 6), "RFC 5155 section 8.1", "dns-denial-broken", "Sign the zone anew with NSEC3 hash algorithm 1.",
    ),
    "nsec3-iterations-high": Reason(
        _I, (27,), "RFC 9276 section 3.2", "nsec3-iterations-high", "Sign the zone with 0 NSEC3 iterations.",
    ),
    "nsec3-owner-mismatch": Reason(
        _B, (12, 6), "RFC 5155 section 3", "dns-denial-broken",
        "An NSEC3 record does not belong to the zone that signed it: look for an attacker.",
    ),
    "resolver-strips-dnssec": Reason(
        _U, (5, 10), "RFC 4035 section 3.2.1", "resolver-not-validating",
        "Use name servers that pass signatures on; this one leaves them out even for the root.",
    ),
    "rrsig-bad-signature": Reason(
        _B, (6,), "RFC 4035 section 5.3.3", "dnssec-bogus", "Sign the zone anew, or look for an attacker.",
    ),
    "rrsig-expired": Reason(
        _B, (7,), "RFC 4035 section 5.3.1", "dnssec-bogus", "Sign the zone anew and repair automatic signing.",
    ),
    "rrsig-expired-before-valid": Reason(
        _B, (25, 7, 8), "RFC 4034 section 3.1.5", "dnssec-bogus",
        "Sign the zone anew; its signatures end before they begin.",
    ),
    "rrsig-key-revoked": Reason(
        _B, (9, 6), "RFC 5011 section 2.1", "dnssec-bogus", "Sign the zone anew with a key that is not revoked.",
    ),
    "rrsig-labels-invalid": Reason(
        _B, (6,), "RFC 4035 section 5.3.1", "dnssec-bogus", "Sign the zone anew, or look for an attacker.",
    ),
    "rrsig-missing": Reason(
        _B, (10,), "RFC 4035 section 5.3", "dnssec-bogus",
        "Sign the whole zone, or have the parent remove the DS.",
    ),
    "rrsig-no-matching-key": Reason(
        _B, (9, 6), "RFC 4035 section 5.3.1", "dnssec-bogus",
        "Publish the key that made the signature, or sign anew with a published one.",
    ),
    "rrsig-not-yet-valid": Reason(
        _B, (8,), "RFC 4035 section 5.3.1", "dnssec-bogus", "Set the clock of the signer and sign anew.",
    ),
    "rrsig-signer-above-cut": Reason(
        _B, (6,), "RFC 4035 section 5.3.1", "dnssec-bogus",
        "The parent signed what belongs to the child: have the child's name servers answer.",
    ),
    "rrsig-signer-mismatch": Reason(
        _B, (6, 10), "RFC 4035 section 5.3.1", "dnssec-bogus",
        "Sign with the key of the zone that holds the records, or look for an attacker.",
    ),
    "wildcard-signer-mismatch": Reason(
        _B, (12, 10, 6), "RFC 4035 section 5.3.4", "dnssec-bogus",
        "Wildcard and denial come from different zones: look for an attacker.",
    ),
    "wildcard-unproven": Reason(
        _B, (12, 10, 6), "RFC 4035 section 5.3.4", "dnssec-bogus",
        "Have the name servers prove that no closer name exists; sign the zone anew.",
    ),
    "work-limit-exceeded": Reason(
        _B, (6,), "RFC 4035 section 5.3.3", "dnssec-bogus",
        "Remove surplus keys and signatures; no validator tries them all.",
    ),
}  # fmt: skip
