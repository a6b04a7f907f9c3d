"""A run's log read as steps: each intent with what became of it, and beside them what is no step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from trimtab.journal.entries import (
    Arrived,
    Asked,
    Checked,
    Decided,
    Diverged,
    Ended,
    Erased,
    Intent,
    Leased,
    Logged,
    Ordered,
    Reconciled,
    Result,
    Started,
    State,
)

StepState = Literal["open", "ok", "error", "refused", "cancelled", "abandoned", "undone"]
"""`open` has no result (yet); `abandoned` is a call whose gateway worker died, its outcome unknown; `undone`
is one of which a person said that it did not happen."""
Other = Leased | State | Arrived | Ordered
ABANDONED: Final = "abandoned"
FAILED: Final = frozenset({"error", "refused"})
NOTED: Final = frozenset({"answer", "code", "redrive"})
"""What a fork was asked to do otherwise that no call is made with."""


class Reviewed(Struct, frozen=True):
    """A review of a step, and what was decided; None while it waits."""

    asked: Asked
    decided: Decided | None = None


class Step(Struct, frozen=True, omit_defaults=True):
    """A step: its intent at `seq`, its result at `result_seq`, and what was found and said of it.

    `earlier` are results that another one took the place of: the step was broken off, and taken again.
    """

    seq: int
    intent: Intent
    result: Result | None = None
    result_seq: int = 0
    checks: tuple[Checked, ...] = ()
    reviews: tuple[Reviewed, ...] = ()
    reconciled: Reconciled | None = None
    diverged: Diverged | None = None
    earlier: tuple[Result, ...] = ()

    @property
    def state(self) -> StepState:
        """How it stands."""
        if self.result is not None:
            return "abandoned" if self.result.error == ABANDONED else self.result.outcome
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


def without_pause(log: Log) -> Log:
    """A log to be shown over time: what a fork has of its origin ends where it begins, however long ago that was."""
    began_ns = log.started.at_ns if log.started is not None and log.started.fork_of else 0
    times = [one.at_ns for step in log.steps for one in (step.intent, step.result) if one is not None]
    last_ns = max((at_ns for at_ns in times if at_ns < began_ns), default=began_ns)
    if last_ns == began_ns:
        return log
    return replace(log, steps=tuple(_later(step, began_ns, began_ns - last_ns) for step in log.steps))


def _later(step: Step, began_ns: int, by_ns: int) -> Step:
    """A step with what there was before a fork began later by so much."""
    intent, result = step.intent, step.result
    if intent.at_ns >= began_ns:
        return step
    if result is not None and result.at_ns < began_ns:
        result = replace(result, at_ns=result.at_ns + by_ns)
    return replace(step, intent=replace(intent, at_ns=intent.at_ns + by_ns), result=result)


def changed_words(step: Step) -> tuple[str, ...]:
    """What a step of a fork was taken with otherwise, and what could not be."""
    result = step.result
    if result is None:
        return ()
    told = tuple(f"with {name} {value}" for name, value in result.overrides.items())
    return told + tuple(f"not with {name}: {why}" for name, why in result.passed_over.items())


def changes_used(log: Log) -> dict[str, tuple[tuple[int, ...], dict[int, str]]]:
    """What became of each change that a fork was to be taken with: the steps that were, and those that could not be
    with why; both are empty while no step was meant.
    """
    started = log.started
    if started is None or started.changes is None:
        return {}
    results = [(step.seq, step.result) for step in log.steps if step.result is not None]
    return {
        name: (
            tuple(seq for seq, result in results if name in result.overrides),
            {seq: result.passed_over[name] for seq, result in results if name in result.passed_over},
        )
        for name in started.overrides
        if name not in NOTED
    }


def change_told(used: tuple[int, ...], passed_over: dict[int, str]) -> str:
    """What became of a change in words."""
    if used:
        told = f"at {len(used)} steps from {used[0]} on" if len(used) > 1 else f"at step {used[0]}"
    else:
        told = "at no step so far"
    if passed_over:
        seq, why = next(iter(passed_over.items()))
        told += f"; not at {len(passed_over)}, first at step {seq}: {why}"
    return told


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
        elif isinstance(entry, (Leased, State, Arrived, Ordered, Erased)):
            others.append(logged)
        else:
            of = reviews.get(entry.review, 0) if isinstance(entry, Decided) else entry.of
            if isinstance(entry, Asked):
                reviews[entry.review] = of
            if of in steps:
                steps[of] = _with(steps[of], logged.seq, entry)
    return Log(run, started, tuple(steps.values()), tuple(others), ended, head)


def blinded(log: Log) -> Log:
    """The log without what was said of samples of which not all who were asked have said something."""
    return replace(log, steps=tuple(_blinded(step) for step in log.steps))


def _blinded(step: Step) -> Step:
    if all(one.decided is not None for one in step.reviews if one.asked.sampled):
        return step
    return replace(step, reviews=tuple(Reviewed(one.asked) if one.asked.sampled else one for one in step.reviews))


def _with(step: Step, seq: int, entry: Result | Checked | Asked | Decided | Reconciled | Diverged) -> Step:
    """A step with one more entry about it."""
    result, result_seq, checks, reviews = step.result, step.result_seq, step.checks, step.reviews
    reconciled, diverged, earlier = step.reconciled, step.diverged, step.earlier
    match entry:
        case Result():
            earlier = (*earlier, result) if result is not None else earlier
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
    return Step(step.seq, step.intent, result, result_seq, checks, reviews, reconciled, diverged, earlier)


def _decided(reviewed: Reviewed, decided: Decided) -> Reviewed:
    return Reviewed(reviewed.asked, decided) if reviewed.asked.review == decided.review else reviewed
