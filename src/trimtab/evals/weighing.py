"""One measure in one arm or in both: figures with intervals, and what they say about the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.evaluating import Evals
from trimtab.evals.looking import ONCE, Look
from trimtab.evals.observing import Measure
from trimtab.evals.report import UNBOUNDED, Figure, Metric
from trimtab.statistics import clustered, decision, paired, power, ties
from trimtab.statistics.clustered import Observation
from trimtab.statistics.paired import Difference

BEYOND: Final = 0.025
"""The probability that the truth lies beyond one end of an interval that is told."""
CONFIDENCE: Final = 1 - 2 * BEYOND
LEAST_CLUSTERS: Final = 2
"""Independent cases or groups without which nothing can be said of how much they vary."""


class Weighed(Struct, frozen=True):
    """A measure with what was decided by it alone: no other measure is thought of yet.

    `verdict` is None where it has no margin, or cannot be compared. `tested` is the difference that was tested, in
    favour of the candidate: the candidate less the base where more is better, the base less the candidate where less
    is, and for ratios (1 + margin) times the base less the candidate, which is above 0 where the ratio keeps the margin
    (E. C. Fieller, JRSS B 16 (1954) 175-185). `more` is what would settle it, where it is not settled. `worse` are the
    ends, low first, of what the candidate may be worse by (below 0: better), in the unit of the margin; the truth lies
    beyond either with a probability of `alpha`, over all looks; None where nobody reads them.
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


def weigh(
    measure: Measure,
    base: Sequence[Observation] | None,
    candidate: Sequence[Observation],
    evals: Evals,
    of_slice: str = "",
    look: Look = ONCE,
    *,
    ahead: bool = True,
) -> Weighed | None:
    """A measure of the candidate, against the base where there is one; None where nothing at all was measured.

    Intervals of differences and decisions hold over all looks of which `look` is one. Without `ahead` it is not told
    what more cases would show.
    """
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
    found = (_ratio if measure.is_ratio else _difference)(measure, metric, base, candidate, _Rules(evals, look, ahead))
    return _foreseen(found, base, candidate, evals) if ahead else found


class _Rules(NamedTuple):
    """At which levels is decided, and whether anything but the decision is told."""

    evals: Evals
    look: Look
    ahead: bool

    @property
    def told(self) -> float:
        """The confidence of what is told."""
        return self.look.confidence(BEYOND)

    @property
    def one_sided(self) -> float:
        """The confidence of what is decided by."""
        return self.look.confidence(self.evals.alpha)

    @property
    def level(self) -> float:
        """The p-value at which is decided."""
        return self.look.level(self.evals.alpha)


def _difference(
    measure: Measure, metric: Metric, base: Sequence[Observation], candidate: Sequence[Observation], rules: _Rules
) -> Weighed:
    found = paired.paired_difference(base, candidate, rules.told)
    low, high = (-1.0, 1.0) if measure.is_share else (-UNBOUNDED, UNBOUNDED)
    metric = replace(
        metric,
        difference=_interval(found.value, (found.low, found.high), (low, high), found.cases, found.samples),
        p_value=_finite(found.p_value),
        method=found.method,
    )
    if measure.margin is None:
        return Weighed(measure, metric)
    sides = (base, candidate) if measure.more_is_better else (candidate, base)
    tested = found if measure.more_is_better else paired.paired_difference(*sides, confidence=rules.told)
    worse = None
    if rules.ahead:
        one_sided = paired.paired_difference(*sides, confidence=rules.one_sided)
        worse = (-one_sided.high, -one_sided.low)
    return Weighed(measure, metric, decision.judged(tested, measure.margin, rules.level), tested, worse=worse)


def _ratio(
    measure: Measure, metric: Metric, base: Sequence[Observation], candidate: Sequence[Observation], rules: _Rules
) -> Weighed:
    try:
        found = paired.ratio_of_means(base, candidate, rules.told)
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
    one_sided = paired.ratio_of_means(base, candidate, rules.one_sided)
    tested = paired.paired_difference(candidate, bound, rules.told)
    verdict = decision.judged(tested, 0.0, rules.level)
    return Weighed(measure, metric, verdict, tested, worse=(one_sided.low - 1, one_sided.high - 1))


def _foreseen(one: Weighed, base: Sequence[Observation], candidate: Sequence[Observation], evals: Evals) -> Weighed:
    """A score with the smallest difference that so many cases show, and what would settle it if it is open."""
    tested, verdict = one.tested, one.verdict
    if tested is None or verdict is None or one.metric.kind != "score" or tested.clusters < LEAST_CLUSTERS:
        return one
    metric, more = one.metric, None
    is_open = verdict.decision == decision.Decision.INCONCLUSIVE
    if not tested.deviation > 0:
        return _never_differed(one, tested, verdict, evals) if is_open and not tested.value else one
    spread = power.spread_of(*(base, candidate) if one.measure.more_is_better else (candidate, base))
    if not metric.slice:
        smallest = power.smallest_effect(spread, evals.samples, tested.cases, evals.power, evals.alpha)
        metric = replace(metric, smallest_effect=_finite(smallest))
    if is_open:
        more = power.more_needed(tested, verdict.margin, spread, evals.samples, alpha=evals.alpha, power=evals.power)
        metric = replace(metric, needed=more.cases)
    return replace(one, metric=metric, more=more)


def _never_differed(one: Weighed, tested: Difference, verdict: decision.Verdict, evals: Evals) -> Weighed:
    """How many cases would settle it if none differs: that is known for certain, of scores from 0 to 1."""
    each = tested.cases / tested.clusters
    needed = ties.cases_needed(verdict.margin, evals.samples, evals.alpha, each) if one.measure.is_share else None
    if needed is None or needed <= tested.cases:
        return one
    more = power.More(needed - tested.cases, None)
    return replace(one, metric=replace(one.metric, needed=more.cases), more=more)


def _scaled(values: Sequence[float], factor: float) -> tuple[float, ...]:
    return tuple(value * factor for value in values)


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
