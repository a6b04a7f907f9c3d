"""Intervals of a proportion that hold exactly: at one look, and at every look."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from trimtab.statistics.differences import incomplete_beta
from trimtab.statistics.intervals import Interval

_HALVINGS: Final = 100


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The interval that misses the proportion with probability at most 1 - confidence, whatever it is; (0, 1) for no
    trials. It is wider than `wilson`.

    Source: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26 (1934) 404-413. Raises `ValueError` like `wilson`.
    """
    _check(successes, trials, confidence)
    if trials == 0:
        return Interval(0.0, 1.0)
    tail = (1 - confidence) / 2
    failures = trials - successes
    low, high = 0.0, 1.0
    if successes:
        low = _crossing(lambda p: incomplete_beta(p, 1 - p, successes, failures + 1) < tail, 0.0, 1.0)
    if failures:
        high = _crossing(lambda p: incomplete_beta(1 - p, p, failures, successes + 1) >= tail, 0.0, 1.0)
    return Interval(low, high)


def always(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The interval of a sequence of which, with this confidence, none ever misses the proportion, however often one
    looks while trials come in; (0, 1) for no trials.

    It holds the proportions against which a mixture of all others (Jeffreys's prior) is less than 1 / (1 - confidence)
    times as likely. Sources: H. Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of
    Mathematical Statistics 41 (1970) 1397-1409; S. R. Howard et al., "Time-uniform, nonparametric, nonasymptotic
    confidence sequences", Annals of Statistics 49 (2021) 1055-1080. Raises `ValueError` like `wilson`.
    """
    _check(successes, trials, confidence)
    if trials == 0:
        return Interval(0.0, 1.0)
    failures = trials - successes
    mixture = _log_beta(successes + 0.5, failures + 0.5) - _log_beta(0.5, 0.5)
    limit = mixture + math.log(1 - confidence)

    def inside(p: float) -> bool:
        return _times(successes, p) + _times(failures, 1 - p) > limit

    share = successes / trials
    low = _crossing(lambda p: not inside(p), 0.0, share) if successes else 0.0
    high = _crossing(inside, share, 1.0) if failures else 1.0
    return Interval(low, high)


def _check(successes: int, trials: int, confidence: float) -> None:
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError(f"{successes} of {trials} at confidence {confidence} is no proportion")


def _crossing(is_below: Callable[[float], bool], low: float, high: float) -> float:
    """Where a condition that holds from `low` on ceases to hold."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def _times(count: int, share: float) -> float:
    """count * log(share), where nothing counted is nothing."""
    if not count:
        return 0.0
    return count * math.log(share) if share > 0 else -math.inf


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
