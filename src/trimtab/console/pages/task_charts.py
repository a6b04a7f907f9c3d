"""The charts of a task over time: latency apart, then what it does, all on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trimtab.console.charts import Chart, Line, Mark
from trimtab.console.figured import band_of
from trimtab.console.window import Window
from trimtab.signals.figure import Cell

RATES: Final = {
    "parse_rate": "Parse rate",
    "tool_validity": "Tool calls valid",
    "completion": "Done",
    "availability": "Answered",
}
LATENCIES: Final = {
    "ttft": "Time to first token",
    "tpot": "Time per output token",
    "longest_gap": "Longest gap",
    "total": "Total time",
}
OVER_TIME: Final = (*RATES, *LATENCIES, "output_length", "request_rate", "cost")


def over_time(window: Window, steps: Sequence[Cell], marks: Sequence[Mark], now_ns: int) -> tuple[Chart, ...]:
    """A chart for each signal that has anything to show; sums are dashed where a step is not whole."""
    ends = (window.since_ns, window.until_ns, marks)
    cut = window.cut(now_ns)
    dashed = ", dashed where a step is not whole" if cut else ""
    found = [
        Chart(signal, title, "share", window.steps, [band_of(steps, signal, window.steps, title)], *ends)
        for signal, title in RATES.items()
    ]
    found += [
        Chart(signal, title, "s", window.steps, _quantiles(steps, signal, window, (0.5, 0.95)), *ends, "p50 and p95")
        for signal, title in LATENCIES.items()
    ]
    length = _quantiles(steps, "output_length", window, (0.5, 0.95))
    found.append(Chart("output_length", "Output length", "tokens", window.steps, length, *ends, "tokens, p50 and p95"))
    rate = [_line(steps, "request_rate", window, "calls")]
    found.append(Chart("request_rate", "Calls", "per_s", window.steps, rate, *ends, f"per second{dashed}", cut))
    cost = [_line(steps, "cost", window, "cost")]
    found.append(Chart("cost", "Cost", "usd", window.steps, cost, *ends, f"in each step{dashed}", cut))
    return tuple(one for one in found if any(value is not None for line in one.lines for value in line.values))


def _quantiles(steps: Sequence[Cell], signal: str, window: Window, levels: Sequence[float]) -> list[Line]:
    return [_line(steps, signal, window, f"p{level * 100:g}", level) for level in levels]


def _line(steps: Sequence[Cell], signal: str, window: Window, name: str, level: float | None = None) -> Line:
    line = band_of(steps, signal, window.steps, name, level)
    return Line(line.name, line.values)
