# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A delivery to a receiver that must be refused, carried out by Postfix itself up to RCPT TO.

``sendmail -bv`` makes Postfix connect as for any other mail: same transport, same settings, same policy. It sends no
data, is tried once, and leaves the queue by itself; with an empty sender there is no report either.
Standard library only, because it runs on mail servers. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postconf import squeeze
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.postfix import PostfixError, Run

_LOG_FILES: t.Final = ("/var/log/mail.log", "/var/log/maillog", "/var/log/mail/mail.log")
_TAIL: t.Final = 4 * 1024 * 1024
_DOMAIN: t.Final = re.compile(
    r"(?=.{1,253}\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}\Z"
)
_RESULT: t.Final = re.compile(
    r"relay=(?P<relay>[^,]*),.* dsn=(?P<dsn>[\d.]+), status=(?P<status>\w+) \((?P<reason>.*)\)\s*\Z"
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What Postfix did. ``outcome``: ``refused`` for its certificate, ``accepted`` in spite of it, or ``unknown``."""

    outcome: str
    relay: str
    reason: str


def read(line: str) -> Outcome:
    """Return what a line of the mail log says about the probe."""
    found = _RESULT.search(line)
    if not found:
        return Outcome("unknown", "", squeeze(line)[-300:])
    relay, reason = found["relay"], squeeze(found["reason"])[:300]
    if "[" not in relay:
        return Outcome("unknown", relay, f"no host was connected to: {reason}")
    if found["status"] in ("deliverable", "sent") or re.search(
        r"in reply to (?:MAIL FROM|RCPT TO|end of DATA)", reason
    ):
        return Outcome("accepted", relay, reason)
    if found["dsn"] == "4.7.5" and "certificate not" in reason:
        return Outcome("refused", relay, reason)
    return Outcome("unknown", relay, reason)


def check_domain(domain: str) -> str:
    """Return the domain; ValueError for what is not one."""
    if not _DOMAIN.match(domain):
        raise ValueError(
            f"destination {domain!r} is not a domain name: give a domain whose TLSA record is wrong on purpose"
        )
    return domain


class Probe:
    """Sends probes through the Postfix whose configuration is in ``directory``."""

    def __init__(self, run: Run, programs: str, directory: str, token: str) -> None:
        self._run = run
        self._programs = programs
        self._directory = directory
        self._token = token

    def _ask(self, program: str, *arguments: str) -> tuple[int, str, str]:
        return self._run(["timeout", "30", os.path.join(self._programs, program), "-c", self._directory, *arguments])

    def _value(self, name: str) -> str:
        return squeeze(self._ask("postconf", "-xh", name)[1])

    def send(self, domain: str, seconds: float) -> Outcome:
        """Return what becomes of mail to ``domain``. PostfixError when Postfix does not take it at all."""
        if self._ask("postfix", "status")[0] != 0:
            raise PostfixError(
                f"the Postfix of {self._directory} does not run, so no mail could be tried: start it with"
                f" postfix -c {self._directory} start"
            )
        sendmail = self._value("sendmail_path")
        start = time.time()
        command = ["timeout", "30", sendmail, "-C", self._directory, "-bv", "-f", "", f"{self._token}@{domain}"]
        try:
            status, out, errors = self._run(command)
            if status != 0:
                raise PostfixError(f"{sendmail} ended with status {status}: {squeeze(errors or out)[:300]}")
            return self._wait(start, seconds)
        finally:
            self._remove()

    def _wait(self, start: float, seconds: float) -> Outcome:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            lines = [line for line in self._log(start) if self._token in line and "status=" in line]
            if lines:
                return read(lines[-1])
            time.sleep(0.5)
        return Outcome(
            "unknown",
            "",
            f"the mail log has no result for {self._token} after {seconds:g} s; see: journalctl -g {self._token}",
        )

    def _log(self, start: float) -> list[str]:
        own = self._value("maillog_file")
        if own and os.path.isfile(own):
            return _tail(own)
        # What syslog sends to the journal stands in it even where a file is written as well.
        since = f"--since=@{int(start) - 1}"
        status, out, _errors = self._run(
            ["timeout", "30", "journalctl", "--quiet", "--no-pager", "-o", "cat", since, "SYSLOG_FACILITY=2"]
        )
        lines = out.splitlines() if status == 0 else []
        for path in _LOG_FILES if not any(self._token in line for line in lines) else ():
            if os.path.isfile(path):
                lines += _tail(path)
        return lines

    def _remove(self) -> None:
        """Take the probe out of the queue, where it still is when no transport could take it in time."""
        status, out, errors = self._ask("postqueue", "-j")
        if status != 0:
            raise PostfixError(
                f"postqueue could not list the queue of {self._directory}: {squeeze(errors or out)[:300]}"
            )
        for line in out.splitlines():
            if self._token in line:
                queue_id = str(json.loads(line)["queue_id"])
                status, out, errors = self._ask("postsuper", "-d", queue_id)
                # Between the two it may have left the queue by itself.
                if status != 0 and "no such" not in errors.lower():
                    raise PostfixError(
                        f"the probe stays in the queue; remove it: postsuper -d {queue_id} ({squeeze(errors)[:200]})"
                    )


def _tail(path: str) -> list[str]:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        return file.read(_TAIL).decode(errors="replace").splitlines()
