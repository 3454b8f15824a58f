# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zoo: one zone for every way in which DNSSEC holds or fails, with the verdict the RFCs demand.

Every case has its number, its zone, and per question the expected verdict: ``secure``, or status and reason codes as in
``bogus:rrsig-expired|rrsig-missing``. Expectations were written down from the RFCs, not from what any program says.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import struct
import typing as t

import dns.name
import signer as s
from responder import NXDOMAIN, REFUSED, Hook, Message, Record, World, cover, rrset, signed
from signer import CNAME, DNAME, DNSKEY, DS, NS, NSEC, NSEC3, RRSIG, SOA, TLSA, A, Key, Name, Nsec3Settings, Zone, name

POSITIVE = ("mx A", "mx MX", "_25._tcp.mx TLSA")
NEGATIVE = ("_25._tcp.www TLSA", "nx A", "mx TXT", "ent A")
WILDCARD = ("x.wild A", "y.x.wild A")
WILDCARD_NODATA = ("x.wild TXT",)
ALIAS = ("alias A", "_25._tcp.alias TLSA", "mx.dname A")
EVERY = POSITIVE + NEGATIVE + WILDCARD + WILDCARD_NODATA + ALIAS

Change = c.Callable[[Zone], None]
Expected = t.Mapping[str, str]


@dataclasses.dataclass
class Case:
    """One number of the zoo (several cases may share it), its zone without final dot, and what is expected.

    ``ede`` are extended DNS errors that resolvers may send. ``oracles`` is False where a program cannot see the case,
    because it asks in another way or in another order.
    """

    number: str
    zone: str
    expected: Expected
    ede: tuple[int, ...] = ()
    strict: bool = False
    oracles: bool = True

    def __str__(self) -> str:
        return f"Z{self.number}-{self.zone}{'-strict' if self.strict else ''}"


def every(verdict: str, *groups: tuple[str, ...]) -> dict[str, str]:
    return dict.fromkeys([question for group in groups or (EVERY,) for question in group], verdict)


def fill(zone: Zone) -> None:
    """Give a zone what a mail domain has, and what proofs are made of."""
    o = zone.origin

    def sub(text: str) -> dns.name.Name:
        return dns.name.from_text(text, o)

    zone.add(o, SOA, f"{sub('ns')} {sub('hostmaster')} 1 3600 600 86400 300")
    zone.add(o, NS, str(sub("ns")))
    zone.add(o, s.MX, f"10 {sub('mx')}")
    zone.add(sub("ns"), A, s.SERVER)
    zone.add(sub("mx"), A, "192.0.2.1", "192.0.2.2")
    zone.add(sub("mx"), s.MX, f"10 {sub('mx')}")
    zone.add(sub("www"), A, "192.0.2.80")
    zone.add(sub("_25._tcp.mx"), TLSA, f"3 1 1 {'ab' * 32}", f"2 1 1 {'cd' * 32}")
    zone.add(sub("below.ent"), A, "192.0.2.3")
    zone.add(sub("*.wild"), A, "192.0.2.4")
    zone.add(sub("alias"), CNAME, str(sub("mx")))
    zone.add(sub("_25._tcp.alias"), CNAME, str(sub("_25._tcp.mx")))
    zone.add(sub("dname"), DNAME, str(o))


@dataclasses.dataclass
class Spec:
    """How to build the zone of a case."""

    origin: str
    algorithm: int = 13
    nsec3: Nsec3Settings | None = None
    csk: bool = False
    signed: bool = True
    window: tuple[int, int] = (s.INCEPTION, s.EXPIRATION)
    ksk_flags: int = 257
    zsk_flags: int = 256
    protocol: int = 3
    #: DS records in the parent: None for those that are right, else the texts, made of the key-signing key.
    ds: c.Callable[[Name, Key], list[str]] | None = None
    before: Change | None = None
    after: Change | None = None
    hook: Hook | None = None

    def keys(self) -> tuple[Key, Key]:
        ksk = Key(f"{self.origin} ksk", self.algorithm, self.ksk_flags, self.protocol)
        return ksk, ksk if self.csk else Key(f"{self.origin} zsk", self.algorithm, self.zsk_flags, self.protocol)

    def build(self) -> Zone:
        ksk, zsk = self.keys() if self.signed else (None, None)
        zone = Zone(name(self.origin), ksk, zsk, self.nsec3, self.window)
        fill(zone)
        return zone


def sub(zone: Zone, text: str) -> Name:
    return dns.name.from_text(text, zone.origin)


# Changes after signing.


def garble(owner: str, rdtype: int) -> Change:
    def change(zone: Zone) -> None:
        made = zone.signatures[sub(zone, owner), rdtype]
        made[0] = dataclasses.replace(made[0], value=made[0].value[:-1] + bytes([made[0].value[-1] ^ 1]))

    return change


def garble_all(rdtype: int) -> Change:
    def change(zone: Zone) -> None:
        for (_owner, covered), made in zone.signatures.items():
            if covered == rdtype:
                made[0] = dataclasses.replace(made[0], value=bytes(byte ^ 255 for byte in made[0].value))

    return change


def unsign(owner: str, rdtype: int) -> Change:
    return lambda zone: t.cast(None, zone.signatures.pop((sub(zone, owner), rdtype)))


def unsign_all(rdtype: int | None = None) -> Change:
    def change(zone: Zone) -> None:
        for key in [key for key in zone.signatures if rdtype in (None, key[1])]:
            del zone.signatures[key]

    return change


def remove_all(rdtype: int) -> Change:
    def change(zone: Zone) -> None:
        for node in zone.nodes.values():
            node.pop(rdtype, None)

    return change


def resign(owner: str, rdtype: int, **fields: t.Any) -> Change:
    return lambda zone: zone.sign_rrset(sub(zone, owner), rdtype, **fields)


def dnskeys(*which: str, by: str = "ksk") -> Change:
    """Publish only some keys, signed by ``by``."""

    def change(zone: Zone) -> None:
        zone.nodes[zone.origin][DNSKEY] = [s.wire(getattr(zone, key).record) for key in which]
        zone.sign_rrset(zone.origin, DNSKEY, getattr(zone, by))

    return change


def expired_beside_good(zone: Zone) -> None:
    owner = sub(zone, "mx")
    (good,) = zone.signatures[owner, A]
    zone.sign_rrset(owner, A, window=s.PAST)
    zone.signatures[owner, A].append(good)


def altered(zone: Zone) -> None:
    zone.nodes[sub(zone, "mx")][A][0] = bytes([192, 0, 2, 66])


def nsec_to_nowhere(zone: Zone) -> None:
    for owner, node in zone.nodes.items():
        if NSEC in node:
            node[NSEC] = [s.nsec(Name((b"\0", *owner.labels)), zone.types(owner) | {NSEC, RRSIG})]
            zone.sign_rrset(owner, NSEC)


def nsec3_to_nowhere(zone: Zone) -> None:
    assert zone.nsec3
    for owner, node in zone.nodes.items():
        if NSEC3 in node:
            data = node[NSEC3][0]
            start = 5 + len(zone.nsec3.salt)
            own = int.from_bytes(_unhash(owner.labels[0]), "big")
            node[NSEC3] = [data[:start] + b"\x14" + (own + 1).to_bytes(20, "big") + data[start + 21 :]]
            zone.sign_rrset(owner, NSEC3)


def _unhash(label: bytes) -> bytes:
    value = 0
    for digit in label:
        value = value << 5 | b"0123456789abcdefghijklmnopqrstuv".index(digit)
    return value.to_bytes(20, "big")


def nsec_leaves_zone(zone: Zone) -> None:
    owner = max(owner for owner in zone.owners() if owner < sub(zone, "nx"))
    zone.nodes[owner][NSEC] = [s.nsec(name("zzz.zoo"), zone.types(owner) | {NSEC, RRSIG})]
    zone.sign_rrset(owner, NSEC)


def colliding(label: str, tag: int) -> bytes:
    """Return Ed25519 key data (any 32 bytes load as a key) whose record has the key tag ``tag``."""
    body = s._bytes(label, 30)
    for last in range(65536):
        data = struct.pack("!HBB", 256, 3, 15) + body + struct.pack("!H", last)
        total = sum(byte if position & 1 else byte << 8 for position, byte in enumerate(data))
        if (total + (total >> 16)) & 0xFFFF == tag:
            return data
    raise AssertionError("no such key")


def key_trap(good_last: bool) -> Change:
    """Fill the key set with keys of one tag, and an RRset with signatures that fit none of them."""

    def change(zone: Zone) -> None:
        assert zone.zsk
        tag = zone.zsk.tag
        traps = [colliding(f"trap {number}", tag) for number in range(30)]
        zone.nodes[zone.origin][DNSKEY] = [*(s.wire(key.record) for key in zone.keys), *traps]
        zone.sign_rrset(zone.origin, DNSKEY)
        owner = sub(zone, "mx")
        (good,) = zone.signatures[owner, A]
        junk = [dataclasses.replace(good, value=s._bytes(f"junk {number}", 64)) for number in range(30)]
        zone.signatures[owner, A] = [*junk, good] if good_last else junk

    return change


# Changes of what is sent.


def when(owner: str, rdtype: int, change: c.Callable[[Message], None], origin: str = "") -> Hook:
    """Change the response to one question of the zone ``origin``."""

    def hook(asked: Name, asked_type: int, message: Message) -> Message:
        if asked == name(f"{owner}.{origin}") and asked_type == rdtype:
            change(message)
        return message

    return hook


def without_authority(_asked: Name, _rdtype: int, message: Message) -> Message:
    if message.answer:
        message.authority.clear()
    return message


def refuse(_asked: Name, _rdtype: int, message: Message) -> Message:
    return Message(rcode=REFUSED)


def strip_signatures(_asked: Name, _rdtype: int, message: Message) -> Message:
    for section in message.sections:
        section[:] = [record for record in section if record.rdtype != RRSIG]
    return message


def to_negative(rcode: int, *parts: c.Callable[[], list[Record]]) -> c.Callable[[Message], None]:
    def change(message: Message) -> None:
        message.rcode = rcode
        message.authoritative = True
        message.answer.clear()
        message.authority.clear()
        for part in parts:
            message.authority.extend(part())

    return change


def unsigned_data(address: str) -> c.Callable[[Name], Message]:
    def make(owner: Name) -> Message:
        message = Message()
        message.answer.append(Record(owner, A, bytes(map(int, address.split(".")))))
        return message

    return make


def right_ds(owner: Name, key: Key) -> list[str]:
    return [key.ds(owner)]


NSEC3_PLAIN = Nsec3Settings()
OPT_OUT = Nsec3Settings(opt_out=True)
BROKEN = "bogus:"


def _ok() -> list[tuple[Spec, Case]]:
    ok = [
        Spec("ok-nsec.zoo"),
        Spec("ok-nsec3.zoo", nsec3=NSEC3_PLAIN),
        Spec("ok-nsec3-salt-it5.zoo", nsec3=Nsec3Settings(5, b"\xab\xcd")),
        Spec("ok-csk.zoo", csk=True),
        Spec("ok-rsa256.zoo", algorithm=8),
        Spec("ok-rsa512.zoo", algorithm=10),
        Spec("ok-p384.zoo", algorithm=14),
        Spec("ok-ed25519.zoo", algorithm=15),
        Spec("ok-ed448.zoo", algorithm=16),
        Spec("ok-ds-sha384.zoo", ds=lambda o, k: [k.ds(o, 4)]),
        Spec("ok-ds-sha1-only.zoo", ds=lambda o, k: [k.ds(o, 1)]),
        Spec("ok-ds-stale.zoo", ds=lambda o, k: [Key("stale", 13, 257).ds(o), k.ds(o)]),
        Spec("ok-ds-unknown-alg.zoo", ds=lambda o, k: [k.ds(o, algorithm=100), k.ds(o)]),
        Spec("ok-ds-8-without-key.zoo", ds=lambda o, k: [Key("other", 8, 257).ds(o), k.ds(o)]),
        Spec(
            "ok-prepublish.zoo",
            before=lambda zone: zone.keys.extend([Key("next ksk", 13, 257), Key("next zsk", 13, 256)]),
        ),
        Spec("ok.optout"),
        Spec("d.zoo"),
    ]
    return [(spec, Case("0", spec.origin, every("secure"))) for spec in ok]


def _insecure() -> list[tuple[Spec, Case]]:
    z2 = {
        **every("secure", POSITIVE, ALIAS, ("mx TXT", "ent A")),
        **every("insecure:denial-optout", WILDCARD, WILDCARD_NODATA, ("nx A", "_25._tcp.www TLSA")),
    }
    high = "insecure:nsec3-iterations-high"
    z9 = {
        **every("secure", POSITIVE, ALIAS),
        **every(high, NEGATIVE, WILDCARD, WILDCARD_NODATA),
    }
    unsigned, sha1 = every("insecure:delegation-unsigned"), every("insecure:algorithm-policy")
    unknown = every("insecure:algorithm-unsupported")
    return [
        (Spec("expired-and-good.zoo", after=expired_beside_good), Case("1", "expired-and-good.zoo", every("secure"))),
        (Spec("opt-out.zoo", nsec3=OPT_OUT), Case("2", "opt-out.zoo", z2)),
        (Spec("signed-without-ds.zoo", ds=lambda o, k: []), Case("3", "signed-without-ds.zoo", unsigned)),
        (Spec("unsigned.zoo", signed=False), Case("4", "unsigned.zoo", unsigned)),
        (
            Spec("unsigned.optout", signed=False),
            Case("5", "unsigned.optout", every("insecure:delegation-optout")),
        ),
        (
            Spec("ds-unknown-alg.zoo", ds=lambda o, k: [k.ds(o, algorithm=100), k.ds(o, algorithm=200)]),
            Case("6", "ds-unknown-alg.zoo", unknown, (1,)),
        ),
        (
            Spec("ds-unknown-digest.zoo", ds=lambda o, k: [k.ds(o, 200)]),
            Case("7", "ds-unknown-digest.zoo", every("insecure:ds-digest-unsupported"), (2,)),
        ),
        (
            Spec("to-unsigned.zoo", before=lambda z: z.add(sub(z, "out"), CNAME, "mx.unsigned.zoo.")),
            Case("8", "to-unsigned.zoo", {**every("secure", POSITIVE), "out A": "insecure:alias-insecure"}),
        ),
        (
            Spec("it151.zoo", nsec3=Nsec3Settings(151)),
            Case("9", "it151.zoo", z9, (27,)),
        ),
        (Spec("it500.zoo", nsec3=Nsec3Settings(500)), Case("9", "it500.zoo", z9, (27,))),
        (Spec("it100.zoo", nsec3=Nsec3Settings(100)), Case("10", "it100.zoo", every("secure"))),
        (Spec("rsasha1.zoo", algorithm=5), Case("11", "rsasha1.zoo", sha1, (1,))),
        (Spec("rsasha1-nsec3.zoo", algorithm=7, nsec3=NSEC3_PLAIN), Case("11", "rsasha1-nsec3.zoo", sha1, (1,))),
        # D06: the SOA record is not a part of the proof (RFC 4035 section 5.4).
        (Spec("soa-garbled.zoo", after=garble("", SOA)), Case("63", "soa-garbled.zoo", every("secure"))),
        (Spec("soa-unsigned.zoo", after=unsign("", SOA)), Case("63", "soa-unsigned.zoo", every("secure"))),
        (
            Spec("soa-garbled3.zoo", after=garble("", SOA), nsec3=NSEC3_PLAIN),
            Case("63", "soa-garbled3.zoo", every("secure")),
        ),
        (Spec("ns-garbled.zoo", after=garble("", NS), hook=None), Case("63", "ns-garbled.zoo", every("secure"))),
        (Spec("dsa.zoo", algorithm=3), Case("12", "dsa.zoo", unknown, (1,))),
        (Spec("rsamd5.zoo", algorithm=1), Case("12", "rsamd5.zoo", unknown, (1,))),
    ]


def _bogus_signatures() -> list[tuple[Spec, Case]]:
    rest = every("secure", ("_25._tcp.mx TLSA", "nx A"))

    def leaf(number: str, origin: str, after: Change, code: str, *ede: int, **more: t.Any) -> tuple[Spec, Case]:
        expected = {**rest, "mx A": BROKEN + code, "alias A": BROKEN + code}
        return Spec(origin, after=after, **more), Case(number, origin, expected, ede)

    def whole(number: str, origin: str, code: str, *ede: int, **more: t.Any) -> tuple[Spec, Case]:
        return Spec(origin, **more), Case(number, origin, every(BROKEN + code), ede)

    backwards = (s.EXPIRATION, s.INCEPTION)
    sibling = name("ok-csk.zoo")
    denial = (*NEGATIVE,)

    def denials(number: str, origin: str, code: str, *ede: int, **more: t.Any) -> tuple[Spec, Case]:
        expected = {**every("secure", POSITIVE), **every(BROKEN + code, denial)}
        return Spec(origin, **more), Case(number, origin, expected, ede)

    nsec3 = NSEC3_PLAIN
    not_covering = {**every("secure", POSITIVE, ("mx TXT",)), **every(BROKEN + "denial-not-covering", ("nx A",))}
    return [
        whole("13", "expired.zoo", "rrsig-expired", 7, window=s.PAST),
        leaf("14", "leaf-expired.zoo", resign("mx", A, window=s.PAST), "rrsig-expired", 7),
        whole("15", "future.zoo", "rrsig-not-yet-valid", 8, window=s.FUTURE),
        leaf("15", "leaf-future.zoo", resign("mx", A, window=s.FUTURE), "rrsig-not-yet-valid", 8),
        leaf("16", "backwards.zoo", resign("mx", A, window=backwards), "rrsig-expired-before-valid", 25, 7, 8),
        leaf("17", "leaf-unsigned.zoo", unsign("mx", A), "rrsig-missing", 10),
        whole("18", "dnskey-unsigned.zoo", "rrsig-missing", 10, 9, after=unsign("", DNSKEY)),
        whole("19", "all-unsigned.zoo", "rrsig-missing", 10, after=unsign_all()),
        whole("20", "dnskey-missing.zoo", "dnskey-missing", 9, after=remove_all(DNSKEY)),
        whole("21", "ksk-removed.zoo", "ds-no-matching-dnskey", 9, 6, after=dnskeys("zsk", by="zsk")),
        whole("21", "zsk-removed.zoo", "rrsig-no-matching-key", 9, 6, after=dnskeys("ksk")),
        whole("22", "ds-wrong-tag.zoo", "ds-no-matching-dnskey", 9, 6, ds=lambda o, k: [k.ds(o, tag=k.tag ^ 1)]),
        whole(
            "22", "ds-wrong-digest.zoo", "ds-no-matching-dnskey", 9, 6,
            ds=lambda o, k: [k.ds(name("other."))],
        ),
        whole("22", "ds-wrong-alg.zoo", "ds-no-matching-dnskey", 9, 6, ds=lambda o, k: [k.ds(o, algorithm=14)]),
        leaf("23", "leaf-garbled.zoo", garble("mx", A), "rrsig-bad-signature", 6),
        leaf("23", "leaf-altered.zoo", altered, "rrsig-bad-signature", 6),
        whole("24", "dnskey-garbled.zoo", "rrsig-bad-signature", 6, 9, after=garble("", DNSKEY)),
        (
            Spec("tlsa-garbled.zoo", after=garble("_25._tcp.mx", TLSA)),
            Case(
                "25", "tlsa-garbled.zoo",
                {
                    **every("secure", ("mx A", "mx MX", "nx A")),
                    **every("bogus:rrsig-bad-signature", ("_25._tcp.mx TLSA", "_25._tcp.alias TLSA")),
                },
                (6,),
            ),
        ),
        whole("26", "ksk-no-zone-bit.zoo", "dnskey-zone-bit-clear", 11, 9, ksk_flags=1),
        whole("27", "no-zone-bit.zoo", "dnskey-zone-bit-clear", 11, 9, ksk_flags=1, zsk_flags=0),
        whole("28", "revoked.zoo", "dnskey-revoked", 9, 6, ksk_flags=385),
        whole("28", "zsk-revoked.zoo", "rrsig-key-revoked", 9, 6, zsk_flags=384),
        whole("29", "bad-protocol.zoo", "dnskey-bad-protocol", 9, 6, protocol=4),
        leaf("30", "signer-sibling.zoo", resign("mx", A, signer=sibling), "rrsig-signer-mismatch", 6, 10),
        whole("32", "signed-by-zsk.zoo", "dnskey-not-signed-by-ds-key", 9, 10, after=dnskeys("ksk", "zsk", by="zsk")),
        denials("33", "nsec-missing.zoo", "denial-missing", 12, 10, after=remove_all(NSEC)),
        denials("34", "nsec-unsigned.zoo", "denial-rrsig-missing", 12, 6, 10, after=unsign_all(NSEC)),
        denials("34", "nsec-garbled.zoo", "denial-rrsig-bad", 12, 6, 10, after=garble_all(NSEC)),
        (Spec("nsec-gap.zoo", after=nsec_to_nowhere), Case("35", "nsec-gap.zoo", not_covering, (6, 12))),
        denials("37", "nsec3-missing.zoo", "denial-missing", 12, 6, after=remove_all(NSEC3), nsec3=nsec3),
        denials("37", "nsec3-unsigned.zoo", "denial-rrsig-missing", 12, 6, after=unsign_all(NSEC3), nsec3=nsec3),
        denials("37", "nsec3-garbled.zoo", "denial-rrsig-bad", 12, 6, after=garble_all(NSEC3), nsec3=nsec3),
        (
            Spec("nsec3-gap.zoo", after=nsec3_to_nowhere, nsec3=nsec3),
            Case("38", "nsec3-gap.zoo", not_covering, (6, 12)),
        ),
        denials("39", "nsec3-hash.zoo", "nsec3-hash-unknown", 12, nsec3=Nsec3Settings(algorithm=2)),
        denials("40", "nsec3-flags.zoo", "nsec3-flags-unknown", 6, 12, nsec3=Nsec3Settings(flags=2)),
        leaf("44", "labels-high.zoo", resign("mx", A, labels=7), "rrsig-labels-invalid", 6),
        leaf("50", "labels-low.zoo", resign("mx", A, labels=1), "rrsig-labels-invalid", 6, 12),
        leaf(
            "45", "key-trap.zoo", key_trap(False), "work-limit-exceeded|rrsig-bad-signature", 6, algorithm=15,
        ),
    ]  # fmt: skip


def _messages(world: World, specs: dict[str, Spec]) -> list[Case]:
    """Cases that need hooks, once all zones are there."""
    zoo = world.zones[name("zoo")]

    def zone(text: str) -> Zone:
        return world.zones[name(text)]

    def hook(origin: str, *hooks: Hook) -> None:
        world.hooks.setdefault(name(origin), []).extend(hooks)

    cases = []
    # 31: the parent signs what belongs to the child.
    above = zone("above-cut.zoo")
    owner = sub(above, "mx")
    assert zoo.zsk
    above.signatures[owner, A] = [s.signature(owner, A, above.nodes[owner][A], zoo.zsk, zoo.origin)]
    verdict = {"mx A": "bogus:rrsig-signer-above-cut"}
    cases.append(Case("31", "above-cut.zoo", verdict, (6,), strict=True))
    cases.append(Case("31", "above-cut.zoo", {"mx A": "secure"}, oracles=False))

    # 36: the denial says that the type exists.
    denied = zone("type-exists.zoo")
    owner = sub(denied, "mx")
    parts = (lambda: rrset(denied, denied.origin, SOA), lambda: rrset(denied, owner, NSEC))
    hook("type-exists.zoo", when("mx", A, to_negative(0, *parts), "type-exists.zoo"))
    cases.append(Case("36", "type-exists.zoo", {"mx A": "bogus:denial-type-exists", "nx A": "secure"}, (6, 12)))

    hook("wildcard-unproven.zoo", without_authority)
    expected = {**every("bogus:wildcard-unproven", WILDCARD), "mx A": "secure", "x.wild TXT": "secure"}
    cases.append(Case("41", "wildcard-unproven.zoo", expected, (12, 10, 6)))

    cases.append(Case("42", "unsigned.bare", every("bogus:ds-absence-unproven"), (12, 10)))
    cases.append(Case("43", "to-bogus.zoo", {"out A": "bogus:rrsig-bad-signature", "mx A": "secure"}, (6,)))
    loops = {"loop A": "indeterminate:alias-loop", "mx A": "secure"}
    cases.append(Case("46", "loop.zoo", loops))
    hook("refused.zoo", refuse)
    cases.append(Case("47", "refused.zoo", every("indeterminate:dns-refused", POSITIVE), (22, 23)))

    # 48: a child named like a hash of the parent makes an NSEC3 record of the parent out of its apex.
    parent = zone("apex-hash.zoo")
    assert parent.nsec3
    wanted = sub(parent, "_25._tcp.mx")
    child = Zone(parent.hash_owner(s.nsec3_hash(wanted, parent.nsec3)), Key("evil ksk", 13, 257), Key("evil zsk"))
    fill(child)
    child.nodes[child.origin][NSEC3] = [s.nsec3(parent.nsec3, b"\xff" * 20, {A, RRSIG})]
    child.sign()
    world.zones[child.origin] = child
    forged = to_negative(0, lambda: rrset(parent, parent.origin, SOA), lambda: rrset(child, child.origin, NSEC3))
    hook("apex-hash.zoo", when("_25._tcp.mx", TLSA, forged, "apex-hash.zoo"))
    cases.append(Case("48", "apex-hash.zoo", {"_25._tcp.mx TLSA": "bogus:nsec3-owner-mismatch"}, (12, 6)))

    cases.append(Case("49", "nsec-leaves.zoo", {"nx A": "bogus:denial-out-of-zone", "mx A": "secure"}, (6, 12)))

    # 51: an NSEC record expanded from a wildcard.
    wild = zone("nsec-wild.zoo")
    star, shown = sub(wild, "*"), sub(wild, "nw")
    assert wild.zsk
    data = [s.nsec(sub(wild, "ny"), {A, NSEC, RRSIG})]
    made = s.signature(star, NSEC, data, wild.zsk, wild.origin)
    fake = [Record(shown, NSEC, data[0]), signed(shown, made)]
    forged = to_negative(
        NXDOMAIN, lambda: rrset(wild, wild.origin, SOA), lambda: fake, lambda: cover(wild, sub(wild, "*"))
    )
    hook("nsec-wild.zoo", when("nx", A, forged, "nsec-wild.zoo"))
    cases.append(Case("51", "nsec-wild.zoo", {"nx A": "bogus:denial-wildcard-owner", "mx A": "secure"}, (6, 12)))

    # 52: the grand-parent says that the grand-child has no DS, past the signed zone between them.
    grand = name("sub.d.zoo")
    data = [s.nsec(name("sub.e.zoo"), {NS, NSEC, RRSIG})]
    made = s.signature(grand, NSEC, data, zoo.zsk, zoo.origin)
    no_ds = to_negative(
        0, lambda: rrset(zoo, zoo.origin, SOA), lambda: [Record(grand, NSEC, data[0]), signed(grand, made)]
    )
    hook("d.zoo", when("sub", DS, no_ds, "d.zoo"))
    hook("sub.d.zoo", strip_signatures)
    cases.append(Case("52", "sub.d.zoo", {"mx A": "bogus:denial-wrong-side"}, (6, 12)))

    # 53: the CNAME beside a DNAME is another one than the DNAME makes.
    def redirect(message: Message) -> None:
        message.answer[:] = [
            dataclasses.replace(record, data=name("www.dname-forged.zoo").to_digestable())
            if record.rdtype == CNAME
            else record
            for record in message.answer
        ]

    hook("dname-forged.zoo", when("mx.dname", A, redirect, "dname-forged.zoo"))
    cases.append(Case("53", "dname-forged.zoo", {"mx.dname A": "bogus:dname-cname-mismatch", "mx A": "secure"}, (6,)))

    # 54: a wildcard alias hides the DS of a signed child.
    stars = zone("ds-alias.zoo")

    def alias(message: Message) -> None:
        message.rcode = 0
        message.authority.clear()
        message.answer[:] = rrset(stars, sub(stars, "*.star"), CNAME, name("c.star.ds-alias.zoo"))

    hook("ds-alias.zoo", when("c.star", DS, alias, "ds-alias.zoo"))
    hook("c.star.ds-alias.zoo", strip_signatures)
    cases.append(Case("54", "c.star.ds-alias.zoo", {"mx A": "bogus:ds-answer-alias"}, (12, 10, 6)))

    # 55: an opt-out record that nobody signed hides the DS of a signed child.
    optout = zone("optout")

    def unsigned_cover() -> list[Record]:
        assert optout.nsec3
        hashed = s.nsec3_hash(name("hidden.optout"), optout.nsec3)
        before, after = (int.from_bytes(hashed, "big") + step for step in (-1, 1))
        holder = optout.hash_owner(before.to_bytes(20, "big"))
        data = s.nsec3(optout.nsec3, after.to_bytes(20, "big"), {NS})
        made = s.signature(holder, NSEC3, [data], Key("nobody"), optout.origin, tag=optout.zsk.tag if optout.zsk else 0)
        return [Record(holder, NSEC3, data), signed(holder, made)]

    def apex_match() -> list[Record]:
        assert optout.nsec3
        return rrset(optout, optout.hash_owner(s.nsec3_hash(optout.origin, optout.nsec3)), NSEC3)

    hidden = to_negative(0, lambda: rrset(optout, optout.origin, SOA), apex_match, unsigned_cover)
    hook("optout", when("hidden", DS, hidden, "optout"))
    hook("hidden.optout", strip_signatures)
    cases.append(Case("55", "hidden.optout", {"mx A": "bogus:denial-rrsig-bad"}, (6, 12)))

    # 57: compact denial of existence.
    compact = zone("compact.zoo")

    def compactly(asked: Name, rdtype: int, message: Message) -> Message:
        if message.rcode == NXDOMAIN:
            message.rcode = 0
            assert compact.zsk
            data = [s.nsec(Name((b"\0", *asked.labels)), {RRSIG, NSEC, 128})]
            made = s.signature(asked, NSEC, data, compact.zsk, compact.origin)
            message.authority[:] = [*rrset(compact, compact.origin, SOA), Record(asked, NSEC, data[0])]
            message.authority.append(signed(asked, made))
        return message

    hook("compact.zoo", compactly)
    compact_expected = {"nx A": "secure", "_25._tcp.www TLSA": "secure", "mx A": "secure"}
    cases.append(Case("57", "compact.zoo", compact_expected))

    # 58: the wildcard's own zone does not deny the closer name, another one does.
    other = zone("ok-nsec.zoo")

    def foreign(asked: Name, rdtype: int, message: Message) -> Message:
        if message.answer and message.authority:
            message.authority[:] = rrset(other, other.origin, NSEC)
        return message

    hook("wildcard-foreign.zoo", foreign)
    expected = {**every("bogus:wildcard-signer-mismatch", WILDCARD), "mx A": "secure"}
    cases.append(Case("58", "wildcard-foreign.zoo", expected, (6, 12, 10)))

    # 59: hashing without end.
    deep = ".".join("abcdefghijklmnopqrstuvwxyz") + ".nx A"
    cases.append(
        Case("59", "it150-deep.zoo", {deep: "bogus:work-limit-exceeded", "mx A": "secure"}, (27, 6), oracles=False)
    )

    # D04: beside an alias to another zone stands what that zone does not say.
    def beside(message: Message) -> None:
        message.answer.append(Record(name("mx.ok-nsec.zoo"), A, bytes([192, 0, 2, 66])))

    hook("cross.zoo", when("out", A, beside, "cross.zoo"))
    cases.append(Case("61", "cross.zoo", {"out A": "secure", "mx A": "secure"}))

    # D05: a DNAME that is expanded from a wildcard.
    redirected = zone("wild-dname.zoo")
    star, shown = sub(redirected, "*.w"), sub(redirected, "x.w")

    def expanded(message: Message) -> None:
        message.rcode, message.authoritative = 0, True
        target = name("mx.ok-nsec.zoo").to_digestable()
        message.answer[:] = [*rrset(redirected, star, DNAME, shown), Record(sub(redirected, "mx.x.w"), CNAME, target)]
        message.authority[:] = rrset(redirected, star, NSEC)

    hook("wild-dname.zoo", when("mx.x.w", A, expanded, "wild-dname.zoo"))
    cases.append(Case("62", "wild-dname.zoo", {"mx.x.w A": "bogus:dname-from-wildcard", "mx A": "secure"}, (6,)))

    # 60: forged negative answers without any proof.
    hook("forged.zoo", when("_25._tcp.mx", TLSA, to_negative(NXDOMAIN), "forged.zoo"))
    hook("forged.zoo", when("mx", A, to_negative(0), "forged.zoo"))
    expected = {"_25._tcp.mx TLSA": "bogus:denial-missing", "mx A": "bogus:denial-missing", "mx MX": "secure"}
    cases.append(Case("60", "forged.zoo", expected, (12, 10)))
    return cases


def _plain(*origins: str, **more: t.Any) -> list[Spec]:
    return [Spec(origin, **more) for origin in origins]


def build() -> tuple[World, list[Case], Key]:
    """Return the world, its cases and the key of its root."""
    table = [*_ok(), *_insecure(), *_bogus_signatures()]
    specs = [spec for spec, _case in table]
    specs += _plain(
        "above-cut.zoo", "type-exists.zoo", "wildcard-unproven.zoo", "refused.zoo", "sub.d.zoo", "dname-forged.zoo",
        "hidden.optout", "compact.zoo", "wildcard-foreign.zoo", "forged.zoo", "c.star.ds-alias.zoo", "nsec-wild.zoo",
    )  # fmt: skip
    specs += [
        Spec("apex-hash.zoo", nsec3=NSEC3_PLAIN),
        Spec("it150-deep.zoo", nsec3=Nsec3Settings(150)),
        Spec("nsec-leaves.zoo", after=nsec_leaves_zone),
        Spec("unsigned.bare", signed=False),
        Spec("to-bogus.zoo", before=lambda z: z.add(sub(z, "out"), CNAME, "mx.leaf-garbled.zoo.")),
        Spec("loop.zoo", before=_loop),
        Spec("cross.zoo", before=lambda z: z.add(sub(z, "out"), CNAME, "mx.ok-nsec.zoo.")),
        Spec("wild-dname.zoo", before=lambda z: z.add(sub(z, "*.w"), DNAME, "ok-nsec.zoo.")),
        Spec("ds-alias.zoo", before=lambda z: z.add(sub(z, "*.star"), CNAME, f"mx.{z.origin}")),
        Spec("key-trap-good.zoo", algorithm=15, after=key_trap(True)),
        Spec("zoo"),
        Spec("optout", nsec3=OPT_OUT),
        Spec("bare", after=remove_all(NSEC)),
        Spec("."),
    ]
    world = World()
    by_origin = {spec.origin: spec for spec in specs}
    zones = {name(spec.origin): spec.build() for spec in specs}
    world.zones = dict(zones)
    # Children first: the parent signs their DS.
    for spec in sorted(specs, key=lambda spec: -len(name(spec.origin))):
        zone = zones[name(spec.origin)]
        if spec.before:
            spec.before(zone)
        zone.sign()
        if spec.after:
            spec.after(zone)
        if zone.origin == dns.name.root:
            continue
        parent = zones[max((o for o in zones if o != zone.origin and zone.origin.is_subdomain(o)), key=len)]
        parent.add(zone.origin, NS, str(sub(zone, "ns")))
        parent.add(dns.name.from_text("ns", zone.origin), A, s.SERVER)
        if spec.signed:
            ksk = spec.keys()[0]
            texts = spec.ds(zone.origin, ksk) if spec.ds else right_ds(zone.origin, ksk)
            if texts:
                parent.add(zone.origin, DS, *texts)
    cases = [case for _spec, case in table] + _messages(world, by_origin)
    trap = "work-limit-exceeded|rrsig-bad-signature"
    cases.append(Case("45", "key-trap-good.zoo", {"mx A": f"bogus:{trap}", "nx A": "secure"}, (6,), oracles=False))
    root = by_origin["."].keys()[0]
    return world, cases, root


def _loop(zone: Zone) -> None:
    zone.add(sub(zone, "loop"), CNAME, f"pool.{zone.origin}")
    zone.add(sub(zone, "pool"), CNAME, f"loop.{zone.origin}")
