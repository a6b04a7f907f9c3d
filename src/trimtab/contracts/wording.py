"""What a broken keyword of a schema means, in a short sentence for a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trimtab.contracts.faults import MAX_MESSAGE, choices, cut, preview

TYPE_NAMES = {
    "null": "null",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "array": "an array",
    "object": "an object",
}


def wording(keyword: str, limit: Any, value: object) -> str:
    """What a value must be that breaks `keyword: limit`, with what it is; at most `MAX_MESSAGE` characters."""
    said = _WORDS.get(keyword)
    text = said(limit, value) if said else f"breaks {keyword!r} of the schema"
    return cut(text, MAX_MESSAGE)


def _type(types: Any, value: object) -> str:
    names = [types] if isinstance(types, str) else list(types)
    return f"must be {' or '.join(TYPE_NAMES.get(name, str(name)) for name in names)}, is {preview(value)}"


def _required(names: Any, value: object) -> str:
    missing = [name for name in names if not isinstance(value, dict) or name not in value]
    return f"lacks {_properties(missing)}"


def _dependent(needs: Any, value: object) -> str:
    present = value if isinstance(value, dict) else {}
    missing = {name for given, names in needs.items() if given in present for name in names if name not in present}
    return f"lacks {_properties(sorted(missing))}, which others that it has ask for"


def _properties(names: list[str]) -> str:
    return f"the required {'property' if len(names) == 1 else 'properties'} {choices(names)}"


def _length(value: object) -> str:
    return f"has {len(value) if isinstance(value, (str, list, dict)) else 0}"


def _extra(names: Any, extra: Any) -> str:
    allowed = f"allowed are {choices(names)}" if names else "none are allowed"
    return f"has unknown properties {choices(extra, 100)}; {allowed}"


_WORDS: dict[str, Callable[[Any, object], str]] = {
    "type": _type,
    "required": _required,
    "dependentRequired": _dependent,
    "enum": lambda options, value: f"must be one of {choices(options)}; is {preview(value)}",
    "const": lambda expected, value: f"must be {choices([expected])}; is {preview(value)}",
    "multipleOf": lambda step, value: f"must be a multiple of {preview(step)}; is {preview(value)}",
    "maximum": lambda limit, value: f"must be at most {preview(limit)}; is {preview(value)}",
    "minimum": lambda limit, value: f"must be at least {preview(limit)}; is {preview(value)}",
    "exclusiveMaximum": lambda limit, value: f"must be less than {preview(limit)}; is {preview(value)}",
    "exclusiveMinimum": lambda limit, value: f"must be more than {preview(limit)}; is {preview(value)}",
    "maxLength": lambda limit, value: f"must have at most {preview(limit)} characters, {_length(value)}",
    "minLength": lambda limit, value: f"must have at least {preview(limit)} characters, {_length(value)}",
    "maxItems": lambda limit, value: f"must have at most {preview(limit)} items, {_length(value)}",
    "minItems": lambda limit, value: f"must have at least {preview(limit)} items, {_length(value)}",
    "maxProperties": lambda limit, value: f"must have at most {preview(limit)} properties, {_length(value)}",
    "minProperties": lambda limit, value: f"must have at least {preview(limit)} properties, {_length(value)}",
    "uniqueItems": lambda _, __: "must not have an item twice",
    "pattern": lambda pattern, value: f"must match the regular expression {cut(pattern, 120)}; is {preview(value)}",
    "format": lambda name, value: f"must be in the format {name!r}; is {preview(value)}",
    "not": lambda _, value: f"must not be what the schema excludes; is {preview(value)}",
    "false": lambda _, __: "must not be there",
    "contains": lambda _, __: "does not hold the items that the schema asks for, or not as many",
    "propertyNames": lambda _, value: f"may not have a property called {preview(value)}",
    "additionalProperties": _extra,
    "unevaluatedProperties": lambda _, __: "has properties that the schema does not allow",
    "additionalItems": lambda limit, value: f"must have at most {preview(limit)} items, {_length(value)}",
    "items": lambda limit, value: f"must have at most {preview(limit)} items, {_length(value)}",
    "unevaluatedItems": lambda _, __: "has items that the schema does not allow",
    "anyOf": lambda forms, value: f"must have one of these forms: {forms}; is {preview(value)}",
    "oneOf": lambda forms, value: f"must have exactly one of these forms: {forms}; is {preview(value)}",
}


def form(schema: Any) -> str:
    """A subschema of a union in a few words."""
    if not isinstance(schema, dict):
        return "anything" if schema else "nothing"
    if "const" in schema:
        return choices([schema["const"]], 40)
    if isinstance(schema.get("enum"), list):
        return f"one of {choices(schema['enum'], 60)}"
    properties = schema.get("properties", {})
    fixed = [name for name, inner in properties.items() if isinstance(inner, dict) and "const" in inner]
    if fixed:
        return f"an object with {choices(fixed[:1], 40)}: {choices([properties[fixed[0]]['const']], 40)}"
    types = schema.get("type")
    if isinstance(types, list):
        return " or ".join(TYPE_NAMES.get(name, str(name)) for name in types)
    named = TYPE_NAMES.get(types, "") if isinstance(types, str) else ""
    required = schema.get("required")
    if isinstance(required, list) and required:
        return f"{named or 'an object'} with {choices(required, 60)}"
    return named or "another schema"


def forms(schemas: list[Any]) -> str:
    """The branches of a union, the first eight of them."""
    shown = "; ".join(f"({number}) {form(schema)}" for number, schema in enumerate(schemas[:8], 1))
    return shown + (f" and {len(schemas) - 8} more" if len(schemas) > 8 else "")
