# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT records, policies and certificates of MTA-STS, and fetching from web servers that do not mean well.

Over real DNS and HTTPS: tests/integration/audit/test_beside.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import ssl
import typing as t

import pytest
from oracle import pki
from oracle.pki import Spec, make
from support import credentials
from support.memory_dns import MemoryDns

from ansible_collections.mailsec.dane.plugins.module_utils._audit import https, txt
from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts import (
    Policy,
    PolicyError,
    certificate_fault,
    parse,
)
from ansible_collections.mailsec.dane.plugins.module_utils._audit.mta_sts_look import StsLook, _roots
from ansible_collections.mailsec.dane.plugins.module_utils._audit.policy_findings import tlsrpt_findings, tlsrpt_result
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import load_der

NAME = "mta-sts.example.nl"
GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.nl\r\nmx: *.Example.org\r\nmax_age: 604800\r\nfuture: x\r\n"


class TestTxt:
    @pytest.mark.parametrize(
        ("rdata", "content"),
        [('"v=STSv1; id=1"', "v=STSv1; id=1"), ('"v=ST" "Sv1;"', "v=STSv1;"), (r'"a\"b\\c\059"', r'a"b\c;'), ("", "")],
    )
    def test_strings_are_joined(self, rdata: str, content: str) -> None:
        assert txt.text(rdata) == content

    def test_other_records_do_not_count(self) -> None:
        assert txt.fields(['"v=spf1 -all"', '"v=STSv10; id=1"'], "STSv1") is None
        assert txt.fields(['"v=spf1 -all"', '"v=STSv1; id=a1;"'], "STSv1") == {"v": "STSv1", "id": "a1"}
        assert txt.fields(['"v=STSv1"'], "STSv1") == {"v": "STSv1"}

    @pytest.mark.parametrize("records", [['"v=STSv1; id=1"', '"v=STSv1; id=2"'], ['"v=STSv1; id"']])
    def test_what_senders_do_not_follow(self, records: list[str]) -> None:
        with pytest.raises(txt.TxtError):
            txt.fields(records, "STSv1")


class TestPolicy:
    def test_a_policy(self) -> None:
        assert parse(GOOD) == Policy("enforce", ("mx.example.nl", "*.example.org"), 604800)
        assert parse(GOOD.replace(b"\r\n", b"\n")) == parse(GOOD)
        assert parse(b"version: STSv1\nmode: none\nmax_age: 0\nmode: enforce") == Policy("none", (), 0)

    @pytest.mark.parametrize(
        ("policy", "words"),
        [
            (b"", "version"),
            (GOOD.replace(b"STSv1", b"STSv2"), "version"),
            (GOOD.replace(b"enforce", b"strict"), "the mode is strict"),
            (GOOD.replace(b"mode: enforce\r\n", b""), "the mode is missing"),
            (GOOD.replace(b"604800", b"-1"), "max_age"),
            (GOOD.replace(b"604800", b"31557601"), "max_age"),
            (b"version: STSv1\nmode: testing\nmax_age: 1\n", "no MX host"),
            (b"<html>\xff", "no colon"),
        ],
    )
    def test_what_is_no_policy(self, policy: bytes, words: str) -> None:
        with pytest.raises(PolicyError, match=words):
            parse(policy)

    @pytest.mark.parametrize(
        ("host", "covered"),
        [
            ("mx.example.nl", True),
            ("mx2.example.nl", False),
            ("a.example.org", True),
            ("a.b.example.org", False),
            ("example.org", False),
        ],
    )
    def test_patterns(self, host: str, covered: bool) -> None:
        assert parse(GOOD).covers(host) is covered


class TestCertificate:
    HOST = "mx.example.nl"
    CHAIN = tuple(map(load_der, credentials.ecdsa(HOST).chain))
    ROOTS = (CHAIN[2], load_der(make(Spec("Other", "Other", "other", "other"))))

    @pytest.mark.parametrize("sent", [2, 3])
    def test_in_order(self, sent: int) -> None:
        assert certificate_fault(self.CHAIN[:sent], self.HOST, self.ROOTS, pki.NOW) == ""

    def test_a_certificate_that_is_trusted_itself(self) -> None:
        assert certificate_fault(self.CHAIN[:1], self.HOST, self.CHAIN[:1], pki.NOW) == ""

    @pytest.mark.parametrize("sent", [1, 2, 3])
    def test_no_ca_that_is_trusted(self, sent: int) -> None:
        assert "no path" in certificate_fault(self.CHAIN[:sent], self.HOST, self.ROOTS[1:], pki.NOW)

    def test_nothing_is_said_about_trust_when_it_is_not_known_whom_to_trust(self) -> None:
        assert certificate_fault(self.CHAIN, self.HOST, (), pki.NOW) == ""

    def test_names_and_dates(self) -> None:
        assert "lacks mx2" in certificate_fault(self.CHAIN, "mx2.example.nl", self.ROOTS, pki.NOW)
        assert "valid from" in certificate_fault(self.CHAIN, self.HOST, self.ROOTS, pki.NOW + 200 * pki.DAY)


class TestReports:
    @pytest.mark.parametrize(
        ("records", "uris"),
        [
            (['"v=TLSRPTv1; rua=mailto:a@example.org,https://example.org/t"'], ["mailto:a@example.org", "https://example.org/t"]),
            (['"v=TLSRPTv1;rua=mailto:a@b"', '"v=spf1 -all"'], ["mailto:a@b"]),
            ([], []),
            (['"v=spf1 -all"'], []),
            (['"v=TLSRPTv1"'], []),
            (['"v=TLSRPTv1; rua=a@example.org"'], []),
            (['"v=TLSRPTv1; rua=mailto:a@b"', '"v=TLSRPTv1; rua=mailto:c@b"'], []),
        ],
    )  # fmt: skip
    def test_c32_who_is_told_of_failures(self, records: list[str], uris: list[str]) -> None:
        dns = MemoryDns().add("_smtp._tls.example.nl", "TXT", *records)
        answer = asyncio.run(dns.resolve("_smtp._tls.example.nl", "TXT"))
        assert tlsrpt_result(answer) == uris
        codes = [entry.code for entry in tlsrpt_findings("example.nl", answer)]
        assert codes == ([] if uris else ["tlsrpt-missing"])

    def test_what_could_not_be_found_out_is_not_missing(self) -> None:
        dns = MemoryDns().fail("_smtp._tls.example.nl", "TXT", "dns-timeout")
        answer = asyncio.run(dns.resolve("_smtp._tls.example.nl", "TXT"))
        assert tlsrpt_result(answer) is None
        assert [(e.code, e.severity.value) for e in tlsrpt_findings("example.nl", answer)] == [
            ("dns-timeout", "warning")
        ]


WEB_ROOT = make(Spec("Web Root", "Web Root", "web root", "web root", identifiers=True, cert_sign=True))


def web(name: str = NAME) -> credentials.Credentials:
    eku = (pki.SERVER_AUTH,)
    leaf = make(Spec(name, "Web Root", "web", "web root", ca=None, san=(name,), eku=eku, identifiers=True))
    return credentials.Credentials((leaf,), credentials._key_pem(pki.key("web")))


@contextlib.asynccontextmanager
async def served(answer: bytes, name: str = NAME, endless: bool = False) -> t.AsyncIterator[int]:
    """A web server that says ``answer``, whatever it is asked."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            while endless and not writer.is_closing():
                await writer.drain()
                writer.write(b"x" * 65536 if answer else b"")
                await asyncio.sleep(0 if answer else 0.05)
            writer.close()

    context = credentials.server_context(web(name))
    async with await asyncio.start_server(speak, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(WEB_ROOT))


def fetched(answer: bytes, seconds: float = 10, **more: t.Any) -> https.Response:
    async def run() -> https.Response:
        async with served(answer, **more) as port:
            return await https.get("127.0.0.1", port, NAME, "/x", trusting(), 1000, seconds)

    return asyncio.run(run())


def http(content: bytes, status: str = "200 OK", kind: str = "text/plain; charset=utf-8") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


class TestHttps:
    def test_a_response(self) -> None:
        assert fetched(http(b"abc")) == (200, "text/plain", b"abc")
        assert fetched(http(b"", "302 Found", "text/html")).status == 302

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"", "HTTP"),
            (b"220 mx.example.nl ESMTP\r\n", "HTTP"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc", "HTTP"),
            (http(b"x" * 1001), "more than 1000 bytes"),
            (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n", "header"),
        ],
    )
    def test_what_is_none(self, answer: bytes, words: str) -> None:
        with pytest.raises(https.HttpsError, match=words):
            fetched(answer)

    def test_it_ends_in_time_and_in_bytes(self) -> None:
        with pytest.raises(https.HttpsError, match="more than 1000 bytes"):
            fetched(b"HTTP/1.1 200 OK\r\n\r\n", endless=True)
        with pytest.raises(https.HttpsError, match=r"within 0\.5 seconds"):
            fetched(b"", seconds=0.5, endless=True)

    def test_a_certificate_for_another_name(self) -> None:
        with pytest.raises(https.HttpsError) as raised:
            fetched(http(b""), name="www.example.nl")
        assert raised.value.untrusted

    def test_nobody_there(self) -> None:
        async def run() -> None:
            async with served(b"") as port:
                pass
            await https.get("127.0.0.1", port, NAME, "/x", trusting(), 1000, 5)

        with pytest.raises(https.HttpsError, match="does not talk HTTPS") as raised:
            asyncio.run(run())
        assert not raised.value.untrusted


class TestLook:
    @staticmethod
    def looked(dns: MemoryDns, tmp_path: t.Any, answer: bytes = http(GOOD), code: str = "") -> tuple[t.Any, t.Any]:
        """The policy and the code of what is wrong."""
        (tmp_path / "ca.pem").write_text(ssl.DER_cert_to_PEM_cert(WEB_ROOT))

        async def run() -> tuple[t.Any, t.Any]:
            async with served(answer) as port:
                look = StsLook(dns, str(tmp_path / "ca.pem"), 10, lambda _address: code, port)
                view = await look.look("example.nl")
                assert not view.policy or [root.der for root in view.roots] == [WEB_ROOT]
                return view.policy, view.fault and view.fault[0]

        return asyncio.run(run())

    @staticmethod
    def dns(record: str = '"v=STSv1; id=1"') -> MemoryDns:
        return MemoryDns().add("_mta-sts.example.nl", "TXT", record).add(NAME, "A", "127.0.0.1")

    def test_a_policy(self, tmp_path: t.Any) -> None:
        assert self.looked(self.dns(), tmp_path) == (parse(GOOD), None)

    def test_a_domain_without_policy_is_not_asked_for_one(self, tmp_path: t.Any) -> None:
        dns = self.dns('"v=spf1 -all"')
        assert self.looked(dns, tmp_path) == (None, None)
        assert dns.asked == ["_mta-sts.example.nl TXT"]

    @pytest.mark.parametrize(
        ("record", "answer", "code"),
        [
            ('"v=STSv1; id=1-2"', http(GOOD), "sts-policy-invalid"),
            ('"v=STSv1; id"', http(GOOD), "sts-policy-invalid"),
            ('"v=STSv1; id=1"', http(GOOD, "404 Not Found"), "sts-policy-fetch-error"),
            ('"v=STSv1; id=1"', http(GOOD, "301 Moved"), "sts-policy-fetch-error"),
            ('"v=STSv1; id=1"', http(GOOD, kind="text/html"), "sts-policy-invalid"),
            ('"v=STSv1; id=1"', http(b"nothing"), "sts-policy-invalid"),
            ('"v=STSv1; id=1"', b"", "sts-policy-fetch-error"),
        ],
    )
    def test_what_senders_do_not_follow(self, tmp_path: t.Any, record: str, answer: bytes, code: str) -> None:
        assert self.looked(self.dns(record), tmp_path, answer) == (None, code)

    def test_what_could_not_be_found_out(self, tmp_path: t.Any) -> None:
        dns = MemoryDns().fail("_mta-sts.example.nl", "TXT", "dns-servfail")
        assert self.looked(dns, tmp_path) == (None, "dns-servfail")
        dns = MemoryDns().add("_mta-sts.example.nl", "TXT", '"v=STSv1; id=1"').fail(NAME, "A", "dnssec-bogus")
        assert self.looked(dns, tmp_path) == (None, "dnssec-bogus")
        dns = MemoryDns().add("_mta-sts.example.nl", "TXT", '"v=STSv1; id=1"')
        assert self.looked(dns, tmp_path) == (None, "sts-policy-fetch-error")
        assert self.looked(self.dns(), tmp_path, code="address-special-use") == (None, "address-special-use")

    def test_the_cas_of_this_machine_can_be_read(self) -> None:
        context = ssl.create_default_context()
        found = _roots(context, ssl.get_default_verify_paths().capath)
        hashed = list(pathlib.Path(ssl.get_default_verify_paths().capath or "/nowhere").glob("*.0"))
        assert bool(found) == bool(context.cert_store_stats()["x509_ca"] or hashed)

    def test_a_directory_of_cas(self, tmp_path: t.Any) -> None:
        (tmp_path / "0123abcd.0").write_text("CN = x\n" + ssl.DER_cert_to_PEM_cert(WEB_ROOT))
        (tmp_path / "README").write_text("no CA")
        assert [root.der for root in _roots(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), str(tmp_path))] == [WEB_ROOT]
        (tmp_path / "0123abcd.1").write_text("no CA")
        assert _roots(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), str(tmp_path)) == ()
