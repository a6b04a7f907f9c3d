"""What figures are made of, as they go into JSON: every number with how many calls lie behind it, and its interval."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from trimtab.signals.signal import Kind

Verdict = Literal["better", "worse", "changed", ""]
"""What a change is, where its 95 % interval leaves out 0; empty where it does not, or where none can be told."""
Standing = Literal["met", "missed", "not enough data"]


class Quantile(Struct, frozen=True):
    """A quantile of a distribution; None where too few values lie beyond it, or to bound it on that side."""

    level: float
    value: float | None
    low: float | None
    high: float | None


class Part(Struct, frozen=True):
    """One part of a whole: `count` of the figure's `n`, as a share with its 95 % Wilson interval (none where what is
    counted is not independent), and as an `amount` in the signal's unit where that is not a share.
    """

    name: str
    count: int
    share: float
    low: float | None
    high: float | None
    amount: float | None = None


class Bin(Struct, frozen=True, array_like=True):
    """How many values lie above `low` and up to `high`, in the signal's unit."""

    low: float
    high: float
    count: int


class Compared(Struct, frozen=True):
    """How a figure differs from that of the window before, which had `n` calls behind it.

    `difference` is in the figure's unit, shares of 1 for shares; for parts of a whole it is the total variation
    distance, from 0 (the same) to 1.
    """

    value: float | None
    n: int
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict


class Figure(Struct, frozen=True, omit_defaults=True):
    """One signal over one window or step. `n` is how many calls, answers, tool calls, scores or tokens it is told of.

    `value` is the share, the amount, or the quantile at the signal's own level; None where there is nothing or not
    enough to tell it from. `low` and `high` are its 95 % interval, None where none can be told. `field` names what was
    read (a field of answers or inputs, a score) where a signal has several.
    """

    signal: str
    kind: Kind
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    field: str = ""
    count: int | None = None
    quantiles: tuple[Quantile, ...] = ()
    parts: tuple[Part, ...] = ()
    bins: tuple[Bin, ...] = ()
    change: Compared | None = None


class Cell(Struct, frozen=True):
    """The figures of one task, one value of the dimension that was asked for, and one step (0: the whole window)."""

    task: str
    value: str
    at_ns: int
    calls: int
    figures: tuple[Figure, ...]

    def figure(self, signal: str, field: str = "") -> Figure | None:
        """The figure of a signal; None if there is none."""
        return next((one for one in self.figures if one.signal == signal and one.field == field), None)


class Gauge(Struct, frozen=True):
    """What the host or an engine said last of a thing, for `task` where it belongs to one; `at_ns` is when."""

    signal: str
    task: str
    of: str
    value: float
    at_ns: int = 0


class Figures(Struct, frozen=True):
    """A window of whole minutes, [since, until) in ns since 1970, told apart by `by`, in steps of `step_s` seconds.

    Without steps each figure is held against the window of the same length before. `gauges` are what is read once.
    """

    since_ns: int
    until_ns: int
    by: str
    step_s: int
    cells: tuple[Cell, ...]
    gauges: tuple[Gauge, ...] = ()

    def cell(self, task: str, value: str = "") -> Cell | None:
        """The first cell of a task and value; None if nothing happened there."""
        return next((one for one in self.cells if one.task == task and one.value == value), None)
