"""A JSON Schema as a lock has it: the document, its digest, and the order of its properties.

Canonical JSON sorts keys, but engines write the fields of an answer in the order in which `properties` are written, and
models read them so; that order is pinned beside the document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from trimtab.declare.project import Schema
from trimtab.lock.plain import plain


def pinned_schema(schema: Schema) -> dict[str, Any]:
    """What is pinned of a schema; `order` has the names of each `properties` that are not written alphabetically.

    `sha256` is that of the text as it was written, without spaces.
    """
    document = json.loads(schema.text)
    return {"sha256": schema.digest, "schema": plain(document), "order": plain(dict(_orders(document, "")))}


def is_schema(value: Any) -> bool:
    """Whether a value is what `pinned_schema` made."""
    if not isinstance(value, dict) or value.keys() != {"sha256", "schema", "order"}:
        return False
    order = value["order"]
    return isinstance(order, dict) and all(isinstance(names, list) for names in order.values())


def _orders(value: Any, at: str) -> Iterator[tuple[str, list[str]]]:
    """The order of the keys in every `properties`, by the JSON Pointer of the object that has it."""
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _orders(inner, f"{at}/{index}")
    elif isinstance(value, dict):
        named = value.get("properties")
        if isinstance(named, dict) and list(named) != sorted(named):
            yield at, list(named)
        for key, inner in value.items():
            if isinstance(inner, (dict, list)):
                yield from _orders(inner, f"{at}/{key.replace('~', '~0').replace('/', '~1')}")
