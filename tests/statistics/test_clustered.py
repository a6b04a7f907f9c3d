"""Means over clusters, against scipy, statsmodels, matrices and hand."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from trimtab.statistics.clustered import Observation, mean, next_call, variance_parts
from trimtab.statistics.robust import clusters, robust_mean
from trimtab.statistics.studentized import Studentized

SCORES = st.floats(-1e3, 1e3)


def singles(values: list[float]) -> list[Observation]:
    """Each value a case and a group of its own."""
    return [Observation(str(place), str(place), (value,)) for place, value in enumerate(values)]


@pytest.mark.parametrize("size", [1, 4])
def test_the_standard_error_of_equal_clusters_is_that_of_statsmodels(size: int) -> None:
    """Ordinary least squares on a constant, errors clustered with the factor C / (C - 1), to 1e-9."""
    random = Random(3)
    groups = [place // size for place in range(40)]
    values = [random.gauss(group % 5, 1) for group in groups]
    fit = sm.OLS(np.array(values), np.ones(40)).fit(cov_type="cluster", cov_kwds={"groups": np.array(groups)})
    found = robust_mean(clusters(values, [str(group) for group in groups]))
    assert found.value == pytest.approx(fit.params[0], abs=1e-12)
    assert found.standard_error == pytest.approx(fit.bse[0], rel=1e-9)
    assert found.reference.freedom == pytest.approx(40 / size - 1, rel=1e-9)


def test_unequal_clusters_have_the_error_and_freedom_of_the_matrices() -> None:
    """CR2 and Satterthwaite's degrees of freedom as Bell and McCaffrey define them, with whole matrices."""
    sizes = [1, 2, 7, 3, 12, 5]
    n = sum(sizes)
    random = Random(5)
    groups = [str(place) for place, size in enumerate(sizes) for _ in range(size)]
    values = [random.gauss(int(group), 1) for group in groups]
    found = clusters(values, groups)
    residual = np.eye(n) - np.ones((n, n)) / n
    working = np.zeros((n, n))
    rows = [np.array([group == str(place) for group in groups]) for place in range(len(sizes))]
    for row in rows:
        working += found.correlation * np.outer(row, row)
    working += (1 - found.correlation) * np.eye(n)
    columns = []
    total = 0.0
    for row, size in zip(rows, sizes, strict=True):
        adjusted = row.astype(float) @ residual / math.sqrt(1 - size / n) / n
        columns.append(adjusted)
        total += float(adjusted @ np.array(values)) ** 2
    form = np.array(columns) @ working @ np.array(columns).T
    robust = robust_mean(found)
    assert robust.standard_error == pytest.approx(math.sqrt(total), rel=1e-9)
    assert robust.reference.freedom == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form), rel=1e-9)


def test_the_correlation_within_clusters_by_hand() -> None:
    """Two clusters of (0, 2) and (10, 12): within 2, between 100, so (100 - 2) / 2 = 49 of 51 is shared."""
    assert clusters([0.0, 2.0, 10.0, 12.0], ["a", "a", "b", "b"]).correlation == pytest.approx(49 / 51)


@pytest.mark.parametrize(("passed", "of"), [(0, 20), (7, 20), (20, 20), (1, 300)])
def test_pass_or_fail_without_clusters_is_clopper_and_pearson(passed: int, of: int) -> None:
    """One sample of each case, each case alone: the exact interval of statsmodels, to 1e-6."""
    found = mean(singles([1.0] * passed + [0.0] * (of - passed)))
    assert (found.low, found.high) == pytest.approx(proportion_confint(passed, of, method="beta"), abs=1e-6)
    assert found.method == "clopper-pearson"


def test_cases_that_all_agree_count_as_one_trial_each() -> None:
    """30 cases of 5 samples that all passed say as much as 30 trials; in 10 groups as much as 10."""
    alone = [Observation(str(place), str(place), (1.0,) * 5) for place in range(30)]
    grouped = [Observation(str(place), str(place // 3), (1.0,) * 5) for place in range(30)]
    assert mean(alone).low == pytest.approx(proportion_confint(30, 30, method="beta")[0], abs=1e-6)
    assert mean(grouped).low == pytest.approx(proportion_confint(10, 10, method="beta")[0], abs=1e-6)


def test_one_cluster_tells_nothing() -> None:
    """All cases in one group: every share and every mean is possible."""
    share = mean([Observation(str(place), "one", (float(place % 2),)) for place in range(10)])
    amount = mean([Observation(str(place), "one", (float(place),)) for place in range(10)])
    assert (share.low, share.high) == (0.0, 1.0)
    assert (amount.low, amount.high) == (-math.inf, math.inf)


def test_variance_parts_by_hand() -> None:
    """Cases (0, 2), (4, 6): within 2; means 1 and 5 vary by 8, of which 2 / 2 comes from samples."""
    parts = variance_parts([Observation("a", "a", (0.0, 2.0)), Observation("b", "b", (4.0, 6.0))])
    assert (parts.within_cases, parts.between_cases, parts.between_groups) == (2.0, 7.0, 0.0)
    assert (parts.cases, parts.clusters, parts.samples) == (2, 2, 2.0)


@pytest.mark.parametrize(
    ("within", "between", "cost", "samples", "advice"),
    [
        (1.0, 0.1, 1.0, 1, "sample"),
        (1.0, 0.1, 1.0, 4, "case"),
        (0.1, 1.0, 1.0, 1, "case"),
        (0.1, 1.0, 40.0, 1, "sample"),
    ],
)
def test_the_next_call(within: float, between: float, cost: float, samples: int, advice: str) -> None:
    """Samples pay up to about sqrt(within / between * cost of a case), 3.2, 0.3 and 2 here."""
    parts = variance_parts(singles([0.0, 1.0]))
    parts = type(parts)(0.0, between, within, 10, 10, 1.0)
    assert next_call(parts, samples, cost_of_case=cost) == advice


@given(st.lists(SCORES, min_size=2, max_size=40))
def test_the_interval_holds_the_mean(values: list[float]) -> None:
    """Whatever the values, the mean lies within its interval, and shifting them shifts it."""
    found = mean(singles(values))
    assert found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high


@pytest.mark.parametrize("observations", [[], [Observation("a", "a", ())]])
def test_nothing_has_no_mean(observations: list[Observation]) -> None:
    """No cases, or a case without scores, are an error that says so."""
    with pytest.raises(ValueError, match=r"no mean|no score"):
        mean(observations)


@given(
    st.floats(1, 500), st.sampled_from([10, 40]), st.floats(-3, 3), st.floats(-1.5, 10), st.booleans(), st.booleans(),
    st.floats(0.5, 0.999),
)  # fmt: skip
def test_the_tail_beyond_an_end_is_what_confidence_leaves(
    freedom: float, count: int, skewness: float, kurtosis: float, bounded: bool, shortens: bool, confidence: float
) -> None:
    """Intervals and p-values agree: beyond either end lies half of what confidence leaves."""
    reference = Studentized(freedom, count, skewness, kurtosis, bounded, shortens)
    low, high = reference.ends(confidence)
    assert low < 0 < high
    assert reference.above(high) == pytest.approx((1 - confidence) / 2, rel=1e-4)
    assert reference.below(low) == pytest.approx((1 - confidence) / 2, rel=1e-4)


def test_halls_cubic_by_hand() -> None:
    """36 clusters, skewness 2, no excess: slope 1/3; of the quantile q the longer side has Hall's end, the shorter one
    the middle between it and q, or q itself where nothing is to be shortened.
    """
    q, slope = stats.t.ppf(0.975, 35), 1 / 3
    upper = 3 / slope * ((1 + slope * (q - slope / 6)) ** (1 / 3) - 1)
    lower = -3 / slope * (math.cbrt(1 - slope * (q + slope / 6)) - 1)
    assert upper < q < lower
    assert Studentized(35.0, 36, 2.0, 6.0).ends(0.95) == pytest.approx((-lower, (q + upper) / 2), abs=1e-9)
    assert Studentized(35.0, 36, 2.0, 6.0, shortens=False).ends(0.95) == pytest.approx((-lower, q), abs=1e-9)


def test_values_without_skew_have_students_t() -> None:
    """With 60 clusters, no skewness and no excess, the quantile is that of t with 59 degrees of freedom, 2.0010."""
    assert Studentized(59.0, 60).ends(0.95) == pytest.approx((-2.0010, 2.0010), abs=5e-5)


@pytest.mark.parametrize(("count", "least", "most"), [(8, 0.94, 1.0), (40, 0.93, 0.97)])
def test_skewed_values_are_covered(count: int, least: float, most: float) -> None:
    """Exponential values, 500 samples of them (two Monte Carlo errors are 0.02): few are covered too."""
    random = Random(11)
    hits = 0
    for _ in range(500):
        found = mean(singles([random.expovariate(1.0) for _ in range(count)]))
        hits += found.low <= 1.0 <= found.high
    assert least - 0.01 <= hits / 500 <= most


def test_how_far_tails_are_believed() -> None:
    """Heavy tails without bounds count for 14 % more; light ones by their share of 29 degrees of freedom."""
    assert Studentized(29.0, 30, 0.0, 3.0, bounded=False).excess() == pytest.approx(3.42)
    assert Studentized(29.0, 30, 0.0, 3.0).excess() == 3
    assert Studentized(14.5, 30, 0.0, -1.2).excess() == pytest.approx(-0.6)
