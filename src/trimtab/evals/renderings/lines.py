"""What every rendering tells of a report, in the same order and the same words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from trimtab.evals.report import ArmReport, CaseResult, Metric, Report, Spread
from trimtab.evals.words import (
    NONE,
    amount_text,
    count,
    difference_text,
    digits,
    figure_text,
    margin_text,
    name_of,
    plain,
    value_text,
)

LOCK_CHARACTERS: Final = 12
MOST_CASES: Final = 10
"""Cases that are shown of those that came out otherwise; JSON and the console have all."""
MOST_NOTE: Final = 500
HEADS: Final = ("", "base", "candidate", "difference (95 %)", "margin", "verdict")
HEADS_ALONE: Final = ("", "value (95 %)", "cases")
"""Without a base."""
IN_WORDS: Final = frozenset({"", "verdict"})
"""The heads of columns that hold words; the others hold numbers."""


class Row(Struct, frozen=True):
    """A metric as a row of a table: its cells, in the order of `heads`, and what was decided by it."""

    cells: tuple[str, ...]
    decision: str


def heads(report: Report) -> tuple[str, ...]:
    """What stands above the columns of its metrics."""
    return HEADS_ALONE if report.base is None else HEADS


def rows(report: Report, metrics: Iterable[Metric]) -> list[Row]:
    """Metrics as rows: both arms and what differs; of one alone its value with its interval, and of how many cases."""
    if report.base is None:
        return [Row((name_of(one), figure_text(one.candidate, one.unit), _cases(one)), "") for one in metrics]
    return [
        Row(
            (
                name_of(one),
                value_text(one, one.base),
                value_text(one, one.candidate),
                difference_text(one),
                margin_text(one),
                one.decision or NONE,
            ),
            one.decision or "",
        )
        for one in metrics
    ]


def _cases(metric: Metric) -> str:
    return NONE if metric.candidate is None else f"{metric.candidate.cases:,}"


def whole(report: Report) -> list[Metric]:
    """The metrics of all cases, scores first."""
    return [one for one in report.metrics if not one.slice]


def sliced(report: Report) -> list[Metric]:
    """The metrics of slices."""
    return [one for one in report.metrics if one.slice]


def arm_text(arm: ArmReport) -> str:
    """Where an arm comes from, and under which lock: `origin/main (lock 3f2a90c1b7de)`."""
    lock = arm.lock.removeprefix("sha256:")[:LOCK_CHARACTERS]
    return plain(arm.source) + (f" (lock {lock})" if lock else "")


def headline(report: Report) -> str:
    """The task and what is compared with what."""
    candidate = arm_text(report.candidate)
    against = f": {candidate} against {arm_text(report.base)}" if report.base else f": {candidate}"
    return plain(report.task) + against


def flipped(report: Report) -> list[CaseResult]:
    """The cases that came out otherwise in the candidate, the worst first."""
    changed = [one for one in report.cases if _step(one) != 0]
    return sorted(changed, key=lambda one: (_step(one), one.case))


def _step(one: CaseResult) -> float:
    return 0.0 if one.base is None or one.candidate is None else one.candidate - one.base


def flipped_summary(report: Report) -> str:
    """How many cases came out otherwise; empty without two arms."""
    if report.base is None or not report.cases:
        return ""
    steps = [_step(one) for one in report.cases]
    worse, better = sum(step < 0 for step in steps), sum(step > 0 for step in steps)
    return f"{count(worse, 'case')} of {len(steps)} worse, {better} better, {len(steps) - worse - better} the same"


def case_rows(report: Report, cases: Iterable[CaseResult]) -> list[tuple[str, str, str, str]]:
    """Cases as rows: the name, the mean in both arms, and what it is."""
    unit = report.metrics[0].unit if report.metrics else "share"

    def side(value: float | None) -> str:
        return NONE if value is None else amount_text(value, unit)

    return [(plain(one.case), side(one.base), side(one.candidate), one.state) for one in cases]


def facts(report: Report) -> Iterator[str]:
    """What was spent, what it could have seen, where its variance comes from, and what it was made of."""
    arms = [one for one in (report.base, report.candidate) if one is not None]
    calls = sum(one.calls for one in arms)
    spent = "cost unknown" if report.cost_usd is None else amount_text(report.cost_usd, "USD")
    samples = count(report.exactly.samples, "sample")
    yield (
        f"{count(len(report.cases), 'case')}, {samples} of each, {count(calls, 'call')}, {spent}, "
        f"{digits(report.duration_s)} s"
    )
    first = next(iter(report.metrics), None)
    if first is not None and first.smallest_effect is not None:
        yield f"The smallest difference that so many cases show in {name_of(first)}: {_points(first)}."
    if report.spread is not None:
        yield _spread(report.spread)
    yield from (plain(one, MOST_NOTE) for one in report.notes)


def _points(metric: Metric) -> str:
    effect = metric.smallest_effect or 0.0
    return f"{digits(effect * 100)} points" if metric.unit == "share" else amount_text(effect, metric.unit)


def _spread(spread: Spread) -> str:
    total = spread.between_cases + spread.within_cases
    if total <= 0:
        return "Answers to a case do not vary, and cases do not differ."
    share = spread.between_cases / total
    next_call = "a new case" if spread.next_call == "case" else "another sample of a case"
    return f"Of the variance {share * 100:.0f} % lies between cases; the next call is best spent on {next_call}."


def again(report: Report) -> str:
    """What it needs to be run again exactly."""
    exactly = report.exactly
    parts = [f"evaluation {plain(report.id)}", f"seed {exactly.seed}"]
    parts += [f"{name} {_short(digest)}" for name, digest in (("suite", exactly.suite), ("cases", exactly.cases))]
    parts += [f"judge {plain(name)} {_short(pin)}" for name, pin in exactly.judges.items()]
    return ", ".join(parts)


def _short(digest: str) -> str:
    return plain(digest.removeprefix("sha256:"))[:LOCK_CHARACTERS] or NONE


def changes(report: Report, most: int) -> Sequence[str]:
    """The lock entries in which the arms differ, at most so many."""
    shown = [plain(one, MOST_NOTE) for one in report.changes[:most]]
    left = len(report.changes) - len(shown)
    return [*shown, f"and {left} more"] if left else shown
