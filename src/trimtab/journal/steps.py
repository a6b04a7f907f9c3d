"""A run's log read as steps: each intent with what became of it, and beside them what is no step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from trimtab.journal.entries import (
    Arrived,
    Asked,
    Checked,
    Decided,
    Diverged,
    Ended,
    Intent,
    Leased,
    Logged,
    Ordered,
    Reconciled,
    Result,
    Started,
    State,
)

StepState = Literal["open", "ok", "error", "refused", "cancelled", "undone"]
"""`open` has no result (yet); `undone` is one of which a person said that it did not happen."""
Other = Leased | State | Arrived | Ordered
FAILED: Final = frozenset({"error", "refused"})


class Reviewed(Struct, frozen=True):
    """A review of a step, and what was decided; None while it waits."""

    asked: Asked
    decided: Decided | None = None


class Step(Struct, frozen=True, omit_defaults=True):
    """A step: its intent at `seq`, its result at `result_seq`, and what was found and said of it."""

    seq: int
    intent: Intent
    result: Result | None = None
    result_seq: int = 0
    checks: tuple[Checked, ...] = ()
    reviews: tuple[Reviewed, ...] = ()
    reconciled: Reconciled | None = None
    diverged: Diverged | None = None

    @property
    def state(self) -> StepState:
        """How it stands."""
        if self.result is not None:
            return self.result.outcome
        if self.reconciled is None or self.reconciled.found == "repeat":
            return "open"
        return "ok" if self.reconciled.found == "happened" else "undone"

    @property
    def took_s(self) -> float | None:
        """How long it took, by its own clock, or from intent to result."""
        if self.result is None:
            return None
        return self.result.took_s if self.result.took_s is not None else (self.result.at_ns - self.intent.at_ns) / 1e9

    @property
    def is_failed(self) -> bool:
        """Whether it ended badly, or a check on it failed."""
        return self.state in FAILED or any(not one.passed for one in self.checks)


class Log(Struct, frozen=True):
    """A run's log. `others` are leases, states, events and orders with their places; `head` is its last seq."""

    run: str
    started: Started | None
    steps: tuple[Step, ...]
    others: tuple[Logged, ...] = ()
    ended: Ended | None = None
    head: int = 0

    def step(self, seq: int) -> Step | None:
        """The step whose intent or result is at `seq`."""
        return next((one for one in self.steps if seq in (one.seq, one.result_seq)), None)


def log_of(run: str, entries: Iterable[Logged]) -> Log:
    """The steps of a log, in the order of their intents. What is about an intent that is not there is left out."""
    steps: dict[int, Step] = {}
    reviews: dict[str, int] = {}
    others: list[Logged] = []
    started, ended, head = None, None, 0
    for logged in entries:
        entry, head = logged.entry, logged.seq
        if isinstance(entry, Started):
            started = entry
        elif isinstance(entry, Ended):
            ended = entry
        elif isinstance(entry, Intent):
            steps[logged.seq] = Step(logged.seq, entry)
        elif isinstance(entry, (Leased, State, Arrived, Ordered)):
            others.append(logged)
        else:
            of = reviews.get(entry.review, 0) if isinstance(entry, Decided) else entry.of
            if isinstance(entry, Asked):
                reviews[entry.review] = of
            if of in steps:
                steps[of] = _with(steps[of], logged.seq, entry)
    return Log(run, started, tuple(steps.values()), tuple(others), ended, head)


def _with(step: Step, seq: int, entry: Result | Checked | Asked | Decided | Reconciled | Diverged) -> Step:
    """A step with one more entry about it."""
    result, result_seq, checks, reviews = step.result, step.result_seq, step.checks, step.reviews
    reconciled, diverged = step.reconciled, step.diverged
    match entry:
        case Result():
            result, result_seq = entry, seq
        case Checked():
            checks = (*checks, entry)
        case Asked():
            reviews = (*reviews, Reviewed(entry))
        case Decided():
            reviews = tuple(_decided(one, entry) for one in reviews)
        case Reconciled():
            reconciled = entry
        case Diverged():
            diverged = entry
    return Step(step.seq, step.intent, result, result_seq, checks, reviews, reconciled, diverged)


def _decided(reviewed: Reviewed, decided: Decided) -> Reviewed:
    return Reviewed(reviewed.asked, decided) if reviewed.asked.review == decided.review else reviewed
