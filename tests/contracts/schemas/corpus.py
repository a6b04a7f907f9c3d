"""The schemas of `corpus.jsonl`: one a line, with values it takes and values it does not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

PLACE = Path(__file__).with_name("corpus.jsonl")


class Case(Struct, frozen=True):
    """A schema of a kind that is met in real projects; `id` is unique."""

    id: str
    kind: str
    schema: dict[str, Any]
    valid: list[Any]
    invalid: list[Any]


@cache
def corpus() -> tuple[Case, ...]:
    """Every case, in the order of the file."""
    return tuple(msgspec.json.decode(line, type=Case) for line in PLACE.read_bytes().splitlines())
