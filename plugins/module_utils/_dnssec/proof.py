# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a proof of absence can say. Pure data. Private to the collection."""

from __future__ import annotations

import dataclasses
import enum


class Kind(enum.Enum):
    """What the records prove."""

    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    #: The name has an unsigned delegation (asked for DS absence only).
    UNSIGNED_DELEGATION = "unsigned-delegation"
    #: The name may have an unsigned delegation that an opt-out span hides.
    OPTED_OUT = "opted-out"
    #: Nothing.
    UNPROVEN = "unproven"


@dataclasses.dataclass(frozen=True)
class Proof:
    """Outcome of a proof. ``code`` is a reason code: of the failure, or of why the proof is insecure, or ''."""

    kind: Kind
    code: str = ""
    detail: str = ""

    @property
    def proven(self) -> bool:
        """Whether anything is proven; it may still be insecure."""
        return self.kind is not Kind.UNPROVEN


def unproven(code: str, detail: str) -> Proof:
    """Return the proof of nothing."""
    return Proof(Kind.UNPROVEN, code, detail)
