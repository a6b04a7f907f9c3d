"""Judgements on calls, summed: feedback, evaluations, completion rules and judges (`record.events.Score`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from trimtab.store.histograms import Histogram
from trimtab.store.slices import check_step

MAX_SCORES: Final = 20_000
"""How many `ScoreCounts` one question is answered with; one that has more is refused."""
MAX_SCORE_ROWS: Final = 1000
"""How many scores of one call, run or conversation are given: the last ones."""

COMPLETION: Final = "completion"
"""The score that tells whether the work of a run, or of a call outside any run, was done: at least 0.5 where it was."""
ACCURACY: Final = "accuracy"
"""The score that tells whether an answer was right, by a label or a corrected answer: at least 0.5 where it was. Of a
field of it, `accuracy` and the field's JSON pointer."""
COMPLETERS: Final = ("feedback", "evaluation", "rule", "judge")
"""Who tells of completion; where several tell of one run, the first of these counts."""


@dataclass(frozen=True)
class ScoreQuery:
    """Scores given in [since, until), whole minutes, in ns since 1970; `step_s` as in `SliceQuery`.

    Of scores of one id the one given last counts, at its own time alone. In a step, or a window without steps, one run
    (or call outside any) counts for one completion, by the first of `COMPLETERS` that gave one a value, and one call
    for one accuracy of each name, by the last that has a value.
    """

    since_ns: int
    until_ns: int
    tasks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    by: Literal["task", "model", "replica", "prompt", "lock", "key"] = "task"
    only: str = ""
    step_s: int = 0

    def __post_init__(self) -> None:
        check_step(self.step_s)


@dataclass(frozen=True)
class ScoreCounts:
    """The scores of one name: how many, the sum and squares of their values, how often each label was given.

    `passed` counts values of at least 0.5, over the `valued` that have one, which is finite. `lag_ms` is the histogram
    of the time from the end of a call to its score, in milliseconds, over scores that know it and came after that:
    labels come late, and a figure must say how late. `labels` leaves out scores without one, and has no more than
    `slices.MAX_NAMES`.
    """

    task: str
    name: str
    source: str
    at_ns: int
    value: str = ""
    n: int = 0
    valued: int = 0
    passed: int = 0
    total: float = 0.0
    squares: float = 0.0
    labels: Mapping[str, int] = field(default_factory=dict)
    lag_ms: Histogram = field(default_factory=dict)
