"""The corpora: answers with the verdict they deserve, made from seeds, and what the tiny models wrote.

Every answer belongs to a family. A third of the families, by a hash of their name, takes no part in tuning at all; of
the others a half, by a hash of the answer's number, does. The second families were made later and then tuned on; the
fresh ones were made when the detector was finished.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.repetition import degenerate, fresh, legitimate_code, legitimate_data, legitimate_prose, second

Part = Literal["tuning", "held_out_half", "held_out_family", "fresh_family"]
DATA = Path(__file__).parent / "data" / "models.jsonl.xz"
LEGITIMATE: dict[str, Callable[[random.Random], str]] = {
    **legitimate_prose.FAMILIES,
    **legitimate_code.FAMILIES,
    **legitimate_data.FAMILIES,
}
LATER = {**second.LEGITIMATE, **fresh.LEGITIMATE}
DEGENERATE = {**degenerate.FAMILIES, **second.DEGENERATE, **fresh.DEGENERATE}
SECOND = {*second.LEGITIMATE, *second.DEGENERATE}
FRESH = {*fresh.LEGITIMATE, *fresh.DEGENERATE}
A_FAMILY = {"legitimate": 16, "degenerate": 28}
LEAST_CHARACTERS = 1_200


@dataclass(frozen=True)
class Answer:
    """One answer. `onset` is where repetition begins, in characters, -1 where unknown or never."""

    family: str
    number: int
    degenerate: bool
    text: str
    onset: int = -1

    @property
    def part(self) -> Part:
        """What this answer may be used for."""
        name = self.family.partition(".")[2]
        if name in FRESH:
            return "fresh_family"
        if name in SECOND:
            return "tuning"
        if _hash(self.family) % 3 == 0:
            return "held_out_family"
        return "tuning" if _hash(f"{self.family}/{self.number}") % 2 == 0 else "held_out_half"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2s(text.encode()).digest()[:4], "big")


def legitimate(family: str, number: int, seed: int = 1) -> Answer:
    """One answer that nobody would call degenerate."""
    draw = random.Random(f"{seed}/legitimate/{family}/{number}")
    make = LEGITIMATE.get(family) or LATER[family]
    text = make(draw)
    while len(text) < LEAST_CHARACTERS:
        text += "\n\n" + make(draw)
    return Answer(f"legitimate.{family}", number, False, text)


def degenerated(family: str, number: int, seed: int = 1) -> Answer:
    """One answer that makes sense for up to 3,000 characters, seldom none, and then degenerates."""
    draw = random.Random(f"{seed}/degenerate/{family}/{number}")
    start = "" if draw.random() < 0.1 else LEGITIMATE[draw.choice(list(LEGITIMATE))](draw)
    start = start[: draw.randint(0, 3_000)]
    return Answer(f"degenerate.{family}", number, True, start + DEGENERATE[family](draw), len(start))


def generated(seed: int = 1) -> Iterator[Answer]:
    """All answers made by generators."""
    for family in (*LEGITIMATE, *LATER):
        for number in range(A_FAMILY["legitimate"]):
            yield legitimate(family, number, seed)
    for family in DEGENERATE:
        for number in range(A_FAMILY["degenerate"]):
            yield degenerated(family, number, seed)


def written_by_models() -> Iterator[Answer]:
    """What the tiny models wrote, as kept in `data`."""
    for number, line in enumerate(lzma.decompress(DATA.read_bytes()).decode().splitlines()):
        kept = json.loads(line)
        yield Answer(kept["family"], number, kept["degenerate"], kept["text"])


def answers(seed: int = 1) -> list[Answer]:
    """The whole corpus."""
    return [*generated(seed), *written_by_models()]
