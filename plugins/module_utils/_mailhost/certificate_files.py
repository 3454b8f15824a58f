# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The key and certificates of a mail server as files: made, proven, then switched in one step.

    DIRECTORY/staged/   key.pem, chain.pem      what the next deployment takes
    DIRECTORY/next/     key.pem, chain.pem      the same for the next key, during a rotation
    DIRECTORY/live/     keychain.pem            what the mail server reads: key, then chain
                        chain.pem               its public part, for whoever computes TLSA records
    DIRECTORY/previous/ keychain.pem, chain.pem what was live before
    DIRECTORY/adopted.json                      where the key in use came from, while it is one that was in use before

``live/keychain.pem`` is the truth: it changes by one rename, and everything else is brought in line with it by
the next call, wherever an earlier one was cut off. The key in it changes only when that is asked for, because
published TLSA records may depend on it. Standard library and the openssl command only. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import shlex
import stat
import time
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import openssl as mailhost_openssl
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost import source_file
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.openssl import Openssl, OpensslError
from ansible_collections.mailsec.dane.plugins.module_utils._mailhost.source_file import FilesError
from ansible_collections.mailsec.dane.plugins.module_utils._pki.certificate import CertificateError

if t.TYPE_CHECKING:
    import collections.abc as c

STAGED: t.Final = "staged"
NEXT: t.Final = "next"
LIVE: t.Final = "live"
PREVIOUS: t.Final = "previous"
SLOTS: t.Final = (STAGED, NEXT)
ADOPTED: t.Final = "adopted.json"

_MODES: t.Final[t.Mapping[str, int]] = {"": 0o755, LIVE: 0o755, STAGED: 0o700, NEXT: 0o700, PREVIOUS: 0o700}
_PRIVATE: t.Final = 0o600
_PUBLIC: t.Final = 0o644
_MAX_BYTES: t.Final = 256 * 1024
_MAX_CERTIFICATES: t.Final = 10
_MAX_NAMES: t.Final = 100
_DAY: t.Final = 86400
_NAME: t.Final = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class Pair:
    """A private key and its chain, leaf first, each certificate as normalised PEM text."""

    key: str = dataclasses.field(repr=False)
    chain: tuple[str, ...]

    @property
    def public(self) -> str:
        """The chain as one text."""
        return "".join(self.chain)

    @property
    def keychain(self) -> str:
        """Key, then chain, the order Postfix asks for."""
        return self.key + self.public


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a certificate shall be: good for ``names``, followed by ``issuers``, longer valid than ``renew_days``."""

    names: tuple[str, ...]
    issuers: tuple[str, ...] = ()
    renew_days: int = 0
    key_type: str = "ecdsa-p256"


def check_names(names: c.Iterable[str]) -> tuple[str, ...]:
    """Return ``names`` in lower case, in order, each once; FilesError for what is not a host name with a domain."""
    found = tuple(dict.fromkeys(name.strip().lower().removesuffix(".") for name in names))
    if not found or len(found) > _MAX_NAMES:
        raise FilesError(f"{len(found)} names are given; a certificate here has 1 to {_MAX_NAMES}")
    for name in found:
        if not name.isascii():
            raise FilesError(f"name {name[:80]!r} is an internationalised name: give it as A-labels (xn--...)")
        if not _NAME.fullmatch(name) or name.rsplit(".", 1)[1].isdigit():
            raise FilesError(
                f"name {name[:80]!r} is not a fully qualified host name: labels of 1 to 63 letters, digits or hyphens, "
                "at least two of them (RFC 1123 section 2.1)"
            )
    return found


def read_chain(text: str, what: str) -> tuple[str, ...]:
    """Return the certificates in the PEM ``text``, normalised; FilesError naming ``what`` when that cannot be done."""
    try:
        blocks = mailhost_openssl.pem_blocks(text)
        chain = tuple(block for label, block in blocks if label == "CERTIFICATE")
        for number, certificate in enumerate(chain, start=1):
            try:
                mailhost_openssl.spki_of(certificate)
            except CertificateError as error:
                raise CertificateError(f"certificate {number}: {error}") from error
    except CertificateError as error:
        raise FilesError(f"{what}: {error}") from error
    if not chain:
        others = ", ".join(sorted({label for label, _block in blocks}))
        raise FilesError(f"{what} has no CERTIFICATE block" + (f", only: {others}" if others else ""))
    if len(chain) > _MAX_CERTIFICATES:
        raise FilesError(f"{what} has {len(chain)} certificates; chains of more than {_MAX_CERTIFICATES} are refused")
    return chain


def read_key(text: str, what: str) -> str:
    """Return the one private key in the PEM ``text``, normalised; FilesError naming ``what``, without its content."""
    try:
        keys = [(label, block) for label, block in mailhost_openssl.pem_blocks(text) if label.endswith("PRIVATE KEY")]
    except CertificateError as error:
        raise FilesError(f"{what}: {error}") from None
    if len(keys) != 1:
        raise FilesError(f"{what} has {len(keys)} private keys; exactly one is needed")
    label, block = keys[0]
    if not block or label.startswith("ENCRYPTED"):
        raise FilesError(f"{what}: the private key is encrypted; mail servers read unencrypted keys only")
    return block


@dataclasses.dataclass(frozen=True)
class Adopted:
    """A key that the mail server used before: its digest as TLSA records have it, and the files it was read from."""

    public_key: str
    key_file: str
    chain_file: str


class Files:
    """The directory of one mail server.

    With ``change`` false nothing is written: what would be written is remembered, and read back as if it had been.
    ``actions`` collects, in words, what was or would be changed.
    """

    def __init__(self, directory: str, openssl: Openssl, change: bool = True) -> None:
        self.directory = directory
        self.change = change
        self.actions: list[str] = []
        self._openssl = openssl
        self._owner = os.geteuid()
        self._planned: dict[str, str | None] = {}

    # Reading

    def _path(self, *parts: str) -> str:
        return os.path.join(self.directory, *parts)

    def _check(self, path: str, found: os.stat_result, forbidden: int) -> None:
        if found.st_uid != self._owner:
            raise FilesError(
                f"{path} belongs to user number {found.st_uid}, not to {self._owner}: who owns it can change it at any "
                "time. Find out who put it there, then remove it or give it to the right user"
            )
        mode = stat.S_IMODE(found.st_mode)
        if mode & forbidden:
            what = "read or change" if forbidden & 0o055 else "change"
            wanted = _PRIVATE if forbidden & 0o055 else mode & ~forbidden
            raise FilesError(
                f"{path} has mode {mode:04o}, so that others may {what} it. When nobody did, chmod {wanted:04o} it; "
                "a key that was read must be replaced"
            )

    def read(self, path: str, private: bool) -> str | None:
        """Return the text of a file, None when there is none; FilesError when others could have tampered with it."""
        if path in self._planned:
            return self._planned[path]
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FilesError(f"{path} cannot be read: {error.strerror}") from error
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise FilesError(f"{path} is not an ordinary file")
            self._check(path, found, 0o077 if private else 0o022)
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise FilesError(f"{path} has more than {_MAX_BYTES} bytes")
        return data.decode("utf-8", "surrogateescape")

    def read_source(self, path: str, private: bool) -> str | None:
        """Return the text of a file that another program keeps, None when there is none.

        Symbolic links are followed, as certbot and dehydrated use them, where nobody else can redirect them; a key may
        be readable by its group, as Debian has it for group ssl-cert. FilesError says what is wrong, and what helps.
        """
        if path in self._planned:
            return self._planned[path]
        found = source_file.open_source(path, {0, self._owner})
        if found is None:
            return None
        with os.fdopen(found.handle, "rb") as file:
            self._check_source(found, private)
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise FilesError(f"{found.described} has more than {_MAX_BYTES} bytes")
        return data.decode("utf-8", "surrogateescape")

    def _check_source(self, found: source_file.Source, private: bool) -> None:
        if found.stat.st_uid not in (0, self._owner):
            raise FilesError(
                f"{found.described} belongs to user number {found.stat.st_uid}, who can change it at any time; it must "
                f"belong to root. Run: chown root {shlex.quote(found.path)}"
            )
        mode = stat.S_IMODE(found.stat.st_mode)
        # The group may read a key, and nobody else; write only its owner.
        if mode & (0o027 if private else 0o022):
            rule = (
                "only its owner may write a key, and only its owner and group read it"
                if private
                else ("only its owner may write it")
            )
            wanted = mode & (0o640 if private else 0o755)
            raise FilesError(
                f"{found.described} has mode {mode:04o}; {rule}. Run: chmod {wanted:04o} {shlex.quote(found.path)}"
                + ("; replace the key if somebody may have read it" if private else "")
            )

    def key(self, slot: str) -> str | None:
        """Return the private key in ``slot``, None when there is none."""
        path = self._path(slot, "key.pem")
        text = self.read(path, private=True)
        return None if text is None else read_key(text, path)

    def chain(self, slot: str) -> tuple[str, ...] | None:
        """Return the chain in ``slot``, None when there is none."""
        path = self._path(slot, "chain.pem")
        text = self.read(path, private=False)
        return None if text is None else read_chain(text, path)

    def live(self) -> Pair | None:
        """Return what the mail server reads, None when nothing was deployed yet."""
        path = self._path(LIVE, "keychain.pem")
        text = self.read(path, private=True)
        return None if text is None else Pair(read_key(text, path), read_chain(text, path))

    def adopted(self) -> Adopted | None:
        """Return where the key in use came from; None when it was made for this collection, or nothing is in use."""
        path, live = self._path(ADOPTED), self.live()
        text = self.read(path, private=False)
        if text is None or live is None:
            return None
        try:
            found = Adopted(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise FilesError(
                f"{path} is damaged ({error}): remove it, then the certificate is renewed as all others are"
            ) from error
        return found if found.public_key == self._digest(live.key, self._path(LIVE, "keychain.pem")) else None

    def _digest(self, key: str, what: str) -> str:
        return hashlib.sha256(self.public_key(key, what)).hexdigest()

    def public_key(self, key: str, what: str) -> bytes:
        """Return the raw public key of ``key``; FilesError naming ``what``."""
        try:
            return self._openssl.public_key(key)
        except ValueError as error:
            raise FilesError(f"{what}: {error}") from None

    def describe(self, pair: Pair | None) -> dict[str, t.Any] | None:
        """Return what may be shown of ``pair``: the digests TLSA records have, names, end. Nothing secret."""
        if pair is None:
            return None
        facts = [self._openssl.facts(certificate) for certificate in pair.chain]
        end = min(fact.not_after for fact in facts)
        return {
            "spki_sha256": hashlib.sha256(mailhost_openssl.spki_of(pair.chain[0])).hexdigest(),
            "names": list(facts[0].dns_names),
            "subjects": [fact.subject for fact in facts],
            "sha256": hashlib.sha256(pair.public.encode()).hexdigest(),
            "not_after": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end)),
            "days_left": int((end - time.time()) // _DAY),
        }

    # Writing

    @contextlib.contextmanager
    def locked(self) -> c.Iterator[None]:
        """Make the directories, keep other runs out, and clear away what a killed run left."""
        if not self.change:
            for name in _MODES:
                self._directory(name)
            yield
            return
        self._directory("")
        handle = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FilesError(f"another run is at work on {self.directory}; try again when it has ended") from None
            for name in list(_MODES)[1:]:
                self._directory(name)
                for entry in os.listdir(self._path(name)):
                    if entry.startswith(".") and entry.endswith(".new"):
                        os.unlink(self._path(name, entry))
            yield
        finally:
            os.close(handle)

    def _directory(self, name: str) -> None:
        path = self._path(name).rstrip("/")
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            self.actions.append(f"make directory {path}")
            if self.change:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.mkdir(path)
                os.chmod(path, _MODES[name])
            return
        if not stat.S_ISDIR(found.st_mode):
            raise FilesError(f"{path} is not a directory")
        self._check(path, found, 0o022)

    def _write(self, slot: str, name: str, text: str, mode: int) -> None:
        """Replace one file by a rename, so that readers see the old or the new one, also after a power cut."""
        path, new = self._path(slot, name), self._path(slot, f".{name}.new")
        self.actions.append(f"write {path}")
        if not self.change:
            self._planned[path] = text
            return
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
        self._sync(slot)

    def _sync(self, slot: str) -> None:
        handle = os.open(self._path(slot), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _remove(self, slot: str, name: str) -> None:
        path = self._path(slot, name)
        if self._planned.get(path, "") is None or not os.path.lexists(path):
            return
        self.actions.append(f"remove {path}")
        if not self.change:
            self._planned[path] = None
            return
        os.unlink(path)
        self._sync(slot)

    def _make_key(self, slot: str, key_type: str) -> str | None:
        path, new = self._path(slot, "key.pem"), self._path(slot, ".key.pem.new")
        self.actions.append(f"make an {key_type} key in {path}")
        if not self.change:
            return None
        try:
            self._openssl.new_key(key_type, new)
        except OpensslError as error:
            raise FilesError(str(error)) from error
        os.chmod(new, _PRIVATE)
        # Unlike a rename, a link never replaces a key that is there.
        os.link(new, path)
        os.unlink(new)
        self._sync(slot)
        return self.key(slot)

    # Deciding

    def settle(self) -> None:
        """Bring ``staged`` in line with the live key, whatever an earlier run left undone.

        FilesError when ``staged`` has a key that nobody planned.
        """
        live = self.live()
        if live is None:
            return
        wanted = self.public_key(live.key, self._path(LIVE, "keychain.pem"))
        found = {slot: self._key_digest(slot) for slot in SLOTS}
        digest = hashlib.sha256(wanted).hexdigest()
        if found[STAGED] is None or (found[STAGED] != digest and found[NEXT] == digest):
            # The key went live out of "next", or the staged one was lost: the live pair is the one to renew from.
            self._write(STAGED, "chain.pem", live.public, _PUBLIC)
            self._write(STAGED, "key.pem", live.key, _PRIVATE)
        elif found[STAGED] != digest:
            raise FilesError(
                f"{self._path(STAGED, 'key.pem')} (public key {found[STAGED]}) and {self._path(LIVE, 'keychain.pem')} "
                f"(public key {digest}) have different keys: another program replaced one of them. Senders refuse mail "
                "if no TLSA record is published for the one that the mail server presents. Run the playbook "
                "mailsec.dane.finish: it puts back the key whose record is published. If that changes nothing, the key "
                f"in {self._path(STAGED)} is the other program's: remove the files there. Then find out which program "
                "it is"
            )
        self._forget_adopted(digest)

    def _forget_adopted(self, live: str) -> None:
        """Forget an adopted key once it is neither in use nor what could be gone back to."""
        adopted = self._digest_of_adopted()
        if adopted in (None, live):
            return
        path = self._path(PREVIOUS, "keychain.pem")
        former = self.read(path, private=True)
        if former is None or self._digest(read_key(former, path), path) != adopted:
            self._remove("", ADOPTED)

    def _digest_of_adopted(self) -> str | None:
        text = self.read(self._path(ADOPTED), private=False)
        try:
            return None if text is None else str(json.loads(text)["public_key"])
        except (KeyError, TypeError, ValueError):
            # What is damaged is named by adopted(), where it matters.
            return None

    def _begin(self, slot: str) -> None:
        """Settle, and make room in ``next`` when its key has gone live: another key is the next one."""
        self.settle()
        live = self.live()
        if slot != NEXT or live is None:
            return
        digest = hashlib.sha256(self.public_key(live.key, self._path(LIVE, "keychain.pem"))).hexdigest()
        if self._key_digest(NEXT) == digest:
            self._remove(NEXT, "chain.pem")
            self._remove(NEXT, "key.pem")

    def _key_digest(self, slot: str) -> str | None:
        key = self.key(slot)
        if key is None:
            return None
        return hashlib.sha256(self.public_key(key, self._path(slot, "key.pem"))).hexdigest()

    def reasons(self, slot: str, key: str, wish: Wish) -> list[str]:
        """Say why ``slot`` needs a new certificate; empty when it has what ``wish`` says."""
        try:
            chain = self.chain(slot)
        except FilesError as error:
            return [str(error)]
        if chain is None:
            return ["there is no certificate yet"]
        if mailhost_openssl.spki_of(chain[0]) != self.public_key(key, self._path(slot, "key.pem")):
            return ["the certificate is of another key"]
        found = []
        facts = [self._openssl.facts(certificate) for certificate in chain]
        if sorted(facts[0].dns_names) != sorted(wish.names):
            found.append(f"its names are {', '.join(facts[0].dns_names) or 'none'}")
        if chain[1:] != wish.issuers:
            found.append("the certificates of the authority changed")
        first = min(facts, key=lambda fact: fact.not_after)
        days = int((first.not_after - time.time()) // _DAY)
        if days < wish.renew_days:
            found.append(f"{first.subject} has {days} days left")
        if not found:
            try:
                self._openssl.verify(chain, wish.names)
            except OpensslError as error:
                found.append(str(error))
        return found

    def prepare(self, slot: str, wish: Wish) -> tuple[list[str], str]:
        """Make the key of ``slot`` when there is none, and ask for a certificate when one is needed.

        Returns why one is needed, and the request as PEM text; nothing and "" when none is. The request is also ""
        when the key it needs would only be made, because ``change`` is false.
        """
        self._begin(slot)
        key = self.key(slot)
        if key is None:
            key = self._make_key(slot, wish.key_type)
        if key is None:
            return ["there is no key yet"], ""
        reasons = self.reasons(slot, key, wish)
        if not reasons:
            return [], ""
        path = self._path(slot, "key.pem")
        if path in self._planned:
            path = self._path(LIVE, "keychain.pem")
        try:
            return reasons, self._openssl.request(path, wish.names)
        except OpensslError as error:
            raise FilesError(f"{path}: {error}") from error

    def prove(self, pair: Pair, names: c.Sequence[str], what: str) -> None:
        """Raise FilesError unless ``pair`` would serve.

        That is: key and leaf belong together, and the chain verifies for each of ``names``.
        """
        if mailhost_openssl.spki_of(pair.chain[0]) != self.public_key(pair.key, what):
            raise FilesError(f"{what}: the private key does not belong to the first certificate of the chain")
        if self._digest(pair.key, what) == self._digest_of_adopted():
            # It was in use with this certificate before: DANE-EE looks at neither names nor dates (RFC 7671 §5.1).
            return
        try:
            self._openssl.verify(pair.chain, names)
        except OpensslError as error:
            raise FilesError(f"{what}: {error}") from error

    def stage(self, slot: str, chain: tuple[str, ...], names: c.Sequence[str], key: str | None = None) -> None:
        """Put ``chain``, and ``key`` when given, into ``slot`` once they are proven.

        FilesError before anything is written when they do not serve, or when the key would replace one that TLSA
        records may have been published of.
        """
        self._begin(slot)
        what, present, live = self._path(slot), self.key(slot), self.live()
        if slot == NEXT and key is not None and live is not None and key == live.key:
            # The files given have the key in use: that is not another key.
            return
        if key is None and present is None:
            raise FilesError(f"{what} has no key.pem that a certificate could belong to")
        pair = Pair(t.cast("str", key or present), chain)
        self.prove(pair, names, what)
        replaces = False
        if key is not None and present is not None:
            old, new = (hashlib.sha256(self.public_key(text, what)).hexdigest() for text in (present, key))
            replaces = old != new
            if replaces and (slot == NEXT or live is not None):
                raise FilesError(
                    f"the new key (public key {new}) is not the one in {what} (public key {old}): a renewal keeps the "
                    "key, because published TLSA records may depend on it. To change the key, rotate it"
                )
        if self._chain_or_none(slot) != chain:
            self._write(slot, "chain.pem", pair.public, _PUBLIC)
        if key is not None and (present is None or replaces):
            self._write(slot, "key.pem", pair.key, _PRIVATE)

    def adopt(self, pair: Pair, source: Adopted) -> bool:
        """Take over what the mail server presents already as the live pair; nothing that is served changes.

        Returns whether anything was written; nothing is when something is live already. FilesError when the pair does
        not belong together or is not the one that is served.
        """
        if self.live() is not None:
            return False
        what = source.key_file
        if mailhost_openssl.spki_of(pair.chain[0]) != self.public_key(pair.key, what):
            raise FilesError(
                f"{what} is not the key of the first certificate in {source.chain_file}: nothing was taken over"
            )
        found = self._digest(pair.key, what)
        if found != source.public_key:
            raise FilesError(
                f"{what} has public key {found}, but the mail server presents {source.public_key}: the file was "
                "replaced, and the mail server does not use it yet. Reload the mail server if that was meant, then run "
                "this again"
            )
        self._write("", ADOPTED, json.dumps(dataclasses.asdict(source), indent=1) + "\n", _PUBLIC)
        self._write(STAGED, "chain.pem", pair.public, _PUBLIC)
        self._write(STAGED, "key.pem", pair.key, _PRIVATE)
        self._write(LIVE, "chain.pem", pair.public, _PUBLIC)
        # Last, because from here on the host counts as one that has a certificate in use.
        self._write(LIVE, "keychain.pem", pair.keychain, _PRIVATE)
        return True

    def _chain_or_none(self, slot: str) -> tuple[str, ...] | None:
        try:
            return self.chain(slot)
        except FilesError:
            # What is unreadable is about to be replaced by what was proven.
            return None

    def deploy(
        self,
        slot: str,
        names: c.Sequence[str],
        new_key: bool = False,
        new_issuer: bool = True,
        planned: str | None = None,
    ) -> bool:
        """Make what is in ``slot`` live, proven once more.

        Returns whether ``live/keychain.pem`` changes. FilesError when there is nothing to deploy, it does not serve,
        its key or its issuer's key is another than the live one and ``new_key`` or ``new_issuer`` does not allow
        that, or its public key has another digest than ``planned``. A planned key also takes the place of one that
        something else made live.
        """
        if planned is None:
            self.settle()
        key, chain = self.key(slot), self.chain(slot)
        if key is None or chain is None:
            lacks = "key.pem" if key is None else "chain.pem"
            raise FilesError(f"{self._path(slot)} has no {lacks}: stage a certificate first")
        pair, live = Pair(key, chain), self.live()
        self.prove(pair, names, self._path(slot))
        found = hashlib.sha256(self.public_key(pair.key, slot)).hexdigest()
        if planned is not None and found != planned:
            raise FilesError(
                f"the key in {self._path(slot)} (public key {found}) is not the one that was planned (public key "
                f"{planned}): somebody changed it meanwhile. Nothing was deployed"
            )
        if live is not None and not new_issuer and _issuer(live.chain) != _issuer(pair.chain):
            raise FilesError(
                f"the certificate in {self._path(slot)} was issued by another CA than the one in use, which published "
                "TLSA records may name; it is deployed only by a rotation (playbook rotate_ca)"
            )
        if live is not None and not new_key:
            old, new = (hashlib.sha256(self.public_key(one.key, slot)).hexdigest() for one in (live, pair))
            if old != new:
                raise FilesError(
                    f"the key in {self._path(slot)} (public key {new}) is not the key in use (public key {old}); it is "
                    "deployed only by a rotation, after TLSA records of it were published and have spread"
                )
        changed = live != pair
        if changed:
            if live is not None:
                self._write(PREVIOUS, "keychain.pem", live.keychain, _PRIVATE)
                self._write(PREVIOUS, "chain.pem", live.public, _PUBLIC)
            self._write(LIVE, "keychain.pem", pair.keychain, _PRIVATE)
        if self._chain_or_none(LIVE) != pair.chain:
            self._write(LIVE, "chain.pem", pair.public, _PUBLIC)
        self.settle()
        return changed

    def go_back(self, names: c.Sequence[str]) -> bool:
        """Make what was live before live again, proven; returns whether ``live/keychain.pem`` changes.

        Only while it still differs in its key from what is live, and the slot ``next`` still has the latter: then it
        was deployed last, and becomes the next key again. FilesError otherwise.
        """
        self.settle()
        live, path = self.live(), self._path(PREVIOUS, "keychain.pem")
        text = self.read(path, private=True)
        if live is None or text is None:
            raise FilesError(f"{self._path(PREVIOUS)} has nothing to go back to")
        former = Pair(read_key(text, path), read_chain(text, path))
        digests = [hashlib.sha256(self.public_key(one.key, path)).hexdigest() for one in (former, live)]
        if digests[0] == digests[1]:
            return False
        if self._key_digest(NEXT) != digests[1]:
            raise FilesError(f"{self._path(NEXT)} has not the key in use, so what is live was not deployed from there")
        self.prove(former, names, self._path(PREVIOUS))
        # In this order a run that is cut off is completed by settle(), to one side or the other.
        self._write(STAGED, "chain.pem", former.public, _PUBLIC)
        self._write(STAGED, "key.pem", former.key, _PRIVATE)
        self._write(LIVE, "keychain.pem", former.keychain, _PRIVATE)
        self._write(LIVE, "chain.pem", former.public, _PUBLIC)
        return True


def _issuer(chain: tuple[str, ...]) -> bytes | None:
    return mailhost_openssl.spki_of(chain[1]) if len(chain) > 1 else None
