# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that somebody else made: put in the place of the live one, or given as the files of another program."""

from __future__ import annotations

import re

import pytest
from lab_driver import Lab, wait_for
from rotation_site import (
    JOURNALS,
    finish,
    forget_next,
    install_rogue,
    is_steady,
    key,
    on,
    play,
    records,
    rotate,
    served,
)
from senders import Traffic

#: A CA as the public has them, and certificates as certbot lays them out: live/*.pem are links into archive/.
PUBLIC_CA = r"""
mkdir -p /root/public-ca && cd /root/public-ca
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 900 -subj /CN=Public \
  -keyout ca.key -out ca.pem
"""
RENEWED = r"""
set -e; name=mx1.example.nl; number={number}; ca=/root/public-ca
mkdir -p /etc/letsencrypt/archive/$name /etc/letsencrypt/live/$name; cd /etc/letsencrypt/archive/$name
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name -keyout privkey$number.pem -out request
printf 'subjectAltName=DNS:%s\n' $name >extensions
openssl x509 -req -in request -CA $ca/ca.pem -CAkey $ca/ca.key -CAcreateserial -days 80 -extfile extensions \
  -out cert.pem
cat cert.pem $ca/ca.pem >fullchain$number.pem; rm request extensions cert.pem
for part in privkey fullchain; do ln -sf ../../archive/$name/$part$number.pem ../../live/$name/$part.pem; done
"""
LINEAGE = "/etc/letsencrypt/live/mx1.example.nl"
FILES = {
    "certificate_source": "file",
    "certificate_key_file": f"{LINEAGE}/privkey.pem",
    "certificate_chain_file": f"{LINEAGE}/fullchain.pem",
}


def renew(lab: Lab, number: int) -> str:
    """Have certbot's program make a new key, as it does by default; returns its 3 1 1 record."""
    on(lab, "mx1", RENEWED.format(number=number))
    digest = on(
        lab, "mx1",
        f"openssl x509 -in {LINEAGE}/fullchain.pem -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum",
    )  # fmt: skip
    return f"3 1 1 {digest.split()[0]}"


@pytest.mark.long
def test_r11_site_repairs_a_foreign_key_at_once_and_says_so_with_the_audit(steady: Lab) -> None:
    before, names = served(steady), records(steady)
    install_rogue(steady)
    wait_for(lambda: served(steady) not in names, 20)
    run = play(steady, "mailsec.dane.site", check=False)
    assert served(steady) == before == key(steady, "live"), run.output[-6000:]
    assert records(steady) == names
    assert "mailsec.dane.audit : Show the report" in run.text
    assert run.status == 2, run.output[-6000:]
    assert "choose (1 choose) mx1: repaired, but find out which program did it" in run.text, run.output[-3000:]
    # The former advice would have taken over the foreign key.
    assert not re.search(r"remove \S*staged", run.text), run.output[-6000:]
    again = play(steady, "mailsec.dane.site")
    assert again.counts()["changed"] == 0 and "find out which program" not in again.text
    is_steady(steady)


@pytest.mark.long
def test_r14_a_foreign_key_while_another_run_holds_the_lease_is_told_as_blocked(steady: Lab) -> None:
    names = records(steady)
    forget_next(steady)
    # As if it had been killed after its first effect; its lease lasts for half of what an effect may take.
    rotate(steady, check=False, rotation_stop_after=1, rotation_effect=1200)
    install_rogue(steady)
    try:
        wait_for(lambda: served(steady) not in names, 20)
        run = play(steady, "mailsec.dane.finish", check=False)
    finally:
        on(steady, "mx1", f"rm -f {JOURNALS}/*.lease")
    assert run.status == 4, run.output[-6000:]
    assert "blocked (1 blocked) mx1:" in run.text and "holds the lease" in run.text, run.output[-3000:]
    # It may be repaired by the next run, which says so with a status of its own.
    assert play(steady, "mailsec.dane.finish", check=False).status == 2
    finish(steady)
    is_steady(steady)


@pytest.mark.long
def test_r13_r06_certbot_files_with_a_new_key_are_rotated_to_and_it_ends(steady: Lab) -> None:
    on(steady, "mx1", PUBLIC_CA)
    # With a next key of its own, published long ago, the first rotation would go to that one.
    on(steady, "mx1", "rm /etc/mailsec-dane/next/*.pem")
    with Traffic(steady) as traffic:
        for number in (1, 2):
            coming = renew(steady, number)
            run = rotate(steady, **FILES)
            assert "something undoes them" not in run.text
            assert served(steady) == coming and coming in records(steady), run.output[-6000:]
            run = play(steady, "mailsec.dane.finish", rotation_minimum_age=86400, **FILES)
            assert run.phases[-1] == "steady" and "ok (1 ok)" in run.text, run.output[-6000:]
            # Every look prints its phase: a run that begins nothing looks a few times, not forty.
            assert len(run.phases) < 10
            assert served(steady) == coming and run.counts()["failed"] == 0
            again = play(steady, "mailsec.dane.finish", rotation_minimum_age=86400, **FILES)
            assert again.counts()["changed"] == 0 and re.findall(r"Phase: \w+", again.text) == ["Phase: steady"]
        # And back to keys of its own.
        rotate(steady)
    is_steady(steady)
    traffic.is_unharmed()
