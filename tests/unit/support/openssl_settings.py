# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets for a server what Python's ssl has no name for, through the OpenSSL that it runs on."""

from __future__ import annotations

import _ssl
import ctypes
import ssl

#: SSL_CTRL_SET_GROUPS_LIST and SSL_CTRL_SET_SIGALGS_LIST.
_CONTROLS = {"groups": 92, "signatures": 98}


def apply(context: ssl.SSLContext, setting: str, value: str) -> None:
    """Set ``groups`` or ``signatures`` to a list of OpenSSL. Raises ssl.SSLError for one that it does not take."""
    library = ctypes.CDLL(getattr(_ssl, "__file__", None))
    library.SSL_CTX_ctrl.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    # The SSL_CTX is the first thing behind the head of the object.
    inner = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    if library.SSL_CTX_ctrl(inner, _CONTROLS[setting], 0, value.encode()) != 1:
        raise ssl.SSLError(f"OpenSSL does not take {setting} {value}")
