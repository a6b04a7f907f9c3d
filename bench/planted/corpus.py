"""A data set of families with near duplicates planted in it, and what was found of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.planted import edits, families, fresh, later
from bench.planted.families import Family, Row

Part = Literal["tuning", "held_out", "fresh", "later"]
PARTS: dict[Part, tuple[Mapping[str, Family], tuple[str, ...]]] = {
    "tuning": (families.TUNING, edits.TUNING),
    "held_out": (families.HELD_OUT, edits.HELD_OUT),
    "fresh": (fresh.FAMILIES, tuple(fresh.EDITS)),
    "later": (later.FAMILIES, tuple(later.EDITS)),
}
"""Families and edits by part: parameters were chosen on `tuning` alone; see the page here."""


@dataclass
class Corpus:
    """Rows in random order; `origins` names the row that each says nearly the same as, `made_by` family and edit."""

    rows: list[Row] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    made_by: list[str] = field(default_factory=list)

    def planted(self) -> list[tuple[int, int]]:
        """The places of each planted row and its original, the lower first."""
        first = {origin: at for at, origin in enumerate(self.origins) if "+" not in self.made_by[at]}
        pairs = ((first[origin], at) for at, origin in enumerate(self.origins) if first[origin] != at)
        return [(min(pair), max(pair)) for pair in pairs]


def corpus(part: Part, size: int, seed: int, share: float = 0.15) -> Corpus:
    """So many rows of a part's families, about `share` of them planted near duplicates, one to three of a row."""
    draw = random.Random(f"{part} {size} {seed}")
    known, kinds = PARTS[part]
    made: list[tuple[Row, int, str]] = []
    seen: set[str] = set()
    origin = 0
    while len(made) < size:
        name = draw.choice(list(known))
        row = known[name](draw)
        if str(row.get("inputs", row.get("messages"))) in seen:
            continue
        seen.add(str(row.get("inputs", row.get("messages"))))
        made.append((row, origin, name))
        if draw.random() < share / 2:
            short = edits.words_of(row) < edits.SHORT
            for _ in range(draw.choice((1, 1, 1, 2, 2, 3))):
                kind = draw.choice([kind for kind in kinds if not short or kind in edits.GENTLE])
                made.append((edited(draw, row, kind), origin, f"{name}+{kind}"))
        origin += 1
    del made[size:]
    draw.shuffle(made)
    found = Corpus()
    for row, of, by in made:
        found.rows.append(row)
        found.origins.append(of)
        found.made_by.append(by)
    return found


def edited(draw: random.Random, row: Row, kind: str) -> Row:
    """The row after an edit of a kind, whichever part that belongs to."""
    return edits.edited(draw, row, kind, {**fresh.EDITS, **later.EDITS}.get(kind))


@dataclass(frozen=True)
class Score:
    """Planted rows found of those planted, and reported pairs that are right of those reported; misses by kind."""

    found: int
    planted: int
    right: int
    reported: int
    missed: dict[str, int]
    wrong: dict[str, int]


def score(corpus: Corpus, pairs: Sequence[tuple[int, int]], clusters: Sequence[Sequence[int]]) -> Score:
    """A planted row counts as found if it is in one cluster with its original."""
    cluster = {row: number for number, rows in enumerate(clusters) for row in rows}
    planted = corpus.planted()
    missed: Counter[str] = Counter()
    for one, other in planted:
        if one not in cluster or cluster[one] != cluster.get(other):
            missed["/".join(sorted((corpus.made_by[one], corpus.made_by[other]), key=len)[1:])] += 1
    wrong = Counter(
        f"{corpus.made_by[one]} ~ {corpus.made_by[other]}"
        for one, other in pairs
        if corpus.origins[one] != corpus.origins[other]
    )
    total = wrong.total()
    return Score(len(planted) - missed.total(), len(planted), len(pairs) - total, len(pairs), dict(missed), dict(wrong))
