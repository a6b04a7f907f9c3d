"""Which fields of an answer have a distribution worth watching: the enums, truths and numbers that its schema names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from trimtab.contracts.compiling import pointer
from trimtab.contracts.fields import Names, options
from trimtab.contracts.jsontext import NotJson, parse

MAX_PREDICTIONS: Final = 32
"""Fields of one schema that are watched, in the order of its text."""
MAX_DEPTH: Final = 6
MAX_PLACES: Final = 500
MAX_ITEMS: Final = 16
"""Items of one array that are read; further ones are passed over."""
MAX_OPTIONS: Final = 64
"""Values of one enum that are told apart, in the order of the schema; further ones count as one."""
MAX_CHARACTERS: Final = 80
OTHER: Final = "(other)"
ANY_ITEM: Final = "*"
NULL: Final = frozenset({"null"})
TRUTHS: Final = NULL | {"true", "false"}

Kind = Literal["category", "number"]


class Prediction(NamedTuple):
    """A field: `pointer` is its JSON pointer, with `*` for any item of an array, `tokens` the same with None for that.

    `known` are the categories, `null` always one of them.
    """

    pointer: str
    tokens: tuple[str | None, ...]
    kind: Kind
    known: frozenset[str] = NULL

    def value(self, found: object) -> str | float | None:
        """What a value in this place counts as: a category, a number, or nothing."""
        if self.kind == "number":
            return _number(found)
        if isinstance(found, (dict, list)):
            return None
        text = category(found)
        return text if text in self.known else OTHER


class Predicted(NamedTuple):
    """What one answer says in a watched field."""

    pointer: str
    kind: Kind
    value: str | float


@lru_cache(maxsize=256)
def predictions(schema: str) -> tuple[Prediction, ...]:
    """The watched fields of a schema, given as its text; none of a text that is no JSON.

    A string that may be anything is not watched: that would be keeping what people write. What stands deeper than six
    levels, and what follows after 500 places, is left out.
    """
    try:
        names = Names(parse(schema))
    except NotJson:
        return ()
    found: list[Prediction] = []
    waiting: list[tuple[str | None, ...]] = [()]
    for _ in range(MAX_PLACES):
        if not waiting or len(found) == MAX_PREDICTIONS:
            break
        tokens = waiting.pop(0)
        schemas = names.at(tuple(0 if token is None else token for token in tokens))
        one = _prediction(tokens, schemas)
        if one is not None:
            found.append(one)
        elif len(tokens) < MAX_DEPTH:
            waiting.extend(dict.fromkeys((*tokens, token) for schema in schemas for token in _below(schema)))
    return tuple(found)


def predicted(answer: object, watched: tuple[Prediction, ...]) -> Iterator[Predicted]:
    """What an answer says in the watched fields."""
    for one in watched:
        for found in _at(answer, one.tokens):
            value = one.value(found)
            if value is not None:
                yield Predicted(one.pointer, one.kind, value)


def category(value: object) -> str:
    """A value as the name of a category: a string as it is, another one as JSON; at most 80 characters."""
    return (value if isinstance(value, str) else json.dumps(value))[:MAX_CHARACTERS]


def _prediction(tokens: tuple[str | None, ...], schemas: list[dict[str, Any]]) -> Prediction | None:
    place = pointer(tuple(ANY_ITEM if token is None else token for token in tokens))
    known = [category(json.loads(text)) for text in options(schemas)][:MAX_OPTIONS]
    if len(known) > 1:
        return Prediction(place, tokens, "category", NULL.union(known))
    types = {kind for schema in schemas for kind in _types(schema)}
    if not known and "boolean" in types:
        return Prediction(place, tokens, "category", TRUTHS)
    if not known and types & {"number", "integer"}:
        return Prediction(place, tokens, "number")
    return None


def _types(schema: dict[str, Any]) -> list[str]:
    said = schema.get("type")
    return [kind for kind in (said if isinstance(said, list) else [said]) if isinstance(kind, str)]


def _below(schema: dict[str, Any]) -> Iterator[str | None]:
    named = schema.get("properties")
    yield from (name for name in named if isinstance(name, str)) if isinstance(named, dict) else ()
    if isinstance(schema.get("items"), dict) and "prefixItems" not in schema:
        yield None


def _at(value: object, tokens: tuple[str | None, ...]) -> Iterator[object]:
    """The values at a place; one for each item where that is in an array."""
    for number, token in enumerate(tokens):
        if token is None:
            for item in value[:MAX_ITEMS] if isinstance(value, list) else ():
                yield from _at(item, tokens[number + 1 :])
            return
        if not isinstance(value, dict) or token not in value:
            return
        value = value[token]
    yield value


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
