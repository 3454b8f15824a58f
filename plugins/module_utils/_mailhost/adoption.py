# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the first run finds on a mail server: nothing that offers TLS, a key to adopt, or something to leave as it is.

``services`` and ``owner`` are those of module ``postfix_info``, ``sockets`` those of ``mail_host_info``. Pure.
Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    import collections.abc as c

Fields = t.Mapping[str, t.Any]

#: Nothing on the ports presents a certificate, so that no mail depends on one.
BARE: t.Final = "bare"
#: One key is presented everywhere, and its files are known.
ADOPT: t.Final = "adopt"
#: This collection does not manage what is there; it stays as it is, and is audited.
LEAVE: t.Final = "leave"
#: What is there could not be found out this time.
UNKNOWN: t.Final = "unknown"

_OFFERS: t.Final = ("starttls", "implicit")


@dataclasses.dataclass(frozen=True)
class FirstLook:
    """``situation`` as above, ``sentence`` for people; the digest and the files of the key to adopt, '' otherwise.

    ``follows`` says in sentences what the first run and those after it do; '' where everything stays as it is.
    """

    situation: str
    sentence: str
    public_key: str = ""
    key_file: str = ""
    chain_file: str = ""
    follows: str = ""


_STAYS: t.Final = "the key stays until you run the playbook mailsec.dane.rotate"
_ROTATES: t.Final = (
    "later runs rotate to a new key. They publish its record first, and serve the new key when no cache can lack that "
    "record, usually not before rotation_unknown_ttl (a day by default) has passed"
)
_FOLLOWS: t.Final = {
    "auto": (
        f"The first run adopts the key. Where a TLSA record is published for this mail server, {_STAYS}. Where none is,"
        f" {_ROTATES}. This look did not ask the DNS. certificate_adoption: adopt or move decides it beforehand"
    ),
    "adopt": f"The first run adopts the key, and {_STAYS} (certificate_adoption: adopt)",
    "move": f"The first run adopts the key, and {_ROTATES} (certificate_adoption: move)",
}


def first_look(
    services: c.Sequence[Fields],
    sockets: c.Sequence[Fields],
    owner: Fields | None,
    ports: c.Collection[int],
    adoption: str = "auto",
) -> FirstLook:
    """Return what to do with the mail server of a host that has no certificate of this collection yet.

    ``adoption``: what the administrator decided, auto, adopt or move.
    """
    found = _first_look(services, sockets, owner, ports)
    if found.situation == ADOPT:
        return dataclasses.replace(found, follows=_FOLLOWS[adoption])
    if found.situation == BARE:
        makes = "The first run makes a key and a certificate, lets Postfix present them and publishes its TLSA records"
        return dataclasses.replace(found, follows=makes)
    return found


def _first_look(
    services: c.Sequence[Fields], sockets: c.Sequence[Fields], owner: Fields | None, ports: c.Collection[int]
) -> FirstLook:
    if owner:
        return FirstLook(
            LEAVE,
            f"its configuration belongs to {owner['program']} ({owner['evidence']}), which would undo changes made "
            f"here. This host is audited only. Set up TLS in {owner.get('remedy') or owner['program']}",
        )
    listening = [one for one in sockets if one["port"] in ports]
    silent = [one for one in listening if one["tls"] == "unknown"]
    if silent:
        where = ", ".join(_place(one) for one in silent)
        why = next((one["problem"] for one in silent if one.get("problem")), "no answer")
        return FirstLook(
            UNKNOWN,
            f"it could not be found out what {where} presents ({why}). Nothing was changed, because published TLSA "
            "records may depend on it. Run this again when the mail server answers",
        )
    offering = [one for one in listening if one["tls"] in _OFFERS]
    served = [item for one in offering for item in one["served"] if item.get("spki_sha256")]
    stopped = [one for one in services if one["port"] in ports and one["certificates"]]
    if not listening and stopped:
        files = ", ".join(sorted({str(item["chain_file"]) for one in stopped for item in one["certificates"]}))
        return FirstLook(
            UNKNOWN,
            f"Postfix does not listen on port {_numbers(ports)} and is configured to present {files}. Published TLSA "
            "records may depend on that key, so nothing was changed or started. Start Postfix (systemctl start "
            "postfix) and run this again. If the certificate is out of use, take it out of the configuration first",
        )
    if not served:
        what = "offers no TLS" if listening else "does not listen"
        sentence = f"the mail server {what} on port {_numbers(ports)}: no mail depends on a certificate yet"
        return FirstLook(BARE, sentence)
    keys = sorted({item["spki_sha256"] for item in served})
    if len(keys) > 1:
        shown = ", ".join(f"{key[:16]}… ({_how(served, key)})" for key in keys)
        return FirstLook(
            LEAVE,
            f"port {_numbers(ports)} presents {len(keys)} different keys: {shown}. This collection manages one key for "
            "each mail server, and would take the others away from senders whose records depend on them. Everything "
            "stays as it is",
        )
    return _files(services, offering, keys[0], ports)


def _files(services: c.Sequence[Fields], offering: c.Sequence[Fields], key: str, ports: c.Collection[int]) -> FirstLook:
    own = [one for one in services if one["port"] in ports and one["security_level"] != "none"]
    pairs = {(item["key_file"], item["chain_file"]) for one in own for item in one["certificates"]}
    if not own:
        programs = ", ".join(sorted({str(one.get("process") or "another program") for one in offering}))
        return FirstLook(
            LEAVE,
            f"port {_numbers(ports)} is served by {programs}, not by Postfix, which is the mail server this collection "
            "sets up. Everything stays as it is",
        )
    tables = sorted({one["sni_maps"] for one in own if one["sni_maps"]})
    if tables:
        return FirstLook(
            LEAVE,
            f"port {_numbers(ports)} also presents the keys in {', '.join(tables)} (tls_server_sni_maps). Senders who "
            "ask for a name in it get that key, which this collection would not change. Everything stays as it is",
        )
    if len(pairs) != 1:
        shown = "; ".join(sorted(f"{key_file} with {chain_file}" for key_file, chain_file in pairs)) or "none"
        return FirstLook(
            LEAVE,
            f"the key that port {_numbers(ports)} presents ({key[:16]}…) does not come from one pair of files: "
            f"{shown}. Everything stays as it is",
        )
    key_file, chain_file = pairs.pop()
    sentence = f"port {_numbers(ports)} presents the key {key[:16]}… of {key_file}: it stays in use"
    return FirstLook(ADOPT, sentence, key, key_file, chain_file)


def _place(socket: Fields) -> str:
    address = f"[{socket['address']}]" if ":" in str(socket["address"]) else socket["address"]
    return f"{address}:{socket['port']}"


def _how(served: c.Sequence[Fields], key: str) -> str:
    ways = {item.get("server_name") or "without SNI" for item in served if item["spki_sha256"] == key}
    kinds = {item["key_type"] for item in served if item["spki_sha256"] == key and item["key_type"] != "any"}
    return ", ".join(sorted(kinds) + sorted(ways))


def _numbers(ports: c.Collection[int]) -> str:
    return ", ".join(str(port) for port in sorted(ports))
