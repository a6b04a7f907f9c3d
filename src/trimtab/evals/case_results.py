"""Case by case: each one's mean in both arms, and those that deserve a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final, Literal

from trimtab.declare.evaluating import Evals
from trimtab.evals.case import Case
from trimtab.evals.deciding import Turned
from trimtab.evals.observing import Measure, observed, scores
from trimtab.evals.report import CaseResult
from trimtab.evals.sample import Sample
from trimtab.evals.words import count, plain
from trimtab.statistics import flaky
from trimtab.statistics.clustered import Observation

RIGHT: Final = 1.0
"""The value from which on an answer is right."""
WRONG: Final = 0.5
"""The value below which an answer is wrong."""
MOST_NAMED: Final = 5

ByCase = Mapping[str, Sequence[Sample]]
State = Literal["", "flaky", "saturated", "failing"]
STATES: Final[Mapping[State, tuple[str, str]]] = {
    "flaky": ("Right by turns", "look at what is expected, or ask them more often"),
    "failing": ("Always wrong", "look at what is expected"),
    "saturated": ("Always right", "they tell no two versions apart"),
}


def results(evals: Evals, cases: Sequence[Case], base: ByCase | None, candidate: ByCase) -> tuple[CaseResult, ...]:
    """The cases that were asked, in their order, under the first scorer."""
    asked = [one for one in cases if one.id in candidate or (base is not None and one.id in base)]
    first = scores(evals)[:1]
    sides = [_values(first, asked, side or {}) for side in (base, candidate)]
    unsteady = _flaky(first, asked, base) | _flaky(first, asked, candidate)
    return tuple(_result(one, sides[0].get(one.id), sides[1].get(one.id), one.id in unsteady) for one in asked)


def _result(
    case: Case, base: tuple[float, ...] | None, candidate: tuple[float, ...] | None, is_flaky: bool
) -> CaseResult:
    state: State = "flaky" if is_flaky else _state([*(base or ()), *(candidate or ())])
    means = [None if side is None else fmean(side) for side in (base, candidate)]
    return CaseResult(case.id, case.group, case.slices, means[0], means[1], state)


def _values(measures: Sequence[Measure], cases: Sequence[Case], samples: ByCase) -> dict[str, tuple[float, ...]]:
    return {one.case: one.values for measure in measures for one in observed(measure.values, cases, samples)}


def _state(values: Sequence[float]) -> State:
    if not values:
        return ""
    if min(values) >= RIGHT:
        return "saturated"
    return "failing" if max(values) < WRONG else ""


def _flaky(measures: Sequence[Measure], cases: Sequence[Case], samples: ByCase | None) -> set[str]:
    """The cases whose samples in one arm are right and wrong by turns, more than chance faults would make them."""
    shares = [one for one in measures if one.is_share]
    found = [one for measure in shares for one in observed(measure.values, cases, samples or {})]
    passed = [Observation(one.case, one.group, tuple(float(value >= RIGHT) for value in one.values)) for one in found]
    return {one.case for one in flaky.kinds(passed) if one.kind == "flaky"} if passed else set()


def turned(evals: Evals, cases: Sequence[Case], base: ByCase, candidate: ByCase) -> list[Turned]:
    """The cases that turned from always right to always wrong under a critical scorer."""
    critical = {one.name for one in evals.scorers if one.critical}
    found = []
    for measure in scores(evals):
        if measure.name not in critical or not measure.is_share:
            continue
        before, after = (_values([measure], cases, side) for side in (base, candidate))
        for case, values in after.items():
            if max(values) < WRONG and case in before and min(before[case]) >= RIGHT:
                found.append(Turned(case, measure.name, min(len(before[case]), len(values))))
    return found


def named(found: Sequence[CaseResult]) -> list[str]:
    """The flaky, failing and saturated cases, each kind in a sentence."""
    sentences = []
    for state, (head, advice) in STATES.items():
        names = [one.case for one in found if one.state == state]
        if not names:
            continue
        shown = ", ".join(plain(name) for name in names[:MOST_NAMED])
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        sentences.append(f"{head}: {count(len(names), 'case')} of {len(found)}, {shown}{more}; {advice}.")
    return sentences
