"""Pictures of an evaluation as inline SVG: intervals of differences, scores of both arms, one arm against the other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from trimtab.console.format import exact
from trimtab.evals.report import UNBOUNDED, CaseResult, Metric
from trimtab.evals.words import amount_text, difference_text, margin_text

WIDE: Final = 150
TALL: Final = 14
BINS: Final = 20
SIDE: Final = 300
EDGE: Final = 46
LARGEST: Final = 12.0
PLACES: Final = 50
"""Points that lie so close on an axis are drawn as one."""


def interval_drawn(metric: Metric) -> Markup:
    """A difference on its axis: right is better, the line is no difference, the dashed one the margin."""
    found = metric.difference
    if found is None:
        return Markup("")
    sign = 1.0 if metric.more_is_better else -1.0
    ends = [sign * (one - metric.is_ratio) for one in (found.low, found.value, found.high)]
    low, value, high = sorted((ends[0], ends[2]))[0], ends[1], max(ends[0], ends[2])
    margin = -metric.margin if metric.margin is not None else None
    reach = max(abs(one) for one in (low, value, high, margin or 0.0) if abs(one) < UNBOUNDED / 2) * 1.15 or 1.0

    def x(at: float) -> str:
        return _f(WIDE / 2 * (1 + max(-1.0, min(1.0, at / reach))))

    parts = [Markup('<path class="zero" d="M{0} 0V{1}"/>').format(x(0), TALL)]
    if margin is not None:
        parts.append(Markup('<path class="margin" d="M{0} 0V{1}"/>').format(x(margin), TALL))
    kind = "worse" if high < 0 else "better" if low > 0 else "same"
    middle = TALL / 2
    parts.append(Markup('<path class="reach {}" d="M{} {}H{}"/>').format(kind, x(low), middle, x(high)))
    parts.append(Markup('<circle class="at {}" cx="{}" cy="{}" r="3"/>').format(kind, x(value), middle))
    words = f"{difference_text(metric)}, right is better"
    words += f", margin {margin_text(metric)}" if margin is not None else ""
    return Markup(
        '<svg class="reaches" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDE, TALL, WIDE, TALL, words, Markup("").join(parts))


class Spread(NamedTuple):
    """The counts of an arm's cases by their mean, in equal steps from `low` to `high`."""

    arm: str
    low: float
    high: float
    counts: tuple[int, ...]


def spreads(cases: Sequence[CaseResult]) -> tuple[Spread, ...]:
    """How the means of cases lie in each arm that has any, on one axis for both."""
    sides = {
        "base": [one.base for one in cases if one.base is not None],
        "candidate": [one.candidate for one in cases if one.candidate is not None],
    }
    values = [one for side in sides.values() for one in side]
    if not values:
        return ()
    low, high = min(0.0, *values), max(values)
    high = high if high > 1 else 1.0
    found = []
    for arm, side in sides.items():
        if side:
            counts = Counter(min(BINS - 1, int(BINS * (one - low) / (high - low))) for one in side)
            found.append(Spread(arm, low, high, tuple(counts[place] for place in range(BINS))))
    return tuple(found)


def scatter(cases: Sequence[CaseResult], unit: str) -> Markup:
    """Each case by its mean in the base (across) and in the candidate (up); a circle's area tells how many cases."""
    pairs = [(one.base, one.candidate) for one in cases if one.base is not None and one.candidate is not None]
    if not pairs:
        return Markup("")
    values = [one for pair in pairs for one in pair]
    low, high = min(0.0, *values), max(values)
    high = high if high > 1 else 1.0
    reach = high - low

    def at(value: float) -> float:
        return round((value - low) / reach * PLACES) / PLACES

    together = Counter((at(base), at(candidate)) for base, candidate in pairs)
    most = max(together.values())
    room = SIDE - EDGE - 14
    parts = [_axes(low, high, unit)]
    for (across, up), count in sorted(together.items(), key=lambda one: -one[1]):
        kind = "worse" if up < across else "better" if up > across else "same"
        words = f"{exact(count)} cases: base {amount_text(low + across * reach, unit)}"
        parts.append(
            Markup('<circle class="at {}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
                kind,
                _f(EDGE + across * room),
                _f(14 + (1 - up) * room),
                _f(2.5 + (LARGEST - 2.5) * math.sqrt(count / most)),
                f"{words}, candidate {amount_text(low + up * reach, unit)}",
            )
        )
    worse, better = (sum(sign * (b - a) > 0 for a, b in pairs) for sign in (-1, 1))
    words = f"{exact(len(pairs))} cases, base across, candidate up: {exact(worse)} worse, {exact(better)} better"
    return Markup('<svg class="scatter" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        SIDE, SIDE, words, Markup("").join(parts)
    )


def _axes(low: float, high: float, unit: str) -> Markup:
    room = SIDE - EDGE - 14
    begin, end, bottom = EDGE, EDGE + room, 14 + room
    lines = Markup('<path class="grid" d="M{0} {1}V{2}H{3}V{1}Z"/><path class="zero" d="M{0} {2}L{3} {1}"/>').format(
        begin, 14, bottom, end
    )
    text = Markup('<text class="axis" x="{}" y="{}" text-anchor="{}">{}</text>')
    return lines + Markup("").join(
        (
            text.format(begin, bottom + 14, "start", amount_text(low, unit)),
            text.format(end, bottom + 14, "end", amount_text(high, unit)),
            text.format((begin + end) // 2, bottom + 14, "middle", "base"),
            text.format(begin - 5, bottom, "end", amount_text(low, unit)),
            text.format(begin - 5, 22, "end", amount_text(high, unit)),
            text.format(begin - 5, (14 + bottom) // 2, "end", "cand."),
        )
    )


def _f(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
