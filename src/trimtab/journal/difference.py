"""Where two JSON documents differ: by path, and in a text by its first character.

Numbers are equal if their values are (1 and 1.0), keys of an object have no order (RFC 8259, section 4). Elements of a
list are held against those at the same distance from its equal ends, so that one that was put in is named as that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice, zip_longest
from typing import Any, Final, Literal

from msgspec import Struct

MOST: Final = 50
"""Differences that are told."""
AROUND: Final = 24
"""Characters shown before and behind the first that differs."""
MOST_SHOWN: Final = 120
"""Characters of a value that only one side has."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")

How = Literal["changed", "added", "removed", "written"]
"""`written` are documents whose values are equal and whose bytes are not."""
Path = tuple[str | int, ...]


class Difference(Struct, frozen=True, omit_defaults=True):
    """A place at which two documents differ, `path` as `messages[2].content` ("" is the document itself).

    `left` and `right` show what stands there, cut around the first difference; of texts, `at` is the first character
    that differs, counted from 0.
    """

    path: str
    how: How
    left: str = ""
    right: str = ""
    at: int | None = None

    def told(self, left: str = "recorded", right: str = "now") -> str:
        """One line of words; `left` and `right` name the sides."""
        place = self.path or "the document"
        match self.how:
            case "added":
                return f"{place} is new: {self.right}"
            case "removed":
                return f"{place} is gone: {self.left}"
            case "written":
                return f"{place} is written otherwise, with the same values"
            case _:
                where = "" if self.at is None else f" at character {self.at}"
                return f"{place} differs{where}: {left} {self.left}, {right} {self.right}"


def differences(left: bytes, right: bytes, most: int = MOST) -> tuple[Difference, ...]:
    """The differences of two documents in the order of the first, those it lacks behind; none where bytes are equal.

    What is not JSON, or nested too deep to read, is compared as text.
    """
    if left == right:
        return ()
    try:
        found = tuple(islice(_walk(_read(left), _read(right)), most))
    except (ValueError, RecursionError):
        return (_texts("", left.decode("utf-8", "backslashreplace"), right.decode("utf-8", "backslashreplace")),)
    return found or (Difference("", "written"),)


def first_difference(left: bytes, right: bytes) -> Difference | None:
    """The first difference of two documents; None where their bytes are equal."""
    return next(iter(differences(left, right, 1)), None)


def path_text(path: Path) -> str:
    """A path as it is shown: `messages[2].content`, `arguments["a b"]`."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _NAME.match(step):
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f"[{_json(step)}]")
    return "".join(parts)


class _Flag(Enum):
    """True and false, which are not 1 and 0."""

    true = True
    false = False


class _Absent:
    """The place of a value that is not there."""


_ABSENT: Final = _Absent()


def _read(document: bytes) -> Any:
    """The value of a document, with flags that equal no number. Raises `ValueError`, `RecursionError`."""
    value = _flagged(json.loads(document, parse_float=_number, parse_constant=_refused))
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        places: Iterable[Any] = inner if isinstance(inner, dict) else range(len(inner)) if _is_list(inner) else ()
        for place in places:
            one = inner[place]
            if isinstance(one, bool):
                inner[place] = _flagged(one)
            elif isinstance(one, (dict, list)):
                waiting.append(one)
    return value


def _flagged(value: Any) -> Any:
    return _Flag(value) if isinstance(value, bool) else value


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _number(digits: str) -> float | str:
    """A number with a point or an exponent; one that no double holds stays the text it was."""
    value = float(digits)
    return value if abs(value) != float("inf") else digits


def _refused(name: str) -> Any:
    raise ValueError(name)


def _walk(left: Any, right: Any) -> Iterator[Difference]:
    """All differences, depth first, without recursion: documents may be nested as deep as they could be read."""
    waiting: list[tuple[Path, Any, Any]] = [((), left, right)]
    while waiting:
        path, old, new = waiting.pop()
        if old is _ABSENT:
            yield Difference(path_text(path), "added", right=_shown(new))
        elif new is _ABSENT:
            yield Difference(path_text(path), "removed", left=_shown(old))
        elif isinstance(old, dict) and isinstance(new, dict):
            keys = [*old, *(key for key in new if key not in old)]
            waiting += [((*path, key), old.get(key, _ABSENT), new.get(key, _ABSENT)) for key in reversed(keys)]
        elif isinstance(old, list) and isinstance(new, list):
            waiting += reversed(list(_elements(path, old, new)))
        elif isinstance(old, str) and isinstance(new, str):
            if old != new:
                yield _texts(path_text(path), old, new)
        elif old != new:
            yield Difference(path_text(path), "changed", _shown(old), _shown(new))


def _elements(path: Path, old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[Path, Any, Any]]:
    """Pairs of elements that may differ: those between the equal ends of two lists."""
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    middle = zip_longest(old[start : len(old) - end], new[start : len(new) - end], fillvalue=_ABSENT)
    for place, (one, other) in enumerate(middle, start):
        yield (*path, place), one, other


def _common(old: Sequence[Any], new: Sequence[Any]) -> int:
    """How many of the first elements are equal."""
    for place, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return place
    return min(len(old), len(new))


def _texts(path: str, old: str, new: str) -> Difference:
    """The difference of two texts that are not equal."""
    at = next((place for place, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), None)
    place = min(len(old), len(new)) if at is None else at
    return Difference(path, "changed", _cut(old, place), _cut(new, place), place)


def _cut(text: str, at: int) -> str:
    """A text around a place, as JSON, with dots where it goes on."""
    begin, end = max(0, at - AROUND), min(len(text), at + AROUND)
    return ("..." if begin else "") + _json(text[begin:end]) + ("..." if end < len(text) else "")


def _shown(value: Any) -> str:
    """A value as JSON, cut where it is long."""
    text = _json(_few(value))
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def _few(value: Any) -> Any:
    """A value whose text is not much longer than what is shown of it."""
    match value:
        case str():
            return value[:MOST_SHOWN]
        case dict():
            return {key: _leaf(value[key]) for key in islice(value, MOST_SHOWN // 4)}
        case list():
            return [_leaf(one) for one in value[: MOST_SHOWN // 2]]
        case _:
            return value


def _leaf(value: Any) -> Any:
    """A scalar, or one level of what is not."""
    match value:
        case str():
            return value[:MOST_SHOWN]
        case dict():
            return {key: "..." if isinstance(one, (dict, list)) else one for key, one in islice(value.items(), 20)}
        case list():
            return ["..." if isinstance(one, (dict, list)) else one for one in value[:20]]
        case _:
            return value


def _json(value: Any) -> str:
    """A value as JSON that is UTF-8 whatever it holds: half of a surrogate pair stays escaped."""
    return json.dumps(value, ensure_ascii=False, default=_unflagged).encode("utf-8", "backslashreplace").decode()


def _unflagged(flag: Any) -> bool:
    return bool(flag.value)
