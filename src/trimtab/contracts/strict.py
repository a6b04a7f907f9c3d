"""OpenAI's strict subset of JSON Schema (structured outputs, documentation as of 2026): where a schema leaves it.

Only documented keywords pass: a request with any other is answered with an error. `rewriting` brings a schema into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trimtab.contracts.compiling import Part, below
from trimtab.contracts.findings import Finding, Place, Rule, apply, reachable
from trimtab.contracts.patterns import features

FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
REFUSED = (
    "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies",
    "patternProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties",
    "unevaluatedItems", "prefixItems", "additionalItems", "uniqueItems", "contains", "minContains", "maxContains",
    "minLength", "maxLength", "default", "$dynamicRef", "$recursiveRef",
)  # fmt: skip
MOST_PROPERTIES = 5_000
MOST_LEVELS = 10
MOST_CHARACTERS = 120_000
MOST_VALUES = 1_000
LARGE_ENUM = 250
MOST_ENUM_CHARACTERS = 15_000
_SHAPES = ("type", "anyOf", "$ref")
_BESIDE_REFERENCE = ("$defs", "definitions", "$schema", "$id")


def findings(schema: Any) -> Iterator[Finding]:
    """Every place at which a schema leaves the subset."""
    if isinstance(schema, dict):
        if schema.get("type") != "object":
            yield Finding("", "type", "refused", "OpenAI wants an object at the top")
        if "anyOf" in schema:
            yield Finding("", "anyOf", "refused", "OpenAI takes no anyOf at the top")
    yield from apply(RULES, schema)
    yield from _limits(schema)


def _keywords(place: Place) -> Iterator[Finding]:
    for keyword in place.has(*REFUSED):
        yield place.find(keyword, "refused", "it is not in the subset that OpenAI takes")
    if not place.has(*_SHAPES) and not place.has("oneOf", "allOf"):
        yield place.find("type", "refused", "OpenAI wants a type, anyOf or $ref in each schema")
    if "array" in place.types() and not isinstance(place.schema.get("items"), dict):
        yield place.find("items", "refused", "OpenAI wants items in every array")
    form, pattern = place.schema.get("format"), place.schema.get("pattern")
    if isinstance(form, str) and form not in FORMATS and (not place.types() or "string" in place.types()):
        yield place.find("format", "refused", f"OpenAI does not know {form}")
    if isinstance(pattern, str) and (features(pattern).lookahead or features(pattern).lookbehind):
        yield place.find("pattern", "refused", f"OpenAI has no lookaround: {pattern[:60]!r}")
    for keyword in ("properties", "anyOf"):
        if any(isinstance(inner, bool) for inner in place.subschemas(keyword)):
            yield place.find(keyword, "refused", "OpenAI takes no schema that is true or false")


def _objects(place: Place) -> Iterator[Finding]:
    if "object" not in place.types():
        return
    if place.schema.get("additionalProperties") is not False:
        yield place.find("additionalProperties", "refused", "OpenAI wants false here in every object")
    declared, required = list(place.schema.get("properties", {})), set(place.schema.get("required", ()))
    optional = [name for name in declared if name not in required]
    if optional:
        named = ", ".join(optional[:5]) + (" ..." if len(optional) > 5 else "")
        yield place.find("required", "refused", f"OpenAI wants every property required: {named}")
    if required - set(declared):
        yield place.find("required", "refused", f"no such property: {', '.join(sorted(required - set(declared))[:5])}")


def _references(place: Place) -> Iterator[Finding]:
    if "$ref" not in place.schema:
        return
    if place.references.follow(place.schema["$ref"]) is None:
        yield place.find("$ref", "refused", "OpenAI follows references only within the schema")
    beside = [keyword for keyword in place.schema if keyword != "$ref" and keyword not in _BESIDE_REFERENCE]
    if beside:
        yield place.find("$ref", "refused", f"OpenAI takes nothing beside it: {', '.join(beside[:5])}")


def _limits(schema: Any) -> Iterator[Finding]:
    properties = values = characters = 0
    for place in reachable(schema):
        names = list(place.schema.get("properties", {}))
        listed = [*(place.schema.get("enum") or ()), *([place.schema["const"]] if "const" in place.schema else ())]
        texts = [value for value in listed if isinstance(value, str)]
        properties += len(names)
        values += len(place.schema.get("enum") or ())
        characters += sum(
            map(len, (*names, *texts, *place.schema.get("$defs", {}), *place.schema.get("definitions", {})))
        )
        if len(texts) > LARGE_ENUM and sum(map(len, texts)) > MOST_ENUM_CHARACTERS:
            detail = f"{sum(map(len, texts)):,} characters in its values; OpenAI takes {MOST_ENUM_CHARACTERS:,}"
            yield place.find("enum", "refused", detail)
    levels = _levels(schema)
    counted = (
        ("properties", properties, MOST_PROPERTIES, "properties"),
        ("enum", values, MOST_VALUES, "values in enums"),
        ("properties", characters, MOST_CHARACTERS, "characters in names and values"),
        ("properties", levels, MOST_LEVELS, "levels of objects and arrays"),
    )
    for keyword, count, most, what in counted:
        if count > most:
            yield Finding("", keyword, "refused", f"the whole has {count:,} {what}; OpenAI takes {most:,}")


def _levels(schema: Any) -> int:
    """How deep objects and arrays lie in one another, references not followed."""
    deepest = 0
    waiting = [(Part((), schema), 0)]
    while waiting:
        part, level = waiting.pop()
        if not isinstance(part.schema, dict):
            continue
        named = part.schema.get("type")
        level += bool({"object", "array"} & set([named] if isinstance(named, str) else named or ()))
        deepest = max(deepest, level)
        waiting.extend((inner, level) for keyword in part.schema for inner in below(part, keyword))
    return deepest


RULES: tuple[Rule, ...] = (_keywords, _objects, _references)
