"""Agreement against statsmodels and a published table."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from trimtab.statistics.agreement import Measure, cohen_kappa, krippendorff_alpha

RATINGS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)


@pytest.mark.parametrize(("right", "of"), [(0.7, 80), (0.2, 40), (1.0, 30)])
def test_kappa_is_that_of_statsmodels(right: float, of: int) -> None:
    """The value and its interval, to 1e-9."""
    random = Random(1)
    pairs = [
        (one, one if random.random() < right else random.randrange(3)) for one in (place % 3 for place in range(of))
    ]
    table = np.zeros((3, 3))
    for one, other in pairs:
        table[one, other] += 1
    expected = cohens_kappa(table)
    found = cohen_kappa(pairs)
    assert found.value == pytest.approx(float(expected.kappa), abs=1e-9)
    assert found.low == pytest.approx(float(expected.kappa_low), abs=1e-9)
    assert found.high == pytest.approx(min(1.0, float(expected.kappa_upp)), abs=1e-9)


@pytest.mark.parametrize(("measure", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_the_published_one(measure: Measure, alpha: float) -> None:
    """Four observers and twelve units: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011)."""
    columns = zip(*(row.split() for row in RATINGS), strict=True)
    found = krippendorff_alpha([[float(one) for one in column if one != "."] for column in columns], measure)
    assert found.value == pytest.approx(alpha, abs=5e-4)
    assert found.low < alpha < found.high
    assert found.units == 11


def test_raters_who_always_say_the_same_tell_nothing() -> None:
    """Chance would agree too."""
    assert math.isnan(cohen_kappa([("yes", "yes")] * 5).value)
    assert math.isnan(krippendorff_alpha([["yes", "yes"]] * 5).value)


def test_no_ratings_are_an_error() -> None:
    """Each says what to do."""
    with pytest.raises(ValueError, match="both raters"):
        cohen_kappa([])
    with pytest.raises(ValueError, match="second reviewer"):
        krippendorff_alpha([["yes"], ["no"]])
