# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the validator by themselves, against the library's own and the examples of the RFCs (B04)."""

from __future__ import annotations

import contextlib

import dns.dnssec
import dns.name
import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Security
from ansible_collections.mailsec.dane.plugins.module_utils._dns.server import Server
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import anchors, keys, nsec3
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec import signature as dnssec_signature
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.limits import Limits, Work
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.nsec import Nsec
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.reasons import REASONS
from ansible_collections.mailsec.dane.plugins.module_utils._dnssec.validator import question

#: RFC 4034 section 5.4.
DSKEY = (
    "256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/"
    "M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw=="
)
DSKEY_DS = "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"


def key(text: str, owner: str = "dskey.example.com") -> keys.Key:
    rdata = dns.rdata.from_text("IN", "DNSKEY", text)
    return keys.Key(dns.name.from_text(owner), rdata)


def test_the_ds_example_of_rfc_4034():
    made = key(DSKEY)
    assert made.tag == 60485
    assert made.matches(dns.rdata.from_text("IN", "DS", DSKEY_DS))


@given(st.binary(min_size=4, max_size=300), st.sampled_from([256, 257, 384, 0]), st.sampled_from([8, 13, 15]))
def test_key_tags_are_those_of_the_library(body, flags, algorithm):
    data = flags.to_bytes(2, "big") + bytes([3, algorithm]) + body
    rdata = dns.rdata.from_wire("IN", "DNSKEY", data, 0, len(data))
    assert keys.Key(dns.name.root, rdata).tag == dns.dnssec.key_id(rdata)


@given(st.binary(max_size=600), st.sampled_from([5, 7, 8, 10, 13, 14, 15, 16, 1, 3, 200]), st.binary(max_size=80))
def test_no_key_material_crashes(body, algorithm, signature):
    data = b"\1\0\3" + bytes([algorithm]) + body
    made = keys.Key(dns.name.root, dns.rdata.from_wire("IN", "DNSKEY", data, 0, len(data)))
    with contextlib.suppress(keys.Unusable, keys.Unsupported):
        assert made.verifies(signature, b"data") is False


@pytest.mark.parametrize(
    ("exponent", "bits"), [(b"\1\0\1", 4096 + 8), (b"\1" + b"\0" * 8 + b"\1", 2048)], ids=["modulus", "exponent"]
)
def test_huge_rsa_keys_are_not_computed(exponent, bits):
    body = bytes([len(exponent)]) + exponent + b"\xff" * (bits // 8)
    data = b"\1\0\3\x08" + body
    made = keys.Key(dns.name.root, dns.rdata.from_wire("IN", "DNSKEY", data, 0, len(data)))
    with pytest.raises(keys.Unsupported):
        made.verifies(b"\0" * (bits // 8), b"data")


@pytest.mark.parametrize(
    ("owner", "hashed"),
    [
        ("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
        ("a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
        ("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
        ("X.Y.w.example", "2vptu5timamqttgl4luu9kg21e0aor3s"),
    ],
)
def test_the_hashes_of_rfc_5155_appendix_a(owner, hashed):
    """Through a proof, since hashing is not an interface of its own: the name matches the record with its hash."""
    digest = nsec3.decode_hash(hashed.encode())
    assert digest is not None
    zone = dns.name.from_text("example")
    record = nsec3.Nsec3(zone, digest, bytes(20), False, 12, bytes.fromhex("aabbccdd"), frozenset({46}))
    proof = nsec3.deny(dns.name.from_text(owner), 1, [record], False, Work(Limits()))
    assert (proof.proven, proof.code) == (True, "")


def test_a_hash_that_is_none():
    assert nsec3.decode_hash(b"w" * 32) is None
    assert nsec3.decode_hash(b"0" * 31) is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**31 - 1))
def test_serial_arithmetic_wraps(start, step):
    assert dnssec_signature.serial_after((start + step) % 2**32, start)
    assert not dnssec_signature.serial_after(start, (start + step) % 2**32)
    assert dnssec_signature.remaining((start + step) % 2**32, start) == step
    assert dnssec_signature.remaining(start, (start + step) % 2**32) == -step


NAMES = sorted(dns.name.from_text(text) for text in ("z", "a.z", "b.a.z", "*.a.z", "c.z", "x.c.z", "zz.z"))


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_an_nsec_record_covers_what_lies_strictly_between(owner, following, name):
    record = Nsec(NAMES[0], owner, following, frozenset())
    assert not (record.covers(name) and name in (owner, following))
    if following != NAMES[0]:
        assert record.covers(name) == (owner < name < following)
    else:
        assert record.covers(name) == (owner < name)


def test_the_root_anchors_are_those_of_iana():
    records = anchors.root_anchors().records[dns.name.root]
    assert sorted((int(record.key_tag), int(record.algorithm)) for record in records) == [(20326, 8), (38696, 8)]


def test_anchors_in_xml_and_in_lines_are_the_same():
    xml = """<?xml version="1.0"?><TrustAnchor id="x" source="y"><Zone>.</Zone>
    <KeyDigest id="K" validFrom="2017-02-02T00:00:00+00:00"><KeyTag>20326</KeyTag><Algorithm>8</Algorithm>
    <DigestType>2</DigestType><Digest>E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D</Digest>
    <PublicKey>AwEAAa</PublicKey><Flags>257</Flags></KeyDigest></TrustAnchor>"""
    lines = ". 3600 IN DS 20326 8 2 (E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC\n  683457104237C7F8EC8D ) ; KSK-2017"
    assert anchors.parse(xml) == anchors.parse(lines)


@pytest.mark.parametrize("text", ["", "; nothing", ". DS 1 2", ". A 192.0.2.1", ". DS 1 8 2 (ab", "a..b DS 1 8 2 ab"])
def test_anchors_that_are_none(text):
    with pytest.raises(ValueError, match="trust anchors"):
        anchors.parse(text)


@given(st.text(max_size=200))
def test_any_text_is_anchors_or_an_error(text):
    try:
        assert anchors.parse(text).records
    except ValueError as error:
        assert "trust anchors" in str(error)


@given(st.text(max_size=80), st.sampled_from(["A", "TLSA", "TYPE65400", "DS"]))
def test_any_text_is_a_question_or_an_error(name, rdtype):
    try:
        owner, _number = question(name, rdtype)
    except ValueError as error:
        assert "domain name" in str(error) or "A-label" in str(error)
    else:
        assert owner.is_absolute()


def test_every_reason_says_what_to_do():
    for code, reason in REASONS.items():
        assert reason.remedy.endswith(".")
        assert reason.rule.startswith("RFC ")
        assert reason.security is not Security.SECURE
        assert (reason.roll_up == "dnssec-bogus") <= (reason.security is Security.BOGUS), code
    assert list(REASONS) == sorted(REASONS)


@pytest.mark.parametrize(("address", "port"), [("ns.example", 53), ("192.0.2.1", 0), ("192.0.2.1", 65536)])
def test_servers_that_are_none(address, port):
    with pytest.raises(ValueError, match=r"name server|not a port"):
        Server(address, port)
