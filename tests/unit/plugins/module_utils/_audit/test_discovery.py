# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a mail domain to TLSA records; the ids are those of the rules about sending mail servers (SR-*)."""

from __future__ import annotations

import asyncio

import pytest
from support.memory_dns import INSECURE, MemoryDns

from ansible_collections.mailsec.dane.plugins.module_utils._audit.discovery import find_mx, locate
from ansible_collections.mailsec.dane.plugins.module_utils._audit.observation import (
    MAX_ADDRESSES,
    MAX_HOSTS,
    HostDns,
    MxHost,
    MxSet,
    Policy,
)
from ansible_collections.mailsec.dane.plugins.module_utils._dns.answer import Outcome

TLSA = "3 1 1 " + 32 * "ab"
LOOKUP_ERRORS = ("dnssec-bogus", "dns-servfail", "dns-refused", "dns-timeout", "dns-malformed")
OWN_VIEW = ("resolver-not-validating", "dns-unreachable")


def mx_of(dns: MemoryDns, domain: str = "example.nl") -> MxSet:
    return asyncio.run(find_mx(dns, domain))


def located(dns: MemoryDns, host: str = "mx.example.nl", port: int = 25) -> HostDns:
    return asyncio.run(locate(dns, host, port))


def host(security=None, **more: str) -> MemoryDns:
    """A host with an address, secure unless said otherwise."""
    dns = MemoryDns()
    return dns.add("mx.example.nl", "A", "192.0.2.1", **({"security": security} if security else {}))


class TestMailDomain:
    def test_order_of_preference_decides_m1(self) -> None:
        found = mx_of(MemoryDns().add("example.nl", "MX", "20 b.example.nl.", "10 c.example.nl.", "10 A.Example.NL."))
        assert found.hosts == (MxHost("a.example.nl", 10), MxHost("c.example.nl", 10), MxHost("b.example.nl", 20))
        assert found.is_secure
        assert found.reason == ""

    def test_a_host_named_twice_counts_once_with_its_best_preference(self) -> None:
        found = mx_of(MemoryDns().add("example.nl", "MX", "20 a.example.nl.", "5 a.example.nl.", "10 b.example.nl."))
        assert found.hosts == (MxHost("a.example.nl", 5), MxHost("b.example.nl", 10))

    def test_secure_alias_of_the_domain_is_followed_m2_n1(self) -> None:
        dns = MemoryDns().alias("example.nl", "shop.example.org").add("shop.example.org", "MX", "10 mx.example.org.")
        found = mx_of(dns)
        assert found.is_secure
        assert found.next_hops == ("example.nl", "shop.example.org")

    def test_insecure_alias_of_the_domain_makes_the_mx_set_insecure_m2_n2(self) -> None:
        dns = (
            MemoryDns().alias("example.nl", "x.example.org", INSECURE).add("x.example.org", "MX", "10 mx.example.org.")
        )
        found = mx_of(dns)
        assert not found.is_secure
        assert found.next_hops == ()

    def test_insecure_mx_set_is_used_but_said_to_be_insecure_m3_d1(self) -> None:
        found = mx_of(MemoryDns().add("example.nl", "MX", "10 mx.example.nl.", security=INSECURE))
        assert found.hosts == (MxHost("mx.example.nl", 10),)
        assert not found.is_secure

    @pytest.mark.parametrize("security", [None, INSECURE])
    def test_without_mx_the_domain_is_its_own_host_m5_d3(self, security) -> None:
        dns = MemoryDns().add("example.nl", "A", "192.0.2.1", **({"security": security} if security else {}))
        found = mx_of(dns)
        assert found.implicit
        assert found.hosts == (MxHost("example.nl", 0),)
        assert found.is_secure is (security is None)

    def test_absent_domain_has_no_implicit_mx_m6(self) -> None:
        found = mx_of(MemoryDns())
        assert (found.hosts, found.implicit, found.reason) == ((), False, "mail-domain-absent")

    def test_null_mx_is_not_an_implicit_mx_m6(self) -> None:
        found = mx_of(MemoryDns().add("example.nl", "MX", "0 ."))
        assert (found.hosts, found.null, found.implicit, found.reason) == ((), True, False, "null-mx")

    def test_null_mx_beside_a_host_is_no_null_mx(self) -> None:
        found = mx_of(MemoryDns().add("example.nl", "MX", "0 .", "10 mx.example.nl."))
        assert (found.hosts, found.null, found.null_beside) == ((MxHost("mx.example.nl", 10),), False, True)

    @pytest.mark.parametrize("reason", [*LOOKUP_ERRORS, *OWN_VIEW])
    def test_lookup_error_on_mx_is_neither_absence_nor_an_empty_set_d2_d5(self, reason: str) -> None:
        found = mx_of(MemoryDns().fail("example.nl", "MX", reason))
        assert (found.hosts, found.implicit, found.null, found.reason) == ((), False, False, reason)

    def test_too_many_hosts_are_counted_not_hidden(self) -> None:
        targets = [f"{number} mx{number:02}.example.nl." for number in range(40)]
        found = mx_of(MemoryDns().add("example.nl", "MX", *targets))
        assert len(found.hosts) == MAX_HOSTS
        assert found.left_out == 40 - MAX_HOSTS
        assert found.hosts[0].name == "mx00.example.nl"

    @pytest.mark.parametrize(
        ("domain", "words"),
        [
            ("exämple.nl", "xn--exmple-cua.nl"),
            ("", "empty"),
            ("192.0.2.1", "address"),
            ("[192.0.2.1]", "address"),
            ("ex ample.nl", "not a host name"),
            ("a" * 64 + ".nl", "label"),
        ],
    )
    def test_what_is_no_domain_is_named_in_the_error(self, domain: str, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            mx_of(MemoryDns(), domain)

    def test_upper_case_and_final_dot_do_not_matter(self) -> None:
        found = mx_of(MemoryDns().add("example.nl", "MX", "10 mx.example.nl."), "Example.NL.")
        assert found.domain == "example.nl"


class TestAddresses:
    def test_addresses_are_asked_before_tlsa_a1(self) -> None:
        dns = host().add("_25._tcp.mx.example.nl", "TLSA", TLSA)
        located(dns)
        assert dns.asked[:3] == ["mx.example.nl A", "mx.example.nl AAAA", "_25._tcp.mx.example.nl TLSA"]

    def test_secure_host_without_alias_is_its_own_base_domain_a5_p1(self) -> None:
        found = located(host().add("mx.example.nl", "AAAA", "2001:db8::1").add("_25._tcp.mx.example.nl", "TLSA", TLSA))
        assert (found.policy, found.base_domain, found.reason) == (Policy.DANE, "mx.example.nl", "")
        assert found.addresses == ("192.0.2.1", "2001:db8::1")
        assert found.tlsa is not None
        assert found.tlsa.rdata == (TLSA,)

    def test_no_address_is_unreachable_and_tlsa_is_not_asked_a2(self) -> None:
        dns = MemoryDns().add("mx.example.nl", "A")
        found = located(dns)
        assert (found.policy, found.reason) == (Policy.UNREACHABLE, "no-address")
        assert not any("TLSA" in question for question in dns.asked)

    def test_insecure_address_ends_the_search_for_tlsa_a3(self) -> None:
        dns = host(INSECURE).fail("_25._tcp.mx.example.nl", "TLSA", "dns-servfail")
        found = located(dns)
        assert (found.policy, found.reason) == (Policy.OPPORTUNISTIC, "address-insecure")
        assert not any("TLSA" in question for question in dns.asked)

    @pytest.mark.parametrize("reason", LOOKUP_ERRORS)
    def test_one_family_is_enough_a4(self, reason: str) -> None:
        dns = host().fail("mx.example.nl", "AAAA", reason).add("_25._tcp.mx.example.nl", "TLSA", TLSA)
        found = located(dns)
        assert (found.policy, found.addresses) == (Policy.DANE, ("192.0.2.1",))

    @pytest.mark.parametrize("reason", LOOKUP_ERRORS)
    def test_lookup_error_of_the_addresses_is_no_absence_d6(self, reason: str) -> None:
        dns = MemoryDns().add("mx.example.nl", "A").fail("mx.example.nl", "AAAA", reason)
        assert (located(dns).policy, located(dns).reason) == (Policy.LOOKUP_ERROR, reason)

    @pytest.mark.parametrize("reason", OWN_VIEW)
    def test_own_view_is_not_good_enough(self, reason: str) -> None:
        dns = MemoryDns().fail("mx.example.nl", "A", reason).fail("mx.example.nl", "AAAA", "dns-servfail")
        assert (located(dns).policy, located(dns).reason) == (Policy.UNKNOWN, reason)

    def test_too_many_addresses_are_counted(self) -> None:
        dns = MemoryDns().add("mx.example.nl", "A", *(f"192.0.2.{number}" for number in range(40)))
        found = located(dns)
        assert (len(found.addresses), found.left_out) == (MAX_ADDRESSES, 40 - MAX_ADDRESSES)

    @pytest.mark.parametrize("literal", ["192.0.2.1", "2001:db8::1"])
    def test_dane_does_not_apply_to_address_literals_p6(self, literal: str) -> None:
        dns = MemoryDns()
        found = located(dns, literal)
        assert (found.policy, found.reason, found.addresses) == (Policy.OPPORTUNISTIC, "address-literal", (literal,))
        assert dns.asked == []

    @pytest.mark.parametrize(
        "name", ["mx example.nl", r"a\.b.example.nl", "-mx.example.nl", "x" * 70 + ".nl", "mx\0.nl"]
    )
    def test_mx_target_that_is_no_host_name_is_never_looked_up(self, name: str) -> None:
        dns = MemoryDns()
        found = located(dns, name)
        assert (found.policy, found.reason) == (Policy.UNREACHABLE, "mx-bad-name")
        assert dns.asked == []


class TestAliases:
    def test_secure_alias_final_name_first_a6(self) -> None:
        dns = MemoryDns().alias("mx.example.nl", "mx.example.org").add("mx.example.org", "A", "192.0.2.1")
        dns.add("_25._tcp.mx.example.org", "TLSA", TLSA).add("_25._tcp.mx.example.nl", "TLSA", TLSA)
        found = located(dns)
        assert (found.policy, found.base_domain, found.canonical_name) == (
            Policy.DANE,
            "mx.example.org",
            "mx.example.org",
        )
        assert "_25._tcp.mx.example.nl TLSA" not in dns.asked

    def test_secure_alias_then_the_original_name_a6(self) -> None:
        dns = MemoryDns().alias("mx.example.nl", "mx.example.org").add("mx.example.org", "A", "192.0.2.1")
        found = located(dns.add("_25._tcp.mx.example.nl", "TLSA", TLSA))
        assert (found.policy, found.base_domain) == (Policy.DANE, "mx.example.nl")
        assert dns.asked[2:4] == ["_25._tcp.mx.example.org TLSA", "_25._tcp.mx.example.nl TLSA"]

    def test_names_in_the_middle_are_never_base_domains_a9(self) -> None:
        dns = MemoryDns().alias("mx.example.nl", "middle.example.nl").alias("middle.example.nl", "mx.example.org")
        dns.add("mx.example.org", "A", "192.0.2.1").add("_25._tcp.middle.example.nl", "TLSA", TLSA)
        found = located(dns)
        assert (found.policy, found.reason) == (Policy.OPPORTUNISTIC, "tlsa-absent")
        assert "_25._tcp.middle.example.nl TLSA" not in dns.asked

    def test_first_alias_secure_final_address_insecure_original_name_only_a7(self) -> None:
        dns = (
            MemoryDns()
            .alias("mx.example.nl", "mx.example.org")
            .add("mx.example.org", "A", "192.0.2.1", security=INSECURE)
        )
        dns.add("_25._tcp.mx.example.nl", "TLSA", TLSA).add("_25._tcp.mx.example.org", "TLSA", TLSA)
        found = located(dns)
        assert (found.policy, found.base_domain) == (Policy.DANE, "mx.example.nl")
        assert "_25._tcp.mx.example.org TLSA" not in dns.asked

    def test_a7_without_records_says_what_is_insecure(self) -> None:
        dns = (
            MemoryDns()
            .alias("mx.example.nl", "mx.example.org")
            .add("mx.example.org", "A", "192.0.2.1", security=INSECURE)
        )
        assert located(dns).reason == "address-insecure"

    def test_a7_with_an_insecure_hop_in_the_middle_d9(self) -> None:
        dns = (
            MemoryDns()
            .alias("mx.example.nl", "middle.example.org")
            .alias("middle.example.org", "x.example.org", INSECURE)
        )
        found = located(dns.add("x.example.org", "A", "192.0.2.1"))
        assert (found.policy, found.reason) == (Policy.OPPORTUNISTIC, "alias-insecure")

    def test_first_alias_insecure_no_dane_a8(self) -> None:
        dns = MemoryDns().alias("mx.example.nl", "mx.example.org", INSECURE).add("mx.example.org", "A", "192.0.2.1")
        dns.add("_25._tcp.mx.example.org", "TLSA", TLSA).add("_25._tcp.mx.example.nl", "TLSA", TLSA)
        found = located(dns)
        assert (found.policy, found.reason) == (Policy.OPPORTUNISTIC, "alias-insecure")
        assert not any("TLSA" in question for question in dns.asked)


class TestTlsa:
    def test_the_owner_name_has_the_port_really_used_t1(self) -> None:
        found = located(host().add("_2525._tcp.mx.example.nl", "TLSA", TLSA), port=2525)
        assert found.policy is Policy.DANE

    def test_secure_alias_of_the_tlsa_name_keeps_the_base_domain_t2_t3(self) -> None:
        dns = host().alias("_25._tcp.mx.example.nl", "tlsa.example.org").add("tlsa.example.org", "TLSA", TLSA)
        found = located(dns)
        assert (found.policy, found.base_domain) == (Policy.DANE, "mx.example.nl")

    def test_insecure_alias_of_the_tlsa_name_next_candidate_t2(self) -> None:
        dns = MemoryDns().alias("mx.example.nl", "mx.example.org").add("mx.example.org", "A", "192.0.2.1")
        dns.alias("_25._tcp.mx.example.org", "tlsa.example.com", INSECURE).add("tlsa.example.com", "TLSA", TLSA)
        found = located(dns.add("_25._tcp.mx.example.nl", "TLSA", TLSA))
        assert (found.policy, found.base_domain) == (Policy.DANE, "mx.example.nl")

    def test_insecure_records_count_for_nothing_p3(self) -> None:
        found = located(host().add("_25._tcp.mx.example.nl", "TLSA", TLSA, security=INSECURE))
        assert (found.policy, found.reason, found.tlsa) == (Policy.OPPORTUNISTIC, "tlsa-insecure", None)

    @pytest.mark.parametrize("there", [True, False])
    def test_absent_records_p3_d3(self, there: bool) -> None:
        dns = host().add("_25._tcp.mx.example.nl", "TXT") if there else host()
        assert (located(dns).policy, located(dns).reason) == (Policy.OPPORTUNISTIC, "tlsa-absent")

    @pytest.mark.parametrize("reason", LOOKUP_ERRORS)
    def test_lookup_error_is_the_end_of_the_host_p4_d7(self, reason: str) -> None:
        found = located(host().fail("_25._tcp.mx.example.nl", "TLSA", reason))
        assert (found.policy, found.reason) == (Policy.LOOKUP_ERROR, reason)
        assert found.failed_at_tlsa

    def test_lookup_error_at_the_first_candidate_stops_t4(self) -> None:
        dns = MemoryDns().alias("mx.example.nl", "mx.example.org").add("mx.example.org", "A", "192.0.2.1")
        dns.fail("_25._tcp.mx.example.org", "TLSA", "dns-timeout").add("_25._tcp.mx.example.nl", "TLSA", TLSA)
        assert (located(dns).policy, located(dns).reason) == (Policy.LOOKUP_ERROR, "dns-timeout")
        assert "_25._tcp.mx.example.nl TLSA" not in dns.asked

    @pytest.mark.parametrize("unproven", [Outcome.NODATA, Outcome.NXDOMAIN])
    def test_absence_that_cannot_be_proven_has_its_own_reason(self, unproven: Outcome) -> None:
        found = located(host().fail("_25._tcp.mx.example.nl", "TLSA", "dnssec-bogus", unproven))
        assert (found.policy, found.reason) == (Policy.LOOKUP_ERROR, "dns-denial-broken")

    @pytest.mark.parametrize("reason", OWN_VIEW)
    def test_own_view_is_not_good_enough(self, reason: str) -> None:
        found = located(host().fail("_25._tcp.mx.example.nl", "TLSA", reason))
        assert (found.policy, found.reason) == (Policy.UNKNOWN, reason)

    def test_host_name_too_long_for_a_tlsa_owner_has_no_records(self) -> None:
        name = ".".join(["x" * 60] * 4)
        found = located(MemoryDns().add(name, "A", "192.0.2.1"), name)
        assert (found.policy, found.reason) == (Policy.OPPORTUNISTIC, "tlsa-absent")
