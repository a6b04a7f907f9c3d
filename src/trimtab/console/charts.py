"""Charts as inline SVG, drawn here; where the browser runs our script, uPlot takes the place of those over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final, Literal, TypeGuard

import msgspec
from markupsafe import Markup

from trimtab.console import format as written
from trimtab.console.text import clean, short

WIDTH: Final = 720
HEIGHT: Final = 110
LEFT: Final = 52
RIGHT: Final = 8
TOP: Final = 8
BOTTOM: Final = 18
SPARK_WIDTH: Final = 72
SPARK_HEIGHT: Final = 18
METER: Final = 48
MOST_LINES: Final = 6
Unit = Literal["share", "s", "usd", "tokens", "count", "per_s", "bytes"]
Points = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """One line of a chart; `low` and `high`, where given, are the band around it."""

    name: str
    values: Points
    low: Points = ()
    high: Points = ()


@dataclass(frozen=True)
class Mark:
    """Something that happened at a time: a change that took effect, or an alert that opened."""

    at_ns: int
    words: str
    kind: Literal["change", "alert"] = "change"
    href: str = ""


@dataclass(frozen=True)
class Chart:
    """Lines over the same steps of time, in ns since 1970. Those in `cut` are not whole: to them a line is dashed."""

    name: str
    title: str
    unit: Unit
    times: Sequence[int]
    lines: Sequence[Line]
    since_ns: int
    until_ns: int
    marks: Sequence[Mark] = ()
    says: str = ""
    cut: frozenset[int] = frozenset()

    def parted(self, values: Points) -> tuple[list[float | None], list[float | None]]:
        """The values of a line to draw whole, and those to draw dashed: at steps that are cut, and beside them."""
        cut = [at in self.cut for at in self.times[: len(values)]]
        beside = [any(cut[max(0, place - 1) : place + 2]) for place in range(len(cut))]
        whole = [None if is_cut else value for value, is_cut in zip(values, cut, strict=False)]
        return whole, [value if is_near else None for value, is_near in zip(values, beside, strict=False)]


def told(value: float | None, unit: Unit) -> str:
    """A value in its unit."""
    match unit:
        case "share":
            return written.share(value)
        case "s":
            return written.duration(value)
        case "usd":
            return written.money(None if value is None else value * 1e12)
        case "bytes":
            return written.size(value)
    return written.number(value)


def span(chart: Chart) -> tuple[float, float]:
    """The least and most that its axis shows: rates from where they are, everything else from 0."""
    values = [one for line in chart.lines for part in (line.values, line.low, line.high) for one in part if _is(one)]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if chart.unit == "share":
        room = max(0.02, (high - low) * 0.1)
        return max(0.0, low - room), min(1.0, high + room)
    return 0.0, _round_up(high) if high > 0 else 1.0


def svg(chart: Chart, zone: tzinfo = UTC) -> Markup:
    """The chart as drawn here: axis, band, lines, marks."""
    low, high = span(chart)
    place = _Place(chart.since_ns, max(chart.until_ns, chart.since_ns + 1), low, high)
    parts = [_grid(chart, place, zone)]
    for number, line in enumerate(chart.lines[:MOST_LINES]):
        if line.low and line.high:
            parts.append(_band(chart, place, line, number))
        parts.append(_stroke(chart, place, line, number))
    parts += [_mark(place, mark) for mark in chart.marks]
    words = f"{chart.title}: {_in_words(chart)}"
    return Markup('<svg class="series" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, words, Markup("").join(parts)
    )


def data(chart: Chart) -> Markup:
    """What the script draws the chart from, as JSON that no HTML can end."""
    content = {
        "title": chart.title,
        "unit": chart.unit,
        "times": [at // 1_000_000_000 for at in chart.times],
        "lines": [
            {
                "name": clean(line.name),
                "values": _clear(line.values),
                "whole": _clear(whole),
                "dashed": _clear(dashed) if chart.cut else [],
                "low": _clear(line.low),
                "high": _clear(line.high),
            }
            for line in chart.lines[:MOST_LINES]
            for whole, dashed in (chart.parted(line.values),)
        ],
        "since": chart.since_ns // 1_000_000_000,
        "until": chart.until_ns // 1_000_000_000,
        "span": _with_room(span(chart)),
        "marks": [
            {
                "at": mark.at_ns // 1_000_000_000,
                "words": clean(short(mark.words, 200)),
                "kind": mark.kind,
                "href": mark.href,
            }
            for mark in chart.marks
        ],
    }
    return embedded(content)


def embedded(content: object) -> Markup:
    """JSON for a `<script type="application/json">`: no character in it can end the element."""
    text = msgspec.json.encode(content).decode()
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def spark(values: Points, words: str = "") -> Markup:
    """A line the height of a row."""
    known = [value for value in values if _is(value)]
    if len(known) < 2:
        return Markup('<span class="none">{}</span>').format(written.NOTHING)
    low, high = min(known), max(known)
    reach = high - low or 1.0
    step = (SPARK_WIDTH - 2) / max(1, len(values) - 1)
    points = [
        None if not _is(one) else (1 + step * at, SPARK_HEIGHT - 2 - (SPARK_HEIGHT - 4) * (one - low) / reach)
        for at, one in enumerate(values)
    ]
    return Markup(
        '<svg class="spark" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}"><path d="{}"/></svg>'
    ).format(SPARK_WIDTH, SPARK_HEIGHT, SPARK_WIDTH, SPARK_HEIGHT, words, _path(points))


def bars(counts: Sequence[int], words: str = "", width: int = SPARK_WIDTH, height: int = SPARK_HEIGHT) -> Markup:
    """A histogram the height of a row: one bar for each count."""
    most = max(counts, default=0)
    if not most:
        return Markup('<span class="none">{}</span>').format(written.NOTHING)
    step = width / len(counts)
    drawn = Markup("").join(
        Markup('<rect x="{}" y="{}" width="{}" height="{}"/>').format(
            _f(at * step), _f(height - tall), _f(max(0.6, step - 0.6)), _f(tall)
        )
        for at, count in enumerate(counts)
        if (tall := max(1.0, height * count / most) if count else 0.0)
    )
    return Markup(
        '<svg class="bars" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(width, height, width, height, words, drawn)


def meter(part: float | None, words: str = "") -> Markup:
    """A bar that is filled so far, from 0 to 1."""
    if part is None or not math.isfinite(part):
        return Markup('<span class="none">{}</span>').format(written.NOTHING)
    return Markup(
        '<svg class="meter" width="{}" height="8" viewBox="0 0 {} 8" role="img" aria-label="{}">'
        '<rect class="all" width="{}" height="8"/><rect class="part" width="{}" height="8"/></svg>'
    ).format(METER, METER, words or written.share(part), METER, _f(METER * min(1.0, max(0.0, part))))


def regrouped(bins: Sequence[tuple[float, float, int]], groups: int = 24) -> tuple[int, ...]:
    """The counts of bins that grow by a constant factor, in so many groups of equal width on a logarithmic axis."""
    known = [one for one in bins if one[1] > 0]
    if not known:
        return ()
    low = math.log(max(known[0][0], known[0][1] / 2, 1e-12))
    reach = math.log(known[-1][1]) - low or 1.0
    counts = [0] * groups
    for begin, end, count in known:
        middle = (math.log(max(begin, end / 2, 1e-12)) + math.log(end)) / 2
        counts[min(groups - 1, max(0, int(groups * (middle - low) / reach)))] += count
    return tuple(counts)


@dataclass(frozen=True)
class _Place:
    since_ns: int
    until_ns: int
    low: float
    high: float

    def x(self, at_ns: int) -> float:
        part = (at_ns - self.since_ns) / (self.until_ns - self.since_ns)
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, part))

    def y(self, value: float) -> float:
        part = (value - self.low) / ((self.high - self.low) or 1.0)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(1.0, max(0.0, part)))


def _grid(chart: Chart, place: _Place, zone: tzinfo) -> Markup:
    parts = []
    for part in (0.0, 0.5, 1.0):
        value = place.low + (place.high - place.low) * part
        y = _f(place.y(value))
        parts.append(Markup('<path class="grid" d="M{} {}H{}"/>').format(LEFT, y, WIDTH - RIGHT))
        parts.append(
            Markup('<text class="axis" x="{}" y="{}" text-anchor="end" dominant-baseline="middle">{}</text>').format(
                LEFT - 6, y, told(value, chart.unit)
            )
        )
    seconds = (place.until_ns - place.since_ns) / 1e9
    for part in range(7):
        at_ns = place.since_ns + (place.until_ns - place.since_ns) * part // 6
        anchor = "start" if part == 0 else "end" if part == 6 else "middle"
        parts.append(
            Markup('<text class="axis" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                _f(place.x(at_ns)), HEIGHT - 4, anchor, written.clock(at_ns, zone, seconds)
            )
        )
    return Markup("").join(parts)


def _stroke(chart: Chart, place: _Place, line: Line, number: int) -> Markup:
    whole, dashed = (
        _path(
            [
                None if not _is(value) else (place.x(at), place.y(value))
                for at, value in zip(chart.times, values, strict=False)
            ]
        )
        for values in chart.parted(line.values)
    )
    drawn = Markup('<path class="line l{}" d="{}"/>').format(number, whole)
    return drawn + Markup('<path class="line cut l{}" d="{}"/>').format(number, dashed) if dashed else drawn


def _band(chart: Chart, place: _Place, line: Line, number: int) -> Markup:
    ends = [
        (place.x(at), place.y(low), place.y(high))
        for at, low, high in zip(chart.times, line.low, line.high, strict=False)
        if _is(low) and _is(high)
    ]
    if len(ends) < 2:
        return Markup("")
    there = [f"{_f(x)} {_f(high)}" for x, _, high in ends]
    back = [f"{_f(x)} {_f(low)}" for x, low, _ in reversed(ends)]
    return Markup('<path class="band l{}" d="M{}Z"/>').format(number, "L".join(there + back))


def _mark(place: _Place, mark: Mark) -> Markup:
    x = _f(place.x(mark.at_ns))
    return Markup('<path class="mark {}" d="M{} {}V{}"><title>{}</title></path>').format(
        mark.kind, x, TOP, HEIGHT - BOTTOM, clean(short(mark.words, 120))
    )


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """The line through points; where one is missing it stops and begins anew, and a lone point is a dot."""
    parts: list[str] = []
    for at, point in enumerate(points):
        if point is None:
            continue
        begins = at == 0 or points[at - 1] is None
        alone = begins and (at + 1 == len(points) or points[at + 1] is None)
        parts.append(f"{'M' if begins else 'L'}{_f(point[0])} {_f(point[1])}{'h1' if alone else ''}")
    return "".join(parts)


def _in_words(chart: Chart) -> str:
    """What somebody hears who does not see the chart."""
    words = []
    for line in chart.lines[:MOST_LINES]:
        known = [value for value in line.values if _is(value)]
        if known:
            ends = (
                f"{told(min(known), chart.unit)} to {told(max(known), chart.unit)}, last {told(known[-1], chart.unit)}"
            )
            words.append(f"{clean(line.name)} {ends}")
    return "; ".join(words) or "no calls in this range"


def _clear(values: Points) -> list[float | None]:
    return [value if _is(value) else None for value in values]


def _with_room(ends: tuple[float, float]) -> tuple[float, float]:
    """A little above the most, so that a line along the edge is seen whole."""
    return ends[0], ends[1] + (ends[1] - ends[0]) * 0.04


def _is(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _round_up(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten that is not below; what is far out of reach stays as it is."""
    if not 1e-300 < value < 1e300:
        return value
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def _f(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
