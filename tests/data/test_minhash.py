"""MinHash: signatures agree as often as sets are alike, weighted or not, and bands find what they promise."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.data.minhash import Bands, Hasher, estimate

TEXTS = [f"w{number}" for number in range(400)]


@pytest.mark.parametrize(
    ("both", "one", "other", "weight", "expected"),
    [
        (10, 10, 10, 1.0, 10 / 30),
        (30, 10, 0, 1.0, 30 / 40),
        (1, 0, 0, 1.0, 1.0),
        (0, 20, 20, 1.0, 0.0),
        (10, 10, 10, 5.0, 50 / 70),
        (10, 10, 10, 0.2, 2 / 22),
    ],
)
def test_estimate_is_unbiased(both: int, one: int, other: int, weight: float, expected: float) -> None:
    """The mean over 300 seeds is the similarity to within 4 standard errors; what both have weighs `weight`, else 1."""
    weights = [weight] * both + [1.0] * (400 - both)
    mine = list(range(both + one))
    theirs = [*range(both), *range(both + one, both + one + other)]
    bands = Bands(16, 3)
    found = []
    for seed in range(300):
        hasher = Hasher(bands, TEXTS, weights, seed)
        found.append(estimate(hasher.signature(mine), hasher.signature(theirs)))
    error = math.sqrt(expected * (1 - expected) / (300 * bands.numbers))
    assert abs(fmean(found) - expected) <= 4 * error + 1e-9


def test_bands_keep_their_promise() -> None:
    """Of 400 pairs of similarity 1/2 the share that meets in a band is the curve's, to within 4 standard errors."""
    bands = Bands(4, 3)
    expected = 1 - (1 - 0.5**3) ** 4
    assert bands.recall(0.5) == pytest.approx(expected)
    met = 0
    for seed in range(400):
        hasher = Hasher(bands, TEXTS, [1.0] * 400, seed)
        keys = (hasher.keys(hasher.signature(words)) for words in (range(30), range(10, 40)))
        met += any(one == other for one, other in zip(*keys, strict=True))
    assert abs(met / 400 - expected) <= 4 * math.sqrt(expected * (1 - expected) / 400)


@given(st.sets(st.integers(0, 399), min_size=1), st.integers(-(2**63), 2**63 - 1), st.randoms(use_true_random=False))
def test_signatures_do_not_depend_on_order(words: set[int], seed: int, draw: random.Random) -> None:
    """A set has one signature, in whatever order its elements come and whether or not their variates are kept."""
    one, other = (Hasher(Bands(4, 2), TEXTS, [1.0] * 400, seed) for _ in range(2))
    other.keep(list(words)[::2])
    shuffled = list(words)
    draw.shuffle(shuffled)
    assert one.signature(sorted(words)) == other.signature(shuffled)
    assert len(one.keys(one.signature(shuffled))) == 4
