"""Tells what the stores of a project hold of one call, in a process of its own: chDB does not survive a fork.

python -m tests.contents.look PROJECT CALL
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from trimtab.cli.own_stores import own_stores
from trimtab.record.events import Score
from trimtab.store.readings import ReadingQuery


class Found(msgspec.Struct):
    """The scores of the call, its text for searching, and the readings of its task by field."""

    scores: tuple[Score, ...]
    answered: str
    categories: dict[str, dict[str, int]]


def look(root: Path, call: str) -> Found:
    """What is stored."""
    with own_stores(root) as (_, stores):
        assert stores is not None
        telemetry = stores.telemetry
        text = telemetry.text(call)
        counts = telemetry.readings(ReadingQuery(0, 2**62))
        categories = {one.field: dict(one.categories) for one in counts if one.task == "extract"}
        return Found(telemetry.score_rows(call), text.answered if text else "", categories)


if __name__ == "__main__":
    print(msgspec.json.encode(look(Path(sys.argv[1]), sys.argv[2])).decode())
