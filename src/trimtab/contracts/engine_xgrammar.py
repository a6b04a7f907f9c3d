"""What xgrammar 0.2 does with a schema when vLLM 0.32 lets it compile one.

Found by experiment: each rule is held against the engine by `bench/suites/schema_classes.py`. xgrammar takes the first
of `$ref`, `const`, `enum`, `anyOf`, `oneOf`, `allOf` and passes over what stands beside it; else it goes by `type`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from trimtab.contracts.compiling import compile_schema
from trimtab.contracts.findings import ASSERTIONS, Finding, Place, Rule, apply, is_number
from trimtab.contracts.overlap import TYPES, Closed, admitted, all_disjoint
from trimtab.contracts.patterns import exclusive, features
from trimtab.errors import SchemaInvalid

HEADS = ("$ref", "const", "enum", "anyOf", "oneOf", "allOf")
RAW_FORMATS = ("json-pointer", "relative-json-pointer")
LOOSE_FORMATS = {
    "date": "takes days that no month has, such as February 30",
    "date-time": "takes days that no month has and leap seconds at any minute",
    "time": "takes leap seconds at any minute",
    "email": "takes names and domains that are too long",
    "hostname": "takes names that are too long",
    "ipv4": "takes numbers with a leading zero",
    "ipv6": "takes numbers with a leading zero in an IPv4 part",
}
EXACT_FORMATS = ("uuid", "uri", "duration", "uri-reference", "uri-template")
IGNORED = ("not", "if", "dependentRequired", "dependentSchemas", "dependencies", "$dynamicRef", "$recursiveRef")
_UNSEEN = ("not", "if", "then", "else", "dependentSchemas", "dependencies", "contains")
_STRINGS = ("minLength", "maxLength", "pattern", "format")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_OBJECTS = ("required", "patternProperties", "propertyNames", "minProperties", "maxProperties")
_ARRAYS = ("minItems", "maxItems", "contains", "uniqueItems")
_WHOLE = 1 << 63
_LARGEST_STEP = 1000


def findings(schema: Any) -> Iterator[Finding]:
    """What xgrammar does with each keyword, once vLLM hands it the schema."""
    yield from apply(RULES, schema, _UNSEEN)


def _head(place: Place) -> str:
    return next(iter(place.has(*HEADS)), "")


def _passed_over(place: Place) -> Iterator[Finding]:
    head = _head(place)
    if not head:
        return
    beside = [keyword for keyword in place.schema if keyword in ASSERTIONS and keyword != head]
    for keyword in beside:
        if not _implied(place, head, keyword):
            yield place.find(keyword, "weakened", f"it stands beside {head}, and xgrammar keeps only that")


def _implied(place: Place, head: str, keyword: str) -> bool:
    """Whether what stands beside a head says nothing that the head does not."""
    if keyword == "type" and head not in ("const", "enum"):
        inside = admitted({head: place.schema[head]}, place.references, infer=True)
        return inside <= admitted({"type": place.schema["type"]}, place.references)
    if head not in ("const", "enum"):
        return False
    values = [place.schema["const"]] if head == "const" else place.schema["enum"]
    with contextlib.suppress(SchemaInvalid):
        beside = compile_schema({keyword: place.schema[keyword]})
        return all(beside.is_valid(value) for value in values)
    return False


def _ignored(place: Place) -> Iterator[Finding]:
    if _head(place):
        return
    for keyword in place.has(*IGNORED):
        if not _empty(place, keyword):
            yield place.find(keyword, "weakened", "xgrammar ignores it")


def _empty(place: Place, keyword: str) -> bool:
    """Whether an ignored keyword says nothing."""
    if keyword == "if":
        return not place.has("then", "else")
    if keyword in ("dependentRequired", "dependencies") and isinstance(place.schema[keyword], dict):
        required = set(place.schema.get("required", ()))
        return all(isinstance(names, list) and required.issuperset(names) for names in place.schema[keyword].values())
    return False


def _references(place: Place) -> Iterator[Finding]:
    reference = place.schema.get("$ref")
    if isinstance(reference, str) and reference != "#" and not reference.startswith("#/"):
        yield place.find(
            "$ref", "weakened", "xgrammar follows only references that begin with #/: anything is taken here"
        )


def _combined(place: Place) -> Iterator[Finding]:
    head = _head(place)
    if head == "allOf" and len(place.subschemas("allOf")) > 1:
        yield place.find("allOf", "weakened", "with more than one branch xgrammar takes anything")
    closed = Closed(place.references)
    if head == "oneOf" and not all_disjoint(place.subschemas("oneOf"), closed.disjoint):
        yield place.find("oneOf", "weakened", "xgrammar takes what more than one branch allows, as if it were anyOf")


def _never(place: Place) -> Iterator[Finding]:
    for keyword in ("properties", "patternProperties", "prefixItems", *HEADS[3:]):
        if any(inner is False for inner in place.subschemas(keyword)):
            yield place.find(keyword, "refused", "xgrammar takes no schema that is false")
    if isinstance(place.schema.get("items"), list):
        yield place.find("items", "refused", "xgrammar takes no list of schemas here: write prefixItems")
    if isinstance(place.schema.get("propertyNames"), bool):
        yield place.find("propertyNames", "refused", "xgrammar takes only an object here")


def _untyped(place: Place) -> Iterator[Finding]:
    """Without `type` only keywords that mean an object or array do something; they then exclude all other types."""
    if _head(place) or "type" in place.schema or _names_properties(place):
        return
    meant = admitted(place.schema, place.references, infer=True)
    lost: tuple[str, ...] = (*_STRINGS, *_NUMBERS, *_OBJECTS, *_ARRAYS) if meant == TYPES else ()
    if meant != TYPES:
        yield place.find("type", "narrowed", f"without a type xgrammar gives only an {next(iter(meant))} here")
    for keyword in place.has(*lost):
        yield place.find(keyword, "weakened", "xgrammar ignores it without a type beside it")


def _names_properties(place: Place) -> bool:
    return place.tokens[-1:] == ("propertyNames",) and place.tokens[-2:-1] != ("properties",)


def _strings(place: Place) -> Iterator[Finding]:
    if _head(place) or "string" not in place.types():
        return
    form, schema = place.schema.get("format"), place.schema
    if form in (*LOOSE_FORMATS, *RAW_FORMATS, *EXACT_FORMATS):
        for keyword in place.has("pattern", "minLength", "maxLength"):
            yield place.find(keyword, "weakened", "it stands beside format, and xgrammar keeps only that")
        if form in LOOSE_FORMATS:
            yield place.find("format", "weakened", f"xgrammar {LOOSE_FORMATS[form]}")
        elif form == "uri-reference":
            yield place.find("format", "narrowed", "xgrammar gives only relative references")
        elif form in RAW_FORMATS:
            yield place.find("format", "weakened", "xgrammar lets quotes into the string that are not escaped")
    elif "pattern" in schema:
        for keyword in place.has("minLength", "maxLength"):
            yield place.find(keyword, "weakened", "it stands beside pattern, and xgrammar keeps only that")
        yield from _pattern(place, "pattern", str(schema["pattern"]))
    else:
        yield from _lengths(place, place.schema)


def _lengths(place: Place, schema: dict[str, Any], under: str = "") -> Iterator[Finding]:
    bounded = [key for key in ("minLength", "maxLength") if schema.get(key)]
    if bounded and schema.get("maxLength") != 0:
        detail = "xgrammar lets control characters into strings of bounded length, which is not JSON"
        yield place.find(under or bounded[-1], "weakened", detail)


def _pattern(place: Place, keyword: str, pattern: str) -> Iterator[Finding]:
    has = features(pattern)
    for name in ("lookbehind", "reference", "boundary", "unicode_class", "flags"):
        if getattr(has, name):
            yield place.find(keyword, "refused", f"xgrammar has no {_SPOKEN[name]}: {pattern[:60]!r}")
    weak = {
        "lookahead": "xgrammar ignores lookahead",
        "inner_anchor": "xgrammar ignores ^ and $ inside a pattern",
        "only_escaped": "xgrammar writes quotes, backslashes and control characters unescaped, which is not JSON",
        "optional_loop": "xgrammar takes a repeated part of an optional group without the rest of it",
        "dot": "xgrammar lets the dot match U+2028 and U+2029",
        "not_space": "xgrammar lets spaces beyond ASCII pass for no space",
    }
    for name, detail in weak.items():
        if getattr(has, name):
            yield place.find(keyword, "weakened", f"{detail}: {pattern[:60]!r}")
    if has.escaped and not has.only_escaped:
        yield place.find(keyword, "narrowed", f"xgrammar leaves out quotes and control characters: {pattern[:60]!r}")
    if not has.anchored:
        yield place.find(keyword, "narrowed", f"xgrammar matches the whole string: {pattern[:60]!r}")


_SPOKEN = {
    "lookahead": "lookahead",
    "lookbehind": "lookbehind",
    "reference": "back-references",
    "boundary": "word boundaries",
    "unicode_class": "Unicode classes",
    "flags": "flags in a pattern",
}


def _numbers(place: Place) -> Iterator[Finding]:
    types = place.types()
    if _head(place) or not {"integer", "number"} & set(types):
        return
    bounds = {keyword: place.schema[keyword] for keyword in place.has(*_NUMBERS[:4])}
    for keyword, value in bounds.items():
        if not is_number(value):
            yield place.find(keyword, "refused", "xgrammar takes only a number here")
        elif "integer" in types and (value != int(value) or not -_WHOLE <= value < _WHOLE):
            yield place.find(keyword, "refused", "xgrammar takes only whole numbers of 64 bits as bounds of an integer")
    if "multipleOf" in place.schema:
        step = place.schema["multipleOf"]
        if "number" in types or bounds or step > _LARGEST_STEP:
            yield place.find("multipleOf", "weakened", "xgrammar ignores it")


def _arrays(place: Place) -> Iterator[Finding]:
    schema = place.schema
    if _head(place) or "array" not in _meant(place):
        return
    for keyword in place.has("contains", "uniqueItems"):
        if schema[keyword] is not False:
            yield place.find(keyword, "weakened", "xgrammar ignores it")
    declared = len(place.subschemas("prefixItems"))
    least, most = schema.get("minItems", 0), schema.get("maxItems", declared)
    more = schema.get("items", False) is not False or schema.get("unevaluatedItems", False) is not False
    if not more and least > declared:
        yield place.find("minItems", "refused", f"xgrammar ends an array without items after {declared}")
    if most < declared:
        yield place.find("maxItems", "refused", "xgrammar takes no maxItems below the number of prefixItems")
    if "items" not in schema and place.has("prefixItems", "maxItems", "contains", "uniqueItems"):
        yield place.find("items", "narrowed", f"without items xgrammar ends the array after {declared}")


def _meant(place: Place) -> tuple[str, ...]:
    return place.types() or tuple(
        admitted(place.schema, place.references, infer=True) - TYPES.difference(("object", "array"))
    )


def _objects(place: Place) -> Iterator[Finding]:
    schema = place.schema
    if _head(place) or "object" not in _meant(place) or (not place.types() and len(_meant(place)) > 1):
        return
    declared = schema.get("properties", {})
    unknown = sorted(set(schema.get("required", ())) - set(declared))
    if unknown:
        yield place.find(
            "required", "weakened", f"xgrammar does not ask for what properties lacks: {', '.join(unknown)}"
        )
    opened = any(schema.get(key, False) is not False for key in ("additionalProperties", "unevaluatedProperties"))
    opened = opened or bool(place.has("patternProperties", "propertyNames"))
    if not opened and schema.get("minProperties", 0) > len(declared):
        yield place.find("minProperties", "refused", f"xgrammar knows only {len(declared)} properties here")
    yield from _names(place)
    yield from _pattern_properties(place)


def _names(place: Place) -> Iterator[Finding]:
    names = place.schema.get("propertyNames")
    if not isinstance(names, dict):
        return
    if place.has("properties", "patternProperties"):
        yield place.find("propertyNames", "weakened", "xgrammar does not hold declared names against it")
    if "pattern" in names:
        yield from _pattern(place, "propertyNames", str(names["pattern"]))
    elif names.get("format") in LOOSE_FORMATS:
        yield place.find("propertyNames", "weakened", f"xgrammar {LOOSE_FORMATS[names['format']]}")
    else:
        yield from _lengths(place, names, "propertyNames")


def _pattern_properties(place: Place) -> Iterator[Finding]:
    patterns = place.schema.get("patternProperties")
    if not isinstance(patterns, dict):
        return
    for pattern in patterns:
        yield from _pattern(place, "patternProperties", pattern)
        if any(_matches(pattern, name) for name in place.schema.get("properties", {})):
            yield place.find("patternProperties", "weakened", f"xgrammar lets declared names pass {pattern[:60]!r}")
    if "properties" in place.schema:
        yield place.find("patternProperties", "narrowed", "beside properties xgrammar gives no names by pattern")
    if not exclusive(list(patterns)):
        yield place.find("patternProperties", "weakened", "xgrammar keeps only one of the patterns that a name matches")
    if place.schema.get("additionalProperties", True) is not False:
        yield place.find("patternProperties", "narrowed", "beside patternProperties xgrammar gives no other names")


def _matches(pattern: str, name: str) -> bool:
    with contextlib.suppress(re.error):
        return re.search(pattern, name) is not None
    return True


RULES: tuple[Rule, ...] = (
    _passed_over, _ignored, _references, _combined, _never, _untyped, _strings, _numbers, _arrays, _objects,
)  # fmt: skip
