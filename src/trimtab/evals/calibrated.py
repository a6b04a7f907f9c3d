"""A judge's scores as people would give them, by how it errs on other answers that people scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from msgspec.structs import replace

from trimtab.declare.evaluating import Evals
from trimtab.evals.case import Case
from trimtab.evals.looking import ONCE, Look
from trimtab.evals.observing import Values, observed
from trimtab.evals.report import Figure
from trimtab.evals.sample import Sample
from trimtab.evals.scorers.calibrating import Calibration
from trimtab.evals.scorers.judging import length_of
from trimtab.evals.weighing import BEYOND, CONFIDENCE, Weighed
from trimtab.evals.words import amount_text, count, plain
from trimtab.statistics import clustered, decision, paired, power
from trimtab.statistics.clustered import Observation
from trimtab.statistics.judge_errors import JudgeErrors, carried_difference, carried_mean
from trimtab.statistics.paired import Difference

ByCase = Mapping[str, Sequence[Sample]]
FEW: Final = 50
"""Labels below which more of them are asked for."""


class _Corrected:
    """Corrected scores and their covariates. `values` and `lengths` are of a sample: none where it has no mark."""

    def __init__(self, marks: Values, errors: JudgeErrors, pairs: Mapping[str, tuple[Sample, Sample]] | None) -> None:
        self._marks = marks
        self._errors = errors
        self._pairs = pairs

    def values(self, sample: Sample) -> tuple[float, ...]:
        lengths = self.lengths(sample)
        return tuple(self._errors.corrected(mark, lengths[0]) for mark in self._marks(sample)) if lengths else ()

    def lengths(self, sample: Sample) -> tuple[float, ...]:
        if not self._marks(sample):
            return ()
        if self._pairs is None:
            return (length_of(sample.answer),)
        pair = self._pairs.get(f"{sample.case}\n{sample.number}")
        if pair is None:
            return ()
        away = length_of(pair[0].answer, pair[1].answer)
        return (away if sample.arm == "candidate" else -away,)


def calibrated(
    one: Weighed,
    cases: Sequence[Case],
    base: ByCase | None,
    candidate: ByCase,
    calibration: Calibration,
    evals: Evals,
    look: Look = ONCE,
) -> Weighed:
    """The measure as people would see it, with the error of the judge and of its calibration in the intervals.

    Where the judge may be no better than chance the scores stand as they are, nothing bounds them, and nothing is
    decided. Source: `trimtab.statistics.judge_errors`.
    """
    pairs = _pairs(base, candidate) if calibration.errors.centre and base is not None else None
    of = _Corrected(one.measure.values, calibration.errors, pairs)
    first = [fmean(each.values) for side in (base, candidate) if side for each in observed(of.values, cases, side)]
    errors = calibration.of(fmean(first)) if first else calibration.errors
    of = _Corrected(one.measure.values, errors, pairs)
    sides = [None if side is None else observed(of.values, cases, side) for side in (base, candidate)]
    away = [None if side is None else _mean(observed(of.lengths, cases, side)) for side in (base, candidate)]
    figures = [
        _figure(errors, side, length) if side and length is not None else None
        for side, length in zip(sides, away, strict=True)
    ]
    metric = replace(one.metric, base=figures[0] or one.metric.base, candidate=figures[1] or one.metric.candidate)
    if not sides[0] or not sides[1] or away[0] is None or away[1] is None or metric.difference is None:
        return replace(one, metric=metric)
    before, after, apart = sides[0], sides[1], away[1] - away[0]

    def difference(confidence: float) -> Difference:
        return carried_difference(errors, paired.paired_difference(before, after, confidence, exact=False), apart)

    found = difference(look.confidence(BEYOND))
    told = Figure(found.value, max(-1.0, found.low), min(1.0, found.high), found.cases, metric.difference.samples)
    metric = replace(metric, difference=told, p_value=found.p_value, method=found.method, needed=None)
    if one.verdict is None:
        return replace(one, metric=replace(metric, smallest_effect=None))
    margin, level = one.verdict.margin, look.level(evals.alpha)
    verdict = decision.non_inferiority(found, margin, level)
    one_sided = difference(look.confidence(evals.alpha))
    more = None
    if verdict.decision == decision.Decision.INCONCLUSIVE and errors.tells and one.more is not None:
        spread = power.spread_of(before, after)
        more = power.more_needed(found, margin, spread, evals.samples, alpha=level, power=evals.power)
    smallest = metric.smallest_effect
    metric = replace(
        metric,
        needed=more.cases if more else None,
        smallest_effect=smallest / errors.slope if smallest is not None and errors.tells else None,
    )
    worse = (max(-1.0, -one_sided.high), min(1.0, -one_sided.low))
    return replace(one, metric=metric, verdict=verdict, tested=found, more=more, worse=worse)


def words_of(calibration: Calibration) -> str:
    """What a judge's calibration came to, in a sentence or two."""
    errors = calibration.errors
    name, agree = plain(calibration.scorer), amount_text(errors.agreement, "share")
    told = f"{name} is corrected by {count(errors.labels, 'label')} of {calibration.data_set}"
    told += f": judge and people agree on {agree}"
    if calibration.unmarked:
        told += f", and of {calibration.unmarked} more it could not tell"
    if not errors.tells:
        return (
            f"{told}. It may be no better than chance, so nothing is decided by it: mend its question, or label more."
        )
    if errors.labels < FEW:
        return f"{told}. With so few labels its own error is large: label {FEW} at least."
    return f"{told}."


def _figure(errors: JudgeErrors, side: Sequence[Observation], length: float) -> Figure:
    found = carried_mean(errors, clustered.mean(side, CONFIDENCE), length, CONFIDENCE)
    value = min(1.0, max(0.0, found.value))
    return Figure(value, min(value, max(0.0, found.low)), max(value, min(1.0, found.high)), found.cases, found.samples)


def _mean(lengths: Sequence[Observation]) -> float | None:
    return fmean(fmean(one.values) for one in lengths) if lengths else None


def _pairs(base: ByCase | None, candidate: ByCase) -> dict[str, tuple[Sample, Sample]]:
    """The two samples that were held against each other, by case and number."""
    found = {}
    for case, samples in candidate.items():
        before = {one.number: one for one in (base or {}).get(case, ())}
        found.update({f"{case}\n{one.number}": (before[one.number], one) for one in samples if one.number in before})
    return found
