# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""main.cf and master.cf keep every byte that is not set; what is set is what Postfix would read."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import (
    ServiceWish,
    parameters,
    services,
    set_parameters,
    set_services,
    value_text,
    version,
)

MAIN = """\
# A comment of the administrator
myhostname=mail.example.nl

mynetworks = 127.0.0.0/8
# between
    192.0.2.0/24

    # indented comment
\t198.51.100.0/24
relayhost =
smtpd_banner = first
smtpd_banner = second
"""

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
VALUES = st.from_regex(r"([!-~]{1,6}( [!-~]{1,6}){0,3})?", fullmatch=True)
LINES = st.one_of(
    st.builds("{} = {}\n".format, NAMES, VALUES),
    st.builds("   {}\n".format, VALUES),
    st.builds("#{}\n".format, VALUES),
    st.just("\n"),
    st.just(" \t\n"),
)


def test_values_are_those_that_postfix_reads() -> None:
    assert parameters(MAIN) == {
        "myhostname": "mail.example.nl",
        "mynetworks": "127.0.0.0/8 192.0.2.0/24 198.51.100.0/24",
        "relayhost": "",
        "smtpd_banner": "second",
    }


def test_an_entry_that_says_it_already_keeps_its_bytes() -> None:
    same = {"mynetworks": "127.0.0.0/8 192.0.2.0/24 198.51.100.0/24", "myhostname": "mail.example.nl", "none": None}
    assert set_parameters(MAIN, same) == MAIN


def test_r20_a_comment_inside_a_changed_entry_stays_with_the_line_that_it_is_about() -> None:
    old = "mynetworks = 127.0.0.0/8\n# between\n    192.0.2.0/24\n\n    # indented comment\n\t198.51.100.0/24\n"
    kept = "# mynetworks = 127.0.0.0/8\n# between\n#     192.0.2.0/24\n\n    # indented comment\n# \t198.51.100.0/24\n"
    changed = set_parameters(MAIN, {"mynetworks": "192.0.2.1"})
    assert changed == MAIN.replace(old, kept + "mynetworks = 192.0.2.1\n")
    assert set_parameters(changed, {"mynetworks": "192.0.2.2"}) == changed.replace("192.0.2.1\n", "192.0.2.2\n")
    assert set_parameters(MAIN, {"mynetworks": None}) == MAIN.replace(old, kept)
    assert set_parameters("a = b,\n# c\n  d", {"a": "x"}) == "# a = b,\n# c\n#   d\na = x\n"


def test_the_last_of_several_entries_counts_and_the_others_go_with_it() -> None:
    assert set_parameters(MAIN, {"smtpd_banner": "second"}) == MAIN
    changed = set_parameters(MAIN, {"smtpd_banner": "third"})
    assert changed == MAIN.replace("smtpd_banner = first\nsmtpd_banner = second\n", "smtpd_banner = third\n")
    assert "smtpd_banner" not in set_parameters(MAIN, {"smtpd_banner": None})


def test_a_file_without_a_last_line_end() -> None:
    assert set_parameters("a = 1", {"b": "2"}) == "a = 1\nb = 2\n"
    assert set_parameters("", {"b": ""}) == "b =\n"


@given(st.lists(LINES), st.dictionaries(NAMES, st.one_of(st.none(), VALUES), max_size=4))
def test_any_file_and_any_wish(lines: list[str], wanted: dict[str, str | None]) -> None:
    text = "".join(lines)
    before = parameters(text)
    after = set_parameters(text, wanted)
    assert parameters(after) == {
        **{name: value for name, value in before.items() if wanted.get(name, "") is not None},
        **{name: value for name, value in wanted.items() if value is not None},
    }
    assert set_parameters(after, wanted) == after
    comments = [line for line in lines if not line.strip() or line.lstrip().startswith("#")]
    left = iter(line for line in after.splitlines(keepends=True) if not line.strip() or line.lstrip()[0] == "#")
    assert all(line in left for line in comments)  # all of them, in order


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"), (False, "no"), (1, "1"), (["a", "b"], "a, b"), ("a\n  b", "a b"), ("", ""), (None, None),
        ("x\nevil = y", "x evil = y"),
    ],
)  # fmt: skip
def test_values_of_playbooks(value: object, text: str | None) -> None:
    assert value_text("name", value) == text


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a b", "x", "is not a parameter name"),
        ("a\nb", "x", "is not a parameter name"),
        ("", "x", "is not a parameter name"),
        ("name", {"a": 1}, "parameter name: a value is text"),
        ("name", "a\0b", "parameter name: the value has control characters"),
        ("smtp_sasl_password_maps", "static:user:hunter2", "keep passwords in a file"),
        ("smtp_sasl_password_maps", "inline:{ {x=user:hunter2} }", "keep passwords in a file"),
    ],
)  # fmt: skip
def test_bad_values_are_named_and_secrets_are_not(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        value_text(name, value)
    assert "hunter2" not in str(caught.value)


MASTER = """\
# service type  private unpriv  chroot  wakeup  maxproc command + args
smtp      inet  n       -       y       -       -       smtpd
#submission inet n       -       y       -       -       smtpd
#  -o syslog_name=postfix/submission
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name
#       -o smtp_helo_timeout=5
        -o { smtp_header_checks = pcre:/etc/postfix/x, regexp:/y }
uucp      unix  -       n       n       -       -       pipe
  flags=Fqhu user=uucp argv=uux -r -n -z -a$sender - $nexthop!rmail ($recipient)
"""


def wish(name: str, kind: str = "inet", **more: t.Any) -> ServiceWish:
    more = {"columns": {}, "options": {}, **more}
    return ServiceWish(name, kind, **more)


def test_services_are_read_with_their_options() -> None:
    found = services(MASTER)
    assert list(found) == [("smtp", "inet"), ("relay", "unix"), ("uucp", "unix")]
    assert found["relay", "unix"].options == (
        ("syslog_name", "${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name"),
        ("smtp_header_checks", "pcre:/etc/postfix/x, regexp:/y"),
    )
    assert found["uucp", "unix"].options == () and found["uucp", "unix"].rest[0] == "flags=Fqhu"


def test_a_new_service_is_put_at_the_end_and_comments_stay_comments() -> None:
    new = wish("submission", columns={"command": "smtpd"}, options={"a": "x y", "b": "z"})
    text = set_services(MASTER, [new])
    assert text == MASTER + (
        "submission inet  n       -       -       -       -       smtpd\n    -o { a = x y }\n    -o b=z\n"
    )
    assert set_services(text, [new]) == text


def test_one_option_of_a_service_is_set_and_others_stay() -> None:
    text = set_services(MASTER, [wish("relay", "unix", options={"smtp_bind_address": "192.0.2.1", "none": None})])
    old, new = services(MASTER)["relay", "unix"], services(text)["relay", "unix"]
    assert new.options == (*old.options, ("smtp_bind_address", "192.0.2.1"))
    assert "#       -o smtp_helo_timeout=5\n" in text
    assert text.replace("    -o smtp_bind_address=192.0.2.1\n", "", 1) == MASTER


def test_r20_a_comment_between_options_stays_with_them() -> None:
    master = "submission inet n - y - - smtpd\n  -o a=b\n# for old clients\n  -o c=d"
    more = set_services(master, [wish("submission", options={"e": "f"})])
    assert more == master + "\n    -o e=f\n"
    text = set_services(master, [wish("submission", options={"a": "x"})])
    assert text.startswith("# submission inet n - y - - smtpd\n#   -o a=b\n# for old clients\n#   -o c=d\nsubmission ")
    assert services(text)["submission", "inet"].options == (("a", "x"), ("c", "d"))


def test_a_service_is_removed_with_its_lines() -> None:
    text = set_services(MASTER, [wish("uucp", "unix", present=False), wish("none", present=False)])
    assert text == MASTER[: MASTER.index("uucp")]


def test_arguments_of_pipe_are_replaced_as_a_whole() -> None:
    text = set_services(MASTER, [wish("uucp", "unix", arguments="flags=F user=x argv=/bin/y -o z")])
    assert services(text)["uucp", "unix"].rest == ("flags=F", "user=x", "argv=/bin/y", "-o", "z")
    assert services(text)["uucp", "unix"].options == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: wish("a b", columns={"command": "x"}), "is not a service name"),
        (lambda: wish("#x", columns={"command": "x"}), "is not a service name"),
        (lambda: wish("x", "tcp"), "type is 'tcp'"),
        (lambda: wish("x", columns={"command": "smtpd -o a=b"}), "command is 'smtpd -o a=b', it is a single word"),
        (lambda: wish("x", "unix", columns={"chroot": "yes"}), "chroot is 'yes', it is y, n or -"),
        (lambda: wish("x", "unix", columns={"process_limit": "many"}), "process_limit is 'many', it is a number or -"),
        (lambda: wish("x", "unix", columns={"wakeup": "1m"}), "wakeup is '1m', it is a number of seconds"),
        (lambda: wish("x", columns={"private": "-"}), "private is '-', it is n for inet"),
        (lambda: set_services(MASTER, [wish("x")]), "does not exist yet, so its command must be given"),
    ],
)  # fmt: skip
def test_bad_services_are_named(make: t.Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("older", "newer"), [("3.7.11", "3.10"), ("3.10.13", "3.11-20260821"), ("3.8", "3.8.1"), ("2.11", "3")]
)
def test_versions_are_numbers(older: str, newer: str) -> None:
    assert version(older) < version(newer)
