"""Where the marks of a chart are. The templates draw them as SVG.

Floats are for pixels alone: every number that is written comes as the exact text that it has.
Across, places are percentages, so that a chart fits any width and its letters keep their size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Context, Decimal, localcontext
from itertools import pairwise
from typing import Any

from hokusai_mlflow_plugin.domain.values import EXACT, plain

HEIGHT = 240
"""Of the plot, in pixels."""
_TOP, _BOTTOM = 18.0, HEIGHT - 18.0
_LEFT, _RIGHT = 2.0, 98.0
_STEPS = 5
_LABELS = 5
_TWO_DAYS_MS = 2 * 24 * 3600 * 1000
_NICE = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))


@dataclass(frozen=True)
class Point:
    """A value with what is told of it."""

    value: str
    time_ms: int
    outcome: str | None
    head: str | None
    """The value to beat once this version was decided on; None where nothing was."""
    label: str
    """For who looks at it or hears it."""
    link: str
    tick: str | None
    """On the axis; None for its time."""


@dataclass(frozen=True)
class Mark:
    """A point's place."""

    x: float
    y: float
    point: Point


@dataclass(frozen=True)
class Label:
    """Text on an axis."""

    at: float
    text: str
    time_ms: float | None = None
    """The time that the text is of, in UTC; the page's script writes it in the reader's zone."""


@dataclass(frozen=True)
class Segment:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Chart:
    """Values over versions or over time."""

    marks: Sequence[Mark]
    line: Sequence[Segment]
    """From value to value."""
    head: Sequence[Segment]
    """The value to beat, step by step."""
    across: Sequence[Label]
    up: Sequence[Label]
    height: int = field(default=HEIGHT)


def chart(points: Sequence[Point], over: str = "order") -> Chart:
    """The chart of values, oldest first.

    Args:
        points: At least one.
        over: ``order`` (each as far from the next) or ``time``.
    """
    heads = [point.head for point in points if point.head is not None]
    up = _Axis([Decimal(text) for text in (*(point.value for point in points), *heads)])
    places = _places(points, over)
    marks = [Mark(x, up.y(point.value), point) for x, point in zip(places, points, strict=True)]
    line = [Segment(one.x, one.y, other.x, other.y) for one, other in pairwise(marks)]
    return Chart(marks, line, list(_head(marks, up)), list(_ticks(marks, over)), up.labels())


def spark(points: Sequence[tuple[str, str | None]], width: int, height: int) -> Sequence[Mark]:
    """The places of a small chart without axes, in pixels: values and their outcomes."""
    up = _Axis([Decimal(value) for value, _outcome in points])
    last = max(len(points) - 1, 1)
    return [
        Mark(
            round(4 + number / last * (width - 8), 1),
            round(4 + up.part(value) * (height - 8), 1),
            Point(value, 0, outcome, None, "", "", ""),
        )
        for number, (value, outcome) in enumerate(points)
    ]


_PIXELS = Context(prec=EXACT.prec)
"""As wide as values are, but a share of the height may be rounded."""


class _Axis:
    """The way up: from values to pixels."""

    def __init__(self, values: Iterable[Decimal]) -> None:
        values = list(values)
        self._low, self._high = min(values), max(values)
        if self._low == self._high:
            around = abs(self._low) / 10 or Decimal(1)
            with localcontext(EXACT):
                self._low, self._high = self._low - around, self._high + around

    def part(self, value: str | Decimal) -> float:
        """How far down a value is: 0 for the highest, 1 for the lowest."""
        with localcontext(_PIXELS):
            return float((self._high - Decimal(value)) / (self._high - self._low))

    def y(self, value: str | Decimal) -> float:
        return round(_TOP + self.part(value) * (_BOTTOM - _TOP), 1)

    def labels(self) -> list[Label]:
        """Round numbers between the lowest and the highest."""
        with localcontext(EXACT):  # else a small step on a large number could be lost
            rough = (self._high - self._low) / _STEPS
            power = Decimal(1).scaleb(rough.adjusted())
            step = next(nice * power for nice in _NICE if nice * power >= rough)
            first = (self._low / step).to_integral_value(rounding="ROUND_CEILING")
            last = (self._high / step).to_integral_value(rounding="ROUND_FLOOR")
            values = [(first + number) * step for number in range(int(last - first) + 1)]
            return [Label(self.y(value), plain(value)) for value in values]


def _places(points: Sequence[Point], over: str) -> list[float]:
    starts = [point.time_ms if over == "time" else i for i, point in enumerate(points)]
    first, length = starts[0], starts[-1] - starts[0]
    if not length:
        return [(_LEFT + _RIGHT) / 2] * len(points)
    return [round(_LEFT + (at - first) / length * (_RIGHT - _LEFT), 2) for at in starts]


def _head(marks: Sequence[Mark], up: _Axis) -> Iterable[Segment]:
    """The head after each version, until the next one that moves it, and to the right end."""
    known = [(mark.x, up.y(mark.point.head)) for mark in marks if mark.point.head is not None]
    if not known:
        return
    x, y = known[0]
    for next_x, next_y in known[1:]:
        if next_y != y:
            yield Segment(x, y, next_x, y)
            yield Segment(next_x, y, next_x, next_y)
            x, y = next_x, next_y
    yield Segment(x, y, 100.0, y)


def _ticks(marks: Sequence[Mark], over: str) -> Iterable[Label]:
    """A few labels along the axis, first and last among them."""
    first, last = marks[0].point.time_ms, marks[-1].point.time_ms
    form = "%Y-%m-%d" if last - first > _TWO_DAYS_MS else "%H:%M:%S"

    def when(time_ms: float) -> str:
        return datetime.fromtimestamp(time_ms / 1000, tz=timezone.utc).strftime(form)

    if over == "time":
        count = _LABELS if last > first else 1
        for number in range(count):
            part = number / max(count - 1, 1)
            at = marks[0].x + part * (marks[-1].x - marks[0].x)
            time_ms = first + part * (last - first)
            yield Label(round(at, 2), when(time_ms), time_ms)
        return
    count = min(_LABELS, len(marks))
    for number in range(count):
        mark = marks[round(number * (len(marks) - 1) / max(count - 1, 1))]
        tick, time_ms = mark.point.tick, mark.point.time_ms
        yield Label(mark.x, tick) if tick else Label(mark.x, when(time_ms), time_ms)


def head_after(outcome: str | None, value: str, baseline_value: Any) -> str | None:
    """The value to beat once a version was decided on; None where nothing tells."""
    return value if outcome in ("baseline", "achieved") else baseline_value
