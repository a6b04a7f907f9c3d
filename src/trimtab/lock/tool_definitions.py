"""What an MCP server says a tool is, as a lock has it, and in words how one definition differs from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from trimtab.declare.project import Schema, Tool
from trimtab.lock import lockfile
from trimtab.lock.diff import differences
from trimtab.lock.plain import plain
from trimtab.lock.schema_form import pinned_schema

DOMAIN: Final = b"trimtab tool definition 1\n"
SCHEMAS: Final = ("input_schema", "output_schema")
TEXTS: Final = ("title", "description")


class Listed(Struct, frozen=True):
    """A tool as its server lists it; schemas and annotations are JSON, None where it tells none."""

    name: str
    input_schema: dict[str, Any]
    description: str = ""
    title: str = ""
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


class ServerIdentity(Struct, frozen=True):
    """Who an MCP server says it is. Its name may be empty: servers need not tell it."""

    name: str = ""
    version: str = ""
    protocol: str = ""


def definition(listed: Listed) -> dict[str, Any]:
    """What is pinned of a definition: all that a model or a caller of the tool sees."""
    return {
        "title": plain(listed.title),
        "description": plain(listed.description),
        "input_schema": _schema(listed.input_schema),
        "output_schema": None if listed.output_schema is None else _schema(listed.output_schema),
        "annotations": plain(listed.annotations),
    }


def declared(tool: Tool) -> dict[str, Any]:
    """The definition that the project's own file gives."""
    return {
        "title": "",
        "description": plain(tool.description),
        "input_schema": pinned_schema(tool.input_schema),
        "output_schema": None if tool.output_schema is None else pinned_schema(tool.output_schema),
        "annotations": None,
    }


def definition_digest(pinned: Mapping[str, Any]) -> str:
    """The sha256 of a definition, hexadecimal; how its schemas are spaced is not in it."""
    bare = {key: _without_text(value) if key in SCHEMAS else value for key, value in pinned.items()}
    return hashlib.sha256(DOMAIN + lockfile.canonical(bare)).hexdigest()


def definition_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """How a definition has moved, a sentence for each difference with the words that changed; empty for none."""
    old, new = (lockfile.lock([lockfile.entry("tools", "tool", dict(one))]) for one in (before, after))
    if definition_digest(before) == definition_digest(after):
        return ()
    return tuple(one.words.removeprefix("tools/tool: ") for one in differences(old, new))


def declared_differences(tool: Tool, listed: Mapping[str, Any]) -> tuple[str, ...]:
    """How a server's definition differs from what the project's file says; what that leaves out is not compared."""
    said = declared(tool)
    theirs = {key: listed[key] if value not in (None, "") else value for key, value in said.items()}
    return definition_differences(said, theirs)


def _schema(document: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return pinned_schema(Schema(text, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()))


def _without_text(pinned: Any) -> Any:
    return {key: value for key, value in pinned.items() if key != "sha256"} if isinstance(pinned, Mapping) else pinned
