# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same mail servers as seen from several places: what the network in between does (starttls-probing.md, 3 and 4).

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils import _findings
from ansible_collections.mailsec.dane.plugins.module_utils._findings import Finding, finding
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.findings import OWN_VIEW, PARTLY_SEEN
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable

#: Outcomes after which nothing is known about what a server offers.
_NO_EHLO: t.Final = OWN_VIEW | {"connect-failed", "smtp-greeting-failed", "smtp-protocol-error", "ehlo-rejected"}
_MASKED: t.Final = "starttls-keyword-masked"

Shown = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class _View:
    """One endpoint from one place, all connections together."""

    vantage: str
    keywords: frozenset[str]
    offers: bool
    masked: bool
    names: frozenset[str]
    keys: frozenset[str]


def compare(results: t.Mapping[str, t.Sequence[Shown]]) -> tuple[Finding, ...]:
    """Compare the endpoints that were probed from each vantage, as results carry them; worst first.

    ``results`` maps the name of each vantage, the one nearest to the servers first, to what ``endpoints_of`` returns.
    """
    endpoints = dict.fromkeys(_endpoint(shown) for entries in results.values() for shown in entries)
    found = _blocked(results)
    blocked = {entry.subject for entry in found}
    for endpoint in endpoints:
        here = {name: [shown for shown in entries if _endpoint(shown) == endpoint] for name, entries in results.items()}
        found += _compared(endpoint, {name: shown for name, shown in here.items() if name not in blocked})
    return _findings.sort(found)


def endpoints_of(result: Shown) -> list[Shown]:
    """Return the endpoints within a result of ``starttls_info`` or ``dane_info``. Raises ValueError for another one."""
    if "endpoints" in result:
        found = list(result["endpoints"])
    elif "hosts" in result and "domains" in result:
        hosts = [*result["hosts"], *(host for domain in result["domains"] for host in domain["hosts"])]
        found = [shown for host in hosts for shown in host["endpoints"]]
    else:
        raise ValueError("this is not a result of starttls_info or dane_info: it has no endpoints, domains or hosts")
    # A host without address has an entry, too.
    return [shown for shown in found if shown.get("address")]


def _endpoint(shown: Shown) -> str:
    address = shown["address"]
    return f"[{address}]:{shown['port']}" if ":" in address else f"{address}:{shown['port']}"


def _blocked(results: t.Mapping[str, t.Sequence[Shown]]) -> list[Finding]:
    """A place from where nothing at all can be reached says nothing about the servers."""
    silent = [name for name, entries in results.items() if entries and all(map(_is_silent, entries))]
    if len(silent) == len(results):
        return []
    return [finding("port-25-blocked-at-vantage", name, "no mail server could be reached") for name in silent]


def _is_silent(shown: Shown) -> bool:
    """Whether not a word of the server arrived."""
    return shown["outcome"] in ("connect-failed", "probe-timeout") and not shown["banner"]


def _compared(endpoint: str, here: t.Mapping[str, t.Sequence[Shown]]) -> list[Finding]:
    views = [view for name, entries in here.items() if (view := _view(name, entries)) is not None]
    if len(views) < 2:
        where = f"from {views[0].vantage} only" if views else "from nowhere"
        return [finding("vantage-missing", endpoint, f"a dialogue took place {where}", "two vantages")]
    if not _same_server(views):
        shown = "; ".join(f"{view.vantage}: {', '.join(sorted(view.names)) or 'no name'}" for view in views)
        return [finding("vantage-identity-mismatch", endpoint, shown)]
    return _starttls(endpoint, views) + _keywords(endpoint, views) + _certificates(endpoint, views)


def _view(vantage: str, entries: t.Sequence[Shown]) -> _View | None:
    spoken = [shown for shown in entries if shown["outcome"] not in _NO_EHLO]
    if not spoken:
        return None
    # What a server did not show at one place, because it limits connections, is not a difference.
    partly = any(shown["outcome"] == PARTLY_SEEN for shown in entries)
    keywords = frozenset(line.partition(" ")[0] for shown in spoken for line in shown["ehlo"])
    return _View(
        vantage,
        keywords,
        all(any(line.partition(" ")[0] == "STARTTLS" for line in shown["ehlo"]) for shown in spoken),
        any(_MASKED in shown["oddities"] for shown in spoken),
        frozenset(shown["ehlo_host"].partition(" ")[0].lower() for shown in spoken if shown["ehlo_host"]),
        frozenset(key for shown in spoken if (key := _key(shown)) and not partly),
    )


def _key(shown: Shown) -> str:
    leaf: Shown = shown.get("certificate") or next(iter(shown.get("chain") or ()), {})
    return str(leaf.get("spki_sha256", ""))


def _same_server(views: t.Sequence[_View]) -> bool:
    """Whether nothing speaks against it that all of ``views`` are of one server: one name or one key in common."""
    first = views[0]
    return all(
        first.names & view.names or first.keys & view.keys or not (first.names and view.names) for view in views[1:]
    )


def _starttls(endpoint: str, views: t.Sequence[_View]) -> list[Finding]:
    with_it = [view.vantage for view in views if view.offers]
    without = [view for view in views if not view.offers]
    if not with_it or not without:
        return []
    names = ", ".join(view.vantage for view in without)
    if not views[0].offers and not views[0].masked:
        # Nothing but the server itself stands between it and the nearest place.
        return [finding("starttls-not-for-all-clients", endpoint, f"offered to {', '.join(with_it)}, not to {names}")]
    how = " (its keyword is masked)" if any(view.masked for view in without) else ""
    evidence = f"STARTTLS is offered at {', '.join(with_it)} and missing at {names}{how}"
    return [finding("starttls-stripped-on-path", endpoint, evidence)]


def _keywords(endpoint: str, views: t.Sequence[_View]) -> list[Finding]:
    everywhere = frozenset.intersection(*(view.keywords for view in views))
    extra = {view.vantage: sorted(view.keywords - everywhere - {"STARTTLS"}) for view in views}
    if not any(extra.values()):
        return []
    shown = "; ".join(f"only at {name}: {', '.join(words)}" for name, words in extra.items() if words)
    return [finding("ehlo-keywords-differ", endpoint, printable(shown, 500))]


def _certificates(endpoint: str, views: t.Sequence[_View]) -> list[Finding]:
    known = [view for view in views if view.keys]
    if len({view.keys for view in known}) <= 1:
        return []
    shown = "; ".join(f"{view.vantage}: {', '.join(key[:16] for key in sorted(view.keys))}" for view in known)
    return [finding("certificate-differs-by-vantage", endpoint, f"digests of the keys begin with {shown}")]
