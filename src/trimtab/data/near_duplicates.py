"""Rows that say nearly the same: candidates by MinHash in bands, each verified by its exact similarity."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from msgspec import Struct

from trimtab.data.bags import Bags
from trimtab.data.clusters import Clusters
from trimtab.data.minhash import Bands, Hasher
from trimtab.data.vocabulary import Weighing

KEPT_FROM: Final = 4
"""Words of so many rows have their variates kept."""
MOST_KEPT: Final = 400_000
MOST_IN_BUCKET: Final = 400
"""Of a bucket with more rows, each is compared with its next neighbours alone."""
NEIGHBOURS: Final = 40
REMEMBERED: Final = 500_000
"""Pairs that were found different and are not compared again when they meet in another band."""
MOST_COMPARED: Final = 5_000_000
"""After so many comparisons a row is compared with its next two neighbours in each bucket alone."""
FEW_NEIGHBOURS: Final = 2


class Nearness(Struct, frozen=True):
    """When two rows are near duplicates: their weighted Jaccard similarity is at least `threshold`, and of the pairs of
    neighbouring words of the one with fewer, at least a share `order` are in the other too. Where a language or a trade
    has few words, the words of one row are those of many others, but not in their order.

    A row of fewer than `words` words is compared for equality alone.
    """

    threshold: float = 0.6
    bands: Bands = Bands()
    weighing: Weighing = Weighing()
    words: int = 4
    order: float = 0.3

    @property
    def told(self) -> dict[str, float | int | str]:
        """What a report says of how it looked."""
        return {
            "elements": "words, weighted by rarity",
            "permutations": self.bands.numbers,
            "bands": self.bands.bands,
            "rows_per_band": self.bands.rows,
            "threshold": self.threshold,
            "recall_at_threshold": round(self.bands.recall(self.threshold), 4),
        }


NEARNESS: Final = Nearness()


class Pair(NamedTuple):
    """Two rows, by their places, the lower first, and how similar they are (0 to 1)."""

    one: int
    other: int
    similarity: float


class Found(NamedTuple):
    """Pairs that were verified, and the clusters they make; `partly` counts buckets too large to be looked at whole.

    Of a cluster not every pair is verified: once two rows are joined by way of others they are not compared.
    """

    pairs: list[Pair]
    clusters: list[list[int]]
    partly: int


def near_duplicates(rows: Iterable[Sequence[str]], nearness: Nearness = NEARNESS) -> Found:
    """The near duplicates among rows given as their words; equal rows are joined too."""
    return among(Bags.of(rows), nearness)


def among(bags: Bags, nearness: Nearness = NEARNESS) -> Found:
    """The near duplicates among rows that were taken in."""
    vocabulary, sets = bags.vocabulary, bags.sets
    weights = vocabulary.weights(nearness.weighing)
    hasher = Hasher(nearness.bands, vocabulary.words, weights)
    often = [number for number, df in enumerate(vocabulary.df) if df >= KEPT_FROM]
    if len(often) > MOST_KEPT:
        often = sorted(often, key=lambda number: -vocabulary.df[number])[:MOST_KEPT]
    hasher.keep(often)
    clusters, pairs = Clusters(len(sets)), []
    places = []
    for same in _equal(sets).values():
        places.append(same[0])
        for other in same[1:]:
            clusters.join(same[0], other)
            pairs.append(Pair(same[0], other, 1.0))
    compared = [place for place in places if len(sets[place]) >= nearness.words]
    verifier = _Verifier(bags, weights, nearness, clusters, pairs)
    partly = sum(map(verifier.look, _buckets(compared, sets, hasher)))
    pairs.sort()
    return Found(pairs, clusters.all(2), partly)


def _equal(sets: Sequence[array[int]]) -> dict[bytes, list[int]]:
    """The rows with the same words."""
    found: dict[bytes, list[int]] = {}
    for place, words in enumerate(sets):
        if words:
            found.setdefault(words.tobytes(), []).append(place)
    return found


def _buckets(places: Sequence[int], sets: Sequence[array[int]], hasher: Hasher) -> Iterator[list[int]]:
    """The groups of rows that agree in a band, band by band."""
    columns = [array("q") for _ in range(hasher.bands.bands)]
    for place in places:
        for column, key in zip(columns, hasher.keys(hasher.signature(sets[place])), strict=True):
            column.append(key)
    for column in columns:
        buckets: dict[int, list[int]] = {}
        for place, key in zip(places, column, strict=True):
            buckets.setdefault(key, []).append(place)
        yield from (bucket for bucket in buckets.values() if len(bucket) > 1)


class _Verifier:
    def __init__(
        self, bags: Bags, weights: Sequence[float], nearness: Nearness, clusters: Clusters, pairs: list[Pair]
    ) -> None:
        self._bags = bags
        self._sets = bags.sets
        self._weights = weights
        self._totals = [sum(weights[word] for word in words) for words in bags.sets]
        self._threshold = nearness.threshold
        self._order = nearness.order
        self._clusters = clusters
        self._pairs = pairs
        self._apart: set[int] = set()
        self._comparisons = 0

    def look(self, bucket: list[int]) -> bool:
        """Compares the rows of a bucket; whether it was too large to compare each with each."""
        for one, other in self._chosen(bucket):
            pair = one << 32 | other
            if pair in self._apart or self._clusters.find(one) == self._clusters.find(other):
                continue
            self._comparisons += 1
            similarity = self._similarity(one, other)
            if similarity >= self._threshold and self._in_order(one, other):
                self._clusters.join(one, other)
                self._pairs.append(Pair(one, other, similarity))
            elif len(self._apart) < REMEMBERED:
                self._apart.add(pair)
        return len(bucket) > self._whole()

    def _chosen(self, bucket: list[int]) -> Iterator[tuple[int, int]]:
        if len(bucket) <= self._whole():
            return combinations(bucket, 2)
        near = NEIGHBOURS if self._comparisons < MOST_COMPARED else FEW_NEIGHBOURS
        return ((one, other) for at, one in enumerate(bucket) for other in bucket[at + 1 : at + 1 + near])

    def _whole(self) -> int:
        """How large a bucket may be for each of its rows to be compared with each."""
        return MOST_IN_BUCKET if self._comparisons < MOST_COMPARED else FEW_NEIGHBOURS + 1

    def _similarity(self, one: int, other: int) -> float:
        weights, totals = self._weights, self._totals
        least, most = sorted((totals[one], totals[other]))
        if least < self._threshold * most:
            return 0.0
        both = sum([weights[word] for word in set(self._sets[one]).intersection(self._sets[other])])
        return both / (least + most - both)

    def _in_order(self, one: int, other: int) -> bool:
        bags = self._bags
        mine, theirs = bags.pairs(one), bags.pairs(other)
        least = self._order * min(bags.inner(one, len(mine)), bags.inner(other, len(theirs)))
        return len(mine & theirs) >= least
