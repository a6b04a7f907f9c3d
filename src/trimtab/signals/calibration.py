"""How well a task's confidence tells what is right, out of the labels that were given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trimtab.signals.scores import RIGHT, WRONG
from trimtab.statistics.calibration import Calibration, Sums, calibration
from trimtab.store.histograms import merged as merged_histograms
from trimtab.store.histograms import quantile
from trimtab.store.scores import ScoreCounts


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
