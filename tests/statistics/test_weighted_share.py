"""Shares from units that were drawn with unequal probabilities, against published tables and by hand."""

from __future__ import annotations

import random

import pytest
from scipy.stats import beta

from trimtab.statistics.weighted_share import weighted_share


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (1, 12), (3, 40), (40, 40)])
def test_units_drawn_alike_have_the_exact_interval(hits: int, trials: int) -> None:
    """Clopper and Pearson's interval by scipy's beta distribution, whatever the probability."""
    found = weighted_share([(at < hits, 0.1) for at in range(trials)])
    assert found is not None
    assert found.value == pytest.approx(hits / trials)
    assert found.effective == pytest.approx(trials)
    assert found.low == pytest.approx(beta.ppf(0.025, hits, trials - hits + 1) if hits else 0.0, abs=1e-9)
    assert found.high == pytest.approx(beta.ppf(0.975, hits + 1, trials - hits) if hits < trials else 1.0, abs=1e-9)


def test_units_that_were_drawn_rarely_weigh_more() -> None:
    """One hit of probability 1/10 and nine misses of 1/2: 10 of 28 by weight. The variance of that is
    (100 * (18/28)^2 + 9 * 4 * (10/28)^2) / 28^2, which 3.92 units of one weight have.
    """
    found = weighted_share([(True, 0.1), *[(False, 0.5)] * 9])
    assert found is not None
    assert found.value == pytest.approx(10 / 28)
    variance = (100 * (18 / 28) ** 2 + 36 * (10 / 28) ** 2) / 28**2
    assert found.effective == pytest.approx((10 / 28) * (18 / 28) / variance)
    assert found.low < 10 / 28 < found.high


def test_no_more_units_tell_than_the_weights_let() -> None:
    """One hit of probability 1/10 and two misses of 1/2: 14 * 14 / 108 units by the weights alone, which is less."""
    found = weighted_share([(True, 0.1), (False, 0.5), (False, 0.5)])
    assert found is not None
    assert found.effective == pytest.approx(196 / 108)


def test_nothing_tells_nothing() -> None:
    """Without units there is no share."""
    assert weighted_share([]) is None


@pytest.mark.parametrize("drawn", [0.0, -0.1, 1.5])
def test_no_probability(drawn: float) -> None:
    """What no unit can be drawn with is refused."""
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        weighted_share([(True, drawn)])


def test_the_interval_holds_when_the_share_that_is_sampled_changes() -> None:
    """Half of the time ten in a hundred are drawn, half of the time half, and faults are commoner in the first time:
    the interval has the true share in at least 95 of 100 cases, where counting alone misses it.
    """
    draw = random.Random(7)
    held, counted_low = 0, 0
    for _ in range(300):
        population = [(draw.random() < 0.3, 0.1) for _ in range(500)]
        population += [(draw.random() < 0.05, 0.5) for _ in range(500)]
        truth = sum(has for has, _ in population) / len(population)
        found = weighted_share([unit for unit in population if draw.random() < unit[1]])
        assert found is not None
        held += found.low <= truth <= found.high
        drawn = [unit for unit in population if draw.random() < unit[1]]
        counted_low += sum(has for has, _ in drawn) / len(drawn) < truth
    assert held >= 285
    assert counted_low > 285
