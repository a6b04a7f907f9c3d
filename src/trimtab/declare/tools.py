"""What a tool's file says beside its schemas: what runs when it is called, and calls whose answers are known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final, Literal

from trimtab.declare import values
from trimtab.declare.files import in_project
from trimtab.declare.mistakes import one_of
from trimtab.declare.open_text import flag, open_text
from trimtab.declare.project import Effect, Golden, Implementation, McpServer
from trimtab.declare.table import Table

KINDS: Final = ("source", "package", "mcp")
PACKAGE: Final = re.compile(r"[A-Za-z0-9@/][A-Za-z0-9@/._-]{0,199}==[A-Za-z0-9][A-Za-z0-9.+!_-]{0,99}")
Compare = Literal["exact", "shape"]
COMPARE: Final[values.Read[Compare]] = values.choice("exact", "shape")
MAX_GOLDEN: Final = 64
MAX_WORDS: Final = 64


def read_implementation(table: Table, tool: str, root: Path) -> Implementation:
    """The `implementation` of a tool: one of a file, a package and an MCP server; nothing where it says nothing."""
    given = [key for key in KINDS if key in table]
    for key in given[1:]:
        table.wrong(key, f"{table.name(key)} stands beside {given[0]}, and only one of them runs", "keep that one")
    return Implementation(
        source=table.get("source", in_project(root), None),
        package=table.get("package", _package, ""),
        mcp=_read_mcp(table.table("mcp"), tool) if "mcp" in table else None,
    )


def read_golden(table: Table, effect: Effect) -> tuple[Golden, ...]:
    """The `golden` calls of a tool; only one that just reads is called to see what it answers."""
    if "golden" in table and effect != "read":
        what = f"golden calls are made again and again, and the tool's effect is {values.show(effect)}"
        table.wrong("golden", what, 'take them out, or write "effect": "read"')
        return ()
    calls = table.tables("golden")
    if len(calls) > MAX_GOLDEN:
        table.wrong("golden", f"there are {len(calls)} golden calls", f"write at most {MAX_GOLDEN}")
    return tuple(golden for each in calls[:MAX_GOLDEN] if (golden := _read_call(each)) is not None)


def _read_mcp(table: Table, tool: str) -> McpServer | None:
    command = tuple(word for _, word in table.elements("command", flag, most=MAX_WORDS, repeated=True))
    url, offered = table.get("url", values.server, ""), table.get("tool", open_text, tool)
    if ("url" in table) == ("command" in table):
        has = "both url and command" if "url" in table else "neither url nor command"
        table.wrong("", f"the MCP server has {has}", f"write {one_of(('url', 'command'))}")
        return None
    return McpServer(offered, url, command)


def _read_call(table: Table) -> Golden | None:
    """One golden call. Its arguments and answer become JSON with sorted keys."""
    for key in ("arguments", "answer"):
        if key not in table:
            table.wrong("", f"the golden call has no {key}", f'write "{key}": ...')
    arguments = table.get("arguments", _arguments, None)
    compare: Compare = table.get("compare", COMPARE, "shape")
    if arguments is None or "answer" not in table:
        return None
    return Golden(arguments, table.get("answer", _json, ""), compare)


def _package(value: object) -> str:
    if not isinstance(value, str) or not PACKAGE.fullmatch(value):
        raise values.Wrong(f"{values.show(value)}, not a package with its version", 'write "name==version"')
    return value


def _arguments(value: object) -> str:
    if not isinstance(value, dict):
        raise values.Wrong("not an object", 'write { "name": value, ... }, as the tool is called')
    return _json(value)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True, allow_nan=False)
