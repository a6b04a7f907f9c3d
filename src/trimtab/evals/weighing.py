"""One measure in one arm or in both: figures with intervals, and what they say about the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.evaluating import Evals
from trimtab.evals.observing import Measure
from trimtab.evals.report import UNBOUNDED, Figure, Metric
from trimtab.statistics import clustered, decision, paired, power
from trimtab.statistics.anytime import Look
from trimtab.statistics.clustered import Observation
from trimtab.statistics.paired import Difference

CONFIDENCE: Final = 0.95
"""Of every interval that is told."""
ANYTIME: Final = "anytime"
"""The method of intervals that hold however often one looked."""
LEAST_CLUSTERS: Final = 2
"""Independent cases or groups without which nothing can be said of how much they vary."""


Sides = tuple[Sequence[Observation], Sequence[Observation]]
Ends = tuple[float, float]


class Weighed(Struct, frozen=True):
    """A measure with what was decided by it alone: no other measure is thought of yet.

    `verdict` is None where it has no margin, or cannot be compared. `tested` is the difference that was tested, in
    favour of the candidate: the candidate less the base where more is better, the base less the candidate where less
    is, and for ratios (1 + margin) times the base less the candidate, which is above 0 where the ratio keeps the margin
    (E. C. Fieller, JRSS B 16 (1954) 175-185). `more` is what would settle it, where it is not settled. `worse` are the
    ends, low first, of what the candidate may be worse by (below 0: better), in the unit of the margin; the truth lies
    beyond either with a probability of `alpha`.
    """

    measure: Measure
    metric: Metric
    verdict: decision.Verdict | None = None
    tested: Difference | None = None
    more: power.More | None = None
    worse: tuple[float, float] | None = None

    @property
    def key(self) -> str:
        """Its name among all that are weighed."""
        return key_of(self.metric.name, self.metric.slice)


def key_of(name: str, of_slice: str) -> str:
    """The name of a measure in a slice (empty: in all cases) among all that are weighed."""
    return f"{name} in {of_slice}" if of_slice else name


def as_verdict(look: Look, margin: float, alpha: float) -> decision.Verdict:
    """What a test says that was looked at many times."""
    found = decision.Decision.INCONCLUSIVE
    if look.ship <= alpha:
        found = decision.Decision.SHIP
    elif look.block <= alpha:
        found = decision.Decision.BLOCK
    return decision.Verdict(found, look.ship, look.block, margin, alpha)


def looked_at(one: Weighed, look: Look, alpha: float) -> Weighed:
    """The measure as a test sees it that was looked at many times: interval and p-values hold at every look."""
    if one.verdict is None or one.metric.difference is None:
        return one
    low, high = look.interval if one.measure.more_is_better else (-look.interval.high, -look.interval.low)
    old = one.metric.difference
    difference = _interval(old.value, (low, high), (-1.0, 1.0), old.cases, old.samples)
    metric = replace(one.metric, difference=difference, p_value=None, method=ANYTIME)
    verdict = as_verdict(look, one.verdict.margin, alpha)
    is_open = verdict.decision == decision.Decision.INCONCLUSIVE
    metric = replace(metric, needed=metric.needed if is_open else None)
    return replace(one, metric=metric, verdict=verdict, more=one.more if is_open else None)


def weigh(
    measure: Measure,
    base: Sequence[Observation] | None,
    candidate: Sequence[Observation],
    evals: Evals,
    of_slice: str = "",
) -> Weighed | None:
    """A measure of the candidate, against the base where there is one; None where nothing at all was measured."""
    if not candidate and not base:
        return None
    metric = Metric(
        measure.name,
        measure.kind,
        measure.unit,
        measure.more_is_better,
        candidate=_figure(measure, candidate),
        base=_figure(measure, base or ()),
        is_ratio=measure.is_ratio,
        margin=measure.margin if base is not None else None,
        slice=of_slice,
    )
    if base is None or not {one.case for one in base} & {one.case for one in candidate}:
        return Weighed(measure, metric)
    return (_ratio if measure.is_ratio else _difference)(measure, metric, base, candidate, evals)


def _difference(
    measure: Measure, metric: Metric, base: Sequence[Observation], candidate: Sequence[Observation], evals: Evals
) -> Weighed:
    found = paired.paired_difference(base, candidate, CONFIDENCE)
    low, high = (-1.0, 1.0) if measure.is_share else (-UNBOUNDED, UNBOUNDED)
    metric = replace(
        metric,
        difference=_interval(found.value, (found.low, found.high), (low, high), found.cases, found.samples),
        p_value=_finite(found.p_value),
        method=found.method,
    )
    if measure.margin is None:
        return Weighed(measure, metric)
    if metric.kind == "score" and not metric.slice:
        metric = replace(metric, smallest_effect=_smallest(base, candidate, found, evals))
    sides = (base, candidate) if measure.more_is_better else (candidate, base)
    one_sided = paired.paired_difference(*sides, confidence=_one_sided(evals))
    return _judged(measure, metric, sides, measure.margin, evals, (-one_sided.high, -one_sided.low))


def _ratio(
    measure: Measure, metric: Metric, base: Sequence[Observation], candidate: Sequence[Observation], evals: Evals
) -> Weighed:
    try:
        found = paired.ratio_of_means(base, candidate, CONFIDENCE)
    except ValueError:  # a mean that is not above 0: what costs nothing has no ratio
        return Weighed(measure, metric)
    samples = sum(len(one.values) for one in (*base, *candidate))
    metric = replace(
        metric,
        difference=_interval(found.value, (found.low, found.high), (0.0, UNBOUNDED), found.cases, samples),
        p_value=_finite(found.p_value),
        method=found.method,
    )
    if measure.margin is None:
        return Weighed(measure, metric)
    bound = [Observation(one.case, one.group, _scaled(one.values, 1 + measure.margin)) for one in base]
    one_sided = paired.ratio_of_means(base, candidate, _one_sided(evals))
    return _judged(measure, metric, (candidate, bound), 0.0, evals, (one_sided.low - 1, one_sided.high - 1))


def _judged(measure: Measure, metric: Metric, sides: Sides, margin: float, evals: Evals, worse: Ends) -> Weighed:
    """`sides` are the one that less and the one that more speaks for the candidate."""
    tested = paired.paired_difference(*sides, confidence=CONFIDENCE)
    verdict = decision.non_inferiority(tested, margin, evals.alpha)
    more = None
    is_open = verdict.decision == decision.Decision.INCONCLUSIVE
    if is_open and metric.kind == "score" and tested.clusters >= LEAST_CLUSTERS:
        more = power.more_needed(
            tested, margin, power.spread_of(*sides), evals.samples, alpha=evals.alpha, power=evals.power
        )
    return Weighed(measure, replace(metric, needed=more.cases if more else None), verdict, tested, more, worse)


def _one_sided(evals: Evals) -> float:
    """The confidence of an interval beyond each end of which the truth lies with a probability of alpha."""
    return max(1 - 2 * evals.alpha, 1e-6)


def _scaled(values: Sequence[float], factor: float) -> tuple[float, ...]:
    return tuple(value * factor for value in values)


def _smallest(
    base: Sequence[Observation], candidate: Sequence[Observation], found: Difference, evals: Evals
) -> float | None:
    """The smallest drop that so many cases show, as much as their differences vary here; None where none does."""
    if found.clusters < LEAST_CLUSTERS or not found.deviation > 0:
        return None
    spread = power.spread_of(base, candidate)
    return _finite(power.smallest_effect(spread, evals.samples, found.cases, evals.power, evals.alpha))


def _figure(measure: Measure, observations: Sequence[Observation]) -> Figure | None:
    if not observations:
        return None
    found = clustered.mean(observations, CONFIDENCE)
    limits = (0.0, 1.0) if measure.is_share else (0.0, UNBOUNDED)
    return _interval(found.value, (found.low, found.high), limits, found.cases, found.samples)


def _interval(value: float, ends: tuple[float, float], limits: tuple[float, float], cases: int, samples: int) -> Figure:
    """A value with its interval, no end of which lies beyond what is possible."""
    low, high = ends
    low = limits[0] if math.isnan(low) else max(limits[0], low)
    high = limits[1] if math.isnan(high) else min(limits[1], high)
    return Figure(value, min(low, value), max(high, value), cases, samples)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
