"""How often a check finds fault with what people find right, and passes what they do not: from sampled reviews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from trimtab.statistics.weighted_share import weighted_share


class Looked(Struct, frozen=True):
    """A run that people looked at: whether most found it right, the share of runs it was drawn from, and for each check
    of it whether that passed (None where it says nothing) and how often it changed the run.
    """

    right: bool
    drawn: float
    checks: Mapping[str, tuple[bool | None, int]]


class ErrorRate(Struct, frozen=True):
    """So many errors in so many runs, and their share with its 95 % interval, as of all runs that were drawn from; the
    share is None where there are no runs.
    """

    errors: int
    runs: int
    share: float | None
    low: float
    high: float


class CheckErrors(Struct, frozen=True):
    """A check held against people: `false_alarms` in runs that they find right, `misses` in those that they do not.

    `changed` is in how many runs it changed what happened, by a repair or the like: how those ended says nothing of
    those alarms, and they are in neither.
    """

    check: str
    runs: int
    false_alarms: ErrorRate
    misses: ErrorRate
    changed: int


def check_errors(runs: Sequence[Looked]) -> tuple[CheckErrors, ...]:
    """Each check of the runs, by its name."""
    names = sorted({name for run in runs for name in run.checks})
    return tuple(_errors(name, [run for run in runs if name in run.checks]) for name in names)


def rate(units: Sequence[tuple[bool, float]]) -> ErrorRate:
    """The share of units that are errors, each with the share from which it was drawn."""
    found = weighted_share(units)
    errors = sum(is_error for is_error, _ in units)
    if found is None:
        return ErrorRate(0, 0, None, 0.0, 1.0)
    return ErrorRate(errors, len(units), found.value, found.low, found.high)


def _errors(name: str, runs: Sequence[Looked]) -> CheckErrors:
    right: list[tuple[bool, float]] = []
    wrong: list[tuple[bool, float]] = []
    for run in runs:
        passed = run.checks[name][0]
        if passed is not None:
            (right if run.right else wrong).append((passed != run.right, run.drawn))
    changed = sum(run.checks[name][1] > 0 for run in runs)
    return CheckErrors(name, len(right) + len(wrong), rate(right), rate(wrong), changed)
