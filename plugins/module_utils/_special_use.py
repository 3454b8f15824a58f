# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IP addresses that outside senders cannot reach (RFC 6890).

Pure. Private to the collection.
"""

from __future__ import annotations

import contextlib

# What is missing is reported by _requirements.
with contextlib.suppress(ImportError):
    import netaddr


def is_special_use(address: str) -> bool:
    """Tell whether a literal IPv4 or IPv6 address is one that outside senders cannot reach.

    Raises ValueError when ``address`` is not an address.
    """
    try:
        parsed = netaddr.IPAddress(address)
    except (netaddr.AddrFormatError, ValueError) as error:
        raise ValueError(f"{address!r} is not an IP address") from error
    if parsed.is_ipv4_mapped():
        parsed = parsed.ipv4()
    return bool(not parsed.is_global() or parsed.is_multicast())
