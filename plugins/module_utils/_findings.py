# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings: what is wrong, how bad it is, what was seen and what to do about it.

Pure data. The codes are an interface: stable, kebab-case, one code one cause. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._catalogue import CATALOGUE, Code


class Severity(enum.Enum):
    """How bad a finding is, worst first.

    ``CRITICAL``: mail from DANE senders is refused now, or surely at the next foreseeable event.
    ``ERROR``: protection is lost, or only some senders or endpoints fail. ``WARNING``: will break on a
    foreseeable event, or violates RFC 7671 section 8. ``INFO``: hygiene.
    """

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _ORDER.index(self)


_ORDER: t.Final = (Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.INFO)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding.

    ``subject`` is what it is about (a domain, host, endpoint, name server or owner name), ``evidence``
    what was observed, ``expected`` what would have been right ('' when obvious), ``remedy`` what to do,
    ``rule`` where the rule stands.
    """

    code: Code
    severity: Severity
    subject: str
    evidence: str
    expected: str
    remedy: str
    rule: str

    def as_dict(self) -> dict[str, str]:
        """Return the finding as results carry it."""
        return {**dataclasses.asdict(self), "severity": self.severity.value}


def finding(code: Code, subject: str, evidence: str, expected: str = "", severity: Severity | None = None) -> Finding:
    """Make the finding ``code`` about ``subject``; severity, remedy and rule come from the catalogue.

    ``severity`` replaces the listed one, for instance where live evidence shows that mail is refused now.
    Raises KeyError for a code that the catalogue does not know.
    """
    listed, rule, remedy = CATALOGUE[code]
    return Finding(code, severity or Severity(listed), subject, evidence, expected, remedy, rule)


def known(text: str) -> Code:
    """Return ``text``, a code that some data has, as one that the catalogue knows; raises KeyError when it does not."""
    if text not in CATALOGUE:
        raise KeyError(text)
    return t.cast("Code", text)


def sort(findings: t.Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings without repetitions, worst first, then by subject and code."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda f: (f.severity.rank, f.subject, f.code, f.evidence)))
