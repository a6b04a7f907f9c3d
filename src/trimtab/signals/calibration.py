"""How well a task's confidence tells what is right, out of the labels that were given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from trimtab.signals.scores import RIGHT, WRONG
from trimtab.statistics.calibration import Calibration, Sums, calibration
from trimtab.store.histograms import merged as merged_histograms
from trimtab.store.histograms import quantile
from trimtab.store.scores import ScoreCounts, ScoreQuery
from trimtab.store.telemetry import MINUTE_NS


@dataclass(frozen=True)
class Reliability:
    """The calibration of one field of a task's answers, its JSON pointer; "" is the whole answer.

    `lag_p50_s` and `lag_p95_s` tell how long after their calls the labels came; None where that is not known.
    """

    task: str
    pointer: str
    calibration: Calibration
    lag_p50_s: float | None = None
    lag_p95_s: float | None = None


class ReliabilityBin(Struct, frozen=True):
    """Answers whose confidence lies in [low, high): `right` of `n` were right, a share that lies between `below` and
    `above` (95 % for all bins together).
    """

    low: float
    high: float
    n: int
    right: int
    share: float
    below: float
    above: float


class ReliabilityShown(Struct, frozen=True):
    """A reliability as it is told: over `n` answers with a confidence and a label, each error with its 95 % interval.

    `field` is a JSON pointer into answers, "" the whole answer. `ece` is the expected calibration error, `brier` the
    Brier score, both better the lower. `lag_p50_s` and `lag_p95_s` tell how long after their calls labels came.
    """

    task: str
    field: str
    n: int
    accuracy: float
    confidence: float
    ece: float
    ece_low: float
    ece_high: float
    brier: float
    brier_low: float
    brier_high: float
    lag_p50_s: float | None
    lag_p95_s: float | None
    bins: tuple[ReliabilityBin, ...]


class Scored(Protocol):
    """Where scores are counted."""

    def scores(self, query: ScoreQuery) -> tuple[ScoreCounts, ...]:
        """Judgements on calls, by name."""


def reliability_of(
    telemetry: Scored, since_ns: int, until_ns: int, tasks: tuple[str, ...]
) -> tuple[ReliabilityShown, ...]:
    """The reliability of each field of each task, of labels given in [since, until), rounded out to whole minutes."""
    query = ScoreQuery(since_ns // MINUTE_NS * MINUTE_NS, -(-until_ns // MINUTE_NS) * MINUTE_NS, tasks)
    return tuple(map(_shown, reliabilities(telemetry.scores(query))))


def _shown(one: Reliability) -> ReliabilityShown:
    found = one.calibration
    return ReliabilityShown(
        one.task,
        one.pointer,
        found.n,
        found.accuracy,
        found.confidence,
        found.ece,
        *found.ece_interval,
        found.brier,
        *found.brier_interval,
        one.lag_p50_s,
        one.lag_p95_s,
        tuple(ReliabilityBin(*each) for each in found.bins),
    )


def reliabilities(counts: Iterable[ScoreCounts], confidence: float = 0.95) -> tuple[Reliability, ...]:
    """The calibration of each field for which labels came with confidences, out of the scores of a window."""
    kept = [one for one in counts if one.name.startswith((RIGHT, WRONG))]
    found = []
    for task, pointer in sorted({(one.task, _pointer(one.name)) for one in kept}):
        of_field = [one for one in kept if (one.task, _pointer(one.name)) == (task, pointer)]
        right = [one for one in of_field if one.name.startswith(RIGHT)]
        wrong = [one for one in of_field if one.name.startswith(WRONG)]
        whole = calibration(_labels(right), _labels(wrong), _sums(right), _sums(wrong), confidence)
        if whole is not None:
            lag = merged_histograms(one.lag_ms for one in of_field)
            found.append(Reliability(task, pointer, whole, _seconds(quantile(lag, 0.5)), _seconds(quantile(lag, 0.95))))
    return tuple(found)


def _pointer(name: str) -> str:
    return name.removeprefix(RIGHT).removeprefix(WRONG)


def _labels(counts: list[ScoreCounts]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in counts:
        for label, n in one.labels.items():
            found[label] = found.get(label, 0) + n
    return found


def _sums(counts: list[ScoreCounts]) -> Sums:
    return Sums(sum(one.valued for one in counts), sum(one.total for one in counts), sum(one.squares for one in counts))


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
