"""What a signal is: a named figure of a task, defined once, from which report, pages, alerts and rules are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from trimtab.store.histograms import Histogram
from trimtab.store.scores import ScoreCounts
from trimtab.store.slices import FACTS, Fact, Slice

Family = Literal["behaviour", "infrastructure", "cost"]
Better = Literal["higher", "lower", "neither"]
Source = Literal["slices", "readings", "scores", "engine", "state"]
Kind = Literal["ratio", "spread", "shares", "amount", "fields", "reading"]
Per = Literal["window", "second", "call", "completed"]


class Ratio(NamedTuple):
    """How many of how many."""

    of: int
    n: int


class Series(NamedTuple):
    """Where `/metrics` has the same figure.

    `of` selects the counter of what is counted, or the gauge, and `n` the counter of what it is counted among; of a
    spread, `of` is the name of the histogram. `by` is the label that tells parts apart, of a gauge all of its labels.
    Whatever is told by task bears the label `task`.
    """

    of: str
    n: str = ""
    by: str = ""


@dataclass(frozen=True)
class Signal:
    """A signal's name and unit; what it says, and what it means when it changes.

    One of `ratio`, `spread`, `shares` and `amount` reads it from a slice; `scale` brings what it reads into `unit`. An
    amount is told for the whole window, a second, each of `count` calls, or each completed task. `scored` reads a ratio
    from scores and `lag` a histogram; both give None for those that are not their own. Ratios of several scores are
    told together where it `adds_up`. `reads` names what it is read from: a histogram of slices, the beginning of the
    fields of readings or of the names of scores, a series of the engine, a metric of the host's state. `facts` are what
    it looks at in a slice beside calls and histograms. `level` is the
    quantile by which a spread is told where there is room for one.

    `better` tells which way is good. `of` and `among` tell in words what is counted, and among what. `series` is where
    Prometheus finds the same. `independent` is false where what is counted is not independent of each other (tokens of
    one call), so that no interval can be told of the share.
    """

    name: str
    family: Family
    unit: str
    better: Better
    says: str
    means: str
    ratio: Callable[[Slice], Ratio] | None = None
    spread: Callable[[Slice], Histogram] | None = None
    shares: Callable[[Slice], Mapping[str, int]] | None = None
    amount: Callable[[Slice], float] | None = None
    scale: float = 1.0
    source: Source = "slices"
    of: str = ""
    among: str = ""
    per: Per = "window"
    count: Callable[[Slice], int] | None = None
    scored: Callable[[ScoreCounts], Ratio | None] | None = None
    lag: Callable[[ScoreCounts], Histogram | None] | None = None
    adds_up: bool = False
    reads: str = ""
    level: float = 0.5
    series: Series | None = None
    independent: bool = True
    facts: tuple[Fact, ...] = FACTS

    @property
    def kind(self) -> Kind:
        """What its figure is: a ratio, a distribution of numbers, shares of a whole, an amount, one of the first three
        for each field that was read (`fields`), or the latest reading of a gauge (`reading`).
        """
        if self.ratio is not None or self.scored is not None:
            return "ratio"
        if self.spread is not None or self.lag is not None:
            return "spread"
        if self.shares is not None:
            return "shares"
        if self.amount is not None or self.source == "scores":
            return "amount"
        return "fields" if self.source == "readings" else "reading"
