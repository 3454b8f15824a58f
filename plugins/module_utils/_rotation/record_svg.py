# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a rotation as a drawing in which one sees that no cached RRset ever missed a served chain.

One lane per record: pale while some RRset that a cache may hold has it, full while every such RRset has it, and
inside a dark line while it is served. The rotation was safe when the dark lines never leave the full bands.
Pure: text in, SVG out. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import math
import typing as t
import xml.sax.saxutils

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import record as rotation_record

if t.TYPE_CHECKING:
    import collections.abc as c

    from ansible_collections.mailsec.dane.plugins.module_utils._dane.tlsa import TlsaRecord
    from ansible_collections.mailsec.dane.plugins.module_utils._rotation.record import Span, Timeline

#: Okabe and Ito: told apart by people with any colour vision; labels say the same in words.
_COLOURS: t.Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#882255")
_LEFT: t.Final = 250
_WIDTH: t.Final = 1240
_RIGHT: t.Final = 24
_ROW: t.Final = 30
_MAX_ROWS: t.Final = 60
_INK: t.Final = "#1b1b1b"
_GREY: t.Final = "#6b6b6b"
_RED: t.Final = "#c00000"


def draw(record: Timeline, title: str, names: t.Mapping[str, str] | None = None, strict: bool = True) -> str:
    """Return the SVG document. ``names`` gives records (text) names for people, such as ``key 2``.

    ``strict``: each combination of an RRset has to match (RFC 7671 section 8), not just any record.
    """
    return _Drawing(record, title, names or {}, strict).svg()


@dataclasses.dataclass(frozen=True)
class _Piece:
    """A stretch of time in which nothing changes: the RRsets caches may hold, and the chains that may be served."""

    begin: float
    end: float
    held: tuple[Span, ...]
    served: tuple[Span, ...]


class _Drawing:
    def __init__(self, record: Timeline, title: str, names: t.Mapping[str, str], strict: bool) -> None:
        self.record, self.title, self.names, self.strict = record, title, names, strict
        tails = [span.until for span in record.rrsets if math.isfinite(span.until)]
        self.begin = record.begin
        self.end = max([record.end, *tails])
        pad = max((self.end - self.begin) * 0.04, 1)
        self.begin, self.end = self.begin - pad, self.end + pad
        self.lanes = self._lanes()
        self.colours = {one: _COLOURS[place % len(_COLOURS)] for place, one in enumerate(self.lanes)}
        self.parts: list[str] = []
        self.y = 0.0

    def _lanes(self) -> list[TlsaRecord]:
        found: dict[TlsaRecord, None] = {}
        for span in sorted(self.record.rrsets, key=lambda span: span.begin):
            for one in sorted(span.records, key=lambda one: (-one.usage, self._name(one))):
                found.setdefault(one)
        return sorted(found, key=lambda one: -one.usage)[:_MAX_ROWS]

    def _name(self, one: TlsaRecord) -> str:
        text = one.to_text()
        return self.names.get(text, text if len(text) <= 20 else text[:16] + "…")

    def _pieces(self) -> list[_Piece]:
        times = {self.begin, self.end}
        for span in (*self.record.rrsets, *self.record.chains):
            times.update(moment for moment in (span.begin, span.until) if self.begin < moment < self.end)
        ordered = sorted(times)
        return [
            _Piece(begin, end, _at(self.record.rrsets, begin, end), _at(self.record.chains, begin, end))
            for begin, end in itertools.pairwise(ordered)
        ]

    def svg(self) -> str:
        """Draw everything from top to bottom."""
        self.y = 34
        self._text(16, self.y, self.title, 18, weight="600")
        self.y += 22
        broken = rotation_record.gaps(self.record, self.strict)
        if broken:
            text = f"NOT SAFE: {len(broken)} times a cached RRset did not match a served chain (red)"
            self._text(16, self.y, text, 13, _RED, "600")
        else:
            self._text(16, self.y, "At every moment, every RRset that a cache may hold matched every chain served.", 13)
        self.y += 16
        steps_at = self.y
        self.y += 56
        top = self.y
        self._keys()
        self._rrsets()
        self._endpoints()
        bottom = self.y
        self._axis(top, bottom)
        self._steps(steps_at, bottom)
        self._legend()
        height = self.y + 12
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {_WIDTH} {height:.0f}" font-family="DejaVu Sans, Verdana, sans-serif" role="img">'
        )
        title = f"<title>{_escape(self.title)}</title>"
        paper = f'<rect width="{_WIDTH}" height="{height:.0f}" fill="white"/>'
        return "\n".join([head, title, paper, *self.parts, "</svg>", ""])

    def _keys(self) -> None:
        self._heading("Records: in the RRsets that caches may hold, and in use")
        pieces = self._pieces()
        for one in self.lanes:
            colour = self.colours[one]
            self._text(16, self.y + 19, self._name(one), 13)
            for piece in pieces:
                having = [span for span in piece.held if one in span.records]
                sharing = [span for span in piece.held if span.records]
                if having:
                    full = len(having) == len(sharing)
                    self._bar(piece.begin, piece.end, self.y + 3, 24, colour, 0.55 if full else 0.16)
            for piece in pieces:
                having = [span for span in piece.held if one in span.records]
                if any(one in span.records for span in piece.served) and having:
                    safe = all(self._covers(span, piece) for span in piece.held)
                    self._bar(piece.begin, piece.end, self.y + 11, 8, _INK if safe else _RED, 1)
            self.y += _ROW
        self.y += 8

    def _covers(self, span: Span, piece: _Piece) -> bool:
        only = rotation_record.Timeline(piece.begin, piece.end, (span,), piece.served, ())
        return not [
            gap for gap in rotation_record.gaps(only, self.strict) if gap.begin < piece.end and gap.end > piece.begin
        ]

    def _rrsets(self) -> None:
        self._heading("RRsets: published (framed), and in caches at most until (pale)")
        for span in sorted(self.record.rrsets, key=lambda span: (span.begin, span.end))[:_MAX_ROWS]:
            text = "no record" if not span.records else f"{len(span.records)} records, TTL {span.ttl}"
            self._text(16, self.y + 19, text, 13)
            shown = [one for one in self.lanes if one in span.records]
            height = 24 / max(len(shown), 1)
            for place, one in enumerate(shown):
                top = self.y + 3 + place * height
                self._bar(span.end, span.until, top, height, self.colours[one], 0.22)
                self._bar(span.begin, span.end, top, height, self.colours[one], 0.85)
            self._frame(span.begin, span.end, self.y + 3, 24)
            self.y += _ROW
        self.y += 8

    def _endpoints(self) -> None:
        self._heading("Endpoints: the key in use")
        for where in sorted({span.where for span in self.record.chains})[:_MAX_ROWS]:
            self._text(16, self.y + 19, where, 13)
            for span in self.record.chains:
                if span.where != where:
                    continue
                known = [one for one in self.lanes if one.to_text() == span.label]
                colour = self.colours[known[0]] if known else _RED
                self._bar(span.begin, span.end, self.y + 6, 18, colour, 0.9)
                left, right = self._x(span.begin), self._x(min(span.end, self.end))
                if known and right - left > 90:
                    self._text(left + 6, self.y + 19, self._name(known[0]), 11, "white", "600")
            self.y += _ROW
        self.y += 4

    def _axis(self, top: float, bottom: float) -> None:
        span = self.end - self.begin
        step = next(one for one in _STEPS if span / one <= 9)
        moment = math.ceil(self.record.begin / step) * step
        lines = []
        while moment <= self.end:
            x = self._x(moment)
            lines.append(f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="#dddddd"/>')
            when = datetime.datetime.fromtimestamp(moment, datetime.UTC)
            shown = f"{when:%H:%M:%S}" if step < 86400 else f"{when:%Y-%m-%d}"
            self._text(x, bottom + 18, shown, 11, _GREY, anchor="middle")
            moment += step
        self.parts[:0] = lines
        day = datetime.datetime.fromtimestamp(self.record.begin, datetime.UTC)
        self._text(16, bottom + 18, f"{day:%Y-%m-%d} UTC", 11, _GREY)
        self.y = bottom + 40

    def _steps(self, at: float, bottom: float) -> None:
        shown = [step for step in self.record.steps if self.begin <= step[0] <= self.end][:_MAX_ROWS]
        last, level = -100.0, 0
        lines = []
        for number, (moment, _action, _summary) in enumerate(shown, 1):
            x = self._x(moment)
            level = (level + 1) % 3 if x - last < 18 else 0
            last = x
            lines.append(
                f'<line x1="{x:.1f}" y1="{at + 4:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="{_GREY}" '
                'stroke-dasharray="2 4"/>'
            )
            self.parts.append(f'<circle cx="{x:.1f}" cy="{at + 2 + level * 17:.1f}" r="8.5" fill="{_INK}"/>')
            self._text(x, at + 6 + level * 17, str(number), 10, "white", anchor="middle")
        self.parts[:0] = lines
        for number, (moment, _action, summary) in enumerate(shown, 1):
            when = datetime.datetime.fromtimestamp(moment, datetime.UTC)
            text = f"{number}  {when:%H:%M:%S}  {summary}"
            self._text(16, self.y + 12, text if len(text) <= 165 else text[:164] + "…", 12)
            self.y += 19
        self.y += 10

    def _legend(self) -> None:
        x = 16.0
        for width, opacity, inner, text in (
            (34, 0.16, False, "in some RRset a cache may hold"),
            (34, 0.55, False, "in every such RRset"),
            (34, 0.55, True, "in use by an endpoint"),
        ):
            fill = _COLOURS[0]
            self.parts.append(
                f'<rect x="{x}" y="{self.y:.1f}" width="{width}" height="16" fill="{fill}" fill-opacity="{opacity}"/>'
            )
            if inner:
                self.parts.append(f'<rect x="{x}" y="{self.y + 5:.1f}" width="{width}" height="6" fill="{_INK}"/>')
            self._text(x + width + 8, self.y + 12, text, 12)
            x += width + 8 + 8 * len(text) + 24
        self.y += 22

    # Shapes.

    def _x(self, moment: float) -> float:
        inside = min(max(moment, self.begin), self.end)
        return _LEFT + (inside - self.begin) / (self.end - self.begin) * (_WIDTH - _LEFT - _RIGHT)

    def _heading(self, text: str) -> None:
        self.parts.append(f'<rect x="12" y="{self.y + 3:.1f}" width="{8 * len(text)}" height="18" fill="white"/>')
        self._text(16, self.y + 16, text, 12, _GREY, "600")
        self.y += 26

    def _bar(self, begin: float, end: float, y: float, height: float, colour: str, opacity: float) -> None:
        left, right = self._x(begin), self._x(end)
        if right > left:
            self.parts.append(
                f'<rect x="{left:.1f}" y="{y:.1f}" width="{right - left:.1f}" height="{height:.1f}" '
                f'fill="{colour}" fill-opacity="{opacity}"/>'
            )

    def _frame(self, begin: float, end: float, y: float, height: float) -> None:
        left, right = self._x(begin), self._x(end)
        self.parts.append(
            f'<rect x="{left:.1f}" y="{y:.1f}" width="{max(right - left, 1):.1f}" height="{height}" '
            f'fill="none" stroke="{_INK}"/>'
        )

    def _text(
        self, x: float, y: float, text: str, size: int, colour: str = _INK, weight: str = "400", anchor: str = "start"
    ) -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" font-weight="{weight}" '
            f'text-anchor="{anchor}">{_escape(text)}</text>'
        )


_STEPS: t.Final = (
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1200,
    1800,
    3600,
    7200,
    14400,
    21600,
    43200,
    86400,
    172800,
    604800,
    2592000,
    7776000,
    31536000,
    10 * 31536000,
    100 * 31536000,
    math.inf,
)


def _at(spans: c.Iterable[Span], begin: float, end: float) -> tuple[Span, ...]:
    middle = (begin + end) / 2
    return tuple(span for span in spans if span.begin <= middle < span.until)


def _escape(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return xml.sax.saxutils.escape(printable, {'"': "&quot;"})
