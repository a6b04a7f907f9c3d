"""A run drawn over time: in a picture of the whole, however many steps it has, and beside each step of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from trimtab.console import format as written
from trimtab.journal.steps import Log, Step

WIDTH: Final = 760
HEIGHT: Final = 64
AXIS: Final = 16
COLUMNS: Final = 190
"""How many steps of time a run is drawn in."""
BAR_WIDTH: Final = 220
BAR_HEIGHT: Final = 12
SECOND_NS: Final = 1_000_000_000


def span_of(log: Log, now_ns: int) -> tuple[int, int]:
    """When a run began and ended, in ns since 1970; one that goes on ends now, if its clock agrees."""
    began = log.started.at_ns if log.started is not None else log.steps[0].intent.at_ns if log.steps else now_ns
    began = min([began, *(step.intent.at_ns for step in log.steps[:1])])
    last = max((end_of(step, step.intent.at_ns) for step in log.steps), default=began)
    ended = max(last, log.ended.at_ns) if log.ended is not None else max(last, now_ns if _is_open(log) else last)
    return began, max(ended, began + 1)


def end_of(step: Step, now_ns: int) -> int:
    """When a step ended."""
    return max(step.intent.at_ns, step.result.at_ns) if step.result is not None else now_ns


def _is_open(log: Log) -> bool:
    return any(step.state == "open" for step in log.steps[-8:])


def overview(log: Log, now_ns: int, shown: Sequence[Step]) -> Markup:
    """The whole run: how many steps were under way at each time, where some went wrong, and which part is shown."""
    began, ended = span_of(log, now_ns)
    counts, bad = _columns(log, began, ended)
    top, wide, floor = max(counts) or 1, WIDTH / COLUMNS, HEIGHT - AXIS
    bars = Markup("").join(
        Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
            "failed" if bad[at] else "stream", _f(at * wide), _f(floor - tall), _f(wide - 0.6), _f(tall)
        )
        for at, count in enumerate(counts)
        if (tall := max(1.5, (floor - 6) * count / top) if count else 0)
    )
    window = Markup("")
    if shown and len(shown) < len(log.steps):
        left = WIDTH * (shown[0].intent.at_ns - began) / (ended - began)
        right = WIDTH * (end_of(shown[-1], ended) - began) / (ended - began)
        window = Markup('<rect class="here" x="{}" y="0" width="{}" height="{}"/>').format(
            _f(left), _f(max(2.0, right - left)), floor
        )
    total_s = (ended - began) / SECOND_NS
    words = f"{len(log.steps)} steps in {written.duration(total_s)}, at most {top} at a time"
    return Markup(
        '<svg class="waterfall run" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}{}{}</svg>'
    ).format(WIDTH, HEIGHT, WIDTH, HEIGHT, words, bars, window, _times(total_s))


def _columns(log: Log, began: int, ended: int) -> tuple[list[int], list[bool]]:
    """Steps that were under way in each step of time, and whether one that went wrong was among them."""
    change, bad = [0] * (COLUMNS + 1), [False] * COLUMNS
    scale = COLUMNS / (ended - began)
    for step in log.steps:
        first = min(COLUMNS - 1, max(0, int((step.intent.at_ns - began) * scale)))
        last = min(COLUMNS - 1, max(first, int((end_of(step, ended) - began) * scale)))
        change[first] += 1
        change[last + 1] -= 1
        if step.is_failed:
            bad[last] = True
    counts, under_way = [], 0
    for one in change[:-1]:
        under_way += one
        counts.append(under_way)
    return counts, bad


def bar(step: Step, began: int, ended: int) -> Markup:
    """One step over the time of the steps that are shown with it."""
    scale = BAR_WIDTH / max(1, ended - began)
    left = (step.intent.at_ns - began) * scale
    right = (end_of(step, ended) - began) * scale
    kind = "failed" if step.is_failed else "paused" if step.state == "open" else _KINDS.get(step.intent.step, "whole")
    return Markup(
        '<svg class="waterfall step" viewBox="0 0 {} {}" width="{}" height="{}" aria-hidden="true">'
        '<rect class="{}" x="{}" y="1" width="{}" height="{}"/></svg>'
    ).format(BAR_WIDTH, BAR_HEIGHT, BAR_WIDTH, BAR_HEIGHT, kind, _f(left), _f(max(1.5, right - left)), BAR_HEIGHT - 2)


_KINDS: Final = {"model": "stream", "tool": "wait", "step": "first", "check": "connect", "child": "wait"}


def _times(total_s: float) -> Markup:
    parts = []
    for part in range(5):
        anchor = "start" if part == 0 else "end" if part == 4 else "middle"
        parts.append(
            Markup('<text class="axis" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                _f(WIDTH * part / 4), HEIGHT - 3, anchor, written.duration(total_s * part / 4)
            )
        )
    return Markup("").join(parts)


def _f(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
