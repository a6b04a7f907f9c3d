"""Expressions of Prometheus for signals.

A counter that has counted nothing is not there, so a numerator that is missing beside its denominator stands for 0.
Quantiles are read from the sum of the buckets over everything that is not told apart.
"""

from __future__ import annotations

from typing import Final

from trimtab.signals.signal import Series, Signal

TASK: Final = "task"
COUNTER: Final = "_total"


def selected(selector: str, *matchers: str) -> str:
    """A selector with more matchers."""
    kept = [matcher for matcher in matchers if matcher]
    name, _, inner = selector.partition("{")
    inside = [inner.rstrip("}"), *kept] if inner else kept
    return f"{name}{{{','.join(inside)}}}" if inside else name


def summed(selector: str, window: str, by: str = TASK, operation: str = "rate") -> str:
    """A counter over a window, summed by labels."""
    return f"sum by ({by}) ({operation}({selector}[{window}]))"


def ratio(series: Series, window: str, by: str = TASK, matcher: str = "", offset: str = "") -> str:
    """A share over a window; nothing where the denominator stood still."""
    place = f"{window}] offset {offset}" if offset else f"{window}]"
    of, n = (f"sum by ({by}) (rate({selected(one, matcher)}[{place}))" for one in (series.of, series.n))
    return f"({of} or {n} * 0) / ({n} > 0)"


def increase(selector: str, window: str, by: str = TASK, offset: str = "") -> str:
    """How much a counter grew over a window."""
    moved = f" offset {offset}" if offset else ""
    return f"sum by ({by}) (increase({selector}[{window}]{moved}))"


def quantile(series: Series, level: float, window: str, by: str = TASK, matcher: str = "", offset: str = "") -> str:
    """A quantile over a window, from the merged buckets."""
    moved = f" offset {offset}" if offset else ""
    bucket = selected(f"{series.of}_bucket", matcher)
    grouped = f"{by}, le" if by else "le"
    return f"histogram_quantile({level:g}, sum by ({grouped}) (rate({bucket}[{window}]{moved})))"


def shares(series: Series, window: str, by: str = TASK, matcher: str = "") -> str:
    """The parts of a whole over a window, by the label that tells them apart."""
    part = selected(series.of, matcher)
    whole = summed(part, window, by)
    return f"{summed(part, window, f'{by}, {series.by}')} / on ({by}) group_left () ({whole} > 0)"


def expression(signal: Signal, window: str, by: str = TASK, matcher: str = "") -> str:
    """The expression of a signal over a window; empty where Prometheus has none."""
    series = signal.series
    if series is None:
        return ""
    match signal.kind:
        case "ratio":
            return ratio(series, window, by, matcher)
        case "spread":
            return quantile(series, signal.level, window, by, matcher)
        case "shares":
            return shares(series, window, by, matcher)
        case "amount" if signal.per == "second":
            return summed(selected(series.of, matcher), window, by)
        case "amount" if series.n:
            return ratio(series, window, by, matcher)
        case "reading":
            return _reading(series, window)
        case _:
            return ""


def _reading(series: Series, window: str) -> str:
    """What a replica or the host says now; of what only grows, how much it grew, a second where that is a flow."""
    if series.n:
        of, n = (f"rate({one}[{window}])" if one.endswith(COUNTER) else one for one in (series.of, series.n))
        return f"{of} / ({n} > 0)"
    if series.of.endswith(f"tokens{COUNTER}"):
        return f"rate({series.of}[{window}])"
    return f"increase({series.of}[{window}])" if series.of.endswith(COUNTER) else series.of


def recorded(signal: Signal, window: str) -> str:
    """The name under which a signal over a window is recorded."""
    level = f"p{signal.level * 100:g}".replace(".", "")
    what = {"ratio": "ratio_rate", "spread": f"{level}_rate", "amount": "rate"}[signal.kind]
    return f"task:trimtab_{signal.name}:{what}{window}"


def counted(signal: Signal, window: str) -> str:
    """The name under which it is recorded how many calls (answers, scores) lie behind it."""
    return f"task:trimtab_{signal.name}:n{window}"


def count_of(series: Series, signal: Signal) -> str:
    """The counter of what lies behind a signal."""
    return series.n or (f"{series.of}_count" if signal.kind == "spread" else series.of)
