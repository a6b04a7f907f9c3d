"""Makes the calls of a plan: many at a time, none twice, within a budget, and again where not the task failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from trimtab.clock import Clock
from trimtab.evals.asking import Asker, Pairing, Samples, Scoring
from trimtab.evals.case import Case
from trimtab.evals.plan import Cell, Plan
from trimtab.evals.sample import Sample

Stopped = Literal["", "budget", "early", "interrupted"]
Bound = Callable[[Cell], float | None]
"""The most that a call can cost in US dollars, its attempts, repairs and judges included; None if that is not known."""


class Limits(Struct, frozen=True):
    """What a run may do.

    `tries` is how often a call is made whose failures say nothing of the task. Between them lie `pause_s` seconds,
    doubled each time up to `longest_pause_s`. After `patience_s` in which nothing was answered the run gives up.
    """

    concurrency: int = 16
    budget_usd: float | None = None
    tries: int = 3
    pause_s: float = 0.5
    longest_pause_s: float = 30.0
    patience_s: float = 600.0


class Progress(Struct, frozen=True):
    """How far a run is. `done` of `planned` samples are there, `kept` of them from before this run.

    `failed` samples ended without an answer, after all tries; `retried` counts calls that were made again. `rate` is in
    samples a second; `left_s` is None until that is known. `waiting_s` is how long a rate limit still holds it.
    """

    planned: int
    done: int
    kept: int
    open: int
    failed: int
    retried: int
    spent_usd: float
    unpriced: int
    budget_usd: float | None
    elapsed_s: float
    rate: float
    left_s: float | None
    waiting_s: float


class Outcome(Struct, frozen=True):
    """What a run came to: the samples of the cases that are finished, in the order of the plan.

    `cases` are those; where the run was stopped they are the first of the plan, so that what is left out does not
    depend on how it went. `calls` and `spent_usd` are of all that was asked, judges and failures included, before a
    crash too; `unpriced` calls have no known cost.
    """

    samples: tuple[Sample, ...]
    cases: tuple[str, ...]
    stopped: Stopped
    calls: int
    failed: int
    retried: int
    kept: int
    spent_usd: float
    unpriced: int
    duration_s: float


class Stop(Protocol):
    """Decides whether enough is known."""

    def __call__(self, case: str, samples: tuple[Sample, ...]) -> bool:
        """Told of each finished case once, in the order of the plan; its samples are of all arms, by number, marked.

        True: no further case counts. One call at a time; none after the first True. After a crash it is told of the
        finished cases again, from the first.
        """
        ...


def run(  # noqa: PLR0913  each is handed in by the one place that joins them
    plan: Plan,
    cases: Mapping[str, Case],
    asker: Asker,
    scorings: Sequence[Scoring],
    kept: Samples,
    clock: Clock,
    *,
    limits: Limits | None = None,
    pairings: Sequence[Pairing] = (),
    bound: Bound | None = None,
    stop: Stop | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Asks what is not there yet, marks it and keeps it; returns when all is there, or it was stopped.

    Ctrl-C lets the open calls end, and then returns with `interrupted`. Raises `EvaluationStuck` where nothing is
    answered any more, and whatever `kept` and `scorings` raise; what was kept stays, and the same call goes on there.
    """
    raise NotImplementedError
