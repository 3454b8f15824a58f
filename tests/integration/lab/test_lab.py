# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""B11: the lab is a private Internet that validates, stays inside, starts again unchanged and leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lab_driver import Lab, command_line, run, wait_for

SIGNED = ["example.nl", "example.org", "trixie.nl", "outside.nl", "wrongtlsa.nl", "lab-dns.nl", "nl", "org", "."]
RESOLVERS = ["198.51.100.53", "2001:db8:51::53", "127.0.0.1"]


def dig(lab: Lab, server: str, name: str, kind: str, *options: str) -> tuple[str, set[str], str]:
    """Response code, header flags and answer."""
    text = lab.inside("dig", "+time=5", "+tries=1", "+adflag", *options, f"@{server}", name, kind)
    status = re.search(r"status: (\w+)", text)
    flags = re.search(r";; flags: ([a-z ]*);", text)
    assert status and flags, text
    return status.group(1), set(flags.group(1).split()), text


@pytest.mark.parametrize("server", RESOLVERS)
def test_b11_resolvers_validate_signed_zones(lab: Lab, server: str) -> None:
    for zone in SIGNED:
        status, flags, text = dig(lab, server, zone, "SOA")
        assert status == "NOERROR" and "ad" in flags, text


@pytest.mark.parametrize("server", RESOLVERS)
def test_b11_resolvers_refuse_bogus_and_do_not_vouch_for_unsigned(lab: Lab, server: str) -> None:
    assert dig(lab, server, "bogus.nl", "MX")[0] == "SERVFAIL"
    assert dig(lab, server, "bogus.nl", "MX", "+cdflag")[0] == "NOERROR"
    status, flags, text = dig(lab, server, "unsigned.nl", "MX")
    assert status == "NOERROR" and "ad" not in flags and "mail.unsigned.nl." in text


def test_b11_absence_is_proven(lab: Lab) -> None:
    status, flags = dig(lab, "127.0.0.1", "_25._tcp.mx1.example.nl", "TLSA")[:2]
    assert status == "NXDOMAIN" and "ad" in flags


def test_f07_mx_host_in_another_zone_and_a_domain_with_two(lab: Lab) -> None:
    assert "10 mx1.example.nl." in dig(lab, "127.0.0.1", "example.org", "MX")[2]
    answer = dig(lab, "127.0.0.1", "example.nl", "MX")[2]
    assert "10 mx1.example.nl." in answer and "20 mx2.example.nl." in answer
    assert "2001:db8:51::11" in dig(lab, "127.0.0.1", "mx1.example.nl", "AAAA")[2]
    assert "ANSWER: 0" in dig(lab, "127.0.0.1", "mx2.example.nl", "AAAA")[2]


def test_b11_a_change_reaches_the_secondary_by_notify(lab: Lab) -> None:
    def serial(server: str) -> int:
        return int(lab.inside("dig", "+short", "+norec", f"@{server}", "example.nl", "SOA").split()[2])

    before = serial("198.51.100.3")
    update = "server 198.51.100.2\nzone example.nl\nupdate add probe.example.nl 5 TXT seen\nsend\n"
    done = run(lab.directory / "bin/lab-exec", "nsupdate", "-k", lab.directory / "keys/lab.tsig", stdin=update)
    assert done.returncode == 0
    # The zone's refresh interval is 300 s: within 20 s only a NOTIFY can have carried it.
    wait_for(lambda: serial("198.51.100.3") > before and serial("198.51.100.3") == serial("198.51.100.2"), 20)
    assert "seen" in lab.inside("dig", "+short", "@198.51.100.3", "probe.example.nl", "TXT")
    assert {"ad"} <= dig(lab, "127.0.0.1", "probe.example.nl", "TXT")[1]


def test_b11_updates_without_the_key_are_refused(lab: Lab) -> None:
    update = "server 198.51.100.2\nzone example.nl\nupdate add forged.example.nl 5 TXT x\nsend\n"
    done = run(lab.directory / "bin/lab-exec", "nsupdate", stdin=update, check=False)
    assert done.returncode != 0 and "REFUSED" in done.stderr


def test_b11_ansible_reaches_every_host_and_the_vantage(lab: Lab) -> None:
    text = lab.host("all", "echo reached $(systemctl is-system-running)")
    assert text.count("reached") == 9
    assert lab.host("lab", "systemctl is-system-running").count("running") == 8


def test_b11_no_host_has_a_way_out(lab: Lab) -> None:
    text = lab.host("all", "echo routes=$(ip route show default | wc -l)/$(ip -6 route show default | wc -l)")
    assert text.count("routes=0/0") == 9


def test_b11_bare_hosts_install_packages_offline(lab: Lab) -> None:
    missing = lab.host("mx2", "dpkg -l postfix exim4-daemon-heavy", check=False)
    assert "no packages found" in missing
    lab.host("mx2:mx3", "apt-get -qq -s install postfix && apt-get -qq -s install exim4-daemon-heavy unbound")


def test_f04_the_outside_sender_tells_right_wrong_and_unsigned_apart(lab: Lab) -> None:
    """Without the wrong record refused, the right one accepted would prove nothing."""
    finger = "posttls-finger -t30 -T180 -c -l dane -L summary "
    assert "Verified TLS connection established" in lab.host("sender", finger + "outside.nl")
    assert "Untrusted TLS connection established" in lab.host("sender", finger + "wrongtlsa.nl")
    assert "Verified" not in lab.host("sender", finger + "unsigned.nl")


def test_f20_the_three_outcomes_of_a_delivery_from_a_lab_host(lab: Lab) -> None:
    """A DANE sender installed on a bare host delivers verified, refuses the wrong record, and delivers unsigned."""
    settings = (
        "smtp_dns_support_level=dnssec smtp_tls_security_level=dane smtp_host_lookup=dns smtp_tls_loglevel=1 "
        "maillog_file=/var/log/postfix.log myhostname=out1.example.nl"
    )
    lab.host(
        "out1",
        "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install postfix >/dev/null 2>&1"
        f" && postconf -e {settings} && systemctl restart postfix && sleep 2"
        " && for d in outside wrongtlsa unsigned; do echo x | sendmail -f a@example.nl b@$d.nl; done",
    )
    log = ""

    def decided() -> bool:
        nonlocal log
        log = lab.host("out1", "cat /var/log/postfix.log")
        return len(re.findall(r"status=(sent|deferred)", log)) >= 3

    wait_for(decided, 60)
    assert "Verified TLS connection established to sender.outside.nl" in log
    assert re.search(r"to=<b@outside\.nl>.*status=sent", log)
    assert re.search(r"to=<b@wrongtlsa\.nl>.*dsn=4\.7\.5, status=deferred \(Server certificate not verified\)", log)
    assert re.search(r"to=<b@unsigned\.nl>.*status=sent", log)
    assert "Verified TLS connection established to mail.unsigned.nl" not in log


def test_b11_a_link_can_be_cut_and_mended(lab: Lab) -> None:
    lab.inside("ip", "link", "set", "v-ns2", "down")
    assert "no servers could be reached" in lab.inside(
        "dig", "+time=1", "+tries=1", "@198.51.100.3", "nl", "SOA", check=False
    )
    lab.inside("ip", "link", "set", "v-ns2", "up")
    wait_for(lambda: "NOERROR" in lab.inside("dig", "+time=1", "@198.51.100.3", "nl", "SOA", check=False), 15)


def test_b11_a_host_reboots_and_keeps_its_state(lab: Lab) -> None:
    boot = "cat /proc/sys/kernel/random/boot_id; cat /root/kept"
    lab.host("mx1:mx3", "echo precious > /root/kept")
    before = lab.host("mx1:mx3", boot)
    ansible = lab.command()[0].removesuffix("-playbook")
    run(ansible, "-i", lab.directory / "inventory.yml", "mx1:mx3", "-m", "ansible.builtin.reboot")
    after = lab.host("mx1:mx3", boot)
    ids = [set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", text)) for text in (before, after)]
    assert len(ids[0]) == len(ids[1]) == 2 and not ids[0] & ids[1]
    assert after.count("precious") == 2


def test_b11_a_second_run_changes_nothing(lab: Lab) -> None:
    outer = lab.outer()
    assert lab.changed(lab.playbook()) == 0
    assert lab.changed(lab.playbook(arguments=("--check", "--diff"))) == 0
    assert lab.outer() == outer


def test_b11_other_parameters_are_an_error_with_a_remedy(lab: Lab) -> None:
    outer = lab.outer()
    text = lab.playbook(check=False, lab_ttl=9)
    assert "lab_rebuild=true" in text and "failed=1" in text
    assert lab.outer() == outer


def test_b11_the_cache_of_a_running_lab_is_not_removed(lab: Lab) -> None:
    scripts = lab.directory / "lib"
    cache = (lab.directory / "plan/lab.env").read_text().split("LAB_CACHE=")[1].splitlines()[0]
    done = run("bash", scripts / "purge.sh", cache, check=False)
    assert done.returncode == 1 and "take it down first" in done.stderr


def test_b11_secrets_are_for_root_only(lab: Lab) -> None:
    assert lab.directory.stat().st_mode & 0o077 == 0
    assert (lab.directory / "keys/lab.tsig").stat().st_mode & 0o077 == 0
    secret = (lab.directory / "keys/lab.tsig").read_text().split('secret "')[1].split('"')[0]
    logs = "".join(path.read_text(errors="replace") for path in (lab.directory / "log").iterdir())
    assert secret not in logs


def test_b11_two_labs_side_by_side_and_reuse_with_other_hosts(lab: Lab, small: Lab) -> None:
    small.playbook()
    status, flags, text = dig(small, "203.0.113.3", "test-lab.net", "MX")
    assert status == "NOERROR" and "ad" in flags and "mx.test-lab.net." in text
    assert "trixie" in small.host("mail", ". /etc/os-release; echo $VERSION_CODENAME")
    footprint = small.footprint()
    assert len(footprint[1]) == 4
    small.playbook(lab_state="absent")
    assert small.leftovers(footprint) == []
    assert dig(lab, "127.0.0.1", "example.nl", "SOA")[0] == "NOERROR"
    assert "test-lab" not in lab.inside("cat", "/proc/self/mountinfo")


@pytest.mark.parametrize("moment", ["plan", "run/outer", "keys/known_hosts", "trust-anchor.ds", "after 2 s"])
def test_b11_an_interrupted_start_is_recovered(small: Lab, moment: str) -> None:
    """kill -9 of the whole run at several moments; the next run must not care."""
    started = time.monotonic()
    process = subprocess.Popen(
        small.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    if moment == "after 2 s":
        wait_for((small.directory / "run/outer").exists, 120)
        time.sleep(2)
    else:
        wait_for((small.directory / moment).exists, 120)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert time.monotonic() - started < 120
    if moment == "plan":
        # Nothing but files so far: taking it down must work on those, too.
        small.playbook(lab_state="absent")
        assert small.leftovers(None) == []
    small.playbook()
    assert {"ad"} <= dig(small, "127.0.0.1", "test-lab.net", "MX")[1]


def test_b11_a_lab_that_died_starts_again(small: Lab) -> None:
    small.playbook()
    os.kill(small.outer(), signal.SIGKILL)
    wait_for(lambda: not [left for left in small.leftovers(None) if left.startswith("process")], 20)
    refused = run(small.directory / "bin/lab-exec", "true", check=False)
    assert refused.returncode == 1 and "is not running; start it with" in refused.stderr
    small.playbook()
    assert {"ad"} <= dig(small, "127.0.0.1", "test-lab.net", "MX")[1]


def test_b11_check_mode_on_a_bare_machine_only_says_so(small: Lab) -> None:
    assert small.changed(small.playbook(arguments=("--check",))) == 1
    assert not small.directory.exists()


def test_b11_a_directory_that_is_no_lab_is_left_alone(small: Lab) -> None:
    small.directory.mkdir()
    precious = small.directory / "precious"
    precious.write_text("x")
    for state in ("present", "absent"):
        text = small.playbook(check=False, lab_state=state)
        assert "not a lab" in text and precious.exists()
    precious.unlink()
    small.directory.rmdir()


def test_b11_the_cache_is_removed_on_request_and_nothing_else(small: Lab, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name in ("base-x", "layer-y", "repository-z.partial", "work", "somebody-elses"):
        (cache / name).mkdir(parents=True)
    (cache / "use.lock").touch()
    # As text, the way -e on a command line gives it.
    small.playbook(lab_state="absent", lab_cache_directory=str(cache))
    assert (cache / "base-x").exists()
    assert (
        small.changed(small.playbook(lab_state="absent", lab_cache_directory=str(cache), lab_purge_cache="true")) == 1
    )
    assert [path.name for path in cache.iterdir()] == ["somebody-elses"]


def test_b11_rebuild_applies_other_parameters(small: Lab) -> None:
    small.playbook()
    before = small.outer()
    assert "lab_rebuild=true" in small.playbook(check=False, lab_ttl=9, lab_install_packages="false")
    small.playbook(lab_ttl=9, lab_rebuild="true", lab_install_packages="false")
    assert small.outer() != before
    assert re.search(r"^net\.\s+9\s", small.inside("dig", "+noall", "+answer", "@203.0.113.2", "net", "NS"), re.M)


def test_b11_teardown_leaves_nothing(lab: Lab) -> None:
    """The last test: the lab's processes, namespaces, mounts, control groups and files, all of them."""
    lab.host("mx1", "true")
    # A guest: somebody else's command that still sits in the lab's network.
    guest = subprocess.Popen([str(lab.directory / "bin/lab-exec"), "sleep", "600"])
    wait_for(lambda: "sleep 600" in command_line(guest.pid), 10)
    footprint = lab.footprint()
    assert len(footprint[0]) > 50 and len(footprint[1]) == 9
    lab.playbook(lab_state="absent")
    assert guest.wait(timeout=10) == -signal.SIGKILL
    assert lab.leftovers(footprint) == []
    assert lab.changed(lab.playbook(lab_state="absent")) == 0
