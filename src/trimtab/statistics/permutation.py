"""Two-sample permutation tests, stratified, and the statistic of means that differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from random import Random
from typing import Final, NamedTuple, Protocol

MOST: Final = 4_999
"""Splits drawn at the most: the least p-value is then 2e-4."""
ENOUGH: Final = 20
"""Splits at least as extreme as the one observed, after which drawing more would not make the p-value small."""
ROUNDING: Final = 1e-12
"""Relative; two sums of the same numbers in another order are the same."""


class Sizes(NamedTuple):
    """One stratum: how many rows are the sample under test, which come first, and how many there are in all."""

    tested: int
    pooled: int


class Statistic(Protocol):
    """How far apart two samples are, for any split of the pooled rows; larger is further."""

    @property
    def sizes(self) -> Sequence[Sizes]:
        """The strata."""

    def __call__(self, tested: Sequence[Sequence[int]]) -> float:
        """The distance when these rows of each stratum are the sample under test."""


def p_value(statistic: Statistic, random: Random, most: int = MOST, enough: int = ENOUGH) -> float:
    """The probability, if both samples come from one source, of a distance at least as large as the observed one.

    Rows are exchanged within their stratum. Where there are no more than `most` splits, all are looked at and the
    p-value is exact. Otherwise splits are drawn until `enough` of them are as extreme (p = enough / drawn), at most
    `most` (p = (1 + extreme) / (1 + most)). All three are valid: P(p <= a) <= a.
    Sources: E. J. G. Pitman, JRSS Supplement 4 (1937); J. Besag and P. Clifford, "Sequential Monte Carlo p-values",
    Biometrika 78 (1991); B. Phipson and G. K. Smyth, "Permutation p-values should never be zero", SAGMB 9 (2010).
    """
    sizes = statistic.sizes
    observed = statistic([range(one.tested) for one in sizes])
    least = observed - ROUNDING * max(1.0, abs(observed))
    splits = math.prod(math.comb(one.pooled, one.tested) for one in sizes)
    if splits <= most:
        return sum(statistic(split) >= least for split in _all(sizes)) / splits
    extreme = 0
    for drawn in range(1, most + 1):
        extreme += statistic([random.sample(range(one.pooled), one.tested) for one in sizes]) >= least
        if extreme >= enough:
            return extreme / drawn
    return (1 + extreme) / (1 + most)


def _all(sizes: Sequence[Sizes]) -> Iterator[tuple[tuple[int, ...], ...]]:
    return product(*(combinations(range(one.pooled), one.tested) for one in sizes))


class MeanShift:
    """The mean over strata and columns of |mean of the tested rows - mean of the others|.

    `strata` are (tested rows, other rows); all rows of a stratum are equally long. The statistic of T. Chauvin et al.,
    "Log Probability Tracking of LLM APIs", arXiv 2512.03816 (2025), where a column is a token and a row an answer's
    log-probabilities; here averaged over several prompts. Raises `ValueError` for an empty sample.
    """

    def __init__(self, strata: Sequence[tuple[Sequence[Sequence[float]], Sequence[Sequence[float]]]]) -> None:
        if not strata or not all(tested and others for tested, others in strata):
            raise ValueError("both samples of every stratum need at least one row")
        self._rows = [[*tested, *others] for tested, others in strata]
        self.sizes = [Sizes(len(tested), len(tested) + len(others)) for tested, others in strata]
        self._totals = [[math.fsum(column) for column in zip(*rows, strict=True)] for rows in self._rows]

    def __call__(self, tested: Sequence[Sequence[int]]) -> float:
        """The distance when these rows of each stratum are the sample under test."""
        shifts = [
            self._shift(rows, totals, size, chosen)
            for rows, totals, size, chosen in zip(self._rows, self._totals, self.sizes, tested, strict=True)
        ]
        return sum(shifts) / len(shifts)

    def _shift(
        self, rows: Sequence[Sequence[float]], totals: Sequence[float], size: Sizes, chosen: Sequence[int]
    ) -> float:
        others = size.pooled - size.tested
        sums = map(sum, zip(*[rows[place] for place in chosen], strict=True))
        gaps = [abs(part / size.tested - (total - part) / others) for part, total in zip(sums, totals, strict=True)]
        return sum(gaps) / len(gaps) if gaps else 0.0
