# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What two or three places make of one mail server (F11); a real proxy on the path: tests/integration/vantage."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mailsec.dane.plugins.filter.vantages import compare_vantages

EHLO = ["PIPELINING", "SIZE 10240000", "STARTTLS", "8BITMIME"]
STRIPPED = [line for line in EHLO if line != "STARTTLS"]


def shown(ehlo: list[str] | None = None, outcome: str = "", key: str = "ab" * 32, **more: t.Any) -> dict[str, t.Any]:
    ehlo = EHLO if ehlo is None else ehlo
    outcome = outcome or ("tls" if "STARTTLS" in ehlo else "starttls-missing")
    chain = [{"spki_sha256": key}] if outcome == "tls" else []
    return {
        "address": "192.0.2.25", "port": 25, "outcome": outcome, "ehlo_host": "mx.example.nl Hello", "ehlo": ehlo,
        "banner": "mx.example.nl ESMTP", "oddities": [], "chain": chain, **more,
    }  # fmt: skip


def compared(*places: dict[str, t.Any] | list[dict[str, t.Any]]) -> dict[str, str]:
    """Code -> evidence, for places from the nearest to the farthest."""
    results = {
        f"V{number}": {"endpoints": place if isinstance(place, list) else [place]}
        for number, place in enumerate(places)
    }
    return {found["code"]: found["evidence"] for found in compare_vantages(results)}


NO_WAY = shown(outcome="connect-failed", ehlo=[], ehlo_host="", banner="")


def test_places_that_see_the_same_differ_in_nothing() -> None:
    assert compared(shown(), shown(), shown()) == {}
    assert compared(shown(STRIPPED), shown(STRIPPED)) == {}


def test_what_a_busy_server_did_not_show_is_not_a_difference() -> None:
    other = shown(key="cd" * 32, key_type="rsa")
    unseen = shown(outcome="endpoint-partly-seen", ehlo=[], ehlo_host="", key_type="rsa")
    assert compared([shown(), other], [shown(), unseen]) == {}
    assert list(compared([shown(), other], [shown()])) == ["certificate-differs-by-vantage"]


# The table of starttls-probing.md section 3, from the server outwards.
@pytest.mark.parametrize("pattern", list(itertools.product([True, False], repeat=3)))
def test_where_starttls_is_missing(pattern: tuple[bool, ...]) -> None:
    found = compared(*(shown(EHLO if offers else STRIPPED) for offers in pattern))
    if len(set(pattern)) == 1:
        assert found == {}
    elif pattern[0]:
        assert list(found) == ["starttls-stripped-on-path"]
    else:
        assert list(found) == ["starttls-not-for-all-clients"]


def test_a_masked_keyword_points_to_the_path_even_at_the_nearest_place() -> None:
    masked = shown([*STRIPPED, "XXXXXXXA"], oddities=["starttls-keyword-masked"])
    found = compared(masked, shown())
    assert set(found) == {"starttls-stripped-on-path", "ehlo-keywords-differ"}
    assert "masked" in found["starttls-stripped-on-path"]


def test_a_single_connection_without_starttls_counts() -> None:
    assert "starttls-stripped-on-path" in compared([shown(), shown()], [shown(), shown(STRIPPED)])


def test_other_keywords() -> None:
    assert compared(shown(), shown(["STARTTLS", "PIPELINING", "SIZE 1"])) == {
        "ehlo-keywords-differ": "only at V0: 8BITMIME"
    }


def test_another_key_and_another_name() -> None:
    other = shown(key="cd" * 32)
    assert list(compared(shown(), other)) == ["certificate-differs-by-vantage"]
    assert list(compared(shown(), {**other, "ehlo_host": "proxy.example.org"})) == ["vantage-identity-mismatch"]
    # One name or one key in common is enough, and a hidden name speaks against nothing.
    assert compared(shown(), shown(ehlo_host="mx-2.example.nl")) == {}
    assert list(compared(shown(), shown(STRIPPED, ehlo_host=""))) == ["starttls-stripped-on-path"]


def test_b06_one_place_alone_proves_nothing() -> None:
    assert list(compared(shown(), shown(outcome="probe-timeout", ehlo=[]))) == ["vantage-missing"]
    swallowed = shown(outcome="probe-timeout", ehlo=[], banner="")
    for silent in (NO_WAY, swallowed, [NO_WAY, swallowed]):
        assert set(compared(shown(), silent)) == {"port-25-blocked-at-vantage", "vantage-missing"}
    assert list(compared(NO_WAY, NO_WAY)) == ["vantage-missing"]


def test_results_of_dane_info_are_taken_as_well() -> None:
    host = {"endpoints": [shown(STRIPPED)]}
    outside = {"hosts": [], "domains": [{"hosts": [host]}]}
    found = compare_vantages({"inside": {"endpoints": [shown()]}, "outside": outside})
    assert [entry["code"] for entry in found] == ["starttls-stripped-on-path"]
    assert found[0]["subject"] == "192.0.2.25:25"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "dictionary of vantages"),
        ({"a": {"endpoints": []}}, "at least two vantages"),
        ({"a": {"endpoints": []}, "b": "text"}, "the result of b is not a dictionary"),
        ({"a": {"endpoints": []}, "b": {"skipped": True}}, "the result of b: this is not a result of starttls_info"),
    ],
)
def test_bad_input_is_named(given: t.Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        compare_vantages(given)
