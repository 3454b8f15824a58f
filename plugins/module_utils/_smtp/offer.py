# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one endpoint offers in TLS: the words that the scan and the judgement share. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

#: Every protocol that is looked for, newest first.
PROTOCOLS: t.Final = ("TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0", "SSLv3", "SSLv2")
#: Renegotiations that a client asks for at most; a server that takes as many has no limit.
MANY_RENEGOTIATIONS: t.Final = 11


@dataclasses.dataclass(frozen=True)
class ServedCertificate:
    """One certificate as served.

    ``key`` is ``RSA``, ``EC``, ``DSA``, ``Ed25519``, ``Ed448`` or ``other``; ``curve`` has the name of a group for EC.
    ``signature_hash`` is as guidelines write it (``SHA-256``), or ``intrinsic`` for EdDSA. ``self_signed`` is True for
    an anchor: nobody relies on its own signature.
    """

    subject: str
    key: str
    bits: int
    curve: str
    signature_hash: str
    self_signed: bool = False


@dataclasses.dataclass(frozen=True)
class Offer:
    """What was found out about one endpoint, and what was not.

    ``protocols`` are those accepted, names of :data:`PROTOCOLS`. ``suites`` has per protocol the code points accepted,
    in the order in which the server chose them when everything was offered; below the newest protocol before
    TLS 1.3 only those that it does not accept there. ``groups`` has per protocol (``TLSv1.2`` stands for the newest
    before TLS 1.3) the names of the key exchange groups, ``dh-2048`` for finite fields without a name.
    ``signature_schemes`` are the code points accepted in TLS 1.2.

    None means not applicable or not found out: ``server_preference`` (the server enforces its own order),
    ``compression``, ``secure_renegotiation`` (RFC 5746), ``extended_master_secret`` (RFC 7627), ``renegotiations``
    (granted to the client, up to :data:`MANY_RENEGOTIATIONS`), ``early_data`` (bytes allowed in 0-RTT).

    ``gaps`` tells per table of the guidelines why it could not, or not wholly, be found out. What is listed
    was seen in spite of it; what is not listed is absent only where there is no gap.
    """

    protocols: tuple[str, ...] = ()
    suites: t.Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    groups: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    signature_schemes: tuple[int, ...] = ()
    server_preference: bool | None = None
    compression: bool | None = None
    secure_renegotiation: bool | None = None
    renegotiations: int | None = None
    early_data: int | None = None
    extended_master_secret: bool | None = None
    certificates: tuple[ServedCertificate, ...] = ()
    gaps: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def before_13(self) -> tuple[str, ...]:
        """The accepted protocols before TLS 1.3, newest first."""
        return tuple(name for name in PROTOCOLS[1:] if name in self.protocols)
