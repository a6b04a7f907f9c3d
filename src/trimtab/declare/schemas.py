"""JSON Schemas of a declaration: read and put into one form. Whether they compile is for `policy.compile` to say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from trimtab.declare import locate
from trimtab.declare.json_source import pointer, read_json
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.project import Schema, SchemaSource
from trimtab.declare.source import Source
from trimtab.declare.values import show

REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
IDENTIFIERS: Final = ("$id", "id")
DATA: Final = frozenset({"const", "default", "enum", "example", "examples"})
"""Keywords whose values are data, not schemas."""
BY_NAME: Final = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)
"""Keywords whose values hold schemas by names of the schema's author."""


def read_schema(root: Path, path: str, mistakes: Mistakes, absent: str) -> SchemaSource | None:
    """The schema in a file of its own, or None and its mistakes."""
    source = read_json(root, path, mistakes, absent)
    return None if source is None else part_of(source, (), mistakes)


def part_of(source: Source, at: locate.Path, mistakes: Mistakes) -> SchemaSource | None:
    """The schema that stands at a path of a JSON file; None and mistakes where it refers to other documents."""
    schema: Any = source.values
    for part in at:
        schema = schema[part]
    known = {target for _, target in _strings(schema, at, IDENTIFIERS)} | {""}
    remote = [
        (path, target) for path, target in _strings(schema, at, REFERENCES) if target.partition("#")[0] not in known
    ]
    for path, target in remote:
        what = f"{pointer(path)} refers to {show(target)}, outside this schema"
        mistakes.add(source.path, source.line(path), what, 'copy that schema into $defs and write "#/$defs/NAME"')
    if remote:
        return None
    return SchemaSource(as_schema(schema), source.path, partial(_lines, source, at))


def _lines(source: Source, at: locate.Path) -> dict[str, int]:
    """The line of each JSON Pointer below a path."""
    below = {path[len(at) :]: line for path, line in source.lines.items() if path[: len(at)] == at}
    return {"": source.line(at), **{pointer(path): line for path, line in below.items()}}


def as_schema(schema: dict[str, Any]) -> Schema:
    """A schema in its one form.

    Keys keep the order in which they are written: engines make the fields of an answer in the order of `properties`.
    """
    text = json.dumps(schema, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Schema(text, hashlib.sha256(text.encode()).hexdigest())


def _strings(
    value: object, at: locate.Path, keywords: tuple[str, ...], *, by_name: bool = False
) -> Iterator[tuple[locate.Path, str]]:
    """The texts that stand at some keywords, with their paths."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*at, index), keywords)
    elif isinstance(value, dict):
        for key, item in value.items():
            if by_name:
                yield from _strings(item, (*at, key), keywords)
            elif key in keywords and isinstance(item, str):
                yield (*at, key), item
            elif key not in DATA:
                yield from _strings(item, (*at, key), keywords, by_name=key in BY_NAME)
