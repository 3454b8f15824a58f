# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLS guidelines of NCSC-NL as data: which value has which level in which edition.

Made by tests/run/guideline_data.py from docs/data/tls-guidelines.yml, which also says how far each value can be
trusted; do not edit. An item is (level, source, confirmed): level None means that the edition gives none, and
confirmed False that it is a hint, never the only reason to fail a server. ``other`` grades what is not listed.

Data only. Private to the collection.
"""

from __future__ import annotations

import typing as t

Item: t.TypeAlias = tuple[str | None, str, bool]

#: Edition -> date of its release.
RELEASED: t.Final[t.Mapping[str, str]] = {
    "2.1": "2021-01-19",
    "2025-05": "2025-05",
}

#: Short name of a source -> what it is.
SOURCES: t.Final[t.Mapping[str, str]] = {
    "ncsc-2.1": "IT Security Guidelines for Transport Layer Security 2.1",
    "ncsc-2025-05": "Transport Layer Security (TLS), Security guidelines version 2025-05",
    "inl-1.10.8-text": "internet.nl norm text, edition 2.1",
    "inl-1.10.8-code": "internet.nl grading code, edition 2.1 (levels derived per algorithm)",
    "inl-pre2025-code": "internet.nl constants for edition 2.1, last revision before the 2025-05 switch; unreleased",
    "inl-1.11-text": "internet.nl norm text, edition 2025-05",
    "inl-1.11-code": "internet.nl constants and evaluation, edition 2025-05",
    "toolbox-2021": "TLS configuration spreadsheet 2021-05-06",
    "dhe-groups": "Published ffdhe parameter files",
    "iana-tls": "IANA TLS parameters registry; RFC 5246, 7919, 8422, 8446, 8734, 6209, 6367",
    "recalled": "Known from the editions by memory; no text or code seen",
}

#: Code point -> (name, key, hash).
SIGNATURE_SCHEMES: t.Final[t.Mapping[int, tuple[str, str, str]]] = {
    0x0403: ("ecdsa_secp256r1_sha256", "ECDSA", "SHA-256"),
    0x0503: ("ecdsa_secp384r1_sha384", "ECDSA", "SHA-384"),
    0x0603: ("ecdsa_secp521r1_sha512", "ECDSA", "SHA-512"),
    0x0804: ("rsa_pss_rsae_sha256", "RSA", "SHA-256"),
    0x0805: ("rsa_pss_rsae_sha384", "RSA", "SHA-384"),
    0x0806: ("rsa_pss_rsae_sha512", "RSA", "SHA-512"),
    0x0809: ("rsa_pss_pss_sha256", "RSA", "SHA-256"),
    0x080A: ("rsa_pss_pss_sha384", "RSA", "SHA-384"),
    0x080B: ("rsa_pss_pss_sha512", "RSA", "SHA-512"),
    0x0401: ("rsa_pkcs1_sha256", "RSA", "SHA-256"),
    0x0501: ("rsa_pkcs1_sha384", "RSA", "SHA-384"),
    0x0601: ("rsa_pkcs1_sha512", "RSA", "SHA-512"),
    0x0807: ("ed25519", "EdDSA", "intrinsic"),
    0x0808: ("ed448", "EdDSA", "intrinsic"),
    0x081A: ("ecdsa_brainpoolP256r1tls13_sha256", "ECDSA", "SHA-256"),
    0x081B: ("ecdsa_brainpoolP384r1tls13_sha384", "ECDSA", "SHA-384"),
    0x081C: ("ecdsa_brainpoolP512r1tls13_sha512", "ECDSA", "SHA-512"),
    0x0303: ("ecdsa_sha224", "ECDSA", "SHA-224"),
    0x0301: ("rsa_pkcs1_sha224", "RSA", "SHA-224"),
    0x0302: ("dsa_sha224", "DSS", "SHA-224"),
    0x0203: ("ecdsa_sha1", "ECDSA", "SHA-1"),
    0x0201: ("rsa_pkcs1_sha1", "RSA", "SHA-1"),
    0x0202: ("dsa_sha1", "DSS", "SHA-1"),
    0x0101: ("rsa_pkcs1_md5", "RSA", "MD5"),
}

#: Edition -> table -> where it stands, and its items.
EDITIONS: t.Final[t.Mapping[str, t.Any]] = {
    "2.1": {
        "protocols": {
            "ref": "table 1, B1-1",
            "other": ("insufficient", "inl-1.10.8-code", True),
            "items": {
                "TLSv1.3": ("good", "inl-1.10.8-text", True),
                "TLSv1.2": ("sufficient", "inl-1.10.8-text", True),
                "TLSv1.1": ("phase-out", "inl-1.10.8-text", True),
                "TLSv1.0": ("phase-out", "inl-1.10.8-text", True),
                "SSLv3": ("insufficient", "inl-1.10.8-text", True),
                "SSLv2": ("insufficient", "inl-1.10.8-text", True),
                "SSLv1": ("insufficient", "inl-1.10.8-text", True),
            },
        },
        "key_exchange_groups": {
            "ref": "table 9, B5-1",
            "other": ("insufficient", "inl-1.10.8-text", True),
            "items": {
                "x25519": ("good", "inl-1.10.8-text", True),
                "x448": ("good", "inl-1.10.8-text", True),
                "secp256r1": ("good", "inl-1.10.8-text", True),
                "secp384r1": ("good", "inl-1.10.8-text", True),
                "secp224r1": ("phase-out", "inl-1.10.8-text", True),
                "secp521r1": ("insufficient", "inl-1.10.8-text", False),
                "brainpoolP256r1": ("insufficient", "inl-1.10.8-text", False),
                "brainpoolP384r1": ("insufficient", "inl-1.10.8-text", False),
                "brainpoolP512r1": ("insufficient", "inl-1.10.8-text", False),
                "X25519MLKEM768": (None, "recalled", False),
                "SecP256r1MLKEM768": (None, "recalled", False),
                "SecP384r1MLKEM1024": (None, "recalled", False),
            },
        },
        "ffdhe_groups": {
            "ref": "table 10, B6-1",
            "other": ("insufficient", "inl-1.10.8-text", True),
            "items": {
                "ffdhe4096": ("sufficient", "inl-1.10.8-text", True),
                "ffdhe3072": ("sufficient", "inl-1.10.8-text", True),
                "ffdhe6144": ("sufficient", "inl-pre2025-code", True),
                "ffdhe8192": ("sufficient", "inl-pre2025-code", True),
                "ffdhe2048": ("phase-out", "inl-1.10.8-text", True),
                "self-generated": ("insufficient", "inl-1.10.8-text", True),
            },
        },
        "handshake_signature_hash": {
            "ref": "table 5",
            "other": None,
            "items": {
                "sha2-supported": ("good", "inl-1.10.8-text", True),
                "sha2-not-supported": ("phase-out", "inl-1.10.8-text", True),
            },
        },
        "certificate_key_rsa": {
            "ref": "table 8, B3-3",
            "other": None,
            "items": {
                ">=3072": ("good", "inl-1.10.8-text", True),
                "2048-3071": ("sufficient", "inl-1.10.8-text", True),
                "<2048": ("insufficient", "inl-1.10.8-text", True),
            },
        },
        "certificate_key_ec": {
            "ref": "table 9, B5-1",
            "other": ("insufficient", "inl-1.10.8-text", True),
            "items": {
                "secp384r1": ("good", "inl-1.10.8-text", True),
                "secp256r1": ("good", "inl-1.10.8-text", True),
                "x448": ("good", "inl-1.10.8-text", True),
                "x25519": ("good", "inl-1.10.8-text", True),
                "secp224r1": ("phase-out", "inl-1.10.8-text", True),
                "secp521r1": ("insufficient", "inl-1.10.8-text", False),
            },
        },
        "certificate_key_eddsa": {
            "ref": "not covered by the tables",
            "other": (None, "recalled", False),
            "items": {
                "Ed25519": (None, "recalled", False),
                "Ed448": (None, "recalled", False),
            },
        },
        "certificate_signature_hash": {
            "ref": "table 3, B3-2",
            "other": ("insufficient", "inl-pre2025-code", True),
            "items": {
                "SHA-512": ("good", "inl-1.10.8-text", True),
                "SHA-384": ("good", "inl-1.10.8-text", True),
                "SHA-256": ("good", "inl-1.10.8-text", True),
                "SHA-224": ("insufficient", "inl-pre2025-code", False),
                "SHA-1": ("insufficient", "inl-1.10.8-text", True),
                "MD5": ("insufficient", "inl-1.10.8-text", True),
            },
        },
        "compression": {
            "ref": "table 11, B7-1",
            "other": ("insufficient", "inl-1.10.8-text", True),
            "items": {
                "none": ("good", "inl-1.10.8-text", True),
                "application-level": ("sufficient", "inl-1.10.8-text", True),
                "tls": ("insufficient", "inl-1.10.8-text", True),
            },
        },
        "insecure_renegotiation": {
            "ref": "table 12, B8-1",
            "other": None,
            "items": {
                "off": ("good", "inl-1.10.8-text", True),
                "not-applicable": ("good", "inl-1.10.8-text", True),
                "on": ("insufficient", "inl-1.10.8-text", True),
            },
        },
        "client_initiated_renegotiation": {
            "ref": "table 13, B8-1",
            "other": None,
            "items": {
                "off": ("good", "inl-1.10.8-text", True),
                "not-applicable": ("good", "inl-1.10.8-text", True),
                "on": ("sufficient", "inl-1.10.8-text", True),
            },
        },
        "zero_rtt": {
            "ref": "table 14, B9-1",
            "other": None,
            "items": {
                "off": ("good", "inl-1.10.8-text", True),
                "not-applicable": ("good", "inl-1.10.8-text", True),
                "on": ("insufficient", "inl-1.10.8-text", True),
            },
        },
        "extended_master_secret": {
            "ref": "not covered",
            "other": None,
            "items": {
                "supported": (None, "recalled", False),
                "not-supported": (None, "recalled", False),
            },
        },
    },
    "2025-05": {
        "protocols": {
            "ref": "3.3.1",
            "other": ("insufficient", "inl-1.11-code", True),
            "items": {
                "TLSv1.3": ("good", "inl-1.11-text", True),
                "TLSv1.2": ("sufficient", "inl-1.11-text", True),
                "TLSv1.1": ("insufficient", "inl-1.11-text", True),
                "TLSv1.0": ("insufficient", "inl-1.11-text", True),
                "SSLv3": ("insufficient", "inl-1.11-text", True),
                "SSLv2": ("insufficient", "inl-1.11-text", True),
                "SSLv1": ("insufficient", "inl-1.11-text", True),
            },
        },
        "key_exchange_groups": {
            "ref": "3.3.2.1 table 3, 3.3.3",
            "other": ("insufficient", "inl-1.11-text", True),
            "items": {
                "X25519MLKEM768": ("good", "inl-1.11-text", True),
                "SecP256r1MLKEM768": ("good", "inl-1.11-text", True),
                "SecP384r1MLKEM1024": ("good", "inl-1.11-text", True),
                "x25519": ("sufficient", "inl-1.11-text", True),
                "x448": ("sufficient", "inl-1.11-text", True),
                "secp256r1": ("sufficient", "inl-1.11-text", True),
                "secp384r1": ("sufficient", "inl-1.11-text", True),
                "secp521r1": ("sufficient", "inl-1.11-text", True),
                "brainpoolP256r1": ("sufficient", "inl-1.11-text", True),
                "brainpoolP384r1": ("sufficient", "inl-1.11-text", True),
                "brainpoolP512r1": ("sufficient", "inl-1.11-text", True),
                "secp224r1": ("phase-out", "inl-1.11-text", True),
            },
        },
        "ffdhe_groups": {
            "ref": "3.3.3.1 table 7",
            "other": ("insufficient", "inl-1.11-text", True),
            "items": {
                "ffdhe8192": ("phase-out", "inl-1.11-text", True),
                "ffdhe6144": ("phase-out", "inl-1.11-text", True),
                "ffdhe4096": ("phase-out", "inl-1.11-text", True),
                "ffdhe3072": ("phase-out", "inl-1.11-text", True),
                "ffdhe2048": ("insufficient", "inl-1.11-text", True),
                "self-generated": ("insufficient", "inl-1.11-text", True),
            },
        },
        "handshake_signature_hash": {
            "ref": "3.3.5",
            "other": ("insufficient", "inl-1.11-code", True),
            "items": {
                "SHA-256": ("good", "inl-1.11-text", True),
                "SHA-384": ("good", "inl-1.11-text", True),
                "SHA-512": ("good", "inl-1.11-text", True),
                "intrinsic": ("good", "inl-1.11-text", False),
                "SHA-224": ("phase-out", "inl-1.11-text", True),
                "SHA-1": ("insufficient", "inl-1.11-text", True),
                "MD5": ("insufficient", "inl-1.11-text", True),
            },
        },
        "certificate_key_rsa": {
            "ref": "3.3.2.1",
            "other": None,
            "items": {
                ">=3072": ("sufficient", "inl-1.11-text", True),
                "2048-3071": ("phase-out", "inl-1.11-text", True),
                "<2048": ("insufficient", "inl-1.11-text", True),
            },
        },
        "certificate_key_ec": {
            "ref": "3.3.2.1",
            "other": ("insufficient", "inl-1.11-text", True),
            "items": {
                "secp521r1": ("sufficient", "inl-1.11-text", True),
                "secp384r1": ("sufficient", "inl-1.11-text", True),
                "secp256r1": ("sufficient", "inl-1.11-text", True),
                "brainpoolP512r1": ("sufficient", "inl-1.11-text", True),
                "brainpoolP384r1": ("sufficient", "inl-1.11-text", True),
                "brainpoolP256r1": ("sufficient", "inl-1.11-text", True),
                "secp224r1": ("phase-out", "inl-1.11-text", True),
            },
        },
        "certificate_key_eddsa": {
            "ref": "3.3.2.1",
            "other": ("insufficient", "inl-1.11-text", True),
            "items": {
                "Ed448": ("sufficient", "inl-1.11-text", True),
                "Ed25519": ("sufficient", "inl-1.11-text", True),
            },
        },
        "certificate_signature_hash": {
            "ref": "3.3.5",
            "other": ("insufficient", "inl-1.11-code", True),
            "items": {
                "SHA-256": ("good", "inl-1.11-text", True),
                "SHA-384": ("good", "inl-1.11-text", True),
                "SHA-512": ("good", "inl-1.11-text", True),
                "intrinsic": ("good", "inl-1.11-code", True),
                "SHA-224": ("phase-out", "inl-1.11-text", True),
                "SHA-1": ("insufficient", "inl-1.11-text", True),
                "MD5": ("insufficient", "inl-1.11-text", True),
            },
        },
        "compression": {
            "ref": "3.4.1",
            "other": ("insufficient", "inl-1.11-text", True),
            "items": {
                "none": ("good", "inl-1.11-text", True),
                "not-applicable": ("good", "inl-1.11-text", True),
                "tls": ("insufficient", "inl-1.11-text", True),
            },
        },
        "insecure_renegotiation": {
            "ref": "3.4.2",
            "other": None,
            "items": {
                "off": ("good", "inl-1.11-text", True),
                "not-applicable": ("good", "inl-1.11-text", True),
                "on": ("insufficient", "inl-1.11-text", True),
            },
        },
        "client_initiated_renegotiation": {
            "ref": "3.4.2",
            "other": None,
            "items": {
                "none": ("good", "inl-1.11-text", True),
                "not-applicable": ("good", "inl-1.11-text", True),
                "limited": ("sufficient", "inl-1.11-text", True),
                "unlimited": ("phase-out", "inl-1.11-text", False),
            },
        },
        "zero_rtt": {
            "ref": "3.4.4",
            "other": None,
            "items": {
                "off": ("good", "inl-1.11-text", True),
                "not-applicable": ("good", "inl-1.11-text", True),
                "on": ("insufficient", "inl-1.11-text", True),
            },
        },
        "extended_master_secret": {
            "ref": "4.1, RFC 7627",
            "other": None,
            "items": {
                "supported": ("good", "inl-1.11-code", True),
                "not-applicable": ("good", "inl-1.11-code", True),
                "not-supported": ("insufficient", "inl-1.11-code", True),
            },
        },
    },
}

#: Edition -> code point of a suite -> item.
SUITES: t.Final[t.Mapping[str, t.Mapping[int, Item]]] = {
    "2.1": {
        0x000A: ("phase-out", "inl-1.10.8-text", True),
        0x0016: ("phase-out", "inl-1.10.8-text", True),
        0x002F: ("phase-out", "inl-1.10.8-text", True),
        0x0033: ("sufficient", "inl-1.10.8-text", True),
        0x0035: ("phase-out", "inl-1.10.8-text", True),
        0x0039: ("sufficient", "inl-1.10.8-text", True),
        0x003C: ("phase-out", "inl-1.10.8-text", True),
        0x003D: ("phase-out", "inl-1.10.8-text", True),
        0x0041: ("phase-out", "inl-pre2025-code", False),
        0x0045: ("sufficient", "inl-pre2025-code", True),
        0x0067: ("sufficient", "inl-1.10.8-text", True),
        0x006B: ("sufficient", "inl-1.10.8-text", True),
        0x0084: ("phase-out", "inl-pre2025-code", False),
        0x0088: ("sufficient", "inl-pre2025-code", True),
        0x009C: ("phase-out", "inl-1.10.8-text", True),
        0x009D: ("phase-out", "inl-1.10.8-text", True),
        0x009E: ("sufficient", "inl-1.10.8-text", True),
        0x009F: ("sufficient", "inl-1.10.8-text", True),
        0x00BA: ("phase-out", "inl-pre2025-code", False),
        0x00BE: ("sufficient", "inl-pre2025-code", True),
        0x00C0: ("phase-out", "inl-pre2025-code", False),
        0x00C4: ("sufficient", "inl-pre2025-code", True),
        0x1301: ("good", "inl-1.10.8-text", True),
        0x1302: ("good", "inl-1.10.8-text", True),
        0x1303: ("good", "inl-1.10.8-text", True),
        0x1304: ("good", "inl-pre2025-code", True),
        0xC008: ("phase-out", "inl-1.10.8-text", True),
        0xC009: ("sufficient", "inl-1.10.8-text", True),
        0xC00A: ("sufficient", "inl-1.10.8-text", True),
        0xC012: ("phase-out", "inl-1.10.8-text", True),
        0xC013: ("sufficient", "inl-1.10.8-text", True),
        0xC014: ("sufficient", "inl-1.10.8-text", True),
        0xC023: ("sufficient", "inl-1.10.8-text", True),
        0xC024: ("sufficient", "inl-1.10.8-text", True),
        0xC027: ("sufficient", "inl-1.10.8-text", True),
        0xC028: ("sufficient", "inl-1.10.8-text", True),
        0xC02B: ("good", "inl-1.10.8-text", True),
        0xC02C: ("good", "inl-1.10.8-text", True),
        0xC02F: ("good", "inl-1.10.8-text", True),
        0xC030: ("good", "inl-1.10.8-text", True),
        0xC052: ("phase-out", "inl-1.10.8-code", False),
        0xC053: ("phase-out", "inl-1.10.8-code", False),
        0xC05C: ("phase-out", "inl-1.10.8-code", False),
        0xC05D: ("phase-out", "inl-1.10.8-code", False),
        0xC060: ("phase-out", "inl-1.10.8-code", False),
        0xC061: ("phase-out", "inl-1.10.8-code", False),
        0xC072: ("sufficient", "inl-pre2025-code", True),
        0xC073: ("sufficient", "inl-pre2025-code", True),
        0xC076: ("sufficient", "inl-pre2025-code", True),
        0xC077: ("sufficient", "inl-pre2025-code", True),
        0xC09E: ("sufficient", "inl-pre2025-code", True),
        0xC09F: ("sufficient", "inl-pre2025-code", True),
        0xC0AC: ("good", "inl-pre2025-code", True),
        0xC0AD: ("good", "inl-pre2025-code", True),
        0xCCA8: ("good", "inl-1.10.8-text", True),
        0xCCA9: ("good", "inl-1.10.8-text", True),
        0xCCAA: ("sufficient", "inl-1.10.8-text", True),
    },
    "2025-05": {
        0x0067: ("phase-out", "inl-1.11-text", True),
        0x006B: ("phase-out", "inl-1.11-text", True),
        0x009E: ("phase-out", "inl-1.11-text", True),
        0x009F: ("phase-out", "inl-1.11-text", True),
        0x00BE: ("phase-out", "inl-1.11-text", True),
        0x00C4: ("phase-out", "inl-1.11-text", True),
        0x1301: ("sufficient", "inl-1.11-text", True),
        0x1302: ("good", "inl-1.11-text", True),
        0x1303: ("good", "inl-1.11-text", True),
        0x1304: ("sufficient", "inl-1.11-text", True),
        0xC023: ("phase-out", "inl-1.11-text", True),
        0xC024: ("phase-out", "inl-1.11-text", True),
        0xC027: ("phase-out", "inl-1.11-text", True),
        0xC028: ("phase-out", "inl-1.11-text", True),
        0xC02B: ("sufficient", "inl-1.11-text", True),
        0xC02C: ("sufficient", "inl-1.11-text", True),
        0xC02F: ("sufficient", "inl-1.11-text", True),
        0xC030: ("sufficient", "inl-1.11-text", True),
        0xC044: ("phase-out", "inl-1.11-text", True),
        0xC045: ("phase-out", "inl-1.11-text", True),
        0xC048: ("phase-out", "inl-1.11-text", True),
        0xC049: ("phase-out", "inl-1.11-text", True),
        0xC04C: ("phase-out", "inl-1.11-text", True),
        0xC04D: ("phase-out", "inl-1.11-text", True),
        0xC052: ("phase-out", "inl-1.11-text", True),
        0xC053: ("phase-out", "inl-1.11-text", True),
        0xC05C: ("phase-out", "inl-1.11-text", True),
        0xC05D: ("phase-out", "inl-1.11-text", True),
        0xC060: ("phase-out", "inl-1.11-text", True),
        0xC061: ("phase-out", "inl-1.11-text", True),
        0xC072: ("phase-out", "inl-1.11-text", True),
        0xC073: ("phase-out", "inl-1.11-text", True),
        0xC076: ("phase-out", "inl-1.11-text", True),
        0xC077: ("phase-out", "inl-1.11-text", True),
        0xC07C: ("phase-out", "inl-1.11-text", True),
        0xC07D: ("phase-out", "inl-1.11-text", True),
        0xC086: ("phase-out", "inl-1.11-text", True),
        0xC087: ("phase-out", "inl-1.11-text", True),
        0xC08A: ("phase-out", "inl-1.11-text", True),
        0xC08B: ("phase-out", "inl-1.11-text", True),
        0xC09E: ("phase-out", "inl-1.11-text", True),
        0xC09F: ("phase-out", "inl-1.11-text", True),
        0xC0AC: ("sufficient", "inl-1.11-text", True),
        0xC0AD: ("sufficient", "inl-1.11-text", True),
        0xCCA8: ("sufficient", "inl-1.11-text", True),
        0xCCA9: ("sufficient", "inl-1.11-text", True),
        0xCCAA: ("phase-out", "inl-1.11-text", True),
    },
}

#: Edition -> item for suites that are not listed.
OTHER_SUITES: t.Final[t.Mapping[str, Item]] = {
    "2.1": ("insufficient", "inl-pre2025-code", True),
    "2025-05": ("insufficient", "inl-1.11-code", True),
}

#: Edition -> table -> where it stands.
SUITE_REFERENCES: t.Final[t.Mapping[str, t.Mapping[str, str]]] = {
    "2.1": {
        "cipher_suites": "appendix C, with footnotes 31 and 52",
        "cipher_order": "B2-5",
    },
    "2025-05": {
        "cipher_suites": "appendix B",
        "cipher_order": "2 and 3",
    },
}

#: Edition -> levels in the order a server has to prefer them; levels in one group are equal.
SUITE_ORDER: t.Final[t.Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "2.1": (("good",), ("sufficient",), ("phase-out",)),
    "2025-05": (("good", "sufficient"), ("phase-out",)),
}
