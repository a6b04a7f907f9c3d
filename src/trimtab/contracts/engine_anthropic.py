"""What Anthropic's API does with a schema as `output_config.format`, by its documentation of structured outputs and the
transformation its own SDK makes (anthropic 2.14). Keywords outside the documented subset are answered with an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trimtab.contracts.findings import Finding, Place, Rule, apply, reachable
from trimtab.contracts.patterns import features

REFUSED = (
    "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "patternProperties",
    "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties", "unevaluatedItems", "prefixItems",
    "additionalItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "minLength", "maxLength",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "$dynamicRef", "$recursiveRef",
)  # fmt: skip
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
MOST_OPTIONAL = 24
MOST_UNIONS = 16
_SHAPES = ("type", "anyOf", "allOf", "enum", "const", "$ref")
_NO_PATTERNS = {
    "lookahead": "lookahead",
    "lookbehind": "lookbehind",
    "reference": "back-references",
    "boundary": "word boundaries",
}


def findings(schema: Any) -> Iterator[Finding]:
    """Where a schema leaves the subset, and what of it the API is known to weaken."""
    yield from apply(RULES, schema)
    yield from _too_many(schema)


def _keywords(place: Place) -> Iterator[Finding]:
    for keyword in place.has(*REFUSED):
        yield place.find(keyword, "refused", "it is not in the subset that Anthropic takes")
    if place.schema.get("minItems", 0) not in (0, 1):
        yield place.find("minItems", "refused", "Anthropic takes only 0 and 1 here")


def _shape(place: Place) -> Iterator[Finding]:
    schema = place.schema
    if not place.has(*_SHAPES):
        missing = "oneOf" if "oneOf" in schema else "type"
        yield place.find(missing, "refused", "Anthropic wants a type, anyOf, allOf, enum, const or $ref in each schema")
    if "object" in place.types() and schema.get("additionalProperties") is not False:
        yield place.find("additionalProperties", "refused", "Anthropic wants false here in every object")
    values = [*(schema.get("enum") or ()), *([schema["const"]] if "const" in schema else ())]
    if any(isinstance(value, (dict, list)) for value in values):
        keyword = "enum" if "enum" in schema else "const"
        yield place.find(keyword, "refused", "Anthropic takes only strings, numbers, booleans and null as values")


def _references(place: Place) -> Iterator[Finding]:
    if "$ref" not in place.schema:
        return
    target = place.references.follow(place.schema["$ref"])
    if target is None:
        yield place.find("$ref", "refused", "Anthropic follows references only within the schema")
    elif place.recurs(target):
        yield place.find("$ref", "refused", "Anthropic takes no schema that contains itself")
    if place.tokens[-2:-1] == ("allOf",):
        yield place.find("$ref", "refused", "Anthropic takes no reference inside allOf")


def _strings(place: Place) -> Iterator[Finding]:
    form, pattern = place.schema.get("format"), place.schema.get("pattern")
    if isinstance(form, str) and form not in FORMATS:
        yield place.find("format", "refused", f"Anthropic does not know {form}")
    if isinstance(pattern, str):
        has = features(pattern)
        for name, spoken in _NO_PATTERNS.items():
            if getattr(has, name):
                yield place.find("pattern", "refused", f"Anthropic has no {spoken}: {pattern[:60]!r}")


def _too_many(schema: Any) -> Iterator[Finding]:
    optional = unions = 0
    for place in reachable(schema):
        declared, required = place.schema.get("properties", ()), place.schema.get("required", ())
        optional += len(set(declared) - set(required))
        unions += "anyOf" in place.schema or isinstance(place.schema.get("type"), list)
    if optional > MOST_OPTIONAL:
        yield Finding("", "required", "refused", f"{optional} properties are optional; Anthropic takes {MOST_OPTIONAL}")
    if unions > MOST_UNIONS:
        yield Finding("", "anyOf", "refused", f"{unions} schemas are unions; Anthropic takes {MOST_UNIONS}")


RULES: tuple[Rule, ...] = (_keywords, _shape, _references, _strings)
