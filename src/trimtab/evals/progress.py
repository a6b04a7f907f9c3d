"""How far a run of an evaluation is, and what it came to."""

from __future__ import annotations

from collections import deque
from typing import Final

from msgspec import Struct

from trimtab.evals.dispatch import Dispatch, Stopped
from trimtab.evals.sample import Sample

RATE_S: Final = 30.0
"""Over which time the rate is taken."""


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
    crash too; `unpriced` calls have no known cost, and count for as much as they could have cost where there is a
    budget. `failed` samples ended without an answer.
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


class Pace:
    """When samples ended, of late: how many a second, and how long the rest will take."""

    def __init__(self, planned: int, kept: int, now: float) -> None:
        self._planned, self._kept, self._began = planned, kept, now
        self._ends: deque[float] = deque()
        self.failed = 0

    def __repr__(self) -> str:
        return f"Pace({len(self._ends)} samples in {RATE_S:.0f} s)"

    def ended(self, now: float, *, failed: bool) -> None:
        """A sample ended."""
        self._ends.append(now)
        self.failed += failed

    def progress(self, dispatch: Dispatch, done: int, unpriced: int, now: float) -> Progress:
        """How far it is; `unpriced` calls are from before this run."""
        while self._ends and self._ends[0] < now - RATE_S:
            self._ends.popleft()
        elapsed = now - self._began
        rate = len(self._ends) / max(min(elapsed, RATE_S), 1e-3)
        return Progress(
            planned=self._planned,
            done=done,
            kept=self._kept,
            open=dispatch.open,
            failed=self.failed,
            retried=dispatch.retried,
            spent_usd=dispatch.spent_usd,
            unpriced=dispatch.unpriced + unpriced,
            budget_usd=dispatch.limits.budget_usd,
            elapsed_s=elapsed,
            rate=rate,
            left_s=(self._planned - done) / rate if rate else None,
            waiting_s=dispatch.waiting_s(now),
        )
