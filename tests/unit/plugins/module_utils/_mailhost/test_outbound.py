# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How mail leaves a Postfix, judged from its settings; real ones: tests/integration/outbound."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound import (
    Instance,
    Service,
    Table,
    is_local,
    on_this_host,
    route,
    table_names,
    ways,
)
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound_findings import judge, without_support
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.outbound_plan import lowered, plan, worse
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import Software

ON = {
    "smtp_tls_security_level": "dane",
    "smtp_dns_support_level": "dnssec",
    "smtp_host_lookup": "dns",
    "smtp_tls_dane_insecure_mx_policy": "dane",
    "ignore_mx_lookup_error": "no",
    "default_transport": "smtp",
    "relay_transport": "relay",
    "mydestination": "mail.example.nl, localhost",
    "smtp_tls_loglevel": "1",
}
SERVICES = (Service("smtp", "smtp", {}), Service("relay", "smtp", {}), Service("lmtp", "lmtp", {}))


def postfix(
    settings: t.Mapping[str, str] | None = None,
    services: tuple[Service, ...] = SERVICES,
    options: t.Mapping[str, t.Mapping[str, str]] | None = None,
    tables: t.Mapping[str, t.Sequence[tuple[str, str]] | None] | None = None,
    **more: t.Any,
) -> Instance:
    given = dict(settings or {})
    own = {f"{service.name}/unix": service.options for service in services if service.options}
    return Instance(
        **{
            "directory": "/etc/postfix",
            "main": True,
            "active": True,
            "parameters": {**ON, **given},
            "explicit": frozenset(given),
            "services": services,
            "options": {**own, **(options or {})},
            "tables": {
                name: Table(name, None if rows is None else tuple(rows), "" if rows else "closed")
                for name, rows in (tables or {}).items()
            },
            **more,
        }
    )


def with_options(**options: str) -> tuple[Service, ...]:
    return (Service("smtp", "smtp", options), *SERVICES[1:])


def codes(instance: Instance) -> list[tuple[str, str]]:
    return [(entry.finding.code, entry.exception) for entry in judge(instance)]


def states(instance: Instance) -> dict[str, str]:
    return {way.service.name: way.state for way in ways(instance)}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"smtp_tls_security_level": "dane-only"},
        {"smtp_host_lookup": "dns, native"},
        {"smtp_tls_security_level": "secure"},
        {"smtp_tls_security_level": "", "smtp_enforce_tls": "yes"},
    ],
)
def test_every_receiver_is_validated(more: dict[str, str]) -> None:
    assert codes(postfix(more)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp_tls_security_level", "may"),
        ("smtp_tls_security_level", ""),
        ("smtp_tls_security_level", "encrypt"),
        ("smtp_dns_support_level", ""),
        ("smtp_dns_support_level", "enabled"),
        ("smtp_host_lookup", "native"),
        ("ignore_mx_lookup_error", "yes"),
        ("smtp_dns_resolver_options", "res_defnames"),
        ("smtp_tls_dane_insecure_mx_policy", "may"),
    ],
)
def test_a_setting_that_switches_dane_off_is_named_wherever_it_stands(name: str, value: str) -> None:
    [inherited] = judge(postfix({name: value}))
    [own] = judge(postfix(services=with_options(**{name: value})))
    for entry in (inherited, own):
        assert entry.finding.code == "outbound-dane-off" and entry.exception == "smtp"
        assert f"{name} = {value or '(empty)'}" in entry.finding.evidence
        assert "service smtp/unix" in entry.finding.subject
        assert entry.finding.remedy.startswith("Run: postconf -") and "postfix reload" in entry.finding.remedy
    assert f"-e '{name} = " in inherited.finding.remedy
    assert "-o of service smtp/unix" in own.finding.evidence
    # Where the service goes without DNS, names that only this host's files know stay deliverable.
    command = f"-P smtp/unix/{name}=dns,native " if value == "native" else f"-PX smtp/unix/{name}"
    assert command in own.finding.remedy


def test_the_command_names_the_right_value_where_main_cf_is_wrong_as_well() -> None:
    [entry] = judge(postfix({"smtp_tls_security_level": "may"}, with_options(smtp_tls_security_level="none")))
    assert "postconf -P smtp/unix/smtp_tls_security_level=dane && postfix reload" in entry.finding.remedy


def test_another_instance_is_named_with_its_directory() -> None:
    [entry] = judge(postfix({"smtp_tls_security_level": "may"}, directory="/etc/postfix-out", main=False))
    assert entry.exception == "/etc/postfix-out/smtp"
    assert "postconf -c /etc/postfix-out -e 'smtp_tls_security_level = dane'" in entry.finding.remedy
    assert "postfix -c /etc/postfix-out reload" in entry.finding.remedy
    assert judge(postfix({"smtp_tls_security_level": "may"}, active=False)) == []


def test_an_exception_is_for_the_thing_that_it_names() -> None:
    off = postfix({"smtp_tls_security_level": "may"})
    assert [entry.accepted for entry in judge(off, ["smtp"])] == [True]
    assert [entry.accepted for entry in judge(off, ["relay"])] == [False]
    assert [entry.accepted for entry in judge(postfix(off.parameters, main=False), ["smtp"])] == [False]


# --- which mail takes a service ---


FILTER = Service("smtp-amavis", "smtp", {"smtp_tls_security_level": "none", "smtp_dns_support_level": "disabled"})


@pytest.mark.parametrize(
    ("settings", "options", "tables", "state"),
    [
        ({}, {}, {}, "unused"),
        ({"content_filter": "smtp-amavis:[127.0.0.1]:10024"}, {}, {}, "local"),
        ({}, {"smtp/inet": {"content_filter": "smtp-amavis:[::1]:10024"}}, {}, "local"),
        ({"content_filter": "smtp-amavis:[198.51.100.7]:10024"}, {}, {}, "local"),
        ({"content_filter": "smtp-amavis:[amavis.example.nl]:10024"}, {}, {}, "off"),
        ({"default_transport": "smtp-amavis"}, {}, {}, "off"),
        ({"transport_maps": "hash:/t"}, {}, {"hash:/t": [("example.com", "smtp-amavis:")]}, "off"),
        ({"transport_maps": "mysql:/t"}, {}, {"mysql:/t": None}, "off"),
        ({"sender_dependent_default_transport_maps": "hash:/t"}, {}, {"hash:/t": [("@a.nl", "smtp-amavis:")]}, "off"),
        ({}, {}, {"hash:/access": [("example.com", "FILTER smtp-amavis:[amavis.example.nl]")]}, "off"),
        ({"relay_transport": "smtp-amavis", "relay_domains": "inside.nl"}, {}, {}, "off"),
        ({"relay_transport": "smtp-amavis", "relay_domains": "mail.example.nl"}, {}, {}, "unused"),
    ],
)
def test_a_service_counts_by_the_mail_that_takes_it(
    settings: dict[str, str], options: dict[str, t.Any], tables: dict[str, t.Any], state: str
) -> None:
    instance = postfix(settings, (*SERVICES, FILTER), options, tables)
    assert states(instance)["smtp-amavis"] == state
    assert (("outbound-dane-off", "smtp-amavis") in codes(instance)) == (state == "off")


def test_lmtp_delivers_into_mailboxes_and_is_not_counted() -> None:
    instance = postfix({"virtual_transport": "lmtp:inet:mailbox.example.nl", "lmtp_tls_security_level": ""})
    assert states(instance)["lmtp"] == "local" and codes(instance) == []


@pytest.mark.parametrize(
    ("next_hop", "here", "local"),
    [
        ("[127.0.0.1]:10024", True, True),
        ("127.0.0.1:10024", True, True),
        ("[::1]:10024", True, True),
        ("localhost:10024", True, True),
        ("unix:private/dovecot-lmtp", True, True),
        ("inet:127.0.0.1:24", True, True),
        ("[198.51.100.7]", False, True),
        ("[IPv6:2001:db8::1]:25", False, True),
        ("[localhost.example.nl]", False, False),
        ("example.nl", False, False),
        ("", False, False),
    ],
)
def test_what_is_on_this_host_and_what_has_no_name(next_hop: str, here: bool, local: bool) -> None:
    assert (on_this_host(next_hop), is_local(next_hop)) == (here, local)


def test_a_transport_that_is_no_smtp_client_is_not_known() -> None:
    instance = postfix({"default_transport": "uucp:gate"})
    assert route(instance) == "other" and codes(instance) == [("outbound-unknown", "uucp")]


# --- relays ---


@pytest.mark.parametrize("level", ["secure", "dane", "may", "encrypt"])
def test_dane_ends_at_a_relay_whatever_the_level_of_the_way_to_it(level: str) -> None:
    instance = postfix({"relayhost": "[relay.example.nl]:587", "smtp_tls_security_level": level})
    assert codes(instance) == [("outbound-relay", "[relay.example.nl]:587")]
    [entry] = judge(instance)
    assert f"at TLS level {level}" in entry.finding.evidence
    assert route(instance) == "relay"


def test_a_program_of_this_host_is_not_a_relay() -> None:
    instance = postfix({"relayhost": "[127.0.0.1]:10026", "smtp_tls_security_level": "none"})
    assert codes(instance) == [] and route(instance) == "local"


@pytest.mark.parametrize(
    ("settings", "tables"),
    [
        ({"default_transport": "smtp:[relay.example.nl]:587"}, {}),
        ({"transport_maps": "hash:/t"}, {"hash:/t": [("*", "smtp:[relay.example.nl]:587")]}),
        ({"sender_dependent_relayhost_maps": "hash:/t"}, {"hash:/t": [("@a.nl", "[relay.example.nl]:587")]}),
        ({"smtp_fallback_relay": "[relay.example.nl]:587"}, {}),
    ],
)
def test_every_way_to_a_relay_is_found(settings: dict[str, str], tables: dict[str, t.Any]) -> None:
    assert ("outbound-relay", "[relay.example.nl]:587") in codes(postfix(settings, tables=tables))


# --- tables of TLS policies ---


def test_next_hops_with_a_lower_level_are_named_and_stronger_ones_are_not() -> None:
    rows = [
        ("a.nl", "may"),
        ("b.nl", "NONE"),
        ("c.nl", "secure match=x"),
        ("d.nl", "encrypt"),
        ("[127.0.0.1]:1", "none"),
    ]
    instance = postfix({"smtp_tls_policy_maps": "hash:/p"}, tables={"hash:/p": rows})
    assert codes(instance) == [("outbound-policy-lower", "a.nl"), ("outbound-policy-lower", "b.nl")]
    [entry, _other] = judge(instance)
    assert "postmap hash:/p && postfix reload" in entry.finding.remedy


def test_the_first_table_wins() -> None:
    tables = {"hash:/p": [("a.nl", "dane")], "hash:/q": [("a.nl", "may")]}
    assert codes(postfix({"smtp_tls_policy_maps": "hash:/p, hash:/q"}, tables=tables)) == []


def test_a_table_that_cannot_be_listed_is_not_known() -> None:
    instance = postfix({"smtp_tls_policy_maps": "proxy:mysql:/p"}, tables={"proxy:mysql:/p": None})
    assert codes(instance) == [("outbound-unknown", "proxy:mysql:/p")]


@pytest.mark.parametrize(("value", "found"), [("NONE", True), ("MAY", False), ("MUST", False)])
def test_the_obsolete_table_counts_where_there_is_no_other(value: str, found: bool) -> None:
    tables = {"hash:/s": [("a.nl", value)], "hash:/p": [("b.nl", "dane")]}
    instance = postfix({"smtp_tls_per_site": "hash:/s"}, tables=tables)
    assert bool(codes(instance)) == found
    both = postfix({"smtp_tls_per_site": "hash:/s", "smtp_tls_policy_maps": "hash:/p"}, tables=tables)
    assert codes(both) == []


def test_a_chroot_with_other_resolvers_is_not_known() -> None:
    copy = "/var/spool/postfix/etc/resolv.conf"
    assert codes(postfix(other_resolver=copy)) == [("outbound-unknown", copy)]
    assert codes(postfix({"smtp_tls_security_level": "secure"}, other_resolver=copy)) == []


def test_names_of_tables() -> None:
    value = "hash:/a, inline:{ x = y, z = w } regexp:/b,static:{may x}"
    assert table_names(value) == ["hash:/a", "inline:{ x = y, z = w }", "regexp:/b", "static:{may x}"]


# --- what may be set ---


def test_a_host_without_tls_gets_everything_and_keeps_its_hosts_file() -> None:
    now = {"smtp_tls_security_level": "", "smtp_dns_support_level": "", "smtp_host_lookup": "native"}
    wanted = plan(postfix({**now, "smtp_tls_dane_insecure_mx_policy": "may", "ignore_mx_lookup_error": "yes"}), True)
    assert wanted.parameters == {
        "smtp_tls_security_level": "dane",
        "smtp_dns_support_level": "dnssec",
        "smtp_host_lookup": "dns, native",
        "smtp_tls_dane_insecure_mx_policy": "dane",
        "ignore_mx_lookup_error": "no",
    }
    assert plan(postfix(), True).parameters == {}


@pytest.mark.parametrize(
    "settings",
    [
        *({"smtp_tls_security_level": name} for name in ("verify", "secure", "fingerprint", "encrypt")),
        {"smtp_tls_security_level": "", "smtp_enforce_tls": "yes"},
        {"smtp_tls_security_level": "", "smtp_enforce_tls": "yes", "smtp_tls_enforce_peername": "no"},
        {"smtp_tls_security_level": "may", "smtp_tls_wrappermode": "yes"},
        {"smtp_tls_security_level": "may", "smtp_dns_support_level": "", "disable_dns_lookups": "yes"},
        {"smtp_tls_security_level": "may", "smtp_dns_support_level": "disabled"},
    ],
)
def test_nothing_is_lowered_and_no_mail_takes_another_way(settings: dict[str, str]) -> None:
    wanted = plan(postfix(settings), True)
    assert wanted.parameters == {} and wanted.services == () and len(wanted.kept) == 1


def test_dane_only_stays_and_gets_what_it_needs() -> None:
    wanted = plan(postfix({"smtp_tls_security_level": "dane-only", "smtp_dns_support_level": "enabled"}), True)
    assert wanted.parameters == {"smtp_dns_support_level": "dnssec"}


def test_a_filter_that_goes_without_dns_by_the_older_parameter_still_does() -> None:
    services = (*SERVICES, Service("smtp-amavis", "smtp", {"disable_dns_lookups": "yes"}))
    wanted = plan(postfix({"smtp_dns_support_level": ""}, services), True)
    assert wanted.services == (("smtp-amavis", {"smtp_dns_support_level": "disabled"}),)
    assert plan(postfix(services=services), True).services == ()


@pytest.mark.parametrize(
    "options",
    [{"disable_dns_lookups": "yes"}, {"smtp_dns_support_level": "disabled"}, {"smtp_host_lookup": "native"}],
)
@pytest.mark.parametrize("now", ["may", "none"])
def test_a_service_without_dns_keeps_its_level_so_that_postfix_warns_of_nothing(
    options: dict[str, str], now: str
) -> None:
    services = (*SERVICES, Service("filter", "smtp", options))
    wanted = dict(plan(postfix({"smtp_tls_security_level": now}, services), True).services)
    assert wanted["filter"]["smtp_tls_security_level"] == now
    own = (*SERVICES, Service("filter", "smtp", {**options, "smtp_tls_security_level": "encrypt"}))
    assert plan(postfix({"smtp_tls_security_level": now}, own), True).services == ()


def test_dane_can_be_taken_back() -> None:
    now = postfix({"smtp_tls_dane_insecure_mx_policy": "dane"})
    assert plan(now, False).parameters == {
        "smtp_tls_security_level": "may",
        "smtp_dns_support_level": "enabled",
        "smtp_tls_dane_insecure_mx_policy": None,
    }
    assert plan(postfix({"smtp_tls_security_level": "dane-only"}), False).parameters == {}


# --- before and after ---


@pytest.mark.parametrize(
    ("before", "after", "less"),
    [
        ("secure", "dane", True),
        ("encrypt", "dane", True),
        ("dane-only", "dane", True),
        ("dane", "may", True),
        ("dane", "encrypt", True),
        ("may", "dane", False),
        ("none", "dane", False),
        ("dane", "secure", False),
    ],
)
def test_whether_a_level_asks_less(before: str, after: str, less: bool) -> None:
    assert lowered(before, after) == less
    shown = {"directory": "/etc/postfix", "policies": [], "services": [{"name": "smtp", "in_effect": before}]}
    now = {**shown, "services": [{"name": "smtp", "in_effect": after}]}
    assert len(worse({"instances": [shown]}, [now])) == less


def test_software_without_dane_is_said() -> None:
    software = Software("3.7", "", False, "built without TLS")
    [entry] = without_support(software, [])
    assert (entry.finding.code, entry.finding.evidence) == ("outbound-dane-off", "built without TLS")
    assert without_support(Software("3.7", "", True, "fine"), []) == []
