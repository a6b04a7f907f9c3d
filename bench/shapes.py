"""JSON Schemas of answers, each with the keyword it is there for, and right answers to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

QUEUES = ["billing", "shipping", "refund", "account", "technical", "sales"]
WORD = {"type": "string", "maxLength": 12}


@dataclass(frozen=True)
class Shape:
    """A schema, and some answers that keep it."""

    name: str
    schema: dict[str, Any]
    right: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The schema's file."""
        return json.dumps(self.schema, indent=1)


def closed(**properties: Any) -> dict[str, Any]:
    """An object with these properties, all of them and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _max_length() -> Shape:
    return Shape("max-length", closed(name={"type": "string", "maxLength": 8}), ({"name": "Ada"}, {"name": "Zoë"}))


def _nested() -> Shape:
    city = closed(city=WORD, code={"type": "string", "pattern": "^[A-Z]{2}$"})
    order = closed(qty={"type": "integer", "minimum": 0, "maximum": 99}, paid={"type": "boolean"}, to=city)
    right = {"customer": {"order": {"qty": 7, "paid": True, "to": {"city": "Paris", "code": "FR"}}}}
    return Shape("nested", closed(customer=closed(order=order)), (right,))


def _any_of() -> Shape:
    mail = closed(kind={"const": "mail"}, to=WORD)
    call = closed(kind={"const": "call"}, minutes={"type": "integer", "minimum": 1, "maximum": 60})
    none = closed(kind={"const": "none"})
    right = ({"kind": "mail", "to": "Ada"}, {"kind": "call", "minutes": 5}, {"kind": "none"})
    return Shape("any-of", {"anyOf": [mail, call, none]}, right)


def _arrays() -> Shape:
    tags = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 1, "maxItems": 4}
    pairs = {"type": "array", "maxItems": 2, "items": closed(on={"type": "boolean"}, n={"enum": [1, 2, 3]})}
    right = ({"tags": ["a"], "pairs": []}, {"tags": ["c", "b", "a"], "pairs": [{"on": False, "n": 2}]})
    return Shape("arrays", closed(tags=tags, pairs=pairs), right)


def _patterns() -> Shape:
    zip_code = {"type": "string", "pattern": "^[0-9]{5}$"}
    part = {"type": "string", "pattern": "^[A-Z]{2,4}-[0-9]{1,3}$"}
    return Shape("patterns", closed(zip=zip_code, part=part), ({"zip": "75001", "part": "LMP-12"},))


def _extract() -> Shape:
    """What the trained demo model writes of itself, with a bound that it does not know."""
    count = {"type": "integer", "minimum": 1, "maximum": 50}
    return Shape(
        "extract",
        closed(name=WORD, item=WORD, qty=count, city=WORD),
        ({"name": "Ada", "item": "lamp", "qty": 12, "city": "Paris"},),
    )


def _optional() -> Shape:
    properties = {"label": {"enum": QUEUES}, "note": {"type": ["string", "null"], "maxLength": 6}}
    schema = {"type": "object", "properties": properties, "required": ["label"], "additionalProperties": False}
    return Shape("optional", schema, ({"label": "sales"}, {"label": "refund", "note": None}))


def _unbounded() -> Shape:
    """Free text, which runs into the limit on tokens with models that find no end."""
    schema = closed(said={"type": "string", "minLength": 2}, sure={"type": "number", "minimum": 0, "maximum": 1})
    return Shape("unbounded", schema, ({"said": "it is late", "sure": 0.5},))


SHAPES = {
    shape.name: shape
    for shape in (
        Shape(
            "enum", closed(label={"enum": QUEUES}, urgent={"type": "boolean"}), ({"label": "sales", "urgent": True},)
        ),
        _patterns(),
        _max_length(),
        _nested(),
        _arrays(),
        _any_of(),
        _optional(),
        _extract(),
        Shape(
            "several-types",
            {"anyOf": [{"enum": QUEUES}, {"type": "integer", "minimum": -9, "maximum": 9}, {"type": "null"}]},
            ("sales", 7, None),
        ),
        Shape(
            "lengths", closed(a={"type": "string", "minLength": 3, "maxLength": 6}, b=WORD), ({"a": "abcd", "b": ""},)
        ),
        _unbounded(),
    )
}
