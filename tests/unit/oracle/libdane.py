# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GnuTLS libdane as an oracle: the matching step of Exim on Debian, called in this process."""

from __future__ import annotations

import ctypes
import ctypes.util
import datetime

_X509 = 1
_ONLY_EE, _ONLY_CA, _FAIL_IF_NOT_CHECKED = 2, 4, 1


class Datum(ctypes.Structure):
    _fields_ = (("data", ctypes.POINTER(ctypes.c_ubyte)), ("size", ctypes.c_uint))


_TIME = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)


class LibDane:
    """``dane_verify_crt_raw`` with a clock of our own. Raises OSError when the library is not installed."""

    def __init__(self) -> None:
        self.dane = ctypes.CDLL("libgnutls-dane.so.0")
        self.gnutls = ctypes.CDLL("libgnutls.so.30")
        self._state = ctypes.c_void_p()
        if self.dane.dane_state_init(ctypes.byref(self._state), 0) != 0:
            raise OSError("dane_state_init failed")
        self._now = 0
        self._callback = _TIME(lambda _pointer: self._now)
        self.gnutls.gnutls_global_set_time_function(self._callback)
        self.gnutls.gnutls_check_version.restype = ctypes.c_char_p
        self.version = self.gnutls.gnutls_check_version(None).decode()

    def verify(self, rdatas: list[bytes], chain: list[bytes], now: datetime.datetime, flags: int = 0) -> bool:
        """Say whether libdane accepts ``chain`` for the TLSA RDATA ``rdatas`` (names are not looked at)."""
        self._now = int(now.timestamp())
        buffers = [ctypes.create_string_buffer(rdata, len(rdata)) for rdata in rdatas]
        pointers = (ctypes.c_char_p * (len(rdatas) + 1))(
            *[ctypes.cast(buffer, ctypes.c_char_p) for buffer in buffers], None
        )
        lengths = (ctypes.c_int * (len(rdatas) + 1))(*[len(rdata) for rdata in rdatas], 0)
        query = ctypes.c_void_p()
        if self.dane.dane_raw_tlsa(self._state, ctypes.byref(query), pointers, lengths, 1, 0) != 0:
            return False
        try:
            arrays = [(ctypes.c_ubyte * len(der)).from_buffer_copy(der) for der in chain]
            data = (Datum * len(chain))(
                *[Datum(ctypes.cast(array, ctypes.POINTER(ctypes.c_ubyte)), len(array)) for array in arrays]
            )
            status = ctypes.c_uint(0)
            result = self.dane.dane_verify_crt_raw(
                self._state, data, len(chain), _X509, query, 0, flags, ctypes.byref(status)
            )
            return result == 0 and status.value == 0
        finally:
            self.dane.dane_query_deinit(query)
