"""The `runs` table, of a project and of a task: what of a request does not make a step of a run another one."""

from __future__ import annotations

from typing import Final

from trimtab.declare import paths
from trimtab.declare.table import Table
from trimtab.declare.values import Wrong, show

MOST_VOLATILE: Final = 64
EVERY: Final = -1
"""Stands for each item of a list."""
EACH: Final = "[*]"
INSTEAD: Final = 'write a path in the request, such as "metadata.request_id" or "messages[*].name"'
_STANDS_FOR: Final = "[999999]"
_LAST: Final = 999_999

VolatilePath = tuple[str | int, ...]


def volatile_path(value: object) -> VolatilePath:
    """The keys and indexes of a path in a request, such as `metadata.request_id` or `messages[*].name`."""
    if not isinstance(value, str) or not value.strip("$"):
        raise Wrong(show(value), INSTEAD)
    try:
        steps = paths.steps(value.replace(EACH, _STANDS_FOR))
    except ValueError:
        raise Wrong(show(value), INSTEAD) from None
    return tuple(EVERY if step == _LAST else step for step in steps)


def read_volatile(table: Table, usual: tuple[VolatilePath, ...] = ()) -> tuple[VolatilePath, ...]:
    """The volatile paths of a `runs` table, with those that hold for all tasks before them."""
    found = table.each("volatile", volatile_path)
    if len(found) > MOST_VOLATILE:
        table.wrong("volatile", f"there are {len(found)} paths", f"list at most {MOST_VOLATILE}")
    return (*usual, *(path for path in found[:MOST_VOLATILE] if path not in usual))
