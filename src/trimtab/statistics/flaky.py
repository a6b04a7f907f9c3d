"""Cases by what their samples say: flaky, saturated, hard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from trimtab.statistics.clustered import Observation
from trimtab.statistics.differences import incomplete_beta
from trimtab.statistics.exact import clopper_pearson
from trimtab.statistics.multiplicity import benjamini_hochberg

NOISE: Final = 0.01
"""How often a sample of a case that always passes, or never, comes out otherwise all the same (a scorer, a timeout)."""
ALWAYS: Final = 0.9
"""A case that surely passes more often than this is saturated, one that surely fails more often hard."""

Kind = Literal["flaky", "saturated", "hard", ""]


class CaseKind(Struct, frozen=True):
    """What a case is: how many of its samples passed, and the p-value, adjusted for the number of cases, of its
    outcomes differing by noise alone.
    """

    case: str
    kind: Kind
    passed: int
    samples: int
    p_value: float


def kinds(observations: Sequence[Observation], noise: float = NOISE, level: float = 0.05) -> list[CaseKind]:
    """The kind of each case, in the order given; a value of at least 1 passes.

    Flaky are cases whose rarer outcome comes more often than noise explains, by the exact binomial test, such that a
    share `level` of those named is wrong on average (`multiplicity.benjamini_hochberg`). Saturated and hard are those
    whose exact interval lies beyond `ALWAYS` (28 samples or more that agree). Of the rest nothing is known.
    Raises `ValueError` unless 0 < noise < 0.5.
    """
    if not 0 < noise < 0.5:
        raise ValueError(f"{noise} is no noise: give the share of samples that differ by chance, above 0 and below 0.5")
    counts = [(sum(value >= 1 for value in one.values), len(one.values)) for one in observations]
    p_values = benjamini_hochberg([mixed_tail(passed, n, noise) for passed, n in counts])
    return [
        CaseKind(one.case, _kind(passed, n, p_value <= level), passed, n, p_value)
        for one, (passed, n), p_value in zip(observations, counts, p_values, strict=True)
    ]


def mixed_tail(passed: int, samples: int, noise: float) -> float:
    """The probability that noise alone makes the rarer of two outcomes so frequent; 1 where all agree."""
    rarer = min(passed, samples - passed)
    return 1.0 if rarer == 0 else incomplete_beta(noise, 1 - noise, rarer, samples - rarer + 1)


def flakier(base: Sequence[Observation], candidate: Sequence[Observation], level: float = 0.05) -> list[str]:
    """Cases whose outcomes differ between samples of the candidate, and did so less in those of the base.

    By Fisher's exact test of the rarer outcome of the candidate on both sides, one-sided, such that a share `level`
    of those named is wrong on average.
    """
    before = {one.case: one for one in base}
    shared = [one for one in candidate if one.case in before]
    p_values = [_more_mixed(before[one.case], one) for one in shared]
    return [one.case for one, p in zip(shared, benjamini_hochberg(p_values), strict=True) if p <= level]


def _more_mixed(base: Observation, candidate: Observation) -> float:
    rarer, of = _rarer(candidate)
    before, of_before = _rarer(base)
    return hypergeometric_tail(rarer, of, before, of_before)


def _rarer(one: Observation) -> tuple[int, int]:
    passed = sum(value >= 1 for value in one.values)
    return min(passed, len(one.values) - passed), len(one.values)


def hypergeometric_tail(count: int, of: int, other: int, of_other: int) -> float:
    """Fisher's exact p-value that the first share is not the larger one (R. A. Fisher, JRSS 98 (1935) 39-82)."""
    total = count + other
    ways = math.comb(of + of_other, total)
    return sum(math.comb(of, k) * math.comb(of_other, total - k) for k in range(count, min(of, total) + 1)) / ways


def _kind(passed: int, samples: int, mixed: bool) -> Kind:
    if mixed:
        return "flaky"
    low, high = clopper_pearson(passed, samples, 0.9)
    return "saturated" if low > ALWAYS else "hard" if high < 1 - ALWAYS else ""
