"""The corpora: answers with the verdict they deserve, made from seeds, and what the tiny models wrote.

Every answer belongs to a family. A third of the families, by a hash of their name, takes no part in tuning at all; of
the others a half, by a hash of the answer's number, does.
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

from bench.repetition import degenerate, legitimate_code, legitimate_data, legitimate_prose

Part = Literal["tuning", "held_out_half", "held_out_family"]
DATA = Path(__file__).parent / "data" / "models.jsonl.xz"
LEGITIMATE: dict[str, Callable[[random.Random], str]] = {
    **legitimate_prose.FAMILIES,
    **legitimate_code.FAMILIES,
    **legitimate_data.FAMILIES,
}
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
        if _hash(self.family) % 3 == 0:
            return "held_out_family"
        return "tuning" if _hash(f"{self.family}/{self.number}") % 2 == 0 else "held_out_half"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2s(text.encode()).digest()[:4], "big")


def legitimate(family: str, number: int, seed: int = 1) -> Answer:
    """One answer that nobody would call degenerate."""
    draw = random.Random(f"{seed}/legitimate/{family}/{number}")
    text = LEGITIMATE[family](draw)
    while len(text) < LEAST_CHARACTERS:
        text += "\n\n" + LEGITIMATE[family](draw)
    return Answer(f"legitimate.{family}", number, False, text)


def degenerated(family: str, number: int, seed: int = 1) -> Answer:
    """One answer that makes sense for up to 3,000 characters, seldom none, and then degenerates."""
    draw = random.Random(f"{seed}/degenerate/{family}/{number}")
    start = "" if draw.random() < 0.1 else LEGITIMATE[draw.choice(list(LEGITIMATE))](draw)
    start = start[: draw.randint(0, 3_000)]
    return Answer(f"degenerate.{family}", number, True, start + degenerate.FAMILIES[family](draw), len(start))


def generated(seed: int = 1, share: float = 1.0) -> Iterator[Answer]:
    """All answers made by generators; `share` of each family."""
    for family in LEGITIMATE:
        for number in range(max(1, round(A_FAMILY["legitimate"] * share))):
            yield legitimate(family, number, seed)
    for family in degenerate.FAMILIES:
        for number in range(max(1, round(A_FAMILY["degenerate"] * share))):
            yield degenerated(family, number, seed)


def written_by_models() -> Iterator[Answer]:
    """What the tiny models wrote, as kept in `data`."""
    for number, line in enumerate(lzma.decompress(DATA.read_bytes()).decode().splitlines()):
        kept = json.loads(line)
        yield Answer(kept["family"], number, kept["degenerate"], kept["text"])


def answers(seed: int = 1) -> list[Answer]:
    """The whole corpus."""
    return [*generated(seed), *written_by_models()]
