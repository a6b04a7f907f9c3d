"""The string kernel and its MMD against values made by hand."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.statistics.permutation import p_value
from trimtab.statistics.string_kernel import StringMmd, hamming_kernel


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("abcd", "abcd", 1.0),
        ("abcd", "abxd", 0.75),
        ("ab", "abcd", 0.5),
        ("", "", 1.0),
        ("", "abcd", 0.0),
        ("abcdefgh", "abcdxxxx", 1.0),
        ("a", "a", 1.0),
    ],
)
def test_the_kernel_counts_places_alike(one: str, other: str, share: float) -> None:
    """Of four places; the end of a shorter text is a place that only another end is like, what is longer is cut."""
    assert hamming_kernel(4)(one, other) == pytest.approx(share, abs=1e-12)


def test_mmd_by_hand() -> None:
    """Two texts each: k(x1,x2) = 1/2, k(y1,y2) = 1/2, across 0, 1/2, 1/2, 0: 1/2 + 1/2 - 2 * 1/4 = 1/2."""
    statistic = StringMmd([(["ab", "ax"], ["cx", "cb"])], hamming_kernel(2))
    assert statistic([(0, 1)]) == pytest.approx(0.5, abs=1e-12)


def test_mmd_of_one_source_may_be_negative() -> None:
    """It is unbiased: for "a", "b" on both sides it is 0 + 0 - 2 * 2/4 = -1."""
    statistic = StringMmd([(["a", "b"], ["a", "b"])], hamming_kernel(1))
    assert statistic([(0, 1)]) == pytest.approx(-1.0, abs=1e-12)


texts = st.lists(st.text("abc", max_size=4), min_size=2, max_size=5)


@given(texts, texts, st.randoms(use_true_random=False))
def test_any_split_is_the_sum_of_the_definition(tested: list[str], others: list[str], random: Random) -> None:
    """What is had from sums of rows is what Gretton et al. (2012), equation 3, sums up pair by pair."""
    kernel, pooled = hamming_kernel(4), [*tested, *others]
    chosen = random.sample(range(len(pooled)), len(tested))
    x = [pooled[place] for place in chosen]
    y = [text for place, text in enumerate(pooled) if place not in chosen]
    n, m = len(x), len(y)
    among = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    rest = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = sum(kernel(one, other) for one in x for other in y) / (n * m)
    found = StringMmd([(tested, others)], kernel)([chosen])
    assert found == pytest.approx(among + rest - 2 * across, abs=1e-9)


def test_other_texts_are_found() -> None:
    """Ten texts in other words than forty have the least p-value there is."""
    random = Random(3)
    locked = ["the " + random.choice(["cat", "dog", "cow"]) for _ in range(40)]
    tested = ["one " + random.choice(["cat", "dog", "cow"]) for _ in range(10)]
    assert p_value(StringMmd([(tested, locked)], hamming_kernel(16)), random) == pytest.approx(2e-4, abs=1e-12)


def test_one_text_is_too_few() -> None:
    """The unbiased estimate needs a pair on each side."""
    with pytest.raises(ValueError, match="at least two texts"):
        StringMmd([(["a"], ["a", "b"])], hamming_kernel(4))
