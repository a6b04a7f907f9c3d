"""A judge's scores corrected by what people said of some of the same answers; its error is in the interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from msgspec.structs import replace

from trimtab.declare.evaluating import Evals
from trimtab.evals.case import Case
from trimtab.evals.looking import ONCE, Look
from trimtab.evals.observing import Measure
from trimtab.evals.report import Figure
from trimtab.evals.sample import Sample
from trimtab.evals.weighing import BEYOND, CONFIDENCE, Weighed
from trimtab.evals.words import count, plain
from trimtab.statistics import decision
from trimtab.statistics.clustered import Estimate
from trimtab.statistics.judged import LEAST_LABELLED, Judged, corrected_mean

JUDGES: Final = frozenset({"rubric", "pairwise"})
"""Kinds of scorers that are a judge's word."""
_HALVINGS: Final = 40

ByCase = Mapping[str, Sequence[Sample]]
Labels = Mapping[str, float]
"""What people said of answers, from 0 to 1, by the id of the call that answered."""


def corrected(
    one: Weighed,
    cases: Sequence[Case],
    base: ByCase | None,
    candidate: ByCase,
    labels: Labels,
    evals: Evals,
    look: Look = ONCE,
) -> Weighed:
    """The measure as people would see it, where they labelled ten cases at least (in both arms, where there are two).

    The cases that were labelled have to be drawn at random. Source: prediction-powered inference, see
    `trimtab.statistics.judged`. As it was, where there are fewer labels.
    """
    sides = [None if side is None else _scored(one.measure, cases, side, labels) for side in (base, candidate)]
    figures = [None if side is None else _figure(side) for side in sides]
    metric = replace(one.metric, base=figures[0] or one.metric.base, candidate=figures[1] or one.metric.candidate)
    if sides[0] is None or sides[1] is None:
        return replace(one, metric=metric)
    pairs = _differences(sides[0], sides[1])
    if _labelled(pairs) < LEAST_LABELLED:
        return one
    found = corrected_mean(pairs, look.confidence(BEYOND))
    samples = one.metric.difference.samples if one.metric.difference else found.samples
    told = Figure(found.value, max(-1.0, found.low), min(1.0, found.high), found.cases, samples)
    metric = replace(metric, difference=told, p_value=None, method=found.method, needed=None, smallest_effect=None)
    if one.verdict is None:
        return replace(one, metric=metric)
    margin, alpha = one.verdict.margin, look.level(evals.alpha)
    one_sided = corrected_mean(pairs, look.confidence(evals.alpha))
    ship, block = _tail(pairs, -margin, above=True), _tail(pairs, -margin, above=False)
    verdict = decision.Verdict(_decision(ship, block, alpha), ship, block, margin, alpha)
    return replace(one, metric=metric, verdict=verdict, more=None, worse=(-one_sided.high, -one_sided.low))


def uncorrected(
    evals: Evals, cases: Sequence[Case], base: ByCase | None, candidate: ByCase, labels: Mapping[str, Labels]
) -> list[str]:
    """Which judges' scores stand as they are, since people labelled too few cases of those that were asked."""
    sides = [candidate] if base is None else [base, candidate]
    told = []
    for scorer in evals.scorers:
        known = labels.get(scorer.name, {})
        labelled = sum(
            all(any(one.answer.call in known for one in side.get(case.id, ())) for side in sides) for case in cases
        )
        if scorer.kind in JUDGES and labelled < LEAST_LABELLED:
            told.append(
                f"{plain(scorer.name)} is a judge's word as it stands: people labelled {count(labelled, 'case')} of "
                f"these, and {LEAST_LABELLED} that are drawn at random are the least by which it is corrected."
            )
    return told


def _scored(measure: Measure, cases: Sequence[Case], samples: ByCase, labels: Labels) -> list[Judged]:
    found = []
    for case in cases:
        mine = samples.get(case.id, ())
        judge = [value for one in mine for value in measure.values(one)]
        human = [labels[one.answer.call] for one in mine if one.answer.call in labels]
        if judge:
            found.append(Judged(case.id, case.group or case.id, fmean(judge), fmean(human) if human else None))
    return found


def _differences(base: Sequence[Judged], candidate: Sequence[Judged]) -> list[Judged]:
    before = {one.case: one for one in base}
    found = []
    for one in candidate:
        if one.case in before:
            old = before[one.case]
            human = None if one.human is None or old.human is None else one.human - old.human
            found.append(Judged(one.case, one.group, one.judge - old.judge, human))
    return found


def _labelled(judged: Sequence[Judged]) -> int:
    return sum(one.human is not None for one in judged)


def _figure(judged: Sequence[Judged]) -> Figure | None:
    if _labelled(judged) < LEAST_LABELLED:
        return None
    found = corrected_mean(judged, CONFIDENCE)
    low, high = max(0.0, found.low), min(1.0, found.high)
    return Figure(min(1.0, max(0.0, found.value)), low, high, found.cases, found.samples)


def _tail(judged: Sequence[Judged], bound: float, *, above: bool) -> float:
    """The least level at which the interval of one side leaves the bound out; 1 where the mean is on the other side."""

    def leaves_out(found: Estimate) -> bool:
        return found.low > bound if above else found.high < bound

    low, high = 0.0, 0.5
    if not leaves_out(corrected_mean(judged, 1e-6)):
        return 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle <= 0 or not leaves_out(corrected_mean(judged, 1 - 2 * middle)):
            low = middle
        else:
            high = middle
    return high


def _decision(ship: float, block: float, alpha: float) -> decision.Decision:
    if ship <= alpha:
        return decision.Decision.SHIP
    return decision.Decision.BLOCK if block <= alpha else decision.Decision.INCONCLUSIVE
