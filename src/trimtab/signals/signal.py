"""What a signal is: a named figure of a task, defined once, from which report, pages, alerts and rules are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from trimtab.store.histograms import Histogram
from trimtab.store.slices import Slice

Family = Literal["behaviour", "infrastructure", "cost"]
Better = Literal["higher", "lower", "neither"]


class Ratio(NamedTuple):
    """How many of how many."""

    of: int
    n: int


@dataclass(frozen=True)
class Signal:
    """A signal's name and unit; what it says, and what it means when it changes.

    One of `ratio`, `spread`, `shares` and `amount` reads it from a slice; `scale` brings what it reads into `unit`.
    `better` tells which way is good. `metric` is the Prometheus expression of the same figure, with `$task` where the
    task stands, or empty where none tells it.
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
    metric: str = ""
