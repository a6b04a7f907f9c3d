"""Cases, and a training set in another form in which some of them stand, edited."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from bench.planted import edits
from bench.planted.corpus import PARTS, Part, corpus, edited
from bench.planted.families import Row


@dataclass(frozen=True)
class Seen:
    """`of` tells for each row of `training` the place of the case that stands in it, None for none; `made_by` how."""

    cases: list[Row]
    training: list[Row]
    of: list[int | None]
    made_by: dict[int, str]


def seen(part: Part, cases: int, others: int, seed: int, share: float = 0.1) -> Seen:
    """So many cases of a part's families, a share of them in a training set among so many other rows."""
    draw = random.Random(f"seen {part} {cases} {seed}")
    tried = corpus(part, cases, seed + 1000, share=0.0)
    made: list[tuple[Row, int | None]] = [(row, None) for row in corpus(part, others, seed + 2000, share=0.0).rows]
    made_by = {}
    for place, row in enumerate(tried.rows):
        if draw.random() < share:
            short = edits.words_of(row) < edits.SHORT
            kind = draw.choice([kind for kind in PARTS[part][1] if not short or kind in edits.GENTLE])
            made.append((edited(draw, row, kind), place))
            made_by[place] = f"{tried.made_by[place]}+{kind}"
    draw.shuffle(made)
    return Seen(tried.rows, [as_chat(row) for row, _ in made], [of for _, of in made], made_by)


def as_chat(row: Row) -> Row:
    """A row as a model is trained on it: its inputs as one text among others, with an answer."""
    given = row.get("inputs") or [one["content"] for one in row["messages"] if one["role"] != "system"]
    return {
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": f"Please answer this. {_flat(given)}"},
            {"role": "assistant", "content": "Certainly, here it is."},
        ]
    }


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}: {_flat(one)}" for key, one in value.items())
    return " ".join(map(_flat, value)) if isinstance(value, list) else str(value)
