"""What became of the rows of a data set: added, removed, changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from trimtab.data.cases import inputs
from trimtab.data.rows import Row, RowFault

MOST_SHOWN = 20


class RowChanges(Struct, frozen=True):
    """How many rows were added, removed and changed, and the numbers of the first of them, in the newer file but for
    `removed_rows`. A row is changed if one with its id, or without an id with its inputs, was there before.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0
    unreadable: int = 0
    added_rows: tuple[int, ...] = ()
    removed_rows: tuple[int, ...] = ()
    changed_rows: tuple[int, ...] = ()


def row_changes(before: Iterable[Row | RowFault], after: Iterable[Row | RowFault]) -> RowChanges:
    """The changes from one file to the next; holds digests of rows, not rows."""
    old = [_mark(row) for row in before]
    new = [_mark(row) for row in after]
    kept = Counter(mark.whole for mark in old) & Counter(mark.whole for mark in new)
    same = kept.total()
    gone, come = _left(old, kept), _left(new, kept)
    waiting: dict[bytes, list[_Mark]] = defaultdict(list)
    for mark in gone:
        waiting[mark.name].append(mark)
    changed, added = [], []
    for mark in come:
        if waiting[mark.name]:
            waiting[mark.name].pop()
            changed.append(mark.number)
        else:
            added.append(mark.number)
    removed = sorted(mark.number for marks in waiting.values() for mark in marks)
    unreadable = sum(not mark.is_read for mark in new)
    shown = (tuple(numbers[:MOST_SHOWN]) for numbers in (added, removed, changed))
    return RowChanges(len(added), len(removed), len(changed), same, unreadable, *shown)


class _Mark(Struct, frozen=True):
    number: int
    whole: bytes
    name: bytes
    is_read: bool = True


def _left(marks: list[_Mark], kept: Counter[bytes]) -> list[_Mark]:
    left, counts = [], Counter(kept)
    for mark in marks:
        if counts[mark.whole] > 0:
            counts[mark.whole] -= 1
        else:
            left.append(mark)
    return left


def _mark(row: Row | RowFault) -> _Mark:
    if isinstance(row, RowFault):
        told = _digest([row.kind, row.words])
        return _Mark(row.number, told, told, False)
    name = ["id", row.value["id"]] if "id" in row.value else ["inputs", inputs(row.value)]
    return _Mark(row.number, _digest(row.value), _digest(name))


def _digest(value: Any) -> bytes:
    return blake2b(msgspec.json.encode(value, order="sorted"), digest_size=16).digest()
