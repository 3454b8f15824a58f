# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one endpoint did, as data: the probe of it, and the limits of a probe. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._address import is_address, split_port

if t.TYPE_CHECKING:
    pass


@dataclasses.dataclass(frozen=True)
class Seen:
    """One probe of one address of ``host``."""

    host: str
    probe: Probe


@dataclasses.dataclass(frozen=True)
class NotProbed:
    """A host, or some of its addresses, that could not be probed: a finding code and a sentence."""

    host: str
    outcome: str
    detail: str


#: Outcome of a probe that ended in a TLS session; every other outcome is a finding code.
TLS: t.Final = "tls"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One IP address (a literal) and port of an MX host."""

    address: str
    port: int = 25

    @classmethod
    def from_text(cls, text: str, option: str, port: int = 25) -> Endpoint:
        """Read an address, with a port or without. Raises ValueError, which names the ``option`` that has it."""
        address, number = split_port(text, port)
        if not is_address(address):
            raise ValueError(f"{option} has {text[:80]!r}, which is not an IP address")
        return cls(address, number)

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of one probe.

    In seconds: ``connect`` (as Postfix has it), ``greeting``, ``reply`` (each later reply, all of its lines) and
    ``handshake`` as senders have them (RFC 5321 section 4.5.3.2), ``quit``, and ``total``, which none of the others
    extends and which is how long we ourselves wait. ``received_bytes`` counts everything the server sends, TLS
    included; ``line_bytes`` one line of a reply; ``reply_lines`` the lines of one reply.
    """

    connect: float = 30.0
    greeting: float = 300.0
    reply: float = 300.0
    handshake: float = 300.0
    quit: float = 2.0
    total: float = 60.0
    received_bytes: int = 1_048_576
    line_bytes: int = 16384
    reply_lines: int = 1024


DEFAULT_LIMITS: t.Final = Limits()
#: For questions of which an endpoint is asked hundreds: the answer to one of them may go missing.
BRISK_LIMITS: t.Final = Limits(connect=10.0, greeting=15.0, reply=10.0, handshake=10.0, total=30.0)


@dataclasses.dataclass(frozen=True)
class Probe:
    """What one endpoint did.

    ``outcome`` is ``tls`` when a TLS session came about, else a finding code: ``connect-failed``,
    ``smtp-greeting-failed``, ``smtp-protocol-error``, ``ehlo-rejected``, ``starttls-missing``, ``starttls-refused``,
    ``starttls-handshake-reset``, ``tls-handshake-failed``, or one that says nothing about other clients:
    ``probe-timeout``, ``vantage-refused``, ``ehlo-name-refused``; ``detail`` is a sentence.
    ``server_name`` is the SNI sent (None: none). ``banner`` is the text of the greeting. ``ehlo_host`` is the first
    line of the EHLO reply; ``ehlo`` its further lines, keyword in upper case; ``ehlo_tls`` the same inside TLS.
    ``tls_version`` (``TLSv1.3``), ``cipher`` (OpenSSL name) and ``group`` (see ``key_exchange``) are '' when unknown,
    as is ``signature_hash``, with which the server signed its key exchange in TLS 1.2.
    ``chain`` is raw DER, leaf first, as sent; ``chain_complete`` is False where only the leaf could be had.
    ``oddities`` are finding codes seen on the way, ``evidence`` has a sentence for each. ``key_type`` is the
    type of key that was insisted on. ``stops`` names senders that get no further, although this dialogue did, and the
    code that says why: pairs of a sender profile and a code. All text of the server is bounded printable ASCII.
    """

    endpoint: Endpoint
    server_name: str | None
    outcome: str
    detail: str = ""
    banner: str = ""
    ehlo: tuple[str, ...] = ()
    ehlo_tls: tuple[str, ...] = ()
    tls_version: str = ""
    cipher: str = ""
    chain: tuple[bytes, ...] = ()
    chain_complete: bool = True
    seconds: float = 0.0
    oddities: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    ehlo_host: str = ""
    group: str = ""
    key_type: str | None = None
    stops: tuple[tuple[str, str], ...] = ()
    signature_hash: str = ""
