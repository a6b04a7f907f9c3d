"""Counts by hand, in place of a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from trimtab.declare.project import Defaults, Objective, Sampling
from trimtab.policy.snapshot import TaskPolicy
from trimtab.store.readings import ReadingCounts, ReadingQuery
from trimtab.store.scores import ScoreCounts, ScoreQuery
from trimtab.store.slices import Slice, SliceQuery

NOON_NS = 1_760_011_200_000_000_000
HOUR_NS = 3_600_000_000_000


@dataclass
class ByHand:
    """Answers each question with what was laid down for its window, and remembers the questions."""

    slices_of: dict[tuple[int, int], Iterable[Slice]] = field(default_factory=dict)
    scores_of: dict[tuple[int, int], Iterable[ScoreCounts]] = field(default_factory=dict)
    readings_of: dict[tuple[int, int], Iterable[ReadingCounts]] = field(default_factory=dict)
    asked: list[SliceQuery | ScoreQuery | ReadingQuery] = field(default_factory=list)

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """Those of exactly this window."""
        self.asked.append(query)
        return tuple(self.slices_of.get((query.since_ns, query.until_ns), ()))

    def scores(self, query: ScoreQuery) -> tuple[ScoreCounts, ...]:
        """Those of exactly this window."""
        self.asked.append(query)
        return tuple(self.scores_of.get((query.since_ns, query.until_ns), ()))

    def readings(self, query: ReadingQuery) -> tuple[ReadingCounts, ...]:
        """Those of exactly this window."""
        self.asked.append(query)
        return tuple(self.readings_of.get((query.since_ns, query.until_ns), ()))


def policy(objective: Objective, name: str = "route", owner: str = "support") -> TaskPolicy:
    """A task that promises something."""
    defaults = Defaults()
    return TaskPolicy(
        name=name,
        owner=owner,
        task_class="interactive",
        models=("small",),
        sampling=Sampling(),
        deadline=defaults.deadline,
        objective=objective,
        retry=defaults.retry,
        redaction="full",
        prompt=None,
    )
