"""The shape of a tool's answer: which fields lie where and of which types, never a value.

Written as text, so that a record can carry it: `{id:integer,tags:[string],note?:null|string}`. A name followed by `?`
was in some of the objects that lie at one place (items of an array are merged), not in all. Keys that look like data
(ids, dates, addresses) are merged under `*`; `**` holds all keys of an object with more than `MAX_FIELDS`. What lies
deeper than `MAX_DEPTH`, or behind `MAX_VALUES` values, is `...`: nothing is said of it. An answer that is neither an
object nor an array of JSON has the shape `text`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

TEXT: Final = "text"
MAX_BYTES: Final = 8 << 10
"""Of a shape's text; deeper levels are left out until it holds."""
MAX_READ: Final = 256 << 10
"""Bytes of an answer that is looked at; of a longer one no shape is known."""
MAX_DEPTH: Final = 16
MAX_VALUES: Final = 2048
MAX_ITEMS: Final = 32
"""Items of an array that are looked at, evenly spread over it."""
MAX_FIELDS: Final = 256
MAX_NAME: Final = 64
SCALARS: Final = frozenset({"boolean", "integer", "null", "number", "string", TEXT})
_NAMES: Final = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}

_PLAIN: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_FIRST: Final = re.compile(r"[^\W\d]|[$@#]|\d{1,2}[A-Za-z_]+\Z")
_DATA: Final = re.compile(r".@|/|\d\D*\d\D*\d\D*\d|(?<![A-Za-z])(?=[a-f]*\d)[0-9a-f]{8,}(?![A-Za-z])")
_SIGN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_$][A-Za-z0-9_$-]*|\*\*|\*|\.\.\.|[\[\]{},:?|]')


class Shape(Struct, frozen=True):
    """What values at one place look like, all of them merged.

    `types` are JSON Schema's, or `text`. `entries` are the values of keys that look like data, `collapsed` those of all
    keys; `cut` says that nothing is known of what lies inside.
    """

    types: frozenset[str]
    fields: dict[str, Field] = {}
    items: Shape | None = None
    entries: Shape | None = None
    collapsed: bool = False
    cut: bool = False


class Field(Struct, frozen=True):
    """A field of the objects at one place; `always` says that all of them had it."""

    shape: Shape
    always: bool


class Place(NamedTuple):
    """One JSON path of a shape. `parent` is the path of the object or array it lies in, empty for the root.

    `is_field` tells a named field from the items of an array and the entries of a map, of which there may be none.
    `always`: every object at `parent` had it. `open`: what lies inside is not, or not wholly, known.
    """

    path: str
    parent: str
    types: frozenset[str]
    is_field: bool = False
    always: bool = True
    open: bool = False


def shape_of(answer: str | bytes) -> str:
    """The shape of an answer as text; empty for one that is too long to be looked at."""
    if len(answer) > MAX_READ:
        return ""
    try:
        value = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return TEXT
    return shape_of_value(value)


def shape_of_value(value: Any) -> str:
    """The shape of a JSON value as text: `text` for a scalar, whose text may be of any type the next time."""
    if type(value) not in (dict, list):
        return TEXT
    root = _Node()
    _add(root, value, MAX_DEPTH, [MAX_VALUES])
    for depth in (MAX_DEPTH, 8, 6, 5, 4, 3, 2):
        text = _written(root, depth)
        if len(text.encode()) <= MAX_BYTES:
            return text
    return _written(root, 1)


@lru_cache(maxsize=4096)
def is_data(key: str) -> bool:
    """Whether a key looks like a value (an id, a date, an address, a path) rather than a name."""
    return len(key) > MAX_NAME or not _FIRST.match(key) or bool(_DATA.search(key))


class _Node:
    """Values at one place while they are merged."""

    __slots__ = ("collapsed", "cut", "entries", "fields", "items", "objects", "times", "types")

    def __init__(self) -> None:
        self.types: set[str] = set()
        self.times = 0
        self.objects = 0
        self.fields: dict[str, _Node] = {}
        self.items: _Node | None = None
        self.entries: _Node | None = None
        self.collapsed = False
        self.cut = False


def _add(node: _Node, value: Any, depth: int, left: list[int]) -> None:
    """Merges a value in; `left` holds how many more values may be looked at."""
    left[0] -= 1
    name = _NAMES.get(type(value))
    if name is not None:
        node.types.add(name)
    elif type(value) is list:
        node.types.add("array")
        _add_items(node, value, depth, left)
    else:
        node.types.add("object")
        _add_fields(node, value, depth, left)


def _add_items(node: _Node, values: list[Any], depth: int, left: list[int]) -> None:
    if not values:
        return
    if depth <= 1 or left[0] <= 0:
        node.cut = True
        return
    node.items = items = node.items or _Node()
    step = max(1, len(values) / MAX_ITEMS)
    for place in range(min(len(values), MAX_ITEMS)):
        if left[0] <= 0:
            node.cut = True
            return
        _add(items, values[int(place * step)], depth - 1, left)


def _add_fields(node: _Node, values: dict[str, Any], depth: int, left: list[int]) -> None:
    if depth <= 1 or left[0] <= 0:
        node.cut = node.cut or bool(values)
        return
    node.objects += 1
    fields, many = node.fields, len(values) > MAX_FIELDS
    for number, (key, value) in enumerate(values.items()):
        if many and number >= MAX_FIELDS:
            break
        if left[0] <= 0:
            node.cut = True
            return
        inner = None if many else fields.get(key)
        if inner is None:
            if many or is_data(key):
                inner = node.entries = node.entries or _Node()
                node.collapsed = node.collapsed or many
            else:
                inner = fields[key] = _Node()
        inner.times += 1
        name = _NAMES.get(type(value))
        if name is None:
            _add(inner, value, depth - 1, left)
        else:
            inner.types.add(name)
            left[0] -= 1


def _written(node: _Node, depth: int) -> str:
    types = node.types
    written = sorted(types - {"array", "object"} - ({"integer"} if "number" in types else set()))
    if "array" in types:
        inside = "..." if node.cut or (depth <= 1 and node.items) else ""
        written.append("[" + (inside or (_written(node.items, depth - 1) if node.items else "")) + "]")
    if "object" in types:
        written.append("{" + _written_fields(node, depth) + "}")
    return "|".join(written)


def _written_fields(node: _Node, depth: int) -> str:
    if node.cut or (depth <= 1 and (node.fields or node.entries)):
        return "..."
    parts = []
    for key in sorted(node.fields) if not node.collapsed else ():
        name = key if _PLAIN.fullmatch(key) else json.dumps(key, ensure_ascii=False)
        mark = "" if node.fields[key].times == node.objects else "?"
        parts.append(f"{name}{mark}:{_written(node.fields[key], depth - 1)}")
    if node.entries is not None:
        parts.append(("**:" if node.collapsed else "*:") + _written(node.entries, depth - 1))
    return ",".join(parts)


def parse(text: str) -> Shape:
    """Reads what `shape_of` wrote; raises `ValueError` for anything else."""
    reader = _Reader(text)
    shape = reader.shape(0)
    reader.end()
    return shape


class _Reader:
    """Reads a shape's text by recursive descent, as deep as one that is written can be."""

    def __init__(self, text: str) -> None:
        self._signs = _SIGN.findall(text)
        if len("".join(self._signs)) != len(text):
            raise ValueError("not a shape: it holds signs that no shape has")
        self._at = 0

    def _next(self) -> str:
        sign = self._peek()
        self._at += 1
        return sign

    def _peek(self) -> str:
        return self._signs[self._at] if self._at < len(self._signs) else ""

    def _take(self, wanted: str) -> bool:
        if self._peek() != wanted:
            return False
        self._at += 1
        return True

    def _want(self, wanted: str) -> None:
        if not self._take(wanted):
            raise ValueError(f"not a shape: {wanted!r} is missing before {self._peek()!r}")

    def end(self) -> None:
        if self._at != len(self._signs):
            raise ValueError(f"not a shape: {self._peek()!r} follows its end")

    def shape(self, depth: int) -> Shape:
        if depth > MAX_DEPTH:
            raise ValueError("not a shape: it is too deep")
        types: set[str] = set()
        facts: dict[str, Any] = {}
        while True:
            sign = self._next()
            if sign == "[":
                types.add("array")
                self._array(facts, depth)
            elif sign == "{":
                types.add("object")
                self._object(facts, depth)
            elif sign in SCALARS:
                types.add(sign)
            else:
                raise ValueError(f"not a shape: {sign!r} is no type")
            if not self._take("|"):
                return Shape(frozenset(types), **facts)

    def _array(self, facts: dict[str, Any], depth: int) -> None:
        if self._take("..."):
            facts["cut"] = True
        elif self._peek() != "]":
            facts["items"] = self.shape(depth + 1)
        self._want("]")

    def _object(self, facts: dict[str, Any], depth: int) -> None:
        fields: dict[str, Field] = {}
        if self._take("..."):
            facts["cut"] = True
            self._want("}")
            return
        while self._peek() != "}":
            sign = self._next()
            if sign in ("*", "**"):
                self._want(":")
                facts["entries"], facts["collapsed"] = self.shape(depth + 1), sign == "**"
            else:
                name = self._name(sign)
                always = not self._take("?")
                self._want(":")
                fields[name] = Field(self.shape(depth + 1), always)
            if not self._take(","):
                break
        self._want("}")
        facts["fields"] = fields

    @staticmethod
    def _name(sign: str) -> str:
        if sign.startswith('"'):
            return str(json.loads(sign))
        if not _PLAIN.fullmatch(sign):
            raise ValueError(f"not a shape: {sign!r} is no name")
        return sign


def places(shape: Shape) -> Iterator[Place]:
    """Every JSON path of a shape, the root `$` first, each before what lies in it; whole numbers are `number` too."""
    return _places(shape, Place("$", "", _merged(shape), open=shape.cut or shape.collapsed))


def _places(shape: Shape, place: Place) -> Iterator[Place]:
    yield place
    path = place.path
    for name, field in shape.fields.items():
        at, held = field_path(path, name), field.shape
        yield from _places(held, Place(at, path, _merged(held), True, field.always, held.cut or held.collapsed))
    for inner, at in ((shape.entries, f"{path}.*"), (shape.items, f"{path}[]")):
        if inner is not None:
            yield from _places(inner, Place(at, path, _merged(inner), open=inner.cut or inner.collapsed))


def field_path(parent: str, name: str) -> str:
    """The path of a named field: `$.name`, or `$["a name"]` where it is not plain."""
    return f"{parent}.{name}" if _PLAIN.fullmatch(name) else f"{parent}[{json.dumps(name, ensure_ascii=False)}]"


def _merged(shape: Shape) -> frozenset[str]:
    types = shape.types
    return (types - {"integer"}) | {"number"} if "integer" in types else types
