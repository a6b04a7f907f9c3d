"""Intervals of the difference between two independent samples, the second less the first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, variance
from typing import Final

from trimtab.statistics.intervals import Interval, wilson

ENTIRE: Final = Interval(-math.inf, math.inf)
_STEPS: Final = 300
_BETA_STEPS: Final = 60
_NEWTON: Final = 1e-14
_FARTHEST: Final = 1e150
_SMALLEST: Final = 1e-300
_PRECISE: Final = 1e-15


def difference_of_shares(before: tuple[int, int], after: tuple[int, int], confidence: float = 0.95) -> Interval:
    """The interval of the second proportion less the first, each as (successes, trials); (-1, 1) for no trials at all.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in
    Medicine 17 (1998) 873-890, method 10: the score intervals of both, squared and added.
    Raises `ValueError` like `wilson`.
    """
    low_1, high_1 = wilson(*before, confidence)
    low_2, high_2 = wilson(*after, confidence)
    if not before[1] or not after[1]:
        return Interval(low_2 - high_1, high_2 - low_1)
    share_1, share_2 = before[0] / before[1], after[0] / after[1]
    difference = share_2 - share_1
    low = difference - math.hypot(share_2 - low_2, high_1 - share_1)
    high = difference + math.hypot(high_2 - share_2, share_1 - low_1)
    return Interval(max(-1.0, low), min(1.0, high))


def difference_of_means(before: Sequence[float], after: Sequence[float], confidence: float = 0.95) -> Interval:
    """The interval of the second mean less the first, in their unit; everything for fewer than two of either.

    The variances may differ. It is approximate for skewed values (lengths, costs) and good from some tens of each.
    Source: B. L. Welch, "The generalization of Student's problem when several different population variances are
    involved", Biometrika 34 (1947) 28-35, with the degrees of freedom of F. E. Satterthwaite, Biometrics Bulletin 2
    (1946) 110-114. Raises `ValueError` unless 0 < confidence < 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"{confidence} is no confidence")
    if len(before) < 2 or len(after) < 2:
        return ENTIRE
    difference = fmean(after) - fmean(before)
    part_1, part_2 = variance(before) / len(before), variance(after) / len(after)
    error = part_1 + part_2
    if error == 0:
        return Interval(difference, difference)
    freedom = 1 / ((part_1 / error) ** 2 / (len(before) - 1) + (part_2 / error) ** 2 / (len(after) - 1))
    half = student_quantile((1 + confidence) / 2, freedom) * math.sqrt(error)
    return Interval(difference - half, difference + half)


def student_quantile(level: float, freedom: float) -> float:
    """The quantile of Student's t at a level of 0.5 to below 1, for any degrees of freedom above 0.

    Source: M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions (1964), 26.7.1 and 26.5.8, inverted by
    Newton's method. Since the tail is convex, that rises to the quantile from the normal one, which is smaller.
    Raises `ValueError` for other arguments.
    """
    if not 0.5 <= level < 1 or not freedom > 0:
        raise ValueError(f"there is no quantile at {level} with {freedom} degrees of freedom")
    found = NormalDist().inv_cdf(level)
    front = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    for _ in range(_STEPS):
        density = front * math.exp(-(freedom + 1) / 2 * math.log1p(found * found / freedom))
        step = (_above(found, freedom) - (1 - level)) / density
        found += step
        if step <= _NEWTON * found or found > _FARTHEST:
            break
    return found


def student_tail(t: float, freedom: float) -> float:
    """The probability that Student's t with these degrees of freedom, which may be infinite, exceeds `t`."""
    if math.isnan(t):
        return 1.0
    if math.isinf(t) or math.isinf(freedom):
        return NormalDist().cdf(-t) if math.isfinite(t) else float(t < 0)
    return _above(t, freedom) if t >= 0 else 1 - _above(-t, freedom)


def _above(t: float, freedom: float) -> float:
    """The probability of more than `t`, which is not negative."""
    return 0.5 * incomplete_beta(freedom / (freedom + t * t), t * t / (freedom + t * t), freedom / 2, 0.5)


def incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """The regularised incomplete beta function at `x`; `rest` is 1 - x, given apart so that nothing is lost."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(rest, b, a) / b


def beta_quantile(level: float, a: float, b: float) -> float:
    """The quantile of the beta distribution, by Newton's method, and by halving where that leads too far."""
    low, high, found = 0.0, 1.0, min(max(a / (a + b), _PRECISE), 1 - _PRECISE)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for _ in range(_BETA_STEPS):
        above = incomplete_beta(found, 1 - found, a, b) - level
        low, high = (low, found) if above > 0 else (found, high)
        density = math.exp(front + (a - 1) * math.log(found) + (b - 1) * math.log1p(-found))
        before, found = found, found - above / density if density > 0 else low
        if not low < found < high:
            found = (low + high) / 2
        if abs(found - before) <= _NEWTON * before or found in {low, high}:
            break
    return found


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction 26.5.8, from the front."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for step in range(1, _STEPS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < _PRECISE:
            break
    return value


def _not_zero(number: float) -> float:
    return number if abs(number) > _SMALLEST else _SMALLEST
