# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to the openssl command, for hosts that have no other library for certificates.

Private keys reach the command through its standard input or a file name, never as an argument.
Everything that runs goes through the one function given at the start. Private to the collection.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import os
import re
import ssl
import tempfile
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki import certificate as pki_certificate

if t.TYPE_CHECKING:
    import collections.abc as c

#: Runs a command with text on its standard input; gives exit status, standard output, standard error.
Run = t.Callable[[list[str], str], tuple[int, str, str]]

#: Key type -> arguments of ``openssl genpkey``. No smaller or other key is sufficient by the NCSC guidelines 2025-05.
KEY_TYPES: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "ecdsa-p256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"),
    "ecdsa-p384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-pkeyopt", "ec_param_enc:named_curve"),
    "rsa-3072": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    "rsa-4096": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"),
}

#: Longest common name (RFC 5280 appendix A.1, ub-common-name); longer names stand in subjectAltName only.
_COMMON_NAME_LENGTH: t.Final = 64


class OpensslError(ValueError):
    """The command refused its input; the message says what for, never with content of a key."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a certificate says of itself.

    ``subject`` as RFC 4514 writes it, ``dns_names`` of subjectAltName in lower case and in order, ``not_after``
    in seconds since 1970.
    """

    subject: str
    dns_names: tuple[str, ...]
    not_after: int


class Openssl:
    """The openssl command at ``path``, run by ``run``. What it says of one key, certificate or chain is asked once."""

    def __init__(self, run: Run, path: str) -> None:
        self._run = run
        self._path = path
        self._public_keys: dict[bytes, bytes] = {}
        self._facts: dict[str, Facts] = {}
        self._verified: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()

    def _ask(self, *arguments: str, data: str = "") -> tuple[int, str, str]:
        return self._run([self._path, *arguments], data)

    def public_key(self, key: str) -> bytes:
        """Return the raw SubjectPublicKeyInfo of the PEM private key; OpensslError when it cannot be read."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        if digest in self._public_keys:
            return self._public_keys[digest]
        # An empty passphrase keeps the command from asking for one at a terminal.
        code, out, _err = self._ask("pkey", "-pubout", "-passin", "pass:", data=key)
        if code != 0:
            raise OpensslError("the private key cannot be read: it is damaged, or encrypted, which servers cannot use")
        return self._public_keys.setdefault(digest, pki_certificate.load_spki(out))

    def new_key(self, key_type: str, path: str) -> None:
        """Write a new private key to ``path``. The caller's umask protects it. OpensslError."""
        code, _out, err = self._ask("genpkey", *KEY_TYPES[key_type], "-out", path)
        if code != 0:
            raise OpensslError(f"openssl made no {key_type} key: {_last_line(err)}")

    def request(self, key_path: str, names: c.Sequence[str]) -> str:
        """Return a PEM certificate request for ``names``, which must be checked host names. OpensslError."""
        common = names[0] if len(names[0]) <= _COMMON_NAME_LENGTH else ""
        lines = [
            "[req]", "distinguished_name=dn", "prompt=no", "string_mask=utf8only", "req_extensions=ext",
            "[dn]", *([f"CN={common}"] if common else []),
            "[ext]", "basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
            # A certificate without a subject must have a critical subjectAltName (RFC 5280 section 4.1.2.6).
            "extendedKeyUsage=serverAuth",
            f"subjectAltName={'' if common else 'critical,'}" + ",".join(f"DNS:{name}" for name in names),
        ]  # fmt: skip
        with tempfile.TemporaryDirectory() as scratch:
            config = _write(scratch, "request.cnf", "\n".join(lines) + "\n")
            subject = () if common else ("-subj", "/")
            code, out, err = self._ask("req", "-new", "-sha256", "-config", config, "-key", key_path, *subject)
        if code != 0:
            raise OpensslError(f"openssl made no certificate request: {_last_line(err)}")
        return out

    def facts(self, certificate: str) -> Facts:
        """Return what the PEM certificate says of itself; OpensslError when it cannot be read."""
        if certificate in self._facts:
            return self._facts[certificate]
        code, out, err = self._ask(
            "x509", "-noout", "-subject", "-enddate", "-nameopt", "RFC2253", "-ext", "subjectAltName", data=certificate
        )
        end = re.search(r"^notAfter=(.+)$", out, re.M)
        if code != 0 or not end:
            raise OpensslError(f"openssl cannot read the certificate: {_last_line(err)}")
        subject = re.search(r"^subject=(.*)$", out, re.M)
        names = re.findall(r"(?:^|,)\s*DNS:([^,\s]+)", out, re.M)
        lower = tuple(name.lower() for name in names)
        found = Facts(subject[1] if subject else "", lower, ssl.cert_time_to_seconds(end[1]))
        return self._facts.setdefault(certificate, found)

    def verify(self, chain: c.Sequence[str], names: c.Sequence[str]) -> None:
        """Check the PEM ``chain``, leaf first, as a mail sender with a DANE-TA record for its last certificate would.

        Each certificate must have been issued by the next one, all must be in date, and the leaf must be good for
        a TLS server called each of ``names``. Raises OpensslError naming the certificate or name and the rule.
        """
        asked = (tuple(chain), tuple(names))
        if asked in self._verified:
            return
        with tempfile.TemporaryDirectory() as scratch:
            files = [_write(scratch, f"{number}.pem", text) for number, text in enumerate(chain)]
            own_only = ("-no-CAfile", "-no-CApath", "-no-CAstore", "-partial_chain")
            for number, (file, issuer) in enumerate(itertools.pairwise(files), start=1):
                code, out, err = self._ask("verify", *own_only, "-trusted", issuer, file)
                if code != 0:
                    raise OpensslError(
                        f"certificate {number} of the chain is not in order, or was not issued by certificate "
                        f"{number + 1}, which must follow it: {_reason(out + err)}"
                    )
            whole = _write(scratch, "chain.pem", "".join(chain[1:-1]))
            between = ("-untrusted", whole) if len(chain) > 2 else ()
            for name in names:
                code, out, err = self._ask(
                    "verify", *own_only, "-trusted", files[-1], *between,
                    "-purpose", "sslserver", "-verify_hostname", name, files[0],
                )  # fmt: skip
                if code != 0:
                    raise OpensslError(f"the chain does not verify for a mail server {name}: {_reason(out + err)}")
        self._verified.add(asked)


def spki_of(certificate: str) -> bytes:
    """Return the raw SubjectPublicKeyInfo of the PEM certificate. Raises CertificateError."""
    return pki_certificate.load_pem(certificate)[0].spki


def key_type_of(spki: bytes) -> str:
    """Return the key of :data:`KEY_TYPES` that ``spki`` is of, "rsa-BITS" for other RSA keys, else "other"."""
    for oid, name in ((bytes.fromhex("2a8648ce3d030107"), "ecdsa-p256"), (bytes.fromhex("2b81040022"), "ecdsa-p384")):
        if oid in spki[:32]:
            return name
    if bytes.fromhex("2a864886f70d010101") in spki[:32]:
        # A modulus of 3072 bits makes 422 bytes: sizes differ by far more than the encoding around them.
        return f"rsa-{round((len(spki) - 38) / 32) * 256}"
    return "other"


def pem_blocks(text: str) -> list[tuple[str, str]]:
    """Return label and whole text, normalised, of each PEM block.

    The text is empty for keys in the old encrypted form, which has headers. CertificateError for a block that is cut
    off or not base64.
    """
    found = []
    for number, (label, body) in enumerate(
        pki_certificate.pem_blocks(text.encode("utf-8", "surrogateescape")), start=1
    ):
        if b":" in body:
            found.append((label, ""))
            continue
        encoded = base64.b64encode(pki_certificate.decode_block(body, number, label)).decode("ascii")
        lines = re.findall(".{1,64}", encoded)
        found.append((label, "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])))
    return found


def _write(directory: str, name: str, text: str) -> str:
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(text)
    return path


def _last_line(text: str) -> str:
    return text.strip().rsplit("\n", 1)[-1][:200]


def _reason(text: str) -> str:
    """The sentence of ``openssl verify`` behind the error number."""
    found = re.search(r"error \d+ at \d+ depth lookup:\s*(.+)", text)
    return found[1].strip() if found else _last_line(text)
