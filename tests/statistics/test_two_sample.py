"""Two-sample tests, effect sizes, multiplicity and exact intervals against published values."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.statistics.exact import always, clopper_pearson
from trimtab.statistics.intervals import Interval, wilson
from trimtab.statistics.multiplicity import benjamini_hochberg, e_benjamini_hochberg, holm
from trimtab.statistics.two_sample import (
    chi_square_tail,
    furthest,
    g_test,
    jensen_shannon,
    kolmogorov_smirnov,
    moved,
    spent,
    stability_index,
)

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 300), min_size=1)


@pytest.mark.parametrize(
    ("value", "freedom", "tail"),
    [(3.841459, 1, 0.05), (6.634897, 1, 0.01), (11.070498, 5, 0.05), (29.588298, 10, 0.001), (18.307038, 10, 0.05)],
)
def test_chi_square(value: float, freedom: int, tail: float) -> None:
    """Percentage points of chi-square: Abramowitz and Stegun, table 26.8."""
    assert chi_square_tail(value, freedom) == pytest.approx(tail, rel=1e-6)


def test_the_g_test_by_hand() -> None:
    """60 of 100 against 40 of 100: G = 2 (120 ln 1.2 + 80 ln 0.8) = 8.055; Williams's q is 1 + 3 * 3 / 1,200."""
    g = 2 * (120 * math.log(1.2) + 80 * math.log(0.8))
    expected = math.erfc(math.sqrt(g / (1 + 9 / 1_200) / 2))
    assert g_test({"a": 60, "b": 40}, {"a": 40, "b": 60}, Random(1)) == pytest.approx(expected, rel=1e-9)


def test_small_counts_are_permuted() -> None:
    """The lady who tasted tea: 3 of 4 against 1 of 4. Of 70 splits, 34 are as far off (R. A. Fisher, 1935)."""
    found = g_test({"milk": 3, "tea": 1}, {"milk": 1, "tea": 3}, Random(1))
    assert found == pytest.approx(34 / 70, abs=0.04)


@pytest.mark.parametrize(("first", "second"), [({}, {"a": 5}), ({"a": 5}, {"a": 9}), ({}, {})])
def test_nothing_to_compare_is_no_difference(first: dict[str, int], second: dict[str, int]) -> None:
    """An empty table, or a single category, says nothing."""
    assert g_test(first, second, Random(1)) == 1.0


def test_the_distance_of_histograms() -> None:
    """Cumulative shares 1/2, 1, 1 against 0, 1/2, 1 lie a half apart."""
    assert furthest({1: 2, 2: 2}, {2: 2, 3: 2}) == 0.5
    assert kolmogorov_smirnov({1: 5}, {}) == 1.0
    assert kolmogorov_smirnov({1: 50, 2: 50}, {1: 50, 2: 50}) == 1.0


def test_the_level_of_kolmogorov_and_smirnov() -> None:
    """The two-sided 5 % point is 1.358 (N. V. Smirnov, 1948, table): for samples of 10,000 a distance of 0.0192."""
    first = {1: 5_000, 2: 5_000}
    second = {1: 5_192, 2: 4_808}
    assert kolmogorov_smirnov(first, second) == pytest.approx(0.05, abs=0.002)


def test_effect_sizes_by_hand() -> None:
    """Same shares are 0 apart; none in common is 1; two buckets further is 2; a fifth that moved has its index."""
    assert jensen_shannon({"a": 2, "b": 2}, {"a": 50, "b": 50}) == 0.0
    assert jensen_shannon({"a": 5}, {"b": 7}) == pytest.approx(1.0)
    assert moved({1: 3, 2: 3}, {3: 1, 4: 1}) == pytest.approx(2.0)
    index = 0.2 * math.log(0.7 / 0.5) + -0.2 * math.log(0.3 / 0.5)
    assert stability_index({"a": 70, "b": 30}, {"a": 50, "b": 50}) == pytest.approx(index)
    assert all(math.isnan(one({}, {1: 1})) for one in (jensen_shannon, moved, stability_index))


@given(COUNTS, COUNTS)
def test_effect_sizes_are_distances(first: dict[str, int], second: dict[str, int]) -> None:
    """They are the same both ways, not negative, and that of Jensen and Shannon is at most 1."""
    for size in (jensen_shannon, stability_index):
        one, other = size(first, second), size(second, first)
        assert math.isnan(one) == math.isnan(other)
        assert math.isnan(one) or (one >= 0 and one == pytest.approx(other))
    distance = jensen_shannon(first, second)
    assert math.isnan(distance) or distance <= 1 + 1e-9


def test_the_g_test_keeps_its_level() -> None:
    """Of 400 pairs of samples from one source at most about 5 % lie below 0.05; 8 % would be beyond chance."""
    random, hits = Random(3), 0
    for _ in range(400):
        tables = [dict.fromkeys("abcd", 0) for _ in range(2)]
        for table, n in zip(tables, (60, 200), strict=True):
            for key in random.choices("abcd", (0.5, 0.3, 0.15, 0.05), k=n):
                table[key] += 1
        hits += chi_square_level(tables) < 0.05
    assert hits <= 32


def chi_square_level(tables: list[dict[str, int]]) -> float:
    """The p-value without permutation: categories that are rare in one sample are put together."""
    rare = [{"a": one["a"], "b": one["b"], "rest": one["c"] + one["d"]} for one in tables]
    return g_test(rare[0], rare[1], Random(1))


@pytest.mark.parametrize(("part", "expected"), [(0.2, 0.000_011_7), (0.4, 0.001_94), (0.6, 0.011_40), (1.0, 0.05)])
def test_what_is_spent(part: float, expected: float) -> None:
    """2 (1 - Phi(1.96 / sqrt(t))), from a table of the normal distribution: z of 4.383, 3.099, 2.530 and 1.96."""
    assert spent(part, 0.05) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("part", "alpha"), [(0.0, 0.05), (1.1, 0.05), (0.5, 0.0), (0.5, 1.0)])
def test_what_cannot_be_spent(part: float, alpha: float) -> None:
    """Before anything came, or of no level, nothing is spent."""
    with pytest.raises(ValueError, match="nothing of a level"):
        spent(part, alpha)


def test_holm_by_hand() -> None:
    """Three p-values: 3 * 0.01, then 2 * 0.02, then at least as much for the last."""
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]) == []


def test_benjamini_and_hochberg_example() -> None:
    """The fifteen p-values of their paper (1995, section 3.2): four are rejected at 0.05, and Holm rejects three."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
                0.6528, 0.7590, 1.0]  # fmt: skip
    assert [one <= 0.05 for one in benjamini_hochberg(p_values)] == [True] * 4 + [False] * 11
    assert sum(one <= 0.05 for one in holm(p_values)) == 3


def test_e_values_by_hand() -> None:
    """Of four at level 0.1: k e_k >= 40 holds for the second largest (2 * 25), not for the third (3 * 10)."""
    assert e_benjamini_hochberg([25.0, 1.0, 30.0, 10.0], 0.1) == [0, 2]
    assert e_benjamini_hochberg([1.0, 1.0], 0.1) == []
    with pytest.raises(ValueError, match="no share of false discoveries"):
        e_benjamini_hochberg([1.0], 0.0)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_and_pearson(successes: int, trials: int, low: float, high: float) -> None:
    """The 95 % exact intervals of table I in R. G. Newcombe, Statistics in Medicine 17 (1998), method 5."""
    assert clopper_pearson(successes, trials) == pytest.approx(Interval(low, high), abs=6e-5)


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_what_always_holds_is_wider(counts: tuple[int, int]) -> None:
    """The interval that holds at every look contains Wilson's, which holds at one, and the share."""
    share = counts[0] / counts[1]
    wide, narrow = always(*counts), wilson(*counts)
    assert wide.low <= share <= wide.high
    assert wide.low <= narrow.low + 1e-3 and narrow.high <= wide.high + 1e-3


def test_it_holds_at_every_look() -> None:
    """Of 200 sequences of 400 trials, looked at after each, one in ten may ever miss; 34 would be beyond chance."""
    missed = 0
    for seed in range(200):
        random, of = Random(seed), 0
        for n in range(1, 401):
            of += random.random() < 0.2
            if n % 5 == 0:
                low, high = always(of, n, 0.9)
                if not low <= 0.2 <= high:
                    missed += 1
                    break
    assert missed <= 33


@pytest.mark.parametrize("interval", [clopper_pearson, always])
def test_nothing_tried_and_what_is_no_proportion(interval: object) -> None:
    """As for the other intervals."""
    assert callable(interval)
    assert interval(0, 0) == Interval(0.0, 1.0)
    with pytest.raises(ValueError, match="no proportion"):
        interval(2, 1)
