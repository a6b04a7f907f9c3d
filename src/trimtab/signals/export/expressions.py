"""What an alert asks of what was recorded, by how it compares. Each is guarded by how much lies behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trimtab.signals.export.promql import counted, recorded, selected
from trimtab.signals.objectives import Promise
from trimtab.signals.signal import Signal

Z_FLOOR: Final = 3.09
"""Standard errors of the one-sided bound against a floor or ceiling: one look in a thousand is wrong."""
Z_CHANGE: Final = 4
"""Standard errors from which a change is one: one look in 30,000 is wrong on one side."""
LEAST: Final = 50
"""Answers, tool calls or scores that a ratio is told of before an alert on a change of it may open."""
LEAST_OF_QUANTILE: Final = 100
LEAST_BAD: Final = 5
"""Calls that broke an objective before its budget is said to burn."""
SMALLEST_POINTS: Final = 0.02
SMALLEST_PART: Final = 0.25
FAST: Final = (("1h", "5m", 14.4), ("6h", "30m", 6.0))
SLOW: Final = (("3d", "6h", 1.0),)
"""Windows long and short, and how many times faster than allowed the budget goes in both. Source: B. Beyer and others,
"The Site Reliability Workbook" (2018), chapter 5, table 5-8."""
MINUTE_S: Final = 60
UNITS: Final = (("d", 86_400), ("h", 3600), ("m", MINUTE_S))


def duration(seconds: float) -> str:
    """Whole minutes as Prometheus writes them, in the largest unit that takes them whole."""
    whole = max(MINUTE_S, round(seconds / MINUTE_S) * MINUTE_S)
    return next(f"{whole // size}{unit}" for unit, size in UNITS if whole % size == 0)


def change(signal: Signal, window: str) -> str:
    """The name under which the difference from the baseline is recorded, of a quantile how many times as much it is."""
    level = f"p{signal.level * 100:g}_".replace(".", "") if signal.kind == "spread" else ""
    return f"task:trimtab_{signal.name}:{level}change{window}"


def errors_of_change(signal: Signal, window: str) -> str:
    """The name under which the difference is recorded in standard errors."""
    return f"task:trimtab_{signal.name}:z{window}"


def change_in_errors(signal: Signal, window: str, baseline: str) -> str:
    """The difference of two shares, divided by its standard error under the share of both together."""
    after, n_after = recorded(signal, window), counted(signal, window)
    before, n_before = (f"{name} offset {window}" for name in (recorded(signal, baseline), counted(signal, baseline)))
    both = f"(({after} * {n_after} + ({before}) * ({n_before})) / ({n_after} + ({n_before})))"
    return f"({after} - ({before}))\n  / sqrt({both} * (1 - {both}) * (1 / {n_after} + 1 / ({n_before})))"


def against_limit(signal: Signal, window: str, limit: float, matcher: str, *, below: bool) -> str:
    """A figure that surely lies below its floor, or above its ceiling."""
    name, n = (selected(one, matcher) for one in (recorded(signal, window), counted(signal, window)))
    sign = "<" if below else ">"
    if signal.kind != "ratio":
        return f"{name} {sign} {limit:g}\n  and {n} >= {LEAST_OF_QUANTILE}"
    z2, side = Z_FLOOR**2, "+" if below else "-"
    half = f"{Z_FLOOR} * sqrt({name} * (1 - {name}) / {n} + {z2 / 4:.4g} / {n} ^ 2)"
    return f"({name} + {z2 / 2:.4g} / {n} {side} {half})\n  / (1 + {z2:.4g} / {n}) {sign} {limit:g}"


def against_baseline(signal: Signal, window: str, smallest: float | None, matcher: str, *, down: bool) -> str:
    """A figure that changed by more than chance, and by enough to matter."""
    n = selected(counted(signal, window), matcher)
    moved = selected(change(signal, window), matcher)
    if signal.kind == "ratio":
        errors = selected(errors_of_change(signal, window), matcher)
        least = SMALLEST_POINTS if smallest is None else smallest
        if down:
            return f"{errors} < -{Z_CHANGE}\n  and {moved} < -{least:g}\n  and {n} >= {LEAST}"
        return f"{errors} > {Z_CHANGE}\n  and {moved} > {least:g}\n  and {n} >= {LEAST}"
    least = SMALLEST_PART if smallest is None else smallest
    limit = f"< {max(0.0, 1 - least):g}" if down else f"> {1 + least:g}"
    return f"{moved} {limit}\n  and {n} >= {LEAST_OF_QUANTILE}"


def broken_share(promise: Promise, window: str) -> str:
    """The name under which the share of calls that broke a goal is recorded."""
    if promise.limit_s is None:
        return f"task:trimtab_objective_success:ratio_rate{window}"
    return f"task_goal:trimtab_objective_{promise.measure}:ratio_rate{window}"


def burning(promise: Promise, task: str, windows: tuple[tuple[str, str, float], ...], counts: Mapping[str, str]) -> str:
    """A budget that goes too fast over a long window and still does over a short one.

    `counts` names what was recorded of how many calls lie behind each long window.
    """
    matchers = [f'task="{task}"', f'goal="{promise.name}"' if promise.limit_s is not None else ""]
    parts = []
    for long, short, times in windows:
        over_long, over_short = (selected(broken_share(promise, window), *matchers) for window in (long, short))
        limit = f"{times * promise.allowed:.6g}"
        n = selected(counts[long], matchers[0])
        enough = f"{over_long} * on (task) group_left () {n} >= {LEAST_BAD}"
        parts.append(f"(\n  {over_long} > {limit}\n  and {over_short} > {limit}\n  and ({enough})\n)")
    return " or ".join(parts)
