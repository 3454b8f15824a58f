# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner's data as JSON: targets and observations in, journals both ways, plans out.

Records are text in presentation format. Every reader bounds what it takes and names what is wrong and where.
Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

from ansible_collections.mailsec.dane.plugins.module_utils._clock import Moment, moment_text
from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaError, TlsaRecord
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.state import (
    AuthorityView,
    CachedRrset,
    Chain,
    EndpointView,
    Exposure,
    Journal,
    Mark,
    Observation,
    OwnUpdate,
    Policy,
    Scheme,
    ServedChain,
    Target,
    TargetError,
    VisibleRecord,
)
from ansible_collections.mailsec.dane.plugins.module_utils._rotation.steps import (
    Choose,
    Deploy,
    Done,
    Generate,
    HandOver,
    Plan,
    Publish,
    Step,
    Wait,
)

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.guards import Obstacle

    ChainReader = c.Callable[["Node"], Chain]

_MAX_ITEMS: t.Final = 2000
_MAX_TEXT: t.Final = 4096


class DataError(ValueError):
    """Data of the wrong shape; the message says where and what was expected."""


@dataclasses.dataclass(frozen=True)
class Node:
    """One value of the input, and where it stands."""

    value: t.Any
    where: str

    def _fail(self, expected: str) -> DataError:
        return DataError(f"{self.where} is {str(self.value)[:60]!r}, expected {expected}")

    def field(self, name: str) -> Node:
        """Return the value at ``name``, None when it is not there."""
        if not isinstance(self.value, dict):
            raise self._fail("a dictionary")
        return Node(self.value.get(name), f"{self.where}.{name}")

    def only(self, *names: str) -> None:
        """Refuse fields other than these: a misspelt one would silently mean its default."""
        if not isinstance(self.value, dict):
            raise self._fail("a dictionary")
        unknown = sorted(set(map(str, self.value)) - set(names))
        if unknown:
            raise DataError(f"{self.where} has the unknown field {unknown[0][:60]!r}; known are {', '.join(names)}")

    @property
    def given(self) -> bool:
        """Whether there is a value at all."""
        return self.value is not None

    def items(self) -> list[Node]:
        """Return the elements of a list; none when it is not given."""
        if self.value is None:
            return []
        if not isinstance(self.value, (list, tuple)) or len(self.value) > _MAX_ITEMS:
            raise self._fail(f"a list of at most {_MAX_ITEMS}")
        return [Node(value, f"{self.where}[{place}]") for place, value in enumerate(self.value)]

    def text(self, default: str | None = None) -> str:
        """Return a text."""
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, str) or len(self.value) > _MAX_TEXT:
            raise self._fail(f"a text of at most {_MAX_TEXT} characters")
        return self.value

    def name(self) -> str:
        """Return a text that is not empty."""
        if not self.text():
            raise self._fail("a name")
        return self.text()

    def owner(self) -> str:
        """Return an owner name: lower case, without final dot."""
        return self.name().lower().removesuffix(".")

    def flag(self, default: bool = False) -> bool:
        """Return a truth value."""
        if self.value is None:
            return default
        if not isinstance(self.value, bool):
            raise self._fail("true or false")
        return self.value

    def number(self, default: float | None = None) -> float:
        """Return a finite number."""
        if self.value is None and default is not None:
            return default
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)) or not math.isfinite(self.value):
            raise self._fail("a number")
        return self.value

    def whole(self, default: int | None = None) -> int:
        """Return a whole number that is not negative."""
        value = self.number(default)
        if value < 0 or value != int(value):
            raise self._fail("a whole number of 0 or more")
        return int(value)

    def record(self) -> TlsaRecord:
        """Return a TLSA record."""
        if not isinstance(self.value, str):
            raise self._fail("a TLSA record such as '3 1 1 ...'")
        try:
            return TlsaRecord.from_text(self.value)
        except TlsaError as error:
            raise DataError(f"{self.where}: {error}") from error

    def records(self) -> frozenset[TlsaRecord]:
        """Return a set of TLSA records."""
        return frozenset(item.record() for item in self.items())

    def seen_records(self) -> frozenset[TlsaRecord]:
        """Return a set of records as somebody published them: the wire has such without data, text has not."""
        return frozenset(item.seen_record() for item in self.items())

    def seen_record(self) -> TlsaRecord:
        """Return a record as somebody published it."""
        fields = self.value.split() if isinstance(self.value, str) else []
        if len(fields) == 3 and all(field.isascii() and field.isdigit() and len(field) <= 3 for field in fields):
            try:
                return TlsaRecord.from_wire(bytes(int(field) for field in fields))
            except ValueError as error:
                raise DataError(f"{self.where}: {error}") from error
        return self.record()

    def optional_number(self) -> float | None:
        """Return a number, or None when it is not given."""
        return self.number() if self.given else None

    def optional_whole(self) -> int | None:
        """Return a whole number, or None when it is not given."""
        return self.whole() if self.given else None


def read_chain(node: Node) -> Chain:
    """Read a chain from its facts."""
    node.only("identity", "key", "issuers", "satisfies", "not_after")
    return Chain(
        node.field("identity").name(),
        node.field("key").record(),
        tuple(item.record() for item in node.field("issuers").items()),
        node.field("satisfies").records(),
        node.field("not_after").optional_number(),
    )


def read_policy(node: Node) -> Policy:
    """Read a policy; what is not given has its default. Raises DataError, TargetError."""
    defaults = Policy()
    names = [field.name for field in dataclasses.fields(Policy)]
    if not node.given:
        return defaults
    node.only(*names)
    values: dict[str, t.Any] = {}
    for name in names:
        default, item = getattr(defaults, name), node.field(name)
        if isinstance(default, bool):
            values[name] = item.flag(default)
        elif name in ("unknown_ttl", "maximum_ttl", "maximum_records", "repeats"):
            values[name] = item.whole(int(default))
        else:
            values[name] = item.number(default)
    return Policy(**values)


def read_target(data: t.Any, chain: ChainReader = read_chain) -> Target:
    """Read a target. Raises DataError for a wrong shape, TargetError for a contradiction."""
    node = Node(data, "target")
    node.only(*(field.name for field in dataclasses.fields(Target)))
    try:
        scheme = frozenset(Scheme(item.text()) for item in node.field("scheme").items())
    except ValueError as error:
        raise DataError(f"target.scheme: {error}; known are current, next and issuer") from error
    if not node.field("scheme").given:
        raise DataError("target.scheme is not given: any of current, next and issuer; an empty list withdraws DANE")
    exposure = node.field("exposure")
    try:
        chosen = Exposure(exposure.text()) if exposure.given and exposure.text() else None
    except ValueError as error:
        raise DataError(f"target.exposure: {error}; known are serve, defer and downgrade") from error
    return Target(
        owners=tuple(item.owner() for item in node.field("owners").items()),
        endpoints=tuple(item.name() for item in node.field("endpoints").items()),
        chains=tuple(chain(item) for item in node.field("chains").items()),
        next_keys=tuple(item.record() for item in node.field("next_keys").items()),
        scheme=scheme,
        ttl=node.field("ttl").optional_whole(),
        revoked=tuple(chain(item) for item in node.field("revoked").items()),
        exposure=chosen,
        fallback=tuple(chain(item) for item in node.field("fallback").items()),
        known=tuple(chain(item) for item in node.field("known").items()),
        release=node.field("release").seen_records(),
        kept=node.field("kept").records(),
        policy=read_policy(node.field("policy")),
    )


def read_observation(data: t.Any, chain: ChainReader = read_chain) -> Observation:
    """Read an observation. Raises DataError."""
    node = Node(data, "observation")
    node.only(*(field.name for field in dataclasses.fields(Observation)))
    return Observation(
        tuple(_read_authority(item) for item in node.field("authorities").items()),
        tuple(_read_endpoint(item, chain) for item in node.field("endpoints").items()),
        node.field("lock").text(""),
        tuple(item.name() for item in node.field("unaccounted").items()),
        tuple(read_update(item) for item in node.field("updates").items()),
    )


def read_update(node: Node) -> OwnUpdate:
    """Read what :func:`update_data` wrote. Raises DataError."""
    node.only("before", "after")
    return OwnUpdate(_read_authority(node.field("before")), _read_authority(node.field("after")))


def update_data(update: OwnUpdate) -> dict[str, t.Any]:
    """Return an update of ours as results carry it."""
    return t.cast("dict[str, t.Any]", _plain(update))


def _read_authority(node: Node) -> AuthorityView:
    node.only(*(field.name for field in dataclasses.fields(AuthorityView)))
    return AuthorityView(
        node.field("owner").owner(),
        node.field("address").name(),
        node.field("records").seen_records(),
        node.field("ttl").whole(0),
        node.field("failure").text(""),
        node.field("primary").flag(),
        node.field("serial").optional_whole(),
        _optional_text(node.field("signature")),
        node.field("signed_until").optional_number(),
        node.field("unvalidated").text(""),
        node.field("public").flag(True),
        node.field("decides").flag(),
        node.field("wildcard").text(""),
        node.field("proof_ttl").whole(0),
        _optional_text(node.field("zone_signature")),
    )


def _optional_text(node: Node) -> str | None:
    return node.text() if node.given else None


def _read_endpoint(node: Node, chain: ChainReader) -> EndpointView:
    node.only("endpoint", "chains", "repeats", "failure")
    return EndpointView(
        node.field("endpoint").name(),
        frozenset(chain(item) for item in node.field("chains").items()),
        node.field("repeats").whole(1),
        node.field("failure").text(""),
    )


def read_moment(node: Node) -> Moment:
    """Read a reading of the clocks."""
    node.only(*(field.name for field in dataclasses.fields(Moment)))
    wall, monotonic, behind = (node.field(name) for name in ("wall", "monotonic", "behind"))
    return Moment(wall.number(), monotonic.number(), node.field("boot").name(), behind.number(0))


def read_journal(data: t.Any) -> Journal:
    """Read what :func:`journal_data` wrote. Raises DataError."""
    node = Node(data, "journal")
    node.only(*(field.name for field in dataclasses.fields(Journal)))
    return Journal(
        clock=read_moment(node.field("clock")) if node.field("clock").given else None,
        rrsets=tuple(_read_cached(item) for item in node.field("rrsets").items()),
        chains=tuple(_read_served(item) for item in node.field("chains").items()),
        visible=tuple(
            VisibleRecord(item.field("owner").owner(), item.field("record").seen_record(), item.field("age").number())
            for item in node.field("visible").items()
        ),
        owned=node.field("owned").seen_records(),
        marks=tuple(_read_mark(item) for item in node.field("marks").items()),
        effect_age=node.field("effect_age").number(0),
        outage=node.field("outage").flag(),
        handed_over=node.field("handed_over").flag(),
    )


def _names(node: Node) -> frozenset[str]:
    return frozenset(item.name() for item in node.items())


def _read_cached(node: Node) -> CachedRrset:
    records = node.field("records")
    return CachedRrset(
        node.field("owner").owner(),
        records.seen_records() if records.given else None,
        node.field("ttl").whole(),
        _names(node.field("served_by")),
        node.field("intended").flag(),
        node.field("age").number(0),
        node.field("signed_until").optional_number(),
        node.field("reason").text(""),
        node.field("left").optional_whole(),
        _names(node.field("passing")),
    )


def _read_served(node: Node) -> ServedChain:
    chain = node.field("chain")
    return ServedChain(
        read_chain(chain) if chain.given else None,
        _names(node.field("seen_at")),
        _names(node.field("intended")),
        node.field("age").number(0),
    )


def _read_mark(node: Node) -> Mark:
    return Mark(
        node.field("owner").owner(),
        node.field("address").name(),
        node.field("serial").optional_whole(),
        _optional_text(node.field("signature")),
        node.field("value").text(""),
        node.field("public").flag(True),
        node.field("age").optional_number(),
        _optional_text(node.field("zone_signature")),
    )


def journal_data(journal: Journal) -> dict[str, t.Any]:
    """Return the journal as JSON-able data, the content of a journal file."""
    return t.cast("dict[str, t.Any]", _plain(journal))


def chain_data(chain: Chain) -> dict[str, t.Any]:
    """Return what :func:`read_chain` reads."""
    return t.cast("dict[str, t.Any]", _plain(chain))


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, TlsaRecord):
        return value.to_text()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def plan_data(plan: Plan) -> dict[str, t.Any]:
    """Return the plan as results carry it: ``step``, ``journal`` (content for the file) and ``notes``."""
    return {"step": step_data(plan.step), "journal": journal_data(plan.journal), "notes": list(plan.notes)}


def step_data(step: Step) -> dict[str, t.Any]:
    """Return the step with its ``action``, a ``summary`` in one sentence, and what that action needs."""
    data: dict[str, t.Any] = {"action": action(step), "summary": summary(step), "why": step.why}
    if isinstance(step, Publish):
        data |= {
            "owner": step.owner,
            "ttl": step.ttl,
            "records": _plain(step.records),
            "expected": _plain(step.expected),
            "expected_ttl": step.expected_ttl,
            "added": _plain(step.added),
            "removed": _plain(step.removed),
            "delays": step.delays,
        }
    elif isinstance(step, Deploy):
        data |= {
            "chains": [chain.identity for chain in step.chains],
            "key_records": [chain.key.to_text() for chain in step.chains],
            "endpoints": list(step.endpoints),
            "returnable": step.returnable,
            "repairs": step.repairs,
        }
    elif isinstance(step, Choose):
        data["options"] = [{"exposure": one.exposure.value, "sentence": one.sentence} for one in step.options]
        data["obstacles"] = [_obstacle(one) for one in step.obstacles]
    elif isinstance(step, Wait):
        data |= {
            "until": moment_text(step.until),
            "until_epoch": step.until,
            "look_again": moment_text(step.look_again),
            "look_again_epoch": step.look_again,
            "obstacles": [_obstacle(one) for one in step.obstacles],
        }
    elif isinstance(step, Done):
        known = step.exposed_until is not None and math.isfinite(step.exposed_until)
        data["exposed_until"] = moment_text(step.exposed_until) if known else None
    return data


def _obstacle(obstacle: Obstacle) -> dict[str, t.Any]:
    return dataclasses.asdict(obstacle)


def action(step: Step) -> str:
    """Return the name of the step."""
    if isinstance(step, Publish):
        return "retire" if step.removed and not step.added else "publish"
    return {
        Deploy: "deploy",
        Generate: "generate",
        HandOver: "hand_over",
        Choose: "choose",
        Wait: "wait",
        Done: "done",
    }[type(step)]


def summary(step: Step) -> str:
    """Return what is to be done now, as a sentence."""
    if isinstance(step, Publish):
        if not step.records:
            return f"Remove all TLSA records of {step.owner}: {step.why}."
        changes = [f"{len(step.added)} added"] if step.added else []
        changes += [f"{len(step.removed)} removed"] if step.removed else []
        changes += [f"TTL {step.ttl}"] if step.ttl != step.expected_ttl else []
        return f"Publish {len(step.records)} records at {step.owner} ({', '.join(changes)}): {step.why}."
    if isinstance(step, Deploy):
        return f"Deploy the chain on {', '.join(step.endpoints)}: {step.why}."
    if isinstance(step, Wait):
        when = f"Wait until {moment_text(step.until)}" if step.until is not None else "Wait, until what blocks is gone"
        return f"{when}: {step.why}."
    start = {Generate: "Generate the next key", HandOver: "TLS may be changed", Choose: "Choose", Done: "Nothing to do"}
    return f"{start[type(step)]}: {step.why}."


__all__ = (
    "DataError",
    "Node",
    "TargetError",
    "action",
    "journal_data",
    "plan_data",
    "read_chain",
    "read_journal",
    "read_moment",
    "read_observation",
    "read_target",
    "read_update",
    "step_data",
    "summary",
    "update_data",
)
