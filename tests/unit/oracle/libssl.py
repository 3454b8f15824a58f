# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenSSL's own DANE verification as an oracle, called in this process and set up as Postfix does.

The steps are those of ``ssl_verify_cert_chain``: a verification context for the chain, bound to the DANE
state of a connection that holds the TLSA records.
"""

from __future__ import annotations

import ctypes
import datetime

_P, _I, _L, _Z, _S = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_size_t, ctypes.c_char_p

_SSL_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "TLS_client_method": (_P, []),
    "SSL_CTX_new": (_P, [_P]),
    "SSL_CTX_free": (None, [_P]),
    "SSL_CTX_dane_enable": (_I, [_P]),
    "SSL_CTX_dane_mtype_set": (_I, [_P, _P, ctypes.c_uint8, ctypes.c_uint8]),
    "SSL_CTX_set_security_level": (None, [_P, _I]),
    "SSL_CTX_get_cert_store": (_P, [_P]),
    "SSL_new": (_P, [_P]),
    "SSL_free": (None, [_P]),
    "SSL_dane_enable": (_I, [_P, _S]),
    "SSL_dane_set_flags": (ctypes.c_ulong, [_P, ctypes.c_ulong]),
    "SSL_dane_tlsa_add": (_I, [_P, ctypes.c_uint8, ctypes.c_uint8, ctypes.c_uint8, _S, _Z]),
    "SSL_add1_host": (_I, [_P, _S]),
    "SSL_set_hostflags": (None, [_P, ctypes.c_uint]),
    "SSL_get0_dane": (_P, [_P]),
    "SSL_get0_param": (_P, [_P]),
}
_CRYPTO_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "OpenSSL_version": (_S, [_I]),
    "OPENSSL_sk_new_null": (_P, []),
    "OPENSSL_sk_push": (_I, [_P, _P]),
    "OPENSSL_sk_free": (None, [_P]),
    "d2i_X509": (_P, [_P, ctypes.POINTER(_S), _L]),
    "X509_free": (None, [_P]),
    "X509_STORE_CTX_new": (_P, []),
    "X509_STORE_CTX_free": (None, [_P]),
    "X509_STORE_CTX_init": (_I, [_P, _P, _P, _P]),
    "X509_STORE_CTX_set0_dane": (None, [_P, _P]),
    "X509_STORE_CTX_set_default": (_I, [_P, _S]),
    "X509_STORE_CTX_get0_param": (_P, [_P]),
    "X509_STORE_CTX_get_error": (_I, [_P]),
    "X509_VERIFY_PARAM_set1": (_I, [_P, _P]),
    "X509_VERIFY_PARAM_set_time": (None, [_P, _L]),
    "X509_VERIFY_PARAM_set_auth_level": (None, [_P, _I]),
    "X509_verify_cert": (_I, [_P]),
    "ERR_clear_error": (None, []),
}

_NO_PARTIAL_WILDCARDS = 0x4
_NO_EE_NAME_CHECKS = 1
#: That of Postfix once it has to authenticate the server.
_SECURITY_LEVEL = 1


class LibSsl:
    """Raises OSError when the library is not installed."""

    def __init__(self) -> None:
        self.crypto = ctypes.CDLL("libcrypto.so.3")
        self.ssl = ctypes.CDLL("libssl.so.3")
        for library, signatures in ((self.crypto, _CRYPTO_SIGNATURES), (self.ssl, _SSL_SIGNATURES)):
            for name, (result, arguments) in signatures.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        self.version = self.crypto.OpenSSL_version(0).decode()
        self._context = self.ssl.SSL_CTX_new(self.ssl.TLS_client_method())
        if self.ssl.SSL_CTX_dane_enable(self._context) != 1:
            raise OSError("SSL_CTX_dane_enable failed")
        self.ssl.SSL_CTX_set_security_level(self._context, _SECURITY_LEVEL)

    def usable(self, fields: tuple[int, int, int], data: bytes) -> bool:
        """Say whether OpenSSL takes the record at all."""
        connection = self.ssl.SSL_new(self._context)
        try:
            self.ssl.SSL_dane_enable(connection, None)
            return self._add(connection, fields, data)
        finally:
            self.ssl.SSL_free(connection)

    def _add(self, connection: int, fields: tuple[int, int, int], data: bytes) -> bool:
        result = self.ssl.SSL_dane_tlsa_add(connection, *fields, data, len(data))
        self.crypto.ERR_clear_error()
        return bool(result > 0)

    def verify(
        self,
        records: list[tuple[tuple[int, int, int], bytes]],
        chain: list[bytes],
        names: list[str],
        now: datetime.datetime,
    ) -> tuple[int, int]:
        """Return how many records OpenSSL took, and the verification error (0 when it accepts)."""
        connection = self.ssl.SSL_new(self._context)
        store_context = self.crypto.X509_STORE_CTX_new()
        stack = self.crypto.OPENSSL_sk_new_null()
        certificates: list[int] = []
        try:
            self.ssl.SSL_dane_enable(connection, None)
            self.ssl.SSL_dane_set_flags(connection, _NO_EE_NAME_CHECKS)
            self.ssl.SSL_set_hostflags(connection, _NO_PARTIAL_WILDCARDS)
            for name in names:
                self.ssl.SSL_add1_host(connection, name.encode("ascii"))
            taken = sum(self._add(connection, fields, data) for fields, data in records)
            for der in chain:
                pointer = _S(der)
                certificate = self.crypto.d2i_X509(None, ctypes.byref(pointer), len(der))
                if not certificate:
                    raise ValueError("OpenSSL does not parse a certificate of the chain")
                certificates.append(certificate)
                self.crypto.OPENSSL_sk_push(stack, certificate)
            store = self.ssl.SSL_CTX_get_cert_store(self._context)
            self.crypto.X509_STORE_CTX_init(store_context, store, certificates[0], stack)
            parameters = self.crypto.X509_STORE_CTX_get0_param(store_context)
            self.crypto.X509_VERIFY_PARAM_set_auth_level(parameters, _SECURITY_LEVEL)
            self.crypto.X509_STORE_CTX_set0_dane(store_context, self.ssl.SSL_get0_dane(connection))
            self.crypto.X509_STORE_CTX_set_default(store_context, b"ssl_server")
            self.crypto.X509_VERIFY_PARAM_set1(parameters, self.ssl.SSL_get0_param(connection))
            self.crypto.X509_VERIFY_PARAM_set_time(parameters, int(now.timestamp()))
            accepted = self.crypto.X509_verify_cert(store_context)
            error = self.crypto.X509_STORE_CTX_get_error(store_context)
            self.crypto.ERR_clear_error()
            if accepted == 1:
                return taken, 0
            return taken, error or -1
        finally:
            self.crypto.X509_STORE_CTX_free(store_context)
            self.crypto.OPENSSL_sk_free(stack)
            for certificate in certificates:
                self.crypto.X509_free(certificate)
            self.ssl.SSL_free(connection)
