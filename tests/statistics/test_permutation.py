"""Permutation tests against enumerations made by hand and published data, and no more false hits than they promise."""

from __future__ import annotations

import math
from itertools import combinations, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.statistics.permutation import MeanShift, Sizes, p_value

DARWIN_CROSSED = (23.5, 12.0, 21.0, 22.0, 19.125, 21.5, 22.125, 20.375, 18.25, 21.625, 23.25, 21.0, 22.125, 23.0, 12.0)
DARWIN_SELFED = (
    *(17.375, 20.375, 20.0, 20.0, 18.375, 18.625, 18.625, 15.25, 16.5, 18.0, 16.25, 18.0, 12.75, 15.5, 18.0),
)


def column(*values: float) -> list[list[float]]:
    """A sample of rows with one column."""
    return [[value] for value in values]


class Paired:
    """The sum of differences of pairs, as R. A. Fisher permuted them: each pair is a stratum of two."""

    def __init__(self, pairs: list[tuple[float, float]]) -> None:
        self._pairs = pairs
        self.sizes = [Sizes(1, 2) for _ in pairs]

    def __call__(self, tested: object) -> float:
        assert isinstance(tested, list | tuple)
        return abs(sum(pair[one] - pair[1 - one] for pair, (one,) in zip(self._pairs, map(tuple, tested), strict=True)))


def test_samples_that_do_not_overlap() -> None:
    """Of the 20 ways to split six numbers in halves two are as far apart as 1 2 3 from 4 5 6."""
    statistic = MeanShift([(column(1, 2, 3), column(4, 5, 6))])
    assert statistic([(0, 1, 2)]) == pytest.approx(3.0, abs=1e-12)
    assert p_value(statistic, Random(1)) == pytest.approx(2 / 20, abs=1e-12)


def test_strata_multiply_the_splits() -> None:
    """Two strata of 2 + 1 rows: of the 9 splits only the observed one puts both lone numbers apart."""
    strata = [(column(9), column(0, 1)), (column(9), column(0, 1))]
    statistic = MeanShift(strata)
    assert statistic([(0,), (0,)]) == pytest.approx(8.5, abs=1e-12)
    assert p_value(statistic, Random(1)) == pytest.approx(1 / 9, abs=1e-12)


def test_fishers_permutation_of_darwins_plants() -> None:
    """Among the 32,768 signs of Darwin's 15 pairs 1,726 give a sum at least as far from zero: p = 0.05267.

    R. A. Fisher, The Design of Experiments (1935), section 21: 863 in each tail.
    """
    pairs = list(zip(DARWIN_CROSSED, DARWIN_SELFED, strict=True))
    assert p_value(Paired(pairs), Random(1), most=1 << 15) == pytest.approx(1726 / 32_768, abs=1e-9)


def test_drawn_splits_come_near_the_exact_value() -> None:
    """With few splits allowed they are drawn, and the p-value lies within five standard errors of the exact one."""
    strata = [(column(1, 4, 6, 8), column(2, 3, 9, 10, 12, 13, 14))]
    exact = p_value(MeanShift(strata), Random(1))
    drawn = p_value(MeanShift(strata), Random(1), most=300, enough=300)
    assert abs(drawn - exact) < 5 * math.sqrt(exact * (1 - exact) / 300)


def test_the_least_p_value_is_never_zero() -> None:
    """Of `most` drawn splits none is as extreme: (1 + 0) / (1 + most)."""
    strata = [(column(*[100.0] * 10), column(*map(float, range(30))))]
    assert p_value(MeanShift(strata), Random(1), most=99) == pytest.approx(1 / 100, abs=1e-12)


def test_drawing_stops_once_the_outcome_is_clear() -> None:
    """Where every split is as extreme, as many are drawn as are enough."""
    alike = MeanShift([(column(*[1.0] * 10), column(*[1.0] * 30))])
    calls = 0

    class Counting:
        sizes = alike.sizes

        def __call__(self, tested: object) -> float:
            nonlocal calls
            calls += 1
            return alike(tested)  # type: ignore[arg-type]

    assert p_value(Counting(), Random(1), enough=20) == 1.0
    assert calls == 1 + 20


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.tuples(
                st.lists(st.lists(st.integers(-50, 50), min_size=width, max_size=width), min_size=1, max_size=3),
                st.lists(st.lists(st.integers(-50, 50), min_size=width, max_size=width), min_size=1, max_size=3),
            ),
            min_size=1,
            max_size=2,
        )
    )
)
def test_it_is_the_enumeration_of_the_definition(strata: list[tuple[list[list[int]], list[list[int]]]]) -> None:
    """The p-value is the share of splits whose mean absolute difference of column means reaches the observed one."""

    def distance(split: tuple[tuple[int, ...], ...]) -> float:
        gaps = []
        for (tested, others), chosen in zip(strata, split, strict=True):
            rows = [*tested, *others]
            inside = [rows[place] for place in chosen]
            outside = [row for place, row in enumerate(rows) if place not in chosen]
            columns = range(len(rows[0]))
            means = [[sum(row[at] for row in side) / len(side) for at in columns] for side in (inside, outside)]
            gaps.append(sum(abs(means[0][at] - means[1][at]) for at in columns) / len(rows[0]))
        return sum(gaps) / len(gaps)

    splits = list(product(*(combinations(range(len(tested) + len(others)), len(tested)) for tested, others in strata)))
    observed = distance(tuple(tuple(range(len(tested))) for tested, _ in strata))
    expected = sum(distance(split) >= observed - 1e-9 for split in splits) / len(splits)
    assert p_value(MeanShift(strata), Random(1)) == pytest.approx(expected, abs=1e-12)


def test_false_hits_are_as_rare_as_said() -> None:
    """In 1,000 pairs of samples from one source at most 5 % + 3 standard errors have p <= 0.05."""
    random = Random(7)
    hits = 0

    def rows(count: int) -> list[list[float]]:
        return [[random.gauss(0, 1) for _ in range(3)] for _ in range(count)]

    for _ in range(1000):
        strata = [(rows(3), rows(8)) for _ in range(2)]
        hits += p_value(MeanShift(strata), random, most=399, enough=40) <= 0.05
    assert hits <= 1000 * 0.05 + 3 * math.sqrt(1000 * 0.05 * 0.95)


def test_an_empty_sample_is_refused() -> None:
    """There is no mean of nothing."""
    with pytest.raises(ValueError, match="at least one row"):
        MeanShift([(column(1), [])])
    with pytest.raises(ValueError, match="at least one row"):
        MeanShift([])
