"""Comparisons in which answers hardly vary, against what the test says of them."""

from __future__ import annotations

from random import Random

import pytest

from trimtab.statistics import ties
from trimtab.statistics.clustered import Observation
from trimtab.statistics.paired import paired_test
from trimtab.statistics.power import cases_needed


def right(cases: int, samples: int) -> list[Observation]:
    return [Observation(str(place), str(place), (1.0,) * samples) for place in range(cases)]


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("margin", [0.02, 0.05])
def test_so_many_and_no_fewer(margin: float, samples: int) -> None:
    """The test of so many cases of which none differs keeps the margin at 5 %, and of one fewer does not."""
    needed = ties.cases_needed(margin, samples)
    assert needed is not None
    enough, few = right(needed, samples), right(needed - 1, samples)
    assert paired_test(enough, enough).above(-margin) <= 0.05 < paired_test(few, few).above(-margin)


def test_groups_are_what_counts() -> None:
    """Five cases to a group take five times the cases; no number of them shows a distance of nothing."""
    alone, fives = (ties.cases_needed(0.05, 3, cases_per_group=each) for each in (1, 5))
    assert alone is not None and fives == 5 * alone
    assert ties.cases_needed(0.0, 3) is None
    assert ties.cases_needed(1e-5, 3) is None


def test_a_drop_is_seen_as_often_as_announced() -> None:
    """Cases that turn from always right to always wrong, planned for 80 %: seen within 3 points and Monte Carlo's."""
    random, margin, drop = Random(7), 0.05, 0.1
    needed = cases_needed(ties.spread_of_drop(drop, 3).mirrored(), 3, drop - margin)
    assert needed is not None
    base = right(needed, 3)
    seen = 0
    for _ in range(600):
        turned = [one._replace(values=(0.0,) * 3) if random.random() < drop else one for one in base]
        seen += paired_test(base, turned).below(-margin) <= 0.05
    assert abs(seen / 600 - 0.8) <= 0.03 + 2 * (0.8 * 0.2 / 600) ** 0.5
