# Copyright: (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with an option of the modules on mail hosts is said with the option's name."""

from __future__ import annotations

import json
import types
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.mailsec.dane.plugins.modules import mail_host_info, next_hops_info, resolv_conf, resolver_info


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        (resolv_conf, {"resolvers": ["localhost"]}, "resolvers has 'localhost': only a loopback address"),
        (resolv_conf, {"resolvers": ["192.0.2.3"]}, "resolvers has '192.0.2.3': only a loopback address"),
        (resolver_info, {"address": "localhost"}, "address is 'localhost': only a loopback address"),
        (resolver_info, {"address": "192.0.2.3"}, "address is '192.0.2.3': only a loopback address"),
        (resolver_info, {"bogus_name": "a..b"}, "bogus_name: 'a..b' is not a domain name"),
        (next_hops_info, {"names": ["a b"]}, "names has 'a b': give host names"),
        (mail_host_info, {"ports": [0]}, "0 is not a port number: it is 1 to 65535"),
        (mail_host_info, {"expected": [{"ports": [70000], "spki_sha256": []}]}, "70000 is not a port number"),
    ],
)
def test_the_option_is_named(
    capsys: pytest.CaptureFixture[str], module: types.ModuleType, options: dict[str, t.Any], words: str
) -> None:
    with patch_module_args(options), pytest.raises(SystemExit):
        module.main()
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] and words in result["msg"]
