# Copyright: (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a Postfix verifies those it sends to with DANE, going by its configuration.

Standard library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, finding

if t.TYPE_CHECKING:
    from ansible_collections.mailsec.dane.plugins.module_utils._postfix import Postfix, Software
    from ansible_collections.mailsec.dane.plugins.module_utils._services import Configuration

#: Parameter -> values with which DANE is on (postconf(5), TLS_README). Of lists one is enough.
_ON: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "smtp_tls_security_level": ("dane", "dane-only"),
    "smtp_dns_support_level": ("dnssec",),
    "smtp_host_lookup": ("dns",),
    "ignore_mx_lookup_error": ("no",),
}


def outbound_findings(postfix: Postfix, software: Software) -> list[Finding]:
    """Return the finding that mail to other hosts is not sent with DANE. Raises PostfixError.

    What is the rule counts: tables with exceptions for single destinations are not looked at.
    """
    if software.outbound_dane is False:
        return [finding("outbound-dane-off", "Postfix", software.reason)]
    service = postfix.value("default_transport").partition(":")[0]
    settings = {name: postfix.service_value(service, "unix", name) for name in _ON}
    wrong = wrong_settings(settings)
    expected = "; ".join(f"{name} = {_ON[name][0]}" for name in wrong)
    shown = "; ".join(f"{name} = {settings[name] or '(empty)'}" for name in wrong)
    return [finding("outbound-dane-off", f"service {service}/unix of Postfix", shown, expected)] if wrong else []


def without_dns(configuration: Configuration) -> list[tuple[str, str]]:
    """Return the services of smtp(8) that look up no DNS because of ``disable_dns_lookups``.

    It has an effect only while ``smtp_dns_support_level`` is empty (postconf(5)).
    """
    return [
        key
        for key, service in configuration.services.items()
        if service.columns[5] == "smtp"
        and configuration.value(service, "disable_dns_lookups") == "yes"
        and not configuration.value(service, "smtp_dns_support_level")
    ]


def wrong_settings(settings: t.Mapping[str, str]) -> list[str]:
    """Return the names of the parameters that keep DANE from being used."""
    return [name for name, good in _ON.items() if not set(good) & set(settings[name].replace(",", " ").split())]
