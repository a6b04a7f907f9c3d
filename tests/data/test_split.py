"""Splits: what belongs together stays together, and a row keeps its side when others come."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.data.clusters import Clusters
from trimtab.data.split import split

HALVES = {"dev": 0.5, "test": 0.5}


def contents(count: int) -> list[bytes]:
    return [blake2b(str(number).encode(), digest_size=16).digest() for number in range(count)]


CLUSTERED = st.integers(1, 40).flatmap(
    lambda size: st.tuples(
        st.just(size),
        st.lists(st.lists(st.integers(0, size - 1), min_size=2, max_size=5), max_size=8),
        st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=size, max_size=size),
        st.lists(st.sampled_from(["x", "y"]), min_size=size, max_size=size) | st.none(),
        st.integers(-(2**63), 2**63 - 1),
    )
)


@given(CLUSTERED)
def test_what_belongs_together(drawn: tuple[int, list[list[int]], list[str | None], list[str] | None, int]) -> None:
    """Every row has a side; clusters, groups and what they chain together are on one; the same again gives the same."""
    size, clusters, groups, strata, seed = drawn
    sides = split(contents(size), clusters, HALVES, groups=groups, strata=strata, seed=seed)
    assert len(sides) == size
    assert set(sides) <= set(HALVES)
    for cluster in clusters:
        assert len({sides[place] for place in cluster}) == 1
    for group in ("a", "b", "c"):
        assert len({side for side, of in zip(sides, groups, strict=True) if of == group}) <= 1
    assert sides == split(contents(size), clusters, HALVES, groups=groups, strata=strata, seed=seed)


@given(CLUSTERED, st.integers(0, 30))
def test_sides_are_kept(drawn: tuple[int, list[list[int]], list[str | None], list[str] | None, int], more: int) -> None:
    """Rows that are added, and the order they all stand in, move no row whose cluster they leave alone."""
    size, clusters, groups, _, seed = drawn
    before = split(contents(size), clusters, HALVES, groups=groups, seed=seed)
    assert split(contents(size + more), clusters, HALVES, groups=[*groups, *[None] * more], seed=seed)[:size] == before
    mirrored = [[size - 1 - place for place in cluster] for cluster in clusters]
    other_way = split(contents(size)[::-1], mirrored, HALVES, groups=groups[::-1], seed=seed)
    assert other_way[::-1] == before


def test_shares() -> None:
    """Of 10,000 rows each side gets its share to within four standard errors; another seed shares out otherwise."""
    sides = split(contents(10_000), [], {"train": 0.7, "dev": 0.2, "test": 0.1})
    counts = Counter(sides)
    assert abs(counts["train"] - 7000) < 4 * 46
    assert abs(counts["dev"] - 2000) < 4 * 40
    assert split(contents(10_000), [], {"train": 0.7, "dev": 0.2, "test": 0.1}, seed=1) != sides


def test_strata() -> None:
    """Each stratum is shared out by itself, to within one row where nothing is clustered."""
    strata = ["rare"] * 10 + ["common"] * 90
    sides = split(contents(100), [], HALVES, strata=strata)
    assert 4 <= Counter(sides[:10])["dev"] <= 6
    assert 44 <= Counter(sides[10:])["dev"] <= 46


@pytest.mark.parametrize("sides", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": 1.0, "b": 0.0}])
def test_shares_that_are_none(sides: dict[str, float]) -> None:
    """Shares that do not add up to 1, or that give a side nothing, are refused."""
    with pytest.raises(ValueError, match="add up to 1"):
        split(contents(3), [], sides)


@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_clusters(size: int, joins: list[tuple[int, int]]) -> None:
    """Clusters are the connected parts of what was joined, each once, sorted."""
    joins = [(one, other) for one, other in joins if max(one, other) < size]
    joined = Clusters(size)
    for one, other in joins:
        joined.join(one, other)
    expected = {place: {place} for place in range(size)}
    for one, other in joins:
        if expected[one] is not expected[other]:
            expected[one] |= expected[other]
            for place in expected[one]:
                expected[place] = expected[one]
    assert [tuple(cluster) for cluster in joined.all()] == sorted({tuple(sorted(part)) for part in expected.values()})
