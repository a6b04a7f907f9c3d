"""What a vLLM 0.32 does with a schema, for each `--structured-outputs-config` backend.

vLLM checks a schema for what it knows xgrammar to lack. `xgrammar` then refuses it; `auto` turns to guidance, or to
outlines where a property named by pattern is asked for. But a server compiles every schema with the grammar of its
first structured request, which mostly is xgrammar: a schema that only guidance can keep is then checked by guidance
and weakened by xgrammar.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trimtab.contracts import engine_guidance, engine_xgrammar
from trimtab.contracts.compiling import pointer
from trimtab.contracts.findings import Finding, Place, apply

_FORMATS = (
    "email", "date", "time", "date-time", "duration", "ipv4", "ipv6", "hostname", "uuid", "uri", "uri-reference",
    "uri-template", "json-pointer", "relative-json-pointer",
)  # fmt: skip
_OUTLINES_FORMATS = ("date", "time", "date-time", "uuid", "uri", "email")
_OUTLINES_SHAPES = ("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "properties")
_OF_ARRAYS = ("uniqueItems", "contains", "minContains", "maxContains")


def xgrammar(schema: Any) -> Iterator[Finding]:
    """A server that was started with `xgrammar`."""
    yield from lacking(schema)
    yield from engine_xgrammar.findings(schema)


def guidance(schema: Any) -> Iterator[Finding]:
    """A server that was started with `guidance`."""
    yield from engine_guidance.findings(schema)


def auto(schema: Any) -> Iterator[Finding]:
    """A server that was started without telling it."""
    compiled = list(engine_xgrammar.findings(schema))
    if next(lacking(schema), None) is None and not any(finding.effect == "refused" for finding in compiled):
        yield from compiled
        return
    outlined = any("patternProperties" in held for _, held in _objects(schema))
    yield from apply((_outlines,), schema) if outlined else engine_guidance.findings(schema)
    for finding in compiled:
        refused = finding.effect == "refused"
        detail = (
            f"{finding.detail} (vLLM checks with guidance, then compiles with xgrammar)" if refused else finding.detail
        )
        yield Finding(finding.path, finding.keyword, finding.effect, detail)


def _outlines(place: Place) -> Iterator[Finding]:
    schema, form = place.schema, place.schema.get("format")
    if "patternProperties" in place.tokens:
        return
    if "string" in place.types() and isinstance(form, str) and form not in _OUTLINES_FORMATS:
        yield place.find("format", "refused", f"outlines, which vLLM turns to, does not know {form}")
    if schema and not place.has(*_OUTLINES_SHAPES):
        yield place.find("type", "refused", "outlines, which vLLM turns to, wants a type")
    if schema.get("additionalProperties") is False and "properties" not in schema:
        yield place.find(
            "additionalProperties", "refused", "outlines, which vLLM turns to, wants properties beside false"
        )


def lacking(schema: Any) -> Iterator[Finding]:
    """What vLLM looks for, in every object of the text, whether or not it is a subschema."""
    for tokens, held in _objects(schema):
        named = held.get("type")
        types = (
            {named} if isinstance(named, str) else set(filter(_is_text, named)) if isinstance(named, list) else set()
        )
        for keyword in _lacks(held, types):
            yield Finding(pointer(tokens), keyword, "refused", "vLLM does not give it to xgrammar")


def _objects(schema: Any) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    waiting: list[tuple[tuple[str, ...], Any]] = [((), schema)]
    while waiting:
        tokens, held = waiting.pop()
        if not isinstance(held, dict):
            continue
        yield tokens, held
        for key, value in held.items():
            listed = enumerate(value) if isinstance(value, list) else [("", value)]
            waiting.extend(((*tokens, key, str(at)) if at != "" else (*tokens, key), inner) for at, inner in listed)


def _lacks(held: dict[str, Any], types: set[str]) -> Iterator[str]:
    if types & {"integer", "number"} and "multipleOf" in held:
        yield "multipleOf"
    if "array" in types:
        yield from (keyword for keyword in _OF_ARRAYS if keyword in held)
    if "string" in types:
        if "format" in held and held["format"] not in _FORMATS:
            yield "format"
        if _matched_and_bounded(held):
            yield "pattern" if "pattern" in held else "format"
    if "object" in types and "propertyNames" in held:
        names = held["propertyNames"]
        others = (
            "patternProperties" in held or "properties" in held or held.get("unevaluatedProperties", True) is not True
        )
        if others or (isinstance(names, dict) and _matched_and_bounded(names)):
            yield "propertyNames"
    by_name = held.get("patternProperties")
    if "object" in types and isinstance(by_name, dict) and ("properties" in held or len(by_name) > 1):
        yield "patternProperties"
    if isinstance(held.get("allOf"), list) and len(held["allOf"]) > 1:
        yield "allOf"


def _matched_and_bounded(held: dict[str, Any]) -> bool:
    return ("pattern" in held or "format" in held) and ("minLength" in held or "maxLength" in held)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
