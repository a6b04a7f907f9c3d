"""Signals of what was judged: completion, labels, feedback, and what confidence is worth by them."""

from __future__ import annotations

from typing import Final

from trimtab.signals.scores import RIGHT, WRONG
from trimtab.signals.signal import Ratio, Series, Signal
from trimtab.store.scores import ACCURACY, COMPLETION, ScoreCounts

SCORES: Final = "trimtab_scores_total"


def scored_as(one: ScoreCounts, name: str) -> Ratio | None:
    """The scores of one name, or of a field under it (`NAME/POINTER`): those that passed of those with a value."""
    return Ratio(one.passed, one.valued) if one.name == name or one.name.startswith(f"{name}/") else None


def _feedback(one: ScoreCounts) -> Ratio | None:
    """What people said themselves; what follows of it is told by other signals."""
    made = one.name.startswith((COMPLETION, ACCURACY, RIGHT, WRONG))
    return Ratio(one.passed, one.valued) if one.source == "feedback" and not made else None


def _series_of_score(name: str) -> Series:
    return Series(f'{SCORES}{{score="{name}",result="passed"}}', f'{SCORES}{{score="{name}"}}')


COMPLETION_RATE: Final = Signal(
    name="completion",
    family="behaviour",
    unit="share",
    better="higher",
    says="Runs, or calls outside any run, whose work was done: by the task's rule, feedback or a sampled judge.",
    means="Whatever else is green, the work is not being done.",
    source="scores",
    scored=lambda one: scored_as(one, COMPLETION),
    reads=COMPLETION,
    of="runs whose score `completion` is at least 0.5",
    among="runs with such a score, each once: by feedback before a rule before a judge",
    series=_series_of_score(COMPLETION),
)
LABELLED_ACCURACY: Final = Signal(
    name="accuracy",
    family="behaviour",
    unit="share",
    better="higher",
    says="Answers, and fields of them, that a label which came later found right.",
    means="Answers became wrong; labels come late, so it tells of the time that `label_lag` says.",
    source="scores",
    scored=lambda one: scored_as(one, ACCURACY),
    reads=ACCURACY,
    of="answers whose score `accuracy` is at least 0.5",
    among="answers with such a score, each once: by the last label; fields apart from the whole",
    series=_series_of_score(ACCURACY),
)
LABEL_LAG: Final = Signal(
    name="label_lag",
    family="behaviour",
    unit="s",
    better="lower",
    says="Time from the end of a call to the label that judged it.",
    means="Labels come later: accuracy tells of an older time.",
    source="scores",
    lag=lambda one: one.lag_ms if one.name == ACCURACY else None,
    reads=ACCURACY,
    scale=1e-3,
    of="time to a score `accuracy`",
    among="scores `accuracy`",
)
FEEDBACK: Final = Signal(
    name="feedback",
    family="behaviour",
    unit="share",
    better="higher",
    says="Feedback of people that was good: a value of at least 0.5.",
    means="People like the answers less, or other people answer.",
    source="scores",
    scored=_feedback,
    adds_up=True,
    reads="feedback",
    of="feedback of at least 0.5",
    among="feedback with a value",
)
CALIBRATION: Final = Signal(
    name="calibration",
    family="behaviour",
    unit="probability",
    better="lower",
    says="Expected calibration error: how far confidence lies from the share of answers that labels found right.",
    means="Confidence no longer tells what may be trusted: thresholds on it let wrong answers through.",
    source="scores",
    reads="confidence.",
    of="distance of the mean confidence from the share that was right, over bins of confidence",
    among="answers with a confidence and a label",
)
SIGNALS: Final[tuple[Signal, ...]] = (COMPLETION_RATE, LABELLED_ACCURACY, LABEL_LAG, FEEDBACK, CALIBRATION)
