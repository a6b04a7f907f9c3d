"""A rough sketch of a text: one of 64 buckets, in which texts alike in their letters fall together.

Random hyperplanes (Charikar, STOC 2002) over the set of a text's character 3-grams: each of six planes has the text on
one of its sides. The planes are fixed, so that buckets can be compared over time and between hosts; another rule would
need another name for the field.
"""

from __future__ import annotations

import re
from operator import mul
from typing import Final
from zlib import crc32

PLANES: Final = 6
BUCKETS: Final = 1 << PLANES
MAX_CHARACTERS: Final = 2000
"""Of a text; what follows is passed over."""
_SEED: Final = 20_261_126
_MIXER: Final = 0x9E3779B1
"""Of Knuth's multiplicative hashing: the low bits of a CRC are linear in the text's, the high ones of this are not."""
_SIGNS: Final = tuple(tuple(1 if side >> plane & 1 else -1 for side in range(BUCKETS)) for plane in range(PLANES))
_DIGITS: Final = re.compile(r"[0-9]+")
_SPACES: Final = re.compile(r"\s+")


def sketch(text: str) -> str:
    """The bucket of a text, two hexadecimal digits from 00 to 3f; "" for one of fewer than three characters.

    Case, spaces and the digits of numbers do not count, nor how often a 3-gram comes.
    """
    folded = _SPACES.sub(" ", _DIGITS.sub("0", text[:MAX_CHARACTERS].casefold())).strip()
    grams = {folded[at : at + 3] for at in range(len(folded) - 2)}
    if not grams:
        return ""
    counts = [0] * BUCKETS
    for gram in grams:
        counts[(crc32(gram.encode("utf-8", "replace"), _SEED) * _MIXER >> 26) & (BUCKETS - 1)] += 1
    bucket = 0
    for plane, signs in enumerate(_SIGNS):
        bucket |= (sum(map(mul, counts, signs)) > 0) << plane
    return f"{bucket:02x}"
