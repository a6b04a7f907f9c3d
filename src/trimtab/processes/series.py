"""Counts and histograms by their labels, bounded: what comes too late is told together under `(other)`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from typing import Final, Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from trimtab.processes.catalogue import Metric

OTHER: Final = "(other)"
OTHER_ERROR: Final = "_OTHER"
"""What OpenTelemetry calls an error that is not told apart."""
MAX_LENGTH: Final = 100
"""Characters of a label's value; a longer one is cut."""

KEPT: Final = frozenset({"", "ok", "stop", "completion"})
"""Values that are never told as others: what is counted is held against them."""

Labels = tuple[str, ...]
S = TypeVar("S")


class Count:
    """A whole number that grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Buckets:
    """How many values fell below each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Counts one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Bounded(Generic[S]):
    """One thing for each set of label values, up to the bound of its metric.

    A set that comes when the metric's `detailed` ones are taken has its `folds` replaced by `(other)`, and one that
    comes when all are taken has every label replaced. A set that was told apart once stays so.
    """

    def __init__(self, of: Metric, make: Callable[[], S]) -> None:
        self._of = of
        self._make = make
        self._others = tuple(OTHER_ERROR if label == "error_type" else OTHER for label in of.labels)
        self.held: dict[Labels, S] = {}

    def at(self, labels: Labels) -> S:
        """The thing for these label values."""
        labels = tuple([clean(value) for value in labels])
        found = self.held.get(labels)
        if found is not None:
            return found
        if len(self.held) >= self._of.detailed and self._of.folds:
            labels = self._folded(labels)
        if len(self.held) >= self._of.most - 1 and labels not in self.held:
            labels = self._others
        return self.held.setdefault(labels, self._make())

    def _folded(self, labels: Labels) -> Labels:
        parts = zip(self._of.labels, labels, self._others, strict=True)
        return tuple(
            [other if label in self._of.folds and value not in KEPT else value for label, value, other in parts]
        )


class Histogram:
    """Buckets for each set of labels; those nothing fell into are not told."""

    def __init__(self, of: Metric) -> None:
        self.of = of
        self._series = Bounded(of, lambda: Buckets(of.buckets))

    def series(self, *labels: str) -> Buckets:
        """The buckets with these labels."""
        return self._series.at(labels)

    def family(self) -> HistogramMetricFamily:
        """The counts as Prometheus wants them, cumulated."""
        family = HistogramMetricFamily(self.of.name, self.of.says, labels=self.of.labels)
        bounds = [*map(floatToGoString, self.of.buckets), "+Inf"]
        for labels, series in self._series.held.items():
            cumulated = list(accumulate(series.counts))
            if cumulated[-1]:
                family.add_metric(labels, list(zip(bounds, cumulated, strict=True)), sum_value=series.total)
        return family


class Counter:
    """A count for each set of labels, and what it is divided by when it is told.

    Zeros are told only where `zeros` says so: of a count that comes into sight with its first values these are lost to
    Prometheus, which sees no growth.
    """

    def __init__(self, of: Metric, divisor: int = 1, *, zeros: bool = False) -> None:
        self.of = of
        self._divisor = divisor
        self._zeros = zeros
        self._series = Bounded(of, Count)

    def series(self, *labels: str) -> Count:
        """The count with these labels."""
        return self._series.at(labels)

    def family(self) -> CounterMetricFamily:
        """The counts as Prometheus wants them."""
        family = CounterMetricFamily(self.of.name, self.of.says, labels=self.of.labels)
        for labels, count in self._series.held.items():
            if count.value or self._zeros:
                family.add_metric(labels, count.value / self._divisor)
        return family


def clean(value: str) -> str:
    """A label's value as it is told: not too long, and nothing in it that UTF-8 does not have."""
    cut = value if len(value) <= MAX_LENGTH else value[: MAX_LENGTH - 1] + "…"
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode()
