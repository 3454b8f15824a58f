# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GnuTLS's own reading of certificates and check of names as an oracle: what Exim on Debian asks it."""

from __future__ import annotations

import ctypes

from oracle.libdane import Datum

_DER = 0


class LibGnuTls:
    """Raises OSError when the library is not installed."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libgnutls.so.30")
        self._library.gnutls_x509_crt_check_hostname.restype = ctypes.c_uint
        self._library.gnutls_x509_crt_check_hostname.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._library.gnutls_x509_crt_deinit.argtypes = [ctypes.c_void_p]

    def has_name(self, der: bytes, name: str) -> bool | None:
        """Say whether the certificate has the host name; None when GnuTLS does not read the certificate."""
        certificate = ctypes.c_void_p()
        self._library.gnutls_x509_crt_init(ctypes.byref(certificate))
        try:
            array = (ctypes.c_ubyte * len(der)).from_buffer_copy(der)
            datum = Datum(ctypes.cast(array, ctypes.POINTER(ctypes.c_ubyte)), len(der))
            if self._library.gnutls_x509_crt_import(certificate, ctypes.byref(datum), _DER) < 0:
                return None
            return bool(self._library.gnutls_x509_crt_check_hostname(certificate, name.encode("ascii")))
        finally:
            self._library.gnutls_x509_crt_deinit(certificate)
