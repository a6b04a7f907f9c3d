"""The part of the contract of telemetry that signals, alerts and pages are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trimtab.record.events import Score
from trimtab.store.engine_samples import EngineQuery, EngineSample
from trimtab.store.readings import ReadingCounts, ReadingQuery
from trimtab.store.scores import ScoreCounts, ScoreQuery
from trimtab.store.slices import Slice, SliceQuery


class Signalling(Protocol):
    """Calls, readings and scores summed by task, step and one thing more; what replicas said of themselves."""

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """What calls came to, by task, step and value of the query's dimension, in that order.

        Raises `ValueError` for a question with over `slices.MAX_SLICES` of them.
        """

    def readings(self, query: ReadingQuery) -> tuple[ReadingCounts, ...]:
        """Counts of readings by task, field, step and value, in that order; `ValueError` past `MAX_READINGS`."""

    def scores(self, query: ScoreQuery) -> tuple[ScoreCounts, ...]:
        """Scores summed by task, name, source, step and value, in that order; `ValueError` past `MAX_SCORES`."""

    def score_rows(self, call: str) -> tuple[Score, ...]:
        """The scores of one call in the order they were given, the last of each id, at most `MAX_SCORE_ROWS`."""

    def scores_of(self, *, run: str = "", conversation: str = "") -> tuple[Score, ...]:
        """The scores of a run, or of a conversation, and of calls in it, as `score_rows` gives them."""

    def corrections(self, task: str, since_ns: int, limit: int) -> tuple[Score, ...]:
        """The scores of a task's calls since a time with a corrected answer, the last of each call, newest first."""

    def insert_engine_samples(self, samples: Sequence[EngineSample]) -> None:
        """Stores samples; those sent again are stored again, and count as one where steps are asked for."""

    def engine_samples(self, query: EngineQuery) -> tuple[EngineSample, ...]:
        """The samples of a window, the last of each series in each step, in the order of time.

        Raises `ValueError` for a question with over `engine_samples.MAX_SAMPLES` of them.
        """
