"""How a judge errs, measured on answers that people scored too, and what that does to its scores of other answers.

The judge's score of an answer is a + b h + c z on average, with h what people say of it and z how long it is: a judge
that is wrong by chance has b < 1, one that is lenient a > 0, one that likes length c > 0. The line is fitted to the
labelled answers by least squares and solved for h. For scores of 0 and 1 without c that is Rogan's and Gladen's
estimate (American Journal of Epidemiology 107 (1978) 71-76). The labelled answers need not be as good as the others, as
`judged.corrected_mean` asks for: what has to hold is that the judge errs alike on answers that people think alike of
and that are equally long.

Errors are those of C. A. Field and A. H. Welsh's clusters, leverage taken out (HC3: J. G. MacKinnon and H. White,
Journal of Econometrics 29 (1985) 305-325). What is divided by an estimated b has the interval of E. C. Fieller (JRSS B
16 (1954) 175-185), which has no ends where b might be 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Final, NamedTuple

from msgspec import Struct, structs

from trimtab.statistics.clustered import Estimate
from trimtab.statistics.differences import student_quantile, student_tail
from trimtab.statistics.discordant import Discordant
from trimtab.statistics.paired import Difference
from trimtab.statistics.studentized import Studentized

LEAST_LABELLED: Final = 10
LEAST_FOR_LENGTH: Final = 30
"""Labels from which on the effect of length is estimated: with fewer it would cost more than it mends."""
LEAST_SLOPE: Final = 2.0
"""Standard errors that b has to lie above 0: below that the judge may be no better than chance."""
LEAST_WEIGHT: Final = 0.1
TIED: Final = 0.5
FARTHEST: Final = 1e3
"""No score lies so far off: an end beyond it is none."""
HALVINGS: Final = 50
PASSES: Final = 2
Vector = list[float]
Matrix = list[list[float]]


class Labelled(NamedTuple):
    """An answer that people and the judge scored; `length` is the judge's covariate; `group` is its cluster."""

    human: float
    judge: float
    length: float
    group: str


class JudgeErrors(Struct, frozen=True):
    """How a judge errs: judge - centre = intercept + slope (human - centre) + length (z - usual).

    `covariance` is that of the three. `tells` is False where the slope is not surely above 0. `agreement` is the share
    of labels on which both say the same.
    """

    centre: float
    intercept: float
    slope: float
    length: float
    usual: float
    covariance: tuple[tuple[float, ...], ...]
    freedom: float
    labels: int
    agreement: float
    tells: bool

    def corrected(self, judge: float, length: float) -> float:
        """What people would say of an answer, as far as the judge tells: right on average, beyond 0 and 1 for single
        answers. The judge's score itself where that tells nothing.
        """
        if not self.tells:
            return judge
        return self.centre + (judge - self.centre - self.intercept - self.length * (length - self.usual)) / self.slope

    def variance(self, one: float, human: float, length: float) -> float:
        """What the errors of the three add to the variance of something corrected that is `human` and `length` away
        from the centre and from the usual length; `one` is 1 for a mean and 0 for a difference.
        """
        x = (one, human, length)
        rows = zip(x, self.covariance, strict=True)
        return max(0.0, math.fsum(a * math.fsum(v * b for v, b in zip(row, x, strict=True)) for a, row in rows)) / (
            self.slope**2
        )


def judge_errors(labelled: Sequence[Labelled], antisymmetric: bool = False, share: float | None = None) -> JudgeErrors:
    """How a judge errs. `antisymmetric` is for comparisons in both orders: of two equal answers it makes a tie.

    `share` is what people would say on average of the answers to be corrected, as a first correction tells. Labels are
    then weighed so that they are as good on average (J.-C. Deville and C.-E. Sarndal, "Calibration estimators in survey
    sampling", JASA 87 (1992) 376-382, linear): the judge may like length in wrong answers alone, and the line has to be
    right for as many wrong ones as there are.

    Where people and the judge mostly agree, two labels more are taken not to, one of the best answers and one of the
    worst, for the errors alone: a judge that was never seen to err may err yet. Raises `ValueError` for fewer than ten
    labels, and where people say the same of all.
    """
    if len(labelled) < LEAST_LABELLED:
        raise ValueError(f"people scored {len(labelled)} answers: label at least {LEAST_LABELLED}, 100 are better")
    if len({one.human for one in labelled}) < 2:
        raise ValueError("people say the same of all answers: label good ones and bad ones")
    centre = 0.5 if antisymmetric else 0.0
    usual = 0.0 if antisymmetric else fmean(one.length for one in labelled)
    uses = [not antisymmetric, True, len(labelled) >= LEAST_FOR_LENGTH and len({one.length for one in labelled}) > 1]
    kept = [place for place, used in enumerate(uses) if used]
    rows = [(1.0, one.human - centre, one.length - usual) for one in labelled]
    x = [[row[place] for place in kept] for row in rows]
    y = [one.judge - centre for one in labelled]
    weights = _weights([one.human for one in labelled], share)
    weighed = [[weight * each for each in row] for weight, row in zip(weights, x, strict=True)]
    inverse = _inverse([
        [math.fsum(one[a] * row[b] for one, row in zip(weighed, x, strict=True)) for b in range(len(kept))]
        for a in range(len(kept))
    ])  # fmt: skip
    found = _times(
        inverse, [math.fsum(row[a] * value for row, value in zip(weighed, y, strict=True)) for a in range(len(kept))]
    )
    residuals = [
        (value - _dot(row, found)) / (1 - min(0.99, _dot(one, _times(inverse, row))))
        for one, row, value in zip(weighed, x, y, strict=True)
    ]
    covariance = _covariance(labelled, weighed, residuals, inverse)
    whole = [[0.0] * 3 for _ in range(3)]
    values = [0.0] * 3
    for a, place in enumerate(kept):
        values[place] = found[a]
        for b, other in enumerate(kept):
            whole[place][other] = covariance[a][b]
    return JudgeErrors(
        centre=centre,
        intercept=values[0],
        slope=values[1],
        length=values[2],
        usual=usual,
        covariance=tuple(map(tuple, whole)),
        freedom=float(max(1, len({one.group for one in labelled}) - len(kept))),
        labels=len(labelled),
        agreement=fmean(one.human == one.judge for one in labelled),
        tells=values[1] > LEAST_SLOPE * math.sqrt(whole[1][1]),
    )


def _weights(human: Sequence[float], share: float | None) -> list[float]:
    """Weights, 1 on average, with which what people say is `share` on average; none is below a tenth."""
    mean = fmean(human)
    spread = fmean((one - mean) ** 2 for one in human)
    if share is None or spread <= 0:
        return [1.0] * len(human)
    away = (min(max(share, min(human)), max(human)) - mean) / spread
    weights = [max(LEAST_WEIGHT, 1 + away * (one - mean)) for one in human]
    whole = fmean(weights)
    return [one / whole for one in weights]


def _covariance(labelled: Sequence[Labelled], x: Matrix, residuals: Sequence[float], inverse: Matrix) -> Matrix:
    """The sandwich over clusters, with two more labels where most agree; `x` has the weights in it."""
    size = len(inverse)
    totals: dict[str, Vector] = {}
    for one, row, residual in zip(labelled, x, residuals, strict=True):
        total = totals.setdefault(one.group, [0.0] * size)
        for place in range(size):
            total[place] += residual * row[place]
    scores = list(totals.values())
    apart = [(one.judge - one.human) ** 2 for one in labelled if one.judge != one.human]
    if len(apart) <= (1 - TIED) * len(labelled):
        distance = math.sqrt((math.fsum(apart) + 2) / (len(apart) + 2))
        for pick in (min, max):
            human = pick(one.human for one in labelled)
            chosen = next(row for one, row in zip(labelled, x, strict=True) if one.human == human)
            scores.append([distance * each for each in chosen])
    meat = [[math.fsum(one[a] * one[b] for one in scores) for b in range(size)] for a in range(size)]
    half = [_times(inverse, [row[place] for row in meat]) for place in range(size)]
    return [_times(inverse, [one[place] for one in half]) for place in range(size)]


def carried_mean(errors: JudgeErrors, found: Estimate, length: float, confidence: float = 0.95) -> Estimate:
    """The mean of corrected scores with the judge's error in its interval; `length` is their mean covariate.

    From 0 to 1 where the judge tells nothing.
    """
    if not errors.tells or found.clusters < 2:
        return structs.replace(found, low=0.0, high=1.0, standard_error=math.inf, method="judge")

    def error(mean: float) -> float:
        return _mean_error(errors, found, length, mean)[0]

    def quantile(mean: float) -> float:
        return student_quantile((1 + confidence) / 2, _mean_error(errors, found, length, mean)[1])

    low, high = (_end(found.value, side, error, quantile) for side in (-1, 1))
    return structs.replace(
        found, low=min(found.low, low), high=max(found.high, high), standard_error=error(found.value), method="judge"
    )


def mean_p_value(errors: JudgeErrors, found: Estimate, length: float, mean: float) -> float:
    """The two-sided p-value of the mean being `mean`; at each end of the interval of `carried_mean` what confidence
    leaves, unless the interval of the scores alone goes beyond it. 1 where the judge tells nothing.
    """
    if not errors.tells or found.clusters < 2:
        return 1.0
    error, freedom = _mean_error(errors, found, length, mean)
    return 2 * student_tail(abs(found.value - mean) / error, freedom) if error > 0 else float(found.value == mean)


def _mean_error(errors: JudgeErrors, found: Estimate, length: float, mean: float) -> tuple[float, float]:
    """The standard error of a mean of corrected scores if the truth is `mean`, and its degrees of freedom."""
    one, own = 0.0 if errors.centre else 1.0, found.standard_error**2
    added = errors.variance(one, mean - errors.centre, length - errors.usual)
    return math.sqrt(own + added), _freedom(own, found.clusters - 1.0, added, errors.freedom)


class CorrectedDifference(Difference, frozen=True, kw_only=True):
    """A difference of corrected scores: `standard_error` is that of the scores alone, and `errors` and `length` (that
    of the covariate) say what the judge's own error adds to it.
    """

    errors: JudgeErrors
    length: float

    def above(self, bound: float) -> float:
        """The p-value of the difference being at most `bound`; 1 where the judge tells nothing."""
        error, reference = self.at(bound)
        return reference.above((self.centre - bound) / error) if error > 0 else 1.0

    def below(self, bound: float) -> float:
        """The p-value of the difference being at least `bound`; 1 where the judge tells nothing."""
        error, reference = self.at(bound)
        return reference.below((self.centre - bound) / error) if error > 0 else 1.0

    def at(self, bound: float) -> tuple[float, Studentized]:
        """The standard error if the difference is `bound`, and the distribution of the distance to it; 0 for none."""
        own, reference = self.standard_error**2, self.reference
        if isinstance(reference, Discordant) or not self.errors.tells or not math.isfinite(own):
            return 0.0, Studentized(1.0, 1)
        added = self.errors.variance(0.0, bound, self.length)
        whole = own + added
        if whole <= 0:
            return 0.0, reference
        part = math.sqrt(own / whole)
        freedom = _freedom(own, reference.freedom, added, self.errors.freedom)
        return math.sqrt(whole), structs.replace(
            reference, freedom=freedom, skewness=reference.skewness * part**3, kurtosis=reference.kurtosis * part**4
        )


def carried_difference(errors: JudgeErrors, found: Difference, length: float) -> Difference:
    """A difference of corrected scores, not an exact one, with the judge's error in its interval and its tests.

    `length` is the difference of the mean covariates.
    """
    facts = {name: getattr(found, name) for name in found.__struct_fields__}
    whole = CorrectedDifference(**{**facts, "method": "judge"}, errors=errors, length=length)
    if not errors.tells or found.clusters < 2:
        return structs.replace(whole, low=-math.inf, high=math.inf, p_value=1.0)

    def error(bound: float) -> float:
        return whole.at(bound)[0]

    low = _end(found.centre, -1, error, lambda bound: whole.at(bound)[1].ends(found.confidence)[1])
    high = _end(found.centre, 1, error, lambda bound: -whole.at(bound)[1].ends(found.confidence)[0])
    p_value = min(1.0, 2 * min(whole.above(0.0), whole.below(0.0)))
    return structs.replace(whole, low=min(low, found.value), high=max(high, found.value), p_value=p_value)


def _end(value: float, side: int, error: Callable[[float], float], quantile: Callable[[float], float]) -> float:
    """The end of the interval on one side: the farthest bound that is not ruled out; infinite where none is.

    `error` gives the standard error if the truth is a bound, `quantile` how many of these are not ruled out, which
    hardly changes from bound to bound.
    """
    bound = value
    for _ in range(PASSES):
        many = quantile(bound)
        near, far = 0.0, 1.0
        while far <= many * error(value + side * far):
            near, far = far, far * 2
            if far > FARTHEST:
                return side * math.inf
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            near, far = (middle, far) if middle <= many * error(value + side * middle) else (near, middle)
        bound = value + side * far
    return bound


def _freedom(one: float, freedom: float, other: float, others: float) -> float:
    """The degrees of freedom of a sum of two variances (F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114)."""
    if one + other <= 0:
        return freedom
    return (one + other) ** 2 / (one**2 / freedom + other**2 / others)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def _times(matrix: Matrix, vector: Sequence[float]) -> Vector:
    return [_dot(row, vector) for row in matrix]


def _inverse(matrix: Matrix) -> Matrix:
    """By Gauss's and Jordan's elimination with pivots; raises `ValueError` for a matrix without one."""
    size = len(matrix)
    rows = [[*row, *(float(place == other) for other in range(size))] for place, row in enumerate(matrix)]
    for place in range(size):
        pivot = max(range(place, size), key=lambda row: abs(rows[row][place]))
        if abs(rows[pivot][place]) < 1e-12:
            raise ValueError("the labels tell nothing of the judge's errors: label answers of other lengths too")
        rows[place], rows[pivot] = rows[pivot], rows[place]
        rows[place] = [each / rows[place][place] for each in rows[place]]
        for other in range(size):
            if other != place:
                factor = rows[other][place]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[place], strict=True)]
    return [row[size:] for row in rows]
