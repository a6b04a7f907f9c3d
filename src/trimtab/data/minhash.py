"""MinHash with banding, over sets whose elements have weights.

The k-th number of a signature is the least of the set's elements' exponential variates, each with its element's weight
as rate. Two sets have the same k-th number with probability weight(both) / weight(either): their weighted Jaccard
similarity, since all share the variates (A. Z. Broder, "On the resemblance and containment of documents", 1997; for
weights R. Moulton and Y. Jiang, "Maximally consistent sampling and the Jaccard index of probability distributions",
2018). Signatures are cut into bands; sets that agree in a whole band are candidates (A. Rajaraman and J. Ullman,
"Mining of massive datasets", section 3.4).
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence
from functools import cache
from hashlib import shake_128
from typing import Final

from msgspec import Struct

STEPS: Final = 1 << 16
UNLIKE: Final = 2.0**-44
"""By so little, times a number of its own, an element's variates differ from others' of the same step."""


class Bands(Struct, frozen=True):
    """A signature of `bands` times `rows` numbers: a candidate agrees in all rows of one band at least."""

    bands: int = 16
    rows: int = 3

    @property
    def numbers(self) -> int:
        """How long a signature is."""
        return self.bands * self.rows

    def recall(self, similarity: float) -> float:
        """The share of pairs of this similarity that become candidates."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands


class Hasher:
    """Makes signatures. `texts` and `weights` (over 0) are those of the elements, which are named by their places."""

    def __init__(self, bands: Bands, texts: Sequence[str], weights: Sequence[float], seed: int = 0) -> None:
        self.bands = bands
        self._texts = texts
        self._weights = weights
        self._seed = seed.to_bytes(8, "little", signed=True)
        self._unpack = struct.Struct(f"<I{bands.numbers}H").unpack
        self._kept: dict[int, array[float]] = {}

    def keep(self, elements: Sequence[int]) -> None:
        """Elements that are in many sets: their variates are kept, 8 bytes for each number of a signature."""
        for element in elements:
            self._kept[element] = array("d", self._variates(element))

    def signature(self, elements: Sequence[int]) -> list[float]:
        """The signature of a set that is not empty."""
        kept, made = self._kept, self._variates
        vectors = [kept[element] if element in kept else made(element) for element in elements]
        return list(map(min, *vectors)) if len(vectors) > 1 else list(vectors[0])

    def keys(self, signature: Sequence[float]) -> list[int]:
        """The 64-bit keys of the signature's bands."""
        rows = self.bands.rows
        return [hash(tuple(signature[start : start + rows])) for start in range(0, self.bands.numbers, rows)]

    def _variates(self, element: int) -> list[float]:
        text = self._seed + self._texts[element].encode()
        own, *drawn = self._unpack(shake_128(text).digest(4 + 2 * self.bands.numbers))
        exponential, scale = _exponentials(), (1.0 + own * UNLIKE) / self._weights[element]
        return [exponential[step] * scale for step in drawn]


def estimate(one: Sequence[float], other: Sequence[float]) -> float:
    """The share of numbers in which two signatures agree: an unbiased estimate of the weighted Jaccard similarity."""
    return sum(map(float.__eq__, one, other)) / len(one)


@cache
def _exponentials() -> tuple[float, ...]:
    """The exponential distribution's quantiles at 65,536 steps."""
    return tuple(-math.log((step + 0.5) / STEPS) for step in range(STEPS))
