"""The scalar fields of a JSON answer: where each stands in the text, and what the schema says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from trimtab.contracts.compiling import Part, References, below

MAX_FIELDS = 64
MAX_SUBSCHEMAS = 200
IN_PLACE = ("allOf", "anyOf", "oneOf", "then", "else")

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^ \t\n\r,\]}]+")


class Field(NamedTuple):
    """A scalar of an answer: the tokens of its JSON pointer and the characters of its text, quotes included."""

    tokens: tuple[str | int, ...]
    start: int
    end: int


def scalars(text: str) -> Iterator[Field]:
    """The scalars of a text that is known to be JSON, in their order."""
    at = _skip(text, 0)
    path: list[str | int] = []
    while at < len(text):
        letter = text[at]
        if letter == "{":
            path.append("")
            at = _key(text, _skip(text, at + 1), path)
        elif letter == "[":
            path.append(0)
            at = _skip(text, at + 1)
        elif letter in "]}":
            path.pop()
            at = _skip(text, at + 1)
        elif letter == ",":
            last = path[-1]
            at = _skip(text, at + 1)
            if isinstance(last, int):
                path[-1] = last + 1
            else:
                at = _key(text, at, path)
        else:
            found = (_STRING if letter == '"' else _SCALAR).match(text, at)
            if found is None:
                return
            yield Field(tuple(path), at, found.end())
            at = _skip(text, found.end())


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _key(text: str, at: int, path: list[str | int]) -> int:
    """Reads a property name into the last of `path`, if one stands there; gives the place of its value."""
    found = _STRING.match(text, at)
    if found is None:
        return at
    path[-1] = json.loads(found[0])
    return _skip(text, _skip(text, found.end()) + 1)


class Names:
    """What a schema says of the places of an answer, across its references and unions."""

    def __init__(self, schema: object) -> None:
        self._schema = schema
        self._references = References(schema)

    def at(self, tokens: tuple[str | int, ...]) -> list[dict[str, Any]]:
        """The subschemas that may hold the value at a place; none if the schema does not name the place."""
        found = self._in_place([self._schema])
        for token in tokens:
            found = self._in_place([inner for schema in found for inner in _step(schema, token)])
        return found

    def _in_place(self, schemas: list[Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        waiting = list(reversed(schemas))
        seen: set[int] = set()
        while waiting and len(found) < MAX_SUBSCHEMAS:
            schema = waiting.pop()
            if not isinstance(schema, dict) or id(schema) in seen:
                continue
            seen.add(id(schema))
            found.append(schema)
            for keyword in IN_PLACE:
                waiting.extend(part.schema for part in below(Part((), schema), keyword))
            target = self._references.follow(schema.get("$ref"))
            if target is not None:
                waiting.append(target.schema)
        return found


def _step(schema: dict[str, Any], token: str | int) -> Iterator[Any]:
    if isinstance(token, str):
        named = schema.get("properties")
        if isinstance(named, dict) and token in named:
            yield _named(named[token])
        return
    items = schema.get("items")
    first = schema.get("prefixItems", items if isinstance(items, list) else [])
    if isinstance(first, list) and token < len(first):
        yield _named(first[token])
    elif isinstance(items, (dict, bool)):
        yield _named(items)


def _named(schema: Any) -> Any:
    """A subschema that names a place; `true` names it as `{}` does."""
    return {} if schema is True else schema


def options(schemas: list[dict[str, Any]]) -> list[str]:
    """The JSON texts of the values that the `enum`s and `const`s of a place allow, each once."""
    values = [value for schema in schemas for value in _values(schema)]
    return list(dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in values))


def _values(schema: dict[str, Any]) -> list[Any]:
    if "const" in schema:
        return [schema["const"]]
    allowed = schema.get("enum")
    return allowed if isinstance(allowed, list) else []
