# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges from outside whether a host and its mail are worse off, by openssl, dig, getent, sha256sum and logs alone.

A picture is what a host serves, publishes, resolves and has in its configuration at one moment. A watch is mail that
flows meanwhile. Nothing of the collection takes part in either.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import re
import time
import typing as t

from enforcing_senders import FLUSH, SEND, SENDERS, counted_by_exim, counted_by_postfix
from living_site import World

#: What was judged so far: the test, messages that flowed, and how many complaints there are of which kind.
EVIDENCE: list[str] = []
NAME_SERVERS = ("198.51.100.2", "198.51.100.3")
#: How TLS begins on the ports of mail; sockets on other ports are only counted.
BEGINS = {25: "smtp", 2525: "smtp", 10025: "smtp", 587: "smtp", 465: "", 143: "imap", 993: ""}
#: Sockets that the collection's own resolver opens; every other new one is a change.
RESOLVER_PORTS = frozenset({53, 8953})
CONFIGURATION = (
    "/etc/postfix /etc/postfix-* /etc/dovecot /etc/letsencrypt /etc/ssl /etc/bind /etc/nsd /etc/mail-tls /etc/aliases"
    " /etc/resolv.conf /etc/nsswitch.conf /etc/hosts /etc/systemd/resolved.conf.d /home/user-data /opt"
)
PROBE = r"""
probe() {
  address=$1 port=$2 begins=$3 name=$4 kind=$5
  set -- -connect "$address:$port" -no-CAfile -no-CApath -no-CAstore -showcerts
  [ -z "$begins" ] || set -- "$@" -starttls "$begins" -name judge.outside.nl
  if [ "$name" = - ]; then set -- "$@" -noservername; else set -- "$@" -servername "$name"; fi
  case $kind in rsa) set -- "$@" -tls1_2 -cipher aRSA ;; ecdsa) set -- "$@" -tls1_2 -cipher aECDSA ;; esac
  seen=$(timeout 10 openssl s_client "$@" </dev/null 2>/dev/null | sed -n '/^-----BEGIN CERT/,/^-----END CERT/p')
  if [ -n "$seen" ]; then
    seen=$(printf '%s\n' "$seen" | sha256sum | cut -c1-64)/$(printf '%s\n' "$seen" | openssl x509 -noout -pubkey \
      | openssl pkey -pubin -outform DER | sha256sum | cut -c1-64)
  fi
  echo "SERVED $address $port $name $kind ${seen:-nothing}"
}
"""
FILES = r"""
for path in $(find %s 2>/dev/null | sort); do
  if [ -L "$path" ]; then what=$(readlink "$path"); elif [ -f "$path" ]; then what=$(sha256sum <"$path"); else what=; fi
  echo "FILE $path $(stat -c '%%a %%U %%G %%F' "$path") $what" | sed 's/ -$//'
done
"""


@dataclasses.dataclass(frozen=True)
class Picture:
    """What a host was at one moment; every part is a dictionary, so that two pictures are compared part by part."""

    served: dict[str, str]
    sockets: dict[str, str]
    published: dict[str, str]
    resolved: dict[str, str]
    files: dict[str, str]


def picture(world: World) -> Picture:
    """Take a picture of the host of a shape."""
    shape, host = world.shape, world.shape.host
    listening = world.on(host, "ss -Hltn | awk '{print $4}' | sort -u").split()
    sockets = {one: one.rsplit(":", 1)[1] for one in listening if one.rsplit(":", 1)[1] != "22"}
    own = world.on(host, "ip -4 -o addr show eth0 | sed -E 's/.* inet ([0-9.]+).*/\\1/'").split()
    places: dict[str, list[tuple[str, int]]] = {"sender": [], host: []}
    for socket in sockets:
        address, _colon, port = socket.rpartition(":")
        if int(port) in BEGINS:
            if address.startswith(("127.", "[::1")):
                places[host].append((address.strip("[]"), int(port)))
            else:
                everywhere = address.strip("[]*") in ("0.0.0.0", "", "::")
                places["sender"] += [(one, int(port)) for one in own if everywhere or address == one]
    served = {}
    for where, endpoints in places.items():
        calls = [
            f"probe {address} {port} '{BEGINS[port]}' {name} {kind}"
            for address, port in sorted(set(endpoints))
            for name in ("-", *shape.mx_names, *shape.asked, "unknown.invalid")
            for kind in ("any", "rsa", "ecdsa")
        ]
        # Four at a time.
        turns = [" & ".join(calls[at : at + 4]) + " & wait" for at in range(0, len(calls), 4)]
        lines = world.on(where, "\n".join([PROBE, *turns]) if calls else "true").splitlines()
        served.update({" ".join(words[1:5]): words[5] for words in map(str.split, lines) if words[:1] == ["SERVED"]})
    published = {}
    for name in shape.mx_names:
        for server in NAME_SERVERS:
            answer = world.lab.inside("dig", "+noall", "+answer", f"_25._tcp.{name}", "TLSA", f"@{server}", check=False)
            records = [line.split(None, 4) for line in answer.splitlines() if " TLSA" in line or "\tTLSA" in line]
            published[f"{name} @{server}"] = "; ".join(sorted(f"{one[1]} {one[4]}" for one in records))
    asked = "\n".join(f"echo NAME {name} $(getent ahostsv4 {name})" for name in shape.resolves)
    lines = world.on(host, asked or "true").splitlines()
    resolved = {words[1]: " ".join(words[2:3]) for words in map(str.split, lines)}
    lines = world.on(host, FILES % CONFIGURATION).splitlines()
    files = {line.split()[1]: line.split(None, 2)[2] for line in lines}
    return Picture(served, sockets, published, resolved, files)


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is not as before, one line for each key."""
    keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return [f"{key}: {before.get(key, '(not there)')} -> {after.get(key, '(not there)')}" for key in keys]


def worse(before: Picture, after: Picture) -> dict[str, list[str]]:
    """What got worse: certificates that changed, sockets, records of keys in use that are gone, names that are lost."""
    lost_records = [
        f"{place}: {record} is gone"
        for place, records in before.published.items()
        for record in filter(None, records.split("; "))
        # The TTL may become another one; the record may not go.
        if record.split(None, 1)[1] not in after.published.get(place, "")
    ]
    sockets = [
        line for line in differences(before.sockets, after.sockets)
        if int(line.split(": ")[0].rsplit(":", 1)[1]) not in RESOLVER_PORTS
    ]  # fmt: skip
    found = {
        "changed ports": differences(before.served, after.served),
        "changed sockets": sockets,
        "lost records": lost_records,
        "lost names": differences(before.resolved, after.resolved),
    }
    return {what: lines for what, lines in found.items() if lines}


def is_published(world: World, seen: Picture) -> None:
    """Assert that every name server has the key in use of each MX name, and one more key that may come."""
    for name in world.shape.mx_names:
        chains = {value for socket, value in seen.served.items() if socket.split()[1:3] == ["25", name]}
        keys = {one.split("/")[1] for one in chains - {"nothing"}}
        for place, records in seen.published.items():
            if place.split()[0] == name:
                found = re.findall(r"\b3 1 1 ([0-9A-F ]+)", records)
                there = {one.replace(" ", "").lower() for one in found}
                assert keys and keys <= there and len(there) > 1, (place, keys, records)


@dataclasses.dataclass
class Report:
    """What became of the mail while it was watched: how much there was, and lines that say what went wrong."""

    sent: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    wrong: dict[str, list[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))

    def is_unharmed(self) -> None:
        assert not self.wrong, self.text()
        assert self.sent and all(number > 3 for number in self.sent.values()), self.sent

    def text(self) -> str:
        lines = [f"mail that flowed: {dict(self.sent)}"]
        for what, those in self.wrong.items():
            lines += [f"{what}: {len(those)}", *(f"  {one}" for one in those[:5])]
        return "\n".join(lines)


#: Seconds that mail is watched at least: a run that has nothing to do is over before much of it has flowed.
AT_LEAST = 15


class Watch:
    """Mail every second from two enforcing senders and from the host itself, and mail programs at their ports."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mark = f"m{time.time_ns()}"
        self.report = Report()

    def _loop(self, host: str, unit: str, body: str) -> None:
        path = f"/root/{unit}"
        self.world.put(host, path, f"while :; do\n{body}\nsleep 1\ndone\n")
        self.world.on(host, f"systemd-run -q --unit {unit} sh {path}")

    def _recipients(self) -> dict[str, list[str]]:
        """Who sends to whom, as commands with recipients."""
        shape = self.world.shape
        found = {sender: [f"root@{domain}" for domain in shape.receives] for sender in SENDERS if shape.receives}
        return {**found, shape.host: list(shape.targets)}

    def _from(self, host: str) -> str:
        """Not the same for mail that arrives at a sender, whose log is read for what it sends."""
        return f"{self.mark}{'' if host in SENDERS else 'h'}@outside.nl"

    def __enter__(self) -> t.Self:
        shape, host = self.world.shape, self.world.shape.host
        length = "touch /var/log/mail.log; wc -l </var/log/mail.log"
        self._begin = {name: int(self.world.on(name, length)) for name in ("sender", "inside", host)}
        for number, name in enumerate(shape.mx_names if shape.receives else ()):
            late = f"systemd-run -q --unit late{number}-{self.mark} sh /usr/local/bin/late-cache _25._tcp.{name}"
            self.world.on("exim", f"unbound-control -q flush_infra all; {late}")
        for sender, recipients in self._recipients().items():
            commands = list(shape.sendmail) if sender == host else [SEND.get(sender, "sendmail")]
            body = "\n".join(
                f"printf 'Subject: {self.mark}-{sender}\\n\\nx\\n' | {command} -f {self._from(sender)} {recipient}"
                for command in commands
                for recipient in recipients
            )
            self._loop(sender, self.mark, body)
        if shape.clients:
            self._loop("sender", f"c{self.mark}", "\n".join(self._client(port) for port in shape.clients))
        self._watched_until = time.monotonic() + AT_LEAST
        return self

    def _client(self, port: int) -> str:
        """A mail program that trusts the public CA and checks the name."""
        name, begins = self.world.shape.mx_names[0], BEGINS[port]
        starttls = f"-starttls {begins}" if begins else ""
        trust = "-CAfile /root/public-ca/root.pem -no-CApath -no-CAstore -verify_return_error"
        return (
            f"timeout 10 openssl s_client -connect 198.51.100.{self.world.shape.address}:{port} {starttls} {trust}"
            f" -servername {name} -verify_hostname {name} </dev/null >/root/client.out 2>&1"
            f" && echo good {port} >>/root/c{self.mark}.log"
            f" || echo bad {port} $(date +%T) $(grep -m1 -i -E 'verify error|refused|alert|error' /root/client.out)"
            f" >>/root/c{self.mark}.log"
        )

    def __exit__(self, kind: object, *_: object) -> None:
        self.finish(complete=kind is None)

    def finish(self, complete: bool = True) -> None:
        shape, host = self.world.shape, self.world.shape.host
        senders = list(self._recipients())
        if complete:
            time.sleep(max(0, self._watched_until - time.monotonic()))
        for sender in senders:
            self.world.on(sender, f"systemctl stop {self.mark}; true")
        if shape.clients:
            self.world.on("sender", f"systemctl stop c{self.mark}")
        for number, _name in enumerate(shape.mx_names if shape.receives else ()):
            self.world.on("exim", f"systemctl stop late{number}-{self.mark}")
        if not complete:
            return
        for sender in senders:
            self.world.on(sender, FLUSH.get(sender, FLUSH["sender"]), check=False)
        self._senders()
        self._logs()
        if shape.clients:
            for line in self.world.on("sender", f"cat /root/c{self.mark}.log").splitlines():
                verdict, port, *rest = line.split()
                self.report.sent[f"mail program at {port}"] += verdict == "good"
                if verdict == "bad":
                    self.report.wrong[f"mail program at {port} refused"].append(" ".join(rest))
        queue = self.world.on(host, "postqueue -p", check=False)
        if self.mark in queue:
            self.report.wrong["left in the queue"].append(queue)
        test = os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[-1].split(" ")[0]
        wrong = ", ".join(f"{what} {len(those)}" for what, those in self.report.wrong.items()) or "no harm"
        EVIDENCE.append(f"{test:<110} {self.report.sent.total():>6}  {wrong}")

    def _senders(self) -> None:
        """What the logs of both senders say, and how much of it arrived."""
        shape = self.world.shape
        if not shape.receives:
            return
        for sender, path, read in (
            ("sender", "/var/log/mail.log", counted_by_postfix), ("exim", "/var/log/exim4/mainlog", counted_by_exim),
        ):  # fmt: skip
            end = time.monotonic() + 15
            while True:
                log = self.world.on(sender, f"cat {path}")
                count = read(log, self.mark, 0)
                if count.queued == count.sent or time.monotonic() > end:
                    break
                time.sleep(0.5)
            self.report.sent[f"{sender} to the host"] = count.sent
            if count.unverified:
                self.report.wrong["not verified"].append(f"{sender}: {count}")
            if count.deferred or count.queued != count.sent:
                self.report.wrong["refused or deferred"] += [f"{sender}: {count}", *complaints(log, self.mark)]
            subject = f"Subject: {self.mark}-{sender}"
            place, find = shape.arrives_at or shape.host, f"{shape.arrives} | grep -c '^{subject}' || true"
            end = time.monotonic() + 15
            while (arrived := int(self.world.on(place, find) or 0)) < count.sent and time.monotonic() < end:
                time.sleep(0.5)
            if arrived != count.sent:
                self.report.wrong["lost or doubled"].append(f"{sender}: {count.sent} sent, {arrived} arrived")

    def _logs(self) -> None:
        """What the logs of the host and of what is inside say of mail that did not go its way."""
        for name, first in self._begin.items():
            log = self.world.on(name, f"tail -n +{first + 1} /var/log/mail.log")
            if name == self.world.shape.host:
                ids = set(re.findall(rf"(\w+): from=<{self._from(name)}>", log))
                sent = [one for one in re.findall(r"\]: (\w+): .*status=sent", log) if one in ids]
                self.report.sent["from the host"] = len(sent)
            if name == "sender":
                continue  # read already
            for line in log.splitlines():
                for what, pattern in WRONG.items():
                    if re.search(pattern, line):
                        self.report.wrong[f"{what} at {name}"].append(line[-400:])


def unverified(world: World) -> list[str]:
    """The commands whose mail leaves the host without DANE: it went to a server whose record is wrong."""
    found = []
    for command in world.shape.sendmail:
        mark = f"w{time.time_ns()}"
        configuration = command.partition(" -C ")[2] or "/etc/postfix"
        world.on(world.shape.host, f"printf 'Subject: x\\n\\nx\\n' | {command} -f {mark}@outside.nl root@wrongtlsa.nl")
        pattern = r"\]: (\w+): .*to=<root@wrongtlsa\.nl>.*status=(\w+) \((.*)"
        end, ends = time.monotonic() + 60, []
        while not ends:
            log = world.on(world.shape.host, "cat /var/log/mail.log")
            ids = set(re.findall(rf"(\w+): from=<{mark}@", log))
            ends = [(status, why) for number, status, why in re.findall(pattern, log) if number in ids]
            assert time.monotonic() < end, f"nothing became of a message by {command}"
            time.sleep(0.5)
        # A relay that took the message would try it again and again.
        world.on(world.shape.host, f"postsuper -c {configuration} -d ALL")
        world.on("inside", "postsuper -d ALL")
        if ends[0][0] == "sent":
            found.append(command)
        else:
            assert "not verified" in ends[0][1] or "TLS" in ends[0][1], ends
    return found


WRONG = {
    "bounced": r"status=(bounced|expired)",
    "deferred": r"status=(deferred|undeliverable)",
    "refused": r"(NOQUEUE|\]: \w+): (milter-)?reject:",
    # A look for a kind of key that is not there ends without a shared cipher; that is the answer.
    "warned": r"(warning|error|fatal): (?!.*no shared cipher).*(milter|lookup|policy|certificate|TLS|unavail|config)",
}


def complaints(log: str, mark: str) -> list[str]:
    """Lines of a sender's log about messages that did not go at once."""
    ids = set(re.findall(rf"(\S+) <= {mark}@|(\w+): from=<{mark}@", log))
    known = {one for pair in ids for one in pair if one}
    failed = re.compile(r" == | \*\* |status=(deferred|bounced)|DANE attempt failed")
    return [line[-400:] for line in log.splitlines() if failed.search(line) and any(one in line for one in known)]
