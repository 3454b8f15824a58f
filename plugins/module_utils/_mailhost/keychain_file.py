# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A keychain file as Postfix's smtpd_tls_chain_files wants it: key, its certificate, then intermediates.

Standard library only, because it runs on mail servers. Nothing of the key is ever returned. Private to the collection.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import ssl
import stat
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import openssl

_BLOCK: t.Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.S)
_LIMIT: t.Final = 1 << 20


def problem(path: str) -> str:
    """Say in a sentence why a mail server cannot work with the file; '' when it can."""
    try:
        state = os.stat(path)
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(_LIMIT)
    except FileNotFoundError:
        return f"{path} does not exist"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if state.st_uid != 0:
        return f"{path} has a private key and belongs to user {state.st_uid}: it must belong to root"
    if stat.S_IMODE(state.st_mode) & 0o027:
        return f"{path} has a private key and mode {stat.S_IMODE(state.st_mode):04o}: it must be 0600 or 0640"
    # OpenSSL writes the parameters of a curve in front of an EC key; Postfix and OpenSSL skip them.
    kinds = [match.group(1) for match in _BLOCK.finditer(text) if not match.group(1).endswith(" PARAMETERS")]
    if not kinds:
        return f"{path} has nothing in PEM form"
    if not kinds[0].endswith("PRIVATE KEY"):
        return f"{path} starts with a {kinds[0].lower()}: the private key comes first, then its certificate"
    if "CERTIFICATE" not in kinds:
        return f"{path} has no certificate"
    return _mismatch(path)


def _mismatch(path: str) -> str:
    # Without a password function an encrypted key would ask for one on the terminal.
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=lambda: "")
    except ssl.SSLError as error:
        # A key of another type than the certificate is "no certificate assigned": nothing has that type of key.
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            return f"{path}: the private key is not the key of the first certificate"
        return f"{path}: OpenSSL cannot load key and certificate ({error.reason or 'malformed or encrypted'})"
    except ValueError:
        return f"{path}: the private key is encrypted; a mail server cannot ask for its password"
    return ""


def _blocks(path: str) -> list[re.Match[str]]:
    with open(path, encoding="ascii", errors="replace") as file:
        found = list(_BLOCK.finditer(file.read(_LIMIT)))
    return [block for block in found if not block.group(1).endswith(" PARAMETERS")]


def first_fingerprint(path: str) -> str:
    """Return the SHA-256 of the first certificate of the file, lower-case hex; '' when it has none."""
    ders = (ssl.PEM_cert_to_DER_cert(block.group(0)) for block in _blocks(path) if block.group(1) == "CERTIFICATE")
    return next((hashlib.sha256(der).hexdigest() for der in ders), "")


def leaf_fingerprints(path: str) -> tuple[str, ...]:
    """Return the SHA-256 of the certificate behind each key of the file, lower-case hex."""
    return tuple(hashlib.sha256(der).hexdigest() for der in _leaves(path))


def public_key_fingerprints(path: str) -> tuple[str, ...]:
    """Return the SHA-256 of the public key of each of these certificates, lower-case hex. Raises CertificateError."""
    keys = (openssl.spki_of(ssl.DER_cert_to_PEM_cert(der)) for der in _leaves(path))
    return tuple(hashlib.sha256(key).hexdigest() for key in keys)


def _leaves(path: str) -> list[bytes]:
    blocks = _blocks(path)
    behind_key = (b for a, b in itertools.pairwise(blocks) if a.group(1).endswith("PRIVATE KEY"))
    return [ssl.PEM_cert_to_DER_cert(block.group(0)) for block in behind_key if block.group(1) == "CERTIFICATE"]
