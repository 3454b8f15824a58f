# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fetches the MTA-STS policy of a domain as senders do (RFC 8461 section 3.3). Private to the collection."""

from __future__ import annotations

import os
import re
import ssl
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._audit import https, txt
from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts import MAX_BYTES, PolicyError, StsView, parse
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import (
    Certificate,
    CertificateError,
    load,
    load_der,
)

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Answer, Resolver

_PATH: t.Final = "/.well-known/mta-sts.txt"
_ADDRESSES_TO_TRY: t.Final = 4
#: How OpenSSL names files in a directory of CAs.
_HASHED: t.Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_MAX_ROOTS: t.Final = 1000
_MAX_CA_BYTES: t.Final = 1024 * 1024


class StsLook:
    """Looks at policies. ``ca_file`` has the CAs to trust, None for those of this machine; ``seconds`` bounds it all.

    ``why_not`` gives the code of the reason to leave an address alone, '' for none. Raises OSError and ssl.SSLError for
    a ``ca_file`` that cannot be used.
    """

    def __init__(
        self, resolver: Resolver, ca_file: str | None, seconds: float, why_not: c.Callable[[str], str], port: int = 443
    ) -> None:
        self._resolver = resolver
        self._seconds = seconds
        self._why_not = why_not
        self._port = port
        self._context = ssl.create_default_context(cafile=ca_file)
        self._roots = _roots(self._context, None if ca_file else ssl.get_default_verify_paths().capath)

    async def look(self, domain: str) -> StsView:
        """Look at the policy of ``domain``. Never raises for what DNS and web server do."""
        answer = await self._resolver.resolve(f"_mta-sts.{domain}", "TXT")
        if answer.is_error:
            return StsView(answer, fault=(answer.reason, answer.detail))
        try:
            fields = txt.fields(answer.rdata, "STSv1")
        except txt.TxtError as error:
            return StsView(answer, fault=("sts-policy-invalid", f"the TXT record: {error}"))
        if fields is None:
            return StsView(answer)
        marker = fields.get("id", "")
        if not re.fullmatch(r"[A-Za-z0-9]{1,32}", marker):
            fault = "sts-policy-invalid", "the id in the TXT record is not 1 to 32 letters and digits"
            return StsView(answer, fault=fault)
        return await self._fetch(StsView(answer, marker, roots=self._roots), f"mta-sts.{domain}")

    async def _fetch(self, view: StsView, host: str) -> StsView:
        found: list[Answer] = [await self._resolver.resolve(host, rdtype) for rdtype in ("A", "AAAA")]
        addresses = [address for answer in found for address in answer.rdata]
        fault = next(((one.reason, one.detail) for one in found if one.is_error), None)
        fault = fault or ("sts-policy-fetch-error", f"{host} has no address")
        addresses = addresses[:_ADDRESSES_TO_TRY]
        for address in addresses:
            code = self._why_not(address)
            if code:
                fault = code, f"{host} [{address}] was not asked for the policy"
                continue
            try:
                share = self._seconds / len(addresses)
                response = await https.get(address, self._port, host, _PATH, self._context, MAX_BYTES, share)
            except https.HttpsError as error:
                code = "sts-webpki-invalid" if error.untrusted else "sts-policy-fetch-error"
                fault = code, f"{host} [{address}] {error}"
                continue
            return _with_policy(view, response, f"{host} [{address}]")
        return StsView(view.answer, view.id, fault=fault)


def _with_policy(view: StsView, response: https.Response, where: str) -> StsView:
    if response.status != 200:
        fault = "sts-policy-fetch-error", f"{where} answers with status {response.status}"
        return StsView(view.answer, view.id, fault=fault)
    if response.media_type != "text/plain":
        fault = "sts-policy-invalid", f"{where} does not serve it as text/plain"
        return StsView(view.answer, view.id, fault=fault)
    try:
        return StsView(view.answer, view.id, parse(response.content), roots=view.roots)
    except PolicyError as error:
        return StsView(view.answer, view.id, fault=("sts-policy-invalid", f"{where}: {error}"))


def _roots(context: ssl.SSLContext, directory: str | None) -> tuple[Certificate, ...]:
    """The CAs that ``context`` trusts; from a directory it loads them only when it needs them."""
    ders = context.get_ca_certs(binary_form=True)
    if not ders and directory and os.path.isdir(directory):
        names = [name for name in sorted(os.listdir(directory)) if _HASHED.fullmatch(name)]
        if len(names) > _MAX_ROOTS:
            return ()
        try:
            return tuple(dict.fromkeys(one for name in names for one in _in_file(os.path.join(directory, name))))
        except (OSError, CertificateError):
            return ()  # not all of them are known, so that nothing can be said about one that is missing
    try:
        return tuple(load_der(der) for der in ders)
    except CertificateError:
        return ()


def _in_file(path: str) -> tuple[Certificate, ...]:
    with open(path, "rb") as handle:
        return load(handle.read(_MAX_CA_BYTES))
