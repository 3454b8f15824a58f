# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClientHello and the answer to it: against OpenSSL through Python's ssl, and against bytes of any kind (B06)."""

from __future__ import annotations

import contextlib
import importlib
import ssl
import warnings

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from support import credentials

from ansible_collections.mailsec.dane.plugins.module_utils._tls_scan.hello import (
    VERSIONS,
    Accepted,
    Question,
    Refused,
    Unreadable,
    client_hello,
    read_answer,
)

# The library warns when it is imported, which is nothing that the bytes of a server can cause.
importlib.import_module("tlslite.messages")

CURVES = (29, 23, 24)
SCHEMES = (0x0403, 0x0503, 0x0804, 0x0401)
ECDHE_ECDSA = 0xC02B
AES_128_13 = 0x1301


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = credentials.ecdsa("mx.example.nl")
    path = tmp_path_factory.mktemp("tls") / "keychain.pem"
    path.write_bytes(made.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    def answer(hello: bytes) -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(hello)
        with contextlib.suppress(ssl.SSLError):
            connection.do_handshake()
        return outgoing.read()

    return answer, made.chain


def question(protocol: str, **offered) -> Question:
    suites = (AES_128_13,) if protocol == "TLSv1.3" else (ECDHE_ECDSA,)
    return Question(protocol, **{"suites": suites, "groups": CURVES, "schemes": SCHEMES, **offered})


def test_tls_12_tells_all_in_the_clear(server):
    answer, chain = server
    found = read_answer(answer(client_hello(question("TLSv1.2", server_name="mx.example.nl"))))
    assert isinstance(found, Accepted)
    assert (found.protocol, found.suite, found.group, found.scheme) == ("TLSv1.2", ECDHE_ECDSA, "x25519", 0x0403)
    assert found.secure_renegotiation and found.extended_master_secret
    assert found.compression == 0
    assert found.chain == chain


def test_tls_13_names_its_group_without_a_key_share(server):
    answer, _chain = server
    found = read_answer(answer(client_hello(question("TLSv1.3", groups=(24,)))))
    assert found == Accepted("TLSv1.3", AES_128_13, "secp384r1")


@pytest.mark.parametrize("offered", [{"suites": (0x002F,)}, {"groups": (30000,)}, {"schemes": (0x0101,)}])
def test_what_the_server_does_not_have_is_refused(server, offered):
    answer, _chain = server
    assert isinstance(read_answer(answer(client_hello(question("TLSv1.2", **offered)))), Refused)


@pytest.mark.parametrize("protocol", ["TLSv1.1", "TLSv1.0", "SSLv3"])
def test_protocols_of_old_are_refused_by_a_server_of_today(server, protocol):
    answer, _chain = server
    assert isinstance(read_answer(answer(client_hello(question(protocol)))), Refused)


@pytest.mark.parametrize("protocol", VERSIONS)
def test_an_answer_cut_off_anywhere_is_no_answer_yet(server, protocol):
    answer, _chain = server
    whole = answer(client_hello(question("TLSv1.3" if protocol == "TLSv1.3" else "TLSv1.2")))
    seen = [read_answer(whole[:length]) for length in range(len(whole) + 1)]
    first = next(at for at, found in enumerate(seen) if found is not None)
    assert all(found == seen[-1] for found in seen[first:])


def test_ssl_2_is_recognised():
    hello = client_hello(question("SSLv2"))
    assert hello[0] & 0x80 and hello[2] == 1
    assert read_answer(b"\x80\x2e\x04" + bytes(44)) == Accepted("SSLv2", 0)
    assert read_answer(b"\x80\x03\x00\x00\x01") is None


@pytest.mark.parametrize("heard", [b"220 hello\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x17\x03\x03\x00\x01a"])
def test_what_is_no_tls_is_said_to_be_none(heard):
    with pytest.raises(Unreadable, match="does not answer with TLS records"):
        read_answer(heard)


def _record(kind: int, body: bytes) -> bytes:
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def _no_surprise(heard: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = read_answer(heard)
        except Unreadable:
            return
    assert found is None or isinstance(found, (Accepted, Refused))


@given(st.binary(max_size=400))
def test_any_bytes_at_all(heard):
    _no_surprise(heard)


@settings(max_examples=500)
@given(
    st.lists(st.tuples(st.sampled_from((2, 11, 12, 14, 4, 1)), st.binary(max_size=120)), max_size=5),
    st.binary(max_size=60),
)
def test_any_messages_in_records(messages, extensions):
    hello = b"\x03\x03" + bytes(32) + b"\x00\xc0\x2b\x00" + len(extensions).to_bytes(2, "big") + extensions
    content = _message(2, hello) + b"".join(_message(kind, body) for kind, body in messages) + _message(14, b"")
    _no_surprise(_record(22, content))
    _no_surprise(_record(22, content[len(_message(2, hello)) :]))


@pytest.fixture(scope="module")
def answers(server):
    answer, _chain = server
    return [answer(client_hello(question(protocol))) for protocol in ("TLSv1.2", "TLSv1.3")]


@settings(max_examples=500)
@given(st.integers(0, 1), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=4))
def test_an_answer_with_octets_changed(answers, which, changes):
    whole = bytearray(answers[which])
    for at, octet in changes:
        whole[at % len(whole)] = octet
    _no_surprise(bytes(whole))
