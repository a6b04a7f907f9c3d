"""From the text of a JSON Schema to a compiled validator, within bounds and without asking the network for anything.

Draft 2020-12 unless `$schema` names another. References are followed within the schema only. Patterns are matched in
linear time where they allow it; look-around and back-references backtrack, `BACKTRACKS` steps at most, and a match that
is not decided by then fails the value. The formats of `ASSERTED` are checked, every other one says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypedDict
from urllib.parse import unquote

import jsonschema_rs

from trimtab.contracts.jsontext import NotJson, depth, parse
from trimtab.errors import SchemaInvalid

MAX_DEPTH = 64
MAX_PATTERN = 4096
MAX_EXPANSION = 10_000
"""How many subschemas may hold one value at once, references followed: nested references double at each step."""
BACKTRACKS = 20_000

ASSERTED = ("date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")
"""Formats that RFC 3339, 5321, 1123, 2673, 4291, 4122 and 3986 define and that engines constrain too."""
_UNCHECKED = (
    "idn-email", "idn-hostname", "iri", "iri-reference", "json-pointer", "regex", "relative-json-pointer",
    "uri-reference", "uri-template",
)  # fmt: skip

SCHEMAS_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
SCHEMAS = (
    "additionalProperties", "propertyNames", "items", "additionalItems", "contains", "not", "if", "then", "else",
    "unevaluatedItems", "unevaluatedProperties", "contentSchema",
)  # fmt: skip
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
"""Keywords whose subschemas hold the value itself, not a part of it."""


class Bounds(NamedTuple):
    """How large a schema may be: bytes of its text, patterns in it, and bytes that one pattern compiles to."""

    text: int
    patterns: int
    pattern: int


DECLARED = Bounds(1 << 20, 500, 16 << 20)
"""For schemas of a project."""
REQUESTED = Bounds(256 << 10, 50, 1 << 20)
"""For schemas that clients send: what they may cost a worker is some 50 MiB and a third of a second, once."""

_HEAVY = re.compile(r"\\[pP]|\{(?:\d+,)?\d*(?:[4-9]\d|\d{3})")


class Part(NamedTuple):
    """A subschema and its place in the whole: the tokens of its JSON pointer."""

    tokens: tuple[str, ...]
    schema: Any


class Options(TypedDict):
    """What every validator is compiled with."""

    validate_formats: bool
    formats: dict[str, Callable[[str], bool]]
    pattern_options: jsonschema_rs.FancyRegexOptions
    offline: bool


def options(bounds: Bounds = DECLARED) -> Options:
    """What every validator is compiled with: no network, bounded patterns, the formats of `ASSERTED`."""
    return Options(
        validate_formats=True,
        formats=dict.fromkeys(_UNCHECKED, _accept),
        pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKS, size_limit=bounds.pattern),
        offline=True,
    )


def _accept(_value: str) -> bool:
    return True


def read_schema(text: str, bounds: Bounds = DECLARED) -> dict[str, Any] | bool:
    """The schema in a JSON text; raises `SchemaInvalid` where it is none or exceeds the bounds of this module."""
    if len(text) > bounds.text or len(text.encode("utf-8", "surrogatepass")) > bounds.text:
        raise SchemaInvalid(detail=f"it is larger than {bounds.text} bytes")
    try:
        schema = parse(text)
    except NotJson as broken:
        where = "" if broken.at is None else f" at character {broken.at}"
        raise SchemaInvalid(detail=f"it is not JSON{where}: {broken.detail}") from None
    if not isinstance(schema, (dict, bool)):
        raise SchemaInvalid(detail="it must be an object, true or false")
    if depth(schema) > MAX_DEPTH:
        raise SchemaInvalid(detail=f"it is nested deeper than {MAX_DEPTH} levels")
    return schema


def compile_schema(schema: dict[str, Any] | bool, bounds: Bounds = DECLARED) -> jsonschema_rs.Validator:
    """Compiles a schema that `read_schema` gave; raises `SchemaInvalid` with the place that cannot be used."""
    _bound_patterns(schema, bounds.patterns)
    _bound_references(schema)
    try:
        compiled = jsonschema_rs.validator_for(schema, **options(bounds))
    except jsonschema_rs.ValidationError as error:
        raise SchemaInvalid(detail=_what_is_wrong(schema, error)) from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaInvalid(detail=str(error).partition("\n")[0][:300]) from None
    return compiled


def parts(schema: Any) -> Iterator[Part]:
    """Every subschema, the whole first; what stands in keywords that hold no schemas is not one."""
    waiting = [Part((), schema)]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part.schema, dict):
            waiting.extend(inner for keyword in part.schema for inner in below(part, keyword))


def below(part: Part, keyword: str) -> Iterator[Part]:
    """The subschemas of one keyword, in whichever form the keyword has them."""
    value = part.schema.get(keyword)
    named = isinstance(value, dict) and (keyword in SCHEMAS_BY_NAME or keyword == "dependencies")
    if named:
        for name, inner in value.items():
            if isinstance(inner, (dict, bool)):
                yield Part((*part.tokens, keyword, name), inner)
    elif isinstance(value, list) and keyword in (*SCHEMA_LISTS, "items"):
        for index, inner in enumerate(value):
            if isinstance(inner, (dict, bool)):
                yield Part((*part.tokens, keyword, str(index)), inner)
    elif isinstance(value, (dict, bool)) and keyword in SCHEMAS:
        yield Part((*part.tokens, keyword), value)


def pointer(tokens: tuple[str, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


class References:
    """Where the references of a schema lead, as far as they stay in it: pointers, anchors and embedded `$id`s."""

    def __init__(self, schema: Any) -> None:
        self._named: dict[str, Part] = {"": Part((), schema)}
        self.embedded = False
        for part in parts(schema):
            if not isinstance(part.schema, dict):
                continue
            for keyword in ("$id", "id"):
                name = part.schema.get(keyword)
                if isinstance(name, str):
                    self.embedded |= bool(part.tokens)
                    self._named.setdefault(name.removesuffix("#"), part)
            for keyword in ("$anchor", "$dynamicAnchor"):
                name = part.schema.get(keyword)
                if isinstance(name, str):
                    self._named.setdefault(f"#{name}", part)

    def follow(self, reference: object) -> Part | None:
        """The subschema a reference leads to; None if that is not found by plain means."""
        if not isinstance(reference, str):
            return None
        if reference in self._named:
            return self._named[reference]
        base, _, fragment = reference.partition("#")
        start = self._named.get(base)
        if start is None:
            return None
        if fragment and not fragment.startswith("/"):
            return self._named.get(f"#{fragment}")
        tokens = [token.replace("~1", "/").replace("~0", "~") for token in unquote(fragment).split("/")[1:]]
        return _step(start, tokens)


def _step(start: Part, tokens: list[str]) -> Part | None:
    found = start.schema
    for token in tokens:
        if isinstance(found, dict) and token in found:
            found = found[token]
        elif isinstance(found, list) and token.isascii() and token.isdigit() and int(token) < len(found):
            found = found[int(token)]
        else:
            return None
    return Part((*start.tokens, *tokens), found)


class Expansion:
    """Counts the subschemas that hold one value at once; what refers to itself counts once."""

    def __init__(self, schema: Any) -> None:
        self._references = References(schema)
        self._counted: dict[int, int] = {}

    def of(self, schema: Any) -> int:
        """The count for one subschema, itself included."""
        if not isinstance(schema, dict):
            return 1
        known = self._counted.get(id(schema))
        if known is not None:
            return known
        self._counted[id(schema)] = 1
        inner = [part.schema for keyword in IN_PLACE for part in below(Part((), schema), keyword)]
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            target = self._references.follow(schema.get(keyword))
            if target is not None:
                inner.append(target.schema)
        total = 1
        for one in inner:
            total = min(total + self.of(one), MAX_EXPANSION + 1)
        self._counted[id(schema)] = total
        return total


def _bound_references(schema: Any) -> None:
    expansion = Expansion(schema)
    try:
        most = max(expansion.of(part.schema) for part in parts(schema))
    except RecursionError:
        raise SchemaInvalid(detail="its references form a chain of hundreds") from None
    if most > MAX_EXPANSION:
        raise SchemaInvalid(detail=f"its references multiply to over {MAX_EXPANSION} subschemas for one value")


def patterns(schema: Any) -> Iterator[tuple[Part, str]]:
    """The patterns of a schema with the subschemas that they stand in."""
    for part in parts(schema):
        if not isinstance(part.schema, dict):
            continue
        by_name = part.schema.get("patternProperties")
        for pattern in (part.schema.get("pattern"), *(by_name if isinstance(by_name, dict) else ())):
            if isinstance(pattern, str):
                yield part, pattern


def weight(schema: Any, text: str) -> int:
    """Bytes of memory that a compiled schema takes, roughly and rather too many, within the bounds of `REQUESTED`."""
    return 16 * len(text) + sum(REQUESTED.pattern if _HEAVY.search(said) else 16 << 10 for _, said in patterns(schema))


def _bound_patterns(schema: Any, most: int) -> None:
    seen = 0
    for part, pattern in patterns(schema):
        seen += 1
        if len(pattern) > MAX_PATTERN:
            raise SchemaInvalid(detail=f"a pattern at {pointer(part.tokens)!r} is longer than {MAX_PATTERN} characters")
    if seen > most:
        raise SchemaInvalid(detail=f"it has {seen} patterns, {most} at most are taken")


def _what_is_wrong(schema: Any, error: jsonschema_rs.ValidationError) -> str:
    said = error.message.partition("\n")[0][:300]
    tokens = tuple(str(token) for token in error.instance_path)
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Referencing):
        return _unresolved(schema, said)
    if error.kind.name == "format" and (tokens[-1:] == ("pattern",) or tokens[-2:-1] == ("patternProperties",)):
        pattern = str(error.instance)[:100]
        return (
            f"the pattern {pattern!r} at {pointer(tokens)} cannot be used: it is no ECMA-262 regular expression, "
            f"compiles to too much or needs what this validator does not have"
        )
    return f"{said}, at {pointer(tokens) or 'the top'}"


def _unresolved(schema: Any, said: str) -> str:
    declared = schema.get("$schema") if isinstance(schema, dict) else None
    if isinstance(declared, str) and declared in said:
        return f"its $schema {declared[:200]!r} is not a draft that is known; name 2020-12, 2019-09, 7, 6 or 4"
    for part in parts(schema):
        if not isinstance(part.schema, dict):
            continue
        for keyword in ("$ref", "$dynamicRef"):
            reference = part.schema.get(keyword)
            if isinstance(reference, str) and reference.lstrip("#") and reference.lstrip("#") in said:
                return (
                    f"the {keyword} {reference[:200]!r} at {pointer(part.tokens) or 'the top'} leads nowhere in it; "
                    f"nothing is fetched, so put what it refers to into $defs"
                )
    return f"a reference cannot be followed ({said}); nothing is fetched, so put what it refers to into $defs"
