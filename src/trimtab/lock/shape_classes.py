"""Shapes of tools' answers held against each other: what an answer may bring that is new, and what breaks its readers.

A field that comes new is minor. Major is what a reader cannot be ready for: a field that was always there and is lost
or null, another type, text in place of JSON, an array in place of an object. The shape that is held against is either
that of one answer or one that was learned from many, which knows which fields are optional; whole numbers and others
are one type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from trimtab.contracts.shapes import TEXT, Place, Shape, places

Class = Literal["minor", "major"]
What = Literal["new", "lost", "optional", "null", "retyped"]
ABSENT: Final = "absent"
NULL: Final = "null"
OPTIONAL: Final = ", optional"
CLASS_OF: Final[Mapping[What, Class]] = {
    "new": "minor",
    "lost": "major",
    "optional": "major",
    "null": "major",
    "retyped": "major",
}


class Known(Struct, frozen=True):
    """What is known of one JSON path: its types, and whether all objects that it lies in have it."""

    types: frozenset[str]
    always: bool = True

    def __str__(self) -> str:
        return "|".join(sorted(self.types)) + ("" if self.always else OPTIONAL)


class ShapeChange(Struct, frozen=True):
    """One JSON path whose shape is another: what was known of it and what was seen, in words for people."""

    path: str
    what: What
    before: str
    after: str

    @property
    def class_(self) -> Class:
        """Whether readers of the answer must be ready for it."""
        return CLASS_OF[self.what]

    def __str__(self) -> str:
        match self.what:
            case "new":
                return f"{self.path} is new ({self.after})"
            case "lost":
                return f"{self.path} ({self.before}) is lost"
            case "optional":
                return f"{self.path} ({self.before}) is not always there any more"
            case "null":
                return f"{self.path} ({self.before}) is null now"
            case "retyped":
                return f"{self.path} is {self.after} now, it was {self.before}"


class LearnedShape(Struct, frozen=True):
    """What a tool's answers look like, by JSON path, and from how many answers that is known."""

    answers: int
    paths: dict[str, Known]

    def pinned(self) -> dict[str, Any]:
        """As a lock carries it: each path with its types joined by `|`, and `, optional` where it may be missing."""
        return {"answers": self.answers, "paths": {path: str(known) for path, known in sorted(self.paths.items())}}


class _Pinned(Struct):
    answers: int
    paths: dict[str, str]


def read_pinned(pinned: Mapping[str, Any]) -> LearnedShape:
    """Reads what `pinned` gave; raises `ValueError` for anything else."""
    try:
        read = msgspec.convert(pinned, type=_Pinned)
    except msgspec.ValidationError as wrong:
        raise ValueError(f"not a learned shape: {wrong}") from None
    return LearnedShape(read.answers, {path: _read_known(text) for path, text in read.paths.items()})


def _read_known(text: str) -> Known:
    types = text.removesuffix(OPTIONAL)
    return Known(frozenset(types.split("|")), types == text)


def of_answer(shape: Shape) -> LearnedShape:
    """The shape of one answer as if it were all there is to know."""
    return LearnedShape(1, {place.path: Known(place.types, place.always) for place in places(shape)})


def compare(before: LearnedShape, answer: Shape) -> tuple[ShapeChange, ...]:
    """How one answer differs from what is known, in the order of its paths; what lies in a changed place is left out.

    It says what this one answer shows: whether that is the tool's doing or its data's takes more than one answer to
    tell, unless the question was the same.
    """
    seen = {place.path: place for place in places(answer)}
    known, found, closed = before.paths, [], set[str]()
    for path, place in seen.items():
        if place.parent in closed or _lies_in_map(place, known):
            closed.add(path)
        elif path not in known:
            closed.add(path)
            if place.is_field:
                found.append(ShapeChange(path, "new", ABSENT, _types(place.types)))
        elif changed := _retyped(path, known[path], place):
            closed.add(path)
            found.append(changed)
        elif place.is_field and known[path].always and not place.always:
            found.append(ShapeChange(path, "optional", str(known[path]), f"{_types(place.types)}{OPTIONAL}"))
    found += _lost(known, seen, closed)
    return tuple(sorted(found, key=lambda one: one.path))


def _retyped(path: str, known: Known, place: Place) -> ShapeChange | None:
    foreign = place.types - known.types
    if not foreign:
        return None
    what: What = "null" if foreign == {NULL} else "retyped"
    return ShapeChange(path, what, str(known), _types(place.types))


def _lies_in_map(place: Place, known: Mapping[str, Known]) -> bool:
    """A field of an object whose keys are known to be data, and that is not known itself."""
    return place.is_field and place.path not in known and f"{place.parent}.*" in known


def _lost(known: Mapping[str, Known], seen: Mapping[str, Place], closed: set[str]) -> Iterable[ShapeChange]:
    for path, fact in known.items():
        parent = parent_of(path)
        inside = seen.get(parent)
        if path in seen or not fact.always or inside is None or parent in closed or inside.open:
            continue
        if is_field(path) and "object" in inside.types:
            yield ShapeChange(path, "lost", str(fact), ABSENT)


def is_field(path: str) -> bool:
    """Whether a path names a field, not the root, the items of an array or the entries of a map."""
    return path != "$" and not path.endswith(("[]", ".*"))


def parent_of(path: str) -> str:
    """The path of what a path lies in; empty for the root."""
    if path == "$":
        return ""
    if path.endswith("[]"):
        return path[:-2]
    if path.endswith('"]'):
        return path[: _quoted_from(path)]
    return path[: path.rindex(".")]


def _quoted_from(path: str) -> int:
    """Where the last `["name"]` begins; a quote inside a name has an odd number of backslashes before it."""
    at = len(path) - 2
    while True:
        at = path.rindex('"', 0, at)
        backslashes = len(path[:at]) - len(path[:at].rstrip("\\"))
        if backslashes % 2 == 0:
            return at - 1


def _types(types: Iterable[str]) -> str:
    return "|".join(sorted(types)) or TEXT
