# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replies as Postfix and Exim read them, where that is not how we read them (measured with real ones).

Pure. Private to the collection.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._probe import Probe
    from ansible_collections.mailsec.dane.plugins.module_utils._smtp.reply import Reply

#: Values of ``matching.Profile``.
POSTFIX: t.Final = "postfix"
EXIM: t.Final = "exim"
BOTH: t.Final = (POSTFIX, EXIM)

_GROUPS: t.Final = ("-groups", "X25519:X448:P-521:P-384:P-256")
#: What they offer in TLS, as options of openssl s_client, where that is less than we do, and the code for a server that
#: needs more: Postfix 3.7 without finite field groups, and at OpenSSL's security level 1, which has no SHA-1, once it
#: authenticates; Exim with GnuTLS without SHA-224.
OFFERS: t.Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    (POSTFIX, "tls-offer-narrow", ("-cipher", "ALL:!aNULL:@SECLEVEL=0", *_GROUPS)),
    (POSTFIX, "tls-signature-weak", ("-cipher", "ALL:!aNULL:@SECLEVEL=1", *_GROUPS)),
    (EXIM, "tls-offer-narrow", (
        "-cipher", "ALL:!aNULL:@SECLEVEL=0",
        "-sigalgs", ":".join(
            [f"{kind}+SHA{size}" for kind in ("RSA", "RSA-PSS", "ECDSA") for size in (256, 384, 512)]
            + ["ed25519", "ed448", "RSA+SHA1", "ECDSA+SHA1"]
        ),
    )),
)  # fmt: skip
#: Hashes of signatures in TLS 1.2 with which all of them verify.
_SURE_HASHES: t.Final = frozenset({"sha256", "sha384", "sha512"})
#: Bytes of a reply after which Postfix forgets further lines (line_length_limit).
_POSTFIX_KEEPS: t.Final = 2048
#: Bytes that a reply may have for Exim (DELIVER_BUFFER_SIZE).
_EXIM_READS: t.Final = 4096
_EXIM_STARTTLS: t.Final = re.compile(rb"250[\s-]STARTTLS(\s|\Z)")
_POSTFIX_STARTTLS: t.Final = re.compile(rb"[0-9]{3}[ -]+STARTTLS([ =]|\Z)", re.IGNORECASE)


def may_lack_something(probe: Probe) -> bool:
    """Say whether the session that we have may be one that not all of them can have, so that it must be tried."""
    if probe.tls_version == "TLSv1.2":
        return probe.signature_hash not in _SURE_HASHES
    return probe.tls_version == "TLSv1.3" and probe.group.startswith("ffdhe")


def cannot_read(reply: Reply) -> tuple[str, ...]:
    """Return who gives up over the length of ``reply``."""
    return (EXIM,) if reply.size > _EXIM_READS else ()


def see_starttls(reply: Reply) -> tuple[str, ...]:
    """Return who finds STARTTLS in the reply to EHLO; its first line names the server, and counts for nobody."""
    found: list[str] = []
    kept = 0
    for place, line in enumerate(reply.raw):
        if place and kept < _POSTFIX_KEEPS and _POSTFIX_STARTTLS.match(line):
            found.append(POSTFIX)
            break
        kept += len(line) + 1
    if not cannot_read(reply) and any(_EXIM_STARTTLS.match(line) for line in reply.raw[1:]):
        found.append(EXIM)
    return tuple(found)
