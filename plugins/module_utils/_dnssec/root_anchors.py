# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trust anchors of the root zone, as published by IANA.

Source: https://data.iana.org/root-anchors/root-anchors.xml, with its two entries as of 2026-11-01.
KSK-2017 (tag 20326) is due to be revoked on 2027-01-11; KSK-2024 (tag 38696) signs since 2026-10-11.
Data only. Private to the collection.
"""

from __future__ import annotations

import typing as t

#: DS records in presentation format.
ROOT_ANCHORS: t.Final = (
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
)
