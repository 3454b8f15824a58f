# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that compares what mail servers look like from several places."""

from __future__ import annotations

import collections.abc
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.mailsec.dane.plugins.module_utils._audit import vantage as audit_vantage


def compare_vantages(results: t.Any) -> list[dict[str, str]]:
    """Return what differs between the places as findings, worst first."""
    if not isinstance(results, collections.abc.Mapping):
        kind = type(results).__name__
        raise AnsibleFilterError(f"mailsec.dane.compare_vantages: a dictionary of vantages is needed, not {kind}")
    endpoints = {}
    for vantage, result in results.items():
        if not isinstance(result, collections.abc.Mapping):
            raise AnsibleFilterError(f"mailsec.dane.compare_vantages: the result of {vantage} is not a dictionary")
        try:
            endpoints[str(vantage)] = audit_vantage.endpoints_of(result)
        except (KeyError, TypeError, ValueError) as error:
            raise AnsibleFilterError(f"mailsec.dane.compare_vantages: the result of {vantage}: {error}") from error
    if len(endpoints) < 2:
        raise AnsibleFilterError("mailsec.dane.compare_vantages: at least two vantages are needed")
    return [found.as_dict() for found in audit_vantage.compare(endpoints)]


class FilterModule:
    """Filters of the collection for vantages."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"compare_vantages": compare_vantages}
