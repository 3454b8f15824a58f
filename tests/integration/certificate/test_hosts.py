# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""F04, F05: bare Debian 12 and 13 hosts get a key and a chain of their own. The tests build on one another."""

from __future__ import annotations

import hashlib
import re
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificate_site import CERTIFICATE_PLAY, ENTRY_PLAY, RealHosts
from cryptography import x509
from cryptography.hazmat.primitives import serialization

NAMES = {"old": "old.cert-lab.net", "new": "new.cert-lab.net"}
BASE = "/etc/mailsec-dane"
HANDLER = """
  handlers:
    - name: Leave a trace of the reload
      ansible.builtin.command: touch /run/reloaded
      changed_when: false
      listen: certificate deployed
"""


def chain(hosts: RealHosts, host: str, where: str = "live") -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(hosts.ask(host, f"cat {BASE}/{where}/chain.pem").encode())


def spki(certificate: x509.Certificate) -> str:
    """Data of the x 1 1 record."""
    der = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def secrets(hosts: RealHosts) -> list[str]:
    """The lines with the private part, the first two of each key, of all hosts and of the authority."""
    text = "".join(hosts.ask(host, f"cat {BASE}/*/key*.pem") for host in NAMES)
    text += "".join(path.read_text() for path in hosts.site.authority.glob("*.key"))
    keys = re.findall(r"-----BEGIN (?:EC )?PRIVATE KEY-----(.+?)-----END", text, re.S)
    assert len(keys) == 6
    return [line for key in keys for line in key.split()[:2]]


@pytest.fixture
def command_lines() -> Iterator[set[str]]:
    """Every command line on this machine and in the lab's hosts while the test runs, sampled."""
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue  # ended while we looked

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    ended.set()
    thread.join()


def serves(hosts: RealHosts, host: str) -> str:
    """The oracle: the host's own openssl on what the mail server reads; gives the digest of the live key."""
    script = f"""
        set -e; cd $(mktemp -d); f={BASE}/live/keychain.pem
        awk '/BEGIN CERT/{{n++}} n{{print > n ".pem"}}' $f
        openssl verify -x509_strict -purpose sslserver -verify_hostname {NAMES[host]} \
          -CAfile 3.pem -untrusted 2.pem 1.pem
        openssl pkey -in $f -pubout > a; openssl x509 -in 1.pem -noout -pubkey > b; cmp a b
        cat 1.pem 2.pem 3.pem | cmp - {BASE}/live/chain.pem
        openssl pkey -in $f -pubout -outform DER | sha256sum
    """
    return hosts.ask(host, script).split()[-2]


def test_check_mode_on_bare_hosts_tells_and_does_nothing(hosts: RealHosts) -> None:
    run = hosts.site.certify("--check", "--diff")
    for host in NAMES:
        assert run.recap(host)["changed"] == 2
        assert hosts.ask(host, f"ls {BASE} 2>&1 || true").strip().endswith("No such file or directory")
        assert "No module named" in hosts.ask(host, "python3 -c 'import cryptography' 2>&1 || true")
    assert not hosts.site.authority.exists()


def test_each_host_gets_its_own_and_no_secret_is_seen(hosts: RealHosts, command_lines: set[str]) -> None:
    run = hosts.site.certify("-vvv", "--diff")
    digests = {serves(hosts, host) for host in NAMES}
    assert len(digests) == 2
    for host, name in NAMES.items():
        leaf, issuing, root = chain(hosts, host)
        assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == (
            x509.SubjectAlternativeName([x509.DNSName(name)])
        )
        assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 90
        assert leaf.issuer == issuing.subject and issuing.issuer == root.subject == root.issuer
        listed = hosts.ask(host, f"cd {BASE}; find . -printf '%p %m %U:%G\\n' | sort").split("\n")
        assert [line for line in listed if line] == [
            ". 755 0:0", "./live 755 0:0", "./live/chain.pem 644 0:0", "./live/keychain.pem 600 0:0",
            "./next 700 0:0", "./previous 700 0:0",
            "./staged 700 0:0", "./staged/chain.pem 644 0:0", "./staged/key.pem 600 0:0",
        ]  # fmt: skip
    seen = "\n".join(command_lines)
    assert "ansible-playbook" in seen and "sshd" in seen
    lines = secrets(hosts)
    for place in (run.text, seen):
        assert "PRIVATE KEY" not in place and not [line for line in lines if line in place]


def test_a_second_run_changes_nothing_in_few_tasks(hosts: RealHosts) -> None:
    before = {host: hosts.ask(host, f"cd {BASE}; find . -type f -printf '%p %T@ %i\\n' | sort") for host in NAMES}
    run = hosts.site.certify()
    for host in NAMES:
        recap = run.recap(host)
        assert recap["changed"] == 0 and recap["ok"] + recap["skipped"] <= 6
    assert before == {
        host: hosts.ask(host, f"cd {BASE}; find . -type f -printf '%p %T@ %i\\n' | sort") for host in NAMES
    }


def test_renewal_keeps_the_keys_of_host_and_authority(hosts: RealHosts) -> None:
    """3 1 1 and 2 1 1 stay true when certificate and CA certificate are renewed, which check mode foretells."""
    before = {host: chain(hosts, host) for host in NAMES}
    days = {"certificate_days": 120, "certificate_renew_days": 100}
    planned = hosts.site.play(CERTIFICATE_PLAY, "--check", **days)
    assert all(planned.recap(host)["changed"] == 1 for host in NAMES)
    assert before == {host: chain(hosts, host) for host in NAMES}

    run = hosts.site.certify(certificate_authority_renew=["root", "issuing"], **days)
    for host, old in before.items():
        assert run.recap(host)["changed"] == 2
        new = chain(hosts, host)
        assert all(ours != theirs for ours, theirs in zip(old, new, strict=True))
        assert [spki(ours) for ours in old] == [spki(theirs) for theirs in new]
        assert (new[0].not_valid_after_utc - new[0].not_valid_before_utc).days == 120
        assert chain(hosts, host, "previous") == old
        assert serves(hosts, host) == spki(new[0])


@pytest.mark.parametrize("call", [2, 9, 16])
def test_killed_while_it_works_the_next_run_completes(hosts: RealHosts, call: int) -> None:
    """SIGKILL to the module at its n-th question to openssl, during a renewal with another name."""
    digest, name = serves(hosts, "old"), f"kill{call}.cert-lab.net"
    wrapper = f"""cat > /usr/local/bin/openssl <<'END'
#!/bin/sh
n=$(cat /run/openssl-calls 2>/dev/null || echo 0); n=$((n + 1)); echo $n > /run/openssl-calls
if [ $n = {call} ]; then kill -9 $PPID; exit 1; fi
exec /usr/bin/openssl "$@"
END
chmod 755 /usr/local/bin/openssl; rm -f /run/openssl-calls"""
    hosts.ask("old", wrapper)
    try:
        run = hosts.site.certify("--limit", "localhost,old", check=False, certificate_names=[name])
        assert run.code != 0 and run.recap("old")["failed"] == 1, run.text
    finally:
        hosts.ask("old", "rm /usr/local/bin/openssl /run/openssl-calls")
    assert serves(hosts, "old") == digest
    hosts.site.certify("--limit", "localhost,old", certificate_names=[name])
    assert serves(hosts, "old") == digest
    leaf = chain(hosts, "old")[0]
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == [NAMES["old"], name]


def test_a_captured_host_gets_no_more_than_its_name_signed(hosts: RealHosts) -> None:
    """The authority looks at the request itself: no CA certificate, no name of another host."""
    before = serves(hosts, "new")
    for change in ("s/CA:FALSE/CA:TRUE/", "s/DNS:new/DNS:old.cert-lab.net,DNS:new/", "s/serverAuth/codeSigning/"):
        wrapper = f"""cat > /usr/local/bin/openssl <<'END'
#!/bin/sh
for file; do case $file in */request.cnf) sed -i '{change}' $file;; esac; done
exec /usr/bin/openssl "$@"
END
chmod 755 /usr/local/bin/openssl"""
        hosts.ask("new", wrapper)
        try:
            run = hosts.site.certify(
                "--limit", "localhost,new", check=False, certificate_days=200, certificate_renew_days=150
            )
        finally:
            hosts.ask("new", "rm /usr/local/bin/openssl")
        run.refused("asks for other names or rights", "Nothing was signed")
    assert serves(hosts, "new") == before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("openssl genpkey -algorithm ed25519 -out staged/key.pem", ("have different keys", "mailsec.dane.finish")),
        ("chown nobody staged/key.pem", ("staged/key.pem belongs to user number 65534",)),
        ("chmod 644 live/keychain.pem", ("live/keychain.pem has mode 0644", "chmod 0600")),
        ("openssl genpkey -algorithm ed25519 -out live/keychain.pem", ("live/keychain.pem has no CERTIFICATE block",)),
        ("sed -i '0,/-----END CERT/d' live/keychain.pem", ("live/keychain.pem",)),
    ],
)
def test_what_others_did_to_the_files_is_named_and_not_deployed(
    hosts: RealHosts, damage: str, words: tuple[str, ...]
) -> None:
    """Bad input: key file of another user, wrong PEM, a key nobody planned."""
    hosts.ask("new", f"cp -a {BASE} /root/whole; cd {BASE}; {damage}")
    damaged = hosts.ask("new", f"cd {BASE}; sha256sum live/*")
    try:
        run = hosts.site.certify("--limit", "localhost,new", check=False)
        run.refused(*words)
        assert hosts.ask("new", f"cd {BASE}; sha256sum live/*") == damaged
    finally:
        hosts.ask("new", f"rm -rf {BASE}; mv /root/whole {BASE}")
    serves(hosts, "new")


def test_rotation_through_the_entry_points(hosts: RealHosts) -> None:
    """The next key is made and certified aside; it goes live only when told to, and whoever listens hears of it."""
    before = {host: serves(hosts, host) for host in NAMES}

    def step(entry: str, check: bool = True, **more: t.Any) -> t.Any:
        return hosts.site.play(ENTRY_PLAY.format(entry=entry) + HANDLER, check=check, certificate_slot="next", **more)

    step("stage")
    planned = {host: spki(chain(hosts, host, "next")[0]) for host in NAMES}
    assert before == {host: serves(hosts, host) for host in NAMES}
    step("deploy", check=False).refused("missing required arguments: certificate_planned_key")
    step("deploy", check=False, certificate_planned_key="0" * 64).refused("is not the one that was planned")
    assert before == {host: serves(hosts, host) for host in NAMES}
    assert all(step("stage").recap(host)["changed"] == 0 for host in NAMES)

    expected = {"certificate_planned_key": "{{ planned[inventory_hostname] }}", "planned": planned}
    step("deploy", **expected)
    assert planned == {host: serves(hosts, host) for host in NAMES}
    assert all(hosts.ask(host, "ls /run/reloaded").strip() == "/run/reloaded" for host in NAMES)
    assert before == {host: spki(chain(hosts, host, "previous")[0]) for host in NAMES}
    assert all(step("deploy", **expected).recap(host)["changed"] == 0 for host in NAMES)
    hosts.site.certify()
    assert planned == {host: serves(hosts, host) for host in NAMES}
    assert all(hosts.site.certify().recap(host)["changed"] == 0 for host in NAMES)


def test_certificates_from_elsewhere(hosts: RealHosts) -> None:
    """F03: another CA's files on the host are proven and switched like one's own."""
    command = f"""set -e; mkdir -m 700 /root/other; cd /root/other
        openssl req -x509 -newkey rsa:3072 -nodes -keyout key.pem -out chain.pem -days 40 -subj /CN=x \
          -addext subjectAltName=DNS:{NAMES["new"]} 2>&1"""
    hosts.ask("new", command)
    given: dict[str, t.Any] = {
        "certificate_source": "file", "certificate_directory": "/etc/other",
        "certificate_key_file": "/root/other/key.pem", "certificate_chain_file": "/root/other/chain.pem",
    }  # fmt: skip
    limit = ("--limit", "new")
    assert hosts.site.play(CERTIFICATE_PLAY, "--check", *limit, **given).recap("new")["changed"] == 2
    assert hosts.site.play(CERTIFICATE_PLAY, *limit, **given).recap("new")["changed"] == 2
    hosts.ask("new", "cat /root/other/key.pem /root/other/chain.pem | cmp - /etc/other/live/keychain.pem")
    assert hosts.site.play(CERTIFICATE_PLAY, *limit, **given).recap("new")["changed"] == 0
    swapped = {**given, "certificate_chain_file": f"{BASE}/live/chain.pem"}
    refused = hosts.site.play(CERTIFICATE_PLAY, *limit, check=False, **swapped)
    refused.refused("does not belong to the first certificate")
    hosts.ask("new", "cd /root/other; openssl req -x509 -newkey rsa:3072 -nodes -keyout key.pem -out chain.pem "
              f"-subj /CN=x -addext subjectAltName=DNS:{NAMES['new']} 2>&1")  # fmt: skip
    hosts.site.play(CERTIFICATE_PLAY, *limit, check=False, **given).refused("a renewal keeps the key")
