# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MTA-STS policies (RFC 8461): what they say, and which MX hosts and certificates satisfy them.

Pure. DANE comes first where a sender does both, but not all senders do DANE. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._pki.certification_path import Signatures, signed_paths
from ansible_collections.mailsec.dane.plugins.module_utils._pki.names import name_matches
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

if t.TYPE_CHECKING:
    import collections.abc as c
    import datetime

    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer
    from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import Certificate

#: Bytes that a policy may have; senders need not take more (RFC 8461 section 3.3).
MAX_BYTES: t.Final = 65536
MODES: t.Final = ("enforce", "testing", "none")
_LONGEST_AGE: t.Final = 31557600
_MAX_PATTERNS: t.Final = 100


class PolicyError(ValueError):
    """This is not a policy; the message says why."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """``mode`` is one of :data:`MODES`, ``mx`` has patterns in lower case, ``max_age`` is in seconds."""

    mode: str
    mx: tuple[str, ...]
    max_age: int

    def covers(self, host: str) -> bool:
        """Say whether ``host`` is among the MX hosts; a wildcard stands for the whole first label."""
        return any(_covers(pattern, host) for pattern in self.mx)


@dataclasses.dataclass(frozen=True)
class StsView:
    """What was seen of the policy of a domain.

    ``answer`` is that to the question for the TXT record; ``id`` is None where it does not announce a policy.
    ``fault`` is the code of a finding and a sentence where the policy could not be had. ``roots`` are the CAs that are
    trusted, empty where those are not known.
    """

    answer: Answer
    id: str | None = None
    policy: Policy | None = None
    fault: tuple[str, str] | None = None
    roots: tuple[Certificate, ...] = ()


def parse(content: bytes) -> Policy:
    """Read a policy (RFC 8461 section 3.2). Raises PolicyError."""
    found: dict[str, str] = {}
    patterns: list[str] = []
    for line in filter(None, (line.strip() for line in content.decode("utf-8", "replace").splitlines())):
        name, colon, value = line.partition(":")
        if not colon:
            raise PolicyError(f"the line {printable(line, 60)!r} has no colon")
        if name.strip() == "mx":
            patterns.append(value.strip().lower().removesuffix("."))
        else:
            found.setdefault(name.strip(), value.strip())
    if found.get("version") != "STSv1":
        raise PolicyError("it does not say version: STSv1")
    if found.get("mode") not in MODES:
        raise PolicyError(f"the mode is {printable(found.get('mode', 'missing'), 40)}: it is {', '.join(MODES)}")
    if not re.fullmatch(r"[0-9]{1,10}", found.get("max_age", "")) or int(found["max_age"]) > _LONGEST_AGE:
        raise PolicyError(f"max_age is not a number of seconds up to {_LONGEST_AGE}")
    if not patterns and found["mode"] != "none":
        raise PolicyError("it names no MX host")
    return Policy(found["mode"], tuple(dict.fromkeys(patterns))[:_MAX_PATTERNS], int(found["max_age"]))


def _covers(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:] != ""
    return host == pattern


def certificate_fault(
    chain: c.Sequence[Certificate], host: str, roots: c.Sequence[Certificate], now: datetime.datetime
) -> str:
    """Say in a sentence why a chain (leaf first) does not do for ``host`` at ``now`` (RFC 8461 section 4.1).

    '' means that nothing of the kind can be shown, not that a sender must accept it: nothing is said about trust where
    ``roots`` is empty, and nothing about revocation. Raises CertificateError.
    """
    leaf = chain[0]
    if not any(name_matches(name, host) for name in leaf.dns_names):
        return f"subjectAltName lacks {host}"
    if not leaf.not_before <= now <= leaf.not_after:
        return f"the certificate is valid from {leaf.not_before:%Y-%m-%d %H:%M} to {leaf.not_after:%Y-%m-%d %H:%M} UTC"
    if roots and not _is_anchored(chain, roots):
        return "no path leads from the certificate to a CA that is trusted here"
    return ""


def _is_anchored(chain: c.Sequence[Certificate], roots: c.Sequence[Certificate]) -> bool:
    paths = ((chain[0],), *signed_paths(chain[0], chain[1:], Signatures()))
    ends = dict.fromkeys(path[-1] for path in paths)
    known = {(root.subject, root.spki) for root in roots}
    return any((end.subject, end.spki) in known or any(end.issued_by(root) for root in roots) for end in ends)
