"""What tasks share: schemas in files of their own, the tools in `tools/` and the parts of prompts, each read once."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from trimtab.declare import values
from trimtab.declare.json_source import read_json
from trimtab.declare.keys import TOOL_KEYS
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.parts import Parts
from trimtab.declare.project import Effect, Schema, SchemaSource, Tool
from trimtab.declare.schemas import part_of, read_schema
from trimtab.declare.source import Source
from trimtab.declare.table import Table
from trimtab.declare.tools import read_golden, read_implementation
from trimtab.declare.unknown import Keys

FOLDER: Final = "tools"
TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_DESCRIPTION: Final = 10_000
EFFECT: Final[values.Read[Effect]] = values.choice("read", "idempotent", "write")


class Library:
    """Reads schemas and tools for the tasks that name them; `tools` holds the names of all that are there."""

    def __init__(self, root: Path, mistakes: Mistakes) -> None:
        self._root = root
        self._mistakes = mistakes
        self._schemas: dict[str, SchemaSource | None] = {}
        self._tools: dict[str, Tool | None] = {}
        self.parts = Parts(root, mistakes)
        self.tools = self._list()

    @property
    def sources(self) -> tuple[SchemaSource, ...]:
        """The schemas read so far, in the order of their files."""
        return tuple(source for _, source in sorted(self._schemas.items()) if source is not None)

    def has(self, path: str) -> bool:
        """Whether there is such a file, whatever it holds."""
        return os.path.lexists(self._root / path)

    def schema(self, path: str) -> Schema | None:
        """The schema in a file of the project, or None and its mistakes."""
        if path not in self._schemas:
            self._schemas[path] = read_schema(self._root, path, self._mistakes, "write it, a JSON Schema")
        source = self._schemas[path]
        return source.schema if source else None

    def tool(self, name: str) -> Tool | None:
        """The tool of that name, or None and its mistakes; a tool whose file is not there is the caller's to tell."""
        if name not in self._tools:
            self._tools[name] = self._read_tool(name)
        return self._tools[name]

    def _list(self) -> frozenset[str]:
        try:
            return frozenset(path.stem for path in (self._root / FOLDER).glob("*.json"))
        except OSError:
            return frozenset()

    def _read_tool(self, name: str) -> Tool | None:
        path = f"{FOLDER}/{name}.json"
        source = read_json(self._root, path, self._mistakes, None)
        if source is None:
            return None
        Keys(TOOL_KEYS, ()).check(source, self._mistakes)
        table = Table.whole(source, self._mistakes)
        if table.get("name", values.text, name) != name:
            table.wrong(
                "name", f"the name is not {values.show(name)}, as the file is called", "rename one, or leave it out"
            )
        description = self._required(table, "description", _description, "what it does, for the model")
        schema = self._required(table, "input_schema", _is_object_schema, '{"type": "object", "properties": {...}}')
        found = self._part(source, "input_schema") if schema else None
        effect: Effect = table.get("effect", EFFECT, "write")
        has_output = "output_schema" in table and table.get("output_schema", _is_schema, None) is not None
        output = self._part(source, "output_schema") if has_output else None
        implementation = read_implementation(table.table("implementation"), name, self._root)
        golden = read_golden(table, effect)
        if not description or not found:
            return None
        return Tool(name, description, found, effect, output, implementation, golden)

    def _part(self, source: Source, key: str) -> Schema | None:
        part = part_of(source, (key,), self._mistakes)
        self._schemas[f"{source.path}#{key}"] = part
        return part.schema if part else None

    @staticmethod
    def _required(table: Table, key: str, read: values.Read[values.T], example: str) -> values.T | None:
        if key not in table:
            table.wrong("", f"the tool has no {key}", f"give it one: {example}")
            return None
        return table.get(key, read, None)


def _description(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_DESCRIPTION:
        raise values.Wrong("not a text", f"write a string of 1 to {MAX_DESCRIPTION} characters")
    return value


def _is_schema(value: object) -> bool:
    if not isinstance(value, dict):
        raise values.Wrong("not a schema", 'write a JSON Schema, such as {"type": "object"}')
    return True


def _is_object_schema(value: object) -> bool:
    if not isinstance(value, dict) or value.get("type") != "object":
        raise values.Wrong("not the schema of an object", 'write {"type": "object", "properties": {...}}')
    return True
