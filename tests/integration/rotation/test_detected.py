# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no rotation can prevent is named by a code within one run, and repaired by it or told how."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest
from lab_driver import Lab, wait_for
from rotation_site import (
    JOURNALS,
    KEEP,
    OWNER,
    Run,
    finish,
    forget_next,
    install_rogue,
    is_steady,
    issuer,
    key,
    on,
    play,
    records,
    rotate,
    served,
    update,
)

pytestmark = pytest.mark.long


def codes(run: Run) -> dict[str, str]:
    """Code and severity of what was found, the first look's where later ones found less bad."""
    return dict(reversed(re.findall(r"Finding ([a-z0-9-]+) \((\w+)\)", run.text)))


def keep(lab: Lab, check: bool = True) -> Run:
    """One run that begins nothing and stays until what it has to repair is repaired."""
    return play(lab, KEEP, rotation_wait=True, check=check)


def test_f14_an_active_record_that_somebody_deletes_is_put_back(steady: Lab) -> None:
    current, ca = key(steady, "live"), issuer(steady)
    said = set(codes(keep(steady)))
    for gone, severity in (([current, ca], "critical"), ([ca], "error")):
        update(steady, *(f"update delete {OWNER} TLSA {one}" for one in gone))
        run = keep(steady)
        assert codes(run).get("tlsa-retired-too-early") == severity, run.output
        assert f"{current if severity == 'critical' else ca} is for" in run.text
        is_steady(steady)
    assert set(codes(keep(steady))) <= {"next-unaged", *said}


def test_f14_the_whole_rrset_that_somebody_deletes_is_put_back(steady: Lab) -> None:
    update(steady, f"update delete {OWNER} TLSA")
    assert codes(keep(steady))["tlsa-retired-too-early"] == "error"
    is_steady(steady)


def test_f14_a_host_restored_from_an_image_serves_a_retired_key(steady: Lab) -> None:
    retired = served(steady)
    on(steady, "mx1", f"tar -C / -cf /root/image.tar etc/mailsec-dane {JOURNALS.lstrip('/')}")
    rotate(steady)
    following = key(steady, "next")
    assert retired not in records(steady)
    on(steady, "mx1", "rm -r /etc/mailsec-dane && tar -C / -xf /root/image.tar && postfix reload")
    wait_for(lambda: served(steady) == retired, 20)
    run = keep(steady)
    assert "tlsa-retired-too-early" in codes(run) and retired in records(steady), run.output
    # The image knows nothing of the key that was made after it.
    assert codes(run)["tlsa-leftover"] == "info" and following in run.text
    finish(steady, rotation_release=[following])
    is_steady(steady)


def test_f16_a_rogue_key_is_named_and_replaced(steady: Lab) -> None:
    before, names = served(steady), records(steady)
    said = set(codes(keep(steady)))
    install_rogue(steady)
    wait_for(lambda: served(steady) not in names, 20)
    run = keep(steady, check=False)
    found = codes(run)
    assert (found["key-reuse-lost"], found["tlsa-stale-after-renewal"]) == ("critical", "critical"), run.output
    assert served(steady) == before and records(steady) == names
    assert set(codes(keep(steady))) <= {"next-unaged", *said}


def test_f16_a_rogue_key_is_replaced_although_the_journal_is_lost(steady: Lab) -> None:
    """What nobody remembers is waited for before a rotation, but not while mail fails."""
    before, names = served(steady), records(steady)
    install_rogue(steady)
    on(steady, "mx1", f"rm {JOURNALS}/*.journal")
    wait_for(lambda: served(steady) not in names, 20)
    run = play(steady, KEEP, check=False)
    assert served(steady) == before and records(steady) == names, run.output
    finish(steady)
    is_steady(steady)


def test_f16_a_rogue_key_is_replaced_before_it_is_read_and_in_the_midst_of_a_rotation(steady: Lab) -> None:
    before = served(steady)
    install_rogue(steady, reload=False)
    run = play(steady, KEEP, check=False)
    assert "live/keychain.pem serves an unplanned key" in run.text, run.output
    assert key(steady, "live") == served(steady) == before
    coming, slow = forget_next(steady), {"rotation_application_cache": 60}
    assert play(steady, "mailsec.dane.rotate", **slow).phases[-1] == "spreading"
    install_rogue(steady)
    wait_for(lambda: served(steady) != before, 20)
    run = play(steady, KEEP, check=False, **slow)
    assert (run.phases[0], run.phases[-1]) == ("adjusting", "spreading") and served(steady) == before, run.output
    finish(steady)
    assert served(steady) == coming
    is_steady(steady)


def test_f16_a_key_that_somebody_put_where_renewals_go_is_never_deployed(steady: Lab) -> None:
    before, names = served(steady), records(steady)
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=mx1.example.nl"
    on(steady, "mx1", f"cd /etc/mailsec-dane/staged && {make} -keyout key.pem -out chain.pem")
    run = play(steady, "mailsec.dane.finish", check=False)
    assert run.status == 2 and "have different keys" in run.text and "remove the files there" in run.text, run.output
    assert codes(run)["key-reuse-lost"] == "error", run.output
    assert served(steady) == before and records(steady) == names
    on(steady, "mx1", "rm /etc/mailsec-dane/staged/*")
    keep(steady)
    is_steady(steady)


@contextlib.contextmanager
def delegation(lab: Lab, *lines: str) -> Iterator[None]:
    """The DS of the zone as somebody broke it."""
    there = lab.inside("dig", "+short", "example.nl", "DS", "@198.51.100.2").strip()
    drop = ("zone nl", "update delete example.nl DS")
    try:
        update(lab, *drop, *lines)
        yield
    finally:
        update(lab, *drop, f"update add example.nl 5 DS {there}")


@pytest.mark.parametrize(
    ("line", "code"),
    [("", "tlsa-insecure"), (f"update add example.nl 5 DS 1 13 2 {'ab' * 32}", "dnssec-bogus")],
)
def test_f14_nothing_moves_below_a_broken_delegation(steady: Lab, line: str, code: str) -> None:
    # While nobody gets an answer, resolvers may hand out expired copies: that is waited for, in the lab for seconds.
    stale = {"rotation_serve_stale": 3}
    before = served(steady), records(steady)
    with delegation(steady, *filter(None, [line])):
        found: dict[str, str] = {}

        def is_named() -> bool:
            # Resolvers believe the former DS until it leaves their caches.
            found.update(codes(play(steady, "mailsec.dane.rotate", "--check", check=False, **stale)))
            return code in found

        wait_for(is_named, 60)
        run = play(steady, "mailsec.dane.rotate", check=False, **stale)
        assert run.status == 4 and code in codes(run) and "gives no secure answer" in run.text, run.output[-3000:]
        assert (served(steady), records(steady)) == before
    wait_for(lambda: code not in codes(play(steady, KEEP, "--check", check=False, **stale)), 60)
    finish(steady, **stale)
    is_steady(steady)


def test_f14_the_next_record_is_deleted_in_the_moment_before_the_deployment(steady: Lab) -> None:
    coming = key(steady, "next")
    run = rotate(steady, check=False, rotation_stop_after=1, rotation_effect=30)
    assert "the last one being deploy" in run.text and served(steady) == coming
    update(steady, f"update delete {OWNER} TLSA {coming}", f"update delete {OWNER} TLSA {issuer(steady)}")
    run = finish(steady, check=False, rotation_effect=30)
    assert codes(run).get("tlsa-retired-too-early") == "critical", run.output
    # Until caches have it again, the former key is served, and somebody has to find out who removed it.
    assert run.status == 2 and "find out which program did it" in run.text
    assert coming in records(steady)
    is_steady(steady)


def test_f14_a_ttl_that_somebody_raises_is_named_and_put_back(steady: Lab) -> None:
    there, wanted = records(steady), ttl(steady)
    update(steady, f"update delete {OWNER} TLSA", *(f"update add {OWNER} {wanted + 15} TLSA {one}" for one in there))
    run = keep(steady)
    assert codes(run)["ttl-changed-mid-roll"] == "warning", run.output
    assert ttl(steady) == wanted
    is_steady(steady)


def ttl(lab: Lab) -> int:
    return int(lab.inside("dig", "+noall", "+answer", OWNER, "TLSA", "@198.51.100.2").split()[1])


def test_f14_a_key_published_and_deployed_in_one_breath_is_named_and_replaced(steady: Lab) -> None:
    """As hooks of renewals do it: the secondary does not know the record yet when the key is served."""
    before = served(steady)
    on(steady, "ns2", "knotc zone-freeze example.nl")
    try:
        install_rogue(steady)
        wait_for(lambda: served(steady) != before, 20)
        rogue = served(steady)
        update(steady, f"update add {OWNER} 5 TLSA {rogue}")
        run = play(steady, KEEP, check=False)
        assert codes(run)["tlsa-published-too-late"] == "critical", run.output
        assert "has not reached ns2.lab-dns.nl (198.51.100.3) yet" in run.text
        assert served(steady) == before
    finally:
        on(steady, "ns2", "knotc zone-thaw example.nl; knotc zone-refresh example.nl")
    assert run.status == 2 and "repaired, but find out which program did it" in run.text
    finish(steady, rotation_release=[rogue])
    is_steady(steady)


def test_f16_a_next_key_that_is_gone_is_named(steady: Lab) -> None:
    promised = key(steady, "next")
    on(steady, "mx1", "rm -r /etc/mailsec-dane/next")
    run = keep(steady)
    assert codes(run)["next-unproven"] == "warning" and promised in run.text, run.output
    is_steady(steady)


def test_f15_both_keys_stolen(steady: Lab) -> None:
    stolen, ca = (served(steady), key(steady, "next")), issuer(steady)
    theft = {"rotation_wait": True, "rotation_stolen": ["current", "next"]}
    run = play(steady, "mailsec.dane.compromise", "--limit", "mx1", check=False, **theft)
    assert run.status == 2, run.output[-3000:]
    assert codes(run)["key-compromised"] == "critical" and all(one in run.text for one in stolen), run.output
    assert all(f"Choose rotation_exposure {one}" in run.text for one in ("serve", "defer", "downgrade"))
    assert served(steady) == stolen[0]
    play(steady, "mailsec.dane.compromise", "--limit", "mx1", rotation_exposure="serve", **theft)
    assert served(steady) == key(steady, "live")
    assert served(steady) not in stolen
    assert set(records(steady)).isdisjoint({*stolen, ca})
