"""What of live traffic the cases of a task represent: how far each call is from the case nearest to it.

Here calls of one form count as alike, whatever fills it in: words weigh by their rarity itself, not its square, and
every number is the same word.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from trimtab.data.clusters import Clusters
from trimtab.data.minhash import Bands, Hasher
from trimtab.data.vocabulary import Vocabulary, Weighing, similarity
from trimtab.statistics.intervals import wilson

DIGITS: Final = re.compile(r"\d+")
ANY_NUMBER: Final = "0"
MOST_CLUSTERS: Final = 20
MOST_IN_BUCKET: Final = 200


class Likeness(Struct, frozen=True):
    """When a case represents a call: their weighted Jaccard similarity is at least `threshold`."""

    threshold: float = 0.4
    bands: Bands = Bands(24, 2)
    weighing: Weighing = Weighing(power=1.0, digits=1.0, alone=0.5)

    @property
    def told(self) -> dict[str, float | int]:
        """What a report says of how it looked."""
        return {
            "threshold": self.threshold,
            "permutations": self.bands.numbers,
            "bands": self.bands.bands,
            "recall_at_threshold": round(self.bands.recall(self.threshold), 4),
        }


LIKENESS: Final = Likeness()


class Uncovered(Struct, frozen=True):
    """Calls that no case represents and that are like each other: how many, and the one most of them are like."""

    calls: int
    share: float
    example: int
    nearest: float


class Coverage(Struct, frozen=True):
    """The share of calls that no case represents, with its 95 % interval (Wilson), and the clusters they make, largest
    first. `nearest` is the similarity of each call to its nearest case; `proposed` are places of calls to make cases.
    """

    calls: int
    uncovered: int
    share: float
    low: float
    high: float
    clusters: tuple[Uncovered, ...]
    proposed: tuple[int, ...]
    nearest: tuple[float, ...]


def coverage(
    cases: Sequence[Sequence[str]], calls: Sequence[Sequence[str]], propose: int = 0, likeness: Likeness = LIKENESS
) -> Coverage:
    """How well cases cover calls, both given as their words. Proposed is one call of each cluster, from the largest on,
    then a second of each, as far from the first as any.
    """
    vocabulary = Vocabulary()
    sets = [vocabulary.take(map(_general, words)) for words in (*cases, *calls)]
    weights = vocabulary.weights(likeness.weighing)
    hasher = Hasher(likeness.bands, vocabulary.words, weights)
    hasher.keep([number for number, df in enumerate(vocabulary.df) if df >= 3])
    keys = [hasher.keys(hasher.signature(words)) if words else [] for words in sets]
    first = len(cases)
    index: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place in range(first):
        for band in enumerate(keys[place]):
            index[band].append(place)
    nearest = [
        max((similarity(sets[place], sets[case], weights) for case in _met(keys[place], index)), default=0.0)
        for place in range(first, len(sets))
    ]
    open_calls = [place for place, near in enumerate(nearest) if near < likeness.threshold]
    clusters = _clusters([first + place for place in open_calls], sets, keys, weights, likeness.threshold)
    ranked = sorted(clusters, key=lambda places: (-len(places), places[0]))
    ordered = [_from_the_middle(places, sets, weights) for places in ranked]
    interval = wilson(len(open_calls), len(calls))
    return Coverage(
        calls=len(calls),
        uncovered=len(open_calls),
        share=len(open_calls) / len(calls) if calls else 0.0,
        low=interval.low,
        high=interval.high,
        clusters=tuple(
            Uncovered(len(places), len(places) / len(calls), order[0] - first, nearest[order[0] - first])
            for places, order in zip(ranked[:MOST_CLUSTERS], ordered, strict=False)
        ),
        proposed=tuple(place - first for place in _in_turn(ordered, propose)),
        nearest=tuple(round(near, 4) for near in nearest),
    )


def _general(word: str) -> str:
    return DIGITS.sub(ANY_NUMBER, word)


def _met(keys: Sequence[int], index: dict[tuple[int, int], list[int]]) -> set[int]:
    """The cases that agree with a call in a band, of a crowded one the first 200."""
    return {case for band in enumerate(keys) for case in index.get(band, ())[:MOST_IN_BUCKET]}


def _clusters(
    places: Sequence[int],
    sets: Sequence[array[int]],
    keys: Sequence[Sequence[int]],
    weights: Sequence[float],
    threshold: float,
) -> list[list[int]]:
    """Calls that are alike, by place; calls join by way of others."""
    joined = Clusters(len(places))
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for at, place in enumerate(places):
        for band in enumerate(keys[place]):
            buckets[band].append(at)
    for bucket in buckets.values():
        for number, one in enumerate(bucket[1:MOST_IN_BUCKET], 1):
            for other in bucket[max(0, number - 8) : number]:
                if joined.find(one) != joined.find(other):
                    alike = similarity(sets[places[one]], sets[places[other]], weights)
                    if alike >= threshold:
                        joined.join(one, other)
    return [[places[at] for at in cluster] for cluster in joined.all()]


def _from_the_middle(places: list[int], sets: Sequence[array[int]], weights: Sequence[float]) -> list[int]:
    """Some calls of a cluster: the one most like the others, then the one least like it, then the rest as they are."""
    shown = places[:40]
    if len(shown) < 3:
        return shown
    near = {one: sum(similarity(sets[one], sets[other], weights) for other in shown) for one in shown}
    middle = max(shown, key=lambda one: (near[one], -one))
    far = min((one for one in shown if one != middle), key=lambda one: similarity(sets[one], sets[middle], weights))
    return [middle, far, *(one for one in shown if one not in {middle, far})]


def _in_turn(ordered: Sequence[Sequence[int]], most: int) -> Iterator[int]:
    given = 0
    for turn in range(max(map(len, ordered), default=0)):
        for places in ordered:
            if given == most:
                return
            if turn < len(places):
                given += 1
                yield places[turn]
