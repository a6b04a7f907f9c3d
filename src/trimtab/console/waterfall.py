"""A call drawn over time: its attempts and their phases, and the gaps between the chunks of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.text import clean, short
from trimtab.record import varints
from trimtab.record.events import Attempt, Settled

WIDTH: Final = 760
LEFT: Final = 150
RIGHT: Final = 10
ROW: Final = 22
BAR: Final = 12
AXIS: Final = 18
TICKS: Final = 6
MOST_ROWS: Final = 24
COLUMNS: Final = 240
"""How many steps of time gaps are drawn in, however many chunks there were."""
HEIGHT: Final = 120
PHASES: Final = {
    "connect": "connecting",
    "wait": "waiting for the first byte",
    "first": "from the first byte to the first token",
    "stream": "receiving the answer",
    "paused": "paused: the client did not read",
}
"""What an attempt is made of, in the order it happens."""
SECOND_NS: Final = 1_000_000_000


class Phase(Struct, frozen=True):
    """A part of an attempt, in seconds since the call came in."""

    kind: str
    from_s: float
    to_s: float


class Row(Struct, frozen=True):
    """A line of the waterfall."""

    words: str
    phases: tuple[Phase, ...]
    failed: bool = False


class Gaps(Struct, frozen=True):
    """The gaps between an answer's chunks, in seconds. `first_s` is the time to the first chunk of the last attempt,
    `columns` hold the longest gap in each step of time, `step_s` how long that is.
    """

    chunks: int
    size: int
    first_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    longest_s: float
    over_s: float
    step_s: float
    columns: tuple[float, ...]


def rows_of(call: Settled, attempts: Sequence[Attempt]) -> tuple[Row, ...]:
    """The lines of a call: one for each attempt."""
    return tuple(_row(call, attempt) for attempt in attempts[:MOST_ROWS])


def _row(call: Settled, attempt: Attempt) -> Row:
    began = max(0.0, (attempt.at_ns - call.admitted.at_ns) / SECOND_NS)
    end = began + attempt.duration_s
    at, phases = began, []
    marks = (("connect", attempt.connect_s), ("wait", attempt.first_byte_s), ("first", attempt.ttft_s))
    for kind, passed_s in marks:
        if passed_s is None:
            continue
        until = min(end, max(at, began + passed_s))
        if until > at:
            phases.append(Phase(kind, at, until))
        at = until
    if end > at:
        answered = attempt.first_byte_s is not None or attempt.ttft_s is not None
        phases.append(Phase("stream" if answered else "wait", at, end))
    if attempt.number == call.attempts and call.paused_s > 0:
        phases.append(Phase("paused", max(at, end - call.paused_s), end))
    return Row(f"{attempt.number} {attempt.model}", tuple(phases), attempt.cause != "ok")


def waterfall(call: Settled, rows: Sequence[Row]) -> Markup:
    """The lines as a picture; the whole call is the first."""
    whole = max([call.total_s or 0.0, (call.at_ns - call.admitted.at_ns) / SECOND_NS, *(_end(row) for row in rows)])
    whole = whole or 1e-6
    height = ROW * (len(rows) + 1) + AXIS
    parts = [_axis(whole, height), _label(0, "whole call")]
    parts.append(_bar("whole", 0, 0.0, call.total_s or whole, whole, f"whole call: {written.duration(call.total_s)}"))
    for number, row in enumerate(rows, 1):
        parts.append(_label(number, row.words, failed=row.failed))
        for phase in row.phases:
            words = f"{PHASES[phase.kind]}: {written.duration(phase.to_s - phase.from_s)}"
            parts.append(_bar(phase.kind, number, phase.from_s, phase.to_s, whole, words))
    return Markup(
        '<svg class="waterfall" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, height, WIDTH, height, _in_words(call, rows), Markup("").join(parts))


def gaps_of(call: Settled) -> Gaps | None:
    """The gaps of a call's answer; None where it had fewer than two chunks, or what is kept of them is damaged."""
    try:
        delays, lengths = varints.unpack(call.chunk_delays_us), varints.unpack(call.chunk_lengths)
    except ValueError:
        return None
    if len(delays) < 2:
        return None
    ordered = sorted(delays[1:])
    over_us = sum(ordered)
    columns = [0] * min(COLUMNS, len(ordered))
    at, scale = 0, len(columns) / (over_us or 1)
    for delay in delays[1:]:
        first, at = min(len(columns) - 1, int(at * scale)), at + delay
        for place in range(first, min(len(columns) - 1, int(at * scale)) + 1):
            columns[place] = max(columns[place], delay)
    return Gaps(
        chunks=len(delays),
        size=sum(lengths),
        first_s=delays[0] / 1e6,
        p50_s=_level(ordered, 0.5),
        p95_s=_level(ordered, 0.95),
        p99_s=_level(ordered, 0.99),
        longest_s=ordered[-1] / 1e6,
        over_s=over_us / 1e6,
        step_s=over_us / 1e6 / len(columns),
        columns=tuple(one / 1e6 for one in columns),
    )


def gap_bars(gaps: Gaps) -> Markup:
    """The gaps as a picture: time to the right, the longest gap of each step upward."""
    top, wide = gaps.longest_s or 1e-6, (WIDTH - LEFT - RIGHT) / len(gaps.columns)
    floor = HEIGHT - AXIS
    bars = Markup("").join(
        Markup('<rect x="{}" y="{}" width="{}" height="{}"/>').format(
            _f(LEFT + at * wide), _f(floor - tall), _f(max(0.8, wide - 0.5)), _f(tall)
        )
        for at, gap in enumerate(gaps.columns)
        if (tall := max(1.0 if gap else 0.0, (floor - 8) * gap / top))
    )
    words = (
        f"gaps between {written.exact(gaps.chunks)} chunks: median {written.duration(gaps.p50_s)}, "
        f"longest {written.duration(gaps.longest_s)}"
    )
    levels = Markup("").join(
        Markup('<path class="grid" d="M{} {}H{}"/><text class="axis" x="{}" y="{}" text-anchor="end">{}</text>').format(
            LEFT, _f(floor - (floor - 8) * part), WIDTH - RIGHT, LEFT - 6, _f(floor - (floor - 8) * part + 4), told
        )
        for part, told in ((0.0, "0"), (0.5, written.duration(top / 2)), (1.0, written.duration(top)))
    )
    axis = _times(gaps.over_s, HEIGHT)
    return Markup(
        '<svg class="gaps" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}{}{}</svg>'
    ).format(WIDTH, HEIGHT, WIDTH, HEIGHT, words, levels, bars, axis)


def _level(ordered: Sequence[int], level: float) -> float:
    """The smallest value that at least this part of them does not exceed, in seconds."""
    return ordered[max(0, -int(-len(ordered) * level // 1) - 1)] / 1e6


def _end(row: Row) -> float:
    return max((phase.to_s for phase in row.phases), default=0.0)


def _x(at_s: float, whole: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, at_s / whole))


def _axis(whole: float, height: int) -> Markup:
    lines = Markup("").join(
        Markup('<path class="grid" d="M{} 0V{}"/>').format(_f(_x(whole * part / TICKS, whole)), height - AXIS)
        for part in range(TICKS + 1)
    )
    return lines + _times(whole, height)


def _times(whole: float, height: int) -> Markup:
    parts = []
    for part in range(TICKS + 1):
        anchor = "start" if part == 0 else "end" if part == TICKS else "middle"
        at = whole * part / TICKS
        parts.append(
            Markup('<text class="axis" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                _f(_x(at, whole or 1.0)), height - 4, anchor, written.duration(at)
            )
        )
    return Markup("").join(parts)


def _label(number: int, words: str, *, failed: bool = False) -> Markup:
    sign = "! " if failed else ""
    return Markup('<text class="label{}" x="0" y="{}">{}{}</text>').format(
        " failed" if failed else "", number * ROW + 14, sign, clean(short(words, 22))
    )


def _bar(kind: str, number: int, from_s: float, to_s: float, whole: float, words: str) -> Markup:
    left, right = _x(from_s, whole), _x(to_s, whole)
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
        kind, _f(left), number * ROW + (ROW - BAR) // 2 - 1, _f(max(1.0, right - left)), BAR, words
    )


def _in_words(call: Settled, rows: Sequence[Row]) -> str:
    told = [f"{written.duration(call.total_s)} in all"]
    for row in rows:
        phases = ", ".join(f"{PHASES[one.kind]} {written.duration(one.to_s - one.from_s)}" for one in row.phases)
        told.append(f"attempt {clean(short(row.words, 60))}: {phases}")
    return "; ".join(told)


def _f(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
