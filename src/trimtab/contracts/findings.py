"""What an engine does with one keyword at one place of a schema, and the walk that every engine's rules are laid on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from msgspec import Struct

from trimtab.contracts.compiling import Part, References, below, pointer

Effect = Literal["refused", "weakened", "narrowed"]
"""refused: the engine answers such a schema with an error. weakened: an answer may break this keyword, or be no JSON.
narrowed: some answers that the schema allows cannot be given; every answer that is given keeps the keyword."""

ASSERTIONS = frozenset((
    "type", "enum", "const", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
    "maxLength", "pattern", "format", "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems",
    "contains", "minContains", "maxContains", "properties", "patternProperties", "additionalProperties", "required",
    "propertyNames", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies", "allOf",
    "anyOf", "oneOf", "not", "if", "then", "else", "unevaluatedItems", "unevaluatedProperties", "$ref", "$dynamicRef",
    "$recursiveRef",
))  # fmt: skip
"""Keywords that can make an answer invalid; every other one only tells something."""

_DEFINITIONS = ("$defs", "definitions")


class Finding(Struct, frozen=True):
    """What an engine does with a keyword. `path` is the JSON pointer of the subschema that has it."""

    path: str
    keyword: str
    effect: Effect
    detail: str


class Place:
    """A subschema that an answer can meet, as an engine's rules see it."""

    def __init__(self, part: Part, references: References, recursive: dict[tuple[str, ...], bool]) -> None:
        self._recursive = recursive
        self.path = pointer(part.tokens)
        self.tokens = part.tokens
        self.schema: dict[str, Any] = part.schema
        self.references = references

    def find(self, keyword: str, effect: Effect, detail: str) -> Finding:
        """A finding about a keyword of this subschema."""
        return Finding(self.path, keyword, effect, detail)

    def has(self, *keywords: str) -> list[str]:
        """Those of the keywords that stand here."""
        return [keyword for keyword in keywords if keyword in self.schema]

    def recurs(self, target: Part) -> bool:
        """Whether what a reference leads to contains itself."""
        if target.tokens not in self._recursive:
            self._recursive[target.tokens] = recurs(target, self.references)
        return self._recursive[target.tokens]

    def types(self) -> tuple[str, ...]:
        """The types that `type` names; none where it does not stand."""
        named = self.schema.get("type")
        if isinstance(named, str):
            return (named,)
        return tuple(name for name in named if isinstance(name, str)) if isinstance(named, list) else ()

    def subschemas(self, keyword: str) -> list[Any]:
        """The subschemas of a keyword that holds a list or an object of them."""
        held = self.schema.get(keyword)
        return list(held.values()) if isinstance(held, dict) else held if isinstance(held, list) else []


Rule = Callable[[Place], Iterator[Finding]]


def reachable(schema: Any, without: tuple[str, ...] = ()) -> Iterator[Place]:
    """The subschemas that an answer can meet: definitions nothing refers to are left out, as engines do.

    What stands in a keyword of `without` is left out too.
    """
    references = References(schema)
    recursive: dict[tuple[str, ...], bool] = {}
    for part in _met(Part((), schema), references, (*_DEFINITIONS, *without)):
        yield Place(part, references, recursive)


def recurs(part: Part, references: References) -> bool:
    """Whether a subschema can be met inside itself."""
    return any(_leads_to(inner, references) == part.tokens for inner in _met(part, references, _DEFINITIONS))


def _leads_to(part: Part, references: References) -> tuple[str, ...] | None:
    target = references.follow(part.schema.get("$ref"))
    return None if target is None else target.tokens


def _met(start: Part, references: References, without: tuple[str, ...]) -> Iterator[Part]:
    waiting, seen = [start], {start.tokens}
    while waiting:
        part = waiting.pop()
        if not isinstance(part.schema, dict):
            continue
        yield part
        inner = [one for keyword in part.schema if keyword not in without for one in below(part, keyword)]
        target = references.follow(part.schema.get("$ref"))
        for one in (*inner, target):
            if one is not None and one.tokens not in seen:
                seen.add(one.tokens)
                waiting.append(one)


def apply(rules: tuple[Rule, ...], schema: Any, without: tuple[str, ...] = ()) -> Iterator[Finding]:
    """All that the rules find in the subschemas that `reachable` gives."""
    for place in reachable(schema, without):
        for rule in rules:
            yield from rule(place)


def is_number(value: object) -> bool:
    """Whether a value is a JSON number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
