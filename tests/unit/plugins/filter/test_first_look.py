# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter says nothing of a mail server at which nobody looked."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mailsec.dane.plugins.filter.rotation import first_look


@pytest.mark.parametrize(
    ("services", "sockets", "named"), [({}, [], "services"), ([], {}, "sockets"), ([], ["x"], "sockets")]
)
def test_what_is_not_a_look_is_an_error(services: t.Any, sockets: t.Any, named: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"{named} is not a list of dictionaries"):
        first_look(services, sockets)


def test_a_host_without_sockets_is_bare_and_one_without_a_look_is_not() -> None:
    assert first_look([], [])["situation"] == "bare"
    with pytest.raises(TypeError):
        first_look([])  # type: ignore[call-arg]
