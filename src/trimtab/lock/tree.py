"""What differs between two JSON values, leaf by leaf."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, Final, Literal

from msgspec import Struct

Path = tuple[str | int, ...]
Kind = Literal["added", "removed", "changed", "reordered"]
Reach = Literal["", "cosmetic", "visible", "validating"]
"""What a difference of schemas reaches: which values are valid, what the model sees, or neither."""

MOST_ALIGNED: Final = 2_000
MOST_PAIRS: Final = 20_000
"""Elements of two lists, and pairs of equal ones, that are still aligned; beyond, they are compared place by place."""


class Leaf(Struct, frozen=True):
    """One place at which two values differ; None stands for what is not there on one side."""

    path: Path
    kind: Kind
    before: Any
    after: Any


def leaves(before: Any, after: Any, at: Path = ()) -> Iterator[Leaf]:
    """Every place at which two values differ, in the order of keys and elements."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if key not in before:
                yield Leaf((*at, key), "added", None, after[key])
            elif key not in after:
                yield Leaf((*at, key), "removed", before[key], None)
            else:
                yield from leaves(before[key], after[key], (*at, key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(before, after, at)
    elif _written(before) != _written(after):
        yield Leaf(at, "changed", before, after)


def _of_lists(before: list[Any], after: list[Any], at: Path) -> Iterator[Leaf]:
    old, new = [_written(one) for one in before], [_written(one) for one in after]
    if old == new:
        return
    if Counter(old) == Counter(new):
        yield Leaf(at, "reordered", before, after)
        return
    for start, stop, first, last in stretches(old, new):
        paired = min(stop - start, last - first)
        for index in range(paired):
            yield from leaves(before[start + index], after[first + index], (*at, first + index))
        for index in range(start + paired, stop):
            yield Leaf((*at, index), "removed", before[index], None)
        for index in range(first + paired, last):
            yield Leaf((*at, index), "added", None, after[index])


def stretches(old: list[str], new: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Where two lists differ: start and stop in the first, start and stop in the second."""
    there = Counter(new)
    if len(old) + len(new) > MOST_ALIGNED or sum(there[one] for one in old) > MOST_PAIRS:
        length = min(len(old), len(new))
        yield from ((at, at + 1, at, at + 1) for at in range(length) if old[at] != new[at])
        yield length, len(old), length, len(new)
        return
    for tag, start, stop, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield start, stop, first, last


def _written(value: Any) -> str:
    """Equal for equal JSON alone: 1 and true differ, 1 and 1.0 do not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def pointer(path: Path) -> str:
    """A path as a JSON Pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
