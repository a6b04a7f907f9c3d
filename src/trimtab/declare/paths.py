"""Where a value lies in a case or an answer: a path such as `order.items[0].price` or `$.order.total`."""

from __future__ import annotations

import re
from typing import Any, Final

STEP: Final = re.compile(r"\.([^.\[\]\x00-\x1f]{1,200})|\[(0|[1-9][0-9]{0,5})\]|\[\"([^\"\x00-\x1f]{1,200})\"\]")
MOST_STEPS: Final = 32


class Missing:
    """What lies where there is nothing; unlike null, which is a value."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()


def steps(path: str) -> tuple[str | int, ...]:
    """The keys and indexes of a path; none for an empty one, or `$`, which is the whole.

    Keys are parted by points, indexes stand in brackets, and so may a key with a point in it: `a["b.c"][2]`. Raises
    `ValueError`, which says what to write, for anything else.
    """
    bare = path[1:] if path == "$" or path.startswith(("$.", "$[")) else f".{path}" if path[:1] not in "[" else path
    found: list[str | int] = []
    at = 0
    while at < len(bare):
        step = STEP.match(bare, at)
        if step is None or len(found) == MOST_STEPS:
            raise ValueError(f"{path[:60]!r} is no path; write keys and indexes, such as order.items[0].price")
        found.append(int(step[2]) if step[2] is not None else step[1] or step[3])
        at = step.end()
    return tuple(found)


def value_at(value: Any, path: str) -> Any:
    """What lies at a path of a JSON value, or `MISSING`. Raises `ValueError` for what is no path."""
    for step in steps(path):
        has = step in value if isinstance(value, dict) else isinstance(value, list) and step in range(len(value))
        if not has:
            return MISSING
        value = value[step]
    return value
