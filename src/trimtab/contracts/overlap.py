"""Whether two branches of a `oneOf` can both hold for one value: what an engine has to know to keep "exactly one"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trimtab.contracts.compiling import References

TYPES = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))
_OBJECT_KEYWORDS = ("properties", "additionalProperties", "unevaluatedProperties")
_ARRAY_KEYWORDS = ("items", "prefixItems", "unevaluatedItems")
_MAX_STEPS = 32
MOST_BRANCHES = 200

Disjoint = Callable[[Any, Any], bool]


def admitted(schema: Any, references: References, steps: int = _MAX_STEPS, *, infer: bool = False) -> frozenset[str]:
    """The JSON types a value may have; "number" includes "integer".

    `infer`: a schema without `type` that has keywords of objects or arrays means only those, as xgrammar reads it.
    """
    if not isinstance(schema, dict) or steps <= 0:
        return TYPES if schema is not False else frozenset()
    target = references.follow(schema.get("$ref"))
    if target is not None:
        return admitted(target.schema, references, steps - 1, infer=infer)
    found = _declared(schema)
    if infer and found == TYPES:
        found = _inferred(schema)
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            branches = [admitted(branch, references, steps // 2, infer=infer) for branch in schema[keyword]]
            found &= frozenset().union(*branches)
    for branch in schema.get("allOf", ()):
        found &= admitted(branch, references, steps // 2, infer=infer)
    return found


def _declared(schema: dict[str, Any]) -> frozenset[str]:
    found = TYPES
    named = schema.get("type")
    if named is not None:
        listed = frozenset([named] if isinstance(named, str) else named)
        found = listed | ({"integer"} if "number" in listed else frozenset())
    if "const" in schema:
        found &= type_of(schema["const"])
    if isinstance(schema.get("enum"), list):
        found &= frozenset().union(*map(type_of, schema["enum"]))
    return found


def _inferred(schema: dict[str, Any]) -> frozenset[str]:
    if any(keyword in schema for keyword in _OBJECT_KEYWORDS):
        return frozenset(("object",))
    return frozenset(("array",)) if any(keyword in schema for keyword in _ARRAY_KEYWORDS) else TYPES


def type_of(value: object) -> frozenset[str]:
    """The types of one value; a whole number is an integer and a number."""
    if value is None:
        return frozenset(("null",))
    if isinstance(value, bool):
        return frozenset(("boolean",))
    if isinstance(value, (int, float)):
        return frozenset(("number", "integer")) if float(value).is_integer() else frozenset(("number",))
    if isinstance(value, str):
        return frozenset(("string",))
    return frozenset(("array",)) if isinstance(value, list) else frozenset(("object",))


def all_disjoint(branches: list[Any], disjoint: Disjoint) -> bool:
    """Whether no two of the branches can both hold; of more than `MOST_BRANCHES` it is not known."""
    return len(branches) <= MOST_BRANCHES and all(
        disjoint(a, b) for index, a in enumerate(branches) for b in branches[:index]
    )


class Closed:
    """Whether two schemas cannot both hold for a value in which objects have only declared properties.

    That is what xgrammar writes: it leaves out properties that are not declared unless the schema asks for them.
    """

    def __init__(self, references: References) -> None:
        self._references = references

    def disjoint(self, a: Any, b: Any, steps: int = 8) -> bool:
        """True where they are seen to exclude each other; False where that is not known."""
        a, b = self._resolved(a), self._resolved(b)
        if steps <= 0:
            return False
        common = admitted(a, self._references, infer=True) & admitted(b, self._references, infer=True)
        if not common:
            return True
        if not isinstance(a, dict) or not isinstance(b, dict):
            return False
        for keyword in ("anyOf", "oneOf"):
            for one, other in ((a, b), (b, a)):
                if isinstance(one.get(keyword), list):
                    return all(self.disjoint(branch, other, steps - 1) for branch in one[keyword])
        values_a, values_b = _values(a), _values(b)
        if values_a is not None and values_b is not None:
            return not any(one == other for one in values_a for other in values_b)
        return self._by_type(a, b, common, steps)

    def _by_type(self, a: dict[str, Any], b: dict[str, Any], common: frozenset[str], steps: int) -> bool:
        if common <= {"number", "integer"}:
            return _apart(a, b, "minimum", "maximum")
        if common == {"string"}:
            return _apart(a, b, "minLength", "maxLength")
        if common == {"object"}:
            return self._objects(a, b, steps)
        if common == {"array"}:
            return _apart(a, b, "minItems", "maxItems") or self._items(a, b, steps)
        return False

    def _objects(self, a: dict[str, Any], b: dict[str, Any], steps: int) -> bool:
        for one, other in ((a, b), (b, a)):
            for name in one.get("required", ()):
                if name in one.get("properties", {}) and _lacks(other, name):
                    return True
        shared = set(a.get("required", ())) & set(b.get("required", ()))
        pairs = [(a.get("properties", {}).get(name), b.get("properties", {}).get(name)) for name in shared]
        return any(
            one is not None and other is not None and self.disjoint(one, other, steps - 1) for one, other in pairs
        )

    def _items(self, a: dict[str, Any], b: dict[str, Any], steps: int) -> bool:
        if not (a.get("minItems", 0) and b.get("minItems", 0)):
            return False
        first_a, first_b = ((one.get("prefixItems") or [one.get("items", True)])[0] for one in (a, b))
        return self.disjoint(first_a, first_b, steps - 1)

    def _resolved(self, schema: Any) -> Any:
        for _ in range(_MAX_STEPS):
            target = self._references.follow(schema.get("$ref")) if isinstance(schema, dict) else None
            if target is None:
                return schema
            schema = target.schema
        return schema


def _values(schema: dict[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [(type_of(schema["const"]), schema["const"])]
    if isinstance(schema.get("enum"), list):
        return [(type_of(value), value) for value in schema["enum"]]
    return None


def _lacks(schema: dict[str, Any], name: str) -> bool:
    """Whether an object of this schema has no such property, as xgrammar writes it."""
    opened = schema.get("additionalProperties", False) is not False or "patternProperties" in schema
    return "properties" in schema and name not in schema["properties"] and not opened


def _apart(a: dict[str, Any], b: dict[str, Any], low: str, high: str) -> bool:
    def bound(schema: dict[str, Any], keyword: str, missing: float) -> float:
        value = schema.get(keyword, missing)
        return value if isinstance(value, (int, float)) else missing

    infinite = float("inf")
    return bound(a, high, infinite) < bound(b, low, -infinite) or bound(b, high, infinite) < bound(a, low, -infinite)


class Provable:
    """Whether llguidance proves that two schemas exclude each other. It follows no reference, compares no numbers."""

    def __init__(self, references: References) -> None:
        self._references = references

    def disjoint(self, a: Any, b: Any, steps: int = 8) -> bool:
        """True where it is proved."""
        if not isinstance(a, dict) or not isinstance(b, dict) or steps <= 0:
            return a is False or b is False
        if "$ref" in a or "$ref" in b:
            return False
        for keyword in ("anyOf", "oneOf"):
            for one, other in ((a, b), (b, a)):
                if isinstance(one.get(keyword), list):
                    return all(self.disjoint(branch, other, steps - 1) for branch in one[keyword])
        common = admitted(a, self._references) & admitted(b, self._references)
        if not common:
            return True
        values_a, values_b = _values(a), _values(b)
        if common <= {"string", "boolean"} and values_a is not None and values_b is not None:
            return not any(one == other for one in values_a for other in values_b)
        return common == {"object"} and self._objects(a, b, steps)

    def _objects(self, a: dict[str, Any], b: dict[str, Any], steps: int) -> bool:
        for name in set(a.get("required", ())) & set(b.get("required", ())):
            if self.disjoint(_property(a, name), _property(b, name), steps - 1):
                return True
        return any(
            _property(other, name) is False for one, other in ((a, b), (b, a)) for name in one.get("required", ())
        )


def _property(schema: dict[str, Any], name: str) -> Any:
    declared = schema.get("properties", {})
    return declared[name] if name in declared else schema.get("additionalProperties", True)
