"""A schema brought into OpenAI's strict subset, as near to its meaning as the subset allows.

What may be left out becomes null, a choice of exactly one a choice of any, names that are not known beforehand a list
of key and value; what the subset cannot say goes into the description. Answers to the rewritten schema have its shape,
not that of the original: it is offered as a schema of its own, never used in place of the other.
"""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from trimtab.contracts import strict
from trimtab.contracts.compiling import Part, References, pointer
from trimtab.contracts.findings import is_number, recurs
from trimtab.contracts.patterns import features

_KEPT = ("pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems")
_TOLD = ("title", "description")
_SILENT = ("$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "examples", "discriminator")
_SHAPED = (
    "type", "enum", "const", "format", "properties", "required", "additionalProperties", "patternProperties", "items",
    "prefixItems", "anyOf", "oneOf", "allOf", "$ref",
)  # fmt: skip
_BY_KEYWORD = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_SCALARS = ("string", "number", "boolean", "null")
_MOST_STEPS = 64


class Changed(Struct, frozen=True):
    """One thing the rewriting changed; `path` is a JSON pointer into the original."""

    path: str
    what: str


class Rewrite(Struct, frozen=True):
    """A schema that OpenAI takes, and every way in which it is not the original."""

    schema: dict[str, Any]
    changes: tuple[Changed, ...]


class _Impossible(Exception):
    """There is no such schema in the subset."""


def rewrite(schema: Any) -> Rewrite | None:
    """The schema in the subset; None where there is no such schema, or the original needs no rewriting."""
    if not isinstance(schema, dict) or not any(strict.findings(schema)):
        return None
    rewriter = _Rewriter(schema)
    try:
        written = rewriter.whole()
    except (_Impossible, RecursionError):
        return None
    if any(strict.findings(written)):
        return None
    return Rewrite(written, tuple(rewriter.changes))


class _Rewriter:
    """Rewrites one schema; `changes` tells what was changed so far."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.changes: dict[Changed, None] = {}
        self._schema = schema
        self._references = References(schema)
        self._wanted: list[str] = []
        self._names_top = False
        self._recursive: dict[tuple[str, ...], bool] = {}

    def whole(self) -> dict[str, Any]:
        """The whole schema: an object at the top, with the definitions it refers to."""
        top = self._part(self._schema, (), _MOST_STEPS)
        target = self._references.follow(top.get("$ref"))
        if target is not None:
            self._change((), "what it refers to is written out at the top")
            self._wanted.clear()
            top = self._part(target.schema, target.tokens, _MOST_STEPS)
        wrapped = False
        if top.get("type") != "object" or "anyOf" in top:
            self._change((), "the answer is an object with the one property `value`, which holds what is asked for")
            top = _object({"value": top})
            wrapped = True
        defined: dict[str, dict[str, Any]] = {"$defs": {}, "definitions": {}}
        for name in self._wanted:
            _, holder, key = name.split("/", 2)
            if key not in defined[holder]:
                found = self._references.follow(name)
                if found is None:
                    raise _Impossible
                defined[holder][key] = self._part(found.schema, found.tokens, _MOST_STEPS)
        if wrapped and self._names_top:
            raise _Impossible
        return {**top, **{holder: held for holder, held in defined.items() if held}}

    def _recurs(self, target: Part) -> bool:
        if target.tokens not in self._recursive:
            self._recursive[target.tokens] = recurs(target, self._references)
        return self._recursive[target.tokens]

    def _change(self, tokens: tuple[str, ...], what: str) -> None:
        self.changes.setdefault(Changed(pointer(tokens), what))

    def _part(self, schema: Any, tokens: tuple[str, ...], steps: int) -> dict[str, Any]:
        if schema is False or steps <= 0:
            raise _Impossible
        if schema is True:
            schema = {}
        schema = self._merged(schema, tokens, steps)
        if "$ref" in schema:
            return self._reference(schema, tokens, steps)
        told = {keyword: schema[keyword] for keyword in _TOLD if keyword in schema}
        branches = schema.get("anyOf", schema.get("oneOf"))
        if isinstance(branches, list):
            written = self._choice(schema, branches, tokens, steps)
        elif "enum" in schema or "const" in schema:
            written = self._values(schema, tokens)
        else:
            written = self._typed(schema, tokens, steps)
        return self._described({**told, **written}, schema, tokens)

    def _described(self, written: dict[str, Any], schema: dict[str, Any], tokens: tuple[str, ...]) -> dict[str, Any]:
        """What was lost is told in the description."""
        lost = [key for key in schema if key not in (*_TOLD, *_SILENT, *_SHAPED) and key not in written]
        if "format" in schema and "format" not in written and "anyOf" not in written:
            lost.append("format")
        lost = [
            key
            for key in lost
            if not key.startswith("x-") and key not in ("readOnly", "writeOnly", "deprecated", "nullable")
        ]
        if not lost:
            return written
        said = "; ".join(f"{key}: {json.dumps(schema[key], ensure_ascii=False)[:200]}" for key in lost)
        for key in lost:
            self._change(tokens, f"{key} is only told in the description")
        before = str(written.get("description", "")).rstrip()
        return {**written, "description": f"{before} ({said})" if before else f"({said})"}

    def _reference(self, schema: dict[str, Any], tokens: tuple[str, ...], steps: int) -> dict[str, Any]:
        target = self._references.follow(schema["$ref"])
        if target is None:
            raise _Impossible
        beside = {key: value for key, value in schema.items() if key not in ("$ref", *_SILENT)}
        named = str(schema["$ref"])
        defined = (
            len(target.tokens) == 2
            and target.tokens[0] in ("$defs", "definitions")
            and named == "#" + pointer(target.tokens)
        )
        circular = self._recurs(target)
        if (beside and not circular) or not (defined or named == "#"):
            if circular:
                raise _Impossible
            self._change(tokens, f"{named} is written out here")
            inner = target.schema if isinstance(target.schema, dict) else {}
            return self._part({**inner, **beside}, tokens, steps - 1)
        if beside:
            self._change(tokens, f"what stood beside {named} is gone: {', '.join(beside)}")
        if defined:
            self._wanted.append(named)
        self._names_top |= named == "#"
        return {"$ref": named}

    def _merged(self, schema: dict[str, Any], tokens: tuple[str, ...], steps: int) -> dict[str, Any]:
        """With the branches of `allOf` in one schema."""
        branches = schema.get("allOf")
        if not isinstance(branches, list):
            return schema
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        self._change(tokens, "the branches of allOf are one schema")
        for branch in branches:
            merged = self._joined(merged, self._resolved(branch, steps), tokens)
        return self._merged(merged, tokens, steps - 1)

    def _resolved(self, schema: Any, steps: int) -> dict[str, Any]:
        for _ in range(steps):
            if not isinstance(schema, dict):
                break
            target = self._references.follow(schema.get("$ref"))
            if target is None or not isinstance(target.schema, dict) or self._recurs(target):
                break
            schema = {**target.schema, **{key: value for key, value in schema.items() if key != "$ref"}}
        if not isinstance(schema, dict):
            raise _Impossible
        return schema

    def _joined(self, one: dict[str, Any], other: dict[str, Any], tokens: tuple[str, ...]) -> dict[str, Any]:
        joined = dict(one)
        for key, value in other.items():
            if key not in joined or joined[key] == value:
                joined[key] = value
            elif key == "properties":
                both = {name: {"allOf": [joined[key][name], value[name]]} for name in joined[key].keys() & value.keys()}
                joined[key] = {**joined[key], **value, **both}
            elif key == "required":
                joined[key] = list(dict.fromkeys([*joined[key], *value]))
            elif key in ("minimum", "exclusiveMinimum", "minLength", "minItems"):
                joined[key] = max(joined[key], value)
            elif key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems"):
                joined[key] = min(joined[key], value)
            elif key == "description":
                joined[key] = f"{joined[key]} {value}"
            elif key not in ("title", *_SILENT):
                self._change(tokens, f"of two {key} in allOf only the first is kept")
        return joined

    def _choice(
        self, schema: dict[str, Any], branches: list[Any], tokens: tuple[str, ...], steps: int
    ) -> dict[str, Any]:
        keyword = "anyOf" if "anyOf" in schema else "oneOf"
        if keyword == "oneOf":
            self._change(tokens, "oneOf became anyOf: more than one branch may hold")
        beside = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", *_TOLD, *_SILENT)}
        written: list[dict[str, Any]] = []
        for at, branch in enumerate(branches):
            whole = self._joined(beside, self._resolved(branch, steps), tokens) if beside else branch
            one = self._part(whole, (*tokens, keyword, str(at)), steps - 1)
            if one not in written:
                written.append(one)
        return written[0] if len(written) == 1 else {"anyOf": written}

    def _values(self, schema: dict[str, Any], tokens: tuple[str, ...]) -> dict[str, Any]:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        if any(isinstance(value, (dict, list)) for value in values):
            raise _Impossible
        types = list(dict.fromkeys(map(_type_of, values)))
        if "type" not in schema:
            self._change(tokens, "the type of the values is named")
        held = {"const": schema["const"]} if "const" in schema else {"enum": values}
        return {"type": types[0] if len(types) == 1 else types, **held}

    def _typed(self, schema: dict[str, Any], tokens: tuple[str, ...], steps: int) -> dict[str, Any]:
        named = schema.get("type")
        types = [named] if isinstance(named, str) else list(named or ())
        if not types:
            types = [name for name, keywords in _BY_KEYWORD.items() if any(key in schema for key in keywords)][:1]
            self._change(tokens, f"the type is {types[0]}" if types else "only a string, number, boolean or null")
            if not types:
                return {"type": list(_SCALARS)}
        structured = [name for name in types if name in ("object", "array")]
        if structured and len(types) > 1:
            return {"anyOf": [self._single(name, schema, tokens, steps) for name in types]}
        if structured:
            return self._single(types[0], schema, tokens, steps)
        return {"type": types[0] if len(types) == 1 else types, **self._bounds(schema, types)}

    def _single(self, name: str, schema: dict[str, Any], tokens: tuple[str, ...], steps: int) -> dict[str, Any]:
        if name == "object":
            return self._object(schema, tokens, steps)
        if name == "array":
            return self._array(schema, tokens, steps)
        return {"type": name, **self._bounds(schema, [name])}

    def _bounds(self, schema: dict[str, Any], types: list[str]) -> dict[str, Any]:
        mine = {key for name in types for key in _BY_KEYWORD.get("number" if name == "integer" else name, ())}
        kept = {key: schema[key] for key in _KEPT if key in schema and key in mine and _sayable(key, schema[key])}
        if "string" in types and schema.get("format") in strict.FORMATS:
            kept["format"] = schema["format"]
        return kept

    def _object(self, schema: dict[str, Any], tokens: tuple[str, ...], steps: int) -> dict[str, Any]:
        declared, required = schema.get("properties", {}), set(schema.get("required", ()))
        more = schema.get("additionalProperties", True)
        by_name = schema.get("patternProperties", {})
        if not declared and (more is not False or by_name):
            return self._entries(more, by_name, tokens, steps)
        if (isinstance(more, dict) and more) or by_name:
            self._change(tokens, "only the declared properties are left")
        elif more is not False:
            self._change(tokens, "no other properties")
        properties = {}
        for name, inner in declared.items():
            if inner is False and name not in required:
                continue
            written = self._part(inner, (*tokens, "properties", name), steps - 1)
            if name not in required:
                self._change((*tokens, "properties", name), "null where it was left out")
                written = _nullable(written)
            properties[name] = written
        for name in sorted(required - set(properties)):
            if name in declared:
                raise _Impossible
            self._change(tokens, f"{name} is declared, since it is required")
            properties[name] = self._part(more, tokens, steps - 1)
        return _object(properties)

    def _entries(self, more: Any, by_name: dict[str, Any], tokens: tuple[str, ...], steps: int) -> dict[str, Any]:
        """Names that are not known beforehand: a list of key and value."""
        self._change(tokens, "a list of entries with `key` and `value`, since names must be known beforehand")
        key: dict[str, Any] = {"type": "string"}
        if len(by_name) == 1 and more is False:
            key["pattern"] = next(iter(by_name))
        values = [*by_name.values(), *([more] if more is not False else [])]
        written = [self._part(value, (*tokens, "additionalProperties"), steps - 1) for value in values]
        value = written[0] if len(written) == 1 else {"anyOf": written}
        return {"type": "array", "items": _object({"key": key, "value": value})}

    def _array(self, schema: dict[str, Any], tokens: tuple[str, ...], steps: int) -> dict[str, Any]:
        first = schema.get("prefixItems") or (schema["items"] if isinstance(schema.get("items"), list) else [])
        rest = (
            schema.get("items", True) if "prefixItems" in schema or not first else schema.get("additionalItems", True)
        )
        bounds = self._bounds(schema, ["array"])
        if not first:
            return {"type": "array", "items": self._part(rest, (*tokens, "items"), steps - 1), **bounds}
        self._change(tokens, "the items may come in any order")
        choices = [self._part(inner, (*tokens, "prefixItems", str(at)), steps - 1) for at, inner in enumerate(first)]
        if isinstance(rest, dict):
            choices.append(self._part(rest, (*tokens, "items"), steps - 1))
        else:
            bounds["maxItems"] = min(bounds.get("maxItems", len(first)), len(first))
        distinct = [choice for at, choice in enumerate(choices) if choice not in choices[:at]]
        return {"type": "array", "items": distinct[0] if len(distinct) == 1 else {"anyOf": distinct}, **bounds}


def _sayable(keyword: str, value: Any) -> bool:
    if keyword == "pattern":
        return not (features(str(value)).lookahead or features(str(value)).lookbehind)
    return is_number(value)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    named = schema.get("type")
    types = [named] if isinstance(named, str) else list(named or ())
    if "null" in types or any(branch.get("type") == "null" for branch in schema.get("anyOf", ())):
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "$ref" in schema or "const" in schema or not types or {"object", "array"} & set(types):
        told = {key: schema[key] for key in _TOLD if key in schema and "$ref" not in schema}
        return {**told, "anyOf": [{key: value for key, value in schema.items() if key not in told}, {"type": "null"}]}
    held = {**schema, "type": [*types, "null"]}
    return {**held, "enum": [*schema["enum"], None]} if "enum" in schema else held


def _type_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) else "number"
    return "string"
