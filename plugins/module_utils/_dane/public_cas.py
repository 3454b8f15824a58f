# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Public CAs whose keys stand in TLSA records: which ones issue, may begin to issue, or have ended.

Data with a date, because it ages. Nothing may be decided by it alone: it adds findings, never a verdict, and no record
is to be deleted on its word. Source: the page "Chains of Trust" of letsencrypt.org as it stood on the date below;
the digests were computed from the certificates published there. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import typing as t


class Role(enum.Enum):
    """``ACTIVE`` issues certificates, ``BACKUP`` may begin to unannounced, ``RETIRED`` does not any more.

    ``ROOT`` issues to other CAs only.
    """

    ACTIVE = "active"
    BACKUP = "backup"
    RETIRED = "retired"
    ROOT = "root"


@dataclasses.dataclass(frozen=True)
class PublicCa:
    """One CA, which is a key and a name (or several names), whatever certificates there are for it.

    ``key_type`` is that of the keys it signs for, ``ec`` or ``rsa``. ``spki_sha256`` is the data of its ``2 1 1``.
    """

    organisation: str
    name: str
    role: Role
    key_type: str
    spki_sha256: str


@dataclasses.dataclass(frozen=True)
class CaTable:
    """CAs as they were on ``date``."""

    date: datetime.date
    cas: tuple[PublicCa, ...]

    def find(self, spki_sha256: str) -> PublicCa | None:
        """Return the CA with this key, None when the table does not know it."""
        return next((ca for ca in self.cas if ca.spki_sha256 == spki_sha256), None)

    def siblings(self, ca: PublicCa) -> tuple[PublicCa, ...]:
        """Return the CAs that may issue the next certificate where ``ca`` issues, or issued, the present one."""
        may_issue = (Role.ACTIVE, Role.BACKUP)
        kind = (ca.organisation, ca.key_type)
        return tuple(one for one in self.cas if one.role in may_issue and (one.organisation, one.key_type) == kind)


def _lets_encrypt(role: Role, key_type: str, **digests: str) -> tuple[PublicCa, ...]:
    return tuple(
        PublicCa("Let's Encrypt", name.replace("__", ", ").replace("_", " "), role, key_type, digest)
        for name, digest in digests.items()
    )


PUBLIC_CAS: t.Final = CaTable(
    datetime.date(2026, 8, 21),
    (
        *_lets_encrypt(
            Role.ACTIVE,
            "ec",
            YE1="6ebcefb4210b088654a38b03fea3d7d1c711b4fb1ddc363a45f9b1a4e53da01e",
            YE2="b3fb5d00e994cddf2cc9a4eea9f806bc5727e83cc0e4299bf956f2d524fe5376",
        ),
        *_lets_encrypt(
            Role.BACKUP,
            "ec",
            YE3="a698a20824be04e47a1a33c4fa488731be92011f23a31e900e2ca26c9c2acfce",
        ),
        *_lets_encrypt(
            Role.ACTIVE,
            "rsa",
            YR1="2e8307068b6db620e4a39d068b5dee5d6ef5788cbb2c0b6d23ead84fcc17178c",
            YR2="9d637b3d27a9e570d07607b9ccadb80a70915c7af72afce12841b1b1da825fd1",
        ),
        *_lets_encrypt(
            Role.BACKUP,
            "rsa",
            YR3="51aaa87d984b559ac69e929f888a022d832e089ff4dba0a412b5101bca4bc799",
        ),
        *_lets_encrypt(
            Role.ROOT,
            "ec",
            Root_YE="b0292ae545978e0fbb98abbd94c861605e5b18bb32ed523f50d5b7b5c71d47bc",
            ISRG_Root_X2="762195c225586ee6c0237456e2107dc54f1efc21f61a792ebd515913cce68332",
        ),
        *_lets_encrypt(
            Role.ROOT,
            "rsa",
            Root_YR="7e4e8838a8add6295de7ae3b047d3aba3488ab95db0a0aa56d897a00d8618bcf",
            ISRG_Root_X1="0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3",
        ),
        *_lets_encrypt(
            Role.RETIRED,
            "ec",
            E1="276fe8a8c4ec7611565bf9fce6dcace9be320c1b5bea27596b2204071ed04f10",
            E2="bd936e72b212ef6f773102c6b77d38f94297322efc25396bc3279422e0c89270",
            E5="3586d4ecf070578cbd27aedce20b964e48bc149faeb9dad72f46b857869172b8",
            E6="d016e1fe311948aca64f2de44ce86c9a51ca041df6103bb52a88eb3f761f57d7",
            E7="cbbc559b44d524d6a132bdac672744da3407f12aae5d5f722c5f6c7913871c75",
            E8="885bf0572252c6741dc9a52f5044487fef2a93b811cdedfad7624cc283b7cdd5",
            E9="f1440a9b76e1e41e53a4cb461329bf6337b419726be513e42e19f1c691c5d4b2",
        ),
        *_lets_encrypt(
            Role.RETIRED,
            "rsa",
            X1__X3="60b87575447dcba2a36b7d11ac09fb24a9db406fee12d2cc90180517616e8a18",
            X2__X4="b111dd8a1c2091a89bd4fd60c57f0716cce50feeff8137cdbee0326e02cf362b",
            R3="8d02536c887482bc34ff54e41d2ba659bf85b341a0a20afadb5813dcfbcf286d",
            R4="e5545e211347241891c554a03934cde9b749664a59d26d615fe58f77990f2d03",
            R10="2bbad93ab5c79279ec121507f272cbe0c6647a3aae52e22f388afab426b4adba",
            R11="6ddac18698f7f1f7e1c69b9bce420d974ac6f94ca8b2c761701623f99c767dc7",
            R12="919c0df7a787b597ed056ace654b1de9c0387acf349f73734a4fd7b58cf612a4",
            R13="025490860b498ab73c6a12f27a49ad5fe230fafe3ac8f6112c9b7d0aad46941d",
            R14="f1647a5ee3efac54c892e930584fe47979b7acd1c76c1271bca1c5076d869888",
        ),
    ),
)
