# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the probe that read what a stranger sent, on anything whatever (design invariant 5)."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._smtp.key_exchange import key_exchange_group
from ansible_collections.mailsec.dane.plugins.module_utils._smtp.reply import Closed, Reply, ReplyError, ReplyReader
from ansible_collections.mailsec.dane.plugins.module_utils._text import printable


def read(*pieces: bytes) -> Reply:
    """The first reply in ``pieces``, which arrive one by one; a line has up to 64 bytes, a reply up to 4 lines."""
    left = list(pieces)

    async def receive() -> bytes:
        return left.pop(0) if left else b""

    return asyncio.run(ReplyReader(receive, 64, 4).read())


@given(text=st.one_of(st.text(), st.binary()), limit=st.integers(0, 300))
def test_printable_is_bounded_printable_ascii_and_no_template(text: str | bytes, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert all(" " <= char <= "~" for char in shown)
    assert not any(opening in shown for opening in ("{{", "{%", "{#"))


@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="{"), max_size=256))
def test_printable_leaves_plain_text_alone(text: str) -> None:
    assert printable(text) == printable(text.encode()) == text


@given(cuts=st.lists(st.integers(1, 30), max_size=4))
def test_a_reply_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    data = b"250-mx\r\n250-SIZE\r\n250 ok\r\n"
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges) if a < b]
    assert read(*pieces) == Reply(250, ("mx", "SIZE", "ok"))


@given(pieces=st.lists(st.binary(min_size=1, max_size=100), max_size=10))
def test_a_reply_of_anything_is_a_reply_or_an_error(pieces: list[bytes]) -> None:
    try:
        reply = read(*pieces)
    except (ReplyError, Closed) as error:
        assert str(error)
    else:
        assert 200 <= reply.code < 600
        assert 1 <= len(reply.lines) <= 4


@pytest.mark.parametrize("line", [b"", b"hello", b"99 x", b"2500 x", b"250x", b"199 no", b"600 no", b" 250 x", b"\x00"])
def test_what_is_no_reply(line: bytes) -> None:
    with pytest.raises(ReplyError, match="not an SMTP reply"):
        read(line + b"\r\n")


def test_the_last_line_has_the_code() -> None:
    assert read(b"250-a\r\n550 b\r\n") == Reply(550, ("a", "b"))


@pytest.mark.parametrize(("size", "fits"), [(64, True), (65, False)])
def test_the_limit_of_a_line_counts_its_end(size: int, fits: bool) -> None:
    line = b"250 " + b"x" * (size - 6) + b"\r\n"
    if fits:
        assert read(line).code == 250
    else:
        with pytest.raises(ReplyError, match="more than 64 bytes"):
            read(line)


@given(heard=st.binary(max_size=300))
def test_a_group_of_anything_never_fails(heard: bytes) -> None:
    assert isinstance(key_exchange_group(heard), str)
    assert isinstance(key_exchange_group(b"\x16\x03\x03" + len(heard).to_bytes(2, "big") + heard), str)


def server_hello(group: int, version: bytes = b"\x03\x04") -> bytes:
    extensions = b"\x00\x2b\x00\x02" + version + b"\x00\x33\x00\x04" + group.to_bytes(2, "big") + b"\x00\x00"
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x13\x01\x00" + len(extensions).to_bytes(2, "big") + extensions
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message


@pytest.mark.parametrize(
    ("heard", "group"),
    [
        (server_hello(4588), "X25519MLKEM768"),
        (server_hello(0x1234), "0x1234"),
        (server_hello(29, b"\x03\x03"), ""),
        (server_hello(24) + b"\x14\x03\x03\x00\x01\x01" + server_hello(23), "secp256r1"),
        (server_hello(29)[:-7], ""),
        (b"", ""),
    ],
)
def test_groups_of_made_up_handshakes(heard: bytes, group: str) -> None:
    assert key_exchange_group(heard) == group
