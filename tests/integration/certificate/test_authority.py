# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""F03: the organisation's own authority is made, renewed with the same keys, replaced beside the old one, protected."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from certificate_site import AUTHORITY_PLAY, CERTIFICATE_PLAY, Site
from cryptography import x509
from cryptography.hazmat.primitives import serialization


def tree(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())} if path.exists() else {}


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def spki(path: Path) -> bytes:
    return (
        certificate(path)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def verify(authority: Path, suffix: str = "") -> str:
    root, issuing = authority / "root.pem", authority / f"issuing{suffix}.pem"
    command = ["openssl", "verify", "-x509_strict", "-CAfile", root, issuing]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_f03_made_from_nothing_then_unchanged(here: Site) -> None:
    planned = here.play(AUTHORITY_PLAY, "--check", "--diff")
    assert planned.recap("localhost")["changed"] > 0 and not here.authority.exists()
    here.play(AUTHORITY_PLAY)
    files = tree(here.authority)
    assert set(files) == {"root.key", "root.pem", "issuing.key", "issuing.pem", "chain.pem"}
    assert files["chain.pem"] == files["issuing.pem"] + files["root.pem"]
    assert stat.S_IMODE(here.authority.stat().st_mode) == 0o700
    assert {stat.S_IMODE((here.authority / name).stat().st_mode) for name in files} == {0o600}
    assert verify(here.authority).strip().endswith("OK")
    second = here.play(AUTHORITY_PLAY, "--diff").recap("localhost")
    assert second["changed"] == 0 and second["ok"] + second["skipped"] <= 6
    assert here.play(AUTHORITY_PLAY, "--check").recap("localhost")["changed"] == 0
    assert tree(here.authority) == files


def test_f03_what_the_certificates_allow(here: Site) -> None:
    wanted = {"certificate_authority_name": "Example", "certificate_authority_permitted_domains": ["example.nl"]}
    here.certify(**wanted)
    for name, length, curve in (("root", 1, "secp384r1"), ("issuing", 0, "secp256r1")):
        found = certificate(here.authority / f"{name}.pem")
        assert found.subject.rfc4514_string() == f"CN=Example {name.capitalize()} CA"
        basic = found.extensions.get_extension_for_class(x509.BasicConstraints)
        assert basic.critical and basic.value == x509.BasicConstraints(True, length)
        usage = found.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical and usage.value.key_cert_sign and usage.value.crl_sign
        assert not usage.value.digital_signature
        with pytest.raises(x509.ExtensionNotFound):
            found.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        assert found.public_key().curve.name == curve
    constraints = certificate(here.authority / "issuing.pem").extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical and constraints.value.permitted_subtrees == [x509.DNSName("example.nl")]
    here.certify(check=False, certificate_host_name="mx.example.com", **wanted).refused("permitted subtree violation")


def test_f03_renewal_keeps_the_keys(here: Site) -> None:
    """2 1 1 stays true when the issuing CA, or the root, gets a new certificate."""
    days = {"certificate_authority_issuing_days": 100, "certificate_authority_renew_days": 50}
    here.play(AUTHORITY_PLAY, **days)
    before = tree(here.authority)
    keys = [spki(here.authority / f"{name}.pem") for name in ("root", "issuing")]
    assert here.play(AUTHORITY_PLAY, **days).recap("localhost")["changed"] == 0

    longer = {"certificate_authority_issuing_days": 200, "certificate_authority_renew_days": 120}
    planned = here.play(AUTHORITY_PLAY, "--check", **longer)
    assert planned.recap("localhost")["changed"] == 1 and tree(here.authority) == before
    here.play(AUTHORITY_PLAY, **longer)
    after = tree(here.authority)
    assert after["issuing.pem"] != before["issuing.pem"] and after["root.pem"] == before["root.pem"]
    assert after["chain.pem"] == after["issuing.pem"] + after["root.pem"]
    assert here.play(AUTHORITY_PLAY, **longer).recap("localhost")["changed"] == 0

    here.play(AUTHORITY_PLAY, certificate_authority_renew=["root"], **longer)
    assert tree(here.authority)["root.pem"] != before["root.pem"]
    assert {name: data for name, data in tree(here.authority).items() if name.endswith(".key")} == {
        name: data for name, data in before.items() if name.endswith(".key")
    }
    assert [spki(here.authority / f"{name}.pem") for name in ("root", "issuing")] == keys
    assert verify(here.authority).strip().endswith("OK")


def test_f03_the_root_outlives_every_issuing_ca(here: Site) -> None:
    here.play(AUTHORITY_PLAY, certificate_authority_root_days=1500)
    assert here.play(AUTHORITY_PLAY, certificate_authority_root_days=1500).recap("localhost")["changed"] == 0
    before = spki(here.authority / "root.pem")
    here.play(AUTHORITY_PLAY, certificate_authority_issuing_days=1200)
    root, issuing = (certificate(here.authority / f"{name}.pem") for name in ("root", "issuing"))
    assert (root.not_valid_after_utc - root.not_valid_before_utc).days == 3650
    assert root.not_valid_after_utc > issuing.not_valid_after_utc and spki(here.authority / "root.pem") == before


def test_f14_another_issuing_ca_beside_the_old_one(here: Site) -> None:
    here.certify()
    before = tree(here.authority)
    here.play(AUTHORITY_PLAY, certificate_authority_generation=2)
    after = tree(here.authority)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"issuing-2.key", "issuing-2.pem", "chain-2.pem"}
    assert spki(here.authority / "issuing-2.pem") != spki(here.authority / "issuing.pem")
    assert certificate(here.authority / "issuing-2.pem").subject.rfc4514_string() == "CN=mailsec.dane Issuing CA 2"
    assert verify(here.authority, "-2").strip().endswith("OK")
    assert here.certify(certificate_authority_generation=1).recap("one")["changed"] == 0
    live = here.authority.parent / "one/live/chain.pem"
    key = spki(live)
    # The published records may name the CA in use, so only a rotation, which waits for the caches, may replace it.
    here.certify(check=False, certificate_authority_generation=2).refused("another CA than the one in use", "rotate_ca")
    assert not live.read_bytes().endswith(after["chain-2.pem"])
    here.certify(certificate_authority_generation=2, new_issuer=True)
    assert live.read_bytes().endswith(after["chain-2.pem"]) and spki(live) == key


def test_f03_a_passphrase_protects_the_keys_and_is_never_shown(here: Site) -> None:
    secret = "correct-horse-7391"
    secrets = here.authority.parent / "secret.yml"
    secrets.write_text(f"certificate_authority_passphrase: {secret}\n")
    run = here.certify("-vvv", "--diff", "-e", f"@{secrets}")
    files = tree(here.authority)
    assert all(b"ENCRYPTED" in files[name] for name in ("root.key", "issuing.key"))
    assert secret not in run.text and "PRIVATE KEY" not in run.text
    here.certify(check=False, certificate_names=["x.example.nl"], certificate_authority_passphrase="wrong").refused(
        "passphrase"
    )
    here.play(AUTHORITY_PLAY, check=False, certificate_authority_renew=["issuing"]).refused("passphrase")
    assert tree(here.authority) == files


def test_f03_an_interrupted_start_is_completed(here: Site) -> None:
    """Whatever subset of files a killed run left, in the order they are made: no key changes."""
    here.play(AUTHORITY_PLAY)
    whole = tree(here.authority)
    for missing in (["chain.pem"], ["chain.pem", "issuing.pem"], ["chain.pem", "issuing.pem", "root.pem"]):
        for name in missing:
            (here.authority / name).unlink()
        here.play(AUTHORITY_PLAY)
        after = tree(here.authority)
        assert set(after) == set(whole) and all(after[n] == whole[n] for n in whole if n.endswith(".key"))
        assert after["chain.pem"] == after["issuing.pem"] + after["root.pem"]
        assert verify(here.authority).strip().endswith("OK")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"certificate_authority_host": "one"}, ("one is a mail server", "do not belong there")),
        ({"certificate_authority_issuing_days": 300}, ("certificate_authority_issuing_days must exceed",)),
        ({"certificate_authority_root_days": 1460}, ("certificate_authority_root_days must exceed",)),
        ({"certificate_authority_name": "x" * 51}, ("has 51 characters",)),
        ({"certificate_authority_generation": 0}, ("counted from 1",)),
        ({"certificate_authority_root_key_type": "rsa-1024"}, ("certificate_authority_root_key_type", "rsa-3072")),
    ],
)
def test_bad_variables_name_variable_and_rule(here: Site, variables: dict[str, object], words: tuple[str, ...]) -> None:
    """Nothing is made, on no host."""
    play = AUTHORITY_PLAY
    if "certificate_authority_host" in variables:
        play = play.replace("hosts: localhost", "hosts: one\n  pre_tasks:\n    - name: Join the mail servers\n"
                            "      ansible.builtin.group_by:\n        key: mail_inbound")  # fmt: skip
    here.play(play, check=False, **variables).refused(*words)
    assert not here.authority.exists()


def test_conflicts_are_refused_before_anything_changes(here: Site) -> None:
    here.play(AUTHORITY_PLAY)
    before = tree(here.authority)
    renamed = here.play(AUTHORITY_PLAY, check=False, certificate_authority_name="Other")
    renamed.refused("root.pem has another name than Other Root CA", "Nothing was changed")
    assert tree(here.authority) == before

    # The root key may be kept elsewhere, until it is needed.
    kept = (here.authority / "root.key").read_bytes()
    (here.authority / "root.key").unlink()
    assert here.play(AUTHORITY_PLAY).recap("localhost")["changed"] == 0
    here.play(AUTHORITY_PLAY, check=False, certificate_authority_renew=["issuing"]).refused("not its key root.key")
    assert "root.key" not in tree(here.authority)
    (here.authority / "root.key").write_bytes(kept)

    other = here.authority.parent / "other"
    here.play(AUTHORITY_PLAY, certificate_authority_directory=str(other))
    (here.authority / "issuing.pem").write_bytes((other / "issuing.pem").read_bytes())
    here.play(AUTHORITY_PLAY, check=False).refused("issuing.pem is not issued by the key of root.pem")


def test_without_community_crypto_the_remedy_is_named(here: Site, tmp_path: Path) -> None:
    base = tmp_path / "collections/ansible_collections/mailsec"
    base.mkdir(parents=True)
    (base / "dane").symlink_to(Path(__file__).parents[3])
    env = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections")}
    remedy = "ansible-galaxy collection install community.crypto"
    here.play(AUTHORITY_PLAY, check=False, env=env).refused("community.crypto is not installed", remedy)
    assert not here.authority.exists()
    here.play(AUTHORITY_PLAY)
    here.play(CERTIFICATE_PLAY, check=False, env=env).refused("community.crypto is not installed", remedy)
    assert not (tmp_path / "one/live/keychain.pem").exists()


def test_an_expiring_authority_is_found_before_it_hurts(here: Site) -> None:
    days = {"certificate_authority_issuing_days": 80, "certificate_authority_renew_days": 40}
    here.certify(check=False, **days).refused("expires in 7", "Apply the role certificate_authority first")
    assert not (here.authority.parent / "one/live/keychain.pem").exists()
    here.certify()


def test_the_authority_directory_stays_private(here: Site) -> None:
    here.play(AUTHORITY_PLAY)
    os.chmod(here.authority, 0o755)
    assert here.play(AUTHORITY_PLAY, "--check").recap("localhost")["changed"] == 1
    assert here.play(AUTHORITY_PLAY).recap("localhost")["changed"] == 1
    assert stat.S_IMODE(here.authority.stat().st_mode) == 0o700
