"""Cases that somebody has already seen: rows of training sets and examples in prompts that contain them.

A case counts as seen where a reference holds at least a share of the weight of its words, and a share of its
neighbouring words side by side: a long text has many words of a short one by chance, but not their order. The search is
exact: of a case's words, taken from the rarest, those are looked up of which a reference must have one (prefix
filtering: S. Chaudhuri, V. Ganti and R. Kaushik, "A primitive operator for similarity joins in data cleaning", ICDE
2006).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from msgspec import Struct

from trimtab.data.bags import Bags
from trimtab.data.vocabulary import UNKNOWN, Weighing

MOST_CANDIDATES: Final = 2_000
"""Cases that one reference is compared with: first those that share a word with it which few cases have."""
MOST_COMPARED: Final = 10_000_000
FEW_CANDIDATES: Final = 20
"""The same after so many comparisons."""
WINDOW: Final = 400
"""Words of a long reference that are looked at together; the next window begins half of it further on."""


class Containment(Struct, frozen=True):
    """When a reference contains a case: it has `threshold` of the weight of its words, `order` of its word pairs.

    A case of fewer than `words` words is only found where a reference has the same words and no others.
    """

    threshold: float = 0.78
    order: float = 0.4
    weighing: Weighing = Weighing()
    words: int = 4


CONTAINMENT: Final = Containment()


class Seen(NamedTuple):
    """A case and the reference that contains it, by their places, and the share of the case's weight found there."""

    case: int
    reference: int
    share: float


class Contamination:
    """Holds cases, which are not changed; references are taken one by one, and looked at once all are known.

    `partly` counts references that met more cases than they were compared with.
    """

    def __init__(self, cases: Bags, containment: Containment = CONTAINMENT) -> None:
        self._containment = containment
        self._cases = cases
        self._held: list[tuple[int, array[int]]] = []
        self._short: dict[bytes, list[int]] = defaultdict(list)
        self._equal: list[Seen] = []
        self.partly = 0
        self._compared = 0
        for place, own in enumerate(cases.sets):
            if 0 < len(own) < containment.words:
                self._short[own.tobytes()].append(place)

    def __repr__(self) -> str:
        return f"Contamination({len(self._cases.sets)} cases, {len(self._held)} references)"

    def take(self, reference: int, words: Sequence[str]) -> None:
        """Takes in one reference, of any length, under a number; of its words only those of cases are kept."""
        step = WINDOW // 2
        for start in range(0, max(1, len(words) - step), step):
            part = words[start : start + WINDOW] if len(words) > WINDOW else words
            order = self._cases.vocabulary.order(part)
            if any(word != UNKNOWN for word in order):
                self._held.append((reference, order))
                words_in = set(order)
                if len(words_in) < self._containment.words and UNKNOWN not in words_in:
                    same = array("L", sorted(words_in)).tobytes()
                    self._equal += [Seen(case, reference, 1.0) for case in self._short.get(same, ())]
            if len(words) <= WINDOW:
                break

    def seen(self) -> list[Seen]:
        """For each case that a reference contains, the one that holds most of it, in the order of cases."""
        vocabulary, sets = self._cases.vocabulary, self._cases.sets
        df = array("L", vocabulary.df)
        for _, order in self._held:
            for word in set(order) - {UNKNOWN}:
                df[word] += 1
        weights = vocabulary.weights(self._containment.weighing, df, vocabulary.rows + len(self._held))
        totals = [sum([weights[word] for word in words]) for words in sets]
        index = self._index(df, weights, totals)
        best = {found.case: found for found in reversed(self._equal)}
        for reference, order in self._held:
            holds = set(order)
            pairs: set[tuple[int, int]] = set()
            for case in self._candidates(holds, index):
                share = sum([weights[word] for word in sets[case] if word in holds]) / totals[case]
                if share < self._containment.threshold or (case in best and best[case].share >= share):
                    continue
                pairs = pairs or set(pairwise(order))
                if self._in_order(case, pairs):
                    best[case] = Seen(case, reference, min(1.0, share))
        return [
            Seen(case, best[first].reference, best[first].share)
            for case, first in enumerate(self._first())
            if first in best
        ]

    def _first(self) -> list[int]:
        """For each case the first one with the same words in the same order; only that one is looked for."""
        known: dict[bytes, int] = {}
        return [known.setdefault(order.tobytes(), place) for place, order in enumerate(self._cases.orders)]

    def _candidates(self, holds: set[int], index: dict[int, list[int]]) -> set[int]:
        """The cases that a reference may contain, by the words that the fewest cases are looked up by."""
        most = MOST_CANDIDATES if self._compared < MOST_COMPARED else FEW_CANDIDATES
        met: set[int] = set()
        for places in sorted((index[word] for word in holds if word in index), key=len):
            met.update(places[: most - len(met) + 1])
            if len(met) > most:
                self.partly += 1
                break
        self._compared += len(met)
        return met

    def _in_order(self, case: int, pairs: set[tuple[int, int]]) -> bool:
        """Whether enough of a case's word pairs are among those of a reference."""
        own = self._cases.pairs(case)
        return len(own & pairs) >= self._containment.order * self._cases.inner(case, len(own))

    def _index(self, df: Sequence[int], weights: Sequence[float], totals: Sequence[float]) -> dict[int, list[int]]:
        """The cases by each word of which a reference that contains them must have one."""
        index: dict[int, list[int]] = defaultdict(list)
        first = self._first()
        for place, words in enumerate(self._cases.sets):
            if len(words) < self._containment.words or first[place] != place:
                continue
            spare = (1.0 - self._containment.threshold) * totals[place]
            for word in sorted(words, key=lambda word: (df[word], -weights[word])):
                index[word].append(place)
                spare -= weights[word]
                if spare < 0:
                    break
        return index
