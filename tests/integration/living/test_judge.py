# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge sees the harm that was once measured, done by hand here; so a run without complaint means something.

Each of these was what a run of the collection left behind on such a host (R01, R02, R09, R10, R12).
"""

from __future__ import annotations

import time
import typing as t

import judge
import pytest
from living_site import World

#: A key of another CA, as it was first deployed and published afterwards.
OTHER_KEY = """
mkdir -p /root/other && cd /root/other
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=other -keyout key -out chain 2>&1
cat key chain >all.pem
"""
DEPLOYED = OTHER_KEY + "postconf -e 'smtpd_tls_chain_files = /root/other/all.pem' && postfix reload && sleep 2\n"
#: What a run on such a host set for mail that leaves: a resolver that asks the public, and DANE.
OUTBOUND = """
postconf -e smtp_host_lookup=dns smtp_dns_support_level=dnssec smtp_tls_security_level=dane
printf 'nameserver 198.51.100.21\\noptions trust-ad edns0\\n' >/etc/resolv.conf
cp /etc/resolv.conf /var/spool/postfix/etc/resolv.conf; postfix reload; sleep 2
"""


class Harm(t.NamedTuple):
    """What is done on a host of a shape, and where the judge must see it: in two pictures, and in the mail."""

    shape: str
    script: str
    pictures: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()


HARMS = {
    "R01 R10 a key goes live before its record": Harm(
        "ispmail", DEPLOYED, ("changed ports",),
        ("not verified", "refused or deferred", "mail program at 587 refused", "mail program at 465 refused"),
    ),
    "R02 main.cf outranks the options of a service": Harm(
        "per-address", DEPLOYED, ("changed ports",), ("not verified", "refused or deferred"),
    ),
    "R09 names that only the inside knows": Harm(
        "gateway", OUTBOUND, ("lost names",), ("bounced at gateway",),
    ),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(
    ("world", "harm"), [(f"{one.shape} harmed", one) for one in HARMS.values()], ids=HARMS, indirect=["world"],
    scope="session",
)  # fmt: skip
def test_the_judge_sees(world: World, harm: Harm) -> None:
    before = judge.picture(world)
    with judge.Watch(world) as watch:
        time.sleep(4)
        world.script(world.shape.host, harm.script)
        time.sleep(8)
    found = judge.worse(before, judge.picture(world))
    assert set(harm.pictures) <= set(found), found
    assert set(harm.mail) <= set(watch.report.wrong), watch.report.text()
    with pytest.raises(AssertionError):
        watch.report.is_unharmed()


@pytest.mark.long
@pytest.mark.parametrize("world", ["backup-mx harmed"], indirect=True, scope="session")
def test_r12_the_judge_sees_mail_that_leaves_without_dane_whatever_main_cf_says(world: World) -> None:
    """A transport with a level of its own is not seen in main.cf, but by a message that must not arrive."""
    world.on(world.shape.host, "postconf -e smtp_dns_support_level=dnssec smtp_tls_security_level=dane; postfix reload")
    assert judge.unverified(world) == ["sendmail"]
    world.on(world.shape.host, "postconf -PX smtp/unix/smtp_tls_security_level; postfix reload")
    assert judge.unverified(world) == []
