"""What llguidance 1.7 does with a schema when vLLM 0.32 lets it compile one.

It refuses what it cannot keep, but for some characters of patterns and some formats. Found by experiment: each rule is
held against the engine by `bench/suites/schema_classes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trimtab.contracts.findings import ASSERTIONS, Finding, Place, Rule, apply, is_number
from trimtab.contracts.overlap import Provable, all_disjoint
from trimtab.contracts.patterns import exclusive, features

UNKNOWN = (
    "uniqueItems", "contains", "minContains", "maxContains", "not", "if", "then", "else", "dependentRequired",
    "dependentSchemas", "dependencies", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef",
    "$dynamicAnchor", "$recursiveRef",
)  # fmt: skip
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri", "unknown")
LOOSE_FORMATS = {
    "date": "takes February 29 in every year",
    "date-time": "takes February 29 in every year and leap seconds at any minute",
    "time": "takes leap seconds at any minute",
    "hostname": "takes names that are too long",
    "email": "takes names and domains that are too long",
}
_REFUSED = {
    "lookahead": "lookahead",
    "lookbehind": "lookbehind",
    "reference": "back-references",
    "boundary": "word boundaries",
    "inner_anchor": "^ and $ inside a pattern",
    "named_escape": r"\c, \e, \0 and [\b]",
}
_LOOSE = {
    "dot": "lets the dot match carriage returns, U+2028 and U+2029",
    "space": "takes U+0085 for a space",
    "not_space": "takes U+FEFF for no space",
    "controls_without_quotes": "lets a quote or backslash that is escaped pass a class that excludes it",
}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_WIDEST = float(1 << 63)


def findings(schema: Any) -> Iterator[Finding]:
    """What llguidance does with each keyword."""
    if isinstance(schema, bool):
        yield Finding("", "", "refused", "llguidance takes only a schema that is an object")
    yield from apply(RULES, schema)


def _unknown(place: Place) -> Iterator[Finding]:
    for keyword in place.has(*UNKNOWN):
        yield place.find(keyword, "refused", "llguidance does not have it")


def _formats(place: Place) -> Iterator[Finding]:
    form = place.schema.get("format")
    if not isinstance(form, str) or (place.types() and "string" not in place.types()):
        return
    if form not in FORMATS:
        yield place.find("format", "refused", f"llguidance does not know {form}")
    elif form in LOOSE_FORMATS:
        yield place.find("format", "weakened", f"llguidance {LOOSE_FORMATS[form]}")


def _patterns(place: Place) -> Iterator[Finding]:
    by_name = place.schema.get("patternProperties")
    found = [("pattern", place.schema["pattern"])] if "pattern" in place.schema else []
    found += [("patternProperties", pattern) for pattern in by_name] if isinstance(by_name, dict) else []
    for keyword, pattern in found:
        has = features(str(pattern))
        for name, spoken in _REFUSED.items():
            if getattr(has, name):
                yield place.find(keyword, "refused", f"llguidance has no {spoken}: {str(pattern)[:60]!r}")
        for name, detail in _LOOSE.items():
            if getattr(has, name):
                yield place.find(keyword, "weakened", f"llguidance {detail}: {str(pattern)[:60]!r}")


def _pattern_properties(place: Place) -> Iterator[Finding]:
    patterns = place.schema.get("patternProperties")
    if not isinstance(patterns, dict):
        return
    if not exclusive(list(patterns)):
        yield place.find("patternProperties", "refused", "llguidance takes only patterns that no name can share")


def _counts(place: Place) -> Iterator[Finding]:
    """It counts optional properties only where no others can come, and then no further than one."""
    schema, required = place.schema, set(place.schema.get("required", ()))
    if not set(schema.get("properties", {})) - required:
        return
    least, most = max(0, schema.get("minProperties", 0) - len(required)), schema.get("maxProperties")
    closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    counted = closed and least <= 1 and (most is None or most - len(required) == 1)
    for keyword in place.has("minProperties", "maxProperties"):
        if (least or most is not None) and not counted:
            yield place.find(keyword, "refused", "llguidance takes it only where every declared property is required")


def _one_of(place: Place) -> Iterator[Finding]:
    provable = Provable(place.references)
    if "oneOf" in place.schema and not all_disjoint(place.subschemas("oneOf"), provable.disjoint):
        yield place.find("oneOf", "refused", "llguidance cannot prove that its branches exclude each other")


def _bounds(place: Place) -> Iterator[Finding]:
    for keyword in place.has(*_BOUNDS):
        if is_number(place.schema[keyword]) and abs(place.schema[keyword]) > _WIDEST:
            yield place.find(keyword, "refused", "llguidance takes no bound beyond 64 bits")


def _circles(place: Place) -> Iterator[Finding]:
    target = place.references.follow(place.schema.get("$ref"))
    if target is None or target.tokens != place.tokens[: len(target.tokens)]:
        return
    beside = [keyword for keyword in place.schema if keyword in ASSERTIONS and keyword != "$ref"]
    if beside and place.tokens:
        yield place.find(beside[0], "refused", "llguidance takes nothing beside a reference to what it stands in")


RULES: tuple[Rule, ...] = (_unknown, _formats, _patterns, _pattern_properties, _counts, _one_of, _bounds, _circles)
